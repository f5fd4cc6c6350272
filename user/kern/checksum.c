/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The TCP checksum of a whole frame (RFC 9293 section 3.1, RFC 1071). Called before a frame is put
 * back. Reads attacker bytes: every length is checked against the frame before it is used.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "kern/kern_priv.h"

#include "subzero/rule.h"

#define TCP_MIN 20u
#define TCP_CHECK 16u /* offset of the checksum in the TCP header */
#define VLAN_HLEN 4u

/* Ones' complement sum of 16-bit words as they stand in memory; an odd end counts as if zero. */
static u64 sum_words(const u8 *p, size_t n, u64 sum)
{
	u8 tail[4] = { 0 };
	u32 w;

	for (; n >= sizeof(w); p += sizeof(w), n -= sizeof(w)) {
		memcpy(&w, p, sizeof(w));
		sum += w;
	}
	memcpy(tail, p, n);
	memcpy(&w, tail, sizeof(w));
	return sum + w;
}

static u16 fold(u64 sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (u16)sum;
}

static u16 be16_at(const u8 *p)
{
	return (u16)(p[0] << 8 | p[1]);
}

struct segment {
	size_t off, len; /* of the TCP segment in the frame */
	u64 pseudo;      /* sum of the pseudo-header */
};

static bool find_ipv4(const u8 *frame, size_t off, size_t len, struct segment *ret)
{
	const u8 *ip = frame + off;
	size_t header, total;

	if (len - off < 20 || ip[0] >> 4 != 4 || ip[9] != IPPROTO_TCP)
		return false;
	header = (ip[0] & 0xfu) * 4;
	total = be16_at(ip + 2);
	if (header < 20 || total < header || total > len - off || be16_at(ip + 6) & 0x3fff)
		return false;
	ret->off = off + header;
	ret->len = total - header;
	ret->pseudo = sum_words(ip + 12, 8, htons(IPPROTO_TCP)) + htons((u16)ret->len);
	return true;
}

static bool find_ipv6(const u8 *frame, size_t off, size_t len, struct segment *ret)
{
	const u8 *ip = frame + off;

	if (len - off < 40 || ip[0] >> 4 != 6 || ip[6] != IPPROTO_TCP)
		return false;
	ret->off = off + 40;
	ret->len = be16_at(ip + 4);
	if (ret->len > len - ret->off)
		return false;
	ret->pseudo = sum_words(ip + 8, 32, htons(IPPROTO_TCP)) + htons((u16)ret->len);
	return true;
}

static bool find_segment(const u8 *frame, size_t len, struct segment *ret)
{
	size_t off = ETH_HLEN;
	bool found = false;
	int tags = 0;
	u16 type;

	if (len < off)
		return false;
	type = be16_at(frame + off - 2);
	while ((type == ETH_P_8021Q || type == ETH_P_8021AD) && tags++ < SZ_VLAN_MAX) {
		if (len - off < VLAN_HLEN)
			return false;
		off += VLAN_HLEN;
		type = be16_at(frame + off - 2);
	}
	if (type == ETH_P_IP)
		found = find_ipv4(frame, off, len, ret);
	else if (type == ETH_P_IPV6)
		found = find_ipv6(frame, off, len, ret);
	return found && ret->len >= TCP_MIN;
}

int sz_frame_checksum(u8 *frame, size_t len)
{
	struct segment s;
	u64 sum;
	u16 field;

	if (!find_segment(frame, len, &s))
		return 0;
	sum = sum_words(frame + s.off, s.len, 0);
	if (fold(sum + s.pseudo) == 0xffff)
		return 1;
	memcpy(&field, frame + s.off + TCP_CHECK, sizeof(field));
	if (SZ_RULE(CHECKSUM) && field != fold(s.pseudo))
		return 0;
	/* The field already adds the pseudo-header's part to the sum. */
	field = (u16)~fold(sum);
	memcpy(frame + s.off + TCP_CHECK, &field, sizeof(field));
	return 2;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Ethernet to TCP: up to two VLAN tags, IPv4, IPv6. Reads only buf[0..n); every offset it returns
 * lies inside the frame. It does not judge: what is odd about a packet is named in `odd`, and the
 * caller refuses it when the destination is protected.
 */
#ifndef SZ_PACKET_H
#define SZ_PACKET_H

#include "subzero/abi.h"
#include "subzero/compat.h"
#include "subzero/rule.h"

/* Header bytes looked at; packets whose headers are longer are odd. */
#define SZ_HEADERS_LEN 256

enum sz_l4 {
	SZ_L4_OTHER = 0,   /* certainly not TCP */
	SZ_L4_TCP = 1,     /* TCP header read: ports and the rest are set */
	SZ_L4_UNKNOWN = 2, /* may be TCP, but no ports can be read: only addresses are set */
};

#define SZ_TCP_FIN 0x01u
#define SZ_TCP_SYN 0x02u
#define SZ_TCP_RST 0x04u
#define SZ_TCP_PSH 0x08u
#define SZ_TCP_ACK 0x10u
#define SZ_TCP_URG 0x20u

struct sz_packet {
	struct sz_flow_key key; /* as sent by the client; swapped by the egress program */
	u32 l4;                 /* enum sz_l4 */
	u32 odd;                /* enum sz_reason: FRAGMENT, IP_OPTIONS, MALFORMED; 0 = nothing */
	u32 seq, ack;           /* host order */
	u32 l3_off, l4_off;
	u32 payload_off, payload_len;
	u32 tcp_flags;
	u32 v6; /* 1: IPv6 */
};

#define SZ_ETH_P_IP     0x0800
#define SZ_ETH_P_IPV6   0x86dd
#define SZ_ETH_P_8021Q  0x8100
#define SZ_ETH_P_8021AD 0x88a8
#define SZ_IPPROTO_TCP  6

#define SZ_AT(off) ((off) & (SZ_HEADERS_LEN - 1))

SZ_INLINE void sz_addr_v4(struct sz_addr *a, const u8 *p)
{
	sz_memset(a, 0, sizeof(*a));
	a->b[10] = a->b[11] = 0xff;
	sz_memcpy(&a->b[12], p, 4);
}

/*
 * Walks extension headers (RFC 8200 section 4). Returns the upper-layer protocol and moves *off to
 * it, or -1 where it cannot be told. Any extension header makes the packet odd.
 */
SZ_INLINE int sz_ip6_upper(const u8 *buf, u32 n, u32 end, u32 *off, struct sz_packet *p)
{
	u32 next = buf[SZ_AT(*off - 34)]; /* the next-header field of the fixed header */
	u32 i;

	for (i = 0; i <= SZ_EXTHDR_MAX; i++) {
		u32 o = *off, len;

		/* hop-by-hop, routing, fragment, authentication, destination, mobility, HIP, shim6
		 */
		if (next != 0 && next != 43 && next != 44 && next != 51 && next != 60 &&
		    next != 135 && next != 139 && next != 140)
			return (int)next;
		if (SZ_RULE(EXTENSION_HEADER))
			p->odd = p->odd == SZ_R_FRAGMENT ? SZ_R_FRAGMENT : SZ_R_IP_OPTIONS;
		if (o + 8 > n || o + 8 > end || o + 8 > SZ_HEADERS_LEN)
			return -1;
		len = buf[SZ_AT(o + 1)];
		if (SZ_RULE(IP6_FRAGMENT) && next == 44) {
			p->odd = SZ_R_FRAGMENT;
			len = 8;
		} else {
			len = next == 51 ? (len + 2) * 4 : (len + 1) * 8;
		}
		next = buf[SZ_AT(o)];
		*off = o + len;
	}
	return -1;
}

/*
 * The network header at `off`. Returns where the TCP header begins, or 0 where there is none to be
 * read; *ret_end is where the packet ends in the frame.
 */
SZ_INLINE u32 sz_parse_ip4(const u8 *buf, u32 n, u32 frame_len, u32 off, struct sz_packet *p,
			   u32 *ret_end)
{
	u32 frag, ihl, total;

	if (off + 20 > n)
		return 0; /* the stack drops it, too */
	sz_addr_v4(&p->key.client, buf + SZ_AT(off + 12));
	sz_addr_v4(&p->key.server, buf + SZ_AT(off + 16));
	ihl = (buf[SZ_AT(off)] & 15) * 4;
	total = sz_ntohs(sz_load16(buf + SZ_AT(off + 2)));
	frag = sz_ntohs(sz_load16(buf + SZ_AT(off + 6))) & 0x3fff;
	if (buf[SZ_AT(off + 9)] != SZ_IPPROTO_TCP)
		return 0;
	p->l4 = SZ_L4_UNKNOWN;
	if (!total && frame_len > 0xffff)
		total = frame_len - off; /* BIG TCP: too long for the field */
	if (SZ_RULE(IP4_LENGTHS) && (buf[SZ_AT(off)] >> 4 != 4 || ihl < 20 || total < ihl ||
				     off + total > frame_len)) {
		p->odd = SZ_R_MALFORMED;
		return 0;
	}
	if (SZ_RULE(IP4_FRAGMENT) && frag) {
		p->odd = SZ_R_FRAGMENT;
		return 0;
	}
	if (SZ_RULE(IP4_OPTIONS) && ihl > 20)
		p->odd = SZ_R_IP_OPTIONS;
	*ret_end = off + total;
	return off + ihl;
}

/* Likewise for IPv6. */
SZ_INLINE u32 sz_parse_ip6(const u8 *buf, u32 n, u32 frame_len, u32 off, struct sz_packet *p,
			   u32 *ret_end)
{
	u32 end, at = off + 40;
	int proto;

	if (at > n)
		return 0;
	p->v6 = 1;
	sz_memcpy(&p->key.client, buf + SZ_AT(off + 8), 16);
	sz_memcpy(&p->key.server, buf + SZ_AT(off + 24), 16);
	end = at + sz_ntohs(sz_load16(buf + SZ_AT(off + 4)));
	proto = sz_ip6_upper(buf, n, end, &at, p);
	if (proto >= 0 && proto != SZ_IPPROTO_TCP) {
		p->odd = 0;
		return 0;
	}
	p->l4 = SZ_L4_UNKNOWN;
	if (SZ_RULE(IP6_LENGTH) && end > frame_len)
		p->odd = SZ_R_MALFORMED;
	if (proto != SZ_IPPROTO_TCP || p->odd == SZ_R_FRAGMENT || p->odd == SZ_R_MALFORMED)
		return 0;
	*ret_end = end;
	return at;
}

/* The TCP header at `off` of a packet that ends at `end`. */
SZ_INLINE void sz_parse_tcp(const u8 *buf, u32 n, u32 off, u32 end, struct sz_packet *p)
{
	u32 doff;

	p->l4_off = off;
	if (SZ_RULE(TCP_SHORT) && (off + 20 > n || off + 20 > end)) {
		p->odd = SZ_R_MALFORMED;
		return;
	}
	doff = (buf[SZ_AT(off + 12)] >> 4) * 4;
	p->key.client_port = sz_load16(buf + SZ_AT(off));
	p->key.server_port = sz_load16(buf + SZ_AT(off + 2));
	p->seq = sz_ntohl(sz_load32(buf + SZ_AT(off + 4)));
	p->ack = sz_ntohl(sz_load32(buf + SZ_AT(off + 8)));
	p->tcp_flags = buf[SZ_AT(off + 13)];
	p->l4 = SZ_L4_TCP;
	if (SZ_RULE(TCP_OFFSET) && (doff < 20 || off + doff > end || off + doff > n)) {
		p->odd = SZ_R_MALFORMED;
		return;
	}
	p->payload_off = off + doff;
	p->payload_len = end - p->payload_off;
}

/* buf: at least SZ_HEADERS_LEN readable bytes, n of them from the frame; frame_len: all of it. */
SZ_COLD void sz_packet_parse(const u8 *buf, u32 n, u32 frame_len, struct sz_packet *p)
{
	u32 off = 12, type, i, end = 0, l4 = 0;

	sz_memset(p, 0, sizeof(*p));
	if (n > SZ_HEADERS_LEN)
		n = SZ_HEADERS_LEN;
	if (n < 14)
		return;
	type = sz_ntohs(sz_load16(buf + 12));
	for (i = 0; i < SZ_VLAN_MAX; i++) {
		if (type != SZ_ETH_P_8021Q && type != SZ_ETH_P_8021AD)
			break;
		off += 4;
		if (off + 2 > n)
			return;
		type = sz_ntohs(sz_load16(buf + SZ_AT(off)));
	}
	if (type == SZ_ETH_P_8021Q || type == SZ_ETH_P_8021AD) {
		/* Deeper tags than are read: no address to look up, so it is refused as it is. */
		p->l4 = SZ_L4_UNKNOWN;
		p->odd = SZ_R_MALFORMED;
		return;
	}
	off += 2;
	p->l3_off = off;
	if (type == SZ_ETH_P_IP)
		l4 = sz_parse_ip4(buf, n, frame_len, off, p, &end);
	else if (type == SZ_ETH_P_IPV6)
		l4 = sz_parse_ip6(buf, n, frame_len, off, p, &end);
	if (l4)
		sz_parse_tcp(buf, n, l4, end, p);
}

#define SZ_TCPOPT_END       0
#define SZ_TCPOPT_NOP       1
#define SZ_TCPOPT_MULTIPATH 30
#define SZ_TCPOPT_BYTES     40

/* The TCP timestamps option as every current stack sends it: NOP NOP TS (RFC 7323 appendix A). */
#define SZ_TS_WORD 0x0a080101u /* as loaded on a little-endian machine */

/*
 * Offset of the first Multipath TCP option (RFC 8684) in the segment's header, 0 when there is
 * none. Such connections map their bytes elsewhere in the stream, where one path's guard cannot
 * follow.
 */
SZ_COLD u32 sz_packet_multipath(const u8 *buf, const struct sz_packet *p)
{
	u32 at = p->l4_off + 20, i;

	if (p->payload_off == at ||
	    (p->payload_off == at + 12 && sz_load32(buf + SZ_AT(at)) == SZ_TS_WORD))
		return 0;
	for (i = 0; i < SZ_TCPOPT_BYTES; i++) {
		u8 kind, len;

		if (at >= p->payload_off)
			break;
		kind = buf[SZ_AT(at)];
		if (kind == SZ_TCPOPT_MULTIPATH)
			return at;
		if (kind == SZ_TCPOPT_END)
			break;
		if (kind == SZ_TCPOPT_NOP) {
			at++;
			continue;
		}
		len = buf[SZ_AT(at + 1)];
		if (len < 2)
			break;
		at += len;
	}
	return 0;
}

#endif

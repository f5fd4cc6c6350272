/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets made from packets: the HTTP answer and the RST toward the client, the RST toward the
 * server, and a segment cut short. All build headers in a small buffer; the caller resizes the
 * frame and stores them. IPv4 options and IPv6 extension headers never reach here.
 */
#ifndef SZ_ANSWER_H
#define SZ_ANSWER_H

#include "subzero/abi.h"
#include "subzero/compat.h"
#include "subzero/packet.h"
#include "subzero/rule.h"

#define SZ_OUT_MAX 256

/* Sum of n bytes (even) as 16-bit words, not folded. */
SZ_INLINE u32 sz_csum_add(const u8 *p, u32 n, u32 sum)
{
	u32 i;

	for (i = 0; i + 1 < n; i += 2)
		sum += sz_load16(p + i);
	return sum;
}

SZ_INLINE u16 sz_csum_fold(u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (u16)sum;
}

/* The pseudo-header's sum for `tcp_len` bytes of TCP; ip is the IP header. */
SZ_INLINE u32 sz_csum_pseudo(const u8 *ip, u32 v6, u32 tcp_len)
{
	u32 sum = sz_htons(SZ_IPPROTO_TCP) + sz_htons((u16)tcp_len);

	return v6 ? sz_csum_add(ip + 8, 32, sum) : sz_csum_add(ip + 12, 8, sum);
}

struct sz_sum {
	u64 sum;
	const u8 *buf;
	u32 pos;
	u32 left;
};

SZ_LOOP_FN sz_sum_step(u64 i, void *arg)
{
	struct sz_sum *s = arg;
	u64 w = sz_load64(s->buf + (s->pos & SZ_FRAME_MASK));

	(void)i;
	if (s->left < 8)
		w &= s->left ? ~0ull >> (64 - 8 * s->left) : 0;
	s->sum += (w & 0xffffffff) + (w >> 32);
	s->pos += 8;
	if (s->left <= 8)
		return 1;
	s->left -= 8;
	return 0;
}

/* Ones' complement sum of buf[off .. off + len), off + len <= SZ_FRAME_MAX. */
SZ_INLINE u64 sz_csum_bytes(const u8 *buf, u32 off, u32 len)
{
	struct sz_sum s = {.buf = buf, .pos = off, .left = len};

	if (len)
		sz_loop(SZ_FRAME_MAX / 8, sz_sum_step, &s);
	return s.sum;
}

/* Headers of the longest kind: two VLAN tags, IPv6, TCP with all its options. */
#define SZ_TRIM_MAX 128

/* An offset in the header buffer. */
#define SZ_OUT(off) ((off) & (SZ_OUT_MAX - 1))

/* Sets IP lengths (and the IPv4 checksum) for tcp_len bytes behind the IP header at ip. */
SZ_INLINE void sz_ip_length(u8 *ip, u32 v6, u32 tcp_len)
{
	if (v6) {
		sz_store16(ip + 4, sz_htons((u16)tcp_len));
		return;
	}
	sz_store16(ip + 2, sz_htons((u16)(tcp_len + 20)));
	sz_store16(ip + 10, 0);
	sz_store16(ip + 10, (u16)~sz_csum_fold(sz_csum_add(ip, 20, 0)));
}

struct sz_reply {
	u32 flags;    /* in: TCP flags */
	u32 body_len; /* in: bytes of payload that will follow */
	u32 body_sum; /* in: their ones' complement sum */
	u32 hdr_len;  /* out: bytes of headers */
};

/* The seconds that an answer names, as text: see struct sz_answer. */
struct sz_digits {
	u8 retry[SZ_DIGITS]; /* "      12" */
	u8 reset[SZ_DIGITS]; /* "    t=12" */
};

/* After `wait` ns, in whole seconds, rounded up; at least 1. */
SZ_INLINE void sz_digits_set(struct sz_digits *d, u64 wait)
{
	u64 n = wait > SZ_DIGITS_MAX * 1000000000ull ? SZ_DIGITS_MAX
						     : (wait + 999999999) / 1000000000;
	u32 left = n ? (u32)n : 1, i;
	u8 t = '=';

	for (i = SZ_DIGITS; i-- > 0; left /= 10) {
		d->retry[i] = left ? (u8)('0' + left % 10) : ' ';
		d->reset[i] = d->retry[i];
		if (!left && t) {
			d->reset[i] = t;
			t = t == '=' ? 't' : 0;
		}
	}
}

/*
 * How far an answer's timestamp runs ahead of the one the client echoed, in ticks (10 s on most
 * stacks). The server may have sent newer ones meanwhile, and a stack drops what looks older than
 * the last it saw (RFC 7323 section 5); nothing of the server comes after an answer.
 */
#define SZ_TS_AHEAD 10000

/*
 * Headers of a segment back to the client, from the request's headers in `in`: addresses and ports
 * swapped, seq = what the client expects next, ack = behind what it sent. Carries the timestamps
 * option where the request did, with the values swapped: stacks may drop segments without it (RFC
 * 7323 section 3.2).
 */
SZ_COLD void sz_reply_build(const u8 *in, const struct sz_packet *p, u8 *out, struct sz_reply *r)
{
	u32 body_len = r->body_len;
	u32 l3 = p->l3_off, l4 = l3 + (p->v6 ? 40 : 20), tcp_len = 20, i;
	u32 ack = p->seq + p->payload_len + ((p->tcp_flags & (SZ_TCP_FIN | SZ_TCP_SYN)) != 0);
	const u8 *tcp = in + SZ_AT(p->l4_off);
	u8 *ip = out + SZ_OUT(l3), *th = out + SZ_OUT(l4);

	sz_memcpy(out, in + 6, 6);
	sz_memcpy(out + 6, in, 6);
	for (i = 12; i < 12 + 2 + 4 * SZ_VLAN_MAX; i += 2)
		if (i < l3)
			sz_store16(out + i, sz_load16(in + i));
	if (p->v6) {
		sz_memcpy(ip, in + SZ_AT(l3), 8);
		ip[7] = 64;
		sz_memcpy(ip + 8, p->key.server.b, 16);
		sz_memcpy(ip + 24, p->key.client.b, 16);
	} else {
		sz_memcpy(ip, in + SZ_AT(l3), 20);
		sz_store16(ip + 4, 0);
		sz_store16(ip + 6, sz_htons(0x4000));
		ip[8] = 64;
		sz_memcpy(ip + 12, p->key.server.b + 12, 4);
		sz_memcpy(ip + 16, p->key.client.b + 12, 4);
	}
	sz_memset(th, 0, 32);
	sz_store16(th, p->key.server_port);
	sz_store16(th + 2, p->key.client_port);
	if (p->tcp_flags & SZ_TCP_ACK)
		sz_store32(th + 4, sz_htonl(p->ack));
	sz_store32(th + 8, sz_htonl(ack));
	th[13] = (u8)r->flags;
	sz_store16(th + 14, sz_htons(0xffff));
	if (!(r->flags & SZ_TCP_RST) && p->payload_off >= p->l4_off + 32 &&
	    sz_load32(tcp + 20) == SZ_TS_WORD) {
		tcp_len = 32;
		sz_store32(th + 20, SZ_TS_WORD);
		sz_store32(th + 24,
			   sz_htonl(sz_ntohl(sz_load32(tcp + 28)) + SZ_TS_AHEAD));
		sz_store32(th + 28, sz_load32(tcp + 24));
	}
	th[12] = (u8)(tcp_len << 2);
	sz_ip_length(ip, p->v6, tcp_len + body_len);
	/* The words behind a 20-byte header are zero and add nothing to the sum. */
	sz_store16(th + 16, (u16)~sz_csum_fold((u64)sz_csum_pseudo(ip, p->v6, tcp_len + body_len) +
					       sz_csum_add(th, 32, 0) + r->body_sum));
	r->hdr_len = l4 + tcp_len;
}

/*
 * Turns the client's segment into a RST that the server accepts: exactly at `seq`, the next byte it
 * expects (RFC 5961 section 3.2). Headers only, no options. Returns their length.
 */
SZ_COLD u32 sz_reset_build(const u8 *in, const struct sz_packet *p, u8 *out, u32 seq)
{
	u32 l3 = p->l3_off, l4 = l3 + (p->v6 ? 40 : 20), i;
	u8 *ip = out + SZ_OUT(l3), *th = out + SZ_OUT(l4);

	for (i = 0; i < 14 + 4 * SZ_VLAN_MAX; i += 2)
		if (i < l3)
			sz_store16(out + i, sz_load16(in + i));
	if (p->v6)
		sz_memcpy(ip, in + SZ_AT(l3), 40);
	else
		sz_memcpy(ip, in + SZ_AT(l3), 20);
	sz_memset(th, 0, 20);
	sz_store16(th, p->key.client_port);
	sz_store16(th + 2, p->key.server_port);
	sz_store32(th + 4, sz_htonl(seq));
	sz_store32(th + 8, sz_htonl(p->ack));
	th[12] = 5 << 4;
	th[13] = SZ_TCP_RST | SZ_TCP_ACK;
	sz_ip_length(ip, p->v6, 20);
	sz_store16(th + 16,
		   (u16)~sz_csum_fold((u64)sz_csum_pseudo(ip, p->v6, 20) + sz_csum_add(th, 20, 0)));
	return l4 + 20;
}

/* Sum of n bytes (even, at most 60) behind `off` of the header buffer. */
SZ_INLINE u32 sz_csum_header(const u8 *buf, u32 off, u32 n)
{
	u32 sum = 0, i;

	for (i = 0; i < 60; i += 2) {
		if (i >= n)
			break;
		sum += sz_load16(buf + SZ_AT(off + i));
	}
	return sum;
}

/*
 * Overwrites the Multipath TCP option at `at` with NOPs in the headers themselves, the checksum
 * repaired by the difference (a partial one covers no header bytes and stays).
 */
SZ_COLD void sz_strip_multipath(u8 *buf, const struct sz_packet *p, u32 at)
{
	u32 l4 = p->l4_off, hdr = p->payload_off - l4, i, n = buf[SZ_AT(at + 1)], before, after;
	u16 old = sz_load16(buf + SZ_AT(l4 + 16));

	if (n < 2 || at + n > p->payload_off)
		n = p->payload_off - at;
	before = sz_csum_header(buf, l4, hdr);
	for (i = 0; i < SZ_TCPOPT_BYTES; i++) {
		if (i >= n)
			break;
		buf[SZ_AT(at + i)] = SZ_TCPOPT_NOP;
	}
	after = sz_csum_header(buf, l4, hdr);
	if (old ==
	    sz_csum_fold(sz_csum_pseudo(buf + SZ_AT(p->l3_off), p->v6, hdr + p->payload_len)))
		return;
	sz_store16(buf + SZ_AT(l4 + 16),
		   (u16)~sz_csum_fold((u64)(u16)~old + (u16)~sz_csum_fold(before) + after));
}

/*
 * Headers of the segment cut after `keep` bytes of payload; FIN and PSH go with what is cut. A
 * checksum that holds only the pseudo-header's sum (CHECKSUM_PARTIAL of a local sender) stays one.
 * `buf` holds the frame; out receives payload_off bytes of headers, at most SZ_OUT_MAX.
 */
SZ_COLD bool sz_trim_build(const u8 *buf, const struct sz_packet *p, u8 *out, u32 keep)
{
	u32 l3 = p->l3_off, l4 = p->l4_off, hdr = p->payload_off - l4, i;
	const u8 *in_ip = buf + SZ_AT(l3);
	u8 *ip = out + SZ_OUT(l3), *th = out + SZ_OUT(l4);
	u16 old;

	if (p->payload_off > SZ_TRIM_MAX)
		return false;
	for (i = 0; i < SZ_TRIM_MAX; i += 8) {
		u64 w = sz_load64(buf + i);

		sz_memcpy(out + i, &w, 8);
	}
	old = sz_load16(th + 16);
	sz_ip_length(ip, p->v6, hdr + keep);
	if (old == sz_csum_fold(sz_csum_pseudo(in_ip, p->v6, hdr + p->payload_len))) {
		if (SZ_RULE(TRIM_FIN))
			if (SZ_RULE(TRIM_FIN))
			th[13] &= (u8) ~(SZ_TCP_FIN | SZ_TCP_PSH);
		sz_store16(th + 16, sz_csum_fold(sz_csum_pseudo(ip, p->v6, hdr + keep)));
		return true;
	}
	{
		/* Take out what goes and put in what comes (RFC 1624): flags, length, cut bytes. */
		u64 sum = (u16)~old;
		u64 cut = sz_csum_bytes(buf, p->payload_off + keep, p->payload_len - keep);
		u32 cut16 = sz_csum_fold(cut);
		u16 before = sz_load16(th + 12), after;

		if (keep & 1)
			cut16 = ((cut16 & 0xff) << 8) | (cut16 >> 8);
		if (SZ_RULE(TRIM_FIN))
			if (SZ_RULE(TRIM_FIN))
			th[13] &= (u8) ~(SZ_TCP_FIN | SZ_TCP_PSH);
		after = sz_load16(th + 12);
		sum += (u16)~cut16;
		sum += (u16)~before;
		sum += after;
		sum += (u16)~sz_htons((u16)(hdr + p->payload_len));
		sum += sz_htons((u16)(hdr + keep));
		sz_store16(th + 16, (u16)~sz_csum_fold(sum));
	}
	return true;
}

#endif

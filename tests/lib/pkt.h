/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Frames for tests: builds Ethernet, VLAN, IPv4, IPv6 and TCP with right checksums from a short
 * description, and reads result frames back. Shares no code with the packet core, so that the two
 * check each other. The client is 192.0.2.7 or 2001:db8::7, the server .1, unless `host` says more.
 */
#ifndef SZ_TESTS_PKT_H
#define SZ_TESTS_PKT_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define PKT_MAX 17000
#define PKT_FIN 0x01
#define PKT_SYN 0x02
#define PKT_RST 0x04
#define PKT_PSH 0x08
#define PKT_ACK 0x10
#define PKT_URG 0x20

struct pkt_spec {
	bool v6;
	bool reply;        /* from the server to the client */
	bool partial;      /* TCP checksum holds the pseudo-header's sum only */
	bool ts;           /* NOP NOP timestamps first among the options */
	uint8_t vlans;     /* 0..3 */
	uint8_t host;      /* last byte of the client's address; 0 = 7 */
	uint8_t server;    /* last byte of the server's address; 0 = 1 */
	uint8_t flags;
	uint16_t sport;    /* client's port; 0 = 40000 */
	uint16_t dport;    /* server's port; 0 = 8080 */
	uint16_t frag;     /* IPv4 flags and offset as on the wire, host order */
	uint16_t urg;
	uint32_t seq, ack;
	uint32_t tsval, tsecr;
	const void *opt;   /* more TCP options */
	uint32_t opt_len;  /* a multiple of four */
	const void *ext;   /* IPv4 options, or IPv6 extension headers (`next` names the first) */
	uint32_t ext_len;
	uint8_t next;
	const void *data;
	uint32_t len;
	uint32_t pad;      /* bytes of link-layer padding behind the packet */
};

struct pkt_seg {
	bool v6, ip_ok, tcp_ok, partial_ok, ts;
	uint8_t vlans, flags;
	uint8_t src[16], dst[16]; /* IPv4 in the first four bytes */
	uint8_t smac, dmac;       /* last bytes */
	uint16_t sport, dport;    /* host order */
	uint32_t seq, ack, tsval, tsecr;
	const uint8_t *data;
	uint32_t len;
};

static inline void pkt_put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void pkt_put32(uint8_t *p, uint32_t v)
{
	pkt_put16(p, v >> 16);
	pkt_put16(p + 2, v);
}

static inline uint32_t pkt_get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t pkt_get32(const uint8_t *p)
{
	return pkt_get16(p) << 16 | pkt_get16(p + 2);
}

/* RFC 1071, byte by byte, in network order. */
static inline uint32_t pkt_sum(const uint8_t *p, uint32_t n, uint32_t sum)
{
	for (uint32_t i = 0; i < n; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static inline uint32_t pkt_pseudo(const uint8_t *ip, bool v6, uint32_t tcp_len)
{
	return v6 ? pkt_sum(ip + 8, 32, 6 + tcp_len) : pkt_sum(ip + 12, 8, 6 + tcp_len);
}

static inline void pkt_addr(uint8_t *p, bool v6, uint8_t last)
{
	static const uint8_t doc6[15] = { 0x20, 0x01, 0x0d, 0xb8 };
	static const uint8_t doc4[3] = { 192, 0, 2 };

	memcpy(p, v6 ? doc6 : doc4, v6 ? 15 : 3);
	p[v6 ? 15 : 3] = last;
}

static inline uint32_t pkt_tcp(uint8_t *th, const struct pkt_spec *s)
{
	uint32_t hdr = 20 + (s->ts ? 12 : 0) + s->opt_len;
	uint16_t c = s->sport ? s->sport : 40000, d = s->dport ? s->dport : 8080;

	memset(th, 0, hdr);
	pkt_put16(th, s->reply ? d : c);
	pkt_put16(th + 2, s->reply ? c : d);
	pkt_put32(th + 4, s->seq);
	pkt_put32(th + 8, s->ack);
	th[12] = (uint8_t)(hdr << 2);
	th[13] = s->flags;
	pkt_put16(th + 14, 0x7210);
	pkt_put16(th + 18, s->urg);
	if (s->ts) {
		memcpy(th + 20, "\1\1\10\12", 4);
		pkt_put32(th + 24, s->tsval);
		pkt_put32(th + 28, s->tsecr);
	}
	if (s->opt_len)
		memcpy(th + hdr - s->opt_len, s->opt, s->opt_len);
	if (s->len)
		memcpy(th + hdr, s->data, s->len);
	return hdr + s->len;
}

/* Builds the frame into buf[PKT_MAX]; returns its length. */
static inline uint32_t pkt_build(uint8_t *buf, const struct pkt_spec *s)
{
	uint32_t off = 12, l3, tcp_len, sum;
	uint8_t c = s->host ? s->host : 7, d = s->server ? s->server : 1, *ip, *th;

	memcpy(buf, "\2\0\0\0\0\1\2\0\0\0\0\7", 12);
	if (s->reply)
		memcpy(buf, "\2\0\0\0\0\7\2\0\0\0\0\1", 12);
	for (uint8_t i = 0; i < s->vlans; i++, off += 4) {
		pkt_put16(buf + off, i + 1 < s->vlans ? 0x88a8 : 0x8100);
		pkt_put16(buf + off + 2, 100u + i);
	}
	pkt_put16(buf + off, s->v6 ? 0x86dd : 0x0800);
	l3 = off + 2;
	ip = buf + l3;
	th = ip + (s->v6 ? 40 : 20) + s->ext_len;
	tcp_len = pkt_tcp(th, s);
	memset(ip, 0, s->v6 ? 40 : 20);
	if (s->ext_len)
		memcpy(ip + (s->v6 ? 40 : 20), s->ext, s->ext_len);
	if (s->v6) {
		pkt_put32(ip, 0x60012345);
		pkt_put16(ip + 4, s->ext_len + tcp_len);
		ip[6] = s->ext_len ? s->next : 6;
		ip[7] = 61;
		pkt_addr(ip + (s->reply ? 24 : 8), true, c);
		pkt_addr(ip + (s->reply ? 8 : 24), true, d);
	} else {
		ip[0] = (uint8_t)(0x45 + s->ext_len / 4);
		pkt_put16(ip + 2, 20 + s->ext_len + tcp_len);
		pkt_put16(ip + 4, 0xbeef);
		pkt_put16(ip + 6, s->frag);
		ip[8] = 61;
		ip[9] = 6;
		pkt_addr(ip + (s->reply ? 16 : 12), false, c);
		pkt_addr(ip + (s->reply ? 12 : 16), false, d);
		pkt_put16(ip + 10, ~pkt_sum(ip, 20 + s->ext_len, 0) & 0xffff);
	}
	sum = pkt_pseudo(ip, s->v6, tcp_len);
	pkt_put16(th + 16, s->partial ? sum : ~pkt_sum(th, tcp_len, sum) & 0xffff);
	off = (uint32_t)(th - buf) + tcp_len;
	memset(buf + off, 0xa5, s->pad);
	return off + s->pad;
}

/* Reads a frame without IP options; false when it is not one that pkt_seg can hold. */
static inline bool pkt_parse(const uint8_t *f, uint32_t n, struct pkt_seg *r)
{
	uint32_t off = 12, ihl, tcp_len, doff, sum;
	const uint8_t *ip, *th;

	memset(r, 0, sizeof(*r));
	if (n < 54)
		return false;
	r->dmac = f[5];
	r->smac = f[11];
	while (pkt_get16(f + off) == 0x8100 || pkt_get16(f + off) == 0x88a8) {
		r->vlans++;
		off += 4;
	}
	r->v6 = pkt_get16(f + off) == 0x86dd;
	if (!r->v6 && pkt_get16(f + off) != 0x0800)
		return false;
	ip = f + off + 2;
	ihl = r->v6 ? 40 : 20;
	if (ip + ihl + 20 > f + n)
		return false;
	tcp_len = r->v6 ? pkt_get16(ip + 4) : pkt_get16(ip + 2) - 20;
	r->ip_ok = r->v6 ? ip[0] >> 4 == 6 && ip[6] == 6 :
			   ip[0] == 0x45 && ip[9] == 6 && pkt_sum(ip, 20, 0) == 0xffff;
	memcpy(r->src, ip + (r->v6 ? 8 : 12), r->v6 ? 16 : 4);
	memcpy(r->dst, ip + (r->v6 ? 24 : 16), r->v6 ? 16 : 4);
	th = ip + ihl;
	doff = (th[12] >> 4) * 4u;
	if (tcp_len < doff || doff < 20 || th + tcp_len > f + n)
		return false;
	r->sport = (uint16_t)pkt_get16(th);
	r->dport = (uint16_t)pkt_get16(th + 2);
	r->seq = pkt_get32(th + 4);
	r->ack = pkt_get32(th + 8);
	r->flags = th[13];
	sum = pkt_pseudo(ip, r->v6, tcp_len);
	r->partial_ok = pkt_get16(th + 16) == sum;
	r->tcp_ok = pkt_sum(th, tcp_len, sum) == 0xffff;
	if (doff >= 32 && !memcmp(th + 20, "\1\1\10\12", 4)) {
		r->ts = true;
		r->tsval = pkt_get32(th + 24);
		r->tsecr = pkt_get32(th + 28);
	}
	r->data = th + doff;
	r->len = tcp_len - doff;
	return true;
}

#endif

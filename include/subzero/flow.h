/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * TCP connections as the server sees them: reading and committing a struct sz_flow that other CPUs
 * may touch, the byte ranges it remembers, and what the egress program learns from the server.
 *
 * A reader copies the flow and keeps `ver`; a writer commits by moving `ver` from that value to an
 * odd one. Whoever loses the race drops the packet: TCP sends it again. acked, floor and open are
 * written by egress alone and never by a commit.
 */
#ifndef SZ_FLOW_H
#define SZ_FLOW_H

#include "subzero/abi.h"
#include "subzero/compat.h"
#include "subzero/packet.h"

/* A consistent copy, or false when a writer is inside or the element changed meanwhile. */
SZ_INLINE bool sz_flow_read(struct sz_flow *f, struct sz_flow *ret)
{
	u64 ver = sz_load_acquire(&f->ver);

	sz_memcpy(ret, f, sizeof(*ret));
	sz_barrier();
	return !(ver & 1) && ret->ver == ver && sz_load_acquire(&f->ver) == ver;
}

/* Claims the flow that *snap was copied from; false when it has changed since. */
SZ_INLINE bool sz_flow_lock(struct sz_flow *f, const struct sz_flow *snap)
{
	return sz_cas(&f->ver, snap->ver, snap->ver + 1) == snap->ver;
}

/* Writes back what ingress owns and releases a claimed flow. */
SZ_INLINE void sz_flow_store(struct sz_flow *f, const struct sz_flow *snap)
{
	u32 i;

	f->more = snap->more;
	f->asked_ns = snap->asked_ns;
	f->seen_ns = snap->seen_ns;
	f->principal = snap->principal;
	f->next = snap->next;
	f->ack_admit = snap->ack_admit;
	f->flags = snap->flags;
	f->requests = snap->requests;
	f->held = snap->held;
	for (i = 0; i < SZ_RANGES; i++)
		f->range[i] = snap->range[i];
	sz_fetch_add(&f->ver, 1);
}

SZ_INLINE void sz_flow_init(struct sz_flow *f, u32 base, u32 iss, u32 service, u64 now)
{
	sz_memset(f, 0, sizeof(*f));
	f->ver = now & ~1ull;
	f->base = f->next = f->acked = f->floor = base;
	f->iss = iss;
	f->service = service;
	f->seen_ns = now;
}

/* A slot whose bytes the server has acknowledged, or that is free; SZ_RANGES when all are needed. */
SZ_COLD u32 sz_range_free(const struct sz_flow *f, u32 skip)
{
	u32 i, found = SZ_RANGES;

	for (i = 0; i < SZ_RANGES; i++) {
		const struct sz_range *r = &f->range[i];

		if (i != skip && (!r->len || !sz_seq_before(f->acked, r->seq + r->len)))
			found = i;
	}
	return found;
}

SZ_INLINE void sz_range_set(struct sz_flow *f, u32 slot, u32 seq, u32 len, u64 digest)
{
	struct sz_range *r = &f->range[slot & (SZ_RANGES - 1)];

	r->seq = seq;
	r->len = len;
	r->digest = digest;
}

/* Index of the range that holds p (a digest range only at its first byte); SZ_RANGES for none. */
SZ_COLD u32 sz_range_find(const struct sz_flow *f, u32 p)
{
	u32 i, found = SZ_RANGES;

	for (i = 0; i < SZ_RANGES; i++) {
		const struct sz_range *r = &f->range[i];

		if (r->digest ? r->len && p == r->seq : p - r->seq < r->len)
			found = i;
	}
	return found;
}

/*
 * Until the server has spoken on a connection, its SYN-ACK is all that ties the entry to what the
 * server will create. With SYN cookies the server keeps no state: any ACK that carries a valid
 * cookie makes a connection, at a first byte of the sender's choosing within what the cookie
 * encodes (the MSS index in the low bits, a minute counter above 2^24). So a segment must
 * acknowledge exactly this SYN-ACK and begin at the first byte, just before it (keepalive), or
 * far enough behind it that no cookie fits.
 */
#define SZ_COOKIE_NEAR 16u
#define SZ_COOKIE_FAR (1u << 23)

SZ_INLINE bool sz_flow_handshake_ok(const struct sz_flow *f, u32 seq, u32 ack)
{
	u32 d = seq - f->base;

	if (f->open)
		return true;
	return ack == f->iss + 1 && (d == 0 || d == ~0u || (d >= SZ_COOKIE_NEAR && d < SZ_COOKIE_FAR));
}

#define SZ_FLOOR_LAG (1u << 30)

/*
 * What a segment of the server says about the flow. Returns false when the server has acknowledged
 * bytes that never passed: then the entry does not describe this connection.
 */
SZ_INLINE bool sz_flow_server_ack(struct sz_flow *f, u32 ack)
{
	u32 next = f->next;

	/* One beyond `next` is the client's FIN; more means the two views have come apart. */
	if (sz_seq_before(next + 1, ack))
		return false;
	if (sz_seq_before(ack, f->acked))
		return true;
	if (sz_seq_before(next, ack))
		ack = next;
	f->acked = ack;
	if (ack - f->floor > SZ_FLOOR_LAG)
		f->floor = ack - SZ_FLOOR_LAG;
	f->open = 1;
	return true;
}

#endif

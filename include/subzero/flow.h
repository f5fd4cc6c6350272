/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * TCP connections as the server sees them: reading and committing a struct sz_flow that other CPUs
 * may touch, the byte ranges it remembers, and what the egress program learns from the server.
 *
 * A reader copies the flow and keeps `ver`; a writer commits by moving `ver` from that value to an
 * odd one. Whoever loses the race drops the packet: TCP sends it again. The word `server` is moved
 * by the egress program alone, by compare-and-swap, and never by a commit.
 */
#ifndef SZ_FLOW_H
#define SZ_FLOW_H

#include "subzero/abi.h"
#include "subzero/compat.h"
#include "subzero/packet.h"
#include "subzero/rule.h"

/*
 * The word `server`: bit 63 says that the server has spoken on this connection after its SYN-ACK,
 * bit 62 that it has sent its FIN, bits 32 to 61 tell whose entry this is (an element may be
 * recycled for another connection while a program still holds its address), bits 0 to 31 are the
 * first byte it has not acknowledged.
 */
#define SZ_SERVER_OPEN   (1ull << 63)
#define SZ_SERVER_CLOSED (1ull << 62)
#define SZ_SERVER_TAG    0x3fffffff00000000ull

/* Not a digest: only the map's lookup finds flows. */
SZ_INLINE u64 sz_flow_tag(const struct sz_flow_key *k)
{
	u64 h = (u64)k->client_port << 16 | k->server_port;
	u32 i;

	for (i = 0; i < 16; i += 8) {
		h = h * 0x9e3779b97f4a7c15ull + sz_load64(k->client.b + i);
		h = h * 0x9e3779b97f4a7c15ull + sz_load64(k->server.b + i);
	}
	return (h ^ h << 32) & SZ_SERVER_TAG;
}

SZ_INLINE u32 sz_flow_acked(const struct sz_flow *f)
{
	return (u32)f->server;
}

SZ_INLINE bool sz_flow_open(const struct sz_flow *f)
{
	return (f->server & SZ_SERVER_OPEN) != 0;
}

SZ_INLINE bool sz_flow_closed(const struct sz_flow *f)
{
	return (f->server & SZ_SERVER_CLOSED) != 0;
}

/* A consistent copy, or false when a writer is inside or the element changed meanwhile. */
SZ_COLD bool sz_flow_read(struct sz_flow *f, u64 tag, struct sz_flow *ret)
{
	u64 ver = sz_load_acquire(&f->ver);

	sz_memcpy(ret, f, sizeof(*ret));
	sz_barrier();
	return (!SZ_RULE(READ_LOCKED) || !(ver & 1)) && ret->ver == ver &&
	       (!SZ_RULE(READ_TAG) || (ret->server & SZ_SERVER_TAG) == tag) &&
	       sz_load_acquire(&f->ver) == ver;
}

/* Claims the flow that *snap was copied from; false when it has changed since. */
SZ_INLINE bool sz_flow_lock(struct sz_flow *f, const struct sz_flow *snap)
{
	return sz_cas(&f->ver, snap->ver, snap->ver + 1) == snap->ver || !SZ_RULE(COMMIT);
}

/* When an answer that names a limit says to come again; see also sz_retry_wait(). */
SZ_INLINE void sz_retry_set(struct sz_flow *f, u64 at_ns)
{
	f->retry_ms = (u32)((at_ns + 999999) / 1000000);
}

/* The time until then, ns; 0: it is over. */
SZ_INLINE u64 sz_retry_wait(const struct sz_flow *f, u64 now)
{
	s32 ms = (s32)(f->retry_ms - (u32)(now / 1000000));

	return ms > 0 ? (u64)ms * 1000000 : 0;
}

/* Writes back what ingress owns and releases a claimed flow. */
SZ_COLD void sz_flow_store(struct sz_flow *f, const struct sz_flow *snap)
{
	f->more = snap->more;
	f->asked_ns = snap->asked_ns;
	f->seen_ns = snap->seen_ns;
	f->principal = snap->principal;
	f->next = snap->next;
	f->floor = snap->floor;
	f->chain = snap->chain;
	f->quiet_ns = snap->quiet_ns;
	f->quiet_sent = snap->quiet_sent;
	f->burst = snap->burst;
	f->ack_admit = snap->ack_admit;
	f->flags = snap->flags;
	f->requests = snap->requests;
	f->held = snap->held;
	f->answer = snap->answer;
	f->strange = snap->strange;
	f->same = snap->same;
	f->retry_ms = snap->retry_ms;
	sz_memcpy(f->range, snap->range, sizeof(f->range));
	sz_fetch_add(&f->ver, 1);
}

SZ_INLINE void sz_flow_init(struct sz_flow *f, u64 tag, u32 base, u32 iss, u32 service, u64 now)
{
	sz_memset(f, 0, sizeof(*f));
	f->ver = now & ~1ull;
	f->server = tag | base;
	f->base = f->next = f->floor = base;
	f->iss = iss;
	f->sent = iss + 1;
	f->service = service;
	f->seen_ns = f->birth_ns = now;
}

/* Has the server acknowledged all of it, or is the slot free? */
SZ_INLINE bool sz_range_over(const struct sz_flow *f, const struct sz_range *r)
{
	return !SZ_RULE(RANGE_KEPT) || !r->len || !sz_seq_before(sz_flow_acked(f), r->seq + r->len);
}

/* Has the server the beginning of a head, or of framing, whose end has not been decided? */
SZ_INLINE bool sz_flow_in_head(const struct sz_flow *f)
{
	return SZ_RULE(HEAD_FIN) &&
	       ((f->flags & SZ_FLOW_CARRY) ||
		(f->flags & (SZ_FLOW_STREAM | SZ_FLOW_CHUNK)) == SZ_FLOW_STREAM);
}

/* A slot that is not needed any more; SZ_RANGES when all are. */
SZ_COLD u32 sz_range_free(const struct sz_flow *f)
{
	u32 i;

	for (i = 0; i < SZ_RANGES; i++)
		if (sz_range_over(f, &f->range[i]))
			return i;
	return SZ_RANGES;
}

/*
 * Frees the ranges that the server has acknowledged: a range that stays would match again when the
 * sequence space has come round. Called at every commit, so at least once in SZ_BODY_STEP bytes.
 */
SZ_COLD void sz_ranges_forget(struct sz_flow *f)
{
	u32 i;

	for (i = 0; i < SZ_RANGES; i++)
		if (sz_range_over(f, &f->range[i]))
			sz_memset(&f->range[i], 0, sizeof(f->range[i]));
}

SZ_INLINE void sz_range_set(struct sz_flow *f, u32 slot, u32 seq, u32 fixed, u32 len, u64 digest)
{
	struct sz_range *r = &f->range[slot & (SZ_RANGES - 1)];

	r->seq = seq;
	r->len = len;
	r->fixed = fixed;
	r->token_off = r->token_len = 0;
	r->digest = digest;
}

/* Index of the range that says something about p: its first byte, or one behind `fixed`. */
SZ_COLD u32 sz_range_find(const struct sz_flow *f, u32 p)
{
	u32 i;

	for (i = 0; i < SZ_RANGES; i++) {
		const struct sz_range *r = &f->range[i];
		u32 d = p - r->seq;

		if (d < r->len && (!SZ_RULE(RANGE_FIXED) || !d || d >= r->fixed))
			return i;
	}
	return SZ_RANGES;
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
#define SZ_COOKIE_FAR  (1u << 23)

SZ_INLINE bool sz_flow_handshake_ok(const struct sz_flow *f, u32 seq, u32 ack)
{
	u32 d = seq - f->base;

	if (sz_flow_open(f))
		return true;
	return (!SZ_RULE(COOKIE_ACK) || ack == f->iss + 1) &&
	       (!SZ_RULE(COOKIE_SEQ) || d == 0 || d == ~0u ||
		(d >= SZ_COOKIE_NEAR && d < SZ_COOKIE_FAR));
}

/*
 * Names what has passed of a head that is still open: `before` for all up to here, and the digest
 * of the next piece. Never 0, which stands for "nothing yet". A later piece was decided behind
 * certain earlier ones, and is admitted behind no others.
 */
SZ_INLINE u64 sz_chain(u64 before, u64 digest)
{
	u64 c = (before << 5 | before >> 59) * 0x9e3779b97f4a7c15ull ^ digest;

	return c ? c : 1;
}

#define SZ_QUIET_NS 1000000000ull

/*
 * Has the client all answers to what was admitted, so that the next one may be ours? Known for sure
 * where it waits for each; behind requests that were sent ahead of their answers, once the server
 * has said nothing more for a second.
 */
SZ_INLINE bool sz_flow_answered(const struct sz_flow *f, u32 ack, u64 now)
{
	if (!f->requests)
		return true;
	if (ack != f->sent || ack == f->ack_admit)
		return false;
	return !SZ_RULE(ANSWER_QUIET) || f->burst <= 1 ||
	       (f->quiet_ns && f->quiet_sent == f->sent && now - f->quiet_ns >= SZ_QUIET_NS);
}

#define SZ_SERVER_TRIES 4

/*
 * Notes what a segment of the server acknowledges, and whether it is its last. False when those
 * bytes never passed: then the entry does not describe this connection. Losing every try (to other
 * segments of the same server) leaves an older acknowledgement, which is on the safe side.
 */
SZ_INLINE bool sz_flow_note_ack(struct sz_flow *f, u64 tag, u32 ack, bool fin)
{
	u64 bits = tag | SZ_SERVER_OPEN | (fin ? SZ_SERVER_CLOSED : 0);
	u32 next = f->next, i;

	/* One beyond `next` is the client's FIN; more means the two views have come apart. */
	if (SZ_RULE(DESYNC) && sz_seq_before(next + 1, ack))
		return false;
	if (SZ_RULE(ACK_FIN) && sz_seq_before(next, ack))
		ack = next;
	for (i = 0; i < SZ_SERVER_TRIES; i++) {
		u64 old = *(volatile u64 *)&f->server;

		if (SZ_RULE(ACK_TAG) && (old & SZ_SERVER_TAG) != tag)
			return true; /* another connection's by now */
		if (SZ_RULE(ACK_FORWARD) && sz_seq_before(ack, (u32)old))
			ack = (u32)old;
		if (sz_cas(&f->server, old, bits | (old & SZ_SERVER_CLOSED) | ack) == old)
			return true;
	}
	return true;
}

/* Notes how far the server has spoken. */
SZ_INLINE void sz_flow_note_sent(struct sz_flow *f, u64 tag, u32 end)
{
	if ((f->server & SZ_SERVER_TAG) == tag && sz_seq_before(f->sent, end))
		f->sent = end;
}

#define SZ_RST_SPAN (1u << 20)

/* Where a client's RST lies: the server obeys one only at the next byte it expects (RFC 5961). */
enum sz_rst { SZ_RST_IGNORED, SZ_RST_OBEYED, SZ_RST_UNSURE };

SZ_INLINE enum sz_rst sz_flow_reset(const struct sz_flow *f, u32 seq)
{
	u32 d = seq - sz_flow_acked(f);

	if (SZ_RULE(RST_WINDOW) && d > f->next + 1 - sz_flow_acked(f))
		return SZ_RST_IGNORED;
	return d <= SZ_RST_SPAN ? SZ_RST_OBEYED : SZ_RST_UNSURE;
}

#define SZ_REFUSED_NS 30000000000ull /* a refused client's further data is taken this long */

#define SZ_FLOOR_LAG (1u << 29)

/* Moves the floor along behind what the server has acknowledged. */
SZ_INLINE void sz_flow_raise_floor(struct sz_flow *f)
{
	u32 acked = sz_flow_acked(f);

	if (SZ_RULE(FLOOR_FOLLOWS) && acked - f->floor > SZ_FLOOR_LAG)
		f->floor = acked - SZ_FLOOR_LAG;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Heads that a segment's end has cut. TCP cuts where it likes, and a client with a small window
 * will not send the rest before the beginning is acknowledged; only the server can do that. So on a
 * connection that has had a request admitted, a beginning that is sound so far passes at once, and
 * its bytes are kept in sz_carry. With the next segment the head is read from its first byte again
 * and decided as a whole. The server cannot act before that: what ends the head, or even a line of
 * it in some server's eyes, never passes undecided. The framing between chunks goes the same way.
 *
 * Called by walk.h (load, take) and outcome.h (commit). What is kept is written while the flow is
 * locked, so no other CPU can commit a decision on other bytes than those that passed.
 */
#ifndef SZ_CARRY_H
#define SZ_CARRY_H

#include "subzero/account.h"
#include "subzero/flow.h"
#include "subzero/rule.h"

#define SZ_CARRY_STEP    32
#define SZ_CARRY_PAYLOAD 4096 /* bytes of payload that a kept beginning is put in front of */

struct sz_carry_copy {
	struct sz_scratch *s;
	const struct sz_carry *from; /* NULL: from the frame into s->carry */
	u32 at;                      /* in the frame */
	u32 len;
};

/* One step of a copy in whole steps; both buffers have room for the last one. */
SZ_LOOP_FN sz_carry_step(u64 i, void *arg)
{
	struct sz_carry_copy *c = arg;
	u32 n = (u32)i * SZ_CARRY_STEP, k;
	u8 *frame = c->s->frame + ((c->at + n) & SZ_FRAME_MASK);

	if (n >= c->len)
		return 1;
	n &= SZ_CARRY_MAX - SZ_CARRY_STEP;
	for (k = 0; k < SZ_CARRY_STEP; k += 8) {
		u64 v = sz_load64(c->from ? c->from->bytes + n + k : frame + k);

		sz_memcpy(c->from ? frame + k : c->s->carry.bytes + n + k, &v, 8);
	}
	return 0;
}

/* What a kept beginning is good for now. */
enum sz_carried { SZ_CARRIED_LOST, SZ_CARRIED_LONG, SZ_CARRIED_HERE };

/*
 * Puts the beginning in front of the payload's byte at off, which is the one at the boundary. What
 * lies before that byte in the buffer is given up. LONG: it does not fit; the daemon can read it.
 */
SZ_COLD enum sz_carried sz_carry_load(struct sz_guard *g)
{
	struct sz_scratch *s = g->s;
	struct sz_walk *w = &s->w;
	struct sz_carry *c = sz_map_get(&sz_carry, &s->p.key);
	u32 from = w->off, left = s->p.payload_len - from, at = s->p.payload_off + from, len;
	struct sz_carry_copy copy;

	if (!c || (SZ_RULE(CARRY_BIRTH) && c->birth_ns != s->flow.birth_ns) ||
	    (SZ_RULE(CARRY_PLACE) && c->seq + c->len != s->flow.next))
		return SZ_CARRIED_LOST;
	len = c->len;
	if (!len || len > SZ_CARRY_MAX)
		return SZ_CARRIED_LOST;
	w->carry = len;
	if (left > SZ_CARRY_PAYLOAD || at > SZ_CARRY_PAYLOAD)
		return SZ_CARRIED_LONG;
	copy.s = s;
	copy.from = c;
	copy.at = at;
	copy.len = len;
	sz_loop(SZ_CARRY_MAX / SZ_CARRY_STEP, sz_carry_step, &copy);
	at += len;
	if (sz_ctx_load(g->ctx, from + s->p.payload_off, s->frame + (at & SZ_FRAME_MASK / 2), left,
			SZ_CARRY_PAYLOAD))
		return SZ_CARRIED_LOST;
	w->base = at - from;
	return SZ_CARRIED_HERE;
}

/* The payload lies where it lay in the frame again. */
SZ_COLD bool sz_carry_undo(struct sz_ctx *ctx, struct sz_scratch *s)
{
	u32 at = s->p.payload_off;

	if (s->w.base != at &&
	    sz_ctx_load(ctx, at, s->frame + (at & SZ_FRAME_MASK / 2), s->p.payload_len,
			SZ_CARRY_PAYLOAD * 2))
		return false;
	s->scan.token_off -= s->w.base - at;
	s->w.base = at;
	return true;
}

/*
 * Passes the rest of the segment, of which frame[at ..) with what was carried is a sound beginning,
 * and keeps it. False: the daemon must look at it.
 */
SZ_COLD bool sz_carry_take(struct sz_scratch *s, u32 at)
{
	struct sz_walk *w = &s->w;
	struct sz_flow *f = &s->flow;
	u32 end = w->base + s->p.payload_len;

	if ((SZ_RULE(CARRY_KNOWN) && !f->requests) || w->monitor || w->carry_not ||
	    (SZ_RULE(CARRY_ASKED) && (f->flags & SZ_FLOW_ASKED)) ||
	    (SZ_RULE(CARRY_WHOLE) && end - at > SZ_CARRY_MAX))
		return false;
	w->carry_at = at;
	w->carry_put = end - at;
	w->carry = 0;
	if (!w->run_end)
		w->run_start = w->off;
	w->off = w->run_end = s->p.payload_len;
	w->tail_len = 0;
	f->next = s->p.seq + w->off;
	f->flags |= SZ_FLOW_CARRY;
	f->chain = sz_part_digest(at, w->carry_put);
	w->changed = 1;
	w->reason = SZ_R_CARRIED;
	return true;
}

/* The flow is locked: writes what is to be kept. False: no room. */
SZ_COLD bool sz_carry_commit(struct sz_scratch *s)
{
	struct sz_walk *w = &s->w;
	struct sz_carry *c = &s->carry;
	struct sz_carry_copy copy;

	if (!w->carry_put) {
		if (w->carry_done)
			sz_map_unset(&sz_carry, &s->p.key);
		return true;
	}
	copy.s = s;
	copy.from = 0;
	copy.at = w->carry_at;
	copy.len = w->carry_put;
	c->birth_ns = s->flow.birth_ns;
	c->time_ns = w->now;
	c->seq = s->flow.next - w->carry_put;
	c->len = w->carry_put;
	sz_loop(SZ_CARRY_MAX / SZ_CARRY_STEP, sz_carry_step, &copy);
	w->carry_not = sz_map_set(&sz_carry, &s->p.key, c) != 0;
	return !SZ_RULE(CARRY_KEPT) || !w->carry_not;
}

#endif

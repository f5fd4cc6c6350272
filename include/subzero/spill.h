/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The byte ranges of a flow that it remembers until the server has them: a few in the flow itself,
 * for most connections never have more, and in sz_spill those of a client that has many segments
 * with requests in flight. Called by guard.h and walk.h (find, room) and outcome.h (commit, with
 * the flow locked). A reader may see an entry half written; the flow's version tells it so
 * afterwards.
 */
#ifndef SZ_SPILL_H
#define SZ_SPILL_H

#include "subzero/flow.h"
#include "subzero/parts.h"
#include "subzero/rule.h"

/* Only pointers: w.look, w.slot and w.inuse are what a search looks for and finds. */
struct sz_spill_look {
	struct sz_scratch *s;
	struct sz_spill *in;
};

/* The flow's own entry, or NULL. */
SZ_INLINE struct sz_spill *sz_spill_of(const struct sz_scratch *s)
{
	struct sz_spill *sp = sz_map_get(&sz_spill, &s->p.key);

	return sp && (!SZ_RULE(SPILL_BIRTH) || sp->birth_ns == s->flow.birth_ns) ? sp : 0;
}

SZ_LOOP_FN sz_spill_find_step(u64 i, void *arg)
{
	struct sz_spill_look *l = arg;
	const struct sz_range *r = &l->in->range[i & (SZ_SPILL_MAX - 1)];
	u32 d = l->s->w.look - r->seq;

	if (d >= r->len || (SZ_RULE(SPILL_FIXED) && d && d < r->fixed))
		return 0;
	l->s->w.slot = (u32)i;
	return 1;
}

/* Copies the spilled range that says something about p to w.found. Returns 1, or 0: none. */
SZ_PART int sz_part_spill_find(u32 p)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);
	struct sz_spill_look look;

	if (!s)
		return 0;
	look.in = sz_spill_of(s);
	if (!look.in)
		return 0;
	look.s = s;
	s->w.look = p;
	s->w.slot = SZ_SPILL_MAX;
	sz_loop(SZ_SPILL_MAX, sz_spill_find_step, &look);
	if (s->w.slot >= SZ_SPILL_MAX)
		return 0;
	s->w.found = look.in->range[s->w.slot & (SZ_SPILL_MAX - 1)];
	return 1;
}

/* Forgets what the server has and looks for a free slot. Only with the flow locked. */
SZ_LOOP_FN sz_spill_forget_step(u64 i, void *arg)
{
	struct sz_spill_look *l = arg;
	struct sz_range *r = &l->in->range[i & (SZ_SPILL_MAX - 1)];

	if (sz_range_over(&l->s->flow, r)) {
		r->len = 0;
		l->s->w.slot = (u32)i;
	} else {
		l->s->w.inuse++;
	}
	return 0;
}

SZ_LOOP_FN sz_spill_room_step(u64 i, void *arg)
{
	struct sz_spill_look *l = arg;

	if (!sz_range_over(&l->s->flow, &l->in->range[i & (SZ_SPILL_MAX - 1)]))
		return 0;
	l->s->w.slot = (u32)i;
	return 1;
}

/* Is there room for one range more? Returns 1 or 0. */
SZ_PART int sz_part_spill_room(void)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);
	struct sz_spill_look look;

	if (!s || s->w.spill_not)
		return 0;
	if (!(s->flow.flags & SZ_FLOW_SPILL))
		return 1;
	look.in = sz_spill_of(s);
	if (!look.in)
		return 0;
	look.s = s;
	s->w.slot = SZ_SPILL_MAX;
	sz_loop(SZ_SPILL_MAX, sz_spill_room_step, &look);
	return s->w.slot < SZ_SPILL_MAX;
}

/*
 * With the flow locked: forgets spilled ranges that the server has, adds w.spill when its len is
 * not 0, and gives up an entry that is empty. Returns 0, or -1: no room, nothing was added.
 */
SZ_PART int sz_part_spill_commit(void)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);
	struct sz_spill_look look;

	if (!s)
		return -1;
	look.in = sz_spill_of(s);
	if (!look.in && s->w.spill.len) {
		s->spill.birth_ns = s->flow.birth_ns; /* all of its ranges are free */
		sz_map_set(&sz_spill, &s->p.key, &s->spill);
		look.in = sz_spill_of(s);
		if (SZ_RULE(SPILL_KEPT) && !look.in)
			return -1;
	}
	s->flow.flags &= ~SZ_FLOW_SPILL;
	if (!look.in)
		return 0;
	look.s = s;
	s->w.inuse = 0;
	s->w.slot = SZ_SPILL_MAX;
	sz_loop(SZ_SPILL_MAX, sz_spill_forget_step, &look);
	if (s->w.spill.len) {
		if (s->w.slot >= SZ_SPILL_MAX)
			return -1;
		look.in->range[s->w.slot & (SZ_SPILL_MAX - 1)] = s->w.spill;
		s->w.inuse++;
	}
	if (s->w.inuse)
		s->flow.flags |= SZ_FLOW_SPILL;
	else
		sz_map_unset(&sz_spill, &s->p.key);
	return 0;
}

/* Copies the range that says something about p to w.found: see sz_range_find(). */
SZ_INLINE bool sz_range_known(struct sz_scratch *s, u32 p)
{
	u32 k = sz_range_find(&s->flow, p);

	if (k < SZ_RANGES) {
		s->w.found = s->flow.range[k & (SZ_RANGES - 1)];
		return true;
	}
	return (s->flow.flags & SZ_FLOW_SPILL) && sz_part_spill_find(p);
}

/*
 * Would the segment's FIN end the stream behind the beginning of a head, or of framing? At `next`
 * the flow knows. Before it only a body may end early: of admitted pieces the server may have the
 * first and not the second, whose checksum was wrong.
 */
SZ_COLD bool sz_fin_cuts(struct sz_scratch *s)
{
	const struct sz_flow *f = &s->flow;
	u32 end = s->p.seq + s->p.payload_len;

	if (end == f->next)
		return sz_flow_in_head(f);
	if (!SZ_RULE(HEAD_FIN) || sz_seq_before(end, sz_flow_acked(f)))
		return false;
	return !sz_range_known(s, end) || (s->w.found.seq == end && s->w.found.fixed);
}

/* Has what was read of the spilled ranges been overwritten meanwhile? */
SZ_INLINE bool sz_spill_torn(const struct sz_scratch *s, struct sz_flow *live)
{
	return SZ_RULE(SPILL_TORN) && (s->flow.flags & SZ_FLOW_SPILL) &&
	       sz_load_acquire(&live->ver) != s->flow.ver;
}

#endif

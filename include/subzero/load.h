/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How many questions may be open at once: the limit follows what the daemon's answers take (it
 * computes it, see user/limits/adaptive.c), and what is beyond it is refused here, before anybody
 * has spent anything on it. Called by request.h, walk.h, outcome.h and guard.h. docs/limits.md
 * states what is promised.
 *
 * Asks only about what would be a new question; never about what a grant, a remembered answer or a
 * request that was begun has settled. A priority is that of a verified principal, of the network
 * of an address that has completed a handshake, or of the service: never of an unverified claim.
 */
#ifndef SZ_LOAD_H
#define SZ_LOAD_H

#include "subzero/account.h"
#include "subzero/limit.h"
#include "subzero/rule.h"

/* The next piece of a request that was begun: the daemon knows it, and it costs no verification. */
SZ_INLINE bool sz_load_begun(u32 why)
{
	return SZ_RULE(LOAD_BEGUN) && (why == SZ_MISS_STREAM || why == SZ_MISS_CHUNK);
}

/* The flag of a flow whose question this is: a head that lies before the daemon whole. */
SZ_INLINE u32 sz_load_whole(u32 why)
{
	return why == SZ_MISS_TOKEN || why == SZ_MISS_ROUTE ? SZ_FLOW_WHOLE : 0;
}

/* Whose priority counts: what is known best comes first. */
SZ_INLINE u32 sz_load_priority(struct sz_scratch *s, const struct sz_config *cfg)
{
	u32 p = s->w.priority;

	if (!p && s->flow.principal)
		p = SZ_PRIORITY_OF(s->flow.flags, SZ_FLOW_PRIORITY_SHIFT);
	if (!p && cfg->networks)
		p = SZ_PRIORITY_OF(sz_limit_network(s), SZ_NETWORK_PRIORITY_SHIFT);
	if (!p)
		p = SZ_PRIORITY_OF(s->svc.flags, SZ_PRIORITY_SHIFT);
	return p ? p : SZ_PRIORITY_NORMAL;
}

/* Are `asked` questions more than may be open? */
SZ_INLINE bool sz_load_over(const struct sz_load *l, u64 asked, u32 cap)
{
	s64 open = (s64)(asked - *(const volatile u64 *)&l->done);

	return open >= (s64)cap;
}

/*
 * Sent again by a client that has waited for long: the daemon has it already. Its record counts no
 * second time, and throwing it out now would waste what was done for it.
 */
SZ_INLINE bool sz_load_repeats(const struct sz_flow *f)
{
	return SZ_RULE(LOAD_REPEAT) && (f->flags & SZ_FLOW_ASKED) && (f->flags & SZ_FLOW_WHOLE);
}

/*
 * Takes a place among the open questions for the frame: SZ_R_NONE, or SZ_R_BUSY where there is
 * none.
 */
SZ_PART u32 sz_part_load(u32 why)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);
	u32 zero = 0, cap, p;
	struct sz_config *cfg = sz_map_get(&sz_config, &zero);
	struct sz_load *l;

	if (!s || !cfg)
		return SZ_R_STATE_FULL;
	if (s->w.reserved || sz_load_begun(why) || sz_load_repeats(&s->flow))
		return SZ_R_NONE;
	l = &cfg->load;
	p = sz_load_priority(s, cfg);
	sz_opaque(p);
	p &= SZ_PRIORITY_COUNT - 1;
	cap = l->cap[SZ_RULE(LOAD_SHARE) ? p : SZ_PRIORITY_HIGH];
	/* In a flood a look is cheaper than what is taken and given back. */
	if (!cap || (l->flags & SZ_LOAD_DRY) ||
	    !sz_load_over(l, *(volatile u64 *)&l->asked, cap)) {
		u64 before = sz_fetch_add(&l->asked, 1);

		s->w.reserved = 1;
		if (!cap || !sz_load_over(l, before, cap))
			return SZ_R_NONE;
		if (l->flags & SZ_LOAD_DRY) {
			sz_fetch_add(&l->shed[p], 1);
			return SZ_R_NONE;
		}
		s->w.reserved = 0;
		sz_fetch_add(&l->asked, -1);
	}
	sz_fetch_add(&l->shed[p], 1);
	return SZ_R_BUSY;
}

/* The frame has ended; a place that it took and no question came of is free again. */
SZ_INLINE void sz_load_release(struct sz_config *cfg, struct sz_scratch *s)
{
	if (SZ_RULE(LOAD_RELEASE) && s->w.reserved)
		sz_fetch_add(&cfg->load.asked, -1);
}

#endif

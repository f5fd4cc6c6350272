/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rate limits of a service: which of them count this request, whose bucket that is, and what is
 * left in it. One mechanism for all kinds: a limit says at which stage it is asked and by what it
 * has buckets (sz_limits), a bucket is found by the digest of its subject (sz_buckets). Called by
 * guard.h, walk.h, request.h and outcome.h; docs/limits.md states what is promised.
 *
 * Never gives away the place of a bucket that holds anything back, and never admits because there
 * was no room.
 */
#ifndef SZ_LIMIT_H
#define SZ_LIMIT_H

#include "subzero/account.h"
#include "subzero/bucket.h"
#include "subzero/parts.h"
#include "subzero/rule.h"

enum sz_limit_mode {
	SZ_LIMIT_TAKE,
	SZ_LIMIT_PEEK,  /* only whether there is one: the request is not admitted here */
	SZ_LIMIT_SPEND, /* it has happened, whatever is left */
};

/* What became of one limit. */
enum sz_limit_said {
	SZ_LIMIT_REFUSED, /* the bucket is empty, or it cannot be told */
	SZ_LIMIT_NO_ROOM, /* so is the spare one of all who found no room */
	SZ_LIMIT_PASSED,
	SZ_LIMIT_NOT_COUNTED,
};

/* ---- one bucket ----------------------------------------------------------------------------- */

/* Takes from the word at tat; what becomes of it is in *a. */
SZ_INLINE u32 sz_limit_take(struct sz_limit_ask *a, u64 *tat, u64 burst)
{
	struct sz_bucket_try b = {
		.tat = tat, .now = a->now, .cost = a->cost, .burst = burst, .peek = a->peek};
	bool taken = sz_bucket_try(&b);

	a->old = b.old;
	a->new = b.new;
	a->wait = b.wait;
	return taken ? SZ_LIMIT_PASSED : SZ_LIMIT_REFUSED;
}

/* The spare bucket: the plain rate of one subject for all that find no room. Stays taken. */
SZ_INLINE u32 sz_limit_spare(struct sz_limit_ask *a, struct sz_limit *l)
{
	u32 said = SZ_RULE(BUCKET_SPARE) ? sz_limit_take(a, &l->spare_tat, a->cost)
					 : SZ_LIMIT_PASSED;

	a->spare = 1;
	a->old = a->new = 0;
	return said == SZ_LIMIT_PASSED ? said : SZ_LIMIT_NO_ROOM;
}

/* Gives the way to the subject, with its bucket at `tat`. The lock is held. */
SZ_INLINE bool sz_bucket_claim(struct sz_bucket_set *set, u32 way, u64 old, u64 tat,
			       const struct sz_limit_ask *a)
{
	/* Who takes from the bucket of the old subject at this moment wins: it is in use again. */
	if (sz_cas(&set->tat[way], old, SZ_BUCKET_BUSY) != old)
		return false;
	set->tag[way] = a->tag;
	set->key[way] = a->key;
	sz_cas(&set->tat[way], SZ_BUCKET_BUSY, tat);
	return true;
}

/*
 * Finds a place for a subject that has none. For one burst's time after somebody found none in this
 * set a new bucket begins empty, and its first request is paid from the spare one: who has just had
 * a share of that gets no burst on top of it.
 */
SZ_INLINE u32 sz_bucket_new(struct sz_limit_ask *a, struct sz_limit *l, struct sz_bucket_set *set)
{
	bool fresh = !set->full_ns || a->now > set->full_ns + a->burst || !SZ_RULE(BUCKET_FRESH);
	u32 i, said;
	u64 old = 0;

	for (i = 0; i < SZ_BUCKET_WAYS; i++) {
		old = *(volatile u64 *)&set->tat[i];
		if (!sz_bucket_idle(set->tag[i], old, a->now))
			continue;
		if (a->peek || !fresh || a->cost > a->burst)
			break;
		if (sz_bucket_claim(set, i, old, a->now + a->cost, a)) {
			a->way = i;
			a->old = a->now;
			a->new = a->now + a->cost;
			return SZ_LIMIT_PASSED;
		}
	}
	if (i < SZ_BUCKET_WAYS && fresh) {
		a->wait = a->cost;
		return a->cost > a->burst ? SZ_LIMIT_REFUSED : SZ_LIMIT_PASSED;
	}
	if (i == SZ_BUCKET_WAYS && !a->peek)
		set->full_ns = l->full_ns = a->now;
	said = sz_limit_spare(a, l);
	if (i < SZ_BUCKET_WAYS && said == SZ_LIMIT_PASSED && !a->peek)
		sz_bucket_claim(set, i, old, a->now + a->burst, a);
	return said;
}

/* When to try again where a place could not be had at once. */
#define SZ_LIMIT_BUSY_NS 1000000000ull

/* Only one CPU at a time gives away places of a set, or a subject might get two. */
SZ_INLINE bool sz_bucket_lock(struct sz_bucket_set *set)
{
	u32 i;

	for (i = 0; i < SZ_BUCKET_TRIES; i++)
		if (!sz_cas(&set->lock, 0, 1))
			return true;
	return false;
}

/* Takes from the bucket of the subject a->key in its set. */
SZ_INLINE u32 sz_bucket_of(struct sz_limit_ask *a, struct sz_limit *l, struct sz_bucket_set *set)
{
	u32 way = sz_bucket_way(set, a->tag), said;
	bool locked = false;

	if (way < SZ_BUCKET_WAYS) {
		a->way = way;
		said = sz_limit_take(a, &set->tat[way], a->burst);
		/* What was taken keeps the place; it may have changed hands just before. */
		if (said == SZ_LIMIT_REFUSED || a->peek ||
		    *(volatile u64 *)&set->tag[way] == a->tag)
			return said;
		sz_bucket_give_back(&set->tat[way], a->old, a->new);
	}
	if (!a->peek) {
		locked = sz_bucket_lock(set);
		if (SZ_RULE(BUCKET_LOCK) && !locked) {
			/* Perhaps its own bucket is being made: another one is one too many. */
			a->wait = SZ_LIMIT_BUSY_NS;
			return SZ_LIMIT_REFUSED;
		}
		way = sz_bucket_way(set, a->tag);
	}
	if (way < SZ_BUCKET_WAYS && !a->peek) { /* another CPU has made it meanwhile */
		a->way = way;
		said = sz_limit_take(a, &set->tat[way], a->burst);
	} else {
		said = sz_bucket_new(a, l, set);
	}
	if (locked)
		sz_cas(&set->lock, 1, 0);
	return said;
}

/* ---- one limit ------------------------------------------------------------------------------ */

SZ_INLINE bool sz_limit_on_route(const struct sz_limit *l, u32 route)
{
	return l->routes[(route / 64) & (SZ_ROUTE_WORDS - 1)] >> (route & 63) & 1;
}

/* The number of the client's network, looked up once for a frame; 0: none. */
SZ_INLINE u32 sz_limit_network(struct sz_scratch *s)
{
	const u32 *n;

	if (!s->w.network_known) {
		s->network.prefixlen = 128;
		s->network.addr = s->p.key.client;
		n = sz_map_get(&sz_networks, &s->network);
		s->w.network = n ? *n : 0;
		s->w.network_known = 1;
	}
	return s->w.network;
}

/* Does the limit count this request, and whose bucket is it? The subject goes to ask.key. */
SZ_INLINE bool sz_limit_applies(struct sz_scratch *s, const struct sz_limit *l)
{
	struct sz_limit_ask *a = &s->ask;

	if (l->stage == SZ_LIMIT_ADMIT && !sz_limit_on_route(l, s->w.route))
		return false;
	/* A known client answers for its questions only with its share of all. */
	if (l->stage == SZ_LIMIT_MISS && (l->by & SZ_BY_SOURCE) && s->flow.principal)
		return false;
	if ((l->by & SZ_BY_PRINCIPAL) && !s->w.principal)
		return false;
	sz_memset(&a->key, 0, sizeof(a->key));
	a->key.limit = l->id;
	if (l->by & SZ_BY_PRINCIPAL)
		a->key.principal = s->w.principal;
	if (l->by & SZ_BY_ROUTE)
		a->key.route = s->w.route;
	if (l->by & SZ_BY_SOURCE)
		sz_bucket_source(&a->key.source, &s->p.key.client, l->prefix4, l->prefix6);
	return true;
}

/* The slot of what stands for a limit in the client's network; SZ_VARIANT_EXEMPT: nothing does. */
SZ_INLINE u32 sz_limit_here(struct sz_scratch *s, const struct sz_config *cfg, u32 slot)
{
	const struct sz_limit *l = sz_map_get(&sz_limits, &slot);
	u32 n = 0;

	if (l && (l->by & SZ_BY_SOURCE) && cfg->networks)
		n = l->variant[sz_limit_network(s) & SZ_NETWORKS_MAX];
	return n ? n : slot;
}

SZ_INLINE u32 sz_limit_said(struct sz_scratch *s, const struct sz_config *cfg, struct sz_limit *l)
{
	struct sz_limit_ask *a = &s->ask;
	struct sz_bucket_set *set;
	u32 at;

	if (!l->by)
		return sz_limit_take(a, &l->tat, a->burst);
	a->tag = sz_bucket_tag(cfg->key, &a->key);
	at = sz_bucket_index(a->tag, l->table, cfg->bucket_sets);
	a->set = at + 1;
	set = sz_map_get(&sz_buckets, &at);
	return set ? sz_bucket_of(a, l, set) : SZ_LIMIT_NO_ROOM;
}

/*
 * Asks the limit in `slot`: enum sz_limit_mode in, enum sz_limit_said out, the rest in s->ask.
 * `share` such requests cost what one does; above 1 only limits by source are asked.
 */
SZ_PART u32 sz_part_limit(u32 slot, u32 mode, u32 share)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);
	u32 zero = 0, said;
	struct sz_config *cfg = sz_map_get(&sz_config, &zero);
	struct sz_limit_count *c;
	struct sz_limit_ask *a;
	struct sz_limit *l;

	if (!s || !cfg)
		return SZ_LIMIT_REFUSED;
	a = &s->ask;
	sz_memset(a, 0, sizeof(*a));
	a->reason = SZ_R_STATE_FULL;
	slot = sz_limit_here(s, cfg, slot);
	if (slot == SZ_VARIANT_EXEMPT)
		return SZ_LIMIT_NOT_COUNTED;
	a->slot = slot;
	l = sz_map_get(&sz_limits, &slot);
	if (!l)
		return SZ_LIMIT_REFUSED;
	/* No id: it was removed from the configuration a moment ago. */
	if (!l->id || (share > 1 && !(l->by & SZ_BY_SOURCE)) || !sz_limit_applies(s, l))
		return SZ_LIMIT_NOT_COUNTED;
	sz_limit_load_rate(l, &a->cost, &a->burst);
	if (!a->cost)
		return SZ_LIMIT_NOT_COUNTED;
	if (share > 1)
		a->cost /= share;
	a->now = s->w.now;
	a->peek = mode == SZ_LIMIT_PEEK;
	a->dry = l->flags & SZ_LIMIT_DRY;
	a->reason = l->reason;
	said = sz_limit_said(s, cfg, l);
	c = sz_map_get(&sz_limit_counts, &a->slot);
	if (c) {
		c->spare += a->spare && !a->peek;
		if (said == SZ_LIMIT_PASSED)
			c->admitted += !a->peek;
		else if (mode != SZ_LIMIT_SPEND && a->dry)
			c->dry++;
		else if (mode != SZ_LIMIT_SPEND)
			c->refused++;
	}
	return said;
}

/* Puts back what the first n limits of s->paid took: another one refuses. */
SZ_PART int sz_part_limit_undo(u32 n)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);
	u32 i;

	if (!s)
		return -1;
	for (i = 0; i < SZ_SERVICE_LIMITS; i++) {
		const struct sz_limit_paid *p = &s->paid[i];
		struct sz_limit_count *c;
		struct sz_bucket_set *set;
		struct sz_limit *l;
		u32 at = p->set - 1, slot = p->slot;

		if (i >= n)
			break;
		c = sz_map_get(&sz_limit_counts, &slot);
		if (c)
			c->admitted--;
		set = p->set ? sz_map_get(&sz_buckets, &at) : 0;
		l = sz_map_get(&sz_limits, &slot);
		if (!p->new)
			continue; /* it was the spare bucket */
		if (set)
			sz_bucket_give_back(&set->tat[p->way & (SZ_BUCKET_WAYS - 1)], p->old,
					    p->new);
		else if (l)
			sz_bucket_give_back(&l->tat, p->old, p->new);
	}
	return 0;
}

/* ---- the limits of a stage ------------------------------------------------------------------ */

/* A dry limit goes on record for what it would have done. */
SZ_INLINE void sz_limit_would(struct sz_scratch *s)
{
	struct sz_walk *w = &s->w;
	u32 monitor = w->monitor;

	w->limit = s->ask.slot;
	w->monitor = 1;
	sz_report(s, s->service.id, s->ask.reason);
	w->monitor = monitor;
	w->limit = 0;
}

/* What a limit took, in case another one refuses. */
SZ_INLINE void sz_limit_note(struct sz_scratch *s)
{
	struct sz_limit_paid *p = &s->paid[s->w.n_paid & SZ_PAID_MASK];

	p->old = s->ask.old;
	p->new = s->ask.new;
	p->slot = s->ask.slot;
	p->set = s->ask.set;
	p->way = s->ask.way;
	s->w.n_paid++;
}

/*
 * Asks the limits of s->service at a stage; `share` as in sz_part_limit(). Returns SZ_R_NONE, or
 * the reason to refuse, with SZ_TELL_LIMIT(), and w.wait_ns set.
 */
SZ_PART u32 sz_part_limits(u32 stage, u32 mode, u32 share)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);
	u32 at, before = stage - 1, end, i, said;

	if (!s)
		return SZ_R_STATE_FULL;
	/* Masked behind the compiler's back: to kernel 6.1 a stage that is not 0 says nothing. */
	sz_opaque(before);
	before &= SZ_SERVICE_STAGES - 1;
	end = s->service.limit_end[stage & (SZ_SERVICE_STAGES - 1)];
	at = stage ? s->service.limit_end[before] : 0;
	s->w.n_paid = 0;
	for (i = 0; i < SZ_SERVICE_LIMITS; i++) {
		if (i < at)
			continue;
		if (i >= end)
			break;
		said = sz_part_limit(s->service.limit[i], mode, share);
		if (said == SZ_LIMIT_NOT_COUNTED || mode == SZ_LIMIT_SPEND)
			continue;
		if (said == SZ_LIMIT_PASSED) {
			sz_limit_note(s);
			continue;
		}
		if (s->ask.dry) {
			sz_limit_would(s);
			continue;
		}
		s->w.wait_ns = s->ask.wait;
		if (mode == SZ_LIMIT_TAKE)
			sz_part_limit_undo(s->w.n_paid);
		return said == SZ_LIMIT_NO_ROOM ? SZ_R_STATE_FULL
						: SZ_TELL_LIMIT(s->ask.reason, s->ask.slot);
	}
	return SZ_R_NONE;
}

/* The same for g->svc. What an earlier attempt on this frame has charged is not charged again. */
SZ_INLINE u32 sz_limits_ask(struct sz_guard *g, u32 stage, u32 mode, u32 share)
{
	struct sz_scratch *s = g->s;
	u32 *charged = &s->w.charged[stage & (SZ_SERVICE_STAGES - 1)];
	u32 reason;

	if (mode == SZ_LIMIT_TAKE && *charged > s->w.off)
		return SZ_R_NONE;
	s->service = *g->svc;
	reason = sz_part_limits(stage, mode, share);
	if (mode == SZ_LIMIT_TAKE && reason == SZ_R_NONE)
		*charged = s->w.off + 1;
	return reason;
}

/* The same, at no cost for a service that has none at this stage. */
SZ_INLINE u32 sz_limited(struct sz_guard *g, u32 stage, u32 mode)
{
	if (g->svc->limit_end[stage] == (stage ? g->svc->limit_end[stage - 1] : 0))
		return SZ_R_NONE;
	return sz_limits_ask(g, stage, mode, 1);
}

/* A 401 for a token that was sent spends the budget of its source. */
SZ_INLINE void sz_limit_failure(struct sz_guard *g, u32 reason)
{
	if (SZ_RULE(FAIL_SPENT) && sz_reason_is_failure(SZ_TOLD(reason)))
		sz_limited(g, SZ_LIMIT_FAIL, SZ_LIMIT_SPEND);
}

#endif

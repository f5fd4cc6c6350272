/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One request head: route, token, grant, limits. Called by walk.h for the bytes at a flow's
 * boundary. The verdict is left in the walk (verdict, reason, why).
 */
#ifndef SZ_REQUEST_H
#define SZ_REQUEST_H

#include "subzero/account.h"
#include "subzero/bucket.h"
#include "subzero/head.h"
#include "subzero/limit.h"
#include "subzero/load.h"
#include "subzero/parts.h"
#include "subzero/rule.h"

SZ_INLINE enum sz_verdict sz_says(struct sz_walk *w, enum sz_verdict v, u32 reason, u32 why)
{
	w->verdict = v;
	w->reason = reason;
	w->why = why;
	return v;
}

/* Looks the path up as "/path\0"; a node for "/path/" and shorter ones match as prefixes. */
SZ_COLD const struct sz_route_node *sz_route_find(struct sz_scratch *s, u32 service)
{
	u32 off = s->scan.path_off, n = s->scan.path_len, i;
	struct sz_route_key *k = &s->route;

	if (n > SZ_PATH_MAX - 1)
		n = SZ_PATH_MAX; /* longer than any exact route: only prefixes can match */
	k->service = service;
	for (i = 0; i < SZ_PATH_MAX; i += 8) {
		u64 v;

		if (i > n)
			break;
		v = sz_load64(s->frame + ((off + i) & SZ_FRAME_MASK));
		sz_memcpy(k->path + i, &v, 8);
	}
	sz_opaque(n);
	if (n < SZ_PATH_MAX)
		k->path[n] = 0;
	k->prefixlen = 32 + 8 * (n < SZ_PATH_MAX ? n + 1 : n);
	return sz_map_get(&sz_routes, k);
}

SZ_INLINE bool sz_bit(const u64 *words, u32 i)
{
	return words[(i / 64) & (SZ_ROUTE_WORDS - 1)] >> (i & 63) & 1;
}

/* May this question still be asked? Misses spend budgets of their own. */
SZ_COLD enum sz_verdict sz_ask(struct sz_guard *g, u32 why)
{
	struct sz_config *cfg = g->cfg;
	struct sz_walk *w = &g->s->w;
	const struct sz_flow *f = &g->s->flow;
	u32 reason = SZ_R_NONE;

	if (SZ_RULE(ASK_DAEMON) && cfg->heartbeat_ns + cfg->heartbeat_ttl_ns < w->now)
		return sz_says(w, SZ_DENY, SZ_R_NO_DAEMON, 0);
	if (SZ_RULE(ASK_ONCE) && (f->flags & SZ_FLOW_ASKED) &&
	    w->now - f->asked_ns < SZ_ASK_AGAIN_NS)
		return sz_says(w, SZ_DENY, SZ_R_WAITING, 0);
	/* A head that is not read here may hold any token; a known client is trusted that far. */
	if (SZ_RULE(FAIL_UNREAD) && (why == SZ_MISS_UNUSUAL || why == SZ_MISS_PARTIAL) &&
	    !f->principal)
		reason = sz_limited(g, SZ_LIMIT_FAIL, SZ_LIMIT_PEEK);
	if (SZ_RULE(LOAD_LIMIT) && reason == SZ_R_NONE)
		reason = sz_part_load(why);
	if (SZ_RULE(ASK_BUDGET) && reason == SZ_R_NONE)
		reason = sz_limited(g, SZ_LIMIT_MISS, SZ_LIMIT_TAKE);
	if (reason != SZ_R_NONE)
		return sz_says(w, SZ_DENY, reason, 0);
	return sz_says(w, SZ_ASK, SZ_R_MISS, why);
}

/*
 * What a question is about goes by way of memory, and so does a verdict: to the verifier all of
 * them are one then, and what comes behind is looked at once. True: to be asked.
 */
SZ_INLINE bool sz_wonders(struct sz_walk *w, u32 why)
{
	w->why = why;
	return true;
}

SZ_INLINE bool sz_settled(struct sz_walk *w, enum sz_verdict v, u32 reason)
{
	sz_says(w, v, reason, 0);
	return false;
}

/* A request that the grant says nothing final about: known from before, or asked about. */
SZ_INLINE bool sz_line_wonders(struct sz_guard *g)
{
	u32 known = sz_part_known(g->svc->id);

	if (!known)
		return sz_wonders(&g->s->w, SZ_MISS_ROUTE);
	return sz_settled(&g->s->w, known == SZ_R_TICKET ? SZ_ALLOW : SZ_DENY,
			  known == SZ_R_TICKET ? SZ_R_HIT : known);
}

/* What is known of the scanned token, in force or not; NULL: nothing. Its digest is in w.token. */
SZ_INLINE struct sz_grant *sz_grant_of(struct sz_guard *g)
{
	struct sz_scratch *s = g->s;

	if (!s->w.same)
		sz_part_token(s->scan.token_off, s->scan.token_len);
	s->grant.token = s->w.token;
	s->grant.service = g->svc->id;
	s->grant.pad = 0;
	return sz_map_get(&sz_grants, &s->grant);
}

/* A clean head whose token is known or not; `grant`: what was found for it already. True: ask. */
SZ_INLINE bool sz_token_wonders(struct sz_guard *g, u16 route, u16 flags, struct sz_grant *grant)
{
	struct sz_walk *w = &g->s->w;
	struct sz_config *cfg = g->cfg;
	const struct sz_denied *bad;
	u32 reason;

	if (!grant)
		grant = sz_grant_of(g);
	if (!grant || (SZ_RULE(GRANT_EXPIRY) && grant->expires_ns <= w->now) ||
	    (SZ_RULE(GRANT_POLICY) && grant->policy_gen != cfg->policy_gen) ||
	    (SZ_RULE(GRANT_KEYS) && grant->key_gen != cfg->key_gen) ||
	    (SZ_RULE(GRANT_KEY) &&
	     grant->key_serial != cfg->key_serial[sz_key_slot(&grant->key)]) ||
	    (SZ_RULE(GRANT_NAMES) && !(grant->flags & SZ_GRANT_REVOKED) &&
	     grant->name_serial != sz_name_serials(cfg, grant))) {
		reason = SZ_RULE(FAIL_LIMIT) ? sz_limited(g, SZ_LIMIT_FAIL, SZ_LIMIT_PEEK)
					     : SZ_R_NONE;
		if (reason != SZ_R_NONE)
			return sz_settled(w, SZ_DENY, reason);
		bad = sz_map_get(&sz_denied, &g->s->grant);
		if (SZ_RULE(DENIED) && bad && bad->expires_ns > w->now &&
		    bad->policy_gen == cfg->policy_gen &&
		    bad->key_gen == cfg->key_gen)
			return sz_settled(w, SZ_DENY, bad->reason);
		return sz_wonders(w, SZ_MISS_TOKEN);
	}
	w->principal = grant->principal;
	w->priority = SZ_PRIORITY_OF(grant->flags, SZ_PRIORITY_SHIFT);
	if (SZ_RULE(REVOKED) && (grant->flags & SZ_GRANT_REVOKED))
		return sz_settled(w, SZ_DENY, SZ_R_REVOKED);
	if (SZ_RULE(NO_ROUTE) && route == SZ_ROUTE_NONE && !(flags & SZ_RT_VARS))
		return sz_settled(w, SZ_DENY, SZ_R_NO_ROUTE);
	if (SZ_RULE(ALLOW_BIT) && !(flags & SZ_RT_VARS) && !sz_bit(grant->allow, route) &&
	    !sz_bit(grant->ask, route)) {
		w->explanation = grant->profile;
		return sz_settled(w, SZ_DENY, SZ_R_NO_SCOPE);
	}
	if ((SZ_RULE(ASK_VARS) && (flags & SZ_RT_VARS)) ||
	    (SZ_RULE(ASK_BIT) && sz_bit(grant->ask, route) &&
	     (!sz_bit(grant->allow, route) ||
	      !sz_in_prefix(&g->s->p.key.client, &grant->source, grant->source_bits))))
		return sz_line_wonders(g);
	return sz_settled(w, SZ_ALLOW, SZ_R_HIT);
}

/* The head that begins at payload offset w->off, its scan done. True: ask about w->why. */
SZ_INLINE bool sz_head_wonders(struct sz_guard *g)
{
	struct sz_scratch *s = g->s;
	struct sz_walk *w = &s->w;
	const struct sz_route_node *node;
	struct sz_grant *grant = 0;
	struct sz_source *src;
	u32 method, reason;
	u16 route, flags;

	/* Bytes that were passed over are those of a token that was granted, or they are read. */
	if (s->scan.guessed) {
		if (s->scan.flags & SZ_HD_BEARER)
			grant = sz_grant_of(g);
		if (SZ_RULE(GUESS_GRANTED) && !grant)
			sz_part_scan(w->base + w->off, w->base + s->p.payload_len);
	}
	method = s->scan.method & (SZ_METHOD_COUNT - 1);
	if (SZ_RULE(AMBIGUOUS) && s->scan.status == SZ_HEAD_AMBIGUOUS)
		return sz_settled(w, SZ_DENY, SZ_R_BAD_REQUEST);
	w->method = (u8)method;
	src = sz_source_of(&s->p.key.client);
	/* A frame that comes back from the daemon was counted when it came first. */
	if (!(s->flow.flags & SZ_FLOW_ASKED)) {
		if (src) {
			sz_fetch_add(&src->requests, 1);
			src->seen_ns = w->now;
		}
		reason = SZ_RULE(SOURCE_LIMIT) ? sz_limited(g, SZ_LIMIT_READ, SZ_LIMIT_TAKE)
					       : SZ_R_NONE;
		if (reason != SZ_R_NONE)
			return sz_settled(w, SZ_DENY, reason);
	}
	if (SZ_RULE(PARTIAL) && s->scan.status == SZ_HEAD_PARTIAL)
		return sz_wonders(w, SZ_MISS_PARTIAL);
	if (SZ_RULE(UNUSUAL) && s->scan.status == SZ_HEAD_UNUSUAL)
		return sz_wonders(w, SZ_MISS_UNUSUAL);
	if (SZ_RULE(UPGRADE) && (s->scan.flags & SZ_HD_UPGRADE))
		return sz_settled(w, SZ_DENY, SZ_R_UPGRADE);
	node = sz_route_find(s, g->svc->id);
	route = node ? node->route[method] : SZ_ROUTE_NONE;
	flags = node ? node->flags[method] : 0;
	w->route = route;
	if (flags & SZ_RT_PUBLIC)
		return SZ_RULE(PUBLIC_ASK) && (flags & SZ_RT_ASK)
			       ? sz_wonders(w, SZ_MISS_ROUTE)
			       : sz_settled(w, SZ_ALLOW, SZ_R_PUBLIC);
	if (SZ_RULE(NO_TOKEN) && !(s->scan.flags & SZ_HD_BEARER))
		return sz_settled(w, SZ_DENY, SZ_R_NO_TOKEN);
	return sz_token_wonders(g, route, flags, grant);
}

/*
 * The same, and its verdict left in the walk. A request that all else admits is charged to its
 * limits; where the daemon decides once more, that is done when its ticket comes.
 */
SZ_INLINE enum sz_verdict sz_decide_head(struct sz_guard *g)
{
	struct sz_walk *w = &g->s->w;
	bool ask = sz_head_wonders(g);
	u32 reason = SZ_R_NONE;

	if (ask ? SZ_RULE(ASK_LIMIT) && w->why == SZ_MISS_ROUTE
		: SZ_RULE(ADMIT_LIMIT) && w->verdict == SZ_ALLOW)
		reason = sz_limited(g, SZ_LIMIT_ADMIT, ask ? SZ_LIMIT_PEEK : SZ_LIMIT_TAKE);
	if (reason != SZ_R_NONE)
		sz_says(w, SZ_DENY, reason, 0);
	else if (ask)
		sz_ask(g, w->why);
	return (enum sz_verdict)w->verdict;
}

/*
 * The same with nothing handed over, so that the verifier looks at it once and not on each way that
 * leads here.
 */
SZ_PART int sz_part_decide(void)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);
	u32 zero = 0;
	struct sz_config *cfg = sz_map_get(&sz_config, &zero);
	struct sz_guard g = {.s = s, .cfg = cfg};

	if (!s || !cfg)
		return -1;
	g.svc = &s->svc;
	sz_decide_head(&g);
	return 0;
}

#endif

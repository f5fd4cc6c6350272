/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The policy's word on one request, and the kernel's memory of it. Called by stream.c for each
 * request that the kernel asks about. What holds for every request with the same token and request
 * line goes to sz_requests, so that the kernel does not ask again; it is voided by the same things
 * as a grant, and by a change of relationships.
 */
#include "gateway/gateway_priv.h"

#include <stdio.h>
#include <string.h>

#include "subzero/digest.h"
#include "subzero/rule.h"

u64 sz_boot_of_wall(s64 wall_ns)
{
	u64 boot = sz_boot_ns(); /* first: what lies between the two makes it early, not late */
	s64 left = wall_ns - (s64)sz_wall_ns();

	return wall_ns == SZ_POLICY_FOREVER ? ~0ull : left <= 0 ? boot : boot + (u64)left;
}

static void target_digest(const struct sz_gateway *g, const struct sz_http_head *http,
			  struct sz_digest *ret)
{
	u8 buf[SZ_FRAME_MAX + 64];

	memcpy(buf, http->target, http->target_len);
	memset(buf + http->target_len, 0, 64);
	sz_token_digest(g->cfg->key, buf, 0, (u32)http->target_len, ret);
}

/* What the generations were before the decision goes into the map: a change meanwhile voids it. */
struct generations {
	u32 policy, keys, relations[SZ_REL_SLOTS];
};

static struct generations generations(const struct sz_gateway *g)
{
	struct generations ret = {
		.policy = __atomic_load_n(&g->cfg->policy_gen, __ATOMIC_ACQUIRE),
		.keys = __atomic_load_n(&g->cfg->key_gen, __ATOMIC_ACQUIRE),
	};
	u32 i;

	for (i = 0; i < SZ_REL_SLOTS; i++)
		ret.relations[i] = __atomic_load_n(&g->cfg->rel_gen[i], __ATOMIC_ACQUIRE);
	return ret;
}

static void remember(struct sz_gateway *g, const struct sz_pending *p, const struct sz_decision *d,
		     const struct sz_policy_ruling *r, const struct generations *gen)
{
	struct sz_request_key key = {
		.token = p->token, .service = p->svc->id, .method = (u32)p->http->method};
	u64 token_ends = sz_grant_expiry(g, d), until = sz_boot_of_wall(r->until_ns);
	u32 slot = sz_rel_slot(p->svc->id, r->route);
	struct sz_request v = {
		.expires_ns = token_ends < until ? token_ends : until,
		.policy_gen = gen->policy,
		.key_gen = gen->keys,
		.rel_gen = gen->relations[slot],
		.flags = r->relation ? SZ_RQ_RELATION : 0,
		.reason = SZ_TELL(r->reason, r->challenge),
		.route = r->route,
		.rel_slot = (u16)slot,
		.explanation = r->id,
		.source_bits = r->source_bits,
		.source = p->key.client,
	};
	int err;

	target_digest(g, p->http, &key.target);
	err = sz_map_put(g->kern, SZ_MAP_REQUESTS, &key, &v);
	if (err)
		sz_log(SZ_LOG_DEBUG, "an answer could not be remembered: %s", strerror(-err));
	else
		sz_expiry_request(g, &key, v.expires_ns);
}

/* The query behind the path, in the bytes that were sent. */
static void set_query(const struct sz_http_head *http, struct sz_policy_request *ret)
{
	const char *q = memchr(http->target, '?', http->target_len);

	if (!q)
		return;
	ret->query = q + 1;
	ret->query_len = (size_t)(http->target + http->target_len - ret->query);
}

/*
 * The policy on the canonical path and, where it differs, on the path as sent: some servers route
 * by one and some by the other, so only what both forms allow on one and the same route passes.
 */
static void on_path_as_sent(struct sz_gateway *g, const struct sz_pending *p,
			    const struct sz_policy_subject *who, struct sz_policy_request *req,
			    const struct sz_policy_moment *at, struct sz_policy_ruling *r)
{
	const struct sz_http_head *http = p->http;
	struct sz_policy_ruling raw;

	req->path = http->target;
	req->path_len = req->query ? (size_t)(req->query - http->target) - 1 : http->target_len;
	sz_policy_decide(sz_verifier_policy(g->verifier), p->svc, who, req, at, &raw);
	if (raw.reason == SZ_R_TICKET && raw.route == r->route)
		return;
	r->reason = SZ_R_NO_ROUTE;
	r->id = sz_policy_explanation(sz_verifier_policy(g->verifier), p->svc, r->route,
				      SZ_POLICY_CLAUSE_PATH, r->reason);
	sz_error_set(&r->why, 0,
		     "the path as sent and its canonical form \"%.200s\" fall under different "
		     "routes or conditions",
		     http->path);
}

void sz_ruling_make(struct sz_gateway *g, const struct sz_pending *p, const struct sz_decision *d,
		    struct sz_policy_ruling *ret)
{
	const struct sz_http_head *http = p->http;
	struct generations gen = generations(g);
	struct sz_policy_moment at = {.now_ns = (s64)sz_wall_ns(), .source = p->key.client};
	struct sz_policy_request req = {.method = http->method,
					.path = http->path,
					.path_len = http->path_len,
					.head = p->head.data,
					.head_len = http->head_len};
	struct sz_policy_subject who;

	set_query(http, &req);
	if (g->verifier)
		sz_policy_relations(sz_verifier_policy(g->verifier), sz_relations_ask, g);
	if (d)
		sz_verifier_subject(&d->token, &who);
	sz_policy_decide(sz_verifier_policy(g->verifier), p->svc, d ? &who : NULL, &req, &at, ret);
	if (SZ_RULE(DPOP_ROUTE) && ret->reason == SZ_R_TICKET && !http->dpop &&
	    p->svc->routes[ret->route].dpop == SZ_DPOP_REQUIRED) {
		ret->reason = SZ_R_DPOP_BINDING;
		ret->id = sz_policy_explanation(sz_verifier_policy(g->verifier), p->svc, ret->route,
						SZ_POLICY_CLAUSE_DPOP, ret->reason);
		sz_error_set(&ret->why, 0, "the route needs a token that is bound to a key (DPoP)");
		return;
	}
	if (SZ_RULE(PATH_AS_SENT) && ret->reason == SZ_R_TICKET && http->path_changed)
		on_path_as_sent(g, p, d ? &who : NULL, &req, &at, ret);
	else if (d && ret->lasting && !http->dpop && !d->jkt && ret->route != SZ_ROUTE_NONE &&
		 !p->svc->routes[ret->route].public && !http->path_changed)
		remember(g, p, d, ret, &gen);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The decision: for a token with the request unknown, and for one request with the reason in words.
 * Called by the verifier, for each request that the kernel asks about, and by explain. Whatever is
 * not granted by a route is refused.
 */
#include <stdio.h>
#include <string.h>

#include "policy/policy_priv.h"

#include "subzero/rule.h"

void sz_policy_for_token(const struct sz_policy *p, const struct sz_conf_service *svc,
			 const struct sz_policy_subject *who, const struct sz_policy_moment *at,
			 struct sz_policy_answer *ret)
{
	struct judge j;

	*ret = (struct sz_policy_answer){.until_ns = SZ_POLICY_FOREVER};
	sz_policy_judge_init(&j, p, svc, who, NULL, at, KNOWN_TOKEN);
	for (size_t i = 0; i < svc->n_routes && i < SZ_ROUTES_MAX; i++) {
		const struct sz_conf_route *t = &svc->routes[i];
		u64 bit = 1ull << (i % 64), *allow = &ret->allow[i / 64], *ask = &ret->ask[i / 64];
		enum outcome out = OUT_ALLOW;

		if (t->public) {
			j.until_ns = SZ_POLICY_FOREVER;
			j.source_bits = 0;
		} else {
			out = sz_policy_judge(&j, (u16)i);
		}
		if (out == OUT_ASK || (out == OUT_ALLOW && t->each) ||
		    (out == OUT_DENY && j.source_bits)) {
			*ask |= bit;
			continue; /* what is asked holds for ever */
		}
		if (j.until_ns < ret->until_ns)
			ret->until_ns = j.until_ns;
		if (out == OUT_DENY) {
			ret->refused.clause[i] = j.number;
			continue;
		}
		*allow |= bit;
		if (!j.source_bits)
			continue;
		*ask |= bit;
		if (j.source_bits > ret->source_bits)
			ret->source_bits = j.source_bits;
	}
	sz_policy_judge_done(&j);
}

/* ---- one request ---------------------------------------------------------------------------- */

static void say_no_route(const struct sz_conf_service *svc, const struct sz_policy_request *req,
			 struct sz_policy_ruling *ret)
{
	struct sz_policy_request other = *req;
	int len = sz_policy_shown(req->path, req->path_len);
	u16 id;

	for (u32 m = 0; m < SZ_METHOD_COUNT; m++) {
		other.method = (enum sz_method)m;
		id = sz_policy_route(svc, &other);
		if (id == SZ_ROUTE_NONE)
			continue;
		sz_error_set(&ret->why, 0,
			     "route \"%.*s\" covers the path %.*s, but no route covers it "
			     "for method %s",
			     SHOWN(svc->routes[id].name), len, req->path,
			     sz_method_name(req->method));
		sz_error_set(&ret->otherwise, 0, "a route for this path must name the method %s",
			     sz_method_name(req->method));
		return;
	}
	sz_error_set(&ret->why, 0, "no route of service \"%s\" covers the path %.*s", svc->name,
		     len, req->path);
	sz_error_set(&ret->otherwise, 0, "service \"%s\" must have a route for this path",
		     svc->name);
}

/* The part before the token: no route, a public one, no token at all. */
static bool without_token(const struct sz_conf_service *svc, const struct sz_policy_subject *who,
			  const struct sz_policy_request *req, struct sz_policy_ruling *ret)
{
	const struct sz_conf_route *t;

	ret->route = sz_policy_route(svc, req);
	if (ret->route == SZ_ROUTE_NONE) {
		say_no_route(svc, req, ret);
		/* As in the kernel: without a token nobody learns which routes exist. */
		ret->reason = who ? SZ_R_NO_ROUTE : SZ_R_NO_TOKEN;
		ret->lasting = true;
		return true;
	}
	t = &svc->routes[ret->route];
	if (t->public) {
		sz_error_set(&ret->why, 0, "route \"%.*s\" is public", SHOWN(t->name));
		ret->reason = SZ_R_TICKET;
		ret->lasting = !t->each;
		return true;
	}
	if (!who) {
		sz_error_set(&ret->why, 0, "route \"%.*s\" needs a token; none was sent",
			     SHOWN(t->name));
		sz_error_set(&ret->otherwise, 0, "the request must bring a token");
		ret->reason = SZ_R_NO_TOKEN;
		return true;
	}
	return false;
}

/* Is this the answer to every request with this token and request line? */
static void judge_line(const struct sz_policy *p, const struct sz_conf_service *svc,
		       const struct sz_policy_subject *who, const struct sz_policy_request *req,
		       const struct sz_policy_moment *at, struct sz_policy_ruling *ret)
{
	struct judge j;
	enum outcome out;

	/* A token that is bound to a key is good for nothing without its proof. */
	if (svc->routes[ret->route].each ||
	    (SZ_RULE(D_LASTING_BOUND) && json_object_get(who->claims, "cnf")))
		return;
	sz_policy_judge_init(&j, p, svc, who, req, at, KNOWN_LINE);
	out = sz_policy_judge(&j, ret->route);
	ret->lasting = out != OUT_ASK && (out == OUT_ALLOW) == (ret->reason == SZ_R_TICKET) &&
		       (out == OUT_ALLOW || j.reason == ret->reason);
	ret->relation = j.relation;
	ret->until_ns = j.until_ns;
	ret->source_bits = j.source_bits;
	sz_policy_judge_done(&j);
}

void sz_policy_decide(const struct sz_policy *p, const struct sz_conf_service *svc,
		      const struct sz_policy_subject *who, const struct sz_policy_request *req,
		      const struct sz_policy_moment *at, struct sz_policy_ruling *ret)
{
	struct judge j;

	*ret = (struct sz_policy_ruling){.route = SZ_ROUTE_NONE, .until_ns = SZ_POLICY_FOREVER};
	if (without_token(svc, who, req, ret)) {
		ret->id = ret->reason == SZ_R_TICKET
				  ? sz_policy_explain_admitted(p, svc, ret->route)
				  : sz_policy_explain_before(p, svc, ret->reason);
		snprintf(ret->clause, sizeof(ret->clause), "%s",
			 ret->reason == SZ_R_TICKET ? "public" : sz_policy_before(ret->reason));
		return;
	}
	sz_policy_judge_init(&j, p, svc, who, req, at, KNOWN_ALL);
	j.why = &ret->why;
	j.otherwise = &ret->otherwise;
	/* With everything known there is nothing left to ask; if there were, it is refused. */
	if (sz_policy_judge(&j, ret->route) == OUT_ASK)
		sz_policy_say(&j, SZ_R_POLICY_ERROR, POLICY_CLAUSE_UNKNOWN,
			      "a condition cannot be decided", NULL);
	ret->reason = j.reason;
	if (ret->reason == SZ_R_STEP_UP)
		ret->challenge = j.compiled->routes[ret->route].challenge;
	ret->id = sz_policy_explanation(p, svc, ret->route, j.clause, j.reason);
	memcpy(ret->clause, j.clause, sizeof(ret->clause));
	sz_policy_judge_done(&j);
	judge_line(p, svc, who, req, at, ret);
}

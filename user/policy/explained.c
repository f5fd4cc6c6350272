/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Names of what decided: clauses as text and as numbers, and the ids of explanations. Called by the
 * judge and the decision, by the daemon for what the kernel has refused, and by explain, which
 * looks for an id among all that a policy can say. Decides nothing.
 */
#include <stdio.h>
#include <string.h>

#include "hash/hash.h"
#include "policy/policy_priv.h"

/* ---- clauses -------------------------------------------------------------------------------- */

void sz_policy_clause(const struct sz_conf_route *t, enum clause_kind kind, size_t i,
		      char ret[CLAUSE_MAX])
{
	switch (kind) {
	case CLAUSE_SCOPE:
		snprintf(ret, CLAUSE_MAX, "scope %.80s", t->scopes[i]);
		break;
	case CLAUSE_CLAIM:
		snprintf(ret, CLAUSE_MAX, "claim %.80s", t->claims[i].name);
		break;
	case CLAUSE_WHEN:
		snprintf(ret, CLAUSE_MAX, "when[%zu]", i);
		break;
	case CLAUSE_RISK:
		snprintf(ret, CLAUSE_MAX, "risk");
		break;
	case CLAUSE_STEP_UP:
		snprintf(ret, CLAUSE_MAX, "step_up");
		break;
	case CLAUSE_RELATION:
		snprintf(ret, CLAUSE_MAX, "relation[%zu]", i);
		break;
	}
}

u8 sz_policy_clause_number(const struct sz_conf_route *t, enum clause_kind kind, size_t i)
{
	size_t n = i + 1;

	if (kind > CLAUSE_RISK)
		return SZ_POLICY_CLAUSE_BEYOND;
	if (kind >= CLAUSE_CLAIM)
		n += t->n_scopes;
	if (kind >= CLAUSE_WHEN)
		n += t->n_claims;
	if (kind == CLAUSE_RISK)
		n += t->n_when;
	return n < SZ_POLICY_CLAUSE_BEYOND ? (u8)n : SZ_POLICY_CLAUSE_BEYOND;
}

/* The clause of a number; false: there is none. */
static bool clause_of(const struct sz_conf_route *t, u8 number, enum clause_kind *ret_kind,
		      size_t *ret_i)
{
	size_t i = (number & SZ_POLICY_CLAUSE_MASK) - 1u;

	if (!(number & SZ_POLICY_CLAUSE_MASK) ||
	    (number & SZ_POLICY_CLAUSE_MASK) == SZ_POLICY_CLAUSE_BEYOND)
		return false;
	*ret_kind = CLAUSE_SCOPE;
	if (i >= t->n_scopes) {
		i -= t->n_scopes;
		*ret_kind = CLAUSE_CLAIM;
	}
	if (*ret_kind == CLAUSE_CLAIM && i >= t->n_claims) {
		i -= t->n_claims;
		*ret_kind = CLAUSE_WHEN;
	}
	if (*ret_kind == CLAUSE_WHEN && i >= t->n_when) {
		i -= t->n_when;
		*ret_kind = CLAUSE_RISK;
	}
	*ret_i = i;
	return *ret_kind != CLAUSE_RISK || (!i && t->risk.line);
}

/* What a clause asks for. */
static void clause_text(const struct sz_conf_route *t, enum clause_kind kind, size_t i, char *ret,
			size_t n)
{
	switch (kind) {
	case CLAUSE_SCOPE:
		snprintf(ret, n, "the token must have scope %.*s", SHOWN(t->scopes[i]));
		break;
	case CLAUSE_CLAIM:
		snprintf(ret, n, "the token must have claim %.*s = %.*s",
			 SHOWN(t->claims[i].name), SHOWN(t->claims[i].value));
		break;
	case CLAUSE_WHEN:
		snprintf(ret, n, "the condition on line %u must be true: %.*s", t->when[i].line,
			 SHOWN(t->when[i].text));
		break;
	case CLAUSE_RISK:
		snprintf(ret, n, "the risk must be below %u", t->risk.deny);
		break;
	case CLAUSE_STEP_UP:
		snprintf(ret, n, "the sign-in must be strong or recent enough");
		break;
	case CLAUSE_RELATION:
		snprintf(ret, n, "%.*s must be %.*s of %.*s",
			 SHOWN(t->relations[i].user.text ? t->relations[i].user.text : "the user"),
			 SHOWN(t->relations[i].relation), SHOWN(t->relations[i].object.text));
		break;
	}
}

/* ---- ids ------------------------------------------------------------------------------------ */

static u64 digest_of(const struct sz_policy *p, const void *data, size_t n)
{
	u8 out[SZ_SHA256_LEN];
	u64 id;

	sz_sha256(p ? (const void *)p->digest : "", p ? sizeof(p->digest) : 0, data, n, out);
	memcpy(&id, out, sizeof(id));
	return id;
}

u64 sz_policy_explanation(const struct sz_policy *p, const struct sz_conf_service *svc, u16 route,
			  const char *clause, enum sz_reason reason)
{
	struct sz_buf b = {0};
	u64 id;

	sz_buf_printf(&b, "%s|%s|%s|%d", svc->name,
		      route == SZ_ROUTE_NONE ? "-" : svc->routes[route].name, clause, (int)reason);
	id = digest_of(p, b.data, b.len) & ~1ull;
	sz_buf_done(&b);
	return id ? id : 2;
}

u64 sz_policy_profile(const struct sz_policy *p, const struct sz_conf_service *svc,
		      const struct sz_policy_answer *answer)
{
	struct sz_buf b = {0};
	bool any = false;
	size_t i;
	u64 key;

	for (i = 0; i < svc->n_routes && i < SZ_ROUTES_MAX; i++)
		any |= answer->refused.clause[i] != 0;
	if (!any)
		return 0;
	sz_buf_printf(&b, "profile|%s|", svc->name);
	sz_buf_add(&b, answer->refused.clause, i);
	key = digest_of(p, b.data, b.len) | 1;
	sz_buf_done(&b);
	return key;
}

const char *sz_policy_before(enum sz_reason reason)
{
	switch (reason) {
	case SZ_R_NO_ROUTE:
		return "route";
	case SZ_R_UPGRADE:
	case SZ_R_BAD_REQUEST:
	case SZ_R_HEAD_TOO_LARGE:
	case SZ_R_BAD_EXPECT:
		return "request";
	default:
		return sz_reason_http(reason) == 401 && reason != SZ_R_STEP_UP ? "token" : NULL;
	}
}

u64 sz_policy_explain_before(const struct sz_policy *p, const struct sz_conf_service *svc,
			     enum sz_reason reason)
{
	const char *clause = sz_policy_before(reason);

	return clause ? sz_policy_explanation(p, svc, SZ_ROUTE_NONE, clause, reason) : 0;
}

u64 sz_policy_explain_admitted(const struct sz_policy *p, const struct sz_conf_service *svc,
			       u16 route)
{
	return sz_policy_explanation(p, svc, route, svc->routes[route].public ? "public" : "all",
				     SZ_R_TICKET);
}

/* ---- in words ------------------------------------------------------------------------------- */

static void fill(const struct sz_policy *p, const struct sz_conf_service *svc, u16 route,
		 const char *clause, enum sz_reason reason, struct sz_policy_explained *ret)
{
	ret->svc = svc;
	ret->route = route;
	ret->reason = reason;
	snprintf(ret->clause, sizeof(ret->clause), "%s", clause);
	snprintf(ret->text, sizeof(ret->text), "%s", sz_reason_text(reason));
	ret->id = sz_policy_explanation(p, svc, route, clause, reason);
}

static void fill_clause(const struct sz_policy *p, const struct sz_conf_service *svc, u16 route,
			enum clause_kind kind, size_t i, bool broken,
			struct sz_policy_explained *ret)
{
	static const enum sz_reason reasons[] = {
		[CLAUSE_SCOPE] = SZ_R_NO_SCOPE,   [CLAUSE_CLAIM] = SZ_R_NO_SCOPE,
		[CLAUSE_WHEN] = SZ_R_CONDITION,   [CLAUSE_RISK] = SZ_R_RISK,
		[CLAUSE_STEP_UP] = SZ_R_STEP_UP, [CLAUSE_RELATION] = SZ_R_RELATION,
	};
	char clause[CLAUSE_MAX];

	sz_policy_clause(&svc->routes[route], kind, i, clause);
	fill(p, svc, route, clause, broken ? SZ_R_POLICY_ERROR : reasons[kind], ret);
	clause_text(&svc->routes[route], kind, i, ret->text, sizeof(ret->text));
}

bool sz_policy_explain_token(const struct sz_policy *p, const struct sz_conf_service *svc,
			     u16 route, u8 refused, struct sz_policy_explained *ret)
{
	enum clause_kind kind;
	size_t i;

	if (route >= svc->n_routes || !clause_of(&svc->routes[route], refused, &kind, &i))
		return false;
	fill_clause(p, svc, route, kind, i, refused & SZ_POLICY_CLAUSE_BROKEN, ret);
	return true;
}

/* Calls fn for each clause of a kind, also for one that could not be evaluated. */
static int each_clause(const struct sz_policy *p, const struct sz_conf_service *svc, u16 route,
		       enum clause_kind kind, size_t n,
		       int (*fn)(const struct sz_policy_explained *x, void *arg), void *arg)
{
	struct sz_policy_explained x;
	int broken, r = 0;
	size_t i;

	for (i = 0; i < n && !r; i++)
		for (broken = 0; broken < 2 && !r; broken++) {
			fill_clause(p, svc, route, kind, i, broken, &x);
			r = fn(&x, arg);
		}
	return r;
}

static int each_of_route(const struct sz_policy *p, const struct sz_conf_service *svc, u16 route,
			 int (*fn)(const struct sz_policy_explained *x, void *arg), void *arg)
{
	static const struct {
		const char *clause;
		enum sz_reason reason;
	} others[] = {
		{POLICY_CLAUSE_MEMORY, SZ_R_POLICY_ERROR},
		{POLICY_CLAUSE_UNKNOWN, SZ_R_POLICY_ERROR},
		{SZ_POLICY_CLAUSE_DPOP, SZ_R_DPOP_BINDING},
		{SZ_POLICY_CLAUSE_PATH, SZ_R_NO_ROUTE},
	};
	const struct sz_conf_route *t = &svc->routes[route];
	struct sz_policy_explained x;
	size_t i;
	int r;

	fill(p, svc, route, t->public ? "public" : "all", SZ_R_TICKET, &x);
	snprintf(x.text, sizeof(x.text), t->public ? "the route is public"
						   : "the route has all that it asks for");
	r = fn(&x, arg);
	if (!r)
		r = each_clause(p, svc, route, CLAUSE_SCOPE, t->n_scopes, fn, arg);
	if (!r)
		r = each_clause(p, svc, route, CLAUSE_CLAIM, t->n_claims, fn, arg);
	if (!r)
		r = each_clause(p, svc, route, CLAUSE_WHEN, t->n_when, fn, arg);
	if (!r)
		r = each_clause(p, svc, route, CLAUSE_RISK, t->risk.line != 0, fn, arg);
	if (!r)
		r = each_clause(p, svc, route, CLAUSE_STEP_UP, t->step_up.on, fn, arg);
	if (!r)
		r = each_clause(p, svc, route, CLAUSE_RELATION, t->n_relations, fn, arg);
	for (i = 0; i < SZ_ARRAY_LEN(others) && !r; i++) {
		fill(p, svc, route, others[i].clause, others[i].reason, &x);
		r = fn(&x, arg);
	}
	return r;
}

int sz_policy_explain_all(const struct sz_policy *p, const struct sz_conf *c,
			  int (*fn)(const struct sz_policy_explained *x, void *arg), void *arg)
{
	struct sz_policy_explained x;
	size_t s, i;
	int r = 0;

	for (s = 0; s < c->n_services && !r; s++) {
		for (i = 1; i < SZ_REASON_MAX && !r; i++) {
			const char *clause = sz_policy_before((enum sz_reason)i);

			if (!clause)
				continue;
			fill(p, &c->services[s], SZ_ROUTE_NONE, clause, (enum sz_reason)i, &x);
			r = fn(&x, arg);
		}
		for (i = 0; i < c->services[s].n_routes && !r; i++)
			r = each_of_route(p, &c->services[s], (u16)i, fn, arg);
	}
	return r;
}

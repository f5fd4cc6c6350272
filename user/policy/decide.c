/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The decision: for a token with the request unknown, and for one request with the reason in words.
 * Called by the verifier and by explain. Whatever is not granted by a route is refused; both
 * functions judge a route by the same satisfied().
 */
#include <string.h>

#include "policy/policy_priv.h"

#include "subzero/rule.h"

#define SHOWN_MAX 120 /* bytes of any one name or list in a message */

/* Where the claims fall short of a route: the first scope or claim, or neither. */
struct shortfall {
	const char *scope;
	const struct sz_conf_claim *claim;
};

static bool satisfied(const struct sz_conf_route *t, const json_t *claims, struct shortfall *ret)
{
	*ret = (struct shortfall){0};
	for (size_t i = 0; i < t->n_scopes; i++)
		if (SZ_RULE(SCOPES) && !sz_policy_has_scope(claims, t->scopes[i])) {
			ret->scope = t->scopes[i];
			return false;
		}
	for (size_t i = 0; i < t->n_claims; i++)
		if (SZ_RULE(CLAIMS) && !sz_policy_has_claim(claims, &t->claims[i])) {
			ret->claim = &t->claims[i];
			return false;
		}
	return true;
}

void sz_policy_for_token(const struct sz_conf_service *svc, const json_t *claims,
			 struct sz_policy_answer *ret)
{
	struct shortfall gap;

	*ret = (struct sz_policy_answer){0};
	for (size_t i = 0; i < svc->n_routes && i < SZ_ROUTES_MAX; i++) {
		const struct sz_conf_route *t = &svc->routes[i];
		u64 bit = 1ull << (i % 64);

		if (!t->public && !satisfied(t, claims, &gap))
			continue;
		ret->allow[i / 64] |= bit;
		if (t->each)
			ret->ask[i / 64] |= bit;
	}
}

/* Bytes of s to show: at most SHOWN_MAX, and no part of a UTF-8 character. */
static int shown(const char *s, size_t n)
{
	if (n <= SHOWN_MAX)
		return (int)n;
	n = SHOWN_MAX;
	while (n && ((u8)s[n] & 0xc0) == 0x80)
		n--;
	return (int)n;
}

static void explain_no_route(const struct sz_conf_service *svc, const struct sz_policy_request *req,
			     struct sz_error *why)
{
	struct sz_policy_request other = *req;
	int len = shown(req->path, req->path_len);
	u16 id;

	for (u32 m = 0; m < SZ_METHOD_COUNT; m++) {
		other.method = (enum sz_method)m;
		id = sz_policy_route(svc, &other);
		if (id == SZ_ROUTE_NONE)
			continue;
		sz_error_set(why, 0,
			     "route \"%.*s\" covers the path %.*s, but no route covers it "
			     "for method %s",
			     shown(svc->routes[id].name, strlen(svc->routes[id].name)),
			     svc->routes[id].name, len, req->path, sz_method_name(req->method));
		return;
	}
	sz_error_set(why, 0, "no route of service \"%s\" covers the path %.*s", svc->name, len,
		     req->path);
}

/* "the token has orders:list", from whichever claims hold scopes. */
static void add_scopes(struct sz_buf *b, const json_t *claims)
{
	const json_t *list = json_object_get(claims, "scope"),
		     *scp = json_object_get(claims, "scp");

	if (json_is_string(list))
		sz_buf_printf(b, "%s", json_string_value(list));
	if (json_is_string(scp))
		sz_buf_printf(b, "%s%s", b->len ? " " : "", json_string_value(scp));
	for (size_t i = 0; i < json_array_size(scp) && b->len <= SHOWN_MAX; i++)
		if (json_is_string(json_array_get(scp, i)))
			sz_buf_printf(b, "%s%s", b->len ? " " : "",
				      json_string_value(json_array_get(scp, i)));
}

static void explain_shortfall(const struct sz_conf_route *t, const json_t *claims,
			      const struct shortfall *gap, struct sz_error *why)
{
	int name = shown(t->name, strlen(t->name));
	struct sz_buf has = {0};
	const json_t *v;
	char *text;

	if (gap->scope) {
		add_scopes(&has, claims);
		if (!has.len)
			sz_buf_printf(&has, "no scopes");
		sz_error_set(why, 0, "route \"%.*s\" needs scope %.*s; the token has %.*s", name,
			     t->name, shown(gap->scope, strlen(gap->scope)), gap->scope,
			     shown(has.data, has.len), has.data);
		sz_buf_done(&has);
		return;
	}
	if (!gap->claim)
		return;
	v = sz_policy_claim(claims, gap->claim->name);
	text = v ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
	sz_buf_printf(&has, "%s", text ? text : "no such claim");
	sz_error_set(why, 0, "route \"%.*s\" needs claim %.*s = %.*s; the token has %.*s", name,
		     t->name, shown(gap->claim->name, strlen(gap->claim->name)), gap->claim->name,
		     shown(gap->claim->value, strlen(gap->claim->value)), gap->claim->value,
		     shown(has.data, has.len), has.data);
	free(text);
	sz_buf_done(&has);
}

/* What the token was asked for and has: "scopes a b, claim department = ops". */
static void explain_allowed(const struct sz_conf_route *t, struct sz_error *why)
{
	struct sz_buf b = {0};
	size_t i;

	for (i = 0; i < t->n_scopes; i++)
		sz_buf_printf(&b, "%s%s",
			      i                 ? " "
			      : t->n_scopes > 1 ? "scopes "
						: "scope ",
			      t->scopes[i]);
	for (i = 0; i < t->n_claims; i++)
		sz_buf_printf(&b, "%sclaim %s = %s", b.len ? ", " : "", t->claims[i].name,
			      t->claims[i].value);
	if (b.len)
		sz_error_set(why, 0, "route \"%.*s\" needs %.*s; the token has all of it",
			     shown(t->name, strlen(t->name)), t->name, shown(b.data, b.len),
			     b.data);
	else
		sz_error_set(why, 0, "route \"%.*s\" takes any valid token",
			     shown(t->name, strlen(t->name)), t->name);
	sz_buf_done(&b);
}

enum sz_reason sz_policy_decide(const struct sz_conf_service *svc, const json_t *claims,
				const struct sz_policy_request *req, u16 *ret_route,
				struct sz_error *why)
{
	u16 id = sz_policy_route(svc, req);
	const struct sz_conf_route *t;
	struct shortfall gap;

	*ret_route = id;
	if (id == SZ_ROUTE_NONE) {
		if (why)
			explain_no_route(svc, req, why);
		/* As in the kernel: without a token nobody learns which routes exist. */
		return claims ? SZ_R_NO_ROUTE : SZ_R_NO_TOKEN;
	}
	t = &svc->routes[id];
	if (t->public) {
		sz_error_set(why, 0, "route \"%.*s\" is public", shown(t->name, strlen(t->name)),
			     t->name);
		return SZ_R_TICKET;
	}
	if (!claims) {
		sz_error_set(why, 0, "route \"%.*s\" needs a token; none was sent",
			     shown(t->name, strlen(t->name)), t->name);
		return SZ_R_NO_TOKEN;
	}
	if (!satisfied(t, claims, &gap)) {
		if (why)
			explain_shortfall(t, claims, &gap, why);
		return SZ_R_NO_SCOPE;
	}
	if (why)
		explain_allowed(t, why);
	return SZ_R_TICKET;
}

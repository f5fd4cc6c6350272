/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which route covers a request, and the same answer as nodes of the kernel's LPM trie. Called by
 * the verifier, by explain, and when a snapshot is installed. The two must never differ. The kernel
 * knows no variables: a node is the part of a path before the first one, and where the rest of the
 * path would choose between routes it says so (SZ_RT_VARS) instead of a route.
 */
#include <string.h>

#include "policy/policy_priv.h"

#include "subzero/rule.h"

/*
 * A variable stands for one segment that is not empty. Returns the bytes of the path that the
 * template takes, or -1.
 */
static ssize_t match(const char *t, const char *path, size_t n)
{
	size_t at = 0, k;

	while (*t) {
		if (*t == '{') {
			const char *slash = memchr(path + at, '/', n - at);

			k = slash ? (size_t)(slash - path) - at : n - at;
			if (!k)
				return -1;
			at += k;
			t += strcspn(t, "}") + 1;
		} else {
			if (at == n || path[at] != *t)
				return -1;
			at++;
			t++;
		}
	}
	return (ssize_t)at;
}

/* By whole segments: "/a" covers "/a" and "/a/b", not "/ab"; "/a/" does not cover "/a". */
static bool covers(const char *t, const struct sz_policy_request *req)
{
	ssize_t n = match(t, req->path, req->path_len);

	if (n < 0)
		return false;
	return !SZ_RULE(ROUTE_SEGMENT) || (size_t)n == req->path_len || req->path[n - 1] == '/' ||
	       req->path[n] == '/';
}

/*
 * Is x more specific than y, where both cover a path? Where they part, a name beats a variable, and
 * what goes on beats what ends: of plain prefixes, the longer one.
 */
static bool beats(const char *x, const char *y)
{
	for (;; x++, y++) {
		if (*x == '{' && *y == '{') {
			x += strcspn(x, "}");
			y += strcspn(y, "}");
			continue;
		}
		if (!*x || !*y)
			return *x;
		if (*x == '{' || *y == '{')
			return *y == '{';
	}
}

u16 sz_policy_route(const struct sz_conf_service *svc, const struct sz_policy_request *req)
{
	u16 best = SZ_ROUTE_NONE;
	size_t i;

	for (i = 0; i < svc->n_routes; i++) {
		const struct sz_conf_route *t = &svc->routes[i];

		if (!(t->methods & 1u << req->method) || !covers(t->path, req))
			continue;
		if (best == SZ_ROUTE_NONE || beats(t->path, svc->routes[best].path))
			best = (u16)i;
	}
	return best;
}

size_t sz_policy_vars(const struct sz_conf_route *t, const char *path, size_t n,
		      struct sz_policy_var ret[SZ_CONF_VARS_MAX])
{
	const char *s = t->path;
	size_t at = 0, count = 0;

	while (*s && count < SZ_CONF_VARS_MAX) {
		const char *slash;

		if (*s++ != '{') {
			at++;
			continue;
		}
		slash = at < n ? memchr(path + at, '/', n - at) : NULL;
		ret[count].name = s;
		ret[count].name_len = strcspn(s, "}");
		ret[count].value = path + at;
		ret[count].value_len = slash ? (size_t)(slash - path) - at : n - at;
		at += ret[count].value_len;
		s += ret[count++].name_len + 1;
	}
	return count;
}

/* ---- nodes ---------------------------------------------------------------------------------- */

enum reach {
	REACH_NONE, /* no path below the prefix */
	REACH_SOME, /* some of them: only the whole path tells */
	REACH_ALL,
};

/* Which paths below a prefix does a route cover? What nodes of their own decide is left out. */
static enum reach reach(const char *t, const char *prefix, size_t n)
{
	bool variable = false;
	size_t at = 0;

	for (;;) {
		if (!*t) /* ends within the prefix, or with it */
			return at == n || prefix[at] == '/' || prefix[at - 1] == '/' ? REACH_ALL
										     : REACH_NONE;
		if (*t == '{') {
			const char *rest = t + strcspn(t, "}") + 1;

			if (at == n)
				/* The prefix itself has no exact node where it is as long as
				 * a key. */
				return *rest || n == SZ_PATH_MAX ? REACH_SOME : REACH_ALL;
			at = (size_t)((const char *)memchr(prefix + at, '/', n - at) - prefix);
			t = rest;
			variable = true;
			continue;
		}
		/* Longer than the prefix: without a variable before, it has a node of its own. */
		if (at == n)
			return variable ? REACH_SOME : REACH_NONE;
		if (*t++ != prefix[at++])
			return REACH_NONE;
	}
}

static u16 flags_of(const struct sz_conf_route *t)
{
	return (u16)((t->public ? SZ_RT_PUBLIC : 0) | (t->each ? SZ_RT_ASK : 0));
}

/* What is said about a method and every path below a prefix. */
static void fill_below(const struct sz_conf_service *svc, const char *prefix, size_t n, u32 method,
		       struct sz_route_node *ret)
{
	const struct sz_conf_route *best = NULL, *t;
	bool some = false, public = false;
	size_t i;

	for (i = 0; i < svc->n_routes; i++) {
		t = &svc->routes[i];
		if ((t->methods & 1u << method) && reach(t->path, prefix, n) == REACH_ALL &&
		    (!best || beats(t->path, best->path)))
			best = t;
	}
	public = best && best->public;
	for (i = 0; i < svc->n_routes; i++) {
		t = &svc->routes[i];
		if (!(t->methods & 1u << method) || reach(t->path, prefix, n) != REACH_SOME ||
		    (best && !beats(t->path, best->path)))
			continue;
		some = true;
		public |= t->public;
	}
	if (some) {
		ret->route[method] = SZ_ROUTE_NONE;
		ret->flags[method] = public ? SZ_RT_PUBLIC | SZ_RT_ASK : SZ_RT_VARS;
		return;
	}
	ret->route[method] = best ? (u16)(best - svc->routes) : SZ_ROUTE_NONE;
	ret->flags[method] = best ? flags_of(best) : 0;
}

static void fill_exact(const struct sz_conf_service *svc, const struct sz_policy_request *req,
		       struct sz_route_node *ret)
{
	u16 id = sz_policy_route(svc, req);

	ret->route[req->method] = id;
	ret->flags[req->method] = id == SZ_ROUTE_NONE ? 0 : flags_of(&svc->routes[id]);
}

/* Fills the node from what the service says about the paths that its key stands for. */
static void fill_node(const struct sz_conf_service *svc, struct sz_policy_node *n)
{
	size_t len = (n->key.prefixlen - 32) / 8;
	const char *path = (const char *)n->key.path;
	struct sz_policy_request req = {.path = path, .path_len = len - 1};

	for (u32 m = 0; m < SZ_METHOD_COUNT; m++) {
		req.method = (enum sz_method)m;
		if (path[len - 1])
			fill_below(svc, path, len, m, &n->node);
		else
			fill_exact(svc, &req, &n->node);
	}
}

/* `last`: the byte that follows the path in the key. */
static void set_key(struct sz_policy_node *n, u32 service, const char *path, size_t len, u8 last)
{
	n->key.service = service;
	memcpy(n->key.path, path, len);
	n->key.path[len] = last;
	n->key.prefixlen = (u32)(32 + 8 * (len + 1));
}

static int compare_nodes(const void *a, const void *b)
{
	const struct sz_policy_node *x = a, *y = b;

	if (x->key.prefixlen != y->key.prefixlen)
		return x->key.prefixlen < y->key.prefixlen ? -1 : 1;
	return memcmp(x->key.path, y->key.path, sizeof(x->key.path));
}

static bool has_variables(const struct sz_conf_service *svc)
{
	for (size_t i = 0; i < svc->n_routes; i++)
		if (strchr(svc->routes[i].path, '{'))
			return true;
	return false;
}

struct sz_policy_node *sz_policy_compile(const struct sz_conf_service *svc, size_t *ret_n)
{
	struct sz_policy_node *nodes = sz_calloc(3 * svc->n_routes, sizeof(*nodes));
	bool exact = has_variables(svc);
	size_t n = 0, kept = 0, i;

	for (i = 0; i < svc->n_routes; i++) {
		const char *path = svc->routes[i].path;
		size_t len = strcspn(path, "{");

		if (path[len - 1] != '/') {
			set_key(&nodes[n++], svc->id, path, len, 0);
			set_key(&nodes[n++], svc->id, path, len, '/');
			len++;
		} else {
			set_key(&nodes[n++], svc->id, path, len - 1, '/');
		}
		/* A variable is never empty, so "/a/" itself may be covered by another route. */
		if (exact && nodes[n - 1].key.prefixlen < 32 + 8 * SZ_PATH_MAX) {
			nodes[n] = nodes[n - 1];
			nodes[n++].key.prefixlen += 8;
		}
	}
	qsort(nodes, n, sizeof(*nodes), compare_nodes);
	for (i = 0; i < n; i++) {
		/* "/a" and "/a/" share a node, and so do two routes of one path */
		if (i && !compare_nodes(&nodes[i], &nodes[kept - 1]))
			continue;
		nodes[kept] = nodes[i];
		fill_node(svc, &nodes[kept++]);
	}
	*ret_n = kept;
	return nodes;
}

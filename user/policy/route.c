/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which route covers a request, and the same answer as nodes of the kernel's LPM trie. Called by
 * the verifier, by explain, and when a snapshot is installed. The two must never differ: a node is
 * filled by asking sz_policy_route() about the shortest path it stands for.
 */
#include <string.h>

#include "policy/policy.h"

#include "subzero/rule.h"

/* By whole segments: "/a" covers "/a" and "/a/b", not "/ab"; "/a/" does not cover "/a". */
static bool covers(const char *prefix, size_t len, const struct sz_policy_request *req)
{
	if (len > req->path_len || memcmp(prefix, req->path, len))
		return false;
	return !SZ_RULE(ROUTE_SEGMENT) || len == req->path_len || prefix[len - 1] == '/' ||
	       req->path[len] == '/';
}

u16 sz_policy_route(const struct sz_conf_service *svc, const struct sz_policy_request *req)
{
	u16 best = SZ_ROUTE_NONE;
	size_t longest = 0, i;

	for (i = 0; i < svc->n_routes; i++) {
		const struct sz_conf_route *t = &svc->routes[i];
		size_t len = strlen(t->path);

		if (len > longest && (t->methods & 1u << req->method) &&
		    covers(t->path, len, req)) {
			longest = len;
			best = (u16)i;
		}
	}
	return best;
}

/* Fills the node from what the service says about the path that its key spells. */
static void fill_node(const struct sz_conf_service *svc, struct sz_policy_node *n)
{
	size_t len = (n->key.prefixlen - 32) / 8;
	struct sz_policy_request req = {.path = (const char *)n->key.path};

	req.path_len = n->key.path[len - 1] ? len : len - 1;
	for (u32 m = 0; m < SZ_METHOD_COUNT; m++) {
		const struct sz_conf_route *t;

		req.method = (enum sz_method)m;
		n->node.route[m] = sz_policy_route(svc, &req);
		if (n->node.route[m] == SZ_ROUTE_NONE)
			continue;
		t = &svc->routes[n->node.route[m]];
		n->node.flags[m] =
			(u16)((t->public ? SZ_RT_PUBLIC : 0) | (t->each ? SZ_RT_ASK : 0));
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

struct sz_policy_node *sz_policy_compile(const struct sz_conf_service *svc, size_t *ret_n)
{
	struct sz_policy_node *nodes = sz_calloc(2 * svc->n_routes, sizeof(*nodes));
	size_t n = 0, kept = 0, i;

	for (i = 0; i < svc->n_routes; i++) {
		const char *path = svc->routes[i].path;
		size_t len = strlen(path);

		if (path[len - 1] == '/') {
			set_key(&nodes[n++], svc->id, path, len - 1, '/');
			continue;
		}
		set_key(&nodes[n++], svc->id, path, len, 0);
		set_key(&nodes[n++], svc->id, path, len, '/');
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

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The configuration reader on arbitrary bytes. What it accepts must keep the promises that the rest
 * of the daemon builds on, and must compile to nodes that fit the kernel's keys; what it refuses
 * must say where.
 */
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t n);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void check_service(const struct sz_conf_service *s)
{
	struct sz_policy_node *nodes;
	size_t n;

	must(s->name && s->n_endpoints && s->n_routes && s->n_routes <= SZ_ROUTES_MAX);
	for (size_t i = 0; i < s->n_routes; i++) {
		const struct sz_conf_route *t = &s->routes[i];
		struct sz_policy_request req = {.path = t->path, .path_len = strlen(t->path)};

		must(t->path[0] == '/' && req.path_len < SZ_PATH_MAX && t->methods);
		must(!t->public || (!t->n_scopes && !t->n_claims));
		req.method = (enum sz_method)__builtin_ctz(t->methods);
		must(sz_policy_route(s, &req) == i);
	}
	nodes = sz_policy_compile(s, &n);
	must(n && n <= 2 * s->n_routes);
	for (size_t i = 0; i < n; i++)
		must(nodes[i].key.prefixlen > 32 && nodes[i].key.prefixlen <= 32 + 8 * SZ_PATH_MAX);
	free(nodes);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
	struct sz_error e = {0};
	struct sz_conf *c = sz_conf_parse((const char *)data, n, "fuzz.yaml", &e);

	if (!c) {
		must(!strncmp(e.msg, "fuzz.yaml:", 10));
		return 0;
	}
	must(c->n_interfaces && c->n_services && c->workers && c->heartbeat_ttl_ms);
	must(c->pin_dir[0] == '/' && c->state_dir[0] == '/' && c->audit.dir[0] == '/');
	for (size_t i = 0; i < c->n_issuers; i++)
		must(c->issuers[i].algs && c->issuers[i].n_audiences &&
		     c->issuers[i].jwks[0] == '/');
	for (size_t i = 0; i < c->n_services; i++)
		check_service(&c->services[i]);
	sz_conf_free(c);
	return 0;
}

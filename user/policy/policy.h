/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The policy engine: claims in, one answer per route out. Pure: no I/O, no clock, no globals.
 * This is the one seam for a fuller language: whatever decides must fill struct sz_policy_answer
 * for a token (the request unknown), and decide one request for routes it answered with "ask".
 */
#ifndef SZ_POLICY_POLICY_H
#define SZ_POLICY_POLICY_H

#include <jansson.h>

#include "config/config.h"
#include "core/core.h"

struct sz_policy_answer {
	u64 allow[SZ_ROUTE_WORDS];
	u64 ask[SZ_ROUTE_WORDS]; /* the daemon decides each request; set only with allow possible */
};

/* Partial evaluation: every route of the service for a verified token's claims. */
void sz_policy_for_token(const struct sz_conf_service *svc, const json_t *claims,
			 struct sz_policy_answer *ret);

/* A request as the policy sees it. */
struct sz_policy_request {
	enum sz_method method;
	const char *path; /* canonical, without query */
	size_t path_len;
};

/* Route that covers a request: the longest prefix whose methods include it; SZ_ROUTE_NONE. */
u16 sz_policy_route(const struct sz_conf_service *svc, const struct sz_policy_request *req);

/*
 * One request in full. claims NULL: no token. Returns SZ_R_TICKET when allowed, else NO_ROUTE,
 * NO_TOKEN or NO_SCOPE; *ret_route is the route looked at. `why` (may be NULL) says in words which
 * condition decided, for explain and the audit record.
 */
enum sz_reason sz_policy_decide(const struct sz_conf_service *svc, const json_t *claims,
				const struct sz_policy_request *req, u16 *ret_route,
				struct sz_error *why);

/* The same routes as nodes of the kernel's LPM trie (see struct sz_route_key). */
struct sz_policy_node {
	struct sz_route_key key;
	struct sz_route_node node;
};
/* Returns a heap array of *ret_n nodes, longest prefixes last. */
struct sz_policy_node *sz_policy_compile(const struct sz_conf_service *svc, size_t *ret_n);

#endif

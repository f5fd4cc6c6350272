/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The policy engine: claims in, one answer per route out, and one request in full. Conditions are
 * compiled once from the configuration (struct sz_policy, immutable, shared by threads). Pure but
 * for the files of time zones: the time comes from the caller, and relationships through a
 * callback.
 *
 * The same judge decides in three states of knowledge: with the token alone, with the request line,
 * and with everything. What is known less never says more than "ask": an answer that is given early
 * is the one that would be given late, until the instant and within the prefix that stand beside
 * it.
 */
#ifndef SZ_POLICY_POLICY_H
#define SZ_POLICY_POLICY_H

#include <jansson.h>

#include "config/config.h"
#include "core/core.h"

#define SZ_POLICY_FOREVER INT64_MAX
#define SZ_POLICY_STEPS   100000u  /* of one condition */
#define SZ_POLICY_BYTES   (1u << 20) /* of all conditions of one request */

struct sz_policy;

/* A question about a relationship. */
struct sz_policy_question {
	const char *user, *relation, *object;
	const json_t *context; /* NULL: none */
};

/* 0 with *ret, or -errno with *e: the request is refused then. Called by any thread. */
typedef int (*sz_policy_relation_fn)(void *arg, const struct sz_policy_question *q, bool *ret,
				     struct sz_error *e);

/*
 * Compiles every condition of the configuration and reads its tables. -errno with *e filled as
 * "FILE:LINE:COLUMN: ...". The configuration must stay.
 */
int sz_policy_new(const struct sz_conf *c, struct sz_policy **ret, struct sz_error *e);
/* The same with tables of the caller's instead of the files: {"NAME": {"KEY": VALUE}}. */
int sz_policy_new_tables(const struct sz_conf *c, const json_t *tables, struct sz_policy **ret,
			 struct sz_error *e);
void sz_policy_free(struct sz_policy *p); /* NULL is fine */
/* Of all that decides: routes, conditions, tables. */
void sz_policy_digest(const struct sz_policy *p, u8 ret[32]); /* NULL: zero */
/* Who answers questions about relationships; without, they are all refused. */
void sz_policy_relations(struct sz_policy *p, sz_policy_relation_fn fn, void *arg);

/* A verified token. */
struct sz_policy_subject {
	const json_t *claims;
	const char *issuer, *subject, *jti, *kid, *alg; /* NULL where absent */
	s64 issued_s, expires_s;                        /* 0 where absent */
};

/* Here and now. */
struct sz_policy_moment {
	s64 now_ns; /* wall clock, since 1970 */
	struct sz_addr source;
	const json_t *location; /* an object, instead of what the databases say; or NULL */
};

struct sz_policy_answer {
	u64 allow[SZ_ROUTE_WORDS];
	/* The daemon decides each request. With allow: only those from another source. */
	u64 ask[SZ_ROUTE_WORDS];
	s64 until_ns;           /* what is said here holds before this instant */
	u32 source_bits;        /* of the source that "allow and ask" is about; 0: there is none */
	struct sz_profile refused; /* by route: SZ_POLICY_CLAUSE_* and the clause's number */
};

/*
 * A clause of a route as a number: its scopes from 1 on, its claims behind them, then its
 * conditions, then risk. What lies beyond 126 has no number.
 */
#define SZ_POLICY_CLAUSE_MASK   0x7fu
#define SZ_POLICY_CLAUSE_BEYOND 0x7fu
#define SZ_POLICY_CLAUSE_BROKEN 0x80u /* it could not be evaluated */

/*
 * Partial evaluation: every route of the service for a verified token, the request unknown. p may
 * be NULL for a service without conditions.
 */
void sz_policy_for_token(const struct sz_policy *p, const struct sz_conf_service *svc,
			 const struct sz_policy_subject *who, const struct sz_policy_moment *at,
			 struct sz_policy_answer *ret);

/* The key of answer->refused in sz_profiles; 0: no route is refused. */
u64 sz_policy_profile(const struct sz_policy *p, const struct sz_conf_service *svc,
		      const struct sz_policy_answer *answer);

/* When the verifier is busy: the priority of the first of the configuration's that fits. */
enum sz_priority sz_policy_priority(const struct sz_conf *c, const struct sz_policy_subject *who);

/* A request as the policy sees it. */
struct sz_policy_request {
	enum sz_method method;
	const char *path; /* canonical, without query */
	size_t path_len;
	const char *query; /* behind the '?'; NULL: none */
	size_t query_len;
	const char *head; /* from the request line to the empty line; NULL: no header fields */
	size_t head_len;
};

/* Route that covers a request: the most specific whose methods include it; SZ_ROUTE_NONE. */
u16 sz_policy_route(const struct sz_conf_service *svc, const struct sz_policy_request *req);

struct sz_policy_ruling {
	enum sz_reason reason; /* SZ_R_TICKET when allowed */
	u16 route;             /* the route looked at */
	u16 challenge;         /* of SZ_R_STEP_UP: which of the answers, from 1 */
	bool lasting;          /* the same for each request with this token and request line, */
	bool relation;         /* as long as no relationship has changed, */
	s64 until_ns;          /* before this instant, */
	u32 source_bits;       /* and from sources that share so many bits */
	u64 id;                /* of the explanation: same policy, route and clause, same id */
	char clause[96];       /* that decided: "when[0]", "scope read", "all" */
	struct sz_error why;   /* the same in words */
	struct sz_error otherwise; /* what would have to be true for the other answer; may be "" */
};

/*
 * One request in full. who NULL: no token. p may be NULL for a service without conditions. Reasons:
 * TICKET, NO_ROUTE, NO_TOKEN, NO_SCOPE, STEP_UP, CONDITION, RELATION, RISK, POLICY_ERROR.
 */
void sz_policy_decide(const struct sz_policy *p, const struct sz_conf_service *svc,
		      const struct sz_policy_subject *who, const struct sz_policy_request *req,
		      const struct sz_policy_moment *at, struct sz_policy_ruling *ret);

/* ---- explanations --------------------------------------------------------------------------- */

/*
 * An explanation's id is made of the policy, service, route, clause and verdict: the same for the
 * kernel's refusals, the daemon's and `explain`. It is never 0, and even (see sz_profile in abi.h).
 */
struct sz_policy_explained {
	u64 id;
	const struct sz_conf_service *svc;
	u16 route;         /* or SZ_ROUTE_NONE */
	enum sz_reason reason;
	char clause[96];   /* as in sz_policy_ruling */
	char text[320];    /* what it asks for, in words */
};
/* Clauses that no line of the file is: found by whoever makes the ruling whole. */
#define SZ_POLICY_CLAUSE_DPOP "dpop" /* the route needs a token that is bound to a key */
#define SZ_POLICY_CLAUSE_PATH "path" /* as sent it falls under another route */
u64 sz_policy_explanation(const struct sz_policy *p, const struct sz_conf_service *svc, u16 route,
			  const char *clause, enum sz_reason reason);

/* Of what the token alone refuses, by answer->refused; false: that clause has no number. */
bool sz_policy_explain_token(const struct sz_policy *p, const struct sz_conf_service *svc,
			     u16 route, u8 refused, struct sz_policy_explained *ret);
/* Of what is decided before any route's clauses: no token, a bad one, no route, a bad head. */
u64 sz_policy_explain_before(const struct sz_policy *p, const struct sz_conf_service *svc,
			     enum sz_reason reason);
/* Of a request that a grant, or a public route, admits. */
u64 sz_policy_explain_admitted(const struct sz_policy *p, const struct sz_conf_service *svc,
			       u16 route);
/* Everything that this policy can say, until fn returns other than 0; returns that. */
int sz_policy_explain_all(const struct sz_policy *p, const struct sz_conf *c,
			  int (*fn)(const struct sz_policy_explained *x, void *arg), void *arg);

/* The challenge with this number (from 1): what its answer says beside the reason; or NULL. */
const char *sz_policy_challenge(const struct sz_policy *p, u32 n);

/*
 * Where the source is, in words: "country DE, city Berlin (of 10.0.0.0/8)". Adds nothing where
 * there are no databases.
 */
void sz_policy_place(const struct sz_policy *p, const struct sz_addr *source, struct sz_buf *ret);

/* What a route's conditions look at. */
#define SZ_POLICY_NEEDS_LINE     0x1u /* of the request: method, path, query */
#define SZ_POLICY_NEEDS_HEADERS  0x2u
#define SZ_POLICY_NEEDS_SOURCE   0x4u
#define SZ_POLICY_NEEDS_TIME     0x8u
#define SZ_POLICY_NEEDS_RELATION 0x10u
u32 sz_policy_needs(const struct sz_policy *p, const struct sz_conf_service *svc, u16 route);

/* The same routes as nodes of the kernel's LPM trie (see struct sz_route_key). */
struct sz_policy_node {
	struct sz_route_key key;
	struct sz_route_node node;
};
/* Returns a heap array of *ret_n nodes, longest prefixes last. */
struct sz_policy_node *sz_policy_compile(const struct sz_conf_service *svc, size_t *ret_n);

#endif

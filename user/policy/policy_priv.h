/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared inside the policy room: the compiled policy, one judgement, and what the claims of a
 * verified token say.
 */
#ifndef SZ_POLICY_POLICY_PRIV_H
#define SZ_POLICY_POLICY_PRIV_H

#include <pthread.h>

#include "cel/cel.h"
#include "geo/geo.h"
#include "policy/policy.h"

/* ---- claims.c ------------------------------------------------------------------------------- */

/* In "scope", a space-separated string, or "scp", such a string or an array. */
bool sz_policy_has_scope(const json_t *claims, const char *scope);
/*
 * The claim of that name; dots descend into objects where no member has the whole name. NULL where
 * there is none.
 */
const json_t *sz_policy_claim(const json_t *claims, const char *name);
/* Equality as text, or by JSON value for numbers and booleans; membership for arrays. */
bool sz_policy_has_claim(const json_t *claims, const struct sz_conf_claim *want);

/* ---- route.c -------------------------------------------------------------------------------- */

struct sz_policy_var {
	const char *name, *value; /* neither is terminated */
	size_t name_len, value_len;
};
/* What the path's variables stand for; returns their number. The route must cover the path. */
size_t sz_policy_vars(const struct sz_conf_route *t, const char *path, size_t n,
		      struct sz_policy_var ret[SZ_CONF_VARS_MAX]);

/* ---- compiled: compile.c, template.c, tables.c, location.c, zones.c ------------------------- */

/* Variables of conditions, by slot. */
enum slot {
	SLOT_CLAIMS,
	SLOT_PRINCIPAL,
	SLOT_ISSUER,
	SLOT_SUBJECT,
	SLOT_ID,
	SLOT_KEY,
	SLOT_ALG,
	SLOT_ISSUED,
	SLOT_EXPIRES,
	SLOT_ATTRIBUTES,
	SLOT_METHOD,
	SLOT_PATH,
	SLOT_VARS,
	SLOT_QUERY,
	SLOT_HEADERS,
	SLOT_SOURCE,
	SLOT_LOCATION,
	SLOT_TIME,
	SLOTS,
};

/* "document:{id}": text and holes in turn. */
struct part {
	char *text;                     /* NULL: a hole */
	struct sz_cel_program *program; /* of a hole */
};
struct template {
	struct part *parts;
	size_t n;
};

struct relation {
	struct template object, user;
	struct sz_cel_program *context; /* NULL: none */
};

struct compiled_route {
	struct sz_cel_program **when;
	struct relation *relations;
	u16 challenge; /* 0: it has no step-up */
};

struct compiled_service {
	u32 id;
	struct compiled_route *routes;
};

struct zone;
struct zones {
	pthread_mutex_t lock;
	struct zone *list;
};

#define CHALLENGES_MAX SZ_CHALLENGES_MAX

struct sz_policy {
	const struct sz_conf *conf;
	struct compiled_service *services; /* as in conf */
	struct sz_cel_program **signals;   /* likewise */
	char *challenges[CHALLENGES_MAX];
	u32 n_challenges;
	struct sz_cel_arena arena; /* of the tables */
	json_t *tables;            /* what their values point into */
	struct sz_cel_value attributes;
	struct sz_geo *locations[SZ_CONF_LOCATIONS_MAX];
	u32 n_locations;
	struct zones zones;
	u8 digest[32]; /* of all that decides */
	sz_policy_relation_fn relation;
	void *relation_arg;
};

/* A hole that is one of the route's variables stands for request.vars.NAME. */
int sz_policy_template(const struct sz_cel_env *env, const struct sz_conf_route *t,
		       const struct sz_conf_cel *text, struct template *ret, struct sz_error *e);
void sz_policy_template_done(struct template *t);
int sz_policy_program(const struct sz_cel_env *env, const struct sz_conf_cel *c, const char *what,
		      const char *type, struct sz_cel_program **ret, struct sz_error *e);
/* At `offset` bytes into the text of c. */
int sz_policy_fail(const struct sz_conf_cel *c, size_t offset, struct sz_error *e, const char *fmt,
		   ...) SZ_PRINTF(4, 5);
/* Opens the databases; -errno with *e "FILE:LINE: ...". */
int sz_policy_locations(struct sz_policy *p, struct sz_error *e);
void sz_policy_locations_done(struct sz_policy *p);
/* Reads every table but those that are given (or NULL); fills tables and attributes. */
int sz_policy_tables(struct sz_policy *p, const json_t *given, struct sz_error *e);
int sz_policy_zone(void *zones, const char *name, const u8 **ret, size_t *ret_n);
void sz_policy_zones_done(struct zones *z);

/* ---- one judgement: judge.c, slots.c, location.c -------------------------------------------- */

enum known {
	KNOWN_TOKEN, /* and nothing of the request */
	KNOWN_LINE,  /* and the request line */
	KNOWN_ALL,
};

#define CLAUSE_MAX 96
enum clause_kind {
	CLAUSE_SCOPE,
	CLAUSE_CLAIM,
	CLAUSE_WHEN,
	CLAUSE_RISK,
	CLAUSE_STEP_UP,
	CLAUSE_RELATION,
};
#define POLICY_CLAUSE_MEMORY  "memory"
#define POLICY_CLAUSE_UNKNOWN "unknown"

enum outcome { OUT_DENY, OUT_ALLOW, OUT_ASK };

struct judge {
	const struct sz_policy *p;
	const struct sz_conf_service *svc;
	const struct compiled_service *compiled; /* NULL: no conditions */
	const struct sz_policy_subject *who;
	const struct sz_policy_request *req; /* NULL with KNOWN_TOKEN */
	const struct sz_policy_moment *at;
	enum known known;
	struct sz_cel_arena arena;   /* of the slots */
	struct sz_cel_arena scratch; /* of one evaluation */
	struct sz_cel_value slots[SLOTS];
	bool prepared;     /* the slots are filled */
	u32 location_bits; /* of the source that the location is about */
	/* of the route that is judged */
	u16 route;
	enum sz_reason reason;
	s64 until_ns;
	u32 source_bits;
	bool relation;     /* a relationship was asked for */
	char clause[CLAUSE_MAX]; /* that decided: "when[0]" */
	u8 number;         /* the same as sz_policy_answer.refused has it */
	struct sz_error *why, *otherwise; /* NULL: nobody wants to know */
};

void sz_policy_judge_init(struct judge *j, const struct sz_policy *p,
			  const struct sz_conf_service *svc, const struct sz_policy_subject *who,
			  const struct sz_policy_request *req, const struct sz_policy_moment *at,
			  enum known known);
void sz_policy_judge_done(struct judge *j);
/* Judges one route; not a public one. */
enum outcome sz_policy_judge(struct judge *j, u16 route);
/* Fills the slots for j->route; false: no memory. */
bool sz_policy_slots(struct judge *j);
/* Fills the location's slot and location_bits; false: no memory. */
bool sz_policy_location(struct judge *j);

/* ---- eval.c --------------------------------------------------------------------------------- */

/*
 * The value of a program, which may be unknown or an error (type SZ_CEL_ERROR with *e). Where it is
 * known, j->until_ns and j->source_bits are lowered and raised to where it stays the same.
 */
void sz_policy_eval(struct judge *j, const struct sz_cel_program *p, struct sz_cel_value *ret,
		    struct sz_cel_error *e);
/* 1 with the text in *ret; 0 where it is unknown; -EINVAL with what is wrong in *e. */
int sz_policy_fill(struct judge *j, const struct template *t, struct sz_buf *ret,
		   struct sz_error *e);

/* ---- clauses.c: risk, step-up, relationships ------------------------------------------------ */

enum outcome sz_policy_risk(struct judge *j, const struct sz_conf_route *t, bool *ret_step_up);
enum outcome sz_policy_step_up(struct judge *j, const struct sz_conf_route *t);
enum outcome sz_policy_relation(struct judge *j, const struct sz_conf_route *t, size_t i);

/* ---- explained.c ---------------------------------------------------------------------------- */

/* Name and number of a route's clause, counted within its kind. */
void sz_policy_clause(const struct sz_conf_route *t, enum clause_kind kind, size_t i,
		      char ret[CLAUSE_MAX]);
u8 sz_policy_clause_number(const struct sz_conf_route *t, enum clause_kind kind, size_t i);
/* The clause of a refusal before any route's; NULL: it is none. */
const char *sz_policy_before(enum sz_reason reason);

/* Bytes of s to show in a message, and no part of a UTF-8 character. */
int sz_policy_shown(const char *s, size_t n);
#define SHOWN(s) sz_policy_shown((s), strlen(s)), (s)
/* Writes why the clause decided; `otherwise` may be NULL. */
void sz_policy_say(struct judge *j, enum sz_reason reason, const char *clause, const char *why,
		   const char *otherwise);

#endif

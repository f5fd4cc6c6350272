/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Relationship-based access control, compatible with OpenFGA schema 1.1 (openfga.dev/docs): a model
 * of types and relations, tuples "user is related to object", and the questions asked of them.
 * Called by policy and by subzeroctl. Pure: bytes in, decision out; no clock, no file, no global
 * state. Where the tuples are is hidden behind struct sz_rebac_store_ops.
 *
 * A model and a graph are read-only once made and may be used by several threads at once, each
 * with a struct sz_rebac_work of its own, as far as the store allows it. docs/rebac.md says what
 * is supported and what differs.
 */
#ifndef SZ_REBAC_REBAC_H
#define SZ_REBAC_REBAC_H

#include <jansson.h>

#include "core/core.h"

/* ---- limits --------------------------------------------------------------------------------- */

#define SZ_REBAC_MODEL_MAX      262144   /* bytes of a model's text */
#define SZ_REBAC_NESTING_MAX    32       /* operators inside each other in one definition */
#define SZ_REBAC_DEPTH_MAX      25       /* tuples from the object to the user, as in OpenFGA */
#define SZ_REBAC_TYPE_MAX       254      /* bytes of a type's name */
#define SZ_REBAC_RELATION_MAX   50       /* bytes of a relation's name */
#define SZ_REBAC_OBJECT_MAX     256      /* bytes of "type:id" */
#define SZ_REBAC_CONTEXTUAL_MAX 100      /* contextual tuples of one request */
#define SZ_REBAC_STEPS          4000000u /* a budget for those who have no opinion */

/* ---- errors --------------------------------------------------------------------------------- */

/* The numbers of OpenFGA's API. */
enum sz_rebac_code {
	SZ_REBAC_VALIDATION = 2000,
	SZ_REBAC_TOO_COMPLEX = 2002,
	SZ_REBAC_WRITE_FAILED = 2017,
	SZ_REBAC_TYPE_NOT_FOUND = 2021,
	SZ_REBAC_RELATION_NOT_FOUND = 2022,
	SZ_REBAC_INVALID_TUPLE = 2027,
	SZ_REBAC_INVALID_MODEL = 2056,
	SZ_REBAC_INTERNAL = 4000, /* the store failed */
};
const char *sz_rebac_code_name(u32 code); /* "validation_error" */

struct sz_rebac_error {
	u32 code;
	u32 line, column; /* of a model's text, from 1; 0 where there is no place */
	char msg[512];
};

/* ---- model ---------------------------------------------------------------------------------- */

struct sz_rebac_model;

/*
 * Reads a model in either form, the language or JSON (which begins with '{'), and checks it by
 * OpenFGA's rules. -EINVAL with *e filled.
 */
int sz_rebac_model_parse(const char *text, size_t n, struct sz_rebac_model **ret,
			 struct sz_rebac_error *e) SZ_MUST_CHECK;
void sz_rebac_model_free(struct sz_rebac_model *m);                            /* NULL is fine */
void sz_rebac_model_print(const struct sz_rebac_model *m, struct sz_buf *ret); /* the language */
json_t *sz_rebac_model_json(const struct sz_rebac_model *m);                   /* a new reference */

/* ---- store ---------------------------------------------------------------------------------- */

/*
 * A node is an object, "user:anne" or "user:*" (relation 0), or a userset, "group:x#member". Names
 * are numbers in it, which the store gives out. Ordered as numbers, nodes are grouped by type, then
 * relation, then object.
 */
static inline u64 sz_rebac_node_of(u32 type, u32 relation, u32 id)
{
	return (u64)type << 48 | (u64)relation << 32 | id;
}

#define SZ_REBAC_TYPE(node)     ((u32)((node) >> 48))
#define SZ_REBAC_RELATION(node) ((u32)((node) >> 32) & 0xffffu)
#define SZ_REBAC_ID(node)       ((u32)(node))

#define SZ_REBAC_WILDCARD 1u          /* the id of "*" */
#define SZ_REBAC_LOCAL    0x80000000u /* ids from here on are a request's own, in no store */

enum sz_rebac_kind {
	SZ_REBAC_TYPES,      /* 1..65535 */
	SZ_REBAC_RELATIONS,  /* 1..65535 */
	SZ_REBAC_CONDITIONS, /* 1.. */
	SZ_REBAC_IDS,        /* 1..SZ_REBAC_LOCAL - 1; what stands behind the ':' of an object */
	SZ_REBAC_KINDS,
};

/* A tuple seen from one side: what is at the other end. */
struct sz_rebac_edge {
	u64 node;
	u32 value; /* 0: no condition */
	u32 pad;
};

/* The condition of a tuple, and its part of the condition's context. */
struct sz_rebac_value {
	u32 condition;
	const json_t *context; /* an object, or NULL */
};

enum sz_rebac_side {
	SZ_REBAC_BY_OBJECT, /* from "document:1#viewer" to the users */
	SZ_REBAC_BY_USER,   /* from the user to "document:1#viewer" */
};

struct sz_rebac_store;

struct sz_rebac_store_ops {
	/* The name's number; 0 where there is none. */
	u32 (*find)(struct sz_rebac_store *s, enum sz_rebac_kind kind, const char *name, size_t n);
	/* The same, giving out a number where there is none; 0 when there are no more. */
	u32 (*intern)(struct sz_rebac_store *s, enum sz_rebac_kind kind, const char *name,
		      size_t n);
	/* NUL-terminated; NULL for a number that was never given out. */
	const char *(*name)(struct sz_rebac_store *s, enum sz_rebac_kind kind, u32 id);
	/* 0, -ENOENT, or another -errno where the store fails. */
	int (*read)(struct sz_rebac_store *s, u64 object, u64 user, u32 *ret_value);
	/* Edges of `key` in ascending order, from..to inclusive; their number, at most `max`. */
	int (*scan)(struct sz_rebac_store *s, enum sz_rebac_side side, u64 key, u64 from, u64 to,
		    struct sz_rebac_edge *ret, u32 max);
	/* These objects are asked about next: brings them nearer, changes nothing. May be NULL. */
	void (*soon)(struct sz_rebac_store *s, const u64 *objects, u32 n);
	/* Stays until the store is changed. */
	const struct sz_rebac_value *(*value)(struct sz_rebac_store *s, u32 value);
	/* -EEXIST. The context is referenced. */
	int (*put)(struct sz_rebac_store *s, u64 object, u64 user,
		   const struct sz_rebac_value *value);
	int (*remove)(struct sz_rebac_store *s, u64 object, u64 user); /* -ENOENT */
	void (*free)(struct sz_rebac_store *s);
};

struct sz_rebac_store {
	const struct sz_rebac_store_ops *ops;
};

/* A store in memory. Any number of threads may read it while none writes. Numbers of names are
 * given out one after the other. */
struct sz_rebac_store *sz_rebac_memory_new(void);
void sz_rebac_store_free(struct sz_rebac_store *s); /* NULL is fine */

/* ---- graph: a model over a store ------------------------------------------------------------ */

struct sz_rebac_graph;

/*
 * Prepares the model for questions. Model and store must stay. The names of the model are given
 * numbers in the store; that is all that is written. -ENOSPC where the store has none left.
 */
int sz_rebac_graph_new(const struct sz_rebac_model *m, struct sz_rebac_store *s,
		       struct sz_rebac_graph **ret, struct sz_rebac_error *e) SZ_MUST_CHECK;
void sz_rebac_graph_free(struct sz_rebac_graph *g); /* NULL is fine */

/* As text: user "user:anne", "user:*" or "group:x#member"; object "document:1". */
struct sz_rebac_tuple {
	const char *user, *relation, *object;
	const char *condition; /* NULL: none */
	const json_t *context; /* NULL: none */
};

/*
 * Writes or deletes a tuple the model allows. -EINVAL with code INVALID_TUPLE or VALIDATION,
 * -EEXIST and -ENOENT with code WRITE_FAILED.
 */
int sz_rebac_write(struct sz_rebac_graph *g, const struct sz_rebac_tuple *t,
		   struct sz_rebac_error *e) SZ_MUST_CHECK;
int sz_rebac_delete(struct sz_rebac_graph *g, const struct sz_rebac_tuple *t,
		    struct sz_rebac_error *e) SZ_MUST_CHECK;

struct sz_rebac_work;

/*
 * For a store that writes many tuples at once: the same checks, and the nodes that put() and
 * remove() take. With `w`, nothing is written: names the store does not know get numbers from
 * SZ_REBAC_LOCAL on. Without, they are given numbers for good. The value's context is t's own.
 */
int sz_rebac_tuple_nodes(struct sz_rebac_graph *g, struct sz_rebac_work *w,
			 const struct sz_rebac_tuple *t, u64 *ret_object, u64 *ret_user,
			 struct sz_rebac_value *ret, struct sz_rebac_error *e) SZ_MUST_CHECK;
/* Of a tuple to be deleted, which the model need not know; -ENOENT where a name is in no tuple. */
int sz_rebac_tuple_find(struct sz_rebac_store *s, const struct sz_rebac_tuple *t, u64 *ret_object,
			u64 *ret_user, struct sz_rebac_error *e) SZ_MUST_CHECK;

/*
 * The kinds of tuples that "type#relation" can depend on, as type << 16 | relation, each once; at
 * most `max` are written. Their number; 0 where the model has no such relation.
 */
u32 sz_rebac_closure(const struct sz_rebac_graph *g, const char *type, const char *relation,
		     u32 *ret, u32 max);

/* ---- questions ------------------------------------------------------------------------------ */

/*
 * The memory of one thread's questions, kept from one to the next.
 * steps: tuples and relations that one question may look at before it is given up as too complex;
 * 0 = SZ_REBAC_STEPS. It bounds the memory, too.
 */
struct sz_rebac_work *sz_rebac_work_new(u32 steps);
void sz_rebac_work_free(struct sz_rebac_work *w);       /* NULL is fine */
u32 sz_rebac_work_steps(const struct sz_rebac_work *w); /* that the last question took */
/* `stop` is asked every few thousand steps, and ends the question as too complex; NULL: nobody. */
void sz_rebac_work_watch(struct sz_rebac_work *w, bool (*stop)(void *arg), void *arg);

/* What a request brings along. All zero: nothing. */
struct sz_rebac_request {
	const struct sz_rebac_tuple *contextual;
	u32 n_contextual;
	const json_t *context; /* for conditions; what a tuple says comes first. NULL: none */
};

/*
 * Each of these returns 0, or -EINVAL with *e filled and `code` as OpenFGA's API has it. There is
 * no answer then, not even a part of one: the caller must deny.
 */
int sz_rebac_check(const struct sz_rebac_graph *g, struct sz_rebac_work *w,
		   const struct sz_rebac_request *r, const char *user, const char *relation,
		   const char *object, bool *ret, struct sz_rebac_error *e) SZ_MUST_CHECK;

struct sz_rebac_item {
	const char *user, *relation, *object;
	bool allowed;                /* filled */
	struct sz_rebac_error error; /* filled; code 0: none */
};
/* Checks all items; one that fails does not keep the others from being answered. */
void sz_rebac_batch(const struct sz_rebac_graph *g, struct sz_rebac_work *w,
		    const struct sz_rebac_request *r, struct sz_rebac_item *items, u32 n);

/*
 * The same in numbers of the store, without contextual tuples: `object` is the node of
 * "document:1#viewer". What is not of the model is answered with no.
 */
int sz_rebac_check_nodes(const struct sz_rebac_graph *g, struct sz_rebac_work *w, u64 user,
			 u64 object, bool *ret, struct sz_rebac_error *e) SZ_MUST_CHECK;

/* An array of "document:1", sorted; at most `max` (0 = all). */
int sz_rebac_list_objects(const struct sz_rebac_graph *g, struct sz_rebac_work *w,
			  const struct sz_rebac_request *r, const char *user, const char *relation,
			  const char *type, u32 max, json_t **ret,
			  struct sz_rebac_error *e) SZ_MUST_CHECK;

/*
 * filter: "user", or "group#member". An array of "user:anne", "user:*" or "group:x#member", sorted.
 * Beside "user:*", those are named who have the relation by themselves.
 */
int sz_rebac_list_users(const struct sz_rebac_graph *g, struct sz_rebac_work *w,
			const struct sz_rebac_request *r, const char *object, const char *relation,
			const char *filter, json_t **ret, struct sz_rebac_error *e) SZ_MUST_CHECK;

/* One level of the definition, as {"root": {...}} in the shape of OpenFGA's Expand. */
int sz_rebac_expand(const struct sz_rebac_graph *g, struct sz_rebac_work *w,
		    const struct sz_rebac_request *r, const char *relation, const char *object,
		    json_t **ret, struct sz_rebac_error *e) SZ_MUST_CHECK;

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared inside the rebac room: the model as it was read, the graph as it is evaluated, and the
 * memory of a question.
 */
#ifndef SZ_REBAC_REBAC_PRIV_H
#define SZ_REBAC_REBAC_PRIV_H

#include "cel/cel.h"
#include "rebac/rebac.h"

/* ---- the model as it was read --------------------------------------------------------------- */

enum rebac_op {
	OP_THIS, /* tuples of the relation itself */
	OP_COMPUTED,
	OP_TTU, /* "viewer from parent" */
	OP_UNION,
	OP_INTERSECTION,
	OP_EXCLUSION,
};

struct place {
	u32 line, column;
};

struct rewrite {
	enum rebac_op op;
	const char *relation; /* OP_COMPUTED, OP_TTU */
	const char *tupleset; /* OP_TTU */
	struct rewrite *first, *next;
	struct place place;
	struct relation *to, *via; /* what `relation` of OP_COMPUTED and `tupleset` name */
};

/* A type restriction: "user", "user:*", "group#member", each perhaps "with condition". */
struct ref {
	const char *type, *relation, *condition;
	bool wildcard;
	struct place place;
	struct type *to_type; /* what is named */
	struct relation *to;
	struct ref *next;
};

struct relation {
	const char *name;
	struct rewrite *rewrite;
	struct ref *refs;
	struct place place;
	bool tupleset; /* named behind a "from" */
	bool entered;  /* there is a way for a user to have it */
	u8 walk;       /* of the search for cycles: 1 = above, 2 = done */
	struct relation *next;
};

struct type {
	const char *name;
	struct relation *relations;
	struct place place;
	struct type *next;
};

enum param_kind {
	PARAM_ANY,
	PARAM_BOOL,
	PARAM_STRING,
	PARAM_INT,
	PARAM_UINT,
	PARAM_DOUBLE,
	PARAM_DURATION,
	PARAM_TIMESTAMP,
	PARAM_IPADDRESS,
	PARAM_MAP,
	PARAM_LIST,
	PARAM_KINDS,
};

struct param {
	const char *name; /* NULL for an inner type */
	enum param_kind kind;
	struct param *inner; /* of PARAM_MAP and PARAM_LIST */
	struct place place;
	struct param *next;
};

struct condition {
	const char *name, *text;
	struct param *params;
	struct place place, text_place;
	bool quoted; /* the text stood in a JSON string */
	struct sz_cel_program *program;
	u32 n_params;
	struct condition *next;
};

#define TYPES_MAX     1000
#define RELATIONS_MAX 5000 /* of all types */

struct sz_rebac_model {
	struct sz_cel_arena arena;
	struct type *types;
	struct condition *conditions;
	u32 n_relations;
};

/* model.c */
int sz_rebac_fail(struct sz_rebac_error *e, u32 code, const char *fmt, ...) SZ_PRINTF(3, 4);
int sz_rebac_fail_at(struct sz_rebac_error *e, struct place at, const char *fmt, ...)
	SZ_PRINTF(3, 4);
char *sz_rebac_copy(struct sz_rebac_model *m, const char *s, size_t n);
struct type *sz_rebac_type(const struct sz_rebac_model *m, const char *name);
struct relation *sz_rebac_relation(const struct type *t, const char *name);
struct condition *sz_rebac_condition(const struct sz_rebac_model *m, const char *name);
bool sz_rebac_has_this(const struct rewrite *r);
/* In JSON without case, as TYPE_NAME_MAP. */
extern const char *const sz_rebac_param_names[PARAM_KINDS];

/* Parsers: -EINVAL with *e filled. They check what the form asks for, not the model's sense. */
int sz_rebac_parse_dsl(const char *text, size_t n, struct sz_rebac_model *m,
		       struct sz_rebac_error *e);
int sz_rebac_parse_json(const char *text, size_t n, struct sz_rebac_model *m,
			struct sz_rebac_error *e);
/* validate.c: the rules of OpenFGA for a model. */
int sz_rebac_validate(struct sz_rebac_model *m, struct sz_rebac_error *e);

/* condition.c */
int sz_rebac_condition_compile(struct condition *c, struct sz_rebac_error *e);
/* Members of `context` must be parameters and of their types. */
int sz_rebac_condition_accepts(const struct condition *c, const json_t *context,
			       struct sz_rebac_error *e);
/* The tuple's context before the request's. *ret is whether it is met. */
int sz_rebac_condition_eval(const struct condition *c, const json_t *tuple, const json_t *request,
			    struct sz_cel_arena *a, bool *ret, struct sz_rebac_error *e);

/* ---- the graph ------------------------------------------------------------------------------ */

struct def;

struct op {
	enum rebac_op op;
	u16 relation; /* OP_COMPUTED: that of the same object; OP_TTU: of the parent */
	u16 tupleset; /* OP_TTU */
	u32 n;
	const struct op *child;
	const struct def *def; /* OP_COMPUTED: the relation's; OP_TTU: the tupleset's */
};

/* A type restriction in the store's numbers. */
struct allow {
	u16 type, relation;
	bool wildcard;
	u32 condition; /* 0: none */
	const struct condition *c;
};

struct def {
	u16 type, relation;
	bool leaf;  /* tuples with users only, no usersets: nothing to go on from */
	bool plain; /* unions only, here and in all it leads to */
	u32 index;  /* from 0 */
	struct op root;
	u32 n_allow, n_usersets;
	struct allow *allow;
	u32 *usersets; /* type << 16 | relation, each once, ascending */
	const struct relation *source;
};

struct sz_rebac_graph {
	const struct sz_rebac_model *model;
	struct sz_rebac_store *store;
	struct sz_cel_arena arena;
	u32 n_types, n_relations; /* rows and columns of `at` */
	u16 *type_row;            /* of the store's type number; 0: not of the model */
	u16 *relation_column;
	u32 type_row_n, relation_column_n;
	const struct def **at; /* [row * n_relations + column] */
	struct def *defs;
	u32 n_defs;
};

bool sz_rebac_has_type(const struct sz_rebac_graph *g, u32 type);
/* NULL: the type has no such relation. */
const struct def *sz_rebac_def(const struct sz_rebac_graph *g, u32 type, u32 relation);
/* The restriction that lets this user in by this condition; NULL: none. */
const struct allow *sz_rebac_allowed(const struct def *d, u64 user, u32 condition);

/* ---- table.c: a set of nodes, each with what is known of it --------------------------------- */

struct slot {
	u64 node;
	u32 round; /* the slot is empty where this is not the table's */
	u32 serial;
	u16 low, root; /* see check.c */
	u8 state, depth;
	u16 pad;
};

struct table {
	struct slot *slots;
	u32 mask, n, round;
};

void sz_rebac_table_clear(struct table *t);
/* The node's slot, new with state 0 where *ret_new. Slots move when one is added. */
struct slot *sz_rebac_table_add(struct table *t, u64 node, bool *ret_new);
void sz_rebac_table_done(struct table *t);

/* ---- the memory of a question --------------------------------------------------------------- */

#define LOCAL_NAMES (2 * SZ_REBAC_CONTEXTUAL_MAX + 2)
#define FRAMES_MAX  512

struct local_edge {
	u64 key;
	struct sz_rebac_edge edge;
};

struct frame {
	u32 serial;
	u16 root; /* the outermost frame that is true as soon as this one is */
};

struct nodes {
	u64 *node;
	u32 n, room;
};

struct sz_rebac_work {
	const struct sz_rebac_graph *g;
	const json_t *context;
	u32 budget, steps; /* allowed and left */
	bool (*stop)(void *arg);
	void *stop_arg;

	/* request.c: ids that the store does not know, and the contextual tuples, sorted */
	const char *local[LOCAL_NAMES];
	u32 local_len[LOCAL_NAMES], n_local;
	struct local_edge by_object[SZ_REBAC_CONTEXTUAL_MAX], by_user[SZ_REBAC_CONTEXTUAL_MAX];
	struct sz_rebac_value values[SZ_REBAC_CONTEXTUAL_MAX];
	u32 n_contextual;

	/* check.c */
	u64 user, wildcard;
	struct table memo;
	struct frame frames[FRAMES_MAX];
	u32 n_frames, serial;
	struct sz_rebac_error *e; /* of the first thing that failed */
	int fatal;                /* nothing more can be found out */

	/* objects.c, users.c */
	struct table seen;
	struct nodes now, later, found; /* to look at, a tuple further away, and the result */
	bool doubtful;                  /* not all could be told: what was found must be checked */
	bool deep;                      /* some of it is too far away: each check starts anew */

	struct sz_cel_arena arena; /* of one evaluated condition */
};

/* request.c */
/* Empties the work and reads the request; a bad contextual tuple is INVALID_TUPLE. */
int sz_rebac_begin(struct sz_rebac_work *w, const struct sz_rebac_graph *g,
		   const struct sz_rebac_request *r, struct sz_rebac_error *e);
/* "document:1" and a relation it must have; other codes are for what the model does not know. */
int sz_rebac_take_object(struct sz_rebac_work *w, const char *object, const char *relation,
			 u32 no_type, u32 no_relation, u64 *ret);
int sz_rebac_take_user(struct sz_rebac_work *w, const char *user, u64 *ret);
/* Makes it the user that is asked for. */
void sz_rebac_set_user(struct sz_rebac_work *w, u64 user);
/* Appends "type:id" or "type:id#relation". */
void sz_rebac_name(const struct sz_rebac_work *w, u64 node, struct sz_buf *ret);
/* The names as a sorted array; at most `max` (0 = all). */
json_t *sz_rebac_names(const struct sz_rebac_work *w, const struct nodes *nodes, u32 max);

/* edges.c: tuples of the request and of the store as one */
struct edges {
	struct sz_rebac_work *w;
	enum sz_rebac_side side;
	u64 key, from, to;
	struct sz_rebac_edge batch[16];
	u32 i, n;
	u32 local, local_end;
	bool more;
	bool visits; /* what the edges lead to is asked about next, */
	u16 by;      /* by this relation; 0: by their own */
};

int sz_rebac_read(struct sz_rebac_work *w, u64 object, u64 user, u32 *ret_value);
void sz_rebac_edges(struct edges *it, struct sz_rebac_work *w, enum sz_rebac_side side, u64 key,
		    u64 from, u64 to);
/* 1 with *ret filled, 0 at the end, -EINVAL where it must end (w->fatal). */
int sz_rebac_next(struct edges *it, struct sz_rebac_edge *ret);
const struct sz_rebac_value *sz_rebac_value(struct sz_rebac_work *w, u32 value);

/* check.c */
enum answer {
	NO = 1,
	YES,
	CYCLE,  /* no, because it depends on itself: beneath "but not" this is no answer */
	FAILED, /* w->e says why */
	OPEN,   /* being worked on; never a result */
};

/* The tuple is allowed by the model, and its condition met: YES, NO or FAILED. */
enum answer sz_rebac_counts(struct sz_rebac_work *w, const struct def *d, u64 user, u32 value);
/* For the user that was set; what is found out stays known until another one is. */
enum answer sz_rebac_ask(struct sz_rebac_work *w, u64 object);
/* One step of the budget; false where it is used up. */
bool sz_rebac_step(struct sz_rebac_work *w);

void sz_rebac_nodes_add(struct nodes *s, u64 node);
/* Goes on with what is a tuple further away; false where there is nothing. */
bool sz_rebac_nodes_swap(struct sz_rebac_work *w);
/* Keeps of w->found what a check says yes to: of objects for one user, or users of one object. */
int sz_rebac_confirm(struct sz_rebac_work *w, u64 user, u64 object);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The inside of cel: the tree that is parsed, resolved, checked, folded and walked, all of it one
 * array of nodes; the table of functions; what the files share. Nobody else includes it.
 */
#ifndef SZ_CEL_CEL_PRIV_H
#define SZ_CEL_CEL_PRIV_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cel/cel.h"

/* ---- text ----------------------------------------------------------------------------------- */

struct text {
	const char *s;
	u32 n;
};

static inline bool text_is(const struct text *t, const char *s)
{
	return t->n == strlen(s) && !memcmp(t->s, s, t->n);
}

#define UTF8_BAD 0xffffffffu
/* The code point at s (n > 0 bytes) and its length; UTF8_BAD and 1 where it is none. */
u32 sz_cel_utf8_get(const char *s, size_t n, u32 *ret_len);
u32 sz_cel_utf8_put(u32 c, char out[4]); /* returns the length */
bool sz_cel_utf8_valid(const char *s, size_t n);
u32 sz_cel_utf8_count(const char *s, size_t n); /* code points of valid text */

/* ---- the tree ------------------------------------------------------------------------------- */

enum op {
	OP_CONST,
	OP_VAR,   /* slot */
	OP_LOCAL, /* slot */
	OP_IDENT, /* not resolved: an error when reached */
	OP_SELECT,
	OP_OPT_SELECT,
	OP_HAS,
	OP_INDEX,
	OP_OPT_INDEX,
	OP_CALL,
	OP_LIST,
	OP_MAP, /* keys and values in turn */
	OP_AND,
	OP_OR,
	OP_COND,
	OP_NOT,
	OP_NEG,
	OP_ADD,
	OP_SUB,
	OP_MUL,
	OP_DIV,
	OP_MOD,
	OP_EQ,
	OP_NE,
	OP_LT,
	OP_LE,
	OP_GT,
	OP_GE,
	OP_IN,
	/* kids: range, body, and a filter where there is one */
	OP_ALL,
	OP_EXISTS,
	OP_EXISTS_ONE,
	OP_MAP_LIST,
	OP_FILTER,
	OP_MAP_MAP,
	OP_MAP_ENTRY,
	OP_BIND, /* kids: value, body */
	OP_OPT_MAP,
	OP_OPT_FLAT_MAP,
};

#define N_ROOTED   0x01u /* an identifier with a dot before it */
#define N_MEMBER   0x02u /* a call whose first kid is its receiver */
#define N_TWO_VARS 0x04u
#define N_PAREN    0x08u /* stood in parentheses: no chain of && goes on into it */

#define KID_OPTIONAL 0x80000000u /* of lists and maps: ?element */
#define KID_INDEX    0x7fffffffu

struct func;
struct regex;
struct type;

struct node {
	u8 op;
	u8 flags;
	u16 depth;
	u32 pos; /* offset in the source */
	u32 n;   /* kids */
	u32 slot;
	u32 *kid;
	struct text name; /* identifier, field, function; name of the first variable */
	struct text name2;
	union {
		struct sz_cel_value value;
		struct {
			const struct func *fn;
			const struct regex *re; /* of a pattern that is known */
		};
	};
};

struct sz_cel_program {
	struct sz_cel_arena arena; /* all that follows, but the nodes */
	struct node *nodes;
	u32 n_nodes, room, root;
	u32 n_slots, n_locals;
	u8 *uses; /* by slot */
	const char *text;
	u32 text_n;
	const char *type;
	struct sz_cel_zones zones;
};

static inline const struct node *kid_of(const struct sz_cel_program *p, const struct node *n, u32 i)
{
	return &p->nodes[n->kid[i] & KID_INDEX];
}

/* ---- lex.c ---------------------------------------------------------------------------------- */

enum token {
	T_END,
	T_IDENT,
	T_QUOTED, /* `in backticks` */
	T_INT,
	T_UINT,
	T_DOUBLE,
	T_STRING,
	T_BYTES,
	T_TRUE,
	T_FALSE,
	T_NULL,
	T_IN,
	T_EQ,
	T_NE,
	T_LT,
	T_LE,
	T_GT,
	T_GE,
	T_AND,
	T_OR,
	T_PUNCT, /* one character: lex->c */
};

struct lex {
	const char *s;
	u32 n, at;
	struct sz_cel_arena *arena;
	struct sz_cel_error *e;
	enum token token;
	char c;
	u32 pos;          /* of the token */
	struct text text; /* identifier; value of a string or bytes */
	u64 u;            /* magnitude of an integer */
	double d;
};

int sz_cel_lex(struct lex *l); /* the next token */
bool sz_cel_is_reserved(const struct text *t);

/* ---- parse.c, macro.c ----------------------------------------------------------------------- */

struct parse {
	struct lex lex;
	struct sz_cel_program *p;
	struct sz_cel_error *e;
	u32 depth;
};

int sz_cel_fail(struct sz_cel_error *e, u32 pos, const char *fmt, ...) SZ_PRINTF(3, 4);
int sz_cel_parse(struct sz_cel_program *p, struct sz_cel_error *e);
/* kid is copied. 0 (an index that is never used) with *e filled where there is no room. */
u32 sz_cel_node(struct parse *ps, enum op op, u32 pos, const u32 *kid, u32 n);
/* Turns a call into what it stands for; 1 where it is no macro. */
int sz_cel_macro(struct parse *ps, u32 call, u32 *ret);

/* ---- type.c --------------------------------------------------------------------------------- */

enum kind {
	K_DYN = 1,
	K_NULL,
	K_BOOL,
	K_INT,
	K_UINT,
	K_DOUBLE,
	K_STRING,
	K_BYTES,
	K_TIMESTAMP,
	K_DURATION,
	K_IP,
	K_CIDR,
	K_LIST,
	K_MAP,
	K_TYPE,
	K_OPTIONAL,
	K_VAR, /* stands for one that is found out */
};

struct type {
	enum kind kind;
	u32 var;
	struct type *a, *b;
};

#define TYPE_VARS_MAX 4096
#define TYPE_WORK_MAX 5000000

/* What variables stand for, with a trail to take it back. */
struct types {
	struct sz_cel_arena *arena;
	struct type *bound[TYPE_VARS_MAX];
	u32 trail[TYPE_VARS_MAX];
	u32 n, n_trail;
	u64 work;
};

struct type *sz_cel_type_new(struct types *t, enum kind kind, struct type *a, struct type *b);
struct type *sz_cel_type_var(struct types *t);
struct type *sz_cel_type_of(struct types *t, struct type *x); /* what it stands for now */
bool sz_cel_type_assign(struct types *t, struct type *to, struct type *from);
void sz_cel_type_undo(struct types *t, u32 n_trail);
struct type *sz_cel_type_join(struct types *t, struct type *x, struct type *y);
/* One type of a signature; *vars are those of its letters A to C. */
struct type *sz_cel_type_sig(struct types *t, const char **s, struct type *vars[3]);
struct type *sz_cel_type_parse(struct types *t, const char *s); /* NULL: no type */
void sz_cel_type_print(struct types *t, struct type *x, char *out, size_t n);
/* The value that stands for a type by this name, such as int; false where there is none. */
bool sz_cel_type_name(const struct text *name, struct sz_cel_value *ret);

/* ---- resolve.c, check.c, fold.c ------------------------------------------------------------- */

struct variable {
	char *name;
	char *type;
};

struct sz_cel_env {
	struct variable *vars;
	u32 n, room;
	char *container;
	struct sz_cel_zones zones;
};

int sz_cel_resolve(const struct sz_cel_env *env, struct sz_cel_program *p, struct sz_cel_error *e);
int sz_cel_check(const struct sz_cel_env *env, struct sz_cel_program *p, struct sz_cel_error *e);
int sz_cel_fold(struct sz_cel_program *p, struct sz_cel_error *e);

/* ---- eval.c, compare.c ---------------------------------------------------------------------- */

struct run {
	const struct sz_cel_program *p;
	const struct sz_cel_value *slots;
	struct sz_cel_value *locals;
	struct sz_cel_arena *arena;
	u64 steps;
	u32 pos;          /* of what is evaluated now */
	const char *stop; /* set when a budget is used up: ends everything */
};

void sz_cel_run(struct run *r, const struct node *n, struct sz_cel_value *ret);

static inline bool is_bad(const struct sz_cel_value *v)
{
	return v->type >= SZ_CEL_ERROR;
}

static inline bool is_partial(const struct sz_cel_value *v)
{
	return v->partial || v->type == SZ_CEL_UNKNOWN;
}

/* What going through v costs more than a step: n says something else of other types. */
static inline u64 weight(const struct sz_cel_value *v)
{
	return v->type >= SZ_CEL_STRING && v->type <= SZ_CEL_MAP ? v->n / 16 : 0;
}

/* Pays for n more steps; false when the budget is used up. */
static inline bool pay(struct run *r, u64 n)
{
	if (r->steps >= n) {
		r->steps -= n;
		return true;
	}
	r->steps = 0;
	r->stop = "the budget of steps is used up";
	return false;
}

void *sz_cel_take(struct run *r, size_t n); /* NULL sets r->stop */
void sz_cel_error(struct run *r, struct sz_cel_value *ret, const char *fmt, ...) SZ_PRINTF(3, 4);
void sz_cel_no_overload(struct run *r, const char *what, const struct sz_cel_value *args, u32 n,
			struct sz_cel_value *ret);
const char *sz_cel_type_label(const struct sz_cel_value *v);
void sz_cel_arith(struct run *r, enum op op, const struct sz_cel_value *x,
		  const struct sz_cel_value *y, struct sz_cel_value *ret);
void sz_cel_negate(struct run *r, const struct sz_cel_value *x, struct sz_cel_value *ret);
/* <0, 0, >0; 2 where either is NaN; -EINVAL where there is no order. */
#define UNORDERED 2
int sz_cel_compare(const struct sz_cel_value *x, const struct sz_cel_value *y);
void sz_cel_equal(struct run *r, const struct sz_cel_value *x, const struct sz_cel_value *y,
		  struct sz_cel_value *ret);
void sz_cel_in(struct run *r, const struct sz_cel_value *x, const struct sz_cel_value *y,
	       struct sz_cel_value *ret);
void sz_cel_index(struct run *r, const struct sz_cel_value *x, const struct sz_cel_value *key,
		  bool optional, struct sz_cel_value *ret);
void sz_cel_run_list(struct run *r, const struct node *n, struct sz_cel_value *ret);
void sz_cel_run_map(struct run *r, const struct node *n, struct sz_cel_value *ret);
void sz_cel_comprehend(struct run *r, const struct node *n, struct sz_cel_value *ret);
/* Adds the paths of x to *ret, which becomes unknown; what is selected from it adds nothing. */
void sz_cel_unknown_merge(struct run *r, const struct sz_cel_value *x, struct sz_cel_value *ret);
/* An operation used it: what is selected from the result is no field of the unknown. */
void sz_cel_unknown_use(struct run *r, struct sz_cel_value *ret);
void sz_cel_unknown_select(struct run *r, const struct sz_cel_value *x, const char *field, u32 n,
			   struct sz_cel_value *ret);
/* Merges every unknown value that stands inside v. */
void sz_cel_unknown_inside(struct run *r, const struct sz_cel_value *v, struct sz_cel_value *ret);

/* ---- value.c -------------------------------------------------------------------------------- */

struct entry {
	struct sz_cel_value key, value;
};

struct sz_cel_map {
	u32 n, mask;
	u32 *index; /* mask + 1 of them, entry + 1; NULL for few entries */
	struct entry e[];
};

struct sz_cel_value sz_cel_uint(u64 u);
struct sz_cel_value sz_cel_bytes(const char *s, size_t n);
struct sz_cel_value sz_cel_duration(s64 ns);
struct sz_cel_value sz_cel_type_value(const char *name);
/* Makes *ret an optional of v, or none where v is NULL. */
void sz_cel_optional(struct run *r, const struct sz_cel_value *v, struct sz_cel_value *ret);
struct sz_cel_value sz_cel_list(const struct sz_cel_value *v, u32 n);
struct sz_cel_map *sz_cel_map_room(struct sz_cel_arena *a, u32 n);
/* After its first m->n entries are there; -EINVAL and the key's number where one is repeated. */
int sz_cel_map_seal(struct sz_cel_arena *a, struct sz_cel_map *m, u32 *ret_twice);
const struct sz_cel_value *sz_cel_map_find(const struct sz_cel_value *map, const char *s, u32 n);
/* Keyed: nobody outside can make keys that collide. */
u32 sz_cel_hash(const char *s, u32 n);
bool sz_cel_is_key(const struct sz_cel_value *v);

/* ---- functions ------------------------------------------------------------------------------ */

#define F_GLOBAL  0x01u
#define F_MEMBER  0x02u
#define F_LAZY    0x04u /* an optional that has a value needs no second argument */
#define F_REGEX   0x08u /* the second argument is a pattern */
#define F_NUMBERS 0x10u /* any number of numbers, or one list of them */

struct func {
	const char *name;
	u32 flags;
	/*
	 * Overloads: argument types, ':', result type; separated by blanks. n null, b bool, i int,
	 * u uint, d double, s string, y bytes, t timestamp, r duration, I ip, C cidr, * dyn,
	 * A..C any, L list of, M map of, O optional of, T type of.
	 */
	const char *sig;
	void (*call)(struct run *r, const struct sz_cel_value *args, u32 n,
		     struct sz_cel_value *ret);
};

/* Each list ends with a NULL name. */
extern const struct func sz_cel_lib_core[], sz_cel_lib_string[], sz_cel_lib_math[],
	sz_cel_lib_net[], sz_cel_lib_time[], sz_cel_lib_optional[], sz_cel_lib_encode[];

/* One that has an overload of n arguments, a receiver included; NULL where there is none. */
const struct func *sz_cel_func(const struct text *name, bool member, u32 n);
void sz_cel_format(struct run *r, const struct sz_cel_value *args, u32 n, struct sz_cel_value *ret);
/* The shortest text that is read back as the same number; `plain`: never with an exponent. */
void sz_cel_double_text(double d, bool plain, struct sz_buf *ret);
/* As format() writes it with %s; paid for. false where it cannot be written, with *ret filled. */
bool sz_cel_plain(struct run *r, const struct sz_cel_value *v, struct sz_buf *out,
		  struct sz_cel_value *ret);
void sz_cel_quote(const char *s, size_t n, struct sz_buf *ret);
/* "192.0.2.1", "10.0.0.0/8" */
void sz_cel_net_text(const struct sz_cel_value *v, char out[SZ_ADDR_STRLEN + 4]);
/* Copies into the arena; NULL sets r->stop. */
const char *sz_cel_copy(struct run *r, const char *s, size_t n);
int sz_cel_net_parse(const char *s, size_t n, bool cidr, struct sz_cel_net *ret);

/* ---- time.c --------------------------------------------------------------------------------- */

#define TIME_MIN (-62135596800) /* 0001-01-01T00:00:00Z */
#define TIME_MAX 253402300799   /* 9999-12-31T23:59:59Z */

/* "+02:00", "-02:30", "02:00" of a zone in seconds east; false for one that has a name. */
bool sz_cel_fixed_offset(const struct sz_cel_value *zone, s32 *ret);

struct civil {
	s64 year;
	u32 month, day; /* from 1 */
	u32 weekday;    /* 0 is Sunday */
	u32 yearday;    /* from 0 */
	u32 hour, minute, second;
};

void sz_cel_civil(s64 s, struct civil *ret);
s64 sz_cel_days(s64 year, u32 month, u32 day); /* since 1970-01-01 */
int sz_cel_time_parse(const char *s, size_t n, s64 *ret_s, u32 *ret_ns);
void sz_cel_time_text(s64 s, u32 ns, char out[40]);
int sz_cel_duration_parse(const char *s, size_t n, s64 *ret_ns);
void sz_cel_duration_text(s64 ns, char out[40]);
/* Seconds east of UTC at s by a zone's file; -EINVAL for a file that is none. */
int sz_cel_tzif_offset(const u8 *p, size_t n, s64 s, s32 *ret);

/* ---- regex.c, regex_run.c ------------------------------------------------------------------- */

/* RE2's syntax; *ret lives in the arena. -EINVAL with what is wrong in *ret_why, -ENOMEM. */
int sz_cel_regex(struct sz_cel_arena *a, const char *s, size_t n, const struct regex **ret,
		 const char **ret_why);
/* Is there a match anywhere in the text? Pays for its steps; false with r->stop where it cannot. */
bool sz_cel_regex_match(struct run *r, const struct regex *re, const char *s, size_t n);

#endif

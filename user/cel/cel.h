/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The Common Expression Language (github.com/google/cel-spec, doc/langdef.md): text is compiled
 * once against an environment of declared variables, and the program is evaluated many times, each
 * time within a budget of steps and memory. Called by policy and by subzeroctl. Pure: bytes in,
 * value out; no clock, no file, no global state but the secret of map indexes. A program is
 * read-only once compiled and may be evaluated by several threads at once, each with an arena of
 * its own.
 *
 * What is supported, and what is not, is in docs/cel.md.
 */
#ifndef SZ_CEL_CEL_H
#define SZ_CEL_CEL_H

#include <jansson.h>

#include "core/core.h"

/* ---- limits --------------------------------------------------------------------------------- */

#define SZ_CEL_TEXT_MAX   65536 /* bytes of source */
#define SZ_CEL_DEPTH_MAX  200   /* nesting of an expression, and of a value read from JSON */
#define SZ_CEL_NODES_MAX  32768 /* parts of an expression */
#define SZ_CEL_LOCALS_MAX 64    /* variables of comprehensions in force at one place */
#define SZ_CEL_VARS_MAX   1024  /* declared variables */

/* ---- memory: what an evaluation may use ----------------------------------------------------- */

struct sz_cel_chunk;

/* Everything a program or a value consists of; given back as a whole. */
struct sz_cel_arena {
	struct sz_cel_chunk *first, *chunk;
	char *p, *end;
	size_t used, limit; /* bytes */
};

/* `limit` bounds the bytes handed out between two resets. */
void sz_cel_arena_init(struct sz_cel_arena *a, size_t limit);
void sz_cel_arena_reset(struct sz_cel_arena *a); /* frees nothing that the next use will need */
void sz_cel_arena_done(struct sz_cel_arena *a);
/* n zeroed bytes, aligned for anything; NULL beyond the limit. */
void *sz_cel_alloc(struct sz_cel_arena *a, size_t n);

/* ---- values --------------------------------------------------------------------------------- */

enum sz_cel_type {
	SZ_CEL_UNSET, /* a variable that has no value: using it is an error */
	SZ_CEL_NULL,
	SZ_CEL_BOOL,
	SZ_CEL_INT,
	SZ_CEL_UINT,
	SZ_CEL_DOUBLE,
	SZ_CEL_STRING,
	SZ_CEL_BYTES,
	SZ_CEL_LIST,
	SZ_CEL_MAP,
	SZ_CEL_TIMESTAMP,
	SZ_CEL_DURATION,
	SZ_CEL_TYPE,
	SZ_CEL_OPTIONAL,
	SZ_CEL_IP,
	SZ_CEL_CIDR,
	SZ_CEL_ERROR,   /* only inside an evaluation */
	SZ_CEL_UNKNOWN, /* see below */
};

struct sz_cel_map;
struct sz_cel_unknown;

struct sz_cel_net {
	struct sz_addr addr; /* IPv4 as ::ffff:a.b.c.d */
	u8 prefix;           /* of a CIDR, counted in its own family */
	bool v6;
};

/* 16 bytes; what a pointer points to lives in an arena or in the program. */
struct sz_cel_value {
	u8 type;    /* enum sz_cel_type */
	u8 partial; /* an unknown value stands inside */
	u8 pad[2];
	u32 n; /* bytes of a string, elements of a list, entries of a map, ns of a timestamp */
	union {
		bool b;
		s64 i; /* int; seconds since 1970 of a timestamp; nanoseconds of a duration */
		u64 u;
		double d;
		const char *s;                   /* string (UTF-8), bytes, type: not terminated */
		const struct sz_cel_value *list; /* n of them */
		const struct sz_cel_map *map;    /* NULL when empty */
		const struct sz_cel_value *opt;  /* NULL: none */
		const struct sz_cel_net *net;
		const struct sz_cel_unknown *unknown;
	};
};
_Static_assert(sizeof(struct sz_cel_value) == 16, "a value is two words");

struct sz_cel_value sz_cel_bool(bool b);
struct sz_cel_value sz_cel_int(s64 i);
struct sz_cel_value sz_cel_double(double d);
/* The text is not copied and must outlive the value. */
struct sz_cel_value sz_cel_string(const char *s, size_t n);
struct sz_cel_value sz_cel_timestamp(s64 s, u32 ns);
/* -ENOMEM beyond the arena's limit. */
int sz_cel_ip(struct sz_cel_arena *a, const struct sz_addr *addr, struct sz_cel_value *ret);
/*
 * A map of n entries, keys and values in turn (2n values, copied). Keys are of type bool, int, uint
 * or string. -EINVAL for another or repeated key, -ENOMEM.
 */
int sz_cel_map(struct sz_cel_arena *a, const struct sz_cel_value *pairs, u32 n,
	       struct sz_cel_value *ret);
/* The entry's value, or NULL. Numbers that are equal are the same key. */
const struct sz_cel_value *sz_cel_map_get(const struct sz_cel_value *map,
					  const struct sz_cel_value *key);
/* Entry i in the order of insertion. */
void sz_cel_map_at(const struct sz_cel_value *map, u32 i, const struct sz_cel_value **ret_key,
		   const struct sz_cel_value **ret_value);

/* Plain JSON: integers become int, other numbers double. Strings are not copied. */
int sz_cel_from_json(struct sz_cel_arena *a, const json_t *v, struct sz_cel_value *ret);
/*
 * JSON that names each type: {"int": "1"}, {"bytes_hex": "00ff"}, {"list": [...]}, {"map":
 * [[key, value], ...]}; docs/cel.md lists them all. -EINVAL, -ENOMEM.
 */
int sz_cel_from_typed(struct sz_cel_arena *a, const json_t *v, struct sz_cel_value *ret);
/* A new reference; NULL for a value of more than a million parts. */
json_t *sz_cel_to_typed(const struct sz_cel_value *v);
/* As people write it in the language; the end is left out beyond a million parts. */
void sz_cel_print(const struct sz_cel_value *v, struct sz_buf *ret);
/* A timestamp or an address as string() gives it. */
void sz_cel_text(const struct sz_cel_value *v, struct sz_buf *ret);

/* ---- unknown values: partial evaluation ----------------------------------------------------- */

/*
 * A value that is not known yet stands in the bindings in its place: for a whole variable, or
 * inside a map. What depends on it is unknown too, and names it: `path` is what the caller calls
 * it ("request"), and fields that were selected from it are appended ("request.path").
 *
 * false && unknown is false, true || unknown is true, error || unknown is unknown; a function with
 * an erroneous argument is an error, with an unknown one unknown.
 */
int sz_cel_unknown(struct sz_cel_arena *a, const char *path, struct sz_cel_value *ret);
/* The paths of an unknown result: each once, `i` from 0; NULL beyond the last. */
const char *sz_cel_unknown_path(const struct sz_cel_value *v, u32 i);

/* ---- compiling ------------------------------------------------------------------------------ */

struct sz_cel_env;
struct sz_cel_program;

struct sz_cel_error {
	char msg[256];
	u32 offset;       /* bytes into the source */
	u32 line, column; /* from 1; columns count code points */
};

/*
 * The bytes of a time zone's TZif file (RFC 8536), or -ENOENT. Only names of letters, digits, '_',
 * '-', '+' and '/' are asked for, without empty or dotted parts. The bytes must stay. Called while
 * evaluating, so it must be fast and safe for threads.
 */
struct sz_cel_zones {
	int (*find)(void *arg, const char *name, const u8 **ret, size_t *ret_n);
	void *arg;
};

struct sz_cel_env *sz_cel_env_new(void);
void sz_cel_env_free(struct sz_cel_env *env);
/*
 * Declares a variable, whose name may have parts ("request.path"); returns its slot, counted from
 * 0 in the order of declaration. `type` as in "dyn", "int", "list(string)", "map(string, dyn)",
 * "timestamp", "net.IP". -EINVAL for a bad name or type, -EEXIST, -E2BIG.
 */
int sz_cel_declare(struct sz_cel_env *env, const char *name, const char *type);
/* Names are looked up in this package first ("com.example"). */
int sz_cel_env_container(struct sz_cel_env *env, const char *name);
void sz_cel_env_zones(struct sz_cel_env *env, const struct sz_cel_zones *zones);

#define SZ_CEL_UNCHECKED 0x1u /* no type checking: what is undeclared fails when it is reached */

/* The environment may go before the program. -EINVAL with *e filled. */
int sz_cel_compile(const struct sz_cel_env *env, const char *text, size_t n, u32 flags,
		   struct sz_cel_program **ret, struct sz_cel_error *e) SZ_MUST_CHECK;
void sz_cel_program_free(struct sz_cel_program *p);
/* The type of the result, as it is declared; "dyn" where that shows only when evaluated. */
const char *sz_cel_program_type(const struct sz_cel_program *p);
bool sz_cel_program_uses(const struct sz_cel_program *p, u32 slot);
u32 sz_cel_program_slots(const struct sz_cel_program *p);

/* The line of the source that the error is in, with a caret under its column; for terminals. */
void sz_cel_error_show(const struct sz_cel_error *e, const char *text, size_t n,
		       struct sz_buf *ret);

/* ---- evaluating ----------------------------------------------------------------------------- */

#define SZ_CEL_STEPS 1000000u /* a budget for those who have no opinion */

/*
 * slots: one value for each declared variable. steps: a step is an operation, or 16 bytes or
 * elements that one goes through. The result lives in the arena, the slots and the program.
 * Returns 0, also where *ret is SZ_CEL_UNKNOWN; -EINVAL for an error of the expression, -E2BIG
 * where a budget is used up, both with *e filled.
 */
int sz_cel_eval(const struct sz_cel_program *p, const struct sz_cel_value *slots, u64 steps,
		struct sz_cel_arena *a, struct sz_cel_value *ret,
		struct sz_cel_error *e) SZ_MUST_CHECK;

/* ---- how long and how far a result holds ---------------------------------------------------- */

#define SZ_CEL_TIMES_MAX 64

/*
 * What a program makes of two variables: the time (a timestamp) and the source (a net.IP). Unless
 * `time_opaque`, the result is the same at any two instants between which lies none of `times` and,
 * where step_s is not 0, no multiple of step_s seconds since 1970. Unless `source_opaque`, it is
 * the same for any source whose first `source_bits` bits (of the 128 with IPv4 as ::ffff:a.b.c.d)
 * are those of the one given. Both hold for results that are unknown, too.
 */
struct sz_cel_bounds {
	bool time_opaque, source_opaque;
	u32 step_s, source_bits, n_times;
	s64 times[SZ_CEL_TIMES_MAX]; /* nanoseconds since 1970, in no order */
};

/* slots: the values known now, among them the source. `time` and `source` are slots. */
void sz_cel_bounds(const struct sz_cel_program *p, const struct sz_cel_value *slots, u32 time,
		   u32 source, u64 budget, struct sz_cel_arena *a, struct sz_cel_bounds *ret);

#endif

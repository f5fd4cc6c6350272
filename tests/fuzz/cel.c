/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any text as an expression: compiled with and without type checking, evaluated within budgets with
 * known and with unknown variables. An error must have a place inside the text; what is evaluated
 * twice is the same twice; no more memory is used than was allowed; what is known before a variable
 * is known stays true when it is.
 */
#include <string.h>

#include "cel/cel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY 65536
#define STEPS  20000
#define N_VARS 4

static void must(bool good)
{
	if (!good)
		abort();
}

static void bind(struct sz_cel_arena *a, struct sz_cel_value slots[N_VARS])
{
	struct sz_cel_value pairs[4] = {sz_cel_string("a", 1), sz_cel_int(7), sz_cel_string("b", 1),
					sz_cel_string("x\xc3\xa4y", 4)};

	slots[0] = sz_cel_string("GET /\xe2\x82\xac", 8);
	slots[1] = sz_cel_int(42);
	must(!sz_cel_map(a, pairs, 2, &slots[2]));
	slots[3] = sz_cel_timestamp(1234567890, 5);
}

static int eval(const struct sz_cel_program *p, const struct sz_cel_value *slots,
		struct sz_cel_arena *a, struct sz_buf *ret, struct sz_cel_value *v, size_t size)
{
	struct sz_cel_error e;
	size_t before = a->used;
	int err = sz_cel_eval(p, slots, STEPS, a, v, &e);

	must(err == 0 || err == -EINVAL || err == -E2BIG);
	must(a->used <= a->limit && a->used >= before);
	if (err)
		must(e.offset <= size && e.line && e.column && e.msg[0]);
	else if (a->used < MEMORY / 4)
		sz_cel_print(v, ret);
	return err;
}

static void run(const struct sz_cel_program *p, size_t size)
{
	struct sz_cel_value slots[N_VARS], some[N_VARS], v, w, u;
	struct sz_buf one = {0}, two = {0}, three = {0};
	struct sz_cel_arena a, b;
	int err;

	sz_cel_arena_init(&a, MEMORY);
	sz_cel_arena_init(&b, MEMORY);
	bind(&a, slots);
	err = eval(p, slots, &a, &one, &v, size);
	sz_cel_arena_reset(&b);
	must(err == eval(p, slots, &b, &two, &w, size) || err == -E2BIG);
	if (!err && v.type < SZ_CEL_LIST)
		must(v.type == w.type && v.n == w.n &&
		     (!one.len || !two.len || one.len == two.len));
	sz_cel_arena_reset(&b);
	memcpy(some, slots, sizeof(some));
	must(!sz_cel_unknown(&b, "s", &some[0]) && !sz_cel_unknown(&b, "t", &some[3]));
	if (!eval(p, some, &b, &three, &u, size) && u.type == SZ_CEL_BOOL && err != -E2BIG)
		must(!err && v.type == SZ_CEL_BOOL && v.b == u.b);
	sz_buf_done(&one);
	sz_buf_done(&two);
	sz_buf_done(&three);
	sz_cel_arena_done(&a);
	sz_cel_arena_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct sz_cel_env *env = sz_cel_env_new();
	struct sz_cel_program *p;
	struct sz_cel_error e;
	struct sz_buf b = {0};
	u32 flags;

	must(sz_cel_declare(env, "s", "string") == 0 && sz_cel_declare(env, "i", "int") == 1 &&
	     sz_cel_declare(env, "m", "map(string, dyn)") == 2 &&
	     sz_cel_declare(env, "t", "timestamp") == 3);
	for (flags = 0; flags <= SZ_CEL_UNCHECKED; flags++) {
		if (sz_cel_compile(env, text, size, flags, &p, &e)) {
			must(!p && e.offset <= size && e.line && e.column && e.msg[0]);
			sz_cel_error_show(&e, text, size, &b);
			continue;
		}
		run(p, size);
		sz_cel_program_free(p);
	}
	sz_buf_done(&b);
	sz_cel_env_free(env);
	return 0;
}

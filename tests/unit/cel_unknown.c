/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Partial evaluation: what becomes of an expression when some of its variables are not known yet.
 * Whatever it answers must be what a full evaluation answers for every value of the unknown.
 */
#include "harness.h"

#include "cel/cel.h"

static struct sz_cel_arena arena;
static struct sz_cel_env *env;
static struct sz_cel_value slots[5], result;
static struct sz_cel_error error;

static void set_up(void)
{
	struct sz_cel_value pairs[4];

	sz_cel_arena_init(&arena, 1 << 20);
	env = sz_cel_env_new();
	EXPECT_EQ(sz_cel_declare(env, "request", "map(string, dyn)"), 0);
	EXPECT_EQ(sz_cel_declare(env, "now", "timestamp"), 1);
	EXPECT_EQ(sz_cel_declare(env, "claims", "map(string, dyn)"), 2);
	EXPECT_EQ(sz_cel_declare(env, "x", "bool"), 3);
	EXPECT_EQ(sz_cel_declare(env, "y", "bool"), 4);
	sz_cel_unknown(&arena, "request", &slots[0]);
	sz_cel_unknown(&arena, "now", &slots[1]);
	pairs[0] = sz_cel_string("sub", 3);
	pairs[1] = sz_cel_string("alice", 5);
	pairs[2] = sz_cel_string("mail", 4);
	sz_cel_unknown(&arena, "claims.mail", &pairs[3]);
	EXPECT_EQ(sz_cel_map(&arena, pairs, 2, &slots[2]), 0);
	slots[3] = sz_cel_bool(true);
	sz_cel_unknown(&arena, "y", &slots[4]);
}

static void tear_down(void)
{
	sz_cel_env_free(env);
	sz_cel_arena_done(&arena);
}

static int eval(const char *text)
{
	struct sz_cel_program *p;
	int err = sz_cel_compile(env, text, strlen(text), 0, &p, &error);

	if (!err) {
		err = sz_cel_eval(p, slots, 10000, &arena, &result, &error);
		sz_cel_program_free(p);
	}
	if (err)
		printf("# %s: %s\n", text, error.msg);
	return err;
}

/* The paths that the result waits for, in one string; "" where it is known. */
static const char *waits_for(const char *text)
{
	static char all[512];
	const char *path;
	u32 i;

	all[0] = 0;
	if (eval(text))
		return "error";
	for (i = 0; (path = sz_cel_unknown_path(&result, i)) != NULL; i++) {
		strcat(all, i ? " " : "");
		strcat(all, path);
	}
	return all;
}

static void expect_bool(const char *text, bool b)
{
	EXPECT_EQ(eval(text), 0);
	if (EXPECT_EQ(result.type, SZ_CEL_BOOL))
		EXPECT_EQ(result.b, b);
	else
		printf("# %s\n", text);
}

TEST(the_answer_names_the_fields_it_depends_on)
{
	set_up();
	EXPECT_STREQ(waits_for("request.path"), "request.path");
	EXPECT_STREQ(waits_for("request.headers['host'] == 'a'"), "request.headers.host");
	EXPECT_STREQ(waits_for("has(request.query)"), "request.query");
	EXPECT_STREQ(waits_for("request.path.startsWith('/a') && request.method == 'GET'"),
		     "request.path request.method");
	EXPECT_STREQ(waits_for("now < timestamp(0) && request.path == '/'"), "now request.path");
	EXPECT_STREQ(waits_for("[request.path, 'a', request.path]"), "request.path");
	EXPECT_STREQ(waits_for("{'a': request.path}.a"), "request.path");
	EXPECT_STREQ(waits_for("claims.mail"), "claims.mail");
	EXPECT_STREQ(waits_for("'%s'.format([claims.mail])"), "claims.mail");
	EXPECT_STREQ(waits_for("'%s'.format([claims])"), "claims.mail");
	EXPECT_STREQ(waits_for("claims == {'sub': 'alice', 'mail': 'b'}"), "claims.mail");
	EXPECT_STREQ(waits_for("y ? 1 : 2"), "y");
	EXPECT_STREQ(waits_for("!y"), "y");
	EXPECT_STREQ(waits_for("request.roles.exists(r, r == claims.sub)"), "request.roles");
	EXPECT_STREQ(waits_for("['a', 'b'].exists(r, r == request.role)"), "request.role");
	EXPECT_STREQ(waits_for("['a'].map(r, r + string(request.n))"), "request.n");
	EXPECT_STREQ(waits_for("['a', 'b'].filter(r, r == request.role)"), "request.role");
	EXPECT_STREQ(waits_for("request.?path.orValue('/')"), "request.path");
	/* What is selected from the result of a function is no field of the request. */
	EXPECT_STREQ(waits_for("[request][0].path"), "request");
	EXPECT_STREQ(waits_for("dyn(request).path"), "request");
	EXPECT_STREQ(waits_for("(y ? claims : claims).sub"), "y");
	EXPECT_STREQ(waits_for("request.roles.map(r, r)[0].x"), "request.roles");
	EXPECT_STREQ(waits_for("request[claims.sub].x"), "request.alice.x");
	EXPECT_STREQ(waits_for("request[dyn(0)].x"), "request");
	tear_down();
}

TEST(what_decides_alone_is_not_held_up)
{
	set_up();
	expect_bool("x || request.path == '/'", true);
	expect_bool("request.path == '/' || x", true);
	expect_bool("!x && request.path == '/'", false);
	expect_bool("request.path == '/' && !x", false);
	expect_bool("claims.sub == 'alice'", true);
	expect_bool("has(claims.nothing)", false);
	expect_bool("claims == {'sub': 'bob', 'mail': 'b'}", false);
	expect_bool("claims == {'sub': 'alice'}", false);
	expect_bool("'sub' in claims", true);
	expect_bool("claims.sub in ['alice', 'b']", true);
	expect_bool("['a', 'b'].exists(r, r == 'b' || r == request.role)", true);
	expect_bool("['a', 'b'].all(r, r == 'b' && r == request.role)", false);
	expect_bool("x ? x : y", true);
	tear_down();
}

TEST(an_error_yields_to_unknown_only_where_unknown_may_decide)
{
	set_up();
	EXPECT_STREQ(waits_for("1 / (size(claims.sub) - 5) == 1 || y"), "y");
	EXPECT_STREQ(waits_for("y && claims.nothing == 1"), "y");
	EXPECT_STREQ(waits_for("[1, 0].exists(i, 1 / i == 2 || (i == 1 && y))"), "y");
	/* A function with an erroneous argument fails whatever the other will be. */
	EXPECT_STREQ(waits_for("claims.nothing == request.path"), "error");
	EXPECT_STREQ(waits_for("request.path == claims.nothing"), "error");
	EXPECT_STREQ(waits_for("[request.path, claims.nothing]"), "error");
	tear_down();
}

/* ---- random expressions ---------------------------------------------------------------------- */

static u64 seed;

static u32 random_below(u32 n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(seed >> 33) % n;
}

static void random_bool(struct sz_buf *b, u32 depth);

static void random_int(struct sz_buf *b, u32 depth)
{
	static const char *const leaves[] = {"i", "j", "0", "1", "2", "size(l)"};

	if (!depth || !random_below(3)) {
		sz_buf_printf(b, "%s", leaves[random_below(6)]);
		return;
	}
	sz_buf_printf(b, "(");
	if (random_below(4)) {
		random_int(b, depth - 1);
		sz_buf_printf(b, "%c", "+-*/%"[random_below(5)]);
		random_int(b, depth - 1);
	} else {
		random_bool(b, depth - 1);
		sz_buf_printf(b, " ? ");
		random_int(b, depth - 1);
		sz_buf_printf(b, " : ");
		random_int(b, depth - 1);
	}
	sz_buf_printf(b, ")");
}

static void random_bool(struct sz_buf *b, u32 depth)
{
	static const char *const leaves[] = {"p", "q", "true", "false", "i in l", "has(m.a)"};
	static const char *const orders[] = {"==", "!=", "<", "<=", ">", ">="};
	static const char *const loops[] = {"all", "exists", "exists_one"};
	u32 kind = depth ? random_below(6) : 0;

	sz_buf_printf(b, "(");
	if (kind == 0) {
		sz_buf_printf(b, "%s", leaves[random_below(6)]);
	} else if (kind <= 2) {
		random_bool(b, depth - 1);
		sz_buf_printf(b, kind == 1 ? " && " : " || ");
		random_bool(b, depth - 1);
	} else if (kind == 3) {
		random_int(b, depth - 1);
		sz_buf_printf(b, "%s", orders[random_below(6)]);
		random_int(b, depth - 1);
	} else if (kind == 4) {
		sz_buf_printf(b, "!");
		random_bool(b, depth - 1);
	} else {
		sz_buf_printf(b, "[i, 0, j].%s(i, ", loops[random_below(3)]);
		random_bool(b, depth - 1);
		sz_buf_printf(b, ")");
	}
	sz_buf_printf(b, ")");
}

#define N_VARS 6 /* i, j, p, q, l, m */

static struct sz_cel_value random_value(u32 slot, const struct sz_cel_value *list)
{
	struct sz_cel_value pair[2] = {sz_cel_string("a", 1), sz_cel_int(1)}, v;

	if (slot < 2)
		return sz_cel_int((s64)random_below(4) - 1);
	if (slot < 4)
		return sz_cel_bool(random_below(2));
	if (slot == 4)
		return (struct sz_cel_value){
			.type = SZ_CEL_LIST, .n = random_below(4), .list = list};
	sz_cel_map(&arena, pair, random_below(2), &v);
	return v;
}

/* One expression: known values first, then some of them unknown. */
static void compare_partial(const struct sz_cel_program *p, const char *text,
			    const struct sz_cel_value *list, unsigned *decided)
{
	struct sz_cel_value full[N_VARS], some[N_VARS], part, whole;
	static const char *const names[] = {"i", "j", "p", "q", "l", "m"};
	u32 unknown = random_below(64), i, round;
	int err_part, err_whole;

	for (i = 0; i < N_VARS; i++) {
		some[i] = random_value(i, list);
		if (unknown >> i & 1)
			sz_cel_unknown(&arena, names[i], &some[i]);
	}
	err_part = sz_cel_eval(p, some, 100000, &arena, &part, &error);
	if (!err_part && part.type == SZ_CEL_UNKNOWN)
		return;
	*decided += unknown != 0;
	for (round = 0; round < 8; round++) {
		for (i = 0; i < N_VARS; i++)
			full[i] = unknown >> i & 1 ? random_value(i, list) : some[i];
		err_whole = sz_cel_eval(p, full, 100000, &arena, &whole, &error);
		if (!EXPECT_EQ(err_part, err_whole) ||
		    (!err_whole && !EXPECT_TRUE(whole.type == SZ_CEL_BOOL && whole.b == part.b)))
			printf("# %s with unknown %x\n", text, unknown);
	}
}

TEST(a_partial_answer_holds_for_every_value_of_the_unknown)
{
	struct sz_cel_value list[3] = {sz_cel_int(0), sz_cel_int(1), sz_cel_int(2)};
	struct sz_cel_program *p;
	struct sz_buf text = {0};
	unsigned n, decided = 0;

	sz_cel_arena_init(&arena, 16 << 20);
	env = sz_cel_env_new();
	sz_cel_declare(env, "i", "int");
	sz_cel_declare(env, "j", "int");
	sz_cel_declare(env, "p", "bool");
	sz_cel_declare(env, "q", "bool");
	sz_cel_declare(env, "l", "list(int)");
	sz_cel_declare(env, "m", "map(string, int)");
	for (n = 0, seed = 1; n < 20000; n++) {
		sz_buf_reset(&text);
		random_bool(&text, 4);
		sz_cel_arena_reset(&arena);
		ASSERT_EQ(sz_cel_compile(env, text.data, text.len, 0, &p, &error), 0);
		compare_partial(p, text.data, list, &decided);
		sz_cel_program_free(p);
	}
	printf("# %u expressions were decided although something was unknown\n", decided);
	EXPECT_TRUE(decided > 1000);
	sz_buf_done(&text);
	tear_down();
}

/* Folding constants and looking up names must not change what an expression means. */
TEST(an_expression_of_constants_is_what_it_is_with_variables)
{
	static const char *const names[] = {"i", "j", "p", "q"};
	struct sz_cel_value v[4], with, without;
	struct sz_buf text = {0}, bound = {0};
	struct sz_cel_program *p;
	int err_with, err_without;
	unsigned n, i;

	sz_cel_arena_init(&arena, 16 << 20);
	env = sz_cel_env_new();
	for (i = 0; i < 4; i++)
		sz_cel_declare(env, names[i], i < 2 ? "int" : "bool");
	for (n = 0, seed = 2; n < 10000; n++) {
		sz_cel_arena_reset(&arena);
		sz_buf_reset(&text);
		sz_buf_reset(&bound);
		sz_buf_printf(&text, "cel.bind(l, [0, 1], cel.bind(m, {'a': 1}, ");
		random_bool(&text, 4);
		sz_buf_printf(&text, "))");
		for (i = 0; i < 4; i++) {
			v[i] = random_value(i, NULL);
			sz_buf_printf(&bound, "cel.bind(%s, ", names[i]);
			sz_cel_print(&v[i], &bound);
			sz_buf_printf(&bound, ", ");
		}
		sz_buf_printf(&bound, "%s))))", text.data);
		ASSERT_EQ(sz_cel_compile(env, text.data, text.len, 0, &p, &error), 0);
		err_with = sz_cel_eval(p, v, 100000, &arena, &with, &error);
		sz_cel_program_free(p);
		ASSERT_EQ(sz_cel_compile(env, bound.data, bound.len, 0, &p, &error), 0);
		err_without = sz_cel_eval(p, NULL, 100000, &arena, &without, &error);
		sz_cel_program_free(p);
		if (!EXPECT_EQ(err_with, err_without) ||
		    (!err_with && !EXPECT_EQ(with.b, without.b)))
			printf("# %s\n", bound.data);
	}
	sz_buf_done(&text);
	sz_buf_done(&bound);
	tear_down();
}

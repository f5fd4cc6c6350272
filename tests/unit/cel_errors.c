/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What cel refuses, and how it says so: syntax, types, limits, budgets; the place of each error.
 */
#include "harness.h"

#include "cel/cel.h"

static struct sz_cel_error error;
static struct sz_cel_value slots[8];

/* Compiles and evaluates; 0, or the error with `error` filled. Values do not outlive it. */
static int run(const char *text, u32 flags, u64 steps, size_t memory, struct sz_cel_value *ret)
{
	struct sz_cel_env *env = sz_cel_env_new();
	struct sz_cel_program *p;
	struct sz_cel_arena a;
	int err;

	sz_cel_declare(env, "s", "string");
	sz_cel_declare(env, "m", "map(string, int)");
	sz_cel_declare(env, "d", "dyn");
	err = sz_cel_compile(env, text, strlen(text), flags, &p, &error);
	sz_cel_env_free(env);
	if (err)
		return err;
	sz_cel_arena_init(&a, memory);
	err = sz_cel_eval(p, slots, steps, &a, ret, &error);
	sz_cel_arena_done(&a);
	sz_cel_program_free(p);
	return err;
}

static int eval(const char *text)
{
	struct sz_cel_value v;

	return run(text, 0, SZ_CEL_STEPS, 1 << 20, &v);
}

static void begin(void)
{
	memset(slots, 0, sizeof(slots));
	slots[0] = sz_cel_string("abc", 3);
	slots[1].type = SZ_CEL_MAP;
	slots[2] = sz_cel_int(1);
}

/* The expression is refused at this place with a message that holds `part`. */
#define REFUSED(text, at_line, at_column, part)                                                    \
	do {                                                                                       \
		begin();                                                                           \
		EXPECT_EQ(eval(text), -EINVAL);                                                    \
		EXPECT_EQ(error.line, at_line);                                                    \
		EXPECT_EQ(error.column, at_column);                                                \
		EXPECT_CONTAINS(error.msg, part);                                                  \
	} while (0)

TEST(syntax_errors_name_line_and_column)
{
	REFUSED("", 1, 1, "ends where a value");
	REFUSED("1 +", 1, 4, "ends where");
	REFUSED("1 +\n  * 2", 2, 3, "a value is expected");
	REFUSED("(1", 1, 3, "')'");
	REFUSED("[1, 2", 1, 6, "',' or ']'");
	REFUSED("{1: 2, 3}", 1, 9, "':'");
	REFUSED("'\xc3\xa4' ~ 1", 1, 5, "does not belong");
	REFUSED("1 2", 1, 3, "operator or the end");
	REFUSED("a = 1", 1, 3, "'=='");
	REFUSED("'open", 1, 1, "no end");
	REFUSED("'\\q'", 1, 2, "unknown escape");
	REFUSED("'\\ud800'", 1, 8, "code point");
	REFUSED("b'\\u0041'", 1, 3, "unknown escape");
	REFUSED("9223372036854775808", 1, 1, "64 bits");
	REFUSED("18446744073709551616u", 1, 1, "64 bits");
	REFUSED("1e999", 1, 1, "too large");
	REFUSED("12abc", 1, 1, "letter");
	REFUSED("while", 1, 1, "reserved");
	REFUSED("Message{a: 1}", 1, 1, "messages");
	REFUSED("size(1,)", 1, 8, "an argument");
	REFUSED("[1].all(2, true)", 1, 9, "name of a variable");
	REFUSED("has(s)", 1, 5, "needs a field");
}

TEST(text_that_is_not_utf8_is_refused)
{
	REFUSED("'\xff'", 1, 1, "UTF-8");
}

TEST(type_errors_are_found_before_anything_is_evaluated)
{
	REFUSED("1 + 'a'", 1, 3, "no such overload: + (int, string)");
	REFUSED("s + 1 > 2", 1, 3, "no such overload: + (string, int)");
	REFUSED("true && 1", 1, 9, "must be bool");
	REFUSED("s.size(1)", 1, 3, "no method size() of 1 arguments");
	REFUSED("nothing == 1", 1, 1, "undeclared name nothing");
	REFUSED("s.field", 1, 3, "no such fields");
	REFUSED("m[1] == 1", 1, 2, "never in this map");
	REFUSED("1 in ['a']", 1, 3, "no such overload");
	REFUSED("true ? 1 : 'a'", 1, 6, "no such overload");
	REFUSED("[1].map(x, x + 'a')", 1, 14, "no such overload");
	REFUSED("1.all(x, true)", 1, 3, "no elements");
	REFUSED("m.a.startsWith('x')", 1, 5, "startsWith (int, string)");
	REFUSED("s.matches('(')", 1, 11, "')' is missing");
	REFUSED("math.greatest('a')", 1, 6, "no such overload");
}

TEST(without_checking_they_are_found_when_they_are_reached)
{
	struct sz_cel_value v;

	begin();
	EXPECT_EQ(run("1 + 'a'", SZ_CEL_UNCHECKED, 1000, 4096, &v), -EINVAL);
	EXPECT_CONTAINS(error.msg, "no such overload");
	EXPECT_EQ(error.column, 3);
	EXPECT_EQ(run("nothing == 1 || true", SZ_CEL_UNCHECKED, 1000, 4096, &v), 0);
	EXPECT_TRUE(v.type == SZ_CEL_BOOL && v.b);
	EXPECT_EQ(run("nothing.at.all()", SZ_CEL_UNCHECKED, 1000, 4096, &v), -EINVAL);
	EXPECT_EQ(run("size()", SZ_CEL_UNCHECKED, 1000, 4096, &v), -EINVAL);
	EXPECT_EQ(run("'a'.contains()", SZ_CEL_UNCHECKED, 1000, 4096, &v), -EINVAL);
}

TEST(errors_of_an_evaluation_point_at_what_failed)
{
	REFUSED("s == 'x' ||\n 10 / (size(s) - 3) == 1", 2, 5, "division by zero");
	REFUSED("m.missing == 1", 1, 3, "no such field");
	REFUSED("m['missing'] == 1", 1, 2, "no such key");
	REFUSED("[1, 2][size(s)] == 1", 1, 7, "out of bounds");
	REFUSED("d.field == 1", 1, 3, "type int has no fields");
	REFUSED("int(s) == 1", 1, 1, "no int");
	REFUSED("9223372036854775807 + size(s) > 0", 1, 21, "does not fit");
	REFUSED("timestamp(s) == timestamp(0)", 1, 1, "RFC 3339");
	REFUSED("s.matches(s + '(')", 1, 3, "')' is missing");
	REFUSED("timestamp(0).getHours(s) == 0", 1, 14, "unknown time zone abc");
	REFUSED("timestamp(0).getHours('../' + s) == 0", 1, 14, "no time zone");
}

TEST(a_variable_without_a_value_is_an_error_only_where_it_is_needed)
{
	struct sz_cel_value v;

	begin();
	slots[0].type = SZ_CEL_UNSET;
	EXPECT_EQ(run("s == 'a'", 0, 1000, 4096, &v), -EINVAL);
	EXPECT_CONTAINS(error.msg, "variable s has no value");
	EXPECT_EQ(run("s == 'a' || d == 1", 0, 1000, 4096, &v), 0);
	EXPECT_TRUE(v.b);
}

TEST(the_line_is_shown_with_a_caret_under_its_column)
{
	static const char text[] = "true &&\n'\xc3\xa4' + 1 == 2";
	struct sz_buf b = {0};

	begin();
	EXPECT_EQ(eval(text), -EINVAL);
	EXPECT_EQ(error.column, 5);
	sz_cel_error_show(&error, text, strlen(text), &b);
	EXPECT_STREQ(b.data, "'\xc3\xa4' + 1 == 2\n    ^\n");
	sz_buf_done(&b);
}

/* ---- limits --------------------------------------------------------------------------------- */

/* n times `open`, then `middle`, then n times `close`. */
static char *nested(const char *open, const char *middle, const char *close, int n)
{
	struct sz_buf b = {0};
	int i;

	for (i = 0; i < n; i++)
		sz_buf_printf(&b, "%s", open);
	sz_buf_printf(&b, "%s", middle);
	for (i = 0; i < n; i++)
		sz_buf_printf(&b, "%s", close);
	return b.data;
}

static void expect_nested(const char *open, const char *middle, const char *close, int n, int err)
{
	char *text = nested(open, middle, close, n);

	begin();
	if (!EXPECT_EQ(eval(text), err))
		printf("# %.40s: %s\n", text, error.msg);
	if (err)
		EXPECT_TRUE(strstr(error.msg, "deeper") || strstr(error.msg, "more than"));
	free(text);
}

TEST(nesting_is_bounded_whatever_is_nested)
{
	expect_nested("(", "1", ")", 100, 0);
	expect_nested("(", "1", ")", 30000, -EINVAL);
	expect_nested("[", "1", "]", 100, 0);
	expect_nested("[", "1", "]", 30000, -EINVAL);
	expect_nested("!", "true", "", 60000, -EINVAL);
	expect_nested("- ", "d", "", 30000, -EINVAL);
	expect_nested("1 + ", "1", "", 100, 0);
	expect_nested("1 + ", "1", "", 10000, -EINVAL);
	expect_nested("true ? 1 : ", "1", "", 100, 0);
	expect_nested("true ? 1 : ", "1", "", 5000, -EINVAL);
	expect_nested("", "d", ".a", 20000, -EINVAL);
	expect_nested("[1].map(x, ", "x", ")", 60, 0);
	expect_nested("[1].map(x, ", "x", ")", 65, -EINVAL);
}

TEST(chains_of_and_and_or_are_not_nested)
{
	expect_nested("true && ", "true", "", 5000, 0);
	expect_nested("d == 2 || ", "true", "", 3000, 0);
}

TEST(size_is_bounded)
{
	char *text = nested("1 == 1 && ", "true", "", 12000);

	begin();
	EXPECT_EQ(eval(text), -EINVAL);
	EXPECT_CONTAINS(error.msg, "longer than");
	free(text);
}

/* ---- budgets -------------------------------------------------------------------------------- */

#define TEN "[1,2,3,4,5,6,7,8,9,d]"

TEST(steps_are_bounded_and_nothing_absorbs_that)
{
	static const char *const texts[] = {
		TEN ".all(a, " TEN ".all(b, " TEN ".all(c, " TEN ".all(e, " TEN
		    ".all(f, d == 1)))))",
		"(" TEN ".all(a, " TEN ".all(b, " TEN ".all(c, " TEN
		".all(e, d == 1)))) || d == 1)",
		TEN ".exists(a, " TEN ".exists(b, " TEN ".exists(c, " TEN ".exists(e, d == 2))))",
	};
	struct sz_cel_value v;
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(texts); i++) {
		begin();
		EXPECT_EQ(run(texts[i], 0, 5000, 1 << 20, &v), -E2BIG);
		EXPECT_CONTAINS(error.msg, "steps");
		EXPECT_EQ(v.type, SZ_CEL_NULL);
	}
	EXPECT_EQ(run(texts[2], 0, 1000000, 1 << 20, &v), 0);
	EXPECT_TRUE(v.type == SZ_CEL_BOOL && !v.b);
	EXPECT_EQ(run("d == 1 || false", 0, 4, 4096, &v), 0);
	EXPECT_EQ(run("d == 1 || false", 0, 3, 4096, &v), -E2BIG);
}

TEST(memory_is_bounded_whatever_asks_for_it)
{
	static const char *const texts[] = {
		"cel.bind(a, s + s + s + s, cel.bind(b, a + a + a + a, cel.bind(c, b + b + b + b, "
		"cel.bind(e, c + c + c + c, e + e + e + e + e + e))))",
		TEN ".map(a, " TEN ".map(b, " TEN ".map(c, a + b + c + d)))",
		"cel.bind(a, [s, s, s, s], cel.bind(b, [a, a, a, a], cel.bind(c, [b, b, b, b], "
		"'%s'.format([[c, c, c, c]]))))",
		"(s + s + s + s).replace('', (s + s + s + s)).replace('', (s + s + s + s + s + s))",
		TEN ".map(a, s).join(" TEN ".map(a, s).join(" TEN ".map(a, s).join()))",
		TEN ".transformMap(i, a, " TEN ".transformMap(j, b, s + s)).size() == 10",
	};
	struct sz_cel_value v;
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(texts); i++) {
		begin();
		if (!EXPECT_EQ(run(texts[i], 0, 1000000, 700, &v), -E2BIG))
			printf("# %s\n", texts[i]);
		EXPECT_CONTAINS(error.msg, "memory");
		EXPECT_EQ(run(texts[i], 0, 1000000, 1 << 20, &v), 0);
	}
}

TEST(a_pattern_that_others_choke_on_takes_time_in_proportion)
{
	struct sz_cel_value v;
	char text[4001];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	begin();
	slots[0] = sz_cel_string(text, sizeof(text) - 1);
	EXPECT_EQ(run("s.matches('^(a+)+$') && !s.matches('(a|a|aa)*b$')", 0, 100000, 1 << 20, &v),
		  0);
	EXPECT_TRUE(v.b);
	EXPECT_EQ(run("s.matches('(a|a|aa)*b$') || d == 1", 0, 1000, 1 << 20, &v), -E2BIG);
}

TEST(what_a_match_needs_is_free_again_after_it)
{
	struct sz_cel_value v;

	begin();
	EXPECT_EQ(run("s.matches('^[a-c]+$') && s.matches('[a-c]+$') && s.matches('^[a-c]')", 0,
		      1000, 300, &v),
		  0);
	EXPECT_EQ(run("s.matches('^[a-c]+$')", 0, 1000, 100, &v), -E2BIG);
}

TEST(patterns_that_are_too_large_are_refused)
{
	REFUSED("s.matches('((((a{1000}){1000}){1000}){1000})')", 1, 11, "too large");
	REFUSED("s.matches('((((){1000}){1000}){1000})')", 1, 11, "too large");
	REFUSED("s.matches('a{1001}')", 1, 11, "repetitions");
	REFUSED("s.matches('(a)\\\\1')", 1, 11, "back references");
	REFUSED("s.matches('(?=a)')", 1, 11, "flag");
	REFUSED("s.matches('a**')", 1, 11, "repetition of a repetition");
	REFUSED("s.matches('[z-a]')", 1, 11, "wrong way round");
	REFUSED("s.matches('[a')", 1, 11, "']'");
}

TEST(declarations_are_checked)
{
	struct sz_cel_env *env = sz_cel_env_new();

	EXPECT_EQ(sz_cel_declare(env, "a.b", "map(string, list(dyn))"), 0);
	EXPECT_EQ(sz_cel_declare(env, "c", " timestamp "), 1);
	EXPECT_EQ(sz_cel_declare(env, "a.b", "int"), -EEXIST);
	EXPECT_EQ(sz_cel_declare(env, "", "int"), -EINVAL);
	EXPECT_EQ(sz_cel_declare(env, "a..b", "int"), -EINVAL);
	EXPECT_EQ(sz_cel_declare(env, ".a", "int"), -EINVAL);
	EXPECT_EQ(sz_cel_declare(env, "1a", "int"), -EINVAL);
	EXPECT_EQ(sz_cel_declare(env, "x", "map(string)"), -EINVAL);
	EXPECT_EQ(sz_cel_declare(env, "x", "nothing"), -EINVAL);
	EXPECT_EQ(sz_cel_declare(env, "x", "list(int"), -EINVAL);
	EXPECT_EQ(sz_cel_declare(env, "x", "int x"), -EINVAL);
	EXPECT_EQ(sz_cel_env_container(env, "a b"), -EINVAL);
	sz_cel_env_free(env);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long a value holds: the steps of the clock that parts of the calendar are looked at in, in
 * zones of every kind, and that between two steps nothing turns. Also patterns that begin with
 * plain text, which is compared at once.
 */
#include "harness.h"
#include "cel/cel.h"

enum { NOW, SOURCE };

static struct sz_cel_value slots[2];
static struct sz_cel_arena arena;

static struct sz_cel_program *compile(const char *text)
{
	struct sz_cel_env *env = sz_cel_env_new();
	struct sz_cel_program *p = NULL;
	struct sz_cel_error e;

	sz_cel_declare(env, "now", "timestamp");
	sz_cel_declare(env, "source", "net.IP");
	if (sz_cel_compile(env, text, strlen(text), 0, &p, &e))
		printf("# %s: %s\n", text, e.msg);
	sz_cel_env_free(env);
	return p;
}

static s64 value_at(const struct sz_cel_program *p, s64 s)
{
	struct sz_cel_value v;
	struct sz_cel_error e;

	sz_cel_arena_reset(&arena);
	slots[NOW] = sz_cel_timestamp(s, 0);
	if (sz_cel_eval(p, slots, SZ_CEL_STEPS, &arena, &v, &e))
		return -1;
	return v.type == SZ_CEL_BOOL ? v.b : v.i;
}

static u32 step_of(const struct sz_cel_program *p)
{
	struct sz_cel_bounds b;

	sz_cel_arena_reset(&arena);
	slots[NOW] = sz_cel_timestamp(0, 0);
	sz_cel_bounds(p, slots, NOW, SOURCE, SZ_CEL_STEPS, &arena, &b);
	return b.time_opaque ? 0 : b.step_s;
}

TEST(hours_step_as_their_zone_does)
{
	static const struct {
		const char *text;
		u32 step;
	} cases[] = {
		{"now.getHours()", 3600},
		{"now.getHours('+01:00')", 3600},
		{"now.getHours('-11:00')", 3600},
		{"now.getHours('+05:30')", 1800},
		{"now.getHours('+05:45')", 900},
		{"now.getHours('-00:15')", 900},
		{"now.getHours('+01:23')", 60},
		{"now.getMinutes('+01:00')", 60},
		{"now.getDayOfWeek('-03:30')", 1800},
		{"now.getDate('09:00')", 3600},
		{"now.getHours('UTC')", 900},
		{"now.getHours('+01:00') + now.getHours('+05:45')", 900},
		{"now.getHours('+05:30') + now.getMinutes()", 60},
	};
	u64 seed = 0x9e3779b97f4a7c15ull;
	struct sz_cel_program *p;
	size_t i;
	u32 k;

	sz_cel_arena_init(&arena, 1 << 16);
	for (i = 0; i < SZ_ARRAY_LEN(cases); i++) {
		p = compile(cases[i].text);
		ASSERT_TRUE(p);
		EXPECT_EQ(step_of(p), cases[i].step);
		for (k = 0; k < 500; k++) {
			s64 step = cases[i].step, begin;

			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			begin = (s64)(seed >> 32) / step * step;
			EXPECT_EQ(value_at(p, begin), value_at(p, begin + step - 1));
		}
		sz_cel_program_free(p);
	}
	sz_cel_arena_done(&arena);
}

TEST(patterns_with_a_plain_beginning)
{
	static const struct {
		const char *text;
		bool match;
	} cases[] = {
		{"string(now).matches('^1970-[0-9]+-01T')", true},
		{"string(now).matches('^1971-[0-9]+-01T')", false},
		{"string(now).matches('^1970(-01)*T')", true},
		{"string(now).matches('^19+70')", true},
		{"string(now).matches('^19*9*70')", true},
		{"string(now).matches('^19{2}70')", false},
		{"string(now).matches('^1970|x')", true},
		{"string(now).matches('^1971|1970')", true},
		{"string(now).matches('^1970-01-01T00:00:00Z[0-9]')", false},
		{"string(now).matches('^1970-01-01T00:00:00Z[0-9]*$')", true},
		{"string(now).matches('^1970-01-01T00:00:00Z\\\\b')", true},
		{"string(now).matches('^1970\\\\B-')", false},
		{"string(now).matches('^970-[0-9]')", false},
		{"string(now).matches('970-[0-9]')", true},
		{"'\u00e4\u00f6' + string(now) == '' || ('\u00e4\u00f6' + "
		 "string(now)).matches('^\u00e4\u00f6[0-9]+-')",
		 true},
	};
	struct sz_cel_program *p;
	size_t i;

	sz_cel_arena_init(&arena, 1 << 16);
	for (i = 0; i < SZ_ARRAY_LEN(cases); i++) {
		p = compile(cases[i].text);
		ASSERT_TRUE(p);
		EXPECT_EQ(value_at(p, 0), (s64)cases[i].match);
		sz_cel_program_free(p);
	}
	sz_cel_arena_done(&arena);
}

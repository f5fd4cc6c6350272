/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The command `cel eval` as it is called: what it prints, to which stream, and its exit status.
 */
#include "harness.h"

#include "ctl_run.h"

static const struct sz_ctl_option options[] = {
	{"bindings", 0, "FILE", ""},
	{"unknown", 0, "NAME", ""},
	{"jsonl", 0, "FILE", ""},
	{NULL, 0, NULL, NULL},
};
static const struct sz_ctl_command commands[] = {
	{"cel", "eval", true, "[EXPR]", 0, 1, "", options, sz_ctl_cmd_cel_eval},
	{NULL, NULL, false, NULL, 0, 0, NULL, NULL, NULL},
};

#define RUN(...)                                                                                   \
	({                                                                                         \
		char *argv_[] = {"subzeroctl", "cel", "eval", __VA_ARGS__};                        \
		run(commands, (int)SZ_ARRAY_LEN(argv_), argv_);                                    \
	})

TEST(a_value_is_printed_and_the_status_is_0)
{
	EXPECT_EQ(RUN("[1, 'a'].map(x, [x])"), SZ_CTL_OK);
	EXPECT_STREQ(out, "[[1], [\"a\"]]\n");
	EXPECT_STREQ(err, "");
	EXPECT_EQ(RUN("--json", "1u"), SZ_CTL_OK);
	EXPECT_CONTAINS(out, "\"uint\": \"1\"");
}

TEST(an_error_is_shown_with_its_place_and_the_status_is_1)
{
	EXPECT_EQ(RUN("1 +\n 'a'"), SZ_CTL_FAILED);
	EXPECT_STREQ(out, "");
	EXPECT_CONTAINS(err, "1:3: no such overload: + (int, string)\n1 +\n  ^\n");
}

TEST(bindings_declare_variables_by_their_values)
{
	char *path = file("vars.json", "{\"n\": 5, \"s\": \"x\", \"m\": {\"a\": [1.5, null]}}");

	EXPECT_EQ(RUN("n == 5 && s == 'x' && m.a == [1.5, null]", "--bindings", path), SZ_CTL_OK);
	EXPECT_STREQ(out, "true\n");
	EXPECT_EQ(RUN("n == s", "--bindings", path), SZ_CTL_FAILED);
	EXPECT_CONTAINS(err, "1:3: no such overload: == (int, string)");
	EXPECT_EQ(RUN("m.b || unknown.x", "--bindings", path, "--unknown", "unknown"), SZ_CTL_OK);
	EXPECT_STREQ(out, "unknown: unknown.x\n");
	EXPECT_EQ(RUN("n", "--bindings", path, "--unknown", "n"), SZ_CTL_FAILED);
	EXPECT_CONTAINS(err, "there is a value for 'n'");
}

TEST(bindings_that_cannot_be_used_are_refused)
{
	char *path = file("vars.json", "{\"a-b\": 5}");

	EXPECT_EQ(RUN("1", "--bindings", path), SZ_CTL_FAILED);
	EXPECT_CONTAINS(err, "no name of a variable: 'a-b'");
	path = file("vars.json", "[1]");
	EXPECT_EQ(RUN("1", "--bindings", path), SZ_CTL_FAILED);
	EXPECT_CONTAINS(err, "no JSON object");
	path = file("vars.json", "{\"a\": 1, \"a\": 2}");
	EXPECT_EQ(RUN("1", "--bindings", path), SZ_CTL_FAILED);
	EXPECT_CONTAINS(err, ":1:");
}

TEST(time_zones_are_those_of_the_machine)
{
	if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK))
		SKIP("no time zones on this machine; run: sudo scripts/setup check");
	EXPECT_EQ(RUN("timestamp('2026-07-01T12:00:00Z').getHours('Europe/Berlin')"), SZ_CTL_OK);
	EXPECT_STREQ(out, "14\n");
	EXPECT_EQ(RUN("timestamp('2099-01-01T12:00:00Z').getHours('Europe/Berlin')"), SZ_CTL_OK);
	EXPECT_STREQ(out, "13\n");
}

TEST(cases_are_answered_line_by_line)
{
	char *path = file("cases.jsonl",
			  "{\"id\": \"a\", \"expr\": \"x + 1\", \"bindings\": {\"x\": {\"int\": "
			  "\"41\"}}}\n\n"
			  "{\"id\": 7, \"expr\": \"1 / 0\"}\n"
			  "{\"expr\": \"y\", \"container\": \"p.q\", \"bindings\": {\"p.y\": "
			  "{\"null\": null}}}\n"
			  "{\"id\": \"u\", \"expr\": \"f() || true\", \"disable_check\": true}\n"
			  "{\"id\": \"b\", \"expr\": 1}\n");

	EXPECT_EQ(RUN("--jsonl", path), SZ_CTL_OK);
	EXPECT_STREQ(out, "{\"id\":\"a\",\"value\":{\"int\":\"42\"}}\n"
			  "{\"id\":7,\"error\":\"1:3: division by zero\"}\n"
			  "{\"id\":null,\"value\":{\"null\":null}}\n"
			  "{\"id\":\"u\",\"value\":{\"bool\":true}}\n"
			  "{\"id\":\"b\",\"error\":\"expr is not a string\"}\n");
	path = file("cases.jsonl", "{\"id\": 1, \"expr\": \"1\"}\nnonsense\n{\"expr\": \"2\"}\n");
	EXPECT_EQ(RUN("--jsonl", path), SZ_CTL_FAILED);
	EXPECT_CONTAINS(out, "{\"id\":null,\"value\":{\"int\":\"2\"}}\n");
	EXPECT_CONTAINS(err, "line 2 is no JSON object");
	EXPECT_EQ(RUN("--jsonl", "/nowhere/cases"), SZ_CTL_FAILED);
	EXPECT_EQ(RUN("--jsonl", "/nowhere/cases", "1"), SZ_CTL_USAGE);
	EXPECT_EQ(RUN("--json"), SZ_CTL_USAGE);
}

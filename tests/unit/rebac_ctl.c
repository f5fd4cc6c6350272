/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rebac commands as they are called: what they print, to which stream, and the exit status.
 */
#include "harness.h"

#include "ctl_run.h"

static const struct sz_ctl_option options[] = {
	{"model", 0, "FILE", ""},
	{"tuples", 0, "FILE", ""},
	{"context", 0, "JSON", ""},
	{NULL, 0, NULL, NULL},
};
static const struct sz_ctl_command commands[] = {
	{"rebac", "model", false, "", 2, 2, "", NULL, sz_ctl_cmd_rebac_model},
	{"rebac", "check", false, "", 3, 3, "", options, sz_ctl_cmd_rebac_check},
	{"rebac", "list-objects", false, "", 3, 3, "", options, sz_ctl_cmd_rebac_list_objects},
	{"rebac", "list-users", false, "", 3, 3, "", options, sz_ctl_cmd_rebac_list_users},
	{"rebac", "expand", false, "", 2, 2, "", options, sz_ctl_cmd_rebac_expand},
	{"rebac", "test", false, "", 1, 16, "", NULL, sz_ctl_cmd_rebac_test},
	{NULL, NULL, false, NULL, 0, 0, NULL, NULL, NULL},
};

#define RUN(...)                                                                                   \
	({                                                                                         \
		char *argv_[] = {"subzeroctl", "rebac", __VA_ARGS__};                              \
		run(commands, (int)SZ_ARRAY_LEN(argv_), argv_);                                    \
	})

#define MODEL                                                                                      \
	"model\n  schema 1.1\n\ntype user\n\ntype group\n  relations\n"                            \
	"    define member: [user]\n\ntype doc\n  relations\n    define blocked: [user]\n"         \
	"    define viewer: ([user with c, group#member]) but not blocked\n\n"                     \
	"condition c(n: int) {\n  n < 5\n}\n"
#define TUPLES                                                                                     \
	"- {user: \"group:g#member\", relation: viewer, object: \"doc:1\"}\n"                      \
	"- {user: \"user:anne\", relation: member, object: \"group:g\"}\n"                         \
	"- {user: \"user:bob\", relation: viewer, object: \"doc:1\", condition: {name: c}}\n"

TEST(a_model_is_validated_and_converted_there_and_back)
{
	char *fga = file("m.fga", MODEL), *json;

	EXPECT_EQ(RUN("model", "validate", fga), 0);
	EXPECT_CONTAINS(out, "is a valid model");
	EXPECT_EQ(RUN("model", "convert", fga), 0);
	EXPECT_CONTAINS(out, "\"difference\"");
	json = file("m.json", out);
	EXPECT_EQ(RUN("model", "convert", json), 0);
	EXPECT_CONTAINS(out, "    define viewer: [user with c, group#member] but not blocked\n");
	fga = file("bad.fga", "model\n  schema 1.1\ntype user\n  relations\n    define a: b\n");
	EXPECT_EQ(RUN("model", "validate", fga), SZ_CTL_FAILED);
	EXPECT_CONTAINS(err, "bad.fga:5:15: type 'user' has no relation 'b'");
	EXPECT_EQ(RUN("model", "validate", fga, "--json"), SZ_CTL_FAILED);
	EXPECT_CONTAINS(out, "\"line\": 5");
	EXPECT_EQ(RUN("model", "prove", fga), SZ_CTL_USAGE);
	EXPECT_EQ(RUN("model", "validate", "/nowhere/m.fga"), SZ_CTL_FAILED);
}

TEST(check_says_yes_no_or_why_not)
{
	char *m = file("m.fga", MODEL), *t = file("t.yaml", TUPLES);

	EXPECT_EQ(RUN("check", "--model", m, "--tuples", t, "user:anne", "viewer", "doc:1"), 0);
	EXPECT_STREQ(out, "yes\n");
	EXPECT_EQ(RUN("check", "--model", m, "--tuples", t, "user:eve", "viewer", "doc:1"),
		  SZ_CTL_FAILED);
	EXPECT_STREQ(out, "no\n");
	EXPECT_EQ(RUN("check", "--model", m, "--tuples", t, "user:bob", "viewer", "doc:1"),
		  SZ_CTL_FAILED);
	EXPECT_STREQ(out, "");
	EXPECT_CONTAINS(err, "validation_error: condition 'c' cannot be told");
	EXPECT_EQ(RUN("check", "--model", m, "--tuples", t, "user:bob", "viewer", "doc:1",
		      "--context", "{\"n\": 3}", "--json"),
		  0);
	EXPECT_CONTAINS(out, "\"allowed\": true");
	EXPECT_EQ(RUN("check", "--model", m, "user:bob", "viewer", "doc:1", "--context", "3"),
		  SZ_CTL_USAGE);
	/* Without a model it is the daemon's to say, and there is none. */
	EXPECT_EQ(RUN("check", "--control", "/nonexistent/x", "user:bob", "viewer", "doc:1"),
		  SZ_CTL_FAILED);
	EXPECT_CONTAINS(err, "/nonexistent/x");
}

TEST(lists_are_one_name_a_line)
{
	char *m = file("m.fga", MODEL);
	char *t = file("t.jsonl",
		       "{\"user\": \"user:anne\", \"relation\": \"member\", \"object\": "
		       "\"group:b\"}\n\n{\"user\": \"user:anne\", \"relation\": \"member\","
		       "\"object\": \"group:a\"}\n");

	EXPECT_EQ(RUN("list-objects", "--model", m, "--tuples", t, "user:anne", "member", "group"),
		  0);
	EXPECT_STREQ(out, "group:a\ngroup:b\n");
	EXPECT_EQ(RUN("list-users", "--model", m, "--tuples", t, "group:a", "member", "user",
		      "--json"),
		  0);
	EXPECT_CONTAINS(out, "\"users\": [\n    \"user:anne\"");
	EXPECT_EQ(RUN("list-objects", "--model", m, "--tuples", t, "user:anne", "member", "club"),
		  SZ_CTL_FAILED);
	EXPECT_CONTAINS(err, "type_not_found");
	EXPECT_EQ(RUN("expand", "--model", m, "--tuples", t, "group:a", "member"), 0);
	EXPECT_STREQ(out, "group:a#member\n  tuples:\n    user:anne\n");
	t = file("bad.jsonl", "{}\n{\"user\": 1\n");
	EXPECT_EQ(RUN("list-objects", "--model", m, "--tuples", t, "user:anne", "member", "group"),
		  SZ_CTL_FAILED);
	EXPECT_CONTAINS(err, "bad.jsonl:2:");
	t = file("bad.json", "[{\"user\": \"user:a\", \"relation\": \"member\"}]");
	EXPECT_EQ(RUN("list-objects", "--model", m, "--tuples", t, "user:anne", "member", "group"),
		  SZ_CTL_FAILED);
	EXPECT_CONTAINS(err, "tuple 1 needs user, relation and object");
}

#define TESTS(extra)                                                                               \
	"name: a store\nmodel_file: m.fga\ntuple_file: ./t.yaml\ntests:\n  - name: first\n"        \
	"    tuples:\n      - {user: \"user:eve\", relation: member, object: \"group:g\"}\n"       \
	"      - {user: \"user:anne\", relation: member, object: \"group:g\"}\n"                   \
	"      - {user: \"user:eve\", relation: blocked, object: \"doc:1\"}\n"                     \
	"    check:\n      - users: [\"user:anne\", \"user:bob\"]\n        object: doc:1\n"        \
	"        context: {n: 1}\n        assertions: {viewer: true, blocked: false}\n"            \
	"      - {user: \"user:eve\", object: \"doc:1\", assertions: {viewer: false}}\n"           \
	"    list_objects:\n      - user: user:anne\n        type: doc\n"                          \
	"        assertions: {viewer: [\"doc:1\"], blocked: []}\n"                                 \
	"  - name: second\n    list_users:\n      - object: doc:1\n"                               \
	"        user_filter: [{type: user}]\n        context: {n: 1}\n        assertions:\n"      \
	"          viewer: {users: [\"user:bob\", \"user:anne\"]}\n" extra

TEST(store_tests_that_hold_pass)
{
	file("m.fga", MODEL);
	file("t.yaml", TUPLES);
	EXPECT_EQ(RUN("test", file("s.fga.yaml", TESTS(""))), 0);
	EXPECT_STREQ(out, "8 passed, 0 failed\n");
	EXPECT_EQ(RUN("test", file("s.fga.yaml", TESTS("")), "--json"), 0);
	EXPECT_CONTAINS(out, "\"failures\": []");
}

TEST(store_tests_that_do_not_hold_fail_with_what_was_found)
{
	file("m.fga", MODEL);
	file("t.yaml", TUPLES);
	/* the tuples of the first test are gone in the second, those of the store stay */
	EXPECT_EQ(RUN("test",
		      file("s.fga.yaml", TESTS("    check:\n      - {user: \"user:anne\", object: "
					       "\"group:g\", assertions: "
					       "{member: true}}\n      - {user: \"user:eve\", "
					       "object: \"group:g\", assertions: "
					       "{member: true}}\n      - {user: \"user:bob\", "
					       "object: \"doc:1\", assertions: "
					       "{viewer: true}}\n"))),
		  SZ_CTL_FAILED);
	EXPECT_CONTAINS(out, "9 passed, 2 failed\n");
	EXPECT_CONTAINS(out, "FAIL  second: {\"user\":\"user:eve\",\"relation\":\"member\","
			     "\"object\":\"group:g\"}\n      expected true, got false");
	EXPECT_CONTAINS(out, "expected true, condition 'c' cannot be told");
}

TEST(store_tests_with_a_mistake_are_not_run)
{
	static const struct {
		const char *text, *says;
	} list[] = {
		{"model: 7\n", "either model or model_file"},
		{"model_file: m.fga\n", "asserts nothing"},
		{"model_file: m.fga\ntest: []\n", "unknown key 'test'"},
		{"model_file: m.fga\ntests:\n  - chek: []\n", "unknown key 'chek'"},
		{"model_file: m.fga\ntests:\n  - check: [{user: \"user:a\", object: \"doc:1\"}]\n",
		 "without assertions"},
		{"model_file: m.fga\ntests:\n  - check: [{object: \"doc:1\", assertions: {viewer: "
		 "true}}]\n",
		 "a check needs user"},
		{"model_file: m.fga\ntests:\n  - check: [{user: \"user:a\", object: \"doc:1\", "
		 "assertions: {viewer: yes}}]\n",
		 "is true or false"},
		{"model_file: m.fga\ntests:\n  - list_users: [{object: \"doc:1\", assertions: "
		 "{viewer: {users: []}}}]\n",
		 "user_filter is a list of one type"},
		{"model_file: m.fga\ntuples: [{user: \"usr:a\", relation: viewer, object: "
		 "\"doc:1\"}]"
		 "\n",
		 "tuple 1: the type of 'usr:a' is not defined"},
		{"model_file: none.fga\n", "none.fga"},
		{"model: |\n  model\n    schema 1.1\n  typ user\n", "model:3:1: expected 'type'"},
		{"- 1\n", "the file is no mapping"},
	};
	size_t i;

	file("m.fga", MODEL);
	for (i = 0; i < SZ_ARRAY_LEN(list); i++) {
		EXPECT_EQ(RUN("test", file("bad.fga.yaml", list[i].text)), SZ_CTL_FAILED);
		EXPECT_CONTAINS(err, list[i].says);
	}
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Questions to a graph: depth, cycles, wildcards, usersets, conditions, contextual tuples, budgets,
 * stores that fail. What cannot be found out is an error, never a yes.
 */
#include "harness.h"

#include "rebac/rebac.h"

static struct sz_rebac_model *m;
static struct sz_rebac_store *store;
static struct sz_rebac_graph *g;
static struct sz_rebac_work *w;
static struct sz_rebac_error error;
static struct sz_rebac_request request;

static void begin(const char *model)
{
	request = (struct sz_rebac_request){0};
	if (!EXPECT_EQ(sz_rebac_model_parse(model, strlen(model), &m, &error), 0))
		printf("# %u:%u: %s\n", error.line, error.column, error.msg);
	ASSERT_TRUE(m);
	store = sz_rebac_memory_new();
	w = sz_rebac_work_new(0);
	ASSERT_EQ(sz_rebac_graph_new(m, store, &g, &error), 0);
}

static void end(void)
{
	sz_rebac_graph_free(g);
	sz_rebac_work_free(w);
	sz_rebac_store_free(store);
	sz_rebac_model_free(m);
}

static int put_with(const char *object, const char *relation, const char *user,
		    const char *condition, json_t *context)
{
	struct sz_rebac_tuple t = {user, relation, object, condition, context};
	int err = sz_rebac_write(g, &t, &error);

	json_decref(context);
	return err;
}

static void put(const char *object, const char *relation, const char *user)
{
	if (!EXPECT_EQ(put_with(object, relation, user, NULL, NULL), 0))
		printf("# %s\n", error.msg);
}

/* 'y', 'n', or the error's code. */
static unsigned ask(const char *user, const char *relation, const char *object)
{
	bool allowed = true;

	if (sz_rebac_check(g, w, &request, user, relation, object, &allowed, &error)) {
		EXPECT_TRUE(!allowed && error.code && error.msg[0]);
		return error.code;
	}
	return allowed ? 'y' : 'n';
}

static const char *joined(int err, json_t *list)
{
	static char text[512];
	json_t *v;
	size_t i;

	text[0] = 0;
	if (err)
		snprintf(text, sizeof(text), "error %u", error.code);
	json_array_foreach(list, i, v) snprintf(text + strlen(text), sizeof(text) - strlen(text),
						"%s%s", i ? " " : "", json_string_value(v));
	json_decref(list);
	return text;
}

static const char *objects(const char *user, const char *relation, const char *type)
{
	json_t *list;
	int err = sz_rebac_list_objects(g, w, &request, user, relation, type, 0, &list, &error);

	return joined(err, list);
}

static const char *users(const char *object, const char *relation, const char *filter)
{
	json_t *list;
	int err = sz_rebac_list_users(g, w, &request, object, relation, filter, &list, &error);

	return joined(err, list);
}

#define HEAD   "model\n  schema 1.1\ntype user\n"
#define GROUPS HEAD "type group\n  relations\n    define member: [user, user:*, group#member]\n"

/* ---- depth ---------------------------------------------------------------------------------- */

static void chain(unsigned n)
{
	char object[32], user[32];
	unsigned i;

	for (i = 0; i < n; i++) {
		snprintf(object, sizeof(object), "group:%u", i);
		snprintf(user, sizeof(user), "group:%u#member", i + 1);
		put(object, "member", user);
	}
	snprintf(object, sizeof(object), "group:%u", n);
	put(object, "member", "user:anne");
}

TEST(a_user_25_groups_away_is_found_and_26_is_too_complex)
{
	begin(GROUPS);
	chain(24);
	EXPECT_EQ(ask("user:anne", "member", "group:0"), 'y');
	EXPECT_STREQ(users("group:0", "member", "user"), "user:anne");
	EXPECT_EQ(ask("user:bob", "member", "group:0"), 'n');
	end();
	begin(GROUPS);
	chain(25);
	EXPECT_EQ(ask("user:anne", "member", "group:0"), SZ_REBAC_TOO_COMPLEX);
	EXPECT_EQ(ask("user:anne", "member", "group:1"), 'y');
	EXPECT_STREQ(users("group:0", "member", "user"), "error 2002");
	EXPECT_STREQ(objects("user:anne", "member", "group"), "error 2002");
	end();
}

TEST(a_short_way_is_found_behind_one_that_is_too_long)
{
	begin(GROUPS);
	chain(30);
	put("group:0", "member", "group:zz#member");
	put("group:zz", "member", "group:30#member");
	EXPECT_EQ(ask("user:anne", "member", "group:0"), 'y');
	end();
}

TEST(definitions_of_the_same_object_do_not_count_as_depth)
{
	struct sz_buf b = {0};
	unsigned i;

	sz_buf_printf(&b, HEAD "type doc\n  relations\n    define r0: [user]\n");
	for (i = 1; i <= 100; i++)
		sz_buf_printf(&b, "    define r%u: r%u\n", i, i - 1);
	begin(b.data);
	put("doc:1", "r0", "user:anne");
	EXPECT_EQ(ask("user:anne", "r100", "doc:1"), 'y');
	EXPECT_STREQ(objects("user:anne", "r100", "doc"), "doc:1");
	EXPECT_STREQ(users("doc:1", "r100", "user"), "user:anne");
	end();
	sz_buf_done(&b);
}

TEST(definitions_that_lead_on_for_ever_are_too_complex)
{
	struct sz_buf b = {0};
	unsigned i;

	sz_buf_printf(&b, HEAD "type doc\n  relations\n    define r0: [user, doc#r0]\n");
	for (i = 1; i <= 700; i++)
		sz_buf_printf(&b, "    define r%u: r%u\n", i, i - 1);
	begin(b.data);
	put("doc:1", "r0", "user:anne");
	EXPECT_EQ(ask("user:anne", "r100", "doc:1"), 'y');
	EXPECT_EQ(ask("user:anne", "r700", "doc:1"), SZ_REBAC_TOO_COMPLEX);
	end();
	sz_buf_done(&b);
}

/* ---- cycles --------------------------------------------------------------------------------- */

/* Followed path by path this would take longer than the universe lasts. */
TEST(forty_groups_that_all_hold_each_other_are_looked_at_once_each)
{
	char object[32], user[40];
	unsigned i, k;

	begin(HEAD "type group\n  relations\n    define member: [user, group#member]\n"
		   "type doc\n  relations\n    define blocked: [group#member]\n"
		   "    define viewer: [user] but not blocked\n");
	for (i = 0; i < 20; i++)
		for (k = 0; k < 20; k++) {
			if (i == k)
				continue;
			snprintf(object, sizeof(object), "group:%u", i);
			snprintf(user, sizeof(user), "group:%u#member", k);
			put(object, "member", user);
		}
	put("group:19", "member", "user:anne");
	put("doc:1", "viewer", "user:bob");
	EXPECT_EQ(ask("user:anne", "member", "group:0"), 'y');
	EXPECT_EQ(ask("user:bob", "member", "group:0"), 'n');
	EXPECT_TRUE(sz_rebac_work_steps(w) < 2000);
	EXPECT_EQ(ask("user:bob", "viewer", "doc:1"), 'y');
	put("doc:1", "blocked", "group:7#member");
	/* bob is in no group, but to know that one would have to know it first */
	EXPECT_EQ(ask("user:bob", "viewer", "doc:1"), 'n');
	EXPECT_EQ(ask("group:3#member", "member", "group:4"), 'y');
	EXPECT_STREQ(objects("user:bob", "member", "group"), "");
	end();
	/* more than the depth: it ends all the same */
	begin(HEAD "type group\n  relations\n    define member: [user, group#member]\n");
	for (i = 0; i < 40; i++)
		for (k = 0; k < 40; k++) {
			if (i == k)
				continue;
			snprintf(object, sizeof(object), "group:%u", i);
			snprintf(user, sizeof(user), "group:%u#member", k);
			put(object, "member", user);
		}
	put("group:39", "member", "user:anne");
	EXPECT_EQ(ask("user:anne", "member", "group:0"), 'y');
	EXPECT_EQ(ask("user:bob", "member", "group:0"), SZ_REBAC_TOO_COMPLEX);
	EXPECT_TRUE(sz_rebac_work_steps(w) < 100000);
	end();
}

/* ---- who is meant --------------------------------------------------------------------------- */

TEST(a_wildcard_is_all_users_of_its_type_and_no_userset)
{
	begin(HEAD
	      "type bot\ntype group\n  relations\n    define member: [user, bot]\n"
	      "type doc\n  relations\n    define viewer: [user:*, bot, group:*, group#member]\n");
	put("doc:1", "viewer", "user:*");
	put("doc:2", "viewer", "group:*");
	EXPECT_EQ(ask("user:anyone", "viewer", "doc:1"), 'y');
	EXPECT_EQ(ask("user:*", "viewer", "doc:1"), 'y');
	EXPECT_EQ(ask("bot:1", "viewer", "doc:1"), 'n');
	EXPECT_EQ(ask("group:1", "viewer", "doc:2"), 'y');
	EXPECT_EQ(ask("group:1#member", "viewer", "doc:2"), 'n');
	EXPECT_EQ(ask("user:anyone", "viewer", "doc:2"), 'n');
	EXPECT_STREQ(users("doc:1", "viewer", "user"), "user:*");
	EXPECT_STREQ(objects("user:anyone", "viewer", "doc"), "doc:1");
	EXPECT_STREQ(objects("user:*", "viewer", "doc"), "doc:1");
	end();
}

TEST(all_users_of_a_type_do_not_have_what_one_of_them_has)
{
	begin(HEAD "type doc\n  relations\n    define viewer: [user, user:*]\n");
	put("doc:1", "viewer", "user:anne");
	EXPECT_EQ(ask("user:*", "viewer", "doc:1"), 'n');
	end();
}

TEST(users_named_beside_a_wildcard_are_those_who_have_it_by_themselves)
{
	begin(HEAD "type doc\n  relations\n    define open: [user:*]\n"
		   "    define blocked: [user, user:*]\n    define pardoned: [user]\n"
		   "    define viewer: open but not (blocked but not pardoned)\n");
	put("doc:1", "open", "user:*");
	put("doc:1", "blocked", "user:eve");
	put("doc:1", "blocked", "user:bob");
	put("doc:1", "pardoned", "user:bob");
	EXPECT_EQ(ask("user:eve", "viewer", "doc:1"), 'n');
	EXPECT_EQ(ask("user:bob", "viewer", "doc:1"), 'y');
	EXPECT_STREQ(users("doc:1", "viewer", "user"), "user:* user:bob");
	put("doc:1", "blocked", "user:*");
	EXPECT_STREQ(users("doc:1", "viewer", "user"), "user:bob");
	end();
}

TEST(a_userset_has_what_its_members_are_given_through_it)
{
	begin(GROUPS "type doc\n  relations\n    define viewer: [group#member]\n");
	put("group:a", "member", "group:b#member");
	put("doc:1", "viewer", "group:a#member");
	EXPECT_EQ(ask("group:a#member", "viewer", "doc:1"), 'y');
	EXPECT_EQ(ask("group:b#member", "viewer", "doc:1"), 'y');
	EXPECT_EQ(ask("group:c#member", "viewer", "doc:1"), 'n');
	EXPECT_EQ(ask("doc:9#viewer", "viewer", "doc:9"), 'y');
	EXPECT_STREQ(users("doc:1", "viewer", "group#member"), "group:a#member group:b#member");
	EXPECT_STREQ(objects("group:b#member", "member", "group"), "group:a group:b");
	end();
}

/* ---- what is asked wrongly ------------------------------------------------------------------ */

TEST(what_the_model_does_not_know_is_an_error)
{
	static const char *const bad[] = {
		"",          "user",          "user:",         ":a",
		"user:a:b",  "user:a#",       "user:a b",      "user:a\n",
		"usr:a",     "user:a#member", "user:*#member", "group:x#owner",
		"user:a#b#c"};
	char longer[600];
	size_t i;

	begin(GROUPS);
	for (i = 0; i < SZ_ARRAY_LEN(bad); i++)
		if (!EXPECT_EQ(ask(bad[i], "member", "group:1"), SZ_REBAC_VALIDATION))
			printf("# %s\n", bad[i]);
	memset(longer, 'x', sizeof(longer));
	memcpy(longer, "user:", 5);
	longer[SZ_REBAC_OBJECT_MAX] = 0;
	EXPECT_EQ(ask(longer, "member", "group:1"), 'n');
	longer[SZ_REBAC_OBJECT_MAX] = 'x';
	longer[SZ_REBAC_OBJECT_MAX + 1] = 0;
	EXPECT_EQ(ask(longer, "member", "group:1"), SZ_REBAC_VALIDATION);
	EXPECT_EQ(ask("user:a", "owner", "group:1"), SZ_REBAC_VALIDATION);
	EXPECT_EQ(ask("user:a", "", "group:1"), SZ_REBAC_VALIDATION);
	EXPECT_EQ(ask("user:a", "member", "group:*"), SZ_REBAC_VALIDATION);
	EXPECT_EQ(ask("user:a", "member", "group:1#member"), SZ_REBAC_VALIDATION);
	EXPECT_STREQ(objects("user:a", "member", "doc"), "error 2021");
	EXPECT_STREQ(objects("user:a", "owner", "group"), "error 2022");
	EXPECT_STREQ(users("doc:1", "member", "user"), "error 2021");
	EXPECT_STREQ(users("group:1", "member", "group#owner"), "error 2022");
	end();
}

TEST(tuples_the_model_does_not_allow_are_not_written)
{
	begin(HEAD "type doc\n  relations\n    define viewer: [user, doc#viewer]\n"
		   "    define owner: [user with c]\n"
		   "condition c(x: int) { x > 1 }\n");
	EXPECT_EQ(put_with("doc:1", "viewer", "user:*", NULL, NULL), -EINVAL);
	EXPECT_EQ(error.code, SZ_REBAC_INVALID_TUPLE);
	EXPECT_EQ(put_with("doc:1", "viewer", "doc:1", NULL, NULL), -EINVAL);
	EXPECT_EQ(put_with("doc:1", "viewer", "doc:1#viewer", NULL, NULL), -EINVAL);
	EXPECT_EQ(put_with("doc:*", "viewer", "user:a", NULL, NULL), -EINVAL);
	EXPECT_EQ(put_with("doc:1", "", "user:a", NULL, NULL), -EINVAL);
	EXPECT_EQ(put_with("doc:1", "owner", "user:a", NULL, NULL), -EINVAL);
	EXPECT_EQ(put_with("doc:1", "owner", "user:a", "d", NULL), -EINVAL);
	EXPECT_EQ(put_with("doc:1", "viewer", "user:a", "c", NULL), -EINVAL);
	EXPECT_EQ(put_with("doc:1", "owner", "user:a", "c", json_pack("{s:s}", "x", "one")),
		  -EINVAL);
	EXPECT_EQ(put_with("doc:1", "owner", "user:a", "c", json_pack("{s:i}", "y", 1)), -EINVAL);
	EXPECT_EQ(put_with("doc:1", "viewer", "user:a", NULL, json_pack("{s:i}", "x", 1)), -EINVAL);
	EXPECT_EQ(error.code, SZ_REBAC_INVALID_TUPLE);
	EXPECT_EQ(put_with("doc:1", "owner", "user:a", "c", json_pack("{s:i}", "x", 1)), 0);
	EXPECT_EQ(put_with("doc:1", "owner", "user:a", "c", NULL), -EEXIST);
	EXPECT_EQ(error.code, SZ_REBAC_WRITE_FAILED);
	EXPECT_EQ(ask("user:a", "viewer", "doc:1"), 'n');
	end();
}

TEST(tuples_that_a_later_model_does_not_allow_count_for_nothing)
{
	static const char later[] = HEAD "type group\n  relations\n    define member: [user]\n"
					 "    define guest: [group#member]\n";
	struct sz_rebac_graph *old;
	struct sz_rebac_model *m2;

	begin(GROUPS);
	put("group:1", "member", "user:a");
	put("group:1", "member", "user:*");
	put("group:2", "member", "group:1#member");
	old = g;
	ASSERT_EQ(sz_rebac_model_parse(later, strlen(later), &m2, &error), 0);
	ASSERT_EQ(sz_rebac_graph_new(m2, store, &g, &error), 0);
	EXPECT_EQ(ask("user:a", "member", "group:1"), 'y');
	EXPECT_EQ(ask("user:b", "member", "group:1"), 'n');
	EXPECT_EQ(ask("user:a", "member", "group:2"), 'n');
	EXPECT_EQ(ask("group:1#member", "member", "group:2"), 'n');
	EXPECT_STREQ(objects("user:a", "member", "group"), "group:1");
	EXPECT_STREQ(users("group:1", "member", "user"), "user:a");
	sz_rebac_graph_free(g);
	sz_rebac_model_free(m2);
	g = old;
	EXPECT_EQ(ask("user:b", "member", "group:2"), 'y');
	end();
}

TEST(a_deleted_tuple_is_gone_from_both_sides)
{
	struct sz_rebac_tuple t = {"user:a", "member", "group:1", NULL, NULL};

	begin(GROUPS);
	put("group:1", "member", "user:a");
	put("group:2", "member", "user:a");
	EXPECT_EQ(sz_rebac_delete(g, &t, &error), 0);
	EXPECT_EQ(ask("user:a", "member", "group:1"), 'n');
	EXPECT_STREQ(objects("user:a", "member", "group"), "group:2");
	EXPECT_EQ(sz_rebac_delete(g, &t, &error), -ENOENT);
	EXPECT_EQ(error.code, SZ_REBAC_WRITE_FAILED);
	t.user = "user:never-seen";
	EXPECT_EQ(sz_rebac_delete(g, &t, &error), -ENOENT);
	t.user = "nobody";
	EXPECT_EQ(sz_rebac_delete(g, &t, &error), -EINVAL);
	end();
}

/* ---- conditions ----------------------------------------------------------------------------- */

#define COND                                                                                       \
	HEAD "type doc\n  relations\n    define parent: [doc with c]\n"                            \
	     "    define plain: [user]\n    define blocked: [user with c]\n"                       \
	     "    define viewer: [user with c, user:* with d, doc#viewer with c] or plain or "     \
	     "viewer"                                                                              \
	     " from parent\n    define safe: viewer but not blocked\n"                             \
	     "condition c(n: int, max: int) { n <= max }\n"                                        \
	     "condition d(when: timestamp) { when < timestamp('2030-01-01T00:00:00Z') }\n"

static unsigned ask_with(json_t *context, const char *user, const char *relation,
			 const char *object)
{
	unsigned ret;

	request.context = context;
	ret = ask(user, relation, object);
	json_decref(context);
	request.context = NULL;
	return ret;
}

TEST(a_tuple_with_a_condition_counts_where_it_is_met)
{
	begin(COND);
	EXPECT_EQ(put_with("doc:1", "viewer", "user:a", "c", json_pack("{s:i}", "max", 5)), 0);
	EXPECT_EQ(ask_with(json_pack("{s:i}", "n", 5), "user:a", "viewer", "doc:1"), 'y');
	EXPECT_EQ(ask_with(json_pack("{s:i}", "n", 6), "user:a", "viewer", "doc:1"), 'n');
	EXPECT_EQ(ask_with(json_pack("{s:s}", "n", "5"), "user:a", "viewer", "doc:1"), 'y');
	EXPECT_EQ(ask_with(json_pack("{s:f}", "n", 5.0), "user:a", "viewer", "doc:1"), 'y');
	EXPECT_EQ(ask_with(json_pack("{s:f}", "n", 5.5), "user:a", "viewer", "doc:1"),
		  SZ_REBAC_VALIDATION);
	/* what the tuple says comes first */
	EXPECT_EQ(
		ask_with(json_pack("{s:i, s:i}", "n", 6, "max", 100), "user:a", "viewer", "doc:1"),
		'n');
	end();
}

TEST(a_condition_that_cannot_be_told_is_an_error_unless_another_way_decides)
{
	begin(COND);
	EXPECT_EQ(put_with("doc:1", "viewer", "user:a", "c", json_pack("{s:i}", "max", 5)), 0);
	EXPECT_EQ(ask("user:a", "viewer", "doc:1"), SZ_REBAC_VALIDATION);
	EXPECT_CONTAINS(error.msg, "missing 'n'");
	EXPECT_EQ(ask("user:a", "safe", "doc:1"), SZ_REBAC_VALIDATION);
	EXPECT_EQ(ask("user:b", "viewer", "doc:1"), 'n');
	EXPECT_STREQ(objects("user:a", "viewer", "doc"), "error 2000");
	EXPECT_STREQ(users("doc:1", "viewer", "user"), "error 2000");
	put("doc:1", "plain", "user:a");
	EXPECT_EQ(ask("user:a", "viewer", "doc:1"), 'y');
	EXPECT_STREQ(objects("user:a", "viewer", "doc"), "doc:1");
	EXPECT_STREQ(users("doc:1", "viewer", "user"), "user:a");
	EXPECT_EQ(ask("user:a", "safe", "doc:1"), 'y');
	EXPECT_EQ(put_with("doc:1", "blocked", "user:a", "c", NULL), 0);
	EXPECT_EQ(ask("user:a", "safe", "doc:1"), SZ_REBAC_VALIDATION);
	EXPECT_EQ(ask("user:b", "safe", "doc:1"), 'n');
	end();
}

TEST(conditions_count_on_parents_usersets_and_wildcards)
{
	json_t *far = json_pack("{s:s}", "when", "2031-01-01T00:00:00Z");

	begin(COND);
	EXPECT_EQ(put_with("doc:2", "parent", "doc:1", "c", json_pack("{s:i}", "max", 1)), 0);
	EXPECT_EQ(put_with("doc:3", "viewer", "doc:1#viewer", "c", json_pack("{s:i}", "max", 2)),
		  0);
	EXPECT_EQ(put_with("doc:4", "viewer", "user:*", "d", NULL), 0);
	put("doc:1", "plain", "user:a");
	EXPECT_EQ(ask_with(json_pack("{s:i}", "n", 1), "user:a", "viewer", "doc:2"), 'y');
	EXPECT_EQ(ask_with(json_pack("{s:i}", "n", 2), "user:a", "viewer", "doc:2"), 'n');
	EXPECT_EQ(ask_with(json_pack("{s:i}", "n", 2), "user:a", "viewer", "doc:3"), 'y');
	EXPECT_EQ(ask_with(json_pack("{s:s}", "when", "2026-01-01T00:00:00Z"), "user:a", "viewer",
			   "doc:4"),
		  'y');
	request.context = json_pack("{s:i}", "n", 2);
	EXPECT_STREQ(objects("user:a", "viewer", "doc"), "error 2000"); /* doc:4 cannot be told */
	json_decref((json_t *)request.context);
	request.context = json_pack("{s:i, s:s}", "n", 2, "when", "2031-01-01T00:00:00Z");
	EXPECT_STREQ(objects("user:a", "viewer", "doc"), "doc:1 doc:3");
	EXPECT_STREQ(users("doc:3", "viewer", "user"), "user:a");
	json_decref((json_t *)request.context);
	request.context = NULL;
	EXPECT_EQ(ask_with(far, "user:a", "viewer", "doc:4"), 'n');
	end();
}

TEST(every_type_of_a_parameter_is_read_and_checked)
{
	static const struct {
		const char *type, *text, *good, *bad;
	} list[] = {
		{"bool", "x", "true", "1"},
		{"string", "x == 'a'", "\"a\"", "7"},
		{"int", "x == -7", "\"-7\"", "\"7x\""},
		{"uint", "x == 7u", "7", "-7"},
		{"uint", "x == 7u", "\"7\"", "\"-7\""},
		{"double", "x == 0.5", "0.5", "true"},
		{"double", "x == 0.5", "\"0.5\"", "\"half\""},
		{"duration", "x == duration('90m')", "\"1h30m\"", "90"},
		{"timestamp", "x == timestamp('2026-01-01T00:00:00Z')", "\"2026-01-01T00:00:00Z\"",
		 "\"today\""},
		{"ipaddress", "x.in_cidr('10.0.0.0/8')", "\"10.1.2.3\"", "\"10.1.2\""},
		{"list<string>", "'a' in x", "[\"b\", \"a\"]", "[7]"},
		{"map<int>", "x['a'] == 1", "{\"a\": 1}", "{\"a\": \"one\"}"},
		{"map<list<ipaddress>>", "x.a.exists(i, i.in_cidr(\"::/0\"))", "{\"a\": [\"::1\"]}",
		 "{\"a\": \"::1\"}"},
		{"any", "x.a == 1", "{\"a\": 1}", NULL},
	};
	struct sz_buf b = {0};
	json_t *v;
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(list); i++) {
		sz_buf_reset(&b);
		sz_buf_printf(&b,
			      HEAD "type doc\n  relations\n    define v: [user with c]\n"
				   "condition c(x: %s) { %s }\n",
			      list[i].type, list[i].text);
		begin(b.data);
		EXPECT_EQ(put_with("doc:1", "v", "user:a", "c", NULL), 0);
		v = json_loads(list[i].good, JSON_DECODE_ANY, NULL);
		if (!EXPECT_EQ(ask_with(json_pack("{s:O}", "x", v), "user:a", "v", "doc:1"), 'y'))
			printf("# %s %s: %s\n", list[i].type, list[i].good, error.msg);
		EXPECT_EQ(put_with("doc:2", "v", "user:a", "c", json_pack("{s:o}", "x", v)), 0);
		EXPECT_EQ(ask("user:a", "v", "doc:2"), 'y');
		if (list[i].bad) {
			v = json_loads(list[i].bad, JSON_DECODE_ANY, NULL);
			EXPECT_EQ(ask_with(json_pack("{s:O}", "x", v), "user:a", "v", "doc:1"),
				  SZ_REBAC_VALIDATION);
			EXPECT_EQ(put_with("doc:3", "v", "user:a", "c", json_pack("{s:o}", "x", v)),
				  -EINVAL);
		}
		end();
	}
	sz_buf_done(&b);
}

/* ---- contextual tuples ---------------------------------------------------------------------- */

TEST(contextual_tuples_count_for_one_question_only)
{
	struct sz_rebac_tuple t[3] = {
		{"group:new#member", "member", "group:1", NULL, NULL},
		{"user:new", "member", "group:new", NULL, NULL},
		{"user:new", "member", "group:new", NULL, NULL},
	};

	begin(GROUPS);
	request = (struct sz_rebac_request){.contextual = t, .n_contextual = 3};
	EXPECT_EQ(ask("user:new", "member", "group:1"), 'y');
	EXPECT_EQ(ask("user:old", "member", "group:1"), 'n');
	EXPECT_STREQ(objects("user:new", "member", "group"), "group:1 group:new");
	EXPECT_STREQ(users("group:1", "member", "user"), "user:new");
	request.n_contextual = 0;
	EXPECT_EQ(ask("user:new", "member", "group:1"), 'n');
	EXPECT_STREQ(objects("user:new", "member", "group"), "");
	end();
}

TEST(a_contextual_tuple_stands_in_place_of_the_stored_one)
{
	struct sz_rebac_tuple t = {"user:a", "viewer", "doc:1", "c", NULL};
	json_t *more = json_pack("{s:i}", "max", 9);

	begin(COND);
	t.context = more;
	EXPECT_EQ(put_with("doc:1", "viewer", "user:a", "c", json_pack("{s:i}", "max", 5)), 0);
	request.contextual = &t;
	request.n_contextual = 1;
	EXPECT_EQ(ask_with(json_pack("{s:i}", "n", 8), "user:a", "viewer", "doc:1"), 'y');
	request.context = json_pack("{s:i}", "n", 8);
	EXPECT_STREQ(users("doc:1", "viewer", "user"), "user:a");
	EXPECT_STREQ(objects("user:a", "viewer", "doc"), "doc:1");
	json_decref((json_t *)request.context);
	json_decref(more);
	end();
}

TEST(contextual_tuples_are_merged_in_order_with_many_stored_ones)
{
	struct sz_rebac_tuple t[SZ_REBAC_CONTEXTUAL_MAX + 1];
	char name[SZ_REBAC_CONTEXTUAL_MAX + 1][24], user[24];
	json_t *list;
	unsigned i;

	begin(GROUPS);
	for (i = 0; i < 300; i++) {
		snprintf(user, sizeof(user), "user:%u", i);
		put("group:1", "member", user);
	}
	for (i = 0; i <= SZ_REBAC_CONTEXTUAL_MAX; i++) {
		snprintf(name[i], sizeof(name[i]), i & 1 ? "user:new%u" : "user:%u", i);
		t[i] = (struct sz_rebac_tuple){name[i], "member", "group:1", NULL, NULL};
	}
	request =
		(struct sz_rebac_request){.contextual = t, .n_contextual = SZ_REBAC_CONTEXTUAL_MAX};
	ASSERT_EQ(sz_rebac_list_users(g, w, &request, "group:1", "member", "user", &list, &error),
		  0);
	EXPECT_EQ(json_array_size(list), 300 + SZ_REBAC_CONTEXTUAL_MAX / 2);
	json_decref(list);
	request.n_contextual++;
	EXPECT_EQ(ask("user:1", "member", "group:1"), SZ_REBAC_VALIDATION);
	end();
}

/* ---- the rest ------------------------------------------------------------------------------- */

TEST(a_batch_answers_each_item_by_itself)
{
	struct sz_rebac_item items[3] = {
		{.user = "user:a", .relation = "member", .object = "group:1"},
		{.user = "usr:a", .relation = "member", .object = "group:1"},
		{.user = "user:b", .relation = "member", .object = "group:1"}};

	begin(GROUPS);
	put("group:1", "member", "user:a");
	sz_rebac_batch(g, w, NULL, items, 3);
	EXPECT_TRUE(items[0].allowed && !items[0].error.code);
	EXPECT_TRUE(!items[1].allowed && items[1].error.code == SZ_REBAC_VALIDATION);
	EXPECT_TRUE(!items[2].allowed && !items[2].error.code);
	end();
}

TEST(a_question_ends_with_its_budget)
{
	struct sz_rebac_work *little = sz_rebac_work_new(8), *kept;

	begin(GROUPS);
	chain(20);
	kept = w;
	w = little;
	EXPECT_EQ(ask("user:anne", "member", "group:0"), SZ_REBAC_TOO_COMPLEX);
	EXPECT_CONTAINS(error.msg, "8 steps");
	EXPECT_EQ(sz_rebac_work_steps(w), 8);
	EXPECT_STREQ(objects("user:anne", "member", "group"), "error 2002");
	EXPECT_STREQ(users("group:0", "member", "user"), "error 2002");
	EXPECT_EQ(ask("user:anne", "member", "group:18"), 'y');
	w = kept;
	EXPECT_EQ(ask("user:anne", "member", "group:0"), 'y');
	sz_rebac_work_free(little);
	end();
}

TEST(expand_shows_one_level)
{
	json_t *tree, *expected;

	begin(HEAD
	      "type doc\n  relations\n    define parent: [doc]\n    define blocked: [user]\n"
	      "    define viewer: ([user, doc#viewer] or viewer from parent) but not blocked\n");
	put("doc:1", "parent", "doc:2");
	put("doc:1", "viewer", "user:a");
	put("doc:1", "viewer", "doc:3#viewer");
	ASSERT_EQ(sz_rebac_expand(g, w, NULL, "viewer", "doc:1", &tree, &error), 0);
	expected = json_loads(
		"{\"root\": {\"name\": \"doc:1#viewer\", \"difference\": {"
		"\"base\": {\"name\": \"doc:1#viewer\", \"union\": {\"nodes\": ["
		"{\"name\": \"doc:1#viewer\", \"leaf\": {\"users\": {\"users\": [\"user:a\","
		"\"doc:3#viewer\"]}}}, {\"name\": \"doc:1#viewer\", \"leaf\": {\"tupleToUserset\":"
		"{\"tupleset\": \"doc:1#parent\", \"computed\": [{\"userset\": \"doc:2#viewer\"}]}"
		"}}]}}, \"subtract\": {\"name\": \"doc:1#viewer\", \"leaf\": {\"computed\": "
		"{\"userset\": \"doc:1#blocked\"}}}}}}",
		0, NULL);
	ASSERT_TRUE(expected);
	if (!EXPECT_TRUE(json_equal(tree, expected)))
		printf("# %s\n", json_dumps(tree, JSON_COMPACT));
	json_decref(tree);
	json_decref(expected);
	EXPECT_EQ(sz_rebac_expand(g, w, NULL, "owner", "doc:1", &tree, &error), -EINVAL);
	EXPECT_EQ(error.code, SZ_REBAC_RELATION_NOT_FOUND);
	end();
}

/* ---- a store that fails --------------------------------------------------------------------- */

static struct sz_rebac_store_ops broken_ops;
static const struct sz_rebac_store_ops *real_ops;
static bool read_fails, scan_fails;

static int broken_read(struct sz_rebac_store *s, u64 object, u64 user, u32 *ret)
{
	return read_fails ? -EIO : real_ops->read(s, object, user, ret);
}

static int broken_scan(struct sz_rebac_store *s, enum sz_rebac_side side, u64 key, u64 from, u64 to,
		       struct sz_rebac_edge *ret, u32 max)
{
	return scan_fails ? -EIO : real_ops->scan(s, side, key, from, to, ret, max);
}

TEST(a_store_that_fails_is_an_error_and_never_a_yes)
{
	begin(HEAD "type group\n  relations\n    define member: [user, group#member]\n"
		   "type doc\n  relations\n    define blocked: [user, group#member]\n"
		   "    define viewer: [user] but not blocked\n");
	put("doc:1", "viewer", "user:a");
	put("group:1", "member", "group:2#member");
	real_ops = store->ops;
	broken_ops = *real_ops;
	broken_ops.read = broken_read;
	broken_ops.scan = broken_scan;
	store->ops = &broken_ops;
	EXPECT_EQ(ask("user:a", "viewer", "doc:1"), 'y');
	read_fails = true;
	EXPECT_EQ(ask("user:a", "viewer", "doc:1"), SZ_REBAC_INTERNAL);
	read_fails = false;
	scan_fails = true;
	EXPECT_EQ(ask("user:a", "viewer", "doc:1"), SZ_REBAC_INTERNAL);
	EXPECT_EQ(ask("user:a", "member", "group:1"), SZ_REBAC_INTERNAL);
	EXPECT_STREQ(objects("user:a", "viewer", "doc"), "error 4000");
	EXPECT_STREQ(users("doc:1", "viewer", "user"), "error 4000");
	scan_fails = false;
	store->ops = real_ops;
	end();
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stores of tuples that last: what is written, read, refused, and still there afterwards. */
#include "harness.h"

#include <unistd.h>

#include "store/store_priv.h"

static const char model_text[] = "model\n  schema 1.1\n"
				 "type user\n"
				 "type group\n"
				 "  relations\n"
				 "    define member: [user, user:*, group#member]\n"
				 "type folder\n"
				 "  relations\n"
				 "    define viewer: [user, group#member]\n"
				 "type document\n"
				 "  relations\n"
				 "    define parent: [folder]\n"
				 "    define owner: [user]\n"
				 "    define blocked: [user]\n"
				 "    define viewer: ([user, group#member, user with weekday]"
				 " or owner or viewer from parent) but not blocked\n"
				 "type note\n"
				 "  relations\n"
				 "    define owner: [user]\n"
				 "condition weekday(day: string, days: list<string>) {\n"
				 "  day in days\n"
				 "}\n";

static char dir[32], model[SZ_STORE_ID_LEN + 1];
static struct sz_stores *stores;
static struct sz_store *store;
static struct sz_store_info info;
static struct sz_rebac_error e;
static struct sz_rebac_work *work;

static void open_stores(void)
{
	struct sz_stores_options o = {.dir = dir, .no_sync = true, .changes_kept = 400};
	struct sz_error why = {""};

	if (!EXPECT_EQ(sz_stores_open(&o, &stores, &why), 0)) {
		printf("# %s\n", why.msg);
		exit(1);
	}
}

static void begin(void)
{
	strcpy(dir, "/tmp/sz-store-XXXXXX");
	ASSERT_TRUE(mkdtemp(dir) != NULL);
	open_stores();
	work = sz_rebac_work_new(0);
	ASSERT_EQ(sz_store_create(stores, "a store", &info, &e), 0);
	store = sz_store_get(stores, info.id);
	ASSERT_TRUE(store != NULL);
	ASSERT_EQ(sz_store_model_write(store, model_text, strlen(model_text), model, &e), 0);
}

static void reopen(void)
{
	sz_store_put(store);
	sz_stores_close(stores);
	open_stores();
	store = sz_store_get(stores, info.id);
}

static void end(void)
{
	char command[64];

	sz_store_put(store);
	sz_stores_close(stores);
	sz_rebac_work_free(work);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	EXPECT_EQ(system(command), 0);
}

/* "user relation object", taken apart in place. */
static struct sz_rebac_tuple tuple(const char *text)
{
	char *s = sz_strdup(text), *rest;
	struct sz_rebac_tuple t = {0};

	t.user = strtok_r(s, " ", &rest);
	t.relation = strtok_r(NULL, " ", &rest);
	t.object = strtok_r(NULL, " ", &rest);
	return t; /* its user begins what is to be freed */
}

static int write_flags(const char *const *texts, const struct sz_store_write *flags)
{
	struct sz_store_op ops[16] = {0};
	struct sz_store_write w = *flags;
	int err;
	u32 i;

	for (w.n = 0; texts[w.n]; w.n++) {
		ops[w.n].remove = texts[w.n][0] == '-';
		ops[w.n].t = tuple(texts[w.n] + ops[w.n].remove);
	}
	w.ops = ops;
	err = sz_store_write(store, &w, &e);
	for (i = 0; i < w.n; i++)
		free((char *)ops[i].t.user);
	return err;
}

#define WRITE(...)                                                                                 \
	write_flags((const char *const[]){__VA_ARGS__, NULL}, &(struct sz_store_write){0})

static bool check(const char *user, const char *relation, const char *object)
{
	struct sz_store_view v;
	bool ret = false;

	ASSERT_EQ(sz_store_begin(store, NULL, SZ_STORE_SHORT, &v), 0);
	EXPECT_EQ(sz_rebac_check(v.graph, work, NULL, user, relation, object, &ret, &e), 0);
	sz_store_end(&v);
	return ret;
}

static char *dump(json_t *v)
{
	static char text[16384];
	char *s = json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS);

	snprintf(text, sizeof(text), "%s", s);
	free(s);
	json_decref(v);
	return text;
}

/* Keys only, as "user relation object," */
static char *read_keys(const char *user, const char *relation, const char *object, u32 max,
		       u32 *ret_pages)
{
	static char text[65536];
	struct sz_store_filter f = {user, relation, object};
	char token[SZ_STORE_TOKEN_MAX] = "";
	size_t n = 0, i;
	json_t *list, *v;

	text[0] = 0;
	*ret_pages = 0;
	do {
		if (!EXPECT_EQ(sz_store_read(store, &f, max, token, &list, &e), 0))
			return text;
		EXPECT_TRUE(json_array_size(list) <= max);
		json_array_foreach(list, i, v)
		{
			json_t *key = json_object_get(v, "key");

			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s %s %s,",
					      json_string_value(json_object_get(key, "user")),
					      json_string_value(json_object_get(key, "relation")),
					      json_string_value(json_object_get(key, "object")));
		}
		json_decref(list);
		++*ret_pages;
	} while (*token);
	return text;
}

TEST(what_was_written_is_there_after_a_restart)
{
	begin();
	ASSERT_EQ(WRITE("user:anne member group:eng", "group:eng#member viewer document:plan"), 0);
	EXPECT_TRUE(check("user:anne", "viewer", "document:plan"));
	EXPECT_TRUE(!check("user:bob", "viewer", "document:plan"));
	ASSERT_EQ(WRITE("user:bob member group:eng", "-user:anne member group:eng"), 0);
	reopen();
	ASSERT_TRUE(store != NULL);
	EXPECT_STREQ(sz_store_info(store)->name, "a store");
	EXPECT_TRUE(!check("user:anne", "viewer", "document:plan"));
	EXPECT_TRUE(check("user:bob", "viewer", "document:plan"));
	/* and goes on from there */
	ASSERT_EQ(WRITE("user:carol member group:eng"), 0);
	reopen();
	EXPECT_TRUE(check("user:carol", "viewer", "document:plan"));
	end();
}

TEST(a_write_is_all_or_nothing)
{
	u64 g;

	begin();
	ASSERT_EQ(WRITE("user:anne owner document:a"), 0);
	g = sz_store_generation(store);
	EXPECT_EQ(WRITE("user:bob owner document:b", "user:anne owner document:a"), -EINVAL);
	EXPECT_EQ(e.code, SZ_REBAC_WRITE_FAILED);
	EXPECT_CONTAINS(e.msg, "already exists");
	EXPECT_EQ(WRITE("user:bob owner document:b", "-user:zoe owner document:a"), -EINVAL);
	EXPECT_EQ(e.code, SZ_REBAC_WRITE_FAILED);
	EXPECT_CONTAINS(e.msg, "does not exist");
	EXPECT_EQ(WRITE("user:bob owner document:b", "user:bob nothing document:b"), -EINVAL);
	EXPECT_EQ(e.code, SZ_REBAC_INVALID_TUPLE);
	EXPECT_EQ(WRITE("user:bob owner document:b", "-user:bob owner document:b"), -EINVAL);
	EXPECT_EQ(e.code, SZ_STORE_DUPLICATE);
	EXPECT_EQ(WRITE("user:bob owner document:b", "user:bob owner document:b"), -EINVAL);
	EXPECT_EQ(e.code, SZ_STORE_DUPLICATE);
	EXPECT_TRUE(!check("user:bob", "viewer", "document:b"));
	EXPECT_EQ(sz_store_generation(store), g);
	reopen();
	EXPECT_TRUE(!check("user:bob", "viewer", "document:b"));
	EXPECT_TRUE(check("user:anne", "viewer", "document:a"));
	end();
}

TEST(more_tuples_than_a_write_may_have_are_refused)
{
	static struct sz_store_op ops[SZ_STORE_WRITES_MAX + 1];
	struct sz_store_write w = {.ops = ops, .n = SZ_STORE_WRITES_MAX + 1};
	static char name[SZ_STORE_WRITES_MAX + 1][16];
	u32 i;

	begin();
	for (i = 0; i < w.n; i++) {
		snprintf(name[i], sizeof(name[i]), "document:%u", i);
		ops[i].t = (struct sz_rebac_tuple){"user:a", "owner", name[i], NULL, NULL};
	}
	EXPECT_EQ(sz_store_write(store, &w, &e), -EINVAL);
	EXPECT_EQ(e.code, SZ_STORE_EXCEEDED);
	w.n--;
	EXPECT_EQ(sz_store_write(store, &w, &e), 0);
	w.n = 0;
	EXPECT_EQ(sz_store_write(store, &w, &e), -EINVAL);
	end();
}

TEST(what_is_there_or_missing_can_be_ignored)
{
	static const char *const nothing[] = {"user:anne owner document:a",
					      "-user:bob owner document:zzz", NULL};
	static const char *const half[] = {"user:anne owner document:a",
					   "user:bob owner document:b", NULL};
	struct sz_store_write both = {.ignore_duplicate = true, .ignore_missing = true};
	u64 g;

	begin();
	ASSERT_EQ(WRITE("user:anne owner document:a"), 0);
	g = sz_store_generation(store);
	EXPECT_EQ(write_flags(nothing, &both), 0);
	EXPECT_EQ(sz_store_generation(store), g); /* nothing was changed */
	EXPECT_EQ(write_flags(half, &both), 0);
	EXPECT_TRUE(check("user:bob", "viewer", "document:b"));
	EXPECT_EQ(sz_store_generation(store), g + 1);
	end();
}

static int write_condition(const char *days, bool ignore)
{
	json_t *context = json_loads(days, 0, NULL);
	struct sz_store_op op = {.t = {"user:anne", "viewer", "document:c", "weekday", context}};
	struct sz_store_write w = {.ops = &op, .n = 1, .ignore_duplicate = ignore};
	int err = sz_store_write(store, &w, &e);

	json_decref(context);
	return err;
}

static int ask_on(const char *day, bool *ret)
{
	json_t *context = json_pack("{s:s}", "day", day);
	struct sz_rebac_request r = {.context = context};
	struct sz_store_view v;
	int err;

	ASSERT_EQ(sz_store_begin(store, NULL, SZ_STORE_LONG, &v), 0);
	err = sz_rebac_check(v.graph, work, &r, "user:anne", "viewer", "document:c", ret, &e);
	sz_store_end(&v);
	json_decref(context);
	return err;
}

TEST(conditions_and_their_contexts_last)
{
	u32 pages;
	bool yes;

	begin();
	ASSERT_EQ(write_condition("{\"days\": [\"monday\"]}", false), 0);
	reopen();
	EXPECT_EQ(ask_on("monday", &yes), 0);
	EXPECT_TRUE(yes);
	EXPECT_EQ(ask_on("sunday", &yes), 0);
	EXPECT_TRUE(!yes);
	EXPECT_EQ(write_condition("{\"days\": [\"monday\"]}", true), 0);
	EXPECT_EQ(write_condition("{\"days\": [\"friday\"]}", true), -EEXIST);
	EXPECT_EQ(write_condition("{\"days\": \"friday\"}", true), -EINVAL);
	EXPECT_CONTAINS(read_keys(NULL, NULL, NULL, 10, &pages), "user:anne viewer document:c,");
	ASSERT_EQ(WRITE("-user:anne viewer document:c"), 0);
	reopen();
	EXPECT_EQ(ask_on("monday", &yes), 0);
	EXPECT_TRUE(!yes);
	end();
}

TEST(reading_takes_any_part_of_a_tuple_and_pages)
{
	u32 pages;

	begin();
	ASSERT_EQ(WRITE("user:anne owner document:a", "user:anne owner document:b",
			"user:bob owner document:a", "user:anne blocked document:a",
			"group:g#member viewer document:a", "user:anne owner note:n",
			"user:anne member group:g", "user:* member group:g"), 0);
	EXPECT_STREQ(read_keys(NULL, NULL, "document:b", 1, &pages), "user:anne owner document:b,");
	EXPECT_STREQ(read_keys("user:anne", "owner", "document:a", 5, &pages),
		     "user:anne owner document:a,");
	EXPECT_STREQ(read_keys("user:anne", "owner", "document:", 5, &pages),
		     "user:anne owner document:a,user:anne owner document:b,");
	EXPECT_STREQ(read_keys(NULL, "owner", "document:a", 1, &pages),
		     "user:anne owner document:a,user:bob owner document:a,");
	EXPECT_EQ(pages, 2);
	EXPECT_STREQ(read_keys("group:g#member", NULL, "document:", 5, &pages),
		     "group:g#member viewer document:a,");
	EXPECT_STREQ(read_keys("user:*", NULL, "group:g", 5, &pages), "user:* member group:g,");
	EXPECT_STREQ(read_keys("user:zoe", NULL, "document:", 5, &pages), "");
	EXPECT_STREQ(read_keys(NULL, "nothing", "document:a", 5, &pages), "");
	EXPECT_CONTAINS(read_keys("user:anne", NULL, "document:a", 1, &pages),
			"user:anne blocked document:a,");
	EXPECT_EQ(pages, 2);
	read_keys(NULL, NULL, NULL, 1, &pages);
	EXPECT_EQ(pages, 8);
	end();
}

TEST(filters_that_cannot_be_and_tokens_of_others_are_refused)
{
	struct sz_store_filter f = {.object = "document:a"};
	char token[SZ_STORE_TOKEN_MAX] = "", other[SZ_STORE_TOKEN_MAX];
	struct sz_store_filter f2 = {.object = "document:a", .relation = "owner"};
	json_t *list;

	begin();
	ASSERT_EQ(WRITE("user:anne owner document:a", "user:bob owner document:a",
			"user:anne owner document:b"), 0);
	ASSERT_EQ(sz_store_read(store, &f, 1, token, &list, &e), 0);
	json_decref(list);
	ASSERT_TRUE(*token);
	strcpy(other, token);
	f.object = "document:b";
	EXPECT_EQ(sz_store_read(store, &f, 1, other, &list, &e), -EINVAL);
	strcpy(other, token);
	EXPECT_EQ(sz_store_read(store, &f2, 1, other, &list, &e), -EINVAL);
	strcpy(other, "rubbish");
	EXPECT_EQ(sz_store_read(store, &f, 1, other, &list, &e), -EINVAL);
	*other = 0;
	f.object = "document:";
	EXPECT_EQ(sz_store_read(store, &f, 1, other, &list, &e), -EINVAL);
	f.object = "document";
	EXPECT_EQ(sz_store_read(store, &f, 1, other, &list, &e), -EINVAL);
	f = (struct sz_store_filter){.user = "user:anne"};
	EXPECT_EQ(sz_store_read(store, &f, 1, other, &list, &e), -EINVAL);
	f = (struct sz_store_filter){.user = "anne", .object = "document:"};
	EXPECT_EQ(sz_store_read(store, &f, 1, other, &list, &e), -EINVAL);
	end();
}

TEST(changes_are_told_in_order_once_and_by_type)
{
	char token[SZ_STORE_TOKEN_MAX] = "", kept[SZ_STORE_TOKEN_MAX];
	json_t *list;
	char *text;

	begin();
	ASSERT_EQ(WRITE("user:anne owner document:a", "user:anne owner note:n"), 0);
	ASSERT_EQ(WRITE("-user:anne owner document:a"), 0);
	ASSERT_EQ(sz_store_changes(store, "document", 0, 10, token, &list, &e), 0);
	EXPECT_EQ(json_array_size(list), 2);
	text = dump(list);
	EXPECT_CONTAINS(text, "TUPLE_OPERATION_WRITE");
	EXPECT_TRUE(strstr(text, "TUPLE_OPERATION_WRITE") < strstr(text, "TUPLE_OPERATION_DELETE"));
	strcpy(kept, token);
	ASSERT_EQ(sz_store_changes(store, "document", 0, 10, token, &list, &e), 0);
	EXPECT_STREQ(dump(list), "[]");
	EXPECT_STREQ(token, kept);
	EXPECT_EQ(sz_store_changes(store, "note", 0, 10, token, &list, &e), -EINVAL);
	reopen();
	ASSERT_EQ(WRITE("user:anne owner document:z"), 0);
	ASSERT_EQ(sz_store_changes(store, "document", 0, 10, token, &list, &e), 0);
	EXPECT_CONTAINS(dump(list), "document:z");
	*token = 0;
	ASSERT_EQ(sz_store_changes(store, NULL, 0, 2, token, &list, &e), 0);
	EXPECT_EQ(json_array_size(list), 2);
	json_decref(list);
	ASSERT_EQ(sz_store_changes(store, NULL, INT64_MAX, 2, token, &list, &e), 0);
	EXPECT_STREQ(dump(list), "[]");
	end();
}

TEST(changes_that_are_no_longer_kept_are_an_error_and_not_a_gap)
{
	char token[SZ_STORE_TOKEN_MAX] = "", text[64];
	struct sz_store_stats stats;
	json_t *list;
	int i;

	begin();
	ASSERT_EQ(WRITE("user:anne owner document:a"), 0);
	ASSERT_EQ(sz_store_changes(store, NULL, 0, 1, token, &list, &e), 0);
	json_decref(list);
	for (i = 0; i < 600; i++) {
		snprintf(text, sizeof(text), "user:anne owner note:%d", i);
		ASSERT_EQ(WRITE(text), 0);
	}
	sz_store_stats(store, &stats);
	EXPECT_TRUE(stats.changes <= 401);
	EXPECT_EQ(stats.tuples, 601);
	EXPECT_EQ(sz_store_changes(store, NULL, 0, 1, token, &list, &e), -ENODATA);
	end();
}

TEST(stores_are_listed_found_deleted_and_apart)
{
	struct sz_store_info all[4], second;
	struct sz_store_view v;
	struct sz_store *other;

	begin();
	ASSERT_EQ(WRITE("user:anne owner document:a"), 0);
	ASSERT_EQ(sz_store_create(stores, "second", &second, &e), 0);
	EXPECT_TRUE(strcmp(second.id, info.id) > 0);
	EXPECT_EQ(sz_stores_list(stores, "", all, 4), 2);
	EXPECT_EQ(sz_stores_list(stores, info.id, all, 4), 1);
	EXPECT_STREQ(all[0].name, "second");
	other = sz_store_get_named(stores, "second");
	ASSERT_TRUE(other != NULL);
	EXPECT_EQ(sz_store_begin(other, NULL, SZ_STORE_SHORT, &v), -ENOENT); /* no model */
	EXPECT_EQ(sz_store_begin(store, "01ARZ3NDEKTSV4RRFFQ69G5FAV", SZ_STORE_SHORT, &v), -ENOENT);
	EXPECT_EQ(sz_store_create(stores, "x", &second, &e), -EINVAL);
	EXPECT_EQ(sz_store_create(stores, "a\nb", &second, &e), -EINVAL);
	EXPECT_EQ(sz_store_delete(stores, info.id, &e), 0);
	EXPECT_EQ(sz_store_delete(stores, info.id, &e), -ENOENT);
	EXPECT_EQ(sz_store_begin(store, NULL, SZ_STORE_SHORT, &v), -ENOENT); /* held, but dead */
	EXPECT_EQ(WRITE("user:bob owner document:a"), -ENOENT);
	sz_store_put(other);
	reopen();
	EXPECT_TRUE(store == NULL);
	EXPECT_EQ(sz_stores_list(stores, "", all, 4), 1);
	/* a number that is given out again meets nothing of the one that had it */
	ASSERT_EQ(sz_store_create(stores, "third", &info, &e), 0);
	store = sz_store_get(stores, info.id);
	ASSERT_EQ(sz_store_model_write(store, model_text, strlen(model_text), model, &e), 0);
	EXPECT_TRUE(!check("user:anne", "owner", "document:a"));
	end();
}

TEST(models_stay_and_each_can_be_asked)
{
	static const char small[] = "model\n  schema 1.1\ntype user\ntype document\n  relations\n"
				    "    define owner: [user]\n";
	char second[SZ_STORE_ID_LEN + 1], ids[4][SZ_STORE_ID_LEN + 1];
	struct sz_store_view v;
	json_t *list = json_loads("[{\"expectation\": true}]", 0, NULL), *m;
	bool yes;

	begin();
	ASSERT_EQ(WRITE("user:anne owner document:a"), 0);
	ASSERT_EQ(sz_store_model_write(store, small, strlen(small), second, &e), 0);
	EXPECT_EQ(sz_store_model_write(store, "type x", 6, ids[0], &e), -EINVAL);
	EXPECT_EQ(e.code, SZ_REBAC_INVALID_MODEL);
	ASSERT_EQ(sz_store_assertions_write(store, second, list, &e), 0);
	json_decref(list);
	reopen();
	EXPECT_EQ(sz_store_models(store, NULL, ids, 4), 2);
	EXPECT_STREQ(ids[0], second);
	EXPECT_STREQ(ids[1], model);
	EXPECT_EQ(sz_store_models(store, second, ids, 4), 1);
	EXPECT_STREQ(ids[0], model);
	ASSERT_EQ(sz_store_begin(store, NULL, SZ_STORE_SHORT, &v), 0);
	EXPECT_STREQ(v.model, second);
	EXPECT_EQ(sz_rebac_check(v.graph, work, NULL, "user:anne", "viewer", "document:a", &yes,
				 &e), -EINVAL);
	sz_store_end(&v);
	ASSERT_EQ(sz_store_begin(store, model, SZ_STORE_SHORT, &v), 0);
	EXPECT_EQ(sz_rebac_check(v.graph, work, NULL, "user:anne", "viewer", "document:a", &yes,
				 &e), 0);
	EXPECT_TRUE(yes);
	sz_store_end(&v);
	m = sz_store_model_read(store, NULL);
	EXPECT_STREQ(json_string_value(json_object_get(m, "id")), second);
	json_decref(m);
	EXPECT_STREQ(dump(sz_store_assertions_read(store, second)), "[{\"expectation\":true}]");
	EXPECT_STREQ(dump(sz_store_assertions_read(store, model)), "[]");
	end();
}

TEST(a_second_process_does_not_get_in)
{
	struct sz_stores_options o = {.dir = dir};
	struct sz_stores *other;
	struct sz_error why;

	begin();
	EXPECT_EQ(sz_stores_open(&o, &other, &why), -EBUSY);
	EXPECT_CONTAINS(why.msg, "another process");
	end();
}

TEST(a_full_file_is_an_error_and_takes_nothing_back)
{
	struct sz_stores_options o = {.dir = dir, .no_sync = true, .size_max = 1 << 20};
	struct sz_error why;
	struct sz_store_stats before, after;
	char text[256];
	int i, err = 0;

	begin();
	sz_store_put(store);
	sz_stores_close(stores);
	ASSERT_EQ(sz_stores_open(&o, &stores, &why), 0);
	store = sz_store_get(stores, info.id);
	for (i = 0; i < 20000 && !err; i++) {
		sz_store_stats(store, &before);
		snprintf(text, sizeof(text), "user:anne owner note:%0200d", i);
		err = WRITE(text);
	}
	EXPECT_EQ(err, -ENOSPC);
	sz_store_stats(store, &after);
	EXPECT_EQ(after.tuples, before.tuples);
	EXPECT_EQ(after.generation, before.generation);
	EXPECT_TRUE(!check("user:anne", "owner", strstr(text, "note:")));
	reopen();
	sz_store_stats(store, &after);
	EXPECT_EQ(after.tuples, before.tuples);
	end();
}

/* ---- generations ---------------------------------------------------------------------------- */

static u64 generation(const char *type, const char *relation)
{
	return sz_store_relation_generation(store, type, relation);
}

TEST(a_write_raises_what_it_can_change_and_nothing_else)
{
	u64 viewer, note, folder, member;

	begin();
	viewer = generation("document", "viewer");
	note = generation("note", "owner");
	folder = generation("folder", "viewer");
	ASSERT_EQ(WRITE("user:anne owner note:n"), 0);
	EXPECT_TRUE(generation("note", "owner") > note);
	EXPECT_EQ(generation("document", "viewer"), viewer);
	EXPECT_EQ(generation("folder", "viewer"), folder);
	note = generation("note", "owner");
	/* group#member counts for folder#viewer, and that for document#viewer */
	ASSERT_EQ(WRITE("user:anne member group:g"), 0);
	EXPECT_TRUE(generation("document", "viewer") > viewer);
	EXPECT_TRUE(generation("folder", "viewer") > folder);
	EXPECT_EQ(generation("note", "owner"), note);
	viewer = generation("document", "viewer");
	member = generation("group", "member");
	folder = generation("folder", "viewer");
	/* what is taken away by "but not", and the tuples of "from", count as well */
	ASSERT_EQ(WRITE("user:anne blocked document:d"), 0);
	EXPECT_TRUE(generation("document", "viewer") > viewer);
	EXPECT_EQ(generation("group", "member"), member);
	EXPECT_EQ(generation("folder", "viewer"), folder);
	viewer = generation("document", "viewer");
	ASSERT_EQ(WRITE("folder:f parent document:d"), 0);
	EXPECT_TRUE(generation("document", "viewer") > viewer);
	viewer = generation("document", "viewer");
	ASSERT_EQ(WRITE("user:zoe viewer folder:f"), 0);
	EXPECT_TRUE(generation("document", "viewer") > viewer);
	viewer = generation("document", "viewer");
	ASSERT_EQ(WRITE("-folder:f parent document:d"), 0);
	EXPECT_TRUE(generation("document", "viewer") > viewer);
	viewer = generation("document", "viewer");
	ASSERT_EQ(sz_store_model_write(store, model_text, strlen(model_text), model, &e), 0);
	EXPECT_TRUE(generation("document", "viewer") > viewer); /* another model: all of it */
	EXPECT_TRUE(generation("note", "owner") > note);
	reopen(); /* nothing that was cached before is newer than what is known now */
	EXPECT_EQ(generation("note", "owner"), sz_store_generation(store));
	EXPECT_EQ(generation("nothing", "owner"), sz_store_generation(store));
	end();
}

static u32 seed = 1;

static u32 below(u32 n)
{
	seed = seed * 1664525u + 1013904223u;
	return (u32)((u64)(seed >> 4) * n >> 28);
}

static const char *random_tuple(char text[64])
{
	static const char *const shapes[] = {
		"user:%u member group:%u",   "group:%u#member member group:%u",
		"user:%u viewer folder:%u",  "group:%u#member viewer folder:%u",
		"folder:%u parent document:%u", "user:%u owner document:%u",
		"user:%u blocked document:%u", "group:%u#member viewer document:%u",
		"user:%u owner note:%u",
	};
	u32 shape = below(SZ_ARRAY_LEN(shapes)), a = below(3), b = below(3);

	if (!strncmp(shapes[shape], "group:%u#member member", 22) && a >= b)
		return random_tuple(text);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, 64, shapes[shape], a, b);
#pragma GCC diagnostic pop
	return text;
}

static const char *const relations[][2] = {
	{"document", "viewer"}, {"document", "owner"}, {"folder", "viewer"}, {"group", "member"},
	{"note", "owner"},
};

/* All answers to a relation, as bits. */
static u32 answers(const char *const relation[2])
{
	char user[16], object[32];
	u32 bits = 0, i;

	for (i = 0; i < 9; i++) {
		snprintf(user, sizeof(user), "user:%u", i % 3);
		snprintf(object, sizeof(object), "%s:%u", relation[0], i / 3);
		bits |= (u32)check(user, relation[1], object) << i;
	}
	return bits;
}

TEST(no_answer_changes_without_its_generation_and_none_by_a_restart)
{
	struct sz_store_write skip = {.ignore_missing = true, .ignore_duplicate = true};
	u64 old_generation[SZ_ARRAY_LEN(relations)], g, unmoved = 0, moved = 0;
	u32 old[SZ_ARRAY_LEN(relations)], now, step, i;
	char text[64], line[68];

	begin();
	for (i = 0; i < SZ_ARRAY_LEN(relations); i++) {
		old[i] = answers(relations[i]);
		old_generation[i] = generation(relations[i][0], relations[i][1]);
	}
	for (step = 0; step < 400; step++) {
		snprintf(line, sizeof(line), "%s%s", below(5) < 2 ? "-" : "", random_tuple(text));
		ASSERT_EQ(write_flags((const char *const[]){line, NULL}, &skip), 0);
		for (i = 0; i < SZ_ARRAY_LEN(relations); i++) {
			now = answers(relations[i]);
			g = generation(relations[i][0], relations[i][1]);
			if (now != old[i] && !EXPECT_TRUE(g > old_generation[i]))
				printf("# step %u: %s changed %s#%s\n", step, line,
				       relations[i][0], relations[i][1]);
			moved += now != old[i];
			unmoved += g == old_generation[i];
			old[i] = now;
			old_generation[i] = g;
		}
		if (step % 100 == 99) { /* a restart changes no answer */
			reopen();
			for (i = 0; i < SZ_ARRAY_LEN(relations); i++) {
				EXPECT_EQ(answers(relations[i]), old[i]);
				old_generation[i] = generation(relations[i][0], relations[i][1]);
			}
		}
	}
	EXPECT_TRUE(moved > 100 && unmoved > 100);
	end();
}

/* Whether the tuple fits the filter, by its text. */
static bool fits(const char *text, const char *user, const char *relation, const char *object)
{
	struct sz_rebac_tuple t = tuple(text);
	size_t n = object ? strlen(object) : 0;
	bool ret = (!user || !strcmp(user, t.user)) &&
		   (!relation || !strcmp(relation, t.relation)) &&
		   (!object || (object[n - 1] == ':' ? !strncmp(object, t.object, n)
						     : !strcmp(object, t.object)));

	free((char *)t.user);
	return ret;
}

TEST(every_filter_and_page_size_finds_exactly_what_fits)
{
	static char all[128][64];
	const char *object, *user, *relation, *found;
	struct sz_store_write w = {0};
	u32 n = 0, i, k, pages, hits, commas;
	char text[64];

	begin();
	for (i = 0; i < 200; i++) {
		random_tuple(text);
		for (k = 0; k < n && strcmp(all[k], text); k++)
			;
		if (k < n)
			continue;
		strcpy(all[n++], text);
		ASSERT_EQ(write_flags((const char *const[]){text, NULL}, &w), 0);
	}
	for (i = 0; i < 300; i++) {
		struct sz_rebac_tuple t = tuple(all[below(n)]);
		char type[32];

		snprintf(type, sizeof(type), "%.*s:", (int)strcspn(t.object, ":"), t.object);
		object = below(4) ? below(2) ? t.object : type : NULL;
		user = object && (object == type || below(2)) ? t.user : NULL;
		relation = object && below(2) ? t.relation : NULL;
		found = read_keys(user, relation, object, 1 + below(7), &pages);
		hits = 0;
		for (k = 0; k < n; k++) {
			char want[68];

			snprintf(want, sizeof(want), "%s,", all[k]);
			if (!fits(all[k], user, relation, object))
				continue;
			hits++;
			if (!EXPECT_TRUE(strstr(found, want) != NULL))
				printf("# %s is not in %s\n", want, found);
		}
		for (commas = 0; *found; found++)
			commas += *found == ',';
		EXPECT_EQ(commas, hits);
		free((char *)t.user);
	}
	end();
}

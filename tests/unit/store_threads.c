/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A writer and many questions at once. A write is seen whole or not at all, a generation never
 * without its tuples; checks go on while a list runs and a writer waits for it. Runs under
 * ThreadSanitizer, too.
 */
#include "harness.h"

#include <pthread.h>
#include <unistd.h>

#include "store/store.h"

#define READERS 3
#define WRITES  400

static const char model_text[] = "model\n  schema 1.1\ntype user\ntype document\n  relations\n"
				 "    define owner: [user]\n    define reader: [user] or owner\n";

static char dir[32];
static struct sz_stores *stores;
static struct sz_store *store;
static bool ended;
static u64 looks, torn, backwards;

static void begin(void)
{
	struct sz_stores_options o = {.dir = dir, .no_sync = true};
	char model[SZ_STORE_ID_LEN + 1];
	struct sz_store_info info;
	struct sz_rebac_error e;
	struct sz_error why;

	alarm(120);
	strcpy(dir, "/tmp/sz-threads-XXXXXX");
	ASSERT_TRUE(mkdtemp(dir) != NULL);
	ASSERT_EQ(sz_stores_open(&o, &stores, &why), 0);
	ASSERT_EQ(sz_store_create(stores, "threads", &info, &e), 0);
	store = sz_store_get(stores, info.id);
	ASSERT_EQ(sz_store_model_write(store, model_text, strlen(model_text), model, &e), 0);
	__atomic_store_n(&ended, false, __ATOMIC_SEQ_CST);
}

static void end(void)
{
	char command[64];

	sz_store_put(store);
	sz_stores_close(stores);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	EXPECT_EQ(system(command), 0);
}

/* Both documents get an owner, or both lose it; and a name that is new. */
static int toggle(u32 i)
{
	char name[32];
	struct sz_store_op ops[3] = {
		{.remove = i & 1, .t = {"user:a", "owner", "document:left", NULL, NULL}},
		{.remove = i & 1, .t = {"user:a", "owner", "document:right", NULL, NULL}},
		{.t = {"user:b", "reader", name, NULL, NULL}},
	};
	struct sz_store_write w = {.ops = ops, .n = 3};
	struct sz_rebac_error e;

	snprintf(name, sizeof(name), "document:%u", i);
	return sz_store_write(store, &w, &e);
}

static bool owns(const struct sz_store_view *v, struct sz_rebac_work *w, const char *document)
{
	struct sz_rebac_error e;
	bool yes = false;

	if (sz_rebac_check(v->graph, w, NULL, "user:a", "reader", document, &yes, &e))
		__atomic_add_fetch(&torn, 1, __ATOMIC_RELAXED);
	return yes;
}

static void *read_on(void *arg)
{
	struct sz_rebac_work *w = sz_rebac_work_new(0);
	struct sz_store_filter f = {.object = "document:left"};
	char token[SZ_STORE_TOKEN_MAX];
	enum sz_store_kind kind = arg ? SZ_STORE_LONG : SZ_STORE_SHORT;
	u64 last = 0, g;
	struct sz_store_view v;
	struct sz_rebac_error e;
	json_t *page;
	bool left;

	while (!__atomic_load_n(&ended, __ATOMIC_ACQUIRE)) {
		if (sz_store_begin(store, NULL, kind, &v))
			break;
		left = owns(&v, w, "document:left");
		g = sz_store_view_generation(&v, "document", "reader");
		/* The model was write 1, and each toggle was one. */
		if (left != owns(&v, w, "document:right") || left != (v.generation % 2 == 0) ||
		    g != v.generation)
			__atomic_add_fetch(&torn, 1, __ATOMIC_RELAXED);
		if (v.generation < last)
			__atomic_add_fetch(&backwards, 1, __ATOMIC_RELAXED);
		last = v.generation;
		sz_store_end(&v);
		*token = 0;
		if (!sz_store_read(store, &f, 10, token, &page, &e))
			json_decref(page);
		__atomic_add_fetch(&looks, 1, __ATOMIC_RELAXED);
	}
	sz_rebac_work_free(w);
	return NULL;
}

TEST(a_write_is_seen_whole_or_not_at_all)
{
	pthread_t reader[READERS];
	u32 i;

	begin();
	looks = torn = backwards = 0;
	for (i = 0; i < READERS; i++)
		pthread_create(&reader[i], NULL, read_on, i ? NULL : &looks);
	for (i = 0; i < WRITES || __atomic_load_n(&looks, __ATOMIC_RELAXED) < 500; i++)
		if (!EXPECT_EQ(toggle(i), 0))
			break;
	__atomic_store_n(&ended, true, __ATOMIC_RELEASE);
	for (i = 0; i < READERS; i++)
		pthread_join(reader[i], NULL);
	EXPECT_EQ(torn, 0);
	EXPECT_EQ(backwards, 0);
	end();
}

static void *write_one(void *arg)
{
	(void)arg;
	EXPECT_EQ(toggle(0), 0);
	__atomic_store_n(&ended, true, __ATOMIC_RELEASE);
	return NULL;
}

TEST(checks_go_on_while_a_list_runs_and_a_writer_waits_for_it)
{
	struct sz_store_view list, check;
	pthread_t writer;
	u32 i;

	begin();
	ASSERT_EQ(sz_store_begin(store, NULL, SZ_STORE_LONG, &list), 0);
	pthread_create(&writer, NULL, write_one, NULL);
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(sz_store_begin(store, NULL, SZ_STORE_SHORT, &check), 0);
		EXPECT_EQ(check.generation, list.generation);
		sz_store_end(&check);
		usleep(2000);
	}
	EXPECT_TRUE(!__atomic_load_n(&ended, __ATOMIC_ACQUIRE)); /* it waits for the list */
	sz_store_end(&list);
	pthread_join(writer, NULL);
	EXPECT_EQ(sz_store_generation(store), list.generation + 1);
	end();
}

/* ---- a question that takes too long --------------------------------------------------------- */

static u32 asked;

static bool stop(void *arg)
{
	EXPECT_TRUE(arg == &asked);
	return ++asked == 3;
}

TEST(a_list_that_takes_too_long_is_an_error_and_no_part_of_a_list)
{
	struct sz_rebac_work *w = sz_rebac_work_new(0);
	struct sz_rebac_error e = {0};
	static char text[SZ_STORE_BULK_MAX][24];
	static struct sz_store_op ops[SZ_STORE_BULK_MAX];
	struct sz_store_write many = {.ops = ops, .n = SZ_STORE_BULK_MAX, .bulk = true};
	struct sz_store_view v;
	json_t *list = NULL;
	u32 i, k;

	begin();
	for (k = 0; k < 4; k++) {
		for (i = 0; i < SZ_STORE_BULK_MAX; i++) {
			snprintf(text[i], sizeof(text[i]), "document:%u",
				 k * SZ_STORE_BULK_MAX + i);
			ops[i].t = (struct sz_rebac_tuple){"user:a", "reader", text[i], NULL, NULL};
		}
		ASSERT_EQ(sz_store_write(store, &many, &e), 0);
	}
	asked = 0;
	sz_rebac_work_watch(w, stop, &asked);
	ASSERT_EQ(sz_store_begin(store, NULL, SZ_STORE_LONG, &v), 0);
	EXPECT_EQ(sz_rebac_list_objects(v.graph, w, NULL, "user:a", "reader", "document", 0, &list,
					&e), -EINVAL);
	EXPECT_EQ(e.code, SZ_REBAC_TOO_COMPLEX);
	EXPECT_CONTAINS(e.msg, "longer than it may");
	EXPECT_TRUE(list == NULL);
	EXPECT_EQ(asked, 3);
	sz_rebac_work_watch(w, NULL, NULL);
	EXPECT_EQ(sz_rebac_list_objects(v.graph, w, NULL, "user:a", "reader", "document", 0, &list,
					&e), 0);
	EXPECT_EQ(json_array_size(list), 4 * SZ_STORE_BULK_MAX);
	json_decref(list);
	sz_store_end(&v);
	sz_rebac_work_free(w);
	end();
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a write to the store makes void in the kernel: random writes, compared with the answers to
 * every question that a route can ask. A route whose answer has changed has another generation; one
 * that the write cannot be about keeps its own.
 */
#include "harness.h"

#include "gateway/gateway_priv.h"

static const char yaml[] =
	"interfaces: [v0]\nissuers: [{issuer: i, jwks: k, audiences: a}]\nrebac: {}\n"
	"policy: {store: docs}\n"
	"services:\n- name: svc\n  address: \"*:8080\"\n  routes:\n"
	"  - {path: '/v/{id}', relation: {object: 'document:{id}', relation: viewer}}\n"
	"  - {path: '/o/{id}', relation: {object: 'document:{id}', relation: owner}}\n"
	"  - {path: '/f/{id}', relation: {object: 'folder:{id}', relation: viewer}}\n"
	"  - {path: '/n/{id}', relation: {object: 'note:{id}', relation: owner}}\n"
	"  - {path: '/free', public: true}\n";
static const char model_text[] = "model\n  schema 1.1\n"
				 "type user\n"
				 "type group\n  relations\n"
				 "    define member: [user, group#member]\n"
				 "type folder\n  relations\n"
				 "    define viewer: [user, group#member]\n"
				 "type document\n  relations\n"
				 "    define parent: [folder]\n"
				 "    define owner: [user]\n"
				 "    define blocked: [user]\n"
				 "    define viewer: ([user] or owner or viewer from parent)"
				 " but not blocked\n"
				 "type note\n  relations\n"
				 "    define owner: [user]\n";
enum { VIEWER, OWNER, FOLDER, NOTE, FREE, ROUTES };

static struct sz_gateway g;
static struct sz_config cfg;
static struct sz_conf *conf;
static struct sz_store *store;
static char dir[32];
static u64 seed = 0x9e3779b97f4a7c15ull;

static u32 below(u32 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)(seed >> 33) % n;
}

static u32 slot(u16 route)
{
	return sz_rel_slot(conf->services[0].id, route);
}

static void make_store(const char *name)
{
	char model[SZ_STORE_ID_LEN + 1];
	struct sz_store_info info;
	struct sz_rebac_error e;

	ASSERT_EQ(sz_store_create(g.stores, name, &info, &e), 0);
	store = sz_store_get(g.stores, info.id);
	ASSERT_EQ(sz_store_model_write(store, model_text, strlen(model_text), model, &e), 0);
	sz_stores_written(g.stores, store);
}

static void begin(void)
{
	struct sz_stores_options o = {.dir = dir, .no_sync = true};
	struct sz_error e;

	memset(&g, 0, sizeof(g));
	memset(&cfg, 0, sizeof(cfg));
	strcpy(dir, "/tmp/sz-relations-XXXXXX");
	ASSERT_TRUE(mkdtemp(dir) != NULL);
	conf = sz_conf_parse(yaml, strlen(yaml), "t.yaml", &e);
	ASSERT_TRUE(conf != NULL);
	ASSERT_EQ(sz_stores_open(&o, &g.stores, &e), 0);
	g.conf = conf;
	g.cfg = &cfg;
	sz_relations_open(&g);
	make_store("docs");
}

static void end(void)
{
	char command[64];

	sz_relations_free(&g);
	sz_store_put(store);
	sz_stores_close(g.stores);
	sz_conf_free(conf);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	EXPECT_EQ(system(command), 0);
}

/* The daemon's own answer to each question of a route, one bit each. */
static u32 answers(u16 route)
{
	static const struct {
		const char *type, *relation;
	} of[] = {{"document", "viewer"}, {"document", "owner"}, {"folder", "viewer"},
		  {"note", "owner"}};
	char user[16], object[16];
	struct sz_policy_question q = {.user = user, .object = object};
	struct sz_error e;
	u32 ret = 0, u, o;
	bool yes;

	if (route == FREE)
		return 0;
	q.relation = of[route].relation;
	for (u = 0; u < 3; u++)
		for (o = 0; o < 3; o++) {
			snprintf(user, sizeof(user), "user:%u", u);
			snprintf(object, sizeof(object), "%s:%u", of[route].type, o);
			ASSERT_EQ(sz_relations_ask(&g, &q, &yes, &e), 0);
			ret = ret << 1 | yes;
		}
	return ret;
}

static void write_one(bool remove, const char *user, const char *relation, const char *object)
{
	struct sz_store_op op = {.remove = remove,
				 .t = {.user = user, .relation = relation, .object = object}};
	struct sz_store_write w = {
		.ops = &op, .n = 1, .ignore_duplicate = true, .ignore_missing = true};
	struct sz_rebac_error e;

	if (!EXPECT_EQ(sz_store_write(store, &w, &e), 0))
		printf("# %s %s %s: %s\n", user, relation, object, e.msg);
	sz_stores_written(g.stores, store);
}

static void write_random(void)
{
	static const char *const kinds[][3] = {
		{"user:%u", "member", "group:%u"},      {"group:%u#member", "member", "group:%u"},
		{"user:%u", "viewer", "folder:%u"},     {"group:%u#member", "viewer", "folder:%u"},
		{"folder:%u", "parent", "document:%u"}, {"user:%u", "owner", "document:%u"},
		{"user:%u", "blocked", "document:%u"},  {"user:%u", "viewer", "document:%u"},
		{"user:%u", "owner", "note:%u"},
	};
	const char *const *k = kinds[below(SZ_ARRAY_LEN(kinds))];
	u32 a = below(3), b = (a + 1 + below(2)) % 3; /* nothing is in itself */
	char user[24], object[24];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(user, sizeof(user), k[0], a);
	snprintf(object, sizeof(object), k[2], b);
#pragma GCC diagnostic pop
	write_one(below(5) < 2, user, k[1], object);
}

TEST(no_answer_of_a_route_outlives_the_write_that_changes_it)
{
	u32 old[ROUTES], gen[ROUTES], now, step, moved = 0, kept = 0;
	u16 i;

	begin();
	write_random();
	for (i = 0; i < ROUTES; i++) {
		old[i] = answers(i);
		gen[i] = cfg.rel_gen[slot(i)];
	}
	for (step = 0; step < 2000; step++) {
		write_random();
		for (i = 0; i < ROUTES; i++) {
			now = answers(i);
			if (now != old[i] && !EXPECT_TRUE(cfg.rel_gen[slot(i)] != gen[i]))
				printf("# step %u, route %u\n", step, i);
			moved += now != old[i];
			kept += cfg.rel_gen[slot(i)] == gen[i];
			old[i] = now;
			gen[i] = cfg.rel_gen[slot(i)];
		}
	}
	EXPECT_TRUE(moved > 250);
	EXPECT_TRUE(kept > 4000);
	end();
}

/* Which routes a write voids, one bit each. */
static u32 voids(const char *user, const char *relation, const char *object)
{
	struct sz_config before = cfg;
	u32 ret = 0;
	u16 i;

	write_one(false, user, relation, object);
	for (i = 0; i < ROUTES; i++)
		ret |= (u32)(cfg.rel_gen[slot(i)] != before.rel_gen[slot(i)]) << i;
	return ret;
}

TEST(write_voids_the_routes_that_it_can_change_and_no_others)
{
	begin();
	write_one(false, "user:0", "owner", "note:0"); /* the first one voids all */
	EXPECT_EQ(voids("user:0", "viewer", "document:0"), 1u << VIEWER);
	EXPECT_EQ(voids("user:0", "blocked", "document:0"), 1u << VIEWER);
	EXPECT_EQ(voids("folder:0", "parent", "document:0"), 1u << VIEWER);
	EXPECT_EQ(voids("user:0", "owner", "document:0"), 1u << VIEWER | 1u << OWNER);
	EXPECT_EQ(voids("user:0", "viewer", "folder:0"), 1u << VIEWER | 1u << FOLDER);
	EXPECT_EQ(voids("user:0", "member", "group:0"), 1u << VIEWER | 1u << FOLDER);
	EXPECT_EQ(voids("user:0", "owner", "note:1"), 1u << NOTE);
	EXPECT_EQ(voids("user:0", "owner", "note:1"), 0); /* it is there already */
	end();
}

static bool all_void(const struct sz_config *before)
{
	for (u16 i = 0; i < FREE; i++)
		if (cfg.rel_gen[slot(i)] == before->rel_gen[slot(i)])
			return false;
	return true;
}

TEST(another_model_store_or_configuration_voids_all)
{
	char model[SZ_STORE_ID_LEN + 1];
	struct sz_rebac_error e;
	struct sz_config before;

	begin();
	write_one(false, "user:0", "owner", "note:0");
	before = cfg;
	ASSERT_EQ(sz_store_model_write(store, model_text, strlen(model_text), model, &e), 0);
	sz_stores_written(g.stores, store);
	EXPECT_TRUE(all_void(&before));
	before = cfg;
	g.stats.reloads++;
	write_one(false, "user:0", "owner", "note:1");
	EXPECT_TRUE(all_void(&before));
	before = cfg;
	ASSERT_EQ(sz_store_delete(g.stores, sz_store_info(store)->id, &e), 0);
	sz_stores_written(g.stores, store);
	EXPECT_TRUE(all_void(&before));
	sz_store_put(store);
	before = cfg;
	make_store("docs");
	EXPECT_TRUE(all_void(&before));
	before = cfg;
	sz_store_put(store);
	make_store("others"); /* of which no route asks */
	write_one(false, "user:0", "owner", "note:0");
	EXPECT_TRUE(!memcmp(&before, &cfg, sizeof(cfg)));
	end();
}

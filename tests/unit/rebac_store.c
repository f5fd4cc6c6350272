/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The store in memory: names and their numbers, and edges in order from both sides, compared with a
 * plain list after many random changes. Also the YAML documents that models and tuples come in.
 */
#include "harness.h"

#include "config/config.h"
#include "rebac/rebac.h"

static u64 seed = 42;

static u32 below(u32 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)((seed >> 32) * n >> 32);
}

TEST(names_keep_their_numbers)
{
	struct sz_rebac_store *s = sz_rebac_memory_new();
	char name[300];
	u32 i, id;

	EXPECT_EQ(s->ops->find(s, SZ_REBAC_IDS, "*", 1), SZ_REBAC_WILDCARD);
	EXPECT_EQ(s->ops->find(s, SZ_REBAC_IDS, "", 0), 0);
	for (i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		if (s->ops->intern(s, SZ_REBAC_IDS, name, strlen(name)) != i + 2)
			break;
	}
	EXPECT_EQ(i, 20000);
	for (i = 0; i < 20000; i += 7) {
		snprintf(name, sizeof(name), "n%u", i);
		id = s->ops->find(s, SZ_REBAC_IDS, name, strlen(name));
		if (id != i + 2 || strcmp(s->ops->name(s, SZ_REBAC_IDS, id), name))
			break;
	}
	EXPECT_TRUE(i >= 20000);
	EXPECT_EQ(s->ops->find(s, SZ_REBAC_IDS, "n1x", 2), 3); /* counted, not terminated */
	EXPECT_EQ(s->ops->find(s, SZ_REBAC_TYPES, "n1", 2), 0);
	EXPECT_TRUE(!s->ops->name(s, SZ_REBAC_IDS, 0) && !s->ops->name(s, SZ_REBAC_IDS, 20002));
	memset(name, 'x', sizeof(name));
	id = s->ops->intern(s, SZ_REBAC_RELATIONS, name, sizeof(name));
	EXPECT_EQ(s->ops->find(s, SZ_REBAC_RELATIONS, name, sizeof(name)), id);
	EXPECT_EQ(s->ops->find(s, SZ_REBAC_RELATIONS, name, sizeof(name) - 1), 0);
	sz_rebac_store_free(s);
}

TEST(types_end_where_a_node_has_no_room_for_more)
{
	struct sz_rebac_store *s = sz_rebac_memory_new();
	char name[16];
	u32 i;

	for (i = 1; i <= 65535; i++) {
		snprintf(name, sizeof(name), "t%u", i);
		if (s->ops->intern(s, SZ_REBAC_TYPES, name, strlen(name)) != i)
			break;
	}
	EXPECT_EQ(i, 65536);
	EXPECT_EQ(s->ops->intern(s, SZ_REBAC_TYPES, "more", 4), 0);
	EXPECT_EQ(s->ops->intern(s, SZ_REBAC_TYPES, "t9", 2), 9);
	sz_rebac_store_free(s);
}

/* ---- edges ---------------------------------------------------------------------------------- */

#define OBJECTS 5
#define USERS   3000

static bool there[OBJECTS][USERS];

static u64 object_node(u32 i)
{
	return sz_rebac_node_of(2, 1 + i % 2, 10 + i);
}

static u64 user_node(u32 i)
{
	return sz_rebac_node_of(1 + i % 3, i % 5, 100 + i);
}

static int by_number(const void *a, const void *b)
{
	const u64 *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The whole run, read in pieces of `piece` edges. */
static void compare_object(struct sz_rebac_store *s, u32 o, u32 piece)
{
	static u64 expected[USERS], got[USERS + 1];
	struct sz_rebac_edge batch[64];
	u32 i, n = 0, m = 0;
	u64 from = 0;
	int k;

	for (i = 0; i < USERS; i++)
		if (there[o][i])
			expected[n++] = user_node(i);
	qsort(expected, n, sizeof(*expected), by_number);
	do {
		k = s->ops->scan(s, SZ_REBAC_BY_OBJECT, object_node(o), from, UINT64_MAX, batch,
				 piece);
		for (i = 0; i < (u32)k && m <= USERS; i++)
			got[m++] = batch[i].node;
		from = k ? batch[k - 1].node + 1 : 0;
	} while (k == (int)piece && m <= USERS);
	ASSERT_EQ(m, n);
	EXPECT_MEMEQ(got, expected, n * sizeof(*got));
}

/* A part of the run, by type and relation as the engine reads it. */
static void compare_part(struct sz_rebac_store *s, u32 o, u32 type, u32 relation)
{
	u64 from = sz_rebac_node_of(type, relation, 0);
	struct sz_rebac_edge batch[USERS];
	u32 i, n = 0;
	int k;

	for (i = 0; i < USERS; i++)
		n += there[o][i] && user_node(i) >> 32 == from >> 32;
	k = s->ops->scan(s, SZ_REBAC_BY_OBJECT, object_node(o), from, from | 0xffffffff, batch,
			 USERS);
	EXPECT_EQ(k, n);
	for (i = 0; i < (u32)k; i++)
		if (batch[i].node >> 32 != from >> 32)
			break;
	EXPECT_EQ(i, n);
}

static void compare_users(struct sz_rebac_store *s)
{
	struct sz_rebac_edge batch[OBJECTS + 1];
	u32 i, o, n, value, bad = 0;

	for (i = 0; i < USERS; i++) {
		for (o = n = 0; o < OBJECTS; o++) {
			n += there[o][i];
			bad += !s->ops->read(s, object_node(o), user_node(i), &value) !=
			       there[o][i];
		}
		bad += s->ops->scan(s, SZ_REBAC_BY_USER, user_node(i), 0, UINT64_MAX, batch,
				    OBJECTS + 1) != (int)n;
	}
	EXPECT_EQ(bad, 0);
}

TEST(edges_stay_sorted_on_both_sides_through_random_changes)
{
	struct sz_rebac_store *s = sz_rebac_memory_new();
	u32 round, i, o, u;
	int err;

	for (round = 0; round < 12; round++) {
		/* filled, thinned out, emptied, filled again */
		u32 fill = round % 4 < 2 ? 80 : 15;

		for (i = 0; i < 8000; i++) {
			o = below(OBJECTS);
			u = below(USERS);
			if (below(100) < fill) {
				err = s->ops->put(s, object_node(o), user_node(u), NULL);
				ASSERT_EQ(err, there[o][u] ? -EEXIST : 0);
				there[o][u] = true;
			} else {
				err = s->ops->remove(s, object_node(o), user_node(u));
				ASSERT_EQ(err, there[o][u] ? 0 : -ENOENT);
				there[o][u] = false;
			}
		}
		for (o = 0; o < OBJECTS; o++) {
			compare_object(s, o, 1 + below(64));
			compare_part(s, o, 1 + below(3), below(5));
		}
		compare_users(s);
	}
	for (o = 0; o < OBJECTS; o++)
		for (u = 0; u < USERS; u++)
			if (there[o][u])
				EXPECT_EQ(s->ops->remove(s, object_node(o), user_node(u)), 0);
	memset(there, 0, sizeof(there));
	compare_users(s);
	sz_rebac_store_free(s);
}

TEST(a_run_added_in_order_is_read_in_order)
{
	struct sz_rebac_store *s = sz_rebac_memory_new();
	struct sz_rebac_edge e[2];
	u32 i, value;

	for (i = 0; i < 5000; i++)
		s->ops->put(s, 7, sz_rebac_node_of(1, 0, i + 1), NULL);
	for (i = 1; i < 5000; i++) {
		if (s->ops->scan(s, SZ_REBAC_BY_OBJECT, 7, sz_rebac_node_of(1, 0, i), UINT64_MAX, e,
				 2) != 2 ||
		    SZ_REBAC_ID(e[0].node) != i || SZ_REBAC_ID(e[1].node) != i + 1)
			break;
	}
	EXPECT_EQ(i, 5000);
	EXPECT_EQ(s->ops->read(s, 7, sz_rebac_node_of(1, 0, 5000), &value), 0);
	EXPECT_EQ(s->ops->read(s, 7, sz_rebac_node_of(1, 0, 5001), &value), -ENOENT);
	EXPECT_EQ(s->ops->read(s, 8, sz_rebac_node_of(1, 0, 1), &value), -ENOENT);
	sz_rebac_store_free(s);
}

TEST(values_are_given_back_and_used_again)
{
	struct sz_rebac_store *s = sz_rebac_memory_new();
	json_t *context = json_pack("{s:i}", "x", 1);
	struct sz_rebac_value v = {.condition = 3, .context = context};
	u32 i, at;

	for (i = 0; i < 100; i++)
		EXPECT_EQ(s->ops->put(s, 7, 100 + i, &v), 0);
	EXPECT_EQ(s->ops->read(s, 7, 150, &at), 0);
	EXPECT_TRUE(at && s->ops->value(s, at)->condition == 3 &&
		    s->ops->value(s, at)->context == context);
	EXPECT_EQ(context->refcount, 101);
	for (i = 0; i < 100; i += 2)
		EXPECT_EQ(s->ops->remove(s, 7, 100 + i), 0);
	EXPECT_EQ(context->refcount, 51);
	v.condition = 4;
	for (i = 0; i < 100; i += 2)
		EXPECT_EQ(s->ops->put(s, 7, 100 + i, &v), 0);
	EXPECT_EQ(s->ops->read(s, 7, 198, &at), 0);
	EXPECT_TRUE(at <= 100 && s->ops->value(s, at)->condition == 4);
	sz_rebac_store_free(s);
	EXPECT_EQ(context->refcount, 1);
	json_decref(context);
}

/* ---- YAML ----------------------------------------------------------------------------------- */

static void expect_yaml(const char *yaml, const char *json)
{
	struct sz_error e = {""};
	json_t *v = sz_conf_yaml(yaml, strlen(yaml), "t.yaml", &e);
	char *text = v ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	if (!EXPECT_STREQ(text, json))
		printf("# %s\n", e.msg);
	free(text);
	json_decref(v);
}

TEST(yaml_is_read_as_json)
{
	expect_yaml("a: 1\nb: -0.5\nc: 1e3\nd: true\ne: ~\nf: text\n",
		    "{\"a\":1,\"b\":-0.5,\"c\":1000.0,\"d\":true,\"e\":null,\"f\":\"text\"}");
	expect_yaml(
		"[\"1\", '2', 007, 0x10, 1_0, 1.2.3, -, +, .5, 1., yes, True, NULL, 1e999]",
		"[\"1\",\"2\",\"007\",\"0x10\",\"1_0\",\"1.2.3\",\"-\",\"+\",\".5\",\"1.\",\"yes\","
		"true,null,\"1e999\"]");
	expect_yaml("a: |\n  x\n   y\nb: []\nc: {}\nd:\n", "{\"a\":\"x\\n y\\n\",\"b\":[],\"c\":{},"
							   "\"d\":null}");
	expect_yaml("- {user: \"user:a\", when: 2026-01-01T00:00:00Z}\n",
		    "[{\"user\":\"user:a\",\"when\":\"2026-01-01T00:00:00Z\"}]");
	expect_yaml("12345678901234567890", "\"12345678901234567890\"");
	expect_yaml("\xc3\xa4: \xe2\x82\xac", "{\"\xc3\xa4\":\"\xe2\x82\xac\"}");
}

TEST(yaml_that_hides_something_is_refused_with_its_line)
{
	static const struct {
		const char *text, *says;
	} list[] = {
		{"a: &x 1\nb: *x\n", "t.yaml:1: anchors"},
		{"a: 1\nb: !!str 2\n", "t.yaml:2: anchors"},
		{"a: 1\n---\nb: 1\n", "t.yaml:2: a second document"},
		{"a: 1\nb: 2\na: 3\n", "t.yaml:3: key 'a' stands twice"},
		{"[1]: 2\n", "t.yaml:1: a key is no plain text"},
		{"a: \"x\\0y\"\n", "t.yaml:1: a value has a NUL byte"},
		{"\"x\\0y\": 1\n", "t.yaml:1: a key is no plain text"},
		{"a: [1\n", "t.yaml:2: this is not YAML"},
		{"a: \xff\n", "t.yaml:1: byte 0xff"},
		{"", "the file is empty"},
		{"[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]", "levels deep"},
	};
	struct sz_error e;
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(list); i++) {
		e.msg[0] = 0;
		EXPECT_TRUE(!sz_conf_yaml(list[i].text, strlen(list[i].text), "t.yaml", &e));
		EXPECT_CONTAINS(e.msg, list[i].says);
	}
}

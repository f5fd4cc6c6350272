/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Revoking on the kernel's real maps: each kind marks the grants it is about and no others, and
 * voids them before that; how a file's line is read.
 */
#include "codec/codec.h"
#include "harness.h"
#include "revoke/revoke.h"

#include "kern_ground.h"

static struct sz_kern *k;

static void ground_end(void)
{
	sz_kern_close(k);
}

static void ground(void)
{
	if (k)
		return;
	begin();
	k = load();
	sz_kern_config(k)->abi = SZ_ABI;
	atexit(ground_end);
}

static int item(const char *json, struct sz_revoke_item *ret)
{
	json_t *o = json_loads(json, 0, NULL);
	int err;

	ASSERT_TRUE(o != NULL);
	err = sz_revoke_item_json(o, ret, &e);
	json_decref(o);
	return err;
}

/* Grant n of issuer i, subject u, session s, token id j, key k, issued at 1000. */
static struct sz_grant_key grant(u64 n, const char *iss, const char *sub)
{
	struct sz_grant_key key = {.token.w[0] = n, .service = 1};
	struct sz_grant g = {.expires_ns = UINT64_MAX,
			     .principal = sz_principal_id(iss, sub),
			     .jti = sz_revoke_id(SZ_REVOKE_JTI, "j", 1),
			     .subject = sz_revoke_id(SZ_REVOKE_SUBJECT, sub, strlen(sub)),
			     .issuer = sz_revoke_id(SZ_REVOKE_ISSUER, iss, strlen(iss)),
			     .session = sz_revoke_pair_id(SZ_REVOKE_SESSION, iss, "s"),
			     .key = sz_revoke_id(SZ_REVOKE_KEY, "k", 1),
			     .issued_s = 1000};

	g.name_serial = sz_name_serials(sz_kern_config(k), &g);
	g.key_serial = sz_kern_config(k)->key_serial[sz_key_slot(&g.key)];
	EXPECT_EQ(sz_map_put(k, SZ_MAP_GRANTS, &key, &g), 0);
	return key;
}

enum after { UNTOUCHED, MARKED, DROPPED, VOID };

static enum after look(const struct sz_grant_key *key)
{
	const struct sz_config *cfg = sz_kern_config(k);
	struct sz_grant g;

	if (sz_map_get(k, SZ_MAP_GRANTS, key, &g))
		return DROPPED;
	if (g.flags & SZ_GRANT_REVOKED)
		return MARKED;
	return g.name_serial == sz_name_serials(cfg, &g) &&
			       g.key_serial == cfg->key_serial[sz_key_slot(&g.key)]
		       ? UNTOUCHED
		       : VOID;
}

TEST(each_kind_marks_the_grants_it_is_about)
{
	static const struct {
		const char *line;
		enum after a, b, c; /* of (i, u), (i, v) and (h, u) */
	} cases[] = {
		{"{\"jti\":\"j\"}", MARKED, MARKED, MARKED},
		{"{\"jti\":\"x\"}", UNTOUCHED, UNTOUCHED, UNTOUCHED},
		{"{\"jti\":\"j\",\"issuer\":\"i\"}", MARKED, MARKED, VOID},
		{"{\"subject\":\"u\"}", MARKED, UNTOUCHED, MARKED},
		{"{\"subject\":\"u\",\"issuer\":\"i\"}", MARKED, UNTOUCHED, VOID},
		{"{\"issuer\":\"i\"}", MARKED, MARKED, UNTOUCHED},
		{"{\"session\":\"s\",\"issuer\":\"i\"}", MARKED, MARKED, UNTOUCHED},
		{"{\"key\":\"k\"}", MARKED, MARKED, MARKED},
		{"{\"kid\":\"any\",\"issuer\":\"i\"}", DROPPED, DROPPED, UNTOUCHED},
		{"{\"issuer\":\"i\",\"before\":1001}", MARKED, MARKED, UNTOUCHED},
		{"{\"issuer\":\"i\",\"before\":1000}", VOID, VOID, UNTOUCHED},
		{"{\"subject\":\"u\",\"before\":1001}", MARKED, UNTOUCHED, MARKED},
		{"{\"subject\":\"u\",\"issuer\":\"h\",\"before\":1001}", VOID, UNTOUCHED, MARKED},
	};

	ground();
	for (size_t i = 0; i < SZ_ARRAY_LEN(cases); i++) {
		struct sz_grant_key a = grant(1, "i", "u"), b = grant(2, "i", "v"),
				    c = grant(3, "h", "u");
		struct sz_revoke_result r;
		struct sz_revoke_item it;
		struct sz_revoked entry;
		struct sz_id id;
		u64 epoch = sz_kern_config(k)->revoke_epoch;
		bool right;

		ASSERT_EQ(item(cases[i].line, &it), 0);
		id = sz_revoke_item_id(&it);
		EXPECT_EQ(sz_revoke_apply(k, &it, 1, &r, &e), 0);
		EXPECT_EQ(r.names, 1);
		EXPECT_EQ(sz_map_get(k, SZ_MAP_REVOKED, &id, &entry), 0);
		EXPECT_EQ(entry.kind, it.kind);
		EXPECT_EQ(sz_kern_config(k)->revoke_epoch, epoch + 1);
		right = EXPECT_EQ(look(&a), cases[i].a) & EXPECT_EQ(look(&b), cases[i].b) &
			EXPECT_EQ(look(&c), cases[i].c);
		if (!right)
			printf("# %s\n", cases[i].line);
		sz_map_del(k, SZ_MAP_REVOKED, &id);
		sz_revoke_item_done(&it);
	}
}

TEST(many_names_are_revoked_with_one_walk)
{
	struct sz_revoke_item items[400];
	struct sz_grant_key keys[100];
	struct sz_revoke_result r;
	char text[64];

	ground();
	for (u64 n = 0; n < 100; n++) {
		snprintf(text, sizeof(text), "u%d", (int)n * 7);
		keys[n] = grant(100 + n, "many", text);
	}
	for (int n = 0; n < 400; n++) {
		snprintf(text, sizeof(text), "{\"subject\":\"u%d\",\"issuer\":\"many\"}", n);
		ASSERT_EQ(item(text, &items[n]), 0);
	}
	EXPECT_EQ(sz_revoke_apply(k, items, 400, &r, &e), 0);
	EXPECT_EQ(r.names, 400);
	EXPECT_EQ(r.grants, 58); /* 0, 7, ... 399 */
	for (u64 n = 0; n < 100; n++)
		EXPECT_EQ(look(&keys[n]) == MARKED, n * 7 < 400);
	for (int n = 0; n < 400; n++) {
		struct sz_id id = sz_revoke_item_id(&items[n]);

		sz_map_del(k, SZ_MAP_REVOKED, &id);
		sz_revoke_item_done(&items[n]);
	}
}

TEST(revocation_is_never_weakened_by_a_later_one)
{
	struct sz_revoke_result r;
	struct sz_revoke_item it;
	struct sz_revoked entry;
	struct sz_id id;

	ground();
	for (int i = 0; i < 4; i++) {
		static const char *const lines[] = {
			"{\"issuer\":\"w\",\"before\":2000,\"until\":9000000000}",
			"{\"issuer\":\"w\",\"before\":1500,\"until\":8000000000}",
			"{\"issuer\":\"w\",\"before\":1500}",
			"{\"issuer\":\"w\",\"before\":2500,\"until\":8000000000}",
		};
		static const u64 before[] = {2000, 2000, 2000, 2500};
		static const u64 until[] = {9000000000, 9000000000, 0, 0};

		ASSERT_EQ(item(lines[i], &it), 0);
		id = sz_revoke_item_id(&it);
		EXPECT_EQ(sz_revoke_apply(k, &it, 1, &r, &e), 0);
		EXPECT_EQ(sz_map_get(k, SZ_MAP_REVOKED, &id, &entry), 0);
		EXPECT_EQ(entry.before_s, before[i]);
		EXPECT_EQ(entry.until_s, until[i]);
		sz_revoke_item_done(&it);
	}
	sz_map_del(k, SZ_MAP_REVOKED, &id);
}

TEST(lines_that_cannot_be_meant_are_refused)
{
	static const char *const lines[][2] = {
		{"{}", "nothing to revoke"},
		{"{\"jti\":\"a\",\"subject\":\"b\"}", "more than one"},
		{"{\"session\":\"a\"}", "with its issuer"},
		{"{\"kid\":\"a\"}", "with its issuer"},
		{"{\"key\":\"a\",\"issuer\":\"b\"}", "without an issuer"},
		{"{\"token\":\"a\",\"issuer\":\"b\"}", "without an issuer"},
		{"{\"jti\":\"a\",\"before\":5}", "goes with a subject or an issuer"},
		{"{\"subject\":\"a\",\"before\":\"now\"}", "seconds since 1970"},
		{"{\"subject\":\"a\",\"until\":-1}", "seconds since 1970"},
		{"{\"subject\":7}", "must be a string"},
		{"{\"subject\":\"\"}", "must be a string that is not empty"},
		{"{\"subjekt\":\"a\"}", "not known"},
	};
	struct sz_revoke_item it;

	for (size_t i = 0; i < SZ_ARRAY_LEN(lines); i++) {
		EXPECT_EQ(item(lines[i][0], &it), -EINVAL);
		EXPECT_CONTAINS(e.msg, lines[i][1]);
		EXPECT_TRUE(!it.value && !it.issuer);
	}
}

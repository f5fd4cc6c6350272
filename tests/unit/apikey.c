/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * API keys: their form, the store that never holds one, what a key decides.
 */
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apikey/apikey.h"
#include "codec/codec.h"
#include "harness.h"
#include "verify/verify.h"

static struct sz_error e;
static char dir[32], path[64], key[SZ_APIKEY_LEN + 1];

static void ground(void)
{
	char cmd[64];

	ASSERT_TRUE(sodium_init() >= 0);
	if (*dir) {
		snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
		EXPECT_EQ(system(cmd), 0);
	}
	strcpy(dir, "/tmp/sz-apikey-XXXXXX");
	ASSERT_TRUE(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/keys", dir);
}

static struct sz_apikeys *load(void)
{
	struct sz_apikeys *s = NULL;

	if (!EXPECT_EQ(sz_apikeys_load(path, &s, &e), 0))
		printf("# %s\n", e.msg);
	ASSERT_TRUE(s != NULL);
	return s;
}

/* One key in a store on disk; it stays in `key`. */
static void make(s64 expires, const char *service)
{
	struct sz_apikey_wish w = {.sub = "bob",
				   .name = "ci",
				   .scope = "s",
				   .now = 1000,
				   .expires_s = expires,
				   .services = &service,
				   .n_services = service != NULL};
	struct sz_apikeys *s = load();

	EXPECT_EQ(sz_apikeys_add(s, &w, key, &e), 0);
	EXPECT_EQ(sz_apikeys_save(s, path, &e), 0);
	sz_apikeys_free(s);
}

TEST(key_has_a_form_that_a_typing_error_breaks)
{
	char other[SZ_APIKEY_LEN + 1];

	ground();
	make(0, NULL);
	EXPECT_EQ(strlen(key), SZ_APIKEY_LEN);
	EXPECT_TRUE(!strncmp(key, "sz_", 3));
	EXPECT_TRUE(sz_apikey_shape(key, SZ_APIKEY_LEN));
	EXPECT_TRUE(!sz_apikey_shape(key, SZ_APIKEY_LEN - 1));
	for (size_t i = 0; i < SZ_APIKEY_LEN; i++) {
		strcpy(other, key);
		other[i] = other[i] == 'x' ? 'y' : 'x';
		if (!EXPECT_TRUE(!sz_apikey_shape(other, SZ_APIKEY_LEN)))
			printf("# character %zu\n", i);
	}
}

TEST(store_knows_its_keys_and_holds_none)
{
	struct sz_apikeys *s;
	struct sz_buf text = {0};
	char first[SZ_APIKEY_LEN + 1], foreign[SZ_APIKEY_LEN + 1], pepper[80];
	const struct sz_apikey *k;
	struct stat st;

	ground();
	make(0, NULL);
	strcpy(first, key);
	make(5000, "web");
	s = load();
	EXPECT_EQ(sz_apikeys_count(s), 2);
	k = sz_apikeys_find(s, first, SZ_APIKEY_LEN);
	ASSERT_TRUE(k != NULL);
	EXPECT_TRUE(!strncmp(k->id, first + 3, SZ_APIKEY_ID_LEN));
	EXPECT_STREQ(json_string_value(json_object_get(k->claims, "sub")), "bob");
	EXPECT_STREQ(json_string_value(json_object_get(k->claims, "iss")), SZ_APIKEY_ISSUER);
	EXPECT_TRUE(sz_apikey_serves(k, "any"));
	k = sz_apikeys_find(s, key, SZ_APIKEY_LEN);
	ASSERT_TRUE(k != NULL);
	EXPECT_EQ(k->expires_s, 5000);
	EXPECT_TRUE(sz_apikey_serves(k, "web") && !sz_apikey_serves(k, "shop"));
	EXPECT_EQ(sz_file_read(path, 1 << 20, &text, &e), 0);
	EXPECT_TRUE(!strstr(text.data, key + 4 + SZ_APIKEY_ID_LEN));
	EXPECT_EQ(stat(path, &st), 0);
	EXPECT_EQ(st.st_mode & 0777, 0600);
	snprintf(pepper, sizeof(pepper), "%s.pepper", path);
	EXPECT_EQ(stat(pepper, &st), 0);
	EXPECT_EQ(st.st_mode & 0777, 0600);
	sz_buf_done(&text);
	/* A key of another store has the form, but is not ours; and so without the pepper. */
	strcpy(first, key);
	ground();
	make(0, NULL);
	strcpy(foreign, key);
	EXPECT_TRUE(!sz_apikeys_find(s, foreign, SZ_APIKEY_LEN));
	EXPECT_TRUE(sz_apikeys_find(s, first, SZ_APIKEY_LEN) != NULL);
	sz_apikeys_free(s);
}

TEST(store_whose_pepper_is_gone_or_open_is_refused)
{
	struct sz_apikeys *s = NULL;
	char pepper[80];

	ground();
	make(0, NULL);
	snprintf(pepper, sizeof(pepper), "%s.pepper", path);
	EXPECT_EQ(chmod(pepper, 0644), 0);
	EXPECT_EQ(sz_apikeys_load(path, &s, &e), -EPERM);
	EXPECT_EQ(unlink(pepper), 0);
	EXPECT_TRUE(sz_apikeys_load(path, &s, &e) < 0);
	EXPECT_CONTAINS(e.msg, "pepper is missing");
	EXPECT_EQ(sz_file_replace(path, "{", 1, 0600, &e), 0);
	EXPECT_EQ(sz_apikeys_load(path, &s, &e), -EINVAL);
	EXPECT_EQ(unlink(path), 0);
	s = load(); /* none at all is empty */
	EXPECT_EQ(sz_apikeys_count(s), 0);
	EXPECT_TRUE(!sz_apikeys_find(s, key, SZ_APIKEY_LEN));
	sz_apikeys_free(s);
}

static bool is_id(u32 kind, const struct sz_id *id, u64 issued_s, void *arg)
{
	(void)kind;
	(void)issued_s;
	return !id || (arg && !memcmp(id, arg, sizeof(*id)));
}

static struct sz_decision decide(struct sz_verifier *v, s64 now, bool dpop, struct sz_id *revoked)
{
	const struct sz_conf_service *svc = &sz_verifier_conf(v)->services[0];
	struct sz_policy_moment at = {.now_ns = now * 1000000000};
	struct sz_decision d;

	(dpop ? sz_verifier_decide_bound : sz_verifier_decide)(v, svc, key, SZ_APIKEY_LEN, &at,
							       is_id, revoked, &d);
	return d;
}

TEST(key_decides_like_a_token)
{
	struct sz_verifier *v = NULL, *next = NULL;
	struct sz_buf text = {0};
	struct sz_apikeys *s;
	struct sz_decision d;
	struct sz_conf *c;
	struct sz_id jti;
	char id[SZ_APIKEY_ID_LEN + 1] = "";

	ground();
	make(5000, "svc");
	memcpy(id, key + 3, SZ_APIKEY_ID_LEN);
	sz_buf_printf(&text,
		      "interfaces: [e]\napi_keys: {file: %s}\nservices:\n- name: svc\n"
		      "  address: \"*:80\"\n  routes: [{path: /a, scopes: [s]}, {path: /b, scopes: "
		      "[t]}]\n",
		      path);
	c = sz_conf_parse(text.data, text.len, "t.yaml", &e);
	ASSERT_TRUE(c != NULL);
	ASSERT_EQ(sz_verifier_new(c, &v, &e), 0);
	d = decide(v, 2000, false, NULL);
	EXPECT_EQ(d.reason, SZ_R_NONE);
	EXPECT_EQ(d.routes.allow[0], 1);
	EXPECT_EQ(d.principal, sz_principal_id(SZ_APIKEY_ISSUER, "bob"));
	EXPECT_EQ(d.token.exp, 5000);
	jti = d.names.id[SZ_REVOKE_ISSUER_JTI];
	EXPECT_TRUE(!memcmp(
		&jti,
		&(struct sz_id[]){sz_revoke_pair_id(SZ_REVOKE_ISSUER_JTI, SZ_APIKEY_ISSUER, id)}[0],
		sizeof(jti)));
	sz_decision_done(&d);
	EXPECT_EQ(decide(v, 5000, false, NULL).reason, SZ_R_EXPIRED);
	EXPECT_EQ(decide(v, 2000, true, NULL).reason, SZ_R_DPOP_BINDING);
	d = decide(v, 2000, false, &jti);
	EXPECT_EQ(d.reason, SZ_R_REVOKED);
	sz_decision_done(&d);
	s = load();
	EXPECT_EQ(sz_apikeys_end(s, id, 1500, 0), 0);
	EXPECT_EQ(sz_apikeys_end(s, "0000000000000000", 1500, 0), -ENOENT);
	EXPECT_EQ(sz_apikeys_save(s, path, &e), 0);
	sz_apikeys_free(s);
	ASSERT_EQ(sz_verifier_with_apikeys(v, &next, &e), 0);
	EXPECT_EQ(decide(next, 2000, false, NULL).reason, SZ_R_REVOKED);
	key[SZ_APIKEY_LEN - 1] ^= 1;
	EXPECT_EQ(decide(next, 2000, false, NULL).reason, SZ_R_BAD_TOKEN);
	sz_verifier_unref(next);
	make(0, "other");
	ASSERT_EQ(sz_verifier_with_apikeys(v, &next, &e), 0);
	EXPECT_EQ(decide(next, 2000, false, NULL).reason, SZ_R_BAD_AUDIENCE);
	sz_verifier_unref(next);
	sz_verifier_unref(v);
	sz_buf_done(&text);
	ground(); /* leaves nothing of this one behind */
	rmdir(dir);
}

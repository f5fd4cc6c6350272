/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Security events: what each asks for, and that an issuer speaks of its own subjects only.
 */
#include "harness.h"
#include "jose/jose.h"
#include "signals/signals.h"
#include "verify/verify.h"

#include <unistd.h>

#define CAEP "https://schemas.openid.net/secevent/caep/event-type/"
#define NOW  2000

static struct sz_error e;

/* The one item of an event with this body, or how it failed. */
static int one(const char *type, const char *body, struct sz_revoke_item *ret)
{
	struct sz_revoke_item *items = NULL;
	struct sz_buf text = {0};
	json_t *claims;
	size_t n = 0;
	int err;

	sz_buf_printf(&text, "{\"iss\":\"i\",\"iat\":1500,\"jti\":\"1\",\"events\":{\"%s\":%s}}",
		      type, body);
	claims = json_loads(text.data, 0, NULL);
	ASSERT_TRUE(claims != NULL);
	err = sz_signals_items(claims, NOW, &items, &n, &e);
	*ret = (struct sz_revoke_item){0};
	if (!err && EXPECT_EQ(n, 1))
		*ret = items[0];
	free(items);
	json_decref(claims);
	sz_buf_done(&text);
	return err;
}

TEST(event_revokes_what_its_subject_names)
{
	static const struct {
		const char *type, *body;
		u32 kind;
		const char *value;
		u64 before;
	} cases[] = {
		{CAEP "session-revoked",
		 "{\"event_timestamp\":1700,\"subject\":{\"format\":\"iss_sub\","
		 "\"iss\":\"i\",\"sub\":\"u\"}}",
		 SZ_REVOKE_PRINCIPAL_BEFORE, "u", 1701},
		{CAEP "credential-change", "{\"subject\":{\"format\":\"opaque\",\"id\":\"u\"}}",
		 SZ_REVOKE_PRINCIPAL_BEFORE, "u", 1501},
		{CAEP "session-revoked",
		 "{\"event_timestamp\":9999999,\"subject\":{\"format\":"
		 "\"complex\",\"user\":{\"format\":\"iss_sub\",\"iss\":\"i\",\"sub\":\"u\"}}}",
		 SZ_REVOKE_PRINCIPAL_BEFORE, "u", NOW + 1},
		{CAEP "session-revoked",
		 "{\"subject\":{\"user\":{\"sub\":\"u\"},\"session\":{\"format\":"
		 "\"opaque\",\"id\":\"s\"}}}",
		 SZ_REVOKE_SESSION, "s", 0},
		{CAEP "session-revoked",
		 "{\"subject\":{\"format\":\"jwt_id\",\"iss\":\"i\",\"jti\":"
		 "\"j\"}}",
		 SZ_REVOKE_ISSUER_JTI, "j", 0},
	};
	struct sz_revoke_item it;

	for (size_t i = 0; i < SZ_ARRAY_LEN(cases); i++) {
		if (!EXPECT_EQ(one(cases[i].type, cases[i].body, &it), 0))
			printf("# %s\n", e.msg);
		EXPECT_EQ(it.kind, cases[i].kind);
		EXPECT_STREQ(it.issuer, "i");
		EXPECT_STREQ(it.value, cases[i].value);
		EXPECT_EQ(it.before_s, cases[i].before);
		sz_revoke_item_done(&it);
	}
}

TEST(subject_that_is_not_the_issuers_own_or_not_understood_is_refused)
{
	static const char *const bodies[] = {
		"{\"subject\":{\"format\":\"iss_sub\",\"iss\":\"other\",\"sub\":\"u\"}}",
		"{\"subject\":{\"format\":\"email\",\"email\":\"u@x\"}}",
		"{\"subject\":{\"format\":\"jwt_id\",\"iss\":\"other\",\"jti\":\"j\"}}",
		"{\"subject\":{\"session\":{}}}",
		"{\"subject\":\"u\"}",
		"{}",
		"{\"event_timestamp\":\"x\",\"subject\":{\"sub\":\"u\"}}",
	};
	struct sz_revoke_item it;

	for (size_t i = 0; i < SZ_ARRAY_LEN(bodies); i++)
		if (!EXPECT_EQ(one(CAEP "session-revoked", bodies[i], &it), -EINVAL))
			printf("# %s\n", bodies[i]);
}

TEST(events_that_revoke_nothing_ask_for_nothing)
{
	json_t *claims = json_pack(
		"{s:s, s:i, s:{s:{}, s:{}}}", "iss", "i", "iat", 1, "events",
		"https://schemas.openid.net/secevent/ssf/event-type/verification", "urn:unknown");
	struct sz_revoke_item *items;
	size_t n = 7;

	EXPECT_EQ(sz_signals_items(claims, NOW, &items, &n, &e), 0);
	EXPECT_EQ(n, 0);
	json_decref(claims);
}

/* ---- the token around them ------------------------------------------------------------------ */

static json_t *key;

static struct sz_verifier *verifier(const char *more)
{
	char path[] = "/tmp/sz-signals-XXXXXX", text[512];
	int fd = mkstemp(path);
	struct sz_verifier *v = NULL;
	json_t *set;
	char *keys;
	struct sz_conf *c;

	ASSERT_TRUE(fd >= 0);
	if (!key)
		ASSERT_EQ(sz_key_generate(SZ_ALG_EDDSA, &key, &set, &e), 0);
	else
		set = NULL;
	if (!set) {
		json_t *pub = json_deep_copy(key);

		json_object_del(pub, "d");
		set = json_pack("{s:[o]}", "keys", pub);
	}
	keys = json_dumps(set, 0);
	EXPECT_EQ(write(fd, keys, strlen(keys)), (ssize_t)strlen(keys));
	close(fd);
	snprintf(text, sizeof(text),
		 "interfaces: [e]\nissuers: [{issuer: i, jwks: %s, audiences: a%s}]\n"
		 "services: [{name: s, address: \"*:80\", routes: [{path: /}]}]\n",
		 path, more);
	c = sz_conf_parse(text, strlen(text), "t.yaml", &e);
	ASSERT_TRUE(c != NULL);
	EXPECT_EQ(sz_verifier_new(c, &v, &e), 0);
	unlink(path);
	json_decref(set);
	free(keys);
	return v;
}

/* The error code for an event token, "" where it is good. */
static const char *code_of(struct sz_verifier *v, const char *typ, const char *iss, const char *aud,
			   bool change)
{
	json_t *more = json_pack("{s:s, s:O}", "typ", typ, "kid", json_object_get(key, "kid"));
	json_t *claims = json_pack("{s:s, s:s, s:i, s:s, s:{s:{}}}", "iss", iss, "aud", aud, "iat",
				   1, "jti", "1", "events", "urn:x");
	struct sz_buf jws = {0};
	const char *code;
	json_t *good;

	EXPECT_EQ(sz_jws_sign(key, more, claims, &jws, &e), 0);
	if (change) /* in the middle of the signature */
		jws.data[jws.len - 20] = jws.data[jws.len - 20] == 'A' ? 'B' : 'A';
	e.msg[0] = '\0';
	good = sz_verifier_event(v, jws.data, jws.len, NOW, &code, &e);
	code = good ? "" : code;
	json_decref(good);
	json_decref(more);
	json_decref(claims);
	sz_buf_done(&jws);
	return code;
}

TEST(event_token_is_typed_signed_and_for_us)
{
	struct sz_verifier *v = verifier(", events: https://gw"), *deaf;

	EXPECT_STREQ(code_of(v, "secevent+jwt", "i", "https://gw", false), "");
	EXPECT_STREQ(code_of(v, "application/SECEVENT+jwt", "i", "https://gw", false), "");
	EXPECT_STREQ(code_of(v, "at+jwt", "i", "https://gw", false), "invalid_request");
	EXPECT_STREQ(code_of(v, "secevent+jwt", "j", "https://gw", false), "invalid_issuer");
	EXPECT_STREQ(code_of(v, "secevent+jwt", "i", "a", false), "invalid_audience");
	EXPECT_STREQ(code_of(v, "secevent+jwt", "i", "https://gw", true), "invalid_key");
	deaf = verifier("");
	EXPECT_STREQ(code_of(deaf, "secevent+jwt", "i", "https://gw", false), "invalid_issuer");
	sz_verifier_unref(deaf);
	sz_verifier_unref(v);
	json_decref(key);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Conformance of jose against published test vectors, which are not part of this tree: they are
 * read from the directory SUBZERO_VECTORS names, and the tests are skipped where it is absent.
 */
#include <stdio.h>

#include "harness.h"
#include "jose/jose.h"

#define ALL (~0u)

static char path_buf[512];

static const char *vector_path(const char *name)
{
	const char *dir = getenv("SUBZERO_VECTORS");

	snprintf(path_buf, sizeof(path_buf), "%s/%s", dir ? dir : "../shared/data", name);
	return path_buf;
}

static json_t *vectors(const char *name)
{
	json_t *v = json_load_file(vector_path(name), 0, NULL);

	if (!v)
		SKIP("test vectors not found; set SUBZERO_VECTORS to their directory");
	return v;
}

/* Verifies with the public half of one JWK: 0, or a negative errno. */
static int verify_with(const json_t *jwk, const char *jws, struct sz_buf *payload)
{
	static const char *const private[] = {"d", "p", "q", "dp", "dq", "qi"};
	json_t *public = json_copy((json_t *)jwk), *set;
	bool asymmetric = strcmp(json_string_value(json_object_get(jwk, "kty")), "oct");
	struct sz_jwks *keys;
	struct sz_error e;
	char *text;
	size_t i;
	int err;

	for (i = 0; asymmetric && i < SZ_ARRAY_LEN(private); i++)
		json_object_del(public, private[i]);
	set = json_pack("{s:[o]}", "keys", public);
	text = json_dumps(set, 0);
	err = sz_jwks_parse(text, strlen(text), ALL, &keys, &e);
	if (err) {
		printf("# key set: %s\n", e.msg);
	} else {
		err = sz_jws_verify(jws, strlen(jws), keys, ALL, payload, &e);
		sz_jwks_free(keys);
	}
	free(text);
	json_decref(set);
	return err;
}

/* Is this "invalid" case the very key and token of a "valid" one? Then no verifier can agree. */
static bool contradicts_a_valid_one(const json_t *all, const json_t *t)
{
	const json_t *other;
	size_t i;

	json_array_foreach(
		all, i,
		other) if (!strcmp(json_string_value(json_object_get(other, "result")), "valid") &&
			   json_equal(json_object_get(other, "jws"), json_object_get(t, "jws")) &&
			   json_equal(json_object_get(other, "jwk"),
				      json_object_get(t, "jwk"))) return true;
	return false;
}

TEST(wycheproof_jws_valid_ones_verify_and_invalid_ones_do_not)
{
	json_t *all = vectors("jose/wycheproof_jws.json"), *t;
	struct sz_buf payload = {0};
	size_t i, agreed = 0, contradictory = 0;

	json_array_foreach(all, i, t)
	{
		const char *id = json_string_value(json_object_get(t, "id"));
		bool valid = !strcmp(json_string_value(json_object_get(t, "result")), "valid");
		int err = verify_with(json_object_get(t, "jwk"),
				      json_string_value(json_object_get(t, "jws")), &payload);

		if ((err == 0) == valid) {
			agreed++;
		} else if (!valid && contradicts_a_valid_one(all, t)) {
			contradictory++;
			printf("# %s: the same key and token are listed as valid elsewhere\n", id);
		} else {
			printf("# %s %s: %s, got %d\n", id,
			       json_string_value(json_object_get(t, "comment")),
			       valid ? "valid" : "invalid", err);
		}
	}
	printf("# %zu of %zu cases agree, %zu contradict others of the file\n", agreed,
	       json_array_size(all), contradictory);
	EXPECT_TRUE(json_array_size(all) > 0);
	EXPECT_EQ(agreed + contradictory, json_array_size(all));
	sz_buf_done(&payload);
	json_decref(all);
}

static void cookbook(const char *name)
{
	json_t *v = vectors(name), *input = json_object_get(v, "input");
	const char *jws =
		json_string_value(json_object_get(json_object_get(v, "output"), "compact"));
	struct sz_buf payload = {0};

	ASSERT_TRUE(jws);
	if (EXPECT_EQ(verify_with(json_object_get(input, "key"), jws, &payload), 0))
		EXPECT_STREQ(payload.data, json_string_value(json_object_get(input, "payload")));
	sz_buf_done(&payload);
	json_decref(v);
}

TEST(rfc7520_4_1_rs256_verifies)
{
	cookbook("jose/cookbook/jws/4_1.rsa_v15_signature.json");
}

TEST(rfc7520_4_2_ps384_verifies)
{
	cookbook("jose/cookbook/jws/4_2.rsa-pss_signature.json");
}

TEST(rfc7520_4_3_es512_verifies)
{
	cookbook("jose/cookbook/jws/4_3.ecdsa_signature.json");
}

TEST(rfc7520_4_4_hs256_verifies)
{
	cookbook("jose/cookbook/jws/4_4.hmac-sha2_integrity_protection.json");
}

TEST(rfc8037_eddsa_verifies)
{
	cookbook("jose/cookbook/curve25519/jws.json");
}

TEST(rfc7520_4_5_detached_payload_does_not_verify_as_compact)
{
	json_t *v = vectors("jose/cookbook/jws/4_5.signature_with_detached_content.json");
	struct sz_buf payload = {0};

	EXPECT_EQ(verify_with(json_object_get(json_object_get(v, "input"), "key"),
			      json_string_value(
				      json_object_get(json_object_get(v, "output"), "compact")),
			      &payload),
		  -EBADMSG);
	EXPECT_EQ(payload.len, 0);
	json_decref(v);
}

TEST(rfc7797_unencoded_payload_is_refused)
{
	json_t *v = vectors("jose/cookbook/rfc7797/hmac-sha2_b64_false.json");
	json_t *w = vectors("jose/cookbook/rfc7797/4.2.hmac-sha2_b64_false.json"), *x;
	struct sz_buf payload = {0};
	json_t *both[] = {v, w};
	size_t i, n = 0;

	for (i = 0; i < 2; i++) {
		x = json_object_get(json_object_get(both[i], "output"), "compact");
		if (!x)
			continue;
		n++;
		EXPECT_EQ(verify_with(json_object_get(json_object_get(both[i], "input"), "key"),
				      json_string_value(x), &payload),
			  -EBADMSG);
	}
	EXPECT_EQ(n, 1);
	json_decref(v);
	json_decref(w);
}

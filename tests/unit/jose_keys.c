/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Key sets: which keys are taken, which are left out, which refuse the whole set. */
#include <unistd.h>

#include "harness.h"
#include "jose/jose.h"

#define ALL           (~0u)
#define HS (SZ_ALG_BIT(SZ_ALG_HS256) | SZ_ALG_BIT(SZ_ALG_HS384) | SZ_ALG_BIT(SZ_ALG_HS512))
#define ED_X          "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
#define ED            "\"kty\":\"OKP\",\"crv\":\"Ed25519\"," ED_X
#define EC_X          "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\""
#define EC_Y          "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define EC            "\"kty\":\"EC\",\"crv\":\"P-256\"," EC_X "," EC_Y
#define A41           "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define ED_IS(x)      "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" x "\"}"
#define P256_IS(x, y) "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" x "\",\"y\":\"" y "\"}"
#define OCT32         "\"kty\":\"oct\",\"k\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\""

static struct sz_error err;

/* Keys taken from a set, or the negative errno. */
static int taken(const char *keys, u32 allow)
{
	struct sz_jwks *set = NULL;
	struct sz_buf b = {0};
	int r;

	sz_buf_printf(&b, "{\"keys\":[%s]}", keys);
	r = sz_jwks_parse(b.data, b.len, allow, &set, &err);
	EXPECT_EQ(set != NULL, r == 0);
	if (!r)
		r = (int)sz_jwks_count(set);
	sz_jwks_free(set);
	sz_buf_done(&b);
	return r;
}

static int parse(const char *json)
{
	struct sz_jwks *set = NULL;
	int r = sz_jwks_parse(json, strlen(json), ALL, &set, &err);

	sz_jwks_free(set);
	return r;
}

TEST(a_key_set_is_an_object_with_keys_and_nothing_else_will_do)
{
	EXPECT_EQ(parse("{\"keys\":[]}"), 0);
	EXPECT_EQ(parse("{" ED "}"), -EINVAL);
	EXPECT_CONTAINS(err.msg, "single key");
	EXPECT_EQ(parse("{}"), -EINVAL);
	EXPECT_EQ(parse("{\"keys\":{}}"), -EINVAL);
	EXPECT_EQ(parse("{\"keys\":[1]}"), -EINVAL);
	EXPECT_CONTAINS(err.msg, "key 1: ");
	EXPECT_EQ(parse("{\"keys\":[],\"keys\":[]}"), -EINVAL);
	EXPECT_EQ(parse("{\"keys\":[{" ED "}]} "), 0);
	EXPECT_EQ(parse("{\"keys\":[{" ED "}]}]"), -EINVAL);
}

/* An RSA key whose modulus has `n` bytes, the first and last as given, and 0xff between. */
static int taken_rsa(size_t n, u8 first, u8 last, const char *exponent)
{
	char text[SZ_B64_ENCODED_LEN(2048) + 1];
	struct sz_buf b = {0};
	u8 mod[2048];
	int r;

	memset(mod, 0xff, sizeof(mod));
	mod[0] = first;
	mod[n - 1] = last;
	sz_b64url_encode(mod, n, text);
	sz_buf_printf(&b, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}", text, exponent);
	r = taken(b.data, ALL);
	sz_buf_done(&b);
	return r;
}

TEST(rsa_keys_below_2048_bits_or_with_a_weak_exponent_refuse_the_set)
{
	EXPECT_EQ(taken_rsa(256, 0x80, 0xff, "AQAB"), 1);
	EXPECT_EQ(taken_rsa(256, 0x80, 0xff, "Aw"), 1);
	EXPECT_EQ(taken_rsa(256, 0x7f, 0xff, "AQAB"), -EINVAL);
	EXPECT_CONTAINS(err.msg, "2047 bits");
	EXPECT_EQ(taken_rsa(128, 0x80, 0xff, "AQAB"), -EINVAL);
	EXPECT_CONTAINS(err.msg, "1024 bits");
	EXPECT_EQ(taken_rsa(1024, 0x80, 0xff, "AQAB"), 1);
	EXPECT_EQ(taken_rsa(1025, 0x01, 0xff, "AQAB"), -EINVAL);
	EXPECT_EQ(taken_rsa(257, 0x00, 0xff, "AQAB"), -EINVAL);
	EXPECT_CONTAINS(err.msg, "zero byte");
	EXPECT_EQ(taken_rsa(256, 0x80, 0xfe, "AQAB"), -EINVAL);
	EXPECT_EQ(taken_rsa(256, 0x80, 0xff, "AQ"), -EINVAL);
	EXPECT_EQ(taken_rsa(256, 0x80, 0xff, "Ag"), -EINVAL);
	EXPECT_EQ(taken_rsa(256, 0x80, 0xff, ""), -EINVAL);
	EXPECT_EQ(taken_rsa(256, 0x80, 0xff, "AQAB="), -EINVAL);
	EXPECT_EQ(taken_rsa(256, 0x80, 0xff, "AQAAAAAAAAAB"), -EINVAL);
}

TEST(keys_that_are_not_for_verifying_are_left_out)
{
	EXPECT_EQ(taken("{" ED ",\"use\":\"enc\"},{" EC ",\"use\":\"sig\"}", ALL), 1);
	EXPECT_EQ(taken("{" ED ",\"key_ops\":[\"sign\"]}", ALL), 0);
	EXPECT_EQ(taken("{" ED ",\"key_ops\":[]}", ALL), 0);
	EXPECT_EQ(taken("{" ED ",\"key_ops\":[\"sign\",\"verify\"]}", ALL), 1);
	EXPECT_EQ(taken("{" ED ",\"key_ops\":[\"verify\"],\"use\":\"enc\"}", ALL), 0);
	EXPECT_EQ(taken("{\"kty\":\"XYZ\"},{\"kty\":\"OKP\",\"crv\":\"X25519\"," ED_X "}", ALL), 0);
	EXPECT_EQ(taken("{\"kty\":\"EC\",\"crv\":\"secp256k1\"," EC_X "," EC_Y "}", ALL), 0);
	EXPECT_EQ(taken("{" EC ",\"alg\":\"ECDH-ES\"}", ALL), 0);
}

TEST(keys_outside_the_mask_are_left_out)
{
	EXPECT_EQ(taken("{" ED "},{" EC "}", SZ_ALG_BIT(SZ_ALG_ES256)), 1);
	EXPECT_EQ(taken("{" ED "},{" EC "}", SZ_ALG_BIT(SZ_ALG_ES384)), 0);
	EXPECT_EQ(taken("{" OCT32 "}", ALL & ~HS), 0);
	EXPECT_EQ(taken("{" OCT32 "}", ALL), 1);
	EXPECT_EQ(taken("{" ED "}", 0), 0);
}

TEST(a_secret_shorter_than_the_hash_refuses_the_set)
{
	EXPECT_EQ(taken("{" OCT32 ",\"alg\":\"HS256\"}", ALL), 1);
	EXPECT_EQ(taken("{" OCT32 ",\"alg\":\"HS384\"}", ALL), -EINVAL);
	EXPECT_EQ(taken("{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}", ALL), -EINVAL);
	EXPECT_CONTAINS(err.msg, "too short");
	EXPECT_EQ(taken("{\"kty\":\"oct\",\"k\":\"\"}", ALL), -EINVAL);
	EXPECT_EQ(taken("{\"kty\":\"oct\"}", ALL), -EINVAL);
}

TEST(broken_keys_refuse_the_whole_set_and_are_named)
{
	static const char *const bad[] = {
		"{}",
		"{\"kty\":1}",
		"{\"kty\":\"EC\"}",
		"{\"kty\":\"EC\",\"crv\":1}",
		"{\"kty\":\"RSA\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}",
		"{" ED ",\"alg\":\"ES256\"}",
		"{" ED ",\"alg\":1}",
		"{" ED ",\"kid\":1}",
		"{" ED ",\"use\":1}",
		"{" ED ",\"key_ops\":\"verify\"}",
		"{" ED ",\"key_ops\":[1]}",
		"{" EC ",\"alg\":\"ES384\"}",
		"{" EC ",\"alg\":\"HS256\"}",
		/* a point on another curve, off the curve, too short, infinity */
		"{\"kty\":\"EC\",\"crv\":\"P-384\"," EC_X "," EC_Y "}",
		P256_IS("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
			"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
		P256_IS("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "AAAA"),
		P256_IS("AA" A41, "AA" A41),
		/* Ed25519: small order (zero, one), not canonical, no point at all */
		ED_IS("AA" A41),
		ED_IS("AQ" A41),
		ED_IS("__________________________________________8"),
		ED_IS("Ag" A41),
	};
	struct sz_buf b = {0};
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(bad); i++) {
		sz_buf_reset(&b);
		sz_buf_printf(&b, "{" OCT32 "},%s", bad[i]);
		if (!EXPECT_EQ(taken(b.data, ALL), -EINVAL))
			printf("# %s\n", bad[i]);
		EXPECT_CONTAINS(err.msg, "key 2");
	}
	sz_buf_done(&b);
}

TEST(a_private_member_in_a_public_set_refuses_it)
{
	static const char *const names[] = {"d", "p", "q", "dp", "dq", "qi", "oth"};
	char key[256];
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(names); i++) {
		snprintf(key, sizeof(key), "{" ED ",\"kid\":\"k1\",\"%s\":\"AAAA\"}", names[i]);
		EXPECT_EQ(taken(key, ALL), -EINVAL);
		EXPECT_CONTAINS(err.msg, "key 1 (kid \"k1\")");
		EXPECT_CONTAINS(err.msg, "private");
	}
	/* Also where the key itself would be left out. */
	EXPECT_EQ(taken("{" EC ",\"use\":\"enc\",\"d\":\"AAAA\"}", ALL), -EINVAL);
}

TEST(two_keys_with_one_kid_refuse_the_set)
{
	EXPECT_EQ(taken("{" ED ",\"kid\":\"a\"},{" EC ",\"kid\":\"b\"}", ALL), 2);
	EXPECT_EQ(taken("{" ED ",\"kid\":\"a\"},{" EC ",\"kid\":\"a\"}", ALL), -EINVAL);
	EXPECT_CONTAINS(err.msg, "key 2 (kid \"a\")");
	EXPECT_EQ(taken("{" ED "},{" EC "}", ALL), 2);
}

TEST(a_set_has_a_largest_number_of_keys_and_bytes)
{
	struct sz_jwks *set;
	struct sz_buf b = {0};
	int i;

	for (i = 0; i < SZ_KEYS_MAX; i++)
		sz_buf_printf(&b, "%s{" ED "}", i ? "," : "");
	EXPECT_EQ(taken(b.data, ALL), SZ_KEYS_MAX);
	sz_buf_printf(&b, ",{" ED "}");
	EXPECT_EQ(taken(b.data, ALL), -EINVAL);
	while (b.len <= SZ_JWKS_MAX)
		sz_buf_printf(&b, "%64s", "");
	EXPECT_EQ(sz_jwks_parse(b.data, b.len, ALL, &set, &err), -EFBIG);
	sz_buf_done(&b);
}

TEST(a_key_file_is_loaded_and_errors_name_it)
{
	char path[] = "/tmp/sz-jwks-XXXXXX";
	static const char good[] = "{\"keys\":[{" ED "}]}";
	struct sz_jwks *set = NULL;
	int fd = mkstemp(path);

	ASSERT_TRUE(fd >= 0);
	EXPECT_EQ(sz_jwks_load(path, ALL, &set, &err), -EINVAL);
	EXPECT_CONTAINS(err.msg, path);
	ASSERT_EQ(write(fd, good, strlen(good)), strlen(good));
	ASSERT_EQ(sz_jwks_load(path, ALL, &set, &err), 0);
	EXPECT_EQ(sz_jwks_count(set), 1);
	sz_jwks_free(set);
	close(fd);
	unlink(path);
	EXPECT_EQ(sz_jwks_load(path, ALL, &set, &err), -ENOENT);
	EXPECT_CONTAINS(err.msg, path);
	EXPECT_TRUE(!set);
}

TEST(generated_keys_have_their_thumbprint_as_kid_and_no_private_member_in_public)
{
	static const enum sz_alg algs[] = {SZ_ALG_EDDSA, SZ_ALG_ES256, SZ_ALG_ES384,
					   SZ_ALG_ES512, SZ_ALG_RS256, SZ_ALG_PS512};
	json_t *priv, *pub;
	char print[44], *text;
	struct sz_jwks *set;
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(algs); i++) {
		ASSERT_EQ(sz_key_generate(algs[i], &priv, &pub, &err), 0);
		ASSERT_EQ(sz_jwk_thumbprint(priv, print, &err), 0);
		EXPECT_STREQ(json_string_value(json_object_get(priv, "kid")), print);
		EXPECT_STREQ(json_string_value(json_object_get(priv, "alg")), sz_alg_name(algs[i]));
		EXPECT_TRUE(json_object_get(priv, "d"));
		text = json_dumps(pub, 0);
		EXPECT_EQ(sz_jwks_parse(text, strlen(text), SZ_ALG_BIT(algs[i]), &set, &err), 0);
		EXPECT_EQ(sz_jwks_count(set), 1);
		sz_jwks_free(set);
		free(text);
		json_decref(priv);
		json_decref(pub);
	}
	EXPECT_EQ(sz_key_generate(SZ_ALG_HS256, &priv, &pub, &err), -EINVAL);
	EXPECT_EQ(sz_key_generate(SZ_ALG_NONE, &priv, &pub, &err), -EINVAL);
	EXPECT_TRUE(!priv && !pub);
}

TEST(signing_refuses_a_key_whose_halves_do_not_match_or_that_is_public)
{
	static const enum sz_alg algs[] = {SZ_ALG_EDDSA, SZ_ALG_ES256, SZ_ALG_RS256};
	json_t *a, *b, *set, *claims = json_object();
	struct sz_buf jws = {0};
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(algs); i++) {
		ASSERT_EQ(sz_key_generate(algs[i], &a, &set, &err), 0);
		EXPECT_EQ(sz_token_sign(json_array_get(json_object_get(set, "keys"), 0), claims,
					&jws, &err),
			  -EINVAL);
		json_decref(set);
		ASSERT_EQ(sz_key_generate(algs[i], &b, &set, &err), 0);
		json_object_set(a, algs[i] == SZ_ALG_RS256 ? "n" : "x",
				json_object_get(b, algs[i] == SZ_ALG_RS256 ? "n" : "x"));
		if (algs[i] == SZ_ALG_ES256)
			json_object_set(a, "y", json_object_get(b, "y"));
		EXPECT_EQ(sz_token_sign(a, claims, &jws, &err), -EINVAL);
		EXPECT_EQ(jws.len, 0);
		json_decref(a);
		json_decref(b);
		json_decref(set);
	}
	sz_buf_done(&jws);
	json_decref(claims);
}

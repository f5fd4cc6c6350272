/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Keys and signatures: every algorithm, key sets, key choice, algorithm confusion. */
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "harness.h"
#include "jose/jose_priv.h"

#define ALL (~0u)

static struct sz_error err;
static json_t *private_of[SZ_ALG_COUNT], *public_of[SZ_ALG_COUNT];

/* One key pair per algorithm for the whole run: RSA keys are slow to make. */
static void need_key(enum sz_alg alg)
{
	char k[SZ_B64_ENCODED_LEN(64) + 1];
	u8 secret[64];
	json_t *jwk;

	if (private_of[alg])
		return;
	if (alg < SZ_ALG_HS256) {
		ASSERT_EQ(sz_key_generate(alg, &private_of[alg], &public_of[alg], &err), 0);
		return;
	}
	memset(secret, 0x40 + (int)alg, sizeof(secret));
	sz_b64url_encode(secret, sizeof(secret), k);
	jwk = json_pack("{s:s,s:s,s:s,s:s}", "kty", "oct", "alg", sz_alg_name(alg), "k", k, "kid",
			"shared");
	private_of[alg] = jwk;
	public_of[alg] = json_pack("{s:[O]}", "keys", jwk);
}

static struct sz_jwks *set_of(const json_t *jwks, u32 allow)
{
	char *text = json_dumps(jwks, 0);
	struct sz_jwks *set = NULL;
	int r = sz_jwks_parse(text, strlen(text), allow, &set, &err);

	free(text);
	if (r)
		printf("# %s\n", err.msg);
	ASSERT_EQ(r, 0);
	return set;
}

/* A token with any header text and any key: what an attacker can make. */
static void forge(const struct sz_jwk *key, enum sz_alg alg, const char *header, struct sz_buf *b)
{
	static const char payload[] = "{\"iss\":\"i\"}";
	char text[1024];
	u8 sig[SZ_SIG_MAX];
	size_t n;

	sz_buf_reset(b);
	sz_b64url_encode((const u8 *)header, strlen(header), text);
	sz_buf_printf(b, "%s.", text);
	sz_b64url_encode((const u8 *)payload, strlen(payload), text);
	sz_buf_printf(b, "%s", text);
	ASSERT_EQ(sz_signature_make(key, alg, b->data, b->len, sig, &n, &err), 0);
	sz_b64url_encode(sig, n, text);
	sz_buf_printf(b, ".%s", text);
}

static struct sz_jwk *private_key(enum sz_alg alg)
{
	struct sz_jwk *key = NULL;

	need_key(alg);
	ASSERT_EQ(sz_jwk_prepare(private_of[alg], ALL, true, &key, &err), 0);
	return key;
}

static int verify(const char *jws, size_t n, const struct sz_jwks *set, u32 algs)
{
	struct sz_buf payload = {0};
	int r = sz_jws_verify(jws, n, set, algs, &payload, &err);

	EXPECT_EQ(payload.len != 0, r == 0);
	sz_buf_done(&payload);
	return r;
}

/* The header text, signed by the key of `alg`, against its public set. */
static int verify_header(enum sz_alg alg, const char *header)
{
	struct sz_jwk *key = private_key(alg);
	struct sz_jwks *set = set_of(public_of[alg], ALL);
	struct sz_buf b = {0};
	int r;

	forge(key, alg, header, &b);
	r = verify(b.data, b.len, set, ALL);
	sz_buf_done(&b);
	sz_jwks_free(set);
	sz_jwk_free(key);
	return r;
}

static json_t *mint(enum sz_alg alg, struct sz_buf *b)
{
	json_t *claims = json_pack("{s:s,s:i}", "iss", "i", "exp", 1000);

	need_key(alg);
	ASSERT_EQ(sz_token_sign(private_of[alg], claims, b, &err), 0);
	return claims;
}

TEST(every_algorithm_has_one_name_and_none_has_none)
{
	int a;

	for (a = SZ_ALG_NONE + 1; a < SZ_ALG_COUNT; a++)
		EXPECT_EQ(sz_alg_parse(sz_alg_name((enum sz_alg)a)), a);
	EXPECT_EQ(sz_alg_parse("none"), SZ_ALG_NONE);
	EXPECT_EQ(sz_alg_parse("eddsa"), SZ_ALG_NONE);
	EXPECT_EQ(sz_alg_parse("unknown"), SZ_ALG_NONE);
	EXPECT_EQ(sz_alg_parse(NULL), SZ_ALG_NONE);
	EXPECT_STREQ(sz_alg_name((enum sz_alg)99), "unknown");
}

TEST(each_algorithm_signs_and_verifies_and_any_changed_or_cut_token_does_not)
{
	int a;

	for (a = SZ_ALG_NONE + 1; a < SZ_ALG_COUNT; a++) {
		struct sz_buf b = {0};
		json_t *claims = mint((enum sz_alg)a, &b);
		struct sz_jwks *set = set_of(public_of[a], ALL);
		size_t i, step = b.len / 60 + 1;
		int bad = 0;

		if (!EXPECT_EQ(verify(b.data, b.len, set, ALL), 0))
			printf("# %s: %s\n", sz_alg_name((enum sz_alg)a), err.msg);
		EXPECT_EQ(verify(b.data, b.len, set, SZ_ALG_BIT(a)), 0);
		EXPECT_EQ(verify(b.data, b.len, set, ALL & ~SZ_ALG_BIT(a)), -EBADMSG);
		for (i = 0; i < b.len; i += i + 8 < b.len ? step : 1) {
			bad += !verify(b.data, i, set, ALL);
			b.data[i] ^= 1;
			bad += !verify(b.data, b.len, set, ALL);
			b.data[i] ^= 1;
		}
		EXPECT_EQ(bad, 0);
		sz_buf_add(&b, "A", 1);
		EXPECT_EQ(verify(b.data, b.len, set, ALL), -EBADMSG);
		b.data[b.len - 1] = '=';
		EXPECT_EQ(verify(b.data, b.len, set, ALL), -EBADMSG);
		sz_jwks_free(set);
		sz_buf_done(&b);
		json_decref(claims);
	}
}

TEST(a_signature_of_one_algorithm_never_passes_as_another)
{
	int a, k;

	for (k = SZ_ALG_NONE + 1; k < SZ_ALG_COUNT; k++) {
		struct sz_jwk *key = private_key((enum sz_alg)k);
		struct sz_jwks *set = set_of(public_of[k], ALL);
		struct sz_buf b = {0};
		char header[64];

		for (a = SZ_ALG_NONE + 1; a < SZ_ALG_COUNT; a++) {
			snprintf(header, sizeof(header), "{\"alg\":\"%s\"}",
				 sz_alg_name((enum sz_alg)a));
			forge(key, (enum sz_alg)k, header, &b);
			EXPECT_EQ(verify(b.data, b.len, set, ALL), a == k ? 0 : -ENOKEY);
		}
		sz_buf_done(&b);
		sz_jwks_free(set);
		sz_jwk_free(key);
	}
}

TEST(an_rsa_key_without_alg_serves_its_family_within_the_mask)
{
	struct sz_jwk *key = private_key(SZ_ALG_RS256);
	json_t *open_set = json_deep_copy(public_of[SZ_ALG_RS256]);
	struct sz_buf b = {0};
	struct sz_jwks *set;
	int a;

	json_object_del(json_array_get(json_object_get(open_set, "keys"), 0), "alg");
	set = set_of(open_set, SZ_ALG_BIT(SZ_ALG_RS256) | SZ_ALG_BIT(SZ_ALG_PS256));
	for (a = SZ_ALG_RS256; a <= SZ_ALG_PS512; a++) {
		char header[32];
		bool fits = a == SZ_ALG_RS256 || a == SZ_ALG_PS256;

		snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", sz_alg_name((enum sz_alg)a));
		forge(key, (enum sz_alg)a, header, &b);
		EXPECT_EQ(verify(b.data, b.len, set, ALL), fits ? 0 : -ENOKEY);
	}
	/* The padding is the algorithm's: a PKCS #1 signature is not a PSS one. */
	forge(key, SZ_ALG_RS256, "{\"alg\":\"PS256\"}", &b);
	EXPECT_EQ(verify(b.data, b.len, set, ALL), -EBADMSG);
	sz_buf_done(&b);
	sz_jwks_free(set);
	sz_jwk_free(key);
	json_decref(open_set);
}

TEST(a_key_named_by_kid_still_serves_its_own_algorithm_only)
{
	struct sz_jwk *key = private_key(SZ_ALG_RS256);
	struct sz_jwks *set = set_of(public_of[SZ_ALG_RS256], ALL);
	struct sz_buf b = {0};
	char header[128];
	int a;

	for (a = SZ_ALG_RS256; a <= SZ_ALG_PS512; a++) {
		snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"%s\"}",
			 sz_alg_name((enum sz_alg)a), key->kid);
		forge(key, (enum sz_alg)a, header, &b);
		EXPECT_EQ(verify(b.data, b.len, set, ALL), a == SZ_ALG_RS256 ? 0 : -EBADMSG);
	}
	sz_buf_done(&b);
	sz_jwks_free(set);
	sz_jwk_free(key);
}

TEST(a_pss_salt_of_any_length_but_the_hash_s_is_refused)
{
	static const int lengths[] = {0, 20, 31, 32, 33, 64};
	struct sz_jwk *key = private_key(SZ_ALG_PS256);
	u8 sig[SZ_SIG_MAX];
	size_t i, n;

	for (i = 0; i < SZ_ARRAY_LEN(lengths); i++) {
		EVP_MD_CTX *ctx = EVP_MD_CTX_new();
		EVP_PKEY_CTX *pctx;

		ASSERT_TRUE(EVP_DigestSignInit(ctx, &pctx, EVP_sha256(), NULL, key->pkey) > 0);
		ASSERT_TRUE(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) > 0);
		ASSERT_TRUE(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, lengths[i]) > 0);
		n = sizeof(sig);
		ASSERT_TRUE(EVP_DigestSign(ctx, sig, &n, (const u8 *)"m", 1) > 0);
		EXPECT_EQ(sz_signature_ok(key, SZ_ALG_PS256, "m", 1, sig, n), lengths[i] == 32);
		EVP_MD_CTX_free(ctx);
	}
	sz_jwk_free(key);
}

TEST(hs256_made_with_the_public_key_as_secret_fails)
{
	struct sz_jwk *rsa = private_key(SZ_ALG_RS256), fake = {.algs = ALL};
	BIO *bio = BIO_new(BIO_s_mem());
	json_t *jwk = json_array_get(json_object_get(public_of[SZ_ALG_RS256], "keys"), 0);
	char *text = json_dumps(jwk, JSON_COMPACT), *pem;
	json_t *open_set = json_deep_copy(public_of[SZ_ALG_RS256]);
	struct sz_jwks *set = set_of(public_of[SZ_ALG_RS256], ALL), *open_keys;
	struct sz_buf b = {0};
	char header[128];

	json_object_del(json_array_get(json_object_get(open_set, "keys"), 0), "alg");
	open_keys = set_of(open_set, ALL);
	ASSERT_TRUE(PEM_write_bio_PUBKEY(bio, rsa->pkey));
	fake.octets_len = (size_t)BIO_get_mem_data(bio, &pem);
	fake.octets = (u8 *)pem;
	forge(&fake, SZ_ALG_HS256, "{\"alg\":\"HS256\"}", &b);
	EXPECT_EQ(verify(b.data, b.len, set, ALL), -ENOKEY);
	EXPECT_EQ(verify(b.data, b.len, open_keys, ALL), -ENOKEY);
	snprintf(header, sizeof(header), "{\"alg\":\"HS256\",\"kid\":\"%s\"}", rsa->kid);
	forge(&fake, SZ_ALG_HS256, header, &b);
	EXPECT_EQ(verify(b.data, b.len, set, ALL), -EBADMSG);
	EXPECT_EQ(verify(b.data, b.len, open_keys, ALL), -EBADMSG);
	fake.octets = (u8 *)text;
	fake.octets_len = strlen(text);
	forge(&fake, SZ_ALG_HS256, header, &b);
	EXPECT_EQ(verify(b.data, b.len, set, ALL), -EBADMSG);
	sz_buf_done(&b);
	sz_jwks_free(set);
	sz_jwks_free(open_keys);
	json_decref(open_set);
	free(text);
	BIO_free(bio);
	sz_jwk_free(rsa);
}

TEST(none_is_refused_in_every_spelling)
{
	static const char *const names[] = {"none", "None", "NONE", "nOnE", "", "none ", "HS257"};
	struct sz_jwks *set;
	struct sz_buf b = {0};
	char header[64], text[128];
	size_t i;

	need_key(SZ_ALG_EDDSA);
	set = set_of(public_of[SZ_ALG_EDDSA], ALL);
	for (i = 0; i < SZ_ARRAY_LEN(names); i++) {
		snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", names[i]);
		EXPECT_EQ(verify_header(SZ_ALG_EDDSA, header), -EBADMSG);
		sz_b64url_encode((const u8 *)header, strlen(header), text);
		sz_buf_reset(&b);
		sz_buf_printf(&b, "%s.e30.", text);
		EXPECT_EQ(verify(b.data, b.len, set, ALL), -EBADMSG);
	}
	sz_buf_done(&b);
	sz_jwks_free(set);
}

TEST(headers_that_are_ambiguous_or_critical_are_refused)
{
	static const char *const bad[] = {
		"{}",
		"[]",
		"\"EdDSA\"",
		"{\"alg\":null}",
		"{\"alg\":[\"EdDSA\"]}",
		"{\"alg\":\"EdDSA\"}x",
		"{\"alg\":\"EdDSA\",\"alg\":\"EdDSA\"}",
		"{\"alg\":\"none\",\"alg\":\"EdDSA\"}",
		"{\"alg\":\"EdDSA\",\"kid\":1}",
		"{\"alg\":\"EdDSA\",\"kid\":\"a\\u0000b\"}",
		"{\"alg\":\"EdDSA\",\"crit\":[]}",
		"{\"alg\":\"EdDSA\",\"crit\":[\"exp\"],\"exp\":1}",
		"{\"alg\":\"EdDSA\",\"crit\":null}",
		"{\"alg\":\"EdDSA\",\"b64\":false,\"crit\":[\"b64\"]}",
		"{\"alg\":\"EdDSA\",\"b64\":false}",
		"{\"alg\":\"EdDSA\",\"b64\":0}",
	};
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(bad); i++)
		if (!EXPECT_EQ(verify_header(SZ_ALG_EDDSA, bad[i]), -EBADMSG))
			printf("# %s\n", bad[i]);
	EXPECT_EQ(verify_header(SZ_ALG_EDDSA, "{\"alg\":\"EdDSA\"}"), 0);
	EXPECT_EQ(verify_header(SZ_ALG_EDDSA, "{\"alg\":\"EdDSA\",\"b64\":true}"), 0);
	EXPECT_EQ(verify_header(SZ_ALG_EDDSA, " { \"alg\" : \"EdDSA\" , \"x\":{} } "), 0);
}

TEST(a_token_needs_exactly_three_parts)
{
	struct sz_buf b = {0}, c = {0};
	json_t *claims = mint(SZ_ALG_EDDSA, &b);
	struct sz_jwks *set = set_of(public_of[SZ_ALG_EDDSA], ALL);

	EXPECT_EQ(verify("", 0, set, ALL), -EBADMSG);
	EXPECT_EQ(verify("..", 2, set, ALL), -EBADMSG);
	EXPECT_EQ(verify("a", 1, set, ALL), -EBADMSG);
	sz_buf_printf(&c, "%s.", b.data);
	EXPECT_EQ(verify(c.data, c.len, set, ALL), -EBADMSG);
	sz_buf_reset(&c);
	sz_buf_printf(&c, ".%s", b.data);
	EXPECT_EQ(verify(c.data, c.len, set, ALL), -EBADMSG);
	sz_buf_reset(&c);
	sz_buf_printf(&c, "%s ", b.data);
	EXPECT_EQ(verify(c.data, c.len, set, ALL), -EBADMSG);
	EXPECT_EQ(verify(b.data, b.len + 1, set, ALL), -EBADMSG); /* its NUL */
	sz_jwks_free(set);
	sz_buf_done(&b);
	sz_buf_done(&c);
	json_decref(claims);
}

TEST(a_token_of_the_largest_size_verifies_and_one_byte_more_does_not)
{
	struct sz_jwk *key = private_key(SZ_ALG_HS256);
	struct sz_jwks *set = set_of(public_of[SZ_ALG_HS256], ALL);
	const char *header = "{\"alg\":\"HS256\"}";
	size_t extra, n;
	u8 sig[SZ_SIG_MAX];
	char text[64];

	for (extra = 0; extra < 4; extra++) {
		struct sz_buf b = {0};

		sz_b64url_encode((const u8 *)header, strlen(header), text);
		sz_buf_printf(&b, "%s.", text);
		while (b.len < SZ_TOKEN_MAX - 44 + extra)
			sz_buf_add(&b, "A", 1);
		ASSERT_EQ(sz_signature_make(key, SZ_ALG_HS256, b.data, b.len, sig, &n, &err), 0);
		sz_b64url_encode(sig, n, text);
		sz_buf_printf(&b, ".%s", text);
		ASSERT_EQ(b.len, SZ_TOKEN_MAX + extra);
		EXPECT_EQ(verify(b.data, b.len, set, ALL), extra ? -EBADMSG : 0);
		sz_buf_done(&b);
	}
	sz_jwks_free(set);
	sz_jwk_free(key);
}

/* Two Ed25519 keys, the second of which signs; kids as given, NULL for none. */
static int choose(const char *kid1, const char *kid2, const char *token_kid, int n_keys)
{
	struct sz_jwk *key = private_key(SZ_ALG_EDDSA);
	json_t *priv, *other, *set_json = json_pack("{s:[]}", "keys"), *jwk;
	json_t *keys = json_object_get(set_json, "keys");
	struct sz_jwks *set;
	struct sz_buf b = {0};
	char header[128];
	int r, i;

	ASSERT_EQ(sz_key_generate(SZ_ALG_EDDSA, &priv, &other, &err), 0);
	for (i = 2 - n_keys; i < 2; i++) {
		jwk = json_deep_copy(json_array_get(
			json_object_get(i ? public_of[SZ_ALG_EDDSA] : other, "keys"), 0));
		json_object_del(jwk, "kid");
		if (i ? kid2 : kid1)
			json_object_set_new(jwk, "kid", json_string(i ? kid2 : kid1));
		json_array_append_new(keys, jwk);
	}
	set = set_of(set_json, ALL);
	EXPECT_EQ(sz_jwks_count(set), n_keys);
	if (token_kid)
		snprintf(header, sizeof(header), "{\"alg\":\"EdDSA\",\"kid\":\"%s\"}", token_kid);
	else
		snprintf(header, sizeof(header), "{\"alg\":\"EdDSA\"}");
	forge(key, SZ_ALG_EDDSA, header, &b);
	r = verify(b.data, b.len, set, ALL);
	sz_buf_done(&b);
	sz_jwks_free(set);
	sz_jwk_free(key);
	json_decref(set_json);
	json_decref(priv);
	json_decref(other);
	return r;
}

TEST(the_kid_chooses_the_key_and_without_one_each_fitting_key_is_tried)
{
	EXPECT_EQ(choose("a", "b", "b", 2), 0);
	EXPECT_EQ(choose("a", "b", "a", 2), -EBADMSG);
	EXPECT_EQ(choose("a", "b", "c", 2), -ENOKEY);
	EXPECT_EQ(choose("a", "b", "", 2), -ENOKEY);
	EXPECT_EQ(choose("a", "b", NULL, 2), 0);
	EXPECT_EQ(choose("a", NULL, "b", 2), -ENOKEY);
	EXPECT_EQ(choose(NULL, NULL, "b", 2), -ENOKEY);
	EXPECT_EQ(choose(NULL, NULL, NULL, 2), 0);
	EXPECT_EQ(choose(NULL, NULL, "b", 1), 0);
	EXPECT_EQ(choose(NULL, "b", "c", 1), -ENOKEY);
}

TEST(an_unknown_kid_is_shown_without_control_bytes)
{
	EXPECT_EQ(verify_header(SZ_ALG_EDDSA, "{\"alg\":\"EdDSA\",\"kid\":\"x\\u001b[2J\\ny\"}"),
		  -ENOKEY);
	EXPECT_CONTAINS(err.msg, "\"x?[2J?y\"");
}

/* The published examples of RFC 7515 A.1, A.3 and RFC 8037 A.4, and the thumbprints of RFC 7638. */
#define A_PAYLOAD                                                                                  \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0" \
	"cn"                                                                                       \
	"VlfQ"
#define ED_KEY                                                                                     \
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_"                              \
	"7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"

static int verify_text(const char *jwks, const char *jws)
{
	json_t *v = json_loads(jwks, 0, NULL);
	struct sz_jwks *set = set_of(v, ALL);
	int r = verify(jws, strlen(jws), set, ALL);

	sz_jwks_free(set);
	json_decref(v);
	return r;
}

TEST(rfc_examples_verify)
{
	EXPECT_EQ(verify_text(
			  "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-"
			  "EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}]}",
			  "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." A_PAYLOAD
			  ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
		  0);
	EXPECT_EQ(
		verify_text("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
			    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
			    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}",
			    "eyJhbGciOiJFUzI1NiJ9." A_PAYLOAD
			    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQx"
			    "fKTUJqPP3-Kg6NU1Q"),
		0);
	EXPECT_EQ(verify_text(
			  "{\"keys\":[" ED_KEY "]}",
			  "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
			  "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g"
			  "7sVvpAr_MuM0KAg"),
		  0);
}

TEST(thumbprints_are_those_of_the_rfcs)
{
	json_t *ed = json_loads(ED_KEY, 0, NULL), *rsa;
	char print[44];

	EXPECT_EQ(sz_jwk_thumbprint(ed, print, &err), 0);
	EXPECT_STREQ(print, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
	rsa = json_pack(
		"{s:s,s:s,s:s,s:s,s:s}", "kty", "RSA", "n",
		"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6"
		"tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5"
		"v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD0"
		"8qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU"
		"8awapJzKnqDKgw",
		"e", "AQAB", "alg", "RS256", "kid", "2011-04-29");
	EXPECT_EQ(sz_jwk_thumbprint(rsa, print, &err), 0);
	EXPECT_STREQ(print, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
	json_object_del(rsa, "n");
	EXPECT_EQ(sz_jwk_thumbprint(rsa, print, &err), -EINVAL);
	json_decref(ed);
	json_decref(rsa);
}

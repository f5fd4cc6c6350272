/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Key pairs and tokens for trying things out: `subzeroctl keys generate` and `token mint`, and the
 * tests; and the assertions by which the daemon tells a provider who it is.
 */
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <sodium.h>

#include "jose/jose_priv.h"

/* RFC 7638 section 3.2, RFC 8037 section 2: the members that make the key what it is. */
int sz_jwk_thumbprint(const json_t *jwk, char ret[44], struct sz_error *e)
{
	static const char *const members[4][5] = {
		{"EC", "crv", "kty", "x", "y"},
		{"OKP", "crv", "kty", "x"},
		{"RSA", "e", "kty", "n"},
		{"oct", "k", "kty"},
	};
	const char *kty = json_string_value(json_object_get(jwk, "kty"));
	json_t *canonical = json_object();
	u8 hash[crypto_hash_sha256_BYTES];
	size_t row, i;
	char *text;

	for (row = 0; row < 4 && kty && strcmp(members[row][0], kty); row++)
		;
	if (!kty || row == 4) {
		json_decref(canonical);
		return sz_error_set(e, -EINVAL, "\"kty\" is missing or unknown");
	}
	for (i = 1; i < 5 && members[row][i]; i++) {
		json_t *v = json_object_get(jwk, members[row][i]);

		if (!json_is_string(v)) {
			json_decref(canonical);
			return sz_error_set(e, -EINVAL, "\"%s\" is missing or not a string",
					    members[row][i]);
		}
		json_object_set(canonical, members[row][i], v);
	}
	text = json_dumps(canonical, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(canonical);
	if (!text)
		return sz_error_set(e, -ENOMEM, "out of memory");
	crypto_hash_sha256(hash, (const u8 *)text, strlen(text));
	sz_b64url_encode(hash, sizeof(hash), ret);
	sodium_memzero(text, strlen(text));
	free(text);
	return 0;
}

static void set_octets(json_t *jwk, const char *name, const u8 *p, size_t n)
{
	char text[SZ_B64_ENCODED_LEN(SZ_SIG_MAX) + 1];

	sz_b64url_encode(p, n, text);
	json_object_set_new(jwk, name, json_string(text));
	sodium_memzero(text, sizeof(text));
}

/* A number of the key; `len` 0 writes it without leading zeros (RFC 7518 section 2). */
static int set_number(json_t *jwk, const char *name, const EVP_PKEY *pkey, const char *param,
		      size_t len)
{
	u8 p[SZ_SIG_MAX];
	BIGNUM *bn = NULL;
	int err = -EIO;

	if (EVP_PKEY_get_bn_param(pkey, param, &bn)) {
		len = len ? len : (size_t)BN_num_bytes(bn);
		if (len <= sizeof(p) && BN_bn2binpad(bn, p, (int)len) > 0) {
			set_octets(jwk, name, p, len);
			err = 0;
		}
	}
	sodium_memzero(p, sizeof(p));
	BN_clear_free(bn);
	return err;
}

static int generate_ed(json_t *jwk)
{
	u8 pk[crypto_sign_PUBLICKEYBYTES], sk[crypto_sign_SECRETKEYBYTES];

	crypto_sign_keypair(pk, sk);
	set_octets(jwk, "x", pk, sizeof(pk));
	set_octets(jwk, "d", sk, crypto_sign_SEEDBYTES);
	sodium_memzero(sk, sizeof(sk));
	return 0;
}

static int generate_ec(json_t *jwk, const struct sz_alg_info *alg)
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", alg->crv);
	int err = -EIO;

	if (pkey && !set_number(jwk, "x", pkey, OSSL_PKEY_PARAM_EC_PUB_X, alg->coord_len) &&
	    !set_number(jwk, "y", pkey, OSSL_PKEY_PARAM_EC_PUB_Y, alg->coord_len))
		err = set_number(jwk, "d", pkey, OSSL_PKEY_PARAM_PRIV_KEY, alg->coord_len);
	EVP_PKEY_free(pkey);
	return err;
}

static int generate_rsa(json_t *jwk)
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)SZ_RSA_BITS_MIN);
	int err = pkey ? 0 : -EIO;
	size_t i;

	for (i = 0; !err && i < SZ_ARRAY_LEN(sz_rsa_members); i++)
		err = set_number(jwk, sz_rsa_members[i][0], pkey, sz_rsa_members[i][1], 0);
	EVP_PKEY_free(pkey);
	return err;
}

static json_t *public_half(const json_t *jwk)
{
	static const char *const private[] = {"d", "p", "q", "dp", "dq", "qi"};
	json_t *out = json_copy((json_t *)jwk);
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(private); i++)
		json_object_del(out, private[i]);
	return json_pack("{s:[o]}", "keys", out);
}

int sz_key_generate(enum sz_alg a, json_t **ret_private, json_t **ret_public_jwks,
		    struct sz_error *e)
{
	const struct sz_alg_info *alg = sz_alg_info(a);
	char kid[44];
	json_t *jwk;
	int err;

	*ret_private = *ret_public_jwks = NULL;
	if (alg->family == SZ_FAMILY_NONE)
		return sz_error_set(e, -EINVAL, "unknown algorithm; try EdDSA or ES256");
	if (alg->family == SZ_FAMILY_HMAC)
		return sz_error_set(e, -EINVAL, "%s has no public key; use EdDSA or ES256",
				    alg->name);
	if (sodium_init() < 0)
		return sz_error_set(e, -EIO, "libsodium cannot start: no source of randomness");
	jwk = json_pack("{s:s, s:s, s:s}", "kty", alg->kty, "alg", alg->name, "use", "sig");
	if (alg->crv)
		json_object_set_new(jwk, "crv", json_string(alg->crv));
	if (alg->family == SZ_FAMILY_EDDSA)
		err = generate_ed(jwk);
	else
		err = alg->family == SZ_FAMILY_EC ? generate_ec(jwk, alg) : generate_rsa(jwk);
	ERR_clear_error();
	if (err)
		sz_error_set(e, err, "OpenSSL could not make a key for %s", alg->name);
	else
		err = sz_jwk_thumbprint(jwk, kid, e);
	if (err) {
		json_decref(jwk);
		return err;
	}
	json_object_set_new(jwk, "kid", json_string(kid));
	*ret_public_jwks = public_half(jwk);
	*ret_private = jwk;
	return 0;
}

static void add_encoded(struct sz_buf *b, const void *p, size_t n)
{
	sz_buf_reserve(b, SZ_B64_ENCODED_LEN(n));
	sz_b64url_encode(p, n, b->data + b->len);
	b->len += SZ_B64_ENCODED_LEN(n);
}

static int add_json(struct sz_buf *b, const json_t *v, struct sz_error *e)
{
	char *text = json_dumps(v, JSON_COMPACT);

	if (!text)
		return sz_error_set(e, -EINVAL, "the claims cannot be written as JSON");
	add_encoded(b, text, strlen(text));
	free(text);
	return 0;
}

int sz_jws_sign(const json_t *private_jwk, const json_t *more, const json_t *claims,
		struct sz_buf *ret, struct sz_error *e)
{
	json_t *header = NULL;
	struct sz_jwk *key;
	u8 sig[SZ_SIG_MAX];
	size_t sig_len;
	enum sz_alg alg;
	int err;

	sz_buf_reset(ret);
	if (!json_is_object(claims))
		return sz_error_set(e, -EINVAL, "the claims must be a JSON object");
	err = sz_jwk_prepare(private_jwk, ~0u, true, &key, e);
	if (err)
		return err;
	if (!key || (key->algs & (key->algs - 1))) {
		sz_jwk_free(key);
		return sz_error_set(e, -EINVAL, "the key must name one supported \"alg\"");
	}
	alg = (enum sz_alg)__builtin_ctz(key->algs);
	header = json_pack("{s:s}", "alg", sz_alg_name(alg));
	json_object_update(header, (json_t *)more);
	err = add_json(ret, header, e);
	sz_buf_add(ret, ".", 1);
	if (!err)
		err = add_json(ret, claims, e);
	if (!err)
		err = sz_signature_make(key, alg, ret->data, ret->len, sig, &sig_len, e);
	if (!err) {
		sz_buf_add(ret, ".", 1);
		add_encoded(ret, sig, sig_len);
		if (ret->len > SZ_TOKEN_MAX)
			err = sz_error_set(e, -E2BIG, "a token of %zu bytes; at most %d are "
					   "accepted: put fewer claims in", ret->len, SZ_TOKEN_MAX);
	}
	if (err)
		sz_buf_reset(ret);
	json_decref(header);
	sz_jwk_free(key);
	return err;
}

int sz_token_sign(const json_t *private_jwk, const json_t *claims, struct sz_buf *ret,
		  struct sz_error *e)
{
	json_t *more = json_pack("{s:s, s:o*}", "typ", "at+jwt", "kid",
				 json_incref(json_object_get(private_jwk, "kid")));
	int err = sz_jws_sign(private_jwk, more, claims, ret, e);

	json_decref(more);
	return err;
}

int sz_proof_sign(const json_t *private_jwk, const json_t *claims, struct sz_buf *ret,
		  struct sz_error *e)
{
	json_t *set = public_half(private_jwk);
	json_t *jwk = json_array_get(json_object_get(set, "keys"), 0);
	json_t *more = json_pack("{s:s, s:O}", "typ", "dpop+jwt", "jwk", jwk);
	int err = sz_jws_sign(private_jwk, more, claims, ret, e);

	json_decref(more);
	json_decref(set);
	return err;
}

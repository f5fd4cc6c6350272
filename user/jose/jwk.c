/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One JWK (RFC 7517, 7518 section 6, 8037) made into a prepared key, once, when a key file is
 * loaded. What is weak or inconsistent is refused here, so that verifying never meets it.
 */
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <sodium.h>

#include "jose/jose_priv.h"

#include "subzero/rule.h"

const char *const sz_rsa_members[8][2] = {
	{"n", OSSL_PKEY_PARAM_RSA_N},          {"e", OSSL_PKEY_PARAM_RSA_E},
	{"d", OSSL_PKEY_PARAM_RSA_D},          {"p", OSSL_PKEY_PARAM_RSA_FACTOR1},
	{"q", OSSL_PKEY_PARAM_RSA_FACTOR2},    {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1},
	{"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2}, {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1},
};

#define OCTETS_MAX (SZ_RSA_BITS_MAX / 8)

struct octets {
	size_t n;
	u8 p[OCTETS_MAX];
};

/* A member that must be there and be the base64url of at least one byte. */
static int member(const json_t *jwk, const char *name, struct octets *ret, struct sz_error *e)
{
	const json_t *v = json_object_get(jwk, name);
	ssize_t n;

	if (!json_is_string(v))
		return sz_error_set(e, -EINVAL, "\"%s\" is missing or not a string", name);
	n = sz_b64url_decode(json_string_value(v), json_string_length(v), ret->p, sizeof(ret->p));
	if (n <= 0)
		return sz_error_set(e, -EINVAL,
				    "\"%s\" must be unpadded base64url of 1 to %d bytes", name,
				    OCTETS_MAX);
	ret->n = (size_t)n;
	return 0;
}

/* The same, of exactly `len` bytes. */
static int member_exact(const json_t *jwk, const char *name, size_t len, u8 *out,
			struct sz_error *e)
{
	struct octets o;
	int err = member(jwk, name, &o, e);

	if (!err && o.n != len)
		err = sz_error_set(e, -EINVAL, "\"%s\" has %zu bytes where %zu are needed", name,
				   o.n, len);
	if (!err)
		memcpy(out, o.p, len);
	sodium_memzero(&o, sizeof(o));
	return err;
}

/* Parameters under construction; the builder only borrows the numbers. */
struct params {
	OSSL_PARAM_BLD *bld;
	BIGNUM *bn[8];
	int n;
};

static void params_done(struct params *p)
{
	while (p->n)
		BN_clear_free(p->bn[--p->n]);
	OSSL_PARAM_BLD_free(p->bld);
}

static int push_bn(struct params *p, const char *param, const u8 *bytes, size_t n)
{
	BIGNUM *bn = BN_bin2bn(bytes, (int)n, NULL);

	if (!bn)
		return -ENOMEM;
	p->bn[p->n++] = bn;
	return OSSL_PARAM_BLD_push_BN(p->bld, param, bn) ? 0 : -ENOMEM;
}

static int pkey_build(const char *type, const struct params *p, bool private, EVP_PKEY **ret)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(p->bld);
	int ok;

	ok = ctx && params && EVP_PKEY_fromdata_init(ctx) > 0 &&
	     EVP_PKEY_fromdata(ctx, ret, private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
			       params) > 0;
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return ok ? 0 : -EINVAL;
}

static int rsa_check(const BIGNUM *n, const BIGNUM *exp, struct sz_error *e)
{
	int bits = BN_num_bits(n);

	if (SZ_RULE(RSA_SIZE) && (bits < SZ_RSA_BITS_MIN || bits > SZ_RSA_BITS_MAX))
		return sz_error_set(e, -EINVAL,
				    "RSA modulus of %d bits: use a key of %d to %d bits", bits,
				    SZ_RSA_BITS_MIN, SZ_RSA_BITS_MAX);
	if (!BN_is_odd(n))
		return sz_error_set(e, -EINVAL, "RSA modulus \"n\" is even");
	if (!BN_is_odd(exp) || BN_is_one(exp) || BN_num_bits(exp) > 64)
		return sz_error_set(e, -EINVAL, "RSA exponent \"e\" must be odd, at least 3 and "
						"at most 64 bits long");
	return 0;
}

static int rsa_prepare(const json_t *jwk, bool private, struct sz_jwk *key, struct sz_error *e)
{
	int i, err = 0, want = !private ? 2 : json_object_get(jwk, "p") ? 8 : 3;
	struct params p = {.bld = OSSL_PARAM_BLD_new()};
	struct octets o;

	if (!p.bld)
		err = sz_error_set(e, -ENOMEM, "out of memory");
	for (i = 0; !err && i < want; i++) {
		err = member(jwk, sz_rsa_members[i][0], &o, e);
		if (!err && i < 2 && !o.p[0])
			err = sz_error_set(e, -EINVAL, "\"%s\" begins with a zero byte, which "
					   "RFC 7518 forbids", sz_rsa_members[i][0]);
		if (!err && push_bn(&p, sz_rsa_members[i][1], o.p, o.n))
			err = sz_error_set(e, -ENOMEM, "out of memory");
	}
	if (!err)
		err = rsa_check(p.bn[0], p.bn[1], e);
	if (!err && pkey_build("RSA", &p, private, &key->pkey))
		err = sz_error_set(e, -EINVAL, "the members do not make an RSA key");
	if (!err && jose_rsa_prepare(p.bn[0], p.bn[1], &key->rsa))
		err = sz_error_set(e, -ENOMEM, "out of memory");
	sodium_memzero(&o, sizeof(o));
	params_done(&p);
	return err;
}

/* The point lies on the curve and is not infinity. */
static bool point_ok(EVP_PKEY *pkey)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	bool ok = ctx && EVP_PKEY_public_check(ctx) > 0;

	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}

static int ec_prepare(const json_t *jwk, const struct sz_alg_info *alg, bool private,
		      struct sz_jwk *key, struct sz_error *e)
{
	struct params p = {.bld = OSSL_PARAM_BLD_new()};
	u8 point[1 + 2 * 66] = {POINT_CONVERSION_UNCOMPRESSED}, d[66];
	size_t len = alg->coord_len;
	int err;

	err = member_exact(jwk, "x", len, point + 1, e);
	if (!err)
		err = member_exact(jwk, "y", len, point + 1 + len, e);
	if (!err && private)
		err = member_exact(jwk, "d", len, d, e);
	if (!err && (!p.bld ||
		     !OSSL_PARAM_BLD_push_utf8_string(p.bld, OSSL_PKEY_PARAM_GROUP_NAME, alg->crv,
						      0) ||
		     !OSSL_PARAM_BLD_push_octet_string(p.bld, OSSL_PKEY_PARAM_PUB_KEY, point,
						       1 + 2 * len) ||
		     (private && push_bn(&p, OSSL_PKEY_PARAM_PRIV_KEY, d, len))))
		err = sz_error_set(e, -ENOMEM, "out of memory");
	if (!err && (pkey_build("EC", &p, private, &key->pkey) || !point_ok(key->pkey)))
		err = sz_error_set(e, -EINVAL, "\"x\" and \"y\" are not a point of %s", alg->crv);
	sodium_memzero(d, sizeof(d));
	params_done(&p);
	return err;
}

static int ed_prepare(const json_t *jwk, bool private, struct sz_jwk *key, struct sz_error *e)
{
	u8 x[crypto_sign_PUBLICKEYBYTES], pk[crypto_sign_PUBLICKEYBYTES];
	u8 seed[crypto_sign_SEEDBYTES], sk[crypto_sign_SECRETKEYBYTES];
	int err = member_exact(jwk, "x", sizeof(x), x, e);

	if (!err && !crypto_core_ed25519_is_valid_point(x))
		err = sz_error_set(e, -EINVAL, "\"x\" is not a safe Ed25519 public key");
	if (!err && private)
		err = member_exact(jwk, "d", sizeof(seed), seed, e);
	if (err)
		return err;
	if (private) {
		crypto_sign_seed_keypair(pk, sk, seed);
		if (memcmp(pk, x, sizeof(x)))
			err = sz_error_set(e, -EINVAL, "\"d\" and \"x\" are not of one key pair");
	}
	key->octets_len = private ? sizeof(sk) : sizeof(x);
	key->octets = sz_calloc(1, key->octets_len);
	memcpy(key->octets, private ? sk : x, key->octets_len);
	sodium_memzero(seed, sizeof(seed));
	sodium_memzero(sk, sizeof(sk));
	return err;
}

/* RFC 7518 section 3.2: a secret is at least as long as the hash it is used with. */
static int oct_prepare(const json_t *jwk, struct sz_jwk *key, struct sz_error *e)
{
	struct octets o;
	u32 fit = 0;
	int err = member(jwk, "k", &o, e);
	unsigned int a;

	for (a = SZ_ALG_HS256; !err && a <= SZ_ALG_HS512; a++)
		if (o.n >= sz_alg_info(a)->hash_len)
			fit |= SZ_ALG_BIT(a);
	key->algs &= fit;
	if (!err && !key->algs)
		err = sz_error_set(e, -EINVAL, "a secret of %zu bytes is too short: it needs as "
				   "many as the hash has (32, 48 or 64)", o.n);
	if (!err) {
		key->octets = sz_calloc(1, o.n);
		key->octets_len = o.n;
		memcpy(key->octets, o.p, o.n);
	}
	sodium_memzero(&o, sizeof(o));
	return err;
}

/* Is "use" sig and "verify" among "key_ops", where they are present? 1, 0 or -EINVAL. */
static int for_verifying(const json_t *jwk, struct sz_error *e)
{
	const json_t *use = json_object_get(jwk, "use"), *ops = json_object_get(jwk, "key_ops");
	bool found = !ops;
	json_t *op;
	size_t i;

	if (use && !json_is_string(use))
		return sz_error_set(e, -EINVAL, "\"use\" must be a string");
	if (ops && !json_is_array(ops))
		return sz_error_set(e, -EINVAL, "\"key_ops\" must be an array of strings");
	json_array_foreach(ops, i, op) {
		if (!json_is_string(op))
			return sz_error_set(e, -EINVAL, "\"key_ops\" must be an array of strings");
		found |= !strcmp(json_string_value(op), "verify");
	}
	return found && (!use || !strcmp(json_string_value(use), "sig"));
}

static int refuse_private(const json_t *jwk, struct sz_error *e)
{
	static const char *const private[] = {"d", "p", "q", "dp", "dq", "qi", "oth"};
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(private); i++)
		if (json_object_get(jwk, private[i]))
			return sz_error_set(e, -EINVAL, "holds the private member \"%s\": keep "
					    "private keys out of a public set, and replace "
					    "this key if the file was ever readable by others",
					    private[i]);
	return 0;
}

/* Which algorithms the key is bound to: by "alg", else by type and curve. 0: none we know. */
static int bound_algs(const json_t *jwk, u32 *ret, struct sz_error *e)
{
	const json_t *kty = json_object_get(jwk, "kty"), *crv = json_object_get(jwk, "crv");
	const json_t *name = json_object_get(jwk, "alg");
	enum sz_alg alg;

	*ret = 0;
	if (!json_is_string(kty))
		return sz_error_set(e, -EINVAL, "\"kty\" is missing or not a string");
	if (!strcmp(json_string_value(kty), "EC") || !strcmp(json_string_value(kty), "OKP")) {
		if (!json_is_string(crv))
			return sz_error_set(e, -EINVAL, "\"crv\" is missing or not a string");
	}
	if (name && !json_is_string(name))
		return sz_error_set(e, -EINVAL, "\"alg\" must be a string");
	*ret = sz_alg_mask(json_string_value(kty), json_string_value(crv));
	if (!name || !*ret)
		return 0;
	alg = sz_alg_parse(json_string_value(name));
	if (alg != SZ_ALG_NONE && !(*ret & SZ_ALG_BIT(alg)))
		return sz_error_set(e, -EINVAL, "\"alg\" %s does not go with this \"kty\" and "
				    "\"crv\"", sz_alg_name(alg));
	*ret = alg == SZ_ALG_NONE ? 0 : SZ_ALG_BIT(alg);
	return 0;
}

static u64 serials;

int sz_jwk_prepare(const json_t *jwk, u32 allow, bool private, struct sz_jwk **ret,
		   struct sz_error *e)
{
	const struct sz_alg_info *alg;
	const json_t *kid;
	struct sz_jwk *key;
	int err;
	u32 algs;

	*ret = NULL;
	if (!json_is_object(jwk))
		return sz_error_set(e, -EINVAL, "a key must be a JSON object");
	kid = json_object_get(jwk, "kid");
	if (kid && !json_is_string(kid))
		return sz_error_set(e, -EINVAL, "\"kid\" must be a string");
	err = bound_algs(jwk, &algs, e);
	if (err)
		return err;
	if (!private) {
		if (strcmp(json_string_value(json_object_get(jwk, "kty")), "oct"))
			err = refuse_private(jwk, e);
		if (!err)
			err = for_verifying(jwk, e);
		if (err <= 0)
			return err;
	}
	algs &= allow;
	if (!algs)
		return 0;
	key = sz_calloc(1, sizeof(*key));
	key->serial = __atomic_add_fetch(&serials, 1, __ATOMIC_RELAXED);
	key->algs = algs;
	key->kid = kid ? sz_strdup(json_string_value(kid)) : NULL;
	alg = sz_alg_info((enum sz_alg)__builtin_ctz(algs));
	switch (alg->family) {
	case SZ_FAMILY_EDDSA:
		err = ed_prepare(jwk, private, key, e);
		break;
	case SZ_FAMILY_EC:
		err = ec_prepare(jwk, alg, private, key, e);
		break;
	case SZ_FAMILY_RSA:
	case SZ_FAMILY_PSS:
		err = rsa_prepare(jwk, private, key, e);
		break;
	default:
		err = oct_prepare(jwk, key, e);
		break;
	}
	if (!err)
		err = sz_jwk_thumbprint(jwk, key->thumb, e);
	key->id = sz_revoke_id(SZ_REVOKE_KEY, key->thumb, strlen(key->thumb));
	if (err) {
		sz_jwk_free(key);
		return err;
	}
	*ret = key;
	return 0;
}

const char *sz_jwk_thumb(const struct sz_jwk *key)
{
	return key->thumb;
}

struct sz_id sz_jwk_id(const struct sz_jwk *key)
{
	return key->id;
}

const char *sz_jwk_kid(const struct sz_jwk *key)
{
	return key->kid;
}

u32 sz_jwk_algs(const struct sz_jwk *key)
{
	return key->algs;
}

void sz_jwk_free(struct sz_jwk *key)
{
	if (!key)
		return;
	if (key->octets)
		sodium_memzero(key->octets, key->octets_len);
	free(key->octets);
	EVP_PKEY_free(key->pkey);
	jose_rsa_done(&key->rsa);
	free(key->kid);
	free(key);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Signatures over bytes: RFC 7518 section 3 by OpenSSL (RSA is verified in rsa.c), RFC 8037 Ed25519
 * by libsodium, which also refuses small-order points and non-canonical numbers. Keys are shared;
 * each thread has contexts of its own (thread.c). A signature of any but the exact length is
 * refused before the library sees it.
 */
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <sodium.h>

#include "jose/jose_priv.h"

/* DER of two 521-bit integers, rounded up. */
#define DER_MAX 160

/* r || s to DER; 0 where it cannot be done. */
static int raw_to_der(const u8 *raw, size_t coord, u8 der[DER_MAX])
{
	BIGNUM *r = BN_bin2bn(raw, (int)coord, NULL), *s = BN_bin2bn(raw + coord, (int)coord, NULL);
	ECDSA_SIG *sig = ECDSA_SIG_new();
	int len = 0;

	if (r && s && sig && ECDSA_SIG_set0(sig, r, s)) {
		r = s = NULL;
		if (i2d_ECDSA_SIG(sig, NULL) <= DER_MAX)
			len = i2d_ECDSA_SIG(sig, &der);
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(sig);
	return len > 0 ? len : 0;
}

static bool der_to_raw(const u8 *der, size_t n, size_t coord, u8 *raw)
{
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)n);
	bool ok = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, (int)coord) > 0 &&
		  BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + coord, (int)coord) > 0;

	ECDSA_SIG_free(sig);
	return ok;
}

static bool ec_verify(const struct sz_jwk *key, enum sz_alg a, const void *msg, size_t n,
		      const u8 *sig, size_t sig_len)
{
	const struct sz_alg_info *alg = sz_alg_info(a);
	EVP_PKEY_CTX *ctx = jose_pkey_ctx(key, a);
	u8 digest[64];
	bool ok;

	ok = ctx && jose_digest(alg, msg, n, digest) &&
	     EVP_PKEY_verify(ctx, sig, sig_len, digest, alg->hash_len) == 1;
	if (!ok)
		ERR_clear_error();
	return ok;
}

bool sz_signature_ok(const struct sz_jwk *key, enum sz_alg a, const void *msg, size_t n,
		     const u8 *sig, size_t sig_len)
{
	const struct sz_alg_info *alg = sz_alg_info(a);
	u8 mac[EVP_MAX_MD_SIZE], der[DER_MAX];
	int der_len;

	switch (alg->family) {
	case SZ_FAMILY_EDDSA:
		/* A secret key ends with its public one. */
		return sig_len == crypto_sign_BYTES &&
		       !crypto_sign_verify_detached(sig, msg, n,
						    key->octets + key->octets_len -
							    crypto_sign_PUBLICKEYBYTES);
	case SZ_FAMILY_EC:
		der_len = sig_len == 2 * alg->coord_len ? raw_to_der(sig, alg->coord_len, der) : 0;
		return der_len && ec_verify(key, a, msg, n, der, (size_t)der_len);
	case SZ_FAMILY_RSA:
	case SZ_FAMILY_PSS:
		return jose_rsa_ok(&key->rsa, alg, msg, n, sig, sig_len);
	case SZ_FAMILY_HMAC:
		return sig_len == alg->hash_len && jose_hmac(key, a, msg, n, mac) &&
		       !CRYPTO_memcmp(mac, sig, sig_len);
	default:
		return false;
	}
}

/* RFC 7518 section 3.5: the salt is as long as the hash, MGF1 uses the same hash. */
static bool set_padding(EVP_PKEY_CTX *ctx, const struct sz_alg_info *alg)
{
	if (alg->family == SZ_FAMILY_EC)
		return true;
	if (alg->family == SZ_FAMILY_RSA)
		return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0;
	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, (int)alg->hash_len) > 0 &&
	       EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, alg->md()) > 0;
}

static bool pkey_sign(EVP_PKEY *pkey, const struct sz_alg_info *alg, const void *msg, size_t n,
		      u8 *sig, size_t *ret_len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL;
	u8 raw[2 * 66];
	bool ok;

	*ret_len = SZ_SIG_MAX;
	ok = ctx && EVP_DigestSignInit(ctx, &pctx, alg->md(), NULL, pkey) > 0 &&
	     set_padding(pctx, alg) && EVP_DigestSign(ctx, sig, ret_len, msg, n) == 1;
	if (ok && alg->family == SZ_FAMILY_EC) {
		ok = der_to_raw(sig, *ret_len, alg->coord_len, raw);
		*ret_len = 2 * alg->coord_len;
		if (ok)
			memcpy(sig, raw, *ret_len);
	}
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}

int sz_signature_make(const struct sz_jwk *key, enum sz_alg a, const void *msg, size_t n,
		      u8 sig[SZ_SIG_MAX], size_t *ret_len, struct sz_error *e)
{
	const struct sz_alg_info *alg = sz_alg_info(a);
	bool ok;

	if (alg->family == SZ_FAMILY_EDDSA) {
		ok = !crypto_sign_detached(sig, NULL, msg, n, key->octets);
		*ret_len = crypto_sign_BYTES;
	} else if (alg->family == SZ_FAMILY_HMAC) {
		ok = jose_hmac(key, a, msg, n, sig);
		*ret_len = alg->hash_len;
	} else {
		ok = pkey_sign(key->pkey, alg, msg, n, sig, ret_len);
	}
	if (!ok || !sz_signature_ok(key, a, msg, n, sig, *ret_len))
		return sz_error_set(e, -EINVAL, "signing with %s failed: the private and public "
				    "members of the key do not belong together", alg->name);
	return 0;
}

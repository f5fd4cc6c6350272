/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * RSA signatures (RFC 8017 sections 8.1.2 and 8.2.2): one power modulo n, then a comparison. Called
 * by signature.c to verify; signing is OpenSSL's alone. The power is made of OpenSSL's Montgomery
 * products with numbers that are prepared once for each key: EVP_PKEY_verify() needs a third more
 * time for locks, memory and parameters. Nothing here is secret, so nothing has to take constant
 * time. There is one right encoding of a digest and it is compared as a whole; nothing is parsed.
 */
#include <string.h>

#include <openssl/bn.h>
#include <openssl/err.h>

#include "jose/jose_priv.h"

int jose_rsa_prepare(const BIGNUM *n, const BIGNUM *e, struct jose_rsa *ret)
{
	BN_CTX *ctx = BN_CTX_new();

	ret->bits = (unsigned)BN_num_bits(n);
	ret->len = (size_t)BN_num_bytes(n);
	ret->e = BN_get_word(e);
	ret->n = BN_dup(n);
	ret->mont = BN_MONT_CTX_new();
	if (ctx && ret->n && ret->mont && BN_MONT_CTX_set(ret->mont, n, ctx)) {
		BN_CTX_free(ctx);
		return 0;
	}
	BN_CTX_free(ctx);
	ERR_clear_error();
	return -ENOMEM;
}

void jose_rsa_done(struct jose_rsa *k)
{
	BN_free(k->n);
	BN_MONT_CTX_free(k->mont);
}

/*
 * sig^e mod n by squaring, from the second of e's bits down. Products are in Montgomery's form; the
 * factor of the last one, for e is odd, is not, and takes the result out of it. False also for a
 * number that is not below n.
 */
static bool power(const struct jose_rsa *k, struct jose_numbers *m, const u8 *sig, u8 *out)
{
	int bit = 63 - __builtin_clzll(k->e);

	if (!BN_bin2bn(sig, (int)k->len, m->sig) || BN_ucmp(m->sig, k->n) >= 0 ||
	    !BN_to_montgomery(m->base, m->sig, k->mont, m->ctx) || !BN_copy(m->acc, m->base))
		return false;
	while (bit--) {
		const BIGNUM *factor = bit ? m->base : m->sig;

		if (!BN_mod_mul_montgomery(m->acc, m->acc, m->acc, k->mont, m->ctx))
			return false;
		if (k->e >> bit & 1 &&
		    !BN_mod_mul_montgomery(m->acc, m->acc, factor, k->mont, m->ctx))
			return false;
	}
	return BN_bn2binpad(m->acc, out, (int)k->len) == (int)k->len;
}

/* Section 9.2: the one encoding, made anew and compared. */
static bool pkcs1_is(const struct sz_alg_info *alg, const u8 *em, size_t len, const u8 *digest)
{
	const u8 h = (u8)alg->hash_len, oid = h == 32 ? 1 : h == 48 ? 2 : 3;
	const u8 info[] = {0x30, (u8)(0x11 + h), 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
			   0x65, 0x03, 0x04, 0x02, oid, 0x05, 0x00, 0x04, h};
	u8 want[SZ_SIG_MAX];
	size_t at = len - alg->hash_len - sizeof(info);

	memset(want, 0xff, at);
	want[0] = 0;
	want[1] = 1;
	want[at - 1] = 0;
	memcpy(want + at, info, sizeof(info));
	memcpy(want + at + sizeof(info), digest, alg->hash_len);
	return !memcmp(em, want, len);
}

/* Appendix B.2.1, exclusive-or'ed to `out`. */
static bool mask(const struct sz_alg_info *alg, const u8 *seed, u8 *out, size_t n)
{
	u8 block[64 + 4] = {0}, hash[64];
	size_t at, i, h = alg->hash_len;

	memcpy(block, seed, h);
	for (at = 0; at < n; at += h) {
		block[h + 2] = (u8)(at / h >> 8);
		block[h + 3] = (u8)(at / h);
		if (!jose_digest(alg, block, h + 4, hash))
			return false;
		for (i = 0; i < h && at + i < n; i++)
			out[at + i] ^= hash[i];
	}
	return true;
}

/* Section 9.1.2, with a salt as long as the hash (RFC 7518 section 3.5). Changes `em`. */
static bool pss_is(const struct sz_alg_info *alg, u8 *em, size_t len, unsigned em_bits,
		   const u8 *digest)
{
	size_t h = alg->hash_len, db = len - h - 1, i;
	u8 outside = (u8)(0xff << (8 - (8 * len - em_bits))), again[8 + 2 * 64] = {0}, hash[64];
	const u8 *salt = em + db - h;

	if (em[len - 1] != 0xbc || em[0] & outside || !mask(alg, em + db, em, db))
		return false;
	em[0] &= (u8)~outside;
	for (i = 0; i < db - h - 1; i++)
		if (em[i])
			return false;
	if (em[i] != 1)
		return false;
	memcpy(again + 8, digest, h);
	memcpy(again + 8 + h, salt, h);
	return jose_digest(alg, again, 8 + 2 * h, hash) && !memcmp(hash, em + db, h);
}

bool jose_rsa_ok(const struct jose_rsa *k, const struct sz_alg_info *alg, const void *msg, size_t n,
		 const u8 *sig, size_t sig_len)
{
	u8 em[SZ_SIG_MAX], digest[64];
	struct jose_numbers *m = jose_numbers();
	size_t skip;

	if (sig_len != k->len || !m || !power(k, m, sig, em) || !jose_digest(alg, msg, n, digest)) {
		ERR_clear_error();
		return false;
	}
	if (alg->family == SZ_FAMILY_RSA)
		return pkcs1_is(alg, em, k->len, digest);
	/* One bit less than n has: where those are whole bytes, the first byte is none of them. */
	skip = k->bits % 8 == 1;
	return !(skip && em[0]) && pss_is(alg, em + skip, k->len - skip, k->bits - 1, digest);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* RSA signatures as jose/rsa.c reads them, beside OpenSSL's own verdicts: keys of odd sizes and
 * exponents, changed signatures, and encodings that some verifiers have taken. */
#include "harness.h"
#include "jose/jose_priv.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

static const char message[] = "a message that was signed";

struct pair {
	EVP_PKEY *pkey;
	struct jose_rsa rsa;
};

static void done(struct pair *p)
{
	jose_rsa_done(&p->rsa);
	EVP_PKEY_free(p->pkey);
}

static BIGNUM *prime(unsigned bits, const BIGNUM *e, BN_CTX *ctx, BIGNUM *less)
{
	BIGNUM *p = BN_new(), *gcd = BN_new();

	do {
		ASSERT_TRUE(BN_generate_prime_ex(p, (int)bits, 0, NULL, NULL, NULL));
		ASSERT_TRUE(BN_sub(less, p, BN_value_one()) && BN_gcd(gcd, less, e, ctx));
	} while (!BN_is_one(gcd));
	BN_free(gcd);
	return p;
}

static EVP_PKEY *pkey_of(const BIGNUM *n, const BIGNUM *e, const BIGNUM *d)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params;
	EVP_PKEY *pkey = NULL;

	ASSERT_TRUE(OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, n));
	ASSERT_TRUE(OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, e));
	ASSERT_TRUE(OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_D, d));
	params = OSSL_PARAM_BLD_to_param(b);
	ASSERT_TRUE(EVP_PKEY_fromdata_init(ctx) > 0);
	ASSERT_TRUE(EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params) > 0);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

/* OpenSSL itself makes no keys of an odd number of bits. */
static void make(struct pair *p, unsigned bits, unsigned long long exponent)
{
	BIGNUM *e = BN_new(), *n = BN_new(), *d = BN_new(), *a = BN_new(), *b = BN_new(), *x, *y;
	BN_CTX *ctx = BN_CTX_new();

	*p = (struct pair){0};
	ASSERT_TRUE(BN_set_word(e, exponent));
	x = prime(bits - 1024, e, ctx, a);
	y = prime(1024, e, ctx, b);
	ASSERT_TRUE(BN_mul(n, x, y, ctx) && BN_mul(a, a, b, ctx) &&
		    BN_mod_inverse(d, e, a, ctx));
	ASSERT_EQ(BN_num_bits(n), bits);
	p->pkey = pkey_of(n, e, d);
	ASSERT_EQ(jose_rsa_prepare(n, e, &p->rsa), 0);
	BN_free(x);
	BN_free(y);
	BN_free(a);
	BN_free(b);
	BN_free(d);
	BN_free(n);
	BN_free(e);
	BN_CTX_free(ctx);
}

static bool padding(EVP_PKEY_CTX *ctx, const struct sz_alg_info *alg, int salt)
{
	if (alg->family == SZ_FAMILY_RSA)
		return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0;
	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, salt) > 0;
}

static void sign(const struct pair *p, enum sz_alg a, int salt, u8 sig[SZ_SIG_MAX])
{
	const struct sz_alg_info *alg = sz_alg_info(a);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx;
	size_t n = SZ_SIG_MAX;

	ASSERT_TRUE(EVP_DigestSignInit(ctx, &pctx, alg->md(), NULL, p->pkey) > 0);
	ASSERT_TRUE(padding(pctx, alg, salt));
	ASSERT_TRUE(EVP_DigestSign(ctx, sig, &n, (const u8 *)message, sizeof(message)) > 0);
	ASSERT_EQ(n, p->rsa.len);
	EVP_MD_CTX_free(ctx);
}

static bool peer(const struct pair *p, enum sz_alg a, const u8 *sig)
{
	const struct sz_alg_info *alg = sz_alg_info(a);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx;
	bool ok;

	ASSERT_TRUE(EVP_DigestVerifyInit(ctx, &pctx, alg->md(), NULL, p->pkey) > 0);
	ASSERT_TRUE(padding(pctx, alg, (int)alg->hash_len));
	ok = EVP_DigestVerify(ctx, sig, p->rsa.len, (const u8 *)message, sizeof(message)) == 1;
	EVP_MD_CTX_free(ctx);
	return ok;
}

static bool ours(const struct pair *p, enum sz_alg a, const u8 *sig)
{
	return jose_rsa_ok(&p->rsa, sz_alg_info(a), message, sizeof(message), sig, p->rsa.len);
}

/* em^d mod n: a signature with any encoding that is a number below n. */
static bool raw(const struct pair *p, const u8 *em, u8 sig[SZ_SIG_MAX])
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, p->pkey, NULL);
	size_t n = SZ_SIG_MAX;
	bool ok;

	ASSERT_TRUE(EVP_PKEY_decrypt_init(ctx) > 0);
	ASSERT_TRUE(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) > 0);
	ok = EVP_PKEY_decrypt(ctx, sig, &n, em, p->rsa.len) > 0;
	EVP_PKEY_CTX_free(ctx);
	return ok;
}

/* sig^e mod n */
static void open_up(const struct pair *p, const u8 *sig, u8 em[SZ_SIG_MAX])
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, p->pkey, NULL);
	size_t n = SZ_SIG_MAX;

	ASSERT_TRUE(EVP_PKEY_encrypt_init(ctx) > 0);
	ASSERT_TRUE(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) > 0);
	ASSERT_TRUE(EVP_PKEY_encrypt(ctx, em, &n, sig, p->rsa.len) > 0);
	EVP_PKEY_CTX_free(ctx);
}

static u32 seed = 7;

static u32 dice(u32 sides)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % sides;
}

static void try_key(unsigned bits, unsigned long long e)
{
	u8 sig[SZ_SIG_MAX], bad[SZ_SIG_MAX];
	struct pair p;
	int a, b, i;

	make(&p, bits, e);
	EXPECT_EQ(p.rsa.len, (bits + 7) / 8);
	for (a = SZ_ALG_RS256; a <= SZ_ALG_PS512; a++) {
		sign(&p, (enum sz_alg)a, (int)sz_alg_info((enum sz_alg)a)->hash_len, sig);
		EXPECT_TRUE(ours(&p, (enum sz_alg)a, sig));
		for (b = SZ_ALG_RS256; b <= SZ_ALG_PS512; b++)
			EXPECT_EQ(ours(&p, (enum sz_alg)b, sig), a == b);
		EXPECT_TRUE(!jose_rsa_ok(&p.rsa, sz_alg_info((enum sz_alg)a), message,
					 sizeof(message) - 1, sig, p.rsa.len));
		EXPECT_TRUE(!jose_rsa_ok(&p.rsa, sz_alg_info((enum sz_alg)a), message,
					 sizeof(message), sig, p.rsa.len - 1));
		for (i = 0; i < 20; i++) {
			memcpy(bad, sig, p.rsa.len);
			bad[dice((u32)p.rsa.len)] ^= (u8)(1u << dice(8));
			EXPECT_TRUE(!ours(&p, (enum sz_alg)a, bad));
			EXPECT_TRUE(!peer(&p, (enum sz_alg)a, bad));
		}
	}
	done(&p);
}

TEST(keys_of_any_size_and_exponent_agree_with_openssl)
{
	static const unsigned bits[] = {2048, 2049, 2050, 2055};
	static const unsigned long long e[] = {3, 17, 0xfffffffffffffff5ull};
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(bits); i++)
		try_key(bits[i], 65537);
	for (i = 0; i < SZ_ARRAY_LEN(e); i++)
		try_key(2048, e[i]);
}

/* The same signature plus n, where that still fits: one token must not have two spellings. */
TEST(number_that_is_not_below_n_is_refused)
{
	u8 sig[SZ_SIG_MAX], more[SZ_SIG_MAX];
	BIGNUM *s = NULL, *top = BN_new();
	unsigned found = 0, i;
	struct pair p;

	make(&p, 2048, 65537);
	for (i = 0; i < 64; i++) {
		sign(&p, SZ_ALG_PS256, 32, sig);
		s = BN_bin2bn(sig, (int)p.rsa.len, s);
		ASSERT_TRUE(BN_add(top, s, p.rsa.n));
		if ((unsigned)BN_num_bytes(top) > p.rsa.len)
			continue;
		found++;
		BN_bn2binpad(top, more, (int)p.rsa.len);
		EXPECT_TRUE(ours(&p, SZ_ALG_PS256, sig));
		EXPECT_TRUE(!ours(&p, SZ_ALG_PS256, more));
	}
	memset(more, 0, sizeof(more));
	EXPECT_TRUE(!ours(&p, SZ_ALG_RS256, more)); /* 0 */
	more[p.rsa.len - 1] = 1;
	EXPECT_TRUE(!ours(&p, SZ_ALG_RS256, more)); /* 1 */
	BN_bn2binpad(p.rsa.n, more, (int)p.rsa.len);
	EXPECT_TRUE(!ours(&p, SZ_ALG_RS256, more)); /* n */
	more[p.rsa.len - 1] -= 1;
	EXPECT_TRUE(!ours(&p, SZ_ALG_RS256, more)); /* n - 1 */
	printf("# %u of 64 signatures have a second spelling\n", found);
	BN_free(s);
	BN_free(top);
	done(&p);
}

#define T                                                                                          \
	0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,  \
		0x05, 0x00, 0x04, 0x20
static const u8 info_good[] = {T};
static const u8 info_no_null[] = {0x30, 0x2f, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48,
				  0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x04, 0x20};
static const u8 info_long_length[] = {0x30, 0x81, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48,
				      0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
static const u8 info_sha512[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
				 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x20};

/* 00 01 FF.. 00 info digest garbage; the padding fills what is left. */
static bool encoded(const struct pair *p, const u8 *info, size_t info_len, size_t garbage, u8 first,
		    u8 type, u8 fill, u8 zero)
{
	u8 em[SZ_SIG_MAX], sig[SZ_SIG_MAX], digest[64];
	size_t at = p->rsa.len - garbage - 32 - info_len;

	ASSERT_TRUE(jose_digest(sz_alg_info(SZ_ALG_RS256), message, sizeof(message), digest));
	memset(em, fill, at);
	em[0] = first;
	em[1] = type;
	em[at - 1] = zero;
	memcpy(em + at, info, info_len);
	memcpy(em + at + info_len, digest, 32);
	memset(em + at + info_len + 32, 0, garbage);
	return raw(p, em, sig) && ours(p, SZ_ALG_RS256, sig);
}

TEST(only_the_one_encoding_of_pkcs1_is_right)
{
	struct pair p;

	make(&p, 2048, 3);
#define ENCODED(info, ...) encoded(&p, info, sizeof(info), __VA_ARGS__)
	EXPECT_TRUE(ENCODED(info_good, 0, 0, 1, 0xff, 0));
	EXPECT_TRUE(!ENCODED(info_good, 1, 0, 1, 0xff, 0)); /* bytes behind the digest */
	EXPECT_TRUE(!ENCODED(info_good, 190, 0, 1, 0xff, 0));
	EXPECT_TRUE(!ENCODED(info_good, 0, 0, 2, 0xff, 0)); /* type of an encryption */
	EXPECT_TRUE(!ENCODED(info_good, 0, 0, 0, 0xff, 0));
	EXPECT_TRUE(!ENCODED(info_good, 0, 0, 1, 0xfe, 0));
	EXPECT_TRUE(!ENCODED(info_good, 0, 0, 1, 0x00, 0));
	EXPECT_TRUE(!ENCODED(info_good, 0, 0, 1, 0xff, 0xff)); /* nothing ends the padding */
	EXPECT_TRUE(!ENCODED(info_no_null, 0, 0, 1, 0xff, 0));
	EXPECT_TRUE(!ENCODED(info_long_length, 0, 0, 1, 0xff, 0));
	EXPECT_TRUE(!ENCODED(info_sha512, 0, 0, 1, 0xff, 0));
	done(&p);
}

/* A good PSS encoding, with one byte of it changed. */
static bool changed(const struct pair *p, const u8 *em, size_t at, u8 with)
{
	u8 other[SZ_SIG_MAX], sig[SZ_SIG_MAX];

	memcpy(other, em, p->rsa.len);
	other[at] ^= with;
	if (!raw(p, other, sig))
		return false;
	EXPECT_EQ(peer(p, SZ_ALG_PS256, sig), ours(p, SZ_ALG_PS256, sig));
	return ours(p, SZ_ALG_PS256, sig);
}

static void try_pss(unsigned bits)
{
	static const int salts[] = {0, 20, 31, 32, 33, 64};
	u8 sig[SZ_SIG_MAX], em[SZ_SIG_MAX];
	struct pair p;
	size_t i;

	make(&p, bits, 65537);
	for (i = 0; i < SZ_ARRAY_LEN(salts); i++) {
		sign(&p, SZ_ALG_PS256, salts[i], sig);
		EXPECT_EQ(ours(&p, SZ_ALG_PS256, sig), salts[i] == 32);
	}
	sign(&p, SZ_ALG_PS256, 32, sig);
	open_up(&p, sig, em);
	EXPECT_TRUE(changed(&p, em, 0, 0));
	EXPECT_TRUE(!changed(&p, em, p.rsa.len - 1, 1)); /* the trailer */
	for (i = 1; i < p.rsa.len; i += 3)
		EXPECT_TRUE(!changed(&p, em, i, (u8)(1 + dice(255))));
	for (i = 0; i < 8; i++)
		EXPECT_TRUE(!changed(&p, em, 0, (u8)(1u << i)));
	done(&p);
}

TEST(changed_encodings_of_pss_are_refused)
{
	try_pss(2048);
	try_pss(2049);
	try_pss(2050);
}

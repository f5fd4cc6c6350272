/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Ed25519 as it is used here against OpenSSL's: the same verdict for every signature by every key
 * that a key set may hold. Signatures are good, changed in any bit, and made of the numbers and
 * points that implementations are known to differ in (Chalkias, Garillot and Nikolaenko, "Taming
 * the many EdDSAs", 2020). RFC 8032 section 5.1.7 without its cofactor.
 */
#include "harness.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <sodium.h>

#include "jose/jose_priv.h"

static u8 pk[32], sk[64], sig[64];
static const u8 msg[] = "eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJpIn0";
#define MSG_LEN (sizeof(msg) - 1)

/* The order of the base point. */
static const u8 order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
			     0xa2, 0xde, 0xf9, 0xde, 0x14, 0,	  0,	0,    0,    0,	  0,
			     0,	   0,	 0,    0,    0,	   0,	 0,    0,    0,	   0x10};

/* Encodings of points of small order and of numbers beyond the field. */
static const char *const odd_points[] = {
	"0100000000000000000000000000000000000000000000000000000000000000",
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0000000000000000000000000000000000000000000000000000000000000080",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"0100000000000000000000000000000000000000000000000000000000000080",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
	"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

static bool ours(const u8 *key, const u8 *s)
{
	u8 octets[32];
	struct sz_jwk jwk = {.algs = SZ_ALG_BIT(SZ_ALG_EDDSA), .octets = octets, .octets_len = 32};

	memcpy(octets, key, 32);
	return sz_signature_ok(&jwk, SZ_ALG_EDDSA, msg, MSG_LEN, s, 64);
}

static bool openssl(const u8 *key, const u8 *s)
{
	EVP_PKEY *k = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, 32);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = k && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, k) == 1 &&
		  EVP_DigestVerify(ctx, s, 64, msg, MSG_LEN) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(k);
	ERR_clear_error();
	return ok;
}

static bool agree(const u8 *key, const u8 *s)
{
	return ours(key, s) == openssl(key, s);
}

/* Whether a key set may hold it. */
static bool acceptable(const u8 *key)
{
	char x[SZ_B64_ENCODED_LEN(32) + 1];
	struct sz_jwk *jwk = NULL;
	struct sz_error e;
	json_t *j;
	bool ok;

	sz_b64url_encode(key, 32, x);
	j = json_pack("{s:s, s:s, s:s}", "kty", "OKP", "crv", "Ed25519", "x", x);
	ok = !sz_jwk_prepare(j, ~0u, false, &jwk, &e) && jwk;
	sz_jwk_free(jwk);
	json_decref(j);
	return ok;
}

static u64 seed = 0x5eed;
static u32 draw(u32 n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(seed >> 33) % n;
}

static void make(u8 n)
{
	u8 s[32] = {n, 7};

	crypto_sign_seed_keypair(pk, sk, s);
	crypto_sign_detached(sig, NULL, msg, MSG_LEN, sk);
}

static void point(const char *hex, u8 out[32])
{
	if (sz_hex_decode(hex, 64, out))
		abort();
}

TEST(good_signatures_and_every_changed_bit_agree)
{
	int good = 0, bad = 0;

	for (u8 k = 0; k < 4; k++) {
		make(k);
		good += ours(pk, sig) && openssl(pk, sig);
		for (int bit = 0; bit < 512; bit++) {
			sig[bit / 8] ^= (u8)(1 << bit % 8);
			bad += !ours(pk, sig) && !openssl(pk, sig);
			sig[bit / 8] ^= (u8)(1 << bit % 8);
		}
	}
	EXPECT_EQ(good, 4);
	EXPECT_EQ(bad, 4 * 512);
}

TEST(second_spelling_of_a_signature_is_refused_by_both)
{
	u8 other[64];

	for (u8 k = 0; k < 20; k++) {
		unsigned carry = 0;

		make(k);
		memcpy(other, sig, 64);
		for (int i = 0; i < 32; i++) { /* S + L */
			carry += other[32 + i] + order[i];
			other[32 + i] = (u8)carry;
			carry >>= 8;
		}
		EXPECT_TRUE(ours(pk, sig));
		EXPECT_TRUE(!ours(pk, other));
		EXPECT_TRUE(agree(pk, other));
	}
}

TEST(odd_points_in_a_signature_agree)
{
	u8 s[64];

	for (size_t i = 0; i < SZ_ARRAY_LEN(odd_points); i++) {
		make((u8)i);
		memcpy(s, sig, 64);
		point(odd_points[i], s);
		EXPECT_TRUE(!ours(pk, s));
		EXPECT_TRUE(agree(pk, s));
		memset(s + 32, 0, 32); /* R = anything, S = 0 */
		EXPECT_TRUE(!ours(pk, s));
		EXPECT_TRUE(agree(pk, s));
	}
}

TEST(odd_points_are_no_keys_and_verify_nothing)
{
	u8 key[32], s[64] = {1}; /* R the neutral point, S = 0: good for such keys by the formula */

	for (size_t i = 0; i < SZ_ARRAY_LEN(odd_points); i++) {
		point(odd_points[i], key);
		EXPECT_TRUE(!acceptable(key));
		EXPECT_TRUE(!ours(key, s));
	}
	make(1);
	EXPECT_TRUE(acceptable(pk));
}

TEST(key_and_point_outside_the_prime_order_group_agree)
{
	u8 torsion[32], mixed_key[32], s[64];

	make(3);
	/* A key with a part of small order is refused where key sets are read. */
	point(odd_points[10], torsion);
	ASSERT_EQ(crypto_core_ed25519_is_valid_point(pk), 1);
	if (!crypto_core_ed25519_add(mixed_key, pk, torsion))
		EXPECT_TRUE(!acceptable(mixed_key));
	/* So is such an R: both check without the cofactor. */
	memcpy(s, sig, 64);
	if (!crypto_core_ed25519_add(s, sig, torsion)) {
		EXPECT_TRUE(!ours(pk, s));
		EXPECT_TRUE(agree(pk, s));
	}
}

TEST(random_bytes_and_random_keys_agree)
{
	unsigned differ = 0;
	u8 s[64];

	for (int i = 0; i < 3000; i++) {
		make((u8)draw(256));
		memcpy(s, sig, 64);
		switch (draw(4)) {
		case 0:
			for (u32 b = draw(65); b > 0; b--)
				s[b - 1] = (u8)draw(256);
			break;
		case 1:
			s[32 + draw(32)] ^= (u8)draw(256);
			break;
		case 2:
			s[63] |= (u8)(draw(8) << 5); /* numbers beyond the order */
			break;
		default:
			make((u8)draw(256)); /* another key */
			break;
		}
		differ += !agree(pk, s);
	}
	EXPECT_EQ(differ, 0);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SHA-256 in each of its forms against FIPS 180-4's own examples and against libsodium's, over all
 * lengths that matter and all ways to cut a message.
 */
#include "harness.h"

#include <sodium.h>

#include "codec/codec.h"
#include "hash/hash_priv.h"

#define MAX 400

static u8 message[MAX + 64];

static void fill(void)
{
	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (u8)(i * 131 + (i >> 3));
}

TEST(the_examples_of_the_standard)
{
	static const char *const known[][2] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};
	struct sz_sha256 c;
	u8 h[SZ_SHA256_LEN];
	char hex[65];

	for (size_t i = 0; i < SZ_ARRAY_LEN(known); i++) {
		sz_sha256(known[i][0], strlen(known[i][0]), NULL, 0, h);
		sz_hex_encode(h, sizeof(h), hex);
		EXPECT_STREQ(hex, known[i][1]);
	}
	sz_sha256_init(&c);
	for (int i = 0; i < 1000000; i++)
		sz_sha256_update(&c, "a", 1);
	sz_sha256_final(&c, h);
	sz_hex_encode(h, sizeof(h), hex);
	EXPECT_STREQ(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(every_length_and_every_cut_is_as_libsodium_has_it)
{
	u8 want[SZ_SHA256_LEN], h[SZ_SHA256_LEN];
	struct sz_sha256 c;
	int wrong = 0;

	fill();
	for (size_t n = 0; n <= MAX; n++) {
		crypto_hash_sha256(want, message, n);
		for (size_t cut = 0; cut <= n; cut++) {
			sz_sha256(message, cut, message + cut, n - cut, h);
			wrong += memcmp(h, want, sizeof(h)) != 0;
		}
		sz_sha256_init(&c);
		for (size_t i = 0; i < n; i += 7)
			sz_sha256_update(&c, message + i, n - i < 7 ? n - i : 7);
		sz_sha256_final(&c, h);
		EXPECT_MEMEQ(h, want, sizeof(h));
	}
	EXPECT_EQ(wrong, 0);
}

/* Two that began differently, as a record's chain and leaf do, and in all other ways. */
TEST(two_at_once_are_each_as_they_are_alone)
{
	u8 want[2][SZ_SHA256_LEN], h[SZ_SHA256_LEN];
	struct sz_sha256 x, y;
	int wrong = 0;

	fill();
	for (size_t a = 0; a <= 65; a++) {
		for (size_t b = 0; b <= 65; b += 1 + b % 3) {
			for (size_t n = 0; n <= 260; n += 1 + n % 5) {
				sz_sha256(message, a, message + 66, n, want[0]);
				sz_sha256(message, b, message + 66, n, want[1]);
				sz_sha256_init(&x);
				sz_sha256_update(&x, message, a);
				sz_sha256_init(&y);
				sz_sha256_update(&y, message, b);
				sz_sha256_update_both(&x, &y, message + 66, n);
				sz_sha256_final(&x, h);
				wrong += memcmp(h, want[0], sizeof(h)) != 0;
				sz_sha256_final(&y, h);
				wrong += memcmp(h, want[1], sizeof(h)) != 0;
			}
		}
	}
	EXPECT_EQ(wrong, 0);
}

TEST(plain_c_and_the_instructions_agree_on_every_block)
{
	static const u32 start[8] = { 1, 2, 3, 0x80000000, 5, 0xffffffff, 7, 8 };
	u32 plain[8], x[8], y[8];

	if (!sz_sha256_ni())
		SKIP("this processor has no SHA instructions");
	fill();
	for (size_t n = 0; n <= MAX / 64; n++) {
		for (size_t at = 0; at < 64; at++) {
			memcpy(plain, start, sizeof(plain));
			memcpy(x, start, sizeof(x));
			sz_sha256_blocks_plain(plain, message + at, n);
			sz_sha256_blocks_ni(x, message + at, n);
			EXPECT_MEMEQ(x, plain, sizeof(x));
			memcpy(x, start, sizeof(x));
			memcpy(y, start, sizeof(y));
			sz_sha256_blocks2_ni(x, message + at, y, message + 63 - at, n);
			EXPECT_MEMEQ(x, plain, sizeof(x));
			memcpy(plain, start, sizeof(plain));
			sz_sha256_blocks_plain(plain, message + 63 - at, n);
			EXPECT_MEMEQ(y, plain, sizeof(y));
		}
	}
}

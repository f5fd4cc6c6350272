/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The keyed digests beside a plain reading of the SipHash paper, for all lengths and offsets. */
#include "harness.h"
#include "subzero/digest.h"

static u64 rotl(u64 x, int n)
{
	return x << n | x >> (64 - n);
}

struct ref {
	u64 v[4];
};

static void rounds(struct ref *s, int n)
{
	u64 *v = s->v;

	while (n--) {
		v[0] += v[1];
		v[1] = rotl(v[1], 13) ^ v[0];
		v[0] = rotl(v[0], 32);
		v[2] += v[3];
		v[3] = rotl(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = rotl(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = rotl(v[1], 17) ^ v[2];
		v[2] = rotl(v[2], 32);
	}
}

/* SipHash-c-d; out: one or two words. */
static void siphash(int c, int d, u64 k0, u64 k1, const u8 *p, u32 n, u64 *out, int words)
{
	struct ref s = {{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
			 k1 ^ 0x7465646279746573}};
	u64 m = 0;

	if (words == 2)
		s.v[1] ^= 0xee;
	for (u32 i = 0; i < n; i++) {
		m |= (u64)p[i] << 8 * (i % 8);
		if (i % 8 == 7) {
			s.v[3] ^= m;
			rounds(&s, c);
			s.v[0] ^= m;
			m = 0;
		}
	}
	m |= (u64)n << 56;
	s.v[3] ^= m;
	rounds(&s, c);
	s.v[0] ^= m;
	s.v[2] ^= words == 2 ? 0xee : 0xff;
	rounds(&s, d);
	out[0] = s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
	if (words == 2) {
		s.v[1] ^= 0xdd;
		rounds(&s, d);
		out[1] = s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
	}
}

static u8 key[16], buf[SZ_FRAME_MAX + 64];

static void fill(void)
{
	for (u32 i = 0; i < 16; i++)
		key[i] = (u8)i;
	for (u32 i = 0; i < sizeof(buf); i++)
		buf[i] = (u8)(i * 167 + (i >> 8) * 31 + 9);
}

static u64 key_word(int i)
{
	u64 w;

	memcpy(&w, key + 8 * i, 8);
	return w;
}

TEST(reference_gives_the_official_vector_of_128_bits)
{
	static const u8 want[16] = {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6,
				    0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93};
	u64 out[2];

	fill();
	siphash(2, 4, key_word(0), key_word(1), buf, 0, out, 2);
	EXPECT_MEMEQ(out, want, 16);
}

TEST(reference_gives_the_vector_of_the_paper)
{
	u8 in[15];
	u64 out;

	fill();
	for (u32 i = 0; i < 15; i++)
		in[i] = (u8)i;
	siphash(2, 4, key_word(0), key_word(1), in, 15, &out, 1);
	EXPECT_TRUE(out == 0xa129ca6149be45e5);
}

static void compare(u32 off, u32 len)
{
	u64 want[2], got;
	struct sz_digest d;

	siphash(1, 3, key_word(0), key_word(1), buf + off, len, want, 2);
	sz_token_digest(key, buf, off, len, &d);
	if (d.w[0] != want[0] || d.w[1] != want[1])
		EXPECT_EQ(off, len + 100000);
	siphash(1, 3, key_word(0) ^ 0x7365676d656e7473, rotl(key_word(1), 32), buf + off, len, want,
		1);
	got = sz_segment_digest(key, buf, off, len);
	if (got != want[0])
		EXPECT_EQ(off, len + 200000);
}

TEST(all_short_lengths_at_all_offsets_agree_with_the_reference)
{
	fill();
	for (u32 len = 0; len <= 200; len++)
		for (u32 off = 0; off < 16; off++)
			compare(off, len);
	EXPECT_TRUE(true);
}

TEST(long_inputs_up_to_the_end_of_a_frame_agree_with_the_reference)
{
	fill();
	for (u32 len = 200; len <= SZ_FRAME_MAX; len += 237)
		compare(SZ_FRAME_MAX - len, len);
	for (u32 len = SZ_FRAME_MAX - 40; len <= SZ_FRAME_MAX; len++)
		compare(0, len);
	EXPECT_TRUE(true);
}

TEST(every_byte_and_the_length_count)
{
	struct sz_digest d, e;
	u64 s;

	fill();
	sz_token_digest(key, buf, 3, 50, &d);
	s = sz_segment_digest(key, buf, 3, 50);
	for (u32 i = 3; i < 53; i++) {
		buf[i] ^= 0x10;
		sz_token_digest(key, buf, 3, 50, &e);
		EXPECT_TRUE(memcmp(&d, &e, sizeof(d)) != 0);
		EXPECT_TRUE(s != sz_segment_digest(key, buf, 3, 50));
		buf[i] ^= 0x10;
	}
	buf[2] ^= 1;
	buf[53] ^= 1;
	EXPECT_TRUE(s == sz_segment_digest(key, buf, 3, 50));
	memset(buf, 0, 64);
	EXPECT_TRUE(sz_segment_digest(key, buf, 0, 8) != sz_segment_digest(key, buf, 0, 9));
}

/* A head of 90 bytes at 5 with a token of 40 at 30 in it. */
static u64 head_digest(u32 token_off, u32 token_len)
{
	struct sz_digest d;

	sz_token_digest(key, buf, 5 + token_off, token_len, &d);
	return sz_head_digest(key, buf, 5, 90, token_off, token_len, &d);
}

TEST(every_byte_of_a_head_counts_also_those_of_its_token)
{
	u64 s;

	fill();
	s = head_digest(30, 40);
	for (u32 i = 5; i < 95; i++) {
		buf[i] ^= 0x10;
		EXPECT_TRUE(s != head_digest(30, 40));
		buf[i] ^= 0x10;
	}
	buf[4] ^= 1;
	buf[95] ^= 1;
	EXPECT_TRUE(s == head_digest(30, 40));
	EXPECT_TRUE(s != head_digest(29, 40));
	EXPECT_TRUE(s != head_digest(30, 41));
	EXPECT_TRUE(s != sz_segment_digest(key, buf, 5, 90));
}

TEST(bytes_do_not_move_between_a_token_and_what_is_around_it)
{
	u64 s;

	fill();
	memset(buf, 'a', 128);
	s = head_digest(30, 40);
	for (u32 off = 0; off <= 50; off++)
		if (off != 30)
			EXPECT_TRUE(s != head_digest(off, 40));
}

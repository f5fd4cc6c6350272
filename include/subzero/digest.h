/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keyed digests: SipHash (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012).
 * A token is named by SipHash-2-4 with 128 bits of output; the bytes of an admitted segment by
 * SipHash-1-3 with 64, under a key of its own. Both are secret-keyed, so nobody outside can look
 * for a collision offline.
 *
 * The bytes lie in a buffer of SZ_FRAME_MAX with at least 8 readable bytes behind it; offsets are
 * masked, so no input can make this read elsewhere.
 */
#ifndef SZ_DIGEST_H
#define SZ_DIGEST_H

#include "subzero/abi.h"
#include "subzero/compat.h"
#include "subzero/rule.h"

struct sz_sip {
	u64 v0, v1, v2, v3;
	const u8 *buf;
	u32 pos;
	u32 words; /* whole 8-byte words left */
};

#define SZ_ROTL(x, n) (((x) << (n)) | ((x) >> (64 - (n))))
#define SZ_SIP_ROUND(v0, v1, v2, v3)                                                               \
	do {                                                                                       \
		v0 += v1;                                                                          \
		v2 += v3;                                                                          \
		v1 = SZ_ROTL(v1, 13) ^ v0;                                                         \
		v3 = SZ_ROTL(v3, 16) ^ v2;                                                         \
		v0 = SZ_ROTL(v0, 32) + v3;                                                         \
		v2 += v1;                                                                          \
		v1 = SZ_ROTL(v1, 17) ^ v2;                                                         \
		v3 = SZ_ROTL(v3, 21) ^ v0;                                                         \
		v2 = SZ_ROTL(v2, 32);                                                              \
	} while (0)

#define SZ_SIP_ROUNDS_1(v0, v1, v2, v3) SZ_SIP_ROUND(v0, v1, v2, v3)
#define SZ_SIP_ROUNDS_2(v0, v1, v2, v3)                                                            \
	do {                                                                                       \
		SZ_SIP_ROUND(v0, v1, v2, v3);                                                      \
		SZ_SIP_ROUND(v0, v1, v2, v3);                                                      \
	} while (0)

#define SZ_SIP_WORD(rounds)                                                                        \
	do {                                                                                       \
		u64 m_ = sz_load64(buf + (pos & SZ_FRAME_MASK));                                   \
                                                                                                   \
		pos += 8;                                                                          \
		v3 ^= m_;                                                                          \
		rounds(v0, v1, v2, v3);                                                            \
		v0 ^= m_;                                                                          \
	} while (0)

/* Four words a step while there are as many keep the loop's own cost small beside the rounds'. */
#define SZ_SIP_STEP 4

#define SZ_SIP_LOOP(name, rounds)                                                                  \
	SZ_LOOP_FN name(u64 i, void *arg)                                                          \
	{                                                                                          \
		struct sz_sip *s = arg;                                                            \
		const u8 *buf = s->buf;                                                            \
		u64 v0 = s->v0, v1 = s->v1, v2 = s->v2, v3 = s->v3;                                \
		u32 pos = s->pos, done = 1;                                                        \
                                                                                                   \
		(void)i;                                                                           \
		SZ_SIP_WORD(rounds);                                                               \
		if (s->words >= SZ_SIP_STEP) {                                                     \
			SZ_SIP_WORD(rounds);                                                       \
			SZ_SIP_WORD(rounds);                                                       \
			SZ_SIP_WORD(rounds);                                                       \
			done = SZ_SIP_STEP;                                                        \
		}                                                                                  \
		s->v0 = v0;                                                                        \
		s->v1 = v1;                                                                        \
		s->v2 = v2;                                                                        \
		s->v3 = v3;                                                                        \
		s->pos = pos;                                                                      \
		s->words -= done;                                                                  \
		return !s->words;                                                                  \
	}

SZ_SIP_LOOP(sz_sip_words_2, SZ_SIP_ROUNDS_2)
SZ_SIP_LOOP(sz_sip_words_1, SZ_SIP_ROUNDS_1)

/* The last word: what is left of the input, its length modulo 256 in the top byte. */
SZ_INLINE u64 sz_sip_tail(const u8 *buf, u32 off, u32 len)
{
	u32 left = len & 7;
	u64 b = sz_load64(buf + ((off + (len - left)) & SZ_FRAME_MASK));

	b &= left ? ~0ull >> (64 - 8 * left) : 0;
	return b | (u64)(len & 0xff) << 56;
}

SZ_INLINE void sz_sip_start(struct sz_sip *s, u64 k0, u64 k1, const u8 *buf, u32 off, u32 len)
{
	s->v0 = k0 ^ 0x736f6d6570736575ull;
	s->v1 = k1 ^ 0x646f72616e646f6dull;
	s->v2 = k0 ^ 0x6c7967656e657261ull;
	s->v3 = k1 ^ 0x7465646279746573ull;
	s->buf = buf;
	s->pos = off;
	s->words = len / 8;
}

/* SipHash-2-4-128 of buf[off .. off + len); off + len <= SZ_FRAME_MAX. */
SZ_COLD void sz_token_digest(const u8 key[16], const u8 *buf, u32 off, u32 len,
			       struct sz_digest *ret)
{
	struct sz_sip s;
	u64 b = sz_sip_tail(buf, off, len);
	u32 r;

	sz_sip_start(&s, sz_load64(key), sz_load64(key + 8), buf, off, len);
	s.v1 ^= 0xee;
	if (SZ_RULE(TOKEN_WHOLE) && s.words)
		sz_loop(SZ_FRAME_MAX / 8, sz_sip_words_2, &s);
	s.v3 ^= b;
	for (r = 0; r < 2; r++)
		SZ_SIP_ROUND(s.v0, s.v1, s.v2, s.v3);
	s.v0 ^= b;
	s.v2 ^= 0xee;
	for (r = 0; r < 4; r++)
		SZ_SIP_ROUND(s.v0, s.v1, s.v2, s.v3);
	ret->w[0] = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
	s.v1 ^= 0xdd;
	for (r = 0; r < 4; r++)
		SZ_SIP_ROUND(s.v0, s.v1, s.v2, s.v3);
	ret->w[1] = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* SipHash-1-3-64 of buf[off .. off + len) under a key derived for segments; never 0. */
SZ_COLD u64 sz_segment_digest(const u8 key[16], const u8 *buf, u32 off, u32 len)
{
	struct sz_sip s;
	u64 b = sz_sip_tail(buf, off, len);
	u32 r;

	sz_sip_start(&s, sz_load64(key) ^ 0x7365676d656e7473ull, SZ_ROTL(sz_load64(key + 8), 32),
		     buf, off, len);
	if (SZ_RULE(SEGMENT_WHOLE) && s.words)
		sz_loop(SZ_FRAME_MAX / 8, sz_sip_words_1, &s);
	s.v3 ^= b;
	SZ_SIP_ROUND(s.v0, s.v1, s.v2, s.v3);
	s.v0 ^= b;
	s.v2 ^= 0xff;
	for (r = 0; r < 3; r++)
		SZ_SIP_ROUND(s.v0, s.v1, s.v2, s.v3);
	b = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
	return b ? b : 1;
}

#endif

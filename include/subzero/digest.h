/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keyed digests: SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012). A
 * token is named by 128 bits of it, the bytes of an admitted segment by 64, under a key of its own.
 * Both are secret-keyed and never shown, so nobody outside can look for a collision offline; why
 * one round a word is enough for that is in docs/threat-model.md.
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

#define SZ_SIP_WORD()                                                                              \
	do {                                                                                       \
		u64 m_ = sz_load64(buf + (pos & SZ_FRAME_MASK));                                   \
                                                                                                   \
		pos += 8;                                                                          \
		v3 ^= m_;                                                                          \
		SZ_SIP_ROUND(v0, v1, v2, v3);                                                      \
		v0 ^= m_;                                                                          \
	} while (0)

/* Four words a step while there are as many keep the loop's own cost small beside the rounds'. */
#define SZ_SIP_STEP 4

SZ_LOOP_FN sz_sip_words(u64 i, void *arg)
{
	struct sz_sip *s = arg;
	const u8 *buf = s->buf;
	u64 v0 = s->v0, v1 = s->v1, v2 = s->v2, v3 = s->v3;
	u32 pos = s->pos, done = 1;

	(void)i;
	SZ_SIP_WORD();
	if (s->words >= SZ_SIP_STEP) {
		SZ_SIP_WORD();
		SZ_SIP_WORD();
		SZ_SIP_WORD();
		done = SZ_SIP_STEP;
	}
	s->v0 = v0;
	s->v1 = v1;
	s->v2 = v2;
	s->v3 = v3;
	s->pos = pos;
	s->words -= done;
	return !s->words;
}

/* The last word: what is left at `pos` of the input, its length modulo 256 in the top byte. */
SZ_INLINE u64 sz_sip_tail(const u8 *buf, u32 pos, u32 len)
{
	u32 left = len & 7;
	u64 b = sz_load64(buf + (pos & SZ_FRAME_MASK));

	b &= left ? ~0ull >> (64 - 8 * left) : 0;
	return b | (u64)(len & 0xff) << 56;
}

SZ_INLINE void sz_sip_start(struct sz_sip *s, u64 k0, u64 k1)
{
	s->v0 = k0 ^ 0x736f6d6570736575ull;
	s->v1 = k1 ^ 0x646f72616e646f6dull;
	s->v2 = k0 ^ 0x6c7967656e657261ull;
	s->v3 = k1 ^ 0x7465646279746573ull;
}

/* For segments: derived from the key of tokens. */
SZ_INLINE void sz_sip_start_segment(struct sz_sip *s, const u8 key[16])
{
	sz_sip_start(s, sz_load64(key) ^ 0x7365676d656e7473ull, SZ_ROTL(sz_load64(key + 8), 32));
}

SZ_INLINE void sz_sip_word(struct sz_sip *s, u64 m)
{
	s->v3 ^= m;
	SZ_SIP_ROUND(s->v0, s->v1, s->v2, s->v3);
	s->v0 ^= m;
}

/* Takes in buf[off .. off + len) and its length: whole words, then what is left. */
SZ_INLINE void sz_sip_bytes(struct sz_sip *s, const u8 *buf, u32 off, u32 len, bool whole)
{
	s->buf = buf;
	s->pos = off;
	s->words = len / 8;
	if (whole && s->words)
		sz_loop(SZ_FRAME_MAX / 8, sz_sip_words, s);
	sz_sip_word(s, sz_sip_tail(s->buf, s->pos, len));
}

SZ_INLINE u64 sz_sip_end(struct sz_sip *s)
{
	u32 r;

	for (r = 0; r < 3; r++)
		SZ_SIP_ROUND(s->v0, s->v1, s->v2, s->v3);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/* SipHash-1-3-128 of buf[off .. off + len); off + len <= SZ_FRAME_MAX. */
SZ_COLD void sz_token_digest(const u8 key[16], const u8 *buf, u32 off, u32 len,
			       struct sz_digest *ret)
{
	struct sz_sip s;

	sz_sip_start(&s, sz_load64(key), sz_load64(key + 8));
	s.v1 ^= 0xee;
	sz_sip_bytes(&s, buf, off, len, SZ_RULE(TOKEN_WHOLE));
	s.v2 ^= 0xee;
	ret->w[0] = sz_sip_end(&s);
	s.v1 ^= 0xdd;
	ret->w[1] = sz_sip_end(&s);
}

SZ_INLINE u64 sz_segment_end(struct sz_sip *s)
{
	u64 d;

	s->v2 ^= 0xff;
	d = sz_sip_end(s);
	return d ? d : 1;
}

/* SipHash-1-3-64 of buf[off .. off + len) under a key derived for segments; never 0. */
SZ_COLD u64 sz_segment_digest(const u8 key[16], const u8 *buf, u32 off, u32 len)
{
	struct sz_sip s;

	sz_sip_start_segment(&s, key);
	sz_sip_bytes(&s, buf, off, len, SZ_RULE(SEGMENT_WHOLE));
	return sz_segment_end(&s);
}

/*
 * The same for bytes in which a token stands whose digest is known, so that its bytes are not read
 * a second time: what is before the token, the token's digest, what is behind it. token_off counts
 * from off. Equal only where lengths and all bytes are equal, as far as the digests tell.
 */
SZ_INLINE u64 sz_head_digest(const u8 key[16], const u8 *buf, u32 off, u32 len, u32 token_off,
			     u32 token_len, const struct sz_digest *token)
{
	u32 behind = token_off + token_len;
	struct sz_sip s;

	sz_sip_start_segment(&s, key);
	sz_sip_bytes(&s, buf, off, token_off, SZ_RULE(SEGMENT_WHOLE));
	sz_sip_word(&s, token->w[0]);
	sz_sip_word(&s, token->w[1]);
	sz_sip_bytes(&s, buf, off + behind, len - behind, SZ_RULE(SEGMENT_WHOLE));
	return sz_segment_end(&s);
}

/*
 * A sum of headers: NH (Black, Halevi, Krawczyk, Krovetz and Rogaway, "UMAC: fast and secure
 * message authentication", CRYPTO 1999, section 4) over words of 32 bits, twice, the second time
 * with the key moved on by two words (the Toeplitz construction there): of two different texts of
 * one length the sums are equal with probability 2^-64 for whoever does not know the key. Sums are
 * never shown.
 */
#define SZ_SAME_STEP 4 /* words of 8 bytes in one step while there are as many */
#define SZ_SAME_MASK (SZ_SAME_MAX / 8 - 1)

struct sz_nh {
	u64 a, b;
	const u8 *buf;
	const u64 *key;
	u32 pos;
	u32 at;    /* in the key */
	u32 words; /* left */
};

/* One word m; k and l are the key's words for it in the two sums. */
#define SZ_NH_WORD(m, k, l)                                                                        \
	do {                                                                                       \
		a += (u64)((u32)(m) + (u32)(k)) * ((u32)((m) >> 32) + (u32)((k) >> 32));           \
		b += (u64)((u32)(m) + (u32)(l)) * ((u32)((m) >> 32) + (u32)((l) >> 32));           \
	} while (0)

#define SZ_NH_NEXT()                                                                               \
	do {                                                                                       \
		u64 m_ = sz_load64(buf + (pos & SZ_FRAME_MASK));                                   \
		u64 l_ = key[(at & SZ_SAME_MASK) + 1];                                             \
                                                                                                   \
		SZ_NH_WORD(m_, k, l_);                                                             \
		k = l_;                                                                            \
		pos += 8;                                                                          \
		at++;                                                                              \
	} while (0)

SZ_LOOP_FN sz_nh_step(u64 i, void *arg)
{
	struct sz_nh *s = arg;
	const u8 *buf = s->buf;
	const u64 *key = s->key;
	u32 pos = s->pos, at = s->at, done = 1;
	u64 a = s->a, b = s->b, k = key[at & SZ_SAME_MASK];

	(void)i;
	SZ_NH_NEXT();
	if (s->words >= SZ_SAME_STEP) {
		SZ_NH_NEXT();
		SZ_NH_NEXT();
		SZ_NH_NEXT();
		done = SZ_SAME_STEP;
	}
	s->a = a;
	s->b = b;
	s->pos = pos;
	s->at = at;
	s->words -= done;
	return !s->words;
}

/* The sum of buf[off .. off + len), len <= SZ_SAME_MAX; two of another length are not compared. */
SZ_INLINE void sz_same_sum(const u64 *key, const u8 *buf, u32 off, u32 len, u64 ret[2])
{
	struct sz_nh s = {.buf = buf, .key = key, .pos = off, .words = len / 8};
	u32 left = len & 7;
	u64 a, b, m, k;

	if (SZ_RULE(SAME_WHOLE) && s.words)
		sz_loop(SZ_SAME_MAX / 8, sz_nh_step, &s);
	a = s.a;
	b = s.b;
	if (left) {
		m = sz_load64(buf + (s.pos & SZ_FRAME_MASK)) & ~0ull >> (64 - 8 * left);
		k = key[s.at & SZ_SAME_MASK];
		SZ_NH_WORD(m, k, key[(s.at & SZ_SAME_MASK) + 1]);
	}
	ret[0] = a;
	ret[1] = b;
}

#endif

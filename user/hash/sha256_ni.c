/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SHA-256's compression by the SHA extensions of x86 (Intel SDM volume 2, SHA256RNDS2, SHA256MSG1,
 * SHA256MSG2): one stream, or two side by side. Called through sha256.c, and only where the
 * processor has the instructions.
 */
#include "hash/hash_priv.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#define TARGET __attribute__((target("sha,sse4.1,ssse3")))
#define INLINE static inline __attribute__((always_inline)) TARGET

bool sz_sha256_ni(void)
{
	static int known; /* 1: no, 2: yes; every thread finds the same */
	unsigned a, b, c, d, features;
	int v = __atomic_load_n(&known, __ATOMIC_RELAXED);

	if (!v) {
		v = 1;
		if (__get_cpuid(1, &a, &b, &features, &d) && features & bit_SSE4_1 &&
		    features & bit_SSSE3 && __get_cpuid_count(7, 0, &a, &b, &c, &d) &&
		    b & bit_SHA)
			v = 2;
		__atomic_store_n(&known, v, __ATOMIC_RELAXED);
	}
	return v == 2;
}

/* The eight words as the instructions want them: a b e f and c d g h. */
struct lane {
	__m128i abef, cdgh, abef0, cdgh0;
	__m128i w[4];
};

INLINE void lane_load(struct lane *l, const u32 h[8])
{
	__m128i abcd = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)h), 0xb1);
	__m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)(h + 4)),
					 0x1b);

	l->abef = _mm_alignr_epi8(abcd, efgh, 8);
	l->cdgh = _mm_blend_epi16(efgh, abcd, 0xf0);
}

INLINE void lane_store(const struct lane *l, u32 h[8])
{
	__m128i feba = _mm_shuffle_epi32(l->abef, 0x1b), dchg = _mm_shuffle_epi32(l->cdgh, 0xb1);

	_mm_storeu_si128((__m128i *)(void *)h, _mm_blend_epi16(feba, dchg, 0xf0));
	_mm_storeu_si128((__m128i *)(void *)(h + 4), _mm_alignr_epi8(dchg, feba, 8));
}

/* Rounds 4i to 4i+3. i is a constant once the loop around it is unrolled. */
INLINE void lane_step(struct lane *l, const u8 *p, unsigned i)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bll, 0x0405060700010203ll);
	__m128i *w = l->w, k;

	if (i < 4)
		w[i] = _mm_shuffle_epi8(
			_mm_loadu_si128((const __m128i *)(const void *)(p + 16ul * i)), swap);
	else
		w[i % 4] = _mm_sha256msg2_epu32(
			_mm_add_epi32(_mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]),
				      _mm_alignr_epi8(w[(i + 3) % 4], w[(i + 2) % 4], 4)),
			w[(i + 3) % 4]);
	k = _mm_add_epi32(w[i % 4],
			  _mm_loadu_si128((const __m128i *)(const void *)(sz_sha256_k + 4ul * i)));
	l->cdgh = _mm_sha256rnds2_epu32(l->cdgh, l->abef, k);
	l->abef = _mm_sha256rnds2_epu32(l->abef, l->cdgh, _mm_shuffle_epi32(k, 0x0e));
}

INLINE void lane_begin(struct lane *l)
{
	l->abef0 = l->abef;
	l->cdgh0 = l->cdgh;
}

INLINE void lane_end(struct lane *l)
{
	l->abef = _mm_add_epi32(l->abef, l->abef0);
	l->cdgh = _mm_add_epi32(l->cdgh, l->cdgh0);
}

TARGET void sz_sha256_blocks_ni(u32 h[8], const u8 *p, size_t n)
{
	struct lane x;

	lane_load(&x, h);
	for (; n; n--, p += 64) {
		lane_begin(&x);
#pragma GCC unroll 16
		for (unsigned i = 0; i < 16; i++)
			lane_step(&x, p, i);
		lane_end(&x);
	}
	lane_store(&x, h);
}

TARGET void sz_sha256_blocks2_ni(u32 hx[8], const u8 *px, u32 hy[8], const u8 *py, size_t n)
{
	struct lane x, y;

	lane_load(&x, hx);
	lane_load(&y, hy);
	for (; n; n--, px += 64, py += 64) {
		lane_begin(&x);
		lane_begin(&y);
#pragma GCC unroll 16
		for (unsigned i = 0; i < 16; i++) {
			lane_step(&x, px, i);
			lane_step(&y, py, i);
		}
		lane_end(&x);
		lane_end(&y);
	}
	lane_store(&x, hx);
	lane_store(&y, hy);
}

#else

bool sz_sha256_ni(void)
{
	return false;
}

void sz_sha256_blocks_ni(u32 h[8], const u8 *p, size_t n)
{
	sz_sha256_blocks_plain(h, p, n);
}

void sz_sha256_blocks2_ni(u32 hx[8], const u8 *px, u32 hy[8], const u8 *py, size_t n)
{
	sz_sha256_blocks_plain(hx, px, n);
	sz_sha256_blocks_plain(hy, py, n);
}

#endif

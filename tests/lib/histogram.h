/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A latency histogram of fixed size: 128 steps to a power of two, so that a percentile is at most
 * 0.8 % above the true value, and the maximum is exact. Used by the traffic client. It must never
 * lose a sample, however large.
 */
#ifndef SZ_TESTS_HISTOGRAM_H
#define SZ_TESTS_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BITS  7
#define HISTOGRAM_STEPS (1U << HISTOGRAM_BITS)
#define HISTOGRAM_SIZE  ((65 - HISTOGRAM_BITS) * HISTOGRAM_STEPS)

struct histogram {
	uint64_t count, max;
	uint64_t at[HISTOGRAM_SIZE];
};

static inline unsigned int histogram_index(uint64_t v)
{
	unsigned int shift;

	if (v < HISTOGRAM_STEPS)
		return (unsigned int)v;
	shift = 63 - HISTOGRAM_BITS - (unsigned int)__builtin_clzll(v);
	return (shift << HISTOGRAM_BITS) + (unsigned int)(v >> shift);
}

/* The largest value that is counted at this index. */
static inline uint64_t histogram_top(unsigned int i)
{
	unsigned int shift = i >> HISTOGRAM_BITS;

	if (shift < 2)
		return i;
	shift--;
	return ((((uint64_t)i & (HISTOGRAM_STEPS - 1)) + HISTOGRAM_STEPS + 1) << shift) - 1;
}

static inline void histogram_add(struct histogram *h, uint64_t v)
{
	h->count++;
	h->at[histogram_index(v)]++;
	h->max = v > h->max ? v : h->max;
}

/* The smallest value that at least `percent` of the samples do not exceed; 0 without samples. */
static inline uint64_t histogram_percentile(const struct histogram *h, double percent)
{
	uint64_t seen = 0, want = (uint64_t)((double)h->count * percent / 100);

	if ((double)want < (double)h->count * percent / 100 || !want)
		want++;
	for (unsigned int i = 0; i < HISTOGRAM_SIZE; i++) {
		seen += h->at[i];
		if (seen >= want)
			return histogram_top(i) < h->max ? histogram_top(i) : h->max;
	}
	return h->max;
}

#endif

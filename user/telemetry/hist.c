/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Log-linear latency histogram of fixed size. Called by the daemon for every miss; adding is a
 * shift and an increment and never allocates.
 */
#include <string.h>

#include "telemetry/telemetry.h"

#define STEP_SHIFT 5 /* log2 of SZ_HIST_STEPS */
_Static_assert(1u << STEP_SHIFT == SZ_HIST_STEPS, "histogram");

static u32 bucket_of(u64 ns)
{
	u32 octave;

	if (ns >> SZ_HIST_MIN_SHIFT == 0)
		return 0;
	if (ns >> SZ_HIST_MAX_SHIFT)
		return SZ_HIST_BUCKETS - 1;
	octave = 63 - (u32)__builtin_clzll(ns);
	return 1 + (octave - SZ_HIST_MIN_SHIFT) * SZ_HIST_STEPS +
	       ((ns >> (octave - STEP_SHIFT)) & (SZ_HIST_STEPS - 1));
}

static u64 middle_of(u32 bucket)
{
	u32 octave = (bucket - 1) / SZ_HIST_STEPS + SZ_HIST_MIN_SHIFT;
	u64 step = (bucket - 1) % SZ_HIST_STEPS;
	u64 width = 1ull << (octave - STEP_SHIFT);

	return (SZ_HIST_STEPS + step) * width + width / 2;
}

void sz_hist_add(struct sz_hist *h, u64 ns)
{
	h->n[bucket_of(ns)]++;
	h->count++;
	h->sum += ns;
	if (ns > h->max)
		h->max = ns;
}

u64 sz_hist_percentile(const struct sz_hist *h, double p)
{
	u64 rank, seen = 0, ns;
	u32 i;

	if (!h->count)
		return 0;
	if (p >= 100)
		return h->max;
	/* How many samples lie below the answer. */
	rank = p > 0 ? (u64)(p / 100 * (double)h->count) : 0;
	for (i = 0; i < SZ_HIST_BUCKETS - 1; i++) {
		seen += h->n[i];
		if (seen > rank)
			break;
	}
	if (i == SZ_HIST_BUCKETS - 1)
		return h->max;
	ns = i ? middle_of(i) : 1ull << SZ_HIST_MIN_SHIFT;
	return ns < h->max ? ns : h->max;
}

u64 sz_hist_count(const struct sz_hist *h)
{
	return h->count;
}

u64 sz_hist_max(const struct sz_hist *h)
{
	return h->max;
}

u64 sz_hist_sum(const struct sz_hist *h)
{
	return h->sum;
}

/* Where the next bucket begins. */
static u64 end_of(u32 bucket)
{
	u32 octave = (bucket - 1) / SZ_HIST_STEPS + SZ_HIST_MIN_SHIFT;

	return (SZ_HIST_STEPS + (bucket - 1) % SZ_HIST_STEPS + 1ull) << (octave - STEP_SHIFT);
}

u64 sz_hist_below(const struct sz_hist *h, u64 ns)
{
	u64 n = 0;
	u32 i;

	if (ns >= h->max)
		return h->count;
	if (ns < 1ull << SZ_HIST_MIN_SHIFT)
		return 0;
	n = h->n[0];
	for (i = 1; i < SZ_HIST_BUCKETS - 1 && end_of(i) - 1 <= ns; i++)
		n += h->n[i];
	return n;
}

void sz_hist_reset(struct sz_hist *h)
{
	memset(h, 0, sizeof(*h));
}

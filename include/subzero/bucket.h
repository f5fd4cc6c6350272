/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Buckets: the generic cell rate algorithm (ITU-T I.371, virtual scheduling), one 64-bit word of
 * state each, moved by compare-and-swap so that any number of CPUs can share one; and the places
 * that buckets of subjects have in sz_buckets. Called by limit.h; the digest of a subject also by
 * whoever looks for its bucket from user space.
 *
 * The word is the theoretical arrival time (tat). cost: what one request takes, in nanoseconds (1 s
 * / rate); burst: how far the tat may run ahead of now (burst requests * cost). Over any span t at
 * most (burst + t) / cost requests are admitted. A tat that has passed is a full bucket.
 */
#ifndef SZ_BUCKET_H
#define SZ_BUCKET_H

#include "subzero/abi.h"
#include "subzero/compat.h"
#include "subzero/digest.h"
#include "subzero/limits.h"
#include "subzero/rule.h"

struct sz_bucket_try {
	u64 *tat;
	u64 now, cost, burst;
	u64 old, new; /* the word before and after, where it was taken from */
	u64 wait;     /* ns until there is one again, where it is empty */
	u32 peek;     /* only look */
	u32 pad;
};

/* Is there one left at this time? No sum here can overflow, whatever the word says. */
SZ_INLINE bool sz_bucket_has(struct sz_bucket_try *b, u64 tat)
{
	u64 ahead = tat > b->now ? tat - b->now : 0;

	if (!SZ_RULE(RATE) || (b->cost <= b->burst && ahead <= b->burst - b->cost))
		return true;
	b->wait = b->cost <= b->burst ? ahead - (b->burst - b->cost) : b->cost;
	return false;
}

/* Takes one; false: there is none, or SZ_BUCKET_TRIES times another CPU was faster. */
SZ_INLINE bool sz_bucket_try(struct sz_bucket_try *b)
{
	u32 i;

	for (i = 0; i < SZ_BUCKET_TRIES; i++) {
		u64 old = *(volatile u64 *)b->tat;
		u64 new = (old > b->now ? old : b->now) + b->cost;

		if (!sz_bucket_has(b, old))
			return false;
		if (b->peek || sz_cas(b->tat, old, new) == old) {
			b->old = old;
			b->new = new;
			return true;
		}
	}
	b->wait = b->cost;
	return false;
}

/* The same at time `now` with interval and burst in ns; interval 0 = no limit. */
SZ_INLINE bool sz_bucket_take(u64 *tat, u64 now, u64 interval, u64 burst)
{
	struct sz_bucket_try b = {.tat = tat, .now = now, .cost = interval, .burst = burst};

	return !interval || sz_bucket_try(&b);
}

/* Gives back what was taken, unless somebody has taken since: then it stays taken. */
SZ_INLINE bool sz_bucket_give_back(u64 *tat, u64 old, u64 new)
{
	return sz_cas(tat, new, old) == new;
}

/* ---- subjects ------------------------------------------------------------------------------- */

#define SZ_BUCKET_WORDS (sizeof(struct sz_bucket_key) / 8)

/* Names a subject in its set: SipHash-1-3 under a key of its own; never 0. */
SZ_INLINE u64 sz_bucket_tag(const u8 key[16], const struct sz_bucket_key *k)
{
	u64 k0 = sz_load64(key) ^ 0x6275636b6574733aull, k1 = SZ_ROTL(sz_load64(key + 8), 17);
	u64 v0 = k0 ^ 0x736f6d6570736575ull, v1 = k1 ^ 0x646f72616e646f6dull;
	u64 v2 = k0 ^ 0x6c7967656e657261ull, v3 = k1 ^ 0x7465646279746573ull, m;
	u32 i;

	for (i = 0; i < SZ_BUCKET_WORDS; i++) {
		m = sz_load64((const u8 *)k + 8 * i);
		v3 ^= m;
		SZ_SIP_ROUND(v0, v1, v2, v3);
		v0 ^= m;
	}
	m = (u64)sizeof(*k) << 56;
	v3 ^= m;
	SZ_SIP_ROUND(v0, v1, v2, v3);
	v0 ^= m;
	v2 ^= 0xff;
	for (i = 0; i < 3; i++)
		SZ_SIP_ROUND(v0, v1, v2, v3);
	m = v0 ^ v1 ^ v2 ^ v3;
	return m ? m : 1;
}

/* The set of a subject in its table of `sets` sets: an index of sz_buckets. */
SZ_INLINE u32 sz_bucket_index(u64 tag, u32 table, u32 sets)
{
	return table * sets + (u32)((tag >> 32) * sets >> 32);
}

/* The way of a tag; SZ_BUCKET_WAYS where the set has none. */
SZ_INLINE u32 sz_bucket_way(const struct sz_bucket_set *set, u64 tag)
{
	u32 i;

	for (i = 0; i < SZ_BUCKET_WAYS; i++)
		if (*(const volatile u64 *)&set->tag[i] == tag)
			break;
	return i;
}

/*
 * A way that may be given to another subject: never used, or its bucket is full, which is what no
 * bucket says, too. Only who holds the set's lock may ask for it.
 */
SZ_INLINE bool sz_bucket_idle(u64 tag, u64 tat, u64 now)
{
	return !tag || tat <= now || !SZ_RULE(BUCKET_KEPT);
}

/* The mask of a source: its first `bits` of 128, IPv4 behind ::ffff:0:0/96. */
SZ_INLINE void sz_bucket_source(struct sz_addr *ret, const struct sz_addr *a, u8 prefix4,
				u8 prefix6)
{
	u64 hi = sz_load64(a->b), lo = sz_load64(a->b + 8);
	u32 v4 = !hi && sz_load32(a->b + 8) == 0xffff0000u;
	u32 bits = v4 ? 96 + prefix4 : prefix6;
	u64 mask = ~0ull;

	/* In network order the first byte is the lowest of the word: masks are built by bytes. */
	if (bits < 64) {
		mask = bits ? ~0ull << (64 - bits) : 0;
		hi &= __builtin_bswap64(mask);
		lo = 0;
	} else if (bits < 128) {
		mask = bits > 64 ? ~0ull << (128 - bits) : 0;
		lo &= __builtin_bswap64(mask);
	}
	sz_memcpy(ret->b, &hi, 8);
	sz_memcpy(ret->b + 8, &lo, 8);
}

/* ---- rates that change ---------------------------------------------------------------------- */

/*
 * A new rate into a limit that is in use. Interval and burst are two words: in the order of these
 * two functions a reader never sees a pair whose burst, in requests, is above the larger of the old
 * and the new one.
 */
SZ_INLINE void sz_limit_store_rate(struct sz_limit *l, u64 interval, u64 burst)
{
	volatile u64 *i = &l->interval_ns, *b = &l->burst_ns;

	if (!*i || (interval && interval < *i)) {
		*b = burst;
		sz_barrier();
		*i = interval;
	} else {
		*i = interval;
		sz_barrier();
		*b = burst;
	}
}

SZ_INLINE void sz_limit_load_rate(const struct sz_limit *l, u64 *ret_interval, u64 *ret_burst)
{
	const volatile u64 *i = &l->interval_ns, *b = &l->burst_ns;
	u64 before = *i, burst = *b, interval = *i;

	if (before != interval)
		burst = *b;
	*ret_interval = interval;
	*ret_burst = burst;
}

#endif

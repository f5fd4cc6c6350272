/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rate limits: the generic cell rate algorithm (ITU-T I.371, virtual scheduling), one 64-bit word
 * of state per bucket, moved by compare-and-swap so that any number of CPUs can share one.
 *
 * interval: nanoseconds per request (1 s / rate); burst: how far ahead of time the theoretical
 * arrival may run (burst requests * interval). Over any span t at most burst + t / interval
 * requests are admitted. A bucket that is contended SZ_BUCKET_TRIES times in a row refuses: the
 * error is on the strict side.
 */
#ifndef SZ_BUCKET_H
#define SZ_BUCKET_H

#include "subzero/compat.h"
#include "subzero/limits.h"
#include "subzero/rule.h"

/* Takes one request from the bucket at time `now`; interval 0 = no limit. */
SZ_INLINE bool sz_bucket_take(u64 *tat, u64 now, u64 interval, u64 burst)
{
	u32 i;

	if (!interval)
		return true;
	for (i = 0; i < SZ_BUCKET_TRIES; i++) {
		u64 old = *(volatile u64 *)tat;
		u64 t = old > now ? old : now;

		if (SZ_RULE(RATE) && t + interval > now + burst)
			return false;
		if (sz_cas(tat, old, t + interval) == old)
			return true;
	}
	return false;
}

#endif

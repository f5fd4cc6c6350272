/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The two clocks: CLOCK_BOOTTIME, in which every time in the maps is kept, and the wall clock, in
 * which tokens speak. Called from everywhere and from any thread; never fails.
 */
#include <time.h>

#include "core/core.h"

#define NSEC_PER_SEC 1000000000ull

static u64 clock_ns(clockid_t id)
{
	struct timespec ts;

	/* Both clocks exist on every kernel this runs on; a failure here is a broken machine. */
	if (clock_gettime(id, &ts))
		abort();
	return (u64)ts.tv_sec * NSEC_PER_SEC + (u64)ts.tv_nsec;
}

u64 sz_boot_ns(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

u64 sz_wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

u64 sz_wall_to_boot_ns(s64 wall_s)
{
	__int128 ns = (__int128)wall_s * (__int128)NSEC_PER_SEC;

	ns += (__int128)sz_boot_ns() - (__int128)sz_wall_ns();
	if (ns < 0)
		return 0;
	if (ns > (__int128)UINT64_MAX)
		return UINT64_MAX;
	return (u64)ns;
}

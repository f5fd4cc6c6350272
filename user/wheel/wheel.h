/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A hierarchical timing wheel (Varghese and Lauck, SOSP 1987, scheme 7): timers in steps of 10 ms
 * over the whole range of 64-bit nanoseconds. Add, move and cancel take constant time, whatever
 * else is in it; a jump of the clock costs no more than a step. Pure: no clock, no thread, no
 * memory of its own; the caller says what time it is and how much may be done at once, so that a
 * million timers that end together never make anybody wait.
 */
#ifndef SZ_WHEEL_WHEEL_H
#define SZ_WHEEL_WHEEL_H

#include "core/core.h"

#define SZ_WHEEL_TICK_NS 10000000ull
#define SZ_WHEEL_LEVELS  7  /* of 64 slots, 6 bits of the tick's number each: 2^64 ns fit */
#define SZ_WHEEL_SLOTS   64

/* Embed it in what ends. All zero is a timer that is not in a wheel. */
struct sz_timer {
	struct sz_timer *next, **prev; /* prev: what points to it; NULL: not in a wheel */
	u64 tick;                      /* the first one at which it is due */
	/* Called once it is due, out of the wheel by then. May free it or set it again, and may
	 * set and cancel any other. */
	void (*fn)(struct sz_timer *t, void *arg);
};

struct sz_wheel {
	u64 tick;                      /* all before it has been dealt with */
	u64 used[SZ_WHEEL_LEVELS];     /* bit s: slot s has timers */
	struct sz_timer *slot[SZ_WHEEL_LEVELS][SZ_WHEEL_SLOTS];
	struct sz_timer *due, *moving; /* from the last slot that was opened: to fire, to go down */
	u64 timers;
	void *arg; /* for every fn */
};

void sz_wheel_init(struct sz_wheel *w, u64 now_ns, void *arg);

/*
 * Sets the timer to the first tick that is not before `at_ns`, so that it is never early and at
 * most a tick late by the wheel's own doing. A timer in the wheel is moved. What is past fires
 * with the next sz_wheel_run(). t->fn is set by the caller.
 */
void sz_wheel_set(struct sz_wheel *w, struct sz_timer *t, u64 at_ns);
/* Takes it out; nothing happens where it is not in. */
void sz_wheel_cancel(struct sz_wheel *w, struct sz_timer *t);
static inline bool sz_timer_is_set(const struct sz_timer *t)
{
	return t->prev;
}

/*
 * Goes on to `now_ns`: fires what is due in the order of its ticks. Does at most `budget` steps, of
 * which each fires one timer or moves it to a finer level; says how many, in *ret_steps where that
 * is not NULL. True: the budget is used up and there is more; call again soon, others may have
 * their turn before. A clock that goes back is waited for.
 */
bool sz_wheel_run(struct sz_wheel *w, u64 now_ns, u32 budget, u32 *ret_steps);

/* No timer is due before this; UINT64_MAX where there is none. It may be too early, never late. */
u64 sz_wheel_next_ns(const struct sz_wheel *w);

#endif

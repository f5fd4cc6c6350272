/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The timing wheel beside the plainest thing that does the same: an array of timers that is walked
 * from end to end. For the unit test, with random steps, and for the fuzz target, with any. A
 * difference aborts with a message.
 */
#ifndef SZ_TESTS_WHEEL_CHECK_H
#define SZ_TESTS_WHEEL_CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wheel/wheel.h"

#define CHECK_TIMERS 64

struct check_timer {
	struct sz_timer t;
	bool set;     /* what the plain side knows */
	u64 at_ns;
	u8 on_fire;   /* what its callback does: see check_fired() */
	u64 fired;
};

struct check {
	struct sz_wheel wheel;
	u64 now_ns;
	struct check_timer timer[CHECK_TIMERS];
	u64 n_fired;
};

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "# %s:%d: the wheel is wrong: %s\n", __FILE__, __LINE__,   \
				#x);                                                               \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static inline u64 check_tick(u64 ns)
{
	return ns / SZ_WHEEL_TICK_NS + (ns % SZ_WHEEL_TICK_NS != 0);
}

static void check_fired(struct sz_timer *t, void *arg);

static inline void check_set(struct check *c, unsigned i, u64 at_ns)
{
	struct check_timer *x = &c->timer[i % CHECK_TIMERS];

	x->t.fn = check_fired;
	sz_wheel_set(&c->wheel, &x->t, at_ns);
	x->set = true;
	x->at_ns = at_ns;
}

static inline void check_cancel(struct check *c, unsigned i)
{
	struct check_timer *x = &c->timer[i % CHECK_TIMERS];

	sz_wheel_cancel(&c->wheel, &x->t);
	x->set = false;
}

static void check_fired(struct sz_timer *t, void *arg)
{
	struct check *c = arg;
	struct check_timer *x = (struct check_timer *)t;
	unsigned i = (unsigned)(x - c->timer);
	u8 what = x->on_fire;

	CHECK(x->set);
	CHECK(!sz_timer_is_set(t));
	CHECK(check_tick(x->at_ns) <= c->now_ns / SZ_WHEEL_TICK_NS); /* never early */
	x->set = false;
	x->fired++;
	c->n_fired++;
	x->on_fire = 0;
	switch (what & 7) {
	case 1: /* again, later */
		check_set(c, i, c->now_ns + (u64)(what >> 3) * 7000000ull + 1);
		break;
	case 2: /* again, at once: in this run */
		check_set(c, i, c->now_ns);
		break;
	case 3:
		check_cancel(c, i + (what >> 3));
		break;
	case 4: /* another one, which may be in the list that fires now */
		check_set(c, i + 1 + (what >> 3), c->now_ns + (u64)what * 1000000000ull);
		break;
	case 5:
		check_set(c, i + 1 + (what >> 3), 0);
		break;
	default:
		break;
	}
}

/* All that must hold between two steps; `all`: the wheel says that it has fired all that is due. */
static inline void check_state(struct check *c, bool all)
{
	u64 now_tick = c->now_ns / SZ_WHEEL_TICK_NS, next = sz_wheel_next_ns(&c->wheel), set = 0;
	u64 earliest = UINT64_MAX;
	unsigned i;

	for (i = 0; i < CHECK_TIMERS; i++) {
		struct check_timer *x = &c->timer[i];

		CHECK(x->set == sz_timer_is_set(&x->t));
		if (!x->set)
			continue;
		set++;
		CHECK(x->t.tick == check_tick(x->at_ns));
		if (check_tick(x->at_ns) < earliest)
			earliest = check_tick(x->at_ns);
	}
	CHECK(set == c->wheel.timers);
	if (!set)
		CHECK(next == UINT64_MAX);
	else /* not late: at the latest when the earliest is due, or now where that is past */
		CHECK(next / SZ_WHEEL_TICK_NS <=
		      (earliest > c->wheel.tick ? earliest : c->wheel.tick));
	if (all)
		CHECK(!set || earliest > now_tick);
}

/* Goes on to `now_ns` in turns of `budget` steps until nothing is left over, or once where that
 * may never be. */
static inline void check_run(struct check *c, u64 now_ns, u32 budget)
{
	u32 steps, turns = 0;
	bool more;

	if (now_ns > c->now_ns)
		c->now_ns = now_ns;
	do {
		more = sz_wheel_run(&c->wheel, now_ns, budget, &steps);
		CHECK(steps <= budget);
		check_state(c, !more && now_ns == c->now_ns);
	} while (more && budget && ++turns < 100000);
	CHECK(!budget || !more);
}

static inline void check_begin(struct check *c, u64 now_ns)
{
	memset(c, 0, sizeof(*c));
	c->now_ns = now_ns;
	sz_wheel_init(&c->wheel, now_ns, c);
}

/* Everything that is set fires, but what lies in the last tick there is, which never ends. */
static inline void check_end(struct check *c)
{
	unsigned i;

	for (i = 0; i < CHECK_TIMERS; i++) {
		c->timer[i].on_fire = 0;
		if (c->timer[i].set &&
		    check_tick(c->timer[i].at_ns) > UINT64_MAX / SZ_WHEEL_TICK_NS)
			check_cancel(c, i);
	}
	check_run(c, UINT64_MAX, 7);
	CHECK(!c->wheel.timers);
	for (i = 0; i < SZ_WHEEL_LEVELS; i++)
		CHECK(!c->wheel.used[i]);
}

/* A step out of eight bytes; any bytes are one. */
static inline void check_step(struct check *c, const u8 b[8])
{
	u64 amount = (u64)(b[2] | b[3] << 8) << (b[4] % 48);
	u64 at = c->now_ns + amount < c->now_ns ? UINT64_MAX : c->now_ns + amount;

	switch (b[0] % 6) {
	case 0:
		check_set(c, b[1], at);
		c->timer[b[1] % CHECK_TIMERS].on_fire = b[5];
		break;
	case 1:
		check_cancel(c, b[1]);
		break;
	case 2:
		check_run(c, at, b[6]);
		break;
	case 3: /* a clock that goes back */
		check_run(c, amount < c->now_ns ? c->now_ns - amount : 0, b[6]);
		break;
	case 4: /* just before and at the next event */
		at = sz_wheel_next_ns(&c->wheel);
		if (at != UINT64_MAX && at > c->now_ns) {
			check_run(c, at - 1, b[6]);
			check_run(c, at, 1u + b[6]);
		}
		break;
	case 5: /* in the past, or at the edge of a slot */
		check_set(c, b[1], b[5] & 1 ? amount : at / SZ_WHEEL_TICK_NS * SZ_WHEEL_TICK_NS);
		break;
	}
	check_state(c, false);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The timing wheel under a clock of the test's own. */
#include "harness.h"

#include "wheel_check.h"

#define MS 1000000ull
#define S  (1000 * MS)

struct mark {
	struct sz_timer t;
	unsigned fired;
	u64 at_ns; /* the clock when it did */
};

static struct sz_wheel wheel;
static u64 now;
static unsigned n_fired;
static struct mark *order[16];

static void fired(struct sz_timer *t, void *arg)
{
	struct mark *m = (struct mark *)t;

	EXPECT_TRUE(arg == &wheel);
	m->fired++;
	m->at_ns = now;
	if (n_fired < 16)
		order[n_fired] = m;
	n_fired++;
}

static void begin(u64 at)
{
	now = at;
	n_fired = 0;
	sz_wheel_init(&wheel, now, &wheel);
}

static void set(struct mark *m, u64 at_ns)
{
	m->t.fn = fired;
	sz_wheel_set(&wheel, &m->t, at_ns);
}

static void run_to(u64 at)
{
	now = at;
	EXPECT_EQ(sz_wheel_run(&wheel, now, 1000000, NULL), false);
}

TEST(timer_is_never_early_and_less_than_a_tick_late)
{
	static const u64 after[] = {1, 10 * MS - 1, 10 * MS, 10 * MS + 1, 635 * MS, 640 * MS,
				    641 * MS, 41 * S, 2622 * S, 40 * 3600 * S, 200 * 86400 * S,
				    30ull * 365 * 86400 * S};

	for (size_t i = 0; i < SZ_ARRAY_LEN(after); i++) {
		u64 start = 123456789123 + i * 7777777, at = start + after[i];
		struct mark m = {};

		begin(start);
		set(&m, at);
		run_to(at - 1);
		EXPECT_EQ(m.fired, 0);
		EXPECT_TRUE(sz_timer_is_set(&m.t));
		run_to(at + SZ_WHEEL_TICK_NS - 1);
		EXPECT_EQ(m.fired, 1);
		EXPECT_TRUE(!sz_timer_is_set(&m.t));
		EXPECT_EQ(wheel.timers, 0);
	}
}

TEST(every_tick_of_three_levels_fires_at_its_time)
{
	static struct mark m[5000];

	memset(m, 0, sizeof(m));
	begin(63 * 10 * MS); /* just before a slot of the second level */
	for (unsigned i = 0; i < SZ_ARRAY_LEN(m); i++)
		set(&m[i], now + (u64)i * SZ_WHEEL_TICK_NS);
	for (unsigned i = 0; i < SZ_ARRAY_LEN(m); i++) {
		run_to((63 + (u64)i) * SZ_WHEEL_TICK_NS);
		if (m[i].fired != 1 || n_fired != i + 1)
			ASSERT_EQ(n_fired, i + 1);
	}
	EXPECT_EQ(n_fired, SZ_ARRAY_LEN(m));
}

TEST(timers_fire_in_the_order_of_their_ticks_in_one_jump)
{
	struct mark m[6] = {};
	static const u64 at[6] = {5000 * S, 20 * MS, 86400 * S, 700 * MS, 50 * S, 30 * MS};
	static const unsigned want[6] = {1, 5, 3, 4, 0, 2};

	begin(0);
	for (unsigned i = 0; i < 6; i++)
		set(&m[i], at[i]);
	run_to(100000 * S);
	ASSERT_EQ(n_fired, 6);
	for (unsigned i = 0; i < 6; i++)
		EXPECT_EQ(order[i] - m, want[i]);
}

TEST(past_fires_with_the_next_run)
{
	struct mark m = {};

	begin(10 * S);
	set(&m, 3 * S);
	EXPECT_EQ(m.fired, 0);
	EXPECT_TRUE(sz_wheel_next_ns(&wheel) <= now);
	run_to(now);
	EXPECT_EQ(m.fired, 1);
}

TEST(end_of_time_is_a_time)
{
	struct mark m = {}, n = {};

	begin(UINT64_MAX - 100 * S);
	set(&m, UINT64_MAX);
	set(&n, UINT64_MAX - 50 * S);
	run_to(UINT64_MAX - 30 * S);
	EXPECT_EQ(n.fired, 1);
	EXPECT_EQ(m.fired, 0);
	EXPECT_EQ(wheel.timers, 1);
	run_to(UINT64_MAX);
	EXPECT_EQ(m.fired, 0); /* its tick is the one that never ends */
	sz_wheel_cancel(&wheel, &m.t);
	EXPECT_EQ(sz_wheel_next_ns(&wheel), UINT64_MAX);
}

TEST(cancelled_timer_does_not_fire)
{
	struct mark m[3] = {};

	begin(0);
	for (unsigned i = 0; i < 3; i++)
		set(&m[i], 50 * S); /* one slot */
	sz_wheel_cancel(&wheel, &m[1].t);
	sz_wheel_cancel(&wheel, &m[1].t);
	EXPECT_EQ(wheel.timers, 2);
	sz_wheel_cancel(&wheel, &m[0].t);
	sz_wheel_cancel(&wheel, &m[2].t);
	EXPECT_EQ(wheel.timers, 0);
	EXPECT_EQ(sz_wheel_next_ns(&wheel), UINT64_MAX);
	run_to(100 * S);
	EXPECT_EQ(n_fired, 0);
	sz_wheel_cancel(&wheel, &m[0].t);
	EXPECT_EQ(wheel.timers, 0);
}

TEST(moved_timer_fires_at_its_new_time_only)
{
	struct mark m = {};

	begin(0);
	set(&m, 50 * S);
	set(&m, 5000 * S);
	set(&m, 70 * S);
	EXPECT_EQ(wheel.timers, 1);
	run_to(69 * S);
	EXPECT_EQ(m.fired, 0);
	run_to(70 * S);
	EXPECT_EQ(m.fired, 1);
	run_to(9000 * S);
	EXPECT_EQ(m.fired, 1);
}

struct chain {
	struct sz_timer t;
	struct chain *cancel, *set;
	unsigned fired;
};

static void chain_fired(struct sz_timer *t, void *arg)
{
	struct chain *c = (struct chain *)t;

	c->fired++;
	if (c->cancel)
		sz_wheel_cancel(arg, &c->cancel->t);
	if (c->set)
		sz_wheel_set(arg, &c->set->t, now + SZ_WHEEL_TICK_NS);
}

TEST(callback_cancels_and_sets_timers_of_the_list_that_fires)
{
	struct chain c[3] = {};

	begin(0);
	for (unsigned i = 0; i < 3; i++) {
		c[i].t.fn = chain_fired;
		sz_wheel_set(&wheel, &c[i].t, 500 * MS);
	}
	/* The last one set fires first. */
	c[2].cancel = &c[1];
	c[2].set = &c[0];
	c[0].set = &c[0];
	run_to(500 * MS);
	EXPECT_EQ(c[2].fired, 1);
	EXPECT_EQ(c[1].fired, 0);
	EXPECT_EQ(c[0].fired, 0);
	run_to(510 * MS);
	EXPECT_EQ(c[0].fired, 1);
	run_to(520 * MS);
	EXPECT_EQ(c[0].fired, 2);
	c[0].set = NULL;
	run_to(10 * S);
	EXPECT_EQ(c[0].fired, 3);
	EXPECT_EQ(wheel.timers, 0);
}

TEST(budget_bounds_the_work_of_one_run)
{
	static struct mark m[10000];
	u32 steps, total = 0, runs = 0;

	memset(m, 0, sizeof(m));
	begin(0);
	for (unsigned i = 0; i < SZ_ARRAY_LEN(m); i++)
		set(&m[i], 3000 * S + i); /* all in one tick, three levels up */
	now = 3001 * S;
	while (sz_wheel_run(&wheel, now, 64, &steps)) {
		ASSERT_TRUE(steps == 64);
		total += steps;
		runs++;
	}
	total += steps;
	EXPECT_EQ(n_fired, SZ_ARRAY_LEN(m));
	EXPECT_TRUE(total <= SZ_ARRAY_LEN(m) * (SZ_WHEEL_LEVELS + 1));
	EXPECT_TRUE(runs >= SZ_ARRAY_LEN(m) / 64);
}

TEST(run_without_a_budget_does_nothing)
{
	struct mark m = {};
	u32 steps = 9;

	begin(0);
	set(&m, S);
	EXPECT_EQ(sz_wheel_run(&wheel, 2 * S, 0, &steps), true);
	EXPECT_EQ(steps, 0);
	EXPECT_EQ(m.fired, 0);
	run_to(2 * S);
	EXPECT_EQ(m.fired, 1);
}

TEST(jump_over_years_costs_no_more_than_a_tick)
{
	struct mark m = {};
	u32 steps;

	begin(0);
	set(&m, 400ull * 365 * 86400 * S);
	now = 399ull * 365 * 86400 * S;
	EXPECT_EQ(sz_wheel_run(&wheel, now, 100, &steps), false);
	EXPECT_TRUE(steps < SZ_WHEEL_LEVELS);
	run_to(400ull * 365 * 86400 * S + SZ_WHEEL_TICK_NS);
	EXPECT_EQ(m.fired, 1);
}

TEST(clock_that_goes_back_is_waited_for)
{
	struct mark m = {}, n = {};

	begin(100 * S);
	set(&m, 200 * S);
	run_to(150 * S);
	run_to(10 * S);
	set(&n, 20 * S);
	EXPECT_EQ(n_fired, 0);
	run_to(30 * S);
	EXPECT_EQ(n.fired, 1);
	EXPECT_EQ(m.fired, 0);
	run_to(199 * S);
	EXPECT_EQ(m.fired, 0);
	run_to(200 * S);
	EXPECT_EQ(m.fired, 1);
}

TEST(next_event_is_never_late)
{
	struct mark m = {};

	begin(5 * S);
	EXPECT_EQ(sz_wheel_next_ns(&wheel), UINT64_MAX);
	set(&m, 5000 * S);
	while (!m.fired) {
		u64 next = sz_wheel_next_ns(&wheel);

		ASSERT_TRUE(next > now && next <= 5000 * S);
		run_to(next);
	}
	EXPECT_EQ(m.at_ns, 5000 * S);
}

TEST(random_steps_agree_with_a_plain_array)
{
	static struct check c;
	u64 seed = 0x5eed0f7e57, fires = 0;

	for (int round = 0; round < 3000; round++) {
		check_begin(&c, round % 3 ? seed >> (seed % 40) : 0);
		for (int i = 0; i < 200; i++) {
			u8 b[8];

			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			memcpy(b, &seed, 8);
			b[0] = (u8)(seed >> 60);
			b[4] = (u8)(b[4] % 40); /* rarely the end of time */
			check_step(&c, b);
		}
		check_end(&c);
		fires += c.n_fired;
	}
	EXPECT_TRUE(fires > 50000);
	printf("# %llu timers fired\n", (unsigned long long)fires);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The limit of questions in flight as arithmetic: samples and instants in, limit out. No clock is
 * read, so every run is the same.
 */
#include "harness.h"

#include "limits/limits.h"

#define MS     1000000ull
#define START  (1000 * MS)
#define WINDOW SZ_ADAPTIVE_WINDOW_NS

static const struct sz_conf_adaptive rule = {.on = true, .target_ms = 10, .min = 16, .max = 4096};

static struct sz_adaptive a;
static u64 now;

static void begin(void)
{
	now = START;
	sz_adaptive_init(&a, &rule, now);
}

/* One window in which `open` questions were in flight and n answers took so long. */
static void window(u64 open, u64 n, u64 latency)
{
	for (u64 i = 0; i < n; i++)
		sz_adaptive_answer(&a, latency);
	EXPECT_TRUE(!sz_adaptive_turn(&a, now + 1, open));
	now += WINDOW;
	EXPECT_TRUE(sz_adaptive_turn(&a, now, open));
}

TEST(begins_at_the_top_and_stays_there_while_answers_are_quick)
{
	begin();
	for (int i = 0; i < 100; i++)
		window(500, 100, MS);
	EXPECT_EQ(a.limit, rule.max);
	EXPECT_EQ(a.decreases, 0);
	EXPECT_EQ(a.latency_ns, MS);
}

TEST(late_answers_halve_what_was_in_flight)
{
	begin();
	window(1000, 50, 30 * MS);
	EXPECT_EQ(a.limit, 500);
	window(400, 50, 30 * MS);
	EXPECT_EQ(a.limit, 200);
	EXPECT_EQ(a.latency_ns, 30 * MS);
	EXPECT_EQ(a.decreases, 2);
}

TEST(more_in_flight_than_the_limit_halves_the_limit)
{
	begin();
	window(2000, 10, 30 * MS);
	window(2000, 10, 30 * MS);
	EXPECT_EQ(a.limit, 500);
}

TEST(never_below_min_and_never_above_max)
{
	begin();
	for (int i = 0; i < 100; i++) {
		window(100000, 10, 1000 * MS);
		EXPECT_TRUE(a.limit >= rule.min && a.limit <= rule.max);
	}
	EXPECT_EQ(a.limit, rule.min);
	for (int i = 0; i < 3000; i++) {
		u32 before = a.limit;

		window(16, 10, MS);
		EXPECT_TRUE(a.limit >= before && a.limit <= rule.max);
	}
	EXPECT_EQ(a.limit, rule.max);
}

TEST(grows_by_a_constant_step)
{
	u32 step;

	begin();
	window(32, 10, 30 * MS);
	ASSERT_EQ(a.limit, 16);
	window(16, 10, MS);
	step = a.limit - 16;
	ASSERT_TRUE(step > 0);
	for (u32 i = 2; i < 50; i++) {
		window(16, 10, MS);
		EXPECT_EQ(a.limit, 16 + i * step);
	}
}

TEST(few_late_answers_among_many_change_nothing)
{
	begin();
	for (int i = 0; i < 10; i++) {
		for (int k = 0; k < 49; k++)
			sz_adaptive_answer(&a, 5000 * MS);
		window(1000, 50, MS);
	}
	EXPECT_EQ(a.limit, rule.max);
}

/* It is not the number of questions that is too high where there are next to none. */
TEST(late_answers_with_little_in_flight_change_nothing)
{
	begin();
	for (int i = 0; i < 10; i++)
		window(rule.min - 1, 10, 5000 * MS);
	EXPECT_EQ(a.limit, rule.max);
	window(rule.min, 10, 5000 * MS);
	EXPECT_EQ(a.limit, rule.min);
}

TEST(no_answer_at_all_is_late_only_where_something_was_open_all_the_time)
{
	begin();
	window(1000, 0, 0);
	EXPECT_EQ(a.limit, 500);
	begin();
	sz_adaptive_turn(&a, now + 1, 0);
	now += WINDOW;
	EXPECT_TRUE(sz_adaptive_turn(&a, now, 1000));
	EXPECT_EQ(a.limit, rule.max);
}

TEST(recovers_while_nothing_is_asked)
{
	begin();
	window(32, 10, 30 * MS);
	ASSERT_EQ(a.limit, 16);
	for (int i = 0; i < 3000; i++)
		window(0, 0, 0);
	EXPECT_EQ(a.limit, rule.max);
	EXPECT_EQ(a.latency_ns, 30 * MS); /* there was no other since */
}

/* A verifier that needs 1 ms for each question, one after the other: 10 in flight are right. */
TEST(converges_to_what_the_verifier_can_do_in_the_target)
{
	u64 sum = 0, n = 0;

	begin();
	a.rule.min = 2;
	for (int i = 0; i < 600; i++) {
		u64 open = a.limit; /* more is asked than it can do */

		window(open, 100, open * MS);
		if (i >= 100) {
			sum += a.limit;
			n++;
		}
	}
	EXPECT_TRUE(sum / n >= 4 && sum / n <= 12);
}

TEST(clock_that_jumps_back_begins_a_window)
{
	begin();
	for (int i = 0; i < 10; i++)
		sz_adaptive_answer(&a, 5000 * MS);
	EXPECT_TRUE(!sz_adaptive_turn(&a, START - 500 * MS, 1000));
	EXPECT_EQ(a.limit, rule.max);
	EXPECT_TRUE(!sz_adaptive_turn(&a, START - 500 * MS + WINDOW - 1, 0));
	EXPECT_TRUE(sz_adaptive_turn(&a, START - 500 * MS + WINDOW, 0));
	EXPECT_EQ(a.limit, rule.max);
}

TEST(clock_that_jumps_forward_ends_one_window_and_no_more)
{
	begin();
	sz_adaptive_turn(&a, now + 1, 0);
	EXPECT_TRUE(sz_adaptive_turn(&a, now + 3600000 * MS, 1000));
	EXPECT_EQ(a.limit, rule.max);
	EXPECT_TRUE(!sz_adaptive_turn(&a, now + 3600000 * MS + 1, 1000));
}

TEST(samples_of_any_size_do_not_overflow)
{
	begin();
	for (int i = 0; i < 1000; i++)
		sz_adaptive_answer(&a, ~0ull);
	window(~0ull, 1, ~0ull);
	EXPECT_EQ(a.limit, rule.max / 2);
	EXPECT_EQ(a.latency_ns, 3600000 * MS);
}

TEST(window_is_twice_the_target_where_that_is_longer)
{
	begin();
	a.rule.target_ms = 500;
	EXPECT_TRUE(!sz_adaptive_turn(&a, now + 999 * MS, 1));
	EXPECT_TRUE(sz_adaptive_turn(&a, now + 1000 * MS, 1));
}

TEST(other_bounds_hold_at_once)
{
	struct sz_conf_adaptive other = rule;

	begin();
	other.max = 100;
	sz_adaptive_configure(&a, &other);
	EXPECT_EQ(a.limit, 100);
	other.min = other.max = 7;
	sz_adaptive_configure(&a, &other);
	EXPECT_EQ(a.limit, 7);
	other.min = 300;
	other.max = 400;
	sz_adaptive_configure(&a, &other);
	EXPECT_EQ(a.limit, 300);
}

TEST(shares_are_ordered_and_never_nothing)
{
	for (u32 limit = 1; limit < 70000; limit += limit < 100 ? 1 : 997) {
		u32 low = sz_adaptive_share(limit, SZ_PRIORITY_LOW);
		u32 normal = sz_adaptive_share(limit, SZ_PRIORITY_NORMAL);

		EXPECT_TRUE(low >= 1 && low <= normal && normal <= limit);
		EXPECT_EQ(sz_adaptive_share(limit, SZ_PRIORITY_HIGH), limit);
	}
	EXPECT_EQ(sz_adaptive_share(100, SZ_PRIORITY_LOW), 50);
	EXPECT_EQ(sz_adaptive_share(100, SZ_PRIORITY_NORMAL), 80);
}

TEST(what_is_open_is_never_less_than_nothing)
{
	struct sz_load l = {.asked = 5, .done = 7};

	EXPECT_EQ(sz_adaptive_open(&l), 0);
	l.asked = 9;
	EXPECT_EQ(sz_adaptive_open(&l), 2);
	l.done = ~0ull; /* one before the first was asked */
	l.asked = 3;
	EXPECT_EQ(sz_adaptive_open(&l), 4);
}

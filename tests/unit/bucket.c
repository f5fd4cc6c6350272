/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The rate limiter: burst, refill, and the bound it promises, also with several threads. */
#include "harness.h"
#include "subzero/bucket.h"

#include <pthread.h>

TEST(no_interval_is_no_limit)
{
	u64 tat = 5;

	for (int i = 0; i < 1000; i++)
		EXPECT_TRUE(sz_bucket_take(&tat, 1, 0, 0));
	EXPECT_EQ(tat, 5);
}

TEST(burst_passes_at_once_and_then_one_for_each_interval)
{
	u64 tat = 0, now = 1000000;
	int i;

	for (i = 0; i < 10; i++)
		EXPECT_TRUE(sz_bucket_take(&tat, now, 100, 1000));
	EXPECT_TRUE(!sz_bucket_take(&tat, now, 100, 1000));
	EXPECT_TRUE(!sz_bucket_take(&tat, now + 99, 100, 1000));
	EXPECT_TRUE(sz_bucket_take(&tat, now + 100, 100, 1000));
	EXPECT_TRUE(!sz_bucket_take(&tat, now + 100, 100, 1000));
}

TEST(burst_comes_back_in_full_and_no_more)
{
	u64 tat = 0, now = 1000000;
	int n = 0;

	while (sz_bucket_take(&tat, now, 100, 1000))
		n++;
	now += 1000000;
	while (sz_bucket_take(&tat, now, 100, 1000))
		n++;
	EXPECT_EQ(n, 20);
}

TEST(burst_below_the_interval_admits_nothing)
{
	u64 tat = 0;

	EXPECT_TRUE(!sz_bucket_take(&tat, 1000000, 100, 99));
}

TEST(refused_requests_cost_nothing)
{
	u64 tat = 0, before;

	EXPECT_TRUE(sz_bucket_take(&tat, 1000, 100, 100));
	before = tat;
	for (int i = 0; i < 100; i++)
		EXPECT_TRUE(!sz_bucket_take(&tat, 1050, 100, 100));
	EXPECT_EQ(tat, before);
}

TEST(no_span_admits_more_than_burst_and_rate)
{
	u64 tat = 0, now = 1000000, at[4000];
	u32 n = 0, seed = 1;

	for (int i = 0; i < 20000 && n < 4000; i++) {
		seed = seed * 1103515245 + 12345;
		now += seed >> 16 & 63;
		if (sz_bucket_take(&tat, now, 100, 700))
			at[n++] = now;
	}
	EXPECT_TRUE(n > 1000);
	for (u32 i = 0; i < n; i += 7)
		for (u32 j = i; j < n; j += 11)
			if (j - i + 1 > 7 + (at[j] - at[i]) / 100 + 1)
				EXPECT_EQ(i, j);
}

static u64 shared;
static u64 taken[4];

static void *taker(void *arg)
{
	u64 *n = arg;

	for (int i = 0; i < 100000; i++)
		*n += sz_bucket_take(&shared, 1000, 1, 50000);
	return NULL;
}

TEST(threads_together_take_no_more_than_the_burst)
{
	pthread_t t[4];
	u64 sum = 0;

	shared = 0;
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(pthread_create(&t[i], NULL, taker, &taken[i]), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], NULL);
		sum += taken[i];
	}
	EXPECT_EQ(sum, 50000);
}

/* Ten minutes at a rate that is no whole number of nanoseconds, asked ten times as often. */
TEST(long_run_admits_the_rate_within_one_percent)
{
	u64 interval = (1000000000ull + 332) / 333, tat = 0, now = 5, n = 0;
	u64 span = 600ull * 1000000000, end = now + span;

	for (; now < end; now += 300007)
		n += sz_bucket_take(&tat, now, interval, 10 * interval);
	EXPECT_TRUE(n <= 333 * 600 + 10);
	EXPECT_TRUE(n >= 333 * 600 * 99 / 100);
}

TEST(clock_at_its_beginning_behind_another_cpus_and_after_a_long_silence)
{
	u64 tat = 0;

	EXPECT_TRUE(sz_bucket_take(&tat, 0, 100, 200));
	EXPECT_TRUE(sz_bucket_take(&tat, 0, 100, 200));
	EXPECT_TRUE(!sz_bucket_take(&tat, 0, 100, 200));
	/* Another CPU's clock is a little behind: never more than before. */
	EXPECT_TRUE(sz_bucket_take(&tat, 100, 100, 200));
	EXPECT_TRUE(!sz_bucket_take(&tat, 60, 100, 200));
	EXPECT_EQ(tat, 300);
	/* Years later it is one burst, not years of them. */
	EXPECT_TRUE(sz_bucket_take(&tat, 1ull << 60, 100, 200));
	EXPECT_TRUE(sz_bucket_take(&tat, 1ull << 60, 100, 200));
	EXPECT_TRUE(!sz_bucket_take(&tat, 1ull << 60, 100, 200));
}

TEST(no_word_overflows_into_an_admission)
{
	static const u64 words[] = {~0ull, ~0ull - 1, 1ull << 63, ~0ull - 100};

	for (u32 i = 0; i < sizeof(words) / sizeof(*words); i++) {
		u64 tat = words[i];

		EXPECT_TRUE(!sz_bucket_take(&tat, 1000, 100, 1ull << 61));
		EXPECT_EQ(tat, words[i]);
	}
}

TEST(what_was_taken_is_given_back_unless_somebody_took_since)
{
	struct sz_bucket_try b = {.now = 1000, .cost = 100, .burst = 300};
	u64 tat = 0;

	b.tat = &tat;
	EXPECT_TRUE(sz_bucket_try(&b));
	EXPECT_TRUE(sz_bucket_give_back(&tat, b.old, b.new));
	EXPECT_EQ(tat, 0);
	EXPECT_TRUE(sz_bucket_try(&b));
	EXPECT_TRUE(sz_bucket_take(&tat, 1000, 100, 300));
	EXPECT_TRUE(!sz_bucket_give_back(&tat, b.old, b.new));
	EXPECT_EQ(tat, 1200);
}

/* Whatever mixture of two rates is read, its burst is not above the larger one. */
TEST(rate_that_is_being_changed_is_never_more_than_both)
{
	static const struct {
		u64 interval, burst;
	} rates[] = {{0, 0}, {10, 100}, {1000, 5000}, {1, 1000000}, {100000, 100000}};
	struct sz_limit l = {};
	u64 interval, burst;

	for (u32 i = 0; i < 25; i++) {
		sz_limit_store_rate(&l, rates[i / 5].interval, rates[i / 5].burst);
		sz_limit_store_rate(&l, rates[i % 5].interval, rates[i % 5].burst);
		sz_limit_load_rate(&l, &interval, &burst);
		EXPECT_EQ(interval, rates[i % 5].interval);
		EXPECT_EQ(burst, rates[i % 5].burst);
	}
}

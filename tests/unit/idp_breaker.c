/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The circuit breaker: when a provider is asked, and when it is left alone. */
#include "harness.h"

#include "idp/breaker.h"

#define S 1000000000ull

static struct sz_breaker b;

static void fail(u64 now, int times)
{
	for (; times; times--)
		sz_breaker_failure(&b, now, 0);
}

TEST(failures_in_a_row_open_it_and_a_success_between_them_does_not)
{
	sz_breaker_init(&b, 3, 10 * S);
	fail(S, 2);
	EXPECT_TRUE(sz_breaker_allow(&b, S));
	sz_breaker_success(&b);
	fail(S, 2);
	EXPECT_EQ(sz_breaker_state(&b, S), SZ_BREAKER_CLOSED);
	EXPECT_TRUE(sz_breaker_failure(&b, S, 0)); /* says that it opened */
	EXPECT_EQ(sz_breaker_state(&b, S), SZ_BREAKER_OPEN);
	EXPECT_TRUE(!sz_breaker_allow(&b, S));
	EXPECT_TRUE(!sz_breaker_allow(&b, 11 * S - 1));
	EXPECT_EQ(b.opened, 1);
}

TEST(half_open_lets_one_question_through)
{
	sz_breaker_init(&b, 1, 10 * S);
	fail(S, 1);
	EXPECT_EQ(sz_breaker_state(&b, 11 * S), SZ_BREAKER_HALF_OPEN);
	EXPECT_TRUE(sz_breaker_allow(&b, 11 * S));
	EXPECT_TRUE(!sz_breaker_allow(&b, 11 * S));
	EXPECT_TRUE(!sz_breaker_allow(&b, 12 * S));
	sz_breaker_success(&b);
	EXPECT_EQ(sz_breaker_state(&b, 12 * S), SZ_BREAKER_CLOSED);
	EXPECT_TRUE(sz_breaker_allow(&b, 12 * S) && sz_breaker_allow(&b, 12 * S));
}

TEST(a_probe_that_fails_opens_it_for_longer_up_to_a_bound)
{
	u64 now = S, pause = 10 * S;
	int i;

	sz_breaker_init(&b, 1, 10 * S);
	fail(now, 1);
	for (i = 0; i < 8; i++) {
		EXPECT_EQ(b.until_ns - now, pause);
		now = b.until_ns;
		EXPECT_TRUE(sz_breaker_allow(&b, now));
		fail(now, 1);
		pause = i < SZ_BREAKER_DOUBLINGS ? pause * 2 : pause;
	}
	EXPECT_EQ(pause, 160 * S);
	sz_breaker_success(&b);
	fail(now, 1);
	EXPECT_EQ(b.until_ns - now, 10 * S); /* and all is forgotten */
}

TEST(failures_of_earlier_questions_do_not_prolong_a_pause)
{
	u64 until;

	sz_breaker_init(&b, 2, 10 * S);
	fail(S, 2);
	until = b.until_ns;
	fail(5 * S, 20);
	EXPECT_EQ(b.until_ns, until);
	EXPECT_TRUE(sz_breaker_allow(&b, until));
}

TEST(a_probe_whose_outcome_is_lost_makes_room_for_another)
{
	sz_breaker_init(&b, 1, S);
	fail(S, 1);
	EXPECT_TRUE(sz_breaker_allow(&b, 2 * S));
	sz_breaker_forget(&b);
	EXPECT_TRUE(sz_breaker_allow(&b, 2 * S));
}

TEST(jitter_spreads_the_end_of_a_pause_over_a_quarter_of_it)
{
	sz_breaker_init(&b, 1, 8 * S);
	sz_breaker_failure(&b, 0, 255);
	EXPECT_TRUE(b.until_ns > 99 * S / 10 && b.until_ns <= 10 * S);
}

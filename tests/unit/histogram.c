/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The traffic client's latency histogram: what it counts where, and how exact it is. */
#include "harness.h"
#include "histogram.h"

TEST(every_value_lies_between_its_step_and_the_one_before)
{
	for (int bit = 0; bit < 64; bit++)
		for (int d = -1; d <= 1; d++) {
			uint64_t v = (1ULL << bit) + (uint64_t)d;
			unsigned int i = histogram_index(v);

			ASSERT_TRUE(i < HISTOGRAM_SIZE);
			EXPECT_TRUE(histogram_top(i) >= v);
			EXPECT_TRUE(!i || histogram_top(i - 1) < v);
		}
	EXPECT_TRUE(histogram_index(UINT64_MAX) < HISTOGRAM_SIZE);
}

TEST(percentiles_are_within_one_percent_and_the_maximum_is_exact)
{
	static struct histogram h;

	for (uint64_t v = 1; v <= 100000; v++)
		histogram_add(&h, v * 1000);
	EXPECT_EQ(h.count, 100000);
	EXPECT_EQ(h.max, 100000000);
	EXPECT_EQ(histogram_percentile(&h, 100), 100000000);
	for (int p = 1; p < 100; p++) {
		double found = (double)histogram_percentile(&h, p), exact = p * 1e6;

		EXPECT_TRUE(found >= exact && found <= exact * 1.01);
	}
}

TEST(few_samples_have_percentiles_too)
{
	static struct histogram none, one;

	EXPECT_EQ(histogram_percentile(&none, 50), 0);
	histogram_add(&one, 77777);
	EXPECT_EQ(histogram_percentile(&one, 50), 77777);
	EXPECT_EQ(histogram_percentile(&one, 99), 77777);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Metrics as text: what is escaped, what the two formats differ in, and that buckets add up. */
#include "harness.h"

#include <math.h>
#include <unistd.h>

#include "telemetry/telemetry.h"

static struct sz_expo x;

static void begin(bool openmetrics)
{
	sz_expo_done(&x);
	x = (struct sz_expo){.openmetrics = openmetrics};
}

TEST(family_has_help_and_type_and_samples_follow)
{
	begin(false);
	sz_expo_family(&x, "a_total", SZ_EXPO_COUNTER, "Counts.");
	sz_expo_u64(&x, 7);
	sz_expo_label(&x, "k", "v");
	sz_expo_label(&x, "l", "w");
	sz_expo_u64(&x, UINT64_MAX);
	sz_expo_end(&x);
	EXPECT_STREQ(x.out.data, "# HELP a_total Counts.\n"
				 "# TYPE a_total counter\n"
				 "a_total 7\n"
				 "a_total{k=\"v\",l=\"w\"} 18446744073709551615\n");
	sz_expo_done(&x);
}

TEST(openmetrics_names_a_counters_family_without_total_and_ends_with_eof)
{
	begin(true);
	sz_expo_family(&x, "a_total", SZ_EXPO_COUNTER, "C");
	sz_expo_u64(&x, 7);
	sz_expo_family(&x, "sub_total", SZ_EXPO_GAUGE, "G");
	sz_expo_end(&x);
	EXPECT_STREQ(x.out.data, "# HELP a C\n# TYPE a counter\na_total 7\n"
				 "# HELP sub_total G\n# TYPE sub_total gauge\n# EOF\n");
	sz_expo_done(&x);
}

TEST(label_values_are_escaped)
{
	begin(false);
	sz_expo_family(&x, "g", SZ_EXPO_GAUGE, "G");
	sz_expo_label(&x, "k", "a\"b\\c\nd}e,f=");
	sz_expo_u64(&x, 1);
	EXPECT_CONTAINS(x.out.data, "\ng{k=\"a\\\"b\\\\c\\nd}e,f=\"} 1\n");
	sz_expo_done(&x);
}

TEST(help_escapes_quotes_in_openmetrics_only)
{
	begin(false);
	sz_expo_family(&x, "g", SZ_EXPO_GAUGE, "a \"b\" \\ c\nd");
	EXPECT_CONTAINS(x.out.data, "# HELP g a \"b\" \\\\ c\\nd\n");
	begin(true);
	sz_expo_family(&x, "g", SZ_EXPO_GAUGE, "a \"b\" \\ c\nd");
	EXPECT_CONTAINS(x.out.data, "# HELP g a \\\"b\\\" \\\\ c\\nd\n");
	sz_expo_done(&x);
}

static void expect_label(const char *value, const char *text)
{
	char want[128];

	begin(false);
	sz_expo_family(&x, "g", SZ_EXPO_GAUGE, "G");
	sz_expo_label(&x, "k", value);
	sz_expo_u64(&x, 1);
	snprintf(want, sizeof(want), "\ng{k=\"%s\"} 1\n", text);
	EXPECT_CONTAINS(x.out.data, want);
	sz_expo_done(&x);
}

TEST(what_is_not_utf8_is_replaced_and_the_rest_stays)
{
	expect_label("\xc3\xa4", "\xc3\xa4");
	expect_label("\xe2\x82\xac \xf0\x9f\x94\x92", "\xe2\x82\xac \xf0\x9f\x94\x92");
	expect_label("\xc3", "?");
	expect_label("\xc0\xaf", "??");
	expect_label("\xe0\x80\x80", "???");
	expect_label("\xed\xa0\x80", "???");
	expect_label("\xf4\x90\x80\x80", "????");
	expect_label("\xff"
		     "a",
		     "?a");
	expect_label("\xe2\x82", "??");
}

TEST(numbers_are_written_as_the_formats_want_them)
{
	begin(false);
	sz_expo_family(&x, "g", SZ_EXPO_GAUGE, "G");
	sz_expo_f64(&x, 0.25);
	sz_expo_f64(&x, NAN);
	sz_expo_f64(&x, INFINITY);
	sz_expo_f64(&x, -INFINITY);
	sz_expo_seconds(&x, 0);
	sz_expo_seconds(&x, 1);
	sz_expo_seconds(&x, 12000000000ull);
	sz_expo_seconds(&x, 1250000000ull);
	EXPECT_CONTAINS(x.out.data, "gauge\ng 0.25\ng NaN\ng +Inf\ng -Inf\ng 0.0\ng 0.000000001\n"
				    "g 12.0\ng 1.25\n");
	sz_expo_done(&x);
}

/* ---- histograms ----------------------------------------------------------------------------- */

/* Reads a histogram's lines back: every `le` and its count. */
static size_t buckets(double *le, unsigned long long *n, size_t max)
{
	const char *p = x.out.data;
	size_t found = 0;

	while ((p = strstr(p, "_bucket{")) && found < max) {
		p = strstr(p, "le=\"") + 4;
		le[found] = strncmp(p, "+Inf", 4) ? strtod(p, NULL) : INFINITY;
		n[found++] = strtoull(strstr(p, "} ") + 2, NULL, 10);
	}
	return found;
}

TEST(buckets_never_fall_and_the_last_one_is_infinite_and_holds_all)
{
	static struct sz_hist h;
	unsigned long long n[64];
	double le[64];
	u64 v = 1, sum = 0, i;
	size_t found, k;
	char want[64];

	sz_hist_reset(&h);
	for (i = 0; i < 5000; i++) {
		v = v * 6364136223846793005ull + 1442695040888963407ull;
		sz_hist_add(&h, v >> (20 + v % 40));
		sum += v >> (20 + v % 40);
	}
	begin(false);
	sz_expo_family(&x, "h", SZ_EXPO_HISTOGRAM, "H");
	sz_expo_label(&x, "k", "v");
	sz_expo_hist(&x, &h);
	found = buckets(le, n, 64);
	ASSERT_EQ(found, 23);
	for (k = 1; k < found; k++) {
		EXPECT_TRUE(le[k] > le[k - 1]);
		EXPECT_TRUE(n[k] >= n[k - 1]);
	}
	EXPECT_TRUE(isinf(le[found - 1]));
	EXPECT_EQ(n[found - 1], 5000);
	EXPECT_CONTAINS(x.out.data, "h_count{k=\"v\"} 5000\n");
	snprintf(want, sizeof(want), "h_sum{k=\"v\"} %llu.",
		 (unsigned long long)(sum / 1000000000));
	EXPECT_CONTAINS(x.out.data, want);
	sz_expo_done(&x);
}

TEST(sample_is_in_every_bucket_above_it_and_in_none_below)
{
	static const u64 values[] = {0,	   511,	    1000,      1001,	    4900000,
				     5000000, 999999999, 1000000001, 20000000000ull};
	static struct sz_hist h;
	unsigned long long n[64];
	double le[64];
	size_t found, i, k;

	for (i = 0; i < SZ_ARRAY_LEN(values); i++) {
		sz_hist_reset(&h);
		sz_hist_add(&h, values[i]);
		sz_hist_add(&h, 30000000000ull); /* so that the maximum decides nothing */
		begin(false);
		sz_expo_family(&x, "h", SZ_EXPO_HISTOGRAM, "H");
		sz_expo_hist(&x, &h);
		found = buckets(le, n, 64);
		for (k = 0; k + 1 < found; k++) {
			double ns = le[k] * 1e9, value = (double)values[i];

			if (ns < value)
				EXPECT_EQ(n[k], 0);
			if (ns >= value * 1.032)
				EXPECT_EQ(n[k], 1);
		}
		EXPECT_EQ(n[found - 1], 2);
	}
	sz_expo_done(&x);
}

TEST(empty_histogram_is_all_zero)
{
	static struct sz_hist h;

	sz_hist_reset(&h);
	begin(true);
	sz_expo_family(&x, "h", SZ_EXPO_HISTOGRAM, "H");
	sz_expo_hist(&x, &h);
	EXPECT_CONTAINS(x.out.data, "h_bucket{le=\"1.0\"} 0\n");
	EXPECT_CONTAINS(x.out.data, "h_bucket{le=\"+Inf\"} 0\nh_sum 0.0\nh_count 0\n");
	sz_expo_done(&x);
}

/* ---- /proc ---------------------------------------------------------------------------------- */

TEST(process_figures_are_this_process)
{
	volatile u64 work = 0;
	struct sz_process a, b;

	ASSERT_EQ(sz_process_read(&a), 0);
	EXPECT_EQ(a.n_threads, 1);
	EXPECT_TRUE(a.open_fds >= 3 && a.open_fds < a.max_fds);
	EXPECT_TRUE(a.resident_bytes > 0 && a.resident_bytes < a.virtual_bytes);
	EXPECT_TRUE(a.started_s <= (double)sz_wall_ns() / 1e9 + 1);
	EXPECT_TRUE(a.started_s > (double)sz_wall_ns() / 1e9 - 3600);
	do {
		for (int i = 0; i < 1000000; i++)
			work += (u64)i;
		ASSERT_EQ(sz_process_read(&b), 0);
	} while (b.cpu_ns == a.cpu_ns);
	EXPECT_TRUE(b.thread[0].cpu_ns > a.thread[0].cpu_ns);
	EXPECT_TRUE(b.thread[0].wait_ns >= a.thread[0].wait_ns);
	EXPECT_TRUE(b.thread[0].major_faults >= a.thread[0].major_faults);
	ASSERT_EQ(sz_process_read_pid(getpid(), &b), 0);
	EXPECT_EQ(b.n_threads, 1);
	EXPECT_EQ(b.max_fds, a.max_fds);
	EXPECT_TRUE(sz_process_read_pid(-1, &b) < 0);
}

TEST(pressure_is_read_from_the_kernels_text)
{
	struct sz_pressure p;

	ASSERT_EQ(sz_pressure_parse("some avg10=12.50 avg60=3.00 avg300=1.11 total=123456\n"
				    "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
				    &p),
		  0);
	EXPECT_TRUE(p.ratio > 0.1249 && p.ratio < 0.1251);
	EXPECT_EQ(p.total_ns, 123456000);
	EXPECT_TRUE(p.full == 0);
	ASSERT_EQ(sz_pressure_parse("some avg10=12.50 avg60=3.00 avg300=1.11 total=123456\n"
				    "full avg10=7.25 avg60=0.00 avg300=0.00 total=0\n",
				    &p),
		  0);
	EXPECT_TRUE(p.full > 0.0724 && p.full < 0.0726);
	/* Kernels before 5.13 tell no "full" for the CPU. */
	ASSERT_EQ(sz_pressure_parse("some avg10=1.00 avg60=3.00 avg300=1.11 total=1\n", &p), 0);
	EXPECT_TRUE(p.full == 0);
	EXPECT_EQ(sz_pressure_read_group("1:cpu:/x\n", "cpu", &p), -ENOENT);
	EXPECT_EQ(sz_pressure_read_group("0::/../../etc\n", "cpu", &p), -ENOENT);
	EXPECT_EQ(sz_pressure_read_group("", "cpu", &p), -ENOENT);
	EXPECT_EQ(sz_pressure_read_group("0::/no/such/group\n", "cpu", &p), -ENOENT);
	EXPECT_EQ(sz_pressure_parse("some avg10=x", &p), -EBADMSG);
	EXPECT_EQ(sz_pressure_parse("", &p), -EBADMSG);
	EXPECT_TRUE(sz_pressure_read("nothing", &p) < 0);
}

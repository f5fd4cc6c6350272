/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Telemetry: the service manager's datagrams and the latency histogram. */
#include "harness.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "telemetry/telemetry.h"

static int receiver(const char *name, struct sockaddr_un *sa)
{
	size_t n = strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(sa->sun_path, name, n);
	n += offsetof(struct sockaddr_un, sun_path) + (name[0] == '/');
	if (name[0] == '@')
		sa->sun_path[0] = 0;
	if (bind(fd, (struct sockaddr *)sa, (socklen_t)n)) {
		close(fd);
		return -1;
	}
	return fd;
}

static void expect_delivery(const char *name)
{
	struct sockaddr_un sa;
	char got[64] = "";
	int fd = receiver(name, &sa);

	ASSERT_TRUE(fd >= 0);
	setenv("NOTIFY_SOCKET", name, 1);
	EXPECT_EQ(sz_notify("READY=1\nSTATUS=up"), 0);
	EXPECT_EQ(recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT), 17);
	EXPECT_STREQ(got, "READY=1\nSTATUS=up");
	unsetenv("NOTIFY_SOCKET");
	close(fd);
}

TEST(notify_reaches_a_path_socket)
{
	char dir[] = "/tmp/sz-telemetry-XXXXXX", path[64];

	ASSERT_TRUE(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/n", dir);
	expect_delivery(path);
	unlink(path);
	rmdir(dir);
}

TEST(notify_reaches_an_abstract_socket)
{
	char name[64];

	snprintf(name, sizeof(name), "@sz-telemetry-%d", (int)getpid());
	expect_delivery(name);
}

TEST(notify_without_a_manager_is_no_error)
{
	unsetenv("NOTIFY_SOCKET");
	EXPECT_EQ(sz_notify("READY=1"), 0);
}

TEST(notify_says_what_is_wrong_with_the_socket)
{
	char longer[200];

	setenv("NOTIFY_SOCKET", "relative", 1);
	EXPECT_EQ(sz_notify("READY=1"), -EAFNOSUPPORT);
	setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
	EXPECT_EQ(sz_notify("READY=1"), -ENOENT);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[0] = '/';
	longer[sizeof(longer) - 1] = 0;
	setenv("NOTIFY_SOCKET", longer, 1);
	EXPECT_EQ(sz_notify("READY=1"), -ENAMETOOLONG);
	unsetenv("NOTIFY_SOCKET");
}

TEST(watchdog_is_read_for_this_process_only)
{
	char pid[16];

	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	EXPECT_EQ(sz_notify_watchdog_ns(), 0);
	setenv("WATCHDOG_USEC", "30000000", 1);
	EXPECT_EQ(sz_notify_watchdog_ns(), 30000000000ll);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	EXPECT_EQ(sz_notify_watchdog_ns(), 30000000000ll);
	setenv("WATCHDOG_PID", "1", 1);
	EXPECT_EQ(sz_notify_watchdog_ns(), 0);
	unsetenv("WATCHDOG_PID");
	setenv("WATCHDOG_USEC", "30s", 1);
	EXPECT_EQ(sz_notify_watchdog_ns(), 0);
	setenv("WATCHDOG_USEC", "18446744073709551615", 1);
	EXPECT_EQ(sz_notify_watchdog_ns(), 0);
	unsetenv("WATCHDOG_USEC");
}

TEST(empty_histogram_answers_zero)
{
	struct sz_hist h = { 0 };

	EXPECT_EQ(sz_hist_percentile(&h, 50), 0);
	EXPECT_EQ(sz_hist_count(&h), 0);
	EXPECT_EQ(sz_hist_max(&h), 0);
}

TEST(every_single_value_is_found_within_two_percent)
{
	for (u64 ns = 1000; ns <= 10000000000ull; ns += ns / 7) {
		struct sz_hist h = { 0 };
		u64 got;

		sz_hist_add(&h, ns);
		sz_hist_add(&h, 16000000000ull); /* so that the maximum does not bound it */
		got = sz_hist_percentile(&h, 25);
		if (!EXPECT_TRUE(got * 100 >= ns * 98 && got * 100 <= ns * 102))
			printf("# %llu ns became %llu\n", ns, got);
	}
}

TEST(percentiles_of_a_uniform_spread_are_close)
{
	struct sz_hist h = { 0 };
	static const int at[] = { 10, 50, 90, 99 };

	for (u64 us = 1; us <= 100000; us++)
		sz_hist_add(&h, us * 1000);
	for (size_t i = 0; i < SZ_ARRAY_LEN(at); i++) {
		double want = at[i] * 1e6, got = (double)sz_hist_percentile(&h, at[i]);

		if (!EXPECT_TRUE(got > want * 0.97 && got < want * 1.03))
			printf("# p%d is %.0f, expected about %.0f\n", at[i], got, want);
	}
	EXPECT_EQ(sz_hist_percentile(&h, 100), 100000000);
	EXPECT_EQ(sz_hist_count(&h), 100000);
	EXPECT_EQ(sz_hist_max(&h), 100000000);
}

TEST(values_outside_the_span_are_kept_at_its_ends)
{
	struct sz_hist h = { 0 };

	sz_hist_add(&h, 0);
	EXPECT_EQ(sz_hist_percentile(&h, 50), 0); /* never above the maximum seen */
	sz_hist_add(&h, UINT64_MAX);
	EXPECT_EQ(sz_hist_percentile(&h, 0), 512);
	EXPECT_EQ(sz_hist_percentile(&h, 99), UINT64_MAX);
	sz_hist_reset(&h);
	EXPECT_EQ(sz_hist_count(&h), 0);
	EXPECT_EQ(sz_hist_percentile(&h, 99), 0);
}

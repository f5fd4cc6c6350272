/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Core: messages, log, clocks, buffers, files, names, addresses. */
#include "harness.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/core.h"

static char dir[] = "/tmp/sz-core-XXXXXX";
static char path[64];

static void make_dir(void)
{
	memcpy(dir, "/tmp/sz-core-XXXXXX", sizeof(dir));
	ASSERT_TRUE(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/f", dir);
}

static void remove_dir(void)
{
	unlink(path);
	EXPECT_EQ(rmdir(dir), 0); /* fails where a temporary file was left behind */
}

TEST(error_keeps_the_message_and_returns_the_number)
{
	struct sz_error e;

	EXPECT_EQ(sz_error_set(&e, -EINVAL, "%s:%d: bad", "f.yaml", 7), -EINVAL);
	EXPECT_STREQ(e.msg, "f.yaml:7: bad");
	EXPECT_EQ(sz_error_set(&e, -ENOENT, "while reading: %s", e.msg), -ENOENT);
	EXPECT_STREQ(e.msg, "while reading: f.yaml:7: bad");
	EXPECT_EQ(sz_error_set(NULL, -EIO, "nobody listens"), -EIO);
}

TEST(error_longer_than_its_buffer_is_cut)
{
	struct sz_error e;
	char big[2000];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	sz_error_set(&e, -EINVAL, "%s", big);
	EXPECT_EQ(strlen(e.msg), sizeof(e.msg) - 1);
}

/* What sz_log writes, with stderr turned into a pipe for one call. */
static const char *logged(enum sz_log_level level, const char *text)
{
	static char got[4096];
	int p[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	ASSERT_EQ(pipe2(p, O_NONBLOCK), 0);
	dup2(p[1], STDERR_FILENO);
	sz_log(level, "%s", text);
	dup2(saved, STDERR_FILENO);
	n = read(p[0], got, sizeof(got) - 1);
	got[n > 0 ? n : 0] = 0;
	close(p[0]);
	close(p[1]);
	close(saved);
	return got;
}

TEST(log_speaks_to_journald_only_where_it_listens)
{
	setenv("JOURNAL_STREAM", "8:1234", 1);
	EXPECT_STREQ(logged(SZ_LOG_WARNING, "hello"), "<4>hello\n");
	unsetenv("JOURNAL_STREAM");
	EXPECT_CONTAINS(logged(SZ_LOG_WARNING, "hello"), ": warning: hello\n");
	EXPECT_CONTAINS(logged(SZ_LOG_INFO, "hello"), ": hello\n");
}

TEST(log_drops_what_lies_above_its_level)
{
	EXPECT_STREQ(logged(SZ_LOG_DEBUG, "quiet"), "");
	sz_log_level_set(SZ_LOG_DEBUG);
	EXPECT_CONTAINS(logged(SZ_LOG_DEBUG, "loud"), "debug: loud\n");
	sz_log_level_set(SZ_LOG_ERR);
	EXPECT_STREQ(logged(SZ_LOG_WARNING, "quiet"), "");
	sz_log_level_set(SZ_LOG_INFO);
}

TEST(log_is_always_one_line)
{
	char big[4000];
	const char *got;

	setenv("JOURNAL_STREAM", "8:1234", 1);
	EXPECT_STREQ(logged(SZ_LOG_INFO, "a\n<3>forged\x1b[2J"), "<6>a <3>forged [2J\n");
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	got = logged(SZ_LOG_INFO, big);
	EXPECT_EQ(strlen(got), 2048);
	EXPECT_TRUE(strchr(got, '\n') == got + 2047);
	unsetenv("JOURNAL_STREAM");
}

TEST(wall_seconds_become_boot_nanoseconds)
{
	s64 now = (s64)(sz_wall_ns() / 1000000000u);
	u64 boot = sz_boot_ns(), in_an_hour = sz_wall_to_boot_ns(now + 3600);

	EXPECT_TRUE(in_an_hour > boot + 3598000000000ull);
	EXPECT_TRUE(in_an_hour < boot + 3602000000000ull);
	EXPECT_EQ(sz_wall_to_boot_ns(0), 0);
	EXPECT_EQ(sz_wall_to_boot_ns(INT64_MIN), 0);
	EXPECT_TRUE(sz_wall_to_boot_ns(INT64_MAX) == UINT64_MAX);
}

TEST(buffer_grows_and_stays_terminated)
{
	struct sz_buf b = { 0 };

	sz_buf_printf(&b, "%s", "");
	sz_buf_add(&b, "ab", 2);
	sz_buf_add(&b, NULL, 0);
	sz_buf_printf(&b, "-%d-%s", 42, "end");
	EXPECT_STREQ(b.data, "ab-42-end");
	EXPECT_EQ(b.len, 9);
	for (int i = 0; i < 1000; i++)
		sz_buf_add(&b, "0123456789", 10);
	EXPECT_EQ(b.len, 10009);
	EXPECT_EQ(b.data[b.len], 0);
	EXPECT_TRUE(b.cap > b.len);
	sz_buf_reset(&b);
	EXPECT_STREQ(b.data, "");
	EXPECT_EQ(b.len, 0);
	sz_buf_done(&b);
	EXPECT_TRUE(!b.data && !b.cap);
	sz_buf_reset(&b);
}

TEST(buffer_of_nothing_can_be_reserved)
{
	struct sz_buf b = { 0 };

	sz_buf_reserve(&b, 0);
	ASSERT_TRUE(b.data != NULL);
	EXPECT_STREQ(b.data, "");
	sz_buf_done(&b);
}

TEST(file_is_replaced_whole_and_read_back)
{
	struct sz_buf b = { 0 };
	struct sz_error e;
	struct stat st;

	make_dir();
	EXPECT_EQ(sz_file_replace(path, "first", 5, 0644, &e), 0);
	EXPECT_EQ(sz_file_replace(path, "second\0x", 8, 0600, &e), 0);
	EXPECT_EQ(sz_file_read(path, 8, &b, &e), 0);
	EXPECT_EQ(b.len, 8);
	EXPECT_MEMEQ(b.data, "second\0x", 9);
	EXPECT_EQ(stat(path, &st), 0);
	EXPECT_EQ(st.st_mode & 07777, 0600);
	sz_buf_done(&b);
	remove_dir();
}

TEST(file_larger_than_allowed_is_refused)
{
	struct sz_buf b = { 0 };
	struct sz_error e;
	char *big = sz_calloc(1, 200000);

	make_dir();
	EXPECT_EQ(sz_file_replace(path, big, 200000, 0600, &e), 0);
	EXPECT_EQ(sz_file_read(path, 199999, &b, &e), -EFBIG);
	EXPECT_CONTAINS(e.msg, path);
	EXPECT_EQ(b.len, 0);
	EXPECT_EQ(sz_file_read(path, 200000, &b, &e), 0);
	EXPECT_EQ(b.len, 200000);
	EXPECT_EQ(sz_file_replace(path, NULL, 0, 0600, &e), 0);
	EXPECT_EQ(sz_file_read(path, 10, &b, &e), 0);
	EXPECT_STREQ(b.data, "");
	sz_buf_done(&b);
	free(big);
	remove_dir();
}

TEST(file_errors_name_the_file)
{
	struct sz_buf b = { 0 };
	struct sz_error e;

	EXPECT_EQ(sz_file_read("/nonexistent/f", 10, &b, &e), -ENOENT);
	EXPECT_CONTAINS(e.msg, "/nonexistent/f");
	EXPECT_EQ(sz_file_read("/tmp", 10, &b, &e), -EISDIR);
	EXPECT_EQ(sz_file_replace("/nonexistent/f", "x", 1, 0600, &e), -ENOENT);
	EXPECT_CONTAINS(e.msg, "/nonexistent/f");
	sz_buf_done(&b);
}

TEST(failed_replace_leaves_nothing_behind)
{
	struct sz_error e;

	make_dir();
	ASSERT_EQ(mkdir(path, 0700), 0);
	EXPECT_EQ(sz_file_replace(path, "x", 1, 0600, &e), -EISDIR);
	rmdir(path);
	remove_dir();
}

TEST(reasons_have_names_and_unknown_ones_too)
{
	EXPECT_STREQ(sz_reason_label(SZ_R_NONE), "none");
	EXPECT_STREQ(sz_reason_label(SZ_R_NO_TOKEN), "no_token");
	EXPECT_STREQ(sz_reason_text(SZ_R_NO_TOKEN), "no access token was sent");
	EXPECT_EQ(sz_reason_http(SZ_R_NO_TOKEN), 401);
	EXPECT_EQ(sz_reason_http(SZ_R_GAP), 0);
	EXPECT_STREQ(sz_reason_label(SZ_R_DESYNC), "desync");
	EXPECT_STREQ(sz_reason_label(12), "unknown");
	EXPECT_STREQ(sz_reason_label(SZ_REASON_MAX), "unknown");
	EXPECT_STREQ(sz_reason_label(UINT32_MAX), "unknown");
	EXPECT_EQ(sz_reason_http(UINT32_MAX), 0);
}

TEST(methods_are_named_and_parsed_exactly)
{
	EXPECT_STREQ(sz_method_name(SZ_M_GET), "GET");
	EXPECT_STREQ(sz_method_name(SZ_M_OPTIONS), "OPTIONS");
	EXPECT_STREQ(sz_method_name(99), "OTHER");
	EXPECT_EQ(sz_method_parse("DELETE", 6), SZ_M_DELETE);
	EXPECT_EQ(sz_method_parse("GETS", 3), SZ_M_GET);
	EXPECT_EQ(sz_method_parse("GETS", 4), SZ_M_OTHER);
	EXPECT_EQ(sz_method_parse("get", 3), SZ_M_OTHER);
	EXPECT_EQ(sz_method_parse("OTHER", 5), SZ_M_OTHER);
	EXPECT_EQ(sz_method_parse("", 0), SZ_M_OTHER);
}

static void expect_format(const char *in, const char *out)
{
	char s[SZ_ADDR_STRLEN];
	struct sz_addr a;

	if (EXPECT_EQ(sz_addr_parse(in, &a), 0))
		EXPECT_STREQ(sz_addr_format(&a, s), out);
}

TEST(addresses_are_mapped_and_print_in_their_own_form)
{
	static const u8 v4[16] = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1 };
	struct sz_addr a;

	ASSERT_EQ(sz_addr_parse("10.0.0.1", &a), 0);
	EXPECT_MEMEQ(a.b, v4, 16);
	expect_format("10.0.0.1", "10.0.0.1");
	expect_format("::ffff:10.0.0.1", "10.0.0.1");
	expect_format("2001:DB8:0::1", "2001:db8::1");
	expect_format("::", "::");
}

TEST(malformed_addresses_are_refused)
{
	static const char *const bad[] = { "",	     "10.0.0",	  "10.0.0.256",	   "10.0.0.1 ",
					   "01.2.3", "fe80::1%1", "[2001:db8::1]", "localhost" };
	struct sz_addr a = { .b = { 7 } };

	for (size_t i = 0; i < SZ_ARRAY_LEN(bad); i++)
		if (!EXPECT_EQ(sz_addr_parse(bad[i], &a), -EINVAL))
			printf("# %s\n", bad[i]);
	EXPECT_EQ(a.b[0], 7);
}

static void expect_prefix(const char *in, const char *out, u32 prefix)
{
	char s[SZ_ADDR_STRLEN];
	struct sz_addr a;
	u32 got;

	if (EXPECT_EQ(sz_prefix_parse(in, &a, &got), 0)) {
		EXPECT_EQ(got, prefix);
		EXPECT_STREQ(sz_addr_format(&a, s), out);
	}
}

TEST(prefixes_count_over_the_mapped_form_and_lose_host_bits)
{
	expect_prefix("10.0.0.0/8", "10.0.0.0", 104);
	expect_prefix("10.1.2.3/8", "10.0.0.0", 104);
	expect_prefix("192.168.255.129/25", "192.168.255.128", 121);
	expect_prefix("192.0.2.1", "192.0.2.1", 128);
	expect_prefix("1.2.3.4/0", "0.0.0.0", 96);
	expect_prefix("2001:db8:ffff::1/33", "2001:db8:8000::", 33);
	expect_prefix("2001:db8::1", "2001:db8::1", 128);
	expect_prefix("::/0", "::", 0);
}

TEST(malformed_prefixes_are_refused)
{
	static const char *const bad[] = { "10.0.0.0/33", "10.0.0.0/",	  "10.0.0.0/08",
					   "10.0.0.0/+8", "10.0.0.0/8/8", "::/129",
					   "/8",	  "10.0.0.0/4294967304" };
	struct sz_addr a;
	u32 prefix;

	for (size_t i = 0; i < SZ_ARRAY_LEN(bad); i++)
		if (!EXPECT_EQ(sz_prefix_parse(bad[i], &a, &prefix), -EINVAL))
			printf("# %s\n", bad[i]);
}

static void expect_endpoint(const char *in, const char *out, u16 port)
{
	char s[SZ_ADDR_STRLEN];
	struct sz_addr a;
	u16 got;

	if (EXPECT_EQ(sz_endpoint_parse(in, &a, &got), 0)) {
		EXPECT_EQ(got, htons(port));
		EXPECT_STREQ(sz_addr_format(&a, s), out);
	}
}

TEST(endpoints_are_read_and_any_address_is_all_zero)
{
	expect_endpoint("10.0.0.1:80", "10.0.0.1", 80);
	expect_endpoint("[2001:db8::1]:65535", "2001:db8::1", 65535);
	expect_endpoint("*:8080", "::", 8080);
	expect_endpoint("[::]:80", "::", 80);
	expect_endpoint("0.0.0.0:80", "::", 80);
}

TEST(malformed_endpoints_are_refused)
{
	static const char *const bad[] = { "10.0.0.1",	     "10.0.0.1:0", "10.0.0.1:65536",
					   "2001:db8::1:80", ":80",	   "[10.0.0.1]:80",
					   "[]:80",	     "*:",	   "**:80",
					   "10.0.0.1:080",   "" };
	struct sz_addr a;
	u16 port;

	for (size_t i = 0; i < SZ_ARRAY_LEN(bad); i++)
		if (!EXPECT_EQ(sz_endpoint_parse(bad[i], &a, &port), -EINVAL))
			printf("# %s\n", bad[i]);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Audit records on their way to journald and syslog: the two forms, what is grave enough, a
 * receiver that comes late, goes away or does not read, and what is counted then.
 */
#include "harness.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "forward/forward_priv.h"

static const char line[] = "{\"seq\":7,\"time\":\"2026-11-21T12:00:00.123456789Z\","
			   "\"type\":\"denial\","
			   "\"reason\":\"no_token\",\"path\":\"/\\u000a\",\"hash\":\"00\"}";
static const struct sz_audit_record denial = {.type = SZ_AUDIT_DENIAL, .reason = SZ_R_NO_TOKEN,
					      .has_verdict = true, .verdict = SZ_DENY,
					      .service = "shop"};
static const struct sz_forward_from from = {.host = "gw.test", .pid = 42, .facility = 10};

TEST(syslog_gets_rfc_5424)
{
	struct sz_buf b = {0};

	sz_forward_syslog(&b, &from, &denial, line, strlen(line));
	EXPECT_CONTAINS(b.data, "<85>1 2026-11-21T12:00:00.123456Z gw.test subzerod 42 denial - {");
	EXPECT_EQ(b.data[b.len - 1], '}');
	sz_buf_reset(&b);
	sz_forward_syslog(&b, &from, &denial, "odd", 3);
	EXPECT_STREQ(b.data, "<85>1 - gw.test subzerod 42 denial - odd");
	sz_buf_done(&b);
}

TEST(every_severity_has_its_level)
{
	static const struct {
		struct sz_audit_record r;
		const char *priority;
	} rows[] = {
		{{.type = SZ_AUDIT_SHED}, "PRIORITY=2\n"},
		{{.type = SZ_AUDIT_LOST}, "PRIORITY=3\n"},
		{{.type = SZ_AUDIT_BAN}, "PRIORITY=4\n"},
		{{.type = SZ_AUDIT_START}, "PRIORITY=5\n"},
		{{.type = SZ_AUDIT_SUMMARY}, "PRIORITY=6\n"},
	};
	struct sz_buf b = {0};

	for (size_t i = 0; i < SZ_ARRAY_LEN(rows); i++) {
		sz_buf_reset(&b);
		sz_forward_journald(&b, &from, &rows[i].r, line, strlen(line));
		EXPECT_CONTAINS(b.data, rows[i].priority);
	}
	sz_buf_done(&b);
}

TEST(journald_gets_fields_and_the_line)
{
	struct sz_buf b = {0};
	const char *p, *nl;
	unsigned fields = 0;

	sz_forward_journald(&b, &from, &denial, line, strlen(line));
	EXPECT_CONTAINS(b.data, "SYSLOG_IDENTIFIER=subzerod\n");
	EXPECT_CONTAINS(b.data, "SUBZERO_REASON=no_token\n");
	EXPECT_CONTAINS(b.data, "SUBZERO_SERVICE=shop\n");
	EXPECT_CONTAINS(b.data, "\nMESSAGE={\"seq\":7,");
	for (p = b.data; (nl = strchr(p, '\n')); p = nl + 1, fields++)
		EXPECT_TRUE(memchr(p, '=', (size_t)(nl - p)) != NULL);
	EXPECT_EQ(fields, 9);
	EXPECT_EQ(*p, 0);
	sz_buf_done(&b);
}

TEST(a_record_too_long_for_a_datagram_is_only_named)
{
	char *longer = sz_calloc(1, SZ_FORWARD_LINE + 200);
	struct sz_buf b = {0};

	memset(longer, 'x', SZ_FORWARD_LINE + 100);
	memcpy(longer, line, strlen(line));
	sz_forward_syslog(&b, &from, &denial, longer, SZ_FORWARD_LINE + 100);
	EXPECT_TRUE(b.len < 300);
	EXPECT_CONTAINS(b.data, "a record of 32868 bytes, beginning {\"seq\":7");
	sz_buf_done(&b);
	free(longer);
}

/* ---- receivers ------------------------------------------------------------------------------ */

static char dir[] = "/tmp/sz-forward-XXXXXX", path[64];
static struct sz_loop_ring *loop;
static struct sz_forward *f;
static struct sz_conf conf;

static int receiver(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(sa.sun_path, path);
	unlink(path);
	ASSERT_EQ(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void begin(void)
{
	struct sz_error e = {""};

	alarm(60);
	if (!path[0]) {
		ASSERT_TRUE(mkdtemp(dir) != NULL);
		snprintf(path, sizeof(path), "%s/log", dir);
	}
	unlink(path);
	conf = (struct sz_conf){.audit.syslog = {.on = true, .severity = SZ_AUDIT_LOW,
						 .path = path, .facility = 10},
				.audit.journald.path = NULL};
	ASSERT_EQ(sz_net_new(64, &loop, &e), 0);
	f = sz_forward_new(loop);
	sz_forward_configure(f, &conf);
}

static void end(void)
{
	sz_net_free(loop);
	sz_forward_free(f);
}

static struct sz_forward_stats look(void)
{
	struct sz_forward_stats s;

	sz_forward_look(f, SZ_FORWARD_SYSLOG, &s);
	return s;
}

static unsigned drain(int fd)
{
	char buf[4096];
	unsigned n = 0;

	while (recv(fd, buf, sizeof(buf), 0) > 0)
		n++;
	return n;
}

static struct {
	int fd;
	u64 sent;
	unsigned got;
} want;

static void check(void *arg)
{
	(void)arg;
	if (want.fd >= 0)
		want.got += drain(want.fd);
	if (look().sent >= want.sent && !look().waiting)
		sz_net_stop(loop);
}

/* Runs until so many records were sent; counts what came. */
static unsigned run_until(int fd, u64 sent)
{
	want.fd = fd;
	want.sent = sent;
	want.got = 0;
	sz_net_every(loop, 5000000, check, NULL);
	sz_net_run(loop);
	return want.got + drain(fd);
}

static void send_some(unsigned n)
{
	while (n--)
		sz_forward_record(f, &denial, line, strlen(line));
}

TEST(records_reach_a_receiver_and_only_those_that_are_grave_enough)
{
	struct sz_audit_record info = {.type = SZ_AUDIT_SUMMARY};
	int fd;

	begin();
	fd = receiver();
	send_some(300);
	sz_forward_record(f, &info, line, strlen(line));
	EXPECT_EQ(run_until(fd, 300), 300);
	EXPECT_EQ(look().dropped, 0);
	end();
	close(fd);
}

TEST(a_receiver_that_comes_late_or_again_gets_what_waited)
{
	int fd;

	begin();
	send_some(5);
	EXPECT_TRUE(!look().connected);
	EXPECT_TRUE(look().waiting > 0);
	fd = receiver();
	EXPECT_EQ(run_until(fd, 5), 5);
	close(fd);
	send_some(5);
	fd = receiver();
	/* What lay in the closed socket is not known to be lost; what waited is not. */
	EXPECT_TRUE(run_until(fd, 10) >= 4);
	end();
	close(fd);
}

TEST(without_a_receiver_the_queue_fills_and_the_rest_is_counted)
{
	begin();
	send_some(20000);
	EXPECT_TRUE(look().waiting <= SZ_FORWARD_QUEUE);
	EXPECT_TRUE(look().waiting > SZ_FORWARD_QUEUE - 1000);
	EXPECT_TRUE(look().dropped > 10000);
	EXPECT_EQ(look().sent, 0);
	end();
}

TEST(a_receiver_that_does_not_read_makes_nobody_wait)
{
	u64 began = sz_boot_ns();
	int fd;

	begin();
	fd = receiver();
	send_some(20000);
	EXPECT_TRUE(look().dropped > 10000);
	/* Many orders of magnitude below what one blocked send would take. */
	EXPECT_TRUE(sz_boot_ns() - began < 30000000000ull);
	end();
	close(fd);
}

TEST(a_reload_ends_it_and_begins_it_elsewhere)
{
	struct sz_conf off = {.path = NULL};
	int fd;

	begin();
	send_some(3);
	sz_forward_configure(f, &off);
	EXPECT_TRUE(!look().on && !look().waiting);
	send_some(3);
	EXPECT_EQ(look().waiting, 0);
	sz_forward_configure(f, &conf);
	fd = receiver();
	send_some(2);
	EXPECT_EQ(run_until(fd, 2), 2);
	end();
	close(fd);
	unlink(path);
	rmdir(dir);
}

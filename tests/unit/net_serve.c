/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The TCP server: the loop in this thread, clients in another one, over real loopback sockets. */
#include "harness.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net_priv.h"

#define MANY 40 /* connections that say nothing; more than are kept */

static struct sz_loop_ring *loop;
static struct sz_net_wake *client_done;
static u16 port;
static int questions;
static size_t longest, answer_size;
static char got[4096], scratch[65536];
static size_t got_n, idle_closed;
static void (*client)(void);

static void on_question(const char *head, size_t n, struct sz_buf *ret, void *arg)
{
	EXPECT_TRUE(arg == &questions);
	questions++;
	longest = n > longest ? n : longest;
	if (n)
		EXPECT_MEMEQ(head + n - 4, "\r\n\r\n", 4);
	sz_buf_printf(ret, "<%zu>", n);
	while (ret->len < answer_size)
		sz_buf_add(ret, "0123456789", 10);
}

static void stop(void *arg)
{
	(void)arg;
	sz_net_stop(loop);
}

static void *run_client(void *arg)
{
	(void)arg;
	client();
	sz_net_wake(client_done);
	return NULL;
}

/* A port that is free now; the kernel hands it out again late. */
static u16 free_port(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};
	socklen_t n = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&sa, n) || getsockname(fd, (struct sockaddr *)&sa, &n))
		exit(1);
	close(fd);
	return sa.sin_port;
}

static void serve(void (*fn)(void), size_t size)
{
	struct sz_error e = {""};
	struct sz_addr addr;
	pthread_t thread;
	int tries;

	alarm(60);
	questions = 0;
	longest = got_n = idle_closed = 0;
	answer_size = size;
	client = fn;
	memset(got, 0, sizeof(got));
	if (sz_addr_parse("127.0.0.1", &addr) || sz_net_new(32, &loop, &e))
		exit(1);
	client_done = sz_net_wake_new(loop, stop, NULL);
	for (tries = 0; tries < 20; tries++) {
		port = free_port();
		if (!sz_net_serve(loop, &addr, port, on_question, &questions, &e))
			break;
	}
	if (!EXPECT_TRUE(tries < 20))
		printf("# %s\n", e.msg);
	pthread_create(&thread, NULL, run_client, NULL);
	EXPECT_EQ(sz_net_run(loop), 0);
	pthread_join(thread, NULL);
	sz_net_free(loop);
}

static int dial(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = port};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return connect(fd, (struct sockaddr *)&sa, sizeof(sa)) ? -1 : fd;
}

static void say(int fd, const char *s)
{
	send(fd, s, strlen(s), MSG_NOSIGNAL);
}

/* Reads to the end of the stream; keeps the beginning. False: it ended with an error. */
static bool hear(int fd, size_t *ret_all)
{
	ssize_t n;

	*ret_all = 0;
	while ((n = recv(fd, scratch, sizeof(scratch), 0)) > 0) {
		size_t keep = sizeof(got) - 1 - got_n;

		keep = keep < (size_t)n ? keep : (size_t)n;
		memcpy(got + got_n, scratch, keep);
		got_n += keep;
		*ret_all += (size_t)n;
	}
	return !n;
}

static bool clean;
static size_t heard;

static void ask_in_pieces(void)
{
	int fd = dial();

	say(fd, "GET / HTTP/1.1\r\nA: b\r");
	usleep(20000);
	say(fd, "\n\r");
	usleep(20000);
	say(fd, "\n");
	clean = hear(fd, &heard);
	close(fd);
}

TEST(question_in_pieces_is_one_and_its_answer_ends_the_connection)
{
	serve(ask_in_pieces, 0);
	EXPECT_EQ(questions, 1);
	EXPECT_STREQ(got, "<24>");
	EXPECT_TRUE(clean);
}

static void ask_with_more_behind(void)
{
	int fd = dial();

	say(fd, "GET / HTTP/1.1\r\n\r\nGET /second HTTP/1.1\r\n\r\n");
	clean = hear(fd, &heard);
	close(fd);
}

TEST(what_follows_a_question_is_not_asked_and_takes_no_answer_away)
{
	serve(ask_with_more_behind, 0);
	EXPECT_EQ(questions, 1);
	EXPECT_STREQ(got, "<18>");
	EXPECT_TRUE(clean);
}

static void ask_endlessly(void)
{
	char block[1024];
	int fd = dial(), i;

	memset(block, 'x', sizeof(block));
	for (i = 0; i < 64; i++)
		if (send(fd, block, sizeof(block), MSG_NOSIGNAL) < 0)
			break;
	shutdown(fd, SHUT_WR);
	clean = hear(fd, &heard);
	close(fd);
}

TEST(question_that_is_too_long_is_told_so_and_not_kept)
{
	serve(ask_endlessly, 0);
	EXPECT_EQ(questions, 1);
	EXPECT_EQ(longest, 0);
	EXPECT_STREQ(got, "<0>");
	EXPECT_TRUE(clean);
}

static void ask_for_much(void)
{
	int fd = dial();

	say(fd, "GET / HTTP/1.1\r\n\r\n");
	usleep(50000); /* the socket's buffers fill first */
	clean = hear(fd, &heard);
	close(fd);
}

TEST(large_answer_arrives_whole)
{
	serve(ask_for_much, 8u << 20);
	EXPECT_EQ(questions, 1);
	EXPECT_TRUE(heard >= 8u << 20);
	EXPECT_TRUE(clean);
}

static void leave_early(void)
{
	int fd = dial();

	say(fd, "GET / HTT");
	close(fd);
	fd = dial();
	say(fd, "GET / HTTP/1.1\r\n\r\n");
	close(fd);
	ask_in_pieces();
}

TEST(client_that_leaves_early_disturbs_nobody)
{
	serve(leave_early, 1u << 20);
	EXPECT_TRUE(questions >= 1);
	EXPECT_CONTAINS(got, "<24>");
}

static void hold_many(void)
{
	struct pollfd idle[MANY];
	size_t i;

	for (i = 0; i < MANY; i++) {
		idle[i] = (struct pollfd){.fd = dial(), .events = POLLIN};
		say(idle[i].fd, "GET");
	}
	ask_in_pieces();
	/* The oldest were closed at once, long before their time was over. */
	poll(idle, MANY, 1000);
	for (i = 0; i < MANY; i++) {
		idle_closed += poll(&idle[i], 1, 0) == 1;
		close(idle[i].fd);
	}
}

TEST(many_idle_connections_do_not_keep_the_next_one_out)
{
	serve(hold_many, 0);
	EXPECT_EQ(questions, 1);
	EXPECT_STREQ(got, "<24>");
	EXPECT_TRUE(idle_closed >= MANY - 16);
}

static void stay_silent(void)
{
	struct pollfd slow = {.fd = dial(), .events = POLLIN};
	int i;

	/* A byte now and then does not prolong it. */
	for (i = 0; i < 400 && !poll(&slow, 1, 100); i++)
		say(slow.fd, "x");
	idle_closed = i < 400;
	close(slow.fd);
}

TEST(slow_client_is_closed)
{
	serve(stay_silent, 0);
	EXPECT_EQ(questions, 0);
	EXPECT_EQ(idle_closed, 1);
}

static void read_nothing(void)
{
	int fd = dial(), other;
	size_t n;

	say(fd, "GET / HTTP/1.1\r\n\r\n");
	other = dial();
	say(other, "GET /other HTTP/1.1\r\n\r\n");
	clean = hear(other, &n);
	close(other);
	close(fd);
}

TEST(client_that_reads_nothing_does_not_hold_up_the_others)
{
	serve(read_nothing, 16u << 20);
	EXPECT_EQ(questions, 2);
	EXPECT_TRUE(clean);
}

TEST(loop_is_freed_with_connections_open)
{
	struct sz_error e;
	struct sz_addr addr;
	int fd;

	ASSERT_EQ(sz_net_new(32, &loop, &e), 0);
	sz_addr_parse("127.0.0.1", &addr);
	port = free_port();
	ASSERT_EQ(sz_net_serve(loop, &addr, port, on_question, &questions, &e), 0);
	fd = dial();
	ASSERT_TRUE(fd >= 0);
	say(fd, "GET");
	sz_net_free(loop);
	close(fd);
}

TEST(an_address_in_use_is_an_error_that_names_it)
{
	struct sz_error e;
	struct sz_addr addr;

	ASSERT_EQ(sz_net_new(32, &loop, &e), 0);
	sz_addr_parse("127.0.0.1", &addr);
	port = free_port();
	ASSERT_EQ(sz_net_serve(loop, &addr, port, on_question, &questions, &e), 0);
	EXPECT_EQ(sz_net_serve(loop, &addr, port, on_question, &questions, &e), -EADDRINUSE);
	EXPECT_CONTAINS(e.msg, "127.0.0.1");
	sz_net_free(loop);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The control socket: the loop in this thread, the peer as another one, over a real socket. */
#include "harness.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/listen_priv.h"

static struct sz_loop_ring *loop;
static struct sz_net_wake *peer_done;
static struct sz_net_client *held;
static char base[32], dir[64], path[96];
static int lines;
static size_t longest;
static long long first_uid;

/* What a peer saw; checked after it has ended. */
static char got[4096];
static size_t got_n;
static int outcome;

/* ---- the daemon's side ---------------------------------------------------------------------- */

static void answer_flood(struct sz_net_client *c)
{
	static char block[65536];

	memset(block, 'f', sizeof(block));
	for (size_t i = 0; i <= NET_QUEUE_MAX / sizeof(block) + 8; i++)
		sz_net_send(c, block, sizeof(block));
}

static void on_line(struct sz_net_client *c, const char *line, size_t n, void *arg)
{
	EXPECT_TRUE(arg == base);
	EXPECT_EQ(strlen(line), n);
	lines++;
	longest = n > longest ? n : longest;
	first_uid = sz_net_client_uid(c);
	if (!strcmp(line, "flood")) {
		answer_flood(c);
	} else if (!strcmp(line, "hold")) {
		held = sz_net_client_hold(c);
	} else if (n < 1000) {
		sz_net_send(c, "<", 1);
		sz_net_send(c, line, n);
		sz_net_send(c, ">\n", 2);
	}
}

static void stop(void *arg)
{
	(void)arg;
	sz_net_stop(loop);
}

static void begin(void)
{
	struct sz_error e = { "" };

	alarm(60);
	lines = 0;
	longest = got_n = 0;
	outcome = 0;
	held = NULL;
	first_uid = -1;
	memset(got, 0, sizeof(got));
	strcpy(base, "/tmp/sz-control-XXXXXX");
	if (!mkdtemp(base) || sz_net_new(32, &loop, &e))
		exit(1);
	snprintf(dir, sizeof(dir), "%s/run", base);
	snprintf(path, sizeof(path), "%s/sock", dir);
	peer_done = sz_net_wake_new(loop, stop, NULL);
	if (!EXPECT_EQ(sz_net_listen(loop, path, on_line, base, &e), 0))
		printf("# %s\n", e.msg);
}

static void end(void)
{
	sz_net_free(loop);
	EXPECT_EQ(access(path, F_OK), -1); /* the socket goes with the loop */
	rmdir(dir);
	EXPECT_EQ(rmdir(base), 0);
}

/* ---- the peer's side ------------------------------------------------------------------------ */

static int dial(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(sa.sun_path, path);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa))) {
		close(fd);
		return -1;
	}
	return fd;
}

static void say(int fd, const char *s)
{
	if (send(fd, s, strlen(s), MSG_NOSIGNAL) != (ssize_t)strlen(s))
		outcome = -1;
}

/* Reads into `got` until it ends with `last`, or the end of the stream. */
static void hear(int fd, const char *last)
{
	size_t n = strlen(last);

	while (got_n < sizeof(got) - 1) {
		ssize_t r = recv(fd, got + got_n, sizeof(got) - 1 - got_n, 0);

		if (r <= 0)
			return;
		got_n += (size_t)r;
		if (n && got_n >= n && !memcmp(got + got_n - n, last, n))
			return;
	}
}

struct peer {
	void (*script)(void);
};

static void *peer_main(void *arg)
{
	struct peer *p = arg;

	p->script();
	sz_net_wake(peer_done);
	return NULL;
}

static void run_peer(void (*script)(void))
{
	struct peer p = { script };
	pthread_t t;

	pthread_create(&t, NULL, peer_main, &p);
	EXPECT_EQ(sz_net_run(loop), 0);
	pthread_join(t, NULL);
}

/* ---- lines ---------------------------------------------------------------------------------- */

static void send_in_pieces(void)
{
	int fd = dial();

	say(fd, "{\"a\"");
	usleep(20000);
	say(fd, ":1}");
	usleep(20000);
	say(fd, "\n");
	hear(fd, ">\n");
	close(fd);
}

TEST(line_sent_in_pieces_is_one_line)
{
	begin();
	run_peer(send_in_pieces);
	EXPECT_EQ(lines, 1);
	EXPECT_STREQ(got, "<{\"a\":1}>\n");
	EXPECT_EQ(first_uid, getuid());
	end();
}

static void send_two_and_a_half(void)
{
	int fd = dial();

	say(fd, "one\ntwo\nthr");
	usleep(20000);
	say(fd, "ee\n\n");
	hear(fd, "<>\n");
	close(fd);
}

TEST(two_lines_in_one_packet_are_two)
{
	begin();
	run_peer(send_two_and_a_half);
	EXPECT_EQ(lines, 4);
	EXPECT_STREQ(got, "<one>\n<two>\n<three>\n<>\n");
	end();
}

static void send_and_half_close(void)
{
	int fd = dial();

	say(fd, "last words\nunfinished");
	shutdown(fd, SHUT_WR);
	hear(fd, "");
	close(fd);
}

TEST(half_closed_peer_gets_its_answer_and_then_the_end)
{
	begin();
	run_peer(send_and_half_close);
	EXPECT_EQ(lines, 1);
	EXPECT_STREQ(got, "<last words>\n");
	EXPECT_TRUE(loop->listeners->nclients == 0);
	end();
}

static void send_long(size_t n)
{
	char *big = malloc(n + 2);
	int fd = dial();

	memset(big, 'x', n);
	strcpy(big + n, "\n");
	for (size_t at = 0; at < n + 1;) {
		ssize_t r = send(fd, big + at, n + 1 - at, MSG_NOSIGNAL);

		if (r <= 0)
			break;
		at += (size_t)r;
	}
	send(fd, "after\n", 6, MSG_NOSIGNAL);
	hear(fd, ">\n");
	close(fd);
	free(big);
}

static void send_longest(void)
{
	send_long(NET_LINE_MAX);
}

static void send_too_long(void)
{
	send_long(NET_LINE_MAX + 1);
}

static void send_endless(void)
{
	char block[4096];
	int fd = dial();

	memset(block, 'x', sizeof(block));
	while (send(fd, block, sizeof(block), MSG_NOSIGNAL) > 0)
		outcome++;
	close(fd);
}

TEST(longest_line_is_taken)
{
	begin();
	run_peer(send_longest);
	EXPECT_EQ(lines, 2);
	EXPECT_EQ(longest, NET_LINE_MAX);
	EXPECT_STREQ(got, "<after>\n");
	end();
}

TEST(longer_line_closes_the_peer)
{
	begin();
	run_peer(send_too_long);
	EXPECT_EQ(lines, 0);
	EXPECT_STREQ(got, "");
	EXPECT_EQ(loop->listeners->nclients, 0);
	end();
}

TEST(line_without_an_end_closes_the_peer)
{
	begin();
	run_peer(send_endless);
	EXPECT_EQ(lines, 0);
	EXPECT_TRUE(outcome >= 16); /* 64 KiB were taken, then the door was shut */
	end();
}

/* ---- answers -------------------------------------------------------------------------------- */

static void read_nothing(void)
{
	int fd = dial();
	char c;

	say(fd, "flood\n");
	usleep(100000);
	/* What had reached the socket is there; then the end, not all of it. */
	while (recv(fd, got, sizeof(got), 0) > 0)
		got_n++;
	outcome = (int)recv(fd, &c, 1, 0);
	close(fd);
}

TEST(slow_peer_is_dropped)
{
	begin();
	run_peer(read_nothing);
	EXPECT_EQ(lines, 1);
	EXPECT_TRUE(outcome <= 0);
	EXPECT_TRUE(got_n * sizeof(got) < NET_QUEUE_MAX);
	EXPECT_EQ(loop->listeners->nclients, 0);
	end();
}

#define MANY 5000

static void ask_much_then_read(void)
{
	int fd = dial(), expected = 0, n, used = 0;
	FILE *f = fdopen(dup(fd), "r");
	char text[64];

	for (int i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), "line %d\n", i);
		say(fd, text);
	}
	shutdown(fd, SHUT_WR);
	while (fscanf(f, "<line %d>%n\n", &n, &used) == 1 && used && n == expected)
		expected++;
	outcome = outcome ? outcome : expected;
	fclose(f);
	close(fd);
}

TEST(answers_arrive_whole_and_in_order)
{
	begin();
	run_peer(ask_much_then_read);
	EXPECT_EQ(lines, MANY);
	EXPECT_EQ(outcome, MANY);
	end();
}

static void vanish(void)
{
	for (int i = 0; i < 200; i++) {
		int fd = dial();

		say(fd, i % 2 ? "flood\n" : "gone\nand half a li");
		close(fd);
	}
	/* The daemon still answers, once it has seen that those are gone. */
	for (int i = 0; i < 100 && !got_n; i++) {
		int fd = dial();

		usleep(10000);
		send(fd, "still there\n", 12, MSG_NOSIGNAL);
		hear(fd, ">\n");
		close(fd);
	}
}

TEST(peers_that_vanish_do_no_harm)
{
	begin();
	run_peer(vanish);
	EXPECT_STREQ(got, "<still there>\n");
	end();
}

static void fill_the_room(void)
{
	int fd[NET_CLIENTS_MAX + 1];

	for (int i = 0; i < NET_CLIENTS_MAX; i++) {
		fd[i] = dial();
		say(fd[i], "here\n");
		got_n = 0;
		hear(fd[i], ">\n");
	}
	got_n = 0;
	memset(got, 0, sizeof(got));
	fd[NET_CLIENTS_MAX] = dial();
	hear(fd[NET_CLIENTS_MAX], ">\n"); /* ends at once: refused */
	outcome = (int)got_n;
	close(fd[0]);
	close(fd[NET_CLIENTS_MAX]);
	usleep(50000);
	fd[0] = dial();
	say(fd[0], "again\n");
	hear(fd[0], ">\n");
	for (int i = 0; i < NET_CLIENTS_MAX; i++)
		close(fd[i]);
}

TEST(one_peer_too_many_is_refused_until_another_leaves)
{
	begin();
	run_peer(fill_the_room);
	EXPECT_EQ(lines, NET_CLIENTS_MAX + 1);
	EXPECT_EQ(outcome, 0);
	EXPECT_STREQ(got, "<again>\n");
	end();
}

/* ---- answers that come later ---------------------------------------------------------------- */

static void answer_held(void *arg)
{
	(void)arg;
	if (!held)
		return;
	sz_net_send(held, "later\n", 6);
	sz_net_client_release(held);
	held = NULL;
}

static void ask_and_half_close(void)
{
	int fd = dial();

	say(fd, "hold\n");
	shutdown(fd, SHUT_WR);
	hear(fd, "");
	close(fd);
}

TEST(held_peer_can_be_answered_later)
{
	begin();
	sz_net_every(loop, 20000000, answer_held, NULL);
	run_peer(ask_and_half_close);
	EXPECT_STREQ(got, "later\n");
	EXPECT_EQ(loop->listeners->nclients, 0);
	end();
}

static void ask_and_vanish(void)
{
	int fd = dial();

	say(fd, "hold\n");
	close(fd);
	usleep(50000);
}

TEST(answer_to_a_peer_that_is_gone_goes_nowhere)
{
	begin();
	run_peer(ask_and_vanish);
	ASSERT_TRUE(held != NULL);
	sz_net_send(held, "later\n", 6);
	end();
	sz_net_send(held, "too late\n", 9); /* even the loop is gone */
	sz_net_client_release(held);
}

/* ---- the socket's file ---------------------------------------------------------------------- */

TEST(socket_and_its_directory_are_private)
{
	struct stat st;

	begin();
	EXPECT_EQ(stat(dir, &st), 0);
	EXPECT_EQ(st.st_mode & 07777, 0700);
	EXPECT_EQ(stat(path, &st), 0);
	EXPECT_EQ(st.st_mode & 07777, 0600);
	end();
}

TEST(live_socket_is_never_taken_over)
{
	struct sz_loop_ring *other;
	struct sz_error e;

	begin();
	ASSERT_EQ(sz_net_new(8, &other, &e), 0);
	EXPECT_EQ(sz_net_listen(other, path, on_line, base, &e), -EADDRINUSE);
	EXPECT_CONTAINS(e.msg, path);
	sz_net_free(other);
	EXPECT_EQ(access(path, F_OK), 0);
	end();
}

TEST(stale_socket_is_replaced_and_another_file_is_not)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char other[160];
	struct sz_error e;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	begin();
	snprintf(other, sizeof(other), "%s/stale", dir);
	strcpy(sa.sun_path, other);
	ASSERT_EQ(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	close(fd);
	EXPECT_EQ(sz_net_listen(loop, other, on_line, base, &e), 0);
	snprintf(other, sizeof(other), "%s/file", dir);
	fd = open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	EXPECT_EQ(sz_net_listen(loop, other, on_line, base, &e), -ENOTSOCK);
	EXPECT_CONTAINS(e.msg, other);
	unlink(other);
	memset(other, 'x', sizeof(other) - 1);
	other[sizeof(other) - 1] = 0;
	EXPECT_EQ(sz_net_listen(loop, other, on_line, base, &e), -ENAMETOOLONG);
	EXPECT_EQ(sz_net_listen(loop, "/nonexistent/a/sock", on_line, base, &e), -ENOENT);
	end();
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The HTTP server: the loop in this thread, clients in another one, over real loopback sockets. */
#include "harness.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "web/web.h"

#define MANY 40 /* connections that say nothing; more than are kept */

static struct sz_loop_ring *loop;
static struct sz_web *web;
static struct sz_web_options options;
static struct sz_web_request *held;
static struct sz_net_wake *client_done;
static u16 port;
static int questions;
static size_t answer_size;
static char got[4096], scratch[65536];
static size_t got_n, idle_closed;
static void (*client)(void);

/* Answers "<METHOD path?query body>" and so many bytes more. */
static void on_request(struct sz_web_request *q, void *arg)
{
	struct sz_buf b = {0};

	EXPECT_TRUE(arg == &questions);
	questions++;
	if (!strcmp(q->path, "/later")) {
		held = q;
		return;
	}
	EXPECT_EQ(strlen(q->body), q->body_len);
	sz_buf_printf(&b, "<%s %s?%s %s>", q->method, q->path, q->query, q->body);
	while (b.len < answer_size)
		sz_buf_add(&b, "0123456789", 10);
	sz_web_answer(q, 200, "text/plain", NULL, b.data, b.len);
	sz_buf_done(&b);
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

static void usual(void)
{
	options = (struct sz_web_options){
		.peers_max = 16,
		.body_max = 100000,
		.keep = true,
		.request = on_request,
		.arg = &questions,
	};
}

static int listen_on(u16 at, struct sz_error *e)
{
	if (sz_addr_parse("127.0.0.1", &options.where.addr))
		exit(1);
	options.where.port = at;
	return sz_web_listen(loop, &options, &web, e);
}

static void serve(void (*fn)(void), size_t size)
{
	struct sz_error e = {""};
	pthread_t thread;
	int tries;

	alarm(60);
	questions = 0;
	got_n = idle_closed = 0;
	held = NULL;
	answer_size = size;
	client = fn;
	memset(got, 0, sizeof(got));
	if (sz_net_new(32, &loop, &e))
		exit(1);
	client_done = sz_net_wake_new(loop, stop, NULL);
	for (tries = 0; tries < 20; tries++) {
		port = free_port();
		if (!listen_on(port, &e))
			break;
		sz_web_free(web);
	}
	if (!EXPECT_TRUE(tries < 20))
		printf("# %s\n", e.msg);
	pthread_create(&thread, NULL, run_client, NULL);
	EXPECT_EQ(sz_net_run(loop), 0);
	pthread_join(thread, NULL);
	sz_net_free(loop);
	sz_web_free(web);
	if (held)
		sz_web_answer(held, 200, NULL, NULL, NULL, 0);
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

/* Bodies of the answers that came, one after the other. */
static const char *bodies(void)
{
	static char all[4096];
	char *p = got, *body;
	size_t n = 0, len;

	while ((body = strstr(p, "\r\n\r\n"))) {
		p = strstr(p, "Content-Length: ");
		len = p && p < body ? strtoul(p + 16, NULL, 10) : 0;
		body += 4;
		if (len > strlen(body) || n + len >= sizeof(all))
			break;
		memcpy(all + n, body, len);
		n += len;
		p = body + len;
	}
	all[n] = 0;
	return all;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n"
#define END       "Connection: close\r\n\r\n"

static const char *script; /* said at once; the answer is heard to its end */

static void ask(void)
{
	int fd = dial();

	say(fd, script);
	clean = hear(fd, &heard);
	close(fd);
}

static void serve_script(const char *s)
{
	script = s;
	serve(ask, 0);
}

static void ask_in_pieces(void)
{
	int fd = dial();

	say(fd, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r");
	usleep(20000);
	say(fd, "\n\r");
	usleep(20000);
	say(fd, "\n");
	clean = hear(fd, &heard);
	close(fd);
}

TEST(a_request_in_pieces_is_one)
{
	usual();
	serve(ask_in_pieces, 0);
	EXPECT_EQ(questions, 1);
	EXPECT_STREQ(bodies(), "<GET /? >");
	EXPECT_CONTAINS(got, "Connection: close\r\n");
	EXPECT_TRUE(clean);
}

TEST(requests_sent_ahead_are_answered_in_order_on_one_connection)
{
	usual();
	serve_script(GET("/a?x=1") "\r\n" GET("/b/../c%20d") "\r\n" GET("/e") END);
	EXPECT_EQ(questions, 3);
	EXPECT_STREQ(bodies(), "<GET /a?x=1 ><GET /c d? ><GET /e? >");
	EXPECT_TRUE(clean);
}

TEST(where_connections_are_not_kept_the_first_answer_is_the_last)
{
	usual();
	options.keep = false;
	serve_script(GET("/a") "\r\n" GET("/b") "\r\n");
	EXPECT_EQ(questions, 1);
	EXPECT_TRUE(clean);
	usual();
	serve_script("GET /a HTTP/1.0\r\n\r\n" GET("/b") "\r\n");
	EXPECT_EQ(questions, 1);
	usual();
	serve_script(GET("/a") "Connection: x, Close ,y\r\n\r\n" GET("/b") "\r\n");
	EXPECT_EQ(questions, 1);
}

TEST(bodies_come_by_length_and_in_chunks)
{
	usual();
	serve_script("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
		     "PUT /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		     "3\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: x\r\n\r\n"
		     "POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n" END);
	EXPECT_EQ(questions, 3);
	EXPECT_STREQ(bodies(), "<POST /a? hello><PUT /b? abc0123456789><POST /c? >");
}

TEST(an_answer_to_head_has_no_body)
{
	usual();
	serve_script("HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n" GET("/b") END);
	EXPECT_EQ(questions, 2);
	EXPECT_CONTAINS(got, "Content-Length: 10\r\n");
	EXPECT_TRUE(!strstr(got, "<GET /a"));
	EXPECT_CONTAINS(got, "<GET /b? >");
}

static void expect_refused(const char *text, const char *status)
{
	usual();
	serve_script(text);
	EXPECT_EQ(questions, 0);
	if (!EXPECT_TRUE(!strncmp(got, "HTTP/1.1 ", 9) && !strncmp(got + 9, status, 3)))
		printf("# to %s: %s\n", text, got);
	EXPECT_TRUE(clean);
}

TEST(what_is_no_request_is_told_so_and_ends_the_connection)
{
	expect_refused("rubbish\r\n\r\n" GET("/b") "\r\n", "400");
	expect_refused("\r\n\r\n\r\n", "400");
	expect_refused("GET / HTTP/1.1\r\n\r\n", "400"); /* no Host */
	expect_refused("GET / HTTP/2.0\r\nHost: a\r\n\r\n", "400");
	expect_refused(GET("/a/../../b") "\r\n", "400");
	expect_refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
		       "Content-Length: 1\r\n\r\nx", "400");
	expect_refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
		       "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400");
	expect_refused("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		       "3;x=y\r\nabc\r\n0\r\n\r\n", "400");
	expect_refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n", "413");
	expect_refused("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		       "186A1\r\nabc", "413");
}

static size_t little(const char *head, size_t n, void *arg)
{
	EXPECT_TRUE(arg == &questions);
	return memmem(head, n, "\r\nKnown: ", 9) ? 1000 : 3;
}

TEST(how_much_of_a_body_is_read_depends_on_who_sends_it)
{
	usual();
	options.body_for = little;
	serve_script("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
		     "POST /b HTTP/1.1\r\nHost: a\r\nKnown: x\r\nContent-Length: 4\r\n\r\nabcd"
		     "POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd");
	EXPECT_EQ(questions, 2);
	EXPECT_CONTAINS(got, "HTTP/1.1 413 ");
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

TEST(head_that_is_too_long_is_told_so_and_not_kept)
{
	usual();
	serve(ask_endlessly, 0);
	EXPECT_EQ(questions, 0);
	EXPECT_CONTAINS(got, "HTTP/1.1 431 ");
	EXPECT_TRUE(clean);
}

static void wait_for_continue(void)
{
	int fd = dial();

	say(fd, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n" END);
	if (recv(fd, got, 25, MSG_WAITALL) != 25)
		exit(1);
	idle_closed = !memcmp(got, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	say(fd, "hi");
	clean = hear(fd, &heard);
	close(fd);
}

TEST(client_that_waits_with_its_body_is_told_to_go_on)
{
	usual();
	serve(wait_for_continue, 0);
	EXPECT_EQ(idle_closed, 1);
	EXPECT_STREQ(bodies(), "<POST /a? hi>");
}

static void answer_held(void *arg)
{
	struct sz_web_request *q = held;

	(void)arg;
	held = NULL;
	if (q)
		sz_web_answer(q, 200, "text/plain", "X-Late: yes\r\n", "late", 4);
}

static void ask_for_later(void)
{
	sz_net_every(loop, 30000000, answer_held, NULL);
	script = GET("/later") "\r\n" GET("/now") END;
	ask();
}

TEST(answer_may_come_later_and_the_next_request_waits_for_it)
{
	usual();
	serve(ask_for_later, 0);
	EXPECT_EQ(questions, 2);
	EXPECT_STREQ(bodies(), "late<GET /now? >");
	EXPECT_CONTAINS(got, "X-Late: yes\r\n");
}

static void ask_for_later_and_leave(void)
{
	struct linger hard = {.l_onoff = 1};
	int fd = dial();

	say(fd, GET("/later") "\r\n");
	while (!__atomic_load_n(&held, __ATOMIC_ACQUIRE))
		usleep(1000);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd);
}

TEST(answer_to_a_client_that_is_gone_goes_nowhere)
{
	usual();
	serve(ask_for_later_and_leave, 0); /* the loop is gone, too, when it is answered */
	EXPECT_EQ(questions, 1);
}

static void ask_for_much(void)
{
	int fd = dial();

	say(fd, GET("/") END);
	usleep(50000); /* the socket's buffers fill first */
	clean = hear(fd, &heard);
	close(fd);
}

TEST(large_answer_arrives_whole)
{
	usual();
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
	say(fd, GET("/") "\r\n");
	close(fd);
	fd = dial();
	say(fd, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
	close(fd);
	script = GET("/last") END;
	ask();
}

TEST(client_that_leaves_early_disturbs_nobody)
{
	usual();
	serve(leave_early, 1000);
	EXPECT_TRUE(questions >= 1);
	EXPECT_CONTAINS(got, "<GET /last? >");
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
	usual();
	serve(hold_many, 0);
	EXPECT_EQ(questions, 1);
	EXPECT_STREQ(bodies(), "<GET /? >");
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
	usual();
	serve(stay_silent, 0);
	EXPECT_EQ(questions, 0);
	EXPECT_EQ(idle_closed, 1);
}

static void read_nothing(void)
{
	int fd = dial(), other;
	size_t n;

	say(fd, GET("/") "\r\n");
	other = dial();
	say(other, GET("/other") END);
	clean = hear(other, &n);
	close(other);
	close(fd);
}

TEST(client_that_reads_nothing_does_not_hold_up_the_others)
{
	usual();
	serve(read_nothing, 16u << 20);
	EXPECT_EQ(questions, 2);
	EXPECT_TRUE(clean);
}

TEST(loop_is_freed_with_connections_open)
{
	struct sz_error e;
	int fd;

	usual();
	ASSERT_EQ(sz_net_new(32, &loop, &e), 0);
	port = free_port();
	ASSERT_EQ(listen_on(port, &e), 0);
	fd = dial();
	ASSERT_TRUE(fd >= 0);
	say(fd, "GET");
	sz_net_free(loop);
	sz_web_free(web);
	close(fd);
}

TEST(an_address_in_use_is_an_error_that_names_it)
{
	struct sz_web *first;
	struct sz_error e;

	usual();
	ASSERT_EQ(sz_net_new(32, &loop, &e), 0);
	port = free_port();
	ASSERT_EQ(listen_on(port, &e), 0);
	first = web;
	EXPECT_EQ(listen_on(port, &e), -EADDRINUSE);
	EXPECT_CONTAINS(e.msg, "127.0.0.1");
	sz_net_free(loop);
	sz_web_free(first);
	sz_web_free(web);
}

TEST(unix_socket_is_private_and_goes_with_the_loop)
{
	struct sz_error e;
	struct stat st;

	usual();
	options.where.path = "/tmp/sz-web-test.sock";
	unlink(options.where.path);
	ASSERT_EQ(sz_net_new(32, &loop, &e), 0);
	ASSERT_EQ(sz_web_listen(loop, &options, &web, &e), 0);
	EXPECT_EQ(lstat(options.where.path, &st), 0);
	EXPECT_EQ(st.st_mode & 0777, 0600);
	sz_net_free(loop);
	sz_web_free(web);
	EXPECT_EQ(access(options.where.path, F_OK), -1);
}

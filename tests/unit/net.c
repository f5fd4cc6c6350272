/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The event loop's sources and durable appends, on real descriptors, signals, threads and files. */
#include "harness.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/net_priv.h"

static struct sz_loop_ring *loop;
static int calls;

/* SIGALRM ends a test program whose loop hangs. */
static void make_loop(unsigned entries)
{
	struct sz_error e = { "" };

	alarm(30);
	calls = 0;
	if (!EXPECT_EQ(sz_net_new(entries, &loop, &e), 0)) {
		printf("# %s\n", e.msg);
		exit(1);
	}
}

static void count(void *arg)
{
	int *left = arg;

	calls++;
	if (--*left == 0)
		sz_net_stop(loop);
}

TEST(timer_ticks_at_its_period)
{
	u64 begin = sz_boot_ns(), took;
	int left = 5;

	make_loop(32);
	ASSERT_EQ(sz_net_every(loop, 10000000, count, &left), 0);
	EXPECT_EQ(sz_net_run(loop), 0);
	took = sz_boot_ns() - begin;
	EXPECT_EQ(calls, 5);
	EXPECT_TRUE(took >= 49000000 && took < 2000000000);
	sz_net_free(loop);
}

TEST(timer_is_rearmed_where_the_kernel_has_no_multishot)
{
	u64 begin = sz_boot_ns(), took;
	int left = 5;

	make_loop(32);
	ASSERT_EQ(sz_net_every(loop, 10000000, count, &left), 0);
	/* A flag no kernel knows: -EINVAL, as an older one answers to the multishot flag. */
	loop->ring.sq.sqes[0].timeout_flags |= 1u << 30;
	EXPECT_EQ(sz_net_run(loop), 0);
	took = sz_boot_ns() - begin;
	EXPECT_EQ(calls, 5);
	EXPECT_TRUE(took >= 49000000 && took < 2000000000);
	sz_net_free(loop);
}

TEST(timer_without_a_period_is_refused)
{
	int left = 1;

	make_loop(32);
	EXPECT_EQ(sz_net_every(loop, 0, count, &left), -EINVAL);
	EXPECT_EQ(sz_net_poll(loop, -1, count, &left), -EBADF);
	sz_net_free(loop);
}

/* ---- readiness ------------------------------------------------------------------------------ */

static int pipe_fd[2];
static size_t pipe_bytes;

static void pipe_ready(void *arg)
{
	char buf[64];
	ssize_t n;

	(void)arg;
	while ((n = read(pipe_fd[0], buf, sizeof(buf))) > 0)
		pipe_bytes += (size_t)n;
	calls++;
	if (pipe_bytes >= 20 * 3)
		sz_net_stop(loop);
}

static void pipe_write(void *arg)
{
	(void)arg;
	EXPECT_EQ(write(pipe_fd[1], "abc", 3), 3);
}

TEST(poll_fires_on_every_readiness)
{
	make_loop(32);
	pipe_bytes = 0;
	ASSERT_EQ(pipe2(pipe_fd, O_NONBLOCK | O_CLOEXEC), 0);
	ASSERT_EQ(sz_net_poll(loop, pipe_fd[0], pipe_ready, NULL), 0);
	ASSERT_EQ(sz_net_every(loop, 1000000, pipe_write, NULL), 0);
	EXPECT_EQ(sz_net_run(loop), 0);
	EXPECT_EQ(pipe_bytes, 60);
	EXPECT_TRUE(calls > 1 && calls <= 20);
	sz_net_free(loop);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

TEST(lost_source_ends_the_loop_with_its_error)
{
	int left = 1, fd = dup(0);

	make_loop(32);
	close(fd);
	ASSERT_EQ(sz_net_poll(loop, fd, count, &left), 0);
	EXPECT_EQ(sz_net_run(loop), -EBADF);
	EXPECT_EQ(calls, 0);
	sz_net_free(loop);
}

/* ---- signals -------------------------------------------------------------------------------- */

static int signals_seen;

static void on_signal(int signo, void *arg)
{
	int *left = arg;

	signals_seen = signals_seen * 100 + signo;
	if (--*left == 0)
		sz_net_stop(loop);
}

TEST(signals_reach_the_loop_however_they_were_sent)
{
	int left = 2;
	sigset_t set;

	make_loop(32);
	signals_seen = 0;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	ASSERT_EQ(sz_net_signals(loop, &set, on_signal, &left), 0);
	kill(getpid(), SIGUSR1);
	pthread_kill(pthread_self(), SIGUSR2);
	EXPECT_EQ(sz_net_run(loop), 0);
	EXPECT_TRUE(signals_seen == SIGUSR1 * 100 + SIGUSR2 ||
		    signals_seen == SIGUSR2 * 100 + SIGUSR1);
	signals_seen = 0;
	left = 1;
	kill(getpid(), SIGUSR1);
	EXPECT_EQ(sz_net_run(loop), 0);
	EXPECT_EQ(signals_seen, SIGUSR1);
	sz_net_free(loop);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* ---- wake-ups ------------------------------------------------------------------------------- */

#define WAKERS 4
#define WAKES 2000

static _Atomic int posted;
static struct sz_net_wake *wake;
static pthread_t loop_thread;

static void *waker(void *arg)
{
	(void)arg;
	for (int i = 0; i < WAKES; i++) {
		atomic_fetch_add(&posted, 1);
		sz_net_wake(wake);
	}
	return NULL;
}

static void on_wake(void *arg)
{
	int *seen = arg;

	EXPECT_TRUE(pthread_equal(pthread_self(), loop_thread));
	*seen = atomic_load(&posted);
	if (*seen == WAKERS * WAKES)
		sz_net_stop(loop);
}

TEST(wake_from_other_threads_is_never_lost)
{
	pthread_t t[WAKERS];
	int seen = 0;

	make_loop(32);
	loop_thread = pthread_self();
	atomic_store(&posted, 0);
	wake = sz_net_wake_new(loop, on_wake, &seen);
	ASSERT_TRUE(wake != NULL);
	for (int i = 0; i < WAKERS; i++)
		pthread_create(&t[i], NULL, waker, NULL);
	EXPECT_EQ(sz_net_run(loop), 0);
	EXPECT_EQ(seen, WAKERS * WAKES);
	for (int i = 0; i < WAKERS; i++)
		pthread_join(t[i], NULL);
	sz_net_free(loop);
}

/* ---- appends -------------------------------------------------------------------------------- */

static char file[] = "/tmp/sz-net-XXXXXX";
static int append_res, append_left;

static int make_file(void)
{
	memcpy(file, "/tmp/sz-net-XXXXXX", sizeof(file));
	return mkostemp(file, O_CLOEXEC);
}

static void on_append(int res, void *arg)
{
	(void)arg;
	calls++;
	if (!append_res)
		append_res = res;
	if (--append_left == 0)
		sz_net_stop(loop);
}

TEST(append_writes_at_its_offset)
{
	char got[32] = "";
	int fd;

	make_loop(32);
	fd = make_file();
	append_res = 0;
	append_left = 3;
	ASSERT_EQ(sz_net_append(loop, fd, "hello ", 6, 0, on_append, NULL), 0);
	ASSERT_EQ(sz_net_append(loop, fd, "world\n", 6, 6, on_append, NULL), 0);
	ASSERT_EQ(sz_net_append(loop, fd, NULL, 0, 12, on_append, NULL), 0);
	EXPECT_EQ(sz_net_run(loop), 0);
	EXPECT_EQ(calls, 3);
	EXPECT_EQ(append_res, 0);
	EXPECT_EQ(pread(fd, got, sizeof(got) - 1, 0), 12);
	EXPECT_STREQ(got, "hello world\n");
	sz_net_free(loop);
	close(fd);
	unlink(file);
}

TEST(more_appends_than_submission_slots_all_end)
{
	char line[8], want[8];
	char text[300][8];
	int fd, bad = 0;

	make_loop(1);
	fd = make_file();
	append_res = 0;
	append_left = 300;
	for (int i = 0; i < 300; i++) {
		snprintf(text[i], sizeof(text[i]), "%06d\n", i);
		sz_net_append(loop, fd, text[i], 7, (u64)i * 7, on_append, NULL);
	}
	EXPECT_EQ(sz_net_run(loop), 0);
	EXPECT_EQ(calls, 300);
	EXPECT_EQ(append_res, 0);
	for (int i = 0; i < 300; i++) {
		snprintf(want, sizeof(want), "%06d\n", i);
		bad += pread(fd, line, 7, i * 7) != 7 || memcmp(line, want, 7) != 0;
	}
	EXPECT_EQ(bad, 0);
	sz_net_free(loop);
	close(fd);
	unlink(file);
}

TEST(short_write_is_continued_and_its_error_told)
{
	struct rlimit saved, small = { 60, RLIM_INFINITY };
	char data[100], got[100];
	struct stat st;
	int fd;

	make_loop(32);
	fd = make_file();
	append_res = 0;
	append_left = 1;
	memset(data, 'd', sizeof(data));
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &saved);
	ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
	sz_net_append(loop, fd, data, sizeof(data), 0, on_append, NULL);
	EXPECT_EQ(sz_net_run(loop), 0);
	setrlimit(RLIMIT_FSIZE, &saved);
	/* 60 bytes fit, so the first write was short and only the second could fail. */
	EXPECT_EQ(append_res, -EFBIG);
	EXPECT_EQ(calls, 1);
	EXPECT_EQ(fstat(fd, &st), 0);
	EXPECT_EQ(st.st_size, 60);
	EXPECT_EQ(pread(fd, got, sizeof(got), 0), 60);
	EXPECT_MEMEQ(got, data, 60);
	sz_net_free(loop);
	close(fd);
	unlink(file);
}

TEST(short_write_is_finished_before_the_sync)
{
	static char data[3 << 20], got[3 << 20];
	struct rlimit saved, small = { 1 << 20, RLIM_INFINITY };
	int fd;

	make_loop(32);
	fd = make_file();
	append_res = 0;
	append_left = 1;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7 + (i >> 12));
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &saved);
	ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
	sz_net_append(loop, fd, data, sizeof(data), 0, on_append, NULL);
	/* The first round runs under the limit, the next one without it. */
	io_uring_submit_and_wait(&loop->ring, 2);
	setrlimit(RLIMIT_FSIZE, &saved);
	EXPECT_EQ(lseek(fd, 0, SEEK_END), 1 << 20);
	EXPECT_EQ(sz_net_run(loop), 0);
	EXPECT_EQ(append_res, 0);
	EXPECT_EQ(calls, 1);
	EXPECT_EQ(pread(fd, got, sizeof(got), 0), (ssize_t)sizeof(got));
	EXPECT_MEMEQ(got, data, sizeof(data));
	sz_net_free(loop);
	close(fd);
	unlink(file);
}

TEST(append_to_a_file_that_cannot_be_written_fails)
{
	int fd, ro;

	make_loop(32);
	fd = make_file();
	ro = open(file, O_RDONLY | O_CLOEXEC);
	append_res = 0;
	append_left = 1;
	sz_net_append(loop, ro, "x", 1, 0, on_append, NULL);
	EXPECT_EQ(sz_net_run(loop), 0);
	EXPECT_EQ(append_res, -EBADF);
	EXPECT_EQ(sz_net_append(loop, -1, "x", 1, 0, on_append, NULL), -EBADF);
	sz_net_free(loop);
	close(ro);
	close(fd);
	unlink(file);
}

TEST(free_finishes_appends_and_ends_everything_else)
{
	char got[8] = "";
	int left = 1 << 30, fd, p[2];
	sigset_t set;

	make_loop(32);
	fd = make_file();
	ASSERT_EQ(pipe2(p, O_CLOEXEC), 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ASSERT_EQ(sz_net_poll(loop, p[0], count, &left), 0);
	ASSERT_EQ(sz_net_every(loop, 3600000000000ull, count, &left), 0);
	ASSERT_EQ(sz_net_signals(loop, &set, on_signal, &left), 0);
	wake = sz_net_wake_new(loop, count, &left);
	sz_net_wake(wake);
	append_res = 0;
	append_left = 1;
	ASSERT_EQ(sz_net_append(loop, fd, "last", 4, 0, on_append, NULL), 0);
	sz_net_free(loop);
	EXPECT_EQ(calls, 1); /* the append; nothing else is called any more */
	EXPECT_EQ(append_res, 0);
	EXPECT_EQ(pread(fd, got, 4, 0), 4);
	EXPECT_STREQ(got, "last");
	sz_net_free(NULL);
	close(p[0]);
	close(p[1]);
	close(fd);
	unlink(file);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

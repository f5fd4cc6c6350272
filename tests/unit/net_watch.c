/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Watches of other people's descriptors, and timers that are set again, on real ones. */
#include "harness.h"

#include <sys/socket.h>
#include <unistd.h>

#include "net/net.h"

static struct sz_loop_ring *loop;
static struct sz_net_watch *watch;
static struct sz_net_timer *timer;
static int pair[2], calls;
static unsigned seen;

/* SIGALRM ends a test program whose loop hangs. */
static void make(void)
{
	struct sz_error e = {""};

	alarm(30);
	calls = 0;
	seen = 0;
	watch = NULL;
	if (sz_net_new(32, &loop, &e) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair)) {
		printf("# %s\n", e.msg);
		exit(1);
	}
}

static void done(void)
{
	sz_net_free(loop);
	close(pair[0]);
	close(pair[1]);
}

static void stop(void *arg)
{
	(void)arg;
	sz_net_stop(loop);
}

/* Runs the loop for a while: what should not happen gets time to happen. */
static void run_for(u64 ns)
{
	timer = sz_net_timer_new(loop, stop, NULL);
	sz_net_timer_set(timer, sz_boot_ns() + ns);
	EXPECT_EQ(sz_net_run(loop), 0);
}

static void note(unsigned events, void *arg)
{
	int *left = arg;

	seen |= events;
	calls++;
	if (left && --*left == 0)
		sz_net_stop(loop);
}

TEST(what_stays_ready_is_told_again)
{
	int left = 5;

	make();
	EXPECT_EQ(write(pair[1], "x", 1), 1);
	watch = sz_net_watch_new(loop, pair[0], SZ_NET_IN, note, &left);
	EXPECT_EQ(sz_net_run(loop), 0);
	EXPECT_EQ(calls, 5);
	EXPECT_EQ(seen, SZ_NET_IN);
	done();
}

static void turn_to_reading(unsigned events, void *arg)
{
	note(events, arg);
	if (calls == 1) {
		EXPECT_EQ(events, SZ_NET_OUT);
		sz_net_watch_want(watch, SZ_NET_IN);
		EXPECT_EQ(write(pair[1], "x", 1), 1);
	} else {
		EXPECT_EQ(events, SZ_NET_IN);
		sz_net_stop(loop);
	}
}

TEST(interest_changes_inside_and_outside_a_report)
{
	make();
	watch = sz_net_watch_new(loop, pair[0], SZ_NET_IN, turn_to_reading, NULL);
	run_for(20000000);
	EXPECT_EQ(calls, 0); /* nothing to read */
	sz_net_watch_want(watch, SZ_NET_OUT);
	EXPECT_EQ(sz_net_run(loop), 0);
	EXPECT_EQ(calls, 2);
	done();
}

TEST(without_interest_nothing_is_told)
{
	make();
	EXPECT_EQ(write(pair[1], "x", 1), 1);
	watch = sz_net_watch_new(loop, pair[0], SZ_NET_IN, note, NULL);
	sz_net_watch_want(watch, 0);
	run_for(20000000);
	EXPECT_EQ(calls, 0);
	sz_net_watch_want(watch, SZ_NET_IN);
	run_for(20000000);
	EXPECT_TRUE(calls > 0);
	done();
}

static void end_it(unsigned events, void *arg)
{
	note(events, arg);
	sz_net_watch_end(watch);
}

TEST(an_ended_watch_is_silent_wherever_it_ended)
{
	make();
	EXPECT_EQ(write(pair[1], "x", 1), 1);
	watch = sz_net_watch_new(loop, pair[0], SZ_NET_IN, end_it, NULL);
	run_for(20000000);
	EXPECT_EQ(calls, 1);
	watch = sz_net_watch_new(loop, pair[0], SZ_NET_IN, note, NULL);
	sz_net_watch_end(watch);
	run_for(20000000);
	EXPECT_EQ(calls, 1);
	/* And one that is still waiting when the loop goes. */
	watch = sz_net_watch_new(loop, pair[0], SZ_NET_OUT, note, NULL);
	done();
}

/* The peer must see the end at once: a poll that lingers would keep the socket open. */
TEST(the_descriptor_is_let_go_when_its_watch_ends)
{
	char c;

	make();
	watch = sz_net_watch_new(loop, pair[0], SZ_NET_IN, note, NULL);
	run_for(5000000);
	sz_net_watch_end(watch);
	close(pair[0]);
	run_for(20000000);
	EXPECT_EQ(recv(pair[1], &c, 1, 0), 0);
	pair[0] = -1;
	done();
}

TEST(a_peer_that_is_gone_is_an_error_and_the_end_of_input)
{
	int left = 1;

	make();
	watch = sz_net_watch_new(loop, pair[0], SZ_NET_IN, note, &left);
	close(pair[1]);
	EXPECT_EQ(sz_net_run(loop), 0);
	EXPECT_EQ(seen, SZ_NET_IN | SZ_NET_ERR);
	pair[1] = -1;
	done();
}

static void again(void *arg)
{
	int *left = arg;

	calls++;
	if (--*left)
		sz_net_timer_set(timer, sz_boot_ns() + 1000000);
	else
		sz_net_stop(loop);
}

TEST(a_timer_fires_once_for_each_time_it_is_set)
{
	u64 began = sz_boot_ns();
	int left = 3;

	make();
	timer = sz_net_timer_new(loop, again, &left);
	sz_net_timer_set(timer, began + 5000000);
	EXPECT_EQ(sz_net_run(loop), 0);
	EXPECT_EQ(calls, 3);
	EXPECT_TRUE(sz_boot_ns() - began >= 7000000);
	left = 1;
	sz_net_timer_set(timer, 1); /* long past: at once */
	EXPECT_EQ(sz_net_run(loop), 0);
	EXPECT_EQ(calls, 4);
	left = 1;
	sz_net_timer_set(timer, sz_boot_ns() + 1000000);
	sz_net_timer_set(timer, 0);
	run_for(20000000);
	EXPECT_EQ(left, 1);
	done();
}

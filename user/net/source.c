/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Event sources that live as long as the loop: descriptors, timers, signals, wake-ups by other
 * threads. Called by the daemon at start. A source never stops in silence: what ends is armed
 * again, and what cannot be ends the loop.
 */
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "net/net_priv.h"

/* Since Linux 6.4; older kernels answer -EINVAL and the timer is armed each time. */
#ifndef IORING_TIMEOUT_MULTISHOT
#define IORING_TIMEOUT_MULTISHOT (1U << 6)
#endif

#define NSEC_PER_SEC 1000000000ull

/* ---- readiness ------------------------------------------------------------------------------ */

struct poll_source {
	struct net_source s;
	int fd; /* the caller's */
	void (*fn)(void *arg);
	void *arg;
};

static void poll_prep(struct net_op *op, struct io_uring_sqe *sqe)
{
	io_uring_prep_poll_multishot(sqe, net_owner(op, struct poll_source, s.op)->fd, POLLIN);
}

static void poll_done(struct sz_loop_ring *l, struct net_op *op, int res)
{
	struct poll_source *p = net_owner(op, struct poll_source, s.op);

	(void)res;
	if (!op->armed)
		net_arm(l, op);
	p->fn(p->arg);
}

static const struct net_kind poll_kind = {
	.opcode = NET_POLL, .prep = poll_prep, .done = poll_done
};

int sz_net_poll(struct sz_loop_ring *l, int fd, void (*fn)(void *arg), void *arg)
{
	struct poll_source *p;

	if (fd < 0)
		return -EBADF;
	p = net_source_new(l, sizeof(*p), &poll_kind, -1);
	p->fd = fd;
	p->fn = fn;
	p->arg = arg;
	net_arm(l, &p->s.op);
	return 0;
}

/* ---- timers --------------------------------------------------------------------------------- */

struct timer_source {
	struct net_source s;
	struct __kernel_timespec ts;
	u64 period_ns;
	u64 due_ns;   /* of a timer that is armed each time */
	bool oneshot; /* the kernel has no multishot timeouts */
	void (*fn)(void *arg);
	void *arg;
};

static void timer_prep(struct net_op *op, struct io_uring_sqe *sqe)
{
	struct timer_source *t = net_owner(op, struct timer_source, s.op);
	u64 ns = t->oneshot ? t->due_ns : t->period_ns;

	t->ts.tv_sec = (s64)(ns / NSEC_PER_SEC);
	t->ts.tv_nsec = (s64)(ns % NSEC_PER_SEC);
	io_uring_prep_timeout(sqe, &t->ts, 0,
			      IORING_TIMEOUT_BOOTTIME |
				      (t->oneshot ? IORING_TIMEOUT_ABS : IORING_TIMEOUT_MULTISHOT));
}

/* The next multiple of the period that is not past, so that a late tick moves none after it. */
static void timer_advance(struct timer_source *t)
{
	u64 now = sz_boot_ns();

	t->due_ns += t->period_ns;
	if (t->due_ns < now)
		t->due_ns += (now - t->due_ns) / t->period_ns * t->period_ns;
}

static void timer_done(struct sz_loop_ring *l, struct net_op *op, int res)
{
	struct timer_source *t = net_owner(op, struct timer_source, s.op);

	if (res == -EINVAL) {
		if (t->oneshot) {
			net_fatal(l, res);
			return;
		}
		t->oneshot = true;
		net_arm(l, op);
		return;
	}
	if (!op->armed) {
		if (t->oneshot)
			timer_advance(t);
		net_arm(l, op);
	}
	t->fn(t->arg);
}

static const struct net_kind timer_kind = {
	.opcode = NET_TIMER, .prep = timer_prep, .done = timer_done
};

int sz_net_every(struct sz_loop_ring *l, u64 period_ns, void (*fn)(void *arg), void *arg)
{
	struct timer_source *t;

	if (!period_ns || period_ns > (u64)INT64_MAX)
		return -EINVAL;
	t = net_source_new(l, sizeof(*t), &timer_kind, -1);
	t->period_ns = period_ns;
	t->due_ns = sz_boot_ns() + period_ns;
	t->fn = fn;
	t->arg = arg;
	net_arm(l, &t->s.op);
	return 0;
}

/* ---- signals -------------------------------------------------------------------------------- */

struct signal_source {
	struct net_source s;
	void (*fn)(int signo, void *arg);
	void *arg;
};

static void signal_prep(struct net_op *op, struct io_uring_sqe *sqe)
{
	io_uring_prep_poll_multishot(sqe, net_owner(op, struct signal_source, s.op)->s.fd, POLLIN);
}

/*
 * A signalfd gives the signals of whoever reads it. Kernels before 6.10 would let a worker thread
 * of the ring do that, which misses signals sent to this thread; so it is read here.
 */
static void signal_done(struct sz_loop_ring *l, struct net_op *op, int res)
{
	struct signal_source *g = net_owner(op, struct signal_source, s.op);
	struct signalfd_siginfo si;

	(void)res;
	if (!op->armed)
		net_arm(l, op);
	while (read(g->s.fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		g->fn((int)si.ssi_signo, g->arg);
}

static const struct net_kind signal_kind = {
	.opcode = NET_POLL, .prep = signal_prep, .done = signal_done
};

int sz_net_signals(struct sz_loop_ring *l, const sigset_t *set, void (*fn)(int signo, void *arg),
		   void *arg)
{
	struct signal_source *g;
	int fd, err = pthread_sigmask(SIG_BLOCK, set, NULL);

	if (err)
		return -err;
	fd = signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	g = net_source_new(l, sizeof(*g), &signal_kind, fd);
	g->fn = fn;
	g->arg = arg;
	net_arm(l, &g->s.op);
	return 0;
}

/* ---- wake-ups ------------------------------------------------------------------------------- */

struct sz_net_wake {
	struct net_source s;
	u64 count;
	void (*fn)(void *arg);
	void *arg;
};

static void wake_prep(struct net_op *op, struct io_uring_sqe *sqe)
{
	struct sz_net_wake *w = net_owner(op, struct sz_net_wake, s.op);

	io_uring_prep_read(sqe, w->s.fd, &w->count, sizeof(w->count), 0);
}

static void wake_done(struct sz_loop_ring *l, struct net_op *op, int res)
{
	struct sz_net_wake *w = net_owner(op, struct sz_net_wake, s.op);

	(void)res;
	net_arm(l, op);
	w->fn(w->arg);
}

static const struct net_kind wake_kind = {
	.opcode = NET_READ, .prep = wake_prep, .done = wake_done
};

struct sz_net_wake *sz_net_wake_new(struct sz_loop_ring *l, void (*fn)(void *arg), void *arg)
{
	struct sz_net_wake *w;
	/* Not EFD_NONBLOCK: the ring would answer -EAGAIN instead of waiting. */
	int fd = eventfd(0, EFD_CLOEXEC);

	if (fd < 0)
		return NULL;
	w = net_source_new(l, sizeof(*w), &wake_kind, fd);
	w->fn = fn;
	w->arg = arg;
	net_arm(l, &w->s.op);
	return w;
}

void sz_net_wake(struct sz_net_wake *w)
{
	/* Fails only for a counter that is full, and then the loop is awake already. */
	eventfd_write(w->s.fd, 1);
}

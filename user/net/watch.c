/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Descriptors of somebody else, with an interest that changes, and timers that are set again and
 * again. Called by what drives a library over the loop. A watch never outlives its owner's call to
 * end it, although its memory does: the kernel may still have its poll.
 */
#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "net/net_priv.h"

/* ---- watches -------------------------------------------------------------------------------- */

/*
 * One poll at a time, armed anew behind each report, so that it is told again what is still true.
 * Another interest ends the poll that is under way; its completion arms the next one.
 */
struct sz_net_watch {
	struct net_op poll, remove;
	struct sz_loop_ring *loop;
	struct sz_net_watch *next, **link;
	int fd;
	unsigned want;  /* SZ_NET_IN, SZ_NET_OUT; 0: nothing */
	unsigned armed; /* what the poll under way is for */
	bool ended;     /* freed as soon as the kernel has neither request */
	bool busy;      /* fn runs: what it asks for is settled behind it */
	void (*fn)(unsigned events, void *arg);
	void *arg;
};

static void poll_prep(struct net_op *op, struct io_uring_sqe *sqe)
{
	struct sz_net_watch *w = net_owner(op, struct sz_net_watch, poll);

	w->armed = w->want;
	io_uring_prep_poll_add(sqe, w->fd,
			       (w->want & SZ_NET_IN ? POLLIN : 0) |
				       (w->want & SZ_NET_OUT ? POLLOUT : 0));
}

static void remove_prep(struct net_op *op, struct io_uring_sqe *sqe)
{
	struct sz_net_watch *w = net_owner(op, struct sz_net_watch, remove);

	io_uring_prep_cancel(sqe, &w->poll, 0);
}

static void watch_unlink(struct sz_net_watch *w)
{
	*w->link = w->next;
	if (w->next)
		w->next->link = w->link;
	free(w);
}

/* Makes what the kernel has agree with what is wanted. Frees an ended watch. */
static void watch_settle(struct sz_net_watch *w)
{
	if (w->busy)
		return;
	if (w->poll.armed) {
		if ((w->ended || w->armed != w->want) && !w->remove.armed)
			net_arm(w->loop, &w->remove);
		return;
	}
	if (w->remove.armed)
		return; /* its completion comes back here */
	if (w->ended)
		watch_unlink(w);
	else if (w->want)
		net_arm(w->loop, &w->poll);
}

static void poll_done(struct sz_loop_ring *l, struct net_op *op, int res)
{
	struct sz_net_watch *w = net_owner(op, struct sz_net_watch, poll);
	unsigned events = 0;

	(void)l;
	if (!w->ended && res != -ECANCELED && res != -EINTR && res != -EAGAIN && res != -ENOMEM) {
		if (res < 0 || res & (POLLERR | POLLHUP | POLLNVAL))
			events |= SZ_NET_ERR;
		if (res > 0 && res & (POLLIN | POLLHUP))
			events |= SZ_NET_IN;
		if (res > 0 && res & POLLOUT)
			events |= SZ_NET_OUT;
		events &= w->want | SZ_NET_ERR; /* the interest may have changed meanwhile */
	}
	if (events) {
		w->busy = true;
		w->fn(events, w->arg);
		w->busy = false;
	}
	watch_settle(w);
}

static void remove_done(struct sz_loop_ring *l, struct net_op *op, int res)
{
	(void)l;
	(void)res; /* the poll's own completion says what became of it */
	watch_settle(net_owner(op, struct sz_net_watch, remove));
}

static const struct net_kind poll_kind = {
	.opcode = NET_WATCH, .prep = poll_prep, .done = poll_done
};
static const struct net_kind remove_kind = {
	.opcode = NET_CANCEL, .prep = remove_prep, .done = remove_done
};

struct sz_net_watch *sz_net_watch_new(struct sz_loop_ring *l, int fd, unsigned want,
				      void (*fn)(unsigned events, void *arg), void *arg)
{
	struct sz_net_watch *w = sz_calloc(1, sizeof(*w));

	w->poll.kind = &poll_kind;
	w->remove.kind = &remove_kind;
	w->loop = l;
	w->fd = fd;
	w->want = want;
	w->fn = fn;
	w->arg = arg;
	w->next = l->watches;
	w->link = &l->watches;
	if (w->next)
		w->next->link = &w->next;
	l->watches = w;
	if (want)
		net_arm(l, &w->poll);
	return w;
}

void sz_net_watch_want(struct sz_net_watch *w, unsigned want)
{
	w->want = want;
	watch_settle(w);
}

void sz_net_watch_end(struct sz_net_watch *w)
{
	w->ended = true;
	watch_settle(w);
}

void net_watches_free(struct sz_loop_ring *l)
{
	struct sz_net_watch *w;

	while ((w = l->watches)) {
		l->watches = w->next;
		watch_unlink(w);
	}
}

/* ---- timers --------------------------------------------------------------------------------- */

struct sz_net_timer {
	struct net_source s;
	void (*fn)(void *arg);
	void *arg;
};

static void expiry_prep(struct net_op *op, struct io_uring_sqe *sqe)
{
	io_uring_prep_poll_multishot(sqe, net_owner(op, struct sz_net_timer, s.op)->s.fd, POLLIN);
}

static void expiry_done(struct sz_loop_ring *l, struct net_op *op, int res)
{
	struct sz_net_timer *t = net_owner(op, struct sz_net_timer, s.op);
	u64 times;

	(void)res;
	if (!op->armed)
		net_arm(l, op);
	/* Nothing to read: it was set anew since. */
	if (read(t->s.fd, &times, sizeof(times)) == (ssize_t)sizeof(times))
		t->fn(t->arg);
}

static const struct net_kind expiry_kind = {
	.opcode = NET_POLL, .prep = expiry_prep, .done = expiry_done
};

struct sz_net_timer *sz_net_timer_new(struct sz_loop_ring *l, void (*fn)(void *arg), void *arg)
{
	int fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	struct sz_net_timer *t;

	if (fd < 0)
		return NULL;
	t = net_source_new(l, sizeof(*t), &expiry_kind, fd);
	t->fn = fn;
	t->arg = arg;
	net_arm(l, &t->s.op);
	return t;
}

void sz_net_timer_set(struct sz_net_timer *t, u64 at_ns)
{
	struct itimerspec at = {.it_value = {.tv_sec = (time_t)(at_ns / 1000000000ull),
					     .tv_nsec = (long)(at_ns % 1000000000ull)}};

	/* Fails for times beyond what a clock can hold, which never come. */
	timerfd_settime(t->s.fd, TFD_TIMER_ABSTIME, &at, NULL);
}

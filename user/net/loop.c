/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ring itself: made, run and taken down. Called by the daemon's main thread, which must be the
 * one that made the ring (SINGLE_ISSUER). Nothing here knows what an operation is for.
 */
#include <string.h>
#include <unistd.h>

#include "net/net_priv.h"

#define ENTRIES_MIN 8u
#define ENTRIES_MAX 4096u

static void cancel_prep(struct net_op *op, struct io_uring_sqe *sqe)
{
	(void)op;
	io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ANY);
}

static void cancel_done(struct sz_loop_ring *l, struct net_op *op, int res)
{
	(void)l;
	(void)op;
	(void)res; /* how many were found; the free loop counts completions instead */
}

static const struct net_kind cancel_kind = {
	.opcode = NET_CANCEL, .last = true, .prep = cancel_prep, .done = cancel_done
};

int sz_net_new(unsigned entries, struct sz_loop_ring **ret, struct sz_error *e)
{
	struct io_uring_params p = { 0 };
	struct sz_loop_ring *l = sz_calloc(1, sizeof(*l));
	int err;

	entries = entries < ENTRIES_MIN ? ENTRIES_MIN : entries;
	entries = entries > ENTRIES_MAX ? ENTRIES_MAX : entries;
	p.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL;
	err = io_uring_queue_init_params(entries, &l->ring, &p);
	if (err == -EINVAL) {
		p = (struct io_uring_params){ 0 };
		err = io_uring_queue_init_params(entries, &l->ring, &p);
	}
	if (err) {
		free(l);
		return sz_error_set(e, err,
				    "cannot create an io_uring: %s; Linux 6.1 or later is needed, "
				    "with sysctl kernel.io_uring_disabled at 0", strerror(-err));
	}
	l->wait_last = &l->wait_first;
	l->cancel.kind = &cancel_kind;
	*ret = l;
	return 0;
}

/* ---- submission ----------------------------------------------------------------------------- */

static void fill(struct sz_loop_ring *l, struct net_op *op, bool linked)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&l->ring);

	if (!sqe)
		abort(); /* submit() has just counted the free slots */
	op->kind->prep(op, sqe);
	if (linked)
		sqe->flags |= IOSQE_IO_LINK;
	io_uring_sqe_set_data(sqe, op);
	l->inflight++;
}

/* False where the submission queue has no room even after it was handed to the kernel. */
static bool submit(struct sz_loop_ring *l, struct net_op *op)
{
	unsigned need = op->link ? 2 : 1;

	/* Linked requests must stand in one submission. */
	if (io_uring_sq_space_left(&l->ring) < need)
		io_uring_submit(&l->ring);
	if (io_uring_sq_space_left(&l->ring) < need)
		return false;
	fill(l, op, op->link != NULL);
	if (op->link)
		fill(l, op->link, false);
	return true;
}

void net_arm(struct sz_loop_ring *l, struct net_op *op)
{
	op->armed = true;
	if (op->link)
		op->link->armed = true;
	if (!l->wait_first && submit(l, op))
		return;
	op->waiting = NULL;
	*l->wait_last = op;
	l->wait_last = &op->waiting;
}

static void submit_waiting(struct sz_loop_ring *l)
{
	while (l->wait_first) {
		struct net_op *op = l->wait_first, *next = op->waiting;

		if (!submit(l, op))
			return;
		l->wait_first = next;
		if (!next)
			l->wait_last = &l->wait_first;
	}
}

/* ---- completion ----------------------------------------------------------------------------- */

void net_fatal(struct sz_loop_ring *l, int err)
{
	if (!l->error)
		l->error = err;
}

static void complete_error(struct sz_loop_ring *l, struct net_op *op, int err)
{
	switch (net_after_error(op->kind->opcode, err)) {
	case NET_AGAIN:
		net_arm(l, op);
		break;
	case NET_OWNER:
		op->kind->done(l, op, err);
		break;
	case NET_FATAL:
		net_fatal(l, err);
		break;
	}
}

static void complete(struct sz_loop_ring *l, struct net_op *op, int res, unsigned flags)
{
	if (!(flags & IORING_CQE_F_MORE)) {
		op->armed = false;
		l->inflight--;
	}
	if (l->freeing && !op->kind->last)
		return;
	if (res >= 0)
		op->kind->done(l, op, res);
	else
		complete_error(l, op, res);
}

/* Submits, waits for at least one completion and hands out all there are. */
static int turn(struct sz_loop_ring *l)
{
	struct io_uring_cqe *cqe;
	u64 began;
	int n;

	submit_waiting(l);
	n = l->wait_first ? io_uring_submit_and_get_events(&l->ring) :
			    io_uring_submit_and_wait(&l->ring, 1);
	/* -EAGAIN and -EBUSY: the kernel takes no more until completions are fetched. */
	if (n < 0 && n != -EINTR && n != -EAGAIN && n != -EBUSY)
		return n;
	began = sz_boot_ns();
	while (!io_uring_peek_cqe(&l->ring, &cqe)) {
		struct net_op *op = io_uring_cqe_get_data(cqe);
		unsigned flags = cqe->flags;
		int res = cqe->res;

		/* Given back first: the owner may submit, and needs the room. */
		io_uring_cqe_seen(&l->ring, cqe);
		complete(l, op, res, flags);
	}
	sz_hist_add(&l->pauses, sz_boot_ns() - began);
	return 0;
}

const struct sz_hist *sz_net_pauses(const struct sz_loop_ring *l)
{
	return &l->pauses;
}

int sz_net_run(struct sz_loop_ring *l)
{
	int err = 0;

	while (!l->stop && !err) {
		err = turn(l);
		if (!err)
			err = l->error;
	}
	l->stop = false;
	return err;
}

void sz_net_stop(struct sz_loop_ring *l)
{
	l->stop = true;
}

/* ---- the end -------------------------------------------------------------------------------- */

void *net_source_new(struct sz_loop_ring *l, size_t size, const struct net_kind *kind, int fd)
{
	struct net_source *s = sz_calloc(1, size);

	s->op.kind = kind;
	s->loop = l;
	s->fd = fd;
	s->next = l->sources;
	l->sources = s;
	return s;
}

/*
 * The kernel may write to an operation's memory until its completion was seen, so everything is
 * cancelled and waited for first. Appends are finished, not cancelled: they are the audit log.
 */
static void drain(struct sz_loop_ring *l)
{
	int err = 0;

	while (l->appends && !err)
		err = turn(l);
	while ((l->inflight || l->wait_first) && !err) {
		if (!l->cancel.armed)
			net_arm(l, &l->cancel);
		err = turn(l);
	}
}

void sz_net_free(struct sz_loop_ring *l)
{
	if (!l)
		return;
	l->freeing = true;
	net_listeners_shut(l);
	net_servers_shut(l);
	drain(l);
	io_uring_queue_exit(&l->ring);
	net_listeners_free(l);
	net_servers_free(l);
	net_watches_free(l);
	while (l->sources) {
		struct net_source *s = l->sources;

		l->sources = s->next;
		if (s->fd >= 0)
			close(s->fd);
		free(s);
	}
	free(l);
}

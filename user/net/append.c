/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Durable appends for the audit log: a write linked to an fdatasync. The kernel breaks the link
 * when the write is short or fails; the rest is then written by another pair. The caller is told
 * once, and 0 always means that every byte is on the disk.
 */
#include "net/net_priv.h"

#define WRITE_MAX (1u << 30)

struct append {
	struct net_op write, sync;
	int fd;
	const char *p;
	size_t n;
	u64 off;
	int written, synced; /* results of this round */
	void (*fn)(int res, void *arg);
	void *arg;
};

static void write_prep(struct net_op *op, struct io_uring_sqe *sqe)
{
	struct append *a = net_owner(op, struct append, write);
	size_t n = a->n > WRITE_MAX ? WRITE_MAX : a->n;

	io_uring_prep_write(sqe, a->fd, a->p, (unsigned)n, a->off);
}

static void sync_prep(struct net_op *op, struct io_uring_sqe *sqe)
{
	io_uring_prep_fsync(sqe, net_owner(op, struct append, sync)->fd, IORING_FSYNC_DATASYNC);
}

static bool passing(int err)
{
	return err == -EINTR || err == -EAGAIN;
}

/* Nothing left to write: only the sync is made. */
static void append_arm(struct sz_loop_ring *l, struct append *a)
{
	a->written = 0;
	a->synced = 0;
	net_arm(l, a->n ? &a->write : &a->sync);
}

/* Both halves of the round have ended, in whatever order. */
static void append_settle(struct sz_loop_ring *l, struct append *a)
{
	/* A sync that followed a short write was cancelled with the link and says nothing. */
	int res = a->written < 0 || a->n ? a->written : a->synced;

	if (passing(res) || (res >= 0 && a->n)) {
		append_arm(l, a);
		return;
	}
	l->appends--;
	a->fn(res, a->arg);
	free(a);
}

static void write_done(struct sz_loop_ring *l, struct net_op *op, int res)
{
	struct append *a = net_owner(op, struct append, write);

	/* A write of nothing would go on for ever. */
	a->written = res ? res : -EIO;
	if (res > 0) {
		a->p += res;
		a->n -= (size_t)res;
		a->off += (u64)res;
	}
	if (!a->sync.armed)
		append_settle(l, a);
}

static void sync_done(struct sz_loop_ring *l, struct net_op *op, int res)
{
	struct append *a = net_owner(op, struct append, sync);

	a->synced = res;
	if (!a->write.armed)
		append_settle(l, a);
}

static const struct net_kind write_kind = {
	.opcode = NET_WRITE, .last = true, .prep = write_prep, .done = write_done
};
static const struct net_kind sync_kind = {
	.opcode = NET_SYNC, .last = true, .prep = sync_prep, .done = sync_done
};

int sz_net_append(struct sz_loop_ring *l, int fd, const void *p, size_t n, u64 off,
		  void (*fn)(int res, void *arg), void *arg)
{
	struct append *a;

	if (fd < 0)
		return -EBADF;
	a = sz_calloc(1, sizeof(*a));
	a->write.kind = &write_kind;
	a->write.link = &a->sync;
	a->sync.kind = &sync_kind;
	a->fd = fd;
	a->p = p;
	a->n = n;
	a->off = off;
	a->fn = fn;
	a->arg = arg;
	l->appends++;
	append_arm(l, a);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The audit log on disk. One batch is under way at a time: while it is written and synced the next
 * one gathers, so the batch grows with the load and every record is on disk after at most two
 * syncs. Segments rotate by size.
 */
#include "gateway/gateway_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct waiter {
	struct waiter *next;
	u64 seq;
	void (*fn)(int res, void *arg);
	void *arg;
};

struct sz_journal {
	struct sz_loop_ring *loop;
	struct sz_audit *audit;
	char *dir;
	u64 rotate_bytes;
	int fd;
	u32 segment;
	u64 size;            /* of the segment, what is under way included */
	struct sz_buf batch; /* under way; must not move */
	u64 batch_seq;       /* last record of it */
	bool busy;
	bool rotating; /* the open batch belongs to the next segment, `tail` to this one */
	struct sz_buf tail;
	u64 tail_seq;
	u64 seq, synced, first;
	struct waiter *waiters, **last_waiter;
};

static int open_segment(struct sz_journal *j, u64 size, struct sz_error *e)
{
	char path[PATH_MAX];
	int dir;

	sz_audit_segment_path(j->dir, j->segment, path, sizeof(path));
	j->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (j->fd < 0)
		return sz_error_set(e, -errno, "cannot open %s: %s", path, strerror(errno));
	/* A torn last line of a crash is cut off; what is whole stays. */
	if (ftruncate(j->fd, (off_t)size))
		return sz_error_set(e, -errno, "cannot cut %s to %llu bytes: %s", path,
				    (unsigned long long)size, strerror(errno));
	j->size = size;
	dir = open(j->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0) {
		fsync(dir);
		close(dir);
	}
	return 0;
}

static void add_segment_record(struct sz_journal *j, u32 segment)
{
	struct sz_audit_record r = {
		.type = SZ_AUDIT_SEGMENT, .wall_ns = sz_wall_ns(), .count = segment};

	j->seq = sz_audit_add(j->audit, &r);
}

static void start_batch(struct sz_journal *j);

static void batch_done(int res, void *arg)
{
	struct sz_journal *j = arg;
	struct waiter *w;

	j->busy = false;
	sz_buf_reset(&j->batch);
	if (res) {
		sz_log(SZ_LOG_ERR,
		       "audit: cannot write segment %u: %s; records up to %llu are not on "
		       "disk: free space and restart",
		       j->segment, strerror(-res), (unsigned long long)j->batch_seq);
	} else {
		j->synced = j->batch_seq;
	}
	while ((w = j->waiters) && (res || w->seq <= j->synced)) {
		j->waiters = w->next;
		if (!j->waiters)
			j->last_waiter = &j->waiters;
		w->fn(res, w->arg);
		free(w);
	}
	if (!res)
		start_batch(j);
}

/* The old segment is complete: go on in a new file. */
static int next_segment(struct sz_journal *j)
{
	struct sz_error e = {};
	int r;

	if (j->fd >= 0)
		close(j->fd);
	j->segment++;
	r = open_segment(j, 0, &e);
	if (r) {
		sz_log(SZ_LOG_ERR, "audit: %s; free space and restart", e.msg);
		j->segment--;
		return r;
	}
	j->rotating = false;
	return 0;
}

/* Writes what has gathered, unless a batch is under way. */
static void start_batch(struct sz_journal *j)
{
	u64 off;
	int r;

	if (j->busy)
		return;
	if (j->rotating && j->tail.len) {
		sz_buf_add(&j->batch, j->tail.data, j->tail.len);
		j->batch_seq = j->tail_seq;
		sz_buf_reset(&j->tail);
	} else {
		if ((j->rotating && next_segment(j)) || !sz_audit_pending(j->audit))
			return;
		j->batch_seq = sz_audit_take(j->audit, &j->batch);
	}
	off = j->size;
	j->size += j->batch.len;
	j->busy = true;
	r = sz_net_append(j->loop, j->fd, j->batch.data, j->batch.len, off, batch_done, j);
	if (r)
		batch_done(r, j);
}

int sz_journal_open(struct sz_loop_ring *loop, const char *dir, u64 rotate_bytes,
		    struct sz_journal **ret, struct sz_error *e)
{
	struct sz_audit_state st;
	struct sz_journal *j;
	int r;

	if (mkdir(dir, 0700) && errno != EEXIST)
		return sz_error_set(e, -errno, "cannot make the audit folder %s: %s", dir,
				    strerror(errno));
	r = sz_audit_scan(dir, &st, e);
	if (r)
		return r;
	if (st.torn_bytes)
		sz_log(SZ_LOG_WARNING,
		       "audit: segment %u ended in the middle of a record; cutting "
		       "%llu bytes off",
		       st.segment, (unsigned long long)st.torn_bytes);
	j = sz_calloc(1, sizeof(*j));
	j->loop = loop;
	j->dir = sz_strdup(dir);
	j->rotate_bytes = rotate_bytes;
	j->last_waiter = &j->waiters;
	j->audit = sz_audit_new(st.next_seq, st.last);
	j->seq = j->synced = st.next_seq - 1;
	j->first = st.next_seq;
	j->segment = st.segment ? st.segment : 1;
	j->fd = -1;
	r = open_segment(j, st.segment ? st.size : 0, e);
	if (r) {
		sz_journal_free(j);
		return r;
	}
	if (!j->size)
		add_segment_record(j, j->segment);
	*ret = j;
	return 0;
}

u64 sz_journal_add(struct sz_journal *j, const struct sz_audit_record *r)
{
	if (!j->rotating && j->size + sz_audit_pending(j->audit) >= j->rotate_bytes) {
		sz_audit_take(j->audit, &j->tail);
		j->tail_seq = j->seq;
		j->rotating = true;
		add_segment_record(j, j->segment + 1);
	}
	j->seq = sz_audit_add(j->audit, r);
	start_batch(j);
	return j->seq;
}

void sz_journal_when_synced(struct sz_journal *j, void (*fn)(int res, void *arg), void *arg)
{
	struct waiter *w;

	if (j->synced >= j->seq) {
		fn(0, arg);
		return;
	}
	w = sz_calloc(1, sizeof(*w));
	w->seq = j->seq;
	w->fn = fn;
	w->arg = arg;
	*j->last_waiter = w;
	j->last_waiter = &w->next;
	start_batch(j);
}

u64 sz_journal_seq(const struct sz_journal *j)
{
	return j->seq;
}

u64 sz_journal_synced(const struct sz_journal *j)
{
	return j->synced;
}

u64 sz_journal_first(const struct sz_journal *j)
{
	return j->first;
}

void sz_journal_free(struct sz_journal *j)
{
	struct waiter *w;

	if (!j)
		return;
	while ((w = j->waiters)) {
		j->waiters = w->next;
		free(w);
	}
	if (j->fd >= 0)
		close(j->fd);
	sz_audit_free(j->audit);
	sz_buf_done(&j->batch);
	sz_buf_done(&j->tail);
	free(j->dir);
	free(j);
}

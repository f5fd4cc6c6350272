/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The audit log on disk. One batch is under way at a time: while it is written and synced the next
 * one gathers, and goes on gathering for a moment where there is little of it, so that a flood of
 * records costs few syncs. Every record is on disk after at most two syncs and that moment. What is
 * on disk is closed by a signed checkpoint, at most one a second. Segments rotate by size. A batch
 * that cannot be written is kept and tried again; nothing is left out of the chain.
 */
#include "gateway/gateway_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/seal.h"

#define SEAL_NS    1000000000ull
#define REST_NS    10000000ull  /* between two batches, unless */
#define REST_MAX   (256u << 10) /* so many bytes wait, or somebody does */
#define AGE_PARTS  10        /* a segment spans at most this part of the time that is kept */
#define GATHER_MAX (8u << 20) /* bytes in memory from which no more is taken on */

struct waiter {
	struct waiter *next;
	u64 seq;
	void (*fn)(int res, void *arg);
	void *arg;
};

struct head {
	u64 size;
	u8 root[SZ_AUDIT_HASH_LEN];
};

struct sz_journal {
	struct sz_loop_ring *loop;
	struct sz_audit *audit;
	struct sz_seal *seal;
	struct sz_forward *forward;
	char *dir;
	u64 rotate_bytes, rotate_age_ns; /* 0: however old */
	u64 segment_ns; /* wall clock of its first record */
	int fd;
	u32 segment;
	u64 size;               /* of the segment, without what is under way */
	struct sz_buf batch;    /* under way, or to be tried again; must not move */
	struct head batch_head; /* the tree up to its last record */
	bool busy;
	u64 rest_ns;                /* no small batch before this */
	struct sz_net_timer *timer; /* NULL: there is no rest */
	bool rotating; /* the open batch belongs to the next segment, `tail` to this one */
	struct sz_buf tail;
	struct head tail_head;
	struct head synced; /* up to the last record on disk */
	u64 seq, first;
	bool sealing;
	u64 next_seal_ns;
	int write_error, seal_error; /* of the last try; 0 where it worked */
	u64 failed_since_ns;         /* wall clock; 0: all is well */
	bool shed;                   /* what to do then */
	u64 dropped[SZ_REASON_MAX];
	struct waiter *waiters, **last_waiter;
	struct waiter *change; /* who waits for another key, which this record announces */
	u64 change_seq;
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

	j->segment_ns = r.wall_ns;
	j->seq = sz_audit_add(j->audit, &r);
}

static void add_key_record(struct sz_journal *j, const struct sz_audit_vkey *k)
{
	struct sz_buf vkey = {};
	struct sz_audit_record r = {.type = SZ_AUDIT_KEY, .wall_ns = sz_wall_ns()};

	sz_audit_vkey_format(k, &vkey);
	r.detail = vkey.data;
	sz_journal_add(j, &r);
	sz_buf_done(&vkey);
}

static void take(struct sz_journal *j, struct sz_buf *batch, struct head *head)
{
	const struct sz_audit_tree *t = sz_audit_tree(j->audit);

	sz_audit_take(j->audit, batch);
	head->size = t->size;
	sz_audit_tree_root(t, head->root);
}

/* ---- when it cannot be written -------------------------------------------------------------- */

int sz_journal_error(const struct sz_journal *j)
{
	return j->write_error ? j->write_error : j->seal_error;
}

bool sz_journal_full(const struct sz_journal *j)
{
	return sz_audit_pending(j->audit) + j->batch.len + j->tail.len >= GATHER_MAX;
}

/* Whoever waits is told: of everything that is signed, or all of them that it cannot be. */
static void wake(struct sz_journal *j, int res)
{
	struct waiter *w;

	while ((w = j->waiters) && (res || w->seq <= sz_seal_size(j->seal))) {
		j->waiters = w->next;
		if (!j->waiters)
			j->last_waiter = &j->waiters;
		w->fn(res, w->arg);
		free(w);
	}
}

static void failed(struct sz_journal *j, int *which, int res, const char *what)
{
	bool first = !sz_journal_error(j);

	*which = res;
	if (first) {
		j->failed_since_ns = sz_wall_ns();
		sz_log(SZ_LOG_ERR,
		       "audit: cannot write %s in %s: %s; %s until there is room; trying again",
		       what, j->dir, strerror(-res),
		       j->shed ? "records beyond the memory for them are counted only"
			       : "tokens that are not known yet are refused");
	}
	wake(j, res);
}

/* It works again: how long it did not, and what was left out, are the next records. */
static void recovered(struct sz_journal *j)
{
	struct sz_audit_record r = {.type = SZ_AUDIT_ADMIN, .wall_ns = sz_wall_ns()};
	u64 since = j->failed_since_ns;
	char detail[160];
	u32 i;

	if (!since || sz_journal_error(j))
		return;
	j->failed_since_ns = 0;
	snprintf(detail, sizeof(detail), "the audit log could not be written for %llu ms; %s",
		 (unsigned long long)(r.wall_ns > since ? (r.wall_ns - since) / 1000000 : 0),
		 j->shed ? "what did not fit into memory was counted only"
			 : "unknown tokens were refused meanwhile");
	sz_log(SZ_LOG_NOTICE, "audit: %s", detail);
	r.detail = detail;
	sz_journal_add(j, &r);
	for (i = 0; i < SZ_REASON_MAX; i++) {
		struct sz_audit_record lost = {.type = SZ_AUDIT_SHED, .wall_ns = r.wall_ns,
					       .reason = i, .count = j->dropped[i]};

		j->dropped[i] = 0;
		if (lost.count)
			sz_journal_add(j, &lost);
	}
}

/* ---- checkpoints ---------------------------------------------------------------------------- */

static void seal(struct sz_journal *j);

static void sealed(int res, void *arg)
{
	struct sz_journal *j = arg;

	j->sealing = false;
	if (res) {
		failed(j, &j->seal_error, res, "a checkpoint");
		return;
	}
	j->seal_error = 0;
	recovered(j);
	wake(j, 0);
	seal(j);
}

/* Signs what is on disk: at most once a second, and at once where somebody waits for it. */
static void seal(struct sz_journal *j)
{
	bool wanted = j->waiters && j->waiters->seq <= j->synced.size;
	u64 now = sz_boot_ns();
	int r;

	if (j->sealing || j->synced.size <= sz_seal_size(j->seal) ||
	    (!wanted && now < j->next_seal_ns))
		return;
	j->sealing = true;
	j->next_seal_ns = now + SEAL_NS;
	r = sz_seal_write(j->seal, j->synced.size, j->synced.root, sealed, j);
	if (r)
		sealed(r, j);
}

/* ---- batches -------------------------------------------------------------------------------- */

static void start_batch(struct sz_journal *j);

static void batch_done(int res, void *arg)
{
	struct sz_journal *j = arg;

	j->busy = false;
	j->rest_ns = j->timer ? sz_boot_ns() + REST_NS : 0;
	if (res) {
		failed(j, &j->write_error, res, "records");
		return;
	}
	j->write_error = 0;
	j->size += j->batch.len;
	j->synced = j->batch_head;
	sz_buf_reset(&j->batch);
	recovered(j);
	seal(j);
	start_batch(j);
}

/* The old segment is complete: go on in a new file. */
static int next_segment(struct sz_journal *j)
{
	struct sz_error e = {};
	int old = j->fd, r;

	j->segment++;
	r = open_segment(j, 0, &e);
	if (r) {
		if (j->fd >= 0)
			close(j->fd);
		j->fd = old;
		j->segment--;
		failed(j, &j->write_error, r, "a new segment");
		return r;
	}
	close(old);
	j->rotating = false;
	return 0;
}

/* Little has gathered since the last batch, and nobody waits for it: the timer looks again. */
static bool resting(struct sz_journal *j)
{
	if (j->batch.len || j->waiters || j->rotating ||
	    sz_audit_pending(j->audit) >= REST_MAX || sz_boot_ns() >= j->rest_ns)
		return false;
	if (sz_audit_pending(j->audit))
		sz_net_timer_set(j->timer, j->rest_ns);
	return true;
}

/* Writes what has gathered, or could not be written before, unless a batch is under way. */
static void start_batch(struct sz_journal *j)
{
	int r;

	if (j->busy || resting(j))
		return;
	if (!j->batch.len && j->rotating && j->tail.len) {
		sz_buf_add(&j->batch, j->tail.data, j->tail.len);
		j->batch_head = j->tail_head;
		sz_buf_reset(&j->tail);
	}
	if (!j->batch.len) {
		if ((j->rotating && next_segment(j)) || !sz_audit_pending(j->audit))
			return;
		take(j, &j->batch, &j->batch_head);
	}
	j->busy = true;
	r = sz_net_append(j->loop, j->fd, j->batch.data, j->batch.len, j->size, batch_done, j);
	if (r)
		batch_done(r, j);
}

static void on_timer(void *arg)
{
	struct sz_journal *j = arg;

	if (!j->write_error)
		start_batch(j);
}

/* Retention removes whole segments: so that none holds much more than what may go, they end in
 * time. */
static void configure(struct sz_journal *j, const struct sz_conf *c)
{
	j->shed = c->audit.on_full == SZ_AUDIT_ON_FULL_SHED;
	j->rotate_bytes = c->audit.rotate_bytes;
	sz_forward_configure(j->forward, c);
	j->rotate_age_ns = c->audit.retention.age_s * (1000000000ull / AGE_PARTS);
}

void sz_journal_tick(struct sz_journal *j, const struct sz_conf *c)
{
	configure(j, c);
	if (j->write_error)
		start_batch(j);
	seal(j);
}

int sz_journal_open(struct sz_loop_ring *loop, const struct sz_conf *c, struct sz_journal **ret,
		    struct sz_error *e)
{
	struct sz_audit_tree tree;
	struct sz_audit_state st;
	struct sz_journal *j;
	int r;

	if (mkdir(c->audit.dir, 0700) && errno != EEXIST)
		return sz_error_set(e, -errno, "cannot make the audit folder %s: %s", c->audit.dir,
				    strerror(errno));
	r = sz_audit_scan(c->audit.dir, &st, e);
	if (r)
		return r;
	if (st.torn_bytes)
		sz_log(SZ_LOG_WARNING,
		       "audit: segment %u ended in the middle of a record; cutting "
		       "%llu bytes off",
		       st.segment, (unsigned long long)st.torn_bytes);
	j = sz_calloc(1, sizeof(*j));
	j->loop = loop;
	j->dir = sz_strdup(c->audit.dir);
	j->forward = sz_forward_new(loop);
	configure(j, c);
	j->last_waiter = &j->waiters;
	j->audit = sz_audit_new(st.next_seq, st.last);
	j->seq = st.next_seq - 1;
	j->first = st.next_seq;
	j->segment = st.segment ? st.segment : 1;
	j->fd = -1;
	j->timer = sz_net_timer_new(loop, on_timer, j);
	r = sz_seal_open(loop, c, &st, &tree, &j->seal, e);
	if (!r)
		r = open_segment(j, st.segment ? st.size : 0, e);
	if (r) {
		sz_journal_free(j);
		return r;
	}
	sz_audit_set_tree(j->audit, &tree);
	j->synced.size = tree.size;
	sz_audit_tree_root(&tree, j->synced.root);
	if (!j->size)
		add_segment_record(j, j->segment);
	else
		r = sz_audit_segment_time(j->dir, j->segment, &j->segment_ns, e);
	if (r) {
		sz_journal_free(j);
		return r;
	}
	/* Nothing is signed yet: the log says first who is going to. */
	if (!sz_seal_size(j->seal))
		add_key_record(j, sz_seal_key(j->seal));
	*ret = j;
	return 0;
}

/* Shed: what tells of one request or packet, while nothing can be written and memory is used up. */
static bool drop(struct sz_journal *j, const struct sz_audit_record *r)
{
	if (!j->shed || !j->write_error || !sz_journal_full(j) ||
	    (r->type != SZ_AUDIT_DECISION && r->type != SZ_AUDIT_DENIAL &&
	     r->type != SZ_AUDIT_REQUEST))
		return false;
	j->dropped[r->reason < SZ_REASON_MAX ? r->reason : 0]++;
	return true;
}

/* A segment's size or its age calls for the next one. */
static bool is_due(const struct sz_journal *j, u64 wall_ns)
{
	return j->size + j->batch.len + sz_audit_pending(j->audit) >= j->rotate_bytes ||
	       (j->rotate_age_ns && wall_ns > j->segment_ns &&
		wall_ns - j->segment_ns >= j->rotate_age_ns);
}

u64 sz_journal_add(struct sz_journal *j, const struct sz_audit_record *r)
{
	const char *line;
	size_t n;

	if (drop(j, r))
		return j->seq;
	if (!j->rotating && is_due(j, r->wall_ns)) {
		take(j, &j->tail, &j->tail_head);
		j->rotating = true;
		add_segment_record(j, j->segment + 1);
	}
	j->seq = sz_audit_add(j->audit, r);
	line = sz_audit_last_line(j->audit, &n);
	sz_forward_record(j->forward, r, line, n);
	if (!j->write_error)
		start_batch(j);
	return j->seq;
}

void sz_journal_when_synced(struct sz_journal *j, void (*fn)(int res, void *arg), void *arg)
{
	struct waiter *w;

	if (sz_seal_size(j->seal) >= j->seq) {
		fn(0, arg);
		return;
	}
	w = sz_calloc(1, sizeof(*w));
	w->seq = j->seq;
	w->fn = fn;
	w->arg = arg;
	*j->last_waiter = w;
	j->last_waiter = &w->next;
	if (!j->write_error)
		start_batch(j);
	seal(j);
}

u64 sz_journal_seq(const struct sz_journal *j)
{
	return j->seq;
}

u64 sz_journal_synced(const struct sz_journal *j)
{
	return j->synced.size;
}

u64 sz_journal_signed(const struct sz_journal *j)
{
	return sz_seal_size(j->seal);
}

u32 sz_journal_segment(const struct sz_journal *j)
{
	return j->segment;
}

u64 sz_journal_first(const struct sz_journal *j)
{
	return j->first;
}

/* ---- another key ---------------------------------------------------------------------------- */

/* The record that announces it is signed by the old key, or could not be. */
static void announced(int res, void *arg)
{
	struct sz_journal *j = arg;
	struct waiter *w = j->change;
	struct sz_error e = {};
	int r = sz_seal_changed(j->seal, !res, j->change_seq, &e);

	if (r)
		sz_log(SZ_LOG_ERR, "audit: %s", e.msg);
	j->change = NULL;
	w->fn(res ? res : r, w->arg);
	free(w);
}

int sz_journal_change_key(struct sz_journal *j, void (*fn)(int res, void *arg), void *arg,
			  struct sz_error *e)
{
	struct waiter *w;
	int r = sz_seal_change(j->seal, e);

	if (r)
		return r;
	w = sz_calloc(1, sizeof(*w));
	w->fn = fn;
	w->arg = arg;
	j->change = w;
	add_key_record(j, sz_seal_next(j->seal));
	j->change_seq = j->seq;
	sz_journal_when_synced(j, announced, j);
	return 0;
}

const struct sz_forward *sz_journal_forward(const struct sz_journal *j)
{
	return j->forward;
}

void sz_journal_free(struct sz_journal *j)
{
	struct waiter *w;

	if (!j)
		return;
	if (j->write_error)
		sz_log(SZ_LOG_ERR, "audit: records %llu to %llu could not be written and are lost",
		       (unsigned long long)j->synced.size + 1, (unsigned long long)j->seq);
	while ((w = j->waiters)) {
		j->waiters = w->next;
		free(w);
	}
	free(j->change);
	if (j->fd >= 0)
		close(j->fd);
	sz_forward_free(j->forward);
	sz_seal_free(j->seal);
	sz_audit_free(j->audit);
	sz_buf_done(&j->batch);
	sz_buf_done(&j->tail);
	free(j->dir);
	free(j);
}

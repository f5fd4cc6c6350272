/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The whole chain, read once from the first record to the last, in constant memory: behind
 * `subzeroctl audit verify`. It must never call a log sound that is not, and never change it.
 */
#include "audit/audit_priv.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CHUNK (64u << 10)

/* -EBADMSG: where, which record, what does not fit, how far the log is sound, what to do. */
static int SZ_PRINTF(3, 4)
	misfit(const struct sz_audit_check *c, struct sz_error *e, const char *fmt, ...)
{
	char what[200], sound[64] = "nothing before it verifies";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (c->next_seq > c->report->removed + 1)
		snprintf(sound, sizeof(sound), "records %llu to %llu verify",
			 (unsigned long long)c->report->removed + 1,
			 (unsigned long long)c->next_seq - 1);
	return sz_error_set(e, -EBADMSG,
			    "%s:%llu: seq %llu: %s; %s; keep the files as they are and compare "
			    "them with a backup from this record on",
			    c->path, (unsigned long long)c->line, (unsigned long long)c->next_seq,
			    what, sound);
}

static int check_place(const struct sz_audit_check *c, const struct sz_audit_line *l,
		       struct sz_error *e)
{
	unsigned long long found = l->seq, next = c->next_seq;

	if (!c->begun)
		return 0;
	if (found > next)
		return misfit(c, e,
			      "missing: record %llu stands here, so %llu to %llu were dropped "
			      "or reordered",
			      found, next, found - 1);
	if (found < next)
		return misfit(c, e, "reordered: record %llu stands here a second time or too late",
			      found);
	return 0;
}

static int check_segment_record(const struct sz_audit_check *c, const struct sz_audit_line *l,
				struct sz_error *e)
{
	struct sz_audit_tree tree;

	if (c->line > 1)
		return l->type != SZ_AUDIT_SEGMENT
			       ? 0
			       : misfit(c, e, "changed: a segment record inside a segment");
	if (l->type != SZ_AUDIT_SEGMENT)
		return misfit(c, e, "missing: the segment does not begin with its segment record");
	if (l->segment != c->segment)
		return misfit(c, e, "reordered: this is segment %llu under the name of %u",
			      (unsigned long long)l->segment, c->segment);
	if (memcmp(l->prev, c->report->last, SZ_AUDIT_HASH_LEN))
		return misfit(c, e, "changed: \"prev\" is not the hash of the record before");
	if (l->tree && (!sz_audit_tree_read(l, &tree) || !sz_audit_tree_same(&tree, &c->tree)))
		return misfit(c, e, "changed: \"tree\" is not the tree of the records before");
	return 0;
}

static int count_line(struct sz_audit_check *c, const struct sz_audit_line *l, struct sz_error *e)
{
	struct sz_audit_report *r = c->report;
	u64 *sum = l->type == SZ_AUDIT_SUMMARY ? &r->admitted : &r->denied;
	u64 n = l->type == SZ_AUDIT_SUMMARY || l->type == SZ_AUDIT_LOST
			? l->count
			: l->type == SZ_AUDIT_DENIAL;

	if (__builtin_add_overflow(*sum, n, sum))
		return misfit(c, e, "changed: the counts add up to more than 2^64");
	if (l->type == SZ_AUDIT_REMOVED && l->count > c->told && l->count < l->seq)
		c->told = l->count;
	r->by_type[l->type]++;
	r->records++;
	r->first_seq = r->first_seq ? r->first_seq : l->seq;
	r->last_seq = l->seq;
	memcpy(r->last, l->hash, SZ_AUDIT_HASH_LEN);
	c->next_seq++;
	return 0;
}

/* A log whose beginning was removed goes on from what its first segment says stood before it; that
 * a checkpoint has to confirm, and a record of the removal has to allow. */
static int begin_behind(struct sz_audit_check *c, const struct sz_audit_line *l,
			struct sz_error *e)
{
	struct sz_audit_report *r = c->report;

	c->begun = true;
	if (c->segment == 1 || l->seq <= 1)
		return 0;
	if (l->type != SZ_AUDIT_SEGMENT || !sz_audit_tree_read(l, &c->tree))
		return misfit(c, e, "missing: the segments before are gone, and this one does not "
				    "begin with the tree of their records");
	c->next_seq = l->seq;
	memcpy(r->last, l->prev, SZ_AUDIT_HASH_LEN);
	r->removed = l->seq - 1;
	r->removed_segments = c->segment - 1;
	return c->checks ? sz_audit_signed_removed(c->checks, c->dir, &c->tree, e) : 0;
}

/* The record as a leaf; then the checkpoints that end here. */
static int check_leaf(struct sz_audit_check *c, const struct sz_audit_line *l, const char *p,
		      size_t n, struct sz_error *e)
{
	u8 leaf[SZ_AUDIT_HASH_LEN];
	int err = 0;

	sz_audit_tree_leaf(p, n, leaf);
	sz_audit_tree_push(&c->tree, leaf);
	if (!c->checks)
		return 0;
	if (l->type == SZ_AUDIT_KEY)
		err = sz_audit_signed_key(c->checks, l, e);
	return err ? err : sz_audit_signed_grown(c->checks, &c->tree, e);
}

static int check_line(struct sz_audit_check *c, const char *p, size_t n, struct sz_error *e)
{
	struct sz_audit_syntax bad;
	struct sz_audit_line l;
	u8 hash[SZ_AUDIT_HASH_LEN];
	int err;

	c->line++;
	if (n >= SZ_AUDIT_LINE_MAX)
		return misfit(c, e, "changed: a line of more than %u bytes", SZ_AUDIT_LINE_MAX);
	if (sz_audit_parse(p, n, &l, &bad))
		return misfit(c, e, "changed: not an audit record: column %zu should be %s",
			      bad.column, bad.expected);
	err = c->begun ? 0 : begin_behind(c, &l, e);
	if (!err)
		err = check_place(c, &l, e);
	if (err)
		return err;
	sz_audit_hash(c->report->last, p, l.body_len, hash);
	if (memcmp(hash, l.hash, SZ_AUDIT_HASH_LEN))
		return misfit(c, e,
			      "changed: the hash does not fit this record and the one before");
	err = check_segment_record(c, &l, e);
	if (!err)
		err = count_line(c, &l, e);
	return err ? err : check_leaf(c, &l, p, n, e);
}

/* What stands behind the last line end. */
static int check_rest(struct sz_audit_check *c, const char *p, size_t n, struct sz_error *e)
{
	struct sz_audit_syntax bad;
	struct sz_audit_line l;

	if (!n && (c->line || c->newest))
		return 0;
	c->line++;
	if (!n)
		return misfit(c, e, "missing: the segment is empty, and it is not the newest");
	if (!c->newest)
		return misfit(c, e,
			      "missing: the line is cut off, and this is not the newest segment");
	if (sz_audit_parse(p, n, &l, &bad) == -EBADMSG)
		return misfit(c, e,
			      "changed: not the beginning of an audit record either: column "
			      "%zu should be %s",
			      bad.column, bad.expected);
	c->report->torn_bytes = n;
	return 0;
}

/* Checks whole lines at the front of the buffer and moves what is left there. */
static int check_lines(struct sz_audit_check *c, struct sz_buf *b, struct sz_error *e)
{
	size_t done = 0;
	const char *end;
	int err;

	while ((end = memchr(b->data + done, '\n', b->len - done))) {
		err = check_line(c, b->data + done, (size_t)(end - b->data) - done, e);
		if (err)
			return err;
		done = (size_t)(end - b->data) + 1;
	}
	b->len -= done;
	memmove(b->data, b->data + done, b->len);
	return b->len < SZ_AUDIT_LINE_MAX ? 0 : check_line(c, b->data, b->len, e);
}

int sz_audit_check_segment(struct sz_audit_check *c, int fd, struct sz_error *e)
{
	struct sz_buf b = {0};
	ssize_t n;
	int err = 0;

	c->line = 0;
	for (;;) {
		sz_buf_reserve(&b, CHUNK);
		n = read(fd, b.data + b.len, CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		b.len += (size_t)n;
		c->bytes += (u64)n;
		err = check_lines(c, &b, e);
		if (err)
			goto out;
		if (c->progress)
			c->progress(c->report->records, c->bytes, c->total_bytes, c->arg);
	}
	if (n < 0)
		err = sz_error_set(e, -errno, "%s: cannot read: %s", c->path, strerror(errno));
	else
		err = check_rest(c, b.data, b.len, e);
	if (!err && c->line)
		c->report->segments++;
out:
	sz_buf_done(&b);
	return err;
}

static int sum_sizes(const char *dir, const u32 *list, size_t n, u64 *ret, struct sz_error *e)
{
	char path[PATH_MAX];
	u64 size;
	size_t i;
	int fd;

	for (i = 0, *ret = 0; i < n; i++, *ret += size) {
		sz_audit_segment_path(dir, list[i], path, sizeof(path));
		fd = sz_audit_open(path, &size, e);
		if (fd < 0)
			return fd;
		close(fd);
	}
	return 0;
}

/* `path` holds PATH_MAX bytes and is what c->path points to. */
static int check_all(struct sz_audit_check *c, const char *dir, const u32 *list, size_t n,
		     char *path, struct sz_error *e)
{
	u64 size;
	size_t i;
	int fd, err;

	for (i = 0; i < n; i++) {
		c->segment = list[0] + (u32)i;
		c->newest = i == n - 1;
		sz_audit_segment_path(dir, c->segment, path, PATH_MAX);
		if (list[i] != c->segment) {
			c->line = 0;
			return misfit(c, e,
				      "missing: there is no such segment, but there is segment %u",
				      list[i]);
		}
		fd = sz_audit_open(path, &size, e);
		if (fd < 0)
			return fd;
		err = sz_audit_check_segment(c, fd, e);
		close(fd);
		if (err)
			return err;
	}
	return 0;
}

int sz_audit_verify(const char *dir, const struct sz_audit_trust *trust,
		    struct sz_audit_report *ret,
		    void (*progress)(u64 records, u64 bytes, u64 total_bytes, void *arg), void *arg,
		    struct sz_error *e)
{
	char path[PATH_MAX];
	struct sz_audit_check c = {
		.path = path,
		.dir = dir,
		.next_seq = 1,
		.report = ret,
		.progress = progress,
		.arg = arg,
	};
	u32 *list = NULL;
	size_t n = 0;
	int err;

	*ret = (struct sz_audit_report){0};
	sz_audit_hash_init();
	err = sz_audit_signed_open(dir, trust, &c.checks, e);
	if (!err)
		err = sz_audit_segments(dir, &list, &n, e);
	if (!err && !n)
		err = sz_error_set(e, -ENOENT,
				   "%s: no audit segment here; give the directory that holds "
				   "00000001.jsonl",
				   dir);
	if (!err)
		err = sum_sizes(dir, list, n, &c.total_bytes, e);
	if (!err)
		err = check_all(&c, dir, list, n, path, e);
	if (!err && ret->removed > c.told)
		err = sz_error_set(e, -EBADMSG,
				   "%s: missing: records 1 to %llu are gone, and %s; put "
				   "00000001.jsonl to %08u.jsonl back", dir,
				   (unsigned long long)ret->removed,
				   c.told ? "retention removed fewer"
					  : "no record says that retention removed them",
				   list[0] - 1);
	if (!err)
		err = sz_audit_signed_end(c.checks, &c.tree, ret, e);
	sz_audit_tree_root(&c.tree, ret->root);
	sz_audit_signed_free(c.checks);
	free(list);
	return err;
}

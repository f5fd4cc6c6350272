/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The end of the log, found backwards from the newest segment: where the daemon goes on after a
 * start, and the last lines for a person. It reads a few blocks of a log of any size, so it judges
 * the last record only; the whole chain is the verifier's.
 */
#include "audit/audit_priv.h"

#include <assert.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define BLOCK (64u << 10)

static const char advice[] =
	"run 'subzeroctl audit verify', then move the log away to begin a new one";

static int read_at(int fd, u64 off, void *p, size_t n, const char *path, struct sz_error *e)
{
	size_t done = 0;
	ssize_t r;

	while (done < n) {
		r = pread(fd, (char *)p + done, n - done, (off_t)(off + done));
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return sz_error_set(e, -errno, "%s: cannot read: %s", path,
					    strerror(errno));
		if (!r)
			return sz_error_set(e, -EBADMSG, "%s: became shorter while it was read",
					    path);
		done += (size_t)r;
	}
	return 0;
}

/* The last lines of one segment. */
struct tail {
	u64 off; /* where the first of them begins */
	u64 end; /* behind the last line end; a torn line may follow */
	u64 lines;
};

/* Up to `want` whole lines from the end, looked for in at most the last `reach` bytes. */
static int find_tail(int fd, const char *path, u64 size, u64 want, u64 reach, struct tail *ret,
		     struct sz_error *e)
{
	u64 low = size > reach ? size - reach : 0, pos = size;
	char block[BLOCK];
	const char *nl;
	size_t n;
	int err;

	*ret = (struct tail){.off = low};
	while (pos > low) {
		n = pos - low < BLOCK ? (size_t)(pos - low) : BLOCK;
		pos -= n;
		err = read_at(fd, pos, block, n, path, e);
		if (err)
			return err;
		while ((nl = memrchr(block, '\n', n))) {
			n = (size_t)(nl - block);
			if (!ret->lines && !ret->end)
				ret->end = pos + n + 1;
			if (ret->lines == want) {
				ret->off = pos + n + 1;
				return 0;
			}
			ret->lines++;
		}
	}
	if (low)
		return sz_error_set(e, -EBADMSG,
				    "%s: its end is not made of lines of at most %u "
				    "bytes; %s",
				    path, SZ_AUDIT_LINE_MAX, advice);
	return 0;
}

static int read_line(const char *p, size_t n, const char *path, struct sz_audit_line *ret,
		     struct sz_error *e)
{
	struct sz_audit_syntax bad;

	if (sz_audit_parse(p, n, ret, &bad))
		return sz_error_set(e, -EBADMSG,
				    "%s: one of its last two lines is not an audit "
				    "record: column %zu should be %s; %s",
				    path, bad.column, bad.expected, advice);
	return 0;
}

/* The last line, and that it continues the one before it, or begins the segment. */
static int check_last(const char *p, const struct tail *t, u32 segment, const char *path,
		      struct sz_audit_line *ret, struct sz_error *e)
{
	size_t n = (size_t)(t->end - t->off) - 1;
	u8 hash[SZ_AUDIT_HASH_LEN];
	struct sz_audit_line before = {0};
	const char *last = p, *nl;
	int err;

	if (t->lines == 2) {
		nl = memchr(p, '\n', n);
		assert(nl);
		last = nl + 1;
		err = read_line(p, (size_t)(nl - p), path, &before, e);
		if (err)
			return err;
	}
	err = read_line(last, n - (size_t)(last - p), path, ret, e);
	if (err)
		return err;
	if (t->lines == 1 && (ret->type != SZ_AUDIT_SEGMENT || ret->segment != segment))
		return sz_error_set(e, -EBADMSG,
				    "%s: does not begin with the record of segment "
				    "%u; %s",
				    path, segment, advice);
	if (t->lines == 1) {
		memcpy(before.hash, ret->prev, SZ_AUDIT_HASH_LEN);
		before.seq = ret->seq - 1;
	}
	sz_audit_hash(before.hash, last, ret->body_len, hash);
	if (!ret->seq || ret->seq == UINT64_MAX || ret->seq - 1 != before.seq ||
	    memcmp(hash, ret->hash, SZ_AUDIT_HASH_LEN))
		return sz_error_set(e, -EBADMSG,
				    "%s: its last record (seq %llu) does not continue "
				    "the one before; %s",
				    path, (unsigned long long)ret->seq, advice);
	return 0;
}

static int check_torn(const char *p, size_t n, const char *path, struct sz_error *e)
{
	struct sz_audit_syntax bad;
	struct sz_audit_line l;

	if (n && sz_audit_parse(p, n, &l, &bad) == -EBADMSG)
		return sz_error_set(e, -EBADMSG,
				    "%s: ends in bytes that are not the beginning of "
				    "an audit record: column %zu should be %s; %s",
				    path, bad.column, bad.expected, advice);
	return 0;
}

int sz_audit_scan_segment(int fd, const char *path, struct sz_audit_state *ret, struct sz_error *e)
{
	struct sz_audit_line l;
	struct tail t;
	u64 size;
	off_t end = lseek(fd, 0, SEEK_END);
	char *p;
	int err;

	if (end < 0)
		return sz_error_set(e, -errno, "%s: cannot read: %s", path, strerror(errno));
	size = (u64)end;
	/* Two lines, the line end before them, and a torn third. */
	err = find_tail(fd, path, size, 2, 3ull * SZ_AUDIT_LINE_MAX, &t, e);
	if (err)
		return err;
	p = sz_calloc(1, (size_t)(size - t.off) + 1);
	err = read_at(fd, t.off, p, (size_t)(size - t.off), path, e);
	if (!err)
		err = check_torn(p + (t.end - t.off), (size_t)(size - t.end), path, e);
	if (!err && t.lines) {
		err = check_last(p, &t, ret->segment, path, &l, e);
		if (!err) {
			ret->next_seq = l.seq + 1;
			memcpy(ret->last, l.hash, SZ_AUDIT_HASH_LEN);
		}
	}
	free(p);
	ret->size = t.end;
	ret->torn_bytes = size - t.end;
	return err;
}

static int scan_number(const char *dir, struct sz_audit_state *ret, struct sz_error *e)
{
	char path[PATH_MAX];
	u64 size;
	int fd, err;

	sz_audit_segment_path(dir, ret->segment, path, sizeof(path));
	fd = sz_audit_open(path, &size, e);
	if (fd < 0)
		return fd;
	err = sz_audit_scan_segment(fd, path, ret, e);
	close(fd);
	return err;
}

int sz_audit_scan(const char *dir, struct sz_audit_state *ret, struct sz_error *e)
{
	struct sz_audit_state before;
	u32 *list;
	size_t n;
	int err;

	*ret = (struct sz_audit_state){.next_seq = 1};
	err = sz_audit_segments(dir, &list, &n, e);
	if (err)
		return err;
	ret->segment = n ? list[n - 1] : 0;
	free(list);
	if (n)
		err = scan_number(dir, ret, e);
	if (err || ret->size || ret->segment <= 1)
		return err;
	/* A crash before the segment's first record: the chain goes on from the one before it. */
	before = (struct sz_audit_state){.segment = ret->segment - 1};
	err = scan_number(dir, &before, e);
	if (err)
		return err;
	if (!before.size || before.torn_bytes)
		return sz_error_set(e, -EBADMSG,
				    "%s: segment %u was never finished, but there is a "
				    "later one; %s",
				    dir, ret->segment - 1, advice);
	ret->next_seq = before.next_seq;
	memcpy(ret->last, before.last, SZ_AUDIT_HASH_LEN);
	return 0;
}

static int copy_lines(const char *path, u64 want, struct sz_buf *ret, struct tail *t,
		      struct sz_error *e)
{
	u64 size;
	int fd = sz_audit_open(path, &size, e), err;

	if (fd < 0)
		return fd;
	err = find_tail(fd, path, size, want, UINT64_MAX, t, e);
	if (!err && ret) {
		sz_buf_reserve(ret, (size_t)(t->end - t->off));
		err = read_at(fd, t->off, ret->data + ret->len, (size_t)(t->end - t->off), path, e);
		if (!err)
			ret->len += (size_t)(t->end - t->off);
		ret->data[ret->len] = '\0';
	}
	close(fd);
	return err;
}

int sz_audit_tail(const char *dir, unsigned n, struct sz_buf *ret, struct sz_error *e)
{
	char path[PATH_MAX];
	struct tail t = {0};
	u64 want = 0;
	u32 *list;
	size_t count, first;
	int err = sz_audit_segments(dir, &list, &count, e);

	if (err)
		return err;
	/* Back to the segment that holds the first of them, then forward through the rest. */
	for (first = count; first && want < n && !err; want += t.lines) {
		sz_audit_segment_path(dir, list[--first], path, sizeof(path));
		err = copy_lines(path, n - want, NULL, &t, e);
	}
	for (want = t.lines; first < count && !err; first++, want = UINT64_MAX) {
		sz_audit_segment_path(dir, list[first], path, sizeof(path));
		err = copy_lines(path, want, ret, &t, e);
	}
	free(list);
	return err;
}

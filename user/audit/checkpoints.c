/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The checkpoints of a log as a file: read from its beginning by the verifier and for proofs, from
 * its end by the daemon's start. Nothing here writes, and nothing believes a signature.
 */
#include "audit/audit_priv.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK    (64u << 10)
#define NOTE_MAX (16u << 10) /* with the signatures of many witnesses */

void sz_audit_checkpoints_path(const char *dir, char *ret, size_t n)
{
	snprintf(ret, n, "%s/checkpoints", dir);
}

static int open_file(const char *path, u64 *ret_size, struct sz_error *e)
{
	*ret_size = 0;
	if (access(path, F_OK) && errno == ENOENT)
		return -ENOENT;
	return sz_audit_open(path, ret_size, e);
}

/*
 * Behind a hole stand a line end and a checkpoint; where a crash cut the making of the hole short,
 * what is left of another one comes first.
 */
static int behind_hole(int fd, u64 at, u64 *ret)
{
	char *p = sz_calloc(1, NOTE_MAX);
	ssize_t n = pread(fd, p, NOTE_MAX, (off_t)at);
	const char *end = p + (n > 0 ? n : 0), *nl = memchr(p, '\n', (size_t)(end - p));
	int err = n < 0 ? -errno : 0;
	struct sz_audit_checkpoint c;

	/* No line of a checkpoint but its first begins one. */
	while (nl && sz_audit_checkpoint_parse(nl + 1, (size_t)(end - nl - 1), &c) < 0)
		nl = memchr(nl + 1, '\n', (size_t)(end - nl - 1));
	*ret = nl ? at + (u64)(nl + 1 - p) : at;
	free(p);
	return err;
}

int sz_audit_notes_start(int fd, u64 *ret)
{
	off_t at = lseek(fd, 0, SEEK_DATA);
	char block[4096];
	ssize_t n, i;

	*ret = 0;
	if (at < 0 && errno == ENXIO) { /* nothing but a hole, or nothing at all */
		at = lseek(fd, 0, SEEK_END);
		*ret = at < 0 ? 0 : (u64)at;
		return at < 0 ? -errno : 0;
	}
	/* A copy may hold the hole as bytes; a file system may know of no holes. */
	for (*ret = at < 0 ? 0 : (u64)at; (n = pread(fd, block, sizeof(block), (off_t)*ret)) > 0;) {
		for (i = 0; i < n && !block[i]; i++)
			;
		*ret += (u64)i;
		if (i < n)
			break;
	}
	if (n < 0)
		return -errno;
	return *ret ? behind_hole(fd, *ret, ret) : 0;
}

int sz_audit_notes_open(const char *dir, struct sz_audit_notes *ret, struct sz_error *e)
{
	u64 start;
	int fd;

	*ret = (struct sz_audit_notes){ .fd = -1 };
	sz_audit_checkpoints_path(dir, ret->path, sizeof(ret->path));
	fd = open_file(ret->path, &ret->left, e);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	ret->fd = fd;
	if (sz_audit_notes_start(fd, &start) || lseek(fd, (off_t)start, SEEK_SET) < 0)
		return sz_error_set(e, -errno, "%s: cannot read: %s", ret->path, strerror(errno));
	ret->left -= start < ret->left ? start : ret->left;
	return 0;
}

void sz_audit_notes_done(struct sz_audit_notes *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	sz_buf_done(&s->b);
}

/* More bytes behind those that were not used yet. 0: there are none. */
static ssize_t fill(struct sz_audit_notes *s, struct sz_error *e)
{
	size_t want = s->left < CHUNK ? (size_t)s->left : CHUNK;
	ssize_t n;

	if (!want)
		return 0;
	s->b.len -= s->at;
	if (s->at)
		memmove(s->b.data, s->b.data + s->at, s->b.len);
	s->at = 0;
	sz_buf_reserve(&s->b, want);
	do
		n = read(s->fd, s->b.data + s->b.len, want);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return sz_error_set(e, -errno, "%s: cannot read: %s", s->path, strerror(errno));
	s->b.len += (size_t)n;
	s->left -= n ? (u64)n : s->left;
	return n;
}

static int bad_note(const struct sz_audit_notes *s, const char *what, struct sz_error *e)
{
	return sz_error_set(e, -EBADMSG,
			    "%s: checkpoint %llu: %s; keep the file as it is and compare it with "
			    "a backup",
			    s->path, (unsigned long long)s->number, what);
}

int sz_audit_notes_next(struct sz_audit_notes *s, struct sz_error *e)
{
	u64 before = s->now.size;
	size_t have;
	ssize_t n;

	/* The end of the buffer may cut off signatures of a whole note: there must be enough. */
	while (s->left && s->b.len - s->at < NOTE_MAX) {
		n = fill(s, e);
		if (n < 0)
			return (int)n;
	}
	have = s->b.len - s->at;
	if (!have)
		return 0;
	n = sz_audit_checkpoint_parse(s->b.data + s->at, have, &s->now);
	if (n == -ENODATA && have < NOTE_MAX) {
		s->torn_bytes = have;
		return 0;
	}
	s->number++;
	if (n < 0)
		return bad_note(s, "changed: not a checkpoint", e);
	if (s->now.size <= before)
		return bad_note(s, "reordered: it covers no more than the one before", e);
	s->at += (size_t)n;
	return 1;
}

/* ---- from its end --------------------------------------------------------------------------- */

/* Behind the first run of signature lines, where a checkpoint begins; n where there is none. */
static size_t first_boundary(const char *p, size_t n)
{
	static const char dash[] = "\xe2\x80\x94 ";
	const char *end = p + n, *nl;
	bool behind = false;

	for (; (nl = memchr(p, '\n', (size_t)(end - p))); p = nl + 1) {
		bool signature = !strncmp(p, dash, sizeof(dash) - 1);

		if (behind && !signature)
			return n - (size_t)(end - p);
		behind = signature;
	}
	return n;
}

int sz_audit_checkpoint_last(const char *dir, struct sz_buf *text, struct sz_audit_checkpoint *ret,
			     u64 *ret_size, struct sz_error *e)
{
	struct sz_audit_notes s;
	struct sz_audit_checkpoint c;
	size_t at = 0;
	u64 low, start;
	ssize_t n;
	int err = sz_audit_notes_open(dir, &s, e);

	*ret = (struct sz_audit_checkpoint){ 0 };
	*ret_size = 0;
	if (err || s.fd < 0) {
		sz_audit_notes_done(&s);
		return err;
	}
	start = (u64)lseek(s.fd, 0, SEEK_CUR);
	low = start + (s.left > CHUNK ? s.left - CHUNK : 0);
	*ret_size = start + s.left;
	s.left -= low - start;
	if (lseek(s.fd, (off_t)low, SEEK_SET) < 0)
		err = sz_error_set(e, -errno, "%s: cannot read: %s", s.path, strerror(errno));
	while (!err && s.left)
		err = fill(&s, e) < 0 ? -EIO : 0;
	*text = s.b;
	s.b = (struct sz_buf){ 0 };
	if (!err && low > start)
		at = first_boundary(text->data, text->len);
	while (!err && at < text->len) {
		n = sz_audit_checkpoint_parse(text->data + at, text->len - at, &c);
		if (n == -ENODATA)
			break;
		if (n < 0) {
			err = sz_error_set(e, -EBADMSG,
					   "%s: its end is not made of checkpoints; run "
					   "'subzeroctl audit verify', then move the log away to "
					   "begin a new one",
					   s.path);
			break;
		}
		*ret = c;
		at += (size_t)n;
	}
	if (!err)
		*ret_size = low + at;
	sz_audit_notes_done(&s);
	return err;
}

int sz_audit_checkpoint_find(const char *dir, u64 seq, u64 size, struct sz_buf *text,
			     struct sz_audit_checkpoint *ret, struct sz_error *e)
{
	struct sz_audit_notes s;
	bool found = false;
	int err = sz_audit_notes_open(dir, &s, e);

	if (err) {
		sz_audit_notes_done(&s);
		return err;
	}
	while ((err = sz_audit_notes_next(&s, e)) > 0) {
		if (size ? s.now.size != size : s.now.size < seq)
			continue;
		sz_buf_reset(text);
		sz_buf_add(text, s.now.text,
			   s.now.text_len + 1 + s.now.signatures_len);
		found = true;
	}
	sz_audit_notes_done(&s);
	if (err)
		return err;
	if (!found)
		return sz_error_set(e, -ENOENT, "%s: no checkpoint %s %llu records", s.path,
				    size ? "of exactly" : "covers",
				    (unsigned long long)(size ? size : seq));
	/* Of the copy, which outlives the file's buffer. */
	return sz_audit_checkpoint_parse(text->data, text->len, ret) < 0 ? -EBADMSG : 0;
}

/* ---- what retention frees ------------------------------------------------------------------- */

/* The first whole checkpoint at or behind `at`: where it begins and what it covers. -ENODATA. */
static int note_behind(int fd, u64 start, u64 at, u64 *ret_at, u64 *ret_size)
{
	struct sz_audit_checkpoint c;
	struct sz_buf b = {0};
	size_t skip = 0;
	ssize_t n;
	int err = -ENODATA;

	sz_buf_reserve(&b, 2 * NOTE_MAX);
	n = pread(fd, b.data, 2 * NOTE_MAX, (off_t)at);
	if (n > 0 && at > start)
		skip = first_boundary(b.data, (size_t)n);
	if (n > 0 && skip < (size_t)n &&
	    sz_audit_checkpoint_parse(b.data + skip, (size_t)n - skip, &c) > 0) {
		*ret_at = at + skip;
		*ret_size = c.size;
		err = 0;
	}
	sz_buf_done(&b);
	return err;
}

/* Sizes grow from one to the next: where the newest of at most `records` begins, by halving. */
static u64 find_newest(int fd, u64 start, u64 end, u64 records)
{
	u64 low = start, high = end, found = start, at, size;

	while (low < high) {
		u64 mid = low + (high - low) / 2;

		if (note_behind(fd, start, mid, &at, &size) || size > records) {
			high = mid;
		} else {
			found = at;
			low = at + 1;
		}
	}
	return found;
}

/*
 * The daemon goes on writing at the end: the file keeps its size and loses blocks. The last of them
 * stays, with a line end in front of what is kept.
 */
static int make_hole(int fd, u64 keep, u64 block)
{
	u64 cut = (keep - 1) / block * block;
	char *zeros = sz_calloc(1, block);
	size_t n = (size_t)(keep - cut);
	int err = 0;

	if (cut && fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)cut)) {
		err = errno == EOPNOTSUPP ? 1 : -1;
	} else {
		zeros[n - 1] = '\n';
		if (pwrite(fd, zeros, n, (off_t)cut) != (ssize_t)n || fdatasync(fd))
			err = -1;
	}
	free(zeros);
	return err < 0 ? -1 : 0; /* a file system without holes keeps them all */
}

int sz_audit_notes_forget(const char *dir, u64 records, struct sz_error *e)
{
	char path[4096];
	struct stat st;
	u64 start, keep;
	int fd, err = 0;

	sz_audit_checkpoints_path(dir, path, sizeof(path));
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) || sz_audit_notes_start(fd, &start)) {
		err = sz_error_set(e, -errno, "%s: cannot read: %s", path, strerror(errno));
	} else if (S_ISREG(st.st_mode)) {
		keep = find_newest(fd, start, (u64)st.st_size, records);
		if (keep > start && make_hole(fd, keep, (u64)st.st_blksize))
			err = sz_error_set(e, -errno, "%s: cannot free its beginning: %s", path,
					   strerror(errno));
	}
	if (fd >= 0)
		close(fd);
	return err;
}

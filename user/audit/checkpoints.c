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

int sz_audit_notes_open(const char *dir, struct sz_audit_notes *ret, struct sz_error *e)
{
	int fd;

	*ret = (struct sz_audit_notes){ .fd = -1 };
	sz_audit_checkpoints_path(dir, ret->path, sizeof(ret->path));
	fd = open_file(ret->path, &ret->left, e);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	ret->fd = fd;
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
	u64 low;
	ssize_t n;
	int err = sz_audit_notes_open(dir, &s, e);

	*ret = (struct sz_audit_checkpoint){ 0 };
	*ret_size = 0;
	if (err || s.fd < 0)
		return err;
	low = s.left > CHUNK ? s.left - CHUNK : 0;
	*ret_size = s.left;
	s.left -= low;
	if (lseek(s.fd, (off_t)low, SEEK_SET) < 0)
		err = sz_error_set(e, -errno, "%s: cannot read: %s", s.path, strerror(errno));
	while (!err && s.left)
		err = fill(&s, e) < 0 ? -EIO : 0;
	*text = s.b;
	s.b = (struct sz_buf){ 0 };
	if (!err && low)
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

	if (err)
		return err;
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

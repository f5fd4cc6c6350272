/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Retention: which old segments may go, and their removal. Called by a thread of the daemon, since
 * both read and write directories and files. What stays is a log that verifies: the first segment
 * that stays holds the chain's head and the tree of all that went, and the checkpoints over it are
 * signed. It never touches the newest segment, or anything that no checkpoint covers.
 */
#include "audit/audit_priv.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NS 1000000000ull

/* What it takes on the disk; a hole takes nothing. Never through a symbolic link. */
static u64 bytes_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) || !S_ISREG(st.st_mode) ? 0 : (u64)st.st_blocks * 512;
}

static u64 segment_bytes(const char *dir, u32 segment)
{
	char path[PATH_MAX];
	struct stat st;

	sz_audit_segment_path(dir, segment, path, sizeof(path));
	return lstat(path, &st) || !S_ISREG(st.st_mode) ? 0 : (u64)st.st_size;
}

struct plan {
	const char *dir;
	const struct sz_audit_retention *limit;
	u64 wall_ns, signed_seq;
	const u32 *list;
	size_t n;
	struct sz_audit_cut *cut;
};

static bool is_old(const struct plan *p, u64 since_ns)
{
	return p->limit->age_s && p->wall_ns > since_ns &&
	       (p->wall_ns - since_ns) / NS >= p->limit->age_s;
}

/* Segment by segment from the oldest, until one is to stay. */
static int choose(struct plan *p, struct sz_error *e)
{
	struct sz_audit_cut *cut = p->cut;
	u64 left = cut->total_bytes;
	struct sz_audit_line next;
	struct sz_buf line = {0};
	int err = 0;
	size_t i;

	for (i = 0; i + 1 < p->n && !err; i++) {
		bool large = p->limit->size && left > p->limit->size;
		u64 bytes = segment_bytes(p->dir, p->list[i]);

		if (!large && !p->limit->age_s)
			break;
		err = sz_audit_first(p->dir, p->list[i + 1], &line, &next, e);
		if (err || next.seq > p->signed_seq || (!large && !is_old(p, next.wall_ns)))
			break;
		cut->first = p->list[0];
		cut->segment = p->list[i + 1];
		cut->records = next.seq - 1;
		cut->bytes += bytes;
		cut->by_age = !large;
		left -= bytes < left ? bytes : left;
	}
	sz_buf_done(&line);
	/* The newest may lack its first record for a moment. */
	return err && i + 2 == p->n ? 0 : err;
}

int sz_audit_retention_plan(const char *dir, const struct sz_audit_retention *r, u64 wall_ns,
			    u64 signed_seq, struct sz_audit_cut *ret, struct sz_error *e)
{
	struct plan p = {dir, r, wall_ns, signed_seq, NULL, 0, ret};
	struct sz_audit_line first;
	struct sz_buf line = {0};
	char path[PATH_MAX];
	u32 *list;
	size_t i;
	int err = sz_audit_segments(dir, &list, &p.n, e);

	*ret = (struct sz_audit_cut){.segments = p.n};
	if (err || !p.n) {
		if (!err)
			free(list);
		return err;
	}
	p.list = list;
	for (i = 0; i < p.n && !err; i++) {
		ret->total_bytes += segment_bytes(dir, list[i]);
		if (i && list[i] != list[i - 1] + 1)
			err = sz_error_set(e, -EBADMSG,
					   "%s: segment %u is missing; nothing is removed until it "
					   "is back, or the log was moved away", dir,
					   list[i - 1] + 1);
	}
	sz_audit_checkpoints_path(dir, path, sizeof(path));
	ret->total_bytes += bytes_of(path);
	if (!err && !sz_audit_first(dir, list[0], &line, &first, e)) {
		ret->removed = first.seq - 1;
		ret->oldest_ns = first.wall_ns;
	}
	if (!err)
		err = choose(&p, e);
	if (err)
		ret->segment = 0;
	sz_buf_done(&line);
	free(list);
	return err;
}

int sz_audit_retention_apply(const char *dir, const struct sz_audit_cut *cut, struct sz_error *e)
{
	char path[PATH_MAX];
	int fd, err = 0;
	u32 i;

	/* Oldest first: a crash in between leaves a log without a hole. */
	for (i = cut->first; i < cut->segment && !err; i++) {
		sz_audit_segment_path(dir, i, path, sizeof(path));
		if (unlink(path) && errno != ENOENT)
			err = sz_error_set(e, -errno, "cannot remove %s: %s", path,
					   strerror(errno));
	}
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		if (fsync(fd) && !err)
			err = sz_error_set(e, -errno, "cannot sync %s: %s", dir, strerror(errno));
		close(fd);
	}
	return err ? err : sz_audit_notes_forget(dir, cut->records, e);
}

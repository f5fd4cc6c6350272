/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The segments of a log as files: their names, which there are, and opening one to read. Every
 * reader of the log begins here; nothing here writes.
 */
#include "audit/audit_priv.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIGITS    8
#define FIRST_MAX (16u << 10) /* bytes of a segment's first record, whose members are bounded */
static const char suffix[] = ".jsonl";

void sz_audit_segment_path(const char *dir, u32 segment, char *ret, size_t n)
{
	snprintf(ret, n, "%s/%0*u%s", dir, DIGITS, segment, suffix);
}

static bool segment_name(const char *name, u32 *ret)
{
	int i;

	*ret = 0;
	for (i = 0; i < DIGITS; i++) {
		if (name[i] < '0' || name[i] > '9')
			return false;
		*ret = *ret * 10 + (u32)(name[i] - '0');
	}
	return !strcmp(name + DIGITS, suffix);
}

static int ascending(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return (x > y) - (x < y);
}

int sz_audit_segments(const char *dir, u32 **ret, size_t *ret_n, struct sz_error *e)
{
	struct dirent *entry;
	u32 *list = NULL, number;
	size_t n = 0, cap = 0;
	DIR *d = opendir(dir);
	int err;

	if (!d)
		return sz_error_set(e, -errno, "%s: cannot read the audit directory: %s", dir,
				    strerror(errno));
	for (errno = 0; (entry = readdir(d)); errno = 0) {
		if (!segment_name(entry->d_name, &number))
			continue;
		if (n == cap) {
			cap = cap ? 2 * cap : 64;
			list = sz_realloc(list, cap, sizeof(*list));
		}
		list[n++] = number;
	}
	err = -errno;
	closedir(d);
	if (err) {
		free(list);
		return sz_error_set(e, err, "%s: cannot read the audit directory: %s", dir,
				    strerror(-err));
	}
	if (n)
		qsort(list, n, sizeof(*list), ascending);
	*ret = list;
	*ret_n = n;
	return 0;
}

int sz_audit_first(const char *dir, u32 segment, struct sz_buf *line, struct sz_audit_line *ret,
		   struct sz_error *e)
{
	char path[PATH_MAX];
	struct sz_audit_syntax bad;
	const char *nl;
	ssize_t n;
	u64 size;
	int fd;

	sz_audit_segment_path(dir, segment, path, sizeof(path));
	fd = sz_audit_open(path, &size, e);
	if (fd < 0)
		return fd;
	sz_buf_reset(line);
	sz_buf_reserve(line, FIRST_MAX);
	n = pread(fd, line->data, FIRST_MAX, 0);
	close(fd);
	if (n < 0)
		return sz_error_set(e, -errno, "%s: cannot read: %s", path, strerror(errno));
	line->len = (size_t)n;
	nl = memchr(line->data, '\n', line->len);
	if (nl && !sz_audit_parse(line->data, (size_t)(nl - line->data), ret, &bad) &&
	    ret->type == SZ_AUDIT_SEGMENT && ret->segment == segment && ret->seq)
		return 0;
	return sz_error_set(e, -EBADMSG, "%s: does not begin with the record of segment %u; run "
			    "'subzeroctl audit verify'", path, segment);
}

int sz_audit_segment_time(const char *dir, u32 segment, u64 *ret_ns, struct sz_error *e)
{
	struct sz_audit_line first;
	struct sz_buf line = {0};
	int err = sz_audit_first(dir, segment, &line, &first, e);

	if (!err)
		*ret_ns = first.wall_ns;
	sz_buf_done(&line);
	return err;
}

int sz_audit_open(const char *path, u64 *ret_size, struct sz_error *e)
{
	/* O_NONBLOCK: a FIFO under a segment's name is refused, not waited for. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	int err;

	if (fd < 0 || fstat(fd, &st)) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return sz_error_set(e, err, "%s: cannot read this audit segment: %s", path,
				    strerror(-err));
	}
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		return sz_error_set(e, -EBADMSG, "%s: not a regular file; put the segment back",
				    path);
	}
	*ret_size = (u64)st.st_size;
	return fd;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The segments of a log as files: their names, which there are, and opening one to read. Every
 * reader of the log begins here; nothing here writes.
 */
#include "audit/audit_priv.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIGITS 8
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

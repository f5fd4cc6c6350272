/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whole files: read one with a bound, replace one so that a crash leaves the old or the new, never
 * a part. Called at start, on reload and by the CLI; blocks, so never from the event loop's path.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/core.h"

#define READ_STEP 65536

/* Reads to the end of fd. At most one step beyond `max` is ever held. */
static int read_all(int fd, size_t max, struct sz_buf *b)
{
	for (;;) {
		ssize_t n;

		sz_buf_reserve(b, READ_STEP);
		n = read(fd, b->data + b->len, READ_STEP);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		b->len += (size_t)n;
		b->data[b->len] = 0;
		if (b->len > max)
			return -EFBIG;
		if (!n)
			return 0;
	}
}

int sz_file_read(const char *path, size_t max, struct sz_buf *ret, struct sz_error *e)
{
	int fd, err;

	sz_buf_reset(ret);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return sz_error_set(e, -errno, "cannot open %s: %m", path);
	err = read_all(fd, max, ret);
	close(fd);
	if (!err)
		return 0;
	sz_buf_reset(ret);
	if (err == -EFBIG)
		return sz_error_set(e, err, "%s has more than the %zu bytes allowed; shorten it",
				    path, max);
	return sz_error_set(e, err, "cannot read %s: %s", path, strerror(-err));
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

/* The directory entry is durable only once the directory itself is synced. */
static int sync_dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash ? sz_strndup(path, slash == path ? 1 : (size_t)(slash - path)) :
			    sz_strdup(".");
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;

	if (fd < 0 || fsync(fd))
		err = -errno;
	if (fd >= 0)
		close(fd);
	free(dir);
	return err;
}

static int fill(int fd, const void *p, size_t n, unsigned mode)
{
	int err = write_all(fd, p, n);

	if (!err && (fchmod(fd, mode) || fsync(fd)))
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	return err;
}

int sz_file_replace(const char *path, const void *p, size_t n, unsigned mode, struct sz_error *e)
{
	struct sz_buf tmp = { 0 };
	int fd, err;

	sz_buf_printf(&tmp, "%s.XXXXXX", path);
	fd = mkostemp(tmp.data, O_CLOEXEC);
	if (fd < 0) {
		err = sz_error_set(e, -errno, "cannot create a file beside %s: %m", path);
		goto out;
	}
	err = fill(fd, p, n, mode);
	if (!err && rename(tmp.data, path))
		err = -errno;
	if (err) {
		unlink(tmp.data);
		sz_error_set(e, err, "cannot write %s: %s", path, strerror(-err));
		goto out;
	}
	err = sync_dir_of(path);
	if (err)
		sz_error_set(e, err, "%s is written, but its directory could not be synced: %s",
			     path, strerror(-err));
out:
	sz_buf_done(&tmp);
	return err;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The control socket's listening side: takes over a stale socket, never a live one, and admits at
 * most NET_CLIENTS_MAX peers. Called by the daemon at start; peers themselves are in client.c.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/listen_priv.h"

#define BACKLOG 64
#define PAUSE_NS 100000000 /* before accept is tried again without descriptors or memory */

static void accept_prep(struct net_op *op, struct io_uring_sqe *sqe)
{
	struct net_listener *s = net_owner(op, struct net_listener, accept);

	io_uring_prep_multishot_accept(sqe, s->fd, NULL, NULL, SOCK_CLOEXEC);
}

static void accept_done(struct sz_loop_ring *l, struct net_op *op, int res)
{
	struct net_listener *s = net_owner(op, struct net_listener, accept);

	if (l->freeing) {
		if (res >= 0)
			close(res);
		return;
	}
	if (res < 0) {
		net_arm(l, &s->pause);
		return;
	}
	if (!op->armed)
		net_arm(l, op);
	if (s->nclients >= NET_CLIENTS_MAX || net_client_new(s, res))
		close(res);
}

static void pause_prep(struct net_op *op, struct io_uring_sqe *sqe)
{
	struct net_listener *s = net_owner(op, struct net_listener, pause);

	s->pause_ts = (struct __kernel_timespec){ .tv_nsec = PAUSE_NS };
	io_uring_prep_timeout(sqe, &s->pause_ts, 0, IORING_TIMEOUT_BOOTTIME);
}

static void pause_done(struct sz_loop_ring *l, struct net_op *op, int res)
{
	if (res != -ETIME)
		net_fatal(l, res);
	else
		net_arm(l, &net_owner(op, struct net_listener, pause)->accept);
}

static const struct net_kind accept_kind = {
	.opcode = NET_ACCEPT, .last = true, .prep = accept_prep, .done = accept_done
};
static const struct net_kind pause_kind = {
	.opcode = NET_TIMER, .prep = pause_prep, .done = pause_done
};

/* ---- the socket's file ---------------------------------------------------------------------- */

static int make_dir_of(const char *path, struct sz_error *e)
{
	const char *slash = strrchr(path, '/');
	char *dir;
	int err = 0;

	if (!slash || slash == path)
		return 0;
	dir = sz_strndup(path, (size_t)(slash - path));
	if (mkdir(dir, 0700) && errno != EEXIST)
		err = sz_error_set(e, -errno,
				   "cannot make the directory %s of the socket: %m", dir);
	free(dir);
	return err;
}

/* A socket that nobody answers on was left by a process that died. */
static int clear_stale(const char *path, const struct sockaddr_un *sa, struct sz_error *e)
{
	struct stat st;
	int fd, err = 0;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : sz_error_set(e, -errno, "cannot look at %s: %m", path);
	if (!S_ISSOCK(st.st_mode))
		return sz_error_set(e, -ENOTSOCK,
				    "%s exists and is not a socket; remove it or name another path",
				    path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return sz_error_set(e, -errno, "cannot create a socket: %m");
	if (!connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) || errno != ECONNREFUSED)
		err = sz_error_set(e, -EADDRINUSE,
				   "another process listens on %s; stop it or name another path",
				   path);
	else if (unlink(path))
		err = sz_error_set(e, -errno, "cannot remove the stale socket %s: %m", path);
	close(fd);
	return err;
}

/* The mode is set before the name exists, so nobody else can ever connect. */
static int listen_on(const char *path, const struct sockaddr_un *sa, struct stat *ret_st,
		     struct sz_error *e)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return sz_error_set(e, -errno, "cannot create a socket: %m");
	if (fchmod(fd, 0600) || bind(fd, (const struct sockaddr *)sa, sizeof(*sa)) ||
	    listen(fd, BACKLOG) || lstat(path, ret_st)) {
		err = sz_error_set(e, -errno, "cannot listen on %s: %m", path);
		close(fd);
		return err;
	}
	return fd;
}

int net_unix_listen(const char *path, struct stat *ret_st, struct sz_error *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int err;

	if (!*path || strlen(path) >= sizeof(sa.sun_path))
		return sz_error_set(e, -ENAMETOOLONG,
				    "the socket's path must have 1 to %zu bytes: %s",
				    sizeof(sa.sun_path) - 1, path);
	memcpy(sa.sun_path, path, strlen(path));
	err = make_dir_of(path, e);
	if (!err)
		err = clear_stale(path, &sa, e);
	return err ? err : listen_on(path, &sa, ret_st, e);
}

int sz_net_listen(struct sz_loop_ring *l, const char *path,
		  void (*fn)(struct sz_net_client *c, const char *line, size_t n, void *arg),
		  void *arg, struct sz_error *e)
{
	struct net_listener *s;
	struct stat st = { 0 };
	int fd = net_unix_listen(path, &st, e);

	if (fd < 0)
		return fd;
	s = sz_calloc(1, sizeof(*s));
	s->accept.kind = &accept_kind;
	s->pause.kind = &pause_kind;
	s->loop = l;
	s->fd = fd;
	s->path = sz_strdup(path);
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	s->fn = fn;
	s->arg = arg;
	s->next = l->listeners;
	l->listeners = s;
	net_arm(l, &s->accept);
	return 0;
}

/* ---- the end -------------------------------------------------------------------------------- */

void net_listeners_shut(struct sz_loop_ring *l)
{
	for (struct net_listener *s = l->listeners; s; s = s->next)
		for (struct sz_net_client *c = s->clients; c; c = c->next)
			net_client_shut(c);
}

/* By now another process may have bound its own socket there: only ours is removed. */
void net_unix_unlink(const char *path, dev_t dev, ino_t ino)
{
	struct stat st;

	if (!lstat(path, &st) && st.st_dev == dev && st.st_ino == ino)
		unlink(path);
}

void net_listeners_free(struct sz_loop_ring *l)
{
	while (l->listeners) {
		struct net_listener *s = l->listeners;

		l->listeners = s->next;
		while (s->clients)
			net_client_detach(s->clients);
		net_unix_unlink(s->path, s->dev, s->ino);
		close(s->fd);
		free(s->path);
		free(s);
	}
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A server of byte streams, TCP or UNIX, under the HTTP server. Called by the daemon at start.
 * Everything of a peer is bounded: its memory by whoever reads, its time by a deadline, its number
 * here. It must never end the loop: what goes wrong here is a request that fails.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/net_priv.h"

#define BACKLOG   128
#define TICK_NS   250000000ull
#define SEND_NS   10000000000ull /* for whatever was written */
#define DRAIN_NS  1000000000ull  /* for the peer to close */
#define DRAIN_MAX 262144u        /* bytes read for nothing meanwhile */
#define RECV_STEP 4096u
#define RECV_MAX  65536u
#define CLOSING   48 /* peers beyond the limit that are being closed */

struct net_server {
	struct net_op accept;
	struct sz_loop_ring *loop;
	struct net_server *next;
	struct sz_net_stream *streams; /* newest first */
	unsigned n_streams, max;
	bool paused; /* accept is tried again by the tick */
	int fd;
	char *path; /* of a UNIX socket */
	dev_t dev;
	ino_t ino;
	struct sz_net_stream_ops ops;
	void *arg;
};

/* At most one request is under way at any time. */
struct sz_net_stream {
	struct net_op recv, send;
	struct net_server *server;
	struct sz_net_stream *next, **link;
	void *user;
	int fd;
	bool shut;     /* freed as soon as its request ends */
	bool draining; /* what comes now is read for nothing */
	bool idle;     /* may be closed for another one */
	bool called;   /* its owner is being called: not freed before that returns */
	u64 deadline_ns;
	size_t sent, drained, step;
	struct sz_buf in, out;
};

static void stream_free(struct sz_net_stream *s)
{
	if (s->user)
		s->server->ops.closed(s->user);
	close(s->fd);
	*s->link = s->next;
	if (s->next)
		s->next->link = s->link;
	s->server->n_streams--;
	sz_buf_done(&s->in);
	sz_buf_done(&s->out);
	free(s);
}

static void stream_shut(struct sz_net_stream *s)
{
	s->shut = true;
	shutdown(s->fd, SHUT_RDWR);
}

/* Frees a stream that was shut and waits for nothing. */
static void settle(struct sz_net_stream *s)
{
	if (s->shut && !s->called && !s->recv.armed && !s->send.armed)
		stream_free(s);
}

/* ---- in ------------------------------------------------------------------------------------- */

static void recv_prep(struct net_op *op, struct io_uring_sqe *sqe)
{
	struct sz_net_stream *s = net_owner(op, struct sz_net_stream, recv);

	io_uring_prep_recv(sqe, s->fd, s->in.data + s->in.len, s->step, 0);
}

void sz_net_stream_read(struct sz_net_stream *s)
{
	if (s->shut || s->recv.armed || s->send.armed)
		return;
	s->step = s->in.len < RECV_STEP ? RECV_STEP : s->in.len;
	s->step = s->step < RECV_MAX ? s->step : RECV_MAX;
	sz_buf_reserve(&s->in, s->step);
	net_arm(s->server->loop, &s->recv);
}

const char *sz_net_stream_bytes(const struct sz_net_stream *s, size_t *ret_n)
{
	*ret_n = s->in.len;
	return s->in.data ? s->in.data : "";
}

void sz_net_stream_take(struct sz_net_stream *s, size_t n)
{
	s->in.len -= n;
	if (s->in.len)
		memmove(s->in.data, s->in.data + n, s->in.len);
	else
		sz_buf_done(&s->in); /* who says nothing holds nothing */
}

static void drained(struct sz_net_stream *s, size_t n)
{
	s->drained += n;
	s->in.len = 0;
	if (s->drained > DRAIN_MAX)
		stream_shut(s);
	else
		sz_net_stream_read(s);
}

static void recv_done(struct sz_loop_ring *l, struct net_op *op, int res)
{
	struct sz_net_stream *s = net_owner(op, struct sz_net_stream, recv);

	(void)l;
	if (res < 0 || (!res && s->draining))
		s->shut = true;
	if (!s->shut && s->draining) {
		drained(s, (size_t)res);
	} else if (!s->shut) {
		s->in.len += (size_t)res;
		s->called = true;
		s->server->ops.input(s, s->user, !res);
		s->called = false;
	}
	settle(s);
}

/* ---- out ------------------------------------------------------------------------------------ */

static void send_prep(struct net_op *op, struct io_uring_sqe *sqe)
{
	struct sz_net_stream *s = net_owner(op, struct sz_net_stream, send);

	io_uring_prep_send(sqe, s->fd, s->out.data + s->sent, s->out.len - s->sent, MSG_NOSIGNAL);
}

void sz_net_stream_write(struct sz_net_stream *s, struct sz_buf *b)
{
	if (s->shut || s->send.armed || s->recv.armed || !b->len) {
		sz_buf_done(b);
		return;
	}
	sz_buf_done(&s->out);
	s->out = *b;
	*b = (struct sz_buf){0};
	s->sent = 0;
	s->deadline_ns = sz_boot_ns() + SEND_NS;
	s->idle = true;
	net_arm(s->server->loop, &s->send);
}

static void send_done(struct sz_loop_ring *l, struct net_op *op, int res)
{
	struct sz_net_stream *s = net_owner(op, struct sz_net_stream, send);

	if (res <= 0)
		s->shut = true;
	else
		s->sent += (size_t)res;
	if (!s->shut && s->sent < s->out.len) {
		net_arm(l, op);
	} else if (!s->shut) {
		sz_buf_done(&s->out);
		s->called = true;
		s->server->ops.sent(s, s->user);
		s->called = false;
	}
	settle(s);
}

/* A close with unread bytes would be a reset, which can take the answer with it. */
void sz_net_stream_end(struct sz_net_stream *s)
{
	shutdown(s->fd, SHUT_WR);
	s->draining = true;
	s->in.len = 0;
	s->idle = true;
	s->deadline_ns = sz_boot_ns() + DRAIN_NS;
	sz_net_stream_read(s);
}

void sz_net_stream_close(struct sz_net_stream *s)
{
	stream_shut(s);
	settle(s);
}

void sz_net_stream_wait(struct sz_net_stream *s, u64 ns, bool idle)
{
	s->deadline_ns = ns ? sz_boot_ns() + ns : 0;
	s->idle = idle;
}

static const struct net_kind recv_kind = {
	.opcode = NET_RECV, .prep = recv_prep, .done = recv_done
};
static const struct net_kind send_kind = {
	.opcode = NET_SEND, .prep = send_prep, .done = send_done
};

/* ---- the server ----------------------------------------------------------------------------- */

/*
 * Is there room for one more? *ret_leaves is who must leave for it, the one that is idle for
 * longest; NULL: nobody. False where all are at work.
 */
static bool has_room(const struct net_server *s, struct sz_net_stream **ret_leaves)
{
	struct sz_net_stream *p, *oldest = NULL;
	unsigned open = 0;

	*ret_leaves = NULL;
	for (p = s->streams; p; p = p->next) {
		if (p->shut)
			continue;
		oldest = p->idle ? p : oldest;
		open++;
	}
	if (open < s->max)
		return s->n_streams < s->max + CLOSING;
	if (!oldest || s->n_streams >= s->max + CLOSING)
		return false;
	*ret_leaves = oldest;
	return true;
}

static void stream_new(struct net_server *s, int fd)
{
	struct sz_net_stream *p, *leaves;
	int one = 1;

	if (!has_room(s, &leaves)) {
		close(fd);
		return;
	}
	if (!s->path)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	p = sz_calloc(1, sizeof(*p));
	p->recv.kind = &recv_kind;
	p->send.kind = &send_kind;
	p->server = s;
	p->fd = fd;
	p->next = s->streams;
	p->link = &s->streams;
	if (p->next)
		p->next->link = &p->next;
	s->streams = p;
	s->n_streams++;
	if (leaves)
		sz_net_stream_close(leaves);
	p->user = s->ops.open(p, s->arg);
}

static void accept_prep(struct net_op *op, struct io_uring_sqe *sqe)
{
	struct net_server *s = net_owner(op, struct net_server, accept);

	io_uring_prep_multishot_accept(sqe, s->fd, NULL, NULL, SOCK_CLOEXEC);
}

static void accept_done(struct sz_loop_ring *l, struct net_op *op, int res)
{
	struct net_server *s = net_owner(op, struct net_server, accept);

	if (l->freeing) {
		if (res >= 0)
			close(res);
		return;
	}
	if (res >= 0)
		stream_new(s, res);
	if (!op->armed && res >= 0)
		net_arm(l, op);
	else if (!op->armed)
		s->paused = true;
}

static const struct net_kind accept_kind = {
	.opcode = NET_ACCEPT_TCP, .last = true, .prep = accept_prep, .done = accept_done
};

static void tick(void *arg)
{
	struct net_server *s = arg;
	struct sz_net_stream *p, *next;
	u64 now = sz_boot_ns();

	for (p = s->streams; p; p = next) {
		next = p->next;
		if (!p->shut && p->deadline_ns && now > p->deadline_ns)
			sz_net_stream_close(p);
	}
	if (s->paused) {
		s->paused = false;
		net_arm(s->loop, &s->accept);
	}
}

/* ---- its socket ----------------------------------------------------------------------------- */

static const u8 mapped[12] = { [10] = 0xff, [11] = 0xff };

static socklen_t socket_address(const struct sz_addr *addr, u16 port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)ret;

	memset(ret, 0, sizeof(*ret));
	if (!memcmp(addr->b, mapped, sizeof(mapped))) {
		v4->sin_family = AF_INET;
		v4->sin_port = port;
		memcpy(&v4->sin_addr, addr->b + sizeof(mapped), 4);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = port;
	memcpy(&v6->sin6_addr, addr->b, 16);
	return sizeof(*v6);
}

static int listen_tcp(const struct sz_addr *addr, u16 port, struct sz_error *e)
{
	struct sockaddr_storage sa;
	socklen_t n = socket_address(addr, port, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, err;
	char text[SZ_ADDR_STRLEN];

	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd >= 0 && !bind(fd, (const struct sockaddr *)&sa, n) && !listen(fd, BACKLOG))
		return fd;
	err = sz_error_set(e, -errno, "cannot listen on TCP port %u of %s: %m", ntohs(port),
			   sz_addr_format(addr, text));
	if (fd >= 0)
		close(fd);
	return err;
}

int sz_net_serve(struct sz_loop_ring *l, const struct sz_net_where *where, unsigned max,
		 const struct sz_net_stream_ops *ops, void *arg, struct sz_error *e)
{
	struct net_server *s;
	struct stat st = {0};
	int fd = where->path ? net_unix_listen(where->path, &st, e)
			     : listen_tcp(&where->addr, where->port, e), err;

	if (fd < 0)
		return fd;
	s = sz_calloc(1, sizeof(*s));
	s->accept.kind = &accept_kind;
	s->loop = l;
	s->fd = fd;
	s->max = max;
	s->path = where->path ? sz_strdup(where->path) : NULL;
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	s->ops = *ops;
	s->arg = arg;
	s->next = l->servers;
	l->servers = s;
	err = sz_net_every(l, TICK_NS, tick, s);
	if (err)
		return sz_error_set(e, err, "cannot set a timer: %s", strerror(-err));
	net_arm(l, &s->accept);
	return 0;
}

void net_servers_shut(struct sz_loop_ring *l)
{
	for (struct net_server *s = l->servers; s; s = s->next)
		for (struct sz_net_stream *p = s->streams; p; p = p->next)
			stream_shut(p);
}

void net_servers_free(struct sz_loop_ring *l)
{
	while (l->servers) {
		struct net_server *s = l->servers;
		struct sz_net_stream *p;

		l->servers = s->next;
		while ((p = s->streams)) {
			s->streams = p->next;
			stream_free(p);
		}
		if (s->path)
			net_unix_unlink(s->path, s->dev, s->ino);
		close(s->fd);
		free(s->path);
		free(s);
	}
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A TCP server of one question and one answer a connection, for the metrics endpoint. Called by the
 * daemon at start. Everything of a peer is bounded: its memory, its time and its number. It must
 * never end the loop: what goes wrong here is a scrape that fails.
 */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net_priv.h"

#define BACKLOG   64
#define PEERS_MAX 16      /* beyond, the oldest is closed */
#define PEERS_ALL 64      /* with those that are being closed */
#define TICK_NS   250000000ull
#define READ_NS   5000000000ull  /* for the whole question */
#define SEND_NS   10000000000ull /* for the whole answer */
#define DRAIN_NS  1000000000ull  /* for the peer to close */
#define DRAIN_MAX 262144u        /* bytes read for nothing meanwhile */

struct net_server {
	struct net_op accept;
	struct sz_loop_ring *loop;
	struct net_server *next;
	struct tcp_peer *peers; /* newest first */
	unsigned n_peers;
	bool paused; /* accept is tried again by the tick */
	int fd;
	void (*fn)(const char *head, size_t n, struct sz_buf *ret, void *arg);
	void *arg;
};

/* One request is under way at any time, so a peer is freed where that one ends. */
struct tcp_peer {
	struct net_op recv, send;
	struct net_server *server;
	struct tcp_peer *next, **link;
	int fd;
	bool shut;     /* freed as soon as its request ends */
	bool answered; /* what comes now is read for nothing */
	u64 deadline_ns;
	size_t n, sent, drained;
	struct sz_buf out;
	char head[SZ_NET_HEAD_MAX];
};

static void peer_free(struct tcp_peer *p)
{
	close(p->fd);
	*p->link = p->next;
	if (p->next)
		p->next->link = p->link;
	p->server->n_peers--;
	sz_buf_done(&p->out);
	free(p);
}

static void peer_shut(struct tcp_peer *p)
{
	p->shut = true;
	shutdown(p->fd, SHUT_RDWR);
}

/* ---- a peer: question, answer, end ---------------------------------------------------------- */

static void recv_prep(struct net_op *op, struct io_uring_sqe *sqe)
{
	struct tcp_peer *p = net_owner(op, struct tcp_peer, recv);

	io_uring_prep_recv(sqe, p->fd, p->head + p->n, sizeof(p->head) - p->n, 0);
}

static void send_prep(struct net_op *op, struct io_uring_sqe *sqe)
{
	struct tcp_peer *p = net_owner(op, struct tcp_peer, send);

	io_uring_prep_send(sqe, p->fd, p->out.data + p->sent, p->out.len - p->sent, MSG_NOSIGNAL);
}

static void answer(struct tcp_peer *p, size_t n)
{
	p->server->fn(p->head, n, &p->out, p->server->arg);
	p->deadline_ns = sz_boot_ns() + SEND_NS;
	if (p->out.len)
		net_arm(p->server->loop, &p->send);
	else
		peer_free(p);
}

/* A close with unread bytes would be a reset, which can take the answer with it. */
static void drain(struct tcp_peer *p)
{
	shutdown(p->fd, SHUT_WR);
	p->answered = true;
	p->n = 0;
	p->deadline_ns = sz_boot_ns() + DRAIN_NS;
	net_arm(p->server->loop, &p->recv);
}

static void recv_done(struct sz_loop_ring *l, struct net_op *op, int res)
{
	struct tcp_peer *p = net_owner(op, struct tcp_peer, recv);
	size_t from = p->n > 3 ? p->n - 3 : 0;
	const char *end;

	if (res <= 0 || p->shut) {
		peer_free(p);
		return;
	}
	if (p->answered) {
		p->drained += (size_t)res;
		if (p->drained > DRAIN_MAX)
			peer_free(p);
		else
			net_arm(l, op);
		return;
	}
	p->n += (size_t)res;
	end = memmem(p->head + from, p->n - from, "\r\n\r\n", 4);
	if (end)
		answer(p, (size_t)(end - p->head) + 4);
	else if (p->n == sizeof(p->head))
		answer(p, 0);
	else
		net_arm(l, op);
}

static void send_done(struct sz_loop_ring *l, struct net_op *op, int res)
{
	struct tcp_peer *p = net_owner(op, struct tcp_peer, send);

	if (res <= 0 || p->shut) {
		peer_free(p);
		return;
	}
	p->sent += (size_t)res;
	if (p->sent < p->out.len)
		net_arm(l, op);
	else
		drain(p);
}

static const struct net_kind recv_kind = {
	.opcode = NET_RECV, .prep = recv_prep, .done = recv_done
};
static const struct net_kind send_kind = {
	.opcode = NET_SEND, .prep = send_prep, .done = send_done
};

/* ---- the server ----------------------------------------------------------------------------- */

static void shut_oldest(struct net_server *s)
{
	struct tcp_peer *p, *oldest = NULL;
	unsigned open = 0;

	for (p = s->peers; p; p = p->next) {
		if (p->shut)
			continue;
		oldest = p;
		open++;
	}
	if (open >= PEERS_MAX)
		peer_shut(oldest);
}

static void peer_new(struct net_server *s, int fd)
{
	struct tcp_peer *p;

	shut_oldest(s);
	if (s->n_peers >= PEERS_ALL) {
		close(fd);
		return;
	}
	p = sz_calloc(1, sizeof(*p));
	p->recv.kind = &recv_kind;
	p->send.kind = &send_kind;
	p->server = s;
	p->fd = fd;
	p->deadline_ns = sz_boot_ns() + READ_NS;
	p->next = s->peers;
	p->link = &s->peers;
	if (p->next)
		p->next->link = &p->next;
	s->peers = p;
	s->n_peers++;
	net_arm(s->loop, &p->recv);
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
		peer_new(s, res);
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
	u64 now = sz_boot_ns();

	for (struct tcp_peer *p = s->peers; p; p = p->next)
		if (!p->shut && now > p->deadline_ns)
			peer_shut(p);
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

static int listen_on(const struct sz_addr *addr, u16 port, struct sz_error *e)
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

int sz_net_serve(struct sz_loop_ring *l, const struct sz_addr *addr, u16 port,
		 void (*fn)(const char *head, size_t n, struct sz_buf *ret, void *arg), void *arg,
		 struct sz_error *e)
{
	struct net_server *s;
	int fd = listen_on(addr, port, e), err;

	if (fd < 0)
		return fd;
	s = sz_calloc(1, sizeof(*s));
	s->accept.kind = &accept_kind;
	s->loop = l;
	s->fd = fd;
	s->fn = fn;
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
		for (struct tcp_peer *p = s->peers; p; p = p->next)
			peer_shut(p);
}

void net_servers_free(struct sz_loop_ring *l)
{
	while (l->servers) {
		struct net_server *s = l->servers;
		struct tcp_peer *p, *next;

		l->servers = s->next;
		for (p = s->peers; p; p = next) {
			next = p->next;
			peer_free(p);
		}
		close(s->fd);
		free(s);
	}
}

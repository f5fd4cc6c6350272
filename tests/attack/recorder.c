/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The server behind the guard: keeps every byte of every socket, in order, and answers each
 * complete request with its own path, so that the client can tell whose answer it is. It can be
 * slow to read, close, or reset, as the case of the connection says.
 */
#include "attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int listen_on(int family)
{
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(att_lab.port)};
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(att_lab.port)};
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one))) ||
	    bind(fd, family == AF_INET ? (struct sockaddr *)&a4 : (struct sockaddr *)&a6,
		 family == AF_INET ? sizeof(a4) : sizeof(a6)) ||
	    listen(fd, 1024))
		att_die("the recorder cannot listen on port %u: %s", att_lab.port, strerror(errno));
	return fd;
}

void att_recorder_open(void)
{
	att_lab.listeners[0] = listen_on(AF_INET);
	att_lab.listeners[1] = listen_on(AF_INET6);
}

static void shut(struct att_record *r, bool reset)
{
	struct linger now = {.l_onoff = 1};

	if (r->fd < 0)
		return;
	if (reset)
		setsockopt(r->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(r->fd);
	r->fd = -1;
}

static void answer(struct att_record *r, const struct att_parsed *q)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n%.*s",
			 q->path_len, (int)q->path_len,
			 (const char *)r->bytes + r->parsed + q->path_at);

	/* Small and few: they fit the socket's buffer, or the client is gone. */
	if (n > 0 && n < (int)sizeof(text) && send(r->fd, text, (size_t)n, MSG_NOSIGNAL) < 0)
		return;
}

static void read_requests(struct att_record *r, u64 now)
{
	const struct att_case *c = r->c;
	struct att_parsed q;
	enum att_http what;

	while (!r->bad && r->parsed < r->len && r->read_from <= now) {
		what = att_http_read(r->bytes + r->parsed, r->len - r->parsed, &q);
		if (what == ATT_HTTP_MORE)
			return;
		if (what == ATT_HTTP_BAD) {
			r->bad = true;
			return;
		}
		if (r->fd >= 0)
			answer(r, &q);
		r->parsed += q.len;
		r->complete++;
		if (c->server == ATT_S_PACED && r->fd >= 0)
			r->read_from = now + (u64)c->server_after * 1000000;
		if (c->server >= ATT_S_CLOSES && r->complete == c->server_after)
			shut(r, c->server == ATT_S_RESETS);
	}
}

/* Reads what there is. */
static void read_bytes(struct att_record *r, u64 now)
{
	ssize_t n;

	while (r->fd >= 0) {
		if (r->len + 4096 > r->room) {
			r->room = r->room ? 2 * r->room : 8192;
			r->bytes = realloc(r->bytes, r->room);
			if (!r->bytes)
				att_die("out of memory");
		}
		n = recv(r->fd, r->bytes + r->len, r->room - r->len, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			shut(r, false);
			return;
		}
		r->len += (u32)n;
		read_requests(r, now);
	}
}

/* One connection; false: none waits. */
static bool take(int listener, bool v6, u64 now)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} peer;
	socklen_t len = sizeof(peer);
	u8 addr[16] = {0};
	struct att_record *r;
	struct att_case *c;
	int one = 1, room = 2048, fd;

	fd = accept4(listener, &peer.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return false;
	if (v6)
		memcpy(addr, &peer.v6.sin6_addr, 16);
	else
		memcpy(addr, &peer.v4.sin_addr, 4);
	c = att_engine_find(v6, addr);
	r = att_alloc(sizeof(*r));
	r->fd = fd;
	r->c = c;
	if (!c) { /* its case has ended */
		shut(r, true);
		free(r);
		return true;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (c->server == ATT_S_SLOW) {
		/* A window smaller than a piece already admitted would stall for good: recut. */
		if (!c->legit)
			setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
		r->read_from = now + (u64)c->server_after * 1000000;
	}
	r->next = c->records;
	c->records = r;
	return true;
}

void att_recorder_accept(u64 now)
{
	while (take(att_lab.listeners[0], false, now))
		;
	while (take(att_lab.listeners[1], true, now))
		;
}

void att_recorder_read(struct att_case *c, u64 now)
{
	struct att_record *r;

	for (r = c->records; r; r = r->next) {
		if (r->read_from > now)
			continue;
		read_bytes(r, now);
		read_requests(r, now);
	}
}

void att_recorder_finish(struct att_case *c)
{
	struct att_record *r;

	for (r = c->records; r; r = r->next) {
		read_bytes(r, UINT64_MAX);
		shut(r, true);
	}
}

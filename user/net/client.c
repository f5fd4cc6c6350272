/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One peer of the control socket: lines in, queued bytes out. Called by the loop and, to answer,
 * by whoever handles the lines. A peer that sends too long a line or does not read its answers is
 * closed; it never makes the daemon wait or grow.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/listen_priv.h"

#define RECV_STEP 4096u

static size_t waiting_bytes(const struct sz_net_client *c)
{
	return c->out.len - c->sent + c->queued.len;
}

static void client_unref(struct sz_net_client *c)
{
	if (--c->refs)
		return;
	sz_buf_done(&c->in);
	sz_buf_done(&c->out);
	sz_buf_done(&c->queued);
	free(c);
}

void net_client_shut(struct sz_net_client *c)
{
	c->broken = true;
	shutdown(c->fd, SHUT_RDWR);
}

void net_client_detach(struct sz_net_client *c)
{
	close(c->fd);
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	c->listener->nclients--;
	c->listener = NULL;
	client_unref(c);
}

/*
 * Closes a peer that is finished: broken, or one that sends no more, got all its answers and is
 * held by nobody who could still answer.
 */
static void client_settle(struct sz_net_client *c)
{
	if (!c->listener || c->recv.armed || c->send.armed)
		return;
	if (c->broken || (c->eof && !waiting_bytes(c) && c->refs == 1))
		net_client_detach(c);
}

/* ---- in ------------------------------------------------------------------------------------- */

static void recv_prep(struct net_op *op, struct io_uring_sqe *sqe)
{
	struct sz_net_client *c = net_owner(op, struct sz_net_client, recv);

	io_uring_prep_recv(sqe, c->fd, c->in.data + c->in.len, RECV_STEP, 0);
}

static void client_recv(struct sz_net_client *c)
{
	sz_buf_reserve(&c->in, RECV_STEP);
	net_arm(c->listener->loop, &c->recv);
}

/* Hands out every whole line and keeps the rest. */
static void take_lines(struct sz_net_client *c)
{
	size_t start = 0;
	char *end;

	while (!c->broken &&
	       (end = memchr(c->in.data + c->scanned, '\n', c->in.len - c->scanned)) != NULL) {
		char *line = c->in.data + start;
		size_t n = (size_t)(end - line);

		if (n > NET_LINE_MAX) {
			net_client_shut(c);
			return;
		}
		*end = 0;
		start = c->scanned = (size_t)(end - c->in.data) + 1;
		c->listener->fn(c, line, n, c->listener->arg);
	}
	memmove(c->in.data, c->in.data + start, c->in.len - start);
	c->in.len -= start;
	c->in.data[c->in.len] = 0;
	c->scanned = c->in.len;
	if (c->in.len > NET_LINE_MAX)
		net_client_shut(c);
}

static void recv_done(struct sz_loop_ring *l, struct net_op *op, int res)
{
	struct sz_net_client *c = net_owner(op, struct sz_net_client, recv);

	(void)l;
	if (res < 0) {
		net_client_shut(c);
	} else if (!res) {
		c->eof = true;
	} else if (!c->broken) {
		c->in.len += (size_t)res;
		c->refs++; /* whatever the handler releases, the peer stays until it returns */
		take_lines(c);
		c->refs--;
	}
	if (!c->broken && !c->eof)
		client_recv(c);
	client_settle(c);
}

/* ---- out ------------------------------------------------------------------------------------ */

static void send_prep(struct net_op *op, struct io_uring_sqe *sqe)
{
	struct sz_net_client *c = net_owner(op, struct sz_net_client, send);

	io_uring_prep_send(sqe, c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);
}

/* Starts the next send where none is under way. `out` never moves while the kernel reads it. */
static void client_send(struct sz_net_client *c)
{
	struct sz_buf empty;

	if (c->broken || c->send.armed || !waiting_bytes(c))
		return;
	if (c->sent == c->out.len) {
		sz_buf_reset(&c->out);
		empty = c->out;
		c->out = c->queued;
		c->queued = empty;
		c->sent = 0;
	}
	net_arm(c->listener->loop, &c->send);
}

static void send_done(struct sz_loop_ring *l, struct net_op *op, int res)
{
	struct sz_net_client *c = net_owner(op, struct sz_net_client, send);

	(void)l;
	if (res < 0)
		net_client_shut(c);
	else
		c->sent += (size_t)res;
	client_send(c);
	client_settle(c);
}

void sz_net_send(struct sz_net_client *c, const void *p, size_t n)
{
	if (!c->listener || c->broken || !n)
		return;
	if (n > NET_QUEUE_MAX || waiting_bytes(c) + n > NET_QUEUE_MAX) {
		/* Closed by the request under way, or at the end of the handler. */
		net_client_shut(c);
		return;
	}
	sz_buf_add(&c->queued, p, n);
	client_send(c);
}

/* ---- a peer's life -------------------------------------------------------------------------- */

static const struct net_kind recv_kind = {
	.opcode = NET_RECV, .prep = recv_prep, .done = recv_done
};
static const struct net_kind send_kind = {
	.opcode = NET_SEND, .prep = send_prep, .done = send_done
};

int net_client_new(struct net_listener *s, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	struct sz_net_client *c;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return -errno;
	c = sz_calloc(1, sizeof(*c));
	c->recv.kind = &recv_kind;
	c->send.kind = &send_kind;
	c->listener = s;
	c->fd = fd;
	c->uid = cred.uid;
	c->refs = 1;
	c->next = s->clients;
	c->link = &s->clients;
	if (c->next)
		c->next->link = &c->next;
	s->clients = c;
	s->nclients++;
	client_recv(c);
	return 0;
}

uid_t sz_net_client_uid(const struct sz_net_client *c)
{
	return c->uid;
}

struct sz_net_client *sz_net_client_hold(struct sz_net_client *c)
{
	c->refs++;
	return c;
}

void sz_net_client_release(struct sz_net_client *c)
{
	if (!c->listener) {
		client_unref(c);
		return;
	}
	/* The last reference of an open peer is the listener's own. */
	if (c->refs < 2)
		abort();
	if (--c->refs == 1)
		client_settle(c);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The control socket's two halves: the listener (listen.c) and its peers (client.c). Only those
 * two include it. A peer's memory stays while a request on it is under way or somebody holds it.
 */
#ifndef SZ_NET_LISTEN_PRIV_H
#define SZ_NET_LISTEN_PRIV_H

#include "net/net_priv.h"

#define NET_CLIENTS_MAX 64
#define NET_LINE_MAX 1048576u  /* bytes of a line without its newline */
#define NET_QUEUE_MAX 16777216u /* bytes waiting for a peer; more and it is dropped */

struct net_listener {
	struct net_op accept, pause;
	struct __kernel_timespec pause_ts;
	struct sz_loop_ring *loop;
	struct net_listener *next;
	struct sz_net_client *clients;
	unsigned nclients;
	int fd;
	char *path;
	dev_t dev; /* of the socket as it was bound */
	ino_t ino;
	void (*fn)(struct sz_net_client *c, const char *line, size_t n, void *arg);
	void *arg;
};

struct sz_net_client {
	struct net_op recv, send;
	struct net_listener *listener; /* NULL once closed */
	struct sz_net_client *next, **link;
	int fd;
	uid_t uid;
	unsigned refs;
	bool eof;     /* the peer sends no more */
	bool broken;  /* close as soon as no request is under way */
	struct sz_buf in;
	size_t scanned;       /* bytes of `in` without a newline */
	struct sz_buf out;    /* being sent, from `sent` on */
	size_t sent;
	struct sz_buf queued; /* to be sent after `out` */
};

/* Takes over fd where it returns 0. */
int net_client_new(struct net_listener *s, int fd);
/* Makes requests under way on the peer end soon. */
void net_client_shut(struct sz_net_client *c);
/* Closes the peer; no request may be under way. Memory goes with the last reference. */
void net_client_detach(struct sz_net_client *c);

#endif

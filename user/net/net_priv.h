/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Inside the event loop: typed operations. user_data of every request points to a struct net_op,
 * whose kind says how the request is made and who gets its result. Only the files of this room
 * include it. Nothing here may be used from another thread than the loop's.
 */
#ifndef SZ_NET_PRIV_H
#define SZ_NET_PRIV_H

#include <liburing.h>
#include <sys/stat.h>

#include "net/net.h"

struct net_op;

/* Rows of the error table in errors.c. */
enum net_opcode {
	NET_POLL,
	NET_TIMER,
	NET_READ,
	NET_WRITE,
	NET_SYNC,
	NET_ACCEPT,
	NET_ACCEPT_TCP,
	NET_RECV,
	NET_SEND,
	NET_CANCEL,
	NET_WATCH,
	NET_OPCODES,
};

/* What becomes of a request that ended with an error. */
enum net_then {
	NET_FATAL = 0, /* an event source is lost: the loop ends with the error */
	NET_AGAIN,     /* nothing happened: make the same request again */
	NET_OWNER,     /* the owner's done() gets the error */
};

struct net_kind {
	enum net_opcode opcode;
	bool last; /* done() is called even while the loop is being freed */
	void (*prep)(struct net_op *op, struct io_uring_sqe *sqe);
	void (*done)(struct sz_loop_ring *l, struct net_op *op, int res);
};

struct net_op {
	const struct net_kind *kind;
	struct net_op *link;    /* runs after this one, in the same submission; or NULL */
	struct net_op *waiting; /* next in the queue for a free submission slot */
	bool armed;             /* the kernel or the queue has it: its memory must stay */
};

#define net_owner(op, type, member) ((type *)((char *)(op) - offsetof(type, member)))

/* An event source that lives as long as the loop. fd is closed with it; -1: nothing to close. */
struct net_source {
	struct net_op op;
	struct sz_loop_ring *loop;
	struct net_source *next;
	int fd;
};

struct net_listener;
struct net_server;

struct sz_loop_ring {
	struct io_uring ring;
	struct net_op *wait_first, **wait_last;
	struct net_op cancel;
	struct net_source *sources;
	struct net_listener *listeners;
	struct net_server *servers;
	struct sz_net_watch *watches;
	unsigned inflight; /* requests the kernel has */
	unsigned appends;  /* appends whose fn was not called yet */
	bool stop;
	bool freeing;
	int error; /* what ends the loop, -errno */
	struct sz_hist pauses;
};

enum net_then net_after_error(enum net_opcode opcode, int err);

/* Makes the request of op (and of its link); never fails, waits for a slot where none is free. */
void net_arm(struct sz_loop_ring *l, struct net_op *op);
/* Ends sz_net_run with err. */
void net_fatal(struct sz_loop_ring *l, int err);
/* A source of `size` bytes, beginning with a struct net_source, freed with the loop. */
void *net_source_new(struct sz_loop_ring *l, size_t size, const struct net_kind *kind, int fd);

/* The control sockets' part of sz_net_free: before and after the last completion. */
void net_listeners_shut(struct sz_loop_ring *l);
void net_listeners_free(struct sz_loop_ring *l);

/* listen.c: a UNIX socket of mode 0600, a stale one removed first; its descriptor, or -errno. */
int net_unix_listen(const char *path, struct stat *ret_st, struct sz_error *e);
/* Removes the name where it still is that socket. */
void net_unix_unlink(const char *path, dev_t dev, ino_t ino);

/* The same for servers of streams. */
void net_servers_shut(struct sz_loop_ring *l);
void net_servers_free(struct sz_loop_ring *l);

/* What is left of watches, behind the last completion. */
void net_watches_free(struct sz_loop_ring *l);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What becomes of a request that failed, per opcode: one table, apart from the hot path. Called by
 * the loop for every negative result. An error that is not named ends the loop or goes to the
 * owner, as the row says; none is ever dropped in silence.
 */
#include "net/net_priv.h"

#define ERRORS_NAMED 6

struct error_row {
	enum net_then otherwise;
	struct {
		int err;
		enum net_then then;
	} named[ERRORS_NAMED];
};

static const struct error_row rows[NET_OPCODES] = {
	[NET_POLL] = { NET_FATAL,
		       { { -EINTR, NET_AGAIN }, { -EAGAIN, NET_AGAIN }, { -ENOMEM, NET_AGAIN } } },
	/* -ETIME is a tick; -EINVAL is a kernel without multishot timeouts. */
	[NET_TIMER] = { NET_FATAL, { { -ETIME, NET_OWNER }, { -EINVAL, NET_OWNER } } },
	[NET_READ] = { NET_FATAL,
		       { { -EINTR, NET_AGAIN }, { -EAGAIN, NET_AGAIN }, { -ENOMEM, NET_AGAIN } } },
	/* The owner sees both halves of an append, whichever failed. */
	[NET_WRITE] = { NET_OWNER, { { 0 } } },
	[NET_SYNC] = { NET_OWNER, { { 0 } } },
	/* Without descriptors or memory at once again would spin: the owner pauses. */
	[NET_ACCEPT] = { NET_FATAL,
			 { { -EINTR, NET_AGAIN },
			   { -ECONNABORTED, NET_AGAIN },
			   { -EMFILE, NET_OWNER },
			   { -ENFILE, NET_OWNER },
			   { -ENOBUFS, NET_OWNER },
			   { -ENOMEM, NET_OWNER } } },
	/* A connection that is lost before it is taken is no reason to end: the owner pauses. */
	[NET_ACCEPT_TCP] = { NET_OWNER, { { -EINTR, NET_AGAIN }, { -ECONNABORTED, NET_AGAIN } } },
	[NET_RECV] = { NET_OWNER, { { -EINTR, NET_AGAIN }, { -EAGAIN, NET_AGAIN } } },
	[NET_SEND] = { NET_OWNER, { { -EINTR, NET_AGAIN }, { -EAGAIN, NET_AGAIN } } },
	[NET_CANCEL] = { NET_OWNER, { { 0 } } },
	/* Somebody else's descriptor: who watches it hears of all that goes wrong with it. */
	[NET_WATCH] = { NET_OWNER, { { 0 } } },
};

enum net_then net_after_error(enum net_opcode opcode, int err)
{
	const struct error_row *row = &rows[opcode];

	for (size_t i = 0; i < ERRORS_NAMED; i++)
		if (row->named[i].err == err)
			return row->named[i].then;
	return row->otherwise;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Audit records to the journal (its native protocol) and to a syslog daemon (RFC 5424), by
 * datagrams over sockets. Called by the journal for each record, in the loop. It never blocks and
 * never makes anybody wait: what the receiver does not take is kept up to a limit, then dropped and
 * counted. It tells what the log tells and nothing more.
 */
#ifndef SZ_FORWARD_FORWARD_H
#define SZ_FORWARD_FORWARD_H

#include "audit/audit.h"
#include "config/config.h"
#include "net/net.h"

enum sz_forward_target { SZ_FORWARD_JOURNALD, SZ_FORWARD_SYSLOG, SZ_FORWARD_TARGETS };
const char *sz_forward_name(enum sz_forward_target t); /* "journald", "syslog" */

#define SZ_FORWARD_QUEUE (1u << 20)  /* bytes that wait for one receiver */
#define SZ_FORWARD_LINE  (32u << 10) /* a longer record is only told of */

struct sz_forward;

/* Sends nothing until it is configured. A receiver that is not there yet is looked for again. */
struct sz_forward *sz_forward_new(struct sz_loop_ring *l);
/* What the configuration asks for from now on; cheap where nothing has changed. */
void sz_forward_configure(struct sz_forward *f, const struct sz_conf *c);
/* A record and its line in the log, without line end. */
void sz_forward_record(struct sz_forward *f, const struct sz_audit_record *r, const char *line,
		       size_t n);
void sz_forward_free(struct sz_forward *f); /* before or behind the loop; NULL is fine */

struct sz_forward_stats {
	bool on, connected;
	u64 sent, dropped; /* records */
	u64 waiting;       /* bytes */
};
void sz_forward_look(const struct sz_forward *f, enum sz_forward_target which,
		     struct sz_forward_stats *ret);

#endif

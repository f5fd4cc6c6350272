/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared inside the forward room: a record as the datagram that each receiver reads. Tests include
 * it too.
 */
#ifndef SZ_FORWARD_FORWARD_PRIV_H
#define SZ_FORWARD_FORWARD_PRIV_H

#include "forward/forward.h"

struct sz_forward_from {
	char host[256]; /* "-" where it cannot be told */
	pid_t pid;
	u32 facility;
};
/* Appends the whole datagram. `line` is a record of the log, so it holds no control characters. */
void sz_forward_journald(struct sz_buf *b, const struct sz_forward_from *from,
			 const struct sz_audit_record *r, const char *line, size_t n);
void sz_forward_syslog(struct sz_buf *b, const struct sz_forward_from *from,
		       const struct sz_audit_record *r, const char *line, size_t n);
enum sz_audit_severity sz_forward_severity(const struct sz_audit_record *r);

#endif

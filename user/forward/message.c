/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One record as a datagram: of journald's native protocol, or of RFC 5424. Called by forward.c. The
 * record's line is taken as it stands in the log, where it is escaped already.
 */
#include "forward/forward_priv.h"

#include <string.h>

/* The same for every record, so that journalctl finds them. */
#define MESSAGE_ID "5b7c0e5d1f6f4d0f9f4b2f0c6f0a9d11"
#define TIME_AT    ",\"time\":\""
#define MICRO_LEN  26 /* "2026-11-21T12:00:00.123456": RFC 5424 knows no finer time */

enum sz_audit_severity sz_forward_severity(const struct sz_audit_record *r)
{
	return sz_audit_severity(r->type, r->reason, r->has_verdict && r->verdict != SZ_ALLOW);
}

/* RFC 5424, table 2: critical, error, warning, notice, informational. */
static unsigned level(const struct sz_audit_record *r)
{
	static const unsigned char levels[] = {
		[SZ_AUDIT_INFO] = 6, [SZ_AUDIT_LOW] = 5, [SZ_AUDIT_MEDIUM] = 4,
		[SZ_AUDIT_HIGH] = 3, [SZ_AUDIT_CRITICAL] = 2,
	};

	return levels[sz_forward_severity(r)];
}

static void add_line(struct sz_buf *b, const char *line, size_t n)
{
	if (n <= SZ_FORWARD_LINE)
		sz_buf_add(b, line, n);
	else
		sz_buf_printf(b, "a record of %zu bytes, beginning %.*s", n,
			      (int)strcspn(line, ","), line);
}

void sz_forward_journald(struct sz_buf *b, const struct sz_forward_from *from,
			 const struct sz_audit_record *r, const char *line, size_t n)
{
	sz_buf_printf(b, "SYSLOG_IDENTIFIER=subzerod\nSYSLOG_FACILITY=%u\nPRIORITY=%u\n"
			 "MESSAGE_ID=" MESSAGE_ID "\nSUBZERO_TYPE=%s\nSUBZERO_SEVERITY=%s\n",
		      from->facility, level(r), sz_audit_type_name(r->type),
		      sz_audit_severity_name(sz_forward_severity(r)));
	if (r->reason != SZ_R_NONE)
		sz_buf_printf(b, "SUBZERO_REASON=%s\n", sz_reason_label(r->reason));
	if (r->service)
		sz_buf_printf(b, "SUBZERO_SERVICE=%s\n", r->service);
	sz_buf_printf(b, "MESSAGE=");
	add_line(b, line, n);
	sz_buf_add(b, "\n", 1);
}

void sz_forward_syslog(struct sz_buf *b, const struct sz_forward_from *from,
		       const struct sz_audit_record *r, const char *line, size_t n)
{
	const char *at = memmem(line, n < 64 ? n : 64, TIME_AT, sizeof(TIME_AT) - 1);
	size_t left = at ? n - (size_t)(at - line) - (sizeof(TIME_AT) - 1) : 0;

	sz_buf_printf(b, "<%u>1 ", from->facility * 8 + level(r));
	if (left >= MICRO_LEN)
		sz_buf_printf(b, "%.*sZ", MICRO_LEN, at + sizeof(TIME_AT) - 1);
	else
		sz_buf_printf(b, "-");
	sz_buf_printf(b, " %s subzerod %d %s - ", from->host, (int)from->pid,
		      sz_audit_type_name(r->type));
	add_line(b, line, n);
}

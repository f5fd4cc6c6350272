/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How grave a record is, for filters and exports. A rule over what the record says; nothing is
 * stored, so a record and its severity cannot contradict each other.
 */
#include "audit/audit.h"

#include "core/core.h"

const char *sz_audit_severity_name(enum sz_audit_severity s)
{
	static const char *const names[] = {
		[SZ_AUDIT_INFO] = "informational", [SZ_AUDIT_LOW] = "low",
		[SZ_AUDIT_MEDIUM] = "medium",      [SZ_AUDIT_HIGH] = "high",
		[SZ_AUDIT_CRITICAL] = "critical",
	};

	return (size_t)s < SZ_ARRAY_LEN(names) && names[s] ? names[s] : "unknown";
}

/* Refusals that an ordinary client does not get. */
static enum sz_audit_severity of_refusal(u32 reason)
{
	switch (reason) {
	case SZ_R_DESYNC:
	case SZ_R_SPOOFED:
	case SZ_R_UNCONFIGURED:
		return SZ_AUDIT_HIGH;
	case SZ_R_BAD_TOKEN:
	case SZ_R_REVOKED:
	case SZ_R_BAD_ISSUER:
	case SZ_R_UNKNOWN_KEY:
	case SZ_R_BAD_REQUEST:
	case SZ_R_BANNED:
	case SZ_R_CHANGED:
	case SZ_R_OVERLOAD:
	case SZ_R_BUSY:
	case SZ_R_STATE_FULL:
	case SZ_R_NO_DAEMON:
		return SZ_AUDIT_MEDIUM;
	}
	return SZ_AUDIT_LOW;
}

enum sz_audit_severity sz_audit_severity(enum sz_audit_type t, u32 reason, bool denied)
{
	switch (t) {
	case SZ_AUDIT_SHED:
		return SZ_AUDIT_CRITICAL;
	case SZ_AUDIT_LOST:
		return SZ_AUDIT_HIGH;
	case SZ_AUDIT_REVOKE:
	case SZ_AUDIT_BAN:
	case SZ_AUDIT_ADMIN:
	case SZ_AUDIT_KEY:
	case SZ_AUDIT_REMOVED:
		return SZ_AUDIT_MEDIUM;
	case SZ_AUDIT_START:
	case SZ_AUDIT_STOP:
	case SZ_AUDIT_RELOAD:
		return SZ_AUDIT_LOW;
	default:
		return denied ? of_refusal(reason) : SZ_AUDIT_INFO;
	}
}

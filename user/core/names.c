/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Names of verdict reasons and methods, generated from the lists in include/subzero/. Called by
 * the audit log, the metrics and the CLI. Any number is accepted: unknown ones have a name too.
 */
#include <string.h>

#include "core/core.h"

struct reason_name {
	const char *label;
	const char *text;
	int http;
};

#define REASON_NAME(n, NAME, l, h, t) [n] = { .label = (l), .text = (t), .http = (h) },
static const struct reason_name reasons[SZ_REASON_MAX] = { SZ_REASONS(REASON_NAME) };

#define METHOD_NAME(n, NAME) [n] = #NAME,
static const char *const methods[SZ_METHOD_COUNT] = { SZ_METHODS(METHOD_NAME) };

static const struct reason_name *reason_name(u32 reason)
{
	static const struct reason_name unknown = { "unknown", "unknown reason", 0 };

	if (reason >= SZ_REASON_MAX || !reasons[reason].label)
		return &unknown;
	return &reasons[reason];
}

const char *sz_reason_label(u32 reason)
{
	return reason_name(reason)->label;
}

const char *sz_reason_text(u32 reason)
{
	return reason_name(reason)->text;
}

int sz_reason_http(u32 reason)
{
	return reason_name(reason)->http;
}

const char *sz_method_name(u32 method)
{
	return methods[method < SZ_METHOD_COUNT ? method : SZ_M_OTHER];
}

/* Methods are case-sensitive (RFC 9110 section 9.1). */
enum sz_method sz_method_parse(const char *s, size_t n)
{
	for (u32 m = 0; m < SZ_M_OTHER; m++)
		if (strlen(methods[m]) == n && !memcmp(methods[m], s, n))
			return (enum sz_method)m;
	return SZ_M_OTHER;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the headers of an answer say about keeping it. Pure; called for each answer, with bytes of
 * somebody else: what cannot be read means that it is not kept.
 */
#include <string.h>
#include <strings.h>

#include "fetch/fetch_priv.h"

#define SECONDS_MAX 31536000 /* a year: RFC 9111 section 1.2.2 lets a cache stop counting */

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

s64 sz_fetch_seconds(const char *s, size_t n)
{
	s64 v = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		if (v < SECONDS_MAX)
			v = v * 10 + (s[i] - '0');
	}
	return !n ? -1 : v > SECONDS_MAX ? SECONDS_MAX : v;
}

static bool named(const char *s, size_t n, const char *name)
{
	return n == strlen(name) && !strncasecmp(s, name, n);
}

/* One directive, "name" or "name=value"; false where nothing may be kept. */
static bool directive(const char *s, size_t n, s64 *age)
{
	const char *eq = memchr(s, '=', n), *value;
	size_t name = eq ? (size_t)(eq - s) : n, len;
	s64 v;

	if (named(s, name, "no-store") || named(s, name, "no-cache"))
		return false;
	if (!named(s, name, "max-age"))
		return true;
	value = eq ? eq + 1 : s + n;
	len = n - (size_t)(value - s);
	if (len >= 2 && value[0] == '"' && value[len - 1] == '"') {
		value++;
		len -= 2;
	}
	v = sz_fetch_seconds(value, len);
	/* Said twice: the shorter one holds. */
	if (v >= 0 && (*age < 0 || v < *age))
		*age = v;
	return v >= 0;
}

s64 sz_fetch_max_age(const char *value, size_t n)
{
	const char *end = value + n, *p = value;
	s64 age = -1;

	while (p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p)), *last;

		if (!comma)
			comma = end;
		while (p < comma && is_space(*p))
			p++;
		for (last = comma; last > p && is_space(last[-1]); last--)
			;
		if (last > p && !directive(p, (size_t)(last - p), &age))
			return 0;
		p = comma + 1;
	}
	return age;
}

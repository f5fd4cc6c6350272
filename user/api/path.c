/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Paths with places for values, and urlencoded pairs (WHATWG URL section 5.1). Called by api.c for
 * each request; everything in here is an outside byte.
 */
#include <string.h>

#include "api/api_priv.h"

bool sz_api_path_fits(struct api_request *r, const char *pattern, const char *path)
{
	size_t n, m;
	u32 params = 0;

	while (*pattern && *path) {
		if (*pattern++ != '/' || *path++ != '/')
			return false;
		n = strcspn(pattern, "/");
		m = strcspn(path, "/");
		if (*pattern == '{') {
			if (!m || params == SZ_API_PARAMS_MAX)
				return false;
			r->q.param[params++] = sz_api_keep(r, path, m);
		} else if (n != m || memcmp(pattern, path, n)) {
			return false;
		}
		pattern += n;
		path += m;
	}
	return !*pattern && !*path;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes in place; its length, or -1. */
static ssize_t decode(char *s, size_t n)
{
	size_t i, len = 0;

	for (i = 0; i < n; i++) {
		int c = s[i] == '+' ? ' ' : (u8)s[i];

		if (s[i] == '%') {
			if (n - i < 3 || hex(s[i + 1]) < 0 || hex(s[i + 2]) < 0)
				return -1;
			c = hex(s[i + 1]) << 4 | hex(s[i + 2]);
			i += 2;
		}
		if (!c)
			return -1;
		s[len++] = (char)c;
	}
	s[len] = 0;
	return (ssize_t)len;
}

int sz_api_pair(struct api_request *r, const char *pairs, size_t n, const char *name,
		const char **ret)
{
	const char *p = pairs, *end = pairs + n, *amp, *eq;
	char *key, *value = NULL;

	for (; p < end; p = amp + 1) {
		amp = memchr(p, '&', (size_t)(end - p));
		amp = amp ? amp : end;
		eq = memchr(p, '=', (size_t)(amp - p));
		key = sz_api_keep(r, p, (size_t)((eq ? eq : amp) - p));
		if (decode(key, strlen(key)) < 0)
			return -EINVAL;
		if (strcmp(key, name))
			continue;
		if (value)
			return -EINVAL;
		value = eq ? sz_api_keep(r, eq + 1, (size_t)(amp - eq) - 1) : sz_api_keep(r, "", 0);
		if (decode(value, eq ? (size_t)(amp - eq) - 1 : 0) < 0)
			return -EINVAL;
	}
	*ret = value;
	return value ? 0 : -ENOENT;
}

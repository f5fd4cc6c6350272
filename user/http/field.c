/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One field of a head that was found to be sound, for those who serve requests themselves: content
 * type, accept, authorization. Called by web and api. Nothing here decides about framing.
 */
#include <string.h>
#include <strings.h>

#include "http/http.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

const char *sz_http_field(const char *head, size_t n, const char *name, size_t *ret_n)
{
	const char *p = memchr(head, '\n', n), *end = head + n, *eol;
	size_t len = strlen(name);

	for (; p && p + 1 < end; p = eol) {
		p++;
		eol = memchr(p, '\n', (size_t)(end - p));
		if (!eol)
			return NULL;
		if ((size_t)(eol - p) <= len || strncasecmp(p, name, len) || p[len] != ':')
			continue;
		p += len + 1;
		end = eol > p && eol[-1] == '\r' ? eol - 1 : eol;
		while (p < end && is_space(*p))
			p++;
		while (p < end && is_space(end[-1]))
			end--;
		*ret_n = (size_t)(end - p);
		return p;
	}
	return NULL;
}

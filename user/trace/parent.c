/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a request's head says about its trace. The bytes are a client's: nothing here believes them,
 * and a head that cannot be read is a request without a parent.
 */
#include <string.h>
#include <strings.h>

#include "codec/codec.h"
#include "trace/trace_priv.h"

#define PARENT_LEN 55 /* of version 00 */

static bool is_hex(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
			return false;
	return true;
}

static bool is_zero(const u8 *p, size_t n)
{
	u8 any = 0;

	while (n--)
		any |= *p++;
	return !any;
}

bool sz_trace_parent_parse(const char *s, size_t n, struct sz_trace_parent *ret)
{
	u8 version, flags;

	if (n < PARENT_LEN || s[2] != '-' || s[35] != '-' || s[52] != '-' || !is_hex(s, 2) ||
	    !is_hex(s + 3, 32) || !is_hex(s + 36, 16) || !is_hex(s + 53, 2) ||
	    sz_hex_decode(s, 2, &version) || sz_hex_decode(s + 3, 32, ret->trace) ||
	    sz_hex_decode(s + 36, 16, ret->span) || sz_hex_decode(s + 53, 2, &flags))
		return false;
	if (version == 0xff || (!version && n != PARENT_LEN) ||
	    (n > PARENT_LEN && s[PARENT_LEN] != '-') || is_zero(ret->trace, sizeof(ret->trace)) ||
	    is_zero(ret->span, sizeof(ret->span)))
		return false;
	ret->sampled = flags & 1;
	return true;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* METHOD SP target SP version. */
static void read_first(const char *p, size_t n, struct sz_trace_head *ret)
{
	const char *space = memchr(p, ' ', n), *end;

	if (!space || space == p)
		return;
	ret->method = p;
	ret->method_len = (size_t)(space - p);
	ret->path = space + 1;
	n -= ret->method_len + 1;
	end = memchr(ret->path, ' ', n);
	n = end ? (size_t)(end - ret->path) : n;
	for (ret->path_len = 0; ret->path_len < n; ret->path_len++)
		if (ret->path[ret->path_len] == '?' || ret->path[ret->path_len] == '#')
			break;
}

void sz_trace_head_read(const char *p, size_t n, struct sz_trace_head *ret)
{
	static const char name[] = "traceparent:";
	const size_t name_len = sizeof(name) - 1;
	const char *end = p + n, *nl;
	unsigned found = 0;

	*ret = (struct sz_trace_head){0};
	for (nl = memchr(p, '\n', n); nl; nl = memchr(p, '\n', (size_t)(end - p))) {
		size_t len = (size_t)(nl - p);

		if (len && p[len - 1] == '\r')
			len--;
		if (!ret->method && !found)
			read_first(p, len, ret);
		if (!len)
			break;
		if (len > name_len && !strncasecmp(p, name, name_len)) {
			const char *v = p + name_len, *last = p + len;

			while (v < last && is_space(*v))
				v++;
			while (v < last && is_space(last[-1]))
				last--;
			ret->has_parent = sz_trace_parent_parse(v, (size_t)(last - v),
								&ret->parent);
			found++;
		}
		p = nl + 1;
	}
	if (found > 1)
		ret->has_parent = false;
}

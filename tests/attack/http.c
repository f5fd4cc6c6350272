/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A strict reader of HTTP/1.1 requests (RFC 9112), written for the recorder and the oracle alone: a
 * byte at a time, no state, nothing tolerated. What it does not accept, the guard must not have let
 * through.
 */
#include "attack.h"

#include <string.h>

#define MORE_IF(x)                                                                                 \
	do {                                                                                       \
		if (x)                                                                             \
			return ATT_HTTP_MORE;                                                      \
	} while (0)
#define BAD_IF(x)                                                                                  \
	do {                                                                                       \
		if (x)                                                                             \
			return ATT_HTTP_BAD;                                                       \
	} while (0)

static bool is_token(u8 c)
{
	return c && c < 0x7f &&
	       strchr("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
		      "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
		      c);
}

static int hex(u8 c)
{
	const char *digits = "0123456789abcdef", *p;

	if (c >= 'A' && c <= 'F')
		c = (u8)(c + 32);
	p = c ? strchr(digits, c) : NULL;
	return p ? (int)(p - digits) : -1;
}

/* What the header lines have said about the body. */
struct framing {
	bool length, chunked, host;
	u64 n;
};

static bool named(const u8 *p, u32 n, const char *name)
{
	u32 i;

	if (n != strlen(name))
		return false;
	for (i = 0; i < n; i++)
		if ((p[i] | 0x20) != name[i])
			return false;
	return true;
}

static bool note(struct framing *f, const u8 *name, u32 n, const u8 *v, u32 len)
{
	while (len && (*v == ' ' || *v == '\t'))
		v++, len--;
	while (len && (v[len - 1] == ' ' || v[len - 1] == '\t'))
		len--;
	if (named(name, n, "host")) {
		if (f->host || !len)
			return false;
		f->host = true;
	} else if (named(name, n, "content-length")) {
		if (f->length || f->chunked || !len || len > 13)
			return false;
		f->length = true;
		for (; len; v++, len--) {
			if (*v < '0' || *v > '9')
				return false;
			f->n = f->n * 10 + (u64)(*v - '0');
		}
	} else if (named(name, n, "transfer-encoding")) {
		if (f->length || f->chunked || !named(v, len, "chunked"))
			return false;
		f->chunked = true;
	}
	return true;
}

/* One header line or the empty one at *at; *ret_empty says which. */
static enum att_http read_line(const u8 *p, u32 n, u32 *at, struct framing *f, bool *ret_empty)
{
	u32 i = *at, name = *at, value;

	*ret_empty = false;
	MORE_IF(i >= n);
	if (p[i] == '\r') {
		MORE_IF(i + 1 >= n);
		BAD_IF(p[i + 1] != '\n');
		*ret_empty = true;
		*at = i + 2;
		return ATT_HTTP_OK;
	}
	while (i < n && is_token(p[i]))
		i++;
	MORE_IF(i >= n);
	BAD_IF(i == name || p[i] != ':');
	value = ++i;
	while (i < n && (p[i] >= 0x20 || p[i] == '\t') && p[i] != 0x7f)
		i++;
	MORE_IF(i >= n);
	BAD_IF(p[i] != '\r');
	MORE_IF(i + 1 >= n);
	BAD_IF(p[i + 1] != '\n');
	BAD_IF(!note(f, p + name, value - 1 - name, p + value, i - value));
	*at = i + 2;
	return ATT_HTTP_OK;
}

static enum att_http read_lines(const u8 *p, u32 n, u32 *at, struct framing *f)
{
	enum att_http r;
	bool empty;

	do {
		r = read_line(p, n, at, f, &empty);
		if (r != ATT_HTTP_OK)
			return r;
	} while (!empty);
	return ATT_HTTP_OK;
}

static enum att_http read_chunks(const u8 *p, u32 n, u32 *at)
{
	struct framing trailers = {0};
	u64 size;
	u32 digits;

	do {
		size = 0;
		for (digits = 0; *at < n && hex(p[*at]) >= 0; digits++, (*at)++)
			size = size << 4 | (u64)hex(p[*at]);
		BAD_IF(digits > 10);
		MORE_IF(*at >= n);
		BAD_IF(!digits || p[*at] != '\r');
		MORE_IF(*at + 1 >= n);
		BAD_IF(p[*at + 1] != '\n');
		*at += 2;
		if (!size)
			break;
		MORE_IF(size > n - *at);
		*at += (u32)size;
		MORE_IF(*at >= n);
		BAD_IF(p[*at] != '\r');
		MORE_IF(*at + 1 >= n);
		BAD_IF(p[*at + 1] != '\n');
		*at += 2;
	} while (1);
	return read_lines(p, n, at, &trailers);
}

static enum att_http request_line(const u8 *p, u32 n, u32 *at, struct att_parsed *ret, bool *ret_10)
{
	static const char version[] = "HTTP/1.";
	u32 i = 0, k;

	while (i < n && p[i] >= 'A' && p[i] <= 'Z')
		i++;
	MORE_IF(i >= n);
	BAD_IF(!i || p[i] != ' ');
	ret->path_at = ++i;
	MORE_IF(i >= n);
	BAD_IF(p[i] != '/');
	while (i < n && p[i] > 0x20 && p[i] < 0x7f)
		i++;
	MORE_IF(i >= n);
	BAD_IF(p[i] != ' ');
	ret->path_len = i - ret->path_at;
	i++;
	for (k = 0; version[k]; k++, i++) {
		MORE_IF(i >= n);
		BAD_IF(p[i] != version[k]);
	}
	MORE_IF(i >= n);
	BAD_IF(p[i] != '0' && p[i] != '1');
	*ret_10 = p[i++] == '0';
	MORE_IF(i >= n);
	BAD_IF(p[i] != '\r');
	MORE_IF(i + 1 >= n);
	BAD_IF(p[i + 1] != '\n');
	*at = i + 2;
	return ATT_HTTP_OK;
}

enum att_http att_http_read(const u8 *p, u32 n, struct att_parsed *ret)
{
	struct framing f = {0};
	enum att_http r;
	bool old = false;
	u32 at = 0;

	*ret = (struct att_parsed){0};
	r = request_line(p, n, &at, ret, &old);
	if (r == ATT_HTTP_OK)
		r = read_lines(p, n, &at, &f);
	if (r != ATT_HTTP_OK)
		return r;
	ret->head_len = at;
	BAD_IF(!f.host && !old);
	BAD_IF(f.chunked && old);
	if (f.chunked)
		r = read_chunks(p, n, &at);
	else if (f.n > n - at)
		r = ATT_HTTP_MORE;
	else
		at += (u32)f.n;
	ret->len = at;
	return r;
}

bool att_http_could_end(const u8 *p, u32 n)
{
	u32 i, last = 0;
	bool line = false;

	for (i = 0; i < n; i++) {
		if (p[i] != '\n' && p[i] != '\r')
			continue;
		if (line && (i == last + 1 || (i == last + 2 && p[i - 1] == '\r')) &&
		    p[i] == '\n' && p[last] == '\n')
			return true;
		if (p[i] == '\n') {
			line = true;
			last = i;
		}
	}
	return false;
}

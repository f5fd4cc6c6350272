/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * URIs in their normal form (RFC 3986 section 6.2.2: case, percent-encoding, dot segments; 6.2.3:
 * default port, empty path), so that "htu" and the request's URI can be compared as bytes. Called
 * by proof.c. What is not a plain http or https URI has no normal form.
 */
#include <string.h>
#include <strings.h>

#include "dpop/dpop.h"

static int hex(u8 c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_unreserved(u8 c)
{
	u8 l = c | 0x20;

	return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
}

/* Host in lower case, and the port where it is not the scheme's own. */
static int write_authority(const char *p, size_t n, u32 default_port, struct sz_buf *out)
{
	bool literal = n && *p == '[';
	size_t i = literal, digits;
	u32 port = 0;

	for (; i < n && (literal ? p[i] != ']' : p[i] != ':'); i++) {
		char c = p[i];

		if (!is_unreserved((u8)c) && !(literal && c == ':'))
			return -EINVAL;
	}
	if (literal && i++ == n)
		return -EINVAL;
	if (i <= (literal ? 2u : 0u))
		return -EINVAL;
	for (size_t k = 0; k < i; k++) {
		char c = p[k] >= 'A' && p[k] <= 'Z' ? (char)(p[k] | 0x20) : p[k];

		sz_buf_add(out, &c, 1);
	}
	if (i == n)
		return 0;
	if (p[i++] != ':')
		return -EINVAL;
	for (digits = 0; i < n; i++, digits++) {
		if (p[i] < '0' || p[i] > '9' || digits == 5)
			return -EINVAL;
		port = port * 10 + (u32)(p[i] - '0');
	}
	if (digits && (!port || port > 65535))
		return -EINVAL;
	if (digits && port != default_port)
		sz_buf_printf(out, ":%u", port);
	return 0;
}

/* Percent-encoding: unreserved characters as they are, all others in capitals. */
static int decode_path(const char *p, size_t n, struct sz_buf *out)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < n; i++) {
		char enc[3] = {'%', 0, 0}, c = p[i];
		int hi, lo;

		if ((u8)c <= 0x20 || (u8)c >= 0x7f)
			return -EINVAL;
		if (c != '%') {
			sz_buf_add(out, &c, 1);
			continue;
		}
		hi = n - i > 2 ? hex((u8)p[i + 1]) : -1;
		lo = n - i > 2 ? hex((u8)p[i + 2]) : -1;
		if (hi < 0 || lo < 0)
			return -EINVAL;
		i += 2;
		c = (char)(hi << 4 | lo);
		enc[1] = digits[hi];
		enc[2] = digits[lo];
		sz_buf_add(out, is_unreserved((u8)c) ? &c : enc, is_unreserved((u8)c) ? 1 : 3);
	}
	return 0;
}

/* RFC 3986 section 5.2.4 of a path that begins with '/', into out. */
static void write_path(const char *p, size_t n, struct sz_buf *out)
{
	size_t base = out->len, at = 0;

	while (at < n) {
		const char *slash = memchr(p + at + 1, '/', n - at - 1);
		size_t len = slash ? (size_t)(slash - p) - at : n - at; /* with its first slash */
		bool dot = len == 2 && p[at + 1] == '.';
		bool up = len == 3 && p[at + 1] == '.' && p[at + 2] == '.';

		while (up && out->len > base) {
			out->len--;
			if (out->data[out->len] == '/')
				break;
		}
		if (!dot && !up)
			sz_buf_add(out, p + at, len);
		else if (!slash)
			sz_buf_add(out, "/", 1);
		at += len;
	}
	if (out->len == base)
		sz_buf_add(out, "/", 1);
}

int sz_dpop_uri(const char *uri, size_t n, struct sz_buf *ret)
{
	struct sz_buf path = {0};
	bool tls;
	size_t at, end;
	int err;

	sz_buf_reset(ret);
	tls = n > 8 && !strncasecmp(uri, "https://", 8);
	if (!tls && (n <= 7 || strncasecmp(uri, "http://", 7)))
		return -EINVAL;
	at = tls ? 8 : 7;
	for (end = at; end < n && !strchr("/?#", uri[end] ? uri[end] : 'x'); end++)
		;
	sz_buf_printf(ret, "%s://", tls ? "https" : "http");
	err = write_authority(uri + at, end - at, tls ? 443 : 80, ret);
	for (at = end; end < n && uri[end] != '?' && uri[end] != '#'; end++)
		;
	if (!err)
		err = decode_path(uri + at, end - at, &path);
	if (!err)
		write_path(path.data ? path.data : "", path.len, ret);
	sz_buf_done(&path);
	return err;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The request head as a whole: its lines, the request line, and what must hold once all fields are
 * known. Called by the daemon for every head the kernel hands over. It must never accept what the
 * kernel's scanner (subzero/head.h) calls ambiguous, nor read a head it calls clean in another way.
 */
#include <string.h>
#include <strings.h>

#include "http/http_priv.h"

#include "subzero/rule.h"

/*
 * Only capitals: method names are case-sensitive and some servers fold them. CONNECT makes a
 * tunnel, TRACE echoes the token, PRI begins HTTP/2.
 */
static int read_method(struct sz_http_reader *r, const char *line, size_t n)
{
	static const char *const refused[] = { "CONNECT", "TRACE", "PRI" };
	struct sz_http_head *h = r->head;
	size_t i = 0;

	while (i < n && line[i] >= 'A' && line[i] <= 'Z')
		i++;
	if (SZ_RULE(D_METHOD) && (!i || i > SZ_HTTP_METHOD_MAX || i == n || line[i] != ' '))
		return sz_error_set(r->e, -EBADMSG,
				    "the method must be 1 to %d capital letters and one space",
				    SZ_HTTP_METHOD_MAX);
	h->method_text = line;
	h->method_len = i;
	for (size_t k = 0; k < SZ_ARRAY_LEN(refused); k++)
		if (SZ_RULE(D_CONNECT) && strlen(refused[k]) == i && !memcmp(refused[k], line, i))
			return sz_error_set(r->e, -EBADMSG, "the method %s is never admitted",
					    refused[k]);
	h->method = sz_method_parse(line, i);
	return 0;
}

static int read_request_line(struct sz_http_reader *r, const char *line, size_t n)
{
	struct sz_http_head *h = r->head;
	size_t version = strlen(" HTTP/1.1");
	int err = read_method(r, line, n);

	if (err)
		return err;
	line += h->method_len + 1;
	n -= h->method_len + 1;
	if (n <= version ||
	    (SZ_RULE(D_VERSION) && (memcmp(line + n - version, " HTTP/1.", version - 1) ||
				    (line[n - 1] != '0' && line[n - 1] != '1'))))
		return sz_error_set(r->e, -EBADMSG,
				    "the request line must end in \" HTTP/1.1\" or \" HTTP/1.0\"");
	h->http10 = line[n - 1] == '0';
	h->target = line;
	h->target_len = n - version;
	return sz_http_target_read(r);
}

/* The empty line was read: judge the head as a whole. */
static int finish(struct sz_http_reader *r)
{
	const struct sz_http_head *h = r->head;

	if (SZ_RULE(D_HOST_MISSING) && !h->http10 && !(r->seen & SZ_HTTP_HOST))
		return sz_error_set(r->e, -EBADMSG, "HTTP/1.1 needs a Host header");
	if (SZ_RULE(D_AUTHORITY) && r->authority &&
	    (r->authority_len != r->host_len ||
	     strncasecmp(r->authority, r->host, r->host_len)))
		return sz_error_set(r->e, -EBADMSG,
				    "an absolute target must name the same host as Host");
	if (SZ_RULE(D_TWO_LENGTHS) && h->has_length && h->chunked)
		return sz_error_set(r->e, -EBADMSG,
				    "Content-Length beside Transfer-Encoding: send only one");
	if (SZ_RULE(D_CHUNKED_10) && h->http10 && h->chunked)
		return sz_error_set(r->e, -EBADMSG, "HTTP/1.0 has no Transfer-Encoding");
	return 0;
}

/* Holds a byte that no line may hold; a CR may only be the last one. */
static bool is_broken(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (SZ_RULE(D_CONTROL) && !sz_http_is_text((u8)p[i]) &&
		    !(p[i] == '\r' && i + 1 == n))
			return true;
	return false;
}

/* Bytes of the line at p without its CRLF; -EAGAIN where the end is not there, -EBADMSG. */
static ssize_t line_length(const char *p, size_t n)
{
	const char *lf = memchr(p, '\n', n);
	size_t len;

	if (!lf)
		return is_broken(p, n) ? -EBADMSG : -EAGAIN;
	len = (size_t)(lf - p);
	if (!len || (SZ_RULE(D_BARE_LF) && p[len - 1] != '\r') || is_broken(p, len))
		return -EBADMSG;
	return (ssize_t)len - 1;
}

static int read_line(struct sz_http_reader *r, const char *line, size_t n)
{
	if (!r->lines++)
		return read_request_line(r, line, n);
	if (SZ_RULE(D_HEADER_LINES) && r->lines > SZ_HEADERS_MAX + 1) {
		r->reason = SZ_R_HEAD_TOO_LARGE;
		return sz_error_set(r->e, -EBADMSG, "more than %d header lines", SZ_HEADERS_MAX);
	}
	return sz_http_header_read(r, line, n);
}

/* 0 with head_len set, -EAGAIN, or -EBADMSG. */
static int read_head(struct sz_http_reader *r, const char *p, size_t n)
{
	size_t max = n < SZ_HEAD_MAX ? n : SZ_HEAD_MAX, at = 0;

	for (;;) {
		ssize_t len = line_length(p + at, max - at);
		int err;

		if (len == -EAGAIN && n >= SZ_HEAD_MAX) {
			r->reason = SZ_R_HEAD_TOO_LARGE;
			return sz_error_set(r->e, -EBADMSG, "more than %d bytes of request head",
					    SZ_HEAD_MAX);
		}
		if (len == -EAGAIN)
			return -EAGAIN;
		if (len < 0)
			return sz_error_set(r->e, -EBADMSG,
					    "a control byte, or a line that does not end in CRLF");
		if (!len && r->lines) {
			r->head->head_len = at + 2;
			return finish(r);
		}
		err = read_line(r, p + at, (size_t)len);
		if (err)
			return err;
		at += (size_t)len + 2;
	}
}

enum sz_http_status sz_http_head_parse(const char *p, size_t n, struct sz_http_head *ret,
				       enum sz_reason *ret_reason, struct sz_error *e)
{
	struct sz_http_reader r = { .head = ret, .e = e, .reason = SZ_R_BAD_REQUEST };

	/* All but the 32 KiB of path. */
	memset(ret, 0, offsetof(struct sz_http_head, path) + 1);
	memset(&ret->path_len, 0, sizeof(*ret) - offsetof(struct sz_http_head, path_len));
	switch (n ? read_head(&r, p, n) : -EAGAIN) {
	case 0:
		return SZ_HTTP_OK;
	case -EAGAIN:
		return SZ_HTTP_MORE;
	default:
		*ret_reason = r.reason;
		return SZ_HTTP_BAD;
	}
}

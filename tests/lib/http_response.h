/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A strict HTTP/1.1 response reader for the traffic client and its test. Bytes go in as they
 * arrive; it says where the response ends, and refuses what RFC 9112 does not allow a server to
 * send. It must never guess: a response that two clients could read differently is an error.
 */
#ifndef SZ_TESTS_HTTP_RESPONSE_H
#define SZ_TESTS_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define RESPONSE_HEAD_MAX  8192
#define RESPONSE_BODY_KEPT 64

enum response_state {
	RESPONSE_HEAD,
	RESPONSE_BODY,
	RESPONSE_CHUNK_SIZE,
	RESPONSE_CHUNK_DATA,
	RESPONSE_CHUNK_END,
	RESPONSE_TRAILER,
	RESPONSE_UNTIL_CLOSE,
	RESPONSE_DONE,
	RESPONSE_BAD,
};

struct response {
	enum response_state state;
	int status;
	bool close;   /* the server ends the connection after this response */
	bool no_body; /* set by the caller when the request was HEAD */
	bool chunked, has_length;
	uint64_t left;        /* bytes to come of the body or the chunk */
	uint64_t body_length; /* body bytes seen */
	const char *why;      /* what was wrong, when state is RESPONSE_BAD */
	size_t line_length;
	char line[RESPONSE_HEAD_MAX];      /* the head, a chunk-size line or a trailer line */
	char body[RESPONSE_BODY_KEPT + 1]; /* how the body begins, NUL-terminated */
};

static inline void response_init(struct response *r, bool head_request)
{
	memset(r, 0, offsetof(struct response, line));
	r->no_body = head_request;
	r->body[0] = '\0';
}

static inline void response_refuse(struct response *r, const char *why)
{
	r->state = RESPONSE_BAD;
	r->why = why;
}

static inline bool response_token_char(unsigned char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* Digits of one base and nothing else, at most 2^48. */
static inline bool response_number(const char *s, size_t n, unsigned int base, uint64_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = s[i], letter = c | 32, d = c - '0';

		if (d > 9)
			d = letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : 99;
		if (d >= base)
			return false;
		v = v * base + d;
		if (v > 1ULL << 48)
			return false;
	}
	*ret = v;
	return n > 0;
}

/* One of the comma-separated members of a field value equals the word. */
static inline bool response_lists(const char *v, size_t n, const char *word)
{
	size_t w = strlen(word);

	for (size_t i = 0; i < n;) {
		size_t end = i;

		while (end < n && v[end] != ',')
			end++;
		while (i < end && (v[i] == ' ' || v[i] == '\t'))
			i++;
		if (end - i >= w && !strncasecmp(v + i, word, w) &&
		    strspn(v + i + w, " \t") >= end - i - w)
			return true;
		i = end + 1;
	}
	return false;
}

static inline void response_field(struct response *r, const char *line, size_t n)
{
	size_t name = 0, from, to = n;

	while (name < n && response_token_char(line[name]))
		name++;
	if (!name || name == n || line[name] != ':')
		return response_refuse(r, "a header line without a valid name");
	for (from = name + 1; from < to && (line[from] == ' ' || line[from] == '\t'); from++)
		;
	while (to > from && (line[to - 1] == ' ' || line[to - 1] == '\t'))
		to--;
	for (size_t i = from; i < to; i++)
		if (((unsigned char)line[i] < 32 && line[i] != '\t') || line[i] == 127)
			return response_refuse(r, "a control character in a header");
	if (name == 14 && !strncasecmp(line, "Content-Length", 14)) {
		if (r->has_length)
			return response_refuse(r, "two Content-Length headers");
		r->has_length = response_number(line + from, to - from, 10, &r->left);
		if (!r->has_length)
			return response_refuse(r, "a Content-Length that is no number");
	} else if (name == 17 && !strncasecmp(line, "Transfer-Encoding", 17)) {
		if (r->chunked || to - from != 7 || strncasecmp(line + from, "chunked", 7))
			return response_refuse(r, "a Transfer-Encoding other than chunked");
		r->chunked = true;
	} else if (name == 10 && !strncasecmp(line, "Connection", 10)) {
		r->close |= response_lists(line + from, to - from, "close");
	}
}

static inline void response_status_line(struct response *r, const char *line, size_t n)
{
	uint64_t status;

	if (n < 13 || memcmp(line, "HTTP/1.1 ", 9) || line[12] != ' ' ||
	    !response_number(line + 9, 3, 10, &status) || status < 100 || status > 599)
		return response_refuse(r, "a bad status line");
	r->status = (int)status;
}

/* What follows a complete head: RFC 9112, section 6.3. */
static inline void response_framing(struct response *r)
{
	bool none = r->no_body || r->status < 200 || r->status == 204 || r->status == 304;

	if (r->chunked && r->has_length)
		return response_refuse(r, "both Content-Length and Transfer-Encoding");
	if (r->status == 101)
		return response_refuse(r, "a protocol switch nobody asked for");
	if (r->status < 200)
		return response_init(r, r->no_body);
	r->line_length = 0;
	if (none || (r->has_length && !r->left))
		r->state = RESPONSE_DONE;
	else if (r->chunked)
		r->state = RESPONSE_CHUNK_SIZE;
	else if (r->has_length)
		r->state = RESPONSE_BODY;
	else if (r->close)
		r->state = RESPONSE_UNTIL_CLOSE;
	else
		response_refuse(r, "no Content-Length on a connection that stays open");
}

static inline void response_head(struct response *r)
{
	char *line = r->line, *end = r->line + r->line_length - 2;

	for (bool first = true; line < end && r->state == RESPONSE_HEAD; first = false) {
		char *nl = memchr(line, '\n', (size_t)(end - line));
		size_t n;

		if (!nl || nl == line || nl[-1] != '\r')
			return response_refuse(r, "a line that does not end in CRLF");
		n = (size_t)(nl - line) - 1;
		if (first)
			response_status_line(r, line, n);
		else
			response_field(r, line, n);
		line = nl + 1;
	}
	if (r->state == RESPONSE_HEAD)
		response_framing(r);
}

static inline void response_line(struct response *r)
{
	size_t n = r->line_length - 2;

	if (r->line_length < 2 || r->line[n] != '\r')
		return response_refuse(r, "a chunk line that does not end in CRLF");
	r->line_length = 0;
	if (r->state == RESPONSE_CHUNK_END) {
		if (n)
			return response_refuse(r, "a chunk longer than its size");
		r->state = RESPONSE_CHUNK_SIZE;
	} else if (r->state == RESPONSE_TRAILER) {
		if (!n)
			r->state = RESPONSE_DONE;
	} else if (!response_number(r->line, n, 16, &r->left)) {
		response_refuse(r, "a bad chunk size");
	} else {
		r->state = r->left ? RESPONSE_CHUNK_DATA : RESPONSE_TRAILER;
	}
}

static inline size_t response_body(struct response *r, const char *p, size_t n)
{
	if (r->state != RESPONSE_UNTIL_CLOSE && n > r->left)
		n = r->left;
	if (r->body_length < RESPONSE_BODY_KEPT) {
		size_t keep = RESPONSE_BODY_KEPT - r->body_length;

		keep = keep < n ? keep : n;
		memcpy(r->body + r->body_length, p, keep);
		r->body[r->body_length + keep] = '\0';
	}
	r->body_length += n;
	if (r->state == RESPONSE_UNTIL_CLOSE)
		return n;
	r->left -= n;
	if (!r->left)
		r->state = r->state == RESPONSE_BODY ? RESPONSE_DONE : RESPONSE_CHUNK_END;
	return n;
}

/* Takes bytes until the response is done or bad; returns how many it took. */
static inline size_t response_feed(struct response *r, const char *p, size_t n)
{
	size_t used = 0;

	while (used < n && r->state < RESPONSE_DONE) {
		if (r->state == RESPONSE_BODY || r->state == RESPONSE_CHUNK_DATA ||
		    r->state == RESPONSE_UNTIL_CLOSE) {
			used += response_body(r, p + used, n - used);
			continue;
		}
		if (r->line_length == sizeof(r->line)) {
			response_refuse(r, "a head or line that is too long");
			break;
		}
		r->line[r->line_length++] = p[used++];
		if (p[used - 1] != '\n')
			continue;
		if (r->state != RESPONSE_HEAD)
			response_line(r);
		else if (r->line_length >= 4 &&
			 !memcmp(r->line + r->line_length - 4, "\r\n\r\n", 4))
			response_head(r);
	}
	return used;
}

/* The server closed: the end of a response that lasts until then, an error in any other. */
static inline void response_eof(struct response *r)
{
	if (r->state == RESPONSE_UNTIL_CLOSE)
		r->state = RESPONSE_DONE;
	else if (r->state < RESPONSE_DONE)
		response_refuse(r, "the connection ended inside the response");
}

#endif

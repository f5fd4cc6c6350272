/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared inside the room: what is known of a head while its lines are read, and the character
 * classes of RFC 9110. Nobody outside http includes this.
 */
#ifndef SZ_HTTP_HTTP_PRIV_H
#define SZ_HTTP_HTTP_PRIV_H

#include "http/http.h"

#define SZ_HTTP_METHOD_MAX 32
#define SZ_HTTP_TRAILERS_MAX 8192

/* Header fields that decide something: one bit each, none may come twice. */
#define SZ_HTTP_HOST 0x01u
#define SZ_HTTP_LENGTH 0x02u
#define SZ_HTTP_ENCODING 0x04u
#define SZ_HTTP_AUTH 0x08u
#define SZ_HTTP_UPGRADE 0x10u
#define SZ_HTTP_EXPECT 0x20u
#define SZ_HTTP_CONNECTION 0x40u /* may come twice */
#define SZ_HTTP_DPOP 0x80u       /* likewise; a request that needs it is refused then */

/* The functions below return 0, or -EBADMSG with `reason` and `*e` filled. */
struct sz_http_reader {
	struct sz_http_head *head;
	struct sz_error *e;
	enum sz_reason reason;  /* of a refusal */
	u32 seen;               /* SZ_HTTP_* of the lines read so far */
	u32 lines;
	u32 proofs;             /* DPoP headers */
	const char *host;       /* value of Host, without the spaces around it */
	size_t host_len;
	const char *authority;  /* of an absolute-form target; NULL for the other forms */
	size_t authority_len;
};

/* The request target: checks it and fills the head's path. The method is known already. */
int sz_http_target_read(struct sz_http_reader *r);
/* One header line without its CRLF. */
int sz_http_header_read(struct sz_http_reader *r, const char *line, size_t n);

static inline bool sz_http_is_alnum(u8 c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* tchar of RFC 9110 section 5.6.2. */
static inline bool sz_http_is_token(u8 c)
{
	switch (c) {
	case '!': case '#': case '$': case '%': case '&': case '\'': case '*': case '+': case '-':
	case '.': case '^': case '_': case '`': case '|': case '~':
		return true;
	default:
		return sz_http_is_alnum(c);
	}
}

/* May stand in a field value: visible characters, space, tab, bytes beyond ASCII. */
static inline bool sz_http_is_text(u8 c)
{
	return (c >= 0x20 && c != 0x7f) || c == '\t';
}

/* Value of a hex digit, or -1. */
static inline int sz_http_hex(u8 c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* answer.c: NULL for a status that no reason has */
const char *sz_http_phrase(int status);

#endif

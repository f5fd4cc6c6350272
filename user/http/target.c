/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The request target and its canonical path (RFC 3986 sections 5.2.4 and 6.2.2). Called by head.c.
 *
 * A server may read a path as it was sent, or decoded, without dot segments, with slashes merged,
 * without ";parameters", or with some of these only. The daemon asks the policy about the path as
 * sent and about the canonical one; both must agree. A path where a reading between the two could
 * lead elsewhere than both of them is refused here: it must never come out as some path.
 */
#include <string.h>
#include <strings.h>

#include "http/http_priv.h"

#include "subzero/rule.h"

struct path_writer {
	char *out;              /* always begins with '/' and ends with one between segments */
	size_t len;
	bool up;                /* a ".." was there, */
	bool up_literal;        /* one that was not encoded */
	bool encoded_dots;      /* "." or ".." was there with a dot encoded */
	bool empty;             /* an empty segment was there, or one of parameters only */
};

/* Bytes of the UTF-8 sequence at p (RFC 3629); 0 where it is overlong, a surrogate or broken. */
static size_t utf8_length(const u8 *p, size_t n)
{
	size_t len = 1 + (p[0] >= 0xc2) + (p[0] >= 0xe0) + (p[0] >= 0xf0);

	if ((p[0] >= 0x80 && p[0] < 0xc2) || p[0] >= 0xf5 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

/* What a decoded segment may not hold: broken UTF-8, or an encoding that was itself encoded. */
static int check_segment(struct sz_http_reader *r, const char *s, size_t n)
{
	for (size_t i = 0, len; i < n; i += len) {
		len = utf8_length((const u8 *)s + i, n - i);
		if (!len)
			return sz_error_set(r->e, -EBADMSG, "the path's encoding is not UTF-8");
		if (SZ_RULE(PATH_TWICE) && s[i] == '%' && n - i > 2 &&
		    sz_http_hex((u8)s[i + 1]) >= 0 &&
		    sz_http_hex((u8)s[i + 2]) >= 0)
			return sz_error_set(r->e, -EBADMSG, "the path is percent-encoded twice");
	}
	return 0;
}

/* Decodes one segment to the writer's end. */
static int decode_segment(struct sz_http_reader *r, struct path_writer *w, const char *s, size_t n,
			  size_t *ret_len, bool *ret_encoded)
{
	char *out = w->out + w->len;
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		u8 c = (u8)s[i];

		if (SZ_RULE(PATH_BACKSLASH) && (c == '\\' || c == '#'))
			return sz_error_set(r->e, -EBADMSG, "the path holds '\\' or '#'");
		if (c == '%') {
			int hi = n - i > 2 ? sz_http_hex((u8)s[i + 1]) : -1;
			int lo = n - i > 2 ? sz_http_hex((u8)s[i + 2]) : -1;

			if (SZ_RULE(PATH_HEX) && (hi < 0 || lo < 0))
				return sz_error_set(r->e, -EBADMSG,
						    "'%%' in the path needs two hex digits");
			c = (u8)(hi << 4 | lo);
			if (SZ_RULE(PATH_HIDDEN) &&
			    (c < 0x20 || c == 0x7f || c == '/' || c == '\\'))
				return sz_error_set(r->e, -EBADMSG,
						    "the path holds an encoded slash, backslash "
						    "or control byte");
			*ret_encoded = true;
			i += 2;
		}
		out[len++] = (char)c;
	}
	*ret_len = len;
	return check_segment(r, out, len);
}

/* ".." : takes the last segment off again. */
static int climb(struct sz_http_reader *r, struct path_writer *w)
{
	if (w->len == 1)
		return SZ_RULE(PATH_CLIMBS) ?
			       sz_error_set(r->e, -EBADMSG, "the path climbs above the root") :
			       0;
	do
		w->len--;
	while (w->out[w->len - 1] != '/');
	return 0;
}

static int write_segment(struct sz_http_reader *r, struct path_writer *w, const char *s, size_t n,
			 bool last)
{
	char *out = w->out + w->len;
	bool encoded = false, dots;
	size_t full = 0, len;
	int err = decode_segment(r, w, s, n, &full, &encoded);

	if (err)
		return err;
	len = 0;
	while (len < full && out[len] != ';')
		len++;
	dots = (len == 1 || len == 2) && out[0] == '.' && out[len - 1] == '.';
	if (SZ_RULE(PATH_DOT_PARAMETERS) && dots && len < full)
		return sz_error_set(r->e, -EBADMSG, "a dot segment of the path has parameters");
	if (dots) {
		w->encoded_dots |= encoded;
		w->up |= len == 2;
		w->up_literal |= len == 2 && !encoded;
		return len == 2 ? climb(r, w) : 0;
	}
	if (!len) {
		w->empty |= !last;
		return 0;
	}
	w->len += len;
	if (!last)
		w->out[w->len++] = '/';
	return 0;
}

/* Writes the canonical form of p[0..n), which begins with '/', to the head's path. */
static int canonicalise(struct sz_http_reader *r, const char *p, size_t n)
{
	struct sz_http_head *h = r->head;
	struct path_writer w = { .out = h->path, .len = 1 };
	size_t at = 1;
	bool last;

	h->path[0] = '/';
	if (SZ_RULE(PATH_TWO_SLASHES) && n > 1 && p[1] == '/')
		return sz_error_set(r->e, -EBADMSG,
				    "a path that begins with \"//\" may be read as a host name");
	do {
		const char *slash = memchr(p + at, '/', n - at);
		size_t len = slash ? (size_t)(slash - p) - at : n - at;
		int err;

		last = !slash;
		err = write_segment(r, &w, p + at, len, last);
		if (err)
			return err;
		at += len + 1;
	} while (!last);
	if (SZ_RULE(PATH_UP_EMPTY) && w.up && w.empty)
		return sz_error_set(r->e, -EBADMSG, "\"..\" beside an empty segment in the path");
	if (SZ_RULE(PATH_UP_ENCODED) && w.up_literal && w.encoded_dots)
		return sz_error_set(r->e, -EBADMSG, "\"..\" beside an encoded dot in the path");
	h->path[w.len] = '\0';
	h->path_len = w.len;
	h->path_changed = w.len != n || memcmp(h->path, p, n);
	return 0;
}

/* "http://authority": its end is where the path, the query or nothing follows. */
static int read_authority(struct sz_http_reader *r, const char **ret_path, size_t *ret_n)
{
	const char *p = r->head->target;
	size_t scheme = strlen("http://"), n = r->head->target_len, i;

	if (n <= scheme || (SZ_RULE(TARGET_SCHEME) && strncasecmp(p, "http://", scheme)))
		return sz_error_set(r->e, -EBADMSG,
				    "the target must begin with '/' or \"http://\"");
	i = scheme;
	while (i < n && (sz_http_is_alnum((u8)p[i]) || strchr("-._:[]", p[i])))
		i++;
	if (SZ_RULE(TARGET_HOST) && (i == scheme || (i < n && p[i] != '/' && p[i] != '?')))
		return sz_error_set(r->e, -EBADMSG, "the target's host name is not valid");
	r->authority = p + scheme;
	r->authority_len = i - scheme;
	*ret_path = p + i;
	*ret_n = n - i;
	return 0;
}

int sz_http_target_read(struct sz_http_reader *r)
{
	struct sz_http_head *h = r->head;
	const char *p = h->target, *query;
	size_t n = h->target_len;
	int err;

	for (size_t i = 0; i < n; i++)
		if (SZ_RULE(TARGET_BYTES) && ((u8)p[i] <= 0x20 || (u8)p[i] >= 0x7f))
			return sz_error_set(r->e, -EBADMSG,
					    "the target holds a space or a byte beyond ASCII; "
					    "percent-encode it");
	if (SZ_RULE(TARGET_FRAGMENT) && memchr(p, '#', n))
		return sz_error_set(r->e, -EBADMSG,
				    "the target holds '#': a fragment is not for the server");
	if (n == 1 && *p == '*' && h->method == SZ_M_OPTIONS) {
		memcpy(h->path, "*", 2);
		h->path_len = 1;
		return 0;
	}
	if (*p != '/') {
		err = read_authority(r, &p, &n);
		if (err)
			return err;
	}
	query = memchr(p, '?', n);
	if (query)
		n = (size_t)(query - p);
	if (!n) {
		memcpy(h->path, "/", 2);
		h->path_len = 1;
		h->path_changed = true;
		return 0;
	}
	return canonicalise(r, p, n);
}

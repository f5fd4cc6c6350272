/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Header lines: the names that decide about framing, identity or the connection, and their values.
 * Called by head.c for each line. All other fields are only checked for their syntax; nothing here
 * may repair a field that matters.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "http/http_priv.h"

#include "subzero/rule.h"

struct header_name {
	const char *name;
	u32 bit;
};

static const struct header_name names[] = {
	{ "host", SZ_HTTP_HOST },
	{ "content-length", SZ_HTTP_LENGTH },
	{ "transfer-encoding", SZ_HTTP_ENCODING },
	{ "authorization", SZ_HTTP_AUTH },
	{ "upgrade", SZ_HTTP_UPGRADE },
	{ "expect", SZ_HTTP_EXPECT },
	{ "connection", SZ_HTTP_CONNECTION },
	{ "dpop", SZ_HTTP_DPOP },
};

/* Fields the decision rests on: no tab, no byte beyond ASCII, never named in Connection. */
#define PLAIN (SZ_HTTP_HOST | SZ_HTTP_LENGTH | SZ_HTTP_ENCODING | SZ_HTTP_AUTH)

/* Equal but for case, and for punctuation, which CGI-like servers turn into one character. */
static bool name_folds(const char *s, size_t n, const char *name)
{
	if (strlen(name) != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		u8 c = (u8)s[i];

		if (sz_http_is_alnum(c) ? (c | 0x20) != name[i] : name[i] != '-')
			return false;
	}
	return true;
}

static const struct header_name *name_find(const char *s, size_t n)
{
	for (size_t i = 0; i < SZ_ARRAY_LEN(names); i++)
		if (name_folds(s, n, names[i].name))
			return &names[i];
	return NULL;
}

/* A field value or list member without the white space around it. */
struct span {
	const char *p;
	size_t n;
};

static struct span trim(struct span v)
{
	while (v.n && (*v.p == ' ' || *v.p == '\t'))
		v.p++, v.n--;
	while (v.n && (v.p[v.n - 1] == ' ' || v.p[v.n - 1] == '\t'))
		v.n--;
	return v;
}

static bool span_is(struct span v, const char *word)
{
	return v.n == strlen(word) && !strncasecmp(v.p, word, v.n);
}

/*
 * One optional space and digits up to the line's end: servers disagree about signs, lists, other
 * white space, and about what lies beyond 64 bits.
 */
static int read_length(struct sz_http_reader *r, struct span v)
{
	u64 length = 0;

	if (v.n && *v.p == ' ')
		v.p++, v.n--;
	if (!v.n || (SZ_RULE(D_LENGTH_LONG) && v.n > 13))
		return sz_error_set(r->e, -EBADMSG, "Content-Length must be 1 to 13 digits");
	for (size_t i = 0; i < v.n; i++) {
		if (SZ_RULE(D_LENGTH_DIGITS) && (v.p[i] < '0' || v.p[i] > '9'))
			return sz_error_set(r->e, -EBADMSG, "Content-Length must be digits only");
		length = length * 10 + (u64)(v.p[i] - '0');
	}
	if (SZ_RULE(D_LENGTH_MAX) && length > SZ_BODY_MAX)
		return sz_error_set(r->e, -EBADMSG, "Content-Length is above %llu",
				    (unsigned long long)SZ_BODY_MAX);
	r->head->content_length = length;
	r->head->has_length = true;
	return 0;
}

static int read_encoding(struct sz_http_reader *r, struct span v)
{
	if (v.n && *v.p == ' ')
		v.p++, v.n--;
	if (SZ_RULE(D_ENCODING) && (v.n != 7 || memcmp(v.p, "chunked", 7)))
		return sz_error_set(r->e, -EBADMSG,
				    "Transfer-Encoding must be \"chunked\" and nothing else");
	r->head->chunked = true;
	return 0;
}

/* A name or IPv4 address, or an IPv6 address in brackets, and perhaps a port: nothing else. */
static bool host_ok(struct span v)
{
	bool literal = v.n && *v.p == '[';
	size_t i = literal;

	while (i < v.n && (literal ? isxdigit((u8)v.p[i]) || v.p[i] == ':' || v.p[i] == '.'
				   : sz_http_is_alnum((u8)v.p[i]) || strchr("-._~", v.p[i])))
		i++;
	if (literal) {
		if (i < 3 || i == v.n || v.p[i] != ']')
			return false;
		i++;
	}
	if (!i)
		return false;
	if (i < v.n && v.p[i] == ':')
		for (i++; i < v.n && v.p[i] >= '0' && v.p[i] <= '9';)
			i++;
	return i == v.n;
}

static int read_host(struct sz_http_reader *r, struct span v)
{
	v = trim(v);
	if (SZ_RULE(D_HOST_EMPTY) && !v.n)
		return sz_error_set(r->e, -EBADMSG, "the Host header is empty");
	if (SZ_RULE(D_HOST) && v.n && !host_ok(v))
		return sz_error_set(r->e, -EBADMSG,
				    "Host must be a name or an address, and perhaps a port");
	r->host = v.p;
	r->host_len = v.n;
	return 0;
}

/* b64token of RFC 6750 section 2.1: the characters, then any number of '='. */
static bool is_b64token(struct span v)
{
	size_t i = 0;

	while (i < v.n && (sz_http_is_alnum((u8)v.p[i]) || strchr("-._~+/", v.p[i])))
		i++;
	if (!i)
		return false;
	while (i < v.n && v.p[i] == '=')
		i++;
	return i == v.n;
}

/* Whatever is no token of a scheme we know leaves token NULL: the answer is 401, not 400. */
static void read_auth(struct sz_http_reader *r, struct span v)
{
	size_t scheme;

	r->head->has_auth = true;
	while (v.n && *v.p == ' ')
		v.p++, v.n--;
	r->head->dpop = v.n > 5 && !strncasecmp(v.p, "DPoP ", 5);
	scheme = r->head->dpop ? 5 : 7;
	if (v.n <= scheme || (!r->head->dpop && strncasecmp(v.p, "Bearer ", 7)))
		return;
	v.p += scheme;
	v.n -= scheme;
	while (v.n && *v.p == ' ')
		v.p++, v.n--;
	if (SZ_RULE(D_B64TOKEN) && !is_b64token(v))
		return;
	r->head->token = v.p;
	r->head->token_len = v.n;
}

/* A proxy behind us drops the fields named here (RFC 9110 section 7.6.1): not those we read. */
static int read_connection(struct sz_http_reader *r, struct span v)
{
	while (v.n) {
		const char *comma = memchr(v.p, ',', v.n);
		size_t n = comma ? (size_t)(comma - v.p) : v.n;
		struct span member = trim((struct span){ v.p, n });
		const struct header_name *named = name_find(member.p, member.n);

		/* Some proxies split at more than commas. */
		for (size_t i = 0; SZ_RULE(D_CONNECTION_TOKEN) && i < member.n; i++)
			if (!sz_http_is_token((u8)member.p[i]))
				return sz_error_set(r->e, -EBADMSG,
						    "Connection must be names between commas");
		if (SZ_RULE(D_CONNECTION) && named && (named->bit & PLAIN))
			return sz_error_set(r->e, -EBADMSG, "Connection must not name %s",
					    named->name);
		n += comma != NULL;
		v.p += n;
		v.n -= n;
	}
	return 0;
}

static int read_expect(struct sz_http_reader *r, struct span v)
{
	if (SZ_RULE(D_EXPECT) && !span_is(trim(v), "100-continue")) {
		r->reason = SZ_R_BAD_EXPECT;
		return sz_error_set(r->e, -EBADMSG, "only Expect: 100-continue is understood");
	}
	/* An HTTP/1.0 client does not wait for it (RFC 9110 section 10.1.1). */
	r->head->expect_continue = !r->head->http10;
	return 0;
}

/* One proof at most (RFC 9449 section 4.3); with the Bearer scheme nobody looks at it. */
static void read_proof(struct sz_http_reader *r, struct span v)
{
	v = trim(v);
	r->head->proof = r->proofs++ ? NULL : v.p;
	r->head->proof_len = v.n;
}

static int read_value(struct sz_http_reader *r, u32 bit, struct span v)
{
	switch (bit) {
	case SZ_HTTP_HOST:
		return read_host(r, v);
	case SZ_HTTP_LENGTH:
		return read_length(r, v);
	case SZ_HTTP_ENCODING:
		return read_encoding(r, v);
	case SZ_HTTP_AUTH:
		read_auth(r, v);
		return 0;
	case SZ_HTTP_DPOP:
		read_proof(r, v);
		return 0;
	case SZ_HTTP_UPGRADE:
		r->head->upgrade = true;
		return 0;
	case SZ_HTTP_EXPECT:
		return read_expect(r, v);
	default:
		return read_connection(r, v);
	}
}

int sz_http_header_read(struct sz_http_reader *r, const char *line, size_t n)
{
	const struct header_name *h;
	struct span v;
	size_t len = 0;

	while (len < n && sz_http_is_token((u8)line[len]))
		len++;
	if (!len || len == n || (SZ_RULE(D_NAME_COLON) && line[len] != ':'))
		return sz_error_set(r->e, -EBADMSG,
				    "header line %u must begin with a name and a colon, no space",
				    r->lines - 1);
	h = name_find(line, len);
	if (!h)
		return 0;
	if (SZ_RULE(D_NAME_FOLDS) && strncasecmp(line, h->name, len))
		return sz_error_set(r->e, -EBADMSG,
				    "header line %u: some servers read this name as %s",
				    r->lines - 1, h->name);
	if (SZ_RULE(D_DUPLICATE) && (r->seen & h->bit) &&
	    !(h->bit & (SZ_HTTP_CONNECTION | SZ_HTTP_DPOP)))
		return sz_error_set(r->e, -EBADMSG, "several %s headers", h->name);
	r->seen |= h->bit;
	v = (struct span){ line + len + 1, n - len - 1 };
	for (size_t i = 0; (h->bit & PLAIN) && i < v.n; i++)
		if (SZ_RULE(D_PLAIN) && (v.p[i] == '\t' || (u8)v.p[i] >= 0x80))
			return sz_error_set(r->e, -EBADMSG,
					    "%s holds a tab or a byte beyond ASCII", h->name);
	return read_value(r, h->bit, v);
}

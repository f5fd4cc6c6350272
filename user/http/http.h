/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Requests the packet core does not read itself: heads over several segments, unusual targets,
 * Transfer-Encoding. Strict RFC 9112; whatever servers are known to disagree about is refused.
 * Pure: bytes in, verdict out.
 */
#ifndef SZ_HTTP_HTTP_H
#define SZ_HTTP_HTTP_H

#include "core/core.h"

enum sz_http_status {
	SZ_HTTP_OK = 0,
	SZ_HTTP_MORE, /* not complete yet */
	SZ_HTTP_BAD,  /* refuse: *ret_reason says why */
};

/* Pieces point into the caller's bytes, except `path`. */
struct sz_http_head {
	enum sz_method method;
	const char *method_text;
	size_t method_len;
	const char *target; /* as sent */
	size_t target_len;
	char path[SZ_HEAD_MAX]; /* canonical: decoded, dot segments removed, no query;
				   NUL-terminated */
	size_t path_len;
	bool path_changed; /* canonical differs from what was sent: both must get one verdict */
	const char *token; /* of "Authorization: Bearer" or "DPoP"; NULL without */
	size_t token_len;
	bool has_auth; /* an Authorization header is there (token may be NULL: other scheme) */
	bool dpop;     /* its scheme is DPoP (RFC 9449 section 7.1) */
	const char *proof; /* value of the DPoP header; NULL without, and where there are several */
	size_t proof_len;
	bool chunked;
	bool upgrade;
	bool expect_continue;
	bool http10;
	u64 content_length;
	bool has_length;
	size_t head_len; /* bytes up to and with the empty line */
};

/*
 * Reads one request head from p[0..n). SZ_HTTP_BAD gives BAD_REQUEST, HEAD_TOO_LARGE or BAD_EXPECT
 * in *ret_reason and words in *e. Accepted forms: origin-form; absolute-form only when its
 * authority equals Host; "OPTIONS *" (path "*"). Refused: CONNECT, TRACE, any doubt about length
 * (several, with Transfer-Encoding, not plain digits), Transfer-Encoding other than exactly
 * "chunked" or with HTTP/1.0, obs-fold, space before a colon, bare CR or LF, control bytes, NUL,
 * header names that some server folds onto another (underscore for dash in a length, encoding,
 * host or authorization name), invalid or overlong percent-encoding, encoded '/', '\', NUL or
 * control bytes in the path, a path that climbs above the root, several Host or Authorization.
 */
enum sz_http_status sz_http_head_parse(const char *p, size_t n, struct sz_http_head *ret,
				       enum sz_reason *ret_reason, struct sz_error *e);

/*
 * The value of a field, without the spaces around it; the first where there are several. `head` is
 * one that was parsed as SZ_HTTP_OK, of `n` bytes. NULL where there is none.
 */
const char *sz_http_field(const char *head, size_t n, const char *name, size_t *ret_n);

/* Chunked framing (RFC 9112 section 7.1), fed in pieces of any size. */
struct sz_http_chunks {
	u64 left;  /* data bytes of the current chunk still to come */
	u32 state; /* private; 0 at the start of a body */
	u32 line;  /* bytes of the current framing line */
	u64 size;
	u32 trailers;
};
void sz_http_chunks_init(struct sz_http_chunks *c);
/* As it stands behind the data of a chunk that was not the last: CRLF and a size line come next. */
void sz_http_chunks_resume(struct sz_http_chunks *c);
/* True when the next bytes are data (`left` of them, perhaps none) and then what resume expects. */
bool sz_http_chunks_in_data(const struct sz_http_chunks *c);
/*
 * Consumes framing and data from p[0..n). Stops behind the whole body with SZ_HTTP_OK and
 * *ret_used bytes of it; SZ_HTTP_MORE when all n bytes belong to it; SZ_HTTP_BAD for anything but
 * hex digits and CRLF (chunk extensions are refused), sizes above SZ_BODY_MAX, or trailer fields
 * beyond 8 KiB. With MORE and left > 0 the next `left` bytes are data whatever they hold.
 */
enum sz_http_status sz_http_chunks_feed(struct sz_http_chunks *c, const char *p, size_t n,
					size_t *ret_used);

/*
 * What answers say beside their reason: the DPoP challenge (RFC 9449 section 7.1) where tokens that
 * are bound to a key are taken, and the nonce to use.
 */
struct sz_http_dpop {
	const char *algs;  /* "ES256 EdDSA"; NULL: no DPoP here */
	const char *nonce; /* for the answer that asks for one */
	const char *step_up; /* parameters of RFC 9470's challenge, ", " before each; or NULL */
};

/*
 * A whole HTTP/1.1 answer for a refusal: status line, Content-Type application/problem+json (RFC
 * 9457), Content-Length, Connection: close, Cache-Control: no-store, WWW-Authenticate for 401 and
 * 403 (RFC 6750: no error code without a token, invalid_token, insufficient_scope,
 * invalid_request), Retry-After for 429 and 503. Returns its length, at most SZ_ANSWER_MAX; 0 where
 * the reason has no HTTP status.
 */
size_t sz_http_answer(enum sz_reason reason, const struct sz_http_dpop *dpop,
		      char ret[SZ_ANSWER_MAX]);
/* The same in at most SZ_BRIEF_MAX bytes: no realm, no descriptions, title and status only. */
size_t sz_http_answer_brief(enum sz_reason reason, const struct sz_http_dpop *dpop,
			    char ret[SZ_BRIEF_MAX]);

/* A rate limit, for the fields that name it. */
struct sz_http_limit {
	const char *name;  /* [A-Za-z0-9._-]; NULL: only Retry-After is told */
	u64 interval_ns, burst_ns;
};
/*
 * The answer for the kernel's table, with sums; all zero where the reason has no status. `dpop` as
 * in sz_http_answer(); it may be NULL with a limit. With a limit the answer says when to come
 * again, in seconds that the packet core fills in: Retry-After, and for a name RateLimit-Policy and
 * RateLimit (draft-ietf-httpapi-ratelimit-headers).
 */
void sz_http_prepare(enum sz_reason reason, const struct sz_http_dpop *dpop,
		     const struct sz_http_limit *limit, struct sz_answer *ret);

#endif

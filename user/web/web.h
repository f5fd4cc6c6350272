/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An HTTP/1.1 server in the event loop, for what the daemon itself answers: metrics and the local
 * API. Reads heads as strictly as the guard does, bodies by length or chunked; keeps connections
 * open; bounds bytes, time and peers. It knows nothing of paths, formats or rights. Runs in the
 * loop's thread only.
 */
#ifndef SZ_WEB_WEB_H
#define SZ_WEB_WEB_H

#include "http/http.h"
#include "net/net.h"

#define SZ_WEB_HEAD_MAX 8192u /* bytes of a request's head */

struct sz_web;
struct sz_web_peer;

/* Everything in it stays as it is until the request was answered. */
struct sz_web_request {
	const char *method; /* "GET"; a HEAD is told as GET, its answer is sent without the body */
	const char *path;   /* canonical: decoded, no dot segments */
	const char *query;  /* behind the '?', as sent; "" without */
	const char *head;   /* for sz_http_field() */
	size_t head_len;
	const char *body;   /* NUL-terminated behind body_len */
	size_t body_len;
	/* private */
	struct sz_web_peer *peer; /* NULL: it is gone */
	struct sz_buf text, content;
	bool head_only, last;
};

struct sz_web_options {
	struct sz_net_where where;
	unsigned peers_max;
	size_t body_max; /* bytes; a larger body is 413 */
	/* Where set: how much of it for this head, before any of it is read; at most body_max. */
	size_t (*body_for)(const char *head, size_t n, void *arg);
	bool keep;       /* several requests on a connection */
	/*
	 * Called with each request. It must be answered once, now or later, in the loop's thread;
	 * it may then be gone. The peer's next request waits for that.
	 */
	void (*request)(struct sz_web_request *q, void *arg);
	/* The body of an answer to what is no request, and its type. NULL: a line of text. */
	const char *(*wrong)(int status, const char *why, struct sz_buf *ret, void *arg);
	void *arg;
};

int sz_web_listen(struct sz_loop_ring *l, const struct sz_web_options *o, struct sz_web **ret,
		  struct sz_error *e);
void sz_web_free(struct sz_web *w); /* after the loop; NULL is fine */

/*
 * Answers and frees the request. `fields` are further lines, each with CRLF, or NULL; type NULL is
 * an answer without content. The body is copied.
 */
void sz_web_answer(struct sz_web_request *q, int status, const char *type, const char *fields,
		   const void *body, size_t n);
const char *sz_web_phrase(int status); /* "Not Found" */

#endif

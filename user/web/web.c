/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A peer's requests, one after the other: head, body, answer, and again. Called by the stream
 * server for every piece that comes. No byte of a peer moves anything but its own connection.
 */
#include "web/web.h"

#include <string.h>
#include <strings.h>

#define HEAD_NS 5000000000ull  /* for a whole head */
#define BODY_NS 15000000000ull /* for a whole body */
#define IDLE_NS 60000000000ull /* between two requests */

enum phase {
	PHASE_IDLE, /* nothing of a request has come */
	PHASE_HEAD,
	PHASE_CONTINUE, /* "100 Continue" is being sent */
	PHASE_BODY,
	PHASE_HANDLER, /* somebody has the request */
	PHASE_ANSWER,
};

struct sz_web {
	struct sz_web_options o;
	struct sz_http_head head; /* of the request being read; nothing in it is kept */
};

struct sz_web_peer {
	struct sz_web *web;
	struct sz_net_stream *stream;
	struct sz_web_request *request; /* being read, or with the handler */
	enum phase phase;
	size_t scanned; /* bytes without the end of a head */
	bool chunked, last;
	u64 left; /* of a body with a length */
	size_t body_max;
	struct sz_http_chunks chunks;
};

const char *sz_web_phrase(int status)
{
	static const struct {
		int status;
		const char *phrase;
	} all[] = {
		{200, "OK"}, {201, "Created"}, {202, "Accepted"}, {204, "No Content"},
		{400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"},
		{404, "Not Found"}, {405, "Method Not Allowed"}, {406, "Not Acceptable"},
		{409, "Conflict"}, {413, "Content Too Large"}, {415, "Unsupported Media Type"},
		{422, "Unprocessable Content"}, {429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"}, {500, "Internal Server Error"},
		{501, "Not Implemented"}, {503, "Service Unavailable"},
	};
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(all); i++)
		if (all[i].status == status)
			return all[i].phrase;
	return "Unknown";
}

static void request_free(struct sz_web_request *q)
{
	if (!q)
		return;
	sz_buf_done(&q->text);
	sz_buf_done(&q->content);
	free(q);
}

/* ---- answers -------------------------------------------------------------------------------- */

static void write_answer(struct sz_web_peer *p, int status, const char *type, const char *fields,
			 const void *body, size_t n, bool head_only)
{
	struct sz_buf b = {0};

	sz_buf_printf(&b, "HTTP/1.1 %d %s\r\n", status, sz_web_phrase(status));
	if (type)
		sz_buf_printf(&b, "Content-Type: %s\r\n", type);
	if (status != 204)
		sz_buf_printf(&b, "Content-Length: %zu\r\n", n);
	sz_buf_printf(&b, "%sCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n%s\r\n",
		      fields ? fields : "", p->last ? "Connection: close\r\n" : "");
	if (!head_only && n)
		sz_buf_add(&b, body, n);
	p->phase = PHASE_ANSWER;
	sz_net_stream_write(p->stream, &b);
}

void sz_web_answer(struct sz_web_request *q, int status, const char *type, const char *fields,
		   const void *body, size_t n)
{
	struct sz_web_peer *p = q->peer;

	if (p) {
		p->request = NULL;
		write_answer(p, status, type, fields, body, n, q->head_only);
	}
	request_free(q);
}

/* Tells the peer what is wrong; what else it sends is not read. */
static void refuse(struct sz_web_peer *p, int status, const char *why)
{
	struct sz_web *w = p->web;
	struct sz_buf body = {0};
	const char *type = "text/plain; charset=utf-8";

	if (w->o.wrong)
		type = w->o.wrong(status, why, &body, w->o.arg);
	else
		sz_buf_printf(&body, "%d %s: %s\n", status, sz_web_phrase(status), why);
	p->last = true;
	request_free(p->request);
	p->request = NULL;
	write_answer(p, status, type, NULL, body.data, body.len, false);
	sz_buf_done(&body);
}

/* ---- the request ---------------------------------------------------------------------------- */

static void dispatch(struct sz_web_peer *p)
{
	struct sz_web_request *q = p->request;

	sz_buf_add(&q->content, "", 0);
	q->body = q->content.data ? q->content.data : "";
	q->body_len = q->content.len;
	p->phase = PHASE_HANDLER;
	sz_net_stream_wait(p->stream, 0, false);
	p->web->o.request(q, p->web->o.arg);
}

static bool names_close(const char *head, size_t n)
{
	size_t len, word;
	const char *v = sz_http_field(head, n, "connection", &len);

	while (v && len) {
		word = 0;
		while (word < len && v[word] != ',' && v[word] != ' ' && v[word] != '\t')
			word++;
		if (word == 5 && !strncasecmp(v, "close", 5))
			return true;
		word += word < len;
		v += word;
		len -= word;
	}
	return false;
}

/* Copies of what the handler is told: the stream's bytes go on moving. */
static struct sz_web_request *make_request(struct sz_web_peer *p, const char *bytes)
{
	const struct sz_http_head *h = &p->web->head;
	struct sz_web_request *q = sz_calloc(1, sizeof(*q));
	const char *mark = memchr(h->target, '?', h->target_len);
	size_t query = mark ? (size_t)(h->target + h->target_len - mark) - 1 : 0;
	size_t method, path;

	q->head_only = h->method_len == 4 && !memcmp(h->method_text, "HEAD", 4);
	sz_buf_add(&q->text, bytes, h->head_len);
	sz_buf_add(&q->text, "", 1);
	method = q->text.len;
	sz_buf_printf(&q->text, "%.*s", (int)h->method_len, h->method_text);
	path = ++q->text.len;
	sz_buf_add(&q->text, h->path, h->path_len + 1);
	sz_buf_add(&q->text, mark ? mark + 1 : "", query);
	q->head = q->text.data;
	q->head_len = h->head_len;
	q->method = q->head_only ? "GET" : q->text.data + method;
	q->path = q->text.data + path;
	q->query = q->path + h->path_len + 1;
	q->peer = p;
	return q;
}

static bool begin_request(struct sz_web_peer *p, const char *bytes, size_t n)
{
	const struct sz_http_head *h = &p->web->head;
	size_t have = n - h->head_len;

	p->chunked = h->chunked;
	p->body_max = p->web->o.body_max;
	if (p->web->o.body_for && (p->chunked || h->content_length))
		p->body_max = p->web->o.body_for(bytes, h->head_len, p->web->o.arg);
	if (h->has_length && h->content_length > p->body_max) {
		refuse(p, 413, "the body is larger than is taken");
		return false;
	}
	p->last = h->http10 || !p->web->o.keep || names_close(bytes, h->head_len);
	p->left = h->has_length ? h->content_length : 0;
	p->request = make_request(p, bytes);
	sz_http_chunks_init(&p->chunks);
	if (h->expect_continue && (p->chunked || p->left) && !have) {
		struct sz_buf b = {0};

		sz_net_stream_take(p->stream, n);
		sz_buf_printf(&b, "HTTP/1.1 100 Continue\r\n\r\n");
		p->phase = PHASE_CONTINUE;
		sz_net_stream_write(p->stream, &b);
		return false;
	}
	sz_net_stream_take(p->stream, h->head_len);
	p->phase = PHASE_BODY;
	sz_net_stream_wait(p->stream, BODY_NS, true);
	return true;
}

/* ---- pieces --------------------------------------------------------------------------------- */

/* Each of these is true where there may be more to do with the bytes that are there. */

static bool want(struct sz_web_peer *p)
{
	sz_net_stream_read(p->stream);
	return false;
}

static bool read_head(struct sz_web_peer *p)
{
	enum sz_reason reason = SZ_R_NONE;
	struct sz_error e = {""};
	const char *bytes;
	size_t n, from;

	bytes = sz_net_stream_bytes(p->stream, &n);
	if (n && p->phase == PHASE_IDLE) {
		p->phase = PHASE_HEAD;
		p->scanned = 0;
		sz_net_stream_wait(p->stream, HEAD_NS, true);
	}
	from = p->scanned > 3 ? p->scanned - 3 : 0;
	if (!n || !memmem(bytes + from, n - from, "\r\n\r\n", 4)) {
		p->scanned = n;
		if (n < SZ_WEB_HEAD_MAX)
			return want(p);
		refuse(p, 431, "the request's head is too long");
		return false;
	}
	switch (sz_http_head_parse(bytes, n, &p->web->head, &reason, &e)) {
	case SZ_HTTP_OK:
		if (p->web->head.head_len > SZ_WEB_HEAD_MAX)
			refuse(p, 431, "the request's head is too long");
		else
			return begin_request(p, bytes, n);
		return false;
	case SZ_HTTP_MORE: /* only where the empty line found is none of the head's: a CRLF first */
	default:
		refuse(p, reason == SZ_R_HEAD_TOO_LARGE ? 431 : 400,
		       e.msg[0] ? e.msg : "this is no request");
		return false;
	}
}

/* Bytes used of a chunked body's; -1 where it is refused. */
static ssize_t read_chunks(struct sz_web_peer *p, const char *bytes, size_t n, bool *ret_end)
{
	struct sz_buf *content = &p->request->content;
	size_t at = 0, step, used;

	while (at < n) {
		bool data = sz_http_chunks_in_data(&p->chunks) && p->chunks.left;

		step = !data ? 1 : p->chunks.left < n - at ? (size_t)p->chunks.left : n - at;
		if (data && content->len + p->chunks.left > p->body_max) {
			refuse(p, 413, "the body is larger than is taken");
			return -1;
		}
		if (data)
			sz_buf_add(content, bytes + at, step);
		switch (sz_http_chunks_feed(&p->chunks, bytes + at, step, &used)) {
		case SZ_HTTP_BAD:
			refuse(p, 400, "the chunks of the body are not well formed");
			return -1;
		case SZ_HTTP_OK:
			*ret_end = true;
			return (ssize_t)(at + used);
		default:
			at += step;
		}
	}
	return (ssize_t)at;
}

static bool read_body(struct sz_web_peer *p)
{
	const char *bytes;
	bool end = false;
	ssize_t used;
	size_t n;

	bytes = sz_net_stream_bytes(p->stream, &n);
	if (p->chunked) {
		used = read_chunks(p, bytes, n, &end);
		if (used < 0)
			return false;
	} else {
		used = (ssize_t)(n < p->left ? n : p->left);
		if (used)
			sz_buf_add(&p->request->content, bytes, (size_t)used);
		p->left -= (u64)used;
		end = !p->left;
	}
	sz_net_stream_take(p->stream, (size_t)used);
	if (!end)
		return want(p);
	dispatch(p);
	return false;
}

static void go_on(struct sz_web_peer *p)
{
	bool more = true;

	while (more)
		more = p->phase == PHASE_BODY ? read_body(p) : read_head(p);
}

static void on_input(struct sz_net_stream *s, void *user, bool eof)
{
	struct sz_web_peer *p = user;

	if (!eof)
		go_on(p);
	else
		sz_net_stream_close(s);
}

static void on_sent(struct sz_net_stream *s, void *user)
{
	struct sz_web_peer *p = user;

	if (p->phase == PHASE_CONTINUE) {
		p->phase = PHASE_BODY;
		sz_net_stream_wait(s, BODY_NS, true);
		sz_net_stream_read(s);
	} else if (p->last) {
		sz_net_stream_end(s);
	} else {
		p->phase = PHASE_IDLE;
		p->scanned = 0;
		sz_net_stream_wait(s, IDLE_NS, true);
		go_on(p); /* the next one may have come with this one */
	}
}

static void *on_open(struct sz_net_stream *s, void *arg)
{
	struct sz_web_peer *p = sz_calloc(1, sizeof(*p));

	p->web = arg;
	p->stream = s;
	sz_net_stream_wait(s, HEAD_NS, true);
	sz_net_stream_read(s);
	return p;
}

static void on_closed(void *user)
{
	struct sz_web_peer *p = user;

	if (p->request && p->phase == PHASE_HANDLER)
		p->request->peer = NULL; /* freed when it is answered */
	else
		request_free(p->request);
	free(p);
}

int sz_web_listen(struct sz_loop_ring *l, const struct sz_web_options *o, struct sz_web **ret,
		  struct sz_error *e)
{
	static const struct sz_net_stream_ops ops = {
		.open = on_open, .input = on_input, .sent = on_sent, .closed = on_closed,
	};

	*ret = sz_calloc(1, sizeof(**ret));
	(*ret)->o = *o;
	return sz_net_serve(l, &o->where, o->peers_max, &ops, *ret, e);
}

void sz_web_free(struct sz_web *w)
{
	free(w);
}

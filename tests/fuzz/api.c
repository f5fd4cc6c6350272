/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the local API reads: a connection's bytes in two pieces through the HTTP server's own code,
 * each request to handlers that look at every field. However the bytes are cut, the same requests
 * must come out, no body is larger than is allowed, and all memory is given back.
 */
#include <string.h>

/* The stream under the server is played here. */
#define sz_net_serve        stream_serve
#define sz_net_stream_read  stream_read
#define sz_net_stream_bytes stream_bytes
#define sz_net_stream_take  stream_take
#define sz_net_stream_write stream_write
#define sz_net_stream_end   stream_end
#define sz_net_stream_close stream_close
#define sz_net_stream_wait  stream_wait
#define sz_web_listen       played_listen
#define sz_web_free         played_free
#define sz_web_answer       played_answer
#define sz_web_phrase       played_phrase
#include "../../user/web/web.c"

#include "api/api_priv.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t n);

#define BODY_MAX 64

struct sz_net_stream {
	struct sz_buf in;
	bool wants, wrote, over;
};

static struct sz_net_stream stream;
static struct sz_net_stream_ops ops;
static void *ops_arg;
static struct sz_buf log_now;

static void must(bool ok)
{
	if (!ok)
		abort();
}

int stream_serve(struct sz_loop_ring *l, const struct sz_net_where *where, unsigned max,
		 const struct sz_net_stream_ops *o, void *arg, struct sz_error *e)
{
	(void)l, (void)where, (void)max, (void)e;
	ops = *o;
	ops_arg = arg;
	return 0;
}

void stream_read(struct sz_net_stream *s)
{
	must(!s->wrote);
	s->wants = true;
}

const char *stream_bytes(const struct sz_net_stream *s, size_t *ret_n)
{
	*ret_n = s->in.len;
	return s->in.data ? s->in.data : "";
}

void stream_take(struct sz_net_stream *s, size_t n)
{
	must(n <= s->in.len);
	s->in.len -= n;
	if (s->in.len)
		memmove(s->in.data, s->in.data + n, s->in.len);
}

void stream_write(struct sz_net_stream *s, struct sz_buf *b)
{
	must(!s->wants && !s->wrote && b->len > 12 && !memcmp(b->data, "HTTP/1.1 ", 9));
	sz_buf_add(&log_now, b->data, b->len);
	s->wrote = true;
	sz_buf_done(b);
}

void stream_end(struct sz_net_stream *s)
{
	s->over = true;
}

void stream_close(struct sz_net_stream *s)
{
	s->over = true;
}

void stream_wait(struct sz_net_stream *s, u64 ns, bool idle)
{
	(void)s, (void)ns, (void)idle;
}

static void on_request(struct sz_web_request *q, void *arg)
{
	struct api_request r = {.q = {.path = q->path, .query = q->query}};
	struct api_text *t, *next;
	const char *v;
	size_t n;

	(void)arg;
	must(q->body_len <= BODY_MAX && !q->body[q->body_len] && !q->head[q->head_len]);
	must(q->path[0] == '/' || !strcmp(q->path, "*"));
	v = sz_http_field(q->head, q->head_len, "authorization", &n);
	must(!v || (v > q->head && v + n < q->head + q->head_len));
	if (sz_api_path_fits(&r, "/{a}/x/{b}", q->path))
		must(r.q.param[0][0] && r.q.param[1][0] && !strchr(r.q.param[0], '/'));
	if (!sz_api_pair(&r, q->query, strlen(q->query), "a", &v))
		must(strlen(v) <= strlen(q->query));
	if (!sz_api_pair(&r, q->body, q->body_len, "a", &v))
		must(strlen(v) <= q->body_len);
	for (t = r.texts; t; t = next) {
		next = t->next;
		free(t);
	}
	sz_buf_add(&log_now, q->path, strlen(q->path));
	sz_buf_add(&log_now, q->body, q->body_len);
	played_answer(q, 200, NULL, NULL, NULL, 0);
}

static void feed(void *peer, const u8 *data, size_t n)
{
	if (stream.over || !n || !stream.wants)
		return;
	stream.wants = false;
	sz_buf_add(&stream.in, data, n);
	ops.input(&stream, peer, false);
	while (stream.wrote && !stream.over) {
		stream.wrote = false;
		ops.sent(&stream, peer);
	}
	must(stream.over || stream.wants);
}

static void play(const u8 *data, size_t n, size_t cut)
{
	struct sz_web_options o = {
		.body_max = BODY_MAX, .keep = true, .peers_max = 1, .request = on_request,
	};
	struct sz_web *w;
	void *peer;

	memset(&stream, 0, sizeof(stream));
	must(!sz_web_listen(NULL, &o, &w, NULL));
	peer = ops.open(&stream, ops_arg);
	feed(peer, data, cut);
	feed(peer, data + cut, n - cut);
	ops.closed(peer);
	sz_buf_done(&stream.in);
	sz_web_free(w);
}

static bool names_expect(const u8 *data, size_t n)
{
	size_t i;

	for (i = 0; i + 6 <= n; i++)
		if (!strncasecmp((const char *)data + i, "expect", 6))
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
	struct sz_buf whole;

	if (n > 2 * SZ_WEB_HEAD_MAX || !n)
		return 0;
	log_now = (struct sz_buf){0};
	play(data, n, n);
	whole = log_now;
	log_now = (struct sz_buf){0};
	play(data, n, n * data[n - 1] / 256);
	/* "100 Continue" is sent only to who waits with the body. */
	if (!names_expect(data, n) && n <= SZ_WEB_HEAD_MAX)
		must(whole.len == log_now.len && (!whole.len ||
		     !memcmp(whole.data, log_now.data, whole.len)));
	sz_buf_done(&whole);
	sz_buf_done(&log_now);
	return 0;
}

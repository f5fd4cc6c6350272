/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The endpoint: a request's head in, an answer out. A text is made at most ten times a second and
 * kept in between, so that whoever asks often costs little. Called by the daemon's loop.
 */
#include "metrics/metrics.h"

#include <string.h>

#include "metrics/metrics_priv.h"

#define KEEP_NS 100000000ull

struct text {
	struct sz_buf body;
	u64 made_ns;
};

struct sz_metrics {
	struct sz_gateway *gateway;
	struct text text[2]; /* plain, OpenMetrics */
};

static const char *const content_type[2] = {
	"text/plain; version=0.0.4; charset=utf-8",
	"application/openmetrics-text; version=1.0.0; charset=utf-8",
};

static const char *reason_phrase(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 431:
		return "Request Header Fields Too Large";
	case 503:
		return "Service Unavailable";
	default:
		return "Bad Request";
	}
}

/* The head; a body of `n` bytes follows. */
static void add_head(struct sz_buf *b, int status, const char *type, size_t n)
{
	sz_buf_printf(b,
		      "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
		      "%sCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
		      "Connection: close\r\n\r\n",
		      status, reason_phrase(status), type, n,
		      status == 405 ? "Allow: GET\r\n" : "");
}

static void add_error(struct sz_buf *b, int status)
{
	struct sz_buf body = {};

	sz_buf_printf(&body, "%d %s; the metrics are at GET /metrics\n", status,
		      reason_phrase(status));
	add_head(b, status, "text/plain; charset=utf-8", body.len);
	sz_buf_add(b, body.data, body.len);
	sz_buf_done(&body);
}

static int make_text(struct sz_metrics *m, struct text *t, bool openmetrics)
{
	struct sz_expo x = {.openmetrics = openmetrics};
	struct sz_gateway_view view;
	u64 now = sz_boot_ns();
	int r;

	if (t->made_ns && now - t->made_ns < KEEP_NS)
		return 0;
	r = sz_gateway_look(m->gateway, &view);
	if (r) {
		sz_log(SZ_LOG_WARNING, "metrics: the kernel's counters cannot be read: %s",
		       strerror(-r));
		return r;
	}
	sz_metrics_render(&x, &view);
	sz_buf_done(&t->body);
	t->body = x.out;
	x.out = (struct sz_buf){};
	sz_expo_done(&x);
	t->made_ns = now;
	return 0;
}

static void on_question(const char *head, size_t n, struct sz_buf *ret, void *arg)
{
	struct sz_metrics *m = arg;
	struct sz_question q;
	struct text *t;

	sz_question_read(head, n, &q);
	t = &m->text[q.openmetrics];
	if (q.status == 200 && make_text(m, t, q.openmetrics))
		q.status = 503;
	if (q.status != 200) {
		add_error(ret, q.status);
		return;
	}
	add_head(ret, 200, content_type[q.openmetrics], t->body.len);
	sz_buf_add(ret, t->body.data, t->body.len);
}

int sz_metrics_listen(struct sz_loop_ring *loop, struct sz_gateway *g, struct sz_metrics **ret,
		      struct sz_error *e)
{
	const struct sz_conf *c = sz_gateway_conf(g);
	int r;

	*ret = NULL;
	if (!c->metrics.on)
		return 0;
	*ret = sz_calloc(1, sizeof(**ret));
	(*ret)->gateway = g;
	r = sz_gateway_observe(g);
	if (r)
		return sz_error_set(e, r, "cannot set a timer: %s", strerror(-r));
	return sz_net_serve(loop, &c->metrics.listen.addr, c->metrics.listen.port, on_question,
			    *ret, e);
}

void sz_metrics_free(struct sz_metrics *m)
{
	if (!m)
		return;
	sz_buf_done(&m->text[0].body);
	sz_buf_done(&m->text[1].body);
	free(m);
}

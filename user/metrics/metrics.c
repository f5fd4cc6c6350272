/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The endpoint: a request's head in, an answer out. A text is made at most ten times a second and
 * kept in between, so that whoever asks often costs little. Called by the daemon's loop.
 */
#include "metrics/metrics.h"

#include <string.h>

#include "metrics/metrics_priv.h"

#define KEEP_NS   100000000ull
#define PEERS_MAX 16
#define BODY_MAX  1024u /* of a question that should have none */

struct text {
	struct sz_buf body;
	u64 made_ns;
};

struct sz_metrics {
	struct sz_gateway *gateway;
	struct sz_web *web;
	struct text text[2]; /* plain, OpenMetrics */
};

static const char *const content_type[2] = {
	"text/plain; version=0.0.4; charset=utf-8",
	"application/openmetrics-text; version=1.0.0; charset=utf-8",
};

static const char *wrong(int status, const char *why, struct sz_buf *ret, void *arg)
{
	(void)why;
	(void)arg;
	sz_buf_printf(ret, "%d %s; the metrics are at GET /metrics\n", status,
		      sz_web_phrase(status));
	return "text/plain; charset=utf-8";
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

static void on_request(struct sz_web_request *r, void *arg)
{
	struct sz_metrics *m = arg;
	struct sz_buf body = {};
	struct sz_question q;
	struct text *t;

	sz_question_read(r, &q);
	t = &m->text[q.openmetrics];
	if (q.status == 200 && make_text(m, t, q.openmetrics))
		q.status = 503;
	if (q.status == 200) {
		sz_web_answer(r, 200, content_type[q.openmetrics], NULL, t->body.data, t->body.len);
		return;
	}
	wrong(q.status, NULL, &body, m);
	sz_web_answer(r, q.status, "text/plain; charset=utf-8",
		      q.status == 405 ? "Allow: GET\r\n" : NULL, body.data, body.len);
	sz_buf_done(&body);
}

int sz_metrics_listen(struct sz_loop_ring *loop, struct sz_gateway *g, struct sz_metrics **ret,
		      struct sz_error *e)
{
	const struct sz_conf *c = sz_gateway_conf(g);
	struct sz_web_options o = {
		.where = {.addr = c->metrics.listen.addr, .port = c->metrics.listen.port},
		.peers_max = PEERS_MAX,
		.body_max = BODY_MAX,
		.request = on_request,
		.wrong = wrong,
	};
	int r;

	*ret = NULL;
	if (!c->metrics.on)
		return 0;
	*ret = sz_calloc(1, sizeof(**ret));
	(*ret)->gateway = g;
	o.arg = *ret;
	r = sz_gateway_observe(g);
	if (r)
		return sz_error_set(e, r, "cannot set a timer: %s", strerror(-r));
	return sz_web_listen(loop, &o, &(*ret)->web, e);
}

void sz_metrics_free(struct sz_metrics *m)
{
	if (!m)
		return;
	sz_web_free(m->web);
	sz_buf_done(&m->text[0].body);
	sz_buf_done(&m->text[1].body);
	free(m);
}

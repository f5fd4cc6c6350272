/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which requests are traced, and the way of their spans to the collector: encoded at once, gathered
 * for half a second, one request at a time under way, tried again where OTLP says so. Called in the
 * loop; a collector that is slow or gone costs the spans that find no room.
 */
#include <sodium.h>
#include <string.h>

#include "fetch/fetch.h"
#include "trace/trace_priv.h"

#define TICK_NS    500000000ull
#define TIMEOUT_MS 10000
#define TRIES      5
#define BATCH_MAX  (4u << 20) /* bytes of spans that wait, whatever their number */
#define ANSWER_MAX 65536u

struct sz_trace {
	struct sz_loop_ring *loop;
	struct sz_fetch *fetch;
	char *url, *ca_file, *authorization;
	bool follow;
	u64 threshold; /* of a random number below which a request is traced */
	bool always;
	u64 random;    /* xorshift64*; decides, and names nothing */
	u32 max;       /* spans that wait */
	struct sz_buf spans, batch; /* gathered; under way */
	u32 n_spans, n_batch;
	struct sz_fetch_call *call;
	unsigned tries;
	u64 again_ns;
	bool failing;
	struct sz_trace_stats stats;
};

/* ---- export --------------------------------------------------------------------------------- */

static void drop_batch(struct sz_trace *t)
{
	sz_buf_reset(&t->batch);
	t->n_batch = 0;
	t->tries = 0;
}

static void failed(struct sz_trace *t, bool again, const char *why)
{
	t->stats.export_failures++;
	if (!t->failing)
		sz_log(SZ_LOG_WARNING, "traces: %s; they are kept while there is room, then "
		       "dropped and counted", why);
	t->failing = true;
	if (again && t->tries < TRIES) {
		t->again_ns = sz_boot_ns() + (TICK_NS << (t->tries - 1));
		return;
	}
	t->stats.failed += t->n_batch;
	drop_batch(t);
}

/* OTLP 1, "Failures": these may be tried again, others not. */
static bool is_passing(int status)
{
	return status == 429 || status == 502 || status == 503 || status == 504;
}

static void on_answer(int err, const struct sz_fetch_answer *a, const struct sz_error *e, void *arg)
{
	struct sz_trace *t = arg;
	char why[64];
	u64 rejected;

	t->call = NULL;
	if (err) {
		failed(t, true, e->msg);
		return;
	}
	if (a->status != 200) {
		snprintf(why, sizeof(why), "the collector answers %d", a->status);
		failed(t, is_passing(a->status), why);
		return;
	}
	if (t->failing)
		sz_log(SZ_LOG_NOTICE, "traces: the collector takes them again");
	t->failing = false;
	rejected = sz_trace_rejected(a->body, a->len);
	rejected = rejected < t->n_batch ? rejected : t->n_batch;
	t->stats.exports++;
	t->stats.sent += t->n_batch - rejected;
	t->stats.failed += rejected;
	drop_batch(t);
}

static void send_batch(struct sz_trace *t)
{
	struct sz_error e = {""};
	struct sz_buf body = {0};
	struct sz_fetch_request rq = {
		.url = t->url,
		.loopback_http = true,
		.ca_file = t->ca_file,
		.authorization = t->authorization,
		.body_type = "application/json",
		.timeout_ms = TIMEOUT_MS,
		.max = ANSWER_MAX,
	};

	sz_trace_envelope(&body, &t->batch);
	rq.body = body.data;
	rq.body_len = body.len;
	t->tries++;
	if (sz_fetch_start(t->fetch, &rq, on_answer, t, &t->call, &e)) {
		t->call = NULL;
		failed(t, false, e.msg);
	}
	sz_buf_done(&body);
}

static void on_tick(void *arg)
{
	struct sz_trace *t = arg;
	struct sz_buf empty = t->batch;

	if (t->call || (t->n_batch && sz_boot_ns() < t->again_ns))
		return;
	if (!t->n_batch) {
		if (!t->n_spans)
			return;
		t->batch = t->spans;
		t->n_batch = t->n_spans;
		t->spans = empty;
		t->n_spans = 0;
	}
	send_batch(t);
}

/* ---- which, and their spans ------------------------------------------------------------------ */

static bool chosen(struct sz_trace *t)
{
	u64 x = t->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	t->random = x;
	return t->always || x * 0x2545f4914f6cdd1dull < t->threshold;
}

struct sz_trace_request *sz_trace_begin(struct sz_trace *t, const char *head, size_t n,
					u64 began_ns)
{
	struct sz_trace_request *r;
	struct sz_trace_head h;

	/* A client's word is asked for before the dice: its trace is whole or not there. */
	sz_trace_head_read(head, t->follow ? n : 0, &h);
	if (h.has_parent ? !h.parent.sampled : !chosen(t))
		return NULL;
	if (!t->follow)
		sz_trace_head_read(head, n, &h);
	if (t->n_spans + t->n_batch + SZ_TRACE_SPANS_MAX > t->max ||
	    t->spans.len + t->batch.len > BATCH_MAX) {
		t->stats.dropped++;
		return NULL;
	}
	r = sz_calloc(1, sizeof(*r));
	r->began_ns = began_ns;
	r->wall_ns = (s64)(sz_wall_ns() - sz_boot_ns());
	randombytes_buf(r->trace, sizeof(r->trace));
	randombytes_buf(r->span, sizeof(r->span));
	if (t->follow && h.has_parent) {
		r->has_parent = true;
		memcpy(r->trace, h.parent.trace, sizeof(r->trace));
		memcpy(r->parent, h.parent.span, sizeof(r->parent));
	}
	if (h.method && h.method_len < sizeof(r->method)) {
		memcpy(r->method, h.method, h.method_len);
		r->path_len = h.path_len < sizeof(r->path) ? h.path_len : sizeof(r->path);
		memcpy(r->path, h.path, r->path_len);
	}
	return r;
}

void sz_trace_end(struct sz_trace *t, struct sz_trace_request *r, u64 ended_ns)
{
	u8 ids[SZ_TRACE_STEPS][8];

	if (t->n_spans + t->n_batch + SZ_TRACE_SPANS_MAX > t->max) {
		t->stats.dropped++;
	} else {
		randombytes_buf(ids, sizeof(ids));
		t->n_spans += sz_trace_encode(&t->spans, r, ended_ns, (const u8(*)[8])ids);
	}
	free(r);
}

void sz_trace_look(const struct sz_trace *t, struct sz_trace_stats *ret)
{
	*ret = t->stats;
	ret->waiting = t->n_spans + t->n_batch;
}

/* ---- life ----------------------------------------------------------------------------------- */

static int read_authorization(struct sz_trace *t, const char *path, struct sz_error *e)
{
	struct sz_buf text = {0};
	int r = sz_file_read(path, 8192, &text, e);

	while (!r && text.len && (u8)text.data[text.len - 1] <= ' ')
		text.data[--text.len] = 0;
	if (!r && (!text.len || strpbrk(text.data, "\r\n")))
		r = sz_error_set(e, -EINVAL, "%s: write one line, the value of the Authorization "
				 "header, like Bearer SECRET", path);
	if (!r)
		t->authorization = sz_strndup(text.data, text.len);
	if (text.data)
		sodium_memzero(text.data, text.len);
	sz_buf_done(&text);
	return r;
}

int sz_trace_new(struct sz_loop_ring *l, const struct sz_conf *c, struct sz_trace **ret,
		 struct sz_error *e)
{
	struct sz_trace *t;
	int r;

	*ret = NULL;
	if (!c->tracing.endpoint)
		return 0;
	t = sz_calloc(1, sizeof(*t));
	t->loop = l;
	t->url = sz_strdup(c->tracing.endpoint);
	t->ca_file = c->tracing.ca_file ? sz_strdup(c->tracing.ca_file) : NULL;
	t->follow = c->tracing.follow;
	t->max = c->tracing.queue;
	t->always = c->tracing.sampling >= 1;
	t->threshold = t->always ? 0 : (u64)(c->tracing.sampling * 18446744073709551616.0);
	*ret = t;
	if (sodium_init() < 0)
		return sz_error_set(e, -EIO, "libsodium does not start");
	do
		randombytes_buf(&t->random, sizeof(t->random));
	while (!t->random);
	r = c->tracing.authorization_file
		    ? read_authorization(t, c->tracing.authorization_file, e) : 0;
	if (!r)
		r = sz_fetch_new(l, &t->fetch, e);
	return r ? r : sz_net_every(l, TICK_NS, on_tick, t);
}

void sz_trace_free(struct sz_trace *t)
{
	if (!t)
		return;
	sz_fetch_free(t->fetch);
	sz_buf_done(&t->spans);
	sz_buf_done(&t->batch);
	if (t->authorization)
		sodium_memzero(t->authorization, strlen(t->authorization));
	free(t->authorization);
	free(t->url);
	free(t->ca_file);
	free(t);
}

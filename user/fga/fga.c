/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Paths, threads, and the way of a call: from the loop to a thread and back. Called by the daemon.
 */
#include "fga/fga_priv.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define WORKS_KEPT  8
#define STEPS       2000000u /* of one question */
#define DEADLINE_MS 1000
#define CALLS_MAX   1024 /* under way; more are told to come again */

struct path {
	struct sz_fga *fga;
	const struct fga_endpoint *endpoint;
};

struct sz_fga {
	struct sz_api *api;
	struct sz_stores *stores;
	struct path *paths; /* one for each endpoint */
	struct sz_pool *questions, *writer;
	u32 deadline_ms;
	unsigned calls;
	bool ending;
	pthread_mutex_t lock; /* of the memory of questions */
	struct sz_rebac_work *work[WORKS_KEPT];
	u32 n_work;
};

#define READ  "rebac:read"
#define WRITE "rebac:write"
#define STORE "/stores/{store_id}"

static const struct fga_endpoint endpoints[] = {
	{"GET", "/stores", READ, fga_store_list, false},
	{"POST", "/stores", WRITE, fga_store_create, true},
	{"GET", STORE, READ, fga_store_get, false},
	{"DELETE", STORE, WRITE, fga_store_delete, true},
	{"POST", STORE "/check", READ, fga_check, false},
	{"POST", STORE "/batch-check", READ, fga_batch_check, false},
	{"POST", STORE "/list-objects", READ, fga_list_objects, false},
	{"POST", STORE "/streamed-list-objects", READ, fga_stream_objects, false},
	{"POST", STORE "/list-users", READ, fga_list_users, false},
	{"POST", STORE "/expand", READ, fga_expand, false},
	{"POST", STORE "/read", READ, fga_read, false},
	{"POST", STORE "/write", WRITE, fga_write, true},
	{"POST", STORE "/import", WRITE, fga_import, true},
	{"GET", STORE "/changes", READ, fga_changes, false},
	{"GET", STORE "/authorization-models", READ, fga_model_list, false},
	{"POST", STORE "/authorization-models", WRITE, fga_model_write, true},
	{"GET", STORE "/authorization-models/{id}", READ, fga_model_read, false},
	{"GET", STORE "/assertions/{authorization_model_id}", READ, fga_assertions_read, false},
	{"PUT", STORE "/assertions/{authorization_model_id}", WRITE, fga_assertions_write, true},
};

/* ---- answers -------------------------------------------------------------------------------- */

void fga_answer(struct fga_call *c, int status, json_t *answer)
{
	c->status = status;
	c->answer = answer;
}

void fga_fail(struct fga_call *c, int status, const char *code, const char *fmt, ...)
{
	char why[512], *p;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	json_decref(c->answer);
	c->status = status;
	c->answer = json_pack("{s:s, s:s}", "code", code, "message", why);
	if (c->answer)
		return;
	for (p = why; *p; p++) /* cut in the middle of a character */
		*p = (u8)*p < 0x80 ? *p : '?';
	c->answer = json_pack("{s:s, s:s}", "code", code, "message", why);
}

void fga_fail_rebac(struct fga_call *c, int err, const struct sz_rebac_error *e)
{
	if (err == -EEXIST)
		fga_fail(c, 409, "Aborted", "%s", e->msg);
	else if (err == -ENOENT)
		fga_fail(c, 404, "store_id_not_found", "%s", e->msg);
	else if (e->code == SZ_STORE_DUPLICATE)
		fga_fail(c, 400, "cannot_allow_duplicate_tuples_in_one_request", "%s", e->msg);
	else if (e->code == SZ_STORE_EXCEEDED)
		fga_fail(c, 400, "exceeded_entity_limit", "%s", e->msg);
	else if (e->code == SZ_REBAC_INTERNAL)
		fga_fail(c, err == -ENOSPC ? 503 : 500, "internal_error", "%s", e->msg);
	else
		fga_fail(c, 400, sz_rebac_code_name(e->code), "%s", e->msg);
}

/* ---- a call's way --------------------------------------------------------------------------- */

static void call_free(struct fga_call *c)
{
	c->fga->calls--;
	sz_store_put(c->store);
	json_decref(c->body);
	sz_buf_done(&c->lines);
	sz_buf_done(&c->act);
	free(c);
}

/* In a thread. */
static void run(struct sz_work *w)
{
	struct fga_call *c = (struct fga_call *)w;
	const char *id = c->q->param[0];
	struct sz_error e;

	c->body = sz_api_json(c->q, &e);
	if (!c->body) {
		fga_fail(c, 400, "validation_error", "%s", e.msg);
		return;
	}
	if (id) {
		c->store = sz_store_get(c->stores, id);
		if (!c->store) {
			fga_fail(c, 404, "store_id_not_found", "there is no store %.64s", id);
			return;
		}
	}
	c->endpoint->fn(c);
}

void fga_act(struct fga_call *c, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	sz_buf_printf(&c->act, "%s", text);
}

void fga_act_store(struct fga_call *c, const char *what)
{
	const struct sz_store_info *i = sz_store_info(c->store);

	fga_act(c, "%s store %s (%s)", what, i->name, i->id);
}

/* Every call that writes goes on record, also one that came to nothing. */
static void record(struct fga_call *c)
{
	const char *code = fga_text(c->answer, "code"), *why = fga_text(c->answer, "message");
	bool bad = c->status >= 400;

	if (!c->endpoint->writes)
		return;
	if (!c->act.len)
		fga_act(c, "%s %.200s", c->endpoint->method, c->q->path);
	sz_api_act(c->fga->api, c->q, "%s%s%s%s%s", c->act.data, bad ? "; refused: " : "",
		   bad && code ? code : "", bad && why ? ": " : "", bad && why ? why : "");
}

/* In the loop. Who rests on what was written is told before the writer is. */
static void done(struct sz_work *w)
{
	struct fga_call *c = (struct fga_call *)w;

	if (c->wrote)
		sz_stores_written(c->stores, c->store);
	record(c);
	if (c->lines.data)
		sz_api_send(c->q, c->status, "application/json", NULL, c->lines.data, c->lines.len);
	else if (c->answer)
		sz_api_answer(c->q, c->status, c->answer);
	else
		sz_api_send(c->q, c->status, NULL, NULL, NULL, 0);
	call_free(c);
}

static void drop(struct sz_work *w)
{
	struct fga_call *c = (struct fga_call *)w;

	json_decref(c->answer);
	sz_api_fail(c->q, 503, "internal_error", "the daemon ends");
	call_free(c);
}

static void on_request(struct sz_api_request *q, void *arg)
{
	const struct path *p = arg;
	struct sz_fga *f = p->fga;
	struct fga_call *c;

	if (f->ending || f->calls >= CALLS_MAX) {
		sz_api_fail(q, 503, "throttled_timeout_error", "too many requests are under way");
		return;
	}
	c = sz_calloc(1, sizeof(*c));
	c->work = (struct sz_work){
		.run = run, .done = done, .drop = drop, .class = SZ_WORK_NORMAL,
	};
	c->fga = f;
	c->stores = f->stores;
	c->endpoint = p->endpoint;
	c->q = q;
	c->status = 500;
	c->deadline_ns = sz_boot_ns() + f->deadline_ms * 1000000ull;
	f->calls++;
	sz_pool_submit(p->endpoint->writes ? f->writer : f->questions, &c->work);
}

/* ---- memory of questions -------------------------------------------------------------------- */

static bool is_late(void *arg)
{
	return sz_boot_ns() > ((struct fga_call *)arg)->deadline_ns;
}

struct sz_rebac_work *fga_work(struct fga_call *c)
{
	struct sz_fga *f = c->fga;
	struct sz_rebac_work *w = NULL;

	pthread_mutex_lock(&f->lock);
	if (f->n_work)
		w = f->work[--f->n_work];
	pthread_mutex_unlock(&f->lock);
	if (!w)
		w = sz_rebac_work_new(STEPS);
	sz_rebac_work_watch(w, is_late, c);
	return w;
}

void fga_work_back(struct fga_call *c, struct sz_rebac_work *w)
{
	struct sz_fga *f = c->fga;

	pthread_mutex_lock(&f->lock);
	if (f->n_work < WORKS_KEPT) {
		f->work[f->n_work++] = w;
		w = NULL;
	}
	pthread_mutex_unlock(&f->lock);
	sz_rebac_work_free(w);
}

/* ---- life ----------------------------------------------------------------------------------- */

int sz_fga_new(struct sz_api *api, struct sz_loop_ring *loop, struct sz_stores *stores,
	       const struct sz_fga_options *o, struct sz_fga **ret, struct sz_error *e)
{
	struct sz_pool_options questions = {.workers = o->workers}, writer = {.workers = 1};
	struct sz_fga *f = sz_calloc(1, sizeof(*f));
	size_t i;
	int err;

	*ret = f;
	f->api = api;
	f->stores = stores;
	f->deadline_ms = o->deadline_ms ? o->deadline_ms : DEADLINE_MS;
	pthread_mutex_init(&f->lock, NULL);
	err = sz_pool_new(loop, &questions, &f->questions, e);
	if (!err)
		err = sz_pool_new(loop, &writer, &f->writer, e);
	f->paths = sz_calloc(SZ_ARRAY_LEN(endpoints), sizeof(*f->paths));
	for (i = 0; i < SZ_ARRAY_LEN(endpoints) && !err; i++) {
		f->paths[i] = (struct path){f, &endpoints[i]};
		sz_api_register(api, endpoints[i].method, endpoints[i].path, endpoints[i].scope,
				on_request, &f->paths[i]);
	}
	return err;
}

void sz_fga_free(struct sz_fga *f)
{
	u32 i;

	if (!f)
		return;
	f->ending = true;
	sz_pool_free(f->writer);
	sz_pool_free(f->questions);
	for (i = 0; i < f->n_work; i++)
		sz_rebac_work_free(f->work[i]);
	pthread_mutex_destroy(&f->lock);
	free(f->paths);
	free(f);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From a request to its handler and back. Called by the HTTP server and by the control socket. No
 * handler is reached before its scope was checked.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/api_priv.h"
#include "codec/codec.h"

#define JSON_TYPE "application/json"

struct api_route {
	struct api_route *next;
	const char *method, *pattern, *scope;
	void (*fn)(struct sz_api_request *q, void *arg);
	void *arg;
};

struct sz_api {
	struct sz_web *web;
	struct api_auth *auth;
	struct api_route *routes, **last;
	void (*on_act)(const char *words, void *arg);
	void *act_arg;
};

/* ---- requests ------------------------------------------------------------------------------- */

char *sz_api_keep(struct api_request *r, const char *s, size_t n)
{
	struct api_text *t = sz_calloc(1, sizeof(*t) + n + 1);

	memcpy(t->s, s, n);
	t->next = r->texts;
	r->texts = t;
	return t->s;
}

static void request_free(struct api_request *r)
{
	struct api_text *t, *next;

	for (t = r->texts; t; t = next) {
		next = t->next;
		free(t);
	}
	free(r);
}

json_t *sz_api_json(const struct sz_api_request *q, struct sz_error *e)
{
	json_error_t je;
	json_t *v;

	if (!q->body_len)
		return json_object();
	v = json_loadb(q->body, q->body_len, JSON_REJECT_DUPLICATES, &je);
	if (json_is_object(v))
		return v;
	if (v)
		sz_error_set(e, -EINVAL, "the body must be a JSON object");
	else
		sz_error_set(e, -EINVAL, "the body is not JSON: line %d, column %d", je.line,
			     je.column);
	json_decref(v);
	return NULL;
}

const char *sz_api_header(const struct sz_api_request *q, const char *name, size_t *ret_n)
{
	const struct sz_web_request *w = ((const struct api_request *)q)->web;

	return w ? sz_http_field(w->head, w->head_len, name, ret_n) : NULL;
}

int sz_api_form(struct sz_api_request *q, const char *name, const char **ret)
{
	static const char type[] = "application/x-www-form-urlencoded";
	size_t n, len = strlen(type);
	const char *v = sz_api_header(q, "content-type", &n);

	if (!v || n < len || strncasecmp(v, type, len) || (n > len && !strchr("; \t", v[len])))
		return -EINVAL;
	return sz_api_pair((struct api_request *)q, q->body, q->body_len, name, ret);
}

int sz_api_query(struct sz_api_request *q, const char *name, const char **ret)
{
	return sz_api_pair((struct api_request *)q, q->query, strlen(q->query), name, ret);
}

/* ---- answers -------------------------------------------------------------------------------- */

void sz_api_send(struct sz_api_request *q, int status, const char *type, const char *fields,
		 const void *body, size_t n)
{
	struct api_request *r = (struct api_request *)q;
	struct sz_buf text = {0};

	if (r->web) {
		sz_web_answer(r->web, status, type, fields, body, n);
	} else {
		sz_buf_add(&text, n ? body : "", n);
		sz_buf_add(&text, "", 0);
		r->reply(status, text.data ? text.data : "", n, r->arg);
		sz_buf_done(&text);
	}
	request_free(r);
}

void sz_api_answer(struct sz_api_request *q, int status, json_t *body)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

	json_decref(body);
	if (text)
		sz_api_send(q, status, JSON_TYPE, NULL, text, strlen(text));
	else
		sz_api_fail(q, 500, "internal_error", "the answer could not be written");
	free(text);
}

/* Messages quote what was sent: what is not UTF-8 must not make the answer no JSON. */
static void add_fault(struct sz_buf *b, const char *code, const char *why)
{
	char clean[512], *p;
	json_t *o;
	char *text;

	snprintf(clean, sizeof(clean), "%s", why);
	o = json_pack("{s:s, s:s}", "code", code, "message", clean);
	if (!o) {
		for (p = clean; *p; p++)
			*p = (u8)*p < 0x80 ? *p : '?';
		o = json_pack("{s:s, s:s}", "code", code, "message", clean);
	}
	text = json_dumps(o, JSON_COMPACT);
	sz_buf_printf(b, "%s", text ? text : "{}");
	free(text);
	json_decref(o);
}

void sz_api_fail(struct sz_api_request *q, int status, const char *code, const char *fmt, ...)
{
	static const char ask[] = "WWW-Authenticate: Bearer realm=\"subzero-api\"\r\n"
				  "WWW-Authenticate: Basic realm=\"subzero-api\"\r\n";
	struct sz_buf b = {0};
	char why[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	add_fault(&b, code, why);
	sz_api_send(q, status, JSON_TYPE, status == 401 ? ask : NULL, b.data, b.len);
	sz_buf_done(&b);
}

/* ---- acts ----------------------------------------------------------------------------------- */

void sz_api_on_act(struct sz_api *api, void (*fn)(const char *words, void *arg), void *arg)
{
	api->on_act = fn;
	api->act_arg = arg;
}

void sz_api_act(struct sz_api *api, const struct sz_api_request *q, const char *fmt, ...)
{
	const struct api_request *r = (const struct api_request *)q;
	struct sz_buf words = {0};
	char text[2048];
	va_list ap;

	if (!api->on_act)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (r->web)
		sz_buf_printf(&words, "API token %s: %s", q->client, text);
	else
		sz_buf_printf(&words, "root: %s", text);
	api->on_act(words.data, api->act_arg);
	sz_buf_done(&words);
}

/* ---- from request to handler ---------------------------------------------------------------- */

/* The route; NULL with *ret_other where only another method has the path. */
static const struct api_route *find(struct sz_api *api, struct api_request *r, bool *ret_other)
{
	const struct api_route *t;

	*ret_other = false;
	for (t = api->routes; t; t = t->next) {
		if (!sz_api_path_fits(r, t->pattern, r->q.path))
			continue;
		if (!strcmp(t->method, r->q.method))
			return t;
		*ret_other = true;
	}
	return NULL;
}

/* False where the request was refused. */
static bool admit(struct sz_api *api, struct api_request *r, const struct api_route *t)
{
	const struct sz_api_token *token;

	if ((t && !t->scope) || !r->web)
		return true;
	token = sz_api_auth_find(api->auth, r->web->head, r->web->head_len);
	if (!token) {
		sz_api_fail(&r->q, 401, "unauthenticated", "a token of this API is needed; make "
			    "one with 'subzeroctl api token add'");
		return false;
	}
	r->q.client = sz_api_keep(r, token->name, strlen(token->name));
	if (!t || sz_api_token_has(token, t->scope))
		return true;
	sz_api_act(api, &r->q, "%.16s %.200s was refused: it needs the scope %s", r->q.method,
		   r->q.path, t->scope);
	sz_api_fail(&r->q, 403, "forbidden", "the token '%s' lacks the scope '%s'", token->name,
		    t->scope);
	return false;
}

static void handle(struct sz_api *api, struct api_request *r)
{
	const struct api_route *t;
	bool other;

	t = find(api, r, &other);
	if (!admit(api, r, t))
		return;
	if (t)
		t->fn(&r->q, t->arg);
	else if (other)
		sz_api_fail(&r->q, 405, "method_not_allowed", "%.16s is not for %.200s",
			    r->q.method, r->q.path);
	else
		sz_api_fail(&r->q, 404, "undefined_endpoint", "there is no %.200s", r->q.path);
}

static void on_request(struct sz_web_request *w, void *arg)
{
	struct api_request *r = sz_calloc(1, sizeof(*r));

	r->web = w;
	r->q = (struct sz_api_request){
		.method = w->method, .path = w->path, .query = w->query, .body = w->body,
		.body_len = w->body_len, .client = "",
	};
	handle(arg, r);
}

void sz_api_call(struct sz_api *api, const char *method, const char *path, const char *query,
		 const char *body, size_t n,
		 void (*reply)(int status, const char *body, size_t n, void *arg), void *arg)
{
	struct api_request *r = sz_calloc(1, sizeof(*r));

	r->reply = reply;
	r->arg = arg;
	r->q = (struct sz_api_request){
		.method = sz_api_keep(r, method, strlen(method)),
		.path = sz_api_keep(r, path, strlen(path)),
		.query = sz_api_keep(r, query, strlen(query)),
		.body = sz_api_keep(r, body, n), .body_len = n, .client = "root",
	};
	handle(api, r);
}

/* Who is not known is not read much of. */
static size_t body_for(const char *head, size_t n, void *arg)
{
	struct sz_api *api = arg;

	return sz_api_auth_find(api->auth, head, n) ? SZ_API_BODY_MAX : SZ_API_STRANGER_MAX;
}

static const char *wrong(int status, const char *why, struct sz_buf *ret, void *arg)
{
	(void)arg;
	add_fault(ret, status == 413 || status == 431 ? "exceeded_limit" : "invalid_request", why);
	return JSON_TYPE;
}

/* ---- life ----------------------------------------------------------------------------------- */

void sz_api_register(struct sz_api *api, const char *method, const char *pattern, const char *scope,
		     void (*fn)(struct sz_api_request *q, void *arg), void *arg)
{
	struct api_route *t = sz_calloc(1, sizeof(*t));

	*t = (struct api_route){
		.method = method, .pattern = pattern, .scope = scope, .fn = fn, .arg = arg,
	};
	*api->last = t;
	api->last = &t->next;
}

static void on_health(struct sz_api_request *q, void *arg)
{
	(void)arg;
	sz_api_answer(q, 200, json_pack("{s:s}", "status", "SERVING"));
}

struct sz_api *sz_api_new(void)
{
	struct sz_api *api = sz_calloc(1, sizeof(*api));

	api->last = &api->routes;
	sz_api_register(api, "GET", "/healthz", NULL, on_health, NULL);
	return api;
}

int sz_api_listen(struct sz_api *api, struct sz_loop_ring *loop, const struct sz_conf *conf,
		  struct sz_error *e)
{
	struct sz_web_options o = {
		.where = {.path = conf->api.path, .addr = conf->api.listen.addr,
			  .port = conf->api.listen.port},
		.peers_max = SZ_API_PEERS_MAX,
		.body_max = SZ_API_BODY_MAX,
		.body_for = body_for,
		.keep = true,
		.request = on_request,
		.wrong = wrong,
		.arg = api,
	};

	if (!conf->api.on)
		return 0;
	api->auth = sz_api_auth_new(conf->api.tokens);
	return sz_web_listen(loop, &o, &api->web, e);
}

void sz_api_free(struct sz_api *api)
{
	struct api_route *t, *next;

	if (!api)
		return;
	for (t = api->routes; t; t = next) {
		next = t->next;
		free(t);
	}
	sz_web_free(api->web);
	sz_api_auth_free(api->auth);
	free(api);
}

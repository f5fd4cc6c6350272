/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The local API: who may ask what of the daemon over HTTP. Rooms above register handlers for a
 * method and a path; this room finds the handler, knows the client by a bearer secret, checks the
 * scope, and hands out answers. The same handlers answer the control socket's "api" command, where
 * root needs no secret. Off unless configured ("api" in subzero.yaml). Loop's thread only.
 *
 * A handler, complete:
 *
 *	static void on_revoke(struct sz_api_request *q, void *arg)
 *	{
 *		const char *token;
 *
 *		if (sz_api_form(q, "token", &token))
 *			sz_api_fail(q, 400, "invalid_request", "the form field token is missing");
 *		else
 *			sz_api_answer(q, 200, json_object());
 *	}
 *	...
 *	sz_api_register(api, "POST", "/oauth2/revoke", "revoke", on_revoke, arg);
 */
#ifndef SZ_API_API_H
#define SZ_API_API_H

#include <jansson.h>

#include "config/config.h"
#include "net/net.h"

#define SZ_API_BODY_MAX   1048576u /* bytes of a request's body */
#define SZ_API_STRANGER_MAX 16384u /* bytes of the body of one without a token that counts */
#define SZ_API_PEERS_MAX  256      /* connections */
#define SZ_API_PARAMS_MAX 4        /* of a path */
#define SZ_API_SCOPES_MAX 16       /* of a token */
#define SZ_API_NAME_MAX   63       /* bytes of a token's name or a scope */

struct sz_api;

struct sz_api_request {
	const char *method;
	const char *path;  /* canonical */
	const char *query; /* as sent, "" without */
	const char *body;  /* NUL-terminated behind body_len */
	size_t body_len;
	const char *param[SZ_API_PARAMS_MAX]; /* what stood for each {name}, in order; decoded */
	const char *client; /* the token's name; "root" from the control socket; "" without */
};

/* Handlers can be registered before or after sz_api_listen(). Free it after the loop. */
struct sz_api *sz_api_new(void);
void sz_api_free(struct sz_api *api); /* NULL is fine */
/* Listens where the configuration says; does nothing where it says nothing. */
int sz_api_listen(struct sz_api *api, struct sz_loop_ring *loop, const struct sz_conf *conf,
		  struct sz_error *e);

/*
 * Calls fn for METHOD and PATH. Of the pattern "/stores/{id}/check", "{id}" is any one segment.
 * scope: what the client's token must have, e.g. "rebac:read"; NULL: anybody may, without a token.
 * fn answers each request exactly once, now or later, in the loop's thread; the request and all it
 * points to is good until then. One that waits for another thread comes back by sz_net_wake().
 */
void sz_api_register(struct sz_api *api, const char *method, const char *pattern, const char *scope,
		     void (*fn)(struct sz_api_request *q, void *arg), void *arg);

/*
 * Acts: who changed what, for whoever keeps a record. A handler tells of its own acts with
 * sz_api_act(), before it answers; this room tells of requests that lack a scope. `words` begin
 * with who it was: "API token ci: ...", "root: ..." for the control socket.
 */
void sz_api_on_act(struct sz_api *api, void (*fn)(const char *words, void *arg), void *arg);
void sz_api_act(struct sz_api *api, const struct sz_api_request *q, const char *fmt, ...)
	SZ_PRINTF(3, 4);

/* ---- what a handler does with a request ----------------------------------------------------- */

/* The body as a JSON object: a new reference, or NULL with *e filled. An empty body is {}. */
json_t *sz_api_json(const struct sz_api_request *q, struct sz_error *e);
/*
 * A field of an application/x-www-form-urlencoded body, or of the query. 0 with *ret decoded and
 * good as long as the request; -ENOENT; -EINVAL for one that is there twice, is not well encoded or
 * holds a NUL, and for a body of another type.
 */
int sz_api_form(struct sz_api_request *q, const char *name, const char **ret);
int sz_api_query(struct sz_api_request *q, const char *name, const char **ret);
/* A header field's value, or NULL: "DPoP", "Accept". Always NULL from the control socket. */
const char *sz_api_header(const struct sz_api_request *q, const char *name, size_t *ret_n);

/* Each of these ends the request. The body's reference is taken over. */
void sz_api_answer(struct sz_api_request *q, int status, json_t *body);
/* {"code": ..., "message": ...} */
void sz_api_fail(struct sz_api_request *q, int status, const char *code, const char *fmt, ...)
	SZ_PRINTF(4, 5);
/* Any content; `fields` are further header lines, each with CRLF, or NULL. type NULL: none. */
void sz_api_send(struct sz_api_request *q, int status, const char *type, const char *fields,
		 const void *body, size_t n);

/*
 * A request that did not come over HTTP, with all scopes. `reply` is called once, in the loop's
 * thread, with what would have been the answer; body is NUL-terminated.
 */
void sz_api_call(struct sz_api *api, const char *method, const char *path, const char *query,
		 const char *body, size_t n,
		 void (*reply)(int status, const char *body, size_t n, void *arg), void *arg);

/* ---- tokens: the file that says whose secrets count ----------------------------------------- */

/*
 * A token is a random secret that only its client has; the file keeps a digest of it, a name and
 * scopes: {"tokens": [{"name", "digest", "scopes": [...], "created", "expires"}]}.
 */
struct sz_api_token {
	char name[SZ_API_NAME_MAX + 1];
	u8 digest[32]; /* BLAKE2b-256 of the secret */
	char scopes[SZ_API_SCOPES_MAX][SZ_API_NAME_MAX + 1];
	u32 n_scopes;
	s64 created_s, expires_s; /* wall clock; expires 0 = never */
};
struct sz_api_tokens {
	struct sz_api_token *token;
	size_t n;
};

/* -ENOENT where there is no file; other errors with *e filled and nothing read. */
int sz_api_tokens_read(const char *path, struct sz_api_tokens *ret, struct sz_error *e);
/* Replaces the file atomically, mode 0600. */
int sz_api_tokens_write(const char *path, const struct sz_api_tokens *t, struct sz_error *e);
void sz_api_tokens_done(struct sz_api_tokens *t);

#define SZ_API_SECRET_LEN 47 /* "szapi-" and 43 characters of a client's secret, without its NUL */
void sz_api_secret_make(char ret_secret[SZ_API_SECRET_LEN + 3], u8 ret_digest[32]);
/* The token this secret belongs to, expired ones too; NULL: none. Takes the same time for all. */
const struct sz_api_token *sz_api_tokens_find(const struct sz_api_tokens *t, const char *secret,
					      size_t n);
bool sz_api_token_has(const struct sz_api_token *t, const char *scope);
/* Whether it may be a scope or a token's name: [A-Za-z0-9._:-], 1 to 63 of them. */
bool sz_api_is_name(const char *s);

#endif

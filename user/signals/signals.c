/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The two endpoints. Each answers when the revocation is in force, never before. Runs in the loop;
 * the gateway does the work on a worker.
 */
#include "signals/signals.h"

#include <string.h>
#include <strings.h>

#include "codec/codec.h"

#define SEEN_MAX 4096 /* event tokens that are known by their "jti" */

struct sz_signals {
	struct sz_gateway *g;
	struct sz_id seen[SEEN_MAX]; /* a ring; only done ones */
	u32 next;
};

/* A request that waits for its revocation. */
struct waiting {
	struct sz_signals *s;
	struct sz_api_request *q;
	struct sz_id id; /* of the event token; zero for a token */
	bool event;
};

/* RFC 8935 section 2.4, RFC 7009 section 2.2.1. */
static void fail(struct sz_api_request *q, int status, const char *member, const char *code,
		 const char *why)
{
	const char *words = !strcmp(member, "err") ? "description" : "error_description";

	sz_api_answer(q, status, json_pack("{s:s, s:s}", member, code, words, why));
}

static void done(int res, const struct sz_error *e, void *arg)
{
	struct waiting *w = arg;
	const char *member = w->event ? "err" : "error";

	if (res)
		fail(w->q, 503, member, "temporarily_unavailable", e->msg);
	else
		sz_api_send(w->q, w->event ? 202 : 200, NULL, "Cache-Control: no-store\r\n", NULL,
			    0);
	if (!res && w->event)
		w->s->seen[w->s->next++ % SEEN_MAX] = w->id;
	free(w);
}

static void ask(struct sz_signals *s, struct sz_api_request *q, struct sz_revoke_item *items,
		size_t n, const struct sz_id *event, const char *what)
{
	struct waiting *w = sz_calloc(1, sizeof(*w));

	w->s = s;
	w->q = q;
	w->event = event != NULL;
	if (event)
		w->id = *event;
	sz_gateway_revoke(s->g, items, n, q->client, what, done, w);
}

/* ---- RFC 7009 ------------------------------------------------------------------------------- */

static void on_token(struct sz_api_request *q, void *arg)
{
	struct sz_signals *s = arg;
	struct sz_revoke_item *item;
	const char *token;
	size_t n;

	if (sz_api_form(q, "token", &token) || !*token) {
		fail(q, 400, "error", "invalid_request",
		     "the form field \"token\" must be there once");
		return;
	}
	n = strlen(token);
	/* Section 2.2: a token that is not valid is as good as revoked. */
	if (n > SZ_TOKEN_MAX) {
		sz_api_send(q, 200, NULL, "Cache-Control: no-store\r\n", NULL, 0);
		return;
	}
	item = sz_calloc(1, sizeof(*item));
	*item = (struct sz_revoke_item){.kind = SZ_REVOKE_TOKEN,
					.value = sz_strdup(token),
					.len = n,
					.until_s = sz_revoke_token_end(token, n)};
	ask(s, q, item, 1, NULL, "a token over HTTP");
}

/* ---- RFC 8935 ------------------------------------------------------------------------------- */

static bool type_is(const struct sz_api_request *q, const char *want)
{
	size_t n, len = strlen(want);
	const char *v = sz_api_header(q, "Content-Type", &n);

	/* From the control socket there are no header fields. */
	return !v || (n >= len && !strncasecmp(v, want, len) && (n == len || v[len] == ';'));
}

static struct sz_id event_id(const json_t *claims)
{
	const char *iss = json_string_value(json_object_get(claims, "iss"));
	const char *jti = json_string_value(json_object_get(claims, "jti"));

	return sz_revoke_pair_id(SZ_REVOKE_ISSUER_JTI, iss, jti);
}

static bool was_seen(const struct sz_signals *s, const struct sz_id *id)
{
	size_t i;

	for (i = 0; i < SEEN_MAX; i++)
		if (!memcmp(&s->seen[i], id, sizeof(*id)))
			return true;
	return false;
}

static void on_event(struct sz_api_request *q, void *arg)
{
	struct sz_revoke_item *items = NULL;
	struct sz_signals *s = arg;
	const char *code = "invalid_request";
	struct sz_error e = {""};
	json_t *claims = NULL;
	struct sz_id id;
	size_t n = 0;

	if (!type_is(q, "application/secevent+jwt")) {
		fail(q, 400, "err", code, "the content type must be application/secevent+jwt");
		return;
	}
	claims = sz_gateway_event(s->g, q->body, q->body_len, &code, &e);
	if (!claims ||
	    sz_signals_items(claims, (s64)(sz_wall_ns() / 1000000000ull), &items, &n, &e)) {
		fail(q, 400, "err", code, e.msg);
		json_decref(claims);
		return;
	}
	id = event_id(claims);
	json_decref(claims);
	if (!n || was_seen(s, &id)) {
		while (n)
			sz_revoke_item_done(&items[--n]);
		free(items);
		sz_api_send(q, 202, NULL, "Cache-Control: no-store\r\n", NULL, 0);
		return;
	}
	ask(s, q, items, n, &id, "a security event");
}

/* ---- life ----------------------------------------------------------------------------------- */

struct sz_signals *sz_signals_new(struct sz_api *api, struct sz_gateway *g)
{
	struct sz_signals *s = sz_calloc(1, sizeof(*s));

	s->g = g;
	sz_api_register(api, "POST", "/oauth/revoke", "revoke", on_token, s);
	sz_api_register(api, "POST", "/events", "events", on_event, s);
	return s;
}

void sz_signals_free(struct sz_signals *s)
{
	free(s);
}

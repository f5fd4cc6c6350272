/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a worker could not decide alone: a key that is not known, a token that only its issuer can
 * read. The provider is asked in the loop, and the token goes to a worker again. A provider that
 * cannot be asked is never held against the token: the client is told 503.
 */
#include "gateway/gateway_priv.h"

#include <stdio.h>
#include <string.h>

static struct sz_question *question_of(struct sz_idp_wait *w)
{
	return (struct sz_question *)((char *)w - offsetof(struct sz_question, wait));
}

void sz_question_forget(struct sz_question *q)
{
	free(q->answer.text);
	q->answer.text = NULL;
	q->looked = false;
}

void sz_question_decide(const struct sz_question *q, const struct sz_verifier *v,
			const struct sz_conf_service *svc, const struct sz_policy_moment *at,
			bool dpop)
{
	struct sz_idp_answer a = {.text = q->answer.text, .len = q->answer.len,
				  .until_s = q->answer.until_s};

	if (a.text)
		sz_verifier_decide_answer(v, svc, q->answer.issuer, &a, q->token, q->len, at, dpop,
					  sz_revocations_check, q->gateway, q->decision);
	else if (dpop)
		sz_verifier_decide_bound(v, svc, q->token, q->len, at, sz_revocations_check,
					 q->gateway, q->decision);
	else
		sz_verifier_decide(v, svc, q->token, q->len, at, sz_revocations_check, q->gateway,
				   q->decision);
}

static void keep_answer(struct sz_question *q, const struct sz_idp_answer *a)
{
	sz_question_forget(q);
	q->answer.text = sz_strndup(a->text, a->len);
	q->answer.len = a->len;
	q->answer.until_s = a->until_s;
	q->answer.issuer = q->decision->issuer;
}

static void unavailable(struct sz_question *q, const char *why)
{
	struct sz_decision *d = q->decision;

	d->reason = d->wants == SZ_WANTS_KEYS ? SZ_R_KEYS_DOWN : SZ_R_INTROSPECTION_DOWN;
	if (why)
		sz_error_set(&d->detail, 0, "%s", why);
	d->wants = SZ_WANTS_NOTHING;
}

static void on_outcome(struct sz_idp_wait *w, enum sz_idp_outcome o, const struct sz_idp_answer *a,
		       const struct sz_error *e)
{
	struct sz_question *q = question_of(w);

	q->answered_ns = sz_boot_ns();
	switch (o) {
	case SZ_IDP_AGAIN:
		q->looked = true;
		q->again(q);
		break;
	case SZ_IDP_ANSWER:
		keep_answer(q, a);
		q->again(q);
		break;
	case SZ_IDP_FAILED:
		unavailable(q, e->msg);
		q->final(q);
		break;
	case SZ_IDP_ENDED:
		q->drop(q);
		break;
	}
}

static bool want_keys(struct sz_question *q)
{
	const struct sz_decision *d = q->decision;
	bool unknown = d->reason == SZ_R_UNKNOWN_KEY;
	struct sz_idp *idp = q->gateway->idp;

	if (q->looked && unknown) {
		sz_idp_no_such_key(idp, d->issuer, d->kid);
		return false;
	}
	if (q->looked) {
		unavailable(q, NULL);
		return false;
	}
	switch (sz_idp_want_keys(idp, d->issuer, d->kid, &q->wait)) {
	case SZ_IDP_WAITING:
		return true;
	case SZ_IDP_UNKNOWN:
		if (!unknown)
			unavailable(q, NULL);
		return false;
	case SZ_IDP_DOWN:
		break;
	}
	unavailable(q, NULL);
	return false;
}

static bool want_answer(struct sz_question *q)
{
	struct sz_idp_answer recent;
	bool is_recent;

	if (sz_idp_introspect(q->gateway->idp, q->decision->issuer, q->digest, q->token, q->len,
			      &q->use, &q->wait, &recent, &is_recent) != SZ_IDP_WAITING) {
		unavailable(q, "its issuer cannot be asked about it now");
		return false;
	}
	if (is_recent) {
		keep_answer(q, &recent);
		q->again(q);
	}
	return true;
}

bool sz_issuers_want(struct sz_question *q)
{
	const struct sz_decision *d = q->decision;

	if (d->answer_err) {
		sz_idp_bad_answer(q->gateway->idp, d->issuer, q->digest);
		return false;
	}
	q->wait.fn = on_outcome;
	q->asked_ns = d->wants == SZ_WANTS_NOTHING ? q->asked_ns : sz_boot_ns();
	switch (d->wants) {
	case SZ_WANTS_KEYS:
		return want_keys(q);
	case SZ_WANTS_ANSWER:
		return want_answer(q);
	case SZ_WANTS_NOTHING:
		break;
	}
	return false;
}

/* ---- new keys ------------------------------------------------------------------------------- */

/*
 * First what voids grants, then the snapshot that makes new ones. The digest of all keys goes with
 * it: a start that finds other keys on disk than these voids everything.
 */
static void on_keys(size_t issuer, const struct sz_idp_keys *keys, const struct sz_id *withdrawn,
		    size_t n, void *arg)
{
	struct sz_gateway *g = arg;
	u64 before = sz_verifier_keys_id(g->verifier), id;
	struct sz_verifier *v;
	char detail[256];
	size_t i;

	for (i = 0; i < n; i++)
		__atomic_add_fetch(&g->cfg->key_serial[sz_key_slot(&withdrawn[i])], 1,
				   __ATOMIC_SEQ_CST);
	v = sz_verifier_with_keys(g->verifier, issuer, keys);
	sz_gateway_use(g, v);
	id = sz_verifier_keys_id(v);
	g->cfg->key_id = id;
	if (id == before)
		return;
	snprintf(detail, sizeof(detail), "keys of issuer %.120s: %zu in use, %zu withdrawn",
		 g->conf->issuers[issuer].issuer, sz_jwks_count(keys->set), n);
	sz_log(SZ_LOG_NOTICE, "%s", detail);
	sz_gateway_record(g, SZ_AUDIT_ADMIN, detail);
}

static void on_note(const char *what, void *arg)
{
	sz_gateway_record(arg, SZ_AUDIT_ADMIN, what);
}

int sz_issuers_open(struct sz_gateway *g, struct sz_error *e)
{
	struct sz_idp_hooks hooks = {.keys = on_keys, .note = on_note, .arg = g};
	int r = sz_idp_new(g->loop, &hooks, &g->idp, e);

	if (!r)
		r = sz_idp_configure(g->idp, g->conf, e);
	return r;
}

/* What was fetched counts, also where it could not be written to disk. */
static void overlay(struct sz_gateway *g)
{
	size_t i;

	for (i = 0; i < g->conf->n_issuers; i++) {
		struct sz_idp_keys keys;

		sz_idp_keys(g->idp, i, &keys);
		if (keys.set)
			sz_gateway_use(g, sz_verifier_with_keys(g->verifier, i, &keys));
	}
	g->cfg->key_id = sz_verifier_keys_id(g->verifier);
}

int sz_issuers_reload(struct sz_gateway *g, struct sz_error *e)
{
	int r = sz_idp_configure(g->idp, g->conf, e);

	sz_renewals_clear(g);
	if (!r)
		overlay(g);
	return r;
}

/* ---- how things stand ----------------------------------------------------------------------- */

static json_t *file_status(const struct sz_gateway *g, size_t i)
{
	s64 now = (s64)(sz_wall_ns() / 1000000000ull);
	struct sz_verifier_keys k;

	sz_verifier_keys(g->verifier, i, &k);
	return json_pack("{s:s, s:s, s:s, s:I, s:b, s:I}", "issuer", g->conf->issuers[i].issuer,
			 "source", "file", "uri", g->conf->issuers[i].jwks, "keys",
			 (json_int_t)k.count, "usable", k.count > 0, "age_s",
			 (json_int_t)(now > k.changed_s ? now - k.changed_s : 0));
}

json_t *sz_issuers_status(const struct sz_gateway *g)
{
	json_t *all = json_object();
	struct sz_idp_stats s;
	size_t i;

	for (i = 0; i < g->conf->n_issuers; i++) {
		json_t *v = json_object();

		if (!sz_idp_look(g->idp, i, &s)) {
			json_decref(v);
			continue;
		}
		if (s.source[0])
			json_object_update_new(
				v, json_pack("{s:I, s:b, s:I, s:s}", "keys", (json_int_t)s.keys,
					     "usable", s.usable, "age_s", (json_int_t)s.age_s,
					     "error", s.error));
		if (s.introspects)
			json_object_update_new(v, json_pack("{s:s, s:s}", "breaker",
							    sz_breaker_state_name(s.breaker),
							    "introspection_error",
							    s.question_error));
		json_object_set_new(all, s.issuer, v);
	}
	return all;
}

json_t *sz_gateway_providers(const struct sz_gateway *g)
{
	json_t *list = sz_idp_status(g->idp);
	size_t i;

	for (i = 0; i < g->conf->n_issuers; i++)
		if (g->conf->issuers[i].jwks && !g->conf->issuers[i].introspection.on)
			json_array_append_new(list, file_status(g, i));
	return list;
}

int sz_gateway_refresh_keys(struct sz_gateway *g, const char *issuer,
			    void (*fn)(int err, const char *words, void *arg), void *arg)
{
	return sz_idp_refresh(g->idp, issuer, fn, arg);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a worker could not decide alone: a key that is not known, a token that only its issuer can
 * read. The job waits here for the provider, in the loop, and goes to a worker again. A provider
 * that cannot be asked is never held against the token: the client is told 503.
 */
#include "gateway/gateway_priv.h"

#include <stdio.h>
#include <string.h>

static struct sz_job *job_of(struct sz_idp_wait *w)
{
	return (struct sz_job *)((char *)w - offsetof(struct sz_job, wait));
}

void sz_job_forget_answer(struct sz_job *j)
{
	free(j->answer.text);
	j->answer.text = NULL;
	j->looked = false;
}

static void keep_answer(struct sz_job *j, const struct sz_idp_answer *a)
{
	sz_job_forget_answer(j);
	j->answer.text = sz_strndup(a->text, a->len);
	j->answer.len = a->len;
	j->answer.until_s = a->until_s;
	j->answer.issuer = j->decision.issuer;
}

/* To a worker again, under the snapshot in force where that has the service still. */
static void decide_again(struct sz_job *j)
{
	struct sz_gateway *g = j->gateway;
	const struct sz_conf_service *svc = sz_conf_service_by_id(g->conf, j->key.service);

	if (svc && j->verifier != g->verifier) {
		if (sz_verifier_conf(j->verifier) != g->conf)
			sz_job_forget_answer(j); /* issuers have other numbers now */
		sz_verifier_unref(j->verifier);
		j->verifier = sz_verifier_ref(g->verifier);
		j->svc = svc;
	}
	sz_decision_done(&j->decision);
	sz_job_submit(j);
}

static void unavailable(struct sz_job *j, const char *why)
{
	j->decision.reason = j->decision.wants == SZ_WANTS_KEYS ? SZ_R_KEYS_DOWN :
								  SZ_R_INTROSPECTION_DOWN;
	if (why)
		sz_error_set(&j->decision.detail, 0, "%s", why);
	j->decision.wants = SZ_WANTS_NOTHING;
}

static void on_outcome(struct sz_idp_wait *w, enum sz_idp_outcome o, const struct sz_idp_answer *a,
		       const struct sz_error *e)
{
	struct sz_job *j = job_of(w);

	switch (o) {
	case SZ_IDP_AGAIN:
		j->looked = true;
		decide_again(j);
		break;
	case SZ_IDP_ANSWER:
		keep_answer(j, a);
		decide_again(j);
		break;
	case SZ_IDP_FAILED:
		unavailable(j, e->msg);
		sz_guard_on_job(j, j->gateway);
		break;
	case SZ_IDP_ENDED:
		sz_job_free(j);
		break;
	}
}

static bool want_keys(struct sz_gateway *g, struct sz_job *j)
{
	const struct sz_decision *d = &j->decision;
	bool unknown = d->reason == SZ_R_UNKNOWN_KEY;

	if (j->looked && unknown) {
		sz_idp_no_such_key(g->idp, d->issuer, d->kid);
		return false;
	}
	if (j->looked) {
		unavailable(j, NULL);
		return false;
	}
	switch (sz_idp_want_keys(g->idp, d->issuer, d->kid, &j->wait)) {
	case SZ_IDP_WAITING:
		return true;
	case SZ_IDP_UNKNOWN:
		if (!unknown)
			unavailable(j, NULL);
		return false;
	case SZ_IDP_DOWN:
		break;
	}
	unavailable(j, NULL);
	return false;
}

static bool want_answer(struct sz_gateway *g, struct sz_job *j)
{
	struct sz_idp_answer recent;
	bool is_recent;

	switch (sz_idp_introspect(g->idp, j->decision.issuer, &j->key.token, j->token, j->len,
				  &j->wait, &recent, &is_recent)) {
	case SZ_IDP_WAITING:
		if (!is_recent)
			return true;
		keep_answer(j, &recent);
		decide_again(j);
		return true;
	default:
		unavailable(j, "its issuer cannot be asked about it now");
		return false;
	}
}

bool sz_issuers_want(struct sz_gateway *g, struct sz_job *j)
{
	if (j->decision.answer_err) {
		sz_idp_bad_answer(g->idp, j->decision.issuer, &j->key.token);
		return false;
	}
	j->wait.fn = on_outcome;
	switch (j->decision.wants) {
	case SZ_WANTS_KEYS:
		return want_keys(g, j);
	case SZ_WANTS_ANSWER:
		return want_answer(g, j);
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

	if (!r)
		overlay(g);
	return r;
}

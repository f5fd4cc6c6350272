/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Asks the providers of a configuration once, to see whether they answer: metadata, keys, and one
 * question about a made-up token, which shows whether they know this client. For `subzerod
 * --check-config --online`. Nothing is kept, and nothing of it is ever needed for a start.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "codec/codec.h"
#include "idp/idp_priv.h"

#define RING_ENTRIES 64
#define ANSWER_BYTES 65536u

struct run {
	struct sz_loop_ring *loop;
	struct sz_fetch *fetch;
	sz_idp_trial_fn fn;
	void *arg;
	size_t left; /* providers that are not through */
	bool failed;
};

struct trial {
	struct run *run;
	struct sz_idp_source s; /* conf, names and secrets alone */
};

static void tell(struct trial *t, const char *what, bool good, const char *words)
{
	struct sz_idp_trial say = {
		.issuer = t->s.issuer, .what = what, .good = good, .words = words};

	t->run->failed |= !good;
	t->run->fn(&say, t->run->arg);
}

static void through(struct trial *t)
{
	if (!--t->run->left)
		sz_net_stop(t->run->loop);
}

static int start(struct trial *t, struct sz_fetch_request *rq, sz_fetch_fn fn, struct sz_error *e)
{
	const struct sz_conf_provider *p = &t->s.conf->provider;

	rq->loopback_http = p->loopback_http;
	rq->ca_file = p->ca_file;
	rq->accept = "application/json";
	return sz_fetch_start(t->run->fetch, rq, fn, t, &t->s.call, e);
}

static int status_ok(const struct sz_fetch_answer *a, const char *url, struct sz_error *e)
{
	if (a->status == 200)
		return 0;
	return sz_error_set(e, -EREMOTEIO, "%.300s answered with status %d%s", url, a->status,
			    a->status >= 300 && a->status < 400
				    ? "; redirects are not followed: configure where it leads to"
				    : "");
}

/* ---- a question about a made-up token ------------------------------------------------------- */

static int read_inactive(const struct trial *t, const struct sz_fetch_answer *a, struct sz_error *e)
{
	struct sz_error cause = {""};
	const json_t *active;
	json_t *root;
	int err = 0;

	if (a->status == 401 || a->status == 400)
		return sz_error_set(e, -EACCES,
				    "%.200s answered with status %d: it does not know this client, "
				    "or not by this means; compare client_id, auth and the file "
				    "with the secret or key with what is registered there",
				    t->s.endpoint, a->status);
	if (a->status == 403)
		return sz_error_set(e, -EACCES,
				    "%.200s answered with status 403: it knows the client, which "
				    "may not introspect; allow it there", t->s.endpoint);
	if (status_ok(a, t->s.endpoint, e))
		return -EREMOTEIO;
	root = sz_json_parse(a->body, a->len, &cause);
	active = json_object_get(root, "active");
	if (!json_is_boolean(active))
		err = sz_error_set(e, -EBADMSG, "%.200s answered what RFC 7662 does not know: "
				   "%.200s", t->s.endpoint, root ? "no \"active\"" : cause.msg);
	else if (json_is_true(active))
		err = sz_error_set(e, -EBADMSG, "%.200s says of a made-up token that it is active: "
				   "whoever answers there cannot be relied on", t->s.endpoint);
	json_decref(root);
	return err;
}

static void on_inactive(int err, const struct sz_fetch_answer *a, const struct sz_error *e,
			void *arg)
{
	struct trial *t = arg;
	struct sz_error why = *e;
	char words[400];

	if (!err)
		err = read_inactive(t, a, &why);
	snprintf(words, sizeof(words), "%.200s knows this client and not a made-up token",
		 t->s.endpoint);
	tell(t, "introspection", !err, err ? why.msg : words);
	through(t);
}

static void try_introspection(struct trial *t)
{
	struct sz_fetch_request rq = {.timeout_ms = t->s.conf->introspection.timeout_ms,
				      .max = ANSWER_BYTES};
	struct sz_buf form = {0}, authorization = {0};
	struct sz_error e = {""};
	char token[65];
	u8 random[32];
	int err;

	if (!t->s.conf->introspection.on) {
		through(t);
		return;
	}
	randombytes_buf(random, sizeof(random));
	sz_hex_encode(random, sizeof(random), token);
	err = t->s.endpoint ? sz_idp_client_form(&t->s, token, strlen(token), &form, &authorization,
						 &e)
			    : sz_error_set(&e, -ENOENT,
					   "nobody says where to ask: the provider's metadata has "
					   "no \"introspection_endpoint\"; set "
					   "introspection.endpoint");
	if (!err) {
		rq.url = t->s.endpoint;
		rq.authorization = authorization.len ? authorization.data : NULL;
		rq.form = form.data;
		err = start(t, &rq, on_inactive, &e);
	}
	sz_idp_wipe(&form);
	sz_idp_wipe(&authorization);
	if (!err)
		return;
	tell(t, "introspection", false, e.msg);
	through(t);
}

/* ---- keys ----------------------------------------------------------------------------------- */

static void on_keys(int err, const struct sz_fetch_answer *a, const struct sz_error *e, void *arg)
{
	struct trial *t = arg;
	struct sz_error why = *e, cause = {""};
	struct sz_jwks *set = NULL;
	char words[400];

	if (!err)
		err = status_ok(a, t->s.keys_uri, &why);
	if (!err) {
		err = sz_jwks_parse(a->body, a->len, t->s.conf->algs, &set, &cause);
		if (err)
			sz_error_set(&why, err, "%.200s: %.300s", t->s.keys_uri, cause.msg);
	}
	if (!err && !sz_jwks_count(set))
		err = sz_error_set(&why, -ENOKEY, "%.300s has no key for the configured "
				   "algorithms; add one there or widen 'algorithms'",
				   t->s.keys_uri);
	snprintf(words, sizeof(words), "%.300s has %zu that may be used", t->s.keys_uri,
		 err ? 0 : sz_jwks_count(set));
	tell(t, "keys", !err, err ? why.msg : words);
	sz_jwks_free(set);
	try_introspection(t);
}

static void try_keys(struct trial *t)
{
	struct sz_fetch_request rq = {.url = t->s.keys_uri,
				      .timeout_ms = t->s.conf->provider.timeout_ms,
				      .max = SZ_JWKS_MAX};
	struct sz_error e = {""};

	if (!t->s.keys_uri || !start(t, &rq, on_keys, &e)) {
		if (!t->s.keys_uri)
			try_introspection(t);
		return;
	}
	tell(t, "keys", false, e.msg);
	try_introspection(t);
}

/* ---- metadata ------------------------------------------------------------------------------- */

static void on_metadata(int err, const struct sz_fetch_answer *a, const struct sz_error *e,
			void *arg)
{
	struct trial *t = arg;
	struct sz_idp_metadata m = {0};
	struct sz_error why = *e;

	if (!err)
		err = status_ok(a, "the provider's metadata", &why);
	if (!err)
		err = sz_idp_metadata_read(a->body, a->len, t->s.issuer,
					   t->s.conf->provider.loopback_http, &m, &why);
	if (!err && !m.jwks_uri)
		err = sz_error_set(&why, -EBADMSG, "the provider's metadata has no \"jwks_uri\"");
	tell(t, "discovery", !err, err ? why.msg : "the metadata is that of this issuer");
	if (err) {
		sz_idp_metadata_done(&m);
		/* Without it nobody knows where the rest is. */
		if (t->s.endpoint)
			try_introspection(t);
		else
			through(t);
		return;
	}
	t->s.keys_uri = m.jwks_uri;
	if (t->s.endpoint)
		free(m.introspection);
	else
		t->s.endpoint = m.introspection;
	try_keys(t);
}

static void begin(struct trial *t)
{
	const struct sz_conf_issuer *is = t->s.conf;
	struct sz_fetch_request rq = {.timeout_ms = is->provider.timeout_ms,
				      .max = SZ_METADATA_MAX};
	struct sz_error e = {""};
	char *url = NULL;

	if (is->introspection.endpoint)
		t->s.endpoint = sz_strdup(is->introspection.endpoint);
	if (is->jwks_uri)
		t->s.keys_uri = sz_strdup(is->jwks_uri);
	if (is->discovery == SZ_DISCOVERY_NONE) {
		try_keys(t);
		return;
	}
	url = sz_idp_metadata_url(is->issuer, is->discovery);
	rq.url = url ? url : "";
	if (start(t, &rq, on_metadata, &e)) {
		tell(t, "discovery", false, e.msg);
		through(t);
	}
	free(url);
}

/* ---- all of them ---------------------------------------------------------------------------- */

static void trial_done(struct trial *t)
{
	sz_idp_client_done(t->s.secret, t->s.client_key);
	free(t->s.keys_uri);
	free(t->s.endpoint);
	free(t->s.issuer);
}

static bool asks_anything(const struct sz_conf_issuer *is)
{
	return sz_conf_keys_remote(is) || is->introspection.on;
}

static int prepare(struct run *r, const struct sz_conf *c, struct trial *trials, struct sz_error *e)
{
	size_t i;
	int err = 0;

	for (i = 0; i < c->n_issuers && !err; i++) {
		struct trial *t = &trials[i];

		t->run = r;
		t->s.conf = &c->issuers[i];
		t->s.issuer = sz_strdup(c->issuers[i].issuer);
		err = sz_idp_client_load(t->s.conf, &t->s.secret, &t->s.client_key, e);
		r->left += asks_anything(t->s.conf);
	}
	return err;
}

int sz_idp_try(const struct sz_conf *c, sz_idp_trial_fn fn, void *arg, struct sz_error *e)
{
	struct trial *trials = sz_calloc(c->n_issuers + 1, sizeof(*trials));
	struct run r = {.fn = fn, .arg = arg};
	size_t i;
	int err = prepare(&r, c, trials, e);

	if (!err)
		err = sz_net_new(RING_ENTRIES, &r.loop, e);
	if (!err)
		err = sz_fetch_new(r.loop, &r.fetch, e);
	if (!err && r.left) {
		r.left++; /* one that fails at once must not end it before the others began */
		for (i = 0; i < c->n_issuers; i++)
			if (asks_anything(&c->issuers[i]))
				begin(&trials[i]);
		if (--r.left)
			err = sz_net_run(r.loop);
		if (err)
			sz_error_set(e, err, "the event loop ended: %s", strerror(-err));
	}
	if (r.fetch)
		sz_fetch_shut(r.fetch);
	sz_net_free(r.loop);
	sz_fetch_free(r.fetch);
	for (i = 0; i < c->n_issuers; i++)
		trial_done(&trials[i]);
	free(trials);
	return err ? err : r.failed ? -EREMOTEIO : 0;
}

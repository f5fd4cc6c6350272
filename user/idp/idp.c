/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The providers of a configuration: made, changed on a reload, looked at. What is known of one that
 * stays is kept.
 */
#include "idp/idp.h"

#include <string.h>
#include <unistd.h>

#include "idp/idp_priv.h"

/* ---- who waits ------------------------------------------------------------------------------ */

void sz_idp_queue_init(struct sz_idp_queue *q)
{
	*q = (struct sz_idp_queue){0};
	q->last = &q->first;
}

void sz_idp_queue_add(struct sz_idp_queue *q, struct sz_idp_wait *w)
{
	w->next = NULL;
	*q->last = w;
	q->last = &w->next;
	q->n++;
}

void sz_idp_queue_tell(struct sz_idp_queue *q, bool (*pick)(const struct sz_idp_wait *w, u64 limit),
		       u64 limit, enum sz_idp_outcome o, const struct sz_idp_answer *a,
		       const struct sz_error *e)
{
	struct sz_idp_wait *list = q->first, *w;

	/* Whoever is told may wait anew, behind those that stay. */
	sz_idp_queue_init(q);
	for (w = list; w;) {
		struct sz_idp_wait *next = w->next;

		if (pick && !pick(w, limit))
			sz_idp_queue_add(q, w);
		else
			w->fn(w, o, a, e);
		w = next;
	}
}

/* ---- one provider --------------------------------------------------------------------------- */

static struct sz_idp_source *source_new(struct sz_idp *idp, const struct sz_conf_issuer *is,
					size_t index)
{
	struct sz_idp_source *s = sz_calloc(1, sizeof(*s));

	s->idp = idp;
	s->conf = is;
	s->index = index;
	s->issuer = sz_strdup(is->issuer);
	sz_idp_queue_init(&s->waits);
	sz_breaker_init(&s->breaker, is->introspection.failures,
			(u64)is->introspection.pause_ms * 1000000);
	return s;
}

static void source_free(struct sz_idp_source *s)
{
	if (!s)
		return;
	free(s->issuer);
	free(s->keys_uri);
	sz_buf_done(&s->text);
	sz_jwks_free(s->keys.set);
	free(s->endpoint);
	sz_idp_client_done(s->secret, s->client_key);
	free(s);
}

static bool asks_anything(const struct sz_conf_issuer *is)
{
	return sz_conf_keys_remote(is) || is->introspection.on;
}

/* ---- the configuration ---------------------------------------------------------------------- */

static int check_ca(const struct sz_conf_issuer *is, struct sz_error *e)
{
	struct sz_error cause = {""};
	struct sz_buf text = {0};
	int err;

	if (!is->provider.ca_file)
		return 0;
	err = sz_file_read(is->provider.ca_file, 16u << 20, &text, &cause);
	if (!err && (!text.data || !strstr(text.data, "-----BEGIN CERTIFICATE-----")))
		err = sz_error_set(&cause, -EINVAL, "%.300s holds no certificate in PEM form",
				   is->provider.ca_file);
	sz_buf_done(&text);
	return err ? sz_error_set(e, err, "provider of issuer %.100s: %.380s", is->issuer,
				  cause.msg) :
		     0;
}

struct secrets {
	char *secret;
	json_t *key;
};

static void secrets_free(struct secrets *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		sz_idp_client_done(s[i].secret, s[i].key);
	free(s);
}

static int read_files(const struct sz_conf *c, struct secrets **ret, struct sz_error *e)
{
	struct secrets *all = sz_calloc(c->n_issuers + 1, sizeof(*all));
	int err = 0;
	size_t i;

	for (i = 0; i < c->n_issuers && !err; i++) {
		err = check_ca(&c->issuers[i], e);
		if (!err)
			err = sz_idp_client_load(&c->issuers[i], &all[i].secret, &all[i].key, e);
	}
	if (err) {
		secrets_free(all, c->n_issuers);
		return err;
	}
	*ret = all;
	return 0;
}

int sz_idp_check(const struct sz_conf *c, struct sz_error *e)
{
	struct secrets *all;
	int err = read_files(c, &all, e);

	if (!err)
		secrets_free(all, c->n_issuers);
	return err;
}

/* The provider of this name as it was before, taken out of the old list. */
static struct sz_idp_source *take_old(struct sz_idp_source **old, size_t n, const char *issuer)
{
	size_t i;

	for (i = 0; i < n; i++) {
		struct sz_idp_source *s = old[i];

		if (!s || strcmp(s->issuer, issuer) != 0)
			continue;
		old[i] = NULL;
		return s;
	}
	return NULL;
}

static void renew(struct sz_idp_source *s, const struct sz_conf_issuer *is, size_t index)
{
	const struct sz_conf_issuer *was = s->conf;

	s->conf = is;
	s->index = index;
	/* Another client, another endpoint, other bounds: nothing of before counts. */
	sz_idp_questions_end(s->idp, s, SZ_IDP_FAILED);
	sz_breaker_init(&s->breaker, is->introspection.failures,
			(u64)is->introspection.pause_ms * 1000000);
	sz_idp_source_changed(s, was);
}

int sz_idp_configure(struct sz_idp *idp, const struct sz_conf *c, struct sz_error *e)
{
	struct sz_idp_source **old = idp->sources;
	size_t n_old = idp->n, i;
	struct secrets *files;
	int err = read_files(c, &files, e);

	if (err)
		return err;
	idp->conf = c;
	idp->n = c->n_issuers;
	idp->sources = sz_calloc(c->n_issuers + 1, sizeof(*idp->sources));
	for (i = 0; i < c->n_issuers; i++) {
		const struct sz_conf_issuer *is = &c->issuers[i];
		struct sz_idp_source *s;

		if (!asks_anything(is))
			continue;
		s = take_old(old, n_old, is->issuer);
		if (s) {
			renew(s, is, i);
		} else {
			s = source_new(idp, is, i);
			sz_idp_source_open(s);
		}
		sz_idp_client_done(s->secret, s->client_key);
		s->secret = files[i].secret;
		s->client_key = files[i].key;
		files[i] = (struct secrets){0};
		if (is->introspection.endpoint) {
			free(s->endpoint);
			s->endpoint = sz_strdup(is->introspection.endpoint);
		}
		idp->sources[i] = s;
	}
	secrets_free(files, c->n_issuers);
	for (i = 0; i < n_old; i++) {
		if (!old[i])
			continue;
		sz_idp_source_stop(old[i]);
		sz_idp_questions_end(idp, old[i], SZ_IDP_FAILED);
		source_free(old[i]);
	}
	free(old);
	return 0;
}

int sz_idp_new(struct sz_loop_ring *l, const struct sz_idp_hooks *hooks, struct sz_idp **ret,
	       struct sz_error *e)
{
	struct sz_idp *idp = sz_calloc(1, sizeof(*idp));
	int err = sz_fetch_new(l, &idp->fetch, e);

	if (err) {
		free(idp);
		return err;
	}
	idp->loop = l;
	idp->hooks = *hooks;
	idp->questions = sz_idp_questions_new();
	*ret = idp;
	return 0;
}

void sz_idp_tick(struct sz_idp *idp)
{
	u64 now = sz_boot_ns();
	size_t i;

	for (i = 0; i < idp->n; i++)
		if (idp->sources[i])
			sz_idp_source_tick(idp->sources[i], now);
	sz_idp_questions_tick(idp, now);
}

void sz_idp_free(struct sz_idp *idp)
{
	size_t i;

	if (!idp)
		return;
	sz_fetch_shut(idp->fetch);
	sz_idp_questions_end(idp, NULL, SZ_IDP_ENDED);
	for (i = 0; i < idp->n; i++) {
		struct sz_idp_source *s = idp->sources[i];

		if (s)
			sz_idp_queue_tell(&s->waits, NULL, 0, SZ_IDP_ENDED, NULL, NULL);
		if (s && s->call)
			sz_fetch_cancel(s->call);
		if (s)
			s->call = NULL;
	}
	sz_fetch_free(idp->fetch);
	for (i = 0; i < idp->n; i++) {
		if (idp->sources[i])
			sz_idp_source_forget(idp->sources[i]);
		source_free(idp->sources[i]);
	}
	free(idp->sources);
	sz_idp_questions_free(idp->questions);
	free(idp);
}

/* ---- how things stand ----------------------------------------------------------------------- */

void sz_idp_keys(const struct sz_idp *idp, size_t issuer, struct sz_idp_keys *ret)
{
	const struct sz_idp_source *s = issuer < idp->n ? idp->sources[issuer] : NULL;

	*ret = s ? s->keys : (struct sz_idp_keys){0};
}

static const char *source_name(const struct sz_conf_issuer *is)
{
	if (is->jwks_uri)
		return "jwks_uri";
	return is->discovery == SZ_DISCOVERY_OIDC  ? "oidc" :
	       is->discovery == SZ_DISCOVERY_OAUTH ? "oauth" :
						     "";
}

static void look(const struct sz_idp_source *s, struct sz_idp_stats *ret)
{
	u64 now = sz_boot_ns();
	s64 wall = (s64)(sz_wall_ns() / NS);

	*ret = (struct sz_idp_stats){
		.issuer = s->issuer,
		.source = source_name(s->conf),
		.uri = s->keys_uri,
		.keys = s->keys.set ? sz_jwks_count(s->keys.set) : 0,
		.fetched_s = s->keys.fetched_s,
		.changed_s = s->keys.changed_s,
		.age_s = wall > s->keys.fetched_s ? wall - s->keys.fetched_s : 0,
		.next_s = s->next_ns > now ? (s64)((s->next_ns - now) / NS) : 0,
		.usable = s->keys.set && wall < s->keys.until_s,
		.fetches = s->fetches,
		.fetched = s->fetched,
		.fetch_failures = s->fetch_failures,
		.unknown_kids = s->unknown_kids,
		.overflows = s->overflows,
		.waiting = s->waits.n,
		.error = s->error.msg,
		.introspects = s->conf->introspection.on,
		.questions = s->questions,
		.answers = s->answers,
		.inactive = s->inactive,
		.question_failures = s->question_failures,
		.refused = s->refused,
		.recent = s->recent,
		.renewals = s->renewals,
		.in_flight = s->n_questions,
		.breaker = sz_breaker_state(&s->breaker, now),
		.question_error = s->question_error.msg,
	};
	if (!s->keys.set)
		ret->age_s = -1;
}

bool sz_idp_look(const struct sz_idp *idp, size_t issuer, struct sz_idp_stats *ret)
{
	if (!idp || issuer >= idp->n || !idp->sources[issuer])
		return false;
	look(idp->sources[issuer], ret);
	return true;
}

static json_t *age(s64 seconds)
{
	return seconds < 0 ? json_null() : json_integer(seconds);
}

static json_t *one_status(const struct sz_idp_source *s)
{
	struct sz_idp_stats t;
	json_t *v, *kids;
	size_t i;

	look(s, &t);
	v = json_pack("{s:s}", "issuer", t.issuer);
	if (t.source[0]) {
		kids = json_array();
		for (i = 0; i < t.keys; i++) {
			const char *kid = sz_jwk_kid(sz_jwks_key(s->keys.set, i));

			json_array_append_new(kids, kid ? json_string(kid) : json_null());
		}
		json_object_update_new(
			v, json_pack("{s:s, s:s?, s:I, s:o, s:b, s:o, s:I, s:I, s:I, s:I, s:I, s:I,"
				     " s:s}",
				     "source", t.source, "uri", t.uri, "keys", (json_int_t)t.keys,
				     "kids", kids, "usable", t.usable, "age_s", age(t.age_s),
				     "next_s", (json_int_t)t.next_s, "fetches",
				     (json_int_t)t.fetches, "failures",
				     (json_int_t)t.fetch_failures, "unknown_kids",
				     (json_int_t)t.unknown_kids, "overflows",
				     (json_int_t)t.overflows, "waiting", (json_int_t)t.waiting,
				     "error", t.error));
	}
	if (t.introspects)
		json_object_set_new(
			v, "introspection",
			json_pack("{s:s?, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}",
				  "endpoint",
				  s->endpoint, "breaker", sz_breaker_state_name(t.breaker),
				  "questions", (json_int_t)t.questions, "answers",
				  (json_int_t)t.answers, "inactive", (json_int_t)t.inactive,
				  "failures", (json_int_t)t.question_failures, "refused",
				  (json_int_t)t.refused, "recent", (json_int_t)t.recent,
				  "renewals", (json_int_t)t.renewals, "in_flight",
				  (json_int_t)t.in_flight, "error",
				  t.question_error));
	return v;
}

json_t *sz_idp_status(const struct sz_idp *idp)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < idp->n; i++)
		if (idp->sources[i])
			json_array_append_new(list, one_status(idp->sources[i]));
	return list;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One issuer's keys: when they are fetched, what becomes of the answer, and who waits for it. Keys
 * are asked for ahead of their end; a failure is tried again with growing pauses, and the last good
 * set goes on meanwhile. Fetches that tokens ask for are shared and keep a distance, so that no
 * number of made-up key names makes more of them.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "codec/codec.h"
#include "idp/idp_priv.h"

#define RETRY_NS     NS        /* after a first failure; doubles */
#define RETRY_MAX_NS (60 * NS)

bool sz_idp_source_asks(const struct sz_idp_source *s)
{
	return sz_conf_keys_remote(s->conf);
}

static u64 distance_ns(const struct sz_idp_source *s)
{
	return (u64)s->conf->provider.refetch_ms * 1000000;
}

static s64 wall_s(void)
{
	return (s64)(sz_wall_ns() / NS);
}

/* Within a tenth of it, so that many gateways do not ask at once. */
static u64 jittered(u64 ns)
{
	return ns - ns / 10 + ns / 5 / 1000 * randombytes_uniform(1000);
}

/* ---- waiting -------------------------------------------------------------------------------- */

static bool began_before(const struct sz_idp_wait *w, u64 fetch_ns)
{
	return w->since_ns <= fetch_ns;
}

static bool is_late(const struct sz_idp_wait *w, u64 now)
{
	return w->deadline_ns <= now;
}

/* ---- the end of a fetch --------------------------------------------------------------------- */

struct sz_idp_refresh {
	void (*fn)(int err, const char *words, void *arg);
	void *arg;
	unsigned left;
	int err;
	struct sz_error first;
};

static void refreshed(struct sz_idp_refresh *r, int err, const struct sz_error *e)
{
	if (err && !r->err) {
		r->err = err;
		r->first = *e;
	}
	if (--r->left)
		return;
	r->fn(r->err, r->first.msg, r->arg);
	free(r);
}

static void tell_asked(struct sz_idp_source *s, int err)
{
	struct sz_idp_asked *list = s->asked, *a;

	s->asked = NULL;
	while ((a = list)) {
		list = a->next;
		refreshed(a->refresh, err, &s->error);
		free(a);
	}
}

static void failed(struct sz_idp_source *s, int err, const struct sz_error *why)
{
	u64 pause = RETRY_NS << (s->failures < 6 ? s->failures : 6);
	bool first = !s->failures;

	s->phase = SZ_IDP_IDLE;
	s->call = NULL;
	s->error = *why;
	s->failures++;
	s->fetch_failures++;
	s->rediscover = s->conf->discovery != SZ_DISCOVERY_NONE;
	s->prompted = false;
	s->next_ns = sz_boot_ns() + jittered(pause < RETRY_MAX_NS ? pause : RETRY_MAX_NS);
	if (first) {
		struct sz_buf what = {0};

		sz_log(SZ_LOG_WARNING, "keys of issuer %s cannot be fetched: %s; %s", s->issuer,
		       why->msg,
		       s->keys.set ? "the last good ones stay in use" : "its tokens get 503");
		sz_buf_printf(&what, "keys of issuer %s cannot be fetched: %s", s->issuer,
			      why->msg);
		s->idp->hooks.note(what.data, s->idp->hooks.arg);
		sz_buf_done(&what);
	}
	sz_idp_queue_tell(&s->waits, NULL, 0, SZ_IDP_FAILED, NULL, why);
	tell_asked(s, err);
}

static bool has_key(const struct sz_jwks *set, const struct sz_jwk *key)
{
	const char *kid = sz_jwk_kid(key), *other;
	size_t i;

	for (i = 0; i < sz_jwks_count(set); i++) {
		const struct sz_jwk *k = sz_jwks_key(set, i);

		other = sz_jwk_kid(k);
		if (!strcmp(sz_jwk_thumb(k), sz_jwk_thumb(key)) &&
		    sz_jwk_algs(k) == sz_jwk_algs(key) && !kid == !other &&
		    (!kid || !strcmp(kid, other)))
			return true;
	}
	return false;
}

/* The new set is in force from here on; its file follows, so that a crash errs on the safe side. */
static void take(struct sz_idp_source *s, struct sz_jwks *set, bool changed)
{
	size_t old_n = s->keys.set ? sz_jwks_count(s->keys.set) : 0, n = 0, i;
	struct sz_id *gone = sz_calloc(old_n + 1, sizeof(*gone));
	struct sz_error e = {""};

	for (i = 0; i < old_n; i++) {
		const struct sz_jwk *key = sz_jwks_key(s->keys.set, i);

		if (!has_key(set, key))
			gone[n++] = sz_jwk_id(key);
	}
	sz_jwks_free(s->keys.set);
	s->keys.set = set;
	s->keys.fetched_s = wall_s();
	if (changed)
		s->keys.changed_s = s->keys.fetched_s;
	s->keys.until_s = sz_idp_usable_until(s->conf, s->keys.fetched_s);
	s->algs = s->conf->algs;
	s->idp->hooks.keys(s->index, &s->keys, gone, n, s->idp->hooks.arg);
	free(gone);
	if (sz_idp_store_write(s->idp->conf, s->conf, s->keys_uri, &s->keys, &s->text, &e))
		sz_log(SZ_LOG_ERR, "keys are in use but not kept for the next start: %s", e.msg);
}

static void succeeded(struct sz_idp_source *s, s64 max_age_s)
{
	const struct sz_conf_provider *p = &s->conf->provider;
	u64 life = max_age_s < 0 ? p->refresh_max_s : (u64)max_age_s, began = s->fetch_ns;
	u64 pause;

	if (s->failures)
		sz_log(SZ_LOG_NOTICE, "keys of issuer %s were fetched again", s->issuer);
	life = life < p->refresh_min_s ? p->refresh_min_s : life;
	life = life > p->refresh_max_s ? p->refresh_max_s : life;
	s->phase = SZ_IDP_IDLE;
	s->call = NULL;
	s->failures = 0;
	s->fetched++;
	s->error.msg[0] = 0;
	s->fetched_ns = sz_boot_ns();
	s->rediscover = s->conf->discovery != SZ_DISCOVERY_NONE;
	pause = jittered(life * NS / 10 * 8); /* ahead of its end */
	if (pause < p->refresh_min_s * NS)
		pause = p->refresh_min_s * NS;
	s->next_ns = s->fetched_ns + pause;
	if (!sz_jwks_count(s->keys.set))
		sz_error_set(&s->error, -ENOKEY, "%s has no key for the configured algorithms; all "
			     "tokens of the issuer are refused", s->keys_uri);
	/* Who came while it was under way may know a key that is newer than the answer. */
	s->prompted = false;
	sz_idp_queue_tell(&s->waits, began_before, began, SZ_IDP_AGAIN, NULL, NULL);
	if (s->waits.n)
		s->prompted = true;
	tell_asked(s, 0);
}

/* ---- fetching ------------------------------------------------------------------------------- */

static int check_status(const struct sz_fetch_answer *a, const char *url, struct sz_error *e)
{
	if (a->status == 200)
		return 0;
	return sz_error_set(e, -EREMOTEIO, "%.300s: answered with status %d%s", url, a->status,
			    a->status >= 300 && a->status < 400 ?
				    "; redirects are not followed: "
				    "configure where it leads to" : "");
}

static void on_keys(int err, const struct sz_fetch_answer *a, const struct sz_error *e, void *arg)
{
	struct sz_idp_source *s = arg;
	struct sz_error why = *e, cause = {""};
	struct sz_jwks *set = NULL;
	bool same;

	if (!err && a->status == 304 && s->keys.set && s->etag[0]) {
		take(s, sz_jwks_ref(s->keys.set), false);
		succeeded(s, a->max_age_s);
		return;
	}
	if (!err)
		err = check_status(a, s->keys_uri, &why);
	if (!err) {
		err = sz_jwks_parse(a->body, a->len, s->conf->algs, &set, &cause);
		if (err)
			sz_error_set(&why, err, "%.200s: %.300s", s->keys_uri, cause.msg);
	}
	if (err) {
		failed(s, err, &why);
		return;
	}
	snprintf(s->etag, sizeof(s->etag), "%s", a->etag);
	same = s->keys.set && s->text.len == a->len && !memcmp(s->text.data, a->body, a->len);
	sz_buf_reset(&s->text);
	sz_buf_add(&s->text, a->body, a->len);
	take(s, set, !same);
	succeeded(s, a->max_age_s);
}

static void start(struct sz_idp_source *s, const char *url, const char *etag, size_t max,
		  sz_fetch_fn fn, enum sz_idp_phase phase)
{
	const struct sz_conf_provider *p = &s->conf->provider;
	struct sz_fetch_request rq = {
		.url = url,
		.loopback_http = p->loopback_http,
		.ca_file = p->ca_file,
		.accept = "application/json",
		.if_none_match = etag,
		.timeout_ms = p->timeout_ms,
		.max = max,
	};
	struct sz_error e = {""};
	int err = sz_fetch_start(s->idp->fetch, &rq, fn, s, &s->call, &e);

	s->phase = phase;
	if (err)
		failed(s, err, &e);
}

static void start_keys(struct sz_idp_source *s)
{
	start(s, s->keys_uri, s->keys.set && s->etag[0] ? s->etag : NULL, SZ_JWKS_MAX, on_keys,
	      SZ_IDP_KEYS);
}

static void on_metadata(int err, const struct sz_fetch_answer *a, const struct sz_error *e,
			void *arg)
{
	struct sz_idp_source *s = arg;
	struct sz_idp_metadata m = {0};
	struct sz_error why = *e;

	if (!err)
		err = check_status(a, "the provider's metadata", &why);
	if (!err)
		err = sz_idp_metadata_read(a->body, a->len, s->issuer,
					   s->conf->provider.loopback_http, &m, &why);
	if (!err && !m.jwks_uri)
		err = sz_error_set(&why, -EBADMSG, "the provider's metadata has no \"jwks_uri\"");
	if (err || !m.jwks_uri) {
		sz_idp_metadata_done(&m);
		failed(s, err, &why);
		return;
	}
	if (!s->keys_uri || strcmp(s->keys_uri, m.jwks_uri) != 0)
		s->etag[0] = 0;
	free(s->keys_uri);
	s->keys_uri = m.jwks_uri;
	if (!s->conf->introspection.endpoint) {
		free(s->endpoint);
		s->endpoint = m.introspection;
	} else {
		free(m.introspection);
	}
	s->rediscover = false;
	start_keys(s);
}

static void fetch(struct sz_idp_source *s, u64 now)
{
	char *url;

	s->fetch_ns = now;
	s->prompted = false;
	s->fetches++;
	if (s->conf->discovery == SZ_DISCOVERY_NONE || (!s->rediscover && s->keys_uri)) {
		start_keys(s);
		return;
	}
	url = sz_idp_metadata_url(s->issuer, s->conf->discovery);
	start(s, url ? url : "", NULL, SZ_METADATA_MAX, on_metadata, SZ_IDP_METADATA);
	free(url);
}

/* ---- for the others ------------------------------------------------------------------------- */

void sz_idp_source_open(struct sz_idp_source *s)
{
	struct sz_error e = {""};
	u64 now = sz_boot_ns();
	s64 age;
	int err;

	if (!sz_idp_source_asks(s))
		return;
	if (s->conf->jwks_uri)
		s->keys_uri = sz_strdup(s->conf->jwks_uri);
	s->rediscover = s->conf->discovery != SZ_DISCOVERY_NONE;
	s->algs = s->conf->algs;
	s->next_ns = now; /* at once: what is on disk may be long out of date */
	err = sz_idp_store_read(s->idp->conf, s->conf, &s->keys, &s->text, &e);
	if (err && err != -ENOENT)
		sz_log(SZ_LOG_WARNING, "%s; it is fetched anew", e.msg);
	if (err)
		return;
	age = wall_s() - s->keys.fetched_s;
	sz_log(SZ_LOG_INFO, "keys of issuer %s as they were %lld s ago, until they are fetched",
	       s->issuer, (long long)(age > 0 ? age : 0));
}

void sz_idp_source_changed(struct sz_idp_source *s, const struct sz_conf_issuer *old)
{
	struct sz_error e = {""};
	struct sz_jwks *set;
	bool moved = old->discovery != s->conf->discovery || !old->jwks_uri != !s->conf->jwks_uri ||
		     (old->jwks_uri && strcmp(old->jwks_uri, s->conf->jwks_uri) != 0);

	if (!s->conf->introspection.on || s->conf->introspection.endpoint ||
	    old->introspection.endpoint) {
		free(s->endpoint);
		s->endpoint = NULL;
	}
	if (moved) {
		/* Keys of another address are another provider's. */
		sz_idp_source_stop(s);
		free(s->keys_uri);
		s->keys_uri = NULL;
		sz_jwks_free(s->keys.set);
		s->keys = (struct sz_idp_keys){0};
		sz_buf_reset(&s->text);
		s->etag[0] = 0;
		s->failures = 0;
		s->fetched_ns = 0;
		sz_idp_source_open(s);
		return;
	}
	if (s->keys.set)
		s->keys.until_s = sz_idp_usable_until(s->conf, s->keys.fetched_s);
	if (s->keys.set && s->algs != s->conf->algs &&
	    !sz_jwks_parse(s->text.data, s->text.len, s->conf->algs, &set, &e)) {
		sz_jwks_free(s->keys.set);
		s->keys.set = set;
		s->algs = s->conf->algs;
	}
	if (sz_idp_source_asks(s))
		sz_idp_source_fetch_soon(s, sz_boot_ns());
}

void sz_idp_source_stop(struct sz_idp_source *s)
{
	struct sz_error e = {"the configuration changed meanwhile"};

	if (s->call)
		sz_fetch_cancel(s->call);
	s->call = NULL;
	s->phase = SZ_IDP_IDLE;
	s->error = e;
	sz_idp_queue_tell(&s->waits, NULL, 0, SZ_IDP_FAILED, NULL, &e);
	tell_asked(s, -ECANCELED);
}

void sz_idp_source_forget(struct sz_idp_source *s)
{
	struct sz_idp_asked *a;

	while ((a = s->asked)) {
		s->asked = a->next;
		if (!--a->refresh->left)
			free(a->refresh);
		free(a);
	}
}

void sz_idp_source_fetch_soon(struct sz_idp_source *s, u64 now)
{
	if (s->phase == SZ_IDP_IDLE)
		fetch(s, now);
}

void sz_idp_source_tick(struct sz_idp_source *s, u64 now)
{
	struct sz_error late = {"the keys did not come in time"};
	bool due;

	if (!sz_idp_source_asks(s))
		return;
	due = now >= s->next_ns ||
	      (s->prompted && !s->failures && now - s->fetch_ns >= distance_ns(s));
	if (s->phase == SZ_IDP_IDLE && due)
		fetch(s, now);
	sz_idp_queue_tell(&s->waits, is_late, now, SZ_IDP_FAILED, NULL, &late);
}

enum sz_idp_ask sz_idp_want_keys(struct sz_idp *idp, size_t issuer, u64 kid,
				 struct sz_idp_wait *w)
{
	struct sz_idp_source *s = idp->sources[issuer];
	u64 now = sz_boot_ns();

	if (!s || !sz_idp_source_asks(s))
		return SZ_IDP_UNKNOWN;
	if (kid && sz_negative_has(&s->negative, kid, now))
		return SZ_IDP_UNKNOWN;
	s->unknown_kids++;
	/* While it fails, who asks need not wait for the next failure. */
	if (s->failures && s->phase == SZ_IDP_IDLE)
		return SZ_IDP_DOWN;
	if (s->waits.n >= s->conf->provider.max_waiting) {
		s->overflows++;
		return SZ_IDP_DOWN;
	}
	w->since_ns = now;
	w->deadline_ns = now + distance_ns(s) + 2 * (u64)s->conf->provider.timeout_ms * 1000000;
	w->kid = kid;
	sz_idp_queue_add(&s->waits, w);
	s->prompted = true;
	if (s->phase == SZ_IDP_IDLE && (!s->fetch_ns || now - s->fetch_ns >= distance_ns(s)))
		fetch(s, now);
	return SZ_IDP_WAITING;
}

void sz_idp_no_such_key(struct sz_idp *idp, size_t issuer, u64 kid)
{
	if (idp->sources[issuer] && kid)
		sz_negative_add(&idp->sources[issuer]->negative, kid, sz_boot_ns() + SZ_NO_KEY_NS);
}

int sz_idp_refresh(struct sz_idp *idp, const char *issuer,
		   void (*fn)(int err, const char *words, void *arg), void *arg)
{
	struct sz_idp_refresh *r = sz_calloc(1, sizeof(*r));
	u64 now = sz_boot_ns();
	size_t i;

	*r = (struct sz_idp_refresh){.fn = fn, .arg = arg};
	for (i = 0; i < idp->n; i++) {
		struct sz_idp_source *s = idp->sources[i];
		struct sz_idp_asked *a;

		if (!s || !sz_idp_source_asks(s) || (issuer && strcmp(issuer, s->issuer) != 0))
			continue;
		a = sz_calloc(1, sizeof(*a));
		a->refresh = r;
		a->next = s->asked;
		s->asked = a;
		r->left++;
	}
	if (!r->left) {
		free(r);
		return -ENOENT;
	}
	/* One that fails at once must not end r while others are still to be begun. */
	r->left++;
	for (i = 0; i < idp->n; i++)
		if (idp->sources[i] && idp->sources[i]->asked)
			sz_idp_source_fetch_soon(idp->sources[i], now);
	refreshed(r, 0, NULL);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Questions about opaque tokens (RFC 7662) and what was answered lately. Equal tokens share one
 * question; how many wait is bounded; a provider that fails is left alone by its circuit breaker.
 * An answer is kept as long as sz_idp_answer_ttl() says, in a table that is bounded too; a later
 * one may be asked for meanwhile, and until it comes the old one holds.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "codec/codec.h"
#include "idp/idp_priv.h"

#define ANSWER_BYTES 65536u /* of one answer */
#define BUCKETS      1024
#define RECENT_MAX   8192          /* answers kept */
#define RECENT_BYTES (16u << 20)   /* and their bytes */

/* A question under way, or a recent answer. */
struct entry {
	struct entry *hash_next;
	struct entry *older, *newer; /* answers, by when they came */
	struct sz_idp_source *source;
	struct sz_digest digest;
	struct sz_fetch_call *call; /* NULL: answered; with an answer: the next one is asked for */
	struct sz_idp_use use;      /* as the question has it */
	struct sz_idp_queue waits;
	char *text;
	size_t len;
	s64 until_s;
};

struct sz_idp_questions {
	struct entry *bucket[BUCKETS];
	struct entry *oldest, *newest;
	size_t n, bytes; /* of answers */
};

static s64 wall_s(void)
{
	return (s64)(sz_wall_ns() / NS);
}

/* ---- the table ------------------------------------------------------------------------------ */

struct sz_idp_questions *sz_idp_questions_new(void)
{
	return sz_calloc(1, sizeof(struct sz_idp_questions));
}

static struct entry **slot_of(struct sz_idp_questions *q, const struct sz_digest *d)
{
	return &q->bucket[d->w[0] % BUCKETS]; /* keyed: nobody outside can choose it */
}

static struct entry *find(struct sz_idp_questions *q, const struct sz_idp_source *s,
			  const struct sz_digest *d)
{
	struct entry *x;

	for (x = *slot_of(q, d); x; x = x->hash_next)
		if (x->source == s && !memcmp(&x->digest, d, sizeof(*d)))
			return x;
	return NULL;
}

static void unlink_answer(struct sz_idp_questions *q, struct entry *x)
{
	if (!x->text)
		return;
	*(x->older ? &x->older->newer : &q->oldest) = x->newer;
	*(x->newer ? &x->newer->older : &q->newest) = x->older;
	q->n--;
	q->bytes -= x->len;
}

static void forget(struct sz_idp_questions *q, struct entry *x)
{
	struct entry **at = slot_of(q, &x->digest);

	while (*at != x)
		at = &(*at)->hash_next;
	*at = x->hash_next;
	unlink_answer(q, x);
	free(x->text);
	free(x);
}

/* The answer is over; a question under way goes on. */
static void drop_answer(struct sz_idp_questions *q, struct entry *x)
{
	if (!x->call) {
		forget(q, x);
		return;
	}
	unlink_answer(q, x);
	free(x->text);
	x->text = NULL;
}

static void keep(struct sz_idp_questions *q, struct entry *x, const char *text, size_t n)
{
	unlink_answer(q, x);
	free(x->text);
	x->text = sz_strndup(text, n);
	x->len = n;
	x->older = q->newest;
	*(q->newest ? &q->newest->newer : &q->oldest) = x;
	q->newest = x;
	q->n++;
	q->bytes += n;
	while (q->oldest != x && (q->n > RECENT_MAX || q->bytes > RECENT_BYTES))
		drop_answer(q, q->oldest);
}

/* ---- the answer ----------------------------------------------------------------------------- */

/* Of a token that is active, by its use alone. */
static s64 ttl_by_use(const struct sz_conf_introspection *in, const struct sz_idp_use *use)
{
	u64 ms;

	if (!use->over_ms || !use->uses)
		return in->max_ttl_s;
	ms = use->over_ms > UINT64_MAX / SZ_IDP_USES ? UINT64_MAX : use->over_ms * SZ_IDP_USES;
	ms /= use->uses;
	if (ms >= (u64)in->max_ttl_s * 1000)
		return in->max_ttl_s;
	return ms > (u64)in->min_ttl_s * 1000 ? (s64)((ms + 999) / 1000) : in->min_ttl_s;
}

s64 sz_idp_answer_ttl(const struct sz_conf_introspection *in, const struct sz_idp_use *use,
		      bool active, s64 exp, s64 now)
{
	s64 ttl = active ? ttl_by_use(in, use) : in->inactive_ttl_s;

	if (active && exp && exp - now < ttl)
		ttl = exp > now ? exp - now : 0;
	return ttl;
}

bool sz_idp_renews(const struct sz_conf_introspection *in, const struct sz_idp_use *use)
{
	return ttl_by_use(in, use) < in->max_ttl_s;
}

/* Every outcome of a question comes through here. */
static void outcome(struct sz_idp_source *s, int err, const struct sz_error *why)
{
	u8 jitter;

	if (!err) {
		s->answers++;
		s->question_error.msg[0] = 0;
		sz_breaker_success(&s->breaker);
		return;
	}
	s->question_failures++;
	s->question_error = *why;
	randombytes_buf(&jitter, sizeof(jitter));
	if (sz_breaker_failure(&s->breaker, sz_boot_ns(), jitter)) {
		struct sz_buf what = {0};

		sz_buf_printf(&what, "introspection at issuer %s fails and is paused: %s",
			      s->issuer, why->msg);
		sz_log(SZ_LOG_WARNING, "%s; its opaque tokens get 503", what.data);
		s->idp->hooks.note(what.data, s->idp->hooks.arg);
		sz_buf_done(&what);
	}
}

/* "active" and "exp", to know how long it is good. What the rest says is decided by others. */
static int read_answer(const struct sz_idp_source *s, const struct sz_fetch_answer *a,
		       bool *ret_active, s64 *ret_exp, struct sz_error *e)
{
	struct sz_error cause = {""};
	const json_t *active, *exp;
	json_t *root;
	int err = 0;

	if (a->status != 200)
		return sz_error_set(e, -EREMOTEIO, "%.200s answered with status %d%s", s->endpoint,
				    a->status,
				    a->status == 401 ? ": it does not know this client" : "");
	root = sz_json_parse(a->body, a->len, &cause);
	active = json_object_get(root, "active");
	exp = json_object_get(root, "exp");
	if (!root || !json_is_boolean(active))
		err = sz_error_set(e, -EBADMSG,
				   "%.200s answered what RFC 7662 does not know: %.200s",
				   s->endpoint, root ? "no \"active\"" : cause.msg);
	*ret_active = json_is_true(active);
	*ret_exp = json_is_number(exp) && json_number_value(exp) < 1e15 ?
			   (s64)json_number_value(exp) : 0;
	json_decref(root);
	return err;
}

static void on_answer(int err, const struct sz_fetch_answer *a, const struct sz_error *e, void *arg)
{
	struct entry *x = arg;
	struct sz_idp_source *s = x->source;
	struct sz_idp_questions *q = s->idp->questions;
	struct sz_idp_answer ans = {0};
	struct sz_error why = *e;
	bool active = false;
	s64 exp = 0, ttl;

	x->call = NULL;
	s->n_questions--;
	if (!err)
		err = read_answer(s, a, &active, &exp, &why);
	outcome(s, err, &why);
	s->n_waiting -= x->waits.n;
	if (err) {
		sz_idp_queue_tell(&x->waits, NULL, 0, SZ_IDP_FAILED, NULL, &why);
		if (!x->text)
			forget(q, x);
		return;
	}
	s->inactive += !active;
	ttl = sz_idp_answer_ttl(&s->conf->introspection, &x->use, active, exp, wall_s());
	x->until_s = wall_s() + ttl;
	keep(q, x, a->body, a->len);
	ans = (struct sz_idp_answer){.text = x->text, .len = x->len, .until_s = x->until_s};
	sz_idp_queue_tell(&x->waits, NULL, 0, SZ_IDP_ANSWER, &ans, NULL);
	if (!ttl)
		forget(q, x);
}

/* ---- the question --------------------------------------------------------------------------- */

static int ask(struct sz_idp_source *s, struct entry *x, const char *token, size_t n,
	       struct sz_error *e)
{
	const struct sz_conf_issuer *is = s->conf;
	struct sz_buf form = {0}, authorization = {0};
	int err = sz_idp_client_form(s, token, n, &form, &authorization, e);

	if (!err) {
		struct sz_fetch_request rq = {
			.url = s->endpoint,
			.loopback_http = is->provider.loopback_http,
			.ca_file = is->provider.ca_file,
			.accept = "application/json",
			.authorization = authorization.len ? authorization.data : NULL,
			.form = form.data,
			.timeout_ms = is->introspection.timeout_ms,
			.max = ANSWER_BYTES,
		};
		err = sz_fetch_start(s->idp->fetch, &rq, on_answer, x, &x->call, e);
	}
	sz_idp_wipe(&form);
	sz_idp_wipe(&authorization);
	return err;
}

static enum sz_idp_ask refuse(struct sz_idp_source *s)
{
	s->refused++;
	return SZ_IDP_DOWN;
}

static struct entry *add(struct sz_idp_source *s, const struct sz_digest *digest)
{
	struct entry **slot = slot_of(s->idp->questions, digest), *x = sz_calloc(1, sizeof(*x));

	x->source = s;
	x->digest = *digest;
	sz_idp_queue_init(&x->waits);
	x->hash_next = *slot;
	*slot = x;
	return x;
}

/* Asks about it, unless somebody does already. */
static bool begin(struct sz_idp_source *s, struct entry **at, const struct sz_digest *digest,
		  const char *token, size_t n, const struct sz_idp_use *use)
{
	struct sz_error e = {""};
	struct entry *x = *at;

	if (x && x->call)
		return true;
	if (!s->endpoint || !sz_breaker_allow(&s->breaker, sz_boot_ns()))
		return false;
	x = *at = x ? x : add(s, digest);
	x->use = *use;
	if (ask(s, x, token, n, &e)) {
		outcome(s, -EIO, &e);
		if (!x->text)
			forget(s->idp->questions, x);
		return false;
	}
	s->questions++;
	s->renewals += use->renewal;
	s->n_questions++;
	return true;
}

enum sz_idp_ask sz_idp_introspect(struct sz_idp *idp, size_t issuer, const struct sz_digest *digest,
				  const char *token, size_t n, const struct sz_idp_use *use,
				  struct sz_idp_wait *w, struct sz_idp_answer *ret,
				  bool *ret_recent)
{
	struct sz_idp_source *s = idp->sources[issuer];
	struct sz_idp_questions *q = idp->questions;
	struct entry *x;

	*ret_recent = false;
	if (!s || !s->conf->introspection.on)
		return SZ_IDP_DOWN;
	x = find(q, s, digest);
	if (x && x->text && x->until_s > wall_s() && !use->renewal) {
		s->recent++;
		*ret_recent = true;
		*ret = (struct sz_idp_answer){.text = x->text, .len = x->len,
					      .until_s = x->until_s};
		return SZ_IDP_WAITING;
	}
	if (x && x->text && x->until_s <= wall_s()) {
		drop_answer(q, x);
		x = find(q, s, digest);
	}
	if (s->n_waiting >= s->conf->introspection.max_waiting ||
	    !begin(s, &x, digest, token, n, use))
		return refuse(s);
	w->since_ns = sz_boot_ns();
	sz_idp_queue_add(&x->waits, w);
	s->n_waiting++;
	return SZ_IDP_WAITING;
}

void sz_idp_bad_answer(struct sz_idp *idp, size_t issuer, const struct sz_digest *digest)
{
	struct sz_idp_source *s = idp->sources[issuer];
	struct sz_error why = {"an answer has members of the wrong type"};
	struct entry *x = s ? find(idp->questions, s, digest) : NULL;

	if (!x || !x->text)
		return;
	drop_answer(idp->questions, x);
	outcome(s, -EBADMSG, &why);
}

/* Answers that are over go when they are asked for, or when they are the oldest. */
void sz_idp_questions_tick(struct sz_idp *idp, u64 now)
{
	struct sz_idp_questions *q = idp->questions;
	s64 wall = wall_s();

	(void)now;
	while (q->oldest && q->oldest->until_s <= wall)
		drop_answer(q, q->oldest);
}

void sz_idp_questions_end(struct sz_idp *idp, const struct sz_idp_source *s, enum sz_idp_outcome o)
{
	struct sz_error why = {"the configuration changed meanwhile"};
	struct sz_idp_questions *q = idp->questions;
	size_t i;

	for (i = 0; i < BUCKETS; i++) {
		struct entry *x, *next;

		for (x = q->bucket[i]; x; x = next) {
			next = x->hash_next;
			if (s && x->source != s)
				continue;
			if (x->call) {
				sz_fetch_cancel(x->call);
				x->source->n_questions--;
				x->source->n_waiting -= x->waits.n;
				sz_breaker_forget(&x->source->breaker);
				sz_idp_queue_tell(&x->waits, NULL, 0, o, NULL, &why);
			}
			forget(q, x);
		}
	}
}

void sz_idp_questions_free(struct sz_idp_questions *q)
{
	free(q);
}

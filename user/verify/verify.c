/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The decision on one token: which issuer, by its keys or by what it answered, revocation, policy.
 * Called by worker threads at the same time: nothing of the snapshot is written here.
 */
#include <sodium.h>
#include <string.h>

#include "codec/codec.h"
#include "verify/verify_priv.h"

#include "subzero/rule.h"

/* The name of a key, for those who look for it; never 0. */
static u64 kid_id(const struct sz_conf_issuer *is, const char *kid)
{
	crypto_generichash_state h;
	u8 out[16];
	u64 id;

	crypto_generichash_init(&h, NULL, 0, sizeof(out));
	crypto_generichash_update(&h, (const u8 *)is->issuer, strlen(is->issuer) + 1);
	crypto_generichash_update(&h, (const u8 *)(kid ? "k" : "-"), 2);
	if (kid)
		crypto_generichash_update(&h, (const u8 *)kid, strlen(kid));
	crypto_generichash_final(&h, out, sizeof(out));
	memcpy(&id, out, sizeof(id));
	return id ? id : 1;
}

/* Nobody here can say more about the token: its issuer must be asked. */
static void want_answer(const struct sz_verifier *v, const struct sz_conf_issuer *is,
		       struct sz_decision *d)
{
	d->reason = SZ_R_INTROSPECTION_DOWN;
	d->wants = SZ_WANTS_ANSWER;
	d->issuer = (size_t)(is - v->conf->issuers);
	sz_error_set(&d->detail, 0, "issuer %.200s has to be asked about it", is->issuer);
}

/* Three parts, of which the first begins like a JSON object: others cannot be verified here. */
static bool looks_like_jws(const char *s, size_t n)
{
	const char *dot = memchr(s, '.', n);
	size_t rest = dot ? n - (size_t)(dot + 1 - s) : 0;
	const char *dot2 = rest ? memchr(dot + 1, '.', rest) : NULL;

	/* "{" and a space, a line's end or a quotation mark */
	return dot2 && !memchr(dot2 + 1, '.', n - (size_t)(dot2 + 1 - s)) && s[0] == 'e' &&
	       s[1] >= 'w' && s[1] <= 'z';
}

static struct sz_token_rules rules_of(const struct sz_verifier *v, size_t issuer)
{
	const struct sz_conf_issuer *is = &v->conf->issuers[issuer];

	return (struct sz_token_rules){
		.issuer = is->issuer,
		.audiences = (const char *const *)is->audiences,
		.n_audiences = is->n_audiences,
		.keys = v->keys[issuer].set,
		.algs = is->algs,
		.skew_s = is->skew_s,
		.max_age_s = is->max_age_s,
		.require_at_jwt = is->require_at_jwt,
	};
}

struct choice {
	const struct sz_verifier *v;
	const struct sz_conf_issuer *issuer; /* that was found */
	s64 now;
	bool without_keys; /* it has none that may be used now */
	struct sz_token_rules rules;
};

/* The issuer whose "iss" the token claims, unverified: it only chooses the rules. */
static const struct sz_token_rules *choose(const char *issuer, void *arg, struct sz_error *e)
{
	struct choice *c = arg;
	size_t i;

	for (i = 0; issuer && i < c->v->conf->n_issuers; i++) {
		const struct sz_idp_keys *keys = &c->v->keys[i];

		if (strcmp(issuer, c->v->conf->issuers[i].issuer))
			continue;
		c->issuer = &c->v->conf->issuers[i];
		c->without_keys = !keys->set || (SZ_RULE(KEYS_STALE) && c->now >= keys->until_s);
		if (c->without_keys) {
			sz_error_set(e, 0, "the keys of issuer %.200s %s", issuer,
				     keys->set ? "are too old to be used" : "are not known yet");
			return NULL;
		}
		c->rules = rules_of(c->v, i);
		return &c->rules;
	}
	sz_error_set(e, 0, "issuer \"%.200s\" is not configured", issuer ? issuer : "");
	return NULL;
}

u32 sz_names_revoked(const struct sz_names *n, sz_revoked_fn revoked, void *arg)
{
	u32 kind;

	for (kind = 1; kind < SZ_REVOKE_KIND_COUNT; kind++)
		if (n->present & 1u << kind && revoked(kind, NULL, n->issued_s, arg) &&
		    revoked(kind, &n->id[kind], n->issued_s, arg))
			return kind;
	return 0;
}

/* What a grant holds, so that whoever revokes finds it. */
#define GRANTED                                                                                    \
	(1u << SZ_REVOKE_JTI | 1u << SZ_REVOKE_SUBJECT | 1u << SZ_REVOKE_ISSUER |                  \
	 1u << SZ_REVOKE_SESSION | 1u << SZ_REVOKE_KEY)

struct naming {
	struct sz_names *names;
	sz_revoked_fn revoked;
	void *arg;
};

static bool wanted(const struct naming *m, enum sz_revoke_kind kind)
{
	u32 bit = 1u << kind;

	if (m->names->present & bit)
		return false;
	return GRANTED & bit || m->revoked(kind, NULL, m->names->issued_s, m->arg);
}

static void name(const struct naming *m, enum sz_revoke_kind kind, const char *value)
{
	if (!value || !wanted(m, kind))
		return;
	m->names->id[kind] = sz_revoke_id(kind, value, strlen(value));
	m->names->present |= 1u << kind;
}

static void name_pair(const struct naming *m, enum sz_revoke_kind kind, const char *iss,
		      const char *value)
{
	if (!value || !wanted(m, kind))
		return;
	m->names->id[kind] = sz_revoke_pair_id(kind, iss, value);
	m->names->present |= 1u << kind;
}

void sz_names_complete(struct sz_names *n, const struct sz_token *t, const char *token, size_t len,
		       sz_revoked_fn revoked, void *arg)
{
	const char *kid = t->key ? sz_jwk_kid(t->key) : NULL;
	const struct naming m = {.names = n, .revoked = revoked, .arg = arg};

	n->issued_s = (u64)t->iat;
	if (wanted(&m, SZ_REVOKE_TOKEN)) {
		n->id[SZ_REVOKE_TOKEN] = sz_revoke_token_id(token, len);
		n->present |= 1u << SZ_REVOKE_TOKEN;
	}
	name(&m, SZ_REVOKE_JTI, t->jti);
	name(&m, SZ_REVOKE_SUBJECT, t->subject);
	name(&m, SZ_REVOKE_SUBJECT_BEFORE, t->subject);
	name(&m, SZ_REVOKE_ISSUER, t->issuer);
	name(&m, SZ_REVOKE_ISSUER_BEFORE, t->issuer);
	if (t->key && wanted(&m, SZ_REVOKE_KEY)) {
		n->id[SZ_REVOKE_KEY] = sz_jwk_id(t->key);
		n->present |= 1u << SZ_REVOKE_KEY;
	}
	name_pair(&m, SZ_REVOKE_KID, t->issuer, kid ? kid : t->kid);
	name_pair(&m, SZ_REVOKE_ISSUER_JTI, t->issuer, t->jti);
	name_pair(&m, SZ_REVOKE_PRINCIPAL, t->issuer, t->subject);
	name_pair(&m, SZ_REVOKE_PRINCIPAL_BEFORE, t->issuer, t->subject);
	name_pair(&m, SZ_REVOKE_SESSION, t->issuer,
		  json_string_value(json_object_get(t->claims, "sid")));
}

/*
 * "cnf" (RFC 7800 section 3) and how the token was sent (RFC 9449 section 7). Who can confirm no
 * other means than "jkt" must not take such a token for a bearer token.
 */
static enum sz_reason check_binding(const struct sz_conf_issuer *is, bool dpop,
				    struct sz_decision *d)
{
	const json_t *cnf = json_object_get(d->token.claims, "cnf");
	const char *jkt = json_string_value(json_object_get(cnf, "jkt")), *what = NULL;

	if (cnf && !jkt)
		what = "it is bound by a means that is not understood here "
		       "(\"cnf\" without \"jkt\")";
	else if (SZ_RULE(DPOP_ISSUER) && jkt && is->dpop == SZ_DPOP_OFF)
		what = "it is bound to a key, and DPoP is off for its issuer";
	else if (SZ_RULE(DPOP_ISSUER) && !jkt && is->dpop == SZ_DPOP_REQUIRED)
		what = "it is bound to no key, and its issuer's tokens must be";
	else if (SZ_RULE(DPOP_BEARER) && jkt && !dpop)
		what = "it is bound to a key and was sent as a bearer token";
	else if (SZ_RULE(DPOP_UNBOUND) && !jkt && dpop)
		what = "it is bound to no key and was sent with DPoP";
	d->jkt = jkt;
	if (!what)
		return SZ_R_NONE;
	sz_error_set(&d->detail, 0, "%s", what);
	return SZ_R_DPOP_BINDING;
}

/* Routes that ask for a binding the token does not have: the daemon says so to each request. */
static void ask_for_binding(const struct sz_conf_service *svc, struct sz_policy_answer *a)
{
	size_t i;

	for (i = 0; i < svc->n_routes && i < SZ_ROUTES_MAX; i++) {
		u64 bit = 1ull << (i % 64);

		if (!SZ_RULE(DPOP_ROUTE) || svc->routes[i].dpop != SZ_DPOP_REQUIRED)
			continue;
		a->ask[i / 64] |= a->allow[i / 64] & bit;
		a->allow[i / 64] &= ~bit;
	}
}

void sz_verifier_subject(const struct sz_token *t, struct sz_policy_subject *ret)
{
	*ret = (struct sz_policy_subject){.claims = t->claims,
					  .issuer = t->issuer,
					  .subject = t->subject,
					  .jti = t->jti,
					  .kid = t->kid,
					  .alg = sz_alg_name(t->alg),
					  .issued_s = t->iat,
					  .expires_s = t->exp};
}

/*
 * What is said of a token that is good: who it is of, whether it was revoked, what it may do. `is`
 * is NULL for an API key.
 */
static void accept(const struct sz_verifier *v, const struct sz_conf_service *svc,
		   const struct sz_conf_issuer *is, const char *token, size_t n,
		   const struct sz_policy_moment *at, bool dpop, sz_revoked_fn revoked, void *arg,
		   struct sz_decision *ret)
{
	struct sz_policy_subject who;
	u64 began;
	u32 kind;

	ret->principal =
		sz_principal_id(ret->token.issuer, ret->token.subject ? ret->token.subject : "");
	if (is) {
		ret->names.id[SZ_REVOKE_ISSUER] = v->shared->issuer_ids[is - v->conf->issuers];
		ret->names.present |= 1u << SZ_REVOKE_ISSUER;
	}
	sz_names_complete(&ret->names, &ret->token, token, n, revoked, arg);
	kind = SZ_RULE(D_REVOKED) ? sz_names_revoked(&ret->names, revoked, arg) : 0;
	if (kind) {
		sz_error_set(&ret->detail, 0, "revoked by its %s", sz_revoke_kind_name(kind));
		ret->reason = SZ_R_REVOKED;
		return;
	}
	if (is)
		ret->reason = check_binding(is, dpop, ret);
	if (ret->reason != SZ_R_NONE)
		return;
	began = sz_boot_ns();
	sz_verifier_subject(&ret->token, &who);
	sz_policy_for_token(sz_verifier_policy(v), svc, &who, at, &ret->routes);
	ret->priority = sz_policy_priority(sz_verifier_conf(v), &who);
	ret->policy_ns = sz_boot_ns() - began;
	if (!dpop)
		ask_for_binding(svc, &ret->routes);
}

/* Could somebody say more about a token that was refused? */
static void look_further(const struct choice *c, const char *jws, size_t n, struct sz_decision *d)
{
	struct sz_token peek;
	struct sz_error ignored;

	if (!c->issuer)
		return;
	if (c->without_keys && sz_conf_keys_none(c->issuer)) {
		want_answer(c->v, c->issuer, d);
	} else if (c->without_keys) {
		d->reason = SZ_R_KEYS_DOWN;
		d->wants = SZ_WANTS_KEYS;
	} else if (d->reason == SZ_R_UNKNOWN_KEY && sz_conf_keys_remote(c->issuer) &&
		   !sz_token_peek(jws, n, &peek, &ignored)) {
		d->wants = SZ_WANTS_KEYS;
		d->kid = kid_id(c->issuer, peek.kid);
		sz_token_done(&peek);
	}
}

#define APIKEY_GRANT_S 86400 /* a key that does not end is looked at again after this */

static enum sz_reason apikey_fault(const struct sz_apikey *k, const char *service, s64 now,
				   bool dpop, struct sz_error *e)
{
	if (!k)
		return sz_error_set(e, 0, "no API key of this gateway"), SZ_R_BAD_TOKEN;
	if (SZ_RULE(APIKEY_REVOKED) && k->revoked_s && k->revoked_s <= now)
		return sz_error_set(e, 0, "the API key %s was revoked", k->id), SZ_R_REVOKED;
	if (SZ_RULE(APIKEY_EXPIRED) && k->expires_s && k->expires_s <= now)
		return sz_error_set(e, 0, "the API key %s has expired", k->id), SZ_R_EXPIRED;
	if (SZ_RULE(APIKEY_SERVICE) && !sz_apikey_serves(k, service))
		return sz_error_set(e, 0, "the API key %s is for other services", k->id),
		       SZ_R_BAD_AUDIENCE;
	if (dpop)
		return sz_error_set(e, 0, "an API key is bound to no key and was sent with DPoP"),
		       SZ_R_DPOP_BINDING;
	return SZ_R_NONE;
}

static void decide_apikey(const struct sz_verifier *v, const struct sz_conf_service *svc,
			  const char *key, size_t n, const struct sz_policy_moment *at, bool dpop,
			  sz_revoked_fn revoked, void *arg, struct sz_decision *ret)
{
	const struct sz_apikey *k = sz_apikeys_find(v->apikeys, key, n);
	s64 now = at->now_ns / 1000000000, end = now + APIKEY_GRANT_S;

	ret->reason = apikey_fault(k, svc->name, now, dpop, &ret->detail);
	if (ret->reason != SZ_R_NONE)
		return;
	ret->token = (struct sz_token){
		.claims = json_incref(k->claims),
		.issuer = json_string_value(json_object_get(k->claims, "iss")),
		.subject = json_string_value(json_object_get(k->claims, "sub")),
		.jti = json_string_value(json_object_get(k->claims, "jti")),
		.iat = k->created_s,
		.exp = k->expires_s && k->expires_s < end ? k->expires_s : end,
	};
	accept(v, svc, NULL, key, n, at, false, revoked, arg, ret);
}

static void decide(const struct sz_verifier *v, const struct sz_conf_service *svc, const char *jws,
		   size_t n, const struct sz_policy_moment *at, bool dpop, sz_revoked_fn revoked,
		   void *arg, struct sz_decision *ret)
{
	struct choice c = {.v = v, .now = at->now_ns / 1000000000};

	memset(ret, 0, sizeof(*ret));
	if (v->apikeys && n > 3 && !memcmp(jws, "sz_", 3)) {
		decide_apikey(v, svc, jws, n, at, dpop, revoked, arg, ret);
		return;
	}
	if (svc->opaque && !looks_like_jws(jws, n)) {
		want_answer(v, svc->opaque, ret);
		return;
	}
	ret->reason = sz_token_verify_any(jws, n, choose, &c, c.now, &ret->token, &ret->detail);
	if (c.issuer)
		ret->issuer = (size_t)(c.issuer - v->conf->issuers);
	if (ret->reason != SZ_R_NONE)
		look_further(&c, jws, n, ret);
	else
		accept(v, svc, c.issuer, jws, n, at, dpop, revoked, arg, ret);
}

void sz_verifier_decide(const struct sz_verifier *v, const struct sz_conf_service *svc,
			const char *jws, size_t n, const struct sz_policy_moment *at,
			sz_revoked_fn revoked, void *arg, struct sz_decision *ret)
{
	decide(v, svc, jws, n, at, false, revoked, arg, ret);
}

void sz_verifier_decide_bound(const struct sz_verifier *v, const struct sz_conf_service *svc,
			      const char *jws, size_t n, const struct sz_policy_moment *at,
			      sz_revoked_fn revoked, void *arg, struct sz_decision *ret)
{
	decide(v, svc, jws, n, at, true, revoked, arg, ret);
}

void sz_verifier_decide_known(const struct sz_verifier *v, const struct sz_conf_service *svc,
			      const struct sz_known_token *known, const char *jws, size_t n,
			      const struct sz_policy_moment *at, bool dpop, sz_revoked_fn revoked,
			      void *arg, struct sz_decision *ret)
{
	const struct sz_idp_keys *keys = &v->keys[known->issuer];
	struct sz_token_rules rules = rules_of(v, known->issuer);
	s64 now = at->now_ns / 1000000000;

	/* What can be said without keys, and what is asked for then, is said in one place. */
	if (!keys->set || (SZ_RULE(KEYS_STALE) && now >= keys->until_s)) {
		decide(v, svc, jws, n, at, dpop, revoked, arg, ret);
		return;
	}
	memset(ret, 0, sizeof(*ret));
	ret->issuer = known->issuer;
	ret->reason = SZ_RULE(KNOWN_TIMES)
			      ? sz_token_times(&known->token, &rules, now, &ret->detail)
			      : SZ_R_NONE;
	if (ret->reason != SZ_R_NONE)
		return;
	ret->token = known->token;
	json_incref(ret->token.header);
	json_incref(ret->token.claims);
	accept(v, svc, &v->conf->issuers[known->issuer], jws, n, at, dpop, revoked, arg, ret);
}

void sz_verifier_decide_answer(const struct sz_verifier *v, const struct sz_conf_service *svc,
			       size_t issuer, const struct sz_idp_answer *answer, const char *token,
			       size_t n, const struct sz_policy_moment *at, bool dpop,
			       sz_revoked_fn revoked, void *arg, struct sz_decision *ret)
{
	const struct sz_conf_issuer *is = &v->conf->issuers[issuer];
	struct sz_token_rules rules = rules_of(v, issuer);

	memset(ret, 0, sizeof(*ret));
	ret->issuer = issuer;
	ret->until_s = answer->until_s;
	ret->reason = sz_token_introspected(answer->text, answer->len, &rules,
					    is->introspection.require_audience,
					    at->now_ns / 1000000000, &ret->token, &ret->answer_err,
					    &ret->detail);
	if (ret->reason == SZ_R_NONE)
		accept(v, svc, is, token, n, at, dpop, revoked, arg, ret);
}

void sz_decision_done(struct sz_decision *d)
{
	sz_token_done(&d->token);
	memset(d, 0, sizeof(*d));
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The snapshot of configuration and keys, and the decision on one token. Called by worker threads
 * at the same time: nothing here is written after sz_verifier_new.
 */
#include "verify/verify.h"

#include <string.h>
#include <sys/stat.h>

#include "codec/codec.h"

#include "subzero/rule.h"

struct sz_verifier {
	struct sz_conf *conf;
	struct sz_jwks **keys; /* one set for each issuer of conf */
	s64 *changed_s;        /* of its file, likewise */
	unsigned refs;
};

int sz_verifier_new(struct sz_conf *conf, struct sz_verifier **ret, struct sz_error *e)
{
	struct sz_verifier *v = sz_calloc(1, sizeof(*v));
	size_t i;
	int r;

	v->conf = conf;
	v->refs = 1;
	v->keys = sz_calloc(conf->n_issuers + 1, sizeof(*v->keys));
	v->changed_s = sz_calloc(conf->n_issuers + 1, sizeof(*v->changed_s));
	for (i = 0; i < conf->n_issuers; i++) {
		const struct sz_conf_issuer *is = &conf->issuers[i];
		struct sz_error why = {};
		struct stat st;

		if (!stat(is->jwks, &st))
			v->changed_s[i] = st.st_mtim.tv_sec;
		r = sz_jwks_load(is->jwks, is->algs, &v->keys[i], &why);
		if (!r && !sz_jwks_count(v->keys[i])) {
			sz_error_set(&why, -ENOKEY,
				     "%s: no key fits the configured algorithms; add one or widen "
				     "'algorithms'",
				     is->jwks);
			r = -ENOKEY;
		}
		if (r) {
			sz_error_set(e, r, "%s:%u: keys of issuer %s: %s", conf->path, is->line,
				     is->issuer, why.msg);
			sz_verifier_unref(v);
			return r;
		}
	}
	*ret = v;
	return 0;
}

struct sz_verifier *sz_verifier_ref(struct sz_verifier *v)
{
	__atomic_add_fetch(&v->refs, 1, __ATOMIC_RELAXED);
	return v;
}

void sz_verifier_unref(struct sz_verifier *v)
{
	size_t i;

	if (!v || __atomic_sub_fetch(&v->refs, 1, __ATOMIC_ACQ_REL))
		return;
	for (i = 0; i < v->conf->n_issuers; i++)
		sz_jwks_free(v->keys[i]);
	free(v->keys);
	free(v->changed_s);
	sz_conf_free(v->conf);
	free(v);
}

const struct sz_conf *sz_verifier_conf(const struct sz_verifier *v)
{
	return v->conf;
}

void sz_verifier_keys(const struct sz_verifier *v, size_t issuer, struct sz_verifier_keys *ret)
{
	*ret = (struct sz_verifier_keys){
		.count = sz_jwks_count(v->keys[issuer]),
		.changed_s = v->changed_s[issuer],
	};
}

struct choice {
	const struct sz_verifier *v;
	const struct sz_conf_issuer *issuer; /* that was found */
	struct sz_token_rules rules;
};

/* The issuer whose "iss" the token claims, unverified: it only chooses the rules. */
static const struct sz_token_rules *choose(const char *issuer, void *arg, struct sz_error *e)
{
	struct choice *c = arg;
	size_t i;

	for (i = 0; issuer && i < c->v->conf->n_issuers; i++) {
		const struct sz_conf_issuer *is = &c->v->conf->issuers[i];

		if (strcmp(issuer, is->issuer))
			continue;
		c->issuer = is;
		c->rules = (struct sz_token_rules){
			.issuer = is->issuer,
			.audiences = (const char *const *)is->audiences,
			.n_audiences = is->n_audiences,
			.keys = c->v->keys[i],
			.algs = is->algs,
			.skew_s = is->skew_s,
			.max_age_s = is->max_age_s,
			.require_at_jwt = is->require_at_jwt,
		};
		return &c->rules;
	}
	sz_error_set(e, 0, "issuer \"%.200s\" is not configured", issuer ? issuer : "");
	return NULL;
}

u32 sz_names_revoked(const struct sz_names *n, sz_revoked_fn revoked, void *arg)
{
	u32 kind;

	for (kind = 1; kind < SZ_REVOKE_KIND_COUNT; kind++)
		if (n->present & 1u << kind && revoked(&n->id[kind], n->issued_s, arg))
			return kind;
	return 0;
}

static void name(struct sz_names *n, enum sz_revoke_kind kind, const char *value)
{
	if (!value)
		return;
	n->id[kind] = sz_revoke_id(kind, value, strlen(value));
	n->present |= 1u << kind;
}

static void name_pair(struct sz_names *n, enum sz_revoke_kind kind, const char *iss,
		      const char *value)
{
	if (!value)
		return;
	n->id[kind] = sz_revoke_pair_id(kind, iss, value);
	n->present |= 1u << kind;
}

static void name_token(const struct sz_token *t, const char *jws, size_t n, struct sz_names *ret)
{
	const char *kid = sz_jwk_kid(t->key);

	ret->id[SZ_REVOKE_TOKEN] = sz_revoke_id(SZ_REVOKE_TOKEN, jws, n);
	ret->present = 1u << SZ_REVOKE_TOKEN;
	ret->issued_s = (u64)t->iat;
	name(ret, SZ_REVOKE_JTI, t->jti);
	name(ret, SZ_REVOKE_SUBJECT, t->subject);
	name(ret, SZ_REVOKE_SUBJECT_BEFORE, t->subject);
	name(ret, SZ_REVOKE_ISSUER, t->issuer);
	name(ret, SZ_REVOKE_ISSUER_BEFORE, t->issuer);
	name(ret, SZ_REVOKE_KEY, sz_jwk_thumb(t->key));
	name_pair(ret, SZ_REVOKE_KID, t->issuer, kid ? kid : t->kid);
	name_pair(ret, SZ_REVOKE_ISSUER_JTI, t->issuer, t->jti);
	name_pair(ret, SZ_REVOKE_PRINCIPAL, t->issuer, t->subject);
	name_pair(ret, SZ_REVOKE_PRINCIPAL_BEFORE, t->issuer, t->subject);
	name_pair(ret, SZ_REVOKE_SESSION, t->issuer,
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
		what = "it is bound by a means that is not understood here (\"cnf\" without \"jkt\")";
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

	for (i = 0; i < svc->n_routes && i < SZ_ROUTES_MAX; i++)
		if (SZ_RULE(DPOP_ROUTE) && svc->routes[i].dpop == SZ_DPOP_REQUIRED)
			a->ask[i / 64] |= a->allow[i / 64] & 1ull << (i % 64);
}

static void decide(const struct sz_verifier *v, const struct sz_conf_service *svc, const char *jws,
		   size_t n, s64 now, bool dpop, sz_revoked_fn revoked, void *arg,
		   struct sz_decision *ret)
{
	struct choice c = {.v = v};
	u64 began;
	u32 kind;

	memset(ret, 0, sizeof(*ret));
	ret->reason = sz_token_verify_any(jws, n, choose, &c, now, &ret->token, &ret->detail);
	if (ret->reason != SZ_R_NONE)
		return;
	ret->principal =
		sz_principal_id(ret->token.issuer, ret->token.subject ? ret->token.subject : "");
	name_token(&ret->token, jws, n, &ret->names);
	kind = SZ_RULE(D_REVOKED) ? sz_names_revoked(&ret->names, revoked, arg) : 0;
	if (kind) {
		sz_error_set(&ret->detail, 0, "revoked by its %s", sz_revoke_kind_name(kind));
		ret->reason = SZ_R_REVOKED;
		return;
	}
	ret->reason = check_binding(c.issuer, dpop, ret);
	if (ret->reason != SZ_R_NONE)
		return;
	began = sz_boot_ns();
	sz_policy_for_token(svc, ret->token.claims, &ret->routes);
	ret->policy_ns = sz_boot_ns() - began;
	if (!dpop)
		ask_for_binding(svc, &ret->routes);
}

void sz_verifier_decide(const struct sz_verifier *v, const struct sz_conf_service *svc,
			const char *jws, size_t n, s64 now, sz_revoked_fn revoked, void *arg,
			struct sz_decision *ret)
{
	decide(v, svc, jws, n, now, false, revoked, arg, ret);
}

void sz_verifier_decide_bound(const struct sz_verifier *v, const struct sz_conf_service *svc,
			      const char *jws, size_t n, s64 now, sz_revoked_fn revoked, void *arg,
			      struct sz_decision *ret)
{
	decide(v, svc, jws, n, now, true, revoked, arg, ret);
}

void sz_decision_done(struct sz_decision *d)
{
	sz_token_done(&d->token);
	memset(d, 0, sizeof(*d));
}

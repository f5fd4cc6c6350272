/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The life of a snapshot of configuration and keys. New keys make a new one that shares the
 * configuration; nothing in one changes after it was made, so that threads need no lock.
 */
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

#include "verify/verify_priv.h"

static struct sz_verifier *alloc(struct sz_verifier_conf *shared)
{
	struct sz_verifier *v = sz_calloc(1, sizeof(*v));

	v->shared = shared;
	v->conf = shared->conf;
	v->refs = 1;
	v->keys = sz_calloc(v->conf->n_issuers + 1, sizeof(*v->keys));
	return v;
}

static int load_file(const struct sz_conf_issuer *is, struct sz_idp_keys *ret, struct sz_error *e)
{
	struct stat st;
	int err;

	*ret = (struct sz_idp_keys){.until_s = INT64_MAX};
	if (!stat(is->jwks, &st))
		ret->fetched_s = ret->changed_s = st.st_mtim.tv_sec;
	err = sz_jwks_load(is->jwks, is->algs, &ret->set, e);
	if (!err && !sz_jwks_count(ret->set))
		err = sz_error_set(e, -ENOKEY,
				   "%s: no key fits the configured algorithms; add one or widen "
				   "'algorithms'",
				   is->jwks);
	return err;
}

int sz_verifier_new(struct sz_conf *conf, struct sz_verifier **ret, struct sz_error *e)
{
	struct sz_verifier_conf *shared = sz_calloc(1, sizeof(*shared));
	struct sz_verifier *v;
	size_t i;
	int r = 0;

	*shared = (struct sz_verifier_conf){.conf = conf, .refs = 1};
	shared->issuer_ids = sz_calloc(conf->n_issuers + 1, sizeof(*shared->issuer_ids));
	for (i = 0; i < conf->n_issuers; i++)
		shared->issuer_ids[i] = sz_revoke_id(SZ_REVOKE_ISSUER, conf->issuers[i].issuer,
						     strlen(conf->issuers[i].issuer));
	v = alloc(shared);
	for (i = 0; i < conf->n_issuers && !r; i++) {
		const struct sz_conf_issuer *is = &conf->issuers[i];
		struct sz_error why = {};

		if (is->jwks)
			r = load_file(is, &v->keys[i], &why);
		else if (sz_conf_keys_remote(is) && sz_idp_keys_load(conf, is, &v->keys[i], &why))
			v->keys[i] = (struct sz_idp_keys){}; /* they have to be fetched */
		if (r)
			sz_error_set(e, r, "%s:%u: keys of issuer %s: %s", conf->path, is->line,
				     is->issuer, why.msg);
	}
	if (!r)
		r = sz_policy_new(conf, &shared->policy, e);
	if (!r && conf->api_keys.on)
		r = sz_apikeys_load(conf->api_keys.file, &v->apikeys, e);
	if (r) {
		sz_verifier_unref(v);
		return r;
	}
	*ret = v;
	return 0;
}

/* Another one of the same configuration and keys; no API keys yet. */
static struct sz_verifier *copy(const struct sz_verifier *old)
{
	struct sz_verifier *v;
	size_t i;

	__atomic_add_fetch(&old->shared->refs, 1, __ATOMIC_RELAXED);
	v = alloc(old->shared);
	for (i = 0; i < v->conf->n_issuers; i++) {
		v->keys[i] = old->keys[i];
		if (v->keys[i].set)
			sz_jwks_ref(v->keys[i].set);
	}
	return v;
}

int sz_verifier_with_apikeys(const struct sz_verifier *old, struct sz_verifier **ret,
			     struct sz_error *e)
{
	struct sz_apikeys *keys = NULL;
	int err = old->conf->api_keys.on
			  ? sz_apikeys_load(old->conf->api_keys.file, &keys, e)
			  : sz_error_set(e, -ENOENT, "API keys are not taken: add \"api_keys: {}\" "
						     "to the configuration and reload it");

	if (err)
		return err;
	*ret = copy(old);
	(*ret)->apikeys = keys;
	return 0;
}

size_t sz_verifier_apikeys(const struct sz_verifier *v)
{
	return v->apikeys ? sz_apikeys_count(v->apikeys) : 0;
}

struct sz_verifier *sz_verifier_with_keys(const struct sz_verifier *old, size_t issuer,
					  const struct sz_idp_keys *keys)
{
	struct sz_verifier *v;
	size_t i;

	__atomic_add_fetch(&old->shared->refs, 1, __ATOMIC_RELAXED);
	v = alloc(old->shared);
	v->apikeys = old->apikeys ? sz_apikeys_ref(old->apikeys) : NULL;
	for (i = 0; i < v->conf->n_issuers; i++) {
		v->keys[i] = i == issuer ? *keys : old->keys[i];
		if (v->keys[i].set)
			sz_jwks_ref(v->keys[i].set);
	}
	return v;
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
	sz_apikeys_free(v->apikeys);
	for (i = 0; i < v->conf->n_issuers; i++)
		sz_jwks_free(v->keys[i].set);
	free(v->keys);
	if (!__atomic_sub_fetch(&v->shared->refs, 1, __ATOMIC_ACQ_REL)) {
		sz_policy_free(v->shared->policy);
		sz_conf_free(v->shared->conf);
		free(v->shared->issuer_ids);
		free(v->shared);
	}
	free(v);
}

struct sz_policy *sz_verifier_policy(const struct sz_verifier *v)
{
	return v ? v->shared->policy : NULL;
}

const struct sz_conf *sz_verifier_conf(const struct sz_verifier *v)
{
	return v->conf;
}

void sz_verifier_keys(const struct sz_verifier *v, size_t issuer, struct sz_verifier_keys *ret)
{
	const struct sz_idp_keys *k = &v->keys[issuer];

	*ret = (struct sz_verifier_keys){
		.count = k->set ? sz_jwks_count(k->set) : 0,
		.changed_s = k->changed_s,
	};
}

u64 sz_verifier_keys_id(const struct sz_verifier *v)
{
	crypto_generichash_state h;
	u8 out[16];
	size_t i, k;
	u64 id;

	crypto_generichash_init(&h, NULL, 0, sizeof(out));
	for (i = 0; i < v->conf->n_issuers; i++) {
		const struct sz_jwks *set = v->keys[i].set;
		const char *issuer = v->conf->issuers[i].issuer;

		crypto_generichash_update(&h, (const u8 *)issuer, strlen(issuer) + 1);
		for (k = 0; set && k < sz_jwks_count(set); k++) {
			const struct sz_jwk *key = sz_jwks_key(set, k);
			const char *thumb = sz_jwk_thumb(key), *kid = sz_jwk_kid(key);
			u32 algs = sz_jwk_algs(key);

			crypto_generichash_update(&h, (const u8 *)thumb, strlen(thumb) + 1);
			crypto_generichash_update(&h, (const u8 *)&algs, sizeof(algs));
			if (kid)
				crypto_generichash_update(&h, (const u8 *)kid, strlen(kid));
			crypto_generichash_update(&h, (const u8 *)(kid ? "k" : "-"), 2);
		}
	}
	crypto_generichash_final(&h, out, sizeof(out));
	memcpy(&id, out, sizeof(id));
	return id ? id : 1;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One token, one decision: keys, signature, claims, policy. A verifier is an immutable snapshot of
 * configuration and keys, counted by reference and shared by the worker threads and by the CLI's
 * `explain`. Revocation is looked up through a callback, so that this room knows no maps.
 */
#ifndef SZ_VERIFY_VERIFY_H
#define SZ_VERIFY_VERIFY_H

#include "config/config.h"
#include "core/core.h"
#include "idp/idp.h"
#include "jose/jose.h"
#include "policy/policy.h"

struct sz_verifier;

/*
 * Takes over `conf` (also on error: freed). Reads every issuer's JWKS file, and of those whose keys
 * are fetched what was kept of them.
 */
int sz_verifier_new(struct sz_conf *conf, struct sz_verifier **ret, struct sz_error *e);
/* The same configuration with other keys of one issuer. */
struct sz_verifier *sz_verifier_with_keys(const struct sz_verifier *old, size_t issuer,
					  const struct sz_idp_keys *keys);
/* The same configuration and keys with the API keys as their file has them now. */
int sz_verifier_with_apikeys(const struct sz_verifier *old, struct sz_verifier **ret,
			     struct sz_error *e);
size_t sz_verifier_apikeys(const struct sz_verifier *v); /* how many */
struct sz_verifier *sz_verifier_ref(struct sz_verifier *v);
void sz_verifier_unref(struct sz_verifier *v); /* NULL is fine */
const struct sz_conf *sz_verifier_conf(const struct sz_verifier *v);

/*
 * True when the name of this kind is revoked for what was issued at `issued_s`: see
 * sz_revoked_holds(). id NULL: whether any name of the kind could be; where not, none is made.
 */
typedef bool (*sz_revoked_fn)(u32 kind, const struct sz_id *id, u64 issued_s, void *arg);

/* Every name a token can be revoked by. */
struct sz_names {
	u32 present; /* of 1 << enum sz_revoke_kind; what a grant holds, and what was asked for */
	struct sz_id id[SZ_REVOKE_KIND_COUNT]; /* by kind; zero where not present */
	u64 issued_s; /* 0 where the token does not say */
};
/* The first of its names that is revoked, as enum sz_revoke_kind; 0 where none is. */
u32 sz_names_revoked(const struct sz_names *n, sz_revoked_fn revoked, void *arg);
/* Adds names of kinds that could be revoked by now, and were left out when it was decided. */
void sz_names_complete(struct sz_names *n, const struct sz_token *t, const char *token, size_t len,
		       sz_revoked_fn revoked, void *arg);

/* What a decision lacks that somebody may be able to get. Its reason holds until then. */
enum sz_wants {
	SZ_WANTS_NOTHING,
	SZ_WANTS_KEYS,   /* of the issuer; `kid` is the one it needs, 0: any */
	SZ_WANTS_ANSWER, /* of the issuer, to introspection */
};

struct sz_decision {
	enum sz_wants wants;
	size_t issuer;  /* index in the configuration, where it was found out */
	u64 kid;        /* digest of issuer and key name */
	s64 until_s;    /* wall clock: holds no longer than that; 0: no such bound */
	int answer_err; /* -EBADMSG: the provider's answer made no sense */
	enum sz_reason reason;   /* SZ_R_NONE: the token is valid */
	struct sz_error detail;  /* in words */
	struct sz_token token;   /* verified; empty when reason is set */
	u64 principal;
	struct sz_names names;
	const char *jkt; /* of the key it is bound to, in the claims; NULL where it is to none */
	struct sz_policy_answer routes;
	enum sz_priority priority; /* of the principal, by its verified claims */
	u64 policy_ns; /* time spent on the policy */
};

/* One issuer's keys as this snapshot has them. */
struct sz_verifier_keys {
	size_t count;
	s64 changed_s; /* wall clock: when the set, or its file, was last changed; 0: not known */
};
/* `issuer` is an index in the configuration. */
void sz_verifier_keys(const struct sz_verifier *v, size_t issuer, struct sz_verifier_keys *ret);
/* A digest of all keys with their names and algorithms; never 0. */
u64 sz_verifier_keys_id(const struct sz_verifier *v);

/* Its conditions (NULL for no verifier); the caller may say who answers for relationships. */
struct sz_policy *sz_verifier_policy(const struct sz_verifier *v);
/* The token as the policy sees it; points into it. */
void sz_verifier_subject(const struct sz_token *t, struct sz_policy_subject *ret);

/* Decides a bearer token for one service, here and now. */
void sz_verifier_decide(const struct sz_verifier *v, const struct sz_conf_service *svc,
			const char *jws, size_t n, const struct sz_policy_moment *at,
			sz_revoked_fn revoked, void *arg, struct sz_decision *ret);
/* The same for one sent with the DPoP scheme: it must be bound to a key, others must not. */
void sz_verifier_decide_bound(const struct sz_verifier *v, const struct sz_conf_service *svc,
			      const char *jws, size_t n, const struct sz_policy_moment *at,
			      sz_revoked_fn revoked, void *arg, struct sz_decision *ret);

/* ---- tokens whose signature was verified before: known.c ------------------------------------ */

/* What one says; its references are its own. */
struct sz_known_token {
	struct sz_token token;
	size_t issuer; /* index in the configuration */
};
void sz_known_token_done(struct sz_known_token *t); /* a zeroed one is fine */

/*
 * Tokens that were verified under one snapshot and one generation: with another of either all are
 * forgotten. Bounded in number and in bytes of tokens. Belongs to one thread.
 */
struct sz_known;
struct sz_known *sz_known_new(size_t n_max, size_t bytes_max);
void sz_known_free(struct sz_known *k); /* NULL is fine */
void sz_known_clear(struct sz_known *k);
size_t sz_known_count(const struct sz_known *k);
/* By the keyed digest of the whole token. */
bool sz_known_find(struct sz_known *k, struct sz_verifier *v, u64 generation,
		   const struct sz_digest *d, struct sz_known_token *ret);
/* `of` is good and was decided under exactly `v`; kept where its signature was verified. */
void sz_known_put(struct sz_known *k, struct sz_verifier *v, u64 generation,
		  const struct sz_digest *d, const struct sz_decision *of, size_t len);

/*
 * Decides one of them under the snapshot it was found for: all but its signature and what hangs on
 * that anew.
 */
void sz_verifier_decide_known(const struct sz_verifier *v, const struct sz_conf_service *svc,
			      const struct sz_known_token *known, const char *jws, size_t n,
			      const struct sz_policy_moment *at, bool dpop, sz_revoked_fn revoked,
			      void *arg, struct sz_decision *ret);

/* ---- what an issuer said -------------------------------------------------------------------- */

/* Decides a token about which an issuer (an index in the configuration) has answered; `dpop`: it
 * was sent with that scheme. */
void sz_verifier_decide_answer(const struct sz_verifier *v, const struct sz_conf_service *svc,
			       size_t issuer, const struct sz_idp_answer *answer, const char *token,
			       size_t n, const struct sz_policy_moment *at, bool dpop,
			       sz_revoked_fn revoked, void *arg, struct sz_decision *ret);
void sz_decision_done(struct sz_decision *d);

/*
 * The claims of a security event token that one of the issuers has sent for us: a new reference.
 * NULL with the error code of RFC 8935 section 2.4 in *ret_code and words in *e, which begins
 * empty.
 */
json_t *sz_verifier_event(const struct sz_verifier *v, const char *jws, size_t n, s64 now,
			  const char **ret_code, struct sz_error *e);

#endif

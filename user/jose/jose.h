/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * JOSE: keys (RFC 7517, 7518, 8037), signatures over compact JWS (RFC 7515) and the claims of a
 * JWT (RFC 7519, 8725, 9068). Pure but for reading a key file: bytes and time in, verdict out.
 * The algorithm is bound by the key, never chosen by the token; "none" does not exist here.
 */
#ifndef SZ_JOSE_JOSE_H
#define SZ_JOSE_JOSE_H

#include "codec/codec.h"
#include "core/core.h"

enum sz_alg {
	SZ_ALG_NONE = 0, /* not an algorithm: what an unknown name parses to */
	SZ_ALG_EDDSA,    /* Ed25519 only */
	SZ_ALG_ES256,
	SZ_ALG_ES384,
	SZ_ALG_ES512,
	SZ_ALG_RS256,
	SZ_ALG_RS384,
	SZ_ALG_RS512,
	SZ_ALG_PS256,
	SZ_ALG_PS384,
	SZ_ALG_PS512,
	SZ_ALG_HS256,
	SZ_ALG_HS384,
	SZ_ALG_HS512,
	SZ_ALG_COUNT,
};

enum sz_alg sz_alg_parse(const char *name); /* SZ_ALG_NONE where unknown */
const char *sz_alg_name(enum sz_alg alg);
#define SZ_ALG_BIT(a) (1u << (a))
/* All but HMAC and "none". */
#define SZ_ALG_ASYMMETRIC (SZ_ALG_BIT(SZ_ALG_HS256) - SZ_ALG_BIT(SZ_ALG_EDDSA))

/* One prepared key. Immutable, shared by threads. */
struct sz_jwk;
/* A set of them, as one JWKS file holds. Immutable, shared by threads. */
struct sz_jwks;

/*
 * Keys that are not for signatures ("use":"enc", unknown kty) are left out; a broken key, RSA below
 * 2048 bits, a private member in a public set or two keys with one kid refuse the whole set.
 * `allow`: mask of SZ_ALG_BIT; keys whose algorithm is not in it are left out.
 */
int sz_jwks_parse(const char *json, size_t n, u32 allow, struct sz_jwks **ret, struct sz_error *e);
int sz_jwks_load(const char *path, u32 allow, struct sz_jwks **ret, struct sz_error *e);
struct sz_jwks *sz_jwks_ref(struct sz_jwks *set);
void sz_jwks_free(struct sz_jwks *set); /* gives one reference back; NULL is fine */
size_t sz_jwks_count(const struct sz_jwks *set);
const struct sz_jwk *sz_jwks_key(const struct sz_jwks *set, size_t i);

/* RFC 7638 SHA-256 thumbprint, base64url. */
const char *sz_jwk_thumb(const struct sz_jwk *key);
struct sz_id sz_jwk_id(const struct sz_jwk *key); /* sz_revoke_id() of that */
const char *sz_jwk_kid(const struct sz_jwk *key); /* NULL where it names none */
u32 sz_jwk_algs(const struct sz_jwk *key);        /* mask of SZ_ALG_BIT it may be used with */

/* What a verified token says. Strings live as long as `claims`. */
struct sz_token {
	json_t *header;
	json_t *claims;
	const char *issuer, *subject, *jti; /* NULL where absent */
	s64 exp, nbf, iat;                  /* seconds since the epoch; nbf, iat 0 where absent */
	enum sz_alg alg;
	const char *kid;
	const struct sz_jwk *key; /* that verified it; lives as long as the key set */
};
void sz_token_done(struct sz_token *t);

/*
 * The unverified "iss" of a compact JWS, to choose the key set; -EINVAL where it is not one. The
 * header and claims of *ret are UNVERIFIED. Also what `token inspect` shows.
 */
int sz_token_peek(const char *jws, size_t n, struct sz_token *ret,
		  struct sz_error *e) SZ_MUST_CHECK;

/* The rules one issuer's tokens must keep. */
struct sz_token_rules {
	const char *issuer;           /* exact "iss" */
	const char *const *audiences; /* any one of these in "aud" */
	size_t n_audiences;
	const struct sz_jwks *keys;
	u32 algs;            /* mask of SZ_ALG_BIT */
	u32 skew_s;          /* 0..SZ_SKEW_MAX */
	u64 max_age_s;       /* refuse when iat is older; 0 = no rule */
	bool require_at_jwt; /* RFC 9068: typ must be at+jwt */
};

/*
 * Full check of one token at wall-clock second `now`. Returns SZ_R_NONE when it is valid and fills
 * *ret; otherwise the reason (BAD_TOKEN, EXPIRED, NOT_YET, BAD_ISSUER, BAD_AUDIENCE, UNKNOWN_KEY)
 * with detail in *e; *ret is then zero. "exp" is required. Unknown "crit" and b64=false refuse.
 */
enum sz_reason sz_token_verify(const char *jws, size_t n, const struct sz_token_rules *rules,
			       s64 now, struct sz_token *ret, struct sz_error *e) SZ_MUST_CHECK;

/*
 * The same where the issuer that the token names, unverified, chooses the rules; NULL where there
 * is none by this name (or no name: NULL). BAD_ISSUER then, with the caller's detail in *e.
 */
typedef const struct sz_token_rules *(*sz_rules_fn)(const char *issuer, void *arg,
						    struct sz_error *e);
enum sz_reason sz_token_verify_any(const char *jws, size_t n, sz_rules_fn choose, void *arg,
				   s64 now, struct sz_token *ret, struct sz_error *e) SZ_MUST_CHECK;

/*
 * Of a token that was verified by these rules before: does it still hold at `now`? EXPIRED, NOT_YET
 * or, for one without "iat" where it may not be too old, BAD_TOKEN.
 */
enum sz_reason sz_token_times(const struct sz_token *t, const struct sz_token_rules *rules, s64 now,
			      struct sz_error *e) SZ_MUST_CHECK;

/*
 * As sz_token_verify() for what a provider answered about a token (RFC 7662 section 2.2, a JSON
 * object of `n` bytes), whose signature nobody checks: it came from the issuer itself. "iss" and
 * "exp" may be missing, and "aud" unless `need_audience`; *ret names the issuer all the same, exp
 * is then 0, and "client_id" stands for a "sub" that is missing (RFC 9068 section 2.2). INACTIVE
 * where "active" is false. -EBADMSG in *ret_err where it is no such answer: the provider failed,
 * not the token.
 */
enum sz_reason sz_token_introspected(const char *answer, size_t n,
				     const struct sz_token_rules *rules, bool need_audience,
				     s64 now, struct sz_token *ret, int *ret_err,
				     struct sz_error *e) SZ_MUST_CHECK;

/*
 * Signature alone (conformance tests, `subzeroctl`): the payload is returned in *ret_payload.
 * Returns 0, -EBADMSG for a bad signature or shape, -ENOKEY when no key fits.
 */
int sz_jws_verify(const char *jws, size_t n, const struct sz_jwks *keys, u32 algs,
		  struct sz_buf *ret_payload, struct sz_error *e) SZ_MUST_CHECK;

/* RFC 7519 NumericDate of at most the year 9999; a fraction is rounded down or, with `up`, up. */
bool sz_numeric_date(const json_t *v, bool up, s64 *ret);

/* ---- a JWS that brings its own key: proof.c -------------------------------------------------- */

/* Taken apart; its signature is not looked at yet. */
struct sz_proof;
/*
 * Shape, "typ" (exact), algorithm (in `algs`, never a symmetric one) and the public key of "jwk".
 * -EBADMSG with *e filled for anything else. `jws` must stay until it is freed.
 */
int sz_proof_read(const char *jws, size_t n, const char *typ, u32 algs, struct sz_proof **ret,
		  struct sz_error *e) SZ_MUST_CHECK;
const char *sz_proof_thumb(const struct sz_proof *p); /* RFC 7638, of its key */
const json_t *sz_proof_claims(const struct sz_proof *p);
bool sz_proof_signed(const struct sz_proof *p) SZ_MUST_CHECK; /* by its own key */
void sz_proof_free(struct sz_proof *p);                       /* NULL is fine */

/* ---- for trying things out: `subzeroctl keys generate`, `token mint` ------------------------ */

/* New key pair of an algorithm: private JWK (with kid = RFC 7638 thumbprint) and its public JWKS.
 */
int sz_key_generate(enum sz_alg alg, json_t **ret_private, json_t **ret_public_jwks,
		    struct sz_error *e);
/* Compact JWS over the claims with typ "at+jwt". */
int sz_token_sign(const json_t *private_jwk, const json_t *claims, struct sz_buf *ret,
		  struct sz_error *e);
/* The same with these members of the header beside "alg". */
int sz_jws_sign(const json_t *private_jwk, const json_t *more, const json_t *claims,
		struct sz_buf *ret, struct sz_error *e);
/* A DPoP proof: typ "dpop+jwt" and the public half of the key in "jwk". */
int sz_proof_sign(const json_t *private_jwk, const json_t *claims, struct sz_buf *ret,
		  struct sz_error *e);
/* RFC 7638 SHA-256 thumbprint, base64url. */
int sz_jwk_thumbprint(const json_t *jwk, char ret[44], struct sz_error *e);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared inside the room: the table of algorithms, a prepared key, the parts of a compact JWS.
 * Nobody outside jose includes this.
 */
#ifndef SZ_JOSE_JOSE_PRIV_H
#define SZ_JOSE_JOSE_PRIV_H

#include <openssl/bn.h>
#include <openssl/evp.h>

#include "jose/jose.h"

enum sz_family {
	SZ_FAMILY_NONE,
	SZ_FAMILY_EDDSA,
	SZ_FAMILY_EC,
	SZ_FAMILY_RSA,
	SZ_FAMILY_PSS,
	SZ_FAMILY_HMAC,
};

/* What RFC 7518 section 3 and RFC 8037 say about one algorithm. */
struct sz_alg_info {
	const char *name;
	enum sz_family family;
	const char *kty;
	const char *crv;            /* NULL where the key type has no curves */
	const EVP_MD *(*md)(void);  /* NULL for EdDSA */
	size_t hash_len;            /* bytes; the PSS salt length and the shortest HMAC key */
	size_t coord_len;           /* bytes of an EC coordinate; half a signature */
};

/* Never NULL; family NONE for SZ_ALG_NONE and for numbers that are no algorithm. */
const struct sz_alg_info *sz_alg_info(enum sz_alg alg);
/* Algorithms that a key of this type and curve can serve; 0 where there is none. */
u32 sz_alg_mask(const char *kty, const char *crv);

#define SZ_SIG_MAX (SZ_RSA_BITS_MAX / 8)

/* JWK member and OpenSSL parameter of each number of an RSA key; n and e come first. */
extern const char *const sz_rsa_members[8][2];

/* A public RSA key as it is verified with; only read once it is prepared: rsa.c */
struct jose_rsa {
	BIGNUM *n;
	BN_MONT_CTX *mont;
	u64 e;         /* odd, at least 3 */
	unsigned bits; /* of n */
	size_t len;    /* bytes of n, and of every signature */
};

struct sz_jwk {
	u64 serial;        /* never used again for another key of this process; not 0 */
	char *kid;         /* NULL where the JWK names none */
	char thumb[44];    /* RFC 7638 */
	struct sz_id id;   /* what it is revoked by */
	u32 algs;          /* SZ_ALG_BIT of each algorithm it may be used with */
	EVP_PKEY *pkey;    /* RSA and EC */
	struct jose_rsa rsa;
	u8 *octets;        /* Ed25519: 32-byte public or 64-byte secret key; oct: the secret */
	size_t octets_len;
};

struct sz_jwks {
	unsigned refs;
	size_t n;
	struct sz_jwk **keys;
};

/*
 * Prepares one JWK. A public one that is not for verification, or not for an algorithm in `allow`,
 * is left out: 0 with *ret NULL. With `private` the private half is prepared, for signing.
 * -EINVAL with the cause in *e where the key is broken.
 */
int sz_jwk_prepare(const json_t *jwk, u32 allow, bool private, struct sz_jwk **ret,
		   struct sz_error *e);
void sz_jwk_free(struct sz_jwk *key);

/* The key has been matched with the algorithm by the caller. */
bool sz_signature_ok(const struct sz_jwk *key, enum sz_alg alg, const void *msg, size_t n,
		     const u8 *sig, size_t sig_len) SZ_MUST_CHECK;
int sz_signature_make(const struct sz_jwk *key, enum sz_alg alg, const void *msg, size_t n,
		      u8 sig[SZ_SIG_MAX], size_t *ret_len, struct sz_error *e);

/* ---- RSA: rsa.c ------------------------------------------------------------------------------ */

/* -ENOMEM; what was made is given back by jose_rsa_done() all the same. */
int jose_rsa_prepare(const BIGNUM *n, const BIGNUM *e, struct jose_rsa *ret);
void jose_rsa_done(struct jose_rsa *k); /* a zeroed one is fine */
/* PKCS #1 v1.5 or PSS, as `alg` says. */
bool jose_rsa_ok(const struct jose_rsa *k, const struct sz_alg_info *alg, const void *msg, size_t n,
		 const u8 *sig, size_t sig_len) SZ_MUST_CHECK;

/* ---- kept by each thread between two signatures: thread.c ------------------------------------ */

/* By the algorithm's hash; false where OpenSSL says no. */
bool jose_digest(const struct sz_alg_info *alg, const void *msg, size_t n, u8 out[64]);
/* Ready for EVP_PKEY_verify() of a digest by an EC key. It stays the thread's; NULL where OpenSSL
 * says no. */
EVP_PKEY_CTX *jose_pkey_ctx(const struct sz_jwk *key, enum sz_alg alg);
/* Numbers to compute with. */
struct jose_numbers {
	BN_CTX *ctx;
	BIGNUM *sig, *base, *acc;
};
struct jose_numbers *jose_numbers(void); /* NULL where OpenSSL has no memory */
bool jose_hmac(const struct sz_jwk *key, enum sz_alg alg, const void *msg, size_t n, u8 out[64]);
/* A header that this thread has read before (a new reference), by its text as it was sent. */
json_t *jose_header_known(const char *text, size_t n);
void jose_header_keep(const char *text, size_t n, json_t *json); /* takes a reference of its own */

/* A compact JWS taken apart; nothing of it is verified. */
struct sz_jws {
	const char *signing; /* header "." payload, as they were sent */
	size_t signing_len;
	json_t *header;
	enum sz_alg alg;     /* SZ_ALG_NONE where the name is unknown */
	const char *kid;     /* NULL where absent */
	const u8 *payload;   /* decoded, in bytes[] */
	size_t payload_len;
	const u8 *sig;
	size_t sig_len;
	u8 bytes[SZ_TOKEN_MAX];
};

/* Shape alone: three canonical base64url parts, a header object with a string "alg". -EINVAL. */
int sz_jws_split(const char *s, size_t n, struct sz_jws *ret, struct sz_error *e);
void sz_jws_done(struct sz_jws *jws);
/*
 * Header rules, choice of the key, signature: 0, -EBADMSG or -ENOKEY as sz_jws_verify(). *ret_key
 * (may be NULL) is the key that verified, as long as the set lives.
 */
int sz_jws_check(const struct sz_jws *jws, const struct sz_jwks *keys, u32 algs,
		 const struct sz_jwk **ret_key, struct sz_error *e) SZ_MUST_CHECK;

/* A name out of a token or key file, made fit for a message: printable, at most 63 bytes. */
struct sz_shown {
	char s[64];
};
struct sz_shown sz_show(const char *name);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * DPoP (RFC 9449): the proof that the sender of a token holds the key the token is bound to. In two
 * halves: sz_dpop_prove() is pure and runs on any thread; sz_dpop_admit() judges time, nonce and
 * replay, has all the state and belongs to one thread. A proof counts only when both say so.
 */
#ifndef SZ_DPOP_DPOP_H
#define SZ_DPOP_DPOP_H

#include <stdbool.h>

#include "core/core.h"
#include "wheel/wheel.h"

#define SZ_DPOP_MAX       4096 /* bytes of a proof */
#define SZ_DPOP_JTI_MAX   512  /* bytes of its "jti" */
#define SZ_DPOP_NONCE_LEN 32   /* characters of a nonce */

/* ---- the proof itself: proof.c, uri.c ------------------------------------------------------- */

/* The request as it was received, and what its token says. */
struct sz_dpop_request {
	const char *proof; /* value of the DPoP header */
	size_t proof_len;
	const char *method;
	size_t method_len;
	const char *target; /* as it was sent, in any form */
	size_t target_len;
	const char *const *origins; /* any of these: "https://api.example.com", without a path */
	size_t n_origins;
	const char *token;
	size_t token_len;
	const char *jkt; /* thumbprint in the token's "cnf" (RFC 7800 section 3.1, RFC 9449 section
			    6) */
};

/* A proof that is right as such; whether it is fresh and new is for sz_dpop_admit(). */
struct sz_dpop_proof {
	u8 id[16]; /* of key and "jti" together */
	u64 key;   /* of the key alone, never 0 */
	s64 iat;   /* seconds since the epoch */
	bool has_nonce;
	char nonce[SZ_DPOP_NONCE_LEN]; /* where it has as many characters; else no nonce is right */
	bool nonce_shape;
};

/*
 * Section 4.3, all but time, nonce and replay. `algs` is a mask of SZ_ALG_BIT. SZ_R_NONE, or
 * DPOP_PROOF or DPOP_BINDING with words in *e. The signature is looked at last, and only of the key
 * that the token is bound to: nobody makes us verify with keys of their own choice.
 */
enum sz_reason sz_dpop_prove(const struct sz_dpop_request *req, u32 algs, struct sz_dpop_proof *ret,
			     struct sz_error *e) SZ_MUST_CHECK;

/*
 * An http or https URI in its normal form (RFC 3986 sections 6.2.2 and 6.2.3), without query and
 * fragment. -EINVAL for anything else, user information and broken percent-encoding included.
 */
int sz_dpop_uri(const char *uri, size_t n, struct sz_buf *ret) SZ_MUST_CHECK;

/* ---- time, nonces and replay: state.c, replay.c --------------------------------------------- */

struct sz_dpop_conf {
	u32 max_age_s; /* a proof without nonce is good until iat + max_age_s */
	u32 skew_s;    /* and from iat - skew_s */
	u32 nonce_lifetime_s;
	bool require_nonce;
	u32 replay_entries; /* proofs remembered in all; one key may take a quarter */
};

struct sz_dpop;

/*
 * `mark` outlives the process (a word of the pinned configuration): the highest "iat" that was ever
 * admitted. Proofs up to it, and up to now, cannot be told from replays by a process that has just
 * started; they need a nonce of this one. Proofs end by `wheel`, whose clock is CLOCK_BOOTTIME and
 * which outlives what is made here.
 */
struct sz_dpop *sz_dpop_new(const struct sz_dpop_conf *conf, struct sz_wheel *wheel, u64 *mark,
			    u64 boot_ns, u64 wall_ns);
/* Another configuration; what is remembered stays, and a smaller table holds when it has emptied.
 */
void sz_dpop_configure(struct sz_dpop *d, const struct sz_dpop_conf *conf);
void sz_dpop_free(struct sz_dpop *d); /* NULL is fine */

/*
 * SZ_R_NONE: the proof is fresh and was never seen; it is remembered. Else DPOP_PROOF, DPOP_NONCE
 * (a nonce is asked for), DPOP_REPLAY, STATE_FULL (too many live proofs) or LIMIT_PRINCIPAL (too
 * many of this key), with words in *e. `place` names the request on its connection, never 0: the
 * same bytes sent again there are no replay.
 */
enum sz_reason sz_dpop_admit(struct sz_dpop *d, const struct sz_dpop_proof *p, u64 place,
			     u64 boot_ns, u64 wall_ns, struct sz_error *e) SZ_MUST_CHECK;

/* The nonce to hand out now, NUL-terminated; changes a few times in its lifetime. */
void sz_dpop_nonce(struct sz_dpop *d, u64 boot_ns, u64 wall_ns, char ret[SZ_DPOP_NONCE_LEN + 1]);

struct sz_dpop_stats {
	u64 live, capacity;
	u64 ended; /* proofs that were forgotten in their time */
};
struct sz_dpop_stats sz_dpop_stats(const struct sz_dpop *d);

#endif

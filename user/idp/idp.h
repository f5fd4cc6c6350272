/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Identity providers over the network: the keys of an issuer by discovery or from its jwks_uri, and
 * what it says about opaque tokens (RFC 7662). Runs in the event loop's thread. It must never turn
 * a provider that cannot be reached into "the token is bad": that is an outcome of its own.
 */
#ifndef SZ_IDP_IDP_H
#define SZ_IDP_IDP_H

#include <jansson.h>

#include "config/config.h"
#include "core/core.h"
#include "jose/jose.h"
#include "net/net.h"

struct sz_idp; /* every provider of the configuration */

/* ---- keys that were fetched ----------------------------------------------------------------- */

/* The keys of one issuer as they were last fetched with success. Times are of the wall clock. */
struct sz_idp_keys {
	struct sz_jwks *set; /* NULL: never fetched */
	s64 fetched_s;
	s64 changed_s; /* when a fetch last brought another set */
	s64 until_s;   /* not to be used from then on; INT64_MAX: no such time */
};
/*
 * The last good set of an issuer from <state_dir>/keys; -ENOENT where there is none, -EBADMSG with
 * words where the file is not what was written. *ret holds a reference. Also for the CLI.
 */
int sz_idp_keys_load(const struct sz_conf *c, const struct sz_conf_issuer *is,
		     struct sz_idp_keys *ret, struct sz_error *e);

/* ---- waiting for an answer ------------------------------------------------------------------ */

enum sz_idp_outcome {
	SZ_IDP_AGAIN,  /* decide again: the keys were looked at since */
	SZ_IDP_FAILED, /* the provider could not be asked, or did not answer in time */
	SZ_IDP_ANSWER, /* introspection: the answer is there */
	SZ_IDP_ENDED,  /* everything ends: only free what waits */
};

/* What a provider said about a token. */
struct sz_idp_answer {
	const char *text; /* JSON, as it came; good until fn returns */
	size_t len;
	s64 until_s;      /* wall clock: it must not be used from then on */
};

/* Embed it in what waits; it belongs to this room until fn is called, once. */
struct sz_idp_wait {
	void (*fn)(struct sz_idp_wait *w, enum sz_idp_outcome o, const struct sz_idp_answer *a,
		   const struct sz_error *e);
	struct sz_idp_wait *next;
	u64 since_ns, deadline_ns;
	u64 kid;
};

/* ---- the providers -------------------------------------------------------------------------- */

struct sz_idp_hooks {
	/*
	 * An issuer's keys have been fetched. `withdrawn` are those that were in the set before and
	 * are no longer as they were.
	 */
	void (*keys)(size_t issuer, const struct sz_idp_keys *keys, const struct sz_id *withdrawn,
		     size_t n_withdrawn, void *arg);
	/* Something an administrator should read in the audit log. */
	void (*note)(const char *what, void *arg);
	void *arg;
};

int sz_idp_new(struct sz_loop_ring *l, const struct sz_idp_hooks *hooks, struct sz_idp **ret,
	       struct sz_error *e);
/*
 * From now on the providers are those of `c`, which stays until the next call. What is known of
 * those that were there before is kept. Reads the files that they name: -errno with words where one
 * of them cannot be used, and nothing has changed then.
 */
int sz_idp_configure(struct sz_idp *idp, const struct sz_conf *c, struct sz_error *e);
/* The files that the providers of `c` name are there and hold what they should. */
int sz_idp_check(const struct sz_conf *c, struct sz_error *e);

/* One thing that was tried at a provider: "discovery", "keys" or "introspection". */
struct sz_idp_trial {
	const char *issuer, *what;
	bool good;
	const char *words; /* what there is, or what is wrong and what to do */
};
typedef void (*sz_idp_trial_fn)(const struct sz_idp_trial *t, void *arg);
/*
 * Asks every provider of `c` once, in a loop of its own, and tells fn of each outcome; nothing is
 * kept. 0, -EREMOTEIO where something failed, or -errno with words where nothing could be tried.
 */
int sz_idp_try(const struct sz_conf *c, sz_idp_trial_fn fn, void *arg, struct sz_error *e);

/* Starts what is due and ends what has waited too long; several times a second. */
void sz_idp_tick(struct sz_idp *idp);
/* Behind sz_net_free. Whoever waits is told SZ_IDP_ENDED. NULL is fine. */
void sz_idp_free(struct sz_idp *idp);

/* The keys as they are known now; set NULL where none are. `issuer` is an index in the
 * configuration. */
void sz_idp_keys(const struct sz_idp *idp, size_t issuer, struct sz_idp_keys *ret);

enum sz_idp_ask {
	SZ_IDP_WAITING, /* fn will be called */
	SZ_IDP_UNKNOWN, /* it has just been looked for, and is not there */
	SZ_IDP_DOWN,    /* the provider cannot be asked now, or too many wait already */
};
/*
 * A token names a key that is not in the set (`kid` is a digest of its name), or there is no set.
 * One fetch is shared by all who wait, and fetches keep a distance.
 */
enum sz_idp_ask sz_idp_want_keys(struct sz_idp *idp, size_t issuer, u64 kid,
				 struct sz_idp_wait *w);
/* The key was looked for and is not there: not again for a while. */
void sz_idp_no_such_key(struct sz_idp *idp, size_t issuer, u64 kid);

/* How often a token was used lately. */
struct sz_idp_use {
	u64 uses, over_ms; /* in so long a time; 0: not known */
	bool renewal;      /* ask, though a recent answer is there */
};

/*
 * How long an answer is good, in seconds from now: the one place that decides it. A token that is
 * active and was used as before is asked about again after SZ_IDP_USES uses, within min_ttl and
 * max_ttl; never longer than its `exp`, which is 0 where the answer does not say.
 */
#define SZ_IDP_USES 16
s64 sz_idp_answer_ttl(const struct sz_conf_introspection *in, const struct sz_idp_use *use,
		      bool active, s64 exp, s64 now);
/* Is it used so often that the next answer is asked for before this one ends? */
bool sz_idp_renews(const struct sz_conf_introspection *in, const struct sz_idp_use *use);

/*
 * What does the issuer say about this token? Equal tokens share one question. With SZ_IDP_WAITING
 * fn is called later; SZ_IDP_UNKNOWN does not occur. A recent answer is given at once: then
 * *ret_recent is true and *ret is good until the loop goes on.
 */
enum sz_idp_ask sz_idp_introspect(struct sz_idp *idp, size_t issuer, const struct sz_digest *digest,
				  const char *token, size_t n, const struct sz_idp_use *use,
				  struct sz_idp_wait *w, struct sz_idp_answer *ret,
				  bool *ret_recent);
/* The answer made no sense: counts as a failure of the provider, and is not kept. */
void sz_idp_bad_answer(struct sz_idp *idp, size_t issuer, const struct sz_digest *digest);

/* Fetches keys now: of one issuer, or of all where it is NULL. fn is called once, with the first
 * failure; -ENOENT where no issuer of that name is asked for keys. */
int sz_idp_refresh(struct sz_idp *idp, const char *issuer,
		   void (*fn)(int err, const char *words, void *arg), void *arg);

/* ---- how things stand ----------------------------------------------------------------------- */

enum sz_breaker_state { SZ_BREAKER_CLOSED, SZ_BREAKER_OPEN, SZ_BREAKER_HALF_OPEN };
const char *sz_breaker_state_name(enum sz_breaker_state s);

struct sz_idp_stats {
	const char *issuer, *source; /* where keys come from: "", "jwks_uri", "oidc", "oauth" */
	const char *uri;             /* of the keys; NULL: not known yet */
	size_t keys;
	s64 fetched_s, changed_s;    /* wall clock; 0: never */
	s64 age_s;                   /* since they were fetched; -1: never */
	s64 next_s;                  /* until the next fetch */
	bool usable;                 /* there are keys, and they are not too old */
	u64 fetches;                 /* looks at the key set that were begun, */
	u64 fetched, fetch_failures; /* and how they ended */
	u64 unknown_kids;            /* tokens that asked for a key that was not there */
	u64 overflows;               /* tokens that found too many waiting */
	size_t waiting;
	const char *error;           /* of the last fetch, "" where it was good */
	bool introspects;
	u64 questions, answers, inactive, question_failures, refused, recent;
	u64 renewals; /* questions before the last answer had ended */
	size_t in_flight;
	enum sz_breaker_state breaker;
	const char *question_error;
};
/* Of one issuer, by its index in the configuration. False: it is not asked for anything. */
bool sz_idp_look(const struct sz_idp *idp, size_t issuer, struct sz_idp_stats *ret);
/* All of it as JSON, a new reference. */
json_t *sz_idp_status(const struct sz_idp *idp);

#endif

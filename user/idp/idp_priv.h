/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared inside the room: a provider with its keys (source.c) and its answers about tokens
 * (introspect.c). Nobody outside idp includes this.
 */
#ifndef SZ_IDP_IDP_PRIV_H
#define SZ_IDP_IDP_PRIV_H

#include "fetch/fetch.h"
#include "idp/breaker.h"
#include "idp/idp.h"

#define NS 1000000000ull

/* ---- negative.c ----------------------------------------------------------------------------- */

#define SZ_NEGATIVE_SETS 1024
#define SZ_NEGATIVE_WAYS 4

struct sz_negative_entry {
	u64 id, until_ns;
};
struct sz_negative {
	struct sz_negative_entry entry[SZ_NEGATIVE_SETS][SZ_NEGATIVE_WAYS];
};
void sz_negative_add(struct sz_negative *n, u64 id, u64 until_ns);
bool sz_negative_has(struct sz_negative *n, u64 id, u64 now);

/* ---- metadata.c ----------------------------------------------------------------------------- */

#define SZ_METADATA_MAX 262144u /* bytes */

struct sz_idp_metadata {
	char *jwks_uri, *introspection; /* NULL where it names none */
};
/* Where an issuer's metadata is; free() it. NULL for what is no URL. */
char *sz_idp_metadata_url(const char *issuer, enum sz_conf_discovery how);
/* -EBADMSG with words where it is not the metadata of exactly this issuer. */
int sz_idp_metadata_read(const char *text, size_t n, const char *issuer, bool loopback_http,
			 struct sz_idp_metadata *ret, struct sz_error *e);
void sz_idp_metadata_done(struct sz_idp_metadata *m);

/* ---- store.c -------------------------------------------------------------------------------- */

/* As sz_idp_keys_load(); *ret_text (may be NULL) gets the set's own text. */
int sz_idp_store_read(const struct sz_conf *c, const struct sz_conf_issuer *is,
		      struct sz_idp_keys *ret, struct sz_buf *ret_text, struct sz_error *e);
int sz_idp_store_write(const struct sz_conf *c, const struct sz_conf_issuer *is, const char *uri,
		       const struct sz_idp_keys *keys, const struct sz_buf *text,
		       struct sz_error *e);
s64 sz_idp_usable_until(const struct sz_conf_issuer *is, s64 fetched_s);

/* ---- one provider --------------------------------------------------------------------------- */

/* Who waits, oldest first. */
struct sz_idp_queue {
	struct sz_idp_wait *first, **last;
	size_t n;
};
void sz_idp_queue_init(struct sz_idp_queue *q);
void sz_idp_queue_add(struct sz_idp_queue *q, struct sz_idp_wait *w);
/* Tells those for whom `pick` is true (all where it is NULL), and forgets them. */
void sz_idp_queue_tell(struct sz_idp_queue *q, bool (*pick)(const struct sz_idp_wait *w, u64 limit),
		       u64 limit, enum sz_idp_outcome o, const struct sz_idp_answer *a,
		       const struct sz_error *e);

/* An administrator who asked for fresh keys. */
struct sz_idp_asked {
	struct sz_idp_asked *next;
	struct sz_idp_refresh *refresh;
};

enum sz_idp_phase { SZ_IDP_IDLE, SZ_IDP_METADATA, SZ_IDP_KEYS };

struct sz_idp_source {
	struct sz_idp *idp;
	const struct sz_conf_issuer *conf;
	size_t index; /* in the configuration */
	char *issuer; /* the name outlives the configuration it came from */

	/* keys */
	char *keys_uri;      /* as it is known: configured or discovered */
	struct sz_buf text;  /* of the set in force */
	u32 algs;            /* what it was read for */
	struct sz_idp_keys keys;
	char etag[SZ_FETCH_ETAG_MAX];
	enum sz_idp_phase phase;
	struct sz_fetch_call *call;
	u64 fetch_ns;          /* when the fetch under way began, or the last one */
	u64 next_ns;           /* when one is due */
	bool rediscover;       /* ask for the metadata first */
	bool prompted;         /* a token asks for it: due as soon as the distance allows */
	u32 failures;          /* in a row */
	u64 fetched_ns;        /* CLOCK_BOOTTIME of the last success in this run; 0: none */
	struct sz_error error; /* of the last fetch */
	struct sz_idp_queue waits;
	struct sz_idp_asked *asked;
	struct sz_negative negative;
	u64 fetches, fetched, fetch_failures, unknown_kids, overflows;

	/* introspection */
	char *endpoint; /* configured or discovered; NULL: not known yet */
	char *secret;
	json_t *client_key;
	struct sz_breaker breaker;
	u64 questions, answers, inactive, question_failures, refused, recent, renewals;
	size_t n_questions, n_waiting;
	struct sz_error question_error;
};

struct sz_idp_questions; /* introspect.c: those under way, and recent answers */

struct sz_idp {
	struct sz_loop_ring *loop;
	struct sz_fetch *fetch;
	struct sz_idp_hooks hooks;
	const struct sz_conf *conf;
	struct sz_idp_source **sources;
	size_t n;
	struct sz_idp_questions *questions;
};

/* source.c */
void sz_idp_source_open(struct sz_idp_source *s); /* what is on disk; a first fetch is due */
void sz_idp_source_tick(struct sz_idp_source *s, u64 now);
void sz_idp_source_fetch_soon(struct sz_idp_source *s, u64 now);
bool sz_idp_source_asks(const struct sz_idp_source *s); /* is there anything to be fetched? */
/* The configuration changed: other algorithms, another address. */
void sz_idp_source_changed(struct sz_idp_source *s, const struct sz_conf_issuer *old);
/* Nobody is told of what is under way. */
void sz_idp_source_stop(struct sz_idp_source *s);
/* Everything ends: who asked for a refresh is not told either. */
void sz_idp_source_forget(struct sz_idp_source *s);

/* client.c: how the gateway says who it is (RFC 6749 section 2.3, RFC 7523) */
int sz_idp_client_load(const struct sz_conf_issuer *is, char **ret_secret, json_t **ret_key,
		       struct sz_error *e);
/* The form and header of a question; both hold secrets. *ret_authorization is empty where the form
 * says it all. */
int sz_idp_client_form(const struct sz_idp_source *s, const char *token, size_t n,
		       struct sz_buf *ret_form, struct sz_buf *ret_authorization,
		       struct sz_error *e);
void sz_idp_client_done(char *secret, json_t *key);
void sz_idp_wipe(struct sz_buf *b);

/* introspect.c */
struct sz_idp_questions *sz_idp_questions_new(void);
void sz_idp_questions_tick(struct sz_idp *idp, u64 now);
/* Ends those to one provider, or all where it is NULL; waits are told `o`. */
void sz_idp_questions_end(struct sz_idp *idp, const struct sz_idp_source *s,
			  enum sz_idp_outcome o);
void sz_idp_questions_free(struct sz_idp_questions *q);

#endif

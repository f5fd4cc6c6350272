/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The gateway: what the daemon does between a held frame and its verdict. Publishes the
 * configuration to the maps, verifies tokens on worker threads, writes grants and tickets, puts
 * frames back in order, and writes the audit log. Everything but the workers' verification runs in
 * the event loop's thread.
 */
#ifndef SZ_GATEWAY_GATEWAY_H
#define SZ_GATEWAY_GATEWAY_H

#include <jansson.h>

#include "audit/audit.h"
#include "config/config.h"
#include "core/core.h"
#include "forward/forward.h"
#include "idp/idp.h"
#include "net/net.h"
#include "pool/pool.h"
#include "store/store.h"
#include "telemetry/telemetry.h"
#include "trace/trace.h"

struct sz_gateway;

/*
 * Loads configuration and keys, opens or creates the maps, attaches to the interfaces, opens the
 * audit log, starts the workers and hooks everything into the loop. Also on error *ret is set: the
 * loop may hold writes of it, so it is freed only after the loop.
 */
int sz_gateway_new(const char *conf_path, struct sz_loop_ring *loop, struct sz_gateway **ret,
		   struct sz_error *e);
/* Frees what sz_gateway_stop has quiesced. Leaves enforcement pinned. NULL is fine. */
void sz_gateway_free(struct sz_gateway *g);

/* New snapshot from the same file; on error the old one goes on. Both outcomes are audited. */
int sz_gateway_reload(struct sz_gateway *g, struct sz_error *e);

/* Writes the last summary and records, then stops the loop. `detach` also removes the programs. */
void sz_gateway_stop(struct sz_gateway *g, bool detach);

/* Writes a summary now; `done` gets 0 once it is on disk, or -errno. */
void sz_gateway_flush(struct sz_gateway *g, void (*done)(int res, void *arg), void *arg);

/* The audit log is signed with a new key from here on; `done` once the log says so, or -errno. */
int sz_gateway_change_key(struct sz_gateway *g, void (*done)(int res, void *arg), void *arg,
			  struct sz_error *e);
/*
 * The rate limits: as JSON (a new reference, NULL where the maps cannot be read), set until the
 * next reload, reset; the last two go on record. See limits/limits.h and docs/limits.md. A reset
 * returns how many buckets held something back.
 */
struct sz_limit_change;
struct sz_limit_subject;
json_t *sz_gateway_limits(struct sz_gateway *g);
int sz_gateway_limit_set(struct sz_gateway *g, const char *name, const struct sz_limit_change *c,
			 struct sz_error *e);
int sz_gateway_limit_reset(struct sz_gateway *g, const char *name,
			   const struct sz_limit_subject *s, struct sz_error *e);

/* An administrator's act, for the audit log. */
void sz_gateway_record(struct sz_gateway *g, enum sz_audit_type type, const char *detail);

/* Reads the API keys anew; the rest stays. */
int sz_gateway_apikeys(struct sz_gateway *g, struct sz_error *e);

struct sz_revoke_item;
/*
 * Revokes these names, which are taken over; fn in the loop once they are in force and on disk (0),
 * or -errno with words. `who` and `what` are for the audit log.
 */
void sz_gateway_revoke(struct sz_gateway *g, struct sz_revoke_item *items, size_t n,
		       const char *who, const char *what,
		       void (*fn)(int res, const struct sz_error *e, void *arg), void *arg);
/* sz_verifier_event() by the configuration and keys as they are now. */
json_t *sz_gateway_event(struct sz_gateway *g, const char *jws, size_t n, const char **ret_code,
			 struct sz_error *e);

/* The daemon's state as JSON (a new reference): see docs/operations.md. */
json_t *sz_gateway_status(const struct sz_gateway *g);

/* The stores of relationships; NULL where the configuration has none. */
struct sz_stores *sz_gateway_stores(const struct sz_gateway *g);

/* Every issuer's keys and introspection as JSON, a new reference: an array. */
json_t *sz_gateway_providers(const struct sz_gateway *g);
/* Fetches keys now, of one issuer or of all (NULL); fn once. -ENOENT where none is fetched. */
int sz_gateway_refresh_keys(struct sz_gateway *g, const char *issuer,
			    void (*fn)(int err, const char *words, void *arg), void *arg);

const char *sz_gateway_control_path(const struct sz_gateway *g);

/* ---- for the metrics endpoint: observe.c ---------------------------------------------------- */

/* The configuration in force; another one after a reload. */
const struct sz_conf *sz_gateway_conf(const struct sz_gateway *g);

/* Begins to sample what only a walk over a map can tell, a little with each tick. Call it once. */
int sz_gateway_observe(struct sz_gateway *g);

struct sz_view_map {
	const char *name;
	u64 entries, capacity;
	bool sampled; /* entries is known */
};

/* Denials by reason that the daemon has read from the ring since it started. */
struct sz_view_service {
	const char *name;
	const u64 *denials, *monitored; /* SZ_REASON_MAX each; monitored: passed all the same */
};

struct sz_view_route {
	const char *service, *route;
	u64 admitted; /* since the maps were made */
};

struct sz_view_issuer {
	const char *issuer;
	size_t keys;
	s64 changed_s; /* wall clock: last change of the key set; 0: not known */
	bool asked;    /* it is asked over the network: */
	struct sz_idp_stats provider;
};

enum sz_view_grant {
	SZ_VIEW_ACTIVE,
	SZ_VIEW_EXPIRED,
	SZ_VIEW_VOID, /* of an older policy or key set */
	SZ_VIEW_REVOKED,
	SZ_VIEW_GRANTS,
};

/* What ends by the timing wheel. */
enum sz_view_ended {
	SZ_VIEW_END_GRANTS,
	SZ_VIEW_END_BANS,
	SZ_VIEW_END_REQUESTS,
	SZ_VIEW_END_DENIED,
	SZ_VIEW_END_REVOKED,
	SZ_VIEW_END_PROOFS,
	SZ_VIEW_ENDS,
};
const char *sz_view_end_name(enum sz_view_ended k); /* "grants", "bans", ... */

struct sz_view_expiry {
	u64 timers;   /* in the wheel */
	bool reading; /* the grants are being walked over */
	bool removing;
	u64 ended[SZ_VIEW_ENDS]; /* since the daemon started */
};

#define SZ_VIEW_STORES 64

/* A store of relationships. */
struct sz_view_store {
	struct sz_store_info info;
	struct sz_store_stats stats;
};

#define SZ_VIEW_MAPS   26
#define SZ_VIEW_LIMITS 256 /* rate limits with a name of their own; further ones share "other" */

struct sz_view_limit {
	const char *name; /* "shop/source@partner" */
	struct sz_limit_count count;
};

/* How things stand. Pointers are good until the loop goes on. Times in ns. */
struct sz_gateway_view {
	u64 counters[SZ_REASON_MAX], lost[SZ_REASON_MAX];
	u64 misses, verified, refused, tickets, injected, inject_failed, expired, dropped;
	u64 reloads, reload_failures;
	u64 pending, held_bytes, jobs;
	u64 proofs, proofs_limit; /* of DPoP, remembered */
	u64 known_tokens;         /* bound to a key, whose signature was not verified anew */
	u64 open, open_limit;     /* questions; limit 0: there is none */
	u64 answer_ns;            /* what answers to them take */
	u64 shed[SZ_PRIORITY_COUNT];
	u64 audit_seq, audit_synced, audit_lag_ns;
	u64 audit_segments, audit_bytes, audit_removed; /* files; records that retention removed */
	bool audit_removing;                            /* retention is not failing */
	struct sz_forward_stats forward[SZ_FORWARD_TARGETS];
	bool tracing;
	struct sz_trace_stats trace;
	u64 heartbeat_age_ns, heartbeat_ttl_ns;
	u32 policy_gen, key_gen;
	const struct sz_hist *latency, *verifying, *policy, *reinject;
	struct sz_view_map maps[SZ_VIEW_MAPS];
	size_t n_maps;
	u64 grants[SZ_VIEW_GRANTS];
	bool sampled;      /* grants and routes are known */
	u64 sample_age_ns; /* since the last walk over all maps ended */
	const struct sz_view_route *routes;
	size_t n_routes;
	const struct sz_view_service *services;
	size_t n_services;
	struct sz_view_issuer issuers[SZ_ISSUERS_MAX];
	size_t n_issuers;
	struct sz_view_store stores[SZ_VIEW_STORES]; /* the oldest, where there are more */
	size_t n_stores;
	u64 stores_bytes;
	const struct sz_view_limit *limits; /* by name, "other" last */
	size_t n_limits;
	const struct sz_hist *pauses; /* of the loop */
	u64 coalesced;                /* questions that joined a verification under way */
	struct sz_pool_stats pool;
	struct sz_view_expiry expiry;
};
/* 0, or -errno where the kernel's counters cannot be read. sz_gateway_observe() comes first. */
int sz_gateway_look(struct sz_gateway *g, struct sz_gateway_view *ret);

#endif

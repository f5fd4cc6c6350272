/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared inside the gateway: its one object and the rooms' inner functions. Only the loop's thread
 * touches any of this, except struct sz_job while a worker has it.
 */
#ifndef SZ_GATEWAY_PRIV_H
#define SZ_GATEWAY_PRIV_H

#include "dpop/dpop.h"
#include "forward/forward.h"
#include "gateway/gateway.h"
#include "http/http.h"
#include "kern/kern.h"
#include "limits/limits.h"
#include "pool/pool.h"
#include "telemetry/telemetry.h"
#include "trace/trace.h"
#include "verify/verify.h"
#include "wheel/wheel.h"

/* ---- verification: job.c --------------------------------------------------------------------- */

struct sz_pending;

/*
 * What an identity provider is asked for a token that a worker could not decide alone: issuers.c.
 * Embedded in what decides; `wait` belongs to the providers while they are asked.
 */
struct sz_question {
	struct sz_idp_wait wait;
	struct sz_gateway *gateway;
	struct sz_decision *decision;
	const struct sz_digest *digest; /* of the token */
	const char *token;
	size_t len;
	/* In the loop: decide anew under the snapshot in force; the decision stands; only free. */
	void (*again)(struct sz_question *q);
	void (*final)(struct sz_question *q);
	void (*drop)(struct sz_question *q);
	bool looked; /* its key was looked for */
	u64 asked_ns, answered_ns; /* an issuer, for traces; 0: it was not */
	struct sz_idp_use use; /* of the token, where its answer is renewed */
	struct {
		char *text; /* of introspection; NULL: none */
		size_t len, issuer;
		s64 until_s;
	} answer;
};
/* In a worker, under the snapshot `v`: by the answer if there is one, else by the token alone. */
void sz_question_decide(const struct sz_question *q, const struct sz_verifier *v,
			const struct sz_conf_service *svc, const struct sz_policy_moment *at,
			bool dpop);
/* It is as if nobody had been asked for it yet. */
void sz_question_forget(struct sz_question *q);

/* One token being verified for one service, and everybody who waits for it. */
struct sz_job {
	struct sz_work work;
	struct sz_job *hash_next; /* among the jobs in flight */
	struct sz_grant_key key;
	struct sz_gateway *gateway;
	struct sz_verifier *verifier; /* reference */
	const struct sz_conf_service *svc;
	struct sz_policy_moment at; /* when, and from where it was asked */
	struct sz_decision decision;
	struct sz_pending *waiters; /* linked by job_next */
	struct sz_pending *last_waiter;
	u64 started_ns;
	u64 began_ns, ended_ns;  /* of the worker that had it last; 0: none */
	u64 verify_ns;           /* what the worker needed for it */
	bool working;            /* see sz_load_begin() */
	bool waited;             /* for its issuer: its latency is not the daemon's */
	bool renewal;            /* nobody has asked for it: see renew.c */
	bool monitor;            /* somebody only watches: decide even without waiters */
	struct sz_flow_key flow; /* of the first who asked, for the audit record */
	struct sz_question question;
	size_t len;
	char token[];
};

/* To the pool; it comes back by sz_guard_on_job(). Its class is set by the caller. */
void sz_job_submit(struct sz_job *j);
void sz_job_free(struct sz_job *j);
/* Gives it the snapshot in force; false: it has it, or its service is gone. */
bool sz_job_renew(struct sz_job *j);

/* ---- the audit log on disk: journal.c ----------------------------------------------------------
 */

struct sz_journal;
int sz_journal_open(struct sz_loop_ring *loop, const struct sz_conf *c, struct sz_journal **ret,
		    struct sz_error *e);
u64 sz_journal_add(struct sz_journal *j, const struct sz_audit_record *r);
/* fn once every record added so far is on disk and signed (0) or could not be written (-errno);
 * it will still be tried then. */
void sz_journal_when_synced(struct sz_journal *j, void (*fn)(int res, void *arg), void *arg);
u64 sz_journal_seq(const struct sz_journal *j);    /* of the last record added */
u64 sz_journal_synced(const struct sz_journal *j); /* of the last record on disk */
u64 sz_journal_signed(const struct sz_journal *j); /* of the last one a checkpoint covers */
u64 sz_journal_first(const struct sz_journal *j);  /* of the first record of this run */
/* Tries again what could not be written, and signs what is due; several times a second. */
void sz_journal_tick(struct sz_journal *j, const struct sz_conf *c);
int sz_journal_error(const struct sz_journal *j); /* 0, or why nothing can be written now */
/* So much waits for the disk that events should wait in the kernel, which counts what it loses. */
bool sz_journal_full(const struct sz_journal *j);
/* Signs with a new key from here on; fn as above. -EBUSY where that is under way already. */
int sz_journal_change_key(struct sz_journal *j, void (*fn)(int res, void *arg), void *arg,
			  struct sz_error *e);
void sz_journal_free(struct sz_journal *j);
const struct sz_forward *sz_journal_forward(const struct sz_journal *j);
u32 sz_journal_segment(const struct sz_journal *j); /* that is being written */

/* ---- retention of the log: retain.c --------------------------------------------------------- */

struct sz_retained {
	u64 segments, bytes; /* with checkpoints; as seen some seconds ago */
	u64 removed;         /* records from the first on that are not there any more */
	u64 oldest_ns;       /* wall clock of the oldest that is; 0: not known */
	bool failing;
};
struct sz_retainer;
void sz_retain_open(struct sz_gateway *g); /* before the journal is */
void sz_retain_tick(struct sz_gateway *g);
void sz_retain_clock(struct sz_gateway *g, s64 step_ns); /* the wall clock was set */
const struct sz_retained *sz_retain_seen(const struct sz_gateway *g);
void sz_retain_free(struct sz_gateway *g); /* behind the journal */

/* ---- connections that wait: guard.c, stream.c -------------------- */

enum sz_pending_state {
	SZ_PENDING_TOKEN,   /* a clean head waits for its token's grant */
	SZ_PENDING_HEAD,    /* a head is being put together */
	SZ_PENDING_REQUEST, /* a whole head waits for its token's decision */
	SZ_PENDING_CHUNKS,  /* inside a chunked body */
	SZ_PENDING_ORDER,   /* no question is open: frames are only put in order */
};

struct sz_held {
	struct sz_held *next;
	struct sz_miss miss;
	u8 frame[];
};

struct sz_pending {
	struct sz_pending *hash_next;
	struct sz_pending *job_next;
	struct sz_flow_key key;
	enum sz_pending_state state;
	const struct sz_conf_service *svc;
	u64 started_ns;
	u32 seq; /* first byte of the request, or the next one of a chunked body */
	struct sz_held *first, *last; /* what the question is about, in order */
	struct sz_held *later;        /* frames behind it, by sequence number */
	unsigned n_held;
	bool orphaned;      /* its service is no longer configured */
	struct sz_buf head; /* bytes put together so far */
	size_t released; /* of them, passed on before the head was whole */
	u64 chain;       /* of what has passed before the first frame: sz_chain() */
	struct sz_http_head *http;
	struct sz_digest token; /* with http and a token in it */
	struct sz_http_chunks chunks;
	struct sz_trace_request *trace; /* NULL: it is not traced */
};

#define SZ_PENDING_BUCKETS 4096
#define SZ_JOB_BUCKETS     1024

struct sz_offenders;   /* bans.c */
struct sz_ban_feed;    /* banlist.c */
struct sz_baseline;    /* summary.c */
struct sz_revocations; /* revoke.c */
struct sz_expiry;      /* expiry.c */
struct sz_renewals;    /* renew.c */

/* issuers.c: what only an identity provider can say. */
int sz_issuers_open(struct sz_gateway *g, struct sz_error *e);
int sz_issuers_reload(struct sz_gateway *g, struct sz_error *e); /* the new snapshot is in use */
/* Does the decision lack something? True: it is asked for, or decided anew already; else the
 * decision is final as it stands now. */
bool sz_issuers_want(struct sz_question *q);

/* By issuer: what an administrator looks at first. */
json_t *sz_issuers_status(const struct sz_gateway *g);

/* gateway.c: the snapshot in force from now on; its reference is taken over. */
void sz_gateway_use(struct sz_gateway *g, struct sz_verifier *v);


struct sz_gateway_stats {
	u64 misses, verified, refused, tickets, injected, inject_failed, expired_pending, dropped;
	u64 reloads, reload_failures, coalesced;
	u64 known_tokens; /* bound to a key, whose signature was not verified anew */
};

struct sz_gateway {
	struct sz_loop_ring *loop;
	struct sz_kern *kern;
	struct sz_config *cfg;        /* mapped */
	struct sz_verifier *verifier; /* the current snapshot */
	const struct sz_conf *conf;   /* of the current snapshot */
	char *conf_path;
	struct sz_pool *pool;
	struct sz_stores *stores; /* NULL without relationships */
	struct sz_rebac_work *relation_work;
	u64 relation_seen[SZ_REL_SLOTS]; /* what rel_gen stands for: newest of a slot's routes, */
	char relation_store[SZ_STORE_ID_LEN + 1]; /* in this store, */
	u64 relation_reloads; /* and with this configuration: stats.reloads */
	struct sz_net_watch *watch; /* of policy files; NULL: there are none */
	int watch_fd;               /* 0: likewise */
	u64 reload_at_ns;           /* one has changed; 0: none */
	struct sz_idp *idp;
	struct sz_journal *journal;
	struct sz_retainer *retainer;
	struct sz_trace *trace; /* NULL: no traces */
	struct sz_pending *pending[SZ_PENDING_BUCKETS];
	struct sz_job *jobs[SZ_JOB_BUCKETS];
	struct sz_buf order; /* keys of the connections in SZ_PENDING_ORDER */
	size_t n_pending, held_bytes, n_jobs;
	struct {
		struct sz_adaptive adaptive;
		u64 taken;    /* questions read from the ring, as load.asked counts them */
		u64 working;  /* with the pool */
		s64 apart;    /* smallest difference to `asked` with the ring empty, since a beat */
		bool looked;  /* there is one */
		bool adopted; /* the ring was empty since the start */
	} load; /* load.c */
	struct sz_hist latency; /* from a frame's arrival to its return */
	struct sz_gateway_stats stats;
	struct sz_hist verifying, policy, reinject;
	struct sz_baseline *baseline;
	struct sz_revocations *revocations;
	struct sz_dpop *dpop;
	struct sz_known *known; /* tokens bound to a key whose signature was verified */
	char nonce[SZ_DPOP_NONCE_LEN + 1]; /* that the kernel's answers hold */
	char dpop_algs[128];               /* as challenges name them */
	struct sz_wheel wheel; /* everything that ends */
	struct sz_expiry *expiry;
	struct sz_renewals *renewals; /* NULL: no token has been asked about yet */
	struct sz_observer *observer; /* NULL: nobody asked for metrics */
	u64 started_ns;
	s64 wall_offset_ns; /* CLOCK_REALTIME - CLOCK_BOOTTIME */
	u64 next_summary_ns, next_expire_ns, next_purge_ns;
	struct sz_offenders *offenders; /* NULL: nobody has failed yet */
	struct sz_ban_feed *ban_feed;   /* NULL: nothing was published yet */
	struct sz_net_wake *more_events; /* there are more in the ring */
	u64 cookies_seen; /* given out by the kernel, when last looked at */
	bool stopping, detach;
};

/* publish.c: the snapshot into the maps; bumps generations where it differs from what is there. */
int sz_publish(struct sz_gateway *g, struct sz_verifier *v, struct sz_error *e);
/* Attaches to every interface of the snapshot; detaches from those it no longer names. */
int sz_publish_interfaces(struct sz_gateway *g, struct sz_error *e);

/* One answer anew. */
int sz_publish_answer(struct sz_gateway *g, const struct sz_conf *c, u32 reason,
		      struct sz_error *e);

/* bound.c: tokens that are bound to a key */
void sz_bound_open(struct sz_gateway *g);
void sz_bound_configure(struct sz_gateway *g); /* after another configuration is in use */
/* A whole head with a token of the DPoP scheme; ends in sz_stream_decided(). */
void sz_bound_verify(struct sz_gateway *g, struct sz_pending *p);
/* What answers say of DPoP under a configuration. */
void sz_bound_challenge(struct sz_gateway *g, const struct sz_conf *c, struct sz_http_dpop *ret);
void sz_bound_tick(struct sz_gateway *g); /* the nonce that is handed out */

/* pending.c: connections that wait */
struct sz_pending *sz_pending_find(struct sz_gateway *g, const struct sz_flow_key *key);
struct sz_pending *sz_pending_new(struct sz_gateway *g, const struct sz_miss *m,
				  const struct sz_conf_service *svc, enum sz_pending_state state);
bool sz_pending_hold(struct sz_gateway *g, struct sz_pending *p, const struct sz_miss *m,
		     const u8 *frame);
/* Keeps a frame that lies behind the open question. */
void sz_pending_later(struct sz_gateway *g, struct sz_pending *p, const struct sz_miss *m,
		      const u8 *frame);
/* Moves the frame that begins at `seq` from there to the question's own; false: there is none. */
bool sz_pending_take(struct sz_pending *p, u32 seq);
/* Puts the question's frames back. */
void sz_pending_inject(struct sz_gateway *g, struct sz_pending *p);
/* Puts back what lies behind the question, in order, and forgets the connection. */
void sz_pending_done(struct sz_gateway *g, struct sz_pending *p);
/* Forgets the connection and every frame of it. */
void sz_pending_free(struct sz_gateway *g, struct sz_pending *p);
/* Forgets requests that stayed incomplete for too long. */
void sz_pending_expire(struct sz_gateway *g, u64 now);
/* Before a snapshot goes: frees who does not wait for a worker, and moves the rest to `conf`. */
void sz_pending_rebase(struct sz_gateway *g, const struct sz_conf *conf);
void sz_pending_free_all(struct sz_gateway *g);
void sz_guard_inject(struct sz_gateway *g, struct sz_held *h);
struct sz_held *sz_held_copy(const struct sz_miss *m, const u8 *frame);
/* The connection as XDP sees it now; false: it knows none. */
bool sz_kernel_flow(struct sz_gateway *g, const struct sz_flow_key *key, struct sz_flow *ret);
/* For tables of this process; n is a multiple of 8. */
u32 sz_gateway_hash(const struct sz_gateway *g, const void *p, size_t n);

/* guard.c: records of the ring, and tokens that are verified */
void sz_guard_on_misses(void *gateway); /* everything in the ring */
/* A gap in front of held frames may have been filled on the wire, of which nobody tells. */
void sz_guard_tick(void *gateway);
void sz_guard_on_job(struct sz_job *j, void *arg);
/* Opens a question; the connection has none, or only frames that are being put in order. */
void sz_guard_ask(struct sz_gateway *g, const struct sz_miss *m, const u8 *frame,
		  const struct sz_conf_service *svc);
/* Walks' callbacks that remove what ended connections have left in the maps. */
int sz_guard_old_ticket(const void *key, const void *value, void *gateway);
int sz_guard_old_carry(const void *key, const void *value, void *gateway);
int sz_guard_old_spill(const void *key, const void *value, void *gateway);
/* Verifies `n` bytes of token for the pending connection; it is a waiter of the job from then on.
 */
void sz_guard_verify(struct sz_gateway *g, struct sz_pending *p, const struct sz_miss *m,
		     const char *token, size_t n, const struct sz_digest *digest);

/* traced.c: what traces are told of a connection that waits; nothing where it is not traced */
/* Its request's head, or the beginning of it. */
void sz_traced_begin(struct sz_gateway *g, struct sz_pending *p, const char *head, size_t n);
void sz_traced_job(struct sz_pending *p, const struct sz_job *j);
void sz_traced_question(struct sz_pending *p, const struct sz_question *q);
void sz_traced_token(struct sz_pending *p, const struct sz_decision *d, u64 began, u64 ended);
/* route: its path; NULL: not known */
void sz_traced_verdict(struct sz_pending *p, u32 reason, bool allowed, const char *route);
void sz_traced_inject(struct sz_pending *p, u64 began);
void sz_traced_end(struct sz_gateway *g, struct sz_pending *p);

/* load.c: how many questions may be open */
void sz_load_open(struct sz_gateway *g);      /* before the first heartbeat */
void sz_load_configure(struct sz_gateway *g); /* after another configuration is in use */
void sz_load_taken(struct sz_gateway *g, const struct sz_miss *m); /* a record of the ring */
/* What is asked by now; once the ring was found empty behind that, it goes to sz_load_drained(). */
u64 sz_load_look(const struct sz_gateway *g);
void sz_load_drained(struct sz_gateway *g, u64 asked);
void sz_load_beat(struct sz_gateway *g);
/* The pool has work for a question from here to there; *working is false to begin with. */
void sz_load_begin(struct sz_gateway *g, bool *working);
void sz_load_end(struct sz_gateway *g, bool *working);
void sz_load_answered(struct sz_gateway *g, u64 asked_ns); /* one that waited for nobody else */
/* Is there no room for the question of a head that came in pieces? The kernel has let its beginning
 * through when there was. Counts it. */
bool sz_load_full(struct sz_gateway *g, const struct sz_pending *p);

/* Decides about a token that nobody waits for; its issuer is asked anew. False: it is being decided
 * already, or its service is gone. */
bool sz_guard_renew(struct sz_gateway *g, const struct sz_grant_key *key, const char *token,
		    size_t n, const struct sz_addr *source, const struct sz_idp_use *use);

/* renew.c: answers of issuers about tokens that are used often are renewed before they end */
void sz_renewals_decided(struct sz_gateway *g, const struct sz_job *j, bool down);
void sz_renewals_clear(struct sz_gateway *g); /* another configuration */
void sz_renewals_free(struct sz_renewals *r); /* behind the pool; NULL is fine */

/* stream.c */
void sz_stream_begin(struct sz_gateway *g, const struct sz_miss *m, const u8 *frame,
		     const struct sz_conf_service *svc);
void sz_stream_more(struct sz_gateway *g, struct sz_pending *p, const struct sz_miss *m,
		    const u8 *frame);
/* Framing behind a chunk's data; p is NULL or inside this connection's chunked body. */
void sz_stream_chunk(struct sz_gateway *g, struct sz_pending *p, const struct sz_miss *m,
		     const u8 *frame, const struct sz_conf_service *svc);
/* A token's digest as the kernel makes it; at most SZ_TOKEN_MAX bytes. */
void sz_stream_token_digest(const struct sz_gateway *g, const char *token, size_t n,
			    struct sz_digest *ret);
/* The head's token has been decided: d is NULL where there was none to decide. */
void sz_stream_decided(struct sz_gateway *g, struct sz_pending *p, const struct sz_decision *d);
/*
 * Refuses the bytes at the flow's boundary once: writes the ticket and puts the frame back. `chain`
 * is the flow's there; `breaks`: they belong to a request that was admitted. explanation 0: none.
 */
void sz_stream_refuse(struct sz_gateway *g, struct sz_held *h, u32 reason, u64 explanation,
		      u64 chain, bool breaks);

/* relations.c: a sz_policy_relation_fn; the kernel's memory follows the store */
int sz_relations_ask(void *gateway, const struct sz_policy_question *q, bool *ret,
		     struct sz_error *e);
void sz_relations_open(struct sz_gateway *g);
/* The stores as the metrics and the status tell of them. */
void sz_relations_look(const struct sz_gateway *g, struct sz_gateway_view *v);
json_t *sz_relations_status(const struct sz_gateway *g); /* NULL: there are no stores */
void sz_relations_free(struct sz_gateway *g);

/* watch.c: reloads when a policy file or a table of the configuration in force changes */
void sz_watch_files(struct sz_gateway *g);
void sz_watch_tick(struct sz_gateway *g, u64 now);
void sz_watch_end(struct sz_gateway *g);

/* ruling.c: the policy on the request in p->http; d NULL: it has no token. */
void sz_ruling_make(struct sz_gateway *g, const struct sz_pending *p, const struct sz_decision *d,
		    struct sz_policy_ruling *ret);
/* An instant of the wall clock on the maps' clock; never later than it is, ~0 for FOREVER. */
u64 sz_boot_of_wall(s64 wall_ns);

/*
 * explained.c: why a grant refuses routes, to be found again by its profile; and by which policy's
 * clause the kernel has decided what an event tells. Id 0: none is known. ret_clause: its text, "".
 */
#define SZ_EXPLAINED_MAX 96
void sz_explained_keep(struct sz_gateway *g, u64 profile, const struct sz_profile *refused);
u64 sz_explained_event(struct sz_gateway *g, const struct sz_event *ev,
		       const struct sz_conf_service *svc, char ret_clause[SZ_EXPLAINED_MAX]);

/* grants.c: the decision on a token into the maps, and its audit record. */
void sz_grant_name(struct sz_gateway *g, const struct sz_decision *d); /* of its principal */
int sz_grant_write(struct sz_gateway *g, const struct sz_job *j);
u64 sz_grant_expiry(const struct sz_gateway *g, const struct sz_decision *d); /* of the token */
void sz_grant_audit(struct sz_gateway *g, const struct sz_job *j, u64 now);

/* expiry.c: what time ends. g->wheel is there from the beginning; its fn's argument is g. */
#define SZ_EXPIRY_STEPS 256u /* timers that fire or go down a level in one callback, at most */
void sz_expiry_open(struct sz_gateway *g);
int sz_expiry_start(struct sz_gateway *g); /* in the loop, from its next turn on */
/* One callback's work at CLOCK_BOOTTIME `now`; true: there is more to do at once. */
bool sz_expiry_run(struct sz_gateway *g, u64 now);
/* A grant was written: it goes from the map when it ends, and not before. */
void sz_expiry_grant(struct sz_gateway *g, const struct sz_grant_key *key, u64 expires_ns);
/* Likewise the answer to a request, and a denied token. */
void sz_expiry_request(struct sz_gateway *g, const struct sz_request_key *key, u64 expires_ns);
void sz_expiry_denied(struct sz_gateway *g, const struct sz_grant_key *key, u64 expires_ns);
/*
 * True: the key is being removed from the map just now, and w->done is called again once it is. So
 * a new grant is never removed in place of the old one. w must not be with the pool.
 */
bool sz_expiry_wait(struct sz_gateway *g, const struct sz_grant_key *key, struct sz_work *w);
void sz_expiry_look(const struct sz_gateway *g, struct sz_view_expiry *ret);
void sz_expiry_free(struct sz_expiry *x);

/* revoke.c */
int sz_revocations_open(struct sz_gateway *g, struct sz_error *e);
/* any thread */
bool sz_revocations_check(u32 kind, const struct sz_id *id, u64 issued_s, void *gateway);
void sz_revocations_tick(struct sz_gateway *g); /* keeps on disk what somebody has changed */
/*
 * w->done is called once all that is revoked now is on disk, or could not be written; w must not be
 * with the pool. `failed` below tells which of the two, until the loop goes on.
 */
void sz_revocations_wait(struct sz_gateway *g, struct sz_work *w);
/* Of the last try: 0, or -errno with words. */
int sz_revocations_failed(const struct sz_gateway *g, struct sz_error *e);
u64 sz_revocations_ended(const struct sz_gateway *g); /* that the wheel has removed */
void sz_revocations_free(struct sz_revocations *r);

/* evidence.c: looks after the log; false: it cannot be written, so nothing new is admitted. */
bool sz_evidence_beat(struct sz_gateway *g);
/* More of the log's state; a new reference. */
json_t *sz_evidence_status(const struct sz_gateway *g);
json_t *sz_evidence_traces(const struct sz_gateway *g);
void sz_evidence_look(const struct sz_gateway *g, struct sz_gateway_view *v);

/*
 * banlist.c: what the configuration bans. 0: it is in the map, or, where it is much and there is a
 * pool, will be soon: then what fails is said in the log.
 */
int sz_bans_publish(struct sz_gateway *g, const struct sz_conf *c, struct sz_error *e);
bool sz_ban_feed_running(const struct sz_ban_feed *f); /* it is still being written; NULL is fine */
void sz_ban_feed_free(struct sz_ban_feed *f);          /* without a pool any more; NULL is fine */

/* bans.c: what repeated failures ban */
void sz_bans_on_event(struct sz_gateway *g, const struct sz_event *ev);
void sz_bans_free(struct sz_offenders *o); /* NULL is fine */

/* syn.c: SYN cookies */
int sz_syn_publish(struct sz_gateway *g, const struct sz_conf *c, struct sz_error *e);
u32 sz_syn_flags(const struct sz_conf *c, const struct sz_conf_service *svc); /* of sz_service */
/* Tells the kernel's programs when the kernel itself gives out cookies; several times a second. */
void sz_syn_beat(struct sz_gateway *g);

/* summary.c */
int sz_baseline_open(struct sz_gateway *g, struct sz_error *e);
/*
 * Writes a summary; where one is under way, another one behind it. fn (NULL: nobody waits) once one
 * that began after this call is in the log, or could not be made.
 */
void sz_summary_write(struct sz_gateway *g, void (*fn)(void *arg), void *arg);
void sz_summary_on_event(const void *record, size_t len, void *arg);
void sz_baseline_free(struct sz_baseline *b);

/* observe.c: what is counted for the metrics endpoint */
void sz_observe_job(struct sz_gateway *g, const struct sz_job *j);
void sz_observe_event(struct sz_gateway *g, const struct sz_event *ev);
void sz_observer_free(struct sz_observer *o); /* NULL is fine */

#endif

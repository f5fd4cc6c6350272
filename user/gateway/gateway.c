/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The gateway's life: start, heartbeat, reload, status, stop.
 */
#include "gateway/gateway_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NS            1000000000ull
#define RING_BATCH    32
#define EVENTS_NS     200000ull /* events are taken for so long at once */
#define CLOCK_STEP_NS 1000000000ll

void sz_gateway_record(struct sz_gateway *g, enum sz_audit_type type, const char *detail)
{
	struct sz_audit_record r = {.type = type, .wall_ns = sz_wall_ns(), .detail = detail};

	sz_journal_add(g->journal, &r);
}

/* ---- what the loop calls -------------------- */

/* False: there are none, or the log takes no more. */
static bool take_events(struct sz_gateway *g)
{
	return !sz_journal_full(g->journal) &&
	       sz_ring_consume(g->kern, SZ_MAP_EVENTS, RING_BATCH, sz_summary_on_event, g) > 0;
}

/* Where there is more, through the ring: whatever else is ready has its turn before. */
static void on_events(void *arg)
{
	struct sz_gateway *g = arg;
	u64 until = sz_boot_ns() + EVENTS_NS;
	bool more;

	do {
		more = take_events(g);
	} while (more && sz_boot_ns() < until);
	if (more)
		sz_net_wake(g->more_events);
}

static void beat(struct sz_gateway *g)
{
	u64 now = sz_evidence_beat(g) ? sz_boot_ns() : 0;

	if (!g->stopping)
		__atomic_store_n(&g->cfg->heartbeat_ns, now, __ATOMIC_RELEASE);
}

/* Grants hold the clock's difference as it was when they were made: a step voids them all. */
static void watch_clock(struct sz_gateway *g)
{
	s64 offset = (s64)(sz_wall_ns() - sz_boot_ns());
	s64 step = offset - g->wall_offset_ns;

	g->wall_offset_ns = offset;
	if (step > -CLOCK_STEP_NS && step < CLOCK_STEP_NS)
		return;
	__atomic_add_fetch(&g->cfg->key_gen, 1, __ATOMIC_SEQ_CST);
	sz_retain_clock(g, step);
	sz_log(SZ_LOG_WARNING, "the clock was set by %lld ms; every token is verified again",
	       (long long)(step / 1000000));
	sz_gateway_record(g, SZ_AUDIT_ADMIN, "the wall clock was set; all grants voided");
}

static void on_beat(void *arg)
{
	struct sz_gateway *g = arg;
	u64 now = sz_boot_ns();

	beat(g);
	watch_clock(g);
	sz_retain_tick(g);
	sz_syn_beat(g);
	sz_load_beat(g);
	sz_revocations_tick(g);
	sz_bound_tick(g);
	sz_idp_tick(g->idp);
	sz_pending_expire(g, now);
	sz_watch_tick(g, now);
	/* A wake-up that was coalesced away must not leave records lying. */
	sz_guard_on_misses(g);
	on_events(g);
	if (now >= g->next_summary_ns && !g->stopping) {
		sz_summary_write(g, NULL, NULL);
		g->next_summary_ns = now + g->conf->audit.summary_s * NS;
	}
}

/* ---- start -------------------- */

static int make_state_dir(const char *dir, struct sz_error *e)
{
	if (mkdir(dir, 0700) && errno != EEXIST)
		return sz_error_set(e, -errno,
				    "cannot make the state folder %s: %s; create it or set "
				    "state_dir",
				    dir, strerror(errno));
	return 0;
}

static int load_snapshot(const char *path, struct sz_verifier **ret, struct sz_error *e)
{
	struct sz_conf *c = sz_conf_load(path, e);

	return c ? sz_verifier_new(c, ret, e) : -EINVAL;
}

void sz_gateway_use(struct sz_gateway *g, struct sz_verifier *v)
{
	sz_verifier_unref(g->verifier);
	g->verifier = v;
	g->conf = sz_verifier_conf(v);
}

static int open_kernel(struct sz_gateway *g, struct sz_error *e)
{
	struct sz_kern_options o = {
		.pin_dir = g->conf->pin_dir,
		.max_grants = g->conf->max_grants,
		.max_flows = g->conf->max_flows,
		.interfaces = (const char *const *)g->conf->interfaces,
		.n_interfaces = g->conf->n_interfaces,
	};
	int r = sz_kern_load(&o, &g->kern, e);

	if (!r)
		r = sz_kern_claim(g->kern, e);
	if (!r)
		g->cfg = sz_kern_config(g->kern);
	return r;
}

/* Before the kernel is touched: what is large takes its time to read. */
static int open_stores(struct sz_gateway *g, struct sz_error *e)
{
	struct sz_stores_options o = {
		.dir = g->conf->rebac.dir, .changes_kept = g->conf->rebac.changes,
	};

	return g->conf->rebac.on ? sz_stores_open(&o, &g->stores, e) : 0;
}

static int start(struct sz_gateway *g, struct sz_error *e)
{
	char detail[256];
	int r = load_snapshot(g->conf_path, &g->verifier, e);

	if (r)
		return r;
	g->conf = sz_verifier_conf(g->verifier);
	r = make_state_dir(g->conf->state_dir, e);
	if (!r)
		r = open_stores(g, e);
	if (!r)
		r = open_kernel(g, e);
	if (!r)
		sz_relations_open(g);
	if (!r)
		sz_bound_open(g);
	if (!r)
		sz_expiry_open(g);
	if (!r)
		sz_retain_open(g);
	if (!r)
		r = sz_journal_open(g->loop, g->conf, &g->journal, e);
	if (!r)
		r = sz_trace_new(g->loop, g->conf, &g->trace, e);
	if (!r)
		r = sz_revocations_open(g, e);
	if (!r)
		r = sz_publish(g, g->verifier, e);
	if (!r)
		r = sz_issuers_open(g, e);
	if (!r)
		r = sz_baseline_open(g, e);
	if (!r)
		r = sz_pool_new(g->loop, &(struct sz_pool_options){.workers = g->conf->workers},
				&g->pool, e);
	if (r)
		return r;
	snprintf(detail, sizeof(detail),
		 "subzerod " SZ_VERSION " with %s: %zu services, policy "
		 "generation %u, key generation %u",
		 g->conf_path, g->conf->n_services, g->cfg->policy_gen, g->cfg->key_gen);
	sz_gateway_record(g, SZ_AUDIT_START, detail);
	sz_load_open(g);
	beat(g);
	sz_watch_files(g);
	g->more_events = sz_net_wake_new(g->loop, on_events, g);
	r = g->more_events ? sz_publish_interfaces(g, e) : -EMFILE;
	if (!r)
		r = sz_net_poll(g->loop, sz_ring_fd(g->kern, SZ_MAP_MISSES), sz_guard_on_misses, g);
	if (!r)
		r = sz_net_poll(g->loop, sz_ring_fd(g->kern, SZ_MAP_EVENTS), on_events, g);
	if (!r)
		r = sz_net_every(g->loop, SZ_HEARTBEAT_NS, on_beat, g);
	if (!r)
		r = sz_net_every(g->loop, SZ_ORDER_TICK_NS, sz_guard_tick, g);
	if (!r)
		r = sz_expiry_start(g);
	if (r && !e->msg[0])
		sz_error_set(e, r, "cannot set up the event loop: %s", strerror(-r));
	return r;
}

int sz_gateway_new(const char *conf_path, struct sz_loop_ring *loop, struct sz_gateway **ret,
		   struct sz_error *e)
{
	struct sz_gateway *g = sz_calloc(1, sizeof(*g));
	int r;

	g->loop = loop;
	g->conf_path = sz_strdup(conf_path);
	g->started_ns = sz_boot_ns();
	sz_wheel_init(&g->wheel, g->started_ns, g);
	g->wall_offset_ns = (s64)(sz_wall_ns() - g->started_ns);
	*ret = g;
	r = start(g, e);
	if (r)
		return r;
	g->next_summary_ns = g->started_ns + g->conf->audit.summary_s * NS;
	return 0;
}

void sz_gateway_free(struct sz_gateway *g)
{
	if (!g)
		return;
	if (g->watch_fd)
		close(g->watch_fd); /* the watch went with the loop */
	sz_pool_free(g->pool);
	sz_idp_free(g->idp);
	sz_renewals_free(g->renewals);
	sz_pending_free_all(g);
	sz_journal_free(g->journal);
	sz_retain_free(g);
	sz_baseline_free(g->baseline);
	sz_observer_free(g->observer);
	sz_trace_free(g->trace);
	sz_revocations_free(g->revocations);
	sz_expiry_free(g->expiry);
	sz_dpop_free(g->dpop);
	sz_known_free(g->known);
	sz_bans_free(g->offenders);
	sz_ban_feed_free(g->ban_feed);
	sz_kern_close(g->kern);
	sz_verifier_unref(g->verifier);
	sz_relations_free(g);
	sz_stores_close(g->stores);
	free(g->conf_path);
	free(g);
}

/* ---- reload -------------------- */

static bool same(const char *a, const char *b)
{
	return !strcmp(a, b);
}

static bool same_text(const char *a, const char *b)
{
	return same(a ? a : "", b ? b : "");
}

static bool same_tracing(const struct sz_conf *a, const struct sz_conf *b)
{
	return same_text(a->tracing.endpoint, b->tracing.endpoint) &&
	       same_text(a->tracing.ca_file, b->tracing.ca_file) &&
	       same_text(a->tracing.authorization_file, b->tracing.authorization_file) &&
	       a->tracing.sampling == b->tracing.sampling &&
	       a->tracing.follow == b->tracing.follow && a->tracing.queue == b->tracing.queue;
}

/* What cannot change while running; the message says so instead of half applying it. */
static int check_fixed(const struct sz_conf *old, const struct sz_conf *new, struct sz_error *e)
{
	const char *what = NULL;

	if (!same(old->pin_dir, new->pin_dir))
		what = "pin_dir";
	else if (!same(old->state_dir, new->state_dir))
		what = "state_dir";
	else if (!same(old->control, new->control))
		what = "control";
	else if (!same(old->audit.dir, new->audit.dir))
		what = "audit.dir";
	else if (old->max_grants != new->max_grants || old->max_flows != new->max_flows)
		what = "maps";
	else if (old->workers != new->workers)
		what = "workers";
	else if (old->metrics.on != new->metrics.on ||
		 memcmp(&old->metrics.listen, &new->metrics.listen, sizeof(new->metrics.listen)))
		what = "metrics";
	else if (old->api.on != new->api.on ||
		 !same(old->api.path ? old->api.path : "", new->api.path ? new->api.path : "") ||
		 !same(old->api.tokens, new->api.tokens) ||
		 memcmp(&old->api.listen, &new->api.listen, sizeof(new->api.listen)))
		what = "api";
	else if (!same_tracing(old, new))
		what = "tracing";
	else if (old->rebac.on != new->rebac.on || !same(old->rebac.dir, new->rebac.dir) ||
		 old->rebac.deadline_ms != new->rebac.deadline_ms ||
		 old->rebac.changes != new->rebac.changes)
		what = "rebac";
	return what ? sz_error_set(e, -EBUSY,
				   "%s: '%s' changed; it needs a restart: set it back or "
				   "run 'systemctl restart subzero'",
				   new->path, what)
		    : 0;
}

/* A snapshot that does not fit into the maps is taken out again: the old one goes on whole. */
static int publish_or_return(struct sz_gateway *g, struct sz_verifier *v, struct sz_error *e)
{
	struct sz_error again = {};
	int r = sz_publish(g, v, e);

	if (r) {
		if (sz_publish(g, g->verifier, &again))
			sz_log(SZ_LOG_ERR,
			       "the old configuration could not be restored either: %s; "
			       "restart the daemon",
			       again.msg);
		/* The file on disk is not what is in force: the next start must not think so. */
		g->cfg->policy_id = 0;
	}
	return r;
}

static int reload(struct sz_gateway *g, struct sz_error *e)
{
	struct sz_verifier *v, *old;
	int r = load_snapshot(g->conf_path, &v, e);

	if (r)
		return r;
	r = check_fixed(g->conf, sz_verifier_conf(v), e);
	if (!r)
		r = sz_idp_check(sz_verifier_conf(v), e);
	if (!r)
		r = publish_or_return(g, v, e);
	if (r) {
		sz_verifier_unref(v);
		return r;
	}
	sz_pending_rebase(g, sz_verifier_conf(v));
	/* Providers know the old configuration until they are given the new one. */
	old = sz_verifier_ref(g->verifier);
	sz_gateway_use(g, v);
	r = sz_issuers_reload(g, e);
	sz_verifier_unref(old);
	sz_bound_configure(g);
	sz_load_configure(g);
	return r ? r : sz_publish_interfaces(g, e);
}

int sz_gateway_reload(struct sz_gateway *g, struct sz_error *e)
{
	char detail[640];
	int r = reload(g, e);

	if (r) {
		g->stats.reload_failures++;
		snprintf(detail, sizeof(detail), "refused: %s", e->msg);
	} else {
		g->stats.reloads++;
		sz_watch_files(g);
		snprintf(detail, sizeof(detail), "policy generation %u, key generation %u",
			 g->cfg->policy_gen, g->cfg->key_gen);
	}
	sz_gateway_record(g, SZ_AUDIT_RELOAD, detail);
	return r;
}

/* ---- flush and stop -------------------- */

struct flush {
	struct sz_gateway *g;
	void (*done)(int res, void *arg);
	void *arg;
};

static void flushed(int res, void *arg)
{
	struct flush *f = arg;

	f->done(res, f->arg);
	free(f);
}

static void summarized(void *arg)
{
	struct flush *f = arg;

	sz_journal_when_synced(f->g->journal, flushed, f);
}

void sz_gateway_flush(struct sz_gateway *g, void (*done)(int res, void *arg), void *arg)
{
	struct flush *f = sz_calloc(1, sizeof(*f));

	f->g = g;
	f->done = done;
	f->arg = arg;
	while (take_events(g))
		;
	sz_summary_write(g, summarized, f);
}

static void stopped(int res, void *arg)
{
	struct sz_gateway *g = arg;
	struct sz_error e = {};

	(void)res; /* the journal has said why */
	if (g->detach && sz_kern_unload(g->conf->pin_dir, &e))
		sz_log(SZ_LOG_ERR, "could not detach: %s", e.msg);
	sz_net_stop(g->loop);
}

/* What is counted from here on the next start tells. */
static void last_summary(void *arg)
{
	struct sz_gateway *g = arg;

	sz_gateway_record(g, SZ_AUDIT_STOP,
			  g->detach ? "stopped and detached"
				    : "stopped; enforcement stays in the kernel");
	sz_journal_when_synced(g->journal, stopped, g);
}

void sz_gateway_stop(struct sz_gateway *g, bool detach)
{
	if (g->stopping)
		return;
	g->stopping = true;
	g->detach = detach;
	/* Unknown tokens get their 503 from now on instead of waiting for nobody. */
	__atomic_store_n(&g->cfg->heartbeat_ns, 0, __ATOMIC_RELEASE);
	while (take_events(g))
		;
	sz_summary_write(g, last_summary, g);
}

struct sz_stores *sz_gateway_stores(const struct sz_gateway *g)
{
	return g->stores;
}

/* ---- status -------------------- */

static json_t *loop_status(const struct sz_gateway *g)
{
	const struct sz_hist *h = sz_net_pauses(g->loop);

	return json_pack("{s:I, s:f, s:f, s:f, s:f}", "count", (json_int_t)sz_hist_count(h), "p50",
			 (double)sz_hist_percentile(h, 50) / 1e3, "p99",
			 (double)sz_hist_percentile(h, 99) / 1e3, "p99.9",
			 (double)sz_hist_percentile(h, 99.9) / 1e3, "max",
			 (double)sz_hist_max(h) / 1e3);
}

static json_t *workers_status(const struct sz_gateway *g)
{
	struct sz_pool_stats s;
	json_t *v;
	unsigned c;

	sz_pool_look(g->pool, &s);
	v = json_pack("{s:i, s:i, s:I, s:I}", "threads", (int)s.workers, "asleep", (int)s.asleep,
		      "stolen", (json_int_t)s.steals, "shared", (json_int_t)g->stats.coalesced);
	for (c = 0; c < SZ_WORK_CLASSES; c++)
		json_object_set_new(v, sz_work_class_name(c),
				    json_pack("{s:I, s:I}", "done",
					      (json_int_t)(s.class[c].submitted -
							   s.class[c].in_flight),
					      "waiting", (json_int_t)s.class[c].waiting));
	return v;
}

json_t *sz_gateway_status(const struct sz_gateway *g)
{
	const struct sz_gateway_stats *s = &g->stats;
	json_t *status;

	status = json_pack("{s:s, s:I, s:f, s:s, s:i, s:i, s:I, s:I,"
			 " s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I},"
			 " s:{s:I, s:f, s:f, s:f}, s:{s:I, s:I, s:I, s:I, s:b}, s:I, s:I}",
			 "version", SZ_VERSION, "pid", (json_int_t)getpid(), "uptime_s",
			 (double)(sz_boot_ns() - g->started_ns) / 1e9, "config", g->conf_path,
			 "policy_generation", (int)g->cfg->policy_gen, "key_generation",
			 (int)g->cfg->key_gen, "waiting_connections", (json_int_t)g->n_pending,
			 "verifications_in_flight", (json_int_t)g->n_jobs, "misses", "total",
			 (json_int_t)s->misses, "verified", (json_int_t)s->verified, "refused",
			 (json_int_t)s->refused, "tickets", (json_int_t)s->tickets, "injected",
			 (json_int_t)s->injected, "inject_failed", (json_int_t)s->inject_failed,
			 "expired", (json_int_t)s->expired_pending, "dropped",
			 (json_int_t)s->dropped, "miss_latency_us", "count",
			 (json_int_t)sz_hist_count(&g->latency), "p50",
			 (double)sz_hist_percentile(&g->latency, 50) / 1e3, "p99",
			 (double)sz_hist_percentile(&g->latency, 99) / 1e3, "max",
			 (double)sz_hist_max(&g->latency) / 1e3, "audit", "first_seq",
			 (json_int_t)sz_journal_first(g->journal), "last_seq",
			 (json_int_t)sz_journal_seq(g->journal), "synced_seq",
			 (json_int_t)sz_journal_synced(g->journal), "signed_seq",
			 (json_int_t)sz_journal_signed(g->journal), "failing",
			 sz_journal_error(g->journal) != 0, "reloads",
			 (json_int_t)s->reloads, "reload_failures", (json_int_t)s->reload_failures);
	if (status) {
		json_object_set_new(status, "adaptive", sz_adaptive_json(g->cfg));
		json_object_set_new(status, "providers", sz_issuers_status(g));
		json_object_set_new(status, "longest_pause_us",
				    json_real((double)sz_hist_max(sz_net_pauses(g->loop)) / 1e3));
		json_object_set_new(status, "bans_being_written",
				    json_boolean(sz_ban_feed_running(g->ban_feed)));
		json_object_set_new(status, "dpop",
				    json_pack("{s:I, s:I, s:I}", "proofs",
					      (json_int_t)sz_dpop_stats(g->dpop).live, "tokens",
					      (json_int_t)sz_known_count(g->known), "known_tokens",
					      (json_int_t)s->known_tokens));
		json_object_update_new(json_object_get(status, "audit"), sz_evidence_status(g));
		json_object_set_new(status, "traces", sz_evidence_traces(g));
		json_object_set_new(status, "loop_pause_us", loop_status(g));
		json_object_set_new(status, "workers", workers_status(g));
	}
	if (status && g->stores)
		json_object_set_new(status, "relationships", sz_relations_status(g));
	return status;
}

const char *sz_gateway_control_path(const struct sz_gateway *g)
{
	return g->conf->control;
}

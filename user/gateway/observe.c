/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the metrics endpoint tells of the gateway. Called by the metrics room and, where something
 * is counted, by the files beside it. How full a map is and what each route has admitted only a
 * walk over the map can tell: that is done in steps from a timer, never for a scrape. Names come
 * from the configuration alone, so their number is bounded whatever clients send.
 *
 * A worker reads the maps, since to find the few entries of a large one takes the kernel
 * milliseconds; the loop only counts what was read. An entry that comes or goes meanwhile may or
 * may not be counted; one that stays is counted once.
 */
#include "gateway/gateway_priv.h"

#include <string.h>

#define OTHER    "other"
#define TICK_NS  250000000ull
#define ROUND_NS 2000000000ull /* from one walk over all maps to the next */
#define READ     512u          /* entries that a worker reads at once */
#define SPEND_NS 5000000ull    /* workers read for about so long between two ticks */

/* A service that is told apart; the last one stands for all others. */
struct slot {
	u32 id;
	size_t other;   /* its rest, in `routes` */
	u32 *of_route;  /* route number to place in `routes` */
	size_t n_routes;
};

struct counts {
	u64 denials[SZ_REASON_MAX], monitored[SZ_REASON_MAX];
};

struct sz_observer {
	const struct sz_conf *conf; /* what the tables were made from, */
	u64 reloads;                /* and when; never followed */
	struct slot *slots;         /* sorted by id, and the last one */
	struct sz_view_service *services;
	struct counts *counts;
	size_t n_slots; /* without the last one */
	struct sz_view_route *routes;
	u64 *sums; /* of the walk under way */
	size_t n_routes;
	size_t step; /* in `walked` */
	struct sz_work work;
	struct sz_gateway *g;
	enum sz_map map; /* that is read */
	struct sz_map_cursor cursor;
	struct sz_map_batch batch;
	int err;
	bool reading;  /* a worker has the five above */
	bool outdated; /* what it reads is of no use any more */
	u64 spent_ns;  /* by workers since the last tick */
	u64 entries, grants_now[SZ_VIEW_GRANTS];
	u64 known[SZ_MAP_COUNT];
	bool is_known[SZ_MAP_COUNT];
	u64 grants[SZ_VIEW_GRANTS];
	u64 round_ns, sampled_ns; /* begin of this round, end of the last one */
	bool routes_known, resting;
	struct sz_limit_row *limit_rows;
	struct sz_view_limit limits[SZ_VIEW_LIMITS + 1];
	struct {
		u32 id;
		u64 admitted;
	} told[SZ_LIMITS_MAX]; /* by slot */
	u64 mark_seq, mark_ns; /* an audit record, and a time at which it was there */
};

static const enum sz_map walked[] = {
	SZ_MAP_REQUESTS, SZ_MAP_PROFILES,
	SZ_MAP_HITS,    SZ_MAP_GRANTS,  SZ_MAP_DENIED,     SZ_MAP_HALF,    SZ_MAP_FLOWS,
	SZ_MAP_TICKETS, SZ_MAP_CARRY,   SZ_MAP_SPILL,      SZ_MAP_SOURCES,
	SZ_MAP_REVOKED, SZ_MAP_NAMES,   SZ_MAP_SERVICES,
};

/* ---- tables of names ------------------------------------------------------------------------ */

static size_t add_route(struct sz_observer *o, const char *service, const char *route)
{
	o->routes[o->n_routes] =
		(struct sz_view_route){.service = service, .route = sz_strdup(route)};
	return o->n_routes++;
}

/* Routes of one name share a place: the same labels must not come twice. */
static void name_routes(struct sz_observer *o, struct slot *slot, const char *service,
			const struct sz_conf_service *svc, size_t *left)
{
	size_t i, k;

	slot->other = add_route(o, service, OTHER);
	slot->n_routes = svc ? svc->n_routes : 0;
	slot->of_route = sz_calloc(slot->n_routes + 1, sizeof(*slot->of_route));
	for (i = 0; i < slot->n_routes; i++) {
		for (k = slot->other; k < o->n_routes; k++)
			if (!strcmp(o->routes[k].route, svc->routes[i].name))
				break;
		if (k == o->n_routes && *left) {
			add_route(o, service, svc->routes[i].name);
			--*left;
		}
		slot->of_route[i] = (u32)(k < o->n_routes ? k : slot->other);
	}
}

static void free_tables(struct sz_observer *o)
{
	size_t i;

	for (i = 0; o->slots && i <= o->n_slots; i++) {
		free(o->slots[i].of_route);
		free((char *)o->services[i].name);
	}
	for (i = 0; i < o->n_routes; i++)
		free((char *)o->routes[i].route);
	free(o->slots);
	free(o->services);
	free(o->counts);
	free(o->routes);
	free(o->sums);
}

static int by_id(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static size_t slot_of(const struct sz_observer *o, u32 id)
{
	const struct slot want = {.id = id}, *s = NULL;

	if (o->n_slots)
		s = bsearch(&want, o->slots, o->n_slots, sizeof(want), by_id);
	return s ? (size_t)(s - o->slots) : o->n_slots;
}

/* What was counted for services that are gone goes on among the others: a counter never falls. */
static void take_counts(struct sz_observer *o, const struct sz_observer *old)
{
	size_t i, r;

	for (i = 0; old->slots && i <= old->n_slots; i++) {
		struct counts *c = &o->counts[i < old->n_slots ? slot_of(o, old->slots[i].id)
							       : o->n_slots];

		for (r = 0; r < SZ_REASON_MAX; r++) {
			c->denials[r] += old->counts[i].denials[r];
			c->monitored[r] += old->counts[i].monitored[r];
		}
	}
}

static void make_tables(struct sz_observer *o, const struct sz_conf *conf)
{
	size_t room = conf->n_services < SZ_METRIC_SERVICES ? conf->n_services : SZ_METRIC_SERVICES;
	size_t left = SZ_METRIC_ROUTES, i;
	struct sz_observer old = *o;

	o->n_slots = o->n_routes = 0;
	o->slots = sz_calloc(room + 1, sizeof(*o->slots));
	o->services = sz_calloc(room + 1, sizeof(*o->services));
	o->counts = sz_calloc(room + 1, sizeof(*o->counts));
	o->routes = sz_calloc(SZ_METRIC_ROUTES + room + 1, sizeof(*o->routes));
	o->sums = sz_calloc(SZ_METRIC_ROUTES + room + 1, sizeof(*o->sums));
	for (i = 0; i < conf->n_services && o->n_slots < room; i++)
		if (strcmp(conf->services[i].name, OTHER))
			o->slots[o->n_slots++].id = conf->services[i].id;
	qsort(o->slots, o->n_slots, sizeof(*o->slots), by_id);
	for (i = 0; i <= o->n_slots; i++) {
		const struct sz_conf_service *svc =
			i < o->n_slots ? sz_conf_service_by_id(conf, o->slots[i].id) : NULL;

		o->services[i] = (struct sz_view_service){
			.name = sz_strdup(svc ? svc->name : OTHER),
			.denials = o->counts[i].denials,
			.monitored = o->counts[i].monitored,
		};
		name_routes(o, &o->slots[i], o->services[i].name, svc, &left);
	}
	take_counts(o, &old);
	free_tables(&old);
	o->conf = conf;
}

/* A map's walk begins with nothing counted. */
static void begin_map(struct sz_observer *o)
{
	o->entries = 0;
	o->outdated = o->reading;
	if (!o->reading)
		o->cursor = (struct sz_map_cursor){};
	memset(o->sums, 0, o->n_routes * sizeof(*o->sums));
	memset(o->grants_now, 0, sizeof(o->grants_now));
}

/* A reload may have made other names, or another order of routes: the walk begins anew. */
static void follow_conf(struct sz_gateway *g)
{
	struct sz_observer *o = g->observer;

	if (o->conf == g->conf && o->reloads == g->stats.reloads)
		return;
	make_tables(o, g->conf);
	o->reloads = g->stats.reloads;
	o->step = 0;
	begin_map(o);
	o->routes_known = o->resting = false;
	o->round_ns = sz_boot_ns();
}

/* ---- the walk over the maps ----------------------------------------------------------------- */

static void note_hits(struct sz_observer *o, const struct sz_hit_key *key, const u64 *per_cpu)
{
	const struct slot *s = &o->slots[slot_of(o, key->service)];
	u64 *sum = &o->sums[key->route < s->n_routes ? s->of_route[key->route] : s->other];
	int i;

	for (i = 0; i < sz_kern_cpus(); i++)
		*sum += per_cpu[i];
}

static enum sz_view_grant state_of(const struct sz_gateway *g, const struct sz_grant *grant)
{
	if (grant->flags & SZ_GRANT_REVOKED)
		return SZ_VIEW_REVOKED;
	if (!sz_grant_current(grant, g->cfg))
		return SZ_VIEW_VOID;
	return grant->expires_ns <= sz_boot_ns() ? SZ_VIEW_EXPIRED : SZ_VIEW_ACTIVE;
}

static void note(struct sz_gateway *g, const void *key, const void *value)
{
	struct sz_observer *o = g->observer;

	o->entries++;
	if (walked[o->step] == SZ_MAP_HITS)
		note_hits(o, key, value);
	else if (walked[o->step] == SZ_MAP_GRANTS)
		o->grants_now[state_of(g, value)]++;
}

/* One map was walked to its end. */
static void keep(struct sz_observer *o)
{
	enum sz_map m = walked[o->step];
	size_t i;

	o->known[m] = o->entries;
	o->is_known[m] = true;
	for (i = 0; m == SZ_MAP_HITS && i < o->n_routes; i++)
		o->routes[i].admitted = o->sums[i];
	if (m == SZ_MAP_HITS)
		o->routes_known = true;
	if (m == SZ_MAP_GRANTS)
		memcpy(o->grants, o->grants_now, sizeof(o->grants));
}

static struct sz_observer *observer_of(struct sz_work *w)
{
	return (struct sz_observer *)((char *)w - offsetof(struct sz_observer, work));
}

/* In a worker. */
static void read_map(struct sz_work *w)
{
	struct sz_observer *o = observer_of(w);

	o->err = sz_map_read(o->g->kern, o->map, &o->cursor, READ, &o->batch);
}

static void read_on(struct sz_observer *o)
{
	o->reading = true;
	o->map = walked[o->step];
	sz_pool_submit(o->g->pool, &o->work);
}

/* The next map, or a rest behind the last one. */
static void next_map(struct sz_observer *o)
{
	o->step++;
	if (o->step == SZ_ARRAY_LEN(walked)) {
		o->step = 0;
		o->resting = true;
		o->sampled_ns = sz_boot_ns();
	}
	begin_map(o);
}

static void map_read(struct sz_work *w)
{
	struct sz_observer *o = observer_of(w);
	u32 i;

	o->reading = false;
	o->spent_ns += w->ended_ns - w->began_ns;
	if (o->outdated) {
		begin_map(o);
	} else {
		for (i = 0; !o->err && i < o->batch.n; i++)
			note(o->g, o->batch.keys + i * o->batch.key_size,
			     o->batch.values + i * o->batch.value_size);
		if (!o->err && o->cursor.done)
			keep(o);
		/* A map that cannot be read keeps the figures of its last walk. */
		if (o->err || o->cursor.done)
			next_map(o);
	}
	if (!o->resting && o->spent_ns < SPEND_NS)
		read_on(o);
}

static void dropped(struct sz_work *w)
{
	(void)w; /* it is a part of struct sz_observer */
}

static void walk(struct sz_observer *o)
{
	u64 now = sz_boot_ns();

	o->spent_ns = 0;
	if (o->reading || (o->resting && now < o->round_ns + ROUND_NS))
		return;
	if (o->resting)
		o->round_ns = now;
	o->resting = false;
	read_on(o);
}

/* The log tells no times: a record's age is that of the look which found it there. */
static void watch_audit(struct sz_gateway *g, u64 now)
{
	struct sz_observer *o = g->observer;

	if (sz_journal_synced(g->journal) < o->mark_seq)
		return;
	o->mark_seq = sz_journal_seq(g->journal);
	o->mark_ns = now;
}

static void on_tick(void *arg)
{
	struct sz_gateway *g = arg;

	follow_conf(g);
	watch_audit(g, sz_boot_ns());
	walk(g->observer);
}

/* ---- what is counted as it happens ---------------------------------------------------------- */

void sz_observe_job(struct sz_gateway *g, const struct sz_job *j)
{
	sz_hist_add(&g->verifying, j->verify_ns - j->decision.policy_ns);
	if (j->decision.reason == SZ_R_NONE)
		sz_hist_add(&g->policy, j->decision.policy_ns);
}

void sz_observe_event(struct sz_gateway *g, const struct sz_event *ev)
{
	struct sz_observer *o = g->observer;
	struct counts *c;

	if (!o || ev->reason < SZ_R_NO_TOKEN || ev->reason >= SZ_REASON_MAX)
		return;
	c = &o->counts[slot_of(o, ev->service)];
	if (ev->monitor)
		c->monitored[ev->reason]++;
	else
		c->denials[ev->reason]++;
}

/* ---- the view ------------------------------------------------------------------------------- */

const struct sz_conf *sz_gateway_conf(const struct sz_gateway *g)
{
	return g->conf;
}

int sz_gateway_observe(struct sz_gateway *g)
{
	g->observer = sz_calloc(1, sizeof(*g->observer));
	g->observer->g = g;
	g->observer->work = (struct sz_work){
		.run = read_map, .done = map_read, .drop = dropped, .class = SZ_WORK_LATER};
	make_tables(g->observer, g->conf);
	return sz_net_every(g->loop, TICK_NS, on_tick, g);
}

void sz_observer_free(struct sz_observer *o)
{
	if (!o)
		return;
	free_tables(o);
	sz_map_batch_done(&o->batch);
	free(o->limit_rows);
	free(o);
}

_Static_assert(SZ_ARRAY_LEN(walked) + 1 <= SZ_VIEW_MAPS, "maps");

static void look_at_maps(struct sz_gateway *g, struct sz_gateway_view *v)
{
	const struct sz_observer *o = g->observer;
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(walked); i++)
		v->maps[v->n_maps++] = (struct sz_view_map){
			.name = sz_kern_map_name(walked[i]),
			.entries = o->known[walked[i]],
			.capacity = sz_kern_map_capacity(g->kern, walked[i]),
			.sampled = o->is_known[walked[i]],
		};
	v->maps[v->n_maps++] = (struct sz_view_map){
		.name = sz_kern_map_name(SZ_MAP_BANS),
		.entries = __atomic_load_n(&g->cfg->ban_count, __ATOMIC_RELAXED),
		.capacity = sz_kern_map_capacity(g->kern, SZ_MAP_BANS),
		.sampled = true,
	};
	memcpy(v->grants, o->grants, sizeof(v->grants));
	v->sampled = o->routes_known && o->sampled_ns;
	v->sample_age_ns = sz_boot_ns() - o->sampled_ns;
	v->routes = o->routes;
	v->n_routes = o->n_routes;
	v->services = o->services;
	v->n_services = o->n_slots + 1;
}

static void look_at_issuers(const struct sz_gateway *g, struct sz_gateway_view *v)
{
	struct sz_verifier_keys keys;

	for (v->n_issuers = 0; v->n_issuers < g->conf->n_issuers; v->n_issuers++) {
		sz_verifier_keys(g->verifier, v->n_issuers, &keys);
		v->issuers[v->n_issuers] = (struct sz_view_issuer){
			.issuer = g->conf->issuers[v->n_issuers].issuer,
			.keys = keys.count,
			.changed_s = keys.changed_s,
		};
		v->issuers[v->n_issuers].asked = sz_idp_look(
			g->idp, v->n_issuers, &v->issuers[v->n_issuers].provider);
	}
}

/*
 * What a limit admitted is taken back at once where another limit refuses the same request: a look
 * in between must not make the counter fall by what each CPU has under way. A larger fall is a slot
 * that counts anew.
 */
static u64 admitted_of(struct sz_observer *o, const struct sz_limit_row *row)
{
	u64 now = row->count.admitted, *told = &o->told[row->slot].admitted;

	if (o->told[row->slot].id != row->limit.id || now > *told ||
	    *told - now > (u64)sz_kern_cpus())
		*told = now;
	o->told[row->slot].id = row->limit.id;
	return *told;
}

static int look_at_limits(struct sz_gateway *g, struct sz_gateway_view *v)
{
	struct sz_observer *o = g->observer;
	size_t n, i;
	int r;

	free(o->limit_rows);
	o->limit_rows = NULL;
	r = sz_limits_read(g->kern, &o->limit_rows, &n);
	if (r)
		return r;
	v->limits = o->limits;
	v->n_limits = n > SZ_VIEW_LIMITS ? SZ_VIEW_LIMITS + 1 : n;
	for (i = 0; i < n; i++) {
		const struct sz_limit_count *c = &o->limit_rows[i].count;
		struct sz_view_limit *l = &o->limits[i < SZ_VIEW_LIMITS ? i : SZ_VIEW_LIMITS];

		if (i <= SZ_VIEW_LIMITS)
			*l = (struct sz_view_limit){
				i < SZ_VIEW_LIMITS ? o->limit_rows[i].limit.name : OTHER, {0}};
		l->count.admitted += admitted_of(o, &o->limit_rows[i]);
		l->count.refused += c->refused;
		l->count.dry += c->dry;
		l->count.spare += c->spare;
	}
	return 0;
}

int sz_gateway_look(struct sz_gateway *g, struct sz_gateway_view *ret)
{
	u64 now = sz_boot_ns(), beat = __atomic_load_n(&g->cfg->heartbeat_ns, __ATOMIC_RELAXED);
	const struct sz_gateway_stats *s = &g->stats;
	int r;

	follow_conf(g);
	watch_audit(g, now);
	*ret = (struct sz_gateway_view){
		.misses = s->misses, .verified = s->verified, .refused = s->refused,
		.tickets = s->tickets, .injected = s->injected,
		.inject_failed = s->inject_failed, .expired = s->expired_pending,
		.dropped = s->dropped, .reloads = s->reloads,
		.reload_failures = s->reload_failures, .pending = g->n_pending,
		.held_bytes = g->held_bytes, .jobs = g->n_jobs,
		.audit_seq = sz_journal_seq(g->journal),
		.audit_synced = sz_journal_synced(g->journal),
		.audit_lag_ns = sz_journal_synced(g->journal) < g->observer->mark_seq ?
					now - g->observer->mark_ns : 0,
		.heartbeat_age_ns = beat && now > beat ? now - beat : 0,
		.heartbeat_ttl_ns = g->cfg->heartbeat_ttl_ns,
		.policy_gen = g->cfg->policy_gen, .key_gen = g->cfg->key_gen,
		.latency = &g->latency, .verifying = &g->verifying,
		.policy = &g->policy, .reinject = &g->reinject,
		.pauses = sz_net_pauses(g->loop), .coalesced = s->coalesced,
		.open = sz_adaptive_open(&g->cfg->load), .open_limit = g->cfg->load.limit,
		.answer_ns = g->cfg->load.latency_ns,
	};
	for (enum sz_priority p = SZ_PRIORITY_LOW; p < SZ_PRIORITY_COUNT; p++)
		ret->shed[p] = __atomic_load_n(&g->cfg->load.shed[p], __ATOMIC_RELAXED);
	if (g->pool)
		sz_pool_look(g->pool, &ret->pool);
	if (g->expiry)
		sz_expiry_look(g, &ret->expiry);
	sz_evidence_look(g, ret);
	if (g->dpop) {
		struct sz_dpop_stats proofs = sz_dpop_stats(g->dpop);

		ret->known_tokens = s->known_tokens;
		ret->proofs = proofs.live;
		ret->proofs_limit = proofs.capacity;
	}
	r = sz_kern_counters(g->kern, SZ_MAP_COUNTERS, ret->counters);
	if (!r)
		r = sz_kern_counters(g->kern, SZ_MAP_LOST, ret->lost);
	if (!r)
		r = look_at_limits(g, ret);
	look_at_maps(g, ret);
	look_at_issuers(g, ret);
	sz_relations_look(g, ret);
	return r;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The view of the gateway as text, family by family. Called for a scrape. Labels are reasons, names
 * of the configuration and fixed words; never anything that a client has sent.
 */
#include <stdio.h>
#include <string.h>

#include "metrics/metrics_priv.h"

#define SZ_METRIC_INFO_(ID, TYPE, name, labels, help)                                              \
	[SZ_METRIC_##ID] = {name, SZ_EXPO_##TYPE, labels, help},
const struct sz_metric_info sz_metric_info[SZ_METRIC_COUNT] = {SZ_METRICS(SZ_METRIC_INFO_)};

static void family(struct sz_expo *x, enum sz_metric m)
{
	const struct sz_metric_info *i = &sz_metric_info[m];

	sz_expo_family(x, i->name, i->type, i->help);
}

static void one(struct sz_expo *x, enum sz_metric m, u64 v)
{
	family(x, m);
	sz_expo_u64(x, v);
}

static void one_time(struct sz_expo *x, enum sz_metric m, u64 ns)
{
	family(x, m);
	sz_expo_seconds(x, ns);
}

static void two(struct sz_expo *x, enum sz_metric m, const char *first, u64 v1, const char *second,
		u64 v2)
{
	family(x, m);
	sz_expo_label(x, sz_metric_info[m].labels, first);
	sz_expo_u64(x, v1);
	sz_expo_label(x, sz_metric_info[m].labels, second);
	sz_expo_u64(x, v2);
}

static void histogram(struct sz_expo *x, enum sz_metric m, const struct sz_hist *h)
{
	family(x, m);
	sz_expo_hist(x, h);
}

static bool is_reason(u32 reason)
{
	return reason && strcmp(sz_reason_label(reason), "unknown") != 0;
}

/* ---- the kernel's decisions ----------------------------------------------------------------- */

static void reasons(struct sz_expo *x, enum sz_metric m, const u64 *n, bool zeros)
{
	u32 r;

	family(x, m);
	for (r = 0; r < SZ_REASON_MAX; r++) {
		if (!is_reason(r) || (!zeros && !n[r]))
			continue;
		sz_expo_label(x, "reason", sz_reason_label(r));
		sz_expo_u64(x, n[r]);
	}
}

static void admitted(struct sz_expo *x, const struct sz_gateway_view *v)
{
	size_t i;

	family(x, SZ_METRIC_ADMITTED);
	for (i = 0; v->sampled && i < v->n_routes; i++) {
		const struct sz_view_route *r = &v->routes[i];

		if (!r->admitted && !strcmp(r->route, "other"))
			continue;
		sz_expo_label(x, "service", r->service);
		sz_expo_label(x, "route", r->route);
		sz_expo_u64(x, r->admitted);
	}
}

static void denials(struct sz_expo *x, const struct sz_gateway_view *v, enum sz_metric m)
{
	size_t i;
	u32 r;

	family(x, m);
	for (i = 0; i < v->n_services; i++) {
		const struct sz_view_service *s = &v->services[i];
		const u64 *n = m == SZ_METRIC_DENIALS ? s->denials : s->monitored;

		for (r = 0; r < SZ_REASON_MAX; r++) {
			if (!n[r] || !is_reason(r))
				continue;
			sz_expo_label(x, "service", s->name);
			sz_expo_label(x, "reason", sz_reason_label(r));
			sz_expo_u64(x, n[r]);
		}
	}
}

static void of_limits(struct sz_expo *x, const struct sz_gateway_view *v, enum sz_metric m,
		      u64 (*value)(const struct sz_limit_count *c))
{
	size_t i;

	family(x, m);
	for (i = 0; i < v->n_limits; i++) {
		sz_expo_label(x, "limit", v->limits[i].name);
		sz_expo_u64(x, value(&v->limits[i].count));
	}
}

static u64 limit_admitted(const struct sz_limit_count *c)
{
	return c->admitted;
}

static u64 limit_refused(const struct sz_limit_count *c)
{
	return c->refused;
}

static u64 limit_would(const struct sz_limit_count *c)
{
	return c->dry;
}

static u64 limit_spare(const struct sz_limit_count *c)
{
	return c->spare;
}

static void limits(struct sz_expo *x, const struct sz_gateway_view *v)
{
	of_limits(x, v, SZ_METRIC_LIMIT_ADMITTED, limit_admitted);
	of_limits(x, v, SZ_METRIC_LIMIT_REFUSED, limit_refused);
	of_limits(x, v, SZ_METRIC_LIMIT_WOULD, limit_would);
	of_limits(x, v, SZ_METRIC_LIMIT_SPARE, limit_spare);
}

static void load(struct sz_expo *x, const struct sz_gateway_view *v)
{
#define SHED(n, NAME, word, percent)                                                               \
	sz_expo_label(x, "priority", word);                                                        \
	sz_expo_u64(x, v->shed[n]);
	family(x, SZ_METRIC_SHED);
	SZ_PRIORITY_LIST(SHED)
	one(x, SZ_METRIC_OPEN, v->open);
	one(x, SZ_METRIC_OPEN_LIMIT, v->open_limit);
	one_time(x, SZ_METRIC_ANSWER_TIME, v->answer_ns);
}

static void decisions(struct sz_expo *x, const struct sz_gateway_view *v)
{
	reasons(x, SZ_METRIC_VERDICTS, v->counters, true);
	admitted(x, v);
	denials(x, v, SZ_METRIC_DENIALS);
	denials(x, v, SZ_METRIC_MONITORED);
	reasons(x, SZ_METRIC_LOST, v->lost, false);
	limits(x, v);
	load(x, v);
}

/* ---- the daemon's part ---------------------------------------------------------------------- */

static void misses(struct sz_expo *x, const struct sz_gateway_view *v)
{
	one(x, SZ_METRIC_MISSES, v->misses);
	two(x, SZ_METRIC_TOKENS, "good", v->verified, "bad", v->refused);
	one(x, SZ_METRIC_TICKETS, v->tickets);
	two(x, SZ_METRIC_REINJECTED, "ok", v->injected, "failed", v->inject_failed);
	one(x, SZ_METRIC_EXPIRED, v->expired);
	one(x, SZ_METRIC_DROPPED, v->dropped);
	histogram(x, SZ_METRIC_MISS_TIME, v->latency);
	histogram(x, SZ_METRIC_VERIFY_TIME, v->verifying);
	histogram(x, SZ_METRIC_POLICY_TIME, v->policy);
	histogram(x, SZ_METRIC_REINJECT_TIME, v->reinject);
	one(x, SZ_METRIC_PENDING, v->pending);
	one(x, SZ_METRIC_PROOFS, v->proofs);
	one(x, SZ_METRIC_PROOFS_LIMIT, v->proofs_limit);
	one(x, SZ_METRIC_KNOWN_TOKENS, v->known_tokens);
	one(x, SZ_METRIC_PENDING_LIMIT, SZ_PENDING_MAX);
	one(x, SZ_METRIC_HELD, v->held_bytes);
	one(x, SZ_METRIC_HELD_LIMIT, SZ_PENDING_BYTES);
	one(x, SZ_METRIC_JOBS, v->jobs);
	one(x, SZ_METRIC_COALESCED, v->coalesced);
}

static void by_class(struct sz_expo *x, enum sz_work_class c)
{
	sz_expo_label(x, "class", sz_work_class_name(c));
}

static void pool(struct sz_expo *x, const struct sz_pool_stats *p)
{
	char name[16];
	unsigned i;

	family(x, SZ_METRIC_POOL_WAITING);
	for (i = 0; i < SZ_WORK_CLASSES; i++) {
		by_class(x, i);
		sz_expo_u64(x, p->class[i].waiting);
	}
	family(x, SZ_METRIC_POOL_WORK);
	for (i = 0; i < SZ_WORK_CLASSES; i++) {
		by_class(x, i);
		sz_expo_u64(x, p->class[i].submitted);
	}
	family(x, SZ_METRIC_POOL_WAIT);
	for (i = 0; i < SZ_WORK_CLASSES; i++) {
		if (!p->class[i].wait)
			continue;
		by_class(x, i);
		sz_expo_hist(x, p->class[i].wait);
	}
	one(x, SZ_METRIC_POOL_STOLEN, p->steals);
	one(x, SZ_METRIC_POOL_BATCHES, p->batches);
	one(x, SZ_METRIC_POOL_BATCH, p->limit);
	family(x, SZ_METRIC_POOL_BUSY);
	for (i = 0; i < p->workers; i++) {
		snprintf(name, sizeof(name), "%u", i);
		sz_expo_label(x, "worker", name);
		sz_expo_seconds(x, p->busy_ns[i]);
	}
}

static void inner(struct sz_expo *x, const struct sz_gateway_view *v)
{
	int k;

	histogram(x, SZ_METRIC_LOOP_PAUSE, v->pauses);
	pool(x, &v->pool);
	one(x, SZ_METRIC_TIMERS, v->expiry.timers);
	family(x, SZ_METRIC_ENDED);
	for (k = 0; k < SZ_VIEW_ENDS; k++) {
		sz_expo_label(x, "kind", sz_view_end_name(k));
		sz_expo_u64(x, v->expiry.ended[k]);
	}
}

static void tables(struct sz_expo *x, const struct sz_gateway_view *v)
{
	static const char *const state[SZ_VIEW_GRANTS] = {
		[SZ_VIEW_ACTIVE] = "active", [SZ_VIEW_EXPIRED] = "expired",
		[SZ_VIEW_VOID] = "void", [SZ_VIEW_REVOKED] = "revoked",
	};
	size_t i;

	family(x, SZ_METRIC_MAP_ENTRIES);
	for (i = 0; i < v->n_maps; i++) {
		if (!v->maps[i].sampled)
			continue;
		sz_expo_label(x, "map", v->maps[i].name + strlen("sz_"));
		sz_expo_u64(x, v->maps[i].entries);
	}
	family(x, SZ_METRIC_MAP_CAPACITY);
	for (i = 0; i < v->n_maps; i++) {
		sz_expo_label(x, "map", v->maps[i].name + strlen("sz_"));
		sz_expo_u64(x, v->maps[i].capacity);
	}
	family(x, SZ_METRIC_GRANTS);
	for (i = 0; v->sampled && i < SZ_VIEW_GRANTS; i++) {
		sz_expo_label(x, "state", state[i]);
		sz_expo_u64(x, v->grants[i]);
	}
	family(x, SZ_METRIC_SAMPLE_AGE);
	if (v->sampled)
		sz_expo_seconds(x, v->sample_age_ns);
}

static void of_store(struct sz_expo *x, const struct sz_view_store *s)
{
	sz_expo_label(x, "store", s->info.name);
	sz_expo_label(x, "id", s->info.id);
}

static void stores(struct sz_expo *x, const struct sz_gateway_view *v)
{
	size_t i;

	family(x, SZ_METRIC_STORE_TUPLES);
	for (i = 0; i < v->n_stores; i++) {
		of_store(x, &v->stores[i]);
		sz_expo_u64(x, v->stores[i].stats.tuples);
	}
	family(x, SZ_METRIC_STORE_GEN);
	for (i = 0; i < v->n_stores; i++) {
		of_store(x, &v->stores[i]);
		sz_expo_u64(x, v->stores[i].stats.generation);
	}
	family(x, SZ_METRIC_STORE_WRITTEN);
	for (i = 0; i < v->n_stores; i++) {
		if (!v->stores[i].stats.written_ms)
			continue;
		of_store(x, &v->stores[i]);
		sz_expo_f64(x, (double)v->stores[i].stats.written_ms / 1e3);
	}
	one(x, SZ_METRIC_STORE_BYTES, v->stores_bytes);
}

/* One value of each issuer whose keys are fetched. */
static void of_keys(struct sz_expo *x, const struct sz_gateway_view *v, enum sz_metric m,
		    u64 (*value)(const struct sz_idp_stats *s))
{
	size_t i;

	family(x, m);
	for (i = 0; i < v->n_issuers; i++) {
		if (!v->issuers[i].asked || !v->issuers[i].provider.source[0])
			continue;
		sz_expo_label(x, "issuer", v->issuers[i].issuer);
		sz_expo_u64(x, value(&v->issuers[i].provider));
	}
}

static u64 usable(const struct sz_idp_stats *s)
{
	return s->usable;
}

static u64 fetch_age(const struct sz_idp_stats *s)
{
	return s->age_s < 0 ? 0 : (u64)s->age_s;
}

static u64 unknown_kids(const struct sz_idp_stats *s)
{
	return s->unknown_kids;
}

static u64 waiting(const struct sz_idp_stats *s)
{
	return s->waiting;
}

static void by_result(struct sz_expo *x, const char *issuer, const char *result, u64 n)
{
	sz_expo_label(x, "issuer", issuer);
	sz_expo_label(x, "result", result);
	sz_expo_u64(x, n);
}

static void providers(struct sz_expo *x, const struct sz_gateway_view *v)
{
	size_t i;

	of_keys(x, v, SZ_METRIC_KEYS_USABLE, usable);
	of_keys(x, v, SZ_METRIC_KEY_FETCH_AGE, fetch_age);
	family(x, SZ_METRIC_KEY_FETCHES);
	for (i = 0; i < v->n_issuers; i++) {
		const struct sz_idp_stats *s = &v->issuers[i].provider;

		if (!v->issuers[i].asked || !s->source[0])
			continue;
		by_result(x, s->issuer, "ok", s->fetched);
		by_result(x, s->issuer, "failed", s->fetch_failures);
	}
	of_keys(x, v, SZ_METRIC_UNKNOWN_KIDS, unknown_kids);
	of_keys(x, v, SZ_METRIC_KEY_WAITING, waiting);
	family(x, SZ_METRIC_INTROSPECTIONS);
	for (i = 0; i < v->n_issuers; i++) {
		const struct sz_idp_stats *s = &v->issuers[i].provider;

		if (!v->issuers[i].asked || !s->introspects)
			continue;
		by_result(x, s->issuer, "active", s->answers - s->inactive);
		by_result(x, s->issuer, "inactive", s->inactive);
		by_result(x, s->issuer, "failed", s->question_failures);
		by_result(x, s->issuer, "refused", s->refused);
		by_result(x, s->issuer, "recent", s->recent);
	}
	family(x, SZ_METRIC_BREAKER);
	for (i = 0; i < v->n_issuers; i++) {
		if (!v->issuers[i].asked || !v->issuers[i].provider.introspects)
			continue;
		sz_expo_label(x, "issuer", v->issuers[i].issuer);
		sz_expo_u64(x, (u64)v->issuers[i].provider.breaker);
	}
}

static void policy(struct sz_expo *x, const struct sz_gateway_view *v)
{
	s64 now = (s64)(sz_wall_ns() / 1000000000u);
	size_t i;

	family(x, SZ_METRIC_ISSUER_KEYS);
	for (i = 0; i < v->n_issuers; i++) {
		sz_expo_label(x, "issuer", v->issuers[i].issuer);
		sz_expo_u64(x, v->issuers[i].keys);
	}
	family(x, SZ_METRIC_KEY_AGE);
	for (i = 0; i < v->n_issuers; i++) {
		s64 changed = v->issuers[i].changed_s;

		if (!changed)
			continue;
		sz_expo_label(x, "issuer", v->issuers[i].issuer);
		sz_expo_u64(x, now > changed ? (u64)(now - changed) : 0);
	}
	providers(x, v);
	one(x, SZ_METRIC_POLICY_GEN, v->policy_gen);
	one(x, SZ_METRIC_KEY_GEN, v->key_gen);
	two(x, SZ_METRIC_RELOADS, "ok", v->reloads, "failed", v->reload_failures);
}

static void forwarded(struct sz_expo *x, const struct sz_gateway_view *v)
{
	unsigned i;

	family(x, SZ_METRIC_FORWARDED);
	for (i = 0; i < SZ_FORWARD_TARGETS; i++) {
		const char *target = sz_forward_name((enum sz_forward_target)i);

		if (!v->forward[i].on)
			continue;
		sz_expo_label(x, "target", target);
		sz_expo_label(x, "result", "ok");
		sz_expo_u64(x, v->forward[i].sent);
		sz_expo_label(x, "target", target);
		sz_expo_label(x, "result", "dropped");
		sz_expo_u64(x, v->forward[i].dropped);
	}
}

static void traces(struct sz_expo *x, const struct sz_trace_stats *t)
{
	two(x, SZ_METRIC_TRACE_SPANS, "ok", t->sent, "failed", t->failed);
	one(x, SZ_METRIC_TRACE_DROPPED, t->dropped);
	two(x, SZ_METRIC_TRACE_EXPORTS, "ok", t->exports, "failed", t->export_failures);
	one(x, SZ_METRIC_TRACE_WAITING, t->waiting);
}

static void life(struct sz_expo *x, const struct sz_gateway_view *v)
{
	one(x, SZ_METRIC_AUDIT_RECORDS, v->audit_seq);
	one(x, SZ_METRIC_AUDIT_UNSYNCED, v->audit_seq - v->audit_synced);
	one_time(x, SZ_METRIC_AUDIT_LAG, v->audit_lag_ns);
	one(x, SZ_METRIC_AUDIT_SEGMENTS, v->audit_segments);
	one(x, SZ_METRIC_AUDIT_BYTES, v->audit_bytes);
	one(x, SZ_METRIC_AUDIT_REMOVED, v->audit_removed);
	one(x, SZ_METRIC_AUDIT_RETENTION, v->audit_removing);
	forwarded(x, v);
	if (v->tracing)
		traces(x, &v->trace);
	one_time(x, SZ_METRIC_HEARTBEAT_AGE, v->heartbeat_age_ns);
	one_time(x, SZ_METRIC_HEARTBEAT_TTL, v->heartbeat_ttl_ns);
}

/* ---- the process and its machine ------------------------------------------------------------ */

static void of_threads(struct sz_expo *x, const struct sz_process *p, enum sz_metric m,
		       void (*value)(struct sz_expo *x, const struct sz_process_thread *t))
{
	char name[24];
	size_t i;

	family(x, m);
	for (i = 0; i < p->n_threads; i++) {
		snprintf(name, sizeof(name), i ? "worker%zu" : "loop", i - 1);
		sz_expo_label(x, "thread", name);
		value(x, &p->thread[i]);
	}
	sz_expo_label(x, "thread", "io");
	value(x, &p->io);
}

static void thread_cpu(struct sz_expo *x, const struct sz_process_thread *t)
{
	sz_expo_seconds(x, t->cpu_ns);
}

static void thread_wait(struct sz_expo *x, const struct sz_process_thread *t)
{
	sz_expo_seconds(x, t->wait_ns);
}

static void thread_faults(struct sz_expo *x, const struct sz_process_thread *t)
{
	sz_expo_u64(x, t->major_faults);
}

static void threads(struct sz_expo *x, const struct sz_process *p)
{
	of_threads(x, p, SZ_METRIC_THREAD_CPU, thread_cpu);
	of_threads(x, p, SZ_METRIC_THREAD_WAIT, thread_wait);
	of_threads(x, p, SZ_METRIC_THREAD_FAULTS, thread_faults);
}

static void process(struct sz_expo *x)
{
	struct sz_process p;

	if (sz_process_read(&p))
		return;
	one_time(x, SZ_METRIC_CPU, p.cpu_ns);
	threads(x, &p);
	one(x, SZ_METRIC_RESIDENT, p.resident_bytes);
	one(x, SZ_METRIC_VIRTUAL, p.virtual_bytes);
	one(x, SZ_METRIC_OPEN_FDS, p.open_fds);
	one(x, SZ_METRIC_MAX_FDS, p.max_fds);
	family(x, SZ_METRIC_START_TIME);
	sz_expo_f64(x, p.started_s);
}

static void pressure(struct sz_expo *x)
{
	static const char *const resource[] = {"cpu", "memory", "io"};
	struct sz_pressure p[SZ_ARRAY_LEN(resource)];
	bool known[SZ_ARRAY_LEN(resource)], any = false;
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(resource); i++) {
		known[i] = !sz_pressure_read(resource[i], &p[i]);
		any |= known[i];
	}
	if (!any)
		return;
	family(x, SZ_METRIC_PRESSURE);
	for (i = 0; i < SZ_ARRAY_LEN(resource); i++) {
		if (!known[i])
			continue;
		sz_expo_label(x, "resource", resource[i]);
		sz_expo_f64(x, p[i].ratio);
	}
	family(x, SZ_METRIC_PRESSURE_FULL);
	for (i = 0; i < SZ_ARRAY_LEN(resource); i++) {
		if (!known[i])
			continue;
		sz_expo_label(x, "resource", resource[i]);
		sz_expo_f64(x, p[i].full);
	}
	family(x, SZ_METRIC_PRESSURE_TIME);
	for (i = 0; i < SZ_ARRAY_LEN(resource); i++) {
		if (!known[i])
			continue;
		sz_expo_label(x, "resource", resource[i]);
		sz_expo_seconds(x, p[i].total_ns);
	}
}

void sz_metrics_render(struct sz_expo *x, const struct sz_gateway_view *v)
{
	char abi[16];

	snprintf(abi, sizeof(abi), "%d", SZ_ABI);
	family(x, SZ_METRIC_BUILD_INFO);
	sz_expo_label(x, "version", SZ_VERSION);
	sz_expo_label(x, "abi", abi);
	sz_expo_u64(x, 1);
	decisions(x, v);
	misses(x, v);
	inner(x, v);
	tables(x, v);
	stores(x, v);
	policy(x, v);
	life(x, v);
	process(x);
	pressure(x);
	sz_expo_end(x);
}

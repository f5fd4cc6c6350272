/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the gateway does for its audit log, and what it stops doing without one. While the log
 * cannot be written and the policy is to stop, the heartbeat is withheld: the kernel then answers
 * unknown tokens 503 by itself. Known tokens go on, since the kernel counts them exactly; but where
 * a service wants a record of each request, its grants go too.
 */
#include "gateway/gateway_priv.h"

#define PURGE_NS 1000000000ull

static int drop_grant(const void *key, const void *value, void *arg)
{
	const struct sz_grant_key *k = key;
	struct sz_gateway *g = arg;
	const struct sz_conf_service *svc = sz_conf_service_by_id(g->conf, k->service);

	(void)value;
	if (svc && svc->audit_requests)
		sz_map_del(g->kern, SZ_MAP_GRANTS, key);
	return 0;
}

/* Again from time to time: a verification that was under way may have written one since. */
static void purge(struct sz_gateway *g)
{
	u64 now = sz_boot_ns();
	size_t i;

	if (now < g->next_purge_ns)
		return;
	g->next_purge_ns = now + PURGE_NS;
	for (i = 0; i < g->conf->n_services; i++)
		if (g->conf->services[i].audit_requests) {
			sz_map_each(g->kern, SZ_MAP_GRANTS, drop_grant, g);
			return;
		}
}

bool sz_evidence_beat(struct sz_gateway *g)
{
	sz_journal_tick(g->journal, g->conf);
	if (!sz_journal_error(g->journal) || g->conf->audit.on_full == SZ_AUDIT_ON_FULL_SHED) {
		g->next_purge_ns = 0;
		return true;
	}
	purge(g);
	return false;
}

json_t *sz_evidence_status(const struct sz_gateway *g)
{
	const struct sz_retained *r = sz_retain_seen(g);

	json_t *v = json_pack("{s:I, s:I, s:I, s:b}", "segments", (json_int_t)r->segments,
			      "bytes", (json_int_t)r->bytes, "removed_records",
			      (json_int_t)r->removed, "retention_failing", r->failing);
	json_t *forward = json_object();
	unsigned i;

	for (i = 0; i < SZ_FORWARD_TARGETS; i++) {
		struct sz_forward_stats s;

		sz_forward_look(sz_journal_forward(g->journal), (enum sz_forward_target)i, &s);
		if (s.on)
			json_object_set_new(
				forward, sz_forward_name((enum sz_forward_target)i),
				json_pack("{s:b, s:I, s:I, s:I}", "connected", s.connected, "sent",
					  (json_int_t)s.sent, "dropped", (json_int_t)s.dropped,
					  "waiting_bytes", (json_int_t)s.waiting));
	}
	json_object_set_new(v, "forward", forward);
	return v;
}

json_t *sz_evidence_traces(const struct sz_gateway *g)
{
	struct sz_trace_stats s;

	if (!g->trace)
		return json_null();
	sz_trace_look(g->trace, &s);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "sent", (json_int_t)s.sent, "failed",
			 (json_int_t)s.failed, "dropped", (json_int_t)s.dropped, "waiting",
			 (json_int_t)s.waiting, "exports", (json_int_t)s.exports,
			 "export_failures", (json_int_t)s.export_failures);
}

void sz_evidence_look(const struct sz_gateway *g, struct sz_gateway_view *v)
{
	const struct sz_retained *kept = sz_retain_seen(g);
	unsigned i;

	v->audit_segments = kept->segments;
	v->audit_bytes = kept->bytes;
	v->audit_removed = kept->removed;
	v->audit_removing = !kept->failing;
	for (i = 0; i < SZ_FORWARD_TARGETS; i++)
		sz_forward_look(sz_journal_forward(g->journal), (enum sz_forward_target)i,
				&v->forward[i]);
	v->tracing = g->trace != NULL;
	if (v->tracing)
		sz_trace_look(g->trace, &v->trace);
}

int sz_gateway_change_key(struct sz_gateway *g, void (*done)(int res, void *arg), void *arg,
			  struct sz_error *e)
{
	return sz_journal_change_key(g->journal, done, arg, e);
}

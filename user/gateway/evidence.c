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

int sz_gateway_change_key(struct sz_gateway *g, void (*done)(int res, void *arg), void *arg,
			  struct sz_error *e)
{
	return sz_journal_change_key(g->journal, done, arg, e);
}

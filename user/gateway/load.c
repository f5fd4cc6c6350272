/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How many questions the kernel may have open: measured here from the moment at which the kernel
 * asked to the answer, computed by limits/adaptive.c, published in sz_config, enforced by
 * include/subzero/load.h. Called by guard.c, job.c and bound.c in the loop.
 *
 * What is open is never counted up and down on its own: it is what the kernel has asked, less what
 * was read from the ring, plus the work that the pool has now. What a client or an identity
 * provider is waited for is neither: it is not the verifier's load. The number read is compared
 * with the number asked whenever the ring is empty, so that no record that got lost counts for
 * ever.
 */
#include "gateway/gateway_priv.h"

#include "subzero/compat.h"
#include "subzero/rule.h"

static u64 asked_now(const struct sz_gateway *g)
{
	return __atomic_load_n(&g->cfg->load.asked, __ATOMIC_ACQUIRE);
}

static void publish_limit(struct sz_gateway *g)
{
	const struct sz_conf_adaptive *rule = &g->load.adaptive.rule;
	struct sz_load *l = &g->cfg->load;

	for (enum sz_priority p = SZ_PRIORITY_LOW; p < SZ_PRIORITY_COUNT; p++)
		__atomic_store_n(&l->cap[p],
				 rule->on ? sz_adaptive_share(g->load.adaptive.limit, p) : 0,
				 __ATOMIC_RELAXED);
	l->limit = rule->on ? g->load.adaptive.limit : 0;
	l->flags = rule->dry_run ? SZ_LOAD_DRY : 0;
	l->target_ns = (u64)rule->target_ms * 1000000;
	l->latency_ns = g->load.adaptive.latency_ns;
}

/* What is open now, to the kernel and to the limit. */
static void turn(struct sz_gateway *g)
{
	struct sz_load *l = &g->cfg->load;

	__atomic_store_n(&l->done, g->load.taken - g->load.working, __ATOMIC_RELEASE);
	if (sz_adaptive_turn(&g->load.adaptive, sz_boot_ns(), sz_adaptive_open(l)))
		publish_limit(g);
}

void sz_load_open(struct sz_gateway *g)
{
	/* What the ring holds still of the last run comes on top, until it is empty. */
	g->load.taken = asked_now(g);
	sz_adaptive_init(&g->load.adaptive, &g->conf->adaptive, sz_boot_ns());
	publish_limit(g);
	turn(g);
}

void sz_load_configure(struct sz_gateway *g)
{
	sz_adaptive_configure(&g->load.adaptive, &g->conf->adaptive);
	publish_limit(g);
}

void sz_load_taken(struct sz_gateway *g, const struct sz_miss *m)
{
	g->load.taken += m->counted == 1;
}

u64 sz_load_look(const struct sz_gateway *g)
{
	return asked_now(g);
}

/*
 * A program that is between its count and its record makes the difference larger for a moment, and
 * nothing makes it smaller: the smallest one of a while is what was lost.
 */
void sz_load_drained(struct sz_gateway *g, u64 asked)
{
	s64 apart = (s64)(asked - g->load.taken);

	if (!g->load.looked || apart < g->load.apart)
		g->load.apart = apart;
	g->load.looked = true;
	if (!g->load.adopted) {
		g->load.taken = asked;
		g->load.adopted = true;
		g->load.looked = false;
	}
	turn(g);
}

void sz_load_beat(struct sz_gateway *g)
{
	if (g->load.looked && g->load.apart) {
		g->load.taken += (u64)g->load.apart;
		sz_log(SZ_LOG_DEBUG, "%lld questions were asked that never arrived",
		       (long long)g->load.apart);
	}
	g->load.looked = false;
	turn(g);
}

void sz_load_begin(struct sz_gateway *g, bool *working)
{
	g->load.working += !*working;
	*working = true;
}

void sz_load_end(struct sz_gateway *g, bool *working)
{
	g->load.working -= *working;
	*working = false;
	turn(g);
}

void sz_load_answered(struct sz_gateway *g, u64 asked_ns)
{
	u64 now = sz_boot_ns();

	sz_adaptive_answer(&g->load.adaptive, now > asked_ns ? now - asked_ns : 0);
}

/* Whose priority counts for a request that was put together here; as in the kernel. */
static enum sz_priority priority_of(struct sz_gateway *g, const struct sz_pending *p)
{
	struct sz_network_key at = {.prefixlen = 128, .addr = p->key.client};
	enum sz_priority found = SZ_PRIORITY_NONE;
	struct sz_flow f;
	u32 network;

	if (!sz_map_get(g->kern, SZ_MAP_FLOWS, &p->key, &f) && f.principal)
		found = SZ_PRIORITY_OF(f.flags, SZ_FLOW_PRIORITY_SHIFT);
	if (!found && !sz_map_get(g->kern, SZ_MAP_NETWORKS, &at, &network))
		found = SZ_PRIORITY_OF(network, SZ_NETWORK_PRIORITY_SHIFT);
	return found ? found : p->svc->priority;
}

bool sz_load_full(struct sz_gateway *g, const struct sz_pending *p)
{
	struct sz_load *l = &g->cfg->load;
	u64 open = sz_adaptive_open(l);
	enum sz_priority of;

	if (!SZ_RULE(D_LOAD_LIMIT) || !l->limit || open < l->cap[SZ_PRIORITY_LOW])
		return false;
	of = priority_of(g, p);
	if (open < l->cap[of])
		return false;
	sz_fetch_add(&l->shed[of], 1);
	return !(l->flags & SZ_LOAD_DRY);
}

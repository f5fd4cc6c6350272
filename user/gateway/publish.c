/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The snapshot into the maps. A policy that differs from the one the maps hold bumps the
 * generation first, which voids every grant at once; then routes, answers and services follow.
 * Until all of them are written no grant of the new generation exists, so nothing but public routes
 * can be admitted in between. A restart with the same policy and keys leaves the generations, and
 * so every grant, as they are.
 */
#include "gateway/gateway_priv.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "subzero/rule.h"

/* First 8 bytes of BLAKE2b; 0 never. */
static u64 finish_id(crypto_generichash_state *h)
{
	unsigned char out[16];
	u64 id;

	crypto_generichash_final(h, out, sizeof(out));
	memcpy(&id, out, sizeof(id));
	return id ? id : 1;
}

/* What of the file decides, and those that it names, as they were read. */
static u64 policy_id(const struct sz_verifier *v)
{
	const struct sz_conf *c = sz_verifier_conf(v);
	crypto_generichash_state h;
	u8 digest[32];

	crypto_generichash_init(&h, NULL, 0, 16);
	crypto_generichash_update(&h, (const u8 *)c->essence, c->essence_n);
	sz_policy_digest(sz_verifier_policy(v), digest);
	crypto_generichash_update(&h, digest, sizeof(digest));
	return finish_id(&h);
}

static void put_name(struct sz_gateway *g, u32 kind, u32 service, u64 id, const char *s)
{
	struct sz_name_key key = {.kind = kind, .service = service, .id = id};
	struct sz_name name = {.seen_ns = sz_boot_ns()};

	snprintf(name.s, sizeof(name.s), "%s", s);
	sz_map_put(g->kern, SZ_MAP_NAMES, &key, &name);
}

static int put_answer(struct sz_gateway *g, u32 index, u32 reason, const struct sz_http_dpop *dpop,
		      struct sz_error *e)
{
	struct sz_answer a;
	int r;

	sz_http_prepare((enum sz_reason)reason, dpop, NULL, &a);
	r = sz_map_put(g->kern, SZ_MAP_ANSWERS, &index, &a);
	return r ? sz_error_set(e, r, "cannot write answer %u to the kernel: %s", index,
				strerror(-r))
		 : 0;
}

int sz_publish_answer(struct sz_gateway *g, const struct sz_conf *c, u32 reason,
		      struct sz_error *e)
{
	struct sz_http_dpop dpop;

	sz_bound_challenge(g, c, &dpop);
	return put_answer(g, reason, reason, &dpop, e);
}

static int put_answers(struct sz_gateway *g, const struct sz_verifier *v, struct sz_error *e)
{
	const struct sz_conf *c = sz_verifier_conf(v);
	struct sz_http_dpop dpop;
	u32 reason, n;
	int r = 0;

	sz_bound_challenge(g, c, &dpop);
	for (reason = 0; !r && reason < SZ_REASON_MAX; reason++)
		r = put_answer(g, reason, reason, &dpop, e);
	/* Those that nobody asks for any more have no parameters. */
	for (n = 1; !r && n <= SZ_CHALLENGES_MAX; n++) {
		dpop.step_up = sz_policy_challenge(sz_verifier_policy(v), n);
		r = put_answer(g, SZ_TOLD_ANSWER(SZ_TELL(SZ_R_STEP_UP, n)), SZ_R_STEP_UP, &dpop, e);
	}
	return r;
}

/* ---- routes: write the new nodes, then remove those that are no longer there ------------ */

struct node_set {
	struct sz_gateway *g;
	struct sz_policy_node *nodes;
	size_t n;
};

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct sz_route_key));
}

static int drop_stale_route(const void *key, const void *value, void *arg)
{
	struct node_set *set = arg;

	(void)value;
	if (!set->n || !bsearch(key, set->nodes, set->n, sizeof(*set->nodes), by_key))
		sz_map_del(set->g->kern, SZ_MAP_ROUTES, key);
	return 0;
}

static int put_routes(struct sz_gateway *g, const struct sz_conf *c, struct sz_error *e)
{
	struct node_set all = {.g = g};
	size_t i, k, n;
	int r = 0;

	for (i = 0; i < c->n_services; i++) {
		const struct sz_conf_service *svc = &c->services[i];
		struct sz_policy_node *nodes = sz_policy_compile(svc, &n);

		put_name(g, SZ_NAME_SERVICE, svc->id, svc->id, svc->name);
		for (k = 0; k < svc->n_routes; k++)
			put_name(g, SZ_NAME_ROUTE, svc->id, k, svc->routes[k].name);
		all.nodes = sz_realloc(all.nodes, all.n + n + 1, sizeof(*nodes));
		memcpy(all.nodes + all.n, nodes, n * sizeof(*nodes));
		all.n += n;
		free(nodes);
	}
	for (i = 0; i < all.n && !r; i++)
		r = sz_map_put(g->kern, SZ_MAP_ROUTES, &all.nodes[i].key, &all.nodes[i].node);
	if (r)
		sz_error_set(e, r, "cannot write %zu route nodes to the kernel: %s; at most %u fit",
			     all.n, strerror(-r), SZ_MAX_ROUTE_NODES);
	if (all.n)
		qsort(all.nodes, all.n, sizeof(*all.nodes), by_key);
	if (!r)
		sz_map_each(g->kern, SZ_MAP_ROUTES, drop_stale_route, &all);
	free(all.nodes);
	return r;
}

/* ---- services -------------------- */

struct endpoint_set {
	struct sz_gateway *g;
	const struct sz_conf *c;
};

static int drop_stale_service(const void *key, const void *value, void *arg)
{
	const struct sz_service_key *k = key;
	const struct endpoint_set *set = arg;
	size_t i, n;

	(void)value;
	for (i = 0; i < set->c->n_services; i++) {
		const struct sz_conf_service *svc = &set->c->services[i];

		for (n = 0; n < svc->n_endpoints; n++)
			if (!memcmp(&k->addr, &svc->endpoints[n].addr, sizeof(k->addr)) &&
			    (!k->port || k->port == svc->endpoints[n].port))
				return 0;
	}
	sz_map_del(set->g->kern, SZ_MAP_SERVICES, key);
	return 0;
}

/*
 * Connections count from the moment their service is enforced; what was enforced before stays so.
 * At the switch every connection is refused first, and the clock is read behind that: none born in
 * between can have slipped bytes past that were only watched.
 */
static int enforce_since(struct sz_gateway *g, const struct sz_service_key *key,
			 struct sz_service *v)
{
	struct sz_service old;
	int r;

	v->enforced_ns = ~0ull;
	if (!sz_map_get(g->kern, SZ_MAP_SERVICES, key, &old) && !(old.flags & SZ_SVC_MONITOR)) {
		v->enforced_ns = old.enforced_ns;
		return 0;
	}
	r = sz_map_put(g->kern, SZ_MAP_SERVICES, key, v);
	v->enforced_ns = sz_boot_ns();
	return r;
}

/* Is every service at this address only watched? */
static bool all_watched(const struct sz_conf *c, const struct sz_addr *addr)
{
	size_t i, n;

	for (i = 0; i < c->n_services; i++)
		for (n = 0; n < c->services[i].n_endpoints; n++)
			if (SZ_RULE(D_PORTLESS) && !c->services[i].monitor &&
			    !memcmp(&c->services[i].endpoints[n].addr, addr, sizeof(*addr)))
				return false;
	return true;
}

/* What stands for an address where a packet names no port, such as a fragment. */
static int put_marker(struct sz_gateway *g, const struct sz_conf *c, struct sz_service_key key,
		      struct sz_service v)
{
	key.port = 0;
	v.flags = all_watched(c, &key.addr) ? SZ_SVC_MONITOR : 0;
	return sz_map_put(g->kern, SZ_MAP_SERVICES, &key, &v);
}

/* A row for each route, so that a full map still counts what is admitted, if not for whom. */
static int put_hit_rows(struct sz_gateway *g, const struct sz_conf *c)
{
	u64 *zero = sz_calloc((size_t)sz_kern_cpus(), sizeof(*zero));
	size_t i, k;
	int r = 0;

	for (i = 0; i < c->n_services && !r; i++) {
		for (k = 0; k <= c->services[i].n_routes && !r; k++) {
			struct sz_hit_key key = {
				.service = c->services[i].id,
				.route = k < c->services[i].n_routes ? (u16)k : SZ_ROUTE_NONE};

			r = sz_map_put_new(g->kern, SZ_MAP_HITS, &key, zero);
			if (r == -EEXIST)
				r = 0;
		}
	}
	free(zero);
	return r;
}

static int put_services(struct sz_gateway *g, const struct sz_conf *c, struct sz_error *e)
{
	struct endpoint_set set = {g, c};
	size_t i, n;
	int r = 0;

	for (i = 0; i < c->n_services && !r; i++) {
		const struct sz_conf_service *svc = &c->services[i];
		struct sz_service v = {
			.id = svc->id,
			.flags = (svc->monitor ? SZ_SVC_MONITOR : 0) |
				 (svc->audit_requests ? SZ_SVC_EVENT_HITS : 0) |
				 (u32)svc->priority << SZ_PRIORITY_SHIFT | sz_syn_flags(c, svc),
			.syn_rate = c->syn.rate,
			.syn_half = c->syn.half_open,
		};

		sz_limits_of_service(g->kern, c, svc, &v);
		for (n = 0; n < svc->n_endpoints && !r; n++) {
			struct sz_service_key key = {.addr = svc->endpoints[n].addr,
						     .port = svc->endpoints[n].port};
			r = enforce_since(g, &key, &v);
			if (r)
				break;
			r = sz_map_put(g->kern, SZ_MAP_SERVICES, &key, &v);
			if (!r)
				r = put_marker(g, c, key, v);
		}
	}
	if (!r)
		r = put_hit_rows(g, c);
	if (r)
		return sz_error_set(e, r, "cannot write the services to the kernel: %s",
				    strerror(-r));
	sz_map_each(g->kern, SZ_MAP_SERVICES, drop_stale_service, &set);
	return 0;
}

int sz_publish(struct sz_gateway *g, struct sz_verifier *v, struct sz_error *e)
{
	const struct sz_conf *c = sz_verifier_conf(v);
	struct sz_config *cfg = g->cfg;
	u64 policy = policy_id(v), keys = sz_verifier_keys_id(v);
	int r;

	if (!cfg->abi) {
		randombytes_buf(cfg->key, sizeof(cfg->key));
		randombytes_buf(cfg->same_key, sizeof(cfg->same_key));
	}
	/* An interrupted publish leaves policy_id at 0: the next one starts a generation of its
	 * own. */
	if (cfg->policy_id != policy) {
		cfg->policy_id = 0;
		__atomic_add_fetch(&cfg->policy_gen, 1, __ATOMIC_SEQ_CST);
	}
	if (cfg->key_id != keys) {
		cfg->key_id = 0;
		__atomic_add_fetch(&cfg->key_gen, 1, __ATOMIC_SEQ_CST);
	}
	cfg->heartbeat_ttl_ns = (u64)c->heartbeat_ttl_ms * 1000000;
	cfg->event_interval_ns = c->audit.denials.interval_ns;
	cfg->event_burst_ns = c->audit.denials.burst_ns;
	r = put_answers(g, v, e);
	if (!r)
		r = sz_limits_put(g->kern, c, e);
	if (!r)
		r = put_routes(g, c, e);
	if (!r)
		r = sz_syn_publish(g, c, e);
	if (!r)
		r = sz_bans_publish(g, c, e);
	if (!r)
		r = put_services(g, c, e);
	if (r)
		return r;
	sz_limits_drop(g->kern, c);
	cfg->policy_id = policy;
	cfg->key_id = keys;
	__atomic_store_n(&cfg->abi, SZ_ABI, __ATOMIC_SEQ_CST);
	return 0;
}

static bool named(const struct sz_conf *c, const char *ifname)
{
	size_t i;

	for (i = 0; i < c->n_interfaces; i++)
		if (!strcmp(c->interfaces[i], ifname))
			return true;
	return false;
}

int sz_publish_interfaces(struct sz_gateway *g, struct sz_error *e)
{
	struct sz_attachment *list = NULL, a;
	int n, i, r;
	size_t k;

	for (k = 0; k < g->conf->n_interfaces; k++) {
		r = sz_kern_attach(g->kern, g->conf->interfaces[k], (int)g->conf->xdp, &a, e);
		if (r)
			return r;
		sz_log(SZ_LOG_INFO, "guarding %s: XDP %s, egress by %s", a.ifname,
		       a.native ? "in the driver" : "generic (slower: the driver has no XDP)",
		       a.tcx ? "tcx" : "clsact");
	}
	n = sz_kern_attachments(g->kern, &list, e);
	for (i = 0; i < n; i++) {
		struct sz_error why = {};

		if (!named(g->conf, list[i].ifname) &&
		    sz_kern_detach(g->kern, list[i].ifname, &why))
			sz_log(SZ_LOG_WARNING, "%s is no longer configured, but: %s",
			       list[i].ifname, why.msg);
	}
	free(list);
	return n < 0 ? n : 0;
}

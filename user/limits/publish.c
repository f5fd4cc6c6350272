/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The limits of a snapshot into the maps. Called by the daemon at start and on a reload, before the
 * services that name their slots. A limit that was there keeps its slot, and with it its bucket;
 * rates change in place. Nothing that a published service may still name is given away.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "limits/limits_priv.h"
#include "subzero/bucket.h"

/* One limit that the snapshot wants. */
struct want {
	struct sz_limit l;
	u32 base;    /* index of the limit it stands in for, in the list; UINT32_MAX: none */
	u32 network; /* and in which network */
	u32 slot;
};

struct wants {
	struct want *list;
	size_t n;
};

static u8 table_of(const struct sz_conf_limit *l)
{
	if (l->stage == SZ_LIMIT_SYN)
		return SZ_BUCKETS_SYN;
	return (l->by & SZ_BY_SOURCE) && !(l->by & SZ_BY_PRINCIPAL) ? SZ_BUCKETS_SOURCE
								     : SZ_BUCKETS_VERIFIED;
}

static struct want *add(struct wants *w)
{
	w->list = sz_realloc(w->list, w->n + 1, sizeof(*w->list));
	w->list[w->n] = (struct want){.base = UINT32_MAX};
	return &w->list[w->n++];
}

static void set_rate(struct sz_limit *l, const struct sz_conf_limit *from)
{
	l->interval_ns = l->conf_interval_ns = from->rate.interval_ns;
	l->burst_ns = l->conf_burst_ns = from->rate.burst_ns;
	l->flags = from->dry_run ? SZ_LIMIT_DRY : 0;
}

static void want_limit(struct wants *w, const struct sz_conf_service *svc,
		       const struct sz_conf_limit *from)
{
	struct want *x = add(w);
	struct sz_limit *l = &x->l;

	set_rate(l, from);
	l->service = svc ? svc->id : 0;
	l->reason = from->reason;
	l->by = (u16)from->by;
	l->stage = (u8)from->stage;
	l->table = table_of(from);
	l->prefix4 = svc ? (u8)svc->prefix4 : 32;
	l->prefix6 = svc ? (u8)svc->prefix6 : 64;
	memcpy(l->routes, from->route_bits, sizeof(l->routes));
	snprintf(l->name, sizeof(l->name), "%s%s%s", svc ? svc->name : "", svc ? "/" : "",
		 from->name);
	l->id = sz_limits_id(l->name);
}

/* What stands in for the limits named `name` in a network: one for each of them. */
static void want_variants(struct wants *w, const struct sz_conf_network *net, u32 number,
			  const struct sz_conf_limit *from)
{
	char name[SZ_LIMIT_NAME_MAX];
	size_t i, n = w->n;

	for (i = 0; i < n; i++) {
		struct want *x, *base = &w->list[i];

		sz_limits_short_name(base->l.name, name);
		if (base->base != UINT32_MAX || !(base->l.by & SZ_BY_SOURCE) ||
		    strcmp(name, from->name) != 0)
			continue;
		x = add(w);
		base = &w->list[i];
		x->l = base->l;
		x->base = (u32)i;
		x->network = number;
		set_rate(&x->l, from);
		strncat(x->l.name, "@", sizeof(x->l.name) - strlen(x->l.name) - 1);
		strncat(x->l.name, net->name, sizeof(x->l.name) - strlen(x->l.name) - 1);
		x->l.id = sz_limits_id(x->l.name);
	}
}

static void want_all(const struct sz_conf *c, struct wants *w)
{
	size_t i, k;

	for (i = 0; i < c->n_limits; i++)
		want_limit(w, NULL, &c->limits[i]);
	for (i = 0; i < c->n_services; i++)
		for (k = 0; k < c->services[i].n_limits; k++)
			want_limit(w, &c->services[i], &c->services[i].limits[k]);
	for (i = 0; i < c->n_networks; i++)
		for (k = 0; k < c->networks[i].n_limits; k++)
			want_variants(w, &c->networks[i], (u32)i + 1, &c->networks[i].limits[k]);
}

static int check_ids(const struct wants *w, struct sz_error *e)
{
	for (size_t i = 0; i < w->n; i++)
		for (size_t k = 0; k < i; k++)
			if (w->list[i].l.id == w->list[k].l.id)
				return sz_error_set(e, -EEXIST,
						    "the limits \"%s\" and \"%s\" make the same "
						    "number; rename one of the two",
						    w->list[k].l.name, w->list[i].l.name);
	return 0;
}

static u32 slot_of(const struct sz_limit *table, u32 id)
{
	for (u32 s = 1; s < SZ_LIMITS_MAX; s++)
		if (table[s].id == id)
			return s;
	return 0;
}

static bool wanted(const struct wants *w, u32 id)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->list[i].l.id == id)
			return true;
	return false;
}

static void drop_slot(struct sz_limit *l)
{
	__atomic_store_n(&l->id, 0, __ATOMIC_RELEASE);
	memset(l, 0, sizeof(*l));
}

/* A free slot; where there is none, one that the snapshot does not name any more. */
static u32 free_slot(struct sz_limit *table, const struct wants *w)
{
	u32 s = slot_of(table, 0);

	for (u32 i = 1; !s && i < SZ_LIMITS_MAX; i++)
		if (!wanted(w, table[i].id)) {
			drop_slot(&table[i]);
			s = i;
		}
	return s;
}

/* Into its slot: the state that is there stays, the number of a new one comes last. */
static void put_slot(struct sz_limit *to, const struct sz_limit *from)
{
	to->service = from->service;
	to->reason = from->reason;
	to->by = from->by;
	to->stage = from->stage;
	to->table = from->table;
	to->prefix4 = from->prefix4;
	to->prefix6 = from->prefix6;
	memcpy(to->routes, from->routes, sizeof(to->routes));
	memcpy(to->name, from->name, sizeof(to->name));
	to->conf_interval_ns = from->conf_interval_ns;
	to->conf_burst_ns = from->conf_burst_ns;
	to->flags = from->flags;
	sz_limit_store_rate(to, from->interval_ns, from->burst_ns);
	__atomic_store_n(&to->id, from->id, __ATOMIC_RELEASE);
}

/* A new limit in a slot that another one has had counts from zero. */
static void clear_counts(struct sz_kern *k, u32 slot)
{
	struct sz_limit_count *zero = sz_calloc((size_t)sz_kern_cpus(), sizeof(*zero));

	sz_map_put(k, SZ_MAP_LIMIT_COUNTS, &slot, zero);
	free(zero);
}

static int put_slots(struct sz_kern *k, struct sz_limit *table, struct wants *w,
		     struct sz_error *e)
{
	int r = 0;

	for (size_t i = 0; i < w->n && !r; i++) {
		struct want *x = &w->list[i];

		x->slot = slot_of(table, x->l.id);
		if (!x->slot) {
			x->slot = free_slot(table, w);
			if (!x->slot)
				return sz_error_set(e, -E2BIG, "the kernel has no room for another "
						    "limit; at most %d fit", SZ_LIMITS_MAX - 1);
			clear_counts(k, x->slot);
		}
		r = sz_limits_put_answer(k, x->slot, &x->l);
		put_slot(&table[x->slot], &x->l);
	}
	return r ? sz_error_set(e, r, "cannot write the answer of a limit: %s", strerror(-r)) : 0;
}

/* ---- networks ------------------------------------------------------------------------------- */

struct prefixes {
	struct sz_kern *k;
	const struct sz_conf *c;
};

static int drop_prefix(const void *key, const void *value, void *arg)
{
	const struct sz_network_key *at = key;
	const struct prefixes *p = arg;

	(void)value;
	for (size_t i = 0; i < p->c->n_networks; i++)
		for (size_t k = 0; k < p->c->networks[i].n_prefixes; k++)
			if (p->c->networks[i].prefixes[k].bits == at->prefixlen &&
			    !memcmp(&p->c->networks[i].prefixes[k].addr, &at->addr,
				    sizeof(at->addr)))
				return 0;
	sz_map_del(p->k, SZ_MAP_NETWORKS, key);
	return 0;
}

/*
 * A number may mean another network than before: until all prefixes are written no network has
 * variants, so that nobody is exempt by another's name.
 */
static int put_networks(struct sz_kern *k, struct sz_limit *table, const struct sz_conf *c,
			struct sz_error *e)
{
	struct prefixes p = {k, c};
	u32 n = 0, i, s;
	int r = 0;

	for (s = 1; s < SZ_LIMITS_MAX; s++)
		memset(table[s].variant, 0, sizeof(table[s].variant));
	for (i = 0; i < c->n_networks && !r; i++) {
		const struct sz_conf_network *w = &c->networks[i];
		u32 value = (i + 1) | (u32)w->priority << SZ_NETWORK_PRIORITY_SHIFT;

		for (size_t m = 0; m < w->n_prefixes && !r; m++, n++) {
			struct sz_network_key key = {.prefixlen = w->prefixes[m].bits,
						     .addr = w->prefixes[m].addr};

			r = sz_map_put(k, SZ_MAP_NETWORKS, &key, &value);
		}
	}
	if (r)
		return sz_error_set(e, r, "cannot write the networks to the kernel: %s%s",
				    strerror(-r), r == -E2BIG ? "; use fewer prefixes" : "");
	sz_map_each(k, SZ_MAP_NETWORKS, drop_prefix, &p);
	__atomic_store_n(&sz_kern_config(k)->networks, n, __ATOMIC_RELEASE);
	return 0;
}

static void put_variants(struct sz_limit *table, const struct sz_conf *c, const struct wants *w)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct want *x = &w->list[i];

		if (x->base != UINT32_MAX) {
			table[w->list[x->base].slot].variant[x->network] = (u16)x->slot;
			continue;
		}
		for (size_t m = 0; m < c->n_networks; m++)
			if (c->networks[m].exempt)
				table[x->slot].variant[m + 1] = SZ_VARIANT_EXEMPT;
	}
}

/* ---- the whole ------------------------------------------------------------------------------ */

int sz_limits_put(struct sz_kern *k, const struct sz_conf *c, struct sz_error *e)
{
	struct sz_limit *table = sz_limits_table(k, e);
	struct wants w = {};
	int r;

	if (!table)
		return -EIO;
	want_all(c, &w);
	__atomic_store_n(&sz_kern_config(k)->bucket_sets, sz_limits_sets(k), __ATOMIC_RELEASE);
	r = check_ids(&w, e);
	if (!r)
		r = put_slots(k, table, &w, e);
	if (!r)
		r = put_networks(k, table, c, e);
	if (!r)
		put_variants(table, c, &w);
	free(w.list);
	return r;
}

void sz_limits_of_service(struct sz_kern *k, const struct sz_conf *c,
			  const struct sz_conf_service *svc, struct sz_service *ret)
{
	struct sz_error ignored;
	struct sz_limit *table = sz_limits_table(k, &ignored);
	struct wants w = {};
	size_t i, n = 0;
	u32 stage;

	memset(ret->limit, 0, sizeof(ret->limit));
	memset(ret->limit_end, 0, sizeof(ret->limit_end));
	for (i = 0; i < svc->n_limits; i++)
		want_limit(&w, svc, &svc->limits[i]);
	for (i = 0; i < c->n_limits; i++)
		want_limit(&w, NULL, &c->limits[i]);
	for (stage = 0; stage < SZ_SERVICE_STAGES; stage++) {
		for (i = 0; table && i < w.n && n < SZ_SERVICE_LIMITS; i++)
			if (w.list[i].l.stage == stage)
				ret->limit[n++] = (u16)slot_of(table, w.list[i].l.id);
		ret->limit_end[stage] = (u8)n;
	}
	free(w.list);
}

void sz_limits_drop(struct sz_kern *k, const struct sz_conf *c)
{
	struct sz_error ignored;
	struct sz_limit *table = sz_limits_table(k, &ignored);
	struct wants w = {};

	if (!table)
		return;
	want_all(c, &w);
	for (u32 s = 1; s < SZ_LIMITS_MAX; s++)
		if (table[s].id && !wanted(&w, table[s].id))
			drop_slot(&table[s]);
	free(w.list);
}

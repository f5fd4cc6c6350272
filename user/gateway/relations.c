/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Relationships that routes ask for: the policy's questions to the store that it names, and the
 * store's writes to the kernel, which forgets what it knows by relationships. In the loop's thread.
 */
#include "gateway/gateway_priv.h"

#include <string.h>

#include "store/store.h"

#define STEPS 200000u /* tuples and relations of one question; some 50 ms */

int sz_relations_ask(void *gateway, const struct sz_policy_question *q, bool *ret,
		     struct sz_error *e)
{
	struct sz_gateway *g = gateway;
	struct sz_rebac_request req = {.context = q->context};
	const char *name = g->conf->policy.store;
	struct sz_store *store = g->stores && name ? sz_store_get_named(g->stores, name) : NULL;
	struct sz_rebac_error why = {0};
	struct sz_store_view view;
	int r;

	if (!store)
		return sz_error_set(e, -ENOENT, "there is no store \"%.64s\"", name ? name : "");
	if (!g->relation_work)
		g->relation_work = sz_rebac_work_new(STEPS);
	r = sz_store_begin(store, NULL, SZ_STORE_SHORT, &view);
	if (r) {
		sz_error_set(e, r, "the store \"%.64s\" has no model", name);
	} else {
		r = sz_rebac_check(view.graph, g->relation_work, &req, q->user, q->relation,
				   q->object, ret, &why);
		if (r)
			sz_error_set(e, r, "%s", why.msg);
		sz_store_end(&view);
	}
	sz_store_put(store);
	return r;
}

/* Of the relation of "document:{id}"; of the whole store where the type is not fixed. */
static u64 generation_of(struct sz_store *s, const struct sz_conf_relation *c)
{
	const char *object = c->object.text;
	size_t n = strcspn(object, ":{");
	char type[SZ_REBAC_TYPE_MAX + 1];

	if (object[n] != ':' || n > SZ_REBAC_TYPE_MAX)
		return sz_store_generation(s);
	memcpy(type, object, n);
	type[n] = 0;
	return sz_store_relation_generation(s, type, c->relation);
}

/* For each slot the newest of what its routes ask for. */
static void newest(const struct sz_conf *c, struct sz_store *s, u64 ret[SZ_REL_SLOTS])
{
	size_t i, k, m;

	memset(ret, 0, SZ_REL_SLOTS * sizeof(*ret));
	for (i = 0; i < c->n_services; i++)
		for (k = 0; k < c->services[i].n_routes; k++) {
			const struct sz_conf_route *t = &c->services[i].routes[k];
			u64 *max = &ret[sz_rel_slot(c->services[i].id, (u16)k)], one;

			for (m = 0; m < t->n_relations; m++) {
				one = generation_of(s, &t->relations[m]);
				*max = one > *max ? one : *max;
			}
		}
}

/*
 * Before the writer is told: from here on no answer from before the write is used. It voids what
 * rests on the routes whose relations it may have changed, and on no others. Generations of two
 * stores, or of routes under two configurations, say nothing about each other.
 */
static void on_write(struct sz_store *s, void *arg)
{
	struct sz_gateway *g = arg;
	const struct sz_store_info *info = sz_store_info(s);
	const char *name = g->conf->policy.store;
	u64 now[SZ_REL_SLOTS];
	bool all;
	u32 i;

	if (!name || strcmp(info->name, name) != 0)
		return;
	all = strcmp(info->id, g->relation_store) != 0 || g->relation_reloads != g->stats.reloads;
	newest(g->conf, s, now);
	for (i = 0; i < SZ_REL_SLOTS; i++)
		if (all || now[i] != g->relation_seen[i])
			__atomic_add_fetch(&g->cfg->rel_gen[i], 1, __ATOMIC_SEQ_CST);
	memcpy(g->relation_seen, now, sizeof(now));
	memcpy(g->relation_store, info->id, sizeof(g->relation_store));
	g->relation_reloads = g->stats.reloads;
}

void sz_relations_open(struct sz_gateway *g)
{
	u32 i;

	/* What was remembered under another daemon may rest on what was written since. */
	for (i = 0; i < SZ_REL_SLOTS; i++)
		__atomic_add_fetch(&g->cfg->rel_gen[i], 1, __ATOMIC_SEQ_CST);
	if (g->stores)
		sz_stores_on_write(g->stores, on_write, g);
}

void sz_relations_free(struct sz_gateway *g)
{
	sz_rebac_work_free(g->relation_work);
}

/* ---- how the stores stand ------------------------------------------------------------------- */

void sz_relations_look(const struct sz_gateway *g, struct sz_gateway_view *v)
{
	struct sz_store_info info[SZ_VIEW_STORES];
	struct sz_store *s;
	u32 n, i;

	if (!g->stores)
		return;
	v->stores_bytes = sz_stores_bytes(g->stores);
	n = sz_stores_list(g->stores, "", info, SZ_VIEW_STORES);
	for (i = 0; i < n; i++) {
		struct sz_view_store *to = &v->stores[v->n_stores];

		s = sz_store_get(g->stores, info[i].id);
		if (!s)
			continue; /* deleted meanwhile */
		to->info = info[i];
		sz_store_stats(s, &to->stats);
		sz_store_put(s);
		v->n_stores++;
	}
}

json_t *sz_relations_status(const struct sz_gateway *g)
{
	struct sz_gateway_view *v;
	json_t *ret, *one;
	size_t i;

	if (!g->stores)
		return NULL;
	v = sz_calloc(1, sizeof(*v));
	sz_relations_look(g, v);
	ret = json_pack("{s:I}", "file_bytes", (json_int_t)v->stores_bytes);
	for (i = 0; i < v->n_stores; i++) {
		const struct sz_store_stats *s = &v->stores[i].stats;

		one = json_pack("{s:s, s:I, s:I, s:I, s:I, s:o}", "name", v->stores[i].info.name,
				"tuples", (json_int_t)s->tuples, "models", (json_int_t)s->models,
				"changes", (json_int_t)s->changes, "generation",
				(json_int_t)s->generation, "last_write",
				s->written_ms ? sz_store_time(s->written_ms) : json_null());
		json_object_set_new(ret, v->stores[i].info.id, one);
	}
	free(v);
	return ret;
}

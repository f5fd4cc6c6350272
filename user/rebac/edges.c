/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tuples of the request and of the store seen as one ordered list. A contextual tuple stands in
 * place of the stored one that has the same user, relation and object. A store that fails ends the
 * question.
 */
#include "rebac_priv.h"

#define STOP_STEPS 4096 /* between two looks whether to go on */

static int store_failed(struct sz_rebac_work *w, int err)
{
	w->fatal = sz_rebac_fail(w->e, SZ_REBAC_INTERNAL, "the store of tuples failed: error %d",
				 -err);
	return -EINVAL;
}

/* The first edge of the request's at or behind (key, node). */
static u32 first_local(const struct sz_rebac_work *w, enum sz_rebac_side side, u64 key, u64 node)
{
	const struct local_edge *list = side == SZ_REBAC_BY_OBJECT ? w->by_object : w->by_user;
	u32 i;

	for (i = 0; i < w->n_contextual; i++)
		if (list[i].key > key || (list[i].key == key && list[i].edge.node >= node))
			break;
	return i;
}

int sz_rebac_read(struct sz_rebac_work *w, u64 object, u64 user, u32 *ret_value)
{
	struct sz_rebac_store *s = w->g->store;
	u32 i;
	int err;

	if (w->n_contextual) {
		i = first_local(w, SZ_REBAC_BY_OBJECT, object, user);
		if (i < w->n_contextual && w->by_object[i].key == object &&
		    w->by_object[i].edge.node == user) {
			*ret_value = w->by_object[i].edge.value;
			return 0;
		}
	}
	err = s->ops->read(s, object, user, ret_value);
	return err && err != -ENOENT ? store_failed(w, err) : err;
}

void sz_rebac_edges(struct edges *it, struct sz_rebac_work *w, enum sz_rebac_side side, u64 key,
		    u64 from, u64 to)
{
	it->w = w;
	it->side = side;
	it->key = key;
	it->from = from;
	it->to = to;
	it->i = it->n = it->local = 0;
	it->more = true;
	it->visits = false;
	it->by = 0;
	if (w->n_contextual)
		it->local = first_local(w, side, key, from);
}

/* The objects at the other ends are looked up one after the other soon: all at once is quicker. */
static void look_ahead(const struct edges *it)
{
	struct sz_rebac_store *s = it->w->g->store;
	u64 next[SZ_ARRAY_LEN(it->batch)];
	u32 i;

	if (!it->visits || it->n < 2 || !s->ops->soon)
		return;
	for (i = 0; i < it->n; i++) {
		u64 node = it->batch[i].node;

		next[i] = it->by ? sz_rebac_node_of(SZ_REBAC_TYPE(node), it->by, SZ_REBAC_ID(node))
				 : node;
	}
	s->ops->soon(s, next, it->n);
}

static int refill(struct edges *it)
{
	struct sz_rebac_store *s = it->w->g->store;
	int n = s->ops->scan(s, it->side, it->key, it->from, it->to, it->batch,
			     SZ_ARRAY_LEN(it->batch));

	if (n < 0)
		return store_failed(it->w, n);
	it->i = 0;
	it->n = (u32)n;
	it->more = it->n == SZ_ARRAY_LEN(it->batch) && it->batch[it->n - 1].node < it->to;
	if (it->more)
		it->from = it->batch[it->n - 1].node + 1;
	look_ahead(it);
	return 0;
}

static const struct sz_rebac_edge *next_local(const struct edges *it)
{
	const struct local_edge *list =
		it->side == SZ_REBAC_BY_OBJECT ? it->w->by_object : it->w->by_user;
	const struct local_edge *l = &list[it->local];

	return it->local < it->w->n_contextual && l->key == it->key && l->edge.node <= it->to
		       ? &l->edge
		       : NULL;
}

int sz_rebac_next(struct edges *it, struct sz_rebac_edge *ret)
{
	const struct sz_rebac_edge *local, *stored;

	if (it->i == it->n && it->more && refill(it))
		return -EINVAL;
	stored = it->i < it->n ? &it->batch[it->i] : NULL;
	local = next_local(it);
	if (local && (!stored || local->node <= stored->node)) {
		it->local++;
		it->i += stored && stored->node == local->node;
		*ret = *local;
		return 1;
	}
	if (!stored)
		return 0;
	it->i++;
	*ret = *stored;
	return 1;
}

const struct sz_rebac_value *sz_rebac_value(struct sz_rebac_work *w, u32 value)
{
	struct sz_rebac_store *s = w->g->store;

	return value >= SZ_REBAC_LOCAL ? &w->values[value - SZ_REBAC_LOCAL]
				       : s->ops->value(s, value);
}

bool sz_rebac_step(struct sz_rebac_work *w)
{
	if (w->fatal)
		return false;
	if (w->steps) {
		w->steps--;
		if (w->steps % STOP_STEPS || !w->stop || !w->stop(w->stop_arg))
			return true;
		w->fatal = sz_rebac_fail(w->e, SZ_REBAC_TOO_COMPLEX,
					 "the question took longer than it may");
		return false;
	}
	w->fatal = sz_rebac_fail(w->e, SZ_REBAC_TOO_COMPLEX,
				 "the question needs more than %u steps", w->budget);
	return false;
}

void sz_rebac_nodes_add(struct nodes *s, u64 node)
{
	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 256;
		s->node = sz_realloc(s->node, s->room, sizeof(*s->node));
	}
	s->node[s->n++] = node;
}

bool sz_rebac_nodes_swap(struct sz_rebac_work *w)
{
	struct nodes empty = w->now;

	w->now = w->later;
	w->later = empty;
	w->later.n = 0;
	return w->now.n;
}

int sz_rebac_confirm(struct sz_rebac_work *w, u64 user, u64 object)
{
	enum answer a;
	u32 i, n = 0;

	if (user)
		sz_rebac_set_user(w, user);
	for (i = 0; i < w->found.n; i++) {
		u64 node = w->found.node[i];

		if (!user || w->deep)
			sz_rebac_set_user(w, user ? user : node);
		a = sz_rebac_ask(w, user ? node : object);
		if (a == FAILED)
			return -EINVAL;
		if (a == YES)
			w->found.node[n++] = node;
	}
	w->found.n = n;
	return 0;
}

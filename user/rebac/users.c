/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * All users that have a relation to an object: a walk from the object along definitions and tuples.
 * Where all definitions are unions the walk is the answer; else it finds all who may be one, and
 * each is checked. Of what "but not" takes away only what is taken away from that again can be.
 */
#include <string.h>

#include "rebac_priv.h"

/* What a slot of w->seen says. */
#define SEEN_FOR     1 /* on a way that brings users in */
#define SEEN_AGAINST 2 /* on one that takes them away */
#define SEEN_FOUND   4

/* The filter, as in a node without its id. */
struct filter {
	u32 type, relation;
};

static bool mark(struct sz_rebac_work *w, u64 node, u8 bit)
{
	bool fresh;
	struct slot *s = sz_rebac_table_add(&w->seen, node, &fresh);

	if (s->state & bit)
		return false;
	s->state |= bit;
	return true;
}

/* A list holds a node and what it is for in turn. */
static void go(struct sz_rebac_work *w, struct nodes *list, u64 node, bool against)
{
	if (!mark(w, node, against ? SEEN_AGAINST : SEEN_FOR))
		return;
	sz_rebac_nodes_add(list, node);
	sz_rebac_nodes_add(list, against);
}

static void find_user(struct sz_rebac_work *w, const struct filter *f, u64 node)
{
	if (SZ_REBAC_TYPE(node) == f->type && SZ_REBAC_RELATION(node) == f->relation &&
	    mark(w, node, SEEN_FOUND))
		sz_rebac_nodes_add(&w->found, node);
}

static int expand_this(struct sz_rebac_work *w, const struct filter *f, u64 node,
		       const struct def *d, bool against)
{
	struct sz_rebac_edge edge;
	struct edges it;
	enum answer a;
	int more;

	sz_rebac_edges(&it, w, SZ_REBAC_BY_OBJECT, node, 0, UINT64_MAX);
	while ((more = sz_rebac_next(&it, &edge)) > 0) {
		if (!sz_rebac_step(w))
			return -EINVAL;
		a = sz_rebac_counts(w, d, edge.node, edge.value);
		if (a == NO)
			continue;
		w->doubtful |= a == FAILED;
		if (SZ_REBAC_RELATION(edge.node))
			go(w, &w->later, edge.node, against);
		else if (!against)
			find_user(w, f, edge.node);
	}
	return more;
}

static int expand_ttu(struct sz_rebac_work *w, u64 node, const struct op *op, bool against)
{
	u64 key = sz_rebac_node_of(SZ_REBAC_TYPE(node), op->tupleset, SZ_REBAC_ID(node));
	struct sz_rebac_edge edge;
	struct edges it;
	enum answer a;
	int more;

	sz_rebac_edges(&it, w, SZ_REBAC_BY_OBJECT, key, 0, UINT64_MAX);
	while ((more = sz_rebac_next(&it, &edge)) > 0) {
		if (!sz_rebac_step(w))
			return -EINVAL;
		a = sz_rebac_counts(w, op->def, edge.node, edge.value);
		w->doubtful |= a == FAILED;
		if (a != NO && sz_rebac_def(w->g, SZ_REBAC_TYPE(edge.node), op->relation))
			go(w, &w->later,
			   sz_rebac_node_of(SZ_REBAC_TYPE(edge.node), op->relation,
					    SZ_REBAC_ID(edge.node)),
			   against);
	}
	return more;
}

static int expand_op(struct sz_rebac_work *w, const struct filter *f, u64 node, const struct def *d,
		     const struct op *op, bool against)
{
	u32 i;
	int err = 0;

	switch (op->op) {
	case OP_THIS:
		return expand_this(w, f, node, d, against);
	case OP_COMPUTED:
		go(w, &w->now,
		   sz_rebac_node_of(SZ_REBAC_TYPE(node), op->relation, SZ_REBAC_ID(node)), against);
		return 0;
	case OP_TTU:
		return expand_ttu(w, node, op, against);
	default:
		for (i = 0; i < op->n && !err; i++)
			err = expand_op(w, f, node, d, &op->child[i],
					against ^ (op->op == OP_EXCLUSION && i == 1));
		return err;
	}
}

static int walk(struct sz_rebac_work *w, const struct filter *f)
{
	const struct def *d;
	u32 depth;
	bool against;
	u64 node;
	int err = 0;

	for (depth = 0; !err; depth++) {
		if (depth >= SZ_REBAC_DEPTH_MAX)
			return sz_rebac_fail(w->e, SZ_REBAC_TOO_COMPLEX,
					     "a user is more than %d tuples away from the object",
					     SZ_REBAC_DEPTH_MAX);
		while (w->now.n && !err) {
			against = w->now.node[--w->now.n];
			node = w->now.node[--w->now.n];
			if (!sz_rebac_step(w))
				return -EINVAL;
			if (!against)
				find_user(w, f, node);
			d = sz_rebac_def(w->g, SZ_REBAC_TYPE(node), SZ_REBAC_RELATION(node));
			err = expand_op(w, f, node, d, &d->root, against);
		}
		if (!err && !sz_rebac_nodes_swap(w))
			break;
	}
	return err;
}

static int take_filter(struct sz_rebac_work *w, const char *s, struct filter *ret)
{
	const struct sz_rebac_graph *g = w->g;
	size_t n = strcspn(s, "#");

	ret->type = g->store->ops->find(g->store, SZ_REBAC_TYPES, s, n);
	ret->relation = 0;
	if (!sz_rebac_has_type(g, ret->type))
		return sz_rebac_fail(w->e, SZ_REBAC_TYPE_NOT_FOUND,
				     "the type of '%.300s' is not defined", s);
	if (!s[n])
		return 0;
	ret->relation =
		g->store->ops->find(g->store, SZ_REBAC_RELATIONS, s + n + 1, strlen(s + n + 1));
	if (!sz_rebac_def(g, ret->type, ret->relation))
		return sz_rebac_fail(w->e, SZ_REBAC_RELATION_NOT_FOUND,
				     "'%.300s' is no relation that is defined", s);
	return 0;
}

int sz_rebac_list_users(const struct sz_rebac_graph *g, struct sz_rebac_work *w,
			const struct sz_rebac_request *r, const char *object, const char *relation,
			const char *filter, json_t **ret, struct sz_rebac_error *e)
{
	const struct def *d;
	struct filter f;
	u64 node;
	int err = sz_rebac_begin(w, g, r, e);

	*ret = NULL;
	if (!err)
		err = sz_rebac_take_object(w, object, relation, SZ_REBAC_TYPE_NOT_FOUND,
					   SZ_REBAC_RELATION_NOT_FOUND, &node);
	if (!err)
		err = take_filter(w, filter, &f);
	if (err)
		return err;
	sz_rebac_table_clear(&w->seen);
	go(w, &w->now, node, false);
	err = walk(w, &f);
	d = sz_rebac_def(g, SZ_REBAC_TYPE(node), SZ_REBAC_RELATION(node));
	if (!err && (!d->plain || w->doubtful))
		err = sz_rebac_confirm(w, 0, node);
	if (err)
		return -EINVAL;
	*ret = sz_rebac_names(w, &w->found, 0);
	return 0;
}

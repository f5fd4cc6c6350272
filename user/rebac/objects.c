/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * All objects of a type to which a user has a relation: a walk backwards from the user along the
 * tuples by user, through the definitions that the relation rests on. Where all of them are unions
 * the walk is the answer; else it finds all that may be one, and each is checked.
 */
#include <string.h>

#include "rebac_priv.h"

/* Who is `key` may come to be `to`: by a tuple, by definition, or by a tuple of `via` with it. */
struct rule {
	u32 key; /* type << 16 | relation of the user's side */
	enum rebac_op op;
	const struct def *to, *via;
};

struct rules {
	struct rule *rule;
	u32 n, room;
	u8 *seen; /* by index of the definition */
	const struct def **todo;
	u32 n_todo;
};

static void need(struct rules *r, const struct def *d)
{
	if (!d || r->seen[d->index])
		return;
	r->seen[d->index] = 1;
	r->todo[r->n_todo++] = d;
}

static void add_rule(struct rules *r, u32 type, u32 relation, enum rebac_op op,
		     const struct def *to, const struct def *via)
{
	if (r->n == r->room) {
		r->room = r->room ? 2 * r->room : 64;
		r->rule = sz_realloc(r->rule, r->room, sizeof(*r->rule));
	}
	r->rule[r->n++] = (struct rule){type << 16 | relation, op, to, via};
}

static void add_op(struct rules *r, const struct sz_rebac_graph *g, const struct def *d,
		   const struct op *op)
{
	const struct def *to;
	u32 i;

	if (op->op == OP_THIS) {
		for (i = 0; i < d->n_allow; i++) {
			add_rule(r, d->allow[i].type, d->allow[i].relation, OP_THIS, d, NULL);
			if (d->allow[i].relation)
				need(r, sz_rebac_def(g, d->allow[i].type, d->allow[i].relation));
		}
	} else if (op->op == OP_COMPUTED) {
		add_rule(r, d->type, op->relation, OP_COMPUTED, d, NULL);
		need(r, op->def);
	} else if (op->op == OP_TTU) {
		for (i = 0; i < op->def->n_allow; i++) {
			to = sz_rebac_def(g, op->def->allow[i].type, op->relation);
			if (to)
				add_rule(r, to->type, to->relation, OP_TTU, d, op->def);
			need(r, to);
		}
	}
	/* What is taken away by "but not" brings nobody in. */
	for (i = 0; i < op->n && (i == 0 || op->op != OP_EXCLUSION); i++)
		add_op(r, g, d, &op->child[i]);
}

static int by_key(const void *a, const void *b)
{
	const struct rule *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	if (x->op != y->op)
		return x->op < y->op ? -1 : 1;
	if (x->to != y->to)
		return x->to->index < y->to->index ? -1 : 1;
	return !x->via || x->via == y->via ? 0 : x->via->index < y->via->index ? -1 : 1;
}

static void make_rules(struct rules *r, const struct sz_rebac_graph *g, const struct def *target)
{
	const struct def *d;
	u32 i, n = 0;

	r->seen = sz_calloc(g->n_defs, 1);
	r->todo = sz_calloc(g->n_defs, sizeof(*r->todo));
	need(r, target);
	while (r->n_todo) {
		d = r->todo[--r->n_todo];
		add_op(r, g, d, &d->root);
	}
	if (r->n)
		qsort(r->rule, r->n, sizeof(*r->rule), by_key);
	for (i = 0; i < r->n; i++)
		if (!n || by_key(&r->rule[i], &r->rule[n - 1]))
			r->rule[n++] = r->rule[i];
	r->n = n;
}

static void free_rules(struct rules *r)
{
	free(r->rule);
	free(r->seen);
	free(r->todo);
}

/* ---- the walk ------------------------------------------------------------------------------- */

static void reach(struct sz_rebac_work *w, struct nodes *list, u64 node, const struct def *target)
{
	bool fresh;

	sz_rebac_table_add(&w->seen, node, &fresh);
	if (!fresh)
		return;
	sz_rebac_nodes_add(list, node);
	if (SZ_REBAC_TYPE(node) == target->type && SZ_REBAC_RELATION(node) == target->relation)
		sz_rebac_nodes_add(&w->found, node);
}

/* Objects that have `user` in a tuple of `by`, as members of `to`. */
static int follow(struct sz_rebac_work *w, u64 user, const struct def *by, const struct def *to,
		  const struct def *target)
{
	u64 from = sz_rebac_node_of(by->type, by->relation, 0);
	struct sz_rebac_edge edge;
	struct edges it;
	enum answer a;
	int more;

	sz_rebac_edges(&it, w, SZ_REBAC_BY_USER, user, from, from | 0xffffffff);
	while ((more = sz_rebac_next(&it, &edge)) > 0) {
		if (!sz_rebac_step(w))
			return -EINVAL;
		a = sz_rebac_counts(w, by, user, edge.value);
		if (a == NO)
			continue;
		w->doubtful |= a == FAILED;
		reach(w, &w->later,
		      sz_rebac_node_of(to->type, to->relation, SZ_REBAC_ID(edge.node)), target);
	}
	return more;
}

static int step_back(struct sz_rebac_work *w, const struct rules *r, u64 node,
		     const struct def *target)
{
	u32 key = (u32)(node >> 32), low = 0, n = r->n;
	u64 plain = sz_rebac_node_of(SZ_REBAC_TYPE(node), 0, SZ_REBAC_ID(node));
	const struct rule *rule;
	int err = 0;

	while (n) {
		u32 half = n / 2;

		if (r->rule[low + half].key < key) {
			low += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	for (; low < r->n && r->rule[low].key == key && !err; low++) {
		rule = &r->rule[low];
		if (rule->op == OP_COMPUTED)
			reach(w, &w->now,
			      sz_rebac_node_of(rule->to->type, rule->to->relation,
					       SZ_REBAC_ID(node)),
			      target);
		else if (rule->op == OP_THIS)
			err = follow(w, node, rule->to, rule->to, target);
		else
			err = follow(w, plain, rule->via, rule->to, target);
	}
	return err;
}

static int walk(struct sz_rebac_work *w, const struct rules *r, const struct def *target)
{
	u32 depth;
	int err = 0;

	for (depth = 0; w->now.n; depth++) {
		/* A check would give up here; let it say so of what was found. */
		if (depth > SZ_REBAC_DEPTH_MAX)
			w->doubtful = w->deep = true;
		while (w->now.n && !err) {
			if (!sz_rebac_step(w))
				return -EINVAL;
			err = step_back(w, r, w->now.node[--w->now.n], target);
		}
		if (err || !sz_rebac_nodes_swap(w))
			break;
	}
	return err;
}

int sz_rebac_list_objects(const struct sz_rebac_graph *g, struct sz_rebac_work *w,
			  const struct sz_rebac_request *r, const char *user, const char *relation,
			  const char *type, u32 max, json_t **ret, struct sz_rebac_error *e)
{
	struct sz_rebac_store *s = g->store;
	u32 t = s->ops->find(s, SZ_REBAC_TYPES, type, strlen(type));
	u32 of = s->ops->find(s, SZ_REBAC_RELATIONS, relation, strlen(relation));
	const struct def *target = sz_rebac_def(g, t, of);
	struct rules rules = {0};
	u64 who;
	int err = sz_rebac_begin(w, g, r, e);

	*ret = NULL;
	if (err)
		return err;
	if (!sz_rebac_has_type(g, t))
		return sz_rebac_fail(e, SZ_REBAC_TYPE_NOT_FOUND, "type '%.254s' is not defined",
				     type);
	if (!target)
		return sz_rebac_fail(e, SZ_REBAC_RELATION_NOT_FOUND,
				     "type '%.254s' has no relation '%.50s'", type, relation);
	if (sz_rebac_take_user(w, user, &who))
		return -EINVAL;
	sz_rebac_set_user(w, who);
	sz_rebac_table_clear(&w->seen);
	reach(w, &w->now, who, target);
	if (w->wildcard)
		reach(w, &w->now, w->wildcard, target);
	make_rules(&rules, g, target);
	err = walk(w, &rules, target);
	free_rules(&rules);
	if (!err && (!target->plain || w->doubtful))
		err = sz_rebac_confirm(w, who, 0);
	if (err)
		return -EINVAL;
	for (of = 0; of < w->found.n; of++)
		w->found.node[of] &= ~(0xffffull << 32); /* the object alone */
	*ret = sz_rebac_names(w, &w->found, max);
	return 0;
}

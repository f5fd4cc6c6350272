/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A model over a store: names become the store's numbers, each definition a tree that is walked
 * without looking anything up by name. Made once; read-only then.
 */
#include <string.h>

#include "rebac_priv.h"

static u32 intern(struct sz_rebac_graph *g, enum sz_rebac_kind kind, const char *name)
{
	return g->store->ops->intern(g->store, kind, name, strlen(name));
}

/* Makes list[id] a number of its own, counted from 1. */
static int add_index(u16 **list, u32 *n, u32 *count, u32 id)
{
	if (!id)
		return -ENOSPC;
	if (id >= *n) {
		*list = sz_realloc(*list, id + 1, sizeof(**list));
		memset(*list + *n, 0, (id + 1 - *n) * sizeof(**list));
		*n = id + 1;
	}
	if (!(*list)[id])
		(*list)[id] = (u16)++ * count;
	return 0;
}

static int add_names(struct sz_rebac_graph *g)
{
	const struct condition *c;
	const struct relation *r;
	const struct type *t;
	int err = 0;

	for (t = g->model->types; t && !err; t = t->next) {
		err = add_index(&g->type_row, &g->type_row_n, &g->n_types,
				intern(g, SZ_REBAC_TYPES, t->name));
		for (r = t->relations; r && !err; r = r->next, g->n_defs++)
			err = add_index(&g->relation_column, &g->relation_column_n, &g->n_relations,
					intern(g, SZ_REBAC_RELATIONS, r->name));
	}
	for (c = g->model->conditions; c && !err; c = c->next)
		if (!intern(g, SZ_REBAC_CONDITIONS, c->name))
			err = -ENOSPC;
	return err;
}

static const struct def **cell(const struct sz_rebac_graph *g, u32 type, u32 relation)
{
	u32 row = type < g->type_row_n ? g->type_row[type] : 0;
	u32 column = relation < g->relation_column_n ? g->relation_column[relation] : 0;

	return row && column ? &g->at[(row - 1) * g->n_relations + column - 1] : NULL;
}

const struct def *sz_rebac_def(const struct sz_rebac_graph *g, u32 type, u32 relation)
{
	const struct def **at = cell(g, type, relation);

	return at ? *at : NULL;
}

bool sz_rebac_has_type(const struct sz_rebac_graph *g, u32 type)
{
	return type < g->type_row_n && g->type_row[type];
}

const struct allow *sz_rebac_allowed(const struct def *d, u64 user, u32 condition)
{
	u32 type = SZ_REBAC_TYPE(user), relation = SZ_REBAC_RELATION(user), i;
	bool wildcard = SZ_REBAC_ID(user) == SZ_REBAC_WILDCARD;

	for (i = 0; i < d->n_allow; i++) {
		const struct allow *a = &d->allow[i];

		if (a->type == type && a->relation == relation && a->wildcard == wildcard &&
		    a->condition == condition)
			return a;
	}
	return NULL;
}

/* ---- definitions ---------------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
	const u32 *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void build_allow(struct sz_rebac_graph *g, struct def *d)
{
	const struct ref *ref;
	u32 i, n = 0;

	for (ref = d->source->refs; ref; ref = ref->next)
		n++;
	d->allow = sz_cel_alloc(&g->arena, (n + 1) * sizeof(*d->allow));
	d->usersets = sz_cel_alloc(&g->arena, (n + 1) * sizeof(*d->usersets));
	for (ref = d->source->refs; ref; ref = ref->next) {
		struct allow *a = &d->allow[d->n_allow++];

		a->type = (u16)intern(g, SZ_REBAC_TYPES, ref->type);
		a->relation = ref->relation ? (u16)intern(g, SZ_REBAC_RELATIONS, ref->relation) : 0;
		a->wildcard = ref->wildcard;
		if (ref->condition) {
			a->condition = intern(g, SZ_REBAC_CONDITIONS, ref->condition);
			a->c = sz_rebac_condition(g->model, ref->condition);
		}
		if (a->relation)
			d->usersets[d->n_usersets++] = (u32)a->type << 16 | a->relation;
	}
	qsort(d->usersets, d->n_usersets, sizeof(*d->usersets), by_number);
	for (i = n = 0; i < d->n_usersets; i++)
		if (!i || d->usersets[i] != d->usersets[i - 1])
			d->usersets[n++] = d->usersets[i];
	d->n_usersets = n;
}

static void build_op(struct sz_rebac_graph *g, const struct def *d, const struct rewrite *w,
		     struct op *op)
{
	const struct rewrite *c;
	struct op *child;

	op->op = w->op;
	if (w->op == OP_COMPUTED || w->op == OP_TTU)
		op->relation = (u16)intern(g, SZ_REBAC_RELATIONS, w->relation);
	if (w->op == OP_COMPUTED)
		op->def = sz_rebac_def(g, d->type, op->relation);
	if (w->op == OP_TTU) {
		op->tupleset = (u16)intern(g, SZ_REBAC_RELATIONS, w->tupleset);
		op->def = sz_rebac_def(g, d->type, op->tupleset);
	}
	for (c = w->first; c; c = c->next)
		op->n++;
	child = sz_cel_alloc(&g->arena, op->n * sizeof(*child));
	op->child = child;
	for (c = w->first; c; c = c->next)
		build_op(g, d, c, child++);
}

static bool op_plain(const struct sz_rebac_graph *g, const struct op *op)
{
	const struct def *to;
	u32 i;

	if (op->op == OP_INTERSECTION || op->op == OP_EXCLUSION)
		return false;
	if (op->op == OP_COMPUTED)
		return op->def->plain;
	for (i = 0; op->op == OP_TTU && i < op->def->n_allow; i++) {
		to = sz_rebac_def(g, op->def->allow[i].type, op->relation);
		if (to && !to->plain)
			return false;
	}
	for (i = 0; i < op->n; i++)
		if (!op_plain(g, &op->child[i]))
			return false;
	return true;
}

static bool def_plain(const struct sz_rebac_graph *g, const struct def *d)
{
	u32 i;

	for (i = 0; i < d->n_usersets; i++)
		if (!sz_rebac_def(g, d->usersets[i] >> 16, d->usersets[i] & 0xffff)->plain)
			return false;
	return op_plain(g, &d->root);
}

/* Plain until something it leads to is not. */
static void find_plain(struct sz_rebac_graph *g)
{
	bool more = true;
	u32 i;

	for (i = 0; i < g->n_defs; i++)
		g->defs[i].plain = true;
	while (more) {
		more = false;
		for (i = 0; i < g->n_defs; i++)
			if (g->defs[i].plain && !def_plain(g, &g->defs[i])) {
				g->defs[i].plain = false;
				more = true;
			}
	}
}

static void build(struct sz_rebac_graph *g)
{
	const struct relation *r;
	const struct type *t;
	struct def *d = g->defs;

	for (t = g->model->types; t; t = t->next)
		for (r = t->relations; r; r = r->next, d++) {
			d->type = (u16)intern(g, SZ_REBAC_TYPES, t->name);
			d->relation = (u16)intern(g, SZ_REBAC_RELATIONS, r->name);
			d->source = r;
			d->index = (u32)(d - g->defs);
			*cell(g, d->type, d->relation) = d;
		}
	for (d = g->defs; d < g->defs + g->n_defs; d++) {
		build_allow(g, d);
		build_op(g, d, d->source->rewrite, &d->root);
		d->leaf = d->root.op == OP_THIS && !d->n_usersets;
	}
	find_plain(g);
}

int sz_rebac_graph_new(const struct sz_rebac_model *m, struct sz_rebac_store *s,
		       struct sz_rebac_graph **ret, struct sz_rebac_error *e)
{
	struct sz_rebac_graph *g = sz_calloc(1, sizeof(*g));

	*ret = NULL;
	g->model = m;
	g->store = s;
	sz_cel_arena_init(&g->arena, SIZE_MAX); /* bounded by the model */
	if (add_names(g)) {
		sz_rebac_graph_free(g);
		sz_rebac_fail(e, SZ_REBAC_INTERNAL, "the store has no number left for a name");
		return -ENOSPC;
	}
	g->at = sz_cel_alloc(&g->arena, (size_t)g->n_types * g->n_relations * sizeof(*g->at));
	g->defs = sz_cel_alloc(&g->arena, g->n_defs * sizeof(*g->defs));
	build(g);
	*ret = g;
	return 0;
}

void sz_rebac_graph_free(struct sz_rebac_graph *g)
{
	if (!g)
		return;
	free(g->type_row);
	free(g->relation_column);
	sz_cel_arena_done(&g->arena);
	free(g);
}

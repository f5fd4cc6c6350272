/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The comprehensions, cel.bind() and the two macros of optionals: what binds a variable and
 * evaluates a body with it. Of a map, the first variable is the key; of a list with two variables
 * it is the position. Called by the evaluator.
 */
#include "cel_priv.h"

struct loop {
	struct run *r;
	const struct node *n;
	struct sz_cel_value range, unknown, error;
};

/* Binds the variables to element i. */
static void bind(struct loop *l, u32 i)
{
	struct sz_cel_value *v = &l->r->locals[l->n->slot];
	bool two = l->n->flags & N_TWO_VARS;

	if (l->range.type == SZ_CEL_LIST) {
		v[0] = two ? sz_cel_int(i) : l->range.list[i];
		if (two)
			v[1] = l->range.list[i];
	} else {
		v[0] = l->range.map->e[i].key;
		if (two)
			v[1] = l->range.map->e[i].value;
	}
}

/* Evaluates a predicate to a bool, an error or unknown. */
static void predicate(struct loop *l, u32 kid, struct sz_cel_value *ret)
{
	const struct node *n = kid_of(l->r->p, l->n, kid);

	sz_cel_run(l->r, n, ret);
	if (ret->type == SZ_CEL_BOOL || is_bad(ret))
		return;
	l->r->pos = n->pos;
	sz_cel_error(l->r, ret, "a predicate must be bool, not %s", sz_cel_type_label(ret));
}

/* all() and exists(): as && and || of the predicates. */
static void run_quantifier(struct loop *l, bool decides, struct sz_cel_value *ret)
{
	struct sz_cel_value x;
	u32 i;

	for (i = 0; i < l->range.n && !l->r->stop; i++) {
		bind(l, i);
		predicate(l, 1, &x);
		if (x.type == SZ_CEL_UNKNOWN) {
			sz_cel_unknown_merge(l->r, &x, &l->unknown);
		} else if (x.type == SZ_CEL_ERROR) {
			if (l->error.type != SZ_CEL_ERROR)
				l->error = x;
		} else if (x.b == decides) {
			*ret = x;
			return;
		}
	}
	*ret = l->unknown.type == SZ_CEL_UNKNOWN ? l->unknown
	       : l->error.type == SZ_CEL_ERROR   ? l->error
						 : sz_cel_bool(!decides);
}

static void run_exists_one(struct loop *l, struct sz_cel_value *ret)
{
	struct sz_cel_value x;
	u32 i, count = 0;

	for (i = 0; i < l->range.n && !l->r->stop; i++) {
		bind(l, i);
		predicate(l, 1, &x);
		if (x.type == SZ_CEL_ERROR) {
			*ret = x;
			return;
		}
		if (x.type == SZ_CEL_UNKNOWN)
			sz_cel_unknown_merge(l->r, &x, &l->unknown);
		else
			count += x.b;
	}
	*ret = l->unknown.type == SZ_CEL_UNKNOWN ? l->unknown : sz_cel_bool(count == 1);
}

/* Whether element i passes the filter; false also for an error, which is in l->error. */
static bool passes(struct loop *l, u32 kid, u32 n_kids, struct sz_cel_value *x)
{
	if (l->n->n < n_kids)
		return true;
	predicate(l, kid, x);
	if (x->type == SZ_CEL_ERROR)
		l->error = *x;
	else if (x->type == SZ_CEL_UNKNOWN)
		sz_cel_unknown_merge(l->r, x, &l->unknown);
	else
		return x->b;
	return false;
}

static void run_list(struct loop *l, struct sz_cel_value *ret)
{
	struct sz_cel_value *out = sz_cel_take(l->r, l->range.n * sizeof(*out)), x;
	bool filter = l->n->op == OP_FILTER;
	u32 i, count = 0;

	for (i = 0; i < l->range.n && !l->r->stop; i++) {
		bind(l, i);
		if (!passes(l, filter ? 1 : 2, filter ? 2 : 3, &x)) {
			if (l->error.type == SZ_CEL_ERROR)
				break;
			continue;
		}
		if (filter)
			x = l->r->locals[l->n->slot];
		else
			sz_cel_run(l->r, kid_of(l->r->p, l->n, 1), &x);
		if (x.type == SZ_CEL_ERROR) {
			l->error = x;
			break;
		}
		if (x.type == SZ_CEL_UNKNOWN)
			sz_cel_unknown_merge(l->r, &x, &l->unknown);
		else
			out[count++] = x;
	}
	if (l->r->stop)
		return;
	*ret = l->error.type == SZ_CEL_ERROR       ? l->error
	       : l->unknown.type == SZ_CEL_UNKNOWN ? l->unknown
						   : sz_cel_list(out, count);
}

/* The entry that the body makes of this element; false ends the loop. */
static bool transform(struct loop *l, struct entry *e)
{
	struct sz_cel_value x;

	sz_cel_run(l->r, kid_of(l->r->p, l->n, 1), &x);
	if (l->n->op == OP_MAP_ENTRY && !is_bad(&x)) {
		if (x.type != SZ_CEL_MAP || x.n != 1) {
			l->r->pos = kid_of(l->r->p, l->n, 1)->pos;
			sz_cel_error(l->r, &l->error, "transformMapEntry() needs a map of one");
			return false;
		}
		*e = x.map->e[0];
		x = e->value;
	} else {
		e->key = l->range.type == SZ_CEL_LIST ? sz_cel_int(l->r->locals[l->n->slot].i)
						      : l->r->locals[l->n->slot];
		e->value = x;
	}
	if (x.type == SZ_CEL_ERROR)
		l->error = x;
	else if (x.type == SZ_CEL_UNKNOWN)
		sz_cel_unknown_merge(l->r, &x, &l->unknown);
	return x.type != SZ_CEL_ERROR;
}

static void run_map(struct loop *l, struct sz_cel_value *ret)
{
	struct sz_cel_map *m = sz_cel_map_room(l->r->arena, l->range.n);
	struct sz_cel_value x;
	bool partial = false;
	u32 i, twice = 0;
	int err;

	if (!m)
		l->r->stop = "the budget of memory is used up";
	for (i = 0; i < l->range.n && !l->r->stop && l->error.type != SZ_CEL_ERROR; i++) {
		bind(l, i);
		if (passes(l, 2, 3, &x) && transform(l, &m->e[m->n]))
			partial |= is_partial(&m->e[m->n++].value);
	}
	if (l->r->stop)
		return;
	if (l->error.type == SZ_CEL_ERROR || l->unknown.type == SZ_CEL_UNKNOWN) {
		*ret = l->error.type == SZ_CEL_ERROR ? l->error : l->unknown;
		return;
	}
	err = sz_cel_map_seal(l->r->arena, m, &twice);
	l->r->pos = l->n->pos;
	if (err == -ENOMEM)
		l->r->stop = "the budget of memory is used up";
	else if (err)
		sz_cel_error(l->r, ret, "the same key twice in a map");
	else
		*ret = (struct sz_cel_value){
			.type = SZ_CEL_MAP, .partial = partial, .n = m->n, .map = m};
}

static void run_optional(struct loop *l, struct sz_cel_value *ret)
{
	bool flat = l->n->op == OP_OPT_FLAT_MAP;
	struct sz_cel_value x;

	l->r->pos = l->n->pos;
	if (l->range.type != SZ_CEL_OPTIONAL) {
		sz_cel_no_overload(l->r, flat ? "optFlatMap" : "optMap", &l->range, 1, ret);
		return;
	}
	if (!l->range.opt) {
		*ret = l->range;
		return;
	}
	l->r->locals[l->n->slot] = *l->range.opt;
	sz_cel_run(l->r, kid_of(l->r->p, l->n, 1), &x);
	l->r->pos = l->n->pos;
	if (is_bad(&x) || (flat && x.type == SZ_CEL_OPTIONAL))
		*ret = x;
	else if (flat)
		sz_cel_error(l->r, ret, "the body of optFlatMap() must be optional");
	else
		sz_cel_optional(l->r, &x, ret);
}

static void run_loop(struct loop *l, struct sz_cel_value *ret)
{
	if (is_bad(&l->range)) {
		*ret = l->range;
		sz_cel_unknown_use(l->r, ret);
		return;
	}
	if (l->n->op == OP_OPT_MAP || l->n->op == OP_OPT_FLAT_MAP) {
		run_optional(l, ret);
		return;
	}
	if (l->range.type != SZ_CEL_LIST && l->range.type != SZ_CEL_MAP) {
		l->r->pos = l->n->pos;
		sz_cel_error(l->r, ret, "a value of type %s has no elements",
			     sz_cel_type_label(&l->range));
		return;
	}
	switch ((enum op)l->n->op) {
	case OP_ALL:
	case OP_EXISTS:
		run_quantifier(l, l->n->op == OP_EXISTS, ret);
		return;
	case OP_EXISTS_ONE:
		run_exists_one(l, ret);
		return;
	case OP_MAP_LIST:
	case OP_FILTER:
		run_list(l, ret);
		return;
	default:
		run_map(l, ret);
	}
}

void sz_cel_comprehend(struct run *r, const struct node *n, struct sz_cel_value *ret)
{
	struct loop l = {.r = r, .n = n};

	sz_cel_run(r, kid_of(r->p, n, 0), &l.range);
	if (n->op == OP_BIND) {
		r->locals[n->slot] = l.range;
		sz_cel_run(r, kid_of(r->p, n, 1), ret);
		return;
	}
	run_loop(&l, ret);
}

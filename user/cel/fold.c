/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What can be computed once is computed when the expression is compiled: constant subexpressions,
 * branches that are never taken, patterns. Called last. An error is left where it is, to happen
 * when it is reached, unless the caller asked for checking and it is a pattern.
 */
#include "cel_priv.h"

#define FOLD_STEPS  10000   /* for one subexpression */
#define TOTAL_STEPS 1000000 /* for all of them */
#define FOLD_BYTES  65536

struct fold {
	struct sz_cel_program *p;
	struct sz_cel_arena scratch;
	struct sz_cel_value locals[SZ_CEL_LOCALS_MAX];
	u64 steps;
};

/* What a subexpression needs from outside: nothing, where var is false and low is no slot. */
struct needs {
	bool var;
	u32 low; /* lowest local variable */
};

/* ---- copies into the program ---------------------------------------------------------------- */

static bool copy(struct sz_cel_arena *a, struct sz_cel_value *v);

static bool copy_list(struct sz_cel_arena *a, struct sz_cel_value *v)
{
	struct sz_cel_value *e = sz_cel_alloc(a, v->n * sizeof(*e));
	u32 i;

	if (!e)
		return false;
	for (i = 0; i < v->n; i++) {
		e[i] = v->list[i];
		if (!copy(a, &e[i]))
			return false;
	}
	v->list = e;
	return true;
}

static bool copy_map(struct sz_cel_arena *a, struct sz_cel_value *v)
{
	struct sz_cel_map *m = sz_cel_map_room(a, v->n);
	u32 i, twice;

	if (!m)
		return false;
	for (i = 0; i < v->n; i++) {
		m->e[i] = v->map->e[i];
		if (!copy(a, &m->e[i].key) || !copy(a, &m->e[i].value))
			return false;
	}
	m->n = v->n;
	v->map = m;
	return !sz_cel_map_seal(a, m, &twice);
}

static bool copy_bytes(struct sz_cel_arena *a, const void *from, size_t n, const void **ret)
{
	void *p = sz_cel_alloc(a, n);

	if (p && n)
		memcpy(p, from, n);
	*ret = p;
	return p;
}

static bool copy(struct sz_cel_arena *a, struct sz_cel_value *v)
{
	const void *p;

	switch (v->type) {
	case SZ_CEL_STRING:
	case SZ_CEL_BYTES:
		if (!copy_bytes(a, v->s, v->n, &p))
			return false;
		v->s = p;
		return true;
	case SZ_CEL_LIST:
		return copy_list(a, v);
	case SZ_CEL_MAP:
		return copy_map(a, v);
	case SZ_CEL_OPTIONAL:
		if (!v->opt)
			return true;
		if (!copy_bytes(a, v->opt, sizeof(*v->opt), &p))
			return false;
		v->opt = p;
		return copy(a, (struct sz_cel_value *)p);
	case SZ_CEL_IP:
	case SZ_CEL_CIDR:
		if (!copy_bytes(a, v->net, sizeof(*v->net), &p))
			return false;
		v->net = p;
		return true;
	default:
		return true;
	}
}

/* ---- folding -------------------------------------------------------------------------------- */

static bool evaluate(struct fold *f, struct node *n)
{
	struct sz_cel_value v;
	struct run r = {
		.p = f->p,
		.locals = f->locals,
		.arena = &f->scratch,
		.steps = f->steps < FOLD_STEPS ? f->steps : FOLD_STEPS,
	};
	u64 begin = r.steps;

	sz_cel_arena_reset(&f->scratch);
	sz_cel_run(&r, n, &v);
	f->steps -= begin - r.steps;
	if (r.stop || is_bad(&v) || !copy(&f->p->arena, &v))
		return false;
	n->op = OP_CONST;
	n->n = 0;
	n->value = v;
	return true;
}

static bool is_const_bool(const struct node *n, bool b)
{
	return n->op == OP_CONST && n->value.type == SZ_CEL_BOOL && n->value.b == b;
}

/* A condition that is known leaves one branch; one operand may decide && and ||. */
static bool decide(struct fold *f, struct node *n)
{
	const struct node *kid;
	u32 i, pos = n->pos;

	if (n->op == OP_COND) {
		kid = kid_of(f->p, n, 0);
		if (!is_const_bool(kid, true) && !is_const_bool(kid, false))
			return false;
		*n = *kid_of(f->p, n, kid->value.b ? 1 : 2);
		return true;
	}
	if (n->op != OP_AND && n->op != OP_OR)
		return false;
	for (i = 0; i < n->n; i++) {
		kid = kid_of(f->p, n, i);
		if (is_const_bool(kid, n->op == OP_OR)) {
			*n = *kid;
			n->pos = pos;
			return true;
		}
	}
	return false;
}

static struct needs fold(struct fold *f, u32 index)
{
	struct node *n = &f->p->nodes[index];
	struct needs all = {n->op == OP_VAR || n->op == OP_IDENT, UINT32_MAX}, one;
	u32 i;

	if (n->op == OP_LOCAL)
		all.low = n->slot;
	for (i = 0; i < n->n; i++) {
		one = fold(f, n->kid[i] & KID_INDEX);
		all.var |= one.var;
		if (one.low < all.low && (n->op < OP_ALL || one.low < n->slot))
			all.low = one.low;
	}
	if (n->op == OP_CONST || decide(f, n))
		return all;
	if (!all.var && all.low == UINT32_MAX && !evaluate(f, n))
		all.var = true; /* an error: what needs it is left alone too */
	return all;
}

/* ---- patterns ------------------------------------------------------------------------------- */

static int compile_patterns(struct sz_cel_program *p, struct sz_cel_error *e)
{
	const struct node *pattern;
	const char *why;
	u32 i;

	for (i = 1; i < p->n_nodes; i++) {
		struct node *n = &p->nodes[i];

		if (n->op != OP_CALL || !n->fn || !(n->fn->flags & F_REGEX) || n->n != 2)
			continue;
		pattern = kid_of(p, n, 1);
		if (pattern->op != OP_CONST || pattern->value.type != SZ_CEL_STRING)
			continue;
		if (!sz_cel_regex(&p->arena, pattern->value.s, pattern->value.n, &n->re, &why))
			continue;
		n->re = NULL;
		if (e)
			return sz_cel_fail(e, pattern->pos, "the pattern is wrong: %s", why);
	}
	return 0;
}

int sz_cel_fold(struct sz_cel_program *p, struct sz_cel_error *e)
{
	struct fold *f = sz_calloc(1, sizeof(*f));

	f->p = p;
	f->steps = TOTAL_STEPS;
	sz_cel_arena_init(&f->scratch, FOLD_BYTES);
	fold(f, p->root);
	sz_cel_arena_done(&f->scratch);
	free(f);
	return compile_patterns(p, e);
}

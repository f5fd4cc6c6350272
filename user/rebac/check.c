/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Has this user that relation to that object? A walk from the object along the definitions and the
 * tuples until the user is met. Called by the questions; never answers yes where it could not find
 * out.
 *
 * A node that is met again while it is being worked on is a cycle: it counts as no there, and "but
 * not" does not take that for an answer (as in OpenFGA). What was found below such a node holds
 * only while that node is still being worked on, so each result says on which frames it rests:
 * `low` is the outermost, `root` the innermost in terms of their roots. The root of a frame is the
 * outermost frame that is true as soon as this one is, since only unions are in between; while a
 * root is worked on, none of its frames has turned out true, and results that rest on them hold.
 * So each node of a union is worked on once, however the tuples run in circles.
 */
#include "rebac_priv.h"

#define NONE 0xffff

struct outcome {
	enum answer answer;
	u16 low, root; /* low NONE: it rests on nothing */
};

/* What one operand of a union has found, added to the others'. */
static void join(struct outcome *to, const struct outcome *o)
{
	if (o->answer == FAILED || (o->answer == CYCLE && to->answer == NO))
		to->answer = o->answer;
	if (o->low == NONE)
		return;
	to->root = to->low == NONE || o->root > to->root ? o->root : to->root;
	to->low = o->low < to->low ? o->low : to->low;
}

static struct outcome settled(enum answer a)
{
	return (struct outcome){.answer = a, .low = NONE};
}

enum answer sz_rebac_counts(struct sz_rebac_work *w, const struct def *d, u64 user, u32 value)
{
	static const struct sz_rebac_value none;
	const struct sz_rebac_value *v = value ? sz_rebac_value(w, value) : &none;
	const struct allow *a = sz_rebac_allowed(d, user, v->condition);
	bool met;

	if (!a)
		return NO;
	if (!a->c)
		return YES;
	if (sz_rebac_condition_eval(a->c, v->context, w->context, &w->arena, &met, w->e))
		return FAILED;
	return met ? YES : NO;
}

/* ---- tuples of the relation itself ---------------------------------------------------------- */

static bool takes(const struct def *d, u64 user)
{
	u32 type = SZ_REBAC_TYPE(user), relation = SZ_REBAC_RELATION(user), i;
	bool wildcard = SZ_REBAC_ID(user) == SZ_REBAC_WILDCARD;

	for (i = 0; i < d->n_allow; i++)
		if (d->allow[i].type == type && d->allow[i].relation == relation &&
		    d->allow[i].wildcard == wildcard)
			return true;
	return false;
}

static enum answer exact(struct sz_rebac_work *w, u64 node, const struct def *d, u64 user)
{
	u32 value;
	int err;

	if (!takes(d, user))
		return NO;
	err = sz_rebac_read(w, node, user, &value);
	if (err)
		return err == -ENOENT ? NO : FAILED;
	return sz_rebac_counts(w, d, user, value);
}

/* The user, or all of its type. */
static enum answer direct(struct sz_rebac_work *w, u64 node, const struct def *d)
{
	enum answer a = exact(w, node, d, w->user), all;

	if (a == YES || !w->wildcard)
		return a;
	all = exact(w, node, d, w->wildcard);
	return all == NO ? a : all;
}

/* ---- the walk ------------------------------------------------------------------------------- */

static struct outcome visit(struct sz_rebac_work *w, u64 node, const struct def *d, u32 depth,
			    u16 root);

static struct outcome usersets(struct sz_rebac_work *w, u64 node, const struct def *d, u32 depth,
			       u16 root)
{
	struct outcome all = settled(NO), one;
	struct sz_rebac_edge edge;
	const struct def *to;
	struct edges it;
	u32 i;
	int more = 0;

	for (i = 0; i < d->n_usersets; i++) {
		u64 from = (u64)d->usersets[i] << 32;

		to = sz_rebac_def(w->g, d->usersets[i] >> 16, d->usersets[i] & 0xffff);
		sz_rebac_edges(&it, w, SZ_REBAC_BY_OBJECT, node, from, from | 0xffffffff);
		it.visits = true;
		while ((more = sz_rebac_next(&it, &edge)) > 0) {
			one = settled(sz_rebac_counts(w, d, edge.node, edge.value));
			if (one.answer == YES)
				one = visit(w, edge.node, to, depth + 1, root);
			if (one.answer == YES || w->fatal)
				return one;
			join(&all, &one);
		}
		if (more < 0)
			return settled(FAILED);
	}
	return all;
}

static struct outcome from_parents(struct sz_rebac_work *w, u64 node, const struct op *op,
				   u32 depth, u16 root)
{
	u64 key = sz_rebac_node_of(SZ_REBAC_TYPE(node), op->tupleset, SZ_REBAC_ID(node));
	struct outcome all = settled(NO), one;
	struct sz_rebac_edge edge;
	const struct def *to;
	struct edges it;
	int more;

	sz_rebac_edges(&it, w, SZ_REBAC_BY_OBJECT, key, 0, UINT64_MAX);
	it.visits = true;
	it.by = op->relation;
	while ((more = sz_rebac_next(&it, &edge)) > 0) {
		to = sz_rebac_def(w->g, SZ_REBAC_TYPE(edge.node), op->relation);
		if (!to)
			continue;
		one = settled(sz_rebac_counts(w, op->def, edge.node, edge.value));
		if (one.answer == YES)
			one = visit(w,
				    sz_rebac_node_of(SZ_REBAC_TYPE(edge.node), op->relation,
						     SZ_REBAC_ID(edge.node)),
				    to, depth + 1, root);
		if (one.answer == YES || w->fatal)
			return one;
		join(&all, &one);
	}
	return more < 0 ? settled(FAILED) : all;
}

static struct outcome run(struct sz_rebac_work *w, u64 node, const struct def *d,
			  const struct op *op, u32 depth, u16 root);

static struct outcome run_union(struct sz_rebac_work *w, u64 node, const struct def *d,
				const struct op *op, u32 depth, u16 root)
{
	struct outcome all = settled(NO), one;
	u32 i;

	for (i = 0; i < op->n; i++) {
		one = run(w, node, d, &op->child[i], depth, root);
		if (one.answer == YES || w->fatal)
			return one;
		join(&all, &one);
	}
	return all;
}

/* An operand that says no decides, also where another one failed. */
static struct outcome run_intersection(struct sz_rebac_work *w, u64 node, const struct def *d,
				       const struct op *op, u32 depth)
{
	struct outcome all = settled(YES), one;
	u32 i;

	for (i = 0; i < op->n; i++) {
		one = run(w, node, d, &op->child[i], depth, NONE);
		if (one.answer == NO || one.answer == CYCLE || w->fatal)
			return one;
		if (one.answer == FAILED)
			join(&all, &one);
	}
	return all;
}

static struct outcome run_exclusion(struct sz_rebac_work *w, u64 node, const struct def *d,
				    const struct op *op, u32 depth)
{
	struct outcome base = run(w, node, d, &op->child[0], depth, NONE), but;

	if (base.answer == NO || base.answer == CYCLE || w->fatal)
		return base;
	but = run(w, node, d, &op->child[1], depth, NONE);
	if (but.answer == YES)
		return settled(NO);
	if (but.answer == CYCLE || base.answer == YES) {
		if (but.answer == NO)
			but.answer = YES;
		return but;
	}
	join(&base, &but);
	return base;
}

static struct outcome run(struct sz_rebac_work *w, u64 node, const struct def *d,
			  const struct op *op, u32 depth, u16 root)
{
	struct outcome o, sets;

	switch (op->op) {
	case OP_THIS:
		o = settled(direct(w, node, d));
		if (o.answer == YES || w->fatal || !d->n_usersets)
			return o;
		sets = usersets(w, node, d, depth, root);
		if (sets.answer == YES)
			return sets;
		join(&o, &sets);
		return o;
	case OP_COMPUTED:
		return visit(w,
			     sz_rebac_node_of(SZ_REBAC_TYPE(node), op->relation, SZ_REBAC_ID(node)),
			     op->def, depth, root);
	case OP_TTU:
		return from_parents(w, node, op, depth, root);
	case OP_UNION:
		return run_union(w, node, d, op, depth, root);
	case OP_INTERSECTION:
		return run_intersection(w, node, d, op, depth);
	default:
		return run_exclusion(w, node, d, op, depth);
	}
}

/* What is known of a node, as far as it holds here. */
static bool known(const struct sz_rebac_work *w, const struct slot *s, u32 depth,
		  struct outcome *ret)
{
	*ret = (struct outcome){s->state, s->low, s->root};
	if (s->state == OPEN) {
		*ret = (struct outcome){CYCLE, s->low, w->frames[s->low].root};
		return true;
	}
	if (s->state == FAILED && depth < s->depth)
		return false;
	return s->low == NONE || (s->root < w->n_frames && w->frames[s->root].serial == s->serial);
}

static void keep(struct sz_rebac_work *w, u64 node, u32 depth, const struct outcome *o)
{
	bool fresh;
	struct slot *s = sz_rebac_table_add(&w->memo, node, &fresh);

	s->state = (u8)o->answer;
	s->depth = (u8)depth;
	s->low = o->low;
	s->root = o->root;
	s->serial = o->low == NONE ? 0 : w->frames[o->root].serial;
}

static struct outcome fail_complex(struct sz_rebac_work *w, const char *what)
{
	sz_rebac_fail(w->e, SZ_REBAC_TOO_COMPLEX, "%s", what);
	return settled(FAILED);
}

static struct outcome visit(struct sz_rebac_work *w, u64 node, const struct def *d, u32 depth,
			    u16 root)
{
	struct outcome o;
	struct slot *s;
	bool fresh;
	u16 f;

	if (depth >= SZ_REBAC_DEPTH_MAX)
		return fail_complex(w, "the object is more than 25 tuples away from the user");
	if (node == w->user)
		return settled(YES);
	if (!sz_rebac_step(w))
		return settled(FAILED);
	if (d->leaf)
		return settled(direct(w, node, d));
	s = sz_rebac_table_add(&w->memo, node, &fresh);
	if (!fresh && known(w, s, depth, &o))
		return o;
	if (w->n_frames == FRAMES_MAX)
		return fail_complex(w, "the definitions lead too deep into each other");
	f = (u16)w->n_frames++;
	w->frames[f] = (struct frame){++w->serial, root == NONE ? f : root};
	s->state = OPEN;
	s->low = f;
	o = run(w, node, d, &d->root, depth, w->frames[f].root);
	w->n_frames--;
	if (o.answer == YES || o.answer == NO || (o.low != NONE && o.low >= f))
		o.low = NONE;
	else if (o.low != NONE && o.root > w->frames[f - 1].root)
		o.root = w->frames[f - 1].root;
	keep(w, node, depth, &o);
	return o;
}

enum answer sz_rebac_ask(struct sz_rebac_work *w, u64 object)
{
	const struct def *d = sz_rebac_def(w->g, SZ_REBAC_TYPE(object), SZ_REBAC_RELATION(object));
	enum answer a = d ? visit(w, object, d, 0, NONE).answer : NO;

	return w->fatal ? FAILED : a;
}

/* ---- the questions -------------------------------------------------------------------------- */

static int answer(struct sz_rebac_work *w, u64 object, bool *ret)
{
	enum answer a = sz_rebac_ask(w, object);

	*ret = a == YES;
	return a == FAILED ? -EINVAL : 0;
}

int sz_rebac_check(const struct sz_rebac_graph *g, struct sz_rebac_work *w,
		   const struct sz_rebac_request *r, const char *user, const char *relation,
		   const char *object, bool *ret, struct sz_rebac_error *e)
{
	u64 who, what;
	int err = sz_rebac_begin(w, g, r, e);

	*ret = false;
	if (!err)
		err = sz_rebac_take_object(w, object, relation, SZ_REBAC_VALIDATION,
					   SZ_REBAC_VALIDATION, &what);
	if (!err)
		err = sz_rebac_take_user(w, user, &who);
	if (err)
		return err;
	sz_rebac_set_user(w, who);
	return answer(w, what, ret);
}

void sz_rebac_batch(const struct sz_rebac_graph *g, struct sz_rebac_work *w,
		    const struct sz_rebac_request *r, struct sz_rebac_item *items, u32 n)
{
	struct sz_rebac_error e;
	u32 i;

	for (i = 0; i < n; i++) {
		items[i].error.code = 0;
		if (sz_rebac_check(g, w, r, items[i].user, items[i].relation, items[i].object,
				   &items[i].allowed, &e))
			items[i].error = e;
	}
}

int sz_rebac_check_nodes(const struct sz_rebac_graph *g, struct sz_rebac_work *w, u64 user,
			 u64 object, bool *ret, struct sz_rebac_error *e)
{
	int err = sz_rebac_begin(w, g, NULL, e);

	*ret = false;
	if (err)
		return err;
	sz_rebac_set_user(w, user);
	return answer(w, object, ret);
}

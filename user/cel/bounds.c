/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * When the result of a program can change: where it looks at the time only through comparisons with
 * a known instant or through parts of the calendar, and at the source only through prefixes, then
 * between those instants, and within those prefixes, it is one and the same. Called by policy,
 * which gives a verdict that lasts no longer and reaches no further. What is not understood is
 * called opaque, and the caller must treat the variable as unknown.
 */
#include "cel_priv.h"

struct walk {
	struct run run;
	struct sz_cel_bounds *b;
	u32 time, source;
};

static void walk(struct walk *w, const struct node *n);

/* ---- what a part of the tree looks at ------------------------------------------------------- */

static bool uses_slot(const struct walk *w, const struct node *n, u32 slot)
{
	u32 i;

	if (n->op == OP_VAR)
		return n->slot == slot;
	for (i = 0; i < n->n; i++)
		if (uses_slot(w, kid_of(w->run.p, n, i), slot))
			return true;
	return false;
}

static bool uses_local(const struct walk *w, const struct node *n)
{
	u32 i;

	if (n->op == OP_LOCAL || n->op >= OP_ALL)
		return true;
	for (i = 0; i < n->n; i++)
		if (uses_local(w, kid_of(w->run.p, n, i)))
			return true;
	return false;
}

static bool is_time(const struct walk *w, const struct node *n)
{
	return n->op == OP_VAR && n->slot == w->time;
}

static bool is_source(const struct walk *w, const struct node *n)
{
	return n->op == OP_VAR && n->slot == w->source;
}

/* The value of a part that looks at neither; false where it needs variables that are not there. */
static bool value_of(struct walk *w, const struct node *n, struct sz_cel_value *ret)
{
	if (uses_slot(w, n, w->time) || uses_slot(w, n, w->source) || uses_local(w, n))
		return false;
	sz_cel_run(&w->run, n, ret);
	return !w->run.stop;
}

/* ---- time ----------------------------------------------------------------------------------- */

/* s and ns name an instant at which, or right behind which, a comparison turns. */
static void add_time(struct walk *w, __int128 ns)
{
	struct sz_cel_bounds *b = w->b;

	/* Beyond what an s64 of nanoseconds holds nothing happens in anybody's life. */
	if (ns <= INT64_MIN + 1 || ns >= INT64_MAX - 1)
		return;
	if (b->n_times + 2 > SZ_CEL_TIMES_MAX) {
		b->time_opaque = true;
		return;
	}
	b->times[b->n_times++] = (s64)ns;
	b->times[b->n_times++] = (s64)ns + 1;
}

static __int128 as_ns(const struct sz_cel_value *v)
{
	return v->type == SZ_CEL_TIMESTAMP ? (__int128)v->i * 1000000000 + v->n : v->i;
}

/* The span between the time and this instant becomes too long for a duration, which is an error. */
static void add_span(struct walk *w, __int128 ns)
{
	const __int128 most = (__int128)1 << 63;

	add_time(w, ns - most - 1);
	add_time(w, ns - most);
	add_time(w, ns + most - 1);
	add_time(w, ns + most);
}

/*
 * One side of a comparison as sign * time + offset: the time itself, the time and a duration, or
 * the span between the time and an instant. false: something else.
 */
static bool linear(struct walk *w, const struct node *n, int *ret_sign, __int128 *ret_offset,
		   bool *ret_known)
{
	const struct node *x, *y;
	struct sz_cel_value v;

	*ret_sign = 1;
	*ret_offset = 0;
	*ret_known = true;
	if (is_time(w, n))
		return true;
	if (n->op != OP_ADD && n->op != OP_SUB)
		return false;
	x = kid_of(w->run.p, n, 0);
	y = kid_of(w->run.p, n, 1);
	if (is_time(w, x) == is_time(w, y) || !value_of(w, is_time(w, x) ? y : x, &v))
		return false;
	*ret_known = v.type == SZ_CEL_TIMESTAMP || v.type == SZ_CEL_DURATION;
	if (!*ret_known)
		return true;
	*ret_offset = as_ns(&v);
	if (n->op == OP_SUB && v.type == SZ_CEL_TIMESTAMP)
		add_span(w, *ret_offset);
	if (n->op == OP_SUB && is_time(w, x))
		*ret_offset = -*ret_offset;
	else if (n->op == OP_SUB)
		*ret_sign = -1;
	return true;
}

/* A comparison that turns at one instant. */
static bool turns_once(struct walk *w, const struct node *n)
{
	const struct node *x, *y;
	struct sz_cel_value v;
	__int128 offset;
	bool known;
	int sign;

	if (n->op < OP_EQ || n->op > OP_GE)
		return false;
	x = kid_of(w->run.p, n, 0);
	y = kid_of(w->run.p, n, 1);
	if (!uses_slot(w, x, w->time)) {
		x = y;
		y = kid_of(w->run.p, n, 0);
	}
	if (!linear(w, x, &sign, &offset, &known) || !value_of(w, y, &v))
		return false;
	/* An error stays one, and what is unknown makes the comparison unknown: at any time. */
	if (!known || (v.type != SZ_CEL_TIMESTAMP && v.type != SZ_CEL_DURATION))
		return true;
	add_time(w, sign > 0 ? as_ns(&v) - offset : offset - as_ns(&v));
	return true;
}

/*
 * How often an hour begins in the zone: offsets of named ones are whole quarters of an hour,
 * "+01:23" need not be. Each of these spans is a multiple of those below it, so the least of
 * several is good for all.
 */
static u32 hour_step(const struct node *zone)
{
	static const u32 spans[] = {3600, 1800, 900};
	s32 offset;
	u32 i;

	if (zone->op != OP_CONST || zone->value.type != SZ_CEL_STRING)
		return 60;
	if (!sz_cel_fixed_offset(&zone->value, &offset))
		return 900;
	for (i = 0; i < SZ_ARRAY_LEN(spans); i++)
		if (offset % (s32)spans[i] == 0)
			return spans[i];
	return 60;
}

/* A part of the calendar: the same between two steps of the clock. */
static bool steps(struct walk *w, const struct node *n)
{
	static const char *const parts[] = {"getFullYear",   "getMonth",    "getDayOfYear",
					    "getDayOfMonth", "getDate",     "getDayOfWeek",
					    "getHours",      "getMinutes"};
	u32 step = 3600, i;

	if (n->op != OP_CALL || !(n->flags & N_MEMBER) || !n->n ||
	    !is_time(w, kid_of(w->run.p, n, 0)))
		return false;
	for (i = 0; i < SZ_ARRAY_LEN(parts) && !text_is(&n->name, parts[i]); i++)
		;
	if (i == SZ_ARRAY_LEN(parts))
		return false;
	if (i + 1 == SZ_ARRAY_LEN(parts))
		step = 60;
	else if (n->n > 1)
		step = hour_step(kid_of(w->run.p, n, 1));
	if (!w->b->step_s || step < w->b->step_s)
		w->b->step_s = step;
	if (n->n > 1)
		walk(w, kid_of(w->run.p, n, 1));
	return true;
}

/* ---- source --------------------------------------------------------------------------------- */

/* Bits that two addresses have in common at their beginning. */
static u32 common_bits(const u8 *a, const u8 *b)
{
	u32 i;

	for (i = 0; i < 128; i++)
		if ((a[i / 8] ^ b[i / 8]) >> (7 - i % 8) & 1)
			break;
	return i;
}

/* Whether an address is within these bits of another turns nowhere within so many bits of it. */
static void add_prefix(struct walk *w, const u8 *addr, u32 bits)
{
	const struct sz_cel_value *own = &w->run.slots[w->source];
	u32 common, need;

	if (own->type != SZ_CEL_IP) {
		w->b->source_opaque = true;
		return;
	}
	common = common_bits(own->net->addr.b, addr);
	need = common >= bits ? bits : common + 1;
	if (need > w->b->source_bits)
		w->b->source_bits = need;
}

static void add_net(struct walk *w, const struct sz_cel_value *v)
{
	u8 mapped[16] = {[10] = 0xff, [11] = 0xff};

	/* The family is compared too. */
	add_prefix(w, mapped, 96);
	add_prefix(w, v->net->addr.b, v->net->prefix + (v->net->v6 ? 0 : 96));
}

/* cidr("...").containsIP(source), source == ip("...") */
static bool is_prefix(struct walk *w, const struct node *n)
{
	const struct node *x, *y;
	struct sz_cel_value v;

	if (n->op == OP_CALL && (n->flags & N_MEMBER) && n->n == 2 &&
	    text_is(&n->name, "containsIP")) {
		x = kid_of(w->run.p, n, 0);
		y = kid_of(w->run.p, n, 1);
	} else if (n->op == OP_EQ || n->op == OP_NE) {
		x = kid_of(w->run.p, n, 0);
		y = kid_of(w->run.p, n, 1);
		if (is_source(w, x)) {
			x = y;
			y = kid_of(w->run.p, n, 0);
		}
	} else {
		return false;
	}
	if (!is_source(w, y) || !value_of(w, x, &v))
		return false;
	if (v.type == (n->op == OP_CALL ? SZ_CEL_CIDR : SZ_CEL_IP))
		add_net(w, &v);
	return true;
}

/* ---- the walk ------------------------------------------------------------------------------- */

static void walk(struct walk *w, const struct node *n)
{
	u32 i;

	if (w->run.stop)
		return;
	if (is_time(w, n))
		w->b->time_opaque = true;
	if (is_source(w, n))
		w->b->source_opaque = true;
	if (n->op == OP_VAR || (uses_slot(w, n, w->time) && (turns_once(w, n) || steps(w, n))) ||
	    (uses_slot(w, n, w->source) && is_prefix(w, n)))
		return;
	for (i = 0; i < n->n; i++)
		walk(w, kid_of(w->run.p, n, i));
}

void sz_cel_bounds(const struct sz_cel_program *p, const struct sz_cel_value *slots, u32 time,
		   u32 source, u64 budget, struct sz_cel_arena *a, struct sz_cel_bounds *ret)
{
	struct walk w = {.b = ret, .time = time, .source = source};

	memset(ret, 0, offsetof(struct sz_cel_bounds, times));
	if (!p->uses[time] && !p->uses[source])
		return;
	w.run = (struct run){.p = p, .slots = slots, .arena = a, .steps = budget};
	walk(&w, &p->nodes[p->root]);
	if (w.run.stop)
		ret->time_opaque = ret->source_opaque = true;
}

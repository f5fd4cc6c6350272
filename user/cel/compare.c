/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Equality, order, membership and arithmetic. Numbers of different types compare by their value;
 * values of different types are unequal, never an error. Arithmetic never wraps: what does not fit
 * is an error.
 */
#include <math.h>

#include "cel_priv.h"

/* ---- order ---------------------------------------------------------------------------------- */

static int order(bool less, bool greater)
{
	return less ? -1 : greater;
}

static int compare_doubles(double x, double y)
{
	if (isnan(x) || isnan(y))
		return UNORDERED;
	return order(x<y, x> y);
}

static bool is_number(const struct sz_cel_value *v)
{
	return v->type == SZ_CEL_INT || v->type == SZ_CEL_UINT || v->type == SZ_CEL_DOUBLE;
}

static double to_double(const struct sz_cel_value *v)
{
	return v->type == SZ_CEL_INT ? (double)v->i : v->type == SZ_CEL_UINT ? (double)v->u : v->d;
}

static int compare_numbers(const struct sz_cel_value *x, const struct sz_cel_value *y)
{
	if (x->type == SZ_CEL_DOUBLE || y->type == SZ_CEL_DOUBLE)
		return compare_doubles(to_double(x), to_double(y));
	if (x->type == SZ_CEL_INT && x->i < 0)
		return y->type == SZ_CEL_INT ? order(x->i<y->i, x->i> y->i) : -1;
	if (y->type == SZ_CEL_INT && y->i < 0)
		return 1;
	return order(x->u<y->u, x->u> y->u);
}

static int compare_bytes(const struct sz_cel_value *x, const struct sz_cel_value *y)
{
	u32 n = x->n < y->n ? x->n : y->n;
	int c = n ? memcmp(x->s, y->s, n) : 0;

	return c ? order(c < 0, true) : order(x->n<y->n, x->n> y->n);
}

int sz_cel_compare(const struct sz_cel_value *x, const struct sz_cel_value *y)
{
	if (is_number(x) && is_number(y))
		return compare_numbers(x, y);
	if (x->type != y->type)
		return -EINVAL;
	switch (x->type) {
	case SZ_CEL_BOOL:
		return order(x->b<y->b, x->b> y->b);
	case SZ_CEL_STRING:
	case SZ_CEL_BYTES:
		return compare_bytes(x, y);
	case SZ_CEL_TIMESTAMP:
		if (x->i == y->i)
			return order(x->n<y->n, x->n> y->n);
		return order(x->i < y->i, true);
	case SZ_CEL_DURATION:
		return order(x->i<y->i, x->i> y->i);
	default:
		return -EINVAL;
	}
}

/* ---- equality ------------------------------------------------------------------------------- */

enum same { SAME_NO, SAME_YES, SAME_UNKNOWN };

static enum same same(struct run *r, const struct sz_cel_value *x, const struct sz_cel_value *y,
		      struct sz_cel_value *ret_unknown);

static enum same same_lists(struct run *r, const struct sz_cel_value *x,
			    const struct sz_cel_value *y, struct sz_cel_value *ret_unknown)
{
	enum same all = SAME_YES, one;
	u32 i;

	if (x->n != y->n)
		return SAME_NO;
	for (i = 0; i < x->n && !r->stop; i++) {
		one = same(r, &x->list[i], &y->list[i], ret_unknown);
		if (one == SAME_NO)
			return SAME_NO;
		all = one == SAME_UNKNOWN ? one : all;
	}
	return all;
}

static enum same same_maps(struct run *r, const struct sz_cel_value *x,
			   const struct sz_cel_value *y, struct sz_cel_value *ret_unknown)
{
	enum same all = SAME_YES, one;
	const struct sz_cel_value *other;
	u32 i;

	if (x->n != y->n)
		return SAME_NO;
	for (i = 0; i < x->n && !r->stop; i++) {
		other = sz_cel_map_get(y, &x->map->e[i].key);
		if (!other)
			return SAME_NO;
		one = same(r, &x->map->e[i].value, other, ret_unknown);
		if (one == SAME_NO)
			return SAME_NO;
		all = one == SAME_UNKNOWN ? one : all;
	}
	return all;
}

static bool same_nets(const struct sz_cel_net *x, const struct sz_cel_net *y)
{
	return x->v6 == y->v6 && x->prefix == y->prefix &&
	       !memcmp(&x->addr, &y->addr, sizeof(x->addr));
}

static enum same same_others(struct run *r, const struct sz_cel_value *x,
			     const struct sz_cel_value *y, struct sz_cel_value *ret_unknown)
{
	switch (x->type) {
	case SZ_CEL_NULL:
		return SAME_YES;
	case SZ_CEL_TYPE:
		return compare_bytes(x, y) ? SAME_NO : SAME_YES;
	case SZ_CEL_LIST:
		return same_lists(r, x, y, ret_unknown);
	case SZ_CEL_MAP:
		return same_maps(r, x, y, ret_unknown);
	case SZ_CEL_OPTIONAL:
		if (!x->opt || !y->opt)
			return x->opt == y->opt ? SAME_YES : SAME_NO;
		return same(r, x->opt, y->opt, ret_unknown);
	case SZ_CEL_IP:
	case SZ_CEL_CIDR:
		return same_nets(x->net, y->net) ? SAME_YES : SAME_NO;
	default:
		return sz_cel_compare(x, y) ? SAME_NO : SAME_YES;
	}
}

static enum same same(struct run *r, const struct sz_cel_value *x, const struct sz_cel_value *y,
		      struct sz_cel_value *ret_unknown)
{
	if (x->type == SZ_CEL_UNKNOWN || y->type == SZ_CEL_UNKNOWN) {
		if (x->type == SZ_CEL_UNKNOWN)
			sz_cel_unknown_merge(r, x, ret_unknown);
		if (y->type == SZ_CEL_UNKNOWN)
			sz_cel_unknown_merge(r, y, ret_unknown);
		return SAME_UNKNOWN;
	}
	if (x->type == SZ_CEL_STRING && y->type == SZ_CEL_STRING) {
		if (x->n != y->n)
			return SAME_NO;
		if (!pay(r, x->n / 16))
			return SAME_NO;
		return !x->n || !memcmp(x->s, y->s, x->n) ? SAME_YES : SAME_NO;
	}
	if (is_number(x) && is_number(y))
		return compare_numbers(x, y) ? SAME_NO : SAME_YES;
	if (x->type != y->type || !pay(r, 1 + weight(x)))
		return SAME_NO;
	return same_others(r, x, y, ret_unknown);
}

void sz_cel_equal(struct run *r, const struct sz_cel_value *x, const struct sz_cel_value *y,
		  struct sz_cel_value *ret)
{
	struct sz_cel_value unknown = {0};
	enum same s = same(r, x, y, &unknown);

	*ret = s == SAME_UNKNOWN ? unknown : sz_cel_bool(s == SAME_YES);
}

void sz_cel_in(struct run *r, const struct sz_cel_value *x, const struct sz_cel_value *y,
	       struct sz_cel_value *ret)
{
	struct sz_cel_value args[2] = {*x, *y}, unknown = {0};
	enum same s;
	u32 i;

	if (y->type == SZ_CEL_MAP) {
		*ret = sz_cel_bool(pay(r, 1 + weight(x)) && sz_cel_map_get(y, x));
		return;
	}
	if (y->type != SZ_CEL_LIST) {
		sz_cel_no_overload(r, "in", args, 2, ret);
		return;
	}
	if (!pay(r, y->n / 4))
		return;
	*ret = sz_cel_bool(false);
	for (i = 0; i < y->n && !r->stop; i++) {
		s = same(r, &args[0], &args[1].list[i], &unknown);
		if (s == SAME_YES) {
			*ret = sz_cel_bool(true);
			return;
		}
	}
	if (unknown.type == SZ_CEL_UNKNOWN)
		*ret = unknown;
}

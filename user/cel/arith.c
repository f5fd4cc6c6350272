/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The operators + - * / % and the minus sign. Nothing wraps: what does not fit is an error. Called
 * by the evaluator, also while constants are folded.
 */
#include "cel_priv.h"

static const char *const names[] = {
	[OP_ADD] = "+", [OP_SUB] = "-", [OP_MUL] = "*", [OP_DIV] = "/", [OP_MOD] = "%",
};

static void overflow(struct run *r, const char *kind, struct sz_cel_value *ret)
{
	sz_cel_error(r, ret, "the result does not fit into %s", kind);
}

static void zero(struct run *r, enum op op, struct sz_cel_value *ret)
{
	sz_cel_error(r, ret, op == OP_DIV ? "division by zero" : "remainder of a division by zero");
}

static void int_arith(struct run *r, enum op op, s64 x, s64 y, struct sz_cel_value *ret)
{
	bool bad = false;
	s64 v = 0;

	switch (op) {
	case OP_ADD:
		bad = __builtin_add_overflow(x, y, &v);
		break;
	case OP_SUB:
		bad = __builtin_sub_overflow(x, y, &v);
		break;
	case OP_MUL:
		bad = __builtin_mul_overflow(x, y, &v);
		break;
	default:
		if (!y) {
			zero(r, op, ret);
			return;
		}
		bad = x == INT64_MIN && y == -1;
		v = bad ? 0 : op == OP_DIV ? x / y : x % y;
		break;
	}
	if (bad)
		overflow(r, "an int", ret);
	else
		*ret = sz_cel_int(v);
}

static void uint_arith(struct run *r, enum op op, u64 x, u64 y, struct sz_cel_value *ret)
{
	bool bad = false;
	u64 v = 0;

	switch (op) {
	case OP_ADD:
		bad = __builtin_add_overflow(x, y, &v);
		break;
	case OP_SUB:
		bad = __builtin_sub_overflow(x, y, &v);
		break;
	case OP_MUL:
		bad = __builtin_mul_overflow(x, y, &v);
		break;
	default:
		if (!y) {
			zero(r, op, ret);
			return;
		}
		v = op == OP_DIV ? x / y : x % y;
		break;
	}
	if (bad)
		overflow(r, "a uint", ret);
	else
		*ret = sz_cel_uint(v);
}

static void concat_text(struct run *r, const struct sz_cel_value *x, const struct sz_cel_value *y,
			struct sz_cel_value *ret)
{
	u64 n = (u64)x->n + y->n;
	struct sz_cel_value v = *x;
	char *s;

	if (!pay(r, n / 16))
		return;
	s = n <= UINT32_MAX ? sz_cel_take(r, n) : NULL;
	if (!s) {
		r->stop = "the budget of memory is used up";
		return;
	}
	if (x->n)
		memcpy(s, x->s, x->n);
	if (y->n)
		memcpy(s + x->n, y->s, y->n);
	v.s = s;
	v.n = (u32)n;
	*ret = v;
}

static void concat_lists(struct run *r, const struct sz_cel_value *x, const struct sz_cel_value *y,
			 struct sz_cel_value *ret)
{
	u64 n = (u64)x->n + y->n;
	struct sz_cel_value *v;

	if (!x->n || !y->n) {
		*ret = x->n ? *x : *y;
		return;
	}
	if (!pay(r, n / 4))
		return;
	v = sz_cel_take(r, n * sizeof(*v));
	if (!v)
		return;
	memcpy(v, x->list, x->n * sizeof(*v));
	memcpy(v + x->n, y->list, y->n * sizeof(*v));
	*ret = sz_cel_list(v, (u32)n);
}

/* t + ns, or t - ns; both ends of the range are part of it. */
static void move_time(struct run *r, const struct sz_cel_value *t, s64 ns, bool minus,
		      struct sz_cel_value *ret)
{
	__int128 sum = (__int128)t->i * 1000000000 + t->n + (minus ? -(__int128)ns : ns);
	__int128 s = sum / 1000000000 - (sum % 1000000000 < 0);

	if (s < TIME_MIN || s > TIME_MAX) {
		sz_cel_error(r, ret, "the timestamp is outside of the years 1 to 9999");
		return;
	}
	*ret = sz_cel_timestamp((s64)s, (u32)(sum - s * 1000000000));
}

static void time_difference(struct run *r, const struct sz_cel_value *x,
			    const struct sz_cel_value *y, struct sz_cel_value *ret)
{
	__int128 ns = ((__int128)x->i - y->i) * 1000000000 + x->n - y->n;

	if (ns < INT64_MIN || ns > INT64_MAX)
		overflow(r, "a duration", ret);
	else
		*ret = sz_cel_duration((s64)ns);
}

/* What has to do with time; false where the types do not fit. */
static bool time_arith(struct run *r, enum op op, const struct sz_cel_value *x,
		       const struct sz_cel_value *y, struct sz_cel_value *ret)
{
	bool time = x->type == SZ_CEL_TIMESTAMP, span = x->type == SZ_CEL_DURATION;
	s64 ns;

	if (time && y->type == SZ_CEL_DURATION) {
		move_time(r, x, y->i, op == OP_SUB, ret);
	} else if (span && y->type == SZ_CEL_TIMESTAMP && op == OP_ADD) {
		move_time(r, y, x->i, false, ret);
	} else if (time && y->type == SZ_CEL_TIMESTAMP && op == OP_SUB) {
		time_difference(r, x, y, ret);
	} else if (span && y->type == SZ_CEL_DURATION) {
		if (op == OP_ADD ? __builtin_add_overflow(x->i, y->i, &ns)
				 : __builtin_sub_overflow(x->i, y->i, &ns))
			overflow(r, "a duration", ret);
		else
			*ret = sz_cel_duration(ns);
	} else {
		return false;
	}
	return true;
}

static double double_arith(enum op op, double x, double y)
{
	return op == OP_ADD ? x + y : op == OP_SUB ? x - y : op == OP_MUL ? x * y : x / y;
}

void sz_cel_arith(struct run *r, enum op op, const struct sz_cel_value *x,
		  const struct sz_cel_value *y, struct sz_cel_value *ret)
{
	struct sz_cel_value args[2] = {*x, *y};

	*ret = (struct sz_cel_value){.type = SZ_CEL_NULL};
	x = &args[0];
	y = &args[1];
	if (x->type == SZ_CEL_INT && y->type == SZ_CEL_INT)
		int_arith(r, op, x->i, y->i, ret);
	else if (x->type == SZ_CEL_UINT && y->type == SZ_CEL_UINT)
		uint_arith(r, op, x->u, y->u, ret);
	else if (x->type == SZ_CEL_DOUBLE && y->type == SZ_CEL_DOUBLE && op != OP_MOD)
		*ret = sz_cel_double(double_arith(op, x->d, y->d));
	else if (op == OP_ADD && x->type == y->type &&
		 (x->type == SZ_CEL_STRING || x->type == SZ_CEL_BYTES))
		concat_text(r, x, y, ret);
	else if (op == OP_ADD && x->type == SZ_CEL_LIST && y->type == SZ_CEL_LIST)
		concat_lists(r, x, y, ret);
	else if ((op != OP_ADD && op != OP_SUB) || !time_arith(r, op, x, y, ret))
		sz_cel_no_overload(r, names[op], args, 2, ret);
}

void sz_cel_negate(struct run *r, const struct sz_cel_value *x, struct sz_cel_value *ret)
{
	struct sz_cel_value arg = *x;

	if (arg.type == SZ_CEL_DOUBLE)
		*ret = sz_cel_double(-arg.d);
	else if (arg.type != SZ_CEL_INT)
		sz_cel_no_overload(r, "-", &arg, 1, ret);
	else if (arg.i == INT64_MIN)
		overflow(r, "an int", ret);
	else
		*ret = sz_cel_int(-arg.i);
}

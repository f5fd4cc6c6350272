/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The math extension (cel-go, ext/README.md): greatest and least of numbers of any type, rounding,
 * signs, bits.
 */
#include <math.h>

#include "cel_priv.h"

static bool is_number(const struct sz_cel_value *v)
{
	return v->type == SZ_CEL_INT || v->type == SZ_CEL_UINT || v->type == SZ_CEL_DOUBLE;
}

/* The first of those that none is beyond: `sign` 1 is greater, -1 less. */
static void extreme(struct run *r, const char *name, int sign, const struct sz_cel_value *args,
		    u32 n, struct sz_cel_value *ret)
{
	const struct sz_cel_value *v = args, *best;
	u32 i, count = n;

	if (n == 1 && args[0].type == SZ_CEL_LIST) {
		v = args[0].list;
		count = args[0].n;
		if (!count) {
			sz_cel_error(r, ret, "%s() of an empty list", name);
			return;
		}
	}
	if (!pay(r, count / 4))
		return;
	for (i = 0, best = v; i < count; i++) {
		if (!is_number(&v[i])) {
			sz_cel_no_overload(r, name, args, n, ret);
			return;
		}
		if (sz_cel_compare(&v[i], best) == sign)
			best = &v[i];
	}
	*ret = *best;
}

static void call_greatest(struct run *r, const struct sz_cel_value *args, u32 n,
			  struct sz_cel_value *ret)
{
	extreme(r, "math.greatest", 1, args, n, ret);
}

static void call_least(struct run *r, const struct sz_cel_value *args, u32 n,
		       struct sz_cel_value *ret)
{
	extreme(r, "math.least", -1, args, n, ret);
}

/* ---- doubles -------------------------------------------------------------------------------- */

#define ROUNDING(function, name, expression)                                                       \
	static void function(struct run *r, const struct sz_cel_value *args, u32 n,                \
			     struct sz_cel_value *ret)                                             \
	{                                                                                          \
		double d = args[0].d;                                                              \
                                                                                                   \
		if (args[0].type == SZ_CEL_DOUBLE)                                                 \
			*ret = expression;                                                         \
		else                                                                               \
			sz_cel_no_overload(r, name, args, n, ret);                                 \
	}

ROUNDING(call_ceil, "math.ceil", sz_cel_double(ceil(d)))
ROUNDING(call_floor, "math.floor", sz_cel_double(floor(d)))
ROUNDING(call_round, "math.round", sz_cel_double(round(d)))
ROUNDING(call_trunc, "math.trunc", sz_cel_double(trunc(d)))
ROUNDING(call_is_nan, "math.isNaN", sz_cel_bool(isnan(d)))
ROUNDING(call_is_inf, "math.isInf", sz_cel_bool(isinf(d)))
ROUNDING(call_is_finite, "math.isFinite", sz_cel_bool(isfinite(d)))

static void call_sqrt(struct run *r, const struct sz_cel_value *args, u32 n,
		      struct sz_cel_value *ret)
{
	if (args[0].type == SZ_CEL_DOUBLE)
		*ret = sz_cel_double(sqrt(args[0].d));
	else if (args[0].type == SZ_CEL_INT)
		*ret = sz_cel_double(sqrt((double)args[0].i));
	else if (args[0].type == SZ_CEL_UINT)
		*ret = sz_cel_double(sqrt((double)args[0].u));
	else
		sz_cel_no_overload(r, "math.sqrt", args, n, ret);
}

static void call_abs(struct run *r, const struct sz_cel_value *args, u32 n,
		     struct sz_cel_value *ret)
{
	*ret = args[0];
	if (ret->type == SZ_CEL_DOUBLE)
		ret->d = fabs(ret->d);
	else if (ret->type == SZ_CEL_INT && ret->i == INT64_MIN)
		sz_cel_error(r, ret, "the result does not fit into an int");
	else if (ret->type == SZ_CEL_INT && ret->i < 0)
		ret->i = -ret->i;
	else if (!is_number(ret))
		sz_cel_no_overload(r, "math.abs", args, n, ret);
}

static void call_sign(struct run *r, const struct sz_cel_value *args, u32 n,
		      struct sz_cel_value *ret)
{
	double d = args[0].d;

	if (args[0].type == SZ_CEL_INT)
		*ret = sz_cel_int((args[0].i > 0) - (args[0].i < 0));
	else if (args[0].type == SZ_CEL_UINT)
		*ret = sz_cel_uint(args[0].u > 0);
	else if (args[0].type == SZ_CEL_DOUBLE)
		*ret = sz_cel_double(isnan(d) ? d : (d > 0) - (d < 0));
	else
		sz_cel_no_overload(r, "math.sign", args, n, ret);
}

/* ---- bits ----------------------------------------------------------------------------------- */

static bool same_integers(struct run *r, const char *name, const struct sz_cel_value *args, u32 n,
			  struct sz_cel_value *ret)
{
	*ret = args[0];
	if (args[0].type == args[1].type &&
	    (args[0].type == SZ_CEL_INT || args[0].type == SZ_CEL_UINT))
		return true;
	sz_cel_no_overload(r, name, args, n, ret);
	return false;
}

static void call_bit_and(struct run *r, const struct sz_cel_value *args, u32 n,
			 struct sz_cel_value *ret)
{
	if (same_integers(r, "math.bitAnd", args, n, ret))
		ret->u &= args[1].u;
}

static void call_bit_or(struct run *r, const struct sz_cel_value *args, u32 n,
			struct sz_cel_value *ret)
{
	if (same_integers(r, "math.bitOr", args, n, ret))
		ret->u |= args[1].u;
}

static void call_bit_xor(struct run *r, const struct sz_cel_value *args, u32 n,
			 struct sz_cel_value *ret)
{
	if (same_integers(r, "math.bitXor", args, n, ret))
		ret->u ^= args[1].u;
}

static void call_bit_not(struct run *r, const struct sz_cel_value *args, u32 n,
			 struct sz_cel_value *ret)
{
	*ret = args[0];
	if (ret->type == SZ_CEL_INT || ret->type == SZ_CEL_UINT)
		ret->u = ~ret->u;
	else
		sz_cel_no_overload(r, "math.bitNot", args, n, ret);
}

/* Bits are shifted as they are, also those of a negative int; far enough, none is left. */
static void shift(struct run *r, const char *name, bool left, const struct sz_cel_value *args,
		  u32 n, struct sz_cel_value *ret)
{
	*ret = args[0];
	if ((ret->type != SZ_CEL_INT && ret->type != SZ_CEL_UINT) || args[1].type != SZ_CEL_INT)
		sz_cel_no_overload(r, name, args, n, ret);
	else if (args[1].i < 0)
		sz_cel_error(r, ret, "%s() by a negative number", name);
	else
		ret->u = args[1].i > 63 ? 0 : left ? ret->u << args[1].i : ret->u >> args[1].i;
}

static void call_shift_left(struct run *r, const struct sz_cel_value *args, u32 n,
			    struct sz_cel_value *ret)
{
	shift(r, "math.bitShiftLeft", true, args, n, ret);
}

static void call_shift_right(struct run *r, const struct sz_cel_value *args, u32 n,
			     struct sz_cel_value *ret)
{
	shift(r, "math.bitShiftRight", false, args, n, ret);
}

const struct func sz_cel_lib_math[] = {
	{"math.greatest", F_GLOBAL | F_NUMBERS, "", call_greatest},
	{"math.least", F_GLOBAL | F_NUMBERS, "", call_least},
	{"math.ceil", F_GLOBAL, "d:d", call_ceil},
	{"math.floor", F_GLOBAL, "d:d", call_floor},
	{"math.round", F_GLOBAL, "d:d", call_round},
	{"math.trunc", F_GLOBAL, "d:d", call_trunc},
	{"math.sqrt", F_GLOBAL, "d:d i:d u:d", call_sqrt},
	{"math.isNaN", F_GLOBAL, "d:b", call_is_nan},
	{"math.isInf", F_GLOBAL, "d:b", call_is_inf},
	{"math.isFinite", F_GLOBAL, "d:b", call_is_finite},
	{"math.abs", F_GLOBAL, "i:i u:u d:d", call_abs},
	{"math.sign", F_GLOBAL, "i:i u:u d:d", call_sign},
	{"math.bitAnd", F_GLOBAL, "ii:i uu:u", call_bit_and},
	{"math.bitOr", F_GLOBAL, "ii:i uu:u", call_bit_or},
	{"math.bitXor", F_GLOBAL, "ii:i uu:u", call_bit_xor},
	{"math.bitNot", F_GLOBAL, "i:i u:u", call_bit_not},
	{"math.bitShiftLeft", F_GLOBAL, "ii:i ui:u", call_shift_left},
	{"math.bitShiftRight", F_GLOBAL, "ii:i ui:u", call_shift_right},
	{NULL, 0, NULL, NULL},
};

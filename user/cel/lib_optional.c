/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Optional values. Their operators (.?field, [?key], {?key: x}) are the evaluator's, optMap() and
 * optFlatMap() are macros.
 */
#include "cel_priv.h"

static bool is_zero(const struct sz_cel_value *v)
{
	switch (v->type) {
	case SZ_CEL_NULL:
		return true;
	case SZ_CEL_BOOL:
		return !v->b;
	case SZ_CEL_INT:
	case SZ_CEL_UINT:
	case SZ_CEL_DURATION:
		return !v->u;
	case SZ_CEL_DOUBLE:
		return v->d == 0;
	case SZ_CEL_STRING:
	case SZ_CEL_BYTES:
	case SZ_CEL_LIST:
	case SZ_CEL_MAP:
		return !v->n;
	case SZ_CEL_TIMESTAMP:
		return !v->i && !v->n;
	case SZ_CEL_OPTIONAL:
		return !v->opt;
	default:
		return false;
	}
}

static void call_of(struct run *r, const struct sz_cel_value *args, u32 n, struct sz_cel_value *ret)
{
	(void)n;
	sz_cel_optional(r, &args[0], ret);
}

static void call_of_non_zero(struct run *r, const struct sz_cel_value *args, u32 n,
			     struct sz_cel_value *ret)
{
	(void)n;
	sz_cel_optional(r, is_zero(&args[0]) ? NULL : &args[0], ret);
}

static void call_none(struct run *r, const struct sz_cel_value *args, u32 n,
		      struct sz_cel_value *ret)
{
	(void)args;
	(void)n;
	sz_cel_optional(r, NULL, ret);
}

static void call_has_value(struct run *r, const struct sz_cel_value *args, u32 n,
			   struct sz_cel_value *ret)
{
	if (args[0].type == SZ_CEL_OPTIONAL)
		*ret = sz_cel_bool(args[0].opt);
	else
		sz_cel_no_overload(r, "hasValue", args, n, ret);
}

static void call_value(struct run *r, const struct sz_cel_value *args, u32 n,
		       struct sz_cel_value *ret)
{
	if (args[0].type != SZ_CEL_OPTIONAL)
		sz_cel_no_overload(r, "value", args, n, ret);
	else if (args[0].opt)
		*ret = *args[0].opt;
	else
		sz_cel_error(r, ret, "value() of optional.none()");
}

/* Only reached where the first has no value: the evaluator asks that before the second. */
static void call_or(struct run *r, const struct sz_cel_value *args, u32 n, struct sz_cel_value *ret)
{
	if (args[0].type == SZ_CEL_OPTIONAL && args[1].type == SZ_CEL_OPTIONAL)
		*ret = args[1];
	else
		sz_cel_no_overload(r, "or", args, n, ret);
}

static void call_or_value(struct run *r, const struct sz_cel_value *args, u32 n,
			  struct sz_cel_value *ret)
{
	if (args[0].type == SZ_CEL_OPTIONAL)
		*ret = args[1];
	else
		sz_cel_no_overload(r, "orValue", args, n, ret);
}

/* The values of those that have one: optional.unwrap(list), list.unwrapOpt(). */
static void call_unwrap(struct run *r, const struct sz_cel_value *args, u32 n,
			struct sz_cel_value *ret)
{
	struct sz_cel_value *v;
	u32 i, count = 0;

	if (args[0].type != SZ_CEL_LIST) {
		sz_cel_no_overload(r, "unwrapOpt", args, n, ret);
		return;
	}
	if (!pay(r, args[0].n / 4))
		return;
	v = sz_cel_take(r, args[0].n * sizeof(*v));
	for (i = 0; v && i < args[0].n; i++) {
		if (args[0].list[i].type != SZ_CEL_OPTIONAL) {
			sz_cel_error(r, ret, "unwrapOpt() needs a list of optionals");
			return;
		}
		if (args[0].list[i].opt)
			v[count++] = *args[0].list[i].opt;
	}
	if (v)
		*ret = sz_cel_list(v, count);
}

static void end_of(struct run *r, const char *name, bool first, const struct sz_cel_value *args,
		   u32 n, struct sz_cel_value *ret)
{
	if (args[0].type != SZ_CEL_LIST)
		sz_cel_no_overload(r, name, args, n, ret);
	else
		sz_cel_optional(r, args[0].n ? &args[0].list[first ? 0 : args[0].n - 1] : NULL,
				ret);
}

static void call_first(struct run *r, const struct sz_cel_value *args, u32 n,
		       struct sz_cel_value *ret)
{
	end_of(r, "first", true, args, n, ret);
}

static void call_last(struct run *r, const struct sz_cel_value *args, u32 n,
		      struct sz_cel_value *ret)
{
	end_of(r, "last", false, args, n, ret);
}

const struct func sz_cel_lib_optional[] = {
	{"optional.of", F_GLOBAL, "A:OA", call_of},
	{"optional.ofNonZeroValue", F_GLOBAL, "A:OA", call_of_non_zero},
	{"optional.none", F_GLOBAL, ":OA", call_none},
	{"optional.unwrap", F_GLOBAL, "LOA:LA", call_unwrap},
	{"unwrapOpt", F_MEMBER, "LOA:LA", call_unwrap},
	{"hasValue", F_MEMBER, "OA:b", call_has_value},
	{"value", F_MEMBER, "OA:A", call_value},
	{"or", F_MEMBER | F_LAZY, "OAOA:OA", call_or},
	{"orValue", F_MEMBER | F_LAZY, "OAA:A", call_or_value},
	{"first", F_MEMBER, "LA:OA", call_first},
	{"last", F_MEMBER, "LA:OA", call_last},
	{NULL, 0, NULL, NULL},
};

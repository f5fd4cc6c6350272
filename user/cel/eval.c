/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Walks the tree. One function a kind of node, so that the frames of a deep expression are small.
 * Errors and unknown values are values here: they go up until something absorbs them. A budget that
 * is used up sets run->stop, which nothing absorbs.
 */
#include <stdio.h>

#include "cel_priv.h"

#define ARGS_INLINE 4

void *sz_cel_take(struct run *r, size_t n)
{
	void *p = sz_cel_alloc(r->arena, n);

	if (!p)
		r->stop = "the budget of memory is used up";
	return p;
}

/* A message without a conversion is taken as it is: errors that || absorbs must be cheap. */
void sz_cel_error(struct run *r, struct sz_cel_value *ret, const char *fmt, ...)
{
	const char *msg = fmt;
	va_list ap;
	char *copy;

	if (strchr(fmt, '%')) {
		copy = sz_cel_take(r, 160);
		if (copy) {
			va_start(ap, fmt);
			vsnprintf(copy, 160, fmt, ap);
			va_end(ap);
		}
		msg = copy ? copy : "error";
	}
	*ret = (struct sz_cel_value){.type = SZ_CEL_ERROR, .n = r->pos, .s = msg};
}

const char *sz_cel_type_label(const struct sz_cel_value *v)
{
	static const char *const labels[] = {
		[SZ_CEL_UNSET] = "unset",         [SZ_CEL_NULL] = "null",
		[SZ_CEL_BOOL] = "bool",           [SZ_CEL_INT] = "int",
		[SZ_CEL_UINT] = "uint",           [SZ_CEL_DOUBLE] = "double",
		[SZ_CEL_STRING] = "string",       [SZ_CEL_BYTES] = "bytes",
		[SZ_CEL_LIST] = "list",           [SZ_CEL_MAP] = "map",
		[SZ_CEL_TIMESTAMP] = "timestamp", [SZ_CEL_DURATION] = "duration",
		[SZ_CEL_TYPE] = "type",           [SZ_CEL_OPTIONAL] = "optional",
		[SZ_CEL_IP] = "net.IP",           [SZ_CEL_CIDR] = "net.CIDR",
		[SZ_CEL_ERROR] = "error",         [SZ_CEL_UNKNOWN] = "unknown",
	};

	return labels[v->type];
}

void sz_cel_no_overload(struct run *r, const char *what, const struct sz_cel_value *args, u32 n,
			struct sz_cel_value *ret)
{
	char types[80] = "";
	size_t at = 0;
	u32 i;

	for (i = 0; i < n && at < sizeof(types); i++)
		at += (size_t)snprintf(types + at, sizeof(types) - at, "%s%s", i ? ", " : "",
				       sz_cel_type_label(&args[i]));
	sz_cel_error(r, ret, "no such overload: %.60s (%s)", what, types);
}

void sz_cel_optional(struct run *r, const struct sz_cel_value *v, struct sz_cel_value *ret)
{
	struct sz_cel_value *inner = v ? sz_cel_take(r, sizeof(*inner)) : NULL;
	u8 partial = v ? is_partial(v) : 0;

	if (inner)
		*inner = *v;
	*ret = (struct sz_cel_value){.type = SZ_CEL_OPTIONAL, .partial = partial, .opt = inner};
}

/* ---- fields and elements -------------------------------------------------------------------- */

static bool list_position(const struct sz_cel_value *key, s64 *ret)
{
	switch (key->type) {
	case SZ_CEL_INT:
		*ret = key->i;
		return true;
	case SZ_CEL_UINT:
		*ret = key->u > INT64_MAX ? -1 : (s64)key->u;
		return true;
	case SZ_CEL_DOUBLE:
		if (!(key->d > -1e15 && key->d < 1e15))
			return false;
		*ret = (s64)key->d;
		return (double)*ret == key->d;
	default:
		return false;
	}
}

/* The element, or NULL with *ret an error where the operand or the key is of no use at all. */
static const struct sz_cel_value *element(struct run *r, const struct sz_cel_value *x,
					  const struct sz_cel_value *key, struct sz_cel_value *ret)
{
	struct sz_cel_value args[2] = {*x, *key};
	s64 i;

	ret->type = SZ_CEL_NULL;
	if (x->type == SZ_CEL_MAP && (sz_cel_is_key(key) || key->type == SZ_CEL_DOUBLE)) {
		if (key->type == SZ_CEL_STRING)
			pay(r, key->n / 16);
		return sz_cel_map_get(&args[0], &args[1]);
	}
	if (x->type == SZ_CEL_LIST && list_position(key, &i))
		return i >= 0 && i < args[0].n ? &args[0].list[i] : NULL;
	sz_cel_no_overload(r, "[]", args, 2, ret);
	return NULL;
}

/* What was found, or was not. */
static void give(struct run *r, const struct sz_cel_value *found, bool optional, const char *why,
		 struct sz_cel_value *ret)
{
	if (found && (!optional || found->type == SZ_CEL_UNKNOWN))
		*ret = *found;
	else if (optional)
		sz_cel_optional(r, found, ret);
	else
		*ret = (struct sz_cel_value){.type = SZ_CEL_ERROR, .n = r->pos, .s = why};
}

void sz_cel_index(struct run *r, const struct sz_cel_value *x, const struct sz_cel_value *key,
		  bool optional, struct sz_cel_value *ret)
{
	struct sz_cel_value operand = *x, k = *key;
	const struct sz_cel_value *found;

	if (operand.type == SZ_CEL_OPTIONAL) {
		if (!operand.opt) {
			*ret = operand;
			return;
		}
		operand = *operand.opt;
		optional = true;
	}
	found = element(r, &operand, &k, ret);
	if (ret->type == SZ_CEL_ERROR)
		return;
	give(r, found, optional,
	     operand.type == SZ_CEL_LIST ? "index out of bounds" : "no such key", ret);
}

static void run_select(struct run *r, const struct node *n, struct sz_cel_value *ret)
{
	bool optional = n->op == OP_OPT_SELECT;
	const struct sz_cel_value *found;
	struct sz_cel_value x;

	sz_cel_run(r, kid_of(r->p, n, 0), &x);
	r->pos = n->pos;
	if (x.type == SZ_CEL_OPTIONAL && x.opt) {
		x = *x.opt;
		optional = true;
	}
	if (x.type == SZ_CEL_MAP) {
		found = sz_cel_map_find(&x, n->name.s, n->name.n);
		give(r, found, optional, "no such field", ret);
	} else if (x.type == SZ_CEL_UNKNOWN) {
		sz_cel_unknown_select(r, &x, n->name.s, n->name.n, ret);
	} else if (x.type == SZ_CEL_ERROR || x.type == SZ_CEL_OPTIONAL) {
		*ret = x;
	} else {
		sz_cel_error(r, ret, "a value of type %s has no fields", sz_cel_type_label(&x));
	}
}

static void run_has(struct run *r, const struct node *n, struct sz_cel_value *ret)
{
	const struct sz_cel_value *found;
	struct sz_cel_value x;

	sz_cel_run(r, kid_of(r->p, n, 0), &x);
	r->pos = n->pos;
	if (x.type == SZ_CEL_OPTIONAL && x.opt)
		x = *x.opt;
	if (x.type == SZ_CEL_MAP) {
		found = sz_cel_map_find(&x, n->name.s, n->name.n);
		*ret = found && found->type == SZ_CEL_UNKNOWN ? *found : sz_cel_bool(found);
	} else if (x.type == SZ_CEL_UNKNOWN) {
		sz_cel_unknown_select(r, &x, n->name.s, n->name.n, ret);
	} else if (x.type == SZ_CEL_OPTIONAL) {
		*ret = sz_cel_bool(false);
	} else if (x.type == SZ_CEL_ERROR) {
		*ret = x;
	} else {
		sz_cel_error(r, ret, "a value of type %s has no fields", sz_cel_type_label(&x));
	}
}

/* Evaluates both kids; false where the result is theirs. */
static bool run_two(struct run *r, const struct node *n, struct sz_cel_value v[2],
		    struct sz_cel_value *ret)
{
	sz_cel_run(r, kid_of(r->p, n, 0), &v[0]);
	if (v[0].type == SZ_CEL_ERROR) {
		*ret = v[0];
		return false;
	}
	sz_cel_run(r, kid_of(r->p, n, 1), &v[1]);
	r->pos = n->pos;
	if (v[1].type == SZ_CEL_ERROR || r->stop) {
		*ret = v[1];
		return false;
	}
	if (v[0].type < SZ_CEL_ERROR && v[1].type < SZ_CEL_ERROR)
		return true;
	ret->type = SZ_CEL_NULL;
	if (v[0].type == SZ_CEL_UNKNOWN)
		sz_cel_unknown_merge(r, &v[0], ret);
	if (v[1].type == SZ_CEL_UNKNOWN)
		sz_cel_unknown_merge(r, &v[1], ret);
	return false;
}

static void run_index(struct run *r, const struct node *n, struct sz_cel_value *ret)
{
	struct sz_cel_value v[2];

	if (run_two(r, n, v, ret)) {
		sz_cel_index(r, &v[0], &v[1], n->op == OP_OPT_INDEX, ret);
	} else if (ret->type == SZ_CEL_UNKNOWN && v[0].type == SZ_CEL_UNKNOWN &&
		   v[1].type == SZ_CEL_STRING) {
		sz_cel_unknown_select(r, &v[0], v[1].s, v[1].n, ret);
	}
}

/* ---- operators ------------------------------------------------------------------------------ */

/* && and ||: `decides` ends it; otherwise unknown is stronger than an error. */
static void run_logic(struct run *r, const struct node *n, bool decides, struct sz_cel_value *ret)
{
	struct sz_cel_value error = {0}, unknown = {0}, x;
	u32 i;

	for (i = 0; i < n->n && !r->stop; i++) {
		sz_cel_run(r, kid_of(r->p, n, i), &x);
		if (x.type == SZ_CEL_BOOL) {
			if (x.b == decides) {
				*ret = x;
				return;
			}
		} else if (x.type == SZ_CEL_UNKNOWN) {
			sz_cel_unknown_merge(r, &x, &unknown);
		} else if (error.type != SZ_CEL_ERROR) {
			r->pos = kid_of(r->p, n, i)->pos;
			if (x.type != SZ_CEL_ERROR)
				sz_cel_no_overload(r, decides ? "||" : "&&", &x, 1, &x);
			error = x;
		}
	}
	if (unknown.type == SZ_CEL_UNKNOWN)
		*ret = unknown;
	else if (error.type == SZ_CEL_ERROR)
		*ret = error;
	else
		*ret = sz_cel_bool(!decides);
}

static void run_condition(struct run *r, const struct node *n, struct sz_cel_value *ret)
{
	sz_cel_run(r, kid_of(r->p, n, 0), ret);
	if (ret->type == SZ_CEL_BOOL) {
		sz_cel_run(r, kid_of(r->p, n, ret->b ? 1 : 2), ret);
	} else if (!is_bad(ret)) {
		r->pos = n->pos;
		sz_cel_no_overload(r, "?:", ret, 1, ret);
	} else {
		sz_cel_unknown_use(r, ret);
	}
}

static void run_not(struct run *r, const struct node *n, struct sz_cel_value *ret)
{
	sz_cel_run(r, kid_of(r->p, n, 0), ret);
	r->pos = n->pos;
	if (ret->type == SZ_CEL_BOOL)
		ret->b = !ret->b;
	else if (!is_bad(ret))
		sz_cel_no_overload(r, "!", ret, 1, ret);
	else
		sz_cel_unknown_use(r, ret);
}

static void run_negate(struct run *r, const struct node *n, struct sz_cel_value *ret)
{
	sz_cel_run(r, kid_of(r->p, n, 0), ret);
	r->pos = n->pos;
	if (!is_bad(ret))
		sz_cel_negate(r, ret, ret);
	else
		sz_cel_unknown_use(r, ret);
}

static void run_order(struct run *r, const struct node *n, const struct sz_cel_value v[2],
		      struct sz_cel_value *ret)
{
	static const char *const names[] = {"<", "<=", ">", ">="};
	int c = sz_cel_compare(&v[0], &v[1]);

	if (v[0].type == SZ_CEL_STRING || v[0].type == SZ_CEL_BYTES)
		pay(r, v[0].n / 16);
	if (c == -EINVAL)
		sz_cel_no_overload(r, names[n->op - OP_LT], v, 2, ret);
	else
		*ret = sz_cel_bool(n->op == OP_LT   ? c == -1
				   : n->op == OP_LE ? c == -1 || c == 0
				   : n->op == OP_GT ? c == 1
						    : c == 1 || c == 0);
}

static void run_binary(struct run *r, const struct node *n, struct sz_cel_value *ret)
{
	struct sz_cel_value v[2];

	if (!run_two(r, n, v, ret))
		return;
	switch (n->op) {
	case OP_EQ:
	case OP_NE:
		sz_cel_equal(r, &v[0], &v[1], ret);
		if (n->op == OP_NE && ret->type == SZ_CEL_BOOL)
			ret->b = !ret->b;
		break;
	case OP_LT:
	case OP_LE:
	case OP_GT:
	case OP_GE:
		run_order(r, n, v, ret);
		break;
	case OP_IN:
		sz_cel_in(r, &v[0], &v[1], ret);
		break;
	default:
		sz_cel_arith(r, (enum op)n->op, &v[0], &v[1], ret);
		break;
	}
}

/* ---- calls ---------------------------------------------------------------------------------- */

/* A pattern that is known was compiled with the program. */
static void run_matches(struct run *r, const struct node *n, const struct sz_cel_value *text,
			struct sz_cel_value *ret)
{
	bool found = sz_cel_regex_match(r, n->re, text->s, text->n);

	*ret = sz_cel_bool(found);
}

static void run_call(struct run *r, const struct node *n, struct sz_cel_value *ret)
{
	struct sz_cel_value few[ARGS_INLINE], *args = few, unknown = {0};
	u32 i;

	if (!n->fn) {
		r->pos = n->pos;
		sz_cel_error(r, ret, "unknown function %.*s", n->name.n > 60 ? 60 : (int)n->name.n,
			     n->name.s);
		return;
	}
	if (n->n > ARGS_INLINE)
		args = sz_cel_take(r, n->n * sizeof(*args));
	for (i = 0; i < n->n && !r->stop; i++) {
		sz_cel_run(r, kid_of(r->p, n, i), &args[i]);
		if (args[i].type == SZ_CEL_ERROR) {
			*ret = args[i];
			return;
		}
		if (is_partial(&args[i]))
			sz_cel_unknown_inside(r, &args[i], &unknown);
		if (n->fn->flags & F_LAZY && !i && args[0].type == SZ_CEL_OPTIONAL && args[0].opt) {
			*ret = text_is(&n->name, "or") ? args[0] : *args[0].opt;
			return;
		}
	}
	if (r->stop)
		return;
	r->pos = n->pos;
	if (unknown.type == SZ_CEL_UNKNOWN)
		*ret = unknown;
	else if (n->re && args[0].type == SZ_CEL_STRING)
		run_matches(r, n, &args[0], ret);
	else
		n->fn->call(r, args, n->n, ret);
}

/* ---- the walk ------------------------------------------------------------------------------- */

static void run_var(struct run *r, const struct node *n, struct sz_cel_value *ret)
{
	*ret = r->slots[n->slot];
	if (ret->type != SZ_CEL_UNSET)
		return;
	r->pos = n->pos;
	sz_cel_error(r, ret, "variable %.*s has no value", n->name.n > 60 ? 60 : (int)n->name.n,
		     n->name.s);
}

void sz_cel_run(struct run *r, const struct node *n, struct sz_cel_value *ret)
{
	*ret = (struct sz_cel_value){.type = SZ_CEL_NULL};
	if (r->stop || !pay(r, 1))
		return;
	switch ((enum op)n->op) {
	case OP_CONST:
		*ret = n->value;
		return;
	case OP_VAR:
		run_var(r, n, ret);
		return;
	case OP_LOCAL:
		*ret = r->locals[n->slot];
		return;
	case OP_IDENT:
		r->pos = n->pos;
		sz_cel_error(r, ret, "undeclared name %.*s", n->name.n > 60 ? 60 : (int)n->name.n,
			     n->name.s);
		return;
	case OP_SELECT:
	case OP_OPT_SELECT:
		run_select(r, n, ret);
		return;
	case OP_HAS:
		run_has(r, n, ret);
		return;
	case OP_INDEX:
	case OP_OPT_INDEX:
		run_index(r, n, ret);
		return;
	case OP_CALL:
		run_call(r, n, ret);
		return;
	case OP_LIST:
		sz_cel_run_list(r, n, ret);
		return;
	case OP_MAP:
		sz_cel_run_map(r, n, ret);
		return;
	case OP_AND:
	case OP_OR:
		run_logic(r, n, n->op == OP_OR, ret);
		return;
	case OP_COND:
		run_condition(r, n, ret);
		return;
	case OP_NOT:
		run_not(r, n, ret);
		return;
	case OP_NEG:
		run_negate(r, n, ret);
		return;
	default:
		if (n->op >= OP_ALL)
			sz_cel_comprehend(r, n, ret);
		else
			run_binary(r, n, ret);
	}
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The type checker. Called once after names were resolved; says at which column something cannot
 * be right. Lists and maps whose elements differ are lists and maps of dyn.
 */
#include "cel_priv.h"

struct check {
	struct types *t;
	struct sz_cel_program *p;
	const struct sz_cel_env *env;
	struct sz_cel_error *e;
	struct type *locals[SZ_CEL_LOCALS_MAX];
	struct type *vars[SZ_CEL_VARS_MAX];
};

static struct type *check(struct check *c, u32 index);

static struct type *simple(struct check *c, enum kind kind)
{
	return sz_cel_type_new(c->t, kind, NULL, NULL);
}

static struct type *kid_type(struct check *c, const struct node *n, u32 i)
{
	struct type *x = check(c, n->kid[i] & KID_INDEX);

	return x ? sz_cel_type_of(c->t, x) : NULL;
}

static u32 kid_pos(struct check *c, const struct node *n, u32 i)
{
	return c->p->nodes[n->kid[i] & KID_INDEX].pos;
}

#define TYPE_TEXT 80

static struct type *wrong(struct check *c, u32 pos, const char *fmt, struct type *x)
{
	char text[TYPE_TEXT];

	sz_cel_type_print(c->t, x, text, sizeof(text));
	sz_cel_fail(c->e, pos, fmt, text);
	return NULL;
}

static struct type *check_const(struct check *c, const struct node *n)
{
	static const enum kind kinds[] = {
		[SZ_CEL_NULL] = K_NULL,   [SZ_CEL_BOOL] = K_BOOL,     [SZ_CEL_INT] = K_INT,
		[SZ_CEL_UINT] = K_UINT,   [SZ_CEL_DOUBLE] = K_DOUBLE, [SZ_CEL_STRING] = K_STRING,
		[SZ_CEL_BYTES] = K_BYTES,
	};

	if (n->value.type == SZ_CEL_TYPE)
		return sz_cel_type_new(c->t, K_TYPE, simple(c, K_DYN), NULL);
	return simple(c, kinds[n->value.type]);
}

/* ---- fields and elements -------------------------------------------------------------------- */

/* What a field or element of x is; NULL where x has none. `index`: not by a field's name. */
static struct type *member(struct check *c, struct type *x, struct type *key, u32 pos)
{
	if (x->kind == K_DYN || x->kind == K_VAR)
		return simple(c, K_DYN);
	if (x->kind == K_MAP) {
		if (!sz_cel_type_assign(c->t, x->a, key))
			return wrong(c, pos, "a key of type %s is never in this map", key);
		return x->b;
	}
	if (x->kind == K_LIST && key->kind != K_STRING) {
		if (!sz_cel_type_assign(c->t, simple(c, K_INT), key))
			return wrong(c, pos, "a list has no element by a key of type %s", key);
		return x->a;
	}
	return wrong(c, pos, "a value of type %s has no such fields or elements", x);
}

static struct type *check_member(struct check *c, const struct node *n)
{
	bool by_name = n->op == OP_SELECT || n->op == OP_OPT_SELECT || n->op == OP_HAS;
	bool optional = n->op == OP_OPT_SELECT || n->op == OP_OPT_INDEX;
	struct type *x = kid_type(c, n, 0), *key;

	key = !x ? NULL : by_name ? simple(c, K_STRING) : kid_type(c, n, 1);
	if (!key)
		return NULL;
	if (x->kind == K_OPTIONAL) {
		x = sz_cel_type_of(c->t, x->a);
		optional = true;
	}
	x = member(c, x, key, n->pos);
	if (!x)
		return NULL;
	if (n->op == OP_HAS)
		return simple(c, K_BOOL);
	return optional ? sz_cel_type_new(c->t, K_OPTIONAL, x, NULL) : x;
}

/* The type of a kid of a literal, without its optional where it stands behind '?'. */
static struct type *element(struct check *c, const struct node *n, u32 i, bool optional)
{
	struct type *x = kid_type(c, n, i);

	if (!x || !optional)
		return x;
	if (x->kind == K_OPTIONAL)
		return sz_cel_type_of(c->t, x->a);
	if (x->kind == K_DYN || x->kind == K_VAR)
		return simple(c, K_DYN);
	return wrong(c, kid_pos(c, n, i), "what stands behind '?' must be optional, not %s", x);
}

static struct type *join(struct check *c, struct type *x, struct type *y)
{
	return x ? sz_cel_type_join(c->t, x, y) : y;
}

static struct type *check_list(struct check *c, const struct node *n)
{
	struct type *all = NULL, *x;
	u32 i;

	for (i = 0; i < n->n; i++) {
		x = element(c, n, i, n->kid[i] & KID_OPTIONAL);
		if (!x)
			return NULL;
		all = join(c, all, x);
	}
	return sz_cel_type_new(c->t, K_LIST, all ? all : sz_cel_type_var(c->t), NULL);
}

static bool is_key(const struct type *x)
{
	return x->kind == K_BOOL || x->kind == K_INT || x->kind == K_UINT || x->kind == K_STRING ||
	       x->kind == K_DYN || x->kind == K_VAR;
}

static struct type *check_map(struct check *c, const struct node *n)
{
	struct type *keys = NULL, *values = NULL, *k, *v;
	u32 i;

	for (i = 0; i < n->n; i += 2) {
		k = kid_type(c, n, i);
		if (k && !is_key(k))
			return wrong(c, kid_pos(c, n, i), "a value of type %s cannot be a key", k);
		v = k ? element(c, n, i + 1, n->kid[i] & KID_OPTIONAL) : NULL;
		if (!v)
			return NULL;
		keys = join(c, keys, k);
		values = join(c, values, v);
	}
	return sz_cel_type_new(c->t, K_MAP, keys ? keys : sz_cel_type_var(c->t),
			       values ? values : sz_cel_type_var(c->t));
}

/* ---- operators and functions ---------------------------------------------------------------- */

#define ORDER "bb:b ii:b uu:b dd:b ss:b yy:b tt:b rr:b iu:b id:b ui:b ud:b di:b du:b"

static const struct {
	const char *name, *sig;
} operators[] = {
	[OP_AND] = {"&&", NULL}, /* any number of kids */
	[OP_OR] = {"||", NULL},
	[OP_COND] = {"?:", "bAA:A"},
	[OP_NOT] = {"!", "b:b"},
	[OP_NEG] = {"-", "i:i d:d"},
	[OP_ADD] = {"+", "ii:i uu:u dd:d ss:s yy:y LALA:LA tr:t rt:t rr:r"},
	[OP_SUB] = {"-", "ii:i uu:u dd:d tt:r tr:t rr:r"},
	[OP_MUL] = {"*", "ii:i uu:u dd:d"},
	[OP_DIV] = {"/", "ii:i uu:u dd:d"},
	[OP_MOD] = {"%", "ii:i uu:u"},
	[OP_EQ] = {"==", "AA:b"},
	[OP_NE] = {"!=", "AA:b"},
	[OP_LT] = {"<", ORDER},
	[OP_LE] = {"<=", ORDER},
	[OP_GT] = {">", ORDER},
	[OP_GE] = {">=", ORDER},
	[OP_IN] = {"in", "ALA:b AMAB:b"},
};

/* One overload: its result where the arguments fit it. Moves *s behind it. */
static struct type *overload(struct check *c, const char **s, struct type *const *args, u32 n)
{
	struct type *vars[3] = {NULL, NULL, NULL}, *ret;
	bool fits = true;
	u32 i;

	for (i = 0; **s != ':'; i++) {
		struct type *param = sz_cel_type_sig(c->t, s, vars);

		fits = fits && i < n && sz_cel_type_assign(c->t, param, args[i]);
	}
	(*s)++;
	ret = sz_cel_type_sig(c->t, s, vars);
	*s += **s == ' ';
	return fits && i == n ? ret : NULL;
}

static struct type *no_overload(struct check *c, u32 pos, const char *name,
				struct type *const *args, u32 n)
{
	char text[TYPE_TEXT];
	struct sz_buf b = {0};
	u32 i;

	for (i = 0; i < n; i++) {
		sz_cel_type_print(c->t, args[i], text, sizeof(text));
		sz_buf_printf(&b, "%s%s", i ? ", " : "", text);
	}
	sz_cel_fail(c->e, pos, "no such overload: %.60s (%.150s)", name, b.data ? b.data : "");
	sz_buf_done(&b);
	return NULL;
}

/* Tries every overload; what several fit with different results is dyn. */
static struct type *apply(struct check *c, u32 pos, const char *name, const char *sig,
			  struct type *const *args, u32 n)
{
	const char *s = sig, *begin, *one = NULL;
	enum kind kind = 0;
	u32 fits = 0, trail, vars;
	struct type *x;

	while (*s) {
		begin = s;
		trail = c->t->n_trail;
		vars = c->t->n;
		x = overload(c, &s, args, n);
		if (x) {
			x = sz_cel_type_of(c->t, x);
			kind = !fits || kind == x->kind ? x->kind : K_DYN;
			one = begin;
			fits++;
		}
		sz_cel_type_undo(c->t, trail);
		c->t->n = vars;
	}
	if (!fits)
		return no_overload(c, pos, name, args, n);
	if (fits == 1)
		return sz_cel_type_of(c->t, overload(c, &one, args, n));
	return simple(c, kind == K_LIST || kind == K_MAP || kind == K_OPTIONAL || kind == K_TYPE ||
					 kind == K_VAR
				 ? K_DYN
				 : kind);
}

/* The types of all kids, in the arena; NULL where one is wrong. */
static struct type **kid_types(struct check *c, const struct node *n)
{
	struct type **x = sz_cel_alloc(c->t->arena, n->n * sizeof(struct type *));
	u32 i;

	if (!x)
		sz_cel_fail(c->e, n->pos, "the expression needs too much memory");
	for (i = 0; x && i < n->n; i++) {
		x[i] = kid_type(c, n, i);
		if (!x[i])
			return NULL;
	}
	return x;
}

static bool is_number(const struct type *x)
{
	return x->kind == K_INT || x->kind == K_UINT || x->kind == K_DOUBLE || x->kind == K_DYN ||
	       x->kind == K_VAR;
}

/* math.greatest() and the like: numbers, or one list of them. */
static struct type *check_numbers(struct check *c, const struct node *n, struct type **args)
{
	enum kind kind = 0;
	struct type *x;
	u32 i;

	if (!n->n)
		return no_overload(c, n->pos, n->fn->name, args, 0);
	for (i = 0; i < n->n; i++) {
		x = args[i];
		if (n->n == 1 && x->kind == K_LIST)
			x = sz_cel_type_of(c->t, x->a);
		if (!is_number(x))
			return no_overload(c, n->pos, n->fn->name, args, n->n);
		kind = !i || kind == x->kind ? x->kind : K_DYN;
	}
	return simple(c, kind == K_VAR ? K_DYN : kind);
}

static struct type *check_call(struct check *c, const struct node *n)
{
	struct type **args;

	if (!n->fn) {
		sz_cel_fail(c->e, n->pos, "there is no %s %.*s() of %u arguments",
			    n->flags & N_MEMBER ? "method" : "function",
			    n->name.n > 60 ? 60 : (int)n->name.n, n->name.s,
			    n->n - !!(n->flags & N_MEMBER));
		return NULL;
	}
	args = kid_types(c, n);
	if (!args)
		return NULL;
	if (n->fn->flags & F_NUMBERS)
		return check_numbers(c, n, args);
	return apply(c, n->pos, n->fn->name, n->fn->sig, args, n->n);
}

static struct type *check_operator(struct check *c, const struct node *n)
{
	struct type **args = kid_types(c, n), *x;

	if (!args)
		return NULL;
	x = apply(c, n->pos, operators[n->op].name, operators[n->op].sig, args, n->n);
	if (x && n->op == OP_COND && (args[1]->kind == K_DYN || args[2]->kind == K_DYN))
		return simple(c, K_DYN);
	return x;
}

static struct type *want_bool(struct check *c, const struct node *n, u32 i, const char *fmt)
{
	struct type *x = kid_type(c, n, i), *boolean = simple(c, K_BOOL);

	if (!x)
		return NULL;
	return sz_cel_type_assign(c->t, boolean, x) ? boolean : wrong(c, kid_pos(c, n, i), fmt, x);
}

static struct type *check_logic(struct check *c, const struct node *n)
{
	u32 i;

	for (i = 0; i < n->n; i++)
		if (!want_bool(c, n, i, "an operand of && and || must be bool, not %s"))
			return NULL;
	return simple(c, K_BOOL);
}

/* ---- comprehensions ------------------------------------------------------------------------- */

static struct type *check_optional_map(struct check *c, const struct node *n)
{
	struct type *x = kid_type(c, n, 0);

	if (!x)
		return NULL;
	if (x->kind != K_OPTIONAL && x->kind != K_DYN && x->kind != K_VAR)
		return wrong(c, n->pos, "an optional is needed here, not %s", x);
	c->locals[n->slot] = x->kind == K_OPTIONAL ? x->a : simple(c, K_DYN);
	x = kid_type(c, n, 1);
	if (!x || n->op == OP_OPT_MAP)
		return x ? sz_cel_type_new(c->t, K_OPTIONAL, x, NULL) : NULL;
	if (x->kind != K_OPTIONAL && x->kind != K_DYN && x->kind != K_VAR)
		return wrong(c, kid_pos(c, n, 1), "the body must be optional, not %s", x);
	return x;
}

/* Gives the variables their types; false where there is nothing to go through. */
static bool declare_loop(struct check *c, const struct node *n, struct type *range)
{
	bool two = n->flags & N_TWO_VARS;
	struct type *dyn = simple(c, K_DYN);

	if (range->kind == K_LIST) {
		c->locals[n->slot] = two ? simple(c, K_INT) : range->a;
		if (two)
			c->locals[n->slot + 1] = range->a;
		return true;
	}
	c->locals[n->slot] = range->kind == K_MAP ? range->a : dyn;
	if (two)
		c->locals[n->slot + 1] = range->kind == K_MAP ? range->b : dyn;
	return range->kind == K_MAP || range->kind == K_DYN || range->kind == K_VAR;
}

static struct type *check_comprehension(struct check *c, const struct node *n)
{
	struct type *range = kid_type(c, n, 0), *body;

	if (!range)
		return NULL;
	if (!declare_loop(c, n, range))
		return wrong(c, n->pos, "a value of type %s has no elements", range);
	if (n->n == 3 && !want_bool(c, n, 2, "a filter must be bool, not %s"))
		return NULL;
	if (n->op == OP_ALL || n->op == OP_EXISTS || n->op == OP_EXISTS_ONE || n->op == OP_FILTER) {
		body = want_bool(c, n, 1, "a predicate must be bool, not %s");
		if (!body || n->op != OP_FILTER)
			return body;
		return sz_cel_type_new(c->t, K_LIST, c->locals[n->slot], NULL);
	}
	body = kid_type(c, n, 1);
	if (!body)
		return NULL;
	if (n->op == OP_MAP_LIST)
		return sz_cel_type_new(c->t, K_LIST, body, NULL);
	if (n->op == OP_MAP_MAP)
		return sz_cel_type_new(c->t, K_MAP, c->locals[n->slot], body);
	if (body->kind == K_MAP || body->kind == K_DYN || body->kind == K_VAR)
		return body;
	return wrong(c, kid_pos(c, n, 1), "transformMapEntry() needs a map, not %s", body);
}

static struct type *check_bind(struct check *c, const struct node *n)
{
	struct type *x = kid_type(c, n, 0);

	if (!x)
		return NULL;
	c->locals[n->slot] = x;
	return kid_type(c, n, 1);
}

static struct type *check_var(struct check *c, const struct node *n)
{
	struct type **x = &c->vars[n->slot];

	if (!*x)
		*x = sz_cel_type_parse(c->t, c->env->vars[n->slot].type);
	return *x;
}

static struct type *check(struct check *c, u32 index)
{
	const struct node *n = &c->p->nodes[index];

	switch ((enum op)n->op) {
	case OP_CONST:
		return check_const(c, n);
	case OP_VAR:
		return check_var(c, n);
	case OP_LOCAL:
		return c->locals[n->slot];
	case OP_IDENT:
		sz_cel_fail(c->e, n->pos, "undeclared name %.*s",
			    n->name.n > 60 ? 60 : (int)n->name.n, n->name.s);
		return NULL;
	case OP_SELECT:
	case OP_OPT_SELECT:
	case OP_HAS:
	case OP_INDEX:
	case OP_OPT_INDEX:
		return check_member(c, n);
	case OP_CALL:
		return check_call(c, n);
	case OP_LIST:
		return check_list(c, n);
	case OP_MAP:
		return check_map(c, n);
	case OP_AND:
	case OP_OR:
		return check_logic(c, n);
	case OP_BIND:
		return check_bind(c, n);
	case OP_OPT_MAP:
	case OP_OPT_FLAT_MAP:
		return check_optional_map(c, n);
	default:
		return n->op >= OP_ALL ? check_comprehension(c, n) : check_operator(c, n);
	}
}

int sz_cel_check(const struct sz_cel_env *env, struct sz_cel_program *p, struct sz_cel_error *e)
{
	struct check *c = sz_calloc(1, sizeof(*c));
	struct sz_cel_arena arena;
	struct type *x;
	char text[256];

	sz_cel_arena_init(&arena, 64 << 20);
	*c = (struct check){.p = p, .env = env, .e = e, .t = sz_calloc(1, sizeof(*c->t))};
	c->t->arena = &arena;
	x = check(c, p->root);
	if (x) {
		sz_cel_type_print(c->t, x, text, sizeof(text));
		p->type = sz_cel_alloc(&p->arena, strlen(text) + 1);
		if (p->type)
			memcpy((char *)p->type, text, strlen(text) + 1);
	}
	free(c->t);
	free(c);
	sz_cel_arena_done(&arena);
	return x ? p->type ? 0 : -ENOMEM : -EINVAL;
}

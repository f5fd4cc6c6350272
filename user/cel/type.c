/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Types: how they are written, what may stand where, and variables that stand for a type which is
 * found out. Called by the checker. Typing is gradual: dyn fits everywhere, and what does not show
 * before an evaluation is checked there.
 */
#include "cel_priv.h"

static const struct {
	const char *name;
	enum kind kind;
	u32 params;
	char sig;
} kinds[] = {
	{"dyn", K_DYN, 0, '*'},
	{"null_type", K_NULL, 0, 'n'},
	{"bool", K_BOOL, 0, 'b'},
	{"int", K_INT, 0, 'i'},
	{"uint", K_UINT, 0, 'u'},
	{"double", K_DOUBLE, 0, 'd'},
	{"string", K_STRING, 0, 's'},
	{"bytes", K_BYTES, 0, 'y'},
	{"timestamp", K_TIMESTAMP, 0, 't'},
	{"google.protobuf.Timestamp", K_TIMESTAMP, 0, 0},
	{"duration", K_DURATION, 0, 'r'},
	{"google.protobuf.Duration", K_DURATION, 0, 0},
	{"net.IP", K_IP, 0, 'I'},
	{"net.CIDR", K_CIDR, 0, 'c'},
	{"list", K_LIST, 1, 'L'},
	{"map", K_MAP, 2, 'M'},
	{"type", K_TYPE, 1, 'T'},
	{"optional_type", K_OPTIONAL, 1, 'O'},
};

bool sz_cel_type_name(const struct text *name, struct sz_cel_value *ret)
{
	size_t i;

	if (text_is(name, "dyn") || text_is(name, "timestamp") || text_is(name, "duration"))
		return false;
	for (i = 0; i < SZ_ARRAY_LEN(kinds); i++) {
		if (text_is(name, kinds[i].name)) {
			*ret = sz_cel_type_value(kinds[i].name);
			return true;
		}
	}
	return false;
}

struct type *sz_cel_type_new(struct types *t, enum kind kind, struct type *a, struct type *b)
{
	static struct type dyn = {.kind = K_DYN};
	struct type *x = sz_cel_alloc(t->arena, sizeof(*x));

	if (!x)
		return &dyn; /* never written to */
	*x = (struct type){.kind = kind, .a = a, .b = b};
	return x;
}

struct type *sz_cel_type_var(struct types *t)
{
	struct type *x;

	if (t->n >= TYPE_VARS_MAX)
		return sz_cel_type_new(t, K_DYN, NULL, NULL);
	x = sz_cel_type_new(t, K_VAR, NULL, NULL);
	if (x->kind != K_VAR)
		return x;
	t->bound[t->n] = NULL;
	x->var = t->n++;
	return x;
}

struct type *sz_cel_type_of(struct types *t, struct type *x)
{
	while (x->kind == K_VAR && t->bound[x->var])
		x = t->bound[x->var];
	return x;
}

/* One type may stand in another many times over; a checker that would not end fits nothing. */
static bool too_much(struct types *t)
{
	return t->work++ > TYPE_WORK_MAX;
}

static bool occurs(struct types *t, u32 var, struct type *x)
{
	if (too_much(t))
		return true;
	x = sz_cel_type_of(t, x);
	if (x->kind == K_VAR)
		return x->var == var;
	return (x->a && occurs(t, var, x->a)) || (x->b && occurs(t, var, x->b));
}

static bool bind(struct types *t, struct type *var, struct type *x)
{
	if (x->kind == K_VAR && x->var == var->var)
		return true;
	if (occurs(t, var->var, x) || t->n_trail >= TYPE_VARS_MAX)
		return false;
	t->bound[var->var] = x;
	t->trail[t->n_trail++] = var->var;
	return true;
}

void sz_cel_type_undo(struct types *t, u32 n_trail)
{
	while (t->n_trail > n_trail)
		t->bound[t->trail[--t->n_trail]] = NULL;
}

static bool is_nullable(enum kind k)
{
	return k == K_TIMESTAMP || k == K_DURATION || k == K_IP || k == K_CIDR || k == K_OPTIONAL;
}

bool sz_cel_type_assign(struct types *t, struct type *to, struct type *from)
{
	if (too_much(t))
		return false;
	to = sz_cel_type_of(t, to);
	from = sz_cel_type_of(t, from);
	if (to->kind == K_DYN || from->kind == K_DYN)
		return true;
	if (to->kind == K_VAR)
		return bind(t, to, from);
	if (from->kind == K_VAR)
		return bind(t, from, to);
	if (to->kind == K_TYPE && from->kind == K_TYPE)
		return true; /* types of different values compare */
	if (to->kind == K_NULL || from->kind == K_NULL)
		return to->kind == from->kind || is_nullable(to->kind) || is_nullable(from->kind);
	if (to->kind != from->kind)
		return false;
	return (!to->a || sz_cel_type_assign(t, to->a, from->a)) &&
	       (!to->b || sz_cel_type_assign(t, to->b, from->b));
}

struct type *sz_cel_type_join(struct types *t, struct type *x, struct type *y)
{
	u32 trail = t->n_trail;

	x = sz_cel_type_of(t, x);
	y = sz_cel_type_of(t, y);
	if (x->kind == K_DYN)
		return x;
	if (y->kind == K_DYN)
		return y;
	if (sz_cel_type_assign(t, x, y))
		return x->kind == K_NULL ? y : x;
	sz_cel_type_undo(t, trail);
	return sz_cel_type_new(t, K_DYN, NULL, NULL);
}

/* ---- as text -------------------------------------------------------------------------------- */

struct type *sz_cel_type_sig(struct types *t, const char **s, struct type *vars[3])
{
	char c = *(*s)++;
	struct type *a, *b;
	size_t i;

	if (c >= 'A' && c <= 'C') {
		if (!vars[c - 'A'])
			vars[c - 'A'] = sz_cel_type_var(t);
		return vars[c - 'A'];
	}
	for (i = 0; kinds[i].sig != c; i++)
		;
	a = kinds[i].params > 0 ? sz_cel_type_sig(t, s, vars) : NULL;
	b = kinds[i].params > 1 ? sz_cel_type_sig(t, s, vars) : NULL;
	return sz_cel_type_new(t, kinds[i].kind, a, b);
}

static void skip_blanks(const char **s)
{
	*s += strspn(*s, " ");
}

static struct type *parse(struct types *t, const char **s, u32 depth)
{
	struct type *param[2] = {NULL, NULL};
	size_t n, i;
	u32 k;

	skip_blanks(s);
	n = strcspn(*s, "(), ");
	for (i = 0; i < SZ_ARRAY_LEN(kinds); i++)
		if (strlen(kinds[i].name) == n && !memcmp(kinds[i].name, *s, n))
			break;
	if (i == SZ_ARRAY_LEN(kinds) || depth > 16)
		return NULL;
	*s += n;
	skip_blanks(s);
	for (k = 0; k < kinds[i].params; k++) {
		if (*(*s)++ != (k ? ',' : '('))
			return NULL;
		param[k] = parse(t, s, depth + 1);
		if (!param[k])
			return NULL;
		skip_blanks(s);
	}
	if (k && *(*s)++ != ')')
		return NULL;
	return sz_cel_type_new(t, kinds[i].kind, param[0], param[1]);
}

struct type *sz_cel_type_parse(struct types *t, const char *s)
{
	struct type *x;

	x = parse(t, &s, 0);
	if (x)
		skip_blanks(&s);
	return x && !*s ? x : NULL;
}

static void print(struct types *t, struct type *x, struct sz_buf *b, u32 depth)
{
	size_t i;

	x = sz_cel_type_of(t, x);
	if (x->kind == K_VAR || depth > 8) {
		sz_buf_printf(b, "dyn");
		return;
	}
	for (i = 0; kinds[i].kind != x->kind; i++)
		;
	sz_buf_printf(b, "%s", kinds[i].name);
	if (x->a) {
		sz_buf_printf(b, "(");
		print(t, x->a, b, depth + 1);
		if (x->b) {
			sz_buf_printf(b, ", ");
			print(t, x->b, b, depth + 1);
		}
		sz_buf_printf(b, ")");
	}
}

void sz_cel_type_print(struct types *t, struct type *x, char *out, size_t n)
{
	struct sz_buf b = {0};

	print(t, x, &b, 0);
	snprintf(out, n, "%s", b.data);
	sz_buf_done(&b);
}

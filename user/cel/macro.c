/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Calls that are no functions: has(), the comprehensions in their forms with one and two variables,
 * cel.bind(), optMap() and optFlatMap(). Each becomes a node of its own. Called by the parser for
 * every call.
 */
#include "cel_priv.h"

static const struct macro {
	const char *name;
	enum op op;
	u32 vars;     /* 1 or 2 */
	u32 min, max; /* arguments, variables included */
} macros[] = {
	{"all", OP_ALL, 1, 2, 2},
	{"exists", OP_EXISTS, 1, 2, 2},
	{"exists_one", OP_EXISTS_ONE, 1, 2, 2},
	{"existsOne", OP_EXISTS_ONE, 1, 2, 2},
	{"map", OP_MAP_LIST, 1, 2, 3},
	{"filter", OP_FILTER, 1, 2, 2},
	{"optMap", OP_OPT_MAP, 1, 2, 2},
	{"optFlatMap", OP_OPT_FLAT_MAP, 1, 2, 2},
	{"all", OP_ALL, 2, 3, 3},
	{"exists", OP_EXISTS, 2, 3, 3},
	{"exists_one", OP_EXISTS_ONE, 2, 3, 3},
	{"existsOne", OP_EXISTS_ONE, 2, 3, 3},
	{"transformList", OP_MAP_LIST, 2, 3, 4},
	{"transformMap", OP_MAP_MAP, 2, 3, 4},
	{"transformMapEntry", OP_MAP_ENTRY, 2, 3, 4},
};

static struct node *at(struct parse *ps, u32 i)
{
	return &ps->p->nodes[i & KID_INDEX];
}

/* The name of a variable; a plain identifier. */
static int variable(struct parse *ps, u32 node, const char *macro, struct text *ret)
{
	const struct node *n = at(ps, node);

	if (n->op != OP_IDENT || n->flags & N_ROOTED)
		return sz_cel_fail(ps->e, n->pos, "%s() needs the name of a variable here", macro);
	*ret = n->name;
	return 0;
}

static int expand_has(struct parse *ps, u32 call, u32 *ret)
{
	const struct node *n = at(ps, call);
	struct node *field;

	if (n->n != 1)
		return 1;
	field = at(ps, n->kid[0]);
	if (field->op != OP_SELECT)
		return sz_cel_fail(ps->e, field->pos, "has() needs a field, as in has(a.b)");
	field->op = OP_HAS;
	*ret = n->kid[0];
	return 0;
}

/* kids of a comprehension's call: range, variables, [filter,] body. */
static int expand(struct parse *ps, const struct macro *m, u32 call, u32 *ret)
{
	u32 n = at(ps, call)->n - 1, pos = at(ps, call)->pos, kid[3], node;
	struct text name, name2 = {NULL, 0};
	const u32 *arg = at(ps, call)->kid + 1;

	if (variable(ps, arg[0], m->name, &name) ||
	    (m->vars == 2 && variable(ps, arg[1], m->name, &name2)))
		return -EINVAL;
	if (m->vars == 2 && name2.s && name.n == name2.n && !memcmp(name.s, name2.s, name.n))
		return sz_cel_fail(ps->e, at(ps, arg[1])->pos, "both variables have the same name");
	kid[0] = at(ps, call)->kid[0];
	kid[1] = arg[n - 1];
	kid[2] = arg[n - 2]; /* of use only where there is a filter */
	node = sz_cel_node(ps, m->op, pos, kid, n == m->vars + 2 ? 3 : 2);
	if (!node)
		return -EINVAL;
	at(ps, node)->name = name;
	at(ps, node)->name2 = name2;
	at(ps, node)->flags = m->vars == 2 ? N_TWO_VARS : 0;
	*ret = node;
	return 0;
}

static int expand_bind(struct parse *ps, u32 call, u32 *ret)
{
	const struct node *n = at(ps, call);
	u32 kid[2], pos = n->pos, node;
	struct text name;

	if (n->n != 4)
		return 1;
	if (variable(ps, n->kid[1], "cel.bind", &name))
		return -EINVAL;
	kid[0] = n->kid[2];
	kid[1] = n->kid[3];
	node = sz_cel_node(ps, OP_BIND, pos, kid, 2);
	if (!node)
		return -EINVAL;
	at(ps, node)->name = name;
	*ret = node;
	return 0;
}

int sz_cel_macro(struct parse *ps, u32 call, u32 *ret)
{
	const struct node *n = at(ps, call), *receiver;
	size_t i;

	if (!(n->flags & N_MEMBER))
		return text_is(&n->name, "has") ? expand_has(ps, call, ret) : 1;
	receiver = at(ps, n->kid[0]);
	if (receiver->op == OP_IDENT && text_is(&receiver->name, "cel") &&
	    text_is(&n->name, "bind"))
		return expand_bind(ps, call, ret);
	for (i = 0; i < SZ_ARRAY_LEN(macros); i++)
		if (text_is(&n->name, macros[i].name) && n->n - 1 >= macros[i].min &&
		    n->n - 1 <= macros[i].max)
			return expand(ps, &macros[i], call, ret);
	return 1;
}

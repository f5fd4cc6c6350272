/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tokens into the tree: recursive descent, one function for each level of precedence (langdef,
 * section "Syntax"). Called by sz_cel_compile. Chains of && and || become one node with many kids;
 * everything else is bounded by SZ_CEL_DEPTH_MAX. A node's index of 0 stands for an error.
 */
#include "cel_priv.h"

struct kids {
	u32 *v;
	u32 n, room;
};

static u32 parse_expr(struct parse *ps);

static void kids_add(struct kids *k, u32 node)
{
	if (k->n == k->room) {
		k->room = k->room ? k->room * 2 : 8;
		k->v = sz_realloc(k->v, k->room, sizeof(*k->v));
	}
	k->v[k->n++] = node;
}

u32 sz_cel_node(struct parse *ps, enum op op, u32 pos, const u32 *kid, u32 n)
{
	struct sz_cel_program *p = ps->p;
	struct node *node;
	u32 i, depth = 0;

	if (p->n_nodes >= SZ_CEL_NODES_MAX) {
		sz_cel_fail(ps->e, pos, "the expression has more than %d parts", SZ_CEL_NODES_MAX);
		return 0;
	}
	if (p->n_nodes == p->room) {
		p->room = p->room ? p->room * 2 : 16;
		p->nodes = sz_realloc(p->nodes, p->room, sizeof(*p->nodes));
	}
	node = &p->nodes[p->n_nodes];
	*node = (struct node){.op = (u8)op, .pos = pos, .n = n};
	if (n) {
		node->kid = sz_cel_alloc(&p->arena, n * sizeof(*kid));
		if (!node->kid) {
			sz_cel_fail(ps->e, pos, "the expression needs too much memory");
			return 0;
		}
		memcpy(node->kid, kid, n * sizeof(*kid));
	}
	for (i = 0; i < n; i++)
		if (p->nodes[kid[i] & KID_INDEX].depth > depth)
			depth = p->nodes[kid[i] & KID_INDEX].depth;
	if (depth >= SZ_CEL_DEPTH_MAX) {
		sz_cel_fail(ps->e, pos, "the expression is nested deeper than %d levels",
			    SZ_CEL_DEPTH_MAX);
		return 0;
	}
	node->depth = (u16)(depth + 1);
	return p->n_nodes++;
}

static bool is_punct(const struct parse *ps, char c)
{
	return ps->lex.token == T_PUNCT && ps->lex.c == c;
}

static int next(struct parse *ps)
{
	return sz_cel_lex(&ps->lex);
}

static int expected(struct parse *ps, const char *what)
{
	struct lex *l = &ps->lex;

	if (l->token == T_END)
		return sz_cel_fail(ps->e, l->pos, "the expression ends where %s is expected", what);
	return sz_cel_fail(ps->e, l->pos, "%s is expected here", what);
}

static int expect(struct parse *ps, char c, const char *what)
{
	return is_punct(ps, c) ? next(ps) : expected(ps, what);
}

static u32 constant(struct parse *ps, struct sz_cel_value v)
{
	u32 node = sz_cel_node(ps, OP_CONST, ps->lex.pos, NULL, 0);

	if (!node || next(ps))
		return 0;
	ps->p->nodes[node].value = v;
	return node;
}

/* ---- literals ------------------------------------------------------------------------------- */

static u32 parse_int(struct parse *ps, bool negative)
{
	u64 u = ps->lex.u, limit = (u64)INT64_MAX + negative;

	if (u > limit) {
		sz_cel_fail(ps->e, ps->lex.pos, "the number does not fit into 64 bits");
		return 0;
	}
	return constant(ps, sz_cel_int(negative ? (s64)(0 - u) : (s64)u));
}

static u32 parse_literal(struct parse *ps)
{
	const struct lex *l = &ps->lex;

	switch (l->token) {
	case T_INT:
		return parse_int(ps, false);
	case T_UINT:
		return constant(ps, sz_cel_uint(l->u));
	case T_DOUBLE:
		return constant(ps, sz_cel_double(l->d));
	case T_STRING:
		return constant(ps, sz_cel_string(l->text.s, l->text.n));
	case T_BYTES:
		return constant(ps, sz_cel_bytes(l->text.s, l->text.n));
	case T_TRUE:
	case T_FALSE:
		return constant(ps, sz_cel_bool(l->token == T_TRUE));
	case T_NULL:
		return constant(ps, (struct sz_cel_value){.type = SZ_CEL_NULL});
	default:
		expected(ps, "a value");
		return 0;
	}
}

/* Elements up to the closing character, which is taken too; `map`: key and value in turn. */
static int parse_elements(struct parse *ps, char close, bool map, struct kids *k)
{
	u32 optional, node;

	while (!is_punct(ps, close)) {
		optional = 0;
		if (is_punct(ps, '?')) {
			optional = KID_OPTIONAL;
			if (next(ps))
				return -EINVAL;
		}
		node = parse_expr(ps);
		if (!node)
			return -EINVAL;
		kids_add(k, node | optional);
		if (map) {
			if (expect(ps, ':', "':' between key and value"))
				return -EINVAL;
			node = parse_expr(ps);
			if (!node)
				return -EINVAL;
			kids_add(k, node);
		}
		if (is_punct(ps, close))
			break;
		if (expect(ps, ',', close == ']' ? "',' or ']'" : "',' or '}'"))
			return -EINVAL;
	}
	return next(ps);
}

static u32 parse_aggregate(struct parse *ps, enum op op, char close)
{
	struct kids k = {0};
	u32 pos = ps->lex.pos, node = 0;

	if (!next(ps) && !parse_elements(ps, close, op == OP_MAP, &k))
		node = sz_cel_node(ps, op, pos, k.v, k.n);
	free(k.v);
	return node;
}

/* ---- names, calls and what follows a value -------------------------------------------------- */

/* Arguments behind '(' and the closing one; kids may hold a receiver already. */
static int parse_args(struct parse *ps, struct kids *k)
{
	u32 node;

	if (next(ps))
		return -EINVAL;
	while (!is_punct(ps, ')')) {
		node = parse_expr(ps);
		if (!node)
			return -EINVAL;
		kids_add(k, node);
		if (is_punct(ps, ')'))
			break;
		if (expect(ps, ',', "',' or ')'"))
			return -EINVAL;
		if (is_punct(ps, ')'))
			return expected(ps, "an argument");
	}
	return next(ps);
}

/* A call of `name` at pos; receiver 0: none. Macros are expanded. */
static u32 parse_call(struct parse *ps, struct text name, u32 pos, u32 receiver, u32 flags)
{
	struct kids k = {0};
	u32 node = 0, expanded;
	int ret;

	if (receiver)
		kids_add(&k, receiver);
	if (!parse_args(ps, &k))
		node = sz_cel_node(ps, OP_CALL, pos, k.v, k.n);
	free(k.v);
	if (!node)
		return 0;
	ps->p->nodes[node].name = name;
	ps->p->nodes[node].flags = (u8)(flags | (receiver ? N_MEMBER : 0));
	ret = flags & N_ROOTED ? 1 : sz_cel_macro(ps, node, &expanded);
	return ret > 0 ? node : ret ? 0 : expanded;
}

static u32 parse_name(struct parse *ps, u32 flags)
{
	struct text name = ps->lex.text;
	u32 pos = ps->lex.pos, node;

	if (ps->lex.token != T_IDENT) {
		expected(ps, "a name");
		return 0;
	}
	if (sz_cel_is_reserved(&name)) {
		sz_cel_fail(ps->e, pos, "'%.*s' is a reserved word", (int)name.n, name.s);
		return 0;
	}
	if (next(ps))
		return 0;
	if (is_punct(ps, '('))
		return parse_call(ps, name, pos, 0, flags);
	node = sz_cel_node(ps, OP_IDENT, pos, NULL, 0);
	if (!node)
		return 0;
	ps->p->nodes[node].name = name;
	ps->p->nodes[node].flags = (u8)flags;
	return node;
}

static u32 parse_primary(struct parse *ps)
{
	u32 node;

	if (ps->lex.token == T_IDENT)
		return parse_name(ps, 0);
	if (is_punct(ps, '.'))
		return next(ps) ? 0 : parse_name(ps, N_ROOTED);
	if (is_punct(ps, '['))
		return parse_aggregate(ps, OP_LIST, ']');
	if (is_punct(ps, '{'))
		return parse_aggregate(ps, OP_MAP, '}');
	if (!is_punct(ps, '('))
		return parse_literal(ps);
	if (next(ps))
		return 0;
	node = parse_expr(ps);
	if (!node || expect(ps, ')', "')'"))
		return 0;
	ps->p->nodes[node].flags |= N_PAREN;
	return node;
}

/* Words and names alike may stand behind a dot. */
static bool is_field(const struct lex *l)
{
	return l->token == T_IDENT || l->token == T_QUOTED || l->token == T_IN ||
	       l->token == T_TRUE || l->token == T_FALSE || l->token == T_NULL;
}

/* At what follows a dot. */
static u32 parse_select(struct parse *ps, u32 operand)
{
	u32 pos = ps->lex.pos, node;
	bool optional = is_punct(ps, '?'), word;
	struct text name;

	if (optional && next(ps))
		return 0;
	name = ps->lex.text;
	word = ps->lex.token == T_IDENT;
	if (!is_field(&ps->lex) || (!word && ps->lex.token != T_QUOTED)) {
		expected(ps, "the name of a field");
		return 0;
	}
	if (next(ps))
		return 0;
	if (is_punct(ps, '(') && word && !optional)
		return parse_call(ps, name, pos, operand, 0);
	node = sz_cel_node(ps, optional ? OP_OPT_SELECT : OP_SELECT, pos, &operand, 1);
	if (node)
		ps->p->nodes[node].name = name;
	return node;
}

static u32 parse_index(struct parse *ps, u32 operand)
{
	u32 pos = ps->lex.pos, kid[2] = {operand};
	enum op op = OP_INDEX;

	if (next(ps))
		return 0;
	if (is_punct(ps, '?')) {
		op = OP_OPT_INDEX;
		if (next(ps))
			return 0;
	}
	kid[1] = parse_expr(ps);
	if (!kid[1] || expect(ps, ']', "']'"))
		return 0;
	return sz_cel_node(ps, op, pos, kid, 2);
}

/* Is this a name such as a.b.c, which may be one of a message? */
static bool is_qualified(const struct parse *ps, u32 node)
{
	const struct node *n = &ps->p->nodes[node];

	while (n->op == OP_SELECT && !(n->flags & N_PAREN))
		n = &ps->p->nodes[n->kid[0]];
	return n->op == OP_IDENT && !(n->flags & N_PAREN);
}

static u32 parse_message(struct parse *ps, u32 name)
{
	sz_cel_fail(ps->e, ps->p->nodes[name].pos, "messages cannot be made: no type is declared");
	return 0;
}

static u32 parse_member(struct parse *ps, u32 node)
{
	while (node) {
		if (is_punct(ps, '.'))
			node = next(ps) ? 0 : parse_select(ps, node);
		else if (is_punct(ps, '['))
			node = parse_index(ps, node);
		else if (is_punct(ps, '{') && is_qualified(ps, node))
			return parse_message(ps, node);
		else
			break;
	}
	return node;
}

/* ---- operators ------------------------------------------------------------------------------ */

static u32 parse_unary(struct parse *ps)
{
	u32 pos = ps->lex.pos, node;
	bool minus = is_punct(ps, '-');

	if (!minus && !is_punct(ps, '!'))
		return parse_member(ps, parse_primary(ps));
	if (next(ps))
		return 0;
	if (minus && ps->lex.token == T_INT)
		return parse_member(ps, parse_int(ps, true));
	if (minus && ps->lex.token == T_DOUBLE)
		return parse_member(ps, constant(ps, sz_cel_double(-ps->lex.d)));
	if (++ps->depth > SZ_CEL_DEPTH_MAX) {
		sz_cel_fail(ps->e, pos, "the expression is nested deeper than %d levels",
			    SZ_CEL_DEPTH_MAX);
		return 0;
	}
	node = parse_unary(ps);
	ps->depth--;
	return node ? sz_cel_node(ps, minus ? OP_NEG : OP_NOT, pos, &node, 1) : 0;
}

static enum op mul_op(const struct parse *ps)
{
	return is_punct(ps, '*')   ? OP_MUL
	       : is_punct(ps, '/') ? OP_DIV
	       : is_punct(ps, '%') ? OP_MOD
				   : OP_CONST;
}

static enum op add_op(const struct parse *ps)
{
	return is_punct(ps, '+') ? OP_ADD : is_punct(ps, '-') ? OP_SUB : OP_CONST;
}

static enum op relation_op(const struct parse *ps)
{
	switch (ps->lex.token) {
	case T_EQ:
		return OP_EQ;
	case T_NE:
		return OP_NE;
	case T_LT:
		return OP_LT;
	case T_LE:
		return OP_LE;
	case T_GT:
		return OP_GT;
	case T_GE:
		return OP_GE;
	case T_IN:
		return OP_IN;
	default:
		return OP_CONST;
	}
}

/* Left-associative operators of one level, for which `which` returns OP_CONST where none stands. */
static u32 parse_binary(struct parse *ps, enum op (*which)(const struct parse *),
			u32 (*operand)(struct parse *))
{
	u32 kid[2], pos;
	enum op op;

	kid[0] = operand(ps);
	while (kid[0] && (op = which(ps)) != OP_CONST) {
		pos = ps->lex.pos;
		if (next(ps))
			return 0;
		kid[1] = operand(ps);
		kid[0] = kid[1] ? sz_cel_node(ps, op, pos, kid, 2) : 0;
	}
	return kid[0];
}

static u32 parse_mul(struct parse *ps)
{
	return parse_binary(ps, mul_op, parse_unary);
}

static u32 parse_add(struct parse *ps)
{
	return parse_binary(ps, add_op, parse_mul);
}

static u32 parse_relation(struct parse *ps)
{
	return parse_binary(ps, relation_op, parse_add);
}

static u32 parse_chain(struct parse *ps, enum token token, enum op op,
		       u32 (*operand)(struct parse *))
{
	u32 node = operand(ps), pos = ps->lex.pos;
	struct kids k = {0};

	if (!node || ps->lex.token != token)
		return node;
	kids_add(&k, node);
	while (node && ps->lex.token == token) {
		node = next(ps) ? 0 : operand(ps);
		kids_add(&k, node);
	}
	if (node)
		node = sz_cel_node(ps, op, pos, k.v, k.n);
	free(k.v);
	return node;
}

static u32 parse_and(struct parse *ps)
{
	return parse_chain(ps, T_AND, OP_AND, parse_relation);
}

static u32 parse_or(struct parse *ps)
{
	return parse_chain(ps, T_OR, OP_OR, parse_and);
}

static u32 parse_conditional(struct parse *ps)
{
	u32 kid[3], pos;

	kid[0] = parse_or(ps);
	if (!kid[0] || !is_punct(ps, '?'))
		return kid[0];
	pos = ps->lex.pos;
	if (next(ps))
		return 0;
	kid[1] = parse_or(ps);
	if (!kid[1] || expect(ps, ':', "':' of a condition"))
		return 0;
	kid[2] = parse_expr(ps);
	return kid[2] ? sz_cel_node(ps, OP_COND, pos, kid, 3) : 0;
}

static u32 parse_expr(struct parse *ps)
{
	u32 node;

	if (++ps->depth > SZ_CEL_DEPTH_MAX) {
		sz_cel_fail(ps->e, ps->lex.pos, "the expression is nested deeper than %d levels",
			    SZ_CEL_DEPTH_MAX);
		return 0;
	}
	node = parse_conditional(ps);
	ps->depth--;
	return node;
}

int sz_cel_parse(struct sz_cel_program *p, struct sz_cel_error *e)
{
	struct parse ps = {.p = p, .e = e};

	ps.lex = (struct lex){.s = p->text, .n = p->text_n, .arena = &p->arena, .e = e};
	sz_cel_node(&ps, OP_CONST, 0, NULL, 0); /* index 0 is none */
	if (next(&ps))
		return -EINVAL;
	p->root = parse_expr(&ps);
	if (!p->root)
		return -EINVAL;
	return ps.lex.token == T_END ? 0 : expected(&ps, "an operator or the end");
}

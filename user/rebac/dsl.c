/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The language models are written in: text to model, by recursive descent over words and signs.
 * Called by model.c. Its nesting is bounded before it recurses; what the model means is checked
 * elsewhere. A '#' that begins a line or follows a space begins a comment.
 */
#include <string.h>

#include "rebac_priv.h"

struct word {
	const char *s;
	size_t n;         /* 0 at the end */
	bool name, first; /* no sign; the first on its line */
	struct place place;
};

struct parser {
	struct sz_rebac_model *m;
	const char *p, *end;
	struct place place;
	bool first, spaced;
	struct word w;
	struct sz_rebac_error *e;
	struct relation *relation; /* being defined */
	u32 nesting;
};

static const char name_chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789_-./";

static void advance(struct parser *p)
{
	char c = *p->p++;

	if (c == '\n') {
		p->place.line++;
		p->place.column = 1;
		p->first = true;
	} else if (((u8)c & 0xc0) != 0x80) {
		p->place.column++;
	}
	p->spaced = c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool at_name(const struct parser *p)
{
	return p->p < p->end && *p->p && strchr(name_chars, *p->p);
}

static void next(struct parser *p)
{
	while (p->p < p->end) {
		if (*p->p == '#' && p->spaced)
			while (p->p < p->end && *p->p != '\n')
				advance(p);
		else if (*p->p == ' ' || *p->p == '\t' || *p->p == '\n' || *p->p == '\r')
			advance(p);
		else
			break;
	}
	p->w = (struct word){.s = p->p, .name = at_name(p), .first = p->first, .place = p->place};
	p->first = false;
	if (p->w.name)
		while (at_name(p))
			advance(p);
	else if (p->p < p->end)
		advance(p);
	p->w.n = (size_t)(p->p - p->w.s);
}

static bool is(const struct parser *p, const char *s)
{
	return p->w.n == strlen(s) && !memcmp(p->w.s, s, p->w.n);
}

static int expected(struct parser *p, const char *what)
{
	u8 c = p->w.n ? (u8)*p->w.s : 0;

	if (!p->w.n)
		return sz_rebac_fail_at(p->e, p->w.place, "expected %s, but the text ends", what);
	if (c <= ' ' || c >= 0x7f)
		return sz_rebac_fail_at(p->e, p->w.place, "expected %s, found byte 0x%02x", what,
					c);
	return sz_rebac_fail_at(p->e, p->w.place, "expected %s, found '%.*s'", what,
				(int)(p->w.n > 60 ? 60 : p->w.n), p->w.s);
}

static int expect(struct parser *p, const char *s, const char *what)
{
	if (!is(p, s))
		return expected(p, what);
	next(p);
	return 0;
}

static int take_name(struct parser *p, const char *what, const char **ret)
{
	if (!p->w.name)
		return expected(p, what);
	*ret = sz_rebac_copy(p->m, p->w.s, p->w.n);
	next(p);
	return 0;
}

/* ---- definitions ---------------------------------------------------------------------------- */

static int parse_ref(struct parser *p, struct ref ***tail)
{
	struct ref *ref = sz_cel_alloc(&p->m->arena, sizeof(*ref));
	int err;

	ref->place = p->w.place;
	err = take_name(p, "a type", &ref->type);
	if (!err && is(p, ":")) {
		next(p);
		err = expect(p, "*", "'*'");
		ref->wildcard = true;
	} else if (!err && is(p, "#")) {
		next(p);
		err = take_name(p, "a relation", &ref->relation);
	}
	if (!err && is(p, "with")) {
		next(p);
		err = take_name(p, "the name of a condition", &ref->condition);
	}
	**tail = ref;
	*tail = &ref->next;
	return err;
}

static struct rewrite *new_rewrite(struct parser *p, enum rebac_op op)
{
	struct rewrite *r = sz_cel_alloc(&p->m->arena, sizeof(*r));

	r->op = op;
	r->place = p->w.place;
	return r;
}

static int parse_refs(struct parser *p, struct rewrite **ret)
{
	struct ref **tail = &p->relation->refs;
	int err;

	if (p->relation->refs)
		return sz_rebac_fail_at(p->e, p->w.place,
					"a definition has one list of types; put them together");
	*ret = new_rewrite(p, OP_THIS);
	do {
		next(p);
		err = parse_ref(p, &tail);
	} while (!err && is(p, ","));
	return err ? err : expect(p, "]", "',' or ']'");
}

static int parse_definition(struct parser *p, struct rewrite **ret);

static int parse_operand(struct parser *p, struct rewrite **ret)
{
	int err;

	if (is(p, "["))
		return parse_refs(p, ret);
	if (is(p, "(")) {
		if (++p->nesting > SZ_REBAC_NESTING_MAX)
			return sz_rebac_fail_at(p->e, p->w.place,
						"parentheses are nested deeper than %d",
						SZ_REBAC_NESTING_MAX);
		next(p);
		err = parse_definition(p, ret);
		p->nesting--;
		return err ? err : expect(p, ")", "'or', 'and', 'but not' or ')'");
	}
	*ret = new_rewrite(p, OP_COMPUTED);
	err = take_name(p, "a relation, '[' or '('", &(*ret)->relation);
	if (err || !is(p, "from"))
		return err;
	next(p);
	(*ret)->op = OP_TTU;
	return take_name(p, "a relation", &(*ret)->tupleset);
}

static bool at_operator(const struct parser *p)
{
	return !p->w.first && (is(p, "or") || is(p, "and") || is(p, "but"));
}

/* One operator, any number of times, or one "but not": OpenFGA has no precedence either. */
static int parse_definition(struct parser *p, struct rewrite **ret)
{
	struct rewrite *all, **tail, *operand;
	char op[4] = "";
	int err = parse_operand(p, ret);

	if (err || !at_operator(p))
		return err;
	memcpy(op, p->w.s, p->w.n);
	all = new_rewrite(p, *op == 'o' ? OP_UNION : *op == 'a' ? OP_INTERSECTION : OP_EXCLUSION);
	all->first = *ret;
	tail = &all->first->next;
	*ret = all;
	do {
		next(p);
		if (*op == 'b' && (err = expect(p, "not", "'not'")) != 0)
			return err;
		err = parse_operand(p, &operand);
		if (err)
			return err;
		*tail = operand;
		tail = &operand->next;
	} while (is(p, op) && *op != 'b' && at_operator(p));
	if (at_operator(p))
		return sz_rebac_fail_at(p->e, p->w.place,
					"'%s' and '%.*s' beside each other; use parentheses", op,
					(int)p->w.n, p->w.s);
	return 0;
}

static int parse_relation(struct parser *p, struct relation ***tail)
{
	struct relation *r = sz_cel_alloc(&p->m->arena, sizeof(*r));
	int err;

	next(p);
	r->place = p->w.place;
	err = take_name(p, "the name of a relation", &r->name);
	if (!err)
		err = expect(p, ":", "':'");
	p->relation = r;
	if (!err)
		err = parse_definition(p, &r->rewrite);
	if (!err && !p->w.first && p->w.n)
		err = expected(p, "'or', 'and', 'but not', 'from' or the end of the line");
	**tail = r;
	*tail = &r->next;
	return err;
}

static int parse_type(struct parser *p, struct type ***tail)
{
	struct type *t = sz_cel_alloc(&p->m->arena, sizeof(*t));
	struct relation **relations = &t->relations;
	int err;

	next(p);
	t->place = p->w.place;
	err = take_name(p, "the name of a type", &t->name);
	**tail = t;
	*tail = &t->next;
	if (err || !is(p, "relations"))
		return err;
	next(p);
	if (!is(p, "define"))
		return expected(p, "'define'");
	while (!err && p->w.first && is(p, "define"))
		err = parse_relation(p, &relations);
	return err;
}

/* ---- conditions ----------------------------------------------------------------------------- */

static int parse_param_type(struct parser *p, struct param *param)
{
	u32 k;
	int err = 0;

	for (k = 0; k < PARAM_KINDS && !is(p, sz_rebac_param_names[k]); k++)
		;
	if (k == PARAM_KINDS)
		return expected(p, "bool, string, int, uint, double, duration, timestamp, any, "
				   "ipaddress, map<> or list<>");
	param->kind = k;
	next(p);
	if (k != PARAM_MAP && k != PARAM_LIST)
		return 0;
	if (++p->nesting > SZ_REBAC_NESTING_MAX)
		return expected(p, "a simpler type");
	param->inner = sz_cel_alloc(&p->m->arena, sizeof(*param));
	err = expect(p, "<", "'<'");
	if (!err)
		err = parse_param_type(p, param->inner);
	p->nesting--;
	return err ? err : expect(p, ">", "'>'");
}

static int parse_params(struct parser *p, struct condition *c)
{
	struct param **tail = &c->params, *param;
	int err = expect(p, "(", "'('");

	while (!err) {
		param = sz_cel_alloc(&p->m->arena, sizeof(*param));
		param->place = p->w.place;
		err = take_name(p, "the name of a parameter", &param->name);
		if (!err)
			err = expect(p, ":", "':'");
		if (!err)
			err = parse_param_type(p, param);
		*tail = param;
		tail = &param->next;
		if (err || !is(p, ","))
			break;
		next(p);
	}
	return err ? err : expect(p, ")", "',' or ')'");
}

/* Over a string of the expression, which may hold braces. */
static void skip_string(struct parser *p)
{
	char quote = *p->p;

	advance(p);
	while (p->p < p->end && *p->p != quote && *p->p != '\n') {
		if (*p->p == '\\' && p->p + 1 < p->end)
			advance(p);
		advance(p);
	}
	if (p->p < p->end)
		advance(p);
}

/* The word is the '{'; the expression goes on to the '}' that closes it. */
static int parse_body(struct parser *p, struct condition *c)
{
	struct place open = p->w.place;
	const char *s, *end;
	u32 depth = 1;

	if (!is(p, "{"))
		return expected(p, "'{'");
	while (p->p < p->end && strchr(" \t\r\n", *p->p) && *p->p)
		advance(p);
	s = p->p;
	c->text_place = p->place;
	while (p->p < p->end) {
		if (*p->p == '"' || *p->p == '\'') {
			skip_string(p);
			continue;
		}
		depth += *p->p == '{';
		depth -= *p->p == '}';
		if (!depth)
			break;
		advance(p);
	}
	if (depth)
		return sz_rebac_fail_at(p->e, open, "this '{' is not closed");
	for (end = p->p; end > s && strchr(" \t\r\n", end[-1]) && end[-1]; end--)
		;
	c->text = sz_rebac_copy(p->m, s, (size_t)(end - s));
	if (strlen(c->text) != (size_t)(end - s))
		return sz_rebac_fail_at(p->e, c->text_place, "the expression has a NUL byte");
	advance(p);
	next(p);
	return 0;
}

static int parse_condition(struct parser *p, struct condition ***tail)
{
	struct condition *c = sz_cel_alloc(&p->m->arena, sizeof(*c));
	int err;

	next(p);
	c->place = p->w.place;
	err = take_name(p, "the name of a condition", &c->name);
	if (!err)
		err = parse_params(p, c);
	if (!err)
		err = parse_body(p, c);
	**tail = c;
	*tail = &c->next;
	return err;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static int parse_head(struct parser *p)
{
	int err;

	if (is(p, "module"))
		return sz_rebac_fail_at(p->e, p->w.place,
					"modules are not supported; write one whole model");
	err = expect(p, "model", "'model'");
	if (!err)
		err = expect(p, "schema", "'schema'");
	if (!err && !is(p, "1.1"))
		err = expected(p, "schema version 1.1");
	if (!err)
		next(p);
	return err;
}

int sz_rebac_parse_dsl(const char *text, size_t n, struct sz_rebac_model *m,
		       struct sz_rebac_error *e)
{
	struct parser p = {.m = m,
			   .p = text,
			   .end = text + n,
			   .place = {1, 1},
			   .first = true,
			   .spaced = true,
			   .e = e};
	struct condition **conditions = &m->conditions;
	struct type **types = &m->types;
	int err;

	next(&p);
	err = parse_head(&p);
	while (!err && p.w.n) {
		if (p.w.first && is(&p, "type"))
			err = parse_type(&p, &types);
		else if (p.w.first && is(&p, "condition"))
			err = parse_condition(&p, &conditions);
		else
			err = expected(&p, "'type', 'define' or 'condition' on a line of its own");
	}
	return err;
}

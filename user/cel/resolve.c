/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Names into slots: variables of comprehensions, declared variables (longest name first, in the
 * container's packages from the inside out), types, functions with a package. Called once after
 * parsing. Nothing is looked up by name in an evaluation but the keys of maps.
 */
#include "cel_priv.h"

#define NAME_BYTES 512

struct scope {
	const struct sz_cel_env *env;
	struct sz_cel_program *p;
	struct sz_cel_error *e;
	struct text names[SZ_CEL_LOCALS_MAX];
	u32 n;
};

static int resolve(struct scope *s, u32 index);

static bool same_text(const struct text *a, const struct text *b)
{
	return a->n == b->n && !memcmp(a->s, b->s, a->n);
}

static int local_slot(const struct scope *s, const struct text *name)
{
	u32 i;

	for (i = s->n; i > 0; i--)
		if (same_text(&s->names[i - 1], name))
			return (int)i - 1;
	return -1;
}

/* Writes a.b.c of a chain of selections; 0 where it is none, or its root is a local variable. */
static u32 chain_name(const struct scope *s, u32 index, char *out, bool *ret_rooted)
{
	const struct node *n = &s->p->nodes[index & KID_INDEX];
	u32 len;

	if (n->op == OP_IDENT) {
		*ret_rooted = n->flags & N_ROOTED;
		if ((!*ret_rooted && local_slot(s, &n->name) >= 0) || n->name.n > NAME_BYTES)
			return 0;
		memcpy(out, n->name.s, n->name.n);
		return n->name.n;
	}
	if (n->op != OP_SELECT)
		return 0;
	len = chain_name(s, n->kid[0], out, ret_rooted);
	if (!len || len + n->name.n + 1 > NAME_BYTES)
		return 0;
	out[len] = '.';
	memcpy(out + len + 1, n->name.s, n->name.n);
	return len + n->name.n + 1;
}

static int find_var(const struct sz_cel_env *env, const char *name, size_t n)
{
	u32 i;

	for (i = 0; i < env->n; i++)
		if (strlen(env->vars[i].name) == n && !memcmp(env->vars[i].name, name, n))
			return (int)i;
	return -1;
}

/* The slot of the variable by this name, in the container first. */
static int lookup(const struct sz_cel_env *env, const char *name, u32 n, bool rooted)
{
	char full[2 * NAME_BYTES + 2];
	size_t package = env->container && !rooted ? strlen(env->container) : 0;
	int slot;

	while (package) {
		memcpy(full, env->container, package);
		full[package] = '.';
		memcpy(full + package + 1, name, n);
		slot = find_var(env, full, package + 1 + n);
		if (slot >= 0)
			return slot;
		while (package && env->container[package - 1] != '.')
			package--;
		package -= package > 0;
	}
	return find_var(env, name, n);
}

/* Whether the name, or chain of names, is one variable or type as a whole. */
static bool resolve_name(struct scope *s, u32 index)
{
	struct node *n = &s->p->nodes[index];
	struct sz_cel_value type;
	char name[NAME_BYTES + 1];
	struct text text = {name, 0};
	bool rooted = false;
	int slot;

	text.n = chain_name(s, index, name, &rooted);
	if (!text.n)
		return false;
	slot = lookup(s->env, name, text.n, rooted);
	if (slot >= 0) {
		n->op = OP_VAR;
		n->slot = (u32)slot;
		n->n = 0;
		s->p->uses[slot] = 1;
		return true;
	}
	if (!sz_cel_type_name(&text, &type))
		return false;
	n->op = OP_CONST;
	n->n = 0;
	n->value = type;
	return true;
}

static int resolve_kids(struct scope *s, u32 index)
{
	u32 i;
	int err;

	for (i = 0; i < s->p->nodes[index].n; i++) {
		err = resolve(s, s->p->nodes[index].kid[i] & KID_INDEX);
		if (err)
			return err;
	}
	return 0;
}

/* math.greatest(x): a function whose name has a package, not a receiver. */
static const struct func *packaged(struct scope *s, const struct node *n)
{
	char name[NAME_BYTES + 1];
	struct text text = {name, 0};
	bool rooted;

	text.n = chain_name(s, n->kid[0], name, &rooted);
	if (!text.n || text.n + n->name.n + 1 > NAME_BYTES)
		return NULL;
	name[text.n] = '.';
	memcpy(name + text.n + 1, n->name.s, n->name.n);
	text.n += n->name.n + 1;
	return sz_cel_func(&text, false, n->n - 1);
}

static int resolve_call(struct scope *s, u32 index)
{
	struct node *n = &s->p->nodes[index];
	const struct func *fn = n->flags & N_MEMBER ? packaged(s, n) : NULL;

	if (fn) {
		n->kid++;
		n->n--;
		n->flags &= (u8)~N_MEMBER;
		n->name = (struct text){fn->name, (u32)strlen(fn->name)};
	} else {
		fn = sz_cel_func(&n->name, n->flags & N_MEMBER, n->n);
	}
	n->fn = fn;
	n->re = NULL;
	return resolve_kids(s, index);
}

static int resolve_comprehension(struct scope *s, u32 index)
{
	struct node *n = &s->p->nodes[index];
	u32 vars = n->flags & N_TWO_VARS ? 2 : 1, i;
	int err;

	err = resolve(s, n->kid[0] & KID_INDEX);
	if (err)
		return err;
	if (s->n + vars > SZ_CEL_LOCALS_MAX)
		return sz_cel_fail(s->e, n->pos, "more than %d variables of comprehensions",
				   SZ_CEL_LOCALS_MAX);
	n->slot = s->n;
	s->names[s->n++] = n->name;
	if (vars == 2)
		s->names[s->n++] = n->name2;
	if (s->n > s->p->n_locals)
		s->p->n_locals = s->n;
	for (i = 1; i < n->n && !err; i++)
		err = resolve(s, n->kid[i] & KID_INDEX);
	s->n -= vars;
	return err;
}

static int resolve(struct scope *s, u32 index)
{
	struct node *n = &s->p->nodes[index];
	int slot;

	switch ((enum op)n->op) {
	case OP_IDENT:
		slot = n->flags & N_ROOTED ? -1 : local_slot(s, &n->name);
		if (slot >= 0) {
			n->op = OP_LOCAL;
			n->slot = (u32)slot;
			return 0;
		}
		resolve_name(s, index);
		return 0;
	case OP_SELECT:
		return resolve_name(s, index) ? 0 : resolve_kids(s, index);
	case OP_CALL:
		return resolve_call(s, index);
	default:
		return n->op >= OP_ALL ? resolve_comprehension(s, index) : resolve_kids(s, index);
	}
}

int sz_cel_resolve(const struct sz_cel_env *env, struct sz_cel_program *p, struct sz_cel_error *e)
{
	struct scope s = {.env = env, .p = p, .e = e};

	return resolve(&s, p->root);
}

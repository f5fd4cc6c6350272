/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rules of OpenFGA that a model must keep (openfga.dev/docs/configuration-language): names,
 * references, type restrictions, an entry point for every relation, no definition in a circle.
 * Called once a model was read, in either form; it also resolves what names stand for.
 */
#include <string.h>

#include "rebac_priv.h"

/* ---- names ---------------------------------------------------------------------------------- */

static int check_name(const char *what, const char *name, size_t max, const char *never,
		      struct place at, struct sz_rebac_error *e)
{
	size_t n = strlen(name), i;

	if (!n || n > max)
		return sz_rebac_fail_at(e, at, "the name of a %s has 1 to %zu bytes", what, max);
	for (i = 0; i < n; i++)
		if ((u8)name[i] <= ' ' || name[i] == 0x7f || strchr(never, name[i]))
			return sz_rebac_fail_at(e, at, "the name of a %s has no byte 0x%02x", what,
						(u8)name[i]);
	if (!strcmp(name, "self") || !strcmp(name, "this"))
		return sz_rebac_fail_at(e, at, "'%s' is a reserved word", name);
	return 0;
}

static int check_type_names(const struct sz_rebac_model *m, const struct type *t, u32 *n_relations,
			    struct sz_rebac_error *e)
{
	const struct relation *r;
	int err = check_name("type", t->name, SZ_REBAC_TYPE_MAX, ":#@*", t->place, e);

	if (!err && sz_rebac_type(m, t->name) != t)
		err = sz_rebac_fail_at(e, t->place, "type '%s' is defined twice", t->name);
	for (r = t->relations; r && !err; r = r->next) {
		if (++*n_relations > RELATIONS_MAX)
			return sz_rebac_fail_at(e, r->place, "there are more than %d relations",
						RELATIONS_MAX);
		err = check_name("relation", r->name, SZ_REBAC_RELATION_MAX, ":#@", r->place, e);
		if (!err && sz_rebac_relation(t, r->name) != r)
			err = sz_rebac_fail_at(e, r->place, "relation '%s' is defined twice",
					       r->name);
	}
	return err;
}

static int check_names(const struct sz_rebac_model *m, struct sz_rebac_error *e)
{
	const struct condition *c;
	const struct type *t;
	u32 n = 0, n_relations = 0;
	int err = 0;

	if (!m->types)
		return sz_rebac_fail_at(e, (struct place){1, 1}, "the model defines no type");
	for (t = m->types; t && !err; t = t->next) {
		if (++n > TYPES_MAX)
			return sz_rebac_fail_at(e, t->place, "there are more than %d types",
						TYPES_MAX);
		err = check_type_names(m, t, &n_relations, e);
	}
	for (n = 0, c = m->conditions; c && !err; c = c->next) {
		if (++n > TYPES_MAX)
			return sz_rebac_fail_at(e, c->place, "there are more than %d conditions",
						TYPES_MAX);
		err = check_name("condition", c->name, SZ_REBAC_RELATION_MAX, ":#@*", c->place, e);
		if (!err && sz_rebac_condition(m, c->name) != c)
			err = sz_rebac_fail_at(e, c->place, "condition '%s' is defined twice",
					       c->name);
	}
	return err;
}

/* ---- references ----------------------------------------------------------------------------- */

static int resolve_refs(const struct sz_rebac_model *m, struct relation *r,
			struct sz_rebac_error *e)
{
	struct ref *ref;

	for (ref = r->refs; ref; ref = ref->next) {
		ref->to_type = sz_rebac_type(m, ref->type);
		if (!ref->to_type)
			return sz_rebac_fail_at(e, ref->place, "type '%s' is not defined",
						ref->type);
		ref->to = ref->relation ? sz_rebac_relation(ref->to_type, ref->relation) : NULL;
		if (ref->relation && !ref->to)
			return sz_rebac_fail_at(e, ref->place, "type '%s' has no relation '%s'",
						ref->type, ref->relation);
		if (ref->condition && !sz_rebac_condition(m, ref->condition))
			return sz_rebac_fail_at(e, ref->place, "condition '%s' is not defined",
						ref->condition);
	}
	return 0;
}

static int resolve_rewrite(const struct type *t, const struct relation *of, struct rewrite *w,
			   struct sz_rebac_error *e)
{
	struct rewrite *child;
	int err = 0;

	if (w->op == OP_COMPUTED) {
		w->to = sz_rebac_relation(t, w->relation);
		if (w->to == of)
			return sz_rebac_fail_at(e, w->place, "'%s' is defined by itself", of->name);
		if (!w->to)
			return sz_rebac_fail_at(e, w->place, "type '%s' has no relation '%s'",
						t->name, w->relation);
	} else if (w->op == OP_TTU) {
		w->via = sz_rebac_relation(t, w->tupleset);
		if (!w->via)
			return sz_rebac_fail_at(e, w->place, "type '%s' has no relation '%s'",
						t->name, w->tupleset);
		if (w->via->rewrite->op != OP_THIS)
			return sz_rebac_fail_at(e, w->place,
						"'%s' stands behind 'from' and so must be a list "
						"of types, without operators",
						w->tupleset);
		w->via->tupleset = true;
	}
	for (child = w->first; child && !err; child = child->next)
		err = resolve_rewrite(t, of, child, e);
	return err;
}

/* "viewer from parent": a parent must be of a type that has a viewer. */
static int check_ttus(const struct rewrite *w, struct sz_rebac_error *e)
{
	const struct rewrite *child;
	const struct ref *ref;
	int err = 0;

	if (w->op == OP_TTU) {
		for (ref = w->via->refs; ref; ref = ref->next)
			if (sz_rebac_relation(ref->to_type, w->relation))
				break;
		if (!ref)
			return sz_rebac_fail_at(e, w->place,
						"no type of '%s' has the relation '%s'",
						w->tupleset, w->relation);
	}
	for (child = w->first; child && !err; child = child->next)
		err = check_ttus(child, e);
	return err;
}

static int check_refs(const struct relation *r, struct sz_rebac_error *e)
{
	const struct ref *ref;

	if (sz_rebac_has_this(r->rewrite) && !r->refs)
		return sz_rebac_fail_at(e, r->place, "'%s' takes tuples, but of no type", r->name);
	if (!sz_rebac_has_this(r->rewrite) && r->refs)
		return sz_rebac_fail_at(e, r->place, "'%s' has types, but takes no tuples",
					r->name);
	for (ref = r->refs; ref; ref = ref->next)
		if (r->tupleset && (ref->wildcard || ref->relation))
			return sz_rebac_fail_at(e, ref->place,
						"'%s' stands behind a 'from'; such a relation "
						"takes plain types only",
						r->name);
	return check_ttus(r->rewrite, e);
}

/* ---- entry points --------------------------------------------------------------------------- */

static bool refs_entered(const struct rewrite *w, const struct relation *of)
{
	const struct relation *to;
	const struct ref *ref;

	for (ref = w->op == OP_TTU ? w->via->refs : of->refs; ref; ref = ref->next) {
		to = w->op == OP_TTU ? sz_rebac_relation(ref->to_type, w->relation) : ref->to;
		if ((w->op == OP_THIS && !ref->relation) || (to && to->entered))
			return true;
	}
	return false;
}

static bool rewrite_entered(const struct rewrite *w, const struct relation *of)
{
	const struct rewrite *child;

	if (w->op == OP_THIS || w->op == OP_TTU)
		return refs_entered(w, of);
	if (w->op == OP_COMPUTED)
		return w->to->entered;
	for (child = w->first; child; child = child->next)
		if (rewrite_entered(child, of) == (w->op == OP_UNION))
			return w->op == OP_UNION;
	return w->op != OP_UNION;
}

/* A relation is entered once all it needs is: repeated until that tells nothing new. */
static int check_entries(const struct sz_rebac_model *m, struct sz_rebac_error *e)
{
	const struct type *t;
	struct relation *r;
	bool more = true;

	while (more) {
		more = false;
		for (t = m->types; t; t = t->next)
			for (r = t->relations; r; r = r->next)
				if (!r->entered && rewrite_entered(r->rewrite, r))
					more = r->entered = true;
	}
	for (t = m->types; t; t = t->next)
		for (r = t->relations; r; r = r->next)
			if (!r->entered)
				return sz_rebac_fail_at(e, r->place,
							"no user can ever have '%s' of '%s': it "
							"has no entry point",
							r->name, t->name);
	return 0;
}

static int check_cycles(struct relation *r, struct sz_rebac_error *e);

static int walk_computed(const struct rewrite *w, struct sz_rebac_error *e)
{
	const struct rewrite *child;
	int err = w->op == OP_COMPUTED ? check_cycles(w->to, e) : 0;

	for (child = w->first; child && !err; child = child->next)
		err = walk_computed(child, e);
	return err;
}

static int check_cycles(struct relation *r, struct sz_rebac_error *e)
{
	int err;

	if (r->walk == 2)
		return 0;
	if (r->walk == 1)
		return sz_rebac_fail_at(e, r->place, "'%s' is defined by itself", r->name);
	r->walk = 1;
	err = walk_computed(r->rewrite, e);
	r->walk = 2;
	return err;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static int check_params(const struct condition *c, struct sz_rebac_error *e)
{
	const struct param *p, *q;
	u32 n = 0;
	int err = 0;

	for (p = c->params; p && !err; p = p->next) {
		if (++n > 64)
			return sz_rebac_fail_at(e, p->place, "there are more than 64 parameters");
		for (q = c->params; q != p; q = q->next)
			if (!strcmp(p->name, q->name))
				return sz_rebac_fail_at(e, p->place,
							"parameter '%s' is defined twice", p->name);
	}
	return err;
}

static int each_relation(struct sz_rebac_model *m, struct sz_rebac_error *e)
{
	struct relation *r;
	struct type *t;
	int err = 0;

	for (t = m->types; t; t = t->next)
		for (r = t->relations; r && !err; r = r->next) {
			err = resolve_refs(m, r, e);
			if (!err)
				err = resolve_rewrite(t, r, r->rewrite, e);
		}
	for (t = m->types; t; t = t->next)
		for (r = t->relations; r && !err; r = r->next)
			err = check_refs(r, e);
	for (t = m->types; t; t = t->next)
		for (r = t->relations; r && !err; r = r->next)
			err = check_cycles(r, e);
	return err ? err : check_entries(m, e);
}

int sz_rebac_validate(struct sz_rebac_model *m, struct sz_rebac_error *e)
{
	struct condition *c;
	int err = check_names(m, e);

	if (!err)
		err = each_relation(m, e);
	for (c = m->conditions; c && !err; c = c->next) {
		err = check_params(c, e);
		if (!err)
			err = sz_rebac_condition_compile(c, e);
	}
	return err;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A model written out again, in the language or as JSON. What is printed reads as the same model.
 */
#include <string.h>

#include "rebac_priv.h"

/* ---- the language --------------------------------------------------------------------------- */

static void print_refs(const struct ref *ref, struct sz_buf *b)
{
	const char *before = "[";

	for (; ref; ref = ref->next) {
		sz_buf_printf(b, "%s%s%s%s%s%s%s", before, ref->type, ref->wildcard ? ":*" : "",
			      ref->relation ? "#" : "", ref->relation ? ref->relation : "",
			      ref->condition ? " with " : "", ref->condition ? ref->condition : "");
		before = ", ";
	}
	sz_buf_add(b, "]", 1);
}

static void print_rewrite(const struct relation *r, const struct rewrite *w, bool inner,
			  struct sz_buf *b)
{
	static const char *const between[] = {
		[OP_UNION] = " or ", [OP_INTERSECTION] = " and ", [OP_EXCLUSION] = " but not "};
	const struct rewrite *c;

	if (w->op == OP_THIS) {
		print_refs(r->refs, b);
	} else if (w->op == OP_COMPUTED) {
		sz_buf_printf(b, "%s", w->relation);
	} else if (w->op == OP_TTU) {
		sz_buf_printf(b, "%s from %s", w->relation, w->tupleset);
	} else {
		sz_buf_printf(b, "%s", inner ? "(" : "");
		for (c = w->first; c; c = c->next) {
			print_rewrite(r, c, true, b);
			sz_buf_printf(b, "%s", c->next ? between[w->op] : "");
		}
		sz_buf_printf(b, "%s", inner ? ")" : "");
	}
}

static void print_param(const struct param *p, struct sz_buf *b)
{
	sz_buf_printf(b, "%s", sz_rebac_param_names[p->kind]);
	if (p->inner) {
		sz_buf_add(b, "<", 1);
		print_param(p->inner, b);
		sz_buf_add(b, ">", 1);
	}
}

void sz_rebac_model_print(const struct sz_rebac_model *m, struct sz_buf *ret)
{
	const struct condition *c;
	const struct relation *r;
	const struct param *p;
	const struct type *t;

	sz_buf_printf(ret, "model\n  schema 1.1\n");
	for (t = m->types; t; t = t->next) {
		sz_buf_printf(ret, "\ntype %s\n", t->name);
		for (r = t->relations; r; r = r->next) {
			sz_buf_printf(ret,
				      "%s    define %s: ", r == t->relations ? "  relations\n" : "",
				      r->name);
			print_rewrite(r, r->rewrite, false, ret);
			sz_buf_add(ret, "\n", 1);
		}
	}
	for (c = m->conditions; c; c = c->next) {
		sz_buf_printf(ret, "\ncondition %s(", c->name);
		for (p = c->params; p; p = p->next) {
			sz_buf_printf(ret, "%s: ", p->name);
			print_param(p, ret);
			sz_buf_printf(ret, "%s", p->next ? ", " : "");
		}
		sz_buf_printf(ret, ") {\n  %s\n}\n", c->text);
	}
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static json_t *rewrite_json(const struct rewrite *w)
{
	const struct rewrite *c;
	json_t *list;

	switch (w->op) {
	case OP_THIS:
		return json_pack("{s:{}}", "this");
	case OP_COMPUTED:
		return json_pack("{s:{s:s}}", "computedUserset", "relation", w->relation);
	case OP_TTU:
		return json_pack("{s:{s:{s:s}, s:{s:s}}}", "tupleToUserset", "tupleset", "relation",
				 w->tupleset, "computedUserset", "relation", w->relation);
	case OP_EXCLUSION:
		return json_pack("{s:{s:o, s:o}}", "difference", "base", rewrite_json(w->first),
				 "subtract", rewrite_json(w->first->next));
	default:
		list = json_array();
		for (c = w->first; c; c = c->next)
			json_array_append_new(list, rewrite_json(c));
		return json_pack("{s:{s:o}}", w->op == OP_UNION ? "union" : "intersection", "child",
				 list);
	}
}

static json_t *refs_json(const struct ref *ref)
{
	json_t *list = json_array(), *v;

	for (; ref; ref = ref->next) {
		v = json_pack("{s:s}", "type", ref->type);
		if (ref->relation)
			json_object_set_new(v, "relation", json_string(ref->relation));
		if (ref->wildcard)
			json_object_set_new(v, "wildcard", json_object());
		if (ref->condition)
			json_object_set_new(v, "condition", json_string(ref->condition));
		json_array_append_new(list, v);
	}
	return list;
}

static json_t *type_json(const struct type *t)
{
	json_t *relations = json_object(), *meta = json_object();
	const struct relation *r;

	for (r = t->relations; r; r = r->next) {
		json_object_set_new(relations, r->name, rewrite_json(r->rewrite));
		json_object_set_new(
			meta, r->name,
			json_pack("{s:o}", "directly_related_user_types", refs_json(r->refs)));
	}
	if (!t->relations) {
		json_decref(meta);
		return json_pack("{s:s, s:o, s:n}", "type", t->name, "relations", relations,
				 "metadata");
	}
	return json_pack("{s:s, s:o, s:{s:o}}", "type", t->name, "relations", relations, "metadata",
			 "relations", meta);
}

static json_t *param_json(const struct param *p)
{
	char name[32] = "TYPE_NAME_";
	json_t *v;
	size_t i;

	strcat(name, sz_rebac_param_names[p->kind]);
	for (i = 0; name[i]; i++)
		if (name[i] >= 'a' && name[i] <= 'z')
			name[i] = (char)(name[i] - 'a' + 'A');
	v = json_pack("{s:s}", "type_name", name);
	if (p->inner)
		json_object_set_new(v, "generic_types", json_pack("[o]", param_json(p->inner)));
	return v;
}

static json_t *conditions_json(const struct condition *c)
{
	json_t *all = json_object(), *params;
	const struct param *p;

	for (; c; c = c->next) {
		params = json_object();
		for (p = c->params; p; p = p->next)
			json_object_set_new(params, p->name, param_json(p));
		json_object_set_new(all, c->name,
				    json_pack("{s:s, s:s, s:o}", "name", c->name, "expression",
					      c->text, "parameters", params));
	}
	return all;
}

json_t *sz_rebac_model_json(const struct sz_rebac_model *m)
{
	json_t *v, *types = json_array();
	const struct type *t;

	for (t = m->types; t; t = t->next)
		json_array_append_new(types, type_json(t));
	v = json_pack("{s:s, s:o}", "schema_version", "1.1", "type_definitions", types);
	if (m->conditions)
		json_object_set_new(v, "conditions", conditions_json(m->conditions));
	return v;
}

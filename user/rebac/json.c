/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The JSON form of a model, as OpenFGA's API has it. Called by model.c. jansson reads the text; a
 * second walk over it finds where each value stands, so that an error has a line and a column.
 */
#include <stdio.h>
#include <string.h>

#include "rebac_priv.h"

struct spot {
	const json_t *v;
	struct place place;
};

struct reader {
	struct sz_rebac_model *m;
	struct sz_rebac_error *e;
	const char *p;
	struct place place; /* of p */
	struct spot *spots;
	size_t n_spots, room;
	u32 nesting;
};

/* ---- where things stand --------------------------------------------------------------------- */

static void skip(struct reader *r, size_t n)
{
	for (; n; n--, r->p++) {
		if (*r->p == '\n') {
			r->place.line++;
			r->place.column = 1;
		} else if (((u8)*r->p & 0xc0) != 0x80) {
			r->place.column++;
		}
	}
}

static void skip_space(struct reader *r)
{
	skip(r, strspn(r->p, " \t\r\n"));
}

static void skip_string(struct reader *r)
{
	size_t n = 1;

	while (r->p[n] != '"')
		n += r->p[n] == '\\' ? 2 : 1;
	skip(r, n + 1);
}

static void add_spot(struct reader *r, const json_t *v)
{
	if (r->n_spots == r->room) {
		r->room = r->room ? 2 * r->room : 256;
		r->spots = sz_realloc(r->spots, r->room, sizeof(*r->spots));
	}
	r->spots[r->n_spots++] = (struct spot){v, r->place};
}

/* The text is valid JSON, and jansson keeps the order of members. */
static void walk(struct reader *r, const json_t *v)
{
	const char *key;
	json_t *member;
	size_t i;

	skip_space(r);
	add_spot(r, v);
	if (json_is_object(v)) {
		skip(r, 1);
		json_object_foreach((json_t *)v, key, member)
		{
			skip_space(r);
			skip_string(r);
			skip_space(r);
			skip(r, 1);
			walk(r, member);
			skip_space(r);
			if (*r->p == ',')
				skip(r, 1);
		}
		skip_space(r);
		skip(r, 1);
	} else if (json_is_array(v)) {
		skip(r, 1);
		json_array_foreach((json_t *)v, i, member)
		{
			walk(r, member);
			skip_space(r);
			if (*r->p == ',')
				skip(r, 1);
		}
		skip_space(r);
		skip(r, 1);
	} else if (json_is_string(v)) {
		skip_string(r);
	} else {
		skip(r, strcspn(r->p, ",]} \t\r\n"));
	}
}

static int by_value(const void *a, const void *b)
{
	const struct spot *x = a, *y = b;

	return x->v < y->v ? -1 : x->v > y->v;
}

static struct place place_of(const struct reader *r, const json_t *v)
{
	struct spot key = {.v = v}, *found;

	found = bsearch(&key, r->spots, r->n_spots, sizeof(key), by_value);
	return found ? found->place : (struct place){1, 1};
}

/* ---- single values -------------------------------------------------------------------------- */

static int bad(struct reader *r, const json_t *at, const char *what)
{
	return sz_rebac_fail_at(r->e, place_of(r, at), "%s", what);
}

/* A member of `v` that is a string, or NULL where it is absent, null or "". */
static int take_string(struct reader *r, const json_t *v, const char *key, const char **ret)
{
	const json_t *s = json_object_get(v, key);
	char what[80];

	*ret = NULL;
	if (!s || json_is_null(s))
		return 0;
	if (!json_is_string(s)) {
		snprintf(what, sizeof(what), "\"%s\" is a string", key);
		return bad(r, s, what);
	}
	if (json_string_length(s))
		*ret = sz_rebac_copy(r->m, json_string_value(s), json_string_length(s));
	return 0;
}

/* The same; it must be there. `in` is the object of the object, by two keys. */
static int need_string(struct reader *r, const json_t *v, const char *in, const char *key,
		       const char **ret)
{
	const json_t *inner = in ? json_object_get(v, in) : v;
	char what[80];
	int err = take_string(r, inner, key, ret);

	if (err || *ret)
		return err;
	snprintf(what, sizeof(what), "\"%s%s%s\" is missing", in ? in : "", in ? "." : "", key);
	return bad(r, v, what);
}

/* ---- relations ------------------------------------------------------------------------------ */

static int read_rewrite(struct reader *r, const json_t *v, struct rewrite **ret);

static int read_children(struct reader *r, const json_t *v, struct rewrite *w)
{
	const json_t *list = json_object_get(v, "child"), *child;
	struct rewrite **tail = &w->first;
	size_t i;
	int err = 0;

	if (!json_array_size(list))
		return bad(r, v, "\"child\" is a list of at least one definition");
	json_array_foreach((json_t *)list, i, child)
	{
		err = read_rewrite(r, child, tail);
		if (err)
			break;
		tail = &(*tail)->next;
	}
	return err;
}

static int read_operator(struct reader *r, const char *key, const json_t *v, struct rewrite *w)
{
	int err;

	if (!strcmp(key, "union") || !strcmp(key, "intersection")) {
		w->op = *key == 'u' ? OP_UNION : OP_INTERSECTION;
		return read_children(r, v, w);
	}
	w->op = OP_EXCLUSION;
	if (!json_object_get(v, "base") || !json_object_get(v, "subtract"))
		return bad(r, v, "\"difference\" has a \"base\" and a \"subtract\"");
	err = read_rewrite(r, json_object_get(v, "base"), &w->first);
	return err ? err : read_rewrite(r, json_object_get(v, "subtract"), &w->first->next);
}

static int read_rewrite(struct reader *r, const json_t *v, struct rewrite **ret)
{
	const char *key = json_object_iter_key(json_object_iter((json_t *)v));
	struct rewrite *w = sz_cel_alloc(&r->m->arena, sizeof(*w));
	const json_t *inner = key ? json_object_get(v, key) : NULL;
	int err;

	*ret = w;
	w->place = place_of(r, v);
	if (json_object_size(v) != 1 || !json_is_object(inner))
		return bad(r, v, "a definition is an object with one member");
	if (!strcmp(key, "this")) {
		w->op = OP_THIS;
		return 0;
	}
	if (!strcmp(key, "computedUserset")) {
		w->op = OP_COMPUTED;
		return need_string(r, inner, NULL, "relation", &w->relation);
	}
	if (!strcmp(key, "tupleToUserset")) {
		w->op = OP_TTU;
		err = need_string(r, inner, "tupleset", "relation", &w->tupleset);
		return err ? err
			   : need_string(r, inner, "computedUserset", "relation", &w->relation);
	}
	if (strcmp(key, "union") && strcmp(key, "intersection") && strcmp(key, "difference"))
		return bad(r, v,
			   "expected this, computedUserset, tupleToUserset, union, "
			   "intersection or difference");
	if (++r->nesting > SZ_REBAC_NESTING_MAX)
		return bad(r, v, "definitions are nested too deep");
	err = read_operator(r, key, inner, w);
	r->nesting--;
	return err;
}

static int read_ref(struct reader *r, const json_t *v, struct ref *ref)
{
	int err;

	ref->place = place_of(r, v);
	ref->wildcard = json_is_object(json_object_get(v, "wildcard"));
	err = need_string(r, v, NULL, "type", &ref->type);
	if (!err)
		err = take_string(r, v, "relation", &ref->relation);
	if (!err)
		err = take_string(r, v, "condition", &ref->condition);
	if (!err && ref->wildcard && ref->relation)
		err = bad(r, v, "a type has either a relation or a wildcard");
	return err;
}

static int read_relation(struct reader *r, const char *name, const json_t *v, const json_t *meta,
			 struct relation *rel)
{
	const json_t *list =
		json_object_get(json_object_get(meta, name), "directly_related_user_types");
	struct ref **tail = &rel->refs;
	const json_t *item;
	size_t i;
	int err;

	rel->place = place_of(r, v);
	rel->name = sz_rebac_copy(r->m, name, strlen(name));
	err = read_rewrite(r, v, &rel->rewrite);
	json_array_foreach((json_t *)list, i, item)
	{
		if (err)
			break;
		*tail = sz_cel_alloc(&r->m->arena, sizeof(**tail));
		err = read_ref(r, item, *tail);
		tail = &(*tail)->next;
	}
	return err;
}

static int read_type(struct reader *r, const json_t *v, struct type *t)
{
	const json_t *relations = json_object_get(v, "relations"), *item;
	const json_t *meta = json_object_get(json_object_get(v, "metadata"), "relations");
	struct relation **tail = &t->relations;
	const char *name;
	int err;

	t->place = place_of(r, v);
	err = need_string(r, v, NULL, "type", &t->name);
	json_object_foreach((json_t *)relations, name, item)
	{
		if (err)
			break;
		*tail = sz_cel_alloc(&r->m->arena, sizeof(**tail));
		err = read_relation(r, name, item, meta, *tail);
		tail = &(*tail)->next;
	}
	return err;
}

/* ---- conditions ----------------------------------------------------------------------------- */

static int read_param(struct reader *r, const json_t *v, struct param *param)
{
	const char *name = json_string_value(json_object_get(v, "type_name"));
	const json_t *inner = json_array_get(json_object_get(v, "generic_types"), 0);
	u32 k;
	int err;

	param->place = place_of(r, v);
	if (name && !strncasecmp(name, "TYPE_NAME_", 10))
		name += 10;
	for (k = 0; name && k < PARAM_KINDS && strcasecmp(name, sz_rebac_param_names[k]); k++)
		;
	if (!name || k == PARAM_KINDS)
		return bad(r, v, "\"type_name\" is no known type of a parameter");
	param->kind = k;
	if (k != PARAM_MAP && k != PARAM_LIST)
		return 0;
	if (!inner)
		return bad(r, v, "\"generic_types\" names the type of the elements");
	if (++r->nesting > SZ_REBAC_NESTING_MAX)
		return bad(r, v, "types are nested too deep");
	param->inner = sz_cel_alloc(&r->m->arena, sizeof(*param));
	err = read_param(r, inner, param->inner);
	r->nesting--;
	return err;
}

static int read_condition(struct reader *r, const char *key, const json_t *v, struct condition *c)
{
	const json_t *params = json_object_get(v, "parameters"), *item;
	struct param **tail = &c->params;
	const char *name;
	int err;

	c->place = place_of(r, v);
	c->text_place = place_of(r, json_object_get(v, "expression"));
	c->quoted = true;
	err = need_string(r, v, NULL, "name", &c->name);
	if (!err)
		err = need_string(r, v, NULL, "expression", &c->text);
	if (!err && strcmp(key, c->name))
		err = bad(r, v, "\"name\" is not the key of the condition");
	json_object_foreach((json_t *)params, name, item)
	{
		if (err)
			break;
		*tail = sz_cel_alloc(&r->m->arena, sizeof(**tail));
		(*tail)->name = sz_rebac_copy(r->m, name, strlen(name));
		err = read_param(r, item, *tail);
		tail = &(*tail)->next;
	}
	return err;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static int read_model(struct reader *r, const json_t *v)
{
	const char *version = json_string_value(json_object_get(v, "schema_version")), *name;
	const json_t *types = json_object_get(v, "type_definitions"), *item;
	struct condition **conditions = &r->m->conditions;
	struct type **tail = &r->m->types;
	size_t i;
	int err = 0;

	if (!version || strcmp(version, "1.1"))
		return bad(r, v, "\"schema_version\" must be \"1.1\"");
	json_array_foreach((json_t *)types, i, item)
	{
		*tail = sz_cel_alloc(&r->m->arena, sizeof(**tail));
		err = read_type(r, item, *tail);
		if (err)
			return err;
		tail = &(*tail)->next;
	}
	json_object_foreach(json_object_get(v, "conditions"), name, item)
	{
		*conditions = sz_cel_alloc(&r->m->arena, sizeof(**conditions));
		err = read_condition(r, name, item, *conditions);
		if (err)
			return err;
		conditions = &(*conditions)->next;
	}
	return err;
}

/* jansson quotes the text in its messages. */
static void make_printable(char *s)
{
	for (; *s; s++)
		if (*s < ' ' || *s > '~')
			*s = '?';
}

int sz_rebac_parse_json(const char *text, size_t n, struct sz_rebac_model *m,
			struct sz_rebac_error *e)
{
	struct reader r = {.m = m, .e = e, .place = {1, 1}};
	json_error_t je;
	char *copy;
	json_t *v;
	int err;

	v = json_loadb(text, n, JSON_REJECT_DUPLICATES, &je);
	if (!v) {
		make_printable(je.text);
		return sz_rebac_fail_at(e,
					(struct place){je.line > 0 ? (u32)je.line : 1,
						       je.column > 0 ? (u32)je.column : 1},
					"%s", je.text);
	}
	copy = sz_strndup(text, n); /* ends with a NUL */
	r.p = copy;
	walk(&r, v);
	qsort(r.spots, r.n_spots, sizeof(*r.spots), by_value);
	err = read_model(&r, v);
	free(r.spots);
	free(copy);
	json_decref(v);
	return err;
}

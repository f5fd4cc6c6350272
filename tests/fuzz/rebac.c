/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any text as an authorization model, in both forms. What is refused must have a place inside the
 * text. What is accepted must print as the same model in both forms, and must answer: tuples are
 * made of its type restrictions by the bytes of the text, and what is listed must be what is
 * checked.
 */
#include <stdio.h>
#include <string.h>

#include "rebac/rebac_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS 5000
#define IDS   3

static void must(bool good)
{
	if (!good)
		abort();
}

static struct sz_rebac_model *parse_again(const char *text, size_t n)
{
	struct sz_rebac_model *m;
	struct sz_rebac_error e;

	must(!sz_rebac_model_parse(text, n, &m, &e));
	return m;
}

/* Names of JSON may hold what the language cannot say. */
static bool is_word(const char *s)
{
	for (; *s; s++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./",
			    *s))
			return false;
	return true;
}

static bool is_sayable(const struct sz_rebac_model *m)
{
	const struct relation *r;
	const struct type *t;

	for (t = m->types; t; t = t->next) {
		if (!is_word(t->name))
			return false;
		for (r = t->relations; r; r = r->next)
			if (!is_word(r->name))
				return false;
	}
	return !m->conditions; /* as expressions hold anything */
}

static void print_both(const struct sz_rebac_model *m)
{
	json_t *json = sz_rebac_model_json(m), *json_again;
	struct sz_buf b = {0}, again = {0};
	struct sz_rebac_model *copy;
	char *text;

	must(json);
	text = json_dumps(json, 0);
	sz_rebac_model_print(m, &b);
	/* what the language says in little may be much in JSON */
	if (strlen(text) <= SZ_REBAC_MODEL_MAX) {
		copy = parse_again(text, strlen(text));
		sz_rebac_model_print(copy, &again);
		must(again.len == b.len && !memcmp(again.data, b.data, b.len));
		sz_rebac_model_free(copy);
	}
	if (is_sayable(m) && b.len <= SZ_REBAC_MODEL_MAX) {
		copy = parse_again(b.data, b.len);
		json_again = sz_rebac_model_json(copy);
		must(json_equal(json, json_again));
		json_decref(json_again);
		sz_rebac_model_free(copy);
	}
	json_decref(json);
	free(text);
	sz_buf_done(&b);
	sz_buf_done(&again);
}

/* How often its types stand in a definition: JSON can say it twice, the language cannot. */
static u32 count_this(const struct rewrite *w)
{
	const struct rewrite *c;
	u32 n = w->op == OP_THIS;

	for (c = w->first; c; c = c->next)
		n += count_this(c);
	return n;
}

static bool one_list_each(const struct sz_rebac_model *m)
{
	const struct relation *r;
	const struct type *t;

	for (t = m->types; t; t = t->next)
		for (r = t->relations; r; r = r->next)
			if (count_this(r->rewrite) > 1)
				return false;
	return true;
}

struct world {
	struct sz_rebac_graph *g;
	struct sz_rebac_work *w;
	const u8 *data;
	size_t size, at;
};

static u32 pick(struct world *x, u32 n)
{
	return x->data[x->at++ % x->size] % n;
}

static void put_tuples(struct world *x, const struct type *t, const struct relation *r)
{
	struct sz_rebac_tuple tuple = {.relation = r->name};
	struct sz_rebac_error e;
	char user[600], object[300];
	const struct ref *ref;
	u32 i;

	for (ref = r->refs; ref; ref = ref->next)
		for (i = 0; i < 2; i++) {
			snprintf(object, sizeof(object), "%s:%u", t->name, pick(x, IDS));
			if (ref->wildcard)
				snprintf(user, sizeof(user), "%s:*", ref->type);
			else
				snprintf(user, sizeof(user), "%s:%u%s%s", ref->type, pick(x, IDS),
					 ref->relation ? "#" : "",
					 ref->relation ? ref->relation : "");
			tuple.user = user;
			tuple.object = object;
			tuple.condition = ref->condition;
			must(sz_rebac_write(x->g, &tuple, &e) <= 0);
		}
}

static bool lists(const json_t *list, const char *name)
{
	json_t *v;
	size_t i;

	json_array_foreach((json_t *)list, i,
			   v) if (!strcmp(json_string_value(v), name)) return true;
	return false;
}

static void ask(struct world *x, const struct type *t, const struct relation *r, const char *user)
{
	struct sz_rebac_error e = {0};
	json_t *objects = NULL, *users = NULL, *tree = NULL;
	char object[300];
	bool allowed;
	int err, listed;
	u32 i;

	listed = sz_rebac_list_objects(x->g, x->w, NULL, user, r->name, t->name, 0, &objects, &e);
	must(!listed == !!objects && (!listed || e.code));
	for (i = 0; i < IDS; i++) {
		snprintf(object, sizeof(object), "%s:%u", t->name, i);
		e.code = 0;
		err = sz_rebac_check(x->g, x->w, NULL, user, r->name, object, &allowed, &e);
		must(err ? e.code && !allowed : true);
		if (!err && !listed)
			must(lists(objects, object) == allowed);
	}
	err = sz_rebac_list_users(x->g, x->w, NULL, object, r->name, "t", &users, &e);
	must(!err == !!users);
	err = sz_rebac_expand(x->g, x->w, NULL, r->name, object, &tree, &e);
	must(!err == !!tree);
	json_decref(objects);
	json_decref(users);
	json_decref(tree);
}

static void run(const struct sz_rebac_model *m, const u8 *data, size_t size)
{
	struct sz_rebac_store *store = sz_rebac_memory_new();
	struct world x = {.w = sz_rebac_work_new(STEPS), .data = data, .size = size};
	const struct relation *r;
	struct sz_rebac_error e;
	const struct type *t;
	char user[300];
	u32 n = 0;

	must(!sz_rebac_graph_new(m, store, &x.g, &e));
	for (t = m->types; t; t = t->next)
		for (r = t->relations; r; r = r->next)
			put_tuples(&x, t, r);
	snprintf(user, sizeof(user), "%s:1", m->types->name);
	for (t = m->types; t; t = t->next)
		for (r = t->relations; r && n < 24; r = r->next, n++)
			ask(&x, t, r, user);
	sz_rebac_graph_free(x.g);
	sz_rebac_work_free(x.w);
	sz_rebac_store_free(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sz_rebac_model *m;
	struct sz_rebac_error e;
	size_t lines = 1, i;

	if (sz_rebac_model_parse((const char *)data, size, &m, &e)) {
		for (i = 0; i < size; i++)
			lines += data[i] == '\n';
		must(!m && e.code && e.msg[0] && e.line && e.line <= lines && e.column);
		return 0;
	}
	if (one_list_each(m))
		print_both(m);
	run(m, data, size);
	sz_rebac_model_free(m);
	return 0;
}

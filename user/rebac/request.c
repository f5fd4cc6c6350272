/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From the text of requests and tuples to nodes and back, and what OpenFGA checks of them. A name
 * the store does not know gets a number that is valid for this one question.
 */
#include <string.h>

#include "rebac_priv.h"

/* ---- text ----------------------------------------------------------------------------------- */

struct part {
	const char *s;
	size_t n;
};

/* "type:id" or "type:id#relation", nothing else. */
static bool split(const char *s, struct part *type, struct part *id, struct part *relation)
{
	size_t n = strlen(s), colon = strcspn(s, ":"), hash = strcspn(s, "#"), i;

	if (n > 2 * SZ_REBAC_OBJECT_MAX || colon >= hash || !colon || colon + 1 == hash)
		return false;
	*type = (struct part){s, colon};
	*id = (struct part){s + colon + 1, hash - colon - 1};
	*relation = (struct part){s + hash + (hash < n), n - hash - (hash < n)};
	if (hash < n && !relation->n)
		return false;
	for (i = 0; i < n; i++)
		if ((u8)s[i] <= ' ' || s[i] == 0x7f || (s[i] == ':' && i != colon) ||
		    (s[i] == '#' && i != hash))
			return false;
	return hash <= SZ_REBAC_OBJECT_MAX;
}

/* Of an id: the store's number, or one for this question. Without `w` it is written down. */
static u32 id_number(const struct sz_rebac_graph *g, struct sz_rebac_work *w, struct part id)
{
	const struct sz_rebac_store_ops *ops = g->store->ops;
	u32 n, i;

	if (!w)
		return ops->intern(g->store, SZ_REBAC_IDS, id.s, id.n);
	n = ops->find(g->store, SZ_REBAC_IDS, id.s, id.n);
	if (n)
		return n;
	for (i = 0; i < w->n_local; i++)
		if (w->local_len[i] == id.n && !memcmp(w->local[i], id.s, id.n))
			return SZ_REBAC_LOCAL + i;
	w->local[i] = id.s;
	w->local_len[i] = (u32)id.n;
	w->n_local++;
	return SZ_REBAC_LOCAL + i;
}

enum fault { FAULT_NONE, FAULT_SYNTAX, FAULT_TYPE, FAULT_RELATION, FAULT_FULL };

static u32 type_number(const struct sz_rebac_graph *g, struct part type)
{
	u32 n = g->store->ops->find(g->store, SZ_REBAC_TYPES, type.s, type.n);

	return sz_rebac_has_type(g, n) ? n : 0;
}

static enum fault read_node(const struct sz_rebac_graph *g, struct sz_rebac_work *w, const char *s,
			    bool user, const char *relation, u64 *ret)
{
	struct part type, id, of = {0};
	u32 t, r = 0, n;

	if (!s || !split(s, &type, &id, &of) || (of.n && !user))
		return FAULT_SYNTAX;
	if (id.n == 1 && *id.s == '*' && (!user || of.n))
		return FAULT_SYNTAX;
	t = type_number(g, type);
	if (!t)
		return FAULT_TYPE;
	if (relation)
		of = (struct part){relation, strlen(relation)};
	if (of.n) {
		r = g->store->ops->find(g->store, SZ_REBAC_RELATIONS, of.s, of.n);
		if (!sz_rebac_def(g, t, r))
			return FAULT_RELATION;
	}
	n = id_number(g, w, id);
	*ret = sz_rebac_node_of(t, r, n);
	return n ? FAULT_NONE : FAULT_FULL;
}

static int fail_node(struct sz_rebac_error *e, enum fault f, const char *what, const char *s,
		     const char *relation, const u32 codes[3])
{
	switch (f) {
	case FAULT_SYNTAX:
		return sz_rebac_fail(e, codes[0], "'%.256s' is no %s", s ? s : "", what);
	case FAULT_TYPE:
		return sz_rebac_fail(e, codes[1], "the type of '%.256s' is not defined", s);
	case FAULT_RELATION:
		return sz_rebac_fail(e, codes[2], "'%.256s' has no relation '%.50s'", s,
				     relation ? relation : strchr(s, '#') + 1);
	default:
		return sz_rebac_fail(e, SZ_REBAC_INTERNAL, "the store has no number left");
	}
}

int sz_rebac_take_object(struct sz_rebac_work *w, const char *object, const char *relation,
			 u32 no_type, u32 no_relation, u64 *ret)
{
	u32 codes[3] = {SZ_REBAC_VALIDATION, no_type, no_relation};
	enum fault f = read_node(w->g, w, object, false, relation ? relation : "", ret);

	if (f == FAULT_NONE && !SZ_REBAC_RELATION(*ret))
		f = FAULT_RELATION;
	return f == FAULT_NONE
		       ? 0
		       : fail_node(w->e, f, "object", object, relation ? relation : "", codes);
}

int sz_rebac_take_user(struct sz_rebac_work *w, const char *user, u64 *ret)
{
	static const u32 codes[3] = {SZ_REBAC_VALIDATION, SZ_REBAC_VALIDATION, SZ_REBAC_VALIDATION};
	enum fault f = read_node(w->g, w, user, true, NULL, ret);

	return f == FAULT_NONE ? 0 : fail_node(w->e, f, "user", user, NULL, codes);
}

/* ---- tuples --------------------------------------------------------------------------------- */

static int check_tuple(const struct sz_rebac_graph *g, const struct sz_rebac_tuple *t, u64 object,
		       u64 user, u32 condition, struct sz_rebac_error *e)
{
	const struct def *d = sz_rebac_def(g, SZ_REBAC_TYPE(object), SZ_REBAC_RELATION(object));
	const struct allow *a = sz_rebac_allowed(d, user, condition);

	if (t->condition && !condition)
		return sz_rebac_fail(e, SZ_REBAC_INVALID_TUPLE, "condition '%.100s' is not defined",
				     t->condition);
	if (object == user)
		return sz_rebac_fail(e, SZ_REBAC_INVALID_TUPLE,
				     "'%.256s' is in itself without a tuple", t->user);
	if (!a)
		return sz_rebac_fail(e, SZ_REBAC_INVALID_TUPLE,
				     "relation '%.50s' of '%.256s' does not take '%.256s'%s%.50s",
				     t->relation, t->object, t->user, t->condition ? " with " : "",
				     t->condition ? t->condition : "");
	if (!a->c && t->context && json_object_size(t->context))
		return sz_rebac_fail(e, SZ_REBAC_INVALID_TUPLE,
				     "there is a context, but no condition");
	return a->c ? sz_rebac_condition_accepts(a->c, t->context, e) : 0;
}

/* Nodes and value of a tuple the model allows; without `w` its names are written to the store. */
static int read_tuple(const struct sz_rebac_graph *g, struct sz_rebac_work *w,
		      const struct sz_rebac_tuple *t, u64 *ret_object, u64 *ret_user,
		      struct sz_rebac_value *ret, struct sz_rebac_error *e)
{
	static const u32 codes[3] = {SZ_REBAC_INVALID_TUPLE, SZ_REBAC_INVALID_TUPLE,
				     SZ_REBAC_INVALID_TUPLE};
	const char *relation = t->relation && *t->relation ? t->relation : "?";
	enum fault f = read_node(g, w, t->object, false, relation, ret_object);

	if (f != FAULT_NONE)
		return fail_node(e, f, "object", t->object, relation, codes);
	f = read_node(g, w, t->user, true, NULL, ret_user);
	if (f != FAULT_NONE)
		return fail_node(e, f, "user", t->user, NULL, codes);
	*ret = (struct sz_rebac_value){.context = t->context};
	if (t->condition)
		ret->condition = g->store->ops->find(g->store, SZ_REBAC_CONDITIONS, t->condition,
						     strlen(t->condition));
	return check_tuple(g, t, *ret_object, *ret_user, ret->condition, e);
}

int sz_rebac_tuple_nodes(struct sz_rebac_graph *g, struct sz_rebac_work *w,
			 const struct sz_rebac_tuple *t, u64 *ret_object, u64 *ret_user,
			 struct sz_rebac_value *ret, struct sz_rebac_error *e)
{
	if (w)
		w->n_local = 0;
	return read_tuple(g, w, t, ret_object, ret_user, ret, e);
}

int sz_rebac_write(struct sz_rebac_graph *g, const struct sz_rebac_tuple *t,
		   struct sz_rebac_error *e)
{
	struct sz_rebac_value value;
	u64 object, user;
	int err = read_tuple(g, NULL, t, &object, &user, &value, e);

	if (err)
		return err;
	err = g->store->ops->put(g->store, object, user, &value);
	if (err == -EEXIST)
		sz_rebac_fail(e, SZ_REBAC_WRITE_FAILED,
			      "the tuple '%.256s' '%.50s' '%.256s' is there already", t->user,
			      t->relation, t->object);
	else if (err)
		sz_rebac_fail(e, SZ_REBAC_INTERNAL, "the store failed: error %d", -err);
	return err;
}

static int fail_missing(const struct sz_rebac_tuple *t, struct sz_rebac_error *e)
{
	sz_rebac_fail(e, SZ_REBAC_WRITE_FAILED, "there is no tuple '%.256s' '%.50s' '%.256s'",
		      t->user, t->relation, t->object);
	return -ENOENT;
}

int sz_rebac_tuple_find(struct sz_rebac_store *s, const struct sz_rebac_tuple *t, u64 *ret_object,
			u64 *ret_user, struct sz_rebac_error *e)
{
	struct part type[2], id[2], of[2];
	u64 node[2];
	u32 i, r;

	if (!t->object || !t->user || !t->relation || !split(t->object, &type[0], &id[0], &of[0]) ||
	    !split(t->user, &type[1], &id[1], &of[1]) || of[0].n)
		return sz_rebac_fail(e, SZ_REBAC_VALIDATION, "this is no tuple");
	of[0] = (struct part){t->relation, strlen(t->relation)};
	/* What the model no longer knows can still be deleted. */
	for (i = 0; i < 2; i++) {
		r = of[i].n ? s->ops->find(s, SZ_REBAC_RELATIONS, of[i].s, of[i].n) : 0;
		node[i] = sz_rebac_node_of(s->ops->find(s, SZ_REBAC_TYPES, type[i].s, type[i].n), r,
					   s->ops->find(s, SZ_REBAC_IDS, id[i].s, id[i].n));
		if (!SZ_REBAC_TYPE(node[i]) || !SZ_REBAC_ID(node[i]) || (of[i].n && !r))
			return fail_missing(t, e);
	}
	*ret_object = node[0];
	*ret_user = node[1];
	return 0;
}

int sz_rebac_delete(struct sz_rebac_graph *g, const struct sz_rebac_tuple *t,
		    struct sz_rebac_error *e)
{
	u64 object, user;
	int err = sz_rebac_tuple_find(g->store, t, &object, &user, e);

	if (err)
		return err;
	err = g->store->ops->remove(g->store, object, user);
	if (err == -ENOENT)
		return fail_missing(t, e);
	if (err)
		sz_rebac_fail(e, SZ_REBAC_INTERNAL, "the store failed: error %d", -err);
	return err;
}

/* ---- requests ------------------------------------------------------------------------------- */

/* Keeps the list sorted; false where the tuple is there already. */
static bool insert(struct local_edge *list, u32 n, u64 key, u64 node, u32 value)
{
	u32 at = n;

	while (at && (list[at - 1].key > key ||
		      (list[at - 1].key == key && list[at - 1].edge.node > node)))
		at--;
	if (at && list[at - 1].key == key && list[at - 1].edge.node == node)
		return false;
	memmove(&list[at + 1], &list[at], (n - at) * sizeof(*list));
	list[at] = (struct local_edge){.key = key, .edge = {.node = node, .value = value}};
	return true;
}

static int add_contextual(struct sz_rebac_work *w, const struct sz_rebac_tuple *t)
{
	u32 n = w->n_contextual, number;
	u64 object, user;
	int err = read_tuple(w->g, w, t, &object, &user, &w->values[n], w->e);

	if (err)
		return err;
	number = w->values[n].condition ? SZ_REBAC_LOCAL + n : 0;
	if (insert(w->by_object, n, object, user, number)) {
		insert(w->by_user, n, user, object, number);
		w->n_contextual++;
	}
	return 0;
}

void sz_rebac_set_user(struct sz_rebac_work *w, u64 user)
{
	w->user = user;
	w->wildcard = SZ_REBAC_RELATION(user) || SZ_REBAC_ID(user) == SZ_REBAC_WILDCARD
			      ? 0
			      : sz_rebac_node_of(SZ_REBAC_TYPE(user), 0, SZ_REBAC_WILDCARD);
	w->n_frames = 0;
	sz_rebac_table_clear(&w->memo);
}

int sz_rebac_begin(struct sz_rebac_work *w, const struct sz_rebac_graph *g,
		   const struct sz_rebac_request *r, struct sz_rebac_error *e)
{
	u32 i;
	int err = 0;

	w->g = g;
	w->e = e;
	w->context = r ? r->context : NULL;
	w->steps = w->budget;
	w->n_local = w->n_contextual = 0;
	w->fatal = 0;
	w->doubtful = w->deep = false;
	w->now.n = w->later.n = w->found.n = 0;
	if (!r)
		return 0;
	if (r->n_contextual > SZ_REBAC_CONTEXTUAL_MAX)
		return sz_rebac_fail(e, SZ_REBAC_VALIDATION, "more than %d contextual tuples",
				     SZ_REBAC_CONTEXTUAL_MAX);
	if (r->context && !json_is_object(r->context))
		return sz_rebac_fail(e, SZ_REBAC_VALIDATION, "the context is no object");
	for (i = 0; i < r->n_contextual && !err; i++)
		err = add_contextual(w, &r->contextual[i]);
	return err;
}

struct sz_rebac_work *sz_rebac_work_new(u32 steps)
{
	struct sz_rebac_work *w = sz_calloc(1, sizeof(*w));

	w->budget = steps ? steps : SZ_REBAC_STEPS;
	sz_cel_arena_init(&w->arena, 1u << 20);
	return w;
}

void sz_rebac_work_free(struct sz_rebac_work *w)
{
	if (!w)
		return;
	sz_rebac_table_done(&w->memo);
	sz_rebac_table_done(&w->seen);
	sz_cel_arena_done(&w->arena);
	free(w->now.node);
	free(w->later.node);
	free(w->found.node);
	free(w);
}

void sz_rebac_work_watch(struct sz_rebac_work *w, bool (*stop)(void *arg), void *arg)
{
	w->stop = stop;
	w->stop_arg = arg;
}

u32 sz_rebac_work_steps(const struct sz_rebac_work *w)
{
	return w->budget - w->steps;
}

/* ---- names ---------------------------------------------------------------------------------- */

void sz_rebac_name(const struct sz_rebac_work *w, u64 node, struct sz_buf *ret)
{
	struct sz_rebac_store *s = w->g->store;
	u32 id = SZ_REBAC_ID(node), relation = SZ_REBAC_RELATION(node);
	const char *name;

	name = s->ops->name(s, SZ_REBAC_TYPES, SZ_REBAC_TYPE(node));
	sz_buf_printf(ret, "%s:", name ? name : "?");
	if (id >= SZ_REBAC_LOCAL) {
		sz_buf_add(ret, w->local[id - SZ_REBAC_LOCAL], w->local_len[id - SZ_REBAC_LOCAL]);
	} else {
		name = s->ops->name(s, SZ_REBAC_IDS, id);
		sz_buf_printf(ret, "%s", name ? name : "?");
	}
	if (relation) {
		name = s->ops->name(s, SZ_REBAC_RELATIONS, relation);
		sz_buf_printf(ret, "#%s", name ? name : "?");
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

json_t *sz_rebac_names(const struct sz_rebac_work *w, const struct nodes *nodes, u32 max)
{
	char **list = sz_calloc(nodes->n, sizeof(*list));
	json_t *ret = json_array();
	u32 i;

	for (i = 0; i < nodes->n; i++) {
		struct sz_buf b = {0};

		sz_rebac_name(w, nodes->node[i], &b);
		list[i] = b.data;
	}
	qsort(list, nodes->n, sizeof(*list), by_text);
	for (i = 0; i < nodes->n; i++) {
		if (!max || i < max)
			json_array_append_new(ret, json_string(list[i]));
		free(list[i]);
	}
	free(list);
	return ret;
}

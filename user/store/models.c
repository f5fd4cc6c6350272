/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Models and their assertions, and the views that questions hold. A model is parsed when it is
 * first asked for and kept; it never changes.
 */
#include <stdio.h>

#include "store/store_priv.h"

static struct key model_key(const struct sz_store *s, const char *id)
{
	struct key k = sz_store_key(s->number);

	sz_store_key_text(&k, id, SZ_STORE_ID_LEN);
	return k;
}

static struct parsed *keep(struct sz_store *s, const char *id, struct sz_rebac_model *m,
			   struct sz_rebac_graph *g)
{
	struct parsed *p = sz_calloc(1, sizeof(*p));

	strcpy(p->id, id);
	p->model = m;
	p->graph = g;
	p->next = s->models;
	s->models = p;
	return p;
}

/* ---- read ----------------------------------------------------------------------------------- */

/* A value as JSON; NULL where there is none. */
static json_t *read_json(struct sz_store *s, enum table t, const struct key *k)
{
	MDB_val key = sz_store_val(k->b, k->n), value;
	json_t *v = NULL;
	MDB_txn *txn;

	if (mdb_txn_begin(s->all->env, NULL, MDB_RDONLY, &txn))
		return NULL;
	if (!mdb_get(txn, s->all->table[t], &key, &value))
		v = json_loadb(value.mv_data, value.mv_size, 0, NULL);
	mdb_txn_abort(txn);
	return v;
}

json_t *sz_store_model_read(struct sz_store *s, const char *id)
{
	char latest[SZ_STORE_ID_LEN + 1];
	struct key k;
	json_t *v;

	if (!id) {
		pthread_rwlock_rdlock(&s->lock);
		memcpy(latest, s->latest, sizeof(latest));
		pthread_rwlock_unlock(&s->lock);
		id = latest;
	}
	if (!sz_store_is_ulid(id))
		return NULL;
	k = model_key(s, id);
	v = read_json(s, T_MODELS, &k);
	if (v)
		json_object_set_new(v, "id", json_string(id));
	return v;
}

static struct parsed *parse(struct sz_store *s, const char *id)
{
	json_t *v = sz_store_model_read(s, id);
	struct sz_rebac_graph *g = NULL;
	struct sz_rebac_model *m = NULL;
	struct sz_rebac_error e;
	char *text;
	int err;

	if (!v)
		return NULL;
	json_object_del(v, "id");
	text = json_dumps(v, JSON_COMPACT);
	json_decref(v);
	err = text ? sz_rebac_model_parse(text, strlen(text), &m, &e) : -ENOMEM;
	free(text);
	if (!err)
		err = sz_rebac_graph_new(m, s->memory, &g, &e);
	if (!err)
		return keep(s, id, m, g);
	sz_log(SZ_LOG_ERR, "store %s: its model %s cannot be read", s->info.id, id);
	sz_rebac_model_free(m);
	return NULL;
}

const struct parsed *sz_store_parsed(struct sz_store *s, const char *id)
{
	const struct parsed *p;

	pthread_mutex_lock(&s->models_lock);
	for (p = s->models; p && strcmp(p->id, id); p = p->next)
		;
	if (!p && sz_store_is_ulid(id))
		p = parse(s, id);
	pthread_mutex_unlock(&s->models_lock);
	return p;
}

u32 sz_store_models(struct sz_store *s, const char *before, char (*ret)[SZ_STORE_ID_LEN + 1],
		    u32 max)
{
	struct key k = sz_store_key(s->number);
	MDB_val key, value;
	MDB_cursor *c;
	MDB_txn *txn;
	u32 n = 0;
	int err;

	if (mdb_txn_begin(s->all->env, NULL, MDB_RDONLY, &txn))
		return 0;
	/* From behind the last that may be told, backwards. */
	sz_store_key_text(&k, before ? before : "~", before ? strlen(before) : 1);
	key = sz_store_val(k.b, k.n);
	err = mdb_cursor_open(txn, s->all->table[T_MODELS], &c);
	if (!err) {
		err = mdb_cursor_get(c, &key, &value, MDB_SET_RANGE);
		err = mdb_cursor_get(c, &key, &value, err ? MDB_LAST : MDB_PREV);
		for (; !err && n < max && key.mv_size == 4 + SZ_STORE_ID_LEN &&
		       !memcmp(key.mv_data, k.b, 4);
		     err = mdb_cursor_get(c, &key, &value, MDB_PREV)) {
			memcpy(ret[n], (const u8 *)key.mv_data + 4, SZ_STORE_ID_LEN);
			ret[n++][SZ_STORE_ID_LEN] = 0;
		}
		mdb_cursor_close(c);
	}
	mdb_txn_abort(txn);
	return n;
}

/* ---- write ---------------------------------------------------------------------------------- */

/* One value, and with it the store's row and names. */
static int write_json(struct sz_store *s, enum table t, const struct key *k, const json_t *v,
		      const struct row *row, struct sz_rebac_error *e)
{
	char *text = json_dumps(v, JSON_COMPACT);
	MDB_txn *txn;
	int err = text ? mdb_txn_begin(s->all->env, NULL, 0, &txn) : ENOMEM;

	if (!err) {
		err = sz_store_set(s->all, txn, t, k, text, strlen(text));
		if (!err)
			err = sz_store_save(s, txn, row);
		if (err)
			mdb_txn_abort(txn);
		else
			err = mdb_txn_commit(txn);
	}
	free(text);
	if (!err)
		sz_store_saved(s);
	return sz_store_fail(err, e);
}

static void add_model(struct sz_store *s, const char *id, struct sz_rebac_model *m,
		      struct sz_rebac_graph *g)
{
	sz_store_close_door(s);
	pthread_mutex_lock(&s->models_lock);
	keep(s, id, m, g);
	pthread_mutex_unlock(&s->models_lock);
	strcpy(s->latest, id);
	s->n_models++;
	s->latest_generation = s->generation + 1;
	__atomic_store_n(&s->generation, s->generation + 1, __ATOMIC_RELEASE);
	sz_store_open_door(s);
}

int sz_store_model_write(struct sz_store *s, const char *text, size_t n,
			 char ret_id[SZ_STORE_ID_LEN + 1], struct sz_rebac_error *e)
{
	struct sz_rebac_graph *g = NULL;
	struct sz_rebac_model *m;
	struct row row;
	struct key k;
	json_t *v;
	int err = sz_rebac_model_parse(text, n, &m, e);

	if (err)
		return err;
	sz_store_close_door(s); /* its names are given numbers */
	err = s->deleted ? -ENOENT : sz_rebac_graph_new(m, s->memory, &g, e);
	sz_store_open_door(s);
	if (!err) {
		sz_store_ulid(s->all, ret_id);
		row = sz_store_row(s);
		row.generation++;
		k = model_key(s, ret_id);
		v = sz_rebac_model_json(m);
		err = write_json(s, T_MODELS, &k, v, &row, e);
		json_decref(v);
	}
	if (!err) {
		add_model(s, ret_id, m, g);
		return 0;
	}
	sz_rebac_graph_free(g);
	sz_rebac_model_free(m);
	return err;
}

int sz_store_assertions_write(struct sz_store *s, const char *model, const json_t *list,
			      struct sz_rebac_error *e)
{
	struct key k = model_key(s, model);
	struct row row = sz_store_row(s);

	return write_json(s, T_ASSERTIONS, &k, list, &row, e);
}

json_t *sz_store_assertions_read(struct sz_store *s, const char *model)
{
	struct key k = model_key(s, model);
	json_t *v = read_json(s, T_ASSERTIONS, &k);

	return v ? v : json_array();
}

/* ---- views ---------------------------------------------------------------------------------- */

int sz_store_begin(struct sz_store *s, const char *model, enum sz_store_kind kind,
		   struct sz_store_view *ret)
{
	pthread_rwlock_t *lock = kind == SZ_STORE_LONG ? &s->gate : &s->lock;
	const struct parsed *p = NULL;

	*ret = (struct sz_store_view){.store = s, .kind = kind};
	pthread_rwlock_rdlock(lock);
	if (!s->deleted)
		p = sz_store_parsed(s, model ? model : s->latest);
	if (!p) {
		pthread_rwlock_unlock(lock);
		return -ENOENT;
	}
	ret->graph = p->graph;
	ret->generation = s->generation;
	memcpy(ret->model, p->id, sizeof(ret->model));
	return 0;
}

void sz_store_end(struct sz_store_view *v)
{
	pthread_rwlock_unlock(v->kind == SZ_STORE_LONG ? &v->store->gate : &v->store->lock);
	v->graph = NULL;
}

/* ---- generations ---------------------------------------------------------------------------- */

#define KINDS_MAX 512 /* of one closure; more, and every write counts */

/* Where the kind is or would be. */
static u32 kind_at(const struct sz_store *s, u32 kind)
{
	u32 low = 0, n = s->n_kinds;

	while (n) {
		u32 half = n / 2;

		if (s->kinds[low + half].kind < kind) {
			low += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	return low;
}

void sz_store_number_kind(struct sz_store *s, u64 object, u64 number)
{
	u32 kind = (u32)(object >> 32), at = kind_at(s, kind);

	if (at == s->n_kinds || s->kinds[at].kind != kind) {
		if (s->n_kinds == s->kinds_room) {
			s->kinds_room = s->kinds_room ? 2 * s->kinds_room : 16;
			s->kinds = sz_realloc(s->kinds, s->kinds_room, sizeof(*s->kinds));
		}
		memmove(&s->kinds[at + 1], &s->kinds[at], (s->n_kinds - at) * sizeof(*s->kinds));
		s->kinds[at].kind = kind;
		s->n_kinds++;
	}
	s->kinds[at].number = number;
}

u64 sz_store_generation(const struct sz_store *s)
{
	return __atomic_load_n(&s->generation, __ATOMIC_ACQUIRE);
}

u64 sz_store_view_generation(const struct sz_store_view *v, const char *type,
			     const char *relation)
{
	const struct sz_store *s = v->store;
	u64 max = s->latest_generation;
	u32 kinds[KINDS_MAX], n, i, at;

	n = sz_rebac_closure(v->graph, type, relation, kinds, KINDS_MAX);
	if (!n || n > KINDS_MAX)
		return v->generation;
	for (i = 0; i < n; i++) {
		at = kind_at(s, kinds[i]);
		if (at < s->n_kinds && s->kinds[at].kind == kinds[i] && s->kinds[at].number > max)
			max = s->kinds[at].number;
	}
	return max;
}

u64 sz_store_relation_generation(struct sz_store *s, const char *type, const char *relation)
{
	struct sz_store_view v;
	u64 ret;

	if (sz_store_begin(s, NULL, SZ_STORE_SHORT, &v))
		return sz_store_generation(s);
	ret = sz_store_view_generation(&v, type, relation);
	sz_store_end(&v);
	return ret;
}

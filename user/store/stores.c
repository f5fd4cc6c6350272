/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The list of stores: made, found, held, deleted. A store that is deleted stays in memory until
 * nobody holds it, and answers nothing.
 */
#include <stdio.h>

#include "store/store_priv.h"

struct sz_store *sz_store_make(struct sz_stores *all, u32 number, const struct row *row)
{
	struct sz_store *s = sz_calloc(1, sizeof(*s));
	pthread_rwlockattr_t a;

	s->all = all;
	s->refs = 1;
	s->number = number;
	snprintf(s->info.id, sizeof(s->info.id), "%.*s", SZ_STORE_ID_LEN, row->id);
	snprintf(s->info.name, sizeof(s->info.name), "%.*s", SZ_STORE_NAME_MAX, row->name);
	s->info.created_ms = row->created_ms;
	s->generation = s->latest_generation = row->generation;
	s->tuples = row->tuples;
	s->first_change = row->first_change;
	s->next_change = row->next_change;
	s->memory = sz_rebac_memory_new();
	s->saved[SZ_REBAC_IDS] = SZ_REBAC_WILDCARD; /* every memory has it */
	s->work = sz_rebac_work_new(0);
	pthread_mutex_init(&s->models_lock, NULL);
	/* A writer must get in between questions that overlap. */
	pthread_rwlockattr_init(&a);
	pthread_rwlockattr_setkind_np(&a, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&s->lock, &a);
	pthread_rwlock_init(&s->gate, &a);
	pthread_rwlockattr_destroy(&a);
	return s;
}

void sz_store_free(struct sz_store *s)
{
	struct parsed *p, *next;

	for (p = s->models; p; p = next) {
		next = p->next;
		sz_rebac_graph_free(p->graph);
		sz_rebac_model_free(p->model);
		free(p);
	}
	sz_rebac_work_free(s->work);
	sz_rebac_store_free(s->memory);
	pthread_rwlock_destroy(&s->lock);
	pthread_rwlock_destroy(&s->gate);
	pthread_mutex_destroy(&s->models_lock);
	free(s->kinds);
	free(s);
}

/* Long questions first: while one of them runs, short ones still go on. */
void sz_store_close_door(struct sz_store *s)
{
	pthread_rwlock_wrlock(&s->gate);
	pthread_rwlock_wrlock(&s->lock);
}

void sz_store_open_door(struct sz_store *s)
{
	pthread_rwlock_unlock(&s->lock);
	pthread_rwlock_unlock(&s->gate);
}

struct row sz_store_row(const struct sz_store *s)
{
	struct row r = {
		.created_ms = s->info.created_ms,
		.generation = s->generation,
		.tuples = s->tuples,
		.first_change = s->first_change,
		.next_change = s->next_change,
	};

	strcpy(r.id, s->info.id);
	strcpy(r.name, s->info.name);
	return r;
}

int sz_store_save(struct sz_store *s, MDB_txn *txn, const struct row *row)
{
	struct key k = sz_store_key(s->number);
	const char *name;
	u32 kind, id;
	int err = sz_store_set(s->all, txn, T_STORES, &k, row, sizeof(*row));

	for (kind = 0; kind < SZ_REBAC_KINDS && !err; kind++)
		for (id = s->saved[kind] + 1; !err; id++) {
			name = s->memory->ops->name(s->memory, kind, id);
			if (!name)
				break;
			k = sz_store_key(s->number);
			k.b[k.n++] = (u8)kind;
			sz_store_key_u32(&k, id);
			err = sz_store_set(s->all, txn, T_NAMES, &k, name, strlen(name));
		}
	return err;
}

void sz_store_saved(struct sz_store *s)
{
	u32 kind;

	for (kind = 0; kind < SZ_REBAC_KINDS; kind++)
		while (s->memory->ops->name(s->memory, kind, s->saved[kind] + 1))
			s->saved[kind]++;
}

/* ---- create and delete ---------------------------------------------------------------------- */

static int fail(struct sz_rebac_error *e, int err, u32 code, const char *fmt, ...)
	SZ_PRINTF(4, 5);
static int fail(struct sz_rebac_error *e, int err, u32 code, const char *fmt, ...)
{
	va_list ap;

	*e = (struct sz_rebac_error){.code = code};
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	return err;
}

static bool name_ok(const char *s)
{
	size_t n = strlen(s), i;

	for (i = 0; i < n; i++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 "
			    ".-_/^&@", s[i]))
			return false;
	return n >= 3 && n <= SZ_STORE_NAME_MAX;
}

int sz_store_create(struct sz_stores *all, const char *name, struct sz_store_info *ret,
		    struct sz_rebac_error *e)
{
	struct row row = {.first_change = 1, .next_change = 1};
	struct sz_store *s;
	MDB_txn *txn;
	int err;

	if (!name_ok(name))
		return fail(e, -EINVAL, SZ_REBAC_VALIDATION,
			    "a store's name has 3 to %d letters, digits, spaces and . - _ / ^ & @",
			    SZ_STORE_NAME_MAX);
	if (all->n >= SZ_STORES_MAX)
		return fail(e, -ENOSPC, SZ_REBAC_VALIDATION, "there are %d stores, which is all "
			    "that is allowed", SZ_STORES_MAX);
	sz_store_ulid(all, row.id);
	strcpy(row.name, name);
	row.created_ms = sz_store_now_ms();
	s = sz_store_make(all, all->next_number, &row);
	err = mdb_txn_begin(all->env, NULL, 0, &txn);
	if (!err) {
		err = sz_store_save(s, txn, &row);
		if (err)
			mdb_txn_abort(txn);
		else
			err = mdb_txn_commit(txn);
	}
	if (err) {
		sz_store_free(s);
		return sz_store_fail(err, e);
	}
	*ret = s->info;
	pthread_mutex_lock(&all->lock);
	all->next_number++;
	all->n++;
	*all->last = s;
	all->last = &s->next;
	pthread_mutex_unlock(&all->lock);
	return 0;
}

static int remove_rows(struct sz_stores *all, u32 number)
{
	struct key k = sz_store_key(number);
	MDB_txn *txn;
	int err = mdb_txn_begin(all->env, NULL, 0, &txn), t;

	if (err)
		return err;
	for (t = 0; t < TABLES && !err; t++)
		err = sz_store_remove_all(all, txn, t, &k);
	if (!err)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return err;
}

int sz_store_delete(struct sz_stores *all, const char *id, struct sz_rebac_error *e)
{
	struct sz_store *s = sz_store_get(all, id), **at;
	int err;

	if (!s)
		return fail(e, -ENOENT, SZ_REBAC_VALIDATION, "there is no store %.64s", id);
	err = sz_store_fail(remove_rows(all, s->number), e);
	if (!err) {
		sz_store_close_door(s);
		s->deleted = true;
		__atomic_store_n(&s->generation, s->generation + 1, __ATOMIC_RELEASE);
		s->latest_generation = s->generation;
		sz_store_open_door(s);
		pthread_mutex_lock(&all->lock);
		for (at = &all->first; *at != s; at = &(*at)->next)
			;
		*at = s->next;
		if (all->last == &s->next)
			all->last = at;
		all->n--;
		s->refs--; /* the list's */
		pthread_mutex_unlock(&all->lock);
	}
	sz_store_put(s);
	return err;
}

/* ---- find and hold -------------------------------------------------------------------------- */

u32 sz_stores_list(struct sz_stores *all, const char *after, struct sz_store_info *ret, u32 max)
{
	const struct sz_store *s;
	u32 n = 0;

	pthread_mutex_lock(&all->lock);
	for (s = all->first; s && n < max; s = s->next)
		if (strcmp(s->info.id, after) > 0)
			ret[n++] = s->info;
	pthread_mutex_unlock(&all->lock);
	return n;
}

static struct sz_store *get(struct sz_stores *all, const char *id, const char *name)
{
	struct sz_store *s;

	pthread_mutex_lock(&all->lock);
	for (s = all->first; s; s = s->next)
		if (id ? !strcmp(s->info.id, id) : !strcmp(s->info.name, name))
			break;
	if (s)
		s->refs++;
	pthread_mutex_unlock(&all->lock);
	return s;
}

struct sz_store *sz_store_get(struct sz_stores *all, const char *id)
{
	return get(all, id, NULL);
}

struct sz_store *sz_store_get_named(struct sz_stores *all, const char *name)
{
	return get(all, NULL, name);
}

void sz_store_put(struct sz_store *s)
{
	bool last;

	if (!s)
		return;
	pthread_mutex_lock(&s->all->lock);
	last = !--s->refs;
	pthread_mutex_unlock(&s->all->lock);
	if (last)
		sz_store_free(s);
}

void sz_stores_on_write(struct sz_stores *s, void (*fn)(struct sz_store *s, void *arg), void *arg)
{
	struct listener *l = sz_calloc(1, sizeof(*l));

	*l = (struct listener){.next = s->listeners, .fn = fn, .arg = arg};
	s->listeners = l;
}

void sz_stores_written(struct sz_stores *s, struct sz_store *store)
{
	struct listener *l;

	for (l = s->listeners; l; l = l->next)
		l->fn(store, l->arg);
}

const struct sz_store_info *sz_store_info(const struct sz_store *s)
{
	return &s->info;
}

void sz_store_stats(struct sz_store *s, struct sz_store_stats *ret)
{
	pthread_rwlock_rdlock(&s->lock);
	*ret = (struct sz_store_stats){
		.tuples = s->tuples,
		.models = s->n_models,
		.changes = s->next_change - s->first_change,
		.generation = s->generation,
		.written_ms = s->written_ms,
	};
	pthread_rwlock_unlock(&s->lock);
}

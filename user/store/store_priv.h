/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared inside the store room: the file's tables and keys, and a store as it is held in memory.
 *
 * Tables, all keys big-endian, so that they are in the order of their numbers:
 *   stores      store(4)                          -> struct row
 *   names       store(4) kind(1) number(4)        -> the name
 *   by_object   store(4) object(8) user(8)        -> struct tuple_head, context as JSON
 *   by_user     store(4) user(8) object(8)        -> nothing
 *   changes     store(4) number(8)                -> struct change_head, context as JSON
 *   models      store(4) ULID(26)                 -> JSON
 *   assertions  store(4) ULID(26)                 -> JSON
 *
 * Only whole transactions are ever in the file. What is in memory but not in the file are names
 * that no tuple has yet; they are written with the next transaction, so that numbers have no
 * holes.
 */
#ifndef SZ_STORE_STORE_PRIV_H
#define SZ_STORE_STORE_PRIV_H

#include <lmdb.h>
#include <pthread.h>
#include <string.h>

#include "store/store.h"

enum table {
	T_STORES,
	T_NAMES,
	T_BY_OBJECT,
	T_BY_USER,
	T_CHANGES,
	T_MODELS,
	T_ASSERTIONS,
	TABLES,
};

struct row {
	char id[32], name[72];
	s64 created_ms;
	u64 generation, tuples;
	u64 first_change, next_change; /* kept: first..next - 1 */
};

struct tuple_head {
	s64 time_ms;
	u32 condition, pad;
};

struct change_head {
	u64 object, user;
	s64 time_ms;
	u32 condition;
	u8 removed, pad[3];
};

struct parsed {
	struct parsed *next;
	char id[SZ_STORE_ID_LEN + 1];
	struct sz_rebac_model *model;
	struct sz_rebac_graph *graph;
};

struct kind_number {
	u32 kind; /* type << 16 | relation */
	u64 number;
};

struct sz_store {
	struct sz_stores *all;
	struct sz_store *next;
	int refs; /* under all->lock */
	bool deleted;
	u32 number;
	struct sz_store_info info;

	/* Questions hold one of them for reading, the writer both: `gate` is for long ones. */
	pthread_rwlock_t lock, gate;
	struct sz_rebac_store *memory;
	u64 generation, tuples, first_change, next_change;
	s64 written_ms;
	char latest[SZ_STORE_ID_LEN + 1]; /* "" without a model */
	u64 latest_generation; /* number of every kind that is not in the list */
	struct kind_number *kinds; /* ascending */
	u32 n_kinds, kinds_room;

	pthread_mutex_t models_lock;
	struct parsed *models; /* those that were asked for */
	u64 n_models;

	u32 saved[SZ_REBAC_KINDS]; /* the writer's: names that are in the file */
	struct sz_rebac_work *work;
};

struct listener {
	struct listener *next;
	void (*fn)(struct sz_store *s, void *arg);
	void *arg;
};

struct sz_stores {
	MDB_env *env;
	MDB_dbi table[TABLES];
	int lock_fd;
	u64 changes_kept;
	pthread_mutex_t lock;
	struct sz_store *first, **last; /* in the order of their ids */
	u32 n, next_number;
	struct listener *listeners;
	u64 ulid_ms;
	u8 ulid_random[10];
};

/* ---- file.c --------------------------------------------------------------------------------- */

#define KEY_MAX 40

struct key {
	u8 b[KEY_MAX];
	size_t n;
};

struct key sz_store_key(u32 store);
void sz_store_key_u32(struct key *k, u32 v);
void sz_store_key_u64(struct key *k, u64 v);
void sz_store_key_text(struct key *k, const char *s, size_t n);
u64 sz_store_u64_at(const void *p);
static inline MDB_val sz_store_val(const void *p, size_t n)
{
	return (MDB_val){.mv_size = n, .mv_data = (void *)p};
}

/* 0, or -errno with *e filled, of what LMDB returned. */
int sz_store_fail(int mdb, struct sz_rebac_error *e);
/* Errors of LMDB. */
int sz_store_set(struct sz_stores *s, MDB_txn *txn, enum table t, const struct key *k,
		 const void *p, size_t n);
/* Every entry whose key begins with k; fn returns 0 to go on, another value to end with it. */
int sz_store_each(struct sz_stores *s, MDB_txn *txn, enum table t, const struct key *k,
		  int (*fn)(const MDB_val *key, const MDB_val *value, void *arg), void *arg);
int sz_store_remove_all(struct sz_stores *s, MDB_txn *txn, enum table t, const struct key *k);

s64 sz_store_now_ms(void);
void sz_store_ulid(struct sz_stores *s, char ret[SZ_STORE_ID_LEN + 1]); /* the writer's */
bool sz_store_is_ulid(const char *s);

/* ---- load.c, stores.c, models.c ------------------------------------------------------------- */

int sz_store_load(struct sz_store *s, MDB_txn *txn, struct sz_rebac_error *e);
struct sz_store *sz_store_make(struct sz_stores *all, u32 number, const struct row *row);
void sz_store_free(struct sz_store *s);
/* The store's row and the names that are not yet in the file. */
int sz_store_save(struct sz_store *s, MDB_txn *txn, const struct row *row);
void sz_store_saved(struct sz_store *s);
struct row sz_store_row(const struct sz_store *s);
/* The graph of a model; NULL where there is none. Any thread; names are all known by then. */
const struct parsed *sz_store_parsed(struct sz_store *s, const char *id);
/* The writer holds both locks of the store: nobody looks. */
void sz_store_close_door(struct sz_store *s);
void sz_store_open_door(struct sz_store *s);
/* Under the closed door. */
void sz_store_number_kind(struct sz_store *s, u64 object, u64 number);

/* read.c: names of what is in a tuple, under the store's lock. */
json_t *sz_store_key_json(struct sz_store *s, u64 object, u64 user, u32 condition,
			  const char *context, size_t n);

#endif

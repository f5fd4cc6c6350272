/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The file: LMDB's environment, its tables, keys and errors; ids and times. Called by the rest of
 * the room. Everything LMDB says goes through sz_store_fail, so that nothing fails in silence.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/store_priv.h"

#define SIZE_DEFAULT (256ull << 30)

struct key sz_store_key(u32 store)
{
	struct key k = {.n = 0};

	sz_store_key_u32(&k, store);
	return k;
}

void sz_store_key_u32(struct key *k, u32 v)
{
	v = __builtin_bswap32(v);
	memcpy(k->b + k->n, &v, sizeof(v));
	k->n += sizeof(v);
}

void sz_store_key_u64(struct key *k, u64 v)
{
	v = __builtin_bswap64(v);
	memcpy(k->b + k->n, &v, sizeof(v));
	k->n += sizeof(v);
}

void sz_store_key_text(struct key *k, const char *s, size_t n)
{
	n = n < KEY_MAX - k->n ? n : KEY_MAX - k->n;
	memcpy(k->b + k->n, s, n);
	k->n += n;
}

u64 sz_store_u64_at(const void *p)
{
	u64 v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap64(v);
}

int sz_store_fail(int mdb, struct sz_rebac_error *e)
{
	int err = mdb > 0 ? -mdb : -EIO;

	if (!mdb)
		return 0;
	if (mdb == MDB_MAP_FULL || mdb == ENOSPC)
		err = -ENOSPC;
	e->code = SZ_REBAC_INTERNAL;
	e->line = e->column = 0;
	snprintf(e->msg, sizeof(e->msg), "the store of relationships cannot be used: %s",
		 mdb_strerror(mdb));
	sz_log(SZ_LOG_ERR, "%s", e->msg);
	return err;
}

int sz_store_set(struct sz_stores *s, MDB_txn *txn, enum table t, const struct key *k,
		 const void *p, size_t n)
{
	MDB_val key = sz_store_val(k->b, k->n), value = sz_store_val(n ? p : "", n);

	return mdb_put(txn, s->table[t], &key, &value, 0);
}

int sz_store_each(struct sz_stores *s, MDB_txn *txn, enum table t, const struct key *k,
		  int (*fn)(const MDB_val *key, const MDB_val *value, void *arg), void *arg)
{
	MDB_val key = sz_store_val(k->b, k->n), value;
	MDB_cursor *c;
	int err = mdb_cursor_open(txn, s->table[t], &c);

	if (err)
		return err;
	err = mdb_cursor_get(c, &key, &value, k->n ? MDB_SET_RANGE : MDB_FIRST);
	while (!err && key.mv_size >= k->n && !memcmp(key.mv_data, k->b, k->n)) {
		err = fn(&key, &value, arg);
		if (!err)
			err = mdb_cursor_get(c, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(c);
	return err == MDB_NOTFOUND ? 0 : err;
}

int sz_store_remove_all(struct sz_stores *s, MDB_txn *txn, enum table t, const struct key *k)
{
	MDB_val key = sz_store_val(k->b, k->n), value;
	MDB_cursor *c;
	int err = mdb_cursor_open(txn, s->table[t], &c);

	if (err)
		return err;
	err = mdb_cursor_get(c, &key, &value, MDB_SET_RANGE);
	while (!err && key.mv_size >= k->n && !memcmp(key.mv_data, k->b, k->n)) {
		err = mdb_cursor_del(c, 0);
		if (!err)
			err = mdb_cursor_get(c, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(c);
	return err == MDB_NOTFOUND ? 0 : err;
}

/* ---- ids and times -------------------------------------------------------------------------- */

s64 sz_store_now_ms(void)
{
	return (s64)(sz_wall_ns() / 1000000);
}

/* In order also within a millisecond, and where the clock goes back. */
void sz_store_ulid(struct sz_stores *s, char ret[SZ_STORE_ID_LEN + 1])
{
	static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	u64 now = (u64)sz_store_now_ms();
	u8 b[16];
	int i, at;

	if (now > s->ulid_ms) {
		s->ulid_ms = now;
		randombytes_buf(s->ulid_random, sizeof(s->ulid_random));
		s->ulid_random[0] &= 0x7f;
	} else {
		for (i = 9; i >= 0 && !++s->ulid_random[i]; i--)
			;
	}
	for (i = 0; i < 6; i++)
		b[i] = (u8)(s->ulid_ms >> (40 - 8 * i));
	memcpy(b + 6, s->ulid_random, 10);
	/* 128 bits in 26 digits of five, the first two bits being none. */
	for (i = 0; i < SZ_STORE_ID_LEN; i++) {
		u32 v = 0;

		for (at = 5 * i - 2; at < 5 * i + 3; at++)
			v = v << 1 | (at < 0 ? 0 : b[at / 8] >> (7 - at % 8) & 1);
		ret[i] = digits[v];
	}
	ret[SZ_STORE_ID_LEN] = 0;
}

bool sz_store_is_ulid(const char *s)
{
	return strlen(s) == SZ_STORE_ID_LEN && s[0] <= '7' &&
	       strspn(s, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") == SZ_STORE_ID_LEN;
}

json_t *sz_store_time(s64 ms)
{
	time_t s = ms / 1000;
	char text[40], date[24];
	struct tm tm;

	gmtime_r(&s, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%03dZ", date, (int)(ms % 1000));
	return json_string(text);
}

/* ---- open and close ------------------------------------------------------------------------- */

static int lock_dir(struct sz_stores *s, const char *dir, struct sz_error *e)
{
	char path[4096];

	if (mkdir(dir, 0700) && errno != EEXIST)
		return sz_error_set(e, -errno, "cannot make the folder %s: %m", dir);
	snprintf(path, sizeof(path), "%s/owner", dir);
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock_fd < 0)
		return sz_error_set(e, -errno, "cannot open %s: %m", path);
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB))
		return sz_error_set(e, -EBUSY,
				    "another process has the relationships in %s open; stop it, or "
				    "set rebac.dir", dir);
	return 0;
}

static int open_tables(struct sz_stores *s)
{
	static const char *const names[TABLES] = {
		[T_STORES] = "stores", [T_NAMES] = "names", [T_BY_OBJECT] = "by_object",
		[T_BY_USER] = "by_user", [T_CHANGES] = "changes", [T_MODELS] = "models",
		[T_ASSERTIONS] = "assertions",
	};
	MDB_txn *txn;
	int err = mdb_txn_begin(s->env, NULL, 0, &txn), i;

	for (i = 0; i < TABLES && !err; i++)
		err = mdb_dbi_open(txn, names[i], MDB_CREATE, &s->table[i]);
	if (err) {
		mdb_txn_abort(txn);
		return err;
	}
	return mdb_txn_commit(txn);
}

static int open_file(struct sz_stores *s, const struct sz_stores_options *o)
{
	int err = mdb_env_create(&s->env), dead;

	if (!err)
		err = mdb_env_set_mapsize(s->env, o->size_max ? o->size_max : SIZE_DEFAULT);
	if (!err)
		err = mdb_env_set_maxdbs(s->env, TABLES);
	if (!err)
		err = mdb_env_open(s->env, o->dir, MDB_NOTLS | (o->no_sync ? MDB_NOSYNC : 0), 0600);
	if (!err)
		err = mdb_reader_check(s->env, &dead);
	return err ? err : open_tables(s);
}

static int load_row(const MDB_val *key, const MDB_val *value, void *arg)
{
	struct sz_stores *s = arg;
	struct sz_store *store;
	struct row row;
	u32 number;

	if (key->mv_size != sizeof(number) || value->mv_size != sizeof(row))
		return MDB_CORRUPTED;
	memcpy(&number, key->mv_data, sizeof(number));
	memcpy(&row, value->mv_data, sizeof(row));
	number = __builtin_bswap32(number);
	if (!memchr(row.id, 0, sizeof(row.id)) || !sz_store_is_ulid(row.id) ||
	    !memchr(row.name, 0, SZ_STORE_NAME_MAX + 1))
		return MDB_CORRUPTED;
	store = sz_store_make(s, number, &row);
	*s->last = store;
	s->last = &store->next;
	s->n++;
	s->next_number = number + 1;
	return 0;
}

static int load_all(struct sz_stores *s, struct sz_rebac_error *e)
{
	struct sz_store *store;
	struct key all = {.n = 0};
	MDB_txn *txn;
	int err = sz_store_fail(mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn), e);

	if (err)
		return err;
	err = sz_store_fail(sz_store_each(s, txn, T_STORES, &all, load_row, s), e);
	for (store = s->first; store && !err; store = store->next)
		err = sz_store_load(store, txn, e);
	mdb_txn_abort(txn);
	return err;
}

int sz_stores_open(const struct sz_stores_options *o, struct sz_stores **ret, struct sz_error *e)
{
	struct sz_stores *s = sz_calloc(1, sizeof(*s));
	struct sz_rebac_error re;
	int err;

	*ret = NULL;
	s->lock_fd = -1;
	s->last = &s->first;
	s->next_number = 1;
	s->changes_kept = o->changes_kept ? o->changes_kept : 1000000;
	pthread_mutex_init(&s->lock, NULL);
	err = lock_dir(s, o->dir, e);
	if (!err) {
		err = sz_store_fail(open_file(s, o), &re);
		if (!err)
			err = load_all(s, &re);
		if (err)
			sz_error_set(e, err, "%.200s: %.280s", o->dir, re.msg);
	}
	if (err)
		sz_stores_close(s);
	else
		*ret = s;
	return err;
}

void sz_stores_close(struct sz_stores *s)
{
	struct sz_store *store, *next;
	struct listener *l;

	if (!s)
		return;
	while ((l = s->listeners)) {
		s->listeners = l->next;
		free(l);
	}
	for (store = s->first; store; store = next) {
		next = store->next;
		sz_store_free(store);
	}
	if (s->env)
		mdb_env_close(s->env);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

u64 sz_stores_bytes(struct sz_stores *s)
{
	MDB_envinfo info;
	MDB_stat st;

	if (mdb_env_info(s->env, &info) || mdb_env_stat(s->env, &st))
		return 0;
	return (info.me_last_pgno + 1) * (u64)st.ms_psize;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A store from the file into memory: its names in the order of their numbers, its tuples in order,
 * the id of its latest model. Called when the file is opened. What does not fit together is an
 * error: a store that is half known must not answer.
 */
#include "store/store_priv.h"

static int load_name(const MDB_val *key, const MDB_val *value, void *arg)
{
	struct sz_store *s = arg;
	const u8 *k = key->mv_data;
	u32 id;

	if (key->mv_size != 9 || k[4] >= SZ_REBAC_KINDS)
		return MDB_CORRUPTED;
	memcpy(&id, k + 5, sizeof(id));
	id = __builtin_bswap32(id);
	if (s->memory->ops->intern(s->memory, k[4], value->mv_data, value->mv_size) != id)
		return MDB_CORRUPTED;
	s->saved[k[4]] = id;
	return 0;
}

static int load_tuple(const MDB_val *key, const MDB_val *value, void *arg)
{
	struct sz_rebac_value v = {0};
	struct sz_store *s = arg;
	struct tuple_head head;
	json_t *context = NULL;
	u64 object, user;
	int err;

	if (key->mv_size != 20 || value->mv_size < sizeof(head))
		return MDB_CORRUPTED;
	object = sz_store_u64_at((const u8 *)key->mv_data + 4);
	user = sz_store_u64_at((const u8 *)key->mv_data + 12);
	memcpy(&head, value->mv_data, sizeof(head));
	v.condition = head.condition;
	if (value->mv_size > sizeof(head)) {
		context = json_loadb((const char *)value->mv_data + sizeof(head),
				     value->mv_size - sizeof(head), 0, NULL);
		if (!json_is_object(context)) {
			json_decref(context);
			return MDB_CORRUPTED;
		}
	}
	v.context = context;
	err = s->memory->ops->put(s->memory, object, user, &v);
	json_decref(context);
	s->tuples++;
	return err ? MDB_CORRUPTED : 0;
}

static int load_model(const MDB_val *key, const MDB_val *value, void *arg)
{
	struct sz_store *s = arg;

	(void)value;
	if (key->mv_size != 4 + SZ_STORE_ID_LEN)
		return MDB_CORRUPTED;
	memcpy(s->latest, (const u8 *)key->mv_data + 4, SZ_STORE_ID_LEN);
	s->n_models++;
	return 0;
}

/* When tuples were last written, by the newest change that is kept. */
static int load_written(struct sz_store *s, MDB_txn *txn)
{
	struct key k = sz_store_key(s->number);
	struct change_head head;
	MDB_val key, value;
	int err;

	if (s->next_change == s->first_change)
		return 0;
	sz_store_key_u64(&k, s->next_change - 1);
	key = sz_store_val(k.b, k.n);
	err = mdb_get(txn, s->all->table[T_CHANGES], &key, &value);
	if (err || value.mv_size < sizeof(head))
		return MDB_CORRUPTED;
	memcpy(&head, value.mv_data, sizeof(head));
	s->written_ms = head.time_ms;
	return 0;
}

int sz_store_load(struct sz_store *s, MDB_txn *txn, struct sz_rebac_error *e)
{
	struct key k = sz_store_key(s->number);
	u64 expected = s->tuples;
	int err;

	s->tuples = 0;
	err = sz_store_each(s->all, txn, T_NAMES, &k, load_name, s);
	if (!err)
		err = sz_store_each(s->all, txn, T_BY_OBJECT, &k, load_tuple, s);
	if (!err)
		err = sz_store_each(s->all, txn, T_MODELS, &k, load_model, s);
	if (!err)
		err = load_written(s, txn);
	if (!err && s->tuples != expected)
		err = MDB_CORRUPTED;
	return sz_store_fail(err, e);
}

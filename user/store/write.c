/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A write: planned against what is there, written to the file in one transaction, then told to the
 * questions. Called by the one writer, so nothing else changes between these steps. Whatever goes
 * wrong before the transaction is on disk leaves the store as it was.
 */
#include <stdio.h>

#include "store/store_priv.h"

struct planned {
	u64 object, user;
	struct sz_rebac_value value; /* of what is added; its condition also of what is removed */
	bool remove, skip;
};

static int fail_tuple(struct sz_rebac_error *e, int err, u32 code, const char *what,
		      const struct sz_rebac_tuple *t)
{
	*e = (struct sz_rebac_error){.code = code};
	snprintf(e->msg, sizeof(e->msg),
		 "%s: user: '%.200s', relation: '%.50s', object: '%.200s'", what,
		 t->user ? t->user : "", t->relation ? t->relation : "",
		 t->object ? t->object : "");
	return err;
}

/* ---- a tuple twice in one write ------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
	const struct sz_rebac_tuple *x = &(*(const struct sz_store_op *const *)a)->t;
	const struct sz_rebac_tuple *y = &(*(const struct sz_store_op *const *)b)->t;
	int d = strcmp(x->object, y->object);

	if (!d)
		d = strcmp(x->relation, y->relation);
	return d ? d : strcmp(x->user, y->user);
}

static int check_twice(const struct sz_store_write *w, struct sz_rebac_error *e)
{
	const struct sz_store_op **list = sz_calloc(w->n + 1, sizeof(*list));
	u32 i, max = w->bulk ? SZ_STORE_BULK_MAX : SZ_STORE_WRITES_MAX;
	int err = 0;

	for (i = 0; i < w->n && !err; i++) {
		const struct sz_rebac_tuple *t = &w->ops[i].t;

		list[i] = &w->ops[i];
		if (!t->user || !t->relation || !t->object)
			err = fail_tuple(e, -EINVAL, SZ_REBAC_VALIDATION,
					 "a tuple needs user, relation and object", t);
	}
	if (!err && (!w->n || w->n > max)) {
		*e = (struct sz_rebac_error){.code = w->n ? SZ_STORE_EXCEEDED
							  : SZ_REBAC_VALIDATION};
		snprintf(e->msg, sizeof(e->msg), "a write has 1 to %u tuples, this one %u", max,
			 w->n);
		err = -EINVAL;
	}
	if (!err)
		qsort(list, w->n, sizeof(*list), by_text);
	for (i = 1; i < w->n && !err; i++)
		if (!by_text(&list[i - 1], &list[i]))
			err = fail_tuple(e, -EINVAL, SZ_STORE_DUPLICATE,
					 "a tuple stands twice in one write", &list[i]->t);
	free(list);
	return err;
}

/* ---- the plan ------------------------------------------------------------------------------- */

static bool same_value(const struct sz_rebac_value *a, const struct sz_rebac_value *b)
{
	bool none_a = !a->context || !json_object_size(a->context);
	bool none_b = !b->context || !json_object_size(b->context);

	return a->condition == b->condition &&
	       (none_a || none_b ? none_a && none_b
				 : json_equal((json_t *)a->context, (json_t *)b->context));
}

static int plan_remove(struct sz_store *s, const struct sz_store_write *w,
		       const struct sz_rebac_tuple *t, struct planned *p, struct sz_rebac_error *e)
{
	int err = sz_rebac_tuple_find(s->memory, t, &p->object, &p->user, e);
	u32 value;

	p->remove = true;
	if (!err)
		err = s->memory->ops->read(s->memory, p->object, p->user, &value);
	if (!err && value)
		p->value = *s->memory->ops->value(s->memory, value);
	if (err != -ENOENT)
		return err;
	p->skip = w->ignore_missing;
	return p->skip ? 0
		       : fail_tuple(e, -EINVAL, SZ_REBAC_WRITE_FAILED,
				    "cannot delete a tuple which does not exist", t);
}

static int plan_add(struct sz_store *s, struct sz_rebac_graph *g, const struct sz_store_write *w,
		    const struct sz_rebac_tuple *t, struct planned *p, struct sz_rebac_error *e)
{
	static const struct sz_rebac_value none;
	const struct sz_rebac_value *there;
	u32 value;
	int err = sz_rebac_tuple_nodes(g, s->work, t, &p->object, &p->user, &p->value, e);

	if (err || s->memory->ops->read(s->memory, p->object, p->user, &value))
		return err;
	there = value ? s->memory->ops->value(s->memory, value) : &none;
	if (!w->ignore_duplicate)
		return fail_tuple(e, -EINVAL, SZ_REBAC_WRITE_FAILED,
				  "cannot write a tuple which already exists", t);
	if (!same_value(there, &p->value))
		return fail_tuple(e, -EEXIST, SZ_REBAC_WRITE_FAILED,
				  "the tuple exists with another condition", t);
	p->skip = true;
	return 0;
}

/* Nobody else writes, so what is planned under a view stays true behind it. */
static int plan(struct sz_store *s, const struct sz_store_write *w, struct planned *list,
		struct sz_rebac_error *e)
{
	struct sz_rebac_graph *g;
	struct sz_store_view v;
	u32 i;
	int err = sz_store_begin(s, w->model, SZ_STORE_SHORT, &v);

	if (err) {
		*e = (struct sz_rebac_error){.code = SZ_REBAC_VALIDATION};
		snprintf(e->msg, sizeof(e->msg), "the store has no such model; write one first");
		return err;
	}
	g = (struct sz_rebac_graph *)v.graph;
	for (i = 0; i < w->n && !err; i++)
		err = w->ops[i].remove ? plan_remove(s, w, &w->ops[i].t, &list[i], e)
				       : plan_add(s, g, w, &w->ops[i].t, &list[i], e);
	sz_store_end(&v);
	if (err)
		return err;
	/* Names that are new are given numbers only now that all else is right. */
	sz_store_close_door(s);
	for (i = 0; i < w->n && !err; i++)
		if (!list[i].remove && !list[i].skip)
			err = sz_rebac_tuple_nodes(g, NULL, &w->ops[i].t, &list[i].object,
						   &list[i].user, &list[i].value, e);
	sz_store_open_door(s);
	return err;
}

/* ---- the transaction ------------------------------------------------------------------------ */

static int put_row(struct sz_store *s, MDB_txn *txn, enum table t, const struct key *k,
		   const void *head, size_t n, const char *context)
{
	size_t len = context ? strlen(context) : 0;
	MDB_val key = sz_store_val(k->b, k->n), value = {.mv_size = n + len};
	int err = mdb_put(txn, s->all->table[t], &key, &value, MDB_RESERVE);

	if (!err) {
		if (n)
			memcpy(value.mv_data, head, n);
		if (len)
			memcpy((char *)value.mv_data + n, context, len);
	}
	return err;
}

static struct key pair_key(const struct sz_store *s, u64 a, u64 b)
{
	struct key k = sz_store_key(s->number);

	sz_store_key_u64(&k, a);
	sz_store_key_u64(&k, b);
	return k;
}

static int write_tuple(struct sz_store *s, MDB_txn *txn, const struct planned *p, s64 now,
		       const char *context)
{
	struct key object = pair_key(s, p->object, p->user), user = pair_key(s, p->user, p->object);
	struct tuple_head head = {.time_ms = now, .condition = p->value.condition};
	MDB_val a = sz_store_val(object.b, object.n), b = sz_store_val(user.b, user.n);
	int err;

	if (p->remove) {
		err = mdb_del(txn, s->all->table[T_BY_OBJECT], &a, NULL);
		return err ? err : mdb_del(txn, s->all->table[T_BY_USER], &b, NULL);
	}
	err = put_row(s, txn, T_BY_OBJECT, &object, &head, sizeof(head), context);
	return err ? err : put_row(s, txn, T_BY_USER, &user, NULL, 0, NULL);
}

static int write_change(struct sz_store *s, MDB_txn *txn, const struct planned *p, u64 number,
			s64 now, const char *context)
{
	struct key k = sz_store_key(s->number);
	struct change_head head = {
		.object = p->object, .user = p->user, .time_ms = now,
		.condition = p->value.condition, .removed = p->remove,
	};

	sz_store_key_u64(&k, number);
	return put_row(s, txn, T_CHANGES, &k, &head, sizeof(head), context);
}

static int write_one(struct sz_store *s, MDB_txn *txn, const struct planned *p, struct row *row,
		     s64 now)
{
	char *context = p->value.context && json_object_size(p->value.context)
				? json_dumps(p->value.context, JSON_COMPACT)
				: NULL;
	int err = write_tuple(s, txn, p, now, context);

	if (!err)
		err = write_change(s, txn, p, row->next_change++, now, context);
	row->tuples += p->remove ? (u64)-1 : 1;
	free(context);
	return err;
}

/* The log of changes keeps so many: the oldest go, two for each that comes. */
static int trim(struct sz_store *s, MDB_txn *txn, struct row *row, u32 n)
{
	struct key k;
	MDB_val key;
	u64 kept = s->all->changes_kept;
	u32 i;
	int err = 0;

	for (i = 0; i < 2 * n && !err && row->next_change - row->first_change > kept;
	     i++, row->first_change++) {
		k = sz_store_key(s->number);
		sz_store_key_u64(&k, row->first_change);
		key = sz_store_val(k.b, k.n);
		err = mdb_del(txn, s->all->table[T_CHANGES], &key, NULL);
	}
	return err;
}

static int commit(struct sz_store *s, const struct planned *list, u32 n, struct row *row)
{
	s64 now = sz_store_now_ms();
	MDB_txn *txn;
	u32 i;
	int err = mdb_txn_begin(s->all->env, NULL, 0, &txn);

	if (err)
		return err;
	for (i = 0; i < n && !err; i++)
		if (!list[i].skip)
			err = write_one(s, txn, &list[i], row, now);
	if (!err)
		err = trim(s, txn, row, n);
	if (!err)
		err = sz_store_save(s, txn, row);
	if (!err)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return err;
}

/* ---- what questions see --------------------------------------------------------------------- */

static void apply(struct sz_store *s, const struct planned *list, u32 n, const struct row *row)
{
	u32 i;

	sz_store_close_door(s);
	for (i = 0; i < n; i++) {
		if (list[i].skip)
			continue;
		if (list[i].remove)
			s->memory->ops->remove(s->memory, list[i].object, list[i].user);
		else
			s->memory->ops->put(s->memory, list[i].object, list[i].user,
					    &list[i].value);
		sz_store_number_kind(s, list[i].object, row->generation);
	}
	s->tuples = row->tuples;
	s->first_change = row->first_change;
	s->next_change = row->next_change;
	s->written_ms = sz_store_now_ms();
	__atomic_store_n(&s->generation, row->generation, __ATOMIC_RELEASE);
	sz_store_open_door(s);
}

int sz_store_write(struct sz_store *s, const struct sz_store_write *w, struct sz_rebac_error *e)
{
	struct planned *list = sz_calloc(w->n + 1, sizeof(*list));
	struct row row = sz_store_row(s);
	u32 i, todo = 0;
	int err = check_twice(w, e);

	if (!err)
		err = plan(s, w, list, e);
	for (i = 0; i < w->n && !err; i++)
		todo += !list[i].skip;
	if (!err && todo) {
		row.generation++;
		err = sz_store_fail(commit(s, list, w->n, &row), e);
		if (!err) {
			sz_store_saved(s);
			apply(s, list, w->n, &row);
		}
	}
	free(list);
	return err;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tuples and changes by page, straight from the file: a transaction that reads sees one state and
 * stops no writer. Each filter is a list of ranges of keys in one of the two orders, so nothing is
 * looked at that is not told.
 */
#include <sodium.h>
#include <stdio.h>

#include "codec/codec.h"
#include "store/store_priv.h"

struct range {
	u64 key; /* object or user */
	u64 from, to;
	bool all; /* every key */
};

struct page {
	struct sz_store *s;
	enum table table;
	struct range *range;
	u32 n, room;
	u8 filter[8]; /* digest: a token is good for the filter it was made for */
};

static void add_range(struct page *p, u64 key, u64 from, u64 to)
{
	if (p->n == p->room) {
		p->room = p->room ? 2 * p->room : 8;
		p->range = sz_realloc(p->range, p->room, sizeof(*p->range));
	}
	p->range[p->n++] = (struct range){.key = key, .from = from, .to = to};
}

static int fail(struct sz_rebac_error *e, int err, const char *why)
{
	*e = (struct sz_rebac_error){.code = SZ_REBAC_VALIDATION};
	snprintf(e->msg, sizeof(e->msg), "%s", why);
	return err;
}

/* ---- filters -------------------------------------------------------------------------------- */

static u32 find(struct sz_store *s, enum sz_rebac_kind kind, const char *name, size_t n)
{
	return s->memory->ops->find(s->memory, kind, name, n);
}

/* The node of "type:id" or "type:id#relation"; 0 where no tuple can have it. */
static u64 node_of(struct sz_store *s, const char *text)
{
	size_t colon = strcspn(text, ":"), hash = strcspn(text, "#");
	u32 type, id, relation = 0;

	if (!text[colon] || hash < colon)
		return 0;
	type = find(s, SZ_REBAC_TYPES, text, colon);
	id = find(s, SZ_REBAC_IDS, text + colon + 1, hash - colon - 1);
	if (text[hash]) {
		relation = find(s, SZ_REBAC_RELATIONS, text + hash + 1, strlen(text + hash + 1));
		if (!relation)
			return 0;
	}
	return type && id ? sz_rebac_node_of(type, relation, id) : 0;
}

/* All of one object: a range for each relation there is. */
static void plan_object(struct page *p, const struct sz_store_filter *f, u64 object, u64 user,
			u32 relation)
{
	struct sz_store *s = p->s;
	u32 r;

	p->table = T_BY_OBJECT;
	for (r = relation ? relation : 1;; r++) {
		if (!s->memory->ops->name(s->memory, SZ_REBAC_RELATIONS, r))
			return;
		add_range(p, object | (u64)r << 32, f->user ? user : 0,
			  f->user ? user : UINT64_MAX);
		if (relation)
			return;
	}
}

static int plan(struct page *p, const struct sz_store_filter *f, struct sz_rebac_error *e)
{
	size_t n = f->object ? strlen(f->object) : 0, colon = n ? strcspn(f->object, ":") : 0;
	struct sz_store *s = p->s;
	u32 relation = 0, type;
	u64 user = 0, object;

	p->table = T_BY_OBJECT;
	if (!n) {
		if ((f->user && *f->user) || (f->relation && *f->relation))
			return fail(e, -EINVAL, "the filter needs an object, or at least its type "
				    "as in 'document:'");
		add_range(p, 0, 0, UINT64_MAX);
		p->range[0].all = true;
		return 0;
	}
	if (colon == n || !colon || strchr(f->object, '#'))
		return fail(e, -EINVAL, "the filter's object is no object");
	if (colon + 1 == n && !f->user)
		return fail(e, -EINVAL, "the filter needs an object's id or a user");
	if (f->relation && *f->relation) {
		relation = find(s, SZ_REBAC_RELATIONS, f->relation, strlen(f->relation));
		if (!relation)
			return 0;
	}
	if (f->user) {
		if (!strchr(f->user, ':'))
			return fail(e, -EINVAL, "the filter's user is no user");
		user = node_of(s, f->user);
		if (!user)
			return 0;
	}
	if (colon + 1 < n) {
		object = node_of(s, f->object);
		if (object)
			plan_object(p, f, object, user, relation);
		return 0;
	}
	type = find(s, SZ_REBAC_TYPES, f->object, colon);
	p->table = T_BY_USER;
	if (type)
		add_range(p, user, sz_rebac_node_of(type, relation, 0),
			  sz_rebac_node_of(type, relation ? relation : 0xffff, 0xffffffff));
	return 0;
}

/* ---- tokens --------------------------------------------------------------------------------- */

static void digest(u8 ret[8], const char *a, const char *b, const char *c)
{
	struct sz_buf text = {0};
	u8 full[16];

	sz_buf_printf(&text, "%s\n%s\n%s", a ? a : "", b ? b : "", c ? c : "");
	crypto_generichash(full, sizeof(full), (const u8 *)text.data, text.len, NULL, 0);
	memcpy(ret, full, 8);
	sz_buf_done(&text);
}

/* Where to go on: n numbers and what they are good for. */
static void write_token(char token[SZ_STORE_TOKEN_MAX], const u8 filter[8], const u64 *v, u32 n)
{
	u8 b[32];

	memcpy(b, filter, 8);
	memcpy(b + 8, v, 8 * (size_t)n);
	sz_b64url_encode(b, 8 + 8 * (size_t)n, token);
}

static bool read_token(const char *token, const u8 filter[8], u64 *v, u32 n)
{
	u8 b[SZ_STORE_TOKEN_MAX];
	ssize_t len = sz_b64url_decode(token, strlen(token), b, sizeof(b));

	if (len != 8 + 8 * (ssize_t)n || memcmp(b, filter, 8))
		return false;
	memcpy(v, b + 8, 8 * (size_t)n);
	return true;
}

/* ---- tuples as JSON ------------------------------------------------------------------------- */

static void add_node(struct sz_store *s, u64 node, struct sz_buf *b)
{
	const struct sz_rebac_store_ops *ops = s->memory->ops;
	const char *type = ops->name(s->memory, SZ_REBAC_TYPES, SZ_REBAC_TYPE(node));
	const char *id = ops->name(s->memory, SZ_REBAC_IDS, SZ_REBAC_ID(node));

	sz_buf_printf(b, "%s:%s", type ? type : "?", id ? id : "?");
}

static const char *relation_name(struct sz_store *s, u64 node)
{
	const char *name = s->memory->ops->name(s->memory, SZ_REBAC_RELATIONS,
						SZ_REBAC_RELATION(node));

	return name ? name : "?";
}

json_t *sz_store_key_json(struct sz_store *s, u64 object, u64 user, u32 condition,
			  const char *context, size_t n)
{
	struct sz_buf u = {0}, o = {0};
	const char *name;
	json_t *v, *c;

	add_node(s, user, &u);
	if (SZ_REBAC_RELATION(user))
		sz_buf_printf(&u, "#%s", relation_name(s, user));
	add_node(s, object, &o);
	v = json_pack("{s:s, s:s, s:s}", "user", u.data, "relation", relation_name(s, object),
		      "object", o.data);
	sz_buf_done(&u);
	sz_buf_done(&o);
	if (condition) {
		name = s->memory->ops->name(s->memory, SZ_REBAC_CONDITIONS, condition);
		c = n ? json_loadb(context, n, 0, NULL) : NULL;
		json_object_set_new(v, "condition",
				    json_pack("{s:s, s:o}", "name", name ? name : "?", "context",
					      c ? c : json_object()));
	}
	return v;
}

/* ---- a page of tuples ----------------------------------------------------------------------- */

static json_t *tuple_json(struct page *p, const MDB_val *key, MDB_txn *txn)
{
	const u8 *k = key->mv_data;
	u64 a = sz_store_u64_at(k + 4), b = sz_store_u64_at(k + 12);
	u64 object = p->table == T_BY_OBJECT ? a : b, user = p->table == T_BY_OBJECT ? b : a;
	struct key full = sz_store_key(p->s->number);
	struct tuple_head head = {0};
	MDB_val at, value = {0};

	sz_store_key_u64(&full, object);
	sz_store_key_u64(&full, user);
	at = sz_store_val(full.b, full.n);
	if (mdb_get(txn, p->s->all->table[T_BY_OBJECT], &at, &value) ||
	    value.mv_size < sizeof(head))
		return NULL;
	memcpy(&head, value.mv_data, sizeof(head));
	return json_pack("{s:o, s:o}", "key",
			 sz_store_key_json(p->s, object, user, head.condition,
					   (const char *)value.mv_data + sizeof(head),
					   value.mv_size - sizeof(head)),
			 "timestamp", sz_store_time(head.time_ms));
}

/* From `at` (range, key, node) on; where it stopped is left there, range n at the end. */
static int scan(struct page *p, MDB_txn *txn, u64 at[3], u32 max, json_t *list)
{
	MDB_cursor *c = NULL;
	MDB_val key, value;
	int err = mdb_cursor_open(txn, p->s->all->table[p->table], &c);

	for (; !err && at[0] < p->n; at[0]++, at[1] = at[2] = 0) {
		const struct range *r = &p->range[at[0]];
		struct key k = sz_store_key(p->s->number);

		sz_store_key_u64(&k, at[1] ? at[1] : r->key);
		sz_store_key_u64(&k, at[1] ? at[2] : r->from);
		key = sz_store_val(k.b, k.n);
		err = mdb_cursor_get(c, &key, &value, MDB_SET_RANGE);
		for (; !err && !memcmp(key.mv_data, k.b, 4);
		     err = mdb_cursor_get(c, &key, &value, MDB_NEXT)) {
			at[1] = sz_store_u64_at((const u8 *)key.mv_data + 4);
			at[2] = sz_store_u64_at((const u8 *)key.mv_data + 12);
			if (!r->all && (at[1] != r->key || at[2] > r->to))
				break;
			if (json_array_size(list) == max)
				goto out;
			if (json_array_append_new(list, tuple_json(p, &key, txn))) {
				err = MDB_CORRUPTED;
				goto out;
			}
		}
		err = err == MDB_NOTFOUND ? 0 : err;
	}
out:
	if (c)
		mdb_cursor_close(c);
	return err;
}

int sz_store_read(struct sz_store *s, const struct sz_store_filter *f, u32 max,
		  char token[SZ_STORE_TOKEN_MAX], json_t **ret, struct sz_rebac_error *e)
{
	struct page p = {.s = s};
	u64 at[3] = {0, 0, 0};
	json_t *list = NULL;
	MDB_txn *txn;
	int err;

	*ret = NULL;
	digest(p.filter, f->user, f->relation, f->object);
	if (*token && !read_token(token, p.filter, at, 3))
		return fail(e, -EINVAL, "the continuation token is not of this question");
	pthread_rwlock_rdlock(&s->lock); /* names are looked up */
	err = s->deleted ? fail(e, -ENOENT, "the store was deleted") : plan(&p, f, e);
	if (!err)
		err = sz_store_fail(mdb_txn_begin(s->all->env, NULL, MDB_RDONLY, &txn), e);
	if (!err) {
		list = json_array();
		err = sz_store_fail(scan(&p, txn, at, max, list), e);
		mdb_txn_abort(txn);
	}
	pthread_rwlock_unlock(&s->lock);
	*token = 0;
	if (!err && at[0] < p.n)
		write_token(token, p.filter, at, 3);
	free(p.range);
	if (err)
		json_decref(list);
	else
		*ret = list;
	return err;
}

/* ---- a page of changes ---------------------------------------------------------------------- */

struct changes {
	struct sz_store *s;
	json_t *list;
	u64 next;
	u32 type, max;
	bool every;
	s64 since_ms;
};

static int add_change(const MDB_val *value, struct changes *c)
{
	struct change_head h;

	if (value->mv_size < sizeof(h))
		return MDB_CORRUPTED;
	memcpy(&h, value->mv_data, sizeof(h));
	if ((!c->every && SZ_REBAC_TYPE(h.object) != c->type) || h.time_ms < c->since_ms)
		return 0;
	json_array_append_new(
		c->list,
		json_pack("{s:o, s:s, s:o}", "tuple_key",
			  sz_store_key_json(c->s, h.object, h.user, h.condition,
					    (const char *)value->mv_data + sizeof(h),
					    value->mv_size - sizeof(h)),
			  "operation",
			  h.removed ? "TUPLE_OPERATION_DELETE" : "TUPLE_OPERATION_WRITE",
			  "timestamp", sz_store_time(h.time_ms)));
	return 0;
}

#define LOOK_MAX 100000 /* changes of other types that one page passes over */

static int scan_changes(struct changes *c, MDB_txn *txn)
{
	struct key k = sz_store_key(c->s->number);
	MDB_cursor *cursor;
	MDB_val key, value;
	u32 looked = 0;
	int err = mdb_cursor_open(txn, c->s->all->table[T_CHANGES], &cursor);

	if (err)
		return err;
	sz_store_key_u64(&k, c->next);
	key = sz_store_val(k.b, k.n);
	err = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	while (!err && !memcmp(key.mv_data, k.b, 4) && json_array_size(c->list) < c->max &&
	       looked++ < LOOK_MAX) {
		c->next = sz_store_u64_at((const u8 *)key.mv_data + 4) + 1;
		err = add_change(&value, c);
		if (!err)
			err = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	return err == MDB_NOTFOUND ? 0 : err;
}

int sz_store_changes(struct sz_store *s, const char *type, s64 since_ms, u32 max,
		     char token[SZ_STORE_TOKEN_MAX], json_t **ret, struct sz_rebac_error *e)
{
	struct changes c = {.s = s, .max = max, .every = !type || !*type, .since_ms = since_ms};
	u8 filter[8];
	MDB_txn *txn;
	int err = 0;

	*ret = NULL;
	digest(filter, "changes", type, NULL);
	if (*token && !read_token(token, filter, &c.next, 1))
		return fail(e, -EINVAL, "the continuation token is not of this type's changes");
	pthread_rwlock_rdlock(&s->lock);
	if (s->deleted)
		err = fail(e, -ENOENT, "the store was deleted");
	else if (*token && c.next < s->first_change)
		err = fail(e, -ENODATA, "these changes are no longer kept; read all tuples, and go "
			   "on from a new token");
	if (!*token)
		c.next = s->first_change;
	c.type = c.every ? 0 : find(s, SZ_REBAC_TYPES, type, strlen(type));
	if (!err)
		err = sz_store_fail(mdb_txn_begin(s->all->env, NULL, MDB_RDONLY, &txn), e);
	if (!err) {
		c.list = json_array();
		err = sz_store_fail(scan_changes(&c, txn), e);
		mdb_txn_abort(txn);
	}
	pthread_rwlock_unlock(&s->lock);
	if (!err) {
		write_token(token, filter, &c.next, 1);
		*ret = c.list;
	} else {
		json_decref(c.list);
	}
	return err;
}

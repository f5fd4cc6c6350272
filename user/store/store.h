/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Relationship tuples that last: stores of models and tuples in one LMDB file, each store with an
 * index in memory for questions. The file is the truth: a write is acknowledged when it is on disk,
 * and what was not whole there never happened. The only room that includes lmdb.h.
 *
 * Threads: everything that writes (create, delete, models, tuples, assertions) is called by one
 * thread at a time, the writer, which may wait for the disk. All else may be called by any thread.
 * A question holds a view; while it does, the store does not change under it.
 */
#ifndef SZ_STORE_STORE_H
#define SZ_STORE_STORE_H

#include "rebac/rebac.h"

#define SZ_STORE_ID_LEN     26   /* characters of a ULID (github.com/ulid/spec) */
#define SZ_STORE_NAME_MAX   64   /* bytes of a store's name, at least 3 */
#define SZ_STORES_MAX       1000 /* in one file */
#define SZ_STORE_WRITES_MAX 100  /* tuples of one write, as in OpenFGA */
#define SZ_STORE_BULK_MAX   5000 /* tuples of one import */
#define SZ_STORE_PAGE_MAX   100  /* tuples, changes or stores of one page */

struct sz_stores;
struct sz_store;

struct sz_stores_options {
	const char *dir;  /* made where it is missing, mode 0700 */
	u64 size_max;     /* bytes the file may grow to; 0 = 256 GiB */
	u64 changes_kept; /* of each store's log of changes; 0 = 1,000,000 */
	bool no_sync;     /* nothing is on disk when it is acknowledged: for tests and benches */
};

/* Reads all stores into memory. -errno with *e filled; -EBUSY: another daemon has them open. */
int sz_stores_open(const struct sz_stores_options *o, struct sz_stores **ret, struct sz_error *e);
void sz_stores_close(struct sz_stores *s); /* NULL is fine; no store may be held */

struct sz_store_info {
	char id[SZ_STORE_ID_LEN + 1];
	char name[SZ_STORE_NAME_MAX + 1];
	s64 created_ms; /* wall clock */
};

/*
 * The functions below return 0, or -errno with *e filled: -EINVAL (its code says more), -ENOENT,
 * -EEXIST, -ENOSPC where the disk or the file is full, -EIO.
 */
int sz_store_create(struct sz_stores *all, const char *name, struct sz_store_info *ret,
		    struct sz_rebac_error *e) SZ_MUST_CHECK;
int sz_store_delete(struct sz_stores *all, const char *id, struct sz_rebac_error *e) SZ_MUST_CHECK;
/* Stores behind `after` ("" = from the first) in the order of their ids; their number. */
u32 sz_stores_list(struct sz_stores *all, const char *after, struct sz_store_info *ret, u32 max);

/* By id; NULL where there is none. Held until it is put back; it may be deleted meanwhile. */
struct sz_store *sz_store_get(struct sz_stores *all, const char *id);
/* The first of that name. */
struct sz_store *sz_store_get_named(struct sz_stores *all, const char *name);
void sz_store_put(struct sz_store *s); /* NULL is fine */
const struct sz_store_info *sz_store_info(const struct sz_store *s);

/* ---- models --------------------------------------------------------------------------------- */

/* Either form of a model. It is the latest from then on; models never change and are never removed
 * but with their store. */
int sz_store_model_write(struct sz_store *s, const char *text, size_t n,
			 char ret_id[SZ_STORE_ID_LEN + 1], struct sz_rebac_error *e) SZ_MUST_CHECK;
/* Its JSON, with "id"; NULL id: the latest. A new reference, or NULL where there is none. */
json_t *sz_store_model_read(struct sz_store *s, const char *id);
/* Ids before `before` (NULL: from the latest on), newest first; their number. */
u32 sz_store_models(struct sz_store *s, const char *before,
		    char (*ret)[SZ_STORE_ID_LEN + 1], u32 max);

/* Assertions of a model: an array as it was given; [] where there is none. */
int sz_store_assertions_write(struct sz_store *s, const char *model, const json_t *list,
			      struct sz_rebac_error *e) SZ_MUST_CHECK;
json_t *sz_store_assertions_read(struct sz_store *s, const char *model);

/* ---- questions ------------------------------------------------------------------------------ */

enum sz_store_kind {
	SZ_STORE_SHORT, /* a check: writes wait for it, it never waits for a list */
	SZ_STORE_LONG,  /* a list: writes wait for it, so it needs an end (sz_rebac_work_watch) */
};

/* A model over the store's tuples as they are now, for the functions of rebac.h. */
struct sz_store_view {
	const struct sz_rebac_graph *graph;
	u64 generation; /* of the whole store */
	char model[SZ_STORE_ID_LEN + 1];
	struct sz_store *store;
	enum sz_store_kind kind;
};
/* model NULL: the latest. -ENOENT: the store has no such model, or none at all, or is deleted. */
int sz_store_begin(struct sz_store *s, const char *model, enum sz_store_kind kind,
		   struct sz_store_view *ret) SZ_MUST_CHECK;
void sz_store_end(struct sz_store_view *v);

/* ---- generations ---------------------------------------------------------------------------- */

/*
 * The rule. Each store counts its writes; the count is the store's generation. A write leaves its
 * number at each kind of tuple (object type and relation) that it added or deleted, and nowhere
 * else. What "type#relation" can depend on is a set of such kinds, known from the model (its
 * closure: usersets, computed relations, both ends of "from", both sides of "but not"). Its
 * generation is the largest number in that set, or that of the latest model if it is larger. So an
 * answer that was made at generation g is as good as new exactly as long as the relation's
 * generation is not above g: a write that cannot change it leaves it alone, one that can does not.
 * The new numbers stand before the write is acknowledged, and no question sees the tuples of a
 * write without its number.
 */
u64 sz_store_generation(const struct sz_store *s);
/* Of one relation under the view's model; that of the whole store where the model has no such. */
u64 sz_store_view_generation(const struct sz_store_view *v, const char *type,
			     const char *relation);
/* The same without a view, by the latest model; that of the store where there is none. */
u64 sz_store_relation_generation(struct sz_store *s, const char *type, const char *relation);

/*
 * Whoever keeps answers is told of each store that was written to, or deleted, before the writer is
 * told that it is done. In the loop's thread; the store is held for the call.
 */
void sz_stores_on_write(struct sz_stores *s, void (*fn)(struct sz_store *s, void *arg), void *arg);
/* Called by who lets the writer work, in the loop's thread. */
void sz_stores_written(struct sz_stores *s, struct sz_store *store);

/* ---- tuples --------------------------------------------------------------------------------- */

struct sz_store_op {
	bool remove;
	struct sz_rebac_tuple t; /* condition and context count for what is added only */
};

struct sz_store_write {
	const char *model; /* NULL: the latest */
	const struct sz_store_op *ops;
	u32 n;
	bool ignore_duplicate; /* what is there already, with the same condition, is no error */
	bool ignore_missing;
	bool bulk; /* up to SZ_STORE_BULK_MAX */
};

#define SZ_STORE_DUPLICATE 2004 /* a tuple twice in one write: code of an error */
#define SZ_STORE_EXCEEDED  2005 /* more tuples than one write may have */

/* All or nothing. -EEXIST: a tuple is there with another condition than the one to be ignored. */
int sz_store_write(struct sz_store *s, const struct sz_store_write *w, struct sz_rebac_error *e)
	SZ_MUST_CHECK;

/* What is to be read: any part may be NULL, as OpenFGA's Read has it. */
struct sz_store_filter {
	const char *user, *relation;
	const char *object; /* "type:id", or "type:" with a user */
};
#define SZ_STORE_TOKEN_MAX 96

/*
 * A page: an array of {"key": {...}, "timestamp"}, from the continuation token in `token` on, which
 * is replaced by the next one, "" at the end.
 */
int sz_store_read(struct sz_store *s, const struct sz_store_filter *f, u32 max,
		  char token[SZ_STORE_TOKEN_MAX], json_t **ret, struct sz_rebac_error *e)
	SZ_MUST_CHECK;

/*
 * A page of the log of changes: an array of {"tuple_key", "operation", "timestamp"}, oldest first;
 * type NULL: all. The token is never "": where nothing is new it stays. -EINVAL for one that is of
 * another type, -ENODATA for one whose changes are no longer kept.
 */
int sz_store_changes(struct sz_store *s, const char *type, s64 since_ms, u32 max,
		     char token[SZ_STORE_TOKEN_MAX], json_t **ret, struct sz_rebac_error *e)
	SZ_MUST_CHECK;

struct sz_store_stats {
	u64 tuples, models, changes, generation;
	s64 written_ms; /* wall clock: last write of tuples; 0: none that is known */
};
void sz_store_stats(struct sz_store *s, struct sz_store_stats *ret);
/* A time as the answers have it: RFC 3339 with milliseconds. */
json_t *sz_store_time(s64 ms);
/* Bytes of the file that are in use. */
u64 sz_stores_bytes(struct sz_stores *s);

#endif

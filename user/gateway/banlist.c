/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The configuration's bans into the map, replaced whole at each publish; what was banned by other
 * hands is left alone. There may be a million: they are written in slices, the first few at once
 * and the rest by workers, so that the loop never waits for them. Without a pool, as at start, all
 * of it is done before the call returns. What is wanted is written before anything is lifted.
 */
#include "gateway/gateway_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SECOND  1000000000ull
#define INDEXED 65536u /* keys that are taken into the index in one slice, */
#define WRITTEN 1024u  /* bans that are looked at and written in one, */
#define READ    WRITTEN /* and entries of the map that are read in one */
#define AT_ONCE 16     /* slices that a publish does itself */

/* Everything that the configuration bans: first what is imported, then what it lists. */
struct ban_set {
	struct sz_ban_list keys;
	size_t n_import;
	struct sz_ban *values; /* of the listed ones */
	u32 *slot;             /* open addressing; a key's number + 1, the last of equal keys */
	size_t slots;          /* a power of two */
};

enum phase { INDEX, WRITE, SWEEP, DONE };

struct sz_ban_feed {
	struct sz_work work;
	struct sz_gateway *g;
	struct ban_set set, next; /* next: what a publish wants meanwhile */
	bool running, again;
	enum phase phase;
	size_t at; /* in INDEX and WRITE: the next key */
	struct sz_map_cursor cursor;
	struct sz_map_batch batch;
	struct sz_ban_key last; /* stale, where the walk stands: removed with the next batch */
	bool has_last;
	size_t wanted, added, removed, there;
	int err;
	struct sz_ban_key key[WRITTEN + 1];
	struct sz_ban value[WRITTEN];
};

/* ---- the set -------------------------------------------------------------------------------- */

static void set_done(struct ban_set *s)
{
	sz_ban_list_done(&s->keys);
	free(s->values);
	free(s->slot);
	*s = (struct ban_set){};
}

static int set_read(const struct sz_conf *c, struct ban_set *s, struct sz_error *e)
{
	u64 wall_s = sz_wall_ns() / SECOND;
	size_t i, n;
	int r = 0;

	for (i = 0; i < c->bans.n_import && !r; i++)
		r = sz_ban_list_read(c->bans.import[i], &s->keys, e);
	if (r)
		return r;
	n = s->n_import = s->keys.n;
	s->keys.keys = sz_realloc(s->keys.keys, n + c->bans.n_list + 1, sizeof(*s->keys.keys));
	s->values = sz_calloc(c->bans.n_list + 1, sizeof(*s->values));
	for (i = 0; i < c->bans.n_list; i++) {
		const struct sz_conf_ban *b = &c->bans.list[i];
		struct sz_ban *v = &s->values[s->keys.n - n];

		if (b->until_s && b->until_s <= wall_s)
			continue;
		*v = (struct sz_ban){.source = SZ_BAN_CONF};
		v->expires_ns = b->until_s ? sz_wall_to_boot_ns((s64)b->until_s) : 0;
		if (b->why)
			snprintf(v->why, sizeof(v->why), "%s", b->why);
		s->keys.keys[s->keys.n++] = b->key;
	}
	for (s->slots = 64; s->slots < 2 * s->keys.n; s->slots *= 2)
		;
	s->slot = sz_calloc(s->slots, sizeof(*s->slot));
	return 0;
}

static struct sz_ban set_value(const struct ban_set *s, size_t i)
{
	if (i >= s->n_import)
		return s->values[i - s->n_import];
	return (struct sz_ban){.source = SZ_BAN_CONF, .why = "imported list"};
}

/* The slot of a key, or the free one where it would go. Whose keys these are has made them. */
static u32 *set_slot(const struct ban_set *s, const void *key)
{
	u64 h = 0, w;
	size_t at, i;

	for (i = 0; i < sizeof(struct sz_ban_key); i += 4) {
		w = 0;
		memcpy(&w, (const u8 *)key + i, 4);
		h = (h ^ w) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 32;
	}
	for (at = h & (s->slots - 1); s->slot[at]; at = (at + 1) & (s->slots - 1))
		if (!memcmp(&s->keys.keys[s->slot[at] - 1], key, sizeof(struct sz_ban_key)))
			break;
	return &s->slot[at];
}

/* ---- slices --------------------------------------------------------------------------------- */

static void index_some(struct sz_ban_feed *f)
{
	size_t end = f->at + INDEXED < f->set.keys.n ? f->at + INDEXED : f->set.keys.n;

	for (; f->at < end; f->at++) {
		u32 *slot = set_slot(&f->set, &f->set.keys.keys[f->at]);

		f->wanted += !*slot;
		*slot = (u32)f->at + 1;
	}
	if (f->at < f->set.keys.n)
		return;
	f->at = 0;
	f->phase = WRITE;
}

/* Is it to be written? What stands there by another hand stays. */
static bool is_missing(const struct sz_ban_feed *f, const struct sz_ban_key *key,
		       const struct sz_ban *ban)
{
	struct sz_ban old;

	return sz_map_get(f->g->kern, SZ_MAP_BANS, key, &old) ||
	       (old.source == SZ_BAN_CONF && memcmp(&old, ban, sizeof(old)));
}

static void write_some(struct sz_ban_feed *f)
{
	size_t end = f->at + WRITTEN < f->set.keys.n ? f->at + WRITTEN : f->set.keys.n;
	u32 n = 0, done = 0;

	for (; f->at < end; f->at++) {
		const struct sz_ban_key *key = &f->set.keys.keys[f->at];

		if (*set_slot(&f->set, key) != (u32)f->at + 1)
			continue; /* the same comes again */
		f->key[n] = *key;
		f->value[n] = set_value(&f->set, f->at);
		n += is_missing(f, key, &f->value[n]);
	}
	f->err = sz_map_put_batch(f->g->kern, SZ_MAP_BANS, f->key, f->value, n, &done);
	f->added += done;
	if (f->at < f->set.keys.n && !f->err)
		return;
	f->phase = f->err ? DONE : SWEEP;
}

/*
 * Removes what the configuration does not ban any more. A walk over a trie begins anew where the
 * entry at which it stands is gone: that one goes only when the walk has moved on.
 */
static void sweep_some(struct sz_ban_feed *f)
{
	struct sz_map_batch *b = &f->batch;
	bool last = f->has_last;
	u32 n = 0, i;

	f->err = sz_map_read(f->g->kern, SZ_MAP_BANS, &f->cursor, READ, b);
	if (last)
		f->key[n++] = f->last;
	f->has_last = false;
	f->there += b->n;
	for (i = 0; i < b->n; i++) {
		const u8 *key = b->keys + i * b->key_size;
		const struct sz_ban *ban = (const void *)(b->values + i * b->value_size);

		if (ban->source != SZ_BAN_CONF || *set_slot(&f->set, key))
			continue;
		if (i + 1 == b->n && !f->cursor.done) {
			memcpy(&f->last, key, sizeof(f->last));
			f->has_last = true;
		} else {
			memcpy(&f->key[n++], key, sizeof(f->key[0]));
		}
	}
	if (n && !f->err)
		f->err = sz_map_del_batch(f->g->kern, SZ_MAP_BANS, f->key, n);
	f->removed += n;
	if (f->cursor.done || f->err)
		f->phase = DONE;
}

static void slice(struct sz_ban_feed *f)
{
	if (f->phase == INDEX)
		index_some(f);
	else if (f->phase == WRITE)
		write_some(f);
	else if (f->phase == SWEEP)
		sweep_some(f);
}

/* ---- life ----------------------------------------------------------------------------------- */

static struct sz_ban_feed *feed_of(struct sz_work *w)
{
	return (struct sz_ban_feed *)((char *)w - offsetof(struct sz_ban_feed, work));
}

/* In a worker. */
static void feed_run(struct sz_work *w)
{
	slice(feed_of(w));
}

static void feed_begin(struct sz_ban_feed *f)
{
	f->phase = INDEX;
	f->at = f->wanted = f->added = f->removed = f->there = 0;
	f->cursor = (struct sz_map_cursor){};
	f->has_last = false;
	f->err = 0;
	f->running = true;
}

static int feed_error(const struct sz_ban_feed *f, struct sz_error *e)
{
	return sz_error_set(e, f->err,
			    "cannot write the bans of the configuration to the kernel: %s; at most "
			    "%u fit",
			    f->err == -E2BIG ? "it is full" : strerror(-f->err),
			    sz_kern_map_capacity(f->g->kern, SZ_MAP_BANS));
}

static int feed_end(struct sz_ban_feed *f, struct sz_error *e)
{
	struct sz_gateway *g = f->g;
	char detail[160];

	f->running = false;
	set_done(&f->set);
	sz_map_batch_done(&f->batch);
	if (f->err)
		return feed_error(f, e);
	if (f->there > f->removed)
		__atomic_store_n(&g->cfg->ban_count, (u32)(f->there - f->removed),
				 __ATOMIC_SEQ_CST);
	if (f->added || f->removed) {
		snprintf(detail, sizeof(detail),
			 "the configuration bans %zu prefixes: %zu added or changed, %zu lifted",
			 f->wanted, f->added, f->removed);
		if (g->journal)
			sz_gateway_record(g, SZ_AUDIT_BAN, detail);
		sz_log(SZ_LOG_INFO, "%s", detail);
	}
	return 0;
}

/* In the loop, behind each slice of a worker. */
static void feed_done(struct sz_work *w)
{
	struct sz_ban_feed *f = feed_of(w);
	struct sz_error e = {};

	if (f->again) {
		set_done(&f->set);
		f->set = f->next;
		f->next = (struct ban_set){};
		f->again = false;
		feed_begin(f);
	}
	if (f->phase != DONE) {
		sz_pool_submit(f->g->pool, w);
		return;
	}
	if (feed_end(f, &e)) {
		sz_log(SZ_LOG_ERR, "%s", e.msg);
		sz_gateway_record(f->g, SZ_AUDIT_BAN, e.msg);
	}
}

static void feed_drop(struct sz_work *w)
{
	(void)w; /* a part of struct sz_ban_feed */
}

static struct sz_ban_feed *feed_new(struct sz_gateway *g)
{
	struct sz_ban_feed *f = sz_calloc(1, sizeof(*f));

	f->g = g;
	f->work = (struct sz_work){
		.run = feed_run, .done = feed_done, .drop = feed_drop, .class = SZ_WORK_LATER};
	return f;
}

void sz_ban_feed_free(struct sz_ban_feed *f)
{
	if (!f)
		return;
	set_done(&f->set);
	set_done(&f->next);
	sz_map_batch_done(&f->batch);
	free(f);
}

bool sz_ban_feed_running(const struct sz_ban_feed *f)
{
	return f && f->running;
}

static int feed(struct sz_gateway *g, struct ban_set *set, struct sz_error *e)
{
	struct sz_ban_feed *f = g->ban_feed ? g->ban_feed : feed_new(g);
	int i;

	g->ban_feed = f;
	if (f->running) {
		set_done(&f->next);
		f->next = *set;
		f->again = true;
		return 0;
	}
	f->set = *set;
	feed_begin(f);
	for (i = 0; f->phase != DONE && (!g->pool || i < AT_ONCE); i++)
		slice(f);
	if (f->phase == DONE)
		return feed_end(f, e);
	sz_pool_submit(g->pool, &f->work);
	return 0;
}

/* ---- what is never banned ------------------------------------------------------------------- */

struct allowed {
	struct sz_ban_key *keys; /* sorted */
	size_t n;
	struct sz_ban_list stale;
};

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct sz_ban_key));
}

/* A walk does not take deletions well, so what is stale is gathered first. */
static int find_stale(const void *key, const void *value, void *arg)
{
	struct allowed *w = arg;

	(void)value;
	if (w->n && bsearch(key, w->keys, w->n, sizeof(*w->keys), by_key))
		return 0;
	if (!(w->stale.n & (w->stale.n - 1)))
		w->stale.keys = sz_realloc(w->stale.keys, w->stale.n ? 2 * w->stale.n : 1,
					   sizeof(*w->stale.keys));
	memcpy(&w->stale.keys[w->stale.n++], key, sizeof(struct sz_ban_key));
	return 0;
}

static int put_allowed(struct sz_gateway *g, const struct sz_conf *c, struct sz_error *e)
{
	struct allowed w = {.n = c->bans.n_allow};
	u32 one = 1;
	size_t i;
	int r = 0;

	w.keys = sz_calloc(w.n + 1, sizeof(*w.keys));
	if (w.n)
		memcpy(w.keys, c->bans.allow, w.n * sizeof(*w.keys));
	qsort(w.keys, w.n, sizeof(*w.keys), by_key);
	for (i = 0; i < w.n && !r; i++)
		r = sz_map_put(g->kern, SZ_MAP_ALLOW, &w.keys[i], &one);
	if (r)
		sz_error_set(e, r, "cannot write bans.allow to the kernel: %s", strerror(-r));
	else
		sz_map_each(g->kern, SZ_MAP_ALLOW, find_stale, &w);
	for (i = 0; i < w.stale.n; i++)
		sz_map_del(g->kern, SZ_MAP_ALLOW, &w.stale.keys[i]);
	sz_ban_list_done(&w.stale);
	free(w.keys);
	return r;
}

int sz_bans_publish(struct sz_gateway *g, const struct sz_conf *c, struct sz_error *e)
{
	u32 room = sz_kern_map_capacity(g->kern, SZ_MAP_BANS);
	struct ban_set set = {};
	int r = set_read(c, &set, e);

	if (!r && set.keys.n > room)
		r = sz_error_set(e, -E2BIG,
				 "the configuration bans %zu prefixes, but at most %u fit into the "
				 "kernel; ban wider prefixes",
				 set.keys.n, room);
	if (!r)
		r = put_allowed(g, c, e);
	if (r) {
		set_done(&set);
		return r;
	}
	/* The programs skip bans while there are none: they look from here on. */
	if (set.keys.n)
		__atomic_store_n(&g->cfg->ban_count, g->cfg->ban_count ? g->cfg->ban_count : 1,
				 __ATOMIC_SEQ_CST);
	return feed(g, &set, e);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Everything that time ends, in one timing wheel: grants and bans here, and whatever else embeds a
 * timer and sets it in g->wheel. The kernel judges each entry by its own clock; what is done here
 * makes room again. A callback of the loop does a bounded part of it and comes back at once where
 * there is more, so that a million grants that end together make nobody wait.
 *
 * A map that others write, too, or that outlived the last daemon is walked in steps: at start, when
 * somebody may have changed it, and now and then. To find the few entries of a large table takes
 * the kernel milliseconds, so the grants are read by a worker; what it has read may be old by the
 * time the loop sees it, and so is looked up again before anything is removed. A worker removes
 * them, too: every so many the kernel gives memory back, milliseconds long, where they are removed.
 * A key that is being removed is not written meanwhile: see sz_expiry_wait().
 */
#include "gateway/gateway_priv.h"

#include <stddef.h>
#include <string.h>

#define WALKED 128u /* entries of a map that are looked at in one callback */
#define READ   512u /* grants that a worker reads at once */
#define CHUNK  1024 /* entries allocated at once */

#define SECOND    1000000000ull
#define GRANTS_NS (600 * SECOND) /* between two walks over the grants */

/* An entry of a map and its timer. */
struct entry {
	struct sz_timer timer;
	u64 expires_ns;
	u32 next; /* in the bucket or among the free ones: number + 1 */
	bool unsure; /* its end was read in a walk: look again before it goes */
	bool dying;  /* a worker removes it; it has no timer any more */
	u8 key[sizeof(struct sz_grant_key)]; /* of either map */
};

struct walk {
	enum sz_map map;
	sz_map_fn fn;
	u64 every_ns, next_ns;
	struct sz_map_cursor cursor;
	bool running;
};
enum { WALK_BANS, WALK_TICKETS, WALK_CARRY, WALK_SPILL, WALKS };

/* The walk over the grants. */
struct reader {
	struct sz_work work;
	struct sz_gateway *g;
	struct sz_map_cursor cursor;
	struct sz_map_batch batch;
	u64 next_ns;
	int err;
	bool running;
};

struct table {
	enum sz_map map;
	size_t key_size;
	u32 *bucket; /* a power of two of them */
	u32 buckets;
	struct entry **chunk;
	u32 n_chunks, free; /* number + 1 of the first free one */
	void (*due)(struct sz_timer *t, void *gateway);
	/* Keys that were due and go from the map together. */
	u8 dead[SZ_EXPIRY_STEPS * sizeof(struct sz_grant_key)];
	u32 n_dead;
	u64 removed;
};

/* Removes grants. */
struct reaper {
	struct sz_work work;
	struct sz_gateway *g;
	u8 keys[SZ_EXPIRY_STEPS * sizeof(struct sz_grant_key)];
	u32 n;
	bool running;
	struct sz_work *waiting; /* jobs whose key is being removed */
};

struct sz_expiry {
	struct table grants, bans;
	struct walk walk[WALKS];
	struct reader reader;
	struct reaper reaper;
	u32 turn;             /* the walk that is next */
	u32 bans_before, bans_left;
	u64 epoch;            /* of the revocations when grants were last walked */
	struct sz_net_wake *more;
};

/* ---- a table of entries with timers ---------------------------------------------------------- */

static struct entry *at(const struct table *t, u32 number)
{
	return &t->chunk[(number - 1) / CHUNK][(number - 1) % CHUNK];
}

/* Keys begin with a keyed digest or are few. */
static u32 *bucket_of(struct table *t, const void *key)
{
	u64 h = 0, w;
	size_t i;

	for (i = 0; i + 4 <= t->key_size; i += 4) {
		w = 0;
		memcpy(&w, (const u8 *)key + i, 4);
		h = (h ^ w) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 32;
	}
	return &t->bucket[h & (t->buckets - 1)];
}

static void table_begin(struct table *t, const struct sz_kern *k, enum sz_map map, size_t key_size,
			void (*due)(struct sz_timer *t, void *gateway))
{
	u32 room = sz_kern_map_capacity(k, map);

	t->map = map;
	t->key_size = key_size;
	t->due = due;
	t->buckets = 64;
	while (t->buckets < room && t->buckets < 1u << 30)
		t->buckets *= 2;
	t->bucket = sz_calloc(t->buckets, sizeof(*t->bucket));
}

static void table_end(struct table *t)
{
	u32 i;

	for (i = 0; i < t->n_chunks; i++)
		free(t->chunk[i]);
	free(t->chunk);
	free(t->bucket);
}

static u32 take_free(struct table *t)
{
	u32 number, i;

	if (!t->free) {
		t->chunk = sz_realloc(t->chunk, t->n_chunks + 1, sizeof(*t->chunk));
		t->chunk[t->n_chunks] = sz_calloc(CHUNK, sizeof(struct entry));
		for (i = CHUNK; i > 0; i--) {
			t->chunk[t->n_chunks][i - 1].next = t->free;
			t->free = t->n_chunks * CHUNK + i;
		}
		t->n_chunks++;
	}
	number = t->free;
	t->free = at(t, number)->next;
	return number;
}

static struct entry *find(struct table *t, const void *key)
{
	u32 number = *bucket_of(t, key);

	while (number && memcmp(at(t, number)->key, key, t->key_size))
		number = at(t, number)->next;
	return number ? at(t, number) : NULL;
}

static struct entry *add(struct table *t, const void *key)
{
	u32 number = take_free(t), *bucket = bucket_of(t, key);
	struct entry *e = at(t, number);

	memcpy(e->key, key, t->key_size);
	e->timer.fn = t->due;
	e->next = *bucket;
	*bucket = number;
	return e;
}

/* What was just written. */
static void set(struct sz_gateway *g, struct table *t, const void *key, u64 expires_ns)
{
	struct entry *e = find(t, key);

	e = e ? e : add(t, key);
	e->unsure = false;
	e->expires_ns = expires_ns;
	sz_wheel_set(&g->wheel, &e->timer, expires_ns);
}

/* What was read, maybe a while ago: it makes a look earlier, never later. */
static void note(struct sz_gateway *g, struct table *t, const void *key, u64 expires_ns)
{
	struct entry *e = find(t, key);

	if (e && (e->dying || expires_ns >= e->expires_ns))
		return;
	e = e ? e : add(t, key);
	e->unsure = true;
	e->expires_ns = expires_ns;
	sz_wheel_set(&g->wheel, &e->timer, expires_ns);
}

static void unlink_entry(struct table *t, struct entry *e)
{
	u32 *link = bucket_of(t, e->key), number;

	while (at(t, *link) != e)
		link = &at(t, *link)->next;
	number = *link;
	*link = e->next;
	e->dying = false;
	e->next = t->free;
	t->free = number;
}

static void bury(struct table *t, struct entry *e)
{
	memcpy(t->dead + t->n_dead++ * t->key_size, e->key, t->key_size);
	e->dying = true;
}

/* They are gone from the map. */
static void forget(struct table *t, const u8 *keys, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		unlink_entry(t, find(t, keys + i * t->key_size));
	t->removed += n;
}

/* ---- grants and bans ------------------------------------------------------------------------- */

static struct entry *entry_of(struct sz_timer *t)
{
	return (struct entry *)((char *)t - offsetof(struct entry, timer));
}

static void grant_due(struct sz_timer *t, void *gateway)
{
	struct sz_gateway *g = gateway;
	struct entry *e = entry_of(t);
	struct sz_grant now;

	if (e->unsure && !sz_map_get(g->kern, SZ_MAP_GRANTS, e->key, &now) &&
	    now.expires_ns > e->expires_ns)
		set(g, &g->expiry->grants, e->key, now.expires_ns);
	else
		bury(&g->expiry->grants, e);
}

static void ban_due(struct sz_timer *t, void *gateway)
{
	struct sz_gateway *g = gateway;
	struct entry *e = entry_of(t);
	struct sz_ban now;

	/* The CLI may have given it another end. */
	if (!sz_map_get(g->kern, SZ_MAP_BANS, e->key, &now) &&
	    (!now.expires_ns || now.expires_ns > e->expires_ns))
		set(g, &g->expiry->bans, e->key, now.expires_ns ? now.expires_ns : UINT64_MAX);
	else
		bury(&g->expiry->bans, e);
	g->expiry->walk[WALK_BANS].next_ns = 0; /* they are counted again */
}

void sz_expiry_grant(struct sz_gateway *g, const struct sz_grant_key *key, u64 expires_ns)
{
	set(g, &g->expiry->grants, key, expires_ns);
}

/* An expired ban must go: a longer prefix hides a shorter one that is still in force. */
static int note_ban(const void *key, const void *value, void *gateway)
{
	const struct sz_ban *ban = value;
	struct sz_gateway *g = gateway;

	if (ban->expires_ns)
		note(g, &g->expiry->bans, key, ban->expires_ns);
	g->expiry->bans_left++;
	return 0;
}

/*
 * The kernel skips bans while their number is 0. Whoever adds one writes the map first and the
 * number second; here the number is lowered first and the map looked at second.
 */
static void bans_counted(struct sz_gateway *g)
{
	struct sz_expiry *x = g->expiry;
	struct sz_ban_key first;

	if (x->bans_left == x->bans_before ||
	    !__atomic_compare_exchange_n(&g->cfg->ban_count, &x->bans_before, x->bans_left, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return;
	if (!x->bans_left && !sz_map_first(g->kern, SZ_MAP_BANS, &first))
		__atomic_store_n(&g->cfg->ban_count, 1, __ATOMIC_SEQ_CST);
}

/* ---- removing -------------------------------------------------------------------------------- */

/* There are few, and a trie gives its memory back elsewhere. */
static void remove_bans(struct sz_gateway *g)
{
	struct table *t = &g->expiry->bans;

	if (t->n_dead)
		sz_map_del_batch(g->kern, SZ_MAP_BANS, t->dead, t->n_dead);
	forget(t, t->dead, t->n_dead);
	t->n_dead = 0;
}

static struct reaper *reaper_of(struct sz_work *w)
{
	return (struct reaper *)((char *)w - offsetof(struct reaper, work));
}

/* In a worker. */
static void reap(struct sz_work *w)
{
	struct reaper *r = reaper_of(w);

	sz_map_del_batch(r->g->kern, SZ_MAP_GRANTS, r->keys, r->n);
}

static void reaped(struct sz_work *w)
{
	struct reaper *r = reaper_of(w);
	struct sz_work *waiting = r->waiting, *next;
	struct sz_gateway *g = r->g;

	forget(&g->expiry->grants, r->keys, r->n);
	r->running = false;
	r->waiting = NULL;
	for (; waiting; waiting = next) {
		next = waiting->next;
		waiting->done(waiting);
	}
	if (g->expiry->more)
		sz_net_wake(g->expiry->more);
}

static void remove_grants(struct sz_gateway *g)
{
	struct table *t = &g->expiry->grants;
	struct reaper *r = &g->expiry->reaper;

	if (r->running || !t->n_dead)
		return;
	memcpy(r->keys, t->dead, t->n_dead * t->key_size);
	r->n = t->n_dead;
	r->running = true;
	t->n_dead = 0;
	sz_pool_submit(g->pool, &r->work);
}

bool sz_expiry_wait(struct sz_gateway *g, const struct sz_grant_key *key, struct sz_work *w)
{
	const struct entry *e = find(&g->expiry->grants, key);

	if (!e || !e->dying)
		return false;
	w->next = g->expiry->reaper.waiting;
	g->expiry->reaper.waiting = w;
	return true;
}

/* ---- grants that others have written --------------------------------------------------------- */

static struct reader *reader_of(struct sz_work *w)
{
	return (struct reader *)((char *)w - offsetof(struct reader, work));
}

/* In a worker. */
static void read_grants(struct sz_work *w)
{
	struct reader *r = reader_of(w);

	r->err = sz_map_read(r->g->kern, SZ_MAP_GRANTS, &r->cursor, READ, &r->batch);
}

static void grants_read(struct sz_work *w)
{
	struct reader *r = reader_of(w);
	struct table *t = &r->g->expiry->grants;
	u32 i;

	for (i = 0; !r->err && i < r->batch.n; i++) {
		const struct sz_grant *v =
			(const struct sz_grant *)(r->batch.values + i * r->batch.value_size);

		note(r->g, t, r->batch.keys + i * r->batch.key_size, v->expires_ns);
	}
	r->running = !r->err && !r->cursor.done;
	if (r->running)
		sz_pool_submit(r->g->pool, w);
}

static void dropped(struct sz_work *w)
{
	(void)w; /* it is a part of struct sz_expiry */
}

static void look_at_grants(struct sz_gateway *g, u64 now)
{
	struct reader *r = &g->expiry->reader;
	u64 epoch = __atomic_load_n(&g->cfg->revoke_epoch, __ATOMIC_ACQUIRE);

	if (r->running || (now < r->next_ns && epoch == g->expiry->epoch))
		return;
	/* Who revokes may have given grants an earlier end. */
	g->expiry->epoch = epoch;
	r->next_ns = now + GRANTS_NS;
	r->cursor = (struct sz_map_cursor){};
	r->running = true;
	sz_pool_submit(g->pool, &r->work);
}

/* ---- walks ----------------------------------------------------------------------------------- */

static bool begin_walk(struct sz_gateway *g, struct walk *w, u64 now)
{
	struct sz_expiry *x = g->expiry;

	if (now < w->next_ns)
		return false;
	w->next_ns = now + w->every_ns;
	if (w->map == SZ_MAP_BANS) {
		x->bans_before = __atomic_load_n(&g->cfg->ban_count, __ATOMIC_ACQUIRE);
		x->bans_left = 0;
		if (!x->bans_before)
			return false;
	}
	w->cursor = (struct sz_map_cursor){};
	w->running = true;
	return true;
}

static void end_walk(struct sz_gateway *g, struct walk *w)
{
	w->running = false;
	if (w->map == SZ_MAP_BANS && w->cursor.done)
		bans_counted(g);
}

/* A part of one of the walks that are due; true: there is more to do now. */
static bool walk(struct sz_gateway *g, u64 now)
{
	struct sz_expiry *x = g->expiry;
	struct walk *w = NULL;
	bool more = false;
	unsigned i;

	for (i = 0; i < WALKS; i++) {
		struct walk *c = &x->walk[(x->turn + i) % WALKS];

		if (!c->running && !begin_walk(g, c, now))
			continue;
		more |= w != NULL;
		w = w ? w : c;
	}
	if (!w)
		return false;
	x->turn = (u32)(w - x->walk + 1) % WALKS;
	if (sz_map_each_step(g->kern, w->map, &w->cursor, WALKED, w->fn, g) || w->cursor.done)
		end_walk(g, w);
	return more || w->running;
}

/* ---- life ------------------------------------------------------------------------------------ */

bool sz_expiry_run(struct sz_gateway *g, u64 now)
{
	struct sz_expiry *x = g->expiry;
	/* As many as there is room for among the dead; a worker makes room, and wakes us then. */
	u32 room = SZ_EXPIRY_STEPS - x->grants.n_dead;
	bool more = room && sz_wheel_run(&g->wheel, now, room, NULL);

	remove_grants(g);
	remove_bans(g);
	look_at_grants(g, now);
	more &= x->grants.n_dead < SZ_EXPIRY_STEPS;
	return walk(g, now) || more;
}

/* Where there is more, through the ring: whatever else is ready has its turn before. */
static void tick(void *gateway)
{
	struct sz_gateway *g = gateway;

	if (sz_expiry_run(g, sz_boot_ns()))
		sz_net_wake(g->expiry->more);
}

int sz_expiry_start(struct sz_gateway *g)
{
	g->expiry->more = sz_net_wake_new(g->loop, tick, g);
	return g->expiry->more ? sz_net_every(g->loop, SZ_WHEEL_TICK_NS, tick, g) : -EMFILE;
}

void sz_expiry_open(struct sz_gateway *g)
{
	static const struct walk walks[WALKS] = {
		[WALK_BANS] = {SZ_MAP_BANS, note_ban, .every_ns = 10 * SECOND},
		[WALK_TICKETS] = {SZ_MAP_TICKETS, sz_guard_old_ticket, .every_ns = SECOND},
		[WALK_CARRY] = {SZ_MAP_CARRY, sz_guard_old_carry, .every_ns = 10 * SECOND},
		[WALK_SPILL] = {SZ_MAP_SPILL, sz_guard_old_spill, .every_ns = 10 * SECOND},
	};
	struct sz_expiry *x = sz_calloc(1, sizeof(*x));

	g->expiry = x;
	table_begin(&x->grants, g->kern, SZ_MAP_GRANTS, sizeof(struct sz_grant_key), grant_due);
	table_begin(&x->bans, g->kern, SZ_MAP_BANS, sizeof(struct sz_ban_key), ban_due);
	memcpy(x->walk, walks, sizeof(walks));
	x->reader.g = g;
	x->reader.work = (struct sz_work){
		.run = read_grants,
		.done = grants_read,
		.drop = dropped,
		.class = SZ_WORK_LATER,
	};
	x->reaper.g = g;
	x->reaper.work = (struct sz_work){
		.run = reap,
		.done = reaped,
		.drop = dropped,
		.class = SZ_WORK_NORMAL,
	};
}

void sz_expiry_free(struct sz_expiry *x)
{
	struct sz_work *w;

	if (!x)
		return;
	while ((w = x->reaper.waiting)) {
		x->reaper.waiting = w->next;
		w->drop(w);
	}
	table_end(&x->grants);
	table_end(&x->bans);
	sz_map_batch_done(&x->reader.batch);
	free(x);
}

void sz_expiry_look(const struct sz_gateway *g, struct sz_view_expiry *ret)
{
	const struct sz_expiry *x = g->expiry;

	*ret = (struct sz_view_expiry){
		.timers = g->wheel.timers,
		.reading = x->reader.running,
		.removing = x->reaper.running,
		.grants_removed = x->grants.removed,
		.bans_removed = x->bans.removed,
	};
}

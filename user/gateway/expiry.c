/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Everything that time ends, in one timing wheel: grants, bans, answers to requests and denied
 * tokens here, and whatever else sets a timer in g->wheel: revocations (revoke.c) and proofs of
 * DPoP (the room dpop). The kernel judges each entry by its own clock; what is done here makes room
 * again. A callback of the loop does a bounded part of it, by number and by time, and comes back at
 * once where there is more, so that a million grants that end together make nobody wait.
 *
 * A map that others write, too, or that outlived the last daemon is walked in steps: at start, when
 * somebody may have changed it, and now and then. To find the few entries of a large table takes
 * the kernel milliseconds, so the large ones are read by a worker; what it has read may be old by
 * the time the loop sees it, and so is looked up again before anything is removed. A worker removes
 * grants, too: every so many the kernel gives memory back, milliseconds long, where they go.
 * A key that is being removed is not written meanwhile: see sz_expiry_wait().
 */
#include "gateway/ends.h"

#include <stddef.h>
#include <string.h>

#define WALKED   128u      /* entries of a map that are looked at in one callback */
#define READ     512u      /* entries that a worker reads at once */
#define FIRED    32u       /* timers between two looks at the clock, */
#define SPEND_NS 200000ull /* behind which a callback fires no more */

#define SECOND    1000000000ull
#define READ_NS (600 * SECOND) /* between two walks by the reader */

struct walk {
	enum sz_map map;
	sz_map_fn fn;
	u64 every_ns, next_ns;
	struct sz_map_cursor cursor;
	bool running;
};
enum { WALK_BANS, WALK_TICKETS, WALK_CARRY, WALK_SPILL, WALKS };

/* What workers walk over: maps that are large, or were written before this daemon began. */
enum { READ_GRANTS, READ_REQUESTS, READ_DENIED, READS };

struct reader {
	struct sz_work work;
	struct sz_gateway *g;
	struct sz_ends *of[READS];
	unsigned at; /* the one being read */
	struct sz_map_cursor cursor;
	struct sz_map_batch batch;
	u64 next_ns;
	int err;
	bool running;
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
	struct sz_ends grants, bans, requests, denied;
	struct walk walk[WALKS];
	struct reader reader;
	struct reaper reaper;
	u32 turn;             /* the walk that is next */
	u32 bans_before, bans_left;
	u64 epoch;            /* of the revocations when grants were last walked */
	struct sz_net_wake *more;
};

/* ---- what is due ---------------------------------------------------------------------------- */

static void grant_due(struct sz_timer *t, void *gateway)
{
	struct sz_gateway *g = gateway;
	struct sz_end *e = sz_end_of(t);
	struct sz_grant now;

	if (e->unsure && !sz_map_get(g->kern, SZ_MAP_GRANTS, e->key, &now) &&
	    now.expires_ns > e->expires_ns)
		sz_ends_set(&g->wheel, &g->expiry->grants, e->key, now.expires_ns);
	else
		sz_ends_bury(&g->expiry->grants, e);
}

static void ban_due(struct sz_timer *t, void *gateway)
{
	struct sz_gateway *g = gateway;
	struct sz_end *e = sz_end_of(t);
	struct sz_ban now;

	/* The CLI may have given it another end. */
	if (!sz_map_get(g->kern, SZ_MAP_BANS, e->key, &now) &&
	    (!now.expires_ns || now.expires_ns > e->expires_ns))
		sz_ends_set(&g->wheel, &g->expiry->bans, e->key,
			    now.expires_ns ? now.expires_ns : UINT64_MAX);
	else
		sz_ends_bury(&g->expiry->bans, e);
	g->expiry->walk[WALK_BANS].next_ns = 0; /* they are counted again */
}

static void request_due(struct sz_timer *t, void *gateway)
{
	struct sz_gateway *g = gateway;
	struct sz_end *e = sz_end_of(t);
	struct sz_request now;

	if (e->unsure && !sz_map_get(g->kern, SZ_MAP_REQUESTS, e->key, &now) &&
	    now.expires_ns > e->expires_ns)
		sz_ends_set(&g->wheel, &g->expiry->requests, e->key, now.expires_ns);
	else
		sz_ends_bury(&g->expiry->requests, e);
}

/* Whoever revokes a token may have written another end. */
static void denied_due(struct sz_timer *t, void *gateway)
{
	struct sz_gateway *g = gateway;
	struct sz_end *e = sz_end_of(t);
	struct sz_denied now;

	if (!sz_map_get(g->kern, SZ_MAP_DENIED, e->key, &now) && now.expires_ns > e->expires_ns)
		sz_ends_set(&g->wheel, &g->expiry->denied, e->key, now.expires_ns);
	else
		sz_ends_bury(&g->expiry->denied, e);
}

void sz_expiry_grant(struct sz_gateway *g, const struct sz_grant_key *key, u64 expires_ns)
{
	sz_ends_set(&g->wheel, &g->expiry->grants, key, expires_ns);
}

void sz_expiry_request(struct sz_gateway *g, const struct sz_request_key *key, u64 expires_ns)
{
	sz_ends_set(&g->wheel, &g->expiry->requests, key, expires_ns);
}

void sz_expiry_denied(struct sz_gateway *g, const struct sz_grant_key *key, u64 expires_ns)
{
	sz_ends_set(&g->wheel, &g->expiry->denied, key, expires_ns);
}

/* An expired ban must go: a longer prefix hides a shorter one that is still in force. */
static int note_ban(const void *key, const void *value, void *gateway)
{
	const struct sz_ban *ban = value;
	struct sz_gateway *g = gateway;

	if (ban->expires_ns)
		sz_ends_note(&g->wheel, &g->expiry->bans, key, ban->expires_ns);
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

	sz_ends_gone(&g->expiry->grants, r->keys, r->n);
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
	struct sz_ends *t = &g->expiry->grants;
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
	const struct sz_end *e = sz_ends_find(&g->expiry->grants, key);

	if (!e || !e->dying)
		return false;
	w->next = g->expiry->reaper.waiting;
	g->expiry->reaper.waiting = w;
	return true;
}

/* ---- what others have written --------------------------------------------------------------- */

static struct reader *reader_of(struct sz_work *w)
{
	return (struct reader *)((char *)w - offsetof(struct reader, work));
}

/* In a worker. */
static void read_map(struct sz_work *w)
{
	struct reader *r = reader_of(w);

	r->err = sz_map_read(r->g->kern, r->of[r->at]->map, &r->cursor, READ, &r->batch);
}

static u64 end_of(enum sz_map map, const void *value)
{
	return map == SZ_MAP_GRANTS     ? ((const struct sz_grant *)value)->expires_ns
	       : map == SZ_MAP_REQUESTS ? ((const struct sz_request *)value)->expires_ns
					: ((const struct sz_denied *)value)->expires_ns;
}

static void map_read(struct sz_work *w)
{
	struct reader *r = reader_of(w);
	struct sz_ends *t = r->of[r->at];
	u64 end;
	u32 i;

	for (i = 0; !r->err && i < r->batch.n; i++) {
		end = end_of(t->map, r->batch.values + i * r->batch.value_size);
		if (end != UINT64_MAX)
			sz_ends_note(&r->g->wheel, t, r->batch.keys + i * r->batch.key_size, end);
	}
	if (r->err || r->cursor.done) {
		r->at++;
		r->cursor = (struct sz_map_cursor){};
	}
	r->running = r->at < READS;
	if (r->running)
		sz_pool_submit(r->g->pool, w);
}

static void dropped(struct sz_work *w)
{
	(void)w; /* it is a part of struct sz_expiry */
}

static void look_at_maps(struct sz_gateway *g, u64 now)
{
	struct reader *r = &g->expiry->reader;
	u64 epoch = __atomic_load_n(&g->cfg->revoke_epoch, __ATOMIC_ACQUIRE);

	if (r->running || (now < r->next_ns && epoch == g->expiry->epoch))
		return;
	/* Who revokes may have given grants an earlier end. */
	g->expiry->epoch = epoch;
	r->next_ns = now + READ_NS;
	r->cursor = (struct sz_map_cursor){};
	r->at = 0;
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

/* At most `room` timers, and not for long. */
static bool fire(struct sz_gateway *g, u64 now, u32 room)
{
	u64 began = sz_boot_ns();
	bool more = true;
	u32 steps;

	while (more && room && sz_boot_ns() - began < SPEND_NS) {
		more = sz_wheel_run(&g->wheel, now, room < FIRED ? room : FIRED, &steps);
		room -= steps;
	}
	return more;
}

bool sz_expiry_run(struct sz_gateway *g, u64 now)
{
	struct sz_expiry *x = g->expiry;
	/* As many as there is room for among the dead; a worker makes room, and wakes us then. */
	u32 room = SZ_EXPIRY_STEPS - x->grants.n_dead;
	bool more = room && fire(g, now, room);

	remove_grants(g);
	/* Tables of a fixed size, and a trie, which gives its memory back elsewhere. */
	sz_ends_take(&x->bans, g->kern);
	sz_ends_take(&x->requests, g->kern);
	sz_ends_take(&x->denied, g->kern);
	look_at_maps(g, now);
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
	sz_ends_begin(&x->grants, g->kern, SZ_MAP_GRANTS, sizeof(struct sz_grant_key), grant_due);
	sz_ends_begin(&x->bans, g->kern, SZ_MAP_BANS, sizeof(struct sz_ban_key), ban_due);
	sz_ends_begin(&x->requests, g->kern, SZ_MAP_REQUESTS, sizeof(struct sz_request_key),
		      request_due);
	sz_ends_begin(&x->denied, g->kern, SZ_MAP_DENIED, sizeof(struct sz_grant_key), denied_due);
	x->reader.of[READ_GRANTS] = &x->grants;
	x->reader.of[READ_REQUESTS] = &x->requests;
	x->reader.of[READ_DENIED] = &x->denied;
	memcpy(x->walk, walks, sizeof(walks));
	x->reader.g = g;
	x->reader.work = (struct sz_work){
		.run = read_map,
		.done = map_read,
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
	sz_ends_done(&x->grants);
	sz_ends_done(&x->bans);
	sz_ends_done(&x->requests);
	sz_ends_done(&x->denied);
	sz_map_batch_done(&x->reader.batch);
	free(x);
}

const char *sz_view_end_name(enum sz_view_ended k)
{
	static const char *const names[SZ_VIEW_ENDS] = {
		[SZ_VIEW_END_GRANTS] = "grants", [SZ_VIEW_END_BANS] = "bans",
		[SZ_VIEW_END_REQUESTS] = "requests", [SZ_VIEW_END_DENIED] = "denied",
		[SZ_VIEW_END_REVOKED] = "revoked", [SZ_VIEW_END_PROOFS] = "proofs",
	};

	return (unsigned)k < SZ_VIEW_ENDS ? names[k] : "?";
}

void sz_expiry_look(const struct sz_gateway *g, struct sz_view_expiry *ret)
{
	const struct sz_expiry *x = g->expiry;

	*ret = (struct sz_view_expiry){
		.timers = g->wheel.timers,
		.reading = x->reader.running,
		.removing = x->reaper.running,
		.ended = {[SZ_VIEW_END_GRANTS] = x->grants.ended,
			  [SZ_VIEW_END_BANS] = x->bans.ended,
			  [SZ_VIEW_END_REQUESTS] = x->requests.ended,
			  [SZ_VIEW_END_DENIED] = x->denied.ended,
			  [SZ_VIEW_END_REVOKED] = sz_revocations_ended(g),
			  [SZ_VIEW_END_PROOFS] = g->dpop ? sz_dpop_stats(g->dpop).ended : 0},
	};
}

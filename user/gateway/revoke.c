/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Revocations live in the pinned map sz_revoked, where the CLI writes them and workers look them
 * up. The map is gone after a reboot, so it is kept in <state_dir>/revocations too: read into a
 * fresh map at start, written whenever somebody changed the map. New entries are audited. Those
 * with an end go by the timing wheel. A worker reads the map and writes the file, so that neither a
 * million names nor a slow disk makes the loop wait.
 */
#include "gateway/ends.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "codec/codec.h"

#define LINE_LEN 80
#define READ     128u  /* names that a worker reads at once */
#define SWEPT    1024u /* places that are looked at in one callback */

#define SECOND   1000000000ull
#define PURGE_NS (3600 * SECOND) /* an end in the past must stay so for this long */
#define STALE_NS (60 * SECOND)   /* what the wheel removed may stay in the file for this long */

enum stage { STAGE_IDLE, STAGE_READ, STAGE_WRITE, STAGE_SWEEP };

struct sz_revocations {
	struct sz_work work;
	struct sz_gateway *g;
	char path[PATH_MAX];
	struct sz_ends known; /* what has been audited */
	enum stage stage;
	u32 walk;  /* the number of the walk under way, or of the last one */
	u32 place; /* of the sweep behind it */
	u64 epoch; /* the map's state that is on disk */
	u64 read_epoch; /* that is being read */
	u64 stale_ns;   /* since when the file has names that are gone; 0: it has none */
	u64 again_ns;   /* not before this, after a failure */
	struct sz_map_cursor cursor;
	struct sz_map_batch batch;
	struct sz_buf text;
	int res; /* of the last try */
	struct sz_error error;
	struct sz_work *now;         /* who waits for the walk under way, */
	struct sz_work *next, **end; /* and for one that begins later, in order */
	struct sz_net_wake *more;
};

static bool past(const struct sz_revoked *v)
{
	return v->until_s && v->until_s <= sz_wall_ns() / SECOND;
}

bool sz_revocations_check(u32 kind, const struct sz_id *id, u64 issued_s, void *gateway)
{
	const struct sz_gateway *g = gateway;
	struct sz_revoked v;

	if (!id)
		return __atomic_load_n(&g->cfg->revoked_kinds, __ATOMIC_SEQ_CST) & 1u << kind;
	return !sz_map_get(g->kern, SZ_MAP_REVOKED, id, &v) &&
	       sz_revoked_holds(&v, issued_s, sz_wall_ns() / 1000000000ull);
}

/* ---- what is known -------------------------------------------------------------------------- */

static void set_timer(struct sz_gateway *g, struct sz_end *e, const struct sz_revoked *v)
{
	u64 end = v->until_s ? sz_wall_to_boot_ns((s64)v->until_s) : UINT64_MAX;
	u64 now = g->wheel.tick * SZ_WHEEL_TICK_NS;

	/* One that was seen to be over waits for its second look. */
	if (e->unsure && past(v))
		return;
	e->unsure = false;
	if (end == UINT64_MAX)
		sz_wheel_cancel(&g->wheel, &e->timer);
	else /* the two clocks may differ by a moment: never twice at once */
		sz_wheel_set(&g->wheel, &e->timer, end > now + SECOND ? end : now + SECOND);
	e->expires_ns = end;
}

static void audit(struct sz_gateway *g, const void *key, const struct sz_revoked *v)
{
	char hex[2 * sizeof(struct sz_id) + 1], detail[128];
	struct sz_audit_record rec = {.type = SZ_AUDIT_REVOKE,
				      .wall_ns = sz_wall_ns(),
				      .reason = SZ_R_REVOKED,
				      .detail = detail};

	sz_hex_encode(key, sizeof(struct sz_id), hex);
	snprintf(detail, sizeof(detail), "%s %s until %llu", sz_revoke_kind_name(v->kind), hex,
		 (unsigned long long)v->until_s);
	sz_journal_add(g->journal, &rec);
}

static void learn(struct sz_gateway *g, const void *key, const struct sz_revoked *v, bool is_new)
{
	struct sz_revocations *r = g->revocations;
	struct sz_end *e = sz_ends_find(&r->known, key);

	/* Whoever wrote it. */
	if (v->kind < SZ_REVOKE_KIND_COUNT)
		__atomic_or_fetch(&g->cfg->revoked_kinds, 1u << v->kind, __ATOMIC_SEQ_CST);
	if (!e && is_new)
		audit(g, key, v);
	e = e ? e : sz_ends_add(&r->known, key);
	if (!e)
		return;
	e->mark = r->walk;
	set_timer(g, e, v);
}

/*
 * Takes it out of the map. Somebody may have given it another end just now: then it is put back,
 * and what was verified in between is verified again.
 */
static void purge(struct sz_gateway *g, struct sz_end *e)
{
	struct sz_revocations *r = g->revocations;
	struct sz_revoked v;

	if (!sz_map_take(g->kern, SZ_MAP_REVOKED, e->key, &v) && !past(&v)) {
		sz_map_put(g->kern, SZ_MAP_REVOKED, e->key, &v);
		__atomic_add_fetch(&g->cfg->key_gen, 1, __ATOMIC_SEQ_CST);
		set_timer(g, e, &v);
		return;
	}
	r->known.ended++;
	r->stale_ns = r->stale_ns ? r->stale_ns : sz_boot_ns();
	sz_ends_forget(&r->known, e);
}

/* Not at first sight: a clock that jumped ahead may come back. */
static void revoked_due(struct sz_timer *t, void *gateway)
{
	struct sz_gateway *g = gateway;
	struct sz_end *e = sz_end_of(t);
	struct sz_revoked v;

	if (sz_map_get(g->kern, SZ_MAP_REVOKED, e->key, &v)) {
		sz_ends_forget(&g->revocations->known, e);
	} else if (!past(&v)) {
		e->unsure = false;
		set_timer(g, e, &v);
	} else if (!e->unsure) {
		e->unsure = true;
		sz_wheel_set(&g->wheel, &e->timer, g->wheel.tick * SZ_WHEEL_TICK_NS + PURGE_NS);
	} else {
		purge(g, e);
	}
}

/* ---- onto the disk -------------------------------------------------------------------------- */

static void add_line(struct sz_buf *b, const void *key, const struct sz_revoked *v)
{
	char hex[2 * sizeof(struct sz_id) + 1];

	sz_hex_encode(key, sizeof(struct sz_id), hex);
	sz_buf_printf(b, "%s %u %llu %llu\n", hex, v->kind, (unsigned long long)v->until_s,
		      (unsigned long long)v->before_s);
}

static struct sz_revocations *of_work(struct sz_work *w)
{
	return (struct sz_revocations *)((char *)w - offsetof(struct sz_revocations, work));
}

/* The i-th of the names that were read. */
static const void *key_at(const struct sz_revocations *r, u32 i)
{
	return r->batch.keys + i * r->batch.key_size;
}

static const struct sz_revoked *value_at(const struct sz_revocations *r, u32 i)
{
	return (const struct sz_revoked *)(r->batch.values + i * r->batch.value_size);
}

static int write_file(struct sz_revocations *r)
{
	return sz_file_replace(r->path, r->text.data ? r->text.data : "", r->text.len, 0600,
			       &r->error);
}

/* In a worker. */
static void run(struct sz_work *w)
{
	struct sz_revocations *r = of_work(w);
	u32 i;

	if (r->stage == STAGE_WRITE) {
		r->res = write_file(r);
		return;
	}
	r->res = sz_map_read(r->g->kern, SZ_MAP_REVOKED, &r->cursor, READ, &r->batch);
	if (r->res)
		sz_error_set(&r->error, r->res, "cannot read sz_revoked: %s", strerror(-r->res));
	for (i = 0; !r->res && i < r->batch.n; i++)
		add_line(&r->text, key_at(r, i), value_at(r, i));
}

static void begin(struct sz_revocations *r)
{
	r->now = r->next;
	r->next = NULL;
	r->end = &r->next;
	r->walk++;
	r->read_epoch = __atomic_load_n(&r->g->cfg->revoke_epoch, __ATOMIC_ACQUIRE);
	r->cursor = (struct sz_map_cursor){};
	sz_buf_reset(&r->text);
	r->stage = STAGE_READ;
	sz_pool_submit(r->g->pool, &r->work);
}

/* The file is written, or could not be: whoever waits is told. */
static void settle(struct sz_revocations *r)
{
	struct sz_work *list = r->now, *next;

	r->now = NULL;
	if (r->res) {
		sz_log(SZ_LOG_ERR, "revocations are in force but not kept for the next boot: %s",
		       r->error.msg);
		r->again_ns = sz_boot_ns() + SECOND;
	} else {
		r->epoch = r->read_epoch;
		r->stale_ns = r->again_ns = 0;
	}
	for (; list; list = next) {
		next = list->next;
		list->done(list);
	}
}

/* Names that somebody took back are not known any more: should they come again, they are new. */
static void sweep(void *arg)
{
	struct sz_revocations *r = arg;

	if (r->stage != STAGE_SWEEP)
		return;
	if (sz_ends_sweep(&r->g->wheel, &r->known, r->walk, &r->place, SWEPT)) {
		sz_net_wake(r->more);
		return;
	}
	r->stage = STAGE_IDLE;
	if (r->next)
		begin(r);
}

static void done(struct sz_work *w)
{
	struct sz_revocations *r = of_work(w);
	u32 i;

	if (r->stage == STAGE_READ && !r->res) {
		for (i = 0; i < r->batch.n; i++)
			learn(r->g, key_at(r, i), value_at(r, i), true);
		r->stage = r->cursor.done ? STAGE_WRITE : STAGE_READ;
		sz_pool_submit(r->g->pool, w);
		return;
	}
	/* A walk that broke off has not seen everything. */
	r->place = r->stage == STAGE_READ ? UINT32_MAX : 0;
	r->stage = STAGE_SWEEP;
	settle(r);
	sweep(r);
}

static void dropped(struct sz_work *w)
{
	(void)w; /* it is a part of struct sz_revocations */
}

/* ---- life ----------------------------------------------------------------------------------- */

static int read_line(struct sz_gateway *g, const char *line, size_t n)
{
	struct sz_revoked v = {};
	unsigned long long until, before = 0; /* the last was not always there */
	char tail[LINE_LEN];
	struct sz_id id;
	unsigned kind;

	if (n < 33 || n >= sizeof(tail) || sz_hex_decode(line, 32, id.b))
		return -EINVAL;
	memcpy(tail, line + 32, n - 32);
	tail[n - 32] = 0;
	if (sscanf(tail, " %u %llu %llu", &kind, &until, &before) < 2 || kind < 1 ||
	    kind >= SZ_REVOKE_KIND_COUNT)
		return -EINVAL;
	v.kind = kind;
	v.until_s = until;
	v.before_s = before;
	return sz_map_put(g->kern, SZ_MAP_REVOKED, &id, &v); /* what is over is purged in time */
}

static int learn_now(const void *key, const void *value, void *gateway)
{
	struct sz_gateway *g = gateway;

	learn(g, key, value, false);
	add_line(&g->revocations->text, key, value);
	return 0;
}

/* At start, when there is nobody yet who could wait. What is there has been audited. */
static int save_now(struct sz_gateway *g)
{
	struct sz_revocations *r = g->revocations;

	r->walk++;
	r->epoch = __atomic_load_n(&g->cfg->revoke_epoch, __ATOMIC_ACQUIRE);
	sz_map_each(g->kern, SZ_MAP_REVOKED, learn_now, g);
	r->res = write_file(r);
	if (r->res)
		sz_log(SZ_LOG_ERR, "revocations are in force but not kept for the next boot: %s",
		       r->error.msg);
	return r->res;
}

int sz_revocations_open(struct sz_gateway *g, struct sz_error *e)
{
	struct sz_revocations *r = sz_calloc(1, sizeof(*r));
	struct sz_buf text = {};
	const char *p, *nl;
	unsigned line = 0;
	int res;

	g->revocations = r;
	r->g = g;
	r->work = (struct sz_work){
		.run = run, .done = done, .drop = dropped, .class = SZ_WORK_URGENT};
	r->end = &r->next;
	sz_ends_begin(&r->known, g->kern, SZ_MAP_REVOKED, sizeof(struct sz_id), revoked_due);
	r->more = sz_net_wake_new(g->loop, sweep, r);
	if (!r->more)
		return sz_error_set(e, -EMFILE, "no descriptor is left; raise LimitNOFILE=");
	snprintf(r->path, sizeof(r->path), "%s/revocations", g->conf->state_dir);
	/* A map that outlived the last daemon knows better than the file. */
	if (g->cfg->abi && !sz_kern_map_is_new(g->kern, SZ_MAP_REVOKED))
		return save_now(g);
	res = sz_file_read(r->path, (size_t)SZ_MAX_REVOKED * LINE_LEN, &text, e);
	if (res && res != -ENOENT)
		return res;
	for (p = text.data; p && *p; p = nl + 1) {
		line++;
		nl = strchr(p, '\n');
		if (!nl || read_line(g, p, (size_t)(nl - p))) {
			res = sz_error_set(e, -EBADMSG,
					   "%s:%u: not a revocation; restore the file or "
					   "remove it (then those tokens are valid again)",
					   r->path, line);
			sz_buf_done(&text);
			return res;
		}
	}
	sz_buf_done(&text);
	return save_now(g);
}

void sz_revocations_tick(struct sz_gateway *g)
{
	struct sz_revocations *r = g->revocations;
	u64 now = sz_boot_ns();

	if (r->stage != STAGE_IDLE || now < r->again_ns)
		return;
	if (__atomic_load_n(&g->cfg->revoke_epoch, __ATOMIC_ACQUIRE) != r->epoch ||
	    (r->stale_ns && now - r->stale_ns > STALE_NS))
		begin(r);
}

void sz_revocations_wait(struct sz_gateway *g, struct sz_work *w)
{
	struct sz_revocations *r = g->revocations;

	w->next = NULL;
	*r->end = w;
	r->end = &w->next;
	if (r->stage == STAGE_IDLE)
		begin(r);
}

int sz_revocations_failed(const struct sz_gateway *g, struct sz_error *e)
{
	const struct sz_revocations *r = g->revocations;

	return r->res ? sz_error_set(e, r->res,
				     "revoked, but it could not be written to disk for the next "
				     "boot: %.400s",
				     r->error.msg)
		      : 0;
}

u64 sz_revocations_ended(const struct sz_gateway *g)
{
	return g->revocations ? g->revocations->known.ended : 0;
}

static void drop_all(struct sz_work *w)
{
	struct sz_work *next;

	for (; w; w = next) {
		next = w->next;
		w->drop(w);
	}
}

void sz_revocations_free(struct sz_revocations *r)
{
	if (!r)
		return;
	drop_all(r->now);
	drop_all(r->next);
	sz_ends_done(&r->known);
	sz_map_batch_done(&r->batch);
	sz_buf_done(&r->text);
	free(r);
}

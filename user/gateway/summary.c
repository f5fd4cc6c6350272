/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel counted and refused, into the audit log. Admitted requests are exact per
 * principal and route: every summary record holds the growth of one row of sz_hits since the last
 * one. What was already written is kept in <state_dir>/hits together with the log's sequence number
 * at that time; after a crash the records behind that number are read back from the log, so no
 * request is counted twice or lost. A worker reads the rows and writes the file; the loop takes
 * a few rows at a time.
 */
#include "gateway/gateway_priv.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "codec/codec.h"
#include "subzero/digest.h"

#define HITS_MAGIC 0x3273746968307a73ull /* "sz0hits2" */
#define READ       256u                  /* rows that a worker reads at once */
#define TAKEN      8u                    /* rows between two looks at the clock, */
#define SPEND_NS   200000ull             /* behind which a callback takes no more */

struct row {
	struct sz_hit_key key;
	u64 written;
};

struct file_head {
	u64 magic;
	u64 maps_id; /* which maps the counts belong to */
	u64 seq;     /* of the log's last record that is included */
	u64 n_rows;
	u64 lost[SZ_REASON_MAX]; /* denials already reported as lost */
};

enum stage { STAGE_IDLE, STAGE_READ, STAGE_SYNC, STAGE_WRITE };

/* Who asked for a summary: told once it is in the log. */
struct waiter {
	struct waiter *next;
	void (*fn)(void *arg);
	void *arg;
};

struct sz_baseline {
	struct sz_work work;
	struct sz_gateway *g;
	char path[PATH_MAX];
	u64 maps_id;
	struct row *rows; /* open addressing, key.service 0 = free; cap is a power of two */
	size_t n, cap;
	u64 lost[SZ_REASON_MAX];
	bool dirty; /* something was written that the file does not have */
	u64 seq;    /* the log's last record that the file has, or will have */
	/* The summary under way. */
	enum stage stage;
	bool wanted; /* another one, behind it */
	struct sz_map_cursor cursor;
	struct sz_map_batch batch;
	u32 at; /* the row of the batch that is next */
	int err;
	struct sz_buf rows_now; /* as the file will have them: those that this walk has seen */
	struct sz_net_wake *more;
	struct waiter *now, *next; /* for this one; for one that begins later */
};

static struct row *find_row(struct sz_baseline *b, const struct sz_hit_key *key)
{
	size_t i = (size_t)((key->principal ^ ((u64)key->service << 32) ^ key->route) *
				    0x9e3779b97f4a7c15ull >>
			    20);

	for (;; i++) {
		struct row *r = &b->rows[i & (b->cap - 1)];

		if (!r->key.service || !memcmp(&r->key, key, sizeof(*key)))
			return r;
	}
}

static struct row *add_row(struct sz_baseline *b, const struct sz_hit_key *key)
{
	struct row *r;

	if (2 * (b->n + 1) > b->cap) {
		struct row *old = b->rows;
		size_t cap = b->cap, i;

		b->cap = cap ? 2 * cap : 1024;
		b->rows = sz_calloc(b->cap, sizeof(*b->rows));
		for (i = 0; i < cap; i++)
			if (old[i].key.service)
				*find_row(b, &old[i].key) = old[i];
		free(old);
	}
	r = find_row(b, key);
	if (!r->key.service) {
		r->key = *key;
		b->n++;
	}
	return r;
}

/* ---- the state file -------------------- */

static int write_file(struct sz_baseline *b, struct sz_error *e)
{
	struct file_head head = {HITS_MAGIC, b->maps_id, b->seq, 0, {}};
	struct sz_buf out = {};
	int r;

	head.n_rows = b->rows_now.len / sizeof(struct row);
	memcpy(head.lost, b->lost, sizeof(head.lost));
	sz_buf_reserve(&out, sizeof(head) + b->rows_now.len);
	sz_buf_add(&out, &head, sizeof(head));
	sz_buf_add(&out, b->rows_now.data, b->rows_now.len);
	r = sz_file_replace(b->path, out.data, out.len, 0600, e);
	sz_buf_done(&out);
	return r;
}

static int load(struct sz_baseline *b, struct sz_error *e)
{
	struct file_head head;
	struct sz_buf in = {};
	struct row r;
	int res = sz_file_read(b->path, 1u << 30, &in, e);
	u64 i;

	if (res == -ENOENT)
		return 0;
	if (!res && (in.len < sizeof(head) ||
		     (memcpy(&head, in.data, sizeof(head)), head.magic != HITS_MAGIC) ||
		     head.n_rows != (in.len - sizeof(head)) / sizeof(r)))
		res = sz_error_set(e, -EBADMSG,
				   "%s is damaged; remove it (the next summary then "
				   "counts from the beginning of the kernel's counters)",
				   b->path);
	if (!res && head.maps_id == b->maps_id) {
		b->seq = head.seq;
		memcpy(b->lost, head.lost, sizeof(b->lost));
		for (i = 0; i < head.n_rows; i++) {
			memcpy(&r, in.data + sizeof(head) + i * sizeof(r), sizeof(r));
			add_row(b, &r.key)->written = r.written;
		}
	}
	sz_buf_done(&in);
	return res;
}

/* Which row a summary record is about; its detail says so for this purpose. */
static void row_name(const struct sz_hit_key *key, char ret[64])
{
	snprintf(ret, 64, "row %016llx:%u:%u", (unsigned long long)key->principal, key->service,
		 key->route);
}

/* The number of a reason's label; 0 for one that is not in the list. */
static u32 reason_of(const char *label)
{
	u32 r;

	for (r = 1; label && r < SZ_REASON_MAX; r++)
		if (!strcmp(sz_reason_label(r), label))
			return r;
	return 0;
}

static void replay_line(const char *line, size_t n, struct sz_baseline *b)
{
	struct sz_error e;
	json_t *o = sz_json_parse(line, n, &e);
	const char *type, *detail;
	struct sz_hit_key key = {};
	unsigned long long principal;
	unsigned service, route;
	json_int_t seq, count;

	if (!o)
		return;
	type = json_string_value(json_object_get(o, "type"));
	detail = json_string_value(json_object_get(o, "detail"));
	seq = json_integer_value(json_object_get(o, "seq"));
	count = json_integer_value(json_object_get(o, "count"));
	if (!type || (u64)seq <= b->seq) {
		json_decref(o);
		return;
	}
	if (detail && !strcmp(type, "summary") &&
	    sscanf(detail, "row %llx:%u:%u", &principal, &service, &route) == 3 && service) {
		key.principal = principal;
		key.service = service;
		key.route = (u16)route;
		add_row(b, &key)->written += (u64)count;
	} else if (!strcmp(type, "lost")) {
		b->lost[reason_of(json_string_value(json_object_get(o, "reason")))] += (u64)count;
	}
	json_decref(o);
}

#define REPLAY_MAX (1u << 26)

/* Sequence number of the first line; 0 where there is none. */
static u64 first_seq(const struct sz_buf *lines)
{
	const char *nl = memchr(lines->data, '\n', lines->len);
	struct sz_error e;
	json_t *o = nl ? sz_json_parse(lines->data, (size_t)(nl - lines->data), &e) : NULL;
	u64 seq = o ? (u64)json_integer_value(json_object_get(o, "seq")) : 0;

	json_decref(o);
	return seq;
}

/* Adds what was written to the log after the state file was: at most a summary period's worth. */
static int replay(struct sz_gateway *g, const char *dir, struct sz_error *e)
{
	struct sz_baseline *b = g->baseline;
	unsigned n = 1024;
	struct sz_buf tail = {};
	char *p, *nl;
	int r;

	/* Doubling steps back from the end until the state file's record comes into view. */
	do {
		sz_buf_reset(&tail);
		r = sz_audit_tail(dir, n, &tail, e);
		n *= 2;
	} while (!r && tail.len && n < REPLAY_MAX && first_seq(&tail) > b->seq + 1);
	for (p = tail.data; !r && p && p < tail.data + tail.len; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(tail.data + tail.len - p));
		if (!nl)
			break;
		replay_line(p, (size_t)(nl - p), b);
	}
	sz_buf_done(&tail);
	return r == -ENOENT ? 0 : r;
}

/* ---- records -------------------- */

static void name_of(struct sz_gateway *g, u32 kind, u32 service, u64 id, struct sz_name *ret)
{
	struct sz_name_key key = {.kind = kind, .service = service, .id = id};

	if (sz_map_get(g->kern, SZ_MAP_NAMES, &key, ret))
		ret->s[0] = 0;
}

static void summarize(struct sz_gateway *g, const struct sz_hit_key *k, const u64 *per_cpu)
{
	struct sz_name service, route, principal = {};
	struct sz_audit_record r = {.type = SZ_AUDIT_SUMMARY, .wall_ns = sz_wall_ns()};
	struct row *row = add_row(g->baseline, k);
	char detail[64];
	u64 sum = 0;
	int i;

	for (i = 0; i < sz_kern_cpus(); i++)
		sum += per_cpu[i];
	if (sum > row->written) {
		name_of(g, SZ_NAME_SERVICE, k->service, k->service, &service);
		name_of(g, SZ_NAME_ROUTE, k->service, k->route, &route);
		if (k->principal)
			name_of(g, SZ_NAME_PRINCIPAL, 0, k->principal, &principal);
		row_name(k, detail);
		r.service = service.s[0] ? service.s : NULL;
		r.route = route.s[0] ? route.s : NULL;
		r.principal = principal.s[0] ? principal.s : NULL;
		r.principal_id = k->principal;
		r.count = sum - row->written;
		r.detail = detail;
		sz_journal_add(g->journal, &r);
		row->written = sum;
		g->baseline->dirty = true;
	}
	sz_buf_add(&g->baseline->rows_now, row, sizeof(*row));
}

static void summarize_lost(struct sz_gateway *g)
{
	struct sz_baseline *b = g->baseline;
	u64 lost[SZ_REASON_MAX];
	u32 i;

	if (sz_kern_counters(g->kern, SZ_MAP_LOST, lost))
		return;
	for (i = 0; i < SZ_REASON_MAX; i++) {
		struct sz_audit_record r = {.type = SZ_AUDIT_LOST,
					    .wall_ns = sz_wall_ns(),
					    .reason = i,
					    .count = lost[i] - b->lost[i]};

		if (lost[i] > b->lost[i]) {
			sz_journal_add(g->journal, &r);
			b->dirty = true;
		}
		b->lost[i] = lost[i];
	}
}

/* ---- one summary ---------------------------------------------------------------------------- */

static struct sz_baseline *baseline_of(struct sz_work *w)
{
	return (struct sz_baseline *)((char *)w - offsetof(struct sz_baseline, work));
}

static void write_or_log(struct sz_baseline *b)
{
	struct sz_error e = {};

	b->err = write_file(b, &e);
	if (b->err)
		sz_log(SZ_LOG_ERR, "%s", e.msg);
}

/* In a worker. */
static void run(struct sz_work *w)
{
	struct sz_baseline *b = baseline_of(w);

	if (b->stage == STAGE_WRITE)
		write_or_log(b);
	else
		b->err = sz_map_read(b->g->kern, SZ_MAP_HITS, &b->cursor, READ, &b->batch);
}

/* The daemon ends: what the log has is still to be kept. */
static void drop(struct sz_work *w)
{
	struct sz_baseline *b = baseline_of(w);

	if (b->stage == STAGE_WRITE)
		write_or_log(b);
}

static void begin(struct sz_baseline *b)
{
	b->now = b->next;
	b->next = NULL;
	b->wanted = false;
	b->cursor = (struct sz_map_cursor){};
	sz_buf_reset(&b->rows_now);
	b->stage = STAGE_READ;
	sz_pool_submit(b->g->pool, &b->work);
}

static void end(struct sz_baseline *b)
{
	b->stage = STAGE_IDLE;
	if (b->wanted)
		begin(b);
}

static void synced(int res, void *arg)
{
	struct sz_baseline *b = arg;

	if (res) {
		end(b);
		return;
	}
	b->dirty = false;
	b->stage = STAGE_WRITE;
	sz_pool_submit(b->g->pool, &b->work);
}

/* All rows were read, or no more can be: whoever waits goes on, and then the file follows. */
static void finish(struct sz_baseline *b)
{
	struct waiter *list = b->now, *w;

	if (!b->err)
		summarize_lost(b->g);
	b->stage = STAGE_SYNC;
	b->now = NULL;
	if (!b->err && b->dirty) {
		b->seq = sz_journal_seq(b->g->journal);
		sz_journal_when_synced(b->g->journal, synced, b);
	} else {
		end(b);
	}
	while ((w = list)) {
		list = w->next;
		w->fn(w->arg);
		free(w);
	}
}

static void take_rows(void *arg)
{
	struct sz_baseline *b = arg;
	u64 until = sz_boot_ns() + SPEND_NS;

	if (b->stage != STAGE_READ || b->at >= b->batch.n)
		return; /* a worker has the rest */
	do {
		summarize(b->g, (const void *)(b->batch.keys + b->at * b->batch.key_size),
			  (const void *)(b->batch.values + b->at * b->batch.value_size));
		b->at++;
	} while (b->at < b->batch.n && (b->at % TAKEN || sz_boot_ns() < until));
	if (b->at < b->batch.n)
		sz_net_wake(b->more);
	else if (b->cursor.done)
		finish(b);
	else
		sz_pool_submit(b->g->pool, &b->work);
}

static void done(struct sz_work *w)
{
	struct sz_baseline *b = baseline_of(w);

	if (b->stage == STAGE_WRITE) {
		b->dirty |= b->err != 0;
		end(b);
		return;
	}
	b->at = 0;
	if (b->err || !b->batch.n)
		finish(b);
	else
		take_rows(b);
}

void sz_summary_write(struct sz_gateway *g, void (*fn)(void *arg), void *arg)
{
	struct sz_baseline *b = g->baseline;
	struct waiter *w, **last = &b->next;

	if (fn) {
		w = sz_calloc(1, sizeof(*w));
		w->fn = fn;
		w->arg = arg;
		while (*last)
			last = &(*last)->next;
		*last = w;
	}
	b->wanted = true;
	if (b->stage == STAGE_IDLE)
		begin(b);
}

/* ---- life ----------------------------------------------------------------------------------- */

int sz_baseline_open(struct sz_gateway *g, struct sz_error *e)
{
	struct sz_baseline *b = sz_calloc(1, sizeof(*b));
	u8 zero[SZ_FRAME_MAX + 64] = {};
	int r;

	g->baseline = b;
	b->g = g;
	b->work = (struct sz_work){.run = run, .done = done, .drop = drop, .class = SZ_WORK_LATER};
	b->more = sz_net_wake_new(g->loop, take_rows, b);
	if (!b->more)
		return sz_error_set(e, -EMFILE, "no descriptor is left; raise LimitNOFILE=");
	/* The maps' secret is made with them: its digest names them without telling it. */
	b->maps_id = sz_segment_digest(g->cfg->key, zero, 0, 0);
	snprintf(b->path, sizeof(b->path), "%s/hits", g->conf->state_dir);
	/* The table exists before the first look-up; no service has this number. */
	add_row(b, &(struct sz_hit_key){.service = ~0u});
	r = load(b, e);
	if (r)
		return r;
	if (b->seq)
		return replay(g, g->conf->audit.dir, e);
	/* Fresh maps begin at zero, and nothing in the log so far belongs to them. */
	b->seq = sz_journal_seq(g->journal);
	return write_file(b, e);
}

void sz_baseline_free(struct sz_baseline *b)
{
	struct waiter *w;

	if (!b)
		return;
	while ((w = b->now ? b->now : b->next)) {
		*(b->now ? &b->now : &b->next) = w->next;
		free(w);
	}
	sz_map_batch_done(&b->batch);
	sz_buf_done(&b->rows_now);
	free(b->rows);
	free(b);
}

/* ---- events --------------------------------------------------------------------------------- */

/* A refusal of the kernel, or an admitted request where the service asks for those. */
void sz_summary_on_event(const void *record, size_t len, void *arg)
{
	const struct sz_event *ev = record;
	struct sz_gateway *g = arg;
	const struct sz_conf_service *svc;
	struct sz_name principal = {};
	struct sz_audit_record r = {.wall_ns = sz_wall_ns(), .has_verdict = true};
	char limit[SZ_LIMIT_NAME_MAX], detail[SZ_LIMIT_NAME_MAX + 8], clause[SZ_EXPLAINED_MAX];

	if (len < sizeof(*ev))
		return;
	sz_observe_event(g, ev);
	sz_bans_on_event(g, ev);
	svc = sz_conf_service_by_id(g->conf, ev->service);
	r.type = ev->reason < SZ_R_NO_TOKEN ? SZ_AUDIT_REQUEST : SZ_AUDIT_DENIAL;
	r.verdict = r.type == SZ_AUDIT_REQUEST ? SZ_ALLOW : SZ_DENY;
	r.reason = ev->reason;
	r.service = svc ? svc->name : NULL;
	if (svc && ev->route < svc->n_routes)
		r.route = svc->routes[ev->route].name;
	if (ev->method < SZ_METHOD_COUNT)
		r.method = sz_method_name(ev->method);
	if (ev->path_len && ev->path_len <= sizeof(ev->path)) {
		r.path = (const char *)ev->path;
		r.path_len = ev->path_len;
	}
	if (ev->principal) {
		name_of(g, SZ_NAME_PRINCIPAL, 0, ev->principal, &principal);
		r.principal = principal.s[0] ? principal.s : NULL;
		r.principal_id = ev->principal;
	}
	r.explanation = sz_explained_event(g, ev, svc, clause);
	if (clause[0])
		r.detail = clause;
	/* Which limit it was; one that was only tried out passed all the same. */
	if (ev->limit && sz_limits_name(g->kern, ev->limit, limit)) {
		snprintf(detail, sizeof(detail), "limit %s", limit);
		r.detail = detail;
	}
	r.flow = &ev->flow;
	r.monitor = ev->monitor;
	sz_journal_add(g->journal, &r);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Retention of the audit log: looks at the segments from time to time and removes old ones, in a
 * thread of its own that lives as long as one look, so that the loop never waits for the disk. What
 * is removed is told by a record first, and goes only once that record is signed. While the clock
 * cannot be trusted nothing is removed for its age.
 */
#include "gateway/gateway_priv.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define NS       1000000000ull
#define LOOK_NS  (10 * NS)
#define HOLD_NS  (3600 * NS)  /* after a jump of the clock */
#define STEP_NS  (60 * NS)    /* what counts as one */
#define PAUSE_NS (86400 * NS) /* at a start: since the log was written last */

enum state { RESTING, LOOKING, ANNOUNCED, REMOVING };

struct sz_retainer {
	enum state state;
	struct sz_gateway *gateway;
	char *dir;
	pthread_t thread;
	int done; /* atomic: the thread has ended */
	/* the thread's, while it runs */
	struct sz_audit_retention limit;
	u64 wall_ns, signed_seq;
	struct sz_audit_cut cut;
	struct sz_error error;
	int err;
	/* the loop's */
	u64 next_ns, hold_ns;
	u32 segment; /* that was being written at the last look */
	struct sz_retained seen;
	bool failing;
};

static void *look(void *arg)
{
	struct sz_retainer *r = arg;

	pthread_setname_np(pthread_self(), "sz-retain");
	r->err = sz_audit_retention_plan(r->dir, &r->limit, r->wall_ns, r->signed_seq, &r->cut,
					 &r->error);
	__atomic_store_n(&r->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void *take_away(void *arg)
{
	struct sz_retainer *r = arg;

	pthread_setname_np(pthread_self(), "sz-retain");
	r->err = sz_audit_retention_apply(r->dir, &r->cut, &r->error);
	__atomic_store_n(&r->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void begin(struct sz_retainer *r, enum state state, void *(*fn)(void *arg))
{
	sigset_t all, before;

	r->done = 0;
	r->error.msg[0] = 0;
	/* Signals belong to the loop. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (!pthread_create(&r->thread, NULL, fn, r))
		r->state = state;
	else
		r->state = RESTING; /* again at the next look */
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Once for each kind of trouble, and once when it is over. */
static void tell(struct sz_retainer *r)
{
	if (r->err && !r->failing)
		sz_log(SZ_LOG_ERR, "audit retention: %s", r->error.msg);
	else if (!r->err && r->failing)
		sz_log(SZ_LOG_NOTICE, "audit retention works again");
	r->failing = r->err != 0;
	r->seen.failing = r->failing;
}

/* The record that tells of it is signed, or could not be. */
static void announced(int res, void *arg)
{
	struct sz_retainer *r = arg;

	r->state = RESTING;
	if (!res)
		begin(r, REMOVING, take_away);
}

static void announce(struct sz_retainer *r)
{
	const struct sz_audit_cut *c = &r->cut;
	struct sz_audit_record record = {.type = SZ_AUDIT_REMOVED, .wall_ns = sz_wall_ns(),
					 .count = c->records};
	char detail[160];

	snprintf(detail, sizeof(detail),
		 "retention removes segments %u to %u (%llu bytes), up to record %llu, by %s",
		 c->first, c->segment - 1, (unsigned long long)c->bytes,
		 (unsigned long long)c->records, c->by_age ? "age" : "size");
	record.detail = detail;
	sz_log(SZ_LOG_NOTICE, "audit: %s", detail);
	r->state = ANNOUNCED;
	sz_journal_add(r->gateway->journal, &record);
	sz_journal_when_synced(r->gateway->journal, announced, r);
}

static void looked(struct sz_retainer *r)
{
	tell(r);
	if (r->err && !r->cut.segments)
		return;
	r->seen.segments = r->cut.segments;
	r->seen.bytes = r->cut.total_bytes;
	r->seen.removed = r->cut.removed;
	r->seen.oldest_ns = r->cut.oldest_ns;
	if (!r->err && r->cut.segment)
		announce(r);
}

static void removed(struct sz_retainer *r)
{
	tell(r);
	r->next_ns = r->err ? sz_boot_ns() + LOOK_NS : 0; /* how it looks now */
}

void sz_retain_tick(struct sz_gateway *g)
{
	struct sz_retainer *r = g->retainer;
	u64 now = sz_boot_ns();
	enum state was = r->state;
	u32 segment = sz_journal_segment(g->journal);

	if ((was == LOOKING || was == REMOVING) && __atomic_load_n(&r->done, __ATOMIC_ACQUIRE)) {
		pthread_join(r->thread, NULL);
		r->state = RESTING;
		if (was == LOOKING)
			looked(r);
		else
			removed(r);
	}
	if (r->state != RESTING || g->stopping || (now < r->next_ns && segment == r->segment))
		return;
	r->next_ns = now + LOOK_NS;
	r->segment = segment;
	r->limit = (struct sz_audit_retention){
		.age_s = now < r->hold_ns ? 0 : g->conf->audit.retention.age_s,
		.size = g->conf->audit.retention.size,
	};
	r->wall_ns = sz_wall_ns();
	r->signed_seq = sz_journal_signed(g->journal);
	begin(r, LOOKING, look);
}

void sz_retain_clock(struct sz_gateway *g, s64 step_ns)
{
	if (!g->retainer || step_ns < (s64)STEP_NS)
		return;
	g->retainer->hold_ns = sz_boot_ns() + HOLD_NS;
	if (g->conf->audit.retention.age_s)
		sz_log(SZ_LOG_WARNING, "audit retention: nothing is removed for its age in the "
		       "next hour, since the clock was set ahead");
}

void sz_retain_open(struct sz_gateway *g)
{
	struct sz_retainer *r = sz_calloc(1, sizeof(*r));
	struct sz_audit_state log;
	struct sz_error e;
	char path[4096];
	struct stat st;

	r->gateway = g;
	r->dir = sz_strdup(g->conf->audit.dir);
	g->retainer = r;
	/* Is it really so long ago, or is the clock wrong? */
	if (sz_audit_scan(r->dir, &log, &e) || !log.segment)
		return;
	sz_audit_segment_path(r->dir, log.segment, path, sizeof(path));
	if (!stat(path, &st) && sz_wall_ns() / NS > (u64)st.st_mtime + PAUSE_NS / NS)
		sz_retain_clock(g, (s64)STEP_NS);
}

const struct sz_retained *sz_retain_seen(const struct sz_gateway *g)
{
	static const struct sz_retained nothing;

	return g->retainer ? &g->retainer->seen : &nothing;
}

void sz_retain_free(struct sz_gateway *g)
{
	struct sz_retainer *r = g->retainer;

	if (!r)
		return;
	if (r->state == LOOKING || r->state == REMOVING)
		pthread_join(r->thread, NULL);
	free(r->dir);
	free(r);
	g->retainer = NULL;
}

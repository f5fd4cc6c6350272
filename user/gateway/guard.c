/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Questions: records of the ring come in here, tokens go to a worker and come back with a
 * decision, which is written to the kernel before the frames that wait for it go on. Equal tokens
 * in flight share one job.
 */
#include "gateway/gateway_priv.h"

#include <errno.h>
#include <string.h>

#include "subzero/flow.h"
#include "subzero/rule.h"

/* ---- verification -------------------- */

static struct sz_job **job_slot(struct sz_gateway *g, const struct sz_grant_key *key)
{
	return &g->jobs[sz_gateway_hash(g, key, sizeof(*key)) % SZ_JOB_BUCKETS];
}

static void job_unlink(struct sz_gateway *g, struct sz_job *j)
{
	struct sz_job **at = job_slot(g, &j->key);

	while (*at != j)
		at = &(*at)->hash_next;
	*at = j->hash_next;
	g->n_jobs--;
}

static struct sz_job *job_find(struct sz_gateway *g, const struct sz_grant_key *key)
{
	struct sz_job *j = *job_slot(g, key);

	while (j && memcmp(&j->key, key, sizeof(*key)))
		j = j->hash_next;
	return j;
}

/* NULL: the service is gone. */
static struct sz_job *job_new(struct sz_gateway *g, const struct sz_grant_key *key,
			      const char *token, size_t n)
{
	const struct sz_conf_service *svc = sz_conf_service_by_id(g->conf, key->service);
	struct sz_job **slot = job_slot(g, key), *j;

	if (!svc)
		return NULL;
	j = sz_calloc(1, sizeof(*j) + n);
	j->key = *key;
	j->verifier = sz_verifier_ref(g->verifier);
	j->svc = svc;
	j->gateway = g;
	j->len = n;
	memcpy(j->token, token, n);
	j->hash_next = *slot;
	*slot = j;
	g->n_jobs++;
	return j;
}

/*
 * Whose request is held first: a grant, also one that is void, is there only for a token that was
 * good. Where the service is only watched nobody waits.
 */
static enum sz_work_class class_of(struct sz_gateway *g, const struct sz_miss *m,
				   const struct sz_grant_key *key)
{
	struct sz_grant old;

	if (m->monitor)
		return SZ_WORK_LATER;
	return !sz_map_get(g->kern, SZ_MAP_GRANTS, key, &old) && !(old.flags & SZ_GRANT_REVOKED)
		       ? SZ_WORK_URGENT : SZ_WORK_NORMAL;
}

void sz_guard_verify(struct sz_gateway *g, struct sz_pending *p, const struct sz_miss *m,
		     const char *token, size_t n, const struct sz_digest *digest)
{
	struct sz_grant_key key = {.token = *digest, .service = m->service};
	struct sz_job *j = job_find(g, &key);

	if (j) {
		g->stats.coalesced++;
	} else {
		j = job_new(g, &key, token, n);
		if (!j) {
			sz_pending_free(g, p);
			return;
		}
		j->work.class = class_of(g, m, &key);
		j->started_ns = m->time_ns;
		j->flow = m->flow;
		sz_job_submit(j);
	}
	p->job_next = NULL;
	if (j->last_waiter)
		j->last_waiter->job_next = p;
	else
		j->waiters = p;
	j->last_waiter = p;
}

bool sz_guard_renew(struct sz_gateway *g, const struct sz_grant_key *key, const char *token,
		    size_t n, const struct sz_addr *source, const struct sz_idp_use *use)
{
	struct sz_job *j = job_find(g, key) ? NULL : job_new(g, key, token, n);

	if (!j)
		return false;
	j->work.class = SZ_WORK_LATER;
	j->started_ns = sz_boot_ns();
	j->flow.client = *source;
	j->renewal = true;
	j->question.use = *use;
	sz_job_submit(j);
	return true;
}

/* The configuration or the keys changed meanwhile: the same question to the new snapshot. */
static bool ask_again(struct sz_job *j)
{
	if (!sz_job_renew(j))
		return false;
	sz_decision_done(&j->decision);
	sz_job_submit(j);
	return true;
}

void sz_guard_on_job(struct sz_job *j, void *arg)
{
	struct sz_gateway *g = arg;
	struct sz_pending *p, *next;
	u64 now = sz_boot_ns();
	bool down; /* it is not the token that is refused, and nothing is remembered of it */
	int r;

	/* What came meanwhile belongs behind what is put back now. */
	sz_guard_on_misses(g);
	if (ask_again(j) || sz_expiry_wait(g, &j->key, &j->work))
		return;
	if (j->verifier == g->verifier && sz_issuers_want(&j->question)) {
		j->waited = true;
		return;
	}
	sz_observe_job(g, j);
	job_unlink(g, j);
	if (j->verifier != g->verifier) { /* the service is gone */
		for (p = j->waiters; p; p = next) {
			next = p->job_next;
			sz_pending_free(g, p);
		}
		sz_job_free(j);
		return;
	}
	if (j->decision.reason == SZ_R_NONE)
		g->stats.verified++;
	else
		g->stats.refused++;
	down = sz_reason_http(j->decision.reason) == 503;
	r = down ? 0 : sz_grant_write(g, j);
	sz_renewals_decided(g, j, down);
	/* That a token is still as good as it was is no news. */
	if (!j->renewal || j->waiters || j->decision.reason != SZ_R_NONE)
		sz_grant_audit(g, j, now);
	if (r)
		sz_log(SZ_LOG_WARNING, "a verdict could not be written to the kernel: %s%s",
		       strerror(-r), r == -E2BIG ? "; raise maps.grants" : "");
	for (p = j->waiters; p; p = next) {
		next = p->job_next;
		sz_traced_job(p, j);
		if (p->orphaned) {
			sz_pending_free(g, p);
		} else if (p->state == SZ_PENDING_REQUEST && !r) {
			sz_stream_decided(g, p, &j->decision);
		} else if (r || down) {
			if (p->first)
				sz_stream_refuse(g, p->first,
						 down ? j->decision.reason : SZ_R_STATE_FULL,
						 0, p->chain, false);
			sz_pending_free(g, p);
		} else {
			sz_pending_inject(g, p);
			sz_pending_done(g, p);
		}
	}
	if (!j->waited && j->work.class != SZ_WORK_LATER)
		sz_load_answered(g, j->started_ns);
	sz_job_free(j);
}

/* ---- records of the miss ring -------------------- */

static bool record_ok(const struct sz_miss *m, size_t len)
{
	return len >= sizeof(*m) && m->frame_len <= SZ_FRAME_MAX &&
	       len >= sizeof(*m) + m->frame_len && m->payload_off <= m->frame_len &&
	       m->payload_len <= m->frame_len - m->payload_off && m->undecided <= m->payload_len &&
	       (size_t)m->token_off + m->token_len <= m->frame_len;
}

/*
 * A segment behind a question that is no longer open: XDP decides about it anew, in order, unless
 * the server has it already or the connection is gone. One that continues a request whose beginning
 * this daemon never saw is refused.
 */
static void orphan(struct sz_gateway *g, const struct sz_miss *m, const u8 *frame,
		   const struct sz_conf_service *svc)
{
	u32 end = m->seq + m->payload_len - m->undecided;
	struct sz_pending *p;
	struct sz_held *h;
	struct sz_flow f;

	if (!sz_kernel_flow(g, &m->flow, &f) || !sz_seq_before(sz_flow_acked(&f), end))
		return;
	/* Before the server has spoken it would only be held again: the client sends it again. */
	if (!sz_flow_open(&f) && m->seq - f.base - 1 < SZ_COOKIE_NEAR - 1)
		return;
	if (f.next == m->seq && (f.flags & (SZ_FLOW_STREAM | SZ_FLOW_CHUNK)) == SZ_FLOW_STREAM) {
		h = sz_held_copy(m, frame);
		sz_stream_refuse(g, h, SZ_R_OVERLOAD, 0, f.chain, true);
		free(h);
		return;
	}
	p = sz_pending_find(g, &m->flow);
	if (!p) {
		p = sz_pending_new(g, m, svc, SZ_PENDING_ORDER);
		if (!p)
			return;
		sz_buf_add(&g->order, &m->flow, sizeof(m->flow));
	}
	sz_pending_later(g, p, m, frame);
}

/* The ring is empty: what only had to be put in order goes back as far as it fits. */
static void flush_order(struct sz_gateway *g)
{
	struct sz_buf keys = g->order;
	struct sz_flow_key key;
	size_t at;

	g->order = (struct sz_buf){};
	for (at = 0; at + sizeof(key) <= keys.len; at += sizeof(key)) {
		struct sz_pending *p;

		memcpy(&key, keys.data + at, sizeof(key));
		p = sz_pending_find(g, &key);
		if (!p || p->state != SZ_PENDING_ORDER)
			continue;
		sz_pending_done(g, p);
	}
	sz_buf_done(&keys);
}

/* A clean head whose token nobody knows yet. */
static void ask_token(struct sz_gateway *g, const struct sz_miss *m, const u8 *frame,
		      const struct sz_conf_service *svc)
{
	struct sz_pending *p = sz_pending_new(g, m, svc, SZ_PENDING_TOKEN);

	if (!p)
		return;
	if (!sz_pending_hold(g, p, m, frame)) {
		sz_pending_free(g, p);
		return;
	}
	sz_traced_begin(g, p, (const char *)frame + m->payload_off + m->undecided,
			m->payload_len - m->undecided);
	sz_guard_verify(g, p, m, (const char *)frame + m->token_off, m->token_len, &m->token);
}

static void ask_chunk(struct sz_gateway *g, struct sz_pending *p, const struct sz_miss *m,
		      const u8 *frame, const struct sz_conf_service *svc)
{
	struct sz_flow f;

	/* A copy that came late must not set the parser back. */
	if (sz_kernel_flow(g, &m->flow, &f) && f.next == m->seq && (f.flags & SZ_FLOW_CHUNK))
		sz_stream_chunk(g, p, m, frame, svc);
}

void sz_guard_ask(struct sz_gateway *g, const struct sz_miss *m, const u8 *frame,
		const struct sz_conf_service *svc)
{
	if (m->reason == SZ_MISS_CHUNK)
		ask_chunk(g, NULL, m, frame, svc);
	else if (m->reason == SZ_MISS_TOKEN && m->token_len && m->token_len <= SZ_TOKEN_MAX)
		ask_token(g, m, frame, svc);
	else
		sz_stream_begin(g, m, frame, svc);
}

static void on_miss(const void *record, size_t len, void *arg)
{
	struct sz_gateway *g = arg;
	const struct sz_miss *m = record;
	const struct sz_conf_service *svc;
	const u8 *frame = (const u8 *)(m + 1);
	struct sz_pending *p;

	if (SZ_RULE(RECORD) && !record_ok(m, len))
		return;
	g->stats.misses++;
	sz_load_taken(g, m);
	svc = sz_conf_service_by_id(g->conf, m->service);
	p = sz_pending_find(g, &m->flow);
	if (!svc || (p && p->svc->id != m->service))
		return;
	if (p && p->state == SZ_PENDING_ORDER && m->reason != SZ_MISS_STREAM)
		p = NULL; /* sz_pending_new takes it over */
	if (m->reason == SZ_MISS_CHUNK && (!p || p->state == SZ_PENDING_CHUNKS))
		ask_chunk(g, p, m, frame, svc);
	else if (p && (p->state == SZ_PENDING_HEAD || p->state == SZ_PENDING_CHUNKS))
		sz_stream_more(g, p, m, frame);
	else if (p && p->state != SZ_PENDING_ORDER)
		sz_pending_later(g, p, m, frame);
	else if (m->reason == SZ_MISS_STREAM)
		orphan(g, m, frame, svc);
	else
		sz_guard_ask(g, m, frame, svc);
}

#define RING_BATCH 256

void sz_guard_on_misses(void *gateway)
{
	struct sz_gateway *g = gateway;
	u64 asked;
	int n;

	do {
		asked = sz_load_look(g);
		n = sz_ring_consume(g->kern, SZ_MAP_MISSES, RING_BATCH, on_miss, g);
		flush_order(g);
	} while (n > 0);
	if (!n)
		sz_load_drained(g, asked);
}

void sz_guard_tick(void *gateway)
{
	struct sz_gateway *g = gateway;

	if (g->order.len)
		sz_guard_on_misses(g);
}

int sz_guard_old_ticket(const void *key, const void *value, void *gateway)
{
	const struct sz_ticket *t = value;
	struct sz_gateway *g = gateway;

	if (t->expires_ns < sz_boot_ns())
		sz_map_del(g->kern, SZ_MAP_TICKETS, key);
	return 0;
}

#define CARRY_AGE_NS 10000000000ull

/* A beginning whose connection has gone on without it, or away. */
int sz_guard_old_carry(const void *key, const void *value, void *gateway)
{
	const struct sz_carry *c = value;
	struct sz_gateway *g = gateway;
	struct sz_flow f;

	if (c->time_ns + CARRY_AGE_NS > sz_boot_ns())
		return 0; /* its flow may not be written yet */
	if (!sz_kernel_flow(g, key, &f) || f.birth_ns != c->birth_ns ||
	    !(f.flags & SZ_FLOW_CARRY) || (f.flags & SZ_FLOW_DEAD))
		sz_map_del(g->kern, SZ_MAP_CARRY, key);
	return 0;
}

/* Ranges of a connection that is gone; the kernel frees its own when they are of no use. */
int sz_guard_old_spill(const void *key, const void *value, void *gateway)
{
	const struct sz_spill *s = value;
	struct sz_gateway *g = gateway;
	struct sz_flow f;

	if (!sz_kernel_flow(g, key, &f) || f.birth_ns != s->birth_ns)
		sz_map_del(g->kern, SZ_MAP_SPILL, key);
	return 0;
}

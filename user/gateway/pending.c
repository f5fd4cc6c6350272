/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connections that wait for a verdict, and their held frames: kept in order, put back in order.
 * One connection has at most one question open; frames that follow queue behind it. Called by
 * guard.c and stream.c.
 */
#include "gateway/gateway_priv.h"

#include <errno.h>
#include <string.h>

#include "subzero/digest.h"
#include "subzero/flow.h"

/* SipHash-1-3 under the daemon's key: clients choose their ports, but not their bucket. */
u32 sz_gateway_hash(const struct sz_gateway *g, const void *p, size_t n)
{
	struct sz_sip s;
	size_t i;

	sz_sip_start_segment(&s, g->cfg->key);
	for (i = 0; i + 8 <= n; i += 8)
		sz_sip_word(&s, sz_load64((const u8 *)p + i));
	return (u32)sz_segment_end(&s);
}

static struct sz_pending **pending_slot(struct sz_gateway *g, const struct sz_flow_key *key)
{
	return &g->pending[sz_gateway_hash(g, key, sizeof(*key)) % SZ_PENDING_BUCKETS];
}

struct sz_pending *sz_pending_find(struct sz_gateway *g, const struct sz_flow_key *key)
{
	struct sz_pending *p = *pending_slot(g, key);

	while (p && memcmp(&p->key, key, sizeof(*key)))
		p = p->hash_next;
	return p;
}

struct sz_pending *sz_pending_new(struct sz_gateway *g, const struct sz_miss *m,
				  const struct sz_conf_service *svc, enum sz_pending_state state)
{
	struct sz_pending **slot = pending_slot(g, &m->flow), *p = sz_pending_find(g, &m->flow);

	if (p && p->state == SZ_PENDING_ORDER) {
		/* A question has come up among frames that were being put in order. */
		p->svc = svc;
		p->state = state;
		p->seq = m->seq;
		p->started_ns = m->time_ns;
		return p;
	}
	if (g->n_pending >= SZ_PENDING_MAX) {
		g->stats.dropped++;
		return NULL;
	}
	p = sz_calloc(1, sizeof(*p));
	p->key = m->flow;
	p->svc = svc;
	p->state = state;
	p->seq = m->seq;
	p->started_ns = m->time_ns;
	p->hash_next = *slot;
	*slot = p;
	g->n_pending++;
	return p;
}

struct sz_held *sz_held_copy(const struct sz_miss *m, const u8 *frame)
{
	struct sz_held *h = sz_calloc(1, sizeof(*h) + m->frame_len);

	h->miss = *m;
	memcpy(h->frame, frame, m->frame_len);
	return h;
}

static size_t held_size(u32 frame_len)
{
	return sizeof(struct sz_held) + frame_len;
}

static bool has_room(struct sz_gateway *g, const struct sz_pending *p, u32 frame_len)
{
	if (p->n_held < SZ_PENDING_FRAMES &&
	    g->held_bytes + held_size(frame_len) <= SZ_PENDING_BYTES)
		return true;
	g->stats.dropped++;
	return false;
}

static void append(struct sz_pending *p, struct sz_held *h)
{
	h->next = NULL;
	if (p->last)
		p->last->next = h;
	else
		p->first = h;
	p->last = h;
}

bool sz_pending_hold(struct sz_gateway *g, struct sz_pending *p, const struct sz_miss *m,
		     const u8 *frame)
{
	if (!has_room(g, p, m->frame_len))
		return false;
	append(p, sz_held_copy(m, frame));
	p->n_held++;
	g->held_bytes += held_size(m->frame_len);
	return true;
}

void sz_pending_later(struct sz_gateway *g, struct sz_pending *p, const struct sz_miss *m,
		      const u8 *frame)
{
	struct sz_held **at = &p->later, *h;

	while (*at && sz_seq_before((*at)->miss.seq, m->seq))
		at = &(*at)->next;
	if (*at && (*at)->miss.seq == m->seq && (*at)->miss.frame_len >= m->frame_len)
		return; /* sent twice */
	if (!has_room(g, p, m->frame_len))
		return;
	h = sz_held_copy(m, frame);
	h->next = *at;
	*at = h;
	p->n_held++;
	g->held_bytes += held_size(m->frame_len);
}

bool sz_pending_take(struct sz_pending *p, u32 seq)
{
	struct sz_held **at = &p->later, *h;

	while (*at && (*at)->miss.seq != seq)
		at = &(*at)->next;
	h = *at;
	if (!h)
		return false;
	*at = h->next;
	append(p, h);
	return true;
}

static void free_frame(struct sz_gateway *g, struct sz_held *h)
{
	g->held_bytes -= held_size(h->miss.frame_len);
	free(h);
}

void sz_guard_inject(struct sz_gateway *g, struct sz_held *h)
{
	u64 began = sz_boot_ns();
	int r;

	if (h->miss.monitor)
		return; /* the frame itself has passed long ago */
	r = sz_kern_inject(g->kern, h->miss.ifindex, h->frame, h->miss.frame_len);
	if (r) {
		g->stats.inject_failed++;
		sz_log(SZ_LOG_DEBUG, "a held frame could not be put back: %s", strerror(-r));
		return;
	}
	g->stats.injected++;
	sz_hist_add(&g->reinject, sz_boot_ns() - began);
	sz_hist_add(&g->latency, sz_boot_ns() - h->miss.time_ns);
}

static void inject_list(struct sz_gateway *g, struct sz_held *h)
{
	struct sz_held *next;

	for (; h; h = next) {
		next = h->next;
		sz_guard_inject(g, h);
		free_frame(g, h);
	}
}

void sz_pending_inject(struct sz_gateway *g, struct sz_pending *p)
{
	struct sz_held *list = p->first, *h;
	u64 began = p->trace ? sz_boot_ns() : 0;

	p->first = p->last = NULL;
	p->n_held = 0;
	for (h = p->later; h; h = h->next)
		p->n_held++;
	inject_list(g, list);
	sz_traced_inject(p, began);
	if (p->trace && p->trace->decided)
		sz_traced_end(g, p);
}

/* The connection as XDP sees it now. */
bool sz_kernel_flow(struct sz_gateway *g, const struct sz_flow_key *key, struct sz_flow *ret)
{
	return !sz_map_get(g->kern, SZ_MAP_FLOWS, key, ret) ||
	       !sz_map_get(g->kern, SZ_MAP_HALF, key, ret);
}

/* What a walk over the later frames came to. */
enum fitted { FITTED_ALL, FITTED_GAP, FITTED_QUESTION };

/*
 * Puts back the frames behind the question as far as they join on to what XDP has admitted; one
 * that does not would only be dropped as a gap. A frame that came as a question itself, while
 * another was open, is asked now: XDP waits for its answer.
 */
static enum fitted inject_fitting(struct sz_gateway *g, struct sz_pending *p)
{
	struct sz_held *h;
	struct sz_flow f;

	while ((h = p->later)) {
		bool gone = !sz_kernel_flow(g, &p->key, &f);
		bool question = !gone && h->miss.reason != SZ_MISS_STREAM &&
				f.next == h->miss.seq && (f.flags & SZ_FLOW_ASKED);

		if (!gone && sz_seq_before(f.next, h->miss.seq))
			return FITTED_GAP;
		p->later = h->next;
		p->n_held--;
		if (question) {
			p->state = SZ_PENDING_ORDER;
			sz_guard_ask(g, &h->miss, h->frame, p->svc);
		} else if (!gone &&
			   sz_seq_before(sz_flow_acked(&f),
					 h->miss.seq + h->miss.payload_len - h->miss.undecided)) {
			sz_guard_inject(g, h);
		}
		free_frame(g, h);
		if (question)
			return FITTED_QUESTION;
	}
	return FITTED_ALL;
}

void sz_pending_done(struct sz_gateway *g, struct sz_pending *p)
{
	sz_buf_reset(&p->head);
	p->released = 0;
	p->chain = 0;
	free(p->http);
	p->http = NULL;
	switch (inject_fitting(g, p)) {
	case FITTED_ALL:
		sz_pending_free(g, p);
		break;
	case FITTED_GAP:
		p->state = SZ_PENDING_ORDER;
		p->started_ns = sz_boot_ns();
		sz_buf_add(&g->order, &p->key, sizeof(p->key));
		break;
	case FITTED_QUESTION: /* p belongs to that one, or is gone */
		break;
	}
}

static void free_pending(struct sz_gateway *g, struct sz_pending *p)
{
	struct sz_held *h;

	g->n_pending--;
	sz_traced_end(g, p);
	while ((h = p->first)) {
		p->first = h->next;
		free_frame(g, h);
	}
	while ((h = p->later)) {
		p->later = h->next;
		free_frame(g, h);
	}
	sz_buf_done(&p->head);
	free(p->http);
	free(p);
}

void sz_pending_free(struct sz_gateway *g, struct sz_pending *p)
{
	struct sz_pending **at = pending_slot(g, &p->key);

	while (*at != p)
		at = &(*at)->hash_next;
	*at = p->hash_next;
	free_pending(g, p);
}

/* ---- all of them ----------------------------- */

/* A waiter of a job is freed when the job comes back; only incomplete requests grow old. */
void sz_pending_expire(struct sz_gateway *g, u64 now)
{
	struct sz_pending *p, *next;
	size_t i;

	if (now < g->next_expire_ns)
		return;
	g->next_expire_ns = now + 1000000000ull;
	for (i = 0; i < SZ_PENDING_BUCKETS; i++) {
		for (p = g->pending[i]; p; p = next) {
			bool waits = p->state == SZ_PENDING_TOKEN || p->state == SZ_PENDING_REQUEST;
			u64 life = p->state == SZ_PENDING_ORDER ? SZ_ORDER_NS : SZ_PENDING_NS;

			next = p->hash_next;
			if (!waits && now > p->started_ns + life) {
				g->stats.expired_pending++;
				sz_pending_free(g, p);
			}
		}
	}
}

/*
 * Waiting connections point at services of the old snapshot. Their job keeps that snapshot alive
 * until it is asked again; here they move to the same service of the new one, by name. Those whose
 * service is gone stay with the old pointer only as long as their job holds it.
 */
void sz_pending_rebase(struct sz_gateway *g, const struct sz_conf *conf)
{
	struct sz_pending *p, *next;
	size_t i;

	for (i = 0; i < SZ_PENDING_BUCKETS; i++) {
		for (p = g->pending[i]; p; p = next) {
			const struct sz_conf_service *svc = sz_conf_service_by_id(conf, p->svc->id);

			next = p->hash_next;
			if (svc && !strcmp(svc->name, p->svc->name))
				p->svc = svc;
			else if (p->state == SZ_PENDING_TOKEN || p->state == SZ_PENDING_REQUEST)
				p->orphaned = true;
			else
				sz_pending_free(g, p);
		}
	}
}

void sz_pending_free_all(struct sz_gateway *g)
{
	struct sz_pending *p;
	size_t i;

	for (i = 0; i < SZ_PENDING_BUCKETS; i++) {
		while ((p = g->pending[i])) {
			g->pending[i] = p->hash_next;
			free_pending(g, p);
		}
	}
	sz_buf_done(&g->order);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The decision: one frame from the client's side in, one verdict out. This is the order of things:
 *
 *   parse, service, ban, TCP sanity, flow, handshake
 *   walk the payload from its first byte: what the server already has, a body that was announced,
 *     bytes that repeat what was admitted, a new request at the boundary
 *   commit the flow, count, then pass, cut short, answer, hold for the daemon, or drop
 *
 * A new request: scan the head, route, token digest, grant, limits. Nothing is admitted on a state
 * that could not be committed.
 *
 * The includer provides the maps (bpf/maps.h, or natively objects of the same names) and
 *   sz_map_get(&map, key), sz_map_set(&map, key, value), sz_map_unset(&map, key)
 *   sz_ctx_load(ctx, off, to, len, max), sz_ctx_store(ctx, off, from, len, max),
 *   sz_ctx_resize(ctx, len) (may move the content: all of it is stored anew afterwards, or it
 *   only shrinks), sz_ring_put(&ring, record, len, max): all int, 0 or negative;
 *   `max` is a constant that len may not exceed
 *   sz_now(), struct sz_ctx with its length through sz_ctx_len(ctx)
 * and in BPF SZ_SCRATCH(slot), this CPU's memory.
 */
#ifndef SZ_GUARD_H
#define SZ_GUARD_H

#include "subzero/abi.h"
#include "subzero/answer.h"
#include "subzero/bucket.h"
#include "subzero/compat.h"
#include "subzero/digest.h"
#include "subzero/flow.h"
#include "subzero/head.h"
#include "subzero/packet.h"
#include "subzero/parts.h"
#include "subzero/scratch.h"

enum sz_action {
	SZ_PASS,
	SZ_DROP,
	SZ_REPLY,
	SZ_AGAIN, /* another CPU changed the flow meanwhile: nothing has happened yet, decide anew */
};

#define SZ_ATTEMPTS 32

#define SZ_ASK_AGAIN_NS 2000000000ull /* an unanswered question is asked again after this */
/*
 * Frames held behind one question, and how far behind `next` they may begin. On a connection whose
 * client is known it is what a fast sender has in flight; before that, an initial window.
 */
#define SZ_HELD_MAX 512
#define SZ_HELD_SPAN (1u << 20)
#define SZ_HELD_MAX_UNKNOWN 64
#define SZ_HELD_SPAN_UNKNOWN (1u << 17)
#define SZ_HELD_SHARE 8               /* that many held frames cost a source as much as one miss */

/* What the steps of a walk share: pointers only. */
struct sz_guard {
	struct sz_scratch *s;
	struct sz_config *cfg;
	const struct sz_service *svc;
};

/* ---- counting and reporting ------------------------------------------------------------------------ */

SZ_COLD void sz_count(u32 reason)
{
	u64 *n = sz_map_get(&sz_counters, &reason);

	if (n)
		(*n)++;
}

SZ_COLD struct sz_source *sz_source_of(const struct sz_addr *client)
{
	struct sz_addr a = *client;
	struct sz_source fresh = {}, *src;

	if (sz_load64(a.b) || sz_load32(a.b + 8) != 0xffff0000u)
		sz_memset(a.b + 8, 0, 8);
	src = sz_map_get(&sz_sources, &a);
	if (src)
		return src;
	sz_map_set(&sz_sources, &a, &fresh);
	return sz_map_get(&sz_sources, &a);
}

/* Counts a refusal and, where it is one, reports it. */
SZ_COLD void sz_refused(struct sz_scratch *s, u32 service, u32 reason)
{
	sz_count(reason);
	if (sz_reason_is_record(reason)) {
		struct sz_source *src = sz_source_of(&s->p.key.client);
		struct sz_admitted *a = &s->w.report;

		if (src) {
			sz_fetch_add(&src->denials, 1);
			src->last_reason = reason;
			src->seen_ns = s->w.now;
		}
		a->principal = s->w.principal;
		a->route = s->w.route;
		a->method = s->w.method;
		a->path_off = (u16)s->scan.path_off;
		a->path_len = (u16)s->scan.target_len;
		sz_part_report(service, reason);
	}
}

/* ---- one request ------------------------------------------------------------------------------------- */

SZ_INLINE enum sz_verdict sz_says(struct sz_walk *w, enum sz_verdict v, u32 reason, u32 why)
{
	w->verdict = v;
	w->reason = reason;
	w->why = why;
	return v;
}

/* Looks the path up as "/path\0"; a node for "/path/" and shorter ones match as prefixes. */
SZ_COLD const struct sz_route_node *sz_route_find(struct sz_scratch *s, u32 service)
{
	u32 off = s->scan.path_off, n = s->scan.path_len, i;
	struct sz_route_key *k = &s->route;

	if (n > SZ_PATH_MAX - 1)
		n = SZ_PATH_MAX; /* longer than any exact route: only prefixes can match */
	k->service = service;
	for (i = 0; i < SZ_PATH_MAX; i += 8) {
		u64 v;

		if (i > n)
			break;
		v = sz_load64(s->frame + ((off + i) & SZ_FRAME_MASK));
		sz_memcpy(k->path + i, &v, 8);
	}
	if (n < SZ_PATH_MAX)
		k->path[n] = 0;
	k->prefixlen = 32 + 8 * (n < SZ_PATH_MAX ? n + 1 : n);
	return sz_map_get(&sz_routes, k);
}

SZ_INLINE bool sz_bit(const u64 *words, u32 i)
{
	return words[(i / 64) & (SZ_ROUTE_WORDS - 1)] >> (i & 63) & 1;
}

/* May this question still be asked? Misses spend budgets of their own. */
SZ_COLD enum sz_verdict sz_ask(struct sz_guard *g, u32 why)
{
	struct sz_config *cfg = g->cfg;
	struct sz_walk *w = &g->s->w;
	const struct sz_flow *f = &g->s->flow;
	struct sz_source *src;

	if (cfg->heartbeat_ns + cfg->heartbeat_ttl_ns < w->now)
		return sz_says(w, SZ_DENY, SZ_R_NO_DAEMON, 0);
	if ((f->flags & SZ_FLOW_ASKED) && w->now - f->asked_ns < SZ_ASK_AGAIN_NS)
		return sz_says(w, SZ_DENY, SZ_R_WAITING, 0);
	src = sz_source_of(&g->s->p.key.client);
	if (!src || !sz_bucket_take(&src->miss_tat, w->now, cfg->src_miss_interval_ns,
				    cfg->src_miss_burst_ns) ||
	    !sz_bucket_take(&cfg->miss_tat, w->now, cfg->miss_interval_ns, cfg->miss_burst_ns))
		return sz_says(w, SZ_DENY, SZ_R_OVERLOAD, 0);
	return sz_says(w, SZ_ASK, SZ_R_MISS, why);
}

SZ_COLD enum sz_verdict sz_principal_limit(struct sz_guard *g, u64 principal)
{
	struct sz_principal fresh = {}, *p;
	struct sz_walk *w = &g->s->w;

	if (!g->svc->pri_interval_ns)
		return SZ_ALLOW;
	p = sz_map_get(&sz_principals, &principal);
	if (!p) {
		sz_map_set(&sz_principals, &principal, &fresh);
		p = sz_map_get(&sz_principals, &principal);
		if (!p)
			return sz_says(w, SZ_DENY, SZ_R_STATE_FULL, 0);
	}
	if (!sz_bucket_take(&p->tat, w->now, g->svc->pri_interval_ns, g->svc->pri_burst_ns))
		return sz_says(w, SZ_DENY, SZ_R_LIMIT_PRINCIPAL, 0);
	return SZ_ALLOW;
}

/* A clean head whose token is known or not. */
SZ_INLINE enum sz_verdict sz_decide_token(struct sz_guard *g, u16 route)
{
	struct sz_scratch *s = g->s;
	struct sz_walk *w = &s->w;
	struct sz_config *cfg = g->cfg;
	struct sz_grant_key key = { .service = g->svc->id };
	const struct sz_denied *bad;
	struct sz_grant *grant;

	sz_part_token();
	key.token = w->token;
	grant = sz_map_get(&sz_grants, &key);
	if (!grant || grant->expires_ns <= w->now || grant->policy_gen != cfg->policy_gen ||
	    grant->key_gen != cfg->key_gen) {
		bad = sz_map_get(&sz_denied, &key);
		if (bad && bad->expires_ns > w->now && bad->policy_gen == cfg->policy_gen &&
		    bad->key_gen == cfg->key_gen)
			return sz_says(w, SZ_DENY, bad->reason, 0);
		return sz_ask(g, SZ_MISS_TOKEN);
	}
	w->principal = grant->principal;
	if (grant->flags & SZ_GRANT_REVOKED)
		return sz_says(w, SZ_DENY, SZ_R_REVOKED, 0);
	if (route == SZ_ROUTE_NONE)
		return sz_says(w, SZ_DENY, SZ_R_NO_ROUTE, 0);
	if (!sz_bit(grant->allow, route) && !sz_bit(grant->ask, route))
		return sz_says(w, SZ_DENY, SZ_R_NO_SCOPE, 0);
	if (sz_principal_limit(g, grant->principal) != SZ_ALLOW)
		return SZ_DENY;
	if (sz_bit(grant->ask, route))
		return sz_ask(g, SZ_MISS_ROUTE);
	return sz_says(w, SZ_ALLOW, SZ_R_HIT, 0);
}

/* The head that begins at payload offset w->off, its scan done. */
SZ_COLD enum sz_verdict sz_decide_head(struct sz_guard *g)
{
	struct sz_scratch *s = g->s;
	struct sz_walk *w = &s->w;
	const struct sz_route_node *node;
	struct sz_source *src;
	u32 method = s->scan.method & (SZ_METHOD_COUNT - 1);
	u16 route, flags;

	if (s->scan.status == SZ_HEAD_AMBIGUOUS)
		return sz_says(w, SZ_DENY, SZ_R_BAD_REQUEST, 0);
	w->method = (u8)method;
	src = sz_source_of(&s->p.key.client);
	/* A frame that comes back from the daemon was counted when it came first. */
	if (src && !(s->flow.flags & SZ_FLOW_ASKED)) {
		sz_fetch_add(&src->requests, 1);
		src->seen_ns = w->now;
		if (!sz_bucket_take(&src->tat, w->now, g->svc->src_interval_ns,
				    g->svc->src_burst_ns))
			return sz_says(w, SZ_DENY, SZ_R_LIMIT_SOURCE, 0);
	}
	if (s->scan.status == SZ_HEAD_PARTIAL)
		return sz_ask(g, SZ_MISS_PARTIAL);
	if (s->scan.status == SZ_HEAD_UNUSUAL)
		return sz_ask(g, SZ_MISS_UNUSUAL);
	if (s->scan.flags & SZ_HD_UPGRADE)
		return sz_says(w, SZ_DENY, SZ_R_UPGRADE, 0);
	node = sz_route_find(s, g->svc->id);
	route = node ? node->route[method] : SZ_ROUTE_NONE;
	flags = node && route != SZ_ROUTE_NONE ? node->flags[method] : 0;
	w->route = route;
	if (flags & SZ_RT_PUBLIC)
		return flags & SZ_RT_ASK ? sz_ask(g, SZ_MISS_ROUTE) :
					   sz_says(w, SZ_ALLOW, SZ_R_PUBLIC, 0);
	if (!(s->scan.flags & SZ_HD_BEARER))
		return sz_says(w, SZ_DENY, SZ_R_NO_TOKEN, 0);
	return sz_decide_token(g, route);
}

/* ---- the walk ------------------------------------------------------------------------------------------- */

/* Opens `len` bytes of body at the flow's boundary; what exceeds a step waits in flow->more. */
SZ_INLINE void sz_open_body(struct sz_flow *f, struct sz_walk *w, u64 len)
{
	u32 step = len > SZ_BODY_STEP ? SZ_BODY_STEP : (u32)len;

	w->tail_len = step;
	f->more = len - step;
	f->next += step;
	w->changed = 1;
}

/* Moves over n bytes of payload, but not beyond its end. */
SZ_INLINE void sz_skip(struct sz_scratch *s, u32 n)
{
	u32 left = s->p.payload_len - s->w.off;

	s->w.off += n < left ? n : left;
}

/* Admits `len` decided bytes at the boundary and the body behind them. */
SZ_INLINE void sz_admit(struct sz_scratch *s, u32 len, u64 body)
{
	struct sz_walk *w = &s->w;
	struct sz_flow *f = &s->flow;

	if (!w->run_end)
		w->run_start = w->off;
	w->run_end = w->off + len;
	f->next += len;
	f->flags &= ~(SZ_FLOW_ASKED | SZ_FLOW_STREAM | SZ_FLOW_CHUNK);
	f->held = 0;
	w->off += len;
	w->tail_len = 0;
	w->changed = 1;
	if (body) {
		sz_open_body(f, w, body);
		sz_skip(s, w->tail_len);
	} else {
		f->more = 0;
	}
}

/* Notes one admitted request, to be counted once the flow is committed. */
SZ_INLINE void sz_note(struct sz_scratch *s, u32 reason, u64 principal, u16 route, u8 method)
{
	struct sz_walk *w = &s->w;
	struct sz_admitted *a = &w->admitted[w->n_admitted & (SZ_WALK_MAX - 1)];

	a->principal = principal;
	a->reason = reason;
	a->route = route;
	a->method = method;
	a->path_off = (u16)s->scan.path_off;
	a->path_len = (u16)s->scan.target_len;
	w->n_admitted++;
	s->flow.requests++;
	s->flow.principal = principal;
	s->flow.seen_ns = w->now;
	s->flow.ack_admit = s->p.ack;
}

/* A one-time verdict of the daemon on the bytes at the boundary? Returns true when it was used. */
SZ_COLD bool sz_use_ticket(struct sz_guard *g)
{
	struct sz_scratch *s = g->s;
	struct sz_walk *w = &s->w;
	struct sz_ticket_key key = { .flow = s->p.key, .seq = s->flow.next };
	struct sz_ticket *t = sz_map_get(&sz_tickets, &key), copy;
	u32 at = s->p.payload_off + w->off;

	if (!t)
		return false;
	copy = *t;
	if (copy.service != g->svc->id || copy.birth_ns != s->flow.birth_ns || copy.expires_ns <= w->now || !copy.len ||
	    copy.len > s->p.payload_len - w->off ||
	    sz_part_digest(at, copy.len) != copy.digest)
		return false;
	w->ticket_used = 1;
	w->ticket_seq = key.seq;
	w->principal = copy.principal;
	w->route = copy.route;
	w->method = copy.method;
	if (copy.reason != SZ_R_TICKET) {
		sz_says(w, SZ_DENY, copy.reason, 0);
		return true;
	}
	sz_memset(&s->scan, 0, sizeof(s->scan));
	if (copy.flags & SZ_TK_REQUEST)
		sz_note(s, SZ_R_TICKET, copy.principal, copy.route, copy.method);
	sz_admit(s, copy.len, copy.more);
	if (copy.flags & SZ_TK_STREAM)
		s->flow.flags |= SZ_FLOW_STREAM | (copy.flags & SZ_TK_CHUNK ? SZ_FLOW_CHUNK : 0);
	sz_says(w, SZ_ALLOW, SZ_R_TICKET, 0);
	return true;
}

SZ_INLINE long sz_stop(struct sz_walk *w, enum sz_verdict v, u32 reason, u32 why)
{
	sz_says(w, v, reason, why);
	return 1;
}

/* Hands the frame to the daemon. False: the ring is full. */
SZ_COLD bool sz_hold(struct sz_guard *g)
{
	struct sz_scratch *s = g->s;
	struct sz_miss *m = &s->miss;
	u32 len = s->w.loaded;

	sz_memset(m, 0, sizeof(*m));
	m->time_ns = s->w.now;
	m->flow = s->p.key;
	m->ifindex = s->w.ifindex;
	m->rxq = s->w.rxq;
	m->service = g->svc->id;
	m->birth_ns = s->flow.birth_ns;
	m->seq = s->p.seq + s->w.off;
	m->reason = s->w.why;
	m->frame_len = len;
	m->payload_off = (u16)s->p.payload_off;
	m->payload_len = (u16)s->p.payload_len;
	m->undecided = (u16)s->w.off;
	m->route = s->w.route;
	m->method = s->w.method;
	m->monitor = s->w.monitor;
	if (s->w.why == SZ_MISS_TOKEN || s->w.why == SZ_MISS_ROUTE) {
		m->token = s->w.token;
		m->token_off = (u16)s->scan.token_off;
		m->token_len = (u16)s->scan.token_len;
	}
	return !sz_ring_put(&sz_misses, m, (u32)sizeof(*m) + len, sizeof(*m) + SZ_FRAME_MAX);
}

/* Monitor mode: what would have been refused passes, and the boundary moves along where it can. */
SZ_COLD long sz_monitored(struct sz_guard *g, u32 head_len)
{
	struct sz_scratch *s = g->s;
	struct sz_walk *w = &s->w;

	if (w->verdict == SZ_DENY)
		sz_refused(s, g->svc->id, w->reason);
	else if (sz_hold(g)) /* a copy, for the daemon's opinion */
		sz_count(SZ_R_MISS);
	w->reason = SZ_R_MONITORED;
	if (s->scan.status != SZ_HEAD_CLEAN) {
		s->flow.flags |= SZ_FLOW_LOST;
		w->changed = 1;
		w->off = s->p.payload_len;
		return 0;
	}
	sz_note(s, SZ_R_MONITORED, w->principal, w->route, w->method);
	sz_admit(s, head_len, s->scan.flags & SZ_HD_LENGTH ? s->scan.content_length : 0);
	return 0;
}

/*
 * The framing between two chunks, where it lies whole in this segment: CRLF, up to eight hex digits,
 * CRLF, and after a size of zero the CRLF that ends the body (RFC 9112 section 7.1). Anything else
 * (extensions, trailers, a cut line) is the daemon's. Returns true when it was admitted.
 */
SZ_COLD bool sz_walk_chunk(struct sz_scratch *s)
{
	u32 at = s->p.payload_off + s->w.off, left = s->p.payload_len - s->w.off, i, n;
	u32 size = 0;

	if (left < 5 || sz_byte(s->frame, at) != '\r' || sz_byte(s->frame, at + 1) != '\n')
		return false;
	for (i = 0; i < 8; i++) {
		u32 c = sz_byte(s->frame, at + 2 + i), d = c - '0';

		if (d > 9) {
			d = (c | 0x20) - 'a';
			if (d > 5)
				break;
			d += 10;
		}
		size = size << 4 | d;
	}
	n = 2 + i + 2;
	if (!i || n > left || size > SZ_BODY_STEP || sz_byte(s->frame, at + n - 2) != '\r' ||
	    sz_byte(s->frame, at + n - 1) != '\n')
		return false;
	if (!size) {
		n += 2;
		if (n > left || sz_byte(s->frame, at + n - 2) != '\r' ||
		    sz_byte(s->frame, at + n - 1) != '\n')
			return false;
	}
	sz_admit(s, n, size);
	if (size)
		s->flow.flags |= SZ_FLOW_STREAM | SZ_FLOW_CHUNK;
	s->w.reason = SZ_R_BODY;
	return true;
}

/* At the boundary: the rest of a long body, a ticket, or a new request. */
SZ_INLINE long sz_walk_boundary(struct sz_guard *g)
{
	struct sz_scratch *s = g->s;
	struct sz_walk *w = &s->w;
	struct sz_flow *f = &s->flow;
	u32 at = s->p.payload_off + w->off, slot, len;

	/* What passes now must be remembered until the server has it: without a slot, wait for it. */
	slot = sz_range_free(f);
	if (slot == SZ_RANGES || w->n_admitted >= SZ_WALK_MAX || f->next - sz_flow_acked(f) > SZ_BODY_STEP / 2)
		return sz_stop(w, SZ_DENY, SZ_R_PIPELINED, 0);
	if (f->more) {
		if (w->run_end)
			return sz_stop(w, SZ_DENY, SZ_R_PIPELINED, 0);
		len = f->next;
		sz_open_body(f, w, f->more);
		sz_range_set(f, slot, len, 0, w->tail_len, 0);
		sz_skip(s, w->tail_len);
		w->tail_len = 0;
		w->reason = SZ_R_BODY;
		return 0;
	}
	if ((f->flags & (SZ_FLOW_ASKED | SZ_FLOW_STREAM)) && !w->ticket_used && sz_use_ticket(g))
		return w->verdict != SZ_ALLOW;
	if (f->flags & SZ_FLOW_STREAM) {
		if ((f->flags & SZ_FLOW_CHUNK) && sz_walk_chunk(s))
			return 0;
		sz_ask(g, f->flags & SZ_FLOW_CHUNK ? SZ_MISS_CHUNK : SZ_MISS_STREAM);
		return 1;
	}
	sz_part_scan(at, s->p.payload_off + s->p.payload_len);
	w->route = SZ_ROUTE_NONE;
	w->method = 0xff;
	w->principal = 0;
	sz_decide_head(g);
	len = s->scan.head_end - at;
	if (w->verdict != SZ_ALLOW)
		return w->monitor ? sz_monitored(g, len) : 1;
	sz_note(s, w->reason, w->principal, w->route, w->method);
	sz_admit(s, len, s->scan.flags & SZ_HD_LENGTH ? s->scan.content_length : 0);
	return 0;
}

/* Behind a question that is open: may the daemon take this frame, too, and put it back in order? */
SZ_COLD bool sz_may_hold(struct sz_guard *g, u32 distance)
{
	const struct sz_flow *f = &g->s->flow;
	const struct sz_config *cfg = g->cfg;
	struct sz_source *src;
	u64 now = g->s->w.now;

	if (cfg->heartbeat_ns + cfg->heartbeat_ttl_ns < now)
		return false;
	if (f->principal)
		return distance < SZ_HELD_SPAN && f->held < SZ_HELD_MAX;
	if (distance >= SZ_HELD_SPAN_UNKNOWN || f->held >= SZ_HELD_MAX_UNKNOWN)
		return false;
	src = sz_source_of(&g->s->p.key.client);
	return src && sz_bucket_take(&src->miss_tat, now, cfg->src_miss_interval_ns / SZ_HELD_SHARE,
				     cfg->src_miss_burst_ns);
}

SZ_LOOP_FN sz_walk_step(u64 i, void *arg)
{
	struct sz_guard *g = arg;
	struct sz_scratch *s = g->s;
	struct sz_walk *w = &s->w;
	struct sz_flow *f = &s->flow;
	u32 left = s->p.payload_len - w->off, pos = s->p.seq + w->off, k;

	(void)i;
	if (!left)
		return sz_stop(w, SZ_ALLOW, w->reason, 0);
	if (sz_seq_before(pos, f->floor))
		return sz_stop(w, SZ_DENY, SZ_R_GAP, 0);
	if (sz_seq_before(pos, sz_flow_acked(f))) {
		w->reason = SZ_R_REPEAT;
		sz_skip(s, sz_flow_acked(f) - pos);
		return 0;
	}
	k = sz_range_find(f, pos);
	if (k < SZ_RANGES) {
		const struct sz_range *r = &f->range[k & (SZ_RANGES - 1)];

		if (pos != r->seq || !r->fixed) {
			w->reason = SZ_R_BODY;
			sz_skip(s, r->seq + r->len - pos);
			return 0;
		}
		if (left < r->fixed || sz_part_digest(s->p.payload_off + w->off, r->fixed) != r->digest)
			return sz_stop(w, SZ_DENY, SZ_R_CHANGED, 0);
		w->reason = SZ_R_REPEAT;
		sz_skip(s, r->fixed);
		return 0;
	}
	if (pos == f->next)
		return sz_walk_boundary(g);
	if (sz_seq_before(pos, f->next))
		return sz_stop(w, SZ_DENY, SZ_R_CHANGED, 0);
	if ((f->flags & (SZ_FLOW_ASKED | SZ_FLOW_STREAM)) && !w->off && sz_may_hold(g, pos - f->next))
		return sz_stop(w, SZ_ASK, SZ_R_MISS, SZ_MISS_STREAM);
	return sz_stop(w, SZ_DENY, SZ_R_GAP, 0);
}

/* ---- after the walk ---------------------------------------------------------------------------------------- */

/* One range for what this segment newly admitted: fixed bytes and the open body behind them. */
SZ_INLINE void sz_ranges_update(struct sz_guard *g)
{
	struct sz_scratch *s = g->s;
	struct sz_walk *w = &s->w;
	u32 len = w->run_end - w->run_start, slot;

	sz_flow_raise_floor(&s->flow);
	sz_ranges_forget(&s->flow);
	slot = sz_range_free(&s->flow);
	if (w->run_end && slot < SZ_RANGES)
		sz_range_set(&s->flow, slot, s->p.seq + w->run_start, len, len + w->tail_len,
			     sz_part_digest(s->p.payload_off + w->run_start, len));
}

/* The boundary has moved past what the ticket was for: it is of no use to anybody now. */
SZ_INLINE void sz_ticket_done(struct sz_scratch *s)
{
	struct sz_ticket_key key = { .flow = s->p.key, .seq = s->w.ticket_seq };

	if (s->w.ticket_used)
		sz_map_unset(&sz_tickets, &key);
}

/*
 * Writes the flow back: in place, or from the half-open map into the one of verified connections
 * once a request was admitted. False: lost a race, nothing was written.
 */
SZ_COLD bool sz_commit(struct sz_guard *g, struct sz_flow *f)
{
	struct sz_scratch *s = g->s;
	struct sz_flow_key *key = &s->p.key;

	sz_ranges_update(g);
	if (!sz_flow_lock(f, &s->flow))
		return false;
	if (s->w.promoted || !s->w.n_admitted) {
		sz_flow_store(f, &s->flow);
		sz_ticket_done(s);
		return true;
	}
	s->flow.ver = s->w.now & ~1ull;
	if (sz_map_set(&sz_flows, key, &s->flow))
		return false; /* the half-open entry stays claimed: the connection is refused from now on */
	sz_map_unset(&sz_half, key);
	sz_ticket_done(s);
	return true;
}

struct sz_admit_arg {
	struct sz_guard *g;
};

SZ_LOOP_FN sz_admitted_step(u64 i, void *arg)
{
	struct sz_guard *g = ((struct sz_admit_arg *)arg)->g;
	struct sz_scratch *s = g->s;
	const struct sz_admitted *a = &s->w.admitted[i & (SZ_WALK_MAX - 1)];
	struct sz_hit_key key = { .principal = a->principal, .service = g->svc->id,
				  .route = a->route };
	u64 *n, one = 1;

	if (i >= s->w.n_admitted)
		return 1;
	sz_count(a->reason);
	n = sz_map_get(&sz_hits, &key);
	if (!n && sz_map_set(&sz_hits, &key, &one)) {
		key.principal = 0; /* no room for a row of its own: the sum stays exact */
		n = sz_map_get(&sz_hits, &key);
		if (!n)
			sz_map_set(&sz_hits, &key, &one);
	}
	if (n)
		(*n)++;
	if (g->svc->flags & SZ_SVC_EVENT_HITS) {
		s->w.report = *a;
		sz_part_report(g->svc->id, a->reason);
	}
	return 0;
}

/* ---- what goes out -------------------------------------------------------------------------------------------- */

SZ_COLD int sz_drop(struct sz_scratch *s, u32 service, u32 reason)
{
	sz_refused(s, service, reason);
	return s->w.monitor ? SZ_PASS : SZ_DROP;
}

/* RST to the client for data on a connection nobody knows (RFC 9293 section 3.5.2). */
SZ_COLD int sz_reset_client(struct sz_ctx *ctx, struct sz_scratch *s)
{
	u32 n = sz_part_reply(SZ_TCP_RST | SZ_TCP_ACK, 0, 0);

	if (sz_ctx_resize(ctx, n) || sz_ctx_store(ctx, 0, s->out, n, SZ_OUT_MAX))
		return SZ_DROP;
	return SZ_REPLY;
}

/* The segment becomes a RST that ends the server's side of an answered connection. */
SZ_COLD int sz_reset_server(struct sz_ctx *ctx, struct sz_scratch *s)
{
	u32 n = sz_part_reset(s->flow.next);

	if (sz_ctx_resize(ctx, n) || sz_ctx_store(ctx, 0, s->out, n, SZ_OUT_MAX))
		return SZ_DROP;
	return SZ_PASS;
}

#define SZ_ANSWER_FLAGS (SZ_TCP_FIN | SZ_TCP_PSH | SZ_TCP_ACK)

/* The prepared HTTP answer for the reason, with FIN; its short form where the frame is too small. */
SZ_COLD int sz_answer_client(struct sz_ctx *ctx, struct sz_scratch *s, u32 reason)
{
	const struct sz_answer *a = sz_map_get(&sz_answers, &reason);
	u32 len, hdr;

	if (!a)
		return SZ_DROP;
	len = a->len;
	if (!len || len > SZ_ANSWER_MAX) {
		sz_count(SZ_R_NO_ANSWER);
		return SZ_DROP;
	}
	hdr = sz_part_reply(SZ_ANSWER_FLAGS, len, a->csum);
	if (!sz_ctx_resize(ctx, hdr + len))
		return sz_ctx_store(ctx, 0, s->out, hdr, SZ_OUT_MAX) ||
				       sz_ctx_store(ctx, hdr, a->bytes, len, SZ_ANSWER_MAX) ?
			       SZ_DROP :
			       SZ_REPLY;
	len = a->brief_len;
	hdr = sz_part_reply(SZ_ANSWER_FLAGS, len, a->brief_csum);
	if (!len || sz_ctx_resize(ctx, hdr + len)) {
		/* No room at all: the connection still ends, without a word. */
		sz_count(SZ_R_NO_ANSWER);
		return sz_reset_client(ctx, s);
	}
	return sz_ctx_store(ctx, 0, s->out, hdr, SZ_OUT_MAX) ||
			       sz_ctx_store(ctx, hdr, a->brief, len, SZ_BRIEF_MAX) ?
		       SZ_DROP :
		       SZ_REPLY;
}

/* Passes the first `keep` bytes of payload. */
SZ_COLD int sz_trim(struct sz_ctx *ctx, struct sz_scratch *s, u32 keep)
{
	u32 n = s->p.payload_off;

	if (!sz_part_trim(keep) || sz_ctx_resize(ctx, n + keep) || sz_ctx_store(ctx, 0, s->out, n, SZ_OUT_MAX))
		return SZ_DROP;
	sz_count(SZ_R_TRIMMED);
	return SZ_PASS;
}

/* Refuses the request at the first byte of the segment. */
SZ_COLD int sz_refuse(struct sz_ctx *ctx, struct sz_guard *g, struct sz_flow *f, u32 reason)
{
	struct sz_scratch *s = g->s;

	if (reason >= SZ_R_BANNED) { /* no answer belongs to it */
		sz_refused(s, g->svc->id, reason);
		return SZ_DROP;
	}
	/* An answer must not overtake the one to an earlier request: wait until that has begun. */
	if (s->flow.requests && s->p.ack == s->flow.ack_admit) {
		sz_count(SZ_R_PIPELINED);
		return SZ_DROP;
	}
	s->flow.flags |= SZ_FLOW_DEAD;
	s->w.run_end = s->w.run_start = s->w.tail_len = 0;
	if (!sz_commit(g, f))
		return SZ_AGAIN;
	sz_refused(s, g->svc->id, reason);
	return sz_answer_client(ctx, s, reason);
}

/* The walk has ended: make its verdict true. */
SZ_INLINE int sz_conclude(struct sz_ctx *ctx, struct sz_guard *g, struct sz_flow *f)
{
	struct sz_scratch *s = g->s;
	struct sz_walk *w = &s->w;
	struct sz_admit_arg arg = { g };
	u32 keep = w->off;
	int act;

	if (w->monitor && w->verdict != SZ_ALLOW) {
		/* TCP's own troubles are the server's to judge; the boundary may be lost by it. */
		sz_count(w->reason);
		w->verdict = SZ_ALLOW;
		w->reason = SZ_R_MONITORED;
	}
	if (w->verdict == SZ_ASK) {
		/* The first question names the boundary; what is held behind it only counts. */
		if (w->why == SZ_MISS_STREAM && s->p.seq + w->off != s->flow.next) {
			s->flow.held++;
		} else {
			s->flow.flags |= SZ_FLOW_ASKED;
			s->flow.asked_ns = w->now;
		}
		w->changed = 1;
	}
	if (w->verdict == SZ_DENY && !keep)
		return sz_refuse(ctx, g, f, w->reason);
	if (w->changed && !sz_commit(g, f))
		return SZ_AGAIN;
	if (w->n_admitted)
		sz_loop(SZ_WALK_MAX, sz_admitted_step, &arg);
	else if (w->verdict == SZ_ALLOW)
		sz_count(w->reason);
	if (w->verdict == SZ_ALLOW)
		return SZ_PASS;
	act = SZ_DROP;
	if (w->verdict == SZ_ASK) {
		sz_count(SZ_R_MISS);
		if (!sz_hold(g)) {
			sz_count(SZ_R_OVERLOAD);
			return keep ? sz_trim(ctx, s, keep) : SZ_DROP;
		}
	} else {
		sz_count(w->reason);
	}
	return keep ? sz_trim(ctx, s, keep) : act;
}

/* ---- a segment of a protected connection ------------------------------------------------------------------- */

SZ_COLD int sz_guard_syn(struct sz_ctx *ctx, struct sz_guard *g)
{
	struct sz_scratch *s = g->s;
	u32 n = s->p.payload_off, at = sz_packet_multipath(s->frame, &s->p);
	struct sz_source *src = sz_source_of(&s->p.key.client);

	if (s->p.tcp_flags & (SZ_TCP_FIN | SZ_TCP_RST | SZ_TCP_ACK | SZ_TCP_URG))
		return sz_drop(s, g->svc->id, SZ_R_BAD_FLAGS);
	if (s->p.payload_len)
		return sz_drop(s, g->svc->id, SZ_R_SYN_DATA);
	if (src) {
		sz_fetch_add(&src->syns, 1);
		src->seen_ns = s->w.now;
		if (!sz_bucket_take(&src->syn_tat, s->w.now, g->svc->syn_interval_ns,
				    g->svc->syn_burst_ns))
			return sz_drop(s, g->svc->id, SZ_R_SYN_LIMIT);
	}
	if (at) {
		/* The server never hears of Multipath TCP, and the client goes on without it. */
		sz_strip_multipath(s->frame, &s->p, at);
		if (sz_packet_multipath(s->frame, &s->p) ||
		    sz_ctx_store(ctx, 0, s->frame, n, SZ_OUT_MAX))
			return sz_drop(s, g->svc->id, SZ_R_MULTIPATH);
	}
	sz_count(SZ_R_CONTROL);
	return SZ_PASS;
}

/* Nothing to decide: the whole segment lies in one opened body, or the server has it already. */
SZ_INLINE bool sz_segment_known(struct sz_scratch *s)
{
	const struct sz_flow *f = &s->flow;
	u32 seq = s->p.seq, len = s->p.payload_len, k;

	if (sz_seq_before(seq, f->floor))
		return false;
	if (!sz_seq_before(sz_flow_acked(f), seq + len)) {
		s->w.reason = SZ_R_REPEAT;
		return true;
	}
	k = sz_range_find(f, seq);
	if (k < SZ_RANGES) {
		const struct sz_range *r = &f->range[k & (SZ_RANGES - 1)];

		s->w.reason = SZ_R_BODY;
		return (seq != r->seq || !r->fixed) && len <= r->seq + r->len - seq;
	}
	return false;
}

/* The flow of the segment, from either map; NULL when there is none. */
SZ_INLINE struct sz_flow *sz_flow_find(struct sz_scratch *s)
{
	struct sz_flow *f = sz_map_get(&sz_flows, &s->p.key);

	s->w.promoted = f != 0;
	return f ? f : sz_map_get(&sz_half, &s->p.key);
}

/* One attempt to decide a segment. */
SZ_INLINE int sz_guard_attempt(struct sz_ctx *ctx, struct sz_guard *g)
{
	struct sz_scratch *s = g->s;
	struct sz_walk *w = &s->w;
	struct sz_flow *f = sz_flow_find(s);
	u32 flags = s->p.tcp_flags;

	if (!f) {
		if (!s->p.payload_len || (flags & SZ_TCP_RST)) {
			sz_count(SZ_R_CONTROL);
			return SZ_PASS;
		}
		sz_refused(s, g->svc->id, SZ_R_UNKNOWN_FLOW);
		return w->monitor ? SZ_PASS : sz_reset_client(ctx, s);
	}
	if (!sz_flow_read(f, sz_flow_tag(&s->p.key), &s->flow))
		return SZ_AGAIN;
	if (s->flow.birth_ns < g->svc->enforced_ns && !w->monitor) {
		/* From before the service was enforced: nobody knows where a request begins. */
		sz_refused(s, g->svc->id, SZ_R_UNKNOWN_FLOW);
		return sz_reset_client(ctx, s);
	}
	if (s->flow.flags & SZ_FLOW_LOST) { /* monitor mode: no enforced flow has it */
		sz_count(SZ_R_MONITORED);
		return SZ_PASS;
	}
	if (s->flow.flags & SZ_FLOW_DEAD) {
		sz_count(SZ_R_ANSWERED);
		sz_map_unset(&sz_flows, &s->p.key);
		sz_map_unset(&sz_half, &s->p.key);
		return sz_reset_server(ctx, s);
	}
	if (flags & SZ_TCP_RST) {
		enum sz_rst rst = sz_flow_reset(&s->flow, s->p.seq);

		if (rst == SZ_RST_UNSURE)
			return sz_drop(s, g->svc->id, SZ_R_GAP);
		if (rst == SZ_RST_OBEYED) {
			/* With SYN cookies the same numbers may live again without a SYN. */
			sz_map_unset(&sz_flows, &s->p.key);
			sz_map_unset(&sz_half, &s->p.key);
		}
		sz_count(SZ_R_CONTROL);
		return SZ_PASS;
	}
	if (!sz_flow_handshake_ok(&s->flow, s->p.seq, s->p.ack))
		return sz_drop(s, g->svc->id, SZ_R_HANDSHAKE);
	if (!s->p.payload_len) {
		sz_count(SZ_R_CONTROL);
		return SZ_PASS;
	}
	if (sz_flow_closed(&s->flow))
		return sz_drop(s, g->svc->id, SZ_R_CLOSED);
	if (sz_segment_known(s)) {
		sz_count(w->reason);
		return SZ_PASS;
	}
	if (s->p.payload_off + s->p.payload_len > w->loaded)
		return sz_drop(s, g->svc->id, SZ_R_TOO_LARGE);
	w->off = w->changed = w->run_start = w->run_end = w->tail_len = w->n_admitted = 0;
	w->ticket_used = 0;
	sz_says(w, SZ_DENY, SZ_R_GAP, 0);
	sz_loop(2 * SZ_WALK_MAX, sz_walk_step, g);
	if (w->verdict == SZ_ALLOW && w->off != s->p.payload_len)
		sz_says(w, SZ_DENY, SZ_R_PIPELINED, 0); /* more pieces than one walk looks at */
	return sz_conclude(ctx, g, f);
}

struct sz_attempt {
	struct sz_ctx *ctx;
	struct sz_guard *g;
	int act;
};

SZ_LOOP_FN sz_attempt_step(u64 i, void *arg)
{
	struct sz_attempt *a = arg;

	(void)i;
	a->act = sz_guard_attempt(a->ctx, a->g);
	return a->act != SZ_AGAIN;
}

SZ_INLINE int sz_guard_segment(struct sz_ctx *ctx, struct sz_guard *g)
{
	struct sz_attempt a = { ctx, g, SZ_AGAIN };

	sz_loop(SZ_ATTEMPTS, sz_attempt_step, &a);
	if (a.act != SZ_AGAIN)
		return a.act;
	sz_count(SZ_R_RACE);
	return g->s->w.monitor ? SZ_PASS : SZ_DROP;
}

/* ---- the entry ------------------------------------------------------------------------------------------------ */

/* The service named with exactly this address. */
SZ_COLD const struct sz_service *sz_service_at(const struct sz_addr *server, u16 port)
{
	struct sz_service_key key = { .addr = *server, .port = port };

	return sz_map_get(&sz_services, &key);
}

/* The service that is protected here; port 0: anything at this address. */
SZ_COLD const struct sz_service *sz_service_find(const struct sz_addr *server, u16 port)
{
	struct sz_service_key any = { .port = port };
	const struct sz_service *svc = sz_service_at(server, port);

	return svc ? svc : sz_map_get(&sz_services, &any);
}

SZ_COLD bool sz_banned(struct sz_scratch *s)
{
	struct sz_ban_key key = { .prefixlen = 128, .addr = s->p.key.client };
	const struct sz_ban *ban = sz_map_get(&sz_bans, &key);

	return ban && (!ban->expires_ns || ban->expires_ns > s->w.now);
}

/*
 * Not for a protected service. Two kinds still must not pass: frames whose addresses lie behind more
 * VLAN tags than are read, and segments in the name of a protected server, which the egress program
 * would believe if this machine forwarded them.
 */
SZ_COLD int sz_guard_foreign(struct sz_scratch *s, const struct sz_config *cfg)
{
	struct sz_service_key key = { .addr = s->p.key.client, .port = s->p.key.client_port };
	u32 reason = SZ_R_FOREIGN;

	if (cfg && cfg->abi && !s->p.l3_off)
		reason = SZ_R_MALFORMED;
	else if (s->p.l4 == SZ_L4_TCP && sz_map_get(&sz_services, &key))
		reason = SZ_R_SPOOFED;
	sz_count(reason);
	return reason == SZ_R_FOREIGN ? SZ_PASS : SZ_DROP;
}

/* One frame from the wire. `s` is this CPU's scratch memory. */
SZ_INLINE int sz_guard_ingress(struct sz_ctx *ctx, struct sz_scratch *s, u32 ifindex, u32 rxq)
{
	struct sz_guard g = { .s = s };
	u32 len = sz_ctx_len(ctx), n = len < SZ_HEADERS_LEN ? len : SZ_HEADERS_LEN, zero = 0;

	if (n < 14 || sz_ctx_load(ctx, 0, s->frame, n, SZ_HEADERS_LEN))
		return SZ_PASS;
	sz_scratch_use(s);
	sz_part_parse(SZ_SCRATCH_INGRESS, n, len);
	if (s->p.l4 == SZ_L4_OTHER) {
		sz_count(SZ_R_FOREIGN);
		return SZ_PASS;
	}
	g.svc = sz_service_find(&s->p.key.server, s->p.l4 == SZ_L4_TCP ? s->p.key.server_port : 0);
	g.cfg = sz_map_get(&sz_config, &zero);
	if (!g.cfg || !g.svc)
		return sz_guard_foreign(s, g.cfg);
	sz_memset(&s->w, 0, __builtin_offsetof(struct sz_walk, admitted));
	s->scan.path_off = s->scan.target_len = 0;
	s->w.route = SZ_ROUTE_NONE;
	s->w.method = 0xff;
	s->w.monitor = g.svc->flags & SZ_SVC_MONITOR;
	s->w.ifindex = ifindex;
	s->w.rxq = rxq;
	s->w.now = sz_now();
	if (g.cfg->abi != SZ_ABI) {
		sz_count(SZ_R_UNCONFIGURED);
		return SZ_DROP;
	}
	if (g.cfg->ban_count && sz_banned(s))
		return sz_drop(s, g.svc->id, SZ_R_BANNED);
	if (s->p.odd)
		return sz_drop(s, g.svc->id, s->p.odd);
	if (s->p.tcp_flags & SZ_TCP_SYN)
		return sz_guard_syn(ctx, &g);
	/* Even without payload: the urgent pointer cuts a byte out of what follows. */
	if (s->p.tcp_flags & SZ_TCP_URG)
		return sz_drop(s, g.svc->id, SZ_R_URGENT);
	if (!(s->p.tcp_flags & (SZ_TCP_ACK | SZ_TCP_RST)))
		return sz_drop(s, g.svc->id, SZ_R_BAD_FLAGS);
	if (sz_packet_multipath(s->frame, &s->p))
		return sz_drop(s, g.svc->id, SZ_R_MULTIPATH);
	s->w.loaded = n;
	if (s->p.payload_len) {
		u32 rest = len < SZ_FRAME_MAX ? len : SZ_FRAME_MAX;

		if (sz_ctx_load(ctx, 0, s->frame, rest, SZ_FRAME_MAX))
			return SZ_DROP;
		s->w.loaded = rest;
	}
	return sz_guard_segment(ctx, &g);
}

/*
 * One segment from the server, its first n bytes in s->frame: what it accepts is the truth. Never
 * changes or drops anything.
 * forwarded: it did not originate on this machine; a service at any address is a local one.
 */
SZ_INLINE void sz_guard_egress(u32 n, u32 len, bool forwarded, struct sz_scratch *s)
{
	const struct sz_service *svc;
	struct sz_packet *p = &s->p;
	struct sz_flow_key key;
	struct sz_flow *f, *h;

	sz_scratch_use(s);
	sz_part_parse(SZ_SCRATCH_EGRESS, n, len);
	if (p->l4 != SZ_L4_TCP)
		return;
	svc = forwarded ? sz_service_at(&p->key.client, p->key.client_port) :
			  sz_service_find(&p->key.client, p->key.client_port);
	if (!svc)
		return;
	sz_memset(&key, 0, sizeof(key));
	key.client = p->key.server;
	key.server = p->key.client;
	key.client_port = p->key.server_port;
	key.server_port = p->key.client_port;
	f = sz_map_get(&sz_flows, &key);
	h = f ? 0 : sz_map_get(&sz_half, &key);
	if ((p->tcp_flags & (SZ_TCP_SYN | SZ_TCP_ACK)) == (SZ_TCP_SYN | SZ_TCP_ACK)) {
		struct sz_flow *old = f ? f : h;

		if (old && old->base == p->ack && old->iss == p->seq) {
			/*
			 * Sent again: what was learned since stays. But a server that has taken
			 * bytes does not send its SYN-ACK again: this is another connection with
			 * the same numbers (SYN cookies), and the entry says nothing about it.
			 */
			if (sz_flow_acked(old) != old->base || sz_flow_closed(old)) {
				sz_map_unset(&sz_flows, &key);
				sz_map_unset(&sz_half, &key);
			}
			return;
		}
		sz_flow_init(&s->flow, sz_flow_tag(&key), p->ack, p->seq, svc->id, sz_now());
		sz_map_unset(&sz_flows, &key);
		sz_map_set(&sz_half, &key, &s->flow);
		return;
	}
	f = f ? f : h;
	if (!f)
		return;
	if (p->tcp_flags & SZ_TCP_RST) {
		sz_map_unset(&sz_flows, &key);
		sz_map_unset(&sz_half, &key);
		return;
	}
	if ((p->tcp_flags & SZ_TCP_ACK) && !sz_flow_note_ack(f, sz_flow_tag(&key), p->ack, p->tcp_flags & SZ_TCP_FIN) &&
	    !(f->flags & SZ_FLOW_LOST)) {
		sz_count(SZ_R_DESYNC);
		sz_map_unset(&sz_flows, &key);
		sz_map_unset(&sz_half, &key);
	}
}

#endif

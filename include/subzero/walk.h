/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A segment's payload from its first byte: what the server already has, a body that was announced,
 * bytes that repeat what was admitted, and at the boundary the rest of a body, chunk framing, a
 * ticket, or a new request. Called by guard.h on a copy of the flow; commits nothing.
 */
#ifndef SZ_WALK_H
#define SZ_WALK_H

#include "subzero/account.h"
#include "subzero/carry.h"
#include "subzero/flow.h"
#include "subzero/load.h"
#include "subzero/parts.h"
#include "subzero/request.h"
#include "subzero/same.h"
#include "subzero/spill.h"
#include "subzero/rule.h"

/* Opens `len` bytes of body at the flow's boundary; what exceeds a step waits in flow->more. */
SZ_INLINE void sz_open_body(struct sz_flow *f, struct sz_walk *w, u64 len)
{
	u32 step = SZ_RULE(BODY_STEP) && len > SZ_BODY_STEP ? SZ_BODY_STEP : (u32)len;

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
	w->carry_done |= f->flags & SZ_FLOW_CARRY;
	w->carry = 0;
	f->flags &= ~(SZ_FLOW_ASKED | SZ_FLOW_WHOLE | SZ_FLOW_STREAM | SZ_FLOW_CHUNK |
		      SZ_FLOW_CARRY);
	f->held = 0;
	f->chain = 0;
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
	a->explanation = w->explanation;
	a->reason = reason;
	a->route = route;
	a->method = method;
	a->path_off = (u16)s->scan.path_off;
	a->path_len = (u16)s->scan.target_len;
	w->n_admitted++;
	if (!s->flow.requests || (s->p.ack == s->flow.sent && s->p.ack != s->flow.ack_admit))
		s->flow.burst = 0;
	s->flow.burst++;
	s->flow.quiet_ns = 0;
	s->flow.requests++;
	s->flow.principal = principal;
	s->flow.flags = (s->flow.flags & ~(3u << SZ_FLOW_PRIORITY_SHIFT)) |
			w->priority << SZ_FLOW_PRIORITY_SHIFT;
	s->flow.seen_ns = w->now;
	s->flow.ack_admit = s->p.ack;
}

/* A one-time verdict of the daemon on the bytes at the boundary? Returns true when it was used. */
SZ_COLD bool sz_use_ticket(struct sz_guard *g)
{
	struct sz_scratch *s = g->s;
	struct sz_walk *w = &s->w;
	struct sz_ticket_key key = {.flow = s->p.key, .seq = s->flow.next};
	const struct sz_ticket *found = sz_map_get(&sz_tickets, &key);
	struct sz_ticket *t = &s->ticket;
	u32 at = w->base + w->off;

	if (!found)
		return false;
	*t = *found;
	if ((SZ_RULE(TICKET_SERVICE) && t->service != g->svc->id) ||
	    (SZ_RULE(TICKET_BIRTH) && t->birth_ns != s->flow.birth_ns) ||
	    (SZ_RULE(TICKET_AFTER) && t->after != s->flow.chain) ||
	    (SZ_RULE(TICKET_EXPIRY) && t->expires_ns <= w->now) || !t->len ||
	    (SZ_RULE(TICKET_LENGTH) && t->len > s->p.payload_len - w->off) ||
	    (SZ_RULE(TICKET_DIGEST) && sz_part_digest(at, t->len) != t->digest))
		return false;
	w->ticket_seq[w->n_tickets++ & (SZ_WALK_TICKETS - 1)] = key.seq;
	w->principal = t->principal;
	w->priority = SZ_PRIORITY_OF(t->flags, SZ_PRIORITY_SHIFT);
	w->route = t->route;
	w->method = t->method;
	w->explanation = t->explanation;
	if (SZ_RULE(TICKET_REFUSAL) && t->reason != SZ_R_TICKET) {
		w->breaks = t->flags & SZ_TK_BREAK;
		sz_says(w, SZ_DENY, t->reason, 0);
		return true;
	}
	sz_memset(&s->scan, 0, sizeof(s->scan));
	if (SZ_RULE(TICKET_LIMIT) && (t->flags & SZ_TK_REQUEST)) {
		u32 reason = sz_limited(g, SZ_LIMIT_ADMIT, SZ_LIMIT_TAKE);

		if (reason != SZ_R_NONE) {
			sz_says(w, SZ_DENY, reason, 0);
			return true;
		}
	}
	if (t->flags & SZ_TK_REQUEST)
		sz_note(s, SZ_R_TICKET, t->principal, t->route, t->method);
	sz_admit(s, t->len, t->more);
	if (t->flags & SZ_TK_STREAM)
		s->flow.flags |= SZ_FLOW_STREAM | (t->flags & SZ_TK_CHUNK ? SZ_FLOW_CHUNK : 0);
	if ((t->flags & (SZ_TK_STREAM | SZ_TK_CHUNK)) == SZ_TK_STREAM)
		s->flow.chain = sz_chain(t->after, t->digest);
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
	m->carried = (u16)s->w.carry;
	if (s->w.carry) /* what was found stands partly in another frame */
		s->w.why = m->reason = s->w.why == SZ_MISS_CHUNK ? SZ_MISS_CHUNK : SZ_MISS_PARTIAL;
	if (s->w.why == SZ_MISS_TOKEN || s->w.why == SZ_MISS_ROUTE) {
		m->token = s->w.token;
		m->token_off = (u16)s->scan.token_off;
		m->token_len = (u16)s->scan.token_len;
	}
	m->counted = s->w.reserved;
	if (sz_ring_put(&sz_misses, m, (u32)sizeof(*m) + len, sizeof(*m) + SZ_FRAME_MAX))
		return false;
	s->w.reserved = 0; /* the daemon counts it from here on */
	return true;
}

/* Monitor mode: what would have been refused passes, and the boundary moves along where it can. */
SZ_COLD long sz_monitored(struct sz_guard *g, u32 head_len)
{
	struct sz_scratch *s = g->s;
	struct sz_walk *w = &s->w;

	if (w->verdict == SZ_DENY) {
		sz_refused(s, g->svc->id, w->reason);
		sz_limit_failure(g, w->reason);
	}
	else if (!w->carry && sz_hold(g)) /* a copy, for the daemon's opinion */
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

/* Byte i of chunk framing at `at`, of which n bytes are there: is it c, or not there yet? */
SZ_INLINE bool sz_chunk_byte(const struct sz_scratch *s, u32 at, u32 n, u32 i, u8 c)
{
	return i >= n || sz_byte(s->frame, at + i) == c;
}

/*
 * The framing between two chunks: CRLF, up to eight hex digits, CRLF, and after a size of zero the
 * CRLF that ends the body (RFC 9112 section 7.1). What a segment's end has cut is carried. Anything
 * else (extensions, trailers) is the daemon's. Returns true when it was admitted.
 */
SZ_COLD bool sz_walk_chunk(struct sz_scratch *s)
{
	u32 carry = s->w.carry, at = s->w.base + s->w.off - carry;
	u32 left = s->p.payload_len - s->w.off + carry, i, n, size = 0;

	if (SZ_RULE(CHUNK_END) &&
	    (!sz_chunk_byte(s, at, left, 0, '\r') || !sz_chunk_byte(s, at, left, 1, '\n')))
		return false;
	for (i = 0; i < 8; i++) {
		u32 c = sz_byte(s->frame, at + 2 + i), d = c - '0';

		if (2 + i >= left)
			return sz_carry_take(s, at);
		if (d > 9) {
			d = (c | 0x20) - 'a';
			if (d > 5)
				break;
			d += 10;
		}
		size = size << 4 | d;
	}
	n = 2 + i + 2;
	if ((SZ_RULE(CHUNK_DIGIT) && !i) || (SZ_RULE(CHUNK_SIZE) && size > SZ_BODY_STEP) ||
	    (SZ_RULE(CHUNK_LINE) && (!sz_chunk_byte(s, at, left, n - 2, '\r') ||
				     !sz_chunk_byte(s, at, left, n - 1, '\n'))))
		return false;
	if (!size) {
		n += 2;
		if (SZ_RULE(CHUNK_LAST) && (!sz_chunk_byte(s, at, left, n - 2, '\r') ||
					    !sz_chunk_byte(s, at, left, n - 1, '\n')))
			return false;
	}
	if (SZ_RULE(CHUNK_WHOLE) && n > left)
		return sz_carry_take(s, at);
	sz_admit(s, n - carry, size);
	if (size)
		s->flow.flags |= SZ_FLOW_STREAM | SZ_FLOW_CHUNK;
	s->w.reason = SZ_R_BODY;
	return true;
}

/* The rest of a long body goes on: its next piece is remembered in the free range `slot`. */
SZ_INLINE long sz_walk_body(struct sz_scratch *s, u32 slot)
{
	struct sz_walk *w = &s->w;
	struct sz_flow *f = &s->flow;
	u32 from = f->next;

	if (w->run_end)
		return sz_stop(w, SZ_DENY, SZ_R_PIPELINED, 0);
	sz_open_body(f, w, f->more);
	sz_range_set(f, slot, from, 0, w->tail_len, 0);
	sz_skip(s, w->tail_len);
	w->tail_len = 0;
	w->reason = SZ_R_BODY;
	return 0;
}

/* At the boundary: the rest of a long body, a ticket, or a new request. */
SZ_INLINE long sz_walk_boundary(struct sz_guard *g)
{
	struct sz_scratch *s = g->s;
	struct sz_walk *w = &s->w;
	struct sz_flow *f = &s->flow;
	u32 at, slot, len;

	w->explanation = 0;
	if (f->flags & SZ_FLOW_REFUSED) {
		w->wait_ns = sz_retry_wait(f, w->now);
		return sz_stop(w, SZ_DENY, f->answer, 0);
	}
	/* What passes now must be remembered until the server has it: without a slot, wait. */
	slot = sz_range_free(f);
	if ((SZ_RULE(REMEMBERED) && slot == SZ_RANGES && (f->more || !sz_part_spill_room())) ||
	    w->n_admitted >= SZ_WALK_MAX ||
	    (SZ_RULE(BODY_AHEAD) && f->next - sz_flow_acked(f) > SZ_BODY_STEP / 2))
		return sz_stop(w, SZ_DENY, SZ_R_PIPELINED, 0);
	if (f->more)
		return sz_walk_body(s, slot);
	if ((!SZ_RULE(TICKET_ASKED) || (f->flags & (SZ_FLOW_ASKED | SZ_FLOW_STREAM))) &&
	    w->n_tickets < SZ_WALK_TICKETS && sz_use_ticket(g))
		return w->verdict != SZ_ALLOW;
	if (f->flags & SZ_FLOW_CARRY) {
		switch (sz_carry_load(g)) {
		case SZ_CARRIED_LOST:
			return sz_stop(w, SZ_DENY, SZ_R_STATE_FULL, 0);
		case SZ_CARRIED_LONG:
			sz_ask(g, f->flags & SZ_FLOW_CHUNK ? SZ_MISS_CHUNK : SZ_MISS_PARTIAL);
			return 1;
		case SZ_CARRIED_HERE:
			break;
		}
	}
	if (SZ_RULE(STREAM) && (f->flags & SZ_FLOW_STREAM)) {
		if ((f->flags & SZ_FLOW_CHUNK) && sz_walk_chunk(s))
			return 0;
		sz_ask(g, f->flags & SZ_FLOW_CHUNK ? SZ_MISS_CHUNK : SZ_MISS_STREAM);
		return 1;
	}
	at = w->base + w->off;
	len = w->base + s->p.payload_len;
	w->same = w->summed = 0;
	sz_part_line(at - w->carry, len);
	/* A client that sends its token again sends one of the same length. */
	if (s->scan.status == SZ_HEAD_LINE && !sz_part_same())
		sz_part_rest(w->carry ? 0 : f->same.token_len);
	if (s->scan.guessed && s->scan.status != SZ_HEAD_CLEAN)
		sz_part_scan(at, len);
	/* A CR alone may end a line for some server. */
	if (s->scan.status == SZ_HEAD_PARTIAL && (!SZ_RULE(CARRY_SOUND) || !s->scan.unusual) &&
	    (!SZ_RULE(CARRY_CR) || sz_byte(s->frame, len - 1) != '\r') &&
	    sz_carry_take(s, at - w->carry))
		return 0;
	w->route = SZ_ROUTE_NONE;
	w->method = 0xff;
	w->principal = 0;
	w->priority = 0;
	w->token_len = 0;
	sz_says(w, SZ_DENY, SZ_R_STATE_FULL, 0);
	sz_part_decide();
	len = s->scan.head_end - at;
	if (w->verdict != SZ_ALLOW)
		return w->monitor ? sz_monitored(g, len) : 1;
	if (w->reason == SZ_R_HIT && !w->n_admitted && !w->carry)
		sz_part_keep();
	sz_note(s, w->reason, w->principal, w->route, w->method);
	sz_admit(s, len, s->scan.flags & SZ_HD_LENGTH ? s->scan.content_length : 0);
	return 0;
}

/*
 * Is a question open, or was one a moment ago, so that the daemon may still be putting frames back?
 * What begins behind them must go the same way or it would be dropped as a gap.
 */
SZ_INLINE bool sz_recently_asked(const struct sz_flow *f, u64 now)
{
	return (f->flags & (SZ_FLOW_ASKED | SZ_FLOW_STREAM)) || now - f->asked_ns < SZ_LINGER_NS;
}

/* Behind a question that is open: may the daemon take this frame, too, and put it back in order? */
SZ_COLD bool sz_may_hold(struct sz_guard *g, u32 distance)
{
	const struct sz_flow *f = &g->s->flow;
	const struct sz_config *cfg = g->cfg;
	u64 now = g->s->w.now;

	if (SZ_RULE(HOLD_DAEMON) && cfg->heartbeat_ns + cfg->heartbeat_ttl_ns < now)
		return false;
	if (f->principal)
		return (!SZ_RULE(HOLD_SPAN) || distance < SZ_HELD_SPAN) &&
		       (!SZ_RULE(HOLD_COUNT) || f->held < SZ_HELD_MAX);
	if ((SZ_RULE(HOLD_SPAN_UNKNOWN) && distance >= SZ_HELD_SPAN_UNKNOWN) ||
	    (SZ_RULE(HOLD_COUNT_UNKNOWN) && f->held >= SZ_HELD_MAX_UNKNOWN))
		return false;
	return !SZ_RULE(HOLD_BUDGET) ||
	       sz_limits_ask(g, SZ_LIMIT_MISS, SZ_LIMIT_TAKE, SZ_HELD_SHARE) == SZ_R_NONE;
}

/* Digest of the bytes at `off`, as it was taken of the range that was found for them. */
SZ_COLD u64 sz_found_digest(struct sz_scratch *s)
{
	const struct sz_range *r = &s->w.found;
	u32 at = s->w.base + s->w.off, same = r->token_off & SZ_RANGE_SAME;
	u32 token = at + (r->token_off & ~SZ_RANGE_SAME);

	if (!r->token_len)
		return sz_part_digest(at, r->fixed);
	s->w.token_len = 0; /* from here on w.token and w.sum are of what is repeated */
	if (same)
		sz_part_sum(token, r->token_len);
	else
		sz_part_token(token, r->token_len);
	return sz_part_head(at, r->fixed, token, r->token_len, same);
}

SZ_LOOP_FN sz_walk_step(u64 i, void *arg)
{
	struct sz_guard *g = arg;
	struct sz_scratch *s = g->s;
	struct sz_walk *w = &s->w;
	struct sz_flow *f = &s->flow;
	u32 left = s->p.payload_len - w->off, pos = s->p.seq + w->off;

	(void)i;
	if (!left)
		return sz_stop(w, SZ_ALLOW, w->reason, 0);
	if (SZ_RULE(FLOOR) && sz_seq_before(pos, f->floor))
		return sz_stop(w, SZ_DENY, SZ_R_GAP, 0);
	if (sz_seq_before(pos, sz_flow_acked(f))) {
		w->reason = SZ_R_REPEAT;
		sz_skip(s, sz_flow_acked(f) - pos);
		return 0;
	}
	if (sz_range_known(s, pos)) {
		const struct sz_range *r = &w->found;

		if (!SZ_RULE(HEAD_REPEAT) || pos != r->seq || !r->fixed) {
			w->reason = SZ_R_BODY;
			sz_skip(s, r->seq + r->len - pos);
			return 0;
		}
		if (SZ_RULE(HEAD_WHOLE) && left < r->fixed)
			return sz_stop(w, SZ_DENY, SZ_R_RECUT, 0);
		if (SZ_RULE(HEAD_DIGEST) && sz_found_digest(s) != r->digest)
			return sz_stop(w, SZ_DENY, SZ_R_CHANGED, 0);
		w->reason = SZ_R_REPEAT;
		sz_skip(s, r->fixed);
		return 0;
	}
	if (!SZ_RULE(BOUNDARY) || pos == f->next)
		return sz_walk_boundary(g);
	if (sz_seq_before(pos, f->next))
		return sz_stop(w, SZ_DENY, SZ_R_RECUT, 0);
	if (!w->off && sz_recently_asked(f, w->now) &&
	    sz_may_hold(g, pos - f->next))
		return sz_stop(w, SZ_ASK, SZ_R_MISS, SZ_MISS_STREAM);
	return sz_stop(w, SZ_DENY, SZ_R_GAP, 0);
}

#endif

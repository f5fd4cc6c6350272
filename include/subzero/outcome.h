/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The walk's verdict made true: the flow committed, requests counted, the packet passed, cut short,
 * answered, held or dropped. Called by guard.h. Nothing is admitted on a state that could not be
 * committed: a lost race gives SZ_AGAIN before anything has happened.
 */
#ifndef SZ_OUTCOME_H
#define SZ_OUTCOME_H

#include "subzero/account.h"
#include "subzero/answer.h"
#include "subzero/carry.h"
#include "subzero/flow.h"
#include "subzero/load.h"
#include "subzero/parts.h"
#include "subzero/spill.h"
#include "subzero/rule.h"
#include "subzero/walk.h"

/* One range for what this segment newly admitted: fixed bytes and the open body behind them. */
SZ_INLINE void sz_ranges_update(struct sz_guard *g)
{
	struct sz_scratch *s = g->s;
	struct sz_walk *w = &s->w;
	u32 len = w->run_end - w->run_start, slot;

	sz_flow_raise_floor(&s->flow);
	if (SZ_RULE(RANGE_FORGET))
		sz_ranges_forget(&s->flow);
	if (!w->run_end)
		return;
	w->spill.seq = s->p.seq + w->run_start;
	w->spill.len = len + w->tail_len;
	w->spill.fixed = len;
	w->spill.token_len = (u16)w->token_len;
	if (w->token_len) {
		w->spill.token_off = (u16)((w->token_at - w->base - w->run_start) |
					   (w->same ? SZ_RANGE_SAME : 0));
		w->spill.digest = sz_part_head(w->base + w->run_start, len, w->token_at,
					       w->token_len, w->same);
	} else {
		w->spill.token_off = 0;
		w->spill.digest = sz_part_digest(w->base + w->run_start, len);
	}
	slot = sz_range_free(&s->flow);
	if (slot < SZ_RANGES) {
		s->flow.range[slot & (SZ_RANGES - 1)] = w->spill;
		w->spill.len = 0;
	}
}

/*
 * With the flow locked: what does not lie in the flow itself. False: no room for it. The range goes
 * last: it must not stand for bytes that were not committed, whereas a beginning that was kept for
 * nothing fits no flow.
 */
SZ_INLINE bool sz_commit_aside(struct sz_scratch *s)
{
	if (!sz_carry_commit(s))
		return false;
	if (((s->flow.flags & SZ_FLOW_SPILL) || s->w.spill.len) && sz_part_spill_commit()) {
		s->w.spill_not = 1;
		return false;
	}
	return true;
}

/* The boundary has moved past what the ticket was for: it is of no use to anybody now. */
SZ_INLINE void sz_ticket_done(struct sz_scratch *s)
{
	struct sz_ticket_key key = {.flow = s->p.key};
	u32 i;

	for (i = 0; i < SZ_WALK_TICKETS; i++) {
		if (i >= s->w.n_tickets)
			break;
		key.seq = s->w.ticket_seq[i];
		if (SZ_RULE(TICKET_ONCE))
			sz_map_unset(&sz_tickets, &key);
	}
}

/* A connection came to something: it is none of a SYN flood. */
SZ_INLINE void sz_syn_done(struct sz_guard *g)
{
	struct sz_syn *syn;

	if (!(g->svc->flags & SZ_SVC_COOKIES_AUTO))
		return;
	syn = sz_syn_of(&g->s->p.key.server, g->s->p.key.server_port);
	if (syn)
		sz_fetch_add(&syn->done, 1);
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
	if (!sz_commit_aside(s)) {
		sz_fetch_add(&f->ver, 1); /* as it was: decided anew without */
		return false;
	}
	if (s->w.promoted || (SZ_RULE(PROMOTION) && !s->w.n_admitted)) {
		sz_flow_store(f, &s->flow);
		sz_ticket_done(s);
		return true;
	}
	s->flow.ver = s->w.now & ~1ull;
	if (sz_map_set(&sz_flows, key, &s->flow) && SZ_RULE(FLOWS_FULL))
		return false; /* the half-open entry stays claimed: the connection is refused from
				 now on */
	sz_map_unset(&sz_half, key);
	sz_ticket_done(s);
	sz_syn_done(g);
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
	struct sz_hit_key key = {
		.principal = a->principal, .service = g->svc->id, .route = a->route};
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

/* ---- what goes out ---- */

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

/* The prepared answer; that of the reason alone where there is none for what stands behind it. */
SZ_INLINE const struct sz_answer *sz_answer_find(u32 tell)
{
	u32 at = SZ_TOLD_ANSWER(tell);
	const struct sz_answer *a = sz_map_get(&sz_answers, &at);

	if (a && a->len)
		return a;
	at = SZ_TOLD(tell);
	return sz_map_get(&sz_answers, &at);
}

/* The sum of what sz_answer_digits() will store. */
SZ_INLINE u32 sz_digits_sum(const struct sz_scratch *s, u32 retry, u32 reset)
{
	return (retry ? sz_csum_add(s->digits.retry, SZ_DIGITS, 0) : 0) +
	       (reset ? sz_csum_add(s->digits.reset, SZ_DIGITS, 0) : 0);
}

/* Writes the seconds into an answer that stands in the frame behind `hdr`. */
SZ_INLINE int sz_answer_digits(struct sz_ctx *ctx, const struct sz_scratch *s, u32 hdr, u32 retry,
			       u32 reset)
{
	if (retry && sz_ctx_store(ctx, hdr + retry, s->digits.retry, SZ_DIGITS, SZ_DIGITS))
		return -1;
	return reset ? sz_ctx_store(ctx, hdr + reset, s->digits.reset, SZ_DIGITS, SZ_DIGITS) : 0;
}

/*
 * The prepared HTTP answer for the reason, with FIN and, of a limit, the seconds of w.wait_ns; its
 * short form where the frame is too small.
 */
SZ_COLD int sz_answer_client(struct sz_ctx *ctx, struct sz_scratch *s, u32 reason)
{
	const struct sz_answer *a = sz_answer_find(reason);
	u32 len, hdr;

	if (!a)
		return SZ_DROP;
	sz_digits_set(&s->digits, s->w.wait_ns);
	len = a->len;
	if (!len || len > SZ_ANSWER_MAX) {
		sz_count(SZ_R_NO_ANSWER);
		return SZ_DROP;
	}
	hdr = sz_part_reply(SZ_ANSWER_FLAGS, len, a->csum + sz_digits_sum(s, a->retry, a->reset));
	if (!sz_ctx_resize(ctx, hdr + len))
		return sz_ctx_store(ctx, 0, s->out, hdr, SZ_OUT_MAX) ||
				       sz_ctx_store(ctx, hdr, a->bytes, len, SZ_ANSWER_MAX) ||
				       sz_answer_digits(ctx, s, hdr, a->retry, a->reset)
			       ? SZ_DROP
			       : SZ_REPLY;
	len = a->brief_len;
	hdr = sz_part_reply(SZ_ANSWER_FLAGS, len,
			    a->brief_csum + sz_digits_sum(s, a->brief_retry, a->brief_reset));
	if (!len || sz_ctx_resize(ctx, hdr + len)) {
		/* No room at all: the connection still ends, without a word. */
		sz_count(SZ_R_NO_ANSWER);
		return sz_reset_client(ctx, s);
	}
	return sz_ctx_store(ctx, 0, s->out, hdr, SZ_OUT_MAX) ||
			       sz_ctx_store(ctx, hdr, a->brief, len, SZ_BRIEF_MAX) ||
			       sz_answer_digits(ctx, s, hdr, a->brief_retry, a->brief_reset)
		       ? SZ_DROP
		       : SZ_REPLY;
}

/* Passes the first `keep` bytes of payload. */
SZ_COLD int sz_trim(struct sz_ctx *ctx, struct sz_scratch *s, u32 keep)
{
	u32 n = s->p.payload_off;

	if (!sz_part_trim(keep) || sz_ctx_resize(ctx, n + keep) ||
	    sz_ctx_store(ctx, 0, s->out, n, SZ_OUT_MAX))
		return SZ_DROP;
	sz_count(SZ_R_TRIMMED);
	return SZ_PASS;
}

/*
 * Drops the segment and remembers that what begins here is refused, and since when the server has
 * been silent: the client may send it again in other pieces, which no ticket would fit.
 */
SZ_INLINE int sz_refuse_later(struct sz_guard *g, struct sz_flow *f, u32 reason)
{
	struct sz_scratch *s = g->s;

	if (!s->flow.quiet_ns || s->flow.quiet_sent != s->flow.sent) {
		s->flow.flags |= SZ_FLOW_REFUSED;
		s->flow.answer = reason;
		sz_retry_set(&s->flow, s->w.now + s->w.wait_ns);
		s->flow.quiet_ns = s->w.now;
		s->flow.quiet_sent = s->flow.sent;
		s->w.run_end = s->w.run_start = s->w.tail_len = 0;
		if (!sz_commit(g, f))
			return SZ_AGAIN;
	}
	sz_count(SZ_R_PIPELINED);
	return SZ_DROP;
}

/* Refuses the request at the first byte of the segment. */
SZ_COLD int sz_refuse(struct sz_ctx *ctx, struct sz_guard *g, struct sz_flow *f, u32 reason)
{
	struct sz_scratch *s = g->s;

	if (SZ_RULE(SILENT) && SZ_TOLD(reason) >= SZ_R_BANNED) { /* no answer belongs to it */
		sz_refused(s, g->svc->id, reason);
		return SZ_DROP;
	}
	/* An answer must not overtake that to an earlier request: it waits for it. */
	if (SZ_RULE(ANSWER_ORDER) && !s->w.breaks &&
	    !sz_flow_answered(&s->flow, s->p.ack, s->w.now))
		return sz_refuse_later(g, f, reason);
	s->flow.flags |= SZ_FLOW_DEAD | (s->w.breaks ? SZ_FLOW_CUT : 0);
	s->flow.answer = reason;
	s->flow.seen_ns = s->w.now;
	sz_retry_set(&s->flow, s->w.now + s->w.wait_ns);
	s->flow.ack_admit = s->w.breaks ? s->flow.sent : s->p.ack;
	s->w.run_end = s->w.run_start = s->w.tail_len = 0;
	if (!sz_commit(g, f))
		return SZ_AGAIN;
	sz_refused(s, g->svc->id, reason);
	sz_limit_failure(g, reason);
	/* The client hears of it when it sends again: see sz_guard_answered(). */
	return s->w.breaks ? sz_reset_server(ctx, s) : sz_answer_client(ctx, s, reason);
}

/* The walk has ended: make its verdict true. */
SZ_COLD int sz_conclude(struct sz_ctx *ctx, struct sz_guard *g, struct sz_flow *f)
{
	struct sz_scratch *s = g->s;
	struct sz_walk *w = &s->w;
	struct sz_admit_arg arg = {g};
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
			s->flow.flags &= ~SZ_FLOW_WHOLE;
			s->flow.flags |= SZ_FLOW_ASKED | sz_load_whole(w->why);
			s->flow.asked_ns = w->now;
		}
		w->changed = 1;
	}
	if (w->verdict == SZ_DENY && !keep)
		return sz_refuse(ctx, g, f, w->reason);
	if (w->changed ? !sz_commit(g, f) : sz_spill_torn(s, f))
		return SZ_AGAIN;
	if (w->n_admitted)
		sz_loop(SZ_WALK_MAX, sz_admitted_step, &arg);
	else if (w->verdict == SZ_ALLOW)
		sz_count(w->reason);
	if (w->verdict == SZ_ALLOW &&
	    (w->monitor || !(s->p.tcp_flags & SZ_TCP_FIN) || !sz_fin_cuts(s)))
		return SZ_PASS;
	if (!SZ_RULE(TRIM) && keep)
		return SZ_PASS;
	if (!sz_carry_undo(ctx, s))
		return SZ_DROP;
	if (w->verdict == SZ_ALLOW) /* without its FIN: see sz_guard_fin() */
		return sz_trim(ctx, s, keep);
	act = SZ_DROP;
	if (w->verdict == SZ_ASK) {
		sz_count(SZ_R_MISS);
		w->held = sz_hold(g);
		if (!w->held) {
			sz_count(SZ_R_OVERLOAD);
			return keep ? sz_trim(ctx, s, keep) : SZ_DROP;
		}
	} else {
		sz_count(w->reason);
	}
	return keep ? sz_trim(ctx, s, keep) : act;
}

#endif

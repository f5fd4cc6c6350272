/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Segments beside the requests: SYN, FIN and RST, what comes for a connection that was answered,
 * and strays that belong to no connection. Called by guard.h; nothing here admits a byte of a
 * request.
 */
#ifndef SZ_CONTROL_H
#define SZ_CONTROL_H

#include "subzero/account.h"
#include "subzero/cookie.h"
#include "subzero/flow.h"
#include "subzero/limit.h"
#include "subzero/outcome.h"
#include "subzero/packet.h"
#include "subzero/rule.h"
#include "subzero/walk.h"

SZ_COLD int sz_guard_syn(struct sz_ctx *ctx, struct sz_guard *g)
{
	struct sz_scratch *s = g->s;
	u32 n = s->p.payload_off, at = sz_packet_multipath(s->frame, &s->p);
	struct sz_source *src;

	if (SZ_RULE(SYN_ALONE) &&
	    (s->p.tcp_flags & (SZ_TCP_FIN | SZ_TCP_RST | SZ_TCP_ACK | SZ_TCP_URG)))
		return sz_drop(s, g->svc->id, SZ_R_BAD_FLAGS);
	if (SZ_RULE(SYN_DATA) && s->p.payload_len)
		return sz_drop(s, g->svc->id, SZ_R_SYN_DATA);
	if (g->svc->flags & (SZ_SVC_COOKIES_AUTO | SZ_SVC_COOKIES_ALWAYS)) {
		int act = sz_cookie_syn(ctx, g);

		/* Its source is not known to be true: it counts when the cookie comes back. */
		if (act != SZ_AGAIN)
			return act;
	}
	src = sz_source_of(&s->p.key.client);
	if (src) {
		sz_fetch_add(&src->syns, 1);
		src->seen_ns = s->w.now;
	}
	if (SZ_RULE(SYN_LIMIT)) {
		u32 reason = sz_limited(g, SZ_LIMIT_SYN, SZ_LIMIT_TAKE);

		if (reason != SZ_R_NONE)
			return sz_drop(s, g->svc->id,
				       reason == SZ_R_STATE_FULL ? SZ_R_SYN_FULL : reason);
	}
	if (SZ_RULE(SYN_MULTIPATH) && at) {
		/* The server never hears of Multipath TCP, and the client goes on without it. */
		sz_strip_multipath(s->frame, &s->p, at);
		if ((SZ_RULE(SYN_MULTIPATH_TWICE) && sz_packet_multipath(s->frame, &s->p)) ||
		    sz_ctx_store(ctx, 0, s->frame, n, SZ_OUT_MAX))
			return sz_drop(s, g->svc->id, SZ_R_MULTIPATH);
	}
	sz_count(SZ_R_CONTROL);
	return SZ_PASS;
}

/* An acknowledgement of all that the client's segment holds. */
SZ_COLD int sz_acknowledge(struct sz_ctx *ctx, struct sz_scratch *s)
{
	u32 n = sz_part_reply(SZ_TCP_ACK, 0, 0);

	if (sz_ctx_resize(ctx, n) || sz_ctx_store(ctx, 0, s->out, n, SZ_OUT_MAX))
		return SZ_DROP;
	return SZ_REPLY;
}

/*
 * The server has its RST, so nobody but us is left to end the client's side. Data and FIN of a
 * client that has not got the answer bring it again; behind it they are acknowledged and thrown
 * away, so that it comes to its end. What cannot be mended is reset: bytes of the server that the
 * client still lacks, and a client that goes on sending.
 */
SZ_COLD int sz_guard_linger(struct sz_ctx *ctx, struct sz_scratch *s)
{
	const struct sz_flow *f = &s->flow;

	if (s->p.ack == f->ack_admit) {
		s->w.wait_ns = sz_retry_wait(f, s->w.now);
		return sz_answer_client(ctx, s, f->answer);
	}
	if (sz_seq_before(s->p.ack, f->ack_admit) ||
	    (!(s->p.tcp_flags & SZ_TCP_FIN) && s->w.now - f->seen_ns > SZ_REFUSED_NS))
		return sz_reset_client(ctx, s);
	return sz_acknowledge(ctx, s);
}

/*
 * The connection was answered. A client that sends the refused bytes again has not got the answer:
 * it gets it again. The next segment becomes a RST for the server; from then on see above. The
 * entry stays, so that nothing reaches the server's stack and is reset from there.
 */
SZ_COLD int sz_guard_answered(struct sz_ctx *ctx, struct sz_scratch *s, struct sz_flow *live)
{
	const struct sz_flow *f = &s->flow;
	bool speaks = s->p.payload_len || (s->p.tcp_flags & SZ_TCP_FIN);

	sz_count(SZ_R_ANSWERED);
	if (s->p.payload_len && s->p.seq == f->next && s->p.ack == f->ack_admit) {
		s->w.wait_ns = sz_retry_wait(f, s->w.now);
		return sz_answer_client(ctx, s, f->answer);
	}
	if (speaks && (f->flags & SZ_FLOW_CUT) && !(s->p.tcp_flags & SZ_TCP_RST))
		return sz_guard_linger(ctx, s);
	s->flow.flags |= SZ_FLOW_CUT;
	if (!sz_flow_lock(live, &s->flow))
		return SZ_AGAIN;
	sz_flow_store(live, &s->flow);
	return sz_reset_server(ctx, s);
}

/*
 * A FIN without payload. Some servers take the end of the stream for the end of a head, so it must
 * not come behind a beginning: it becomes a RST. Nor may it lie in wait there for bytes that are
 * still to be admitted.
 */
SZ_COLD int sz_guard_fin(struct sz_ctx *ctx, struct sz_guard *g, struct sz_flow *live)
{
	struct sz_scratch *s = g->s;
	struct sz_flow *f = &s->flow;

	if (SZ_RULE(FIN_AHEAD) && !s->w.monitor &&
	    (sz_seq_before(f->next, s->p.seq) || (s->p.seq != f->next && sz_fin_cuts(s))))
		return sz_drop(s, g->svc->id, SZ_R_GAP);
	if (s->w.monitor || s->p.seq != f->next || !sz_flow_in_head(f)) {
		sz_count(SZ_R_CONTROL);
		return SZ_PASS;
	}
	f->flags |= SZ_FLOW_DEAD | SZ_FLOW_CUT;
	f->answer = SZ_R_BAD_REQUEST;
	f->seen_ns = s->w.now;
	sz_retry_set(f, 0);
	f->ack_admit = f->sent;
	if (!sz_flow_lock(live, f))
		return SZ_AGAIN;
	sz_flow_store(live, f);
	sz_refused(s, g->svc->id, SZ_R_BAD_REQUEST);
	return sz_reset_server(ctx, s);
}

/*
 * What fits no handshake may be the second piece of a request whose first few bytes are with the
 * daemon: it waits there, too, until the server has spoken.
 */
SZ_COLD bool sz_may_be_second(struct sz_guard *g)
{
	struct sz_scratch *s = g->s;
	const struct sz_flow *f = &s->flow;
	u32 d = s->p.seq - f->base;

	return !s->w.monitor && s->p.payload_len && s->p.ack == f->iss + 1 && d &&
	       d < SZ_COOKIE_NEAR && (f->flags & (SZ_FLOW_ASKED | SZ_FLOW_STREAM)) &&
	       s->p.payload_off + s->p.payload_len <= s->w.loaded && sz_may_hold(g, d);
}

/* A RST of the client: the flow ends with it where the server obeys it. */
SZ_INLINE int sz_guard_rst(struct sz_guard *g)
{
	struct sz_scratch *s = g->s;
	enum sz_rst rst = sz_flow_reset(&s->flow, s->p.seq);

	if (SZ_RULE(RST_UNSURE) && rst == SZ_RST_UNSURE)
		return sz_drop(s, g->svc->id, SZ_R_GAP);
	if (SZ_RULE(RST_FORGETS) && rst == SZ_RST_OBEYED) {
		/* With SYN cookies the same numbers may live again without a SYN. */
		sz_map_unset(&sz_flows, &s->p.key);
		sz_map_unset(&sz_half, &s->p.key);
	}
	sz_count(SZ_R_CONTROL);
	return SZ_PASS;
}

/*
 * A segment of no connection that is known here. The server's stack answers it with a RST, and data
 * gets one from here, as far as the budget of strays goes: beyond it nobody has to hear of it.
 */
SZ_COLD int sz_guard_stray(struct sz_ctx *ctx, struct sz_guard *g)
{
	struct sz_scratch *s = g->s;
	bool data = s->p.payload_len && !(s->p.tcp_flags & SZ_TCP_RST);
	u32 reason = SZ_R_NONE;

	s->w.stranger = 1;
	if (SZ_RULE(STRAY_LIMIT) && !s->w.monitor)
		reason = sz_limited(g, SZ_LIMIT_STRAY, SZ_LIMIT_TAKE);
	if (reason != SZ_R_NONE)
		return sz_drop(s, g->svc->id, reason);
	if (!SZ_RULE(UNKNOWN_FLOW) || !data) {
		sz_count(SZ_R_CONTROL);
		return SZ_PASS;
	}
	sz_refused(s, g->svc->id, SZ_R_UNKNOWN_FLOW);
	return s->w.monitor ? SZ_PASS : sz_reset_client(ctx, s);
}

#endif

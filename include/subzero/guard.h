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
 *   sz_map_get(&map, key), sz_map_set(&map, key, value), sz_map_unset(&map, key),
 *   sz_map_add(&map, key, value): as sz_map_set(), but only where there is none
 *   sz_ctx_load(ctx, off, to, len, max), sz_ctx_store(ctx, off, from, len, max),
 *   sz_ctx_resize(ctx, len) (may move the content: all of it is stored anew afterwards, or it
 *   only shrinks), sz_ring_put(&ring, record, len, max): all int, 0 or negative;
 *   `max` is a constant that len may not exceed
 *   sz_now(), struct sz_ctx with its length through sz_ctx_len(ctx), and what cookie.h names
 * and in BPF SZ_SCRATCH(slot), this CPU's memory.
 */
#ifndef SZ_GUARD_H
#define SZ_GUARD_H

#include "subzero/account.h"
#include "subzero/control.h"
#include "subzero/cookie.h"
#include "subzero/flow.h"
#include "subzero/load.h"
#include "subzero/outcome.h"
#include "subzero/rule.h"
#include "subzero/walk.h"

/* ---- a segment of a protected connection ---------------------------------------------------- */

/* Nothing to decide: the whole segment lies in one opened body, or the server has it already. */
SZ_INLINE bool sz_segment_known(struct sz_scratch *s)
{
	const struct sz_flow *f = &s->flow;
	u32 seq = s->p.seq, len = s->p.payload_len;

	if (SZ_RULE(FLOOR) && sz_seq_before(seq, f->floor))
		return false;
	if ((s->p.tcp_flags & SZ_TCP_FIN) && sz_fin_cuts(s))
		return false;
	if (!sz_seq_before(sz_flow_acked(f), seq + len)) {
		s->w.reason = SZ_R_REPEAT;
		return true;
	}
	if (sz_range_known(s, seq)) {
		const struct sz_range *r = &s->w.found;

		s->w.reason = SZ_R_BODY;
		return (!SZ_RULE(HEAD_REPEAT) || seq != r->seq || !r->fixed) &&
		       (!SZ_RULE(BODY_END) || len <= r->seq + r->len - seq);
	}
	return false;
}

/* One attempt to decide a segment. */
SZ_INLINE int sz_guard_attempt(struct sz_ctx *ctx, struct sz_guard *g)
{
	struct sz_scratch *s = g->s;
	struct sz_walk *w = &s->w;
	struct sz_flow *f = sz_flow_lookup(&s->p.key, &s->w.promoted);
	u32 flags = s->p.tcp_flags;

	if (!f)
		return sz_guard_stray(ctx, g);
	if (!sz_flow_read(f, sz_flow_tag(&s->p.key), &s->flow))
		return SZ_AGAIN;
	if (SZ_RULE(ENFORCED_SINCE) && s->flow.birth_ns < g->svc->enforced_ns && !w->monitor) {
		/* From before the service was enforced: nobody knows where a request begins. */
		sz_refused(s, g->svc->id, SZ_R_UNKNOWN_FLOW);
		return sz_reset_client(ctx, s);
	}
	if (SZ_RULE(LOST_FLOW) && (s->flow.flags & SZ_FLOW_LOST)) {
		if (w->monitor) {
			sz_count(SZ_R_MONITORED);
			return SZ_PASS;
		}
		sz_refused(s, g->svc->id, SZ_R_UNKNOWN_FLOW);
		return sz_reset_client(ctx, s);
	}
	if (SZ_RULE(ANSWERED) && (s->flow.flags & SZ_FLOW_DEAD))
		return sz_guard_answered(ctx, s, f);
	if (flags & SZ_TCP_RST)
		return sz_guard_rst(g);
	if (!sz_carry_undo(ctx, s))
		return sz_drop(s, g->svc->id, SZ_R_MALFORMED);
	w->off = w->changed = w->run_start = w->run_end = w->tail_len = w->n_admitted = 0;
	w->n_tickets = w->breaks = w->token_len = w->carry = w->carry_put = w->carry_done = 0;
	w->spill.len = 0;
	if (SZ_RULE(HANDSHAKE) && !sz_flow_handshake_ok(&s->flow, s->p.seq, s->p.ack)) {
		if (!sz_may_be_second(g))
			return sz_drop(s, g->svc->id, SZ_R_HANDSHAKE);
		sz_says(w, SZ_ASK, SZ_R_MISS, SZ_MISS_STREAM);
		return sz_conclude(ctx, g, f);
	}
	if (!s->p.payload_len) {
		if (flags & SZ_TCP_FIN)
			return sz_guard_fin(ctx, g, f);
		sz_count(SZ_R_CONTROL);
		return SZ_PASS;
	}
	if (SZ_RULE(CLOSED) && sz_flow_closed(&s->flow))
		return sz_drop(s, g->svc->id, SZ_R_CLOSED);
	if (sz_segment_known(s)) {
		if (sz_spill_torn(s, f))
			return SZ_AGAIN;
		sz_count(w->reason);
		return SZ_PASS;
	}
	if (SZ_RULE(TOO_LARGE) && s->p.payload_off + s->p.payload_len > w->loaded)
		return sz_drop(s, g->svc->id, SZ_R_TOO_LARGE);
	sz_says(w, SZ_DENY, SZ_R_GAP, 0);
	sz_loop(2 * SZ_WALK_MAX, sz_walk_step, g);
	if (SZ_RULE(WALK_END) && w->verdict == SZ_ALLOW && w->off != s->p.payload_len)
		sz_says(w, SZ_DENY, SZ_R_PIPELINED, 0); /* more pieces than one walk looks at */
	return sz_conclude(ctx, g, f);
}

SZ_LOOP_FN sz_attempt_step(u64 i, void *arg)
{
	struct sz_guard *g = arg;

	(void)i;
	g->act = sz_guard_attempt(g->ctx, g);
	return g->act != SZ_AGAIN;
}

SZ_INLINE int sz_guard_segment(struct sz_guard *g)
{
	g->act = SZ_AGAIN;
	sz_loop(SZ_ATTEMPTS, sz_attempt_step, g);
	if (g->act != SZ_AGAIN)
		return g->act;
	sz_count(SZ_R_RACE);
	return !SZ_RULE(RACE) || g->s->w.monitor ? SZ_PASS : SZ_DROP;
}

/* ---- the entry ------------------------------------------------------------------------------ */

/* The service named with exactly this address. */
SZ_COLD const struct sz_service *sz_service_at(const struct sz_addr *server, u16 port)
{
	struct sz_service_key key = {.addr = *server, .port = port};

	return sz_map_get(&sz_services, &key);
}

/* The service that is protected here; port 0: anything at this address. */
SZ_COLD const struct sz_service *sz_service_find(const struct sz_addr *server, u16 port)
{
	struct sz_service_key any = {.port = port};
	const struct sz_service *svc = sz_service_at(server, port), *all;

	/* Without a port it may be for either: watched only where both are. */
	if (svc && (!SZ_RULE(PORTLESS) || port || !(svc->flags & SZ_SVC_MONITOR)))
		return svc;
	all = sz_map_get(&sz_services, &any);
	return svc && (!all || (all->flags & SZ_SVC_MONITOR)) ? svc : all;
}

SZ_COLD bool sz_banned(struct sz_scratch *s)
{
	struct sz_ban_key key = {.prefixlen = 128, .addr = s->p.key.client};
	const struct sz_ban *ban = sz_map_get(&sz_bans, &key);

	return SZ_RULE(BAN) && ban && (!ban->expires_ns || ban->expires_ns > s->w.now) &&
	       !sz_map_get(&sz_allow, &key);
}

/*
 * Not for a protected service. Two kinds still must not pass: frames whose addresses lie behind
 * more VLAN tags than are read, and segments in the name of a protected server, which the egress
 * program would believe if this machine forwarded them.
 */
SZ_COLD int sz_guard_foreign(struct sz_scratch *s, const struct sz_config *cfg)
{
	struct sz_service_key key = {.addr = s->p.key.client, .port = s->p.key.client_port};
	u32 reason = SZ_R_FOREIGN;

	if (SZ_RULE(VLAN_DEPTH) && cfg && cfg->abi && !s->p.l3_off)
		reason = SZ_R_MALFORMED;
	else if (SZ_RULE(SPOOFED) && s->p.l4 == SZ_L4_TCP && sz_map_get(&sz_services, &key))
		reason = SZ_R_SPOOFED;
	sz_count(reason);
	return reason == SZ_R_FOREIGN ? SZ_PASS : SZ_DROP;
}

/* A frame for the service g->svc, its first w.loaded bytes read. */
SZ_INLINE int sz_guard_frame(struct sz_ctx *ctx, struct sz_guard *g)
{
	struct sz_scratch *s = g->s;

	if (g->cfg->ban_count && sz_banned(s))
		return sz_drop(s, g->svc->id, SZ_R_BANNED);
	if (SZ_RULE(ODD_PACKET) && s->p.odd)
		return sz_drop(s, g->svc->id, s->p.odd);
	if (s->p.tcp_flags & SZ_TCP_SYN)
		return sz_guard_syn(ctx, g);
	/* Even without payload: the urgent pointer cuts a byte out of what follows. */
	if (SZ_RULE(URGENT) && (s->p.tcp_flags & SZ_TCP_URG))
		return sz_drop(s, g->svc->id, SZ_R_URGENT);
	if (SZ_RULE(NEEDS_ACK) && !(s->p.tcp_flags & (SZ_TCP_ACK | SZ_TCP_RST)))
		return sz_drop(s, g->svc->id, SZ_R_BAD_FLAGS);
	if (SZ_RULE(MULTIPATH) && sz_packet_multipath(s->frame, &s->p))
		return sz_drop(s, g->svc->id, SZ_R_MULTIPATH);
	if (s->p.payload_len) {
		u32 len = sz_ctx_len(ctx), rest = len < SZ_FRAME_MAX ? len : SZ_FRAME_MAX;

		if (sz_ctx_load(ctx, 0, s->frame, rest, SZ_FRAME_MAX))
			return SZ_DROP;
		s->w.loaded = rest;
	}
	if (sz_cookies_about(g->cfg, s->w.now) && (s->p.tcp_flags & SZ_TCP_ACK) &&
	    !(s->p.tcp_flags & SZ_TCP_RST)) {
		s->service = *g->svc;
		if (sz_part_cookie_ack(ctx, g->svc->flags, g->svc->id))
			return SZ_DROP;
	}
	return sz_guard_segment(g);
}

/*
 * Every drop is counted for its source, and so is a sample of all frames. Who has not shown that an
 * address is his makes no row for it, and of his drops a sample counts, too: in a flood of made-up
 * addresses even looking for their rows is dear.
 */
SZ_COLD void sz_source_frame(struct sz_scratch *s, int act)
{
	bool sampled = !(++s->sampled & (SZ_SOURCE_SAMPLE - 1));
	bool dropped = act == SZ_DROP && !s->w.held;
	struct sz_source *src;

	if (!sampled && (!dropped || s->w.stranger))
		return;
	src = sz_source_row(&s->p.key.client, !s->w.stranger);
	if (!src)
		return;
	if (sampled)
		sz_fetch_add(&src->packets, SZ_SOURCE_SAMPLE);
	if (dropped)
		sz_fetch_add(&src->drops, s->w.stranger ? SZ_SOURCE_SAMPLE : 1);
	src->seen_ns = s->w.now;
}

/*
 * Reads a frame's headers: who is it for? SZ_AGAIN: for a protected service, g and
 * s->w are ready for its decision. Anything else is the verdict.
 */
SZ_COLD int sz_guard_begin(struct sz_guard *g, u32 ifindex, u32 rxq)
{
	u32 len = sz_ctx_len(g->ctx), n = len < SZ_HEADERS_LEN ? len : SZ_HEADERS_LEN, zero = 0;
	struct sz_scratch *s = g->s;
	const struct sz_service *svc;

	if (n < 14 || sz_ctx_load(g->ctx, 0, s->frame, n, SZ_HEADERS_LEN))
		return SZ_PASS;
	sz_scratch_use(s);
	sz_part_parse(SZ_SCRATCH_INGRESS, n, len);
	if (s->p.l4 == SZ_L4_OTHER) {
		sz_count(SZ_R_FOREIGN);
		return SZ_PASS;
	}
	svc = sz_service_find(&s->p.key.server, s->p.l4 == SZ_L4_TCP ? s->p.key.server_port : 0);
	g->cfg = sz_map_get(&sz_config, &zero);
	if (!g->cfg || !svc)
		return sz_guard_foreign(s, g->cfg);
	s->svc = *svc;
	g->svc = &s->svc;
	sz_memset(&s->w, 0, __builtin_offsetof(struct sz_walk, admitted));
	s->scan.path_off = s->scan.target_len = 0;
	s->w.route = SZ_ROUTE_NONE;
	s->w.method = 0xff;
	s->w.monitor = !SZ_RULE(MONITOR) || (svc->flags & SZ_SVC_MONITOR);
	s->w.now = sz_now();
	s->w.base = s->p.payload_off;
	s->w.loaded = n;
	s->w.ifindex = ifindex;
	s->w.rxq = rxq;
	if (SZ_RULE(CONFIG_ABI) && g->cfg->abi != SZ_ABI) {
		sz_count(SZ_R_UNCONFIGURED);
		return SZ_DROP;
	}
	return SZ_AGAIN;
}

/* One frame from the wire. `s` is this CPU's scratch memory. */
SZ_INLINE int sz_guard_ingress(struct sz_ctx *ctx, struct sz_scratch *s, u32 ifindex, u32 rxq)
{
	struct sz_guard g = {.ctx = ctx, .s = s};
	int act = sz_guard_begin(&g, ifindex, rxq);

	if (act != SZ_AGAIN)
		return act;
	act = sz_guard_frame(ctx, &g);
	sz_load_release(g.cfg, s);
	sz_source_frame(s, act);
	return act;
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
	u32 promoted;

	sz_scratch_use(s);
	sz_part_parse(SZ_SCRATCH_EGRESS, n, len);
	if (p->l4 != SZ_L4_TCP)
		return;
	svc = SZ_RULE(LOCAL_SERVER) && forwarded ? sz_service_at(&p->key.client, p->key.client_port)
			: sz_service_find(&p->key.client, p->key.client_port);
	if (!svc)
		return;
	sz_memset(&key, 0, sizeof(key));
	key.client = p->key.server;
	key.server = p->key.client;
	key.client_port = p->key.server_port;
	key.server_port = p->key.client_port;
	f = sz_flow_lookup(&key, &promoted);
	h = promoted ? 0 : f;
	f = promoted ? f : 0;
	if (!SZ_RULE(FLOW_BIRTH) ||
	    (p->tcp_flags & (SZ_TCP_SYN | SZ_TCP_ACK)) == (SZ_TCP_SYN | SZ_TCP_ACK)) {
		struct sz_flow *old = f ? f : h;
		u64 now = sz_now();

		sz_syn_learn(&key, forwarded, now);
		if (old && old->base == p->ack && old->iss == p->seq) {
			/*
			 * Sent again: what was learned since stays. But a server that has taken
			 * bytes does not send its SYN-ACK again: this is another connection with
			 * the same numbers (SYN cookies), and the entry says nothing about it.
			 */
			if (SZ_RULE(SAME_SYNACK) &&
			    (sz_flow_acked(old) != old->base || sz_flow_closed(old))) {
				sz_map_unset(&sz_flows, &key);
				sz_map_unset(&sz_half, &key);
			}
			return;
		}
		sz_flow_init(&s->flow, sz_flow_tag(&key), p->ack, p->seq, svc->id, now);
		sz_map_unset(&sz_flows, &key);
		sz_map_set(&sz_half, &key, &s->flow);
		return;
	}
	f = f ? f : h;
	if (!f)
		return;
	if (SZ_RULE(SERVER_RST) && (p->tcp_flags & SZ_TCP_RST)) {
		sz_map_unset(&sz_flows, &key);
		sz_map_unset(&sz_half, &key);
		return;
	}
	sz_flow_note_sent(f, sz_flow_tag(&key), p->seq + p->payload_len);
	if ((p->tcp_flags & SZ_TCP_ACK) &&
	    !sz_flow_note_ack(f, sz_flow_tag(&key), p->ack, p->tcp_flags & SZ_TCP_FIN) &&
	    !(f->flags & SZ_FLOW_LOST)) {
		sz_count(SZ_R_DESYNC);
		sz_map_unset(&sz_flows, &key);
		sz_map_unset(&sz_half, &key);
	}
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SYN cookies: a SYN for a server of this machine is answered from here while there is pressure,
 * and the client's ACK that carries the cookie begins a flow. Called by guard.h. What makes it
 * sound is in docs/threat-model.md; it must never begin a flow where the server could begin its
 * connection at another byte, or has one already.
 *
 * Besides what guard.h asks for, the includer provides
 *   sz_cookie_make(ctx, s): the cookie in the low half and the MSS it stands for in the high one,
 *     from the kernel's own secret, where a listener of this machine would take it; or negative
 *   sz_cookie_valid(s): would a listener take the segment for the end of a handshake?
 *   sz_server_listens(ctx, s): there is a listener here, and no connection with these addresses
 *   sz_clock_ms(): the clock of the server's TCP timestamps
 */
#ifndef SZ_COOKIE_H
#define SZ_COOKIE_H

#include "subzero/account.h"
#include "subzero/answer.h"
#include "subzero/limit.h"
#include "subzero/flow.h"
#include "subzero/outcome.h"
#include "subzero/parts.h"
#include "subzero/rule.h"

#define SZ_SYN_WINDOW_NS  1000000000ull  /* in which SYNs are counted */
#define SZ_SYN_HOLD_NS    10000000000ull /* pressure lasts this long behind the last sign of it */

#define SZ_COOKIE_WINDOW 29200 /* what a SYN-ACK offers: 20 segments, less than any server does */

/* A server said SYN-ACK: here, or behind this machine? */
SZ_INLINE void sz_syn_learn(const struct sz_flow_key *key, bool forwarded, u64 now)
{
	struct sz_syn *syn = sz_syn_of(&key->server, key->server_port);
	u64 *when;

	if (!syn)
		return;
	when = forwarded ? &syn->routed_ns : &syn->local_ns;
	if (now - *when > SZ_SYN_WINDOW_NS)
		*when = now;
}

/* Only a server whose SYN-ACKs come from this machine shares its secret. */
SZ_INLINE bool sz_syn_local(const struct sz_syn *syn)
{
	return !SZ_RULE(COOKIE_LOCAL) || syn->local_ns > syn->routed_ns;
}

/*
 * Counts a SYN; is there pressure? It begins when in one second more than `rate` SYNs came, or
 * `half` more than connections had a request admitted, and ends when neither was half of that for
 * SZ_SYN_HOLD_NS.
 */
SZ_INLINE bool sz_syn_pressure(struct sz_syn *syn, u32 rate, u32 half, u64 now)
{
	u64 start = syn->window_ns, until = syn->pressure_ns;
	u32 n, done, shift = now < until;

	if (now - start >= SZ_SYN_WINDOW_NS && sz_cas(&syn->window_ns, start, now) == start) {
		syn->syns = 0;
		syn->done = 0;
	}
	n = sz_fetch_add(&syn->syns, 1) + 1;
	done = syn->done;
	if (n <= rate >> shift && (n < done || n - done <= half >> shift))
		return shift;
	if (until < now + SZ_SYN_HOLD_NS - SZ_SYN_WINDOW_NS / 10)
		syn->pressure_ns = now + SZ_SYN_HOLD_NS;
	return true;
}

/* ---- the SYN-ACK ------------------------------------------------------------------------- */

#define SZ_TCPOPT_MSS    2
#define SZ_TCPOPT_WSCALE 3
#define SZ_TCPOPT_SACK   4
#define SZ_TCPOPT_TS     8

struct sz_syn_arg {
	struct sz_scratch *s;
};

/* Finds in the SYN what a cookie's timestamp can keep: SACK, the window scale, the timestamp. */
SZ_LOOP_FN sz_syn_option_step(u64 i, void *arg)
{
	struct sz_scratch *s = ((struct sz_syn_arg *)arg)->s;
	struct sz_syn_options *o = &s->w.syn;
	u32 at = o->at, left = s->p.payload_off - at;
	const u8 *opt = s->frame + SZ_AT(at);
	u8 kind = opt[0], len;

	(void)i;
	if (at >= s->p.payload_off || kind == SZ_TCPOPT_END)
		return 1;
	if (kind == SZ_TCPOPT_NOP) {
		o->at = at + 1;
		return 0;
	}
	len = opt[1];
	if (len < 2 || len > left)
		return 1;
	if (kind == SZ_TCPOPT_SACK && len == 2)
		o->sack = 1;
	if (kind == SZ_TCPOPT_WSCALE && len == 3) {
		o->scaled = 1;
		o->wscale = opt[2] > 14 ? 14 : opt[2];
	}
	if (kind == SZ_TCPOPT_TS && len == 10) {
		o->stamped = 1;
		o->tsval = sz_load32(opt + 2);
	}
	o->at = at + len;
	return 0;
}

#define SZ_TS_SCALE 0x0fu /* in the low bits of a cookie's timestamp: the client's window scale, */
#define SZ_TS_SACK  0x10u /* and whether it knows SACK; this is how Linux keeps them */
#define SZ_TS_BITS  0x3fu

/*
 * The options of the SYN-ACK behind the MSS, which the kernel will read back from the client's
 * echo of the timestamp. Without timestamps nothing but the MSS is kept. Returns their length.
 */
SZ_INLINE u32 sz_cookie_options(struct sz_scratch *s, u32 host, u8 *opt)
{
	const struct sz_syn_options *o = &s->w.syn;
	bool sack = o->sack && (host & SZ_HOST_SACK);
	bool scaled = o->scaled && (host & SZ_HOST_SCALE);
	u32 ts, bits = scaled ? o->wscale : SZ_TS_SCALE;

	if (!o->stamped || !(host & SZ_HOST_STAMPS))
		return 0;
	bits |= sack ? SZ_TS_SACK : 0;
	ts = (s->w.clock_ms & ~SZ_TS_BITS) | bits;
	if (bits > (s->w.clock_ms & SZ_TS_BITS))
		ts -= SZ_TS_BITS + 1;
	opt[0] = sack ? SZ_TCPOPT_SACK : SZ_TCPOPT_NOP;
	opt[1] = sack ? 2 : SZ_TCPOPT_NOP;
	opt[2] = SZ_TCPOPT_TS;
	opt[3] = 10;
	sz_store32(opt + 4, sz_htonl(ts));
	sz_store32(opt + 8, o->tsval);
	if (!scaled)
		return 12;
	opt[12] = SZ_TCPOPT_NOP;
	opt[13] = SZ_TCPOPT_WSCALE;
	opt[14] = 3;
	opt[15] = host & SZ_HOST_WSCALE;
	return 16;
}

/* The SYN-ACK's headers into s->out; returns their length. */
SZ_PART u32 sz_part_synack(u32 host)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);
	struct sz_syn_arg arg = {s};
	u32 l4, mss, n, most;
	u8 *th, *ip;

	if (!s)
		return 0;
	l4 = s->p.l3_off + (s->p.v6 ? 40 : 20);
	mss = s->w.cookie >> 32;
	th = s->out + SZ_OUT(l4);
	ip = s->out + SZ_OUT(s->p.l3_off);
	s->w.syn.at = s->p.l4_off + 20;
	sz_loop(SZ_TCPOPT_BYTES, sz_syn_option_step, &arg);
	sz_part_reply(SZ_TCP_SYN | SZ_TCP_ACK, 0, 0);
	sz_memset(th + 20, 0, 20);
	n = 24 + sz_cookie_options(s, host, th + 24);
	most = s->p.v6 ? 1440 : 1460;
	mss = mss < most ? mss : most;
	sz_store32(th + 4, sz_htonl((u32)s->w.cookie));
	th[12] = (u8)(n << 2);
	sz_store16(th + 14, sz_htons(SZ_COOKIE_WINDOW));
	sz_store16(th + 16, 0);
	th[20] = SZ_TCPOPT_MSS;
	th[21] = 4;
	sz_store16(th + 22, sz_htons((u16)mss));
	sz_ip_length(ip, s->p.v6, n);
	sz_store16(th + 16, (u16)~sz_csum_fold((u64)sz_csum_pseudo(ip, s->p.v6, n) +
					       sz_csum_add(th, 40, 0)));
	return l4 + n;
}

/*
 * A SYN: answered with a cookie where that is wanted and the server would take it. SZ_AGAIN: it is
 * the server's to answer, as ever.
 */
SZ_COLD int sz_cookie_syn(struct sz_ctx *ctx, struct sz_guard *g)
{
	struct sz_scratch *s = g->s;
	struct sz_syn *syn = sz_syn_of(&s->p.key.server, s->p.key.server_port);
	bool wanted = (g->svc->flags & SZ_SVC_COOKIES_ALWAYS) != 0;
	u64 until = s->w.now + SZ_COOKIE_LIFE_NS;
	s64 made;
	u32 n;

	if (!syn || s->w.monitor)
		return SZ_AGAIN;
	wanted |= sz_syn_pressure(syn, g->svc->syn_rate, g->svc->syn_half, s->w.now);
	if (!wanted || !sz_syn_local(syn))
		return SZ_AGAIN;
	made = sz_cookie_make(ctx, s);
	if (made < 0)
		return SZ_AGAIN;
	s->w.cookie = (u64)made;
	s->w.clock_ms = sz_clock_ms();
	/*
	 * The server has no connection of these addresses: what is known of one is over. Looking
	 * takes no lock, and in a flood there is none.
	 */
	if (SZ_RULE(COOKIE_FORGETS)) {
		if (sz_map_get(&sz_flows, &s->p.key))
			sz_map_unset(&sz_flows, &s->p.key);
		if (sz_map_get(&sz_half, &s->p.key))
			sz_map_unset(&sz_half, &s->p.key);
	}
	if (g->cfg->cookie_until_ns < until - SZ_SYN_WINDOW_NS)
		g->cfg->cookie_until_ns = until;
	s->w.stranger = 1;
	n = sz_part_synack(g->cfg->host);
	if (sz_ctx_resize(ctx, n) || sz_ctx_store(ctx, 0, s->out, n, SZ_OUT_MAX))
		return SZ_DROP;
	sz_fetch_add(&syn->sent, 1);
	sz_count(SZ_R_COOKIE_SENT);
	return SZ_REPLY;
}

/* ---- the client's ACK -------------------------------------------------------------------- */

/* May cookies of this machine be about? The daemon says so for those that the kernel gave out. */
SZ_INLINE bool sz_cookies_about(const struct sz_config *cfg, u64 now)
{
	return now < cfg->cookie_until_ns || cfg->heartbeat_ns + cfg->heartbeat_ttl_ns < now;
}

/*
 * A segment of no flow. Where it carries a cookie and the server has no connection of these
 * addresses, the server will begin one at exactly this segment: so does a flow. True: it goes on,
 * whether a flow has begun or not.
 */
SZ_INLINE bool sz_cookie_begin(struct sz_ctx *ctx, struct sz_scratch *s, u32 flags, u32 service)
{
	struct sz_syn *syn = sz_syn_of(&s->p.key.server, s->p.key.server_port);
	u32 reason = SZ_R_NONE;

	if (!syn || !sz_syn_local(syn) || (s->p.tcp_flags & SZ_TCP_FIN))
		return true;
	if (SZ_RULE(COOKIE_VALID) && !sz_cookie_valid(s)) {
		/* While there is pressure, what belongs to no connection is not the server's. */
		if (s->p.payload_len || s->w.monitor ||
		    (s->w.now >= syn->pressure_ns && !(flags & SZ_SVC_COOKIES_ALWAYS)) ||
		    !sz_server_listens(ctx, s))
			return true;
		sz_fetch_add(&syn->bad, 1);
		sz_count(SZ_R_COOKIE_BAD);
		s->w.stranger = 1;
		return false;
	}
	if (SZ_RULE(COOKIE_LISTENS) && !sz_server_listens(ctx, s))
		return true;
	/* The source is known by now: it counts here, and not at its SYN. */
	if (s->service.limit_end[SZ_LIMIT_SYN])
		reason = sz_part_limits(SZ_LIMIT_SYN, SZ_LIMIT_TAKE, 1);
	if (reason != SZ_R_NONE)
		return sz_drop(s, service, reason == SZ_R_STATE_FULL ? SZ_R_SYN_FULL : reason) ==
		       SZ_PASS;
	sz_flow_init(&s->flow, sz_flow_tag(&s->p.key), s->p.seq, s->p.ack - 1, service, s->w.now);
	if (sz_map_add(&sz_half, &s->p.key, &s->flow))
		return sz_map_get(&sz_half, &s->p.key) != 0; /* another CPU's, which decides */
	sz_fetch_add(&syn->good, 1);
	sz_count(SZ_R_COOKIE);
	return true;
}

/*
 * While cookies are about: a segment with ACK. One that carries a cookie begins a flow where there
 * is none. Where there is one, a cookie holds for any sequence number, as long as the difference
 * between the two is right: who has one could begin a connection where he likes, once the server
 * has none. So where a listener could take the segment for such a beginning, it passes only at the
 * first byte of a flow of which the server has taken nothing. 1: it does not pass.
 */
SZ_PART int sz_part_cookie_ack(struct sz_ctx *ctx, u32 flags, u32 service)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);
	const struct sz_flow *f;
	u32 promoted;

	if (!s)
		return 1;
	f = sz_flow_lookup(&s->p.key, &promoted);
	if (!f)
		return (flags & (SZ_SVC_COOKIES_AUTO | SZ_SVC_COOKIES_ALWAYS)) &&
		       !sz_cookie_begin(ctx, s, flags, service);
	if (s->w.now - f->birth_ns > SZ_COOKIE_LIFE_NS)
		return 0;
	if (!sz_flow_open(f) && s->p.seq == f->base && s->p.ack == f->iss + 1)
		return 0;
	if (!SZ_RULE(COOKIE_ELSEWHERE) || !sz_cookie_valid(s) || !sz_server_listens(ctx, s))
		return 0;
	return sz_drop(s, service, SZ_R_HANDSHAKE) != SZ_PASS;
}

#endif

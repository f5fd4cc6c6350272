/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Requests the kernel does not read itself: heads over several segments, unusual targets, chunked
 * bodies, routes that are decided request by request. The bytes are put together here, decided
 * once, and admitted segment by segment through tickets that name exactly those bytes.
 */
#include "gateway/gateway_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "subzero/digest.h"
#include "subzero/flow.h"
#include "subzero/rule.h"

/* What is admitted, for the ticket that ends the head. */
struct verdict {
	enum sz_reason reason; /* SZ_R_TICKET, or why not */
	u64 principal;
	u16 route;
	u16 challenge; /* of a step-up */
	u32 priority;  /* of the principal */
	u8 method;
	u64 explanation;
};

static u64 digest_of(const struct sz_gateway *g, const u8 *p, size_t n)
{
	u8 buf[SZ_FRAME_MAX + 64];

	memcpy(buf, p, n);
	memset(buf + n, 0, 64);
	return sz_segment_digest(g->cfg->key, buf, 0, (u32)n);
}

/* One ticket, for the bytes behind what *chain names; moves *chain behind them. */
static int put_ticket(struct sz_gateway *g, const struct sz_held *h, struct sz_ticket *t,
		      size_t len, u64 *chain)
{
	struct sz_ticket_key key = {.flow = h->miss.flow, .seq = h->miss.seq};
	int r;

	t->digest = digest_of(g, h->frame + h->miss.payload_off + h->miss.undecided, len);
	t->expires_ns = sz_boot_ns() + SZ_TICKET_NS;
	t->len = (u32)len;
	t->service = h->miss.service;
	t->birth_ns = h->miss.birth_ns;
	t->after = *chain;
	r = sz_map_put(g->kern, SZ_MAP_TICKETS, &key, t);
	if (r)
		return r;
	g->stats.tickets++;
	*chain = (t->flags & (SZ_TK_STREAM | SZ_TK_CHUNK)) == SZ_TK_STREAM
			 ? sz_chain(t->after, t->digest)
			 : 0;
	return 0;
}

void sz_stream_token_digest(const struct sz_gateway *g, const char *token, size_t n,
			    struct sz_digest *ret)
{
	u8 buf[SZ_TOKEN_MAX + 64] = {0};

	memcpy(buf, token, n);
	sz_token_digest(g->cfg->key, buf, 0, (u32)n, ret);
}

static size_t held_len(const struct sz_held *h)
{
	return (size_t)h->miss.payload_len - h->miss.undecided;
}

void sz_stream_refuse(struct sz_gateway *g, struct sz_held *h, u32 reason, u64 explanation,
		      u64 chain, bool breaks)
{
	struct sz_ticket t = {.reason = reason,
			      .explanation = explanation,
			      .flags = breaks ? SZ_TK_BREAK : 0,
			      .route = SZ_ROUTE_NONE,
			      .method = 0xff};

	if (held_len(h) && !put_ticket(g, h, &t, held_len(h), &chain))
		sz_guard_inject(g, h);
}

/* One record for a request that was decided here. */
static void audit_request(struct sz_gateway *g, const struct sz_pending *p, const struct verdict *v,
			  const struct sz_decision *d, const char *why)
{
	const struct sz_http_head *http = p->http;
	bool known = v->route != SZ_ROUTE_NONE && v->route < p->svc->n_routes;
	struct sz_audit_record r = {
		.type = SZ_AUDIT_DECISION,
		.wall_ns = sz_wall_ns(),
		.reason = v->reason,
		.verdict = v->reason == SZ_R_TICKET ? SZ_ALLOW : SZ_DENY,
		.has_verdict = true,
		.service = p->svc->name,
		.route = known ? p->svc->routes[v->route].name : NULL,
		.flow = &p->key,
		.latency_ns = sz_boot_ns() - p->started_ns,
		.monitor = p->svc->monitor,
		.explanation = v->explanation,
		.detail = why,
	};

	if (http) {
		r.method = sz_method_name(http->method);
		r.path = http->target;
		r.path_len = http->target_len;
	}
	if (d && d->token.issuer) {
		r.principal_id = d->principal;
		r.issuer = d->token.issuer;
		r.subject = d->token.subject;
		r.jti = d->token.jti;
		r.kid = d->token.kid;
		r.alg = d->token.alg ? sz_alg_name(d->token.alg) : NULL;
	}
	sz_journal_add(g->journal, &r);
}

/* ---- tickets for a whole head -------------------- */

/* The body goes on behind the ticket's bytes: with the data of a chunk, or within its framing. */
static void open_chunk(struct sz_pending *p, struct sz_ticket *t)
{
	t->flags |= SZ_TK_STREAM;
	if (sz_http_chunks_in_data(&p->chunks)) {
		t->flags |= SZ_TK_CHUNK;
		t->more = p->chunks.left;
		p->chunks.left = 0;
	}
}

/*
 * The last segment of the head also holds the beginning of a chunked body, perhaps all of it.
 * Returns the bytes of the segment the ticket covers, or -EBADMSG.
 */
static ssize_t begin_chunks(struct sz_pending *p, struct sz_held *h, size_t in_head,
			    struct sz_ticket *t, bool *ret_done)
{
	const char *rest =
		(const char *)h->frame + h->miss.payload_off + h->miss.undecided + in_head;
	size_t used = 0;
	enum sz_http_status s;

	sz_http_chunks_init(&p->chunks);
	s = sz_http_chunks_feed(&p->chunks, rest, held_len(h) - in_head, &used);
	if (s == SZ_HTTP_BAD)
		return -EBADMSG;
	if (s == SZ_HTTP_MORE)
		open_chunk(p, t);
	/* Between chunks the kernel goes on by itself; only an odd place needs the parser's state.
	 */
	*ret_done = s == SZ_HTTP_OK || (t->flags & SZ_TK_CHUNK);
	return (ssize_t)(in_head + used);
}

/* Writes one ticket for each held segment of the head. Returns 0 or the reason to refuse. */
static enum sz_reason head_tickets(struct sz_gateway *g, struct sz_pending *p,
				   const struct verdict *v, bool *ret_done)
{
	size_t left = p->http->head_len - p->released;
	u64 chain = p->chain;
	struct sz_held *h;

	*ret_done = true;
	for (h = p->first; h && left; h = h->next) {
		struct sz_ticket t = {.reason = SZ_R_TICKET,
				      .principal = v->principal,
				      .route = v->route,
				      .method = v->method};
		size_t len = held_len(h);
		ssize_t used;

		if (len < left) {
			t.flags = SZ_TK_STREAM;
			left -= len;
		} else {
			t.flags = SZ_TK_REQUEST | v->priority << SZ_PRIORITY_SHIFT;
			used = (ssize_t)left;
			if (p->http->chunked)
				used = begin_chunks(p, h, left, &t, ret_done);
			else
				t.more = p->http->content_length;
			if (used < 0)
				return SZ_R_BAD_REQUEST;
			left = 0;
			len = (size_t)used;
			p->seq = h->miss.seq + (u32)len;
		}
		if (put_ticket(g, h, &t, len, &chain))
			return SZ_R_STATE_FULL;
	}
	p->chain = chain;
	return SZ_R_NONE;
}

static void refuse_with(struct sz_gateway *g, struct sz_pending *p, const struct verdict *v)
{
	u64 began = p->trace ? sz_boot_ns() : 0;

	if (p->first)
		sz_stream_refuse(g, p->first, SZ_TELL(v->reason, v->challenge), v->explanation,
				 p->chain, p->state == SZ_PENDING_CHUNKS);
	sz_traced_verdict(p, v->reason, false, NULL);
	sz_traced_inject(p, began);
	sz_pending_free(g, p);
}

/* Why it is refused before any route is looked at. */
static u64 before_of(const struct sz_gateway *g, const struct sz_pending *p, enum sz_reason reason)
{
	return sz_policy_explain_before(sz_verifier_policy(g->verifier), p->svc, reason);
}

static void refuse(struct sz_gateway *g, struct sz_pending *p, enum sz_reason reason)
{
	struct verdict v = {.reason = reason, .explanation = before_of(g, p, reason)};

	refuse_with(g, p, &v);
}

/* Framing of a chunked body in the one frame that is held: admits it, and those that join on. */
static void feed_chunks(struct sz_gateway *g, struct sz_pending *p)
{
	do {
		struct sz_ticket t = {
			.reason = SZ_R_TICKET, .route = SZ_ROUTE_NONE, .method = 0xff};
		const struct sz_held *h = p->first;
		size_t used = 0;
		enum sz_http_status s = sz_http_chunks_feed(
			&p->chunks,
			(const char *)h->frame + h->miss.payload_off + h->miss.undecided,
			held_len(h), &used);

		if (s == SZ_HTTP_BAD) {
			refuse(g, p, SZ_R_BAD_REQUEST);
			return;
		}
		if (s == SZ_HTTP_MORE)
			open_chunk(p, &t);
		p->seq = h->miss.seq + (u32)used;
		p->started_ns = sz_boot_ns();
		if (put_ticket(g, h, &t, used, &p->chain)) {
			refuse(g, p, SZ_R_STATE_FULL);
			return;
		}
		sz_pending_inject(g, p);
		if (s == SZ_HTTP_OK || (t.flags & SZ_TK_CHUNK)) {
			sz_pending_done(g, p);
			return;
		}
	} while (sz_pending_take(p, p->seq));
}

static void admit(struct sz_gateway *g, struct sz_pending *p, const struct verdict *v)
{
	enum sz_reason r;
	bool done;

	if (p->svc->monitor) {
		sz_pending_free(g, p);
		return;
	}
	r = head_tickets(g, p, v, &done);
	if (r != SZ_R_NONE) {
		refuse(g, p, r);
		return;
	}
	sz_pending_inject(g, p);
	if (done) {
		sz_pending_done(g, p);
		return;
	}
	p->state = SZ_PENDING_CHUNKS;
	p->started_ns = sz_boot_ns();
	sz_buf_done(&p->head);
	free(p->http);
	p->http = NULL;
	if (sz_pending_take(p, p->seq))
		feed_chunks(g, p);
}

/* ---- deciding -------------------- */

void sz_stream_decided(struct sz_gateway *g, struct sz_pending *p, const struct sz_decision *d)
{
	struct verdict v = {.route = SZ_ROUTE_NONE, .method = (u8)p->http->method};
	struct sz_policy_ruling r;
	const char *why;

	if (d && d->reason != SZ_R_NONE) {
		v.reason = d->reason;
		v.explanation = before_of(g, p, v.reason);
		why = d->detail.msg;
	} else {
		sz_ruling_make(g, p, d, &r);
		v.reason = r.reason;
		v.route = r.route;
		v.challenge = r.challenge;
		v.principal = d ? d->principal : 0;
		v.explanation = r.id;
		why = r.why.msg;
		v.priority = d ? d->priority : 0;
	}
	audit_request(g, p, &v, d, why[0] ? why : NULL);
	sz_traced_verdict(p, v.reason, v.reason == SZ_R_TICKET,
			  v.route < p->svc->n_routes ? p->svc->routes[v.route].path : NULL);
	if (v.reason == SZ_R_TICKET)
		admit(g, p, &v);
	else
		refuse_with(g, p, &v);
}

/* The head is whole: a token to verify, or not. */
static void head_complete(struct sz_gateway *g, struct sz_pending *p, const struct sz_miss *m)
{
	struct sz_digest digest;
	struct verdict v = {.route = SZ_ROUTE_NONE, .method = (u8)p->http->method};

	p->state = SZ_PENDING_REQUEST;
	sz_traced_begin(g, p, p->head.data, p->http->head_len);
	if (SZ_RULE(D_UPGRADE) && p->http->upgrade) {
		v.reason = SZ_R_UPGRADE;
	} else if (SZ_RULE(D_SCHEME) && p->http->has_auth && !p->http->token) {
		v.reason = SZ_R_BAD_SCHEME;
	} else if (p->http->token && p->http->token_len > SZ_TOKEN_MAX) {
		v.reason = SZ_R_BAD_TOKEN;
	} else if (p->http->token && (p->first != p->last || p->released) &&
		   sz_load_full(g, p)) {
		v.reason = SZ_R_BUSY;
	} else if (p->http->token && p->http->dpop) {
		sz_bound_verify(g, p);
		return;
	} else if (p->http->token) {
		sz_stream_token_digest(g, p->http->token, p->http->token_len, &digest);
		p->token = digest;
		sz_guard_verify(g, p, m, p->http->token, p->http->token_len, &digest);
		return;
	} else {
		sz_stream_decided(g, p, NULL);
		return;
	}
	v.explanation = before_of(g, p, v.reason);
	audit_request(g, p, &v, NULL, NULL);
	refuse(g, p, v.reason);
}

/* ---- gathering -------------------- */

/* Looks at the bytes so far; decides, refuses, or waits for more: true. */
static bool try_head(struct sz_gateway *g, struct sz_pending *p, const struct sz_miss *m)
{
	enum sz_reason reason = SZ_R_NONE;
	struct verdict v = {.route = SZ_ROUTE_NONE, .method = 0xff};
	struct sz_error e = {};

	if (!p->http)
		p->http = sz_calloc(1, sizeof(*p->http));
	switch (sz_http_head_parse(p->head.data, p->head.len, p->http, &reason, &e)) {
	case SZ_HTTP_OK:
		head_complete(g, p, m);
		return false;
	case SZ_HTTP_MORE:
		if (p->head.len < SZ_HEAD_MAX)
			return true;
		reason = SZ_R_HEAD_TOO_LARGE;
		break;
	case SZ_HTTP_BAD:
		break;
	}
	v.reason = reason;
	v.explanation = before_of(g, p, reason);
	free(p->http); /* what was read of it is not to be shown */
	p->http = NULL;
	audit_request(g, p, &v, NULL, e.msg[0] ? e.msg : NULL);
	refuse(g, p, reason);
	return false;
}

/*
 * For a client that does not send the rest of a head without an acknowledgement, which only the
 * server can give; it shows this by sending the beginning again. So what has been read, and found
 * sound so far, goes on ahead, fixed byte for byte by its tickets. The server cannot act on it: the
 * end of the head is missing, and passes only with the decision; a refusal resets the server's
 * side.
 */
static void release_prefix(struct sz_gateway *g, struct sz_pending *p)
{
	/* A CR alone may end a line for some server: it stays behind, and comes again. */
	size_t behind = SZ_RULE(D_CARRY_CR) && p->head.len &&
			p->head.data[p->head.len - 1] == '\r';
	u64 chain = p->chain;
	struct sz_held *h;

	for (h = p->first; h; h = h->next) {
		struct sz_ticket t = {.reason = SZ_R_TICKET,
				      .flags = SZ_TK_STREAM,
				      .route = SZ_ROUTE_NONE,
				      .method = 0xff};
		size_t len = held_len(h) - (h == p->last ? behind : 0);

		if (len && put_ticket(g, h, &t, len, &chain))
			return;
	}
	p->chain = chain;
	p->head.len -= behind;
	p->released = p->head.len;
	p->started_ns = sz_boot_ns();
	sz_pending_inject(g, p);
}

/* What has passed of this head, or of this framing, before the frame: -ESTALE when it is gone. */
static ssize_t carried(struct sz_gateway *g, const struct sz_miss *m, u8 to[SZ_CARRY_MAX])
{
	struct sz_carry c;

	if (!m->carried)
		return 0;
	if (sz_map_get(g->kern, SZ_MAP_CARRY, &m->flow, &c) || c.birth_ns != m->birth_ns ||
	    c.len != m->carried || c.len > SZ_CARRY_MAX || c.seq + c.len != m->seq)
		return -ESTALE;
	memcpy(to, c.bytes, c.len);
	return (ssize_t)c.len;
}

void sz_stream_begin(struct sz_gateway *g, const struct sz_miss *m, const u8 *frame,
		     const struct sz_conf_service *svc)
{
	u8 before[SZ_CARRY_MAX];
	ssize_t n = carried(g, m, before);
	struct sz_pending *p = n < 0 ? NULL : sz_pending_new(g, m, svc, SZ_PENDING_HEAD);

	if (!p)
		return;
	if (!sz_pending_hold(g, p, m, frame)) {
		sz_pending_free(g, p);
		return;
	}
	p->seq = m->seq - (u32)n;
	p->released = (size_t)n;
	p->chain = n ? digest_of(g, before, (size_t)n) : 0;
	sz_buf_add(&p->head, before, (size_t)n);
	sz_buf_add(&p->head, frame + m->payload_off + m->undecided, held_len(p->first));
	/* What follows so few bytes is taken for a forged handshake until the server speaks. */
	if (try_head(g, p, m) && !m->monitor && p->head.len < SZ_COOKIE_NEAR)
		release_prefix(g, p);
}

void sz_stream_chunk(struct sz_gateway *g, struct sz_pending *p, const struct sz_miss *m,
		     const u8 *frame, const struct sz_conf_service *svc)
{
	u8 before[SZ_CARRY_MAX];
	ssize_t n = carried(g, m, before);
	size_t used = 0;

	if (n >= 0 && !p)
		p = sz_pending_new(g, m, svc, SZ_PENDING_CHUNKS);
	if (n < 0 || !p)
		return;
	sz_http_chunks_resume(&p->chunks);
	/* The kernel carries only a sound beginning: all of it is used and more is to come. */
	if (n && (sz_http_chunks_feed(&p->chunks, (const char *)before, (size_t)n, &used) !=
			  SZ_HTTP_MORE ||
		  used != (size_t)n)) {
		sz_pending_free(g, p);
		return;
	}
	p->chain = n ? digest_of(g, before, (size_t)n) : 0;
	if (sz_pending_hold(g, p, m, frame))
		feed_chunks(g, p);
}

/* Inside chunk framing: only the next segment can be used. */
static void more_chunks(struct sz_gateway *g, struct sz_pending *p, const struct sz_miss *m,
			const u8 *frame)
{
	if (m->seq == p->seq && sz_pending_hold(g, p, m, frame))
		feed_chunks(g, p);
	else if (sz_seq_before(p->seq, m->seq))
		sz_pending_later(g, p, m, frame);
}

void sz_stream_more(struct sz_gateway *g, struct sz_pending *p, const struct sz_miss *m,
		    const u8 *frame)
{
	u32 expected = p->seq + (u32)p->head.len;

	if (p->state == SZ_PENDING_CHUNKS) {
		more_chunks(g, p, m, frame);
		return;
	}
	if (m->payload_len <= m->undecided)
		return;
	if (!p->released && m->seq == p->seq && (u32)m->payload_len - m->undecided > p->head.len) {
		/* Sent again in larger pieces: what was put together from smaller ones is void. */
		const struct sz_conf_service *svc = p->svc;

		sz_pending_free(g, p);
		sz_stream_begin(g, m, frame, svc);
		return;
	}
	if (m->seq == p->seq + (u32)p->released && sz_seq_before(m->seq, expected)) {
		release_prefix(g, p);
		return;
	}
	if (sz_seq_before(m->seq, expected))
		return; /* nothing new in it */
	sz_pending_later(g, p, m, frame);
	/* As far as the pieces fit together; try_head may end the question. */
	while (sz_pending_take(p, expected)) {
		struct sz_held *h = p->last;

		sz_buf_add(&p->head, h->frame + h->miss.payload_off + h->miss.undecided,
			   held_len(h));
		expected += (u32)held_len(h);
		if (!try_head(g, p, &h->miss))
			return;
	}
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The whole guard under a script of segments, acknowledgements and verdicts: a server behind it
 * that reads the stream by its own small HTTP reader, and a daemon that speaks the kernel's
 * protocol as user/gateway does: heads put together from pieces, prefixes passed on ahead, tickets
 * of every kind, frames put back in order, questions among them asked anew.
 *
 * What must hold: a byte the server could still accept never passes with two contents, unless it
 * lies in a body that was announced; nothing passes behind the decided bytes; every request the
 * server reads is one that is allowed; the client's FIN never follows the beginning of a head; an
 * answer of the guard stands where the server's next byte would. A client's RST may end the
 * server's connection anywhere between what it has acknowledged and what it was sent, and a bare
 * ACK with the old numbers begins it again, as SYN cookies allow.
 */
#include <strings.h>

#define SCENE_NATIVE
#define main harness_main
#include "script.h"
#undef main

#include "stream_reader.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t n);

/* ---- the server ---- */

static struct {
	struct reader r;
	u32 acked; /* as the egress program has seen it */
	u32 got;   /* bytes without a gap; the reader runs ahead over what is announced */
	bool gone;
	bool answered; /* the guard has spoken in its place, */
	u32 answer;    /* here */
	u8 have[SPAN], value[SPAN], body[SPAN];
	u8 open[SPAN + 1], fin[SPAN + 1]; /* inside a head there; a FIN came there */
} server;

static u32 client_has; /* of what the server said */

static void server_begin(void)
{
	memset(&server, 0, sizeof(server));
	server.r.body = server.body;
	scene_ack = client_has = SCENE_ISS + 1;
}

/*
 * A FIN behind `o` bytes: it must not be the end of a head that is not whole. What is not
 * acknowledged may have been lost on its way, with a wrong checksum, so that this is the next byte.
 */
static void server_takes_fin(u32 o)
{
	if (o > SPAN || (s32)(o - server.acked) < 0)
		return;
	server.fin[o] = 1;
	must(o > server.r.pos || !server.open[o]);
}

static void server_says(u32 n)
{
	static const u8 said[256];

	OUT(.flags = PKT_ACK | PKT_PSH, .seq = scene_ack, .ack = scene_base + server.acked,
	    .data = said, .len = n);
	scene_ack += n;
}

/* A segment reached the server. */
static void server_takes(const struct pkt_seg *s)
{
	u32 at = s->seq - scene_base;

	if (server.gone && (s->flags & PKT_ACK) && s->ack == SCENE_ISS + 1 && at == 0 &&
	    !(s->flags & PKT_RST))
		server_begin(); /* the cookie is still good */
	if (s->flags & PKT_RST) {
		server.gone |= at >= server.acked && at <= server.got + 1;
		return;
	}
	must(s->tcp_ok && s->ip_ok && !(s->flags & PKT_URG));
	if (server.gone)
		return;
	for (u32 i = 0; i < s->len; i++) {
		u32 o = at + i;

		if ((s32)(o - server.acked) < 0)
			continue;
		if (o >= SPAN) {
			must(server.body[SPAN - 1]);
			break;
		}
		must(!server.have[o] || server.body[o] || server.value[o] == s->data[i]);
		server.have[o] = 1;
		server.value[o] = s->data[i];
	}
	while (server.got < SPAN && server.have[server.got])
		server.got++;
	while (server.r.pos < SPAN && (server.have[server.r.pos] || server.body[server.r.pos])) {
		reader_take(&server.r, server.value[server.r.pos]);
		server.open[server.r.pos] = server.r.state == IN_HEAD && server.r.n;
		must(!server.open[server.r.pos] || !server.fin[server.r.pos]);
	}
	for (u32 i = 0; i < s->len; i++) {
		u32 o = at + i;

		must((s32)(o - server.acked) < 0 || o < server.r.pos || o >= SPAN);
	}
	if (s->flags & PKT_FIN)
		server_takes_fin(at + s->len);
}

static void server_acks(u32 to, u8 flags)
{
	if (server.gone || to < server.acked || to > server.got)
		return;
	server.acked = to;
	OUT(.flags = PKT_ACK | flags, .seq = scene_ack, .ack = scene_base + to);
}

/*
 * The guard has answered in the server's place: once, and again in the same place only. Before the
 * first request a client that lies about what it has deceives itself alone.
 */
static void client_is_answered(const struct pkt_seg *s)
{
	if (!s->len)
		return;
	must(s->tcp_ok && s->ip_ok);
	must(server.answered ? s->seq == server.answer : s->seq == scene_ack || !server.r.heads);
	server.answered = true;
	server.answer = s->seq;
}

static void arrives(void)
{
	int act = scene_raw();

	if (act == SCENE_REPLY && scene.parsed)
		client_is_answered(&scene.seg);
	if (act == SCENE_PASS && scene.parsed)
		server_takes(&scene.seg);
}

/* ---- the daemon ---- */

#define FRAMES 64
#define FRAME  2600
#define ROUNDS 64

struct held {
	struct sz_miss m;
	u8 bytes[FRAME];
};

enum { NOTHING, TOKEN, HEAD, REQUEST, CHUNKS, ORDER };

static struct {
	u32 state;
	u32 seq;      /* first byte of the request, or the next one of a chunked body */
	u32 released; /* bytes of the head that went on ahead */
	u32 head_len;
	u64 chain; /* of what has passed of what is asked about */
	u8 head[4000];
	struct reader chunks;
	struct held first[FRAMES], later[FRAMES]; /* what is asked; what lies behind it, by place */
	u32 n_first, n_later;
	bool slow;  /* decisions come in a step of their own */
	u32 losing; /* frames that are lost on their way back */
} daemon;

static void daemon_forgets(void)
{
	daemon.state = NOTHING;
	daemon.n_first = daemon.n_later = daemon.head_len = daemon.released = 0;
	daemon.chain = 0;
}

static const u8 *held_bytes(const struct held *h)
{
	return h->bytes + h->m.payload_off + h->m.undecided;
}

static u32 held_len(const struct held *h)
{
	return (u32)h->m.payload_len - h->m.undecided;
}

static bool kernel_flow(struct sz_flow *f)
{
	return scene_flow(f) || scene_half(f);
}

/* For the bytes behind what *chain names; moves *chain behind them. */
static void put_ticket(const struct held *h, u32 len, u32 reason, u32 flags, u64 more, u64 *chain)
{
	struct sz_ticket t = scene_ticket_value(held_bytes(h), len, flags, more);

	if (!len)
		return;
	t.reason = reason;
	t.birth_ns = h->m.birth_ns;
	t.after = *chain;
	scene_ticket_set(h->m.seq - scene_base, &t);
	*chain = (flags & (SZ_TK_STREAM | SZ_TK_CHUNK)) == SZ_TK_STREAM
			 ? sz_chain(t.after, t.digest)
			 : 0;
}

static void put_back(const struct held *h)
{
	static u8 copy[FRAME];
	u32 len = h->m.frame_len;

	if (daemon.losing) {
		daemon.losing--;
		return;
	}
	memcpy(copy, h->bytes, len);
	memcpy(scene.in, copy, len);
	scene.in_len = len;
	arrives();
}

static void put_back_first(void)
{
	u32 n = daemon.n_first;

	daemon.n_first = 0;
	for (u32 i = 0; i < n; i++)
		put_back(&daemon.first[i]);
}

static bool hold_first(const struct held *h)
{
	if (daemon.n_first == FRAMES)
		return false;
	daemon.first[daemon.n_first++] = *h;
	return true;
}

static void hold_later(const struct held *h)
{
	u32 i = 0;

	while (i < daemon.n_later && sz_seq_before(daemon.later[i].m.seq, h->m.seq))
		i++;
	if (i < daemon.n_later && daemon.later[i].m.seq == h->m.seq &&
	    daemon.later[i].m.frame_len >= h->m.frame_len)
		return;
	if (daemon.n_later == FRAMES)
		return;
	memmove(&daemon.later[i + 1], &daemon.later[i],
		(daemon.n_later++ - i) * sizeof(daemon.later[0]));
	daemon.later[i] = *h;
}

static void take_later(u32 i, struct held *ret)
{
	*ret = daemon.later[i];
	daemon.n_later--;
	memmove(&daemon.later[i], &daemon.later[i + 1],
		(daemon.n_later - i) * sizeof(daemon.later[0]));
}

/* The frame behind what was read of a chunked body becomes the one that is asked about. */
static bool take_joining(void)
{
	for (u32 i = 0; i < daemon.n_later; i++) {
		if (daemon.later[i].m.seq != daemon.seq)
			continue;
		take_later(i, &daemon.first[0]);
		daemon.n_first = 1;
		return true;
	}
	return false;
}

static void ask(const struct held *h);
static void feed_chunks(void);

/* What lies behind the question goes back as far as it joins on. */
static void question_done(void)
{
	struct sz_flow f;
	struct held h;

	daemon.head_len = daemon.released = 0;
	daemon.chain = 0;
	while (daemon.n_later) {
		bool alive = kernel_flow(&f), question;

		question = alive && daemon.later[0].m.reason != SZ_MISS_STREAM &&
			   f.next == daemon.later[0].m.seq && (f.flags & SZ_FLOW_ASKED);
		if (alive && sz_seq_before(f.next, daemon.later[0].m.seq)) {
			daemon.state = ORDER;
			return;
		}
		take_later(0, &h);
		if (question) {
			daemon.state = ORDER;
			ask(&h);
			return;
		}
		if (alive && sz_seq_before(sz_flow_acked(&f), h.m.seq + held_len(&h)))
			put_back(&h);
	}
	daemon_forgets();
}

static void refuse(u32 reason)
{
	if (daemon.n_first) {
		put_ticket(&daemon.first[0], held_len(&daemon.first[0]), reason,
			   daemon.state == CHUNKS ? SZ_TK_BREAK : 0, 0, &daemon.chain);
		put_back(&daemon.first[0]);
	}
	daemon_forgets();
}

/*
 * Reads on in a chunked body: returns the bytes that belong to it, and the ticket's flags and the
 * data that follows. *ret_done: the kernel goes on by itself, or the body has ended.
 */
static u32 read_chunks(const u8 *p, u32 n, u32 *flags, u64 *more, bool *ret_done)
{
	struct reader *r = &daemon.chunks;
	u32 used = 0;

	*ret_done = false;
	while (used < n && r->state != IN_HEAD && !r->refused)
		reader_take(r, p[used++]);
	r->refused |= r->n > 1000;
	if (r->refused)
		return 0;
	*ret_done = r->state == IN_HEAD;
	if (r->state == IN_DATA || (r->state == IN_CRLF && !r->n)) {
		*flags |= SZ_TK_STREAM | SZ_TK_CHUNK;
		*more = r->left;
		*ret_done = true;
	} else if (r->state != IN_HEAD) {
		*flags |= SZ_TK_STREAM;
	}
	return used;
}

/* The head is whole: tickets for all of its pieces, or a refusal. */
static void decide(void)
{
	struct reader r = {.pos = daemon.seq - scene_base};
	u64 chain = daemon.chain;
	u32 n = 0, left;
	bool done = true;

	while (n < daemon.head_len && !r.heads)
		reader_take(&r, daemon.head[n++]);
	if (r.refused) {
		refuse(SZ_R_NO_SCOPE);
		return;
	}
	left = n - daemon.released;
	for (u32 i = 0; i < daemon.n_first && left; i++) {
		const struct held *h = &daemon.first[i];
		u32 len = held_len(h), flags = SZ_TK_STREAM;
		u64 more = 0;

		if (len < left) {
			left -= len;
		} else {
			flags = SZ_TK_REQUEST;
			len = left;
			more = r.left;
			if (r.chunked) {
				daemon.chunks = r;
				more = 0;
				len += read_chunks(held_bytes(h) + left, held_len(h) - left, &flags,
						   &more, &done);
				if (daemon.chunks.refused) {
					refuse(SZ_R_BAD_REQUEST);
					return;
				}
			}
			left = 0;
			daemon.seq = h->m.seq + len;
		}
		put_ticket(h, len, SZ_R_TICKET, flags, more, &chain);
	}
	daemon.chain = chain;
	daemon.state = CHUNKS;
	put_back_first();
	if (done)
		question_done();
	else if (take_joining())
		feed_chunks();
}

/* True: more of the head must come. */
static bool try_head(void)
{
	if (memmem(daemon.head, daemon.head_len, "\r\n\r\n", 4)) {
		daemon.state = REQUEST;
		if (!daemon.slow)
			decide();
		return false;
	}
	if (daemon.head_len < 3000)
		return true;
	refuse(SZ_R_HEAD_TOO_LARGE);
	return false;
}

static bool add_to_head(const struct held *h)
{
	if (!hold_first(h) || daemon.head_len + held_len(h) > sizeof(daemon.head))
		return false;
	memcpy(daemon.head + daemon.head_len, held_bytes(h), held_len(h));
	daemon.head_len += held_len(h);
	return true;
}

/* What has passed of the head or the framing before the frame; -1: it is gone. */
static s32 carried(const struct held *h, u8 to[SZ_CARRY_MAX])
{
	struct sz_flow_key k = scene_flow_key();
	struct sz_carry c;

	if (!h->m.carried)
		return 0;
	if (machine_get("sz_carry", &k, &c) || c.birth_ns != h->m.birth_ns ||
	    c.len != h->m.carried || c.seq + c.len != h->m.seq)
		return -1;
	memcpy(to, c.bytes, c.len);
	return (s32)c.len;
}

static u64 chain_of(const u8 *before, u32 n)
{
	return n ? scene_ticket_value(before, n, 0, 0).digest : 0;
}

/* Goes on ahead, but for a CR at its end. */
static void release_prefix(void)
{
	u32 behind = daemon.head_len && daemon.head[daemon.head_len - 1] == '\r';

	for (u32 i = 0; i < daemon.n_first; i++)
		put_ticket(&daemon.first[i],
			   held_len(&daemon.first[i]) - (i + 1 == daemon.n_first ? behind : 0),
			   SZ_R_TICKET, SZ_TK_STREAM, 0, &daemon.chain);
	daemon.head_len -= behind;
	daemon.released = daemon.head_len;
	put_back_first();
}

static void begin_head(const struct held *h)
{
	s32 n = carried(h, daemon.head);

	if (n < 0) {
		daemon.state = daemon.n_later ? ORDER : NOTHING;
		return;
	}
	daemon.state = HEAD;
	daemon.seq = h->m.seq - (u32)n;
	daemon.n_first = 0;
	daemon.head_len = daemon.released = (u32)n;
	daemon.chain = chain_of(daemon.head, (u32)n);
	if (!add_to_head(h))
		daemon_forgets();
	else if (try_head() && daemon.head_len < SZ_COOKIE_NEAR)
		release_prefix();
}

/* Framing in the one frame that is held: admits it, and those that join on. */
static void feed_chunks(void)
{
	bool done;

	do {
		const struct held *h = &daemon.first[0];
		u32 flags = 0, used;
		u64 more = 0;

		used = read_chunks(held_bytes(h), held_len(h), &flags, &more, &done);
		if (daemon.chunks.refused) {
			refuse(SZ_R_BAD_REQUEST);
			return;
		}
		daemon.seq = h->m.seq + used;
		put_ticket(h, used, SZ_R_TICKET, flags, more, &daemon.chain);
		put_back_first();
		if (done) {
			question_done();
			return;
		}
	} while (take_joining());
}

/* Behind the data of a chunk, which the kernel has followed by itself until here. */
static void ask_chunk(const struct held *h)
{
	u8 before[SZ_CARRY_MAX];
	struct sz_flow f;
	u64 more = 0;
	u32 flags = 0;
	bool done;
	s32 n;

	if (!kernel_flow(&f) || f.next != h->m.seq || !(f.flags & SZ_FLOW_CHUNK))
		return;
	n = carried(h, before);
	if (n < 0)
		return;
	daemon.state = CHUNKS;
	daemon.chunks = (struct reader){.pos = h->m.seq - scene_base - (u32)n, .state = IN_CRLF};
	must(read_chunks(before, (u32)n, &flags, &more, &done) == (u32)n);
	must(daemon.chunks.state != IN_HEAD && daemon.chunks.state != IN_DATA);
	daemon.chain = chain_of(before, (u32)n);
	daemon.n_first = 0;
	hold_first(h);
	feed_chunks();
}

static void ask(const struct held *h)
{
	if (h->m.reason == SZ_MISS_CHUNK) {
		ask_chunk(h);
	} else if (h->m.reason == SZ_MISS_TOKEN) {
		daemon.state = TOKEN;
		hold_first(h);
	} else {
		begin_head(h);
	}
}

/* More of a head, or of a chunked body, that is being followed. */
static void goes_on(const struct held *h)
{
	u32 expected = daemon.seq + daemon.head_len, i;
	struct held next;

	if (daemon.state == CHUNKS) {
		if (h->m.seq == daemon.seq && hold_first(h))
			feed_chunks();
		else if (sz_seq_before(daemon.seq, h->m.seq))
			hold_later(h);
		return;
	}
	if (!held_len(h))
		return;
	if (!daemon.released && h->m.seq == daemon.seq && held_len(h) > daemon.head_len) {
		daemon_forgets();
		begin_head(h);
		return;
	}
	if (h->m.seq == daemon.seq + daemon.released && sz_seq_before(h->m.seq, expected)) {
		release_prefix();
		return;
	}
	if (sz_seq_before(h->m.seq, expected))
		return;
	hold_later(h);
	for (i = 0; i < daemon.n_later;) {
		if (daemon.later[i].m.seq != expected) {
			i++;
			continue;
		}
		take_later(i, &next);
		if (!add_to_head(&next)) {
			daemon_forgets();
			return;
		}
		expected += held_len(&next);
		if (!try_head())
			return;
		i = 0;
	}
}

/* A segment behind a question that is no longer open. */
static void orphan(const struct held *h)
{
	struct sz_flow f;

	if (!kernel_flow(&f) || !sz_seq_before(sz_flow_acked(&f), h->m.seq + held_len(h)))
		return;
	if (f.next == h->m.seq && (f.flags & (SZ_FLOW_STREAM | SZ_FLOW_CHUNK)) == SZ_FLOW_STREAM) {
		put_ticket(h, held_len(h), SZ_R_OVERLOAD, SZ_TK_BREAK, 0, &f.chain);
		put_back(h);
		return;
	}
	daemon.state = ORDER;
	hold_later(h);
}

static void on_miss(const struct held *h)
{
	u32 state = daemon.state;

	if (state == ORDER && h->m.reason != SZ_MISS_STREAM)
		state = NOTHING; /* what is put in order stays, behind the new question */
	if (h->m.reason == SZ_MISS_CHUNK && state == NOTHING)
		ask_chunk(h);
	else if (h->m.reason == SZ_MISS_CHUNK && state == CHUNKS)
		ask_chunk(h);
	else if (state == HEAD || state == CHUNKS)
		goes_on(h);
	else if (state == TOKEN || state == REQUEST)
		hold_later(h);
	else if (h->m.reason == SZ_MISS_STREAM)
		orphan(h);
	else
		ask(h);
}

static void daemon_runs(void)
{
	static struct held h;
	struct sz_event e;
	u32 rounds = 0;

	do {
		/* Frames that come back at once have a budget, and the scene none. */
		for (u32 n = 0; n < ROUNDS && scene_miss(&h.m); n++) {
			if (h.m.frame_len > FRAME)
				continue;
			memcpy(h.bytes, scene_miss_frame, h.m.frame_len);
			on_miss(&h);
		}
		if (daemon.state == ORDER)
			question_done();
	} while (sz_misses.n && rounds++ < ROUNDS);
	while (scene_event(&e))
		;
}

/* The decision that was waited for. */
static void daemon_decides(void)
{
	if (daemon.state == REQUEST) {
		decide();
	} else if (daemon.state == TOKEN) {
		put_back_first();
		question_done();
	}
}

/* ---- the client ---- */

#define SENT 32

static struct script script;
#define STEP (&script.step)

static struct {
	u32 at, len, ack;
	u8 flags, bytes[1200];
} sent[SENT];
static u32 n_sent;

static void send_again(u32 i, u32 ack)
{
	struct pkt_spec s = {.flags = sent[i].flags,
			     .seq = scene_base + sent[i].at,
			     .ack = ack,
			     .data = sent[i].bytes,
			     .len = sent[i].len};

	scene.in_len = pkt_build(scene.in, &s);
	arrives();
}

/* What step `who` counts back from. */
static u32 earlier(u32 who)
{
	return n_sent ? (n_sent - 1 - who % (n_sent < SENT ? n_sent : SENT)) % SENT : 0;
}

static u32 place(void)
{
	u32 by = STEP->place >> 3, last = earlier(by);
	struct sz_flow f;

	switch (STEP->place & 7) {
	case 1: /* on from what was sent last */
		return n_sent ? sent[earlier(0)].at + sent[earlier(0)].len : 0;
	case 2:
		return server.got + by;
	case 3:
		return kernel_flow(&f) ? f.next - scene_base + by - 2 : 0;
	case 4:
		return n_sent ? sent[last].at : 0;
	case 5:
		return server.acked - by;
	case 6:
		return n_sent ? sent[last].at + sent[last].len : 0;
	default:
		return kernel_flow(&f) ? f.next - scene_base : server.r.pos;
	}
}

static u32 client_ack(void)
{
	if (STEP->a & 1 && client_has == scene_ack && server.r.heads && !server.gone)
		server_says(1);
	if (STEP->a & 1)
		client_has = scene_ack;
	return STEP->a & 2 ? SCENE_ISS + STEP->b : client_has;
}

static void client_sends(void)
{
	u32 at = place(), i = n_sent++ % SENT;

	sent[i].at = at;
	sent[i].flags = PKT_ACK | (STEP->a & 4 ? PKT_FIN : PKT_PSH);
	sent[i].len = script_payload(&script, sent[i].bytes, sizeof(sent[i].bytes));
	/* As long as an earlier one: longer ones are filled up in their last header line. */
	if (STEP->a & 8 && n_sent > 1) {
		u32 want = sent[earlier(1 + (STEP->b & 7))].len, n = sent[i].len;

		if (n >= 4 && n < want && !memcmp(sent[i].bytes + n - 4, "\r\n\r\n", 4)) {
			if (want - n > 4) {
				memset(sent[i].bytes + n - 2, 'x', want - n);
				memcpy(sent[i].bytes + n - 2, "X:", 2);
				memcpy(sent[i].bytes + want - 4, "\r\n\r\n", 4);
				sent[i].len = want;
			}
		} else if (n > want) {
			sent[i].len = want;
		} else if (n < want) {
			memset(sent[i].bytes + n, 'x', want - n);
			sent[i].len = want;
		}
	}
	if (sent[i].len && STEP->bits & 1)
		sent[i].bytes[STEP->b % sent[i].len] ^= STEP->bits;
	send_again(i, client_ack());
}

/* What was sent before, moved, joined with the next, cut or changed. */
static void client_repeats(void)
{
	u32 i, j, n;

	if (!n_sent)
		return;
	i = earlier(STEP->who);
	j = n_sent++ % SENT;
	memmove(&sent[j], &sent[i], sizeof(sent[j]));
	n = STEP->bits & 1 ? STEP->b : 0;
	if (n < sent[j].len) {
		sent[j].at += n;
		sent[j].len -= n;
		memmove(sent[j].bytes, sent[j].bytes + n, sent[j].len);
	}
	i = earlier(STEP->place);
	if (STEP->bits & 2 && sent[i].at == sent[j].at + sent[j].len && i != j &&
	    sent[i].len + sent[j].len <= sizeof(sent[j].bytes)) {
		memcpy(sent[j].bytes + sent[j].len, sent[i].bytes, sent[i].len);
		sent[j].len += sent[i].len;
	}
	if (STEP->bits & 4 && sent[j].len)
		sent[j].bytes[STEP->b % sent[j].len] ^= 1;
	if (STEP->bits & 8)
		sent[j].len = STEP->b % (sent[j].len + 1);
	send_again(j, client_ack());
}

static void client_controls(void)
{
	static const u8 flags[] = {PKT_ACK, PKT_RST, PKT_ACK | PKT_FIN, PKT_RST | PKT_ACK};
	struct pkt_spec s = {.flags = flags[STEP->b & 3], .ack = client_has};

	s.seq = scene_base + (STEP->a & 1 ? place() : 0);
	scene.in_len = pkt_build(scene.in, &s);
	arrives();
}

static void connection_begins(void)
{
	struct pkt_spec s = {.flags = PKT_SYN, .seq = scene_base - 1};

	scene.in_len = pkt_build(scene.in, &s);
	if (scene_raw() != SCENE_PASS)
		return;
	server_begin();
	OUT(.flags = PKT_SYN | PKT_ACK, .seq = SCENE_ISS, .ack = scene_base);
}

static void time_passes(void)
{
	static const u64 ns[] = {1000000, 160000000, 700000000, 6000000000};

	machine_wait(ns[STEP->a & 3]);
	if (!(STEP->a & 4)) {
		scene.cfg.heartbeat_ns = native_now;
		scene_config();
	}
	if (server.gone && STEP->a & 8)
		connection_begins();
}

static void step(void)
{
	struct sz_grant g;

	switch (STEP->code & 31) {
	case 16:
	case 17:
		client_controls();
		break;
	case 18:
	case 19:
	case 20:
		client_repeats();
		break;
	case 21:
		if (STEP->a & 2 && server.r.heads && !server.gone)
			server_says(1 + STEP->b);
		else
			server_acks(server.acked + STEP->b * 4u % (server.got - server.acked + 1),
				    0);
		break;
	case 22:
	case 23:
		server_acks(server.got, STEP->a == 1 ? PKT_FIN : 0);
		break;
	case 24:
		daemon.slow = STEP->a & 1;
		daemon_runs();
		break;
	case 25:
	case 26:
		daemon_runs();
		break;
	case 27:
		daemon_decides();
		break;
	case 28:
		if (STEP->a & 1)
			daemon.losing = STEP->b & 3;
		else
			daemon_forgets(); /* it was restarted, or has waited long enough */
		break;
	case 29:
		g = scene_grant_value();
		scene_grant("later", &g);
		break;
	case 30:
	case 31:
		time_passes();
		break;
	default:
		client_sends();
		if (STEP->a & 16)
			daemon_runs();
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
	static const u32 bases[] = {1000, 0, 0xffffff00, 0xfffffff0, 0x7fffff80};
	u32 steps = 0;

	if (n < 8 || n > 1500)
		return 0;
	script = (struct script){.at = data, .left = n};
	n_sent = 0;
	daemon_forgets();
	daemon.slow = false;
	daemon.losing = 0;
	scene_begin();
	scene_base = bases[data[1] % 5]; /* `who` of the first step */
	connection_begins();
	while (steps++ < SCRIPT_STEPS && server.r.pos < SPAN / 2 && script_next(&script))
		step();
	return 0;
}

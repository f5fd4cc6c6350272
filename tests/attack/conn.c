/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One TCP connection of the client: numbers, acknowledgements, retransmission, answers. It does
 * what a case's step says, right or wrong, and otherwise behaves.
 */
#include "attack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RTO_FIRST 60000000ull
#define RTO_MOST  800000000ull
#define WINDOW    60000

static bool before(u32 a, u32 b)
{
	return (s32)(a - b) < 0;
}

static void trace(struct att_case *c, bool out, const struct att_segment *s)
{
	struct att_trace *t;

	if (c->n_trace == c->room_trace) {
		c->room_trace = c->room_trace ? 2 * c->room_trace : 64;
		c->trace = realloc(c->trace, c->room_trace * sizeof(*c->trace));
		if (!c->trace)
			att_die("out of memory");
	}
	t = &c->trace[c->n_trace++];
	*t = (struct att_trace){.out = out, .s = *s, .at = att_now() - c->began};
	t->s.data = att_story_blob(c, s->data, s->len);
	t->s.from = NULL;
}

static void transmit(struct att_case *c, struct att_segment *s)
{
	struct att_conn *t = &c->conn;

	s->v6 = c->v6;
	s->from = c->addr;
	s->port = t->port;
	s->ts = t->ts;
	s->tsval = (u32)(att_now() / 1000000) + 1000;
	s->tsecr = t->ts_recent;
	trace(c, true, s);
	att_wire_send(s);
}

void att_conn_init(struct att_case *c, u32 from)
{
	struct att_conn *t = &c->conn;
	u16 port = t->port;
	u32 old = t->snd_max;

	memset(t, 0, sizeof(*t));
	t->port = port ? port : (u16)(20000 + att_below(&c->rng, 40000));
	t->isn = port ? old + 100000 : c->isn_hint ? c->isn_hint : (u32)att_rand(&c->rng);
	t->from = from;
	t->rto = RTO_FIRST;
	t->ts = c->ts_wanted;
}

void att_conn_syn(struct att_case *c, s32 delta)
{
	struct att_segment s = {
		.seq = c->conn.isn + (u32)delta, .flags = ATT_SYN, .window = WINDOW};

	c->conn.syn_sent = true;
	c->conn.rto_at = att_now() + 200000000ull;
	transmit(c, &s);
}

static void send_data(struct att_case *c, u32 seq, const u8 *p, u32 len)
{
	struct att_conn *t = &c->conn;
	struct att_segment s = {.seq = seq,
				.ack = t->rcv_nxt,
				.flags = ATT_ACK | (len ? ATT_PSH : 0),
				.window = WINDOW,
				.data = p,
				.len = len};

	transmit(c, &s);
}

/* What lies at stream offset `off` of this connection, as a sequence number. */
static u32 seq_at(const struct att_conn *t, s32 off)
{
	return t->base + (u32)off - t->from;
}

static void sent_up_to(struct att_case *c, u32 end)
{
	struct att_conn *t = &c->conn;

	if (before(t->snd_max, end)) {
		if (t->snd_max == t->snd_una)
			t->rto_at = att_now() + t->rto;
		t->snd_max = end;
	}
}

void att_conn_step(struct att_case *c, const struct att_step *op)
{
	struct att_conn *t = &c->conn;
	struct att_segment s = {.seq = seq_at(t, op->off),
				.ack = t->rcv_nxt + (u32)op->ack,
				.flags = op->flags,
				.window = op->window == 1 ? 0
					  : op->window    ? op->window
							  : WINDOW,
				.urgent = op->urgent,
				.mods = op->mods,
				.data = op->data,
				.len = op->len};
	bool ours = !op->data;

	if (!s.data && op->len) {
		if (op->off < 0 || (u32)op->off + op->len > c->stream_len)
			att_die("%s: step outside of the stream", c->name ? c->name : "case");
		s.data = c->stream + op->off;
	}
	if (!s.flags)
		s.flags = ATT_ACK | (s.len ? ATT_PSH : 0);
	/* Who behaves keeps to the server's window. */
	if (op->op == ATT_OP_SEND &&
	    !(c->legit && s.len && t->up && before(t->snd_una + t->window, s.seq + s.len)))
		transmit(c, &s);
	if (ours && t->up)
		sent_up_to(c, s.seq + s.len);
}

/* ---- answers -------------------------------------------------------------------------------- */

/* The whole answers at the beginning of what came in; each is compared with its request. */
static void read_answers(struct att_case *c)
{
	struct att_conn *t = &c->conn;
	u32 n = 0, len, status;
	char *head, *end, *length, *body;

	while (t->in_len) {
		t->in[t->in_len] = 0;
		head = (char *)t->in;
		end = strstr(head, "\r\n\r\n");
		if (!end)
			return;
		length = strcasestr(head, "\r\nContent-Length:");
		len = length && length < end ? (u32)strtoul(length + 17, NULL, 10) : 0;
		n = (u32)(end + 4 - head) + len;
		if (n > t->in_len)
			return;
		status = strncmp(head, "HTTP/1.1 ", 9) ? 0 : (u32)strtoul(head + 9, NULL, 10);
		body = end + 4;
		if (t->answers < ATT_ANSWERS) {
			const char *path = c->expect_path[t->answers];

			t->status[t->answers] = (u16)status;
			if (c->legit && status == 200 && path && !t->from &&
			    (strlen(path) != len || memcmp(path, body, len)))
				t->wrong_answer = true;
		}
		t->answers++;
		memmove(t->in, t->in + n, t->in_len - n);
		t->in_len -= n;
	}
}

static void take_payload(struct att_case *c, const struct att_segment *s)
{
	struct att_conn *t = &c->conn;
	u32 skip = t->rcv_nxt - s->seq, n;

	if (before(t->rcv_nxt, s->seq)) {
		send_data(c, t->snd_max, NULL, 0);
		return;
	}
	/*
	 * Behind a FIN there is no text (RFC 9293 section 3.10.7.4): a refusal that is sent again
	 * may have its short form the first time and its long one the next.
	 */
	if (!t->fin && skip < s->len) {
		n = s->len - skip;
		if (t->in_len + n >= sizeof(t->in))
			att_die("an answer of more than %zu bytes", sizeof(t->in));
		memcpy(t->in + t->in_len, s->data + skip, n);
		t->in_len += n;
		t->rcv_nxt += n;
		read_answers(c);
	}
	if (s->flags & ATT_FIN && t->rcv_nxt == s->seq + s->len) {
		t->rcv_nxt++;
		t->fin = true;
	}
	send_data(c, t->snd_max, NULL, 0);
}

static void synack(struct att_case *c, const struct att_segment *s)
{
	struct att_conn *t = &c->conn;

	if (t->up && (!c->take_last || t->snd_max != t->base)) {
		if (s->seq + 1 == t->rcv_nxt || t->in_len)
			send_data(c, t->snd_max, NULL, 0);
		return;
	}
	t->base = t->snd_una = t->snd_max = s->ack;
	t->rcv_nxt = s->seq + 1;
	t->window = s->window;
	t->ts = t->ts && s->ts;
	t->up = true;
	if (c->n_bases < ATT_BASES) {
		c->bases[c->n_bases] = t->base;
		c->froms[c->n_bases++] = t->from;
	}
	if (!c->silent)
		send_data(c, t->snd_max, NULL, 0);
}

void att_conn_input(struct att_case *c, const struct att_segment *s)
{
	struct att_conn *t = &c->conn;

	if (s->port != t->port || !t->syn_sent)
		return;
	trace(c, false, s);
	if (s->ts && t->ts)
		t->ts_recent = s->tsval;
	if (s->flags & ATT_RST) {
		t->rst = t->rst || (t->up && s->seq == t->rcv_nxt) || s->flags == ATT_RST ||
			 (s->flags & ATT_ACK && !t->up);
		return;
	}
	if ((s->flags & (ATT_SYN | ATT_ACK)) == (ATT_SYN | ATT_ACK)) {
		synack(c, s);
		return;
	}
	if (!t->up)
		return;
	if (s->flags & ATT_ACK && !before(s->ack, t->snd_una))
		t->window = s->window;
	if (s->flags & ATT_ACK && before(t->snd_una, s->ack) && !before(t->snd_max, s->ack)) {
		t->snd_una = s->ack;
		t->rto = RTO_FIRST;
		t->rto_at = att_now() + t->rto;
	}
	if (s->len || s->flags & ATT_FIN)
		take_payload(c, s);
	else if (before(s->seq, t->rcv_nxt)) /* a keepalive or a window probe */
		send_data(c, t->snd_max, NULL, 0);
}

/* ---- repair --------------------------------------------------------------------------------- */

/* What is not acknowledged, newly cut, as far as the window goes; a probe where it is shut. */
static void resend(struct att_case *c)
{
	struct att_conn *t = &c->conn;
	u32 off = t->snd_una - t->base + t->from, end = t->snd_max - t->base + t->from, n, i;

	if (!t->window) {
		send_data(c, t->snd_una - 1, NULL, 0);
		return;
	}
	end = end > off + t->window ? off + t->window : end;
	end = end > c->stream_len ? c->stream_len : end;
	for (i = 0; i < 10 && off < end; i++) {
		n = att_one_in(&c->rng, 3) ? 1 + att_below(&c->rng, ATT_MSS) : ATT_MSS - 12;
		n = n > end - off ? end - off : n;
		n = n > ATT_MSS - 12 ? ATT_MSS - 12 : n;
		send_data(c, seq_at(t, (s32)off), c->stream + off, n);
		off += n;
	}
}

void att_conn_tick(struct att_case *c, u64 now)
{
	struct att_conn *t = &c->conn;

	if (!t->syn_sent || now < t->rto_at || t->rst)
		return;
	if (!t->up) {
		att_conn_syn(c, 0);
		return;
	}
	if (!c->recover || t->snd_una == t->snd_max || t->fin)
		return;
	resend(c);
	t->rto = 2 * t->rto > RTO_MOST ? RTO_MOST : 2 * t->rto;
	t->rto_at = now + t->rto;
}

void att_conn_abort(struct att_case *c)
{
	struct att_conn *t = &c->conn;
	struct att_segment s = {.seq = t->up ? t->snd_una : t->isn + 1, .flags = ATT_RST};

	if (t->syn_sent && !t->rst)
		transmit(c, &s);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A case from its seed and number: requests of mixed classes, the way they are cut, reordered, lost
 * and repeated, and for most cases what an attacker does meanwhile. The same seed and number give
 * the same requests and the same steps.
 */
#include "attack.h"

#include <stdio.h>
#include <string.h>

#define PIECES 512

struct piece {
	u32 off, len;
};

struct plan {
	struct att_case *c;
	struct piece piece[PIECES];
	u32 n;
	u32 sent;       /* end of what may have been sent so far */
	u32 begin, end; /* of the group under way */
};

/* ---- requests ------------------------------------------------------------------------------- */

static u32 some_length(struct att_rng *r)
{
	switch (att_below(r, 6)) {
	case 0:
		return 0;
	case 1:
		return 1 + att_below(r, 20);
	case 2:
	case 3:
		return 1 + att_below(r, 600);
	case 4:
		return 1 + att_below(r, 4000);
	default:
		return att_one_in(r, 4) ? 1 + att_below(r, 20000) : 1 + att_below(r, 1500);
	}
}

static enum att_class some_class(struct att_rng *r, bool attack)
{
	u32 k = att_below(r, 100);

	if (k < 45)
		return ATT_KNOWN;
	if (k < 72)
		return ATT_FRESH;
	if (k < 80)
		return ATT_PUBLIC;
	if (!attack || k < 96)
		return (enum att_class)(ATT_NO_SCOPE + att_below(r, ATT_AMBIGUOUS - ATT_NO_SCOPE));
	return ATT_AMBIGUOUS;
}

static void add_request(struct att_case *c)
{
	struct att_rng *r = &c->rng;
	struct att_shape s = {.class = some_class(r, !c->legit),
			      .token = att_below(r, 64),
			      .ambiguity = att_below(r, ATT_AMBIGUITIES),
			      .each = att_one_in(r, 8),
			      .odd_path = att_one_in(r, 8),
			      .nasty_body = att_one_in(r, 2),
			      .trailers = att_one_in(r, 4)};

	if (s.class == ATT_FRESH)
		s.token = att_below(r, 2);
	s.body = att_one_in(r, 2) ? ATT_B_NONE : att_one_in(r, 3) ? ATT_B_CHUNKED : ATT_B_LENGTH;
	if (s.body)
		s.body_len = some_length(r);
	if (att_one_in(r, 3))
		s.pad = att_one_in(r, 4) ? 1000 + att_below(r, 5000) : 1 + att_below(r, 300);
	att_story_add(c, &s);
}

/* ---- cutting -------------------------------------------------------------------------------- */

static void cut(struct plan *p, u32 off, u32 len)
{
	if (p->n < PIECES && len)
		p->piece[p->n++] = (struct piece){off, len};
}

static void cut_by(struct plan *p, u32 from, u32 to, u32 most, bool vary)
{
	u32 n;

	while (from < to) {
		n = vary ? 1 + att_below(&p->c->rng, most) : most;
		/* No more pieces than there is room for. */
		if (p->n > PIECES - 200)
			n = ATT_MSS - 12;
		n = n > to - from ? to - from : n;
		cut(p, from, n);
		from += n;
	}
}

static const struct att_request *request_at(const struct att_case *c, u32 off)
{
	u32 i;

	for (i = 0; i < c->n_req; i++)
		if (c->req[i].at <= off && off < c->req[i].at + c->req[i].len)
			return &c->req[i];
	return NULL;
}

/* Around the end of a head, or anywhere, single bytes; MSS before and behind. */
static void cut_bytes(struct plan *p)
{
	struct att_rng *r = &p->c->rng;
	const struct att_request *q = request_at(p->c, p->begin);
	u32 n = 2 + att_below(r, 120), from, to;

	from = q && att_one_in(r, 2) ? q->at + q->head_len
				     : p->begin + att_below(r, p->end - p->begin);
	from = from > p->begin + n / 2 ? from - n / 2 : p->begin;
	to = from + n > p->end ? p->end : from + n;
	cut_by(p, p->begin, from, ATT_MSS - 12, false);
	cut_by(p, from, to, 1, false);
	cut_by(p, to, p->end, ATT_MSS - 12, false);
}

static void cut_requests(struct plan *p)
{
	const struct att_request *q;
	u32 at = p->begin;

	while (at < p->end) {
		q = request_at(p->c, at);
		cut_by(p, at, q->at + q->len, ATT_MSS - 12, false);
		at = q->at + q->len;
	}
}

static void note_way(struct att_case *c, const char *word)
{
	size_t n = strlen(c->how);

	snprintf(c->how + n, sizeof(c->how) - n, " %s", word);
}

static void cut_group(struct plan *p)
{
	static const char *const names[] = {"full", "any", "small", "bytes", "whole", "whole"};
	struct att_rng *r = &p->c->rng;
	u32 way = att_below(r, 6);

	p->n = 0;
	note_way(p->c, names[way]);
	switch (way) {
	case 0:
		cut_by(p, p->begin, p->end, ATT_MSS - 12, false);
		break;
	case 1:
		cut_by(p, p->begin, p->end, ATT_MSS - 12, true);
		break;
	case 2:
		cut_by(p, p->begin, p->end, 20 + att_below(r, 400), true);
		break;
	case 3:
		cut_bytes(p);
		break;
	default:
		cut_requests(p);
		break;
	}
}

static void shuffle(struct plan *p)
{
	struct att_rng *r = &p->c->rng;
	u32 i, j, often = 2 + att_below(r, 8);

	for (i = 0; i + 1 < p->n; i++) {
		struct piece t = p->piece[i];

		if (!att_one_in(r, often))
			continue;
		j = i + 1 + att_below(r, 3);
		j = j < p->n ? j : p->n - 1;
		p->piece[i] = p->piece[j];
		p->piece[j] = t;
	}
}

/* ---- attacks -------------------------------------------------------------------------------- */

static void touched(struct plan *p, u32 end)
{
	if (end > p->sent)
		p->sent = end;
}

/* Other bytes for about this place; starts and ends where the attacker likes. */
static struct att_step *evil(struct plan *p, u32 off, u32 len)
{
	struct att_case *c = p->c;
	struct att_rng *r = &c->rng;
	struct att_step *s;
	u32 k;

	if (att_one_in(r, 3)) {
		k = att_below(r, 40);
		off = off > k ? off - k : 0;
	}
	if (att_one_in(r, 3))
		off += att_below(r, 700);
	if (att_one_in(r, 2))
		len = 1 + att_below(r, ATT_MSS - 12);
	if (off >= c->stream_len)
		off = c->stream_len - 1;
	if (len > c->stream_len - off)
		len = c->stream_len - off;
	if (len > ATT_MSS - 12)
		len = ATT_MSS - 12;
	touched(p, off + len);
	s = att_story_send(c, (s32)off, len);
	s->data = (att_one_in(r, 5) ? c->stream : c->evil) + off;
	return s;
}

/* A request that nothing permits, or bytes without sense, where a request could begin. */
static struct att_step *intruder(struct plan *p, u32 off)
{
	static const char *const texts[] = {
		"GET /admin/x HTTP/1.1\r\nHost: a\r\n\r\n",
		"\r\n\r\nGET /orders/x HTTP/1.1\r\nHost: a\r\n\r\n",
		"0\r\n\r\nGET /orders/x HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /orders/x\r\n",
		"\r\n0\r\n\r\n",
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
	};
	struct att_case *c = p->c;
	const char *text = texts[att_below(&c->rng, 6)];
	const struct att_request *q = &c->req[att_below(&c->rng, c->n_req)];
	struct att_step *s;

	if (att_one_in(&c->rng, 2))
		off = att_one_in(&c->rng, 2) ? q->at : q->at + q->head_len;
	touched(p, off + (u32)strlen(text));
	s = att_story_send(c, (s32)off, (u32)strlen(text));
	s->data = att_story_blob(c, text, s->len);
	return s;
}

static void bare(struct plan *p, u32 off, u8 flags)
{
	static const s32 deltas[] = {0, 0, 0, 1, -1, 100, -100, 30000, 70000, 1 << 20, 1 << 30};
	struct att_rng *r = &p->c->rng;
	struct att_step *s = att_story_send(p->c, (s32)off + deltas[att_below(r, 11)], 0);

	s->flags = flags;
	if (att_one_in(r, 2))
		s->mods = att_one_in(r, 2) ? ATT_BAD_TCP_SUM : 1u << att_below(r, ATT_MODS);
}

static void probe(struct plan *p, u32 off)
{
	struct att_step *s = att_story_send(p->c, (s32)off - 1, att_below(&p->c->rng, 3));

	s->data = att_story_blob(p->c, "GET", 3);
}

/* Who revokes: what was not sent before must not pass any more. */
static void revoke(struct plan *p)
{
	struct att_case *c = p->c;
	u32 k = att_below(&c->rng, 2), i;

	if (!c->fresh[k][0])
		return;
	for (i = 0; i < c->n_req; i++) {
		if (!memmem(c->req[i].bytes, c->req[i].head_len, c->fresh[k], strlen(c->fresh[k])))
			continue;
		if (c->req[i].at >= p->sent)
			c->req[i].allowed = false;
		else
			c->req[i].may = true;
	}
	att_story_step(c, ATT_OP_REVOKE)->off = (s32)k;
}

static void odd_flags(struct plan *p, u32 off, u32 len)
{
	static const u8 flags[] = {ATT_PSH,           ATT_ACK | ATT_URG | ATT_PSH,
				   ATT_ACK | ATT_FIN, ATT_SYN | ATT_FIN,
				   ATT_SYN | ATT_ACK, ATT_SYN | ATT_PSH,
				   ATT_RST | ATT_ACK, ATT_FIN,
				   ATT_RST | ATT_SYN, 0xff};
	struct att_step *s = evil(p, off, len);

	s->flags = flags[att_below(&p->c->rng, 10)];
	if (s->flags & ATT_URG)
		s->urgent = (u16)att_below(&p->c->rng, s->len + 2);
}

/* Bytes that the guard may admit and the server must drop; then others for the same place. */
static void decoy(struct plan *p, u32 off, u32 len)
{
	static const u32 mods[] = {ATT_BAD_TCP_SUM, ATT_BAD_IP_SUM, ATT_OLD_TS, ATT_MD5};
	struct att_case *c = p->c;
	struct att_rng *r = &c->rng;
	bool honest = !att_one_in(r, 4);
	struct att_step *s = att_story_send(c, (s32)off, len);

	s->data = (honest ? c->stream : c->evil) + off;
	s->mods = mods[att_below(r, 4)];
	if (att_one_in(r, 3))
		att_story_step(c, ATT_OP_PAUSE)->ms = att_below(r, 6);
	if (att_one_in(r, 4) && len > 2)
		len = 1 + att_below(r, len - 1);
	else if (att_one_in(r, 4))
		len += att_below(r, 200);
	if (len > c->stream_len - off)
		len = c->stream_len - off;
	if (len > ATT_MSS - 12)
		len = ATT_MSS - 12;
	touched(p, off + len);
	s = att_story_send(c, (s32)off, len);
	s->data = (honest ? c->evil : c->stream) + off;
}

static void attack(struct plan *p, u32 off, u32 len)
{
	static const s32 far[] = {70000, 200000, 1 << 24, 1 << 30, 0x7ffffff0, -0x7ffffff0, -70000};
	struct att_rng *r = &p->c->rng;
	struct att_step *s;

	switch (att_below(r, 19)) {
	case 0:
	case 1:
	case 2:
	case 3:
		evil(p, off, len);
		break;
	case 4:
	case 5:
		s = evil(p, off, len);
		s->mods = 1u << att_below(r, ATT_MODS);
		break;
	case 6:
		odd_flags(p, off, len);
		break;
	case 7:
		bare(p, off, att_one_in(r, 2) ? ATT_RST : ATT_RST | ATT_ACK);
		break;
	case 8:
		bare(p, off, att_one_in(r, 3) ? ATT_FIN | ATT_ACK : ATT_ACK);
		break;
	case 9:
		s = att_story_step(p->c, ATT_OP_SYN);
		s->off = att_one_in(r, 3) ? 0 : (s32)att_rand(r);
		break;
	case 10:
		evil(p, off ? att_below(r, off) : 0, len);
		break;
	case 11:
		probe(p, off);
		break;
	case 12:
		s = evil(p, off, len);
		s->ack = att_one_in(r, 2) ? 1 + (s32)att_below(r, 100000)
					  : -(s32)att_below(r, 100000);
		break;
	case 13:
		s = att_story_send(p->c, (s32)off, 0);
		s->window = (u16)(1 + att_below(r, 3));
		break;
	case 14:
		s = intruder(p, off);
		if (att_one_in(r, 3))
			s->off += far[att_below(r, 7)];
		break;
	case 15:
	case 16:
	case 17:
		decoy(p, off, len);
		break;
	default:
		if (att_one_in(r, 12))
			revoke(p);
		else
			intruder(p, off);
		break;
	}
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void send_pieces(struct plan *p, bool attacking, u32 loss, u32 twice)
{
	struct att_case *c = p->c;
	struct att_rng *r = &c->rng;
	u32 i;

	for (i = 0; i < p->n; i++) {
		u32 off = p->piece[i].off, len = p->piece[i].len;

		if (attacking && att_one_in(r, 4))
			attack(p, off, len);
		touched(p, off + len);
		att_story_send(c, (s32)off, len);
		if (loss && att_one_in(r, loss))
			c->step[c->n_steps - 1].op = ATT_OP_LOST;
		if (twice && att_one_in(r, twice))
			att_story_send(c, (s32)off, len);
		if (attacking && att_one_in(r, 4))
			attack(p, off, len);
		if (att_one_in(r, 24))
			att_story_step(c, ATT_OP_PAUSE)->ms = att_below(r, 30);
	}
}

/* Ends the connection and begins another one from the same port, at the beginning of a request. */
static void port_again(struct att_case *c, u32 off)
{
	struct att_step *s;

	s = att_story_send(c, (s32)off, 0);
	s->flags = att_one_in(&c->rng, 3) ? ATT_FIN | ATT_ACK : ATT_RST;
	if (att_one_in(&c->rng, 2))
		att_story_step(c, ATT_OP_PAUSE)->ms = 5;
	att_story_step(c, ATT_OP_AGAIN)->off = (s32)off;
	att_story_step(c, ATT_OP_SYN);
	att_story_step(c, ATT_OP_UP);
}

static void begin(struct plan *p)
{
	struct att_case *c = p->c;
	struct att_rng *r = &c->rng;
	struct att_step *s;

	if (!c->legit && att_one_in(r, 5)) {
		s = att_story_step(c, ATT_OP_SYN);
		s->off = att_one_in(r, 2) ? (s32)att_below(r, 2000) - 1000 : (s32)att_rand(r);
		c->take_last = att_one_in(r, 2);
	}
	att_story_step(c, ATT_OP_SYN);
	if (!c->legit && att_one_in(r, 8))
		attack(p, 0, 100);
	att_story_step(c, ATT_OP_UP);
}

static void other_versions(struct att_case *c)
{
	u32 i, n = c->n_slots;

	for (i = 0; i < n; i++) {
		if (c->req[i].status == 400)
			continue;
		if (att_one_in(&c->rng, 4))
			att_story_other_version(c, i);
		else
			att_story_refused_version(c, i, att_below(&c->rng, 2));
	}
}

static void server_ways(struct att_case *c)
{
	struct att_rng *r = &c->rng;

	if (att_one_in(r, 8)) {
		c->server = ATT_S_SLOW;
		c->server_after = 20 + att_below(r, 200);
	} else if (att_one_in(r, 8)) {
		c->server = ATT_S_PACED;
		c->server_after = 5 + att_below(r, 80);
	} else if (!c->legit && att_one_in(r, 8)) {
		c->server = att_one_in(r, 2) ? ATT_S_CLOSES : ATT_S_RESETS;
		c->server_after = 1 + att_below(r, 3);
	}
}

void att_random_case(struct att_case *c)
{
	struct att_rng *r = &c->rng;
	struct plan p = {.c = c};
	struct att_step *wait;
	u32 n = 1 + att_below(r, 6), i, g, due, loss = 0, twice = 0;

	c->v6 = att_one_in(r, 3);
	c->legit = att_below(r, 10) < 4;
	c->ts_wanted = !att_one_in(r, 3);
	c->isn_hint = att_one_in(r, 4) ? 0u - att_below(r, 3000) : 0;
	for (i = 0; i < n; i++)
		add_request(c);
	n = c->n_slots;
	if (c->legit)
		att_story_expect(c);
	else
		other_versions(c);
	server_ways(c);
	if (att_one_in(r, 2))
		loss = 4 + att_below(r, 30);
	if (att_one_in(r, 2))
		twice = 3 + att_below(r, 20);
	snprintf(c->how, sizeof(c->how), "%sloss 1/%u, twice 1/%u;",
		 c->server == ATT_S_SLOW    ? "slow, "
		 : c->server == ATT_S_PACED ? "paced, "
					    : "",
		 loss, twice);
	c->recover = c->legit || !att_one_in(r, 4);
	begin(&p);
	for (i = 0; i < n; i += g) {
		g = 1 + att_below(r, n - i);
		p.begin = c->req[i].at;
		p.end = c->req[i + g - 1].at + c->req[i + g - 1].len;
		if (!c->legit && i && att_one_in(r, 8))
			port_again(c, p.begin);
		cut_group(&p);
		if (att_one_in(r, 2)) {
			note_way(c, "shuffled");
			shuffle(&p);
		}
		send_pieces(&p, !c->legit, loss, twice);
		due = i + g < c->n_expect || !c->legit ? i + g : c->n_expect;
		wait = att_story_step(c, ATT_OP_ANSWERS);
		wait->off = (s32)due;
		wait->ms = 60;
		if (c->legit && i + g >= c->n_expect)
			break;
	}
}

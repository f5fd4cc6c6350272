/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Cases with names: one known evasion each, the same every time. A case says what must arrive and
 * what the client must be told, besides what the oracle holds for every case.
 */
#include "attack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the words the cases are made of --------------------------------------------------------- */

static u32 request(struct att_case *c, enum att_class class)
{
	return att_story_add(c,
			     &(struct att_shape){.class = class, .token = c->n_slots, .pad = 20});
}

static u32 request_with_body(struct att_case *c, enum att_class class, enum att_body body, u32 n)
{
	return att_story_add(c, &(struct att_shape){.class = class,
						    .body = body,
						    .body_len = n,
						    .nasty_body = true,
						    .token = c->n_slots,
						    .pad = 20});
}

static void open_connection(struct att_case *c)
{
	att_story_step(c, ATT_OP_SYN);
	att_story_step(c, ATT_OP_UP);
}

/* The bytes of [off, off + len) in segments of at most n. */
static void send_cut(struct att_case *c, u32 off, u32 len, u32 n)
{
	while (len) {
		n = n > len ? len : n;
		att_story_send(c, (s32)off, n);
		off += n;
		len -= n;
	}
}

static void send_all(struct att_case *c)
{
	send_cut(c, 0, c->stream_len, ATT_MSS - 12);
}

static struct att_step *send_evil(struct att_case *c, u32 off, u32 len)
{
	struct att_step *s = att_story_send(c, (s32)off, len);

	s->data = c->evil + off;
	return s;
}

static struct att_step *send_text(struct att_case *c, s32 off, const char *text)
{
	struct att_step *s = att_story_send(c, off, (u32)strlen(text));

	s->data = att_story_blob(c, text, s->len);
	return s;
}

static void answers(struct att_case *c, u32 n)
{
	struct att_step *s = att_story_step(c, ATT_OP_ANSWERS);

	s->off = (s32)n;
	s->ms = 3000;
}

static void wait_ms(struct att_case *c, u32 ms)
{
	att_story_step(c, ATT_OP_PAUSE)->ms = ms;
}

static void arrive(struct att_case *c, u32 n)
{
	if (c->arrived != n)
		att_wrong(c, "%u requests arrived, not %u", c->arrived, n);
}

/* Runs it as a client that behaves: every request is answered as its class says. */
static void run_served(struct att_case *c)
{
	u32 i, due = 0;

	c->legit = true;
	att_story_expect(c);
	for (i = 0; i < c->n_expect; i++)
		due += c->expect[i] == 200;
	answers(c, c->n_expect);
	att_engine_run(c);
	arrive(c, due);
}

static void run_attack(struct att_case *c, u32 due)
{
	att_engine_run(c);
	arrive(c, due);
}

/* ---- overlaps ------------------------------------------------------------------------------- */

/* A known request, and another version of it for the same place that must be refused. */
static u32 two_versions(struct att_case *c)
{
	u32 i = request(c, ATT_KNOWN);

	att_story_refused_version(c, i, 1);
	open_connection(c);
	return c->req[i].len;
}

static void changed_same(struct att_case *c)
{
	u32 n = two_versions(c);

	send_evil(c, 0, n)->mods = ATT_BAD_TCP_SUM; /* the guard may see it, the server may not */
	wait_ms(c, 20);
	att_story_send(c, 0, n);
	wait_ms(c, 20);
	send_evil(c, 0, n);
	att_engine_run(c);
	if (c->arrived > 1)
		att_wrong(c, "%u requests arrived", c->arrived);
}

static void changed_after(struct att_case *c)
{
	u32 n = two_versions(c);

	c->recover = false;
	att_story_send(c, 0, n)->mods = ATT_BAD_TCP_SUM; /* admitted, and lost behind the guard */
	send_evil(c, 0, n);
	send_evil(c, 0, n / 2);
	send_evil(c, n / 2, n - n / 2);
	run_attack(c, 0);
}

static void changed_longer(struct att_case *c)
{
	u32 n = two_versions(c);

	c->recover = false;
	request(c, ATT_NO_TOKEN);
	att_story_send(c, 0, n)->mods = ATT_BAD_TCP_SUM;
	send_evil(c, 0, c->stream_len);
	run_attack(c, 0);
}

static void changed_shorter(struct att_case *c)
{
	u32 n = two_versions(c), i;

	c->recover = false;
	att_story_send(c, 0, n)->mods = ATT_BAD_TCP_SUM;
	for (i = 0; i < n; i += 100)
		send_evil(c, i, n - i < 100 ? n - i : 100);
	run_attack(c, 0);
}

/* Pieces sent ahead of a hole, then the hole filled with the honest version, and otherwise. */
static void changed_ahead(struct att_case *c)
{
	u32 n = two_versions(c);

	c->recover = false;
	send_evil(c, 8, n - 8);
	wait_ms(c, 20);
	att_story_send(c, 0, n)->mods = ATT_BAD_TCP_SUM;
	att_story_send(c, 0, 8);
	run_attack(c, 0);
}

static void retransmitted_as_it_was(struct att_case *c)
{
	request(c, ATT_KNOWN);
	request(c, ATT_FRESH);
	open_connection(c);
	att_story_send(c, 0, c->req[0].len);
	att_story_send(c, 0, c->req[0].len);
	send_all(c); /* both in one segment */
	att_story_send(c, 0, c->req[0].len);
	run_served(c);
}

static void out_of_order(struct att_case *c)
{
	u32 i = request_with_body(c, ATT_FRESH, ATT_B_LENGTH, 5000), k;

	open_connection(c);
	for (k = c->req[i].len / 900 + 1; k-- > 0;)
		if (k * 900 < c->req[i].len)
			att_story_send(c, (s32)(k * 900),
				       c->req[i].len - k * 900 < 900 ? c->req[i].len - k * 900
								     : 900);
	run_served(c);
}

static void single_bytes(struct att_case *c)
{
	request(c, ATT_FRESH);
	request(c, ATT_KNOWN);
	open_connection(c);
	send_cut(c, 0, c->stream_len, 1);
	run_served(c);
}

static void old_duplicates(struct att_case *c)
{
	u32 i;

	for (i = 0; i < 4; i++)
		request(c, ATT_KNOWN);
	att_story_refused_version(c, 0, 0);
	open_connection(c);
	for (i = 0; i < 4; i++) {
		att_story_send(c, (s32)c->req[i].at, c->req[i].len);
		answers(c, i + 1);
		send_evil(c, 0, c->req[0].len);
		att_story_send(c, 0, c->req[0].len);
	}
	run_served(c);
}

static void refused_behind_admitted(struct att_case *c)
{
	request(c, ATT_KNOWN);
	request(c, ATT_NO_TOKEN);
	request(c, ATT_KNOWN);
	open_connection(c);
	send_all(c);
	run_served(c);
}

/* ---- the handshake -------------------------------------------------------------------------- */

static void two_syns(struct att_case *c)
{
	u32 n = request(c, ATT_KNOWN);

	n = c->req[n].len;
	request(c, ATT_NO_TOKEN);
	att_story_step(c, ATT_OP_SYN);
	att_story_step(c, ATT_OP_SYN)->off = (s32)n;
	open_connection(c);
	send_all(c);
	att_engine_run(c);
	if (c->arrived > 1)
		att_wrong(c, "%u requests arrived", c->arrived);
}

/*
 * A server with SYN cookies remembers nothing: number and cookie moved alike make a connection that
 * begins elsewhere, such as inside a body that the guard has opened for a head the server never
 * got.
 */
static void cookie_shift(struct att_case *c)
{
	static const s32 shifts[] = {1, -1, 2, -2, 3, -3, 16, 1 << 20};
	u32 k, body;
	struct att_step *s;

	att_server_sysctl("ipv4/tcp_syncookies", "2");
	c->recover = c->ts_wanted = false;
	c->silent = true;
	request_with_body(c, ATT_KNOWN, ATT_B_LENGTH, 3000);
	body = c->req[0].head_len;
	for (k = 0; k <= 2 * 8; k++) {
		if (k)
			att_story_step(c, ATT_OP_AGAIN);
		att_story_step(c, ATT_OP_SYN);
		wait_ms(c, 20);
		att_story_send(c, 0, body)->mods = ATT_BAD_TCP_SUM;
		s = send_text(c, k < 16 ? shifts[k / 2] : (s32)body,
			      "GET /admin/x HTTP/1.1\r\nHost: a\r\n\r\n");
		s->ack = k & 1 || k == 16 ? s->off : 0;
		wait_ms(c, 10);
	}
	run_attack(c, 0);
	att_server_sysctl("ipv4/tcp_syncookies", "1");
}

static void syn_with_data(struct att_case *c)
{
	struct att_step *s;

	request(c, ATT_NO_TOKEN);
	s = att_story_send(c, -1, c->stream_len);
	s->data = c->stream;
	s->flags = ATT_SYN;
	open_connection(c);
	run_attack(c, 0);
}

static void sequence_wrap(struct att_case *c)
{
	c->isn_hint = 0u - 700;
	request(c, ATT_KNOWN);
	request_with_body(c, ATT_FRESH, ATT_B_LENGTH, 3000);
	request(c, ATT_NO_SCOPE);
	open_connection(c);
	send_all(c);
	run_served(c);
}

static void port_reuse(struct att_case *c)
{
	u32 i;

	for (i = 0; i < 4; i++)
		request(c, i == 3 ? ATT_NO_TOKEN : ATT_KNOWN);
	for (i = 0; i < 4; i++) {
		if (i) {
			att_story_send(c, (s32)c->req[i].at, 0)->flags = ATT_RST;
			att_story_step(c, ATT_OP_AGAIN)->off = (s32)c->req[i].at;
		}
		open_connection(c);
		att_story_send(c, (s32)c->req[i].at, c->req[i].len);
		answers(c, 1);
	}
	run_attack(c, 3);
}

static void port_reuse_old_body(struct att_case *c)
{
	u32 i = request_with_body(c, ATT_KNOWN, ATT_B_LENGTH, 20000), k;

	k = request(c, ATT_NO_TOKEN);
	c->recover = false;
	open_connection(c);
	att_story_send(c, 0, c->req[i].head_len);
	wait_ms(c, 20);
	att_story_send(c, (s32)c->req[i].head_len, 0)->flags = ATT_RST;
	att_story_step(c, ATT_OP_AGAIN)->off = (s32)c->req[k].at;
	open_connection(c);
	att_story_send(c, (s32)c->req[k].at, c->req[k].len);
	run_attack(c, 0);
}

/* ---- control segments and odd packets ---------------------------------------------------------
 */

/* A refused request, wrapped in each way a packet can be odd; then an honest one. */
static void odd_packets(struct att_case *c)
{
	u32 i;

	request(c, ATT_KNOWN);
	att_story_refused_version(c, 0, 1);
	open_connection(c);
	c->recover = false;
	for (i = 0; i < ATT_MODS; i++) {
		send_evil(c, 0, c->req[0].len)->mods = 1u << i;
		send_text(c, 0, "GET /admin/x HTTP/1.1\r\nHost: a\r\n\r\n")->mods = 1u << i;
	}
	att_engine_run(c);
	arrive(c, 0);
}

static void odd_packets_do_no_harm(struct att_case *c)
{
	u32 i;

	request(c, ATT_KNOWN);
	att_story_refused_version(c, 0, 1);
	open_connection(c);
	for (i = 0; i < ATT_MODS; i++) {
		u32 mod = 1u << i;

		/* The guard reads past a wrong checksum or an old time stamp, as a corrupt packet
		 * of the same client could: such a request ends the connection.
		 */
		if (mod & (ATT_FRAGMENTS | ATT_TINY_FRAGMENT | ATT_IP_OPTIONS | ATT_LONG))
			send_evil(c, 0, c->req[0].len)->mods = mod;
	}
	att_story_send(c, 0, c->req[0].len);
	run_served(c);
}

static void bad_checksums(struct att_case *c)
{
	request(c, ATT_KNOWN);
	request(c, ATT_FRESH);
	open_connection(c);
	att_story_send(c, 0, c->req[0].len)->mods = ATT_BAD_TCP_SUM;
	att_story_send(c, 0, c->req[0].len)->mods = ATT_BAD_IP_SUM;
	send_all(c);
	run_served(c);
}

static void resets(struct att_case *c)
{
	static const s32 places[] = {1, -1, 1000, 60000, 70000, -70000, 1 << 30};
	u32 i, n;

	request(c, ATT_KNOWN);
	request(c, ATT_KNOWN);
	att_story_refused_version(c, 1, 1);
	n = c->req[0].len;
	open_connection(c);
	att_story_send(c, 0, n);
	answers(c, 1);
	for (i = 0; i < 7; i++)
		att_story_send(c, (s32)n + places[i], 0)->flags = ATT_RST;
	send_evil(c, n, 100);
	att_story_send(c, (s32)n, 0)->flags = ATT_RST;
	send_evil(c, n, c->req[1].len);
	run_attack(c, 1);
}

static void reset_with_bad_checksum(struct att_case *c)
{
	u32 n;

	request_with_body(c, ATT_KNOWN, ATT_B_LENGTH, 4000);
	n = c->req[0].len;
	request(c, ATT_NO_TOKEN);
	open_connection(c);
	c->recover = false;
	att_story_send(c, 0, c->req[0].head_len);
	wait_ms(c, 20);
	/* The guard forgets the connection, the server does not. */
	att_story_send(c, (s32)c->req[0].head_len, 0)->flags = ATT_RST;
	c->step[c->n_steps - 1].mods = ATT_BAD_TCP_SUM;
	send_cut(c, c->req[0].head_len, n - c->req[0].head_len, 1000);
	att_story_send(c, (s32)n, c->req[1].len);
	att_engine_run(c);
	if (c->arrived > 1)
		att_wrong(c, "%u requests arrived", c->arrived);
}

static void fin_inside_head(struct att_case *c)
{
	u32 n = two_versions(c);

	att_story_send(c, 0, n / 2)->flags = ATT_FIN | ATT_ACK;
	att_story_send(c, (s32)(n / 2), n - n / 2);
	send_evil(c, n / 2, n - n / 2);
	att_engine_run(c);
	if (c->arrived > 1)
		att_wrong(c, "%u requests arrived", c->arrived);
}

static void urgent_data(struct att_case *c)
{
	u32 n = two_versions(c), i;
	struct att_step *s;

	for (i = 0; i < 40; i += 13) {
		s = send_evil(c, 0, n);
		s->flags = ATT_ACK | ATT_PSH | ATT_URG;
		s->urgent = (u16)i;
	}
	att_story_send(c, 0, 0)->flags = ATT_ACK | ATT_URG;
	c->step[c->n_steps - 1].urgent = 5;
	att_story_send(c, 0, n);
	att_engine_run(c);
	arrive(c, 1);
}

static void old_timestamps(struct att_case *c)
{
	u32 n = two_versions(c);

	c->recover = false;
	att_story_send(c, 0, n)->mods = ATT_OLD_TS;
	wait_ms(c, 20);
	send_evil(c, 0, n);
	send_evil(c, 0, n)->mods = ATT_NO_TS;
	wait_ms(c, 20);
	run_attack(c, 0);
}

static void windows(struct att_case *c)
{
	u32 i;

	request(c, ATT_KNOWN);
	request_with_body(c, ATT_KNOWN, ATT_B_LENGTH, 3000);
	request(c, ATT_NO_TOKEN);
	open_connection(c);
	att_story_send(c, 0, 0)->window = 1;
	att_story_send(c, 0, c->req[0].len);
	for (i = 0; i < 3; i++) {
		att_story_send(c, (s32)c->req[1].at, 0)->window = 1;
		send_text(c, (s32)(70000u << i), "GET /admin/x HTTP/1.1\r\nHost: a\r\n\r\n");
		send_text(c, -(s32)(70000u << i), "GET /admin/x HTTP/1.1\r\nHost: a\r\n\r\n");
	}
	send_cut(c, c->req[1].at, c->stream_len - c->req[1].at, 1388);
	run_served(c);
}

static void slow_server(struct att_case *c)
{
	u32 i = request_with_body(c, ATT_KNOWN, ATT_B_LENGTH, 20000);

	c->server = ATT_S_SLOW;
	c->server_after = 150;
	request(c, ATT_NO_TOKEN);
	open_connection(c);
	send_all(c);
	answers(c, 1);
	send_text(c, (s32)c->req[i].head_len, "GET /admin/x HTTP/1.1\r\nHost: a\r\n\r\n");
	att_engine_run(c);
	if (c->arrived > 1)
		att_wrong(c, "%u requests arrived", c->arrived);
}

/* ---- requests ------------------------------------------------------------------------------- */

/* Cut once at each of these places behind the beginning of the token. */
static void token_cut(struct att_case *c)
{
	u32 i, k, at;

	for (i = 0; i < 8; i++)
		request(c, i & 1 ? ATT_KNOWN : ATT_FRESH);
	request(c, ATT_FORGED);
	open_connection(c);
	for (i = 0; i < 9; i++) {
		const struct att_request *q = &c->req[i];
		const u8 *token = memmem(q->bytes, q->head_len, "eyJ", 3);

		k = (u32)(token - q->bytes) + i * i * 5 - (i == 1);
		at = k < q->len ? k : q->len - 1;
		att_story_send(c, (s32)q->at, at);
		att_story_send(c, (s32)(q->at + at), q->len - at);
		answers(c, i + 1);
	}
	run_served(c);
}

static void head_of_pieces(struct att_case *c)
{
	u32 i;

	for (i = 0; i < 4; i++) {
		att_story_add(c, &(struct att_shape){.class = i == 3 ? ATT_NO_SCOPE : ATT_KNOWN,
						     .pad = 1500 * (i + 1)});
	}
	open_connection(c);
	for (i = 0; i < 4; i++) {
		send_cut(c, c->req[i].at, c->req[i].len, 1000);
		answers(c, i + 1);
	}
	run_served(c);
}

/* More pieces than the guard remembers at once, then the same bytes in larger ones. */
static void head_of_many_pieces(struct att_case *c)
{
	att_story_add(c, &(struct att_shape){.class = ATT_KNOWN, .pad = 4000});
	open_connection(c);
	send_cut(c, 0, c->stream_len, 90);
	run_served(c);
}

static void chunked_cut(struct att_case *c)
{
	u32 i;

	for (i = 0; i < 6; i++) {
		att_story_add(c, &(struct att_shape){.class = i == 5 ? ATT_FORGED : ATT_KNOWN,
						     .body = ATT_B_CHUNKED,
						     .body_len = 400,
						     .nasty_body = true,
						     .trailers = i & 1});
	}
	open_connection(c);
	for (i = 0; i < 6; i++) {
		att_story_send(c, (s32)c->req[i].at, c->req[i].head_len);
		send_cut(c, c->req[i].at + c->req[i].head_len, c->req[i].len - c->req[i].head_len,
			 37 + i);
		answers(c, i + 1);
	}
	run_served(c);
}

static void pipelined(struct att_case *c)
{
	u32 i;

	for (i = 0; i < 8; i++)
		request(c, i % 3 ? ATT_KNOWN : ATT_FRESH);
	open_connection(c);
	send_all(c);
	run_served(c);
}

static void refusal_in_turn(struct att_case *c)
{
	c->server = ATT_S_PACED;
	c->server_after = 120;
	request(c, ATT_KNOWN);
	request(c, ATT_KNOWN);
	request(c, ATT_NO_TOKEN);
	open_connection(c);
	att_story_send(c, 0, c->req[2].at);
	answers(c, 1);
	/* The first answer is acknowledged, the second is still to come. */
	att_story_send(c, (s32)c->req[2].at, c->req[2].len);
	run_served(c);
}

static void simultaneous_misses(struct att_case *c)
{
	u32 i;

	for (i = 0; i < 4; i++)
		att_story_add(c, &(struct att_shape){.class = ATT_FRESH, .token = i});
	open_connection(c);
	for (i = 4; i-- > 0;)
		att_story_send(c, (s32)c->req[i].at, c->req[i].len);
	for (i = 0; i < 4; i++)
		att_story_send(c, (s32)c->req[i].at, c->req[i].len);
	run_served(c);
}

/* Revoked between two requests: the second must not pass, whatever is queued. */
static void revoked(struct att_case *c)
{
	u32 i, k;

	for (i = 0; i < 3; i++)
		att_story_add(c, &(struct att_shape){.class = ATT_FRESH, .pad = i == 1 ? 3000 : 0});
	k = c->req[1].at + 1388;
	open_connection(c);
	att_story_send(c, 0, c->req[0].len);
	answers(c, 1);
	att_story_send(c, (s32)c->req[1].at, 1388); /* the beginning of the next waits */
	wait_ms(c, 20);
	att_story_step(c, ATT_OP_REVOKE);
	c->req[1].allowed = c->req[2].allowed = false;
	send_cut(c, k, c->stream_len - k, 1388);
	answers(c, 2);
	run_attack(c, 1);
}

static void revoked_while_asked(struct att_case *c)
{
	u32 i;

	for (i = 0; i < 2; i++)
		att_story_add(c, &(struct att_shape){.class = ATT_FRESH});
	c->req[0].may = true;
	c->req[1].allowed = false;
	open_connection(c);
	att_story_send(c, 0, c->req[0].len);
	att_story_step(c, ATT_OP_REVOKE);
	att_story_send(c, (s32)c->req[1].at, c->req[1].len);
	answers(c, 2);
	att_engine_run(c);
	if (c->arrived > 1)
		att_wrong(c, "%u requests arrived", c->arrived);
}

static void ambiguous(struct att_case *c)
{
	u32 i, k;

	for (i = 0; i < ATT_AMBIGUITIES; i++) {
		k = att_story_add(c, &(struct att_shape){.class = ATT_AMBIGUOUS, .ambiguity = i});
		if (i) {
			att_story_send(c, (s32)c->req[k].at, 0)->flags = ATT_RST;
			att_story_step(c, ATT_OP_AGAIN)->off = (s32)c->req[k].at;
		}
		open_connection(c);
		att_story_send(c, (s32)c->req[k].at, c->req[k].len);
		if (i & 1) /* and once more, cut */
			send_cut(c, c->req[k].at, c->req[k].len, 200);
		answers(c, 1);
	}
	run_attack(c, 0);
}

static void body_replaced(struct att_case *c)
{
	u32 i = request_with_body(c, ATT_KNOWN, ATT_B_LENGTH, 2000), body = c->req[i].head_len;

	request(c, ATT_NO_TOKEN);
	open_connection(c);
	send_text(c, (s32)body, "\r\n\r\nGET /admin/x HTTP/1.1\r\nHost: a\r\n\r\n");
	att_story_send(c, 0, body);
	send_text(c, (s32)body + 1980, "0\r\n\r\nGET /admin/x HTTP/1.1\r\nHost: a\r\n\r\n");
	send_cut(c, body, c->stream_len - body, 700);
	att_engine_run(c);
	arrive(c, 1);
}

/* ---- the guard comes late, and forgets ------------------------------------------------------- */

static void attach_live(struct att_case *c)
{
	static char attach[64];

	request(c, ATT_KNOWN);
	request(c, ATT_KNOWN);
	request(c, ATT_NO_TOKEN);
	snprintf(attach, sizeof(attach), "attach %s", att_lab.server_if);
	att_story_step(c, ATT_OP_CTL)->text = "detach --all";
	open_connection(c);
	att_story_send(c, 0, c->req[0].len);
	answers(c, 1);
	att_story_step(c, ATT_OP_CTL)->text = attach;
	att_story_send(c, (s32)c->req[1].at, c->req[1].len);
	att_story_send(c, (s32)c->req[2].at, c->req[2].len);
	answers(c, 2);
	att_engine_run(c);
	arrive(c, 1);
	if (!c->conn.rst)
		att_wrong(c, "a connection from before was not reset");
}

#define CROWD     200
#define PASSERS   4
#define CROWD_MAX 30000 /* connections in all before the map counts as one that forgets nobody */

static struct {
	struct att_case *victim, *member[CROWD];
	u32 begun;
	bool released;
} crowd;

/*
 * The kernel's LRU is approximate, and has lists per CPU: nobody can say after how many connections
 * the victim is gone. So there are more of them until it is.
 */
static bool victim_is_gone(void)
{
	u32 i;

	for (i = 0; i < CROWD; i++)
		if (!crowd.member[i] || crowd.member[i]->at_step + 1 < crowd.member[i]->n_steps)
			return false;
	return !att_flow_known(crowd.victim) || crowd.begun > CROWD_MAX;
}

static bool crowd_may_go(void)
{
	return crowd.released;
}

/* The victim first, then connections with an admitted request each; the first of them stay. */
static struct att_case *next_of_crowd(void *arg)
{
	struct att_case *c;

	(void)arg;
	if (crowd.begun++ == 0)
		return crowd.victim;
	if (crowd.begun > CROWD + 1 && (crowd.released || crowd.begun > CROWD_MAX))
		return NULL;
	c = att_alloc(sizeof(*c));
	att_case_init(c, crowd.victim->seed, 10000 + crowd.begun);
	att_case_address(c);
	request(c, ATT_KNOWN);
	open_connection(c);
	send_all(c);
	answers(c, 1);
	if (crowd.begun <= CROWD + 1) {
		crowd.member[crowd.begun - 2] = c;
		att_story_step(c, ATT_OP_GATE)->gate = crowd_may_go;
	}
	return c;
}

static void one_of_crowd_over(struct att_case *c, void *arg)
{
	(void)arg;
	if (c == crowd.victim) {
		crowd.released = true;
		return;
	}
	if (c->why[0])
		att_wrong(crowd.victim, "beside it: %s", c->why);
	att_case_done(c);
	free(c);
}

/* More connections than the map has room for push out one in the middle of a request. */
static void eviction(struct att_case *c)
{
	u32 i = request_with_body(c, ATT_KNOWN, ATT_B_LENGTH, 3000), body = c->req[i].head_len;
	struct att_step *taken;

	request(c, ATT_NO_TOKEN);
	crowd.victim = c;
	c->recover = false;
	open_connection(c);
	att_story_send(c, 0, body + 500);
	taken = att_story_step(c, ATT_OP_ACKED);
	taken->off = (s32)body + 500;
	taken->ms = 10000;
	att_story_step(c, ATT_OP_GATE)->gate = victim_is_gone;
	send_cut(c, body + 500, c->stream_len - body - 500, 1000);
	wait_ms(c, 50);
	att_engine_series(CROWD + 1 + PASSERS, next_of_crowd, one_of_crowd_over, NULL);
	arrive(c, 0);
	if (crowd.begun > CROWD_MAX)
		att_wrong(c, "%d connections have not pushed it out", CROWD_MAX);
	else if (!c->conn.rst)
		att_wrong(c, "the connection that was pushed out was not reset");
}

const struct att_named att_named[] = {
	{"changed_retransmission_of_a_refused_head", changed_same, false},
	{"changed_retransmission_of_an_admitted_head", changed_after, false},
	{"changed_and_longer_retransmission", changed_longer, false},
	{"changed_retransmission_in_pieces", changed_shorter, false},
	{"changed_bytes_ahead_of_a_hole", changed_ahead, false},
	{"unchanged_retransmission_alone_and_coalesced", retransmitted_as_it_was, false},
	{"segments_in_reverse_order", out_of_order, false},
	{"single_bytes", single_bytes, false},
	{"old_duplicates", old_duplicates, false},
	{"refused_request_in_the_segment_of_an_admitted_one", refused_behind_admitted, false},
	{"two_syns_with_other_numbers", two_syns, false},
	{"syn_cookie_moved", cookie_shift, false},
	{"syn_with_data", syn_with_data, false},
	{"sequence_numbers_wrap", sequence_wrap, false},
	{"port_is_used_again", port_reuse, false},
	{"port_is_used_again_inside_an_old_body", port_reuse_old_body, false},
	{"odd_packets_carry_nothing", odd_packets, false},
	{"fragments_and_options_do_no_harm", odd_packets_do_no_harm, false},
	{"bad_checksums", bad_checksums, false},
	{"resets_around_the_window", resets, false},
	{"reset_with_a_bad_checksum_inside_a_body", reset_with_bad_checksum, false},
	{"fin_inside_a_head", fin_inside_head, false},
	{"urgent_data", urgent_data, false},
	{"old_timestamps", old_timestamps, false},
	{"windows_and_what_lies_outside", windows, false},
	{"server_that_does_not_read", slow_server, false},
	{"token_cut_anywhere", token_cut, false},
	{"head_of_several_segments", head_of_pieces, false},
	{"head_of_many_pieces", head_of_many_pieces, false},
	{"chunked_body_cut_anywhere", chunked_cut, false},
	{"eight_requests_pipelined", pipelined, false},
	{"refusal_waits_for_every_answer", refusal_in_turn, false},
	{"simultaneous_misses_on_one_connection", simultaneous_misses, false},
	{"revoked_while_a_head_is_held", revoked, false},
	{"revoked_while_a_token_is_verified", revoked_while_asked, false},
	{"heads_that_servers_disagree_about", ambiguous, false},
	{"body_replaced_by_requests", body_replaced, false},
	{"connection_from_before_the_guard", attach_live, false},
	{"connection_pushed_out_in_mid_request", eviction, true},
	{NULL, NULL, false},
};

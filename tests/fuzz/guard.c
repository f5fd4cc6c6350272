/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The whole guard under a sequence of segments, acknowledgements and verdicts that the input
 * chooses, with a server behind it that reads the stream by its own small HTTP reader.
 *
 * What must hold: a byte the server could still accept never passes with two contents, unless it
 * lies in a body that was announced; nothing passes behind the decided bytes; every request the
 * server reads is one that is allowed. A client's RST may end the server's connection anywhere
 * between what it has acknowledged and what it was sent, and a bare ACK with the old numbers
 * begins it again, as SYN cookies allow.
 */
#include <strings.h>

#define SCENE_NATIVE
#define main harness_main
#include "scene.h"
#undef main

int LLVMFuzzerTestOneInput(const u8 *data, size_t n);

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* ---- the server's reader ---- */

enum { IN_HEAD, IN_BODY, IN_SIZE, IN_DATA, IN_CRLF, IN_TRAILER };

#define SPAN 32768u

struct reader {
	u32 pos, state, left, n;
	bool chunked, refused;
	u8 *body; /* marks of announced bytes; NULL: the daemon's trial run */
	u32 heads;
	char text[4096];
};

static bool allowed(const char *head)
{
	const char *path = strchr(head, ' '), *end = path ? strchr(path + 1, ' ') : NULL;
	u32 len = end ? (u32)strcspn(++path, "? ") : 0;

	if (!end || (strncmp(head, "GET ", 4) && strncmp(head, "POST ", 5)))
		return false;
	if (len == 4 && !strncmp(path, "/pub", 4))
		return true;
	if (strncmp(path, "/a", 2) || (len > 2 && path[2] != '/'))
		return false;
	return strcasestr(head, "\r\nAuthorization: Bearer " SCENE_GRANTED "\r\n") ||
	       strcasestr(head, "\r\nAuthorization: Bearer later\r\n");
}

static void announce(struct reader *r, u32 len, u32 state)
{
	r->left = len;
	r->state = len ? state : IN_HEAD;
	for (u32 i = 0; r->body && i < len && r->pos + i < SPAN; i++)
		r->body[r->pos + i] = 1;
}

static void read_head(struct reader *r)
{
	const char *length = strcasestr(r->text, "\r\nContent-Length:");

	r->heads++;
	r->chunked = strcasestr(r->text, "\r\nTransfer-Encoding:") != NULL;
	r->refused |= !allowed(r->text);
	if (r->chunked)
		r->state = IN_SIZE;
	else
		announce(r, length ? (u32)strtoul(length + 17, NULL, 10) : 0, IN_BODY);
}

/* The server takes one more byte. */
static void reader_take(struct reader *r, u8 c)
{
	r->pos++;
	if (r->state == IN_BODY || r->state == IN_DATA) {
		if (!--r->left)
			r->state = r->state == IN_BODY ? IN_HEAD : IN_CRLF;
		return;
	}
	must(r->n + 1 < sizeof(r->text));
	r->text[r->n++] = (char)c;
	r->text[r->n] = 0;
	if (c != '\n')
		return;
	if (r->state == IN_HEAD) {
		if (r->n < 4 || memcmp(r->text + r->n - 4, "\r\n\r\n", 4))
			return;
		read_head(r);
	} else if (r->state == IN_SIZE) {
		u32 digits = (u32)strspn(r->text, "0123456789abcdefABCDEF");
		u32 size = (u32)strtoul(r->text, NULL, 16);

		r->refused |= !digits || digits > 8 || strcmp(r->text + digits, "\r\n");
		announce(r, size, IN_DATA);
		if (!size)
			r->state = IN_TRAILER;
	} else if (r->state == IN_CRLF) {
		r->refused |= strcmp(r->text, "\r\n") != 0;
		r->state = IN_SIZE;
	} else if (r->n == 2) {
		r->state = IN_HEAD;
	}
	must(!r->body || !r->refused);
	r->n = 0;
}

/* ---- the server ---- */

static struct {
	struct reader r;
	u32 acked; /* as the egress program has seen it */
	u32 got;   /* bytes without a gap; the reader runs ahead over what is announced */
	bool gone;
	u8 have[SPAN], value[SPAN], body[SPAN];
} server;

static void server_begin(void)
{
	memset(&server, 0, sizeof(server));
	server.r.body = server.body;
}

/* A segment reached the server. */
static void server_takes(const struct pkt_seg *s)
{
	u32 at = s->seq - scene_base;

	if (server.gone && (s->flags & PKT_ACK) && s->ack == scene_ack && at == 0 &&
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
	while (server.r.pos < SPAN && (server.have[server.r.pos] || server.body[server.r.pos]))
		reader_take(&server.r, server.value[server.r.pos]);
	for (u32 i = 0; i < s->len; i++) {
		u32 o = at + i;

		must((s32)(o - server.acked) < 0 || o < server.r.pos || o >= SPAN);
	}
}

static void server_acks(u32 to, u8 flags)
{
	if (server.gone || to < server.acked || to > server.got)
		return;
	server.acked = to;
	OUT(.flags = PKT_ACK | flags, .seq = scene_ack, .ack = scene_base + to);
}

/* ---- the daemon ---- */

static u8 held[32][2048];
static u32 held_len[32], n_held;

/* Decides the bytes at the boundary as a trial run of the server's reader. */
static void daemon_decides(const struct sz_miss *m)
{
	static struct reader r;
	const u8 *p = scene_miss_frame + m->payload_off + m->undecided;
	u32 n = 0, len = (u32)m->payload_len - m->undecided, heads = server.r.heads;
	struct sz_ticket t;

	r = server.r;
	r.body = NULL;
	if (server.gone || r.pos != m->seq - scene_base || r.state == IN_BODY ||
	    r.state == IN_DATA || r.pos + len > SPAN)
		return;
	while (n < len) {
		u32 before = r.state;

		reader_take(&r, p[n++]);
		if (r.refused || (r.state != before &&
				  (r.state == IN_BODY || r.state == IN_DATA || r.state == IN_HEAD)))
			break;
		if (before == IN_HEAD && r.state == IN_HEAD && r.heads != heads)
			break;
	}
	t = scene_ticket_value(p, n, r.heads != heads ? SZ_TK_REQUEST : 0, r.left);
	if (r.refused)
		t.reason = SZ_R_NO_SCOPE;
	if (r.state == IN_DATA)
		t.flags |= SZ_TK_STREAM | SZ_TK_CHUNK;
	else if (r.state != IN_BODY && (r.state != IN_HEAD || r.n))
		t.flags |= SZ_TK_STREAM;
	t.birth_ns = m->birth_ns;
	scene_ticket_set(m->seq - scene_base, &t);
}

static void daemon_runs(void)
{
	struct sz_miss m;

	while (scene_miss(&m)) {
		if (m.frame_len > sizeof(held[0]))
			continue;
		if (m.reason != SZ_MISS_TOKEN)
			daemon_decides(&m);
		memcpy(held[n_held % 32], scene_miss_frame, m.frame_len);
		held_len[n_held++ % 32] = m.frame_len;
	}
}

/* ---- the client ---- */

static void arrives(void)
{
	if (scene_raw() == SCENE_PASS && scene.parsed)
		server_takes(&scene.seg);
}

#define LATER   "GET /a HTTP/1.1\r\n" HOST_ "Authorization: Bearer later\r\n\r\n"
#define CHUNKED "POST /a HTTP/1.1\r\n" HOST_ AUTH_ "Transfer-Encoding: chunked\r\n\r\n"

static const char *const menu[] = {
	GET_A,
	GET_PUB,
	GET_NO_TOKEN,
	POST_A("5"),
	POST_PUB("20"),
	"hello",
	"\r\n",
	"5\r\nhello",
	"0\r\n\r\n",
	"\r\n5\r\nhello\r\n0\r\n\r\n",
	CHUNKED,
	LATER,
	"GET /other HTTP/1.1\r\n" HOST_,
	AUTH_ "\r\n",
	"GET /a HTTP/1.1\r\n",
	HOST_ AUTH_,
	"\r\n1\r\nx",
	POST_A("300"),
	"GET /a/%41 HTTP/1.1\r\n" HOST_ AUTH_ "\r\n",
	"GET /other HTTP/1.1\r\n" HOST_ AUTH_ "\r\n",
	"X: y\r\n",
	"ffffffff\r\n",
	"POST /a HTTP/1.1\r\n" HOST_ AUTH_ "Content-Length: 0\r\n\r\n",
	"POST /pub HTTP/1.1\r\n" HOST_ "Content-Length: 1\r\n\r\nx",
	"01234567890123456789",
};

static const u8 *in;
static size_t in_left;

static u32 take(u32 below)
{
	u32 v;

	if (!in_left)
		return 0;
	v = *in++;
	if (below > 256 && --in_left)
		v = v << 8 | *in++;
	in_left -= in_left > 0;
	return v % below;
}

static struct {
	u32 at, len, ack;
	u8 flags, bytes[1200];
} sent[32];
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

static u32 place(void)
{
	struct sz_flow f;

	switch (take(8)) {
	case 0:
		return take(600);
	case 1:
		return server.acked - take(8);
	case 2:
		return server.got + take(64);
	case 3:
		if (scene_flow(&f) || scene_half(&f))
			return f.next - scene_base + take(4) - 2;
		return 0;
	case 4:
		return n_sent ? sent[take(32) % (n_sent < 32 ? n_sent : 32)].at : 0;
	default:
		if (scene_flow(&f) || scene_half(&f))
			return f.next - scene_base;
		return server.r.pos;
	}
}

static void client_sends(void)
{
	u32 i = n_sent++ % 32, n = 0, pieces = 1 + take(8);

	sent[i].at = place();
	sent[i].flags = PKT_ACK | (take(16) ? PKT_PSH : PKT_FIN);
	while (pieces--) {
		const char *s = menu[take(sizeof(menu) / sizeof(*menu))];
		u32 len = (u32)strlen(s), cut = take(16);

		if (cut == 1)
			len = take(len + 1);
		if (n + len > sizeof(sent[i].bytes))
			break;
		memcpy(sent[i].bytes + n, s, len);
		n += len;
	}
	sent[i].len = n;
	if (n && take(8) == 1)
		sent[i].bytes[take(n)] = (u8)take(256);
	scene_ack += take(8) == 1;
	send_again(i, take(16) == 1 ? SCENE_ISS + take(300) : scene_ack);
}

/* What was sent before, moved, joined with the next, or changed. */
static void client_repeats(void)
{
	u32 have = n_sent < 32 ? n_sent : 32, i, j, n;

	if (!have)
		return;
	i = take(have);
	j = n_sent++ % 32;
	n = take(4) ? 0 : take(40);
	memmove(&sent[j], &sent[i], sizeof(sent[j]));
	if (n < sent[j].len) {
		sent[j].at += n;
		sent[j].len -= n;
		memmove(sent[j].bytes, sent[j].bytes + n, sent[j].len);
	}
	i = take(have);
	if (take(2) && sent[i].at == sent[j].at + sent[j].len && i != j &&
	    sent[i].len + sent[j].len <= sizeof(sent[j].bytes)) {
		memcpy(sent[j].bytes + sent[j].len, sent[i].bytes, sent[i].len);
		sent[j].len += sent[i].len;
	}
	if (sent[j].len && take(4) == 1)
		sent[j].bytes[take(sent[j].len)] ^= 1;
	if (take(8) == 1)
		sent[j].len = take(sent[j].len + 1);
	send_again(j, scene_ack);
}

static void client_controls(void)
{
	static const u8 flags[] = {PKT_ACK, PKT_RST, PKT_ACK | PKT_FIN, PKT_RST | PKT_ACK};
	struct pkt_spec s = {.flags = flags[take(4)], .ack = scene_ack};

	s.seq = scene_base + (take(2) ? 0 : place());
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
	scene_ack = SCENE_ISS + 1;
	OUT(.flags = PKT_SYN | PKT_ACK, .seq = SCENE_ISS, .ack = scene_base);
}

static void step(void)
{
	struct sz_grant g;

	switch (take(16)) {
	case 0:
	case 1:
		client_controls();
		break;
	case 2:
	case 3:
		client_repeats();
		break;
	case 4:
		server_acks(server.acked + take(600) % (server.got - server.acked + 1), 0);
		break;
	case 5:
		server_acks(server.got, take(16) ? 0 : PKT_FIN);
		break;
	case 6:
	case 7:
		daemon_runs();
		break;
	case 8:
	case 9:
		if (n_held) {
			u32 i = (n_held - 1 - take(n_held < 32 ? n_held : 32)) % 32;

			scene.in_len = held_len[i];
			memcpy(scene.in, held[i], held_len[i]);
			arrives();
		}
		break;
	case 10:
		g = scene_grant_value();
		scene_grant("later", &g);
		break;
	case 11:
		machine_wait((u64)take(4) * 700000000ull);
		scene.cfg.heartbeat_ns = native_now;
		scene_config();
		if (server.gone && take(2))
			connection_begins();
		break;
	default:
		client_sends();
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
	static const u32 bases[] = {1000, 0, 0xffffff00, 0xfffffff0, 0x7fffff80};

	if (n < 4 || n > 1000)
		return 0;
	in = data;
	in_left = n;
	n_sent = n_held = 0;
	scene_begin();
	scene_base = bases[take(5)];
	connection_begins();
	while (in_left && server.r.pos < SPAN / 2)
		step();
	return 0;
}

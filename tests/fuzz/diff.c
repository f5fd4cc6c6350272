/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The packet core in the kernel against the same lines natively: one script of frames from several
 * clients and of three services' servers, time, and every kind of map change, on both machines.
 * scene_both.h compares them after each frame. What is decided is not judged here; guard.c does
 * that. Compiled with SCENE_NATIVE it runs natively alone, for its coverage.
 */
#ifndef SCENE_NATIVE
#define SCENE_BOTH
#endif
#define main harness_main
#include "script.h"
#undef main

int LLVMFuzzerTestOneInput(const u8 *data, size_t n);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define SKIPPED 77
#define KEPT    16   /* frames remembered */
#define FRAME   2600 /* bytes of one: the kernel's test run takes one page */

static const struct peer {
	bool v6;
	u8 host, server;
	u16 sport, dport;
	u32 service;
} peers[] = {
	{false, 7, 1, 40000, 8080, SCENE_SERVICE},
	{true, 7, 1, 40000, 8080, SCENE_SERVICE},
	{false, 7, 1, 40001, 8080, SCENE_SERVICE},
	{false, 8, 1, 40000, 8080, SCENE_SERVICE},
	{false, 7, 2, 40000, 8080, 6},
	{true, 9, 2, 40000, 8080, 6},
	{false, 7, 3, 40000, 9090, 7}, /* protected at any address */
	{false, 7, 3, 40000, 8080, 0}, /* not protected */
};
#define PEERS (sizeof(peers) / sizeof(*peers))

static struct {
	u32 base, ack;
} conns[PEERS];

struct kept {
	u32 len;
	bool out, forwarded;
	const struct peer *peer;
	u8 bytes[FRAME];
};

static struct kept frames[KEPT];
static struct {
	struct sz_miss miss;
	struct kept frame;
} misses[KEPT];
static u32 n_frames, n_misses;
static struct sz_service services[3];
static struct script script;
static const struct peer *peer;

#define STEP (&script.step)

/* ---- the universe ---- */

static struct sz_flow_key flow_key(void)
{
	return (struct sz_flow_key){.client = scene_addr(peer->v6, peer->host),
				    .server = scene_addr(peer->v6, peer->server),
				    .client_port = htons(peer->sport),
				    .server_port = htons(peer->dport)};
}

static const char *flow_read(struct sz_flow *f)
{
	struct sz_flow_key k = flow_key();

	if (!machine_get("sz_flows", &k, f))
		return "sz_flows";
	return machine_get("sz_half", &k, f) ? NULL : "sz_half";
}

static void services_set(void)
{
	struct sz_service_key any = {.port = htons(9090)};

	scene_service(&services[0]);
	for (int v6 = 0; v6 < 2; v6++) {
		struct sz_service_key k = {.addr = scene_addr(v6, 2), .port = htons(8080)};

		(void)machine_set("sz_services", &k, &services[1]);
	}
	(void)machine_set("sz_services", &any, &services[2]);
}

static void route(u32 service, const char *path, bool exact, u16 id, u16 flags)
{
	struct sz_route_key k = {.service = service};
	u32 len = (u32)strlen(path) + exact;
	struct sz_route_node n;

	memcpy(k.path, path, len);
	k.prefixlen = 32 + 8 * len;
	for (u32 m = 0; m < SZ_METHOD_COUNT; m++) {
		n.route[m] = m == SZ_M_PUT ? SZ_ROUTE_NONE : id;
		n.flags[m] = flags;
	}
	(void)machine_set("sz_routes", &k, &n);
}

static const char *const tokens[] = {SCENE_GRANTED, "later", "third"};

static struct sz_grant_key token_key(void)
{
	struct sz_grant_key k = scene_token(tokens[STEP->who % 3]);

	k.service = SCENE_SERVICE + STEP->who / 3 % 3;
	return k;
}

/* Slots of the limits that all services share. */
enum {
	LIMIT_SYN = 1,
	LIMIT_SOURCE,
	LIMIT_PRINCIPAL,
	LIMIT_OTHER, /* of the third service: a route of a source; dry where its burst is odd */
	LIMIT_FAIL,
	LIMIT_SOURCE_MISSES,
	LIMIT_MISSES,
};

/* A rate for one of them; its state stays. */
static void limit_set(u32 slot, u64 interval, u64 burst)
{
	static const struct sz_limit kinds[] = {
		[LIMIT_SYN] = {.stage = SZ_LIMIT_SYN, .by = SZ_BY_SOURCE, .reason = SZ_R_SYN_LIMIT},
		[LIMIT_SOURCE] = {.stage = SZ_LIMIT_READ, .by = SZ_BY_SOURCE, .prefix4 = 24,
				  .prefix6 = 120, .reason = SZ_R_LIMIT_SOURCE},
		[LIMIT_PRINCIPAL] = {.stage = SZ_LIMIT_ADMIT, .by = SZ_BY_PRINCIPAL,
				     .reason = SZ_R_LIMIT_PRINCIPAL},
		[LIMIT_OTHER] = {.stage = SZ_LIMIT_ADMIT, .by = SZ_BY_SOURCE | SZ_BY_ROUTE,
				 .reason = SZ_R_LIMIT_RULE},
		[LIMIT_FAIL] = {.stage = SZ_LIMIT_FAIL, .by = SZ_BY_SOURCE,
				.reason = SZ_R_LIMIT_FAILURES},
		[LIMIT_SOURCE_MISSES] = {.stage = SZ_LIMIT_MISS, .by = SZ_BY_SOURCE,
					 .reason = SZ_R_OVERLOAD},
		[LIMIT_MISSES] = {.stage = SZ_LIMIT_MISS, .reason = SZ_R_OVERLOAD},
	};
	struct sz_limit old = {}, l = kinds[slot];

	(void)machine_get("sz_limits", &slot, &old);
	l.tat = old.tat;
	l.spare_tat = old.spare_tat;
	l.full_ns = old.full_ns;
	l.id = slot;
	l.interval_ns = interval;
	l.burst_ns = burst;
	l.table = slot % SZ_BUCKET_TABLES;
	l.prefix4 = l.prefix4 ? l.prefix4 : 32;
	l.prefix6 = l.prefix6 ? l.prefix6 : 64;
	l.flags = slot == LIMIT_OTHER && interval && burst / interval & 1 ? SZ_LIMIT_DRY : 0;
	memset(l.routes, 0xff, sizeof(l.routes));
	(void)machine_set("sz_limits", &slot, &l);
}

static void universe(void)
{
	static const char long_path[] = "/" SCRIPT_X32 SCRIPT_X32 SCRIPT_X32 SCRIPT_X32 SCRIPT_X32;

	scene_begin();
	for (u32 i = 0; i < 3; i++)
		services[i] = (struct sz_service){
			.id = SCENE_SERVICE + i,
			.limit = {LIMIT_SYN, LIMIT_SOURCE, LIMIT_PRINCIPAL, LIMIT_OTHER, LIMIT_FAIL,
				  LIMIT_SOURCE_MISSES, LIMIT_MISSES},
			.limit_end = {1, 2, i == 2 ? 4 : 3, 5, 7, 7, 7, 7}};
	services[1].flags = SZ_SVC_MONITOR;
	services[2].flags = SZ_SVC_EVENT_HITS;
	for (u32 i = LIMIT_SYN; i <= LIMIT_MISSES; i++)
		limit_set(i, i == LIMIT_OTHER ? 1000000 : 0, i == LIMIT_OTHER ? 3000000 : 0);
	services_set();
	for (u32 s = SCENE_SERVICE; s < SCENE_SERVICE + 3; s++) {
		route(s, "/a", true, SCENE_ROUTE_A, 0);
		route(s, "/pub/ask", true, 6, SZ_RT_PUBLIC | SZ_RT_ASK);
		route(s, "/pub", true, SCENE_ROUTE_PUBLIC, SZ_RT_PUBLIC);
		route(s, long_path, false, 7, SZ_RT_PUBLIC);
	}
	for (u32 i = 0; i < PEERS; i++) {
		conns[i].base = 1000 + i * 0x30000000u;
		conns[i].ack = SCENE_ISS + 1;
	}
	n_frames = n_misses = 0;
}

/* ---- frames ---- */

static void take_misses(void)
{
	struct sz_event e;
	struct sz_miss m;

	while (scene_miss(&m)) {
		u32 i = n_misses % KEPT;

		if (m.frame_len > FRAME)
			continue;
		misses[i].miss = m;
		misses[i].frame = (struct kept){.len = m.frame_len};
		memcpy(misses[i].frame.bytes, scene_miss_frame, m.frame_len);
		n_misses++;
	}
	while (scene_event(&e))
		;
}

static void run(const struct kept *f)
{
	/* The kernel's test run wants a whole network header of what goes out. */
	if (f->len < (f->out ? 54 : 14))
		return;
	memcpy(scene.in, f->bytes, f->len);
	scene.in_len = f->len;
	scene.forwarded = f->forwarded;
	if (f->out)
		machine_out();
	else
		scene_raw();
	take_misses();
}

static void keep(const struct pkt_spec *s, bool out)
{
	struct kept *f = &frames[n_frames++ % KEPT];
	static u8 built[PKT_MAX];

	f->len = pkt_build(built, s);
	if (f->len > FRAME)
		f->len = FRAME;
	memcpy(f->bytes, built, f->len);
	f->peer = peer;
	f->out = out;
	f->forwarded = out && STEP->b & 1;
	run(f);
}

/* A sequence number that matters to the flow. */
static u32 place(void)
{
	static const u32 off[] = {0, 0, 0, 0, 0, 1, ~0u, 100, 5, ~19u, 1u << 24, 1u << 31,
				  1448, 0xffff, 1u << 20, ~(1u << 29)};
	u32 shift = off[STEP->place >> 4];
	struct sz_flow f;

	if (!flow_read(&f))
		return conns[peer - peers].base + shift;
	switch (STEP->place & 15) {
	case 8:
		return f.base + shift;
	case 9:
		return sz_flow_acked(&f) + shift;
	case 10:
		return f.floor + shift;
	case 11:
		return f.range[0].seq + shift;
	case 12:
		return f.range[1].seq + f.range[1].fixed + shift;
	case 13:
		return f.next + STEP->b * 64u;
	case 14:
		return f.base - 1 + shift;
	case 15:
		return f.range[STEP->b % SZ_RANGES].seq + shift;
	default:
		return f.next + shift;
	}
}

static void address(struct pkt_spec *s)
{
	s->v6 = peer->v6;
	s->host = peer->host;
	s->server = peer->server;
	s->sport = peer->sport;
	s->dport = peer->dport;
}

/* What a segment may wear besides its payload. */
static void dress(struct pkt_spec *s)
{
	static const u8 multipath[12] = {1, 1, 30, 8, 0, 1, 2, 3, 4, 5, 0, 0};
	static const u8 odd[12] = {3, 3, 7, 1, 2, 4, 5, 0, 30, 2, 30, 2};
	static const u8 ext[16] = {6, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0};
	static const u8 next[] = {0, 43, 44, 51, 60, 17, 135, 59};
	u32 bits = STEP->bits;

	address(s);
	s->vlans = bits & 1;
	s->ts = bits & 2;
	s->partial = bits & 4;
	if (bits & 8)
		s->pad = STEP->b & 31;
	if (!(bits & 128))
		return;
	if (bits & 16) {
		s->opt = bits & 1 ? odd : multipath;
		s->opt_len = 4 * (STEP->b & 3);
	}
	if (bits & 32) {
		s->ext = ext;
		s->ext_len = 8u << (STEP->b >> 2 & 1);
		s->next = next[STEP->b >> 3 & 7];
	}
	if (bits & 64)
		s->vlans = STEP->b & 3;
	if (!(bits & (16 | 32 | 64)) && STEP->b & 1) {
		s->flags |= PKT_URG;
		s->urg = 1;
	} else if (!(bits & (16 | 32 | 64))) {
		s->frag = (u16)(STEP->b << 8 | STEP->b);
	}
}

static void client_sends(bool data)
{
	static const u8 flags[] = {PKT_ACK | PKT_PSH, PKT_ACK | PKT_PSH, PKT_ACK, PKT_ACK | PKT_FIN,
				   PKT_RST, PKT_RST | PKT_ACK, 0, PKT_ACK | PKT_RST | PKT_FIN};
	static u8 payload[2400];
	u32 *ack = &conns[peer - peers].ack;
	struct pkt_spec s = {.flags = flags[data ? STEP->a >> 2 & 3 : STEP->a >> 2 & 7],
			     .seq = place(), .data = payload};

	if ((STEP->a & 3) == 1)
		++*ack;
	s.ack = (STEP->a & 3) == 2 ? SCENE_ISS + 1 : *ack;
	s.ack -= (STEP->a & 3) == 3 ? STEP->b : 0;
	if (data || STEP->a & 32)
		s.len = script_payload(&script, payload, sizeof(payload));
	if (s.len && STEP->a & 64)
		payload[STEP->b % s.len] ^= STEP->a & 128 ? 0x80 : 1;
	dress(&s);
	keep(&s, false);
}

static void client_begins(void)
{
	static const u8 flags[] = {PKT_SYN, PKT_SYN, PKT_SYN | PKT_ACK, PKT_SYN | PKT_FIN};
	struct pkt_spec s = {.flags = flags[STEP->a >> 2 & 3], .seq = place() - 1, .data = "x",
			     .len = STEP->a & 1};

	dress(&s);
	keep(&s, false);
}

static void server_begins(void)
{
	static const u32 bases[] = {1000, 1000, 0, 0xffffff00, 0x7fffff80, 2000, 3000, 4000};
	u32 i = (u32)(peer - peers);
	struct pkt_spec s = {.reply = true, .flags = PKT_SYN | PKT_ACK, .seq = SCENE_ISS};

	s.ack = conns[i].base = bases[STEP->a & 7];
	conns[i].ack = SCENE_ISS + 1;
	dress(&s);
	keep(&s, true);
}

static void server_acks(void)
{
	static const u8 flags[] = {PKT_ACK, PKT_ACK, PKT_ACK, PKT_ACK | PKT_FIN,
				   PKT_RST, PKT_ACK | PKT_PSH, 0, PKT_SYN};
	struct pkt_spec s = {.reply = true, .flags = flags[STEP->a & 7], .ack = place()};

	s.seq = conns[peer - peers].ack;
	dress(&s);
	keep(&s, true);
}

/* A segment's payload again without what stood first or last, as TCP might cut it. */
static void recuts(const struct kept *f)
{
	u32 head = STEP->bits & 15, tail = STEP->bits >> 4;
	static u8 payload[FRAME];
	struct pkt_seg seg;
	struct pkt_spec s;

	if (f->out || !pkt_parse(f->bytes, f->len, &seg) || seg.len < head + tail)
		return;
	memcpy(payload, seg.data, seg.len);
	peer = f->peer;
	s = (struct pkt_spec){.flags = seg.flags, .seq = seg.seq + head, .ack = seg.ack,
			      .data = payload + head, .len = seg.len - head - tail};
	if (STEP->b && s.len)
		payload[head + STEP->b % s.len] ^= 1;
	address(&s);
	keep(&s, false);
}

/* A frame from before, whole or with one field or byte changed, cut or made longer. */
static void repeats(void)
{
	struct kept f;
	u32 at;

	if (!n_frames)
		return;
	f = frames[(n_frames - 1 - STEP->who % (n_frames < KEPT ? n_frames : KEPT)) % KEPT];
	if (STEP->a & 32) {
		recuts(&f);
		return;
	}
	at = STEP->place % f.len;
	if (STEP->a & 1)
		f.bytes[at] = STEP->b;
	if (STEP->a & 2)
		f.bytes[at] ^= (u8)(1u << (STEP->b & 7));
	if (STEP->a & 4)
		f.len -= STEP->bits % f.len;
	if (STEP->a & 8 && f.len + STEP->bits <= FRAME) {
		memset(f.bytes + f.len, STEP->b, STEP->bits);
		f.len += STEP->bits;
	}
	if (STEP->a & 16) /* whole segments of it again, further on */
		pkt_put32(f.bytes + 38, pkt_get32(f.bytes + 38) + STEP->b);
	run(&f);
}

static void raw(void)
{
	struct kept f = {.out = STEP->bits & 1, .forwarded = STEP->bits & 2};

	f.len = script_payload(&script, f.bytes, FRAME);
	run(&f);
}

/* ---- the daemon ---- */

static void ticket(void)
{
	static const u64 more[] = {0, 0, 0, 5, 20, 300, 1u << 30, 1ull << 33};
	static const u32 reasons[] = {SZ_R_TICKET, SZ_R_TICKET, SZ_R_TICKET, SZ_R_NO_SCOPE,
				      SZ_R_BAD_REQUEST, SZ_R_STATE_FULL, SZ_R_BANNED, 95};
	u32 n = n_misses < KEPT ? n_misses : KEPT, len;
	const struct sz_miss *m;
	struct sz_ticket_key k;
	struct sz_ticket t;
	struct sz_flow f;
	const u8 *p;

	if (!n)
		return;
	n = (n_misses - 1 - STEP->who % n) % KEPT;
	m = &misses[n].miss;
	p = misses[n].frame.bytes + m->payload_off + m->undecided;
	len = m->payload_off + m->payload_len <= m->frame_len ? m->payload_len - m->undecided : 0;
	if (STEP->place & 1) {
		const u8 *end = memmem(p, len, "\r\n\r\n", 4);

		len = end ? (u32)(end - p) + 4 : len;
	} else if (STEP->place & 2) {
		len = len * (STEP->place >> 2) / 64;
	}
	t = scene_ticket_value(p, len, STEP->bits & 15, more[STEP->b & 7]);
	t.reason = reasons[STEP->b >> 3 & 7];
	k = (struct sz_ticket_key){.flow = m->flow, .seq = m->seq};
	t.service = m->service + (STEP->a == 1);
	t.birth_ns = m->birth_ns;
	if (!machine_get("sz_flows", &m->flow, &f) || !machine_get("sz_half", &m->flow, &f))
		t.birth_ns = f.birth_ns + (STEP->a == 2), t.after = f.chain ^ (STEP->a == 7);
	t.digest ^= STEP->a == 3;
	if (STEP->a == 4)
		t.expires_ns = 1;
	t.len += STEP->a == 5;
	if (STEP->a == 6)
		(void)machine_del("sz_tickets", &k);
	else
		(void)machine_set("sz_tickets", &k, &t);
}

static void reinjects(void)
{
	if (n_misses)
		run(&misses[(n_misses - 1 - STEP->who % (n_misses < KEPT ? n_misses : KEPT)) %
			    KEPT].frame);
}

static void grants(void)
{
	struct sz_grant_key k = token_key();
	struct sz_grant g = scene_grant_value();

	if (STEP->a == 1) {
		(void)machine_del("sz_grants", &k);
		return;
	}
	g.principal = STEP->b & 7;
	g.flags = STEP->a == 2 ? SZ_GRANT_REVOKED : 0;
	g.policy_gen += STEP->a == 3;
	g.key_gen += STEP->a == 4;
	if (STEP->a == 5)
		g.expires_ns = machine_now() + STEP->b * 1000000000ull;
	g.allow[0] = STEP->a == 6 ? 0 : ~0ull;
	g.ask[0] = STEP->a == 7 ? ~0ull : 1u << SCENE_ROUTE_ASK;
	(void)machine_set("sz_grants", &k, &g);
}

static void denies(void)
{
	static const u32 reasons[] = {SZ_R_BAD_TOKEN, SZ_R_EXPIRED, SZ_R_REVOKED, SZ_R_BAD_ISSUER};
	struct sz_grant_key k = token_key();
	struct sz_denied d = {.expires_ns = STEP->a == 2 ? 1 : machine_now() + 60000000000ull,
			      .policy_gen = 11 + (STEP->a == 3),
			      .key_gen = 22 + (STEP->a == 4),
			      .reason = reasons[STEP->b & 3]};

	if (STEP->a == 1)
		(void)machine_del("sz_denied", &k);
	else
		(void)machine_set("sz_denied", &k, &d);
}

/* How many questions may be open, and how many are. */
static void load_set(u32 b)
{
	struct sz_load *l = &scene.cfg.load;

	for (u32 p = SZ_PRIORITY_LOW; p < SZ_PRIORITY_COUNT; p++)
		l->cap[p] = b & 7 ? (b & 7) * p : 0;
	l->done = l->asked - (b >> 3 & 7);
	l->flags = b >> 7 ? SZ_LOAD_DRY : 0;
}

static void configures(void)
{
	static const u64 intervals[] = {0, 1, 1000000, 1000000000};
	u64 tat;

	/* What XDP wrote into it meanwhile stays. */
	(void)machine_get("sz_config", &(u32){0}, &scene.cfg);
	tat = intervals[STEP->b & 3];
	switch (STEP->a % 10) {
	case 0:
		scene.cfg.heartbeat_ns = machine_now();
		break;
	case 1:
		scene.cfg.heartbeat_ns = 0;
		break;
	case 2:
		scene.cfg.policy_gen += (STEP->b & 1) ? 1 : ~0u;
		break;
	case 3:
		scene.cfg.key_gen += (STEP->b & 1) ? 1 : ~0u;
		break;
	case 4:
		scene.cfg.abi = STEP->b & 7 ? SZ_ABI : STEP->b >> 3;
		break;
	case 5:
		if (STEP->who & 2)
			load_set(STEP->b);
		else
			scene.cfg.ban_count = STEP->b;
		break;
	case 6:
		limit_set(LIMIT_MISSES, tat, tat * (STEP->b >> 4));
		break;
	case 7:
		limit_set(STEP->who & 1 ? LIMIT_FAIL : LIMIT_SOURCE_MISSES, tat,
			  tat * (STEP->b >> 4));
		break;
	case 8:
		scene.cfg.heartbeat_ttl_ns = STEP->b * 1000000000ull;
		break;
	default:
		scene.cfg.key[STEP->b & 15] ^= 1;
	}
	scene_config();
}

static void serves(void)
{
	struct sz_service *s = &services[STEP->who % 3];
	u64 interval = (u64)(STEP->b >> 4) * 10000000;

	switch (STEP->a % 6) {
	case 0:
		s->flags = STEP->b & (3 | 3 << SZ_PRIORITY_SHIFT);
		break;
	case 1:
		limit_set(LIMIT_SOURCE, interval, interval * (STEP->b & 15));
		break;
	case 2:
		limit_set(STEP->who & 4 ? LIMIT_OTHER : LIMIT_PRINCIPAL, interval,
			  interval * (STEP->b & 15));
		break;
	case 3:
		limit_set(LIMIT_SYN, interval, interval * (STEP->b & 15));
		break;
	case 4:
		s->enforced_ns = STEP->b & 1 ? machine_now() : 0;
		break;
	default:
		s->id = SCENE_SERVICE + STEP->b % 3;
	}
	services_set();
}

static void bans(void)
{
	static const u32 bits[] = {128, 120, 96, 64, 0, 127};
	struct sz_ban_key k = {.prefixlen = bits[STEP->b % 6]};
	struct sz_ban ban = {.expires_ns = STEP->a & 2 ? machine_now() + 3000000000ull : 0};
	struct sz_addr a = scene_addr(peer->v6, peer->host & 0xfe);

	memcpy(k.addr.b, a.b, k.prefixlen / 8);
	if (k.prefixlen == 127)
		k.addr = a;
	else if (k.prefixlen == 128)
		k.addr.b[15] = peer->host;
	scene.cfg.ban_count = 1;
	if (STEP->a & 1)
		(void)machine_del("sz_bans", &k);
	else
		(void)machine_set("sz_bans", &k, &ban);
}

/* What another CPU, an earlier life or a long one may have left in a flow. */
static void flow_changes(void)
{
	struct sz_flow_key k = flow_key();
	struct sz_flow f;
	const char *map = flow_read(&f);

	if (!map)
		return;
	switch (STEP->a % 12) {
	case 0:
		f.ver ^= 1;
		break;
	case 1:
		f.server ^= 1ull << (32 + STEP->b % 32);
		break;
	case 2:
		f.flags ^= 1u << (STEP->b % 6);
		break;
	case 3:
		f.more = (u64)STEP->b << (STEP->place & 31);
		break;
	case 4:
		f.held = STEP->b * 4u;
		break;
	case 5:
		f.requests = STEP->b;
		break;
	case 6:
		f.principal = STEP->b;
		break;
	case 7:
		f.asked_ns = STEP->b ? machine_now() : 0;
		break;
	case 8:
		f.answer = STEP->b % SZ_REASON_MAX;
		break;
	case 9:
		f.floor = f.next - (((u32)STEP->b - 128u) << (STEP->place & 15));
		break;
	case 10:
		f.range[STEP->place % SZ_RANGES] =
			(struct sz_range){.seq = f.next - STEP->b, .len = STEP->b, .digest = 1,
					  .fixed = STEP->b / (1 + (STEP->place >> 4))};
		break;
	default:
		(void)machine_del(map, &k);
		return;
	}
	(void)machine_set(map, &k, &f);
}

static void routes_change(void)
{
	static const char *const paths[] = {"/a", "/a/", "/pub", "/ask", "/", "/other"};

	route(SCENE_SERVICE + STEP->who % 3, paths[STEP->a % 6], STEP->b & 1, STEP->b >> 1 & 7,
	      STEP->b >> 4 & 3);
}

static void answers_change(void)
{
	u32 reason = STEP->who % 60;
	struct sz_answer a;

	if (machine_get("sz_answers", &reason, &a))
		return;
	a.len = STEP->a & 1 ? 0 : STEP->a & 2 ? SZ_ANSWER_MAX + 1 : STEP->b * 3u;
	a.brief_len = STEP->b % SZ_BRIEF_MAX;
	(void)machine_set("sz_answers", &reason, &a);
}

#ifdef SCENE_NATIVE
static void machine_stall(const char *name, bool stall)
{
	struct native_ring *r = strcmp(name, "sz_misses") ? &sz_events : &sz_misses;

	r->max = stall ? 0 : 64;
}
#endif

static void act(void)
{
	static const u64 waits[] = {1000000, 100000000, 150000000, 200000000, 700000000,
				    3000000000, 6000000000, 61000000000};
	static void (*const others[])(void) = {grants, denies, configures, serves, bans, ticket,
					       ticket, reinjects, reinjects, flow_changes,
					       routes_change, answers_change, raw};
	u32 code = STEP->code & 31;

	peer = &peers[STEP->who % PEERS];
	if (code < 8)
		client_sends(true);
	else if (code < 10)
		repeats();
	else if (code == 10)
		client_sends(false);
	else if (code == 11)
		client_begins();
	else if (code == 12)
		server_begins();
	else if (code < 16)
		server_acks();
	else if (code == 16)
		machine_wait(waits[STEP->a & 7]);
	else if (code == 17)
		machine_stall(STEP->a & 1 ? "sz_misses" : "sz_events", STEP->a & 2);
	else
		others[(code - 18) % (sizeof(others) / sizeof(*others))]();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
#ifdef SCENE_BOTH
	if (geteuid()) {
		fprintf(stderr, "SKIP needs root\n");
		_exit(SKIPPED);
	}
#endif
	return 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
	u32 steps = 0;

	if (n > 2000)
		return 0;
	script = (struct script){.at = data, .left = n};
	universe();
	machine_stall("sz_misses", false);
	machine_stall("sz_events", false);
	while (steps++ < SCRIPT_STEPS && script_next(&script))
		act();
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One request at the boundary: grants, refusals and their answers, routes, limits, what is handed
 * to the daemon and what is reported.
 */
#include "scene.h"

#include "subzero/answer.h"

#define HOUR             3600000000000ull
#define UNKNOWN          "GET /a?q=1 HTTP/1.1\r\n" HOST_ "Authorization: Bearer unknown\r\n\r\n"
#define ON(method, path) method " " path " HTTP/1.1\r\n" HOST_ AUTH_ "\r\n"

/* A fresh connection; returns what becomes of `request`, sent whole as its first bytes. */
static int first(const char *request)
{
	static u32 port;

	scene_connect_at(SCENE_BASE + 100000 * ++port);
	return DATA(0, request);
}

TEST(granted_request_passes_and_promotes_the_flow)
{
	struct sz_flow f;
	struct sz_event e;

	for (int v6 = 0; v6 < 2; v6++) {
		scene_begin();
		scene.v6 = v6;
		scene_connect();
		EXPECT_TRUE(scene_half(&f));
		EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
		EXPECT_TRUE(scene.same);
		EXPECT_TRUE(!scene_half(&f));
		ASSERT_TRUE(scene_flow(&f));
		EXPECT_EQ(f.next, scene_base + LEN(GET_A));
		EXPECT_EQ(f.requests, 1);
		EXPECT_TRUE(f.principal == SCENE_PRINCIPAL);
		EXPECT_EQ(scene_count(SZ_R_HIT), 1);
		EXPECT_EQ(scene_hits(SCENE_PRINCIPAL, SCENE_ROUTE_A), 1);
		EXPECT_EQ(DATA(LEN(GET_A), GET_A), SCENE_PASS);
		EXPECT_EQ(scene_hits(SCENE_PRINCIPAL, SCENE_ROUTE_A), 2);
		EXPECT_EQ(DATA(2 * LEN(GET_A), GET_PUB), SCENE_PASS);
		EXPECT_EQ(scene_count(SZ_R_PUBLIC), 1);
		EXPECT_EQ(scene_hits(0, SCENE_ROUTE_PUBLIC), 1);
		EXPECT_TRUE(!scene_event(&e));
	}
}

TEST(admitted_requests_are_reported_where_the_service_asks_for_it)
{
	struct sz_service svc = {.id = SCENE_SERVICE, .flags = SZ_SVC_EVENT_HITS};
	struct sz_event e;

	scene_begin();
	scene_service(&svc);
	EXPECT_EQ(first(POST_A("0")), SCENE_PASS);
	ASSERT_TRUE(scene_event(&e));
	EXPECT_EQ(e.reason, SZ_R_HIT);
	EXPECT_EQ(e.method, SZ_M_POST);
	EXPECT_EQ(e.route, SCENE_ROUTE_A);
	EXPECT_TRUE(e.principal == SCENE_PRINCIPAL);
	EXPECT_EQ(e.path_len, 2);
	EXPECT_MEMEQ(e.path, "/a", 2);
}

/* Expects the last frame, `request`, to have been handed over whole for `why`. */
static void held(int act, const char *request, u32 why)
{
	struct sz_flow f;
	struct sz_miss m;

	EXPECT_EQ(act, SCENE_DROP);
	ASSERT_TRUE(scene_miss(&m));
	EXPECT_EQ(m.reason, why);
	EXPECT_EQ(m.seq, scene_base);
	EXPECT_EQ(m.service, SCENE_SERVICE);
	EXPECT_EQ(m.payload_off, 54);
	EXPECT_EQ(m.payload_len, strlen(request));
	EXPECT_EQ(m.undecided, 0);
	EXPECT_EQ(m.monitor, 0);
	ASSERT_EQ(m.frame_len, scene.in_len);
	EXPECT_MEMEQ(scene_miss_frame, scene.in, scene.in_len);
	ASSERT_TRUE(scene_half(&f));
	EXPECT_TRUE(m.birth_ns == f.birth_ns);
	EXPECT_EQ(f.flags, SZ_FLOW_ASKED | (why == SZ_MISS_TOKEN || why == SZ_MISS_ROUTE
						    ? SZ_FLOW_WHOLE
						    : 0));
}

/*
 * Behind a granted token the next one's length is guessed, and one that ends there is passed over.
 * What is not that token, byte for byte, must be read as if nobody had guessed.
 */
static int behind_a_hit(const char *line, const char *token)
{
	static char head[256];
	int n = snprintf(head, sizeof(head), "%s HTTP/1.1\r\n" HOST_ "Authorization: %s\r\n\r\n",
			 line, token);

	scene_begin();
	scene_connect();
	ASSERT_EQ(DATA(0, GET_A), SCENE_PASS);
	scene_ack += 100;
	ACKED(LEN(GET_A)); /* the server has answered */
	return DATA_N(LEN(GET_A), head, (u32)n);
}

TEST(token_of_the_guessed_length_is_read_where_it_is_not_the_granted_one)
{
	static const char *const odd[] = {"\r\nX:", "\nX: ", "\001bcd", "\rabc"};
	char token[64];

	EXPECT_EQ(behind_a_hit("GET /a", "Bearer " SCENE_GRANTED), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_HIT), 2);
	EXPECT_EQ(behind_a_hit("GET /pub", "Bearer " SCENE_GRANTED), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_PUBLIC), 1);
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		snprintf(token, sizeof(token), "Bearer %.*s%s", (int)LEN(SCENE_GRANTED) - 4,
			 SCENE_GRANTED, odd[i]);
		EXPECT_TRUE(behind_a_hit("GET /pub", token) != SCENE_PASS || i == 0);
		EXPECT_EQ(scene_count(SZ_R_BAD_REQUEST), i != 0);
		EXPECT_TRUE(behind_a_hit("GET /a", token) != SCENE_PASS);
	}
	/* Of another scheme, and of the same length. */
	EXPECT_EQ(behind_a_hit("GET /a", "Basic  " SCENE_GRANTED), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_MISS), 1);
}

TEST(unknown_token_is_handed_to_the_daemon)
{
	struct sz_miss m;

	scene_begin();
	held(first(UNKNOWN), UNKNOWN, SZ_MISS_TOKEN);
	EXPECT_EQ(scene_count(SZ_R_MISS), 1);
	EXPECT_EQ(DATA(0, UNKNOWN), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_WAITING), 1);
	EXPECT_TRUE(!scene_miss(&m));
}

TEST(miss_names_the_token_and_where_it_lies)
{
	struct sz_grant_key k;
	struct sz_miss m;

	scene_begin();
	k = scene_token("unknown");
	first(UNKNOWN);
	ASSERT_TRUE(scene_miss(&m));
	EXPECT_EQ(m.token_len, 7);
	EXPECT_MEMEQ(scene_miss_frame + m.token_off, "unknown", 7);
	EXPECT_MEMEQ(&m.token, &k.token, sizeof(k.token));
	EXPECT_EQ(m.method, SZ_M_GET);
	EXPECT_EQ(m.route, SCENE_ROUTE_A);
}

TEST(grant_that_is_over_or_of_another_generation_is_a_miss)
{
	for (int i = 0; i < 11; i++) {
		struct sz_grant g;
		struct sz_id *const name[] = {&g.jti, &g.subject, &g.issuer, &g.session};

		scene_begin();
		g = scene_grant_value();
		g.key.b[0] = 7; /* slot 0x107 */
		g.key.b[1] = 0xff;
		if (i == 0)
			g.expires_ns = machine_now() - 1;
		if (i == 1)
			g.policy_gen--;
		if (i == 2)
			g.key_gen++;
		if (i == 3 || i == 4) /* its own key was withdrawn, or another one */
			scene.cfg.key_serial[i == 3 ? 0x107 : 0x106]++;
		if (i >= 6) { /* a name of it was revoked, or another one */
			name[i % 4]->b[0] = 9;
			name[i % 4]->b[1] = 0xf3; /* slot 0x309 */
			scene.cfg.name_serial[i < 10 ? 0x309 : 0x308]++;
		}
		ASSERT_EQ(machine_set("sz_config", &(u32){0}, &scene.cfg), 0);
		scene_grant(SCENE_GRANTED, &g);
		if (i < 4 || (i >= 6 && i < 10))
			held(first(GET_A), GET_A, SZ_MISS_TOKEN);
		else
			EXPECT_EQ(first(GET_A), SCENE_PASS);
	}
}

TEST(unusual_and_incomplete_heads_are_handed_to_the_daemon)
{
	static const char *const unusual[] = {
		"GET /a/%41 HTTP/1.1\r\n" HOST_ AUTH_ "\r\n",
		"POST /a HTTP/1.1\r\n" HOST_ AUTH_ "Transfer-Encoding: chunked\r\n\r\n",
		"POST /a HTTP/1.1\r\n" HOST_ AUTH_ "Expect: 100-continue\r\n\r\n",
		"GET /a HTTP/1.1\r\n" HOST_ "Authorization: Basic eDp5\r\n\r\n",
		"GET /a HTTP/1.1\r\n" HOST_ AUTH_ "Connection: x\r\n\r\n",
	};

	for (u32 i = 0; i < sizeof(unusual) / sizeof(*unusual); i++) {
		scene_begin();
		held(first(unusual[i]), unusual[i], SZ_MISS_UNUSUAL);
	}
	scene_begin();
	held(first("GET /a HTTP/1.1\r\nHos"), "GET /a HTTP/1.1\r\nHos", SZ_MISS_PARTIAL);
}

TEST(route_decided_by_request_is_handed_to_the_daemon)
{
	scene_begin();
	held(first(ON("GET", "/ask")), ON("GET", "/ask"), SZ_MISS_ROUTE);
	scene_begin();
	scene_node("/pub", true, SCENE_ROUTE_PUBLIC, SCENE_GET_POST, SZ_RT_PUBLIC | SZ_RT_ASK);
	held(first(GET_PUB), GET_PUB, SZ_MISS_ROUTE);
}

static void deny(const char *token, u32 reason, u64 expires_ns, u32 policy_gen)
{
	struct sz_denied d = {.expires_ns = expires_ns,
			      .policy_gen = policy_gen,
			      .key_gen = scene.cfg.key_gen,
			      .reason = reason};
	struct sz_grant_key k = scene_token(token);

	ASSERT_EQ(machine_set("sz_denied", &k, &d), 0);
}

TEST(denied_token_is_answered_at_once)
{
	struct sz_flow f;

	for (int i = 0; i < 8; i++) {
		bool v6 = i & 1, ts = i & 2;
		u8 vlans = i & 4 ? 2 : 0;
		int act;

		scene_begin();
		scene.v6 = v6;
		deny("unknown", SZ_R_EXPIRED, machine_now() + HOUR, scene.cfg.policy_gen);
		scene_connect();
		act = IN(.vlans = vlans, .ts = ts, .tsval = 0x01020304, .tsecr = 0x0a0b0c0d,
			 .flags = PKT_ACK | PKT_PSH, .seq = scene_base, .ack = scene_ack,
			 .data = UNKNOWN, .len = LEN(UNKNOWN), .pad = i == 3 ? 9 : 0);
		scene_answered(act, SZ_R_EXPIRED);
		EXPECT_EQ(scene.seg.v6, v6);
		EXPECT_EQ(scene.seg.vlans, vlans);
		EXPECT_EQ(scene.seg.smac, 1);
		EXPECT_EQ(scene.seg.dmac, 7);
		EXPECT_EQ(scene.seg.src[v6 ? 15 : 3], 1);
		EXPECT_EQ(scene.seg.dst[v6 ? 15 : 3], 7);
		EXPECT_EQ(scene.seg.sport, 8080);
		EXPECT_EQ(scene.seg.dport, 40000);
		EXPECT_EQ(scene.seg.seq, scene_ack);
		EXPECT_EQ(scene.seg.ack, scene_base + LEN(UNKNOWN));
		EXPECT_EQ(scene.seg.ts, ts);
		EXPECT_EQ(scene.seg.tsval, ts ? 0x0a0b0c0d + SZ_TS_AHEAD : 0);
		EXPECT_EQ(scene.seg.tsecr, ts ? 0x01020304 : 0);
		/* Nothing of the request's own tail is left behind the answer. */
		EXPECT_EQ(scene.seg.data + scene.seg.len, scene.out + scene.out_len);
		ASSERT_TRUE(scene_half(&f));
		EXPECT_EQ(f.flags, SZ_FLOW_DEAD);
	}
}

TEST(old_denial_is_a_miss)
{
	scene_begin();
	deny("unknown", SZ_R_EXPIRED, machine_now() - 1, scene.cfg.policy_gen);
	held(first(UNKNOWN), UNKNOWN, SZ_MISS_TOKEN);
	scene_begin();
	deny("unknown", SZ_R_EXPIRED, machine_now() + HOUR, scene.cfg.policy_gen - 1);
	held(first(UNKNOWN), UNKNOWN, SZ_MISS_TOKEN);
}

TEST(refusals_are_answered_and_reported)
{
	static const struct {
		const char *request;
		u32 reason;
	} refused[] = {
		{GET_NO_TOKEN, SZ_R_NO_TOKEN},
		{ON("GET", "/other"), SZ_R_NO_SCOPE},
		{ON("GET", "/none"), SZ_R_NO_ROUTE},
		{ON("DELETE", "/a"), SZ_R_NO_ROUTE},
		{"GET /none HTTP/1.1\r\n" HOST_ "\r\n", SZ_R_NO_TOKEN},
		{"GET /a HTTP/1.1\nHost: h\n\n", SZ_R_BAD_REQUEST},
		{"GET /a HTTP/1.1\r\n" AUTH_ "\r\n", SZ_R_BAD_REQUEST},
		{"GET /a HTTP/1.1\r\n" HOST_ HOST_ "\r\n", SZ_R_BAD_REQUEST},
		{"GET /a HTTP/1.1\r\n" HOST_ AUTH_ "Upgrade: h2c\r\n\r\n", SZ_R_UPGRADE},
	};
	struct sz_source src;
	struct sz_addr a;
	struct sz_event e;

	for (u32 i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		scene_begin();
		a = scene_addr(false, 7);
		scene_answered(first(refused[i].request), refused[i].reason);
		ASSERT_TRUE(scene_event(&e));
		EXPECT_EQ(e.reason, refused[i].reason);
		EXPECT_EQ(e.service, SCENE_SERVICE);
		EXPECT_EQ(e.monitor, 0);
		EXPECT_EQ(ntohs(e.flow.client_port), 40000);
		ASSERT_EQ(machine_get("sz_sources", &a, &src), 0);
		EXPECT_EQ(src.denials, 1);
		EXPECT_EQ(src.last_reason, refused[i].reason);
		EXPECT_TRUE(src.why[0] == SZ_WHY(refused[i].reason, 1) && !src.why[1]);
	}
}

TEST(revoked_grant_is_answered_401)
{
	struct sz_grant g;
	struct sz_event e;

	scene_begin();
	g = scene_grant_value();
	g.flags = SZ_GRANT_REVOKED;
	scene_grant(SCENE_GRANTED, &g);
	scene_answered(first(GET_A), SZ_R_REVOKED);
	ASSERT_TRUE(scene_event(&e));
	EXPECT_TRUE(e.principal == SCENE_PRINCIPAL);
}

TEST(routes_match_exactly_or_below_a_prefix)
{
	static char deep[600];
	static const struct {
		const char *request;
		u32 reason; /* HIT and PUBLIC pass */
	} asked[] = {
		{ON("GET", "/a"), SZ_R_HIT},
		{ON("GET", "/a?x=/other"), SZ_R_HIT},
		{ON("GET", "/a/"), SZ_R_HIT},
		{ON("GET", "/a/b/c.d"), SZ_R_HIT},
		{ON("POST", "/a/b"), SZ_R_HIT},
		{ON("GET", "/ab"), SZ_R_NO_ROUTE},
		{ON("GET", "/A"), SZ_R_NO_ROUTE},
		{ON("GET", "/"), SZ_R_NO_ROUTE},
		{ON("PUT", "/a/b"), SZ_R_NO_ROUTE},
		{ON("GET", "/a/x"), SZ_R_NO_SCOPE},
		{ON("GET", "/a/x?y"), SZ_R_NO_SCOPE},
		{ON("GET", "/a/xy"), SZ_R_HIT},
		{ON("GET", "/pub"), SZ_R_PUBLIC},
		{ON("GET", "/pub/"), SZ_R_NO_ROUTE},
		{deep, SZ_R_HIT},
	};
	int n = snprintf(deep, sizeof(deep), "GET /a/");

	memset(deep + n, 'd', 300);
	strcpy(deep + n + 300, " HTTP/1.1\r\n" HOST_ AUTH_ "\r\n");
	for (u32 i = 0; i < sizeof(asked) / sizeof(*asked); i++) {
		bool pass = asked[i].reason == SZ_R_HIT || asked[i].reason == SZ_R_PUBLIC;

		scene_begin();
		scene_node("/a/x", true, SCENE_ROUTE_OTHER, SCENE_GET_POST, 0);
		if (!EXPECT_EQ(first(asked[i].request), pass ? SCENE_PASS : SCENE_REPLY) ||
		    !EXPECT_EQ(scene_count(asked[i].reason), 1))
			printf("# %s", asked[i].request);
	}
}

TEST(source_that_asks_too_fast_is_answered_429)
{
	scene_begin();
	scene_limit(SZ_LIMIT_READ, SZ_BY_SOURCE, SZ_R_LIMIT_SOURCE, HOUR, 2 * HOUR);
	EXPECT_EQ(first(GET_PUB), SCENE_PASS);
	EXPECT_EQ(first(GET_A), SCENE_PASS);
	scene_answered(first(GET_A), SZ_R_LIMIT_SOURCE);
}

TEST(principal_that_asks_too_fast_is_answered_429_and_others_are_not)
{
	struct sz_grant g;

	scene_begin();
	scene_limit(SZ_LIMIT_ADMIT, SZ_BY_PRINCIPAL, SZ_R_LIMIT_PRINCIPAL, HOUR, HOUR);
	g = scene_grant_value();
	g.principal++;
	scene_grant("unknown", &g);
	EXPECT_EQ(first(GET_A), SCENE_PASS);
	scene_answered(first(GET_A), SZ_R_LIMIT_PRINCIPAL);
	EXPECT_EQ(first(UNKNOWN), SCENE_PASS);
	EXPECT_EQ(first(GET_PUB), SCENE_PASS);
}

TEST(connections_opened_too_fast_are_dropped)
{
	scene_begin();
	scene_limit(SZ_LIMIT_SYN, SZ_BY_SOURCE, SZ_R_SYN_LIMIT, HOUR, HOUR);
	EXPECT_EQ(IN(.flags = PKT_SYN, .seq = 1), SCENE_PASS);
	EXPECT_EQ(IN(.flags = PKT_SYN, .seq = 1), SCENE_DROP);
	EXPECT_EQ(IN(.host = 9, .flags = PKT_SYN, .seq = 1), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_SYN_LIMIT), 1);
}

TEST(without_a_daemon_known_tokens_pass_and_unknown_ones_get_503)
{
	scene_begin();
	scene.cfg.heartbeat_ns = scene.cfg.heartbeat_ttl_ns = 1;
	scene_config();
	EXPECT_EQ(first(GET_A), SCENE_PASS);
	scene_answered(first(UNKNOWN), SZ_R_NO_DAEMON);
	EXPECT_EQ(first("GET /a HTTP"), SCENE_REPLY);
	EXPECT_EQ(first(ON("GET", "/ask")), SCENE_REPLY);
	EXPECT_EQ(scene_count(SZ_R_NO_DAEMON), 3);
}

TEST(misses_beyond_the_budget_get_503)
{
	scene_begin();
	scene_source_misses(HOUR, HOUR);
	EXPECT_EQ(first(UNKNOWN), SCENE_DROP);
	scene_answered(first(UNKNOWN), SZ_R_OVERLOAD);
	EXPECT_EQ(first(GET_A), SCENE_PASS);
	scene_begin();
	scene_misses(HOUR, HOUR);
	EXPECT_EQ(first(UNKNOWN), SCENE_DROP);
	scene_answered(first(UNKNOWN), SZ_R_OVERLOAD);
}

TEST(denials_that_find_the_event_ring_full_are_counted)
{
	struct sz_event e;
	u32 sent = 0, seen = 0, at_least = 3;

	scene_begin();
	while (machine_sum("sz_lost", SZ_R_URGENT) < at_least && sent++ < 2000)
		EXPECT_EQ(IN(.flags = PKT_ACK | PKT_URG, .seq = 1, .ack = 1), SCENE_DROP);
	while (scene_event(&e))
		seen += e.reason == SZ_R_URGENT;
	EXPECT_TRUE(seen > 10);
	EXPECT_EQ(machine_sum("sz_lost", SZ_R_URGENT), at_least);
	EXPECT_EQ(seen + at_least, sent);
	EXPECT_EQ(scene_count(SZ_R_URGENT), sent);
}

TEST(request_that_finds_the_miss_ring_full_is_dropped)
{
	u32 sent = 0;

	scene_begin();
	while (!scene_count(SZ_R_OVERLOAD) && sent++ < 2000)
		EXPECT_EQ(first(UNKNOWN), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_OVERLOAD), 1);
	EXPECT_EQ(scene_count(SZ_R_MISS), sent);
}

#ifdef SCENE_NATIVE
TEST(frame_that_cannot_grow_gets_the_short_answer_or_a_reset)
{
	u32 reason = SZ_R_NO_TOKEN;
	struct sz_answer a;

	scene_begin();
	ASSERT_EQ(machine_get("sz_answers", &reason, &a), 0);
	machine_room = 54 + a.brief_len;
	ASSERT_TRUE(54 + LEN("GET /a HTTP/1.0\r\n\r\n") <= machine_room);
	EXPECT_EQ(first("GET /a HTTP/1.0\r\n\r\n"), SCENE_REPLY);
	ASSERT_TRUE(scene.parsed && scene.seg.ip_ok && scene.seg.tcp_ok);
	EXPECT_EQ(scene.seg.len, a.brief_len);
	EXPECT_MEMEQ(scene.seg.data, a.brief, a.brief_len);
	EXPECT_EQ(scene.seg.flags, PKT_FIN | PKT_PSH | PKT_ACK);
	machine_room = 54;
	EXPECT_EQ(first("GET /a HTTP/1.0\r\n\r\n"), SCENE_REPLY);
	EXPECT_EQ(scene.seg.flags, PKT_RST | PKT_ACK);
	EXPECT_EQ(scene_count(SZ_R_NO_ANSWER), 1);
}
#endif

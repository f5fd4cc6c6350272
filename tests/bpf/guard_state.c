/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * State under pressure: maps and rings that are full, a million sources, clocks and generations at
 * their ends, and two CPUs at once on one flow. Whatever is lost, nothing undecided passes, and
 * what is counted is counted once.
 */
#include "scene.h"

#define SECOND 1000000000ull

/* A client of its own for each number: port and last byte of the address. */
struct client {
	u16 port;
	u8 host;
};

static struct client client(u32 i)
{
	return (struct client){(u16)(20000 + i % 40000), (u8)(10 + i / 40000)};
}

static void handshake(struct client c)
{
	EXPECT_EQ(IN(.sport = c.port, .host = c.host, .flags = PKT_SYN, .seq = SCENE_BASE - 1),
		  SCENE_PASS);
	OUT(.sport = c.port, .host = c.host, .flags = PKT_SYN | PKT_ACK, .seq = SCENE_ISS,
	    .ack = SCENE_BASE);
}

/* Text of the client at `at`. */
static int says(struct client c, u32 at, const char *text)
{
	return IN(.sport = c.port, .host = c.host, .flags = PKT_ACK | PKT_PSH,
		  .seq = SCENE_BASE + at, .ack = SCENE_ISS + 1, .data = text,
		  .len = (u32)strlen(text));
}

static bool reset(int act)
{
	return act == SCENE_REPLY && scene.parsed && (scene.seg.flags & PKT_RST);
}

/* ---- maps that are full --------------------------------------------------------------------- */

#define CROWD 600 /* more than the maps of a scene hold */

TEST(connection_that_was_pushed_out_of_the_flows_is_reset_and_never_passes)
{
	u32 kept = 0, lost = 0;

	scene_begin();
	for (u32 i = 0; i < CROWD; i++) {
		handshake(client(i));
		ASSERT_EQ(says(client(i), 0, POST_A("9")), SCENE_PASS);
	}
	EXPECT_EQ(scene_count(SZ_R_HIT), CROWD);
	for (u32 i = 0; i < CROWD; i++) {
		/* What would be a request without a token, where a body is announced. */
		int act = says(client(i), LEN(POST_A("9")), "GET /a HT");

		kept += act == SCENE_PASS;
		lost += reset(act);
	}
	EXPECT_EQ(kept + lost, CROWD);
	EXPECT_TRUE(kept > 0 && lost > 0);
	EXPECT_EQ(scene_count(SZ_R_BODY), kept);
	EXPECT_EQ(scene_count(SZ_R_UNKNOWN_FLOW), lost);
}

TEST(half_open_connection_that_was_pushed_out_is_reset_and_never_passes)
{
	u32 kept = 0, lost = 0;

	scene_begin();
	for (u32 i = 0; i < CROWD; i++)
		handshake(client(i));
	for (u32 i = 0; i < CROWD; i++) {
		int act = says(client(i), 0, GET_A);

		kept += act == SCENE_PASS;
		lost += reset(act);
	}
	EXPECT_EQ(kept + lost, CROWD);
	EXPECT_TRUE(kept > 0 && lost > 0);
	EXPECT_EQ(scene_count(SZ_R_HIT), kept);
	EXPECT_EQ(scene_hits(SCENE_PRINCIPAL, SCENE_ROUTE_A), kept);
}

TEST(half_open_connections_do_not_push_out_one_with_a_request)
{
	struct client known = {31000, 7};

	scene_begin();
	handshake(known);
	ASSERT_EQ(says(known, 0, GET_A), SCENE_PASS);
	for (u32 i = 0; i < 8 * CROWD; i++)
		handshake(client(i));
	EXPECT_EQ(says(known, LEN(GET_A), GET_A), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_HIT), 2);
}

TEST(known_bad_tokens_do_not_push_out_a_grant)
{
	struct sz_denied bad = {.expires_ns = machine_now() + 100 * SECOND,
				.policy_gen = 11,
				.key_gen = 22,
				.reason = SZ_R_BAD_TOKEN};
	struct sz_grant_key k = {.service = SCENE_SERVICE};

	scene_begin();
	for (u32 i = 0; i < 20 * CROWD; i++) {
		k.token.w[0] = i;
		ASSERT_EQ(machine_set("sz_denied", &k, &bad), 0);
	}
	scene_connect();
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_HIT), 1);
}

/* A bad token that was pushed out of the denied ones is asked about again, and is not let through.
 */
TEST(bad_token_that_was_forgotten_is_asked_about)
{
	static const char bad[] = "GET /a HTTP/1.1\r\n" HOST_ "Authorization: Bearer bad\r\n\r\n";
	struct sz_denied value = {.expires_ns = machine_now() + 100 * SECOND,
				  .policy_gen = 11,
				  .key_gen = 22,
				  .reason = SZ_R_BAD_TOKEN};
	struct sz_grant_key k;

	scene_begin();
	k = scene_token("bad");
	ASSERT_EQ(machine_set("sz_denied", &k, &value), 0);
	scene_connect();
	scene_answered(DATA(0, bad), SZ_R_BAD_TOKEN);
	ASSERT_EQ(machine_del("sz_denied", &k), 0);
	scene_connect_at(SCENE_BASE + 5000);
	EXPECT_EQ(DATA(0, bad), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_MISS), 1);
}

TEST(full_ring_of_misses_holds_nothing_and_passes_nothing)
{
	static const char unknown[] = "GET /a HTTP/1.1\r\n" HOST_
				      "Authorization: Bearer unknown\r\n\r\n";
	u32 asked = 0, n;
	struct sz_miss m;

	scene_begin();
	for (n = 0; n < 2000 && !scene_count(SZ_R_OVERLOAD); n++) {
		handshake(client(n));
		ASSERT_EQ(says(client(n), 0, unknown), SCENE_DROP);
	}
	ASSERT_EQ(scene_count(SZ_R_OVERLOAD), 1);
	EXPECT_EQ(scene_count(SZ_R_MISS), n);
	while (scene_miss(&m))
		asked++;
	EXPECT_EQ(asked, n - 1);
	/* The one that found no room sends again, and is asked about now. */
	machine_wait(SECOND / 5);
	EXPECT_EQ(says(client(n - 1), 0, unknown), SCENE_DROP);
	ASSERT_TRUE(scene_miss(&m));
	EXPECT_EQ(m.flow.client_port, htons(client(n - 1).port));
	EXPECT_TRUE(!scene_miss(&m));
}

TEST(denials_that_find_the_ring_full_are_counted_exactly)
{
	u32 told = 0, n = 3 * CROWD;
	struct sz_event e;

	scene_begin();
	for (u32 i = 0; i < n; i++) {
		handshake(client(i));
		ASSERT_EQ(says(client(i), 0, GET_NO_TOKEN), SCENE_REPLY);
	}
	EXPECT_EQ(scene_count(SZ_R_NO_TOKEN), n);
	while (scene_event(&e))
		told += e.reason == SZ_R_NO_TOKEN;
	EXPECT_TRUE(told > 0 && told < n);
	EXPECT_EQ(told + machine_sum("sz_lost", SZ_R_NO_TOKEN), n);
}

/* The first seven reasons have a place each, the last place counts the others. */
TEST(denials_of_a_source_are_counted_by_reason)
{
	struct client who = client(3);
	struct sz_addr a;
	struct sz_source src = {};

	scene_begin();
	a = scene_addr(false, who.host);
	for (u32 i = 0; i < 3; i++) {
		who.port++;
		handshake(who);
		ASSERT_EQ(says(who, 0, i < 2 ? GET_NO_TOKEN : "GET /a HTTP/1.1\nHost: h\r\n\r\n"),
			  SCENE_REPLY);
	}
	ASSERT_EQ(machine_get("sz_sources", &a, &src), 0);
	EXPECT_TRUE(src.why[0] == SZ_WHY(SZ_R_NO_TOKEN, 2));
	EXPECT_TRUE(src.why[1] == SZ_WHY(SZ_R_BAD_REQUEST, 1));
	EXPECT_EQ(src.denials, 3);
	for (u32 i = 0; i < SZ_SOURCE_WHYS - 1; i++)
		src.why[i] = SZ_WHY(100 + i, 5);
	machine_set("sz_sources", &a, &src);
	for (u32 i = 0; i < 2; i++) {
		who.port++;
		handshake(who);
		ASSERT_EQ(says(who, 0, GET_NO_TOKEN), SCENE_REPLY);
	}
	ASSERT_EQ(machine_get("sz_sources", &a, &src), 0);
	EXPECT_TRUE(src.why[SZ_SOURCE_WHYS - 1] == 2);
	EXPECT_TRUE(src.why[0] == SZ_WHY(100, 5) && src.why[6] == SZ_WHY(106, 5));
}

/* Each reason has a budget of its own, and it comes back with time. */
TEST(denials_beyond_their_reasons_budget_are_counted_without_a_record)
{
	u32 told[2] = {}, n = 40;
	struct sz_event e;

	scene_begin();
	scene.cfg.event_interval_ns = 3600 * SECOND;
	scene.cfg.event_burst_ns = 5 * scene.cfg.event_interval_ns;
	scene_config();
	for (u32 i = 0; i < n; i++) {
		handshake(client(i));
		ASSERT_EQ(says(client(i), 0, GET_NO_TOKEN), SCENE_REPLY);
	}
	handshake(client(n));
	ASSERT_EQ(says(client(n), 0, "GET /a HTTP/1.1\nHost: h\r\n\r\n"), SCENE_REPLY);
	while (scene_event(&e)) {
		told[0] += e.reason == SZ_R_NO_TOKEN;
		told[1] += e.reason == SZ_R_BAD_REQUEST;
	}
	EXPECT_EQ(scene_count(SZ_R_NO_TOKEN), n);
	EXPECT_EQ(told[0], 5);
	EXPECT_EQ(machine_sum("sz_lost", SZ_R_NO_TOKEN), n - 5);
	EXPECT_EQ(scene_count(SZ_R_BAD_REQUEST), 1);
	EXPECT_EQ(told[1], 1);
	EXPECT_EQ(machine_sum("sz_lost", SZ_R_BAD_REQUEST), 0);
}

static struct client host(u32 i)
{
	return (struct client){20000, (u8)(10 + i)};
}

/* In a flood a forged address makes no row; one that had an answer does, and rows go on. */
TEST(source_that_may_be_forged_makes_no_row_in_a_flood)
{
	struct sz_source src = {};
	struct sz_addr a;

	scene_begin();
	scene.cfg.event_interval_ns = 3600 * SECOND;
	scene.cfg.event_burst_ns = 2 * scene.cfg.event_interval_ns;
	scene_config();
	for (u32 i = 0; i < 4; i++) {
		a = scene_addr(false, host(i).host);
		EXPECT_EQ(says(host(i), 0, GET_A), SCENE_REPLY);
		EXPECT_EQ(machine_get("sz_sources", &a, &src) == 0, i < 2);
	}
	a = scene_addr(false, host(0).host);
	EXPECT_EQ(says(host(0), 0, GET_A), SCENE_REPLY);
	ASSERT_EQ(machine_get("sz_sources", &a, &src), 0);
	EXPECT_EQ(src.denials, 2);
	for (u32 i = 4; i < 8; i++) {
		handshake(host(i));
		ASSERT_EQ(says(host(i), 0, GET_NO_TOKEN), SCENE_REPLY);
		a = scene_addr(false, host(i).host);
		EXPECT_EQ(machine_get("sz_sources", &a, &src), 0);
	}
	EXPECT_EQ(scene_count(SZ_R_UNKNOWN_FLOW), 5);
}

/* Rows of others fill the map: the request is counted in the row without a name of its route. */
TEST(requests_are_counted_when_no_row_is_left_for_them)
{
	struct sz_hit_key k;
	u64 zero[256] = {};
	u32 filled = 0;

	scene_begin();
	k = (struct sz_hit_key){.service = SCENE_SERVICE, .route = SCENE_ROUTE_A};
	ASSERT_EQ(machine_set("sz_hits", &k, zero), 0);
	for (k.principal = 1; k.principal < 100000 && !machine_set("sz_hits", &k, zero);
	     k.principal++)
		filled++;
	ASSERT_TRUE(filled > 0 && filled < 90000);
	scene_connect();
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_HIT), 1);
	EXPECT_EQ(scene_hits(SCENE_PRINCIPAL, SCENE_ROUTE_A), 0);
	EXPECT_EQ(scene_hits(0, SCENE_ROUTE_A), 1);
}

/* ---- a million sources ---------------------------------------------------------------------- */

/* More than the map holds; the sanitizers and an emulated machine see the same lines with fewer. */
static u32 many_sources(void)
{
#ifdef SCENE_NATIVE
	return 100000;
#else
	return getenv("SZ_EMULATED") ? 200000 : 1000000;
#endif
}

/* The frame in scene.in from source number i; its checksums are not looked at. */
static void from(u32 i)
{
	if (scene.v6)
		pkt_put32(scene.in + 14 + 10, i); /* other /64s */
	else
		pkt_put32(scene.in + 14 + 12, 0x0a000000u + i);
}

TEST(a_million_sources_do_no_harm_to_a_known_client)
{
	struct client known = {31000, 7};
	u32 sources = many_sources();

	scene_begin();
	handshake(known);
	ASSERT_EQ(says(known, 0, POST_A("4")), SCENE_PASS);
	for (u32 i = 0; i < sources; i++) {
		if (!(i % (sources / 4))) {
			struct pkt_spec syn = {.flags = PKT_SYN, .seq = 5};
			struct pkt_spec data = {.flags = PKT_ACK, .data = GET_A, .ack = 9};

			scene.v6 = data.v6 = syn.v6 = i / (sources / 4) & 1;
			data.len = LEN(GET_A);
			scene.in_len = pkt_build(scene.in, i < sources / 2 ? &syn : &data);
		}
		from(i);
		if (i < sources / 2)
			ASSERT_EQ(machine_in(), SCENE_PASS);
		else
			ASSERT_EQ(machine_in(), SCENE_REPLY);
	}
	scene.v6 = false;
	EXPECT_EQ(scene_count(SZ_R_UNKNOWN_FLOW), sources / 2);
	EXPECT_EQ(says(known, LEN(POST_A("4")), "body"), SCENE_PASS);
	EXPECT_EQ(says(known, LEN(POST_A("4")) + 4, GET_A), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_HIT), 2);
}

/* Each source is within its own budget; the one of all bounds them together. */
TEST(many_sources_share_one_budget_of_misses)
{
	static const char unknown[] = "GET /a HTTP/1.1\r\n" HOST_
				      "Authorization: Bearer unknown\r\n\r\n";
	u64 overload;

	scene_begin();
	scene_source_misses(SECOND, 2 * SECOND);
	scene_misses(3600 * SECOND, 10 * 3600 * SECOND);
	for (u32 i = 0; i < 200; i++) {
		struct client c = {(u16)(20000 + i), (u8)(10 + i)};

		handshake(c);
		EXPECT_TRUE(says(c, 0, unknown) != SCENE_PASS);
	}
	overload = scene_count(SZ_R_OVERLOAD);
	EXPECT_EQ(scene_count(SZ_R_MISS), 10);
	EXPECT_EQ(overload, 190);
	/* Known tokens have nothing to do with it. */
	handshake(client(1));
	EXPECT_EQ(says(client(1), 0, GET_A), SCENE_PASS);
}

/* ---- clocks and generations ----------------------------------------------------------------- */

static const struct {
	u32 before, after;
} wrap[] = {{0xfffffffeu, 0xffffffffu}, {0xffffffffu, 0}, {0, 1}};

TEST(generations_work_across_the_end_of_their_32_bits)
{
	for (u32 i = 0; i < sizeof(wrap) / sizeof(*wrap); i++)
		for (int key = 0; key < 2; key++) {
			struct sz_grant g;
			u32 *gen;

			scene_begin();
			gen = key ? &scene.cfg.key_gen : &scene.cfg.policy_gen;
			*gen = wrap[i].before;
			scene_config();
			g = scene_grant_value();
			scene_grant(SCENE_GRANTED, &g);
			scene_connect();
			EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
			*gen = wrap[i].after;
			scene_config();
			EXPECT_EQ(DATA(LEN(GET_A), GET_A), SCENE_DROP);
			EXPECT_EQ(scene_count(SZ_R_HIT), 1);
			EXPECT_EQ(scene_count(SZ_R_MISS), 1);
			g = scene_grant_value();
			scene_grant(SCENE_GRANTED, &g);
			EXPECT_EQ(DATA(LEN(GET_A), GET_A), SCENE_PASS);
			EXPECT_EQ(scene_count(SZ_R_HIT), 2);
		}
}

TEST(verdict_on_a_bad_token_ends_with_its_generation)
{
	static const char bad[] = "GET /a HTTP/1.1\r\n" HOST_ "Authorization: Bearer bad\r\n\r\n";
	struct sz_denied value = {.expires_ns = ~0ull, .reason = SZ_R_BAD_TOKEN};
	struct sz_grant_key k;

	scene_begin();
	scene.cfg.policy_gen = value.policy_gen = 0xffffffff;
	value.key_gen = scene.cfg.key_gen;
	scene_config();
	k = scene_token("bad");
	ASSERT_EQ(machine_set("sz_denied", &k, &value), 0);
	scene_connect();
	scene_answered(DATA(0, bad), SZ_R_BAD_TOKEN);
	scene.cfg.policy_gen = 0;
	scene_config();
	scene_connect_at(SCENE_BASE + 5000);
	EXPECT_EQ(DATA(0, bad), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_MISS), 1);
}

TEST(grant_ends_at_its_time_and_not_after_it)
{
	static const s64 left[] = {-(s64)SECOND, 0, 30 * (s64)SECOND};

	for (u32 i = 0; i < 3; i++) {
		struct sz_grant g;

		scene_begin();
		g = scene_grant_value();
		g.expires_ns = machine_now() + (u64)left[i];
		scene_grant(SCENE_GRANTED, &g);
		scene_connect();
		EXPECT_EQ(DATA(0, GET_A), i == 2 ? SCENE_PASS : SCENE_DROP);
		EXPECT_EQ(scene_count(i == 2 ? SZ_R_HIT : SZ_R_MISS), 1);
	}
}

/* No time is believed that lies further ahead than a burst reaches. */
TEST(state_from_the_future_refuses_and_never_admits)
{
	struct sz_limit l;
	u32 slot;

	scene_begin();
	slot = scene_limit(SZ_LIMIT_ADMIT, 0, SZ_R_LIMIT_SERVICE, SECOND, 5 * SECOND);
	l = scene_limit_get(slot);
	l.tat = machine_now() + 365 * 86400 * SECOND;
	scene_limit_set(slot, &l);
	scene_connect();
	EXPECT_TRUE(DATA(0, GET_A) != SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_HIT), 0);
	l.tat = ~0ull;
	scene_limit_set(slot, &l);
	scene_connect_at(SCENE_BASE + 100000);
	EXPECT_TRUE(DATA(0, GET_A) != SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_HIT), 0);
}

TEST(connection_keeps_its_place_over_a_long_silence)
{
	struct sz_flow f;

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, POST_A("40")), SCENE_PASS);
	ASSERT_TRUE(scene_flow(&f));
#ifdef SCENE_NATIVE
	machine_wait(40ull * 24 * 3600 * SECOND); /* as a machine that was suspended */
#endif
	EXPECT_EQ(DATA(LEN(POST_A("40")), "0123456789"), SCENE_PASS);
	/* The request before it is not answered yet. */
	EXPECT_EQ(DATA(LEN(POST_A("40")) + 40, GET_NO_TOKEN), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_PIPELINED), 1);
}

#ifdef SCENE_NATIVE
TEST(everything_that_has_a_time_is_over_after_a_long_suspend)
{
	static const char unknown[] = "GET /a HTTP/1.1\r\n" HOST_
				      "Authorization: Bearer unknown\r\n\r\n";

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	machine_wait(2 * 3600 * SECOND);
	/* The grant is over and the daemon has not said that it lives: nobody to ask. */
	OUT(.flags = PKT_ACK, .seq = scene_ack, .ack = scene_base + LEN(GET_A), .data = "x",
	    .len = 1);
	scene_said(1);
	EXPECT_EQ(DATA(LEN(GET_A), GET_A), SCENE_REPLY);
	EXPECT_EQ(scene_count(SZ_R_NO_DAEMON), 1);
	scene.cfg.heartbeat_ns = machine_now();
	scene_config();
	scene_connect_at(SCENE_BASE + 90000);
	EXPECT_EQ(DATA(0, GET_A), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_MISS), 1);
	scene_connect_at(SCENE_BASE + 190000);
	EXPECT_EQ(DATA(0, unknown), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_MISS), 2);
}
#else
#include "state_cpus.h"
#endif

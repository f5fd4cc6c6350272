/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The life of a connection: how the server's SYN-ACK begins it, what its acknowledgements say, how
 * it ends, and monitor mode.
 */
#include "scene.h"

#define GET_UNKNOWN "GET /a HTTP/1.1\r\n" HOST_ "Authorization: Bearer unknown\r\n\r\n"

TEST(syn_passes_and_makes_no_flow)
{
	struct sz_flow f;

	scene_begin();
	EXPECT_EQ(IN(.flags = PKT_SYN, .seq = 99), SCENE_PASS);
	EXPECT_TRUE(scene.same);
	EXPECT_TRUE(!scene_half(&f) && !scene_flow(&f));
	EXPECT_EQ(scene_count(SZ_R_CONTROL), 1);
}

TEST(syn_with_data_is_dropped)
{
	scene_begin();
	EXPECT_EQ(IN(.flags = PKT_SYN, .seq = 99, .data = GET_A, .len = LEN(GET_A)), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_SYN_DATA), 1);
}

TEST(syn_ack_of_the_server_begins_a_half_open_flow)
{
	struct sz_flow f;

	for (int v6 = 0; v6 < 2; v6++) {
		scene_begin();
		scene.v6 = v6;
		OUT(.flags = PKT_SYN | PKT_ACK, .seq = 7000, .ack = 4000);
		ASSERT_TRUE(scene_half(&f));
		EXPECT_EQ(f.base, 4000);
		EXPECT_EQ(f.next, 4000);
		EXPECT_EQ((u32)f.server, 4000);
		EXPECT_EQ(f.iss, 7000);
		EXPECT_EQ(f.service, SCENE_SERVICE);
		EXPECT_EQ(f.flags, 0);
		EXPECT_TRUE(f.birth_ns && f.birth_ns <= machine_now());
		EXPECT_TRUE(!scene_flow(&f));
	}
}

TEST(only_the_server_of_a_service_begins_flows)
{
	struct sz_flow_key k = scene_flow_key();
	struct sz_flow f;

	scene_begin();
	k.server_port = htons(9999);
	OUT(.dport = 9999, .flags = PKT_SYN | PKT_ACK, .seq = 7000, .ack = 4000);
	EXPECT_TRUE(machine_get("sz_half", &k, &f) != 0);
	OUT(.flags = PKT_ACK, .seq = 7000, .ack = 4000);
	OUT(.flags = PKT_SYN, .seq = 7000, .ack = 4000);
	EXPECT_TRUE(!scene_half(&f));
}

TEST(second_syn_does_not_move_the_boundary)
{
	struct sz_flow f;

	scene_begin();
	scene_connect();
	EXPECT_EQ(IN(.flags = PKT_SYN, .seq = 500000), SCENE_PASS);
	ASSERT_TRUE(scene_half(&f));
	EXPECT_EQ(f.base, scene_base);
	EXPECT_EQ(IN(.flags = PKT_ACK, .seq = 500001, .ack = scene_ack, .data = GET_A,
		     .len = LEN(GET_A)),
		  SCENE_DROP);
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
}

TEST(repeated_syn_ack_keeps_what_was_learned)
{
	struct sz_flow f, g;

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, GET_UNKNOWN), SCENE_DROP);
	ASSERT_TRUE(scene_half(&f));
	OUT(.flags = PKT_SYN | PKT_ACK, .seq = SCENE_ISS, .ack = scene_base);
	ASSERT_TRUE(scene_half(&g));
	EXPECT_MEMEQ(&f, &g, sizeof(f));
	/* Another one replaces it. */
	OUT(.flags = PKT_SYN | PKT_ACK, .seq = SCENE_ISS + 1, .ack = scene_base);
	ASSERT_TRUE(scene_half(&g));
	EXPECT_EQ(g.flags, 0);
	EXPECT_EQ(g.iss, SCENE_ISS + 1);
}

TEST(data_on_an_unknown_connection_is_reset)
{
	for (int v6 = 0; v6 < 2; v6++) {
		scene_begin();
		scene.v6 = v6;
		EXPECT_EQ(IN(.flags = PKT_ACK, .seq = 5, .ack = 6), SCENE_PASS);
		EXPECT_EQ(IN(.flags = PKT_RST, .seq = 5, .data = "why", .len = 3), SCENE_PASS);
		EXPECT_EQ(IN(.ts = true, .flags = PKT_ACK | PKT_FIN, .seq = 50, .ack = 60,
			     .data = GET_A, .len = LEN(GET_A)),
			  SCENE_REPLY);
		ASSERT_TRUE(scene.parsed && scene.seg.ip_ok && scene.seg.tcp_ok);
		EXPECT_EQ(scene.seg.flags, PKT_RST | PKT_ACK);
		EXPECT_EQ(scene.seg.seq, 60);
		EXPECT_EQ(scene.seg.ack, 50 + LEN(GET_A) + 1);
		EXPECT_EQ(scene.seg.len, 0);
		EXPECT_EQ(scene.seg.sport, 8080);
		EXPECT_EQ(scene.seg.src[v6 ? 15 : 3], 1);
		EXPECT_EQ(scene.seg.dmac, 7);
		EXPECT_EQ(scene_count(SZ_R_UNKNOWN_FLOW), 1);
	}
}

TEST(strays_beyond_their_budget_are_dropped_in_silence)
{
	struct sz_addr forged = scene_addr(false, 98), known = scene_addr(false, 7);
	struct sz_source src;
	u32 slot;

	scene_begin();
	scene_connect();
	slot = scene_limit(SZ_LIMIT_STRAY, 0, SZ_R_STRAY, 3600000000000ull, 2 * 3600000000000ull);
	EXPECT_EQ(IN(.flags = PKT_ACK, .seq = 5, .ack = 6, .host = 99), SCENE_PASS);
	EXPECT_EQ(IN(.flags = PKT_ACK, .seq = 5, .ack = 6, .data = GET_A, .len = LEN(GET_A),
		     .host = 99),
		  SCENE_REPLY);
	for (u32 i = 0; i < 32; i++) {
		EXPECT_EQ(IN(.flags = PKT_ACK, .seq = 5, .ack = 6, .host = 98), SCENE_DROP);
		EXPECT_EQ(IN(.flags = PKT_ACK | PKT_FIN, .seq = 5, .ack = 6, .host = 98),
			  SCENE_DROP);
		EXPECT_EQ(IN(.flags = PKT_RST, .seq = 5, .host = 98), SCENE_DROP);
		EXPECT_EQ(IN(.flags = PKT_ACK, .seq = 5, .ack = 6, .data = GET_A,
			     .len = LEN(GET_A), .host = 98),
			  SCENE_DROP);
	}
	EXPECT_EQ(scene_count(SZ_R_STRAY), 128);
	EXPECT_EQ(scene_count(SZ_R_UNKNOWN_FLOW), 1);
	EXPECT_EQ(scene_limit_count(slot, SCENE_ADMITTED), 2);
	EXPECT_EQ(scene_limit_count(slot, SCENE_REFUSED), 128);
	/* Made-up addresses take no place among the sources. */
	EXPECT_EQ(machine_get("sz_sources", &forged, &src), -ENOENT);
	/* Who has a row is charged for what comes in his name: a sample, as with all frames. */
	for (u32 i = 0; i < 512; i++)
		EXPECT_EQ(IN(.flags = PKT_ACK, .seq = 5, .ack = 6, .sport = 9), SCENE_DROP);
	ASSERT_EQ(machine_get("sz_sources", &known, &src), 0);
	EXPECT_TRUE(src.drops >= SZ_SOURCE_SAMPLE && src.drops <= 512 + SZ_SOURCE_SAMPLE * 64);
	/* Connections go on, and new ones begin. */
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	scene_connect_at(SCENE_BASE + 5000);
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_HIT), 2);
}

TEST(strays_of_a_service_that_is_only_watched_all_pass)
{
	scene_begin();
	scene_limit(SZ_LIMIT_STRAY, 0, SZ_R_STRAY, 3600000000000ull, 3600000000000ull);
	scene.svc.flags |= SZ_SVC_MONITOR;
	scene_service(&scene.svc);
	for (u32 i = 0; i < 5; i++)
		EXPECT_EQ(IN(.flags = PKT_ACK, .seq = 5, .ack = 6, .host = 99), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_STRAY), 0);
}

TEST(until_the_server_speaks_a_segment_must_fit_its_offer)
{
	static const struct {
		u32 at, ack;
		bool fits;
	} tries[] = {{0, 0, true},  {~0u, 0, true}, {16, 0, true},       {(1u << 23) - 1, 0, true},
		     {1, 0, false}, {15, 0, false}, {~0u - 1, 0, false}, {1u << 23, 0, false},
		     {0, 1, false}, {0, ~0u, false}};

	scene_begin();
	scene_connect();
	for (u32 i = 0; i < sizeof(tries) / sizeof(*tries); i++)
		EXPECT_EQ(IN(.flags = PKT_ACK, .seq = scene_base + tries[i].at,
			     .ack = scene_ack + tries[i].ack),
			  tries[i].fits ? SCENE_PASS : SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_HANDSHAKE), 6);
	ACKED(0);
	EXPECT_EQ(IN(.flags = PKT_ACK, .seq = scene_base + 1, .ack = scene_ack + 9), SCENE_PASS);
}

TEST(server_that_acknowledges_more_than_passed_ends_the_flow)
{
	struct sz_flow f;

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	ACKED(LEN(GET_A) + 1); /* the client's FIN counts one */
	EXPECT_TRUE(scene_flow(&f));
	EXPECT_EQ((u32)f.server, scene_base + LEN(GET_A));
	ACKED(LEN(GET_A) + 2);
	EXPECT_TRUE(!scene_flow(&f) && !scene_half(&f));
	EXPECT_EQ(scene_count(SZ_R_DESYNC), 1);
}

TEST(old_acknowledgement_does_not_move_back)
{
	struct sz_flow f;

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	ACKED(LEN(GET_A));
	ACKED(3);
	ASSERT_TRUE(scene_flow(&f));
	EXPECT_EQ((u32)f.server, scene_base + LEN(GET_A));
}

TEST(reset_of_the_server_ends_the_flow)
{
	struct sz_flow f;

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	OUT(.flags = PKT_RST, .seq = scene_ack);
	EXPECT_TRUE(!scene_flow(&f) && !scene_half(&f));
	EXPECT_EQ(DATA(LEN(GET_A), GET_A), SCENE_REPLY);
}

TEST(reset_of_the_client_ends_the_flow_where_the_server_would_obey_it)
{
	static const struct {
		u32 at;
		int act;
		bool gone;
	} tries[] = {{0, SCENE_PASS, true},        {LEN(POST_A("4000000")), SCENE_PASS, true},
		     {1u << 20, SCENE_PASS, true}, {(1u << 20) + 1, SCENE_DROP, false},
		     {5000000, SCENE_PASS, false}, {~0u, SCENE_PASS, false}};
	struct sz_flow f;

	for (u32 i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		scene_begin();
		scene_connect();
		EXPECT_EQ(DATA(0, POST_A("4000000")), SCENE_PASS);
		EXPECT_EQ(IN(.flags = PKT_RST, .seq = scene_base + tries[i].at), tries[i].act);
		EXPECT_EQ(!scene_flow(&f), tries[i].gone);
	}
}

TEST(data_after_the_servers_fin_is_dropped)
{
	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	OUT(.flags = PKT_ACK | PKT_FIN, .seq = scene_ack, .ack = scene_base + LEN(GET_A));
	EXPECT_EQ(DATA(LEN(GET_A), GET_A), SCENE_DROP);
	EXPECT_EQ(DATA(0, GET_A), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_CLOSED), 2);
	EXPECT_EQ(IN(.flags = PKT_ACK | PKT_FIN, .seq = scene_base + LEN(GET_A),
		     .ack = scene_ack + 1),
		  SCENE_PASS);
}

TEST(connection_from_before_the_service_was_enforced_is_reset)
{
	struct sz_service svc = {.id = SCENE_SERVICE};

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	machine_wait(1);
	svc.enforced_ns = machine_now();
	scene_service(&svc);
	machine_wait(1);
	EXPECT_EQ(DATA(LEN(GET_A), GET_A), SCENE_REPLY);
	EXPECT_EQ(scene.seg.flags, PKT_RST | PKT_ACK);
	scene_connect_at(900000);
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
}

static void monitor(void)
{
	struct sz_service svc = {.id = SCENE_SERVICE, .flags = SZ_SVC_MONITOR};

	scene_begin();
	scene_service(&svc);
	scene_connect();
}

TEST(monitor_mode_decides_and_reports_but_passes)
{
	struct sz_event e;
	struct sz_miss m;

	monitor();
	EXPECT_EQ(DATA(0, GET_NO_TOKEN), SCENE_PASS);
	EXPECT_TRUE(scene.same);
	ASSERT_TRUE(scene_event(&e));
	EXPECT_EQ(e.reason, SZ_R_NO_TOKEN);
	EXPECT_EQ(e.monitor, 1);
	EXPECT_EQ(scene_count(SZ_R_NO_TOKEN), 1);
	EXPECT_EQ(scene_count(SZ_R_MONITORED), 1);
	/* The boundary moved along, so what follows is decided, too. */
	EXPECT_EQ(DATA(LEN(GET_NO_TOKEN), GET_A GET_UNKNOWN), SCENE_PASS);
	EXPECT_TRUE(scene.same);
	EXPECT_EQ(scene_count(SZ_R_HIT), 1);
	ASSERT_TRUE(scene_miss(&m));
	EXPECT_EQ(m.monitor, 1);
	EXPECT_EQ(m.undecided, LEN(GET_A));
}

TEST(monitor_mode_passes_what_it_cannot_follow)
{
	static const u8 nop[4] = {1, 1, 1, 0};
	struct sz_flow f;

	monitor();
	EXPECT_EQ(IN(.frag = 0x2000, .flags = PKT_ACK), SCENE_PASS);
	EXPECT_EQ(IN(.ext = nop, .ext_len = 4, .flags = PKT_ACK), SCENE_PASS);
	EXPECT_EQ(IN(.sport = 5, .flags = PKT_ACK, .data = GET_A, .len = 9), SCENE_PASS);
	EXPECT_EQ(DATA(50, GET_A), SCENE_PASS);
	EXPECT_EQ(DATA(0, "what is this?\n"), SCENE_PASS);
	EXPECT_TRUE(scene.same);
	ASSERT_TRUE(scene_flow(&f) || scene_half(&f));
	EXPECT_EQ(f.flags & SZ_FLOW_LOST, SZ_FLOW_LOST);
	EXPECT_EQ(DATA(14, "and this?\n"), SCENE_PASS);
}

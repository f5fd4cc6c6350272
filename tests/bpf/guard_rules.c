/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rules of the security argument (subzero/rule.h) that no test of another topic would miss: each
 * test here fails when its rule is taken out, see scripts/check-rules.
 */
#include "scene.h"

#include "subzero/flow.h"

#define ODD     "GET /a/%41 HTTP/1.1\r\n" HOST_ AUTH_ "\r\n"
#define CHUNKED "POST /a HTTP/1.1\r\n" HOST_ AUTH_ "Transfer-Encoding: chunked\r\n\r\n"

/* Frames held behind one question of a known client: how far ahead, and how many. */
#define HELD_SPAN (1u << 20)
#define HELD_MAX  512

static struct sz_miss miss;

static struct sz_flow flow(void)
{
	struct sz_flow f = {};

	ASSERT_TRUE(scene_flow(&f) || scene_half(&f));
	return f;
}

/* Expects a question about the bytes at `at`. */
static void asked(u32 at, u32 why)
{
	ASSERT_TRUE(scene_miss(&miss));
	EXPECT_EQ(miss.seq - scene_base, at);
	EXPECT_EQ(miss.reason, why);
}

static void begin_known(void)
{
	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
}

/* ---- the connection ------------------------------------------------------------------------- */

TEST(handshake_with_the_same_numbers_behind_data_is_of_another_connection)
{
	struct sz_flow f;

	begin_known();
	ACKED(LEN(GET_A));
	OUT(.flags = PKT_SYN | PKT_ACK, .seq = SCENE_ISS, .ack = scene_base);
	EXPECT_TRUE(!scene_flow(&f) && !scene_half(&f));
	EXPECT_EQ(DATA(LEN(GET_A), GET_A), SCENE_REPLY);
	EXPECT_EQ(scene.seg.flags, PKT_RST | PKT_ACK);
}

TEST(flow_that_another_cpu_never_lets_go_is_not_passed)
{
	struct sz_flow_key k = scene_flow_key();
	struct sz_flow f;

	begin_known();
	f = flow();
	f.ver |= 1;
	ASSERT_EQ(machine_set("sz_flows", &k, &f), 0);
	EXPECT_EQ(DATA(LEN(GET_A), GET_A), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_RACE), 1);
}

TEST(connection_that_monitor_mode_lost_is_reset_whenever_it_began)
{
	struct sz_service svc = {.id = SCENE_SERVICE, .flags = SZ_SVC_MONITOR};

	scene_begin();
	scene_service(&svc);
	scene_connect();
	EXPECT_EQ(DATA(0, "what is this?\n"), SCENE_PASS);
	svc.flags = 0;
	scene_service(&svc);
	EXPECT_EQ(DATA(14, GET_A), SCENE_REPLY);
	EXPECT_EQ(scene.seg.flags, PKT_RST | PKT_ACK);
	EXPECT_EQ(scene_count(SZ_R_UNKNOWN_FLOW), 1);
}

TEST(long_body_does_not_run_ahead_of_what_was_acknowledged)
{
	u32 at = LEN(POST_A("1073741824")) + SZ_BODY_STEP;

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, POST_A("1073741824")), SCENE_PASS);
	ACKED(0);
	EXPECT_EQ(DATA(at - 1, "x"), SCENE_PASS);
	EXPECT_EQ(DATA(at, "x"), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_PIPELINED), 1);
	ACKED(at - 9);
	EXPECT_EQ(DATA(at, "x"), SCENE_PASS);
}

/* ---- packets -------------------------------------------------------------------------------- */

TEST(tcp_header_that_is_cut_has_no_port_to_pass_by)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct pkt_spec s = {.v6 = v6, .dport = 9999, .flags = PKT_ACK};

		scene_begin();
		scene.in_len = pkt_build(scene.in, &s);
		EXPECT_EQ(scene_raw(), SCENE_PASS); /* another port */
		pkt_put16(scene.in + (v6 ? 18 : 16), v6 ? 12 : 32);
		EXPECT_EQ(scene_raw(), SCENE_DROP);
		EXPECT_EQ(scene_count(SZ_R_MALFORMED), 1);
	}
}

/* ---- heads ---------------------------------------------------------------------------------- */

TEST(lines_of_a_head_end_in_crlf_and_in_nothing_else)
{
	static const char *const bad[] = {
		"GET /a HTTP/1.1xy" HOST_ AUTH_ "\r\n",
		"GET /a HTTP/1.1\n\n" HOST_ AUTH_ "\r\n",
		"GET /a HTTP/1.1\r\r" HOST_ AUTH_ "\r\n",
		"GET /a HTTP/1.1\r\n" HOST_ AUTH_ "\rx",
		"GET /a HTTP/1.1\r\n" HOST_ AUTH_ "\r\r\n",
	};

	for (u32 i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		scene_begin();
		scene_connect();
		scene_answered(DATA(0, bad[i]), SZ_R_BAD_REQUEST);
	}
}

TEST(host_among_other_white_space_is_the_daemons_to_read)
{
	static const char *const odd[] = {
		"GET /a HTTP/1.1\r\nHost:  h\r\n" AUTH_ "\r\n",
		"GET /a HTTP/1.1\r\nHost: h \r\n" AUTH_ "\r\n",
	};

	for (u32 i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		scene_begin();
		scene_connect();
		EXPECT_EQ(DATA(0, odd[i]), SCENE_DROP);
		asked(0, SZ_MISS_UNUSUAL);
	}
}

/* ---- bodies --------------------------------------------------------------------------------- */

/* Behind CHUNKED and a chunk of one byte, admitted by the daemon; returns where it ends. */
static u32 begin_chunks(void)
{
	static const char text[] = CHUNKED "1\r\n";
	u32 n = LEN(text);

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, text), SCENE_DROP);
	asked(0, SZ_MISS_UNUSUAL);
	scene_ticket(0, text, n, SZ_TK_STREAM | SZ_TK_CHUNK | SZ_TK_REQUEST, 1);
	EXPECT_EQ(DATA(0, text), SCENE_PASS);
	return n + 1;
}

TEST(chunk_without_a_size_is_not_the_last_one)
{
	u32 n = begin_chunks();

	EXPECT_EQ(DATA(n, "\r\n\r\n\r\n"), SCENE_DROP);
	asked(n, SZ_MISS_CHUNK);
	EXPECT_EQ(flow().next - scene_base, n);
}

TEST(framing_that_is_not_hex_digits_between_crlf_is_not_followed)
{
	static const char *const odd[] = {
		"\n\n5\r\nhello",
		"\rx5\r\nhello",
		"\r\n20000001\r\nhello",
		"\r\n5;e=1\r\nhello",
		"\r\n5\n\nhello",
		"\r\n0\r\nX: y\r\n\r\n",
	};

	for (u32 i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		u32 n = begin_chunks();

		if (!EXPECT_EQ(DATA(n, odd[i]), SCENE_DROP))
			printf("# %s\n", odd[i]);
		asked(n, SZ_MISS_CHUNK);
		EXPECT_EQ(flow().next - scene_base, n);
	}
}

/* The bytes behind the payload are those of an earlier frame, which was longer. */
TEST(framing_does_not_end_in_the_bytes_of_an_earlier_frame)
{
	u32 n = begin_chunks();

	EXPECT_EQ(DATA(n + 9, "\r\n12\r\n\n\n"), SCENE_DROP);
	DATA(n, "\r\n12\r");
	EXPECT_TRUE(flow().next - scene_base <= n + 5);
}

/* A ticket admits the first piece, so only the end of the walk is left to refuse the rest. */
TEST(bytes_behind_the_last_step_of_a_long_walk_do_not_pass)
{
	static const char head[] = CHUNKED "1\r\nx";
	static char all[sizeof(head) + 6 * (2 * SZ_WALK_MAX + 9)];
	u32 n = LEN(head);

	memcpy(all, head, n);
	for (; n + 6 <= sizeof(all); n += 6)
		memcpy(all + n, "\r\n1\r\nx", 6);
	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA_N(0, all, n), SCENE_DROP);
	asked(0, SZ_MISS_UNUSUAL);
	scene_ticket(0, all, LEN(head) - 1, SZ_TK_STREAM | SZ_TK_CHUNK | SZ_TK_REQUEST, 1);
	EXPECT_EQ(DATA_N(0, all, n), SCENE_PASS);
	EXPECT_TRUE(scene.seg.len < n);
	EXPECT_EQ(scene.seg.len, flow().next - scene_base);
}

TEST(unusual_beginning_does_not_pass_ahead_of_its_end)
{
	u32 at = LEN(GET_A);

	begin_known();
	EXPECT_EQ(DATA(at, "GET /a/%41 HTTP/1.1\r\nHo"), SCENE_DROP);
	asked(at, SZ_MISS_PARTIAL);
	EXPECT_EQ(flow().next - scene_base, at);
}

/* ---- tickets and grants --------------------------------------------------------------------- */

TEST(ticket_for_more_than_the_segment_does_not_count_an_earlier_frames_bytes)
{
	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, ODD "\n"), SCENE_DROP);
	asked(0, SZ_MISS_UNUSUAL);
	scene_ticket(0, ODD "\n", LEN(ODD) + 1, SZ_TK_REQUEST, 0);
	EXPECT_EQ(DATA(0, ODD), SCENE_DROP);
	EXPECT_EQ(flow().next, scene_base);
	EXPECT_EQ(DATA(0, ODD "\n"), SCENE_PASS);
}

TEST(ticket_counts_at_its_place_and_on_its_connection_only)
{
	struct sz_ticket_key k = {.flow = scene_flow_key(), .seq = SCENE_BASE};
	struct sz_ticket t;

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, ODD), SCENE_DROP);
	t = scene_ticket_value(ODD, LEN(ODD), SZ_TK_REQUEST, 0);
	t.birth_ns = flow().birth_ns;
	k.seq++;
	ASSERT_EQ(machine_set("sz_tickets", &k, &t), 0);
	k.seq--;
	k.flow.client_port ^= 1;
	ASSERT_EQ(machine_set("sz_tickets", &k, &t), 0);
	EXPECT_EQ(DATA(0, ODD), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_TICKET), 0);
}

TEST(grant_for_another_service_is_a_miss)
{
	static const char get[] =
		"GET /a HTTP/1.1\r\n" HOST_ "Authorization: Bearer elsewhere\r\n\r\n";
	struct sz_grant g;
	struct sz_grant_key k;

	scene_begin();
	scene_connect();
	g = scene_grant_value();
	k = scene_token("elsewhere");
	k.service++;
	ASSERT_EQ(machine_set("sz_grants", &k, &g), 0);
	EXPECT_EQ(DATA(0, get), SCENE_DROP);
	asked(0, SZ_MISS_TOKEN);
}

/* ---- frames that are held ------------------------------------------------------------------- */

TEST(nothing_is_held_for_a_daemon_that_is_gone)
{
	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, ODD), SCENE_DROP);
	asked(0, SZ_MISS_UNUSUAL);
	scene.cfg.heartbeat_ns = scene.cfg.heartbeat_ttl_ns = 0;
	scene_config();
	EXPECT_EQ(DATA(LEN(ODD), GET_A), SCENE_DROP);
	EXPECT_TRUE(!scene_miss(&miss));
	EXPECT_EQ(scene_count(SZ_R_GAP), 1);
}

TEST(known_client_has_limits_behind_a_question_too)
{
	u32 at = LEN(GET_A), i;

	begin_known();
	EXPECT_EQ(DATA(at, ODD), SCENE_DROP);
	asked(at, SZ_MISS_UNUSUAL);
	EXPECT_EQ(DATA(at + HELD_SPAN, "x"), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_GAP), 1);
	for (i = 1; i <= HELD_MAX; i++) {
		EXPECT_EQ(DATA(at + HELD_SPAN - i, "x"), SCENE_DROP);
		asked(at + HELD_SPAN - i, SZ_MISS_STREAM);
	}
	EXPECT_EQ(scene_count(SZ_R_GAP), 1);
	EXPECT_EQ(DATA(at + HELD_SPAN - i, "x"), SCENE_DROP);
	EXPECT_TRUE(!scene_miss(&miss));
	EXPECT_EQ(scene_count(SZ_R_GAP), 2);
}

TEST(frames_held_for_an_unknown_client_cost_it_misses)
{
	u32 i;

	scene_begin();
	/* One miss, and two held frames. */
	scene_source_misses(8000000000000ull, 10000000000000ull);
	scene_connect();
	EXPECT_EQ(DATA(0, ODD), SCENE_DROP);
	asked(0, SZ_MISS_UNUSUAL);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(DATA(LEN(ODD) + i, GET_A), SCENE_DROP);
		asked(LEN(ODD) + i, SZ_MISS_STREAM);
	}
	EXPECT_EQ(DATA(LEN(ODD) + i, GET_A), SCENE_DROP);
	EXPECT_TRUE(!scene_miss(&miss));
	EXPECT_EQ(scene_count(SZ_R_GAP), 1);
}

/* ---- what the kernel alone cannot be brought to --------------------------------------------- */

#ifdef SCENE_NATIVE
TEST(frame_that_does_not_fit_the_buffer_is_not_decided)
{
	static char big[16400] = POST_A("17000");

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA_N(0, big, sizeof(big)), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_TOO_LARGE), 1);
	EXPECT_EQ(flow().next, scene_base);
}

TEST(request_whose_flow_finds_no_room_does_not_pass)
{
	struct native_map was = sz_flows;

	scene_begin();
	scene_connect();
	sz_flows.kind = NATIVE_HASH;
	sz_flows.max = 0;
	EXPECT_EQ(DATA(0, GET_A), SCENE_DROP);
	EXPECT_EQ(scene_hits(SCENE_PRINCIPAL, SCENE_ROUTE_A), 0);
	sz_flows.kind = was.kind;
	sz_flows.max = was.max;
}
#endif

/* ---- tickets for pieces --------------------------------------------------------------------- */

/* The daemon decided on both pieces as one head; the first has passed as part of another one. */
TEST(later_piece_is_admitted_only_behind_the_pieces_it_was_decided_behind)
{
	static const char first[] = "GET /pub HTTP/1.1\r\nX: yyyyyyyyyyy";
	static const char other[] = "GET /pub HTTP/1.1\r\nX: zzzzzzzzzzz";
	static const char second[] = "\r\n" HOST_ "\r\n";
	struct sz_ticket t, o;

	for (u32 changed = 0; changed < 2; changed++) {
		scene_begin();
		scene_connect();
		EXPECT_EQ(DATA(0, first), SCENE_DROP);
		asked(0, SZ_MISS_PARTIAL);
		t = scene_ticket_value(first, LEN(first), SZ_TK_STREAM, 0);
		o = scene_ticket_value(other, LEN(other), SZ_TK_STREAM, 0);
		scene_ticket_set(0, changed ? &o : &t);
		EXPECT_EQ(DATA(0, changed ? other : first), SCENE_PASS);
		o = scene_ticket_value(second, LEN(second), SZ_TK_REQUEST, 0);
		o.birth_ns = flow().birth_ns;
		o.after = sz_chain(0, t.digest);
		scene_ticket_set(LEN(first), &o);
		EXPECT_EQ(DATA(LEN(first), second), changed ? SCENE_DROP : SCENE_PASS);
		EXPECT_EQ(flow().requests, !changed);
	}
}

/* ---- packets without a port ----------------------------------------------------------------- */

TEST(fragment_is_watched_only_where_the_services_at_any_address_are_watched_too)
{
	struct sz_service_key here = {.addr = scene_addr(false, 1)}, any = {};
	struct sz_service svc = {.id = SCENE_SERVICE};

	for (u32 i = 0; i < 6; i++) {
		bool none = i >= 4; /* nothing at any address */

		scene_begin();
		svc.flags = i & 1 ? SZ_SVC_MONITOR : 0;
		ASSERT_EQ(machine_set("sz_services", &here, &svc), 0);
		svc.flags = i & 2 ? SZ_SVC_MONITOR : 0;
		if (!none)
			ASSERT_EQ(machine_set("sz_services", &any, &svc), 0);
		EXPECT_EQ(IN(.frag = 0x2000, .flags = PKT_ACK),
			  i == 3 || i == 5 ? SCENE_PASS : SCENE_DROP);
	}
}

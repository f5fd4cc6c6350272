/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Far corners of the packet core that ordinary traffic does not reach: the last step of a loop, the
 * longest header, the value that is nearly right. Found by reading which branches nothing took.
 */
#include "scene.h"

#define HELD_MAX  512 /* frames of a known client behind one question */
#define HELD_SPAN (1u << 20)

/* The head is the daemon's, for whatever reason the scanner has. */
static void asked(const char *head, u32 why)
{
	struct sz_miss m;

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, head), SCENE_DROP);
	ASSERT_TRUE(scene_miss(&m));
	EXPECT_EQ(m.reason, why);
}

TEST(connection_value_that_is_nearly_keep_alive_is_unusual)
{
	asked("GET /a HTTP/1.1\r\n" HOST_ AUTH_ "Connection: keep-alike\r\n\r\n",
	      SZ_MISS_UNUSUAL);
	asked("GET /a HTTP/1.1\r\n" HOST_ AUTH_ "Connection: keep-alXve\r\n\r\n",
	      SZ_MISS_UNUSUAL);
	asked("GET /a HTTP/1.1\r\n" HOST_ AUTH_ "Connection: keep_alive\r\n\r\n",
	      SZ_MISS_UNUSUAL);
}

/* Chunk framing of which only the first n bytes are in the segment. */
static void framing(const char *bytes, u32 n, bool kernel)
{
	struct sz_flow f;

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	ASSERT_TRUE(scene_flow(&f));
	f.flags |= SZ_FLOW_STREAM | SZ_FLOW_CHUNK;
	ASSERT_EQ(machine_set("sz_flows", &(struct sz_flow_key[]){scene_flow_key()}[0], &f), 0);
	EXPECT_EQ(DATA_N(LEN(GET_A), bytes, n), kernel ? SCENE_PASS : SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_MISS), kernel ? 0 : 1);
}

TEST(chunk_framing_is_read_only_where_every_byte_is_in_its_place)
{
	framing("\r\n5\r\nhello", 10, true);
	framing("\r\n0\r\n\r\n", 7, true);
	framing("\r\n1fffffff\r\n", 12, true);
	framing("\r\n20000000\r\n", 12, true);
	framing("\r\n20000001\r\n", 12, false); /* more than is opened at once */
	framing("\r\n123456789\r\n", 13, false);
	framing("\r\n5\r", 4, true); /* the beginning of one, kept until its end has come */
	framing("X\n5\r\nh", 6, false);
	framing("\rX5\r\nh", 6, false);
	framing("\r\n\r\nxx", 6, false);
	framing("\r\nG\r\nxx", 7, false);
	framing("\r\n5;x\r\n", 7, false);
	framing("\r\n5\rXxx", 7, false);
	framing("\r\n5X\nxx", 7, false);
	framing("\r\n12345\r", 8, true);
	framing("\r\n0\r\nT: x\r\n\r\n", 13, false);
	framing("\r\n0\r\n\rX", 7, false);
	framing("\r\n0\r\nX\n", 7, false);
	framing("\r\n0\r\n\r", 6, true);
}

TEST(segment_of_more_requests_than_one_walk_counts_is_cut_behind_them)
{
	static u8 many[(SZ_WALK_MAX + 4) * LEN(GET_PUB)];

	scene_begin();
	scene_connect();
	for (u32 i = 0; i < SZ_WALK_MAX + 4; i++)
		memcpy(many + i * LEN(GET_PUB), GET_PUB, LEN(GET_PUB));
	EXPECT_EQ(DATA_N(0, many, sizeof(many)), SCENE_PASS);
	ASSERT_TRUE(scene.parsed);
	EXPECT_EQ(scene.seg.len, SZ_WALK_MAX * LEN(GET_PUB));
	EXPECT_EQ(scene_count(SZ_R_PUBLIC), SZ_WALK_MAX);
	EXPECT_EQ(scene_count(SZ_R_PIPELINED), 1);
	EXPECT_EQ(scene_hits(0, SCENE_ROUTE_PUBLIC), SZ_WALK_MAX);
}

/* The boundary's flow, changed and written back. */
static void flow_set(const struct sz_flow *f)
{
	struct sz_flow_key k = scene_flow_key();

	ASSERT_EQ(machine_set("sz_flows", &k, f), 0);
}

TEST(known_client_has_so_many_frames_held_and_so_far_ahead_and_no_more)
{
	struct sz_flow f;

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	EXPECT_EQ(DATA(LEN(GET_A), "GET /a/%41 HTTP/1.1\r\n" HOST_ "\r\n"), SCENE_DROP);
	EXPECT_EQ(DATA(LEN(GET_A) + HELD_SPAN - 1, "x"), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_MISS), 2);
	EXPECT_EQ(DATA(LEN(GET_A) + HELD_SPAN, "x"), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_MISS), 2);
	EXPECT_EQ(scene_count(SZ_R_GAP), 1);
	ASSERT_TRUE(scene_flow(&f));
	f.held = HELD_MAX;
	flow_set(&f);
	EXPECT_EQ(DATA(LEN(GET_A) + 100, "x"), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_GAP), 2);
}

TEST(frames_behind_the_question_of_an_unknown_client_cost_its_source)
{
	scene_begin();
	scene_source_misses(8000000000, 10000000000);
	scene_connect();
	EXPECT_EQ(DATA(0, "GET /a/%41 HTTP/1.1\r\n" HOST_ "\r\n"), SCENE_DROP);
	EXPECT_EQ(DATA(1000, "x"), SCENE_DROP);
	EXPECT_EQ(DATA(1001, "x"), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_MISS), 3);
	EXPECT_EQ(DATA(1002, "x"), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_MISS), 3);
	EXPECT_EQ(scene_count(SZ_R_GAP), 1);
}

TEST(later_part_of_a_long_body_is_sent_again_from_before_its_beginning)
{
	u32 head = LEN(POST_A("1000000000"));

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, POST_A("1000000000")), SCENE_PASS);
	ACKED(head + SZ_BODY_STEP);
	EXPECT_EQ(DATA(head + SZ_BODY_STEP, "0123456789"), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_BODY), 1);
	EXPECT_EQ(DATA(head + SZ_BODY_STEP - 5, "abcde0123456789"), SCENE_PASS);
	EXPECT_TRUE(scene.same);
	EXPECT_EQ(scene_count(SZ_R_BODY), 2);
}

TEST(body_of_a_request_that_monitor_mode_would_refuse_passes)
{
	struct sz_service svc = {.id = SCENE_SERVICE, .flags = SZ_SVC_MONITOR};

	scene_begin();
	scene_service(&svc);
	scene_connect();
	EXPECT_EQ(DATA(0, "POST /a HTTP/1.1\r\n" HOST_ "Content-Length: 4\r\n\r\nabcd" GET_A),
		  SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_NO_TOKEN), 1);
	EXPECT_EQ(scene_count(SZ_R_MONITORED), 1);
	EXPECT_EQ(scene_count(SZ_R_HIT), 1);
}

TEST(connection_from_before_enforcement_passes_while_monitored)
{
	struct sz_service svc = {.id = SCENE_SERVICE, .flags = SZ_SVC_MONITOR};

	scene_begin();
	scene_connect();
	svc.enforced_ns = machine_now() + 1000000000;
	scene_service(&svc);
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	svc.flags = 0;
	scene_service(&svc);
	EXPECT_EQ(DATA(LEN(GET_A), GET_A), SCENE_REPLY);
	EXPECT_EQ(scene.seg.flags, PKT_RST | PKT_ACK);
	EXPECT_EQ(scene_count(SZ_R_UNKNOWN_FLOW), 1);
}

TEST(denied_token_of_another_key_set_is_asked_about)
{
	struct sz_grant_key k;
	struct sz_denied d = {.expires_ns = ~0ull, .policy_gen = 11, .key_gen = 22,
			      .reason = SZ_R_BAD_TOKEN};

	for (u32 gens = 0; gens < 3; gens++) {
		scene_begin();
		k = scene_token("unknown");
		d.policy_gen = 11 + (gens & 1);
		d.key_gen = 22 + (gens >> 1);
		ASSERT_EQ(machine_set("sz_denied", &k, &d), 0);
		scene_connect();
		EXPECT_EQ(DATA(0, "GET /a HTTP/1.1\r\n" HOST_
				  "Authorization: Bearer unknown\r\n\r\n"),
			  gens ? SCENE_DROP : SCENE_REPLY);
		EXPECT_EQ(scene_count(SZ_R_MISS), gens ? 1 : 0);
		EXPECT_EQ(scene_count(SZ_R_BAD_TOKEN), gens ? 0 : 1);
	}
}

TEST(flow_with_a_writer_inside_is_not_decided_on)
{
	struct sz_service svc = {.id = SCENE_SERVICE, .flags = SZ_SVC_MONITOR};
	struct sz_flow f;

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	ASSERT_TRUE(scene_flow(&f));
	f.ver |= 1;
	flow_set(&f);
	EXPECT_EQ(DATA(LEN(GET_A), GET_A), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_RACE), 1);
	f.ver &= ~1ull;
	f.server ^= 1ull << 40; /* another connection's by now */
	flow_set(&f);
	EXPECT_EQ(DATA(LEN(GET_A), GET_A), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_RACE), 2);
	scene_service(&svc);
	EXPECT_EQ(DATA(LEN(GET_A), GET_A), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_RACE), 3);
}

/* A SYN with 40 bytes of options. */
static int syn(const u8 *options)
{
	return IN(.flags = PKT_SYN, .seq = 99, .opt = options, .opt_len = 40);
}

TEST(multipath_option_in_the_longest_header_is_taken_out)
{
	u8 options[40];

	scene_begin();
	memset(options, 1, 40);
	EXPECT_EQ(syn(options), SCENE_PASS);
	EXPECT_TRUE(scene.same);
	options[0] = 30;
	for (u32 len = 0; len < 256; len++) {
		options[1] = (u8)len;
		EXPECT_EQ(syn(options), SCENE_PASS);
		ASSERT_TRUE(scene.parsed && scene.seg.tcp_ok);
		EXPECT_EQ(scene.out[54], 1);
	}
	memset(options, 1, 40);
	options[39] = 30;
	EXPECT_EQ(syn(options), SCENE_PASS);
	EXPECT_EQ(scene.out[93], 1);
	options[0] = 7;
	options[1] = 1; /* an option shorter than its own header: the server stops there */
	EXPECT_EQ(syn(options), SCENE_PASS);
	EXPECT_EQ(scene.out[93], 30);
}

TEST(timestamps_are_answered_only_where_they_stand_as_usual)
{
	static const u8 other[12] = {8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1};

	scene_begin();
	EXPECT_EQ(IN(.flags = PKT_ACK, .seq = 1, .ack = 2, .opt = other, .opt_len = 12,
		     .data = "x", .len = 1), SCENE_REPLY);
	ASSERT_TRUE(scene.parsed && scene.seg.tcp_ok);
	EXPECT_TRUE(!scene.seg.ts);
	EXPECT_EQ(scene.out_len, 54);
	scene_connect();
	EXPECT_EQ(IN(.flags = PKT_ACK, .seq = scene_base, .ack = scene_ack, .opt = other,
		     .opt_len = 12, .data = GET_NO_TOKEN, .len = LEN(GET_NO_TOKEN)), SCENE_REPLY);
	ASSERT_TRUE(scene.parsed && scene.seg.tcp_ok);
	EXPECT_TRUE(!scene.seg.ts);
}

TEST(source_below_the_lowest_prefix_is_counted_by_its_prefix)
{
	struct pkt_spec s = {.v6 = true, .flags = PKT_SYN, .seq = 9};
	struct sz_addr zero = {};
	struct sz_source src;

	scene_begin();
	scene.in_len = pkt_build(scene.in, &s);
	memset(scene.in + 22, 0, 15); /* from ::7 */
	EXPECT_EQ(scene_raw(), SCENE_PASS);
	ASSERT_EQ(machine_get("sz_sources", &zero, &src), 0);
	EXPECT_EQ(src.syns, 1);
}

TEST(path_longer_than_a_record_is_reported_by_its_beginning)
{
	char head[400];
	struct sz_event e;

	scene_begin();
	scene_connect();
	snprintf(head, sizeof(head), "GET /%0200d HTTP/1.1\r\n" HOST_ "\r\n", 7);
	EXPECT_EQ(DATA(0, head), SCENE_REPLY);
	ASSERT_TRUE(scene_event(&e));
	EXPECT_EQ(e.path_len, sizeof(e.path));
	EXPECT_MEMEQ(e.path, head + 4, sizeof(e.path));
}

TEST(every_kind_of_extension_header_is_refused)
{
	static const u8 kinds[] = {0, 43, 44, 51, 60, 135, 139, 140};
	static u8 ext[168] = {6}, options[36] = {1, 1, 1};

	for (u32 i = 0; i < sizeof(kinds); i++) {
		scene_begin();
		scene.v6 = true;
		EXPECT_EQ(IN(.flags = PKT_ACK, .ext = ext, .ext_len = 8, .next = kinds[i],
			     .data = GET_A, .len = LEN(GET_A)), SCENE_DROP);
		EXPECT_EQ(scene_count(SZ_R_IP_OPTIONS) + scene_count(SZ_R_FRAGMENT), 1);
	}
	for (u32 len = 0; len < 40; len++) { /* longer than the packet, than what is read */
		ext[1] = (u8)len;
		scene_begin();
		scene.v6 = true;
		EXPECT_EQ(IN(.flags = PKT_ACK, .ext = ext, .ext_len = 8, .next = 60, .pad = 60),
			  SCENE_DROP);
	}
	ext[1] = 20; /* the TCP header begins within what is read and ends behind it */
	scene_begin();
	scene.v6 = true;
	EXPECT_EQ(IN(.flags = PKT_ACK, .ext = ext, .ext_len = 168, .next = 60, .opt = options,
		     .opt_len = 36), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_MALFORMED), 1);
	ext[0] = 60;
	ext[1] = 2; /* the second one begins in the packet and ends behind it */
	scene_begin();
	scene.v6 = true;
	EXPECT_EQ(IN(.flags = PKT_ACK, .ext = ext, .ext_len = 8, .next = 60, .pad = 60),
		  SCENE_DROP);
	for (u32 i = 0; i < 160; i += 8)
		memcpy(ext + i, "\74\0\1\4\0\0\0", 8); /* one destination header after the other */
	for (u32 n = 8; n <= 160; n += 8) {
		ext[n - 8] = 6;
		scene_begin();
		scene.v6 = true;
		EXPECT_EQ(IN(.flags = PKT_ACK, .ext = ext, .ext_len = n, .next = 60), SCENE_DROP);
		ext[n - 8] = 60;
	}
}

/* A plain segment with two bytes of it changed, and cut. */
static int patched(bool v6, u32 at, u32 value, u32 cut)
{
	struct pkt_spec s = {.v6 = v6, .flags = PKT_ACK, .data = "x", .len = 1, .pad = 4};

	scene_begin();
	scene.in_len = pkt_build(scene.in, &s) - cut;
	pkt_put16(scene.in + at, value);
	return scene_raw();
}

TEST(headers_that_end_behind_the_packet_are_malformed)
{
	EXPECT_EQ(patched(false, 16, 39, 0), SCENE_DROP); /* IPv4 ends inside the TCP header */
	EXPECT_EQ(scene_count(SZ_R_MALFORMED), 1);
	EXPECT_EQ(patched(false, 16, 46, 0), SCENE_DROP); /* and behind the frame */
	EXPECT_EQ(scene_count(SZ_R_MALFORMED), 1);
	EXPECT_EQ(patched(true, 18, 19, 0), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_MALFORMED), 1);
	EXPECT_EQ(patched(false, 46, 0xf010, 0), SCENE_DROP); /* data offset behind the end */
	EXPECT_EQ(scene_count(SZ_R_MALFORMED), 1);
	EXPECT_EQ(patched(false, 46, 0x4010, 0), SCENE_DROP); /* and inside the header */
	EXPECT_EQ(scene_count(SZ_R_MALFORMED), 1);
	EXPECT_EQ(patched(false, 14, 0x6500, 0), SCENE_DROP); /* IPv4 that says it is version 6 */
	EXPECT_EQ(scene_count(SZ_R_MALFORMED), 1);
	EXPECT_EQ(patched(true, 16, 0, 59), SCENE_PASS); /* half a header: the stack drops it */
	EXPECT_EQ(scene_count(SZ_R_FOREIGN), 1);
}

TEST(more_tags_than_are_read_pass_only_before_there_is_a_configuration)
{
	struct pkt_spec s = {.vlans = 3, .flags = PKT_ACK, .data = "x", .len = 1};

	for (u32 type = 0x8100; type; type = type == 0x8100 ? 0x88a8 : 0) {
		for (u32 abi = 0; abi < 2; abi++) {
			scene_begin();
			scene.cfg.abi = abi;
			scene_config();
			scene.in_len = pkt_build(scene.in, &s);
			pkt_put16(scene.in + 20, type);
			EXPECT_EQ(scene_raw(), abi ? SCENE_DROP : SCENE_PASS);
		}
	}
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Ways around the guard that an attacker would try: each test plays one and expects it refused.
 */
#include "scene.h"

#define EVIL "GET /other HTTP/1.1\r\nHost: h\r\nX: 1\r\n\r\n"

/* Pipelines two POSTs, so that body ranges lie in several slots. Returns the bytes sent. */
static u32 pipeline_two(void)
{
	static const char one[] = POST_A("100"), body[100];
	u32 n = 0;

	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(DATA(n, one), SCENE_PASS);
		n += LEN(one);
		EXPECT_EQ(DATA_N(n, body, 100), SCENE_PASS);
		n += 100;
		if (!i) {
			ACKED(0); /* the server speaks, but has not yet read */
			scene_said(1);
		}
	}
	return n;
}

/* An upload of `len` bytes begins at n: head, then the body step by step; returns where it ends. */
static u32 upload(u32 n, u32 len)
{
	char head[256];
	u32 left = len;

	n += (u32)snprintf(head, sizeof(head), POST_A("%u"), len);
	scene_said(1);
	EXPECT_EQ(DATA(n - (u32)strlen(head), head), SCENE_PASS);
	ACKED(n);
	for (;;) {
		u32 step = left < SZ_BODY_STEP ? left : SZ_BODY_STEP;

		n += step;
		left -= step;
		ACKED(n);
		if (!left)
			return n;
		EXPECT_EQ(DATA(n, "x"), SCENE_PASS);
	}
}

TEST(remembered_ranges_do_not_open_the_stream_again_after_four_gibibytes)
{
	static const char body[100];
	struct sz_flow f;
	u32 n, end, i, len;

	scene_begin();
	scene_connect();
	n = pipeline_two();
	ACKED(n);
	/* Uploads of 10^9 bytes until the sequence space has come round to the second body. */
	for (i = 0; i < 4; i++)
		n = upload(n, 1000000000u);
	/* One more upload ends just before the place where the second body of the start lay. */
	end = 2 * LEN(POST_A("100")) + 100;
	len = end - n - LEN(POST_A("294967000"));
	n = upload(n, len);
	ASSERT_EQ(n, end);
	ASSERT_TRUE(scene_flow(&f));
	ASSERT_EQ(f.next, scene_base + end);
	EXPECT_TRUE(DATA(end, EVIL) != SCENE_PASS);
	EXPECT_TRUE(DATA_N(end + 1, body, 20) != SCENE_PASS);
}

/* With SYN cookies, the same SYN within a minute gets the same SYN-ACK. */
TEST(identical_handshake_after_a_client_reset_starts_the_stream_anew)
{
	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, GET_PUB), SCENE_PASS);
	ACKED(LEN(GET_PUB));
	IN(.flags = PKT_RST, .seq = scene_base + LEN(GET_PUB));
	scene_connect();
	EXPECT_TRUE(DATA(0, EVIL) != SCENE_PASS);
}

/* MPTCP maps the bytes of a connection to other places of the stream, and joins connections. */
TEST(syn_that_offers_multipath_tcp_does_not_reach_the_server_as_such)
{
	static const u8 capable[] = {30, 4, 0x01, 0x81};
	static const u8 join[] = {30, 12, 0x10, 1, 1, 2, 3, 4, 5, 6, 7, 8};
	const struct {
		const u8 *opt;
		u32 len;
	} offers[] = {{capable, sizeof(capable)}, {join, sizeof(join)}};

	for (u32 i = 0; i < 2; i++) {
		int act;

		scene_begin();
		act = IN(.flags = PKT_SYN, .seq = 1, .opt = offers[i].opt,
			 .opt_len = offers[i].len);
		EXPECT_TRUE(act != SCENE_PASS ||
			    !memmem(scene.out, scene.out_len, offers[i].opt, offers[i].len));
	}
}

/* The SYN came before the guard did: what the client maps elsewhere must not pass. */
TEST(segments_of_a_multipath_connection_that_began_unguarded_are_dropped)
{
	static const u8 dss[] = {30, 20, 0x20, 0x05, 0, 0, 0, 1, 0, 0,
				 0,  2,  0,    0,    0, 1, 0, 9, 0, 0};

	scene_begin();
	scene_connect();
	EXPECT_EQ(IN(.flags = PKT_ACK, .seq = scene_base, .ack = scene_ack, .data = GET_A,
		     .len = LEN(GET_A), .opt = dss, .opt_len = sizeof(dss)),
		  SCENE_DROP);
	EXPECT_EQ(IN(.flags = PKT_ACK, .seq = scene_base, .ack = scene_ack, .opt = dss,
		     .opt_len = sizeof(dss)),
		  SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_MULTIPATH), 2);
}

/*
 * The first fragment ends within its extension headers; link-layer padding behind it pretends that
 * UDP follows. The next fragment's own next-header field is ignored by receivers.
 */
TEST(ipv6_fragment_with_false_padding_is_dropped)
{
	/* fragment header (more follow), then 8 bytes of destination options, next: more options */
	static const u8 ext[] = {60, 0, 0, 1, 9, 9, 9, 9, 60, 0, 1, 4, 0, 0, 0, 0};
	static const u8 padding[] = {17, 0, 1, 4, 0, 0, 0, 0};
	struct pkt_spec s = {
		.v6 = true, .ext = ext, .ext_len = sizeof(ext), .next = 44, .flags = PKT_ACK};

	scene_begin();
	scene.in_len = pkt_build(scene.in, &s);
	pkt_put16(scene.in + 14 + 4, sizeof(ext));
	memcpy(scene.in + 14 + 40 + sizeof(ext), padding, sizeof(padding));
	scene.in_len = 14 + 40 + sizeof(ext) + sizeof(padding);
	EXPECT_EQ(scene_raw(), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_FRAGMENT), 1);
}

/* From monitor mode to enforcing: connections from before are not known to be whole. */
static void enforce(struct sz_service *svc)
{
	machine_wait(1);
	svc->flags = 0;
	svc->enforced_ns = machine_now();
	scene_service(svc);
}

TEST(connection_lost_in_monitor_mode_does_not_pass_once_enforcing)
{
	struct sz_service svc = {.id = SCENE_SERVICE, .flags = SZ_SVC_MONITOR};
	static const char odd[] = "GET /a HTTP/1.1\nHost: h\n\n";

	scene_begin();
	scene_service(&svc);
	scene_connect();
	EXPECT_EQ(DATA(0, odd), SCENE_PASS);
	ACKED(LEN(odd));
	enforce(&svc);
	EXPECT_TRUE(DATA(LEN(odd), EVIL) != SCENE_PASS);
}

/* The time of the switch is taken before the map is written: a connection may begin in between. */
TEST(connection_lost_during_the_switch_to_enforcing_does_not_pass)
{
	struct sz_service svc = {.id = SCENE_SERVICE, .flags = SZ_SVC_MONITOR};
	static const char odd[] = "GET /a HTTP/1.1\nHost: h\n\n";
	u64 taken;

	scene_begin();
	scene_service(&svc);
	taken = machine_now();
	machine_wait(1);
	scene_connect();
	EXPECT_EQ(DATA(0, odd), SCENE_PASS);
	svc.flags = 0;
	svc.enforced_ns = taken;
	scene_service(&svc);
	EXPECT_TRUE(DATA(LEN(odd), EVIL) != SCENE_PASS);
}

/* A router forwards what claims to come from the server, and egress would believe it. */
TEST(frame_from_the_client_side_with_the_servers_address_is_dropped)
{
	scene_begin();
	scene_connect();
	EXPECT_EQ(IN(.reply = true, .flags = PKT_SYN | PKT_ACK, .seq = 1, .ack = 2), SCENE_DROP);
}

/*
 * The walk of one segment has a bound: what lies behind it is undecided. The first segment never
 * reaches the server (a wrong checksum will do), so nothing is acknowledged and every range stays.
 */
TEST(bytes_behind_the_last_step_of_the_walk_do_not_pass)
{
	static const char one[] = "POST /pub HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx";
	static char all[64 * sizeof(one)];
	u32 n = 0, len, extra;

	for (extra = 0; extra < 8; extra++) {
		scene_begin();
		scene_connect();
		for (n = 0; n < 15; n++) {
			memcpy(all + n * LEN(one), one, LEN(one));
			EXPECT_EQ(DATA(n * LEN(one), one), SCENE_PASS);
		}
		for (len = n * LEN(one); n < 15 + extra; n++, len += LEN(one))
			memcpy(all + len, one, LEN(one));
		memcpy(all + len, EVIL, LEN(EVIL));
		EXPECT_TRUE(DATA_N(0, all, len + LEN(EVIL)) != SCENE_PASS ||
			    (scene.parsed && scene.seg.len <= len));
	}
}

/* Many small chunks behind the head in one segment, and a request of its own behind them. */
TEST(bytes_behind_the_last_chunk_of_the_walk_do_not_pass)
{
	static const char head[] =
		"POST /a HTTP/1.1\r\nHost: h\r\n" AUTH_ "Transfer-Encoding: chunked\r\n\r\n1\r\n";
	static char all[2048];
	u32 n, chunks, i;

	for (chunks = 28; chunks < 34; chunks++) {
		n = (u32)snprintf(all, sizeof(all), "%sx", head);
		for (i = 0; i < chunks; i++)
			n += (u32)snprintf(all + n, sizeof(all) - n, "\r\n1\r\nx");
		n += (u32)snprintf(all + n, sizeof(all) - n, "\r\n0\r\n\r\n" EVIL);
		scene_begin();
		scene_connect();
		EXPECT_EQ(DATA(0, all), SCENE_DROP);
		EXPECT_EQ(scene_count(SZ_R_MISS), 1);
		scene_ticket(0, all, LEN(head), SZ_TK_STREAM | SZ_TK_CHUNK | SZ_TK_REQUEST, 1);
		EXPECT_TRUE(DATA(0, all) != SCENE_PASS ||
			    (scene.parsed && scene.seg.len <= n - LEN(EVIL)));
	}
}

/*
 * An urgent pointer names a byte that the server takes out of the stream, and it may come ahead of
 * that byte in a segment without payload: "Content-Length: 50" is then read as 5 or 0.
 */
TEST(urgent_pointer_ahead_of_its_byte_does_not_reach_the_server)
{
	scene_begin();
	scene_connect();
	EXPECT_TRUE(IN(.flags = PKT_ACK | PKT_URG, .seq = scene_base, .ack = scene_ack,
		       .urg = 40) != SCENE_PASS ||
		    !(scene.seg.flags & PKT_URG));
	EXPECT_TRUE(IN(.flags = PKT_ACK | PKT_FIN | PKT_URG, .seq = scene_base, .ack = scene_ack,
		       .urg = 40) != SCENE_PASS ||
		    !(scene.seg.flags & PKT_URG));
}

/*
 * With SYN cookies a bare ACK makes a connection, without any SYN: after a reset the old cookie is
 * good for minutes, and the server begins to read at the first byte again.
 */
TEST(cookie_of_a_connection_that_was_reset_does_not_open_the_stream_again)
{
	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	ACKED(LEN(GET_A));
	IN(.flags = PKT_RST, .seq = scene_base + LEN(GET_A));
	/* an ACK with the cookie, then data where the first request lay */
	IN(.flags = PKT_ACK, .seq = scene_base, .ack = scene_ack);
	EXPECT_TRUE(DATA(0, EVIL) != SCENE_PASS);
}

/* Two SYNs give two cookies: the first is used when the second one's connection is gone. */
TEST(cookie_of_another_syn_does_not_begin_a_stream_inside_a_body)
{
	static const char post[] = POST_PUB("1000");

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, post), SCENE_PASS);
	ACKED(LEN(post));
	IN(.flags = PKT_RST, .seq = scene_base + LEN(post));
	IN(.flags = PKT_ACK, .seq = scene_base + 500, .ack = scene_ack + 500);
	EXPECT_TRUE(IN(.flags = PKT_ACK | PKT_PSH, .seq = scene_base + 500, .ack = scene_ack + 500,
		       .data = EVIL, .len = LEN(EVIL)) != SCENE_PASS);
}

/* The same after both sides have said FIN: the server forgets such a connection, too. */
TEST(cookie_of_a_connection_that_was_closed_does_not_open_the_stream_again)
{
	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	ACKED(LEN(GET_A));
	IN(.flags = PKT_ACK | PKT_FIN, .seq = scene_base + LEN(GET_A), .ack = scene_ack);
	OUT(.flags = PKT_ACK | PKT_FIN, .seq = scene_ack, .ack = scene_base + LEN(GET_A) + 1);
	IN(.flags = PKT_ACK, .seq = scene_base + LEN(GET_A) + 1, .ack = scene_ack + 1);
	IN(.flags = PKT_ACK, .seq = scene_base, .ack = scene_ack);
	EXPECT_TRUE(DATA(0, EVIL) != SCENE_PASS);
}

/* What was sent ahead in monitor mode waits in the server's queue until the gap is filled. */
TEST(gap_that_was_passed_in_monitor_mode_is_not_filled_once_enforcing)
{
	struct sz_service svc = {.id = SCENE_SERVICE, .flags = SZ_SVC_MONITOR};

	scene_begin();
	scene_service(&svc);
	scene_connect();
	EXPECT_EQ(DATA(LEN(GET_A), EVIL), SCENE_PASS);
	enforce(&svc);
	EXPECT_TRUE(DATA(0, GET_A) != SCENE_PASS);
}

/*
 * The daemon decided these bytes as chunk data of one connection, but it was reset meanwhile; on
 * the next connection of the same ports they stand where a request begins.
 */
TEST(ticket_of_an_earlier_connection_is_void_on_the_next_one)
{
	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, "POST /a HT"), SCENE_DROP);
	scene_ticket(0, EVIL, LEN(EVIL), SZ_TK_STREAM, 0);
	IN(.flags = PKT_RST, .seq = scene_base);
	machine_wait(1);
	EXPECT_EQ(IN(.flags = PKT_SYN, .seq = scene_base - 1), SCENE_PASS);
	OUT(.flags = PKT_SYN | PKT_ACK, .seq = SCENE_ISS + 999, .ack = scene_base);
	scene_ack = SCENE_ISS + 1000;
	EXPECT_EQ(DATA(0, "POST /a HT"), SCENE_DROP);
	EXPECT_TRUE(DATA(0, EVIL) != SCENE_PASS);
}

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
			scene_ack++;
		}
	}
	return n;
}

TEST(remembered_ranges_do_not_open_the_stream_again_after_four_gibibytes)
{
	static const char big[] = POST_A("1000000000"), body[100];
	struct sz_flow f;
	u32 n, end, i;

	scene_begin();
	scene_connect();
	n = pipeline_two();
	ACKED(n);
	/* Uploads of 10^9 bytes until the sequence space has come round to the second body. */
	for (i = 0; i < 4; i++) {
		scene_ack++;
		ASSERT_EQ(DATA(n, big), SCENE_PASS);
		ACKED(n + LEN(big));
		n += LEN(big) + 1000000000u;
		ACKED(n);
	}
	/* One more upload ends just before the place where the second body of the start lay. */
	end = 2 * LEN(POST_A("100")) + 100;
	{
		char head[256];
		u32 len = 0, left = end - n;

		for (i = 0; i < 2; i++)
			len = (u32)snprintf(head, sizeof(head), POST_A("%u"), left - len);
		scene_ack++;
		ASSERT_EQ(DATA_N(n, head, len), SCENE_PASS);
		ACKED(n + len);
		ACKED(end);
	}
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
	static const u8 capable[] = { 30, 4, 0x01, 0x81 };
	static const u8 join[] = { 30, 12, 0x10, 1, 1, 2, 3, 4, 5, 6, 7, 8 };
	const struct {
		const u8 *opt;
		u32 len;
	} offers[] = { { capable, sizeof(capable) }, { join, sizeof(join) } };

	for (u32 i = 0; i < 2; i++) {
		int act;

		scene_begin();
		act = IN(.flags = PKT_SYN, .seq = 1, .opt = offers[i].opt,
			 .opt_len = offers[i].len);
		EXPECT_TRUE(act != SCENE_PASS ||
			    !memmem(scene.out, scene.out_len, offers[i].opt, offers[i].len));
	}
}

TEST(connection_whose_server_agreed_to_multipath_tcp_is_not_admitted)
{
	static const u8 capable[] = { 30, 12, 0x01, 0x81, 1, 2, 3, 4, 5, 6, 7, 8 };

	scene_begin();
	OUT(.flags = PKT_SYN | PKT_ACK, .seq = SCENE_ISS, .ack = SCENE_BASE, .opt = capable,
	    .opt_len = sizeof(capable));
	EXPECT_TRUE(DATA(0, GET_A) != SCENE_PASS);
}

/*
 * The first fragment ends within its extension headers; link-layer padding behind it pretends that
 * UDP follows. The next fragment's own next-header field is ignored by receivers.
 */
TEST(ipv6_fragment_with_false_padding_is_dropped)
{
	/* fragment header (more follow), then 8 bytes of destination options, next: more options */
	static const u8 ext[] = { 60, 0, 0, 1, 9, 9, 9, 9, 60, 0, 1, 4, 0, 0, 0, 0 };
	static const u8 padding[] = { 17, 0, 1, 4, 0, 0, 0, 0 };
	struct pkt_spec s = { .v6 = true, .ext = ext, .ext_len = sizeof(ext), .next = 44,
			      .flags = PKT_ACK };

	scene_begin();
	scene.in_len = pkt_build(scene.in, &s);
	pkt_put16(scene.in + 14 + 4, sizeof(ext));
	memcpy(scene.in + 14 + 40 + sizeof(ext), padding, sizeof(padding));
	scene.in_len = 14 + 40 + sizeof(ext) + sizeof(padding);
	EXPECT_EQ(scene_raw(), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_FRAGMENT), 1);
}

TEST(connection_lost_in_monitor_mode_does_not_pass_once_enforcing)
{
	struct sz_service svc = { .id = SCENE_SERVICE, .flags = SZ_SVC_MONITOR };
	static const char odd[] = "GET /a HTTP/1.1\nHost: h\n\n";

	scene_begin();
	scene_service(&svc);
	scene_connect();
	EXPECT_EQ(DATA(0, odd), SCENE_PASS);
	ACKED(LEN(odd));
	svc.flags = 0;
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

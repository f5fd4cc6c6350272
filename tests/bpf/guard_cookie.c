/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SYN cookies: when a SYN is answered with one, what the SYN-ACK says, and that the ACK which
 * brings it back begins a flow at the one byte where the server will begin, and nowhere else.
 */
#include "scene.h"

#include "cookie_server.h"

#define EVIL   "GET /other HTTP/1.1\r\n" HOST_ "\r\n"
#define SECOND 1000000000ull

/* MSS 1300: its index leaves room for others beside it. */
static const u8 mss1300[4] = {2, 4, 1300 >> 8, 1300 & 255};

#define SYN(...)                                                                                   \
	IN(.flags = PKT_SYN, .seq = scene_base - 1, .opt = mss1300, .opt_len = 4, ##__VA_ARGS__)
#define BARE_ACK(off, ack_off)                                                                     \
	IN(.flags = PKT_ACK, .seq = scene_base + (u32)(off), .ack = scene_ack + (u32)(ack_off))

static struct sz_service service;

static struct sz_service_key endpoint(void)
{
	return (struct sz_service_key){.addr = scene_addr(scene.v6, 1), .port = htons(8080)};
}

static struct sz_syn state(void)
{
	struct sz_service_key k = endpoint();
	struct sz_syn v;

	ASSERT_EQ(machine_get("sz_syn", &k, &v), 0);
	return v;
}

static void set_state(const struct sz_syn *v)
{
	struct sz_service_key k = endpoint();

	ASSERT_EQ(machine_set("sz_syn", &k, v), 0);
}

static void begin(u32 flags)
{
	bool v6 = scene.v6;

	scene_begin();
	scene.v6 = v6;
	service = (struct sz_service){
		.id = SCENE_SERVICE, .flags = flags, .syn_rate = 1000, .syn_half = 4};
	scene_service(&service);
	set_state(&(struct sz_syn){.local_ns = machine_now()});
	cookie_server(COOKIE_LISTENS);
}

/* A SYN and its cookie; the next segments are those of who got it. */
static void cookie(void)
{
	ASSERT_EQ(SYN(), SCENE_REPLY);
	ASSERT_TRUE(scene.parsed && scene.seg.ip_ok && scene.seg.tcp_ok);
	EXPECT_EQ(scene.seg.flags, PKT_SYN | PKT_ACK);
	EXPECT_EQ(scene.seg.ack, scene_base);
	EXPECT_EQ(scene.seg.sport, 8080);
	EXPECT_EQ(scene.seg.dport, 40000);
	scene_ack = scene.seg.seq + 1;
}

static void begin_with_cookie(void)
{
	begin(SZ_SVC_COOKIES_ALWAYS);
	cookie();
}

static bool no_flow(void)
{
	struct sz_flow f;

	return !scene_half(&f) && !scene_flow(&f);
}

static void for_both(void (*test)(void))
{
	scene.v6 = false;
	test();
	scene.v6 = true;
	test();
	scene.v6 = false;
}

/* ---- the SYN ------------------------------------------------------------------------------ */

static void answered(void)
{
	struct sz_addr source = scene_addr(false, 7);
	struct sz_source src;

	begin_with_cookie();
	EXPECT_EQ(scene_count(SZ_R_COOKIE_SENT), 1);
	EXPECT_EQ(state().sent, 1);
	EXPECT_TRUE(no_flow());
	/* a source that may be false costs nobody his place */
	EXPECT_EQ(machine_get("sz_sources", &source, &src), -ENOENT);
}

TEST(syn_is_answered_with_a_cookie_and_leaves_nothing_behind)
{
	for_both(answered);
}

TEST(syn_ack_offers_the_mss_of_the_cookie_and_no_more_without_timestamps)
{
	begin_with_cookie();
	EXPECT_EQ(scene.out_len, 14 + 20 + 24);
	EXPECT_MEMEQ(scene.out + 14 + 40, mss1300, 4);
	begin(SZ_SVC_COOKIES_ALWAYS);
	EXPECT_EQ(IN(.flags = PKT_SYN, .seq = 9), SCENE_REPLY);
	EXPECT_MEMEQ(scene.out + 14 + 40, "\2\4\2\30", 4); /* 536, RFC 9293 section 3.7.1 */
}

/* MSS, SACK permitted, timestamps, window scale 9: what a client of today sends. */
static const u8 usual[20] = {2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 9};

TEST(timestamps_without_offset_keep_scale_and_sack)
{
	const u8 *opt = scene.out + 14 + 40;
	u32 ts;

	begin(SZ_SVC_COOKIES_ALWAYS);
	scene.cfg.host = 7 | SZ_HOST_SCALE | SZ_HOST_SACK | SZ_HOST_STAMPS;
	scene_config();
	ASSERT_EQ(IN(.flags = PKT_SYN, .seq = 9, .opt = usual, .opt_len = 20), SCENE_REPLY);
	EXPECT_TRUE(scene.parsed && scene.seg.tcp_ok);
	EXPECT_EQ(scene.out_len, 14 + 20 + 40);
	EXPECT_MEMEQ(opt, "\2\4\5\264\4\2\10\12", 8);
	memcpy(&ts, opt + 8, 4);
	EXPECT_EQ(ntohl(ts) & 63, 9 | 16);
	EXPECT_MEMEQ(opt + 12, "\1\2\3\4\1\3\3\7", 8);
}

TEST(what_the_host_does_not_do_is_not_offered)
{
	const u8 *opt = scene.out + 14 + 40;
	u32 ts;

	begin(SZ_SVC_COOKIES_ALWAYS);
	scene.cfg.host = 7 | SZ_HOST_STAMPS;
	scene_config();
	ASSERT_EQ(IN(.flags = PKT_SYN, .seq = 9, .opt = usual, .opt_len = 20), SCENE_REPLY);
	EXPECT_EQ(scene.out_len, 14 + 20 + 36);
	EXPECT_MEMEQ(opt + 4, "\1\1\10\12", 4);
	memcpy(&ts, opt + 8, 4);
	EXPECT_EQ(ntohl(ts) & 63, 15);
	scene.cfg.host = 7 | SZ_HOST_SCALE | SZ_HOST_SACK; /* timestamps with a secret offset */
	scene_config();
	ASSERT_EQ(IN(.flags = PKT_SYN, .seq = 9, .opt = usual, .opt_len = 20), SCENE_REPLY);
	EXPECT_EQ(scene.out_len, 14 + 20 + 24);
}

TEST(only_a_server_of_this_machine_gets_cookies)
{
	begin(SZ_SVC_COOKIES_ALWAYS);
	cookie_server(COOKIE_ELSEWHERE);
	EXPECT_EQ(SYN(), SCENE_PASS);
	begin(SZ_SVC_COOKIES_ALWAYS);
	set_state(&(struct sz_syn){}); /* nobody has said SYN-ACK yet */
	EXPECT_EQ(SYN(), SCENE_PASS);
	scene.forwarded = true;
	OUT(.flags = PKT_SYN | PKT_ACK, .seq = SCENE_ISS, .ack = scene_base);
	EXPECT_TRUE(state().routed_ns != 0);
	EXPECT_EQ(SYN(), SCENE_PASS);
	scene.forwarded = false;
	machine_wait(1);
	OUT(.flags = PKT_SYN | PKT_ACK, .seq = SCENE_ISS, .ack = scene_base);
	EXPECT_EQ(SYN(), SCENE_REPLY);
}

TEST(without_the_setting_in_monitor_mode_or_with_data_there_is_no_cookie)
{
	begin(0);
	EXPECT_EQ(SYN(), SCENE_PASS);
	begin(SZ_SVC_COOKIES_ALWAYS | SZ_SVC_MONITOR);
	EXPECT_EQ(SYN(), SCENE_PASS);
	begin(SZ_SVC_COOKIES_ALWAYS);
	EXPECT_EQ(SYN(.data = "x", .len = 1), SCENE_DROP);
	EXPECT_EQ(IN(.flags = PKT_SYN | PKT_ACK, .seq = 1), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_COOKIE_SENT), 0);
}

TEST(pressure_turns_cookies_on_and_keeps_them_on)
{
	struct sz_syn v;

	begin(SZ_SVC_COOKIES_AUTO);
	for (u32 i = 0; i < 4; i++)
		EXPECT_EQ(SYN(), SCENE_PASS);
	EXPECT_EQ(SYN(), SCENE_REPLY);
	v = state();
	EXPECT_TRUE(v.pressure_ns > machine_now());
	v.window_ns = machine_now() - 2 * SECOND; /* a new second, and only one SYN in it */
	v.local_ns = 1;
	set_state(&v);
	EXPECT_EQ(SYN(), SCENE_REPLY);
	v = state();
	EXPECT_EQ(v.syns, 1);
	v.pressure_ns = machine_now() - 1;
	set_state(&v);
	EXPECT_EQ(SYN(), SCENE_PASS);
}

TEST(pressure_ends_only_below_half_of_what_began_it)
{
	struct sz_syn v;
	u64 until;

	begin(SZ_SVC_COOKIES_AUTO);
	v = (struct sz_syn){.local_ns = 1, .window_ns = machine_now(),
			    .pressure_ns = machine_now() + SECOND};
	set_state(&v);
	until = v.pressure_ns;
	EXPECT_EQ(SYN(), SCENE_REPLY);
	EXPECT_EQ(SYN(), SCENE_REPLY);
	EXPECT_EQ(state().pressure_ns, until);
	EXPECT_EQ(SYN(), SCENE_REPLY);
	EXPECT_TRUE(state().pressure_ns > until);
}

TEST(connections_that_come_to_something_are_no_pressure)
{
	begin(SZ_SVC_COOKIES_AUTO);
	for (u32 i = 0; i < 20; i++) {
		ASSERT_EQ(SYN(.sport = (u16)(50000 + i)), SCENE_PASS);
		OUT(.flags = PKT_SYN | PKT_ACK, .seq = SCENE_ISS, .ack = scene_base,
		    .sport = (u16)(50000 + i));
		EXPECT_EQ(IN(.flags = PKT_ACK, .seq = scene_base, .ack = scene_ack,
			     .sport = (u16)(50000 + i), .data = GET_A, .len = LEN(GET_A)),
			  SCENE_PASS);
	}
	EXPECT_EQ(state().done, 20);
	service.syn_rate = 5; /* but too many of them are */
	scene_service(&service);
	EXPECT_EQ(SYN(), SCENE_REPLY);
}

/* ---- the ACK ------------------------------------------------------------------------------ */

static void connected(void)
{
	struct sz_flow f;

	begin_with_cookie();
	EXPECT_EQ(BARE_ACK(0, 0), SCENE_PASS);
	ASSERT_TRUE(scene_half(&f));
	EXPECT_EQ(f.base, scene_base);
	EXPECT_EQ(f.next, scene_base);
	EXPECT_EQ(f.iss, scene_ack - 1);
	EXPECT_EQ(scene_count(SZ_R_COOKIE), 1);
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	ACKED(LEN(GET_A));
	EXPECT_TRUE(scene_flow(&f));
	EXPECT_EQ(DATA(LEN(GET_A), GET_NO_TOKEN), SCENE_DROP); /* waits for the answer before */
	scene_said(100);
	EXPECT_EQ(DATA(LEN(GET_A), GET_NO_TOKEN), SCENE_REPLY);
	EXPECT_EQ(scene_count(SZ_R_NO_TOKEN), 1);
	EXPECT_EQ(state().good, 1);
}

TEST(ack_with_the_cookie_begins_a_flow_that_is_guarded_like_any)
{
	for_both(connected);
}

TEST(request_may_come_with_the_cookie)
{
	begin_with_cookie();
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	EXPECT_EQ(scene_hits(SCENE_PRINCIPAL, SCENE_ROUTE_A), 1);
	begin_with_cookie();
	EXPECT_EQ(DATA(0, GET_NO_TOKEN), SCENE_REPLY);
	EXPECT_EQ(scene_count(SZ_R_NO_TOKEN), 1);
}

static void made_up(void)
{
	begin_with_cookie();
	for (u32 i = 1; i < 200; i++) {
		EXPECT_EQ(BARE_ACK(0, i * 0x10001), SCENE_DROP);
		EXPECT_EQ(IN(.flags = PKT_ACK, .seq = scene_base, .ack = scene_ack + i * 77777,
			     .data = EVIL, .len = LEN(EVIL)),
			  SCENE_REPLY);
		EXPECT_EQ(scene.seg.flags, PKT_RST | PKT_ACK);
	}
	EXPECT_TRUE(no_flow());
	EXPECT_EQ(state().bad, 199);
	/* and for whom it was not made */
	EXPECT_EQ(IN(.flags = PKT_ACK, .seq = scene_base, .ack = scene_ack, .sport = 40001),
		  SCENE_DROP);
	EXPECT_EQ(IN(.flags = PKT_ACK, .seq = scene_base, .ack = scene_ack, .host = 8), SCENE_DROP);
	EXPECT_TRUE(no_flow());
}

TEST(ack_without_the_right_cookie_begins_nothing)
{
	for_both(made_up);
}

TEST(cookie_begins_no_flow_where_the_server_could_have_a_connection)
{
	begin_with_cookie();
	cookie_server(COOKIE_ELSEWHERE);
	BARE_ACK(0, 0);
	EXPECT_TRUE(no_flow());
	EXPECT_TRUE(DATA(0, GET_A) != SCENE_PASS);
}

TEST(cookie_of_a_server_behind_this_machine_begins_no_flow)
{
	struct sz_syn v;

	begin_with_cookie();
	v = state();
	v.routed_ns = v.local_ns + 1;
	set_state(&v);
	BARE_ACK(0, 0);
	EXPECT_TRUE(no_flow());
	EXPECT_TRUE(DATA(0, GET_A) != SCENE_PASS);
}

TEST(no_cookie_is_looked_at_when_none_is_about)
{
	begin_with_cookie();
	scene.cfg.cookie_until_ns = machine_now() - 1;
	scene_config();
	EXPECT_EQ(BARE_ACK(0, 0), SCENE_PASS);
	EXPECT_TRUE(no_flow());
	EXPECT_TRUE(DATA(0, GET_A) != SCENE_PASS);
}

TEST(new_connections_of_a_source_are_limited_where_their_cookie_returns)
{
	begin(SZ_SVC_COOKIES_ALWAYS);
	scene.svc = service;
	scene_limit(SZ_LIMIT_SYN, SZ_BY_SOURCE, SZ_R_SYN_LIMIT, 3600 * SECOND, 0);
	for (u32 i = 0; i < 5; i++)
		cookie();
	EXPECT_EQ(BARE_ACK(0, 0), SCENE_PASS);
	ASSERT_EQ(IN(.flags = PKT_SYN, .seq = 99, .sport = 41000), SCENE_REPLY);
	EXPECT_EQ(IN(.flags = PKT_ACK, .seq = 100, .ack = scene.seg.seq + 1, .sport = 41000),
		  SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_SYN_LIMIT), 1);
}

/* ---- a cookie is good for other places as well -------------------------------------------- */

/*
 * The ACK that began the flow was lost on its way to the server (its checksum was wrong), which
 * takes another segment for it: one byte earlier, with the cookie of the next MSS.
 */
static void beside(void)
{
	begin_with_cookie();
	EXPECT_EQ(BARE_ACK(0, 0), SCENE_PASS);
	EXPECT_EQ(BARE_ACK(-1, 0), SCENE_DROP);
	EXPECT_TRUE(DATA(-1, "X" GET_A) != SCENE_PASS);
	EXPECT_EQ(BARE_ACK(-2, 0), SCENE_DROP);
	for (u32 i = 1; i < 4; i++)
		EXPECT_EQ(BARE_ACK(i, i), SCENE_DROP);
	EXPECT_EQ(BARE_ACK(500, 500), SCENE_DROP);
	EXPECT_TRUE(scene_count(SZ_R_HANDSHAKE) >= 7);
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
}

TEST(cookie_does_not_begin_a_connection_beside_the_flow)
{
	for_both(beside);
}

/* The server has forgotten the connection without a word; the cookie opens it where he likes. */
TEST(cookie_does_not_begin_a_connection_inside_an_admitted_body)
{
	static const char post[] = POST_A("100000");

	begin_with_cookie();
	EXPECT_EQ(BARE_ACK(0, 0), SCENE_PASS);
	cookie_server(COOKIE_ELSEWHERE); /* it is connected */
	EXPECT_EQ(DATA(0, post), SCENE_PASS);
	ACKED(LEN(post));
	EXPECT_EQ(BARE_ACK(LEN(post), 0), SCENE_PASS);
	cookie_server(COOKIE_LISTENS); /* and is not any more */
	EXPECT_EQ(BARE_ACK(5000, 5000), SCENE_DROP);
	EXPECT_EQ(IN(.flags = PKT_ACK, .seq = scene_base + 5000, .ack = scene_ack + 5000,
		     .data = EVIL, .len = LEN(EVIL)),
		  SCENE_DROP);
	EXPECT_EQ(DATA(0, EVIL), SCENE_DROP);
	EXPECT_EQ(BARE_ACK(0, 0), SCENE_DROP);
	EXPECT_EQ(IN(.flags = PKT_ACK | PKT_FIN, .seq = scene_base, .ack = scene_ack), SCENE_DROP);
}

/* Its numbers come round by themselves when as much was said as was heard. */
TEST(segments_of_a_connection_that_look_like_its_cookie_pass)
{
	begin_with_cookie();
	EXPECT_EQ(BARE_ACK(0, 0), SCENE_PASS);
	cookie_server(COOKIE_ELSEWHERE);
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	ACKED(LEN(GET_A));
	scene_said(LEN(GET_A));
	EXPECT_EQ(BARE_ACK(LEN(GET_A), 0), SCENE_PASS);
	EXPECT_EQ(DATA(LEN(GET_A), GET_A), SCENE_PASS);
}

/* A new SYN of a connection that the server has lost: what was open of it is closed. */
TEST(who_is_given_a_cookie_has_no_flow)
{
	static const char post[] = POST_A("100000");

	begin(SZ_SVC_COOKIES_ALWAYS);
	OUT(.flags = PKT_SYN | PKT_ACK, .seq = SCENE_ISS, .ack = scene_base);
	EXPECT_EQ(DATA(0, post), SCENE_PASS);
	ACKED(LEN(post));
	cookie();
	EXPECT_TRUE(no_flow());
	EXPECT_TRUE(DATA(LEN(post), EVIL) != SCENE_PASS);
}

TEST(without_a_daemon_cookies_are_still_watched)
{
	begin_with_cookie();
	EXPECT_EQ(BARE_ACK(0, 0), SCENE_PASS);
	scene.cfg.cookie_until_ns = 0;
	scene.cfg.heartbeat_ns = 0;
	scene.cfg.heartbeat_ttl_ns = 1; /* the machine may have started a moment ago */
	scene_config();
	EXPECT_EQ(BARE_ACK(-1, 0), SCENE_DROP);
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
}

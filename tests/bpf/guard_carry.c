/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Heads and chunk framing that a segment's end has cut: their beginning passes, and the whole is
 * decided with the end. The ends of streams that must not stand for the end of a head. And the
 * ranges of connections that have many segments in flight.
 */
#include "scene.h"

#define CHUNKED "POST /a HTTP/1.1\r\n" HOST_ AUTH_ "Transfer-Encoding: chunked\r\n\r\n"
#define UNKNOWN "GET /a HTTP/1.1\r\n" HOST_ "Authorization: Bearer unknown\r\n\r\n"
#define FIN     (PKT_FIN | PKT_ACK)

static struct sz_miss miss;
static char bytes[8192];

static struct sz_flow flow(void)
{
	struct sz_flow f = {};

	ASSERT_TRUE(scene_flow(&f) || scene_half(&f));
	return f;
}

static u32 next(void)
{
	return flow().next - scene_base;
}

static bool carried(struct sz_carry *ret)
{
	struct sz_flow_key k = scene_flow_key();

	return !machine_get("sz_carry", &k, ret);
}

/* A connection that has had one request admitted, and its response begun. */
static void begin(void)
{
	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	ACKED(LEN(GET_A));
	scene_said(1);
}

/* n bytes of s at the boundary of begin(). */
static int piece(u32 from, const char *s, u32 n)
{
	return DATA_N(LEN(GET_A) + from, s + from, n);
}

static void asked(u32 at, u32 why, u32 before)
{
	ASSERT_TRUE(scene_miss(&miss));
	EXPECT_EQ(miss.seq - scene_base, at);
	EXPECT_EQ(miss.reason, why);
	EXPECT_EQ(miss.carried, before);
	EXPECT_EQ(miss.frame_len, scene.in_len);
	EXPECT_MEMEQ(scene_miss_frame, scene.in, scene.in_len);
}

/* A CR at the end may be a line's end for some server: that beginning does not go ahead. */
static bool goes_ahead(const char *s, u32 n)
{
	return s[n - 1] != '\r';
}

TEST(head_that_is_cut_anywhere_is_decided_as_a_whole)
{
	for (u32 cut = 1; cut < LEN(GET_A); cut++) {
		struct sz_carry c;

		begin();
		if (!goes_ahead(GET_A, cut)) {
			EXPECT_EQ(piece(0, GET_A, cut), SCENE_DROP);
			asked(LEN(GET_A), SZ_MISS_PARTIAL, 0);
			continue;
		}
		EXPECT_EQ(piece(0, GET_A, cut), SCENE_PASS);
		EXPECT_TRUE(scene.same);
		ASSERT_TRUE(carried(&c));
		EXPECT_EQ(c.len, cut);
		EXPECT_MEMEQ(c.bytes, GET_A, cut);
		EXPECT_EQ(flow().requests, 1);
		EXPECT_EQ(piece(cut, GET_A, LEN(GET_A) - cut), SCENE_PASS);
		EXPECT_TRUE(scene.same);
		EXPECT_EQ(scene_count(SZ_R_HIT), 2);
		EXPECT_EQ(next(), 2 * LEN(GET_A));
		EXPECT_EQ(flow().flags, 0);
		EXPECT_TRUE(!carried(&c));
	}
}

TEST(head_in_single_bytes_is_decided_as_a_whole)
{
	u32 i, at = LEN(GET_A);

	begin();
	for (i = 0; i < LEN(GET_A); i++) {
		int act = piece(i, GET_A, 1);

		if (GET_A[i] == '\r') {
			EXPECT_EQ(act, SCENE_DROP);
			asked(at + i, SZ_MISS_PARTIAL, i);
			/* As if the question had not been answered: sent again with the next. */
			machine_wait(200000000);
			scene_ticket(at + i, "\r\n", 2, SZ_TK_STREAM, 0);
			EXPECT_EQ(piece(i, GET_A, 2), SCENE_PASS);
			return;
		}
		EXPECT_EQ(act, SCENE_PASS);
	}
}

TEST(cut_head_without_a_right_is_refused_at_its_end)
{
	for (u32 cut = 1; cut < LEN(GET_NO_TOKEN); cut++) {
		if (!goes_ahead(GET_NO_TOKEN, cut))
			continue;
		begin();
		EXPECT_EQ(piece(0, GET_NO_TOKEN, cut), SCENE_PASS);
		scene_answered(piece(cut, GET_NO_TOKEN, LEN(GET_NO_TOKEN) - cut), SZ_R_NO_TOKEN);
		EXPECT_EQ(next(), LEN(GET_A) + cut);
		/* What comes next resets the server, which has a beginning and never gets more. */
		EXPECT_EQ(DATA(LEN(GET_A) + LEN(GET_NO_TOKEN), GET_A), SCENE_PASS);
		ASSERT_TRUE(scene.parsed);
		EXPECT_TRUE(scene.seg.flags & PKT_RST);
		EXPECT_EQ(scene.seg.seq, scene_base + LEN(GET_A) + cut);
		EXPECT_EQ(scene.seg.len, 0);
	}
}

TEST(request_behind_a_cut_one_in_the_same_segment_is_decided_too)
{
	static const char two[] = GET_A GET_NO_TOKEN, three[] = GET_A GET_A GET_A;
	u32 cut = LEN(GET_A) - 5;

	begin();
	EXPECT_EQ(piece(0, two, cut), SCENE_PASS);
	EXPECT_EQ(piece(cut, two, LEN(two) - cut), SCENE_PASS);
	EXPECT_EQ(scene.seg.len, 5); /* cut off behind the end of the first */
	EXPECT_EQ(next(), 2 * LEN(GET_A));
	begin();
	EXPECT_EQ(piece(0, three, cut), SCENE_PASS);
	EXPECT_EQ(piece(cut, three, LEN(GET_A)), SCENE_PASS);
	EXPECT_EQ(piece(cut + LEN(GET_A), three, LEN(three) - cut - LEN(GET_A)), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_HIT), 4);
}

TEST(first_head_of_a_connection_goes_to_the_daemon)
{
	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA_N(0, GET_A, 40), SCENE_DROP);
	asked(0, SZ_MISS_PARTIAL, 0);
	EXPECT_EQ(next(), 0);
}

TEST(beginning_that_some_server_takes_for_a_request_does_not_pass)
{
	static const char *const whole[] = {
		"GET /other \n",    "GET /other \r\n",   "GET /other\n",  "GET /other\r\n",
		"GET /other HTT\n", "GET /other HTTP/1", "GET /other\r", "GET /other HTTP/1.1\r",
		"GET /other HTTP/1.1\n", "GET /other HTTP/1.1\r\nHost: h\n\n",
		"GET /other HTTP/1.1\r\nHost: h\r\n\r", "GET /other H\r",
	};

	for (u32 i = 0; i < sizeof(whole) / sizeof(*whole); i++) {
		int act;

		begin();
		act = piece(0, whole[i], (u32)strlen(whole[i]));
		/* The one that is only short of its end does. */
		if (!EXPECT_EQ(act == SCENE_PASS, i == 5))
			printf("# %s\n", whole[i]);
		EXPECT_EQ(next(), LEN(GET_A) + (i == 5 ? strlen(whole[i]) : 0));
	}
}

TEST(carried_beginning_cannot_be_changed)
{
	u32 cut = 30, at = LEN(GET_A);

	begin();
	EXPECT_EQ(piece(0, GET_A, cut), SCENE_PASS);
	EXPECT_EQ(piece(0, GET_A, cut), SCENE_PASS); /* sent again */
	memcpy(bytes, GET_A, LEN(GET_A));
	bytes[7] ^= 1;
	EXPECT_EQ(DATA_N(at, bytes, cut), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_CHANGED), 1);
	EXPECT_EQ(DATA_N(at, bytes, LEN(GET_A)), SCENE_DROP);
	EXPECT_EQ(DATA_N(at, GET_A, cut - 1), SCENE_DROP);
	EXPECT_EQ(DATA_N(at + 1, &GET_A[1], cut), SCENE_DROP);
	EXPECT_EQ(next(), at + cut);
	/* Sent again together with the rest: what is known repeats, the rest is decided. */
	EXPECT_EQ(piece(0, GET_A, LEN(GET_A)), SCENE_PASS);
	EXPECT_TRUE(scene.same);
	EXPECT_EQ(scene_count(SZ_R_HIT), 2);
	EXPECT_EQ(next(), 2 * at);
}

TEST(beginning_of_what_was_asked_about_waits_for_the_daemon)
{
	static const char unknown[] =
		"GET /a HTTP/1.1\r\n" HOST_ "Authorization: Bearer unknown\r\n\r\n";
	u32 n = LEN(GET_A);

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	EXPECT_EQ(DATA(n, unknown), SCENE_DROP);
	asked(n, SZ_MISS_TOKEN, 0);
	EXPECT_EQ(DATA_N(n, unknown, 30), SCENE_DROP);
	EXPECT_EQ(flow().next - scene_base, n);
	EXPECT_EQ(flow().flags, SZ_FLOW_ASKED | SZ_FLOW_WHOLE);
}

TEST(long_beginning_goes_to_the_daemon_with_what_was_carried)
{
	u32 n, at = LEN(GET_A), step = 1000, i;

	begin();
	n = (u32)snprintf(bytes, sizeof(bytes), "GET /a HTTP/1.1\r\n" HOST_ AUTH_ "X: ");
	memset(bytes + n, 'x', sizeof(bytes) - n);
	for (i = 0; i + step <= SZ_CARRY_MAX; i += step)
		EXPECT_EQ(piece(i, bytes, step), SCENE_PASS);
	EXPECT_EQ(piece(i, bytes, step), SCENE_DROP);
	asked(at + i, SZ_MISS_PARTIAL, i);
	EXPECT_EQ(next(), at + i);
	scene_ticket(at + i, bytes + i, step, SZ_TK_STREAM, 0);
	EXPECT_EQ(piece(i, bytes, step), SCENE_PASS);
	EXPECT_EQ(flow().flags, SZ_FLOW_STREAM);
}

TEST(cut_head_with_an_unknown_token_waits_for_the_daemon)
{
	u32 cut = 50, at = LEN(GET_A);

	begin();
	EXPECT_EQ(piece(0, UNKNOWN, cut), SCENE_PASS);
	EXPECT_EQ(piece(cut, UNKNOWN, LEN(UNKNOWN) - cut), SCENE_DROP);
	asked(at + cut, SZ_MISS_PARTIAL, cut);
	EXPECT_EQ(miss.token_len, 0);
	scene_ticket(at + cut, &UNKNOWN[cut], LEN(UNKNOWN) - cut, SZ_TK_REQUEST, 0);
	EXPECT_EQ(piece(cut, UNKNOWN, LEN(UNKNOWN) - cut), SCENE_PASS);
	EXPECT_EQ(flow().requests, 2);
	EXPECT_EQ(flow().flags, 0);
}

TEST(unknown_token_behind_a_cut_head_is_named_where_it_stands)
{
	static const char two[] = GET_A UNKNOWN;
	u32 cut = 50;

	begin();
	EXPECT_EQ(piece(0, two, cut), SCENE_PASS);
	EXPECT_EQ(piece(cut, two, LEN(two) - cut), SCENE_PASS);
	ASSERT_TRUE(scene_miss(&miss));
	EXPECT_EQ(miss.reason, SZ_MISS_TOKEN);
	EXPECT_EQ(miss.carried, 0);
	ASSERT_EQ(miss.token_len, strlen("unknown"));
	EXPECT_MEMEQ(scene_miss_frame + miss.token_off, "unknown", miss.token_len);
	EXPECT_MEMEQ(scene_miss_frame, scene.in, scene.in_len);
}

TEST(beginning_of_another_connection_is_not_continued)
{
	struct sz_flow_key k = scene_flow_key();
	struct sz_carry c;
	u32 cut = 40;

	begin();
	EXPECT_EQ(piece(0, GET_A, cut), SCENE_PASS);
	ASSERT_TRUE(carried(&c));
	c.birth_ns ^= 2;
	ASSERT_EQ(machine_set("sz_carry", &k, &c), 0);
	scene_answered(piece(cut, GET_A, LEN(GET_A) - cut), SZ_R_STATE_FULL);
	begin();
	EXPECT_EQ(piece(0, GET_A, cut), SCENE_PASS);
	ASSERT_EQ(machine_del("sz_carry", &k), 0);
	scene_answered(piece(cut, GET_A, LEN(GET_A) - cut), SZ_R_STATE_FULL);
	begin();
	EXPECT_EQ(piece(0, GET_A, cut), SCENE_PASS);
	ASSERT_TRUE(carried(&c));
	c.seq++;
	ASSERT_EQ(machine_set("sz_carry", &k, &c), 0);
	scene_answered(piece(cut, GET_A, LEN(GET_A) - cut), SZ_R_STATE_FULL);
}

TEST(monitor_mode_does_not_carry)
{
	struct sz_service svc = {.id = SCENE_SERVICE, .flags = SZ_SVC_MONITOR};
	struct sz_carry c;

	begin();
	scene_service(&svc);
	EXPECT_EQ(piece(0, GET_A, 40), SCENE_PASS);
	EXPECT_TRUE(!carried(&c));
}

/* ---- the end of the stream ---- */

static int fin(u32 at)
{
	return IN(.flags = FIN, .seq = scene_base + at, .ack = scene_ack);
}

static int data_fin(u32 at, const char *s, u32 n)
{
	return IN(.flags = FIN | PKT_PSH, .seq = scene_base + at, .ack = scene_ack, .data = s,
		  .len = n);
}

TEST(fin_behind_whole_requests_passes)
{
	begin();
	EXPECT_EQ(fin(LEN(GET_A)), SCENE_PASS);
	EXPECT_TRUE(scene.same);
	begin();
	EXPECT_EQ(data_fin(LEN(GET_A), GET_A, LEN(GET_A)), SCENE_PASS);
	EXPECT_TRUE(scene.same);
	EXPECT_EQ(fin(LEN(GET_A)), SCENE_DROP); /* inside what was admitted */
}

TEST(fin_behind_a_beginning_becomes_a_reset)
{
	u32 cut = 40, at = LEN(GET_A);

	begin();
	EXPECT_EQ(piece(0, GET_A, cut), SCENE_PASS);
	EXPECT_EQ(fin(at + cut), SCENE_PASS);
	ASSERT_TRUE(scene.parsed && scene.seg.tcp_ok);
	EXPECT_TRUE((scene.seg.flags & (PKT_RST | PKT_FIN)) == PKT_RST);
	EXPECT_EQ(scene.seg.seq, scene_base + at + cut);
	/* Nothing of the connection reaches the server after that; the client's FIN is answered. */
	EXPECT_EQ(fin(at + cut), SCENE_REPLY);
	EXPECT_TRUE(piece(cut, GET_A, LEN(GET_A) - cut) != SCENE_PASS ||
		    (scene.seg.flags & PKT_RST));
	EXPECT_EQ(scene_count(SZ_R_BAD_REQUEST), 1);
}

TEST(fin_on_a_beginning_is_taken_off)
{
	u32 cut = 40, at = LEN(GET_A);

	begin();
	EXPECT_EQ(data_fin(at, GET_A, cut), SCENE_PASS);
	ASSERT_TRUE(scene.parsed && scene.seg.ip_ok && scene.seg.tcp_ok);
	EXPECT_EQ(scene.seg.len, cut);
	EXPECT_MEMEQ(scene.seg.data, GET_A, cut);
	EXPECT_TRUE(!(scene.seg.flags & PKT_FIN));
	/* Sent again, acknowledged or not. */
	EXPECT_EQ(data_fin(at, GET_A, cut), SCENE_PASS);
	EXPECT_TRUE(!(scene.seg.flags & PKT_FIN));
	ACKED(at + cut);
	EXPECT_EQ(data_fin(at, GET_A, cut), SCENE_PASS);
	ASSERT_TRUE(scene.parsed);
	EXPECT_TRUE(!(scene.seg.flags & PKT_FIN));
}

TEST(fin_does_not_wait_ahead_of_what_was_admitted)
{
	u32 cut = 40, at = LEN(GET_A);

	begin();
	EXPECT_EQ(fin(at + cut), SCENE_DROP);
	EXPECT_EQ(fin(at + 1), SCENE_DROP);
	EXPECT_EQ(piece(0, GET_A, cut), SCENE_PASS);
	EXPECT_EQ(fin(at + cut + 1), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_GAP), 3);
}

TEST(fin_behind_what_the_daemon_let_go_ahead_becomes_a_reset)
{
	u32 cut = 20;

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA_N(0, GET_NO_TOKEN, cut), SCENE_DROP);
	asked(0, SZ_MISS_PARTIAL, 0);
	scene_ticket(0, GET_NO_TOKEN, cut, SZ_TK_STREAM, 0);
	EXPECT_EQ(data_fin(0, GET_NO_TOKEN, cut), SCENE_PASS);
	EXPECT_TRUE(scene.parsed && !(scene.seg.flags & PKT_FIN));
	EXPECT_EQ(fin(cut), SCENE_PASS);
	EXPECT_TRUE(scene.parsed && (scene.seg.flags & PKT_RST));
}

/* ---- chunk framing ---- */

static u32 begin_chunks(u32 size)
{
	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, CHUNKED), SCENE_DROP);
	asked(0, SZ_MISS_UNUSUAL, 0);
	scene_ticket(0, CHUNKED, LEN(CHUNKED), SZ_TK_STREAM | SZ_TK_CHUNK | SZ_TK_REQUEST, size);
	EXPECT_EQ(DATA(0, CHUNKED), SCENE_PASS);
	return LEN(CHUNKED) + size;
}

TEST(framing_that_is_cut_anywhere_is_read_as_a_whole)
{
	static const char framing[] = "\r\n1f\r\n", last[] = "\r\n0\r\n\r\n";
	u32 n, cut;

	for (cut = 1; cut < LEN(framing); cut++) {
		n = begin_chunks(3);
		memcpy(bytes, "abc", 3);
		memcpy(bytes + 3, framing, LEN(framing));
		EXPECT_EQ(DATA_N(n - 3, bytes, 3 + cut), SCENE_PASS);
		EXPECT_TRUE(scene.same);
		EXPECT_EQ(flow().next - scene_base, n + cut);
		memset(bytes, 'd', sizeof(bytes));
		memcpy(bytes, framing + cut, LEN(framing) - cut);
		EXPECT_EQ(DATA_N(n + cut, bytes, LEN(framing) - cut + 0x1f), SCENE_PASS);
		EXPECT_TRUE(scene.same);
		n += LEN(framing) + 0x1f;
		EXPECT_EQ(flow().next - scene_base, n);
		EXPECT_EQ(flow().flags, SZ_FLOW_STREAM | SZ_FLOW_CHUNK);
		EXPECT_EQ(DATA(n, last), SCENE_PASS);
		EXPECT_EQ(flow().flags, 0);
	}
	for (cut = 1; cut < LEN(last); cut++) {
		n = begin_chunks(1);
		EXPECT_EQ(DATA_N(n, last, cut), SCENE_PASS);
		EXPECT_EQ(flow().requests, 1);
		memcpy(bytes, last + cut, LEN(last) - cut);
		memcpy(bytes + LEN(last) - cut, GET_A, LEN(GET_A));
		EXPECT_EQ(DATA_N(n + cut, bytes, LEN(last) - cut + LEN(GET_A)), SCENE_PASS);
		EXPECT_TRUE(scene.same);
		EXPECT_EQ(scene_count(SZ_R_HIT), 1);
		EXPECT_EQ(flow().flags, 0);
	}
}

TEST(framing_that_goes_wrong_behind_a_cut_is_asked_about)
{
	static const char *const odd[][2] = {
		{"\r", "x"},     {"\r\n", "\r\n"},   {"\r\n1", ";x=y\r\n"}, {"\r\n1", " \r\n"},
		{"\r\n1\r", "z"}, {"\r\n0\r\n", "X: y\r\n\r\n"}, {"\r\n0\r\n\r", "\r"},
		{"\r\n12345678", "9\r\n"}, {"\r\n", "-1\r\n"},
	};

	for (u32 i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		u32 n = begin_chunks(1), cut = (u32)strlen(odd[i][0]);

		EXPECT_EQ(DATA(n, odd[i][0]), SCENE_PASS);
		if (!EXPECT_EQ(DATA(n + cut, odd[i][1]), SCENE_DROP))
			printf("# %u\n", i);
		asked(n + cut, SZ_MISS_CHUNK, cut);
		EXPECT_EQ(flow().next - scene_base, n + cut);
	}
}

/* ---- many segments in flight ---- */

#define MANY (SZ_RANGES + SZ_SPILL_MAX)

static bool spilled(void)
{
	struct sz_flow_key k = scene_flow_key();
	struct sz_spill s;

	return !machine_get("sz_spill", &k, &s);
}

TEST(each_of_many_segments_in_flight_is_remembered_until_it_is_acknowledged)
{
	u32 n = LEN(GET_A), i;

	scene_begin();
	scene_connect();
	for (i = 0; i < MANY; i++)
		EXPECT_EQ(DATA(i * n, GET_A), SCENE_PASS);
	EXPECT_TRUE(spilled());
	memcpy(bytes, GET_A, n);
	bytes[n - 10] ^= 1;
	for (i = 0; i < MANY; i++) {
		EXPECT_EQ(DATA(i * n, GET_A), SCENE_PASS);
		EXPECT_TRUE(scene.same);
		EXPECT_EQ(DATA_N(i * n, bytes, n), SCENE_DROP);
		EXPECT_EQ(DATA_N(i * n + 1, &GET_A[1], n - 1), SCENE_DROP);
	}
	EXPECT_EQ(scene_count(SZ_R_HIT), MANY);
	EXPECT_EQ(scene_count(SZ_R_CHANGED), MANY);
	ACKED(MANY * n);
	scene_said(1);
	EXPECT_EQ(DATA(MANY * n, GET_A), SCENE_PASS);
	EXPECT_TRUE(!spilled());
	EXPECT_EQ(flow().flags, 0);
}

TEST(spilled_body_passes_with_any_content_and_no_further)
{
	u32 n = LEN(GET_A), p = LEN(POST_A("100")), i, at;

	scene_begin();
	scene_connect();
	for (i = 0; i < SZ_RANGES + 3; i++)
		EXPECT_EQ(DATA(i * n, GET_A), SCENE_PASS);
	at = i * n;
	EXPECT_EQ(DATA(at, POST_A("100")), SCENE_PASS);
	at += p;
	memset(bytes, 'b', 200);
	EXPECT_EQ(DATA_N(at + 20, bytes, 80), SCENE_PASS);
	EXPECT_TRUE(scene.same);
	EXPECT_EQ(DATA_N(at, bytes, 100), SCENE_PASS);
	EXPECT_EQ(DATA_N(at + 50, bytes, 60), SCENE_PASS); /* cut behind the body */
	EXPECT_EQ(scene.seg.len, 50);
	EXPECT_EQ(DATA(at + 100, GET_NO_TOKEN), SCENE_DROP);
}

TEST(spilled_ranges_of_another_connection_mean_nothing)
{
	struct sz_flow_key k = scene_flow_key();
	struct sz_spill s;
	u32 n = LEN(GET_A), i;

	scene_begin();
	scene_connect();
	for (i = 0; i < SZ_RANGES + 2; i++)
		EXPECT_EQ(DATA(i * n, GET_A), SCENE_PASS);
	ASSERT_EQ(machine_get("sz_spill", &k, &s), 0);
	s.birth_ns ^= 2;
	ASSERT_EQ(machine_set("sz_spill", &k, &s), 0);
	EXPECT_EQ(DATA((SZ_RANGES + 1) * n, GET_A), SCENE_DROP);
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
}

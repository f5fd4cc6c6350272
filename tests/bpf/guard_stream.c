/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Requests and bodies in sequence space: repetitions, gaps, bodies over many segments, pipelined
 * requests, cut segments, and what follows an answer.
 */
#include "scene.h"

#include "subzero/flow.h"

#define TWO         GET_A GET_PUB
#define GET_UNKNOWN "GET /a HTTP/1.1\r\n" HOST_ "Authorization: Bearer unknown\r\n\r\n"

static char bytes[4096];

static u32 flow_next(void)
{
	struct sz_flow f;

	ASSERT_TRUE(scene_flow(&f) || scene_half(&f));
	return f.next - scene_base;
}

TEST(identical_segment_passes_again_and_is_not_counted_again)
{
	scene_begin();
	scene_connect();
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_HIT), 1);
	EXPECT_EQ(scene_count(SZ_R_REPEAT), 2);
	EXPECT_EQ(scene_hits(SCENE_PRINCIPAL, SCENE_ROUTE_A), 1);
}

TEST(changed_cut_or_shifted_repetition_is_dropped)
{
	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	ACKED(0);
	for (u32 i = 0; i < LEN(GET_A); i++) {
		memcpy(bytes, GET_A, LEN(GET_A));
		bytes[i] ^= 1;
		EXPECT_EQ(DATA_N(0, bytes, LEN(GET_A)), SCENE_DROP);
		if (i)
			EXPECT_EQ(DATA_N(i, &GET_A[i], LEN(GET_A) - i), SCENE_DROP);
	}
	EXPECT_EQ(DATA_N(0, GET_A, LEN(GET_A) - 1), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_CHANGED), LEN(GET_A));
	EXPECT_EQ(scene_count(SZ_R_RECUT), LEN(GET_A));
}

TEST(what_the_server_acknowledged_passes_with_any_content)
{
	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	ACKED(LEN(GET_A));
	memset(bytes, 'z', sizeof(bytes));
	EXPECT_EQ(DATA_N(5, bytes, LEN(GET_A) - 5), SCENE_PASS);
	EXPECT_TRUE(scene.same);
	EXPECT_EQ(DATA_N(5, bytes, LEN(GET_A)), SCENE_PASS);
	EXPECT_EQ(scene.seg.len, LEN(GET_A) - 5);
	EXPECT_EQ(flow_next(), LEN(GET_A));
}

TEST(one_segment_may_repeat_two_that_were_admitted)
{
	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	EXPECT_EQ(DATA(LEN(GET_A), GET_PUB), SCENE_PASS);
	EXPECT_EQ(DATA(0, TWO), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_REPEAT), 1);
	memcpy(bytes, TWO, LEN(TWO));
	bytes[LEN(GET_A) + 1] ^= 1;
	/* The first of the two still repeats; the segment is cut behind it. */
	EXPECT_EQ(DATA_N(0, bytes, LEN(TWO)), SCENE_PASS);
	ASSERT_TRUE(scene.parsed && scene.seg.tcp_ok);
	EXPECT_EQ(scene.seg.len, LEN(GET_A));
}

/* A head's token is digested once for grant and repetition; the next one's takes its place. */
TEST(head_repeats_also_where_another_token_was_read_behind_it)
{
	static const char both[] = GET_A GET_UNKNOWN, twice[] = GET_A GET_A;

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, both), SCENE_PASS);
	EXPECT_EQ(scene.seg.len, LEN(GET_A));
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_REPEAT), 1);
	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, twice), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_HIT), 2);
	EXPECT_EQ(DATA(0, twice), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_REPEAT), 1);
	EXPECT_EQ(scene_count(SZ_R_CHANGED), 0);
}

TEST(segment_in_a_gap_is_dropped)
{
	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(LEN(GET_A), GET_PUB), SCENE_DROP);
	EXPECT_EQ(DATA_N(1u << 30, "x", 1), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_GAP), 1);
	EXPECT_EQ(scene_count(SZ_R_HANDSHAKE), 1);
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	ACKED(LEN(GET_A));
	EXPECT_EQ(DATA_N(LEN(GET_A) + 1, GET_PUB, 5), SCENE_DROP);
	EXPECT_EQ(DATA_N(0u - (1u << 30), "x", 1), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_GAP), 3);
}

TEST(body_passes_over_many_segments_in_any_order)
{
	static const char head[] = POST_A("3000");
	u32 n = LEN(head);

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, head), SCENE_PASS);
	memset(bytes, 'b', sizeof(bytes));
	EXPECT_EQ(flow_next(), n + 3000);
	EXPECT_EQ(DATA_N(n + 2000, bytes, 1000), SCENE_PASS);
	EXPECT_EQ(DATA_N(n, bytes, 1000), SCENE_PASS);
	EXPECT_EQ(DATA_N(n + 500, GET_NO_TOKEN, 20), SCENE_PASS);
	EXPECT_EQ(DATA_N(n + 1000, bytes, 1000), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_BODY), 4);
	EXPECT_EQ(scene_count(SZ_R_HIT), 1);
	EXPECT_EQ(DATA(n + 3000, GET_A), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_HIT), 2);
}

TEST(head_and_body_in_one_segment_may_repeat_with_another_body)
{
	static const char one[] = POST_A("5") "hello", two[] = POST_A("5") "HELLO";

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, one), SCENE_PASS);
	EXPECT_EQ(DATA(0, two), SCENE_PASS);
	EXPECT_EQ(DATA_N(0, one, LEN(one) - 2), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_HIT), 1);
}

TEST(pipelined_requests_behind_a_body_are_admitted)
{
	static const char all[] = POST_A("5") "hello" GET_PUB GET_A;

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, all), SCENE_PASS);
	EXPECT_TRUE(scene.same);
	EXPECT_EQ(scene_count(SZ_R_HIT), 2);
	EXPECT_EQ(scene_count(SZ_R_PUBLIC), 1);
	EXPECT_EQ(flow_next(), LEN(all));
	EXPECT_EQ(DATA(0, all), SCENE_PASS);
	memcpy(bytes, all, sizeof(all));
	bytes[LEN(POST_A("5")) + 1] = 'E';
	/* All three are one run of remembered bytes. */
	EXPECT_EQ(DATA_N(0, bytes, LEN(all)), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_HIT), 2);
}

/* Cuts behind the first request in every way a frame can be sent. */
TEST(segment_is_cut_behind_what_was_admitted)
{
	static const char *const heads[] = {POST_A("4") "body", POST_A("5") "body5"};

	for (int i = 0; i < 32; i++) {
		bool v6 = i & 1, partial = i & 2, ts = i & 8;
		const char *one = heads[i >> 2 & 1];
		u32 n = (u32)strlen(one);

		scene_begin();
		scene.v6 = v6;
		scene_connect();
		n = (u32)sprintf(bytes, "%s%s", one, GET_NO_TOKEN);
		EXPECT_EQ(IN(.partial = partial, .ts = ts, .vlans = i & 16 ? 1 : 0,
			     .flags = PKT_ACK | PKT_PSH | PKT_FIN, .seq = scene_base,
			     .ack = scene_ack, .data = bytes, .len = n),
			  SCENE_PASS);
		ASSERT_TRUE(scene.parsed && scene.seg.ip_ok);
		EXPECT_TRUE(partial ? scene.seg.partial_ok : scene.seg.tcp_ok);
		ASSERT_EQ(scene.seg.len, strlen(one));
		EXPECT_MEMEQ(scene.seg.data, one, scene.seg.len);
		EXPECT_EQ(scene.seg.flags, PKT_ACK);
		EXPECT_EQ(scene.seg.seq, scene_base);
		EXPECT_EQ(scene.seg.ts, ts);
		EXPECT_EQ(scene.seg.data + scene.seg.len, scene.out + scene.out_len);
		EXPECT_EQ(scene_count(SZ_R_TRIMMED), 1);
		EXPECT_EQ(scene_count(SZ_R_HIT), 1);
	}
}

TEST(refused_pipelined_request_waits_for_the_answer_before_it)
{
	u32 n = LEN(GET_A);

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, GET_A GET_NO_TOKEN), SCENE_PASS);
	EXPECT_EQ(scene.seg.len, n);
	ACKED(n);
	EXPECT_EQ(DATA(n, GET_NO_TOKEN), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_PIPELINED), 1);
	EXPECT_EQ(scene_count(SZ_R_NO_TOKEN), 1);
	scene_said(500);
	scene_ack -= 200; /* the client has not read all of the first answer yet */
	EXPECT_EQ(DATA(n, GET_NO_TOKEN), SCENE_DROP);
	scene_ack += 200;
	EXPECT_EQ(DATA(n, GET_NO_TOKEN), SCENE_REPLY);
	EXPECT_EQ(scene.seg.flags, PKT_FIN | PKT_PSH | PKT_ACK);
	EXPECT_EQ(scene.seg.seq, scene_ack);
}

TEST(refused_request_behind_several_waits_until_the_server_is_silent)
{
	u32 n = 2 * LEN(GET_A);

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, GET_A GET_A), SCENE_PASS);
	ACKED(n);
	EXPECT_EQ(DATA(n, GET_NO_TOKEN), SCENE_DROP);
	scene_said(100); /* one answer, perhaps */
	EXPECT_EQ(DATA(n, GET_NO_TOKEN), SCENE_DROP);
	machine_wait(900000000);
	EXPECT_EQ(DATA(n, GET_NO_TOKEN), SCENE_DROP);
	scene_said(100);
	EXPECT_EQ(DATA(n, GET_NO_TOKEN), SCENE_DROP);
	machine_wait(900000000);
	EXPECT_EQ(DATA(n, GET_NO_TOKEN), SCENE_DROP);
	machine_wait(200000000);
	EXPECT_EQ(DATA(n, GET_NO_TOKEN), SCENE_REPLY);
	EXPECT_EQ(scene.seg.seq, scene_ack);
	EXPECT_EQ(scene_count(SZ_R_NO_TOKEN), 1);
}

TEST(request_behind_an_unknown_one_is_cut_and_handed_over_whole)
{
	struct sz_miss m;

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, GET_A GET_UNKNOWN), SCENE_PASS);
	EXPECT_EQ(scene.seg.len, LEN(GET_A));
	ASSERT_TRUE(scene_miss(&m));
	EXPECT_EQ(m.undecided, LEN(GET_A));
	EXPECT_EQ(m.seq, scene_base + LEN(GET_A));
	EXPECT_EQ(m.payload_len, LEN(GET_A) + LEN(GET_UNKNOWN));
	EXPECT_EQ(m.frame_len, scene.in_len);
	EXPECT_EQ(m.reason, SZ_MISS_TOKEN);
}

/* Expects a RST for the server at the refused byte in place of the last frame. */
static void became_reset(int act)
{
	EXPECT_EQ(act, SCENE_PASS);
	ASSERT_TRUE(scene.parsed && scene.seg.ip_ok && scene.seg.tcp_ok);
	EXPECT_EQ(scene.seg.flags, PKT_RST | PKT_ACK);
	EXPECT_EQ(scene.seg.len, 0);
	EXPECT_EQ(scene.seg.seq, scene_base);
	EXPECT_EQ(scene.seg.sport, 40000);
	EXPECT_EQ(scene.seg.dport, 8080);
	EXPECT_EQ(scene.seg.smac, 7);
}

/* Once the server has its RST, nobody but the guard is there to acknowledge the client. */
static void is_acknowledged(int act, u32 seq, u32 end)
{
	EXPECT_EQ(act, SCENE_REPLY);
	ASSERT_TRUE(scene.parsed && scene.seg.ip_ok && scene.seg.tcp_ok);
	EXPECT_EQ(scene.seg.flags, PKT_ACK);
	EXPECT_EQ(scene.seg.len, 0);
	EXPECT_EQ(scene.seg.seq, seq);
	EXPECT_EQ(scene.seg.ack, scene_base + end);
	EXPECT_EQ(scene.seg.sport, 8080);
}

/* The answer and its FIN, where the client waits for it. */
static void is_answered_again(int act, u32 end)
{
	EXPECT_EQ(act, SCENE_REPLY);
	ASSERT_TRUE(scene.parsed && scene.seg.ip_ok && scene.seg.tcp_ok);
	EXPECT_EQ(scene.seg.flags, PKT_FIN | PKT_PSH | PKT_ACK);
	EXPECT_TRUE(scene.seg.len > 0);
	EXPECT_EQ(scene.seg.seq, scene_ack);
	EXPECT_EQ(scene.seg.ack, scene_base + end);
}

TEST(segment_after_an_answer_becomes_a_reset_to_the_server)
{
	static const u8 flags[] = {PKT_ACK, PKT_ACK | PKT_FIN, PKT_ACK | PKT_PSH, PKT_RST};

	for (u32 i = 0; i < 8; i++) {
		u32 len = flags[i / 2] & PKT_PSH ? LEN(GET_A) : 0;
		bool fin = flags[i / 2] & PKT_FIN;

		scene_begin();
		scene.v6 = i & 1;
		scene_connect();
		scene_answered(DATA(0, GET_NO_TOKEN), SZ_R_NO_TOKEN);
		for (u32 n = 1; n < 4; n++) {
			int act = IN(.ts = true, .flags = flags[i / 2], .seq = scene_base + 300,
				     .ack = scene_ack + 90 * n, .data = len ? GET_A : NULL,
				     .len = len);

			if (n == 1 || !(fin || len))
				became_reset(act);
			else
				is_acknowledged(act, scene_ack + 90 * n, 300 + len + fin);
			EXPECT_EQ(scene_count(SZ_R_ANSWERED), n);
		}
	}
}

TEST(client_that_missed_the_answer_gets_it_again_and_nothing_else_passes)
{
	static u8 answer[2048];
	u32 n;

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	ACKED(LEN(GET_A));
	scene_base += LEN(GET_A);
	scene_said(100);
	EXPECT_EQ(DATA(0, GET_NO_TOKEN), SCENE_REPLY);
	n = scene.out_len;
	memcpy(answer, scene.out, n);
	EXPECT_EQ(DATA(0, GET_NO_TOKEN), SCENE_REPLY);
	ASSERT_EQ(scene.out_len, n);
	EXPECT_MEMEQ(scene.out, answer, n);
	EXPECT_EQ(scene_count(SZ_R_NO_TOKEN), 1);
	became_reset(DATA_N(0u - LEN(GET_A), GET_A, LEN(GET_A)));
	is_answered_again(DATA(1, GET_A), 1 + LEN(GET_A));
	is_answered_again(DATA(0, GET_NO_TOKEN), LEN(GET_NO_TOKEN));
	scene_said(1);
	is_acknowledged(DATA(0, GET_A), scene_ack, LEN(GET_A));
	EXPECT_EQ(scene_count(SZ_R_NO_TOKEN), 1);
}

/* Refused with more on its way, and the first piece of that has ended the server's side. */
static void refused_and_cut(u32 *ret_end)
{
	scene_begin();
	scene_connect();
	scene_answered(DATA(0, GET_NO_TOKEN), SZ_R_NO_TOKEN);
	became_reset(DATA(LEN(GET_NO_TOKEN), GET_A));
	*ret_end = LEN(GET_NO_TOKEN) + LEN(GET_A);
}

TEST(what_a_refused_client_still_sends_is_taken_until_it_is_done)
{
	u32 end, at = LEN(GET_NO_TOKEN);

	refused_and_cut(&end);
	/* The answer was lost: whatever comes again brings it. */
	is_answered_again(DATA(at, GET_A), end);
	is_answered_again(DATA(0, GET_NO_TOKEN), at);
	is_answered_again(IN(.flags = PKT_ACK | PKT_FIN, .seq = scene_base + end, .ack = scene_ack),
			  end + 1);
	scene_ack += 200;
	is_acknowledged(DATA(at, GET_A), scene_ack, end);
	is_acknowledged(IN(.flags = PKT_ACK | PKT_FIN, .seq = scene_base + at, .ack = scene_ack,
			   .data = GET_A, .len = LEN(GET_A)),
			scene_ack, end + 1);
	became_reset(IN(.flags = PKT_ACK, .seq = scene_base + end + 1, .ack = scene_ack));
	EXPECT_EQ(scene_count(SZ_R_HIT), 0);
}

TEST(refused_client_that_goes_on_sending_is_reset_after_a_while)
{
	struct sz_flow_key k = scene_flow_key();
	struct sz_flow f;
	u32 end, at = LEN(GET_NO_TOKEN);

	refused_and_cut(&end);
	scene_ack += 200;
	is_acknowledged(DATA(at, GET_A), scene_ack, end);
	ASSERT_TRUE(scene_half(&f));
	f.seen_ns -= SZ_REFUSED_NS;
	ASSERT_EQ(machine_set("sz_half", &k, &f), 0);
	machine_wait(1000);
	EXPECT_EQ(DATA(at, GET_A), SCENE_REPLY);
	ASSERT_TRUE(scene.parsed && scene.seg.tcp_ok);
	EXPECT_EQ(scene.seg.flags, PKT_RST | PKT_ACK);
	EXPECT_EQ(scene.seg.seq, scene_ack);
	EXPECT_EQ(scene.seg.dport, 40000);
	/* Its end is still taken. */
	is_acknowledged(IN(.flags = PKT_ACK | PKT_FIN, .seq = scene_base + end, .ack = scene_ack),
			scene_ack, end + 1);
}

TEST(client_that_lacks_bytes_of_a_server_that_is_gone_is_reset)
{
	u32 n = LEN(GET_A);

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	ACKED(n);
	scene_said(100);
	EXPECT_EQ(DATA(n, GET_NO_TOKEN), SCENE_REPLY);
	scene_base += n;
	became_reset(DATA(5, GET_A));
	scene_ack -= 50;
	EXPECT_EQ(DATA(0, GET_NO_TOKEN), SCENE_REPLY);
	ASSERT_TRUE(scene.parsed && scene.seg.tcp_ok);
	EXPECT_EQ(scene.seg.flags, PKT_RST | PKT_ACK);
	EXPECT_EQ(scene.seg.seq, scene_ack);
	EXPECT_EQ(scene.seg.dport, 40000);
}

TEST(sequence_numbers_wrap_inside_head_body_and_cut_segment)
{
	static const char one[] = POST_A("7") "content";

	for (u32 back = 0; back <= LEN(one) + 4; back += 3) {
		scene_begin();
		scene_connect_at(0u - back);
		EXPECT_EQ(DATA_N(0, one, LEN(one) - 4), SCENE_PASS);
		EXPECT_EQ(DATA_N(0, one, LEN(one) - 4), SCENE_PASS);
		EXPECT_EQ(DATA(LEN(one) - 4, "tent" GET_NO_TOKEN), SCENE_PASS);
		ASSERT_TRUE(scene.parsed && scene.seg.tcp_ok);
		EXPECT_EQ(scene.seg.len, 4);
		ACKED(LEN(one) - 2);
		EXPECT_EQ(DATA_N(3, "any", 3), SCENE_PASS);
		EXPECT_EQ(DATA(LEN(one) - 2, "nt" GET_A), SCENE_PASS);
		EXPECT_TRUE(scene.same);
		EXPECT_EQ(flow_next(), LEN(one) + LEN(GET_A));
	}
}

TEST(long_body_is_opened_step_by_step)
{
	static const char head[] = POST_A("1610612741"); /* three steps and 5 bytes */
	u32 n = LEN(head);

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, head), SCENE_PASS);
	EXPECT_EQ(flow_next(), n + SZ_BODY_STEP);
	ACKED(n);
	for (int i = 0; i < 2; i++) {
		n += SZ_BODY_STEP;
		EXPECT_EQ(DATA_N(n - 5, "0123456789", 10), SCENE_PASS);
		ACKED(n);
		EXPECT_EQ(DATA_N(n, "0123456789", 10), SCENE_PASS);
		EXPECT_TRUE(scene.same);
		EXPECT_EQ(flow_next(), n + SZ_BODY_STEP);
	}
	n += SZ_BODY_STEP;
	ACKED(n);
	EXPECT_EQ(DATA(n, "01234" GET_NO_TOKEN), SCENE_PASS);
	EXPECT_EQ(scene.seg.len, 5);
	ACKED(n + 5);
	scene_said(1);
	EXPECT_EQ(DATA(n + 5, GET_A), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_HIT), 2);
}

TEST(too_many_unacknowledged_pieces_wait)
{
	u32 i;

	scene_begin();
	scene_connect();
	for (i = 0; i < SZ_RANGES + SZ_SPILL_MAX; i++)
		EXPECT_EQ(DATA(i * LEN(GET_A), GET_A), SCENE_PASS);
	EXPECT_EQ(DATA(i * LEN(GET_A), GET_A), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_PIPELINED), 1);
	ACKED(LEN(GET_A));
	EXPECT_EQ(DATA(i * LEN(GET_A), GET_A), SCENE_PASS);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the daemon decides byte by byte: tickets, streams over several segments, chunk framing, and
 * frames held behind a question.
 */
#include "scene.h"
#include "subzero/flow.h"

#define ODD     "GET /a/%41 HTTP/1.1\r\n" HOST_ AUTH_ "\r\n"
#define CHUNKED "POST /a HTTP/1.1\r\n" HOST_ AUTH_ "Transfer-Encoding: chunked\r\n\r\n"
#define REQUEST SZ_TK_REQUEST

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

static void ask_odd(void)
{
	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, ODD), SCENE_DROP);
	asked(0, SZ_MISS_UNUSUAL);
}

/* Sends CHUNKED and a first chunk of `size` bytes, admitted by the daemon; returns where it ends.
 */
static u32 begin_chunks(u32 size)
{
	static char text[512];
	u32 n = (u32)snprintf(text, sizeof(text), "%s%x\r\n", CHUNKED, size);

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, text), SCENE_DROP);
	asked(0, SZ_MISS_UNUSUAL);
	scene_ticket(0, text, n, SZ_TK_STREAM | SZ_TK_CHUNK | REQUEST, size);
	EXPECT_EQ(DATA(0, text), SCENE_PASS);
	EXPECT_EQ(flow().flags, SZ_FLOW_STREAM | SZ_FLOW_CHUNK);
	EXPECT_EQ(flow().next - scene_base, n + size);
	return n + size;
}

TEST(ticket_admits_exactly_its_bytes_once)
{
	struct sz_ticket_key k;
	struct sz_ticket t;

	ask_odd();
	scene_ticket(0, ODD, LEN(ODD), REQUEST, 0);
	EXPECT_EQ(DATA(0, ODD), SCENE_PASS);
	EXPECT_TRUE(scene.same);
	EXPECT_EQ(flow().next - scene_base, LEN(ODD));
	EXPECT_EQ(flow().flags, 0);
	EXPECT_EQ(flow().requests, 1);
	EXPECT_EQ(scene_hits(SCENE_PRINCIPAL, SCENE_ROUTE_A), 1);
	EXPECT_EQ(scene_count(SZ_R_TICKET), 1);
	k = (struct sz_ticket_key){.flow = scene_flow_key(), .seq = scene_base};
	EXPECT_TRUE(machine_get("sz_tickets", &k, &t) != 0);
	EXPECT_EQ(DATA(0, ODD), SCENE_PASS); /* a repetition */
	EXPECT_EQ(DATA(LEN(ODD), ODD), SCENE_DROP);
	EXPECT_EQ(scene_hits(SCENE_PRINCIPAL, SCENE_ROUTE_A), 1);
}

/* A later piece was decided behind certain earlier ones: behind others it means something else. */
TEST(ticket_for_a_later_piece_is_of_no_use_behind_other_bytes)
{
	static const char a[] = "GET /pub HTTP/1.1\r\n" HOST_ "X: yyyyyyyyyyyyyyyyyyyyy";
	static const char other[] = "GET /pub HTTP/1.1\r\n" HOST_ "X: zzzzzzzzzzzzzzzzz\r\n\r\n";
	static const char b[] = "GET /other?x HTTP/1.1\r\n" HOST_ "Expect: 100-continue\r\n\r\n";
	struct sz_ticket first, second;

	ASSERT_EQ(sizeof(a), sizeof(other));
	for (u32 changed = 0; changed < 2; changed++) {
		scene_begin();
		scene_connect();
		EXPECT_EQ(DATA(0, a), SCENE_DROP);
		asked(0, SZ_MISS_PARTIAL);
		EXPECT_EQ(DATA(LEN(a), b), SCENE_DROP);
		first = scene_ticket_value(a, LEN(a), SZ_TK_STREAM, 0);
		scene_ticket_set(0, &first);
		second = scene_ticket_value(b, LEN(b), REQUEST, 0);
		second.birth_ns = first.birth_ns;
		second.after = sz_chain(0, first.digest);
		scene_ticket_set(LEN(a), &second);
		if (!changed) {
			EXPECT_EQ(DATA(0, a), SCENE_PASS);
			EXPECT_EQ(DATA(LEN(a), b), SCENE_PASS);
			EXPECT_EQ(flow().requests, 1);
			continue;
		}
		EXPECT_EQ(DATA(0, other), SCENE_PASS);
		EXPECT_EQ(flow().requests, 1);
		ACKED(LEN(a));
		EXPECT_EQ(DATA(LEN(a), b), SCENE_DROP);
		EXPECT_EQ(flow().requests, 1);
		EXPECT_EQ(flow().next - scene_base, LEN(a));
	}
}

TEST(several_pieces_with_tickets_may_come_in_one_segment)
{
	static const char part[] = "GET /a HTTP/1.1\r\nHost: h\r\n" AUTH_ "X: %\r\n\r\n";
	struct sz_ticket t[3];
	u64 chain = 0, birth;
	u32 cut[] = {0, 20, 30, LEN(part)};

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA_N(0, part, cut[1]), SCENE_DROP);
	birth = flow().birth_ns;
	for (u32 i = 0; i < 3; i++) {
		t[i] = scene_ticket_value(part + cut[i], cut[i + 1] - cut[i],
					  i < 2 ? SZ_TK_STREAM : REQUEST, 0);
		t[i].birth_ns = birth;
		t[i].after = chain;
		chain = sz_chain(chain, t[i].digest);
		scene_ticket_set(cut[i], &t[i]);
	}
	EXPECT_EQ(DATA(0, part), SCENE_PASS);
	EXPECT_TRUE(scene.same);
	EXPECT_EQ(flow().requests, 1);
	for (u32 i = 0; i < 3; i++) {
		struct sz_ticket_key k = {.flow = scene_flow_key(), .seq = scene_base + cut[i]};

		EXPECT_TRUE(machine_get("sz_tickets", &k, &t[0]) != 0);
	}
}

TEST(refusal_that_has_to_wait_is_not_asked_about_again)
{
	struct sz_ticket t;
	u32 n = LEN(GET_A);

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	ACKED(n);
	EXPECT_EQ(DATA(n, ODD), SCENE_DROP);
	asked(n, SZ_MISS_UNUSUAL);
	t = scene_ticket_value(ODD, LEN(ODD), 0, 0);
	t.reason = SZ_R_NO_SCOPE;
	scene_ticket_set(n, &t);
	EXPECT_EQ(DATA(n, ODD), SCENE_DROP);
	EXPECT_EQ(DATA(n, ODD), SCENE_DROP);
	EXPECT_EQ(DATA_N(n, ODD, 10), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_PIPELINED), 3);
	EXPECT_TRUE(!scene_miss(&miss));
	scene_said(300);
	scene_answered(DATA_N(n, ODD, 10), SZ_R_NO_SCOPE);
}

TEST(refusal_inside_an_admitted_body_ends_both_sides)
{
	struct sz_ticket t;
	u32 n = begin_chunks(1);

	EXPECT_EQ(DATA(n, "\r\nx\r\n"), SCENE_DROP);
	asked(n, SZ_MISS_CHUNK);
	t = scene_ticket_value("\r\nx\r\n", 5, SZ_TK_BREAK, 0);
	t.reason = SZ_R_BAD_REQUEST;
	scene_ticket_set(n, &t);
	EXPECT_EQ(DATA(n, "\r\nx\r\n"), SCENE_PASS);
	ASSERT_TRUE(scene.parsed && scene.seg.tcp_ok);
	EXPECT_TRUE(scene.seg.flags & PKT_RST);
	EXPECT_EQ(scene.seg.seq, scene_base + n);
	EXPECT_EQ(DATA(n, "\r\nx\r\n"), SCENE_REPLY);
	EXPECT_EQ(scene.seg.flags, PKT_FIN | PKT_PSH | PKT_ACK);
}

TEST(ticket_for_anything_else_is_of_no_use)
{
	for (int i = 0; i < 7; i++) {
		struct sz_ticket t;

		ask_odd();
		t = scene_ticket_value(ODD, LEN(ODD), REQUEST, 0);
		if (i == 0)
			t.digest ^= 1;
		if (i == 1)
			t.len++;
		if (i == 2)
			t.service++;
		if (i == 3)
			t.birth_ns = flow().birth_ns + 1;
		if (i == 4)
			t.expires_ns = machine_now() - 1;
		if (i == 5)
			t.len = 0;
		scene_ticket_set(0, &t);
		EXPECT_EQ(DATA(0, ODD), i == 6 ? SCENE_PASS : SCENE_DROP);
		EXPECT_EQ(flow().requests, i == 6);
	}
}

TEST(ticket_for_other_bytes_of_the_same_length_does_not_admit_them)
{
	char other[] = ODD;

	ask_odd();
	scene_ticket(0, ODD, LEN(ODD), REQUEST, 0);
	other[5] = 'b';
	EXPECT_EQ(DATA(0, other), SCENE_DROP);
	EXPECT_EQ(DATA(0, ODD), SCENE_PASS);
	EXPECT_EQ(DATA(0, other), SCENE_DROP);
}

TEST(ticket_that_nobody_asked_for_is_not_looked_at)
{
	scene_begin();
	scene_connect();
	scene_ticket(0, ODD, LEN(ODD), REQUEST, 0);
	EXPECT_EQ(DATA(0, ODD), SCENE_DROP);
	asked(0, SZ_MISS_UNUSUAL);
}

TEST(ticket_with_a_refusal_is_answered)
{
	struct sz_ticket t;

	ask_odd();
	t = scene_ticket_value(ODD, LEN(ODD), REQUEST, 0);
	t.reason = SZ_R_NO_SCOPE;
	scene_ticket_set(0, &t);
	scene_answered(DATA(0, ODD), SZ_R_NO_SCOPE);
	EXPECT_EQ(flow().flags & SZ_FLOW_DEAD, SZ_FLOW_DEAD);
}

TEST(ticket_opens_the_body_behind_its_head)
{
	static const char head[] =
		"POST /a/%41 HTTP/1.1\r\n" HOST_ AUTH_ "Content-Length: 9\r\n\r\n";

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, head), SCENE_DROP);
	scene_ticket(0, head, LEN(head), REQUEST, 9);
	EXPECT_EQ(DATA(0, head), SCENE_PASS);
	EXPECT_EQ(DATA(LEN(head), "123456789" GET_NO_TOKEN), SCENE_PASS);
	EXPECT_EQ(scene.seg.len, 9);
}

TEST(head_over_three_segments_is_admitted_ticket_by_ticket)
{
	static const char *const part[] = {"GET /a HTTP/1.1\r\nHo",
					   "st: h\r\n" AUTH_ "X: ", "y\r\n\r\n"};
	u32 at = 0;

	scene_begin();
	scene_connect();
	for (int i = 0; i < 3; i++) {
		u32 n = (u32)strlen(part[i]);

		EXPECT_EQ(DATA(at, part[i]), SCENE_DROP);
		asked(at, i ? SZ_MISS_STREAM : SZ_MISS_PARTIAL);
		EXPECT_EQ(DATA(at, part[i]), SCENE_DROP);
		EXPECT_EQ(scene_count(SZ_R_WAITING), i + 1);
		scene_ticket(at, part[i], n, i < 2 ? SZ_TK_STREAM : REQUEST, 0);
		EXPECT_EQ(DATA(at, part[i]), SCENE_PASS);
		at += n;
		EXPECT_EQ(flow().next - scene_base, at);
		EXPECT_EQ(flow().flags, i < 2 ? SZ_FLOW_STREAM : 0);
		EXPECT_EQ(flow().requests, i == 2);
	}
	EXPECT_EQ(DATA(at, GET_A), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_HIT), 1);
}

TEST(frames_behind_a_question_are_held_in_limits)
{
	u32 i;

	ask_odd();
	EXPECT_EQ(DATA(LEN(ODD), GET_A), SCENE_DROP);
	asked(LEN(ODD), SZ_MISS_STREAM);
	EXPECT_EQ(flow().held, 1);
	EXPECT_EQ(DATA_N(1u << 17, GET_A, 10), SCENE_DROP); /* too far ahead */
	EXPECT_EQ(scene_count(SZ_R_GAP), 1);
	for (i = 1; i < 64; i++) {
		EXPECT_EQ(DATA(LEN(ODD) + i, GET_A), SCENE_DROP);
		asked(LEN(ODD) + i, SZ_MISS_STREAM);
	}
	EXPECT_EQ(DATA(LEN(ODD), GET_A), SCENE_DROP);
	EXPECT_TRUE(!scene_miss(&miss));
	EXPECT_EQ(scene_count(SZ_R_GAP), 2);
}

TEST(chunks_are_followed_without_the_daemon)
{
	static const char more[] = "\r\n3\r\nabc\r\n0A\r\n0123456789\r\n1\r\nz";
	u32 n = begin_chunks(5);

	EXPECT_EQ(DATA(n - 5, "hello"), SCENE_PASS);
	EXPECT_EQ(DATA(n, more), SCENE_PASS);
	EXPECT_TRUE(scene.same);
	n += LEN(more);
	EXPECT_EQ(flow().next - scene_base, n);
	EXPECT_EQ(flow().flags, SZ_FLOW_STREAM | SZ_FLOW_CHUNK);
	EXPECT_EQ(DATA(n, "\r\n0\r\n\r\n"), SCENE_PASS);
	EXPECT_EQ(flow().flags, 0);
	EXPECT_EQ(DATA(n + 7, GET_A), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_HIT), 1);
	EXPECT_EQ(flow().requests, 2);
	EXPECT_TRUE(!scene_miss(&miss));
}

TEST(repeated_chunk_framing_must_be_the_same)
{
	u32 n = begin_chunks(1);

	EXPECT_EQ(DATA(n, "\r\n3\r\nabc"), SCENE_PASS);
	EXPECT_EQ(DATA(n, "\r\n3\r\nxyz"), SCENE_PASS);
	EXPECT_EQ(DATA(n, "\r\n2\r\nab\r"), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_CHANGED), 1);
}

TEST(request_behind_the_last_chunk_is_decided)
{
	u32 n = begin_chunks(1), m = LEN("\r\n0\r\n\r\n");

	EXPECT_EQ(DATA(n, "\r\n0\r\n\r\n" GET_A GET_NO_TOKEN), SCENE_PASS);
	EXPECT_EQ(scene.seg.len, m + LEN(GET_A));
	EXPECT_EQ(scene_count(SZ_R_HIT), 1);
}

TEST(framing_the_kernel_does_not_read_is_asked_about)
{
	static const char *const odd[] = {
		"\r\n0\r\nX: y\r\n\r\n",
		"\r\n5;e=1\r\nhello",
		"\r\n20000001\r\nhello",
		"\r\n000000005\r\nhello",
		"\r\n100000000\r\nhello",
		"\r\ng\r\nhello",
		"\n5\nhello",
		"\r\n\r\nhello",
		"\r\n5\nhello12",
		"\r\n 5\r\nhello",
		"\r\n0x5\r\nhello",
		"\r\n-5\r\nhello",
		"xx5\r\nhello",
		"\r\n5 \r\nhello",
	};

	for (u32 i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		u32 n = begin_chunks(1);

		if (!EXPECT_EQ(DATA(n, odd[i]), SCENE_DROP))
			printf("# %s\n", odd[i]);
		asked(n, SZ_MISS_CHUNK);
		EXPECT_EQ(flow().next - scene_base, n);
	}
}

TEST(framing_cut_over_segments_goes_on_behind_a_ticket)
{
	u32 n = begin_chunks(3);

	EXPECT_EQ(DATA(n - 3, "abc\r\n1;"), SCENE_PASS);
	EXPECT_EQ(scene.seg.len, 3);
	asked(n, SZ_MISS_CHUNK);
	EXPECT_EQ(miss.undecided, 3);
	scene_ticket(n, "\r\n1;", 4, SZ_TK_STREAM, 0);
	EXPECT_EQ(DATA(n, "\r\n1;"), SCENE_PASS);
	EXPECT_EQ(flow().flags, SZ_FLOW_STREAM);
	n += 4;
	EXPECT_EQ(DATA(n, "x\r\n"), SCENE_DROP);
	asked(n, SZ_MISS_STREAM);
	scene_ticket(n, "x\r\n", 3, SZ_TK_STREAM | SZ_TK_CHUNK, 16);
	EXPECT_EQ(DATA(n, "x\r\n"), SCENE_PASS);
	n += 3;
	EXPECT_EQ(DATA(n, "0123456789abcdef\r\n0\r\n\r\n"), SCENE_PASS);
	EXPECT_TRUE(scene.same);
	EXPECT_EQ(flow().flags, 0);
}

TEST(ticket_and_chunks_behind_it_in_one_segment)
{
	static const char all[] = CHUNKED "5\r\nhello\r\n0\r\n\r\n" GET_A;
	u32 head = LEN(CHUNKED) + 3;

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, all), SCENE_DROP);
	scene_ticket(0, all, head, SZ_TK_STREAM | SZ_TK_CHUNK | REQUEST, 5);
	EXPECT_EQ(DATA(0, all), SCENE_PASS);
	EXPECT_TRUE(scene.same);
	EXPECT_EQ(flow().requests, 2);
	EXPECT_EQ(flow().next - scene_base, LEN(all));
	EXPECT_EQ(scene_hits(SCENE_PRINCIPAL, SCENE_ROUTE_A), 2);
}

TEST(question_is_not_asked_again_while_the_answer_is_awaited)
{
	ask_odd();
	for (int i = 0; i < 5; i++)
		EXPECT_EQ(DATA(0, ODD), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_WAITING), 5);
	EXPECT_TRUE(!scene_miss(&miss));
#ifdef SCENE_NATIVE
	machine_wait(2000000000ull);
	EXPECT_EQ(DATA(0, ODD), SCENE_DROP);
	asked(0, SZ_MISS_UNUSUAL);
#endif
}

TEST(token_decided_meanwhile_lets_the_same_frame_pass)
{
	static const char get[] = "GET /a HTTP/1.1\r\n" HOST_ "Authorization: Bearer new\r\n\r\n";
	struct sz_grant g;

	scene_begin();
	scene_connect();
	EXPECT_EQ(DATA(0, get), SCENE_DROP);
	asked(0, SZ_MISS_TOKEN);
	g = scene_grant_value();
	scene_grant("new", &g);
	memcpy(scene.in, scene_miss_frame, miss.frame_len);
	scene.in_len = miss.frame_len;
	EXPECT_EQ(scene_raw(), SCENE_PASS);
	EXPECT_EQ(flow().flags, 0);
	EXPECT_EQ(scene_count(SZ_R_HIT), 1);
}

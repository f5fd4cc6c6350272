/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Requests whose headers were read before on the same connection (include/subzero/same.h): whatever
 * is sent there gets the verdict that it gets on a connection of its own.
 */
#include "scene.h"

#define LINE_(path) "GET " path " HTTP/1.1\r\n"
#define REST_       HOST_ "User-Agent: test/1.0\r\n" AUTH_ "Accept: */*\r\n\r\n"
#define HEAD        LINE_("/a/17?x=1") REST_
#define OTHER_      LINE_("/a/18") REST_

static u32 at; /* bytes admitted so far */

static int next(const char *head, u32 n)
{
	int act;

	scene_ack += 100;
	ACKED(at); /* the server has answered */
	act = DATA_N(at, head, n);
	if (act == SCENE_PASS)
		at += n;
	return act;
}

/* A connection on which the headers are known by heart. */
static void warm(void)
{
	struct sz_flow f;

	scene_begin();
	scene_connect();
	at = 0;
	for (u32 i = 0; i < 3; i++)
		ASSERT_EQ(next(HEAD, LEN(HEAD)), SCENE_PASS);
	ASSERT_TRUE(scene_flow(&f));
	ASSERT_EQ(f.same.len, LEN(REST_));
	ASSERT_EQ(f.strange, 0);
}

static void cold(void)
{
	scene_begin();
	scene_connect();
	at = 0;
}

/* Which reason was counted for the last packet. */
static u32 reason_of(const u64 before[SZ_REASON_MAX])
{
	for (u32 r = 1; r < SZ_REASON_MAX; r++)
		if (scene_count(r) != before[r])
			return r;
	return 0;
}

static u32 verdict(const char *head, u32 n, int *ret_act)
{
	u64 before[SZ_REASON_MAX];

	for (u32 r = 0; r < SZ_REASON_MAX; r++)
		before[r] = scene_count(r);
	*ret_act = next(head, n);
	return reason_of(before);
}

static void expect_alike(const char *head, u32 n)
{
	int known, strange;
	u32 a, b;

	warm();
	a = verdict(head, n, &known);
	cold();
	b = verdict(head, n, &strange);
	EXPECT_EQ(known, strange);
	EXPECT_EQ(a, b);
}

TEST(other_path_with_the_same_headers_is_decided_by_its_route)
{
	struct sz_event e;

	warm();
	EXPECT_EQ(next(OTHER_, LEN(OTHER_)), SCENE_PASS);
	EXPECT_EQ(scene_hits(SCENE_PRINCIPAL, SCENE_ROUTE_A), 4);
	EXPECT_EQ(next(LINE_("/other") REST_, LEN(LINE_("/other") REST_)), SCENE_REPLY);
	EXPECT_EQ(scene_count(SZ_R_NO_SCOPE), 1);
	ASSERT_TRUE(scene_event(&e));
	EXPECT_TRUE(e.principal == SCENE_PRINCIPAL);
}

TEST(every_changed_byte_is_read_as_on_a_fresh_connection)
{
	static const u8 with[] = {0x01, 0x20, 0x80, 0x0d ^ 'a'};
	static char head[512];

	for (u32 i = 0; i < LEN(HEAD); i++)
		for (size_t k = 0; k < sizeof(with); k++) {
			memcpy(head, HEAD, LEN(HEAD));
			head[i] = (char)(head[i] ^ with[k]);
			expect_alike(head, LEN(HEAD));
		}
}

TEST(cut_and_lengthened_heads_are_read_as_on_a_fresh_connection)
{
	static const char longer[] = LINE_("/a") HOST_ "User-Agent: test/1.0\r\n" AUTH_
				     "Accept: */*\r\nX: y\r\n\r\n";
	static const char older[] = "GET /a HTTP/1.0\r\n" REST_;
	static const char odd[] = LINE_("/a/%41") REST_;

	expect_alike(longer, LEN(longer));
	expect_alike(older, LEN(older));
	expect_alike(odd, LEN(odd));
	/* The end of a head that is cut is carried on a connection that is known. */
	warm();
	EXPECT_EQ(next(HEAD, LEN(HEAD) - 2), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_CARRIED), 1);
	EXPECT_EQ(next("\r\n", 2), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_HIT), 4);
}

TEST(revoked_expired_and_voided_grants_count_also_behind_known_headers)
{
	struct sz_grant g;

	warm();
	g = scene_grant_value();
	g.flags = SZ_GRANT_REVOKED;
	scene_grant(SCENE_GRANTED, &g);
	EXPECT_EQ(next(HEAD, LEN(HEAD)), SCENE_REPLY);
	EXPECT_EQ(scene_count(SZ_R_REVOKED), 1);
	warm();
	scene.cfg.policy_gen++;
	scene_config();
	EXPECT_EQ(next(HEAD, LEN(HEAD)), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_MISS), 1);
}

TEST(repetition_of_such_a_request_passes_and_a_changed_one_does_not)
{
	static char head[512];

	warm();
	EXPECT_EQ(DATA_N(at, OTHER_, LEN(OTHER_)), SCENE_PASS);
	EXPECT_EQ(DATA_N(at, OTHER_, LEN(OTHER_)), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_REPEAT), 1);
	for (u32 i = 0; i < LEN(OTHER_); i++) {
		memcpy(head, OTHER_, LEN(OTHER_));
		head[i] ^= 1;
		EXPECT_EQ(DATA_N(at, head, LEN(OTHER_)), SCENE_DROP);
	}
	EXPECT_EQ(scene_count(SZ_R_CHANGED), LEN(OTHER_));
}

TEST(bodies_of_the_length_that_the_known_headers_say_pass)
{
	static const char post[] = "POST /a HTTP/1.1\r\n" HOST_ AUTH_
				   "Content-Length: 5\r\n\r\nhello";

	cold();
	for (u32 i = 0; i < 5; i++)
		EXPECT_EQ(next(post, LEN(post)), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_HIT), 5);
	EXPECT_EQ(next(post, LEN(post) - 2), SCENE_PASS);
	EXPECT_EQ(next("lo", 2), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_BODY), 1);
}

TEST(client_whose_headers_differ_each_time_is_not_compared_for_ever)
{
	static char head[512];
	struct sz_flow f;

	cold();
	for (u32 i = 0; i < 3 * SZ_SAME_TRIES; i++) {
		int n = snprintf(head, sizeof(head),
				 LINE_("/a") HOST_ AUTH_ "X-Id: %08u\r\n\r\n", i);

		EXPECT_EQ(next(head, (u32)n), SCENE_PASS);
	}
	ASSERT_TRUE(scene_flow(&f));
	EXPECT_EQ(f.strange, SZ_SAME_TRIES);
	EXPECT_EQ(f.same.len, 0);
	EXPECT_EQ(scene_count(SZ_R_HIT), 3 * SZ_SAME_TRIES);
}

TEST(headers_longer_than_are_compared_are_read_each_time)
{
	static char head[4096];
	struct sz_flow f;
	int n;

	cold();
	n = snprintf(head, sizeof(head), LINE_("/a") HOST_ AUTH_ "X-Long: %0*u\r\n\r\n",
		     SZ_SAME_MAX, 7);
	for (u32 i = 0; i < 3; i++)
		EXPECT_EQ(next(head, (u32)n), SCENE_PASS);
	ASSERT_TRUE(scene_flow(&f));
	EXPECT_EQ(f.same.len, 0);
}

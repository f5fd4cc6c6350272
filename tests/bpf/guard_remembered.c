/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Answers the daemon has given before, and grants that are good for a part of the network: what the
 * kernel makes of them, and when it asks again.
 */
#include "scene.h"

#define GET_ASK "GET /ask?q HTTP/1.1\r\n" HOST_ AUTH_ "\r\n"

#define ASK_SLOT sz_rel_slot(SCENE_SERVICE, SCENE_ROUTE_ASK)
#define WHY      0x1122334455667788ull

static struct sz_request_key key_of(const char *target)
{
	struct sz_request_key k = {.token = scene_token(SCENE_GRANTED).token,
				   .target = scene_token(target).token,
				   .service = SCENE_SERVICE,
				   .method = SZ_M_GET};

	return k;
}

static struct sz_request answer(u32 reason)
{
	return (struct sz_request){.expires_ns = machine_now() + 3600000000000ull,
				   .policy_gen = scene.cfg.policy_gen,
				   .key_gen = scene.cfg.key_gen,
				   .rel_gen = scene.cfg.rel_gen[ASK_SLOT],
				   .reason = reason,
				   .route = SCENE_ROUTE_ASK,
				   .rel_slot = ASK_SLOT,
				   .explanation = WHY};
}

static void remember(const char *target, const struct sz_request *r)
{
	struct sz_request_key k = key_of(target);

	ASSERT_EQ(machine_set("sz_requests", &k, r), 0);
}

/* What becomes of the request: SCENE_PASS by a hit, or it is asked about. */
static void expect_asked(bool asked)
{
	struct sz_miss m = {0};

	scene_connect();
	EXPECT_EQ(DATA(0, GET_ASK), asked ? SCENE_DROP : SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_HIT), !asked);
	EXPECT_EQ(scene_miss(&m), asked);
	if (asked)
		EXPECT_EQ(m.reason, SZ_MISS_ROUTE);
}

TEST(remembered_answer_admits_the_same_request_line)
{
	struct sz_request r;

	scene_begin();
	r = answer(SZ_R_TICKET);
	remember("/ask?q", &r);
	expect_asked(false);
	EXPECT_EQ(scene_hits(SCENE_PRINCIPAL, SCENE_ROUTE_ASK), 1);
}

TEST(another_query_or_method_is_asked_about)
{
	struct sz_request_key k;
	struct sz_request r;

	scene_begin();
	r = answer(SZ_R_TICKET);
	remember("/ask", &r);
	k = key_of("/ask?q");
	k.method = SZ_M_POST;
	ASSERT_EQ(machine_set("sz_requests", &k, &r), 0);
	expect_asked(true);
}

TEST(remembered_refusal_is_answered)
{
	struct sz_request r;
	struct sz_event e;

	scene_begin();
	r = answer(SZ_R_RELATION);
	remember("/ask?q", &r);
	scene_connect();
	scene_answered(DATA(0, GET_ASK), SZ_R_RELATION);
	ASSERT_TRUE(scene_event(&e));
	EXPECT_TRUE(e.explanation == WHY);
	EXPECT_EQ(e.policy_gen, scene.cfg.policy_gen);
}

TEST(refusal_by_the_grant_names_its_profile)
{
	struct sz_grant g;
	struct sz_event e;

	scene_begin();
	g = scene_grant_value();
	g.profile = WHY | 1;
	scene_grant(SCENE_GRANTED, &g);
	scene_connect();
	scene_answered(DATA(0, "GET /other HTTP/1.1\r\n" HOST_ AUTH_ "\r\n"), SZ_R_NO_SCOPE);
	ASSERT_TRUE(scene_event(&e));
	EXPECT_TRUE(e.explanation == (WHY | 1));
	/* No route and no token say nothing about the grant. */
	scene_begin();
	scene_grant(SCENE_GRANTED, &g);
	scene_connect();
	scene_answered(DATA(0, "GET /a HTTP/1.1\r\n" HOST_ "\r\n"), SZ_R_NO_TOKEN);
	ASSERT_TRUE(scene_event(&e));
	EXPECT_TRUE(!e.explanation);
}

TEST(what_explains_one_request_does_not_explain_the_next)
{
	const char *two = GET_ASK "GET /zzz HTTP/1.1\r\n" HOST_ AUTH_ "\r\n";
	struct sz_service svc = {.id = SCENE_SERVICE, .flags = SZ_SVC_EVENT_HITS};
	struct sz_request r;
	struct sz_event e;

	scene_begin();
	scene_service(&svc);
	r = answer(SZ_R_TICKET);
	remember("/ask?q", &r);
	scene_connect();
	DATA(0, two);
	ASSERT_TRUE(scene_event(&e));
	EXPECT_EQ(e.reason, SZ_R_HIT);
	EXPECT_TRUE(e.explanation == WHY);
	EXPECT_EQ(scene_count(SZ_R_NO_ROUTE), 1);
	DATA((u32)strlen(GET_ASK), "GET /zzz HTTP/1.1\r\n" HOST_ AUTH_ "\r\n");
	while (scene_event(&e))
		EXPECT_TRUE(e.reason != SZ_R_NO_ROUTE || !e.explanation);
}

TEST(remembered_step_up_is_told_by_its_own_answer)
{
	u32 index = SZ_TOLD_ANSWER(SZ_TELL(SZ_R_STEP_UP, 3));
	struct sz_answer a = {.len = 8, .bytes = "HTTP 401"};
	struct sz_request r;

	scene_begin();
	a.csum = htons((u16)pkt_sum(a.bytes, a.len, 0));
	ASSERT_EQ(machine_set("sz_answers", &index, &a), 0);
	r = answer(SZ_TELL(SZ_R_STEP_UP, 3));
	remember("/ask?q", &r);
	scene_connect();
	ASSERT_EQ(DATA(0, GET_ASK), SCENE_REPLY);
	EXPECT_EQ(scene_count(SZ_R_STEP_UP), 1);
	ASSERT_TRUE(scene.parsed && scene.seg.tcp_ok);
	EXPECT_MEMEQ(scene.seg.data, a.bytes, 8);
}

TEST(remembered_answer_ends)
{
	struct sz_request r;

	scene_begin();
	r = answer(SZ_R_TICKET);
	r.expires_ns = machine_now();
	remember("/ask?q", &r);
	expect_asked(true);
}

TEST(remembered_answer_of_an_older_policy_is_void)
{
	struct sz_request r;

	scene_begin();
	r = answer(SZ_R_TICKET);
	r.policy_gen--;
	remember("/ask?q", &r);
	expect_asked(true);
}

TEST(remembered_answer_of_older_keys_is_void)
{
	struct sz_request r;

	scene_begin();
	r = answer(SZ_R_TICKET);
	r.key_gen--;
	remember("/ask?q", &r);
	expect_asked(true);
}

TEST(write_to_the_store_voids_what_rests_on_relationships_and_nothing_else)
{
	struct sz_request r;

	scene_begin();
	r = answer(SZ_R_TICKET);
	r.rel_gen--;
	remember("/ask?q", &r);
	expect_asked(false);
	scene_begin();
	r = answer(SZ_R_TICKET);
	r.flags = SZ_RQ_RELATION;
	r.rel_gen--;
	remember("/ask?q", &r);
	expect_asked(true);
}

TEST(write_that_is_about_other_routes_voids_nothing)
{
	struct sz_request r;
	u32 i;

	scene_begin();
	r = answer(SZ_R_TICKET);
	r.flags = SZ_RQ_RELATION;
	remember("/ask?q", &r);
	for (i = 0; i < SZ_REL_SLOTS; i++)
		scene.cfg.rel_gen[i] += i != ASK_SLOT;
	scene_config();
	expect_asked(false);
	scene_begin();
	remember("/ask?q", &r);
	scene.cfg.rel_gen[ASK_SLOT]++;
	scene_config();
	expect_asked(true);
}

TEST(remembered_answer_for_a_prefix_is_none_elsewhere)
{
	struct sz_request r;

	scene_begin();
	r = answer(SZ_R_TICKET);
	r.source = scene_addr(false, 7);
	r.source_bits = 128;
	remember("/ask?q", &r);
	expect_asked(false);
	scene_begin();
	r = answer(SZ_R_TICKET);
	r.source = scene_addr(false, 6);
	r.source_bits = 128;
	remember("/ask?q", &r);
	expect_asked(true);
}

TEST(revoked_grant_comes_before_what_is_remembered)
{
	struct sz_request r;
	struct sz_grant g;

	scene_begin();
	g = scene_grant_value();
	g.flags = SZ_GRANT_REVOKED;
	scene_grant(SCENE_GRANTED, &g);
	r = answer(SZ_R_TICKET);
	remember("/ask?q", &r);
	scene_connect();
	scene_answered(DATA(0, GET_ASK), SZ_R_REVOKED);
}

/* ---- grants that allow from a prefix -------------------------------------------------------- */

static void expect_from(u8 last, u32 bits, bool asked)
{
	struct sz_grant g;

	scene_begin();
	g = scene_grant_value();
	g.allow[0] |= 1u << SCENE_ROUTE_ASK;
	g.source = scene_addr(false, last);
	g.source_bits = bits;
	scene_grant(SCENE_GRANTED, &g);
	expect_asked(asked);
}

TEST(grant_for_a_prefix_allows_from_there_alone)
{
	expect_from(7, 128, false);
	expect_from(6, 127, false); /* 6 and 7 share all but the last bit */
	expect_from(6, 128, true);
	expect_from(5, 127, true);
	expect_from(200, 120, false);
	expect_from(7, 0, true); /* there is no prefix */
}

TEST(where_the_path_chooses_the_route_it_is_asked_for)
{
	struct sz_request r;

	scene_begin();
	scene_node("/ask", true, SZ_ROUTE_NONE, SCENE_GET_POST, SZ_RT_VARS);
	expect_asked(true);
	scene_begin();
	scene_node("/ask", true, SZ_ROUTE_NONE, SCENE_GET_POST, SZ_RT_VARS);
	r = answer(SZ_R_TICKET);
	r.route = SCENE_ROUTE_A;
	remember("/ask?q", &r);
	expect_asked(false);
	EXPECT_EQ(scene_hits(SCENE_PRINCIPAL, SCENE_ROUTE_A), 1);
}

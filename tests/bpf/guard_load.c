/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How many questions may be open at once: what is refused beyond that and in which order, what is
 * not touched, and that a count of open questions never drifts.
 */
#include "scene.h"

#define HOUR        3600000000000ull
#define TOKEN(t)    "GET /a HTTP/1.1\r\n" HOST_ "Authorization: Bearer " t "\r\n\r\n"
#define TOKEN_OTHER(t) "GET /other HTTP/1.1\r\n" HOST_ "Authorization: Bearer " t "\r\n\r\n"
#define UNKNOWN     TOKEN("nobody-knows-it")
#define GET_ASK     "GET /ask HTTP/1.1\r\n" HOST_ AUTH_ "\r\n"
#define CHUNKED     "POST /a HTTP/1.1\r\n" HOST_ AUTH_ "Transfer-Encoding: chunked\r\n\r\n"

static int first(const char *request)
{
	static u32 n;

	scene_connect_at(SCENE_BASE + 100000 * ++n);
	return DATA(0, request);
}

/* A limit of `high` questions, as the daemon would publish it. */
static void limit(u32 low, u32 normal, u32 high)
{
	scene.cfg.load.cap[SZ_PRIORITY_LOW] = low;
	scene.cfg.load.cap[SZ_PRIORITY_NORMAL] = normal;
	scene.cfg.load.cap[SZ_PRIORITY_HIGH] = high;
	scene.cfg.load.limit = high;
	scene_config();
}

static struct sz_load load(void)
{
	struct sz_config c = {};
	u32 zero = 0;

	ASSERT_EQ(machine_get("sz_config", &zero, &c), 0);
	return c.load;
}

/* The daemon has answered n more. */
static void answered(u64 n)
{
	scene.cfg.load = load();
	scene.cfg.load.done += n;
	scene_config();
}

static void service_priority(u32 p)
{
	scene.svc.flags = p << SZ_PRIORITY_SHIFT;
	scene_service(&scene.svc);
}

/* The frame is answered for that reason. */
#define REFUSED(call, reason)                                                                      \
	do {                                                                                       \
		u64 before_ = scene_count(reason);                                                 \
                                                                                                   \
		EXPECT_EQ(call, SCENE_REPLY);                                                      \
		EXPECT_EQ(scene_count(reason), before_ + 1);                                       \
		EXPECT_TRUE(scene.parsed && scene.seg.len > 12 &&                                  \
			    !memcmp(scene.seg.data, "HTTP/1.1 ", 9));                              \
	} while (0)

/* How many questions of new connections are asked before one is refused. */
static u32 asked_until_shed(const char *request)
{
	u32 n = 0;

	while (n < 50 && first(request) == SCENE_DROP)
		n++;
	return n;
}

TEST(question_beyond_the_limit_gets_503_and_is_asked_again_once_there_is_room)
{
	struct sz_event e;
	struct sz_miss m;
	u32 seen = 0;

	scene_begin();
	limit(2, 3, 4);
	EXPECT_EQ(asked_until_shed(UNKNOWN), 3);
	REFUSED(first(UNKNOWN), SZ_R_BUSY);
	EXPECT_EQ(scene_count(SZ_R_BUSY), 2);
	EXPECT_EQ(scene_count(SZ_R_MISS), 3);
	EXPECT_EQ(load().asked, 3);
	EXPECT_EQ(load().shed[SZ_PRIORITY_NORMAL], 2);
	EXPECT_EQ(load().shed[SZ_PRIORITY_LOW] + load().shed[SZ_PRIORITY_HIGH], 0);
	while (scene_miss(&m))
		seen += m.counted;
	EXPECT_EQ(seen, 3);
	seen = 0;
	while (scene_event(&e))
		seen += e.reason == SZ_R_BUSY;
	EXPECT_EQ(seen, 2);
	answered(1);
	EXPECT_EQ(first(UNKNOWN), SCENE_DROP);
	REFUSED(first(UNKNOWN), SZ_R_BUSY);
}

TEST(without_a_limit_nothing_is_shed)
{
	scene_begin();
	EXPECT_EQ(asked_until_shed(UNKNOWN), 50);
	EXPECT_EQ(load().asked, 50);
	EXPECT_EQ(scene_count(SZ_R_BUSY), 0);
}

/* A daemon that counts ahead, as after a restart, makes nobody wait for its mistake. */
TEST(more_answers_than_questions_are_no_open_questions)
{
	scene_begin();
	limit(1, 2, 3);
	answered(5);
	EXPECT_EQ(asked_until_shed(UNKNOWN), 7);
}

TEST(known_tokens_are_not_touched)
{
	scene_begin();
	limit(1, 1, 1);
	EXPECT_EQ(first(UNKNOWN), SCENE_DROP);
	REFUSED(first(UNKNOWN), SZ_R_BUSY);
	for (u32 i = 0; i < 20; i++)
		EXPECT_EQ(first(GET_A), SCENE_PASS);
	EXPECT_EQ(first(GET_PUB), SCENE_PASS);
	REFUSED(first(TOKEN_OTHER(SCENE_GRANTED)), SZ_R_NO_SCOPE);
	EXPECT_EQ(scene_count(SZ_R_HIT), 20);
	EXPECT_EQ(load().asked, 1);
}

TEST(answer_that_is_remembered_is_not_touched)
{
	struct sz_request_key k = {.service = SCENE_SERVICE, .method = SZ_M_GET};
	struct sz_request v = {.expires_ns = machine_now() + HOUR, .reason = SZ_R_TICKET,
			       .route = SCENE_ROUTE_ASK};

	scene_begin();
	limit(1, 1, 1);
	EXPECT_EQ(first(GET_ASK), SCENE_DROP);
	REFUSED(first(GET_ASK), SZ_R_BUSY);
	v.policy_gen = scene.cfg.policy_gen;
	v.key_gen = scene.cfg.key_gen;
	k.token = scene_token(SCENE_GRANTED).token;
	k.target = scene_token("/ask").token;
	ASSERT_EQ(machine_set("sz_requests", &k, &v), 0);
	EXPECT_EQ(first(GET_ASK), SCENE_PASS);
}

TEST(low_priority_is_shed_first_and_high_last)
{
	scene_begin();
	limit(2, 3, 4);
	service_priority(SZ_PRIORITY_LOW);
	EXPECT_EQ(asked_until_shed(UNKNOWN), 2);
	service_priority(SZ_PRIORITY_NORMAL);
	EXPECT_EQ(asked_until_shed(UNKNOWN), 1);
	service_priority(SZ_PRIORITY_HIGH);
	EXPECT_EQ(asked_until_shed(UNKNOWN), 1);
	EXPECT_EQ(load().asked, 4);
	for (u32 p = SZ_PRIORITY_LOW; p <= SZ_PRIORITY_HIGH; p++)
		EXPECT_EQ(load().shed[p], 1);
	EXPECT_EQ(first(GET_A), SCENE_PASS);
}

TEST(network_has_a_priority_of_its_own)
{
	struct sz_network_key k = {.prefixlen = 128, .addr = scene_addr(false, 7)};
	u32 v = 1 | SZ_PRIORITY_HIGH << SZ_NETWORK_PRIORITY_SHIFT;

	scene_begin();
	limit(1, 2, 3);
	service_priority(SZ_PRIORITY_LOW);
	EXPECT_EQ(asked_until_shed(UNKNOWN), 1);
	ASSERT_EQ(machine_set("sz_networks", &k, &v), 0);
	scene.cfg.load = load();
	scene.cfg.networks = 1;
	scene_config();
	EXPECT_EQ(asked_until_shed(UNKNOWN), 2);
	v = 1;
	ASSERT_EQ(machine_set("sz_networks", &k, &v), 0);
	REFUSED(first(UNKNOWN), SZ_R_BUSY);
	EXPECT_EQ(load().shed[SZ_PRIORITY_LOW], 2);
}

/* The priority of a grant counts for what is asked about it, and on its connection. */
TEST(verified_principal_brings_its_priority)
{
	struct sz_grant g;

	scene_begin();
	g = scene_grant_value();
	g.flags = SZ_PRIORITY_HIGH << SZ_PRIORITY_SHIFT;
	scene_grant("important", &g);
	limit(1, 1, 3);
	EXPECT_EQ(first(UNKNOWN), SCENE_DROP);
	REFUSED(first(GET_ASK), SZ_R_BUSY);
	EXPECT_EQ(first("GET /ask HTTP/1.1\r\n" HOST_ "Authorization: Bearer important\r\n\r\n"),
		  SCENE_DROP);
	EXPECT_EQ(first(TOKEN("important")), SCENE_PASS);
	scene_said(10);
	EXPECT_EQ(DATA(strlen(TOKEN("important")), UNKNOWN), SCENE_DROP);
	EXPECT_EQ(load().asked, 3);
	/* One that nobody has verified gives none, whatever it says. */
	REFUSED(first(TOKEN("important-too")), SZ_R_BUSY);
	/* And neither does it last beyond the next principal. */
	answered(1);
	EXPECT_EQ(first(TOKEN("important")), SCENE_PASS);
	scene_said(10);
	EXPECT_EQ(DATA(strlen(TOKEN("important")), GET_A), SCENE_PASS);
	scene_said(10);
	REFUSED(DATA(strlen(TOKEN("important")) + strlen(GET_A), UNKNOWN), SZ_R_BUSY);
}

TEST(ticket_brings_the_priority_of_its_principal)
{
	static const char odd[] = "GET /a/%41 HTTP/1.1\r\n" HOST_ AUTH_ "\r\n";
	struct sz_ticket t;

	scene_begin();
	limit(1, 1, 3);
	EXPECT_EQ(first(odd), SCENE_DROP);
	t = scene_ticket_value(odd, sizeof(odd) - 1, SZ_TK_REQUEST, 0);
	t.flags |= SZ_PRIORITY_HIGH << SZ_PRIORITY_SHIFT;
	scene_ticket_set(0, &t);
	EXPECT_EQ(DATA(0, odd), SCENE_PASS);
	scene_said(10);
	EXPECT_EQ(DATA(sizeof(odd) - 1, UNKNOWN), SCENE_DROP);
	REFUSED(first(UNKNOWN), SZ_R_BUSY);
}

TEST(dry_run_counts_what_would_be_shed)
{
	scene_begin();
	scene.cfg.load.flags = SZ_LOAD_DRY;
	limit(1, 2, 3);
	EXPECT_EQ(asked_until_shed(UNKNOWN), 50);
	EXPECT_EQ(load().asked, 50);
	EXPECT_EQ(load().shed[SZ_PRIORITY_NORMAL], 48);
	EXPECT_EQ(scene_count(SZ_R_BUSY), 0);
}

TEST(monitor_mode_passes_what_would_be_shed)
{
	scene_begin();
	service_priority(SZ_PRIORITY_LOW);
	scene.svc.flags |= SZ_SVC_MONITOR;
	scene_service(&scene.svc);
	limit(2, 9, 9);
	for (u32 i = 0; i < 4; i++)
		EXPECT_EQ(first(UNKNOWN), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_BUSY), 2);
	EXPECT_EQ(load().asked, 2);
	EXPECT_EQ(scene_count(SZ_R_MISS), 2);
}

/* ---- the count of open questions ------------------------------------------------------------ */

TEST(frame_that_is_sent_again_while_it_is_asked_about_is_no_new_question)
{
	scene_begin();
	limit(1, 2, 3);
	EXPECT_EQ(first(UNKNOWN), SCENE_DROP);
	EXPECT_EQ(DATA(0, UNKNOWN), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_WAITING), 1);
	EXPECT_EQ(load().asked, 1);
}

/* After a while the client's copy goes to the daemon again. */
TEST(copy_of_an_open_question_keeps_its_place_and_counts_no_second_time)
{
	struct sz_miss m;

	scene_begin();
	limit(1, 2, 2);
	EXPECT_EQ(first(UNKNOWN), SCENE_DROP);
	answered(-1ull); /* another one is open */
	machine_wait(200000000);
	EXPECT_EQ(DATA(0, UNKNOWN), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_MISS), 2);
	EXPECT_EQ(scene_count(SZ_R_BUSY), 0);
	EXPECT_EQ(load().asked, 1);
	EXPECT_TRUE(scene_miss(&m) && m.counted);
	EXPECT_TRUE(scene_miss(&m) && !m.counted);
}

/* The beginning of a head that was asked about is not a whole one: it bought no verification. */
TEST(rest_of_a_question_that_was_no_whole_head_has_no_place)
{
	static const char beginning[] = "GET /a%41 HTTP/1.1\r\n";

	scene_begin();
	limit(1, 1, 1);
	EXPECT_EQ(first(beginning), SCENE_DROP);
	machine_wait(200000000);
	REFUSED(DATA(0, UNKNOWN), SZ_R_BUSY);
}

TEST(request_that_was_begun_is_not_cut_off)
{
	struct sz_miss m;

	scene_begin();
	limit(1, 1, 1);
	EXPECT_EQ(first(CHUNKED), SCENE_DROP);
	scene_ticket(0, CHUNKED, sizeof(CHUNKED) - 1, SZ_TK_REQUEST | SZ_TK_STREAM | SZ_TK_CHUNK,
		     4);
	EXPECT_EQ(DATA(0, CHUNKED), SCENE_PASS);
	EXPECT_EQ(load().asked, 1);
	EXPECT_EQ(DATA(sizeof(CHUNKED) - 1, "data"), SCENE_PASS);
	/* An extension is the daemon's to read: a question, but of a request that is under way. */
	EXPECT_EQ(DATA(sizeof(CHUNKED) + 3, "\r\n4;a=b\r\n"), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_MISS), 2);
	EXPECT_EQ(scene_count(SZ_R_BUSY), 0);
	EXPECT_EQ(load().asked, 1);
	while (scene_miss(&m))
		EXPECT_EQ(m.counted, m.reason != SZ_MISS_CHUNK);
}

TEST(what_was_not_asked_in_the_end_is_not_open)
{
	scene_begin();
	scene_misses(HOUR, HOUR);
	limit(9, 9, 9);
	EXPECT_EQ(first(UNKNOWN), SCENE_DROP);
	for (u32 i = 0; i < 20; i++)
		REFUSED(first(UNKNOWN), SZ_R_OVERLOAD);
	EXPECT_EQ(load().asked, 1);
}

TEST(what_found_the_ring_full_is_not_open)
{
	u32 sent = 0;

	scene_begin();
	limit(3000, 3000, 3000);
	while (!scene_count(SZ_R_OVERLOAD) && sent++ < 2000)
		EXPECT_EQ(first(UNKNOWN), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_OVERLOAD), 1);
	EXPECT_EQ(load().asked, scene_count(SZ_R_MISS) - 1);
}

/* The limit is taken before the budgets, so that what is shed spends none of them. */
TEST(what_is_shed_spends_no_budget)
{
	u32 slot;

	scene_begin();
	slot = scene_misses(HOUR, 5 * HOUR);
	limit(1, 1, 1);
	EXPECT_EQ(first(UNKNOWN), SCENE_DROP);
	for (u32 i = 0; i < 10; i++)
		REFUSED(first(UNKNOWN), SZ_R_BUSY);
	EXPECT_EQ(scene_limit_count(slot, SCENE_ADMITTED), 1);
	EXPECT_EQ(scene_limit_count(slot, SCENE_REFUSED), 0);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rate limits: what each kind counts, whose bucket that is, what becomes of buckets when there is
 * no room, networks, dry runs, and what the client is told.
 */
#include "scene.h"

#include "subzero/answer.h"
#include "subzero/bucket.h"

#define HOUR       3600000000000ull
#define TOKEN(t)   "GET /a?q=1 HTTP/1.1\r\n" HOST_ "Authorization: Bearer " t "\r\n\r\n"
#define ODD        "GET /a/%41 HTTP/1.1\r\n" HOST_ AUTH_ "\r\n"
#define GET_ASK    "GET /ask HTTP/1.1\r\n" HOST_ AUTH_ "\r\n"

/* What becomes of `request` as the first bytes of a new connection from `host`. */
static int from(u8 host, const char *request)
{
	static u16 port = 20000;
	u32 base = SCENE_BASE;

	port++;
	scene_base = base;
	scene_ack = SCENE_ISS + 1;
	EXPECT_EQ(IN(.flags = PKT_SYN, .seq = base - 1, .sport = port, .host = host), SCENE_PASS);
	OUT(.flags = PKT_SYN | PKT_ACK, .seq = SCENE_ISS, .ack = base, .sport = port,
	    .host = host);
	EXPECT_EQ(IN(.flags = PKT_ACK, .seq = base, .ack = scene_ack, .sport = port, .host = host),
		  SCENE_PASS);
	return IN(.flags = PKT_ACK | PKT_PSH, .seq = base, .ack = scene_ack, .data = request,
		  .len = (u32)strlen(request), .sport = port, .host = host);
}

static int first(const char *request)
{
	static u32 n;

	scene_connect_at(SCENE_BASE + 100000 * ++n);
	return DATA(0, request);
}

/* Each kind of subject for itself: two of one, one of another. */
TEST(route_has_a_bucket_of_its_own)
{
	u32 slot;

	scene_begin();
	slot = scene_limit(SZ_LIMIT_ADMIT, SZ_BY_ROUTE, SZ_R_LIMIT_ROUTE, HOUR, 0);
	EXPECT_EQ(first(GET_A), SCENE_PASS);
	scene_answered(first(GET_A), SZ_R_LIMIT_ROUTE);
	EXPECT_EQ(first(GET_PUB), SCENE_PASS);
	EXPECT_EQ(scene_limit_count(slot, SCENE_ADMITTED), 2);
	EXPECT_EQ(scene_limit_count(slot, SCENE_REFUSED), 1);
}

TEST(service_has_one_bucket_and_only_what_is_admitted_counts)
{
	scene_begin();
	scene_limit(SZ_LIMIT_ADMIT, 0, SZ_R_LIMIT_SERVICE, HOUR, 2 * HOUR);
	EXPECT_EQ(first(GET_NO_TOKEN), SCENE_REPLY);
	EXPECT_EQ(first(TOKEN("unknown")), SCENE_DROP);
	EXPECT_EQ(from(8, GET_A), SCENE_PASS);
	EXPECT_EQ(from(9, GET_PUB), SCENE_PASS);
	EXPECT_EQ(from(10, GET_A), SCENE_REPLY);
	EXPECT_EQ(scene_count(SZ_R_LIMIT_SERVICE), 1);
}

TEST(combination_counts_each_pair_and_only_its_routes)
{
	struct sz_limit l;
	u32 slot;

	scene_begin();
	slot = scene_limit(SZ_LIMIT_ADMIT, SZ_BY_SOURCE | SZ_BY_ROUTE, SZ_R_LIMIT_RULE, HOUR, 0);
	l = scene_limit_get(slot);
	memset(l.routes, 0, sizeof(l.routes));
	l.routes[0] = 1u << SCENE_ROUTE_A;
	scene_limit_set(slot, &l);
	EXPECT_EQ(from(8, GET_A), SCENE_PASS);
	EXPECT_EQ(from(8, GET_A), SCENE_REPLY);
	EXPECT_EQ(from(9, GET_A), SCENE_PASS);
	EXPECT_EQ(from(8, GET_PUB), SCENE_PASS);
	EXPECT_EQ(from(8, GET_PUB), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_LIMIT_RULE), 1);
}

TEST(limit_by_identity_does_not_count_requests_without_one)
{
	scene_begin();
	scene_limit(SZ_LIMIT_ADMIT, SZ_BY_PRINCIPAL | SZ_BY_ROUTE, SZ_R_LIMIT_RULE, HOUR, 0);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(first(GET_PUB), SCENE_PASS);
}

/* What the daemon decides is charged when its ticket is used, and refused like all else. */
TEST(request_that_the_daemon_decided_is_limited_too)
{
	scene_begin();
	scene_limit(SZ_LIMIT_ADMIT, SZ_BY_PRINCIPAL, SZ_R_LIMIT_PRINCIPAL, HOUR, 0);
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(first(ODD), SCENE_DROP);
		scene_ticket(0, ODD, LEN(ODD), SZ_TK_REQUEST, 0);
		EXPECT_EQ(DATA(0, ODD), i ? SCENE_REPLY : SCENE_PASS);
	}
	EXPECT_EQ(scene_count(SZ_R_TICKET), 1);
	EXPECT_EQ(scene_count(SZ_R_LIMIT_PRINCIPAL), 1);
}

TEST(nothing_is_asked_about_a_request_beyond_its_limit)
{
	struct sz_miss m;

	scene_begin();
	scene_limit(SZ_LIMIT_ADMIT, SZ_BY_PRINCIPAL, SZ_R_LIMIT_PRINCIPAL, HOUR, 0);
	EXPECT_EQ(first(GET_ASK), SCENE_DROP); /* asked about, but not charged yet */
	EXPECT_TRUE(scene_miss(&m));
	EXPECT_EQ(first(GET_A), SCENE_PASS);
	scene_answered(first(GET_ASK), SZ_R_LIMIT_PRINCIPAL);
	EXPECT_TRUE(!scene_miss(&m));
}

/* ---- failures ------------------------------------------------------------------------------- */

static void deny(const char *token)
{
	struct sz_grant_key k = scene_token(token);
	struct sz_denied d = {.expires_ns = machine_now() + HOUR,
			      .policy_gen = scene.cfg.policy_gen,
			      .key_gen = scene.cfg.key_gen,
			      .reason = SZ_R_BAD_TOKEN};

	ASSERT_EQ(machine_set("sz_denied", &k, &d), 0);
}

TEST(source_that_has_failed_too_often_is_not_asked_about)
{
	struct sz_miss m;
	u32 slot;

	scene_begin();
	slot = scene_limit(SZ_LIMIT_FAIL, SZ_BY_SOURCE, SZ_R_LIMIT_FAILURES, HOUR, 2 * HOUR);
	deny("bad");
	EXPECT_EQ(first(GET_NO_TOKEN), SCENE_REPLY); /* is no failure */
	EXPECT_EQ(first(TOKEN("bad")), SCENE_REPLY);
	EXPECT_EQ(first(TOKEN("unknown")), SCENE_DROP);
	EXPECT_TRUE(scene_miss(&m));
	EXPECT_EQ(first(TOKEN("bad")), SCENE_REPLY);
	EXPECT_EQ(scene_count(SZ_R_BAD_TOKEN), 2);
	scene_answered(first(TOKEN("other")), SZ_R_LIMIT_FAILURES);
	EXPECT_EQ(first(TOKEN("bad")), SCENE_REPLY);
	EXPECT_EQ(scene_count(SZ_R_LIMIT_FAILURES), 2);
	EXPECT_TRUE(!scene_miss(&m));
	EXPECT_EQ(first(ODD), SCENE_REPLY); /* nor in a head that the kernel does not read */
	EXPECT_EQ(scene_count(SZ_R_LIMIT_FAILURES), 3);
	/* Known tokens have nothing to do with it, nor has another source. */
	EXPECT_EQ(first(GET_A), SCENE_PASS);
	EXPECT_EQ(from(9, TOKEN("other")), SCENE_DROP);
	EXPECT_EQ(scene_limit_count(slot, SCENE_ADMITTED), 2);
	EXPECT_EQ(scene_limit_count(slot, SCENE_REFUSED), 3);
}

/* ---- room ----------------------------------------------------------------------------------- */

/* One set for each table: eight places. Fills that of limits by source with hosts 10 to 17. */
static u32 full_house(u64 burst)
{
	u32 slot;

	scene_begin();
	scene.cfg.bucket_sets = 1;
	scene_config();
	slot = scene_limit(SZ_LIMIT_READ, SZ_BY_SOURCE, SZ_R_LIMIT_SOURCE, HOUR, burst);
	for (u8 i = 0; i < SZ_BUCKET_WAYS; i++)
		EXPECT_EQ(from(10 + i, GET_PUB), SCENE_PASS);
	return slot;
}

TEST(who_finds_no_room_shares_one_bucket_and_pushes_nobody_out)
{
	u32 slot = full_house(HOUR);

	EXPECT_EQ(from(30, GET_PUB), SCENE_PASS); /* the spare one */
	EXPECT_EQ(from(31, GET_PUB), SCENE_REPLY);
	EXPECT_EQ(from(30, GET_PUB), SCENE_REPLY);
	EXPECT_EQ(scene_count(SZ_R_STATE_FULL), 2);
	EXPECT_EQ(scene_limit_count(slot, SCENE_SPARE), 3);
	/* Nobody has got a fresh burst by it. */
	for (u8 i = 0; i < SZ_BUCKET_WAYS; i++)
		EXPECT_EQ(from(10 + i, GET_PUB), SCENE_REPLY);
	EXPECT_EQ(scene_count(SZ_R_LIMIT_SOURCE), SZ_BUCKET_WAYS);
}

/* Time passes for one place: its bucket is full. */
static void free_place(u32 way)
{
	u32 index = SZ_BUCKETS_SOURCE;
	struct sz_bucket_set set;

	ASSERT_EQ(machine_get("sz_buckets", &index, &set), 0);
	set.tat[way] = 1;
	ASSERT_EQ(machine_set("sz_buckets", &index, &set), 0);
}

TEST(who_comes_just_after_there_was_no_room_gets_no_burst)
{
	u32 slot = full_house(3 * HOUR), index = SZ_BUCKETS_SOURCE;
	struct sz_bucket_set set;
	struct sz_limit l;

	EXPECT_EQ(from(30, GET_PUB), SCENE_PASS);
	l = scene_limit_get(slot);
	EXPECT_TRUE(l.full_ns != 0);
	l.spare_tat = 0;
	scene_limit_set(slot, &l);
	free_place(3);
	/* One from the spare bucket, and none of its own for a burst's time. */
	EXPECT_EQ(from(31, GET_PUB), SCENE_PASS);
	EXPECT_EQ(from(31, GET_PUB), SCENE_REPLY);
	EXPECT_EQ(scene_count(SZ_R_LIMIT_SOURCE), 1);
	/* When that is over, there is one again. */
#ifdef SCENE_NATIVE
	machine_wait(4 * HOUR);
	(void)set;
	(void)index;
#else
	ASSERT_EQ(machine_get("sz_buckets", &index, &set), 0);
	set.full_ns = 0;
	ASSERT_EQ(machine_set("sz_buckets", &index, &set), 0);
#endif
	free_place(3);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(from(32, GET_PUB), SCENE_PASS);
	EXPECT_EQ(from(32, GET_PUB), SCENE_REPLY);
}

TEST(place_that_another_cpu_gives_away_is_not_given_twice)
{
	u32 index = SZ_BUCKETS_SOURCE;
	struct sz_bucket_set set = {.lock = 1};

	scene_begin();
	scene.cfg.bucket_sets = 1;
	scene_config();
	scene_limit(SZ_LIMIT_READ, SZ_BY_SOURCE, SZ_R_LIMIT_SOURCE, HOUR, 3 * HOUR);
	ASSERT_EQ(machine_set("sz_buckets", &index, &set), 0);
	/* Nor is another one's taken instead: it may be its own that is being made. */
	EXPECT_EQ(from(8, GET_PUB), SCENE_REPLY);
	EXPECT_EQ(scene_count(SZ_R_LIMIT_SOURCE), 1);
	EXPECT_EQ(scene_count(SZ_R_STATE_FULL), 0);
	ASSERT_EQ(machine_get("sz_buckets", &index, &set), 0);
	EXPECT_EQ(set.tag[0], 0);
	EXPECT_EQ(set.lock, 1);
}

TEST(connections_without_room_are_dropped)
{
	scene_begin();
	scene.cfg.bucket_sets = 1;
	scene_config();
	scene_limit(SZ_LIMIT_SYN, SZ_BY_SOURCE, SZ_R_SYN_LIMIT, HOUR, 0);
	for (u8 i = 0; i < SZ_BUCKET_WAYS + 1; i++)
		EXPECT_EQ(IN(.flags = PKT_SYN, .seq = 9, .host = 10 + i), SCENE_PASS);
	EXPECT_EQ(IN(.flags = PKT_SYN, .seq = 9, .host = 40), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_SYN_FULL), 1);
}

/* What one limit took is given back when another refuses. */
TEST(refused_request_costs_nothing)
{
	u32 all, one;
	u64 before;

	scene_begin();
	all = scene_limit(SZ_LIMIT_ADMIT, 0, SZ_R_LIMIT_SERVICE, HOUR, 10 * HOUR);
	one = scene_limit(SZ_LIMIT_ADMIT, SZ_BY_PRINCIPAL, SZ_R_LIMIT_PRINCIPAL, HOUR, 0);
	EXPECT_EQ(first(GET_A), SCENE_PASS);
	before = scene_limit_get(all).tat;
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(first(GET_A), SCENE_REPLY);
	EXPECT_EQ(scene_limit_get(all).tat, before);
	EXPECT_EQ(scene_limit_count(all, SCENE_ADMITTED), 1);
	EXPECT_EQ(scene_limit_count(one, SCENE_REFUSED), 3);
}

/* ---- sources and networks ------------------------------------------------------------------- */

TEST(source_is_as_wide_as_its_service_says)
{
	struct sz_limit l;
	u32 slot;

	for (int v6 = 0; v6 < 2; v6++) {
		scene_begin();
		scene.v6 = v6;
		slot = scene_limit(SZ_LIMIT_READ, SZ_BY_SOURCE, SZ_R_LIMIT_SOURCE, HOUR, 0);
		l = scene_limit_get(slot);
		l.prefix4 = 30;
		l.prefix6 = 126;
		scene_limit_set(slot, &l);
		EXPECT_EQ(from(8, GET_PUB), SCENE_PASS);
		EXPECT_EQ(from(11, GET_PUB), SCENE_REPLY); /* of the same four addresses */
		EXPECT_EQ(from(12, GET_PUB), SCENE_PASS);
	}
}

static void network(u8 host, u32 number)
{
	struct sz_network_key k = {.prefixlen = 128, .addr = scene_addr(false, host)};

	ASSERT_EQ(machine_set("sz_networks", &k, &number), 0);
	scene.cfg.networks = 1;
	scene_config();
}

TEST(network_is_exempt_or_has_a_rate_of_its_own)
{
	struct sz_limit l, other;
	u32 slot, variant = 20;

	scene_begin();
	slot = scene_limit(SZ_LIMIT_READ, SZ_BY_SOURCE, SZ_R_LIMIT_SOURCE, HOUR, 0);
	l = other = scene_limit_get(slot);
	l.variant[1] = SZ_VARIANT_EXEMPT;
	l.variant[2] = (u16)variant;
	scene_limit_set(slot, &l);
	other.id = 2000;
	other.burst_ns = 3 * HOUR;
	scene_limit_set(variant, &other);
	network(8, 1);
	network(9, 2);
	for (int i = 0; i < 5; i++)
		EXPECT_EQ(from(8, GET_PUB), SCENE_PASS);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(from(9, GET_PUB), SCENE_PASS);
	EXPECT_EQ(from(9, GET_PUB), SCENE_REPLY);
	EXPECT_EQ(from(10, GET_PUB), SCENE_PASS);
	EXPECT_EQ(from(10, GET_PUB), SCENE_REPLY);
	EXPECT_EQ(scene_limit_count(variant, SCENE_REFUSED), 1);
	EXPECT_EQ(scene_limit_count(slot, SCENE_REFUSED), 1);
}

/* ---- dry runs and answers ------------------------------------------------------------------- */

TEST(dry_limit_refuses_nothing_and_is_on_record_for_what_it_would_have)
{
	struct sz_event e = {};
	struct sz_limit l;
	u32 slot;

	scene_begin();
	slot = scene_limit(SZ_LIMIT_READ, SZ_BY_SOURCE, SZ_R_LIMIT_SOURCE, HOUR, 0);
	l = scene_limit_get(slot);
	l.flags = SZ_LIMIT_DRY;
	scene_limit_set(slot, &l);
	EXPECT_EQ(first(GET_A), SCENE_PASS);
	EXPECT_TRUE(!scene_event(&e));
	EXPECT_EQ(first(GET_A), SCENE_PASS);
	ASSERT_TRUE(scene_event(&e));
	EXPECT_EQ(e.reason, SZ_R_LIMIT_SOURCE);
	EXPECT_EQ(e.limit, slot);
	EXPECT_EQ(e.monitor, 1);
	EXPECT_EQ(scene_limit_count(slot, SCENE_ADMITTED), 1);
	EXPECT_EQ(scene_limit_count(slot, SCENE_DRY), 1);
	EXPECT_EQ(scene_limit_count(slot, SCENE_REFUSED), 0);
	EXPECT_EQ(scene_count(SZ_R_LIMIT_SOURCE), 0);
}

TEST(rate_that_changes_holds_for_the_bucket_that_is_there)
{
	struct sz_limit l;
	u32 slot;

	scene_begin();
	slot = scene_limit(SZ_LIMIT_READ, SZ_BY_SOURCE, SZ_R_LIMIT_SOURCE, HOUR, 2 * HOUR);
	EXPECT_EQ(first(GET_PUB), SCENE_PASS);
	l = scene_limit_get(slot);
	l.burst_ns = HOUR;
	scene_limit_set(slot, &l);
	EXPECT_EQ(first(GET_PUB), SCENE_REPLY);
	l.burst_ns = 3 * HOUR;
	scene_limit_set(slot, &l);
	EXPECT_EQ(first(GET_PUB), SCENE_PASS);
	EXPECT_EQ(first(GET_PUB), SCENE_PASS);
	EXPECT_EQ(first(GET_PUB), SCENE_REPLY);
}

/* An answer of the limit in `slot`, with places for the seconds; its sum is over zeros there. */
static void answer_of(u32 slot)
{
	static const char text[] = "HTTP/1.1 429 Enough\r\nRetry-After:         \r\n"
				   "RateLimit: \"l\";r=0;        ;\r\n\r\n";
	u32 at = SZ_TOLD_ANSWER(SZ_TELL_LIMIT(SZ_R_LIMIT_SOURCE, slot));
	struct sz_answer a = {.len = LEN(text), .retry = 34, .reset = 64};

	memcpy(a.bytes, text, a.len);
	memset(a.bytes + a.retry, 0, SZ_DIGITS);
	memset(a.bytes + a.reset, 0, SZ_DIGITS);
	a.csum = sz_csum_fold(sz_csum_add(a.bytes, (a.len + 1) & ~1u, 0));
	ASSERT_EQ(machine_set("sz_answers", &at, &a), 0);
}

TEST(answer_says_when_to_come_again_and_says_it_again)
{
	u32 slot;

	scene_begin();
	/* 4200.5 s, of which a moment is over when the answer goes out: 4201. */
	slot = scene_limit(SZ_LIMIT_READ, SZ_BY_SOURCE, SZ_R_LIMIT_SOURCE, 4200500000000ull, 0);
	answer_of(slot);
	EXPECT_EQ(first(GET_PUB), SCENE_PASS);
	EXPECT_EQ(first(GET_PUB), SCENE_REPLY);
	for (int i = 0; i < 2; i++) {
		ASSERT_TRUE(scene.parsed && scene.seg.ip_ok && scene.seg.tcp_ok);
		EXPECT_TRUE(!memcmp(scene.seg.data + 34, "    4201", 8));
		EXPECT_TRUE(!memcmp(scene.seg.data + 64, "  t=4201", 8));
		EXPECT_EQ(DATA(0, GET_PUB), SCENE_REPLY); /* it was lost */
	}
}

TEST(seconds_are_whole_rounded_up_and_bounded)
{
	static const struct {
		u64 wait;
		const char *retry, *reset;
	} c[] = {
		{0, "       1", "     t=1"},
		{1, "       1", "     t=1"},
		{1000000000, "       1", "     t=1"},
		{1000000001, "       2", "     t=2"},
		{10000000000, "      10", "    t=10"},
		{999999000000000, "  999999", "t=999999"},
		{~0ull, "  999999", "t=999999"},
	};

	for (u32 i = 0; i < sizeof(c) / sizeof(*c); i++) {
		struct sz_digits d;

		sz_digits_set(&d, c[i].wait);
		EXPECT_MEMEQ(d.retry, c[i].retry, SZ_DIGITS);
		EXPECT_MEMEQ(d.reset, c[i].reset, SZ_DIGITS);
	}
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The packet core when what it stands on fails: a map without room, a frame that cannot be read,
 * resized or written, a race that is lost. Whatever fails, no byte passes that is not committed,
 * and no headers leave without the checksum that belongs to them. Native only: faults are set.
 */
#include "subzero/compat.h"

static unsigned int races; /* compare-and-swaps that are lost from now on */
static void (*meanwhile)(void); /* what another CPU does between two loads of `ver` */
static unsigned int torn;       /* the load of `ver` before which it does that; 0: none */
static bool early;              /* ... before the copy is made, and not behind it */

static inline u64 racing_cas(u64 *p, u64 old, u64 new)
{
	if (races) {
		races--;
		return old + 1;
	}
	return __sync_val_compare_and_swap(p, old, new);
}

static inline u64 racing_load(u64 *p)
{
	static unsigned int n;
	u64 v = __atomic_load_n(p, __ATOMIC_ACQUIRE);

	if (torn) {
		if (!--torn)
			meanwhile();
		return __atomic_load_n(p, __ATOMIC_ACQUIRE);
	}
	if (meanwhile && n++ % 2 == !early)
		meanwhile();
	return early ? v : __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

#undef sz_cas
#undef sz_load_acquire
#define sz_cas(p, old, new) racing_cas(p, old, new)
#define sz_load_acquire(p)  racing_load(p)

#define SCENE_NATIVE
#include "scene.h"

#define UNKNOWN "GET /a HTTP/1.1\r\n" HOST_ "Authorization: Bearer unknown\r\n\r\n"

/* Maps of other sizes until the next test. */
static struct {
	struct native_map *map;
	u32 max;
	enum native_kind kind;
} shrunk[8];
static u32 n_shrunk;

static void begin(void)
{
	races = torn = 0;
	meanwhile = NULL;
	while (n_shrunk) {
		n_shrunk--;
		shrunk[n_shrunk].map->max = shrunk[n_shrunk].max;
		shrunk[n_shrunk].map->kind = shrunk[n_shrunk].kind;
	}
	scene_begin();
	scene_connect();
}

static void no_room(struct native_map *m)
{
	shrunk[n_shrunk].map = m;
	shrunk[n_shrunk].max = m->max;
	shrunk[n_shrunk++].kind = m->kind;
	native_map_clear(m);
	m->max = 0;
	if (m->kind == NATIVE_LRU)
		m->kind = NATIVE_HASH;
}

TEST(first_request_without_room_for_its_flow_is_dropped_and_so_is_what_follows)
{
	struct sz_flow f;

	begin();
	no_room(&sz_flows);
	EXPECT_EQ(DATA(0, GET_A), SCENE_DROP);
	EXPECT_EQ(DATA(0, GET_A), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_HIT), 0);
	EXPECT_EQ(scene_count(SZ_R_RACE), 2);
	EXPECT_TRUE(!scene_flow(&f));
}

/* No set where the buckets of subjects are looked for. */
static void no_buckets(void)
{
	native_map_clear(&sz_buckets);
	shrunk[n_shrunk].map = &sz_buckets;
	shrunk[n_shrunk].max = sz_buckets.max;
	shrunk[n_shrunk++].kind = sz_buckets.kind;
	sz_buckets.max = 0;
}

TEST(source_without_buckets_is_not_asked_for_and_known_tokens_go_on)
{
	begin();
	scene_source_misses(1, 9);
	no_buckets();
	EXPECT_EQ(IN(.flags = PKT_SYN, .seq = 5), SCENE_PASS);
	EXPECT_EQ(DATA(0, UNKNOWN), SCENE_REPLY);
	EXPECT_EQ(scene_count(SZ_R_STATE_FULL), 1);
	begin();
	scene_source_misses(1, 9);
	EXPECT_EQ(DATA(0, "GET /a/%41 HTTP/1.1\r\n" HOST_ "\r\n"), SCENE_DROP);
	no_buckets();
	EXPECT_EQ(DATA(1000, "x"), SCENE_DROP); /* nobody to count it against */
	EXPECT_EQ(scene_count(SZ_R_GAP), 1);
	begin();
	scene_source_misses(1, 9);
	no_buckets();
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_HIT), 1);
}

TEST(source_that_cannot_be_counted_is_decided_all_the_same)
{
	begin();
	no_room(&sz_sources);
	EXPECT_EQ(IN(.flags = PKT_SYN, .seq = 5), SCENE_PASS);
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_HIT), 1);
}

TEST(principal_without_room_is_refused)
{
	begin();
	scene_limit(SZ_LIMIT_ADMIT, SZ_BY_PRINCIPAL, SZ_R_LIMIT_PRINCIPAL, 1, 9);
	no_buckets();
	EXPECT_EQ(DATA(0, GET_A), SCENE_REPLY);
	EXPECT_EQ(scene_count(SZ_R_STATE_FULL), 1);
}

TEST(hits_without_room_of_their_own_are_counted_together)
{
	u64 first = 5;
	struct sz_hit_key other = {.principal = 1};

	begin();
	no_room(&sz_hits);
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_HIT), 1);
	begin();
	no_room(&sz_hits);
	sz_hits.max = 2;
	ASSERT_EQ(machine_set("sz_hits", &other, &first), 0);
	EXPECT_EQ(DATA(0, GET_PUB), SCENE_PASS);
	EXPECT_EQ(DATA(LEN(GET_PUB), GET_PUB), SCENE_PASS);
	EXPECT_EQ(scene_hits(0, SCENE_ROUTE_PUBLIC), 2);
	begin();
	native_fail.set = 2; /* the flow has room, the row has not, the common row has */
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	EXPECT_EQ(DATA(LEN(GET_A), GET_A), SCENE_PASS);
	EXPECT_EQ(scene_hits(0, SCENE_ROUTE_A), 1);
	EXPECT_EQ(scene_hits(SCENE_PRINCIPAL, SCENE_ROUTE_A), 1);
	native_fail.set = 1;
	EXPECT_EQ(DATA(2 * LEN(GET_A), GET_A), SCENE_PASS);
	EXPECT_EQ(scene_hits(SCENE_PRINCIPAL, SCENE_ROUTE_A), 2);
}

TEST(common_row_of_hits_is_counted_on)
{
	struct sz_hit_key common = {.service = SCENE_SERVICE, .route = SCENE_ROUTE_A};
	u64 first = 5;

	begin();
	ASSERT_EQ(machine_set("sz_hits", &common, &first), 0);
	native_fail.set = 2;
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	EXPECT_EQ(scene_hits(0, SCENE_ROUTE_A), 6);
}

TEST(counters_answers_and_losses_that_are_not_there_change_no_verdict)
{
	begin();
	no_room(&sz_counters);
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	begin();
	no_room(&sz_answers);
	EXPECT_EQ(DATA(0, GET_NO_TOKEN), SCENE_DROP);
	begin();
	no_room(&sz_lost);
	sz_events.max = 0;
	EXPECT_EQ(DATA(0, GET_NO_TOKEN), SCENE_REPLY);
	sz_events.max = 64;
	begin();
	no_room(&sz_config);
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS); /* before anything is configured: not ours */
	EXPECT_EQ(scene_count(SZ_R_FOREIGN), 1);
}

TEST(frame_that_cannot_be_read_is_dropped_once_it_is_known_to_be_for_a_service)
{
	begin();
	native_fail.load = 2;
	EXPECT_EQ(DATA(0, GET_A), SCENE_DROP);
	native_fail.load = 1;
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_HIT), 0);
	scene.in_len = 13;
	EXPECT_EQ(scene_raw(), SCENE_PASS);
}

/* Runs `what` with each of the first stores and resizes failing: nothing but a reply or a drop. */
static void output_fails(int (*what)(void), int whole)
{
	for (u32 store = 0; store < 4; store++) {
		for (u32 resize = 0; resize < 4; resize++) {
			int act;

			begin();
			native_fail.store = store;
			native_fail.resize = resize;
			act = what();
			EXPECT_TRUE(act == SCENE_DROP || act == whole);
			if (act != SCENE_DROP)
				EXPECT_TRUE(scene.parsed && scene.seg.tcp_ok);
		}
	}
}

static int refused(void)
{
	return DATA(0, GET_NO_TOKEN);
}

static int unknown_flow(void)
{
	return IN(.flags = PKT_ACK, .sport = 5, .seq = 1, .ack = 1, .data = "x", .len = 1);
}

static int trimmed(void)
{
	return DATA(0, GET_A GET_NO_TOKEN);
}

/* The refusal itself goes through; what comes later meets the fault. */
static int behind_refusal(u32 at, u8 flags)
{
	u32 store = native_fail.store, resize = native_fail.resize;

	native_fail.store = native_fail.resize = 0;
	EXPECT_EQ(DATA(0, GET_NO_TOKEN), SCENE_REPLY);
	if (flags & PKT_FIN)
		EXPECT_EQ(IN(.flags = PKT_ACK, .seq = scene_base, .ack = scene_ack), SCENE_PASS);
	native_fail.store = store;
	native_fail.resize = resize;
	return IN(.flags = flags, .seq = scene_base + at, .ack = scene_ack + 1);
}

static int cut_off(void)
{
	return behind_refusal(LEN(GET_NO_TOKEN), PKT_ACK);
}

static int finished(void)
{
	return behind_refusal(LEN(GET_NO_TOKEN), PKT_ACK | PKT_FIN);
}

static int multipath(void)
{
	static const u8 option[12] = {30, 12};

	return IN(.flags = PKT_SYN, .seq = 1, .opt = option, .opt_len = 12);
}

TEST(output_that_cannot_be_written_is_dropped)
{
	output_fails(refused, SCENE_REPLY);
	output_fails(unknown_flow, SCENE_REPLY);
	output_fails(trimmed, SCENE_PASS);
	output_fails(cut_off, SCENE_PASS);
	output_fails(finished, SCENE_REPLY);
	output_fails(multipath, SCENE_PASS);
}

TEST(answer_that_is_missing_or_too_long_is_a_drop_or_a_reset)
{
	u32 reason = SZ_R_NO_TOKEN;
	struct sz_answer a;

	for (u32 n = 0; n < 4; n++) {
		begin();
		ASSERT_EQ(machine_get("sz_answers", &reason, &a), 0);
		if (n < 2)
			a.len = n ? SZ_ANSWER_MAX + 1 : 0;
		else
			native_fail.resize = 1;
		if (n == 2)
			a.brief_len = 0;
		ASSERT_EQ(machine_set("sz_answers", &reason, &a), 0);
		EXPECT_EQ(refused(), n < 2 ? SCENE_DROP : SCENE_REPLY);
		EXPECT_EQ(scene_count(SZ_R_NO_ANSWER), n < 3);
		if (n == 2)
			EXPECT_EQ(scene.seg.flags, PKT_RST | PKT_ACK);
	}
}

TEST(lost_race_is_decided_anew_and_lost_for_good_is_dropped)
{
	struct sz_flow f;

	begin();
	races = 1;
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_HIT), 1);
	races = 1;
	EXPECT_EQ(DATA(LEN(GET_A), GET_A), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_HIT), 2);
	races = SZ_ATTEMPTS;
	EXPECT_EQ(DATA(2 * LEN(GET_A), GET_A), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_RACE), 1);
	ASSERT_TRUE(scene_flow(&f));
	EXPECT_EQ(f.next, scene_base + 2 * LEN(GET_A));
	begin();
	races = 1;
	EXPECT_EQ(refused(), SCENE_REPLY);
	EXPECT_EQ(scene_count(SZ_R_NO_TOKEN), 1);
	races = 1;
	EXPECT_EQ(IN(.flags = PKT_ACK, .seq = scene_base, .ack = scene_ack), SCENE_PASS);
	EXPECT_EQ(scene.seg.flags, PKT_RST | PKT_ACK);
}

static void other_writes(void)
{
	struct sz_flow_key k = scene_flow_key();
	struct sz_flow *f = sz_map_get(&sz_half, &k);

	f->ver += 2;
}

TEST(flow_that_changes_while_it_is_read_is_read_again)
{
	for (u32 n = 0; n < 2; n++) {
		begin();
		early = n;
		meanwhile = other_writes;
		EXPECT_EQ(DATA(0, GET_A), SCENE_DROP);
		EXPECT_EQ(scene_count(SZ_R_RACE), 1);
		meanwhile = NULL;
		EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	}
}

static void other_gives_up_ranges(void)
{
	struct sz_flow_key k = scene_flow_key();
	struct sz_flow *f = sz_map_get(&sz_flows, &k);

	sz_map_unset(&sz_spill, &k);
	f->ver += 2;
	meanwhile = NULL;
}

/* The third load of `ver` is the look whether what was read of sz_spill still held. */
TEST(spilled_range_that_changes_while_it_is_read_is_read_again)
{
	u32 n = LEN(GET_A), at = (SZ_RANGES + 1) * n;

	for (u32 body = 0; body < 2; body++) {
		begin();
		for (u32 i = 0; i <= SZ_RANGES; i++)
			EXPECT_EQ(DATA(i * n, GET_A), SCENE_PASS);
		EXPECT_EQ(DATA(at, POST_A("100")), SCENE_PASS);
		meanwhile = other_gives_up_ranges;
		torn = 3;
		if (body)
			EXPECT_EQ(DATA(at + LEN(POST_A("100")), "body"), SCENE_DROP);
		else
			EXPECT_EQ(DATA(at - n, GET_A), SCENE_DROP);
		EXPECT_EQ(torn, 0);
	}
}

TEST(beginning_that_cannot_be_kept_goes_to_the_daemon)
{
	struct sz_miss m;
	u32 n = LEN(GET_A);

	begin();
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	no_room(&sz_carry);
	EXPECT_EQ(DATA(n, "GET /a HTTP/1.1\r\n"), SCENE_DROP);
	ASSERT_TRUE(scene_miss(&m));
	EXPECT_EQ(m.reason, SZ_MISS_PARTIAL);
	EXPECT_EQ(m.carried, 0);
}

TEST(range_that_cannot_be_kept_does_not_pass)
{
	struct sz_flow f;
	u32 n = LEN(GET_A), i;

	begin();
	no_room(&sz_spill);
	for (i = 0; i < SZ_RANGES; i++)
		EXPECT_EQ(DATA(i * n, GET_A), SCENE_PASS);
	EXPECT_EQ(DATA(i * n, GET_A), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_PIPELINED), 1);
	EXPECT_EQ(scene_count(SZ_R_HIT), SZ_RANGES);
	ASSERT_TRUE(scene_flow(&f));
	EXPECT_EQ(f.next - scene_base, i * n);
	EXPECT_EQ(f.flags, 0);
	EXPECT_EQ(f.ver & 1, 0);
	ACKED(i * n);
	EXPECT_EQ(DATA(i * n, GET_A), SCENE_PASS);
}

TEST(acknowledgement_that_loses_every_race_leaves_the_older_one)
{
	struct sz_flow f;

	begin();
	EXPECT_EQ(DATA(0, GET_A), SCENE_PASS);
	races = SZ_SERVER_TRIES;
	ACKED(LEN(GET_A));
	ASSERT_TRUE(scene_flow(&f));
	EXPECT_EQ((u32)f.server, scene_base);
	races = SZ_SERVER_TRIES - 1;
	ACKED(LEN(GET_A));
	ASSERT_TRUE(scene_flow(&f));
	EXPECT_EQ((u32)f.server, scene_base + LEN(GET_A));
}

TEST(bucket_that_loses_every_race_refuses)
{
	u64 tat = 0;

	races = SZ_BUCKET_TRIES;
	EXPECT_TRUE(!sz_bucket_take(&tat, 1000, 10, 100));
	races = SZ_BUCKET_TRIES - 1;
	EXPECT_TRUE(sz_bucket_take(&tat, 1000, 10, 100));
	EXPECT_EQ(tat, 1010);
}

TEST(frame_with_more_payload_than_is_read_needs_no_decision_or_does_not_pass)
{
	static u8 jumbo[16500];

	begin();
	memset(jumbo, 'x', sizeof(jumbo));
	memcpy(jumbo, POST_A("100000"), LEN(POST_A("100000")));
	EXPECT_EQ(DATA_N(0, jumbo, sizeof(jumbo)), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_TOO_LARGE), 1);
	EXPECT_EQ(DATA(0, POST_A("100000")), SCENE_PASS);
	EXPECT_EQ(DATA_N(LEN(POST_A("100000")), jumbo, sizeof(jumbo)), SCENE_PASS);
}

TEST(parts_without_working_memory_or_key_say_so)
{
	begin();
	sz_scratch_use(NULL);
	EXPECT_EQ(sz_part_parse(0, 60, 60), -1);
	EXPECT_EQ(sz_part_scan(0, 1), -1);
	EXPECT_EQ(sz_part_digest(0, 1), 0);
	EXPECT_EQ(sz_part_token(0, 1), -1);
	EXPECT_EQ(sz_part_report(1, 1), -1);
	EXPECT_EQ(sz_part_reply(0, 0, 0), 0);
	EXPECT_EQ(sz_part_reset(0), 0);
	EXPECT_EQ(sz_part_trim(1), 0);
	sz_scratch_use(&native_scratch[0]);
	no_room(&sz_config);
	EXPECT_EQ(sz_part_digest(0, 1), 0);
	EXPECT_EQ(sz_part_token(0, 1), -1);
	begin();
}

TEST(what_tcp_repairs_by_itself_is_no_record)
{
	static const u32 repaired[] = {SZ_R_ANSWERED, SZ_R_GAP,    SZ_R_WAITING, SZ_R_PIPELINED,
				       SZ_R_RACE,     SZ_R_CLOSED, SZ_R_RECUT,   SZ_R_STRAY};
	u32 records = 0;

	for (u32 r = 0; r < SZ_REASON_MAX; r++)
		records += (u32)sz_reason_is_record(r);
	EXPECT_EQ(records, SZ_REASON_MAX - SZ_R_NO_TOKEN - 11);
	for (u32 i = 0; i < 8; i++)
		EXPECT_TRUE(!sz_reason_is_record(repaired[i]));
	EXPECT_TRUE(!sz_reason_is_record(SZ_R_MONITORED));
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A flow as several CPUs touch it: copies and commits, the word the egress program owns, the byte
 * ranges, and the rules of the handshake and of resets.
 */
#include "harness.h"
#include "subzero/flow.h"

#define TAG (5ull << 32)

static struct sz_flow flow(u32 base)
{
	struct sz_flow f;

	sz_flow_init(&f, TAG, base, 7000, 3, 1001);
	return f;
}

TEST(new_flow_begins_at_the_servers_first_byte)
{
	struct sz_flow f = flow(500);

	EXPECT_EQ(f.base, 500);
	EXPECT_EQ(f.next, 500);
	EXPECT_EQ(f.floor, 500);
	EXPECT_EQ(sz_flow_acked(&f), 500);
	EXPECT_EQ(f.birth_ns, 1001);
	EXPECT_EQ(f.ver, 1000);
	EXPECT_TRUE(!sz_flow_open(&f) && !sz_flow_closed(&f));
}

TEST(commit_succeeds_for_one_of_two_copies)
{
	struct sz_flow f = flow(500), a, b;

	ASSERT_TRUE(sz_flow_read(&f, TAG, &a) && sz_flow_read(&f, TAG, &b));
	EXPECT_TRUE(sz_flow_lock(&f, &a));
	EXPECT_TRUE(!sz_flow_lock(&f, &b));
	EXPECT_TRUE(!sz_flow_read(&f, TAG, &b));
	a.next = 600;
	a.flags = SZ_FLOW_ASKED;
	a.server = 1; /* not ingress's to write */
	sz_flow_store(&f, &a);
	EXPECT_EQ(f.next, 600);
	EXPECT_EQ(f.flags, SZ_FLOW_ASKED);
	EXPECT_EQ(sz_flow_acked(&f), 500);
	EXPECT_TRUE(!sz_flow_lock(&f, &b));
	EXPECT_TRUE(sz_flow_read(&f, TAG, &b));
	EXPECT_EQ(b.next, 600);
}

TEST(entry_of_another_connection_is_not_read_or_acknowledged)
{
	struct sz_flow f = flow(500), a;

	EXPECT_TRUE(!sz_flow_read(&f, TAG + (1ull << 32), &a));
	f.next = 900;
	EXPECT_TRUE(sz_flow_note_ack(&f, TAG + (1ull << 32), 800, true));
	EXPECT_EQ(sz_flow_acked(&f), 500);
	EXPECT_TRUE(!sz_flow_closed(&f));
}

TEST(tags_differ_by_connection)
{
	struct sz_flow_key a = {.client_port = 1, .server_port = 2}, b = a;

	EXPECT_TRUE(sz_flow_tag(&a) == sz_flow_tag(&b));
	EXPECT_EQ(sz_flow_tag(&a) & ~SZ_SERVER_TAG, 0);
	b.client_port = 3;
	EXPECT_TRUE(sz_flow_tag(&a) != sz_flow_tag(&b));
	b = a;
	b.client.b[15] = 1;
	EXPECT_TRUE(sz_flow_tag(&a) != sz_flow_tag(&b));
}

TEST(acknowledgements_only_move_forward_and_never_beyond_what_passed)
{
	static const u32 bases[] = {500, 0xffffffc0};

	for (int i = 0; i < 2; i++) {
		u32 base = bases[i];
		struct sz_flow f = flow(base);

		f.next = base + 100;
		EXPECT_TRUE(sz_flow_note_ack(&f, TAG, base + 60, false));
		EXPECT_TRUE(sz_flow_open(&f));
		EXPECT_EQ(sz_flow_acked(&f), base + 60);
		EXPECT_TRUE(sz_flow_note_ack(&f, TAG, base + 20, false));
		EXPECT_EQ(sz_flow_acked(&f), base + 60);
		EXPECT_TRUE(sz_flow_note_ack(&f, TAG, base + 101, true));
		EXPECT_EQ(sz_flow_acked(&f), base + 100);
		EXPECT_TRUE(sz_flow_closed(&f));
		EXPECT_TRUE(sz_flow_note_ack(&f, TAG, base + 100, false));
		EXPECT_TRUE(sz_flow_closed(&f));
		EXPECT_TRUE(!sz_flow_note_ack(&f, TAG, base + 102, false));
		EXPECT_TRUE((f.server & SZ_SERVER_TAG) == TAG);
	}
}

TEST(range_speaks_for_its_first_byte_and_its_body)
{
	struct sz_flow f = flow(0xfffffff0);

	sz_range_set(&f, 3, 0xfffffff8, 10, 30, 77); /* wraps inside its fixed part */
	EXPECT_EQ(sz_range_find(&f, 0xfffffff7), SZ_RANGES);
	EXPECT_EQ(sz_range_find(&f, 0xfffffff8), 3);
	for (u32 i = 1; i < 10; i++)
		EXPECT_EQ(sz_range_find(&f, 0xfffffff8 + i), SZ_RANGES);
	for (u32 i = 10; i < 30; i++)
		EXPECT_EQ(sz_range_find(&f, 0xfffffff8 + i), 3);
	EXPECT_EQ(sz_range_find(&f, 0xfffffff8 + 30), SZ_RANGES);
}

TEST(ranges_are_free_once_they_are_acknowledged)
{
	struct sz_flow f = flow(1000);

	f.next = 5000;
	for (u32 i = 0; i < SZ_RANGES; i++)
		sz_range_set(&f, i, 1000 + 10 * i, 10, 10, 1);
	EXPECT_EQ(sz_range_free(&f), SZ_RANGES);
	sz_flow_note_ack(&f, TAG, 1009, false);
	EXPECT_EQ(sz_range_free(&f), SZ_RANGES);
	sz_flow_note_ack(&f, TAG, 1025, false);
	sz_ranges_forget(&f);
	EXPECT_EQ(f.range[0].len, 0);
	EXPECT_EQ(f.range[1].len, 0);
	EXPECT_EQ(f.range[2].len, 10);
	EXPECT_EQ(sz_range_free(&f), 0);
}

TEST(handshake_rule_holds_until_the_server_speaks)
{
	struct sz_flow f = flow(0xfffffffe);

	EXPECT_TRUE(sz_flow_handshake_ok(&f, f.base, 7001));
	EXPECT_TRUE(sz_flow_handshake_ok(&f, f.base - 1, 7001));
	EXPECT_TRUE(sz_flow_handshake_ok(&f, f.base + SZ_COOKIE_NEAR, 7001));
	EXPECT_TRUE(sz_flow_handshake_ok(&f, f.base + SZ_COOKIE_FAR - 1, 7001));
	EXPECT_TRUE(!sz_flow_handshake_ok(&f, f.base + SZ_COOKIE_FAR, 7001));
	EXPECT_TRUE(!sz_flow_handshake_ok(&f, f.base - 2, 7001));
	for (u32 d = 1; d < SZ_COOKIE_NEAR; d++)
		EXPECT_TRUE(!sz_flow_handshake_ok(&f, f.base + d, 7001));
	EXPECT_TRUE(!sz_flow_handshake_ok(&f, f.base, 7000));
	EXPECT_TRUE(!sz_flow_handshake_ok(&f, f.base, 7002));
	sz_flow_note_ack(&f, TAG, f.base, false);
	EXPECT_TRUE(sz_flow_handshake_ok(&f, f.base + 3, 1));
}

TEST(reset_counts_where_the_server_may_obey_it)
{
	struct sz_flow f = flow(0xffffff00);

	f.next = f.base + 5000000;
	EXPECT_EQ(sz_flow_reset(&f, f.base - 1), SZ_RST_IGNORED);
	EXPECT_EQ(sz_flow_reset(&f, f.base), SZ_RST_OBEYED);
	EXPECT_EQ(sz_flow_reset(&f, f.base + SZ_RST_SPAN), SZ_RST_OBEYED);
	EXPECT_EQ(sz_flow_reset(&f, f.base + SZ_RST_SPAN + 1), SZ_RST_UNSURE);
	EXPECT_EQ(sz_flow_reset(&f, f.next + 1), SZ_RST_UNSURE);
	EXPECT_EQ(sz_flow_reset(&f, f.next + 2), SZ_RST_IGNORED);
}

TEST(floor_follows_behind_what_was_acknowledged)
{
	struct sz_flow f = flow(0);

	f.next = SZ_FLOOR_LAG;
	sz_flow_note_ack(&f, TAG, f.next, false);
	sz_flow_raise_floor(&f);
	EXPECT_EQ(f.floor, 0);
	f.next += 100;
	sz_flow_note_ack(&f, TAG, f.next, false);
	sz_flow_raise_floor(&f);
	EXPECT_EQ(f.floor, 100);
}

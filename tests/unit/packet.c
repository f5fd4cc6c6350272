/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The L2 to L4 parser on frames built by pkt.h: fields, oddities, and every cut of a frame. */
#include "harness.h"
#include "pkt.h"
#include "subzero/packet.h"

static u8 frame[PKT_MAX];
static u32 frame_len;
static struct sz_packet p;

/* Only the headers' bytes may be read, so give the parser no more than those. */
static void parse(void)
{
	u32 n = frame_len < SZ_HEADERS_LEN ? frame_len : SZ_HEADERS_LEN;
	u8 *exact = calloc(1, SZ_HEADERS_LEN);

	memcpy(exact, frame, n);
	sz_packet_parse(exact, n, frame_len, &p);
	free(exact);
}

static void build(struct pkt_spec s)
{
	frame_len = pkt_build(frame, &s);
	parse();
}

#define BUILD(...) build((struct pkt_spec){__VA_ARGS__})

TEST(fields_of_every_kind_of_frame)
{
	for (int i = 0; i < 24; i++) {
		bool v6 = i & 1, ts = i & 2;
		u8 vlans = (u8)(i / 4 % 3);
		u32 l3 = 14 + 4u * vlans, l4 = l3 + (v6 ? 40 : 20);

		BUILD(.v6 = v6, .ts = ts, .vlans = vlans, .flags = PKT_ACK, .seq = 0xfffffff0,
		      .ack = 0x80000001, .data = "hello", .len = 5, .pad = i & 8 ? 7 : 0);
		EXPECT_EQ(p.l4, SZ_L4_TCP);
		EXPECT_EQ(p.odd, 0);
		EXPECT_EQ(p.v6, v6);
		EXPECT_EQ(p.l3_off, l3);
		EXPECT_EQ(p.l4_off, l4);
		EXPECT_EQ(p.payload_off, l4 + (ts ? 32 : 20));
		EXPECT_EQ(p.payload_len, 5);
		EXPECT_EQ(p.seq, 0xfffffff0);
		EXPECT_EQ(p.ack, 0x80000001);
		EXPECT_EQ(p.tcp_flags, PKT_ACK);
		EXPECT_EQ(ntohs(p.key.client_port), 40000);
		EXPECT_EQ(ntohs(p.key.server_port), 8080);
		EXPECT_EQ(p.key.client.b[15], 7);
		EXPECT_EQ(p.key.server.b[15], 1);
		EXPECT_EQ(p.key.client.b[10], v6 ? 0 : 0xff);
		EXPECT_EQ(p.key.client.b[0], v6 ? 0x20 : 0);
		EXPECT_EQ(p.key.pad, 0);
	}
}

TEST(cut_frames_are_never_whole)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct pkt_spec s = {.v6 = v6,
				     .ts = true,
				     .vlans = 1,
				     .flags = PKT_ACK,
				     .data = "hello",
				     .len = 5};
		u32 whole = pkt_build(frame, &s);

		for (frame_len = 0; frame_len < whole; frame_len++) {
			parse();
			EXPECT_TRUE(p.l4 != SZ_L4_TCP || p.odd == SZ_R_MALFORMED);
			EXPECT_EQ(p.payload_len, 0);
			/* An address that was read is never just let go. */
			if (frame_len >= 18 + (v6 ? 40 : 20))
				EXPECT_EQ(p.odd, SZ_R_MALFORMED);
		}
	}
}

TEST(oddities_are_named)
{
	static const u8 opt[4] = {1, 1, 1, 0}, ext[8] = {6, 0, 1, 4};
	static const u8 auth[12] = {6, 1}, esp[8] = {6};
	static u8 many[64];

	BUILD(.frag = 0x2000, .flags = PKT_ACK);
	EXPECT_EQ(p.odd, SZ_R_FRAGMENT);
	EXPECT_EQ(p.l4, SZ_L4_UNKNOWN);
	BUILD(.frag = 0x1fff, .flags = PKT_ACK);
	EXPECT_EQ(p.odd, SZ_R_FRAGMENT);
	BUILD(.frag = 0x4000, .flags = PKT_ACK);
	EXPECT_EQ(p.odd, 0);
	BUILD(.ext = opt, .ext_len = 4, .flags = PKT_ACK);
	EXPECT_EQ(p.odd, SZ_R_IP_OPTIONS);
	EXPECT_EQ(p.l4, SZ_L4_TCP);
	BUILD(.v6 = true, .ext = ext, .ext_len = 8, .next = 0, .flags = PKT_ACK);
	EXPECT_EQ(p.odd, SZ_R_IP_OPTIONS);
	EXPECT_EQ(p.l4, SZ_L4_TCP);
	BUILD(.v6 = true, .ext = auth, .ext_len = 12, .next = 51, .flags = PKT_ACK);
	EXPECT_EQ(p.odd, SZ_R_IP_OPTIONS);
	EXPECT_EQ(p.l4, SZ_L4_TCP);
	BUILD(.v6 = true, .ext = ext, .ext_len = 8, .next = 44, .flags = PKT_ACK);
	EXPECT_EQ(p.odd, SZ_R_FRAGMENT);
	EXPECT_EQ(p.l4, SZ_L4_UNKNOWN);
	BUILD(.v6 = true, .ext = esp, .ext_len = 8, .next = 50, .flags = PKT_ACK);
	EXPECT_EQ(p.odd, 0);
	EXPECT_EQ(p.l4, SZ_L4_OTHER);
	for (u32 i = 0; i < sizeof(many); i += 8)
		many[i] = i + 8 < sizeof(many) ? 60 : 6;
	BUILD(.v6 = true, .ext = many, .ext_len = sizeof(many), .next = 60, .flags = PKT_ACK);
	EXPECT_EQ(p.odd, SZ_R_IP_OPTIONS);
	EXPECT_EQ(p.l4, SZ_L4_UNKNOWN); /* more than are walked */
	BUILD(.vlans = 3, .flags = PKT_ACK);
	EXPECT_EQ(p.odd, SZ_R_MALFORMED);
	EXPECT_EQ(p.l3_off, 0);
}

TEST(other_protocols_are_not_tcp)
{
	BUILD(.flags = PKT_ACK);
	frame[14 + 9] = 17;
	parse();
	EXPECT_EQ(p.l4, SZ_L4_OTHER);
	BUILD(.v6 = true, .flags = PKT_ACK);
	frame[14 + 6] = 58;
	parse();
	EXPECT_EQ(p.l4, SZ_L4_OTHER);
	pkt_put16(frame + 12, 0x0806);
	parse();
	EXPECT_EQ(p.l4, SZ_L4_OTHER);
}

TEST(packet_too_long_for_its_length_field_is_read)
{
	struct pkt_spec s = {.flags = PKT_ACK};

	pkt_build(frame, &s);
	pkt_put16(frame + 16, 0);
	frame_len = 100000;
	parse();
	EXPECT_EQ(p.l4, SZ_L4_TCP);
	EXPECT_EQ(p.payload_len, 100000 - 54);
	frame_len = 1000;
	parse();
	EXPECT_EQ(p.odd, SZ_R_MALFORMED);
}

static u32 multipath(const void *opt, u32 n, bool ts)
{
	BUILD(.flags = PKT_SYN, .ts = ts, .opt = opt, .opt_len = n);
	EXPECT_EQ(p.odd, 0);
	return sz_packet_multipath(frame, &p);
}

TEST(multipath_option_is_found_wherever_it_stands)
{
	static const u8 first[] = {30, 4, 0, 0}, later[] = {2, 4, 5, 180, 1, 30, 3, 0};
	static const u8 none[] = {2, 4, 30, 30, 3, 3, 30, 1};
	static const u8 behind_end[] = {0, 30, 4, 0}, broken[] = {2, 0, 30, 4};
	static const u8 last[] = {1, 1, 1, 30};

	EXPECT_EQ(multipath(first, 4, false), 54);
	EXPECT_EQ(multipath(first, 4, true), 66);
	EXPECT_EQ(multipath(later, 8, false), 59);
	EXPECT_EQ(multipath(last, 4, false), 57);
	EXPECT_EQ(multipath(none, 8, false), 0);
	EXPECT_EQ(multipath(none, 8, true), 0);
	EXPECT_EQ(multipath(behind_end, 4, false), 0);
	EXPECT_EQ(multipath(broken, 4, false), 0);
	EXPECT_EQ(multipath(NULL, 0, true), 0);
}

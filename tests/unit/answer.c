/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Checksums and built headers beside pkt.h, which shares no code with them. */
#include "harness.h"
#include "pkt.h"
#include "subzero/answer.h"

static u8 frame[PKT_MAX], data[1500];
static u8 out[PKT_MAX];
static struct sz_packet p;
static struct pkt_seg seg;
static u32 frame_len, seed;

static u32 random_number(void)
{
	seed = seed * 1103515245 + 12345;
	return seed >> 8 & 0xffff;
}

static void build(struct pkt_spec s)
{
	frame_len = pkt_build(frame, &s);
	sz_packet_parse(frame, frame_len, frame_len, &p);
	ASSERT_EQ(p.l4, SZ_L4_TCP);
}

TEST(sums_of_all_lengths_and_offsets)
{
	static u8 buf[SZ_FRAME_MAX + 64];

	for (u32 i = 0; i < sizeof(buf); i++)
		buf[i] = (u8)(random_number() >> 3);
	for (u32 off = 0; off < 9; off++)
		for (u32 n = 0; n < 100; n++) {
			u32 want = pkt_sum(buf + off, n, 0);
			u32 got = ntohs(sz_csum_fold(sz_csum_bytes(buf, off, n)));

			if (got % 0xffff != want % 0xffff)
				EXPECT_EQ(off, n + 1000);
		}
	memset(buf, 0xff, sizeof(buf));
	EXPECT_EQ(sz_csum_fold(sz_csum_bytes(buf, 0, SZ_FRAME_MAX)), 0xffff);
}

TEST(segment_cut_at_every_byte_has_a_right_checksum)
{
	for (u32 i = 0; i < sizeof(data); i++)
		data[i] = (u8)(random_number() >> 3);
	for (int i = 0; i < 8; i++)
		for (u32 len = 2; len < 80; len += 1 + i % 3)
			for (u32 keep = 1; keep < len; keep++) {
				build((struct pkt_spec){.v6 = i & 1,
							.partial = i & 2,
							.ts = i & 4,
							.flags = PKT_ACK | PKT_PSH | PKT_FIN,
							.seq = len,
							.data = data + i,
							.len = len});
				memcpy(out, frame, sizeof(frame));
				ASSERT_TRUE(sz_trim_build(frame, &p, out, keep));
				ASSERT_TRUE(pkt_parse(out, p.payload_off + keep, &seg));
				if (!seg.ip_ok || !(i & 2 ? seg.partial_ok : seg.tcp_ok) ||
				    seg.len != keep || seg.flags != PKT_ACK)
					EXPECT_EQ(len, keep + 1000);
			}
}

TEST(wrong_checksum_stays_wrong_when_cut)
{
	build((struct pkt_spec){.flags = PKT_ACK, .data = "hello", .len = 5});
	frame[p.l4_off + 17] ^= 1;
	memcpy(out, frame, sizeof(frame));
	ASSERT_TRUE(sz_trim_build(frame, &p, out, 2));
	ASSERT_TRUE(pkt_parse(out, p.payload_off + 2, &seg));
	EXPECT_TRUE(!seg.tcp_ok && !seg.partial_ok);
}

TEST(reply_headers_fit_a_body_of_any_sum)
{
	for (u32 i = 0; i < 400; i++) {
		u32 n = i * 3 % 700, hdr;
		struct sz_reply r = {SZ_TCP_FIN | SZ_TCP_ACK, n, 0, 0};

		for (u32 k = 0; k < n; k++)
			data[k] = (u8)(random_number() >> 3);
		build((struct pkt_spec){.v6 = i & 1,
					.ts = i & 2,
					.vlans = (u8)(i / 4 % 3),
					.flags = PKT_ACK,
					.seq = random_number() << 16,
					.ack = random_number() << 16,
					.tsval = 1,
					.tsecr = i,
					.data = "x",
					.len = 1});
		r.body_sum = htons((u16)pkt_sum(data, n, 0));
		sz_reply_build(frame, &p, out, &r);
		hdr = r.hdr_len;
		EXPECT_EQ(hdr, p.l4_off + (i & 2 ? 32 : 20));
		memcpy(out + hdr, data, n);
		ASSERT_TRUE(pkt_parse(out, hdr + n, &seg));
		EXPECT_TRUE(seg.ip_ok && seg.tcp_ok && seg.len == n);
		EXPECT_EQ(seg.seq, p.ack);
		EXPECT_EQ(seg.ack, p.seq + 1);
		EXPECT_EQ(seg.ts, (i & 2) != 0);
	}
}

TEST(reset_without_an_ack_to_answer_begins_at_zero)
{
	struct sz_reply r = {SZ_TCP_RST | SZ_TCP_ACK, 0, 0, 0};

	build((struct pkt_spec){.flags = PKT_FIN, .seq = 9, .ack = 5, .data = "x", .len = 1});
	sz_reply_build(frame, &p, out, &r);
	ASSERT_TRUE(pkt_parse(out, r.hdr_len, &seg));
	EXPECT_TRUE(seg.ip_ok && seg.tcp_ok);
	EXPECT_EQ(seg.seq, 0);
	EXPECT_EQ(seg.ack, 11);
}

TEST(reset_to_the_server_lies_at_the_byte_it_expects)
{
	for (int i = 0; i < 12; i++) {
		u32 n;

		build((struct pkt_spec){.v6 = i & 1,
					.ts = i & 2,
					.vlans = (u8)(i / 4),
					.flags = PKT_ACK | PKT_PSH,
					.seq = 77,
					.ack = 88,
					.data = "hello",
					.len = 5});
		n = sz_reset_build(frame, &p, out, 0xfedcba98);
		ASSERT_TRUE(pkt_parse(out, n, &seg));
		EXPECT_TRUE(seg.ip_ok && seg.tcp_ok && !seg.ts);
		EXPECT_EQ(seg.flags, PKT_RST | PKT_ACK);
		EXPECT_EQ(seg.seq, 0xfedcba98);
		EXPECT_EQ(seg.ack, 88);
		EXPECT_EQ(seg.len, 0);
		EXPECT_EQ(seg.vlans, i / 4);
		EXPECT_EQ(seg.dport, 8080);
	}
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sz_frame_checksum(): finds the TCP segment, tells right from partial from wrong, completes.
 * The frames are built here with their own, slower checksum.
 */
#include "harness.h"

#include <arpa/inet.h>

#include "kern/kern.h"

struct frame {
	u8 b[512];
	size_t len, ip, tcp;
};

/* RFC 1071, byte by byte. */
static u32 add(u32 sum, const u8 *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		sum += (u32)p[i] << (i & 1 ? 0 : 8);
	return sum;
}

static u16 fold16(u32 sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (u16)sum;
}

static void put16(u8 *p, u16 v)
{
	p[0] = (u8)(v >> 8);
	p[1] = (u8)v;
}

static u16 pseudo_sum(const struct frame *f, bool v6)
{
	size_t n = f->len - f->tcp;
	u32 sum = v6 ? add(0, f->b + f->ip + 8, 32) : add(0, f->b + f->ip + 12, 8);

	return fold16(sum + 6 + (u32)n);
}

static u16 full_check(const struct frame *f, bool v6)
{
	return (u16)~fold16(add(pseudo_sum(f, v6), f->b + f->tcp, f->len - f->tcp));
}

/* Ethernet, `tags` VLAN tags, IP, TCP and `payload` bytes; the checksum field is zero. */
static struct frame build(bool v6, int tags, size_t payload)
{
	struct frame f = { .len = 12 };
	size_t i;

	for (i = 0; i < 12; i++)
		f.b[i] = (u8)(0x10 + i);
	while (tags--) {
		put16(f.b + f.len, tags ? 0x88a8 : 0x8100);
		put16(f.b + f.len + 2, 7);
		f.len += 4;
	}
	put16(f.b + f.len, v6 ? 0x86dd : 0x0800);
	f.ip = f.len + 2;
	f.tcp = f.ip + (v6 ? 40 : 20);
	f.len = f.tcp + 20 + payload;
	if (v6) {
		f.b[f.ip] = 0x60;
		put16(f.b + f.ip + 4, (u16)(20 + payload));
		f.b[f.ip + 6] = 6;
		for (i = 8; i < 40; i++)
			f.b[f.ip + i] = (u8)(i * 7);
	} else {
		f.b[f.ip] = 0x45;
		put16(f.b + f.ip + 2, (u16)(40 + payload));
		f.b[f.ip + 9] = 6;
		for (i = 12; i < 20; i++)
			f.b[f.ip + i] = (u8)(i * 9);
	}
	for (i = 0; i < 16; i++)
		f.b[f.tcp + i] = (u8)(i * 13 + 1);
	f.b[f.tcp + 12] = 0x50;
	for (i = 0; i < payload; i++)
		f.b[f.tcp + 20 + i] = (u8)(i * 31 + 5);
	return f;
}

TEST(a_right_checksum_is_left_alone)
{
	size_t payload;
	int v6, tags;

	for (v6 = 0; v6 < 2; v6++)
		for (tags = 0; tags <= 2; tags++)
			for (payload = 0; payload < 9; payload++) {
				struct frame f = build(v6, tags, payload), before;

				put16(f.b + f.tcp + 16, full_check(&f, v6));
				before = f;
				EXPECT_EQ(sz_frame_checksum(f.b, f.len), 1);
				EXPECT_MEMEQ(f.b, before.b, f.len);
			}
}

TEST(a_partial_checksum_is_completed)
{
	size_t payload;
	int v6, tags;

	for (v6 = 0; v6 < 2; v6++)
		for (tags = 0; tags <= 2; tags++)
			for (payload = 0; payload < 9; payload++) {
				struct frame f = build(v6, tags, payload);
				u8 want[2];

				put16(want, full_check(&f, v6));
				put16(f.b + f.tcp + 16, pseudo_sum(&f, v6));
				EXPECT_EQ(sz_frame_checksum(f.b, f.len), 2);
				EXPECT_MEMEQ(f.b + f.tcp + 16, want, 2);
				EXPECT_EQ(sz_frame_checksum(f.b, f.len), 1);
			}
}

TEST(a_wrong_checksum_is_reported_and_not_touched)
{
	struct frame f = build(false, 0, 33), before;

	put16(f.b + f.tcp + 16, (u16)(full_check(&f, false) + 1));
	before = f;
	EXPECT_EQ(sz_frame_checksum(f.b, f.len), 0);
	EXPECT_MEMEQ(f.b, before.b, f.len);
}

TEST(a_changed_payload_byte_is_wrong)
{
	struct frame f = build(true, 1, 100);

	put16(f.b + f.tcp + 16, full_check(&f, true));
	f.b[f.tcp + 60] ^= 0x40;
	EXPECT_EQ(sz_frame_checksum(f.b, f.len), 0);
}

TEST(padding_behind_the_packet_does_not_count)
{
	struct frame f = build(false, 0, 1);

	put16(f.b + f.tcp + 16, full_check(&f, false));
	memset(f.b + f.len, 0xee, 5);
	EXPECT_EQ(sz_frame_checksum(f.b, f.len + 5), 1);
}

TEST(ipv4_options_are_stepped_over)
{
	struct frame f = build(false, 0, 10), g = f;

	memmove(g.b + g.tcp + 4, f.b + f.tcp, f.len - f.tcp);
	memset(g.b + g.tcp, 1, 4);
	g.tcp += 4;
	g.len += 4;
	g.b[g.ip] = 0x46;
	put16(g.b + g.ip + 2, (u16)(g.len - g.ip));
	put16(g.b + g.tcp + 16, full_check(&g, false));
	EXPECT_EQ(sz_frame_checksum(g.b, g.len), 1);
}

TEST(anything_but_whole_tcp_is_refused)
{
	struct frame f = build(false, 0, 10), g;

	put16(f.b + f.tcp + 16, full_check(&f, false));
	g = f;
	g.b[g.ip + 9] = 17; /* UDP */
	EXPECT_EQ(sz_frame_checksum(g.b, g.len), 0);
	g = f;
	put16(g.b + g.ip + 6, 0x2000); /* more fragments */
	EXPECT_EQ(sz_frame_checksum(g.b, g.len), 0);
	g = f;
	put16(g.b + g.ip + 2, 51); /* one byte more than there is */
	EXPECT_EQ(sz_frame_checksum(g.b, f.len), 0);
	g = f;
	put16(g.b + 12, 0x0806); /* ARP */
	EXPECT_EQ(sz_frame_checksum(g.b, g.len), 0);
	g = build(false, 3, 10); /* one tag too many */
	put16(g.b + g.tcp + 16, full_check(&g, false));
	EXPECT_EQ(sz_frame_checksum(g.b, g.len), 0);
}

TEST(every_cut_of_a_frame_is_refused_without_reading_past_it)
{
	int v6, tags;
	size_t n;

	for (v6 = 0; v6 < 2; v6++)
		for (tags = 0; tags <= 2; tags++) {
			struct frame f = build(v6, tags, 20);

			put16(f.b + f.tcp + 16, full_check(&f, v6));
			for (n = 0; n < f.len; n++) {
				u8 *cut = malloc(n ? n : 1);

				memcpy(cut, f.b, n);
				EXPECT_EQ(sz_frame_checksum(cut, n), 0);
				free(cut);
			}
		}
}

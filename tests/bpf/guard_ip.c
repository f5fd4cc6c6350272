/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Everything below TCP that could hide a request from the guard: fragments, options, extension
 * headers, VLAN tags, lengths that lie, tunnels. The oracle of each test: on a connection that is
 * open, with a request the guard would have to decide, the frame either passes decided or is
 * dropped for the reason named, and then the flow has not moved.
 */
#include "scene.h"

#define L3        14u
#define V6_NEXT   (L3 + 6)
#define IP4_BYTES 20u
#define IP6_BYTES 40u

static struct sz_flow flow_before;

/* An open connection, and one undecided request as a plain frame in scene.in. */
static void request(bool v6)
{
	struct pkt_spec s = {.flags = PKT_ACK | PKT_PSH, .data = GET_NO_TOKEN, .v6 = v6};

	s.len = LEN(GET_NO_TOKEN);
	scene.v6 = v6;
	if (!scene_half(&flow_before))
		scene_connect();
	s.seq = scene_base;
	s.ack = scene_ack;
	ASSERT_TRUE(scene_half(&flow_before));
	scene.in_len = pkt_build(scene.in, &s);
}

static bool flow_moved(void)
{
	struct sz_flow now;

	return !scene_half(&now) || memcmp(&now, &flow_before, sizeof(now));
}

/* The frame in scene.in is dropped for exactly this reason and leaves nothing behind. */
static void refused_for(u32 reason, const char *what)
{
	u64 before = scene_count(reason);
	int failed = test_failed;
	struct sz_miss m;

	EXPECT_EQ(scene_raw(), SCENE_DROP);
	EXPECT_EQ(scene_count(reason), before + 1);
	EXPECT_TRUE(!flow_moved());
	EXPECT_TRUE(!scene_miss(&m));
	if (test_failed > failed)
		printf("# in case: %s\n", what);
}

/* The frame is decided like any other: this request has no token. */
static void decided(const char *what)
{
	u64 before = scene_count(SZ_R_NO_TOKEN);
	int failed = test_failed;

	EXPECT_EQ(scene_raw(), SCENE_REPLY);
	EXPECT_EQ(scene_count(SZ_R_NO_TOKEN), before + 1);
	if (test_failed > failed)
		printf("# in case: %s\n", what);
}

/* Puts n bytes between the fixed header and TCP; lengths and the IPv4 checksum follow. */
static void insert(const void *bytes, u32 n)
{
	bool v6 = scene.v6;
	u32 at = L3 + (v6 ? IP6_BYTES : IP4_BYTES);
	u8 *ip = scene.in + L3;

	memmove(scene.in + at + n, scene.in + at, scene.in_len - at);
	memcpy(scene.in + at, bytes, n);
	scene.in_len += n;
	if (v6) {
		pkt_put16(ip + 4, pkt_get16(ip + 4) + n);
		return;
	}
	ip[0] = (u8)(ip[0] + n / 4);
	pkt_put16(ip + 2, pkt_get16(ip + 2) + n);
}

/* Cuts the packet after n bytes behind the fixed header; its lengths say so. */
static void cut(u32 n)
{
	u32 l4 = scene.v6 ? IP6_BYTES : IP4_BYTES;

	scene.in_len = L3 + l4 + n;
	pkt_put16(scene.in + L3 + (scene.v6 ? 4 : 2), scene.v6 ? n : IP4_BYTES + n);
}

/* One extension header of `units` times eight bytes. */
static u32 ext(u8 *to, u8 next, u32 units)
{
	memset(to, 0, 8 * units);
	to[0] = next;
	to[1] = (u8)(units - 1);
	return 8 * units;
}

static u32 frag_ext(u8 *to, u8 next, u32 offset, bool more)
{
	memset(to, 0, 8);
	to[0] = next;
	pkt_put16(to + 2, offset << 3 | more);
	pkt_put32(to + 4, 0xfeed);
	return 8;
}

/* ---- fragments ------------------------------------------------------------------------------ */

TEST(no_fragment_of_a_tcp_packet_passes_over_ipv4)
{
	static const struct {
		const char *what;
		u16 frag;
		u32 keep; /* bytes behind the IP header; 0 = all */
	} c[] = {
		{"first", 0x2000, 64},
		{"first with DF", 0x6000, 64},
		{"middle", 0x2008, 64},
		{"last", 0x0008, 0},
		{"last at the highest offset", 0x1fff, 24},
		{"tiny first: ports only", 0x2000, 8},
		{"tiny first: one byte", 0x2000, 1},
		{"empty first", 0x2000, 0},
		{"overlaps the TCP header's flags", 0x0001, 0},
		{"with the reserved bit", 0xa000, 64},
	};

	for (u32 i = 0; i < sizeof(c) / sizeof(*c); i++) {
		scene_begin();
		request(false);
		pkt_put16(scene.in + L3 + 6, c[i].frag);
		if (c[i].keep)
			cut(c[i].keep);
		refused_for(SZ_R_FRAGMENT, c[i].what);
	}
}

TEST(reserved_bit_and_dont_fragment_alone_make_no_fragment)
{
	scene_begin();
	request(false);
	pkt_put16(scene.in + L3 + 6, 0xc000);
	decided("reserved and DF");
}

TEST(no_fragment_of_a_tcp_packet_passes_over_ipv6)
{
	static const struct {
		const char *what;
		u32 offset;
		bool more;
		u32 keep; /* bytes behind the fixed header; 0 = all */
	} c[] = {
		{"first", 0, true, 72},  {"middle", 8, true, 72}, {"last", 8, false, 0},
		{"atomic", 0, false, 0}, {"tiny", 0, true, 16},   {"nothing behind it", 0, true, 8},
		{"overlaps", 1, false, 0}, {"highest offset", 0x1fff, false, 24},
	};
	u8 h[8];

	for (u32 i = 0; i < sizeof(c) / sizeof(*c); i++) {
		scene_begin();
		request(true);
		frag_ext(h, 6, c[i].offset, c[i].more);
		insert(h, 8);
		scene.in[V6_NEXT] = 44;
		if (c[i].keep)
			cut(c[i].keep);
		refused_for(SZ_R_FRAGMENT, c[i].what);
	}
}

/*
 * What a reassembled packet is, its first fragment says (RFC 8200 section 4.5). So a first one
 * whose chain of headers leads to TCP, or out of the fragment, must not pass.
 */
TEST(first_ipv6_fragment_is_refused_unless_it_shows_another_protocol)
{
	static const struct {
		const char *what;
		u8 first;
		u32 keep;
		bool passes;
	} c[] = {
		{"chain ends beyond the fragment", 60, 8 + 8, false},
		{"chain in the fragment", 60, 0, false},
		{"no byte of the chain", 60, 8, false},
		{"part of the chain", 60, 8 + 4, false},
		{"fragment in a fragment", 44, 8 + 8, false},
		{"UDP", 17, 0, true},
	};
	u8 h[24];

	for (u32 i = 0; i < sizeof(c) / sizeof(*c); i++) {
		u32 n;

		scene_begin();
		request(true);
		n = frag_ext(h, c[i].first, 0, true);
		n += c[i].first == 44 ? frag_ext(h + n, 60, 0, true) : ext(h + n, 60, 1);
		n += ext(h + n, 6, 1);
		insert(h, n);
		scene.in[V6_NEXT] = 44;
		if (c[i].keep)
			cut(c[i].keep);
		if (c[i].passes)
			EXPECT_EQ(scene_raw(), SCENE_PASS);
		else
			refused_for(SZ_R_FRAGMENT, c[i].what);
	}
}

/* ---- options and extension headers ---------------------------------------------------------- */

TEST(no_tcp_packet_with_ipv4_options_passes)
{
	static const struct {
		const char *what;
		u8 bytes[12], n;
	} c[] = {
		{"end of list", {0, 0, 0, 0}, 4},
		{"no operation", {1, 1, 1, 1}, 4},
		{"loose source route", {131, 7, 4, 192, 0, 2, 99, 0}, 8},
		{"strict source route", {137, 7, 4, 192, 0, 2, 99, 0}, 8},
		{"record route", {7, 7, 4, 0, 0, 0, 0, 0}, 8},
		{"timestamp", {68, 12, 5, 0}, 12},
		{"router alert", {148, 4, 0, 0}, 4},
		{"length zero", {131, 0, 0, 0}, 4},
		{"length one", {131, 1, 0, 0}, 4},
		{"length beyond the header", {131, 40, 4, 0}, 4},
		{"unknown", {158, 4, 1, 2}, 4},
	};

	for (u32 i = 0; i < sizeof(c) / sizeof(*c); i++) {
		scene_begin();
		request(false);
		insert(c[i].bytes, c[i].n);
		refused_for(SZ_R_IP_OPTIONS, c[i].what);
	}
}

TEST(largest_ipv4_header_is_refused_too)
{
	u8 nops[40];

	memset(nops, 1, sizeof(nops));
	scene_begin();
	request(false);
	insert(nops, sizeof(nops));
	EXPECT_EQ(scene.in[L3], 0x4f);
	refused_for(SZ_R_IP_OPTIONS, "60 bytes");
}

TEST(no_tcp_packet_behind_ipv6_extension_headers_passes)
{
	static const u8 kind[] = {0, 43, 51, 60, 135, 139, 140};
	u8 h[64];

	for (u32 i = 0; i < sizeof(kind); i++)
		for (u32 units = 1; units <= 4; units += 3) {
			char what[32];

			snprintf(what, sizeof(what), "header %u, %u bytes", kind[i], 8 * units);
			scene_begin();
			request(true);
			insert(h, ext(h, 6, units));
			scene.in[V6_NEXT] = kind[i];
			if (kind[i] == 51) /* counts in units of four, less two */
				scene.in[L3 + IP6_BYTES + 1] = (u8)(2 * units - 2);
			refused_for(SZ_R_IP_OPTIONS, what);
		}
}

TEST(chains_of_extension_headers_are_refused_at_any_length)
{
	u8 h[320];

	for (u32 depth = 2; depth <= 40; depth++) {
		char what[32];
		u32 n = 0;

		for (u32 i = 0; i < depth; i++)
			n += ext(h + n, i + 1 == depth ? 6 : 60, 1);
		snprintf(what, sizeof(what), "%u headers", depth);
		scene_begin();
		request(true);
		insert(h, n);
		scene.in[V6_NEXT] = 0;
		refused_for(SZ_R_IP_OPTIONS, what);
	}
}

TEST(extension_headers_longer_than_the_headers_read_are_refused)
{
	u8 h[2048];

	for (u32 units = 16; units <= 256; units += 48) {
		scene_begin();
		request(true);
		insert(h, ext(h, 6, units));
		scene.in[V6_NEXT] = 60;
		EXPECT_EQ(scene_raw(), SCENE_DROP);
		EXPECT_TRUE(!flow_moved());
	}
}

TEST(truncated_extension_headers_are_refused)
{
	u8 h[16];

	for (u32 keep = 0; keep < 16; keep++) {
		scene_begin();
		request(true);
		ext(h, 60, 1);
		ext(h + 8, 6, 1);
		insert(h, 16);
		scene.in[V6_NEXT] = 0;
		cut(keep);
		refused_for(SZ_R_IP_OPTIONS, "cut short");
	}
}

/* A protocol that no stack hands to TCP; with ESP and the like the tunnel's own end decides. */
TEST(unknown_protocols_and_no_next_header_pass_as_foreign)
{
	static const u8 proto[] = {59, 253, 254, 50, 108, 132, 17, 58};

	for (u32 i = 0; i < sizeof(proto); i++) {
		scene_begin();
		request(true);
		scene.in[V6_NEXT] = proto[i];
		EXPECT_EQ(scene_raw(), SCENE_PASS);
		EXPECT_EQ(scene_count(SZ_R_FOREIGN), 1);
		EXPECT_TRUE(!flow_moved());
	}
}

/* ---- VLAN ----------------------------------------------------------------------------------- */

/* Puts tags before the type field: tpid and tci of each. */
static void tag(const u16 *tags, u32 n)
{
	memmove(scene.in + 12 + 4 * n, scene.in + 12, scene.in_len - 12);
	for (u32 i = 0; i < 2 * n; i++)
		pkt_put16(scene.in + 12 + 2 * i, tags[i]);
	scene.in_len += 4 * n;
}

TEST(requests_behind_one_or_two_vlan_tags_are_decided)
{
	static const struct {
		const char *what;
		u16 tags[4];
		u32 n;
	} c[] = {
		{"one", {0x8100, 5}, 1},
		{"priority only", {0x8100, 0xe000}, 1},
		{"drop eligible", {0x8100, 0x1005}, 1},
		{"service tag alone", {0x88a8, 5}, 1},
		{"QinQ", {0x88a8, 5, 0x8100, 6}, 2},
		{"two customer tags", {0x8100, 5, 0x8100, 6}, 2},
		{"priority tag, then another", {0x8100, 0, 0x8100, 0}, 2},
		{"the wrong way round", {0x8100, 5, 0x88a8, 6}, 2},
	};

	for (u32 i = 0; i < sizeof(c) / sizeof(*c); i++)
		for (int v6 = 0; v6 < 2; v6++) {
			scene_begin();
			request(v6);
			tag(c[i].tags, c[i].n);
			decided(c[i].what);
			/* The answer goes back behind the same tags. */
			EXPECT_MEMEQ(scene.out + 12, scene.in + 12, 4 * c[i].n);
		}
}

TEST(deeper_vlan_tags_are_refused_wherever_they_lead)
{
	u16 tags[16];

	for (u32 n = 3; n <= 8; n++) {
		for (u32 i = 0; i < n; i++) {
			tags[2 * i] = i & 1 ? 0x88a8 : 0x8100;
			tags[2 * i + 1] = 0;
		}
		scene_begin();
		request(n & 1);
		tag(tags, n);
		refused_for(SZ_R_MALFORMED, "deep");
	}
}

TEST(fragments_and_options_behind_vlan_tags_are_refused)
{
	static const u16 tags[] = {0x88a8, 5, 0x8100, 6};
	static const u8 nop[4] = {1, 1, 1, 1};
	u8 h[8];

	scene_begin();
	request(false);
	pkt_put16(scene.in + L3 + 6, 0x2000);
	tag(tags, 2);
	refused_for(SZ_R_FRAGMENT, "IPv4 fragment");
	request(false);
	insert(nop, 4);
	tag(tags, 2);
	refused_for(SZ_R_IP_OPTIONS, "IPv4 options");
	scene_begin();
	request(true);
	frag_ext(h, 6, 0, true);
	insert(h, 8);
	scene.in[V6_NEXT] = 44;
	tag(tags, 1);
	refused_for(SZ_R_FRAGMENT, "IPv6 fragment");
}

TEST(frames_that_end_within_their_tags_or_headers_carry_nothing)
{
	static const u16 tags[] = {0x88a8, 5, 0x8100, 6};

	for (int v6 = 0; v6 < 2; v6++)
		for (u32 n = 14; n < 14 + 8 + (v6 ? 40u : 20u); n++) {
			scene_begin();
			request(v6);
			tag(tags, 2);
			scene.in_len = n;
			/* No stack reads a protocol from it: it is foreign and moves nothing. */
			EXPECT_EQ(scene_raw(), SCENE_PASS);
			EXPECT_TRUE(!flow_moved());
		}
}

/* ---- lengths -------------------------------------------------------------------------------- */

TEST(ipv4_lengths_that_lie_are_refused)
{
	u32 whole = IP4_BYTES + 20 + LEN(GET_NO_TOKEN);
	static const u16 small[] = {0, 1, 19, 20, 39};

	for (u32 i = 0; i < 5; i++) {
		scene_begin();
		request(false);
		pkt_put16(scene.in + L3 + 2, small[i]);
		refused_for(SZ_R_MALFORMED, "total length too small");
	}
	for (u32 more = 1; more < 65536 - whole; more += 7919) {
		scene_begin();
		request(false);
		pkt_put16(scene.in + L3 + 2, whole + more);
		refused_for(SZ_R_MALFORMED, "total length beyond the frame");
	}
	for (u8 ihl = 0; ihl < 5; ihl++) {
		scene_begin();
		request(false);
		scene.in[L3] = 0x40 | ihl;
		refused_for(SZ_R_MALFORMED, "header length below 20");
	}
	for (u8 version = 0; version < 16; version++) {
		if (version == 4)
			continue;
		scene_begin();
		request(false);
		scene.in[L3] = (u8)(version << 4 | 5);
		refused_for(SZ_R_MALFORMED, "another version");
	}
}

TEST(ipv6_lengths_that_lie_are_refused)
{
	static const u16 small[] = {0, 1, 19};
	u32 whole = 20 + LEN(GET_NO_TOKEN);

	for (u32 i = 0; i < 3; i++) {
		scene_begin();
		request(true);
		pkt_put16(scene.in + L3 + 4, small[i]);
		refused_for(SZ_R_MALFORMED, "payload length too small");
	}
	for (u32 more = 1; more < 65536 - whole; more += 7919) {
		scene_begin();
		request(true);
		pkt_put16(scene.in + L3 + 4, whole + more);
		refused_for(SZ_R_MALFORMED, "payload length beyond the frame");
	}
}

/* RFC 2675: the length stands in a hop-by-hop option, and the field is zero. */
TEST(jumbograms_are_refused)
{
	u8 h[8] = {6, 0, 0xc2, 4, 0, 0, 0, 0};

	scene_begin();
	request(true);
	pkt_put32(h + 4, 8 + 20 + LEN(GET_NO_TOKEN));
	insert(h, 8);
	scene.in[V6_NEXT] = 0;
	pkt_put16(scene.in + L3 + 4, 0);
	refused_for(SZ_R_IP_OPTIONS, "jumbogram");
}

TEST(tcp_data_offset_is_within_the_packet)
{
	for (int v6 = 0; v6 < 2; v6++)
		for (u8 words = 0; words < 16; words++) {
			u32 at = L3 + (v6 ? IP6_BYTES : IP4_BYTES) + 12;

			scene_begin();
			request(v6);
			scene.in[at] = (u8)(words << 4);
			/* The request is 28 bytes: what a longer header leaves of it is decided. */
			if (words < 5 || words > 12)
				refused_for(SZ_R_MALFORMED, "data offset");
			else
				EXPECT_EQ(scene_raw() == SCENE_PASS, words == 12);
			scene_begin();
			request(v6);
			/* Four bytes of options by the IP length, the rest is padding. */
			pkt_put16(scene.in + L3 + (v6 ? 4 : 2), (v6 ? 0 : 20) + 24);
			scene.in[at] = (u8)(words << 4);
			if (words > 6)
				refused_for(SZ_R_MALFORMED, "data offset beyond the packet");
		}
}

TEST(packet_shorter_than_its_frame_is_read_to_its_own_end)
{
	for (int v6 = 0; v6 < 2; v6++) {
		scene_begin();
		request(v6);
		memset(scene.in + scene.in_len, 'x', 700);
		scene.in_len += 700;
		decided("padding");
		/* The whole request is padding: there is no payload. */
		scene_begin();
		request(v6);
		pkt_put16(scene.in + L3 + (v6 ? 4 : 2), v6 ? 20 : 40);
		EXPECT_EQ(scene_raw(), SCENE_PASS);
		EXPECT_EQ(scene_count(SZ_R_CONTROL), 3);
		EXPECT_TRUE(!flow_moved());
	}
}

TEST(frames_larger_than_are_read_are_refused_with_their_reason)
{
	static u8 body[16400];
	struct pkt_spec s = {.flags = PKT_ACK, .data = body};

	for (int v6 = 0; v6 < 2; v6++) {
		scene_begin();
		scene.v6 = v6;
		scene_connect();
		memset(body, 'a', sizeof(body));
		memcpy(body, GET_NO_TOKEN, LEN(GET_NO_TOKEN) - 2);
		s.v6 = v6;
		s.seq = scene_base;
		s.ack = scene_ack;
		s.len = SZ_FRAME_MAX;
		scene.in_len = pkt_build(scene.in, &s);
		ASSERT_TRUE(scene_half(&flow_before));
		refused_for(SZ_R_TOO_LARGE, "undecided");
	}
}

/* ---- addresses and tunnels ------------------------------------------------------------------ */

/* A stack drops such a source; here it must not lead to a verdict that anybody did not make. */
TEST(ipv4_mapped_addresses_in_an_ipv6_packet_open_nothing)
{
	for (int i = 0; i < 3; i++) {
		u8 *ip = scene.in + L3;
		int act;

		scene_begin();
		request(false); /* a connection with the same addresses over IPv4 */
		request(true);
		if (i != 1) {
			memset(ip + 8, 0, 16);
			memcpy(ip + 18, "\xff\xff\xc0\x00\x02\x07", 6);
		}
		if (i != 0) {
			memset(ip + 24, 0, 16);
			memcpy(ip + 34, "\xff\xff\xc0\x00\x02\x01", 6);
		}
		act = scene_raw();
		EXPECT_TRUE(act != SCENE_PASS);
	}
}

TEST(ipv6_packet_of_another_version_is_not_passed_undecided)
{
	for (u8 version = 0; version < 16; version++) {
		scene_begin();
		request(true);
		scene.in[L3] = (u8)(version << 4);
		EXPECT_TRUE(scene_raw() != SCENE_PASS);
	}
}

/* What lies inside is for the interface that opens the tunnel; see docs/threat-model.md. */
TEST(tunnels_to_a_protected_address_are_foreign_and_untouched)
{
	static const struct {
		u8 proto;
		bool outer6, inner6;
		u32 gre;
	} c[] = {
		{4, false, false, 0}, {41, false, true, 0}, {47, false, false, 4},
		{4, true, false, 0},  {41, true, true, 0},  {137, true, false, 4},
	};
	u8 inner[2048];

	for (u32 i = 0; i < sizeof(c) / sizeof(*c); i++) {
		u32 n, hdr = c[i].outer6 ? IP6_BYTES : IP4_BYTES;

		scene_begin();
		request(c[i].inner6);
		n = scene.in_len - L3;
		memcpy(inner, scene.in + L3, n);
		request(c[i].outer6);
		memset(scene.in + L3 + hdr, 0, c[i].gre);
		memcpy(scene.in + L3 + hdr + c[i].gre, inner, n);
		cut(c[i].gre + n);
		scene.in[L3 + (c[i].outer6 ? 6 : 9)] = c[i].proto;
		EXPECT_EQ(scene_raw(), SCENE_PASS);
		EXPECT_TRUE(scene.same);
		EXPECT_EQ(scene_count(SZ_R_FOREIGN), 1);
		EXPECT_TRUE(!flow_moved());
	}
}

TEST(datagrams_and_group_messages_to_the_protected_port_are_foreign)
{
	static const u8 proto[] = {2, 17, 33, 132, 136, 1};

	for (u32 i = 0; i < sizeof(proto); i++) {
		scene_begin();
		request(false);
		scene.in[L3 + 9] = proto[i];
		EXPECT_EQ(scene_raw(), SCENE_PASS);
		EXPECT_EQ(scene_count(SZ_R_FOREIGN), 1);
		EXPECT_TRUE(!flow_moved());
	}
}

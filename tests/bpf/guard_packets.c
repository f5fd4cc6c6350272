/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the guard makes of packets before it looks at any request: addresses and ports, VLAN tags,
 * fragments and options, TCP flags, bans, Multipath TCP, and a program that was never configured.
 */
#include "scene.h"

TEST(packet_for_another_port_or_host_passes_untouched)
{
	scene_begin();
	EXPECT_EQ(IN(.dport = 9999, .flags = PKT_ACK, .data = "GET / x", .len = 7), SCENE_PASS);
	EXPECT_TRUE(scene.same);
	EXPECT_EQ(IN(.server = 2, .flags = PKT_ACK, .data = "GET / x", .len = 7), SCENE_PASS);
	EXPECT_TRUE(scene.same);
	EXPECT_EQ(IN(.server = 2, .frag = 0x2000, .flags = PKT_ACK), SCENE_PASS);
	EXPECT_EQ(IN(.server = 2, .flags = PKT_SYN | PKT_FIN | PKT_URG, .urg = 1), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_FOREIGN), 4);
}

TEST(other_protocols_pass_even_to_a_protected_address)
{
	struct pkt_spec s = {.flags = PKT_ACK, .data = "12345678", .len = 8};

	scene_begin();
	for (int v6 = 0; v6 < 2; v6++) {
		s.v6 = v6;
		scene.in_len = pkt_build(scene.in, &s);
		scene.in[v6 ? 14 + 6 : 14 + 9] = 17;
		EXPECT_EQ(scene_raw(), SCENE_PASS);
		EXPECT_TRUE(scene.same);
	}
	memset(scene.in, 0, 60);
	scene.in_len = 60;
	pkt_put16(scene.in + 12, 0x0806); /* ARP */
	EXPECT_EQ(scene_raw(), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_FOREIGN), 3);
}

TEST(fragments_for_a_protected_address_are_dropped)
{
	static const u8 ext[8] = {6, 0, 0, 1};

	scene_begin();
	EXPECT_EQ(IN(.frag = 0x2000, .flags = PKT_ACK), SCENE_DROP);
	EXPECT_EQ(IN(.frag = 0x0001, .flags = PKT_ACK), SCENE_DROP);
	EXPECT_EQ(IN(.frag = 0x2000, .dport = 9999, .flags = PKT_ACK), SCENE_DROP);
	EXPECT_EQ(IN(.v6 = true, .ext = ext, .ext_len = 8, .next = 44, .flags = PKT_ACK),
		  SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_FRAGMENT), 4);
	EXPECT_EQ(IN(.frag = 0x4000, .flags = PKT_ACK), SCENE_PASS);
}

TEST(ipv4_options_and_ipv6_extension_headers_are_dropped)
{
	static const u8 nop[4] = {1, 1, 1, 0}, dst[8] = {6, 0, 1, 4};
	static const u8 two[16] = {60, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4};

	scene_begin();
	EXPECT_EQ(IN(.ext = nop, .ext_len = 4, .flags = PKT_ACK), SCENE_DROP);
	EXPECT_EQ(IN(.v6 = true, .ext = dst, .ext_len = 8, .next = 60, .flags = PKT_ACK),
		  SCENE_DROP);
	EXPECT_EQ(IN(.v6 = true, .ext = two, .ext_len = 16, .next = 43, .flags = PKT_ACK),
		  SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_IP_OPTIONS), 3);
	EXPECT_EQ(IN(.ext = nop, .ext_len = 4, .dport = 9999, .flags = PKT_ACK), SCENE_PASS);
}

TEST(packets_whose_lengths_lie_are_dropped)
{
	struct pkt_spec s = {.flags = PKT_ACK, .data = "x", .len = 1};

	scene_begin();
	for (int i = 0; i < 6; i++) {
		s.v6 = i == 5;
		scene.in_len = pkt_build(scene.in, &s);
		if (i == 0)
			pkt_put16(scene.in + 16, 42); /* one more than there is */
		if (i == 1)
			pkt_put16(scene.in + 16, 19);
		if (i == 2)
			scene.in[14 + 20 + 12] = 4 << 4; /* TCP header of 16 bytes */
		if (i == 3)
			scene.in[14 + 20 + 12] = 15 << 4;
		if (i == 4)
			scene.in[14] = 0x44;
		if (i == 5)
			pkt_put16(scene.in + 18, 22);
		EXPECT_EQ(scene_raw(), SCENE_DROP);
	}
	EXPECT_EQ(scene_count(SZ_R_MALFORMED), 6);
}

TEST(impossible_flags_and_urgent_data_are_dropped)
{
	static const u8 flags[] = {0,
				   PKT_PSH,
				   PKT_FIN,
				   PKT_SYN | PKT_FIN,
				   PKT_SYN | PKT_RST,
				   PKT_SYN | PKT_ACK,
				   PKT_SYN | PKT_URG};

	scene_begin();
	scene_connect();
	for (u32 i = 0; i < sizeof(flags); i++)
		EXPECT_EQ(IN(.flags = flags[i], .seq = scene_base, .ack = scene_ack), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_BAD_FLAGS), sizeof(flags));
	EXPECT_EQ(IN(.flags = PKT_ACK | PKT_URG, .urg = 1, .seq = scene_base, .ack = scene_ack,
		     .data = GET_A, .len = LEN(GET_A)),
		  SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_URGENT), 1);
}

TEST(up_to_two_vlan_tags_are_read_and_more_are_dropped)
{
	scene_begin();
	for (u8 n = 1; n <= 2; n++)
		for (int v6 = 0; v6 < 2; v6++) {
			u32 seq = 5000u * n;

			scene.v6 = v6;
			EXPECT_EQ(IN(.vlans = n, .flags = PKT_SYN, .seq = seq - 1), SCENE_PASS);
			OUT(.vlans = n, .flags = PKT_SYN | PKT_ACK, .seq = 70u + n, .ack = seq);
			EXPECT_EQ(IN(.vlans = n, .flags = PKT_ACK, .seq = seq, .ack = 71u + n,
				     .data = GET_A, .len = LEN(GET_A)),
				  SCENE_PASS);
			EXPECT_TRUE(scene.same);
		}
	EXPECT_EQ(scene_count(SZ_R_HIT), 4);
	scene.v6 = false;
	EXPECT_EQ(IN(.vlans = 3, .flags = PKT_ACK, .seq = 1, .ack = 1, .data = GET_A,
		     .len = LEN(GET_A)),
		  SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_MALFORMED), 1);
}

TEST(link_layer_padding_is_not_payload)
{
	scene_begin();
	scene_connect();
	EXPECT_EQ(IN(.flags = PKT_ACK, .seq = scene_base, .ack = scene_ack, .pad = 6), SCENE_PASS);
	EXPECT_EQ(IN(.flags = PKT_ACK, .seq = scene_base, .ack = scene_ack, .data = GET_A,
		     .len = LEN(GET_A), .pad = 40),
		  SCENE_PASS);
	EXPECT_TRUE(scene.same);
	EXPECT_EQ(scene_count(SZ_R_HIT), 1);
}

TEST(multipath_option_is_taken_out_of_a_syn)
{
	static const u8 opts[] = {2, 4, 5, 180, 30, 4, 0x01, 0x81, 4, 2, 1, 1};
	static const u8 want[] = {2, 4, 5, 180, 1, 1, 1, 1, 4, 2, 1, 1};
	static const u8 odd[] = {1, 30, 4, 0x01, 0x81, 3, 3, 7}; /* begins at an odd offset */
	static const u8 want_odd[] = {1, 1, 1, 1, 1, 3, 3, 7};

	for (int i = 0; i < 8; i++) {
		bool v6 = i & 1, partial = i & 2, o = i & 4;
		u32 n = o ? sizeof(odd) : sizeof(opts);

		scene_begin();
		EXPECT_EQ(IN(.v6 = v6, .partial = partial, .flags = PKT_SYN, .seq = 77,
			     .opt = o ? odd : opts, .opt_len = n),
			  SCENE_PASS);
		ASSERT_TRUE(scene.parsed && scene.out_len == scene.in_len);
		EXPECT_TRUE(scene.seg.ip_ok);
		EXPECT_TRUE(partial ? scene.seg.partial_ok : scene.seg.tcp_ok);
		EXPECT_MEMEQ(scene.seg.data - n, o ? want_odd : want, n);
		EXPECT_EQ(scene.seg.flags, PKT_SYN);
	}
}

TEST(syn_with_two_multipath_options_is_dropped)
{
	static const u8 opts[] = {30, 4, 0x01, 0x81, 30, 4, 0x01, 0x81};

	scene_begin();
	EXPECT_EQ(IN(.flags = PKT_SYN, .seq = 77, .opt = opts, .opt_len = sizeof(opts)),
		  SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_MULTIPATH), 1);
}

static void ban(const struct sz_addr *a, u32 bits, u64 expires_ns)
{
	struct sz_ban_key k = {.prefixlen = bits, .addr = *a};
	struct sz_ban b = {.expires_ns = expires_ns, .why = "test"};

	ASSERT_EQ(machine_set("sz_bans", &k, &b), 0);
}

/* One allowed prefix, against a ban that is longer and one that is shorter. */
TEST(allowed_source_is_not_banned_by_any_prefix)
{
	static const u32 bans[] = {97, 112, 120, 128};
	struct sz_ban_key allow = {.prefixlen = 120, .addr = scene_addr(false, 0)};
	u32 one = 1;

	for (u32 i = 0; i < 4; i++) {
		struct sz_ban_key k = {.prefixlen = bans[i], .addr = scene_addr(false, 7)};
		struct sz_ban ban = {};

		scene_begin();
		scene.cfg.ban_count = 1;
		scene_config();
		ASSERT_EQ(machine_set("sz_bans", &k, &ban), 0);
		EXPECT_EQ(IN(.flags = PKT_SYN, .seq = 1), SCENE_DROP);
		ASSERT_EQ(machine_set("sz_allow", &allow, &one), 0);
		EXPECT_EQ(IN(.flags = PKT_SYN, .seq = 1), SCENE_PASS);
		EXPECT_EQ(scene_count(SZ_R_BANNED), 1);
	}
}

TEST(banned_sources_are_dropped_until_the_ban_expires)
{
	struct sz_addr a = scene_addr(false, 0), six = scene_addr(true, 7);

	scene_begin();
	ban(&a, 96 + 24, 0);
	EXPECT_EQ(IN(.flags = PKT_SYN, .seq = 1), SCENE_PASS); /* nobody said there are bans */
	scene.cfg.ban_count = 1;
	scene_config();
	EXPECT_EQ(IN(.flags = PKT_SYN, .seq = 1), SCENE_DROP);
	EXPECT_EQ(IN(.v6 = true, .flags = PKT_SYN, .seq = 1), SCENE_PASS);
	EXPECT_EQ(IN(.dport = 9999, .flags = PKT_SYN, .seq = 1), SCENE_PASS);
	EXPECT_EQ(scene_count(SZ_R_BANNED), 1);
	ban(&six, 64, machine_now() + 3600000000000ull);
	EXPECT_EQ(IN(.v6 = true, .host = 200, .flags = PKT_SYN, .seq = 1), SCENE_DROP);
	ban(&six, 64, machine_now() - 1);
	EXPECT_EQ(IN(.v6 = true, .host = 200, .flags = PKT_SYN, .seq = 1), SCENE_PASS);
	/* The longest prefix decides. */
	a = scene_addr(false, 7);
	ban(&a, 128, machine_now() - 1);
	EXPECT_EQ(IN(.flags = PKT_SYN, .seq = 1), SCENE_PASS);
	EXPECT_EQ(IN(.host = 8, .flags = PKT_SYN, .seq = 1), SCENE_DROP);
}

TEST(unconfigured_program_drops_what_is_for_a_protected_port_only)
{
	scene_begin();
	scene.cfg.abi = 0;
	scene_config();
	EXPECT_EQ(IN(.flags = PKT_SYN, .seq = 1), SCENE_DROP);
	EXPECT_EQ(DATA(0, GET_PUB), SCENE_DROP);
	EXPECT_EQ(scene_count(SZ_R_UNCONFIGURED), 2);
	EXPECT_EQ(IN(.dport = 9999, .flags = PKT_SYN, .seq = 1), SCENE_PASS);
	scene.cfg.abi = SZ_ABI + 1;
	scene_config();
	EXPECT_EQ(DATA(0, GET_PUB), SCENE_DROP);
}

TEST(service_at_any_address_guards_local_servers_only)
{
	struct sz_service_key any = {.port = htons(9090)};
	struct sz_service svc = {.id = SCENE_SERVICE};
	struct sz_flow f;

	scene_begin();
	ASSERT_EQ(machine_set("sz_services", &any, &svc), 0);
	for (int forwarded = 0; forwarded < 2; forwarded++) {
		struct sz_flow_key k = scene_flow_key();

		k.server = scene_addr(false, 44);
		k.server_port = htons(9090);
		scene.forwarded = !forwarded;
		EXPECT_EQ(IN(.server = 44, .dport = 9090, .flags = PKT_SYN, .seq = 1), SCENE_PASS);
		OUT(.server = 44, .dport = 9090, .flags = PKT_SYN | PKT_ACK, .seq = 9, .ack = 2);
		EXPECT_EQ(machine_get("sz_half", &k, &f) == 0, forwarded);
	}
}

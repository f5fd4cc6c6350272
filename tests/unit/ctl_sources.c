/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `subzeroctl sources` over maps that hold what the test put there. */
#include "harness.h"

#define run ground_run /* ctl_run.h has a function of that name, too */
#include "kern_ground.h"
#undef run
#include "ctl_run.h"

static const struct sz_ctl_option options[] = {
	{"sort", 0, "BY", ""}, {"reason", 0, "REASON", ""}, {"in", 0, "PREFIX", ""},
	{"lines", 'n', "N", ""}, {"all", 0, NULL, ""}, {NULL, 0, NULL, NULL},
};
static const struct sz_ctl_command commands[] = {
	{"sources", "list", true, "", 0, 0, "", options, sz_ctl_cmd_sources},
	{"sources", "show", false, "ADDRESS", 1, 1, "", NULL, sz_ctl_cmd_sources_show},
	{"sources", "reset", false, "[ADDRESS]", 0, 1, "", options, sz_ctl_cmd_sources_reset},
	{NULL, NULL, false, NULL, 0, 0, NULL, NULL, NULL},
};

/* One without namespaces would find the pins of another test. */
#define CTL(...)                                                                                   \
	({                                                                                         \
		char *argv_[] = {"subzeroctl", "--pin-dir", pins, "sources", __VA_ARGS__};         \
		run(commands, (int)SZ_ARRAY_LEN(argv_), argv_);                                    \
	})

static void put(struct sz_kern *k, const char *addr, const struct sz_source *s)
{
	struct sz_addr a;

	ASSERT_EQ(sz_addr_parse(addr, &a), 0);
	ASSERT_EQ(sz_map_put(k, SZ_MAP_SOURCES, &a, s), 0);
}

/* Three sources: a talker, one that was refused much, one of IPv6. */
static struct sz_kern *three(void)
{
	struct sz_kern *k;

	begin();
	k = load();
	put(k, "192.0.2.1", &(struct sz_source){.requests = 900, .packets = 1600, .seen_ns = 1});
	put(k, "198.51.100.7",
	    &(struct sz_source){.requests = 20, .denials = 19, .failures = 12,
				.drops = 3, .seen_ns = 2, .last_reason = SZ_R_NO_TOKEN,
				.why = {SZ_WHY(SZ_R_NO_TOKEN, 7), SZ_WHY(SZ_R_BAD_TOKEN, 12)}});
	put(k, "2001:db8:0:7::", &(struct sz_source){.syns = 40, .seen_ns = 3});
	return k;
}

TEST(sources_are_sorted_by_what_was_asked_for)
{
	struct sz_kern *k = three();
	const char *first, *second;

	EXPECT_EQ(CTL("--sort", "denials", "-n", "1"), SZ_CTL_OK);
	EXPECT_CONTAINS(out, "198.51.100.7");
	EXPECT_TRUE(!strstr(out, "192.0.2.1"));
	EXPECT_EQ(CTL("--sort", "packets"), SZ_CTL_OK);
	first = strstr(out, "192.0.2.1");
	second = strstr(out, "198.51.100.7");
	EXPECT_TRUE(first && second && first < second);
	EXPECT_EQ(CTL("--sort", "syns", "-n", "1"), SZ_CTL_OK);
	EXPECT_CONTAINS(out, "2001:db8:0:7::/64");
	EXPECT_EQ(CTL("--sort", "height"), SZ_CTL_USAGE);
	EXPECT_CONTAINS(err, "packets, requests");
	sz_kern_close(k);
}

TEST(sources_are_chosen_by_reason_and_network)
{
	struct sz_kern *k = three();

	EXPECT_EQ(CTL("--reason", "no_token"), SZ_CTL_OK);
	EXPECT_CONTAINS(out, "198.51.100.7");
	EXPECT_TRUE(!strstr(out, "192.0.2.1"));
	EXPECT_EQ(CTL("--reason", "banned"), SZ_CTL_OK);
	EXPECT_CONTAINS(out, "no source fits");
	EXPECT_EQ(CTL("--reason", "rudeness"), SZ_CTL_USAGE);
	EXPECT_EQ(CTL("--in", "192.0.2.0/24"), SZ_CTL_OK);
	EXPECT_CONTAINS(out, "192.0.2.1");
	EXPECT_TRUE(!strstr(out, "198.51.100.7") && !strstr(out, "2001:db8"));
	EXPECT_EQ(CTL("--in", "192.0.2.0/33"), SZ_CTL_USAGE);
	sz_kern_close(k);
}

TEST(source_is_shown_with_why_it_was_refused_and_whether_it_is_banned)
{
	struct sz_kern *k = three();
	struct sz_ban_key ban = {.prefixlen = 120};
	const char *often, *less;

	EXPECT_EQ(CTL("show", "198.51.100.7"), SZ_CTL_OK);
	often = strstr(out, sz_reason_text(SZ_R_BAD_TOKEN));
	less = strstr(out, sz_reason_text(SZ_R_NO_TOKEN));
	EXPECT_TRUE(often && less && often < less);
	EXPECT_TRUE(!strstr(out, "is banned"));
	ASSERT_EQ(sz_addr_parse("198.51.100.0", &ban.addr), 0);
	ASSERT_EQ(sz_map_put(k, SZ_MAP_BANS, &ban, &(struct sz_ban){.why = "a flood"}), 0);
	EXPECT_EQ(CTL("show", "198.51.100.7"), SZ_CTL_OK);
	EXPECT_CONTAINS(out, "198.51.100.7 is banned, expires never: a flood");
	EXPECT_EQ(CTL("show", "198.51.100.7", "--json"), SZ_CTL_OK);
	EXPECT_CONTAINS(out, "\"banned\": true");
	EXPECT_CONTAINS(out, "\"reason\": \"no_token\"");
	EXPECT_CONTAINS(out, "\"failures\": 12");
	EXPECT_EQ(CTL("show", "2001:db8:0:7::1234"), SZ_CTL_OK);
	EXPECT_CONTAINS(out, "it was never refused");
	EXPECT_EQ(CTL("show", "203.0.113.9"), SZ_CTL_FAILED);
	EXPECT_CONTAINS(err, "203.0.113.9 is not known");
	EXPECT_EQ(CTL("show", "198.51.100.0/24"), SZ_CTL_USAGE);
	EXPECT_EQ(CTL("show", "somebody"), SZ_CTL_USAGE);
	sz_kern_close(k);
}

TEST(reset_counts_anew)
{
	struct sz_kern *k = three();
	struct sz_source s;
	struct sz_addr a;

	ASSERT_EQ(sz_addr_parse("198.51.100.7", &a), 0);
	EXPECT_EQ(CTL("reset"), SZ_CTL_USAGE);
	EXPECT_EQ(CTL("reset", "198.51.100.7", "--all"), SZ_CTL_USAGE);
	EXPECT_EQ(CTL("reset", "203.0.113.9"), SZ_CTL_FAILED);
	EXPECT_EQ(CTL("reset", "198.51.100.7"), SZ_CTL_OK);
	ASSERT_EQ(sz_map_get(k, SZ_MAP_SOURCES, &a, &s), 0);
	EXPECT_EQ(s.requests + s.denials + s.failures + s.drops + s.last_reason, 0);
	EXPECT_EQ(s.why[0] + s.why[1], 0);
	EXPECT_EQ(s.seen_ns, 2);
	ASSERT_EQ(sz_addr_parse("192.0.2.1", &a), 0);
	ASSERT_EQ(sz_map_get(k, SZ_MAP_SOURCES, &a, &s), 0);
	EXPECT_EQ(s.requests, 900);
	EXPECT_EQ(CTL("reset", "--all", "--json"), SZ_CTL_OK);
	EXPECT_CONTAINS(out, "\"reset\": 3");
	ASSERT_EQ(sz_map_get(k, SZ_MAP_SOURCES, &a, &s), 0);
	EXPECT_EQ(s.requests + s.packets, 0);
	sz_kern_close(k);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `subzeroctl limits` over maps into which a configuration was put, without a daemon. */
#include "harness.h"

#define run ground_run /* ctl_run.h has a function of that name, too */
#include "kern_ground.h"
#undef run
#include "ctl_run.h"
#include "limits/limits.h"

static const char yaml[] =
	"interfaces: [v0]\n"
	"limits: {misses: 100/s}\n"
	"issuers: [{issuer: i, jwks: k, audiences: a}]\n"
	"services:\n- name: shop\n  address: \"*:8080\"\n"
	"  limits: {source: {rate: 10/s, burst: 20}, total: {rate: 5/m, burst: 7, dry_run: true}}\n"
	"  routes:\n  - {path: /, scopes: [s]}\n";

static const struct sz_ctl_option options[] = {
	{"lines", 'n', "N", ""},        {"rate", 0, "R", ""},  {"burst", 0, "N", ""},
	{"dry-run", 0, "on|off", ""},   {"source", 0, "A", ""}, {"principal", 0, "P", ""},
	{"route", 0, "R", ""},          {"all", 0, NULL, ""},   {NULL, 0, NULL, NULL},
};
static const struct sz_ctl_command commands[] = {
	{"limits", "list", true, "", 0, 0, "", options, sz_ctl_cmd_limits},
	{"limits", "show", false, "LIMIT", 1, 1, "", options, sz_ctl_cmd_limits_show},
	{"limits", "set", false, "LIMIT", 1, 1, "", options, sz_ctl_cmd_limits_set},
	{"limits", "reset", false, "LIMIT", 1, 1, "", options, sz_ctl_cmd_limits_reset},
	{NULL, NULL, false, NULL, 0, 0, NULL, NULL, NULL},
};

#define CTL(...)                                                                                   \
	({                                                                                         \
		char *argv_[] = {"subzeroctl", "--pin-dir", pins, "limits", __VA_ARGS__};          \
		run(commands, (int)SZ_ARRAY_LEN(argv_), argv_);                                    \
	})

static struct sz_kern *with_limits(void)
{
	struct sz_conf *conf;
	struct sz_kern *k;

	begin();
	k = load();
	conf = sz_conf_parse(yaml, strlen(yaml), "t.yaml", &e);
	ASSERT_TRUE(conf != NULL);
	ASSERT_EQ(sz_limits_put(k, conf, &e), 0);
	sz_conf_free(conf);
	return k;
}

static struct sz_limit limit(struct sz_kern *k, const char *name)
{
	struct sz_limit_row row = {0};

	ASSERT_EQ(sz_limits_find(k, name, &row, &e), 0);
	return row.limit;
}

TEST(limits_are_listed_with_rate_burst_and_state)
{
	struct sz_kern *k = with_limits();

	EXPECT_EQ(CTL("list"), SZ_CTL_OK);
	EXPECT_CONTAINS(out, "shop/source");
	EXPECT_CONTAINS(out, "10/s");
	EXPECT_CONTAINS(out, "dry run");
	EXPECT_CONTAINS(out, "misses");
	EXPECT_EQ(CTL("list", "--json"), SZ_CTL_OK);
	EXPECT_CONTAINS(out, "\"name\": \"shop/total\"");
	EXPECT_CONTAINS(out, "\"name\": \"adaptive\"");
	EXPECT_CONTAINS(out, "\"on\": false");
	EXPECT_EQ(CTL("show", "shop/source"), SZ_CTL_OK);
	EXPECT_CONTAINS(out, "every bucket is full");
	EXPECT_EQ(CTL("show", "shop/source", "--json"), SZ_CTL_OK);
	EXPECT_CONTAINS(out, "\"subjects\": []");
	EXPECT_EQ(CTL("show", "shop/nothing"), SZ_CTL_FAILED);
	EXPECT_CONTAINS(err, "shop/nothing");
	sz_kern_close(k);
}

TEST(rate_burst_and_dry_run_are_set_in_place)
{
	struct sz_kern *k = with_limits();

	EXPECT_EQ(CTL("set", "shop/source", "--rate", "4/s", "--burst", "9"), SZ_CTL_OK);
	EXPECT_CONTAINS(out, "shop/source is 4/s burst 9");
	EXPECT_EQ(limit(k, "shop/source").interval_ns, 250000000);
	EXPECT_EQ(limit(k, "shop/source").burst_ns, 9 * 250000000ull);
	EXPECT_EQ(CTL("list"), SZ_CTL_OK);
	EXPECT_CONTAINS(out, "by hand (configured 10/s burst 20)");
	EXPECT_EQ(CTL("set", "shop/total", "--dry-run", "off"), SZ_CTL_OK);
	EXPECT_EQ(limit(k, "shop/total").flags & SZ_LIMIT_DRY, 0);
	EXPECT_EQ(CTL("set", "shop/source"), SZ_CTL_USAGE);
	EXPECT_EQ(CTL("set", "shop/source", "--burst", "many"), SZ_CTL_USAGE);
	EXPECT_EQ(CTL("set", "shop/source", "--burst", "0"), SZ_CTL_USAGE);
	EXPECT_EQ(CTL("set", "shop/source", "--dry-run", "perhaps"), SZ_CTL_USAGE);
	EXPECT_EQ(CTL("set", "shop/source", "--rate", "quick"), SZ_CTL_FAILED);
	EXPECT_EQ(CTL("set", "shop/nothing", "--rate", "4/s"), SZ_CTL_FAILED);
	EXPECT_EQ(limit(k, "shop/source").interval_ns, 250000000);
	sz_kern_close(k);
}

TEST(bucket_of_the_whole_service_is_shown_and_forgotten)
{
	struct sz_kern *k = with_limits();
	struct sz_limit l = limit(k, "shop/total");
	struct sz_limit_row row;

	ASSERT_EQ(sz_limits_find(k, "shop/total", &row, &e), 0);
	l.tat = sz_boot_ns() + 3 * l.interval_ns - 1000;
	ASSERT_EQ(sz_map_put(k, SZ_MAP_LIMITS, &row.slot, &l), 0);
	EXPECT_EQ(CTL("show", "shop/total", "--json"), SZ_CTL_OK);
	EXPECT_CONTAINS(out, "\"left\": 4");
	EXPECT_EQ(CTL("reset", "shop/total"), SZ_CTL_USAGE);
	EXPECT_EQ(CTL("reset", "shop/total", "--all", "--source", "192.0.2.1"), SZ_CTL_USAGE);
	EXPECT_EQ(CTL("reset", "shop/total", "--source", "192.0.2.1"), SZ_CTL_FAILED);
	EXPECT_EQ(CTL("reset", "shop/total", "--all"), SZ_CTL_OK);
	EXPECT_EQ(CTL("show", "shop/total"), SZ_CTL_OK);
	EXPECT_CONTAINS(out, "every bucket is full");
	sz_kern_close(k);
}

TEST(limit_of_open_questions_is_shown_with_its_shares)
{
	struct sz_kern *k = with_limits();
	struct sz_load *l = &sz_kern_config(k)->load;

	EXPECT_EQ(CTL("list"), SZ_CTL_OK);
	EXPECT_CONTAINS(out, "adaptive: off");
	l->limit = 100;
	l->cap[SZ_PRIORITY_LOW] = 50;
	l->cap[SZ_PRIORITY_NORMAL] = 80;
	l->cap[SZ_PRIORITY_HIGH] = 100;
	l->target_ns = 50000000;
	l->latency_ns = 1500000;
	l->asked = 12;
	l->done = 5;
	l->shed[SZ_PRIORITY_LOW] = 3;
	EXPECT_EQ(CTL("list"), SZ_CTL_OK);
	EXPECT_CONTAINS(out, "adaptive: 7 of at most 100 questions open; answers take 1.5 ms on "
			     "average, target 50 ms");
	EXPECT_CONTAINS(out, "low up to 50: 3 shed, normal up to 80: 0 shed, high up to 100");
	EXPECT_EQ(CTL("list", "--json"), SZ_CTL_OK);
	EXPECT_CONTAINS(out, "\"in_flight\": 7");
	sz_kern_close(k);
}

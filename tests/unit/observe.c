/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the gateway tells the metrics endpoint, on the kernel's real maps: sums by route, grants by
 * state, refusals by service; that names are bounded, and that no count ever falls.
 * Includes the source to step its timer by hand.
 */
#include "harness.h"

#include "gateway/observe.c"

#include "kern_ground.h"

static struct sz_gateway g;
static struct sz_conf *first, *second;
static char dir[32];

/* No issuers: their keys are no matter here. */
#define HEAD "interfaces: [v0]\nservices:\n"
static const char first_yaml[] =
	HEAD "- name: shop\n  address: \"*:80\"\n  routes:\n"
	     "  - {path: /a, public: true, name: read}\n"
	     "  - {path: /b, public: true, name: read}\n"
	     "  - {path: /c, public: true}\n"
	     "- name: other\n  address: \"*:81\"\n"
	     "  routes: [{path: /, public: true, name: other}]\n"
	     "- name: gone\n  address: \"*:82\"\n  routes: [{path: /, public: true}]\n";
static const char second_yaml[] = HEAD "- name: shop\n  address: \"*:80\"\n  routes:\n"
				       "  - {path: /c, public: true}\n"
				       "  - {path: /a, public: true, name: read}\n";

static struct sz_conf *conf_of(const char *yaml)
{
	struct sz_conf *c = sz_conf_parse(yaml, strlen(yaml), "t.yaml", &e);

	if (!c)
		printf("# %s\n", e.msg);
	return c;
}

static void end(void)
{
	sz_pool_free(g.pool);
	sz_observer_free(g.observer);
	sz_net_free(g.loop);
	sz_journal_free(g.journal);
	sz_kern_close(g.kern);
	sz_verifier_unref(g.verifier);
	sz_conf_free(first);
	sz_conf_free(second);
	run("rm -rf %s", dir);
}

static void stop_when_resting(void *arg)
{
	(void)arg;
	if (g.observer->resting && !g.observer->reading)
		sz_net_stop(g.loop);
}

/* One for all tests: loading takes most of a second. */
static void set_up(void)
{
	if (g.journal)
		return;
	begin();
	strcpy(dir, "/tmp/sz-observe-XXXXXX");
	ASSERT_TRUE(mkdtemp(dir) != NULL);
	first = conf_of(first_yaml);
	second = conf_of(second_yaml);
	ASSERT_TRUE(first && second);
	g.conf = first;
	g.kern = load();
	g.cfg = sz_kern_config(g.kern);
	g.cfg->policy_gen = g.cfg->key_gen = 3;
	ASSERT_EQ(sz_net_new(64, &g.loop, &e), 0);
	ASSERT_EQ(sz_journal_open(g.loop,
				  &(struct sz_conf){.state_dir = dir,
						    .audit = {.dir = dir, .rotate_bytes = 1 << 20}},
				  &g.journal, &e), 0);
	ASSERT_EQ(sz_pool_new(g.loop, &(struct sz_pool_options){.workers = 2}, &g.pool, &e), 0);
	ASSERT_EQ(sz_gateway_observe(&g), 0);
	ASSERT_EQ(sz_net_every(g.loop, 1000000, stop_when_resting, NULL), 0);
	atexit(end);
}

/* Until a walk over all maps is complete that began now. */
static void walk_all(void)
{
	follow_conf(&g);
	g.observer->resting = false;
	g.observer->step = 0;
	begin_map(g.observer);
	alarm(60);
	on_tick(&g);
	EXPECT_EQ(sz_net_run(g.loop), 0);
	alarm(0);
	EXPECT_TRUE(g.observer->resting);
}

static void put_hits(u32 service, u16 route, u64 principal, u64 n)
{
	struct sz_hit_key key = {.principal = principal, .service = service, .route = route};
	u64 *cpus = sz_calloc((size_t)sz_kern_cpus(), sizeof(*cpus));

	cpus[0] = n - 1;
	cpus[sz_kern_cpus() - 1] += 1;
	EXPECT_EQ(sz_map_put(g.kern, SZ_MAP_HITS, &key, cpus), 0);
	free(cpus);
}

static struct sz_gateway_view v;

static u64 admitted(const char *service, const char *route)
{
	u64 n = 0, found = 0;
	size_t i;

	for (i = 0; i < v.n_routes; i++) {
		if (strcmp(v.routes[i].service, service) || strcmp(v.routes[i].route, route))
			continue;
		n = v.routes[i].admitted;
		found++;
	}
	EXPECT_EQ(found, 1); /* the same labels never come twice */
	return n;
}

static u64 denied(const char *service, u32 reason, bool monitor)
{
	u64 n = 0, found = 0;
	size_t i;

	for (i = 0; i < v.n_services; i++) {
		if (strcmp(v.services[i].name, service))
			continue;
		n = monitor ? v.services[i].monitored[reason] : v.services[i].denials[reason];
		found++;
	}
	EXPECT_EQ(found, 1);
	return n;
}

static u32 id_of(const char *service)
{
	return sz_conf_service_by_name(first, service)->id;
}

TEST(admitted_requests_are_summed_by_service_and_route)
{
	set_up();
	put_hits(id_of("shop"), 0, 1, 10);
	put_hits(id_of("shop"), 0, 2, 5);
	put_hits(id_of("shop"), 1, 1, 100); /* the same name as route 0 */
	put_hits(id_of("shop"), 2, 1, 7);
	put_hits(id_of("shop"), 9, 1, 3); /* no such route (any more) */
	put_hits(id_of("shop"), SZ_ROUTE_NONE, 1, 4);
	put_hits(id_of("other"), 0, 1, 20);
	put_hits(12345, 0, 1, 30); /* no such service */
	walk_all();
	ASSERT_EQ(sz_gateway_look(&g, &v), 0);
	EXPECT_TRUE(v.sampled);
	EXPECT_EQ(admitted("shop", "read"), 115);
	EXPECT_EQ(admitted("shop", "* /c"), 7);
	EXPECT_EQ(admitted("shop", "other"), 7);
	EXPECT_EQ(admitted("other", "other"), 50);
	EXPECT_EQ(admitted("gone", "* /"), 0);
}

TEST(grants_are_told_by_their_state)
{
	struct sz_grant grant = {.expires_ns = UINT64_MAX, .policy_gen = 3, .key_gen = 3};
	struct sz_grant_key key = {.service = 1};
	size_t i;

	set_up();
	for (i = 0; i < 10; i++) {
		key.token.w[0] = i;
		grant.flags = i == 9 ? SZ_GRANT_REVOKED : 0;
		grant.key_gen = i == 8 ? 2 : 3;
		grant.expires_ns = i == 7 || i == 6 ? 1 : UINT64_MAX;
		ASSERT_EQ(sz_map_put(g.kern, SZ_MAP_GRANTS, &key, &grant), 0);
	}
	walk_all();
	walk_all(); /* nothing is counted twice */
	ASSERT_EQ(sz_gateway_look(&g, &v), 0);
	EXPECT_EQ(v.grants[SZ_VIEW_ACTIVE], 6);
	EXPECT_EQ(v.grants[SZ_VIEW_EXPIRED], 2);
	EXPECT_EQ(v.grants[SZ_VIEW_VOID], 1);
	EXPECT_EQ(v.grants[SZ_VIEW_REVOKED], 1);
	for (i = 0; i < v.n_maps; i++) {
		EXPECT_TRUE(v.maps[i].sampled && v.maps[i].capacity);
		if (!strcmp(v.maps[i].name, "sz_grants"))
			EXPECT_EQ(v.maps[i].entries, 10);
	}
}

TEST(reload_while_a_worker_reads_begins_the_walk_anew)
{
	set_up();
	g.observer->resting = false;
	g.observer->step = 1; /* the grants */
	begin_map(g.observer);
	on_tick(&g);
	EXPECT_TRUE(g.observer->reading);
	g.conf = second;
	g.stats.reloads++;
	follow_conf(&g);
	EXPECT_TRUE(g.observer->outdated && g.observer->step == 0);
	alarm(60);
	EXPECT_EQ(sz_net_run(g.loop), 0);
	alarm(0);
	ASSERT_EQ(sz_gateway_look(&g, &v), 0);
	EXPECT_TRUE(v.sampled);
	EXPECT_EQ(admitted("shop", "read"), 100); /* and not half of it, or twice */
	EXPECT_EQ(v.grants[SZ_VIEW_ACTIVE], 6);
	g.conf = first;
	g.stats.reloads++;
	walk_all();
	ASSERT_EQ(sz_gateway_look(&g, &v), 0);
	EXPECT_EQ(admitted("shop", "read"), 115);
}

static void deny(u32 service, u32 reason, bool monitor)
{
	struct sz_event ev = {.service = service, .reason = reason, .monitor = monitor};

	sz_observe_event(&g, &ev);
}

TEST(refusals_are_told_by_service_and_none_is_lost_with_its_service)
{
	set_up();
	deny(id_of("shop"), SZ_R_NO_TOKEN, false);
	deny(id_of("shop"), SZ_R_NO_TOKEN, true);
	deny(id_of("gone"), SZ_R_EXPIRED, false);
	deny(id_of("gone"), SZ_R_EXPIRED, false);
	deny(id_of("other"), SZ_R_EXPIRED, false);
	deny(777, SZ_R_EXPIRED, false);
	deny(id_of("shop"), SZ_R_HIT, false); /* an admitted request is no refusal */
	deny(id_of("shop"), SZ_REASON_MAX, false);
	ASSERT_EQ(sz_gateway_look(&g, &v), 0);
	EXPECT_EQ(denied("shop", SZ_R_NO_TOKEN, false), 1);
	EXPECT_EQ(denied("shop", SZ_R_NO_TOKEN, true), 1);
	EXPECT_EQ(denied("shop", SZ_R_HIT, false), 0);
	EXPECT_EQ(denied("gone", SZ_R_EXPIRED, false), 2);
	EXPECT_EQ(denied("other", SZ_R_EXPIRED, false), 2);

	g.conf = second;
	g.stats.reloads++;
	ASSERT_EQ(sz_gateway_look(&g, &v), 0);
	EXPECT_TRUE(!v.sampled); /* no zero that a counter would fall to */
	EXPECT_EQ(denied("shop", SZ_R_NO_TOKEN, false), 1);
	EXPECT_EQ(denied("shop", SZ_R_NO_TOKEN, true), 1);
	EXPECT_EQ(denied("other", SZ_R_EXPIRED, false), 4);
	walk_all();
	ASSERT_EQ(sz_gateway_look(&g, &v), 0);
	EXPECT_EQ(admitted("shop", "* /c"), 15);
	EXPECT_EQ(admitted("shop", "read"), 100);
	EXPECT_EQ(admitted("other", "other"), 50);
	g.conf = first;
	g.stats.reloads++;
}

static struct sz_conf *large_conf(unsigned services, unsigned each)
{
	struct sz_buf b = {0};
	struct sz_conf *c;
	unsigned i, k;

	sz_buf_printf(&b, HEAD);
	for (i = 0; i < services; i++) {
		sz_buf_printf(&b, "- name: s%u\n  address: \"*:%u\"\n  routes:\n", i, i + 1);
		for (k = 0; k < each; k++)
			sz_buf_printf(&b, "  - {path: /p%u, public: true}\n", k);
	}
	c = conf_of(b.data);
	sz_buf_done(&b);
	return c;
}

TEST(names_are_bounded_whatever_the_configuration_has)
{
	struct sz_conf *large = large_conf(300, 20);
	u64 other;
	size_t i;

	set_up();
	ASSERT_TRUE(large != NULL);
	ASSERT_EQ(sz_gateway_look(&g, &v), 0);
	other = denied("other", SZ_R_EXPIRED, false);
	g.conf = large;
	g.stats.reloads++;
	for (i = 0; i < 300; i++) {
		put_hits(large->services[i].id, 19, 1, 2);
		follow_conf(&g);
		deny(large->services[i].id, SZ_R_EXPIRED, false);
	}
	walk_all();
	ASSERT_EQ(sz_gateway_look(&g, &v), 0);
	EXPECT_EQ(v.n_services, SZ_METRIC_SERVICES + 1);
	EXPECT_EQ(v.n_routes, SZ_METRIC_ROUTES + SZ_METRIC_SERVICES + 1);
	/* 44 services beyond the bound, and what stood there before; their sum is all there is. */
	EXPECT_TRUE(denied("other", SZ_R_EXPIRED, false) >= other + 44);
	for (i = 0, other = 0; i < v.n_routes; i++)
		other += v.routes[i].admitted;
	EXPECT_EQ(other, 300 * 2 + 115 + 7 + 7 + 50);
	g.conf = first;
	g.stats.reloads++;
	follow_conf(&g);
	sz_conf_free(large);
}

/* Each limit counts its slot's number, in the words of the counter and on different CPUs. */
static void count_limits(void)
{
	struct sz_limit_count *c = sz_calloc((size_t)sz_kern_cpus(), sizeof(*c));

	for (u32 slot = 1; slot < SZ_LIMITS_MAX; slot++) {
		c[0] = (struct sz_limit_count){.admitted = slot, .refused = 2, .dry = 3};
		c[sz_kern_cpus() - 1].spare = 4;
		EXPECT_EQ(sz_map_put(g.kern, SZ_MAP_LIMIT_COUNTS, &slot, c), 0);
	}
	free(c);
}

TEST(limits_are_told_by_name_and_beyond_a_bound_together)
{
	struct sz_buf b = {0};
	struct sz_conf *c;
	u64 sum = 0, slots = 0;
	size_t i;

	set_up();
	sz_buf_printf(&b, "limits: {misses: 9/s, source_misses: none}\n" HEAD);
	for (i = 0; i < 300; i++)
		sz_buf_printf(&b, "- name: s%03zu\n  address: \"*:%zu\"\n  limits: {total: 5/s}\n"
				  "  routes: [{path: /, public: true}]\n", i, 1000 + i);
	c = conf_of(b.data);
	ASSERT_TRUE(c != NULL);
	ASSERT_EQ(sz_limits_put(g.kern, c, &e), 0);
	sz_limits_drop(g.kern, c);
	count_limits();
	ASSERT_EQ(sz_gateway_look(&g, &v), 0);
	ASSERT_EQ(v.n_limits, SZ_VIEW_LIMITS + 1);
	EXPECT_STREQ(v.limits[0].name, "misses");
	EXPECT_STREQ(v.limits[1].name, "s000/total");
	EXPECT_EQ(v.limits[1].count.refused, 2);
	EXPECT_EQ(v.limits[1].count.dry, 3);
	EXPECT_EQ(v.limits[1].count.spare, 4);
	EXPECT_STREQ(v.limits[SZ_VIEW_LIMITS].name, "other");
	EXPECT_EQ(v.limits[SZ_VIEW_LIMITS].count.refused, 2 * (303 - SZ_VIEW_LIMITS));
	for (i = 0; i < v.n_limits; i++)
		sum += v.limits[i].count.admitted;
	for (i = 1; i <= 303; i++)
		slots += i;
	EXPECT_EQ(sum, slots);
	/* Fewer again: what is gone is not told. */
	ASSERT_EQ(sz_limits_put(g.kern, first, &e), 0);
	sz_limits_drop(g.kern, first);
	ASSERT_EQ(sz_gateway_look(&g, &v), 0);
	EXPECT_EQ(v.n_limits, first->n_limits);
	sz_conf_free(c);
	sz_buf_done(&b);
}

TEST(what_a_limit_takes_back_at_once_makes_no_counter_fall)
{
	struct sz_limit_count *c = sz_calloc((size_t)sz_kern_cpus(), sizeof(*c));
	struct sz_limit_row row;
	static const struct {
		u64 counted, told;
	} step[] = {{1000, 1000}, {1001, 1001}, {1000, 1001}, {1002, 1002}, {3, 3}};

	set_up();
	ASSERT_EQ(sz_limits_put(g.kern, first, &e), 0);
	ASSERT_EQ(sz_limits_find(g.kern, "misses", &row, &e), 0);
	for (size_t i = 0; i < SZ_ARRAY_LEN(step); i++) {
		c[0].admitted = step[i].counted;
		EXPECT_EQ(sz_map_put(g.kern, SZ_MAP_LIMIT_COUNTS, &row.slot, c), 0);
		ASSERT_EQ(sz_gateway_look(&g, &v), 0);
		EXPECT_STREQ(v.limits[0].name, "misses");
		EXPECT_EQ(v.limits[0].count.admitted, step[i].told);
	}
	free(c);
}

TEST(audit_lag_is_the_age_of_what_is_not_on_disk)
{
	struct sz_audit_record r = {.type = SZ_AUDIT_ADMIN, .wall_ns = sz_wall_ns(), .detail = "x"};

	set_up();
	sz_journal_add(g.journal, &r); /* nobody runs the loop: it stays where it is */
	ASSERT_EQ(sz_gateway_look(&g, &v), 0);
	EXPECT_TRUE(v.audit_seq > v.audit_synced);
	ASSERT_EQ(sz_gateway_look(&g, &v), 0);
	EXPECT_TRUE(v.audit_lag_ns > 0);
	g.observer->mark_ns -= 5000000000ull;
	ASSERT_EQ(sz_gateway_look(&g, &v), 0);
	EXPECT_TRUE(v.audit_lag_ns > 5000000000ull);
}

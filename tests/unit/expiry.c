/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What time ends, on the kernel's real maps under a clock of the test's own: each entry is gone
 * soon after its end and none before, and no callback of the loop does more than its share.
 */
#include "harness.h"

#include "gateway/gateway_priv.h"

#include <time.h>

#include "kern_ground.h"

#define S 1000000000ull

static struct sz_gateway g;
static struct sz_kern_options options;

/* Walking over the grants and removing them is a worker's. */
static void stop_when_read(void *arg)
{
	struct sz_view_expiry v;

	(void)arg;
	sz_expiry_look(&g, &v);
	if (!v.reading && !v.removing)
		sz_net_stop(g.loop);
}

static void gateway_begin(u64 max_grants, u64 now)
{
	struct sz_error err = {""};

	begin();
	options = small;
	options.max_grants = max_grants;
	memset(&g, 0, sizeof(g));
	ASSERT_EQ(sz_kern_load(&options, &g.kern, &err), 0);
	g.cfg = sz_kern_config(g.kern);
	ASSERT_EQ(sz_net_new(64, &g.loop, &err), 0);
	ASSERT_EQ(sz_net_every(g.loop, 1000000, stop_when_read, NULL), 0);
	ASSERT_EQ(sz_pool_new(g.loop, &(struct sz_pool_options){.workers = 1}, &g.pool, &err), 0);
	sz_wheel_init(&g.wheel, now, &g);
	sz_expiry_open(&g);
}

static void gateway_end(void)
{
	sz_pool_free(g.pool);
	sz_net_free(g.loop);
	sz_expiry_free(g.expiry);
	sz_kern_close(g.kern);
}

static struct sz_grant_key key_of(u64 i)
{
	return (struct sz_grant_key){.token.w = {i * 0x9e3779b97f4a7c15ull, i}, .service = 7};
}

static void put(u64 i, u64 expires_ns)
{
	struct sz_grant_key key = key_of(i);
	struct sz_grant grant = {.expires_ns = expires_ns, .principal = i};

	if (sz_map_put(g.kern, SZ_MAP_GRANTS, &key, &grant))
		ASSERT_EQ(i, 0);
}

static void grant(u64 i, u64 expires_ns)
{
	struct sz_grant_key key = key_of(i);

	put(i, expires_ns);
	sz_expiry_grant(&g, &key, expires_ns);
}

static bool there(u64 i)
{
	struct sz_grant_key key = key_of(i);
	struct sz_grant v;

	return !sz_map_get(g.kern, SZ_MAP_GRANTS, &key, &v);
}

static u64 removed(void)
{
	struct sz_view_expiry v;

	sz_expiry_look(&g, &v);
	return v.ended[SZ_VIEW_END_GRANTS];
}

/* Of this thread: what others on the machine do is not counted. */
static u64 cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (u64)t.tv_sec * S + (u64)t.tv_nsec;
}

/* Callbacks until nothing is left over; each does no more than its share. Returns how many. */
static unsigned run_to(u64 now, struct sz_hist *times)
{
	struct sz_view_expiry v;
	unsigned calls = 0;
	bool more;

	do {
		u64 before = removed(), began = cpu_ns(), took;

		more = sz_expiry_run(&g, now);
		took = cpu_ns() - began;
		if (times)
			sz_hist_add(times, took);
		if (removed() - before > SZ_EXPIRY_STEPS)
			EXPECT_TRUE(removed() - before <= SZ_EXPIRY_STEPS);
		if (++calls > 100000)
			ASSERT_TRUE(!"it never ends");
		sz_expiry_look(&g, &v);
		if (v.reading || v.removing)
			EXPECT_EQ(sz_net_run(g.loop), 0);
	} while (more);
	return calls;
}

TEST(grants_go_when_they_end_and_not_before)
{
	gateway_begin(2000, 1000 * S);
	for (u64 i = 1; i <= 1000; i++)
		grant(i, 1000 * S + i * 300000000ull);
	for (u64 t = 0; t <= 300; t += 7) {
		run_to((1000 + t) * S + SZ_WHEEL_TICK_NS, NULL);
		for (u64 i = 1; i <= 1000; i++) {
			bool ended = i * 300000000ull <= t * S;

			if (there(i) == ended)
				EXPECT_EQ(i, ended);
		}
	}
	EXPECT_TRUE(removed() > 900);
	gateway_end();
}

TEST(renewed_grant_ends_at_its_new_time)
{
	gateway_begin(2000, S);
	grant(1, 10 * S);
	grant(2, 10 * S);
	grant(1, 50 * S); /* later */
	grant(2, 5 * S);  /* earlier */
	EXPECT_EQ(g.wheel.timers, 2);
	run_to(6 * S, NULL);
	EXPECT_TRUE(there(1) && !there(2));
	run_to(49 * S, NULL);
	EXPECT_TRUE(there(1));
	run_to(50 * S, NULL);
	EXPECT_TRUE(!there(1));
	EXPECT_EQ(g.wheel.timers, 0);
	gateway_end();
}

TEST(grant_that_is_gone_already_does_not_stop_the_others)
{
	struct sz_grant_key key;

	gateway_begin(2000, S);
	for (u64 i = 1; i <= 300; i++)
		grant(i, 10 * S);
	for (u64 i = 1; i <= 300; i += 3) {
		key = key_of(i);
		ASSERT_EQ(sz_map_del(g.kern, SZ_MAP_GRANTS, &key), 0);
	}
	run_to(10 * S, NULL);
	for (u64 i = 1; i <= 300; i++)
		EXPECT_TRUE(!there(i));
	gateway_end();
}

TEST(grants_of_the_last_daemon_are_found_in_steps)
{
	gateway_begin(20000, 1000 * S);
	for (u64 i = 1; i <= 10000; i++)
		put(i, (1000 + i) * S); /* nobody has told the wheel */
	run_to(1000 * S, NULL);
	EXPECT_EQ(g.wheel.timers, 10000);
	run_to(1500 * S, NULL);
	EXPECT_TRUE(!there(1) && !there(500) && there(501) && there(10000));
	EXPECT_EQ(removed(), 500);
	gateway_end();
}

TEST(earlier_end_that_a_revocation_has_written_is_noticed)
{
	gateway_begin(2000, S);
	grant(1, 1000 * S);
	run_to(2 * S, NULL);
	put(1, 100 * S); /* as subzeroctl does */
	run_to(101 * S, NULL);
	EXPECT_TRUE(there(1));
	g.cfg->revoke_epoch++;
	run_to(102 * S, NULL);
	run_to(102 * S + SZ_WHEEL_TICK_NS, NULL);
	EXPECT_TRUE(!there(1));
	gateway_end();
}

static unsigned again;

static void count_drop(struct sz_work *w)
{
	(void)w;
	again++;
}

static void written_again(struct sz_work *w)
{
	(void)w;
	again++;
	EXPECT_TRUE(!there(1)); /* the old one is gone by now */
	grant(1, 100 * S);
}

TEST(key_that_is_being_removed_is_written_after_that)
{
	struct sz_work w = {.done = written_again};
	struct sz_grant_key key = key_of(1), other = key_of(2);

	gateway_begin(2000, S);
	run_to(2 * S, NULL);
	again = 0;
	grant(1, 10 * S);
	grant(2, 20 * S);
	EXPECT_TRUE(!sz_expiry_wait(&g, &key, &w));
	sz_expiry_run(&g, 10 * S); /* a worker has it now */
	EXPECT_TRUE(sz_expiry_wait(&g, &key, &w));
	EXPECT_TRUE(!sz_expiry_wait(&g, &other, &w));
	EXPECT_EQ(again, 0);
	EXPECT_EQ(sz_net_run(g.loop), 0);
	EXPECT_EQ(again, 1);
	EXPECT_TRUE(there(1) && there(2));
	run_to(30 * S, NULL);
	EXPECT_TRUE(there(1) && !there(2));
	run_to(101 * S, NULL);
	EXPECT_TRUE(!there(1));
	EXPECT_EQ(again, 1);
	gateway_end();
}

TEST(work_that_waits_for_a_removal_is_dropped_with_the_rest)
{
	struct sz_work w = {.done = written_again, .drop = count_drop};
	struct sz_grant_key key = key_of(1);

	gateway_begin(2000, S);
	run_to(2 * S, NULL);
	again = 0;
	grant(1, 10 * S);
	sz_expiry_run(&g, 10 * S);
	EXPECT_TRUE(sz_expiry_wait(&g, &key, &w));
	gateway_end();
	EXPECT_EQ(again, 1);
}

static void ban(u8 n, u64 expires_ns)
{
	struct sz_ban_key key = {.prefixlen = 128, .addr.b = {1, 2, n}};
	struct sz_ban v = {.expires_ns = expires_ns};

	ASSERT_EQ(sz_map_put(g.kern, SZ_MAP_BANS, &key, &v), 0);
	g.cfg->ban_count++;
}

static bool banned(u8 n)
{
	struct sz_ban_key key = {.prefixlen = 128, .addr.b = {1, 2, n}};
	struct sz_ban v;

	return !sz_map_get(g.kern, SZ_MAP_BANS, &key, &v);
}

TEST(bans_go_when_they_end_and_their_number_follows)
{
	gateway_begin(2000, S);
	ban(1, 100 * S);
	ban(2, 200 * S);
	ban(3, 0); /* for ever */
	for (u64 t = 1; t <= 99; t++)
		run_to(t * S, NULL);
	EXPECT_TRUE(banned(1) && banned(2) && banned(3));
	EXPECT_EQ(g.cfg->ban_count, 3);
	run_to(101 * S, NULL);
	run_to(102 * S, NULL);
	EXPECT_TRUE(!banned(1) && banned(2) && banned(3));
	EXPECT_EQ(g.cfg->ban_count, 2);
	run_to(201 * S, NULL);
	run_to(202 * S, NULL);
	EXPECT_TRUE(!banned(2) && banned(3));
	EXPECT_EQ(g.cfg->ban_count, 1);
	/* One that comes later is found. */
	ban(4, 300 * S);
	run_to(220 * S, NULL);
	run_to(301 * S, NULL);
	run_to(302 * S, NULL);
	EXPECT_TRUE(!banned(4) && banned(3));
	EXPECT_EQ(g.cfg->ban_count, 1);
	gateway_end();
}

TEST(number_of_bans_reaches_nothing_with_the_last_one)
{
	gateway_begin(2000, S);
	ban(1, 50 * S);
	run_to(2 * S, NULL);
	run_to(51 * S, NULL);
	run_to(52 * S, NULL);
	EXPECT_TRUE(!banned(1));
	EXPECT_EQ(g.cfg->ban_count, 0);
	gateway_end();
}

/* ---- what is remembered of requests and bad tokens ------------------------------------------- */

static struct sz_request_key request_key(u64 i)
{
	return (struct sz_request_key){.token.w = {i}, .service = 7, .method = 1, .target.w = {9}};
}

static void request(u64 i, u64 expires_ns)
{
	struct sz_request_key key = request_key(i);
	struct sz_request r = {.expires_ns = expires_ns};

	ASSERT_EQ(sz_map_put(g.kern, SZ_MAP_REQUESTS, &key, &r), 0);
}

static bool answered(u64 i)
{
	struct sz_request_key key = request_key(i);
	struct sz_request r;

	return !sz_map_get(g.kern, SZ_MAP_REQUESTS, &key, &r);
}

static void deny(u64 i, u64 expires_ns)
{
	struct sz_grant_key key = key_of(i);
	struct sz_denied d = {.expires_ns = expires_ns, .reason = SZ_R_EXPIRED};

	ASSERT_EQ(sz_map_put(g.kern, SZ_MAP_DENIED, &key, &d), 0);
}

static bool denied(u64 i)
{
	struct sz_grant_key key = key_of(i);
	struct sz_denied d;

	return !sz_map_get(g.kern, SZ_MAP_DENIED, &key, &d);
}

TEST(answers_and_denied_tokens_go_when_they_end_and_not_before)
{
	struct sz_view_expiry v;

	gateway_begin(2000, S);
	run_to(2 * S, NULL);
	for (u64 i = 1; i <= 400; i++) {
		struct sz_request_key r = request_key(i);
		struct sz_grant_key d = key_of(i);

		request(i, (10 + i) * S);
		sz_expiry_request(&g, &r, (10 + i) * S);
		deny(i, (10 + i) * S);
		sz_expiry_denied(&g, &d, (10 + i) * S);
	}
	for (u64 t = 10; t <= 411; t += 20) {
		run_to(t * S + SZ_WHEEL_TICK_NS, NULL);
		for (u64 i = 1; i <= 400; i++)
			if (answered(i) != (10 + i > t) || denied(i) != (10 + i > t))
				EXPECT_EQ(i, t);
	}
	run_to(411 * S, NULL);
	sz_expiry_look(&g, &v);
	EXPECT_EQ(v.ended[SZ_VIEW_END_REQUESTS], 400);
	EXPECT_EQ(v.ended[SZ_VIEW_END_DENIED], 400);
	EXPECT_EQ(v.timers, 0);
	gateway_end();
}

TEST(denied_token_that_was_revoked_meanwhile_stays_denied)
{
	struct sz_grant_key key = key_of(1), ever = key_of(2);

	gateway_begin(2000, S);
	run_to(2 * S, NULL);
	deny(1, 10 * S);
	sz_expiry_denied(&g, &key, 10 * S);
	deny(2, 10 * S);
	sz_expiry_denied(&g, &ever, 10 * S);
	deny(1, 50 * S); /* as subzeroctl revoke --token does */
	deny(2, UINT64_MAX);
	run_to(49 * S, NULL);
	EXPECT_TRUE(denied(1) && denied(2));
	run_to(50 * S, NULL);
	EXPECT_TRUE(!denied(1) && denied(2));
	run_to(90000 * S, NULL);
	EXPECT_TRUE(denied(2));
	gateway_end();
}

TEST(what_the_last_daemon_remembered_is_found)
{
	gateway_begin(2000, S);
	for (u64 i = 1; i <= 1500; i++) {
		request(i, 10 * S);
		deny(i, 20 * S);
	}
	deny(5000, UINT64_MAX); /* for ever */
	run_to(2 * S, NULL);
	EXPECT_EQ(g.wheel.timers, 3000);
	run_to(10 * S, NULL);
	EXPECT_TRUE(!answered(1) && !answered(1500) && denied(1));
	run_to(20 * S, NULL);
	EXPECT_TRUE(!denied(1) && !denied(1500) && denied(5000));
	gateway_end();
}

/* More than there is room for: the kernel pushes the oldest out, and nobody keeps count of them. */
TEST(flood_of_bad_tokens_takes_a_bounded_number_of_timers)
{
	u32 room;

	gateway_begin(2000, S);
	run_to(2 * S, NULL);
	room = sz_kern_map_capacity(g.kern, SZ_MAP_DENIED);
	for (u64 i = 1; i <= 3ull * room; i++) {
		struct sz_grant_key key = key_of(i);

		sz_expiry_denied(&g, &key, 60 * S);
	}
	EXPECT_TRUE(g.wheel.timers >= room && g.wheel.timers <= room + room / 4 + 1024);
	run_to(60 * S, NULL);
	EXPECT_EQ(g.wheel.timers, 0);
	gateway_end();
}

/* ---- revocations ----------------------------------------------------------------------------- */

static char dir[32];
static struct sz_conf conf;

static void revocations_begin(void)
{
	struct sz_error err = {""};

	gateway_begin(2000, sz_boot_ns());
	strcpy(dir, "/tmp/sz-expiry-XXXXXX");
	ASSERT_TRUE(mkdtemp(dir) != NULL);
	conf = (struct sz_conf){.state_dir = dir,
				.audit = {.dir = dir, .rotate_bytes = 1 << 20}};
	g.conf = &conf;
	ASSERT_EQ(sz_journal_open(g.loop, &conf, &g.journal, &err), 0);
	ASSERT_EQ(sz_revocations_open(&g, &err), 0);
}

static void revocations_end(void)
{
	sz_pool_free(g.pool);
	g.pool = NULL;
	sz_net_free(g.loop);
	sz_journal_free(g.journal);
	sz_revocations_free(g.revocations);
	sz_expiry_free(g.expiry);
	sz_kern_close(g.kern);
	run("rm -rf %s", dir);
}

static struct sz_id id_of(u32 i)
{
	struct sz_id id = {{0}};

	memcpy(id.b, &i, sizeof(i));
	id.b[15] = 1;
	return id;
}

static void revoke_name(u32 i, u64 until_s)
{
	struct sz_revoked v = {.kind = SZ_REVOKE_JTI, .until_s = until_s};
	struct sz_id id = id_of(i);

	ASSERT_EQ(sz_map_put(g.kern, SZ_MAP_REVOKED, &id, &v), 0);
}

static bool revoked(u32 i)
{
	struct sz_id id = id_of(i);
	struct sz_revoked v;

	return !sz_map_get(g.kern, SZ_MAP_REVOKED, &id, &v);
}

static void on_disk(struct sz_work *w)
{
	(void)w;
	again++;
	sz_net_stop(g.loop);
}

static int lines(void)
{
	struct sz_buf text = {0};
	struct sz_error err;
	char path[64];
	int n = 0;

	snprintf(path, sizeof(path), "%s/revocations", dir);
	EXPECT_EQ(sz_file_read(path, 1 << 26, &text, &err), 0);
	for (size_t i = 0; i < text.len; i++)
		n += text.data[i] == '\n';
	sz_buf_done(&text);
	return n;
}

/* Whoever waits for the disk is told when all that is revoked now is there. */
static void wait_for_disk(void)
{
	struct sz_work w = {.done = on_disk, .drop = count_drop};
	struct sz_error err = {""};

	again = 0;
	alarm(100);
	sz_revocations_wait(&g, &w);
	while (!again)
		EXPECT_EQ(sz_net_run(g.loop), 0);
	alarm(0);
	EXPECT_EQ(again, 1);
	EXPECT_EQ(sz_revocations_failed(&g, &err), 0);
}

#define HOUR (3600 * S)

TEST(revocation_goes_an_hour_after_its_end_and_not_before)
{
	u64 wall = sz_wall_ns() / S, boot;

	revocations_begin();
	boot = sz_boot_ns();
	revoke_name(1, wall - 1000); /* over */
	revoke_name(2, wall + 1000);
	revoke_name(3, 0); /* for ever */
	wait_for_disk();
	EXPECT_EQ(lines(), 3);
	EXPECT_EQ(g.wheel.timers, 2);
	run_to(boot + HOUR - S, NULL);
	EXPECT_TRUE(revoked(1) && revoked(2) && revoked(3));
	run_to(boot + HOUR + 60 * S, NULL);
	EXPECT_TRUE(!revoked(1) && revoked(2) && revoked(3));
	EXPECT_EQ(sz_revocations_ended(&g), 1);
	/* By this wheel it has long ended, by the wall clock it has not: that one counts. */
	run_to(boot + 2000 * S + HOUR, NULL);
	EXPECT_TRUE(revoked(2) && revoked(3));
	revocations_end();
}

TEST(revocation_with_another_end_meanwhile_stays)
{
	u64 wall = sz_wall_ns() / S, boot, gen;

	revocations_begin();
	boot = sz_boot_ns();
	revoke_name(1, wall - 1000);
	revoke_name(2, wall - 1000);
	wait_for_disk();
	gen = g.cfg->key_gen;
	run_to(boot + 10 * S, NULL);
	revoke_name(1, 0);           /* nobody has told the daemon yet */
	revoke_name(2, wall + 5000);
	run_to(boot + HOUR + 60 * S, NULL);
	EXPECT_TRUE(revoked(1) && revoked(2));
	EXPECT_EQ(g.cfg->key_gen, gen);
	EXPECT_EQ(sz_revocations_ended(&g), 0);
	revocations_end();
}

TEST(names_taken_back_are_not_known_any_more)
{
	struct sz_id id;
	u64 seq;

	revocations_begin();
	for (u32 i = 1; i <= 3000; i++)
		revoke_name(i, i % 2 ? 0 : sz_wall_ns() / S + 5000);
	wait_for_disk();
	EXPECT_EQ(lines(), 3000);
	EXPECT_EQ(g.wheel.timers, 1500);
	seq = sz_journal_seq(g.journal);
	for (u32 i = 1; i <= 2900; i++) {
		id = id_of(i);
		ASSERT_EQ(sz_map_del(g.kern, SZ_MAP_REVOKED, &id), 0);
	}
	wait_for_disk();
	EXPECT_EQ(lines(), 100);
	wait_for_disk(); /* the sweep behind the last one is over */
	EXPECT_EQ(g.wheel.timers, 50);
	EXPECT_EQ(sz_journal_seq(g.journal), seq);
	revoke_name(1, 0); /* new again, and so on record */
	wait_for_disk();
	EXPECT_EQ(sz_journal_seq(g.journal), seq + 1);
	EXPECT_EQ(lines(), 101);
	revocations_end();
}

TEST(who_waits_while_names_are_read_is_told_of_a_later_file)
{
	struct sz_work first = {.done = on_disk, .drop = count_drop}, second = first;

	revocations_begin();
	for (u32 i = 1; i <= 2000; i++)
		revoke_name(i, 0);
	again = 0;
	alarm(100);
	sz_revocations_wait(&g, &first);
	revoke_name(5000, 0);
	sz_revocations_wait(&g, &second);
	while (again < 2)
		EXPECT_EQ(sz_net_run(g.loop), 0);
	alarm(0);
	EXPECT_EQ(lines(), 2001);
	revocations_end();
}

TEST(file_that_cannot_be_written_is_told_to_who_waits)
{
	struct sz_work w = {.done = on_disk, .drop = count_drop};
	struct sz_error err = {""};

	revocations_begin();
	run("rm -rf %s", dir);
	revoke_name(1, 0);
	again = 0;
	alarm(100);
	sz_revocations_wait(&g, &w);
	while (!again)
		EXPECT_EQ(sz_net_run(g.loop), 0);
	alarm(0);
	EXPECT_TRUE(sz_revocations_failed(&g, &err) < 0);
	EXPECT_CONTAINS(err.msg, "written to disk");
	/* What waits for a file when everything ends is dropped. */
	again = 0;
	sz_revocations_wait(&g, &w);
	revocations_end();
	EXPECT_EQ(again, 1);
}

/* ---- a million ------------------------------------------------------------------------------- */

#define MILLION 1000000ull

/* A third at one instant, a third in one minute, a third over an hour. */
static u64 end_of(u64 i)
{
	u64 spread = i * 0x9e3779b97f4a7c15ull >> 20;

	return 1000 * S + (i % 3 == 0   ? 600 * S
			   : i % 3 == 1 ? 600 * S + spread % (60 * S)
					: 60 * S + spread % (3600 * S));
}

struct census {
	u64 now, ended, n;
};

static int count(const void *key, const void *value, void *arg)
{
	const struct sz_grant *v = value;
	struct census *c = arg;

	(void)key;
	c->n++;
	c->ended += v->expires_ns + SZ_WHEEL_TICK_NS <= c->now;
	return 0;
}

TEST(a_million_grants_end_in_time_a_bounded_part_at_once)
{
	static const u64 at[] = {1000 + 599, 1000 + 601, 1000 + 662, 1000 + 3661};
	static struct sz_hist times;
	u64 left;

	gateway_begin(MILLION + 1000, 1000 * S);
	for (u64 i = 1; i <= MILLION; i++)
		grant(i, end_of(i));
	EXPECT_EQ(g.wheel.timers, MILLION);
	for (unsigned k = 0; k < SZ_ARRAY_LEN(at); k++) {
		struct census c = {.now = at[k] * S};
		unsigned calls = run_to(at[k] * S, &times);

		left = 0;
		for (u64 i = 1; i <= MILLION; i++)
			left += end_of(i) > at[k] * S;
		ASSERT_EQ(sz_map_each(g.kern, SZ_MAP_GRANTS, count, &c), 0);
		EXPECT_EQ(c.ended, 0);
		EXPECT_TRUE(c.n >= left && c.n <= left + 40); /* those within a tick may go */
		EXPECT_EQ(g.wheel.timers, c.n);
		printf("# at %llu s: %llu left, %u callbacks\n", (unsigned long long)at[k],
		       (unsigned long long)c.n, calls);
	}
	EXPECT_EQ(removed(), MILLION);
	printf("# CPU time of a callback: median %llu us, p99 %llu us, p99.9 %llu us, "
	       "max %llu us\n",
	       (unsigned long long)sz_hist_percentile(&times, 50) / 1000,
	       (unsigned long long)sz_hist_percentile(&times, 99) / 1000,
	       (unsigned long long)sz_hist_percentile(&times, 99.9) / 1000,
	       (unsigned long long)sz_hist_max(&times) / 1000);
	gateway_end();
}

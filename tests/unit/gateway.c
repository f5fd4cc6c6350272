/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The gateway's own decisions, on the kernel's real maps: what it makes of a record, of heads that
 * only it reads, and of a token that was revoked while it was verified. Includes the source of the
 * miss path to reach what handles one record.
 */
#include "harness.h"

#include "gateway/guard.c"

#include <net/if.h>

#include "kern_ground.h"
#include "pkt.h"

static struct sz_gateway g;
static struct sz_conf *conf;
static const struct sz_conf_service *svc;
static char dir[32];

static const char yaml[] = "interfaces: [v0]\n"
			   "issuers: [{issuer: i, jwks: k, audiences: a}]\n"
			   "services:\n- name: svc\n  address: \"*:8080\"\n  routes:\n"
			   "  - {path: /, scopes: [s]}\n"
			   "  - {path: /pub, public: true}\n"
			   "  - {path: /also, public: true}\n";

static void gateway_end(void)
{
	sz_pending_free_all(&g);
	sz_net_free(g.loop);
	sz_journal_free(g.journal);
	sz_expiry_free(g.expiry);
	sz_kern_close(g.kern);
	sz_conf_free(conf);
	run("rm -rf %s", dir);
}

/* One for all tests: loading takes most of a second. */
static void gateway_begin(void)
{
	static const u8 secret[16] = "0123456789abcde";

	memset(&g.stats, 0, sizeof(g.stats));
	if (g.journal)
		return;
	begin();
	strcpy(dir, "/tmp/sz-gateway-XXXXXX");
	ASSERT_TRUE(mkdtemp(dir) != NULL);
	conf = sz_conf_parse(yaml, strlen(yaml), "t.yaml", &e);
	ASSERT_TRUE(conf != NULL);
	svc = &conf->services[0];
	g.conf = conf;
	g.kern = load();
	g.cfg = sz_kern_config(g.kern);
	memcpy(g.cfg->key, secret, sizeof(secret));
	sz_wheel_init(&g.wheel, sz_boot_ns(), &g);
	sz_expiry_open(&g);
	ASSERT_EQ(sz_net_new(64, &g.loop, &e), 0);
	ASSERT_EQ(sz_journal_open(g.loop,
				  &(struct sz_conf){.state_dir = dir,
						    .audit = {.dir = dir, .rotate_bytes = 1 << 20}},
				  &g.journal, &e), 0);
	atexit(gateway_end);
}

/* A record as the kernel writes it, and its frame behind it. */
static struct {
	struct sz_miss m;
	u8 frame[PKT_MAX];
} rec;

static void record(const char *head)
{
	struct pkt_spec s = {.flags = PKT_ACK, .seq = 500, .ack = 9, .data = head,
			     .len = (u32)strlen(head)};
	u32 n = pkt_build(rec.frame, &s);

	rec.m = (struct sz_miss){.time_ns = sz_boot_ns(),
				 .ifindex = if_nametoindex("v0"),
				 .service = svc->id,
				 .seq = 500,
				 .reason = SZ_MISS_UNUSUAL,
				 .frame_len = n,
				 .payload_off = (u16)(n - s.len),
				 .payload_len = (u16)s.len,
				 .birth_ns = 77};
	rec.m.flow.client_port = htons(40000);
	rec.m.flow.server_port = htons(8080);
}

/* The reason of the ticket that the daemon wrote for the head, or 0. */
static u32 verdict(const char *head)
{
	struct sz_ticket_key key = {.seq = 500};
	struct sz_ticket t;

	record(head);
	key.flow = rec.m.flow;
	sz_stream_begin(&g, &rec.m, rec.frame, svc);
	EXPECT_EQ(g.n_pending, 0);
	if (sz_map_get(g.kern, SZ_MAP_TICKETS, &key, &t))
		return 0;
	EXPECT_EQ(t.birth_ns, 77);
	EXPECT_EQ(t.service, svc->id);
	EXPECT_EQ(t.len, strlen(head));
	sz_map_del(g.kern, SZ_MAP_TICKETS, &key);
	return t.reason;
}

#define GET(path, more) "GET " path " HTTP/1.1\r\nHost: h\r\n" more "\r\n"

TEST(unusual_head_on_a_public_route_gets_its_ticket)
{
	gateway_begin();
	EXPECT_EQ(verdict(GET("/pub/%41", "")), SZ_R_TICKET);
	EXPECT_EQ(verdict(GET("/%41", "")), SZ_R_NO_TOKEN);
}

TEST(upgrade_is_refused_on_a_public_route_too)
{
	gateway_begin();
	EXPECT_EQ(verdict(GET("/pub/%41", "Upgrade: websocket\r\n")), SZ_R_UPGRADE);
}

TEST(other_scheme_is_refused_on_a_public_route_too)
{
	gateway_begin();
	EXPECT_EQ(verdict(GET("/pub/%41", "Authorization: Basic YTpi\r\n")), SZ_R_BAD_SCHEME);
}

TEST(path_as_sent_and_its_canonical_form_fall_under_one_route)
{
	gateway_begin();
	EXPECT_EQ(verdict(GET("/pub/./x", "")), SZ_R_TICKET);
	EXPECT_EQ(verdict(GET("/pub/../also", "")), SZ_R_NO_ROUTE);
	EXPECT_EQ(verdict(GET("/also/../pub/x", "")), SZ_R_NO_ROUTE);
	EXPECT_EQ(verdict(GET("/x/../pub", "")), SZ_R_NO_ROUTE);
}

/* Fewer bytes than a forged handshake could be off by: they go on ahead at once. */
TEST(carriage_return_at_the_end_does_not_go_on_ahead)
{
	static const char line[] = "GET / HTTP/1.1\r";
	struct sz_ticket_key key = {.seq = 500};
	struct sz_pending *p;
	struct sz_ticket t;

	gateway_begin();
	record(line);
	key.flow = rec.m.flow;
	sz_stream_begin(&g, &rec.m, rec.frame, svc);
	ASSERT_EQ(sz_map_get(g.kern, SZ_MAP_TICKETS, &key, &t), 0);
	EXPECT_EQ(t.len, sizeof(line) - 2);
	EXPECT_EQ(t.flags, SZ_TK_STREAM);
	sz_map_del(g.kern, SZ_MAP_TICKETS, &key);
	p = sz_pending_find(&g, &rec.m.flow);
	ASSERT_TRUE(p != NULL);
	EXPECT_EQ(p->head.len, sizeof(line) - 2);
	sz_pending_free(&g, p);
}

TEST(record_whose_offsets_lie_is_not_looked_at)
{
	size_t len;

	gateway_begin();
	for (int i = 0; i < 7; i++) {
		record(GET("/pub/%41", ""));
		len = sizeof(rec.m) + rec.m.frame_len;
		if (i == 0)
			len = sizeof(rec.m) - 1;
		if (i == 1)
			len--;
		if (i == 2)
			rec.m.frame_len = SZ_FRAME_MAX + 1, len = sizeof(rec);
		if (i == 3)
			rec.m.payload_off = (u16)(rec.m.frame_len + 1);
		if (i == 4)
			rec.m.payload_len++;
		if (i == 5)
			rec.m.undecided = rec.m.payload_len + 1;
		if (i == 6)
			rec.m.token_off = (u16)rec.m.frame_len, rec.m.token_len = 1;
		rec.m.service = svc->id + 1; /* nobody's: what is believed is only counted */
		on_miss(&rec, len, &g);
		EXPECT_EQ(g.stats.misses, 0);
	}
	record(GET("/pub/%41", ""));
	on_miss(&rec, sizeof(rec.m) + rec.m.frame_len, &g);
	EXPECT_EQ(g.stats.misses, 1);
	EXPECT_EQ(g.stats.tickets, 1);
}

TEST(name_that_was_revoked_during_verification_marks_the_grant)
{
	gateway_begin();
	for (u32 i = 1; i <= SZ_REVOKE_KIND_COUNT; i++) {
		struct sz_job j = {.key = {.token.w[0] = 1 + (u64)i, .service = svc->id},
				   .svc = svc};
		struct sz_decision *d = &j.decision;
		struct sz_revoked v = {.kind = i};
		struct sz_grant grant;

		d->token = (struct sz_token){.issuer = "i", .subject = "u", .jti = "j",
					     .exp = (s64)(sz_wall_ns() / 1000000000ull) + 60};
		d->names.present = ~0u;
		for (u32 k = 1; k < SZ_REVOKE_KIND_COUNT; k++)
			d->names.id[k] = (struct sz_id){{(u8)i, (u8)k}};
		if (i < SZ_REVOKE_KIND_COUNT)
			ASSERT_EQ(sz_map_put(g.kern, SZ_MAP_REVOKED, &d->names.id[i], &v), 0);
		EXPECT_EQ(sz_grant_write(&g, &j), 0);
		ASSERT_EQ(sz_map_get(g.kern, SZ_MAP_GRANTS, &j.key, &grant), 0);
		EXPECT_EQ(grant.flags, i < SZ_REVOKE_KIND_COUNT ? SZ_GRANT_REVOKED : 0);
	}
}

TEST(first_revocation_of_its_kind_is_seen_by_a_token_decided_before_it)
{
	struct sz_job j = {.key = {.token.w[0] = 4711, .service = 1}};
	struct sz_id id = sz_revoke_pair_id(SZ_REVOKE_PRINCIPAL, "of", "somebody");
	struct sz_revoked v = {.kind = SZ_REVOKE_PRINCIPAL};
	struct sz_grant grant;

	gateway_begin();
	j.svc = svc;
	j.decision.token = (struct sz_token){.issuer = "of", .subject = "somebody",
					     .exp = (s64)(sz_wall_ns() / 1000000000ull) + 60};
	g.cfg->revoked_kinds = 0;
	EXPECT_EQ(sz_grant_write(&g, &j), 0);
	ASSERT_EQ(sz_map_get(g.kern, SZ_MAP_GRANTS, &j.key, &grant), 0);
	EXPECT_EQ(grant.flags, 0);
	ASSERT_EQ(sz_map_put(g.kern, SZ_MAP_REVOKED, &id, &v), 0);
	EXPECT_EQ(g.cfg->revoked_kinds, 1u << SZ_REVOKE_PRINCIPAL);
	EXPECT_EQ(sz_grant_write(&g, &j), 0);
	ASSERT_EQ(sz_map_get(g.kern, SZ_MAP_GRANTS, &j.key, &grant), 0);
	EXPECT_EQ(grant.flags, SZ_GRANT_REVOKED);
}

/* ---- who comes first ------------------------------------------------------------------------- */

TEST(request_of_a_token_that_was_good_is_urgent_and_a_stranger_s_is_not)
{
	struct sz_grant_key key = {.token.w[0] = 0xabc, .service = 1};
	struct sz_miss m = {.service = 1};
	struct sz_grant grant = {.expires_ns = 1}; /* over, but not gone */

	gateway_begin();
	EXPECT_EQ(class_of(&g, &m, &key), SZ_WORK_NORMAL);
	ASSERT_EQ(sz_map_put(g.kern, SZ_MAP_GRANTS, &key, &grant), 0);
	EXPECT_EQ(class_of(&g, &m, &key), SZ_WORK_URGENT);
	grant.flags = SZ_GRANT_REVOKED;
	ASSERT_EQ(sz_map_put(g.kern, SZ_MAP_GRANTS, &key, &grant), 0);
	EXPECT_EQ(class_of(&g, &m, &key), SZ_WORK_NORMAL);
	key.service = 2; /* good at one service says nothing about another */
	EXPECT_EQ(class_of(&g, &m, &key), SZ_WORK_NORMAL);
	m.monitor = 1; /* its frame has passed */
	EXPECT_EQ(class_of(&g, &m, &key), SZ_WORK_LATER);
}

/* ---- the audit log's batches ---------------------------------------------------------------- */

#define RECORDS 60
#define REST_MS 10

static struct {
	u64 synced, last;
	u32 added, batches;
	bool over;
} trickle;

static void every_ms(void *arg)
{
	struct sz_audit_record r = {.type = SZ_AUDIT_DENIAL, .reason = SZ_R_NO_TOKEN};

	(void)arg;
	if (trickle.over)
		return;
	if (sz_journal_synced(g.journal) != trickle.synced) {
		trickle.synced = sz_journal_synced(g.journal);
		trickle.batches++;
	}
	if (trickle.added < RECORDS) {
		trickle.last = sz_journal_add(g.journal, &r);
		trickle.added++;
	} else if (trickle.synced >= trickle.last) {
		trickle.over = true;
		sz_net_stop(g.loop);
	}
}

TEST(trickle_of_records_is_written_in_few_batches_and_nobody_has_to_ask)
{
	u64 begin;

	gateway_begin();
	begin = sz_boot_ns();
	ASSERT_EQ(sz_net_every(g.loop, 1000000, every_ms, NULL), 0);
	ASSERT_EQ(sz_net_run(g.loop), 0);
	EXPECT_EQ(trickle.added, RECORDS);
	EXPECT_EQ(sz_journal_synced(g.journal), trickle.last);
	/* The first needs no rest, and one more may have been under way before. */
	EXPECT_TRUE(trickle.batches <= 2 + (sz_boot_ns() - begin) / (REST_MS * 1000000));
}

/* ---- how many questions are open ------------------------------------------------------------ */

static u64 open_now(void)
{
	return sz_adaptive_open(&g.cfg->load);
}

/* As after a start, with n questions of another run that were never answered. */
static void load_begin(u64 n)
{
	gateway_begin();
	memset(&g.load, 0, sizeof(g.load));
	memset(&g.cfg->load, 0, sizeof(g.cfg->load));
	g.cfg->load.asked = n;
	conf->adaptive = (struct sz_conf_adaptive){
		.on = true, .target_ms = 1000, .min = 4, .max = 10};
	sz_load_open(&g);
}

static void drained(void)
{
	sz_load_drained(&g, sz_load_look(&g));
}

TEST(limit_and_its_shares_are_published)
{
	load_begin(0);
	EXPECT_EQ(g.cfg->load.limit, 10);
	EXPECT_EQ(g.cfg->load.cap[SZ_PRIORITY_LOW], 5);
	EXPECT_EQ(g.cfg->load.cap[SZ_PRIORITY_NORMAL], 8);
	EXPECT_EQ(g.cfg->load.cap[SZ_PRIORITY_HIGH], 10);
	EXPECT_EQ(g.cfg->load.target_ns, 1000000000);
	conf->adaptive.on = false;
	sz_load_configure(&g);
	EXPECT_EQ(g.cfg->load.limit + g.cfg->load.cap[SZ_PRIORITY_HIGH], 0);
}

TEST(questions_of_a_run_that_is_over_are_not_open)
{
	load_begin(50);
	EXPECT_EQ(open_now(), 0);
	drained();
	EXPECT_EQ(open_now(), 0);
	g.cfg->load.asked++;
	EXPECT_EQ(open_now(), 1);
}

TEST(question_is_open_until_its_work_is_done)
{
	struct sz_miss m = {.counted = 1}, again = {.counted = 0};
	bool working = false;

	load_begin(7);
	drained();
	g.cfg->load.asked++;
	EXPECT_EQ(open_now(), 1);
	sz_load_taken(&g, &m);
	sz_load_begin(&g, &working);
	sz_load_begin(&g, &working); /* the same work once more counts once */
	drained();
	EXPECT_EQ(open_now(), 1);
	sz_load_taken(&g, &again);
	drained();
	EXPECT_EQ(open_now(), 1);
	sz_load_end(&g, &working);
	EXPECT_EQ(open_now(), 0);
	sz_load_end(&g, &working);
	EXPECT_EQ(open_now(), 0);
}

TEST(record_that_is_lost_is_open_for_a_beat_and_no_longer)
{
	load_begin(0);
	drained();
	sz_load_beat(&g);
	g.cfg->load.asked += 3;
	drained();
	EXPECT_EQ(open_now(), 3);
	sz_load_beat(&g);
	EXPECT_EQ(open_now(), 0);
	/* Nor does one too many let more through for ever. */
	g.load.taken += 5;
	drained();
	sz_load_beat(&g);
	g.cfg->load.asked++;
	EXPECT_EQ(open_now(), 1);
}

TEST(record_that_is_on_its_way_is_not_taken_for_lost)
{
	struct sz_miss m = {.counted = 1};

	load_begin(0);
	drained();
	sz_load_beat(&g);
	g.cfg->load.asked++;
	drained(); /* counted, and not in the ring yet */
	sz_load_taken(&g, &m);
	drained();
	sz_load_beat(&g);
	EXPECT_EQ(open_now(), 0);
	g.cfg->load.asked++;
	EXPECT_EQ(open_now(), 1);
	sz_load_beat(&g); /* nobody has looked at the ring since: nothing is known */
	EXPECT_EQ(open_now(), 1);
}

/* What the kernel let through in pieces while there was room is refused where there is none. */
TEST(head_in_pieces_is_refused_when_it_is_whole_and_no_room_is_left)
{
	static const char head[] = GET("/%41", "Authorization: Bearer aaaa.bbbb.cccc\r\n");
	const u32 cut = 30;
	struct sz_ticket_key key = {.seq = 500};
	struct sz_pending *p;
	struct sz_ticket t;
	char piece[64] = "";

	load_begin(0);
	drained();
	memcpy(piece, head, cut);
	record(piece);
	key.flow = rec.m.flow;
	rec.m.reason = SZ_MISS_PARTIAL;
	sz_stream_begin(&g, &rec.m, rec.frame, svc);
	p = sz_pending_find(&g, &key.flow);
	ASSERT_TRUE(p != NULL && p->state == SZ_PENDING_HEAD);
	g.cfg->load.asked += 9; /* meanwhile others ask */
	record(head + cut);
	rec.m.reason = SZ_MISS_STREAM;
	rec.m.seq = 500 + cut;
	sz_stream_more(&g, p, &rec.m, rec.frame);
	EXPECT_EQ(g.n_pending, 0);
	ASSERT_EQ(sz_map_get(g.kern, SZ_MAP_TICKETS, &key, &t), 0);
	EXPECT_EQ(t.reason, SZ_R_BUSY);
	EXPECT_EQ(g.cfg->load.shed[SZ_PRIORITY_NORMAL], 1);
	sz_map_del(g.kern, SZ_MAP_TICKETS, &key);
}

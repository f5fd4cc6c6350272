/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A guarded service in a test: fresh maps, one service on port 8080 of 192.0.2.1 and 2001:db8::1,
 * routes, prepared answers, and the two programs as functions. The same tests run on two machines:
 * the real object in the kernel (scene_bpf.h, through BPF_PROG_TEST_RUN) and, with SCENE_NATIVE
 * defined, the same lines natively under the sanitizers (scene_native.h). With SCENE_BOTH they run
 * on both at once, compared after every frame (scene_both.h).
 *
 * A machine offers machine_begin/_in/_out/_get/_set/_del/_sum/_now/_wait/_ring.
 */
#ifndef SZ_TESTS_SCENE_H
#define SZ_TESTS_SCENE_H

#include "harness.h"
#include "pkt.h"

#include "subzero/abi.h"

#define SCENE_SERVICE      5
#define SCENE_GRANTED      "granted-token"
#define SCENE_PRINCIPAL    0x1122334455667788ull
#define SCENE_ISS          7000u /* the server's initial sequence number */
#define SCENE_BASE         1000u /* first byte of the client's data, unless a test says more */
#define SCENE_ROUTE_A      1     /* GET, POST /a and below: token */
#define SCENE_ROUTE_PUBLIC 2     /* GET, POST /pub: no token */
#define SCENE_ROUTE_ASK    3     /* GET /ask: the daemon decides each request */
#define SCENE_ROUTE_OTHER  4     /* GET /other: the grant does not allow it */

enum scene_act { SCENE_PASS, SCENE_DROP, SCENE_REPLY };

/* What the last frame became. */
static struct {
	u8 in[PKT_MAX], out[PKT_MAX];
	u32 in_len, out_len;
	struct pkt_seg seg; /* of out, where it parses */
	bool parsed, same;  /* same: out equals in */
	bool v6;
	bool forwarded; /* what the server says comes through this machine, not from it */
	struct sz_config cfg;
	struct sz_service svc; /* as scene_limit() leaves it */
} scene;

#ifdef SCENE_NATIVE
#include "scene_native.h"
#elif defined(SCENE_BOTH)
#include "scene_both.h"
#else
#include "scene_bpf.h"
#endif

static inline int scene_raw(void)
{
	int act = machine_in();

	scene.same = scene.out_len == scene.in_len && !memcmp(scene.out, scene.in, scene.in_len);
	scene.parsed = pkt_parse(scene.out, scene.out_len, &scene.seg);
	return act;
}

/* A frame arrives. */
static inline int scene_in(struct pkt_spec s)
{
	s.v6 |= scene.v6;
	scene.in_len = pkt_build(scene.in, &s);
	return scene_raw();
}

/* A frame of the server leaves. */
static inline void scene_out(struct pkt_spec s)
{
	s.v6 |= scene.v6;
	s.reply = true;
	scene.in_len = pkt_build(scene.in, &s);
	machine_out();
}

#define IN(...)  scene_in((struct pkt_spec){__VA_ARGS__})
#define OUT(...) scene_out((struct pkt_spec){__VA_ARGS__})
/* Client data at `at` bytes behind the first one. */
#define DATA(at, s) DATA_N(at, s, strlen(s))
#define DATA_N(at, s, n)                                                                           \
	IN(.flags = PKT_ACK | PKT_PSH, .seq = scene_base + (u32)(at), .ack = scene_ack,            \
	   .data = (s), .len = (u32)(n))
/* The server acknowledges n bytes, and has sent `said` bytes itself. */
#define ACKED(n) OUT(.flags = PKT_ACK, .seq = scene_ack, .ack = scene_base + (u32)(n))

static u32 scene_base, scene_ack;

/* The handshake; `base` is the first byte of client data. */
static inline void scene_connect_at(u32 base)
{
	scene_base = base;
	scene_ack = SCENE_ISS + 1;
	EXPECT_EQ(IN(.flags = PKT_SYN, .seq = base - 1), SCENE_PASS);
	OUT(.flags = PKT_SYN | PKT_ACK, .seq = SCENE_ISS, .ack = base);
	EXPECT_EQ(IN(.flags = PKT_ACK, .seq = base, .ack = scene_ack), SCENE_PASS);
}

static inline void scene_connect(void)
{
	scene_connect_at(SCENE_BASE);
}

static inline void scene_config(void)
{
	u32 zero = 0;

	ASSERT_EQ(machine_set("sz_config", &zero, &scene.cfg), 0);
}

static inline struct sz_addr scene_addr(bool v6, u8 last)
{
	struct sz_addr a = {};

	if (v6) {
		pkt_addr(a.b, true, last);
	} else {
		a.b[10] = a.b[11] = 0xff;
		pkt_addr(a.b + 12, false, last);
	}
	return a;
}

static inline struct sz_flow_key scene_flow_key(void)
{
	return (struct sz_flow_key){.client = scene_addr(scene.v6, 7),
				    .server = scene_addr(scene.v6, 1),
				    .client_port = htons(40000),
				    .server_port = htons(8080)};
}

static inline bool scene_half(struct sz_flow *ret)
{
	struct sz_flow_key k = scene_flow_key();

	return !machine_get("sz_half", &k, ret);
}

static inline bool scene_flow(struct sz_flow *ret)
{
	struct sz_flow_key k = scene_flow_key();

	return !machine_get("sz_flows", &k, ret);
}

/* The server sends n bytes, and the client has them. */
static inline void scene_said(u32 n)
{
	static const u8 said[1400];
	struct sz_flow f;
	u32 acked = scene_base;

	if (scene_flow(&f) || scene_half(&f))
		acked = (u32)f.server;
	OUT(.flags = PKT_ACK | PKT_PSH, .seq = scene_ack, .ack = acked, .data = said, .len = n);
	scene_ack += n;
}

static inline u64 scene_count(u32 reason)
{
	return machine_sum("sz_counters", reason);
}

static inline u64 scene_hits(u64 principal, u16 route)
{
	struct sz_hit_key k = {.principal = principal, .service = SCENE_SERVICE, .route = route};

	return machine_sum_key("sz_hits", &k);
}

/* The oldest held frame; its bytes are in scene_miss_frame. */
static u8 scene_miss_frame[SZ_FRAME_MAX];

static inline bool scene_miss(struct sz_miss *ret)
{
	static u8 rec[sizeof(struct sz_miss) + SZ_FRAME_MAX];
	u32 n = machine_ring("sz_misses", rec, sizeof(rec));

	if (!n)
		return false;
	memcpy(ret, rec, sizeof(*ret));
	memcpy(scene_miss_frame, rec + sizeof(*ret), n - sizeof(*ret));
	return EXPECT_EQ(n, sizeof(*ret) + ret->frame_len);
}

static inline bool scene_event(struct sz_event *ret)
{
	return machine_ring("sz_events", ret, sizeof(*ret)) == sizeof(*ret);
}

static inline void scene_service(const struct sz_service *svc)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct sz_service_key k = {.addr = scene_addr(v6, 1), .port = htons(8080)};

		ASSERT_EQ(machine_set("sz_services", &k, svc), 0);
		k.port = 0;
		ASSERT_EQ(machine_set("sz_services", &k, svc), 0);
	}
}

/*
 * A limit of the service in the next slot, asked at `stage` by `by`: its slot. Limits of one
 * service are added in the order of their stages. 0 for the burst: one request.
 */
static inline u32 scene_limit(u32 stage, u32 by, u32 reason, u64 interval, u64 burst)
{
	struct sz_service *svc = &scene.svc;
	u32 slot = 1 + svc->limit_end[SZ_SERVICE_STAGES - 1];
	struct sz_limit l = {
		.interval_ns = interval,
		.burst_ns = burst ? burst : interval,
		.id = 1000 + slot,
		.service = SCENE_SERVICE,
		.reason = reason,
		.by = (u16)by,
		.stage = (u8)stage,
		.table = stage == SZ_LIMIT_SYN ? SZ_BUCKETS_SYN
			 : by == SZ_BY_SOURCE  ? SZ_BUCKETS_SOURCE
					       : SZ_BUCKETS_VERIFIED,
		.prefix4 = 32,
		.prefix6 = 64,
		.name = "scene",
	};

	memset(l.routes, 0xff, sizeof(l.routes));
	ASSERT_TRUE(slot <= SZ_SERVICE_LIMITS);
	ASSERT_EQ(machine_set("sz_limits", &slot, &l), 0);
	svc->limit[slot - 1] = (u16)slot;
	for (u32 i = stage; i < SZ_SERVICE_STAGES; i++)
		svc->limit_end[i] = (u8)slot;
	scene_service(svc);
	return slot;
}

static inline struct sz_limit scene_limit_get(u32 slot)
{
	struct sz_limit l = {};

	ASSERT_EQ(machine_get("sz_limits", &slot, &l), 0);
	return l;
}

static inline void scene_limit_set(u32 slot, const struct sz_limit *l)
{
	ASSERT_EQ(machine_set("sz_limits", &slot, l), 0);
}

/* Budgets of misses: of all, and of one source; each for all services. */
static inline u32 scene_source_misses(u64 interval, u64 burst)
{
	return scene_limit(SZ_LIMIT_MISS, SZ_BY_SOURCE, SZ_R_OVERLOAD, interval, burst);
}

static inline u32 scene_misses(u64 interval, u64 burst)
{
	return scene_limit(SZ_LIMIT_MISS, 0, SZ_R_OVERLOAD, interval, burst);
}

/* Every bucket is full again. */
static inline void scene_buckets_clear(void)
{
	static const struct sz_bucket_set none;

	for (u32 i = 0; i < SZ_BUCKET_TABLES * scene.cfg.bucket_sets; i++)
		ASSERT_EQ(machine_set("sz_buckets", &i, &none), 0);
}

/* Words of a limit's counter. */
enum { SCENE_ADMITTED, SCENE_REFUSED, SCENE_DRY, SCENE_SPARE };

static inline u64 scene_limit_count(u32 slot, u32 word)
{
	return machine_sum_word("sz_limit_counts", slot, word);
}

/* One node: `path` with its NUL when `exact`. */
static inline void scene_node(const char *path, bool exact, u16 route, u32 methods, u16 flags)
{
	struct sz_route_key k = {.service = SCENE_SERVICE};
	struct sz_route_node n;
	u32 len = (u32)strlen(path) + exact;

	memcpy(k.path, path, len);
	k.prefixlen = 32 + 8 * len;
	for (u32 m = 0; m < SZ_METHOD_COUNT; m++) {
		n.route[m] = methods >> m & 1 ? route : SZ_ROUTE_NONE;
		n.flags[m] = methods >> m & 1 ? flags : 0;
	}
	ASSERT_EQ(machine_set("sz_routes", &k, &n), 0);
}

static inline struct sz_grant_key scene_token(const char *token)
{
	struct sz_grant_key k = {.service = SCENE_SERVICE};
	static u8 buf[SZ_FRAME_MAX + 64];
	u32 n = (u32)strlen(token);

	memcpy(buf, token, n);
	sz_token_digest(scene.cfg.key, buf, 0, n, &k.token);
	return k;
}

static inline struct sz_grant scene_grant_value(void)
{
	struct sz_grant g = {.expires_ns = machine_now() + 3600000000000ull,
			     .policy_gen = scene.cfg.policy_gen,
			     .key_gen = scene.cfg.key_gen,
			     .principal = SCENE_PRINCIPAL};

	g.allow[0] = 1u << SCENE_ROUTE_A | 1u << SCENE_ROUTE_PUBLIC;
	g.ask[0] = 1u << SCENE_ROUTE_ASK;
	return g;
}

static inline void scene_grant(const char *token, const struct sz_grant *g)
{
	struct sz_grant_key k = scene_token(token);

	ASSERT_EQ(machine_set("sz_grants", &k, g), 0);
}

static inline struct sz_ticket scene_ticket_value(const void *bytes, u32 len, u32 flags, u64 more)
{
	static u8 buf[SZ_FRAME_MAX + 64];

	memcpy(buf, bytes, len);
	return (struct sz_ticket){.digest = sz_segment_digest(scene.cfg.key, buf, 0, len),
				  .expires_ns = machine_now() + 5000000000ull,
				  .more = more,
				  .principal = SCENE_PRINCIPAL,
				  .len = len,
				  .reason = SZ_R_TICKET,
				  .flags = flags,
				  .service = SCENE_SERVICE,
				  .route = SCENE_ROUTE_A,
				  .method = SZ_M_POST};
}

/* For the connection as it is now and what has passed of it, unless the ticket names a birth. */
static inline void scene_ticket_set(u32 at, struct sz_ticket *t)
{
	struct sz_ticket_key k = {.flow = scene_flow_key(), .seq = scene_base + at};

	struct sz_flow f;

	if (!t->birth_ns && (scene_flow(&f) || scene_half(&f))) {
		t->birth_ns = f.birth_ns;
		t->after = f.chain;
	}
	ASSERT_EQ(machine_set("sz_tickets", &k, t), 0);
}

/* The daemon admits `len` bytes at `at`. */
static inline void scene_ticket(u32 at, const void *bytes, u32 len, u32 flags, u64 more)
{
	struct sz_ticket t = scene_ticket_value(bytes, len, flags, more);

	scene_ticket_set(at, &t);
}

static inline void scene_answers(void)
{
#define SCENE_STATUS_(n, NAME, label, http, text) [n] = http,
	static const u16 status[SZ_REASON_MAX] = {SZ_REASONS(SCENE_STATUS_)};

	for (u32 r = 0; r < SZ_REASON_MAX; r++) {
		struct sz_answer a = {};
		u32 sum;

		if (!status[r])
			continue;
		a.len = (u32)snprintf((char *)a.bytes, sizeof(a.bytes),
				      "HTTP/1.1 %u Refused\r\n%sConnection: close\r\n\r\n%.*s",
				      status[r],
				      status[r] == 401 ? "WWW-Authenticate: Bearer\r\n" : "",
				      (int)(r & 3), "abc");
		sum = pkt_sum(a.bytes, a.len, 0);
		a.csum = htons((u16)sum);
		a.brief_len = (u32)snprintf((char *)a.brief, sizeof(a.brief),
					    "HTTP/1.1 %u No\r\n\r\n", status[r]);
		a.brief_csum = htons((u16)pkt_sum(a.brief, a.brief_len, 0));
		ASSERT_EQ(machine_set("sz_answers", &r, &a), 0);
	}
}

#define SCENE_GET_POST (1u << SZ_M_GET | 1u << SZ_M_POST)

static inline void scene_begin(void)
{
	struct sz_grant g;

	memset(&scene, 0, sizeof(scene));
	scene.svc.id = SCENE_SERVICE;
	machine_begin();
	scene.cfg = (struct sz_config){.abi = SZ_ABI,
				       .heartbeat_ns = machine_now(),
				       .heartbeat_ttl_ns = 60000000000ull,
				       .bucket_sets = 16,
				       .policy_gen = 11,
				       .key_gen = 22};
	memcpy(scene.cfg.key, "0123456789abcdef", 16);
	for (size_t i = 0; i < sizeof(scene.cfg.same_key) / 8; i++)
		scene.cfg.same_key[i] = (i + 1) * 0x9e3779b97f4a7c15ull;
	scene_config();
	scene_service(&scene.svc);
	scene_node("/a", true, SCENE_ROUTE_A, SCENE_GET_POST, 0);
	scene_node("/a/", false, SCENE_ROUTE_A, SCENE_GET_POST, 0);
	scene_node("/pub", true, SCENE_ROUTE_PUBLIC, SCENE_GET_POST, SZ_RT_PUBLIC);
	scene_node("/ask", true, SCENE_ROUTE_ASK, SCENE_GET_POST, 0);
	scene_node("/other", true, SCENE_ROUTE_OTHER, SCENE_GET_POST, 0);
	g = scene_grant_value();
	scene_grant(SCENE_GRANTED, &g);
	scene_answers();
	scene_base = SCENE_BASE;
	scene_ack = SCENE_ISS + 1;
}

/* Expects that the last frame became the answer prepared for `reason`. */
static inline void scene_answered(int act, u32 reason)
{
	struct sz_answer a;

	ASSERT_EQ(act, SCENE_REPLY);
	ASSERT_EQ(machine_get("sz_answers", &reason, &a), 0);
	ASSERT_TRUE(scene.parsed && scene.seg.ip_ok && scene.seg.tcp_ok);
	EXPECT_EQ(scene.seg.flags, PKT_FIN | PKT_PSH | PKT_ACK);
	ASSERT_EQ(scene.seg.len, a.len);
	EXPECT_MEMEQ(scene.seg.data, a.bytes, a.len);
	EXPECT_EQ(scene_count(reason), 1);
}

/* Requests. */
#define HOST_         "Host: h\r\n"
#define AUTH_         "Authorization: Bearer " SCENE_GRANTED "\r\n"
#define GET_A         "GET /a HTTP/1.1\r\n" HOST_ AUTH_ "\r\n"
#define GET_PUB       "GET /pub HTTP/1.1\r\n" HOST_ "\r\n"
#define GET_NO_TOKEN  "GET /a HTTP/1.1\r\n" HOST_ "\r\n"
#define POST_A(len)   "POST /a HTTP/1.1\r\n" HOST_ AUTH_ "Content-Length: " len "\r\n\r\n"
#define POST_PUB(len) "POST /pub HTTP/1.1\r\n" HOST_ "Content-Length: " len "\r\n\r\n"
#define LEN(s)        ((u32)sizeof(s) - 1)

#endif

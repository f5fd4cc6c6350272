/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Kernel and daemon never disagree: random policies, tokens and requests. What the packet core
 * makes of the grant, the routes and the remembered requests is compared with the whole policy
 * evaluated for that request alone. Time goes on, also to the very instants at which conditions
 * turn; sources change; relationships come and go. SZ_CASES says how many requests (default 60000),
 * SZ_SEED from where.
 */
#include "harness.h"
#include "mmdb.h"
#include "native.h"

#include <unistd.h>

#include "policy/policy.h"

#define BASE_S 1782000000ll /* a Sunday, 00:00:00 UTC */
#define NS     1000000000ll
#define BOOT_0 1000000000000ull

static u64 seed = 0x5eed;

static u32 below(u32 n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(seed >> 33) % n;
}

static const char *pick(const char *const *list, u32 n)
{
	return list[below(n)];
}
#define PICK(...)                                                                                  \
	pick((const char *const[]){__VA_ARGS__},                                                   \
	     sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* ---- random conditions ---------------------------------------------------------------------- */

static s64 turns[64]; /* seconds that a policy names */
static u32 n_turns;

static const char *instant(void)
{
	static char s[48];
	s64 t = BASE_S + below(7200);
	u32 in_day = (u32)(t % 86400);

	if (n_turns < SZ_ARRAY_LEN(turns))
		turns[n_turns++] = t;
	snprintf(s, sizeof(s), "timestamp(\"2026-06-21T%02u:%02u:%02uZ\")", in_day / 3600,
		 in_day / 60 % 60, in_day % 60);
	return s;
}

static void add_time(struct sz_buf *b)
{
	const char *op = PICK("<", "<=", ">", ">=", "==", "!=");

	switch (below(7)) {
	case 0:
	case 1:
		sz_buf_printf(b, "request.time %s %s", op, instant());
		break;
	case 2:
		sz_buf_printf(b, "%s %s request.time", instant(), op);
		break;
	case 3:
		sz_buf_printf(b, "request.time - %s %s duration(\"%us\")",
			      instant(), op, below(90));
		break;
	case 4:
		sz_buf_printf(b, "%s - request.time %s duration(\"%us\")",
			      instant(), op, below(90));
		break;
	case 5:
		sz_buf_printf(b, "request.time + duration(\"%us\") %s %s",
			      below(90), op, instant());
		break;
	default:
		sz_buf_printf(b, "request.time.%s %s %u",
			      PICK("getHours()", "getMinutes()", "getHours(\"Europe/Berlin\")",
				   "getMinutes(\"+01:23\")", "getDayOfWeek()", "getSeconds()"),
			      op, below(30));
	}
}

static void add_location(struct sz_buf *b)
{
	sz_buf_printf(b, "%s",
		      PICK("request.location.country == \"DE\"", "has(request.location.country)",
			   "request.location.country in [\"FR\", \"DE\"]",
			   "request.location.asn == 64500", "size(request.location) == 0",
			   "request.location.latitude > 50.0",
			   "request.location.country == claims.a",
			   "has(request.location.city) && request.path == \"/a\""));
}

static void add_atom(struct sz_buf *b)
{
	switch (below(9)) {
	case 8:
		add_location(b);
		break;
	case 0:
	case 1:
		add_time(b);
		break;
	case 2:
		sz_buf_printf(b, "%s",
			      PICK("cidr(\"10.0.0.0/8\").containsIP(request.source)",
				   "cidr(\"10.0.0.0/31\").containsIP(request.source)",
				   "cidr(\"2001:db8::/33\").containsIP(request.source)",
				   "cidr(\"::/0\").containsIP(request.source)",
				   "request.source == ip(\"10.0.0.1\")",
				   "ip(\"2001:db8::1\") != request.source",
				   "request.source.family() == 4",
				   "cidr(claims.net).containsIP(request.source)"));
		break;
	case 3:
	case 4:
		sz_buf_printf(b, "%s",
			      PICK("request.method == \"GET\"", "request.path.startsWith(\"/a\")",
				   "request.query == \"q=1\"", "request.vars.v == \"1\"",
				   "has(request.vars.v)", "request.vars.v == claims.a",
				   "request.headers[\"x\"] == \"1\"", "size(request.path) > 2"));
		break;
	default:
		sz_buf_printf(b, "%s",
			      PICK("claims.a == \"1\"", "claims.n > 1", "has(claims.b)",
				   "claims.missing == 1", "principal == \"ann\"", "true", "false",
				   "[1, 2].exists(x, x == claims.n)",
				   "token.expires > request.time",
				   "timestamp(claims.t) < request.time"));
	}
}

static void add_condition(struct sz_buf *b, u32 depth)
{
	if (!depth || below(3) == 0) {
		add_atom(b);
		return;
	}
	sz_buf_printf(b, "(");
	switch (below(4)) {
	case 0:
		sz_buf_printf(b, "!(");
		add_condition(b, depth - 1);
		sz_buf_printf(b, ")");
		break;
	case 1:
		add_condition(b, depth - 1);
		sz_buf_printf(b, " && ");
		add_condition(b, depth - 1);
		break;
	case 2:
		add_condition(b, depth - 1);
		sz_buf_printf(b, " || ");
		add_condition(b, depth - 1);
		break;
	default:
		add_condition(b, depth - 1);
		sz_buf_printf(b, " ? ");
		add_condition(b, depth - 1);
		sz_buf_printf(b, " : ");
		add_condition(b, depth - 1);
	}
	sz_buf_printf(b, ")");
}

static void add_route(struct sz_buf *b, const char *path)
{
	u32 i, n = below(3);

	sz_buf_printf(b, "  - path: '%s'\n    methods: [%s]\n", path,
		      PICK("GET", "GET, POST", "'*'", "POST"));
	if (below(9) == 0) {
		sz_buf_printf(b, "    public: true\n");
		return;
	}
	if (below(5) == 0)
		sz_buf_printf(b, "    scopes: [%s]\n", PICK("r", "w"));
	if (n)
		sz_buf_printf(b, "    when:\n");
	for (i = 0; i < n; i++) {
		sz_buf_printf(b, "    - '");
		add_condition(b, 3);
		sz_buf_printf(b, "'\n");
	}
	if (below(4) == 0)
		sz_buf_printf(b, "    relation: {object: '%s', relation: viewer}\n",
			      PICK("doc:{claims.a}", "doc:7", "doc:{request.path}"));
	if (below(5) == 0)
		sz_buf_printf(b, "    step_up: {%s}\n",
			      PICK("acr_values: [hi]", "max_age: 30m",
				   "acr_values: [hi], max_age: 1h"));
	else if (below(5) == 0)
		sz_buf_printf(b, "    step_up: {max_age: 40m}\n    risk: {step_up: 2, deny: 5}\n");
	if (below(12) == 0)
		sz_buf_printf(b, "    decide: each\n");
}

/* ---- a world: policy, kernel, daemon -------------------------------------------------------- */

static struct world {
	struct sz_conf *conf;
	struct sz_policy *policy;
	const struct sz_conf_service *svc;
	struct sz_service service;
	struct sz_config *cfg;
	json_t *claims;
	struct sz_policy_subject who;
	s64 now_ns;
	u32 epoch; /* of the relationships */
	u64 hits, asked, refused, remembered;
} w;

static char database[64];

/* Where sources are: random prefixes, so that each edge comes between some of them. */
static void new_database(void)
{
	static struct mmdb m;
	u32 i, record;
	char prefix[64];

	mmdb_init(&m, below(4) ? 6 : 4);
	for (i = 0; i < 6; i++) {
		record = mmdb_record(&m, &(struct mmdb_place){
						 .country = below(4) ? PICK("DE", "FR", "1") : NULL,
						 .city = below(2) ? "Berlin" : NULL,
						 .asn = below(2) ? 64500 : 0,
						 .position = below(2),
						 .latitude = 40 + below(20)});
		/* A longer prefix comes later or covers what came before: it is a tree anyway. */
		if (i < 4 || m.version == 4)
			snprintf(prefix, sizeof(prefix), "10.0.0.%u/%u", below(4),
				 2 + i * 5 + below(5));
		else
			snprintf(prefix, sizeof(prefix), "2001:db8::%u/%u", below(4),
				 i == 4 ? 20 + below(40) : 110 + below(19));
		mmdb_add(&m, prefix, record);
	}
	snprintf(database, sizeof(database), "/tmp/sz-differential.%d.mmdb", (int)getpid());
	ASSERT_EQ(mmdb_write(&m, database), 0);
	mmdb_done(&m);
}

/* Somebody's relationships, different in each epoch. */
static int related(void *arg, const struct sz_policy_question *q, bool *ret, struct sz_error *e)
{
	u32 h = *(u32 *)arg * 2654435761u;
	const char *s;

	for (s = q->object; *s; s++)
		h = (h ^ (u8)*s) * 16777619u;
	if (!strncmp(q->object, "doc:/", 5) && h % 5 == 0)
		return sz_error_set(e, -EIO, "the store is gone");
	*ret = h >> 7 & 1;
	return 0;
}

static void begin_policy(void)
{
	static const char *const paths[] = {"/",  "/a",     "/a/{v}", "/a/{v}/b",
					    "/b", "/{t}", "/c/{v}/d", "/a/1"};
	struct sz_policy_node *nodes;
	struct sz_buf b = {0};
	struct sz_error e = {""};
	u32 zero = 0, some = 0;
	size_t n, i;

	n_turns = 0;
	sz_buf_printf(&b, "interfaces: [eth0]\nissuers: [{issuer: i, jwks: k, audiences: a}]\n"
			  "rebac: {}\npolicy:\n  store: s\n");
	new_database();
	if (below(8))
		sz_buf_printf(&b, "  location: {database: %s}\n", database);
	sz_buf_printf(&b, "  risk:\n");
	for (i = 0; i < 3; i++) {
		sz_buf_printf(&b, "  - {name: s%zu, weight: %u, when: '", i, 1 + below(3));
		add_condition(&b, 1);
		sz_buf_printf(&b, "'}\n");
	}
	sz_buf_printf(&b, "  - {name: never, weight: 5, when: 'false'}\n"
			  "services:\n- name: svc\n  address: \"*:80\"\n  routes:\n");
	for (i = 0; i < SZ_ARRAY_LEN(paths); i++)
		if (below(2) || (i + 1 == SZ_ARRAY_LEN(paths) && !some)) {
			add_route(&b, paths[i]);
			some++;
		}
	w.conf = sz_conf_parse(b.data, b.len, "t.yaml", &e);
	if (!w.conf || sz_policy_new(w.conf, &w.policy, &e))
		printf("# %s\n%s\n", e.msg, b.data);
	sz_buf_done(&b);
	unlink(database);
	ASSERT_TRUE(w.conf && w.policy);
	w.svc = &w.conf->services[0];
	sz_policy_relations(w.policy, related, &w.epoch);
	native_clear();
	w.cfg = sz_map_get(&sz_config, &zero);
	*w.cfg = (struct sz_config){.abi = SZ_ABI, .heartbeat_ns = ~0ull >> 1, .policy_gen = 3,
				    .key_gen = 4};
	w.service = (struct sz_service){.id = w.svc->id};
	nodes = sz_policy_compile(w.svc, &n);
	for (i = 0; i < n; i++)
		sz_map_set(&sz_routes, &nodes[i].key, &nodes[i].node);
	free(nodes);
}

static void end_policy(void)
{
	sz_policy_free(w.policy);
	sz_conf_free(w.conf);
	w.policy = NULL;
	w.conf = NULL;
}

static void new_token(void)
{
	json_decref(w.claims);
	w.claims = json_pack("{s:s, s:i, s:s, s:s, s:I, s:s}", "a", PICK("1", "2", "*"), "n",
			     (int)below(4), "scope", PICK("r", "w", "r w"), "acr",
			     PICK("hi", "lo"), "auth_time", (json_int_t)(BASE_S - below(3600)), "t",
			     "2026-06-21T00:30:00Z");
	if (below(2))
		json_object_set_new(w.claims, "b", json_true());
	if (below(2))
		json_object_set_new(w.claims, "net", json_string("10.0.0.0/30"));
	w.who = (struct sz_policy_subject){.claims = w.claims, .subject = PICK("ann", "bob"),
					   .expires_s = BASE_S + 86400};
}

static struct sz_addr source(void)
{
	struct sz_addr a;

	sz_addr_parse(PICK("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.7.1", "10.9.9.9",
			   "192.168.0.5", "2001:db8::1", "2001:db8::3", "2001:db8:8000::2"),
		      &a);
	return a;
}

static u64 boot_of(s64 wall_ns)
{
	return wall_ns == SZ_POLICY_FOREVER ? ~0ull : (u64)(wall_ns - BASE_S * NS) + BOOT_0;
}

/* ---- one request ---------------------------------------------------------------------------- */

struct line {
	char head[512];
	const char *method, *target;
	struct sz_policy_request req;
	struct sz_policy_moment at;
};

static struct sz_walk *kernel(const struct line *l)
{
	struct sz_scratch *s = &native_scratch[0];
	struct sz_guard g = {.s = s, .cfg = w.cfg, .svc = &w.service};
	u32 n = (u32)strlen(l->head);

	memset(&s->scan, 0, sizeof(s->scan));
	memset(&s->w, 0, sizeof(s->w));
	memset(&s->flow, 0, sizeof(s->flow));
	memset(s->frame, 0, 1024);
	memcpy(s->frame, l->head, n);
	s->p.key.client = l->at.source;
	s->p.payload_len = n;
	s->w.now = boot_of(l->at.now_ns);
	sz_scratch_use(s);
	sz_part_scan(0, n);
	sz_decide_head(&g);
	return &s->w;
}

static struct sz_digest digest_of(const char *text)
{
	static u8 buf[SZ_FRAME_MAX + 64];
	struct sz_digest d;
	size_t n = strlen(text);

	memset(buf, 0, n + 64);
	memcpy(buf, text, n);
	sz_token_digest(w.cfg->key, buf, 0, (u32)n, &d);
	return d;
}

/* As user/gateway/grants.c does it. */
static void grant(const struct line *l)
{
	struct sz_grant_key key = {.token = digest_of("token"), .service = w.svc->id};
	struct sz_policy_answer a;
	struct sz_grant g = {.policy_gen = 3, .key_gen = 4, .principal = 1};

	sz_policy_for_token(w.policy, w.svc, &w.who, &l->at, &a);
	memcpy(g.allow, a.allow, sizeof(g.allow));
	memcpy(g.ask, a.ask, sizeof(g.ask));
	g.expires_ns = boot_of(a.until_ns);
	g.source = l->at.source;
	g.source_bits = a.source_bits;
	g.name_serial = sz_name_serials(w.cfg, &g);
	sz_map_set(&sz_grants, &key, &g);
}

/* As user/gateway/ruling.c does it. */
static void remember(const struct line *l, const struct sz_policy_ruling *r)
{
	struct sz_request_key key = {.token = digest_of("token"),
				     .target = digest_of(l->target),
				     .service = w.svc->id,
				     .method = (u32)l->req.method};
	struct sz_request v = {.expires_ns = boot_of(r->until_ns),
			       .policy_gen = 3,
			       .key_gen = 4,
			       .rel_gen = w.cfg->rel_gen[sz_rel_slot(w.svc->id, r->route)],
			       .rel_slot = (u16)sz_rel_slot(w.svc->id, r->route),
			       .flags = r->relation ? SZ_RQ_RELATION : 0,
			       .reason = SZ_TELL(r->reason, r->challenge),
			       .route = r->route,
			       .source_bits = r->source_bits,
			       .source = l->at.source,
			       .explanation = r->id};

	if (!r->lasting || r->route == SZ_ROUTE_NONE || w.svc->routes[r->route].public)
		return;
	sz_map_set(&sz_requests, &key, &v);
	w.remembered++;
}

static void make_line(struct line *l)
{
	const char *query;

	l->method = PICK("GET", "POST", "PUT");
	l->target = PICK("/", "/a", "/a/", "/a/1", "/a/2", "/a/1/b", "/a/2/c", "/b", "/b/x?q=1",
			 "/c/1/d", "/c/1", "/z", "/a?q=1");
	snprintf(l->head, sizeof(l->head),
		 "%s %s HTTP/1.1\r\nHost: h\r\n%sAuthorization: Bearer token\r\n\r\n", l->method,
		 l->target, PICK("", "X: 1\r\n", "X: 2\r\n"));
	query = strchr(l->target, '?');
	l->req = (struct sz_policy_request){
		.method = sz_method_parse(l->method, strlen(l->method)),
		.path = l->target,
		.path_len = query ? (size_t)(query - l->target) : strlen(l->target),
		.query = query ? query + 1 : NULL,
		.query_len = query ? strlen(query + 1) : 0,
		.head = l->head,
		.head_len = strlen(l->head)};
	l->at = (struct sz_policy_moment){.now_ns = w.now_ns, .source = source()};
}

static void time_goes_on(void)
{
	s64 turn;

	switch (below(6)) {
	case 0:
		w.now_ns += below(NS);
		break;
	case 1:
		w.now_ns += below(60) * NS;
		break;
	case 2: /* to an instant that the policy names, or right before or behind it */
		turn = n_turns ? (turns[below(n_turns)] + (s64)below(2) * below(90)) * NS +
					 (s64)below(3) - 1
			       : 0;
		if (turn > w.now_ns)
			w.now_ns = turn;
		break;
	case 3: /* to the beginning of a minute */
		if (below(4) == 0)
			w.now_ns = (w.now_ns / (60 * NS) + 1) * 60 * NS;
		break;
	default:
		break;
	}
}

static bool agrees(const struct line *l, const struct sz_walk *k,
		   const struct sz_policy_ruling *want)
{
	if (k->verdict == SZ_ALLOW)
		return want->reason == SZ_R_TICKET;
	if (k->verdict == SZ_ASK)
		return k->why == SZ_MISS_ROUTE;
	/* The grant's bits know no reason of their own: any 403. */
	if (k->reason == SZ_R_NO_SCOPE)
		return sz_reason_http(want->reason) == 403;
	(void)l;
	return SZ_TOLD(k->reason) == want->reason && (k->reason >> 16) == want->challenge;
}

/* All that one needs to understand a disagreement. */
static void show(const struct line *l, const struct sz_walk *k, const struct sz_policy_ruling *want)
{
	char from[SZ_ADDR_STRLEN], *claims = json_dumps(w.claims, JSON_COMPACT);
	const struct sz_conf_route *t;
	size_t i;

	printf("# %s %s from %s at %lld.%09lld: the kernel says %u, %s; the policy %s: %s\n# %s\n",
	       l->method, l->target, sz_addr_format(&l->at.source, from), l->at.now_ns / NS,
	       l->at.now_ns % NS, k->verdict, sz_reason_label(SZ_TOLD(k->reason)),
	       sz_reason_label(want->reason), want->why.msg, claims);
	free(claims);
	if (want->route == SZ_ROUTE_NONE)
		return;
	t = &w.svc->routes[want->route];
	for (i = 0; i < t->n_when; i++)
		printf("#   when %s\n", t->when[i].text);
}

static bool one_case(void)
{
	struct sz_policy_ruling want;
	const struct sz_walk *k;
	struct line l;
	u32 i;

	time_goes_on();
	if (below(40) == 0) {
		w.epoch++;
		for (i = 0; i < SZ_REL_SLOTS; i++)
			w.cfg->rel_gen[i]++;
	}
	make_line(&l);
	sz_policy_decide(w.policy, w.svc, &w.who, &l.req, &l.at, &want);
	k = kernel(&l);
	for (i = 0; i < 2 && k->verdict == SZ_ASK && k->why == SZ_MISS_TOKEN; i++) {
		grant(&l);
		k = kernel(&l);
	}
	w.hits += k->verdict == SZ_ALLOW;
	w.refused += k->verdict == SZ_DENY;
	w.asked += k->verdict == SZ_ASK;
	if (!agrees(&l, k, &want)) {
		show(&l, k, &want);
		return false;
	}
	if (k->verdict != SZ_ASK)
		return true;
	remember(&l, &want);
	k = kernel(&l); /* and the second time */
	if (agrees(&l, k, &want))
		return true;
	show(&l, k, &want);
	return false;
}

TEST(kernel_and_policy_never_disagree)
{
	const char *cases = getenv("SZ_CASES"), *from = getenv("SZ_SEED");
	u64 left = cases ? strtoull(cases, NULL, 10) : 60000, i, was;
	bool good = true;

	if (from)
		seed = strtoull(from, NULL, 0);
	while (left && good) {
		was = seed;
		begin_policy();
		for (i = 0; i < 200 && left && good; i++, left--) {
			if (i % 50 == 0) {
				native_map_clear(&sz_grants);
				native_map_clear(&sz_requests);
				new_token();
				w.now_ns = BASE_S * NS + (s64)below(3600) * NS;
			}
			good = one_case();
			native_reap();
		}
		if (!good)
			printf("# SZ_SEED=0x%llx\n", was);
		end_policy();
		native_ring_clear(&sz_events);
	}
	json_decref(w.claims);
	printf("# %llu admitted and %llu refused in the kernel, %llu asked, %llu remembered\n",
	       w.hits, w.refused, w.asked, w.remembered);
	EXPECT_TRUE(good);
	/* Each way was taken often enough to count. */
	EXPECT_TRUE(!good || (w.hits && w.refused && w.asked && w.remembered));
}

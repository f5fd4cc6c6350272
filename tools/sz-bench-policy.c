/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Policies on one core: what the kernel does with a grant's bits, and whole decisions of the daemon
 * for services of 10 and 100 routes, when a token comes (every route, the request unknown) and when
 * a request comes. Started by hand: sz-bench-policy [SECONDS], or by scripts/bench-policy with
 * --figures. Every answer is compared with what the generator knows.
 */
#include "native.h"

#include <time.h>

#include "policy/policy.h"

#define NOW_S  1764000000ll /* 17:00 in Berlin */
#define SINGLE 8192         /* decisions that are timed one by one, at most */
#define BURST  64           /* decisions between two looks at the clock */

static const char claims_text[] =
	"{\"iss\": \"https://login.example/\", \"sub\": \"alice\", \"aud\": \"api\","
	"\"exp\": 2000000000, \"iat\": 1763999000, \"dept\": \"sales\", \"level\": 4,"
	"\"roles\": [\"user\", \"auditor\", \"admin\"], \"scope\": \"orders:read orders:write\"}";

static u64 seed = 0x9e3779b97f4a7c15ull;

static u32 below(u32 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)((seed >> 32) * n >> 32);
}

/* Of this thread alone: others on the core do not count. */
static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

SZ_PRINTF(1, 2) static void fail(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "sz-bench-policy: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	exit(1);
}

/* ---- bits ----------------------------------------------------------------------------------- */

enum match { MATCH_DENY, MATCH_ALLOW, MATCH_ASK };

/* What sz_token_wonders() in subzero/request.h does with the bits of a grant that holds. */
static enum match match(const struct sz_grant *g, u32 route, const struct sz_addr *client)
{
	bool allow = sz_bit(g->allow, route), ask = sz_bit(g->ask, route);

	if (!allow && !ask)
		return MATCH_DENY;
	if (ask && (!allow || !sz_in_prefix(client, &g->source, g->source_bits)))
		return MATCH_ASK;
	return MATCH_ALLOW;
}

/* A third of the bits each: refused, allowed, asked; an eighth allowed within a prefix. */
static void make_grant(struct sz_grant *g, u8 *expected)
{
	u32 r;

	g->source = (struct sz_addr){.b = {[10] = 0xff, [11] = 0xff, [12] = 10}};
	g->source_bits = 104;
	for (r = 0; r < SZ_ROUTES_MAX; r++) {
		u64 bit = 1ull << (r % 64);

		expected[r] = (u8)below(3);
		if (expected[r] == MATCH_ALLOW)
			g->allow[r / 64] |= bit;
		if (expected[r] == MATCH_ASK)
			g->ask[r / 64] |= bit;
		if (expected[r] == MATCH_ALLOW && !below(8))
			g->ask[r / 64] |= bit;
	}
}

struct question {
	u32 grant;
	u16 route, expected;
};

/* Makes the grants, and `each` questions about every one of them, in no order. */
static void make_questions(struct sz_grant *grants, u32 n_grants, struct question *q, u32 each)
{
	u8 expected[SZ_ROUTES_MAX];
	struct question swap;
	u32 i, k, n = 0;

	for (i = 0; i < n_grants; i++) {
		make_grant(&grants[i], expected);
		for (k = 0; k < each; k++, n++) {
			q[n].grant = i;
			q[n].route = (u16)below(SZ_ROUTES_MAX);
			q[n].expected = expected[q[n].route];
		}
	}
	for (i = n - 1; i > 0; i--) {
		k = below(i + 1);
		swap = q[i];
		q[i] = q[k];
		q[k] = swap;
	}
}

/* Bitmaps matched per second, over so many grants. */
static double matches(u32 n_grants, u32 each, double seconds)
{
	struct sz_addr client = {.b = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 7}};
	struct sz_grant *grants = sz_calloc(n_grants, sizeof(*grants));
	struct question *q = sz_calloc((size_t)n_grants * each, sizeof(*q));
	u64 n = 0, wrong = 0;
	double begin, took;
	u32 i;

	make_questions(grants, n_grants, q, each);
	begin = cpu_s();
	do {
		for (i = 0; i < n_grants * each; i++, n++)
			wrong += match(&grants[q[i].grant], q[i].route, &client) != q[i].expected;
		took = cpu_s() - begin;
	} while (took < seconds);
	free(grants);
	free(q);
	if (wrong)
		fail("%llu wrong answers from bits", (unsigned long long)wrong);
	return (double)n / took;
}

/* ---- decisions ------------------------------------------------------------------------------ */

/* What routes ask for, in turn, and what becomes of it: of the token alone, and of a request. */
static const struct kind {
	const char *text;
	enum match token;
	bool prefix; /* allowed, and asked from elsewhere */
	enum sz_reason request;
} kinds[] = {
	{"scopes: [orders:read]", MATCH_ALLOW, false, SZ_R_TICKET},
	{"scopes: [orders:admin]", MATCH_DENY, false, SZ_R_NO_SCOPE},
	{"claims: {dept: sales}", MATCH_ALLOW, false, SZ_R_TICKET},
	{"when: \"'admin' in claims.roles\"", MATCH_ALLOW, false, SZ_R_TICKET},
	{"when: \"request.path.startsWith('/r') && claims.sub == 'alice'\"", MATCH_ASK, false,
	 SZ_R_TICKET},
	{"when: \"request.time.getHours('+01:00') >= 8 && request.time.getHours('+01:00') < 18\"",
	 MATCH_ALLOW, false, SZ_R_TICKET},
	{"when: \"cidr('10.0.0.0/8').containsIP(request.source)\"", MATCH_ALLOW, true, SZ_R_TICKET},
	{"when: \"claims.level * 10 + size(claims.roles) > 40\"", MATCH_ALLOW, false, SZ_R_TICKET},
	{"when: \"request.headers['x-region'] == 'eu'\"", MATCH_ASK, false, SZ_R_TICKET},
	{"scopes: [orders:write], when: \"claims.dept == 'ops'\"", MATCH_DENY, false,
	 SZ_R_CONDITION},
};

struct bench {
	u32 routes;
	struct sz_conf *conf;
	struct sz_policy *policy;
	struct sz_policy_subject who;
	struct sz_policy_moment at;
	struct sz_policy_answer expected;
	struct sz_policy_request *requests; /* one for each route */
	char (*paths)[24];
	json_t *claims;
};

static const char head[] = "GET / HTTP/1.1\r\nHost: orders.example\r\nUser-Agent: bench/1.0\r\n"
			   "Accept: application/json\r\nX-Region: eu\r\n\r\n";

static void make(struct bench *b, u32 routes)
{
	struct sz_buf text = {0};
	struct sz_error e = {""};
	u32 i;

	*b = (struct bench){.routes = routes};
	b->claims = json_loads(claims_text, 0, NULL);
	b->who = (struct sz_policy_subject){.claims = b->claims,
					    .subject = "alice",
					    .issuer = "https://login.example/",
					    .alg = "EdDSA",
					    .issued_s = NOW_S - 1000,
					    .expires_s = 2000000000};
	b->at = (struct sz_policy_moment){.now_ns = NOW_S * 1000000000ll};
	if (sz_addr_parse("10.1.2.3", &b->at.source))
		fail("no address");
	b->requests = sz_calloc(routes, sizeof(*b->requests));
	b->paths = sz_calloc(routes, sizeof(*b->paths));
	sz_buf_printf(&text,
		      "interfaces: [eth0]\n"
		      "issuers: [{issuer: \"https://login.example/\", jwks: k, audiences: a}]\n"
		      "services:\n- name: svc\n  address: \"*:80\"\n  routes:\n");
	for (i = 0; i < routes; i++) {
		const struct kind *k = &kinds[i % SZ_ARRAY_LEN(kinds)];
		u64 bit = 1ull << (i % 64);

		sz_buf_printf(&text, "  - {path: /r%u, %s}\n", i, k->text);
		snprintf(b->paths[i], sizeof(b->paths[i]), "/r%u/items", i);
		b->requests[i] = (struct sz_policy_request){.method = SZ_M_GET,
							    .path = b->paths[i],
							    .path_len = strlen(b->paths[i]),
							    .head = head,
							    .head_len = sizeof(head) - 1};
		if (k->token == MATCH_ALLOW)
			b->expected.allow[i / 64] |= bit;
		if (k->token == MATCH_ASK || k->prefix)
			b->expected.ask[i / 64] |= bit;
	}
	b->conf = sz_conf_parse(text.data, text.len, "bench.yaml", &e);
	if (!b->conf || sz_policy_new(b->conf, &b->policy, &e))
		fail("%s", e.msg);
	sz_buf_done(&text);
}

static void done(struct bench *b)
{
	sz_policy_free(b->policy);
	sz_conf_free(b->conf);
	json_decref(b->claims);
	free(b->requests);
	free(b->paths);
}

static void for_token(const struct bench *b, u64 n)
{
	struct sz_policy_answer got;

	(void)n;
	sz_policy_for_token(b->policy, &b->conf->services[0], &b->who, &b->at, &got);
	if (memcmp(got.allow, b->expected.allow, sizeof(got.allow)) ||
	    memcmp(got.ask, b->expected.ask, sizeof(got.ask)) || got.source_bits != 104)
		fail("a wrong answer for the token");
}

static void for_request(const struct bench *b, u64 n)
{
	u32 i = (u32)(n % b->routes);
	enum sz_reason expected = kinds[i % SZ_ARRAY_LEN(kinds)].request;
	struct sz_policy_ruling got;

	sz_policy_decide(b->policy, &b->conf->services[0], &b->who, &b->requests[i], &b->at, &got);
	if (got.reason != expected || got.route != i)
		fail("%s: a wrong answer: %s", b->paths[i], got.why.msg);
}

struct cost {
	double rate, p50_ns, p99_ns;
};

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* So long takes each of n calls, sorted; without decide it is what the clock itself takes. */
static u32 single(const struct bench *b, void (*decide)(const struct bench *, u64), double seconds,
		  double *ns)
{
	double begin = cpu_s(), t;
	u32 i;

	for (i = 0; i < SINGLE && (i < BURST || cpu_s() - begin < seconds); i++) {
		t = cpu_s();
		if (decide)
			decide(b, i);
		ns[i] = (cpu_s() - t) * 1e9;
	}
	qsort(ns, i, sizeof(*ns), by_value);
	return i;
}

static struct cost measure(const struct bench *b, void (*decide)(const struct bench *, u64),
			   double seconds)
{
	double *ns = sz_calloc(SINGLE, sizeof(*ns)), begin = cpu_s(), took, clock;
	struct cost c;
	u64 n = 0;
	u32 i;

	do {
		for (i = 0; i < BURST; i++, n++)
			decide(b, n);
		took = cpu_s() - begin;
	} while (took < seconds);
	c.rate = (double)n / took;
	i = single(b, NULL, seconds, ns);
	clock = ns[i / 2];
	i = single(b, decide, seconds, ns);
	c.p50_ns = ns[i / 2] - clock;
	c.p99_ns = ns[i * 99ull / 100] - clock;
	free(ns);
	return c;
}

/* ---- what is printed ------------------------------------------------------------------------ */

/* A line as scripts/bench reads it: bench, subject, metric, unit, round, value. */
static void figure(const char *round, const char *bench, const char *subject, const char *metric,
		   const char *unit, double value)
{
	if (round)
		printf("%s %s %s %s %s %.0f\n", bench, subject, metric, unit, round, value);
	else
		printf("%-20s %-10s %-5s %12.0f %s\n", bench, subject, metric, value, unit);
	fflush(stdout);
}

static void decisions(const char *round, u32 routes, double seconds)
{
	static const struct {
		const char *name;
		void (*decide)(const struct bench *b, u64 n);
	} when[] = {{"token", for_token}, {"request", for_request}};
	struct bench b;
	char name[40];
	struct cost c;
	size_t i;

	make(&b, routes);
	for (i = 0; i < SZ_ARRAY_LEN(when); i++) {
		c = measure(&b, when[i].decide, seconds);
		snprintf(name, sizeof(name), "policy_%u_routes", routes);
		figure(round, name, when[i].name, "rate", "decisions/s", c.rate);
		snprintf(name, sizeof(name), "policy_%u_p50", routes);
		figure(round, name, when[i].name, "p50", "ns", c.p50_ns);
		snprintf(name, sizeof(name), "policy_%u_p99", routes);
		figure(round, name, when[i].name, "p99", "ns", c.p99_ns);
	}
	done(&b);
}

int main(int argc, char **argv)
{
	bool lines = argc == 4 && !strcmp(argv[1], "--figures");
	const char *round = lines ? argv[2] : NULL;
	double seconds = lines ? strtod(argv[3], NULL) : argc == 2 ? strtod(argv[1], NULL) : 1;

	if ((argc > 2 && !lines) || !(seconds > 0)) {
		fprintf(stderr, "usage: sz-bench-policy [SECONDS]\n"
				"       sz-bench-policy --figures ROUND SECONDS\n");
		return 2;
	}
	figure(round, "policy_bitmap", "hot", "rate", "matches/s", matches(256, 256, seconds));
	figure(round, "policy_bitmap", "million", "rate", "matches/s",
	       matches(1000000, 4, seconds));
	decisions(round, 10, seconds);
	decisions(round, 100, seconds);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whole verifications per second, beside the bare signature by `openssl speed` in the same run:
 * parse, JSON, claims, key, signature, names, policy, for each algorithm. On one core, and through
 * the worker pool on two. Started by scripts/bench and by hand. Every decision is checked; a wrong
 * one ends the program, for a figure with errors is no figure.
 */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "config/config.h"
#include "core/core.h"
#include "jose/jose.h"
#include "net/net.h"
#include "pool/pool.h"
#include "verify/verify.h"

#define ROUNDS_MAX 99
#define TOKENS     64 /* different ones of each algorithm */
#define IN_FLIGHT  256
#define ISSUER     "https://login.example.com/"
#define AUDIENCE   "https://api.example.com"

/* What `openssl speed` calls the same primitive, and where its machine-readable line has it. */
struct peer {
	const char *args, *line;
	double one[ROUNDS_MAX], two[ROUNDS_MAX];
};
enum { ED25519, P256, P384, P521, RSA2048, HMAC256, HMAC384, HMAC512, PEERS };
static struct peer peers[PEERS] = {
	[ED25519] = {"ed25519", "+F6:"},
	[P256] = {"ecdsap256", "+F4:"},
	[P384] = {"ecdsap384", "+F4:"},
	[P521] = {"ecdsap521", "+F4:"},
	[RSA2048] = {"rsa2048", "+F2:"},
	[HMAC256] = {"-hmac sha256 -bytes 600", "+F:"},
	[HMAC384] = {"-hmac sha384 -bytes 600", "+F:"},
	[HMAC512] = {"-hmac sha512 -bytes 600", "+F:"},
};

struct subject {
	enum sz_alg alg;
	int peer;
	bool wanted;
	char *token[TOKENS];
	size_t len[TOKENS];
	struct sz_verifier *verifier;
	struct sz_jwks *keys;
	double one[ROUNDS_MAX], two[ROUNDS_MAX];
};
static struct subject subjects[] = {
	{SZ_ALG_EDDSA, ED25519, .wanted = true}, {SZ_ALG_ES256, P256, .wanted = true},
	{SZ_ALG_ES384, P384, .wanted = true},	 {SZ_ALG_ES512, P521, .wanted = true},
	{SZ_ALG_RS256, RSA2048, .wanted = true}, {SZ_ALG_RS384, RSA2048, .wanted = true},
	{SZ_ALG_RS512, RSA2048, .wanted = true}, {SZ_ALG_PS256, RSA2048, .wanted = true},
	{SZ_ALG_PS384, RSA2048, .wanted = true}, {SZ_ALG_PS512, RSA2048, .wanted = true},
	{SZ_ALG_HS256, HMAC256, .wanted = true}, {SZ_ALG_HS384, HMAC384, .wanted = true},
	{SZ_ALG_HS512, HMAC512, .wanted = true},
};
#define N_SUBJECTS SZ_ARRAY_LEN(subjects)

static int rounds = 5;
static double seconds = 1;
static bool json, cpu_time, alone, bare;
static char dir[] = "/tmp/sz-bench-verify.XXXXXX";

static void usage(FILE *to)
{
	fputs("usage: sz-bench-verify [OPTION...]\n"
	      "\n"
	      "Decides tokens of about 600 bytes as the daemon's workers do, on one core and\n"
	      "through the worker pool on two, beside `openssl speed` in the same rounds.\n"
	      "\n"
	      "  -a, --alg A,B       only these algorithms (default: all)\n"
	      "  -r, --rounds N      rounds; medians are printed (default 5, at most 99)\n"
	      "  -s, --seconds S     seconds for each figure of a round (default 1)\n"
	      "  -c, --cpu-time      count CPU time instead of time: for a machine that is busy\n"
	      "                      with other things. Says nothing about waiting; on two cores\n"
	      "                      openssl counts time all the same.\n"
	      "  -n, --alone         without openssl, on one core: to profile\n"
	      "  -S, --signature     only the time of one signature, in us, alone on a line\n"
	      "  -j, --json          one JSON object a line instead of the table\n"
	      "  -h, --help          this text\n",
	      to);
}

__attribute__((noreturn)) static void fail(const char *what, const char *why)
{
	fprintf(stderr, "sz-bench-verify: %s: %s\n", what, why);
	exit(1);
}

static double now_s(bool cpu)
{
	struct timespec t;

	clock_gettime(cpu ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- tokens and a verifier for one algorithm ------------------------------------------------- */

static void write_file(const char *name, const char *text, size_t n)
{
	struct sz_error e = {""};

	if (sz_file_replace(name, text, n, 0600, &e))
		fail("cannot prepare", e.msg);
}

static json_t *claims_of(int i)
{
	char jti[40];

	snprintf(jti, sizeof(jti), "5f0c6b1e-9d5b-4d0a-8a51-%012d", i);
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:s, s:s, s:[s,s]}", "iss", ISSUER,
			 "sub", "4b1f3c2a-alice", "aud", AUDIENCE, "exp",
			 (json_int_t)(sz_wall_ns() / 1000000000ull) + 86400, "iat",
			 (json_int_t)(sz_wall_ns() / 1000000000ull), "jti", jti, "scope",
			 "orders:read orders:write invoices:read", "client_id", "web-frontend",
			 "email", "alice@example.com", "roles", "user", "auditor");
}

static void make_verifier(struct subject *s, const json_t *jwks)
{
	char jwks_path[96], conf_path[96], *text = json_dumps(jwks, 0);
	const char *name = sz_alg_name(s->alg);
	struct sz_error e = {""};
	struct sz_buf yaml = {};
	struct sz_conf *conf;

	snprintf(jwks_path, sizeof(jwks_path), "%s/%s.json", dir, name);
	snprintf(conf_path, sizeof(conf_path), "%s/%s.yaml", dir, name);
	write_file(jwks_path, text, strlen(text));
	free(text);
	sz_buf_printf(&yaml,
		      "interfaces: [lo]\nissuers:\n  - issuer: " ISSUER "\n    jwks: %s\n"
		      "    audiences: [" AUDIENCE "]\n"
		      "services:\n  - name: orders\n    address: 10.0.0.5:8080\n    routes:\n"
		      "      - {path: /health, public: true}\n"
		      "      - {path: /orders, scopes: [orders:read]}\n"
		      "      - {path: /orders/new, scopes: [orders:write]}\n"
		      "      - {path: /admin, scopes: [admin]}\n",
		      jwks_path);
	write_file(conf_path, yaml.data, yaml.len);
	sz_buf_done(&yaml);
	conf = sz_conf_load(conf_path, &e);
	if (conf)
		conf->issuers[0].algs = SZ_ALG_BIT(s->alg);
	if (!conf || sz_verifier_new(conf, &s->verifier, &e))
		fail(name, e.msg);
	unlink(jwks_path);
	unlink(conf_path);
}

/* A secret has no public half. */
static void make_key(enum sz_alg alg, json_t **ret_private, json_t **ret_jwks)
{
	struct sz_error e = {""};
	char k[SZ_B64_ENCODED_LEN(64) + 1];
	u8 secret[64];

	if (alg < SZ_ALG_HS256) {
		if (sz_key_generate(alg, ret_private, ret_jwks, &e))
			fail(sz_alg_name(alg), e.msg);
		return;
	}
	memset(secret, 7, sizeof(secret));
	sz_b64url_encode(secret, sizeof(secret), k);
	*ret_private = json_pack("{s:s, s:s, s:s, s:s}", "kty", "oct", "alg", sz_alg_name(alg),
				 "kid", "secret", "k", k);
	*ret_jwks = json_pack("{s:[O]}", "keys", *ret_private);
}

static void prepare(struct subject *s)
{
	json_t *private, *jwks, *claims;
	struct sz_error e = {""};
	struct sz_buf token = {};
	char *text;

	make_key(s->alg, &private, &jwks);
	for (int i = 0; i < TOKENS; i++) {
		claims = claims_of(i);
		if (sz_token_sign(private, claims, &token, &e))
			fail(sz_alg_name(s->alg), e.msg);
		s->token[i] = sz_strndup(token.data, token.len);
		s->len[i] = token.len;
		sz_buf_reset(&token);
		json_decref(claims);
	}
	make_verifier(s, jwks);
	text = json_dumps(jwks, 0);
	if (sz_jwks_parse(text, strlen(text), SZ_ALG_BIT(s->alg), &s->keys, &e))
		fail(sz_alg_name(s->alg), e.msg);
	free(text);
	sz_buf_done(&token);
	json_decref(private);
	json_decref(jwks);
}

/* As with an empty map of revocations. */
static bool never_revoked(u32 kind, const struct sz_id *id, u64 issued_s, void *arg)
{
	(void)kind;
	(void)id;
	(void)issued_s;
	(void)arg;
	return false;
}

static void decide(const struct subject *s, unsigned i)
{
	const struct sz_conf_service *svc = &sz_verifier_conf(s->verifier)->services[0];
	struct sz_policy_moment at = {.now_ns = (s64)sz_wall_ns()};
	struct sz_decision d;

	sz_verifier_decide(s->verifier, svc, s->token[i % TOKENS], s->len[i % TOKENS], &at,
			   never_revoked, NULL, &d);
	if (d.reason != SZ_R_NONE || d.routes.allow[0] != 7)
		fail(sz_alg_name(s->alg), d.detail.msg[0] ? d.detail.msg : "wrong routes");
	sz_decision_done(&d);
}

/* ---- measuring ------------------------------------------------------------------------------- */

static double one_core(const struct subject *s)
{
	double begin = now_s(cpu_time), took;
	unsigned n = 0;

	do {
		for (int i = 0; i < 16; i++)
			decide(s, n++);
		took = now_s(cpu_time) - begin;
	} while (took < seconds);
	return n / took;
}

struct item {
	struct sz_work work;
	const struct subject *subject;
	unsigned number;
};
static struct sz_loop_ring *loop;
static struct sz_pool *pool;
static double deadline;
static unsigned long finished, flying;
static bool over;

static void item_run(struct sz_work *w)
{
	struct item *i = (struct item *)w;

	decide(i->subject, i->number++);
}

static void item_done(struct sz_work *w)
{
	over |= ++finished % 16 == 0 && now_s(false) >= deadline;
	if (!over)
		sz_pool_submit(pool, w);
	else if (--flying == 0)
		sz_net_stop(loop);
}

static double two_cores(const struct subject *s)
{
	static struct item items[IN_FLIGHT];
	struct sz_error e = {""};
	double begin, took;

	if (sz_net_new(64, &loop, &e) ||
	    sz_pool_new(loop, &(struct sz_pool_options){.workers = 2}, &pool, &e))
		fail("cannot start", e.msg);
	finished = 0;
	over = false;
	flying = IN_FLIGHT;
	begin = now_s(cpu_time);
	deadline = now_s(false) + seconds;
	for (unsigned i = 0; i < IN_FLIGHT; i++) {
		items[i] = (struct item){
			.work = {.run = item_run, .done = item_done, .class = SZ_WORK_NORMAL},
			.subject = s,
			.number = i,
		};
		sz_pool_submit(pool, &items[i].work);
	}
	if (sz_net_run(loop))
		fail("the loop", "ended");
	took = (now_s(cpu_time) - begin) / (cpu_time ? 2 : 1);
	sz_pool_free(pool);
	sz_net_free(loop);
	return (double)finished / took;
}

/* One round of `openssl speed`; the rate is the last number of its machine-readable line. */
static double openssl_speed(const struct peer *p, int cores)
{
	char command[160], line[512];
	double rate = 0;
	FILE *f;

	snprintf(command, sizeof(command), "exec openssl speed -mr %s%s -seconds %d %s 2>/dev/null",
		 cpu_time ? "" : "-elapsed ", cores > 1 ? "-multi 2" : "",
		 seconds < 1 ? 1 : (int)seconds, p->args);
	f = popen(command, "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, p->line, strlen(p->line)) && strrchr(line, ':'))
			rate = strtod(strrchr(line, ':') + 1, NULL);
	if (!f || pclose(f) || rate <= 0)
		fail(command, "no figure; is the package openssl there?");
	return p->line[2] == ':' ? rate / 600 : rate; /* a digest's is in bytes */
}

static void use_cpus(const cpu_set_t *set)
{
	if (sched_setaffinity(0, sizeof(*set), set))
		fail("cannot choose a CPU", strerror(errno));
}

/* A signature and what it is over, without what a token says. */
static double one_signature(const struct subject *s)
{
	double begin = now_s(cpu_time), took;
	struct sz_buf payload = {};
	struct sz_error e = {""};
	unsigned n = 0;

	do {
		unsigned i = n++ % TOKENS;

		if (sz_jws_verify(s->token[i], s->len[i], s->keys, SZ_ALG_BIT(s->alg), &payload,
				  &e))
			fail(sz_alg_name(s->alg), e.msg);
		took = now_s(cpu_time) - begin;
	} while (took < seconds);
	sz_buf_done(&payload);
	return took / n * 1e6;
}

/* Every subject and every peer once, begun with another one each time. */
static void one_round(int round, const cpu_set_t *all, const cpu_set_t *first)
{
	for (unsigned i = 0; i < N_SUBJECTS; i++) {
		struct subject *s = &subjects[(i + (unsigned)round) % N_SUBJECTS];
		struct peer *p = &peers[s->peer];

		if (!s->wanted)
			continue;
		use_cpus(first);
		s->one[round] = bare ? one_signature(s) : one_core(s);
		if (!alone && !p->one[round])
			p->one[round] = openssl_speed(p, 1);
		use_cpus(all);
		if (alone || CPU_COUNT(all) < 2)
			continue;
		s->two[round] = two_cores(s);
		if (!p->two[round])
			p->two[round] = openssl_speed(p, 2);
	}
}

/* ---- results --------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const double *v)
{
	double sorted[ROUNDS_MAX];

	memcpy(sorted, v, (size_t)rounds * sizeof(*v));
	qsort(sorted, (size_t)rounds, sizeof(*v), by_size);
	return rounds % 2 ? sorted[rounds / 2] : (sorted[rounds / 2 - 1] + sorted[rounds / 2]) / 2;
}

/* Of the ratios within each round. */
static double ratio(const double *v, const double *to)
{
	double r[ROUNDS_MAX];

	for (int i = 0; i < rounds; i++)
		r[i] = to[i] > 0 ? v[i] / to[i] : 0;
	return median(r);
}

static void row(const char *bench, const char *subject, const double *v, const double *openssl,
		const double *one)
{
	printf("{\"bench\": \"%s\", \"subject\": \"%s\", \"metric\": \"rate\", "
	       "\"unit\": \"tokens/s\", \"rounds\": [",
	       bench, subject);
	for (int i = 0; i < rounds; i++)
		printf("%s%.1f", i ? ", " : "", v[i]);
	printf("], \"median\": %.1f, \"ratio\": {", median(v));
	if (openssl)
		printf("\"openssl\": %.3f", ratio(v, openssl));
	if (one)
		printf("%s\"one_core\": %.3f", openssl ? ", " : "", ratio(v, one));
	printf("}}\n");
}

static void report(bool two)
{
	char name[64];

	for (unsigned i = 0; bare && i < N_SUBJECTS; i++)
		if (subjects[i].wanted)
			printf("%.2f\n", median(subjects[i].one));
	if (bare)
		return;
	if (!json)
		printf("%-8s %6s %12s %12s %7s %7s", "ALG", "BYTES", "ONE CORE/s", "OPENSSL/s",
		       "RATIO", "OTHER");
	if (!json)
		printf(two ? " %12s %12s %7s %7s\n" : "\n", "TWO CORES/s", "OPENSSL/s", "RATIO",
		       "TO ONE");
	for (unsigned i = 0; i < N_SUBJECTS; i++) {
		const struct subject *s = &subjects[i];
		const struct peer *p = &peers[s->peer];
		const char *alg = sz_alg_name(s->alg);

		if (!s->wanted)
			continue;
		if (json) {
			snprintf(name, sizeof(name), "openssl_%s", alg);
			row("verify", alg, s->one, alone ? NULL : p->one, NULL);
			if (!alone)
				row("verify", name, p->one, NULL, NULL);
			if (two) {
				row("verify_two", alg, s->two, cpu_time ? NULL : p->two, s->one);
				row("verify_two", name, p->two, NULL, p->one);
			}
			continue;
		}
		/* OTHER: what a decision takes beside the signature, in us. */
		printf("%-8s %6zu %12.0f %12.0f %7.2f %7.2f", alg, s->len[0], median(s->one),
		       median(p->one), ratio(s->one, p->one),
		       alone ? 0 : 1e6 / median(s->one) - 1e6 / median(p->one));
		if (two)
			printf(" %12.0f %12.0f %7.2f %7.2f", median(s->two), median(p->two),
			       ratio(s->two, p->two), ratio(s->two, s->one));
		printf("\n");
	}
}

static bool choose(char *list)
{
	char *name, *rest = list;
	unsigned i;

	for (i = 0; i < N_SUBJECTS; i++)
		subjects[i].wanted = false;
	while ((name = strsep(&rest, ","))) {
		for (i = 0; i < N_SUBJECTS && strcmp(sz_alg_name(subjects[i].alg), name); i++)
			;
		if (i == N_SUBJECTS) {
			fprintf(stderr, "sz-bench-verify: no algorithm '%s'\n", name);
			return false;
		}
		subjects[i].wanted = true;
	}
	return true;
}

static bool parse(int argc, char **argv)
{
	static const struct option options[] = {
		{"alg", required_argument, NULL, 'a'},	   {"rounds", required_argument, NULL, 'r'},
		{"seconds", required_argument, NULL, 's'}, {"cpu-time", no_argument, NULL, 'c'},
		{"alone", no_argument, NULL, 'n'},	   {"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},	  {"signature", no_argument, NULL, 'S'},
		{},
	};
	int o;

	while ((o = getopt_long(argc, argv, "a:r:s:cnSjh", options, NULL)) != -1) {
		if (o == '?' || (o == 'a' && !choose(optarg)))
			return false;
		if (o == 'r')
			rounds = atoi(optarg);
		else if (o == 's')
			seconds = strtod(optarg, NULL);
		else if (o == 'c')
			cpu_time = true;
		else if (o == 'n')
			alone = true;
		else if (o == 'S')
			bare = alone = true;
		else if (o == 'j')
			json = true;
		else if (o == 'h') {
			usage(stdout);
			exit(0);
		}
	}
	return optind == argc && rounds >= 1 && rounds <= ROUNDS_MAX && seconds > 0 &&
	       seconds <= 3600;
}

int main(int argc, char **argv)
{
	cpu_set_t all, first;
	int i;

	if (!parse(argc, argv)) {
		usage(stderr);
		return 2;
	}
	sched_getaffinity(0, sizeof(all), &all);
	CPU_ZERO(&first);
	for (i = 0; !CPU_ISSET(i, &all); i++)
		;
	CPU_SET(i, &first);
	if (!mkdtemp(dir))
		fail(dir, strerror(errno));
	for (i = 0; i < (int)N_SUBJECTS; i++)
		if (subjects[i].wanted)
			prepare(&subjects[i]);
	rmdir(dir);
	for (i = 0; i < rounds; i++)
		one_round(i, &all, &first);
	report(!alone && CPU_COUNT(&all) > 1);
	for (i = 0; i < (int)N_SUBJECTS; i++) {
		sz_verifier_unref(subjects[i].verifier);
		sz_jwks_free(subjects[i].keys);
		for (int t = 0; t < TOKENS; t++)
			free(subjects[i].token[t]);
	}
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The attack rig's program: a campaign of random cases, one of them again, or cases by name. TAP on
 * standard output. Started by tests/attack/run.sh, which makes the lab.
 */
#include "attack.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUP 256 /* cases with the same settings of the server, and this many at once */

static struct {
	u64 seed;
	u32 cases, only, seconds, at_once;
	bool one, verbose, list;
	const char *named;
} opt = {.seed = 1, .cases = 1000, .at_once = 128};

static struct {
	u32 begun, until, failed, legit, served, requests, full;
	bool cookies;
} run;

/*
 * A good client that was answered 503 comes again, as its Retry-After says. Under loss the daemon
 * refuses a request in pieces whose beginning it has let go; more than one of 100 is too many.
 */
#define AGAIN_MAX  32
#define AGAIN_FROM 40000 /* added to the number that makes its address */

static struct {
	u32 number[AGAIN_MAX];
	bool cookies[AGAIN_MAX];
	u32 n, served;
} again;

static struct att_case *random_case_at(u32 number, u32 place)
{
	struct att_case *c = att_alloc(sizeof(*c));

	att_case_init(c, opt.seed, number);
	att_random_case(c);
	c->cookies = run.cookies;
	c->number = place;
	att_case_address(c);
	c->number = number;
	return c;
}

static struct att_case *random_case(u32 number)
{
	return random_case_at(number, number);
}

static struct att_case *next_case(void *arg)
{
	(void)arg;
	return run.begun < run.until ? random_case(run.begun++) : NULL;
}

static void case_over(struct att_case *c, void *arg)
{
	u32 i, due = 0;

	(void)arg;
	for (i = 0; i < c->n_slots; i++)
		due += c->req[i].allowed;
	run.requests += c->arrived;
	run.legit += c->legit;
	run.served += c->legit && !c->why[0];
	run.full += c->arrived >= due;
	if (c->again && again.n < AGAIN_MAX) {
		again.number[again.n] = c->number;
		again.cookies[again.n++] = c->cookies;
	} else if (c->why[0]) {
		run.failed++;
		printf("# FAILED: --seed %llu --case %u%s: %s (%s)\n", (unsigned long long)c->seed,
		       c->number, c->legit ? " (legitimate)" : "", c->why, c->how);
	}
	if (opt.verbose || (c->why[0] && run.failed <= 3))
		att_print_case(c);
	fflush(stdout);
	att_case_done(c);
	free(c);
}

/* ---- tokens that the guard knows before anything begins ---------------------------------------
 */

static u32 warmed;

static struct att_case *warm_case(void *arg)
{
	struct att_shape s = {.class = ATT_KNOWN, .token = warmed};
	struct att_case *c;

	(void)arg;
	if (warmed == ATT_KNOWN_MAX)
		return NULL;
	c = att_alloc(sizeof(*c));
	att_case_init(c, 0, 65000 + warmed++);
	c->legit = true;
	att_case_address(c);
	att_story_add(c, &s);
	att_story_expect(c);
	att_story_step(c, ATT_OP_SYN);
	att_story_step(c, ATT_OP_UP);
	att_story_send(c, 0, c->stream_len);
	att_story_step(c, ATT_OP_ANSWERS)->off = 1;
	return c;
}

static void warm_over(struct att_case *c, void *arg)
{
	(void)arg;
	if (c->why[0]) {
		att_print_case(c);
		att_die("a good token is not admitted: %s", c->why);
	}
	att_case_done(c);
	free(c);
}

static void warm(void)
{
	char id[32];
	u32 i;

	for (i = 0; i < ATT_KNOWN_MAX; i++) {
		snprintf(id, sizeof(id), "known%02u-%08x", i, (u32)att_now());
		att_token_mint(ATT_T_GOOD, id, att_known[i]);
	}
	att_engine_series(4, warm_case, warm_over, NULL);
}

static void cookies(bool on)
{
	run.cookies = on;
	att_server_sysctl("ipv4/tcp_syncookies", on ? "2" : "1");
}

/* Alone, and with another address: of the first time the server may still know. */
static void come_again(void)
{
	u32 i;

	for (i = 0; i < again.n; i++) {
		struct att_case *c;

		cookies(again.cookies[i]);
		c = random_case_at(again.number[i], AGAIN_FROM + again.number[i] % 20000);
		att_engine_run(c);
		printf("# --seed %llu --case %u was answered 503, and the second time %s\n",
		       (unsigned long long)c->seed, c->number,
		       c->why[0] ? c->why : "served");
		again.served += !c->why[0];
		run.failed += c->why[0] != 0;
		if (c->why[0])
			att_print_case(c);
		att_case_done(c);
		free(c);
	}
	run.served += again.served;
}

/* ---- the modes ------------------------------------------------------------------------------ */

static int campaign(void)
{
	u64 begun = att_now(), end = begun + (u64)opt.seconds * 1000000000;
	bool often;

	printf("TAP version 14\n1..2\n");
	while (opt.seconds ? att_now() < end : run.begun < opt.cases) {
		run.until = run.begun + GROUP;
		if (!opt.seconds && run.until > opt.cases)
			run.until = opt.cases;
		/* Every fourth group meets a server that keeps no half-open connections. */
		cookies(run.begun / GROUP % 4 == 3);
		att_engine_series(opt.at_once, next_case, case_over, NULL);
	}
	come_again();
	often = again.n > run.legit / 100 + 1;
	cookies(false);
	printf("# seed %llu: %u cases in %.1f s, %u requests admitted and recorded\n",
	       (unsigned long long)opt.seed, run.begun, (double)(att_now() - begun) / 1e9,
	       run.requests);
	printf("# %u cases got all their allowed requests through\n", run.full);
	printf("%sok 1 - %u cases: only what was decided reached the service\n",
	       run.failed - (run.legit - run.served) ? "not " : "", run.begun);
	printf("%sok 2 - %u of %u legitimate cases were served\n",
	       run.legit != run.served || !run.legit || often ? "not " : "", run.served, run.legit);
	return run.failed || often ? 1 : 0;
}

static int one_case(void)
{
	struct att_case *c;

	printf("TAP version 14\n1..1\n");
	cookies(opt.only / GROUP % 4 == 3);
	c = random_case(opt.only);
	att_engine_run(c);
	cookies(false);
	if (opt.verbose || c->why[0])
		att_print_case(c);
	printf("%sok 1 - seed %llu case %u%s%s\n", c->why[0] ? "not " : "",
	       (unsigned long long)opt.seed, opt.only, c->why[0] ? ": " : "", c->why);
	return c->why[0] ? 1 : 0;
}

static bool wanted(const struct att_named *n)
{
	bool small = getenv("ATT_SMALL") != NULL;

	if (small != n->small)
		return false;
	return !strcmp(opt.named, "all") || !strcmp(opt.named, n->name);
}

static int named(void)
{
	u32 i, k = 0, n = 0, failed = 0;

	for (i = 0; att_named[i].name; i++)
		n += wanted(&att_named[i]);
	if (!n)
		att_die("no case is named '%s' here; --list shows them", opt.named);
	printf("TAP version 14\n1..%u\n", n);
	for (i = 0; att_named[i].name; i++) {
		struct att_case *c;

		if (!wanted(&att_named[i]))
			continue;
		c = att_alloc(sizeof(*c));
		att_case_init(c, opt.seed, 50000 + i);
		c->name = att_named[i].name;
		att_case_address(c);
		att_named[i].run(c);
		if (opt.verbose || c->why[0])
			att_print_case(c);
		failed += c->why[0] != 0;
		if (c->why[0])
			printf("# %s\n", c->why);
		printf("%sok %u - %s\n", c->why[0] ? "not " : "", ++k, c->name);
		fflush(stdout);
		att_case_done(c);
		free(c);
	}
	return failed ? 1 : 0;
}

__attribute__((noreturn)) static void usage(int status)
{
	puts("usage: campaign [--seed N] [--cases M] [--time S] [--at-once K]\n"
	     "       campaign --seed N --case K [--verbose]\n"
	     "       campaign --named NAME|all [--verbose]\n"
	     "       campaign --list");
	exit(status);
}

static void read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{"seed", required_argument, NULL, 's'},  {"cases", required_argument, NULL, 'n'},
		{"case", required_argument, NULL, 'k'},  {"time", required_argument, NULL, 't'},
		{"named", required_argument, NULL, 'm'}, {"at-once", required_argument, NULL, 'a'},
		{"verbose", no_argument, NULL, 'v'},     {"list", no_argument, NULL, 'l'},
		{"help", no_argument, NULL, 'h'},        {0},
	};
	int o;

	while ((o = getopt_long(argc, argv, "vh", names, NULL)) != -1) {
		u64 n = optarg ? strtoull(optarg, NULL, 10) : 0;

		switch (o) {
		case 's':
			opt.seed = n;
			break;
		case 'n':
			opt.cases = (u32)n;
			break;
		case 'k':
			opt.only = (u32)n;
			opt.one = true;
			break;
		case 't':
			opt.seconds = (u32)n;
			break;
		case 'a':
			opt.at_once = (u32)n;
			break;
		case 'm':
			opt.named = optarg;
			break;
		case 'v':
			opt.verbose = true;
			break;
		case 'l':
			opt.list = true;
			break;
		case 'h':
			usage(0);
		default:
			usage(2);
		}
	}
}

int main(int argc, char **argv)
{
	u32 i;

	read_options(argc, argv);
	if (opt.list) {
		for (i = 0; att_named[i].name; i++)
			printf("%s%s\n", att_named[i].name, att_named[i].small ? " (small)" : "");
		return 0;
	}
	att_wire_open();
	att_token_open();
	warm();
	if (opt.named)
		return named();
	return opt.one ? one_case() : campaign();
}

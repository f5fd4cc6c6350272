/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Evaluations per second of typical conditions, compiled once, on one core. Started by hand:
 * sz-bench-cel [SECONDS], or by scripts/bench-policy with --figures. Each result is checked.
 * --cases writes the conditions and what they look at as JSON, for another evaluator.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cel/cel.h"

#define BURST 1000 /* evaluations between two looks at the clock */

/* Every one of them is true. */
static const struct condition {
	const char *name, *text;
	bool ours; /* with a function that the language itself does not have */
} conditions[] = {
	{"compare", "request.method == 'GET'", false},
	{"membership", "'admin' in claims.roles", false},
	{"fields", "request.method == 'GET' && claims.dept == 'sales'", false},
	{"prefix", "request.path.startsWith('/orders/') && claims.sub == 'alice'", false},
	{"number", "claims.level >= 3 && claims.level < 10", false},
	{"arithmetic", "claims.level * 10 + claims.iat % 7 - 3 > 30", false},
	{"time_window", "now.getHours('+01:00') >= 8 && now.getHours('+01:00') < 18", false},
	{"cidr", "cidr('10.0.0.0/8').containsIP(source)", true},
	{"list", "request.method in ['GET', 'HEAD', 'OPTIONS'] || has(claims.act)", false},
	{"exists", "claims.groups.exists(g, g.name == 'ops' && g.level > 2)", false},
	{"pattern", "request.path.matches('^/orders/[0-9]+/items$')", false},
};

#define NOW_S 1764000000
static const char method[] = "GET", path[] = "/orders/12345/items", source[] = "10.1.2.3";
static const char claims[] =
	"{\"iss\": \"https://login.example.com/\", \"sub\": \"alice\", \"aud\": \"api\","
	"\"exp\": 2000000000, \"iat\": 1, \"dept\": \"sales\", \"level\": 4,"
	"\"roles\": [\"user\", \"auditor\", \"admin\"], \"groups\": [{\"name\": \"dev\","
	"\"level\": 5}, {\"name\": \"ops\", \"level\": 3}], \"scope\": \"orders:read\"}";

static struct sz_cel_value slots[5];
static struct sz_cel_program *programs[SZ_ARRAY_LEN(conditions)];

/* Of this process alone: others on the core do not count. */
static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool compile(const struct sz_cel_env *env)
{
	struct sz_cel_error e;
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(conditions); i++)
		if (sz_cel_compile(env, conditions[i].text, strlen(conditions[i].text), 0,
				   &programs[i], &e)) {
			fprintf(stderr, "sz-bench-cel: %s: %u:%u: %s\n", conditions[i].text, e.line,
				e.column, e.msg);
			return false;
		}
	return true;
}

static bool declare(struct sz_cel_arena *a)
{
	struct sz_cel_env *env = sz_cel_env_new();
	json_t *json = json_loads(claims, 0, NULL);
	struct sz_addr addr;
	bool ok;

	sz_cel_declare(env, "request.method", "string");
	sz_cel_declare(env, "request.path", "string");
	sz_cel_declare(env, "claims", "map(string, dyn)");
	sz_cel_declare(env, "now", "timestamp");
	sz_cel_declare(env, "source", "net.IP");
	slots[0] = sz_cel_string(method, strlen(method));
	slots[1] = sz_cel_string(path, strlen(path));
	slots[3] = sz_cel_timestamp(NOW_S, 0);
	/* Strings of the claims stay where jansson has them. */
	ok = !sz_cel_from_json(a, json, &slots[2]) && !sz_addr_parse(source, &addr) &&
	     !sz_cel_ip(a, &addr, &slots[4]) && compile(env);
	sz_cel_env_free(env);
	return ok;
}

static void evaluate(size_t i, struct sz_cel_arena *arena)
{
	struct sz_cel_value v;
	struct sz_cel_error e;

	sz_cel_arena_reset(arena);
	if (!sz_cel_eval(programs[i], slots, SZ_CEL_STEPS, arena, &v, &e) &&
	    v.type == SZ_CEL_BOOL && v.b)
		return;
	fprintf(stderr, "sz-bench-cel: %s is not true\n", conditions[i].text);
	exit(1);
}

/* Per second of CPU time: n conditions from `first` on, in turn. */
static double rate(size_t first, size_t n, double seconds)
{
	struct sz_cel_arena arena;
	unsigned long done = 0, i;
	double begin, took;

	sz_cel_arena_init(&arena, 1 << 20);
	begin = cpu_s();
	do {
		for (i = 0; i < BURST * n; i++, done++)
			evaluate(first + i % n, &arena);
		took = cpu_s() - begin;
	} while (took < seconds);
	sz_cel_arena_done(&arena);
	return (double)done / took;
}

/* One round of lines as scripts/bench reads them: bench, subject, metric, unit, round, value. */
static void figures(const char *round, double seconds)
{
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(conditions); i++) {
		printf("cel_%s compiled rate conditions/s %s %.0f\n", conditions[i].name, round,
		       rate(i, 1, seconds));
		fflush(stdout);
	}
	printf("cel_all compiled rate conditions/s %s %.0f\n", round,
	       rate(0, SZ_ARRAY_LEN(conditions), seconds));
}

static int write_cases(void)
{
	json_t *list = json_array(), *all;
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(conditions); i++)
		if (!conditions[i].ours)
			json_array_append_new(list,
					      json_pack("{s:s, s:s}", "name", conditions[i].name,
							"text", conditions[i].text));
	all = json_pack("{s:o, s:{s:{s:s, s:s}, s:o, s:i}}", "conditions", list, "bindings",
			"request", "method", method, "path", path, "claims",
			json_loads(claims, 0, NULL), "now", NOW_S);
	json_dumpf(all, stdout, JSON_INDENT(1));
	json_decref(all);
	return putchar('\n') == EOF;
}

int main(int argc, char **argv)
{
	bool lines = argc == 4 && !strcmp(argv[1], "--figures");
	double seconds = lines ? strtod(argv[3], NULL) : argc == 2 ? strtod(argv[1], NULL) : 1;
	struct sz_cel_arena arena;
	double r;
	size_t i;

	if (argc == 2 && !strcmp(argv[1], "--cases"))
		return write_cases();
	if ((argc > 2 && !lines) || !(seconds > 0)) {
		fprintf(stderr, "usage: sz-bench-cel [SECONDS]\n"
				"       sz-bench-cel --figures ROUND SECONDS\n"
				"       sz-bench-cel --cases\n");
		return 2;
	}
	sz_cel_arena_init(&arena, 1 << 20);
	if (!declare(&arena))
		return 1;
	if (lines)
		figures(argv[2], seconds);
	for (i = 0; !lines && i < SZ_ARRAY_LEN(conditions); i++) {
		r = rate(i, 1, seconds);
		printf("%-12s %8.2f M/s  %6.0f ns   %s\n", conditions[i].name, r / 1e6, 1e9 / r,
		       conditions[i].text);
	}
	for (i = 0; i < SZ_ARRAY_LEN(conditions); i++)
		sz_cel_program_free(programs[i]);
	sz_cel_arena_done(&arena);
	return 0;
}

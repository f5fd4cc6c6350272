/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Evaluations per second of typical conditions, compiled once, on one core. Started by hand:
 * sz-bench-cel [SECONDS]. Prints a line for each condition and checks each result.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cel/cel.h"

static const struct {
	const char *name, *text;
} conditions[] = {
	{"compare", "request.method == 'GET'"},
	{"role", "'admin' in claims.roles"},
	{"field and field", "request.method == 'GET' && claims.dept == 'sales'"},
	{"path", "request.path.startsWith('/orders/') && claims.sub == 'alice'"},
	{"number", "claims.level >= 3 && claims.level < 10"},
	{"time window", "now.getHours('+01:00') >= 8 && now.getHours('+01:00') < 18"},
	{"source", "cidr('10.0.0.0/8').containsIP(source)"},
	{"pattern", "request.path.matches('^/orders/[0-9]+/items$')"},
	{"exists", "claims.groups.exists(g, g.name == 'ops' && g.level > 2)"},
	{"list", "request.method in ['GET', 'HEAD', 'OPTIONS'] || has(claims.act)"},
};

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct sz_cel_value slots[5];

static struct sz_cel_env *declare(struct sz_cel_arena *a)
{
	static const char claims[] =
		"{\"iss\": \"https://login.example.com/\", \"sub\": \"alice\", \"aud\": \"api\","
		"\"exp\": 2000000000, \"iat\": 1, \"dept\": \"sales\", \"level\": 4,"
		"\"roles\": [\"user\", \"auditor\", \"admin\"], \"groups\": [{\"name\": \"dev\","
		"\"level\": 5}, {\"name\": \"ops\", \"level\": 3}], \"scope\": \"orders:read\"}";
	struct sz_cel_env *env = sz_cel_env_new();
	json_t *json = json_loads(claims, 0, NULL);
	struct sz_addr addr;

	sz_cel_declare(env, "request.method", "string");
	sz_cel_declare(env, "request.path", "string");
	sz_cel_declare(env, "claims", "map(string, dyn)");
	sz_cel_declare(env, "now", "timestamp");
	sz_cel_declare(env, "source", "net.IP");
	slots[0] = sz_cel_string("GET", 3);
	slots[1] = sz_cel_string("/orders/12345/items", 19);
	slots[3] = sz_cel_timestamp(1764000000, 0);
	if (sz_cel_from_json(a, json, &slots[2]) || sz_addr_parse("10.1.2.3", &addr) ||
	    sz_cel_ip(a, &addr, &slots[4]))
		abort();
	json_decref(json);
	return env;
}

static int measure(const struct sz_cel_env *env, const char *name, const char *text, double seconds)
{
	struct sz_cel_arena arena;
	struct sz_cel_program *p;
	struct sz_cel_value v;
	struct sz_cel_error e;
	unsigned long n = 0, i;
	double begin, took;

	if (sz_cel_compile(env, text, strlen(text), 0, &p, &e)) {
		fprintf(stderr, "%s: %u:%u: %s\n", text, e.line, e.column, e.msg);
		return 1;
	}
	sz_cel_arena_init(&arena, 1 << 20);
	begin = now_s();
	do {
		for (i = 0; i < 10000; i++, n++) {
			sz_cel_arena_reset(&arena);
			if (sz_cel_eval(p, slots, SZ_CEL_STEPS, &arena, &v, &e) ||
			    v.type != SZ_CEL_BOOL || !v.b) {
				fprintf(stderr, "%s is not true\n", text);
				return 1;
			}
		}
		took = now_s() - begin;
	} while (took < seconds);
	printf("%-16s %8.2f M/s  %6.0f ns   %s\n", name, (double)n / took / 1e6,
	       took * 1e9 / (double)n, text);
	sz_cel_arena_done(&arena);
	sz_cel_program_free(p);
	return 0;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
	struct sz_cel_arena arena;
	struct sz_cel_env *env;
	size_t i;
	int bad = 0;

	sz_cel_arena_init(&arena, 1 << 20);
	env = declare(&arena);
	for (i = 0; i < SZ_ARRAY_LEN(conditions); i++)
		bad |= measure(env, conditions[i].name, conditions[i].text, seconds);
	sz_cel_env_free(env);
	sz_cel_arena_done(&arena);
	return bad;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Relationship checks per second on one core, over a generated graph in memory: documents are
 * shared with groups, groups hold groups, the innermost hold users. Started by hand:
 * sz-bench-rebac [TUPLES [DEPTH [SECONDS]]]. Nothing is cached from one check to the next; half of
 * the answers are yes, and each answer is compared with what the generator knows.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "rebac/rebac.h"

#define FAN     2  /* groups in a document and in a group */
#define MEMBERS 10 /* users in an innermost group */
#define QUERIES (1u << 18)

static const char model_text[] =
	"model\n  schema 1.1\n"
	"type user\n"
	"type group\n  relations\n    define member: [user, group#member]\n"
	"type document\n  relations\n    define viewer: [user, group#member]\n";

struct bench {
	struct sz_rebac_graph *g;
	struct sz_rebac_store *store;
	struct sz_rebac_work *w;
	u32 depth, documents, groups, users; /* groups on each level */
	u32 *shared;                         /* [documents][FAN]: groups of level 0 */
	u32 *nested;                         /* [level][groups][FAN]: groups of the next level */
	u32 *members;                        /* [groups][MEMBERS] */
	struct query {
		u32 document, user;
		bool allowed;
	} *queries;
	u32 tuples;
};

static u64 seed = 0x9e3779b97f4a7c15ull;

static u32 below(u32 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)((seed >> 32) * n >> 32);
}

static double clock_s(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Of this process alone: others on the core do not count. */
static double cpu_s(void)
{
	return clock_s(CLOCK_PROCESS_CPUTIME_ID);
}

static void put(struct bench *b, const char *user, const char *relation, const char *object)
{
	struct sz_rebac_tuple t = {user, relation, object, NULL, NULL};
	struct sz_rebac_error e;
	int err = sz_rebac_write(b->g, &t, &e);

	if (err && err != -EEXIST) {
		fprintf(stderr, "%s\n", e.msg);
		exit(1);
	}
	b->tuples += !err;
}

static void generate(struct bench *b, u32 tuples)
{
	char user[40], object[40];
	u32 i, k, level;

	b->groups = tuples / 2 / (MEMBERS + (b->depth - 2) * FAN);
	b->documents = (tuples - b->groups * (MEMBERS + (b->depth - 2) * FAN)) / FAN;
	b->users = b->groups * 2 + MEMBERS;
	b->shared = sz_calloc((size_t)b->documents * FAN, sizeof(u32));
	b->nested = sz_calloc((size_t)b->groups * FAN * b->depth, sizeof(u32));
	b->members = sz_calloc((size_t)b->groups * MEMBERS, sizeof(u32));
	for (i = 0; i < b->documents * FAN; i++) {
		b->shared[i] = below(b->groups);
		snprintf(object, sizeof(object), "document:d%u", i / FAN);
		snprintf(user, sizeof(user), "group:l0-%u#member", b->shared[i]);
		put(b, user, "viewer", object);
	}
	for (level = 0; level + 2 < b->depth; level++)
		for (i = 0; i < b->groups * FAN; i++) {
			k = below(b->groups);
			b->nested[(size_t)level * b->groups * FAN + i] = k;
			snprintf(object, sizeof(object), "group:l%u-%u", level, i / FAN);
			snprintf(user, sizeof(user), "group:l%u-%u#member", level + 1, k);
			put(b, user, "member", object);
		}
	for (i = 0; i < b->groups * MEMBERS; i++) {
		b->members[i] = below(b->users);
		snprintf(object, sizeof(object), "group:l%u-%u", level, i / MEMBERS);
		snprintf(user, sizeof(user), "user:u%u", b->members[i]);
		put(b, user, "member", object);
	}
}

/* The generator's own answer. */
static bool is_member(const struct bench *b, u32 level, u32 group, u32 user)
{
	const u32 *next = &b->nested[((size_t)level * b->groups + group) * FAN];
	u32 i;

	if (level + 2 == b->depth) {
		for (i = 0; i < MEMBERS; i++)
			if (b->members[group * MEMBERS + i] == user)
				return true;
		return false;
	}
	for (i = 0; i < FAN; i++)
		if (is_member(b, level + 1, next[i], user))
			return true;
	return false;
}

static void choose(struct bench *b)
{
	u32 i, k, group, level;

	b->queries = sz_calloc(QUERIES, sizeof(*b->queries));
	for (i = 0; i < QUERIES; i++) {
		struct query *q = &b->queries[i];

		q->document = below(b->documents);
		group = b->shared[q->document * FAN + below(FAN)];
		for (level = 0; level + 2 < b->depth; level++)
			group = b->nested[((size_t)level * b->groups + group) * FAN + below(FAN)];
		q->user = i & 1 ? below(b->users) : b->members[group * MEMBERS + below(MEMBERS)];
		for (k = 0; k < FAN && !q->allowed; k++)
			q->allowed = is_member(b, 0, b->shared[q->document * FAN + k], q->user);
	}
}

static void must(int err, const struct sz_rebac_error *e, bool got, bool expected)
{
	if (!err && got == expected)
		return;
	fprintf(stderr, "a wrong answer: %s\n", err ? e->msg : got ? "yes" : "no");
	exit(1);
}

static u64 number(struct bench *b, enum sz_rebac_kind kind, const char *name)
{
	return b->store->ops->find(b->store, kind, name, strlen(name));
}

static double by_numbers(struct bench *b, double seconds)
{
	u32 viewer = (u32)number(b, SZ_REBAC_RELATIONS, "viewer"), i, user, document;
	u64 *nodes = sz_calloc(2 * (size_t)QUERIES, sizeof(*nodes));
	struct sz_rebac_error e;
	double begin, took;
	char name[40];
	u64 n = 0;
	bool got;
	int err;

	user = (u32)number(b, SZ_REBAC_TYPES, "user");
	document = (u32)number(b, SZ_REBAC_TYPES, "document");
	for (i = 0; i < QUERIES; i++) {
		snprintf(name, sizeof(name), "u%u", b->queries[i].user);
		nodes[2 * i] = sz_rebac_node_of(user, 0, (u32)number(b, SZ_REBAC_IDS, name));
		snprintf(name, sizeof(name), "d%u", b->queries[i].document);
		nodes[2 * i + 1] =
			sz_rebac_node_of(document, viewer, (u32)number(b, SZ_REBAC_IDS, name));
	}
	begin = cpu_s();
	do {
		for (i = 0; i < QUERIES; i++, n++) {
			err = sz_rebac_check_nodes(b->g, b->w, nodes[2 * i], nodes[2 * i + 1], &got,
						   &e);
			must(err, &e, got, b->queries[i].allowed);
		}
		took = cpu_s() - begin;
	} while (took < seconds);
	free(nodes);
	return (double)n / took;
}

static int by_value(const void *a, const void *b)
{
	const float *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* As text; also the time of single checks. */
static double by_text(struct bench *b, double seconds, float *ret_p50, float *ret_p99)
{
	char(*text)[2][20] = sz_calloc(QUERIES, sizeof(*text));
	float *ns = sz_calloc(QUERIES, sizeof(*ns));
	double begin, took, t;
	struct sz_rebac_error e;
	u64 n = 0;
	bool got;
	u32 i;
	int err;

	for (i = 0; i < QUERIES; i++) {
		snprintf(text[i][0], sizeof(text[i][0]), "user:u%u", b->queries[i].user);
		snprintf(text[i][1], sizeof(text[i][1]), "document:d%u", b->queries[i].document);
	}
	begin = cpu_s();
	do {
		for (i = 0; i < QUERIES; i++, n++) {
			err = sz_rebac_check(b->g, b->w, NULL, text[i][0], "viewer", text[i][1],
					     &got, &e);
			must(err, &e, got, b->queries[i].allowed);
		}
		took = cpu_s() - begin;
	} while (took < seconds);
	for (i = 0; i < QUERIES; i++) {
		t = clock_s(CLOCK_MONOTONIC);
		err = sz_rebac_check(b->g, b->w, NULL, text[i][0], "viewer", text[i][1], &got, &e);
		ns[i] = (float)((clock_s(CLOCK_MONOTONIC) - t) * 1e9);
		must(err, &e, got, b->queries[i].allowed);
	}
	qsort(ns, QUERIES, sizeof(*ns), by_value);
	*ret_p50 = ns[QUERIES / 2];
	*ret_p99 = ns[QUERIES / 100 * 99];
	free(text);
	free(ns);
	return (double)n / took;
}

static double resident_mib(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f)
		return 0;
	if (fscanf(f, "%*d %ld", &pages) != 1)
		pages = 0;
	fclose(f);
	return (double)pages * 4096 / (1 << 20);
}

int main(int argc, char **argv)
{
	u32 tuples = argc > 1 ? (u32)strtoul(argv[1], NULL, 10) : 1000000;
	struct bench b = {.depth = argc > 2 ? (u32)strtoul(argv[2], NULL, 10) : 2};
	double seconds = argc > 3 ? strtod(argv[3], NULL) : 2, begin, numbers, text, built;
	struct sz_rebac_model *m;
	struct sz_rebac_error e;
	float p50, p99;

	if (tuples < 1000 || b.depth < 2 || b.depth > 20) {
		fprintf(stderr, "usage: sz-bench-rebac [TUPLES [DEPTH [SECONDS]]]\n"
				"at least 1000 tuples, a depth of 2 to 20\n");
		return 2;
	}
	b.store = sz_rebac_memory_new();
	b.w = sz_rebac_work_new(0);
	if (sz_rebac_model_parse(model_text, strlen(model_text), &m, &e) ||
	    sz_rebac_graph_new(m, b.store, &b.g, &e)) {
		fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	begin = cpu_s();
	generate(&b, tuples);
	built = cpu_s() - begin;
	choose(&b);
	numbers = by_numbers(&b, seconds);
	text = by_text(&b, seconds, &p50, &p99);
	printf("%9u tuples  depth %u  %6.2f M/s by number  %6.2f M/s by name  p50 %5.0f ns  "
	       "p99 %5.0f ns  %5.0f MiB  %.2f M writes/s\n",
	       b.tuples, b.depth, numbers / 1e6, text / 1e6, p50, p99, resident_mib(),
	       b.tuples / built / 1e6);
	sz_rebac_graph_free(b.g);
	sz_rebac_model_free(m);
	sz_rebac_store_free(b.store);
	sz_rebac_work_free(b.w);
	free(b.shared);
	free(b.nested);
	free(b.members);
	free(b.queries);
	return 0;
}

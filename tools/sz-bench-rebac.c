/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Relationship checks per second on one core, over a generated graph in the index that the daemon
 * uses, too: documents are shared with groups, groups hold groups, the innermost hold users.
 * Started by hand: sz-bench-rebac [TUPLES [DEPTH [SECONDS]]], or by scripts/bench-rebac with
 * --figures. No answer is kept from one check to the next; half of them are yes, and each is
 * compared with what the generator knows. "hot" asks 1024 questions again and again, so that what
 * they touch stays in the processor's caches. --tuples writes the graph as JSON lines, for others.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "rebac/rebac.h"

#define FAN     2  /* groups in a document and in a group */
#define MEMBERS 10 /* users in an innermost group */
#define QUERIES (1u << 18)
#define HOT     1024
#define SINGLE  16384 /* checks that are timed one by one, at most */
#define LOOK    256   /* questions between two looks at the clock */

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

/* The first `distinct` questions, again and again. */
static double by_numbers(struct bench *b, double seconds, u32 distinct)
{
	u32 viewer = (u32)number(b, SZ_REBAC_RELATIONS, "viewer"), i, k, user, document;
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
		for (k = 0; k < LOOK; k++, n++) {
			i = (u32)(n % distinct);
			err = sz_rebac_check_nodes(b->g, b->w, nodes[2 * i], nodes[2 * i + 1], &got,
						   &e);
			must(err, &e, got, b->queries[i].allowed);
		}
		took = cpu_s() - begin;
	} while (took < seconds);
	free(nodes);
	return (double)n / took;
}

#define AHEAD 16 /* searches of which is known that they will follow, as in a check of sets */

/*
 * Point searches in the index: is this user in that group by a tuple? All of them are. `ahead`:
 * each AHEAD of them are announced, as a check does with the groups that it found in an object.
 */
static double searches(struct bench *b, double seconds, u32 distinct, bool ahead)
{
	u64 next[AHEAD];
	u32 member = (u32)number(b, SZ_REBAC_RELATIONS, "member"), i, at, value;
	u32 group = (u32)number(b, SZ_REBAC_TYPES, "group");
	u32 user = (u32)number(b, SZ_REBAC_TYPES, "user");
	u64 *nodes = sz_calloc(2 * (size_t)distinct, sizeof(*nodes)), n = 0;
	double begin, took;
	char name[40];

	for (i = 0; i < distinct; i++) {
		at = below(b->groups * MEMBERS);
		snprintf(name, sizeof(name), "l%u-%u", b->depth - 2, at / MEMBERS);
		nodes[2 * i] = sz_rebac_node_of(group, member, (u32)number(b, SZ_REBAC_IDS, name));
		snprintf(name, sizeof(name), "u%u", b->members[at]);
		nodes[2 * i + 1] = sz_rebac_node_of(user, 0, (u32)number(b, SZ_REBAC_IDS, name));
	}
	begin = cpu_s();
	do {
		for (i = 0; i < distinct; i++, n++) {
			u32 k;

			for (k = 0; ahead && i % AHEAD == 0 && k < AHEAD && i + k < distinct; k++)
				next[k] = nodes[2 * (i + k)];
			if (k)
				b->store->ops->soon(b->store, next, k);
			if (b->store->ops->read(b->store, nodes[2 * i], nodes[2 * i + 1], &value)) {
				fprintf(stderr, "a tuple is missing\n");
				exit(1);
			}
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
	u32 i, k;
	int err;

	for (i = 0; i < QUERIES; i++) {
		snprintf(text[i][0], sizeof(text[i][0]), "user:u%u", b->queries[i].user);
		snprintf(text[i][1], sizeof(text[i][1]), "document:d%u", b->queries[i].document);
	}
	begin = cpu_s();
	do {
		for (k = 0; k < LOOK; k++, n++) {
			i = (u32)(n % QUERIES);
			err = sz_rebac_check(b->g, b->w, NULL, text[i][0], "viewer", text[i][1],
					     &got, &e);
			must(err, &e, got, b->queries[i].allowed);
		}
		took = cpu_s() - begin;
	} while (took < seconds);
	begin = cpu_s();
	for (i = 0; i < SINGLE && (i < LOOK || cpu_s() - begin < seconds); i++) {
		t = clock_s(CLOCK_MONOTONIC);
		err = sz_rebac_check(b->g, b->w, NULL, text[i][0], "viewer", text[i][1], &got, &e);
		ns[i] = (float)((clock_s(CLOCK_MONOTONIC) - t) * 1e9);
		must(err, &e, got, b->queries[i].allowed);
	}
	qsort(ns, i, sizeof(*ns), by_value);
	*ret_p50 = ns[i / 2];
	*ret_p99 = ns[i * 99ull / 100];
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

/* ---- the programs --------------------------------------------------------------------------- */

static struct sz_rebac_model *model;

static double make(struct bench *b, u32 tuples, u32 depth)
{
	struct sz_rebac_error e;
	double begin;

	*b = (struct bench){.depth = depth};
	b->store = sz_rebac_memory_new();
	b->w = sz_rebac_work_new(0);
	if (sz_rebac_model_parse(model_text, strlen(model_text), &model, &e) ||
	    sz_rebac_graph_new(model, b->store, &b->g, &e)) {
		fprintf(stderr, "%s\n", e.msg);
		exit(1);
	}
	begin = cpu_s();
	generate(b, tuples);
	begin = cpu_s() - begin;
	choose(b);
	return begin;
}

static void done(struct bench *b)
{
	sz_rebac_graph_free(b->g);
	sz_rebac_model_free(model);
	sz_rebac_store_free(b->store);
	sz_rebac_work_free(b->w);
	free(b->shared);
	free(b->nested);
	free(b->members);
	free(b->queries);
}

/* Lines as scripts/bench reads them: bench, subject, metric, unit, round, value. */
static void figures(const char *name, u32 tuples, u32 depth, u32 rounds, double seconds)
{
	double before = resident_mib();
	struct bench b;
	float p50, p99;
	u32 i;

	make(&b, tuples, depth);
	for (i = 1; i <= rounds; i++) {
		printf("rebac_%s_check number rate checks/s %u %.0f\n", name, i,
		       by_numbers(&b, seconds, QUERIES));
		printf("rebac_%s_check hot rate checks/s %u %.0f\n", name, i,
		       by_numbers(&b, seconds, HOT));
		printf("rebac_%s_check name rate checks/s %u %.0f\n", name, i,
		       by_text(&b, seconds, &p50, &p99));
		printf("rebac_%s_p50 name p50 ns %u %.0f\n", name, i, p50);
		printf("rebac_%s_p99 name p99 ns %u %.0f\n", name, i, p99);
		printf("rebac_%s_memory index resident MiB %u %.0f\n", name, i,
		       resident_mib() - before);
		if (depth == 2) {
			printf("rebac_%s_search index rate searches/s %u %.0f\n", name, i,
			       searches(&b, seconds, QUERIES, false));
			printf("rebac_%s_search index_ahead rate searches/s %u %.0f\n", name, i,
			       searches(&b, seconds, QUERIES, true));
			printf("rebac_%s_search index_hot rate searches/s %u %.0f\n", name, i,
			       searches(&b, seconds, HOT, false));
		}
		fflush(stdout);
	}
	done(&b);
}

/* The graph and the questions, for another program to answer. */
static void write_tuples(u32 tuples, u32 depth)
{
	struct bench b;
	u32 i;

	make(&b, tuples, depth);
	for (i = 0; i < b.documents * FAN; i++)
		printf("{\"user\":\"group:l0-%u#member\",\"relation\":\"viewer\","
		       "\"object\":\"document:d%u\"}\n", b.shared[i], i / FAN);
	for (i = 0; i < b.groups * MEMBERS; i++)
		printf("{\"user\":\"user:u%u\",\"relation\":\"member\","
		       "\"object\":\"group:l%u-%u\"}\n",
		       b.members[i], depth - 2, i / MEMBERS);
	for (i = 0; i < 4096; i++)
		printf("{\"user\":\"user:u%u\",\"object\":\"document:d%u\",\"allowed\":%s}\n",
		       b.queries[i].user, b.queries[i].document,
		       b.queries[i].allowed ? "true" : "false");
	done(&b);
}

static int one(u32 tuples, u32 depth, double seconds)
{
	double numbers, text, built, search;
	struct bench b;
	float p50, p99;

	built = make(&b, tuples, depth);
	numbers = by_numbers(&b, seconds, QUERIES);
	text = by_text(&b, seconds, &p50, &p99);
	search = searches(&b, seconds, QUERIES, false);
	printf("%9u tuples  depth %u  %6.2f M/s by number  %6.2f M/s by name  p50 %5.0f ns  "
	       "p99 %5.0f ns  %5.2f M searches/s  %5.0f MiB  %.2f M writes/s\n",
	       b.tuples, b.depth, numbers / 1e6, text / 1e6, p50, p99, search / 1e6,
	       resident_mib(), b.tuples / built / 1e6);
	done(&b);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		u32 tuples, depth;
	} all[] = {
		{"10k_d2", 10000, 2},     {"1M_d2", 1000000, 2}, {"1M_d4", 1000000, 4},
		{"1M_d8", 1000000, 8},    {"10M_d2", 10000000, 2},
	};
	bool lines = argc > 1 && !strcmp(argv[1], "--figures");
	bool tuples = argc > 1 && !strcmp(argv[1], "--tuples");
	u32 n = argc > 1 + tuples ? (u32)strtoul(argv[1 + tuples], NULL, 10) : 1000000;
	u32 depth = argc > 2 + tuples ? (u32)strtoul(argv[2 + tuples], NULL, 10) : 2;
	double seconds = argc > 3 ? strtod(argv[3], NULL) : 2;
	size_t i;

	if (lines && argc == 4) {
		for (i = 0; i < SZ_ARRAY_LEN(all); i++)
			figures(all[i].name, all[i].tuples, all[i].depth,
				(u32)strtoul(argv[2], NULL, 10), seconds);
		return 0;
	}
	if (lines || n < 1000 || depth < 2 || depth > 20 || (tuples && depth != 2)) {
		fprintf(stderr, "usage: sz-bench-rebac [TUPLES [DEPTH [SECONDS]]]\n"
				"       sz-bench-rebac --figures ROUNDS SECONDS\n"
				"       sz-bench-rebac --tuples TUPLES\n"
				"at least 1000 tuples, a depth of 2 to 20\n");
		return 2;
	}
	if (tuples)
		write_tuples(n, depth);
	return tuples ? 0 : one(n, depth, seconds);
}

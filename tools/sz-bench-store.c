/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The store on disk beside its index: point searches in LMDB and in the index over the same tuples,
 * what a write costs until it is on disk, how fast many are imported, and how long a start takes.
 * Started by hand: sz-bench-store [TUPLES [SECONDS [DIR]]], or by scripts/bench-rebac with
 * --figures ROUNDS TUPLES SECONDS DIR.
 */
#include <lmdb.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "store/store_priv.h"

#define QUERIES (1u << 18)

static const char model_text[] = "model\n  schema 1.1\ntype user\ntype document\n  relations\n"
				 "    define viewer: [user]\n";

static u64 seed = 0x9e3779b97f4a7c15ull;
static struct sz_rebac_error e;
static struct sz_stores *stores;
static struct sz_store *store;

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

static void must(int err)
{
	if (!err)
		return;
	fprintf(stderr, "sz-bench-store: %s\n", e.msg);
	exit(1);
}

static double open_stores(const char *dir)
{
	struct sz_stores_options o = {.dir = dir};
	double begin = clock_s(CLOCK_MONOTONIC);
	struct sz_error why;

	if (sz_stores_open(&o, &stores, &why)) {
		fprintf(stderr, "sz-bench-store: %s\n", why.msg);
		exit(1);
	}
	return clock_s(CLOCK_MONOTONIC) - begin;
}

static void name(char text[24], const char *type, u32 i)
{
	snprintf(text, 24, "%s:%u", type, i);
}

/* Tuples from..from + n - 1, in one write; true to the daemon, on disk. */
static void write_some(u32 from, u32 n)
{
	static struct sz_store_op ops[SZ_STORE_BULK_MAX];
	static char text[SZ_STORE_BULK_MAX][2][24];
	struct sz_store_write w = {.ops = ops, .n = n, .bulk = true};
	u32 i;

	for (i = 0; i < n; i++) {
		name(text[i][0], "user", (from + i) % 100003);
		name(text[i][1], "document", from + i);
		ops[i] = (struct sz_store_op){
			.t = {text[i][0], "viewer", text[i][1], NULL, NULL},
		};
	}
	must(sz_store_write(store, &w, &e));
}

static u32 find(enum sz_rebac_kind kind, const char *s)
{
	return store->memory->ops->find(store->memory, kind, s, strlen(s));
}

static void choose(u32 tuples, u64 (*pairs)[2])
{
	u32 user = find(SZ_REBAC_TYPES, "user"), document = find(SZ_REBAC_TYPES, "document"), i, at;
	u32 viewer = find(SZ_REBAC_RELATIONS, "viewer");
	char text[24];

	for (i = 0; i < QUERIES; i++) {
		at = below(tuples);
		snprintf(text, sizeof(text), "%u", at);
		pairs[i][0] = sz_rebac_node_of(document, viewer, find(SZ_REBAC_IDS, text));
		snprintf(text, sizeof(text), "%u", at % 100003);
		pairs[i][1] = sz_rebac_node_of(user, 0, find(SZ_REBAC_IDS, text));
	}
}

static double search_index(u64 (*pairs)[2], double seconds)
{
	double begin = clock_s(CLOCK_PROCESS_CPUTIME_ID), took;
	u64 n = 0;
	u32 i, value;

	do {
		for (i = 0; i < QUERIES; i++, n++)
			must(store->memory->ops->read(store->memory, pairs[i][0], pairs[i][1],
						      &value));
		took = clock_s(CLOCK_PROCESS_CPUTIME_ID) - begin;
	} while (took < seconds);
	return (double)n / took;
}

/* The best case of LMDB: one transaction for all, keys ready, nothing copied. */
static double search_file(u64 (*pairs)[2], double seconds)
{
	double begin, took;
	MDB_val key, value;
	MDB_cursor *c;
	MDB_txn *txn;
	u64 n = 0;
	u32 i;

	must(sz_store_fail(mdb_txn_begin(stores->env, NULL, MDB_RDONLY, &txn), &e));
	must(sz_store_fail(mdb_cursor_open(txn, stores->table[T_BY_OBJECT], &c), &e));
	begin = clock_s(CLOCK_PROCESS_CPUTIME_ID);
	do {
		for (i = 0; i < QUERIES; i++, n++) {
			struct key k = sz_store_key(store->number);

			sz_store_key_u64(&k, pairs[i][0]);
			sz_store_key_u64(&k, pairs[i][1]);
			key = sz_store_val(k.b, k.n);
			must(sz_store_fail(mdb_cursor_get(c, &key, &value, MDB_SET), &e));
		}
		took = clock_s(CLOCK_PROCESS_CPUTIME_ID) - begin;
	} while (took < seconds);
	mdb_cursor_close(c);
	mdb_txn_abort(txn);
	return (double)n / took;
}

static double single_writes(u32 *from, double seconds)
{
	double begin = clock_s(CLOCK_MONOTONIC), took;
	u32 n = 0;

	do {
		write_some((*from)++, 1);
		n++;
		took = clock_s(CLOCK_MONOTONIC) - begin;
	} while (took < seconds);
	return n / took;
}

static double import(u32 tuples)
{
	double begin = clock_s(CLOCK_MONOTONIC);
	u32 at, n;

	for (at = 0; at < tuples; at += n) {
		n = tuples - at < SZ_STORE_BULK_MAX ? tuples - at : SZ_STORE_BULK_MAX;
		write_some(at, n);
	}
	return tuples / (clock_s(CLOCK_MONOTONIC) - begin);
}

int main(int argc, char **argv)
{
	bool lines = argc == 6 && !strcmp(argv[1], "--figures");
	u32 rounds = lines ? (u32)strtoul(argv[2], NULL, 10) : 1, i, from;
	u32 tuples = argc > 1 + 2 * lines ? (u32)strtoul(argv[1 + 2 * lines], NULL, 10) : 1000000;
	double seconds = argc > 2 + 2 * lines ? strtod(argv[2 + 2 * lines], NULL) : 2;
	const char *dir = argc > 3 + 2 * lines ? argv[3 + 2 * lines] : "/tmp/sz-bench-store";
	double imported, index, file, single, load;
	char model[SZ_STORE_ID_LEN + 1], command[512];
	u64(*pairs)[2] = sz_calloc(QUERIES, sizeof(*pairs));
	struct sz_store_info info;

	if (tuples < 1000 || seconds <= 0 || strpbrk(dir, "'\"$`\\")) {
		fprintf(stderr, "usage: sz-bench-store [TUPLES [SECONDS [DIR]]]\n");
		return 2;
	}
	if (!access(dir, F_OK)) {
		fprintf(stderr, "sz-bench-store: %s exists; remove it or name another\n", dir);
		return 1;
	}
	open_stores(dir);
	must(sz_store_create(stores, "bench", &info, &e));
	store = sz_store_get(stores, info.id);
	must(sz_store_model_write(store, model_text, strlen(model_text), model, &e));
	imported = import(tuples);
	from = tuples;
	choose(tuples, pairs);
	for (i = 1; i <= rounds; i++) {
		index = search_index(pairs, seconds);
		file = search_file(pairs, seconds);
		single = single_writes(&from, seconds);
		sz_store_put(store);
		sz_stores_close(stores);
		load = open_stores(dir);
		store = sz_store_get(stores, info.id);
		if (lines) {
			printf("store_search index rate searches/s %u %.0f\n", i, index);
			printf("store_search lmdb rate searches/s %u %.0f\n", i, file);
			printf("store_write one_tuple rate writes/s %u %.0f\n", i, single);
			printf("store_import bulk rate tuples/s %u %.0f\n", i, imported);
			printf("store_load start time ms %u %.0f\n", i, load * 1e3);
		} else {
			printf("%u tuples  %.2f M searches/s in the index  %.2f M/s in LMDB  "
			       "%.0f writes/s  %.0f tuples/s imported  start %.0f ms  %.0f MiB\n",
			       tuples, index / 1e6, file / 1e6, single, imported, load * 1e3,
			       (double)sz_stores_bytes(stores) / (1 << 20));
		}
		fflush(stdout);
	}
	sz_store_put(store);
	sz_stores_close(stores);
	free(pairs);
	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	return system(command) ? 1 : 0;
}

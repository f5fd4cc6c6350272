/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sz-bench-expiry: do grants end in time? Writes many into the maps of a running daemon, a third of
 * them with one and the same end, tells the daemon that there is something to read, and walks over
 * the map until none is left. Called by scripts/bench-expiry, which asks the daemon what its loop
 * did meanwhile. Exits with 1 where a grant went before its end, or one stayed too long.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "kern/kern.h"

#define SECOND   1000000000ull
#define AT_ONCE  1000u
#define LATE_MAX (60 * SECOND)

static struct sz_kern *kern;
static u64 *ends; /* ascending, once they are written */
static u64 n, early, latest_ns;

static u64 end_of(u64 i, u64 from, u64 spread)
{
	u64 random = i * 0x9e3779b97f4a7c15ull;

	return i % 3 ? from + (random >> 20) % spread : from + spread / 2;
}

static int by_value(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static int write_all(u64 from, u64 spread)
{
	static struct sz_grant_key keys[AT_ONCE];
	static struct sz_grant grants[AT_ONCE];
	const struct sz_config *cfg = sz_kern_config(kern);
	u64 i, k, many;
	u32 written;
	int err = 0;

	for (i = 0; !err && i < n; i += many) {
		many = n - i < AT_ONCE ? n - i : AT_ONCE;
		for (k = 0; k < many; k++) {
			ends[i + k] = end_of(i + k, from, spread);
			keys[k] = (struct sz_grant_key){
				.token.w = {(i + k) * 0x9e3779b97f4a7c15ull, ~(i + k)},
				.service = 1};
			grants[k] = (struct sz_grant){.expires_ns = ends[i + k],
						      .policy_gen = cfg->policy_gen,
						      .key_gen = cfg->key_gen,
						      .principal = i + k};
		}
		err = sz_map_put_batch(kern, SZ_MAP_GRANTS, keys, grants, (u32)many, &written);
	}
	qsort(ends, n, sizeof(*ends), by_value);
	return err;
}

struct walk {
	u64 began_ns, there, ahead, margin_ns;
};

static int look(const void *key, const void *value, void *arg)
{
	const struct sz_grant *g = value;
	struct walk *w = arg;

	(void)key;
	w->there++;
	w->ahead += g->expires_ns > w->margin_ns;
	if (g->expires_ns < w->began_ns && w->began_ns - g->expires_ns > latest_ns)
		latest_ns = w->began_ns - g->expires_ns;
	return 0;
}

/* How many of all end after `at_ns`. */
static u64 ends_after(u64 at_ns)
{
	u64 low = 0, high = n, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (ends[middle] > at_ns)
			high = middle;
		else
			low = middle + 1;
	}
	return n - low;
}

/* What ends after the walk must all be there, so the walk only counts what ends a while later. */
static int watch(u64 *ret_gone)
{
	const struct timespec rest = {.tv_nsec = 100000000};
	u64 took = SECOND, must;
	struct walk w;
	int err;

	do {
		nanosleep(&rest, NULL);
		w = (struct walk){.began_ns = sz_boot_ns()};
		w.margin_ns = w.began_ns + 4 * took;
		err = sz_map_each(kern, SZ_MAP_GRANTS, look, &w);
		if (err)
			return err;
		took = sz_boot_ns() - w.began_ns;
		must = w.began_ns + took <= w.margin_ns ? ends_after(w.margin_ns) : 0;
		early += w.ahead < must ? must - w.ahead : 0;
	} while (w.there && sz_boot_ns() < ends[n - 1] + LATE_MAX);
	*ret_gone = w.there ? 0 : sz_boot_ns();
	return 0;
}

int main(int argc, char **argv)
{
	struct sz_error e = {""};
	u64 gone = 0, from;
	int err;

	if (argc != 5) {
		fprintf(stderr,
			"usage: sz-bench-expiry PIN_DIR GRANTS SECONDS SPREAD\n"
			"Grants that end from SECONDS on, within SPREAD seconds, in the maps of a "
			"daemon that runs.\nPrints one line of JSON; exits with 1 where one went "
			"too early or too late.\n");
		return 2;
	}
	n = strtoull(argv[2], NULL, 10);
	from = sz_boot_ns() + strtoull(argv[3], NULL, 10) * SECOND;
	err = sz_kern_open(argv[1], &kern, &e);
	if (err || !n) {
		fprintf(stderr, "sz-bench-expiry: %s\n", err ? e.msg : "no grants, no bench");
		return 2;
	}
	ends = sz_calloc(n, sizeof(*ends));
	err = write_all(from, strtoull(argv[4], NULL, 10) * SECOND + 1);
	__atomic_add_fetch(&sz_kern_config(kern)->revoke_epoch, 1, __ATOMIC_SEQ_CST);
	if (!err && sz_boot_ns() > from)
		fprintf(stderr, "sz-bench-expiry: it took too long to write them: more SECONDS\n");
	if (!err)
		err = watch(&gone);
	if (err)
		fprintf(stderr, "sz-bench-expiry: %s\n", strerror(-err));
	printf("{\"grants\":%llu,\"too_early\":%llu,\"latest_ms\":%.1f,"
	       "\"all_gone_after_ms\":%.1f}\n",
	       (unsigned long long)n, (unsigned long long)early, (double)latest_ns / 1e6,
	       gone > ends[n - 1] ? (double)(gone - ends[n - 1]) / 1e6 : 0.0);
	free(ends);
	sz_kern_close(kern);
	return err || early || !gone;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rate limits as they stand in the maps: read, set at run time, reset. On open maps alone, so
 * that the CLI can do without the daemon what the daemon does for it. Never reads configuration.
 * See docs/limits.md.
 */
#ifndef SZ_GATEWAY_LIMITS_H
#define SZ_GATEWAY_LIMITS_H

#include <jansson.h>

#include "core/core.h"
#include "kern/kern.h"

struct sz_limit_row {
	u32 slot;
	struct sz_limit limit;       /* a copy */
	struct sz_limit_count count; /* of all CPUs */
};

/* Every limit, ordered by name; the caller frees *ret. Returns their number, or -errno. */
int sz_limits_read(const struct sz_kern *k, struct sz_limit_row **ret);
/* One by its name: "shop/source", "shop/source@partner", "misses"; -ENOENT. */
int sz_limits_find(const struct sz_kern *k, const char *name, struct sz_limit_row *ret,
		   struct sz_error *e);

struct sz_limit_change {
	const char *rate; /* "100/s", "none"; NULL: as it is */
	u64 burst;        /* 0: as it is, or with a rate, its number */
	int dry_run;      /* -1: as it is */
};
/* Until the next reload. Also writes the answer that the limit's clients get. */
int sz_limits_set(struct sz_kern *k, const char *name, const struct sz_limit_change *c,
		  struct sz_error *e);

/* What a bucket is of; NULL where it is not by that. */
struct sz_limit_subject {
	const char *source;    /* address or prefix */
	const char *principal; /* 16 hex digits */
	const char *route;     /* name, or number */
};
/* Forgets one bucket, or with NULL all of the limit. Returns how many there were, or -errno. */
int sz_limits_reset(struct sz_kern *k, const char *name, const struct sz_limit_subject *s,
		    struct sz_error *e);

/* A bucket that holds something back; `used` requests of its burst, as of now_ns. */
typedef int (*sz_limit_bucket_fn)(const struct sz_bucket_key *key, u64 tat, u64 used, void *arg);
/* Every one of the limit. A callback that returns non-zero ends the walk with that value. */
int sz_limits_buckets(const struct sz_kern *k, const struct sz_limit_row *row, u64 now_ns,
		      sz_limit_bucket_fn fn, void *arg);

/* The limit as an object: see docs/limits.md. A new reference. */
json_t *sz_limits_json(const struct sz_kern *k, const struct sz_limit_row *row);
/* "100/s", "10/m", "3/h", or "none"; of `interval_ns`. Returns `s`. */
char *sz_limits_rate(u64 interval_ns, char s[32]);

#endif

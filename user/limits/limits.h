/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rate limits in the maps: put there from a configuration, read, set at run time, reset. On open
 * maps alone, so that the CLI can do without the daemon what the daemon does for it. What is
 * counted and refused is the packet core's, include/subzero/limit.h. See docs/limits.md.
 */
#ifndef SZ_LIMITS_LIMITS_H
#define SZ_LIMITS_LIMITS_H

#include <jansson.h>

#include "config/config.h"
#include "core/core.h"
#include "kern/kern.h"

/* ---- from a configuration: publish.c -------------------------------------------------------- */

/*
 * Every limit of the snapshot into sz_limits, with its answer, and its networks. A limit that was
 * there under the same name keeps its slot and its buckets. What the snapshot no longer has stays
 * until sz_limits_drop(): services that are still published name it.
 */
int sz_limits_put(struct sz_kern *k, const struct sz_conf *c, struct sz_error *e);
/* The slots of a service's limits, after sz_limits_put(). */
void sz_limits_of_service(struct sz_kern *k, const struct sz_conf *c,
			  const struct sz_conf_service *svc, struct sz_service *ret);
/* Frees the slots that the snapshot does not name. */
void sz_limits_drop(struct sz_kern *k, const struct sz_conf *c);

/* ---- as they stand: read.c ------------------------------------------------------------------ */

struct sz_limit_row {
	u32 slot;
	struct sz_limit limit;       /* a copy */
	struct sz_limit_count count; /* of all CPUs */
};

/* Every limit, ordered by name; the caller frees *ret. 0, or -errno. */
int sz_limits_read(struct sz_kern *k, struct sz_limit_row **ret, size_t *ret_n);
/* One by its name: "shop/source", "shop/source@partner", "misses"; -ENOENT. */
int sz_limits_find(struct sz_kern *k, const char *name, struct sz_limit_row *ret,
		   struct sz_error *e);
/* The name of the limit in a slot; false: there is none. */
bool sz_limits_name(struct sz_kern *k, u32 slot, char ret[SZ_LIMIT_NAME_MAX]);
/* The limit as an object: see docs/limits.md. A new reference. */
json_t *sz_limits_json(struct sz_kern *k, const struct sz_limit_row *row);
/* All of them, or NULL where the maps cannot be read. */
json_t *sz_limits_json_all(struct sz_kern *k);
/* "100/s", "10/m", "3/h" or "none". Returns `s`. */
char *sz_limits_rate(u64 interval_ns, char s[32]);

/* A bucket that holds something back: `used` requests of its burst, as of now_ns. */
typedef int (*sz_limit_bucket_fn)(const struct sz_bucket_key *key, u64 tat, u64 used, void *arg);
/* Every one of the limit. A callback that returns non-zero ends the walk with that value. */
int sz_limits_buckets(struct sz_kern *k, const struct sz_limit_row *row, u64 now_ns,
		      sz_limit_bucket_fn fn, void *arg);

/* ---- at run time: change.c ------------------------------------------------------------------ */

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
/* Forgets one bucket, or with NULL all of the limit. Returns how many held something, or -errno. */
int sz_limits_reset(struct sz_kern *k, const char *name, const struct sz_limit_subject *s,
		    struct sz_error *e);

/* ---- how many questions may be open: adaptive.c --------------------------------------------- */

/*
 * A limit of questions in flight that follows what their answers take: pure arithmetic on samples
 * and instants. Additive increase, multiplicative decrease (Chiu and Jain, "Analysis of the
 * Increase and Decrease Algorithms for Congestion Avoidance", 1989), once a window: half of what
 * was in flight, as TCP has it (RFC 5681 section 3.1: FlightSize / 2), when most answers of the
 * window were late, or when there was none though something was open all the time. An answer that
 * is late alone changes nothing, and neither do late answers while less was open than `min`: it is
 * not the number of questions that is too high then.
 */
#define SZ_ADAPTIVE_WINDOW_NS 100000000ull /* at least; at least twice the target as well */

struct sz_adaptive {
	struct sz_conf_adaptive rule;
	u32 limit;         /* rule.min .. rule.max */
	u64 since_ns;      /* when the window began */
	u64 answers, late; /* in it */
	u64 sum_ns;        /* of the answers' latencies */
	u64 peak;          /* of questions in flight */
	bool idle;         /* at some time nothing was */
	u64 latency_ns;    /* on average in the last window that had answers; 0: there was none */
	u64 decreases;     /* since the beginning */
};

/* Begins at rule->max: nothing has been seen that speaks against it. */
void sz_adaptive_init(struct sz_adaptive *a, const struct sz_conf_adaptive *rule, u64 now_ns);
/* Other bounds; the limit goes on within them. */
void sz_adaptive_configure(struct sz_adaptive *a, const struct sz_conf_adaptive *rule);
/* A question was answered after that time. */
void sz_adaptive_answer(struct sz_adaptive *a, u64 latency_ns);
/* `open` questions are in flight now; true: a window has ended, and a->limit may be another. */
bool sz_adaptive_turn(struct sz_adaptive *a, u64 now_ns, u64 open);
/* What questions of a priority may use of the limit; at least 1. */
u32 sz_adaptive_share(u32 limit, enum sz_priority p);
/* The word for a priority; "" for none. */
const char *sz_adaptive_word(enum sz_priority p);

/* What is published, as an object: see docs/limits.md. A new reference. */
json_t *sz_adaptive_json(const struct sz_config *cfg);
/* Questions in flight, as the kernel counts them. */
u64 sz_adaptive_open(const struct sz_load *l);

#endif

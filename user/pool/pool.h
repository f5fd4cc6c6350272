/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Worker threads for what costs CPU time: signatures of tokens, proofs, whatever else must not make
 * the event loop wait. The loop submits work and gets it back, done, in the loop. A piece of work
 * belongs to exactly one side at a time, so that neither needs a lock for what is inside it.
 *
 * The loop places work in queues of single workers, one for each class; a worker without work
 * takes from the others (work stealing after Blumofe and Leiserson 1999, with the bounded ring of
 * Chase and Lev 2005 used from its oldest end by everybody, because here the oldest waits for an
 * answer). A higher class comes first; a lower one is passed over at most SZ_POOL_PASSES times in a
 * row by each worker, so that nothing starves. How many results a worker gathers before it wakes
 * the loop follows the time that this takes: additive increase, multiplicative decrease toward
 * `target_ns` (Crankshaw et al., Clipper, NSDI 2017), or toward an eighth of what the work has
 * already waited, which lengthens no answer much and saves the loop most of its wake-ups when there
 * is much to do. A worker that runs out of work wakes the loop at once.
 */
#ifndef SZ_POOL_POOL_H
#define SZ_POOL_POOL_H

#include "core/core.h"
#include "net/net.h"
#include "telemetry/telemetry.h"

/* Who comes first: highest first. */
enum sz_work_class {
	SZ_WORK_URGENT, /* somebody known waits for it: a proof, a token that was good before */
	SZ_WORK_NORMAL, /* the rest of those whose request is held */
	SZ_WORK_LATER,  /* strangers under load, and what nobody waits for */
	SZ_WORK_CLASSES,
};
const char *sz_work_class_name(enum sz_work_class c); /* "urgent", "normal", "later" */

/*
 * Embed it in what is to be done. Between sz_pool_submit() and `done` it belongs to the pool.
 * run: in a worker. May use what is in the work, what never changes and what is made for threads;
 *      must not block but for CPU time, and must not touch the loop.
 * done: in the loop, once for each submit. May free the work or submit it again.
 * drop: instead of `done` where the pool ends first; only frees.
 */
struct sz_work {
	void (*run)(struct sz_work *w);
	void (*done)(struct sz_work *w);
	void (*drop)(struct sz_work *w);
	enum sz_work_class class;
	/* CLOCK_BOOTTIME; valid in `done` */
	u64 queued_ns, began_ns, ended_ns;
	struct sz_work *next; /* the pool's own */
};

#define SZ_POOL_PASSES    16      /* picks of a higher class in a row while a lower one waits */
#define SZ_POOL_TARGET_NS 100000u /* a finished piece of work waits at most about so long */
#define SZ_POOL_SHARE     8       /* or this part of what it has waited for a worker already */
#define SZ_POOL_BATCH_MAX 64      /* results a worker gathers at most */

struct sz_pool;

struct sz_pool_options {
	unsigned workers; /* 1..SZ_WORKERS_MAX */
	u64 target_ns;    /* 0: SZ_POOL_TARGET_NS */
};

/* Starts the threads. Everything but `run` happens in the loop's thread. */
int sz_pool_new(struct sz_loop_ring *loop, const struct sz_pool_options *o, struct sz_pool **ret,
		struct sz_error *e);
/* Never blocks and never fails. */
void sz_pool_submit(struct sz_pool *p, struct sz_work *w);
/* Ends the threads; what was not handed back is dropped. Before the loop is freed. NULL is fine. */
void sz_pool_free(struct sz_pool *p);

struct sz_pool_stats {
	struct {
		u64 submitted;
		u64 in_flight; /* submitted and not handed back */
		u64 waiting;   /* of them, in a queue */
		const struct sz_hist *wait; /* from submit to a worker's beginning */
		const struct sz_hist *run;
	} class[SZ_WORK_CLASSES];
	u64 steals;  /* taken from another worker's queue */
	u64 wakes;   /* of sleeping workers */
	u64 batches; /* hand-backs by workers, and the work in all of them */
	u64 batched;
	u64 limit;   /* results that a worker gathers at present, the largest of all */
	unsigned workers, asleep;
	u64 busy_ns[SZ_WORKERS_MAX]; /* of each worker, in the work itself */
};
void sz_pool_look(const struct sz_pool *p, struct sz_pool_stats *ret);

#endif

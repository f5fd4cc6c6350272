/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared inside the room: a worker's queues and what the loop and the workers both touch. Every
 * member says who writes it; what two threads touch is only touched by __atomic builtins.
 */
#ifndef SZ_POOL_POOL_PRIV_H
#define SZ_POOL_POOL_PRIV_H

#include <pthread.h>

#include "pool/pool.h"

#define POOL_LINE 64
#define POOL_RING 512u /* work in one queue; what is more waits in the loop */

/* ---- a queue with one producer, the loop, and any number of takers: queue.c ------------------ */

struct pool_queue {
	u64 head __attribute__((aligned(POOL_LINE))); /* takers, by compare and swap */
	u64 tail __attribute__((aligned(POOL_LINE))); /* the loop */
	struct sz_work *slot[POOL_RING] __attribute__((aligned(POOL_LINE)));
};

bool pool_queue_push(struct pool_queue *q, struct sz_work *w); /* false: full */
struct sz_work *pool_queue_take(struct pool_queue *q);         /* NULL: empty */
u64 pool_queue_len(const struct pool_queue *q);

/* ---- a worker: worker.c ---------------------------------------------------------------------- */

struct pool_worker {
	struct pool_queue queue[SZ_WORK_CLASSES];
	struct sz_pool *pool;
	unsigned index;
	pthread_t thread;
	u32 asleep __attribute__((aligned(POOL_LINE))); /* 1: waits on this futex */
	/* Read by the loop for statistics. */
	u64 steals, batches, batched, limit, busy_ns;
	/* Only this worker's. */
	unsigned passed[SZ_WORK_CLASSES]; /* picks of a higher class since the last one of this */
	struct sz_work *first, **last;    /* done and not handed back */
	u64 n, began_ns;
	u64 target_ns; /* what the first of them may wait */
};

struct sz_pool {
	struct pool_worker *worker;
	unsigned n_workers, n_threads;
	u64 target_ns;
	struct sz_net_wake *wake;
	u32 stop;
	struct sz_work *finished __attribute__((aligned(POOL_LINE))); /* newest first; all */
	/* Only the loop's. */
	struct {
		struct sz_work *first, **last;
		u64 n;
	} spill[SZ_WORK_CLASSES]; /* found every queue full */
	u64 submitted[SZ_WORK_CLASSES], back[SZ_WORK_CLASSES], wakes;
	struct sz_hist wait[SZ_WORK_CLASSES], run[SZ_WORK_CLASSES];
	unsigned next;
};

void *pool_work(void *worker);
/* Lets it look at the queues again; true where it was asleep. Any thread. */
bool pool_wake(struct pool_worker *w);

#endif

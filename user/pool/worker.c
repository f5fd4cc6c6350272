/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a worker thread does: choose, run, gather, hand back, sleep. It never takes a lock and never
 * looks at what is inside the work.
 */
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pool/pool_priv.h"

/* ---- choosing -------------------------------------------------------------------------------- */

/* The own queue of a class first, then everybody else's. */
static struct sz_work *take_class(struct pool_worker *me, enum sz_work_class c)
{
	struct sz_pool *p = me->pool;
	struct sz_work *w = pool_queue_take(&me->queue[c]);
	unsigned i;

	for (i = 1; !w && i < p->n_workers; i++) {
		w = pool_queue_take(&p->worker[(me->index + i) % p->n_workers].queue[c]);
		if (w)
			__atomic_add_fetch(&me->steals, 1, __ATOMIC_RELAXED);
	}
	return w;
}

/* A class that has waited through SZ_POOL_PASSES picks of higher ones has its turn now. */
static struct sz_work *take_passed(struct pool_worker *me)
{
	struct sz_work *w;
	int c;

	for (c = SZ_WORK_CLASSES - 1; c > 0; c--) {
		if (me->passed[c] < SZ_POOL_PASSES)
			continue;
		me->passed[c] = 0;
		w = take_class(me, c);
		if (w)
			return w;
	}
	return NULL;
}

static struct sz_work *take(struct pool_worker *me)
{
	struct sz_work *w = take_passed(me);
	int c, lower;

	for (c = 0; !w && c < SZ_WORK_CLASSES; c++) {
		w = take_class(me, c);
		if (!w)
			continue;
		me->passed[c] = 0;
		for (lower = c + 1; lower < SZ_WORK_CLASSES; lower++)
			me->passed[lower]++;
	}
	return w;
}

/* ---- handing back ---------------------------------------------------------------------------- */

/*
 * Puts what was gathered on the stack that the loop empties as a whole, newest first. The loop is
 * woken by whoever finds it empty: until it has emptied it, it will look anyway.
 */
static void hand_back(struct pool_worker *me)
{
	struct sz_pool *p = me->pool;
	struct sz_work *list = NULL, *w, *next, *oldest = me->first, *head;

	if (!oldest)
		return;
	for (w = me->first; w; w = next) {
		next = w->next;
		w->next = list;
		list = w;
	}
	head = __atomic_load_n(&p->finished, __ATOMIC_RELAXED);
	do {
		oldest->next = head;
	} while (!__atomic_compare_exchange_n(&p->finished, &head, list, false, __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
	__atomic_add_fetch(&me->batches, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&me->batched, me->n, __ATOMIC_RELAXED);
	me->first = NULL;
	me->last = &me->first;
	me->n = 0;
	if (!head)
		sz_net_wake(p->wake);
}

/*
 * Whether the first of the gathered has waited long enough, or would have with one more like the
 * others; learns from it how many can be gathered.
 */
static bool batch_is_full(struct pool_worker *me, u64 now)
{
	u64 took = now - me->began_ns, limit = me->limit;

	if (took > me->target_ns)
		limit = limit > 1 ? limit / 2 : 1;
	else if (me->n >= limit && limit < SZ_POOL_BATCH_MAX)
		limit++;
	else if (me->n < limit && took + took / me->n <= me->target_ns)
		return false;
	__atomic_store_n(&me->limit, limit, __ATOMIC_RELAXED);
	return true;
}

/* ---- sleeping -------------------------------------------------------------------------------- */

static bool anything(const struct sz_pool *p)
{
	unsigned i, c;

	for (i = 0; i < p->n_workers; i++)
		for (c = 0; c < SZ_WORK_CLASSES; c++) {
			const struct pool_queue *q = &p->worker[i].queue[c];

			if (__atomic_load_n(&q->tail, __ATOMIC_SEQ_CST) !=
			    __atomic_load_n(&q->head, __ATOMIC_ACQUIRE))
				return true;
		}
	return __atomic_load_n(&p->stop, __ATOMIC_SEQ_CST);
}

/*
 * The loop stores work first and looks at `asleep` second; here it is the other way round, and all
 * four are sequentially consistent: at least one of the two sees the other.
 */
static void sleep_until_woken(struct pool_worker *me)
{
	__atomic_store_n(&me->asleep, 1, __ATOMIC_SEQ_CST);
	if (anything(me->pool)) {
		__atomic_store_n(&me->asleep, 0, __ATOMIC_SEQ_CST);
		return;
	}
	while (__atomic_load_n(&me->asleep, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, &me->asleep, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
}

bool pool_wake(struct pool_worker *w)
{
	if (!__atomic_load_n(&w->asleep, __ATOMIC_SEQ_CST) ||
	    !__atomic_exchange_n(&w->asleep, 0, __ATOMIC_SEQ_CST))
		return false;
	syscall(SYS_futex, &w->asleep, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
	return true;
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void run(struct pool_worker *me, struct sz_work *w)
{
	w->began_ns = sz_boot_ns();
	if (!me->n) {
		u64 waited = (w->began_ns - w->queued_ns) / SZ_POOL_SHARE;

		me->began_ns = w->began_ns;
		me->target_ns = waited > me->pool->target_ns ? waited : me->pool->target_ns;
	}
	w->run(w);
	w->ended_ns = sz_boot_ns();
	__atomic_add_fetch(&me->busy_ns, w->ended_ns - w->began_ns, __ATOMIC_RELAXED);
	w->next = NULL;
	*me->last = w;
	me->last = &w->next;
	me->n++;
	if (batch_is_full(me, w->ended_ns))
		hand_back(me);
}

void *pool_work(void *worker)
{
	struct pool_worker *me = worker;
	struct sz_work *w;

	while (!__atomic_load_n(&me->pool->stop, __ATOMIC_ACQUIRE)) {
		w = take(me);
		if (w) {
			run(me, w);
			continue;
		}
		hand_back(me);
		sleep_until_woken(me);
	}
	hand_back(me);
	return NULL;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A bounded queue that the loop fills and every worker takes from, oldest first. The numbers never
 * wrap in practice (64 bits), so a taker whose compare and swap succeeds has read the slot of
 * exactly that number: the loop overwrites a slot only once `head` has moved past it.
 */
#include "pool/pool_priv.h"

bool pool_queue_push(struct pool_queue *q, struct sz_work *w)
{
	u64 tail = __atomic_load_n(&q->tail, __ATOMIC_RELAXED);

	if (tail - __atomic_load_n(&q->head, __ATOMIC_ACQUIRE) >= POOL_RING)
		return false;
	__atomic_store_n(&q->slot[tail % POOL_RING], w, __ATOMIC_RELAXED);
	/* Ordered before the look at who sleeps; see pool_wake() and its counterpart. */
	__atomic_store_n(&q->tail, tail + 1, __ATOMIC_SEQ_CST);
	return true;
}

struct sz_work *pool_queue_take(struct pool_queue *q)
{
	u64 head = __atomic_load_n(&q->head, __ATOMIC_ACQUIRE);
	struct sz_work *w;

	do {
		if (head >= __atomic_load_n(&q->tail, __ATOMIC_SEQ_CST))
			return NULL;
		w = __atomic_load_n(&q->slot[head % POOL_RING], __ATOMIC_RELAXED);
	} while (!__atomic_compare_exchange_n(&q->head, &head, head + 1, false, __ATOMIC_ACQ_REL,
					      __ATOMIC_ACQUIRE));
	return w;
}

u64 pool_queue_len(const struct pool_queue *q)
{
	u64 head = __atomic_load_n(&q->head, __ATOMIC_RELAXED);
	u64 tail = __atomic_load_n(&q->tail, __ATOMIC_RELAXED);

	return tail > head ? tail - head : 0;
}

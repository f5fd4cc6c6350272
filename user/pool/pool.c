/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The loop's side of the pool: life, placing work, taking it back, figures.
 */
#include "pool/pool_priv.h"

#include <signal.h>
#include <string.h>

const char *sz_work_class_name(enum sz_work_class c)
{
	static const char *const names[] = {"urgent", "normal", "later"};

	return (unsigned)c < SZ_WORK_CLASSES ? names[c] : "?";
}

/* ---- placing --------------------------------------------------------------------------------- */

/* Who sleeps gets it; where all are busy the next in turn. */
static struct pool_worker *choose(struct sz_pool *p)
{
	unsigned i, at, chosen = p->next;

	for (i = 0; i < p->n_workers; i++) {
		at = (p->next + i) % p->n_workers;
		if (__atomic_load_n(&p->worker[at].asleep, __ATOMIC_RELAXED)) {
			chosen = at;
			break;
		}
	}
	p->next = chosen + 1 < p->n_workers ? chosen + 1 : 0;
	return &p->worker[chosen];
}

/* Who fell asleep between the choice and the push has not seen it. */
static void wake_one(struct sz_pool *p, unsigned first)
{
	unsigned i;

	for (i = 0; i < p->n_workers; i++) {
		if (pool_wake(&p->worker[(first + i) % p->n_workers])) {
			p->wakes++;
			return;
		}
	}
}

static bool place(struct sz_pool *p, struct sz_work *w)
{
	struct pool_worker *first = choose(p);
	unsigned i;

	for (i = 0; i < p->n_workers; i++) {
		struct pool_worker *to = &p->worker[(first->index + i) % p->n_workers];

		if (!pool_queue_push(&to->queue[w->class], w))
			continue;
		wake_one(p, to->index);
		return true;
	}
	return false;
}

static void spill(struct sz_pool *p, struct sz_work *w)
{
	w->next = NULL;
	*p->spill[w->class].last = w;
	p->spill[w->class].last = &w->next;
	p->spill[w->class].n++;
}

/* There is room again: what is in the queues comes back through here, so this is never late. */
static void refill(struct sz_pool *p)
{
	struct sz_work *w, *next;
	int c;

	for (c = 0; c < SZ_WORK_CLASSES; c++) {
		while ((w = p->spill[c].first)) {
			next = w->next; /* once it is placed it is not ours */
			if (!place(p, w))
				break;
			p->spill[c].first = next;
			p->spill[c].n--;
		}
		if (!p->spill[c].first)
			p->spill[c].last = &p->spill[c].first;
	}
}

void sz_pool_submit(struct sz_pool *p, struct sz_work *w)
{
	w->queued_ns = sz_boot_ns();
	p->submitted[w->class]++;
	if (p->spill[w->class].first || !place(p, w))
		spill(p, w);
}

/* ---- taking back ----------------------------------------------------------------------------- */

static struct sz_work *take_finished(struct sz_pool *p)
{
	struct sz_work *list = __atomic_exchange_n(&p->finished, NULL, __ATOMIC_ACQUIRE);
	struct sz_work *oldest = NULL, *next;

	for (; list; list = next) {
		next = list->next;
		list->next = oldest;
		oldest = list;
	}
	return oldest;
}

/* In the loop: the oldest first. */
static void collect(void *arg)
{
	struct sz_pool *p = arg;
	struct sz_work *w = take_finished(p), *next;

	refill(p);
	for (; w; w = next) {
		next = w->next;
		p->back[w->class]++;
		sz_hist_add(&p->wait[w->class], w->began_ns - w->queued_ns);
		sz_hist_add(&p->run[w->class], w->ended_ns - w->began_ns);
		w->done(w);
	}
}

/* ---- life ------------------------------------------------------------------------------------ */

static int start_threads(struct sz_pool *p)
{
	sigset_t all, old;
	int r = 0;

	/* Signals are the loop's business: threads inherit a mask that blocks them all. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (!r && p->n_threads < p->n_workers) {
		struct pool_worker *w = &p->worker[p->n_threads];

		r = pthread_create(&w->thread, NULL, pool_work, w);
		p->n_threads += !r;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}

int sz_pool_new(struct sz_loop_ring *loop, const struct sz_pool_options *o, struct sz_pool **ret,
		struct sz_error *e)
{
	struct sz_pool *p;
	unsigned i;
	int r;

	if (o->workers < 1 || o->workers > SZ_WORKERS_MAX)
		return sz_error_set(e, -EINVAL, "%u worker threads: 1 to %d are possible",
				    o->workers, SZ_WORKERS_MAX);
	p = sz_calloc_aligned(1, sizeof(*p), POOL_LINE);
	p->n_workers = o->workers;
	p->worker = sz_calloc_aligned(p->n_workers, sizeof(*p->worker), POOL_LINE);
	p->target_ns = o->target_ns ? o->target_ns : SZ_POOL_TARGET_NS;
	for (i = 0; i < SZ_WORK_CLASSES; i++)
		p->spill[i].last = &p->spill[i].first;
	for (i = 0; i < p->n_workers; i++) {
		struct pool_worker *w = &p->worker[i];

		w->pool = p;
		w->index = i;
		w->limit = 1;
		w->last = &w->first;
	}
	p->wake = sz_net_wake_new(loop, collect, p);
	r = p->wake ? start_threads(p) : -EMFILE;
	if (r) {
		sz_error_set(e, r,
			     "cannot start %u worker threads: %s; check the limits of processes "
			     "and files (TasksMax=, LimitNOFILE=, ulimit -u -n) or set fewer "
			     "workers",
			     p->n_workers, strerror(-r));
		sz_pool_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

static void drop_list(struct sz_work *w)
{
	struct sz_work *next;

	for (; w; w = next) {
		next = w->next;
		w->drop(w);
	}
}

void sz_pool_free(struct sz_pool *p)
{
	struct sz_work *w;
	unsigned i, c;

	if (!p)
		return;
	__atomic_store_n(&p->stop, 1, __ATOMIC_SEQ_CST);
	for (i = 0; i < p->n_threads; i++)
		pool_wake(&p->worker[i]);
	for (i = 0; i < p->n_threads; i++)
		pthread_join(p->worker[i].thread, NULL);
	for (i = 0; i < p->n_workers; i++)
		for (c = 0; c < SZ_WORK_CLASSES; c++)
			while ((w = pool_queue_take(&p->worker[i].queue[c])))
				w->drop(w);
	for (c = 0; c < SZ_WORK_CLASSES; c++)
		drop_list(p->spill[c].first);
	drop_list(take_finished(p));
	free(p->worker);
	free(p);
}

/* ---- figures --------------------------------------------------------------------------------- */

void sz_pool_look(const struct sz_pool *p, struct sz_pool_stats *ret)
{
	unsigned i, c;

	*ret = (struct sz_pool_stats){.workers = p->n_workers, .wakes = p->wakes};
	for (c = 0; c < SZ_WORK_CLASSES; c++) {
		ret->class[c].submitted = p->submitted[c];
		ret->class[c].in_flight = p->submitted[c] - p->back[c];
		ret->class[c].waiting = p->spill[c].n;
		ret->class[c].wait = &p->wait[c];
		ret->class[c].run = &p->run[c];
	}
	for (i = 0; i < p->n_workers; i++) {
		const struct pool_worker *w = &p->worker[i];
		u64 limit = __atomic_load_n(&w->limit, __ATOMIC_RELAXED);

		for (c = 0; c < SZ_WORK_CLASSES; c++)
			ret->class[c].waiting += pool_queue_len(&w->queue[c]);
		ret->steals += __atomic_load_n(&w->steals, __ATOMIC_RELAXED);
		ret->batches += __atomic_load_n(&w->batches, __ATOMIC_RELAXED);
		ret->batched += __atomic_load_n(&w->batched, __ATOMIC_RELAXED);
		ret->limit = limit > ret->limit ? limit : ret->limit;
		ret->asleep += __atomic_load_n(&w->asleep, __ATOMIC_RELAXED);
		ret->busy_ns[i] = __atomic_load_n(&w->busy_ns, __ATOMIC_RELAXED);
	}
}

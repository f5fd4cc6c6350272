/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Worker threads for what costs CPU time: the verification of signatures. The loop submits jobs and
 * gets them back, decided, in the loop. A job belongs to exactly one side at a time.
 */
#include "gateway/gateway_priv.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

struct sz_pool {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct sz_job *todo, *todo_last; /* under lock */
	struct sz_job *finished;         /* under lock; newest first */
	bool stop;                       /* under lock */
	pthread_t *threads;
	unsigned n_threads;
	struct sz_net_wake *wake;
	void (*done)(struct sz_job *j, void *arg);
	void *arg;
};

static struct sz_job *next_job(struct sz_pool *p)
{
	struct sz_job *j;

	pthread_mutex_lock(&p->lock);
	while (!p->todo && !p->stop)
		pthread_cond_wait(&p->more, &p->lock);
	j = p->stop ? NULL : p->todo;
	if (j) {
		p->todo = j->next;
		if (!p->todo)
			p->todo_last = NULL;
	}
	pthread_mutex_unlock(&p->lock);
	return j;
}

static void *work(void *arg)
{
	struct sz_pool *p = arg;
	struct sz_job *j;

	while ((j = next_job(p))) {
		u64 began = sz_boot_ns();
		bool first;

		sz_verifier_decide(j->verifier, j->svc, j->token, j->len,
				   (s64)(sz_wall_ns() / 1000000000ull), j->revoked, j->revoked_arg,
				   &j->decision);
		j->verify_ns = sz_boot_ns() - began;
		pthread_mutex_lock(&p->lock);
		first = !p->finished;
		j->next = p->finished;
		p->finished = j;
		pthread_mutex_unlock(&p->lock);
		if (first)
			sz_net_wake(p->wake);
	}
	return NULL;
}

/* In the loop: hand back what has been decided, oldest first. */
static void collect(void *arg)
{
	struct sz_pool *p = arg;
	struct sz_job *list, *in_order = NULL, *j;

	pthread_mutex_lock(&p->lock);
	list = p->finished;
	p->finished = NULL;
	pthread_mutex_unlock(&p->lock);
	while ((j = list)) {
		list = j->next;
		j->next = in_order;
		in_order = j;
	}
	while ((j = in_order)) {
		in_order = j->next;
		p->done(j, p->arg);
	}
}

int sz_pool_new(struct sz_loop_ring *loop, unsigned workers,
		void (*done)(struct sz_job *j, void *arg), void *arg, struct sz_pool **ret,
		struct sz_error *e)
{
	struct sz_pool *p = sz_calloc(1, sizeof(*p));
	sigset_t all, old;
	unsigned i;
	int r;

	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	p->done = done;
	p->arg = arg;
	p->threads = sz_calloc(workers, sizeof(*p->threads));
	p->wake = sz_net_wake_new(loop, collect, p);
	/* Signals are the loop's business: threads inherit a mask that blocks them all. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (i = 0; i < workers; i++) {
		r = pthread_create(&p->threads[i], NULL, work, p);
		if (r)
			break;
		p->n_threads++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!p->n_threads) {
		sz_pool_free(p);
		return sz_error_set(e, -r,
				    "cannot start a worker thread: %s; check the process "
				    "limit (TasksMax=, ulimit -u)",
				    strerror(r));
	}
	*ret = p;
	return 0;
}

void sz_pool_submit(struct sz_pool *p, struct sz_job *j)
{
	pthread_mutex_lock(&p->lock);
	j->next = NULL;
	if (p->todo_last)
		p->todo_last->next = j;
	else
		p->todo = j;
	p->todo_last = j;
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
}

void sz_job_free(struct sz_job *j)
{
	sz_decision_done(&j->decision);
	sz_verifier_unref(j->verifier);
	free(j);
}

static void free_list(struct sz_job *j)
{
	while (j) {
		struct sz_job *next = j->next;

		sz_job_free(j);
		j = next;
	}
}

void sz_pool_free(struct sz_pool *p)
{
	unsigned i;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->more);
	pthread_mutex_unlock(&p->lock);
	for (i = 0; i < p->n_threads; i++)
		pthread_join(p->threads[i], NULL);
	free_list(p->todo);
	free_list(p->finished);
	pthread_cond_destroy(&p->more);
	pthread_mutex_destroy(&p->lock);
	free(p->threads);
	free(p);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A token's verification as work for the pool. Called by guard.c, which keeps the table of jobs and
 * everybody who waits for one.
 */
#include "gateway/gateway_priv.h"

static struct sz_job *job_of(struct sz_work *w)
{
	return (struct sz_job *)((char *)w - offsetof(struct sz_job, work));
}

/* In a worker. */
static void run(struct sz_work *w)
{
	struct sz_job *j = job_of(w);

	j->at = (struct sz_policy_moment){.now_ns = (s64)sz_wall_ns(), .source = j->flow.client};
	sz_question_decide(&j->question, j->verifier, j->svc, &j->at, false);
}

static void done(struct sz_work *w)
{
	struct sz_job *j = job_of(w);

	j->verify_ns = w->ended_ns - w->began_ns;
	j->began_ns = w->began_ns;
	j->ended_ns = w->ended_ns;
	sz_load_end(j->gateway, &j->working);
	sz_guard_on_job(j, j->gateway);
}

static void drop(struct sz_work *w)
{
	sz_job_free(job_of(w));
}

static struct sz_job *of_question(struct sz_question *q)
{
	return (struct sz_job *)((char *)q - offsetof(struct sz_job, question));
}

static void final(struct sz_question *q)
{
	sz_guard_on_job(of_question(q), q->gateway);
}

static void drop_question(struct sz_question *q)
{
	sz_job_free(of_question(q));
}

/* Under the snapshot in force where that has the service still; the guard sees to it otherwise. */
static void again(struct sz_question *q)
{
	struct sz_job *j = of_question(q);

	sz_job_renew(j);
	sz_decision_done(&j->decision);
	sz_job_submit(j);
}

bool sz_job_renew(struct sz_job *j)
{
	struct sz_gateway *g = j->gateway;
	const struct sz_conf_service *svc;

	if (j->verifier == g->verifier)
		return false;
	svc = sz_conf_service_by_id(g->conf, j->key.service);
	if (!svc)
		return false;
	/* What an issuer was asked is by its number, which may be another's now. */
	if (sz_verifier_conf(j->verifier) != g->conf)
		sz_question_forget(&j->question);
	sz_verifier_unref(j->verifier);
	j->verifier = sz_verifier_ref(g->verifier);
	j->svc = svc;
	return true;
}

void sz_job_submit(struct sz_job *j)
{
	struct sz_question *q = &j->question;

	q->gateway = j->gateway;
	q->decision = &j->decision;
	q->digest = &j->key.token;
	q->token = j->token;
	q->len = j->len;
	q->again = again;
	q->final = final;
	q->drop = drop_question;
	j->work.run = run;
	j->work.done = done;
	j->work.drop = drop;
	if (j->work.class != SZ_WORK_LATER) /* that makes way for what somebody waits for */
		sz_load_begin(j->gateway, &j->working);
	sz_pool_submit(j->gateway->pool, &j->work);
}

void sz_job_free(struct sz_job *j)
{
	sz_decision_done(&j->decision);
	sz_question_forget(&j->question);
	sz_verifier_unref(j->verifier);
	free(j);
}

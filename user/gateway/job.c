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

	s64 now = (s64)(sz_wall_ns() / 1000000000ull);

	if (j->answer.text) {
		struct sz_idp_answer a = {.text = j->answer.text, .len = j->answer.len,
					  .until_s = j->answer.until_s};

		sz_verifier_decide_answer(j->verifier, j->svc, j->answer.issuer, &a, j->token,
					  j->len, now, false, sz_revocations_check,
					  j->gateway, &j->decision);
		return;
	}
	sz_verifier_decide(j->verifier, j->svc, j->token, j->len, now, sz_revocations_check,
			   j->gateway, &j->decision);
}

static void done(struct sz_work *w)
{
	struct sz_job *j = job_of(w);

	j->verify_ns = w->ended_ns - w->began_ns;
	sz_guard_on_job(j, j->gateway);
}

static void drop(struct sz_work *w)
{
	sz_job_free(job_of(w));
}

void sz_job_submit(struct sz_job *j)
{
	j->work.run = run;
	j->work.done = done;
	j->work.drop = drop;
	sz_pool_submit(j->gateway->pool, &j->work);
}

void sz_job_free(struct sz_job *j)
{
	sz_decision_done(&j->decision);
	sz_job_forget_answer(j);
	sz_verifier_unref(j->verifier);
	free(j);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What traces are told of a connection that waits: when its question began, what took how long, and
 * how it ended. Called by guard.c and stream.c; costs nothing where traces are off.
 */
#include "gateway/gateway_priv.h"

#include <stdio.h>
#include <string.h>

void sz_traced_begin(struct sz_gateway *g, struct sz_pending *p, const char *head, size_t n)
{
	if (!g->trace || p->trace || p->svc->monitor)
		return;
	p->trace = sz_trace_begin(g->trace, head, n, p->started_ns);
	if (!p->trace)
		return;
	p->trace->flow = p->key;
	snprintf(p->trace->service, sizeof(p->trace->service), "%s", p->svc->name);
}

void sz_traced_token(struct sz_pending *p, const struct sz_decision *d, u64 began, u64 ended)
{
	struct sz_trace_request *t = p->trace;

	if (!t)
		return;
	t->step[SZ_TRACE_VERIFY].began_ns = began;
	t->step[SZ_TRACE_VERIFY].ended_ns = ended - d->policy_ns;
	if (d->policy_ns) {
		t->step[SZ_TRACE_POLICY].began_ns = ended - d->policy_ns;
		t->step[SZ_TRACE_POLICY].ended_ns = ended;
	}
	if (d->reason == SZ_R_NONE && d->token.issuer)
		snprintf(t->issuer, sizeof(t->issuer), "%s", d->token.issuer);
}

void sz_traced_question(struct sz_pending *p, const struct sz_question *q)
{
	if (!p->trace || !q->asked_ns || q->answered_ns < q->asked_ns)
		return;
	p->trace->step[SZ_TRACE_INTROSPECT].began_ns = q->asked_ns;
	p->trace->step[SZ_TRACE_INTROSPECT].ended_ns = q->answered_ns;
}

void sz_traced_job(struct sz_pending *p, const struct sz_job *j)
{
	const struct sz_decision *d = &j->decision;

	if (!p->trace)
		return;
	sz_traced_token(p, d, j->began_ns, j->ended_ns);
	sz_traced_question(p, &j->question);
	if (p->state == SZ_PENDING_TOKEN)
		sz_traced_verdict(p, d->reason, d->reason == SZ_R_NONE, NULL);
}

void sz_traced_verdict(struct sz_pending *p, u32 reason, bool allowed, const char *route)
{
	struct sz_trace_request *t = p->trace;

	if (!t)
		return;
	t->decided = true;
	t->allowed = allowed;
	t->reason = reason;
	if (route)
		snprintf(t->route, sizeof(t->route), "%s", route);
}

void sz_traced_inject(struct sz_pending *p, u64 began)
{
	if (!p->trace || !p->trace->decided)
		return;
	p->trace->step[SZ_TRACE_REINJECT].began_ns = began;
	p->trace->step[SZ_TRACE_REINJECT].ended_ns = sz_boot_ns();
}

void sz_traced_end(struct sz_gateway *g, struct sz_pending *p)
{
	struct sz_trace_request *t = p->trace;

	p->trace = NULL;
	if (t && g->trace)
		sz_trace_end(g->trace, t, sz_boot_ns());
}

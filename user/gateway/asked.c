/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What other programs ask the running daemon for: revocations, and whether an event is genuine. A
 * revocation walks over all grants, so a worker does it.
 */
#include "gateway/gateway_priv.h"

#include <stdio.h>
#include <string.h>

#include "revoke/revoke.h"

struct asked {
	struct sz_work work;
	struct sz_gateway *g;
	struct sz_revoke_item *items;
	size_t n;
	struct sz_revoke_result result;
	struct sz_error e;
	int res;
	bool waited; /* for the disk */
	char who[64], what[64];
	void (*done)(int res, const struct sz_error *e, void *arg);
	void *arg;
};

static struct asked *asked_of(struct sz_work *w)
{
	return (struct asked *)((char *)w - offsetof(struct asked, work));
}

/* In a worker. */
static void run(struct sz_work *w)
{
	struct asked *a = asked_of(w);

	a->res = sz_revoke_apply(a->g->kern, a->items, a->n, &a->result, &a->e);
}

static void drop(struct sz_work *w)
{
	struct asked *a = asked_of(w);

	while (a->n)
		sz_revoke_item_done(&a->items[--a->n]);
	free(a->items);
	free(a);
}

static void done(struct sz_work *w)
{
	struct asked *a = asked_of(w);
	char detail[768];

	/* On disk before anybody is told: a crash must not bring the token back. */
	if (!a->waited) {
		a->waited = true;
		sz_revocations_wait(a->g, w);
		return;
	}
	if (!a->res)
		a->res = sz_revocations_failed(a->g, &a->e);
	snprintf(detail, sizeof(detail), "revoked by %s (%s): %llu names, %llu grants%s%s", a->what,
		 a->who, (unsigned long long)a->result.names, (unsigned long long)a->result.grants,
		 a->res ? "; " : "", a->res ? a->e.msg : "");
	sz_gateway_record(a->g, SZ_AUDIT_ADMIN, detail);
	a->done(a->res, &a->e, a->arg);
	drop(w);
}

void sz_gateway_revoke(struct sz_gateway *g, struct sz_revoke_item *items, size_t n,
		       const char *who, const char *what,
		       void (*fn)(int res, const struct sz_error *e, void *arg), void *arg)
{
	struct asked *a = sz_calloc(1, sizeof(*a));

	a->g = g;
	a->items = items;
	a->n = n;
	a->done = fn;
	a->arg = arg;
	snprintf(a->who, sizeof(a->who), "%s", who);
	snprintf(a->what, sizeof(a->what), "%s", what);
	a->work = (struct sz_work){.run = run, .done = done, .drop = drop, .class = SZ_WORK_URGENT};
	sz_pool_submit(g->pool, &a->work);
}

json_t *sz_gateway_event(struct sz_gateway *g, const char *jws, size_t n, const char **ret_code,
			 struct sz_error *e)
{
	return sz_verifier_event(g->verifier, jws, n, (s64)(sz_wall_ns() / 1000000000ull), ret_code,
				 e);
}

int sz_gateway_apikeys(struct sz_gateway *g, struct sz_error *e)
{
	struct sz_verifier *v;
	char detail[64];
	int err = sz_verifier_with_apikeys(g->verifier, &v, e);

	if (err)
		return err;
	sz_gateway_use(g, v);
	snprintf(detail, sizeof(detail), "API keys: %zu in the store", sz_verifier_apikeys(v));
	sz_gateway_record(g, SZ_AUDIT_ADMIN, detail);
	return 0;
}

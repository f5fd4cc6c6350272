/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Relationships that routes ask for: the policy's questions to the store that it names, and the
 * store's writes to the kernel, which forgets what it knows by relationships. In the loop's thread.
 */
#include "gateway/gateway_priv.h"

#include <string.h>

#include "store/store.h"

#define STEPS 200000u /* tuples and relations of one question; some 50 ms */

int sz_relations_ask(void *gateway, const struct sz_policy_question *q, bool *ret,
		     struct sz_error *e)
{
	struct sz_gateway *g = gateway;
	struct sz_rebac_request req = {.context = q->context};
	const char *name = g->conf->policy.store;
	struct sz_store *store = g->stores && name ? sz_store_get_named(g->stores, name) : NULL;
	struct sz_rebac_error why = {0};
	struct sz_store_view view;
	int r;

	if (!store)
		return sz_error_set(e, -ENOENT, "there is no store \"%.64s\"", name ? name : "");
	if (!g->relation_work)
		g->relation_work = sz_rebac_work_new(STEPS);
	r = sz_store_begin(store, NULL, SZ_STORE_SHORT, &view);
	if (r) {
		sz_error_set(e, r, "the store \"%.64s\" has no model", name);
	} else {
		r = sz_rebac_check(view.graph, g->relation_work, &req, q->user, q->relation,
				   q->object, ret, &why);
		if (r)
			sz_error_set(e, r, "%s", why.msg);
		sz_store_end(&view);
	}
	sz_store_put(store);
	return r;
}

/* Before the writer is told: from here on no answer from before the write is used. */
static void on_write(struct sz_store *s, void *arg)
{
	struct sz_gateway *g = arg;
	const char *name = g->conf->policy.store;

	if (name && !strcmp(sz_store_info(s)->name, name))
		__atomic_add_fetch(&g->cfg->rel_gen, 1, __ATOMIC_SEQ_CST);
}

void sz_relations_open(struct sz_gateway *g)
{
	/* What was remembered under another daemon may rest on what was written since. */
	__atomic_add_fetch(&g->cfg->rel_gen, 1, __ATOMIC_SEQ_CST);
	if (g->stores)
		sz_stores_on_write(g->stores, on_write, g);
}

void sz_relations_free(struct sz_gateway *g)
{
	sz_rebac_work_free(g->relation_work);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * OpenFGA's HTTP API (openfga.dev/api) on the local API: stores, models, tuples, questions. Called
 * by the daemon at start. Nothing is computed in the loop: questions go to a pool of threads, all
 * that writes goes to one thread of its own, in the order it came. Scopes: rebac:read, rebac:write.
 */
#ifndef SZ_FGA_FGA_H
#define SZ_FGA_FGA_H

#include "api/api.h"
#include "store/store.h"

struct sz_fga;

struct sz_fga_options {
	unsigned workers;  /* threads for questions */
	u32 deadline_ms;   /* of one question; 0 = 1000 */
};

/* Registers the paths. `stores` stays open longer than what is returned. */
int sz_fga_new(struct sz_api *api, struct sz_loop_ring *loop, struct sz_stores *stores,
	       const struct sz_fga_options *o, struct sz_fga **ret, struct sz_error *e);
/* Ends the threads; who waits gets 503. Before the loop is freed. NULL is fine. */
void sz_fga_free(struct sz_fga *f);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The metrics endpoint: GET /metrics over TCP, in Prometheus' text format or OpenMetrics. Called by
 * the daemon at start. Runs in the event loop, without threads, and must never make it wait.
 */
#ifndef SZ_METRICS_METRICS_H
#define SZ_METRICS_METRICS_H

#include "gateway/gateway.h"
#include "web/web.h"

struct sz_metrics;

/* Listens where the gateway's configuration says; *ret is NULL and 0 returned where it says
 * nothing. Free it after the loop. */
int sz_metrics_listen(struct sz_loop_ring *loop, struct sz_gateway *g, struct sz_metrics **ret,
		      struct sz_error *e);
void sz_metrics_free(struct sz_metrics *m); /* NULL is fine */

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The control socket's commands: one JSON object a line, answered by one. Only root and the
 * daemon's own user are answered. Commands: status, reload, flush, record, change_key, and api,
 * which asks what the local API offers.
 */
#ifndef SZ_CONTROL_CONTROL_H
#define SZ_CONTROL_CONTROL_H

#include "api/api.h"
#include "gateway/gateway.h"
#include "net/net.h"

/* Listens on the gateway's configured path. */
struct sz_control;
/* *ret is freed after the loop. */
int sz_control_listen(struct sz_loop_ring *loop, struct sz_gateway *g, struct sz_api *api,
		      struct sz_control **ret, struct sz_error *e);
void sz_control_free(struct sz_control *c); /* NULL is fine */

#endif

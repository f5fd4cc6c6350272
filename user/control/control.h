/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The control socket's commands: one JSON object a line, answered by one. Only root and the
 * daemon's own user are answered. Commands: status, reload, flush, record.
 */
#ifndef SZ_CONTROL_CONTROL_H
#define SZ_CONTROL_CONTROL_H

#include "gateway/gateway.h"
#include "net/net.h"

/* Listens on the gateway's configured path. */
int sz_control_listen(struct sz_loop_ring *loop, struct sz_gateway *g, struct sz_error *e);

#endif

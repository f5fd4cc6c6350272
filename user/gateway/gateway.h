/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The gateway: what the daemon does between a held frame and its verdict. Publishes the
 * configuration to the maps, verifies tokens on worker threads, writes grants and tickets, puts
 * frames back in order, and writes the audit log. Everything but the workers' verification runs in
 * the event loop's thread.
 */
#ifndef SZ_GATEWAY_GATEWAY_H
#define SZ_GATEWAY_GATEWAY_H

#include <jansson.h>

#include "audit/audit.h"
#include "core/core.h"
#include "net/net.h"

struct sz_gateway;

/*
 * Loads configuration and keys, opens or creates the maps, attaches to the interfaces, opens the
 * audit log, starts the workers and hooks everything into the loop. Also on error *ret is set: the
 * loop may hold writes of it, so it is freed only after the loop.
 */
int sz_gateway_new(const char *conf_path, struct sz_loop_ring *loop, struct sz_gateway **ret,
		   struct sz_error *e);
/* Frees what sz_gateway_stop has quiesced. Leaves enforcement pinned. NULL is fine. */
void sz_gateway_free(struct sz_gateway *g);

/* New snapshot from the same file; on error the old one goes on. Both outcomes are audited. */
int sz_gateway_reload(struct sz_gateway *g, struct sz_error *e);

/* Writes the last summary and records, then stops the loop. `detach` also removes the programs. */
void sz_gateway_stop(struct sz_gateway *g, bool detach);

/* Writes a summary now; `done` gets 0 once it is on disk, or -errno. */
void sz_gateway_flush(struct sz_gateway *g, void (*done)(int res, void *arg), void *arg);

/* An administrator's act, for the audit log. */
void sz_gateway_record(struct sz_gateway *g, enum sz_audit_type type, const char *detail);

/* The daemon's state as JSON (a new reference): see docs/operations.md. */
json_t *sz_gateway_status(const struct sz_gateway *g);

const char *sz_gateway_control_path(const struct sz_gateway *g);

#endif

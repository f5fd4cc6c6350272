/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Revocations that come over the local API: token revocation (RFC 7009) and security events pushed
 * by an issuer (RFC 8935, 8417; CAEP and RISC of the Shared Signals Framework). Handlers only: what
 * they ask for is done by the gateway. docs/tokens.md has the shapes.
 */
#ifndef SZ_SIGNALS_SIGNALS_H
#define SZ_SIGNALS_SIGNALS_H

#include <jansson.h>

#include "api/api.h"
#include "gateway/gateway.h"
#include "revoke/revoke.h"

struct sz_signals;

/*
 * POST /oauth/revoke, scope "revoke"; POST /events, scope "events". Free it behind the api; the
 * gateway outlives it.
 */
struct sz_signals *sz_signals_new(struct sz_api *api, struct sz_gateway *g);
void sz_signals_free(struct sz_signals *s); /* NULL is fine */

/*
 * What a verified security event token asks for: items on the heap, each to be done. 0 items where
 * it only tells something. -EINVAL where a subject or a time cannot be understood. Pure.
 */
int sz_signals_items(const json_t *claims, s64 now, struct sz_revoke_item **ret, size_t *ret_n,
		     struct sz_error *e);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rate limits changed while the daemon runs: the room limits does it, and it goes on record here.
 * Called for the control socket.
 */
#include "gateway/gateway_priv.h"

#include <stdio.h>

json_t *sz_gateway_limits(struct sz_gateway *g)
{
	return sz_limits_json_all(g->kern);
}

int sz_gateway_limit_set(struct sz_gateway *g, const char *name, const struct sz_limit_change *c,
			 struct sz_error *e)
{
	struct sz_limit_row row;
	char detail[256], rate[32];
	int r = sz_limits_set(g->kern, name, c, e);

	if (r)
		return r;
	r = sz_limits_find(g->kern, name, &row, e);
	if (r)
		return r;
	snprintf(detail, sizeof(detail), "limit %s set to %s, burst %llu%s", row.limit.name,
		 sz_limits_rate(row.limit.interval_ns, rate),
		 row.limit.interval_ns ? row.limit.burst_ns / row.limit.interval_ns : 0,
		 row.limit.flags & SZ_LIMIT_DRY ? ", dry run" : "");
	sz_gateway_record(g, SZ_AUDIT_ADMIN, detail);
	return 0;
}

int sz_gateway_limit_reset(struct sz_gateway *g, const char *name,
			   const struct sz_limit_subject *s, struct sz_error *e)
{
	char detail[256];
	int n = sz_limits_reset(g->kern, name, s, e);

	if (n < 0)
		return n;
	snprintf(detail, sizeof(detail), "limit %.127s reset%s: %d buckets", name,
		 s ? " for one subject" : "", n);
	sz_gateway_record(g, SZ_AUDIT_ADMIN, detail);
	return n;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * counters: what became of the packets. Read from the maps that the ingress program writes.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

static const struct sz_ctl_column counter_columns[] = {
	{"reason", "REASON", 0},
	{"count", "COUNT", SZ_CTL_RIGHT},
	{"lost_events", "UNLOGGED", SZ_CTL_RIGHT},
	{"status", "HTTP", SZ_CTL_RIGHT},
	{"text", "MEANING", SZ_CTL_SHRINK},
};

int sz_ctl_cmd_counters(struct sz_ctl *c)
{
	u64 count[SZ_REASON_MAX], lost[SZ_REASON_MAX];
	bool all = sz_ctl_has(&c->args, "all");
	struct sz_ctl_table t;
	struct sz_error e;
	int err;
	u32 r;

	if (sz_ctl_open(c, &e))
		return sz_ctl_fail("%s", e.msg);
	err = sz_kern_counters(c->kern, SZ_MAP_COUNTERS, count);
	if (!err)
		err = sz_kern_counters(c->kern, SZ_MAP_LOST, lost);
	if (err)
		return sz_ctl_fail("cannot read the counters: %s", strerror(-err));
	sz_ctl_table_init(&t, counter_columns, SZ_ARRAY_LEN(counter_columns));
	for (r = 1; r < SZ_REASON_MAX; r++) {
		int http = sz_reason_http(r);
		bool known = strcmp(sz_reason_label(r), "unknown") != 0;

		if (!count[r] && !lost[r] && !(all && known))
			continue;
		sz_ctl_cell_text(&t, sz_reason_label(r));
		sz_ctl_cell_u64(&t, count[r]);
		sz_ctl_cell_u64(&t, lost[r]);
		sz_ctl_cell(&t, http ? json_integer(http) : NULL, http ? "%d" : "-", http);
		sz_ctl_cell_text(&t, sz_reason_text(r));
	}
	return sz_ctl_print(c, &t, "nothing was counted yet");
}

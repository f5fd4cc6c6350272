/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * counters and sources: what became of the packets, and who sent most of them. Read from the maps
 * that the ingress program writes.
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

/* ---- sources -------------------------------------------------------------------------------- */

struct source_row {
	struct sz_addr addr;
	struct sz_source src;
};

static int by_requests(const void *a, const void *b)
{
	const struct source_row *x = a, *y = b;

	return x->src.requests > y->src.requests ? -1 : x->src.requests < y->src.requests;
}

static int by_denials(const void *a, const void *b)
{
	const struct source_row *x = a, *y = b;

	return x->src.denials > y->src.denials ? -1 : x->src.denials < y->src.denials;
}

static int by_syns(const void *a, const void *b)
{
	const struct source_row *x = a, *y = b;

	return x->src.syns > y->src.syns ? -1 : x->src.syns < y->src.syns;
}

static const struct {
	const char *name;
	int (*compare)(const void *a, const void *b);
} orders[] = {
	{"requests", by_requests},
	{"denials", by_denials},
	{"syns", by_syns},
};

static const struct sz_ctl_column source_columns[] = {
	{"source", "SOURCE", 0},
	{"requests", "REQUESTS", SZ_CTL_RIGHT},
	{"denials", "DENIALS", SZ_CTL_RIGHT},
	{"syns", "CONNECTIONS", SZ_CTL_RIGHT},
	{"seen_age_ms", "SEEN", SZ_CTL_RIGHT},
	{"last_denial", "LAST DENIAL", 0},
};

static void add_source(struct sz_ctl_table *t, const struct source_row *r, u64 now)
{
	char s[SZ_CTL_TEXT_MAX];

	sz_ctl_cell_text(t, sz_ctl_source(&r->addr, s));
	sz_ctl_cell_u64(t, r->src.requests);
	sz_ctl_cell_u64(t, r->src.denials);
	sz_ctl_cell_u64(t, r->src.syns);
	sz_ctl_cell_age(t, r->src.seen_ns, now);
	if (r->src.last_reason)
		sz_ctl_cell_text(t, sz_reason_label(r->src.last_reason));
	else
		sz_ctl_cell(t, NULL, "-");
}

int sz_ctl_cmd_sources(struct sz_ctl *c)
{
	const char *sort = sz_ctl_value(&c->args, "sort");
	struct sz_ctl_rows rows;
	struct sz_ctl_table t;
	struct sz_error e;
	size_t order = 0;
	u64 limit, i;

	for (; sort && order < SZ_ARRAY_LEN(orders) && strcmp(sort, orders[order].name); order++)
		;
	if (order == SZ_ARRAY_LEN(orders))
		return sz_ctl_usage("--sort '%s' is not requests, denials or syns", sort);
	if (sz_ctl_limit(c, 20, &limit))
		return SZ_CTL_USAGE;
	if (sz_ctl_read(c, SZ_MAP_SOURCES, sizeof(struct sz_addr), sizeof(struct sz_source), &rows,
			&e))
		return sz_ctl_fail("%s", e.msg);
	if (rows.n)
		qsort(rows.data, rows.n, rows.size, orders[order].compare);
	sz_ctl_table_init(&t, source_columns, SZ_ARRAY_LEN(source_columns));
	for (i = 0; i < rows.n && i < limit; i++)
		add_source(&t, (const struct source_row *)rows.data + i, sz_boot_ns());
	free(rows.data);
	return sz_ctl_print(c, &t, "nobody has sent anything to a protected service yet");
}

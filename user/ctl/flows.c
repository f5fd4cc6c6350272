/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * flows: the TCP connections the kernel knows, newest activity first; with --half those on which no
 * request was admitted yet.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

struct flow_row {
	struct sz_flow_key key;
	struct sz_flow flow;
};

static int by_seen(const void *a, const void *b)
{
	const struct flow_row *x = a, *y = b;

	return x->flow.seen_ns > y->flow.seen_ns ? -1 : x->flow.seen_ns < y->flow.seen_ns;
}

static const struct sz_ctl_column columns[] = {
	{"client", "CLIENT", 0},
	{"server", "SERVER", 0},
	{"service", "SERVICE", SZ_CTL_SHRINK},
	{"state", "STATE", 0},
	{"requests", "REQUESTS", SZ_CTL_RIGHT},
	{"seen_age_ms", "SEEN", SZ_CTL_RIGHT},
	{"principal", "PRINCIPAL", SZ_CTL_SHRINK},
	{"principal_id", NULL, 0},
};

static void add_endpoint(struct sz_ctl_table *t, const struct sz_addr *a, u16 port)
{
	char addr[SZ_ADDR_STRLEN], s[SZ_ADDR_STRLEN + 16];

	sz_addr_format(a, addr);
	snprintf(s, sizeof(s), strchr(addr, ':') ? "[%s]:%u" : "%s:%u", addr, ntohs(port));
	sz_ctl_cell_text(t, s);
}

static const char *state(const struct sz_flow *f)
{
	if (f->flags & SZ_FLOW_DEAD)
		return "answered";
	if (f->flags & SZ_FLOW_LOST)
		return "unread"; /* monitor mode only: passes unseen */
	if (f->flags & SZ_FLOW_STREAM)
		return "stream";
	if (f->flags & SZ_FLOW_ASKED)
		return "asked";
	return f->requests ? "open" : "half";
}

static void add_flow(struct sz_ctl *c, struct sz_ctl_table *t, const struct flow_row *r, u64 now)
{
	char s[SZ_NAME_MAX];

	add_endpoint(t, &r->key.client, r->key.client_port);
	add_endpoint(t, &r->key.server, r->key.server_port);
	sz_ctl_cell_text(t, sz_ctl_service_name(c, r->flow.service, s));
	sz_ctl_cell_text(t, state(&r->flow));
	sz_ctl_cell_u64(t, r->flow.requests);
	sz_ctl_cell_age(t, r->flow.seen_ns, now);
	if (!r->flow.principal) {
		sz_ctl_cell(t, NULL, "-");
		sz_ctl_cell(t, NULL, "-");
		return;
	}
	sz_ctl_cell_text(t, sz_ctl_principal_name(c, r->flow.principal, s));
	sz_ctl_cell_text(t, sz_ctl_principal_hex(r->flow.principal, s));
}

int sz_ctl_cmd_flows(struct sz_ctl *c)
{
	enum sz_map m = sz_ctl_has(&c->args, "half") ? SZ_MAP_HALF : SZ_MAP_FLOWS;
	struct sz_ctl_rows rows;
	struct sz_ctl_table t;
	struct sz_error e;
	u64 limit, i, now;

	if (sz_ctl_limit(c, 50, &limit))
		return SZ_CTL_USAGE;
	if (sz_ctl_read(c, m, sizeof(struct sz_flow_key), sizeof(struct sz_flow), &rows, &e))
		return sz_ctl_fail("%s", e.msg);
	if (rows.n)
		qsort(rows.data, rows.n, rows.size, by_seen);
	now = sz_boot_ns();
	sz_ctl_table_init(&t, columns, SZ_ARRAY_LEN(columns));
	for (i = 0; i < rows.n && i < limit; i++)
		add_flow(c, &t, (const struct flow_row *)rows.data + i, now);
	i = rows.n > limit ? rows.n - limit : 0;
	free(rows.data);
	if (i && !c->json)
		sz_ctl_note("%llu more; -n 0 shows all", (unsigned long long)i);
	return sz_ctl_print(c, &t, "no connections");
}

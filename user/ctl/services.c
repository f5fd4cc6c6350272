/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * services and routes: what is protected and by which rules, as the kernel has it. A route's path
 * is that of its shortest node: longer nodes only repeat what holds below it.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "limits/limits.h"

struct service_row {
	struct sz_service_key key;
	struct sz_service svc;
};

struct route_row {
	struct sz_route_key key;
	struct sz_route_node node;
};

static int compare_services(const void *a, const void *b)
{
	const struct service_row *x = a, *y = b;

	if (x->svc.id != y->svc.id)
		return x->svc.id < y->svc.id ? -1 : 1;
	/* What stands for an address without a port says nothing about the service: last. */
	if (!x->key.port != !y->key.port)
		return x->key.port ? -1 : 1;
	return memcmp(&x->key, &y->key, sizeof(x->key));
}

static void format_endpoint(const struct sz_service_key *k, struct sz_buf *b)
{
	static const struct sz_addr any;
	char addr[SZ_ADDR_STRLEN];

	if (!memcmp(&k->addr, &any, sizeof(any)))
		strcpy(addr, "*");
	else
		sz_addr_format(&k->addr, addr);
	sz_buf_printf(b, strchr(addr, ':') ? "[%s]:%u" : "%s:%u", addr, ntohs(k->port));
}

/* ---- routes --------------------------------------------------------------------------------- */

struct route {
	u32 service;
	u16 id, flags, methods; /* methods: mask of 1 << enum sz_method */
	u32 len;                /* of the path and what follows it */
	u8 path[SZ_PATH_MAX];
};

static void take_route(struct route *r, const struct route_row *row, u16 id)
{
	u32 m;

	*r = (struct route){.service = row->key.service, .id = id};
	r->len = (row->key.prefixlen - 32) / 8;
	if (r->len > SZ_PATH_MAX)
		r->len = SZ_PATH_MAX;
	memcpy(r->path, row->key.path, r->len);
	for (m = 0; m < SZ_METHOD_COUNT; m++) {
		if (row->node.route[m] != id)
			continue;
		r->methods |= (u16)(1u << m);
		r->flags = row->node.flags[m];
	}
}

/* "/a" and its twin "/a/" are equally long; the first says how the route was written. */
static bool is_shorter(const struct route *a, const struct route *b)
{
	if (a->len != b->len)
		return a->len < b->len;
	return !a->path[a->len - 1] && b->path[b->len - 1];
}

static int compare_routes(const void *a, const void *b)
{
	const struct route *x = a, *y = b;

	if (x->service != y->service)
		return x->service < y->service ? -1 : 1;
	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return is_shorter(x, y) ? -1 : is_shorter(y, x);
}

/* Every route of the map, or of one service; heap array. */
static int read_routes(struct sz_ctl *c, u32 service, struct route **ret, size_t *ret_n,
		       struct sz_error *e)
{
	struct sz_ctl_rows rows;
	struct route *list;
	size_t n = 0, kept = 0, i;
	u32 m;
	int err = sz_ctl_read(c, SZ_MAP_ROUTES, sizeof(struct sz_route_key),
			      sizeof(struct sz_route_node), &rows, e);

	if (err)
		return err;
	list = sz_calloc(rows.n * SZ_METHOD_COUNT + 1, sizeof(*list));
	for (i = 0; i < rows.n; i++) {
		struct route_row row;

		memcpy(&row, rows.data + i * rows.size, sizeof(row));
		if ((service && row.key.service != service) || row.key.prefixlen < 40)
			continue;
		for (m = 0; m < SZ_METHOD_COUNT; m++)
			if (row.node.route[m] != SZ_ROUTE_NONE)
				take_route(&list[n++], &row, row.node.route[m]);
	}
	free(rows.data);
	qsort(list, n, sizeof(*list), compare_routes);
	for (i = 0; i < n; i++)
		if (!kept || list[kept - 1].service != list[i].service ||
		    list[kept - 1].id != list[i].id)
			list[kept++] = list[i];
	*ret = list;
	*ret_n = kept;
	return 0;
}

static const struct sz_ctl_column route_columns[] = {
	{"service", "SERVICE", 0},
	{"id", "ID", SZ_CTL_RIGHT},
	{"name", "ROUTE", SZ_CTL_SHRINK},
	{"methods", "METHODS", SZ_CTL_SHRINK},
	{"path", "PATH", SZ_CTL_SHRINK},
	{"public", NULL, 0},
	{"each", NULL, 0},
	{NULL, "DECIDED", 0},
};

static void add_methods(struct sz_ctl_table *t, u32 mask)
{
	json_t *list = json_array();
	struct sz_buf b = {0};
	u32 m;

	for (m = 0; m < SZ_METHOD_COUNT; m++) {
		if (!(mask & 1u << m))
			continue;
		sz_buf_printf(&b, "%s%s", b.len ? "," : "", sz_method_name(m));
		json_array_append_new(list, json_string(sz_method_name(m)));
	}
	sz_ctl_cell(t, list, "%s", mask == (1u << SZ_METHOD_COUNT) - 1 ? "any" : b.data);
	sz_buf_done(&b);
}

static void add_route(struct sz_ctl *c, struct sz_ctl_table *t, const struct route *r)
{
	bool public = r->flags & SZ_RT_PUBLIC, each = r->flags & SZ_RT_ASK;
	u32 len = r->path[r->len - 1] ? r->len : r->len - 1;
	char s[SZ_NAME_MAX], path[SZ_PATH_MAX + 1];

	memcpy(path, r->path, len);
	path[len] = 0;
	sz_ctl_cell_text(t, sz_ctl_service_name(c, r->service, s));
	sz_ctl_cell_u64(t, r->id);
	sz_ctl_cell_text(t, sz_ctl_route_name(c, r->service, r->id, s));
	add_methods(t, r->methods);
	sz_ctl_cell_text(t, path);
	sz_ctl_cell(t, json_boolean(public), "%s", "");
	sz_ctl_cell(t, json_boolean(each), "%s", "");
	sz_ctl_cell(t, NULL, "%s",
		    each     ? public ? "public, by the daemon" : "by the daemon"
		    : public ? "public"
			     : "by token");
}

int sz_ctl_cmd_routes(struct sz_ctl *c)
{
	struct sz_ctl_table t;
	struct route *list;
	struct sz_error e;
	u32 service = 0;
	size_t n, i;

	if (sz_ctl_open(c, &e))
		return sz_ctl_fail("%s", e.msg);
	if (c->args.n_words) {
		service = sz_ctl_service_find(c, c->args.word[0]);
		if (!service)
			return sz_ctl_fail("no service is called '%s'; see 'subzeroctl services'",
					   c->args.word[0]);
	}
	if (read_routes(c, service, &list, &n, &e))
		return sz_ctl_fail("%s", e.msg);
	sz_ctl_table_init(&t, route_columns, SZ_ARRAY_LEN(route_columns));
	for (i = 0; i < n; i++)
		add_route(c, &t, &list[i]);
	free(list);
	return sz_ctl_print(c, &t, "there are no routes: every request is refused");
}

/* ---- services ------------------------------------------------------------------------------- */

static const struct sz_ctl_column service_columns[] = {
	{"id", "ID", SZ_CTL_RIGHT},
	{"name", "SERVICE", SZ_CTL_SHRINK},
	{"endpoints", "ADDRESS", SZ_CTL_SHRINK},
	{"mode", "MODE", 0},
	{"routes", "ROUTES", SZ_CTL_RIGHT},
	{"source_limit", "PER SOURCE", 0},
	{"principal_limit", "PER PRINCIPAL", 0},
	{"connection_limit", "CONNECTIONS", 0},
	{"syn_cookies", "COOKIES", 0},
	{"audit_requests", NULL, 0},
};

/* The limit `key` of the service, as it stands now. */
static void add_rate(struct sz_ctl *c, struct sz_ctl_table *t, const char *service,
		     const char *key)
{
	char s[SZ_CTL_TEXT_MAX], name[SZ_LIMIT_NAME_MAX];
	struct sz_limit_row row = {0};
	u64 interval_ns, burst_ns;
	struct sz_error e;
	json_t *v = NULL;

	snprintf(name, sizeof(name), "%.63s/%s", service, key);
	sz_limits_find(c->kern, name, &row, &e);
	interval_ns = row.limit.interval_ns;
	burst_ns = row.limit.burst_ns;
	if (interval_ns)
		v = json_pack("{s:f, s:I}", "per_second", 1e9 / (double)interval_ns, "burst",
			      (json_int_t)((burst_ns + interval_ns / 2) / interval_ns));
	sz_ctl_cell(t, v, "%s", sz_ctl_rate(interval_ns, burst_ns, s));
}

static u64 count_routes(const struct route *list, size_t n, u32 service)
{
	u64 found = 0;
	size_t i;

	for (i = 0; i < n; i++)
		found += list[i].service == service;
	return found;
}

/*
 * When SYNs are answered with cookies, and whether they are now. A server that only another
 * machine's SYN-ACKs speak for cannot have them.
 */
static void add_cookies(struct sz_ctl *c, struct sz_ctl_table *t, const struct service_row *rows,
			size_t n)
{
	u32 flags = rows->svc.flags;
	u64 now = sz_boot_ns(), sent = 0, good = 0, bad = 0;
	bool routed = false, pressed = false;
	const char *mode = flags & SZ_SVC_COOKIES_ALWAYS ? "always"
			   : flags & SZ_SVC_COOKIES_AUTO ? "auto"
							 : "off";
	struct sz_syn syn;

	for (size_t i = 0; i < n; i++) {
		if (sz_map_get(c->kern, SZ_MAP_SYN, &rows[i].key, &syn))
			continue;
		sent += syn.sent;
		good += syn.good;
		bad += syn.bad;
		routed |= syn.routed_ns > syn.local_ns;
		pressed |= syn.pressure_ns > now;
	}
	sz_ctl_cell(t,
		    json_pack("{s:s, s:b, s:b, s:I, s:I, s:I}", "mode", mode, "pressure", pressed,
			      "behind", routed, "sent", (json_int_t)sent, "returned",
			      (json_int_t)good, "dropped", (json_int_t)bad),
		    "%s%s", mode,
		    flags & (SZ_SVC_COOKIES_ALWAYS | SZ_SVC_COOKIES_AUTO)
			    ? routed ? ", not local" : pressed ? ", on" : ""
			    : "");
	sz_ctl_cell_colour(t, pressed ? SZ_CTL_YELLOW : SZ_CTL_PLAIN);
}

/* One row for the endpoints rows[0..n) of a service. */
static void add_service(struct sz_ctl *c, struct sz_ctl_table *t, const struct service_row *rows,
			size_t n, u64 routes)
{
	const struct sz_service *svc = &rows->svc;
	bool monitor = svc->flags & SZ_SVC_MONITOR;
	json_t *endpoints = json_array();
	struct sz_buf b = {0};
	char s[SZ_NAME_MAX];
	size_t i;

	for (i = 0; i < n; i++) {
		size_t start;

		if (!rows[i].key.port)
			continue;
		sz_buf_printf(&b, "%s", b.len ? ", " : "");
		start = b.len;
		format_endpoint(&rows[i].key, &b);
		json_array_append_new(endpoints, json_string(b.data + start));
	}
	sz_ctl_cell_u64(t, svc->id);
	sz_ctl_cell_text(t, sz_ctl_service_name(c, svc->id, s));
	sz_ctl_cell(t, endpoints, "%s", b.data ? b.data : "-");
	sz_ctl_cell_text(t, monitor ? "monitor" : "enforce");
	sz_ctl_cell_colour(t, monitor ? SZ_CTL_YELLOW : SZ_CTL_GREEN);
	sz_ctl_cell_u64(t, routes);
	add_rate(c, t, s, "source");
	add_rate(c, t, s, "principal");
	add_rate(c, t, s, "connections");
	add_cookies(c, t, rows, n);
	sz_ctl_cell(t, json_boolean(svc->flags & SZ_SVC_EVENT_HITS), "%s", "");
	sz_buf_done(&b);
}

int sz_ctl_cmd_services(struct sz_ctl *c)
{
	struct service_row *list;
	struct sz_ctl_rows rows;
	struct sz_ctl_table t;
	struct route *routes;
	size_t n_routes, i, n;
	struct sz_error e;

	if (sz_ctl_read(c, SZ_MAP_SERVICES, sizeof(struct sz_service_key),
			sizeof(struct sz_service), &rows, &e))
		return sz_ctl_fail("%s", e.msg);
	if (read_routes(c, 0, &routes, &n_routes, &e)) {
		free(rows.data);
		return sz_ctl_fail("%s", e.msg);
	}
	list = (struct service_row *)rows.data;
	if (rows.n)
		qsort(list, rows.n, sizeof(*list), compare_services);
	sz_ctl_table_init(&t, service_columns, SZ_ARRAY_LEN(service_columns));
	for (i = 0; i < rows.n; i += n) {
		u32 id = list[i].svc.id;

		for (n = 1; i + n < rows.n && list[i + n].svc.id == id; n++)
			;
		/* The marks of protected addresses belong to no service. */
		if (id)
			add_service(c, &t, &list[i], n, count_routes(routes, n_routes, id));
	}
	free(rows.data);
	free(routes);
	return sz_ctl_print(c, &t, "no service is protected; is subzerod configured and running?");
}

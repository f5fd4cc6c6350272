/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * top: what happens now, as differences between two looks at the maps. On a terminal each look is
 * drawn over the last; through a pipe they follow each other; with --json each is one line.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl/ctl.h"

#define SHOWN 10

struct hit {
	struct sz_hit_key key;
	u64 count;
};

struct src {
	struct sz_addr addr;
	u64 requests, denials;
};

/* One look. */
struct look {
	u64 at_ns;
	u64 counters[SZ_REASON_MAX];
	struct hit *hits;
	size_t n_hits, room_hits;
	struct src *sources;
	size_t n_sources, room_sources;
	int cpus;
};

static int take_hit(const void *key, const void *value, void *arg)
{
	const u64 *per_cpu = value;
	struct look *l = arg;
	struct hit h = {.count = 0};
	int i;

	memcpy(&h.key, key, sizeof(h.key));
	for (i = 0; i < l->cpus; i++)
		h.count += per_cpu[i];
	if (l->n_hits == l->room_hits) {
		l->room_hits = l->room_hits ? 2 * l->room_hits : 256;
		l->hits = sz_realloc(l->hits, l->room_hits, sizeof(*l->hits));
	}
	l->hits[l->n_hits++] = h;
	return 0;
}

static int take_source(const void *key, const void *value, void *arg)
{
	const struct sz_source *s = value;
	struct look *l = arg;

	if (l->n_sources == l->room_sources) {
		l->room_sources = l->room_sources ? 2 * l->room_sources : 256;
		l->sources = sz_realloc(l->sources, l->room_sources, sizeof(*l->sources));
	}
	l->sources[l->n_sources] = (struct src){.requests = s->requests, .denials = s->denials};
	memcpy(&l->sources[l->n_sources++].addr, key, sizeof(struct sz_addr));
	return 0;
}

static int compare_hits(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct sz_hit_key));
}

static int compare_addrs(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct sz_addr));
}

static void look_done(struct look *l)
{
	free(l->hits);
	free(l->sources);
	memset(l, 0, sizeof(*l));
}

static int look(struct sz_ctl *c, struct look *ret)
{
	int err;

	*ret = (struct look){.at_ns = sz_boot_ns(), .cpus = sz_kern_cpus()};
	err = sz_kern_counters(c->kern, SZ_MAP_COUNTERS, ret->counters);
	if (!err)
		err = sz_map_each(c->kern, SZ_MAP_HITS, take_hit, ret);
	if (!err)
		err = sz_map_each(c->kern, SZ_MAP_SOURCES, take_source, ret);
	if (ret->n_hits)
		qsort(ret->hits, ret->n_hits, sizeof(*ret->hits), compare_hits);
	if (ret->n_sources)
		qsort(ret->sources, ret->n_sources, sizeof(*ret->sources), compare_addrs);
	return err;
}

/* ---- differences ---------------------------------------------------------------------------- */

/* Something that is ranked by how often it happened between the looks. */
struct rank {
	u64 id; /* service or principal, or the index of a source */
	u64 n, denied;
};

static u64 since(u64 now, u64 before)
{
	return now > before ? now - before : 0;
}

static int by_id(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static int by_number(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;
	u64 m = x->n + x->denied, n = y->n + y->denied;

	return m > n ? -1 : m < n;
}

/* Hits since the last look, added up by service or by principal; sorted, heap array. */
static struct rank *rank_hits(const struct look *was, const struct look *is, bool by_service,
			      size_t *ret_n)
{
	struct rank *list = sz_calloc(is->n_hits + 1, sizeof(*list));
	size_t n = 0, kept = 0, i;

	for (i = 0; i < is->n_hits; i++) {
		const struct hit *h = &is->hits[i], *old;

		old = was->n_hits ? bsearch(h, was->hits, was->n_hits, sizeof(*h), compare_hits)
				  : NULL;
		list[n] = (struct rank){.id = by_service ? h->key.service : h->key.principal,
					.n = since(h->count, old ? old->count : 0)};
		if (list[n].n && (by_service || list[n].id))
			n++;
	}
	qsort(list, n, sizeof(*list), by_id);
	for (i = 0; i < n; i++) {
		if (kept && list[kept - 1].id == list[i].id)
			list[kept - 1].n += list[i].n;
		else
			list[kept++] = list[i];
	}
	qsort(list, kept, sizeof(*list), by_number);
	*ret_n = kept;
	return list;
}

static struct rank *rank_sources(const struct look *was, const struct look *is, size_t *ret_n)
{
	struct rank *list = sz_calloc(is->n_sources + 1, sizeof(*list));
	size_t n = 0, i;

	for (i = 0; i < is->n_sources; i++) {
		const struct src *s = &is->sources[i], *old;

		old = was->n_sources
			      ? bsearch(s, was->sources, was->n_sources, sizeof(*s), compare_addrs)
			      : NULL;
		list[n] = (struct rank){.id = i,
					.n = since(s->requests, old ? old->requests : 0),
					.denied = since(s->denials, old ? old->denials : 0)};
		n += list[n].n || list[n].denied;
	}
	qsort(list, n, sizeof(*list), by_number);
	*ret_n = n;
	return list;
}

struct totals {
	double admitted, denied, missed, dropped;
};

static struct totals total(const struct look *was, const struct look *is, double seconds)
{
	u64 admitted = 0, denied = 0, dropped = 0, missed;
	struct totals t;
	u32 r;

	for (r = 0; r < SZ_REASON_MAX; r++) {
		u64 n = since(is->counters[r], was->counters[r]);

		if (r == SZ_R_HIT || r == SZ_R_PUBLIC || r == SZ_R_TICKET)
			admitted += n;
		else if (sz_reason_http(r))
			denied += n;
		else if (r >= SZ_R_BANNED)
			dropped += n;
	}
	missed = since(is->counters[SZ_R_MISS], was->counters[SZ_R_MISS]);
	t = (struct totals){(double)admitted / seconds, (double)denied / seconds,
			    (double)missed / seconds, (double)dropped / seconds};
	return t;
}

/* ---- what is shown -------------------------------------------------------------------------- */

static const struct sz_ctl_column service_columns[] = {
	{"service", "SERVICE", SZ_CTL_SHRINK},
	{"admitted_per_s", "ADMITTED/S", SZ_CTL_RIGHT},
};
static const struct sz_ctl_column principal_columns[] = {
	{"principal", "PRINCIPAL", SZ_CTL_SHRINK},
	{"principal_id", NULL, 0},
	{"admitted_per_s", "ADMITTED/S", SZ_CTL_RIGHT},
};
static const struct sz_ctl_column source_columns[] = {
	{"source", "SOURCE", 0},
	{"requests_per_s", "REQUESTS/S", SZ_CTL_RIGHT},
	{"denials_per_s", "DENIALS/S", SZ_CTL_RIGHT},
};

/* Two decimals are enough, and keep the JSON readable. */
static json_t *rate_json(double v)
{
	return json_real((double)(u64)(v * 100 + 0.5) / 100);
}

static void add_rate(struct sz_ctl_table *t, double v)
{
	char s[SZ_CTL_TEXT_MAX];

	sz_ctl_cell(t, rate_json(v), "%s", sz_ctl_per_second(v, s));
}

static void add_services(struct sz_ctl *c, struct sz_ctl_table *t, const struct rank *list,
			 size_t n, double seconds)
{
	char s[SZ_NAME_MAX];
	size_t i;

	sz_ctl_table_init(t, service_columns, SZ_ARRAY_LEN(service_columns));
	for (i = 0; i < n && i < SHOWN; i++) {
		sz_ctl_cell_text(t, sz_ctl_service_name(c, (u32)list[i].id, s));
		add_rate(t, (double)list[i].n / seconds);
	}
}

static void add_principals(struct sz_ctl *c, struct sz_ctl_table *t, const struct rank *list,
			   size_t n, double seconds)
{
	char s[SZ_NAME_MAX];
	size_t i;

	sz_ctl_table_init(t, principal_columns, SZ_ARRAY_LEN(principal_columns));
	for (i = 0; i < n && i < SHOWN; i++) {
		sz_ctl_cell_text(t, sz_ctl_principal_name(c, list[i].id, s));
		sz_ctl_cell_text(t, sz_ctl_principal_hex(list[i].id, s));
		add_rate(t, (double)list[i].n / seconds);
	}
}

static void add_sources(struct sz_ctl_table *t, const struct look *is, const struct rank *list,
			size_t n, double seconds)
{
	char s[SZ_CTL_TEXT_MAX];
	size_t i;

	sz_ctl_table_init(t, source_columns, SZ_ARRAY_LEN(source_columns));
	for (i = 0; i < n && i < SHOWN; i++) {
		sz_ctl_cell_text(t, sz_ctl_source(&is->sources[list[i].id].addr, s));
		add_rate(t, (double)list[i].n / seconds);
		add_rate(t, (double)list[i].denied / seconds);
	}
}

static void show_text(struct sz_ctl *c, const struct totals *t, struct sz_ctl_table *parts,
		      size_t n)
{
	char a[SZ_CTL_TEXT_MAX], d[SZ_CTL_TEXT_MAX], m[SZ_CTL_TEXT_MAX], x[SZ_CTL_TEXT_MAX];
	char when[SZ_CTL_TEXT_MAX];
	struct sz_buf out = {0};
	size_t i;

	if (c->width)
		sz_buf_printf(&out, "\033[H\033[J");
	sz_buf_printf(
		&out,
		"%s  per second: admitted %s, denied %s, asked of the daemon %s, dropped %s\n",
		sz_ctl_time((s64)(sz_wall_ns() / 1000000000), when),
		sz_ctl_per_second(t->admitted, a), sz_ctl_per_second(t->denied, d),
		sz_ctl_per_second(t->missed, m), sz_ctl_per_second(t->dropped, x));
	for (i = 0; i < n; i++) {
		sz_buf_printf(&out, "\n");
		sz_ctl_table_render(&parts[i], c->width, c->colour, &out);
	}
	if (!c->width)
		sz_buf_printf(&out, "\n");
	fwrite(out.data, 1, out.len, stdout);
	fflush(stdout);
	sz_buf_done(&out);
}

static void show_json(const struct totals *t, double seconds, struct sz_ctl_table *parts)
{
	json_t *v = json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "seconds", rate_json(seconds),
		"admitted_per_s", rate_json(t->admitted), "denied_per_s", rate_json(t->denied),
		"missed_per_s", rate_json(t->missed), "dropped_per_s", rate_json(t->dropped),
		"services", sz_ctl_table_json(&parts[0]), "principals",
		sz_ctl_table_json(&parts[1]), "sources", sz_ctl_table_json(&parts[2]));

	json_dumpf(v, stdout, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(12));
	putchar('\n');
	fflush(stdout);
	json_decref(v);
}

static void show(struct sz_ctl *c, const struct look *was, const struct look *is)
{
	double seconds = (double)(is->at_ns - was->at_ns) / 1e9;
	struct totals t = total(was, is, seconds);
	struct sz_ctl_table parts[3];
	struct rank *list;
	size_t n, i;

	list = rank_hits(was, is, true, &n);
	add_services(c, &parts[0], list, n, seconds);
	free(list);
	list = rank_hits(was, is, false, &n);
	add_principals(c, &parts[1], list, n, seconds);
	free(list);
	list = rank_sources(was, is, &n);
	add_sources(&parts[2], is, list, n, seconds);
	free(list);
	if (c->json)
		show_json(&t, seconds, parts);
	else
		show_text(c, &t, parts, SZ_ARRAY_LEN(parts));
	for (i = 0; i < SZ_ARRAY_LEN(parts); i++)
		sz_ctl_table_done(&parts[i]);
}

int sz_ctl_cmd_top(struct sz_ctl *c)
{
	const char *delay = sz_ctl_value(&c->args, "delay"),
		   *n = sz_ctl_value(&c->args, "iterations");
	struct look was, is;
	double seconds = 1;
	struct timespec ts;
	struct sz_error e;
	u64 left = 0;
	char *end;
	int err;

	if (delay) {
		seconds = strtod(delay, &end);
		if (end == delay || *end || !(seconds >= 0.1 && seconds <= 3600))
			return sz_ctl_usage("-d '%s' is not a number of seconds from 0.1 to 3600",
					    delay);
	}
	if (n && (sz_ctl_parse_u64(n, UINT32_MAX, &left) || !left))
		return sz_ctl_usage("-n '%s' is not a number of looks", n);
	if (sz_ctl_open(c, &e))
		return sz_ctl_fail("%s", e.msg);
	ts = (struct timespec){.tv_sec = (time_t)seconds,
			       .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
	err = look(c, &was);
	while (!err && !ferror(stdout)) {
		nanosleep(&ts, NULL);
		err = look(c, &is);
		if (!err)
			show(c, &was, &is);
		look_done(&was);
		was = is;
		if (n && !--left)
			break;
	}
	look_done(&was);
	return err ? sz_ctl_fail("cannot read the maps: %s", strerror(-err)) : SZ_CTL_OK;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The limits as they stand in the maps, for people and programs. Called by the CLI, the control
 * socket, the metrics and the audit log. Changes nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "limits/limits_priv.h"

#include "http/http.h"
#include "subzero/bucket.h"

struct sz_limit *sz_limits_table(struct sz_kern *k, struct sz_error *e)
{
	return sz_kern_map_memory(k, SZ_MAP_LIMITS, e);
}

struct sz_bucket_set *sz_limits_buckets_table(struct sz_kern *k, struct sz_error *e)
{
	return sz_kern_map_memory(k, SZ_MAP_BUCKETS, e);
}

u32 sz_limits_sets(const struct sz_kern *k)
{
	return sz_kern_map_capacity(k, SZ_MAP_BUCKETS) / SZ_BUCKET_TABLES;
}

u32 sz_limits_id(const char *name)
{
	u32 id = 0x811c9dc5u;

	for (; *name; name++)
		id = (id ^ (u8)*name) * 0x01000193u;
	return id ? id : 1;
}

void sz_limits_short_name(const char *name, char ret[SZ_LIMIT_NAME_MAX])
{
	const char *slash = strchr(name, '/');

	snprintf(ret, SZ_LIMIT_NAME_MAX, "%s", slash ? slash + 1 : name);
	ret[strcspn(ret, "@")] = '\0';
}

int sz_limits_put_answer(struct sz_kern *k, u32 slot, const struct sz_limit *l)
{
	char name[SZ_LIMIT_NAME_MAX];
	struct sz_http_limit limit = {.name = l->stage == SZ_LIMIT_MISS ? NULL : name,
				      .interval_ns = l->interval_ns,
				      .burst_ns = l->burst_ns};
	u32 at = SZ_TOLD_ANSWER(SZ_TELL_LIMIT(l->reason, slot));
	struct sz_answer a;

	sz_limits_short_name(l->name, name);
	sz_http_prepare((enum sz_reason)l->reason, NULL, &limit, &a);
	return sz_map_put(k, SZ_MAP_ANSWERS, &at, &a);
}

static int read_row(struct sz_kern *k, const struct sz_limit *table, u32 slot,
		    struct sz_limit_row *ret)
{
	int cpus = sz_kern_cpus(), r, i;
	struct sz_limit_count *c = sz_calloc((size_t)cpus, sizeof(*c));

	*ret = (struct sz_limit_row){.slot = slot, .limit = table[slot]};
	ret->limit.name[sizeof(ret->limit.name) - 1] = '\0';
	r = sz_map_get(k, SZ_MAP_LIMIT_COUNTS, &slot, c);
	for (i = 0; !r && i < cpus; i++) {
		ret->count.admitted += c[i].admitted;
		ret->count.refused += c[i].refused;
		ret->count.dry += c[i].dry;
		ret->count.spare += c[i].spare;
	}
	free(c);
	return r;
}

static int by_name(const void *a, const void *b)
{
	const struct sz_limit_row *x = a, *y = b;

	return strcmp(x->limit.name, y->limit.name);
}

int sz_limits_read(struct sz_kern *k, struct sz_limit_row **ret, size_t *ret_n)
{
	struct sz_error e = {};
	const struct sz_limit *table = sz_limits_table(k, &e);
	size_t n = 0;
	int r = 0;

	*ret = NULL;
	*ret_n = 0;
	if (!table)
		return -EIO;
	for (u32 s = 1; s < SZ_LIMITS_MAX && !r; s++) {
		if (!table[s].id)
			continue;
		*ret = sz_realloc(*ret, n + 1, sizeof(**ret));
		r = read_row(k, table, s, &(*ret)[n++]);
	}
	if (r) {
		free(*ret);
		*ret = NULL;
		return r;
	}
	if (n)
		qsort(*ret, n, sizeof(**ret), by_name);
	*ret_n = n;
	return 0;
}

int sz_limits_find(struct sz_kern *k, const char *name, struct sz_limit_row *ret,
		   struct sz_error *e)
{
	const struct sz_limit *table = sz_limits_table(k, e);
	int r;

	if (!table)
		return -EIO;
	for (u32 s = 1; s < SZ_LIMITS_MAX; s++) {
		if (!table[s].id || strncmp(table[s].name, name, sizeof(table[s].name)) != 0)
			continue;
		r = read_row(k, table, s, ret);
		return r ? sz_error_set(e, r, "cannot read the limit \"%s\": %s", name,
					strerror(-r))
			 : 0;
	}
	return sz_error_set(e, -ENOENT,
			    "there is no limit \"%.100s\"; 'subzeroctl limits show' lists them",
			    name);
}

bool sz_limits_name(struct sz_kern *k, u32 slot, char ret[SZ_LIMIT_NAME_MAX])
{
	struct sz_error ignored;
	const struct sz_limit *table = sz_limits_table(k, &ignored);

	if (!table || !slot || slot >= SZ_LIMITS_MAX || !table[slot].id)
		return false;
	memcpy(ret, table[slot].name, SZ_LIMIT_NAME_MAX);
	ret[SZ_LIMIT_NAME_MAX - 1] = '\0';
	return true;
}

/* ---- as text and JSON ----------------------------------------------------------------------- */

char *sz_limits_rate(u64 interval_ns, char s[32])
{
	static const struct {
		u64 period;
		const char *unit;
	} periods[] = {{1000000000ull, "s"}, {60000000000ull, "m"}, {3600000000000ull, "h"}};

	snprintf(s, 32, interval_ns ? "1 in %llu ns" : "none", interval_ns);
	for (size_t i = 0; interval_ns && i < SZ_ARRAY_LEN(periods); i++) {
		u64 n = periods[i].period / interval_ns;

		/* Intervals are rounded up when a rate is read. */
		for (u64 count = n; count <= n + 1; count++)
			if (count && (periods[i].period + count - 1) / count == interval_ns) {
				snprintf(s, 32, "%llu/%s", count, periods[i].unit);
				return s;
			}
	}
	return s;
}

static json_t *rate_json(u64 interval, u64 burst)
{
	char s[32];

	return json_pack("{s:s, s:I}", "rate", sz_limits_rate(interval, s), "burst",
			 (json_int_t)(interval ? burst / interval : 0));
}

static json_t *by_json(u32 by)
{
	json_t *a = json_array();

	if (by & SZ_BY_SOURCE)
		json_array_append_new(a, json_string("source"));
	if (by & SZ_BY_PRINCIPAL)
		json_array_append_new(a, json_string("principal"));
	if (by & SZ_BY_ROUTE)
		json_array_append_new(a, json_string("route"));
	return a;
}

/* The names of the routes that count; null where all do. */
static json_t *routes_json(struct sz_kern *k, const struct sz_limit *l)
{
	json_t *a;
	u32 r, all = 1;

	for (r = 0; r < SZ_ROUTE_WORDS; r++)
		all &= l->routes[r] == ~0ull;
	if (all)
		return json_null();
	a = json_array();
	for (r = 0; r < SZ_ROUTES_MAX; r++) {
		struct sz_name_key key = {.kind = SZ_NAME_ROUTE, .service = l->service, .id = r};
		struct sz_name name;

		if (!(l->routes[r / 64] >> (r & 63) & 1))
			continue;
		if (sz_map_get(k, SZ_MAP_NAMES, &key, &name))
			json_array_append_new(a, json_integer(r));
		else
			json_array_append_new(a, json_stringn_nocheck(
							 name.s, strnlen(name.s, sizeof(name.s))));
	}
	return a;
}

json_t *sz_limits_json(struct sz_kern *k, const struct sz_limit_row *row)
{
	static const char *const counts[] = {
#define COUNTS(NAME, word) [SZ_LIMIT_##NAME] = word,
		SZ_LIMIT_STAGES(COUNTS)};
	const struct sz_limit *l = &row->limit;
	char s[32];

	return json_pack(
		"{s:s, s:I, s:s, s:o, s:s, s:I, s:I, s:I, s:o, s:b, s:b, s:s, s:o, s:{s:i, s:i},"
		" s:I, s:I, s:I, s:I, s:I}",
		"name", l->name, "service", (json_int_t)l->service, "counts",
		l->stage < SZ_LIMIT_STAGE_COUNT ? counts[l->stage] : "unknown", "by",
		by_json(l->by), "rate", sz_limits_rate(l->interval_ns, s), "burst",
		(json_int_t)(l->interval_ns ? l->burst_ns / l->interval_ns : 0), "interval_ns",
		(json_int_t)l->interval_ns, "burst_ns", (json_int_t)l->burst_ns, "configured",
		rate_json(l->conf_interval_ns, l->conf_burst_ns), "by_hand",
		(l->flags & SZ_LIMIT_BY_HAND) != 0, "dry_run", (l->flags & SZ_LIMIT_DRY) != 0,
		"reason", sz_reason_label((enum sz_reason)l->reason), "routes", routes_json(k, l),
		"prefix", "ipv4", l->prefix4, "ipv6", l->prefix6, "admitted",
		(json_int_t)row->count.admitted, "refused", (json_int_t)row->count.refused,
		"would_refuse", (json_int_t)row->count.dry, "spare", (json_int_t)row->count.spare,
		"full_ns", (json_int_t)l->full_ns);
}

json_t *sz_limits_json_all(struct sz_kern *k)
{
	struct sz_limit_row *rows;
	json_t *list;
	size_t n, i;

	if (sz_limits_read(k, &rows, &n))
		return NULL;
	list = json_array();
	for (i = 0; i < n; i++)
		json_array_append_new(list, sz_limits_json(k, &rows[i]));
	free(rows);
	json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o}", "name", "adaptive", "counts",
					      "questions in flight", "reason",
					      sz_reason_label(SZ_R_BUSY), "adaptive",
					      sz_adaptive_json(sz_kern_config(k))));
	return list;
}

int sz_limits_buckets(struct sz_kern *k, const struct sz_limit_row *row, u64 now_ns,
		      sz_limit_bucket_fn fn, void *arg)
{
	struct sz_error ignored;
	const struct sz_bucket_set *sets = sz_limits_buckets_table(k, &ignored);
	u32 n = sz_limits_sets(k), i, w;
	const struct sz_limit *l = &row->limit;
	int r = 0;

	if (!sets)
		return -EIO;
	if (!l->interval_ns || l->table >= SZ_BUCKET_TABLES)
		return 0;
	for (i = l->table * n; !r && i < (l->table + 1u) * n; i++) {
		for (w = 0; !r && w < SZ_BUCKET_WAYS; w++) {
			u64 tat = __atomic_load_n(&sets[i].tat[w], __ATOMIC_ACQUIRE);
			struct sz_bucket_key key = sets[i].key[w];

			if (key.limit != l->id || tat <= now_ns || tat == SZ_BUCKET_BUSY ||
			    __atomic_load_n(&sets[i].tat[w], __ATOMIC_ACQUIRE) == SZ_BUCKET_BUSY)
				continue;
			r = fn(&key, tat, (tat - now_ns + l->interval_ns - 1) / l->interval_ns,
			       arg);
		}
	}
	return r;
}

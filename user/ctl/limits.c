/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * limits: what each rate limit admitted and refused, who has least left, another rate at run time,
 * buckets forgotten. Reads and writes the maps, so that it works with the daemon down; a change is
 * put on record where the daemon is there to write it.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "limits/limits.h"

static const char *const counts[] = {
#define COUNTS(NAME, word) [SZ_LIMIT_##NAME] = word,
	SZ_LIMIT_STAGES(COUNTS)};

static const struct sz_ctl_column columns[] = {
	{NULL, "LIMIT", 0},
	{NULL, "COUNTS", 0},
	{NULL, "BY", 0},
	{NULL, "RATE", 0},
	{NULL, "BURST", SZ_CTL_RIGHT},
	{NULL, "ADMITTED", SZ_CTL_RIGHT},
	{NULL, "REFUSED", SZ_CTL_RIGHT},
	{NULL, "WOULD REFUSE", SZ_CTL_RIGHT},
	{NULL, "STATE", SZ_CTL_SHRINK},
};

static void cell_by(struct sz_ctl_table *t, u32 by)
{
	static const struct {
		u32 bit;
		const char *word;
	} words[] = {
		{SZ_BY_SOURCE, "source"}, {SZ_BY_PRINCIPAL, "principal"}, {SZ_BY_ROUTE, "route"}};
	char s[SZ_CTL_TEXT_MAX] = "";
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(words); i++)
		if (by & words[i].bit)
			snprintf(s + strlen(s), sizeof(s) - strlen(s), "%s%s", *s ? ", " : "",
				 words[i].word);
	sz_ctl_cell_text(t, *s ? s : "-");
}

/* What is out of the ordinary about it. */
static void cell_state(struct sz_ctl_table *t, const struct sz_limit_row *r, u64 now)
{
	const struct sz_limit *l = &r->limit;
	char s[4 * SZ_CTL_TEXT_MAX] = "", rate[32], age[SZ_CTL_TEXT_MAX];
	size_t n = 0;

	if (l->flags & SZ_LIMIT_DRY)
		n += (size_t)snprintf(s + n, sizeof(s) - n, ", dry run");
	if (l->flags & SZ_LIMIT_BY_HAND)
		n += (size_t)snprintf(s + n, sizeof(s) - n, ", by hand (configured %s burst %llu)",
				      sz_limits_rate(l->conf_interval_ns, rate),
				      (unsigned long long)(l->conf_interval_ns
								   ? l->conf_burst_ns /
									     l->conf_interval_ns
								   : 0));
	if (l->full_ns)
		snprintf(s + n, sizeof(s) - n, ", no room for a subject %s ago",
			 sz_ctl_age(now - l->full_ns, age));
	sz_ctl_cell_text(t, *s ? s + 2 : "-");
	if (*s)
		sz_ctl_cell_colour(t, SZ_CTL_YELLOW);
}

static void add_limit(struct sz_ctl_table *t, const struct sz_limit_row *r, u64 now)
{
	const struct sz_limit *l = &r->limit;
	char rate[32];

	sz_ctl_cell_text(t, l->name);
	sz_ctl_cell_text(t, l->stage < SZ_LIMIT_STAGE_COUNT ? counts[l->stage] : "-");
	cell_by(t, l->by);
	sz_ctl_cell_text(t, sz_limits_rate(l->interval_ns, rate));
	sz_ctl_cell_u64(t, l->interval_ns ? l->burst_ns / l->interval_ns : 0);
	sz_ctl_cell_u64(t, r->count.admitted);
	sz_ctl_cell_u64(t, r->count.refused);
	sz_ctl_cell_u64(t, r->count.dry);
	cell_state(t, r, now);
}

/* The limit of open questions: one line, and one for what was shed. */
static void print_adaptive(struct sz_ctl *c)
{
	const struct sz_load *l = &sz_kern_config(c->kern)->load;
	const char *dry = l->flags & SZ_LOAD_DRY ? " (dry run: nothing is refused)" : "";
	enum sz_priority p;
	u64 shed = 0;

	if (!l->limit) {
		printf("\nadaptive: off; as many questions may be open as are asked\n");
		return;
	}
	printf("\nadaptive: %llu of at most %u questions open%s; answers take %.1f ms on average, "
	       "target %.0f ms\n",
	       (unsigned long long)sz_adaptive_open(l), l->limit, dry, (double)l->latency_ns / 1e6,
	       (double)l->target_ns / 1e6);
	for (p = SZ_PRIORITY_LOW; p < SZ_PRIORITY_COUNT; p++) {
		printf("%s%s up to %u: %llu shed", p == SZ_PRIORITY_LOW ? "  " : ", ",
		       sz_adaptive_word(p), l->cap[p], (unsigned long long)l->shed[p]);
		shed += l->shed[p];
	}
	printf("%s\n", shed ? "" : " (nothing yet)");
}

int sz_ctl_cmd_limits(struct sz_ctl *c)
{
	struct sz_limit_row *rows;
	struct sz_ctl_table t;
	struct sz_error e;
	size_t n, i;
	json_t *all;
	int err;

	if (sz_ctl_open(c, &e))
		return sz_ctl_fail("%s", e.msg);
	if (c->json) {
		all = sz_limits_json_all(c->kern);
		return all ? sz_ctl_print_json(all) : sz_ctl_fail("cannot read the limits");
	}
	err = sz_limits_read(c->kern, &rows, &n);
	if (err)
		return sz_ctl_fail("cannot read the limits: %s", strerror(-err));
	sz_ctl_table_init(&t, columns, SZ_ARRAY_LEN(columns));
	for (i = 0; i < n; i++)
		add_limit(&t, &rows[i], sz_boot_ns());
	free(rows);
	err = sz_ctl_print(c, &t, "nothing is limited");
	print_adaptive(c);
	return err;
}

/* ---- one ------------------------------------------------------------------------------------ */

struct bucket {
	struct sz_bucket_key key;
	u64 tat, used;
};

struct buckets {
	struct bucket *list;
	size_t n, room;
};

static int keep_bucket(const struct sz_bucket_key *key, u64 tat, u64 used, void *arg)
{
	struct buckets *b = arg;

	if (b->n == b->room) {
		b->room = b->room ? 2 * b->room : 256;
		b->list = sz_realloc(b->list, b->room, sizeof(*b->list));
	}
	b->list[b->n++] = (struct bucket){.key = *key, .tat = tat, .used = used};
	return 0;
}

/* Who has least left comes first. */
static int compare_buckets(const void *a, const void *b)
{
	const struct bucket *x = a, *y = b;

	return x->used > y->used ? -1 : x->used < y->used ? 1 : memcmp(x, y, sizeof(*x));
}

static const struct sz_ctl_column subject_columns[] = {
	{"source", "SOURCE", 0},           {"principal", "PRINCIPAL", SZ_CTL_SHRINK},
	{"principal_id", NULL, 0},         {"route", "ROUTE", 0},
	{"left", "LEFT", SZ_CTL_RIGHT},    {"burst", "OF", SZ_CTL_RIGHT},
	{"full_in_ms", "FULL IN", SZ_CTL_RIGHT},
};

/* A source as the limit cuts it. */
static char *source_text(const struct sz_limit *l, const struct sz_addr *a, char *s)
{
	static const u8 mapped[12] = {[10] = 0xff, [11] = 0xff};
	bool v4 = !memcmp(a->b, mapped, sizeof(mapped));
	struct sz_ban_key key = {.prefixlen = v4 ? 96u + l->prefix4 : l->prefix6, .addr = *a};

	return sz_ctl_prefix(&key, s);
}

static void add_subject(struct sz_ctl *c, struct sz_ctl_table *t, const struct sz_limit *l,
			const struct bucket *b, u64 now)
{
	u64 burst = l->interval_ns ? l->burst_ns / l->interval_ns : 0;
	char s[SZ_NAME_MAX], text[SZ_CTL_TEXT_MAX];

	if (l->by & SZ_BY_SOURCE)
		sz_ctl_cell_text(t, source_text(l, &b->key.source, text));
	else
		sz_ctl_cell(t, NULL, "-");
	if (l->by & SZ_BY_PRINCIPAL) {
		sz_ctl_cell_text(t, sz_ctl_principal_name(c, b->key.principal, s));
		sz_ctl_cell_text(t, sz_ctl_principal_hex(b->key.principal, text));
	} else {
		sz_ctl_cell(t, NULL, "-");
		sz_ctl_cell(t, NULL, "-");
	}
	if (l->by & SZ_BY_ROUTE)
		sz_ctl_cell_text(t, sz_ctl_route_name(c, l->service, b->key.route, s));
	else
		sz_ctl_cell(t, NULL, "-");
	sz_ctl_cell_u64(t, burst > b->used ? burst - b->used : 0);
	sz_ctl_cell_u64(t, burst);
	sz_ctl_cell(t, json_integer((json_int_t)((b->tat - now) / 1000000)), "%s",
		    sz_ctl_age(b->tat - now, text));
}

static void add_subjects(struct sz_ctl *c, struct sz_ctl_table *t, const struct sz_limit_row *row,
			 u64 limit)
{
	struct buckets b = {0};
	u64 now = sz_boot_ns();
	size_t i;

	if (row->limit.by)
		sz_limits_buckets(c->kern, row, now, keep_bucket, &b);
	else if (row->limit.interval_ns && row->limit.tat > now)
		keep_bucket(&(struct sz_bucket_key){0}, row->limit.tat,
			    (row->limit.tat - now + row->limit.interval_ns - 1) /
				    row->limit.interval_ns,
			    &b);
	if (b.n)
		qsort(b.list, b.n, sizeof(*b.list), compare_buckets);
	for (i = 0; i < b.n && i < limit; i++)
		add_subject(c, t, &row->limit, &b.list[i], now);
	free(b.list);
}

static int find(struct sz_ctl *c, struct sz_limit_row *ret)
{
	struct sz_error e;

	if (sz_ctl_open(c, &e) || sz_limits_find(c->kern, c->args.word[0], ret, &e))
		return sz_ctl_fail("%s", e.msg);
	return SZ_CTL_OK;
}

int sz_ctl_cmd_limits_show(struct sz_ctl *c)
{
	struct sz_ctl_table one, subjects;
	struct sz_limit_row row;
	u64 limit;
	json_t *v;
	int ret;

	if (sz_ctl_limit(c, 20, &limit))
		return SZ_CTL_USAGE;
	ret = find(c, &row);
	if (ret)
		return ret;
	sz_ctl_table_init(&subjects, subject_columns, SZ_ARRAY_LEN(subject_columns));
	add_subjects(c, &subjects, &row, limit);
	if (c->json) {
		v = sz_limits_json(c->kern, &row);
		json_object_set_new(v, "subjects", sz_ctl_table_json(&subjects));
		sz_ctl_table_done(&subjects);
		return sz_ctl_print_json(v);
	}
	sz_ctl_table_init(&one, columns, SZ_ARRAY_LEN(columns));
	add_limit(&one, &row, sz_boot_ns());
	sz_ctl_print(c, &one, "");
	printf("\n");
	return sz_ctl_print(c, &subjects, "every bucket is full");
}

/* ---- changes -------------------------------------------------------------------------------- */

int sz_ctl_cmd_limits_set(struct sz_ctl *c)
{
	const char *burst = sz_ctl_value(&c->args, "burst"),
		   *dry = sz_ctl_value(&c->args, "dry-run");
	struct sz_limit_change change = {.rate = sz_ctl_value(&c->args, "rate"), .dry_run = -1};
	struct sz_limit_row row;
	struct sz_error e;
	char rate[32];

	if (burst && (sz_ctl_parse_u64(burst, UINT32_MAX, &change.burst) || !change.burst))
		return sz_ctl_usage("--burst '%s' is not a number of requests", burst);
	if (dry && strcmp(dry, "on") != 0 && strcmp(dry, "off") != 0)
		return sz_ctl_usage("--dry-run is on or off, not '%s'", dry);
	if (dry)
		change.dry_run = !strcmp(dry, "on");
	if (!change.rate && !burst && !dry)
		return sz_ctl_usage("nothing to set; give --rate, --burst or --dry-run");
	if (sz_ctl_open(c, &e) || sz_limits_set(c->kern, c->args.word[0], &change, &e) ||
	    sz_limits_find(c->kern, c->args.word[0], &row, &e))
		return sz_ctl_fail("%s", e.msg);
	sz_limits_rate(row.limit.interval_ns, rate);
	sz_ctl_record(c, "admin", "limits set %s: %s burst %llu%s", row.limit.name, rate,
		      (unsigned long long)(row.limit.interval_ns
						   ? row.limit.burst_ns / row.limit.interval_ns
						   : 0),
		      row.limit.flags & SZ_LIMIT_DRY ? ", dry run" : "");
	if (c->json)
		return sz_ctl_print_json(sz_limits_json(c->kern, &row));
	printf("%s is %s burst %llu%s, until the next reload\n", row.limit.name, rate,
	       (unsigned long long)(row.limit.interval_ns
					    ? row.limit.burst_ns / row.limit.interval_ns
					    : 0),
	       row.limit.flags & SZ_LIMIT_DRY ? ", dry run" : "");
	return SZ_CTL_OK;
}

int sz_ctl_cmd_limits_reset(struct sz_ctl *c)
{
	struct sz_limit_subject s = {
		.source = sz_ctl_value(&c->args, "source"),
		.principal = sz_ctl_value(&c->args, "principal"),
		.route = sz_ctl_value(&c->args, "route"),
	};
	bool one = s.source || s.principal || s.route;
	struct sz_error e;
	int n;

	if (one == sz_ctl_has(&c->args, "all"))
		return sz_ctl_usage("name one subject with --source, --principal or --route, or "
				    "write --all");
	if (sz_ctl_open(c, &e))
		return sz_ctl_fail("%s", e.msg);
	n = sz_limits_reset(c->kern, c->args.word[0], one ? &s : NULL, &e);
	if (n < 0)
		return sz_ctl_fail("%s", e.msg);
	sz_ctl_record(c, "admin", "limits reset %s: %s%s%s%s%s%s%s", c->args.word[0],
		      one ? "" : "all", s.source ? " source " : "", s.source ? s.source : "",
		      s.principal ? " principal " : "", s.principal ? s.principal : "",
		      s.route ? " route " : "", s.route ? s.route : "");
	if (c->json)
		return sz_ctl_print_json(json_pack("{s:i}", "reset", n));
	printf("%d %s full again\n", n, n == 1 ? "bucket is" : "buckets are");
	return SZ_CTL_OK;
}

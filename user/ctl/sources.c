/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sources: who sends most, what one address did and why it was refused, and counting anew. Read
 * from the map that the ingress program writes. It must never give a source its budgets back: a
 * reset keeps what the buckets of limits say.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

struct source_row {
	struct sz_addr addr;
	struct sz_source src;
};

/* X(JSON member, title, member of struct sz_source): what is counted, and sorted by. */
#define COUNTS(X)                                                                                  \
	X(packets, "PACKETS", packets)                                                             \
	X(requests, "REQUESTS", requests)                                                          \
	X(denials, "DENIALS", denials)                                                             \
	X(failures, "FAILURES", failures)                                                          \
	X(limited, "LIMITED", limited)                                                             \
	X(drops, "DROPS", drops)                                                                   \
	X(syns, "CONNECTIONS", syns)
#define SORTS "packets, requests, denials, failures, limited, drops, syns or seen"

static const struct {
	const char *name;
	size_t offset;
} orders[] = {
#define ORDER(key, title, member) {#key, offsetof(struct sz_source, member)},
	COUNTS(ORDER){"seen", offsetof(struct sz_source, seen_ns)},
};

static u64 value_of(const struct sz_source *s, size_t offset)
{
	u64 v;

	memcpy(&v, (const char *)s + offset, sizeof(v));
	return v;
}

static int compare_rows(const void *a, const void *b, void *offset)
{
	const struct source_row *x = a, *y = b;
	u64 v = value_of(&x->src, *(size_t *)offset), w = value_of(&y->src, *(size_t *)offset);

	return v > w ? -1 : v < w ? 1 : memcmp(&x->addr, &y->addr, sizeof(x->addr));
}

/* ---- list ----------------------------------------------------------------------------------- */

static const struct sz_ctl_column list_columns[] = {
	{"source", "SOURCE", 0},
#define COLUMN(key, title, member) {#key, title, SZ_CTL_RIGHT},
	COUNTS(COLUMN){"seen_age_ms", "SEEN", SZ_CTL_RIGHT},
	{"last_denial", "LAST DENIAL", 0},
};

static void cell_reason(struct sz_ctl_table *t, u32 reason)
{
	if (reason)
		sz_ctl_cell_text(t, sz_reason_label(reason));
	else
		sz_ctl_cell(t, NULL, "-");
}

static void add_source(struct sz_ctl_table *t, const struct source_row *r, u64 now)
{
	char s[SZ_CTL_TEXT_MAX];

	sz_ctl_cell_text(t, sz_ctl_source(&r->addr, s));
#define CELL(key, title, member) sz_ctl_cell_u64(t, r->src.member);
	COUNTS(CELL)
	sz_ctl_cell_age(t, r->src.seen_ns, now);
	cell_reason(t, r->src.last_reason);
}

/* Denials of the source for the reason; those that share a place with others count as none. */
static u64 refused_for(const struct sz_source *s, u32 reason)
{
	u32 i;

	for (i = 0; i < SZ_SOURCE_WHYS - 1; i++)
		if (SZ_WHY_REASON(s->why[i]) == reason)
			return SZ_WHY_COUNT(s->why[i]);
	return 0;
}

/* 0: no reason is called so. */
static u32 reason_find(const char *label)
{
	u32 r;

	for (r = 1; r < SZ_REASON_MAX; r++)
		if (!strcmp(sz_reason_label(r), label))
			return r;
	return 0;
}

static bool in_prefix(const struct sz_addr *a, const struct sz_ban_key *p)
{
	u32 i;

	for (i = 0; i < p->prefixlen; i++)
		if ((a->b[i / 8] ^ p->addr.b[i / 8]) & (0x80u >> (i % 8)))
			return false;
	return true;
}

struct choice {
	size_t offset;             /* of what is sorted by */
	u32 reason;                /* 0: any */
	struct sz_ban_key network; /* prefixlen 0: all */
	u64 lines;
};

static int read_choice(struct sz_ctl *c, struct choice *ret)
{
	const char *sort = sz_ctl_value(&c->args, "sort"), *in = sz_ctl_value(&c->args, "in"),
		   *reason = sz_ctl_value(&c->args, "reason");
	size_t i = 0;

	memset(ret, 0, sizeof(*ret));
	if (!sort)
		sort = "requests";
	while (i < SZ_ARRAY_LEN(orders) && strcmp(sort, orders[i].name))
		i++;
	if (i == SZ_ARRAY_LEN(orders))
		return sz_ctl_usage("--sort '%s' is not " SORTS, sort);
	ret->offset = orders[i].offset;
	if (reason) {
		ret->reason = reason_find(reason);
		if (!ret->reason)
			return sz_ctl_usage("there is no reason '%s'; 'subzeroctl counters --all' "
					    "lists them", reason);
	}
	if (in && sz_prefix_parse(in, &ret->network.addr, &ret->network.prefixlen))
		return sz_ctl_usage("--in '%s' is not an address or prefix; write 192.0.2.0/24 or "
				    "2001:db8::/32", in);
	return sz_ctl_limit(c, 20, &ret->lines) ? SZ_CTL_USAGE : SZ_CTL_OK;
}

int sz_ctl_cmd_sources(struct sz_ctl *c)
{
	const struct source_row *row;
	struct sz_ctl_rows rows;
	struct sz_ctl_table t;
	struct choice choice;
	struct sz_error e;
	u64 shown = 0, i;
	int ret = read_choice(c, &choice);

	if (ret)
		return ret;
	if (sz_ctl_read(c, SZ_MAP_SOURCES, sizeof(struct sz_addr), sizeof(struct sz_source), &rows,
			&e))
		return sz_ctl_fail("%s", e.msg);
	if (rows.n)
		qsort_r(rows.data, rows.n, rows.size, compare_rows, &choice.offset);
	sz_ctl_table_init(&t, list_columns, SZ_ARRAY_LEN(list_columns));
	for (i = 0; i < rows.n && shown < choice.lines; i++) {
		row = (const struct source_row *)rows.data + i;
		if ((choice.reason && !refused_for(&row->src, choice.reason)) ||
		    !in_prefix(&row->addr, &choice.network))
			continue;
		add_source(&t, row, sz_boot_ns());
		shown++;
	}
	free(rows.data);
	return sz_ctl_print(c, &t, rows.n ? "no source fits" :
			    "nobody has sent anything to a protected service yet");
}

/* ---- one ------------------------------------------------------------------------------------ */

/* The key under which the kernel counts the address. */
static int source_key(struct sz_ctl *c, struct sz_addr *ret)
{
	static const u8 mapped[12] = {[10] = 0xff, [11] = 0xff};
	const char *word = c->args.word[0];
	u32 prefix;

	if (sz_prefix_parse(word, ret, &prefix) ||
	    (prefix != 128 && (prefix != 64 || !memcmp(ret->b, mapped, sizeof(mapped)))))
		return sz_ctl_usage("'%s' is not an address; write 192.0.2.7 or 2001:db8::7, which "
				    "counts with its /64", word);
	if (memcmp(ret->b, mapped, sizeof(mapped)) != 0)
		memset(ret->b + 8, 0, 8);
	return SZ_CTL_OK;
}

static int get_source(struct sz_ctl *c, const struct sz_addr *key, struct sz_source *ret)
{
	char s[SZ_CTL_TEXT_MAX];
	struct sz_error e;
	int err;

	if (sz_ctl_open(c, &e))
		return sz_ctl_fail("%s", e.msg);
	err = sz_map_get(c->kern, SZ_MAP_SOURCES, key, ret);
	if (err == -ENOENT)
		return sz_ctl_fail("%s is not known: it has sent nothing to a protected service, "
				   "or others have taken its place",
				   sz_ctl_source(key, s));
	if (err)
		return sz_ctl_fail("cannot read the sources: %s", strerror(-err));
	return SZ_CTL_OK;
}

static const struct sz_ctl_column why_columns[] = {
	{"reason", "REFUSED FOR", 0},
	{"count", "COUNT", SZ_CTL_RIGHT},
	{"status", "HTTP", SZ_CTL_RIGHT},
	{"text", "MEANING", SZ_CTL_SHRINK},
};

static int compare_whys(const void *a, const void *b)
{
	u64 x = SZ_WHY_COUNT(*(const u64 *)a), y = SZ_WHY_COUNT(*(const u64 *)b);

	return x > y ? -1 : x < y;
}

static void add_whys(struct sz_ctl_table *t, struct sz_source *s)
{
	u32 i;

	qsort(s->why, SZ_SOURCE_WHYS, sizeof(*s->why), compare_whys);
	for (i = 0; i < SZ_SOURCE_WHYS && SZ_WHY_COUNT(s->why[i]); i++) {
		u32 r = SZ_WHY_REASON(s->why[i]);
		int http = r ? sz_reason_http(r) : 0;

		sz_ctl_cell_text(t, r ? sz_reason_label(r) : "others");
		sz_ctl_cell_u64(t, SZ_WHY_COUNT(s->why[i]));
		sz_ctl_cell(t, http ? json_integer(http) : NULL, http ? "%d" : "-", http);
		sz_ctl_cell_text(t, r ? sz_reason_text(r) : "reasons beyond the first seven");
	}
}

/* The ban that covers the address; NULL where there is none in force. */
static const struct sz_ban *ban_of(struct sz_ctl *c, const struct sz_addr *a, struct sz_ban *ban)
{
	struct sz_ban_key key = {.prefixlen = 128, .addr = *a};

	if (sz_map_get(c->kern, SZ_MAP_BANS, &key, ban) ||
	    (ban->expires_ns && ban->expires_ns <= sz_boot_ns()))
		return NULL;
	return ban;
}

static int show_json(const struct sz_addr *key, const struct sz_source *s,
		     const struct sz_ban *ban, const struct sz_ctl_table *why)
{
	u64 now = sz_boot_ns();
	char text[SZ_CTL_TEXT_MAX];
	json_t *v = json_pack("{s:s}", "source", sz_ctl_source(key, text));

#define MEMBER(key_, title, member)                                                                \
	json_object_set_new(v, #key_, json_integer((json_int_t)s->member));
	COUNTS(MEMBER)
	json_object_set_new(v, "seen_age_ms",
			    s->seen_ns ? json_integer((json_int_t)((now - s->seen_ns) / 1000000))
				       : json_null());
	json_object_set_new(v, "last_denial", s->last_reason
						      ? json_string(sz_reason_label(s->last_reason))
						      : json_null());
	json_object_set_new(v, "banned", json_boolean(ban));
	json_object_set_new(v, "ban_why",
			    ban ? sz_ctl_text(ban->why, strnlen(ban->why, sizeof(ban->why)))
				: json_null());
	json_object_set_new(v, "why", sz_ctl_table_json(why));
	return sz_ctl_print_json(v);
}

int sz_ctl_cmd_sources_show(struct sz_ctl *c)
{
	char text[SZ_CTL_TEXT_MAX], until[SZ_CTL_TEXT_MAX];
	struct sz_ctl_table one, why;
	struct source_row row;
	struct sz_ban room;
	const struct sz_ban *ban;
	int ret = source_key(c, &row.addr);

	if (!ret)
		ret = get_source(c, &row.addr, &row.src);
	if (ret)
		return ret;
	ban = ban_of(c, &row.addr, &room);
	sz_ctl_table_init(&why, why_columns, SZ_ARRAY_LEN(why_columns));
	add_whys(&why, &row.src);
	if (c->json) {
		ret = show_json(&row.addr, &row.src, ban, &why);
		sz_ctl_table_done(&why);
		return ret;
	}
	sz_ctl_table_init(&one, list_columns, SZ_ARRAY_LEN(list_columns));
	add_source(&one, &row, sz_boot_ns());
	sz_ctl_print(c, &one, "");
	if (ban)
		printf("\n%s is banned, expires %s: %.*s\n", sz_ctl_source(&row.addr, text),
		       sz_ctl_until(ban->expires_ns, sz_boot_ns(), until),
		       (int)strnlen(ban->why, sizeof(ban->why)), ban->why);
	printf("\n");
	return sz_ctl_print(c, &why, "it was never refused");
}

/* ---- reset ---------------------------------------------------------------------------------- */

/* As it is, but counted from zero. What the buckets of limits say stays. */
static int forget_counts(struct sz_ctl *c, const struct sz_addr *key, const struct sz_source *s)
{
	struct sz_source fresh = *s;

#define FORGET(key_, title, member) fresh.member = 0;
	COUNTS(FORGET)
	fresh.last_reason = 0;
	memset(fresh.why, 0, sizeof(fresh.why));
	return sz_map_put(c->kern, SZ_MAP_SOURCES, key, &fresh);
}

static int reset_all(struct sz_ctl *c, u64 *ret_n)
{
	struct sz_ctl_rows rows;
	struct sz_error e;
	int err = 0;
	u64 i;

	if (sz_ctl_read(c, SZ_MAP_SOURCES, sizeof(struct sz_addr), sizeof(struct sz_source), &rows,
			&e))
		return sz_ctl_fail("%s", e.msg);
	for (i = 0; !err && i < rows.n; i++) {
		const struct source_row *r = (const struct source_row *)rows.data + i;

		err = forget_counts(c, &r->addr, &r->src);
	}
	*ret_n = rows.n;
	free(rows.data);
	return err ? sz_ctl_fail("cannot reset the sources: %s", strerror(-err)) : SZ_CTL_OK;
}

int sz_ctl_cmd_sources_reset(struct sz_ctl *c)
{
	bool all = sz_ctl_has(&c->args, "all");
	char text[SZ_CTL_TEXT_MAX] = "all";
	struct sz_addr key;
	struct sz_source src;
	u64 n = 1;
	int ret;

	if (all == (c->args.n_words > 0))
		return sz_ctl_usage("name one address, or write --all");
	if (all) {
		ret = reset_all(c, &n);
	} else {
		ret = source_key(c, &key);
		if (!ret)
			ret = get_source(c, &key, &src);
		if (!ret && forget_counts(c, &key, &src))
			ret = sz_ctl_fail("cannot reset %s", sz_ctl_source(&key, text));
		else if (!ret)
			sz_ctl_source(&key, text);
	}
	if (ret)
		return ret;
	sz_ctl_record(c, "admin", "sources reset %s", text);
	if (c->json)
		return sz_ctl_print_json(json_pack("{s:I}", "reset", (json_int_t)n));
	printf("%llu %s counted anew; their budgets stay as they are\n", (unsigned long long)n,
	       n == 1 ? "source is" : "sources are");
	return SZ_CTL_OK;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Bans that nobody types: those of the configuration, replaced whole at each publish, and those of
 * sources that fail to authenticate again and again. What was banned by hand is left alone. Called
 * at every publish and with every record of a refusal.
 */
#include "gateway/gateway_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SECOND 1000000000ull

/* ---- the configuration's -------------------------------------------------------------------- */

struct wanted {
	struct sz_gateway *g;
	const struct sz_ban_key *keys; /* sorted */
	size_t n;
	enum sz_map map;
	struct sz_ban_list stale;
	size_t n_there;
};

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct sz_ban_key));
}

/* A walk does not take deletions well, so what is stale is gathered first. */
static int find_stale(const void *key, const void *value, void *arg)
{
	struct wanted *w = arg;
	const struct sz_ban *ban = value;

	w->n_there++;
	if (w->map == SZ_MAP_BANS && ban->source != SZ_BAN_CONF)
		return 0;
	if (w->n && bsearch(key, w->keys, w->n, sizeof(*w->keys), by_key))
		return 0;
	if (!(w->stale.n & (w->stale.n - 1)))
		w->stale.keys = sz_realloc(w->stale.keys, w->stale.n ? 2 * w->stale.n : 1,
					   sizeof(*w->stale.keys));
	memcpy(&w->stale.keys[w->stale.n++], key, sizeof(struct sz_ban_key));
	return 0;
}

static size_t remove_stale(struct wanted *w)
{
	size_t n, i;

	sz_map_each(w->g->kern, w->map, find_stale, w);
	for (i = 0; i < w->stale.n; i++)
		sz_map_del(w->g->kern, w->map, &w->stale.keys[i]);
	n = w->stale.n;
	sz_ban_list_done(&w->stale);
	return n;
}

static int put_allowed(struct sz_gateway *g, const struct sz_conf *c, struct sz_error *e)
{
	struct wanted w = {.g = g, .n = c->bans.n_allow, .map = SZ_MAP_ALLOW};
	struct sz_ban_key *keys = sz_calloc(c->bans.n_allow + 1, sizeof(*keys));
	u32 one = 1;
	size_t i;
	int r = 0;

	if (c->bans.n_allow)
		memcpy(keys, c->bans.allow, c->bans.n_allow * sizeof(*keys));
	qsort(keys, w.n, sizeof(*keys), by_key);
	w.keys = keys;
	for (i = 0; i < w.n && !r; i++)
		r = sz_map_put(g->kern, SZ_MAP_ALLOW, &keys[i], &one);
	if (r)
		sz_error_set(e, r, "cannot write bans.allow to the kernel: %s", strerror(-r));
	else
		remove_stale(&w);
	free(keys);
	return r;
}

/* 1: added. What stands there by another hand stays. */
static int put_ban(struct sz_gateway *g, const struct sz_ban_key *key, const struct sz_ban *ban)
{
	struct sz_ban old;
	int r = sz_map_get(g->kern, SZ_MAP_BANS, key, &old);

	if (!r && old.source != SZ_BAN_CONF)
		return 0;
	if (!r && !memcmp(&old, ban, sizeof(old)))
		return 0;
	r = sz_map_put(g->kern, SZ_MAP_BANS, key, ban);
	return r ? r : 1;
}

/* Everything that the configuration bans, in `all`; *ret_added counts what is new of it. */
static int put_bans(struct sz_gateway *g, const struct sz_conf *c, struct sz_ban_list *all,
		    size_t *ret_added, struct sz_error *e)
{
	size_t i, from;
	int r = 0;

	for (i = 0; i < c->bans.n_import && !r; i++)
		r = sz_ban_list_read(c->bans.import[i], all, e);
	if (r)
		return r;
	for (i = 0; i < all->n && r >= 0; i++) {
		struct sz_ban ban = {.source = SZ_BAN_CONF, .why = "imported list"};

		r = put_ban(g, &all->keys[i], &ban);
		*ret_added += r > 0;
	}
	from = all->n;
	all->keys = sz_realloc(all->keys, from + c->bans.n_list + 1, sizeof(*all->keys));
	for (i = 0; i < c->bans.n_list && r >= 0; i++) {
		const struct sz_conf_ban *b = &c->bans.list[i];
		struct sz_ban ban = {.source = SZ_BAN_CONF};

		if (b->until_s && b->until_s <= sz_wall_ns() / SECOND)
			continue;
		ban.expires_ns = b->until_s ? sz_wall_to_boot_ns((s64)b->until_s) : 0;
		if (b->why)
			snprintf(ban.why, sizeof(ban.why), "%s", b->why);
		all->keys[all->n++] = b->key;
		r = put_ban(g, &b->key, &ban);
		*ret_added += r > 0;
	}
	return r >= 0 ? 0
		      : sz_error_set(e, r,
				     "cannot write the bans of the configuration to the kernel: "
				     "%s; at most %u fit",
				     r == -ENOSPC ? "it is full" : strerror(-r), SZ_MAX_BANS);
}

int sz_bans_publish(struct sz_gateway *g, const struct sz_conf *c, struct sz_error *e)
{
	struct wanted w = {.g = g, .map = SZ_MAP_BANS};
	struct sz_ban_list all = {};
	size_t added = 0, removed;
	char detail[160];
	int r = put_allowed(g, c, e);

	/* The programs skip bans while there are none: they look from here on. */
	if (!r && (c->bans.n_list || c->bans.n_import))
		__atomic_store_n(&g->cfg->ban_count, g->cfg->ban_count ? g->cfg->ban_count : 1,
				 __ATOMIC_SEQ_CST);
	if (!r)
		r = put_bans(g, c, &all, &added, e);
	if (r) {
		sz_ban_list_done(&all);
		return r;
	}
	qsort(all.keys, all.n, sizeof(*all.keys), by_key);
	w.keys = all.keys;
	w.n = all.n;
	removed = remove_stale(&w);
	sz_ban_list_done(&all);
	if (w.n_there - removed)
		__atomic_store_n(&g->cfg->ban_count, (u32)(w.n_there - removed), __ATOMIC_SEQ_CST);
	if (added || removed) {
		snprintf(detail, sizeof(detail),
			 "the configuration bans %zu prefixes: %zu added or changed, %zu lifted",
			 w.n, added, removed);
		if (g->journal)
			sz_gateway_record(g, SZ_AUDIT_BAN, detail);
		sz_log(SZ_LOG_INFO, "%s", detail);
	}
	return 0;
}

/* ---- repeated failures ---------------------------------------------------------------------- */

#define SETS 4096
#define WAYS 4

/* A source that has failed lately. The oldest of a set gives up its place. */
struct offender {
	struct sz_ban_key key;
	u64 tat;     /* GCRA state of its failures */
	u64 last_ns;
	u32 bans;    /* so far */
};

struct sz_offenders {
	struct offender all[SETS][WAYS];
};

void sz_bans_free(struct sz_offenders *o)
{
	free(o);
}

/* A token was sent, and it was none. What a client gets on its way to a good one does not count. */
static bool is_failure(u32 reason)
{
	return reason == SZ_R_BAD_TOKEN || reason == SZ_R_EXPIRED || reason == SZ_R_NOT_YET ||
	       reason == SZ_R_REVOKED || reason == SZ_R_BAD_ISSUER ||
	       reason == SZ_R_BAD_AUDIENCE || reason == SZ_R_UNKNOWN_KEY;
}

static struct sz_ban_key source_key(const struct sz_conf *c, const struct sz_addr *a)
{
	static const u8 mapped[12] = {[10] = 0xff, [11] = 0xff};
	bool v4 = !memcmp(a->b, mapped, sizeof(mapped));
	struct sz_ban_key key = {.prefixlen = v4 ? 96 + c->bans.automatic.prefix4
						 : c->bans.automatic.prefix6,
				 .addr = *a};
	u32 i;

	for (i = 0; i < 16; i++) {
		u32 keep = key.prefixlen > 8 * i ? key.prefixlen - 8 * i : 0;

		if (keep < 8)
			key.addr.b[i] &= (u8)(0xff00 >> keep);
	}
	return key;
}

static struct offender *offender_of(struct sz_gateway *g, const struct sz_ban_key *key)
{
	struct offender *set, *oldest;
	u32 h = 0x811c9dc5u, i;

	if (!g->offenders)
		g->offenders = sz_calloc(1, sizeof(*g->offenders));
	for (i = 0; i < 16; i++)
		h = (h ^ key->addr.b[i]) * 0x01000193u;
	for (i = 0; i < 8; i++) /* keyed, so that nobody chooses his neighbours */
		h = (h ^ g->cfg->key[i]) * 0x01000193u;
	set = g->offenders->all[(h ^ h >> 16) % SETS];
	oldest = set;
	for (i = 0; i < WAYS; i++) {
		if (!memcmp(&set[i].key, key, sizeof(*key)))
			return &set[i];
		if (set[i].last_ns < oldest->last_ns)
			oldest = &set[i];
	}
	*oldest = (struct offender){.key = *key};
	return oldest;
}

static void ban(struct sz_gateway *g, struct offender *o, u64 now)
{
	const struct sz_conf *c = g->conf;
	u64 seconds = (u64)c->bans.automatic.for_s << (o->bans < 20 ? o->bans : 20);
	struct sz_ban_key whole = {.prefixlen = 128, .addr = o->key.addr};
	struct sz_ban v = {.source = SZ_BAN_AUTO}, old;
	char addr[SZ_ADDR_STRLEN], detail[160];
	u32 bits = o->key.prefixlen, one;

	if (seconds > c->bans.automatic.at_most_s)
		seconds = c->bans.automatic.at_most_s;
	o->tat = 0;
	/* Allowed, or banned already by somebody whose word counts for more. */
	if (!sz_map_get(g->kern, SZ_MAP_ALLOW, &whole, &one) ||
	    (!sz_map_get(g->kern, SZ_MAP_BANS, &o->key, &old) && old.source != SZ_BAN_AUTO))
		return;
	v.expires_ns = now + seconds * SECOND;
	snprintf(v.why, sizeof(v.why), "%u failed authentications",
		 c->bans.automatic.failures);
	if (sz_map_put(g->kern, SZ_MAP_BANS, &o->key, &v)) {
		sz_log(SZ_LOG_WARNING, "no room for another ban; see 'subzeroctl bans'");
		return;
	}
	__atomic_add_fetch(&g->cfg->ban_count, 1, __ATOMIC_SEQ_CST);
	o->bans++;
	sz_addr_format(&o->key.addr, addr);
	snprintf(detail, sizeof(detail), "%s/%u for %llus: %u failed authentications within %us",
		 addr, strchr(addr, ':') ? bits : bits - 96, seconds,
		 c->bans.automatic.failures, c->bans.automatic.within_ms / 1000);
	sz_gateway_record(g, SZ_AUDIT_BAN, detail);
	sz_log(SZ_LOG_NOTICE, "banned %s", detail);
}

void sz_bans_on_event(struct sz_gateway *g, const struct sz_event *ev)
{
	const struct sz_conf *c = g->conf;
	u64 within = (u64)c->bans.automatic.within_ms * 1000000, now = sz_boot_ns();
	struct sz_ban_key key;
	struct offender *o;

	if (!c->bans.automatic.failures || ev->monitor || !is_failure(ev->reason))
		return;
	key = source_key(c, &ev->flow.client);
	o = offender_of(g, &key);
	/* Who kept quiet for as long as the longest ban begins anew. */
	if (o->bans && now - o->last_ns > 2 * (u64)c->bans.automatic.at_most_s * SECOND)
		o->bans = 0;
	o->last_ns = now;
	o->tat = (o->tat > now ? o->tat : now) + within / c->bans.automatic.failures;
	if (o->tat - now + within / c->bans.automatic.failures > within)
		ban(g, o, now);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Bans that nobody wrote down: of sources that fail to authenticate again and again. What others
 * have banned is left alone. Called with every record of a refusal.
 */
#include "gateway/gateway_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SECOND 1000000000ull

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

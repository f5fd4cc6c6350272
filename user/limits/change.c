/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Limits changed at run time: other rates until the next reload, buckets that are forgotten. Called
 * for the control socket and by the CLI when there is no daemon. Buckets are changed by the same
 * compare-and-swap as in the packet core.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "limits/limits_priv.h"

#include "config/config.h"
#include "subzero/bucket.h"

/* The slot of a limit in mapped memory; 0 with *e filled. */
static u32 find(struct sz_kern *k, const char *name, struct sz_limit **ret, struct sz_error *e)
{
	struct sz_limit_row row;

	if (sz_limits_find(k, name, &row, e))
		return 0;
	*ret = sz_limits_table(k, e) + row.slot;
	return row.slot;
}

static int new_rate(const struct sz_limit *l, const struct sz_limit_change *c,
		    struct sz_conf_rate *ret, struct sz_error *e)
{
	*ret = (struct sz_conf_rate){l->interval_ns, l->burst_ns};
	if (!c->rate && !c->burst)
		return 0;
	if (!c->rate) {
		if (!l->interval_ns)
			return sz_error_set(e, -EINVAL,
					    "\"%s\" has no rate that a burst could be of; give "
					    "both",
					    l->name);
		if (__builtin_mul_overflow(l->interval_ns, c->burst, &ret->burst_ns) ||
		    ret->burst_ns >> 61)
			return sz_error_set(e, -EOVERFLOW, "a burst of %llu would take centuries "
					    "to refill; give a smaller one", c->burst);
		return 0;
	}
	switch (sz_conf_rate_parse(c->rate, c->burst, ret)) {
	case 0:
		return 0;
	case -ERANGE:
		return sz_error_set(e, -ERANGE,
				    "rate \"%.64s\" is out of range; give 1 to 10000000 a second, "
				    "or none", c->rate);
	case -EOVERFLOW:
		return sz_error_set(e, -EOVERFLOW, "a burst of %llu would take centuries to "
				    "refill; give a smaller one", c->burst);
	default:
		return sz_error_set(e, -EINVAL,
				    "\"%.64s\" is not a rate; give a number and /s, /m or /h, like "
				    "100/s, or none", c->rate);
	}
}

int sz_limits_set(struct sz_kern *k, const char *name, const struct sz_limit_change *c,
		  struct sz_error *e)
{
	struct sz_limit *l, copy;
	u32 slot = find(k, name, &l, e), flags;
	struct sz_conf_rate rate;
	int r;

	if (!slot)
		return -ENOENT;
	if (!c->rate && !c->burst && c->dry_run < 0)
		return sz_error_set(e, -EINVAL, "nothing to set; give a rate, a burst or dry_run");
	r = new_rate(l, c, &rate, e);
	if (r)
		return r;
	flags = l->flags | SZ_LIMIT_BY_HAND;
	if (c->dry_run >= 0)
		flags = (flags & ~SZ_LIMIT_DRY) | (c->dry_run ? SZ_LIMIT_DRY : 0);
	copy = *l;
	copy.interval_ns = rate.interval_ns;
	copy.burst_ns = rate.burst_ns;
	r = sz_limits_put_answer(k, slot, &copy);
	if (r)
		return sz_error_set(e, r, "cannot write the answer of \"%s\": %s", name,
				    strerror(-r));
	__atomic_store_n(&l->flags, flags, __ATOMIC_RELEASE);
	sz_limit_store_rate(l, rate.interval_ns, rate.burst_ns);
	return 0;
}

/* ---- buckets -------------------------------------------------------------------------------- */

/*
 * Full again, which is what none would be; 1 where it held something back. `owner` (or NULL) is
 * looked at behind the bucket: one that has changed hands meanwhile is another's.
 */
static int forget(u64 *tat, const u64 *owner, u64 tag, u64 now)
{
	for (;;) {
		u64 old = __atomic_load_n(tat, __ATOMIC_ACQUIRE);

		if (!old || old == SZ_BUCKET_BUSY ||
		    (owner && __atomic_load_n(owner, __ATOMIC_ACQUIRE) != tag))
			return 0;
		if (sz_cas(tat, old, 0) == old)
			return old > now;
	}
}

static int route_number(struct sz_kern *k, const struct sz_limit *l, const char *s, u16 *ret)
{
	struct sz_name_key key = {.kind = SZ_NAME_ROUTE, .service = l->service};
	struct sz_name name;
	char *end;
	unsigned long n;

	for (key.id = 0; key.id < SZ_ROUTES_MAX; key.id++)
		if (!sz_map_get(k, SZ_MAP_NAMES, &key, &name) &&
		    !strncmp(name.s, s, sizeof(name.s))) {
			*ret = (u16)key.id;
			return 0;
		}
	n = strtoul(s, &end, 10);
	if (*s < '0' || *s > '9' || *end || n >= SZ_ROUTES_MAX)
		return -EINVAL;
	*ret = (u16)n;
	return 0;
}

static int principal_number(const char *s, u64 *ret)
{
	if (strlen(s) != 16 || strspn(s, "0123456789abcdefABCDEF") != 16)
		return -EINVAL;
	*ret = strtoull(s, NULL, 16);
	return 0;
}

/* The key of a subject; it must be named by exactly what the limit is by. */
static int subject_key(struct sz_kern *k, const struct sz_limit *l,
		       const struct sz_limit_subject *s, struct sz_bucket_key *ret,
		       struct sz_error *e)
{
	struct sz_addr a;
	u32 bits;

	if (!s->source != !(l->by & SZ_BY_SOURCE) || !s->principal != !(l->by & SZ_BY_PRINCIPAL) ||
	    !s->route != !(l->by & SZ_BY_ROUTE))
		return sz_error_set(e, -EINVAL, "\"%s\" is by%s%s%s%s; name exactly that",
				    l->name, l->by ? "" : " nothing",
				    l->by & SZ_BY_SOURCE ? " source" : "",
				    l->by & SZ_BY_PRINCIPAL ? " principal" : "",
				    l->by & SZ_BY_ROUTE ? " route" : "");
	*ret = (struct sz_bucket_key){.limit = l->id};
	if (s->source) {
		if (sz_prefix_parse(s->source, &a, &bits))
			return sz_error_set(e, -EINVAL, "\"%.64s\" is not an address", s->source);
		sz_bucket_source(&ret->source, &a, l->prefix4, l->prefix6);
	}
	if (s->principal && principal_number(s->principal, &ret->principal))
		return sz_error_set(e, -EINVAL, "\"%.64s\" is not a principal; give its 16 hex "
				    "digits", s->principal);
	if (s->route && route_number(k, l, s->route, &ret->route))
		return sz_error_set(e, -EINVAL, "\"%.64s\" is no route of this service", s->route);
	return 0;
}

static int reset_one(struct sz_kern *k, const struct sz_limit *l, const struct sz_bucket_key *key,
		     struct sz_bucket_set *sets, u64 now)
{
	u64 tag = sz_bucket_tag(sz_kern_config(k)->key, key);
	struct sz_bucket_set *set = &sets[sz_bucket_index(tag, l->table, sz_limits_sets(k))];
	u32 way = sz_bucket_way(set, tag);

	return way < SZ_BUCKET_WAYS ? forget(&set->tat[way], &set->tag[way], tag, now) : 0;
}

static int reset_all(struct sz_kern *k, struct sz_limit *l, struct sz_bucket_set *sets, u64 now)
{
	u32 n = sz_limits_sets(k), i, w;
	int found = forget(&l->tat, NULL, 0, now);

	forget(&l->spare_tat, NULL, 0, now);
	if (!l->by || l->table >= SZ_BUCKET_TABLES)
		return found;
	for (i = l->table * n; i < (l->table + 1u) * n; i++)
		for (w = 0; w < SZ_BUCKET_WAYS; w++) {
			u64 tag = __atomic_load_n(&sets[i].tag[w], __ATOMIC_ACQUIRE);

			if (tag && sets[i].key[w].limit == l->id)
				found += forget(&sets[i].tat[w], &sets[i].tag[w], tag, now);
		}
	return found;
}

int sz_limits_reset(struct sz_kern *k, const char *name, const struct sz_limit_subject *s,
		    struct sz_error *e)
{
	struct sz_bucket_set *sets = sz_limits_buckets_table(k, e);
	struct sz_bucket_key key;
	struct sz_limit *l;
	int r;

	if (!sets)
		return -EIO;
	if (!find(k, name, &l, e))
		return -ENOENT;
	if (!s)
		return reset_all(k, l, sets, sz_boot_ns());
	r = subject_key(k, l, s, &key, e);
	if (r)
		return r;
	return l->by ? reset_one(k, l, &key, sets, sz_boot_ns()) : reset_all(k, l, sets,
									     sz_boot_ns());
}

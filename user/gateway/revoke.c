/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Revocations live in the pinned map sz_revoked, where the CLI writes them and workers look them
 * up. The map is gone after a reboot, so it is kept in <state_dir>/revocations too: read into a
 * fresh map at start, written whenever somebody changed the map. New entries are audited.
 */
#include "gateway/gateway_priv.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "codec/codec.h"

#define LINE_LEN 80

#define PURGE_NS 3600000000000ull /* an end in the past must stay so for this long */

struct known {
	struct sz_id id;
	u64 past_ns; /* boot time at which it was first seen to be over; 0: is in force */
};

struct sz_revocations {
	char path[PATH_MAX];
	u64 epoch;           /* the map's state that is on disk */
	u64 looked_ns;       /* when it was last compared */
	struct known *known; /* sorted by id; what has been audited */
	size_t n_known;
};

static bool past(const struct sz_revoked *v)
{
	return v->until_s && v->until_s <= sz_wall_ns() / 1000000000ull;
}

bool sz_revocations_check(u32 kind, const struct sz_id *id, u64 issued_s, void *gateway)
{
	const struct sz_gateway *g = gateway;
	struct sz_revoked v;

	if (!id)
		return __atomic_load_n(&g->cfg->revoked_kinds, __ATOMIC_SEQ_CST) & 1u << kind;
	return !sz_map_get(g->kern, SZ_MAP_REVOKED, id, &v) &&
	       sz_revoked_holds(&v, issued_s, sz_wall_ns() / 1000000000ull);
}

static int by_id(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct sz_id)); /* the first member of struct known */
}

struct collect {
	struct sz_gateway *g;
	struct sz_buf text;
	struct known *all;
	size_t n, cap;
	bool audit;
};

static int collect_one(const void *key, const void *value, void *arg)
{
	const struct sz_revoked *v = value;
	struct collect *c = arg;
	const struct sz_revocations *r = c->g->revocations;
	const struct known *old =
		r->n_known ? bsearch(key, r->known, r->n_known, sizeof(*old), by_id) : NULL;
	char hex[2 * sizeof(struct sz_id) + 1], detail[128];
	u64 now = sz_boot_ns(), past_ns = 0;

	/* Not at first sight: a clock that jumped ahead may come back. */
	if (past(v)) {
		past_ns = old && old->past_ns ? old->past_ns : now;
		if (now - past_ns >= PURGE_NS) {
			sz_map_del(c->g->kern, SZ_MAP_REVOKED, key);
			return 0;
		}
	}
	/* Whoever wrote it. */
	if (v->kind < SZ_REVOKE_KIND_COUNT)
		__atomic_or_fetch(&c->g->cfg->revoked_kinds, 1u << v->kind, __ATOMIC_SEQ_CST);
	sz_hex_encode(key, sizeof(struct sz_id), hex);
	sz_buf_printf(&c->text, "%s %u %llu %llu\n", hex, v->kind, (unsigned long long)v->until_s,
		      (unsigned long long)v->before_s);
	if (c->n == c->cap) {
		c->cap = c->cap ? 2 * c->cap : 64;
		c->all = sz_realloc(c->all, c->cap, sizeof(*c->all));
	}
	memcpy(&c->all[c->n].id, key, sizeof(c->all->id));
	c->all[c->n++].past_ns = past_ns;
	if (c->audit && !old) {
		struct sz_audit_record rec = {.type = SZ_AUDIT_REVOKE,
					      .wall_ns = sz_wall_ns(),
					      .reason = SZ_R_REVOKED,
					      .detail = detail};

		snprintf(detail, sizeof(detail), "%s %s until %llu", sz_revoke_kind_name(v->kind),
			 hex, (unsigned long long)v->until_s);
		sz_journal_add(c->g->journal, &rec);
	}
	return 0;
}

/* Takes the map's content as known, writes it to disk. */
static int save(struct sz_gateway *g, bool audit)
{
	struct sz_revocations *r = g->revocations;
	struct collect c = {.g = g, .audit = audit};
	struct sz_error e = {};
	u64 epoch = __atomic_load_n(&g->cfg->revoke_epoch, __ATOMIC_ACQUIRE);
	int res;

	sz_map_each(g->kern, SZ_MAP_REVOKED, collect_one, &c);
	if (c.n)
		qsort(c.all, c.n, sizeof(*c.all), by_id);
	res = sz_file_replace(r->path, c.text.data ? c.text.data : "", c.text.len, 0600, &e);
	if (res)
		sz_log(SZ_LOG_ERR, "revocations are in force but not kept for the next boot: %s",
		       e.msg);
	else
		r->epoch = epoch;
	free(r->known);
	r->known = c.all;
	r->looked_ns = sz_boot_ns();
	r->n_known = c.n;
	sz_buf_done(&c.text);
	return res;
}

static int read_line(struct sz_gateway *g, const char *line, size_t n)
{
	struct sz_revoked v = {};
	unsigned long long until, before = 0; /* the last was not always there */
	char tail[LINE_LEN];
	struct sz_id id;
	unsigned kind;

	if (n < 33 || n >= sizeof(tail) || sz_hex_decode(line, 32, id.b))
		return -EINVAL;
	memcpy(tail, line + 32, n - 32);
	tail[n - 32] = 0;
	if (sscanf(tail, " %u %llu %llu", &kind, &until, &before) < 2 || kind < 1 ||
	    kind >= SZ_REVOKE_KIND_COUNT)
		return -EINVAL;
	v.kind = kind;
	v.until_s = until;
	v.before_s = before;
	return sz_map_put(g->kern, SZ_MAP_REVOKED, &id, &v); /* what is over is purged in time */
}

int sz_revocations_open(struct sz_gateway *g, struct sz_error *e)
{
	struct sz_revocations *r = sz_calloc(1, sizeof(*r));
	struct sz_buf text = {};
	const char *p, *nl;
	unsigned line = 0;
	int res;

	g->revocations = r;
	snprintf(r->path, sizeof(r->path), "%s/revocations", g->conf->state_dir);
	/* A map that outlived the last daemon knows better than the file. */
	if (g->cfg->abi && !sz_kern_map_is_new(g->kern, SZ_MAP_REVOKED))
		return save(g, false);
	res = sz_file_read(r->path, (size_t)SZ_MAX_REVOKED * LINE_LEN, &text, e);
	if (res && res != -ENOENT)
		return res;
	for (p = text.data; p && *p; p = nl + 1) {
		line++;
		nl = strchr(p, '\n');
		if (!nl || read_line(g, p, (size_t)(nl - p))) {
			res = sz_error_set(e, -EBADMSG,
					   "%s:%u: not a revocation; restore the file or "
					   "remove it (then those tokens are valid again)",
					   r->path, line);
			sz_buf_done(&text);
			return res;
		}
	}
	sz_buf_done(&text);
	return save(g, false);
}

void sz_revocations_tick(struct sz_gateway *g)
{
	struct sz_revocations *r = g->revocations;

	if (__atomic_load_n(&g->cfg->revoke_epoch, __ATOMIC_ACQUIRE) != r->epoch ||
	    (r->n_known && sz_boot_ns() - r->looked_ns > PURGE_NS))
		save(g, true);
}

void sz_revocations_free(struct sz_revocations *r)
{
	if (!r)
		return;
	free(r->known);
	free(r);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * revocations list, show and clear: what is revoked, and taking it back.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

struct revoked_row {
	struct sz_id id;
	struct sz_revoked revoked;
};

static const struct sz_ctl_column columns[] = {
	{"id", "ID", 0},       {"kind", "KIND", 0},  {"before", "ISSUED BEFORE", 0},
	{"until", "UNTIL", 0}, {"expired", NULL, 0},
};

static void add_row(struct sz_ctl_table *t, const struct revoked_row *r, u64 now)
{
	bool expired = r->revoked.until_s && r->revoked.until_s <= now;
	char hex[2 * sizeof(struct sz_id) + 1], s[SZ_CTL_TEXT_MAX];
	u64 before = r->revoked.before_s, until = r->revoked.until_s;

	sz_hex_encode(r->id.b, sizeof(r->id.b), hex);
	sz_ctl_cell_text(t, hex);
	sz_ctl_cell_text(t, sz_revoke_kind_name(r->revoked.kind));
	sz_ctl_cell(t, before ? json_integer((json_int_t)before) : NULL, "%s",
		    before ? sz_ctl_time((s64)before, s) : "-");
	sz_ctl_cell(t, until ? json_integer((json_int_t)until) : NULL, "%s%s",
		    until ? sz_ctl_time((s64)until, s) : "for ever", expired ? " (expired)" : "");
	sz_ctl_cell_colour(t, expired ? SZ_CTL_DIM : SZ_CTL_PLAIN);
	sz_ctl_cell(t, json_boolean(expired), "%s", "");
}

int sz_ctl_cmd_revocations_list(struct sz_ctl *c)
{
	u64 now = sz_wall_ns() / 1000000000, i;
	struct sz_ctl_rows rows;
	struct sz_ctl_table t;
	struct sz_error e;

	if (sz_ctl_read(c, SZ_MAP_REVOKED, sizeof(struct sz_id), sizeof(struct sz_revoked), &rows,
			&e))
		return sz_ctl_fail("%s", e.msg);
	sz_ctl_table_init(&t, columns, SZ_ARRAY_LEN(columns));
	for (i = 0; i < rows.n; i++)
		add_row(&t, &((const struct revoked_row *)rows.data)[i], now);
	free(rows.data);
	return sz_ctl_print(c, &t, "nothing is revoked");
}

static int read_id(const char *hex, struct sz_id *ret)
{
	if (strlen(hex) == 2 * sizeof(*ret) && !sz_hex_decode(hex, strlen(hex), ret->b))
		return 0;
	return sz_ctl_usage(
		"'%s' is not an ID: 32 digits of hex, as 'subzeroctl revocations' shows "
		"them",
		hex);
}

int sz_ctl_cmd_revocations_show(struct sz_ctl *c)
{
	struct revoked_row r;
	struct sz_ctl_table t;
	struct sz_error e;

	if (read_id(c->args.word[0], &r.id))
		return SZ_CTL_USAGE;
	if (sz_ctl_open(c, &e))
		return sz_ctl_fail("%s", e.msg);
	if (sz_map_get(c->kern, SZ_MAP_REVOKED, &r.id, &r.revoked))
		return sz_ctl_fail("%s is not revoked; see 'subzeroctl revocations'",
				   c->args.word[0]);
	sz_ctl_table_init(&t, columns, SZ_ARRAY_LEN(columns));
	add_row(&t, &r, sz_wall_ns() / 1000000000);
	return sz_ctl_print(c, &t, "");
}

struct clearing {
	struct sz_ctl *c;
	u64 names, grants;
};

static int drop_name(const void *key, const void *value, void *arg)
{
	struct clearing *x = arg;

	(void)value;
	x->names += !sz_map_del(x->c->kern, SZ_MAP_REVOKED, key);
	return 0;
}

static bool is_revoked(struct sz_ctl *c, const struct sz_id *id)
{
	static const struct sz_id none;
	struct sz_revoked entry;

	return memcmp(id, &none, sizeof(none)) && !sz_map_get(c->kern, SZ_MAP_REVOKED, id, &entry);
}

/* A grant without its mark would be a guess; without the grant the daemon decides anew. */
static int drop_grant(const void *key, const void *value, void *arg)
{
	const struct sz_grant *g = value;
	struct clearing *x = arg;

	if (!(g->flags & SZ_GRANT_REVOKED) || is_revoked(x->c, &g->jti) ||
	    is_revoked(x->c, &g->subject) || is_revoked(x->c, &g->issuer) ||
	    is_revoked(x->c, &g->session) || is_revoked(x->c, &g->key))
		return 0;
	x->grants += !sz_map_del(x->c->kern, SZ_MAP_GRANTS, key);
	return 0;
}

static int drop_denied(const void *key, const void *value, void *arg)
{
	const struct sz_denied *d = value;
	struct clearing *x = arg;

	if (d->reason == SZ_R_REVOKED)
		sz_map_del(x->c->kern, SZ_MAP_DENIED, key);
	return 0;
}

static int clear(struct sz_ctl *c, const struct sz_id *id, struct clearing *x)
{
	int err;

	*x = (struct clearing){.c = c};
	if (id) {
		err = sz_map_del(c->kern, SZ_MAP_REVOKED, id);
		x->names = !err;
	} else {
		err = sz_map_each(c->kern, SZ_MAP_REVOKED, drop_name, x);
	}
	if (!err)
		err = sz_map_each(c->kern, SZ_MAP_GRANTS, drop_grant, x);
	if (!err)
		err = sz_map_each(c->kern, SZ_MAP_DENIED, drop_denied, x);
	__atomic_add_fetch(&sz_kern_config(c->kern)->revoke_epoch, 1, __ATOMIC_SEQ_CST);
	return err;
}

int sz_ctl_cmd_revocations_clear(struct sz_ctl *c)
{
	bool all = sz_ctl_has(&c->args, "all");
	const char *hex = c->args.n_words ? c->args.word[0] : "";
	struct clearing x;
	struct sz_error e;
	struct sz_id id;
	int err;

	if (all == (c->args.n_words == 1))
		return sz_ctl_usage("revocations clear needs an ID, or --all");
	if (!all && read_id(hex, &id))
		return SZ_CTL_USAGE;
	if (sz_ctl_open(c, &e))
		return sz_ctl_fail("%s", e.msg);
	err = clear(c, all ? NULL : &id, &x);
	if (err == -ENOENT)
		return sz_ctl_fail("%s is not revoked; see 'subzeroctl revocations'", hex);
	if (err)
		return sz_ctl_fail("cannot clear: %s", strerror(-err));
	sz_ctl_record(c, "admin", "cleared %llu revocations", (unsigned long long)x.names);
	if (c->json)
		return sz_ctl_print_json(json_pack("{s:I, s:I}", "cleared", (json_int_t)x.names,
						   "grants_dropped", (json_int_t)x.grants));
	printf("%llu revocations cleared, %llu grants dropped; the daemon decides these tokens "
	       "anew\n",
	       (unsigned long long)x.names, (unsigned long long)x.grants);
	return SZ_CTL_OK;
}

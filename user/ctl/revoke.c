/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * grants revoke, revocations list and clear. The order matters: the name goes into sz_revoked
 * before any grant is touched, so that whatever the daemon verifies from then on is refused; then
 * the grants that exist are marked, and the epoch tells the daemon to look again.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "jose/jose.h"

struct revocation {
	enum sz_revoke_kind kind;
	struct sz_id id;
	struct sz_buf value;
	u64 until_s;  /* wall clock; 0 = for ever */
	u64 until_ns; /* the same in the maps' clock; UINT64_MAX = for ever */
	u64 grants;   /* marked */
	int err;      /* first error of a walk */
	struct sz_ctl *c;
};

/* ---- revoke --------------------------------------------------------------------------------- */

/* A token needs no memory of it once it has expired by itself, with the largest clock skew. */
static u64 token_end(const struct sz_buf *token)
{
	struct sz_token t = {0};
	struct sz_error ignored;
	u64 end = 0;

	if (!sz_token_peek(token->data, token->len, &t, &ignored) && t.exp > 0)
		end = (u64)t.exp + SZ_SKEW_MAX + 1;
	sz_token_done(&t);
	return end;
}

static int read_request(struct sz_ctl *c, struct revocation *r)
{
	const char *duration = sz_ctl_value(&c->args, "for"), *value = NULL;
	struct sz_error e;
	u64 seconds;
	u32 kind, n = 0;

	*r = (struct revocation){.c = c, .until_ns = UINT64_MAX};
	for (kind = SZ_REVOKE_TOKEN; kind <= SZ_REVOKE_ISSUER; kind++) {
		if (!sz_ctl_has(&c->args, sz_revoke_kind_name(kind)))
			continue;
		r->kind = (enum sz_revoke_kind)kind;
		value = sz_ctl_value(&c->args, sz_revoke_kind_name(kind));
		n++;
	}
	if (n != 1)
		return sz_ctl_usage(
			"grants revoke needs one of --token, --jti, --subject, --issuer");
	if (!*value)
		return sz_ctl_usage("--%s is empty", sz_revoke_kind_name(r->kind));
	if (r->kind != SZ_REVOKE_TOKEN)
		sz_buf_add(&r->value, value, strlen(value));
	else if (sz_ctl_token(value, &r->value, &e))
		return sz_ctl_fail("%s", e.msg);
	if (duration && (sz_ctl_parse_duration(duration, &seconds) || !seconds))
		return sz_ctl_usage("--for '%s' is not a duration; write 30m, 12h, 7d", duration);
	if (duration)
		r->until_s = sz_wall_ns() / 1000000000 + seconds;
	else if (r->kind == SZ_REVOKE_TOKEN)
		r->until_s = token_end(&r->value);
	if (r->until_s)
		r->until_ns = sz_wall_to_boot_ns((s64)r->until_s);
	r->id = sz_revoke_id(r->kind, r->value.data, r->value.len);
	return 0;
}

/* The grant as it is now: the daemon may have renewed or removed it since it was listed. */
static int mark(struct revocation *r, const struct sz_grant_key *key)
{
	struct sz_grant g;
	int err = sz_map_get(r->c->kern, SZ_MAP_GRANTS, key, &g);

	if (err)
		return err == -ENOENT ? 0 : err;
	g.flags |= SZ_GRANT_REVOKED;
	/* When the revocation ends, the grant is void and the daemon is asked again. */
	if (r->until_ns < g.expires_ns)
		g.expires_ns = r->until_ns;
	err = sz_map_put(r->c->kern, SZ_MAP_GRANTS, key, &g);
	r->grants += !err;
	return err;
}

static int mark_matching(const void *key, const void *value, void *arg)
{
	const struct sz_grant *g = value;
	struct revocation *r = arg;
	const struct sz_id *id = r->kind == SZ_REVOKE_JTI       ? &g->jti
				 : r->kind == SZ_REVOKE_SUBJECT ? &g->subject
								: &g->issuer;
	int err;

	if (memcmp(id, &r->id, sizeof(r->id)))
		return 0;
	err = mark(r, key);
	if (err && !r->err)
		r->err = err; /* the others must still be marked */
	return 0;
}

static int revoke_token(struct revocation *r)
{
	const struct sz_config *cfg = sz_kern_config(r->c->kern);
	struct sz_denied denied = {.expires_ns = r->until_ns,
				   .policy_gen = cfg->policy_gen,
				   .key_gen = cfg->key_gen,
				   .reason = SZ_R_REVOKED};
	struct sz_grant_key key = {0};
	u32 *ids;
	size_t n, i;
	int err = 0, last;

	/* Without a key nothing was ever granted. */
	if (sz_ctl_token_digest(r->c, &r->value, &key.token))
		return 0;
	n = sz_ctl_services(r->c, &ids);
	for (i = 0; i < n; i++) {
		key.service = ids[i];
		last = mark(r, &key);
		if (!last)
			last = sz_map_put(r->c->kern, SZ_MAP_DENIED, &key, &denied);
		err = err ? err : last;
	}
	free(ids);
	return err;
}

static void bump_epoch(struct sz_ctl *c)
{
	__atomic_add_fetch(&sz_kern_config(c->kern)->revoke_epoch, 1, __ATOMIC_SEQ_CST);
}

static int revoke(struct revocation *r, struct sz_error *e)
{
	struct sz_revoked entry = {.until_s = r->until_s, .kind = r->kind};
	int err = sz_map_put(r->c->kern, SZ_MAP_REVOKED, &r->id, &entry);

	if (err == -E2BIG)
		return sz_error_set(e, err,
				    "the list of revocations is full; make room with "
				    "'subzeroctl revocations clear'");
	if (err)
		return sz_error_set(e, err, "cannot write sz_revoked: %s", strerror(-err));
	if (r->kind == SZ_REVOKE_TOKEN)
		err = revoke_token(r);
	else
		err = sz_map_each(r->c->kern, SZ_MAP_GRANTS, mark_matching, r);
	err = err ? err : r->err;
	bump_epoch(r->c);
	if (err)
		return sz_error_set(e, err,
				    "revoked for new verifications, but not every grant "
				    "could be marked: %s; repeat the command",
				    strerror(-err));
	return 0;
}

int sz_ctl_cmd_grants_revoke(struct sz_ctl *c)
{
	char hex[2 * sizeof(struct sz_id) + 1], until[SZ_CTL_TEXT_MAX];
	struct revocation r;
	struct sz_error e;
	u64 start, took;
	int ret = read_request(c, &r);

	if (ret)
		goto out;
	ret = SZ_CTL_FAILED;
	if (sz_ctl_open(c, &e)) {
		sz_ctl_fail("%s", e.msg);
		goto out;
	}
	start = sz_boot_ns();
	if (revoke(&r, &e)) {
		sz_ctl_fail("%s", e.msg);
		goto out;
	}
	took = sz_boot_ns() - start;
	sz_hex_encode(r.id.b, sizeof(r.id.b), hex);
	ret = SZ_CTL_OK;
	if (c->json)
		ret = sz_ctl_print_json(
			json_pack("{s:s, s:s, s:I, s:I, s:o}", "id", hex, "kind", sz_revoke_kind_name(r.kind),
				  "grants_revoked", (json_int_t)r.grants, "took_us",
				  (json_int_t)(took / 1000), "until",
				  r.until_s ? json_integer((json_int_t)r.until_s) : json_null()));
	else
		printf("%s revoked %s%s: %llu grants marked in %llu.%03llu ms (id %s)\n",
		       sz_revoke_kind_name(r.kind), r.until_s ? "until " : "for ever",
		       r.until_s ? sz_ctl_time((s64)r.until_s, until) : "",
		       (unsigned long long)r.grants, (unsigned long long)(took / 1000000),
		       (unsigned long long)(took / 1000 % 1000), hex);
out:
	sz_buf_done(&r.value);
	return ret;
}

/* ---- revocations ---------------------------------------------------------------------------- */

struct revoked_row {
	struct sz_id id;
	struct sz_revoked revoked;
};

static const struct sz_ctl_column columns[] = {
	{"id", "ID", 0},
	{"kind", "KIND", 0},
	{"until", "UNTIL", 0},
	{"expired", NULL, 0},
};

int sz_ctl_cmd_revocations_list(struct sz_ctl *c)
{
	char hex[2 * sizeof(struct sz_id) + 1], s[SZ_CTL_TEXT_MAX];
	u64 now = sz_wall_ns() / 1000000000, i;
	struct sz_ctl_rows rows;
	struct sz_ctl_table t;
	struct sz_error e;

	if (sz_ctl_read(c, SZ_MAP_REVOKED, sizeof(struct sz_id), sizeof(struct sz_revoked), &rows,
			&e))
		return sz_ctl_fail("%s", e.msg);
	sz_ctl_table_init(&t, columns, SZ_ARRAY_LEN(columns));
	for (i = 0; i < rows.n; i++) {
		struct revoked_row r = ((const struct revoked_row *)rows.data)[i];
		bool expired;

		expired = r.revoked.until_s && r.revoked.until_s <= now;
		sz_hex_encode(r.id.b, sizeof(r.id.b), hex);
		sz_ctl_cell_text(&t, hex);
		sz_ctl_cell_text(&t, sz_revoke_kind_name(r.revoked.kind));
		sz_ctl_cell(&t,
			    r.revoked.until_s ? json_integer((json_int_t)r.revoked.until_s) : NULL,
			    "%s%s",
			    r.revoked.until_s ? sz_ctl_time((s64)r.revoked.until_s, s) : "for ever",
			    expired ? " (expired)" : "");
		sz_ctl_cell_colour(&t, expired ? SZ_CTL_DIM : SZ_CTL_PLAIN);
		sz_ctl_cell(&t, json_boolean(expired), "%s", "");
	}
	free(rows.data);
	return sz_ctl_print(c, &t, "nothing is revoked");
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
	    is_revoked(x->c, &g->subject) || is_revoked(x->c, &g->issuer))
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
	bump_epoch(c);
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
	if (!all && (strlen(hex) != 2 * sizeof(id) || sz_hex_decode(hex, strlen(hex), id.b)))
		return sz_ctl_usage("'%s' is not an ID: 32 digits of hex, as 'subzeroctl "
				    "revocations' shows them",
				    hex);
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

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * grants list and show: the tokens the kernel admits without asking. Never shows a token: the maps
 * hold only its keyed digest.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

struct grant_row {
	struct sz_grant_key key;
	struct sz_grant grant;
};

struct denied_row {
	struct sz_grant_key key;
	struct sz_denied denied;
};

static int by_created(const void *a, const void *b)
{
	const struct grant_row *x = a, *y = b;

	return x->grant.created_ns > y->grant.created_ns
		       ? -1
		       : x->grant.created_ns < y->grant.created_ns;
}

static const char *grant_state(struct sz_ctl *c, const struct sz_grant *g, u64 now)
{
	const struct sz_config *cfg = sz_kern_config(c->kern);

	if (g->expires_ns <= now)
		return "expired";
	if (!sz_grant_current(g, cfg))
		return "stale";
	return g->flags & SZ_GRANT_REVOKED ? "revoked" : "active";
}

static enum sz_ctl_colour state_colour(const char *state)
{
	if (!strcmp(state, "active"))
		return SZ_CTL_GREEN;
	return strcmp(state, "revoked") ? SZ_CTL_DIM : SZ_CTL_RED;
}

static u32 count_bits(const u64 *w)
{
	u32 n = 0, i;

	for (i = 0; i < SZ_ROUTE_WORDS; i++)
		n += (u32)__builtin_popcountll(w[i]);
	return n;
}

static const struct sz_ctl_column columns[] = {
	{NULL, "TOKEN", 0},
	{"token", NULL, 0},
	{"service", "SERVICE", SZ_CTL_SHRINK},
	{"principal", "PRINCIPAL", SZ_CTL_SHRINK},
	{"principal_id", NULL, 0},
	{"state", "STATE", 0},
	{"age_ms", "AGE", SZ_CTL_RIGHT},
	{"expires_in_ms", "EXPIRES", 0},
	{"allow", "ALLOW", SZ_CTL_RIGHT},
	{"ask", "ASK", SZ_CTL_RIGHT},
};

static void add_grant(struct sz_ctl *c, struct sz_ctl_table *t, const struct grant_row *r, u64 now)
{
	const char *state = grant_state(c, &r->grant, now);
	char s[SZ_NAME_MAX], digest[SZ_CTL_TEXT_MAX];
	s64 left = (s64)((r->grant.expires_ns - now) / 1000000);

	sz_ctl_digest(&r->key.token, digest);
	sz_ctl_cell(t, NULL, "%.12s", digest);
	sz_ctl_cell_text(t, digest);
	sz_ctl_cell_text(t, sz_ctl_service_name(c, r->key.service, s));
	sz_ctl_cell_text(t, sz_ctl_principal_name(c, r->grant.principal, s));
	sz_ctl_cell_text(t, sz_ctl_principal_hex(r->grant.principal, s));
	sz_ctl_cell_text(t, state);
	sz_ctl_cell_colour(t, state_colour(state));
	sz_ctl_cell_age(t, r->grant.created_ns, now);
	sz_ctl_cell(t, json_integer(r->grant.expires_ns > now ? left : 0), "%s",
		    sz_ctl_until(r->grant.expires_ns, now, s));
	sz_ctl_cell_u64(t, count_bits(r->grant.allow));
	sz_ctl_cell_u64(t, count_bits(r->grant.ask));
}

static bool is_wanted(struct sz_ctl *c, const struct grant_row *r, const char *principal)
{
	char s[SZ_NAME_MAX];

	if (!principal)
		return true;
	if (!strcmp(sz_ctl_principal_hex(r->grant.principal, s), principal))
		return true;
	return strstr(sz_ctl_principal_name(c, r->grant.principal, s), principal) != NULL;
}

int sz_ctl_cmd_grants_list(struct sz_ctl *c)
{
	const char *principal = sz_ctl_value(&c->args, "principal");
	u64 limit, now, i, shown = 0, left_out = 0;
	struct sz_ctl_rows rows;
	struct sz_ctl_table t;
	struct sz_error e;

	if (sz_ctl_limit(c, 50, &limit))
		return SZ_CTL_USAGE;
	if (sz_ctl_read(c, SZ_MAP_GRANTS, sizeof(struct sz_grant_key), sizeof(struct sz_grant),
			&rows, &e))
		return sz_ctl_fail("%s", e.msg);
	if (rows.n)
		qsort(rows.data, rows.n, rows.size, by_created);
	now = sz_boot_ns();
	sz_ctl_table_init(&t, columns, SZ_ARRAY_LEN(columns));
	for (i = 0; i < rows.n; i++) {
		const struct grant_row *r = (const struct grant_row *)rows.data + i;

		if (!is_wanted(c, r, principal))
			continue;
		if (shown++ < limit)
			add_grant(c, &t, r, now);
		else
			left_out++;
	}
	free(rows.data);
	if (left_out && !c->json)
		sz_ctl_note("%llu more; -n 0 shows all", (unsigned long long)left_out);
	return sz_ctl_print(c, &t, "no grants");
}

/* ---- show ----------------------------------------------------------------------------------- */

static json_t *routes_json(struct sz_ctl *c, u32 service, const u64 *w)
{
	json_t *list = json_array();
	char s[SZ_NAME_MAX];
	u32 i;

	for (i = 0; i < SZ_ROUTES_MAX; i++) {
		if (!(w[i / 64] >> (i % 64) & 1))
			continue;
		sz_ctl_route_name(c, service, (u16)i, s);
		json_array_append_new(list, sz_ctl_text(s, strlen(s)));
	}
	return list;
}

static json_t *id_json(const struct sz_id *id)
{
	static const struct sz_id none;
	char hex[2 * sizeof(id->b) + 1];

	if (!memcmp(id, &none, sizeof(none)))
		return json_null();
	sz_hex_encode(id->b, sizeof(id->b), hex);
	return json_string(hex);
}

static json_t *grant_json(struct sz_ctl *c, const struct grant_row *r, u64 now)
{
	const struct sz_grant *g = &r->grant;
	char s[SZ_NAME_MAX], name[SZ_NAME_MAX];
	json_t *v = json_object();
	u64 left = g->expires_ns > now ? g->expires_ns - now : 0;

	json_object_set_new(v, "token", json_string(sz_ctl_digest(&r->key.token, s)));
	sz_ctl_service_name(c, r->key.service, name);
	json_object_set_new(v, "service", sz_ctl_text(name, strlen(name)));
	json_object_set_new(v, "state", json_string(grant_state(c, g, now)));
	sz_ctl_principal_name(c, g->principal, name);
	json_object_set_new(v, "principal", sz_ctl_text(name, strlen(name)));
	json_object_set_new(v, "principal_id", json_string(sz_ctl_principal_hex(g->principal, s)));
	json_object_set_new(v, "age_ms",
			    json_integer((json_int_t)((now - g->created_ns) / 1000000)));
	json_object_set_new(v, "expires_in_ms", json_integer((json_int_t)(left / 1000000)));
	json_object_set_new(v, "policy_generation", json_integer(g->policy_gen));
	json_object_set_new(v, "key_generation", json_integer(g->key_gen));
	json_object_set_new(v, "allow", routes_json(c, r->key.service, g->allow));
	json_object_set_new(v, "ask", routes_json(c, r->key.service, g->ask));
	json_object_set_new(v, "jti_id", id_json(&g->jti));
	json_object_set_new(v, "subject_id", id_json(&g->subject));
	json_object_set_new(v, "issuer_id", id_json(&g->issuer));
	return v;
}

static json_t *denied_json(struct sz_ctl *c, const struct denied_row *r, u64 now)
{
	const struct sz_denied *d = &r->denied;
	bool forever = d->expires_ns == UINT64_MAX;
	char s[SZ_NAME_MAX], name[SZ_NAME_MAX];
	json_t *v = json_object();

	json_object_set_new(v, "token", json_string(sz_ctl_digest(&r->key.token, s)));
	sz_ctl_service_name(c, r->key.service, name);
	json_object_set_new(v, "service", sz_ctl_text(name, strlen(name)));
	json_object_set_new(v, "state", json_string("denied"));
	json_object_set_new(v, "reason", json_string(sz_reason_label(d->reason)));
	json_object_set_new(
		v, "expires_in_ms",
		forever ? json_null()
			: json_integer(d->expires_ns > now
					       ? (json_int_t)((d->expires_ns - now) / 1000000)
					       : 0));
	return v;
}

static void print_member(const char *key, const json_t *v)
{
	struct sz_buf b = {0}, line = {0};
	size_t len = strlen(key), i;
	char s[SZ_CTL_TEXT_MAX];

	if (len > 3 && !strcmp(key + len - 3, "_ms") && json_is_integer(v)) {
		sz_buf_printf(&b, "%s", sz_ctl_age((u64)json_integer_value(v) * 1000000, s));
		len -= 3;
	} else if (json_is_array(v)) {
		for (i = 0; i < json_array_size(v); i++)
			sz_buf_printf(&b, "%s%s", i ? ", " : "",
				      json_string_value(json_array_get(v, i)));
	} else if (json_is_integer(v)) {
		sz_buf_printf(&b, "%lld", (long long)json_integer_value(v));
	} else if (json_is_string(v)) {
		sz_buf_printf(&b, "%s", json_string_value(v));
	}
	if (!b.len)
		sz_buf_printf(&b, "%s",
			      json_is_null(v) && !strncmp(key, "expires", 7) ? "never" : "-");
	sz_ctl_clean(&line, b.data, b.len);
	printf("%-18.*s %s\n", (int)len, key, line.data);
	sz_buf_done(&b);
	sz_buf_done(&line);
}

/* Entries of both maps whose digest begins with `prefix`. */
static int find_all(struct sz_ctl *c, const char *prefix, json_t *found, struct sz_error *e)
{
	struct sz_ctl_rows rows;
	char s[SZ_CTL_TEXT_MAX];
	u64 now = sz_boot_ns(), i;
	int err;

	err = sz_ctl_read(c, SZ_MAP_GRANTS, sizeof(struct sz_grant_key), sizeof(struct sz_grant),
			  &rows, e);
	if (err)
		return err;
	for (i = 0; i < rows.n; i++) {
		const struct grant_row *r = (const struct grant_row *)rows.data + i;

		if (!strncmp(sz_ctl_digest(&r->key.token, s), prefix, strlen(prefix)))
			json_array_append_new(found, grant_json(c, r, now));
	}
	free(rows.data);
	err = sz_ctl_read(c, SZ_MAP_DENIED, sizeof(struct sz_grant_key), sizeof(struct sz_denied),
			  &rows, e);
	if (err)
		return err;
	for (i = 0; i < rows.n; i++) {
		const struct denied_row *r = (const struct denied_row *)rows.data + i;

		if (r->denied.expires_ns > now &&
		    !strncmp(sz_ctl_digest(&r->key.token, s), prefix, strlen(prefix)))
			json_array_append_new(found, denied_json(c, r, now));
	}
	free(rows.data);
	return 0;
}

/* The digest that was named, or that of the token; `s` holds SZ_CTL_TEXT_MAX bytes. */
static int wanted_digest(struct sz_ctl *c, char *s)
{
	const char *token = sz_ctl_value(&c->args, "token");
	struct sz_buf b = {0};
	struct sz_digest d;
	struct sz_error e;
	int err;

	if (!token) {
		const char *word = c->args.n_words ? c->args.word[0] : "";

		if (strlen(word) < 4 || strlen(word) > 32 ||
		    strspn(word, "0123456789abcdef") != strlen(word))
			return sz_ctl_usage("grants show needs a token's digest (4 to 32 digits of "
					    "hex, as 'grants list' shows it) or --token");
		strcpy(s, word);
		return 0;
	}
	if (c->args.n_words)
		return sz_ctl_usage("give a digest or --token, not both");
	err = sz_ctl_token(token, &b, &e);
	if (err) {
		sz_buf_done(&b);
		return sz_ctl_fail("%s", e.msg);
	}
	err = sz_ctl_token_digest(c, &b, &d);
	sz_buf_done(&b);
	if (err)
		return sz_ctl_fail("no digest key yet: start subzerod first");
	sz_ctl_digest(&d, s);
	return 0;
}

int sz_ctl_cmd_grants_show(struct sz_ctl *c)
{
	char digest[SZ_CTL_TEXT_MAX];
	json_t *found, *entry, *v;
	struct sz_error e;
	const char *key;
	size_t i;
	int ret;

	if (sz_ctl_open(c, &e))
		return sz_ctl_fail("%s", e.msg);
	ret = wanted_digest(c, digest);
	if (ret)
		return ret;
	found = json_array();
	if (find_all(c, digest, found, &e)) {
		json_decref(found);
		return sz_ctl_fail("%s", e.msg);
	}
	ret = json_array_size(found) ? SZ_CTL_OK : SZ_CTL_FAILED;
	if (c->json) {
		sz_ctl_print_json(found);
		return ret;
	}
	json_array_foreach(found, i, entry)
	{
		if (i)
			putchar('\n');
		json_object_foreach(entry, key, v) print_member(key, v);
	}
	json_decref(found);
	if (ret)
		sz_ctl_fail("the kernel knows no token %s: its next request is asked of the daemon",
			    digest);
	return ret;
}

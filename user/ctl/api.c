/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * api token: who may use the local API. Works on the tokens file alone; the daemon reads it again
 * by itself. A secret is printed once, when it is made, and kept nowhere.
 */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "ctl/ctl.h"

#define NS         1000000000ull
#define STATE_FILE "/var/lib/subzero/api-tokens.json"

static const char *tokens_path(struct sz_ctl *c)
{
	const char *path = sz_ctl_value(&c->args, "file");
	const struct sz_conf *conf;

	if (path)
		return path;
	conf = sz_ctl_conf(c);
	return conf ? conf->api.tokens : STATE_FILE;
}

static int add_scopes(struct sz_ctl *c, struct sz_api_token *t)
{
	const char *s;
	unsigned i;

	for (i = 0; (s = sz_ctl_value_at(&c->args, "scope", i)) != NULL; i++) {
		if (!sz_api_is_name(s))
			return sz_ctl_usage("--scope '%s' is no scope; write it like rebac:read",
					    s);
		if (t->n_scopes == SZ_API_SCOPES_MAX)
			return sz_ctl_usage("more than %d scopes", SZ_API_SCOPES_MAX);
		strcpy(t->scopes[t->n_scopes++], s);
	}
	return i ? SZ_CTL_OK
		 : sz_ctl_usage("--scope SCOPE is missing: rebac:read, rebac:write, revoke, ...");
}

static int add(struct sz_ctl *c, struct sz_api_tokens *t, const char *path, const char *name)
{
	const char *life = sz_ctl_value(&c->args, "for");
	char secret[SZ_API_SECRET_LEN + 3];
	struct sz_api_token *new;
	struct sz_error e;
	size_t i;
	u64 s = 0;
	int ret;

	if (!sz_api_is_name(name))
		return sz_ctl_usage("'%s' is no name; use letters, digits and . _ : -", name);
	for (i = 0; i < t->n; i++)
		if (!strcmp(t->token[i].name, name))
			return sz_ctl_fail("there is a token '%s' already; remove it first, or "
					   "choose another name", name);
	if (life && (sz_ctl_parse_duration(life, &s) || !s))
		return sz_ctl_usage("--for '%s' is no duration; write it like 90d", life);
	t->token = sz_realloc(t->token, t->n + 1, sizeof(*t->token));
	new = &t->token[t->n++];
	*new = (struct sz_api_token){.created_s = (s64)(sz_wall_ns() / NS)};
	strcpy(new->name, name);
	new->expires_s = s ? new->created_s + (s64)s : 0;
	ret = add_scopes(c, new);
	if (ret)
		return ret;
	sz_api_secret_make(secret, new->digest);
	if (sz_api_tokens_write(path, t, &e))
		return sz_ctl_fail("%s", e.msg);
	sz_ctl_record(c, "admin", "API token '%s' was added", name);
	if (c->json)
		return sz_ctl_print_json(json_pack("{s:s, s:s}", "name", name, "secret", secret));
	printf("%s\n", secret);
	sz_ctl_note("keep this secret: it is not shown again");
	return SZ_CTL_OK;
}

static int take_away(struct sz_ctl *c, struct sz_api_tokens *t, const char *path, const char *name)
{
	struct sz_error e;
	size_t i;

	for (i = 0; i < t->n && strcmp(t->token[i].name, name); i++)
		;
	if (i == t->n)
		return sz_ctl_fail("there is no token '%s'; 'subzeroctl api token list' shows them",
				   name);
	memmove(&t->token[i], &t->token[i + 1], (t->n - i - 1) * sizeof(*t->token));
	t->n--;
	if (sz_api_tokens_write(path, t, &e))
		return sz_ctl_fail("%s", e.msg);
	sz_ctl_record(c, "admin", "API token '%s' was removed", name);
	if (!c->json)
		printf("removed; the daemon takes it no more\n");
	return SZ_CTL_OK;
}

static int list(struct sz_ctl *c, const struct sz_api_tokens *t)
{
	static const struct sz_ctl_column columns[] = {
		{"name", "NAME", 0},
		{"scopes", "SCOPES", SZ_CTL_SHRINK},
		{"created", "CREATED", 0},
		{"expires", "EXPIRES", 0},
	};
	struct sz_ctl_table table;
	struct sz_buf scopes = {0};
	char text[SZ_CTL_TEXT_MAX];
	size_t i;
	u32 k;

	sz_ctl_table_init(&table, columns, SZ_ARRAY_LEN(columns));
	for (i = 0; i < t->n; i++) {
		const struct sz_api_token *v = &t->token[i];

		sz_buf_reset(&scopes);
		for (k = 0; k < v->n_scopes; k++)
			sz_buf_printf(&scopes, "%s%s", k ? " " : "", v->scopes[k]);
		sz_ctl_cell_text(&table, v->name);
		sz_ctl_cell_text(&table, scopes.data ? scopes.data : "");
		sz_ctl_cell_text(&table, sz_ctl_time(v->created_s, text));
		sz_ctl_cell_text(&table, !v->expires_s ? "never" : sz_ctl_time(v->expires_s, text));
	}
	sz_buf_done(&scopes);
	return sz_ctl_print(c, &table, "no tokens; make one with 'subzeroctl api token add'");
}

int sz_ctl_cmd_api_token(struct sz_ctl *c)
{
	const char *what = c->args.word[0], *path = tokens_path(c);
	const char *name = c->args.n_words > 1 ? c->args.word[1] : NULL;
	struct sz_api_tokens t;
	struct sz_error e = {""};
	int ret = sz_api_tokens_read(path, &t, &e);

	if (ret && ret != -ENOENT)
		return sz_ctl_fail("%s", e.msg);
	if (!strcmp(what, "list") && !name)
		ret = list(c, &t);
	else if (!strcmp(what, "add") && name)
		ret = add(c, &t, path, name);
	else if (!strcmp(what, "remove") && name)
		ret = take_away(c, &t, path, name);
	else
		ret = sz_ctl_usage("'api token' is followed by add NAME, remove NAME or list");
	sz_api_tokens_done(&t);
	return ret;
}

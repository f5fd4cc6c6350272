/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * keys list, keys refresh: where the issuers' keys come from and how fresh they are, as the daemon
 * knows it; and to have them fetched now.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

#define ASK_S     2
#define REFRESH_S 180 /* two requests with the longest timeout each, and one under way */

static const struct sz_ctl_column columns[] = {
	{"issuer", "ISSUER", SZ_CTL_SHRINK},
	{"source", "SOURCE", 0},
	{"keys", "KEYS", SZ_CTL_RIGHT},
	{"age_s", "AGE", SZ_CTL_RIGHT},
	{"next_s", "NEXT", SZ_CTL_RIGHT},
	{"state", "STATE", 0},
	{"error", "LAST ERROR", SZ_CTL_SHRINK},
};

static void cell_seconds(struct sz_ctl_table *t, const json_t *v)
{
	char s[SZ_CTL_TEXT_MAX];

	if (json_is_integer(v))
		sz_ctl_cell(t, json_incref((json_t *)v), "%s",
			    sz_ctl_age((u64)json_integer_value(v) * 1000000000ull, s));
	else
		sz_ctl_cell(t, NULL, "-");
}

static void cell_string(struct sz_ctl_table *t, const char *s)
{
	sz_ctl_cell_text(t, s && *s ? s : "-");
}

static void add_row(struct sz_ctl_table *t, const json_t *v)
{
	const json_t *in = json_object_get(v, "introspection"), *keys = json_object_get(v, "keys");
	const char *source = json_string_value(json_object_get(v, "source"));
	const char *error = json_string_value(json_object_get(v, "error"));
	const char *breaker = json_string_value(json_object_get(in, "breaker"));
	bool good = !source || json_is_true(json_object_get(v, "usable"));
	bool open = breaker && strcmp(breaker, "closed") != 0;

	cell_string(t, json_string_value(json_object_get(v, "issuer")));
	cell_string(t, source ? source : "introspection");
	if (keys)
		sz_ctl_cell_u64(t, (u64)json_integer_value(keys));
	else
		sz_ctl_cell(t, NULL, "-");
	cell_seconds(t, json_object_get(v, "age_s"));
	cell_seconds(t, json_object_get(v, "next_s"));
	sz_ctl_cell_text(t, !good ? "no keys" : open ? "paused" : error && *error ? "stale" : "ok");
	sz_ctl_cell_colour(t, !good || open ? SZ_CTL_RED :
			      error && *error ? SZ_CTL_YELLOW : SZ_CTL_GREEN);
	if (!error || !*error)
		error = json_string_value(json_object_get(in, "error"));
	cell_string(t, error);
}

int sz_ctl_cmd_keys_list(struct sz_ctl *c)
{
	struct sz_ctl_table t = {0};
	struct sz_error e;
	json_t *says = sz_ctl_ask(c, json_pack("{s:s}", "cmd", "keys"), ASK_S, &e), *list, *v;
	size_t i;
	int ret;

	if (!says)
		return sz_ctl_fail("keys: %s", e.msg);
	list = json_object_get(says, "issuers");
	if (c->json) {
		ret = sz_ctl_print_json(json_incref(list));
		json_decref(says);
		return ret;
	}
	sz_ctl_table_init(&t, columns, SZ_ARRAY_LEN(columns));
	json_array_foreach(list, i, v)
		add_row(&t, v);
	ret = sz_ctl_print(c, &t, "No issuer is configured.");
	json_decref(says);
	return ret;
}

int sz_ctl_cmd_keys_refresh(struct sz_ctl *c)
{
	const char *issuer = c->args.n_words ? c->args.word[0] : NULL;
	json_t *request = json_pack("{s:s, s:s*}", "cmd", "refresh_keys", "issuer", issuer), *says;
	struct sz_error e;

	if (!request)
		return sz_ctl_usage("'%s' is not UTF-8", issuer);
	says = sz_ctl_ask(c, request, REFRESH_S, &e);
	if (!says)
		return sz_ctl_fail("keys refresh: %s", e.msg);
	json_decref(says);
	if (c->json)
		return sz_ctl_print_json(json_pack("{s:b}", "refreshed", 1));
	printf("the keys of %s were fetched\n", issuer ? issuer : "every issuer");
	return SZ_CTL_OK;
}

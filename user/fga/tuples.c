/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading, writing and watching tuples.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fga/fga_priv.h"

void fga_read(struct fga_call *c)
{
	const json_t *key = json_object_get(c->body, "tuple_key");
	const json_t *size = json_object_get(c->body, "page_size");
	char token[SZ_STORE_TOKEN_MAX];
	struct sz_store_filter f = {0};
	struct sz_rebac_error e;
	const char *given;
	json_t *list;
	u32 max;
	int err;

	if (!fga_optional(c, key, "user", &f.user) ||
	    !fga_optional(c, key, "relation", &f.relation) ||
	    !fga_optional(c, key, "object", &f.object) ||
	    !fga_optional(c, c->body, "continuation_token", &given) ||
	    !fga_token(c, given, token) ||
	    !fga_page_size(c, json_integer_value(size), size && !json_is_null(size), &max))
		return;
	err = sz_store_read(c->store, &f, max, token, &list, &e);
	if (err)
		fga_fail_rebac(c, err, &e);
	else
		fga_answer(c, 200, json_pack("{s:o, s:s}", "tuples", list, "continuation_token",
					     token));
}

/* "error" or "ignore". */
static bool read_flag(struct fga_call *c, const json_t *o, const char *name, bool *ret)
{
	const char *s;

	if (!fga_optional(c, o, name, &s))
		return false;
	*ret = s && !strcmp(s, "ignore");
	if (!s || *ret || !strcmp(s, "error"))
		return true;
	fga_fail(c, 400, "validation_error", "%s is 'error' or 'ignore'", name);
	return false;
}

#define ACT_TUPLES 8 /* that are named in the record; the log of changes has all */

static void act_tuples(struct fga_call *c, const struct sz_store_op *ops, u32 n_take, u32 n)
{
	u32 i;

	fga_act_store(c, "write to");
	fga_act(c, ": %u to add, %u to delete", n - n_take, n_take);
	for (i = 0; i < n && i < ACT_TUPLES; i++)
		fga_act(c, "%s %s%.100s %.50s %.100s", i ? "," : ":", ops[i].remove ? "-" : "+",
			ops[i].t.user, ops[i].t.relation, ops[i].t.object);
	if (n > ACT_TUPLES)
		fga_act(c, " and %u more", n - ACT_TUPLES);
}

static void write_all(struct fga_call *c, struct sz_store_write *w, const json_t *adds,
		      const json_t *removes, u32 max)
{
	struct sz_rebac_tuple *add = NULL, *take = NULL;
	u32 n_add, n_take, i;
	struct sz_rebac_error e;
	struct sz_store_op *ops;
	char token[24];
	int err;

	if (!fga_tuples(c, adds, max, &add, &n_add))
		return;
	if (!fga_tuples(c, removes, max, &take, &n_take)) {
		free(add);
		return;
	}
	ops = sz_calloc(n_add + n_take + 1, sizeof(*ops));
	for (i = 0; i < n_take; i++)
		ops[i] = (struct sz_store_op){.remove = true, .t = take[i]};
	for (i = 0; i < n_add; i++)
		ops[n_take + i].t = add[i];
	w->ops = ops;
	w->n = n_add + n_take;
	act_tuples(c, ops, n_take, w->n);
	err = sz_store_write(c->store, w, &e);
	free(ops);
	free(add);
	free(take);
	if (err == -ENOENT)
		fga_fail(c, 400,
			 w->model ? "authorization_model_not_found"
				  : "latest_authorization_model_not_found", "%s", e.msg);
	else if (err)
		fga_fail_rebac(c, err, &e);
	if (err)
		return;
	c->wrote = true;
	snprintf(token, sizeof(token), "%llu",
		 (unsigned long long)sz_store_generation(c->store));
	fga_answer(c, 200, json_pack("{s:s}", "consistency_token", token));
}

void fga_write(struct fga_call *c)
{
	const json_t *writes = json_object_get(c->body, "writes");
	const json_t *deletes = json_object_get(c->body, "deletes");
	struct sz_store_write w = {0};

	if (!fga_optional(c, c->body, "authorization_model_id", &w.model) ||
	    !read_flag(c, writes, "on_duplicate", &w.ignore_duplicate) ||
	    !read_flag(c, deletes, "on_missing", &w.ignore_missing))
		return;
	write_all(c, &w, json_object_get(writes, "tuple_keys"),
		  json_object_get(deletes, "tuple_keys"), 10 * SZ_STORE_WRITES_MAX);
}

/* Not of OpenFGA: many tuples in one write, those that are there already being left alone. */
void fga_import(struct fga_call *c)
{
	struct sz_store_write w = {.bulk = true, .ignore_duplicate = true};

	write_all(c, &w, json_object_get(c->body, "tuple_keys"), NULL, SZ_STORE_BULK_MAX);
}

/* RFC 3339, in UTC or with an offset; milliseconds. */
static bool read_time(const char *s, s64 *ret)
{
	const char *p;
	struct tm tm = {0};
	int hours = 0, minutes = 0, ms = 0, scale = 100;

	p = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!p)
		return false;
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++, scale /= 10)
			ms += (*p - '0') * scale;
	if (*p == '+' || *p == '-') {
		if (sscanf(p + 1, "%2d:%2d", &hours, &minutes) != 2 || strlen(p) != 6)
			return false;
		minutes = (*p == '-' ? 1 : -1) * (60 * hours + minutes);
	} else if (strcmp(p, "Z")) {
		return false;
	}
	*ret = ((s64)timegm(&tm) + 60 * minutes) * 1000 + ms;
	return true;
}

void fga_changes(struct fga_call *c)
{
	const char *type = NULL, *given = NULL, *start = NULL;
	char token[SZ_STORE_TOKEN_MAX];
	struct sz_rebac_error e;
	json_t *list;
	s64 since = 0;
	u32 max;
	int err;

	sz_api_query(c->q, "type", &type);
	sz_api_query(c->q, "continuation_token", &given);
	sz_api_query(c->q, "start_time", &start);
	if (!fga_query_page(c, &max) || !fga_token(c, given, token))
		return;
	if (start && *start && !*token && !read_time(start, &since)) {
		fga_fail(c, 400, "invalid_start_time", "start_time is no time like "
			 "2026-01-01T00:00:00Z");
		return;
	}
	err = sz_store_changes(c->store, type, since, max, token, &list, &e);
	if (err == -ENODATA || (err == -EINVAL && given))
		fga_fail(c, 400, "invalid_continuation_token", "%s", e.msg);
	else if (err)
		fga_fail_rebac(c, err, &e);
	else
		fga_answer(c, 200, json_pack("{s:o, s:s}", "changes", list, "continuation_token",
					     token));
}

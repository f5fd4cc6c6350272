/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the bodies of requests say. Called by the handlers. What is not of the shape that OpenFGA's
 * API has is refused, never guessed.
 */
#include <stdio.h>
#include <string.h>

#include "fga/fga_priv.h"

#define PAGE_DEFAULT 50

const char *fga_text(const json_t *o, const char *name)
{
	return json_string_value(json_object_get(o, name));
}

bool fga_optional(struct fga_call *c, const json_t *o, const char *name, const char **ret)
{
	const json_t *v = json_object_get(o, name);

	*ret = NULL;
	if (!v || json_is_null(v))
		return true;
	if (!json_is_string(v)) {
		fga_fail(c, 400, "validation_error", "'%s' must be a text", name);
		return false;
	}
	*ret = *json_string_value(v) ? json_string_value(v) : NULL;
	return true;
}

bool fga_page_size(struct fga_call *c, json_int_t given, bool there, u32 *ret)
{
	/* root, on the control socket, may read as much at once as it may import */
	int max = strcmp(c->q->client, "root") ? SZ_STORE_PAGE_MAX : SZ_STORE_BULK_MAX;

	*ret = there ? (u32)given : PAGE_DEFAULT;
	if (!there || (given >= 1 && given <= max))
		return true;
	fga_fail(c, 400, "page_size_invalid", "a page has 1 to %d entries", max);
	return false;
}

bool fga_query_page(struct fga_call *c, u32 *ret)
{
	const char *s;
	char *end;
	long n;
	int err = sz_api_query(c->q, "page_size", &s);

	if (err == -ENOENT)
		return fga_page_size(c, 0, false, ret);
	n = err ? 0 : strtol(s, &end, 10);
	if (!fga_page_size(c, err || !*s || *end ? 0 : n, true, ret))
		return false;
	*ret = *ret < SZ_STORE_PAGE_MAX ? *ret : SZ_STORE_PAGE_MAX;
	return true;
}

bool fga_token(struct fga_call *c, const char *given, char ret[SZ_STORE_TOKEN_MAX])
{
	*ret = 0;
	if (!given)
		return true;
	if (strlen(given) >= SZ_STORE_TOKEN_MAX) {
		fga_fail(c, 400, "invalid_continuation_token", "this is no continuation token");
		return false;
	}
	strcpy(ret, given);
	return true;
}

struct sz_rebac_tuple fga_tuple(const json_t *v)
{
	const json_t *condition = json_object_get(v, "condition");

	return (struct sz_rebac_tuple){
		.user = fga_text(v, "user"),
		.relation = fga_text(v, "relation"),
		.object = fga_text(v, "object"),
		.condition = fga_text(condition, "name"),
		.context = json_object_get(condition, "context"),
	};
}

static bool tuple_ok(const json_t *v, const struct sz_rebac_tuple *t)
{
	const json_t *condition = json_object_get(v, "condition");

	if (!t->user || !t->relation || !t->object)
		return false;
	if (condition && !json_is_null(condition) && !(t->condition && *t->condition))
		return false;
	return !t->context || json_is_object(t->context);
}

bool fga_tuples(struct fga_call *c, const json_t *list, u32 max, struct sz_rebac_tuple **ret,
		u32 *ret_n)
{
	size_t i, n = json_array_size(list);
	json_t *v;

	*ret = NULL;
	*ret_n = 0;
	if (!list || json_is_null(list))
		return true;
	if (!json_is_array(list) || n > max) {
		fga_fail(c, 400, json_is_array(list) ? "exceeded_entity_limit" : "validation_error",
			 "tuples must be a list of at most %u", max);
		return false;
	}
	*ret = sz_calloc(n + 1, sizeof(**ret));
	json_array_foreach((json_t *)list, i, v)
	{
		(*ret)[i] = fga_tuple(v);
		if (tuple_ok(v, &(*ret)[i]))
			continue;
		free(*ret);
		*ret = NULL;
		fga_fail(c, 400, "validation_error",
			 "tuple %zu needs user, relation and object; a condition needs a name",
			 i + 1);
		return false;
	}
	*ret_n = (u32)n;
	return true;
}

bool fga_context(struct fga_call *c, const json_t *o, struct sz_rebac_request *r)
{
	const json_t *list = json_object_get(o, "contextual_tuples");
	const json_t *context = json_object_get(o, "context");
	struct sz_rebac_tuple *tuples;

	*r = (struct sz_rebac_request){0};
	if (context && !json_is_null(context)) {
		if (!json_is_object(context)) {
			fga_fail(c, 400, "validation_error", "'context' must be an object");
			return false;
		}
		r->context = context;
	}
	if (json_is_object(list)) /* list-users has the list itself here */
		list = json_object_get(list, "tuple_keys");
	if (!fga_tuples(c, list, SZ_REBAC_CONTEXTUAL_MAX, &tuples, &r->n_contextual))
		return false;
	r->contextual = tuples;
	return true;
}

/* Answers are always of the newest state, so either preference is met. */
static bool consistency_ok(struct fga_call *c)
{
	static const char *const known[] = {"UNSPECIFIED", "MINIMIZE_LATENCY",
					    "HIGHER_CONSISTENCY"};
	const char *s, *token, *end = "";
	u64 generation;
	size_t i;

	if (!fga_optional(c, c->body, "consistency", &s) ||
	    !fga_optional(c, c->body, "consistency_token", &token))
		return false;
	for (i = 0; s && i < SZ_ARRAY_LEN(known) && strcmp(s, known[i]); i++)
		;
	if (s && i == SZ_ARRAY_LEN(known)) {
		fga_fail(c, 400, "validation_error", "consistency '%.40s' is not known", s);
		return false;
	}
	generation = token ? strtoull(token, (char **)&end, 10) : 0;
	if (*end) {
		fga_fail(c, 400, "validation_error", "this is no consistency token");
		return false;
	}
	if (generation <= sz_store_generation(c->store))
		return true;
	fga_fail(c, 409, "Aborted", "the store is older than the token: was it restored?");
	return false;
}

bool fga_begin(struct fga_call *c, enum sz_store_kind kind, struct sz_store_view *ret)
{
	const char *model;

	if (!fga_optional(c, c->body, "authorization_model_id", &model) || !consistency_ok(c))
		return false;
	if (!sz_store_begin(c->store, model, kind, ret))
		return true;
	if (model)
		fga_fail(c, 400, "authorization_model_not_found", "there is no model %.64s", model);
	else
		fga_fail(c, 400, "latest_authorization_model_not_found",
			 "the store has no model; write one first");
	return false;
}

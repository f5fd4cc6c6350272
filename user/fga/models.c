/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stores, models and assertions.
 */
#include <string.h>

#include "fga/fga_priv.h"

#define ASSERTIONS_MAX 100

/* ---- stores --------------------------------------------------------------------------------- */

static json_t *store_json(const struct sz_store_info *i)
{
	return json_pack("{s:s, s:s, s:o, s:o}", "id", i->id, "name", i->name, "created_at",
			 sz_store_time(i->created_ms), "updated_at", sz_store_time(i->created_ms));
}

void fga_store_create(struct fga_call *c)
{
	const char *name = fga_text(c->body, "name");
	struct sz_store_info info;
	struct sz_rebac_error e;
	int err;

	if (!name) {
		fga_fail(c, 400, "validation_error", "'name' is missing");
		return;
	}
	fga_act(c, "make store %.64s", name);
	err = sz_store_create(c->stores, name, &info, &e);
	if (err) {
		fga_fail_rebac(c, err, &e);
		return;
	}
	fga_act(c, " (%s)", info.id);
	fga_answer(c, 201, store_json(&info));
}

void fga_store_get(struct fga_call *c)
{
	fga_answer(c, 200, store_json(sz_store_info(c->store)));
}

void fga_store_delete(struct fga_call *c)
{
	struct sz_rebac_error e;
	int err = sz_store_delete(c->stores, sz_store_info(c->store)->id, &e);

	fga_act_store(c, "delete");
	if (err) {
		fga_fail_rebac(c, err, &e);
		return;
	}
	c->wrote = true;
	fga_answer(c, 204, NULL);
}

void fga_store_list(struct fga_call *c)
{
	struct sz_store_info info[SZ_STORE_PAGE_MAX];
	const char *given = "", *name = NULL;
	char after[SZ_STORE_ID_LEN + 1] = "";
	json_t *list = json_array();
	bool more = true;
	u32 max, n, i;

	sz_api_query(c->q, "continuation_token", &given);
	sz_api_query(c->q, "name", &name);
	strncat(after, given ? given : "", SZ_STORE_ID_LEN);
	if (!fga_query_page(c, &max)) {
		json_decref(list);
		return;
	}
	while (more && json_array_size(list) < max) {
		n = sz_stores_list(c->stores, after, info, SZ_STORE_PAGE_MAX);
		more = n == SZ_STORE_PAGE_MAX;
		for (i = 0; i < n && json_array_size(list) < max; i++) {
			if (!name || !*name || !strcmp(name, info[i].name))
				json_array_append_new(list, store_json(&info[i]));
			memcpy(after, info[i].id, sizeof(after));
		}
		more |= i < n;
	}
	fga_answer(c, 200, json_pack("{s:o, s:s}", "stores", list, "continuation_token",
				     more ? after : ""));
}

/* ---- models --------------------------------------------------------------------------------- */

void fga_model_write(struct fga_call *c)
{
	char id[SZ_STORE_ID_LEN + 1];
	struct sz_rebac_error e;
	int err = sz_store_model_write(c->store, c->q->body, c->q->body_len, id, &e);

	fga_act_store(c, "write a model to");
	if (err) {
		fga_fail_rebac(c, err, &e);
		return;
	}
	fga_act(c, ": %s", id);
	c->wrote = true;
	fga_answer(c, 201, json_pack("{s:s}", "authorization_model_id", id));
}

void fga_model_read(struct fga_call *c)
{
	json_t *v = sz_store_model_read(c->store, c->q->param[1]);

	if (v)
		fga_answer(c, 200, json_pack("{s:o}", "authorization_model", v));
	else
		fga_fail(c, 404, "authorization_model_not_found", "there is no model %.64s",
			 c->q->param[1]);
}

void fga_model_list(struct fga_call *c)
{
	char ids[SZ_STORE_PAGE_MAX + 1][SZ_STORE_ID_LEN + 1];
	const char *before = NULL;
	json_t *list, *v;
	u32 max, n, i;

	sz_api_query(c->q, "continuation_token", &before);
	if (!fga_query_page(c, &max))
		return;
	n = sz_store_models(c->store, before && *before ? before : NULL, ids, max + 1);
	list = json_array();
	for (i = 0; i < n && i < max; i++) {
		v = sz_store_model_read(c->store, ids[i]);
		if (v)
			json_array_append_new(list, v);
	}
	fga_answer(c, 200, json_pack("{s:o, s:s}", "authorization_models", list,
				     "continuation_token", n > max ? ids[max - 1] : ""));
}

/* ---- assertions ----------------------------------------------------------------------------- */

void fga_assertions_read(struct fga_call *c)
{
	const char *model = c->q->param[1];
	json_t *v = sz_store_model_read(c->store, model);

	json_decref(v);
	if (!v)
		fga_fail(c, 400, "authorization_model_not_found", "there is no model %.64s", model);
	else
		fga_answer(c, 200, json_pack("{s:s, s:o}", "authorization_model_id", model,
					     "assertions",
					     sz_store_assertions_read(c->store, model)));
}

static bool assertion_ok(const json_t *v)
{
	struct sz_rebac_tuple t = fga_tuple(json_object_get(v, "tuple_key"));

	return t.user && t.relation && t.object &&
	       json_is_boolean(json_object_get(v, "expectation"));
}

void fga_assertions_write(struct fga_call *c)
{
	const json_t *list = json_object_get(c->body, "assertions");
	const char *model = c->q->param[1];
	struct sz_rebac_error e;
	json_t *v = sz_store_model_read(c->store, model);
	size_t i;
	int err;

	json_decref(v);
	if (!v) {
		fga_fail(c, 400, "authorization_model_not_found", "there is no model %.64s", model);
		return;
	}
	if (!json_is_array(list) || json_array_size(list) > ASSERTIONS_MAX) {
		fga_fail(c, 400, "assertions_too_many_items",
			 "'assertions' must be a list of at most %d", ASSERTIONS_MAX);
		return;
	}
	json_array_foreach((json_t *)list, i, v)
		if (!assertion_ok(v)) {
			fga_fail(c, 400, "validation_error",
				 "assertion %zu needs a tuple_key and an expectation", i + 1);
			return;
		}
	fga_act_store(c, "write assertions to");
	fga_act(c, ": %zu of model %.64s", json_array_size(list), model);
	err = sz_store_assertions_write(c->store, model, list, &e);
	if (err)
		fga_fail_rebac(c, err, &e);
	else
		fga_answer(c, 204, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Check, batch check, lists and expand. Each holds a view of the store while it asks, and gives it
 * back before it writes its answer.
 */
#include <stdio.h>
#include <string.h>

#include "fga/fga_priv.h"

#define CHECKS_MAX      100
#define CORRELATION_MAX 36

static bool need(struct fga_call *c, const char *what, const char *s)
{
	if (s)
		return true;
	fga_fail(c, 400, "validation_error", "'%s' is missing", what);
	return false;
}

/* A question's own part: fills what is answered; 0 or what the engine said. */
struct ask {
	struct sz_store_view view;
	struct sz_rebac_work *work;
	struct sz_rebac_request request;
	struct sz_rebac_error e;
};

/* False where the call was failed. */
static bool begin(struct fga_call *c, const json_t *o, enum sz_store_kind kind, struct ask *a)
{
	if (!fga_context(c, o, &a->request))
		return false;
	if (fga_begin(c, kind, &a->view)) {
		a->work = fga_work(c);
		return true;
	}
	free((void *)a->request.contextual);
	return false;
}

static void end(struct fga_call *c, struct ask *a)
{
	sz_store_end(&a->view);
	fga_work_back(c, a->work);
	free((void *)a->request.contextual);
}

/* ---- check ---------------------------------------------------------------------------------- */

void fga_check(struct fga_call *c)
{
	struct sz_rebac_tuple t = fga_tuple(json_object_get(c->body, "tuple_key"));
	struct ask a;
	bool yes;
	int err;

	if (!need(c, "tuple_key.user", t.user) || !need(c, "tuple_key.relation", t.relation) ||
	    !need(c, "tuple_key.object", t.object) || !begin(c, c->body, SZ_STORE_SHORT, &a))
		return;
	err = sz_rebac_check(a.view.graph, a.work, &a.request, t.user, t.relation, t.object, &yes,
			     &a.e);
	end(c, &a);
	if (err)
		fga_fail_rebac(c, err, &a.e);
	else
		fga_answer(c, 200, json_pack("{s:b, s:s}", "allowed", yes, "resolution", ""));
}

/* The answer to one item, under the view that all of them share. */
static json_t *check_item(struct fga_call *c, const struct ask *shared, const json_t *item)
{
	struct sz_rebac_tuple t = fga_tuple(json_object_get(item, "tuple_key"));
	struct sz_rebac_request r;
	struct sz_rebac_error e = {.code = SZ_REBAC_VALIDATION};
	bool yes = false;
	int err = -EINVAL;

	if (!t.user || !t.relation || !t.object)
		snprintf(e.msg, sizeof(e.msg), "tuple_key needs user, relation and object");
	else if (!fga_context(c, item, &r))
		snprintf(e.msg, sizeof(e.msg), "%s", fga_text(c->answer, "message"));
	else
		err = sz_rebac_check(shared->view.graph, shared->work, &r, t.user, t.relation,
				     t.object, &yes, &e);
	if (t.user && t.relation && t.object && !c->answer)
		free((void *)r.contextual);
	json_decref(c->answer);
	c->answer = NULL;
	if (!err)
		return json_pack("{s:b}", "allowed", yes);
	return json_pack("{s:b, s:{s:s, s:s}}", "allowed", 0, "error",
			 e.code == SZ_REBAC_INTERNAL ? "internal_error" : "input_error",
			 sz_rebac_code_name(e.code), "message", e.msg);
}

static bool correlation_ok(const json_t *result, const char *id)
{
	size_t n = id ? strlen(id) : 0;

	return n && n <= CORRELATION_MAX && !json_object_get(result, id) &&
	       strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == n;
}

void fga_batch_check(struct fga_call *c)
{
	const json_t *checks = json_object_get(c->body, "checks");
	json_t *result = json_object(), *v;
	struct ask a;
	size_t i, n = json_array_size(checks);
	const char *id;

	if (!n || n > CHECKS_MAX)
		fga_fail(c, 400, "validation_error", "'checks' must be a list of 1 to %d",
			 CHECKS_MAX);
	json_array_foreach((json_t *)checks, i, v)
	{
		id = fga_text(v, "correlation_id");
		if (c->answer)
			break;
		if (!correlation_ok(result, id))
			fga_fail(c, 400, "validation_error",
				 "check %zu: correlation_id must be there once, with 1 to %d "
				 "letters, digits, - and _", i + 1, CORRELATION_MAX);
		else
			json_object_set_new(result, id, json_null());
	}
	if (c->answer || !begin(c, NULL, SZ_STORE_SHORT, &a)) {
		json_decref(result);
		return;
	}
	json_array_foreach((json_t *)checks, i, v)
		json_object_set_new(result, fga_text(v, "correlation_id"), check_item(c, &a, v));
	end(c, &a);
	fga_answer(c, 200, json_pack("{s:o}", "result", result));
}

/* ---- lists ---------------------------------------------------------------------------------- */

static json_t *objects(struct fga_call *c)
{
	const char *user = fga_text(c->body, "user"), *relation = fga_text(c->body, "relation");
	const char *type = fga_text(c->body, "type");
	json_t *names = NULL;
	struct ask a;
	int err;

	if (!need(c, "user", user) || !need(c, "relation", relation) || !need(c, "type", type) ||
	    !begin(c, c->body, SZ_STORE_LONG, &a))
		return NULL;
	err = sz_rebac_list_objects(a.view.graph, a.work, &a.request, user, relation, type, 0,
				    &names, &a.e);
	end(c, &a);
	if (err)
		fga_fail_rebac(c, err, &a.e);
	return names;
}

void fga_list_objects(struct fga_call *c)
{
	json_t *names = objects(c);

	if (names)
		fga_answer(c, 200, json_pack("{s:o}", "objects", names));
}

void fga_stream_objects(struct fga_call *c)
{
	json_t *names = objects(c), *v, *line;
	char *text;
	size_t i;

	if (!names)
		return;
	sz_buf_add(&c->lines, "", 0);
	sz_buf_reserve(&c->lines, 1); /* also where there is none */
	c->lines.data[c->lines.len] = 0;
	json_array_foreach(names, i, v)
	{
		line = json_pack("{s:{s:O}}", "result", "object", v);
		text = json_dumps(line, JSON_COMPACT);
		sz_buf_printf(&c->lines, "%s\n", text ? text : "{}");
		free(text);
		json_decref(line);
	}
	json_decref(names);
	c->status = 200;
}

/* "user:anne", "user:*" or "group:x#member" as OpenFGA tells users. */
static json_t *user_json(const char *s)
{
	size_t colon = strcspn(s, ":"), hash = strcspn(s, "#");
	const char *id = s + colon + 1;

	if (!strcmp(id, "*"))
		return json_pack("{s:{s:s%}}", "wildcard", "type", s, colon);
	if (s[hash])
		return json_pack("{s:{s:s%, s:s%, s:s}}", "userset", "type", s, colon, "id", id,
				 hash - colon - 1, "relation", s + hash + 1);
	return json_pack("{s:{s:s%, s:s}}", "object", "type", s, colon, "id", id);
}

void fga_list_users(struct fga_call *c)
{
	const json_t *object = json_object_get(c->body, "object");
	const json_t *filters = json_object_get(c->body, "user_filters");
	const json_t *f = json_array_get(filters, 0);
	const char *relation = fga_text(c->body, "relation"), *type = fga_text(object, "type");
	const char *id = fga_text(object, "id"), *of = fga_text(f, "relation");
	char name[2 * SZ_REBAC_OBJECT_MAX], filter[2 * SZ_REBAC_OBJECT_MAX];
	json_t *names, *users, *v;
	struct ask a;
	size_t i;
	int err;

	if (!need(c, "object.type", type) || !need(c, "object.id", id) ||
	    !need(c, "relation", relation) || !need(c, "user_filters[0].type", fga_text(f, "type")))
		return;
	if (json_array_size(filters) != 1) {
		fga_fail(c, 400, "validation_error", "exactly one user_filter is taken");
		return;
	}
	snprintf(name, sizeof(name), "%s:%s", type, id);
	snprintf(filter, sizeof(filter), "%s%s%s", fga_text(f, "type"), of && *of ? "#" : "",
		 of ? of : "");
	if (!begin(c, c->body, SZ_STORE_LONG, &a))
		return;
	err = sz_rebac_list_users(a.view.graph, a.work, &a.request, name, relation, filter, &names,
				  &a.e);
	end(c, &a);
	if (err) {
		fga_fail_rebac(c, err, &a.e);
		return;
	}
	users = json_array();
	json_array_foreach(names, i, v)
		json_array_append_new(users, user_json(json_string_value(v)));
	json_decref(names);
	fga_answer(c, 200, json_pack("{s:o}", "users", users));
}

/* ---- expand --------------------------------------------------------------------------------- */

void fga_expand(struct fga_call *c)
{
	struct sz_rebac_tuple t = fga_tuple(json_object_get(c->body, "tuple_key"));
	json_t *tree = NULL;
	struct ask a;
	int err;

	if (!need(c, "tuple_key.relation", t.relation) || !need(c, "tuple_key.object", t.object) ||
	    !begin(c, c->body, SZ_STORE_LONG, &a))
		return;
	err = sz_rebac_expand(a.view.graph, a.work, &a.request, t.relation, t.object, &tree, &a.e);
	end(c, &a);
	if (err)
		fga_fail_rebac(c, err, &a.e);
	else
		fga_answer(c, 200, json_pack("{s:o}", "tree", tree));
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rebac commands' way to the running daemon: the paths of its API over the control socket, and
 * which store is meant. Called by the rebac commands; an error is said once, by its code.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

#define WAIT_S 120

json_t *sz_ctl_api(struct sz_ctl *c, const char *method, const char *path, const char *query,
		   json_t *body, struct sz_error *e)
{
	json_t *request = json_pack("{s:s, s:s, s:s, s:s}", "cmd", "api", "method", method, "path",
				    path, "query", query ? query : "");
	json_t *answer, *ret;
	const char *code, *why;
	json_int_t status;

	if (body)
		json_object_set_new(request, "body", body);
	answer = sz_ctl_ask(c, request, WAIT_S, e);
	if (!answer)
		return NULL;
	status = json_integer_value(json_object_get(answer, "status"));
	ret = json_object_get(answer, "body");
	if (status < 400) {
		json_incref(ret);
		json_decref(answer);
		return ret;
	}
	code = json_string_value(json_object_get(ret, "code"));
	why = json_string_value(json_object_get(ret, "message"));
	if (code && !strcmp(code, "undefined_endpoint"))
		sz_error_set(e, -EOPNOTSUPP,
			     "the daemon keeps no relationships; add 'rebac: {}' to its "
			     "configuration and restart it");
	else
		sz_error_set(e, -EREMOTEIO, "%.60s: %.400s", code ? code : "error",
			     why ? why : "the daemon refused");
	json_decref(answer);
	return NULL;
}

/* An id as it is; else the store of that name; without one, the only store there is. */
static int find_store(struct sz_ctl *c, const char *name, char ret[SZ_CTL_STORE_ID],
		      struct sz_error *e)
{
	json_t *v, *stores, *s;
	const char *id = NULL, *n;
	size_t i, hits = 0;

	if (name && strlen(name) == SZ_CTL_STORE_ID - 1 &&
	    strspn(name, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") == SZ_CTL_STORE_ID - 1) {
		strcpy(ret, name);
		return 0;
	}
	v = sz_ctl_api(c, "GET", "/stores", "page_size=100", NULL, e);
	if (!v)
		return -EREMOTEIO;
	stores = json_object_get(v, "stores");
	json_array_foreach(stores, i, s)
	{
		n = json_string_value(json_object_get(s, "name"));
		if (name && (!n || strcmp(n, name)))
			continue;
		id = json_string_value(json_object_get(s, "id"));
		hits++;
	}
	if (hits == 1 && id)
		snprintf(ret, SZ_CTL_STORE_ID, "%s", id);
	else if (!name && !hits)
		sz_error_set(e, -ENOENT, "there is no store; make one with 'subzeroctl rebac store "
			     "create NAME'");
	else if (!name || hits)
		sz_error_set(e, -EINVAL, "%zu stores may be meant; name one with --store (its id "
			     "is always its own)", hits);
	else
		sz_error_set(e, -ENOENT, "there is no store '%.64s'; 'subzeroctl rebac store list' "
			     "shows them", name);
	json_decref(v);
	return hits == 1 ? 0 : -ENOENT;
}

json_t *sz_ctl_store_api(struct sz_ctl *c, const char *method, const char *what, const char *query,
			 json_t *body, struct sz_error *e)
{
	char path[256];

	if (!c->store[0] && find_store(c, sz_ctl_value(&c->args, "store"), c->store, e)) {
		json_decref(body);
		return NULL;
	}
	snprintf(path, sizeof(path), "/stores/%s%s%.150s", c->store, *what ? "/" : "", what);
	return sz_ctl_api(c, method, path, query, body, e);
}

json_t *sz_ctl_named_store_api(struct sz_ctl *c, const char *store, const char *what, json_t *body,
			       struct sz_error *e)
{
	char id[SZ_CTL_STORE_ID], path[256];

	if (find_store(c, store, id, e)) {
		json_decref(body);
		return NULL;
	}
	snprintf(path, sizeof(path), "/stores/%s/%.150s", id, what);
	return sz_ctl_api(c, "POST", path, NULL, body, e);
}

json_t *sz_ctl_question(struct sz_ctl *c, int *ret)
{
	const char *context = sz_ctl_value(&c->args, "context"), *path;
	const char *model = sz_ctl_value(&c->args, "model-id");
	json_t *body = json_object(), *v, *tuples = json_array();
	struct sz_error e;
	unsigned i;

	*ret = SZ_CTL_OK;
	if (model)
		json_object_set_new(body, "authorization_model_id", json_string(model));
	if (context) {
		v = json_loads(context, JSON_REJECT_DUPLICATES, NULL);
		if (!json_is_object(v)) {
			json_decref(v);
			*ret = sz_ctl_usage("--context takes a JSON object");
		} else {
			json_object_set_new(body, "context", v);
		}
	}
	for (i = 0; !*ret && (path = sz_ctl_value_at(&c->args, "tuples", i)) != NULL; i++) {
		v = sz_ctl_rebac_read(path, &e);
		if (json_is_array(v))
			json_array_extend(tuples, v);
		else
			*ret = sz_ctl_fail("%s", v ? "--tuples takes a list of tuples" : e.msg);
		json_decref(v);
	}
	json_object_set_new(body, "contextual_tuples", json_pack("{s:o}", "tuple_keys", tuples));
	if (!*ret)
		return body;
	json_decref(body);
	return NULL;
}

/* ---- rebac store ---------------------------------------------------------------------------- */

static int list_stores(struct sz_ctl *c)
{
	static const struct sz_ctl_column columns[] = {
		{"id", "ID", 0}, {"name", "NAME", 0}, {"created_at", "CREATED", 0},
	};
	char query[128] = "page_size=100";
	struct sz_ctl_table t;
	const char *token;
	json_t *v, *s;
	struct sz_error e;
	size_t i, k;

	sz_ctl_table_init(&t, columns, SZ_ARRAY_LEN(columns));
	do {
		v = sz_ctl_api(c, "GET", "/stores", query, NULL, &e);
		if (!v)
			return sz_ctl_fail("%s", e.msg);
		json_array_foreach(json_object_get(v, "stores"), i, s)
			for (k = 0; k < SZ_ARRAY_LEN(columns); k++)
				sz_ctl_cell_text(&t, json_string_value(json_object_get(
							     s, columns[k].key)));
		token = json_string_value(json_object_get(v, "continuation_token"));
		snprintf(query, sizeof(query), "page_size=100&continuation_token=%.40s",
			 token ? token : "");
		i = token && *token;
		json_decref(v);
	} while (i);
	return sz_ctl_print(c, &t, "no stores; make one with 'subzeroctl rebac store create NAME'");
}

int sz_ctl_cmd_rebac_store(struct sz_ctl *c)
{
	const char *what = c->args.word[0];
	const char *name = c->args.n_words > 1 ? c->args.word[1] : NULL;
	char id[SZ_CTL_STORE_ID];
	struct sz_error e;
	json_t *v;

	if (!strcmp(what, "list") && !name)
		return list_stores(c);
	if (!strcmp(what, "create") && name) {
		v = sz_ctl_api(c, "POST", "/stores", NULL, json_pack("{s:s}", "name", name), &e);
	} else if (!strcmp(what, "delete") && name) {
		if (find_store(c, name, id, &e))
			return sz_ctl_fail("%s", e.msg);
		strcpy(c->store, id);
		v = sz_ctl_store_api(c, "DELETE", "", NULL, NULL, &e);
	} else {
		return sz_ctl_usage("'rebac store' is followed by create NAME, delete NAME or "
				    "list");
	}
	if (!v)
		return sz_ctl_fail("%s", e.msg);
	if (c->json && json_is_object(v))
		return sz_ctl_print_json(v);
	if (json_is_object(v))
		printf("%s\n", json_string_value(json_object_get(v, "id")));
	json_decref(v);
	return SZ_CTL_OK;
}

/* ---- rebac model write, read, list ---------------------------------------------------------- */

static int write_model(struct sz_ctl *c, const char *path)
{
	struct sz_ctl_rebac r;
	struct sz_error e;
	json_t *v;

	if (sz_ctl_rebac_model_file(&r, path, &e))
		return sz_ctl_fail("%s", e.msg);
	v = sz_ctl_store_api(c, "POST", "authorization-models", NULL, sz_rebac_model_json(r.model),
			     &e);
	sz_ctl_rebac_done(&r);
	if (!v)
		return sz_ctl_fail("%s", e.msg);
	if (c->json)
		return sz_ctl_print_json(v);
	printf("%s\n", json_string_value(json_object_get(v, "authorization_model_id")));
	json_decref(v);
	return SZ_CTL_OK;
}

static int read_model(struct sz_ctl *c, const char *id)
{
	char what[128];
	struct sz_rebac_model *m;
	struct sz_rebac_error re;
	struct sz_buf out = {0};
	struct sz_error e;
	json_t *v, *model;
	char *text;

	snprintf(what, sizeof(what), "authorization-models%s%.64s", id ? "/" : "", id ? id : "");
	v = sz_ctl_store_api(c, "GET", what, id ? NULL : "page_size=1", NULL, &e);
	if (!v)
		return sz_ctl_fail("%s", e.msg);
	model = id ? json_object_get(v, "authorization_model")
		   : json_array_get(json_object_get(v, "authorization_models"), 0);
	json_incref(model);
	json_decref(v);
	if (!model)
		return sz_ctl_fail("the store has no model; write one with 'subzeroctl rebac model "
				   "write FILE'");
	if (c->json)
		return sz_ctl_print_json(model);
	json_object_del(model, "id");
	text = json_dumps(model, JSON_COMPACT);
	json_decref(model);
	if (!text || sz_rebac_model_parse(text, strlen(text), &m, &re)) {
		free(text);
		return sz_ctl_fail("the model cannot be shown; try --json");
	}
	free(text);
	sz_rebac_model_print(m, &out);
	fwrite(out.data, 1, out.len, stdout);
	sz_buf_done(&out);
	sz_rebac_model_free(m);
	return SZ_CTL_OK;
}

static int list_models(struct sz_ctl *c)
{
	json_t *all = json_array(), *v, *m;
	char query[128] = "page_size=100";
	const char *token;
	struct sz_error e;
	bool more;
	size_t i;

	do {
		v = sz_ctl_store_api(c, "GET", "authorization-models", query, NULL, &e);
		if (!v) {
			json_decref(all);
			return sz_ctl_fail("%s", e.msg);
		}
		json_array_foreach(json_object_get(v, "authorization_models"), i, m)
			json_array_append(all, json_object_get(m, "id"));
		token = json_string_value(json_object_get(v, "continuation_token"));
		more = token && *token;
		snprintf(query, sizeof(query), "page_size=100&continuation_token=%.40s",
			 token ? token : "");
		json_decref(v);
	} while (more);
	if (c->json)
		return sz_ctl_print_json(all);
	json_array_foreach(all, i, m) printf("%s\n", json_string_value(m));
	json_decref(all);
	return SZ_CTL_OK;
}

int sz_ctl_rebac_stored_model(struct sz_ctl *c, const char *what, const char *arg)
{
	if (!strcmp(what, "write") && arg)
		return write_model(c, arg);
	if (!strcmp(what, "read"))
		return read_model(c, arg);
	if (!strcmp(what, "list") && !arg)
		return list_models(c);
	return sz_ctl_usage("'rebac model' is followed by validate FILE, convert FILE, write FILE, "
			    "read [ID] or list");
}

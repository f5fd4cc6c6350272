/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * rebac model, check, list-objects, list-users, expand: questions to an authorization model and
 * tuples from files. For writing models and trying them out; touches neither maps nor daemon.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "rebac/rebac.h"

/* ---- the model alone ------------------------------------------------------------------------ */

static bool is_json(const struct sz_buf *text)
{
	return text->data && text->data[strspn(text->data, " \t\r\n")] == '{';
}

int sz_ctl_cmd_rebac_model(struct sz_ctl *c)
{
	const char *what = c->args.word[0];
	const char *path = c->args.n_words > 1 ? c->args.word[1] : NULL;
	struct sz_buf text = {0}, out = {0};
	struct sz_rebac_model *m;
	struct sz_rebac_error re;
	struct sz_error e;
	int ret = SZ_CTL_OK;

	if (!path || (strcmp(what, "validate") && strcmp(what, "convert")))
		return sz_ctl_rebac_stored_model(c, what, path);
	if (sz_file_read(path, SZ_REBAC_MODEL_MAX, &text, &e)) {
		sz_buf_done(&text);
		return sz_ctl_fail("%s", e.msg);
	}
	if (sz_rebac_model_parse(text.data ? text.data : "", text.len, &m, &re)) {
		sz_buf_done(&text);
		if (c->json && *what == 'v')
			sz_ctl_print_json(json_pack("{s:b, s:i, s:i, s:o}", "valid", 0, "line",
						    (int)re.line, "column", (int)re.column, "error",
						    sz_ctl_text(re.msg, strlen(re.msg))));
		return sz_ctl_fail("%s:%u:%u: %s", path, re.line, re.column, re.msg);
	}
	if (*what == 'v') {
		if (c->json)
			ret = sz_ctl_print_json(json_pack("{s:b}", "valid", 1));
		else
			printf("%s is a valid model\n", path);
	} else if (is_json(&text)) {
		sz_rebac_model_print(m, &out);
		fwrite(out.data, 1, out.len, stdout);
	} else {
		ret = sz_ctl_print_json(sz_rebac_model_json(m));
	}
	sz_rebac_model_free(m);
	sz_buf_done(&text);
	sz_buf_done(&out);
	return ret;
}

/* ---- questions of the daemon ---------------------------------------------------------------- */

/* Without a model of its own a question is the daemon's to answer. */
static bool is_for_daemon(struct sz_ctl *c)
{
	return !sz_ctl_value(&c->args, "model");
}

/* The answer's body, or NULL with *ret. `more` is taken over: members besides a question's. */
static json_t *ask_daemon(struct sz_ctl *c, const char *what, json_t *more, int *ret)
{
	json_t *body = sz_ctl_question(c, ret), *v;
	struct sz_error e;

	if (!body) {
		json_decref(more);
		return NULL;
	}
	json_object_update(body, more);
	json_decref(more);
	v = sz_ctl_store_api(c, "POST", what, NULL, body, &e);
	if (!v)
		*ret = sz_ctl_fail("%s", e.msg);
	return v;
}

static json_t *key_json(const char *user, const char *relation, const char *object)
{
	json_t *key = json_pack("{s:s, s:s}", "relation", relation, "object", object);

	if (user)
		json_object_set_new(key, "user", json_string(user));
	return json_pack("{s:o}", "tuple_key", key);
}

/* ---- questions ------------------------------------------------------------------------------ */

/* Everything a question needs, from the options. */
struct job {
	struct sz_ctl_rebac r;
	struct sz_rebac_request request;
	json_t *context;
};

static void end(struct job *j)
{
	sz_ctl_rebac_done(&j->r);
	json_decref(j->context);
}

static int load(struct sz_ctl *c, struct job *j)
{
	const char *model = sz_ctl_value(&c->args, "model"), *path;
	const char *context = sz_ctl_value(&c->args, "context");
	struct sz_error e;
	json_t *list;
	unsigned i;
	int err;

	*j = (struct job){0};
	if (!model)
		return sz_ctl_usage("--model FILE is missing");
	if (context) {
		j->context = json_loads(context, JSON_REJECT_DUPLICATES, NULL);
		j->request.context = j->context;
		if (!json_is_object(j->context)) {
			json_decref(j->context);
			return sz_ctl_usage("--context takes a JSON object");
		}
	}
	err = sz_ctl_rebac_model_file(&j->r, model, &e);
	for (i = 0; !err && (path = sz_ctl_value_at(&c->args, "tuples", i)) != NULL; i++) {
		list = sz_ctl_rebac_read(path, &e);
		err = list ? sz_ctl_rebac_tuples(&j->r, list, path, NULL, &e) : -EINVAL;
		json_decref(list);
	}
	if (!err)
		return SZ_CTL_OK;
	end(j);
	return sz_ctl_fail("%s", e.msg);
}

static int fail(struct sz_ctl *c, const struct sz_rebac_error *e)
{
	if (c->json)
		sz_ctl_print_json(json_pack("{s:s, s:i, s:o}", "code", sz_rebac_code_name(e->code),
					    "number", (int)e->code, "error",
					    sz_ctl_text(e->msg, strlen(e->msg))));
	return sz_ctl_fail("%s: %s", sz_rebac_code_name(e->code), e->msg);
}

static int show_check(struct sz_ctl *c, bool allowed)
{
	if (c->json)
		sz_ctl_print_json(json_pack("{s:b}", "allowed", allowed));
	else
		printf("%s\n", allowed ? "yes" : "no");
	return allowed ? SZ_CTL_OK : SZ_CTL_FAILED;
}

static int check_daemon(struct sz_ctl *c, const char *const *word)
{
	int ret;
	json_t *v = ask_daemon(c, "check", key_json(word[0], word[1], word[2]), &ret);

	if (!v)
		return ret;
	ret = show_check(c, json_is_true(json_object_get(v, "allowed")));
	json_decref(v);
	return ret;
}

int sz_ctl_cmd_rebac_check(struct sz_ctl *c)
{
	const char *const *word = c->args.word;
	struct sz_rebac_error e;
	struct job j;
	bool allowed;
	int ret;

	if (is_for_daemon(c))
		return check_daemon(c, word);
	ret = load(c, &j);
	if (ret)
		return ret;
	if (sz_rebac_check(j.r.graph, j.r.work, &j.request, word[0], word[1], word[2], &allowed,
			   &e)) {
		ret = fail(c, &e);
	} else {
		ret = show_check(c, allowed);
	}
	end(&j);
	return ret;
}

/* A list of names: one a line, or as OpenFGA's API calls it. */
static int show_names(struct sz_ctl *c, const char *key, json_t *names)
{
	json_t *v;
	size_t i;

	if (c->json)
		return sz_ctl_print_json(json_pack("{s:o}", key, names));
	json_array_foreach(names, i, v) printf("%s\n", json_string_value(v));
	json_decref(names);
	return SZ_CTL_OK;
}

static int objects_of_daemon(struct sz_ctl *c, const char *const *word)
{
	int ret;
	json_t *names, *v = ask_daemon(c, "list-objects",
				       json_pack("{s:s, s:s, s:s}", "user", word[0], "relation",
						 word[1], "type", word[2]), &ret);

	if (!v)
		return ret;
	names = json_incref(json_object_get(v, "objects"));
	json_decref(v);
	return show_names(c, "objects", names);
}

static int objects_of_files(struct job *j, const char *const *word, json_t **ret,
			    struct sz_rebac_error *e)
{
	return sz_rebac_list_objects(j->r.graph, j->r.work, &j->request, word[0], word[1], word[2],
				     0, ret, e);
}

/* As in the files' answers: "user:anne", "user:*", "group:x#member". */
static json_t *user_name(const json_t *v)
{
	const json_t *o = json_object_get(v, "object"), *u = json_object_get(v, "userset");
	const json_t *w = json_object_get(v, "wildcard");

	o = o ? o : u;
	if (w)
		return json_sprintf("%s:*", json_string_value(json_object_get(w, "type")));
	return json_sprintf("%s:%s%s%s", json_string_value(json_object_get(o, "type")),
			    json_string_value(json_object_get(o, "id")), u ? "#" : "",
			    u ? json_string_value(json_object_get(u, "relation")) : "");
}

static int users_of_daemon(struct sz_ctl *c, const char *const *word)
{
	size_t colon = strcspn(word[0], ":"), hash = strcspn(word[2], "#"), i;
	json_t *filter = json_pack("{s:s%}", "type", word[2], hash), *names, *users, *v;
	int ret;

	if (!word[0][colon])
		return sz_ctl_usage("'%s' is no object; write it like document:1", word[0]);
	if (word[2][hash])
		json_object_set_new(filter, "relation", json_string(word[2] + hash + 1));
	users = ask_daemon(c, "list-users",
			   json_pack("{s:{s:s%, s:s}, s:s, s:[o]}", "object", "type", word[0],
				     colon, "id", word[0] + colon + 1, "relation", word[1],
				     "user_filters", filter), &ret);
	if (!users)
		return ret;
	names = json_array();
	json_array_foreach(json_object_get(users, "users"), i, v)
		json_array_append_new(names, user_name(v));
	json_decref(users);
	return show_names(c, "users", names);
}

static int users_of_files(struct job *j, const char *const *word, json_t **ret,
			  struct sz_rebac_error *e)
{
	return sz_rebac_list_users(j->r.graph, j->r.work, &j->request, word[0], word[1], word[2],
				   ret, e);
}

/* Names of one kind, from the daemon or from files. */
static int list(struct sz_ctl *c, const char *kind,
		int (*of_daemon)(struct sz_ctl *c, const char *const *word),
		int (*of_files)(struct job *j, const char *const *word, json_t **ret,
				struct sz_rebac_error *e))
{
	struct sz_rebac_error e;
	json_t *names;
	struct job j;
	int ret;

	if (is_for_daemon(c))
		return of_daemon(c, c->args.word);
	ret = load(c, &j);
	if (ret)
		return ret;
	ret = of_files(&j, c->args.word, &names, &e) ? fail(c, &e) : show_names(c, kind, names);
	end(&j);
	return ret;
}

int sz_ctl_cmd_rebac_list_objects(struct sz_ctl *c)
{
	return list(c, "objects", objects_of_daemon, objects_of_files);
}

int sz_ctl_cmd_rebac_list_users(struct sz_ctl *c)
{
	return list(c, "users", users_of_daemon, users_of_files);
}

/* ---- expand --------------------------------------------------------------------------------- */

static void show_node(const json_t *node, const char *before, int depth);

static void show_list(const json_t *list, const char *inner, int depth)
{
	const char *s;
	json_t *v;
	size_t i;

	json_array_foreach((json_t *)list, i, v)
	{
		s = json_string_value(inner ? json_object_get(v, inner) : v);
		printf("%*s%s\n", 2 * depth, "", s);
	}
}

static void show_nodes(const json_t *node, int depth)
{
	static const char *const names[] = {"union", "intersection"};
	const json_t *but = json_object_get(node, "difference");
	json_t *v;
	size_t i, k;

	for (k = 0; k < SZ_ARRAY_LEN(names); k++)
		json_array_foreach(json_object_get(json_object_get(node, names[k]), "nodes"), i, v)
			show_node(v,
				  !i  ? ""
				  : k ? "and "
				      : "or ",
				  depth);
	if (but) {
		show_node(json_object_get(but, "base"), "", depth);
		show_node(json_object_get(but, "subtract"), "but not ", depth);
	}
}

static void show_node(const json_t *node, const char *before, int depth)
{
	const json_t *leaf = json_object_get(node, "leaf"), *computed, *ttu;

	computed = json_object_get(json_object_get(leaf, "computed"), "userset");
	ttu = json_object_get(leaf, "tupleToUserset");
	if (computed) {
		printf("%*s%s%s\n", 2 * depth, "", before, json_string_value(computed));
	} else if (ttu) {
		printf("%*s%sfrom %s:\n", 2 * depth, "", before,
		       json_string_value(json_object_get(ttu, "tupleset")));
		show_list(json_object_get(ttu, "computed"), "userset", depth + 1);
	} else if (leaf) {
		printf("%*s%stuples:\n", 2 * depth, "", before);
		show_list(json_object_get(json_object_get(leaf, "users"), "users"), NULL,
			  depth + 1);
	} else {
		printf("%*s%s(\n", 2 * depth, "", before);
		show_nodes(node, depth + 1);
		printf("%*s)\n", 2 * depth, "");
	}
}

static int show_tree(struct sz_ctl *c, json_t *tree)
{
	json_t *root = json_object_get(tree, "root");

	if (c->json)
		return sz_ctl_print_json(json_pack("{s:o}", "tree", tree));
	printf("%s\n", json_string_value(json_object_get(root, "name")));
	if (json_object_get(root, "leaf"))
		show_node(root, "", 1);
	else
		show_nodes(root, 1);
	json_decref(tree);
	return SZ_CTL_OK;
}

int sz_ctl_cmd_rebac_expand(struct sz_ctl *c)
{
	const char *const *word = c->args.word;
	struct sz_rebac_error e;
	json_t *tree, *v;
	struct job j;
	int ret;

	if (is_for_daemon(c)) {
		v = ask_daemon(c, "expand", key_json(NULL, word[1], word[0]), &ret);
		tree = json_incref(json_object_get(v, "tree"));
		json_decref(v);
		return v ? show_tree(c, tree) : ret;
	}
	ret = load(c, &j);
	if (ret)
		return ret;
	if (sz_rebac_expand(j.r.graph, j.r.work, &j.request, word[1], word[0], &tree, &e))
		ret = fail(c, &e);
	else
		ret = show_tree(c, tree);
	end(&j);
	return ret;
}

/* ---- batch check ---------------------------------------------------------------------------- */

#define BATCH 100 /* of one request to the daemon */

struct batch {
	struct sz_rebac_item *items;
	u32 n;
	json_t *list; /* holds their texts */
};

static int read_batch(const char *path, struct batch *b)
{
	struct sz_error e;
	json_t *v;
	size_t i;

	b->list = sz_ctl_rebac_read(path, &e);
	if (!json_is_array(b->list))
		return sz_ctl_fail("%s", b->list ? "a batch is a list of checks" : e.msg);
	b->items = sz_calloc(json_array_size(b->list) + 1, sizeof(*b->items));
	json_array_foreach(b->list, i, v)
	{
		struct sz_rebac_item *it = &b->items[b->n++];

		it->user = json_string_value(json_object_get(v, "user"));
		it->relation = json_string_value(json_object_get(v, "relation"));
		it->object = json_string_value(json_object_get(v, "object"));
		if (!it->user || !it->relation || !it->object)
			return sz_ctl_fail("%s: check %zu needs user, relation and object", path,
					   i + 1);
	}
	return SZ_CTL_OK;
}

static int batch_of_daemon(struct sz_ctl *c, struct batch *b, u32 from)
{
	json_t *question, *checks = json_array(), *v, *result, *item, *error;
	u32 n = b->n - from < BATCH ? b->n - from : BATCH, i;
	char id[16];
	int ret;

	question = sz_ctl_question(c, &ret);
	for (i = 0; question && i < n; i++) {
		struct sz_rebac_item *it = &b->items[from + i];

		item = key_json(it->user, it->relation, it->object);
		snprintf(id, sizeof(id), "%u", i);
		json_object_set_new(item, "correlation_id", json_string(id));
		json_object_set(item, "context", json_object_get(question, "context"));
		json_object_set(item, "contextual_tuples",
				json_object_get(question, "contextual_tuples"));
		json_array_append_new(checks, item);
	}
	v = question ? ask_daemon(c, "batch-check", json_pack("{s:o}", "checks", checks), &ret)
		     : NULL;
	json_decref(question);
	result = json_object_get(v, "result");
	for (i = 0; v && i < n; i++) {
		snprintf(id, sizeof(id), "%u", i);
		item = json_object_get(result, id);
		error = json_object_get(item, "error");
		b->items[from + i].allowed = json_is_true(json_object_get(item, "allowed"));
		if (!error)
			continue;
		b->items[from + i].error.code = SZ_REBAC_VALIDATION;
		snprintf(b->items[from + i].error.msg, sizeof(b->items[0].error.msg), "%s",
			 json_string_value(json_object_get(error, "message")));
	}
	json_decref(v);
	return v ? SZ_CTL_OK : ret;
}

static int show_batch(struct sz_ctl *c, const struct batch *b)
{
	json_t *all = json_array(), *v;
	int ret = SZ_CTL_OK;
	u32 i;

	for (i = 0; i < b->n; i++) {
		const struct sz_rebac_item *it = &b->items[i];

		ret = it->error.code || !it->allowed ? SZ_CTL_FAILED : ret;
		if (!c->json) {
			printf("%s %s %s %s%s%s\n",
			       it->error.code ? "error" : it->allowed ? "yes" : "no", it->user,
			       it->relation, it->object, it->error.code ? ": " : "",
			       it->error.code ? it->error.msg : "");
			continue;
		}
		v = json_pack("{s:s, s:s, s:s, s:b}", "user", it->user, "relation", it->relation,
			      "object", it->object, "allowed", it->allowed);
		if (it->error.code)
			json_object_set_new(v, "error",
					    sz_ctl_text(it->error.msg, strlen(it->error.msg)));
		json_array_append_new(all, v);
	}
	if (c->json)
		sz_ctl_print_json(all);
	else
		json_decref(all);
	return ret;
}

int sz_ctl_cmd_rebac_batch(struct sz_ctl *c)
{
	struct batch b = {0};
	struct job j;
	int ret = read_batch(c->args.word[0], &b);
	u32 from;

	if (!ret && is_for_daemon(c)) {
		for (from = 0; from < b.n && !ret; from += BATCH)
			ret = batch_of_daemon(c, &b, from);
	} else if (!ret) {
		ret = load(c, &j);
		if (!ret) {
			sz_rebac_batch(j.r.graph, j.r.work, &j.request, b.items, b.n);
			end(&j);
		}
	}
	if (!ret)
		ret = show_batch(c, &b);
	free(b.items);
	json_decref(b.list);
	return ret;
}

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
	const char *what = c->args.word[0], *path = c->args.word[1];
	struct sz_buf text = {0}, out = {0};
	struct sz_rebac_model *m;
	struct sz_rebac_error re;
	struct sz_error e;
	int ret = SZ_CTL_OK;

	if (strcmp(what, "validate") && strcmp(what, "convert"))
		return sz_ctl_usage("'rebac model' is followed by validate or convert");
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

int sz_ctl_cmd_rebac_check(struct sz_ctl *c)
{
	const char *const *word = c->args.word;
	struct sz_rebac_error e;
	struct job j;
	bool allowed;
	int ret = load(c, &j);

	if (ret)
		return ret;
	if (sz_rebac_check(j.r.graph, j.r.work, &j.request, word[0], word[1], word[2], &allowed,
			   &e)) {
		ret = fail(c, &e);
	} else {
		ret = allowed ? SZ_CTL_OK : SZ_CTL_FAILED;
		if (c->json)
			sz_ctl_print_json(json_pack("{s:b}", "allowed", allowed));
		else
			printf("%s\n", allowed ? "yes" : "no");
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

int sz_ctl_cmd_rebac_list_objects(struct sz_ctl *c)
{
	const char *const *word = c->args.word;
	struct sz_rebac_error e;
	json_t *names;
	struct job j;
	int ret = load(c, &j);

	if (ret)
		return ret;
	if (sz_rebac_list_objects(j.r.graph, j.r.work, &j.request, word[0], word[1], word[2], 0,
				  &names, &e))
		ret = fail(c, &e);
	else
		ret = show_names(c, "objects", names);
	end(&j);
	return ret;
}

int sz_ctl_cmd_rebac_list_users(struct sz_ctl *c)
{
	const char *const *word = c->args.word;
	struct sz_rebac_error e;
	json_t *names;
	struct job j;
	int ret = load(c, &j);

	if (ret)
		return ret;
	if (sz_rebac_list_users(j.r.graph, j.r.work, &j.request, word[0], word[1], word[2], &names,
				&e))
		ret = fail(c, &e);
	else
		ret = show_names(c, "users", names);
	end(&j);
	return ret;
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

int sz_ctl_cmd_rebac_expand(struct sz_ctl *c)
{
	const char *const *word = c->args.word;
	struct sz_rebac_error e;
	json_t *tree, *root;
	struct job j;
	int ret = load(c, &j);

	if (ret)
		return ret;
	if (sz_rebac_expand(j.r.graph, j.r.work, &j.request, word[1], word[0], &tree, &e)) {
		ret = fail(c, &e);
	} else if (c->json) {
		ret = sz_ctl_print_json(json_pack("{s:o}", "tree", tree));
	} else {
		root = json_object_get(tree, "root");
		printf("%s\n", json_string_value(json_object_get(root, "name")));
		if (json_object_get(root, "leaf"))
			show_node(root, "", 1);
		else
			show_nodes(root, 1);
		json_decref(tree);
	}
	end(&j);
	return ret;
}

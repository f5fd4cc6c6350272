/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * rebac test: runs OpenFGA store tests (openfga.dev/docs/modeling/testing), a YAML file of a model,
 * tuples, and what check, list objects and list users must answer. A key that is not known is an
 * error, and so is a file that asserts nothing: a test that cannot fail is none.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "rebac/rebac.h"

struct run {
	struct sz_ctl *c;
	const char *path, *test; /* of the file, and the name of the test */
	struct sz_ctl_rebac r;
	struct sz_rebac_request request;
	unsigned passed, failed;
	json_t *failures; /* with --json */
	struct sz_error *e;
};

static const char *text(const json_t *v, const char *key)
{
	return json_string_value(json_object_get(v, key));
}

/* Only these keys, separated by spaces. */
static int only(struct run *t, const json_t *v, const char *what, const char *known)
{
	const char *key, *at;
	json_t *member;
	size_t n;

	if (!json_is_object(v))
		return sz_error_set(t->e, -EINVAL, "%s: %s is no mapping", t->path, what);
	json_object_foreach((json_t *)v, key, member)
	{
		n = strlen(key);
		for (at = known; (at = strstr(at, key)) != NULL; at += n)
			if (n && (at == known || at[-1] == ' ') && (!at[n] || at[n] == ' '))
				break;
		if (!at)
			return sz_error_set(t->e, -EINVAL,
					    "%s: %s has an unknown key '%.60s'; known are: %s",
					    t->path, what, key, known);
	}
	return 0;
}

/* ---- results -------------------------------------------------------------------------------- */

/* `got` NULL: the question failed. All are taken over. */
static void result(struct run *t, bool good, json_t *question, json_t *expected, json_t *got,
		   const struct sz_rebac_error *e)
{
	char *q, *x, *g;

	t->passed += good;
	t->failed += !good;
	if (!good && t->c->json) {
		json_array_append_new(
			t->failures,
			json_pack("{s:s, s:s, s:O, s:O, s:o}", "file", t->path, "test", t->test,
				  "question", question, "expected", expected, got ? "got" : "error",
				  got ? json_incref(got) : sz_ctl_text(e->msg, strlen(e->msg))));
	} else if (!good) {
		q = json_dumps(question, JSON_ENCODE_ANY | JSON_COMPACT);
		x = json_dumps(expected, JSON_ENCODE_ANY | JSON_COMPACT);
		g = got ? json_dumps(got, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
		printf("FAIL  %s: %s\n      expected %s, %s%s\n", t->test, q, x, got ? "got " : "",
		       got ? g : e->msg);
		free(q);
		free(x);
		free(g);
	}
	json_decref(question);
	json_decref(expected);
	json_decref(got);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A copy in order; NULL where it is no list of text. */
static json_t *sorted(const json_t *list)
{
	size_t n = json_array_size(list), i;
	const char **s = sz_calloc(n, sizeof(*s));
	json_t *ret = json_array();

	for (i = 0; i < n; i++)
		s[i] = json_string_value(json_array_get(list, i));
	for (i = 0; i < n && s[i]; i++)
		;
	if (i < n || (list && !json_is_array(list) && !json_is_null(list))) {
		json_decref(ret);
		ret = NULL;
	} else {
		qsort(s, n, sizeof(*s), by_text);
		for (i = 0; i < n; i++)
			json_array_append_new(ret, json_string(s[i]));
	}
	free(s);
	return ret;
}

/* ---- questions ------------------------------------------------------------------------------ */

static void check_one(struct run *t, const char *user, const char *relation, const char *object,
		      bool expected)
{
	struct sz_rebac_error e;
	bool allowed = false;
	int err;

	err = sz_rebac_check(t->r.graph, t->r.work, &t->request, user, relation, object, &allowed,
			     &e);
	result(t, !err && allowed == expected,
	       json_pack("{s:s, s:s, s:s}", "user", user, "relation", relation, "object", object),
	       json_boolean(expected), err ? NULL : json_boolean(allowed), &e);
}

/* A text, or a list of texts under the plural of its name. */
static int take_list(struct run *t, const json_t *v, const char *one, const char *many,
		     json_t **ret)
{
	const json_t *s = json_object_get(v, one), *list = json_object_get(v, many);

	*ret = s ? json_pack("[O]", s) : sorted(list);
	if (*ret && json_array_size(*ret) && (!s || json_is_string(s)) && !(s && list))
		return 0;
	json_decref(*ret);
	*ret = NULL;
	return sz_error_set(t->e, -EINVAL, "%s: %s: a check needs %s, or a list of %s", t->path,
			    t->test, one, many);
}

static int run_check(struct run *t, const json_t *v)
{
	json_t *users, *objects = NULL, *user, *object, *expected;
	const char *relation;
	size_t i, k;
	int err = only(t, v, "a check", "user users object objects context assertions");

	if (err || take_list(t, v, "user", "users", &users))
		return -EINVAL;
	err = take_list(t, v, "object", "objects", &objects);
	json_object_foreach(json_object_get(v, "assertions"), relation, expected)
	{
		if (!err && !json_is_boolean(expected))
			err = sz_error_set(t->e, -EINVAL, "%s: %s: '%.50s' is true or false",
					   t->path, t->test, relation);
		json_array_foreach(users, i, user) json_array_foreach(objects, k, object) if (!err)
			check_one(t, json_string_value(user), relation, json_string_value(object),
				  json_is_true(expected));
	}
	json_decref(users);
	json_decref(objects);
	return err;
}

static int run_list_objects(struct run *t, const json_t *v)
{
	const char *user = text(v, "user"), *type = text(v, "type"), *relation;
	json_t *expected, *list, *got;
	struct sz_rebac_error e;
	int err = only(t, v, "list_objects", "user type context assertions");

	if (err)
		return err;
	if (!user || !type)
		return sz_error_set(t->e, -EINVAL, "%s: %s: list_objects needs user and type",
				    t->path, t->test);
	json_object_foreach(json_object_get(v, "assertions"), relation, expected)
	{
		list = sorted(expected);
		if (!list)
			return sz_error_set(t->e, -EINVAL, "%s: %s: '%.50s' is a list of objects",
					    t->path, t->test, relation);
		err = sz_rebac_list_objects(t->r.graph, t->r.work, &t->request, user, relation,
					    type, 0, &got, &e);
		result(t, !err && json_equal(list, got),
		       json_pack("{s:s, s:s, s:s}", "user", user, "relation", relation, "type",
				 type),
		       list, got, &e);
	}
	return 0;
}

static int take_filter(struct run *t, const json_t *v, struct sz_buf *ret)
{
	const json_t *filters = json_object_get(v, "user_filter");
	const json_t *f = json_is_array(filters) ? json_array_get(filters, 0) : filters;
	const char *type = text(f, "type"), *relation = text(f, "relation");

	if (!type || (json_is_array(filters) && json_array_size(filters) != 1))
		return sz_error_set(t->e, -EINVAL, "%s: %s: user_filter is a list of one type",
				    t->path, t->test);
	sz_buf_printf(ret, "%s%s%s", type, relation ? "#" : "", relation ? relation : "");
	return 0;
}

static int run_list_users(struct run *t, const json_t *v)
{
	const char *object = text(v, "object"), *relation;
	json_t *expected, *list, *got;
	struct sz_buf filter = {0};
	struct sz_rebac_error e;
	int err = only(t, v, "list_users", "object user_filter context assertions");

	if (!err && !object)
		err = sz_error_set(t->e, -EINVAL, "%s: %s: list_users needs an object", t->path,
				   t->test);
	if (!err)
		err = take_filter(t, v, &filter);
	json_object_foreach(json_object_get(v, "assertions"), relation, expected)
	{
		if (!err)
			err = only(t, expected, "a relation of list_users", "users");
		list = err ? NULL : sorted(json_object_get(expected, "users"));
		if (!err && !list)
			err = sz_error_set(t->e, -EINVAL, "%s: %s: users is a list of text",
					   t->path, t->test);
		if (err)
			break;
		err = sz_rebac_list_users(t->r.graph, t->r.work, &t->request, object, relation,
					  filter.data, &got, &e);
		result(t, !err && json_equal(list, got),
		       json_pack("{s:s, s:s, s:s}", "object", object, "relation", relation,
				 "user_filter", filter.data),
		       list, got, &e);
		err = 0;
	}
	sz_buf_done(&filter);
	return err;
}

/* ---- tests ---------------------------------------------------------------------------------- */

static int run_each(struct run *t, const json_t *list, const char *what,
		    int (*one)(struct run *t, const json_t *v))
{
	json_t *v;
	size_t i;
	int err = 0;

	if (list && !json_is_array(list) && !json_is_null(list))
		return sz_error_set(t->e, -EINVAL, "%s: %s: %s is a list", t->path, t->test, what);
	json_array_foreach((json_t *)list, i, v)
	{
		t->request = (struct sz_rebac_request){.context = json_object_get(v, "context")};
		if (json_is_null(t->request.context))
			t->request.context = NULL;
		err = one(t, v);
		if (!err && !json_object_size(json_object_get(v, "assertions")))
			err = sz_error_set(t->e, -EINVAL, "%s: %s: %s without assertions", t->path,
					   t->test, what);
		if (err)
			break;
	}
	return err;
}

/* A file that the test names, found beside it. */
static char *beside(const struct run *t, const char *name)
{
	const char *slash = strrchr(t->path, '/');
	struct sz_buf b = {0};

	if (*name != '/' && slash)
		sz_buf_add(&b, t->path, (size_t)(slash - t->path) + 1);
	sz_buf_printf(&b, "%s", name);
	return b.data;
}

static int add_file(struct run *t, const json_t *name, json_t *written)
{
	char *path;
	json_t *list;
	int err;

	if (!json_is_string(name))
		return sz_error_set(t->e, -EINVAL, "%s: a tuple file is named by text", t->path);
	path = beside(t, json_string_value(name));
	list = sz_ctl_rebac_read(path, t->e);
	err = list ? sz_ctl_rebac_tuples(&t->r, list, path, written, t->e) : -EINVAL;
	json_decref(list);
	free(path);
	return err;
}

static int add_tuples(struct run *t, const json_t *v, json_t *written)
{
	const json_t *tuples = json_object_get(v, "tuples"), *file;
	json_t *name;
	size_t i;
	int err = 0;

	if (tuples && !json_is_null(tuples))
		err = sz_ctl_rebac_tuples(&t->r, tuples, t->path, written, t->e);
	file = json_object_get(v, "tuple_file");
	if (!err && file)
		err = add_file(t, file, written);
	json_array_foreach(json_object_get(v, "tuple_files"), i, name) if (!err) err =
		add_file(t, name, written);
	return err;
}

static int run_test(struct run *t, const json_t *v)
{
	json_t *written = json_array();
	int err = only(t, v, "a test",
		       "name description tuples tuple_file tuple_files check list_objects "
		       "list_users");

	t->test = text(v, "name") ? text(v, "name") : "a test without a name";
	if (!err)
		err = add_tuples(t, v, written);
	if (!err)
		err = run_each(t, json_object_get(v, "check"), "check", run_check);
	if (!err)
		err = run_each(t, json_object_get(v, "list_objects"), "list_objects",
			       run_list_objects);
	if (!err)
		err = run_each(t, json_object_get(v, "list_users"), "list_users", run_list_users);
	sz_ctl_rebac_remove(&t->r, written);
	json_decref(written);
	return err;
}

static int take_model(struct run *t, const json_t *v)
{
	const char *model = text(v, "model"), *name = text(v, "model_file");
	char *path;
	int err;

	if (!model == !name)
		return sz_error_set(t->e, -EINVAL, "%s: it needs either model or model_file",
				    t->path);
	if (model)
		return sz_ctl_rebac_model(&t->r, model, strlen(model), "model", t->e);
	path = beside(t, name);
	err = sz_ctl_rebac_model_file(&t->r, path, t->e);
	free(path);
	return err;
}

static int run_file(struct run *t, const char *path)
{
	unsigned before = t->passed + t->failed;
	json_t *v = sz_ctl_rebac_read(path, t->e), *test;
	size_t i;
	int err;

	if (!v)
		return -EINVAL;
	t->path = path;
	err = only(t, v, "the file",
		   "name description model model_file tuples tuple_file tuple_files tests");
	if (!err)
		err = take_model(t, v);
	if (!err)
		err = add_tuples(t, v, NULL);
	json_array_foreach(json_object_get(v, "tests"), i, test) if (!err) err = run_test(t, test);
	sz_ctl_rebac_done(&t->r);
	json_decref(v);
	if (!err && t->passed + t->failed == before)
		err = sz_error_set(t->e, -EINVAL, "%s asserts nothing", path);
	return err;
}

int sz_ctl_cmd_rebac_test(struct sz_ctl *c)
{
	struct sz_error e;
	struct run t = {.c = c, .failures = json_array(), .e = &e};
	unsigned i;
	int ret = SZ_CTL_OK;

	for (i = 0; i < c->args.n_words; i++)
		if (run_file(&t, c->args.word[i]))
			ret = sz_ctl_fail("%s", e.msg);
	if (c->json)
		sz_ctl_print_json(json_pack("{s:i, s:i, s:O}", "passed", (int)t.passed, "failed",
					    (int)t.failed, "failures", t.failures));
	else
		printf("%u passed, %u failed\n", t.passed, t.failed);
	json_decref(t.failures);
	return t.failed ? SZ_CTL_FAILED : ret;
}

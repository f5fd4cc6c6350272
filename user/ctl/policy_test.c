/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * policy test: runs the tests that stand beside a policy (*.test.yaml): a token and a request, and
 * what must become of them. Asks neither daemon nor kernel. A key that is not known is an error,
 * and so are a file and a filter that test nothing: a test that cannot fail is none.
 */
#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl/policy_test.h"

#define FILE_MAX  (1u << 20)
#define DEPTH_MAX 16

/* ---- reading -------------------------------------------------------------------------------- */

u32 sz_ptest_line(const json_t *lines)
{
	const json_t *own = json_is_object(lines)  ? json_object_get(lines, "")
			    : json_is_array(lines) ? json_array_get(lines, 0)
						   : lines;

	return json_is_integer(own) ? (u32)json_integer_value(own) : 1;
}

int sz_ptest_fail(struct sz_ptest *t, const json_t *lines, const char *key, const char *fmt, ...)
{
	const json_t *at = key ? json_object_get(lines, key) : NULL;
	struct sz_buf clean = {0};
	char what[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	sz_ctl_clean(&clean, what, strlen(what));
	sz_error_set(t->e, -EINVAL, "%.200s:%u: %s", t->path, sz_ptest_line(at ? at : lines),
		     clean.data ? clean.data : "");
	sz_buf_done(&clean);
	return -EINVAL;
}

int sz_ptest_only(struct sz_ptest *t, const json_t *v, const json_t *lines, const char *what,
		  const char *known)
{
	const char *key, *at;
	json_t *member;
	size_t n;

	if (!json_is_object(v))
		return sz_ptest_fail(t, lines, NULL, "%s is no mapping", what);
	json_object_foreach((json_t *)v, key, member)
	{
		n = strlen(key);
		for (at = known; n && (at = strstr(at, key)) != NULL; at += n)
			if ((at == known || at[-1] == ' ') && (!at[n] || at[n] == ' '))
				break;
		if (!n || !at)
			return sz_ptest_fail(t, lines, key,
					     "%s has an unknown key '%.60s'; known are: %s", what,
					     key, known);
	}
	return 0;
}

int sz_ptest_text(struct sz_ptest *t, const json_t *v, const json_t *lines, const char *key,
		  const char **ret)
{
	const json_t *member = json_object_get(v, key);

	*ret = json_string_value(member);
	if (!member || (*ret && **ret))
		return 0;
	return sz_ptest_fail(t, lines, key, "%s is a text; quote a number, or give it a value",
			     key);
}

/* ---- one file ------------------------------------------------------------------------------- */

static bool is_meant(const struct sz_ptest *t, const char *name)
{
	if (!t->filter)
		return true;
	if (!name)
		return false;
	return strpbrk(t->filter, "*?[") ? !fnmatch(t->filter, name, 0)
					 : strstr(name, t->filter) != NULL;
}

static int take_model(struct sz_ptest *t)
{
	const json_t *tuples = json_object_get(t->file, "tuples");
	const char *model, *name, *slash = strrchr(t->path, '/');
	struct sz_buf path = {0};
	char where[256];
	int err;

	if (sz_ptest_text(t, t->file, t->lines, "model", &model) ||
	    sz_ptest_text(t, t->file, t->lines, "model_file", &name))
		return -EINVAL;
	if (model && name)
		return sz_ptest_fail(t, t->lines, "model_file", "give model or model_file");
	if (!model && !name)
		return tuples ? sz_ptest_fail(t, t->lines, "tuples",
					      "tuples need a model; add model or model_file")
			      : 0;
	if (model) {
		snprintf(where, sizeof(where), "%.200s: model", t->path);
		err = sz_ctl_rebac_model(&t->rebac, model, strlen(model), where, t->e);
	} else {
		if (*name != '/' && slash)
			sz_buf_add(&path, t->path, (size_t)(slash - t->path) + 1);
		sz_buf_printf(&path, "%s", name);
		err = sz_ctl_rebac_model_file(&t->rebac, path.data, t->e);
		sz_buf_done(&path);
	}
	if (err || !tuples || json_is_null(tuples))
		return err;
	snprintf(where, sizeof(where), "%.200s:%u", t->path,
		 sz_ptest_line(json_object_get(t->lines, "tuples")));
	return sz_ctl_rebac_tuples(&t->rebac, tuples, where, NULL, t->e);
}

static int run_cases(struct sz_ptest *t)
{
	const json_t *tests = json_object_get(t->file, "tests"), *v;
	const json_t *lines = json_object_get(t->lines, "tests");
	const char *name;
	size_t i;
	int err;

	err = sz_ptest_only(t, t->file, t->lines, "the file",
			    "name description service time model model_file tuples tables tests");
	if (!err && !json_array_size(tests))
		err = sz_ptest_fail(t, t->lines, "tests",
				    "the file tests nothing; add tests: and a list");
	if (!err)
		err = take_model(t);
	for (i = 0; !err && i < json_array_size(tests); i++) {
		v = json_array_get(tests, i);
		name = json_string_value(json_object_get(v, "name"));
		if (is_meant(t, name))
			err = sz_ptest_case(t, v, json_array_get(lines, i + 1));
		else
			t->skipped++;
	}
	return err;
}

static int run_file(struct sz_ptest *t, const char *path)
{
	struct sz_buf text = {0};
	int err;

	t->path = path;
	if (sz_file_read(path, FILE_MAX, &text, t->e))
		return -EINVAL;
	t->file = sz_conf_yaml_lines(text.data ? text.data : "", text.len, path, &t->lines, t->e);
	sz_buf_done(&text);
	err = t->file ? run_cases(t) : -EINVAL;
	sz_policy_free(t->policy);
	t->policy = NULL;
	sz_ctl_rebac_done(&t->rebac);
	json_decref(t->file);
	json_decref(t->lines);
	t->file = t->lines = NULL;
	return err;
}

/* ---- files and directories ------------------------------------------------------------------ */

static bool ends(const char *s, const char *with)
{
	size_t n = strlen(s), m = strlen(with);

	return n > m && !strcmp(s + n - m, with);
}

static int run_path(struct sz_ptest *t, const char *path, unsigned depth, unsigned *ret_files);

static int run_directory(struct sz_ptest *t, const char *path, unsigned depth, unsigned *ret_files)
{
	struct dirent **list;
	int n = scandir(path, &list, NULL, alphasort), i, err = 0, one;
	struct stat st;

	if (n < 0)
		return sz_ctl_usage("cannot read the directory %s: %m", path);
	for (i = 0; i < n; i++) {
		const char *name = list[i]->d_name;
		struct sz_buf sub = {0};

		sz_buf_printf(&sub, "%s/%s", path, name);
		/* A link to a directory may lead in circles. */
		if (*name != '.' && !lstat(sub.data, &st) &&
		    (S_ISDIR(st.st_mode) ? depth < DEPTH_MAX
					 : ends(name, ".test.yaml") || ends(name, ".test.yml"))) {
			one = run_path(t, sub.data, depth + 1, ret_files);
			err = err ? err : one;
		}
		sz_buf_done(&sub);
		free(list[i]);
	}
	free(list);
	return err;
}

static int run_path(struct sz_ptest *t, const char *path, unsigned depth, unsigned *ret_files)
{
	struct stat st;

	if (stat(path, &st))
		return sz_ctl_usage("cannot read %s: %m", path);
	if (S_ISDIR(st.st_mode))
		return run_directory(t, path, depth, ret_files);
	++*ret_files;
	return run_file(t, path) ? sz_ctl_usage("%s", t->e->msg) : SZ_CTL_OK;
}

static int take_format(struct sz_ctl *c, enum sz_ptest_format *ret)
{
	static const char *const names[] = {[SZ_PTEST_TEXT] = "text",
					    [SZ_PTEST_TAP] = "tap",
					    [SZ_PTEST_JUNIT] = "junit",
					    [SZ_PTEST_JSON] = "json"};
	const char *s = sz_ctl_value(&c->args, "format");

	*ret = c->json ? SZ_PTEST_JSON : SZ_PTEST_TEXT;
	for (size_t i = 0; s && i < SZ_ARRAY_LEN(names); i++)
		if (!strcmp(s, names[i])) {
			*ret = (enum sz_ptest_format)i;
			return 0;
		}
	return s ? sz_ctl_usage("--format '%s' is not known; write text, tap, junit or json", s)
		 : 0;
}

int sz_ctl_cmd_policy_test(struct sz_ctl *c)
{
	struct sz_error e = {""};
	struct sz_ptest t = {.e = &e, .filter = sz_ctl_value(&c->args, "filter")};
	enum sz_ptest_format format;
	unsigned i, files;
	int ret, one;

	ret = take_format(c, &format);
	if (ret)
		return ret;
	t.conf = sz_ctl_conf(c);
	if (!t.conf)
		return sz_ctl_usage("%s", c->conf_error.msg);
	t.results = json_array();
	for (i = 0; i < c->args.n_words; i++) {
		files = 0;
		one = run_path(&t, c->args.word[i], 0, &files);
		if (!one && !files)
			one = sz_ctl_usage("%s has no *.test.yaml file", c->args.word[i]);
		ret = ret ? ret : one;
	}
	if (!ret && !t.passed && !t.failed)
		ret = sz_ctl_usage("no test is called '%s'", t.filter);
	sz_ptest_report(&t, format);
	json_decref(t.results);
	return ret ? ret : t.failed ? SZ_CTL_FAILED : SZ_CTL_OK;
}

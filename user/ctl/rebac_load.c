/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Authorization models and relationship tuples from files, for the rebac commands. Everything is
 * held in memory; the daemon and its store are not asked.
 */
#include <string.h>

#include "ctl/ctl.h"
#include "rebac/rebac.h"

#define FILE_MAX (256u << 20)

static bool ends(const char *path, const char *with)
{
	size_t n = strlen(path), m = strlen(with);

	return n >= m && !strcmp(path + n - m, with);
}

static json_t *fail_json(const char *path, int line, const json_error_t *je, struct sz_error *e)
{
	struct sz_buf b = {0};

	sz_ctl_clean(&b, je->text, strlen(je->text));
	sz_error_set(e, -EINVAL, "%.200s:%d:%d: %s", path, line, je->column, b.data ? b.data : "");
	sz_buf_done(&b);
	return NULL;
}

static json_t *read_lines(const char *path, const struct sz_buf *text, struct sz_error *e)
{
	const char *p = text->data, *end = p + text->len, *eol;
	json_t *list = json_array(), *v;
	json_error_t je;
	int line = 1;

	for (; p < end; p = eol + 1, line++) {
		eol = memchr(p, '\n', (size_t)(end - p));
		eol = eol ? eol : end;
		if (strspn(p, " \t\r\n") >= (size_t)(eol - p))
			continue;
		v = json_loadb(p, (size_t)(eol - p), JSON_REJECT_DUPLICATES, &je);
		if (!v) {
			json_decref(list);
			return fail_json(path, line, &je, e);
		}
		json_array_append_new(list, v);
	}
	return list;
}

json_t *sz_ctl_rebac_read(const char *path, struct sz_error *e)
{
	struct sz_buf text = {0};
	json_error_t je;
	json_t *v;

	if (sz_file_read(path, FILE_MAX, &text, e))
		return NULL;
	sz_buf_add(&text, "", 0); /* data is never NULL */
	if (ends(path, ".yaml") || ends(path, ".yml")) {
		v = sz_conf_yaml(text.data, text.len, path, e);
	} else if (ends(path, ".jsonl")) {
		v = read_lines(path, &text, e);
	} else {
		v = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &je);
		if (!v)
			fail_json(path, je.line, &je, e);
	}
	sz_buf_done(&text);
	return v;
}

int sz_ctl_rebac_model(struct sz_ctl_rebac *r, const char *text, size_t n, const char *name,
		       struct sz_error *e)
{
	struct sz_rebac_error re;

	*r = (struct sz_ctl_rebac){0};
	if (sz_rebac_model_parse(text, n, &r->model, &re))
		return sz_error_set(e, -EINVAL, "%.200s:%u:%u: %.250s", name, re.line, re.column,
				    re.msg);
	r->store = sz_rebac_memory_new();
	r->work = sz_rebac_work_new(0);
	if (sz_rebac_graph_new(r->model, r->store, &r->graph, &re)) {
		sz_ctl_rebac_done(r);
		return sz_error_set(e, -EINVAL, "%.200s: %.250s", name, re.msg);
	}
	return 0;
}

int sz_ctl_rebac_model_file(struct sz_ctl_rebac *r, const char *path, struct sz_error *e)
{
	struct sz_buf text = {0};
	int err = sz_file_read(path, SZ_REBAC_MODEL_MAX, &text, e);

	*r = (struct sz_ctl_rebac){0};
	if (!err)
		err = sz_ctl_rebac_model(r, text.data ? text.data : "", text.len, path, e);
	sz_buf_done(&text);
	return err;
}

static struct sz_rebac_tuple take_tuple(const json_t *v)
{
	const json_t *condition = json_object_get(v, "condition");

	return (struct sz_rebac_tuple){
		.user = json_string_value(json_object_get(v, "user")),
		.relation = json_string_value(json_object_get(v, "relation")),
		.object = json_string_value(json_object_get(v, "object")),
		.condition = json_string_value(json_object_get(condition, "name")),
		.context = json_object_get(condition, "context"),
	};
}

int sz_ctl_rebac_tuples(struct sz_ctl_rebac *r, const json_t *list, const char *name,
			json_t *written, struct sz_error *e)
{
	struct sz_rebac_tuple t;
	struct sz_rebac_error re;
	json_t *v;
	size_t i;
	int err;

	if (json_is_object(list)) /* as they are exported by others */
		list = json_object_get(list, json_object_get(list, "tuple_keys") ? "tuple_keys"
										 : "tuples");
	if (!json_is_array(list))
		return sz_error_set(e, -EINVAL, "%.200s holds no list of tuples", name);
	json_array_foreach((json_t *)list, i, v)
	{
		if (json_object_get(v, "key")) /* {"key": {...}, "timestamp": ...} */
			v = json_object_get(v, "key");
		t = take_tuple(v);
		if (!t.user || !t.relation || !t.object ||
		    (json_object_get(v, "condition") && !t.condition))
			return sz_error_set(e, -EINVAL,
					    "%.200s: tuple %zu needs user, relation and object; a "
					    "condition needs a name",
					    name, i + 1);
		err = sz_rebac_write(r->graph, &t, &re);
		if (err && (err != -EEXIST || !written))
			return sz_error_set(e, err, "%.200s: tuple %zu: %.250s", name, i + 1,
					    re.msg);
		if (!err && written)
			json_array_append(written, v);
	}
	return 0;
}

void sz_ctl_rebac_remove(struct sz_ctl_rebac *r, const json_t *list)
{
	struct sz_rebac_tuple t;
	struct sz_rebac_error re;
	json_t *v;
	size_t i;

	json_array_foreach((json_t *)list, i, v)
	{
		t = take_tuple(v);
		if (sz_rebac_delete(r->graph, &t, &re))
			sz_ctl_note("%s", re.msg);
	}
}

void sz_ctl_rebac_done(struct sz_ctl_rebac *r)
{
	sz_rebac_graph_free(r->graph);
	sz_rebac_work_free(r->work);
	sz_rebac_store_free(r->store);
	sz_rebac_model_free(r->model);
	*r = (struct sz_ctl_rebac){0};
}

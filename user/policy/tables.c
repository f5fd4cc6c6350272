/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Attributes from files: attributes.NAME[key]. A JSON file is an object of whatever stands under
 * its keys; of a CSV file the first column is the key, and each row becomes an object named by the
 * header line. Read when the policy is compiled, so that a change is a new policy: the daemon
 * watches the files and reloads.
 */
#include <stdio.h>
#include <string.h>

#include "policy/policy_priv.h"

#define TABLE_BYTES (16u << 20)
#define ARENA_BYTES (256u << 20)
#define COLUMNS_MAX 64

/* ---- CSV: RFC 4180 -------------------------------------------------------------------------- */

struct csv {
	const char *p, *end;
	const char *file;
	u32 line;
	struct sz_error *e;
};

/* One field; *ret_last where a line ends behind it. */
static int read_field(struct csv *c, struct sz_buf *ret, bool *ret_last)
{
	bool quoted = c->p < c->end && *c->p == '"';

	sz_buf_reset(ret);
	c->p += quoted;
	for (;; c->p++) {
		if (c->p == c->end) {
			if (!quoted)
				break;
			return sz_error_set(c->e, -EINVAL, "%.200s:%u: a quote is not closed",
					    c->file, c->line);
		}
		if (quoted && *c->p == '"') {
			c->p++;
			if (c->p == c->end || *c->p != '"')
				break;
		} else if (!quoted && (*c->p == ',' || *c->p == '\n' || *c->p == '\r')) {
			break;
		} else if (!quoted && *c->p == '"') {
			return sz_error_set(c->e, -EINVAL,
					    "%.200s:%u: a quote inside a field; put the whole "
					    "field in quotes and write \"\" for one",
					    c->file, c->line);
		}
		c->line += *c->p == '\n';
		sz_buf_add(ret, c->p, 1);
	}
	if (c->p + 1 < c->end && *c->p == '\r' && c->p[1] == '\n')
		c->p++;
	*ret_last = c->p == c->end || *c->p == '\n';
	if (!*ret_last && *c->p != ',')
		return sz_error_set(c->e, -EINVAL,
				    "%.200s:%u: something stands between a field and its comma",
				    c->file, c->line);
	c->p += c->p < c->end;
	return 0;
}

/* The fields of one line, as JSON strings; -EINVAL. */
static int read_line(struct csv *c, json_t *ret)
{
	struct sz_buf field = {0};
	bool last = false;
	int err = 0;

	json_array_clear(ret);
	while (!last && !err) {
		json_t *s;

		err = read_field(c, &field, &last);
		s = err ? NULL : json_stringn(field.data ? field.data : "", field.len);
		if (!err && (!s || json_array_size(ret) == COLUMNS_MAX))
			err = sz_error_set(c->e, -EINVAL,
					   s ? "%.200s:%u: more than %d columns"
					     : "%.200s:%u: not UTF-8 (column %d at the latest)",
					   c->file, c->line, COLUMNS_MAX);
		if (err)
			json_decref(s);
		else
			json_array_append_new(ret, s);
	}
	sz_buf_done(&field);
	return err;
}

static int add_row(struct csv *c, u32 line, const json_t *names, const json_t *fields, json_t *ret)
{
	const char *key = json_string_value(json_array_get(fields, 0));
	json_t *row;
	size_t i;

	if (json_array_size(fields) != json_array_size(names))
		return sz_error_set(c->e, -EINVAL,
				    "%.200s:%u: %zu fields, but the first line names %zu", c->file,
				    line, json_array_size(fields), json_array_size(names));
	if (strlen(key) != json_string_length(json_array_get(fields, 0)) ||
	    json_object_get(ret, key))
		return sz_error_set(c->e, -EINVAL, "%.200s:%u: the key \"%.64s\" stands twice",
				    c->file, line, key);
	row = json_object();
	for (i = 0; i < json_array_size(fields); i++)
		json_object_set(row, json_string_value(json_array_get(names, i)),
				json_array_get(fields, i));
	json_object_set_new(ret, key, row);
	return 0;
}

static int read_csv(const char *file, const struct sz_buf *text, json_t *ret, struct sz_error *e)
{
	struct csv c = {.p = text->data, .end = text->data + text->len, .file = file, .line = 1,
			.e = e};
	json_t *names = json_array(), *fields = json_array();
	int err = read_line(&c, names);
	u32 line;

	while (!err && c.p < c.end) {
		line = ++c.line;
		err = read_line(&c, fields);
		/* An empty line at the end of the file is none. */
		if (!err && !(json_array_size(fields) == 1 && c.p == c.end &&
			      !json_string_length(json_array_get(fields, 0))))
			err = add_row(&c, line, names, fields, ret);
	}
	json_decref(names);
	json_decref(fields);
	return err;
}

/* ---- tables --------------------------------------------------------------------------------- */

static bool ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && !strcmp(s + n - m, end);
}

static int read_table(const struct sz_conf_table *t, json_t **ret, struct sz_error *e)
{
	struct sz_buf text = {0};
	json_error_t why;
	int err = sz_file_read(t->file, TABLE_BYTES, &text, e);

	*ret = NULL;
	if (!err && ends_in(t->file, ".csv")) {
		*ret = json_object();
		err = text.len ? read_csv(t->file, &text, *ret, e) : 0;
	} else if (!err) {
		*ret = json_loadb(text.data ? text.data : "", text.len, JSON_REJECT_DUPLICATES,
				  &why);
		if (!*ret)
			err = sz_error_set(e, -EINVAL, "%.200s:%d:%d: %.200s", t->file, why.line,
					   why.column, why.text);
		else if (!json_is_object(*ret))
			err = sz_error_set(e, -EINVAL,
					   "%.200s: a table is an object of keys with their values",
					   t->file);
	}
	sz_buf_done(&text);
	if (err) {
		json_decref(*ret);
		*ret = NULL;
	}
	return err;
}

int sz_policy_tables(struct sz_policy *p, const json_t *given, struct sz_error *e)
{
	const struct sz_conf *c = p->conf;
	json_t *table;
	size_t i;
	int err;

	p->tables = json_object();
	sz_cel_arena_init(&p->arena, ARENA_BYTES);
	for (i = 0; i < c->policy.n_tables; i++) {
		table = json_incref(json_object_get(given, c->policy.tables[i].name));
		err = table ? 0 : read_table(&c->policy.tables[i], &table, e);
		if (err)
			return err;
		json_object_set_new(p->tables, c->policy.tables[i].name, table);
	}
	err = sz_cel_from_json(&p->arena, p->tables, &p->attributes);
	return err ? sz_error_set(e, err, "%.200s:%u: the tables are too large", c->path,
				  c->policy.line)
		   : 0;
}

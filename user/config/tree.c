/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any YAML document as JSON, for files whose shape another room knows. Called from outside; the
 * configuration itself is read by tables of known keys. What is refused is the same: anchors, tags,
 * further documents, depth, repeated keys, bytes that are not text.
 */
#include <string.h>

#include "config/config_priv.h"

/* A plain number as in JSON, with a sign of either kind: "007", "1_000" and "0x10" are text. */
static json_t *number(const char *s)
{
	size_t sign = *s == '-' || *s == '+', n = strspn(s + sign, "0123456789");
	const char *p = s + sign + n;
	char *end;
	double d;

	if (!n || (n > 1 && s[sign] == '0') || n > 18)
		return NULL;
	if (!*p)
		return json_integer(strtoll(s, NULL, 10));
	if (*p == '.' && p[1])
		p += 1 + strspn(p + 1, "0123456789");
	if (*p == 'e' || *p == 'E')
		p += 1 + (p[1] == '-' || p[1] == '+');
	p += strspn(p, "0123456789");
	d = strtod(s, &end);
	return *p || *end ? NULL : json_real(d); /* NULL also where it is too large */
}

static bool is_one_of(const char *s, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(s, *list))
			return true;
	return false;
}

/* The core schema of YAML 1.2: only what stands without quotes can be more than text. */
static json_t *scalar(struct sz_conf_reader *r, const yaml_node_t *v)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
	static const char *const trues[] = {"true", "True", "TRUE", NULL};
	static const char *const falses[] = {"false", "False", "FALSE", NULL};
	const char *s = (const char *)v->data.scalar.value;
	size_t n = v->data.scalar.length;
	json_t *ret = NULL;

	if (memchr(s, 0, n)) {
		sz_conf_fail(r, sz_conf_line(v), "a value has a NUL byte; remove it");
		return NULL;
	}
	if (v->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
		if (is_one_of(s, nulls))
			return json_null();
		if (is_one_of(s, trues) || is_one_of(s, falses))
			return json_boolean(*s == 't' || *s == 'T');
		ret = number(s);
	}
	if (!ret)
		ret = json_stringn(s, n);
	if (!ret)
		sz_conf_fail(r, sz_conf_line(v), "a value is not UTF-8; save the file as UTF-8");
	return ret;
}

static json_t *tree(struct sz_conf_reader *r, const yaml_node_t *v);

static int add_member(struct sz_conf_reader *r, const yaml_node_pair_t *pair, json_t *ret)
{
	const yaml_node_t *k = yaml_document_get_node(&r->doc, pair->key);
	const char *key = k->type == YAML_SCALAR_NODE ? (const char *)k->data.scalar.value : "";
	json_t *value;

	if (k->type != YAML_SCALAR_NODE || strlen(key) != k->data.scalar.length)
		return sz_conf_fail(r, sz_conf_line(k),
				    "a key is no plain text; write \"name: value\"");
	if (json_object_get(ret, key))
		return sz_conf_fail(r, sz_conf_line(k), "key '%.100s' stands twice; keep one", key);
	value = tree(r, yaml_document_get_node(&r->doc, pair->value));
	if (!value)
		return -EINVAL;
	return json_object_set_new(ret, key, value)
		       ? sz_conf_fail(r, sz_conf_line(k),
				      "a key is not UTF-8; save the file as UTF-8")
		       : 0;
}

static json_t *tree(struct sz_conf_reader *r, const yaml_node_t *v)
{
	const yaml_node_item_t *item;
	const yaml_node_pair_t *pair;
	json_t *ret, *child;

	if (v->type == YAML_SCALAR_NODE)
		return scalar(r, v);
	if (v->type == YAML_MAPPING_NODE) {
		ret = json_object();
		for (pair = v->data.mapping.pairs.start; pair < v->data.mapping.pairs.top; pair++)
			if (add_member(r, pair, ret)) {
				json_decref(ret);
				return NULL;
			}
		return ret;
	}
	ret = json_array();
	for (item = v->data.sequence.items.start; item < v->data.sequence.items.top; item++) {
		child = tree(r, yaml_document_get_node(&r->doc, *item));
		if (!child) {
			json_decref(ret);
			return NULL;
		}
		json_array_append_new(ret, child);
	}
	return ret;
}

/* Only of what tree() took. */
static json_t *lines(struct sz_conf_reader *r, const yaml_node_t *v, u32 line)
{
	const yaml_node_item_t *item;
	const yaml_node_pair_t *pair;
	const yaml_node_t *k, *child;
	json_t *ret;

	if (v->type == YAML_SCALAR_NODE)
		return json_integer(line);
	if (v->type == YAML_MAPPING_NODE) {
		ret = json_object();
		for (pair = v->data.mapping.pairs.start; pair < v->data.mapping.pairs.top; pair++) {
			k = yaml_document_get_node(&r->doc, pair->key);
			child = yaml_document_get_node(&r->doc, pair->value);
			json_object_set_new(ret, (const char *)k->data.scalar.value,
					    lines(r, child, sz_conf_line(k)));
		}
		json_object_set_new(ret, "", json_integer(line));
		return ret;
	}
	ret = json_pack("[i]", (int)line);
	for (item = v->data.sequence.items.start; item < v->data.sequence.items.top; item++) {
		child = yaml_document_get_node(&r->doc, *item);
		json_array_append_new(ret, lines(r, child, sz_conf_line(child)));
	}
	return ret;
}

json_t *sz_conf_yaml_lines(const char *text, size_t n, const char *name, json_t **ret_lines,
			   struct sz_error *e)
{
	struct sz_conf_reader r = {.name = name, .e = e};
	const yaml_node_t *root;
	json_t *ret;

	if (sz_conf_open(&r, text, n))
		return NULL;
	root = yaml_document_get_root_node(&r.doc);
	ret = tree(&r, root);
	if (ret && ret_lines)
		*ret_lines = lines(&r, root, sz_conf_line(root));
	sz_conf_close(&r);
	return ret;
}

json_t *sz_conf_yaml(const char *text, size_t n, const char *name, struct sz_error *e)
{
	return sz_conf_yaml_lines(text, n, name, NULL, e);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Mappings against their table of known keys. Called by the readers of this room for every mapping
 * but "claims". Never lets a key pass in silence: one that is unknown, repeated or missing is an
 * error, since a limit with a typing error in its name would be no limit.
 */
#include <string.h>

#include "config/config_priv.h"

#define KEY_MAX 32

/* Levenshtein's distance of two strings of at most KEY_MAX bytes. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t row[KEY_MAX + 1], n = strlen(b), i, j;

	for (j = 0; j <= n; j++)
		row[j] = j;
	for (i = 0; a[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (j = 0; j < n; j++) {
			size_t best = diagonal + (a[i] != b[j]);

			diagonal = row[j + 1];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (diagonal + 1 < best)
				best = diagonal + 1;
			row[j + 1] = best;
		}
	}
	return row[n];
}

static int fail_unknown(struct sz_conf_reader *r, u32 line, const char *what, const char *key,
			const struct sz_conf_field *fields, size_t n)
{
	size_t best = 0, distance = SIZE_MAX, i;
	struct sz_buf known = {0};

	for (i = 0; i < n && strlen(key) <= KEY_MAX; i++) {
		size_t d = edit_distance(key, fields[i].key);

		if (d < distance)
			distance = d, best = i;
	}
	if (n && distance <= 1 + strlen(fields[best].key) / 3)
		return sz_conf_fail(r, line, "unknown key \"%.64s\" in %s; did you mean \"%s\"?",
				    key, what, fields[best].key);
	for (i = 0; i < n; i++)
		sz_buf_printf(&known, "%s%s", i ? ", " : "", fields[i].key);
	sz_conf_fail(r, line, "unknown key \"%.64s\" in %s; known are %s", key, what, known.data);
	sz_buf_done(&known);
	return -EINVAL;
}

static int read_pair(struct sz_conf_reader *r, const char *what, const yaml_node_pair_t *pair,
		     const struct sz_conf_field *fields, size_t n, u32 *seen, void *obj)
{
	yaml_node_t *k = yaml_document_get_node(&r->doc, pair->key);
	yaml_node_t *v = yaml_document_get_node(&r->doc, pair->value);
	const char *key = sz_conf_scalar(r, "a key", k);
	size_t i;

	if (!key)
		return -EINVAL;
	for (i = 0; i < n && strcmp(key, fields[i].key); i++)
		;
	if (i == n)
		return fail_unknown(r, sz_conf_line(k), what, key, fields, n);
	if (seen[i])
		return sz_conf_fail(r, sz_conf_line(k),
				    "\"%s\" was given before, on line %u; keep one of the two", key,
				    seen[i]);
	seen[i] = sz_conf_line(k);
	return fields[i].read(r, &fields[i], v, obj);
}

int sz_conf_map(struct sz_conf_reader *r, const char *what, yaml_node_t *v,
		const struct sz_conf_field *fields, size_t n, void *obj)
{
	u32 seen[SZ_CONF_FIELDS_MAX] = {0};
	yaml_node_pair_t *p;
	size_t i;
	int err;

	if (v->type != YAML_MAPPING_NODE)
		return sz_conf_fail(
			r, sz_conf_line(v),
			"%s must be keys with values; write \"key: value\" lines, beginning "
			"for example with \"%s:\"",
			what, fields[0].key);
	for (p = v->data.mapping.pairs.start; p < v->data.mapping.pairs.top; p++) {
		err = read_pair(r, what, p, fields, n, seen, obj);
		if (err)
			return err;
	}
	for (i = 0; i < n; i++)
		if (fields[i].required && !seen[i])
			return sz_conf_fail(r, sz_conf_line(v), "%s has no \"%s\"; add it", what,
					    fields[i].key);
	return 0;
}

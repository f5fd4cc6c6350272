/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What of the file decides about a token, as text: all of it, in the order in which it stands, but
 * for comments, layout, and the sections that only say how much and from whom. Called for each file
 * that was read; two files with the same text admit the same. What is not known to be of no
 * concern is in it.
 */
#include <string.h>

#include "config/config_priv.h"

static const char *const not_of_file[] = {"limits", "networks", "bans", "syn_cookies", NULL};
static const char *const not_of_service[] = {"limits", "syn_cookies", "priority", NULL};
static const char *const nothing[] = {NULL};

static bool is_one_of(const yaml_node_t *key, const char *const *list)
{
	for (; key->type == YAML_SCALAR_NODE && *list; list++)
		if (!strcmp((const char *)key->data.scalar.value, *list))
			return true;
	return false;
}

static void put(struct sz_conf_reader *r, const yaml_node_t *v, const char *const *without,
		struct sz_buf *to);

static void put_member(struct sz_conf_reader *r, const yaml_node_pair_t *pair,
		       const char *const *without, struct sz_buf *to)
{
	static const char *const services[] = {"services", NULL};
	const yaml_node_t *key = yaml_document_get_node(&r->doc, pair->key);
	const yaml_node_t *value = yaml_document_get_node(&r->doc, pair->value);

	if (is_one_of(key, without))
		return;
	put(r, key, nothing, to);
	put(r, value, without == not_of_file && is_one_of(key, services) ? not_of_service : nothing,
	    to);
}

/* `without`: members that are left out of this mapping, or of each in this list. */
static void put(struct sz_conf_reader *r, const yaml_node_t *v, const char *const *without,
		struct sz_buf *to)
{
	const yaml_node_item_t *item;
	const yaml_node_pair_t *pair;

	if (v->type == YAML_SCALAR_NODE) {
		/* Without quotes "null" is something else than with them. */
		sz_buf_printf(to, "%c%zu:",
			      v->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? 'p' : 'q',
			      v->data.scalar.length);
		sz_buf_add(to, v->data.scalar.value, v->data.scalar.length);
	} else if (v->type == YAML_MAPPING_NODE) {
		sz_buf_add(to, "{", 1);
		for (pair = v->data.mapping.pairs.start; pair < v->data.mapping.pairs.top; pair++)
			put_member(r, pair, without, to);
		sz_buf_add(to, "}", 1);
	} else {
		sz_buf_add(to, "[", 1);
		for (item = v->data.sequence.items.start; item < v->data.sequence.items.top; item++)
			put(r, yaml_document_get_node(&r->doc, *item), without, to);
		sz_buf_add(to, "]", 1);
	}
}

void sz_conf_essence(struct sz_conf_reader *r, struct sz_conf *c)
{
	struct sz_buf text = {0};

	put(r, yaml_document_get_root_node(&r->doc), not_of_file, &text);
	c->essence = text.data;
	c->essence_n = text.len;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One level of a definition with the tuples that stand in it, in the shape of OpenFGA's Expand: for
 * people who ask where a relation comes from. Conditions are not evaluated here.
 */
#include "rebac_priv.h"

static json_t *name_json(struct sz_rebac_work *w, u64 node)
{
	struct sz_buf b = {0};
	json_t *v;

	sz_rebac_name(w, node, &b);
	v = json_string(b.data);
	sz_buf_done(&b);
	return v;
}

static u64 with_relation(u64 node, u32 relation)
{
	return sz_rebac_node_of(SZ_REBAC_TYPE(node), relation, SZ_REBAC_ID(node));
}

/* Users of the relation's own tuples, as far as the model allows them. */
static int list_edges(struct sz_rebac_work *w, u64 key, const struct def *d, u32 computed,
		      json_t *list)
{
	const struct sz_rebac_value *v;
	struct sz_rebac_edge edge;
	struct edges it;
	int more;

	sz_rebac_edges(&it, w, SZ_REBAC_BY_OBJECT, key, 0, UINT64_MAX);
	while ((more = sz_rebac_next(&it, &edge)) > 0) {
		if (!sz_rebac_step(w))
			return -EINVAL;
		v = edge.value ? sz_rebac_value(w, edge.value) : NULL;
		if (!sz_rebac_allowed(d, edge.node, v ? v->condition : 0))
			continue;
		if (!computed)
			json_array_append_new(list, name_json(w, edge.node));
		else if (sz_rebac_def(w->g, SZ_REBAC_TYPE(edge.node), computed))
			json_array_append_new(
				list, json_pack("{s:o}", "userset",
						name_json(w, with_relation(edge.node, computed))));
	}
	return more;
}

static int expand_op(struct sz_rebac_work *w, u64 node, const struct def *d, const struct op *op,
		     json_t **ret);

static int expand_children(struct sz_rebac_work *w, u64 node, const struct def *d,
			   const struct op *op, json_t *v)
{
	json_t *list = json_array(), *child;
	u32 i;
	int err = 0;

	for (i = 0; i < op->n && !err; i++) {
		err = expand_op(w, node, d, &op->child[i], &child);
		json_array_append_new(list, child);
	}
	if (op->op == OP_EXCLUSION)
		json_object_set_new(v, "difference",
				    json_pack("{s:O?, s:O?}", "base", json_array_get(list, 0),
					      "subtract", json_array_get(list, 1)));
	else
		json_object_set_new(v, op->op == OP_UNION ? "union" : "intersection",
				    json_pack("{s:O}", "nodes", list));
	json_decref(list);
	return err;
}

static int expand_op(struct sz_rebac_work *w, u64 node, const struct def *d, const struct op *op,
		     json_t **ret)
{
	json_t *v = json_pack("{s:o}", "name", name_json(w, node)), *list, *leaf = NULL;
	int err = 0;

	*ret = v;
	if (op->op == OP_THIS) {
		list = json_array();
		err = list_edges(w, node, d, 0, list);
		leaf = json_pack("{s:{s:o}}", "users", "users", list);
	} else if (op->op == OP_COMPUTED) {
		leaf = json_pack("{s:{s:o}}", "computed", "userset",
				 name_json(w, with_relation(node, op->relation)));
	} else if (op->op == OP_TTU) {
		list = json_array();
		err = list_edges(w, with_relation(node, op->tupleset), op->def, op->relation, list);
		leaf = json_pack("{s:{s:o, s:o}}", "tupleToUserset", "tupleset",
				 name_json(w, with_relation(node, op->tupleset)), "computed", list);
	} else {
		err = expand_children(w, node, d, op, v);
	}
	if (leaf)
		json_object_set_new(v, "leaf", leaf);
	return err;
}

int sz_rebac_expand(const struct sz_rebac_graph *g, struct sz_rebac_work *w,
		    const struct sz_rebac_request *r, const char *relation, const char *object,
		    json_t **ret, struct sz_rebac_error *e)
{
	const struct def *d;
	json_t *root = NULL;
	u64 node;
	int err = sz_rebac_begin(w, g, r, e);

	*ret = NULL;
	if (!err)
		err = sz_rebac_take_object(w, object, relation, SZ_REBAC_TYPE_NOT_FOUND,
					   SZ_REBAC_RELATION_NOT_FOUND, &node);
	if (err)
		return err;
	d = sz_rebac_def(g, SZ_REBAC_TYPE(node), SZ_REBAC_RELATION(node));
	err = expand_op(w, node, d, &d->root, &root);
	if (err)
		json_decref(root);
	else
		*ret = json_pack("{s:o}", "root", root);
	return err;
}

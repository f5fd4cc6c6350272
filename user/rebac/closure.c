/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which kinds of tuples a relation can depend on: what must be written before an answer can be
 * another one. Called by the store for its generations. It may name too many kinds, never too few.
 */
#include <string.h>

#include "rebac_priv.h"

struct closure {
	const struct sz_rebac_graph *g;
	u8 *seen; /* by index of the definition */
	const struct def **todo;
	u32 n_todo;
};

static void need(struct closure *c, const struct def *d)
{
	if (!d || c->seen[d->index])
		return;
	c->seen[d->index] = 1;
	c->todo[c->n_todo++] = d;
}

static void need_op(struct closure *c, const struct def *d, const struct op *op)
{
	u32 i;

	switch (op->op) {
	case OP_THIS:
		for (i = 0; i < d->n_usersets; i++)
			need(c, sz_rebac_def(c->g, d->usersets[i] >> 16,
					     d->usersets[i] & 0xffff));
		break;
	case OP_COMPUTED:
		need(c, op->def);
		break;
	case OP_TTU:
		need(c, op->def);
		for (i = 0; op->def && i < op->def->n_allow; i++)
			need(c, sz_rebac_def(c->g, op->def->allow[i].type, op->relation));
		break;
	default:
		break;
	}
	for (i = 0; i < op->n; i++)
		need_op(c, d, &op->child[i]);
}

u32 sz_rebac_closure(const struct sz_rebac_graph *g, const char *type, const char *relation,
		     u32 *ret, u32 max)
{
	struct sz_rebac_store *s = g->store;
	u32 t = s->ops->find(s, SZ_REBAC_TYPES, type, strlen(type)), i;
	struct closure c = {.g = g};

	c.seen = sz_calloc(g->n_defs + 1, 1);
	c.todo = sz_calloc(g->n_defs + 1, sizeof(*c.todo));
	need(&c, sz_rebac_def(g, t, s->ops->find(s, SZ_REBAC_RELATIONS, relation,
						 strlen(relation))));
	for (i = 0; i < c.n_todo; i++) {
		need_op(&c, c.todo[i], &c.todo[i]->root);
		if (i < max)
			ret[i] = (u32)c.todo[i]->type << 16 | c.todo[i]->relation;
	}
	free(c.todo);
	free(c.seen);
	return i;
}

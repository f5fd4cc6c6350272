/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A set of nodes in open addressing, emptied at once by counting rounds: what a question has seen.
 * It keeps its memory from question to question.
 */
#include <string.h>

#include "rebac_priv.h"

static u32 hash(u64 node)
{
	u64 h = node * 0x9e3779b97f4a7c15ull;

	h ^= h >> 32;
	return (u32)h;
}

void sz_rebac_table_clear(struct table *t)
{
	t->n = 0;
	if (++t->round)
		return;
	if (t->slots)
		memset(t->slots, 0, ((size_t)t->mask + 1) * sizeof(*t->slots));
	t->round = 1;
}

static struct slot *find(struct table *t, u64 node)
{
	u32 at = hash(node) & t->mask;

	while (t->slots[at].round == t->round && t->slots[at].node != node)
		at = (at + 1) & t->mask;
	return &t->slots[at];
}

static void grow(struct table *t)
{
	u32 size = t->mask ? 2 * (t->mask + 1) : 256, i;
	struct table bigger = {.slots = sz_calloc(size, sizeof(*t->slots)),
			       .mask = size - 1,
			       .n = t->n,
			       .round = t->round ? t->round : 1};

	for (i = 0; t->slots && i <= t->mask; i++)
		if (t->slots[i].round == t->round)
			*find(&bigger, t->slots[i].node) = t->slots[i];
	free(t->slots);
	*t = bigger;
}

struct slot *sz_rebac_table_add(struct table *t, u64 node, bool *ret_new)
{
	struct slot *s;

	if (!t->mask || 2 * (t->n + 1) > t->mask)
		grow(t);
	s = find(t, node);
	*ret_new = s->round != t->round;
	if (*ret_new) {
		*s = (struct slot){.node = node, .round = t->round};
		t->n++;
	}
	return s;
}

void sz_rebac_table_done(struct table *t)
{
	free(t->slots);
	*t = (struct table){0};
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The tree of a pattern into instructions in the manner of Thompson (CACM 11, 1968), and the
 * patterns that are plain text, for which nothing needs to be run. Called by regex.c.
 */
#include "regex_priv.h"

static u32 emit(struct re_parse *p, enum re_op op, u32 x)
{
	if (p->n == RE_INSTS_MAX) {
		sz_cel_regex_fail(p, "it is too large");
		return 0;
	}
	p->inst[p->n] = (struct re_inst){.op = op, .x = x};
	return p->n++;
}

static void generate(struct re_parse *p, const struct tree *t);

static void generate_repeat(struct re_parse *p, const struct tree *t)
{
	u32 i, split, splits = UINT32_MAX;

	for (i = 0; i < t->x && !p->why; i++)
		generate(p, t->a);
	if (t->max == UINT32_MAX) {
		split = emit(p, RE_SPLIT, p->n + 1);
		generate(p, t->a);
		emit(p, RE_JUMP, split);
		p->inst[split].y = p->n;
		return;
	}
	/* Each further one may be left out with all that follow: their exits are chained in y. */
	for (; i < t->max && !p->why; i++) {
		split = emit(p, RE_SPLIT, p->n + 1);
		p->inst[split].y = splits;
		splits = split;
		generate(p, t->a);
	}
	while (splits != UINT32_MAX && !p->why) {
		split = splits;
		splits = p->inst[split].y;
		p->inst[split].y = p->n;
	}
}

static void generate_alternative(struct re_parse *p, const struct tree *t)
{
	u32 split = emit(p, RE_SPLIT, p->n + 1), jump;

	generate(p, t->a);
	jump = emit(p, RE_JUMP, 0);
	p->inst[split].y = p->n;
	generate(p, t->b);
	p->inst[jump].x = p->n;
}

static void generate(struct re_parse *p, const struct tree *t)
{
	if (++p->work > RE_WORK_MAX)
		sz_cel_regex_fail(p, "it is too large");
	if (p->why)
		return;
	switch (t->kind) {
	case TREE_EMPTY:
		return;
	case TREE_CHAR:
		emit(p, RE_CHAR, t->x);
		return;
	case TREE_CLASS:
		p->inst[emit(p, RE_CLASS, 0)].class = t->class;
		return;
	case TREE_CAT:
		generate(p, t->a);
		generate(p, t->b);
		return;
	case TREE_ALT:
		generate_alternative(p, t);
		return;
	case TREE_REPEAT:
		generate_repeat(p, t);
		return;
	case TREE_ASSERT:
		emit(p, RE_ASSERT, t->x);
		return;
	}
}

/*
 * The characters that the program begins with, where nothing jumps to. If they are all of it, but
 * for the two ends of the text that may be asked for, it is a literal.
 */
static void find_literal(struct re_parse *p, struct regex *re)
{
	u32 i = re->anchored, last = re->n - 1, n = 0;
	char *text;

	if (last > i && p->inst[last - 1].op == RE_ASSERT && p->inst[last - 1].x == RE_TEXT_END) {
		re->literal_end = true;
		last--;
	}
	text = sz_cel_alloc(p->arena, (size_t)(last - i) * 4);
	for (; text && i < last && p->inst[i].op == RE_CHAR; i++)
		n += sz_cel_utf8_put(p->inst[i].x, text + n);
	re->literal = text && i == last;
	re->go_on = i;
	re->text = (struct text){text, n};
}

int sz_cel_regex_finish(struct re_parse *p, const struct tree *t, const struct regex **ret)
{
	struct re_inst *inst;
	struct regex *re;

	generate(p, t);
	if (!p->why)
		emit(p, RE_MATCH, 0);
	if (p->why)
		return -EINVAL;
	re = sz_cel_alloc(p->arena, sizeof(*re));
	inst = sz_cel_alloc(p->arena, p->n * sizeof(*inst));
	if (!re || !inst)
		return -ENOMEM;
	memcpy(inst, p->inst, p->n * sizeof(*inst));
	re->inst = inst;
	re->n = p->n;
	re->anchored = p->n > 1 && inst[0].op == RE_ASSERT && inst[0].x == RE_TEXT_BEGIN;
	find_literal(p, re);
	*ret = re;
	return 0;
}

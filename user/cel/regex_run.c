/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Runs a pattern's program over a text: all states at once (Thompson; Pike's list of states), so
 * that the time is at most the product of both lengths. Says whether there is a match, not where.
 */
#include "regex_priv.h"

/* A set of states that is emptied in no time (Briggs and Torczon, 1993). */
struct states {
	u32 *dense, *sparse;
	u32 n;
};

struct match {
	struct run *r;
	const struct regex *re;
	const char *s;
	size_t n, at;
	struct states now, next;
	u32 *stack;
};

static bool put(struct states *st, u32 x)
{
	if (st->sparse[x] < st->n && st->dense[st->sparse[x]] == x)
		return false;
	st->sparse[x] = st->n;
	st->dense[st->n++] = x;
	return true;
}

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       c == '_';
}

static bool holds(const struct match *m, enum re_assert what)
{
	bool before, after;

	switch (what) {
	case RE_TEXT_BEGIN:
		return m->at == 0;
	case RE_TEXT_END:
		return m->at == m->n;
	case RE_LINE_BEGIN:
		return m->at == 0 || m->s[m->at - 1] == '\n';
	case RE_LINE_END:
		return m->at == m->n || m->s[m->at] == '\n';
	default:
		before = m->at > 0 && is_word(m->s[m->at - 1]);
		after = m->at < m->n && is_word(m->s[m->at]);
		return (before != after) == (what == RE_WORD);
	}
}

/* Adds a state and all that follow without a character; true where one of them is the end. */
static bool follow(struct match *m, struct states *st, u32 begin)
{
	const struct re_inst *i;
	u32 depth = 0, x;

	m->stack[depth++] = begin;
	while (depth) {
		x = m->stack[--depth];
		if (!put(st, x))
			continue;
		i = &m->re->inst[x];
		if (i->op == RE_MATCH)
			return true;
		/* A state is pushed once for each way to it: at most two a state. */
		if (i->op == RE_JUMP || i->op == RE_SPLIT)
			m->stack[depth++] = i->x;
		if (i->op == RE_SPLIT)
			m->stack[depth++] = i->y;
		if (i->op == RE_ASSERT && holds(m, (enum re_assert)i->x))
			m->stack[depth++] = x + 1;
	}
	return false;
}

static bool in_class(const struct re_class *c, u32 x)
{
	u32 low = 0, high = c->n;

	while (low < high) {
		u32 middle = (low + high) / 2;

		if (x < c->r[middle].low)
			high = middle;
		else if (x > c->r[middle].high)
			low = middle + 1;
		else
			return true;
	}
	return false;
}

static bool step(struct match *m, u32 c)
{
	struct states swap;
	u32 k;

	m->next.n = 0;
	for (k = 0; k < m->now.n; k++) {
		u32 x = m->now.dense[k];
		const struct re_inst *i = &m->re->inst[x];

		if ((i->op == RE_CHAR && i->x == c) || (i->op == RE_CLASS && in_class(i->class, c)))
			if (follow(m, &m->next, x + 1))
				return true;
	}
	swap = m->now;
	m->now = m->next;
	m->next = swap;
	return false;
}

/* The characters that the text must begin with; 1: there is a match, -1: there is none. */
static int begin(struct match *m)
{
	const struct text *t = &m->re->text;

	if (!m->re->anchored || !t->n)
		return 0;
	if (t->n > m->n || memcmp(m->s, t->s, t->n) || !pay(m->r, t->n / 16))
		return -1;
	m->at = t->n;
	return follow(m, &m->now, m->re->go_on);
}

static bool run(struct match *m)
{
	int begun = begin(m);
	u32 len, c;

	if (begun)
		return begun > 0;
	for (;;) {
		if ((!m->at || !m->re->anchored) && follow(m, &m->now, 0))
			return true;
		if (m->at == m->n || (m->re->anchored && !m->now.n) || !pay(m->r, 1 + m->now.n / 8))
			return false;
		c = sz_cel_utf8_get(m->s + m->at, m->n - m->at, &len);
		m->at += len;
		if (step(m, c))
			return true;
	}
}

static bool match_literal(const struct regex *re, const char *s, size_t n)
{
	const struct text *t = &re->text;

	if (t->n > n)
		return false;
	if (re->anchored)
		return (!re->literal_end || n == t->n) && !memcmp(s, t->s, t->n);
	if (re->literal_end)
		return !memcmp(s + n - t->n, t->s, t->n);
	return memmem(s, n, t->s, t->n);
}

bool sz_cel_regex_match(struct run *r, const struct regex *re, const char *s, size_t n)
{
	struct match m = {.r = r, .re = re, .s = s ? s : "", .n = n};
	struct sz_cel_arena before = *r->arena;
	size_t states = re->n;
	u32 *room;
	bool found;

	if (re->literal)
		return pay(r, 1 + n / 16) && match_literal(re, m.s, n);
	room = sz_cel_take(r, states * 7 * sizeof(*room));
	if (!room)
		return false;
	m.now = (struct states){room, room + states, 0};
	m.next = (struct states){room + 2 * states, room + 3 * states, 0};
	m.stack = room + 4 * states;
	found = run(&m);
	/* What the match needed is free again; the arena keeps the chunks it got. */
	before.first = r->arena->first;
	if (before.chunk)
		*r->arena = before;
	else
		sz_cel_arena_reset(r->arena); /* nothing was in it */
	return found;
}

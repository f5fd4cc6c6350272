/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sets of code points: the classes of patterns. Called while a pattern is parsed.
 */
#include "regex_priv.h"

static void add(struct re_set *s, u32 low, u32 high)
{
	if (s->n && low >= s->r[s->n - 1].low && low <= s->r[s->n - 1].high + 1) {
		if (high > s->r[s->n - 1].high)
			s->r[s->n - 1].high = high;
		return;
	}
	if (s->n == RE_RANGES_MAX)
		s->full = true;
	else
		s->r[s->n++] = (struct re_range){low, high};
}

/* The same letter in the other case; c where there is none. ASCII, Latin-1, Greek, Cyrillic. */
static u32 other_case(u32 c)
{
	static const struct {
		u32 low, high, distance;
	} upper[] = {
		{'A', 'Z', 32},     {0xc0, 0xd6, 32},   {0xd8, 0xde, 32},   {0x391, 0x3a1, 32},
		{0x3a3, 0x3a9, 32}, {0x410, 0x42f, 32}, {0x400, 0x40f, 80},
	};
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(upper); i++) {
		if (c >= upper[i].low && c <= upper[i].high)
			return c + upper[i].distance;
		if (c >= upper[i].low + upper[i].distance && c <= upper[i].high + upper[i].distance)
			return c - upper[i].distance;
	}
	return c;
}

#define LAST_CASED 0x45f

void sz_cel_set_add(struct re_set *s, u32 low, u32 high, bool fold)
{
	u32 c;

	add(s, low, high);
	for (c = low < 'A' ? 'A' : low; fold && c <= high && c <= LAST_CASED; c++)
		if (other_case(c) != c)
			add(s, other_case(c), other_case(c));
}

static int by_low(const void *a, const void *b)
{
	const struct re_range *x = a, *y = b;

	return (x->low > y->low) - (x->low < y->low);
}

static void sort(struct re_set *s)
{
	u32 i, n = s->n;

	qsort(s->r, n, sizeof(s->r[0]), by_low);
	s->n = 0;
	for (i = 0; i < n; i++)
		add(s, s->r[i].low, s->r[i].high);
}

void sz_cel_set_negate(struct re_set *s)
{
	u32 i, n, next = 0;

	sort(s);
	n = s->n;
	s->n = 0;
	/* Each gap ends before the range is overwritten: there are at most as many before it. */
	for (i = 0; i < n; i++) {
		struct re_range r = s->r[i];

		if (r.low > next)
			s->r[s->n++] = (struct re_range){next, r.low - 1};
		next = r.high + 1;
	}
	if (next <= 0x10ffff) {
		if (s->n == RE_RANGES_MAX)
			s->full = true;
		else
			s->r[s->n++] = (struct re_range){next, 0x10ffff};
	}
}

/* Adds the ranges of `pairs`, which ends with a NUL, or all others. */
static void add_ascii(struct re_set *s, const char *pairs, bool negate, bool fold)
{
	u32 next = 0;

	for (; *pairs; pairs += 2) {                         /* in ascending order */
		u32 low = pairs[0] == 1 ? 0 : (u32)pairs[0]; /* a string cannot hold NUL */

		if (negate && low > next)
			sz_cel_set_add(s, next, low - 1, false);
		if (!negate)
			sz_cel_set_add(s, low, (u32)pairs[1], fold);
		next = (u32)pairs[1] + 1;
	}
	if (negate)
		sz_cel_set_add(s, next, 0x10ffff, false);
}

bool sz_cel_set_perl(struct re_set *s, char letter)
{
	bool negate = letter >= 'A' && letter <= 'Z';

	switch (letter | 0x20) {
	case 'd':
		add_ascii(s, "09", negate, false);
		return true;
	case 's':
		add_ascii(s, "\t\n\f\r  ", negate, false);
		return true;
	case 'w':
		add_ascii(s, "09AZ__az", negate, false);
		return true;
	default:
		return false;
	}
}

u32 sz_cel_set_posix(struct re_set *s, const char *p, size_t n, bool fold)
{
	static const struct {
		const char *name, *pairs;
	} classes[] = {
		{"alnum", "09AZaz"},
		{"alpha", "AZaz"},
		{"ascii", "\1\x7f"},
		{"blank", "\t\t  "},
		{"cntrl", "\1\x1f\x7f\x7f"},
		{"digit", "09"},
		{"graph", "!~"},
		{"lower", "az"},
		{"print", " ~"},
		{"punct", "!/:@[`{~"},
		{"space", "\t\r  "},
		{"upper", "AZ"},
		{"word", "09AZ__az"},
		{"xdigit", "09AFaf"},
	};
	size_t i, len, at = 2;
	bool negate;

	if (n < 4 || p[0] != '[' || p[1] != ':')
		return 0;
	negate = p[at] == '^';
	at += negate;
	for (i = 0; i < SZ_ARRAY_LEN(classes); i++) {
		len = strlen(classes[i].name);
		if (n < at + len + 2 || memcmp(p + at, classes[i].name, len) ||
		    memcmp(p + at + len, ":]", 2))
			continue;
		add_ascii(s, classes[i].pairs, negate, fold);
		return (u32)(at + len + 2);
	}
	return 0;
}

const struct re_class *sz_cel_set_class(struct sz_cel_arena *a, struct re_set *s)
{
	struct re_class *c;

	sort(s);
	c = sz_cel_alloc(a, sizeof(*c) + s->n * sizeof(c->r[0]));
	if (!c)
		return NULL;
	c->n = s->n;
	memcpy(c->r, s->r, s->n * sizeof(c->r[0]));
	return c;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Patterns in RE2's syntax (github.com/google/re2/wiki/Syntax) into a program for regex_run.c: a
 * tree first, since x{2,5} needs x several times, then instructions in the manner of Thompson
 * (CACM 11, 1968). No back references, no looking around: matching stays linear in the text.
 */
#include "regex_priv.h"

static struct tree *alternatives(struct re_parse *p);

static struct tree *tree(struct re_parse *p, enum re_kind kind, struct tree *a, struct tree *b)
{
	struct tree *t = sz_cel_alloc(p->arena, sizeof(*t));

	if (!t)
		return sz_cel_regex_fail(p, "it needs too much memory");
	*t = (struct tree){.kind = kind, .a = a, .b = b};
	return t;
}

static struct tree *leaf(struct re_parse *p, enum re_kind kind, u32 x)
{
	struct tree *t = tree(p, kind, NULL, NULL);

	if (t)
		t->x = x;
	return t;
}

static bool eat(struct re_parse *p, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(p->end - p->s) < n || memcmp(p->s, word, n))
		return false;
	p->s += n;
	return true;
}

static u32 code_point(struct re_parse *p)
{
	u32 len, c = sz_cel_utf8_get(p->s, (size_t)(p->end - p->s), &len);

	p->s += len;
	return c;
}

static struct tree *set_leaf(struct re_parse *p)
{
	struct tree *t = tree(p, TREE_CLASS, NULL, NULL);

	if (p->set->full)
		return sz_cel_regex_fail(p, "a class has too many ranges");
	if (t)
		t->class = sz_cel_set_class(p->arena, p->set);
	return t && !t->class ? sz_cel_regex_fail(p, "it needs too much memory") : t;
}

static struct tree *character(struct re_parse *p, u32 c)
{
	if (c > 0x10ffff)
		return sz_cel_regex_fail(p, "it is not valid UTF-8");
	if (!(p->flags & FLAG_I))
		return leaf(p, TREE_CHAR, c);
	p->set->n = 0;
	sz_cel_set_add(p->set, c, c, true);
	return p->set->n == 1 && p->set->r[0].low == p->set->r[0].high ? leaf(p, TREE_CHAR, c)
								       : set_leaf(p);
}

/* ---- escapes -------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'                     ? c - '0'
	       : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
							: -1;
}

static bool hex_escape(struct re_parse *p, u32 *ret)
{
	bool braces = eat(p, "{");
	u32 v = 0, n = 0;

	for (; p->s < p->end && hex_digit(*p->s) >= 0 && n < (braces ? 8u : 2u); p->s++, n++)
		v = v << 4 | (u32)hex_digit(*p->s);
	*ret = v;
	return n >= (braces ? 1u : 2u) && v <= 0x10ffff && (!braces || eat(p, "}"));
}

/* The character that an escape stands for, behind the backslash. */
static bool escaped(struct re_parse *p, u32 *ret)
{
	static const char from[] = "afnrtv", to[] = "\a\f\n\r\t\v";
	const char *at;
	u32 i, v = 0;
	char c;

	if (p->s == p->end)
		return sz_cel_regex_fail(p, "it ends with a backslash");
	c = *p->s;
	at = c ? strchr(from, c) : NULL;
	if (at) {
		*ret = (u8)to[at - from];
		p->s++;
		return true;
	}
	if (c == 'x') {
		p->s++;
		return hex_escape(p, ret) ||
		       sz_cel_regex_fail(p, "\\x needs two hexadecimal digits");
	}
	if (c == '0' ||
	    (c >= '1' && c <= '7' && p->end - p->s > 1 && p->s[1] >= '0' && p->s[1] <= '7')) {
		for (i = 0; i < 3 && p->s < p->end && *p->s >= '0' && *p->s <= '7'; i++)
			v = v * 8 + (u32)(*p->s++ - '0');
		*ret = v;
		return true;
	}
	if (c >= '1' && c <= '9')
		return sz_cel_regex_fail(p, "back references are not supported");
	if (c == 'p' || c == 'P')
		return sz_cel_regex_fail(p, "Unicode classes (\\p) are not supported");
	if ((u8)c < 0x80 && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
		return sz_cel_regex_fail(p, "unknown escape");
	*ret = code_point(p);
	return *ret != UTF8_BAD || sz_cel_regex_fail(p, "it is not valid UTF-8");
}

static struct tree *escape(struct re_parse *p)
{
	static const struct {
		char letter;
		enum re_assert what;
	} asserts[] = {{'A', RE_TEXT_BEGIN}, {'z', RE_TEXT_END}, {'b', RE_WORD}, {'B', RE_NO_WORD}};
	size_t i;
	u32 c;

	for (i = 0; p->s < p->end && i < SZ_ARRAY_LEN(asserts); i++) {
		if (*p->s == asserts[i].letter) {
			p->s++;
			return leaf(p, TREE_ASSERT, asserts[i].what);
		}
	}
	p->set->n = 0;
	if (p->s < p->end && sz_cel_set_perl(p->set, *p->s)) {
		p->s++;
		return set_leaf(p);
	}
	return escaped(p, &c) ? character(p, c) : NULL;
}

/* ---- classes -------------------------------------------------------------------------------- */

static bool class_char(struct re_parse *p, u32 *ret)
{
	if (eat(p, "\\"))
		return escaped(p, ret);
	if (p->s == p->end)
		return sz_cel_regex_fail(p, "']' is missing");
	*ret = code_point(p);
	return *ret != UTF8_BAD || sz_cel_regex_fail(p, "it is not valid UTF-8");
}

/* One range, character or named class. */
static bool class_part(struct re_parse *p)
{
	u32 low, high, n;

	n = sz_cel_set_posix(p->set, p->s, (size_t)(p->end - p->s), p->flags & FLAG_I);
	if (n) {
		p->s += n;
		return true;
	}
	if (p->end - p->s > 1 && *p->s == '\\' && sz_cel_set_perl(p->set, p->s[1])) {
		p->s += 2;
		return true;
	}
	if (!class_char(p, &low))
		return false;
	high = low;
	if (p->end - p->s > 1 && p->s[0] == '-' && p->s[1] != ']') {
		p->s++;
		if (!class_char(p, &high))
			return false;
		if (high < low)
			return sz_cel_regex_fail(p, "a range of a class is the wrong way round");
	}
	sz_cel_set_add(p->set, low, high, p->flags & FLAG_I);
	return true;
}

static struct tree *class(struct re_parse *p)
{
	bool negate = eat(p, "^"), first = true;

	p->set->n = 0;
	p->set->full = false;
	for (; first || !eat(p, "]"); first = false) {
		if (p->s == p->end)
			return sz_cel_regex_fail(p, "']' is missing");
		if (!class_part(p))
			return NULL;
	}
	if (negate && !p->set->full)
		sz_cel_set_negate(p->set);
	return set_leaf(p);
}

static struct tree *any(struct re_parse *p)
{
	p->set->n = 0;
	if (p->flags & FLAG_S) {
		sz_cel_set_add(p->set, 0, 0x10ffff, false);
	} else {
		sz_cel_set_add(p->set, 0, '\n' - 1, false);
		sz_cel_set_add(p->set, '\n' + 1, 0x10ffff, false);
	}
	return set_leaf(p);
}

/* ---- groups, repetition, alternatives ------------------------------------------------------- */

/* "(?i-s" up to ')' or ':'. */
static bool group_flags(struct re_parse *p)
{
	bool off = false;
	u32 bit;

	for (; p->s < p->end && *p->s != ')' && *p->s != ':'; p->s++) {
		if (*p->s == '-' && !off) {
			off = true;
			continue;
		}
		bit = *p->s == 'i' ? FLAG_I : *p->s == 'm' ? FLAG_M : *p->s == 's' ? FLAG_S : 0;
		if (!bit && *p->s != 'U')
			return sz_cel_regex_fail(p, "unknown flag or group behind (?");
		p->flags = off ? p->flags & ~bit : p->flags | bit;
	}
	return true;
}

static bool group_name(struct re_parse *p)
{
	const char *begin = p->s;

	while (p->s < p->end && *p->s != '>')
		p->s++;
	return (p->s > begin && eat(p, ">")) ||
	       sz_cel_regex_fail(p, "the name of a group has no end");
}

/* Behind '('. */
static struct tree *group(struct re_parse *p)
{
	u32 flags = p->flags;
	struct tree *t;

	if (eat(p, "?P<") ||
	    (p->end - p->s > 2 && p->s[2] != '=' && p->s[2] != '!' && eat(p, "?<"))) {
		if (!group_name(p))
			return NULL;
	} else if (eat(p, "?")) {
		if (!group_flags(p))
			return NULL;
		if (eat(p, ")"))
			return tree(p, TREE_EMPTY, NULL, NULL); /* until the group around ends */
		if (!eat(p, ":"))
			return sz_cel_regex_fail(p, "')' is missing");
	}
	if (++p->depth > RE_DEPTH_MAX)
		return sz_cel_regex_fail(p, "groups are nested too deep");
	t = alternatives(p);
	p->depth--;
	p->flags = flags;
	if (t && !eat(p, ")"))
		return sz_cel_regex_fail(p, "')' is missing");
	return t;
}

static struct tree *atom(struct re_parse *p)
{
	if (p->quoted)
		return character(p, code_point(p));
	if (eat(p, "("))
		return group(p);
	if (eat(p, "["))
		return class(p);
	if (eat(p, "."))
		return any(p);
	if (eat(p, "^"))
		return leaf(p, TREE_ASSERT, p->flags & FLAG_M ? RE_LINE_BEGIN : RE_TEXT_BEGIN);
	if (eat(p, "$"))
		return leaf(p, TREE_ASSERT, p->flags & FLAG_M ? RE_LINE_END : RE_TEXT_END);
	if (eat(p, "\\"))
		return escape(p);
	if (*p->s == '*' || *p->s == '+' || *p->s == '?')
		return sz_cel_regex_fail(p, "nothing stands before a repetition");
	return character(p, code_point(p));
}

static bool count(const char **s, const char *end, u32 *ret)
{
	const char *begin = *s;
	u32 v = 0;

	for (; *s < end && **s >= '0' && **s <= '9'; (*s)++)
		v = v < 100000 ? v * 10 + (u32)(**s - '0') : v;
	*ret = v;
	return *s > begin;
}

/* {2}, {2,} or {2,5}; anything else is plain text. */
static bool braces(struct re_parse *p, u32 *min, u32 *max)
{
	const char *s = p->s;

	if (s == p->end || *s != '{')
		return false;
	s++;
	if (!count(&s, p->end, min) || s == p->end)
		return false;
	*max = *min;
	if (*s == ',') {
		s++;
		if (!count(&s, p->end, max))
			*max = UINT32_MAX;
	}
	if (s == p->end || *s != '}')
		return false;
	p->s = s + 1;
	return true;
}

static bool repetition(struct re_parse *p, u32 *min, u32 *max)
{
	*min = 0;
	*max = UINT32_MAX;
	if (p->quoted)
		return false;
	if (eat(p, "*"))
		return true;
	if (eat(p, "+")) {
		*min = 1;
		return true;
	}
	if (eat(p, "?")) {
		*max = 1;
		return true;
	}
	return braces(p, min, max);
}

static struct tree *repeated(struct re_parse *p)
{
	struct tree *t = atom(p), *r;
	bool before = false;
	u32 min, max;

	while (t && repetition(p, &min, &max)) {
		if (before)
			return sz_cel_regex_fail(p, "a repetition of a repetition");
		if (min > RE_REPEAT_MAX ||
		    (max != UINT32_MAX && (max > RE_REPEAT_MAX || max < min)))
			return sz_cel_regex_fail(p, "a wrong number of repetitions");
		eat(p, "?"); /* as few as possible: the same text matches */
		r = tree(p, TREE_REPEAT, t, NULL);
		if (!r)
			return NULL;
		r->x = min;
		r->max = max;
		t = r;
		before = true;
	}
	return t;
}

/* \Q and \E change how the text is read and are nothing themselves. */
static void quoting(struct re_parse *p)
{
	for (;;) {
		if (p->quoted ? eat(p, "\\E") : eat(p, "\\Q"))
			p->quoted = !p->quoted;
		else
			return;
	}
}

static struct tree *sequence(struct re_parse *p)
{
	struct tree *all = NULL, *one;

	for (;;) {
		quoting(p);
		if (p->s == p->end || (!p->quoted && (*p->s == '|' || *p->s == ')')))
			break;
		one = repeated(p);
		if (!one)
			return NULL;
		all = all ? tree(p, TREE_CAT, all, one) : one;
		if (!all)
			return NULL;
	}
	return all ? all : tree(p, TREE_EMPTY, NULL, NULL);
}

static struct tree *alternatives(struct re_parse *p)
{
	struct tree *all = sequence(p), *one;

	while (all && !p->quoted && eat(p, "|")) {
		one = sequence(p);
		all = one ? tree(p, TREE_ALT, all, one) : NULL;
	}
	return all;
}

/* ---- the door ------------------------------------------------------------------------------ */

void *sz_cel_regex_fail(struct re_parse *p, const char *why)
{
	if (!p->why)
		p->why = why;
	return NULL;
}

int sz_cel_regex(struct sz_cel_arena *a, const char *s, size_t n, const struct regex **ret,
		 const char **ret_why)
{
	struct re_parse p = {.arena = a, .s = s, .end = s + n};
	struct tree *t;
	int err = -EINVAL;

	if (n > RE_TEXT_MAX) {
		*ret_why = "it is too long";
		return err;
	}
	p.set = sz_calloc(1, sizeof(*p.set));
	p.inst = sz_calloc(RE_INSTS_MAX, sizeof(*p.inst));
	t = alternatives(&p);
	if (t && p.s < p.end)
		sz_cel_regex_fail(&p, "')' without '('");
	if (t && !p.why)
		err = sz_cel_regex_finish(&p, t, ret);
	*ret_why = p.why ? p.why : "it needs too much memory";
	free(p.inst);
	free(p.set);
	return err;
}

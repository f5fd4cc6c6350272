/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the two halves of the pattern matcher share: parsing (regex.c, regex_class.c) and matching
 * (regex_run.c). Belongs to cel alone.
 */
#ifndef SZ_CEL_REGEX_PRIV_H
#define SZ_CEL_REGEX_PRIV_H

#include "cel_priv.h"

#define RE_TEXT_MAX   4096 /* bytes of a pattern */
#define RE_INSTS_MAX  10000
#define RE_WORK_MAX   100000 /* parts of the tree that are turned into instructions */
#define RE_REPEAT_MAX 1000
#define RE_DEPTH_MAX  100
#define RE_RANGES_MAX 2048

enum re_assert {
	RE_TEXT_BEGIN,
	RE_TEXT_END,
	RE_LINE_BEGIN,
	RE_LINE_END,
	RE_WORD,
	RE_NO_WORD,
};

enum re_op {
	RE_CHAR,   /* one code point: x */
	RE_CLASS,  /* one of the ranges */
	RE_SPLIT,  /* go on at x and at y */
	RE_JUMP,   /* go on at x */
	RE_ASSERT, /* x */
	RE_MATCH,
};

struct re_range {
	u32 low, high;
};

struct re_class {
	u32 n;
	struct re_range r[];
};

struct re_inst {
	enum re_op op;
	u32 x, y;
	const struct re_class *class;
};

struct regex {
	u32 n;
	const struct re_inst *inst;
	bool anchored;    /* a match begins at the beginning of the text */
	bool literal;     /* nothing but the text in `text` */
	bool literal_end; /* which the text ends with */
	u32 go_on;        /* instruction behind the characters that the program begins with, */
	struct text text; /* which are these */
};

/* A set of code points while it is collected. */
struct re_set {
	struct re_range r[RE_RANGES_MAX];
	u32 n;
	bool full; /* more ranges than there is room for */
};

enum re_kind { TREE_EMPTY, TREE_CHAR, TREE_CLASS, TREE_CAT, TREE_ALT, TREE_REPEAT, TREE_ASSERT };

struct tree {
	enum re_kind kind;
	u32 x;     /* code point, assertion, or least number of repetitions */
	u32 max;   /* UINT32_MAX: no end */
	bool fold; /* no difference between the cases */
	const struct re_class *class;
	struct tree *a, *b;
};

#define FLAG_I 0x1u
#define FLAG_M 0x2u
#define FLAG_S 0x4u

struct re_parse {
	struct sz_cel_arena *arena;
	const char *s, *end;
	const char *why;
	struct re_set *set;
	struct re_inst *inst;
	u32 flags, depth, n, work;
	bool quoted; /* between \Q and \E */
};

/* Keeps the first reason; returns NULL. */
void *sz_cel_regex_fail(struct re_parse *p, const char *why);
/* Instructions of the whole pattern; -EINVAL with p->why, -ENOMEM. */
int sz_cel_regex_finish(struct re_parse *p, const struct tree *t, const struct regex **ret);

void sz_cel_set_add(struct re_set *s, u32 low, u32 high, bool fold);
void sz_cel_set_negate(struct re_set *s); /* sorts it as well */
/* \d, \D, \s, \S, \w, \W; false for another letter. */
bool sz_cel_set_perl(struct re_set *s, char letter);
/* "[:alpha:]" at p, also "[:^alpha:]"; its length, or 0. */
u32 sz_cel_set_posix(struct re_set *s, const char *p, size_t n, bool fold);
const struct re_class *sz_cel_set_class(struct sz_cel_arena *a, struct re_set *s);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The doors: environments, compiling, evaluating, errors with their place in the text.
 */
#include <stdio.h>

#include "cel_priv.h"

#define PROGRAM_BYTES (32u << 20)

/* ---- errors --------------------------------------------------------------------------------- */

int sz_cel_fail(struct sz_cel_error *e, u32 pos, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	e->offset = pos;
	return -EINVAL;
}

/* Line and column of e->offset. */
static void place(struct sz_cel_error *e, const char *text, size_t n)
{
	size_t i;

	e->line = e->column = 1;
	if (e->offset > n)
		e->offset = (u32)n;
	for (i = 0; i < e->offset; i++) {
		if (text[i] == '\n') {
			e->line++;
			e->column = 1;
		} else {
			e->column += ((u8)text[i] & 0xc0) != 0x80;
		}
	}
}

void sz_cel_error_show(const struct sz_cel_error *e, const char *text, size_t n, struct sz_buf *ret)
{
	size_t begin, end, i;

	if (e->offset > n)
		return;
	for (begin = e->offset; begin > 0 && text[begin - 1] != '\n'; begin--)
		;
	for (end = e->offset; end < n && text[end] != '\n'; end++)
		;
	for (i = begin; i < end; i++) {
		char c = (u8)text[i] < 0x20 || text[i] == 0x7f ? ' ' : text[i];

		sz_buf_add(ret, &c, 1);
	}
	sz_buf_printf(ret, "\n%*s^\n", (int)e->column - 1, "");
}

/* ---- environments --------------------------------------------------------------------------- */

struct sz_cel_env *sz_cel_env_new(void)
{
	return sz_calloc(1, sizeof(struct sz_cel_env));
}

void sz_cel_env_free(struct sz_cel_env *env)
{
	u32 i;

	if (!env)
		return;
	for (i = 0; i < env->n; i++) {
		free(env->vars[i].name);
		free(env->vars[i].type);
	}
	free(env->vars);
	free(env->container);
	free(env);
}

/* Names with dots between them, at most 256 bytes. */
static bool is_name(const char *s)
{
	const char *begin = s;

	if (strlen(s) > 256)
		return false;
	for (; *s; s++) {
		bool letter = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || *s == '_';

		if (*s == '.' ? s == begin || s[-1] == '.' || !s[1]
			      : !letter && (*s < '0' || *s > '9' || s == begin || s[-1] == '.'))
			return false;
	}
	return s != begin;
}

static bool is_type(const char *s)
{
	struct types *t = sz_calloc(1, sizeof(*t));
	struct sz_cel_arena arena;
	bool good;

	sz_cel_arena_init(&arena, 65536);
	t->arena = &arena;
	good = sz_cel_type_parse(t, s);
	sz_cel_arena_done(&arena);
	free(t);
	return good;
}

int sz_cel_declare(struct sz_cel_env *env, const char *name, const char *type)
{
	u32 i;

	if (!is_name(name) || !is_type(type))
		return -EINVAL;
	for (i = 0; i < env->n; i++)
		if (!strcmp(env->vars[i].name, name))
			return -EEXIST;
	if (env->n >= SZ_CEL_VARS_MAX)
		return -E2BIG;
	if (env->n == env->room) {
		env->room = env->room ? env->room * 2 : 8;
		env->vars = sz_realloc(env->vars, env->room, sizeof(*env->vars));
	}
	env->vars[env->n] = (struct variable){sz_strdup(name), sz_strdup(type)};
	return (int)env->n++;
}

int sz_cel_env_container(struct sz_cel_env *env, const char *name)
{
	if (*name && !is_name(name))
		return -EINVAL;
	free(env->container);
	env->container = *name ? sz_strdup(name) : NULL;
	return 0;
}

void sz_cel_env_zones(struct sz_cel_env *env, const struct sz_cel_zones *zones)
{
	env->zones = *zones;
}

/* ---- programs ------------------------------------------------------------------------------- */

static int compile(const struct sz_cel_env *env, struct sz_cel_program *p, u32 flags,
		   struct sz_cel_error *e)
{
	int err = sz_cel_parse(p, e);

	if (!err)
		err = sz_cel_resolve(env, p, e);
	if (!err && !(flags & SZ_CEL_UNCHECKED))
		err = sz_cel_check(env, p, e);
	if (!err)
		err = sz_cel_fold(p, flags & SZ_CEL_UNCHECKED ? NULL : e);
	return err;
}

int sz_cel_compile(const struct sz_cel_env *env, const char *text, size_t n, u32 flags,
		   struct sz_cel_program **ret, struct sz_cel_error *e)
{
	struct sz_cel_program *p;
	char *copy;
	int err;

	*ret = NULL;
	*e = (struct sz_cel_error){.line = 1, .column = 1};
	if (n > SZ_CEL_TEXT_MAX)
		return sz_cel_fail(e, 0, "the expression is longer than %d bytes", SZ_CEL_TEXT_MAX);
	if (!sz_cel_utf8_valid(text, n))
		return sz_cel_fail(e, 0, "the expression is not valid UTF-8");
	p = sz_calloc(1, sizeof(*p));
	sz_cel_arena_init(&p->arena, PROGRAM_BYTES);
	p->type = "dyn";
	p->zones = env->zones;
	p->n_slots = env->n;
	p->uses = sz_calloc(env->n, 1);
	copy = sz_cel_alloc(&p->arena, n);
	if (n)
		memcpy(copy, text, n);
	p->text = copy;
	p->text_n = (u32)n;
	err = compile(env, p, flags, e);
	if (err) {
		place(e, text, n);
		sz_cel_program_free(p);
		return err;
	}
	*ret = p;
	return 0;
}

void sz_cel_program_free(struct sz_cel_program *p)
{
	if (!p)
		return;
	sz_cel_arena_done(&p->arena);
	free(p->nodes);
	free(p->uses);
	free(p);
}

const char *sz_cel_program_type(const struct sz_cel_program *p)
{
	return p->type;
}

bool sz_cel_program_uses(const struct sz_cel_program *p, u32 slot)
{
	return slot < p->n_slots && p->uses[slot];
}

u32 sz_cel_program_slots(const struct sz_cel_program *p)
{
	return p->n_slots;
}

int sz_cel_eval(const struct sz_cel_program *p, const struct sz_cel_value *slots, u64 steps,
		struct sz_cel_arena *a, struct sz_cel_value *ret, struct sz_cel_error *e)
{
	struct run r = {.p = p, .slots = slots, .arena = a, .steps = steps};

	if (p->n_locals)
		r.locals = sz_cel_take(&r, p->n_locals * sizeof(*r.locals));
	sz_cel_run(&r, &p->nodes[p->root], ret);
	if (!r.stop && ret->type != SZ_CEL_ERROR)
		return 0;
	snprintf(e->msg, sizeof(e->msg), "%s", r.stop ? r.stop : ret->s);
	e->offset = r.stop ? r.pos : ret->n;
	place(e, p->text, p->text_n);
	*ret = (struct sz_cel_value){.type = SZ_CEL_NULL};
	return r.stop ? -E2BIG : -EINVAL;
}

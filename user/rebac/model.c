/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The model as it was read: its memory, the ways to find a part of it, and the errors of the room.
 */
#include <stdio.h>
#include <string.h>

#include "rebac_priv.h"

const char *const sz_rebac_param_names[PARAM_KINDS] = {
	[PARAM_ANY] = "any",
	[PARAM_BOOL] = "bool",
	[PARAM_STRING] = "string",
	[PARAM_INT] = "int",
	[PARAM_UINT] = "uint",
	[PARAM_DOUBLE] = "double",
	[PARAM_DURATION] = "duration",
	[PARAM_TIMESTAMP] = "timestamp",
	[PARAM_IPADDRESS] = "ipaddress",
	[PARAM_MAP] = "map",
	[PARAM_LIST] = "list",
};

const char *sz_rebac_code_name(u32 code)
{
	switch (code) {
	case SZ_REBAC_VALIDATION:
		return "validation_error";
	case SZ_REBAC_TOO_COMPLEX:
		return "authorization_model_resolution_too_complex";
	case SZ_REBAC_WRITE_FAILED:
		return "write_failed_due_to_invalid_input";
	case SZ_REBAC_TYPE_NOT_FOUND:
		return "type_not_found";
	case SZ_REBAC_RELATION_NOT_FOUND:
		return "relation_not_found";
	case SZ_REBAC_INVALID_TUPLE:
		return "invalid_tuple";
	case SZ_REBAC_INVALID_MODEL:
		return "invalid_authorization_model";
	default:
		return "internal_error";
	}
}

int sz_rebac_fail(struct sz_rebac_error *e, u32 code, const char *fmt, ...)
{
	va_list ap;

	e->code = code;
	e->line = e->column = 0;
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

int sz_rebac_fail_at(struct sz_rebac_error *e, struct place at, const char *fmt, ...)
{
	va_list ap;

	e->code = SZ_REBAC_INVALID_MODEL;
	e->line = at.line;
	e->column = at.column;
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

char *sz_rebac_copy(struct sz_rebac_model *m, const char *s, size_t n)
{
	char *p = sz_cel_alloc(&m->arena, n + 1);

	memcpy(p, s, n);
	return p;
}

struct type *sz_rebac_type(const struct sz_rebac_model *m, const char *name)
{
	struct type *t;

	for (t = m->types; t; t = t->next)
		if (!strcmp(t->name, name))
			break;
	return t;
}

struct relation *sz_rebac_relation(const struct type *t, const char *name)
{
	struct relation *r;

	for (r = t ? t->relations : NULL; r; r = r->next)
		if (!strcmp(r->name, name))
			break;
	return r;
}

struct condition *sz_rebac_condition(const struct sz_rebac_model *m, const char *name)
{
	struct condition *c;

	for (c = m->conditions; c; c = c->next)
		if (!strcmp(c->name, name))
			break;
	return c;
}

bool sz_rebac_has_this(const struct rewrite *r)
{
	const struct rewrite *c;

	for (c = r->first; c; c = c->next)
		if (sz_rebac_has_this(c))
			return true;
	return r->op == OP_THIS;
}

/* The first character that is no space says which form it is. */
static bool is_json(const char *text, size_t n)
{
	size_t i = 0;

	while (i < n && strchr(" \t\r\n", text[i]) && text[i])
		i++;
	return i < n && text[i] == '{';
}

int sz_rebac_model_parse(const char *text, size_t n, struct sz_rebac_model **ret,
			 struct sz_rebac_error *e)
{
	struct sz_rebac_model *m;
	int err;

	*ret = NULL;
	if (n > SZ_REBAC_MODEL_MAX)
		return sz_rebac_fail(e, SZ_REBAC_INVALID_MODEL, "the model is larger than %d bytes",
				     SZ_REBAC_MODEL_MAX);
	m = sz_calloc(1, sizeof(*m));
	sz_cel_arena_init(&m->arena, SIZE_MAX); /* bounded by the text */
	err = is_json(text, n) ? sz_rebac_parse_json(text, n, m, e)
			       : sz_rebac_parse_dsl(text, n, m, e);
	if (!err)
		err = sz_rebac_validate(m, e);
	if (err) {
		sz_rebac_model_free(m);
		return err;
	}
	*ret = m;
	return 0;
}

void sz_rebac_model_free(struct sz_rebac_model *m)
{
	struct condition *c;

	if (!m)
		return;
	for (c = m->conditions; c; c = c->next)
		sz_cel_program_free(c->program);
	sz_cel_arena_done(&m->arena);
	free(m);
}

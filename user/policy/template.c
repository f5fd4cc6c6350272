/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The names in a relationship: "document:{id}", "user:{claims.sub}". What stands in braces is a
 * variable of the path or an expression. What is put in comes from a request or a token, so it must
 * not be able to say more than a name: no ':' that makes another type of it, no '#' that makes a
 * userset, no blank, and not '*', which is everybody.
 */
#include <string.h>

#include "policy/policy_priv.h"

#define NAME_MAX_BYTES 256

static bool is_route_variable(const struct sz_conf_route *t, const char *s, size_t n)
{
	const char *p = t->path;

	while ((p = strchr(p, '{'))) {
		p++;
		if (strcspn(p, "}") == n && !memcmp(p, s, n))
			return true;
	}
	return false;
}

static int add_hole(const struct sz_cel_env *env, const struct sz_conf_route *t,
		    const struct sz_conf_cel *text, size_t at, size_t n, struct template *ret,
		    struct sz_error *e)
{
	struct sz_conf_cel c = {.file = text->file, .line = text->line,
				.column = text->column + (u32)at};
	struct sz_buf b = {0};
	int err;

	sz_buf_printf(&b, "%s%.*s",
		      is_route_variable(t, text->text + at, n) ? "request.vars." : "", (int)n,
		      text->text + at);
	c.text = b.data;
	ret->parts[ret->n] = (struct part){0};
	err = sz_policy_program(env, &c, "the name in braces", "string",
				&ret->parts[ret->n].program, e);
	if (!err)
		ret->n++;
	sz_buf_done(&b);
	return err;
}

int sz_policy_template(const struct sz_cel_env *env, const struct sz_conf_route *t,
		       const struct sz_conf_cel *text, struct template *ret, struct sz_error *e)
{
	const char *s = text->text, *end;
	size_t at = 0, n;
	int err;

	ret->parts = sz_calloc(strlen(s) + 1, sizeof(*ret->parts));
	while (s[at]) {
		n = strcspn(s + at, "{}");
		if (n) {
			ret->parts[ret->n++] = (struct part){.text = sz_strndup(s + at, n)};
			at += n;
			continue;
		}
		end = s[at] == '{' ? strchr(s + at, '}') : NULL;
		if (!end || end == s + at + 1)
			return sz_policy_fail(text, at, e,
					      "a brace without its other half, or with nothing "
					      "inside; write it like document:{id}");
		err = add_hole(env, t, text, at + 1, (size_t)(end - s) - at - 1, ret, e);
		if (err)
			return err;
		at = (size_t)(end - s) + 1;
	}
	return 0;
}

void sz_policy_template_done(struct template *t)
{
	size_t i;

	for (i = 0; i < t->n; i++) {
		free(t->parts[i].text);
		sz_cel_program_free(t->parts[i].program);
	}
	free(t->parts);
}

/* May a value from outside stand in a name? */
static bool is_plain(const struct sz_cel_value *v)
{
	u32 i;

	if (v->type != SZ_CEL_STRING || !v->n || (v->n == 1 && v->s[0] == '*'))
		return false;
	for (i = 0; i < v->n; i++)
		if ((u8)v->s[i] <= ' ' || v->s[i] == 0x7f || v->s[i] == ':' || v->s[i] == '#')
			return false;
	return true;
}

int sz_policy_fill(struct judge *j, const struct template *t, struct sz_buf *ret,
		   struct sz_error *e)
{
	struct sz_cel_error why;
	struct sz_cel_value v;
	bool unknown = false;
	size_t i;

	for (i = 0; i < t->n; i++) {
		if (t->parts[i].text) {
			sz_buf_printf(ret, "%s", t->parts[i].text);
			continue;
		}
		sz_policy_eval(j, t->parts[i].program, &v, &why);
		if (v.type == SZ_CEL_UNKNOWN) {
			unknown = true;
			continue;
		}
		if (v.type == SZ_CEL_ERROR)
			return sz_error_set(e, -EINVAL, "%.200s", why.msg);
		if (!is_plain(&v))
			return sz_error_set(e, -EINVAL,
					    "a value that is empty, is \"*\", or holds a blank, "
					    "\":\" or \"#\" cannot be part of a name");
		sz_buf_add(ret, v.s, v.n);
	}
	if (ret->len > NAME_MAX_BYTES)
		return sz_error_set(e, -EINVAL, "a name is longer than %d bytes", NAME_MAX_BYTES);
	return !unknown;
}

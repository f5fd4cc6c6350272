/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Conditions of tuples: compiled once by cel with their parameters as variables, and evaluated with
 * what the tuple and the request say. A parameter nobody gave is unknown to cel; where the answer
 * depends on it, there is none.
 */
#include <string.h>

#include "rebac_priv.h"

#define STEPS       100000
#define EXPR_MAX    8192
#define PARAMS_MAX  64
#define NESTING_MAX 64 /* of a value */
#define ARENA_LIMIT (1u << 20)

/* ---- compiling ------------------------------------------------------------------------------ */

/* The type as cel names it. */
static void type_name(const struct param *p, struct sz_buf *b)
{
	static const char *const names[PARAM_KINDS] = {
		[PARAM_ANY] = "dyn",           [PARAM_BOOL] = "bool",
		[PARAM_STRING] = "string",     [PARAM_INT] = "int",
		[PARAM_UINT] = "uint",         [PARAM_DOUBLE] = "double",
		[PARAM_DURATION] = "duration", [PARAM_TIMESTAMP] = "timestamp",
		[PARAM_IPADDRESS] = "net.IP",  [PARAM_MAP] = "map(string, ",
		[PARAM_LIST] = "list(",
	};

	sz_buf_printf(b, "%s", names[p->kind]);
	if (p->inner) {
		type_name(p->inner, b);
		sz_buf_add(b, ")", 1);
	}
}

/* Behind the string that begins at s[i]. */
static size_t string_end(const char *s, size_t i)
{
	char quote = s[i++];

	while (s[i] && s[i] != quote)
		i += s[i] == '\\' && s[i + 1] ? 2 : 1;
	return s[i] ? i + 1 : i;
}

/* The ')' that closes the '(' before s[i]; 0 where there is none. */
static size_t argument_end(const char *s, size_t i)
{
	u32 depth = 1;

	while (s[i]) {
		if (s[i] == '"' || s[i] == '\'') {
			i = string_end(s, i);
			continue;
		}
		depth += s[i] == '(';
		depth -= s[i] == ')';
		if (!depth)
			return i;
		i++;
	}
	return 0;
}

static bool in_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '.';
}

/* OpenFGA's own a.in_cidr(b) is cidr(b).containsIP(a) in the extensions of the language. */
static void translate(const char *s, struct sz_buf *ret)
{
	static const char call[] = ".in_cidr(";
	size_t i = 0, word, end;

	while (s[i]) {
		if (s[i] == '"' || s[i] == '\'') {
			end = string_end(s, i);
			sz_buf_add(ret, s + i, end - i);
			i = end;
			continue;
		}
		for (word = i; in_word(s[i]); i++)
			if (i > word && !strncmp(s + i, call, sizeof(call) - 1))
				break;
		end = strncmp(s + i, call, sizeof(call) - 1)
			      ? 0
			      : argument_end(s, i + sizeof(call) - 1);
		if (end && i > word) {
			sz_buf_printf(ret, "cidr(%.*s).containsIP(%.*s)",
				      (int)(end - i - sizeof(call) + 1), s + i + sizeof(call) - 1,
				      (int)(i - word), s + word);
			i = end + 1;
		} else {
			i += i == word;
			sz_buf_add(ret, s + word, i - word);
		}
	}
}

static int fail_compile(const struct condition *c, const struct sz_cel_error *ce,
			struct sz_rebac_error *e)
{
	struct place at = c->text_place;

	if (c->quoted)
		return sz_rebac_fail_at(e, at, "condition '%s': %u:%u: %s", c->name, ce->line,
					ce->column, ce->msg);
	at.column = ce->line > 1 ? ce->column : at.column + ce->column - 1;
	at.line += ce->line - 1;
	return sz_rebac_fail_at(e, at, "condition '%s': %s", c->name, ce->msg);
}

static int declare(struct condition *c, struct sz_cel_env *env, struct sz_rebac_error *e)
{
	struct sz_buf type = {0};
	const struct param *p;
	int slot = 0;

	for (p = c->params; p && slot >= 0; p = p->next) {
		sz_buf_reset(&type);
		type_name(p, &type);
		slot = sz_cel_declare(env, p->name, type.data);
		if (slot < 0 || strchr(p->name, '.'))
			slot = sz_rebac_fail_at(e, p->place, "'%s' is no name of a parameter",
						p->name);
		else
			c->n_params++;
	}
	sz_buf_done(&type);
	return slot < 0 ? slot : 0;
}

int sz_rebac_condition_compile(struct condition *c, struct sz_rebac_error *e)
{
	struct sz_cel_env *env = sz_cel_env_new();
	struct sz_buf text = {0};
	struct sz_cel_error ce;
	const char *type;
	int err = declare(c, env, e);

	if (!err && strlen(c->text) > EXPR_MAX)
		err = sz_rebac_fail_at(e, c->text_place, "the expression is longer than %d bytes",
				       EXPR_MAX);
	if (!err) {
		translate(c->text, &text);
		if (sz_cel_compile(env, text.data ? text.data : "", text.len, 0, &c->program, &ce))
			err = fail_compile(c, &ce, e);
	}
	if (!err) {
		type = sz_cel_program_type(c->program);
		if (strcmp(type, "bool") && strcmp(type, "dyn"))
			err = sz_rebac_fail_at(e, c->text_place,
					       "condition '%s' is of type %s; it must be a bool",
					       c->name, type);
	}
	sz_buf_done(&text);
	sz_cel_env_free(env);
	return err;
}

/* ---- values --------------------------------------------------------------------------------- */

/* Numbers may come as text, too, which JSON can hold exactly. */
static int number(enum param_kind kind, const json_t *v, struct sz_cel_value *ret,
		  struct sz_cel_arena *a)
{
	static const char *const names[PARAM_KINDS] = {
		[PARAM_INT] = "int", [PARAM_UINT] = "uint", [PARAM_DOUBLE] = "double"};
	double d = json_is_real(v) ? json_real_value(v) : 0;
	json_t *typed, *inner = (json_t *)v;
	int err;

	if (!json_is_number(v) && !json_is_string(v))
		return -EINVAL;
	if (kind == PARAM_UINT && json_is_number(v) && json_number_value(v) < 0)
		return -EINVAL;
	if (kind == PARAM_UINT && json_string_value(v) && *json_string_value(v) == '-')
		return -EINVAL;
	if (kind != PARAM_DOUBLE && json_is_real(v)) {
		if (d != (double)(s64)d || d < -9e15 || d > 9e15)
			return -EINVAL;
		inner = json_integer((s64)d);
		typed = json_pack("{s:o}", names[kind], inner);
	} else {
		typed = json_pack("{s:O}", names[kind], inner);
	}
	err = sz_cel_from_typed(a, typed, ret);
	json_decref(typed);
	return err;
}

static int convert(const struct param *p, const json_t *v, struct sz_cel_arena *a, u32 depth,
		   struct sz_cel_value *ret);

static int convert_list(const struct param *p, const json_t *v, struct sz_cel_arena *a, u32 depth,
			struct sz_cel_value *ret)
{
	size_t n = json_array_size(v), i;
	struct sz_cel_value *list;
	int err = 0;

	if (!json_is_array(v))
		return -EINVAL;
	list = sz_cel_alloc(a, (n + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (i = 0; i < n && !err; i++)
		err = convert(p, json_array_get(v, i), a, depth, &list[i]);
	*ret = (struct sz_cel_value){.type = SZ_CEL_LIST, .n = (u32)n, .list = list};
	return err;
}

static int convert_map(const struct param *p, const json_t *v, struct sz_cel_arena *a, u32 depth,
		       struct sz_cel_value *ret)
{
	size_t n = json_object_size(v), i = 0;
	struct sz_cel_value *pairs;
	const char *key;
	json_t *item;
	int err = 0;

	if (!json_is_object(v))
		return -EINVAL;
	pairs = sz_cel_alloc(a, (2 * n + 1) * sizeof(*pairs));
	if (!pairs)
		return -ENOMEM;
	json_object_foreach((json_t *)v, key, item)
	{
		pairs[i++] = sz_cel_string(key, strlen(key));
		err = convert(p, item, a, depth, &pairs[i++]);
		if (err)
			return err;
	}
	return sz_cel_map(a, pairs, (u32)n, ret);
}

/* The JSON value as the parameter's type: -EINVAL where it is none. */
static int convert(const struct param *p, const json_t *v, struct sz_cel_arena *a, u32 depth,
		   struct sz_cel_value *ret)
{
	static const char *const text[PARAM_KINDS] = {[PARAM_DURATION] = "duration",
						      [PARAM_TIMESTAMP] = "timestamp",
						      [PARAM_IPADDRESS] = "ip"};
	json_t *typed;
	int err;

	if (depth > NESTING_MAX)
		return -EINVAL;
	switch (p->kind) {
	case PARAM_ANY:
		return sz_cel_from_json(a, v, ret);
	case PARAM_BOOL:
		return json_is_boolean(v) ? sz_cel_from_json(a, v, ret) : -EINVAL;
	case PARAM_STRING:
		return json_is_string(v) ? sz_cel_from_json(a, v, ret) : -EINVAL;
	case PARAM_INT:
		if (json_is_integer(v)) {
			*ret = sz_cel_int(json_integer_value(v));
			return 0;
		}
		return number(p->kind, v, ret, a);
	case PARAM_UINT:
	case PARAM_DOUBLE:
		return number(p->kind, v, ret, a);
	case PARAM_LIST:
		return convert_list(p->inner, v, a, depth + 1, ret);
	case PARAM_MAP:
		return convert_map(p->inner, v, a, depth + 1, ret);
	default:
		if (!json_is_string(v))
			return -EINVAL;
		typed = json_pack("{s:O}", text[p->kind], v);
		err = sz_cel_from_typed(a, typed, ret);
		json_decref(typed);
		return err;
	}
}

static const struct param *find_param(const struct condition *c, const char *name)
{
	const struct param *p;

	for (p = c->params; p; p = p->next)
		if (!strcmp(p->name, name))
			break;
	return p;
}

static int wrong_type(const struct condition *c, const struct param *p, u32 code,
		      struct sz_rebac_error *e)
{
	return sz_rebac_fail(e, code, "parameter '%s' of condition '%s' is no %s", p->name, c->name,
			     sz_rebac_param_names[p->kind]);
}

int sz_rebac_condition_accepts(const struct condition *c, const json_t *context,
			       struct sz_rebac_error *e)
{
	struct sz_cel_value value;
	struct sz_cel_arena a;
	const struct param *p;
	const char *name;
	json_t *v;
	int err = 0;

	if (context && !json_is_object(context))
		return sz_rebac_fail(e, SZ_REBAC_INVALID_TUPLE,
				     "the context of condition '%s' is no object", c->name);
	sz_cel_arena_init(&a, ARENA_LIMIT);
	json_object_foreach((json_t *)context, name, v)
	{
		p = find_param(c, name);
		if (!p)
			err = sz_rebac_fail(e, SZ_REBAC_INVALID_TUPLE,
					    "condition '%s' has no parameter '%.100s'", c->name,
					    name);
		else if (convert(p, v, &a, 0, &value))
			err = wrong_type(c, p, SZ_REBAC_INVALID_TUPLE, e);
		if (err)
			break;
	}
	sz_cel_arena_done(&a);
	return err;
}

/* ---- evaluating ----------------------------------------------------------------------------- */

static int bind(const struct condition *c, const json_t *tuple, const json_t *request,
		struct sz_cel_arena *a, struct sz_cel_value *slots, struct sz_rebac_error *e)
{
	const struct param *p;
	const json_t *v;
	u32 i = 0;

	for (p = c->params; p; p = p->next, i++) {
		v = json_object_get(tuple, p->name);
		if (!v)
			v = json_object_get(request, p->name);
		if (!v) {
			if (sz_cel_unknown(a, p->name, &slots[i]))
				return sz_rebac_fail(e, SZ_REBAC_VALIDATION, "too much context");
		} else if (convert(p, v, a, 0, &slots[i])) {
			return wrong_type(c, p, SZ_REBAC_VALIDATION, e);
		}
	}
	return 0;
}

static int fail_missing(const struct condition *c, const struct sz_cel_value *v,
			struct sz_rebac_error *e)
{
	struct sz_buf b = {0};
	const char *path;
	u32 i;

	for (i = 0; (path = sz_cel_unknown_path(v, i)) != NULL; i++)
		sz_buf_printf(&b, "%s'%s'", i ? ", " : "", path);
	sz_rebac_fail(e, SZ_REBAC_VALIDATION,
		      "condition '%s' cannot be told: the context is missing %s", c->name,
		      b.data ? b.data : "parameters");
	sz_buf_done(&b);
	return -EINVAL;
}

int sz_rebac_condition_eval(const struct condition *c, const json_t *tuple, const json_t *request,
			    struct sz_cel_arena *a, bool *ret, struct sz_rebac_error *e)
{
	struct sz_cel_value slots[PARAMS_MAX], v;
	struct sz_cel_error ce;

	sz_cel_arena_reset(a);
	if (bind(c, tuple, request, a, slots, e))
		return -EINVAL;
	if (sz_cel_eval(c->program, slots, STEPS, a, &v, &ce))
		return sz_rebac_fail(e, SZ_REBAC_VALIDATION, "condition '%s': %s", c->name, ce.msg);
	if (v.type == SZ_CEL_UNKNOWN)
		return fail_missing(c, &v, e);
	if (v.type != SZ_CEL_BOOL)
		return sz_rebac_fail(e, SZ_REBAC_VALIDATION, "condition '%s' gives no bool",
				     c->name);
	*ret = v.b;
	return 0;
}

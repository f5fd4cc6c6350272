/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * cel eval: evaluates an expression of the Common Expression Language, with variables from a JSON
 * file, or a file of cases, one JSON object a line. For trying conditions out and for conformance;
 * touches neither maps nor daemon.
 */
#include <stdio.h>
#include <string.h>

#include "cel/cel.h"
#include "ctl/ctl.h"

#define ZONES        "/usr/share/zoneinfo"
#define ZONE_BYTES   (1 << 20)
#define BINDINGS_MAX (64 << 20)
#define ARENA_BYTES  (256u << 20)

/* ---- time zones: files read once ------------------------------------------------------------ */

struct zone {
	struct zone *next;
	char *name;
	struct sz_buf file;
};

static int find_zone(void *arg, const char *name, const u8 **ret, size_t *ret_n)
{
	struct zone **list = arg, *z;
	struct sz_error e;
	char path[128];
	int err;

	for (z = *list; z && strcmp(z->name, name); z = z->next)
		;
	if (!z) {
		z = sz_calloc(1, sizeof(*z));
		snprintf(path, sizeof(path), ZONES "/%s", name);
		err = sz_file_read(path, ZONE_BYTES, &z->file, &e);
		if (err) {
			sz_buf_done(&z->file);
			free(z);
			return err;
		}
		z->name = sz_strdup(name);
		z->next = *list;
		*list = z;
	}
	*ret = (const u8 *)z->file.data;
	*ret_n = z->file.len;
	return 0;
}

static void free_zones(struct zone *z)
{
	struct zone *next;

	for (; z; z = next) {
		next = z->next;
		free(z->name);
		sz_buf_done(&z->file);
		free(z);
	}
}

/* ---- one evaluation ------------------------------------------------------------------------- */

struct job {
	struct zone *zones;
	struct sz_cel_arena arena;
	struct sz_cel_env *env;
	struct sz_cel_value slots[SZ_CEL_VARS_MAX];
};

static void begin(struct job *j)
{
	struct sz_cel_zones zones = {find_zone, &j->zones};

	sz_cel_arena_reset(&j->arena);
	j->env = sz_cel_env_new();
	sz_cel_env_zones(j->env, &zones);
	memset(j->slots, 0, sizeof(j->slots));
}

static const char *declared_type(const struct sz_cel_value *v)
{
	switch (v->type) {
	case SZ_CEL_BOOL:
		return "bool";
	case SZ_CEL_INT:
		return "int";
	case SZ_CEL_DOUBLE:
		return "double";
	case SZ_CEL_STRING:
		return "string";
	case SZ_CEL_LIST:
		return "list(dyn)";
	case SZ_CEL_MAP:
		return "map(string, dyn)";
	default:
		return "dyn";
	}
}

/* Typed values are of cases, which do not say how their variables are declared. */
static int bind(struct job *j, const char *name, const json_t *v, bool typed, struct sz_error *e)
{
	struct sz_cel_value value;
	int err = typed ? sz_cel_from_typed(&j->arena, v, &value)
			: sz_cel_from_json(&j->arena, v, &value);

	if (err)
		return sz_error_set(e, err, "the value of '%.100s' %s", name,
				    err == -ENOMEM ? "is too large" : "is not understood");
	err = sz_cel_declare(j->env, name, typed ? "dyn" : declared_type(&value));
	if (err < 0)
		return sz_error_set(
			e, err, "%s '%.100s'",
			err == -E2BIG ? "too many variables at" : "no name of a variable:", name);
	j->slots[err] = value;
	return 0;
}

static int bind_all(struct job *j, const json_t *bindings, bool typed, struct sz_error *e)
{
	const char *name;
	json_t *v;
	int err;

	json_object_foreach((json_t *)bindings, name, v)
	{
		err = bind(j, name, v, typed, e);
		if (err)
			return err;
	}
	return 0;
}

/* *ret may stand in *ret_p, which the caller frees. */
static int evaluate(struct job *j, const char *text, size_t n, bool unchecked,
		    struct sz_cel_program **ret_p, struct sz_cel_value *ret, struct sz_cel_error *e)
{
	int err;

	err = sz_cel_compile(j->env, text, n, unchecked ? SZ_CEL_UNCHECKED : 0, ret_p, e);
	if (err)
		return err;
	return sz_cel_eval(*ret_p, j->slots, 100 * (u64)SZ_CEL_STEPS, &j->arena, ret, e);
}

/* ---- cases, one a line ---------------------------------------------------------------------- */

static json_t *case_error(const struct sz_cel_error *e)
{
	return json_pack("{s:o}", "error", json_sprintf("%u:%u: %s", e->line, e->column, e->msg));
}

static json_t *case_result(struct job *j, const json_t *c)
{
	const json_t *expr = json_object_get(c, "expr");
	const char *container = json_string_value(json_object_get(c, "container"));
	struct sz_cel_program *p = NULL;
	struct sz_cel_value value;
	struct sz_cel_error ce;
	struct sz_error e;
	json_t *ret, *typed;

	if (!json_is_string(expr))
		return json_pack("{s:s}", "error", "expr is not a string");
	if (bind_all(j, json_object_get(c, "bindings"), true, &e))
		return json_pack("{s:s}", "error", e.msg);
	if (container && sz_cel_env_container(j->env, container))
		return json_pack("{s:s}", "error", "container is no name of a package");
	if (evaluate(j, json_string_value(expr), json_string_length(expr),
		     json_is_true(json_object_get(c, "disable_check")), &p, &value, &ce)) {
		ret = case_error(&ce);
	} else {
		typed = sz_cel_to_typed(&value);
		ret = typed ? json_pack("{s:o}", "value", typed)
			    : json_pack("{s:s}", "error", "the value is too large to be shown");
	}
	sz_cel_program_free(p);
	return ret;
}

static int run_line(struct job *j, const char *line, size_t n, unsigned number)
{
	json_t *c, *answer, *id;
	json_error_t je;
	char *text;

	c = json_loadb(line, n, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &je);
	if (!json_is_object(c)) {
		json_decref(c);
		return sz_ctl_fail("line %u is no JSON object", number);
	}
	begin(j);
	id = json_object_get(c, "id");
	answer = json_pack("{s:O?}", "id", id);
	if (!id)
		json_object_set_new(answer, "id", json_null());
	json_object_update_new(answer, case_result(j, c));
	text = json_dumps(answer, JSON_COMPACT);
	puts(text);
	free(text);
	json_decref(answer);
	json_decref(c);
	sz_cel_env_free(j->env);
	return SZ_CTL_OK;
}

static int run_cases(struct job *j, const char *path)
{
	bool named = strcmp(path, "-") != 0;
	FILE *f = named ? fopen(path, "re") : stdin;
	int ret = SZ_CTL_OK;
	unsigned number = 0;
	size_t room = 0;
	char *line = NULL;
	ssize_t n;

	if (!f)
		return sz_ctl_fail("cannot read %s: %s", path, strerror(errno));
	while ((n = getline(&line, &room, f)) >= 0) {
		number++;
		if (strspn(line, " \t\r\n") < (size_t)n && run_line(j, line, (size_t)n, number))
			ret = SZ_CTL_FAILED;
	}
	if (ferror(f))
		ret = sz_ctl_fail("cannot read %s: %s", path, strerror(errno));
	free(line);
	if (named)
		fclose(f);
	return ret;
}

/* ---- one expression ------------------------------------------------------------------------- */

static int read_bindings(struct job *j, const char *path, struct sz_error *e)
{
	const char *file = strcmp(path, "-") ? path : "/dev/stdin";
	struct sz_buf text = {0};
	json_error_t je;
	json_t *v;
	int err = sz_file_read(file, BINDINGS_MAX, &text, e);

	if (err)
		return err;
	v = json_loadb(text.data ? text.data : "", text.len,
		       JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &je);
	sz_buf_done(&text);
	if (!v)
		return sz_error_set(e, -EINVAL, "%s:%d:%d: %s", path, je.line, je.column, je.text);
	err = json_is_object(v)
		      ? bind_all(j, v, false, e)
		      : sz_error_set(e, -EINVAL, "%s is no JSON object of variables", path);
	json_decref(v);
	return err;
}

/* Variables that have no value yet: the answer says which of them it depends on. */
static int bind_unknown(struct sz_ctl *c, struct job *j, struct sz_error *e)
{
	const char *name;
	unsigned i;
	int slot;

	for (i = 0; (name = sz_ctl_value_at(&c->args, "unknown", i)) != NULL; i++) {
		slot = sz_cel_declare(j->env, name, "dyn");
		if (slot < 0)
			return sz_error_set(e, slot, "--unknown: %s '%.100s'",
					    slot == -EEXIST ? "there is a value for"
							    : "no name of a variable:",
					    name);
		if (sz_cel_unknown(&j->arena, name, &j->slots[slot]))
			return sz_error_set(e, -ENOMEM, "too many variables");
	}
	return 0;
}

static json_t *unknown_paths(const struct sz_cel_value *v)
{
	json_t *paths = json_array();
	const char *path;
	u32 i;

	for (i = 0; (path = sz_cel_unknown_path(v, i)) != NULL; i++)
		json_array_append_new(paths, json_string(path));
	return paths;
}

static int show(struct sz_ctl *c, const struct sz_cel_value *v)
{
	struct sz_buf b = {0}, clean = {0};
	json_t *typed;

	if (c->json) {
		if (v->type == SZ_CEL_UNKNOWN)
			return sz_ctl_print_json(json_pack("{s:o}", "unknown", unknown_paths(v)));
		typed = sz_cel_to_typed(v);
		if (!typed)
			return sz_ctl_fail("the value is too large to be shown");
		return sz_ctl_print_json(json_pack("{s:o}", "value", typed));
	}
	sz_cel_print(v, &b);
	sz_ctl_clean(&clean, b.data, b.len);
	printf("%s\n", clean.data ? clean.data : "");
	sz_buf_done(&clean);
	sz_buf_done(&b);
	return SZ_CTL_OK;
}

static int show_error(const struct sz_cel_error *e, const char *text)
{
	struct sz_buf b = {0};
	int ret;

	sz_cel_error_show(e, text, strlen(text), &b);
	ret = sz_ctl_fail("%u:%u: %s", e->line, e->column, e->msg);
	fwrite(b.data, 1, b.len, stderr);
	sz_buf_done(&b);
	return ret;
}

static int run_expression(struct sz_ctl *c, struct job *j, const char *text)
{
	const char *bindings = sz_ctl_value(&c->args, "bindings");
	struct sz_cel_program *p = NULL;
	struct sz_cel_value value;
	struct sz_cel_error ce;
	struct sz_error e;
	int ret;

	begin(j);
	if ((bindings && read_bindings(j, bindings, &e)) || bind_unknown(c, j, &e))
		ret = sz_ctl_fail("%s", e.msg);
	else if (evaluate(j, text, strlen(text), false, &p, &value, &ce))
		ret = show_error(&ce, text);
	else
		ret = show(c, &value);
	sz_cel_program_free(p);
	sz_cel_env_free(j->env);
	return ret;
}

int sz_ctl_cmd_cel_eval(struct sz_ctl *c)
{
	const char *cases = sz_ctl_value(&c->args, "jsonl");
	struct job *j;
	int ret;

	if (cases && (c->args.n_words || sz_ctl_has(&c->args, "bindings") ||
		      sz_ctl_has(&c->args, "unknown")))
		return sz_ctl_usage("--jsonl goes with no expression and no variables");
	if (!cases && !c->args.n_words)
		return sz_ctl_usage("cel eval needs an expression, or --jsonl");
	j = sz_calloc(1, sizeof(*j)); /* its slots are too large for the stack */
	sz_cel_arena_init(&j->arena, ARENA_BYTES);
	ret = cases ? run_cases(j, cases) : run_expression(c, j, c->args.word[0]);
	sz_cel_arena_done(&j->arena);
	free_zones(j->zones);
	free(j);
	return ret;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Conformance of cel against the cases of cel-spec that need no protobuf message, one JSON object a
 * line. They are not part of this tree: they are read from the directory SUBZERO_VECTORS names, and
 * the tests are skipped where it is absent.
 */
#include "harness.h"

#include <math.h>

#include "cel/cel.h"

static char *line;
static size_t line_room;

static FILE *cases(void)
{
	const char *dir = getenv("SUBZERO_VECTORS");
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/cel/simple.jsonl", dir ? dir : "../shared/data");
	f = fopen(path, "r");
	if (!f)
		SKIP("test vectors not found; set SUBZERO_VECTORS to their directory");
	return f;
}

/* Time zones as the machine has them; kept until the test ends. */
static struct sz_buf zone;

static int find_zone(void *arg, const char *name, const u8 **ret, size_t *ret_n)
{
	struct sz_error e;
	char path[128];

	(void)arg;
	snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", name);
	sz_buf_reset(&zone);
	if (sz_file_read(path, 1 << 20, &zone, &e))
		return -ENOENT;
	*ret = (const u8 *)zone.data;
	*ret_n = zone.len;
	return 0;
}

static const struct sz_cel_zones zones = {find_zone, NULL};

/* Equal as test values are: doubles by their value, maps in any order. */
static bool same(const struct sz_cel_value *x, const struct sz_cel_value *y)
{
	const struct sz_cel_value *key, *value, *other;
	u32 i;

	if (x->type != y->type)
		return false;
	switch (x->type) {
	case SZ_CEL_NULL:
		return true;
	case SZ_CEL_BOOL:
		return x->b == y->b;
	case SZ_CEL_DOUBLE:
		return x->d == y->d ? signbit(x->d) == signbit(y->d) : isnan(x->d) && isnan(y->d);
	case SZ_CEL_STRING:
	case SZ_CEL_BYTES:
	case SZ_CEL_TYPE:
		return x->n == y->n && (!x->n || !memcmp(x->s, y->s, x->n));
	case SZ_CEL_LIST:
		for (i = 0; x->n == y->n && i < x->n; i++)
			if (!same(&x->list[i], &y->list[i]))
				return false;
		return x->n == y->n;
	case SZ_CEL_MAP:
		for (i = 0; x->n == y->n && i < x->n; i++) {
			sz_cel_map_at(x, i, &key, &value);
			other = sz_cel_map_get(y, key);
			if (!other || !same(value, other))
				return false;
		}
		return x->n == y->n;
	default:
		return x->i == y->i && x->n == y->n;
	}
}

struct one {
	const json_t *json;
	struct sz_cel_arena arena;
	struct sz_cel_value slots[16];
	struct sz_cel_env *env;
	struct sz_cel_error e;
};

static void bind(struct one *t)
{
	json_t *bindings = json_object_get(t->json, "bindings"), *v;
	const char *container = json_string_value(json_object_get(t->json, "container"));
	const char *name;
	int slot;

	t->env = sz_cel_env_new();
	sz_cel_env_zones(t->env, &zones);
	if (container)
		EXPECT_EQ(sz_cel_env_container(t->env, container), 0);
	json_object_foreach(bindings, name, v)
	{
		slot = sz_cel_declare(t->env, name, "dyn");
		ASSERT_TRUE(slot >= 0 && slot < 16);
		EXPECT_EQ(sz_cel_from_typed(&t->arena, v, &t->slots[slot]), 0);
	}
}

/* 0 with a value, or an error. */
static int evaluate(struct one *t, struct sz_cel_value *ret)
{
	const json_t *expr = json_object_get(t->json, "expr");
	struct sz_cel_program *p;
	int err;

	err = sz_cel_compile(
		t->env, json_string_value(expr), json_string_length(expr),
		json_is_true(json_object_get(t->json, "disable_check")) ? SZ_CEL_UNCHECKED : 0, &p,
		&t->e);
	if (err)
		return err;
	err = sz_cel_eval(p, t->slots, SZ_CEL_STEPS, &t->arena, ret, &t->e);
	if (!err) { /* what it says of itself as JSON is read back as the same */
		json_t *typed = sz_cel_to_typed(ret);
		struct sz_cel_value back;

		EXPECT_EQ(sz_cel_from_typed(&t->arena, typed, &back), 0);
		EXPECT_TRUE(same(ret, &back));
		json_decref(typed);
		/* It may stand in the program, which goes. */
		*ret = back;
	}
	sz_cel_program_free(p);
	return err;
}

static void run(const json_t *json)
{
	struct one t = {.json = json};
	const char *id = json_string_value(json_object_get(json, "id"));
	struct sz_cel_value got, want;
	struct sz_buf text = {0};
	bool good;
	int err;

	sz_cel_arena_init(&t.arena, 1 << 20);
	bind(&t);
	err = evaluate(&t, &got);
	if (json_object_get(json, "error")) {
		if (!EXPECT_TRUE(err))
			printf("# %s has a value\n", id);
	} else if (!EXPECT_EQ(err, 0)) {
		printf("# %s: %u:%u: %s\n", id, t.e.line, t.e.column, t.e.msg);
	} else {
		ASSERT_EQ(sz_cel_from_typed(&t.arena, json_object_get(json, "value"), &want), 0);
		good = EXPECT_TRUE(same(&got, &want));
		if (!good) {
			sz_cel_print(&got, &text);
			printf("# %s: %s\n", id, text.data);
		}
	}
	sz_buf_done(&text);
	sz_cel_env_free(t.env);
	sz_cel_arena_done(&t.arena);
}

TEST(every_case_of_the_specification_but_block_has_its_value_or_error)
{
	FILE *f = cases();
	json_error_t e;
	unsigned n = 0, left_out = 0;
	json_t *json;

	while (getline(&line, &line_room, f) > 0) {
		json = json_loads(line, JSON_ALLOW_NUL, &e);
		ASSERT_TRUE(json);
		if (strncmp(json_string_value(json_object_get(json, "id")), "block_ext/", 10)) {
			run(json);
			n++;
		} else {
			left_out++;
		}
		json_decref(json);
	}
	fclose(f);
	free(line);
	line = NULL;
	sz_buf_done(&zone);
	printf("# %u cases, %u of block_ext left out\n", n, left_out);
	EXPECT_TRUE(n > 1000);
}

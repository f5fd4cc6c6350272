/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Conformance of rebac against OpenFGA's own assertions: each test is a row of stages, each with a
 * model, tuples that are added, and questions with the answers or error codes they must have. They
 * are not part of this tree: they are read from the directory SUBZERO_VECTORS names, and the tests
 * are skipped where it is absent.
 */
#include "harness.h"

#include "rebac/rebac.h"

#define MAX_CONTEXTUAL 32

static json_t *tests(void)
{
	const char *dir = getenv("SUBZERO_VECTORS");
	json_error_t je;
	char path[512];
	json_t *v;
	FILE *f;

	snprintf(path, sizeof(path), "%s/openfga/consolidated_1_1.json",
		 dir ? dir : "../shared/data");
	f = fopen(path, "r");
	if (!f)
		SKIP("test vectors not found; set SUBZERO_VECTORS to their directory");
	v = json_loadf(f, 0, &je);
	fclose(f);
	ASSERT_TRUE(json_is_array(v));
	return v;
}

static const char *text(const json_t *v, const char *key)
{
	return json_string_value(json_object_get(v, key));
}

static void take_tuple(const json_t *v, struct sz_rebac_tuple *t)
{
	*t = (struct sz_rebac_tuple){text(v, "user"), text(v, "relation"), text(v, "object"), NULL,
				     NULL};
}

/* One stage of one test, with its model read from either form. */
struct stage {
	const char *name;
	struct sz_rebac_graph *g;
	struct sz_rebac_work *w;
	const json_t *v;
	unsigned asserted;
};

static void take_request(const json_t *a, struct sz_rebac_tuple *tuples, struct sz_rebac_request *r)
{
	const json_t *list = json_object_get(a, "contextualTuples");
	size_t i;

	*r = (struct sz_rebac_request){.contextual = tuples,
				       .n_contextual = (u32)json_array_size(list)};
	ASSERT_TRUE(r->n_contextual <= MAX_CONTEXTUAL);
	for (i = 0; i < r->n_contextual; i++)
		take_tuple(json_array_get(list, i), &tuples[i]);
}

static bool expect_code(struct stage *s, const json_t *a, int err, const struct sz_rebac_error *e)
{
	json_int_t code = json_integer_value(json_object_get(a, "errorCode"));
	bool same = code ? err && e->code == code : !err;

	s->asserted++;
	if (!EXPECT_TRUE(same)) {
		printf("# %s: %s\n#   expected code %lld, got %u: %s\n", s->name,
		       json_dumps(a, JSON_COMPACT), code, err ? e->code : 0, err ? e->msg : "");
		return false;
	}
	return !err;
}

static bool same_set(const json_t *expected, const json_t *got)
{
	size_t i, k;

	if (json_array_size(expected) != json_array_size(got))
		return false;
	for (i = 0; i < json_array_size(expected); i++) {
		for (k = 0; k < json_array_size(got); k++)
			if (json_equal(json_array_get(expected, i), json_array_get(got, k)))
				break;
		if (k == json_array_size(got))
			return false;
	}
	return true;
}

static void expect_set(struct stage *s, const json_t *a, json_t *got)
{
	if (!EXPECT_TRUE(same_set(json_object_get(a, "expectation"), got)))
		printf("# %s: %s\n#   got %s\n", s->name, json_dumps(a, JSON_COMPACT),
		       json_dumps(got, JSON_COMPACT));
	json_decref(got);
}

static void check(struct stage *s, const json_t *a)
{
	struct sz_rebac_tuple tuples[MAX_CONTEXTUAL], t;
	struct sz_rebac_request r;
	struct sz_rebac_error e;
	bool allowed;
	int err;

	take_request(a, tuples, &r);
	take_tuple(json_object_get(a, "tuple"), &t);
	err = sz_rebac_check(s->g, s->w, &r, t.user, t.relation, t.object, &allowed, &e);
	if (expect_code(s, a, err, &e) &&
	    !EXPECT_EQ(allowed, json_is_true(json_object_get(a, "expectation"))))
		printf("# %s: %s\n", s->name, json_dumps(a, JSON_COMPACT));
}

static void list_objects(struct stage *s, const json_t *a)
{
	const json_t *q = json_object_get(a, "request");
	struct sz_rebac_tuple tuples[MAX_CONTEXTUAL];
	struct sz_rebac_request r;
	struct sz_rebac_error e;
	json_t *got;
	int err;

	take_request(a, tuples, &r);
	err = sz_rebac_list_objects(s->g, s->w, &r, text(q, "user"), text(q, "relation"),
				    text(q, "type"), 0, &got, &e);
	if (expect_code(s, a, err, &e))
		expect_set(s, a, got);
}

static void list_users(struct stage *s, const json_t *a)
{
	const json_t *q = json_object_get(a, "request"), *filters = json_object_get(q, "filters");
	struct sz_rebac_tuple tuples[MAX_CONTEXTUAL];
	struct sz_rebac_request r;
	struct sz_rebac_error e;
	json_t *got;
	int err;

	take_request(a, tuples, &r);
	ASSERT_EQ(json_array_size(filters), 1);
	err = sz_rebac_list_users(s->g, s->w, &r, text(q, "object"), text(q, "relation"),
				  json_string_value(json_array_get(filters, 0)), &got, &e);
	if (expect_code(s, a, err, &e))
		expect_set(s, a, got);
}

static void write_tuples(struct stage *s)
{
	const json_t *v;
	struct sz_rebac_tuple t;
	struct sz_rebac_error e;
	size_t i;

	json_array_foreach(json_object_get(s->v, "tuples"), i, v)
	{
		take_tuple(v, &t);
		if (sz_rebac_write(s->g, &t, &e))
			printf("# %s: %s\n", s->name, e.msg);
	}
}

/* Runs the assertions of one kind over all stages, with models of the one or the other form. */
static unsigned run(const char *kind, bool json, void (*one)(struct stage *s, const json_t *a))
{
	json_t *all = tests(), *t, *v, *a;
	struct stage s = {.w = sz_rebac_work_new(0)};
	struct sz_rebac_store *store;
	struct sz_rebac_model *m;
	struct sz_rebac_error e;
	size_t i, k, j;
	char *model;

	json_array_foreach(all, i, t)
	{
		s.name = text(t, "name");
		store = sz_rebac_memory_new();
		json_array_foreach(json_object_get(t, "stages"), k, v)
		{
			s.v = v;
			model = json ? json_dumps(json_object_get(v, "model_json"), 0)
				     : strdup(text(v, "model"));
			if (!EXPECT_EQ(sz_rebac_model_parse(model, strlen(model), &m, &e), 0)) {
				printf("# %s: %u:%u: %s\n", s.name, e.line, e.column, e.msg);
				free(model);
				continue;
			}
			free(model);
			ASSERT_EQ(sz_rebac_graph_new(m, store, &s.g, &e), 0);
			write_tuples(&s);
			json_array_foreach(json_object_get(v, kind), j, a) one(&s, a);
			sz_rebac_graph_free(s.g);
			sz_rebac_model_free(m);
		}
		sz_rebac_store_free(store);
	}
	sz_rebac_work_free(s.w);
	json_decref(all);
	return s.asserted;
}

TEST(every_check_of_openfga_is_answered_as_there)
{
	EXPECT_EQ(run("checkAssertions", false, check), 360);
}

TEST(every_list_objects_of_openfga_is_answered_as_there)
{
	EXPECT_EQ(run("listObjectsAssertions", false, list_objects), 270);
}

TEST(every_list_users_of_openfga_is_answered_as_there)
{
	EXPECT_EQ(run("listUsersAssertions", false, list_users), 295);
}

TEST(models_in_json_answer_the_same)
{
	EXPECT_EQ(run("checkAssertions", true, check), 360);
	EXPECT_EQ(run("listObjectsAssertions", true, list_objects), 270);
	EXPECT_EQ(run("listUsersAssertions", true, list_users), 295);
}

TEST(both_forms_of_each_model_are_converted_into_each_other)
{
	json_t *all = tests(), *t, *v, *json;
	struct sz_rebac_model *m, *again;
	struct sz_rebac_error e;
	size_t i, k;
	char *dump;

	json_array_foreach(all, i, t) json_array_foreach(json_object_get(t, "stages"), k, v)
	{
		const char *dsl = text(v, "model");
		struct sz_buf b = {0}, c = {0};

		ASSERT_EQ(sz_rebac_model_parse(dsl, strlen(dsl), &m, &e), 0);
		json = sz_rebac_model_json(m);
		if (!EXPECT_TRUE(json_equal(json, json_object_get(v, "model_json"))))
			printf("# %s: %s\n", text(t, "name"), json_dumps(json, JSON_COMPACT));
		dump = json_dumps(json, 0);
		ASSERT_EQ(sz_rebac_model_parse(dump, strlen(dump), &again, &e), 0);
		sz_rebac_model_print(m, &b);
		sz_rebac_model_print(again, &c);
		EXPECT_STREQ(b.data, c.data);
		sz_rebac_model_free(again);
		ASSERT_EQ(sz_rebac_model_parse(b.data, b.len, &again, &e), 0);
		sz_buf_reset(&c);
		sz_rebac_model_print(again, &c);
		EXPECT_STREQ(b.data, c.data);
		sz_rebac_model_free(again);
		sz_rebac_model_free(m);
		sz_buf_done(&b);
		sz_buf_done(&c);
		json_decref(json);
		free(dump);
	}
	json_decref(all);
}

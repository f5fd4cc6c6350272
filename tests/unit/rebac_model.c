/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Authorization models: what is refused, in both forms, with its line, column and words; what is
 * accepted, and what it is printed as.
 */
#include "harness.h"

#include "rebac/rebac.h"

static struct sz_rebac_error error;

static struct sz_rebac_model *parse(const char *text)
{
	struct sz_rebac_model *m = NULL;

	memset(&error, 0, sizeof(error));
	if (sz_rebac_model_parse(text, strlen(text), &m, &error))
		EXPECT_TRUE(!m);
	return m;
}

struct mistake {
	const char *text;
	unsigned line, column;
	const char *says;
};

static void expect_mistakes(const struct mistake *list, size_t n)
{
	struct sz_rebac_model *m;
	size_t i;

	for (i = 0; i < n; i++) {
		m = parse(list[i].text);
		if (!EXPECT_TRUE(!m) || !EXPECT_EQ(error.code, SZ_REBAC_INVALID_MODEL) ||
		    !EXPECT_EQ(error.line, list[i].line) ||
		    !EXPECT_EQ(error.column, list[i].column) ||
		    !EXPECT_CONTAINS(error.msg, list[i].says))
			printf("# case %zu, found %u:%u: %s\n%s\n", i, error.line, error.column,
			       error.msg, list[i].text);
		sz_rebac_model_free(m);
	}
}
#define EXPECT_MISTAKES(m) expect_mistakes(m, SZ_ARRAY_LEN(m))

#define HEAD "model\n  schema 1.1\n"
#define USER HEAD "type user\n"
#define DOC  USER "type doc\n  relations\n    "

TEST(what_is_no_model_is_refused_where_it_ends_to_be_one)
{
	static const struct mistake list[] = {
		{"", 1, 1, "expected 'model', but the text ends"},
		{"  \n\n  # nothing\n", 4, 1, "expected 'model'"},
		{"mdoel\n", 1, 1, "expected 'model', found 'mdoel'"},
		{"module core\n", 1, 1, "modules are not supported"},
		{"model\n  schema 1.0\n", 2, 10, "expected schema version 1.1, found '1.0'"},
		{"model\n  schema 1.2\n", 2, 10, "schema version 1.1"},
		{HEAD, 1, 1, "defines no type"},
		{HEAD "types user\n", 3, 1, "found 'types'"},
		{HEAD "type user type group\n", 3, 11, "on a line of its own"},
		{HEAD "type\n", 4, 1, "the name of a type"},
		{HEAD "type user\n  relations\ntype x\n", 5, 1, "expected 'define', found 'type'"},
		{DOC "define a [user]\n", 6, 14, "expected ':', found '['"},
		{DOC "define a: [user\n", 7, 1, "expected ',' or ']'"},
		{DOC "define a: [user:x]\n", 6, 21, "expected '*'"},
		{DOC "define a: []\n", 6, 16, "expected a type"},
		{DOC "define a: [user] or\n", 7, 1, "expected a relation, '[' or '('"},
		{DOC "define a: [user] or b and c\n", 6, 27, "use parentheses"},
		{DOC "define a: [user] but not b but not c\n", 6, 32, "use parentheses"},
		{DOC "define a: [user] but b\n", 6, 26, "expected 'not'"},
		{DOC "define a: ([user] or b\n", 7, 1, "or ')'"},
		{DOC "define a: [user] [user]\n", 6, 22, "the end of the line"},
		{DOC "define a: [user] or [doc]\n", 6, 25, "one list of types"},
		{DOC "define a: b from\n", 7, 1, "expected a relation"},
		{DOC "define a: [user]\x01\n", 6, 21, "byte 0x01"},
		{DOC "define \xc3\xa4: [user]\n", 6, 12, "byte 0xc3"},
	};

	EXPECT_MISTAKES(list);
}

TEST(a_model_must_keep_the_rules_of_openfga)
{
	static const struct mistake list[] = {
		{USER "type user\n", 4, 6, "type 'user' is defined twice"},
		{HEAD "type self\n", 3, 6, "reserved"},
		{DOC "define this: [user]\n", 6, 12, "reserved"},
		{DOC "define a: [user]\n    define a: [user]\n", 7, 12, "defined twice"},
		{DOC "define a: [usr]\n", 6, 16, "type 'usr' is not defined"},
		{DOC "define a: [user#x]\n", 6, 16, "type 'user' has no relation 'x'"},
		{DOC "define a: [user with c]\n", 6, 16, "condition 'c' is not defined"},
		{DOC "define a: b\n", 6, 15, "type 'doc' has no relation 'b'"},
		{DOC "define a: a\n", 6, 15, "defined by itself"},
		{DOC "define a: [user] or b\n    define b: [user] or a\n", 6, 12, "by itself"},
		{DOC "define a: x from p\n", 6, 15, "type 'doc' has no relation 'p'"},
		{DOC "define p: [user] or q\n    define q: [user]\n    define a: q from p\n", 8, 15,
		 "must be a list of types"},
		{DOC "define p: [user]\n    define a: x from p\n", 7, 15, "no type of 'p' has"},
		{DOC "define p: [doc:*]\n    define a: [user] or a from p\n", 6, 16,
		 "takes plain types only"},
		{DOC "define p: [doc#a]\n    define a: [user] or a from p\n", 6, 16,
		 "takes plain types only"},
		{DOC "define a: [doc#a]\n", 6, 12, "no entry point"},
		{DOC "define p: [doc]\n    define a: a from p\n", 7, 12, "no entry point"},
		{DOC "define a: [user] and b\n    define b: [doc#b]\n", 6, 12, "no entry point"},
		{DOC "define a: [user] but not b\n    define b: [doc#b]\n", 6, 12,
		 "no entry point"},
		{DOC "define a23456789012345678901234567890123456789012345678901: [user]\n", 6, 12,
		 "1 to 50 bytes"},
	};

	EXPECT_MISTAKES(list);
}

TEST(conditions_are_compiled_when_the_model_is_read)
{
	static const struct mistake list[] = {
		{USER "condition c(x: int) {\n  x > \n}\n", 5, 6, "condition 'c'"},
		{USER "condition c(x: int) {\n  x > 'a'\n}\n", 5, 5, "condition 'c'"},
		{USER "condition c(x: int) {\n  x +\n    'a' == 1\n}\n", 5, 5, "condition 'c'"},
		{USER "condition c(x: int) { x + 1 }\n", 4, 23, "is of type int"},
		{USER "condition c(x: int) { y > 1 }\n", 4, 23, "condition 'c'"},
		{USER "condition c(x: integer) { x > 1 }\n", 4, 16, "found 'integer'"},
		{USER "condition c(x: list) { true }\n", 4, 20, "expected '<'"},
		{USER "condition c(x: int, x: int) { x > 1 }\n", 4, 21, "'x' is defined twice"},
		{USER "condition c(x: int) { x > 1\n", 4, 21, "not closed"},
		{USER "condition c() { true }\n", 4, 13, "the name of a parameter"},
		{USER "condition c(x: int) { x > 1 }\ncondition c(x: int) { x > 1 }\n", 5, 11,
		 "defined twice"},
	};
	struct sz_rebac_model *m;

	EXPECT_MISTAKES(list);
	m = parse(USER "condition c(x: map<list<string>>, when: timestamp, d: duration) {\n"
		       "  { 'a}': 1 }.size() == 1 && 'y' in x['k'] // }\n  }\n");
	/* a brace in a comment closes it: what follows is no model */
	EXPECT_TRUE(!m);
	m = parse(USER "condition c(x: map<list<string>>, when: timestamp, d: duration) {\n"
		       "  { 'a}': 1 }.size() == 1 && 'y' in x['k'] && when + d > when }\n");
	EXPECT_TRUE(m);
	sz_rebac_model_free(m);
}

#define J(rest) "{\"schema_version\": \"1.1\",\n \"type_definitions\": [\n  " rest "]}"
#define JREL(r)                                                                                    \
	J("{\"type\": \"user\"},\n  {\"type\": \"doc\", \"relations\": {\n   \"a\": " r "}}")

TEST(json_is_refused_with_the_place_of_the_value)
{
	static const struct mistake list[] = {
		{"{", 1, 1, "expected"},
		{"{\"schema_version\": \"1.1\",\n \"schema_version\": \"1.1\"}", 2, 17,
		 "duplicate"},
		{"{}", 1, 1, "schema_version"},
		{J(""), 1, 1, "defines no type"},
		{J("{\"type\": 7}"), 3, 12, "\"type\" is a string"},
		{J("{\"types\": \"user\"}"), 3, 3, "\"type\" is missing"},
		{J("{\"type\": \"a:b\"}"), 3, 3, "no byte 0x3a"},
		{J("{\"type\": \"user\"},\n  {\"type\": \"user\"}"), 4, 3, "defined twice"},
		{JREL("{}"), 5, 9, "one member"},
		{JREL("{\"these\": {}}"), 5, 9, "expected this"},
		{JREL("{\"this\": {}}"), 5, 9, "of no type"},
		{JREL("{\"union\": {\"child\": []}}"), 5, 19, "at least one"},
		{JREL("{\"union\": {\"child\": [{\"computedUserset\": {}}]}}"), 5, 50,
		 "\"relation\" is missing"},
		{JREL("{\"computedUserset\": {\"relation\": \"b\"}}"), 5, 9, "no relation 'b'"},
		{JREL("{\"difference\": {\"base\": {\"this\": {}}}}"), 5, 24, "\"subtract\""},
	};

	EXPECT_MISTAKES(list);
}

TEST(an_error_in_a_quoted_expression_says_where_inside_of_it)
{
	static const struct mistake list[] = {
		{"{\"schema_version\": \"1.1\", \"type_definitions\": [{\"type\": \"user\"}],\n"
		 "\"conditions\": {\"c\": {\"name\": \"c\", \"expression\": \"x >\", "
		 "\"parameters\":\n"
		 "{\"x\": {\"type_name\": \"TYPE_NAME_INT\"}}}}}",
		 2, 49, "condition 'c': 1:"},
		{"{\"schema_version\": \"1.1\", \"type_definitions\": [{\"type\": \"user\"}],\n"
		 "\"conditions\": {\"d\": {\"name\": \"c\", \"expression\": \"x > 1\"}}}",
		 2, 21, "not the key"},
	};

	EXPECT_MISTAKES(list);
}

TEST(nesting_is_bounded_in_both_forms)
{
	struct sz_buf b = {0};
	struct sz_rebac_model *m;
	u32 i, n;

	for (n = SZ_REBAC_NESTING_MAX; n <= SZ_REBAC_NESTING_MAX + 1; n++) {
		sz_buf_reset(&b);
		sz_buf_printf(&b, DOC "define b: [user]\n    define a: ");
		for (i = 0; i < n; i++)
			sz_buf_printf(&b, "(");
		sz_buf_printf(&b, "b");
		for (i = 0; i < n; i++)
			sz_buf_printf(&b, ")");
		m = parse(b.data);
		EXPECT_EQ(m != NULL, n == SZ_REBAC_NESTING_MAX);
		sz_rebac_model_free(m);
		sz_buf_reset(&b);
		sz_buf_printf(&b, "%s",
			      "{\"schema_version\": \"1.1\", \"type_definitions\": [{\"type\": "
			      "\"doc\", \"relations\": {\"b\": {\"this\": {}}, \"a\": ");
		for (i = 0; i < n; i++)
			sz_buf_printf(&b, "{\"union\": {\"child\": [");
		sz_buf_printf(&b, "{\"computedUserset\": {\"relation\": \"b\"}}");
		for (i = 0; i < n; i++)
			sz_buf_printf(&b, "]}}");
		sz_buf_printf(&b, "}, \"metadata\": {\"relations\": {\"b\": "
				  "{\"directly_related_user_types\": [{\"type\": \"doc\"}]}}}}]}");
		m = parse(b.data);
		if (!EXPECT_EQ(m != NULL, n == SZ_REBAC_NESTING_MAX))
			printf("# %u: %u:%u: %s\n", n, error.line, error.column, error.msg);
		sz_rebac_model_free(m);
	}
	sz_buf_done(&b);
}

TEST(a_model_that_is_too_large_is_not_even_read)
{
	char *text = malloc(SZ_REBAC_MODEL_MAX + 1);
	struct sz_rebac_model *m;

	memset(text, ' ', SZ_REBAC_MODEL_MAX + 1);
	EXPECT_EQ(sz_rebac_model_parse(text, SZ_REBAC_MODEL_MAX + 1, &m, &error), -EINVAL);
	EXPECT_CONTAINS(error.msg, "larger than");
	free(text);
}

TEST(spaces_comments_and_names_like_keywords_do_not_matter)
{
	struct sz_rebac_model *m =
		parse("# a model\r\nmodel\r\n  schema 1.1 # version\r\n\r\n type type\r\n"
		      "type model\r\n  relations\r\n# here\r\n    define from: [type,model:* ,\r\n"
		      "      model#from] # or not\r\n    define with:( from  or  relations )\r\n"
		      "    define relations:from\r\n    define a.b/c-d: [type]");
	struct sz_buf b = {0};

	if (!EXPECT_TRUE(m))
		printf("# %u:%u: %s\n", error.line, error.column, error.msg);
	ASSERT_TRUE(m);
	sz_rebac_model_print(m, &b);
	EXPECT_STREQ(b.data, "model\n  schema 1.1\n\ntype type\n\ntype model\n  relations\n"
			     "    define from: [type, model:*, model#from]\n"
			     "    define with: from or relations\n"
			     "    define relations: from\n    define a.b/c-d: [type]\n");
	sz_buf_done(&b);
	sz_rebac_model_free(m);
}

TEST(a_condition_is_the_same_in_both_forms)
{
	struct sz_rebac_model *m = parse(
		USER
		"type doc\n  relations\n    define a: [user with c, user:* with c]\n"
		"condition c(n: int, l: list<ipaddress>, m: map<any>) {\n  n < 3 && l.size() > 0"
		" && m.x == \"}\"\n}\n");
	struct sz_buf b = {0}, again = {0};
	json_t *json;
	char *text;

	ASSERT_TRUE(m);
	sz_rebac_model_print(m, &b);
	json = sz_rebac_model_json(m);
	text = json_dumps(json, JSON_COMPACT);
	EXPECT_CONTAINS(text, "{\"type\":\"user\",\"wildcard\":{},\"condition\":\"c\"}");
	EXPECT_CONTAINS(text, "\"l\":{\"type_name\":\"TYPE_NAME_LIST\",\"generic_types\":"
			      "[{\"type_name\":\"TYPE_NAME_IPADDRESS\"}]}");
	sz_rebac_model_free(m);
	m = parse(text);
	ASSERT_TRUE(m);
	sz_rebac_model_print(m, &again);
	EXPECT_STREQ(again.data, b.data);
	sz_rebac_model_free(m);
	json_decref(json);
	free(text);
	sz_buf_done(&b);
	sz_buf_done(&again);
}

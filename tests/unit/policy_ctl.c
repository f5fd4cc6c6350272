/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * policy test and policy check as they are called: what they print, the exit status, and that a
 * test which should fail does. The example of docs/policy.md is run as it stands there.
 */
#include "harness.h"

#include <sys/stat.h>

#include "ctl_run.h"

static const struct sz_ctl_option options[] = {
	{"filter", 0, "NAME", ""},
	{"format", 0, "FORMAT", ""},
	{NULL, 0, NULL, NULL},
};
static const struct sz_ctl_command commands[] = {
	{"policy", "test", false, "", 1, 16, "", options, sz_ctl_cmd_policy_test},
	{"policy", "check", false, "", 0, 1, "", NULL, sz_ctl_cmd_policy_check},
	{NULL, NULL, false, NULL, 0, 0, NULL, NULL, NULL},
};

#define RUN(...)                                                                                   \
	({                                                                                         \
		char *argv_[] = {"subzeroctl", "policy", __VA_ARGS__};                             \
		run(commands, (int)SZ_ARRAY_LEN(argv_), argv_);                                    \
	})
#define TEST_FILE(text, ...) RUN("test", file("t.test.yaml", text), "-c", conf(), ##__VA_ARGS__)

#define TOP                                                                                        \
	"issuers: [{issuer: i, jwks: none.json, audiences: a}]\ninterfaces: [eth0]\nrebac: {}\n"

static char *conf(void)
{
	file("staff.csv", "name,group\nann,ops\n");
	return file("subzero.yaml",
		    TOP "policy:\n  store: docs\n  tables: {staff: staff.csv}\n"
			"services:\n- name: shop\n  address: \"*:80\"\n  routes:\n"
			"  - {path: /free, public: true}\n"
			"  - {path: /read, methods: [GET], scopes: ['r']}\n"
			"  - path: /near\n"
			"    when: 'cidr(\"192.0.2.0/24\").containsIP(request.source)'\n"
			"  - path: /early\n"
			"    when: 'request.time < timestamp(\"2026-01-01T00:00:00Z\")'\n"
			"  - {path: /head, when: 'request.headers[\"x-a\"] == \"1, 2\"'}\n"
			"  - {path: /staff, when: 'attributes.staff[principal].group == \"ops\"'}\n"
			"  - {path: /home, when: 'request.location.country == \"NO\" && "
			"request.location.latitude > 60.0 && request.location.asn == 64500'}\n"
			"  - {path: /query, when: 'request.query == \"a=1\"'}\n"
			"  - {path: /key, when: 'token.key == \"k1\" && token.issuer == \"i\"'}\n"
			"  - {path: '/docs/{id}', relation: {object: 'doc:{id}', relation: "
			"viewer}}\n"
			"  - {path: /strong, step_up: {acr_values: [mfa]}}\n");
}

#define MODEL                                                                                      \
	"model: |\n  model\n    schema 1.1\n  type user\n  type doc\n    relations\n"             \
	"      define viewer: [user]\n"

/* Everything a case can say, each in a way that would fail if it were not looked at. */
#define GOOD                                                                                       \
	MODEL                                                                                      \
	"tests:\n"                                                                                 \
	"- {name: public, request: {path: /free}, expect: {verdict: allow, reason: public}}\n"    \
	"- {name: none, request: {path: /read}, expect: {verdict: deny, reason: no_token}}\n"     \
	"- {name: scope, token: {scope: r}, request: {path: /read}, expect: {verdict: allow, "    \
	"token: allow, reason: hit, clause: all}}\n"                                               \
	"- {name: no scope, token: {}, request: {path: /read}, expect: {verdict: deny, token: "   \
	"deny, reason: no_scope, clause: scope r, explanation: [needs scope r, must have]}}\n"     \
	"- {name: method, token: {scope: r}, request: {path: /read, method: PUT}, expect: "       \
	"{verdict: deny, reason: no_route, route: none}}\n"                                        \
	"- {name: near, token: {}, request: {path: /near, source: 192.0.2.7}, expect: allow}\n"   \
	"- {name: far, token: {}, request: {path: /near, source: 192.0.3.7}, expect: {verdict: "  \
	"deny, reason: condition, clause: 'when[0]'}}\n"                                           \
	"- {name: early, token: {}, request: {path: /early, time: '2025-12-31T23:59:59Z'}, "      \
	"expect: allow}\n"                                                                         \
	"- {name: zone, token: {}, request: {path: /early, time: '2026-01-01T00:30:00+01:00'}, "  \
	"expect: allow}\n"                                                                         \
	"- {name: late, token: {}, request: {path: /early, time: 1767225600}, expect: deny}\n"    \
	"- {name: head, token: {}, request: {path: /head, headers: {X-A: ['1', '2']}}, expect: "  \
	"{verdict: allow, token: ask}}\n"                                                          \
	"- {name: staff, token: {sub: ann}, request: {path: /staff}, expect: allow}\n"            \
	"- {name: table, token: {sub: bob}, tables: {staff: {bob: {group: ops}}}, request: "      \
	"{path: /staff}, expect: allow}\n"                                                         \
	"- {name: table gone, token: {sub: bob}, request: {path: /staff}, expect: {verdict: "     \
	"deny, reason: policy_error}}\n"                                                           \
	"- {name: home, token: {}, request: {path: /home, location: {country: \"NO\", " \
	"latitude: 61, asn: 64500}}, expect: {verdict: allow, token: ask}}\n" \
	"- {name: abroad, token: {}, request: {path: /home, location: {country: DE}}, expect: "   \
	"{verdict: deny, reason: condition, token: ask}}\n"                                       \
	"- {name: nowhere, token: {}, request: {path: /home, location: {}}, expect: {verdict: "   \
	"deny, reason: policy_error}}\n"                                                          \
	"- {name: query, token: {}, request: {path: /query, query: a=1}, expect: allow}\n"        \
	"- {name: path query, token: {}, request: {path: '/query?a=1'}, expect: allow}\n"         \
	"- {name: key, token: {iss: i}, token_header: {kid: k1}, request: {path: /key}, expect: " \
	"allow}\n"                                                                                 \
	"- {name: jwt, token: eyJraWQiOiJrMSJ9.eyJpc3MiOiJpIn0.x, request: {path: /key}, "        \
	"expect: {verdict: allow, route: '* /key'}}\n" \
	"- {name: viewer, token: {sub: ann}, tuples: [{user: 'user:ann', relation: viewer, "      \
	"object: 'doc:1'}], request: {path: /docs/1}, expect: allow}\n"                            \
	"- {name: tuple gone, token: {sub: ann}, request: {path: /docs/1}, expect: {verdict: "    \
	"deny, reason: relation}}\n"                                                               \
	"- {name: ask, token: {sub: ann}, request: {path: /docs/1}, expect: ask}\n"               \
	"- {name: strong, token: {acr: pwd}, request: {path: /strong}, expect: step_up}\n"        \
	"- {name: climbs, token: {}, request: {path: '/../../x'}, expect: {verdict: deny, "       \
	"reason: bad_request}}\n"

TEST(tests_that_hold_pass)
{
	EXPECT_EQ(TEST_FILE(GOOD), 0);
	EXPECT_CONTAINS(out, "t.test.yaml:9: public\n");
	EXPECT_CONTAINS(out, "26 passed, 0 failed\n");
	EXPECT_STREQ(err, "");
}

/* Each of the expectations above, turned round, must fail. */
TEST(each_expectation_that_does_not_hold_fails)
{
	static const struct {
		const char *test, *expected, *got;
	} list[] = {
		{"token: {scope: r}, request: {path: /read}, expect: deny", "verdict deny",
		 "verdict allow (hit)"},
		{"token: {}, request: {path: /read}, expect: allow", "verdict allow",
		 "verdict deny (no_scope)"},
		{"token: {}, request: {path: /read}, expect: step_up", "verdict step_up",
		 "verdict deny"},
		{"token: {}, request: {path: /strong}, expect: deny", "verdict deny",
		 "verdict step_up (step_up)"},
		{"token: {}, request: {path: /read}, expect: ask", "verdict ask", "verdict deny"},
		{"token: {}, request: {path: /head}, expect: {token: allow}", "token allow",
		 "token ask"},
		{"token: {}, request: {path: /read}, expect: {reason: condition}",
		 "reason condition", "reason no_scope"},
		{"token: {}, request: {path: /read}, expect: {route: '* /near'}", "route * /near",
		 "route GET /read"},
		{"token: {}, request: {path: /read}, expect: {clause: 'when[0]'}",
		 "clause when[0]", "clause scope r"},
		{"token: {}, request: {path: /read}, expect: {explanation: moon}",
		 "an explanation with \"moon\"", "another explanation"},
		{"token: {}, request: {path: /docs/1}, expect: allow", "verdict allow",
		 "(policy_error)"},
	};
	char text[512];
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(list); i++) {
		snprintf(text, sizeof(text), "tests:\n- {name: x, %s}\n", list[i].test);
		EXPECT_EQ(TEST_FILE(text), SZ_CTL_FAILED);
		EXPECT_CONTAINS(out, "FAIL  ");
		EXPECT_CONTAINS(out, list[i].expected);
		EXPECT_CONTAINS(out, list[i].got);
		EXPECT_CONTAINS(out, "0 passed, 1 failed");
	}
	EXPECT_CONTAINS(out, "why       route");
}

TEST(files_with_a_mistake_are_named_with_their_line)
{
	static const struct {
		const char *text, *says;
	} list[] = {
		{"- 1\n", "t.test.yaml:1: the file is no mapping"},
		{"tests: []\n", "t.test.yaml:1: the file tests nothing"},
		{"tests:\n- name: x\n  foo: 1\n", "t.test.yaml:3: a test has an unknown key 'foo'"},
		{"tests: [\n", "t.test.yaml:2: this is not YAML"},
		{"tests:\n- request: {path: /}\n  expect: deny\n", ":2: a test needs a name"},
		{"tests:\n- name: x\n  request: {path: /}\n", ":2: a test needs expect"},
		{"tests:\n- name: x\n  expect: deny\n", ":2: a test needs a request"},
		{"tests:\n- name: x\n  request: {}\n  expect: deny\n",
		 ":3: request needs a path"},
		{"tests:\n- name: x\n  request: {path: /}\n  expect:\n    verdict: maybe\n",
		 ":5: 'maybe' is no verdict"},
		{"tests:\n- name: x\n  request: {path: /}\n  expect:\n    reason: mood\n",
		 ":5: 'mood' is no reason"},
		{"tests:\n- name: x\n  request: {path: /}\n  expect: {route: /moon}\n",
		 ":4: service \"shop\" has no route \"/moon\""},
		{"tests:\n- name: x\n  request: {path: /}\n  expect: {token: maybe}\n",
		 ":4: 'maybe' is nothing a token alone leads to"},
		{"tests:\n- name: x\n  request: {path: /}\n  expect: {explanation: []}\n",
		 ":4: explanation is a text"},
		{"tests:\n- name: x\n  service: none\n  request: {path: /}\n  expect: deny\n",
		 ":3: "},
		{"tests:\n- name: x\n  token: a.b\n  request: {path: /}\n  expect: deny\n",
		 ":3: token is no JWT"},
		{"tests:\n- name: x\n  token: a.b.c\n  request: {path: /}\n  expect: deny\n",
		 ":3: header or payload"},
		{"tests:\n- name: x\n  request:\n    path: /\n    time: 2026-02-30T00:00:00Z\n"
		 "  expect: deny\n",
		 ":5: time is like"},
		{"tests:\n- name: x\n  request: {path: /, source: moon}\n  expect: deny\n",
		 ":3: source 'moon' is no address"},
		{"tests:\n- name: x\n  request: {path: /, headers: {X-A: \"1\\r\\nX-B: 2\"}}\n"
		 "  expect: deny\n",
		 ":3: header 'X-A'"},
		{"tests:\n- name: x\n  request: {path: /, headers: {Authorization: x}}\n"
		 "  expect: deny\n",
		 ":3: the token goes to \"token\""},
		{"tests:\n- name: x\n  request: {path: /, location: {planet: moon}}\n"
		 "  expect: deny\n",
		 ":3: location has an unknown key 'planet'"},
		{"tests:\n- name: x\n  request: {path: /, location: {country: 7}}\n"
		 "  expect: deny\n",
		 ":3: country is a text"},
		{"tests:\n- name: x\n  request: {path: /, location: {asn: a}}\n"
		 "  expect: deny\n",
		 ":3: asn is a whole number"},
		{"tests:\n- name: x\n  request: {path: /, location: {latitude: a}}\n"
		 "  expect: deny\n",
		 ":3: latitude is a number"},
		{"tests:\n- name: x\n  tuples: []\n  request: {path: /}\n  expect: deny\n",
		 ":3: tuples need a model"},
		{"tests:\n- name: x\n  tables: {pets: {}}\n  request: {path: /}\n  expect: deny\n",
		 "has no table \"pets\""},
		{"model: x\ntests:\n- {name: x, request: {path: /}, expect: deny}\n",
		 "t.test.yaml: model:1:1: "},
		{MODEL "tests:\n- name: x\n  tuples: [{user: 'cat:a', relation: viewer, object: "
		       "'doc:1'}]\n  request: {path: /}\n  expect: deny\n",
		 "t.test.yaml:10: tuple 1: "},
	};
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(list); i++) {
		EXPECT_EQ(TEST_FILE(list[i].text), SZ_CTL_USAGE);
		EXPECT_CONTAINS(err, list[i].says);
	}
}

#define TWO                                                                                        \
	"tests:\n- {name: 'first <&\"> #1', request: {path: /free}, expect: allow}\n"             \
	"- {name: second, request: {path: /free}, expect: deny}\n"

TEST(formats_for_programs_are_well_formed)
{
	json_t *v;

	EXPECT_EQ(TEST_FILE(TWO, "--format", "tap"), SZ_CTL_FAILED);
	EXPECT_CONTAINS(out, "TAP version 14\n1..2\nok 1 - ");
	EXPECT_CONTAINS(out, "first <&\"> \\#1\nnot ok 2 - ");
	EXPECT_CONTAINS(out, "# expected  verdict deny\n# got       verdict allow (public)\n");
	EXPECT_EQ(TEST_FILE(TWO, "--format", "junit"), SZ_CTL_FAILED);
	EXPECT_CONTAINS(out, "tests=\"2\" failures=\"1\"");
	EXPECT_CONTAINS(out, "name=\"first &lt;&amp;&quot;&gt; #1\" line=\"2\"/>");
	EXPECT_CONTAINS(out, "<failure message=\"expected verdict deny; got verdict allow");
	EXPECT_EQ(TEST_FILE(TWO, "--json"), SZ_CTL_FAILED);
	v = json_loads(out, 0, NULL);
	EXPECT_EQ(json_integer_value(json_object_get(v, "passed")), 1);
	EXPECT_EQ(json_integer_value(json_object_get(v, "failed")), 1);
	EXPECT_EQ(json_array_size(json_object_get(v, "tests")), 2);
	json_decref(v);
	EXPECT_EQ(TEST_FILE(TWO, "--format", "pdf"), SZ_CTL_USAGE);
	EXPECT_CONTAINS(err, "text, tap, junit or json");
}

TEST(a_filter_chooses_and_must_find_something)
{
	EXPECT_EQ(TEST_FILE(TWO, "--filter", "first"), 0);
	EXPECT_CONTAINS(out, "1 passed, 0 failed, 1 left out\n");
	EXPECT_EQ(TEST_FILE(TWO, "--filter", "sec*d"), SZ_CTL_FAILED);
	EXPECT_EQ(TEST_FILE(TWO, "--filter", "third"), SZ_CTL_USAGE);
	EXPECT_CONTAINS(err, "no test is called 'third'");
}

/* All files below, but no others; one that is bad does not keep the rest from running. */
TEST(a_directory_stands_for_the_tests_in_it)
{
	char all[128], *c = conf();

	file("d/a.test.yaml", "tests:\n- {name: x, request: {path: /free}, expect: allow}\n");
	file("d/e/b.test.yml", "tests:\n- {name: y, request: {path: /free}, expect: allow}\n");
	file("d/c.yaml", "not a test\n");
	snprintf(all, sizeof(all), "%s/d", file_dir);
	EXPECT_EQ(RUN("test", all, "-c", c), 0);
	EXPECT_CONTAINS(out, "2 passed, 0 failed\n");
	file("d/a.test.yaml", "tests: 1\n");
	EXPECT_EQ(RUN("test", all, "-c", c), SZ_CTL_USAGE);
	EXPECT_CONTAINS(out, "1 passed, 0 failed\n");
	file("f/c.yaml", "not a test\n");
	snprintf(all, sizeof(all), "%s/f", file_dir);
	EXPECT_EQ(RUN("test", all, "-c", c), SZ_CTL_USAGE);
	EXPECT_CONTAINS(err, "has no *.test.yaml file");
	EXPECT_EQ(RUN("test", "/nowhere", "-c", c), SZ_CTL_USAGE);
	EXPECT_EQ(RUN("test", all, "-c", "/nowhere"), SZ_CTL_USAGE);
}

TEST(check_compiles_and_says_who_decides)
{
	EXPECT_EQ(RUN("check", conf()), 0);
	EXPECT_CONTAINS(out, "ASKS FOR");
	EXPECT_EQ(RUN("check", "-c", conf(), "--json"), 0);
	EXPECT_CONTAINS(out, "\"decided_by\": \"each request\"");
	EXPECT_CONTAINS(out, "\"bounded_by\": \"relationships\"");
	EXPECT_CONTAINS(out, "\"asks_for\": \"step-up\"");
	EXPECT_EQ(RUN("check", file("bad.yaml", TOP "services:\n- name: shop\n  address: \"*:80\"\n"
						    "  routes:\n  - path: /a\n"
						    "    when: 'claims.x =='\n")),
		  SZ_CTL_FAILED);
	EXPECT_CONTAINS(err, "bad.yaml:9:");
	EXPECT_EQ(RUN("check", "/nowhere"), SZ_CTL_FAILED);
}

/* The block of YAML that begins with this text, without the line that has `not` in it. */
static void block(const char *doc, const char *begin, const char *not, struct sz_buf *ret)
{
	struct sz_buf mark = {0};
	const char *p, *end, *eol;

	sz_buf_printf(&mark, "```yaml\n%s", begin);
	p = strstr(doc, mark.data);
	sz_buf_done(&mark);
	ASSERT_TRUE(p);
	p += 8;
	end = strstr(p, "```\n");
	ASSERT_TRUE(end);
	for (; p < end; p = eol + 1) {
		eol = strchr(p, '\n');
		if (!not || !memmem(p, (size_t)(eol - p), not, strlen(not)))
			sz_buf_add(ret, p, (size_t)(eol - p) + 1);
	}
}

TEST(the_example_of_the_documentation_works)
{
	struct sz_buf doc = {0}, config = {0}, test = {0};
	char path[128], *c;
	struct sz_error e;

	ASSERT_EQ(sz_file_read("docs/policy.md", 1 << 20, &doc, &e), 0);
	sz_buf_printf(&config, TOP);
	block(doc.data, "policy:", "mmdb", &config); /* there is no such file here */
	block(doc.data, "service: shop\ntime", NULL, &test);
	file("doc/staff.csv", "name,group\nann,ops\n");
	file("doc/policies/more.yaml", "service: shop\nroutes:\n- {path: /more, scopes: [m]}\n");
	c = file("doc/subzero.yaml", config.data);
	file("doc/policies/shop.test.yaml", test.data);
	snprintf(path, sizeof(path), "%s/doc/policies", file_dir);
	EXPECT_EQ(RUN("test", path, "-c", c), 0);
	EXPECT_STREQ(err, "");
	EXPECT_CONTAINS(out, "5 passed, 0 failed\n");
	sz_buf_done(&doc);
	sz_buf_done(&config);
	sz_buf_done(&test);
}

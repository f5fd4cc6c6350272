/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What routes ask for beyond scopes and claims: conditions, relationships, step-up, risk, variables
 * of paths; and that what is wrong in the file is named with its place.
 */
#include "harness.h"
#include "policy/policy.h"

#define NOW_S 1782000000ll

static struct sz_conf *conf;
static struct sz_policy *policy;
static struct sz_error e;

static bool load(const char *routes)
{
	struct sz_buf b = {0};

	sz_policy_free(policy);
	sz_conf_free(conf);
	policy = NULL;
	e.msg[0] = '\0';
	sz_buf_printf(&b,
		      "issuers: [{issuer: i, jwks: k, audiences: a}]\ninterfaces: [eth0]\n"
		      "rebac: {}\n"
		      "policy: {store: s, risk: [{name: a, when: 'claims.a', weight: 3}]}\n"
		      "services:\n- name: svc\n  address: \"*:80\"\n  routes:\n%s",
		      routes);
	conf = sz_conf_parse(b.data, b.len, "t.yaml", &e);
	sz_buf_done(&b);
	return conf && !sz_policy_new(conf, &policy, &e);
}

static int related(void *arg, const struct sz_policy_question *q, bool *ret, struct sz_error *why)
{
	(void)why;
	*ret = !strcmp(q->object, arg) && !strcmp(q->user, "user:ann");
	return 0;
}

static enum sz_reason decide(const char *path, const char *claims, struct sz_policy_ruling *r)
{
	json_t *j = json_loads(claims, 0, NULL);
	struct sz_policy_subject who = {.claims = j, .subject = "ann"};
	struct sz_policy_moment at = {.now_ns = NOW_S * 1000000000};
	struct sz_policy_request req = {
		.method = SZ_M_GET, .path = path, .path_len = strlen(path)};
	struct sz_policy_ruling ruling;

	sz_policy_decide(policy, &conf->services[0], &who, &req, &at, &ruling);
	if (r)
		*r = ruling;
	json_decref(j);
	return ruling.reason;
}

TEST(condition_decides_and_says_why)
{
	struct sz_policy_ruling r;

	ASSERT_TRUE(load("  - {path: /a, when: ['claims.x == 1', 'request.path == \"/a\"']}\n"));
	EXPECT_EQ(decide("/a", "{\"x\":1}", &r), SZ_R_TICKET);
	EXPECT_TRUE(r.lasting && !r.relation);
	EXPECT_EQ(decide("/a", "{\"x\":2}", &r), SZ_R_CONDITION);
	EXPECT_TRUE(strstr(r.why.msg, "the condition on line 9 is false: claims.x == 1"));
	EXPECT_TRUE(strstr(r.otherwise.msg, "must be true"));
	EXPECT_EQ(decide("/a/b", "{\"x\":1}", NULL), SZ_R_CONDITION);
	EXPECT_EQ(decide("/a", "{}", NULL), SZ_R_POLICY_ERROR);
	EXPECT_EQ(decide("/a", "{\"x\":1,\"cnf\":{\"jkt\":\"k\"}}", &r), SZ_R_TICKET);
	EXPECT_TRUE(!r.lasting); /* bound to a key: asked about each time */
}

TEST(relationship_decides_and_takes_names_only)
{
	struct sz_policy_ruling r;

	ASSERT_TRUE(load("  - {path: '/d/{id}', relation: {object: 'doc:{id}', relation: v}}\n"));
	EXPECT_EQ(decide("/d/1", "{}", NULL), SZ_R_POLICY_ERROR); /* nobody to ask */
	sz_policy_relations(policy, related, (void *)"doc:1");
	EXPECT_EQ(decide("/d/1", "{}", &r), SZ_R_TICKET);
	EXPECT_TRUE(r.lasting && r.relation);
	EXPECT_EQ(decide("/d/2", "{}", NULL), SZ_R_RELATION);
	sz_policy_relations(policy, related, (void *)"doc:*");
	EXPECT_EQ(decide("/d/*", "{}", NULL), SZ_R_POLICY_ERROR);
	EXPECT_EQ(decide("/d/a:b", "{}", NULL), SZ_R_POLICY_ERROR);
	EXPECT_EQ(decide("/d/a#b", "{}", NULL), SZ_R_POLICY_ERROR);
}

TEST(sign_in_must_be_strong_and_recent)
{
	struct sz_policy_ruling r;

	ASSERT_TRUE(load("  - {path: /a, step_up: {acr_values: [hi], max_age: 60s}}\n"));
	EXPECT_EQ(decide("/a", "{\"acr\":\"hi\",\"auth_time\":1781999941}", &r), SZ_R_TICKET);
	EXPECT_EQ(r.until_ns, (1781999941ll + 60) * 1000000000);
	EXPECT_EQ(decide("/a", "{\"acr\":\"hi\",\"auth_time\":1781999940}", &r), SZ_R_STEP_UP);
	EXPECT_EQ(r.challenge, 1);
	EXPECT_STREQ(sz_policy_challenge(policy, 1), ", acr_values=\"hi\", max_age=60");
	EXPECT_EQ(decide("/a", "{\"acr\":\"lo\",\"auth_time\":1781999999}", NULL), SZ_R_STEP_UP);
	EXPECT_EQ(decide("/a", "{\"acr\":\"hi\"}", NULL), SZ_R_STEP_UP);
}

TEST(risk_counts_signals_and_errors)
{
	ASSERT_TRUE(load("  - {path: /a, risk: {deny: 3}}\n"));
	EXPECT_EQ(decide("/a", "{\"a\":false}", NULL), SZ_R_TICKET);
	EXPECT_EQ(decide("/a", "{\"a\":true}", NULL), SZ_R_RISK);
	EXPECT_EQ(decide("/a", "{}", NULL), SZ_R_RISK); /* it cannot be evaluated */
}

TEST(most_specific_route_decides)
{
	static const struct {
		const char *path;
		u16 route;
	} t[] = {{"/a", 0}, {"/a/", 0}, {"/a/1", 1}, {"/a/1/z", 1}, {"/a/1/b", 2}, {"/a/x", 3},
		 {"/a/x/b", 3}};
	struct sz_policy_request req = {.method = SZ_M_GET};

	ASSERT_TRUE(load("  - {path: /a}\n  - {path: '/a/{v}'}\n  - {path: '/a/{v}/b'}\n"
			 "  - {path: /a/x}\n"));
	for (size_t i = 0; i < SZ_ARRAY_LEN(t); i++) {
		req.path = t[i].path;
		req.path_len = strlen(t[i].path);
		EXPECT_EQ(sz_policy_route(&conf->services[0], &req), t[i].route);
	}
}

static void expect_error(const char *routes, const char *text)
{
	EXPECT_TRUE(!load(routes));
	if (!EXPECT_TRUE(strstr(e.msg, text)))
		printf("# %s\n", e.msg);
}

TEST(what_is_wrong_is_named_with_its_place)
{
	expect_error("  - {path: /a, when: 'claims.x = 1'}\n", "t.yaml:9:");
	expect_error("  - path: /a\n    when: 'nothing == 1'\n", "t.yaml:10:12: when: ");
	expect_error("  - path: /a\n    when: |\n      true &&\n        nope\n",
		     "t.yaml:12:9: when: ");
	expect_error("  - {path: /a, when: '1 + 1'}\n", "gives int and must give bool");
	expect_error("  - {path: '/a{b}'}\n", "is no variable");
	expect_error("  - {path: '/{b}/{b}'}\n", "twice");
	expect_error("  - {path: '/a/{b}'}\n  - {path: '/a/{c}'}\n", "both cover");
	expect_error("  - {path: /a, public: true, when: 'true'}\n", "is public");
	expect_error("  - {path: /a, risk: {step_up: 1}}\n", "needs \"step_up\"");
	expect_error("  - {path: /a, risk: {deny: 4}}\n", "never reached");
	expect_error("  - {path: /a, relation: {object: 'd:{x}', relation: v}}\n", "t.yaml:9:");
	sz_policy_free(policy);
	sz_conf_free(conf);
	policy = NULL;
	conf = NULL;
}

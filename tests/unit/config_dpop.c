/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the configuration says about tokens that are bound to a key: defaults, values, mistakes.
 */
#include "config/config_priv.h"
#include "harness.h"
#include "jose/jose.h"

static struct sz_error error;

static struct sz_conf *parse(const char *text)
{
	error.msg[0] = 0;
	return sz_conf_parse(text, strlen(text), "t.yaml", &error);
}

#define ISS "issuers: [{issuer: i, jwks: k, audiences: a"
#define SVC "services: [{name: s, address: \"*:80\", routes: [{path: /"

TEST(defaults_take_bound_tokens_beside_others)
{
	struct sz_conf *c = parse("interfaces: [e]\n" ISS "}]\n" SVC "}]}]\n");

	ASSERT_TRUE(c != NULL);
	EXPECT_EQ(c->dpop.algs,
		  SZ_ALG_ASYMMETRIC & ~(SZ_ALG_BIT(SZ_ALG_RS256) | SZ_ALG_BIT(SZ_ALG_RS384) |
					SZ_ALG_BIT(SZ_ALG_RS512)));
	EXPECT_EQ(c->dpop.max_age_s, 60);
	EXPECT_EQ(c->dpop.skew_s, 5);
	EXPECT_TRUE(!c->dpop.require_nonce);
	EXPECT_EQ(c->dpop.nonce_lifetime_s, 300);
	EXPECT_EQ(c->dpop.replay_entries, 1048576);
	EXPECT_EQ(c->issuers[0].dpop, SZ_DPOP_ALLOWED);
	EXPECT_EQ(c->services[0].n_origins, 0);
	EXPECT_EQ(c->services[0].routes[0].dpop, SZ_DPOP_ALLOWED);
	sz_conf_free(c);
}

TEST(values_are_read_as_written)
{
	struct sz_conf *c =
		parse("interfaces: [e]\n"
		      "dpop: {algorithms: [ES256, RS256], max_age: 2m, clock_skew: 0, "
		      "nonce: required, nonce_lifetime: 10s, replay_entries: 2048}\n" ISS
		      ", dpop: required}]\n"
		      "services:\n- name: s\n  address: \"*:80\"\n"
		      "  origins: [https://a.example, \"http://[2001:db8::1]:8080\"]\n"
		      "  routes: [{path: /, dpop: required}]\n");

	if (!EXPECT_TRUE(c != NULL))
		printf("# %s\n", error.msg);
	ASSERT_TRUE(c != NULL);
	EXPECT_EQ(c->dpop.algs, SZ_ALG_BIT(SZ_ALG_ES256) | SZ_ALG_BIT(SZ_ALG_RS256));
	EXPECT_EQ(c->dpop.max_age_s, 120);
	EXPECT_EQ(c->dpop.skew_s, 0);
	EXPECT_TRUE(c->dpop.require_nonce);
	EXPECT_EQ(c->dpop.nonce_lifetime_s, 10);
	EXPECT_EQ(c->dpop.replay_entries, 2048);
	EXPECT_EQ(c->issuers[0].dpop, SZ_DPOP_REQUIRED);
	ASSERT_EQ(c->services[0].n_origins, 2);
	EXPECT_STREQ(c->services[0].origins[1], "http://[2001:db8::1]:8080");
	EXPECT_EQ(c->services[0].routes[0].dpop, SZ_DPOP_REQUIRED);
	sz_conf_free(c);
}

TEST(mistakes_are_named)
{
	static const char *const origins[] = {
		"api.example.com",
		"https://api.example.com/",
		"https://API.example.com",
		"https://a.example:443",
		"http://a.example:80",
		"https://a.example:",
		"https://a.example:0",
		"https://a.example:65536",
		"https://",
		"https://u@a.example",
		"https://[::1",
		"ftp://a.example",
		"https://a.example:080",
		"https://a.example?x",
		"http://[]",
	};
	static const char *const rest[][2] = {
		{"dpop: {nonce: yes}\n" ISS "}]\n" SVC "}]}]\n", "nonce \"yes\" is not known"},
		{"dpop: {algorithms: HS256}\n" ISS "}]\n" SVC "}]}]\n", "needs a secret"},
		{"dpop: {max_age: 1h}\n" ISS "}]\n" SVC "}]}]\n", "max_age"},
		{"dpop: {replay_entries: 10}\n" ISS "}]\n" SVC "}]}]\n", "replay_entries"},
		{ISS ", dpop: maybe}]\n" SVC "}]}]\n", "dpop \"maybe\" is not known"},
		{ISS "}]\n" SVC ", dpop: off}]}]\n", "cannot refuse DPoP"},
		{ISS "}]\n" SVC ", public: true, dpop: required}]}]\n", "public and asks for DPoP"},
	};
	char text[512];

	for (size_t i = 0; i < SZ_ARRAY_LEN(origins); i++) {
		snprintf(text, sizeof(text),
			 "interfaces: [e]\nservices:\n- name: s\n  address: \"*:80\"\n"
			 "  origins: \"%s\"\n  routes: [{path: /, public: true}]\n",
			 origins[i]);
		if (!EXPECT_TRUE(!parse(text)) || !EXPECT_CONTAINS(error.msg, "t.yaml:5: origin"))
			printf("# %s: %s\n", origins[i], error.msg);
	}
	for (size_t i = 0; i < SZ_ARRAY_LEN(rest); i++) {
		snprintf(text, sizeof(text), "interfaces: [e]\n%s", rest[i][0]);
		EXPECT_TRUE(!parse(text));
		EXPECT_CONTAINS(error.msg, rest[i][1]);
	}
}

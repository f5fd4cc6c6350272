/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Issuers that are asked over the network: every key is read, and what does not go together is
 * refused with its line.
 */
#include "config/config.h"
#include "harness.h"

static struct sz_error error;

#define HEAD "interfaces: [eth0]\nissuers:\n- issuer: https://id.test/t\n  audiences: [a]\n"
#define TAIL "services:\n- name: s\n  address: 10.0.0.5:80\n  routes: [{path: /}]\n"

static struct sz_conf *parse(const char *issuer, const char *service)
{
	struct sz_buf text = {0};
	struct sz_conf *c;

	error.msg[0] = 0;
	sz_buf_printf(&text, "%s%s%s%s", HEAD, issuer, TAIL, service);
	c = sz_conf_parse(text.data, text.len, "/etc/sz/t.yaml", &error);
	sz_buf_done(&text);
	return c;
}

TEST(every_key_of_a_provider_is_read)
{
	struct sz_conf *c = parse("  discovery: true\n"
				  "  provider: {ca_file: ca.pem, loopback_http: true, timeout: 2s, "
				  "refresh_min: 2m, refresh_max: 3m, max_stale: 2h, "
				  "refetch: 700ms, "
				  "max_waiting: 9}\n"
				  "  introspection:\n"
				  "    endpoint: https://id.test/introspect\n"
				  "    client_id: gw\n"
				  "    auth: private_key_jwt\n"
				  "    client_key_file: /k.jwk\n"
				  "    max_ttl: 5m\n"
				  "    min_ttl: 20s\n"
				  "    inactive_ttl: 3s\n"
				  "    timeout: 1s\n"
				  "    max_waiting: 7\n"
				  "    failures: 2\n"
				  "    pause: 4s\n"
				  "    require_audience: false\n", "");
	const struct sz_conf_provider *p;
	const struct sz_conf_introspection *in;

	if (!EXPECT_TRUE(c)) {
		printf("# %s\n", error.msg);
		return;
	}
	p = &c->issuers[0].provider;
	in = &c->issuers[0].introspection;
	EXPECT_EQ(c->issuers[0].discovery, SZ_DISCOVERY_OIDC);
	EXPECT_TRUE(sz_conf_keys_remote(&c->issuers[0]) && !sz_conf_keys_none(&c->issuers[0]));
	EXPECT_STREQ(p->ca_file, "/etc/sz/ca.pem");
	EXPECT_TRUE(p->loopback_http);
	EXPECT_EQ(p->timeout_ms, 2000);
	EXPECT_EQ(p->refresh_min_s, 120);
	EXPECT_EQ(p->refresh_max_s, 180);
	EXPECT_EQ(p->max_stale_s, 7200);
	EXPECT_EQ(p->refetch_ms, 700);
	EXPECT_EQ(p->max_waiting, 9);
	EXPECT_TRUE(in->on);
	EXPECT_STREQ(in->endpoint, "https://id.test/introspect");
	EXPECT_STREQ(in->client_id, "gw");
	EXPECT_EQ(in->auth, SZ_CLIENT_PRIVATE_KEY_JWT);
	EXPECT_STREQ(in->key_file, "/k.jwk");
	EXPECT_EQ(in->max_ttl_s, 300);
	EXPECT_EQ(in->min_ttl_s, 20);
	EXPECT_EQ(in->inactive_ttl_s, 3);
	EXPECT_EQ(in->timeout_ms, 1000);
	EXPECT_EQ(in->max_waiting, 7);
	EXPECT_EQ(in->failures, 2);
	EXPECT_EQ(in->pause_ms, 4000);
	EXPECT_TRUE(!in->require_audience);
	EXPECT_TRUE(c->services[0].opaque == &c->issuers[0]);
	sz_conf_free(c);
}

TEST(what_is_not_said_has_safe_defaults)
{
	struct sz_conf *c = parse("  jwks_uri: https://id.test/keys?x=1\n", "");
	const struct sz_conf_provider *p;

	if (!EXPECT_TRUE(c)) {
		printf("# %s\n", error.msg);
		return;
	}
	p = &c->issuers[0].provider;
	EXPECT_TRUE(sz_conf_keys_remote(&c->issuers[0]));
	EXPECT_TRUE(!p->ca_file && !p->loopback_http);
	EXPECT_EQ(p->timeout_ms, 5000);
	EXPECT_EQ(p->refresh_min_s, 60);
	EXPECT_EQ(p->refresh_max_s, 3600);
	EXPECT_EQ(p->max_stale_s, 86400);
	EXPECT_EQ(p->refetch_ms, 5000);
	EXPECT_EQ(p->max_waiting, 1024);
	EXPECT_TRUE(!c->issuers[0].introspection.on);
	EXPECT_TRUE(!c->services[0].opaque);
	sz_conf_free(c);
	c = parse("  introspection: {endpoint: https://id.test/i, client_id: x, "
		  "client_secret_file: s}\n", "");
	ASSERT_TRUE(c);
	EXPECT_TRUE(sz_conf_keys_none(&c->issuers[0]));
	EXPECT_TRUE(c->issuers[0].introspection.require_audience);
	EXPECT_STREQ(c->issuers[0].introspection.secret_file, "/etc/sz/s");
	EXPECT_EQ(c->issuers[0].introspection.max_ttl_s, 60);
	EXPECT_EQ(c->issuers[0].introspection.min_ttl_s, 10);
	sz_conf_free(c);
	c = parse("  introspection: {endpoint: https://id.test/i, client_id: x, "
		  "client_secret_file: s, max_ttl: 4s}\n", "");
	ASSERT_TRUE(c);
	EXPECT_EQ(c->issuers[0].introspection.min_ttl_s, 4);
	sz_conf_free(c);
	EXPECT_TRUE(!parse("  introspection: {endpoint: https://id.test/i, client_id: x, "
			   "client_secret_file: s, max_ttl: 4s, min_ttl: 5s}\n", ""));
	EXPECT_CONTAINS(error.msg, "min_ttl is longer than max_ttl");
}

#define IN "client_id: x, client_secret_file: s"

TEST(what_does_not_go_together_is_refused)
{
	static const struct {
		const char *issuer;
		unsigned line;
		const char *says;
	} m[] = {
		{"", 3, "no \"jwks\""},
		{"  jwks: k\n  jwks_uri: https://id.test/k\n", 3, "more than one of jwks"},
		{"  jwks: k\n  discovery: true\n", 3, "more than one of jwks"},
		{"  jwks_uri: http://id.test/k\n", 3, "is not https"},
		{"  jwks_uri: http://127.0.0.1/k\n", 3, "is not https"},
		{"  provider: {loopback_http: true}\n  jwks_uri: http://10.0.0.1/k\n", 3,
		 "is not https"},
		{"  jwks_uri: ftp://id.test/k\n", 5, "is not a URL"},
		{"  jwks_uri: https://a:b@id.test/k\n", 5, "is not a URL"},
		{"  discovery: maybe\n", 5, "is not known"},
		{"  jwks: k\n  provider: {timeout: 1ms}\n", 6, "out of range"},
		{"  jwks: k\n  provider: {timout: 1s}\n", 6, "did you mean \"timeout\""},
		{"  jwks: k\n  provider: {refresh_min: 2h}\n", 6, "longer than refresh_max"},
		{"  jwks: k\n  provider: {max_stale: 10m}\n", 6, "max_stale is shorter"},
		{"  jwks: k\n  introspection: {" IN "}\n", 3, "no \"endpoint\""},
		{"  jwks: k\n  introspection: {client_secret_file: s}\n", 6, "no \"client_id\""},
		{"  discovery: oauth\n  introspection: {client_id: x}\n", 6, "do not go with"},
		{"  discovery: oidc\n  introspection: {" IN ", auth: private_key_jwt}\n", 6,
		 "do not go with"},
		{"  discovery: oidc\n  introspection: {" IN ", client_key_file: k}\n", 6,
		 "do not go with"},
		{"  discovery: oidc\n  introspection: {" IN ", auth: none}\n", 6, "is not known"},
		{"  jwks: k\n  introspection: {" IN ", endpoint: http://id.test/}\n", 3,
		 "is not https"},
	};
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(m); i++) {
		struct sz_conf *c = parse(m[i].issuer, "");
		char where[32];

		snprintf(where, sizeof(where), "/etc/sz/t.yaml:%u: ", m[i].line);
		if (!EXPECT_TRUE(!c) || !EXPECT_TRUE(!strncmp(error.msg, where, strlen(where))) ||
		    !EXPECT_CONTAINS(error.msg, m[i].says))
			printf("# case %zu: %s\n", i, error.msg);
		sz_conf_free(c);
	}
}

TEST(an_issuer_that_is_no_url_cannot_be_discovered)
{
	static const char *const bad[] = {"here", "http://id.test/", "https://id.test/?t=1"};
	char text[512];
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(bad); i++) {
		snprintf(text, sizeof(text), "interfaces: [eth0]\nissuers:\n- issuer: %s\n"
			 "  discovery: true\n  audiences: [a]\n" TAIL, bad[i]);
		EXPECT_TRUE(!sz_conf_parse(text, strlen(text), "t", &error));
		EXPECT_TRUE(strstr(error.msg, "t:3: ") == error.msg);
	}
}

#define TWO                                                                                        \
	"  jwks: k\n  introspection: {" IN ", endpoint: https://id.test/i}\n"                      \
	"- {issuer: other, audiences: [a], introspection: {" IN ", endpoint: https://o.test/i}}\n"

TEST(a_service_says_whom_its_opaque_tokens_may_be_shown_to)
{
	struct sz_conf *c = parse(TWO, "  introspection: other\n");

	ASSERT_TRUE(c);
	EXPECT_TRUE(c->services[0].opaque == &c->issuers[1]);
	sz_conf_free(c);
	c = parse(TWO, "  introspection: none\n");
	ASSERT_TRUE(c);
	EXPECT_TRUE(!c->services[0].opaque);
	sz_conf_free(c);
	EXPECT_TRUE(!parse(TWO, ""));
	EXPECT_CONTAINS(error.msg, "several issuers");
	EXPECT_TRUE(!parse(TWO, "  introspection: third\n"));
	EXPECT_CONTAINS(error.msg, "no issuer that has introspection");
	EXPECT_TRUE(!parse("  jwks: k\n", "  introspection: https://id.test/t\n"));
	EXPECT_CONTAINS(error.msg, "no issuer that has introspection");
}

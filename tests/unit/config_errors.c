/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Mistakes in the configuration file: for each the line and the words of the message.
 */
#include "config/config_priv.h"
#include "harness.h"

static struct sz_error error;

static struct sz_conf *parse(const char *text)
{
	error.msg[0] = 0;
	return sz_conf_parse(text, strlen(text), "t.yaml", &error);
}

struct mistake {
	const char *text;
	unsigned line;
	const char *says;
};

/* Each text must be refused with its line and words. */
static void expect_mistakes(const struct mistake *m, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct sz_conf *c = parse(m[i].text);
		char where[32];

		snprintf(where, sizeof(where), "t.yaml:%u: ", m[i].line);
		if (!EXPECT_TRUE(!c) || !EXPECT_TRUE(!strncmp(error.msg, where, strlen(where))) ||
		    !EXPECT_CONTAINS(error.msg, m[i].says))
			printf("# case %zu, expected %s%s, found %s\n%s\n", i, where, m[i].says,
			       error.msg, m[i].text);
		/* "what is wrong; what to do" */
		EXPECT_TRUE(strchr(error.msg + strlen(where), ';') != NULL);
		sz_conf_free(c);
	}
}
#define EXPECT_MISTAKES(m) expect_mistakes(m, SZ_ARRAY_LEN(m))

#define IFS   "interfaces: [eth0]\n"                               /* line 1 */
#define ISS   "issuers:\n- {issuer: i, jwks: k, audiences: [a]}\n" /* lines 2, 3 */
#define SVC   "services:\n- name: s\n  address: 10.0.0.5:80\n"     /* lines 4 to 6 */
#define RTS   "  routes:\n"                                        /* line 7 */
#define ANY   RTS "  - path: /\n"                                  /* lines 7, 8 */
#define TOP   IFS ISS SVC ANY                                      /* lines 1 to 8 */
#define ROUTE IFS ISS SVC RTS                                      /* lines 1 to 7 */

TEST(unreadable_file_is_named)
{
	EXPECT_TRUE(!sz_conf_load("/nonexistent/subzero.yaml", &error));
	EXPECT_CONTAINS(error.msg, "/nonexistent/subzero.yaml");
}

TEST(what_is_not_one_plain_document_is_refused)
{
	static const struct mistake m[] = {
		{"", 1, "the file is empty"},
		{"# only a comment\n", 1, "the file is empty"},
		{"just words\n", 1, "\"key: value\" lines"},
		{"- a\n", 1, "\"key: value\" lines"},
		{IFS "\txdp: auto\n", 2, "this is not YAML"},
		{IFS "xdp: [auto\n", 3, "this is not YAML"},
		{IFS "---\n" IFS, 2, "second document"},
		{"interfaces: &a [eth0]\n", 1, "anchors"},
		{IFS "xdp: *a\n", 2, "aliases"},
		{"interfaces: [!!str eth0]\n", 1, "tags"},
		{IFS "xdp: \xff\n", 2, "0xff is not UTF-8"},
		{IFS "xdp: \xc0\xaf\n", 2, "0xc0 is not UTF-8"},
		{IFS "xdp: \xed\xa0\x80\n", 2, "not UTF-8"},
		{IFS "xdp: a\x01\n", 2, "control character 0x01"},
		{IFS "xdp: \"a\\0b\"\n", 2, "control character"},
		{IFS "xdp: \"a\\x9b\"\n", 2, "control character"},
		{IFS "xdp: [[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]\n", 2, "levels deep"},
		{IFS "xdp: auto\n? [a]\n: b\n", 3, "single value"},
	};

	EXPECT_MISTAKES(m);
}

TEST(nul_byte_is_refused_on_its_line)
{
	static const char text[] = IFS "xdp: a\0b\n";

	EXPECT_TRUE(!sz_conf_parse(text, sizeof(text) - 1, "t.yaml", &error));
	EXPECT_CONTAINS(error.msg, "t.yaml:2: control character 0x00");
}

TEST(file_over_one_mebibyte_is_refused)
{
	size_t n = SZ_CONF_MAX + 1;
	char *text = sz_calloc(n, 1);

	memset(text, '#', n);
	EXPECT_TRUE(!sz_conf_parse(text, n, "t.yaml", &error));
	EXPECT_CONTAINS(error.msg, "t.yaml:1: the file is larger than 1048576 bytes");
	free(text);
}

TEST(keys_are_checked)
{
	static const struct mistake m[] = {
		{IFS "timeout: 2s\n", 2,
		 "unknown key \"timeout\" in the file; known are interfaces, xdp"},
		{IFS "heartbeat_tl: 2s\n", 2, "did you mean \"heartbeat_ttl\"?"},
		{IFS "<<: {}\n", 2, "unknown key"},
		{IFS "xdp: auto\n" IFS, 3, "\"interfaces\" was given before, on line 1"},
		{IFS, 1, "the file has no \"services\""},
		{"xdp: auto\n", 1, "the file has no \"interfaces\""},
		{IFS "limits: {mises: none}\n", 2,
		 "unknown key \"mises\" in limits; did you mean \"misses\"?"},
		{IFS "issuers:\n- isuer: x\n", 3, "did you mean \"issuer\"?"},
		{IFS ISS "services:\n- adress: x\n", 5,
		 "unknown key \"adress\" in the service; did you mean \"address\"?"},
		{ROUTE "  - path: /\n    scope: a\n", 9, "did you mean \"scopes\"?"},
		{IFS "xdp:\nworkers: 2\n", 2, "xdp has no value"},
		{IFS "xdp: ~\n", 2, "xdp has no value"},
		{IFS "xdp: [auto]\n", 2, "xdp takes a single value"},
	};

	EXPECT_MISTAKES(m);
}

TEST(top_values_are_checked)
{
	static const struct mistake m[] = {
		{"interfaces: []\n", 1, "interfaces is an empty list"},
		{"interfaces: {a: b}\n", 1, "interfaces is a list"},
		{"interfaces: [a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q]\n", 1, "17 entries; at most 16"},
		{"interfaces:\n- eth0\n- eth0\n", 3, "interface \"eth0\" is given twice"},
		{"interfaces: [name-too-long-16]\n", 1, "cannot be the name of an interface"},
		{"interfaces: [a/b]\n", 1, "cannot be the name of an interface"},
		{IFS "xdp: offload\n", 2, "write auto, native or generic"},
		{IFS "pin_dir: here\n", 2, "pin_dir \"here\" is not an absolute path"},
		{IFS "heartbeat_ttl: 2\n", 2, "heartbeat_ttl \"2\" is not a duration"},
		{IFS "heartbeat_ttl: 2 s\n", 2, "is not a duration"},
		{IFS "heartbeat_ttl: -2s\n", 2, "is not a duration"},
		{IFS "heartbeat_ttl: 1ms\n", 2, "out of range; write 500ms to 3600000ms"},
		{IFS "heartbeat_ttl: 99999999999999999999s\n", 2, "is not a duration"},
		{IFS "heartbeat_ttl: 9999999999999999d\n", 2, "is too long"},
		{IFS "workers: 0\n", 2, "out of range; write 1 to "},
		{IFS "workers: two\n", 2, "not a whole number"},
		{IFS "limits: none\n", 2, "limits must be keys with values"},
		{IFS "limits: {misses: 10}\n", 2, "misses \"10\" is not a rate"},
		{IFS "limits: {misses: 10/d}\n", 2, "is not a rate"},
		{IFS "limits: {misses: 0/s}\n", 2, "out of range"},
		{IFS "limits: {misses: 1000000001/s}\n", 2, "out of range"},
		{IFS "limits:\n  misses:\n    burst: 3\n", 4, "misses has no \"rate\""},
		{IFS "limits: {misses: {rate: 1/s, burst: 0}}\n", 2, "burst \"0\" is out of range"},
		{IFS "limits: {misses: {rate: 1/h, burst: 1000000000}}\n", 2, "centuries"},
		{IFS "maps: {grants: 0}\n", 2, "out of range"},
		{IFS "maps: {flows: 1e6}\n", 2, "not a whole number"},
		{IFS "audit: {summary: 500ms}\n", 2, "finer than one second"},
		{IFS "audit: {on_full: maybe}\n", 2, "write stop or shed"},
		{IFS "audit: {origin: \"a b\"}\n", 2, "is not a name"},
		{IFS "audit: {origin: a+b}\n", 2, "is not a name"},
		{IFS "audit: {rotate: 256MB}\n", 2, "is not a size"},
		{IFS "audit: {rotate: 1KiB}\n", 2, "out of range; write 64KiB to 1024GiB"},
		{IFS "audit: {dir: x}\n", 2, "not an absolute path"},
	};

	EXPECT_MISTAKES(m);
}

TEST(what_is_kept_and_told_of_the_log_has_bounds)
{
	static const struct mistake m[] = {
		{TOP "audit: {retention: {age: 10s}}\n", 9, "out of range"},
		{TOP "audit: {retention: {age: 90}}\n", 9, "not a duration"},
		{TOP "audit: {retention: {size: 10G}}\n", 9, "GiB"},
		{TOP "audit: {retention: {size: 300MiB}}\n", 9, "less than two segments"},
		{TOP "audit: {retention: {count: 3}}\n", 9, "unknown key \"count\""},
		{TOP "audit: {forward: {syslog: {severity: 3}}}\n", 9, "informational, low"},
		{TOP "audit: {forward: {syslog: {facility: kern}}}\n", 9, "authpriv"},
		{TOP "audit: {forward: {syslog: {socket: dev/log}}}\n", 9, "absolute path"},
		{TOP "audit: {forward: {syslog: {address: localhost}}}\n", 9, "address and port"},
		{TOP "audit: {forward: {syslog: {address: 192.0.2.1:514}}}\n", 9, "allow_remote"},
		{TOP "audit: {forward: {syslog: {address: 127.0.0.1:514, socket: /x}}}\n", 9,
		 "keep one of the two"},
		{TOP "audit: {forward: {kafka: {}}}\n", 9, "unknown key \"kafka\""},
		{TOP "tracing: {sampling: 1}\n", 9, "endpoint"},
		{TOP "tracing: {endpoint: \"http://192.0.2.1/v1/traces\"}\n", 9, "in clear"},
		{TOP "tracing: {endpoint: \"https://c/v1\", sampling: 2}\n", 9, "from 0 to 1"},
		{TOP "tracing: {endpoint: \"https://c/v1\", sampling: -1}\n", 9, "from 0 to 1"},
		{TOP "tracing: {endpoint: \"https://c/v1\", sampling: nan}\n", 9, "from 0 to 1"},
		{TOP "tracing: {endpoint: \"https://c/v1\", sampling: 0.1.2}\n", 9, "from 0 to 1"},
		{TOP "tracing: {endpoint: \"https://c/v1\", parent: maybe}\n", 9,
		 "follow or ignore"},
		{TOP "tracing: {endpoint: \"https://c/v1\", queue: 1}\n", 9, "out of range"},
	};

	EXPECT_MISTAKES(m);
}

TEST(what_is_kept_and_told_is_read_as_written)
{
	struct sz_conf *c = parse(TOP);

	ASSERT_TRUE(c != NULL);
	EXPECT_TRUE(!c->audit.retention.age_s && !c->audit.retention.size);
	EXPECT_TRUE(!c->audit.journald.on && !c->audit.syslog.on && !c->tracing.endpoint);
	sz_conf_free(c);
	c = parse(TOP "audit: {retention: {age: 90d, size: 10GiB},\n"
		      "  forward: {journald: {severity: high}, syslog: {facility: local3}}}\n"
		      "tracing: {endpoint: \"http://127.0.0.1:4318/v1/traces\", sampling: 0.5,\n"
		      "  parent: ignore}\n");
	ASSERT_TRUE(c != NULL);
	EXPECT_EQ(c->audit.retention.age_s, 90 * 86400);
	EXPECT_EQ(c->audit.retention.size, 10ull << 30);
	EXPECT_EQ(c->audit.journald.severity, 4);
	EXPECT_STREQ(c->audit.journald.path, "/run/systemd/journal/socket");
	EXPECT_EQ(c->audit.syslog.severity, 2);
	EXPECT_EQ(c->audit.syslog.facility, 19);
	EXPECT_STREQ(c->audit.syslog.path, "/dev/log");
	EXPECT_TRUE(c->tracing.sampling == 0.5 && !c->tracing.follow);
	sz_conf_free(c);
}

TEST(metrics_are_told_to_this_host_alone_unless_more_is_meant)
{
	static const struct mistake m[] = {
		{TOP "metrics: {listen: 0.0.0.0:9464}\n", 9, "allow_remote: true"},
		{TOP "metrics: {listen: \"*:9464\"}\n", 9, "allow_remote: true"},
		{TOP "metrics: {listen: 10.0.0.1:9464}\n", 9, "allow_remote: true"},
		{TOP "metrics: {listen: 128.0.0.1:9464}\n", 9, "allow_remote: true"},
		{TOP "metrics: {listen: \"[::]:9464\"}\n", 9, "allow_remote: true"},
		{TOP "metrics: {listen: \"[::2]:9464\"}\n", 9, "allow_remote: true"},
		{TOP "metrics: {listen: 10.0.0.1:9464, allow_remote: false}\n", 9, "allow_remote"},
		{TOP "metrics: {listen: localhost:9464}\n", 9, "not an address and port"},
		{TOP "metrics: {listen: 127.0.0.1}\n", 9, "not an address and port"},
		{TOP "metrics: {allow_remote: true}\n", 9, "listen"},
		{TOP "metrics: {listen: 127.0.0.1:9464, path: /x}\n", 9, "unknown key \"path\""},
	};

	EXPECT_MISTAKES(m);
}

TEST(the_api_is_open_to_this_host_alone_unless_more_is_meant)
{
	static const struct mistake m[] = {
		{TOP "api: {listen: 0.0.0.0:9465}\n", 9, "allow_remote: true"},
		{TOP "api: {listen: \"*:9465\"}\n", 9, "allow_remote: true"},
		{TOP "api: {listen: 10.0.0.1:9465, allow_remote: false}\n", 9, "allow_remote"},
		{TOP "api: {listen: unix:relative}\n", 9, "neither an address and port"},
		{TOP "api: {tokens_file: /x}\n", 9, "listen"},
		{TOP "api: {listen: 127.0.0.1:9465, tokens_file: x}\n", 9, "absolute path"},
		{TOP "rebac: {dir: x}\n", 9, "absolute path"},
		{TOP "rebac: {deadline: 5ms}\n", 9, "out of range"},
		{TOP "rebac: {changes: 10}\n", 9, "out of range"},
	};

	EXPECT_MISTAKES(m);
}

TEST(api_and_relationships_are_off_unless_named)
{
	struct sz_conf *c = parse(TOP);

	ASSERT_TRUE(c != NULL);
	EXPECT_TRUE(!c->api.on && !c->rebac.on);
	sz_conf_free(c);
	c = parse(TOP "state_dir: /s\napi: {listen: unix:/run/a.sock}\nrebac: {}\n");
	ASSERT_TRUE(c != NULL);
	EXPECT_TRUE(c->api.on && c->rebac.on);
	EXPECT_STREQ(c->api.path, "/run/a.sock");
	EXPECT_STREQ(c->api.tokens, "/s/api-tokens.json");
	EXPECT_STREQ(c->rebac.dir, "/s/rebac");
	EXPECT_EQ(c->rebac.deadline_ms, 1000);
	sz_conf_free(c);
	c = parse(TOP "api: {listen: \"*:9465\", allow_remote: true}\nrebac: {deadline: 2s}\n");
	ASSERT_TRUE(c != NULL);
	EXPECT_EQ(c->rebac.deadline_ms, 2000);
	sz_conf_free(c);
}

TEST(metrics_address_is_read_as_written)
{
	static const char *const texts[] = {
		TOP "metrics: {listen: 127.0.0.1:9464}\n",
		TOP "metrics: {listen: 127.9.9.9:9464}\n",
		TOP "metrics: {listen: \"[::1]:9464\"}\n",
		TOP "metrics: {listen: \"*:9464\", allow_remote: true}\n",
	};
	struct sz_conf *c = parse(TOP);

	ASSERT_TRUE(c != NULL);
	EXPECT_TRUE(!c->metrics.on);
	sz_conf_free(c);
	for (size_t i = 0; i < SZ_ARRAY_LEN(texts); i++) {
		c = parse(texts[i]);
		if (!EXPECT_TRUE(c != NULL))
			continue;
		EXPECT_TRUE(c->metrics.on);
		EXPECT_EQ(c->metrics.listen.port, __builtin_bswap16(9464));
		sz_conf_free(c);
	}
}

TEST(control_socket_path_must_fit_its_address)
{
	struct sz_buf b = {0};

	sz_buf_printf(&b, IFS "control: /%0*d\n", 107, 0);
	EXPECT_TRUE(!sz_conf_parse(b.data, b.len, "t.yaml", &error));
	EXPECT_CONTAINS(error.msg, "t.yaml:2: control is longer than 107 bytes");
	sz_buf_done(&b);
}

TEST(issuer_mistakes_are_named)
{
	static const struct mistake m[] = {
		{IFS "issuers:\n- issuer: i\n  audiences: a\n", 3, "the issuer has no \"jwks\""},
		{IFS "issuers:\n- jwks: i\n  audiences: a\n", 3, "the issuer has no \"issuer\""},
		{IFS "issuers:\n- jwks: i\n  issuer: a\n", 3, "the issuer has no \"audiences\""},
		{IFS "issuers:\n- issuer: i\n  audiences: []\n", 4, "audiences is an empty list"},
		{IFS "issuers:\n- algorithms:\n  - ES256\n  - HS256\n", 5, "HS256 needs a secret"},
		{IFS "issuers:\n- algorithms: [none]\n", 3, "algorithm \"none\" is not known"},
		{IFS "issuers:\n- algorithms: [es256]\n", 3, "algorithm \"es256\" is not known"},
		{IFS "issuers:\n- clock_skew: 301s\n", 3, "out of range; write 0s to 300s"},
		{IFS "issuers:\n- require_at_jwt: yes\n", 3, "neither true nor false"},
		{IFS ISS "- {issuer: i, jwks: k, audiences: [b]}\n", 4,
		 "issuer \"i\" was given before, on line 3"},
		{IFS "issuers: []\n", 2, "issuers is an empty list"},
		{IFS SVC ANY, 6, "the route needs a token, but there are no issuers"},
	};

	EXPECT_MISTAKES(m);
}

TEST(service_mistakes_are_named)
{
	static const struct mistake m[] = {
		{IFS ISS "services: []\n", 4, "services is an empty list"},
		{IFS ISS SVC, 5, "the service has no \"routes\""},
		{IFS ISS SVC "  routes: []\n", 7, "routes is an empty list"},
		{IFS ISS "services:\n- name: a b\n", 5, "name \"a b\" is not 1 to 63"},
		{IFS ISS "services:\n- name: é\n", 5, "is not 1 to 63"},
		{TOP "- name: s\n", 9, "service \"s\" was given before, on line 5"},
		{IFS ISS "services:\n- name: a\n  address: 10.0.0.5\n", 6,
		 "is not an address and port"},
		{IFS ISS "services:\n- name: a\n  address: example.com:80\n", 6,
		 "is not an address and port"},
		{IFS ISS "services:\n- address: [10.0.0.5:0]\n", 5, "is not an address and port"},
		{TOP "- name: t\n  address:\n  - 10.0.0.5:81\n  - \"[::ffff:10.0.0.5]:80\"\n", 12,
		 "was given before, on line 6"},
		{IFS ISS "services:\n- address:\n  - \"*:80\"\n  - \"[::]:80\"\n", 7,
		 "was given before, on line 6"},
		{IFS ISS SVC "  mode: watch\n", 7, "write enforce or monitor"},
		{IFS ISS SVC "  audit_requests: 1\n", 7, "neither true nor false"},
		{IFS ISS SVC "  limits: {sources: none}\n", 7, "did you mean \"source\"?"},
		{IFS ISS SVC "  limits: {source: {rate: 1/s, dry: true}}\n", 7,
		 "known are rate, burst, dry_run"},
		{IFS ISS SVC "  limits: {source_prefix: {ipv4: 33}}\n", 7, "out of range"},
		{IFS ISS SVC "  limits: {rules: [{name: source, rate: 1/s}]}\n", 7,
		 "that of a limit with a key of its own"},
		{IFS ISS SVC "  limits: {rules: [{name: a, rate: 1/s, by: port}]}\n", 7,
		 "by \"port\" is not known"},
		{IFS ISS SVC "  limits: {rules: [{name: a, rate: 1/s, count: packets}]}\n", 7,
		 "count \"packets\" is not known"},
		{IFS ISS SVC "  limits: {rules: [{name: a, rate: 1/s, count: failures, "
			     "by: principal}]}\n", 7, "before a token is verified"},
		{IFS ISS SVC "  limits: {rules: [{name: a, rate: 1/s, count: failures}]}\n", 7,
		 "lock the others out"},
		{IFS ISS SVC "  limits: {rules: [{name: a, rate: 1/s}, {name: a, rate: 2/s}]}\n", 7,
		 "was given before"},
	};

	EXPECT_MISTAKES(m);
}

TEST(route_mistakes_are_named)
{
	static const struct mistake m[] = {
		{ROUTE "  - methods: GET\n", 8, "the route has no \"path\""},
		{ROUTE "  - path: orders\n", 8, "does not begin with \"/\""},
		{ROUTE "  - path: /a%20b\n", 8, "contains \"%\""},
		{ROUTE "  - path: //a\n", 8, "contains \"//\""},
		{ROUTE "  - path: /a/../b\n", 8, "contains \"/../\""},
		{ROUTE "  - path: /a/./b\n", 8, "contains \"/./\""},
		{ROUTE "  - path: /a/..\n", 8, "contains \"/..\""},
		{ROUTE "  - path: /a\\b\n", 8, "contains \"\\\""},
		{ROUTE "  - path: /a;b\n", 8, "contains \";\""},
		{ROUTE "  - path: /a?b\n", 8, "contains \"?\""},
		{ROUTE "  - path: /a#b\n", 8, "contains \"#\""},
		{ROUTE "  - path: \"/a\\tb\"\n", 8, "control character"},
		{ROUTE "  - path: /\n    methods: [GET, get]\n", 9, "method \"get\" is not known"},
		{ROUTE "  - path: /\n    methods: [OTHER]\n", 9, "method \"OTHER\" is not known"},
		{ROUTE "  - path: /\n    methods: []\n", 9, "methods is an empty list"},
		{ROUTE "  - path: /\n    scopes: a b\n", 9, "write several scopes as a list"},
		{ROUTE "  - path: /\n    claims: [a]\n", 9, "claims must be names with values"},
		{ROUTE "  - path: /\n    claims: {}\n", 9, "claims is empty"},
		{ROUTE "  - path: /\n    claims:\n      a: b\n      a: c\n", 11,
		 "claim \"a\" is given twice"},
		{ROUTE "  - path: /\n    claims: {a..b: c}\n", 9, "nothing on one side of a dot"},
		{ROUTE "  - path: /\n    claims: {a: [b]}\n", 9, "single value"},
		{ROUTE "  - path: /\n    decide: always\n", 9,
		 "write token (once per token) or each"},
		{ROUTE "  - path: /\n    public: true\n    scopes: [a]\n", 8,
		 "is public and asks for scopes"},
		{ROUTE "  - path: /\n    public: true\n    claims: {a: b}\n", 8,
		 "is public and asks for claims"},
		{ROUTE "  - {path: /a, methods: [GET, PUT]}\n  - {path: /b}\n  - {path: /a, "
		       "methods: [PUT]}\n",
		 10, "this route and the one on line 8 both cover PUT /a"},
	};

	EXPECT_MISTAKES(m);
}

TEST(path_of_248_bytes_is_too_long)
{
	for (int n = 247; n <= 248; n++) {
		struct sz_buf b = {0};
		struct sz_conf *c;

		sz_buf_printf(&b, ROUTE "  - path: /%0*d\n", n - 1, 0);
		c = parse(b.data);
		EXPECT_EQ(c != NULL, n == 247);
		if (n == 248)
			EXPECT_CONTAINS(error.msg, "is longer than 247 bytes");
		sz_conf_free(c);
		sz_buf_done(&b);
	}
}

TEST(more_routes_than_a_grant_has_bits_are_refused)
{
	for (int n = SZ_ROUTES_MAX; n <= SZ_ROUTES_MAX + 1; n++) {
		struct sz_buf b = {0};
		struct sz_conf *c;

		sz_buf_printf(&b, ROUTE);
		for (int i = 0; i < n; i++)
			sz_buf_printf(&b, "  - path: /r%d\n", i);
		c = parse(b.data);
		EXPECT_EQ(c != NULL, n == SZ_ROUTES_MAX);
		if (n > SZ_ROUTES_MAX)
			EXPECT_CONTAINS(error.msg, "t.yaml:8: routes has 257 entries; at most 256");
		sz_conf_free(c);
		sz_buf_done(&b);
	}
}

TEST(more_services_than_the_limit_are_refused)
{
	for (int n = SZ_SERVICES_MAX; n <= SZ_SERVICES_MAX + 1; n++) {
		struct sz_buf b = {0};
		struct sz_conf *c;

		sz_buf_printf(&b, IFS "services:\n");
		for (int i = 0; i < n; i++)
			sz_buf_printf(&b,
				      "- {name: s%d, address: \"*:%d\", routes: [{path: /, public: "
				      "true}]}\n",
				      i, i + 1);
		c = parse(b.data);
		EXPECT_EQ(c != NULL, n == SZ_SERVICES_MAX);
		if (n > SZ_SERVICES_MAX)
			EXPECT_CONTAINS(error.msg,
					"t.yaml:3: services has 1025 entries; at most 1024");
		sz_conf_free(c);
		sz_buf_done(&b);
	}
}

TEST(more_route_nodes_than_the_kernel_holds_are_refused)
{
	struct sz_buf b = {0};

	sz_buf_printf(&b, IFS "services:\n");
	for (int i = 0; i < 129; i++) {
		sz_buf_printf(&b, "- {name: s%d, address: \"*:%d\", routes: [", i, i + 1);
		for (int k = 0; k < 256; k++)
			sz_buf_printf(&b, "{path: /%d,public: true},", k);
		sz_buf_printf(&b, "]}\n");
	}
	EXPECT_TRUE(!parse(b.data));
	EXPECT_CONTAINS(error.msg, "t.yaml:131: more routes in all");
	sz_buf_done(&b);
}

TEST(message_stays_utf8_where_long_text_is_cut)
{
	struct sz_buf b = {0};

	sz_buf_printf(&b, "interfaces: [a");
	for (int i = 0; i < 60; i++)
		sz_buf_printf(&b, "é");
	sz_buf_printf(&b, "]\n");
	EXPECT_TRUE(!parse(b.data));
	for (size_t i = 0, n; error.msg[i]; i += n) {
		n = sz_conf_utf8(error.msg + i, strlen(error.msg + i));
		ASSERT_TRUE(n > 0);
	}
	sz_buf_done(&b);
}

TEST(mistakes_in_priorities_and_the_limit_of_open_questions_are_refused)
{
	static const struct mistake m[] = {
		{TOP "limits: {adaptive: soon}\n", 9, "adaptive \"soon\" is not known"},
		{TOP "limits: {adaptive: {target: 0ms}}\n", 9, "target"},
		{TOP "limits: {adaptive: {target: 11s}}\n", 9, "target"},
		{TOP "limits: {adaptive: {min: 0}}\n", 9, "min"},
		{TOP "limits: {adaptive: {max: 70000}}\n", 9, "max"},
		{TOP "limits: {adaptive: {min: 9, max: 8}}\n", 9, "min 9 is above max 8"},
		{TOP "limits: {adaptive: {goal: 1ms}}\n", 9, "goal"},
		{TOP "  priority: urgent\n", 9, "priority \"urgent\" is not known"},
		{TOP "networks: [{name: n, prefixes: 192.0.2.0/24, priority: 1}]\n", 9,
		 "priority \"1\" is not known"},
		{TOP "networks: [{name: n, prefixes: 192.0.2.0/24}]\n", 9, "says nothing"},
		{TOP "priorities: [{priority: high}]\n", 9, "everybody's"},
		{TOP "priorities: [{issuer: i}]\n", 9, "priority"},
		{TOP "priorities: [{priority: low, issuer: j}]\n", 9, "none of those"},
		{TOP "priorities: [{priority: low, claims: {a: b, a: c}}]\n", 9, "twice"},
		{TOP "priorities: [{priority: low, scopes: [\"a b\"]}]\n", 9, "scope \"a b\""},
	};

	EXPECT_MISTAKES(m);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The configuration file: what a good one becomes, and the defaults.
 */
#include <arpa/inet.h>
#include <unistd.h>

#include "config/config_priv.h"
#include "harness.h"
#include "jose/jose.h"

static struct sz_error error;

static struct sz_conf *parse(const char *text)
{
	error.msg[0] = 0;
	return sz_conf_parse(text, strlen(text), "t.yaml", &error);
}

/* The rate of the limit `name`; none where there is no such limit. */
static struct sz_conf_rate rate_of(const struct sz_conf_limit *l, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(l[i].name, name))
			return l[i].rate;
	return (struct sz_conf_rate){0};
}

TEST(smallest_file_gets_every_default)
{
	struct sz_conf *c = parse("interfaces: [eth0]\n"
				  "services:\n"
				  "  - name: web\n"
				  "    address: 10.0.0.5:80\n"
				  "    routes: [{path: /, public: true}]\n");
	const struct sz_conf_service *s;

	ASSERT_TRUE(c != NULL);
	EXPECT_STREQ(c->path, "t.yaml");
	EXPECT_EQ(c->n_interfaces, 1);
	EXPECT_EQ(c->xdp, SZ_XDP_AUTO);
	EXPECT_STREQ(c->pin_dir, "/sys/fs/bpf/subzero");
	EXPECT_STREQ(c->state_dir, "/var/lib/subzero");
	EXPECT_STREQ(c->control, "/run/subzero/control.sock");
	EXPECT_EQ(c->heartbeat_ttl_ms, 2000);
	EXPECT_EQ(c->workers, sysconf(_SC_NPROCESSORS_ONLN));
	EXPECT_EQ(rate_of(c->limits, c->n_limits, "misses").interval_ns, 500000);
	EXPECT_EQ(rate_of(c->limits, c->n_limits, "misses").burst_ns, 500000000);
	EXPECT_EQ(rate_of(c->limits, c->n_limits, "source_misses").interval_ns, 20000000);
	EXPECT_EQ(rate_of(c->limits, c->n_limits, "source_misses").burst_ns, 2000000000);
	EXPECT_EQ(c->max_grants, 1000000);
	EXPECT_EQ(c->max_flows, 262144);
	EXPECT_STREQ(c->audit.dir, "/var/lib/subzero/audit");
	EXPECT_EQ(c->audit.summary_s, 10);
	EXPECT_EQ(c->audit.rotate_bytes, 256 << 20);
	EXPECT_EQ(c->audit.denials.interval_ns, 1000000);
	EXPECT_EQ(c->audit.denials.burst_ns, 10000000000);
	EXPECT_EQ(c->audit.on_full, SZ_AUDIT_ON_FULL_STOP);
	EXPECT_TRUE(!c->audit.origin);
	EXPECT_EQ(c->n_issuers, 0);
	ASSERT_EQ(c->n_services, 1);
	s = &c->services[0];
	EXPECT_TRUE(s->id != 0);
	EXPECT_EQ(s->line, 3);
	EXPECT_TRUE(!s->monitor && !s->audit_requests);
	EXPECT_EQ(rate_of(s->limits, s->n_limits, "source").interval_ns, 0);
	EXPECT_EQ(rate_of(s->limits, s->n_limits, "principal").interval_ns, 0);
	EXPECT_EQ(rate_of(s->limits, s->n_limits, "connections").interval_ns, 0);
	ASSERT_EQ(s->n_routes, 1);
	EXPECT_TRUE(s->routes[0].public && !s->routes[0].each);
	EXPECT_EQ(s->routes[0].methods, 0xff);
	EXPECT_STREQ(s->routes[0].name, "* /");
	sz_conf_free(c);
}

static const char full[] = "interfaces: [eth0, eth1]\n"
			   "xdp: native\n"
			   "pin_dir: /sys/fs/bpf/sz\n"
			   "state_dir: /srv/sz\n"
			   "control: /run/sz.sock\n"
			   "heartbeat_ttl: 1500ms\n"
			   "workers: 3\n"
			   "limits:\n"
			   "  misses: {rate: 100/m, burst: 5}\n"
			   "  source_misses: none\n"
			   "maps: {grants: 5000, flows: 6000}\n"
			   "audit: {summary: 1m, rotate: 1GiB, on_full: shed, origin: log.test/a, "
			   "denials: {rate: 20/s, burst: 40}}\n"
			   "issuers:\n"
			   "  - issuer: https://login.example.com/\n"
			   "    jwks: keys/jwks.json\n"
			   "    audiences: [https://api.example.com, other]\n"
			   "    algorithms: [EdDSA, ES512]\n"
			   "    clock_skew: 5m\n"
			   "    max_age: 12h\n"
			   "    require_at_jwt: true\n"
			   "  - {issuer: second, jwks: /etc/k.json, audiences: a, max_age: none}\n"
			   "services:\n"
			   "  - name: orders\n"
			   "    address: [10.0.0.5:8080, \"*:81\", \"[2001:db8::1]:80\"]\n"
			   "    mode: monitor\n"
			   "    audit_requests: true\n"
			   "    limits:\n"
			   "      source: {rate: 500/s, burst: 1000}\n"
			   "      principal: 3600/h\n"
			   "      connections: \"0\"\n"
			   "    routes:\n"
			   "      - path: /orders\n"
			   "        methods: [POST, GET]\n"
			   "        scopes: [orders:read, orders:list]\n"
			   "        claims: {department: ops, level: 3, realm.org: \"a b\"}\n"
			   "        decide: each\n"
			   "      - {path: /orders, methods: \"*\", name: rest}\n"
			   "  - name: second.one_2-x\n"
			   "    address: 127.0.0.1:1\n"
			   "    routes: [{path: /x/, scopes: one}]\n";

TEST(star_covers_the_methods_that_another_route_names)
{
	EXPECT_TRUE(!parse(full));
	EXPECT_CONTAINS(error.msg,
			"t.yaml:37: this route and the one on line 32 both cover GET /orders");
}

/* The file above without its mistake. */
static struct sz_conf *parse_full(void)
{
	char *text = sz_strdup(full), *star = strstr(text, "\"*\", name");
	struct sz_conf *c;

	memcpy(star, "PUT", 3);
	c = parse(text);
	free(text);
	return c;
}

TEST(top_of_a_full_file_is_read_as_written)
{
	struct sz_conf *c = parse_full();

	ASSERT_TRUE(c != NULL);
	EXPECT_EQ(c->n_interfaces, 2);
	EXPECT_STREQ(c->interfaces[1], "eth1");
	EXPECT_EQ(c->xdp, SZ_XDP_NATIVE);
	EXPECT_STREQ(c->pin_dir, "/sys/fs/bpf/sz");
	EXPECT_STREQ(c->control, "/run/sz.sock");
	EXPECT_EQ(c->heartbeat_ttl_ms, 1500);
	EXPECT_EQ(c->workers, 3);
	EXPECT_EQ(rate_of(c->limits, c->n_limits, "misses").interval_ns, 600000000);
	EXPECT_EQ(rate_of(c->limits, c->n_limits, "misses").burst_ns, 3000000000);
	EXPECT_EQ(rate_of(c->limits, c->n_limits, "source_misses").interval_ns, 0);
	EXPECT_EQ(rate_of(c->limits, c->n_limits, "source_misses").burst_ns, 0);
	EXPECT_EQ(c->max_grants, 5000);
	EXPECT_EQ(c->max_flows, 6000);
	EXPECT_STREQ(c->audit.dir, "/srv/sz/audit");
	EXPECT_EQ(c->audit.summary_s, 60);
	EXPECT_EQ(c->audit.denials.interval_ns, 50000000);
	EXPECT_EQ(c->audit.denials.burst_ns, 2000000000);
	EXPECT_EQ(c->audit.rotate_bytes, 1 << 30);
	EXPECT_EQ(c->audit.on_full, SZ_AUDIT_ON_FULL_SHED);
	EXPECT_STREQ(c->audit.origin, "log.test/a");
	sz_conf_free(c);
}

TEST(issuers_are_read_as_written)
{
	struct sz_conf *c = parse_full();
	char *cwd = getcwd(NULL, 0);
	struct sz_buf jwks = {0};

	ASSERT_TRUE(c && cwd);
	ASSERT_EQ(c->n_issuers, 2);
	sz_buf_printf(&jwks, "%s/keys/jwks.json", cwd);
	EXPECT_STREQ(c->issuers[0].jwks, jwks.data);
	EXPECT_STREQ(c->issuers[0].issuer, "https://login.example.com/");
	ASSERT_EQ(c->issuers[0].n_audiences, 2);
	EXPECT_STREQ(c->issuers[0].audiences[1], "other");
	EXPECT_EQ(c->issuers[0].algs, SZ_ALG_BIT(SZ_ALG_EDDSA) | SZ_ALG_BIT(SZ_ALG_ES512));
	EXPECT_EQ(c->issuers[0].skew_s, 300);
	EXPECT_EQ(c->issuers[0].max_age_s, 12 * 3600);
	EXPECT_TRUE(c->issuers[0].require_at_jwt);
	EXPECT_EQ(c->issuers[0].line, 14);
	EXPECT_STREQ(c->issuers[1].jwks, "/etc/k.json");
	EXPECT_EQ(c->issuers[1].algs, SZ_ALG_BIT(SZ_ALG_EDDSA) | SZ_ALG_BIT(SZ_ALG_ES256) |
					      SZ_ALG_BIT(SZ_ALG_RS256) | SZ_ALG_BIT(SZ_ALG_PS256));
	EXPECT_EQ(c->issuers[1].skew_s, 30);
	EXPECT_EQ(c->issuers[1].max_age_s, 0);
	free(cwd);
	sz_buf_done(&jwks);
	sz_conf_free(c);
}

TEST(services_are_read_as_written)
{
	static const struct sz_addr any;
	struct sz_conf *c = parse_full();
	const struct sz_conf_service *s;
	const struct sz_conf_route *t;

	ASSERT_TRUE(c != NULL);
	ASSERT_EQ(c->n_services, 2);
	s = sz_conf_service_by_name(c, "orders");
	ASSERT_TRUE(s == &c->services[0]);
	EXPECT_TRUE(sz_conf_service_by_id(c, c->services[1].id) == &c->services[1]);
	EXPECT_TRUE(!sz_conf_service_by_id(c, 0) && !sz_conf_service_by_id(c, 3));
	EXPECT_TRUE(!sz_conf_service_by_name(c, "order"));
	EXPECT_TRUE(s->monitor && s->audit_requests);
	ASSERT_EQ(s->n_endpoints, 3);
	EXPECT_EQ(s->endpoints[0].port, htons(8080));
	EXPECT_EQ(s->endpoints[0].addr.b[15], 5);
	EXPECT_EQ(s->endpoints[0].addr.b[10], 0xff);
	EXPECT_MEMEQ(&s->endpoints[1].addr, &any, sizeof(any));
	EXPECT_EQ(s->endpoints[2].addr.b[0], 0x20);
	EXPECT_EQ(rate_of(s->limits, s->n_limits, "source").interval_ns, 2000000);
	EXPECT_EQ(rate_of(s->limits, s->n_limits, "source").burst_ns, 2000000000);
	EXPECT_EQ(rate_of(s->limits, s->n_limits, "principal").interval_ns, 1000000000);
	EXPECT_EQ(rate_of(s->limits, s->n_limits, "principal").burst_ns, 3600ll * 1000000000);
	EXPECT_EQ(rate_of(s->limits, s->n_limits, "connections").interval_ns, 0);
	ASSERT_EQ(s->n_routes, 2);
	t = &s->routes[0];
	EXPECT_STREQ(t->name, "GET,POST /orders");
	EXPECT_STREQ(t->path, "/orders");
	EXPECT_EQ(t->methods, 1 << SZ_M_GET | 1 << SZ_M_POST);
	ASSERT_EQ(t->n_scopes, 2);
	EXPECT_STREQ(t->scopes[1], "orders:list");
	ASSERT_EQ(t->n_claims, 3);
	EXPECT_STREQ(t->claims[1].name, "level");
	EXPECT_STREQ(t->claims[1].value, "3");
	EXPECT_STREQ(t->claims[2].value, "a b");
	EXPECT_TRUE(t->each && !t->public);
	EXPECT_EQ(t->line, 32);
	EXPECT_STREQ(s->routes[1].name, "rest");
	EXPECT_TRUE(c->services[1].id != c->services[0].id);
	EXPECT_STREQ(c->services[1].routes[0].scopes[0], "one");
	sz_conf_free(c);
}

TEST(example_file_is_valid)
{
	struct sz_conf *c = sz_conf_load("docs/examples/subzero.yaml", &error);

	if (!EXPECT_TRUE(c != NULL))
		printf("# %s\n", error.msg);
	sz_conf_free(c);
}

/* Does the file decide about tokens as another one does? */
static bool decides_alike(const char *a, const char *b)
{
	struct sz_conf *x = parse(a), *y = parse(b);
	bool alike;

	ASSERT_TRUE(x && y);
	alike = x->essence_n == y->essence_n && !memcmp(x->essence, y->essence, x->essence_n);
	sz_conf_free(x);
	sz_conf_free(y);
	return alike;
}

TEST(how_much_and_from_whom_is_no_part_of_what_decides)
{
	static const char base[] = "interfaces: [v0]\n"
				   "services:\n"
				   "- {name: a, address: \"*:80\",\n"
				   "   routes: [{path: /, public: true}]}\n";
	static const char *const same[] = {
		"# comment\n"
		"interfaces: [ v0 ]\n"
		"services:\n"
		"- name: a\n"
		"  address: \"*:80\"\n"
		"  routes:\n"
		"  - path: /\n"
		"    public: true\n",
		"limits: {misses: 7/s, strays: 9/s}\n"
		"networks: [{name: n, prefixes: 192.0.2.0/24, exempt: true}]\n"
		"bans: [198.51.100.1]\n"
		"syn_cookies: always\n"
		"interfaces: [v0]\n"
		"services:\n"
		"- {name: a, limits: {total: 5/s}, address: \"*:80\", syn_cookies: off,\n"
		"   routes: [{path: /, public: true}]}\n",
	};
	static const char *const other[] = {
		"interfaces: [v1]\n"
		"services:\n"
		"- {name: a, address: \"*:80\", routes: [{path: /, public: true}]}\n",
		"interfaces: [v0]\n"
		"services:\n"
		"- {name: a, address: \"*:80\", routes: [{path: /b, public: true}]}\n",
		"interfaces: [v0]\n"
		"services:\n"
		"- {name: a, address: \"*:80\", mode: monitor,\n"
		"   routes: [{path: /, public: true}]}\n",
		"interfaces: [v0]\n"
		"heartbeat_ttl: 3s\n"
		"services:\n"
		"- {name: a, address: \"*:80\", routes: [{path: /, public: true}]}\n",
	};

	for (size_t i = 0; i < SZ_ARRAY_LEN(same); i++)
		EXPECT_TRUE(decides_alike(base, same[i]));
	for (size_t i = 0; i < SZ_ARRAY_LEN(other); i++)
		EXPECT_TRUE(!decides_alike(base, other[i]));
}

TEST(algorithm_bits_are_those_of_jose)
{
#define CHECK_ALG(n, name) EXPECT_EQ(sz_alg_parse(#name), n);
	SZ_CONF_ALGS(CHECK_ALG)
#define COUNT_ALG(n, name) +1
	EXPECT_EQ(SZ_CONF_ALGS(COUNT_ALG), SZ_ALG_COUNT - 1);
}

TEST(bans_are_a_list_or_all_their_settings)
{
	static const char text[] = "interfaces: [e]\n"
				   "bans: {list: [10.0.0.0/8, {prefix: '2001:db8::1', why: x, "
				   "until: '2030-01-31T18:00:00Z'}], allow: 10.1.0.0/16,\n"
				   "  import: [a.txt, /b.txt], auto: {failures: 3, within: 2s, "
				   "prefix4: 24}}\n"
				   "syn_cookies: {mode: off, rate: 7}\n"
				   "services: [{name: s, address: '1.2.3.4:80', "
				   "syn_cookies: always, routes: [{path: /, public: true}]}]\n";
	struct sz_error e = {};
	struct sz_conf *c = sz_conf_parse(text, strlen(text), "/etc/x/s.yaml", &e);

	ASSERT_TRUE(c != NULL);
	ASSERT_EQ(c->bans.n_list, 2);
	EXPECT_EQ(c->bans.list[0].key.prefixlen, 104);
	EXPECT_EQ(c->bans.list[1].key.prefixlen, 128);
	EXPECT_EQ(c->bans.list[1].until_s, 1896112800);
	EXPECT_STREQ(c->bans.list[1].why, "x");
	EXPECT_EQ(c->bans.n_allow, 1);
	EXPECT_STREQ(c->bans.import[0], "/etc/x/a.txt");
	EXPECT_STREQ(c->bans.import[1], "/b.txt");
	EXPECT_EQ(c->bans.automatic.failures, 3);
	EXPECT_EQ(c->bans.automatic.within_ms, 2000);
	EXPECT_EQ(c->bans.automatic.for_s, 600);
	EXPECT_EQ(c->bans.automatic.prefix4, 24);
	EXPECT_EQ(c->bans.automatic.prefix6, 64);
	EXPECT_EQ(c->syn.mode, SZ_COOKIES_OFF);
	EXPECT_EQ(c->syn.rate, 7);
	EXPECT_EQ(c->services[0].cookies, SZ_COOKIES_ALWAYS);
	sz_conf_free(c);
}

TEST(mistakes_in_bans_are_refused)
{
	static const char *const bad[] = {
		"[10.0.0.0/33]", "[0.0.0.0/0]", "['::/0']", "{list: [{why: x}]}",
		"{list: [{prefix: 10.0.0.1, until: tomorrow}]}", "{allow: [x]}", "{auto: {}}",
		"{auto: {failures: 0}}", "{auto: {failures: 1, prefix4: 33}}", "{since: x}",
	};
	struct sz_buf b = {};

	for (u32 i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct sz_error e = {};

		sz_buf_reset(&b);
		sz_buf_printf(&b, "interfaces: [e]\nbans: %s\nservices: [{name: s, address: "
				  "'1.2.3.4:80', routes: [{path: /, public: true}]}]\n", bad[i]);
		EXPECT_TRUE(sz_conf_parse(b.data, b.len, "s.yaml", &e) == NULL);
		EXPECT_TRUE(strstr(e.msg, "s.yaml:2:") != NULL);
	}
	sz_buf_done(&b);
}

static int read_list(const char *text, struct sz_ban_list *l, struct sz_error *e)
{
	char path[] = "/tmp/sz-list-XXXXXX";
	int fd = mkstemp(path), r;

	ASSERT_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	r = sz_ban_list_read(path, l, e);
	unlink(path);
	return r;
}

TEST(plain_list_of_bans_is_one_prefix_a_line)
{
	struct sz_ban_list l = {};
	struct sz_error e = {};

	EXPECT_EQ(read_list("# c\n\n10.0.0.1\n \t10.9.8.7/8 ; note\r\n2001:db8::/32#x\n1.2.3.4",
			    &l, &e), 0);
	ASSERT_EQ(l.n, 4);
	EXPECT_EQ(l.keys[1].prefixlen, 104);
	EXPECT_EQ(l.keys[1].addr.b[13], 0);
	EXPECT_EQ(l.keys[3].addr.b[15], 4);
	EXPECT_EQ(read_list("10.0.0.1\nrubbish\n", &l, &e), -EINVAL);
	EXPECT_TRUE(strstr(e.msg, ":2: \"rubbish\"") != NULL);
	EXPECT_EQ(read_list("::/0\n", &l, &e), -EINVAL);
	sz_ban_list_done(&l);
}

static const char adaptive_top[] =
	"interfaces: [v0]\n"
	"issuers: [{issuer: i, jwks: k, audiences: a}]\n";
static const char adaptive_services[] =
	"services:\n"
	"- {name: shop, address: '*:80', priority: high, routes: [{path: /, scopes: s}]}\n"
	"- {name: blog, address: '*:81', routes: [{path: /, scopes: s}]}\n";

static struct sz_conf *adaptive(const char *lines)
{
	struct sz_error e = {};
	struct sz_conf *c;
	char text[2048];

	snprintf(text, sizeof(text), "%s%s%s", adaptive_top, lines, adaptive_services);
	c = sz_conf_parse(text, strlen(text), "t.yaml", &e);
	if (!c)
		printf("# %s\n", e.msg);
	return c;
}

TEST(limit_of_open_questions_is_on_unless_it_is_switched_off)
{
	struct sz_conf *c = adaptive("");

	ASSERT_TRUE(c != NULL);
	EXPECT_TRUE(c->adaptive.on && !c->adaptive.dry_run);
	EXPECT_EQ(c->adaptive.target_ms, 50);
	EXPECT_EQ(c->adaptive.min, 64);
	EXPECT_EQ(c->adaptive.max, 4096);
	EXPECT_EQ(c->n_priorities, 0);
	sz_conf_free(c);
	c = adaptive("limits: {adaptive: none}\n");
	ASSERT_TRUE(c != NULL);
	EXPECT_TRUE(!c->adaptive.on);
	sz_conf_free(c);
	c = adaptive("limits: {adaptive: {target: 2s, min: 3, max: 3, dry_run: true}}\n");
	ASSERT_TRUE(c != NULL);
	EXPECT_TRUE(c->adaptive.on && c->adaptive.dry_run);
	EXPECT_EQ(c->adaptive.target_ms, 2000);
	EXPECT_EQ(c->adaptive.min, 3);
	EXPECT_EQ(c->adaptive.max, 3);
	sz_conf_free(c);
}

TEST(priorities_of_services_networks_and_principals_are_read_as_written)
{
	struct sz_conf *c = adaptive(
		"networks: [{name: n, prefixes: 192.0.2.0/24, priority: low}]\n"
		"priorities:\n"
		"- {priority: high, issuer: i, scopes: [a, b], claims: {realm.org: ops}}\n"
		"- {priority: normal, scopes: c}\n");

	ASSERT_TRUE(c != NULL);
	EXPECT_EQ(c->services[0].priority, SZ_PRIORITY_HIGH);
	EXPECT_EQ(c->services[1].priority, SZ_PRIORITY_NORMAL);
	EXPECT_EQ(c->networks[0].priority, SZ_PRIORITY_LOW);
	ASSERT_EQ(c->n_priorities, 2);
	EXPECT_EQ(c->priorities[0].priority, SZ_PRIORITY_HIGH);
	EXPECT_STREQ(c->priorities[0].issuer, "i");
	ASSERT_EQ(c->priorities[0].n_scopes, 2);
	EXPECT_STREQ(c->priorities[0].scopes[1], "b");
	ASSERT_EQ(c->priorities[0].n_claims, 1);
	EXPECT_STREQ(c->priorities[0].claims[0].name, "realm.org");
	EXPECT_STREQ(c->priorities[0].claims[0].value, "ops");
	EXPECT_EQ(c->priorities[1].priority, SZ_PRIORITY_NORMAL);
	sz_conf_free(c);
}

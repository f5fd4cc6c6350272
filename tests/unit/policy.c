/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Policy: route matching against its definition, the compiled LPM nodes against route matching on
 * random tables, scopes and claims, and the words of a decision.
 */
#include "harness.h"
#include "policy/policy.h"

/* A service from YAML; freed by the caller through sz_conf_free(). */
static struct sz_conf *service(const char *routes)
{
	struct sz_buf b = {0};
	struct sz_error e = {0};
	struct sz_conf *c;

	sz_buf_printf(&b,
		      "interfaces: [eth0]\n"
		      "issuers: [{issuer: i, jwks: k, audiences: a}]\n"
		      "services:\n- name: svc\n  address: \"*:80\"\n  routes:\n%s",
		      routes);
	c = sz_conf_parse(b.data, b.len, "t.yaml", &e);
	if (!c)
		printf("# %s\n", e.msg);
	sz_buf_done(&b);
	return c;
}

static const struct sz_policy_moment now = {.now_ns = 1700000000000000000};

static void for_token(const struct sz_conf_service *svc, const json_t *claims,
		      struct sz_policy_answer *ret)
{
	struct sz_policy_subject who = {.claims = claims};

	sz_policy_for_token(NULL, svc, &who, &now, ret);
}

static enum sz_reason decide(const struct sz_conf_service *svc, const json_t *claims,
			     const struct sz_policy_request *req, u16 *ret_route,
			     struct sz_error *why)
{
	struct sz_policy_subject who = {.claims = claims};
	struct sz_policy_ruling r;

	sz_policy_decide(NULL, svc, claims ? &who : NULL, req, &now, &r);
	*ret_route = r.route;
	if (why)
		*why = r.why;
	return r.reason;
}

static u16 route_of(const struct sz_conf *c, enum sz_method m, const char *path)
{
	struct sz_policy_request req = {.method = m, .path = path, .path_len = strlen(path)};

	return sz_policy_route(&c->services[0], &req);
}

/* ---- matching ------------------------------------------------------------------------------- */

TEST(prefix_matches_whole_segments_only)
{
	struct sz_conf *c = service("  - path: /a\n  - path: /b/\n");

	ASSERT_TRUE(c != NULL);
	EXPECT_EQ(route_of(c, SZ_M_GET, "/a"), 0);
	EXPECT_EQ(route_of(c, SZ_M_GET, "/a/"), 0);
	EXPECT_EQ(route_of(c, SZ_M_GET, "/a/x/y"), 0);
	EXPECT_EQ(route_of(c, SZ_M_GET, "/ab"), SZ_ROUTE_NONE);
	EXPECT_EQ(route_of(c, SZ_M_GET, "/"), SZ_ROUTE_NONE);
	EXPECT_EQ(route_of(c, SZ_M_GET, "/b"), SZ_ROUTE_NONE);
	EXPECT_EQ(route_of(c, SZ_M_GET, "/b/"), 1);
	EXPECT_EQ(route_of(c, SZ_M_GET, "/b/x"), 1);
	sz_conf_free(c);
}

TEST(longest_prefix_that_names_the_method_wins)
{
	struct sz_conf *c = service("  - path: /\n"
				    "  - {path: /a, methods: [GET, POST]}\n"
				    "  - {path: /a/b, methods: [GET]}\n");

	ASSERT_TRUE(c != NULL);
	EXPECT_EQ(route_of(c, SZ_M_GET, "/a/b"), 2);
	EXPECT_EQ(route_of(c, SZ_M_POST, "/a/b/c"), 1);
	EXPECT_EQ(route_of(c, SZ_M_DELETE, "/a/b"), 0);
	EXPECT_EQ(route_of(c, SZ_M_OTHER, "/a"), 0);
	sz_conf_free(c);
}

/* ---- compiled nodes ---------------------------------------------------------------------------
 */

static const struct sz_policy_node *node_of(const struct sz_policy_node *nodes, size_t n,
					    const char *path, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (nodes[i].key.prefixlen == 32 + 8 * len && !memcmp(nodes[i].key.path, path, len))
			return &nodes[i];
	return NULL;
}

TEST(nodes_have_the_keys_the_kernel_looks_up)
{
	struct sz_conf *c = service("  - {path: /, public: true, methods: GET}\n"
				    "  - {path: /a, methods: [POST], decide: each}\n"
				    "  - {path: /a/, methods: [PUT]}\n");
	const struct sz_policy_node *exact, *below, *root;
	struct sz_policy_node *nodes;
	size_t n;

	ASSERT_TRUE(c != NULL);
	nodes = sz_policy_compile(&c->services[0], &n);
	EXPECT_EQ(n, 3); /* "/", "/a\0", and "/a/" once for both routes */
	for (size_t i = 1; i < n; i++)
		EXPECT_TRUE(nodes[i - 1].key.prefixlen <= nodes[i].key.prefixlen);
	root = node_of(nodes, n, "/", 1);
	exact = node_of(nodes, n, "/a\0", 3);
	below = node_of(nodes, n, "/a/", 3);
	ASSERT_TRUE(root && exact && below);
	EXPECT_EQ(root->key.service, c->services[0].id);
	EXPECT_EQ(root->node.route[SZ_M_GET], 0);
	EXPECT_EQ(root->node.flags[SZ_M_GET], SZ_RT_PUBLIC);
	EXPECT_EQ(root->node.route[SZ_M_POST], SZ_ROUTE_NONE);
	EXPECT_EQ(exact->node.route[SZ_M_GET], 0);
	EXPECT_EQ(exact->node.flags[SZ_M_GET], SZ_RT_PUBLIC);
	EXPECT_EQ(exact->node.route[SZ_M_POST], 1);
	EXPECT_EQ(exact->node.flags[SZ_M_POST], SZ_RT_ASK);
	EXPECT_EQ(exact->node.route[SZ_M_PUT], SZ_ROUTE_NONE);
	EXPECT_EQ(below->node.route[SZ_M_POST], 1);
	EXPECT_EQ(below->node.route[SZ_M_PUT], 2);
	EXPECT_EQ(below->node.flags[SZ_M_PUT], 0);
	free(nodes);
	sz_conf_free(c);
}

/* What the definition says, written down on its own. */
static u16 reference_route(const struct sz_conf_service *s, u32 m, const char *x)
{
	u16 best = SZ_ROUTE_NONE;
	size_t best_len = 0;

	for (size_t i = 0; i < s->n_routes; i++) {
		const char *p = s->routes[i].path;
		size_t n = strlen(p);
		bool match =
			!strcmp(x, p) || (!strncmp(x, p, n) && (p[n - 1] == '/' || x[n] == '/'));

		if (match && (s->routes[i].methods >> m & 1) && n > best_len) {
			best_len = n;
			best = (u16)i;
		}
	}
	return best;
}

/* The kernel's lookup: the path and a NUL, cut to the key, against the longest stored prefix. */
static const struct sz_policy_node *lpm(const struct sz_policy_node *nodes, size_t n,
					u32 service_id, const char *x)
{
	const struct sz_policy_node *best = NULL;
	u8 key[SZ_PATH_MAX] = {0};
	size_t len = strlen(x) + 1;

	if (len > SZ_PATH_MAX)
		len = SZ_PATH_MAX;
	memcpy(key, x, len);
	for (size_t i = 0; i < n; i++) {
		size_t stored = (nodes[i].key.prefixlen - 32) / 8;

		if (nodes[i].key.service == service_id && stored <= len &&
		    !memcmp(nodes[i].key.path, key, stored) &&
		    (!best || nodes[i].key.prefixlen > best->key.prefixlen))
			best = &nodes[i];
	}
	return best;
}

static u64 seed = 0x5eed;

static u32 random_below(u32 n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(seed >> 33) % n;
}

static void random_path(char *s, u32 max)
{
	u32 n = random_below(max);

	*s++ = '/';
	while (n--)
		*s++ = "/aab"[random_below(4)];
	*s = 0;
}

#define TABLE_MAX 12

/* A table without two routes that have one path and a method in common, as the file guarantees. */
static void random_table(struct sz_conf_service *s, char paths[TABLE_MAX][16])
{
	u32 n = 1 + random_below(TABLE_MAX);

	s->n_routes = 0;
	while (n--) {
		struct sz_conf_route *t = &s->routes[s->n_routes];
		u32 taken = 0;

		*t = (struct sz_conf_route){.path = paths[s->n_routes]};
		random_path(t->path, 7);
		for (size_t i = 0; i < s->n_routes; i++)
			if (!strcmp(s->routes[i].path, t->path))
				taken |= s->routes[i].methods;
		t->methods = (random_below(3) ? random_below(256) : 255) & ~taken;
		t->public = random_below(2);
		t->each = random_below(2);
		s->n_routes += t->methods != 0;
	}
}

static bool agree(const struct sz_conf_service *s, const struct sz_policy_node *nodes, size_t n,
		  const char *path)
{
	const struct sz_policy_node *hit = lpm(nodes, n, s->id, path);
	struct sz_policy_request req = {.path = path, .path_len = strlen(path)};
	bool ok = true;

	for (u32 m = 0; m < SZ_METHOD_COUNT; m++) {
		u16 want = reference_route(s, m, path), route, flags = 0;

		req.method = (enum sz_method)m;
		route = sz_policy_route(s, &req);
		if (want != SZ_ROUTE_NONE)
			flags = (u16)((s->routes[want].public ? SZ_RT_PUBLIC : 0) |
				      (s->routes[want].each ? SZ_RT_ASK : 0));
		ok &= route == want && (hit ? hit->node.route[m] : SZ_ROUTE_NONE) == want &&
		      (hit ? hit->node.flags[m] : 0) == flags;
	}
	return ok;
}

TEST(lpm_nodes_give_for_every_path_what_routes_give)
{
	struct sz_conf_route routes[TABLE_MAX];
	struct sz_conf_service s = {.id = 7, .routes = routes};
	char paths[TABLE_MAX][16], path[16];
	u32 wrong = 0, hits = 0;

	for (u32 round = 0; round < 5000; round++) {
		struct sz_policy_node *nodes;
		size_t n;

		random_table(&s, paths);
		nodes = sz_policy_compile(&s, &n);
		for (u32 i = 0; i < 40; i++) {
			random_path(path, 10);
			hits += lpm(nodes, n, s.id, path) != NULL;
			if (agree(&s, nodes, n, path))
				continue;
			if (!wrong++)
				printf("# round %u: differs for %s\n", round, path);
		}
		free(nodes);
	}
	EXPECT_EQ(wrong, 0);
	EXPECT_TRUE(hits > 5000 && hits < 5000 * 40); /* both outcomes were seen */
}

TEST(longest_route_path_fits_a_key_and_still_tells_segments)
{
	char path[SZ_PATH_MAX + 64] = {0};
	struct sz_conf_route route = {.path = path, .methods = 255};
	struct sz_conf_service s = {.id = 1, .routes = &route, .n_routes = 1};
	struct sz_policy_node *nodes;
	char x[SZ_PATH_MAX + 64];
	size_t n;

	memset(path, 'a', SZ_PATH_MAX - 1);
	path[0] = '/';
	nodes = sz_policy_compile(&s, &n);
	EXPECT_EQ(n, 2);
	for (size_t i = 0; i < 4; i++) {
		snprintf(x, sizeof(x), "%s%s", path, ((const char *[]){"", "/", "/b", "b"})[i]);
		EXPECT_TRUE(agree(&s, nodes, n, x));
		EXPECT_EQ(lpm(nodes, n, 1, x) != NULL, i < 3);
	}
	free(nodes);
}

/* ---- tokens
 * --------------------------------------------------------------------------------------- */

/* Whether a token with these claims may use the one route. */
static bool allowed(const char *route, const char *claims)
{
	struct sz_conf *c = service(route);
	json_t *j = json_loads(claims, 0, NULL);
	struct sz_policy_answer a;
	struct sz_policy_request req = {.method = SZ_M_GET, .path = "/", .path_len = 1};
	enum sz_reason reason;
	u16 id;

	if (!EXPECT_TRUE(c && j))
		return false;
	for_token(&c->services[0], j, &a);
	reason = decide(&c->services[0], j, &req, &id, NULL);
	EXPECT_EQ(id, 0);
	EXPECT_EQ(reason, a.allow[0] & 1 ? SZ_R_TICKET : SZ_R_NO_SCOPE);
	json_decref(j);
	sz_conf_free(c);
	return a.allow[0] & 1;
}

TEST(scopes_are_words_of_scope_or_scp)
{
	static const char one[] = "  - {path: /, scopes: [b]}\n";
	static const char two[] = "  - {path: /, scopes: [a, b]}\n";

	EXPECT_TRUE(allowed(one, "{\"scope\":\"b\"}"));
	EXPECT_TRUE(allowed(one, "{\"scope\":\"a  b\"}"));
	EXPECT_TRUE(allowed(one, "{\"scp\":\"a b\"}"));
	EXPECT_TRUE(allowed(one, "{\"scp\":[\"a\",\"b\"]}"));
	EXPECT_TRUE(allowed(two, "{\"scope\":\"a\",\"scp\":[\"b\"]}"));
	EXPECT_TRUE(allowed(two, "{\"scope\":\"b a\"}"));
	EXPECT_TRUE(!allowed(two, "{\"scope\":\"b\"}"));
	EXPECT_TRUE(!allowed(one, "{\"scope\":\"bb ab b2\"}"));
	EXPECT_TRUE(!allowed(one, "{\"scope\":\"B\"}"));
	EXPECT_TRUE(!allowed(one, "{\"scope\":\"\"}"));
	EXPECT_TRUE(!allowed(one, "{\"scp\":[\"a b\",7]}"));
	EXPECT_TRUE(!allowed(one, "{\"scope\":[\"b\"]}"));
	EXPECT_TRUE(!allowed(one, "{\"scopes\":\"b\"}"));
	EXPECT_TRUE(!allowed(one, "{}"));
}

TEST(claims_compare_as_text_or_json_value)
{
#define CLAIM(v) "  - {path: /, claims: {c: " v "}}\n"
	EXPECT_TRUE(allowed(CLAIM("ops"), "{\"c\":\"ops\"}"));
	EXPECT_TRUE(!allowed(CLAIM("ops"), "{\"c\":\"op\"}"));
	EXPECT_TRUE(!allowed(CLAIM("ops"), "{\"c\":\"opsx\"}"));
	EXPECT_TRUE(allowed(CLAIM("3"), "{\"c\":3}"));
	EXPECT_TRUE(allowed(CLAIM("3"), "{\"c\":\"3\"}"));
	EXPECT_TRUE(!allowed(CLAIM("03"), "{\"c\":3}"));
	EXPECT_TRUE(allowed(CLAIM("-1"), "{\"c\":-1}"));
	EXPECT_TRUE(allowed(CLAIM("0.1"), "{\"c\":0.1}"));
	EXPECT_TRUE(!allowed(CLAIM("0.1"), "{\"c\":0.2}"));
	EXPECT_TRUE(allowed(CLAIM("true"), "{\"c\":true}"));
	EXPECT_TRUE(!allowed(CLAIM("true"), "{\"c\":false}"));
	EXPECT_TRUE(!allowed(CLAIM("true"), "{\"c\":1}"));
	EXPECT_TRUE(!allowed(CLAIM("\"null\""), "{\"c\":null}"));
	EXPECT_TRUE(!allowed(CLAIM("\"[1]\""), "{\"c\":[[1]]}"));
	EXPECT_TRUE(!allowed(CLAIM("\"{}\""), "{\"c\":{}}"));
}

TEST(array_claim_matches_by_membership)
{
	EXPECT_TRUE(allowed(CLAIM("ops"), "{\"c\":[\"dev\",\"ops\"]}"));
	EXPECT_TRUE(allowed(CLAIM("2"), "{\"c\":[1,2]}"));
	EXPECT_TRUE(!allowed(CLAIM("ops"), "{\"c\":[\"dev\"]}"));
	EXPECT_TRUE(!allowed(CLAIM("ops"), "{\"c\":[]}"));
	EXPECT_TRUE(!allowed(CLAIM("ops"), "{\"c\":[[\"ops\"]]}"));
}

TEST(dots_descend_unless_a_member_has_the_whole_name)
{
	static const char org[] = "  - {path: /, claims: {realm.org: x}}\n";
	static const char url[] = "  - {path: /, claims: {\"https://example.com/role\": x}}\n";

	EXPECT_TRUE(allowed(org, "{\"realm\":{\"org\":\"x\"}}"));
	EXPECT_TRUE(allowed(org, "{\"realm.org\":\"x\"}"));
	EXPECT_TRUE(!allowed(org, "{\"realm\":\"x\"}"));
	EXPECT_TRUE(!allowed(org, "{\"realm\":{\"orgs\":\"x\"}}"));
	EXPECT_TRUE(!allowed(org, "{\"org\":\"x\"}"));
	EXPECT_TRUE(!allowed(org, "{\"realm\":[{\"org\":\"x\"}]}"));
	EXPECT_TRUE(allowed(url, "{\"https://example.com/role\":\"x\"}"));
}

TEST(all_scopes_and_all_claims_are_needed)
{
	static const char r[] = "  - {path: /, scopes: [a], claims: {c: d, e: f}}\n";

	EXPECT_TRUE(allowed(r, "{\"scope\":\"a\",\"c\":\"d\",\"e\":\"f\"}"));
	EXPECT_TRUE(!allowed(r, "{\"c\":\"d\",\"e\":\"f\"}"));
	EXPECT_TRUE(!allowed(r, "{\"scope\":\"a\",\"c\":\"d\"}"));
	EXPECT_TRUE(!allowed(r, "{\"scope\":\"a\",\"e\":\"f\"}"));
}

TEST(token_answer_has_one_bit_for_each_route)
{
	struct sz_buf b = {0};
	struct sz_policy_answer a;
	struct sz_conf *c;
	json_t *j;

	sz_buf_printf(&b, "  - {path: /any}\n"
			  "  - {path: /a, scopes: a}\n"
			  "  - {path: /b, scopes: b}\n"
			  "  - {path: /ea, scopes: a, decide: each}\n"
			  "  - {path: /eb, scopes: b, decide: each}\n"
			  "  - {path: /p, public: true}\n"
			  "  - {path: /pe, public: true, decide: each}\n");
	for (int i = 7; i < 256; i++)
		sz_buf_printf(&b, "  - {path: /r%d, scopes: %s}\n", i,
			      i == 64 || i == 255 ? "a" : "b");
	c = service(b.data);
	j = json_pack("{s:s}", "scope", "a");
	ASSERT_TRUE(c && j);
	memset(&a, 0xff, sizeof(a));
	for_token(&c->services[0], j, &a);
	EXPECT_EQ(a.allow[0], 1 << 0 | 1 << 1 | 1 << 5);
	EXPECT_EQ(a.ask[0], 1 << 3 | 1 << 6);
	EXPECT_EQ(a.allow[1], 1);
	EXPECT_EQ(a.allow[2], 0);
	EXPECT_TRUE(a.allow[3] == 1ull << 63);
	EXPECT_EQ(a.ask[1] | a.ask[2] | a.ask[3], 0);
	json_decref(j);
	sz_conf_free(c);
	sz_buf_done(&b);
}

/* ---- one request, in words
 * ------------------------------------------------------------------------- */

static void expect_decision(const struct sz_conf *c, const char *claims, enum sz_method m,
			    const char *path, enum sz_reason reason, u16 route, const char *words)
{
	json_t *j = claims ? json_loads(claims, 0, NULL) : NULL;
	struct sz_policy_request req = {.method = m, .path = path, .path_len = strlen(path)};
	struct sz_error why = {0};
	u16 id = 77;

	EXPECT_EQ(decide(&c->services[0], j, &req, &id, &why), reason);
	EXPECT_EQ(id, route);
	EXPECT_STREQ(why.msg, words);
	json_decref(j);
}

TEST(decision_says_in_words_what_decided)
{
	struct sz_conf *c =
		service("  - {path: /orders, methods: GET, scopes: orders:read}\n"
			"  - {path: /ops, claims: {department: ops}}\n"
			"  - {path: /me}\n"
			"  - {path: /health, methods: GET, public: true}\n"
			"  - {path: /both, name: both, scopes: [a, b], claims: {c: d}}\n");

	ASSERT_TRUE(c != NULL);
	expect_decision(c, "{\"scope\":\"orders:list\"}", SZ_M_GET, "/orders/7", SZ_R_NO_SCOPE, 0,
			"route \"GET /orders\" needs scope orders:read; the token has orders:list");
	expect_decision(c, "{}", SZ_M_GET, "/orders", SZ_R_NO_SCOPE, 0,
			"route \"GET /orders\" needs scope orders:read; the token has no scopes");
	expect_decision(c, "{\"scope\":\"x\",\"scp\":[\"y\",\"z\"]}", SZ_M_GET, "/orders",
			SZ_R_NO_SCOPE, 0,
			"route \"GET /orders\" needs scope orders:read; the token has x y z");
	expect_decision(c, "{\"scope\":\"orders:read\"}", SZ_M_GET, "/orders", SZ_R_TICKET, 0,
			"route \"GET /orders\" needs scope orders:read; the token has all of it");
	expect_decision(c, NULL, SZ_M_GET, "/orders", SZ_R_NO_TOKEN, 0,
			"route \"GET /orders\" needs a token; none was sent");
	expect_decision(c, "{}", SZ_M_POST, "/orders", SZ_R_NO_ROUTE, SZ_ROUTE_NONE,
			"route \"GET /orders\" covers the path /orders, but no route covers it for "
			"method POST");
	expect_decision(c, NULL, SZ_M_GET, "/none", SZ_R_NO_TOKEN, SZ_ROUTE_NONE,
			"no route of service \"svc\" covers the path /none");
	expect_decision(c, "{\"department\":[\"dev\"]}", SZ_M_PUT, "/ops", SZ_R_NO_SCOPE, 1,
			"route \"* /ops\" needs claim department = ops; the token has [\"dev\"]");
	expect_decision(
		c, "{}", SZ_M_PUT, "/ops", SZ_R_NO_SCOPE, 1,
		"route \"* /ops\" needs claim department = ops; the token has no such claim");
	expect_decision(c, "{}", SZ_M_PUT, "/me", SZ_R_TICKET, 2,
			"route \"* /me\" takes any valid token");
	expect_decision(c, NULL, SZ_M_GET, "/health", SZ_R_TICKET, 3,
			"route \"GET /health\" is public");
	expect_decision(c, "{\"scp\":\"a b\",\"c\":\"d\"}", SZ_M_PUT, "/both", SZ_R_TICKET, 4,
			"route \"both\" needs scopes a b, claim c = d; the token has all of it");
	sz_conf_free(c);
}

TEST(words_stay_whole_where_a_token_is_long)
{
	struct sz_conf *c = service("  - {path: /, scopes: a}\n");
	struct sz_policy_request req = {.method = SZ_M_GET, .path = "/", .path_len = 1};
	struct sz_error why = {0};
	struct sz_buf b = {0};
	json_t *j, *text;
	u16 id;

	ASSERT_TRUE(c != NULL);
	for (int i = 0; i < 4000; i++)
		sz_buf_printf(&b, "é");
	j = json_pack("{s:s}", "scope", b.data);
	EXPECT_EQ(decide(&c->services[0], j, &req, &id, &why), SZ_R_NO_SCOPE);
	EXPECT_TRUE(strlen(why.msg) < 256);
	text = json_string(why.msg); /* NULL where it is not UTF-8 */
	EXPECT_TRUE(text != NULL);
	json_decref(text);
	json_decref(j);
	sz_buf_done(&b);
	sz_conf_free(c);
}

TEST(first_priority_whose_conditions_all_hold_counts)
{
	static char *ops[] = {"ops"}, *both[] = {"ops", "read"};
	static struct sz_conf_claim batch[] = {{"client.kind", "batch"}};
	static struct sz_conf_priority list[] = {
		{.priority = SZ_PRIORITY_LOW, .claims = batch, .n_claims = 1},
		{.priority = SZ_PRIORITY_HIGH, .issuer = "i", .scopes = both, .n_scopes = 2},
		{.priority = SZ_PRIORITY_NORMAL, .scopes = ops, .n_scopes = 1},
	};
	const struct sz_conf c = {.priorities = list, .n_priorities = 3};
	static const struct {
		const char *claims, *issuer;
		enum sz_priority is;
	} cases[] = {
		{"{}", "i", SZ_PRIORITY_NONE},
		{"{\"scope\": \"read\"}", "i", SZ_PRIORITY_NONE},
		{"{\"scope\": \"ops\"}", "i", SZ_PRIORITY_NORMAL},
		{"{\"scope\": \"read ops\"}", "i", SZ_PRIORITY_HIGH},
		{"{\"scope\": \"read ops\"}", "other", SZ_PRIORITY_NORMAL},
		{"{\"scope\": \"read ops\"}", NULL, SZ_PRIORITY_NORMAL},
		{"{\"scope\": \"read ops\", \"client\": {\"kind\": \"batch\"}}", "i",
		 SZ_PRIORITY_LOW},
		{"{\"client\": \"batch\"}", "i", SZ_PRIORITY_NONE},
	};

	for (size_t i = 0; i < SZ_ARRAY_LEN(cases); i++) {
		json_t *claims = json_loads(cases[i].claims, 0, NULL);
		struct sz_policy_subject who = {.claims = claims, .issuer = cases[i].issuer};

		ASSERT_TRUE(claims != NULL);
		EXPECT_EQ(sz_policy_priority(&c, &who), cases[i].is);
		json_decref(claims);
	}
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A decision on one token: the issuer's keys and rules, revocation by each name, the routes. */
#include "harness.h"
#include "verify/verify.h"

#include <unistd.h>

#define NOW 1000000

static struct sz_error e;
static json_t *key;
static bool bound; /* sent with the DPoP scheme */
static const char *issuer_has = "";

static struct sz_verifier *verifier(void)
{
	char path[] = "/tmp/sz-verify-XXXXXX";
	int fd = mkstemp(path);
	struct sz_buf b = {0};
	struct sz_verifier *v = NULL;
	struct sz_conf *c;
	json_t *set;
	char *text;

	ASSERT_TRUE(fd >= 0);
	ASSERT_EQ(sz_key_generate(SZ_ALG_EDDSA, &key, &set, &e), 0);
	text = json_dumps(set, 0);
	EXPECT_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	sz_buf_printf(&b,
		      "interfaces: [eth0]\n"
		      "issuers: [{issuer: i, jwks: %s, audiences: a%s}]\n"
		      "services:\n- name: svc\n  address: \"*:80\"\n"
		      "  routes: [{path: /a, scopes: [s]}, {path: /b, scopes: [t]},\n"
		      "    {path: /c, scopes: [s], dpop: required}]\n",
		      path, issuer_has);
	c = sz_conf_parse(b.data, b.len, "t.yaml", &e);
	if (EXPECT_TRUE(c != NULL))
		EXPECT_EQ(sz_verifier_new(c, &v, &e), 0);
	unlink(path);
	sz_buf_done(&b);
	json_decref(set);
	free(text);
	ASSERT_TRUE(v != NULL);
	return v;
}

static const struct sz_policy_moment here = {.now_ns = NOW * 1000000000ll};

static bool is_id(u32 kind, const struct sz_id *id, u64 issued_s, void *arg)
{
	(void)kind;
	(void)issued_s;
	return !id || (arg && !memcmp(id, arg, sizeof(*id)));
}

static struct sz_decision decide(struct sz_verifier *v, const char *claims, struct sz_id *revoked)
{
	json_t *c = json_loads(claims, 0, NULL);
	struct sz_buf b = {0};
	struct sz_decision d;

	EXPECT_EQ(sz_token_sign(key, c, &b, &e), 0);
	(bound ? sz_verifier_decide_bound : sz_verifier_decide)(
		v, &sz_verifier_conf(v)->services[0], b.data, b.len, &here, is_id, revoked, &d);
	sz_buf_done(&b);
	json_decref(c);
	return d;
}

#define GOOD                                                                                       \
	"{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"u\",\"jti\":\"j\",\"exp\":1000100,"              \
	"\"iat\":999000,\"sid\":\"x\",\"scope\":\"s\"}"

TEST(good_token_allows_the_routes_it_has_scopes_for)
{
	struct sz_verifier *v = verifier();
	struct sz_decision d = decide(v, GOOD, NULL);

	EXPECT_EQ(d.reason, SZ_R_NONE);
	EXPECT_EQ(d.routes.allow[0], 1);
	EXPECT_EQ(d.routes.ask[0], 4); /* the daemon says what is missing there */
	EXPECT_EQ(d.principal, sz_principal_id("i", "u"));
	sz_decision_done(&d);
	sz_verifier_unref(v);
	json_decref(key);
}

TEST(token_of_an_issuer_that_is_not_configured_is_refused)
{
	struct sz_verifier *v = verifier();
	struct sz_decision d = decide(v, "{\"iss\":\"k\",\"aud\":\"a\",\"exp\":1000100}", NULL);

	EXPECT_EQ(d.reason, SZ_R_BAD_ISSUER);
	EXPECT_EQ(d.routes.allow[0], 0);
	sz_decision_done(&d);
	sz_verifier_unref(v);
	json_decref(key);
}

TEST(token_is_refused_when_any_of_its_names_is_revoked)
{
	struct sz_verifier *v = verifier();
	struct sz_decision good = decide(v, GOOD, NULL), d;

	EXPECT_EQ(good.names.issued_s, 999000);
	for (u32 kind = 1; kind < SZ_REVOKE_KIND_COUNT; kind++) {
		EXPECT_TRUE(good.names.present & 1u << kind);
		d = decide(v, GOOD, &good.names.id[kind]);
		EXPECT_EQ(d.reason, SZ_R_REVOKED);
		EXPECT_EQ(d.routes.allow[0], 0);
		EXPECT_CONTAINS(d.detail.msg, sz_revoke_kind_name(kind));
		sz_decision_done(&d);
	}
	sz_decision_done(&good);
	sz_verifier_unref(v);
	json_decref(key);
}

static bool holds(u32 kind, const struct sz_id *id, u64 issued_s, void *arg)
{
	const struct sz_names *names = arg;
	struct sz_revoked v = {.before_s = 999001};

	(void)kind;
	if (!id)
		return true;
	return !memcmp(id, &names->id[SZ_REVOKE_PRINCIPAL_BEFORE], sizeof(*id)) &&
	       sz_revoked_holds(&v, issued_s, NOW);
}

TEST(what_was_issued_before_an_instant_is_revoked_and_what_came_later_is_not)
{
	struct sz_verifier *v = verifier();
	struct sz_decision d = decide(v, GOOD, NULL);
	struct sz_names n = d.names;

	EXPECT_EQ(sz_names_revoked(&n, holds, &n), SZ_REVOKE_PRINCIPAL_BEFORE);
	n.issued_s = 999001;
	EXPECT_EQ(sz_names_revoked(&n, holds, &n), 0);
	n.issued_s = 0; /* does not say: it may be as old as it likes */
	EXPECT_EQ(sz_names_revoked(&n, holds, &n), SZ_REVOKE_PRINCIPAL_BEFORE);
	sz_decision_done(&d);
	sz_verifier_unref(v);
	json_decref(key);
}

static enum sz_reason reason(const char *more, bool with_dpop)
{
	struct sz_verifier *v = verifier();
	struct sz_buf text = {0};
	struct sz_decision d;
	enum sz_reason r;

	sz_buf_printf(&text, "{\"iss\":\"i\",\"aud\":\"a\",\"exp\":1000100,\"scope\":\"s\"%s}",
		      more);
	bound = with_dpop;
	d = decide(v, text.data, NULL);
	bound = false;
	r = d.reason;
	EXPECT_EQ(d.routes.allow[0], r != SZ_R_NONE ? 0 : with_dpop ? 1 | 4 : 1);
	EXPECT_EQ(d.routes.ask[0], r == SZ_R_NONE && !with_dpop ? 4 : 0);
	EXPECT_EQ(d.jkt != NULL, strstr(more, "jkt") != NULL);
	sz_decision_done(&d);
	sz_buf_done(&text);
	sz_verifier_unref(v);
	json_decref(key);
	return r;
}

#define BOUND ",\"cnf\":{\"jkt\":\"x\"}"
#define BOUND_TOKEN                                                                                \
	"{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"u\",\"exp\":1000100,\"scope\":\"s\"" BOUND "}"

TEST(token_and_the_scheme_it_was_sent_with_belong_together)
{
	EXPECT_EQ(reason("", false), SZ_R_NONE);
	EXPECT_EQ(reason("", true), SZ_R_DPOP_BINDING);
	EXPECT_EQ(reason(BOUND, false), SZ_R_DPOP_BINDING);
	EXPECT_EQ(reason(BOUND, true), SZ_R_NONE);
	EXPECT_EQ(reason(",\"cnf\":{\"x5t#S256\":\"x\"}", false), SZ_R_DPOP_BINDING);
	EXPECT_EQ(reason(",\"cnf\":[]", false), SZ_R_DPOP_BINDING);
	issuer_has = ", dpop: off";
	EXPECT_EQ(reason("", false), SZ_R_NONE);
	EXPECT_EQ(reason(BOUND, true), SZ_R_DPOP_BINDING);
	issuer_has = ", dpop: required";
	EXPECT_EQ(reason("", false), SZ_R_DPOP_BINDING);
	EXPECT_EQ(reason(BOUND, true), SZ_R_NONE);
	issuer_has = "";
}

/* ---- issuers that are asked over the network ------------------------------------------------- */

#define REMOTE                                                                                     \
	"interfaces: [eth0]\n"                                                                     \
	"state_dir: /nonexistent\n"                                                                \
	"issuers:\n"                                                                               \
	"- {issuer: i, jwks_uri: \"https://i.test/k\", audiences: a}\n"                            \
	"- issuer: o\n  audiences: a\n"                                                            \
	"  introspection: {endpoint: \"https://o.test/i\", client_id: c, client_secret_file: s}\n" \
	"services:\n- name: svc\n  address: \"*:80\"\n"                                            \
	"  routes: [{path: /a, scopes: [s]}, {path: /b, scopes: [t]}]\n"

static struct sz_verifier *remote(void)
{
	struct sz_conf *c = sz_conf_parse(REMOTE, strlen(REMOTE), "t.yaml", &e);
	struct sz_verifier *v = NULL;
	json_t *set;

	ASSERT_TRUE(c);
	ASSERT_EQ(sz_verifier_new(c, &v, &e), 0);
	ASSERT_EQ(sz_key_generate(SZ_ALG_EDDSA, &key, &set, &e), 0);
	json_decref(set);
	return v;
}

/* The verifier with `key` in force for its first issuer, to be used before until_s. */
static struct sz_verifier *with_key(struct sz_verifier *old, s64 until_s)
{
	struct sz_idp_keys keys = {.fetched_s = 1, .changed_s = 1, .until_s = until_s};
	json_t *set = json_pack("{s:[o]}", "keys", json_deep_copy(key));
	struct sz_verifier *v;
	char *text;

	json_object_del(json_array_get(json_object_get(set, "keys"), 0), "d");
	text = json_dumps(set, 0);
	EXPECT_EQ(sz_jwks_parse(text, strlen(text), ~0u, &keys.set, &e), 0);
	v = sz_verifier_with_keys(old, 0, &keys);
	sz_jwks_free(keys.set);
	sz_verifier_unref(old);
	json_decref(set);
	free(text);
	return v;
}

TEST(keys_that_are_too_old_or_missing_are_asked_for)
{
	struct sz_verifier *v = remote();
	u64 without = sz_verifier_keys_id(v);
	struct sz_decision d = decide(v, GOOD, NULL);

	EXPECT_EQ(d.reason, SZ_R_KEYS_DOWN);
	EXPECT_EQ(d.wants, SZ_WANTS_KEYS);
	EXPECT_EQ(d.issuer, 0);
	EXPECT_EQ(d.kid, 0);
	sz_decision_done(&d);
	v = with_key(v, NOW + 1);
	EXPECT_TRUE(sz_verifier_keys_id(v) != without);
	d = decide(v, GOOD, NULL);
	EXPECT_EQ(d.reason, SZ_R_NONE);
	EXPECT_EQ(d.wants, SZ_WANTS_NOTHING);
	sz_decision_done(&d);
	v = with_key(v, NOW);
	d = decide(v, GOOD, NULL);
	EXPECT_EQ(d.reason, SZ_R_KEYS_DOWN);
	sz_decision_done(&d);
	sz_verifier_unref(v);
	json_decref(key);
}

TEST(a_key_that_a_provider_may_have_by_now_is_asked_for)
{
	struct sz_verifier *v = with_key(remote(), INT64_MAX);
	struct sz_decision d, same;
	json_t *old = json_deep_copy(key);

	json_object_set_new(key, "kid", json_string("new"));
	d = decide(v, GOOD, NULL);
	EXPECT_EQ(d.reason, SZ_R_UNKNOWN_KEY);
	EXPECT_EQ(d.wants, SZ_WANTS_KEYS);
	EXPECT_TRUE(d.kid != 0);
	same = decide(v, GOOD, NULL);
	EXPECT_EQ(same.kid, d.kid);
	sz_decision_done(&same);
	json_object_set_new(key, "kid", json_string("newer"));
	same = decide(v, GOOD, NULL);
	EXPECT_TRUE(same.kid != d.kid);
	sz_decision_done(&same);
	sz_decision_done(&d);
	json_decref(key);
	/* A key set in a file is all there is. */
	sz_verifier_unref(v);
	key = old;
	json_decref(key);
	v = verifier();
	json_object_set_new(key, "kid", json_string("new"));
	d = decide(v, GOOD, NULL);
	EXPECT_EQ(d.reason, SZ_R_UNKNOWN_KEY);
	EXPECT_EQ(d.wants, SZ_WANTS_NOTHING);
	sz_decision_done(&d);
	sz_verifier_unref(v);
	json_decref(key);
}

static struct sz_decision decide_text(struct sz_verifier *v, const char *token)
{
	struct sz_decision d;

	sz_verifier_decide(v, &sz_verifier_conf(v)->services[0], token, strlen(token), &here, is_id,
			   NULL, &d);
	return d;
}

TEST(opaque_tokens_are_asked_about_and_those_that_can_be_verified_are_not)
{
	static const struct {
		const char *token;
		enum sz_wants wants;
		enum sz_reason reason;
	} cases[] = {
		{"0123456789abcdef", SZ_WANTS_ANSWER, SZ_R_INTROSPECTION_DOWN},
		{"a.b.c", SZ_WANTS_ANSWER, SZ_R_INTROSPECTION_DOWN},
		{"eyJhbGciOiJFZERTQSJ9", SZ_WANTS_ANSWER, SZ_R_INTROSPECTION_DOWN},
		{"eyJh.a.b.c.d", SZ_WANTS_ANSWER, SZ_R_INTROSPECTION_DOWN},
		{"", SZ_WANTS_ANSWER, SZ_R_INTROSPECTION_DOWN},
		{"eyJh.e30.", SZ_WANTS_NOTHING, SZ_R_BAD_TOKEN},
		/* {"alg":"EdDSA"} . {"iss":"o"}: its issuer publishes no keys. */
		{"eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJvIn0.AA", SZ_WANTS_ANSWER,
		 SZ_R_INTROSPECTION_DOWN},
	};
	struct sz_verifier *v = with_key(remote(), INT64_MAX), *file;
	struct sz_decision d;
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(cases); i++) {
		d = decide_text(v, cases[i].token);
		if (!EXPECT_EQ(d.wants, cases[i].wants) || !EXPECT_EQ(d.reason, cases[i].reason))
			printf("# %s\n", cases[i].token);
		if (d.wants == SZ_WANTS_ANSWER)
			EXPECT_EQ(d.issuer, 1);
		sz_decision_done(&d);
	}
	sz_verifier_unref(v);
	json_decref(key);
	file = verifier(); /* nobody can be asked */
	d = decide_text(file, "0123456789abcdef");
	EXPECT_EQ(d.reason, SZ_R_BAD_TOKEN);
	EXPECT_EQ(d.wants, SZ_WANTS_NOTHING);
	sz_decision_done(&d);
	sz_verifier_unref(file);
	json_decref(key);
}

TEST(an_answer_goes_through_revocation_and_policy_like_any_token)
{
	static const char text[] = "{\"active\":true,\"aud\":\"a\",\"sub\":\"u\",\"scope\":\"t\"}";
	struct sz_idp_answer a = {.text = text, .len = strlen(text), .until_s = NOW + 60};
	struct sz_verifier *v = remote();
	const struct sz_conf_service *svc = &sz_verifier_conf(v)->services[0];
	struct sz_decision d;
	struct sz_id subject;

	sz_verifier_decide_answer(v, svc, 1, &a, "opaque", 6, &here, false, is_id, NULL, &d);
	EXPECT_EQ(d.reason, SZ_R_NONE);
	EXPECT_EQ(d.routes.allow[0], 2);
	EXPECT_EQ(d.principal, sz_principal_id("o", "u"));
	EXPECT_EQ(d.until_s, NOW + 60);
	EXPECT_TRUE(d.names.present & 1u << SZ_REVOKE_TOKEN);
	EXPECT_TRUE(!(d.names.present & 1u << SZ_REVOKE_KEY));
	subject = d.names.id[SZ_REVOKE_SUBJECT];
	sz_decision_done(&d);
	sz_verifier_decide_answer(v, svc, 1, &a, "opaque", 6, &here, false, is_id, &subject, &d);
	EXPECT_EQ(d.reason, SZ_R_REVOKED);
	sz_decision_done(&d);
	a.text = "{}";
	a.len = 2;
	sz_verifier_decide_answer(v, svc, 1, &a, "opaque", 6, &here, false, is_id, NULL, &d);
	EXPECT_EQ(d.reason, SZ_R_INTROSPECTION_DOWN);
	EXPECT_EQ(d.answer_err, -EBADMSG);
	sz_decision_done(&d);
	sz_verifier_unref(v);
	json_decref(key);
}

/* Names of some kinds could be revoked only; `arg` is their mask. */
static bool some_kinds(u32 kind, const struct sz_id *id, u64 issued_s, void *arg)
{
	(void)issued_s;
	EXPECT_TRUE(!id || *(u32 *)arg & 1u << kind); /* nobody looks for the others */
	return !id && *(u32 *)arg & 1u << kind;
}

TEST(names_that_nobody_can_have_revoked_are_not_made_until_somebody_could)
{
	static const u32 granted = 1u << SZ_REVOKE_JTI | 1u << SZ_REVOKE_SUBJECT |
				   1u << SZ_REVOKE_ISSUER | 1u << SZ_REVOKE_SESSION |
				   1u << SZ_REVOKE_KEY;
	struct sz_verifier *v = verifier();
	struct sz_decision all = decide(v, GOOD, NULL);
	struct sz_names n = all.names;
	u32 kinds = 0;

	EXPECT_EQ(all.reason, SZ_R_NONE);
	memset(&n, 0, sizeof(n));
	sz_names_complete(&n, &all.token, "t", 1, some_kinds, &kinds);
	EXPECT_EQ(n.present, granted);
	EXPECT_EQ(n.issued_s, 999000);
	EXPECT_EQ(sz_names_revoked(&n, some_kinds, &kinds), 0);
	kinds = 1u << SZ_REVOKE_PRINCIPAL | 1u << SZ_REVOKE_TOKEN;
	sz_names_complete(&n, &all.token, "t", 1, some_kinds, &kinds);
	EXPECT_EQ(n.present, granted | kinds);
	EXPECT_MEMEQ(&n.id[SZ_REVOKE_PRINCIPAL], &all.names.id[SZ_REVOKE_PRINCIPAL], 16);
	EXPECT_MEMEQ(&n.id[SZ_REVOKE_JTI], &all.names.id[SZ_REVOKE_JTI], 16);
	sz_decision_done(&all);
	sz_verifier_unref(v);
	json_decref(key);
}

/* ---- tokens whose signature was verified before ---------------------------------------------- */

static struct sz_digest digest_of(u64 n)
{
	return (struct sz_digest){{n, ~n}};
}

/* A token that is bound to a key, decided and remembered by the number `n`. */
static void learn(struct sz_known *k, struct sz_verifier *v, u64 n, size_t len)
{
	struct sz_digest dg = digest_of(n);
	struct sz_decision d;

	bound = true;
	d = decide(v, BOUND_TOKEN, NULL);
	bound = false;
	ASSERT_EQ(d.reason, SZ_R_NONE);
	sz_known_put(k, v, 1, &dg, &d, len);
	sz_decision_done(&d);
}

static bool knows(struct sz_known *k, struct sz_verifier *v, u64 generation, u64 n)
{
	struct sz_digest dg = digest_of(n);
	struct sz_known_token t = {0};
	bool found = sz_known_find(k, v, generation, &dg, &t);

	EXPECT_EQ(t.token.claims != NULL, found);
	sz_known_token_done(&t);
	return found;
}

static struct sz_decision again(struct sz_known *k, struct sz_verifier *v, s64 now, bool dpop,
				struct sz_id *revoked)
{
	static const char text[] = "eyJ.nobody.reads";
	struct sz_policy_moment at = {.now_ns = now * 1000000000ll};
	struct sz_digest dg = digest_of(1);
	struct sz_known_token t = {0};
	struct sz_decision d;

	ASSERT_TRUE(sz_known_find(k, v, 1, &dg, &t));
	sz_verifier_decide_known(v, &sz_verifier_conf(v)->services[0], &t, text, strlen(text), &at,
				 dpop, is_id, revoked, &d);
	sz_known_token_done(&t);
	return d;
}

TEST(known_token_is_decided_anew_but_for_its_signature)
{
	struct sz_verifier *v = verifier();
	struct sz_known *k = sz_known_new(4, 1000);
	struct sz_id subject = sz_revoke_id(SZ_REVOKE_SUBJECT, "u", 1);
	struct sz_id by_key = sz_revoke_id(SZ_REVOKE_KEY, "", 0);
	struct sz_decision d;

	learn(k, v, 1, 100);
	d = again(k, v, NOW, true, NULL);
	EXPECT_EQ(d.reason, SZ_R_NONE);
	EXPECT_EQ(d.routes.allow[0], 1 | 4);
	EXPECT_STREQ(d.jkt, "x");
	EXPECT_STREQ(d.token.subject, "u");
	by_key = d.names.id[SZ_REVOKE_KEY];
	sz_decision_done(&d);
	d = again(k, v, NOW, false, NULL);
	EXPECT_EQ(d.reason, SZ_R_DPOP_BINDING);
	sz_decision_done(&d);
	d = again(k, v, 1000099, true, NULL);
	EXPECT_EQ(d.reason, SZ_R_NONE);
	sz_decision_done(&d);
	d = again(k, v, 1000100 + 300, true, NULL);
	EXPECT_EQ(d.reason, SZ_R_EXPIRED);
	EXPECT_TRUE(d.token.claims == NULL);
	sz_decision_done(&d);
	d = again(k, v, NOW, true, &subject);
	EXPECT_EQ(d.reason, SZ_R_REVOKED);
	sz_decision_done(&d);
	d = again(k, v, NOW, true, &by_key);
	EXPECT_EQ(d.reason, SZ_R_REVOKED);
	sz_decision_done(&d);
	sz_known_free(k);
	sz_verifier_unref(v);
	json_decref(key);
}

TEST(other_keys_another_policy_or_generation_know_nothing)
{
	struct sz_verifier *v = verifier(), *same;
	struct sz_idp_keys keys = {.until_s = INT64_MAX};
	struct sz_known *k = sz_known_new(4, 1000);

	learn(k, v, 1, 100);
	EXPECT_TRUE(knows(k, v, 1, 1));
	EXPECT_TRUE(!knows(k, v, 2, 1));
	EXPECT_TRUE(!knows(k, v, 1, 1)); /* gone for good */
	learn(k, v, 1, 100);
	same = sz_verifier_with_keys(v, 0, &keys);
	EXPECT_TRUE(!knows(k, same, 1, 1));
	EXPECT_EQ(sz_known_count(k), 0);
	sz_known_free(k);
	sz_verifier_unref(same);
	sz_verifier_unref(v);
	json_decref(key);
}

TEST(known_token_whose_keys_are_too_old_is_looked_at_in_full)
{
	struct sz_verifier *v = with_key(remote(), NOW);
	struct sz_known *k = sz_known_new(4, 1000);
	struct sz_policy_moment before = {.now_ns = (NOW - 1) * 1000000000ll};
	json_t *c = json_loads(BOUND_TOKEN, 0, NULL);
	struct sz_digest dg = digest_of(1);
	struct sz_buf b = {0};
	struct sz_decision d;

	ASSERT_EQ(sz_token_sign(key, c, &b, &e), 0);
	sz_verifier_decide_bound(v, &sz_verifier_conf(v)->services[0], b.data, b.len, &before,
				 is_id, NULL, &d);
	ASSERT_EQ(d.reason, SZ_R_NONE);
	sz_known_put(k, v, 1, &dg, &d, b.len);
	sz_decision_done(&d);
	d = again(k, v, NOW - 1, true, NULL);
	EXPECT_EQ(d.reason, SZ_R_NONE);
	sz_decision_done(&d);
	d = again(k, v, NOW, true, NULL);
	EXPECT_EQ(d.reason, SZ_R_BAD_TOKEN); /* the text is no token */
	sz_decision_done(&d);
	sz_buf_done(&b);
	json_decref(c);
	sz_known_free(k);
	sz_verifier_unref(v);
	json_decref(key);
}

TEST(known_tokens_are_bounded_and_the_least_used_goes_first)
{
	struct sz_verifier *v = verifier();
	struct sz_known *k = sz_known_new(4, 1000);
	u64 n;

	for (n = 1; n <= 4; n++)
		learn(k, v, n, 100);
	EXPECT_TRUE(knows(k, v, 1, 1));
	learn(k, v, 5, 100);
	EXPECT_EQ(sz_known_count(k), 4);
	EXPECT_TRUE(knows(k, v, 1, 1));
	EXPECT_TRUE(!knows(k, v, 1, 2));
	learn(k, v, 6, 700); /* 400 + 700 is too much */
	EXPECT_TRUE(knows(k, v, 1, 6));
	EXPECT_TRUE(knows(k, v, 1, 1));
	EXPECT_EQ(sz_known_count(k), 4);
	learn(k, v, 7, 1001);
	EXPECT_TRUE(!knows(k, v, 1, 7));
	learn(k, v, 6, 700); /* twice */
	EXPECT_EQ(sz_known_count(k), 4);
	for (n = 100; n < 1000; n++)
		learn(k, v, n, 250);
	EXPECT_EQ(sz_known_count(k), 4);
	sz_known_free(k);
	sz_verifier_unref(v);
	json_decref(key);
}

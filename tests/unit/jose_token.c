/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A whole token: the order of the checks, the claims, and time to the second. */
#include "harness.h"
#include "jose/jose.h"

#define ALL  (~0u)
#define NOW  1000000
#define BASE "\"iss\":\"https://i\",\"aud\":\"api\""

static struct sz_error err;
static json_t *key, *other_key;
static struct sz_jwks *keys;
static const char *const audiences[] = {"api", "api2"};

static struct sz_token_rules rules_of(void)
{
	struct sz_token_rules r = {
		.issuer = "https://i",
		.audiences = audiences,
		.n_audiences = 2,
		.algs = ALL,
	};
	json_t *set;
	char *text;

	if (!key) {
		ASSERT_EQ(sz_key_generate(SZ_ALG_EDDSA, &other_key, &set, &err), 0);
		json_decref(set);
		ASSERT_EQ(sz_key_generate(SZ_ALG_EDDSA, &key, &set, &err), 0);
		text = json_dumps(set, 0);
		ASSERT_EQ(sz_jwks_parse(text, strlen(text), ALL, &keys, &err), 0);
		free(text);
		json_decref(set);
	}
	r.keys = keys;
	return r;
}

/* Signs with our key or, forged, with the other one under the same kid. */
static void sign(const char *claims, bool forged, struct sz_buf *b)
{
	json_t *v = json_loads(claims, JSON_ALLOW_NUL, NULL), *k = forged ? other_key : key;

	if (!EXPECT_TRUE(v))
		printf("# %s\n", claims);
	json_object_set(other_key, "kid", json_object_get(key, "kid"));
	ASSERT_EQ(sz_token_sign(k, v, b, &err), 0);
	json_decref(v);
}

static enum sz_reason verify_at(const char *claims, const struct sz_token_rules *rules, s64 now)
{
	struct sz_token t;
	struct sz_buf b = {0};
	enum sz_reason r;

	sign(claims, false, &b);
	err.msg[0] = 0;
	r = sz_token_verify(b.data, b.len, rules, now, &t, &err);
	EXPECT_EQ(r == SZ_R_NONE, t.claims != NULL);
	EXPECT_EQ(r == SZ_R_NONE, !err.msg[0]);
	sz_token_done(&t);
	sz_buf_done(&b);
	return r;
}

static enum sz_reason verify(const char *claims)
{
	struct sz_token_rules r = rules_of();

	return verify_at(claims, &r, NOW);
}

TEST(a_valid_token_tells_what_it_says)
{
	struct sz_token_rules r = rules_of();
	struct sz_buf b = {0};
	struct sz_token t;

	sign("{" BASE ",\"sub\":\"u\",\"jti\":\"j\",\"exp\":1000100,\"nbf\":999900,\"iat\":999901}",
	     false, &b);
	ASSERT_EQ(sz_token_verify(b.data, b.len, &r, NOW, &t, &err), SZ_R_NONE);
	EXPECT_STREQ(t.issuer, "https://i");
	EXPECT_STREQ(t.subject, "u");
	EXPECT_STREQ(t.jti, "j");
	EXPECT_STREQ(t.kid, json_string_value(json_object_get(key, "kid")));
	EXPECT_EQ(t.alg, SZ_ALG_EDDSA);
	EXPECT_EQ(t.exp, 1000100);
	EXPECT_EQ(t.nbf, 999900);
	EXPECT_EQ(t.iat, 999901);
	EXPECT_STREQ(json_string_value(json_object_get(t.header, "typ")), "at+jwt");
	sz_token_done(&t);
	EXPECT_TRUE(!t.claims && !t.issuer);
	sz_token_done(&t);
	sz_buf_done(&b);
}

TEST(exp_is_required_and_ends_the_token_to_the_second)
{
	struct sz_token_rules r = rules_of();
	const char *claims = "{" BASE ",\"exp\":1000000}";

	EXPECT_EQ(verify("{" BASE "}"), SZ_R_BAD_TOKEN);
	EXPECT_EQ(verify_at(claims, &r, NOW - 1), SZ_R_NONE);
	EXPECT_EQ(verify_at(claims, &r, NOW), SZ_R_EXPIRED);
	EXPECT_EQ(verify_at(claims, &r, NOW + 1), SZ_R_EXPIRED);
	r.skew_s = 30;
	EXPECT_EQ(verify_at(claims, &r, NOW + 29), SZ_R_NONE);
	EXPECT_EQ(verify_at(claims, &r, NOW + 30), SZ_R_EXPIRED);
	r.skew_s = 100000; /* never more than the limit */
	EXPECT_EQ(verify_at(claims, &r, NOW + SZ_SKEW_MAX - 1), SZ_R_NONE);
	EXPECT_EQ(verify_at(claims, &r, NOW + SZ_SKEW_MAX), SZ_R_EXPIRED);
}

TEST(nbf_and_iat_begin_the_token_to_the_second)
{
	static const char *const claims[] = {
		"{" BASE ",\"exp\":2000000,\"nbf\":1000000}",
		"{" BASE ",\"exp\":2000000,\"iat\":1000000}",
	};
	struct sz_token_rules r = rules_of();
	int i;

	for (i = 0; i < 2; i++) {
		r.skew_s = 0;
		EXPECT_EQ(verify_at(claims[i], &r, NOW - 1), SZ_R_NOT_YET);
		EXPECT_EQ(verify_at(claims[i], &r, NOW), SZ_R_NONE);
		r.skew_s = 30;
		EXPECT_EQ(verify_at(claims[i], &r, NOW - 31), SZ_R_NOT_YET);
		EXPECT_EQ(verify_at(claims[i], &r, NOW - 30), SZ_R_NONE);
	}
}

TEST(fractions_of_a_second_never_lengthen_a_token)
{
	struct sz_token_rules r = rules_of();

	EXPECT_EQ(verify_at("{" BASE ",\"exp\":1000000.9}", &r, NOW - 1), SZ_R_NONE);
	EXPECT_EQ(verify_at("{" BASE ",\"exp\":1000000.9}", &r, NOW), SZ_R_EXPIRED);
	EXPECT_EQ(verify_at("{" BASE ",\"exp\":2e6,\"nbf\":1000000.1}", &r, NOW), SZ_R_NOT_YET);
	EXPECT_EQ(verify_at("{" BASE ",\"exp\":2e6,\"nbf\":1000000.1}", &r, NOW + 1), SZ_R_NONE);
	EXPECT_EQ(verify_at("{" BASE ",\"exp\":2e6,\"nbf\":1000000.0}", &r, NOW), SZ_R_NONE);
	EXPECT_EQ(verify_at("{" BASE ",\"exp\":2e6,\"iat\":1000000.5}", &r, NOW), SZ_R_NONE);
}

TEST(dates_that_are_no_dates_are_refused)
{
	static const char *const bad[] = {"\"2000000\"",
					  "null",
					  "true",
					  "[2000000]",
					  "{}",
					  "-1",
					  "-0.5",
					  "253402300800",
					  "253402300800.0",
					  "1e300",
					  "9223372036854775807",
					  "-9223372036854775808"};
	static const char *const names[] = {"exp", "nbf", "iat"};
	char claims[160];
	size_t i, j;

	for (i = 0; i < SZ_ARRAY_LEN(bad); i++) {
		for (j = 0; j < SZ_ARRAY_LEN(names); j++) {
			snprintf(claims, sizeof(claims), "{" BASE "%s,\"%s\":%s}",
				 j ? ",\"exp\":2000000" : "", names[j], bad[i]);
			if (!EXPECT_EQ(verify(claims), SZ_R_BAD_TOKEN))
				printf("# %s\n", claims);
			EXPECT_CONTAINS(err.msg, names[j]);
		}
	}
	EXPECT_EQ(verify("{" BASE ",\"exp\":253402300799}"), SZ_R_NONE);
}

TEST(aud_is_a_string_or_an_array_that_names_one_of_ours)
{
	static const struct {
		const char *aud;
		enum sz_reason reason;
	} v[] = {
		{"\"api\"", SZ_R_NONE},          {"\"api2\"", SZ_R_NONE},
		{"[\"x\",\"api2\"]", SZ_R_NONE}, {"\"ap\"", SZ_R_BAD_AUDIENCE},
		{"\"api \"", SZ_R_BAD_AUDIENCE}, {"\"API\"", SZ_R_BAD_AUDIENCE},
		{"[]", SZ_R_BAD_AUDIENCE},       {"[\"x\"]", SZ_R_BAD_AUDIENCE},
		{"\"\"", SZ_R_BAD_AUDIENCE},     {"[\"api\",1]", SZ_R_BAD_TOKEN},
		{"1", SZ_R_BAD_TOKEN},           {"null", SZ_R_BAD_TOKEN},
		{"{\"api\":1}", SZ_R_BAD_TOKEN}, {"[[\"api\"]]", SZ_R_BAD_TOKEN},
	};
	struct sz_token_rules r = rules_of();
	char claims[128];
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(v); i++) {
		snprintf(claims, sizeof(claims),
			 "{\"iss\":\"https://i\",\"exp\":2000000,\"aud\":%s}", v[i].aud);
		if (!EXPECT_EQ(verify(claims), v[i].reason))
			printf("# %s\n", claims);
	}
	EXPECT_EQ(verify("{\"iss\":\"https://i\",\"exp\":2000000}"), SZ_R_BAD_AUDIENCE);
	r.n_audiences = 0;
	EXPECT_EQ(verify_at("{" BASE ",\"exp\":2000000}", &r, NOW), SZ_R_BAD_AUDIENCE);
}

TEST(iss_is_exact)
{
	EXPECT_EQ(verify("{\"aud\":\"api\",\"exp\":2000000,\"iss\":\"https://i/\"}"),
		  SZ_R_BAD_ISSUER);
	EXPECT_EQ(verify("{\"aud\":\"api\",\"exp\":2000000,\"iss\":\"https://I\"}"),
		  SZ_R_BAD_ISSUER);
	EXPECT_EQ(verify("{\"aud\":\"api\",\"exp\":2000000,\"iss\":\"\"}"), SZ_R_BAD_ISSUER);
	EXPECT_EQ(verify("{\"aud\":\"api\",\"exp\":2000000}"), SZ_R_BAD_ISSUER);
	EXPECT_EQ(verify("{\"aud\":\"api\",\"exp\":2000000,\"iss\":[\"https://i\"]}"),
		  SZ_R_BAD_TOKEN);
	EXPECT_EQ(verify("{\"aud\":\"api\",\"exp\":2000000,\"iss\":\"https://i\\u0000x\"}"),
		  SZ_R_BAD_TOKEN);
}

TEST(sub_and_jti_are_strings_where_present)
{
	EXPECT_EQ(verify("{" BASE ",\"exp\":2000000,\"sub\":1}"), SZ_R_BAD_TOKEN);
	EXPECT_EQ(verify("{" BASE ",\"exp\":2000000,\"jti\":null}"), SZ_R_BAD_TOKEN);
	EXPECT_EQ(verify("{" BASE ",\"exp\":2000000,\"sub\":\"\",\"jti\":\"\"}"), SZ_R_NONE);
}

TEST(max_age_counts_from_iat_to_the_second_and_requires_it)
{
	struct sz_token_rules r = rules_of();
	const char *claims = "{" BASE ",\"exp\":2000000,\"iat\":1000000}";

	r.max_age_s = 60;
	EXPECT_EQ(verify_at(claims, &r, NOW + 60), SZ_R_NONE);
	EXPECT_EQ(verify_at(claims, &r, NOW + 61), SZ_R_EXPIRED);
	EXPECT_EQ(verify_at("{" BASE ",\"exp\":2000000}", &r, NOW), SZ_R_BAD_TOKEN);
	r.skew_s = 30;
	EXPECT_EQ(verify_at(claims, &r, NOW + 90), SZ_R_NONE);
	EXPECT_EQ(verify_at(claims, &r, NOW + 91), SZ_R_EXPIRED);
	r.max_age_s = ~0ull;
	EXPECT_EQ(verify_at(claims, &r, NOW + 900000), SZ_R_NONE);
}

/* The forged token is wrong in every way; only what may be used unverified is reported. */
TEST(before_the_signature_only_the_issuer_is_reported)
{
	static const struct {
		const char *claims;
		enum sz_reason forged, genuine;
	} v[] = {
		{"{" BASE ",\"exp\":1}", SZ_R_BAD_TOKEN, SZ_R_EXPIRED},
		{"{" BASE ",\"exp\":2000000,\"nbf\":1999999}", SZ_R_BAD_TOKEN, SZ_R_NOT_YET},
		{"{\"iss\":\"https://i\",\"aud\":\"x\",\"exp\":1}", SZ_R_BAD_TOKEN,
		 SZ_R_BAD_AUDIENCE},
		{"{\"iss\":\"https://j\",\"exp\":1}", SZ_R_BAD_ISSUER, SZ_R_BAD_ISSUER},
		{"{" BASE ",\"exp\":2000000}", SZ_R_BAD_TOKEN, SZ_R_NONE},
	};
	struct sz_token_rules r = rules_of();
	struct sz_buf b = {0};
	struct sz_token t;
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(v); i++) {
		sign(v[i].claims, true, &b);
		EXPECT_EQ(sz_token_verify(b.data, b.len, &r, NOW, &t, &err), v[i].forged);
		if (v[i].forged == SZ_R_BAD_TOKEN)
			EXPECT_CONTAINS(err.msg, "signature");
		EXPECT_TRUE(!t.claims && !t.header && !t.issuer);
		EXPECT_EQ(verify(v[i].claims), v[i].genuine);
	}
	sz_buf_done(&b);
}

TEST(an_unknown_key_is_told_apart_from_a_wrong_signature)
{
	struct sz_token_rules r = rules_of();
	json_t *claims = json_loads("{" BASE ",\"exp\":2000000}", 0, NULL);
	struct sz_buf b = {0};
	struct sz_token t;

	json_object_set_new(other_key, "kid", json_string("elsewhere"));
	ASSERT_EQ(sz_token_sign(other_key, claims, &b, &err), 0);
	EXPECT_EQ(sz_token_verify(b.data, b.len, &r, NOW, &t, &err), SZ_R_UNKNOWN_KEY);
	EXPECT_CONTAINS(err.msg, "elsewhere");
	ASSERT_EQ(sz_token_sign(key, claims, &b, &err), 0);
	r.algs = SZ_ALG_BIT(SZ_ALG_ES256);
	EXPECT_EQ(sz_token_verify(b.data, b.len, &r, NOW, &t, &err), SZ_R_BAD_TOKEN);
	sz_buf_done(&b);
	json_decref(claims);
}

TEST(claims_that_are_not_one_strict_object_are_refused_even_when_signed)
{
	struct sz_token_rules r = rules_of();
	struct sz_buf b = {0};
	struct sz_token t;
	char *dot;

	sign("{" BASE ",\"exp\":2000000}", false, &b);
	EXPECT_EQ(sz_token_verify(b.data, b.len, &r, NOW, &t, &err), SZ_R_NONE);
	sz_token_done(&t);
	dot = strchr(b.data, '.');
	ASSERT_TRUE(dot);
	memcpy(dot + 1, "W10", 3); /* "[]" and then bytes that are not JSON */
	EXPECT_EQ(sz_token_verify(b.data, b.len, &r, NOW, &t, &err), SZ_R_BAD_TOKEN);
	EXPECT_CONTAINS(err.msg, "claims");
	EXPECT_EQ(sz_token_verify("", 0, &r, NOW, &t, &err), SZ_R_BAD_TOKEN);
	EXPECT_EQ(sz_token_verify("a.b", 3, &r, NOW, &t, &err), SZ_R_BAD_TOKEN);
	sz_buf_done(&b);
}

TEST(at_jwt_is_required_only_where_the_rules_say_so)
{
	/* typ "JWT", "application/AT+JWT", "at+jwt", none, a number. */
	static const char jwks[] = "{\"keys\":[{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":"
				   "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"}]}";
	static const struct {
		const char *jws;
		enum sz_reason reason;
	} v[] = {
		{("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2kiLCJhdWQiOiJ"
		  "hcGkiLCJleHAiOjIwMDAwMDB9.QArlWGfku9RQTIN6z1hQVG_jBJhg8fjRoZzJUf-qgD0"),
		 SZ_R_BAD_TOKEN},
		{("eyJhbGciOiJIUzI1NiIsInR5cCI6ImFwcGxpY2F0aW9uL0FUK0pXVCJ9.eyJpc3MiOiJodHR"
		  "wczovL2kiLCJhdWQiOiJhcGkiLCJleHAiOjIwMDAwMDB9.zvATAXmEhfvUnI4BUAOGAQqffk"
		  "moDmiLUlNdLKWKYjI"),
		 SZ_R_NONE},
		{("eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL2kiLCJhdWQ"
		  "iOiJhcGkiLCJleHAiOjIwMDAwMDB9.YYmOXtoWrRjlXgeFVm-UHQzM4H9rxXzWwGuDxftaqj"
		  "0"),
		 SZ_R_NONE},
		{("eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJodHRwczovL2kiLCJhdWQiOiJhcGkiLCJleHAiOjI"
		  "wMDAwMDB9.E8i8G1kn6QIK--6BIFdDuGhCYOYf8HUk1qKqblcDs9s"),
		 SZ_R_BAD_TOKEN},
		{("eyJhbGciOiJIUzI1NiIsInR5cCI6MX0.eyJpc3MiOiJodHRwczovL2kiLCJhdWQiOiJhcGki"
		  "LCJleHAiOjIwMDAwMDB9.-kve5Y4RbGFv9kyUIA9_u8JM14LFnVoWXRMQwRqGSz0"),
		 SZ_R_BAD_TOKEN},
	};
	struct sz_token_rules r = rules_of();
	struct sz_jwks *set;
	struct sz_token t;
	size_t i;

	ASSERT_EQ(sz_jwks_parse(jwks, strlen(jwks), ALL, &set, &err), 0);
	r.keys = set;
	for (i = 0; i < SZ_ARRAY_LEN(v); i++) {
		r.require_at_jwt = false;
		EXPECT_EQ(sz_token_verify(v[i].jws, strlen(v[i].jws), &r, NOW, &t, &err),
			  SZ_R_NONE);
		sz_token_done(&t);
		r.require_at_jwt = true;
		EXPECT_EQ(sz_token_verify(v[i].jws, strlen(v[i].jws), &r, NOW, &t, &err),
			  v[i].reason);
		sz_token_done(&t);
	}
	sz_jwks_free(set);
}

TEST(peek_shows_a_token_without_trusting_it)
{
	struct sz_buf b = {0};
	struct sz_token t;

	rules_of();
	sign("{" BASE ",\"exp\":5,\"sub\":\"u\",\"iat\":\"x\"}", true, &b);
	ASSERT_EQ(sz_token_peek(b.data, b.len, &t, &err), 0);
	EXPECT_STREQ(t.issuer, "https://i");
	EXPECT_STREQ(t.subject, "u");
	EXPECT_TRUE(!t.jti);
	EXPECT_EQ(t.exp, 5);
	EXPECT_EQ(t.iat, 0);
	sz_token_done(&t);
	EXPECT_EQ(sz_token_peek("eyJhbGciOiJub25lIn0.e30.", 24, &t, &err), 0);
	EXPECT_EQ(t.alg, SZ_ALG_NONE);
	EXPECT_TRUE(!t.issuer);
	sz_token_done(&t);
	EXPECT_EQ(sz_token_peek("opaque", 6, &t, &err), -EINVAL);
	EXPECT_TRUE(!t.claims && !t.header);
	EXPECT_EQ(sz_token_peek("e30.e30.", 8, &t, &err), -EINVAL);
	sz_buf_done(&b);
}

TEST(a_token_that_would_be_too_large_is_not_signed)
{
	static char long_value[SZ_TOKEN_MAX];
	json_t *claims;
	struct sz_buf b = {0};

	rules_of();
	memset(long_value, 'a', sizeof(long_value) - 1);
	claims = json_pack("{s:s}", "x", long_value);
	EXPECT_EQ(sz_token_sign(key, claims, &b, &err), -E2BIG);
	EXPECT_EQ(b.len, 0);
	EXPECT_EQ(sz_token_sign(key, json_null(), &b, &err), -EINVAL);
	sz_buf_done(&b);
	json_decref(claims);
}

/* ---- what an issuer answers about a token it alone can read (RFC 7662) ----------------------- */

static enum sz_reason answered_at(const char *answer, bool need_audience, s64 now, int *ret_err,
				  struct sz_token *ret)
{
	struct sz_token_rules r = rules_of();

	r.skew_s = 5;
	r.max_age_s = 1000;
	err.msg[0] = 0;
	return sz_token_introspected(answer, strlen(answer), &r, need_audience, now, ret, ret_err,
				     &err);
}

TEST(what_an_issuer_answers_is_taken_as_the_token_s_claims)
{
	static const struct {
		const char *answer;
		enum sz_reason reason;
		int err;
	} cases[] = {
		{"{\"active\":true,\"aud\":\"api\",\"iat\":999900}", SZ_R_NONE, 0},
		{"{\"active\":true," BASE ",\"exp\":1000100,\"iat\":999900}", SZ_R_NONE, 0},
		{"{\"active\":false}", SZ_R_INACTIVE, 0},
		{"{\"active\":false,\"aud\":7}", SZ_R_INACTIVE, 0},
		{"{\"active\":true,\"iat\":999900}", SZ_R_BAD_AUDIENCE, 0},
		{"{\"active\":true,\"aud\":\"other\",\"iat\":999900}", SZ_R_BAD_AUDIENCE, 0},
		{"{\"active\":true,\"iss\":\"https://j\",\"aud\":\"api\"}", SZ_R_BAD_ISSUER, 0},
		{"{\"active\":true," BASE ",\"exp\":999990,\"iat\":999900}", SZ_R_EXPIRED, 0},
		{"{\"active\":true," BASE ",\"exp\":0,\"iat\":999900}", SZ_R_EXPIRED, 0},
		{"{\"active\":true," BASE ",\"nbf\":1000010,\"iat\":999900}", SZ_R_NOT_YET, 0},
		{"{\"active\":true," BASE ",\"iat\":990000}", SZ_R_EXPIRED, 0},
		{"{\"active\":true," BASE "}", SZ_R_BAD_TOKEN, 0}, /* max_age, but no iat */
		{"{\"active\":\"true\"," BASE "}", SZ_R_INTROSPECTION_DOWN, -EBADMSG},
		{"{\"active\":1}", SZ_R_INTROSPECTION_DOWN, -EBADMSG},
		{"{" BASE "}", SZ_R_INTROSPECTION_DOWN, -EBADMSG},
		{"", SZ_R_INTROSPECTION_DOWN, -EBADMSG},
		{"[true]", SZ_R_INTROSPECTION_DOWN, -EBADMSG},
		{"{\"active\":true,\"active\":false}", SZ_R_INTROSPECTION_DOWN, -EBADMSG},
		{"{\"active\":true,\"sub\":7," BASE "}", SZ_R_INTROSPECTION_DOWN, -EBADMSG},
		{"{\"active\":true,\"exp\":\"x\"," BASE "}", SZ_R_INTROSPECTION_DOWN, -EBADMSG},
		{"{\"active\":true,\"iss\":7,\"aud\":\"api\"}", SZ_R_INTROSPECTION_DOWN,
		 -EBADMSG},
	};
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(cases); i++) {
		struct sz_token t;
		int bad;

		if (!EXPECT_EQ(answered_at(cases[i].answer, true, NOW, &bad, &t),
			       cases[i].reason) ||
		    !EXPECT_EQ(bad, cases[i].err) ||
		    !EXPECT_EQ(cases[i].reason == SZ_R_NONE, t.claims != NULL))
			printf("# %s: %s\n", cases[i].answer, err.msg);
		sz_token_done(&t);
	}
}

TEST(an_answer_names_the_issuer_and_whom_the_token_is_of)
{
	struct sz_token t;
	int bad;

	EXPECT_EQ(answered_at("{\"active\":true,\"sub\":\"u\",\"client_id\":\"c\",\"iat\":999900,"
			      "\"jti\":\"j\",\"exp\":1000100}", false, NOW, &bad, &t), SZ_R_NONE);
	EXPECT_STREQ(t.issuer, "https://i");
	EXPECT_STREQ(json_string_value(json_object_get(t.claims, "iss")), "https://i");
	EXPECT_STREQ(t.subject, "u");
	EXPECT_STREQ(t.jti, "j");
	EXPECT_EQ(t.exp, 1000100);
	EXPECT_TRUE(!t.key && !t.kid);
	sz_token_done(&t);
	/* A client that acts for itself is its own subject; without an end there is none. */
	EXPECT_EQ(answered_at("{\"active\":true,\"client_id\":\"c\",\"iat\":999900}", false, NOW,
			      &bad, &t), SZ_R_NONE);
	EXPECT_STREQ(t.subject, "c");
	EXPECT_EQ(t.exp, 0);
	sz_token_done(&t);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The answers to refused requests: every reason has one that a client can parse, with the right
 * challenge, and small enough for the kernel's table.
 */
#include "codec/codec.h"
#include "harness.h"
#include "http/http.h"
#include "http_response.h"

static char text[SZ_ANSWER_MAX + 1];
static struct sz_http_dpop dpop; /* off, where a test does not say otherwise */

static size_t answer(enum sz_reason why)
{
	char exact[SZ_ANSWER_MAX];
	size_t n = sz_http_answer(why, &dpop, exact);

	memcpy(text, exact, n);
	text[n] = '\0';
	return n;
}

static void check_body(u32 why, const char *body, size_t n)
{
	struct sz_error e = { 0 };
	json_t *problem = sz_json_parse(body, n, &e);
	char type[128];

	snprintf(type, sizeof(type), "urn:subzero:problem:%s", sz_reason_label(why));
	ASSERT_TRUE(problem != NULL);
	EXPECT_STREQ(json_string_value(json_object_get(problem, "type")), type);
	EXPECT_STREQ(json_string_value(json_object_get(problem, "detail")), sz_reason_text(why));
	EXPECT_EQ(json_integer_value(json_object_get(problem, "status")), sz_reason_http(why));
	EXPECT_CONTAINS(text, json_string_value(json_object_get(problem, "title")));
	EXPECT_EQ(json_object_size(problem), 4);
	json_decref(problem);
}

TEST(every_reason_with_a_status_has_a_whole_answer)
{
	static struct response r;
	int answers = 0;

	for (u32 why = 0; why < SZ_REASON_MAX; why++) {
		size_t n = answer((enum sz_reason)why);

		if (!sz_reason_http(why)) {
			EXPECT_EQ(n, 0);
			continue;
		}
		if (!EXPECT_TRUE(n > 0 && n <= SZ_ANSWER_MAX))
			printf("# no answer for %s\n", sz_reason_label(why));
		response_init(&r, false);
		EXPECT_EQ(response_feed(&r, text, n), n);
		EXPECT_EQ(r.state, RESPONSE_DONE);
		EXPECT_EQ(r.status, sz_reason_http(why));
		EXPECT_EQ(r.close, true);
		EXPECT_CONTAINS(text, "\r\nContent-Type: application/problem+json\r\n");
		EXPECT_CONTAINS(text, "\r\nCache-Control: no-store\r\n");
		check_body(why, text + n - r.body_length, r.body_length);
		answers++;
	}
	EXPECT_TRUE(answers > 15);
}

#define REALM "\r\nWWW-Authenticate: Bearer realm=\"subzero\""

TEST(challenges_follow_rfc_6750)
{
	static const enum sz_reason bad_token[] = {
		SZ_R_BAD_TOKEN,  SZ_R_EXPIRED,      SZ_R_NOT_YET,     SZ_R_REVOKED,
		SZ_R_BAD_ISSUER, SZ_R_BAD_AUDIENCE, SZ_R_UNKNOWN_KEY,
	};

	answer(SZ_R_NO_TOKEN);
	EXPECT_CONTAINS(text, REALM "\r\n");
	answer(SZ_R_BAD_SCHEME);
	EXPECT_CONTAINS(text, REALM "\r\n");
	for (size_t i = 0; i < SZ_ARRAY_LEN(bad_token); i++) {
		char line[256];

		answer(bad_token[i]);
		snprintf(line, sizeof(line),
			 REALM ", error=\"invalid_token\", error_description=\"%s\"\r\n",
			 sz_reason_text(bad_token[i]));
		EXPECT_CONTAINS(text, line);
	}
	answer(SZ_R_NO_SCOPE);
	EXPECT_CONTAINS(text, REALM ", error=\"insufficient_scope\", error_description=\"");
}

TEST(challenges_follow_rfc_9449_where_bound_tokens_are_taken)
{
	static const struct {
		enum sz_reason why;
		const char *error;
	} own[] = {{SZ_R_DPOP_PROOF, "invalid_dpop_proof"},
		   {SZ_R_DPOP_REPLAY, "invalid_dpop_proof"},
		   {SZ_R_DPOP_NONCE, "use_dpop_nonce"},
		   {SZ_R_DPOP_BINDING, "invalid_token"}};
	char line[256], brief[SZ_BRIEF_MAX];
	size_t n;

	dpop = (struct sz_http_dpop){.algs = "EdDSA ES256",
				     .nonce = "0123456789abcdef0123456789abcdef"};
	for (size_t i = 0; i < SZ_ARRAY_LEN(own); i++) {
		EXPECT_TRUE(answer(own[i].why) > 0);
		snprintf(line, sizeof(line),
			 "\r\nWWW-Authenticate: DPoP algs=\"EdDSA ES256\", error=\"%s\", ",
			 own[i].error);
		EXPECT_CONTAINS(text, line);
		EXPECT_TRUE(!strstr(text, "Bearer"));
		EXPECT_EQ(strstr(text, "\r\nDPoP-Nonce: "
				       "0123456789abcdef0123456789abcdef\r\n") != NULL,
			  own[i].why == SZ_R_DPOP_NONCE);
	}
	answer(SZ_R_NO_TOKEN);
	EXPECT_CONTAINS(text, REALM "\r\nWWW-Authenticate: DPoP algs=\"EdDSA ES256\"\r\n");
	answer(SZ_R_EXPIRED);
	EXPECT_CONTAINS(text, "Bearer realm=\"subzero\", error=\"invalid_token\"");
	EXPECT_CONTAINS(text, "DPoP algs=\"EdDSA ES256\", error=\"invalid_token\"\r\n");
	n = sz_http_answer_brief(SZ_R_DPOP_NONCE, &dpop, brief);
	EXPECT_TRUE(n > 0 && memmem(brief, n, "\r\nDPoP-Nonce: 0123", 18));
	n = sz_http_answer_brief(SZ_R_NO_TOKEN, &dpop, brief);
	EXPECT_TRUE(n > 0 && memmem(brief, n, ": Bearer, DPoP\r\n", 16));
	/* Whatever is said of DPoP, every answer still fits. */
	dpop.algs = "EdDSA ES256 ES384 ES512 RS256 RS384 RS512 PS256 PS384 PS512";
	for (u32 why = 0; why < SZ_REASON_MAX; why++) {
		if (!sz_reason_http(why))
			continue;
		if (!EXPECT_TRUE(answer((enum sz_reason)why) > 0) ||
		    (sz_reason_http(why) == 401 &&
		     !EXPECT_TRUE(sz_http_answer_brief((enum sz_reason)why, &dpop, brief) > 0)))
			printf("# %s\n", sz_reason_label(why));
	}
	dpop = (struct sz_http_dpop){0};
	answer(SZ_R_DPOP_BINDING);
	EXPECT_CONTAINS(text, REALM ", error=\"invalid_token\"");
}

TEST(no_challenge_where_no_token_would_help)
{
	static const enum sz_reason other[] = {
		SZ_R_NO_ROUTE,     SZ_R_UPGRADE,      SZ_R_BAD_REQUEST, SZ_R_HEAD_TOO_LARGE,
		SZ_R_BAD_EXPECT,   SZ_R_LIMIT_SOURCE, SZ_R_NO_DAEMON,
	};

	for (size_t i = 0; i < SZ_ARRAY_LEN(other); i++) {
		EXPECT_TRUE(answer(other[i]) > 0);
		EXPECT_TRUE(!strstr(text, "WWW-Authenticate"));
	}
}

TEST(retry_after_stands_where_waiting_helps)
{
	for (u32 why = 0; why < SZ_REASON_MAX; why++) {
		int status = sz_reason_http(why);

		answer((enum sz_reason)why);
		/* Room among the open questions comes back as soon as some are answered. */
		bool soon = status == 429 || why == SZ_R_BUSY;

		EXPECT_EQ(strstr(text, "\r\nRetry-After: 1\r\n") != NULL, soon);
		EXPECT_EQ(strstr(text, "\r\nRetry-After: 5\r\n") != NULL,
			  status == 503 && !soon);
	}
}

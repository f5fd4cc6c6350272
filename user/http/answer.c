/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The answers to refused requests, one per reason: RFC 9457 problem details and the challenge of
 * RFC 6750 section 3. Called by the daemon to fill the kernel's table of answers and for its own.
 * Holds nothing of the request: what is answered to everybody must not echo anybody.
 */
#include <stdio.h>
#include <string.h>

#include "http/http_priv.h"

const char *sz_http_phrase(int status)
{
	switch (status) {
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 417:
		return "Expectation Failed";
	case 429:
		return "Too Many Requests";
	case 431:
		return "Request Header Fields Too Large";
	case 503:
		return "Service Unavailable";
	default:
		return NULL;
	}
}

/*
 * The error code of RFC 6750 section 3.1 or RFC 9449 section 7.1; NULL where the request brought no
 * token.
 */
static const char *challenge_code(enum sz_reason reason)
{
	switch (reason) {
	case SZ_R_NO_TOKEN:
	case SZ_R_BAD_SCHEME:
		return NULL;
	case SZ_R_NO_SCOPE:
		return "insufficient_scope";
	case SZ_R_DPOP_PROOF:
	case SZ_R_DPOP_REPLAY:
		return "invalid_dpop_proof";
	case SZ_R_DPOP_NONCE:
		return "use_dpop_nonce";
	case SZ_R_STEP_UP:
		return "insufficient_user_authentication";
	default:
		return "invalid_token";
	}
}

/* Answers that only a client of DPoP can do something with. */
static bool is_dpop_only(enum sz_reason reason)
{
	return reason >= SZ_R_DPOP_PROOF && reason <= SZ_R_DPOP_BINDING;
}

/* One challenge; `params` stand before the code, and `more` (NULL: none) behind the description. */
static int challenge(char *out, size_t max, const char *scheme, const char *code, const char *text,
		     const char *params, const char *more)
{
	const char *comma = *params && code ? ", " : "";

	if (!code)
		return snprintf(out, max, "WWW-Authenticate: %s %s\r\n", scheme, params);
	return snprintf(out, max,
			"WWW-Authenticate: %s %s%serror=\"%s\", error_description=\"%s\"%s\r\n",
			scheme, params, comma, code, text, more ? more : "");
}

/* Fields that only some answers have. */
static void answer_fields(enum sz_reason reason, int status, const struct sz_http_dpop *dpop,
			  char *out, size_t max)
{
	const char *code = challenge_code(reason), *text = sz_reason_text(reason);
	bool only = dpop->algs && is_dpop_only(reason);
	char algs[256];
	int n = 0;

	*out = '\0';
	if (status == 429 || status == 503)
		snprintf(out, max, "Retry-After: %d\r\n",
			 status == 429 || reason == SZ_R_BUSY ? 1 : 5);
	/* Other tokens help neither with an unknown route nor with an upgrade: no challenge. */
	if (status != 401 && reason != SZ_R_NO_SCOPE)
		return;
	if (!only)
		n = challenge(out, max, "Bearer", code, text, "realm=\"subzero\"",
			      dpop->step_up);
	/* Who has to sign in again knows already how to send a token. */
	if (!dpop->algs || reason == SZ_R_STEP_UP)
		return;
	snprintf(algs, sizeof(algs), "algs=\"%s\"", dpop->algs);
	if (only)
		n += challenge(out + n, max - (size_t)n, "DPoP", code, text, algs, NULL);
	else
		n += snprintf(out + n, max - (size_t)n, "WWW-Authenticate: DPoP %s%s%s%s\r\n", algs,
			      code ? ", error=\"" : "", code ? code : "", code ? "\"" : "");
	if (reason == SZ_R_DPOP_NONCE && dpop->nonce)
		snprintf(out + n, max - (size_t)n, "DPoP-Nonce: %s\r\n", dpop->nonce);
}

size_t sz_http_answer(enum sz_reason reason, const struct sz_http_dpop *dpop,
		      char ret[SZ_ANSWER_MAX])
{
	int status = sz_reason_http(reason), body_len, len;
	const char *phrase = sz_http_phrase(status);
	char body[SZ_ANSWER_MAX], fields[SZ_ANSWER_MAX];

	if (!phrase)
		return 0;
	body_len = snprintf(body, sizeof(body),
			    "{\"type\":\"urn:subzero:problem:%s\",\"title\":\"%s\","
			    "\"status\":%d,\"detail\":\"%s\"}\n",
			    sz_reason_label(reason), phrase, status, sz_reason_text(reason));
	answer_fields(reason, status, dpop, fields, sizeof(fields));
	len = snprintf(ret, SZ_ANSWER_MAX,
		       "HTTP/1.1 %d %s\r\n"
		       "Content-Type: application/problem+json\r\n"
		       "Content-Length: %d\r\n"
		       "Connection: close\r\n"
		       "Cache-Control: no-store\r\n"
		       "%s\r\n%s",
		       status, phrase, body_len, fields, body);
	return len > 0 && len < SZ_ANSWER_MAX ? (size_t)len : 0;
}

/* With a nonce there is room for nothing else. */
static size_t brief_nonce(const char *nonce, char ret[SZ_BRIEF_MAX])
{
	int len = snprintf(ret, SZ_BRIEF_MAX,
			   "HTTP/1.1 401 Unauthorized\r\n"
			   "WWW-Authenticate: DPoP error=\"use_dpop_nonce\"\r\n"
			   "DPoP-Nonce: %s\r\n"
			   "Connection: close\r\n"
			   "Content-Length: 0\r\n\r\n",
			   nonce);

	return len > 0 && len < SZ_BRIEF_MAX ? (size_t)len : 0;
}

size_t sz_http_answer_brief(enum sz_reason reason, const struct sz_http_dpop *dpop,
			    char ret[SZ_BRIEF_MAX])
{
	int status = sz_reason_http(reason), body_len, len;
	const char *phrase = sz_http_phrase(status), *code = challenge_code(reason), *field = "";
	char body[SZ_BRIEF_MAX], line[80];

	if (!phrase)
		return 0;
	if (reason == SZ_R_DPOP_NONCE && dpop->nonce)
		return brief_nonce(dpop->nonce, ret);
	if (reason == SZ_R_STEP_UP) {
		len = snprintf(ret, SZ_BRIEF_MAX,
			       "HTTP/1.1 401 Unauthorized\r\n"
			       "WWW-Authenticate: Bearer error=\"%s\"\r\n"
			       "Connection: close\r\n"
			       "Content-Length: 0\r\n\r\n",
			       code);
		return len > 0 && len < SZ_BRIEF_MAX ? (size_t)len : 0;
	}
	if (code) {
		snprintf(line, sizeof(line), "WWW-Authenticate: %s error=\"%s\"\r\n",
			 dpop->algs && is_dpop_only(reason) ? "DPoP" : "Bearer", code);
		field = line;
	} else if (status == 401) {
		field = dpop->algs ? "WWW-Authenticate: Bearer, DPoP\r\n"
				   : "WWW-Authenticate: Bearer\r\n";
	} else if (status == 429) {
		field = "Retry-After: 1\r\n";
	} else if (status == 503) {
		field = reason == SZ_R_BUSY ? "Retry-After: 1\r\n" : "Retry-After: 5\r\n";
	}
	body_len = snprintf(body, sizeof(body), "{\"title\":\"%s\",\"status\":%d}",
			    sz_reason_label(reason), status);
	len = snprintf(ret, SZ_BRIEF_MAX,
		       "HTTP/1.1 %d %s\r\n"
		       "%s"
		       "Content-Type: application/problem+json\r\n"
		       "Connection: close\r\n"
		       "Content-Length: %d\r\n\r\n%s",
		       status, phrase, field, body_len, body);
	return len > 0 && len < SZ_BRIEF_MAX ? (size_t)len : 0;
}

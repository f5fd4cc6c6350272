/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The answers to refused requests, one per reason: RFC 9457 problem details and the challenge of
 * RFC 6750 section 3. Called by the daemon to fill the kernel's table of answers and for its own.
 * Holds nothing of the request: what is answered to everybody must not echo anybody.
 */
#include <stdio.h>
#include <string.h>

#include "http/http.h"

static const char *status_phrase(int status)
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

/* The error code of RFC 6750 section 3.1; NULL where the request brought no bearer token. */
static const char *challenge_code(enum sz_reason reason)
{
	switch (reason) {
	case SZ_R_NO_TOKEN:
	case SZ_R_BAD_SCHEME:
		return NULL;
	case SZ_R_NO_SCOPE:
		return "insufficient_scope";
	default:
		return "invalid_token";
	}
}

/* Fields that only some answers have. */
static void answer_fields(enum sz_reason reason, int status, char *out, size_t max)
{
	const char *code = challenge_code(reason);

	*out = '\0';
	if (status == 429 || status == 503)
		snprintf(out, max, "Retry-After: %d\r\n", status == 429 ? 1 : 5);
	/* Other tokens help neither with an unknown route nor with an upgrade: no challenge. */
	if (status != 401 && reason != SZ_R_NO_SCOPE)
		return;
	if (code)
		snprintf(out, max,
			 "WWW-Authenticate: Bearer realm=\"subzero\", error=\"%s\", "
			 "error_description=\"%s\"\r\n",
			 code, sz_reason_text(reason));
	else
		snprintf(out, max, "WWW-Authenticate: Bearer realm=\"subzero\"\r\n");
}

size_t sz_http_answer(enum sz_reason reason, char ret[SZ_ANSWER_MAX])
{
	int status = sz_reason_http(reason), body_len, len;
	const char *phrase = status_phrase(status);
	char body[SZ_ANSWER_MAX], fields[SZ_ANSWER_MAX];

	if (!phrase)
		return 0;
	body_len = snprintf(body, sizeof(body),
			    "{\"type\":\"urn:subzero:problem:%s\",\"title\":\"%s\","
			    "\"status\":%d,\"detail\":\"%s\"}\n",
			    sz_reason_label(reason), phrase, status, sz_reason_text(reason));
	answer_fields(reason, status, fields, sizeof(fields));
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

size_t sz_http_answer_brief(enum sz_reason reason, char ret[SZ_BRIEF_MAX])
{
	int status = sz_reason_http(reason), body_len, len;
	const char *phrase = status_phrase(status), *code = challenge_code(reason), *field = "";
	char body[SZ_BRIEF_MAX], challenge[64];

	if (!phrase)
		return 0;
	if (code) {
		snprintf(challenge, sizeof(challenge), "WWW-Authenticate: Bearer error=\"%s\"\r\n",
			 code);
		field = challenge;
	} else if (status == 401) {
		field = "WWW-Authenticate: Bearer\r\n";
	} else if (status == 429) {
		field = "Retry-After: 1\r\n";
	} else if (status == 503) {
		field = "Retry-After: 5\r\n";
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

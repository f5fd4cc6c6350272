/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a case of `policy test` asks: the token's claims, and a request head as a client would send
 * it. The head is read by the same parser as a real one, so nothing here may change it in silence.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "codec/codec.h"
#include "ctl/policy_test.h"

#define TOKEN_MAX 65536

/* ---- the token ------------------------------------------------------------------------------ */

/* A part of a JWT, as JSON. */
static json_t *part(const char *s, size_t n)
{
	u8 *text = sz_calloc(n + 1, 1);
	ssize_t len = sz_b64url_decode(s, n, text, n);
	json_t *v = len < 0 ? NULL
			    : json_loadb((char *)text, (size_t)len, JSON_REJECT_DUPLICATES, NULL);

	free(text);
	if (!json_is_object(v)) {
		json_decref(v);
		return NULL;
	}
	return v;
}

/* Nothing is verified: who writes the test says what the token is. */
static int take_jwt(struct sz_ptest *t, const json_t *lines, const char *s,
		    struct sz_ptest_ask *ret)
{
	const char *dot = strchr(s, '.'), *end = dot ? strchr(dot + 1, '.') : NULL;

	if (!end || strlen(s) > TOKEN_MAX)
		return sz_ptest_fail(t, lines, NULL,
				     "token is no JWT; write one, or its claims as a mapping");
	ret->header = part(s, (size_t)(dot - s));
	ret->claims = part(dot + 1, (size_t)(end - dot - 1));
	if (!ret->header || !ret->claims)
		return sz_ptest_fail(t, lines, NULL,
				     "header or payload of the token is no JSON object in "
				     "base64url");
	return 0;
}

static s64 seconds(const json_t *claims, const char *name)
{
	double d = json_number_value(json_object_get(claims, name));

	return d > 0 && d < 1e12 ? (s64)d : 0;
}

static int take_token(struct sz_ptest *t, const json_t *v, const json_t *lines,
		      struct sz_ptest_ask *ret)
{
	const json_t *token = json_object_get(v, "token"), *c, *h;
	const json_t *at = json_object_get(lines, "token");
	int err = 0;

	if (!token || json_is_null(token))
		return 0;
	if (json_is_string(token))
		err = take_jwt(t, at, json_string_value(token), ret);
	else if (json_is_object(token))
		ret->claims = json_incref((json_t *)token);
	else
		err = sz_ptest_fail(t, at, NULL, "token is a mapping of claims, or a JWT");
	if (err)
		return err;
	h = json_object_get(v, "token_header");
	if (h && (!json_is_object(h) || ret->header))
		return sz_ptest_fail(t, lines, "token_header",
				     "token_header is a mapping, beside a token that is one");
	if (h)
		ret->header = json_incref((json_t *)h);
	c = ret->claims;
	h = ret->header;
	ret->who = (struct sz_policy_subject){
		.claims = c,
		.issuer = json_string_value(json_object_get(c, "iss")),
		.subject = json_string_value(json_object_get(c, "sub")),
		.jti = json_string_value(json_object_get(c, "jti")),
		.kid = json_string_value(json_object_get(h, "kid")),
		.alg = json_string_value(json_object_get(h, "alg")),
		.issued_s = seconds(c, "iat"),
		.expires_s = seconds(c, "exp"),
	};
	return 0;
}

/* ---- the request ---------------------------------------------------------------------------- */

/* Bytes that would begin another line, or end the text. */
static bool plain(const char *s)
{
	for (; *s; s++)
		if ((u8)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

static int add_field(struct sz_ptest *t, const json_t *lines, const char *name, const json_t *v,
		     struct sz_buf *head)
{
	const char *s = json_string_value(v);

	if (!s || !plain(s) || !*name || !plain(name) || strpbrk(name, " :"))
		return sz_ptest_fail(t, lines, name,
				     "header '%.60s' is a name with a text, or a list of texts, "
				     "without control characters; quote numbers",
				     name);
	sz_buf_printf(head, "%s: %s\r\n", name, s);
	return 0;
}

static int add_fields(struct sz_ptest *t, const json_t *v, const json_t *lines,
		      struct sz_buf *head, bool *ret_host)
{
	const char *name;
	json_t *value, *one;
	size_t i;
	int err = 0;

	if (v && !json_is_object(v))
		return sz_ptest_fail(t, lines, NULL, "headers is a mapping of names with texts");
	json_object_foreach((json_t *)v, name, value)
	{
		*ret_host |= !strcasecmp(name, "host");
		if (!strcasecmp(name, "authorization"))
			return sz_ptest_fail(t, lines, name,
					     "the token goes to \"token\", not into a header");
		if (!json_is_array(value))
			err = add_field(t, lines, name, value, head);
		json_array_foreach(value, i, one) if (!err) err =
			add_field(t, lines, name, one, head);
		if (err)
			return err;
	}
	return 0;
}

static bool digits(const char *s, const char *shape)
{
	for (; *shape; s++, shape++)
		if (*shape == '0' ? *s < '0' || *s > '9' : *s != *shape)
			return false;
	return true;
}

/* RFC 3339 (section 5.6) without fractions: "2026-11-21T12:00:00Z", "...+01:00". */
static bool parse_time(const char *s, s64 *ret)
{
	struct tm tm = {0}, given;
	int hours = 0, minutes = 0;
	time_t at;

	if (!digits(s, "0000-00-00T00:00:00") ||
	    sscanf(s, "%4d-%2d-%2dT%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
		   &tm.tm_min, &tm.tm_sec) != 6)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	given = tm;
	at = timegm(&tm);
	/* February 30 */
	if (given.tm_mday != tm.tm_mday || given.tm_mon != tm.tm_mon ||
	    given.tm_hour != tm.tm_hour || given.tm_min != tm.tm_min || given.tm_sec != tm.tm_sec)
		return false;
	s += 19;
	if (strcmp(s, "Z") != 0) {
		if ((!digits(s, "+00:00") && !digits(s, "-00:00")) || s[6] ||
		    sscanf(s + 1, "%2d:%2d", &hours, &minutes) != 2 || hours > 23 || minutes > 59)
			return false;
		at += (*s == '-' ? 1 : -1) * (hours * 3600 + minutes * 60);
	}
	*ret = at;
	return true;
}

static int take_moment(struct sz_ptest *t, const json_t *v, const json_t *lines,
		       struct sz_ptest_ask *ret)
{
	const json_t *time = json_object_get(v, "time");
	const char *source;
	s64 s = 0;

	if (!time)
		time = json_object_get(t->file, "time");
	ret->at.now_ns = (s64)sz_wall_ns();
	if (json_is_integer(time))
		s = json_integer_value(time);
	else if (time && !(json_is_string(time) && parse_time(json_string_value(time), &s)))
		s = -1;
	if (s < 0 || s > INT64_MAX / 1000000000)
		return sz_ptest_fail(t, json_object_get(v, "time") ? lines : t->lines, "time",
				     "time is like 2026-11-21T12:00:00Z, or seconds since 1970");
	if (time)
		ret->at.now_ns = s * 1000000000;
	if (sz_ptest_text(t, v, lines, "source", &source))
		return -EINVAL;
	if (source && sz_addr_parse(source, &ret->at.source))
		return sz_ptest_fail(t, lines, "source", "source '%.60s' is no address", source);
	return 0;
}

/* One thing that a database could say, in the type in which it would. */
static int take_place(struct sz_ptest *t, const char *key, json_t *value, const json_t *lines,
		      json_t *ret)
{
	if (!strcmp(key, "latitude") || !strcmp(key, "longitude")) {
		if (!json_is_number(value))
			return sz_ptest_fail(t, lines, key, "%s is a number", key);
		json_object_set_new(ret, key, json_real(json_number_value(value)));
		return 0;
	}
	if (!strcmp(key, "asn") ? !json_is_integer(value) : !json_is_string(value))
		return sz_ptest_fail(t, lines, key,
				     !strcmp(key, "asn")
					     ? "%s is a whole number"
					     : "%s is a text; quote one such as \"NO\"",
				     key);
	json_object_set(ret, key, value);
	return 0;
}

static int take_location(struct sz_ptest *t, const json_t *v, const json_t *lines,
			 struct sz_ptest_ask *ret)
{
	const json_t *given = json_object_get(v, "location");
	const json_t *at = json_object_get(lines, "location");
	const char *key;
	json_t *value;

	at = at ? at : lines;
	if (!given)
		return 0;
	if (sz_ptest_only(t, given, at, "location",
			  "country continent region city asn organization latitude longitude"))
		return -EINVAL;
	ret->location = json_object();
	ret->at.location = ret->location;
	json_object_foreach((json_t *)given, key, value)
	{
		if (take_place(t, key, value, at, ret->location))
			return -EINVAL;
	}
	return 0;
}

static int take_request(struct sz_ptest *t, const json_t *v, const json_t *lines,
			const char *service, struct sz_ptest_ask *ret)
{
	const char *method, *path, *query;
	bool host = false;

	if (sz_ptest_only(t, v, lines, "request",
			  "method path query headers source location time") ||
	    sz_ptest_text(t, v, lines, "method", &method) ||
	    sz_ptest_text(t, v, lines, "path", &path) ||
	    sz_ptest_text(t, v, lines, "query", &query))
		return -EINVAL;
	if (!path)
		return sz_ptest_fail(t, lines, NULL, "request needs a path");
	if (!plain(path) || (method && !plain(method)) || (query && !plain(query)))
		return sz_ptest_fail(t, lines, NULL,
				     "method, path and query are without control characters");
	sz_buf_printf(&ret->head, "%s %s%s%s HTTP/1.1\r\n", method ? method : "GET", path,
		      query ? "?" : "", query ? query : "");
	if (add_fields(t, json_object_get(v, "headers"), json_object_get(lines, "headers"),
		       &ret->head, &host))
		return -EINVAL;
	sz_buf_printf(&ret->head, "%s%s%s\r\n", host ? "" : "Host: ", host ? "" : service,
		      host ? "" : "\r\n");
	if (take_moment(t, v, lines, ret))
		return -EINVAL;
	return take_location(t, v, lines, ret);
}

int sz_ptest_ask(struct sz_ptest *t, const json_t *v, const json_t *lines, const char *service,
		 struct sz_ptest_ask *ret)
{
	const json_t *request = json_object_get(v, "request");

	*ret = (struct sz_ptest_ask){0};
	if (!request)
		return sz_ptest_fail(t, lines, NULL,
				     "a test needs a request: {method: GET, path: /...}");
	if (take_token(t, v, lines, ret) ||
	    take_request(t, request, json_object_get(lines, "request"), service, ret)) {
		sz_ptest_ask_done(ret);
		return -EINVAL;
	}
	return 0;
}

void sz_ptest_ask_done(struct sz_ptest_ask *a)
{
	sz_buf_done(&a->head);
	json_decref(a->claims);
	json_decref(a->header);
	json_decref(a->location);
	*a = (struct sz_ptest_ask){0};
}

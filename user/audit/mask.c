/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Secrets that clients put into a URL: values of query parameters that are known to hold them (RFC
 * 6750 section 2.3 and the like), and whatever looks like a JWT. Called for each path that is
 * written; the rest of the path is left as it was sent.
 */
#include "audit/audit_priv.h"

#include <string.h>
#include <strings.h>

#define MASK         "***"
#define NAME_MAX_LEN 32
#define JWT_MIN      20 /* bytes from which on it is taken for one, also where it was cut off */

static bool is_token_byte(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 32);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decoded and in lower case; "" where it is longer than any that counts. */
static void read_name(const char *s, size_t n, char ret[NAME_MAX_LEN])
{
	size_t i, len = 0;

	for (i = 0; i < n && len < NAME_MAX_LEN - 1; i++) {
		int high = s[i] == '%' && i + 2 < n ? hex_value(s[i + 1]) : -1;
		int low = high >= 0 ? hex_value(s[i + 2]) : -1;
		char c = s[i];

		if (low >= 0) {
			c = (char)(high << 4 | low);
			i += 2;
		}
		ret[len++] = c >= 'A' && c <= 'Z' ? (char)(c | 32) : c;
	}
	ret[i < n ? 0 : len] = 0;
}

#define NAME(s) {s, sizeof(s) - 1}

static bool is_secret(const char *s, size_t n)
{
	static const struct {
		const char *s;
		size_t n;
	} names[] = {
		NAME("access_token"), NAME("id_token"), NAME("refresh_token"), NAME("token"),
		NAME("client_secret"), NAME("secret"), NAME("client_assertion"), NAME("assertion"),
		NAME("code"), NAME("code_verifier"), NAME("password"), NAME("passwd"),
		NAME("api_key"), NAME("apikey"), NAME("api-key"), NAME("signature"), NAME("sig"),
		NAME("x-amz-signature"), NAME("x-amz-security-token"), NAME("x-goog-signature"),
		NAME("session"), NAME("sessionid"), NAME("jwt"),
	};
	char decoded[NAME_MAX_LEN];
	size_t i;

	if (memchr(s, '%', n)) {
		read_name(s, n, decoded);
		s = decoded;
		n = strlen(decoded);
	}
	for (i = 0; i < SZ_ARRAY_LEN(names); i++)
		if (names[i].n == n && !strncasecmp(names[i].s, s, n))
			return true;
	return false;
}

/* Base64url of {" begins with eyJ. By its rarest letter: most paths are through in one memchr. */
static const char *find_jwt(const char *s, const char *end)
{
	const char *p = s;

	while ((p = memchr(p, 'J', (size_t)(end - p)))) {
		if (p - s >= 2 && p[-1] == 'y' && p[-2] == 'e')
			return p - 2;
		p++;
	}
	return NULL;
}

/* As it is, but for what looks like a token. */
static void add_text(struct sz_buf *b, const char *s, size_t n)
{
	const char *end = s + n, *at, *behind;

	while ((at = find_jwt(s, end))) {
		for (behind = at; behind < end && (is_token_byte(*behind) || *behind == '.');)
			behind++;
		if (behind - at < JWT_MIN) {
			sz_buf_add(b, s, (size_t)(behind - s));
		} else {
			sz_buf_add(b, s, (size_t)(at - s));
			sz_buf_add(b, MASK, sizeof(MASK) - 1);
		}
		s = behind;
	}
	sz_buf_add(b, s, (size_t)(end - s));
}

/* Where the value of a parameter begins that must not be written; NULL: it may be. */
static const char *secret_value(const char *s, size_t n)
{
	const char *equals = memchr(s, '=', n);

	return equals && equals < s + n - 1 && is_secret(s, (size_t)(equals - s)) ? equals + 1
										   : NULL;
}

static const char *parameter_end(const char *p, const char *end)
{
	while (p < end && *p != '&' && *p != ';')
		p++;
	return p;
}

static bool has_secret(const char *p, const char *end)
{
	const char *next;

	for (; p < end; p = next + 1) {
		next = parameter_end(p, end);
		if (secret_value(p, (size_t)(next - p)))
			return true;
	}
	return false;
}

bool sz_audit_mask(const char *path, size_t n, struct sz_buf *ret)
{
	const char *query = memchr(path, '?', n), *end = path + n, *p, *next, *value;

	/* Nearly always there is nothing to do, and nothing is copied. */
	if (!find_jwt(path, end) && (!query || !has_secret(query + 1, end)))
		return false;
	add_text(ret, path, query ? (size_t)(query + 1 - path) : n);
	for (p = query ? query + 1 : end; p < end; p = next + 1) {
		next = parameter_end(p, end);
		value = secret_value(p, (size_t)(next - p));
		if (value) {
			sz_buf_add(ret, p, (size_t)(value - p));
			sz_buf_add(ret, MASK, sizeof(MASK) - 1);
		} else {
			add_text(ret, p, (size_t)(next - p));
		}
		if (next < end)
			sz_buf_add(ret, next, 1);
	}
	return ret->len != n || memcmp(ret->data, path, n);
}

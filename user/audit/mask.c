/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Secrets that clients put into a URL: values of query parameters that are known to hold them (RFC
 * 6750 section 2.3 and the like), and whatever looks like a JWT. Called for each path that is
 * written; the rest of the path is left as it was sent.
 */
#include "audit/audit_priv.h"

#include <string.h>

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

static bool is_secret(const char *s, size_t n)
{
	static const char *const names[] = {
		"access_token", "id_token", "refresh_token", "token", "client_secret", "secret",
		"client_assertion", "assertion", "code", "code_verifier", "password", "passwd",
		"api_key", "apikey", "api-key", "signature", "sig", "x-amz-signature",
		"x-amz-security-token", "x-goog-signature", "session", "sessionid", "jwt",
	};
	char name[NAME_MAX_LEN];
	size_t i;

	read_name(s, n, name);
	for (i = 0; i < SZ_ARRAY_LEN(names); i++)
		if (!strcmp(name, names[i]))
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

static void add_parameter(struct sz_buf *b, const char *s, size_t n)
{
	const char *equals = memchr(s, '=', n);

	if (!equals || equals == s + n - 1 || !is_secret(s, (size_t)(equals - s))) {
		add_text(b, s, n);
		return;
	}
	sz_buf_add(b, s, (size_t)(equals - s) + 1);
	sz_buf_add(b, MASK, sizeof(MASK) - 1);
}

bool sz_audit_mask(const char *path, size_t n, struct sz_buf *ret)
{
	const char *query = memchr(path, '?', n), *end = path + n, *p;

	if (!query && !find_jwt(path, end))
		return false;
	add_text(ret, path, query ? (size_t)(query + 1 - path) : n);
	for (p = query ? query + 1 : end; p < end;) {
		const char *next = p;

		while (next < end && *next != '&' && *next != ';')
			next++;
		add_parameter(ret, p, (size_t)(next - p));
		if (next < end)
			sz_buf_add(ret, next, 1);
		p = next + 1;
	}
	return ret->len != n || memcmp(ret->data, path, n);
}

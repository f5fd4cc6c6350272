/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a provider may send: metadata, a Cache-Control header, an answer about a token; and any text
 * as a URL. What is taken must keep its promise: an address that may be asked, a token of the
 * issuer.
 */
#include <string.h>

#include "idp/idp_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void metadata(const char *s, size_t n)
{
	struct sz_idp_metadata m;
	struct sz_error e = {""}, ignored;

	if (sz_idp_metadata_read(s, n, "https://i.test", false, &m, &e)) {
		if (!e.msg[0] || m.jwks_uri || m.introspection)
			abort();
		return;
	}
	if ((m.jwks_uri && sz_fetch_url_ok(m.jwks_uri, false, &ignored)) ||
	    (m.introspection && sz_fetch_url_ok(m.introspection, false, &ignored)))
		abort();
	sz_idp_metadata_done(&m);
}

static void answer(const char *s, size_t n)
{
	static const char *const audiences[] = {"api"};
	struct sz_token_rules rules = {
		.issuer = "https://i.test", .audiences = audiences, .n_audiences = 1, .skew_s = 5};
	struct sz_error e = {""};
	struct sz_token t;
	int bad;
	enum sz_reason r = sz_token_introspected(s, n, &rules, true, 1000000, &t, &bad, &e);

	if (r == SZ_R_NONE) {
		if (bad || strcmp(t.issuer, "https://i.test") != 0 ||
		    !json_is_true(json_object_get(t.claims, "active")))
			abort();
	} else if (t.claims || (bad != 0) != (r == SZ_R_INTROSPECTION_DOWN)) {
		abort();
	}
	sz_token_done(&t);
}

static void url(const char *s, size_t n)
{
	char *text = sz_strndup(s, n), *where;
	struct sz_url u;

	if (!sz_url_parse(text, &u)) {
		if (!u.host_len || !u.port || u.port > 65535 || u.origin_len > strlen(text) ||
		    memchr(text, '@', u.origin_len) || strpbrk(text, "# \\\r\n"))
			abort();
		where = sz_idp_metadata_url(text, SZ_DISCOVERY_OIDC);
		if (!where || strncmp(where, text, u.origin_len) != 0)
			abort();
		free(where);
		where = sz_idp_metadata_url(text, SZ_DISCOVERY_OAUTH);
		if (!where || strncmp(where, text, u.origin_len) != 0)
			abort();
		free(where);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *s = (const char *)data;
	s64 age = sz_fetch_max_age(s, size);

	if (age < -1 || age > 31536000)
		abort();
	metadata(s, size);
	answer(s, size);
	url(s, size);
	return 0;
}

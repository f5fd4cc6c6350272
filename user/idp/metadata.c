/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a provider says about itself: where it is asked (OpenID Connect Discovery 1.0 section 4, RFC
 * 8414 section 3) and how its answer is read. Pure; the bytes are somebody else's.
 */
#include <string.h>

#include "codec/codec.h"
#include "idp/idp_priv.h"

char *sz_idp_metadata_url(const char *issuer, enum sz_conf_discovery how)
{
	struct sz_buf url = {0};
	struct sz_url u;
	size_t n;

	if (sz_url_parse(issuer, &u))
		return NULL;
	n = u.path_len;
	/* Both texts take a slash at the end off first. */
	while (n && u.path[n - 1] == '/')
		n--;
	if (how == SZ_DISCOVERY_OIDC)
		sz_buf_printf(&url, "%.*s%.*s/.well-known/openid-configuration", (int)u.origin_len,
			      issuer, (int)n, u.path);
	else
		sz_buf_printf(&url, "%.*s/.well-known/oauth-authorization-server%.*s",
			      (int)u.origin_len, issuer, (int)n, u.path);
	return url.data;
}

/* An optional URL that must be one that may be asked. */
static int url_member(const json_t *root, const char *name, bool loopback_http, char **ret,
		      struct sz_error *e)
{
	const json_t *v = json_object_get(root, name);
	struct sz_error cause = {""};

	*ret = NULL;
	if (!v)
		return 0;
	if (!json_is_string(v))
		return sz_error_set(e, -EBADMSG, "\"%s\" is not a string", name);
	if (sz_fetch_url_ok(json_string_value(v), loopback_http, &cause))
		return sz_error_set(e, -EBADMSG, "\"%s\": %.300s", name, cause.msg);
	*ret = sz_strdup(json_string_value(v));
	return 0;
}

void sz_idp_metadata_done(struct sz_idp_metadata *m)
{
	free(m->jwks_uri);
	free(m->introspection);
	*m = (struct sz_idp_metadata){0};
}

int sz_idp_metadata_read(const char *text, size_t n, const char *issuer, bool loopback_http,
			 struct sz_idp_metadata *ret, struct sz_error *e)
{
	struct sz_error cause = {""};
	json_t *root = sz_json_parse(text, n, &cause);
	const char *said = json_string_value(json_object_get(root, "issuer"));
	int err = 0;

	*ret = (struct sz_idp_metadata){0};
	if (!root)
		return sz_error_set(e, -EBADMSG, "the provider's metadata: %.400s", cause.msg);
	/* RFC 8414 section 3.3: identical, or none of it may be used. */
	if (!said || strcmp(said, issuer) != 0)
		err = sz_error_set(e, -EBADMSG,
				   "the provider's metadata is of issuer \"%.200s\", not of "
				   "\"%.200s\"; they must be the same to the letter",
				   said ? said : "", issuer);
	if (!err)
		err = url_member(root, "jwks_uri", loopback_http, &ret->jwks_uri, &cause) ||
		      url_member(root, "introspection_endpoint", loopback_http,
				 &ret->introspection, &cause);
	if (err && !e->msg[0])
		err = sz_error_set(e, -EBADMSG, "the provider's metadata: %.400s", cause.msg);
	json_decref(root);
	if (err)
		sz_idp_metadata_done(ret);
	return err ? -EBADMSG : 0;
}

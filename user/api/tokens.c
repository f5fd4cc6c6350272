/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The tokens file of the local API: read by the daemon, written by `subzeroctl api token`. Secrets
 * are 32 random bytes, so a plain digest of them is enough; the secret itself is never stored.
 */
#include <sodium.h>
#include <string.h>

#include "api/api.h"
#include "codec/codec.h"

#define FILE_MAX   1048576u
#define TOKENS_MAX 4096
#define PREFIX     "szapi-"

bool sz_api_is_name(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-");

	return n && n <= SZ_API_NAME_MAX && !s[n];
}

void sz_api_tokens_done(struct sz_api_tokens *t)
{
	free(t->token);
	*t = (struct sz_api_tokens){0};
}

/* ---- file ----------------------------------------------------------------------------------- */

static bool read_scopes(struct sz_api_token *t, const json_t *scopes)
{
	size_t i;
	json_t *v;

	if (!json_is_array(scopes) || json_array_size(scopes) > SZ_API_SCOPES_MAX)
		return false;
	json_array_foreach((json_t *)scopes, i, v)
	{
		const char *s = json_string_value(v);

		if (!s || !sz_api_is_name(s))
			return false;
		strcpy(t->scopes[t->n_scopes++], s);
	}
	return true;
}

static bool read_token(struct sz_api_token *t, const json_t *v)
{
	const char *name = json_string_value(json_object_get(v, "name"));
	const char *digest = json_string_value(json_object_get(v, "digest"));
	const json_t *created = json_object_get(v, "created");
	const json_t *expires = json_object_get(v, "expires");

	if (!name || !sz_api_is_name(name) || !digest || strlen(digest) != 64 ||
	    sz_hex_decode(digest, 64, t->digest))
		return false;
	if ((created && !json_is_integer(created)) ||
	    (expires && (!json_is_integer(expires) || json_integer_value(expires) <= 0)))
		return false;
	strcpy(t->name, name);
	t->created_s = json_integer_value(created);
	t->expires_s = json_integer_value(expires);
	return read_scopes(t, json_object_get(v, "scopes"));
}

static int take(const json_t *root, const char *path, struct sz_api_tokens *ret,
		struct sz_error *e)
{
	const json_t *list = json_object_get(root, "tokens");
	size_t i, k;
	json_t *v;

	if (!json_is_array(list) || json_array_size(list) > TOKENS_MAX)
		return sz_error_set(e, -EINVAL, "%.200s: \"tokens\" must be a list of at most %d",
				    path, TOKENS_MAX);
	ret->token = sz_calloc(json_array_size(list) + 1, sizeof(*ret->token));
	json_array_foreach((json_t *)list, i, v)
	{
		if (!read_token(&ret->token[i], v))
			return sz_error_set(e, -EINVAL,
					    "%.200s: token %zu is not {name, digest, scopes, "
					    "created, expires}; remove it and make a new one with "
					    "'subzeroctl api token add'", path, i + 1);
		for (k = 0; k < i; k++)
			if (!strcmp(ret->token[k].name, ret->token[i].name))
				return sz_error_set(e, -EINVAL, "%.200s: two tokens have the name "
						    "%s; remove one", path, ret->token[i].name);
		ret->n++;
	}
	return 0;
}

int sz_api_tokens_read(const char *path, struct sz_api_tokens *ret, struct sz_error *e)
{
	struct sz_buf text = {0};
	struct sz_error why = {""};
	json_t *root;
	int err;

	*ret = (struct sz_api_tokens){0};
	err = sz_file_read(path, FILE_MAX, &text, e);
	if (err)
		return err;
	root = sz_json_parse(text.data ? text.data : "", text.len, &why);
	sz_buf_done(&text);
	if (!root)
		return sz_error_set(e, -EINVAL, "%.200s: %.250s", path, why.msg);
	err = take(root, path, ret, e);
	json_decref(root);
	if (err)
		sz_api_tokens_done(ret);
	return err;
}

int sz_api_tokens_write(const char *path, const struct sz_api_tokens *t, struct sz_error *e)
{
	json_t *list = json_array(), *root, *scopes, *v;
	char digest[65], *text;
	size_t i;
	u32 k;
	int err;

	for (i = 0; i < t->n; i++) {
		scopes = json_array();
		for (k = 0; k < t->token[i].n_scopes; k++)
			json_array_append_new(scopes, json_string(t->token[i].scopes[k]));
		sz_hex_encode(t->token[i].digest, 32, digest);
		v = json_pack("{s:s, s:s, s:o, s:I}", "name", t->token[i].name, "digest", digest,
			      "scopes", scopes, "created", (json_int_t)t->token[i].created_s);
		if (t->token[i].expires_s)
			json_object_set_new(v, "expires", json_integer(t->token[i].expires_s));
		json_array_append_new(list, v);
	}
	root = json_pack("{s:o}", "tokens", list);
	text = json_dumps(root, JSON_INDENT(2));
	json_decref(root);
	if (!text)
		return sz_error_set(e, -ENOMEM, "no memory to write %.200s", path);
	err = sz_file_replace(path, text, strlen(text), 0600, e);
	free(text);
	return err;
}

/* ---- secrets -------------------------------------------------------------------------------- */

static void digest_of(const char *secret, size_t n, u8 ret[32])
{
	crypto_generichash(ret, 32, (const u8 *)secret, n, NULL, 0);
}

void sz_api_secret_make(char ret_secret[SZ_API_SECRET_LEN + 3], u8 ret_digest[32])
{
	u8 random[32];

	randombytes_buf(random, sizeof(random));
	strcpy(ret_secret, PREFIX);
	sz_b64url_encode(random, sizeof(random), ret_secret + strlen(PREFIX));
	sodium_memzero(random, sizeof(random));
	digest_of(ret_secret, strlen(ret_secret), ret_digest);
}

const struct sz_api_token *sz_api_tokens_find(const struct sz_api_tokens *t, const char *secret,
					      size_t n)
{
	const struct sz_api_token *found = NULL;
	u8 digest[32];
	size_t i;

	digest_of(secret, n, digest);
	for (i = 0; i < t->n; i++)
		if (!sodium_memcmp(digest, t->token[i].digest, sizeof(digest)))
			found = &t->token[i];
	return found;
}

bool sz_api_token_has(const struct sz_api_token *t, const char *scope)
{
	u32 i;

	for (i = 0; i < t->n_scopes; i++)
		if (!strcmp(t->scopes[i], scope))
			return true;
	return false;
}

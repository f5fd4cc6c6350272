/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The last good key set of each issuer on disk, so that a restart while the provider is down finds
 * it. One file an issuer, replaced whole. What is read is believed no more than what is fetched: it
 * must name the issuer and its address, and hold a key set.
 */
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "codec/codec.h"
#include "idp/idp_priv.h"

#define FILE_MAX (2u * SZ_JWKS_MAX) /* a set's text inside a JSON string */

static void path_of(const struct sz_conf *c, const char *issuer, char ret[PATH_MAX])
{
	u8 h[16];
	char hex[33];

	crypto_generichash(h, sizeof(h), (const u8 *)issuer, strlen(issuer), NULL, 0);
	sz_hex_encode(h, sizeof(h), hex);
	snprintf(ret, PATH_MAX, "%s/keys/%s.json", c->state_dir, hex);
}

s64 sz_idp_usable_until(const struct sz_conf_issuer *is, s64 fetched_s)
{
	return is->provider.max_stale_s ? fetched_s + (s64)is->provider.max_stale_s : INT64_MAX;
}

static int read_root(const json_t *root, const struct sz_conf_issuer *is, const char **ret_text,
		     struct sz_idp_keys *ret, struct sz_error *e)
{
	const char *issuer, *uri;
	json_int_t fetched, changed;

	if (json_unpack((json_t *)root, "{s:s, s:s, s:I, s:I, s:s}", "issuer", &issuer, "uri", &uri,
			"fetched", &fetched, "changed", &changed, "jwks", ret_text))
		return sz_error_set(e, -EBADMSG, "a member is missing or of another type");
	/* Another address since: its keys are those of another provider. */
	if (strcmp(issuer, is->issuer) != 0 || (is->jwks_uri && strcmp(uri, is->jwks_uri) != 0))
		return sz_error_set(e, -ENOENT, "it was written for \"%.200s\" at \"%.200s\"",
				    issuer, uri);
	if (fetched < 0 || changed < 0 || changed > fetched)
		return sz_error_set(e, -EBADMSG, "its times make no sense");
	ret->fetched_s = fetched;
	ret->changed_s = changed;
	ret->until_s = sz_idp_usable_until(is, fetched);
	return 0;
}

int sz_idp_store_read(const struct sz_conf *c, const struct sz_conf_issuer *is,
		      struct sz_idp_keys *ret, struct sz_buf *ret_text, struct sz_error *e)
{
	struct sz_error cause = {""};
	struct sz_buf file = {0};
	const char *text = NULL;
	json_t *root = NULL;
	char path[PATH_MAX];
	int err;

	*ret = (struct sz_idp_keys){0};
	path_of(c, is->issuer, path);
	err = sz_file_read(path, FILE_MAX, &file, e);
	if (err)
		return err;
	root = sz_json_parse(file.data ? file.data : "", file.len, &cause);
	err = root ? read_root(root, is, &text, ret, &cause) : -EBADMSG;
	/* From the future: the clock was wrong then or is now. Its age is not known. */
	if (!err && ret->fetched_s > (s64)(sz_wall_ns() / 1000000000ull) + SZ_SKEW_MAX)
		err = sz_error_set(&cause, -EBADMSG, "it was fetched in the future");
	if (!err) {
		err = sz_jwks_parse(text, strlen(text), is->algs, &ret->set, &cause);
		err = err ? -EBADMSG : 0;
	}
	if (err)
		sz_error_set(e, err, "%.160s: not a key set that was kept: %.300s", path,
			     cause.msg);
	else if (ret_text)
		sz_buf_add(ret_text, text, strlen(text));
	json_decref(root);
	sz_buf_done(&file);
	return err;
}

int sz_idp_keys_load(const struct sz_conf *c, const struct sz_conf_issuer *is,
		     struct sz_idp_keys *ret, struct sz_error *e)
{
	return sz_idp_store_read(c, is, ret, NULL, e);
}

int sz_idp_store_write(const struct sz_conf *c, const struct sz_conf_issuer *is, const char *uri,
		       const struct sz_idp_keys *keys, const struct sz_buf *text,
		       struct sz_error *e)
{
	json_t *root = json_pack("{s:s, s:s, s:I, s:I, s:s}", "issuer", is->issuer, "uri", uri,
				 "fetched", (json_int_t)keys->fetched_s, "changed",
				 (json_int_t)keys->changed_s, "jwks", text->data);
	char *out = root ? json_dumps(root, JSON_COMPACT) : NULL;
	char path[PATH_MAX], *slash;
	int err;

	json_decref(root);
	if (!out)
		return sz_error_set(e, -EINVAL, "the keys of %.200s cannot be written as JSON",
				    is->issuer);
	path_of(c, is->issuer, path);
	slash = strrchr(path, '/');
	*slash = 0;
	err = mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
	if (err)
		sz_error_set(e, err, "cannot make the folder %.200s: %s", path, strerror(-err));
	*slash = '/';
	if (!err)
		err = sz_file_replace(path, out, strlen(out), 0600, e);
	free(out);
	return err;
}

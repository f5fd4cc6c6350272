/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A JWK set (RFC 7517 section 5): one file of public keys, read as a whole or refused as a whole.
 * Called when the configuration is loaded; the result is immutable and shared by all threads.
 */
#include <string.h>

#include <sodium.h>

#include "jose/jose_priv.h"

/* Puts the key's place in front of the message that says what is wrong with it. */
static int key_error(size_t i, const json_t *jwk, int err, const struct sz_error *cause,
		     struct sz_error *e)
{
	const char *kid = json_string_value(json_object_get(jwk, "kid"));

	if (!kid)
		return sz_error_set(e, err, "key %zu: %.400s", i + 1, cause->msg);
	return sz_error_set(e, err, "key %zu (kid \"%s\"): %.380s", i + 1, sz_show(kid).s,
			    cause->msg);
}

static bool kid_taken(const struct sz_jwks *set, const char *kid)
{
	size_t i;

	for (i = 0; i < set->n; i++)
		if (set->keys[i]->kid && !strcmp(set->keys[i]->kid, kid))
			return true;
	return false;
}

static int add_keys(struct sz_jwks *set, const json_t *keys, u32 allow, struct sz_error *e)
{
	struct sz_error cause = {""};
	struct sz_jwk *key;
	json_t *jwk;
	size_t i;
	int err;

	json_array_foreach(keys, i, jwk) {
		err = sz_jwk_prepare(jwk, allow, false, &key, &cause);
		if (!err && key && key->kid && kid_taken(set, key->kid)) {
			err = sz_error_set(&cause, -EINVAL, "another key of the set has this "
					   "\"kid\"; give each its own");
			sz_jwk_free(key);
		}
		if (err)
			return key_error(i, jwk, err, &cause, e);
		if (key)
			set->keys[set->n++] = key;
	}
	return 0;
}

int sz_jwks_parse(const char *json, size_t n, u32 allow, struct sz_jwks **ret, struct sz_error *e)
{
	struct sz_jwks *set;
	json_t *root, *keys;
	int err;

	*ret = NULL;
	if (sodium_init() < 0)
		return sz_error_set(e, -EIO, "libsodium cannot start: no source of randomness");
	if (n > SZ_JWKS_MAX)
		return sz_error_set(e, -EFBIG, "a key set of %zu bytes; at most %u are read", n,
				    SZ_JWKS_MAX);
	root = sz_json_parse(json, n, e);
	if (!root)
		return -EINVAL;
	set = sz_calloc(1, sizeof(*set));
	set->refs = 1;
	keys = json_object_get(root, "keys");
	if (!keys && json_object_get(root, "kty"))
		err = sz_error_set(e, -EINVAL, "this is a single key; a key set is "
				   "{\"keys\": [ ... ]} around it");
	else if (!json_is_array(keys))
		err = sz_error_set(e, -EINVAL, "not a key set: \"keys\" must be an array of keys");
	else if (json_array_size(keys) > SZ_KEYS_MAX)
		err = sz_error_set(e, -EINVAL, "%zu keys in the set; at most %d are allowed",
				   json_array_size(keys), SZ_KEYS_MAX);
	else {
		set->keys = sz_calloc(json_array_size(keys) + 1, sizeof(*set->keys));
		err = add_keys(set, keys, allow, e);
	}
	json_decref(root);
	if (err) {
		sz_jwks_free(set);
		return err;
	}
	*ret = set;
	return 0;
}

int sz_jwks_load(const char *path, u32 allow, struct sz_jwks **ret, struct sz_error *e)
{
	struct sz_error cause = {""};
	struct sz_buf buf = {0};
	int err;

	*ret = NULL;
	err = sz_file_read(path, SZ_JWKS_MAX, &buf, e);
	if (!err) {
		err = sz_jwks_parse(buf.data ? buf.data : "", buf.len, allow, ret, &cause);
		if (err)
			sz_error_set(e, err, "%.120s: %.380s", path, cause.msg);
	}
	if (buf.data)
		sodium_memzero(buf.data, buf.len);
	sz_buf_done(&buf);
	return err;
}

void sz_jwks_free(struct sz_jwks *set)
{
	size_t i;

	if (!set || __atomic_sub_fetch(&set->refs, 1, __ATOMIC_ACQ_REL))
		return;
	for (i = 0; i < set->n; i++)
		sz_jwk_free(set->keys[i]);
	free(set->keys);
	free(set);
}

struct sz_jwks *sz_jwks_ref(struct sz_jwks *set)
{
	__atomic_add_fetch(&set->refs, 1, __ATOMIC_RELAXED);
	return set;
}

const struct sz_jwk *sz_jwks_key(const struct sz_jwks *set, size_t i)
{
	return set->keys[i];
}

size_t sz_jwks_count(const struct sz_jwks *set)
{
	return set->n;
}

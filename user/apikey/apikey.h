/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * API keys: long random secrets that stand for an owner, with scopes and claims like a token's. The
 * store keeps a keyed digest of each, never the key. Written by `subzeroctl apikey`, read by the
 * daemon and by `explain`. A key is
 *
 *	sz_ID_SECRET_CHECK
 *
 * with 16 characters of ID (its name in lists and logs), 43 of secret (256 bits) and 6 of CRC-32,
 *all of [0-9A-Za-z]: so scanners find a key that leaked, and a mistyped one is told without the
 *store.
 */
#ifndef SZ_APIKEY_APIKEY_H
#define SZ_APIKEY_APIKEY_H

#include <jansson.h>

#include "core/core.h"

#define SZ_APIKEY_ID_LEN     16
#define SZ_APIKEY_SECRET_LEN 43
#define SZ_APIKEY_LEN        (3 + SZ_APIKEY_ID_LEN + 1 + SZ_APIKEY_SECRET_LEN + 1 + 6)
#define SZ_APIKEY_MAX        100000 /* in one store */
#define SZ_APIKEY_ISSUER     "urn:subzero:api-keys"

struct sz_apikey {
	char id[SZ_APIKEY_ID_LEN + 1];
	u8 digest[32];   /* BLAKE2b-256 of the whole key, keyed by the store's pepper */
	char *name;      /* for people */
	json_t *claims;  /* "iss", "sub", "jti" (the id), "iat", perhaps "scope", and others */
	char **services; /* names; none: all */
	size_t n_services;
	s64 created_s, expires_s, revoked_s; /* wall clock; 0 = never */
};

struct sz_apikeys; /* a store as it was read; immutable */

/*
 * The store at `path`, and its pepper in `path`.pepper. One that is not there is empty. -EPERM
 * where others can read the pepper, -EINVAL where a file is not what was written.
 */
int sz_apikeys_load(const char *path, struct sz_apikeys **ret, struct sz_error *e);
struct sz_apikeys *sz_apikeys_ref(struct sz_apikeys *s);
void sz_apikeys_free(struct sz_apikeys *s); /* drops one reference; NULL is fine */
size_t sz_apikeys_count(const struct sz_apikeys *s);
const struct sz_apikey *sz_apikeys_at(const struct sz_apikeys *s, size_t i); /* by id */
const struct sz_apikey *sz_apikeys_by_id(const struct sz_apikeys *s, const char *id);

/* Has it the shape of a key, with the right check characters? */
bool sz_apikey_shape(const char *s, size_t n);
/* The key that this is; NULL: none. Takes the same time for every secret of an id. */
const struct sz_apikey *sz_apikeys_find(const struct sz_apikeys *s, const char *key, size_t n);
bool sz_apikey_serves(const struct sz_apikey *k, const char *service);

/* ---- for the CLI ---------------------------------------------------------------------------- */

/* What a new key is to be; sub is required. Nothing is taken over. */
struct sz_apikey_wish {
	const char *name, *sub, *scope; /* name, scope: or NULL */
	const json_t *claims;           /* more of them, or NULL */
	const char *const *services;
	size_t n_services;
	s64 now, expires_s;
};
/* Changes are made to the store and written as a whole by sz_apikeys_save(), mode 0600. */
int sz_apikeys_add(struct sz_apikeys *s, const struct sz_apikey_wish *w,
		   char ret_key[SZ_APIKEY_LEN + 1], struct sz_error *e);
/* -ENOENT where there is none. A time that is set already only moves nearer. */
int sz_apikeys_end(struct sz_apikeys *s, const char *id, s64 revoked_s, s64 expires_s);
int sz_apikeys_save(const struct sz_apikeys *s, const char *path, struct sz_error *e);

#endif

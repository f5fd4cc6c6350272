/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The store: a JSON file of keys beside a pepper of 32 random bytes. Whoever reads the file alone
 * can neither use a key nor tell whether a guess is one.
 */
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apikey/apikey_priv.h"
#include "codec/codec.h"

#define FILE_MAX (256u << 20)

struct sz_apikeys {
	struct sz_apikey *key; /* by id */
	size_t n;
	u8 pepper[32];
	bool has_pepper;
	unsigned refs;
};

static void key_done(struct sz_apikey *k)
{
	size_t i;

	for (i = 0; i < k->n_services; i++)
		free(k->services[i]);
	free(k->services);
	free(k->name);
	json_decref(k->claims);
}

void sz_apikeys_free(struct sz_apikeys *s)
{
	size_t i;

	if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL))
		return;
	for (i = 0; i < s->n; i++)
		key_done(&s->key[i]);
	sodium_memzero(s->pepper, sizeof(s->pepper));
	free(s->key);
	free(s);
}

struct sz_apikeys *sz_apikeys_ref(struct sz_apikeys *s)
{
	__atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
	return s;
}

size_t sz_apikeys_count(const struct sz_apikeys *s)
{
	return s->n;
}

const struct sz_apikey *sz_apikeys_at(const struct sz_apikeys *s, size_t i)
{
	return &s->key[i];
}

static int by_id(const void *a, const void *b)
{
	const struct sz_apikey *x = a, *y = b;

	return strcmp(x->id, y->id);
}

static struct sz_apikey *find_id(const struct sz_apikeys *s, const char *id)
{
	struct sz_apikey want = {0};

	if (!s->n || strlen(id) != SZ_APIKEY_ID_LEN)
		return NULL;
	strcpy(want.id, id);
	return bsearch(&want, s->key, s->n, sizeof(*s->key), by_id);
}

const struct sz_apikey *sz_apikeys_by_id(const struct sz_apikeys *s, const char *id)
{
	return find_id(s, id);
}

const struct sz_apikey *sz_apikeys_find(const struct sz_apikeys *s, const char *key, size_t n)
{
	char id[SZ_APIKEY_ID_LEN + 1] = "";
	const struct sz_apikey *k;
	u8 digest[32];

	if (!s->has_pepper || !sz_apikey_shape(key, n))
		return NULL;
	memcpy(id, key + 3, SZ_APIKEY_ID_LEN);
	k = find_id(s, id);
	if (!k)
		return NULL;
	sz_apikey_digest(s->pepper, key, digest);
	return sodium_memcmp(digest, k->digest, sizeof(digest)) ? NULL : k;
}

bool sz_apikey_serves(const struct sz_apikey *k, const char *service)
{
	size_t i;

	for (i = 0; i < k->n_services; i++)
		if (!strcmp(k->services[i], service))
			return true;
	return !k->n_services;
}

/* ---- reading -------------------------------------------------------------------------------- */

static int read_pepper(struct sz_apikeys *s, const char *path, struct sz_error *e)
{
	struct sz_buf name = {0}, text = {0};
	struct stat st;
	int err;

	sz_buf_printf(&name, "%s.pepper", path);
	err = stat(name.data, &st) ? -errno : 0;
	if (!err && st.st_mode & 077)
		err = sz_error_set(e, -EPERM, "%.200s can be read by others; chmod 600 it",
				   name.data);
	else if (!err)
		err = sz_file_read(name.data, 1024, &text, e);
	if (!err && (text.len < 64 || sz_hex_decode(text.data, 64, s->pepper)))
		err = sz_error_set(e, -EINVAL,
				   "%.200s is not 64 digits of hex; restore it, or "
				   "remove it and %.200s and make new keys",
				   name.data, path);
	s->has_pepper = !err;
	if (text.data)
		sodium_memzero(text.data, text.len);
	sz_buf_done(&text);
	sz_buf_done(&name);
	return err == -ENOENT ? 0 : err;
}

static bool read_services(struct sz_apikey *k, const json_t *list)
{
	json_t *v;
	size_t i;

	if (list && !json_is_array(list))
		return false;
	k->services = sz_calloc(json_array_size(list) + 1, sizeof(*k->services));
	json_array_foreach((json_t *)list, i, v)
	{
		if (!json_is_string(v))
			return false;
		k->services[k->n_services++] = sz_strdup(json_string_value(v));
	}
	return true;
}

static bool read_key(struct sz_apikey *k, const json_t *o)
{
	const char *id = json_string_value(json_object_get(o, "id"));
	const char *digest = json_string_value(json_object_get(o, "digest"));
	const char *name = json_string_value(json_object_get(o, "name"));
	const json_t *claims = json_object_get(o, "claims");
	const char *sub = json_string_value(json_object_get(claims, "sub"));
	const char *jti = json_string_value(json_object_get(claims, "jti"));

	if (!id || strlen(id) != SZ_APIKEY_ID_LEN || !digest || strlen(digest) != 64 ||
	    sz_hex_decode(digest, 64, k->digest) || !sub || !jti || strcmp(jti, id) ||
	    !json_string_value(json_object_get(claims, "iss")))
		return false;
	strcpy(k->id, id);
	k->name = name ? sz_strdup(name) : NULL;
	k->claims = json_deep_copy(claims);
	k->created_s = json_integer_value(json_object_get(o, "created"));
	k->expires_s = json_integer_value(json_object_get(o, "expires"));
	k->revoked_s = json_integer_value(json_object_get(o, "revoked"));
	return read_services(k, json_object_get(o, "services"));
}

static int read_keys(struct sz_apikeys *s, const json_t *root, const char *path, struct sz_error *e)
{
	const json_t *list = json_object_get(root, "keys");
	json_t *o;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > SZ_APIKEY_MAX)
		return sz_error_set(e, -EINVAL, "%.200s: \"keys\" must be a list of at most %d",
				    path, SZ_APIKEY_MAX);
	s->key = sz_calloc(json_array_size(list) + 1, sizeof(*s->key));
	json_array_foreach((json_t *)list, i, o)
	{
		s->n++;
		if (!read_key(&s->key[i], o))
			return sz_error_set(e, -EINVAL,
					    "%.200s: key %zu is damaged; restore the file", path,
					    i + 1);
	}
	qsort(s->key, s->n, sizeof(*s->key), by_id);
	for (i = 1; i < s->n; i++)
		if (!strcmp(s->key[i - 1].id, s->key[i].id))
			return sz_error_set(e, -EINVAL,
					    "%.200s: two keys have the id %s; remove one", path,
					    s->key[i].id);
	if (s->n && !s->has_pepper)
		return sz_error_set(e, -ENOENT,
				    "%.200s.pepper is missing: no key can be recognised; "
				    "restore it",
				    path);
	return 0;
}

int sz_apikeys_load(const char *path, struct sz_apikeys **ret, struct sz_error *e)
{
	struct sz_apikeys *s = sz_calloc(1, sizeof(*s));
	struct sz_buf text = {0};
	json_t *root = NULL;
	int err;

	s->refs = 1;
	err = read_pepper(s, path, e);
	if (!err)
		err = sz_file_read(path, FILE_MAX, &text, e);
	if (!err) {
		root = json_loadb(text.data ? text.data : "", text.len, JSON_REJECT_DUPLICATES,
				  NULL);
		err = root ? read_keys(s, root, path, e)
			   : sz_error_set(e, -EINVAL, "%.200s is not JSON; restore it", path);
	}
	json_decref(root);
	sz_buf_done(&text);
	if (err && err != -ENOENT) {
		sz_apikeys_free(s);
		return err;
	}
	if (err && s->n) { /* keys without their pepper */
		sz_apikeys_free(s);
		return -EINVAL;
	}
	*ret = s;
	return 0;
}

/* ---- changing ------------------------------------------------------------------------------- */

static json_t *claims_of(const struct sz_apikey_wish *w, const char *id)
{
	json_t *c = w->claims ? json_deep_copy(w->claims) : json_object();

	json_object_set_new(c, "iss", json_string(SZ_APIKEY_ISSUER));
	json_object_set_new(c, "sub", json_string(w->sub));
	json_object_set_new(c, "jti", json_string(id));
	json_object_set_new(c, "iat", json_integer(w->now));
	if (w->scope)
		json_object_set_new(c, "scope", json_string(w->scope));
	return c;
}

int sz_apikeys_add(struct sz_apikeys *s, const struct sz_apikey_wish *w,
		   char ret_key[SZ_APIKEY_LEN + 1], struct sz_error *e)
{
	struct sz_apikey k = {.created_s = w->now, .expires_s = w->expires_s};
	size_t i;

	if (s->n == SZ_APIKEY_MAX)
		return sz_error_set(e, -E2BIG, "a store has at most %d keys", SZ_APIKEY_MAX);
	if (!s->has_pepper)
		randombytes_buf(s->pepper, sizeof(s->pepper));
	s->has_pepper = true;
	sz_apikey_make(ret_key);
	memcpy(k.id, ret_key + 3, SZ_APIKEY_ID_LEN);
	sz_apikey_digest(s->pepper, ret_key, k.digest);
	k.name = w->name ? sz_strdup(w->name) : NULL;
	k.claims = claims_of(w, k.id);
	if (!json_object_get(k.claims, "sub") ||
	    (w->scope && !json_object_get(k.claims, "scope"))) {
		key_done(&k);
		return sz_error_set(e, -EINVAL, "subject and scopes must be UTF-8");
	}
	k.services = sz_calloc(w->n_services + 1, sizeof(*k.services));
	for (i = 0; i < w->n_services; i++)
		k.services[k.n_services++] = sz_strdup(w->services[i]);
	s->key = sz_realloc(s->key, s->n + 1, sizeof(*s->key));
	s->key[s->n++] = k;
	qsort(s->key, s->n, sizeof(*s->key), by_id);
	return 0;
}

int sz_apikeys_end(struct sz_apikeys *s, const char *id, s64 revoked_s, s64 expires_s)
{
	struct sz_apikey *k = find_id(s, id);

	if (!k)
		return -ENOENT;
	if (revoked_s && (!k->revoked_s || revoked_s < k->revoked_s))
		k->revoked_s = revoked_s;
	if (expires_s && (!k->expires_s || expires_s < k->expires_s))
		k->expires_s = expires_s;
	return 0;
}

static json_t *write_key(const struct sz_apikey *k)
{
	char digest[65];
	json_t *o, *list;
	size_t i;

	sz_hex_encode(k->digest, sizeof(k->digest), digest);
	o = json_pack("{s:s, s:s, s:O, s:I}", "id", k->id, "digest", digest, "claims", k->claims,
		      "created", (json_int_t)k->created_s);
	if (k->name)
		json_object_set_new(o, "name", json_string(k->name));
	if (k->expires_s)
		json_object_set_new(o, "expires", json_integer(k->expires_s));
	if (k->revoked_s)
		json_object_set_new(o, "revoked", json_integer(k->revoked_s));
	if (!k->n_services)
		return o;
	list = json_array();
	for (i = 0; i < k->n_services; i++)
		json_array_append_new(list, json_string(k->services[i]));
	json_object_set_new(o, "services", list);
	return o;
}

/* The pepper first, and never another one: keys without it are of no use. */
static int save_pepper(const struct sz_apikeys *s, const char *path, struct sz_error *e)
{
	struct sz_buf name = {0};
	char hex[66];
	int err = 0;

	sz_buf_printf(&name, "%s.pepper", path);
	if (access(name.data, F_OK)) {
		sz_hex_encode(s->pepper, sizeof(s->pepper), hex);
		strcat(hex, "\n");
		err = sz_file_replace(name.data, hex, 65, 0600, e);
		sodium_memzero(hex, sizeof(hex));
	}
	sz_buf_done(&name);
	return err;
}

int sz_apikeys_save(const struct sz_apikeys *s, const char *path, struct sz_error *e)
{
	json_t *list = json_array(), *root;
	size_t i;
	char *text;
	int err = save_pepper(s, path, e);

	for (i = 0; i < s->n; i++)
		json_array_append_new(list, write_key(&s->key[i]));
	root = json_pack("{s:o}", "keys", list);
	text = json_dumps(root, JSON_INDENT(1));
	json_decref(root);
	if (!err && !text)
		err = sz_error_set(e, -ENOMEM, "no memory to write %.200s", path);
	if (!err)
		err = sz_file_replace(path, text, strlen(text), 0600, e);
	free(text);
	return err;
}

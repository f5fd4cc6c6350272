/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How the gateway tells a provider who it is: a client secret in the header or the form (RFC 6749
 * section 2.3.1), or an assertion signed with its own key (RFC 7523). Called by introspect.c. What
 * is secret is wiped and never part of a message.
 */
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

#include "codec/codec.h"
#include "idp/idp_priv.h"

#define SECRET_MAX   4096u
#define KEY_MAX      65536u
#define ASSERTION_S  60
#define ASSERTION_IS "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

void sz_idp_wipe(struct sz_buf *b)
{
	if (b->data)
		sodium_memzero(b->data, b->len);
	sz_buf_done(b);
}

/* A file that others could read holds no secret. */
static int read_secret(const char *path, size_t max, struct sz_buf *ret, struct sz_error *e)
{
	struct stat st;
	int err = sz_file_read(path, max, ret, e);

	if (err)
		return err;
	if (!stat(path, &st) && (st.st_mode & 0007))
		err = sz_error_set(e, -EPERM, "%.300s may be read by anybody on this host; run "
				   "'chmod 600' on it, and have the secret replaced", path);
	while (!err && ret->len && (ret->data[ret->len - 1] == '\n' ||
				    ret->data[ret->len - 1] == '\r'))
		ret->data[--ret->len] = 0;
	if (!err && !ret->len)
		err = sz_error_set(e, -ENODATA, "%.300s is empty; write the client's secret into "
				   "it", path);
	if (!err && strlen(ret->data) != ret->len)
		err = sz_error_set(e, -EINVAL, "%.300s holds a NUL byte", path);
	if (err)
		sz_idp_wipe(ret);
	return err;
}

static int sign(const json_t *key, const json_t *claims, struct sz_buf *ret, struct sz_error *e)
{
	json_t *more = json_pack("{s:s, s:O*}", "typ", "JWT", "kid", json_object_get(key, "kid"));
	int err = sz_jws_sign(key, more, claims, ret, e);

	json_decref(more);
	return err;
}

/* A private JWK that can sign; tried once, so that a wrong one is told at start. */
static int read_key(const char *path, json_t **ret, struct sz_error *e)
{
	struct sz_error cause = {""};
	struct sz_buf text = {0}, probe = {0};
	json_t *claims = json_object();
	int err = read_secret(path, KEY_MAX, &text, e);

	if (!err) {
		*ret = sz_json_parse(text.data, text.len, &cause);
		err = *ret ? sign(*ret, claims, &probe, &cause) : -EINVAL;
		if (err)
			sz_error_set(e, err, "%.200s: not a private JWK that can sign: %.200s",
				     path, cause.msg);
	}
	if (err) {
		json_decref(*ret);
		*ret = NULL;
	}
	json_decref(claims);
	sz_buf_done(&probe);
	sz_idp_wipe(&text);
	return err;
}

int sz_idp_client_load(const struct sz_conf_issuer *is, char **ret_secret, json_t **ret_key,
		       struct sz_error *e)
{
	const struct sz_conf_introspection *in = &is->introspection;
	struct sz_error cause = {""};
	struct sz_buf text = {0};
	int err;

	*ret_secret = NULL;
	*ret_key = NULL;
	if (!in->on)
		return 0;
	if (in->auth == SZ_CLIENT_PRIVATE_KEY_JWT) {
		err = read_key(in->key_file, ret_key, &cause);
	} else {
		err = read_secret(in->secret_file, SECRET_MAX, &text, &cause);
		if (!err)
			*ret_secret = sz_strdup(text.data);
		sz_idp_wipe(&text);
	}
	return err ? sz_error_set(e, err, "introspection of issuer %.100s: %.380s", is->issuer,
				  cause.msg) :
		     0;
}

void sz_idp_client_done(char *secret, json_t *key)
{
	if (secret)
		sodium_memzero(secret, strlen(secret));
	free(secret);
	json_decref(key);
}

/* application/x-www-form-urlencoded */
static void add_encoded(struct sz_buf *b, const char *s, size_t n)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t i;

	sz_buf_reserve(b, 3 * n + 1);
	for (i = 0; i < n; i++) {
		u8 c = (u8)s[i];
		char out[3] = {'%', hex[c >> 4], hex[c & 15]};
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || (c && strchr("-._~", c));

		sz_buf_add(b, plain ? &s[i] : out, plain ? 1 : 3);
	}
}

static void add_field(struct sz_buf *b, const char *name, const char *s, size_t n)
{
	sz_buf_printf(b, "%s%s=", b->len ? "&" : "", name);
	add_encoded(b, s, n);
}

static void add_basic(const char *id, const char *secret, struct sz_buf *ret)
{
	struct sz_buf pair = {0};
	size_t room;

	/* RFC 6749 section 2.3.1: both are encoded like a form first. */
	add_encoded(&pair, id, strlen(id));
	sz_buf_add(&pair, ":", 1);
	add_encoded(&pair, secret, strlen(secret));
	sz_buf_add(ret, "Basic ", 6);
	room = sodium_base64_ENCODED_LEN(pair.len, sodium_base64_VARIANT_ORIGINAL);
	sz_buf_reserve(ret, room);
	sodium_bin2base64(ret->data + ret->len, room, (const u8 *)pair.data, pair.len,
			  sodium_base64_VARIANT_ORIGINAL);
	ret->len += room - 1;
	sz_idp_wipe(&pair);
}

/* RFC 7523 section 3; the audience is the provider's own name. */
static int add_assertion(const struct sz_idp_source *s, struct sz_buf *form, struct sz_error *e)
{
	const char *id = s->conf->introspection.client_id;
	s64 now = (s64)(sz_wall_ns() / NS);
	struct sz_buf jwt = {0};
	char jti[33];
	json_t *claims;
	u8 random[16];
	int err;

	randombytes_buf(random, sizeof(random));
	sz_hex_encode(random, sizeof(random), jti);
	claims = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "iss", id, "sub", id, "aud", s->issuer,
			   "jti", jti, "iat", (json_int_t)now, "exp",
			   (json_int_t)(now + ASSERTION_S));
	err = claims ? sign(s->client_key, claims, &jwt, e) :
		       sz_error_set(e, -EINVAL, "client_id is not UTF-8");
	json_decref(claims);
	if (!err) {
		add_field(form, "client_id", id, strlen(id));
		add_field(form, "client_assertion_type", ASSERTION_IS, strlen(ASSERTION_IS));
		add_field(form, "client_assertion", jwt.data, jwt.len);
	}
	sz_idp_wipe(&jwt);
	return err;
}

int sz_idp_client_form(const struct sz_idp_source *s, const char *token, size_t n,
		       struct sz_buf *ret_form, struct sz_buf *ret_authorization,
		       struct sz_error *e)
{
	const struct sz_conf_introspection *in = &s->conf->introspection;

	add_field(ret_form, "token", token, n);
	add_field(ret_form, "token_type_hint", "access_token", 12);
	switch (in->auth) {
	case SZ_CLIENT_SECRET_BASIC:
		add_basic(in->client_id, s->secret, ret_authorization);
		return 0;
	case SZ_CLIENT_SECRET_POST:
		add_field(ret_form, "client_id", in->client_id, strlen(in->client_id));
		add_field(ret_form, "client_secret", s->secret, strlen(s->secret));
		return 0;
	case SZ_CLIENT_PRIVATE_KEY_JWT:
		return add_assertion(s, ret_form, e);
	}
	return -EINVAL;
}

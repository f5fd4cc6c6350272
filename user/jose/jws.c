/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Compact JWS (RFC 7515 section 7.1): taking it apart, choosing the key, checking the signature.
 * The token says which key and algorithm it claims; only a key that is bound to that algorithm is
 * ever tried. Keys inside the token ("jwk", "x5c", "jku") are never looked at.
 */
#include <string.h>

#include "jose/jose_priv.h"

#include "subzero/rule.h"

static int decode_part(struct sz_jws *jws, size_t at, const char *s, size_t n, const char *what,
		       size_t *ret_len, struct sz_error *e)
{
	ssize_t len = sz_b64url_decode(s, n, jws->bytes + at, sizeof(jws->bytes) - at);

	if (len < 0)
		return sz_error_set(e, -EINVAL, "the %s is not unpadded base64url", what);
	*ret_len = (size_t)len;
	return 0;
}

/* A member that must be a string where it is there. */
static int string_member(const json_t *header, const char *name, const char **ret)
{
	const json_t *v = json_object_get(header, name);

	*ret = json_string_value(v);
	return v && !*ret ? -EINVAL : 0;
}

static int parse_header(struct sz_jws *jws, const char *text, size_t n, struct sz_error *e)
{
	struct sz_error cause = {""};
	size_t len = 0;
	int err = decode_part(jws, 0, text, n, "header", &len, e);

	if (err)
		return err;
	jws->header = sz_json_parse((const char *)jws->bytes, len, &cause);
	if (!jws->header)
		return sz_error_set(e, -EINVAL, "the token's header: %.400s", cause.msg);
	jose_header_keep(text, n, jws->header);
	return 0;
}

static int read_header(struct sz_jws *jws, const char *text, size_t n, struct sz_error *e)
{
	const char *alg;
	int err;

	jws->header = jose_header_known(text, n);
	err = jws->header ? 0 : parse_header(jws, text, n, e);
	if (err)
		return err;
	if (string_member(jws->header, "alg", &alg) || !alg)
		return sz_error_set(e, -EINVAL, "the token's header has no string \"alg\"");
	if (string_member(jws->header, "kid", &jws->kid))
		return sz_error_set(e, -EINVAL, "the token's \"kid\" is not a string");
	jws->alg = sz_alg_parse(alg);
	return 0;
}

int sz_jws_split(const char *s, size_t n, struct sz_jws *ret, struct sz_error *e)
{
	const char *dot1, *dot2;
	int err;

	ret->header = NULL;
	ret->alg = SZ_ALG_NONE;
	ret->kid = NULL;
	if (n > SZ_TOKEN_MAX)
		return sz_error_set(e, -EINVAL, "a token of %zu bytes; at most %d are read", n,
				    SZ_TOKEN_MAX);
	dot1 = n ? memchr(s, '.', n) : NULL;
	dot2 = dot1 ? memchr(dot1 + 1, '.', n - (size_t)(dot1 + 1 - s)) : NULL;
	if (!dot2 || memchr(dot2 + 1, '.', n - (size_t)(dot2 + 1 - s)))
		return sz_error_set(e, -EINVAL, "not a compact JWS: it must have three parts");
	ret->signing = s;
	ret->signing_len = (size_t)(dot2 - s);
	/* The header's bytes are done with once they are parsed; payload and signature follow. */
	err = read_header(ret, s, (size_t)(dot1 - s), e);
	if (!err)
		err = decode_part(ret, 0, dot1 + 1, (size_t)(dot2 - dot1 - 1), "payload",
				  &ret->payload_len, e);
	if (!err)
		err = decode_part(ret, ret->payload_len, dot2 + 1, n - (size_t)(dot2 + 1 - s),
				  "signature", &ret->sig_len, e);
	if (err) {
		sz_jws_done(ret);
		return err;
	}
	ret->payload = ret->bytes;
	ret->sig = ret->bytes + ret->payload_len;
	return 0;
}

void sz_jws_done(struct sz_jws *jws)
{
	json_decref(jws->header);
	jws->header = NULL;
	jws->kid = NULL;
}

static int check_header(const struct sz_jws *jws, u32 algs, struct sz_error *e)
{
	const json_t *b64 = json_object_get(jws->header, "b64");

	if (SZ_RULE(JWS_CRIT) && json_object_get(jws->header, "crit"))
		return sz_error_set(e, -EBADMSG, "the token's header has \"crit\": no extension is "
						 "understood here");
	if (SZ_RULE(JWS_B64) && b64 && !json_is_true(b64))
		return sz_error_set(e, -EBADMSG, "the token's payload is not base64url (\"b64\")");
	if (jws->alg == SZ_ALG_NONE ||
	    (SZ_RULE(JWS_ALG_ALLOWED) && !(algs & SZ_ALG_BIT(jws->alg))))
		return sz_error_set(e, -EBADMSG, "the token's algorithm \"%s\" is not allowed here",
				    sz_show(json_string_value(json_object_get(jws->header,
									      "alg"))).s);
	return 0;
}

static int try_key(const struct sz_jws *jws, const struct sz_jwk *key, struct sz_error *e)
{
	if (SZ_RULE(JWS_KEY_ALG) && !(key->algs & SZ_ALG_BIT(jws->alg)))
		return sz_error_set(e, -EBADMSG, "the key is not for the token's algorithm %s",
				    sz_alg_name(jws->alg));
	if (SZ_RULE(JWS_SIGNATURE) &&
	    !sz_signature_ok(key, jws->alg, jws->signing, jws->signing_len, jws->sig, jws->sig_len))
		return sz_error_set(e, -EBADMSG, "the token's signature is wrong");
	return 0;
}

int sz_jws_check(const struct sz_jws *jws, const struct sz_jwks *keys, u32 algs,
		 const struct sz_jwk **ret_key, struct sz_error *e)
{
	const struct sz_jwk *unwanted;
	int err = check_header(jws, algs, e);
	size_t i, tried = 0;

	if (err)
		return err;
	ret_key = ret_key ? ret_key : &unwanted;
	for (i = 0; jws->kid && i < keys->n; i++) {
		*ret_key = keys->keys[i];
		if (!SZ_RULE(JWS_KID) ||
		    (keys->keys[i]->kid ? !strcmp(keys->keys[i]->kid, jws->kid) : keys->n == 1))
			return try_key(jws, keys->keys[i], e);
	}
	if (jws->kid)
		return sz_error_set(e, -ENOKEY, "no usable key of the set has the token's kid "
						"\"%s\"", sz_show(jws->kid).s);
	for (i = 0; i < keys->n; i++) {
		if (!(keys->keys[i]->algs & SZ_ALG_BIT(jws->alg)))
			continue;
		*ret_key = keys->keys[i];
		err = try_key(jws, keys->keys[i], e);
		if (!err)
			return 0;
		tried++;
	}
	return tried ? err : sz_error_set(e, -ENOKEY, "no key of the set is for %s",
					  sz_alg_name(jws->alg));
}

int sz_jws_verify(const char *s, size_t n, const struct sz_jwks *keys, u32 algs,
		  struct sz_buf *ret_payload, struct sz_error *e)
{
	struct sz_jws jws;
	int err;

	if (sz_jws_split(s, n, &jws, e))
		return -EBADMSG;
	err = sz_jws_check(&jws, keys, algs, NULL, e);
	if (!err) {
		sz_buf_reset(ret_payload);
		sz_buf_add(ret_payload, jws.payload, jws.payload_len);
	}
	sz_jws_done(&jws);
	return err;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One proof against one request (RFC 9449 section 4.3), pure: bytes in, verdict out. Called by
 * worker threads. What costs nothing is checked first; the signature last.
 */
#include <sodium.h>
#include <string.h>

#include "codec/codec.h"
#include "dpop/dpop.h"
#include "jose/jose.h"

#include "subzero/rule.h"

/* "ath": base64url of the token's SHA-256. */
static bool token_fits(const json_t *claims, const struct sz_dpop_request *req)
{
	const char *ath = json_string_value(json_object_get(claims, "ath"));
	u8 hash[crypto_hash_sha256_BYTES];
	char text[SZ_B64_ENCODED_LEN(sizeof(hash)) + 1];

	crypto_hash_sha256(hash, (const u8 *)req->token, req->token_len);
	sz_b64url_encode(hash, sizeof(hash), text);
	return !SZ_RULE(DPOP_ATH) || (ath && !strcmp(ath, text));
}

/* The URI of the request at one of its origins: the path of its target, in whichever form. */
static int request_uri(const struct sz_dpop_request *req, const char *origin, struct sz_buf *ret)
{
	const char *path = req->target;
	size_t n = req->target_len;
	struct sz_buf raw = {0};
	int err;

	if (n && *path != '/') { /* absolute-form, or "*" */
		const char *host = n > 7 ? memchr(path + 7, '/', n - 7) : NULL;
		const char *query = n > 7 ? memchr(path + 7, '?', n - 7) : NULL;

		if (host && (!query || host < query)) {
			n -= (size_t)(host - path);
			path = host;
		} else {
			n = 0;
		}
	}
	sz_buf_printf(&raw, "%s", origin);
	sz_buf_add(&raw, path, n);
	err = sz_dpop_uri(raw.data, raw.len, ret);
	sz_buf_done(&raw);
	return err;
}

static bool uri_fits(const json_t *claims, const struct sz_dpop_request *req)
{
	const json_t *htu = json_object_get(claims, "htu");
	struct sz_buf said = {0}, is = {0};
	bool fits = false;
	size_t i;

	if (json_is_string(htu) &&
	    !sz_dpop_uri(json_string_value(htu), json_string_length(htu), &said))
		for (i = 0; i < req->n_origins && !fits; i++)
			fits = !request_uri(req, req->origins[i], &is) && is.len == said.len &&
			       !memcmp(is.data, said.data, is.len);
	sz_buf_done(&said);
	sz_buf_done(&is);
	return !SZ_RULE(DPOP_HTU) || fits;
}

static bool method_fits(const json_t *claims, const struct sz_dpop_request *req)
{
	const json_t *htm = json_object_get(claims, "htm");

	return !SZ_RULE(DPOP_HTM) ||
	       (json_is_string(htm) && json_string_length(htm) == req->method_len &&
		!memcmp(json_string_value(htm), req->method, req->method_len));
}

/* What it is remembered by: its key and its "jti". */
static void name_proof(const char *thumb, const json_t *jti, struct sz_dpop_proof *ret)
{
	crypto_generichash_state st;
	u8 key[16];

	crypto_generichash_init(&st, NULL, 0, sizeof(ret->id));
	crypto_generichash_update(&st, (const u8 *)thumb, strlen(thumb) + 1);
	crypto_generichash_update(&st, (const u8 *)json_string_value(jti), json_string_length(jti));
	crypto_generichash_final(&st, ret->id, sizeof(ret->id));
	crypto_generichash(key, sizeof(key), (const u8 *)thumb, strlen(thumb), NULL, 0);
	memcpy(&ret->key, key, sizeof(ret->key));
	ret->key = ret->key ? ret->key : 1;
}

static enum sz_reason bad(struct sz_error *e, const char *what)
{
	sz_error_set(e, -EBADMSG, "the DPoP proof: %s", what);
	return SZ_R_DPOP_PROOF;
}

static enum sz_reason check_claims(const json_t *claims, const struct sz_dpop_request *req,
				   struct sz_dpop_proof *ret, struct sz_error *e)
{
	const json_t *jti = json_object_get(claims, "jti"),
		     *nonce = json_object_get(claims, "nonce");

	if (!json_is_string(jti) || !json_string_length(jti) ||
	    json_string_length(jti) > SZ_DPOP_JTI_MAX)
		return bad(e, "\"jti\" is missing, or not a string of 1 to 512 bytes");
	if (!sz_numeric_date(json_object_get(claims, "iat"), false, &ret->iat))
		return bad(e, "\"iat\" is missing or not a time");
	if (nonce && !json_is_string(nonce))
		return bad(e, "\"nonce\" is not a string");
	if (!method_fits(claims, req))
		return bad(e, "\"htm\" is not the request's method");
	if (!uri_fits(claims, req))
		return bad(e, "\"htu\" is not the request's URI; see \"origins\" of the service");
	if (!token_fits(claims, req))
		return bad(e, "\"ath\" is not the hash of the access token");
	ret->has_nonce = nonce != NULL;
	ret->nonce_shape = nonce && json_string_length(nonce) == SZ_DPOP_NONCE_LEN;
	if (ret->nonce_shape)
		memcpy(ret->nonce, json_string_value(nonce), SZ_DPOP_NONCE_LEN);
	return SZ_R_NONE;
}

static enum sz_reason check(const struct sz_proof *p, const struct sz_dpop_request *req,
			    struct sz_dpop_proof *ret, struct sz_error *e)
{
	const json_t *claims = sz_proof_claims(p);
	enum sz_reason r = check_claims(claims, req, ret, e);

	if (r != SZ_R_NONE)
		return r;
	if (SZ_RULE(DPOP_JKT) && strcmp(sz_proof_thumb(p), req->jkt)) {
		sz_error_set(e, -EBADMSG,
			     "the access token is bound to another key than the DPoP proof's");
		return SZ_R_DPOP_BINDING;
	}
	if (!sz_proof_signed(p))
		return bad(e, "its signature is wrong");
	name_proof(sz_proof_thumb(p), json_object_get(claims, "jti"), ret);
	return SZ_R_NONE;
}

enum sz_reason sz_dpop_prove(const struct sz_dpop_request *req, u32 algs, struct sz_dpop_proof *ret,
			     struct sz_error *e)
{
	struct sz_error cause = {""};
	struct sz_proof *p;
	enum sz_reason r;

	memset(ret, 0, sizeof(*ret));
	if (!req->proof || !req->proof_len)
		return bad(e, "there is none, or more than one");
	if (req->proof_len > SZ_DPOP_MAX)
		return bad(e, "it is longer than 4096 bytes");
	if (sz_proof_read(req->proof, req->proof_len, "dpop+jwt", algs, &p, &cause))
		return bad(e, cause.msg);
	r = check(p, req, ret, e);
	sz_proof_free(p);
	return r;
}

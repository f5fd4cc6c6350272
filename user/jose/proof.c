/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A compact JWS that brings its own public key in "jwk", as proofs of possession do (RFC 9449
 * section 4.2). Its signature says only that the sender holds that key: who trusts the key must
 * have its thumbprint from elsewhere, and has compared it before the signature is looked at.
 */
#include <string.h>

#include "jose/jose_priv.h"

#include "subzero/rule.h"

struct sz_proof {
	struct sz_jws jws;
	struct sz_jwk *key;
	json_t *claims;
};

static int read_key(struct sz_proof *p, u32 algs, struct sz_error *e)
{
	const json_t *jwk = json_object_get(p->jws.header, "jwk");
	struct sz_error cause = {""};
	int err;

	if (p->jws.alg == SZ_ALG_NONE ||
	    (SZ_RULE(PROOF_ALG) && !(algs & SZ_ALG_ASYMMETRIC & SZ_ALG_BIT(p->jws.alg))))
		return sz_error_set(e, -EBADMSG, "the algorithm is not allowed here");
	if (json_object_get(p->jws.header, "crit"))
		return sz_error_set(e, -EBADMSG, "no extension is understood here (\"crit\")");
	if (!jwk)
		return sz_error_set(e, -EBADMSG, "the header has no \"jwk\"");
	err = sz_jwk_prepare(jwk, SZ_ALG_BIT(p->jws.alg), false, &p->key, &cause);
	if (err)
		return sz_error_set(e, -EBADMSG, "the header's \"jwk\": %.300s", cause.msg);
	if (!p->key)
		return sz_error_set(e, -EBADMSG, "the header's \"jwk\" is not for %s",
				    sz_alg_name(p->jws.alg));
	return 0;
}

int sz_proof_read(const char *jws, size_t n, const char *typ, u32 algs, struct sz_proof **ret,
		  struct sz_error *e)
{
	struct sz_proof *p = sz_calloc(1, sizeof(*p));
	struct sz_error cause = {""};
	const char *is;
	int err = 0;

	*ret = NULL;
	if (sz_jws_split(jws, n, &p->jws, &cause))
		err = sz_error_set(e, -EBADMSG, "%.300s", cause.msg);
	is = err ? NULL : json_string_value(json_object_get(p->jws.header, "typ"));
	if (!err && SZ_RULE(PROOF_TYP) && (!is || strcmp(is, typ)))
		err = sz_error_set(e, -EBADMSG, "its \"typ\" is not %s", typ);
	if (!err)
		err = read_key(p, algs, e);
	if (!err) {
		p->claims = sz_json_parse((const char *)p->jws.payload, p->jws.payload_len, &cause);
		if (!p->claims)
			err = sz_error_set(e, -EBADMSG, "its claims: %.300s", cause.msg);
	}
	if (err) {
		sz_proof_free(p);
		return err;
	}
	*ret = p;
	return 0;
}

bool sz_proof_signed(const struct sz_proof *p)
{
	return !SZ_RULE(PROOF_SIGNATURE) ||
	       sz_signature_ok(p->key, p->jws.alg, p->jws.signing, p->jws.signing_len, p->jws.sig,
			       p->jws.sig_len);
}

const char *sz_proof_thumb(const struct sz_proof *p)
{
	return p->key->thumb;
}

const json_t *sz_proof_claims(const struct sz_proof *p)
{
	return p->claims;
}

void sz_proof_free(struct sz_proof *p)
{
	if (!p)
		return;
	sz_jwk_free(p->key);
	sz_jws_done(&p->jws);
	json_decref(p->claims);
	free(p);
}

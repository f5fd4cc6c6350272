/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Security event tokens (RFC 8417) of the configured issuers: who sent it, is it signed, is it for
 * us. What it says is not looked at here.
 */
#include <string.h>
#include <strings.h>

#include "verify/verify_priv.h"

static bool type_ok(const json_t *header)
{
	const char *typ = json_string_value(json_object_get(header, "typ"));

	if (typ && !strncasecmp(typ, "application/", 12))
		typ += 12;
	return typ && !strcasecmp(typ, "secevent+jwt");
}

static bool audience_ok(const json_t *aud, const char *want)
{
	json_t *v;
	size_t i;

	if (json_is_string(aud))
		return !strcmp(json_string_value(aud), want);
	json_array_foreach((json_t *)aud, i,
			   v) if (json_is_string(v) &&
				  !strcmp(json_string_value(v), want)) return true;
	return false;
}

static bool shape_ok(const json_t *claims)
{
	const json_t *events = json_object_get(claims, "events");
	const char *jti = json_string_value(json_object_get(claims, "jti"));
	s64 iat;

	return jti && *jti && json_is_object(events) && json_object_size(events) &&
	       sz_numeric_date(json_object_get(claims, "iat"), false, &iat);
}

/* The issuer that sends events and is named by "iss"; NULL: none. */
static const struct sz_conf_issuer *sender(const struct sz_verifier *v, const char *iss)
{
	size_t i;

	for (i = 0; iss && i < v->conf->n_issuers; i++)
		if (v->conf->issuers[i].events && !strcmp(iss, v->conf->issuers[i].issuer))
			return &v->conf->issuers[i];
	return NULL;
}

json_t *sz_verifier_event(const struct sz_verifier *v, const char *jws, size_t n, s64 now,
			  const char **ret_code, struct sz_error *e)
{
	const struct sz_conf_issuer *is = NULL;
	const struct sz_idp_keys *keys;
	struct sz_error cause = {""};
	struct sz_buf payload = {0};
	struct sz_token peek = {0};
	json_t *claims = NULL;

	*ret_code = "invalid_request";
	if (sz_token_peek(jws, n, &peek, &cause))
		sz_error_set(e, -EINVAL, "%.400s", cause.msg);
	else if (!type_ok(peek.header) || !shape_ok(peek.claims))
		sz_error_set(e, -EINVAL,
			     "not a security event token: typ secevent+jwt, jti, iat and "
			     "events must be there");
	else
		is = sender(v, peek.issuer);
	if (!is && !e->msg[0]) {
		*ret_code = "invalid_issuer";
		sz_error_set(e, -EINVAL, "no configured issuer of this name sends events");
	}
	keys = is ? &v->keys[is - v->conf->issuers] : NULL;
	if (keys && (!keys->set || now >= keys->until_s ||
		     sz_jws_verify(jws, n, keys->set, is->algs, &payload, &cause))) {
		*ret_code = "invalid_key";
		sz_error_set(e, -EINVAL, "%.400s",
			     cause.msg[0] ? cause.msg : "the issuer's keys are not known now");
		is = NULL;
	}
	if (is && !audience_ok(json_object_get(peek.claims, "aud"), is->events)) {
		*ret_code = "invalid_audience";
		sz_error_set(e, -EINVAL, "\"aud\" is not the audience configured for events");
		is = NULL;
	}
	/* What was read before the signature was verified are the same bytes. */
	if (is)
		claims = json_incref(peek.claims);
	sz_buf_done(&payload);
	sz_token_done(&peek);
	return claims;
}

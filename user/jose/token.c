/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A whole access token: shape, issuer, key, signature, then claims, in this order (RFC 7519, 8725).
 * Before the signature is verified nothing but "iss" is used, and no other claim is ever the
 * reason that is reported.
 */
#include <string.h>
#include <strings.h>

#include "jose/jose_priv.h"

#include "subzero/rule.h"

/* 9999-12-31T23:59:59Z; what lies beyond is a mistake of units. */
#define DATE_MAX 253402300799LL

void sz_token_done(struct sz_token *t)
{
	json_decref(t->header);
	json_decref(t->claims);
	memset(t, 0, sizeof(*t));
}

bool sz_numeric_date(const json_t *v, bool up, s64 *ret)
{
	if (json_is_integer(v)) {
		*ret = json_integer_value(v);
	} else if (json_is_real(v)) {
		double d = json_real_value(v);

		if (!(d >= 0 && d <= (double)DATE_MAX)) /* also refuses NaN */
			return false;
		*ret = (s64)d;
		*ret += up && (double)*ret < d;
	} else {
		return false;
	}
	return *ret >= 0 && *ret <= DATE_MAX;
}

/* Splits and reads the claims; the result is unverified. On success *ret owns the JSON. */
static int token_read(const char *s, size_t n, struct sz_jws *jws, struct sz_token *ret,
		      struct sz_error *e)
{
	struct sz_error cause = {""};

	memset(ret, 0, sizeof(*ret));
	if (sz_jws_split(s, n, jws, e))
		return -EINVAL;
	ret->claims = sz_json_parse((const char *)jws->payload, jws->payload_len, &cause);
	if (!ret->claims) {
		sz_jws_done(jws);
		return sz_error_set(e, -EINVAL, "the token's claims: %.400s", cause.msg);
	}
	ret->header = json_incref(jws->header);
	ret->alg = jws->alg;
	ret->kid = jws->kid;
	ret->issuer = json_string_value(json_object_get(ret->claims, "iss"));
	return 0;
}

int sz_token_peek(const char *s, size_t n, struct sz_token *ret, struct sz_error *e)
{
	struct sz_jws jws;
	int err = token_read(s, n, &jws, ret, e);

	if (err)
		return err;
	sz_jws_done(&jws);
	ret->subject = json_string_value(json_object_get(ret->claims, "sub"));
	ret->jti = json_string_value(json_object_get(ret->claims, "jti"));
	sz_numeric_date(json_object_get(ret->claims, "exp"), false, &ret->exp);
	sz_numeric_date(json_object_get(ret->claims, "nbf"), true, &ret->nbf);
	sz_numeric_date(json_object_get(ret->claims, "iat"), false, &ret->iat);
	return 0;
}

/* An optional claim that must be a string where it is present. */
static bool string_claim(const json_t *claims, const char *name, const char **ret)
{
	const json_t *v = json_object_get(claims, name);

	*ret = json_string_value(v);
	return !v || *ret;
}

static bool date_claim(const json_t *claims, const char *name, bool up, s64 *ret)
{
	const json_t *v = json_object_get(claims, name);

	*ret = 0;
	return !v || sz_numeric_date(v, up, ret);
}

static enum sz_reason read_claims(struct sz_token *t, struct sz_error *e)
{
	const char *bad = NULL;

	if (SZ_RULE(EXP_MISSING) && !json_object_get(t->claims, "exp"))
		bad = "\"exp\" is missing";
	else if (!date_claim(t->claims, "exp", false, &t->exp))
		bad = "\"exp\" is not a time in seconds since 1970";
	else if (!date_claim(t->claims, "nbf", true, &t->nbf))
		bad = "\"nbf\" is not a time in seconds since 1970";
	else if (!date_claim(t->claims, "iat", false, &t->iat))
		bad = "\"iat\" is not a time in seconds since 1970";
	else if (!string_claim(t->claims, "sub", &t->subject))
		bad = "\"sub\" is not a string";
	else if (!string_claim(t->claims, "jti", &t->jti))
		bad = "\"jti\" is not a string";
	if (!bad)
		return SZ_R_NONE;
	sz_error_set(e, -EINVAL, "the token's claims: %s", bad);
	return SZ_R_BAD_TOKEN;
}

static bool audience_known(const char *aud, const struct sz_token_rules *rules)
{
	size_t i;

	for (i = 0; i < rules->n_audiences; i++)
		if (!strcmp(aud, rules->audiences[i]))
			return true;
	return false;
}

/* RFC 7519 section 4.1.3: one string or an array of them. */
static enum sz_reason check_audience(const json_t *claims, const struct sz_token_rules *rules,
				     struct sz_error *e)
{
	const json_t *aud = json_object_get(claims, "aud");
	bool known = false;
	json_t *v;
	size_t i;

	if (json_is_string(aud)) {
		known = audience_known(json_string_value(aud), rules);
	} else if (aud && !json_is_array(aud)) {
		sz_error_set(e, -EINVAL, "the token's \"aud\" is not a string or an array");
		return SZ_R_BAD_TOKEN;
	}
	json_array_foreach(aud, i, v)
	{
		if (!json_is_string(v)) {
			sz_error_set(e, -EINVAL,
				     "the token's \"aud\" holds something that is "
				     "not a string");
			return SZ_R_BAD_TOKEN;
		}
		known |= audience_known(json_string_value(v), rules);
	}
	if (!SZ_RULE(AUDIENCE) || known)
		return SZ_R_NONE;
	sz_error_set(e, -EINVAL,
		     aud ? "the token's \"aud\" names none of the audiences configured "
			   "for this issuer"
			 : "the token has no \"aud\"");
	return SZ_R_BAD_AUDIENCE;
}

enum sz_reason sz_token_times(const struct sz_token *t, const struct sz_token_rules *rules, s64 now,
			      struct sz_error *e)
{
	s64 skew = !SZ_RULE(SKEW_MAX) || rules->skew_s < SZ_SKEW_MAX ? rules->skew_s : SZ_SKEW_MAX;

	if (SZ_RULE(EXPIRED) && now - skew >= t->exp) {
		sz_error_set(e, -EINVAL, "the token expired %lld s ago", (long long)(now - t->exp));
		return SZ_R_EXPIRED;
	}
	if ((SZ_RULE(NOT_BEFORE) && now + skew < t->nbf) ||
	    (SZ_RULE(ISSUED_AT) && now + skew < t->iat)) {
		sz_error_set(e, -EINVAL,
			     "the token's \"%s\" lies in the future; are the clocks right?",
			     now + skew < t->nbf ? "nbf" : "iat");
		return SZ_R_NOT_YET;
	}
	if (!SZ_RULE(MAX_AGE) || !rules->max_age_s)
		return SZ_R_NONE;
	if (!json_object_get(t->claims, "iat")) {
		sz_error_set(e, -EINVAL,
			     "the token has no \"iat\", and this issuer's tokens have "
			     "a maximum age");
		return SZ_R_BAD_TOKEN;
	}
	if (now - t->iat > skew && (u64)(now - t->iat - skew) > rules->max_age_s) {
		sz_error_set(e, -EINVAL, "the token is %lld s old; at most %llu s are allowed",
			     (long long)(now - t->iat), (unsigned long long)rules->max_age_s);
		return SZ_R_EXPIRED;
	}
	return SZ_R_NONE;
}

/* RFC 9068 section 4: "at+jwt" or the full media type, in any case of letters. */
static bool is_at_jwt(const json_t *header)
{
	const char *typ = json_string_value(json_object_get(header, "typ"));

	if (typ && !strncasecmp(typ, "application/", 12))
		typ += 12;
	return typ && !strcasecmp(typ, "at+jwt");
}

static enum sz_reason check_issuer(const struct sz_token *t, const struct sz_token_rules *rules,
				   struct sz_error *e)
{
	const json_t *iss = json_object_get(t->claims, "iss");

	if (t->issuer && (!SZ_RULE(ISSUER) || !strcmp(t->issuer, rules->issuer)))
		return SZ_R_NONE;
	if (t->issuer)
		sz_error_set(e, -EINVAL, "the token's issuer is \"%s\"", sz_show(t->issuer).s);
	else
		sz_error_set(e, -EINVAL, "the token's \"iss\" is missing or not a string");
	return !t->issuer && iss ? SZ_R_BAD_TOKEN : SZ_R_BAD_ISSUER;
}

static enum sz_reason check(const struct sz_jws *jws, const struct sz_token_rules *rules, s64 now,
			    struct sz_token *t, struct sz_error *e)
{
	enum sz_reason r = check_issuer(t, rules, e);
	int err;

	if (r != SZ_R_NONE)
		return r;
	err = sz_jws_check(jws, rules->keys, rules->algs, &t->key, e);
	if (err)
		return err == -ENOKEY ? SZ_R_UNKNOWN_KEY : SZ_R_BAD_TOKEN;
	if (SZ_RULE(AT_JWT) && rules->require_at_jwt && !is_at_jwt(t->header)) {
		sz_error_set(e, -EINVAL, "the token's \"typ\" is not at+jwt");
		return SZ_R_BAD_TOKEN;
	}
	r = read_claims(t, e);
	if (r == SZ_R_NONE)
		r = check_audience(t->claims, rules, e);
	if (r == SZ_R_NONE)
		r = sz_token_times(t, rules, now, e);
	return r;
}

enum sz_reason sz_token_verify_any(const char *s, size_t n, sz_rules_fn choose, void *arg, s64 now,
				   struct sz_token *ret, struct sz_error *e)
{
	const struct sz_token_rules *rules;
	struct sz_jws jws;
	enum sz_reason r;

	if (token_read(s, n, &jws, ret, e))
		return SZ_R_BAD_TOKEN;
	rules = choose(ret->issuer, arg, e);
	r = rules ? check(&jws, rules, now, ret, e) : SZ_R_BAD_ISSUER;
	if (r != SZ_R_NONE)
		sz_token_done(ret);
	sz_jws_done(&jws);
	return r;
}

static const struct sz_token_rules *given(const char *issuer, void *arg, struct sz_error *e)
{
	(void)issuer;
	(void)e;
	return arg;
}

enum sz_reason sz_token_verify(const char *s, size_t n, const struct sz_token_rules *rules, s64 now,
			       struct sz_token *ret, struct sz_error *e)
{
	return sz_token_verify_any(s, n, given, (void *)(uintptr_t)rules, now, ret, e);
}

/* ---- what a provider answered --------------------------------------------------------------- */

/* RFC 7662 section 2.2: members that are there have their types; the others may be missing. */
static const char *read_answer(struct sz_token *t, const struct sz_token_rules *rules)
{
	const char *client = NULL;

	if (!date_claim(t->claims, "exp", false, &t->exp) ||
	    !date_claim(t->claims, "nbf", true, &t->nbf) ||
	    !date_claim(t->claims, "iat", false, &t->iat))
		return "a time is not in seconds since 1970";
	if (!string_claim(t->claims, "sub", &t->subject) ||
	    !string_claim(t->claims, "jti", &t->jti) ||
	    !string_claim(t->claims, "client_id", &client) ||
	    !string_claim(t->claims, "iss", &t->issuer))
		return "a member is not a string";
	if (!t->subject)
		t->subject = client;
	if (!t->issuer) {
		/* For policies that look at it; the answer is the issuer's own. */
		json_object_set_new(t->claims, "iss", json_string(rules->issuer));
		t->issuer = json_string_value(json_object_get(t->claims, "iss"));
	}
	return NULL;
}

static enum sz_reason check_answer(struct sz_token *t, const struct sz_token_rules *rules,
				   bool need_audience, s64 now, struct sz_error *e)
{
	enum sz_reason r = check_issuer(t, rules, e);

	if (r == SZ_R_NONE && (need_audience || json_object_get(t->claims, "aud")))
		r = check_audience(t->claims, rules, e);
	if (r != SZ_R_NONE)
		return r;
	if (t->exp || json_object_get(t->claims, "exp"))
		return sz_token_times(t, rules, now, e);
	/* Without an end the rest of the times still holds. */
	t->exp = DATE_MAX;
	r = sz_token_times(t, rules, now, e);
	t->exp = 0;
	return r;
}

enum sz_reason sz_token_introspected(const char *answer, size_t n,
				     const struct sz_token_rules *rules, bool need_audience,
				     s64 now, struct sz_token *ret, int *ret_err,
				     struct sz_error *e)
{
	struct sz_error cause = {""};
	const json_t *active;
	const char *bad;
	enum sz_reason r;

	memset(ret, 0, sizeof(*ret));
	*ret_err = 0;
	ret->claims = sz_json_parse(answer, n, &cause);
	active = json_object_get(ret->claims, "active");
	if (!ret->claims || !json_is_boolean(active)) {
		if (ret->claims)
			sz_error_set(&cause, -EBADMSG, "\"active\" is not true or false");
		*ret_err = sz_error_set(e, -EBADMSG, "the answer about the token: %.400s",
					cause.msg);
		sz_token_done(ret);
		return SZ_R_INTROSPECTION_DOWN;
	}
	if (SZ_RULE(INACTIVE) && !json_is_true(active)) {
		sz_error_set(e, -EINVAL, "the issuer says that the token is not active");
		sz_token_done(ret);
		return SZ_R_INACTIVE;
	}
	bad = read_answer(ret, rules);
	if (bad) {
		*ret_err = sz_error_set(e, -EBADMSG, "the answer about the token: %s", bad);
		r = SZ_R_INTROSPECTION_DOWN;
	} else {
		r = check_answer(ret, rules, need_audience, now, e);
	}
	if (r != SZ_R_NONE)
		sz_token_done(ret);
	return r;
}

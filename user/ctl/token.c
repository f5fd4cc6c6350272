/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * token mint and inspect, for trying things out. What inspect shows is unverified unless a key set
 * says otherwise, and it says so.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "jose/jose.h"

#define TTL_S     3600
#define CLAIM_MAX 128 /* bytes of a claim's name */

/* ---- mint ----------------------------------------------------------------------------------- */

static int add_audience(struct sz_ctl *c, json_t *claims)
{
	const char *first = sz_ctl_value_at(&c->args, "aud", 0), *v;
	json_t *list;
	unsigned i;

	if (!first)
		return sz_ctl_usage("token mint needs --aud, who the token is for");
	if (!sz_ctl_value_at(&c->args, "aud", 1)) {
		json_object_set_new(claims, "aud", sz_ctl_text(first, strlen(first)));
		return 0;
	}
	list = json_array();
	for (i = 0; (v = sz_ctl_value_at(&c->args, "aud", i)) != NULL; i++)
		json_array_append_new(list, sz_ctl_text(v, strlen(v)));
	json_object_set_new(claims, "aud", list);
	return 0;
}

/* "name=value": the value is JSON where it reads as JSON, text otherwise. */
static int add_claim(json_t *claims, const char *text)
{
	const char *eq = strchr(text, '=');
	char name[CLAIM_MAX];
	json_t *v;

	if (!eq || eq == text || (size_t)(eq - text) >= sizeof(name))
		return sz_ctl_usage("--claim '%s' is not name=value", text);
	memcpy(name, text, (size_t)(eq - text));
	name[eq - text] = 0;
	v = json_loads(eq + 1, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	if (!v)
		v = sz_ctl_text(eq + 1, strlen(eq + 1));
	if (json_object_set_new(claims, name, v))
		return sz_ctl_usage("--claim '%s' is not valid UTF-8", text);
	return 0;
}

/* Seconds since the epoch, or a signed distance from now. */
static int parse_moment(const char *s, s64 now, s64 *ret)
{
	s64 offset;
	u64 v;

	if (*s == '+' || *s == '-') {
		if (sz_ctl_parse_offset(s, &offset))
			return -EINVAL;
		*ret = now + offset;
		return 0;
	}
	if (sz_ctl_parse_u64(s, 253402300799ull, &v))
		return -EINVAL;
	*ret = (s64)v;
	return 0;
}

static int add_times(struct sz_ctl *c, json_t *claims)
{
	const char *ttl = sz_ctl_value(&c->args, "ttl"), *nbf = sz_ctl_value(&c->args, "nbf");
	s64 now = (s64)(sz_wall_ns() / 1000000000), lives = TTL_S, from;

	if (ttl && sz_ctl_parse_offset(ttl, &lives))
		return sz_ctl_usage("--ttl '%s' is not a duration; write 15m, 1h, -5m", ttl);
	json_object_set_new(claims, "iat", json_integer(lives < 0 ? now + lives : now));
	json_object_set_new(claims, "exp", json_integer(now + lives));
	if (!nbf)
		return 0;
	if (parse_moment(nbf, now, &from))
		return sz_ctl_usage("--nbf '%s' is not seconds since 1970 or a distance like +5m",
				    nbf);
	json_object_set_new(claims, "nbf", json_integer(from));
	return 0;
}

static int make_claims(struct sz_ctl *c, json_t *claims)
{
	static const char *const plain[][2] = {{"iss", "who issues the token"},
					       {"sub", "whom it stands for"}};
	const char *scope = sz_ctl_value(&c->args, "scope"), *jti = sz_ctl_value(&c->args, "jti"),
		   *v;
	char fresh[2 * 16 + 1];
	u8 random[16];
	unsigned i;
	int ret;

	for (i = 0; i < SZ_ARRAY_LEN(plain); i++) {
		v = sz_ctl_value(&c->args, plain[i][0]);
		if (!v)
			return sz_ctl_usage("token mint needs --%s, %s", plain[i][0], plain[i][1]);
		json_object_set_new(claims, plain[i][0], sz_ctl_text(v, strlen(v)));
	}
	ret = add_audience(c, claims);
	if (!ret)
		ret = add_times(c, claims);
	if (ret)
		return ret;
	if (scope)
		json_object_set_new(claims, "scope", sz_ctl_text(scope, strlen(scope)));
	if (!jti) { /* so that it can be revoked by name */
		randombytes_buf(random, sizeof(random));
		sz_hex_encode(random, sizeof(random), fresh);
		jti = fresh;
	}
	json_object_set_new(claims, "jti", sz_ctl_text(jti, strlen(jti)));
	for (i = 0; !ret && (v = sz_ctl_value_at(&c->args, "claim", i)) != NULL; i++)
		ret = add_claim(claims, v);
	return ret;
}

static json_t *read_key(const char *path, struct sz_error *e)
{
	struct sz_buf text = {0};
	json_t *key = NULL;

	if (!sz_file_read(path, SZ_JWKS_MAX, &text, e)) {
		key = sz_json_parse(text.data, text.len, e);
		if (!key)
			sz_error_set(e, -EINVAL, "%.150s: %.300s", path, e->msg);
	}
	if (text.data)
		sodium_memzero(text.data, text.len);
	sz_buf_done(&text);
	return key;
}

#define COUNT_MAX 10000000

/* One token; its claims anew, so that each has a name of its own. */
static int mint(struct sz_ctl *c, const json_t *key, const json_t *more)
{
	json_t *claims = json_object();
	struct sz_buf token = {0};
	struct sz_error e;
	int ret;

	ret = make_claims(c, claims);
	if (!ret && sz_jws_sign(key, more, claims, &token, &e))
		ret = sz_ctl_fail("%s", e.msg);
	if (!ret && c->json)
		ret = sz_ctl_print_json(
			json_pack("{s:s, s:O}", "token", token.data, "claims", claims));
	else if (!ret)
		printf("%s\n", token.data);
	sz_buf_done(&token);
	json_decref(claims);
	return ret;
}

int sz_ctl_cmd_token_mint(struct sz_ctl *c)
{
	const char *path = sz_ctl_value(&c->args, "key"), *count = sz_ctl_value(&c->args, "count");
	const char *typ = sz_ctl_has(&c->args, "typ") ? sz_ctl_value(&c->args, "typ") : "at+jwt";
	json_t *key, *more;
	struct sz_error e;
	int ret = SZ_CTL_OK;
	u64 n = 1;

	if (!path)
		return sz_ctl_usage("token mint needs --key, a private key from 'keys generate'");
	if (count && (sz_ctl_parse_u64(count, COUNT_MAX, &n) || !n || c->json ||
		      sz_ctl_has(&c->args, "jti")))
		return sz_ctl_usage("--count is 1 to %d, and goes without --jti and --json",
				    COUNT_MAX);
	if (sodium_init() < 0)
		return sz_ctl_fail("libsodium cannot start: no source of randomness");
	key = read_key(path, &e);
	if (!key)
		return sz_ctl_fail("%s", e.msg);
	more = json_pack("{s:o, s:o*}", "typ", sz_ctl_text(typ, strlen(typ)), "kid",
			 json_incref(json_object_get(key, "kid")));
	while (n-- && !ret)
		ret = mint(c, key, more);
	json_decref(more);
	json_decref(key);
	return ret;
}

/* ---- inspect -------------------------------------------------------------------------------- */

static void print_times(const struct sz_token *t)
{
	const struct {
		const char *name;
		s64 at;
	} times[] = {{"issued", t->iat}, {"valid from", t->nbf}, {"expires", t->exp}};
	s64 now = (s64)(sz_wall_ns() / 1000000000);
	char when[SZ_CTL_TEXT_MAX], age[SZ_CTL_TEXT_MAX];
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(times); i++) {
		s64 d = times[i].at - now;

		if (times[i].at <= 0)
			continue;
		sz_ctl_age((u64)(d < 0 ? -d : d) * 1000000000, age);
		printf("%-11s %s (%s%s%s)\n", times[i].name, sz_ctl_time(times[i].at, when),
		       d <= 0 ? "" : "in ", age, d <= 0 ? " ago" : "");
	}
}

static void print_part(const char *name, const json_t *v)
{
	char *text = json_dumps(v, JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15));

	printf("%s %s\n", name, text ? text : "?");
	free(text);
}

/* 0 verified, 1 not; in words in *e. */
static int check_signature(const char *path, const struct sz_buf *token, struct sz_error *e)
{
	struct sz_jwks *keys = NULL;
	struct sz_buf payload = {0};
	int err = sz_jwks_load(path, ~0u, &keys, e);

	if (!err)
		err = sz_jws_verify(token->data, token->len, keys, ~0u, &payload, e);
	sz_buf_done(&payload);
	sz_jwks_free(keys);
	return err;
}

int sz_ctl_cmd_token_inspect(struct sz_ctl *c)
{
	const char *jwks = sz_ctl_value(&c->args, "jwks");
	struct sz_buf token = {0};
	struct sz_token t = {0};
	struct sz_error e = {""};
	int ret = SZ_CTL_FAILED, bad = 0;

	if (sz_ctl_token(c->args.n_words ? c->args.word[0] : "-", &token, &e) ||
	    sz_token_peek(token.data, token.len, &t, &e)) {
		sz_ctl_fail("not a token: %s", e.msg);
		goto out;
	}
	if (jwks)
		bad = check_signature(jwks, &token, &e);
	ret = bad ? SZ_CTL_FAILED : SZ_CTL_OK;
	if (c->json) {
		sz_ctl_print_json(json_pack("{s:b, s:o, s:O, s:O}", "verified", jwks && !bad,
					    "error",
					    bad ? sz_ctl_text(e.msg, strlen(e.msg)) : json_null(),
					    "header", t.header, "claims", t.claims));
		goto out;
	}
	if (!jwks)
		printf("UNVERIFIED: anybody can write this; --jwks FILE checks the signature\n");
	else if (!bad)
		printf("signature verified with %s; audience and times are not judged here\n",
		       jwks);
	print_part("header", t.header);
	print_part("claims", t.claims);
	print_times(&t);
	if (bad)
		sz_ctl_fail("THE SIGNATURE IS NOT VERIFIED: %s", e.msg);
out:
	sz_token_done(&t);
	sz_buf_done(&token);
	return ret;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * jws verify and jwk thumbprint: the verifier as it stands, without a service around it. One token
 * and a key set, or a line of JSON for each case. Answers are JSON, for scripts; a case that cannot
 * be read is an answer too, never a silent gap.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "jose/jose.h"

#define LINE_MAX_BYTES (1u << 20) /* one line of a batch */

/* "EdDSA,ES256" as a mask; 0 with *bad the first name that is no algorithm. */
static u32 parse_algs(const char *list, char bad[32])
{
	u32 mask = 0;

	while (*list) {
		size_t n = strcspn(list, ",");
		enum sz_alg alg;

		snprintf(bad, 32, "%.*s", (int)(n < 31 ? n : 31), list);
		alg = sz_alg_parse(bad);
		if (alg == SZ_ALG_NONE)
			return 0;
		mask |= SZ_ALG_BIT(alg);
		list += n + (list[n] == ',');
	}
	return mask;
}

/* The payload as what it is: JSON, text, or base64url of other bytes. */
static void add_payload(json_t *to, const struct sz_buf *payload)
{
	const char *data = payload->data ? payload->data : "";
	json_t *v = payload->len ? json_loadb(data, payload->len, JSON_REJECT_DUPLICATES, NULL)
				 : NULL;
	char *text;

	if (!v)
		v = json_stringn(data, payload->len);
	if (v) {
		json_object_set_new(to, "payload", v);
		return;
	}
	text = sz_calloc(1, payload->len / 3 * 4 + 5);
	sz_b64url_encode((const u8 *)data, payload->len, text);
	json_object_set_new(to, "payload_base64url", json_string(text));
	free(text);
}

static const char *reason_of(int err)
{
	return err == -ENOKEY ? "unknown_key" : err == -EMSGSIZE ? "too_large" : "bad_token";
}

/* {"valid", "reason", "detail"}, and what the token says where it is valid. */
static json_t *judge(const char *jws, size_t n, const struct sz_jwks *keys, u32 algs)
{
	struct sz_buf payload = {0};
	struct sz_token t = {0};
	struct sz_error e = {""}, ignored;
	json_t *v;
	int err = sz_jws_verify(jws, n, keys, algs, &payload, &e);

	v = json_pack("{s:b, s:o}", "valid", !err, "reason",
		      err ? json_string(reason_of(err)) : json_null());
	if (err) {
		json_object_set_new(v, "detail", sz_ctl_text(e.msg, strlen(e.msg)));
	} else {
		if (!sz_token_peek(jws, n, &t, &ignored))
			json_object_set(v, "header", t.header);
		sz_token_done(&t);
		add_payload(v, &payload);
	}
	sz_buf_done(&payload);
	return v;
}

static json_t *unreadable(const char *why)
{
	return json_pack("{s:b, s:s, s:o}", "valid", 0, "reason", "unreadable", "detail",
			 sz_ctl_text(why, strlen(why)));
}

/* A set of the one key; only its public half where it has two. */
static struct sz_jwks *single(const json_t *jwk, struct sz_error *e)
{
	static const char *const private[] = {"d", "p", "q", "dp", "dq", "qi", "oth"};
	json_t *key = json_deep_copy(jwk), *set;
	const char *kty = json_string_value(json_object_get(key, "kty"));
	struct sz_jwks *keys = NULL;
	char *text;
	size_t i;

	for (i = 0; kty && strcmp(kty, "oct") && i < SZ_ARRAY_LEN(private); i++)
		json_object_del(key, private[i]);
	set = json_pack("{s:[o]}", "keys", key);
	text = json_dumps(set, JSON_COMPACT);
	if (text)
		sz_jwks_parse(text, strlen(text), ~0u, &keys, e);
	else
		sz_error_set(e, -EINVAL, "the key cannot be written as JSON");
	free(text);
	json_decref(set);
	return keys;
}

/* One line of a batch. False: it is not a case. */
static bool judge_line(const char *line, size_t n, json_t **ret)
{
	struct sz_error e = {""};
	json_t *c = sz_json_parse(line, n, &e), *jws, *jwk, *id;
	struct sz_jwks *keys;
	bool is_case;

	jws = json_object_get(c, "jws");
	jwk = json_object_get(c, "jwk");
	id = json_object_get(c, "id");
	is_case = json_is_string(jws) && json_is_object(jwk);
	if (!is_case) {
		*ret = unreadable(c ? "a line is {\"id\": ..., \"jws\": \"...\", \"jwk\": {...}}"
				    : e.msg);
	} else {
		keys = single(jwk, &e);
		if (keys)
			*ret = judge(json_string_value(jws), json_string_length(jws), keys, ~0u);
		else
			*ret = json_pack("{s:b, s:s, s:o}", "valid", 0, "reason", "bad_key",
					 "detail", sz_ctl_text(e.msg, strlen(e.msg)));
		sz_jwks_free(keys);
		json_object_del(*ret, "header");
		json_object_del(*ret, "payload");
		json_object_del(*ret, "payload_base64url");
	}
	json_object_set(*ret, "id", id ? id : json_null());
	json_decref(c);
	return is_case;
}

static int batch_lines(FILE *f, const char *path)
{
	size_t room = 0, number = 0, bad = 0;
	char *line = NULL;
	ssize_t n;

	while ((n = getline(&line, &room, f)) >= 0) {
		json_t *v;

		number++;
		while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			n--;
		if (!n)
			continue;
		if ((size_t)n > LINE_MAX_BYTES) {
			v = unreadable("the line is longer than 1 MiB");
			json_object_set_new(v, "id", json_null());
			bad++;
		} else {
			bad += !judge_line(line, (size_t)n, &v);
		}
		json_dumpf(v, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
		putchar('\n');
		json_decref(v);
	}
	free(line);
	if (ferror(f))
		return sz_ctl_fail("cannot read %s to its end", path);
	return bad ? sz_ctl_fail("%zu of %zu lines are not a case; each says so in its answer",
				 bad, number)
		   : SZ_CTL_OK;
}

static int batch(const char *path)
{
	FILE *f;
	int ret;

	if (!strcmp(path, "-"))
		return batch_lines(stdin, "the standard input");
	f = fopen(path, "re");
	if (!f)
		return sz_ctl_fail("cannot read %s: %s", path, strerror(errno));
	ret = batch_lines(f, path);
	fclose(f);
	return ret;
}

int sz_ctl_cmd_jws_verify(struct sz_ctl *c)
{
	const char *path = sz_ctl_value(&c->args, "jwks"), *list = sz_ctl_value(&c->args, "alg");
	const char *lines = sz_ctl_value(&c->args, "jsonl");
	struct sz_jwks *keys = NULL;
	struct sz_buf token = {0};
	struct sz_error e = {""};
	u32 algs = ~0u;
	char bad[32];
	json_t *v;
	int ret;

	if (lines && (path || list || c->args.n_words))
		return sz_ctl_usage("--jsonl brings its own keys and tokens: nothing else goes "
				    "with it");
	if (lines)
		return batch(lines);
	if (!path)
		return sz_ctl_usage("jws verify needs --jwks FILE, or --jsonl FILE for a batch");
	if (list && !(algs = parse_algs(list, bad)))
		return sz_ctl_usage("--alg '%s' is not an algorithm; write EdDSA,ES256,RS256",
				    bad);
	if (sz_jwks_load(path, ~0u, &keys, &e))
		return sz_ctl_usage("%s", e.msg);
	if (sz_ctl_token(c->args.n_words ? c->args.word[0] : "-", &token, &e))
		v = json_pack("{s:b, s:s, s:o}", "valid", 0, "reason", "bad_token", "detail",
			      sz_ctl_text(e.msg, strlen(e.msg)));
	else
		v = judge(token.data, token.len, keys, algs);
	ret = json_is_true(json_object_get(v, "valid")) ? SZ_CTL_OK : SZ_CTL_FAILED;
	sz_ctl_print_json(v);
	sz_buf_done(&token);
	sz_jwks_free(keys);
	return ret;
}

int sz_ctl_cmd_jwk_thumbprint(struct sz_ctl *c)
{
	const char *path = c->args.word[0];
	struct sz_buf text = {0};
	struct sz_error e = {""};
	json_t *root, *keys, *key;
	int ret = SZ_CTL_OK;
	char print[44];
	size_t i;

	if (sz_file_read(strcmp(path, "-") ? path : "/dev/stdin", SZ_JWKS_MAX, &text, &e))
		return sz_ctl_fail("%s", e.msg);
	root = sz_json_parse(text.data ? text.data : "", text.len, &e);
	if (text.data)
		sodium_memzero(text.data, text.len);
	sz_buf_done(&text);
	if (!root)
		return sz_ctl_fail("%s: %s", path, e.msg);
	keys = json_object_get(root, "keys");
	keys = json_is_array(keys) ? json_incref(keys) : json_pack("[O]", root);
	json_array_foreach(keys, i, key) {
		const char *kid = json_string_value(json_object_get(key, "kid"));

		if (sz_jwk_thumbprint(key, print, &e)) {
			ret = sz_ctl_fail("%s: key %zu: %s", path, i + 1, e.msg);
			continue;
		}
		if (c->json)
			sz_ctl_print_json(json_pack("{s:o, s:s}", "kid",
						    kid ? json_string(kid) : json_null(),
						    "thumbprint", print));
		else
			printf("%s\n", print);
	}
	json_decref(keys);
	json_decref(root);
	return ret;
}

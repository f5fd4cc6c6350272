/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * keys generate: a key pair for trying things out. The private half goes into a file that only its
 * owner may read and is never printed.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "jose/jose.h"

static int write_json(const char *path, const json_t *v, unsigned mode, struct sz_error *e)
{
	char *text = json_dumps(v, JSON_INDENT(2));
	size_t n;
	int err;

	if (!text)
		return sz_error_set(e, -EINVAL, "the key cannot be written as JSON");
	n = strlen(text);
	text[n] = '\n'; /* the file needs no NUL */
	err = sz_file_replace(path, text, n + 1, mode, e);
	sodium_memzero(text, n + 1);
	free(text);
	return err;
}

/* The set in the file with the new key added; a broken set is not made worse. */
static int append_key(const char *path, json_t **set, struct sz_error *e)
{
	struct sz_buf text = {0};
	struct sz_jwks *checked = NULL;
	json_t *old = NULL, *keys;
	int err;

	if (access(path, F_OK) && errno == ENOENT)
		return 0; /* the first key of a new set */
	err = sz_jwks_load(path, ~0u, &checked, e);
	sz_jwks_free(checked);
	if (!err)
		err = sz_file_read(path, SZ_JWKS_MAX, &text, e);
	if (!err)
		old = sz_json_parse(text.data, text.len, e);
	sz_buf_done(&text);
	if (!old)
		return err ? err : -EINVAL;
	keys = json_object_get(old, "keys");
	if (json_array_size(keys) >= SZ_KEYS_MAX) {
		json_decref(old);
		return sz_error_set(e, -E2BIG, "%s already holds %d keys", path, SZ_KEYS_MAX);
	}
	json_array_extend(keys, json_object_get(*set, "keys"));
	json_decref(*set);
	*set = old;
	return 0;
}

static int check_targets(struct sz_ctl *c, const char *out, const char *jwks)
{
	bool force = sz_ctl_has(&c->args, "force"), append = sz_ctl_has(&c->args, "append");

	if (!out)
		return sz_ctl_usage("keys generate needs --out, the file for the private key");
	if (append && !jwks)
		return sz_ctl_usage("--append needs --jwks, the set to add the public key to");
	if (!force && !access(out, F_OK))
		return sz_ctl_fail("%s exists: choose another file, or --force to lose that key",
				   out);
	if (jwks && !force && !append && !access(jwks, F_OK))
		return sz_ctl_fail(
			"%s exists: --append adds the public key to it, --force replaces it", jwks);
	return 0;
}

static int show(struct sz_ctl *c, const char *alg, const json_t *private, const json_t *set,
		const char *out, const char *jwks)
{
	const char *kid = json_string_value(json_object_get(private, "kid"));

	if (c->json)
		return sz_ctl_print_json(json_pack("{s:s, s:s, s:s, s:s?, s:O}", "alg", alg, "kid",
						   kid, "private", out, "jwks_file", jwks, "jwks",
						   set));
	if (jwks) {
		printf("%s key %s\nprivate key: %s (keep it secret)\nkey set:     %s\n", alg, kid,
		       out, jwks);
		return SZ_CTL_OK;
	}
	sz_ctl_note("private key: %s (keep it secret); its key set follows", out);
	return sz_ctl_print_json(json_incref((json_t *)set));
}

int sz_ctl_cmd_keys_generate(struct sz_ctl *c)
{
	const char *out = sz_ctl_value(&c->args, "out"), *jwks = sz_ctl_value(&c->args, "jwks");
	const char *name = sz_ctl_value(&c->args, "alg");
	json_t *private = NULL, *set = NULL;
	struct sz_error e;
	enum sz_alg alg;
	int ret = check_targets(c, out, jwks);

	if (ret)
		return ret;
	alg = sz_alg_parse(name ? name : "EdDSA");
	if (alg == SZ_ALG_NONE)
		return sz_ctl_usage("--alg '%s' is not known; use EdDSA, ES256, RS256 or PS256",
				    name);
	if (sz_key_generate(alg, &private, &set, &e) ||
	    (sz_ctl_has(&c->args, "append") && append_key(jwks, &set, &e)) ||
	    write_json(out, private, 0600, &e) || (jwks && write_json(jwks, set, 0644, &e)))
		ret = sz_ctl_fail("%s", e.msg);
	else
		ret = show(c, sz_alg_name(alg), private, set, out, jwks);
	json_decref(private);
	json_decref(set);
	return ret;
}

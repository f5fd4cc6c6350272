/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any text as a key set, with all algorithms and with the asymmetric ones alone. Whatever is taken
 * must survive being verified against; a wider mask never takes fewer keys.
 */
#include <string.h>

#include "jose/jose.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const tokens[] = {
	"eyJhbGciOiJFZERTQSJ9.e30.AA", "eyJhbGciOiJFUzI1NiJ9.e30.AA",
	"eyJhbGciOiJSUzI1NiJ9.e30.AA", "eyJhbGciOiJIUzI1NiJ9.e30.AA",
};

static void use(const struct sz_jwks *keys)
{
	struct sz_buf payload = {0};
	struct sz_error e;
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(tokens); i++)
		if (!sz_jws_verify(tokens[i], strlen(tokens[i]), keys, ~0u, &payload, &e))
			abort();
	sz_buf_done(&payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	u32 shared = SZ_ALG_BIT(SZ_ALG_HS256) | SZ_ALG_BIT(SZ_ALG_HS384) | SZ_ALG_BIT(SZ_ALG_HS512);
	const char *s = (const char *)data;
	struct sz_jwks *all, *some;
	struct sz_error e;
	json_t *jwk;
	char print[44];

	if (!sz_jwks_parse(s, size, ~0u, &all, &e)) {
		/* What is sound as a whole is sound with fewer algorithms. */
		if (sz_jwks_parse(s, size, ~shared, &some, &e) ||
		    sz_jwks_count(some) > sz_jwks_count(all))
			abort();
		use(all);
		sz_jwks_free(some);
		sz_jwks_free(all);
	} else if (all || !memchr(e.msg, 0, sizeof(e.msg))) {
		abort();
	}
	jwk = sz_json_parse(s, size, &e);
	if (jwk && !sz_jwk_thumbprint(jwk, print, &e) && strlen(print) != 43)
		abort();
	json_decref(jwk);
	return 0;
}

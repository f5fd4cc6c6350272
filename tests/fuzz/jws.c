/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Token bytes against a fixed key set. No input may verify but the seed tokens, whose private keys
 * were thrown away. ECDSA signatures have a second form (r, n - s), so what is compared is the
 * signed text, not the whole token.
 */
#include <string.h>

#include "jose/jose.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char jwks[] =
	"{\"keys\":[{\"kty\":\"OKP\",\"alg\":\"EdDSA\",\"crv\":\"Ed25519\",\"x\":\"6MT2A0R-cv7pOfQ"
	"7kh9YPRC3NIcrSoH97nsw-IaT3Jo\",\"kid\":\"ed\"},{\"kty\":\"EC\",\"alg\":\"ES256\",\"crv\":"
	"\"P-256\",\"x\":\"yLLRhxZfc2M8JekQldhSF3MJB2ZWibG88O2WG6_5AYM\",\"y\":\"Tb7cYfLp4uEJO2ZhU"
	"csH7-CDzW0DFnjdZrmjU_hv3Yo\",\"kid\":\"ec\"},{\"kty\":\"RSA\",\"alg\":\"RS256\",\"n\":\"p"
	"lTJkAp7wIHwlj80C-NPQcdtljpBRGLrAyYHfyClMfgtz1Xxj6e48wZc1JbI4VayeWUhCJ6aWHbxkIthp6o9AWu2Gy"
	"VTDA0D99W4zSUSnVRP2WJjsvUWfpWJbW70ZDVYEQF9G47a4iDeedllqW-3WR6C6FPw0kMsFFhLq95NoSrK64a7aWk"
	"CPtAZhGfTtmIoXeZcc2pwqY5g8U-rjuIin3UUr1dOOV3EvpbU3Zpth_wFOCZIEIuinKlvYokR_8WH8zjPG6GZr21K"
	"GkSFlW5-KqzzuWIFRvLZ1cwVOUeSq6Nf0UEaiNsUa96UVbtyi3ttNbk3q6iIqdFsVr2ALWUj-Q\",\"e\":\"AQAB"
	"\",\"kid\":\"rsa\"},{\"kty\":\"oct\",\"alg\":\"HS256\",\"kid\":\"oct\",\"k\":\"AAECAwQFBg"
	"cICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"}]}";

static const char *const seeds[] = {
	("eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImVkIn0.eyJpc3MiOiJpIiwiYXVkIjoiYSIsImV4c"
	"CI6NDAwMDAwMDAwMH0.nJcBABib6_JKxOqvATtbHXpmywU6H6F85G8nl_asuiVhX6CPQzZKXOu1ukOY0Yb9A_Bi3c"
	"SZrjDCzagmY_0WDg"),
	("eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImVjIn0.eyJpc3MiOiJpIiwiYXVkIjoiYSIsImV4c"
	"CI6NDAwMDAwMDAwMH0.bsdwEyN4frzI3HoVODOILDZXsiVCCQm0hBaW9aiVjGkYPziWZvFxkiHLNYlOLm4y8hpRRb"
	"twJhiOeyKq8xVkPA"),
	("eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6InJzYSJ9.eyJpc3MiOiJpIiwiYXVkIjoiYSIsImV4"
	"cCI6NDAwMDAwMDAwMH0.GIM8hQH1wIzm6Aez_5R8cfx_q1_z5YFKad6Q9a6nyhRzis_K5EsCbeifvWeepatVn0lgb"
	"OvKvqdmvi8m3lKyoIqH8bErGnqmipWvGK-OT1COZNogFgo_hgi2lOAdgk3sXwsSxAOQtdsUKUkxFTJbHl6hUM-bGH"
	"3_7CD4ifZ3KMhG6fXn0WMSi0zZ_ZJwu7ZGhv6m1dJMYpXlx-gpKgGtt-DZdmAqXcG1-iCMN6o_pcDoDOEcjyYi7gX"
	"aIy-RUwLv7s1qH5LWqQG-T-Vidag1qAhHpz40xqhcZ1fI4GKB9vf3seFvjVktf3oBcceeTHy7vyw1eWI5D7fvLIVO"
	"_yBzvA"),
	("eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6Im9jdCJ9.eyJpc3MiOiJpIiwiYXVkIjoiYSIsImV4"
	"cCI6NDAwMDAwMDAwMH0.oHOq0qZhq--I8BJeXO_G61OrKB8jEWKipviS_rJwB_c"),
};

static bool signed_text_is_a_seed(const char *s, size_t n)
{
	const char *dot = memrchr(s, '.', n);
	size_t i, len;

	if (!dot)
		return false;
	for (i = 0; i < SZ_ARRAY_LEN(seeds); i++) {
		len = (size_t)(strrchr(seeds[i], '.') - seeds[i]);
		if (len == (size_t)(dot - s) && !memcmp(s, seeds[i], len))
			return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const audiences[] = {"a"};
	static struct sz_token_rules rules = {
		.issuer = "i", .audiences = audiences, .n_audiences = 1, .algs = ~0u,
	};
	static struct sz_jwks *keys;
	const char *s = (const char *)data;
	struct sz_buf payload = {0};
	struct sz_error e;
	struct sz_token t;
	bool verified;

	if (!keys && sz_jwks_parse(jwks, strlen(jwks), ~0u, &keys, &e))
		abort();
	rules.keys = keys;
	verified = !sz_jws_verify(s, size, keys, ~0u, &payload, &e);
	if (verified && !signed_text_is_a_seed(s, size))
		abort();
	if (sz_token_verify(s, size, &rules, 1000, &t, &e) == SZ_R_NONE) {
		if (!verified)
			abort();
		sz_token_done(&t);
	} else if (t.claims || t.header) {
		abort();
	}
	if (!sz_token_peek(s, size, &t, &e))
		sz_token_done(&t);
	sz_buf_done(&payload);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tokens, signed here with the lab's Ed25519 key (RFC 8037), because a campaign needs one unknown
 * token after the other. Reads the private key that `subzeroctl keys generate` wrote.
 */
#include "attack.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static u8 secret[crypto_sign_SECRETKEYBYTES];
static char kid[128];

/* The value of a member of a flat JSON object that this suite wrote itself. */
static void member(const char *json, const char *name, char *ret, size_t room)
{
	char key[32];
	const char *p, *end;

	snprintf(key, sizeof(key), "\"%s\"", name);
	p = strstr(json, key);
	p = p ? strchr(p + strlen(key), '"') : NULL;
	end = p ? strchr(p + 1, '"') : NULL;
	if (!end || (size_t)(end - p) > room)
		att_die("%s: no member \"%s\"", att_lab.key_file, name);
	memcpy(ret, p + 1, (size_t)(end - p - 1));
	ret[end - p - 1] = 0;
}

void att_token_open(void)
{
	char json[4096], d[64];
	u8 seed[crypto_sign_SEEDBYTES], public[crypto_sign_PUBLICKEYBYTES];
	FILE *f = fopen(att_lab.key_file, "r");
	size_t n = f ? fread(json, 1, sizeof(json) - 1, f) : 0, len = 0;

	if (f)
		fclose(f);
	json[n] = 0;
	member(json, "d", d, sizeof(d));
	member(json, "kid", kid, sizeof(kid));
	if (sodium_init() < 0 ||
	    sodium_base642bin(seed, sizeof(seed), d, strlen(d), NULL, &len, NULL,
			      sodium_base64_VARIANT_URLSAFE_NO_PADDING) ||
	    len != sizeof(seed))
		att_die("%s: not an Ed25519 key", att_lab.key_file);
	crypto_sign_seed_keypair(public, secret, seed);
}

static char *add64(char *to, char *end, const void *p, size_t n)
{
	sodium_bin2base64(to, (size_t)(end - to), p, n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	return to + strlen(to);
}

void att_token_mint(enum att_token_kind kind, const char *id, char ret[ATT_TOKEN_MAX])
{
	u8 sig[crypto_sign_BYTES];
	char text[640], *p = ret, *end = ret + ATT_TOKEN_MAX;
	long long now = (long long)time(NULL), from = kind == ATT_T_EXPIRED ? now - 7200 : now - 5;
	int n;

	n = snprintf(text, sizeof(text), "{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}",
		     kid);
	p = add64(p, end, text, (size_t)n);
	*p++ = '.';
	n = snprintf(text, sizeof(text),
		     "{\"iss\":\"%s\",\"sub\":\"%s\",\"aud\":\"%s\",\"iat\":%lld,\"exp\":%lld,"
		     "\"scope\":\"%s\",\"jti\":\"%s\"}",
		     att_lab.issuer, id, att_lab.audience, from, from + 3600,
		     kind == ATT_T_NO_SCOPE ? "other:thing" : "orders:read", id);
	p = add64(p, end, text, (size_t)n);
	crypto_sign_detached(sig, NULL, (const u8 *)ret, (unsigned long long)(p - ret), secret);
	if (kind == ATT_T_FORGED)
		sig[20] ^= 4;
	*p++ = '.';
	add64(p, end, sig, sizeof(sig));
}

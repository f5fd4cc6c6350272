/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The algorithms and what each of them demands of its key. Everything else in the room asks this
 * table. There is no "none" in it, and nothing here ever looks at a token.
 */
#include <string.h>

#include "jose/jose_priv.h"

static const struct sz_alg_info algs[SZ_ALG_COUNT] = {
	[SZ_ALG_EDDSA] = {"EdDSA", SZ_FAMILY_EDDSA, "OKP", "Ed25519", NULL, 0, 0},
	[SZ_ALG_ES256] = {"ES256", SZ_FAMILY_EC, "EC", "P-256", EVP_sha256, 32, 32},
	[SZ_ALG_ES384] = {"ES384", SZ_FAMILY_EC, "EC", "P-384", EVP_sha384, 48, 48},
	[SZ_ALG_ES512] = {"ES512", SZ_FAMILY_EC, "EC", "P-521", EVP_sha512, 64, 66},
	[SZ_ALG_RS256] = {"RS256", SZ_FAMILY_RSA, "RSA", NULL, EVP_sha256, 32, 0},
	[SZ_ALG_RS384] = {"RS384", SZ_FAMILY_RSA, "RSA", NULL, EVP_sha384, 48, 0},
	[SZ_ALG_RS512] = {"RS512", SZ_FAMILY_RSA, "RSA", NULL, EVP_sha512, 64, 0},
	[SZ_ALG_PS256] = {"PS256", SZ_FAMILY_PSS, "RSA", NULL, EVP_sha256, 32, 0},
	[SZ_ALG_PS384] = {"PS384", SZ_FAMILY_PSS, "RSA", NULL, EVP_sha384, 48, 0},
	[SZ_ALG_PS512] = {"PS512", SZ_FAMILY_PSS, "RSA", NULL, EVP_sha512, 64, 0},
	[SZ_ALG_HS256] = {"HS256", SZ_FAMILY_HMAC, "oct", NULL, EVP_sha256, 32, 0},
	[SZ_ALG_HS384] = {"HS384", SZ_FAMILY_HMAC, "oct", NULL, EVP_sha384, 48, 0},
	[SZ_ALG_HS512] = {"HS512", SZ_FAMILY_HMAC, "oct", NULL, EVP_sha512, 64, 0},
};

const struct sz_alg_info *sz_alg_info(enum sz_alg alg)
{
	return &algs[(unsigned int)alg < SZ_ALG_COUNT ? alg : SZ_ALG_NONE];
}

enum sz_alg sz_alg_parse(const char *name)
{
	unsigned int a;

	for (a = SZ_ALG_NONE + 1; name && a < SZ_ALG_COUNT; a++)
		if (!strcmp(name, algs[a].name))
			return (enum sz_alg)a;
	return SZ_ALG_NONE;
}

const char *sz_alg_name(enum sz_alg alg)
{
	const char *name = sz_alg_info(alg)->name;

	return name ? name : "unknown";
}

u32 sz_alg_mask(const char *kty, const char *crv)
{
	unsigned int a;
	u32 mask = 0;

	for (a = SZ_ALG_NONE + 1; a < SZ_ALG_COUNT; a++)
		if (!strcmp(kty, algs[a].kty) &&
		    (!algs[a].crv || (crv && !strcmp(crv, algs[a].crv))))
			mask |= SZ_ALG_BIT(a);
	return mask;
}

struct sz_shown sz_show(const char *name)
{
	struct sz_shown out;
	size_t i;

	for (i = 0; i < sizeof(out.s) - 1 && name[i]; i++)
		out.s[i] = name[i] < ' ' || name[i] > '~' || name[i] == '"' ? '?' : name[i];
	out.s[i] = 0;
	return out;
}

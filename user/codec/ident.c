/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Short names of principals and of what can be revoked: BLAKE2b-128 over a tagged text. The daemon
 * writes them into maps and the CLI computes the same ones, so a change here voids stored state.
 */
#include <sodium.h>
#include <string.h>

#include "codec/codec.h"

static void hash_parts(const char *tag, const void *a, size_t a_len, const void *b, size_t b_len,
		       u8 out[16])
{
	crypto_generichash_state st;

	crypto_generichash_init(&st, NULL, 0, 16);
	crypto_generichash_update(&st, (const u8 *)tag, strlen(tag) + 1);
	crypto_generichash_update(&st, a, a_len);
	crypto_generichash_update(&st, b, b_len);
	crypto_generichash_final(&st, out, 16);
}

u64 sz_principal_id(const char *iss, const char *sub)
{
	u64 id = 0;
	u8 h[16];
	int i;

	iss = iss ? iss : "";
	sub = sub ? sub : "";
	hash_parts("principal", iss, strlen(iss) + 1, sub, strlen(sub), h);
	for (i = 7; i >= 0; i--)
		id = id << 8 | h[i];
	return id ? id : 1;
}

struct sz_id sz_revoke_id(enum sz_revoke_kind kind, const void *value, size_t n)
{
	static const char *const names[] = {
		[SZ_REVOKE_TOKEN] = "token",
		[SZ_REVOKE_JTI] = "jti",
		[SZ_REVOKE_SUBJECT] = "subject",
		[SZ_REVOKE_ISSUER] = "issuer",
	};
	struct sz_id id;

	hash_parts(names[kind], value, n, "", 0, id.b);
	return id;
}

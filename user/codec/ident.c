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
	size_t tag_len = strlen(tag) + 1;
	crypto_generichash_state st;
	u8 whole[256];

	if (tag_len + a_len + b_len <= sizeof(whole)) {
		memcpy(whole, tag, tag_len);
		memcpy(whole + tag_len, a, a_len);
		memcpy(whole + tag_len + a_len, b, b_len);
		crypto_generichash(out, 16, whole, tag_len + a_len + b_len, NULL, 0);
		return;
	}
	crypto_generichash_init(&st, NULL, 0, 16);
	crypto_generichash_update(&st, (const u8 *)tag, tag_len);
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

#define KIND_LABEL(n, NAME, label) [n] = (label),
static const char *const kinds[SZ_REVOKE_KIND_COUNT] = {SZ_REVOKE_KINDS(KIND_LABEL)};

struct sz_id sz_revoke_id(enum sz_revoke_kind kind, const void *value, size_t n)
{
	struct sz_id id;

	hash_parts(kinds[kind], value, n, "", 0, id.b);
	return id;
}

struct sz_id sz_revoke_token_id(const char *token, size_t n)
{
	const char *dot1 = memchr(token, '.', n), *dot2 = NULL;

	if (dot1)
		dot2 = memchr(dot1 + 1, '.', n - (size_t)(dot1 + 1 - token));
	return sz_revoke_id(SZ_REVOKE_TOKEN, token, dot2 ? (size_t)(dot2 - token) : n);
}

struct sz_id sz_revoke_pair_id(enum sz_revoke_kind kind, const char *iss, const char *name)
{
	struct sz_id id;

	hash_parts(kinds[kind], iss, strlen(iss) + 1, name, strlen(name), id.b);
	return id;
}

const char *sz_revoke_kind_name(u32 kind)
{
	return kind && kind < SZ_REVOKE_KIND_COUNT ? kinds[kind] : "unknown";
}

u32 sz_revoke_kind_parse(const char *name)
{
	u32 kind;

	for (kind = 1; kind < SZ_REVOKE_KIND_COUNT; kind++)
		if (!strcmp(name, kinds[kind]))
			return kind;
	return 0;
}

bool sz_revoked_holds(const struct sz_revoked *v, u64 issued_s, u64 now_s)
{
	return (!v->until_s || v->until_s > now_s) && (!v->before_s || issued_s < v->before_s);
}

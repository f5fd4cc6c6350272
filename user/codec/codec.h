/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Encodings at the door: strict base64url (RFC 4648 section 5, no padding, canonical trailing
 * bits), hex, JSON that refuses duplicate members, and the names of principals and revocations.
 */
#ifndef SZ_CODEC_CODEC_H
#define SZ_CODEC_CODEC_H

#include <jansson.h>

#include "core/core.h"

/* Bytes that n characters of base64url decode to, at most. */
#define SZ_B64_DECODED_MAX(n) ((n) / 4 * 3 + 3)
#define SZ_B64_ENCODED_LEN(n) (((n) * 4 + 2) / 3)

/* Returns the number of bytes written to out, or -EINVAL for anything that is not canonical. */
ssize_t sz_b64url_decode(const char *text, size_t n, u8 *out, size_t out_max) SZ_MUST_CHECK;
/* Writes SZ_B64_ENCODED_LEN(n) characters and a NUL. */
void sz_b64url_encode(const u8 *p, size_t n, char *out);

void sz_hex_encode(const u8 *p, size_t n, char *out); /* 2n characters and a NUL */
int sz_hex_decode(const char *s, size_t n, u8 *out);  /* n characters, even; -EINVAL */

/*
 * Strict JSON: UTF-8, one object, no duplicate members, no NUL in strings, depth at most
 * SZ_JSON_DEPTH_MAX, nothing behind it. Returns a new reference or NULL with *e filled.
 */
json_t *sz_json_parse(const char *s, size_t n, struct sz_error *e);

/* First 8 bytes of BLAKE2b-128("principal\0" iss "\0" sub); never 0. */
u64 sz_principal_id(const char *iss, const char *sub);
/* BLAKE2b-128(kind label "\0" value): the key of sz_revoked. `value` is n bytes. */
struct sz_id sz_revoke_id(enum sz_revoke_kind kind, const void *value, size_t n);
/*
 * Of a token: for a JWS by its signed text, for the signature may have a second form (ECDSA); by
 * all of it for others.
 */
struct sz_id sz_revoke_token_id(const char *token, size_t n);
/* The same of the kinds whose value is "issuer NUL name". */
struct sz_id sz_revoke_pair_id(enum sz_revoke_kind kind, const char *iss, const char *name);
/* Does an entry of sz_revoked hold at `now_s` (wall clock) for what was issued at `issued_s`? */
bool sz_revoked_holds(const struct sz_revoked *v, u64 issued_s, u64 now_s);
/* "token"; "unknown" for a number that is no kind. */
const char *sz_revoke_kind_name(u32 kind);
/* 0 where there is no such kind. */
u32 sz_revoke_kind_parse(const char *name);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared inside the room: the compression function in its two forms, over whole blocks of 64 bytes.
 * Tests include it to compare them.
 */
#ifndef SZ_HASH_HASH_PRIV_H
#define SZ_HASH_HASH_PRIV_H

#include "hash/hash.h"

extern const u32 sz_sha256_k[64];

void sz_sha256_blocks_plain(u32 h[8], const u8 *p, size_t n);

/* Has this processor the instructions? The two below may be called only then. */
bool sz_sha256_ni(void);
void sz_sha256_blocks_ni(u32 h[8], const u8 *p, size_t n);
void sz_sha256_blocks2_ni(u32 hx[8], const u8 *px, u32 hy[8], const u8 *py, size_t n);

#endif

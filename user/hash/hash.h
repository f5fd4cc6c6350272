/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SHA-256 (FIPS 180-4) for the audit log, which hashes every record twice, for its chain and for
 * its tree. By the processor's SHA instructions where it has them, and then both at once: two
 * independent streams keep busy what one leaves waiting. Not for secrets: see libsodium.
 */
#ifndef SZ_HASH_HASH_H
#define SZ_HASH_HASH_H

#include "core/core.h"

#define SZ_SHA256_LEN 32

struct sz_sha256 {
	u32 h[8];
	u64 len;    /* bytes so far */
	u8 buf[64]; /* the last len % 64 of them */
};

void sz_sha256_init(struct sz_sha256 *c);
void sz_sha256_update(struct sz_sha256 *c, const void *data, size_t n);
/* The same bytes into two, which may have begun differently. */
void sz_sha256_update_both(struct sz_sha256 *x, struct sz_sha256 *y, const void *data, size_t n);
void sz_sha256_final(struct sz_sha256 *c, u8 ret[SZ_SHA256_LEN]);

/* SHA-256 of a's bytes followed by b's; b may be NULL with nb 0. `ret` may lie in a or b. */
void sz_sha256(const void *a, size_t na, const void *b, size_t nb, u8 ret[SZ_SHA256_LEN]);

#endif

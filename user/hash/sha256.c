/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SHA-256 by FIPS 180-4 sections 5 and 6: the streams around the compression function, and that
 * function in plain C for processors without instructions for it. Called for every record of the
 * audit log; allocates nothing and cannot fail.
 */
#include "hash/hash_priv.h"

#include <string.h>

const u32 sz_sha256_k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

static u32 rotate(u32 v, unsigned n)
{
	return v >> n | v << (32 - n);
}

static u32 load_be(const u8 *p)
{
	return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

static void schedule(u32 w[64], const u8 *p)
{
	unsigned t;

	for (t = 0; t < 16; t++)
		w[t] = load_be(p + 4ul * t);
	for (; t < 64; t++) {
		u32 a = w[t - 15], b = w[t - 2];

		w[t] = w[t - 16] + w[t - 7] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) +
		       (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
	}
}

void sz_sha256_blocks_plain(u32 h[8], const u8 *p, size_t n)
{
	u32 w[64], v[8], t1, t2;
	unsigned t;

	for (; n; n--, p += 64) {
		schedule(w, p);
		memcpy(v, h, sizeof(v));
		for (t = 0; t < 64; t++) {
			t1 = v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) +
			     ((v[4] & v[5]) ^ (~v[4] & v[6])) + sz_sha256_k[t] + w[t];
			t2 = (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) +
			     ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
			memmove(v + 1, v, 7 * sizeof(*v));
			v[4] += t1;
			v[0] = t1 + t2;
		}
		for (t = 0; t < 8; t++)
			h[t] += v[t];
	}
}

static void blocks(u32 h[8], const u8 *p, size_t n)
{
	if (sz_sha256_ni())
		sz_sha256_blocks_ni(h, p, n);
	else
		sz_sha256_blocks_plain(h, p, n);
}

static void blocks2(u32 hx[8], const u8 *px, u32 hy[8], const u8 *py, size_t n)
{
	if (sz_sha256_ni()) {
		sz_sha256_blocks2_ni(hx, px, hy, py, n);
		return;
	}
	sz_sha256_blocks_plain(hx, px, n);
	sz_sha256_blocks_plain(hy, py, n);
}

void sz_sha256_init(struct sz_sha256 *c)
{
	static const u32 start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
				      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

	memcpy(c->h, start, sizeof(c->h));
	c->len = 0;
}

void sz_sha256_update(struct sz_sha256 *c, const void *data, size_t n)
{
	const u8 *p = data;
	size_t have = c->len % 64, more = 64 - have;

	c->len += n;
	if (n < more) {
		if (n)
			memcpy(c->buf + have, p, n);
		return;
	}
	if (have) {
		memcpy(c->buf + have, p, more);
		blocks(c->h, c->buf, 1);
		p += more;
		n -= more;
	}
	blocks(c->h, p, n / 64);
	memcpy(c->buf, p + n / 64 * 64, n % 64);
}

void sz_sha256_update_both(struct sz_sha256 *x, struct sz_sha256 *y, const void *data, size_t n)
{
	size_t fx = 64 - x->len % 64, fy = 64 - y->len % 64, most = fx > fy ? fx : fy, both;
	const u8 *p = data;

	if (n < most) {
		sz_sha256_update(x, p, n);
		sz_sha256_update(y, p, n);
		return;
	}
	/* Each is filled to a whole block; then both go on in place, where they are. */
	memcpy(x->buf + (64 - fx), p, fx);
	memcpy(y->buf + (64 - fy), p, fy);
	blocks2(x->h, x->buf, y->h, y->buf, 1);
	both = (n - most) / 64;
	blocks2(x->h, p + fx, y->h, p + fy, both);
	x->len += fx + 64 * both;
	y->len += fy + 64 * both;
	sz_sha256_update(x, p + fx + 64 * both, n - fx - 64 * both);
	sz_sha256_update(y, p + fy + 64 * both, n - fy - 64 * both);
}

void sz_sha256_final(struct sz_sha256 *c, u8 ret[SZ_SHA256_LEN])
{
	size_t have = c->len % 64;
	u64 bits = __builtin_bswap64(c->len * 8);
	u8 end[128] = { 0 };
	size_t n = have < 56 ? 64 : 128;
	unsigned i;

	memcpy(end, c->buf, have);
	end[have] = 0x80;
	memcpy(end + n - 8, &bits, 8);
	blocks(c->h, end, n / 64);
	for (i = 0; i < 8; i++) {
		u32 word = __builtin_bswap32(c->h[i]);

		memcpy(ret + 4ul * i, &word, 4);
	}
}

void sz_sha256(const void *a, size_t na, const void *b, size_t nb, u8 ret[SZ_SHA256_LEN])
{
	struct sz_sha256 c;

	sz_sha256_init(&c);
	sz_sha256_update(&c, a, na);
	sz_sha256_update(&c, b, nb);
	sz_sha256_final(&c, ret);
}

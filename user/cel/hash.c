/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The hash of a map's keys: SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF",
 * 2012) under a secret made once for each process. Keys come from tokens and requests: with a hash
 * that anybody can compute, somebody could choose keys that all fall into one place. The secret
 * shows nowhere: maps keep the order of insertion.
 */
#include <pthread.h>
#include <sys/random.h>

#include "cel_priv.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static u64 secret[2];

static void make_secret(void)
{
	if (getrandom(secret, sizeof(secret), 0) != (ssize_t)sizeof(secret))
		abort(); /* cannot happen for so few bytes once the system has booted */
}

#define ROTATE(x, n) ((x) << (n) | (x) >> (64 - (n)))

static inline void sip_round(u64 v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = ROTATE(v[1], 13) ^ v[0];
	v[3] = ROTATE(v[3], 16) ^ v[2];
	v[0] = ROTATE(v[0], 32) + v[3];
	v[2] += v[1];
	v[1] = ROTATE(v[1], 17) ^ v[2];
	v[3] = ROTATE(v[3], 21) ^ v[0];
	v[2] = ROTATE(v[2], 32);
}

u32 sz_cel_hash(const char *s, u32 n)
{
	u64 v[4], word;
	u32 i;

	pthread_once(&once, make_secret);
	v[0] = secret[0] ^ 0x736f6d6570736575;
	v[1] = secret[1] ^ 0x646f72616e646f6d;
	v[2] = secret[0] ^ 0x6c7967656e657261;
	v[3] = secret[1] ^ 0x7465646279746573;
	for (i = 0; i + 8 <= n; i += 8) {
		memcpy(&word, s + i, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	word = (u64)n << 56;
	for (; i < n; i++)
		word |= (u64)(u8)s[i] << 8 * (i & 7);
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	for (i = 0; i < 3; i++)
		sip_round(v);
	word = v[0] ^ v[1] ^ v[2] ^ v[3];
	return (u32)(word ^ word >> 32);
}

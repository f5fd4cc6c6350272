/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The form of a key: its characters, its check, its keyed digest. Pure but for random bytes.
 */
#include <sodium.h>
#include <string.h>

#include "apikey/apikey_priv.h"

static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* CRC-32 (IEEE 802.3), a bit at a time: keys are short and rare. */
static u32 crc32(const char *s, size_t n)
{
	u32 crc = 0xffffffffu;
	int bit;

	while (n--) {
		crc ^= (u8)*s++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

static void check_of(const char *s, size_t n, char ret[6])
{
	u32 crc = crc32(s, n);
	int i;

	for (i = 5; i >= 0; i--, crc /= 62)
		ret[i] = letters[crc % 62];
}

static void fill_random(char *out, size_t n)
{
	while (n--)
		*out++ = letters[randombytes_uniform(62)];
}

void sz_apikey_make(char ret[SZ_APIKEY_LEN + 1])
{
	size_t n = SZ_APIKEY_LEN - 6;

	memset(ret, '_', SZ_APIKEY_LEN);
	memcpy(ret, "sz", 2);
	fill_random(ret + 3, SZ_APIKEY_ID_LEN);
	fill_random(ret + 4 + SZ_APIKEY_ID_LEN, SZ_APIKEY_SECRET_LEN);
	check_of(ret, n - 1, ret + n);
	ret[SZ_APIKEY_LEN] = '\0';
}

static bool all_letters(const char *s, size_t n)
{
	for (; n; n--, s++)
		if (!*s || !strchr(letters, *s))
			return false;
	return true;
}

bool sz_apikey_shape(const char *s, size_t n)
{
	char check[6];

	if (n != SZ_APIKEY_LEN || memcmp(s, "sz_", 3) || s[3 + SZ_APIKEY_ID_LEN] != '_' ||
	    s[n - 7] != '_' || !all_letters(s + 3, SZ_APIKEY_ID_LEN) ||
	    !all_letters(s + 4 + SZ_APIKEY_ID_LEN, SZ_APIKEY_SECRET_LEN))
		return false;
	check_of(s, n - 7, check);
	return !memcmp(check, s + n - 6, 6);
}

void sz_apikey_digest(const u8 pepper[32], const char *key, u8 ret[32])
{
	crypto_generichash(ret, 32, (const u8 *)key, SZ_APIKEY_LEN, pepper, 32);
}

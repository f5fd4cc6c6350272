/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * base64url (RFC 4648 section 5) without padding, and hex. Called for every part of every token.
 * One byte string has exactly one accepted spelling: padding, white space, foreign characters and
 * non-zero trailing bits are refused, so that two tokens that differ never decode to the same.
 */
#include "codec/codec.h"

static const char b64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char hex_digits[] = "0123456789abcdef";

static int b64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-')
		return 62;
	return c == '_' ? 63 : -1;
}

ssize_t sz_b64url_decode(const char *s, size_t n, u8 *out, size_t out_max)
{
	size_t i, len = n / 4 * 3 + (n % 4 ? n % 4 - 1 : 0), o = 0;
	unsigned int bits = 0;
	u32 acc = 0;

	if (n % 4 == 1 || len > out_max)
		return -EINVAL;
	for (i = 0; i < n; i++) {
		int v = b64_value(s[i]);

		if (v < 0)
			return -EINVAL;
		acc = acc << 6 | (u32)v;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[o++] = (u8)(acc >> bits);
			acc &= (1u << bits) - 1;
		}
	}
	return acc ? -EINVAL : (ssize_t)len;
}

void sz_b64url_encode(const u8 *p, size_t n, char *out)
{
	unsigned int bits = 0;
	u32 acc = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		acc = (acc & 0x3f) << 8 | p[i];
		bits += 8;
		while (bits >= 6) {
			bits -= 6;
			*out++ = b64_digits[acc >> bits & 0x3f];
		}
	}
	if (bits)
		*out++ = b64_digits[acc << (6 - bits) & 0x3f];
	*out = 0;
}

void sz_hex_encode(const u8 *p, size_t n, char *out)
{
	size_t i;

	for (i = 0; i < n; i++) {
		*out++ = hex_digits[p[i] >> 4];
		*out++ = hex_digits[p[i] & 15];
	}
	*out = 0;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int sz_hex_decode(const char *s, size_t n, u8 *out)
{
	size_t i;

	if (n % 2)
		return -EINVAL;
	for (i = 0; i < n; i += 2) {
		int hi = hex_value(s[i]), lo = hex_value(s[i + 1]);

		if (hi < 0 || lo < 0)
			return -EINVAL;
		out[i / 2] = (u8)(hi << 4 | lo);
	}
	return 0;
}

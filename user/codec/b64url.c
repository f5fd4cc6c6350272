/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * base64url (RFC 4648 section 5) without padding, and hex. Called for every part of every token.
 * One byte string has exactly one accepted spelling: padding, white space, foreign characters and
 * non-zero trailing bits are refused, so that two tokens that differ never decode to the same.
 */
#include <endian.h>
#include <string.h>

#include "codec/codec.h"

static const char b64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char hex_digits[] = "0123456789abcdef";

/*
 * What a digit adds to a number of four, by its place, and GOOD to be counted by; 0 for what is no
 * digit. Four of them make a number with a count of four above its 24 bits.
 */
#define GOOD (1u << 24)
#define AT(c, v, shift) [c] = GOOD + ((v) << (shift))
#define OCTET(c, v, s)                                                                             \
	AT((c), (v), s), AT((c) + 1, (v) + 1, s), AT((c) + 2, (v) + 2, s),                         \
		AT((c) + 3, (v) + 3, s), AT((c) + 4, (v) + 4, s), AT((c) + 5, (v) + 5, s),         \
		AT((c) + 6, (v) + 6, s), AT((c) + 7, (v) + 7, s)
#define LETTERS(c, v, s)                                                                           \
	OCTET(c, v, s), OCTET((c) + 8, (v) + 8, s), OCTET((c) + 16, (v) + 16, s),                  \
		AT((c) + 24, (v) + 24, s), AT((c) + 25, (v) + 25, s)
#define DIGITS(s)                                                                                  \
	{                                                                                          \
		LETTERS('A', 0u, s), LETTERS('a', 26u, s), OCTET('0', 52u, s), AT('8', 60u, s),    \
			AT('9', 61u, s), AT('-', 62u, s), AT('_', 63u, s)                          \
	}
static const u32 b64_values[4][256] = {DIGITS(18), DIGITS(12), DIGITS(6), DIGITS(0)};

/* Four digits; `bad` gets a bit where one of them is none. */
static inline u32 quad(const u8 *s, u32 *bad)
{
	u32 v = b64_values[0][s[0]] + b64_values[1][s[1]] + b64_values[2][s[2]] +
		b64_values[3][s[3]];

	*bad |= v >> 24 ^ 4;
	return v & (GOOD - 1);
}

/* The two or three digits at the end; bits that belong to no byte must be zero. */
static ssize_t tail(const u8 *s, size_t n, u8 *out, u32 *bad)
{
	const u8 digits[4] = {s[0], s[1], n > 2 ? s[2] : 'A', 'A'};
	u32 v = quad(digits, bad);

	if (v & (n > 2 ? 0xff : 0xffff))
		*bad = ~0u;
	out[0] = (u8)(v >> 16);
	if (n > 2)
		out[1] = (u8)(v >> 8);
	return (ssize_t)n - 1;
}

/* Eight digits at a time make six bytes, stored as a word of eight. */
ssize_t sz_b64url_decode(const char *text, size_t n, u8 *out, size_t out_max)
{
	const u8 *s = (const u8 *)text, *end = s + n / 4 * 4;
	size_t len = n / 4 * 3 + (n % 4 ? n % 4 - 1 : 0);
	u32 v, bad = 0;
	u8 *o = out;

	if (n % 4 == 1 || len > out_max)
		return -EINVAL;
	for (; end - s >= 12; s += 8, o += 6) {
		u64 w = htobe64((u64)quad(s, &bad) << 40 | (u64)quad(s + 4, &bad) << 16);

		memcpy(o, &w, sizeof(w)); /* two bytes too many: at least three follow */
	}
	for (; s < end; s += 4, o += 3) {
		v = quad(s, &bad);
		o[0] = (u8)(v >> 16);
		o[1] = (u8)(v >> 8);
		o[2] = (u8)v;
	}
	if (n % 4)
		o += tail(s, n % 4, o, &bad);
	return bad ? -EINVAL : o - out;
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

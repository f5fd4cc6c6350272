/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The quick JSON reader against jansson: what it accepts, jansson accepts, with the same value. And
 * base64url against digit after digit, and back.
 */
#include <stdlib.h>
#include <string.h>

#include "codec/codec_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_json(const char *s, size_t n)
{
	json_t *plain = json_plain(s, n), *full;

	if (!plain)
		return;
	full = json_loadb(s, n, JSON_REJECT_DUPLICATES, NULL);
	if (!full || !json_equal(plain, full))
		abort();
	json_decref(full);
	json_decref(plain);
}

static void check_b64(const char *s, size_t n)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	u8 *out = malloc(n + 1);
	char *back = malloc(SZ_B64_ENCODED_LEN(n) + 8);
	ssize_t len = sz_b64url_decode(s, n, out, n / 4 * 3 + (n % 4 ? n % 4 - 1 : 0));
	bool good = n % 4 != 1;
	size_t i;

	for (i = 0; i < n; i++)
		good &= s[i] && strchr(digits, s[i]);
	if (good && n % 4)
		good = !((strchr(digits, s[n - 1]) - digits) & (n % 4 == 2 ? 15 : 3));
	if (good != (len >= 0))
		abort();
	if (good) {
		sz_b64url_encode(out, (size_t)len, back);
		if (strlen(back) != n || memcmp(back, s, n))
			abort();
	}
	free(out);
	free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *copy = malloc(n ? n : 1); /* of exactly this size, so that a byte beyond is seen */

	memcpy(copy, data, n);
	check_json(copy, n);
	check_b64(copy, n);
	free(copy);
	return 0;
}

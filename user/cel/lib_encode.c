/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The encoders extension: base64 (RFC 4648 section 4). Encoding pads; decoding takes text with and
 * without padding.
 */
#include <sodium.h>

#include "cel_priv.h"

static void call_encode(struct run *r, const struct sz_cel_value *args, u32 n,
			struct sz_cel_value *ret)
{
	size_t size = sodium_base64_ENCODED_LEN((size_t)args[0].n, sodium_base64_VARIANT_ORIGINAL);
	char *s;

	if (args[0].type != SZ_CEL_BYTES) {
		sz_cel_no_overload(r, "base64.encode", args, n, ret);
		return;
	}
	if (!pay(r, args[0].n / 16))
		return;
	s = sz_cel_take(r, size);
	if (!s)
		return;
	sodium_bin2base64(s, size, (const u8 *)args[0].s, args[0].n,
			  sodium_base64_VARIANT_ORIGINAL);
	*ret = sz_cel_string(s, size - 1);
}

static void call_decode(struct run *r, const struct sz_cel_value *args, u32 n,
			struct sz_cel_value *ret)
{
	bool padded = args[0].n && args[0].type == SZ_CEL_STRING && args[0].s[args[0].n - 1] == '=';
	size_t len = 0;
	u8 *p;

	if (args[0].type != SZ_CEL_STRING) {
		sz_cel_no_overload(r, "base64.decode", args, n, ret);
		return;
	}
	if (!pay(r, args[0].n / 16))
		return;
	p = sz_cel_take(r, args[0].n);
	if (!p)
		return;
	/* libsodium reads every byte beyond ASCII as one of the alphabet. */
	for (u32 i = 0; i < args[0].n; i++) {
		if ((u8)args[0].s[i] >= 0x80) {
			sz_cel_error(r, ret, "the string is no base64");
			return;
		}
	}
	if (args[0].n && sodium_base642bin(p, args[0].n, args[0].s, args[0].n, NULL, &len, NULL,
					   padded ? sodium_base64_VARIANT_ORIGINAL
						  : sodium_base64_VARIANT_ORIGINAL_NO_PADDING))
		sz_cel_error(r, ret, "the string is no base64");
	else
		*ret = sz_cel_bytes((char *)p, len);
}

const struct func sz_cel_lib_encode[] = {
	{"base64.encode", F_GLOBAL, "y:s", call_encode},
	{"base64.decode", F_GLOBAL, "s:y", call_decode},
	{NULL, 0, NULL, NULL},
};

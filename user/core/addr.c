/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Addresses as the maps hold them: 16 bytes, IPv4 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2).
 * Called by the configuration, the CLI and the audit log. Text is taken in its strict form only;
 * nothing here resolves names.
 */
#include <arpa/inet.h>
#include <string.h>

#include "core/core.h"

static const u8 mapped[12] = { [10] = 0xff, [11] = 0xff };

char *sz_addr_format(const struct sz_addr *a, char s[SZ_ADDR_STRLEN])
{
	if (!memcmp(a->b, mapped, sizeof(mapped)))
		inet_ntop(AF_INET, a->b + 12, s, SZ_ADDR_STRLEN);
	else
		inet_ntop(AF_INET6, a->b, s, SZ_ADDR_STRLEN);
	return s;
}

int sz_addr_parse(const char *s, struct sz_addr *ret)
{
	struct sz_addr a = { 0 };

	memcpy(a.b, mapped, sizeof(mapped));
	if (inet_pton(AF_INET, s, a.b + 12) != 1 && inet_pton(AF_INET6, s, a.b) != 1)
		return -EINVAL;
	*ret = a;
	return 0;
}

/* Plain decimal, no sign, no leading zero. */
static int parse_uint(const char *s, u32 max, u32 *ret)
{
	u32 v = 0;

	if (!*s || (*s == '0' && s[1]))
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		v = v * 10 + (u32)(*s - '0');
		if (v > max)
			return -EINVAL;
	}
	*ret = v;
	return 0;
}

static int parse_span(const char *s, size_t n, struct sz_addr *ret)
{
	char text[SZ_ADDR_STRLEN];

	if (n >= sizeof(text))
		return -EINVAL;
	memcpy(text, s, n);
	text[n] = 0;
	return sz_addr_parse(text, ret);
}

static void mask_host_bits(struct sz_addr *a, u32 prefix)
{
	for (u32 i = 0; i < sizeof(a->b); i++) {
		u32 kept = prefix > 8 * i ? prefix - 8 * i : 0;

		if (kept < 8)
			a->b[i] &= (u8)(0xff00u >> kept);
	}
}

int sz_prefix_parse(const char *s, struct sz_addr *ret, u32 *ret_prefix)
{
	const char *slash = strchr(s, '/');
	size_t n = slash ? (size_t)(slash - s) : strlen(s);
	bool v4 = !memchr(s, ':', n);
	struct sz_addr a;
	u32 prefix = v4 ? 32 : 128;

	if (parse_span(s, n, &a))
		return -EINVAL;
	if (slash && parse_uint(slash + 1, prefix, &prefix))
		return -EINVAL;
	if (v4)
		prefix += 96;
	mask_host_bits(&a, prefix);
	*ret = a;
	*ret_prefix = prefix;
	return 0;
}

int sz_endpoint_parse(const char *s, struct sz_addr *ret, u16 *ret_port)
{
	const char *colon = strrchr(s, ':');
	struct sz_addr a = { 0 };
	size_t n;
	u32 port;

	if (!colon || parse_uint(colon + 1, 65535, &port) || !port)
		return -EINVAL;
	n = (size_t)(colon - s);
	if (n >= 2 && s[0] == '[' && s[n - 1] == ']') {
		if (!memchr(s + 1, ':', n - 2) || parse_span(s + 1, n - 2, &a))
			return -EINVAL;
	} else if (n != 1 || s[0] != '*') {
		if (memchr(s, ':', n) || parse_span(s, n, &a))
			return -EINVAL;
	}
	/* 0.0.0.0 is how sockets spell "any"; taken literally it would protect nothing. */
	if (!memcmp(a.b, mapped, sizeof(mapped)) && !a.b[12] && !a.b[13] && !a.b[14] && !a.b[15])
		memset(&a, 0, sizeof(a));
	*ret = a;
	*ret_port = htons((u16)port);
	return 0;
}

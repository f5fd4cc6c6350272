/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The network extension: addresses and prefixes as values. IPv6 with an IPv4 address in its text
 * and with a zone is refused, so that an address has one reading. An IPv4 address is never equal to
 * the IPv6 address that maps it.
 */
#include <arpa/inet.h>
#include <stdio.h>

#include "cel_priv.h"

#define V4 12 /* where the IPv4 address stands in the 16 bytes */

static u32 width(const struct sz_cel_net *net)
{
	return net->v6 ? 128 : 32;
}

static int parse_prefix(const char *s, size_t n, u32 max, u8 *ret)
{
	u32 v = 0;
	size_t i;

	if (!n || n > 3 || (n > 1 && s[0] == '0'))
		return -EINVAL;
	for (i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -EINVAL;
		v = v * 10 + (u32)(s[i] - '0');
	}
	*ret = (u8)v;
	return v <= max ? 0 : -EINVAL;
}

int sz_cel_net_parse(const char *s, size_t n, bool cidr, struct sz_cel_net *ret)
{
	const char *slash = cidr && n ? memchr(s, '/', n) : NULL;
	size_t len = slash ? (size_t)(slash - s) : n;
	char text[SZ_ADDR_STRLEN];

	if (cidr && !slash)
		return -EINVAL;
	if (!len || len >= sizeof(text) || memchr(s, 0, len))
		return -EINVAL;
	memcpy(text, s, len);
	text[len] = 0;
	*ret = (struct sz_cel_net){.v6 = strchr(text, ':')};
	ret->addr.b[10] = ret->addr.b[11] = 0xff;
	if (ret->v6 ? strchr(text, '.') || inet_pton(AF_INET6, text, ret->addr.b) != 1
		    : inet_pton(AF_INET, text, ret->addr.b + V4) != 1)
		return -EINVAL;
	ret->prefix = (u8)width(ret);
	return slash ? parse_prefix(slash + 1, n - len - 1, width(ret), &ret->prefix) : 0;
}

/* RFC 5952: lower case, no leading zeros, the first longest run of two zero groups left out. */
static void v6_text(const u8 b[16], char *out)
{
	u32 group[8], i, j, best = 8, best_n = 1;

	for (i = 0; i < 8; i++)
		group[i] = (u32)b[2 * i] << 8 | b[2 * i + 1];
	for (i = 0; i < 8; i = j + 1) {
		for (j = i; j < 8 && !group[j]; j++)
			;
		if (j - i > best_n) {
			best = i;
			best_n = j - i;
		}
	}
	for (i = 0; i < 8; i++) {
		if (i == best) {
			out += sprintf(out, "::");
			i += best_n - 1;
			continue;
		}
		out += sprintf(out, "%s%x", i && i != best + best_n ? ":" : "", group[i]);
	}
}

void sz_cel_net_text(const struct sz_cel_value *v, char out[SZ_ADDR_STRLEN + 4])
{
	const u8 *b = v->net->addr.b;

	if (v->net->v6)
		v6_text(b, out);
	else
		sprintf(out, "%u.%u.%u.%u", b[V4], b[V4 + 1], b[V4 + 2], b[V4 + 3]);
	if (v->type == SZ_CEL_CIDR)
		sprintf(out + strlen(out), "/%u", v->net->prefix);
}

/* ---- making --------------------------------------------------------------------------------- */

static void make(struct run *r, const struct sz_cel_net *net, bool cidr, struct sz_cel_value *ret)
{
	struct sz_cel_net *copy = sz_cel_take(r, sizeof(*copy));

	if (!copy)
		return;
	*copy = *net;
	*ret = (struct sz_cel_value){.type = cidr ? SZ_CEL_CIDR : SZ_CEL_IP, .net = copy};
}

static void parse(struct run *r, bool cidr, const struct sz_cel_value *v, struct sz_cel_value *ret)
{
	struct sz_cel_net net;

	if (sz_cel_net_parse(v->s, v->n, cidr, &net))
		sz_cel_error(r, ret,
			     cidr ? "the string is no CIDR" : "the string is no IP address");
	else
		make(r, &net, cidr, ret);
}

/* ip("...") and cidr.ip(). */
static void call_ip(struct run *r, const struct sz_cel_value *args, u32 n, struct sz_cel_value *ret)
{
	struct sz_cel_net net;

	if (args[0].type == SZ_CEL_STRING) {
		parse(r, false, &args[0], ret);
	} else if (args[0].type == SZ_CEL_CIDR) {
		net = *args[0].net;
		net.prefix = (u8)width(&net);
		make(r, &net, false, ret);
	} else {
		sz_cel_no_overload(r, "ip", args, n, ret);
	}
}

static void call_cidr(struct run *r, const struct sz_cel_value *args, u32 n,
		      struct sz_cel_value *ret)
{
	if (args[0].type == SZ_CEL_STRING)
		parse(r, true, &args[0], ret);
	else
		sz_cel_no_overload(r, "cidr", args, n, ret);
}

static void is_net(struct run *r, const char *name, bool cidr, const struct sz_cel_value *args,
		   u32 n, struct sz_cel_value *ret)
{
	struct sz_cel_net net;

	if (args[0].type == SZ_CEL_STRING)
		*ret = sz_cel_bool(!sz_cel_net_parse(args[0].s, args[0].n, cidr, &net));
	else
		sz_cel_no_overload(r, name, args, n, ret);
}

static void call_is_ip(struct run *r, const struct sz_cel_value *args, u32 n,
		       struct sz_cel_value *ret)
{
	is_net(r, "isIP", false, args, n, ret);
}

static void call_is_cidr(struct run *r, const struct sz_cel_value *args, u32 n,
			 struct sz_cel_value *ret)
{
	is_net(r, "isCIDR", true, args, n, ret);
}

static void call_is_canonical(struct run *r, const struct sz_cel_value *args, u32 n,
			      struct sz_cel_value *ret)
{
	char text[SZ_ADDR_STRLEN + 4];

	if (args[0].type != SZ_CEL_STRING) {
		sz_cel_no_overload(r, "ip.isCanonical", args, n, ret);
		return;
	}
	parse(r, false, &args[0], ret);
	if (ret->type != SZ_CEL_IP)
		return;
	sz_cel_net_text(ret, text);
	*ret = sz_cel_bool(strlen(text) == args[0].n && !memcmp(text, args[0].s, args[0].n));
}

/* ---- asking --------------------------------------------------------------------------------- */

static bool in_prefix(const u8 *addr, const u8 *net, u32 bits)
{
	u32 bytes = bits / 8, rest = bits % 8;

	return !memcmp(addr, net, bytes) &&
	       (!rest || !((addr[bytes] ^ net[bytes]) & (0xff00 >> rest & 0xff)));
}

static bool is_all(const u8 *b, u32 n, u8 with)
{
	for (; n; n--)
		if (*b++ != with)
			return false;
	return true;
}

static bool is_unspecified(const struct sz_cel_net *a)
{
	return a->v6 ? is_all(a->addr.b, 16, 0) : is_all(a->addr.b + V4, 4, 0);
}

static bool is_loopback(const struct sz_cel_net *a)
{
	return a->v6 ? is_all(a->addr.b, 15, 0) && a->addr.b[15] == 1 : a->addr.b[V4] == 127;
}

static bool is_multicast(const struct sz_cel_net *a)
{
	return a->v6 ? a->addr.b[0] == 0xff : (a->addr.b[V4] & 0xf0) == 0xe0;
}

static bool is_link_local(const struct sz_cel_net *a)
{
	const u8 *b = a->addr.b;

	return a->v6 ? b[0] == 0xfe && (b[1] & 0xc0) == 0x80 : b[V4] == 169 && b[V4 + 1] == 254;
}

static bool is_link_local_multicast(const struct sz_cel_net *a)
{
	static const u8 block[3] = {224, 0, 0};

	return a->v6 ? a->addr.b[0] == 0xff && (a->addr.b[1] & 0x0f) == 2
		     : !memcmp(a->addr.b + V4, block, sizeof(block));
}

static bool is_global_unicast(const struct sz_cel_net *a)
{
	return !is_unspecified(a) && !is_loopback(a) && !is_multicast(a) && !is_link_local(a) &&
	       (a->v6 || !is_all(a->addr.b + V4, 4, 0xff));
}

#define ASK(function, name, kind, expression)                                                      \
	static void function(struct run *r, const struct sz_cel_value *args, u32 n,                \
			     struct sz_cel_value *ret)                                             \
	{                                                                                          \
		const struct sz_cel_net *a = args[0].net;                                          \
                                                                                                   \
		if (args[0].type == (kind))                                                        \
			*ret = expression;                                                         \
		else                                                                               \
			sz_cel_no_overload(r, name, args, n, ret);                                 \
	}

ASK(call_family, "family", SZ_CEL_IP, sz_cel_int(a->v6 ? 6 : 4))
ASK(call_is_unspecified, "isUnspecified", SZ_CEL_IP, sz_cel_bool(is_unspecified(a)))
ASK(call_is_loopback, "isLoopback", SZ_CEL_IP, sz_cel_bool(is_loopback(a)))
ASK(call_is_global, "isGlobalUnicast", SZ_CEL_IP, sz_cel_bool(is_global_unicast(a)))
ASK(call_is_link_local, "isLinkLocalUnicast", SZ_CEL_IP, sz_cel_bool(is_link_local(a)))
ASK(call_is_local_multicast, "isLinkLocalMulticast", SZ_CEL_IP,
    sz_cel_bool(is_link_local_multicast(a)))
ASK(call_prefix_length, "prefixLength", SZ_CEL_CIDR, sz_cel_int(a->prefix))

/* ---- prefixes ------------------------------------------------------------------------------- */

static u32 bits_of(const struct sz_cel_net *net)
{
	return net->prefix + (net->v6 ? 0 : 96);
}

static void call_masked(struct run *r, const struct sz_cel_value *args, u32 n,
			struct sz_cel_value *ret)
{
	struct sz_cel_net net;
	u32 i, bits;

	if (args[0].type != SZ_CEL_CIDR) {
		sz_cel_no_overload(r, "masked", args, n, ret);
		return;
	}
	net = *args[0].net;
	bits = bits_of(&net);
	for (i = 0; i < 16; i++)
		if (bits < 8 * (i + 1))
			net.addr.b[i] &= bits > 8 * i ? (u8)(0xff00 >> (bits - 8 * i)) : 0;
	make(r, &net, true, ret);
}

/* containsIP() and containsCIDR(): of the same family, and no wider. */
static void contains(struct run *r, const char *name, bool cidr, const struct sz_cel_value *args,
		     u32 n, struct sz_cel_value *ret)
{
	const struct sz_cel_net *net = args[0].net;
	struct sz_cel_value other = args[1];

	if (args[0].type == SZ_CEL_CIDR && other.type == SZ_CEL_STRING) {
		parse(r, cidr, &args[1], ret);
		if (ret->type == SZ_CEL_ERROR || r->stop)
			return;
		other = *ret;
	}
	if (args[0].type != SZ_CEL_CIDR || other.type != (cidr ? SZ_CEL_CIDR : SZ_CEL_IP)) {
		sz_cel_no_overload(r, name, args, n, ret);
		return;
	}
	*ret = sz_cel_bool(net->v6 == other.net->v6 && net->prefix <= other.net->prefix &&
			   in_prefix(other.net->addr.b, net->addr.b, bits_of(net)));
}

static void call_contains_ip(struct run *r, const struct sz_cel_value *args, u32 n,
			     struct sz_cel_value *ret)
{
	contains(r, "containsIP", false, args, n, ret);
}

static void call_contains_cidr(struct run *r, const struct sz_cel_value *args, u32 n,
			       struct sz_cel_value *ret)
{
	contains(r, "containsCIDR", true, args, n, ret);
}

const struct func sz_cel_lib_net[] = {
	{"ip", F_GLOBAL, "s:I", call_ip},
	{"ip", F_MEMBER, "c:I", call_ip},
	{"isIP", F_GLOBAL, "s:b", call_is_ip},
	{"ip.isCanonical", F_GLOBAL, "s:b", call_is_canonical},
	{"family", F_MEMBER, "I:i", call_family},
	{"isUnspecified", F_MEMBER, "I:b", call_is_unspecified},
	{"isLoopback", F_MEMBER, "I:b", call_is_loopback},
	{"isGlobalUnicast", F_MEMBER, "I:b", call_is_global},
	{"isLinkLocalUnicast", F_MEMBER, "I:b", call_is_link_local},
	{"isLinkLocalMulticast", F_MEMBER, "I:b", call_is_local_multicast},
	{"cidr", F_GLOBAL, "s:c", call_cidr},
	{"isCIDR", F_GLOBAL, "s:b", call_is_cidr},
	{"containsIP", F_MEMBER, "cI:b cs:b", call_contains_ip},
	{"containsCIDR", F_MEMBER, "cc:b cs:b", call_contains_cidr},
	{"masked", F_MEMBER, "c:c", call_masked},
	{"prefixLength", F_MEMBER, "c:i", call_prefix_length},
	{NULL, 0, NULL, NULL},
};

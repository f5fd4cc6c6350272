/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Values as people write and read them: durations, ages, rates, times, prefixes, digests. Pure.
 * Names in the maps come from tokens, so nothing reaches a terminal before sz_ctl_clean().
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl/ctl.h"

#define NSEC 1000000000ull

int sz_ctl_parse_u64(const char *s, u64 max, u64 *ret)
{
	u64 v = 0;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || v > (UINT64_MAX - 9) / 10)
			return -EINVAL;
		v = v * 10 + (u64)(*s - '0');
	}
	if (v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

static u64 unit_seconds(char c)
{
	switch (c) {
	case 's':
		return 1;
	case 'm':
		return 60;
	case 'h':
		return 3600;
	case 'd':
		return 86400;
	case 'w':
		return 7 * 86400;
	default:
		return 0;
	}
}

#define SECONDS_MAX (100ull * 366 * 86400) /* a hundred years: what is beyond is a mistake */

/* Pieces of number and unit; a number alone is in seconds. */
int sz_ctl_parse_duration(const char *s, u64 *ret_s)
{
	u64 total = 0;
	bool first = true;

	if (!*s)
		return -EINVAL;
	while (*s) {
		u64 v = 0, unit;
		const char *digits = s;

		for (; *s >= '0' && *s <= '9' && v <= SECONDS_MAX; s++)
			v = v * 10 + (u64)(*s - '0');
		if (s == digits)
			return -EINVAL;
		if (!*s && first)
			unit = 1;
		else
			unit = *s ? unit_seconds(*s++) : 0;
		if (!unit)
			return -EINVAL;
		if (v > SECONDS_MAX / unit || total + v * unit > SECONDS_MAX)
			return -ERANGE;
		total += v * unit;
		first = false;
	}
	*ret_s = total;
	return 0;
}

int sz_ctl_parse_offset(const char *s, s64 *ret_s)
{
	bool minus = *s == '-';
	u64 v;
	int err = sz_ctl_parse_duration(s + (minus || *s == '+'), &v);

	if (!err)
		*ret_s = minus ? -(s64)v : (s64)v;
	return err;
}

char *sz_ctl_age(u64 ns, char *s)
{
	u64 sec = ns / NSEC;

	if (sec < 1)
		snprintf(s, SZ_CTL_TEXT_MAX, "%llums", (unsigned long long)(ns / 1000000));
	else if (sec < 120)
		snprintf(s, SZ_CTL_TEXT_MAX, "%llus", (unsigned long long)sec);
	else if (sec < 7200)
		snprintf(s, SZ_CTL_TEXT_MAX, "%llum", (unsigned long long)(sec / 60));
	else if (sec < 2 * 86400)
		snprintf(s, SZ_CTL_TEXT_MAX, "%lluh", (unsigned long long)(sec / 3600));
	else
		snprintf(s, SZ_CTL_TEXT_MAX, "%llud", (unsigned long long)(sec / 86400));
	return s;
}

char *sz_ctl_until(u64 boot_ns, u64 now_ns, char *s)
{
	char age[SZ_CTL_TEXT_MAX];

	if (!boot_ns || boot_ns == UINT64_MAX)
		snprintf(s, SZ_CTL_TEXT_MAX, "never");
	else if (boot_ns <= now_ns)
		snprintf(s, SZ_CTL_TEXT_MAX, "expired");
	else
		snprintf(s, SZ_CTL_TEXT_MAX, "in %s", sz_ctl_age(boot_ns - now_ns + NSEC / 2, age));
	return s;
}

char *sz_ctl_rate(u64 interval_ns, u64 burst_ns, char *s)
{
	static const struct {
		u64 ns;
		const char *name;
	} unit[] = {{NSEC, "s"}, {60 * NSEC, "min"}, {3600 * NSEC, "h"}};
	u64 n = 0;
	size_t i;

	if (!interval_ns) {
		snprintf(s, SZ_CTL_TEXT_MAX, "-");
		return s;
	}
	/* The first unit in which it is a whole number, to a hundredth. */
	for (i = 0; i < SZ_ARRAY_LEN(unit); i++) {
		u64 off;

		n = (unit[i].ns + interval_ns / 2) / interval_ns;
		off = n * interval_ns > unit[i].ns ? n * interval_ns - unit[i].ns
						   : unit[i].ns - n * interval_ns;
		if ((n && off <= unit[i].ns / 100) || i == SZ_ARRAY_LEN(unit) - 1)
			break;
	}
	snprintf(s, SZ_CTL_TEXT_MAX, "%llu/%s burst %llu", (unsigned long long)n, unit[i].name,
		 (unsigned long long)((burst_ns + interval_ns / 2) / interval_ns));
	return s;
}

char *sz_ctl_per_second(double v, char *s)
{
	if (v >= 1e6)
		snprintf(s, SZ_CTL_TEXT_MAX, "%.1fM", v / 1e6);
	else if (v >= 1e4)
		snprintf(s, SZ_CTL_TEXT_MAX, "%.1fk", v / 1e3);
	else if (v >= 10 || v == 0)
		snprintf(s, SZ_CTL_TEXT_MAX, "%.0f", v);
	else
		snprintf(s, SZ_CTL_TEXT_MAX, "%.1f", v);
	return s;
}

char *sz_ctl_bytes(u64 n, char *s)
{
	static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double v = (double)n;
	size_t i = 0;

	for (; v >= 1024 && i < SZ_ARRAY_LEN(unit) - 1; i++)
		v /= 1024;
	snprintf(s, SZ_CTL_TEXT_MAX, i ? "%.1f %s" : "%.0f %s", v, unit[i]);
	return s;
}

char *sz_ctl_time(s64 wall_s, char *s)
{
	time_t t = (time_t)wall_s;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(s, SZ_CTL_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(s, SZ_CTL_TEXT_MAX, "%lld", (long long)wall_s);
	return s;
}

char *sz_ctl_source(const struct sz_addr *a, char *s)
{
	char addr[SZ_ADDR_STRLEN];

	sz_addr_format(a, addr);
	snprintf(s, SZ_CTL_TEXT_MAX, strchr(addr, ':') ? "%s/64" : "%s", addr);
	return s;
}

char *sz_ctl_prefix(const struct sz_ban_key *k, char *s)
{
	static const u8 mapped[12] = {[10] = 0xff, [11] = 0xff};
	char addr[SZ_ADDR_STRLEN];
	u32 prefix = k->prefixlen;

	sz_addr_format(&k->addr, addr);
	if (!memcmp(k->addr.b, mapped, sizeof(mapped)) && prefix >= 96) {
		prefix -= 96;
		snprintf(s, SZ_CTL_TEXT_MAX, prefix == 32 ? "%s" : "%s/%u", addr, prefix);
	} else {
		snprintf(s, SZ_CTL_TEXT_MAX, prefix == 128 ? "%s" : "%s/%u", addr, prefix);
	}
	return s;
}

char *sz_ctl_digest(const struct sz_digest *d, char *s)
{
	u8 bytes[16];
	size_t i;

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (u8)(d->w[i / 8] >> 8 * (i % 8));
	sz_hex_encode(bytes, sizeof(bytes), s);
	return s;
}

char *sz_ctl_principal_hex(u64 id, char *s)
{
	snprintf(s, SZ_CTL_TEXT_MAX, "%016llx", (unsigned long long)id);
	return s;
}

/* Bytes of the UTF-8 sequence at p that may be shown: 0 where there is none (RFC 3629). */
static size_t utf8(const u8 *p, size_t n)
{
	size_t len, i;
	u32 c;

	if (p[0] < 0x80)
		return p[0] >= 0x20 && p[0] != 0x7f;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (len > n)
		return 0;
	c = p[0] & (0xffu >> (len + 1));
	for (i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fu);
	}
	if (c < 0xa0 || (len == 3 && c < 0x800) || (len == 4 && c < 0x10000) || c > 0x10ffff ||
	    (c >= 0xd800 && c < 0xe000))
		return 0;
	/* Marks that turn the direction of text could make it read as something else. */
	if ((c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
		return 0;
	return len;
}

void sz_ctl_clean(struct sz_buf *b, const char *s, size_t n)
{
	while (n) {
		size_t len = utf8((const u8 *)s, n);

		sz_buf_add(b, len ? s : "?", len ? len : 1);
		s += len ? len : 1;
		n -= len ? len : 1;
	}
}

json_t *sz_ctl_text(const char *s, size_t n)
{
	json_t *v = json_stringn(s, n);
	struct sz_buf b = {0};

	if (v)
		return v;
	sz_ctl_clean(&b, s, n);
	v = json_stringn(b.data ? b.data : "", b.len);
	sz_buf_done(&b);
	return v;
}

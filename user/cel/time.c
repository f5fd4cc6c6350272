/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Timestamps and durations as text and in parts: the proleptic Gregorian calendar, RFC 3339, Go's
 * notation of durations ("1h30m", "-1.5s"). Pure; knows no clock and no zone but UTC.
 */
#include <stdio.h>

#include "cel_priv.h"

#define NS 1000000000

/* ---- the calendar --------------------------------------------------------------------------- */

/* Counts from March, so that the day of a leap year comes last; eras have 400 years. */
s64 sz_cel_days(s64 year, u32 month, u32 day)
{
	s64 y = month <= 2 ? year - 1 : year, era = (y >= 0 ? y : y - 399) / 400;
	u32 of_era = (u32)(y - era * 400);
	u32 of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool is_leap(s64 year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static u32 days_in(s64 year, u32 month)
{
	static const u8 days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[month - 1] + (month == 2 && is_leap(year));
}

void sz_cel_civil(s64 s, struct civil *ret)
{
	s64 days = s / 86400 - (s % 86400 < 0), z = days + 719468;
	s64 era = (z >= 0 ? z : z - 146096) / 146097;
	u32 rest = (u32)(s - days * 86400), of_era = (u32)(z - era * 146097);
	u32 year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	u32 of_year = of_era - (365 * year + year / 4 - year / 100),
	    month = (5 * of_year + 2) / 153;

	ret->day = of_year - (153 * month + 2) / 5 + 1;
	ret->month = month < 10 ? month + 3 : month - 9;
	ret->year = era * 400 + year + (ret->month <= 2);
	ret->weekday = (u32)(((days + 4) % 7 + 7) % 7);
	ret->yearday = (u32)(days - sz_cel_days(ret->year, 1, 1));
	ret->hour = rest / 3600;
	ret->minute = rest / 60 % 60;
	ret->second = rest % 60;
}

/* ---- timestamps ----------------------------------------------------------------------------- */

/* n digits at *s, at most `max`; moves on. */
static bool digits(const char **s, const char *end, u32 n, u32 max, u32 *ret)
{
	u32 v = 0, i;

	if (end - *s < n)
		return false;
	for (i = 0; i < n; i++) {
		if ((*s)[i] < '0' || (*s)[i] > '9')
			return false;
		v = v * 10 + (u32)((*s)[i] - '0');
	}
	*s += n;
	*ret = v;
	return v <= max;
}

static bool skip(const char **s, const char *end, char c)
{
	if (*s == end || **s != c)
		return false;
	(*s)++;
	return true;
}

/* Nanoseconds behind a dot, where there is one. */
static bool fraction(const char **s, const char *end, u32 *ret)
{
	u32 unit = NS / 10;

	*ret = 0;
	if (!skip(s, end, '.'))
		return true;
	if (*s == end || **s < '0' || **s > '9')
		return false;
	for (; *s < end && **s >= '0' && **s <= '9'; (*s)++, unit /= 10)
		*ret += (u32)(**s - '0') * unit;
	return true;
}

static bool zone(const char **s, const char *end, s64 *ret)
{
	u32 hour, minute;
	bool west;

	*ret = 0;
	if (skip(s, end, 'Z'))
		return true;
	west = skip(s, end, '-');
	if (!west && !skip(s, end, '+'))
		return false;
	if (!digits(s, end, 2, 23, &hour) || !skip(s, end, ':') || !digits(s, end, 2, 59, &minute))
		return false;
	*ret = (s64)(hour * 3600 + minute * 60) * (west ? -1 : 1);
	return true;
}

int sz_cel_time_parse(const char *s, size_t n, s64 *ret_s, u32 *ret_ns)
{
	const char *end = s + n;
	u32 year, month, day, hour, minute, second, ns;
	s64 east, t;

	if (!digits(&s, end, 4, 9999, &year) || !skip(&s, end, '-') ||
	    !digits(&s, end, 2, 12, &month) || !skip(&s, end, '-') ||
	    !digits(&s, end, 2, 31, &day) || !skip(&s, end, 'T') ||
	    !digits(&s, end, 2, 23, &hour) || !skip(&s, end, ':') ||
	    !digits(&s, end, 2, 59, &minute) || !skip(&s, end, ':') ||
	    !digits(&s, end, 2, 59, &second) || !fraction(&s, end, &ns) || !zone(&s, end, &east) ||
	    s != end || !month || !day || day > days_in(year, month))
		return -EINVAL;
	t = sz_cel_days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - east;
	if (t < TIME_MIN || t > TIME_MAX)
		return -EINVAL;
	*ret_s = t;
	*ret_ns = ns;
	return 0;
}

/* ".5" for half a second, nothing for none. */
static void fraction_text(u32 ns, char *out)
{
	size_t n;

	*out = 0;
	if (!ns)
		return;
	sprintf(out, ".%09u", ns);
	for (n = strlen(out); out[n - 1] == '0'; n--)
		out[n - 1] = 0;
}

void sz_cel_time_text(s64 s, u32 ns, char out[40])
{
	struct civil c;
	char part[16];

	sz_cel_civil(s, &c);
	fraction_text(ns, part);
	snprintf(out, 40, "%04d-%02u-%02uT%02u:%02u:%02u%sZ", (int)c.year, c.month, c.day, c.hour,
		 c.minute, c.second, part);
}

/* ---- durations ------------------------------------------------------------------------------ */

static u64 unit_of(const char **s, const char *end)
{
	static const struct {
		const char *name;
		u64 ns;
	} units[] = {
		{"ns", 1},       {"us", 1000}, {"\xc2\xb5s", 1000}, {"\xce\xbcs", 1000},
		{"ms", 1000000}, {"s", NS},    {"m", 60ull * NS},   {"h", 3600ull * NS},
	};
	size_t i, n;

	for (i = 0; i < SZ_ARRAY_LEN(units); i++) {
		n = strlen(units[i].name);
		if ((size_t)(end - *s) >= n && !memcmp(*s, units[i].name, n)) {
			*s += n;
			return units[i].ns;
		}
	}
	return 0;
}

/* "1.5h" and the like; adds to *ns. */
static bool duration_part(const char **s, const char *end, u64 *ns)
{
	u64 whole = 0, part = 0, scale = 1, unit, v;
	bool any = false;

	for (; *s < end && **s >= '0' && **s <= '9'; (*s)++, any = true)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, (u64)(**s - '0'), &whole))
			return false;
	if (skip(s, end, '.')) {
		for (; *s < end && **s >= '0' && **s <= '9'; (*s)++, any = true) {
			if (scale < 1000000000000) {
				part = part * 10 + (u64)(**s - '0');
				scale *= 10;
			}
		}
	}
	if (!any)
		return false;
	unit = unit_of(s, end);
	if (!unit || __builtin_mul_overflow(whole, unit, &v) || __builtin_add_overflow(*ns, v, ns))
		return false;
	v = (u64)((unsigned __int128)part * unit / scale);
	return !__builtin_add_overflow(*ns, v, ns);
}

int sz_cel_duration_parse(const char *s, size_t n, s64 *ret_ns)
{
	const char *end = s + n;
	bool negative = skip(&s, end, '-');
	u64 ns = 0;

	if (!negative)
		skip(&s, end, '+');
	if (s == end)
		return -EINVAL;
	if (end - s == 1 && *s == '0') {
		*ret_ns = 0;
		return 0;
	}
	while (s < end)
		if (!duration_part(&s, end, &ns))
			return -EINVAL;
	if (ns > (u64)INT64_MAX + negative)
		return -EINVAL;
	*ret_ns = negative ? (s64)(0 - ns) : (s64)ns;
	return 0;
}

void sz_cel_duration_text(s64 ns, char out[40])
{
	u64 magnitude = ns < 0 ? 0 - (u64)ns : (u64)ns;
	char part[16];

	fraction_text((u32)(magnitude % NS), part);
	snprintf(out, 40, "%s%llu%ss", ns < 0 ? "-" : "", (unsigned long long)(magnitude / NS),
		 part);
}

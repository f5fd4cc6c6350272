/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The offset of a time zone at a moment, from the bytes of its TZif file (RFC 8536): the table of
 * transitions, and behind it the rule in the form of POSIX. Called for the selectors of timestamps.
 * The file is input like any other: nothing is read beyond its end. Leap seconds are not counted.
 */
#include "cel_priv.h"

struct tzif {
	const u8 *times, *types, *infos; /* 8 bytes, 1 byte, 6 bytes each */
	u32 n_times, n_infos;
	const char *rule, *end;
};

static u32 be32(const u8 *p)
{
	return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

static s64 be64(const u8 *p)
{
	return (s64)((u64)be32(p) << 32 | be32(p + 4));
}

#define HEADER 44

/* Bytes of the block behind the header at p, whose times have `size` bytes. */
static u64 block_size(const u8 *p, u32 size)
{
	u64 isut = be32(p + 20), isstd = be32(p + 24), leap = be32(p + 28), times = be32(p + 32);
	u64 types = be32(p + 36), chars = be32(p + 40);

	return times * size + times + types * 6 + chars + leap * (size + 4) + isstd + isut;
}

static bool is_header(const u8 *p, size_t n)
{
	return n >= HEADER && !memcmp(p, "TZif", 4) && p[4] >= '2';
}

static int open_tzif(const u8 *p, size_t n, struct tzif *ret)
{
	u64 skip, size;

	if (!is_header(p, n))
		return -EINVAL;
	skip = HEADER + block_size(p, 4);
	if (skip > n || !is_header(p + skip, n - skip))
		return -EINVAL;
	p += skip;
	n -= skip;
	size = HEADER + block_size(p, 8);
	if (size > n)
		return -EINVAL;
	ret->n_times = be32(p + 32);
	ret->n_infos = be32(p + 36);
	ret->times = p + HEADER;
	ret->types = ret->times + (size_t)ret->n_times * 8;
	ret->infos = ret->types + ret->n_times;
	ret->rule = (const char *)p + size;
	ret->end = (const char *)p + n;
	return ret->n_infos ? 0 : -EINVAL;
}

static int info_offset(const struct tzif *z, u32 i, s32 *ret)
{
	if (i >= z->n_infos)
		return -EINVAL;
	*ret = (s32)be32(z->infos + (size_t)i * 6);
	return *ret < -100000 || *ret > 100000 ? -EINVAL : 0;
}

/* ---- the rule: "EST5EDT,M3.2.0,M11.1.0" ----------------------------------------------------- */

struct date {
	enum { DATE_MONTH, DATE_JULIAN, DATE_DAY } form;
	u32 month, week, day;
	s32 time; /* seconds of the day */
};

static bool number(const char **s, const char *end, u32 max, u32 *ret)
{
	u32 v = 0, n = 0;

	for (; *s < end && **s >= '0' && **s <= '9' && n < 4; (*s)++, n++)
		v = v * 10 + (u32)(**s - '0');
	*ret = v;
	return n && v <= max;
}

static bool eat(const char **s, const char *end, char c)
{
	if (*s == end || **s != c)
		return false;
	(*s)++;
	return true;
}

/* [+-]hh[:mm[:ss]] in seconds. */
static bool hms(const char **s, const char *end, s32 *ret)
{
	u32 h, m = 0, sec = 0;
	bool negative = eat(s, end, '-');

	if (!negative)
		eat(s, end, '+');
	if (!number(s, end, 167, &h))
		return false;
	if (eat(s, end, ':') &&
	    (!number(s, end, 59, &m) || (eat(s, end, ':') && !number(s, end, 59, &sec))))
		return false;
	*ret = (s32)(h * 3600 + m * 60 + sec) * (negative ? -1 : 1);
	return true;
}

static bool abbreviation(const char **s, const char *end)
{
	const char *begin = *s;

	if (eat(s, end, '<')) {
		while (*s < end && **s != '>')
			(*s)++;
		return eat(s, end, '>');
	}
	while (*s < end && ((**s >= 'A' && **s <= 'Z') || (**s >= 'a' && **s <= 'z')))
		(*s)++;
	return *s - begin >= 3;
}

static bool rule_date(const char **s, const char *end, struct date *ret)
{
	*ret = (struct date){.form = DATE_DAY, .time = 7200};
	if (eat(s, end, 'M')) {
		ret->form = DATE_MONTH;
		if (!number(s, end, 12, &ret->month) || !ret->month || !eat(s, end, '.') ||
		    !number(s, end, 5, &ret->week) || !ret->week || !eat(s, end, '.') ||
		    !number(s, end, 6, &ret->day))
			return false;
	} else {
		if (eat(s, end, 'J'))
			ret->form = DATE_JULIAN;
		if (!number(s, end, 365, &ret->day))
			return false;
	}
	return !eat(s, end, '/') || hms(s, end, &ret->time);
}

/* Local seconds since 1970 at which the date of this year begins to hold. */
static s64 date_at(const struct date *d, s64 year)
{
	s64 first = sz_cel_days(year, d->form == DATE_MONTH ? d->month : 1, 1), day, next;

	if (d->form == DATE_JULIAN) { /* from 1, and 29 February is not counted */
		bool leap = sz_cel_days(year, 3, 1) - sz_cel_days(year, 2, 1) == 29;

		day = first + d->day - 1 + (leap && d->day >= 60);
	} else if (d->form == DATE_DAY) {
		day = first + d->day;
	} else {
		u32 weekday = (u32)(((first + 4) % 7 + 7) % 7);

		day = first + (d->day + 7 - weekday) % 7 + (s64)(d->week - 1) * 7;
		next = d->month == 12 ? sz_cel_days(year + 1, 1, 1)
				      : sz_cel_days(year, d->month + 1, 1);
		while (day >= next)
			day -= 7;
	}
	return day * 86400 + d->time;
}

static int rule_offset(const char *s, const char *end, s64 t, s32 *ret)
{
	struct date begin, finish;
	struct civil c;
	s32 std, dst;
	s64 from, to;

	if (!eat(&s, end, '\n') || !abbreviation(&s, end) || !hms(&s, end, &std))
		return -EINVAL;
	*ret = -std; /* POSIX counts westward */
	if (s == end || *s == '\n')
		return 0;
	dst = std - 3600;
	if (!abbreviation(&s, end) || (s < end && *s != ',' && !hms(&s, end, &dst)) ||
	    !eat(&s, end, ',') || !rule_date(&s, end, &begin) || !eat(&s, end, ',') ||
	    !rule_date(&s, end, &finish))
		return -EINVAL;
	sz_cel_civil(t - std, &c);
	from = date_at(&begin, c.year) + std;
	to = date_at(&finish, c.year) + dst;
	if (from <= to ? t >= from && t < to : t >= from || t < to)
		*ret = -dst;
	return 0;
}

int sz_cel_tzif_offset(const u8 *p, size_t n, s64 s, s32 *ret)
{
	u32 low = 0, high, middle, i;
	struct tzif z;
	int err = open_tzif(p, n, &z);

	if (err)
		return err;
	high = z.n_times;
	while (low < high) {
		middle = low + (high - low) / 2;
		if (be64(z.times + (size_t)middle * 8) <= s)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == z.n_times && z.rule < z.end && !rule_offset(z.rule, z.end, s, ret))
		return 0;
	if (low)
		return info_offset(&z, z.types[low - 1], ret);
	for (i = 0; i < z.n_infos && z.infos[(size_t)i * 6 + 4]; i++)
		; /* before the first transition: the first type that is no summer time */
	return info_offset(&z, i < z.n_infos ? i : 0, ret);
}

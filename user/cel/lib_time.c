/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * timestamp(), duration() and the selectors of both (langdef). A time zone is an offset ("+02:00")
 * or a name, whose file the caller of the program provides.
 */
#include "cel_priv.h"

static void call_timestamp(struct run *r, const struct sz_cel_value *args, u32 n,
			   struct sz_cel_value *ret)
{
	u32 ns = 0;
	s64 s = 0;

	switch (args[0].type) {
	case SZ_CEL_TIMESTAMP:
		*ret = args[0];
		return;
	case SZ_CEL_INT:
		s = args[0].i;
		if (s < TIME_MIN || s > TIME_MAX)
			sz_cel_error(r, ret, "the timestamp is outside of the years 1 to 9999");
		else
			*ret = sz_cel_timestamp(s, 0);
		return;
	case SZ_CEL_STRING:
		if (sz_cel_time_parse(args[0].s, args[0].n, &s, &ns))
			sz_cel_error(r, ret, "the string is no time as in RFC 3339");
		else
			*ret = sz_cel_timestamp(s, ns);
		return;
	default:
		sz_cel_no_overload(r, "timestamp", args, n, ret);
	}
}

static void call_duration(struct run *r, const struct sz_cel_value *args, u32 n,
			  struct sz_cel_value *ret)
{
	s64 ns;

	if (args[0].type == SZ_CEL_DURATION)
		*ret = args[0];
	else if (args[0].type != SZ_CEL_STRING)
		sz_cel_no_overload(r, "duration", args, n, ret);
	else if (sz_cel_duration_parse(args[0].s, args[0].n, &ns))
		sz_cel_error(r, ret, "the string is no duration, such as \"1h30m\"");
	else
		*ret = sz_cel_duration(ns);
}

/* ---- zones ---------------------------------------------------------------------------------- */

static bool two_digits(const char *s, u32 max, u32 *ret)
{
	if (s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9')
		return false;
	*ret = (u32)(s[0] - '0') * 10 + (u32)(s[1] - '0');
	return *ret <= max;
}

bool sz_cel_fixed_offset(const struct sz_cel_value *v, s32 *ret)
{
	bool sign = v->n && (v->s[0] == '+' || v->s[0] == '-');
	const char *s = v->s + sign;
	u32 hours, minutes;

	if (v->n - sign != 5 || s[2] != ':' || !two_digits(s, 23, &hours) ||
	    !two_digits(s + 3, 59, &minutes))
		return false;
	*ret = (s32)(hours * 3600 + minutes * 60);
	if (v->s[0] == '-')
		*ret = -*ret;
	return true;
}

#define ZONE_NAME_MAX 64

/* A name that cannot lead out of the directory of zones. */
static bool zone_name(const struct sz_cel_value *v, char out[ZONE_NAME_MAX])
{
	u32 i;

	if (!v->n || v->n >= ZONE_NAME_MAX)
		return false;
	for (i = 0; i < v->n; i++) {
		char c = v->s[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '+';

		if (!plain && (c != '/' || !i || i + 1 == v->n || v->s[i - 1] == '/'))
			return false;
		out[i] = c;
	}
	out[i] = 0;
	return true;
}

static bool zone_offset(struct run *r, const struct sz_cel_value *zone, s64 at, s32 *ret,
			struct sz_cel_value *ret_error)
{
	const struct sz_cel_zones *zones = &r->p->zones;
	char name[ZONE_NAME_MAX];
	const u8 *file;
	size_t n;

	if (sz_cel_fixed_offset(zone, ret))
		return true;
	*ret = 0;
	if (!zone_name(zone, name)) {
		sz_cel_error(r, ret_error, "the string is no time zone");
		return false;
	}
	if (!strcmp(name, "UTC"))
		return true;
	if (!pay(r, 10))
		return false;
	if (zones->find && !zones->find(zones->arg, name, &file, &n) &&
	    !sz_cel_tzif_offset(file, n, at, ret))
		return true;
	sz_cel_error(r, ret_error, "unknown time zone %s", name);
	return false;
}

/* ---- selectors ------------------------------------------------------------------------------ */

enum part {
	PART_YEAR,
	PART_MONTH,
	PART_YEARDAY,
	PART_MONTHDAY,
	PART_DATE,
	PART_WEEKDAY,
	PART_HOURS,
	PART_MINUTES,
	PART_SECONDS,
	PART_MILLISECONDS,
};

static s64 time_part(const struct sz_cel_value *t, s32 offset, enum part part)
{
	struct civil c;

	sz_cel_civil(t->i + offset, &c);
	switch (part) {
	case PART_YEAR:
		return c.year;
	case PART_MONTH:
		return c.month - 1;
	case PART_YEARDAY:
		return c.yearday;
	case PART_MONTHDAY:
		return c.day - 1;
	case PART_DATE:
		return c.day;
	case PART_WEEKDAY:
		return c.weekday;
	case PART_HOURS:
		return c.hour;
	case PART_MINUTES:
		return c.minute;
	case PART_SECONDS:
		return c.second;
	default:
		return t->n / 1000000;
	}
}

/* The whole of it in that unit; of milliseconds those behind the second. */
static s64 duration_part(s64 ns, enum part part)
{
	switch (part) {
	case PART_HOURS:
		return ns / 3600000000000;
	case PART_MINUTES:
		return ns / 60000000000;
	case PART_SECONDS:
		return ns / 1000000000;
	default:
		return ns / 1000000 % 1000;
	}
}

static void select_part(struct run *r, const char *name, enum part part,
			const struct sz_cel_value *args, u32 n, struct sz_cel_value *ret)
{
	s32 offset = 0;

	if (args[0].type == SZ_CEL_DURATION && n == 1 && part >= PART_HOURS) {
		*ret = sz_cel_int(duration_part(args[0].i, part));
		return;
	}
	if (args[0].type != SZ_CEL_TIMESTAMP || (n == 2 && args[1].type != SZ_CEL_STRING)) {
		sz_cel_no_overload(r, name, args, n, ret);
		return;
	}
	if (n == 1 || zone_offset(r, &args[1], args[0].i, &offset, ret))
		*ret = sz_cel_int(time_part(&args[0], offset, part));
}

#define SELECTOR(function, name, part)                                                             \
	static void function(struct run *r, const struct sz_cel_value *args, u32 n,                \
			     struct sz_cel_value *ret)                                             \
	{                                                                                          \
		select_part(r, name, part, args, n, ret);                                          \
	}

SELECTOR(call_year, "getFullYear", PART_YEAR)
SELECTOR(call_month, "getMonth", PART_MONTH)
SELECTOR(call_yearday, "getDayOfYear", PART_YEARDAY)
SELECTOR(call_monthday, "getDayOfMonth", PART_MONTHDAY)
SELECTOR(call_date, "getDate", PART_DATE)
SELECTOR(call_weekday, "getDayOfWeek", PART_WEEKDAY)
SELECTOR(call_hours, "getHours", PART_HOURS)
SELECTOR(call_minutes, "getMinutes", PART_MINUTES)
SELECTOR(call_seconds, "getSeconds", PART_SECONDS)
SELECTOR(call_milliseconds, "getMilliseconds", PART_MILLISECONDS)

const struct func sz_cel_lib_time[] = {
	{"timestamp", F_GLOBAL, "t:t s:t i:t", call_timestamp},
	{"duration", F_GLOBAL, "r:r s:r", call_duration},
	{"getFullYear", F_MEMBER, "t:i ts:i", call_year},
	{"getMonth", F_MEMBER, "t:i ts:i", call_month},
	{"getDayOfYear", F_MEMBER, "t:i ts:i", call_yearday},
	{"getDayOfMonth", F_MEMBER, "t:i ts:i", call_monthday},
	{"getDate", F_MEMBER, "t:i ts:i", call_date},
	{"getDayOfWeek", F_MEMBER, "t:i ts:i", call_weekday},
	{"getHours", F_MEMBER, "t:i ts:i r:i", call_hours},
	{"getMinutes", F_MEMBER, "t:i ts:i r:i", call_minutes},
	{"getSeconds", F_MEMBER, "t:i ts:i r:i", call_seconds},
	{"getMilliseconds", F_MEMBER, "t:i ts:i r:i", call_milliseconds},
	{NULL, 0, NULL, NULL},
};

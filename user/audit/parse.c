/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One line of the log, read strictly: the verifier and the daemon's start call it on every line
 * they judge. It accepts what the formatter writes and members a later version may add, knows a
 * line that was cut off from one that was altered, and trusts nothing about the bytes.
 */
#include "audit/audit_priv.h"

#include <string.h>

#include "codec/codec.h"

struct cursor {
	const char *start, *p, *end;
	const char *expected;
};

enum kind { KIND_ANY, KIND_STRING, KIND_INTEGER, KIND_DECIMAL, KIND_TRUE, KIND_HASH };

enum {
	M_SEQ,
	M_TIME,
	M_TYPE,
	M_SEGMENT,
	M_PREV,
	M_COUNT,
	M_HASH,
	M_TREE,
	M_DETAIL,
	M_OTHERS,
};

static const struct member {
	const char *name;
	enum kind kind;
} members[] = {
	[M_SEQ] = { "seq", KIND_INTEGER },
	[M_TIME] = { "time", KIND_STRING },
	[M_TYPE] = { "type", KIND_STRING },
	[M_SEGMENT] = { "segment", KIND_INTEGER },
	[M_PREV] = { "prev", KIND_HASH },
	[M_COUNT] = { "count", KIND_INTEGER },
	[M_HASH] = { "hash", KIND_HASH },
	[M_TREE] = { "tree", KIND_STRING },
	[M_DETAIL] = { "detail", KIND_STRING },
	[M_OTHERS] = { "verdict", KIND_STRING },
	{ "reason", KIND_STRING },
	{ "status", KIND_INTEGER },
	{ "service", KIND_STRING },
	{ "route", KIND_STRING },
	{ "method", KIND_STRING },
	{ "path", KIND_STRING },
	{ "principal", KIND_STRING },
	{ "principal_id", KIND_STRING },
	{ "iss", KIND_STRING },
	{ "sub", KIND_STRING },
	{ "jti", KIND_STRING },
	{ "kid", KIND_STRING },
	{ "alg", KIND_STRING },
	{ "token", KIND_STRING },
	{ "src", KIND_STRING },
	{ "dst", KIND_STRING },
	{ "latency_us", KIND_DECIMAL },
	{ "monitor", KIND_TRUE },
	{ "explanation", KIND_STRING },
};
#define M_UNKNOWN SZ_ARRAY_LEN(members)
#define BIT(m) (1ull << (m))

static bool fail(struct cursor *c, const char *expected)
{
	c->expected = expected;
	return false;
}

static bool literal(struct cursor *c, const char *s, const char *expected)
{
	for (; *s; s++, c->p++)
		if (c->p == c->end || *c->p != *s)
			return fail(c, expected);
	return true;
}

static bool digit(const char *p)
{
	return *p >= '0' && *p <= '9';
}

static bool integer(struct cursor *c, u64 *ret)
{
	const char *first = c->p;

	*ret = 0;
	for (; c->p < c->end && digit(c->p); c->p++) {
		if (c->p > first && *first == '0')
			return fail(c, "a number without leading zeros");
		if (__builtin_mul_overflow(*ret, 10u, ret) ||
		    __builtin_add_overflow(*ret, (u64)(*c->p - '0'), ret))
			return fail(c, "a number below 2^64");
	}
	return c->p > first || fail(c, "a number");
}

static bool fraction(struct cursor *c)
{
	const char *first;

	if (!literal(c, ".", "a decimal point"))
		return false;
	for (first = c->p; c->p < c->end && digit(c->p); c->p++)
		;
	return c->p > first || fail(c, "a digit");
}

static bool hex_digit(struct cursor *c)
{
	if (c->p == c->end || !(digit(c->p) || (*c->p >= 'a' && *c->p <= 'f')))
		return fail(c, "a digit of lower-case hex");
	c->p++;
	return true;
}

static bool escape(struct cursor *c)
{
	c->p++;
	if (c->p < c->end && (*c->p == '"' || *c->p == '\\')) {
		c->p++;
		return true;
	}
	return literal(c, "u00", "\\\", \\\\ or \\u00XX") && hex_digit(c) && hex_digit(c);
}

static bool string(struct cursor *c)
{
	int len;

	if (!literal(c, "\"", "a string"))
		return false;
	while (c->p < c->end && *c->p != '"') {
		if (*c->p == '\\') {
			if (!escape(c))
				return false;
			continue;
		}
		len = sz_audit_utf8(c->p, (size_t)(c->end - c->p));
		if (len < 0)
			c->p = c->end;
		if (len <= 0)
			return fail(c, "UTF-8 without control characters");
		c->p += len;
	}
	return literal(c, "\"", "the end of a string");
}

static bool hash(struct cursor *c, u8 ret[SZ_AUDIT_HASH_LEN])
{
	const char *first;
	int i;

	if (!literal(c, "\"", "a string"))
		return false;
	first = c->p;
	for (i = 0; i < 2 * SZ_AUDIT_HASH_LEN; i++)
		if (!hex_digit(c))
			return false;
	if (sz_hex_decode(first, 2 * SZ_AUDIT_HASH_LEN, ret))
		return fail(c, "64 digits of hex");
	return literal(c, "\"", "64 digits of hex");
}

/* n digits that make a number in low..high. */
static bool field(struct cursor *c, int n, unsigned low, unsigned high, unsigned *ret)
{
	const char *first = c->p;

	for (*ret = 0; n--; c->p++) {
		if (c->p == c->end || !digit(c->p))
			return fail(c, "a digit of the time");
		*ret = *ret * 10 + (unsigned)(*c->p - '0');
	}
	if (*ret < low || *ret > high) {
		c->p = first;
		return fail(c, "a time that exists");
	}
	return true;
}

static unsigned month_days(unsigned year, unsigned month)
{
	static const u8 days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100) || year % 400 == 0;

	return days[month - 1] + (leap && month == 2);
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. */
static u64 days_to(unsigned year, unsigned month, unsigned day)
{
	u64 years = year - 1u, days = years * 365 + years / 4 - years / 100 + years / 400;
	unsigned m;

	for (m = 1; m < month; m++)
		days += month_days(year, m);
	return days + day - 1 - 719162;
}

static bool timestamp(struct cursor *c, u64 *ret_ns)
{
	static const char form[] = "2026-11-21T12:00:00.123456789Z";
	unsigned year, month, day, hour, minute, second, ns;

	if (!field(c, 4, 1970, 9999, &year) || !literal(c, "-", form) ||
	    !field(c, 2, 1, 12, &month) || !literal(c, "-", form) ||
	    !field(c, 2, 1, month_days(year, month), &day) || !literal(c, "T", form) ||
	    !field(c, 2, 0, 23, &hour) || !literal(c, ":", form) ||
	    !field(c, 2, 0, 59, &minute) || !literal(c, ":", form) ||
	    !field(c, 2, 0, 59, &second) || !literal(c, ".", form) ||
	    !field(c, 9, 0, 999999999, &ns) || !literal(c, "Z", form))
		return false;
	*ret_ns = (((days_to(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) *
			  1000000000ull + ns;
	return true;
}

static bool type(struct cursor *c, enum sz_audit_type *ret)
{
	const char *first = c->p;
	int t;
	size_t n;

	while (c->p < c->end && *c->p >= 'a' && *c->p <= 'z')
		c->p++;
	n = (size_t)(c->p - first);
	for (t = 1; t < SZ_AUDIT_TYPE_COUNT; t++) {
		const char *name = sz_audit_type_name((enum sz_audit_type)t);
		bool cut = c->p == c->end;

		if (strncmp(name, first, n) || (!cut && name[n]))
			continue;
		*ret = (enum sz_audit_type)t;
		return !cut || fail(c, "a record type");
	}
	c->p = first;
	return fail(c, "a record type that this version knows");
}

static size_t member_find(const char *name, size_t n)
{
	size_t m;

	for (m = 0; m < M_UNKNOWN; m++)
		if (strlen(members[m].name) == n && !memcmp(members[m].name, name, n))
			break;
	return m;
}

static bool member_name(struct cursor *c, size_t *ret)
{
	const char *first;

	if (!literal(c, ",\"", "another member"))
		return false;
	first = c->p;
	while (c->p < c->end && ((*c->p >= 'a' && *c->p <= 'z') || digit(c->p) || *c->p == '_'))
		c->p++;
	if (c->p == first)
		return fail(c, "a member's name");
	*ret = member_find(first, (size_t)(c->p - first));
	return literal(c, "\":", "the end of a member's name");
}

/* Members of a later version: any scalar that a line may hold. */
static bool unknown_value(struct cursor *c)
{
	u64 number;

	if (c->p == c->end)
		return fail(c, "a value");
	switch (*c->p) {
	case '"':
		return string(c);
	case 't':
		return literal(c, "true", "true");
	case 'f':
		return literal(c, "false", "false");
	}
	return integer(c, &number) && (c->p == c->end || *c->p != '.' || fraction(c));
}

static bool text(struct cursor *c, size_t m, struct sz_audit_line *l)
{
	const char *first = c->p + 1;

	if (!string(c))
		return false;
	if (m == M_TREE) {
		l->tree = first;
		l->tree_len = (size_t)(c->p - 1 - first);
	} else if (m == M_DETAIL) {
		l->detail = first;
		l->detail_len = (size_t)(c->p - 1 - first);
	}
	return true;
}

static bool value(struct cursor *c, size_t m, struct sz_audit_line *l)
{
	u64 *number, other;

	switch (m < M_UNKNOWN ? members[m].kind : KIND_ANY) {
	case KIND_STRING:
		return text(c, m, l);
	case KIND_INTEGER:
		number = m == M_COUNT ? &l->count : m == M_SEGMENT ? &l->segment : &other;
		return integer(c, number);
	case KIND_DECIMAL:
		return integer(c, &other) && fraction(c);
	case KIND_TRUE:
		return literal(c, "true", "true");
	case KIND_HASH:
		return hash(c, m == M_HASH ? l->hash : l->prev);
	case KIND_ANY:
		break;
	}
	return unknown_value(c);
}

/* Members that the type must have, and that only it may have. */
static bool members_fit(struct cursor *c, const struct sz_audit_line *l, u64 seen)
{
	u64 chain = BIT(M_SEGMENT) | BIT(M_PREV);

	if ((seen & chain) != (l->type == SZ_AUDIT_SEGMENT ? chain : 0))
		return fail(c, "\"segment\" and \"prev\" in segment records, and only there");
	if (seen & BIT(M_TREE) && l->type != SZ_AUDIT_SEGMENT)
		return fail(c, "\"tree\" in segment records only");
	if ((l->type == SZ_AUDIT_SUMMARY || l->type == SZ_AUDIT_LOST || l->type == SZ_AUDIT_SHED ||
	     l->type == SZ_AUDIT_REMOVED) &&
	    !(seen & BIT(M_COUNT)))
		return fail(c, "\"count\" in summary, lost, shed and removed records");
	return true;
}

static bool record(struct cursor *c, struct sz_audit_line *l)
{
	u64 seen = BIT(M_SEQ) | BIT(M_TIME) | BIT(M_TYPE);
	const char *first;
	size_t m;

	if (!literal(c, "{\"seq\":", "{\"seq\":") || !integer(c, &l->seq) ||
	    !literal(c, ",\"time\":\"", ",\"time\":\"") || !timestamp(c, &l->wall_ns) ||
	    !literal(c, "\",\"type\":\"", "\",\"type\":\"") || !type(c, &l->type) ||
	    !literal(c, "\"", "the end of a string"))
		return false;
	for (;;) {
		first = c->p;
		if (!member_name(c, &m))
			return false;
		if (m < M_UNKNOWN && seen & BIT(m)) {
			c->p = first;
			return fail(c, "each member once");
		}
		seen |= BIT(m);
		if (m == M_HASH) {
			l->body_len = (size_t)(first - c->start);
			if (!members_fit(c, l, seen))
				return false;
		}
		if (!value(c, m, l))
			return false;
		if (m == M_HASH)
			break;
	}
	if (!literal(c, "}", "the end of the record behind its hash"))
		return false;
	return c->p == c->end || fail(c, "the end of the line");
}

int sz_audit_parse(const char *p, size_t n, struct sz_audit_line *ret, struct sz_audit_syntax *bad)
{
	struct cursor c = { .start = p, .p = p, .end = p + n };

	_Static_assert(SZ_ARRAY_LEN(members) < 64, "a bit for each member and one for the unknown");
	*ret = (struct sz_audit_line){ 0 };
	if (record(&c, ret))
		return 0;
	bad->column = (size_t)(c.p - p) + 1;
	bad->expected = c.expected;
	return c.p == c.end ? -ENODATA : -EBADMSG;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The strings extension (cel-spec, doc/extensions/strings.md; cel-go, ext/README.md). Positions
 * count code points from 0. format() is in lib_format.c.
 */
#include "cel_priv.h"

/* Whether the arguments have these types ("sis"), paid for; false with *ret filled. */
static bool typed(struct run *r, const char *name, const char *types,
		  const struct sz_cel_value *args, u32 n, struct sz_cel_value *ret)
{
	u32 i;

	for (i = 0; i < n; i++) {
		if (args[i].type == (types[i] == 's' ? SZ_CEL_STRING : SZ_CEL_INT))
			continue;
		sz_cel_no_overload(r, name, args, n, ret);
		return false;
	}
	return pay(r, args[0].n / 8);
}

static void out_of_range(struct run *r, struct sz_cel_value *ret)
{
	sz_cel_error(r, ret, "the position is outside of the string");
}

/* Where code point `at` begins; n for the one behind the last. false where there is none. */
static bool byte_of(const struct sz_cel_value *v, s64 at, u32 *ret)
{
	s64 count = 0;
	u32 i;

	if (at < 0)
		return false;
	for (i = 0; i < v->n; i++) {
		if (((u8)v->s[i] & 0xc0) == 0x80)
			continue;
		if (count++ == at) {
			*ret = i;
			return true;
		}
	}
	*ret = v->n;
	return at == count;
}

static struct sz_cel_value part(const struct sz_cel_value *v, u32 from, u32 to)
{
	return sz_cel_string(from < to ? v->s + from : "", to - from);
}

static void call_char_at(struct run *r, const struct sz_cel_value *args, u32 n,
			 struct sz_cel_value *ret)
{
	u32 from, to;

	if (!typed(r, "charAt", "si", args, n, ret))
		return;
	if (!byte_of(&args[0], args[1].i, &from)) {
		out_of_range(r, ret);
		return;
	}
	if (from == args[0].n || !byte_of(&args[0], args[1].i + 1, &to))
		to = from;
	*ret = part(&args[0], from, to);
}

static void call_index_of(struct run *r, const struct sz_cel_value *args, u32 n,
			  struct sz_cel_value *ret)
{
	const char *at;
	u32 from = 0;

	if (!typed(r, "indexOf", "ssi", args, n, ret))
		return;
	if (n == 3 && !byte_of(&args[0], args[2].i, &from)) {
		out_of_range(r, ret);
		return;
	}
	if (!args[1].n) {
		*ret = sz_cel_int(n == 3 ? args[2].i : 0);
		return;
	}
	at = args[0].n > from ? memmem(args[0].s + from, args[0].n - from, args[1].s, args[1].n)
			      : NULL;
	*ret = sz_cel_int(at ? (s64)sz_cel_utf8_count(args[0].s, (size_t)(at - args[0].s)) : -1);
}

static void call_last_index_of(struct run *r, const struct sz_cel_value *args, u32 n,
			       struct sz_cel_value *ret)
{
	const struct sz_cel_value *s = &args[0], *what = &args[1];
	u32 at = s->n;

	if (!typed(r, "lastIndexOf", "ssi", args, n, ret) || !pay(r, (u64)s->n * what->n / 64))
		return;
	if (n == 3 && !byte_of(s, args[2].i, &at)) {
		out_of_range(r, ret);
		return;
	}
	*ret = sz_cel_int(-1);
	if (what->n > s->n)
		return;
	for (at = at < s->n - what->n ? at : s->n - what->n;; at--) {
		if (!what->n || !memcmp(s->s + at, what->s, what->n)) {
			*ret = sz_cel_int(at ? sz_cel_utf8_count(s->s, at) : 0);
			return;
		}
		if (!at)
			return;
	}
}

static void call_substring(struct run *r, const struct sz_cel_value *args, u32 n,
			   struct sz_cel_value *ret)
{
	u32 from, to = args[0].n;

	if (!typed(r, "substring", "sii", args, n, ret))
		return;
	if (!byte_of(&args[0], args[1].i, &from) || (n == 3 && !byte_of(&args[0], args[2].i, &to)))
		out_of_range(r, ret);
	else if (to < from)
		sz_cel_error(r, ret, "the end of a substring is before its beginning");
	else
		*ret = part(&args[0], from, to);
}

/* Unicode's White_Space. */
static bool is_space(u32 c)
{
	return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 ||
	       (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
	       c == 0x205f || c == 0x3000;
}

static void call_trim(struct run *r, const struct sz_cel_value *args, u32 n,
		      struct sz_cel_value *ret)
{
	u32 from = 0, to = args[0].n, at, len;

	if (!typed(r, "trim", "s", args, n, ret))
		return;
	while (from < to && is_space(sz_cel_utf8_get(args[0].s + from, to - from, &len)))
		from += len;
	while (from < to) {
		for (at = to - 1; at > from && ((u8)args[0].s[at] & 0xc0) == 0x80;)
			at--;
		if (!is_space(sz_cel_utf8_get(args[0].s + at, to - at, &len)))
			break;
		to = at;
	}
	*ret = part(&args[0], from, to);
}

static void change_case(struct run *r, const char *name, char low, char high,
			const struct sz_cel_value *args, u32 n, struct sz_cel_value *ret)
{
	char *s;
	u32 i;

	if (!typed(r, name, "s", args, n, ret))
		return;
	s = sz_cel_take(r, args[0].n);
	for (i = 0; s && i < args[0].n; i++) {
		s[i] = args[0].s[i];
		if (s[i] >= low && s[i] <= high)
			s[i] ^= 0x20;
	}
	if (s)
		*ret = sz_cel_string(s, args[0].n);
}

static void call_lower(struct run *r, const struct sz_cel_value *args, u32 n,
		       struct sz_cel_value *ret)
{
	change_case(r, "lowerAscii", 'A', 'Z', args, n, ret);
}

static void call_upper(struct run *r, const struct sz_cel_value *args, u32 n,
		       struct sz_cel_value *ret)
{
	change_case(r, "upperAscii", 'a', 'z', args, n, ret);
}

static void call_reverse(struct run *r, const struct sz_cel_value *args, u32 n,
			 struct sz_cel_value *ret)
{
	u32 at, len;
	char *s;

	if (!typed(r, "reverse", "s", args, n, ret))
		return;
	s = sz_cel_take(r, args[0].n);
	for (at = 0; s && at < args[0].n; at += len) {
		sz_cel_utf8_get(args[0].s + at, args[0].n - at, &len);
		memcpy(s + args[0].n - at - len, args[0].s + at, len);
	}
	if (s)
		*ret = sz_cel_string(s, args[0].n);
}

/* ---- lists of strings ----------------------------------------------------------------------- */

static void call_join(struct run *r, const struct sz_cel_value *args, u32 n,
		      struct sz_cel_value *ret)
{
	u32 between = n == 2 ? args[1].n : 0, i;
	u64 total = 0;
	char *s, *p;

	if (args[0].type != SZ_CEL_LIST || (n == 2 && args[1].type != SZ_CEL_STRING)) {
		sz_cel_no_overload(r, "join", args, n, ret);
		return;
	}
	for (i = 0; i < args[0].n; i++) {
		if (args[0].list[i].type != SZ_CEL_STRING) {
			sz_cel_error(r, ret, "join() needs a list of strings");
			return;
		}
		total += args[0].list[i].n + (i ? between : 0);
	}
	if (!pay(r, args[0].n + total / 16))
		return;
	s = p = total <= UINT32_MAX ? sz_cel_take(r, total) : NULL;
	if (!s) {
		r->stop = "the budget of memory is used up";
		return;
	}
	for (i = 0; i < args[0].n; i++) {
		if (i && between)
			p = mempcpy(p, args[1].s, between);
		if (args[0].list[i].n)
			p = mempcpy(p, args[0].list[i].s, args[0].list[i].n);
	}
	*ret = sz_cel_string(s, total);
}

/* Bytes up to the next separator, which an empty one puts behind each code point. */
static u32 next_piece(const struct sz_cel_value *s, u32 at, const struct sz_cel_value *sep)
{
	const char *found;
	u32 len;

	if (!sep->n) {
		sz_cel_utf8_get(s->s + at, s->n - at, &len);
		return at + len < s->n ? len : s->n - at;
	}
	found = s->n > at ? memmem(s->s + at, s->n - at, sep->s, sep->n) : NULL;
	return found ? (u32)(found - (s->s + at)) : s->n - at;
}

static u32 count_pieces(const struct sz_cel_value *s, const struct sz_cel_value *sep, u64 limit)
{
	u32 at = 0, count = 1;

	if (!sep->n && !s->n)
		return 0;
	for (; count < limit; count++) {
		at += next_piece(s, at, sep);
		if (at == s->n)
			break;
		at += sep->n;
	}
	return count;
}

static void call_split(struct run *r, const struct sz_cel_value *args, u32 n,
		       struct sz_cel_value *ret)
{
	u64 limit = n == 3 && args[2].i >= 0 ? args[2].u : UINT64_MAX;
	struct sz_cel_value *v;
	u32 i, at = 0, count, len;

	if (!typed(r, "split", "ssi", args, n, ret))
		return;
	count = limit ? count_pieces(&args[0], &args[1], limit) : 0;
	if (!pay(r, count))
		return;
	v = sz_cel_take(r, count * sizeof(*v));
	if (!v)
		return;
	for (i = 0; i < count; i++) {
		len = i + 1 < count ? next_piece(&args[0], at, &args[1]) : args[0].n - at;
		v[i] = part(&args[0], at, at + len);
		at += len + args[1].n;
	}
	*ret = sz_cel_list(v, count);
}

/* How often `what` is replaced; an empty one stands before each code point and at the end. */
static u64 count_found(const struct sz_cel_value *s, const struct sz_cel_value *what, u64 limit)
{
	const char *at = s->s, *end = at + s->n;
	u64 count = 0;

	if (!what->n)
		count = (s->n ? sz_cel_utf8_count(s->s, s->n) : 0) + 1;
	while (what->n && s->n && count < limit &&
	       (at = memmem(at, (size_t)(end - at), what->s, what->n)) != NULL) {
		count++;
		at += what->n;
	}
	return count < limit ? count : limit;
}

static void replace(const struct sz_cel_value *s, const struct sz_cel_value *what,
		    const struct sz_cel_value *with, u64 count, char *out)
{
	u32 at = 0, len;

	for (; count; count--) {
		len = what->n ? next_piece(s, at, what) : 0;
		if (len)
			out = mempcpy(out, s->s + at, len);
		at += len + what->n;
		if (with->n)
			out = mempcpy(out, with->s, with->n);
		if (!what->n && at < s->n) {
			sz_cel_utf8_get(s->s + at, s->n - at, &len);
			out = mempcpy(out, s->s + at, len);
			at += len;
		}
	}
	if (at < s->n)
		memcpy(out, s->s + at, s->n - at);
}

static void call_replace(struct run *r, const struct sz_cel_value *args, u32 n,
			 struct sz_cel_value *ret)
{
	u64 limit, count, total;
	char *s;

	if (!typed(r, "replace", "sssi", args, n, ret))
		return;
	limit = n == 4 && args[3].i >= 0 ? args[3].u : UINT64_MAX;
	count = limit ? count_found(&args[0], &args[1], limit) : 0;
	total = args[0].n + count * args[2].n - count * args[1].n;
	if (!pay(r, count + total / 16))
		return;
	s = total <= UINT32_MAX ? sz_cel_take(r, total) : NULL;
	if (!s) {
		r->stop = "the budget of memory is used up";
		return;
	}
	replace(&args[0], &args[1], &args[2], count, s);
	*ret = sz_cel_string(s, total);
}

static void call_quote(struct run *r, const struct sz_cel_value *args, u32 n,
		       struct sz_cel_value *ret)
{
	struct sz_buf b = {0};
	const char *s;

	if (!typed(r, "strings.quote", "s", args, n, ret))
		return;
	sz_cel_quote(args[0].s, args[0].n, &b);
	s = sz_cel_copy(r, b.data, b.len);
	if (s)
		*ret = sz_cel_string(s, b.len);
	sz_buf_done(&b);
}

const struct func sz_cel_lib_string[] = {
	{"charAt", F_MEMBER, "si:s", call_char_at},
	{"format", F_MEMBER, "sLA:s", sz_cel_format},
	{"indexOf", F_MEMBER, "ss:i ssi:i", call_index_of},
	{"join", F_MEMBER, "Ls:s Lss:s", call_join},
	{"lastIndexOf", F_MEMBER, "ss:i ssi:i", call_last_index_of},
	{"lowerAscii", F_MEMBER, "s:s", call_lower},
	{"replace", F_MEMBER, "sss:s sssi:s", call_replace},
	{"reverse", F_MEMBER, "s:s", call_reverse},
	{"split", F_MEMBER, "ss:Ls ssi:Ls", call_split},
	{"strings.quote", F_GLOBAL, "s:s", call_quote},
	{"substring", F_MEMBER, "si:s sii:s", call_substring},
	{"trim", F_MEMBER, "s:s", call_trim},
	{"upperAscii", F_MEMBER, "s:s", call_upper},
	{NULL, 0, NULL, NULL},
};

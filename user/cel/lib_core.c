/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The standard functions but those of time: size, conversions, types, and the tests of strings
 * (langdef, "List of Standard Definitions").
 */
#include <math.h>

#include "cel_priv.h"

const char *sz_cel_copy(struct run *r, const char *s, size_t n)
{
	char *p = sz_cel_take(r, n);

	if (p && n)
		memcpy(p, s, n);
	return p;
}

static void text_value(struct run *r, const char *s, size_t n, struct sz_cel_value *ret)
{
	const char *p = sz_cel_copy(r, s, n);

	if (p)
		*ret = sz_cel_string(p, n);
}

static void call_size(struct run *r, const struct sz_cel_value *args, u32 n,
		      struct sz_cel_value *ret)
{
	switch (args[0].type) {
	case SZ_CEL_STRING:
		if (pay(r, args[0].n / 16))
			*ret = sz_cel_int(args[0].n ? sz_cel_utf8_count(args[0].s, args[0].n) : 0);
		return;
	case SZ_CEL_BYTES:
	case SZ_CEL_LIST:
	case SZ_CEL_MAP:
		*ret = sz_cel_int(args[0].n);
		return;
	default:
		sz_cel_no_overload(r, "size", args, n, ret);
	}
}

static void call_dyn(struct run *r, const struct sz_cel_value *args, u32 n,
		     struct sz_cel_value *ret)
{
	(void)r;
	(void)n;
	*ret = args[0];
}

static void call_type(struct run *r, const struct sz_cel_value *args, u32 n,
		      struct sz_cel_value *ret)
{
	static const char *const names[] = {
		[SZ_CEL_UNSET] = "null_type",
		[SZ_CEL_NULL] = "null_type",
		[SZ_CEL_BOOL] = "bool",
		[SZ_CEL_INT] = "int",
		[SZ_CEL_UINT] = "uint",
		[SZ_CEL_DOUBLE] = "double",
		[SZ_CEL_STRING] = "string",
		[SZ_CEL_BYTES] = "bytes",
		[SZ_CEL_LIST] = "list",
		[SZ_CEL_MAP] = "map",
		[SZ_CEL_TIMESTAMP] = "google.protobuf.Timestamp",
		[SZ_CEL_DURATION] = "google.protobuf.Duration",
		[SZ_CEL_TYPE] = "type",
		[SZ_CEL_OPTIONAL] = "optional_type",
		[SZ_CEL_IP] = "net.IP",
		[SZ_CEL_CIDR] = "net.CIDR",
	};

	(void)r;
	(void)n;
	*ret = sz_cel_type_value(names[args[0].type]);
}

/* ---- numbers -------------------------------------------------------------------------------- */

/* A decimal number and nothing else; `sign`: one may stand before it. */
static bool decimal(const struct sz_cel_value *v, bool sign, bool *ret_negative, u64 *ret)
{
	u32 i = 0;

	*ret_negative = sign && v->n && v->s[0] == '-';
	if (sign && v->n && (v->s[0] == '-' || v->s[0] == '+'))
		i++;
	if (i == v->n)
		return false;
	for (*ret = 0; i < v->n; i++)
		if (v->s[i] < '0' || v->s[i] > '9' || __builtin_mul_overflow(*ret, 10, ret) ||
		    __builtin_add_overflow(*ret, (u64)(v->s[i] - '0'), ret))
			return false;
	return true;
}

static void int_of_string(struct run *r, const struct sz_cel_value *v, struct sz_cel_value *ret)
{
	bool negative;
	u64 u;

	if (!decimal(v, true, &negative, &u) || u > (u64)INT64_MAX + negative)
		sz_cel_error(r, ret, "the string is no int");
	else
		*ret = sz_cel_int(negative ? (s64)(0 - u) : (s64)u);
}

static void call_int(struct run *r, const struct sz_cel_value *args, u32 n,
		     struct sz_cel_value *ret)
{
	const struct sz_cel_value *v = &args[0];

	switch (v->type) {
	case SZ_CEL_INT:
		*ret = *v;
		return;
	case SZ_CEL_UINT:
		if (v->u <= INT64_MAX)
			*ret = sz_cel_int(v->i);
		else
			sz_cel_error(r, ret, "the uint does not fit into an int");
		return;
	case SZ_CEL_DOUBLE:
		if (v->d > -0x1p63 && v->d < 0x1p63)
			*ret = sz_cel_int((s64)v->d);
		else
			sz_cel_error(r, ret, "the double does not fit into an int");
		return;
	case SZ_CEL_STRING:
		int_of_string(r, v, ret);
		return;
	case SZ_CEL_TIMESTAMP:
		*ret = sz_cel_int(v->i);
		return;
	default:
		sz_cel_no_overload(r, "int", args, n, ret);
	}
}

static void call_uint(struct run *r, const struct sz_cel_value *args, u32 n,
		      struct sz_cel_value *ret)
{
	const struct sz_cel_value *v = &args[0];
	bool negative;
	u64 u;

	switch (v->type) {
	case SZ_CEL_UINT:
		*ret = *v;
		return;
	case SZ_CEL_INT:
		if (v->i >= 0)
			*ret = sz_cel_uint(v->u);
		else
			sz_cel_error(r, ret, "a negative int is no uint");
		return;
	case SZ_CEL_DOUBLE:
		if (v->d >= 0 && v->d < 0x1p64)
			*ret = sz_cel_uint((u64)v->d);
		else
			sz_cel_error(r, ret, "the double does not fit into a uint");
		return;
	case SZ_CEL_STRING:
		if (decimal(v, false, &negative, &u))
			*ret = sz_cel_uint(u);
		else
			sz_cel_error(r, ret, "the string is no uint");
		return;
	default:
		sz_cel_no_overload(r, "uint", args, n, ret);
	}
}

static void double_of_string(struct run *r, const struct sz_cel_value *v, struct sz_cel_value *ret)
{
	char text[400], *end;
	u32 i;

	for (i = 0; i < v->n && i < sizeof(text) - 1; i++) {
		if (v->s[i] <= ' ' || v->s[i] == '(')
			break; /* strtod takes blanks and nan(...), which are no doubles here */
		text[i] = v->s[i];
	}
	text[i] = 0;
	*ret = sz_cel_double(strtod(text, &end));
	if (i < v->n || !i || *end)
		sz_cel_error(r, ret, "the string is no double");
}

static void call_double(struct run *r, const struct sz_cel_value *args, u32 n,
			struct sz_cel_value *ret)
{
	switch (args[0].type) {
	case SZ_CEL_DOUBLE:
		*ret = args[0];
		return;
	case SZ_CEL_INT:
		*ret = sz_cel_double((double)args[0].i);
		return;
	case SZ_CEL_UINT:
		*ret = sz_cel_double((double)args[0].u);
		return;
	case SZ_CEL_STRING:
		double_of_string(r, &args[0], ret);
		return;
	default:
		sz_cel_no_overload(r, "double", args, n, ret);
	}
}

/* ---- bool, string, bytes -------------------------------------------------------------------- */

static void call_bool(struct run *r, const struct sz_cel_value *args, u32 n,
		      struct sz_cel_value *ret)
{
	static const char *const words[] = {"1", "t", "T", "true",  "TRUE",  "True",
					    "0", "f", "F", "false", "FALSE", "False"};
	struct text t = {args[0].s, args[0].n};
	size_t i;

	if (args[0].type == SZ_CEL_BOOL) {
		*ret = args[0];
		return;
	}
	if (args[0].type != SZ_CEL_STRING) {
		sz_cel_no_overload(r, "bool", args, n, ret);
		return;
	}
	for (i = 0; i < SZ_ARRAY_LEN(words); i++) {
		if (text_is(&t, words[i])) {
			*ret = sz_cel_bool(i < SZ_ARRAY_LEN(words) / 2);
			return;
		}
	}
	sz_cel_error(r, ret, "the string is no bool");
}

static void string_of_bytes(struct run *r, const struct sz_cel_value *v, struct sz_cel_value *ret)
{
	if (!pay(r, v->n / 16))
		return;
	if (!sz_cel_utf8_valid(v->s, v->n))
		sz_cel_error(r, ret, "the bytes are not valid UTF-8");
	else
		*ret = sz_cel_string(v->s, v->n);
}

static void call_string(struct run *r, const struct sz_cel_value *args, u32 n,
			struct sz_cel_value *ret)
{
	struct sz_buf b = {0};

	switch (args[0].type) {
	case SZ_CEL_STRING:
		*ret = args[0];
		return;
	case SZ_CEL_BYTES:
		string_of_bytes(r, &args[0], ret);
		return;
	case SZ_CEL_DOUBLE:
		sz_cel_double_text(args[0].d, false, &b);
		break;
	case SZ_CEL_BOOL:
	case SZ_CEL_INT:
	case SZ_CEL_UINT:
	case SZ_CEL_TIMESTAMP:
	case SZ_CEL_DURATION:
	case SZ_CEL_TYPE:
	case SZ_CEL_IP:
	case SZ_CEL_CIDR:
		if (sz_cel_plain(r, &args[0], &b, ret))
			break;
		sz_buf_done(&b);
		return;
	default:
		sz_cel_no_overload(r, "string", args, n, ret);
		return;
	}
	text_value(r, b.data, b.len, ret);
	sz_buf_done(&b);
}

static void call_bytes(struct run *r, const struct sz_cel_value *args, u32 n,
		       struct sz_cel_value *ret)
{
	*ret = args[0];
	if (ret->type == SZ_CEL_STRING)
		ret->type = SZ_CEL_BYTES;
	else if (ret->type != SZ_CEL_BYTES)
		sz_cel_no_overload(r, "bytes", args, n, ret);
}

/* ---- tests of strings ----------------------------------------------------------------------- */

/* Both arguments as strings, paid for; false with *ret filled. */
static bool two_strings(struct run *r, const char *name, const struct sz_cel_value *args, u32 n,
			struct sz_cel_value *ret)
{
	if (n != 2 || args[0].type != SZ_CEL_STRING || args[1].type != SZ_CEL_STRING) {
		sz_cel_no_overload(r, name, args, n, ret);
		return false;
	}
	return pay(r, args[0].n / 16);
}

static void call_contains(struct run *r, const struct sz_cel_value *args, u32 n,
			  struct sz_cel_value *ret)
{
	if (two_strings(r, "contains", args, n, ret))
		*ret = sz_cel_bool(!args[1].n ||
				   memmem(args[0].s, args[0].n, args[1].s, args[1].n));
}

static void call_starts_with(struct run *r, const struct sz_cel_value *args, u32 n,
			     struct sz_cel_value *ret)
{
	if (two_strings(r, "startsWith", args, n, ret))
		*ret = sz_cel_bool(!args[1].n || (args[0].n >= args[1].n &&
						  !memcmp(args[0].s, args[1].s, args[1].n)));
}

static void call_ends_with(struct run *r, const struct sz_cel_value *args, u32 n,
			   struct sz_cel_value *ret)
{
	if (two_strings(r, "endsWith", args, n, ret))
		*ret = sz_cel_bool(!args[1].n || (args[0].n >= args[1].n &&
						  !memcmp(args[0].s + args[0].n - args[1].n,
							  args[1].s, args[1].n)));
}

/* Of a pattern that is known the program is with the call, and this is not reached. */
static void call_matches(struct run *r, const struct sz_cel_value *args, u32 n,
			 struct sz_cel_value *ret)
{
	const struct regex *re;
	const char *why;
	int err;

	if (!two_strings(r, "matches", args, n, ret) || !pay(r, 1000 + args[1].n))
		return;
	err = sz_cel_regex(r->arena, args[1].s, args[1].n, &re, &why);
	if (err == -ENOMEM)
		r->stop = "the budget of memory is used up";
	else if (err)
		sz_cel_error(r, ret, "the pattern is wrong: %s", why);
	else
		*ret = sz_cel_bool(sz_cel_regex_match(r, re, args[0].s, args[0].n));
}

const struct func sz_cel_lib_core[] = {
	{"size", F_GLOBAL | F_MEMBER, "s:i y:i LA:i MAB:i", call_size},
	{"dyn", F_GLOBAL, "A:*", call_dyn},
	{"type", F_GLOBAL, "A:TA", call_type},
	{"int", F_GLOBAL, "i:i u:i d:i s:i t:i", call_int},
	{"uint", F_GLOBAL, "u:u i:u d:u s:u", call_uint},
	{"double", F_GLOBAL, "d:d i:d u:d s:d", call_double},
	{"bool", F_GLOBAL, "b:b s:b", call_bool},
	{"string", F_GLOBAL, "s:s b:s i:s u:s d:s y:s t:s r:s T*:s I:s c:s", call_string},
	{"bytes", F_GLOBAL, "y:y s:y", call_bytes},
	{"contains", F_MEMBER, "ss:b", call_contains},
	{"startsWith", F_MEMBER, "ss:b", call_starts_with},
	{"endsWith", F_MEMBER, "ss:b", call_ends_with},
	{"matches", F_GLOBAL | F_MEMBER | F_REGEX, "ss:b", call_matches},
	{NULL, 0, NULL, NULL},
};

static const char *skip_type(const char *s)
{
	char c = *s++;

	if (c == 'L' || c == 'O' || c == 'T')
		return skip_type(s);
	return c == 'M' ? skip_type(skip_type(s)) : s;
}

static bool has_arity(const struct func *f, u32 n)
{
	const char *s = f->sig;
	u32 i;

	if (f->flags & F_NUMBERS)
		return n > 0;
	while (*s) {
		for (i = 0; *s != ':'; i++)
			s = skip_type(s);
		if (i == n)
			return true;
		s = skip_type(s + 1);
		s += *s == ' ';
	}
	return false;
}

const struct func *sz_cel_func(const struct text *name, bool member, u32 n)
{
	static const struct func *const libs[] = {
		sz_cel_lib_core, sz_cel_lib_string,   sz_cel_lib_math,   sz_cel_lib_net,
		sz_cel_lib_time, sz_cel_lib_optional, sz_cel_lib_encode,
	};
	u32 want = member ? F_MEMBER : F_GLOBAL;
	const struct func *f;
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(libs); i++)
		for (f = libs[i]; f->name; f++)
			if (f->flags & want && text_is(name, f->name) && has_arity(f, n))
				return f;
	return NULL;
}

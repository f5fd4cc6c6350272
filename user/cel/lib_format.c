/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * string.format(list): %s %d %f %e %x %X %o %b and %% (cel-spec, doc/extensions/strings.md).
 */
#include <math.h>
#include <stdio.h>

#include "codec/codec.h"
#include "cel_priv.h"

#define PRECISION_MAX 100

struct clause {
	struct run *r;
	struct sz_buf *out;
	struct sz_cel_value *ret; /* of an error */
	char letter;
	int precision;
};

static bool wrong_type(struct clause *c, const struct sz_cel_value *v)
{
	sz_cel_error(c->r, c->ret, "%%%c cannot write a value of type %s", c->letter,
		     sz_cel_type_label(v));
	return false;
}

static bool is_special(const struct sz_cel_value *v)
{
	return v->type == SZ_CEL_DOUBLE && !isfinite(v->d);
}

static bool format_decimal(struct clause *c, const struct sz_cel_value *v)
{
	if (v->type != SZ_CEL_INT && v->type != SZ_CEL_UINT && v->type != SZ_CEL_DOUBLE)
		return wrong_type(c, v);
	return sz_cel_plain(c->r, v, c->out, c->ret);
}

static bool format_float(struct clause *c, const struct sz_cel_value *v)
{
	double d;

	if (is_special(v))
		return sz_cel_plain(c->r, v, c->out, c->ret);
	if (v->type == SZ_CEL_INT)
		d = (double)v->i;
	else if (v->type == SZ_CEL_UINT)
		d = (double)v->u;
	else if (v->type == SZ_CEL_DOUBLE)
		d = v->d;
	else
		return wrong_type(c, v);
	sz_buf_printf(c->out, c->letter == 'f' ? "%.*f" : "%.*e", c->precision, d);
	return true;
}

static void add_base(struct clause *c, bool negative, u64 u, u32 bits)
{
	const char *digits = c->letter == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	char text[64];
	size_t at = sizeof(text);

	do {
		text[--at] = digits[u & ((1u << bits) - 1)];
		u >>= bits;
	} while (u);
	sz_buf_add(c->out, "-", negative);
	sz_buf_add(c->out, text + at, sizeof(text) - at);
}

static bool format_bytes(struct clause *c, const struct sz_cel_value *v)
{
	u32 i;

	if (!pay(c->r, v->n / 8))
		return false;
	for (i = 0; i < v->n; i++)
		sz_buf_printf(c->out, c->letter == 'X' ? "%02X" : "%02x", (u8)v->s[i]);
	return true;
}

static bool format_base(struct clause *c, const struct sz_cel_value *v, u32 bits)
{
	if (bits == 4 && (v->type == SZ_CEL_STRING || v->type == SZ_CEL_BYTES))
		return format_bytes(c, v);
	if (v->type == SZ_CEL_INT)
		add_base(c, v->i < 0, v->i < 0 ? 0 - v->u : v->u, bits);
	else if (v->type == SZ_CEL_UINT)
		add_base(c, false, v->u, bits);
	else if (v->type == SZ_CEL_BOOL && bits == 1)
		add_base(c, false, v->b, bits);
	else
		return wrong_type(c, v);
	return true;
}

static bool format_value(struct clause *c, const struct sz_cel_value *v)
{
	switch (c->letter) {
	case 's':
		return sz_cel_plain(c->r, v, c->out, c->ret);
	case 'd':
		return format_decimal(c, v);
	case 'f':
	case 'e':
		return format_float(c, v);
	case 'x':
	case 'X':
		return format_base(c, v, 4);
	case 'o':
		return format_base(c, v, 3);
	case 'b':
		return format_base(c, v, 1);
	default:
		sz_cel_error(c->r, c->ret, "unknown clause of a format");
		return false;
	}
}

/* "%.3f" behind the percent sign; moves *s to the letter. */
static bool precision(struct clause *c, const char **s, const char *end)
{
	const char *begin;
	int v = 0;

	c->precision = 6;
	if (*s == end || **s != '.')
		return *s < end;
	for (begin = ++*s; *s < end && **s >= '0' && **s <= '9' && v <= PRECISION_MAX; (*s)++)
		v = v * 10 + **s - '0';
	c->precision = v;
	return *s > begin && *s < end && v <= PRECISION_MAX && (**s == 'f' || **s == 'e');
}

static bool format(struct clause *c, const char *s, const char *end,
		   const struct sz_cel_value *list)
{
	const char *percent;
	u32 used = 0;

	while (s < end) {
		percent = memchr(s, '%', (size_t)(end - s));
		sz_buf_add(c->out, s, (size_t)((percent ? percent : end) - s));
		if (!percent)
			break;
		s = percent + 1;
		if (s < end && *s == '%') {
			sz_buf_add(c->out, s++, 1);
			continue;
		}
		if (!precision(c, &s, end)) {
			sz_cel_error(c->r, c->ret, "a clause of the format is incomplete or wrong");
			return false;
		}
		c->letter = *s++;
		if (used == list->n) {
			sz_cel_error(c->r, c->ret, "the format has more clauses than arguments");
			return false;
		}
		if (!format_value(c, &list->list[used++]))
			return false;
	}
	return true;
}

void sz_cel_format(struct run *r, const struct sz_cel_value *args, u32 n, struct sz_cel_value *ret)
{
	struct sz_buf out = {0};
	struct clause c = {.r = r, .out = &out, .ret = ret};
	const char *s;

	if (args[0].type != SZ_CEL_STRING || args[1].type != SZ_CEL_LIST) {
		sz_cel_no_overload(r, "format", args, n, ret);
		return;
	}
	sz_buf_reserve(&out, args[0].n);
	if (pay(r, args[0].n / 8) && format(&c, args[0].s, args[0].s + args[0].n, &args[1])) {
		s = sz_cel_copy(r, out.data, out.len);
		if (s)
			*ret = sz_cel_string(s, out.len);
	}
	sz_buf_done(&out);
}

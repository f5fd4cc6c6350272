/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Values as text: for people in the language's own notation, and plain as string() and format()
 * write them. Text grows on the heap, so what an expression asks for is paid for.
 */
#include <math.h>
#include <stdio.h>

#include "cel_priv.h"

#define PARTS_MAX 1000000

/* ---- numbers -------------------------------------------------------------------------------- */

/* The fewest digits that are read back as d, "d.ddd" without the dot, and its exponent. */
static int shortest(double d, char digits[20])
{
	char text[40];
	int precision, n = 0;
	const char *s;

	for (precision = 0; precision < 17; precision++) {
		snprintf(text, sizeof(text), "%.*e", precision, d);
		if (strtod(text, NULL) == d)
			break;
	}
	for (s = text; *s != 'e'; s++)
		if (*s >= '0' && *s <= '9')
			digits[n++] = *s;
	digits[n] = 0;
	return atoi(s + 1);
}

static void add_zeros(struct sz_buf *b, int n)
{
	for (; n > 0; n--)
		sz_buf_add(b, "0", 1);
}

void sz_cel_double_text(double d, bool plain, struct sz_buf *ret)
{
	char digits[20];
	int exponent, n;

	if (isnan(d) || isinf(d)) {
		sz_buf_printf(ret, "%s", isnan(d) ? "NaN" : d < 0 ? "-Infinity" : "Infinity");
		return;
	}
	if (signbit(d))
		sz_buf_add(ret, "-", 1);
	exponent = shortest(fabs(d), digits);
	n = (int)strlen(digits);
	while (n > 1 && digits[n - 1] == '0')
		n--;
	if (!plain && (exponent < -4 || exponent >= 21)) {
		sz_buf_printf(ret, "%c%s%.*se%c%02d", digits[0], n > 1 ? "." : "", n - 1,
			      digits + 1, exponent < 0 ? '-' : '+', abs(exponent));
	} else if (exponent < 0) {
		sz_buf_add(ret, "0.", 2);
		add_zeros(ret, -exponent - 1);
		sz_buf_add(ret, digits, (size_t)n);
	} else {
		sz_buf_add(ret, digits, (size_t)(n < exponent + 1 ? n : exponent + 1));
		add_zeros(ret, exponent + 1 - n);
		if (n > exponent + 1)
			sz_buf_printf(ret, ".%.*s", n - exponent - 1, digits + exponent + 1);
	}
}

/* ---- scalars, the same in both notations ---------------------------------------------------- */

static bool add_scalar(const struct sz_cel_value *v, struct sz_buf *b)
{
	switch (v->type) {
	case SZ_CEL_NULL:
		sz_buf_printf(b, "null");
		return true;
	case SZ_CEL_BOOL:
		sz_buf_printf(b, "%s", v->b ? "true" : "false");
		return true;
	case SZ_CEL_INT:
		sz_buf_printf(b, "%lld", (long long)v->i);
		return true;
	case SZ_CEL_TYPE:
		sz_buf_add(b, v->s, v->n);
		return true;
	default:
		return false;
	}
}

static bool add_moment(const struct sz_cel_value *v, struct sz_buf *b)
{
	char text[SZ_ADDR_STRLEN + 4];

	switch (v->type) {
	case SZ_CEL_TIMESTAMP:
		sz_cel_time_text(v->i, v->n, text);
		break;
	case SZ_CEL_DURATION:
		sz_cel_duration_text(v->i, text);
		break;
	case SZ_CEL_IP:
	case SZ_CEL_CIDR:
		sz_cel_net_text(v, text);
		break;
	default:
		return false;
	}
	sz_buf_add(b, text, strlen(text));
	return true;
}

/* ---- in the language ------------------------------------------------------------------------ */

void sz_cel_quote(const char *s, size_t n, struct sz_buf *ret)
{
	static const char from[] = "\a\b\f\n\r\t\v\\\"", to[] = "abfnrtv\\\"";
	const char *at;
	u32 len;

	sz_buf_add(ret, "\"", 1);
	for (; n; s += len, n -= len) {
		len = 1;
		at = *s ? strchr(from, *s) : NULL;
		if (at)
			sz_buf_printf(ret, "\\%c", to[at - from]);
		else if (sz_cel_utf8_get(s, n, &len) == UTF8_BAD)
			sz_buf_add(ret, "\xef\xbf\xbd", 3);
		else
			sz_buf_add(ret, s, len);
	}
	sz_buf_add(ret, "\"", 1);
}

static void print_text(const char *s, u32 n, bool bytes, struct sz_buf *b)
{
	u32 i;

	sz_buf_add(b, bytes ? "b\"" : "\"", bytes ? 2 : 1);
	for (i = 0; i < n; i++) {
		u8 c = (u8)s[i];

		if (c == '"' || c == '\\')
			sz_buf_printf(b, "\\%c", c);
		else if (c == '\n')
			sz_buf_printf(b, "\\n");
		else if (c < 0x20 || c == 0x7f || (bytes && c >= 0x80))
			sz_buf_printf(b, "\\x%02x", c);
		else
			sz_buf_add(b, s + i, 1);
	}
	sz_buf_add(b, "\"", 1);
}

static void print(const struct sz_cel_value *v, struct sz_buf *b, u32 *left);

static void print_many(const struct sz_cel_value *v, struct sz_buf *b, u32 *left)
{
	bool map = v->type == SZ_CEL_MAP;
	u32 i;

	sz_buf_add(b, map ? "{" : "[", 1);
	for (i = 0; i < v->n && *left; i++) {
		if (i)
			sz_buf_add(b, ", ", 2);
		if (map) {
			print(&v->map->e[i].key, b, left);
			sz_buf_add(b, ": ", 2);
		}
		print(map ? &v->map->e[i].value : &v->list[i], b, left);
	}
	sz_buf_add(b, map ? "}" : "]", 1);
}

static void print_unknown(const struct sz_cel_value *v, struct sz_buf *b)
{
	const char *path;
	u32 i;

	sz_buf_printf(b, "unknown:");
	for (i = 0; (path = sz_cel_unknown_path(v, i)) != NULL; i++)
		sz_buf_printf(b, "%s%s", i ? ", " : " ", path);
}

/* 2 is an int, so this is 2.0. */
static void print_double(double d, struct sz_buf *b)
{
	struct sz_buf text = {0};

	sz_cel_double_text(d, false, &text);
	sz_buf_printf(b, "%s%s", text.data, isfinite(d) && !strpbrk(text.data, ".e") ? ".0" : "");
	sz_buf_done(&text);
}

static void print(const struct sz_cel_value *v, struct sz_buf *b, u32 *left)
{
	if (!*left)
		return;
	--*left;
	switch (v->type) {
	case SZ_CEL_UINT:
		sz_buf_printf(b, "%lluu", (unsigned long long)v->u);
		return;
	case SZ_CEL_DOUBLE:
		print_double(v->d, b);
		return;
	case SZ_CEL_STRING:
	case SZ_CEL_BYTES:
		print_text(v->s, v->n, v->type == SZ_CEL_BYTES, b);
		return;
	case SZ_CEL_LIST:
	case SZ_CEL_MAP:
		print_many(v, b, left);
		return;
	case SZ_CEL_OPTIONAL:
		sz_buf_printf(b, v->opt ? "optional.of(" : "optional.none(");
		if (v->opt)
			print(v->opt, b, left);
		sz_buf_add(b, ")", 1);
		return;
	case SZ_CEL_UNKNOWN:
		print_unknown(v, b);
		return;
	default:
		if (add_scalar(v, b))
			return;
		sz_buf_printf(b, "%s(\"",
			      v->type == SZ_CEL_IP     ? "ip"
			      : v->type == SZ_CEL_CIDR ? "cidr"
						       : sz_cel_type_label(v));
		add_moment(v, b);
		sz_buf_add(b, "\")", 2);
	}
}

void sz_cel_text(const struct sz_cel_value *v, struct sz_buf *ret)
{
	char out[SZ_ADDR_STRLEN + 4] = "";

	if (v->type == SZ_CEL_TIMESTAMP)
		sz_cel_time_text(v->i, v->n, out);
	else if (v->type == SZ_CEL_IP || v->type == SZ_CEL_CIDR)
		sz_cel_net_text(v, out);
	sz_buf_printf(ret, "%s", out);
}

void sz_cel_print(const struct sz_cel_value *v, struct sz_buf *ret)
{
	u32 left = PARTS_MAX;

	print(v, ret, &left);
}

/* ---- plain ---------------------------------------------------------------------------------- */

/* Each run of bytes that are no UTF-8 becomes one U+FFFD. */
static void add_lossy(const struct sz_cel_value *v, struct sz_buf *b)
{
	bool bad = false;
	u32 i, len;

	for (i = 0; i < v->n; i += len) {
		if (sz_cel_utf8_get(v->s + i, v->n - i, &len) != UTF8_BAD) {
			sz_buf_add(b, v->s + i, len);
			bad = false;
			continue;
		}
		if (!bad)
			sz_buf_add(b, "\xef\xbf\xbd", 3);
		bad = true;
	}
}

static bool plain_list(struct run *r, const struct sz_cel_value *v, struct sz_buf *b,
		       struct sz_cel_value *ret)
{
	u32 i;

	sz_buf_add(b, "[", 1);
	for (i = 0; i < v->n; i++) {
		if (i)
			sz_buf_add(b, ", ", 2);
		if (!sz_cel_plain(r, &v->list[i], b, ret))
			return false;
	}
	sz_buf_add(b, "]", 1);
	return true;
}

static int by_text(const void *a, const void *b)
{
	const struct sz_buf *x = a, *y = b;
	int c = memcmp(x->data, y->data, x->len < y->len ? x->len : y->len);

	return c ? c : (x->len > y->len) - (x->len < y->len);
}

/* Entries are sorted by their keys as they are written. */
static bool plain_map(struct run *r, const struct sz_cel_value *v, struct sz_buf *b,
		      struct sz_cel_value *ret)
{
	struct sz_buf *e = sz_calloc(v->n, sizeof(*e));
	bool good = true;
	u32 i;

	for (i = 0; i < v->n && good; i++) {
		good = sz_cel_plain(r, &v->map->e[i].key, &e[i], ret);
		sz_buf_add(&e[i], ": ", 2);
		good = good && sz_cel_plain(r, &v->map->e[i].value, &e[i], ret);
	}
	if (good)
		qsort(e, v->n, sizeof(*e), by_text);
	sz_buf_add(b, "{", 1);
	for (i = 0; i < v->n && good; i++) {
		sz_buf_add(b, ", ", i ? 2 : 0);
		sz_buf_add(b, e[i].data, e[i].len);
	}
	sz_buf_add(b, "}", 1);
	for (i = 0; i < v->n; i++)
		sz_buf_done(&e[i]);
	free(e);
	return good;
}

bool sz_cel_plain(struct run *r, const struct sz_cel_value *v, struct sz_buf *out,
		  struct sz_cel_value *ret)
{
	if (out->len > r->arena->limit) {
		r->stop = "the budget of memory is used up";
		return false;
	}
	if (!pay(r, 1 + weight(v)))
		return false;
	switch (v->type) {
	case SZ_CEL_UINT:
		sz_buf_printf(out, "%llu", (unsigned long long)v->u);
		return true;
	case SZ_CEL_DOUBLE:
		sz_cel_double_text(v->d, true, out);
		return true;
	case SZ_CEL_STRING:
		sz_buf_add(out, v->s, v->n);
		return true;
	case SZ_CEL_BYTES:
		add_lossy(v, out);
		return true;
	case SZ_CEL_LIST:
		return plain_list(r, v, out, ret);
	case SZ_CEL_MAP:
		return plain_map(r, v, out, ret);
	default:
		if (add_scalar(v, out) || add_moment(v, out))
			return true;
		sz_cel_error(r, ret, "a value of type %s cannot be written", sz_cel_type_label(v));
		return false;
	}
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A quick reader for the JSON that tokens are made of: objects, arrays, strings, integers of up to
 * 18 digits, true, false and null. Called by sz_json_parse() first. It accepts only what RFC 8259
 * reads in one way and gives up at anything else (a number with a fraction, \u, a member twice, an
 * error), so that verdict and message of every such text are those of the full parser. Strings are
 * looked through eight bytes at a time; those with bytes beyond ASCII are checked by jansson.
 */
#include <string.h>

#include "codec/codec_priv.h"

#define ONES   0x0101010101010101ull
#define HIGH   0x8080808080808080ull
#define DIGITS 18  /* always fit a signed 64-bit integer */
#define TEXT   256 /* bytes of a string with escapes */

struct reader {
	const char *at, *end;
	int depth;
};

static json_t *value(struct reader *r);

static void space(struct reader *r)
{
	while (r->at < r->end &&
	       (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
		r->at++;
}

static bool take(struct reader *r, char c)
{
	space(r);
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

/* A byte with its high bit set for each byte of `w` that is `c`, and maybe for ones behind it. */
static u64 equal(u64 w, char c)
{
	w ^= ONES * (u8)c;
	return (w - ONES) & ~w & HIGH;
}

/*
 * Goes on to the next quote, backslash or control byte; *ret_ascii is cleared by a byte beyond
 * ASCII. Borrows run upward only, so where a word shows nothing there is nothing in it.
 */
static const char *plain_run(const char *at, const char *end, bool *ret_ascii)
{
	u64 w, high = 0;

	for (; end - at >= 8; at += 8) {
		memcpy(&w, at, 8);
		if ((w - ONES * ' ') & ~w & HIGH || equal(w, '"') || equal(w, '\\'))
			break;
		high |= w & HIGH;
	}
	for (; at < end && (u8)*at >= ' ' && *at != '"' && *at != '\\'; at++)
		high |= (u8)*at & 0x80;
	if (high)
		*ret_ascii = false;
	return at;
}

struct text {
	const char *s;
	size_t n;
	bool ascii;
	char unescaped[TEXT];
};

static char escape(char c)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *p = c ? strchr(from, c) : NULL;

	return p ? to[p - from] : 0;
}

/* The rest of a string in which a backslash was found behind `n` bytes. */
static bool unescape(struct reader *r, const char *start, size_t n, struct text *ret)
{
	if (n > TEXT)
		return false;
	memcpy(ret->unescaped, start, n);
	while (r->at < r->end && *r->at == '\\') {
		const char *run;
		size_t len;
		char c = r->end - r->at > 1 ? escape(r->at[1]) : 0;

		if (!c)
			return false;
		run = r->at + 2;
		r->at = plain_run(run, r->end, &ret->ascii);
		len = (size_t)(r->at - run);
		if (n + 1 + len > TEXT)
			return false;
		ret->unescaped[n] = c;
		memcpy(ret->unescaped + n + 1, run, len);
		n += 1 + len;
	}
	ret->s = ret->unescaped;
	ret->n = n;
	if (r->at >= r->end)
		return false;
	return *r->at++ == '"';
}

/* Behind the opening quote. */
static bool text(struct reader *r, struct text *ret)
{
	const char *start = r->at;

	ret->ascii = true;
	r->at = plain_run(start, r->end, &ret->ascii);
	ret->s = start;
	ret->n = (size_t)(r->at - start);
	if (r->at == r->end)
		return false;
	if (*r->at == '\\')
		return unescape(r, start, ret->n, ret);
	return *r->at++ == '"';
}

static json_t *string(struct reader *r)
{
	struct text t;

	if (!text(r, &t))
		return NULL;
	return t.ascii ? json_stringn_nocheck(t.s, t.n) : json_stringn(t.s, t.n);
}

static json_t *integer(struct reader *r)
{
	bool minus = *r->at == '-';
	const char *first = r->at += minus;
	json_int_t v = 0;

	for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++) {
		if (r->at - first == DIGITS)
			return NULL;
		v = v * 10 + (*r->at - '0');
	}
	if (r->at == first || (*first == '0' && r->at - first > 1))
		return NULL;
	if (r->at < r->end && (*r->at == '.' || *r->at == 'e' || *r->at == 'E'))
		return NULL;
	return json_integer(minus ? -v : v);
}

static json_t *word(struct reader *r, const char *w, json_t *v)
{
	size_t n = strlen(w);

	if ((size_t)(r->end - r->at) < n || memcmp(r->at, w, n)) {
		json_decref(v);
		return NULL;
	}
	r->at += n;
	return v;
}

static json_t *array(struct reader *r)
{
	json_t *a = json_array(), *v;

	if (take(r, ']'))
		return a;
	do {
		v = value(r);
		if (!v || json_array_append_new(a, v)) {
			json_decref(a);
			return NULL;
		}
	} while (take(r, ','));
	if (take(r, ']'))
		return a;
	json_decref(a);
	return NULL;
}

/* False also where the member was there already: the size tells. */
static bool member(struct reader *r, json_t *o)
{
	size_t had = json_object_size(o);
	struct text name;
	json_t *v;
	int err;

	if (!take(r, '"') || !text(r, &name) || !take(r, ':'))
		return false;
	v = value(r);
	if (!v)
		return false;
	err = name.ascii ? json_object_setn_new_nocheck(o, name.s, name.n, v)
			 : json_object_setn_new(o, name.s, name.n, v);
	return !err && json_object_size(o) == had + 1;
}

static json_t *object(struct reader *r)
{
	json_t *o = json_object();

	if (take(r, '}'))
		return o;
	do {
		if (!member(r, o)) {
			json_decref(o);
			return NULL;
		}
	} while (take(r, ','));
	if (take(r, '}'))
		return o;
	json_decref(o);
	return NULL;
}

static json_t *nested(struct reader *r, json_t *(*read)(struct reader *r))
{
	json_t *v;

	if (r->depth == SZ_JSON_DEPTH_MAX)
		return NULL;
	r->depth++;
	r->at++;
	v = read(r);
	r->depth--;
	return v;
}

static json_t *value(struct reader *r)
{
	space(r);
	if (r->at == r->end)
		return NULL;
	switch (*r->at) {
	case '"':
		r->at++;
		return string(r);
	case '{':
		return nested(r, object);
	case '[':
		return nested(r, array);
	case 't':
		return word(r, "true", json_true());
	case 'f':
		return word(r, "false", json_false());
	case 'n':
		return word(r, "null", json_null());
	default:
		return integer(r);
	}
}

json_t *json_plain(const char *s, size_t n)
{
	struct reader r = {.at = s, .end = s + n};
	json_t *o;

	space(&r);
	if (r.at == r.end || *r.at != '{')
		return NULL;
	o = value(&r);
	space(&r);
	if (o && r.at == r.end)
		return o;
	json_decref(o);
	return NULL;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Source text into tokens (langdef, section "Syntax"). Called by the parser, one token at a time.
 * The text is valid UTF-8; string values are made of code points, bytes values of bytes.
 */
#include <math.h>

#include "cel_priv.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* The character `ahead` bytes on; NUL beyond the end. */
static char peek(const struct lex *l, u32 ahead)
{
	return ahead < l->n - l->at ? l->s[l->at + ahead] : 0;
}

bool sz_cel_is_reserved(const struct text *t)
{
	static const char *const words[] = {
		"as",        "break",  "const",  "continue", "else",  "for",
		"function",  "if",     "import", "let",      "loop",  "package",
		"namespace", "return", "var",    "void",     "while",
	};
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(words); i++)
		if (text_is(t, words[i]))
			return true;
	return false;
}

static void skip_space(struct lex *l)
{
	for (; l->at < l->n; l->at++) {
		char c = l->s[l->at];

		if (c == '/' && peek(l, 1) == '/')
			while (l->at + 1 < l->n && l->s[l->at + 1] != '\n')
				l->at++;
		else if (c != ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f')
			return;
	}
}

/* ---- numbers -------------------------------------------------------------------------------- */

static int lex_hex(struct lex *l)
{
	u32 begin;

	l->at += 2;
	begin = l->at;
	for (l->u = 0; hex_value(peek(l, 0)) >= 0; l->at++) {
		if (l->u >> 60)
			return sz_cel_fail(l->e, l->pos, "the number does not fit into 64 bits");
		l->u = l->u << 4 | (u64)hex_value(peek(l, 0));
	}
	if (l->at == begin)
		return sz_cel_fail(l->e, l->pos, "0x needs hexadecimal digits");
	return 0;
}

static int lex_double(struct lex *l)
{
	char buf[64], *text = buf;
	u32 n = l->at - l->pos;

	if (n >= sizeof(buf))
		text = sz_cel_alloc(l->arena, n + 1);
	if (!text)
		return sz_cel_fail(l->e, l->pos, "the expression needs too much memory");
	memcpy(text, l->s + l->pos, n);
	text[n] = 0;
	l->d = strtod(text, NULL);
	l->token = T_DOUBLE;
	return isinf(l->d) ? sz_cel_fail(l->e, l->pos, "the number is too large") : 0;
}

static void skip_digits(struct lex *l)
{
	while (is_digit(peek(l, 0)))
		l->at++;
}

/* Whether a fraction or an exponent follows, and skips it. */
static bool skip_fraction(struct lex *l)
{
	bool found = false;
	u32 sign;

	if (peek(l, 0) == '.' && is_digit(peek(l, 1))) {
		l->at++;
		skip_digits(l);
		found = true;
	}
	if (peek(l, 0) == 'e' || peek(l, 0) == 'E') {
		sign = peek(l, 1) == '+' || peek(l, 1) == '-';
		if (is_digit(peek(l, 1 + sign))) {
			l->at += 1 + sign;
			skip_digits(l);
			found = true;
		}
	}
	return found;
}

static int lex_number(struct lex *l)
{
	u32 i;
	int err;

	l->token = T_INT;
	if (peek(l, 0) == '0' && (peek(l, 1) == 'x' || peek(l, 1) == 'X')) {
		err = lex_hex(l);
		if (err)
			return err;
	} else {
		skip_digits(l);
		if (skip_fraction(l))
			return lex_double(l);
		l->u = 0;
		for (i = l->pos; i < l->at; i++)
			if (__builtin_mul_overflow(l->u, 10, &l->u) ||
			    __builtin_add_overflow(l->u, (u64)(l->s[i] - '0'), &l->u))
				return sz_cel_fail(l->e, l->pos,
						   "the number does not fit into 64 bits");
	}
	if (peek(l, 0) == 'u' || peek(l, 0) == 'U') {
		l->at++;
		l->token = T_UINT;
	}
	if (is_letter(peek(l, 0)) || is_digit(peek(l, 0)))
		return sz_cel_fail(l->e, l->pos, "a number is followed by a letter");
	return 0;
}

/* ---- strings -------------------------------------------------------------------------------- */

/* n digits of base 8 or 16 behind the escape's letter. */
static int escape_digits(struct lex *l, u32 n, u32 base, u32 *ret)
{
	u32 i, v = 0;

	for (i = 0; i < n; i++) {
		int d = hex_value(peek(l, i));

		if (d < 0 || (u32)d >= base)
			return sz_cel_fail(l->e, l->at, "an escape needs %u %s digits", n,
					   base == 8 ? "octal" : "hexadecimal");
		v = v * base + (u32)d;
	}
	l->at += n;
	*ret = v;
	return 0;
}

static int add_code_point(struct lex *l, u32 c, bool bytes, char *out, u32 *n)
{
	if (bytes) {
		if (c > 0xff)
			return sz_cel_fail(l->e, l->at, "an escape in bytes is at most \\377");
		out[(*n)++] = (char)c;
		return 0;
	}
	if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return sz_cel_fail(l->e, l->at, "the escape is no Unicode code point");
	*n += sz_cel_utf8_put(c, out + *n);
	return 0;
}

/* At the character behind a backslash. */
static int escape(struct lex *l, bool bytes, char *out, u32 *n)
{
	static const char from[] = "abfnrtv\\?\"'`", to[] = "\a\b\f\n\r\t\v\\?\"'`";
	char c = peek(l, 0);
	const char *plain = c ? strchr(from, c) : NULL;
	u32 v = 0;
	int err;

	if (plain) {
		out[(*n)++] = to[plain - from];
		l->at++;
		return 0;
	}
	if (c >= '0' && c <= '3') {
		err = escape_digits(l, 3, 8, &v);
	} else if (c == 'x' || c == 'X' || (!bytes && (c == 'u' || c == 'U'))) {
		l->at++;
		err = escape_digits(l, c == 'u' ? 4 : c == 'U' ? 8 : 2, 16, &v);
	} else {
		return sz_cel_fail(l->e, l->at - 1, "unknown escape in a %s",
				   bytes ? "bytes literal" : "string");
	}
	return err ? err : add_code_point(l, v, bytes, out, n);
}

static bool at_end_quote(const struct lex *l, char quote, u32 quotes)
{
	return peek(l, 0) == quote && (quotes == 1 || (peek(l, 1) == quote && peek(l, 2) == quote));
}

/* Bytes up to the closing quote; -EINVAL where there is none. */
static int string_length(struct lex *l, char quote, u32 quotes, bool raw, u32 *ret)
{
	u32 begin = l->at;

	while (!at_end_quote(l, quote, quotes)) {
		char c = peek(l, 0);

		if (l->at >= l->n || (quotes == 1 && (c == '\n' || c == '\r')))
			return sz_cel_fail(l->e, l->pos, "the string has no end");
		l->at += c == '\\' && !raw && l->at + 1 < l->n ? 2 : 1;
	}
	*ret = l->at - begin;
	l->at = begin;
	return 0;
}

/* At the opening quote; `raw` takes backslashes as they are. */
static int lex_string(struct lex *l, bool raw, bool bytes)
{
	char quote = peek(l, 0), c, *out;
	u32 quotes = peek(l, 1) == quote && peek(l, 2) == quote ? 3 : 1, n = 0, length = 0;
	int err;

	l->at += quotes;
	err = string_length(l, quote, quotes, raw, &length);
	if (err)
		return err;
	out = sz_cel_alloc(l->arena, length); /* no escape is shorter than its value */
	if (!out)
		return sz_cel_fail(l->e, l->pos, "the expression needs too much memory");
	while (!at_end_quote(l, quote, quotes)) {
		c = l->s[l->at++];
		if (c == '\\' && !raw) {
			err = escape(l, bytes, out, &n);
			if (err)
				return err;
		} else {
			out[n++] = c;
		}
	}
	l->at += quotes;
	l->text = (struct text){out, n};
	l->token = bytes ? T_BYTES : T_STRING;
	return 0;
}

/* Prefixes r, b and br in any case before a quote; false where there is none. */
static bool string_prefix(const struct lex *l, u32 *ret_n, bool *ret_raw, bool *ret_bytes)
{
	u32 i = 0;

	*ret_raw = *ret_bytes = false;
	if ((peek(l, i) | 0x20) == 'b' && peek(l, i)) {
		*ret_bytes = true;
		i++;
	}
	if ((peek(l, i) | 0x20) == 'r' && peek(l, i)) {
		*ret_raw = true;
		i++;
	}
	*ret_n = i;
	return peek(l, i) == '"' || peek(l, i) == '\'';
}

/* ---- the rest ------------------------------------------------------------------------------- */

static int lex_quoted(struct lex *l)
{
	u32 begin = ++l->at;

	while (is_letter(peek(l, 0)) || is_digit(peek(l, 0)) ||
	       (peek(l, 0) && strchr("./- ", peek(l, 0))))
		l->at++;
	if (peek(l, 0) != '`' || l->at == begin)
		return sz_cel_fail(l->e, l->pos,
				   "a quoted field is letters, digits, '_', '.', '-', '/' and "
				   "blanks between backticks");
	l->text = (struct text){l->s + begin, l->at - begin};
	l->at++;
	l->token = T_QUOTED;
	return 0;
}

static void lex_word(struct lex *l)
{
	static const struct {
		const char *word;
		enum token token;
	} words[] = {{"true", T_TRUE}, {"false", T_FALSE}, {"null", T_NULL}, {"in", T_IN}};
	size_t i;

	while (is_letter(peek(l, 0)) || is_digit(peek(l, 0)))
		l->at++;
	l->text = (struct text){l->s + l->pos, l->at - l->pos};
	l->token = T_IDENT;
	for (i = 0; i < SZ_ARRAY_LEN(words); i++)
		if (text_is(&l->text, words[i].word))
			l->token = words[i].token;
}

static int lex_operator(struct lex *l)
{
	static const struct {
		char c[3];
		enum token token;
	} two[] = {{"==", T_EQ}, {"!=", T_NE},  {"<=", T_LE},
		   {">=", T_GE}, {"&&", T_AND}, {"||", T_OR}};
	char c = peek(l, 0);
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(two); i++) {
		if (c == two[i].c[0] && peek(l, 1) == two[i].c[1]) {
			l->at += 2;
			l->token = two[i].token;
			return 0;
		}
	}
	if (!c || !strchr("()[]{}.,:?+-*/%!<>", c)) {
		if (c == '=' || c == '&' || c == '|')
			return sz_cel_fail(l->e, l->pos, "'%c' is no operator; '%c%c' is", c, c, c);
		if (c > 0x20 && c < 0x7f)
			return sz_cel_fail(l->e, l->pos, "'%c' does not belong here", c);
		return sz_cel_fail(l->e, l->pos, "a character that does not belong here");
	}
	l->at++;
	l->c = c;
	l->token = c == '<' ? T_LT : c == '>' ? T_GT : T_PUNCT;
	return 0;
}

int sz_cel_lex(struct lex *l)
{
	bool raw, bytes;
	u32 prefix;
	char c;

	skip_space(l);
	l->pos = l->at;
	l->c = 0;
	if (l->at >= l->n) {
		l->token = T_END;
		return 0;
	}
	c = peek(l, 0);
	if (is_digit(c) || (c == '.' && is_digit(peek(l, 1))))
		return lex_number(l);
	if (string_prefix(l, &prefix, &raw, &bytes)) {
		l->at += prefix;
		return lex_string(l, raw, bytes);
	}
	if (is_letter(c)) {
		lex_word(l);
		return 0;
	}
	return c == '`' ? lex_quoted(l) : lex_operator(l);
}

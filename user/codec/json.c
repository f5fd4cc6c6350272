/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Strict JSON for everything that comes from outside: token headers and claims, key sets. It must
 * never accept a text that another parser could read differently: a member twice, a NUL inside a
 * string, bytes behind the object.
 */
#include <string.h>

#include "codec/codec_priv.h"

#include "subzero/rule.h"

/* Nesting is counted before the parser recurses; brackets inside strings do not count. */
static bool too_deep(const char *s, size_t n)
{
	bool quoted = false;
	int depth = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (quoted) {
			if (s[i] == '\\')
				i++;
			else if (s[i] == '"')
				quoted = false;
		} else if (s[i] == '"') {
			quoted = true;
		} else if (s[i] == '{' || s[i] == '[') {
			if (++depth > SZ_JSON_DEPTH_MAX)
				return true;
		} else if (s[i] == '}' || s[i] == ']') {
			depth--;
		}
	}
	return false;
}

/* The parser quotes the input in its message; nothing of it may reach a log line unseen. */
static void make_printable(char *s)
{
	for (; *s; s++)
		if (*s < ' ' || *s > '~')
			*s = '?';
}

json_t *sz_json_parse(const char *s, size_t n, struct sz_error *e)
{
	json_error_t je;
	json_t *v;

	if (!n) {
		sz_error_set(e, -EINVAL, "empty where a JSON object is expected");
		return NULL;
	}
	v = json_plain(s, n);
	if (v)
		return v;
	if (memchr(s, 0, n)) {
		sz_error_set(e, -EINVAL, "not valid JSON: it contains a NUL byte");
		return NULL;
	}
	if (SZ_RULE(JSON_DEEP) && too_deep(s, n)) {
		sz_error_set(e, -EINVAL, "JSON nested deeper than %d levels", SZ_JSON_DEPTH_MAX);
		return NULL;
	}
	v = json_loadb(s, n, SZ_RULE(JSON_TWICE) ? JSON_REJECT_DUPLICATES : 0, &je);
	if (!v) {
		make_printable(je.text);
		sz_error_set(e, -EINVAL, "not valid JSON: %s (line %d, column %d)", je.text,
			     je.line, je.column);
		return NULL;
	}
	if (!json_is_object(v)) {
		json_decref(v);
		sz_error_set(e, -EINVAL, "JSON array where an object is expected");
		return NULL;
	}
	return v;
}

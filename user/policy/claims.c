/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a token's claims say: scopes and claim equality. Called by the decision only. A claim of an
 * unexpected type grants nothing.
 */
#include <string.h>

#include "policy/policy_priv.h"

/* One of the words of a space-separated list (RFC 6749 section 3.3). */
static bool has_word(const char *list, size_t n, const char *word)
{
	size_t len = strlen(word), i, end;

	for (i = 0; i < n; i = end + 1) {
		for (end = i; end < n && list[end] != ' '; end++)
			;
		if (end - i == len && !memcmp(list + i, word, len))
			return true;
	}
	return false;
}

static bool is_text(const json_t *v, const char *s)
{
	size_t n = strlen(s);

	return json_is_string(v) && json_string_length(v) == n &&
	       !memcmp(json_string_value(v), s, n);
}

bool sz_policy_has_scope(const json_t *claims, const char *scope)
{
	const json_t *list = json_object_get(claims, "scope"),
		     *scp = json_object_get(claims, "scp");
	size_t i;

	if (json_is_string(list) &&
	    has_word(json_string_value(list), json_string_length(list), scope))
		return true;
	if (json_is_string(scp))
		return has_word(json_string_value(scp), json_string_length(scp), scope);
	for (i = 0; i < json_array_size(scp); i++)
		if (is_text(json_array_get(scp, i), scope))
			return true;
	return false;
}

const json_t *sz_policy_claim(const json_t *claims, const char *name)
{
	const json_t *at = claims;

	for (;;) {
		const json_t *whole = json_object_get(at, name);
		const char *dot = strchr(name, '.');

		/* Names that are URLs have dots in them: the whole name goes first. */
		if (whole || !dot)
			return whole;
		at = json_object_getn(at, name, (size_t)(dot - name));
		name = dot + 1;
	}
}

static bool is_value(const json_t *v, const char *text)
{
	json_t *want;
	bool same;

	if (json_is_string(v))
		return is_text(v, text);
	if (!json_is_number(v) && !json_is_boolean(v))
		return false;
	want = json_loads(text, JSON_DECODE_ANY, NULL);
	same = json_equal(v, want);
	json_decref(want);
	return same;
}

bool sz_policy_has_claim(const json_t *claims, const struct sz_conf_claim *want)
{
	const json_t *v = sz_policy_claim(claims, want->name);
	size_t i;

	for (i = 0; i < json_array_size(v); i++)
		if (is_value(json_array_get(v, i), want->value))
			return true;
	return is_value(v, want->value);
}

enum sz_priority sz_policy_priority(const struct sz_conf *c, const struct sz_policy_subject *who)
{
	size_t i, k;

	for (i = 0; i < c->n_priorities; i++) {
		const struct sz_conf_priority *p = &c->priorities[i];
		bool fits = !p->issuer || (who->issuer && !strcmp(p->issuer, who->issuer));

		for (k = 0; fits && k < p->n_scopes; k++)
			fits = sz_policy_has_scope(who->claims, p->scopes[k]);
		for (k = 0; fits && k < p->n_claims; k++)
			fits = sz_policy_has_claim(who->claims, &p->claims[k]);
		if (fits)
			return p->priority;
	}
	return SZ_PRIORITY_NONE;
}

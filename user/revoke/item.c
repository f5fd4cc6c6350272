/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is to be revoked, as people and programs write it. Pure.
 */
#include <string.h>

#include "codec/codec.h"
#include "jose/jose.h"
#include "revoke/revoke.h"

void sz_revoke_item_done(struct sz_revoke_item *i)
{
	free(i->issuer);
	free(i->value);
	*i = (struct sz_revoke_item){0};
}

bool sz_revoke_is_pair(u32 kind)
{
	return kind == SZ_REVOKE_PRINCIPAL || kind == SZ_REVOKE_SESSION || kind == SZ_REVOKE_KID ||
	       kind == SZ_REVOKE_ISSUER_JTI || kind == SZ_REVOKE_PRINCIPAL_BEFORE;
}

bool sz_revoke_is_before(u32 kind)
{
	return kind >= SZ_REVOKE_SUBJECT_BEFORE && kind <= SZ_REVOKE_PRINCIPAL_BEFORE;
}

struct sz_id sz_revoke_item_id(const struct sz_revoke_item *i)
{
	if (i->kind == SZ_REVOKE_TOKEN)
		return sz_revoke_token_id(i->value, i->len);
	return sz_revoke_is_pair(i->kind) ? sz_revoke_pair_id(i->kind, i->issuer, i->value)
					  : sz_revoke_id(i->kind, i->value, i->len);
}

u64 sz_revoke_token_end(const char *token, size_t n)
{
	struct sz_token t = {0};
	struct sz_error ignored;
	u64 end = 0;

	if (!sz_token_peek(token, n, &t, &ignored) && t.exp > 0)
		end = (u64)t.exp + SZ_SKEW_MAX + 1;
	sz_token_done(&t);
	return end;
}

static int read_second(const json_t *o, const char *name, u64 *ret, struct sz_error *e)
{
	const json_t *v = json_object_get(o, name);
	s64 s = 0;

	if (v && (!sz_numeric_date(v, true, &s) || s <= 0))
		return sz_error_set(e, -EINVAL, "\"%s\" is not seconds since 1970", name);
	*ret = (u64)s;
	return 0;
}

/* The one member that says what; "issuer" alone is one as well. */
static int read_kind(const json_t *o, struct sz_revoke_item *ret, const char **ret_value,
		     struct sz_error *e)
{
	static const struct {
		const char *name;
		enum sz_revoke_kind alone, of_issuer;
	} members[] = {
		{"token", SZ_REVOKE_TOKEN, 0},
		{"jti", SZ_REVOKE_JTI, SZ_REVOKE_ISSUER_JTI},
		{"subject", SZ_REVOKE_SUBJECT, SZ_REVOKE_PRINCIPAL},
		{"session", 0, SZ_REVOKE_SESSION},
		{"key", SZ_REVOKE_KEY, 0},
		{"kid", 0, SZ_REVOKE_KID},
	};
	const char *issuer = json_string_value(json_object_get(o, "issuer"));
	size_t i, n = 0, found = 0;

	for (i = 0; i < SZ_ARRAY_LEN(members); i++)
		if (json_object_get(o, members[i].name))
			n++, found = i;
	if (n > 1)
		return sz_error_set(e, -EINVAL, "it names more than one thing to revoke");
	if (!n && !issuer)
		return sz_error_set(e, -EINVAL,
				    "it names nothing to revoke: write token, jti, subject, "
				    "issuer, session, key or kid");
	if (!n) {
		ret->kind = SZ_REVOKE_ISSUER;
		*ret_value = issuer;
		return 0;
	}
	ret->kind = issuer ? members[found].of_issuer : members[found].alone;
	if (!ret->kind)
		return sz_error_set(e, -EINVAL,
				    issuer ? "a %s is revoked without an issuer"
					   : "a %s is revoked with its issuer",
				    members[found].name);
	*ret_value = json_string_value(json_object_get(o, members[found].name));
	ret->issuer = issuer ? sz_strdup(issuer) : NULL;
	return *ret_value && **ret_value
		       ? 0
		       : sz_error_set(e, -EINVAL, "\"%s\" must be a string that is not empty",
				      members[found].name);
}

/* With "before" only what was issued before it; that is for those who are many tokens. */
static int apply_before(struct sz_revoke_item *i, struct sz_error *e)
{
	if (!i->before_s)
		return 0;
	if (i->kind == SZ_REVOKE_SUBJECT)
		i->kind = SZ_REVOKE_SUBJECT_BEFORE;
	else if (i->kind == SZ_REVOKE_ISSUER)
		i->kind = SZ_REVOKE_ISSUER_BEFORE;
	else if (i->kind == SZ_REVOKE_PRINCIPAL)
		i->kind = SZ_REVOKE_PRINCIPAL_BEFORE;
	else
		return sz_error_set(e, -EINVAL,
				    "\"before\" goes with a subject or an issuer, not with a "
				    "%s",
				    sz_revoke_kind_name(i->kind));
	return 0;
}

int sz_revoke_item_json(const json_t *o, struct sz_revoke_item *ret, struct sz_error *e)
{
	static const char *const known[] = {"token", "jti", "subject", "issuer", "session",
					    "key",   "kid", "before",  "until"};
	const char *name, *value = NULL;
	json_t *v;
	size_t i;
	int err;

	*ret = (struct sz_revoke_item){0};
	json_object_foreach((json_t *)o, name, v)
	{
		for (i = 0; i < SZ_ARRAY_LEN(known) && strcmp(name, known[i]); i++)
			;
		if (i == SZ_ARRAY_LEN(known))
			return sz_error_set(e, -EINVAL, "\"%.64s\" is not known", name);
	}
	err = read_second(o, "before", &ret->before_s, e);
	if (!err)
		err = read_second(o, "until", &ret->until_s, e);
	if (!err)
		err = read_kind(o, ret, &value, e);
	if (!err)
		err = apply_before(ret, e);
	if (err) {
		sz_revoke_item_done(ret);
		return err;
	}
	ret->value = sz_strdup(value);
	ret->len = strlen(value);
	if (ret->kind == SZ_REVOKE_TOKEN && !ret->until_s)
		ret->until_s = sz_revoke_token_end(ret->value, ret->len);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A security event token's claims as revocations. An issuer can speak of its own subjects only.
 * What an event says to have changed at an instant voids what was issued before it, so that tokens
 * of a login after that work; a session that is named is revoked by its name.
 */
#include <string.h>

#include "jose/jose.h"
#include "signals/signals.h"

#define CAEP "https://schemas.openid.net/secevent/caep/event-type/"
#define RISC "https://schemas.openid.net/secevent/risc/event-type/"

/* Behind each of these the subject's tokens are not to be believed any more. */
static const char *const revoking[] = {
	CAEP "session-revoked",          CAEP "credential-change",
	CAEP "token-claims-change",      CAEP "assurance-level-change",
	CAEP "device-compliance-change", CAEP "risk-level-change",
	RISC "account-disabled",         RISC "account-purged",
	RISC "credential-compromise",    RISC "account-credential-change-required",
	RISC "sessions-revoked",
};

struct reader {
	const char *issuer;
	u64 before_s;
	struct sz_revoke_item *items;
	size_t n;
	struct sz_error *e;
};

static const char *text(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s && *s ? s : NULL;
}

static void add(struct reader *r, enum sz_revoke_kind kind, const char *value)
{
	r->items = sz_realloc(r->items, r->n + 1, sizeof(*r->items));
	r->items[r->n++] = (struct sz_revoke_item){
		.kind = kind,
		.issuer = sz_strdup(r->issuer),
		.value = sz_strdup(value),
		.len = strlen(value),
		.before_s = sz_revoke_is_before(kind) ? r->before_s : 0,
	};
}

/* RFC 9493: iss_sub or opaque; the issuer must be the one that speaks. */
static int add_user(struct reader *r, const json_t *user)
{
	const char *format = text(user, "format"), *iss = text(user, "iss");
	const char *sub = text(user, format && !strcmp(format, "opaque") ? "id" : "sub");

	if (!sub || (format && strcmp(format, "iss_sub") && strcmp(format, "opaque")))
		return sz_error_set(r->e, -EINVAL, "the subject's format is not iss_sub or opaque");
	if (iss && strcmp(iss, r->issuer))
		return sz_error_set(r->e, -EINVAL, "the subject is another issuer's");
	add(r, SZ_REVOKE_PRINCIPAL_BEFORE, sub);
	return 0;
}

static int add_session(struct reader *r, const json_t *session)
{
	const char *id = text(session, "id");

	if (!id)
		return sz_error_set(r->e, -EINVAL, "the session has no \"id\"");
	add(r, SZ_REVOKE_SESSION, id);
	return 0;
}

/* One subject: a simple one, a token by its "jti", or several parts; a session narrows it. */
static int add_subject(struct reader *r, const json_t *subject)
{
	const json_t *user = json_object_get(subject, "user");
	const json_t *session = json_object_get(subject, "session");
	const char *format = text(subject, "format"), *iss = text(subject, "iss");

	if (format && !strcmp(format, "jwt_id")) {
		if (!text(subject, "jti") || (iss && strcmp(iss, r->issuer)))
			return sz_error_set(r->e, -EINVAL, "the token is not one of this issuer");
		add(r, SZ_REVOKE_ISSUER_JTI, text(subject, "jti"));
		return 0;
	}
	if (session)
		return add_session(r, session);
	return add_user(r, user ? user : subject);
}

static bool is_revoking(const char *type)
{
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(revoking); i++)
		if (!strcmp(type, revoking[i]))
			return true;
	return false;
}

/* The instant of the event, or of the token; what was issued in that second counts as before. */
static int read_instant(struct reader *r, const json_t *event, const json_t *claims, s64 now)
{
	const json_t *v = json_object_get(event, "event_timestamp");
	s64 at;

	if (!sz_numeric_date(v ? v : json_object_get(claims, "iat"), false, &at))
		return sz_error_set(r->e, -EINVAL, "\"event_timestamp\" or \"iat\" is no time");
	r->before_s = (u64)(at < now ? at : now) + 1;
	return 0;
}

int sz_signals_items(const json_t *claims, s64 now, struct sz_revoke_item **ret, size_t *ret_n,
		     struct sz_error *e)
{
	struct reader r = {.issuer = text(claims, "iss"), .e = e};
	const json_t *subject;
	const char *type;
	json_t *event;
	int err = 0;

	json_object_foreach(json_object_get(claims, "events"), type, event)
	{
		if (err || !is_revoking(type))
			continue;
		subject = json_object_get(event, "subject");
		if (!subject)
			subject = json_object_get(claims, "sub_id");
		err = read_instant(&r, event, claims, now);
		if (!err && !json_is_object(subject))
			err = sz_error_set(e, -EINVAL, "the event has no subject");
		if (!err)
			err = add_subject(&r, subject);
	}
	while (err && r.n)
		sz_revoke_item_done(&r.items[--r.n]);
	if (err) {
		free(r.items);
		r.items = NULL;
	}
	*ret = r.items;
	*ret_n = r.n;
	return err;
}

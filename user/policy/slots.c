/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a condition can look at: the token, the request as far as it is known, time and source.
 * Called once for each route that has conditions. The Authorization field is not among the headers:
 * no condition needs it, and no explanation may show it.
 */
#include <string.h>
#include <strings.h>

#include "policy/policy_priv.h"

#define NS 1000000000ll

static struct sz_cel_value text_of(const char *s)
{
	return s ? sz_cel_string(s, strlen(s)) : sz_cel_string("", 0);
}

/* ---- header fields -------------------------------------------------------------------------- */

struct field {
	char *name, *value;
	size_t name_len, value_len;
};

static const char *line_end(const char *p, const char *end)
{
	const char *lf = memchr(p, '\n', (size_t)(end - p));

	return lf ? lf : end;
}

/* One line into the arena; false for one that is none, or is not shown. */
static bool read_field(struct judge *j, const char *p, const char *end, struct field *ret)
{
	const char *colon = memchr(p, ':', (size_t)(end - p)), *v;
	size_t i;

	if (!colon || colon == p)
		return false;
	ret->name_len = (size_t)(colon - p);
	if (ret->name_len == 13 && !strncasecmp(p, "authorization", 13))
		return false;
	for (v = colon + 1; v < end && (*v == ' ' || *v == '\t'); v++)
		;
	while (end > v && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
		end--;
	ret->value_len = (size_t)(end - v);
	ret->name = sz_cel_alloc(&j->arena, ret->name_len);
	ret->value = sz_cel_alloc(&j->arena, ret->value_len);
	if (!ret->name || !ret->value)
		return false;
	for (i = 0; i < ret->name_len; i++)
		ret->name[i] = p[i] >= 'A' && p[i] <= 'Z' ? (char)(p[i] | 0x20) : p[i];
	memcpy(ret->value, v, ret->value_len);
	return true;
}

/* The value behind those of the fields of the same name before it (RFC 9110 section 5.3). */
static bool join(struct judge *j, struct field *to, const struct field *f)
{
	char *s = sz_cel_alloc(&j->arena, to->value_len + 2 + f->value_len);

	if (!s)
		return false;
	memcpy(s, to->value, to->value_len);
	memcpy(s + to->value_len, ", ", 2);
	memcpy(s + to->value_len + 2, f->value, f->value_len);
	to->value = s;
	to->value_len += 2 + f->value_len;
	return true;
}

static bool add_field(struct judge *j, struct field *all, u32 *n, const struct field *f)
{
	u32 i;

	for (i = 0; i < *n; i++)
		if (all[i].name_len == f->name_len && !memcmp(all[i].name, f->name, f->name_len))
			return join(j, &all[i], f);
	if (*n == SZ_HEADERS_MAX)
		return false;
	all[(*n)++] = *f;
	return true;
}

/* Names in small letters. Bytes that are no UTF-8 leave the field without a value. */
static bool header_map(struct judge *j, struct sz_cel_value *ret)
{
	const char *p = j->req->head, *end = p ? p + j->req->head_len : NULL, *lf;
	struct sz_cel_value pairs[2 * SZ_HEADERS_MAX];
	struct field all[SZ_HEADERS_MAX], f;
	u32 n = 0, i;

	if (p && p < end)
		p = line_end(p, end) + 1; /* the request line */
	for (; p && p < end; p = lf + 1) {
		lf = line_end(p, end);
		if (read_field(j, p, lf, &f) && !add_field(j, all, &n, &f))
			return false;
	}
	for (i = 0; i < n; i++) {
		pairs[2 * i] = sz_cel_string(all[i].name, all[i].name_len);
		pairs[2 * i + 1] = sz_cel_string(all[i].value, all[i].value_len);
	}
	return !sz_cel_map(&j->arena, pairs, n, ret);
}

/* ---- the slots ------------------------------------------------------------------------------ */

static bool vars_map(struct judge *j, struct sz_cel_value *ret)
{
	const struct sz_conf_route *t = &j->svc->routes[j->route];
	struct sz_cel_value pairs[2 * SZ_CONF_VARS_MAX];
	struct sz_policy_var vars[SZ_CONF_VARS_MAX];
	size_t n = sz_policy_vars(t, j->req->path, j->req->path_len, vars), i;

	for (i = 0; i < n; i++) {
		pairs[2 * i] = sz_cel_string(vars[i].name, vars[i].name_len);
		pairs[2 * i + 1] = sz_cel_string(vars[i].value, vars[i].value_len);
	}
	return !sz_cel_map(&j->arena, pairs, (u32)n, ret);
}

static bool unknown(struct judge *j, enum slot slot, const char *name)
{
	return !sz_cel_unknown(&j->arena, name, &j->slots[slot]);
}

static bool fill_line(struct judge *j)
{
	struct sz_cel_value *v = j->slots;
	const char *method;

	if (j->known == KNOWN_TOKEN)
		return unknown(j, SLOT_METHOD, "request.method") &&
		       unknown(j, SLOT_PATH, "request.path") &&
		       unknown(j, SLOT_VARS, "request.vars") &&
		       unknown(j, SLOT_QUERY, "request.query");
	method = sz_method_name(j->req->method);
	v[SLOT_METHOD] = text_of(method);
	v[SLOT_PATH] = sz_cel_string(j->req->path, j->req->path_len);
	v[SLOT_QUERY] = sz_cel_string(j->req->query ? j->req->query : "", j->req->query_len);
	return vars_map(j, &v[SLOT_VARS]);
}

static struct sz_cel_value instant(s64 s)
{
	return s ? sz_cel_timestamp(s, 0) : (struct sz_cel_value){.type = SZ_CEL_UNSET};
}

static bool fill_token(struct judge *j)
{
	const struct sz_policy_subject *who = j->who;
	struct sz_cel_value *v = j->slots;

	v[SLOT_PRINCIPAL] = v[SLOT_SUBJECT] = text_of(who->subject);
	v[SLOT_ISSUER] = text_of(who->issuer);
	v[SLOT_ID] = text_of(who->jti);
	v[SLOT_KEY] = text_of(who->kid);
	v[SLOT_ALG] = text_of(who->alg);
	v[SLOT_ISSUED] = instant(who->issued_s);
	v[SLOT_EXPIRES] = instant(who->expires_s);
	return !sz_cel_from_json(&j->arena, who->claims, &v[SLOT_CLAIMS]);
}

/* The time's part behind the second, also of one before 1970. */
static struct sz_cel_value time_value(s64 ns)
{
	s64 s = ns / NS, rest = ns % NS;

	if (rest < 0) {
		s--;
		rest += NS;
	}
	return sz_cel_timestamp(s, (u32)rest);
}

bool sz_policy_slots(struct judge *j)
{
	struct sz_cel_value *v = j->slots;
	bool ok;

	v[SLOT_TIME] = time_value(j->at->now_ns);
	v[SLOT_ATTRIBUTES] = j->p->attributes;
	ok = fill_token(j) && fill_line(j) &&
	     !sz_cel_ip(&j->arena, &j->at->source, &v[SLOT_SOURCE]) && sz_policy_location(j);
	if (ok)
		ok = j->known == KNOWN_ALL ? header_map(j, &v[SLOT_HEADERS])
					   : unknown(j, SLOT_HEADERS, "request.headers");
	return ok;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A record in the shape of the Open Cybersecurity Schema Framework 1.6.0, for `audit export`. The
 * mapping is the table in docs/audit.md; what has no place there is kept under "unmapped".
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "audit/audit.h"
#include "ctl/ctl.h"

enum { AUTHORIZE_SESSION = 3003, ENTITY_MANAGEMENT = 3004, APP_LIFECYCLE = 6002,
       API_ACTIVITY = 6003, APP_ERROR = 6008 };

#define OTHER 99

/* Where each type goes; requests take their activity from the method. */
static const struct shape {
	const char *type;
	int class, activity;
	const char *activity_name, *entity;
} shapes[] = {
	{"start", APP_LIFECYCLE, 3, "Start", NULL},
	{"stop", APP_LIFECYCLE, 4, "Stop", NULL},
	{"reload", APP_LIFECYCLE, OTHER, "Reload", NULL},
	{"decision", API_ACTIVITY, OTHER, "Other", NULL},
	{"denial", API_ACTIVITY, OTHER, "Other", NULL},
	{"request", API_ACTIVITY, OTHER, "Other", NULL},
	{"summary", API_ACTIVITY, OTHER, "Summary", NULL},
	{"lost", APP_ERROR, OTHER, "Records lost", NULL},
	{"shed", APP_ERROR, OTHER, "Records shed", NULL},
	{"revoke", ENTITY_MANAGEMENT, 1, "Create", "revocation"},
	{"ban", ENTITY_MANAGEMENT, 1, "Create", "ban"},
	{"admin", ENTITY_MANAGEMENT, OTHER, "Other", "gateway"},
	{"key", ENTITY_MANAGEMENT, 1, "Create", "signing key"},
	{"removed", ENTITY_MANAGEMENT, 4, "Delete", "log segment"},
	{"segment", ENTITY_MANAGEMENT, 1, "Create", "log segment"},
};
static const struct shape session = {"decision", AUTHORIZE_SESSION, 1, "Assign Privileges", NULL};
static const struct shape unknown = {"", ENTITY_MANAGEMENT, OTHER, "Other", "record"};

static const struct {
	int class, category;
	const char *name, *category_name;
} classes[] = {
	{AUTHORIZE_SESSION, 3, "Authorize Session", "Identity & Access Management"},
	{ENTITY_MANAGEMENT, 3, "Entity Management", "Identity & Access Management"},
	{APP_LIFECYCLE, 6, "Application Lifecycle", "Application Activity"},
	{API_ACTIVITY, 6, "API Activity", "Application Activity"},
	{APP_ERROR, 6, "Application Error", "Application Activity"},
};

static const struct {
	const char *method;
	int activity;
	const char *name;
} methods[] = {
	{"GET", 2, "Read"},     {"HEAD", 2, "Read"},    {"OPTIONS", 2, "Read"},
	{"POST", 1, "Create"},  {"PUT", 3, "Update"},   {"PATCH", 3, "Update"},
	{"DELETE", 4, "Delete"},
};

/* Members with a place of their own; all others go to "unmapped". */
static const char *const mapped[] = {"seq",  "time", "type",  "verdict", "reason", "status",
				     "src",  "dst",  "count", "service", "method", "path",
				     "principal", "principal_id", "iss", "sub", "detail", NULL};

static const char *text(const json_t *v, const char *member)
{
	return json_string_value(json_object_get(v, member));
}

static const struct shape *shape_of(const json_t *v)
{
	const char *type = text(v, "type");
	size_t i;

	for (i = 0; type && i < SZ_ARRAY_LEN(shapes); i++)
		if (!strcmp(shapes[i].type, type))
			return !strcmp(type, "decision") && !text(v, "method") ? &session
									       : &shapes[i];
	return &unknown;
}

/* Adds a member unless the value is NULL; takes the value over. */
static void put(json_t *o, const char *member, json_t *value)
{
	if (value)
		json_object_set_new(o, member, value);
}

static json_t *copy(const json_t *v, const char *member)
{
	return json_incref(json_object_get(v, member));
}

/* "192.0.2.1:80" and "[2001:db8::1]:80" as ip and port. */
static json_t *endpoint(const char *s)
{
	struct sz_addr a;
	char ip[SZ_ADDR_STRLEN];
	u16 port;

	if (!s || sz_endpoint_parse(s, &a, &port))
		return NULL;
	return json_pack("{s:s, s:i}", "ip", sz_addr_format(&a, ip), "port",
			 (int)__builtin_bswap16(port));
}

static json_t *milliseconds(const char *time)
{
	struct tm tm = {0};
	const char *fraction = time ? strptime(time, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	int ms = 0, i;

	if (!fraction || *fraction != '.')
		return json_null();
	for (i = 1; i <= 3; i++)
		ms = ms * 10 + (fraction[i] - '0');
	return json_integer((json_int_t)timegm(&tm) * 1000 + ms);
}

static json_t *user(const json_t *v)
{
	json_t *o = json_object();
	const char *name = text(v, "sub") ? "sub" : "principal";

	put(o, "name", copy(v, name));
	put(o, "uid", copy(v, "principal_id"));
	put(o, "domain", copy(v, "iss"));
	/* 0: nobody said who it is. */
	put(o, "type_id", json_integer(text(v, "principal_id") ? 1 : 0));
	return o;
}

static void add_api(json_t *o, const json_t *v)
{
	const char *method = text(v, "method"), *route = text(v, "route");
	json_t *api = json_object(), *response = json_object();
	struct sz_buf operation = {0};

	sz_buf_printf(&operation, "%s %s", method ? method : "-", route ? route : "-");
	put(api, "operation", json_string(operation.data));
	sz_buf_done(&operation);
	if (text(v, "service"))
		put(api, "service", json_pack("{s:O}", "name", json_object_get(v, "service")));
	put(response, "code", copy(v, "status"));
	put(response, "error", copy(v, "reason"));
	put(api, "response", response);
	put(o, "api", api);
	put(o, "actor", json_pack("{s:o}", "user", user(v)));
	if (method || text(v, "path")) {
		json_t *request = json_object();

		put(request, "http_method", copy(v, "method"));
		if (json_object_get(v, "path"))
			put(request, "url", json_pack("{s:O}", "path", json_object_get(v, "path")));
		put(o, "http_request", request);
	}
	if (!text(v, "src"))
		put(o, "src_endpoint", json_pack("{s:s}", "name", "any"));
}

static void add_class(json_t *o, const json_t *v, const struct shape *s)
{
	const char *method = text(v, "method"), *name = s->activity_name;
	int activity = s->activity;
	size_t i;

	for (i = 0; method && s->class == API_ACTIVITY && i < SZ_ARRAY_LEN(methods); i++)
		if (!strcmp(methods[i].method, method)) {
			activity = methods[i].activity;
			name = methods[i].name;
		}
	for (i = 0; i < SZ_ARRAY_LEN(classes); i++)
		if (classes[i].class == s->class) {
			put(o, "category_uid", json_integer(classes[i].category));
			put(o, "category_name", json_string(classes[i].category_name));
			put(o, "class_name", json_string(classes[i].name));
		}
	put(o, "class_uid", json_integer(s->class));
	put(o, "activity_id", json_integer(activity));
	put(o, "activity_name", json_string(name));
	put(o, "type_uid", json_integer((json_int_t)s->class * 100 + activity));
	switch (s->class) {
	case API_ACTIVITY:
		add_api(o, v);
		break;
	case AUTHORIZE_SESSION:
		put(o, "user", user(v));
		put(o, "session", json_pack("{s:O?, s:O?}", "uid", json_object_get(v, "jti"),
					    "issuer", json_object_get(v, "iss")));
		put(o, "privileges", json_pack("[O]", json_object_get(v, "service")));
		break;
	case ENTITY_MANAGEMENT:
		put(o, "entity", json_pack("{s:s, s:O?}", "type", s->entity, "name",
					   json_object_get(v, "detail")));
		break;
	case APP_LIFECYCLE:
		put(o, "app",
		    json_pack("{s:s, s:s}", "name", "subzerod", "vendor_name", "Subzero"));
		break;
	}
}

/* Refused is 2; in monitor mode it was only observed, 3. */
static void add_outcome(json_t *o, const json_t *v)
{
	const char *verdict = text(v, "verdict"), *reason = text(v, "reason");
	bool denied = verdict && strcmp(verdict, "allow") != 0;

	if (verdict) {
		bool observed = denied && json_is_true(json_object_get(v, "monitor"));

		put(o, "action_id", json_integer(observed ? 3 : denied ? 2 : 1));
		put(o, "action",
		    json_string(observed ? "Observed"
				: denied ? "Denied"
					 : "Allowed"));
		put(o, "status_id", json_integer(denied ? 2 : 1));
		put(o, "status", json_string(denied ? "Failure" : "Success"));
	}
	if (reason)
		put(o, "status_code", json_string(reason));
	put(o, "status_detail", copy(v, "detail"));
	put(o, "count", copy(v, "count"));
}

json_t *sz_ctl_audit_ocsf(const json_t *record)
{
	int severity = sz_ctl_audit_severity(record);
	json_t *o = json_object(), *rest = json_object(), *value;
	char uid[24];
	const char *name;
	size_t i;

	add_class(o, record, shape_of(record));
	put(o, "time", milliseconds(text(record, "time")));
	put(o, "severity_id", json_integer(severity));
	put(o, "severity", json_string(sz_audit_severity_name((enum sz_audit_severity)severity)));
	snprintf(uid, sizeof(uid), "%lld",
		 (long long)json_integer_value(json_object_get(record, "seq")));
	put(o, "metadata",
	    json_pack("{s:s, s:s, s:O?, s:O?, s:s, s:[s], s:{s:s, s:s, s:s}}", "version", "1.6.0",
		      "uid", uid, "event_code", json_object_get(record, "type"), "original_time",
		      json_object_get(record, "time"), "log_name", "audit", "profiles",
		      "security_control", "product", "name", "Subzero", "vendor_name", "Subzero",
		      "version", SZ_VERSION));
	add_outcome(o, record);
	put(o, "src_endpoint", endpoint(text(record, "src")));
	put(o, "dst_endpoint", endpoint(text(record, "dst")));
	json_object_foreach((json_t *)record, name, value) {
		for (i = 0; mapped[i] && strcmp(mapped[i], name) != 0; i++)
			;
		if (!mapped[i])
			json_object_set(rest, name, value);
	}
	put(o, "unmapped", rest);
	return o;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * audit query and export: the records that fit, in the log's order. Reads the files and verifies
 * nothing; needs neither maps nor daemon.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "audit/audit.h"
#include "ctl/ctl.h"

#define TIME_LEN 30 /* of every record; times compare as text */

struct filter {
	char since[TIME_LEN + 1], until[TIME_LEN + 1]; /* empty: any */
	int severity;
	bool has_source;
	struct sz_addr source;
	u32 prefix;
	u64 limit;
};

struct query {
	struct sz_ctl *c;
	struct filter f;
	u64 shown;
	bool raw, ocsf;
};

static const char *text(const json_t *v, const char *member)
{
	const char *s = json_string_value(json_object_get(v, member));

	return s ? s : "";
}

int sz_ctl_audit_severity(const json_t *record)
{
	const char *type = text(record, "type"), *reason = text(record, "reason");
	u32 t = 1, r = 1;

	while (t < SZ_AUDIT_TYPE_COUNT && strcmp(sz_audit_type_name((enum sz_audit_type)t), type))
		t++;
	while (r < SZ_REASON_MAX && strcmp(sz_reason_label(r), reason))
		r++;
	return (int)sz_audit_severity((enum sz_audit_type)t, r < SZ_REASON_MAX ? r : 0,
				      !strcmp(text(record, "verdict"), "deny"));
}

/* ---- what is asked for ---------------------------------------------------------------------- */

/* A time of a record or its beginning, with or without Z; or how long ago. */
static int read_time(const char *s, char ret[TIME_LEN + 1])
{
	static const char form[] = "0000-00-00T00:00:00.000000000Z";
	size_t i, n;
	struct tm tm;
	time_t t;
	u64 ago;

	if (!s)
		return 0;
	if (!sz_ctl_parse_duration(s, &ago)) {
		t = time(NULL) - (time_t)ago;
		gmtime_r(&t, &tm);
		strftime(ret, TIME_LEN + 1, "%Y-%m-%dT%H:%M:%S.000000000Z", &tm);
		return 0;
	}
	n = strlen(s);
	if (n && s[n - 1] == 'Z')
		n--;
	if (n < 4 || n >= TIME_LEN)
		return -EINVAL;
	memcpy(ret, form, TIME_LEN + 1);
	for (i = 0; i < n; i++) {
		bool digit = s[i] >= '0' && s[i] <= '9';

		if (form[i] == '0' ? !digit : s[i] != form[i])
			return -EINVAL;
		ret[i] = s[i];
	}
	/* What was left out of a date is its first day, not none. */
	if (n < 7)
		memcpy(ret + 5, "01", 2);
	if (n < 10)
		memcpy(ret + 8, "01", 2);
	return 0;
}

static int read_severity(const char *s, int *ret)
{
	int i;

	for (i = SZ_AUDIT_INFO; s && i <= SZ_AUDIT_CRITICAL; i++)
		if (!strcmp(s, sz_audit_severity_name((enum sz_audit_severity)i))) {
			*ret = i;
			return 0;
		}
	return s ? -EINVAL : 0;
}

/* A word that no record can hold is a typing error, and must not look like an empty answer. */
static int check_words(const struct sz_ctl_args *a)
{
	const char *s = sz_ctl_value(a, "verdict");
	unsigned i;
	u32 k;

	if (s && strcmp(s, "allow") != 0 && strcmp(s, "deny") != 0)
		return sz_ctl_usage("--verdict is allow or deny, not '%s'", s);
	for (i = 0; (s = sz_ctl_value_at(a, "type", i)); i++) {
		for (k = 1; k < SZ_AUDIT_TYPE_COUNT; k++)
			if (!strcmp(s, sz_audit_type_name((enum sz_audit_type)k)))
				break;
		if (k == SZ_AUDIT_TYPE_COUNT)
			return sz_ctl_usage("--type '%s' is not known; docs/audit.md lists them",
					    s);
	}
	for (i = 0; (s = sz_ctl_value_at(a, "reason", i)); i++) {
		for (k = 0; k < SZ_REASON_MAX; k++)
			if (!strcmp(s, sz_reason_label(k)))
				break;
		if (k == SZ_REASON_MAX || !strcmp(s, "unknown"))
			return sz_ctl_usage(
				"--reason '%s' is not known; 'counters --all' lists them", s);
	}
	return SZ_CTL_OK;
}

static int read_filter(struct sz_ctl *c, struct filter *f)
{
	const struct sz_ctl_args *a = &c->args;
	const char *s = sz_ctl_value(a, "source"), *limit = sz_ctl_value(a, "limit");

	f->limit = UINT64_MAX;
	if (read_time(sz_ctl_value(a, "since"), f->since))
		return sz_ctl_usage("--since '%s' is no time such as 2026-11-21T12:00 or 2h",
				    sz_ctl_value(a, "since"));
	if (read_time(sz_ctl_value(a, "until"), f->until))
		return sz_ctl_usage("--until '%s' is no time such as 2026-11-21T12:00 or 2h",
				    sz_ctl_value(a, "until"));
	if (read_severity(sz_ctl_value(a, "severity"), &f->severity))
		return sz_ctl_usage("--severity is informational, low, medium, high or critical");
	f->has_source = s != NULL;
	if (s && sz_prefix_parse(s, &f->source, &f->prefix))
		return sz_ctl_usage("--source '%s' is no address or prefix", s);
	if (limit && sz_ctl_parse_u64(limit, UINT64_MAX, &f->limit))
		return sz_ctl_usage("-n '%s' is no number", limit);
	return check_words(a);
}

/* ---- what fits ------------------------------------------------------------------------------ */

static bool one_of(const struct sz_ctl_args *a, const char *option, const char *value)
{
	const char *s;
	unsigned i;

	for (i = 0; (s = sz_ctl_value_at(a, option, i)); i++)
		if (!strcmp(s, value))
			return true;
	return !i;
}

static bool source_fits(const struct filter *f, const char *endpoint)
{
	struct sz_addr a;
	u16 port;
	u32 i;

	if (!endpoint[0] || sz_endpoint_parse(endpoint, &a, &port))
		return false;
	for (i = 0; i < f->prefix; i++)
		if ((((const u8 *)&a)[i / 8] ^ ((const u8 *)&f->source)[i / 8]) >> (7 - i % 8) & 1)
			return false;
	return true;
}

static bool principal_fits(const struct sz_ctl_args *a, const json_t *v)
{
	const char *who = sz_ctl_value(a, "principal");

	return !who || !strcmp(who, text(v, "principal")) || !strcmp(who, text(v, "sub")) ||
	       !strcasecmp(who, text(v, "principal_id"));
}

static bool path_fits(const struct sz_ctl_args *a, const json_t *v)
{
	const char *prefix = sz_ctl_value(a, "path");
	const json_t *path = json_object_get(v, "path");
	size_t n = prefix ? strlen(prefix) : 0;

	return !prefix || (json_is_string(path) && json_string_length(path) >= n &&
			   !memcmp(json_string_value(path), prefix, n));
}

static bool fits(const struct query *q, const json_t *v)
{
	const struct sz_ctl_args *a = &q->c->args;
	const struct filter *f = &q->f;
	const char *time = text(v, "time");

	return (!f->since[0] || strcmp(time, f->since) >= 0) &&
	       (!f->until[0] || strcmp(time, f->until) < 0) &&
	       one_of(a, "type", text(v, "type")) && one_of(a, "reason", text(v, "reason")) &&
	       one_of(a, "service", text(v, "service")) &&
	       one_of(a, "verdict", text(v, "verdict")) && principal_fits(a, v) &&
	       path_fits(a, v) && one_of(a, "explanation", text(v, "explanation")) &&
	       (!f->has_source || source_fits(f, text(v, "src"))) &&
	       (!f->severity || sz_ctl_audit_severity(v) >= f->severity);
}

static void print_ocsf(const json_t *record)
{
	json_t *event = sz_ctl_audit_ocsf(record);

	json_dumpf(event, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(event);
}

static int on_line(const char *line, size_t n, void *arg)
{
	struct query *q = arg;
	json_t *v;

	if (q->shown >= q->f.limit || ferror(stdout))
		return 1;
	v = json_loadb(line, n, JSON_ALLOW_NUL, NULL);
	if (json_is_object(v) && fits(q, v)) {
		if (q->ocsf) {
			print_ocsf(v);
		} else if (q->raw) {
			fwrite(line, 1, n, stdout);
			putchar('\n');
		} else {
			sz_ctl_audit_print(q->c, line, n);
		}
		q->shown++;
	}
	json_decref(v);
	return 0;
}

static int run(struct query *q)
{
	struct sz_error e = {""};
	int ret = read_filter(q->c, &q->f);

	if (ret)
		return ret;
	return sz_audit_each(sz_ctl_audit_dir(q->c), on_line, q, &e) < 0 ? sz_ctl_fail("%s", e.msg)
								     : SZ_CTL_OK;
}

int sz_ctl_cmd_audit_query(struct sz_ctl *c)
{
	struct query q = {.c = c, .raw = c->json};

	return run(&q);
}

int sz_ctl_cmd_audit_export(struct sz_ctl *c)
{
	const char *format = sz_ctl_value(&c->args, "format");
	struct query q = {.c = c, .raw = true};

	if (format && strcmp(format, "json") != 0 && strcmp(format, "ocsf") != 0)
		return sz_ctl_usage("--format is json or ocsf, not '%s'", format);
	q.ocsf = format && !strcmp(format, "ocsf");
	return run(&q);
}

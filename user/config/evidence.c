/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sections of what the daemon tells others: the audit log, where it is forwarded to, what is
 * kept of it, and traces. Called through the tables of known keys.
 */
#include <string.h>

#include "config/config_priv.h"

#define OFF(member)     .off = offsetof(struct sz_conf, member)
#define SOCKET_PATH_MAX 107 /* sun_path without its NUL, see unix(7) */

static int one_of(struct sz_conf_reader *r, const char *key, yaml_node_t *v,
		  const char *const *words, size_t n, const char *hint, u32 *ret)
{
	const char *s = sz_conf_scalar(r, key, v);
	u32 i;

	if (!s)
		return -EINVAL;
	for (i = 0; i < n; i++)
		if (words[i] && !strcmp(s, words[i])) {
			*ret = i;
			return 0;
		}
	return sz_conf_fail(r, sz_conf_line(v), "%s \"%.64s\" is not known; write %s", key, s,
			    hint);
}

static int read_on_full(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			void *obj)
{
	const char *s = sz_conf_scalar(r, f->key, v);
	struct sz_conf *c = obj;

	if (!s)
		return -EINVAL;
	if (strcmp(s, "stop") != 0 && strcmp(s, "shed") != 0)
		return sz_conf_fail(r, sz_conf_line(v),
				    "on_full \"%.64s\" is not known; write stop or shed", s);
	c->audit.on_full = strcmp(s, "shed") ? SZ_AUDIT_ON_FULL_STOP : SZ_AUDIT_ON_FULL_SHED;
	return 0;
}

/* What a signed note allows as a name, and JSON as it is. */
static int read_origin(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		       void *obj)
{
	const char *s = sz_conf_scalar(r, f->key, v);
	size_t i;

	for (i = 0; s && s[i]; i++)
		if (s[i] <= ' ' || s[i] > '~' || strchr("+\"\\", s[i]))
			break;
	if (s && (s[i] || !i))
		return sz_conf_fail(r, sz_conf_line(v),
				    "origin \"%.64s\" is not a name; write one such as "
				    "log.example.org/subzero, without space, +, \" and \\", s);
	return sz_conf_read_text(r, f, v, obj);
}

/* ---- retention ------------------------------------------------------------------------------ */

static const struct sz_conf_field retention_fields[] = {
	{"age", sz_conf_read_age, OFF(audit.retention.age_s), .min = 60, .max = 36525ull * 86400},
	{"size", sz_conf_read_bytes, OFF(audit.retention.size), .min = 1 << 17, .max = 1ull << 50},
};

static int read_retention(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			  void *obj)
{
	struct sz_conf *c = obj;

	if (sz_conf_map(r, f->key, v, retention_fields, SZ_ARRAY_LEN(retention_fields), obj))
		return -EINVAL;
	c->audit.retention.line = sz_conf_line(v);
	return 0;
}

/* ---- forwarding ----------------------------------------------------------------------------- */

/* By the number of enum sz_audit_severity. */
static int read_severity(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			 void *obj)
{
	static const char *const levels[] = {
		[1] = "informational", [2] = "low", [3] = "medium", [4] = "high", [5] = "critical"};

	return one_of(r, f->key, v, levels, SZ_ARRAY_LEN(levels),
		      "informational, low, medium, high or critical",
		      (u32 *)(void *)((char *)obj + f->off));
}

/* RFC 5424, table 1. */
static int read_facility(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			 void *obj)
{
	static const char *const names[] = {
		[1] = "user",    [3] = "daemon",  [4] = "auth",    [10] = "authpriv",
		[13] = "audit",  [16] = "local0", [17] = "local1", [18] = "local2",
		[19] = "local3", [20] = "local4", [21] = "local5", [22] = "local6",
		[23] = "local7"};

	return one_of(r, f->key, v, names, SZ_ARRAY_LEN(names),
		      "user, daemon, auth, authpriv, audit or local0 to local7",
		      (u32 *)(void *)((char *)obj + f->off));
}

static int read_address(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			void *obj)
{
	const char *s = sz_conf_scalar(r, f->key, v);
	struct sz_conf *c = obj;

	if (!s)
		return -EINVAL;
	if (sz_endpoint_parse(s, &c->audit.syslog.to.addr, &c->audit.syslog.to.port))
		return sz_conf_fail(r, sz_conf_line(v),
				    "address \"%.64s\" is not an address and port; write it like "
				    "127.0.0.1:514 or \"[::1]:514\"", s);
	return 0;
}

static const struct sz_conf_field journald_fields[] = {
	{"severity", read_severity, OFF(audit.journald.severity)},
	{"socket", sz_conf_read_path, OFF(audit.journald.path), .max = SOCKET_PATH_MAX},
};
static const struct sz_conf_field syslog_fields[] = {
	{"severity", read_severity, OFF(audit.syslog.severity)},
	{"socket", sz_conf_read_path, OFF(audit.syslog.path), .max = SOCKET_PATH_MAX},
	{"address", read_address, OFF(audit.syslog.to)},
	{"facility", read_facility, OFF(audit.syslog.facility)},
	{"allow_remote", sz_conf_read_bool, OFF(audit.syslog.allow_remote)},
};

static int read_journald(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			 void *obj)
{
	struct sz_conf *c = obj;

	c->audit.journald.on = true;
	return sz_conf_map(r, f->key, v, journald_fields, SZ_ARRAY_LEN(journald_fields), obj);
}

static int read_syslog(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		       void *obj)
{
	struct sz_conf *c = obj;
	struct sz_conf_forward *w = &c->audit.syslog;

	w->on = true;
	if (sz_conf_map(r, f->key, v, syslog_fields, SZ_ARRAY_LEN(syslog_fields), obj))
		return -EINVAL;
	if (w->path && w->to.port)
		return sz_conf_fail(r, sz_conf_line(v),
				    "syslog is given a socket and an address; keep one of the two");
	if (w->to.port && !sz_conf_is_loopback(&w->to.addr) && !w->allow_remote)
		return sz_conf_fail(r, sz_conf_line(v),
				    "audit records would leave this host in clear; send them to a "
				    "syslog daemon here, or add \"allow_remote: true\"");
	return 0;
}

static const struct sz_conf_field forward_fields[] = {
	{"journald", .read = read_journald},
	{"syslog", .read = read_syslog},
};

static int read_forward(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			void *obj)
{
	return sz_conf_map(r, f->key, v, forward_fields, SZ_ARRAY_LEN(forward_fields), obj);
}

/* ---- the section ---------------------------------------------------------------------------- */

static const struct sz_conf_field audit_fields[] = {
	{"dir", sz_conf_read_path, OFF(audit.dir)},
	{"summary", sz_conf_read_s, OFF(audit.summary_s), .min = 1, .max = 3600},
	{"rotate", sz_conf_read_bytes, OFF(audit.rotate_bytes), .min = 1 << 16, .max = 1ull << 40},
	{"denials", sz_conf_read_rate, OFF(audit.denials)},
	{"on_full", .read = read_on_full},
	{"origin", read_origin, OFF(audit.origin), .max = 127},
	{"retention", .read = read_retention},
	{"forward", .read = read_forward},
};

/* What is kept is whole segments: two of them at least. */
int sz_conf_read_audit(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		       void *obj)
{
	struct sz_conf *c = obj;

	if (sz_conf_map(r, f->key, v, audit_fields, SZ_ARRAY_LEN(audit_fields), obj))
		return -EINVAL;
	if (c->audit.retention.size && c->audit.retention.size / 2 < c->audit.rotate_bytes)
		return sz_conf_fail(r, c->audit.retention.line,
				    "retention keeps less than two segments of %lluKiB; raise its "
				    "size, or lower audit.rotate",
				    (unsigned long long)c->audit.rotate_bytes >> 10);
	return 0;
}

void sz_conf_audit_defaults(struct sz_conf *c)
{
	if (c->audit.journald.on && !c->audit.journald.path)
		c->audit.journald.path = sz_strdup("/run/systemd/journal/socket");
	if (c->audit.syslog.on && !c->audit.syslog.path && !c->audit.syslog.to.port)
		c->audit.syslog.path = sz_strdup("/dev/log");
}

void sz_conf_audit_done(struct sz_conf *c)
{
	free(c->audit.dir);
	free(c->audit.origin);
	free(c->audit.journald.path);
	free(c->audit.syslog.path);
	free(c->tracing.endpoint);
	free(c->tracing.ca_file);
	free(c->tracing.authorization_file);
}

/* ---- traces --------------------------------------------------------------------------------- */

static int read_sampling(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			 void *obj)
{
	const char *s = sz_conf_scalar(r, f->key, v);
	struct sz_conf *c = obj;
	char *end;
	double d;

	if (!s)
		return -EINVAL;
	d = strspn(s, "0123456789.") == strlen(s) ? strtod(s, &end) : -1;
	if (!(d >= 0 && d <= 1) || *end)
		return sz_conf_fail(r, sz_conf_line(v),
				    "sampling \"%.64s\" is not a share of requests; write a number "
				    "from 0 to 1, like 0.01", s);
	c->tracing.sampling = d;
	return 0;
}

static int read_parent(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		       void *obj)
{
	static const char *const words[] = {"ignore", "follow"};
	struct sz_conf *c = obj;
	u32 i;

	if (one_of(r, f->key, v, words, SZ_ARRAY_LEN(words), "follow or ignore", &i))
		return -EINVAL;
	c->tracing.follow = i;
	return 0;
}

static const struct sz_conf_field tracing_fields[] = {
	{"endpoint", sz_conf_read_url, OFF(tracing.endpoint), .required = true},
	{"ca_file", sz_conf_read_file, OFF(tracing.ca_file)},
	{"authorization_file", sz_conf_read_file, OFF(tracing.authorization_file)},
	{"sampling", .read = read_sampling},
	{"parent", .read = read_parent},
	{"queue", sz_conf_read_u32, OFF(tracing.queue), .min = 16, .max = 65536},
};

int sz_conf_read_tracing(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			 void *obj)
{
	struct sz_conf *c = obj;
	struct sz_url u;

	if (sz_conf_map(r, f->key, v, tracing_fields, SZ_ARRAY_LEN(tracing_fields), obj))
		return -EINVAL;
	if (sz_url_parse(c->tracing.endpoint, &u) || (!u.https && !sz_url_loopback(&u)))
		return sz_conf_fail(r, sz_conf_line(v),
				    "endpoint \"%.100s\" would tell traces in clear; write an "
				    "https:// URL, or http:// to a collector on this host, like "
				    "http://127.0.0.1:4318/v1/traces", c->tracing.endpoint);
	return 0;
}

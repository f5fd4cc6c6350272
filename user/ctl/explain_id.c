/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * explain --id: what stands behind the id of an explanation, as audit records have it. Looks among
 * all that the configuration's policy can say, and in the audit log; needs neither maps nor daemon.
 */
#include <stdio.h>
#include <string.h>

#include "audit/audit.h"
#include "ctl/ctl.h"
#include "policy/policy.h"

struct lookup {
	struct sz_ctl *c;
	u64 id;
	char text[17]; /* as records have it */
	struct sz_policy_explained found;
	u64 records;
	struct sz_buf last; /* line of the newest record */
};

static int match(const struct sz_policy_explained *x, void *arg)
{
	struct lookup *l = arg;

	if (x->id != l->id)
		return 0;
	l->found = *x;
	return 1;
}

static int on_line(const char *line, size_t n, void *arg)
{
	struct lookup *l = arg;
	const char *id;
	json_t *v;

	if (!memmem(line, n, l->text, 16))
		return 0;
	v = json_loadb(line, n, JSON_ALLOW_NUL, NULL);
	id = json_string_value(json_object_get(v, "explanation"));
	if (id && !strcmp(id, l->text)) {
		l->records++;
		sz_buf_reset(&l->last);
		sz_buf_add(&l->last, line, n);
	}
	json_decref(v);
	return 0;
}

static const char *route_name(const struct sz_policy_explained *x)
{
	return x->route == SZ_ROUTE_NONE ? NULL : x->svc->routes[x->route].name;
}

static void tell_json(const struct lookup *l)
{
	const struct sz_policy_explained *x = &l->found;
	json_t *v = json_pack("{s:s, s:I}", "explanation", l->text, "records",
			      (json_int_t)l->records);

	if (x->svc) {
		json_object_set_new(v, "service", json_string(x->svc->name));
		if (route_name(x))
			json_object_set_new(v, "route", json_string(route_name(x)));
		json_object_set_new(v, "clause", json_string(x->clause));
		json_object_set_new(v, "reason", json_string(sz_reason_label(x->reason)));
		json_object_set_new(v, "text", sz_ctl_text(x->text, strlen(x->text)));
	}
	if (l->records)
		json_object_set_new(v, "last", json_loadb(l->last.data, l->last.len,
							  JSON_ALLOW_NUL, NULL));
	sz_ctl_print_json(v);
}

static void tell(const struct lookup *l)
{
	const struct sz_policy_explained *x = &l->found;
	struct sz_buf text = {0};

	if (x->svc) {
		sz_ctl_clean(&text, x->text, strlen(x->text));
		printf("service     %s\n", x->svc->name);
		if (route_name(x))
			printf("route       %s\n", route_name(x));
		printf("clause      %s\nreason      %s\ntext        %s\n", x->clause,
		       x->reason == SZ_R_TICKET ? "request admitted" : sz_reason_text(x->reason),
		       text.data ? text.data : "");
		sz_buf_done(&text);
	} else {
		printf("policy      not of the policy in the configuration as it is now\n");
	}
	printf("records     %llu in the audit log%s\n", (unsigned long long)l->records,
	       l->records ? "; the newest:" : "");
	if (l->records)
		sz_ctl_audit_print(l->c, l->last.data, l->last.len);
}

static int read_id(const char *s, struct lookup *l)
{
	char *end;

	if (strlen(s) != 16 || strspn(s, "0123456789abcdef") != 16)
		return sz_ctl_usage("--id '%s' is not 16 digits of hex, as audit records have it "
				    "in \"explanation\"", s);
	memcpy(l->text, s, 17);
	l->id = strtoull(s, &end, 16);
	return 0;
}

int sz_ctl_explain_id(struct sz_ctl *c, const char *id)
{
	const char *path = sz_ctl_value(&c->args, "config");
	struct lookup l = {.c = c};
	struct sz_policy *policy = NULL;
	struct sz_conf *conf;
	struct sz_error e;
	int ret = read_id(id, &l);

	if (ret)
		return ret;
	conf = sz_conf_load(path ? path : SZ_CTL_CONFIG, &e);
	if (!conf || sz_policy_new(conf, &policy, &e)) {
		sz_conf_free(conf);
		return sz_ctl_fail("%s", e.msg);
	}
	sz_policy_explain_all(policy, conf, match, &l);
	/* There may be no log yet. */
	sz_audit_each(conf->audit.dir, on_line, &l, &e);
	if (!l.found.svc && !l.records)
		ret = sz_ctl_fail("%s is neither of the policy in %s nor in the audit log %s", id,
				  conf->path, conf->audit.dir);
	else if (c->json)
		tell_json(&l);
	else
		tell(&l);
	sz_buf_done(&l.last);
	sz_policy_free(policy);
	sz_conf_free(conf);
	return ret;
}

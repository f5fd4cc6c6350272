/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * doctor: looks at everything that commonly goes wrong and says in plain words what to do. Works
 * with the daemon down, without maps and without a configuration: each of these is a finding.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/doctor.h"

static const char *const level_name[SZ_DOCTOR_LEVELS] = {
	[SZ_DOCTOR_OK] = "ok",
	[SZ_DOCTOR_WARN] = "warn",
	[SZ_DOCTOR_BAD] = "bad",
};

void sz_doctor_say(struct sz_doctor *d, enum sz_doctor_level level, const char *check,
		   const char *todo, const char *fmt, ...)
{
	char seen[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(seen, sizeof(seen), fmt, ap);
	va_end(ap);
	d->n[level]++;
	json_array_append_new(d->findings, json_pack("{s:o, s:s, s:o, s:o}", "check",
						     sz_ctl_text(check, strlen(check)), "level",
						     level_name[level], "seen",
						     sz_ctl_text(seen, strlen(seen)), "todo",
						     *todo ? sz_ctl_text(todo, strlen(todo))
							   : json_null()));
}

static void look(struct sz_doctor *d)
{
	sz_doctor_conf(d);
	sz_doctor_daemon(d);
	if (d->maps) {
		sz_doctor_interfaces(d);
		sz_doctor_maps(d);
		sz_doctor_counters(d);
	}
	sz_doctor_loop(d);
	sz_doctor_providers(d);
	sz_doctor_audit(d);
	sz_doctor_evidence(d);
	sz_doctor_stores(d);
	sz_doctor_disk(d);
	sz_doctor_clock(d);
	sz_doctor_kernel(d);
	sz_doctor_cookies(d);
	sz_doctor_pressure(d);
	sz_doctor_load(d);
}

static void print_finding(const struct sz_doctor *d, const json_t *f)
{
	static const char *const colour[SZ_DOCTOR_LEVELS] = {"\033[32m", "\033[33m", "\033[31m"};
	const char *level = json_string_value(json_object_get(f, "level"));
	const char *check = json_string_value(json_object_get(f, "check"));
	const json_t *seen = json_object_get(f, "seen"), *todo = json_object_get(f, "todo");
	struct sz_buf b = {0};
	size_t i = 0;

	while (strcmp(level_name[i], level))
		i++;
	sz_buf_printf(&b, "%s%-4s%s  %-20s ", d->c->colour ? colour[i] : "", level,
		      d->c->colour ? "\033[0m" : "", check);
	sz_ctl_clean(&b, json_string_value(seen), json_string_length(seen));
	if (json_is_string(todo)) {
		sz_buf_printf(&b, "\n%28s", "-> ");
		sz_ctl_clean(&b, json_string_value(todo), json_string_length(todo));
	}
	puts(b.data);
	sz_buf_done(&b);
}

static int print_all(struct sz_doctor *d)
{
	size_t i;

	if (d->c->json)
		return sz_ctl_print_json(json_pack(
			"{s:i, s:i, s:i, s:O}", "ok", (int)d->n[SZ_DOCTOR_OK], "warn",
			(int)d->n[SZ_DOCTOR_WARN], "bad", (int)d->n[SZ_DOCTOR_BAD], "findings",
			d->findings));
	for (i = 0; i < json_array_size(d->findings); i++)
		print_finding(d, json_array_get(d->findings, i));
	printf("\n%u bad, %u to look at, %u fine\n", d->n[SZ_DOCTOR_BAD], d->n[SZ_DOCTOR_WARN],
	       d->n[SZ_DOCTOR_OK]);
	return SZ_CTL_OK;
}

int sz_ctl_cmd_doctor(struct sz_ctl *c)
{
	struct sz_doctor d = {.c = c, .findings = json_array()};
	int ret;

	look(&d);
	ret = print_all(&d);
	json_decref(d.findings);
	json_decref(d.says);
	return ret == SZ_CTL_OK && d.n[SZ_DOCTOR_BAD] ? SZ_CTL_FAILED : ret;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared by the files of `policy test`: a test file as it is read, one case of it, and the report.
 * Nobody else includes this.
 */
#ifndef SZ_CTL_POLICY_TEST_H
#define SZ_CTL_POLICY_TEST_H

#include "ctl/ctl.h"
#include "policy/policy.h"

/* A file while its cases are run. */
struct sz_ptest {
	const struct sz_conf *conf;
	const char *path;
	const char *filter;     /* NULL: every case */
	json_t *file, *lines;   /* its content, and where that stands */
	struct sz_policy *policy; /* NULL until a case without tables of its own needs it */
	struct sz_ctl_rebac rebac; /* graph NULL: the file has no model */
	json_t *results;        /* {file, line, name, passed, expected, got, why, otherwise} */
	unsigned passed, failed, skipped;
	struct sz_error *e;
};

/* "PATH:LINE: ..." in t->e; -EINVAL. `lines` of what is wrong, or of what has the key. */
int sz_ptest_fail(struct sz_ptest *t, const json_t *lines, const char *key, const char *fmt, ...)
	SZ_PRINTF(4, 5);
u32 sz_ptest_line(const json_t *lines);
/* Only keys of this list, separated by spaces; and a mapping. */
int sz_ptest_only(struct sz_ptest *t, const json_t *v, const json_t *lines, const char *what,
		  const char *known);
/* The text of a key; NULL in *ret where it is not there. */
int sz_ptest_text(struct sz_ptest *t, const json_t *v, const json_t *lines, const char *key,
		  const char **ret);

/* policy_case.c: one case; its result is appended. -EINVAL: it has a mistake. */
int sz_ptest_case(struct sz_ptest *t, const json_t *v, const json_t *lines);

/* policy_request.c: what a case asks. */
struct sz_ptest_ask {
	struct sz_buf head;
	struct sz_policy_moment at;
	json_t *location; /* what at.location points to */
	json_t *claims;   /* NULL: no token */
	json_t *header;   /* of the token; NULL: none */
	struct sz_policy_subject who;
};
int sz_ptest_ask(struct sz_ptest *t, const json_t *v, const json_t *lines, const char *service,
		 struct sz_ptest_ask *ret);
void sz_ptest_ask_done(struct sz_ptest_ask *a);

/* policy_report.c */
enum sz_ptest_format { SZ_PTEST_TEXT, SZ_PTEST_TAP, SZ_PTEST_JUNIT, SZ_PTEST_JSON };
void sz_ptest_report(const struct sz_ptest *t, enum sz_ptest_format format);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The results of `policy test`: for people, or as TAP (version 14), JUnit's XML or JSON for those
 * who collect results. Names and explanations come from files: each format escapes them.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/policy_test.h"

static const char *text(const json_t *v, const char *key)
{
	const char *s = json_string_value(json_object_get(v, key));

	return s ? s : "";
}

static int line(const json_t *v)
{
	return (int)json_integer_value(json_object_get(v, "line"));
}

static bool passed(const json_t *v)
{
	return json_is_true(json_object_get(v, "passed"));
}

/* ---- for people ----------------------------------------------------------------------------- */

/* On one line of its own. */
static void say(const char *before, const char *s)
{
	struct sz_buf b = {0};

	sz_ctl_clean(&b, s, strlen(s));
	if (b.len)
		printf("%s%s\n", before, b.data);
	sz_buf_done(&b);
}

static void details(const json_t *v, const char *before)
{
	static const char *const keys[] = {"expected", "got", "why", "otherwise"};
	char left[64];

	for (size_t i = 0; i < SZ_ARRAY_LEN(keys); i++) {
		snprintf(left, sizeof(left), "%s%-10s", before, keys[i]);
		say(left, text(v, keys[i]));
	}
}

static void report_text(const struct sz_ptest *t)
{
	struct sz_buf b = {0};
	json_t *v;
	size_t i;

	json_array_foreach(t->results, i, v)
	{
		b.len = 0;
		sz_buf_printf(&b, "%s:%d: %s", text(v, "file"), line(v), text(v, "name"));
		say(passed(v) ? "ok    " : "FAIL  ", b.data);
		if (!passed(v))
			details(v, "      ");
	}
	sz_buf_done(&b);
	printf("%u passed, %u failed", t->passed, t->failed);
	if (t->skipped)
		printf(", %u left out", t->skipped);
	printf("\n");
}

static void report_tap(const struct sz_ptest *t)
{
	struct sz_buf b = {0};
	const char *s;
	json_t *v;
	size_t i;

	printf("TAP version 14\n1..%zu\n", json_array_size(t->results));
	json_array_foreach(t->results, i, v)
	{
		b.len = 0;
		sz_buf_printf(&b, "%s %zu - %s: ", passed(v) ? "ok" : "not ok", i + 1,
			      text(v, "file"));
		for (s = text(v, "name"); *s; s++) /* '#' would begin a directive */
			sz_buf_printf(&b, "%s%c", strchr("#\\", *s) ? "\\" : "", *s);
		say("", b.data);
		if (!passed(v)) {
			printf("# line %d\n", line(v));
			details(v, "# ");
		}
	}
	sz_buf_done(&b);
}

/* ---- JUnit ---------------------------------------------------------------------------------- */

static void xml(struct sz_buf *b, const char *s)
{
	struct sz_buf clean = {0};
	size_t i;

	sz_ctl_clean(&clean, s, strlen(s));
	for (i = 0; i < clean.len; i++)
		switch (clean.data[i]) {
		case '<':
			sz_buf_printf(b, "&lt;");
			break;
		case '>':
			sz_buf_printf(b, "&gt;");
			break;
		case '&':
			sz_buf_printf(b, "&amp;");
			break;
		case '"':
			sz_buf_printf(b, "&quot;");
			break;
		default:
			sz_buf_add(b, clean.data + i, 1);
		}
	sz_buf_done(&clean);
}

static void junit_case(struct sz_buf *b, const json_t *v)
{
	sz_buf_printf(b, "  <testcase classname=\"");
	xml(b, text(v, "file"));
	sz_buf_printf(b, "\" name=\"");
	xml(b, text(v, "name"));
	sz_buf_printf(b, "\" line=\"%d\"", line(v));
	if (passed(v)) {
		sz_buf_printf(b, "/>\n");
		return;
	}
	sz_buf_printf(b, "><failure message=\"expected ");
	xml(b, text(v, "expected"));
	sz_buf_printf(b, "; got ");
	xml(b, text(v, "got"));
	sz_buf_printf(b, "\">");
	xml(b, text(v, "why"));
	sz_buf_printf(b, "\n");
	xml(b, text(v, "otherwise"));
	sz_buf_printf(b, "</failure></testcase>\n");
}

static void report_junit(const struct sz_ptest *t)
{
	struct sz_buf b = {0};
	json_t *v;
	size_t i;

	sz_buf_printf(&b,
		      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		      "<testsuites>\n <testsuite name=\"policy\" tests=\"%u\" failures=\"%u\">\n",
		      t->passed + t->failed, t->failed);
	json_array_foreach(t->results, i, v) junit_case(&b, v);
	sz_buf_printf(&b, " </testsuite>\n</testsuites>\n");
	fwrite(b.data, 1, b.len, stdout);
	sz_buf_done(&b);
}

void sz_ptest_report(const struct sz_ptest *t, enum sz_ptest_format format)
{
	switch (format) {
	case SZ_PTEST_TEXT:
		report_text(t);
		break;
	case SZ_PTEST_TAP:
		report_tap(t);
		break;
	case SZ_PTEST_JUNIT:
		report_junit(t);
		break;
	case SZ_PTEST_JSON:
		sz_ctl_print_json(json_pack("{s:i, s:i, s:i, s:O}", "passed", (int)t->passed,
					    "failed", (int)t->failed, "left_out",
					    (int)t->skipped, "tests", t->results));
		break;
	}
}

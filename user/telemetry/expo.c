/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes metrics as text: Prometheus' exposition format 0.0.4 and OpenMetrics 1.0, which differ in
 * how a counter's family is named, in what a help text escapes, and in the last line. Called by the
 * metrics endpoint. Pure: knows no metric by name.
 */
#include <math.h>
#include <string.h>

#include "telemetry/telemetry.h"

static const char *const type_name[] = {
	[SZ_EXPO_COUNTER] = "counter",
	[SZ_EXPO_GAUGE] = "gauge",
	[SZ_EXPO_HISTOGRAM] = "histogram",
};

/* Bytes of the UTF-8 sequence at s; 0 where there is none (RFC 3629). */
static size_t utf8_len(const u8 *s)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4, i;

	if (s[0] > 0xf4)
		return 0;
	for (i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static void add_escaped(struct sz_buf *b, const char *s, bool quotes)
{
	while (*s) {
		size_t n = 0;

		while (s[n] >= ' ' && s[n] <= '~' && s[n] != '\\' && s[n] != '"')
			n++;
		sz_buf_add(b, s, n);
		s += n;
		if (!*s)
			return;
		n = utf8_len((const u8 *)s);
		if (*s == '\\' || (quotes && *s == '"'))
			sz_buf_printf(b, "\\%c", *s);
		else if (*s == '\n')
			sz_buf_add(b, "\\n", 2);
		else
			sz_buf_add(b, n ? s : "?", n ? n : 1);
		s += n ? n : 1;
	}
}

void sz_expo_family(struct sz_expo *x, const char *name, enum sz_expo_type type, const char *help)
{
	size_t n = strlen(name);

	x->name = name;
	x->type = type;
	if (x->openmetrics && type == SZ_EXPO_COUNTER && n > 6 && !strcmp(name + n - 6, "_total"))
		n -= 6;
	sz_buf_printf(&x->out, "# HELP %.*s ", (int)n, name);
	add_escaped(&x->out, help, x->openmetrics);
	sz_buf_printf(&x->out, "\n# TYPE %.*s %s\n", (int)n, name, type_name[type]);
}

void sz_expo_label(struct sz_expo *x, const char *name, const char *value)
{
	sz_buf_printf(&x->labels, "%s%s=\"", x->labels.len ? "," : "", name);
	add_escaped(&x->labels, value, true);
	sz_buf_add(&x->labels, "\"", 1);
}

/* Everything of a sample but its value. */
static void begin_sample(struct sz_expo *x, const char *suffix)
{
	sz_buf_printf(&x->out, "%s%s", x->name, suffix);
	if (x->labels.len)
		sz_buf_printf(&x->out, "{%s}", x->labels.data);
	sz_buf_add(&x->out, " ", 1);
}

static void add_seconds(struct sz_buf *b, u64 ns)
{
	sz_buf_printf(b, "%llu.%09llu", (unsigned long long)(ns / 1000000000u),
		      (unsigned long long)(ns % 1000000000u));
	/* One digit behind the point stays: a whole number of seconds is "1.0" in both formats. */
	while (b->data[b->len - 1] == '0' && b->data[b->len - 2] != '.')
		b->data[--b->len] = 0;
}

void sz_expo_u64(struct sz_expo *x, u64 v)
{
	begin_sample(x, "");
	sz_buf_printf(&x->out, "%llu\n", (unsigned long long)v);
	sz_buf_reset(&x->labels);
}

void sz_expo_f64(struct sz_expo *x, double v)
{
	begin_sample(x, "");
	if (isnan(v))
		sz_buf_printf(&x->out, "NaN\n");
	else if (isinf(v))
		sz_buf_printf(&x->out, "%cInf\n", v < 0 ? '-' : '+');
	else
		sz_buf_printf(&x->out, "%.15g\n", v);
	sz_buf_reset(&x->labels);
}

void sz_expo_seconds(struct sz_expo *x, u64 ns)
{
	begin_sample(x, "");
	add_seconds(&x->out, ns);
	sz_buf_add(&x->out, "\n", 1);
	sz_buf_reset(&x->labels);
}

/* One bucket: `le` in nanoseconds, 0 for the last one. */
static void add_bucket(struct sz_expo *x, u64 le, u64 n)
{
	size_t keep = x->labels.len;

	sz_buf_printf(&x->labels, "%sle=\"", keep ? "," : "");
	if (le)
		add_seconds(&x->labels, le);
	else
		sz_buf_add(&x->labels, "+Inf", 4);
	sz_buf_add(&x->labels, "\"", 1);
	begin_sample(x, "_bucket");
	sz_buf_printf(&x->out, "%llu\n", (unsigned long long)n);
	x->labels.len = keep;
	x->labels.data[keep] = 0;
}

void sz_expo_hist(struct sz_expo *x, const struct sz_hist *h)
{
	static const u64 steps[] = {1, 2, 5};
	u64 decade;
	size_t i;

	for (decade = 1000; decade <= 1000000000; decade *= 10)
		for (i = 0; i < SZ_ARRAY_LEN(steps); i++)
			add_bucket(x, decade * steps[i], sz_hist_below(h, decade * steps[i]));
	add_bucket(x, decade, sz_hist_below(h, decade));
	add_bucket(x, 0, sz_hist_count(h));
	begin_sample(x, "_sum");
	add_seconds(&x->out, sz_hist_sum(h));
	sz_buf_add(&x->out, "\n", 1);
	begin_sample(x, "_count");
	sz_buf_printf(&x->out, "%llu\n", (unsigned long long)sz_hist_count(h));
	sz_buf_reset(&x->labels);
}

void sz_expo_end(struct sz_expo *x)
{
	if (x->openmetrics)
		sz_buf_printf(&x->out, "# EOF\n");
}

void sz_expo_done(struct sz_expo *x)
{
	sz_buf_done(&x->out);
	sz_buf_done(&x->labels);
}

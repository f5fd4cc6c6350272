/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's head scanner on arbitrary bytes. It must read nothing but them, say the same
 * wherever they lie and whatever lies behind them, never take back a verdict when more bytes come,
 * and call clean only what a plain reading, line by line, finds in the strict subset.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "subzero/head.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t n);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static u8 frame[SZ_FRAME_MAX + 64];

static void scan_at(struct sz_scan *s, const u8 *p, u32 n, u32 off, int fill)
{
	memset(frame, fill, sizeof(frame));
	memcpy(frame + off, p, n);
	sz_head_scan(s, frame, off, off + n);
	must(s->status <= SZ_HEAD_AMBIGUOUS);
}

static bool is_word(u8 c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-';
}

static bool named(const char *line, u32 len, const char *name)
{
	return len == strlen(name) && !strncasecmp(line, name, len);
}

/* One header line without its CRLF. */
static void check_line(const struct sz_scan *s, const char *line, u32 n)
{
	const char *colon = memchr(line, ':', n), *v;
	u32 name, len;

	must(colon && colon > line);
	name = (u32)(colon - line);
	v = colon + 1;
	len = n - name - 1;
	for (u32 i = 0; i < name; i++)
		must(is_word((u8)line[i]));
	for (u32 i = 0; i < len; i++)
		must(v[i] >= 0x20 && v[i] < 0x7f);
	if (named(line, name, "host"))
		must(strspn(v, " ") < len);
	if (named(line, name, "transfer-encoding") || named(line, name, "expect"))
		abort();
	if (named(line, name, "content-length")) {
		u32 at = len && v[0] == ' ';

		must(len > at && strspn(v + at, "0123456789") == len - at);
		must(strtoull(v + at, NULL, 10) == s->content_length);
		must(s->content_length <= SZ_BODY_MAX);
	}
	if (named(line, name, "connection"))
		must(named(v, len, " close") || named(v, len, " keep-alive"));
	if (named(line, name, "authorization")) {
		must(len > 8 && !strncasecmp(v, " bearer ", 8) && v[8] != ' ');
		must(s->token_len == len - 8 && s->token_off == (u32)(v + 8 - (char *)frame));
	}
}

/* A clean head at frame + 0 by a plain reading. */
static void check_clean(const struct sz_scan *s)
{
	static const char *const methods[] = {"GET",    "HEAD",  "POST",   "PUT",
					      "DELETE", "PATCH", "OPTIONS"};
	static const char *const once[] = {"host", "content-length", "authorization", "upgrade"};
	const char *p = (char *)frame, *end = p + s->head_end, *line;
	u32 m = (u32)strlen(methods[s->method]), seen[4] = {0}, lines = 0;

	must(s->method < SZ_M_OTHER && !strncmp(p, methods[s->method], m) && p[m] == ' ');
	must(s->path_off == m + 1 && p[m + 1] == '/' && p[s->path_off + s->target_len] == ' ');
	for (u32 i = 0; i < s->target_len; i++)
		must(p[s->path_off + i] > 0x20 && p[s->path_off + i] < 0x7f);
	for (u32 i = 0; i < s->path_len; i++)
		must(!strchr("%;\\#?", p[s->path_off + i]) &&
		     (p[s->path_off + i] != '/' || !strchr("/.", p[s->path_off + i + 1]) ||
		      i + 1 == s->path_len));
	line = p + s->path_off + s->target_len + 1;
	must(!memcmp(line, "HTTP/1.", 7) && (line[7] == '0' || line[7] == '1'));
	must(!memcmp(line + 8, "\r\n", 2) && !memcmp(end - 4, "\r\n\r\n", 4));
	for (line += 10; line < end - 2;) {
		u32 n = (u32)((char *)memmem(line, (size_t)(end - line), "\r\n", 2) - line);
		const char *colon = memchr(line, ':', n);

		check_line(s, line, n);
		for (u32 i = 0; i < 4; i++)
			must(!named(line, (u32)(colon - line), once[i]) || !seen[i]++);
		line += n + 2;
		lines++;
	}
	must(line == end - 2 && lines == s->lines && lines <= SZ_HEADERS_MAX);
	must(seen[0] || (s->flags & SZ_HD_HTTP10));
	must(!!(s->flags & SZ_HD_LENGTH) == seen[1] && !!(s->flags & SZ_HD_BEARER) == seen[2]);
	must(!!(s->flags & SZ_HD_UPGRADE) == seen[3]);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	u32 n = (u32)size, cut = n ? data[n - 1] * n / 256 : 0;
	struct sz_scan s, t;

	if (size > SZ_FRAME_MAX - 64)
		return 0;
	scan_at(&t, data, cut, 0, '\n');
	if (t.status == SZ_HEAD_CLEAN)
		must(t.head_end <= cut);
	scan_at(&s, data, n, 54, '\n');
	must(t.status == SZ_HEAD_PARTIAL || t.status == s.status ||
	     (t.status == SZ_HEAD_UNUSUAL && s.status == SZ_HEAD_UNUSUAL));
	scan_at(&t, data, n, 0, 0);
	must(s.status == t.status && s.flags == t.flags && s.method == t.method);
	if (t.status != SZ_HEAD_CLEAN)
		return 0;
	must(s.head_end == t.head_end + 54 && s.content_length == t.content_length);
	must(t.head_end <= n);
	check_clean(&t);
	scan_at(&s, data, t.head_end - 1, 0, '\n');
	must(s.status == SZ_HEAD_PARTIAL);
	return 0;
}

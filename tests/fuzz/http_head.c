/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The strict head parser on arbitrary bytes, beside the kernel's scanner on the same bytes. The
 * parser must refuse what the scanner calls ambiguous, read what it calls clean in the same way,
 * promise nothing that a shorter or longer input takes back, and write only canonical paths.
 */
#include <string.h>

#include "http/http.h"
#include "subzero/head.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t n);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static struct sz_http_head head, again;
static struct sz_scan scan;

static void check_path(const struct sz_http_head *h)
{
	must(h->path_len < sizeof(h->path) && !h->path[h->path_len]);
	must(strlen(h->path) == h->path_len);
	if (!strcmp(h->path, "*"))
		return;
	must(h->path[0] == '/' && !strstr(h->path, "//") && !strchr(h->path, '\\'));
	must(!strchr(h->path, ';') && !strstr(h->path, "/./") && !strstr(h->path, "/../"));
	must(h->path_len < 2 || strcmp(h->path + h->path_len - 2, "/."));
	must(h->path_len < 3 || strcmp(h->path + h->path_len - 3, "/.."));
}

static void check_clean(const char *p, enum sz_http_status status)
{
	must(status == SZ_HTTP_OK);
	must(head.method == (enum sz_method)scan.method && !head.path_changed);
	must(head.path_len == scan.path_len && head.target == p + scan.path_off);
	must(!memcmp(head.path, p + scan.path_off, scan.path_len));
	must(head.target_len == scan.target_len && head.head_len == scan.head_end);
	must(head.has_length == !!(scan.flags & SZ_HD_LENGTH));
	must(head.content_length == scan.content_length);
	must(head.http10 == !!(scan.flags & SZ_HD_HTTP10) && !head.chunked);
	must(head.upgrade == !!(scan.flags & SZ_HD_UPGRADE) && !head.expect_continue);
	must(head.has_auth == !!(scan.flags & SZ_HD_AUTH));
	if (head.token)
		must(head.token == p + scan.token_off && head.token_len == scan.token_len);
}

static void check_kernel(const char *p, size_t n, enum sz_http_status status)
{
	static u8 frame[SZ_FRAME_MAX + 32];

	if (n > SZ_FRAME_MAX)
		return;
	memcpy(frame, p, n);
	memset(frame + n, 0, 32);
	sz_head_scan(&scan, frame, 0, (u32)n);
	if (scan.status == SZ_HEAD_CLEAN)
		check_clean(p, status);
	else
		must(status != SZ_HTTP_OK || scan.status == SZ_HEAD_UNUSUAL);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
	const char *p = (const char *)data;
	enum sz_reason reason = SZ_R_NONE, other = SZ_R_NONE;
	struct sz_error e = { 0 };
	enum sz_http_status status = sz_http_head_parse(p, n, &head, &reason, &e);
	size_t half = n ? data[n - 1] * n / 256 : 0;
	enum sz_http_status part = sz_http_head_parse(p, half, &again, &other, NULL);

	if (status == SZ_HTTP_BAD)
		must(sz_reason_http(reason) && e.msg[0]);
	if (part == SZ_HTTP_OK)
		must(status == SZ_HTTP_OK && again.head_len == head.head_len);
	if (part == SZ_HTTP_BAD)
		must(status == SZ_HTTP_BAD && other == reason);
	if (status == SZ_HTTP_OK) {
		must(head.head_len <= n && head.head_len <= SZ_HEAD_MAX);
		must(!memcmp(p + head.head_len - 4, "\r\n\r\n", 4));
		must(!(head.chunked && (head.has_length || head.http10)));
		must(sz_http_head_parse(p, head.head_len, &again, &other, NULL) == SZ_HTTP_OK);
		part = sz_http_head_parse(p, head.head_len - 1, &again, &other, NULL);
		must(part == SZ_HTTP_MORE);
		check_path(&head);
	}
	check_kernel(p, n, status);
	return 0;
}

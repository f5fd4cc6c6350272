/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Chunked framing on arbitrary bytes: fed whole, in pieces whose size comes from the first byte,
 * and with the data of chunks skipped unseen, it must find the same end or the same refusal.
 */
#include <string.h>

#include "http/http.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t n);

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* Feeds pieces of `step` bytes; `skip` jumps over announced data instead of feeding it. */
static enum sz_http_status feed_pieces(const char *p, size_t n, size_t step, bool skip,
				       size_t *ret_at)
{
	struct sz_http_chunks c;
	enum sz_http_status status = SZ_HTTP_MORE;
	size_t at = 0;

	sz_http_chunks_init(&c);
	while (at < n && status == SZ_HTTP_MORE) {
		size_t len = n - at < step ? n - at : step, used;

		if (skip && c.left) {
			size_t data = c.left < n - at ? (size_t)c.left : n - at;

			c.left -= data;
			at += data;
			continue;
		}
		status = sz_http_chunks_feed(&c, p + at, len, &used);
		must(used <= len && (status != SZ_HTTP_MORE || used == len));
		must(c.left <= SZ_BODY_MAX);
		at += used;
	}
	*ret_at = at;
	return status;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
	enum sz_http_status whole, pieces, skipped;
	size_t step, end, end_pieces, end_skipped;
	const char *p;

	if (!n)
		return 0;
	step = data[0] % 16 + 1;
	p = (const char *)data + 1;
	n--;
	whole = feed_pieces(p, n, n + 1, false, &end);
	pieces = feed_pieces(p, n, step, false, &end_pieces);
	skipped = feed_pieces(p, n, step, true, &end_skipped);
	must(pieces == whole && skipped == whole);
	must(end_pieces == end && end_skipped == end);
	if (whole == SZ_HTTP_OK)
		must(end >= 5 && !memcmp(p + end - 2, "\r\n", 2));
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Chunked framing: where a body ends, what is refused, and that pieces of any size make no
 * difference.
 */
#include "harness.h"
#include "http/http.h"

static struct sz_http_chunks chunks;
static size_t used;

/* The whole text at once, and again byte by byte: both must come to the same. */
static enum sz_http_status feed(const char *text)
{
	size_t n = strlen(text), at = 0, one = 0;
	enum sz_http_status whole, status = SZ_HTTP_MORE;

	sz_http_chunks_init(&chunks);
	whole = sz_http_chunks_feed(&chunks, text, n, &used);
	sz_http_chunks_init(&chunks);
	while (at < n && status == SZ_HTTP_MORE) {
		status = sz_http_chunks_feed(&chunks, text + at, 1, &one);
		at += one;
	}
	EXPECT_EQ(status, whole);
	EXPECT_EQ(at, used);
	return whole;
}

static void body_ends(const char *body, const char *rest)
{
	char text[256];

	snprintf(text, sizeof(text), "%s%s", body, rest);
	if (!EXPECT_EQ(feed(text), SZ_HTTP_OK))
		printf("# %s\n", text);
	EXPECT_EQ(used, strlen(body));
}

static void refused(const char *text)
{
	if (!EXPECT_EQ(feed(text), SZ_HTTP_BAD))
		printf("# accepted: %s\n", text);
}

TEST(body_ends_behind_the_last_chunk)
{
	body_ends("0\r\n\r\n", "");
	body_ends("0\r\n\r\n", "GET / HTTP/1.1\r\n");
	body_ends("000\r\n\r\n", "x");
	body_ends("5\r\nhello\r\n6\r\n\r\n0\r\n\r\r\n0\r\n\r\n", "0\r\n\r\n");
	body_ends("1B\r\n0123456789 0123456789 01234\r\n1a\r\n0123456789 0123456789 0123\r\n"
		  "0\r\n\r\n", "");
	body_ends("0\r\nVary: *\r\nX-Y:\r\nz: \t\xff\r\n\r\n", "\r\n");
}

TEST(framing_other_than_digits_and_crlf_is_refused)
{
	refused("\r\n");
	refused("g\r\n");
	refused(" 1\r\n");
	refused("1 \r\n");
	refused("0x1\r\n");
	refused("-1\r\n");
	refused("1;a=b\r\n");
	refused("1\n");
	refused("1\rx");
	refused("1\r\nab");
	refused("1\r\na\n");
	refused("1\r\na\rx");
	refused("3\r\nfoo\r\n\r\n");
	refused("00000000000000000\r\n");
	refused("10000000001\r\n");
	refused("ffffffffffffffff\r\n");
}

TEST(trailers_are_header_lines)
{
	refused("0\r\n\n");
	refused("0\r\n\rx");
	refused("0\r\n x: y\r\n");
	refused("0\r\n: y\r\n");
	refused("0\r\nx y: z\r\n");
	refused("0\r\nx\r\n");
	refused("0\r\nx: y\n");
	refused("0\r\nx: y\rz");
	refused("0\r\nx: \x01");
	refused("0\r\nx: \x7f");
}

TEST(largest_chunk_is_the_largest_body)
{
	EXPECT_EQ(feed("10000000000\r\n"), SZ_HTTP_MORE);
	EXPECT_EQ(chunks.left, SZ_BODY_MAX);
	EXPECT_EQ(feed("0000010000000000\r\n"), SZ_HTTP_MORE);
	EXPECT_EQ(chunks.left, SZ_BODY_MAX);
}

TEST(trailers_beyond_8_kib_are_refused)
{
	static char text[16384];
	int n = snprintf(text, sizeof(text), "0\r\n");

	/* 1638 lines of 5 bytes: 8190, and the empty line makes 8192. */
	for (int i = 0; i < 1638; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "x:y\r\n");
	snprintf(text + n, sizeof(text) - (size_t)n, "\r\n");
	EXPECT_EQ(feed(text), SZ_HTTP_OK);
	snprintf(text + n, sizeof(text) - (size_t)n, "x:y\r\n\r\n");
	EXPECT_EQ(feed(text), SZ_HTTP_BAD);
}

TEST(data_of_a_chunk_may_be_skipped_unseen)
{
	sz_http_chunks_init(&chunks);
	EXPECT_EQ(sz_http_chunks_feed(&chunks, "40\r\nabc", 7, &used), SZ_HTTP_MORE);
	EXPECT_EQ(used, 7);
	ASSERT_EQ(chunks.left, 61);
	chunks.left = 0;
	EXPECT_EQ(sz_http_chunks_feed(&chunks, "\r\n0\r\n\r\nGET", 10, &used), SZ_HTTP_OK);
	EXPECT_EQ(used, 7);
}

TEST(end_and_refusal_are_final)
{
	EXPECT_EQ(feed("0\r\n\r\n"), SZ_HTTP_OK);
	EXPECT_EQ(sz_http_chunks_feed(&chunks, "0\r\n\r\n", 5, &used), SZ_HTTP_OK);
	EXPECT_EQ(used, 0);
	EXPECT_EQ(feed("x"), SZ_HTTP_BAD);
	EXPECT_EQ(sz_http_chunks_feed(&chunks, "0\r\n\r\n", 5, &used), SZ_HTTP_BAD);
	EXPECT_EQ(used, 0);
}

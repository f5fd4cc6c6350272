/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The traffic client's response reader: what it accepts, where it says a response ends, and what it
 * refuses. Every case is also fed one byte at a time.
 */
#include "harness.h"
#include "http_response.h"

static struct response whole, bytes;

static size_t feed(const char *text)
{
	size_t n = strlen(text), used, i = 0;

	response_init(&whole, false);
	response_init(&bytes, false);
	used = response_feed(&whole, text, n);
	while (i < n && bytes.state < RESPONSE_DONE)
		response_feed(&bytes, text + i++, 1);
	EXPECT_EQ(bytes.state, whole.state);
	EXPECT_EQ(bytes.body_length, whole.body_length);
	return used;
}

static void refused(const char *text, const char *why)
{
	feed(text);
	EXPECT_EQ(whole.state, RESPONSE_BAD);
	EXPECT_STREQ(whole.why, why);
}

TEST(content_length_ends_the_response_and_leaves_the_next_one)
{
	const char *text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1";

	EXPECT_EQ(feed(text), strlen(text) - 8);
	EXPECT_EQ(whole.state, RESPONSE_DONE);
	EXPECT_EQ(whole.status, 200);
	EXPECT_STREQ(whole.body, "hello");
	EXPECT_STREQ(bytes.body, "hello");
	EXPECT_EQ(whole.close, false);
}

TEST(chunked_body_is_joined_and_its_trailer_read)
{
	feed("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
	     "3\r\nabc\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n");
	EXPECT_EQ(whole.state, RESPONSE_DONE);
	EXPECT_STREQ(whole.body, "abc0123456789");
}

TEST(empty_reason_and_empty_body_are_complete)
{
	feed("HTTP/1.1 401 \r\ncontent-length:0\r\nConnection: x, close\r\n\r\n");
	EXPECT_EQ(whole.state, RESPONSE_DONE);
	EXPECT_EQ(whole.status, 401);
	EXPECT_EQ(whole.close, true);
}

TEST(head_204_and_304_have_no_body)
{
	feed("HTTP/1.1 204 No Content\r\n\r\n");
	EXPECT_EQ(whole.state, RESPONSE_DONE);
	feed("HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n");
	EXPECT_EQ(whole.state, RESPONSE_DONE);
	response_init(&whole, true);
	response_feed(&whole, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", 39);
	EXPECT_EQ(whole.state, RESPONSE_DONE);
}

TEST(interim_response_is_passed_over)
{
	feed("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	EXPECT_EQ(whole.state, RESPONSE_DONE);
	EXPECT_EQ(whole.status, 200);
	EXPECT_STREQ(whole.body, "ok");
}

TEST(body_until_close_ends_at_close_and_any_other_does_not)
{
	feed("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc");
	EXPECT_EQ(whole.state, RESPONSE_UNTIL_CLOSE);
	response_eof(&whole);
	EXPECT_EQ(whole.state, RESPONSE_DONE);
	feed("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc");
	response_eof(&whole);
	EXPECT_EQ(whole.state, RESPONSE_BAD);
	EXPECT_STREQ(whole.why, "the connection ended inside the response");
}

TEST(ambiguous_or_malformed_responses_are_refused)
{
	refused("HTTP/1.0 200 OK\r\n\r\n", "a bad status line");
	refused("HTTP/1.1 2x0 OK\r\n\r\n", "a bad status line");
	refused("HTTP/1.1 600 OK\r\n\r\n", "a bad status line");
	refused("HTTP/1.1 200 OK\nA: b\r\n\r\n", "a line that does not end in CRLF");
	refused("HTTP/1.1 200 OK\r\nA b\r\n\r\n", "a header line without a valid name");
	refused("HTTP/1.1 200 OK\r\n A: b\r\n\r\n", "a header line without a valid name");
	refused("HTTP/1.1 200 OK\r\nA: \x01\r\n\r\n", "a control character in a header");
	refused("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
		"two Content-Length headers");
	refused("HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
		"a Content-Length that is no number");
	refused("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"a Content-Length that is no number");
	refused("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"both Content-Length and Transfer-Encoding");
	refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		"a Transfer-Encoding other than chunked");
	refused("HTTP/1.1 200 OK\r\n\r\n", "no Content-Length on a connection that stays open");
	refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
		"a chunk longer than its size");
	refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\na",
		"a bad chunk size");
	refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\na",
		"a chunk line that does not end in CRLF");
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The strict request-head parser: what it reads, what it refuses and why, and its canonical paths.
 */
#include "harness.h"
#include "http/http.h"

static struct sz_http_head head;
static enum sz_reason reason;
static struct sz_error error;

static enum sz_http_status parse_n(const char *p, size_t n)
{
	/* An exact copy on the heap: a read beyond it is an error the sanitizer sees. */
	char *copy = malloc(n ? n : 1);
	enum sz_http_status status;

	memcpy(copy, p, n);
	reason = SZ_R_NONE;
	error.msg[0] = '\0';
	status = sz_http_head_parse(copy, n, &head, &reason, &error);
	if (status == SZ_HTTP_OK) {
		/* Let the pieces point into the caller's bytes, which outlive the copy. */
		head.method_text = p + (head.method_text - copy);
		head.target = p + (head.target - copy);
		head.token = head.token ? p + (head.token - copy) : NULL;
		head.proof = head.proof ? p + (head.proof - copy) : NULL;
	}
	free(copy);
	return status;
}

static enum sz_http_status parse(const char *text)
{
	return parse_n(text, strlen(text));
}

static void refused(const char *text, enum sz_reason why, const char *words)
{
	if (!EXPECT_EQ(parse(text), SZ_HTTP_BAD))
		printf("# accepted: %s\n", text);
	EXPECT_EQ(reason, why);
	EXPECT_CONTAINS(error.msg, words);
}

/* "GET <target> HTTP/1.1", Host: h */
static enum sz_http_status get(const char *target)
{
	static char text[SZ_HEAD_MAX];

	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", target);
	return parse(text);
}

static void path_is(const char *target, const char *path, bool changed)
{
	if (!EXPECT_EQ(get(target), SZ_HTTP_OK))
		printf("# %s: %s\n", target, error.msg);
	EXPECT_STREQ(head.path, path);
	EXPECT_EQ(head.path_len, strlen(path));
	EXPECT_EQ(head.path_changed, changed);
}

static void path_refused(const char *target, const char *words)
{
	if (!EXPECT_EQ(get(target), SZ_HTTP_BAD))
		printf("# accepted: %s as %s\n", target, head.path);
	EXPECT_EQ(reason, SZ_R_BAD_REQUEST);
	EXPECT_CONTAINS(error.msg, words);
}

/* One header line beside Host, in HTTP/1.1. */
static enum sz_http_status with(const char *line)
{
	static char text[SZ_HEAD_MAX];

	snprintf(text, sizeof(text), "POST /a HTTP/1.1\r\nHost: h\r\n%s\r\n\r\n", line);
	return parse(text);
}

static void line_refused(const char *line, const char *words)
{
	if (!EXPECT_EQ(with(line), SZ_HTTP_BAD))
		printf("# accepted: %s\n", line);
	EXPECT_EQ(reason, SZ_R_BAD_REQUEST);
	EXPECT_CONTAINS(error.msg, words);
}

TEST(plain_request_is_read_whole)
{
	const char *text = "POST /a/b?c=d HTTP/1.1\r\nHost: example.org:80\r\n"
			   "Content-Length: 12\r\n"
			   "Authorization: Bearer abc.def-_~+/==\r\nAccept: \t*/*\t\r\n\r\nbody";

	ASSERT_EQ(parse(text), SZ_HTTP_OK);
	EXPECT_EQ(head.method, SZ_M_POST);
	EXPECT_EQ(head.method_len, 4);
	EXPECT_MEMEQ(head.method_text, "POST", 4);
	EXPECT_EQ(head.target_len, 8);
	EXPECT_MEMEQ(head.target, "/a/b?c=d", 8);
	EXPECT_STREQ(head.path, "/a/b");
	EXPECT_EQ(head.path_changed, false);
	EXPECT_EQ(head.token_len, 14);
	EXPECT_MEMEQ(head.token, "abc.def-_~+/==", 14);
	EXPECT_EQ(head.has_auth, true);
	EXPECT_EQ(head.has_length, true);
	EXPECT_EQ(head.content_length, 12);
	EXPECT_EQ(head.chunked || head.upgrade || head.expect_continue || head.http10, false);
	EXPECT_EQ(head.head_len, strlen(text) - 4);
}

TEST(every_prefix_of_a_head_wants_more)
{
	const char *text = "PUT http://h/a%20b HTTP/1.1\r\nHost: h\r\n"
			   "Transfer-Encoding: chunked\r\n"
			   "Expect: 100-continue\r\nConnection: close, x\r\n\r\n";

	for (size_t n = 0; n < strlen(text); n++)
		if (!EXPECT_EQ(parse_n(text, n), SZ_HTTP_MORE))
			printf("# at %zu: %s\n", n, error.msg);
	ASSERT_EQ(parse(text), SZ_HTTP_OK);
	EXPECT_EQ(head.chunked, true);
	EXPECT_EQ(head.expect_continue, true);
	EXPECT_STREQ(head.path, "/a b");
	EXPECT_EQ(head.path_changed, true);
}

TEST(methods_are_capitals)
{
	ASSERT_EQ(parse("PROPFIND / HTTP/1.1\r\nHost: h\r\n\r\n"), SZ_HTTP_OK);
	EXPECT_EQ(head.method, SZ_M_OTHER);
	EXPECT_EQ(parse("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.0\r\n\r\n"), SZ_HTTP_OK);
	refused("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.0\r\n\r\n", SZ_R_BAD_REQUEST, "method");
	refused("get / HTTP/1.1\r\nHost: h\r\n\r\n", SZ_R_BAD_REQUEST, "method");
	refused("GeT / HTTP/1.1\r\nHost: h\r\n\r\n", SZ_R_BAD_REQUEST, "method");
	refused(" / HTTP/1.1\r\nHost: h\r\n\r\n", SZ_R_BAD_REQUEST, "method");
	refused("GET\r\n", SZ_R_BAD_REQUEST, "method");
	refused("CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n", SZ_R_BAD_REQUEST, "CONNECT");
	refused("TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", SZ_R_BAD_REQUEST, "TRACE");
	refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", SZ_R_BAD_REQUEST, "PRI");
}

TEST(request_line_is_exact)
{
	refused("\r\nGET / HTTP/1.1\r\n", SZ_R_BAD_REQUEST, "method");
	refused("GET  / HTTP/1.1\r\n", SZ_R_BAD_REQUEST, "space");
	refused("GET / a HTTP/1.1\r\n", SZ_R_BAD_REQUEST, "space");
	refused("GET /\r\n", SZ_R_BAD_REQUEST, "HTTP/1.1");
	refused("GET / HTTP/1.2\r\n", SZ_R_BAD_REQUEST, "HTTP/1.1");
	refused("GET / HTTP/2.0\r\n", SZ_R_BAD_REQUEST, "HTTP/1.1");
	refused("GET / http/1.1\r\n", SZ_R_BAD_REQUEST, "HTTP/1.1");
	refused("GET / HTTP/1.1 \r\n", SZ_R_BAD_REQUEST, "HTTP/1.1");
	refused("GET HTTP/1.1\r\n", SZ_R_BAD_REQUEST, "HTTP/1.1");
	refused("GET  HTTP/1.1\r\n", SZ_R_BAD_REQUEST, "HTTP/1.1");
	refused("GET / HTTP/1.1\n", SZ_R_BAD_REQUEST, "CRLF");
	refused("GET / HTTP/1.1\r\r\n", SZ_R_BAD_REQUEST, "CRLF");
	refused("GET / HTTP/1.1\rHost: h", SZ_R_BAD_REQUEST, "CRLF");
	refused("GET /\x80 HTTP/1.1\r\n", SZ_R_BAD_REQUEST, "ASCII");
	refused("GET /?\xc3\xa4 HTTP/1.1\r\n", SZ_R_BAD_REQUEST, "ASCII");
	refused("GET /\x01 HTTP/1.1", SZ_R_BAD_REQUEST, "control");
	EXPECT_EQ(parse_n("GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n", 29), SZ_HTTP_BAD);
}

TEST(target_forms)
{
	path_is("http://h/a?b", "/a", false);
	path_is("HTTP://H", "/", true);
	path_is("http://h?x", "/", true);
	path_refused("http://other/a", "same host");
	path_refused("http://h:80/a", "same host");
	path_refused("http://u@h/a", "host name");
	path_refused("http:///a", "host name");
	path_refused("https://h/a", "begin with");
	path_refused("h:80", "begin with");
	path_refused("*", "begin with");
	path_refused("?a", "begin with");
	refused("GET http://h/ HTTP/1.0\r\n\r\n", SZ_R_BAD_REQUEST, "same host");
	ASSERT_EQ(parse("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"), SZ_HTTP_OK);
	EXPECT_STREQ(head.path, "*");
	EXPECT_EQ(head.path_changed, false);
}

TEST(paths_become_canonical)
{
	path_is("/", "/", false);
	path_is("/?/../%zz", "/", false);
	path_is("/a/", "/a/", false);
	path_is("/a.b/..c/...", "/a.b/..c/...", false);
	path_is("/%61%2D%7e", "/a-~", true);
	path_is("/a%20b%22%3f%23", "/a b\"?#", true);
	path_is("/%C3%A4/%E2%82%AC/%F0%9F%98%80", "/\xc3\xa4/\xe2\x82\xac/\xf0\x9f\x98\x80", true);
	path_is("/100%25", "/100%", true);
	path_is("/a/./b/.", "/a/b/", true);
	path_is("/a/b/../c", "/a/c", true);
	path_is("/a/..", "/", true);
	path_is("/a/%2e%2E/b", "/b", true);
	path_is("/a//b///", "/a/b/", true);
	path_is("/a;v=1/b;c;d", "/a/b", true);
	path_is("/a%3bv=1", "/a", true);
	path_is("/a/;x", "/a/", true);
	path_is("/a\"<>[]^`{|}", "/a\"<>[]^`{|}", false);
}

TEST(paths_that_servers_read_differently_are_refused)
{
	path_refused("/a%2Fb", "slash");
	path_refused("/a%2fb", "slash");
	path_refused("/a%5cb", "slash");
	path_refused("/a\\b", "'\\'");
	path_refused("/a#b", "'#'");
	path_refused("/a?b#c", "'#'");
	path_refused("/a%00", "control");
	path_refused("/a%1F", "control");
	path_refused("/a%7f", "control");
	path_refused("/a%", "hex");
	path_refused("/a%4", "hex");
	path_refused("/a%4/x", "hex");
	path_refused("/a%u002f", "hex");
	path_refused("/a;%2f", "slash");
	path_refused("/a%252f", "twice");
	path_refused("/a%25%32%46", "twice");
	path_refused("/a%C0%AF", "UTF-8");
	path_refused("/a%E0%80%AF", "UTF-8");
	path_refused("/a%ED%A0%80", "UTF-8");
	path_refused("/a%F4%90%80%80", "UTF-8");
	path_refused("/a%F5%80%80%80", "UTF-8");
	path_refused("/a%FC", "UTF-8");
	path_refused("/a%C3/%A4", "UTF-8");
	path_refused("/..", "climbs");
	path_refused("/a/../../b", "climbs");
	path_refused("/%2e%2e/a", "climbs");
	path_refused("//a/b", "host name");
	path_refused("/a/..;/b", "parameters");
	path_refused("/a/.%2e%3bx/b", "parameters");
	path_refused("/a/.;/b", "parameters");
	path_refused("/a//../b", "empty");
	path_refused("/a/;x/../b", "empty");
	path_refused("/a/../b/%2e/c", "encoded dot");
}

TEST(header_syntax_is_strict)
{
	EXPECT_EQ(with("X: a\tb\x80\xff"), SZ_HTTP_OK);
	EXPECT_EQ(with("X!#$%&'*+-.^_`|~1:"), SZ_HTTP_OK);
	line_refused("X : a", "no space");
	line_refused(" X: a", "no space");
	line_refused("X: a\r\n b", "no space");
	line_refused(": a", "no space");
	line_refused("X", "no space");
	line_refused("X\x80: a", "no space");
	line_refused("X: a\rY: b", "CRLF");
	line_refused("X: a\nY: b", "CRLF");
	line_refused("X: a\x01", "control");
	line_refused("X: a\x7f", "control");
	line_refused("Content_Length: 1", "read this name as content-length");
	line_refused("Transfer.Encoding: chunked", "read this name as transfer-encoding");
}

TEST(host_stands_once)
{
	refused("GET / HTTP/1.1\r\n\r\n", SZ_R_BAD_REQUEST, "Host");
	EXPECT_EQ(parse("GET / HTTP/1.0\r\n\r\n"), SZ_HTTP_OK);
	EXPECT_EQ(head.http10, true);
	line_refused("HOST: h", "several host");
	refused("GET / HTTP/1.1\r\nHost: \r\n\r\n", SZ_R_BAD_REQUEST, "empty");
	refused("GET / HTTP/1.1\r\nHost: a\tb\r\n\r\n", SZ_R_BAD_REQUEST, "tab");
	refused("GET / HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n", SZ_R_BAD_REQUEST, "ASCII");
}

TEST(host_is_a_name_or_an_address)
{
	static const char *const good[] = {"a_b.c-d~:8080", "[::1]", "[2001:dB8::192.0.2.1]:80",
					   "h:"};
	static const char *const bad[] = {"a b",  "a,b",   "u@h", "h/x",    "h#",     "h?",
					  "h:8o", "[::1", "[]",  "[::g]", "[::1]x", ":80"};
	char text[128];

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", good[i]);
		EXPECT_EQ(parse(text), SZ_HTTP_OK);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", bad[i]);
		refused(text, SZ_R_BAD_REQUEST, "name or an address");
	}
}

TEST(body_length_is_beyond_doubt)
{
	ASSERT_EQ(with("content-length:007"), SZ_HTTP_OK);
	EXPECT_EQ(head.content_length, 7);
	ASSERT_EQ(with("Content-Length: 1099511627776"), SZ_HTTP_OK);
	EXPECT_EQ(head.content_length, 1099511627776);
	line_refused("Content-Length: 1099511627777", "above");
	line_refused("Content-Length: 18446744073709551617", "digits");
	line_refused("Content-Length:", "digits");
	line_refused("Content-Length: ", "digits");
	line_refused("Content-Length:  1", "digits");
	line_refused("Content-Length: 1 ", "digits");
	line_refused("Content-Length: +1", "digits");
	line_refused("Content-Length: -1", "digits");
	line_refused("Content-Length: 0x1", "digits");
	line_refused("Content-Length: 1, 1", "digits");
	line_refused("Content-Length:\t1", "tab");
	line_refused("Content-Length: 1\r\nContent-Length: 1", "several content-length");
	ASSERT_EQ(with("Transfer-Encoding: chunked"), SZ_HTTP_OK);
	EXPECT_EQ(head.chunked, true);
	line_refused("Transfer-Encoding: Chunked", "chunked");
	line_refused("Transfer-Encoding: chunked ", "chunked");
	line_refused("Transfer-Encoding: gzip, chunked", "chunked");
	line_refused("Transfer-Encoding: identity", "chunked");
	line_refused("Transfer-Encoding:", "chunked");
	line_refused("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "several");
	line_refused("Transfer-Encoding: chunked\r\nContent-Length: 1", "beside");
	refused("PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", SZ_R_BAD_REQUEST, "1.0");
}

TEST(bearer_token_is_found)
{
	static const char *const other[] = {
		"Authorization: Basic YTpi",    "Authorization: Bearer",
		"Authorization:",               "Authorization: Bearer ",
		"Authorization: Bearer a b",    "Authorization: Bearer a ",
		"Authorization: Bearer a,b",    "Authorization: Bearer =",
		"Authorization: Bearer a=b",    "Authorization: Bearertoken a",
		"Authorization: Bearer \"a\"",
	};

	ASSERT_EQ(with("AUTHORIZATION:  bEARER   a.b.c"), SZ_HTTP_OK);
	EXPECT_EQ(head.token_len, 5);
	EXPECT_MEMEQ(head.token, "a.b.c", 5);
	for (size_t i = 0; i < SZ_ARRAY_LEN(other); i++) {
		if (!EXPECT_EQ(with(other[i]), SZ_HTTP_OK))
			printf("# %s: %s\n", other[i], error.msg);
		EXPECT_TRUE(!head.token && head.has_auth);
	}
	ASSERT_EQ(with("X: y"), SZ_HTTP_OK);
	EXPECT_TRUE(!head.token && !head.has_auth);
	line_refused("Authorization: Bearer a\r\nAuthorization: Bearer a", "several authorization");
	line_refused("Authorization: Bearer\ta", "tab");
}

TEST(dpop_token_and_its_proof_are_found)
{
	ASSERT_EQ(with("Authorization: dPoP  a.b.c\r\nDPOP:  x.y.z "), SZ_HTTP_OK);
	EXPECT_TRUE(head.dpop);
	EXPECT_EQ(head.token_len, 5);
	EXPECT_MEMEQ(head.token, "a.b.c", 5);
	EXPECT_EQ(head.proof_len, 5);
	EXPECT_MEMEQ(head.proof, "x.y.z", 5);
	ASSERT_EQ(with("DPoP: x\r\nAuthorization: DPoP a\r\nDPoP: x"), SZ_HTTP_OK);
	EXPECT_TRUE(head.dpop && head.token && !head.proof);
	ASSERT_EQ(with("DPoP:\r\nDPoP: x"), SZ_HTTP_OK);
	EXPECT_TRUE(!head.proof);
	ASSERT_EQ(with("Authorization: Bearer a\r\nDPoP: x"), SZ_HTTP_OK);
	EXPECT_TRUE(!head.dpop && head.token);
	ASSERT_EQ(with("Authorization: DPoP"), SZ_HTTP_OK);
	EXPECT_TRUE(!head.token && head.has_auth);
	ASSERT_EQ(with("Authorization: DPoP a b"), SZ_HTTP_OK);
	EXPECT_TRUE(!head.token && head.has_auth);
}

TEST(connection_upgrade_and_expect)
{
	EXPECT_EQ(with("Connection: keep-alive, TE\r\nConnection: ,close\r\nTE: x"), SZ_HTTP_OK);
	line_refused("Connection: close, HOST", "must not name host");
	line_refused("Connection: authorization ,x", "must not name authorization");
	line_refused("Connection: Content-Length", "must not name content-length");
	line_refused("Connection:x,\tTransfer-Encoding", "must not name transfer-encoding");
	line_refused("Connection: close;x", "between commas");
	line_refused("Connection: a b", "between commas");
	line_refused("Connection: close,\"x\"", "between commas");
	ASSERT_EQ(with("Upgrade: websocket"), SZ_HTTP_OK);
	EXPECT_EQ(head.upgrade, true);
	line_refused("Upgrade: a\r\nUpgrade: b", "several upgrade");
	ASSERT_EQ(with("Expect: 100-Continue "), SZ_HTTP_OK);
	EXPECT_EQ(head.expect_continue, true);
	ASSERT_EQ(parse("PUT / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"), SZ_HTTP_OK);
	EXPECT_EQ(head.expect_continue, false);
	EXPECT_EQ(with("Expect: 200-ok"), SZ_HTTP_BAD);
	EXPECT_EQ(reason, SZ_R_BAD_EXPECT);
	line_refused("Expect: 100-continue\r\nExpect: 100-continue", "several expect");
}

TEST(head_has_a_largest_size)
{
	static char text[SZ_HEAD_MAX + 8];
	size_t n = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: h\r\nX: ");

	memset(text + n, 'x', sizeof(text) - n);
	memcpy(text + SZ_HEAD_MAX - 4, "\r\n\r\n", 4);
	EXPECT_EQ(parse_n(text, SZ_HEAD_MAX - 1), SZ_HTTP_MORE);
	ASSERT_EQ(parse_n(text, SZ_HEAD_MAX), SZ_HTTP_OK);
	EXPECT_EQ(head.head_len, SZ_HEAD_MAX);
	ASSERT_EQ(parse_n(text, SZ_HEAD_MAX + 8), SZ_HTTP_OK);
	memset(text + SZ_HEAD_MAX - 4, 'x', 4);
	memcpy(text + SZ_HEAD_MAX - 3, "\r\n\r\n", 4);
	EXPECT_EQ(parse_n(text, SZ_HEAD_MAX + 1), SZ_HTTP_BAD);
	EXPECT_EQ(reason, SZ_R_HEAD_TOO_LARGE);
}

TEST(head_has_a_largest_number_of_lines)
{
	struct sz_buf b = { 0 };

	sz_buf_printf(&b, "GET / HTTP/1.1\r\nHost: h\r\n");
	for (int i = 1; i < SZ_HEADERS_MAX; i++)
		sz_buf_printf(&b, "X: %d\r\n", i);
	sz_buf_printf(&b, "\r\n");
	EXPECT_EQ(parse(b.data), SZ_HTTP_OK);
	b.len -= 2;
	sz_buf_printf(&b, "X: y\r\n\r\n");
	refused(b.data, SZ_R_HEAD_TOO_LARGE, "100 header lines");
	sz_buf_done(&b);
}

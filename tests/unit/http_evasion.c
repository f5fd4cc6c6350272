/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Requests that real servers were seen to read in different ways (46-http-servers.sh), one test for
 * each rule that keeps them out, on both readers: the kernel's scanner and the daemon's parser. A
 * test names who disagreed about what. It must never depend on a server.
 */
#include "harness.h"
#include "http/http.h"
#include "subzero/head.h"

static struct sz_http_head head;
static struct sz_scan scan;

static enum sz_http_status daemon_reads(const char *p, size_t n)
{
	/* An exact copy on the heap: a read beyond it is an error the sanitizer sees. */
	char *copy = malloc(n ? n : 1);
	enum sz_reason reason = SZ_R_NONE;
	struct sz_error error;
	enum sz_http_status status;

	memcpy(copy, p, n);
	status = sz_http_head_parse(copy, n, &head, &reason, &error);
	free(copy);
	return status;
}

static u32 kernel_reads(const char *p, size_t n)
{
	static u8 frame[SZ_FRAME_MAX + 64];

	memset(frame, 0, sizeof(frame));
	memcpy(frame, p, n);
	sz_head_scan(&scan, frame, 0, (u32)n);
	return scan.status;
}

/* Does a head get in, by whatever way? */
static bool gets_in(const char *p, size_t n)
{
	switch (kernel_reads(p, n)) {
	case SZ_HEAD_CLEAN:
		return true;
	case SZ_HEAD_AMBIGUOUS:
		return false;
	default:
		return daemon_reads(p, n) != SZ_HTTP_BAD;
	}
}

/*
 * Both readers: the kernel must not find it clean, the daemon must refuse it, for which of them
 * reads a head is the client's choice (where it cuts its segments).
 */
static void out_n(const char *p, size_t n)
{
	if (!EXPECT_EQ(gets_in(p, n), false) || !EXPECT_EQ(daemon_reads(p, n), SZ_HTTP_BAD))
		printf("# gets in: %.*s\n", (int)n, p);
}

static void out(const char *text)
{
	out_n(text, strlen(text));
}

static void in(const char *text)
{
	if (!EXPECT_EQ(gets_in(text, strlen(text)), true) ||
	    !EXPECT_EQ(daemon_reads(text, strlen(text)), SZ_HTTP_OK))
		printf("# refused: %s\n", text);
}

/* What no daemon is needed for: a flood of it must not cost more than a 400. */
static void out_at_once(const char *text)
{
	out(text);
	if (!EXPECT_EQ(kernel_reads(text, strlen(text)), SZ_HEAD_AMBIGUOUS))
		printf("# goes to the daemon: %s\n", text);
}

#define LINE(line) line "\r\nHost: h.test\r\nAuthorization: Bearer a.b.c\r\n\r\n"
#define FIELD(field)                                                                               \
	"POST /orders HTTP/1.1\r\nHost: h.test\r\nAuthorization: Bearer a.b.c\r\n" field "\r\n\r"  \
											 "\n"
#define HOST(line) "GET /orders HTTP/1.1\r\n" line "\r\nAuthorization: Bearer a.b.c\r\n\r\n"
#define AUTH(line) "GET /orders HTTP/1.1\r\nHost: h.test\r\n" line "\r\n\r\n"

#define EACH(say, ...)                                                                             \
	do {                                                                                       \
		static const char *const all_[] = {__VA_ARGS__};                                   \
		for (size_t i_ = 0; i_ < SZ_ARRAY_LEN(all_); i_++)                                 \
			say(all_[i_]);                                                             \
	} while (0)

TEST(ordinary_requests_beside_them_get_in)
{
	EACH(in, LINE("GET /orders HTTP/1.1"), LINE("GET /orders HTTP/1.0"),
	     LINE("GET http://h.test/orders HTTP/1.1"), LINE("GET /orders?a?b=/../c HTTP/1.1"),
	     FIELD("Content-Length: 5"), FIELD("Content-Length:5"), FIELD("Content-Length: 05"),
	     FIELD("Transfer-Encoding: chunked"), FIELD("Expect: 100-continue"),
	     FIELD("Connection: keep-alive, TE"), FIELD("Connection: close"), FIELD("X_Y: z"),
	     HOST("Host: h.test:8080"), HOST("HOST: [::1]:80"),
	     AUTH("AUTHORIZATION: bearer a.b.c"));
}

TEST(the_worst_of_them_end_in_the_kernel)
{
	EACH(out_at_once, FIELD("Content-Length: 5\r\nTransfer-Encoding: chunked"),
	     FIELD("Content-Length: 5\r\nContent-Length: 6"), FIELD("Content-Length: +5"),
	     FIELD("X: \x01"), FIELD("X: y\nZ: w"), FIELD("X : y"), FIELD(" X: y"),
	     LINE("get /orders HTTP/1.1"), LINE("GET /orders HTTP/1.2"),
	     "GET /orders HTTP/1.1\r\n\r\n",
	     AUTH("Authorization: Bearer a.b.c\r\nAuthorization: Bearer d.e.f"));
}

/* ---- length -------------------------------------------------------------------------------- */

/* Python takes the first of two lengths, others refuse. */
TEST(length_that_stands_twice_does_not_get_in)
{
	EACH(out, FIELD("Content-Length: 5\r\nContent-Length: 6"),
	     FIELD("Content-Length: 5\r\nContent-Length: 5"),
	     FIELD("Content-Length: 5\r\nX: y\r\ncontent-length: 0"));
}

/* Python's int() takes signs and underscores; HAProxy takes a list of equal numbers. */
TEST(length_that_is_not_digits_does_not_get_in)
{
	EACH(out, FIELD("Content-Length: +5"), FIELD("Content-Length: -5"),
	     FIELD("Content-Length: 5_0"), FIELD("Content-Length: 0x5"),
	     FIELD("Content-Length: 5, 5"), FIELD("Content-Length: 5,"),
	     FIELD("Content-Length: 5 5"), FIELD("Content-Length:"), FIELD("Content-Length: "),
	     FIELD("Content-Length: 5;a"), FIELD("Content-Length: 5.0"),
	     FIELD("Content-Length: \"5\""),
	     FIELD("Content-Length: \xa0"
		   "5"));
}

TEST(length_beyond_every_counter_does_not_get_in)
{
	EACH(out, FIELD("Content-Length: 9223372036854775808"),
	     FIELD("Content-Length: 18446744073709551621"),
	     FIELD("Content-Length: 36893488147419103237"), FIELD("Content-Length: 1099511627777"),
	     FIELD("Content-Length: 00000000000005"));
}

/* Who honours which of the two is the oldest disagreement of all. */
TEST(length_beside_chunked_does_not_get_in)
{
	EACH(out, FIELD("Content-Length: 5\r\nTransfer-Encoding: chunked"),
	     FIELD("Transfer-Encoding: chunked\r\nContent-Length: 5"),
	     FIELD("Content-Length: 5\r\nTransfer-Encoding: identity"));
}

/* HAProxy forwards a list with an empty member as it is; Python does not know chunked at all. */
TEST(coding_other_than_chunked_does_not_get_in)
{
	EACH(out, FIELD("Transfer-Encoding: chunked,"), FIELD("Transfer-Encoding: ,chunked"),
	     FIELD("Transfer-Encoding: identity"), FIELD("Transfer-Encoding: gzip, chunked"),
	     FIELD("Transfer-Encoding: chunked, identity"), FIELD("Transfer-Encoding:"),
	     FIELD("Transfer-Encoding: xchunked"), FIELD("Transfer-Encoding: chunked;q=1"),
	     FIELD("Transfer-Encoding: \"chunked\""), FIELD("Transfer-Encoding:\tchunked"),
	     FIELD("Transfer-Encoding: chunked\xa0"),
	     FIELD("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
	     FIELD("Transfer-Encoding: x\r\nTransfer-Encoding: chunked"));
}

TEST(chunked_in_http_1_0_does_not_get_in)
{
	out("POST /orders HTTP/1.0\r\nHost: h.test\r\nTransfer-Encoding: chunked\r\n\r\n");
}

/* Servers that make variables of fields fold '_' and '-'. */
TEST(names_that_fold_onto_the_framing_do_not_get_in)
{
	EACH(out, FIELD("Content_Length: 5"), FIELD("Transfer_Encoding: chunked"),
	     FIELD("Transfer.Encoding: chunked"), FIELD("Content-Length: 0\r\nContent_Length: 5"),
	     FIELD("Authorization_: x\r\nContent_length: 1"));
}

/* ---- lines --------------------------------------------------------------------------------- */

/* Servers differ about a bare LF, and lenient ones about a bare CR. */
TEST(lines_that_do_not_end_in_crlf_do_not_get_in)
{
	EACH(out, LINE("GET /orders HTTP/1.1\nX: y"), LINE("GET /orders HTTP/1.1\rX: y"),
	     LINE("GET /orders HTTP/1.1\r\r\nX: y"), LINE("GET /orders HTTP/1.1\n\nX: y"),
	     LINE("GET /orders HTTP/1.1 \nX: y"), FIELD("X: y\nZ: w"), FIELD("X: y\rZ: w"),
	     FIELD("X: y\nTransfer-Encoding: chunked"), FIELD("X: y\r\r\nZ: w"));
}

TEST(folded_lines_do_not_get_in)
{
	EACH(out, FIELD("X: y\r\n z"), FIELD("X: y\r\n\tz"), FIELD(" X: y"),
	     FIELD("Transfer-Encoding:\r\n chunked"), FIELD("X: x\r\n Content-Length: 5"),
	     AUTH("Authorization: Bearer\r\n a.b.c"));
}

/* httpd in its lenient mode forwards such names as they are. */
TEST(bytes_that_are_no_name_do_not_get_in)
{
	EACH(out, FIELD("X : y"), FIELD("X\t: y"), FIELD(": y"), FIELD("X"), FIELD("X(: y"),
	     FIELD("X,Y: y"), FIELD("\"X\": y"), FIELD("[X]: y"), FIELD("X\\Y: y"),
	     FIELD("X\xff: y"), FIELD("Transfer-Encoding\x01: chunked"),
	     FIELD("\xefTransfer-Encoding: chunked"), FIELD("Transfer-Encoding\xa0: chunked"),
	     FIELD("Content-Length : 5"));
}

/* HAProxy forwards a NUL in a value. */
TEST(control_bytes_do_not_get_in)
{
	static const char nul[] = FIELD("X: \0y");

	out_n(nul, sizeof(nul) - 1);
	EACH(out, FIELD("X: \x01"), FIELD("X: \x7f"), FIELD("X: \x0b"),
	     FIELD("Transfer-Encoding: \x0b"
		   "chunked"),
	     LINE("GET /orders?\x01 HTTP/1.1"), LINE("GET /orders?\x7f HTTP/1.1"));
}

/* lighttpd and Python refuse the empty line that others skip. */
TEST(empty_lines_before_a_request_do_not_get_in)
{
	EACH(out, LINE("\r\nGET /orders HTTP/1.1"), LINE("\nGET /orders HTTP/1.1"),
	     LINE("\r\n\r\nGET /orders HTTP/1.1"));
}

/* ---- the request line ---------------------------------------------------------------------- */

/* node and Python act on an HTTP/0.9 with a version, and HAProxy forwards it. */
TEST(request_lines_with_another_shape_do_not_get_in)
{
	EACH(out, LINE("GET /orders HTTP/1.2"), LINE("GET /orders HTTP/2.0"),
	     LINE("GET /orders HTTP/0.9"), LINE("GET /orders HTTP/1.10"),
	     LINE("GET /orders HTTP/01.1"), LINE("GET /orders http/1.1"), LINE("GET /orders"),
	     LINE("GET  /orders HTTP/1.1"), LINE("GET /orders  HTTP/1.1"),
	     LINE("GET\t/orders HTTP/1.1"), LINE("GET /orders HTTP/1.1 "),
	     LINE("GET /a /b HTTP/1.1"), LINE(" GET /orders HTTP/1.1"));
}

TEST(methods_that_fold_or_tunnel_do_not_get_in)
{
	EACH(out, LINE("get /orders HTTP/1.1"), LINE("Get /orders HTTP/1.1"),
	     LINE("G-T /orders HTTP/1.1"), LINE("CONNECT h.test:80 HTTP/1.1"),
	     LINE("CONNECT /orders HTTP/1.1"), LINE("TRACE /orders HTTP/1.1"),
	     "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", LINE("PRI * HTTP/1.1"),
	     LINE("PRI /orders HTTP/1.1"));
}

/* nginx and httpd believe the target's host, node and Python the Host field's. */
TEST(absolute_target_beside_another_host_does_not_get_in)
{
	EACH(out, LINE("GET http://other.test/orders HTTP/1.1"),
	     LINE("GET http://u@h.test/orders HTTP/1.1"),
	     LINE("GET http://h.test@other.test/orders HTTP/1.1"),
	     LINE("GET http:///orders HTTP/1.1"), LINE("GET http:/orders HTTP/1.1"),
	     LINE("GET https://h.test/orders HTTP/1.1"), LINE("GET //h.test/orders HTTP/1.1"),
	     LINE("GET h.test:80 HTTP/1.1"), LINE("GET h.test/orders HTTP/1.1"));
}

/* lighttpd cuts the target there, the others do not. */
TEST(fragment_in_the_target_does_not_get_in)
{
	EACH(out, LINE("GET /orders#b HTTP/1.1"), LINE("GET /orders?a#b HTTP/1.1"),
	     LINE("GET /orders?#/../admin HTTP/1.1"));
}

/* Each of them was /admin to one server and another file to the next. */
TEST(paths_that_servers_decode_differently_do_not_get_in)
{
	EACH(out, LINE("GET /public/..%2fadmin HTTP/1.1"),
	     LINE("GET /public/%2e%2e%2Fadmin HTTP/1.1"), LINE("GET /public/..\\admin HTTP/1.1"),
	     LINE("GET /public/..%5cadmin HTTP/1.1"), LINE("GET /public/..//admin HTTP/1.1"),
	     LINE("GET /public/..;/admin HTTP/1.1"), LINE("GET /x/..\\public/../admin HTTP/1.1"),
	     LINE("GET /%2561dmin HTTP/1.1"), LINE("GET /admin%00 HTTP/1.1"),
	     LINE("GET /%c0%ae%c0%ae/admin HTTP/1.1"), LINE("GET /public/../%2e/../admin HTTP/1.1"),
	     LINE("GET //x/../admin HTTP/1.1"), LINE("GET /admin%zz HTTP/1.1"),
	     LINE("GET /%z1%80%80%80 HTTP/1.1"), LINE("GET /public/x/../%2e%2e/admin HTTP/1.1"),
	     LINE("GET /public/../../admin HTTP/1.1"));
}

/* ---- fields -------------------------------------------------------------------------------- */

/* node takes the first of two, httpd in its lenient mode joins them. */
TEST(host_that_is_missing_or_twice_does_not_get_in)
{
	EACH(out, "GET /orders HTTP/1.1\r\n\r\n", HOST("Host: h.test\r\nHost: other.test"),
	     HOST("Host: h.test\r\nHost: h.test"), HOST("Host:"), HOST("Host: "), HOST("Ho_st: h"),
	     HOST("Host : h.test"), HOST("Host:\th.test"));
}

/* nginx takes what stands before the first colon, others before the last, or all. */
TEST(host_that_is_more_than_name_and_port_does_not_get_in)
{
	EACH(out, HOST("Host: h.test:x"), HOST("Host: h.test:80:90"), HOST("Host: u:p@h.test"));
}

/* httpd drops the fields that Connection names before it forwards: the token, or the length. */
TEST(connection_that_names_what_decides_does_not_get_in)
{
	EACH(out, FIELD("Connection: Authorization"), FIELD("Connection: close, Authorization"),
	     FIELD("Connection:,,,authorization"), FIELD("Connection: x\r\nConnection: Host"),
	     FIELD("Connection: Content-Length\r\nContent-Length: 5"),
	     FIELD("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked"));
}

/* httpd takes a semicolon and white space for separators, too. */
TEST(connection_whose_members_are_no_tokens_does_not_get_in)
{
	EACH(out, FIELD("Connection: Authorization;x"), FIELD("Connection: close;Authorization"),
	     FIELD("Connection: close Authorization"),
	     FIELD("Connection: keep-alive\tAuthorization"), FIELD("Connection: ;Authorization"),
	     FIELD("Connection: x Content-Length\r\nContent-Length: 5"));
}

TEST(token_that_stands_twice_does_not_get_in)
{
	EACH(out, AUTH("Authorization: Bearer a.b.c\r\nAuthorization: Bearer d.e.f"),
	     AUTH("Authorization: Basic YTpi\r\nAuthorization: Bearer a.b.c"),
	     AUTH("Authorization:\r\nAuthorization: Bearer a.b.c"),
	     AUTH("Authorization: Bearer a.b.c\r\nAuthorization : Bearer d.e.f"));
}

/* What servers and libraries split in ways of their own is no token to either reader. */
static void has_no_token(const char *text)
{
	size_t n = strlen(text);
	u32 status = kernel_reads(text, n);
	bool plain = status == SZ_HEAD_CLEAN && (scan.flags & SZ_HD_BEARER);

	/* The kernel may take it for one, for no issuer signs a token with such a byte in it. */
	if (plain)
		EXPECT_TRUE(memchr(text + scan.token_off, ' ', scan.token_len) ||
			    memchr(text + scan.token_off, ',', scan.token_len) ||
			    memchr(text + scan.token_off, '"', scan.token_len) ||
			    memchr(text + scan.token_off, ';', scan.token_len));
	if (!EXPECT_TRUE(daemon_reads(text, n) != SZ_HTTP_OK || !head.token))
		printf("# has a token: %s\n", text);
}

TEST(look_alikes_of_a_token_are_none)
{
	EACH(has_no_token, AUTH("Authorization: Bearer\ta.b.c"),
	     AUTH("Authorization:\tBearer a.b.c"), AUTH("Authorization: Bearera.b.c"),
	     AUTH("Authorization: Bearer"), AUTH("X: y"), AUTH("Authorization: Bearer "),
	     AUTH("Authorization: a.b.c"), AUTH("Authorization: Bearer \"a.b.c\""),
	     AUTH("Authorization: Bearer a.b.c,"),
	     AUTH("Authorization: Bearer a.b.c, Bearer d.e.f"), AUTH("Authorization: Bearer=a.b.c"),
	     AUTH("Authorization: Bearer a.b.c d.e.f"), AUTH("Authorization: Bearer a.b.c;x"),
	     AUTH("Authorization: DPoPa.b.c"), AUTH("Authorization: DPoP\ta.b.c"),
	     AUTH("Authorization: DPoP a.b.c, DPoP d.e.f"),
	     AUTH("Proxy-Authorization: Bearer a.b.c"),
	     AUTH("Authorization: Basic YTpi, Bearer a.b.c"), AUTH("Cookie: access_token=a.b.c"));
}

TEST(expectations_nobody_shares_do_not_get_in)
{
	EACH(out, FIELD("Expect: 200-ok"), FIELD("Expect: 100-continue, x"), FIELD("Expect: "),
	     FIELD("Expect : 100-continue"));
}

/* An upgrade is the caller's to refuse: both readers must tell of it. */
TEST(upgrade_is_seen_in_any_case)
{
	EACH(in, FIELD("Upgrade: h2c"), FIELD("UPGRADE: websocket\r\nConnection: upgrade"));
	EXPECT_EQ(head.upgrade, true);
	EXPECT_EQ(kernel_reads(FIELD("uPgRaDe: x"), strlen(FIELD("uPgRaDe: x"))), SZ_HEAD_CLEAN);
	EXPECT_TRUE(scan.flags & SZ_HD_UPGRADE);
}

/* ---- chunks -------------------------------------------------------------------------------- */

static enum sz_http_status chunks(const char *p, size_t n, size_t piece)
{
	struct sz_http_chunks c;
	enum sz_http_status status = SZ_HTTP_MORE;
	size_t used;

	sz_http_chunks_init(&c);
	for (size_t at = 0; at < n && status == SZ_HTTP_MORE; at += piece)
		status = sz_http_chunks_feed(&c, p + at, piece < n - at ? piece : n - at, &used);
	return status;
}

static void broken(const char *text)
{
	size_t n = strlen(text);

	if (!EXPECT_EQ(chunks(text, n, n), SZ_HTTP_BAD) ||
	    !EXPECT_EQ(chunks(text, n, 1), SZ_HTTP_BAD))
		printf("# taken: %s\n", text);
}

/* Signs, prefixes, white space and extensions end the number at different places. */
TEST(chunk_sizes_that_are_not_hex_digits_are_refused)
{
	EACH(broken, "0x5\r\nhello\r\n0\r\n\r\n", "+5\r\nhello\r\n0\r\n\r\n",
	     "-5\r\nhello\r\n0\r\n\r\n", " 5\r\nhello\r\n0\r\n\r\n", "5 \r\nhello\r\n0\r\n\r\n",
	     "5;a=b\r\nhello\r\n0\r\n\r\n", "5;\nhello\r\n0\r\n\r\n", "5_0\r\nhello\r\n0\r\n\r\n",
	     "\r\n\r\n", "g\r\n", "FFFFFFFFFFFFFFFF\r\n", "10000000000000005\r\nhello\r\n0\r\n\r\n",
	     "00000000000000005\r\nhello\r\n0\r\n\r\n");
}

TEST(chunk_lines_that_do_not_end_in_crlf_are_refused)
{
	EACH(broken, "5\nhello\r\n0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello\r\n0\n\r\n",
	     "5\r\nhello\r\n0\r\n\n", "5\r\rhello\r\n0\r\n\r\n", "5\r\nhello0\r\n\r\n",
	     "5\r\nhelloXX0\r\n\r\n", "5\r\nhello\r0\r\n\r\n", "5\r\nhelloX\n0\r\n\r\n",
	     "5\r\nhello\rX0\r\n\r\n", "0\r\n\rX");
}

TEST(trailers_are_as_strict_as_fields)
{
	EACH(broken, "0\r\nX : y\r\n\r\n", "0\r\n X: y\r\n\r\n", "0\r\nX: y\r\n z\r\n\r\n",
	     "0\r\nX\r\n\r\n", "0\r\n: y\r\n\r\n", "0\r\nX: y\n\r\n", "0\r\nX: y\rZ: w\r\n\r\n",
	     "0\r\nX: \x01\r\n\r\n", "0\r\nGET / HTTP/1.1\r\nX: y\r\n\r\n");
	EXPECT_EQ(chunks("0\r\nX: y\r\n\r\n", 11, 11), SZ_HTTP_OK);
}

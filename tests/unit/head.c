/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's request-head scanner: each rule as a table, its word-at-a-time helpers beside byte
 * loops, and requests written by others (from the directory SUBZERO_VECTORS names; skipped where
 * it is absent).
 */
#include "codec/codec.h"
#include "harness.h"
#include "subzero/head.h"

#include <jansson.h>

static struct sz_scan scan;

/* The scanner must not care where the bytes lie or what lies behind them. */
static u32 scan_n(const char *p, u32 n)
{
	static u8 frame[SZ_FRAME_MAX + 64];
	struct sz_scan first = {};

	for (u32 off = 0; off < 9; off += 8) {
		memset(frame, off ? '\n' : 0, sizeof(frame));
		memcpy(frame + off, p, n);
		sz_head_scan(&scan, frame, off, off + n);
		if (!off)
			first = scan;
	}
	EXPECT_EQ(scan.status, first.status);
	if (scan.status == SZ_HEAD_CLEAN)
		EXPECT_EQ(scan.head_end - 8, first.head_end);
	scan = first;
	return scan.status;
}

static void expect(const char *text, u32 status)
{
	if (!EXPECT_EQ(scan_n(text, (u32)strlen(text)), status))
		printf("# %s\n", text);
}

struct row {
	const char *text;
	u32 status;
};

#define CLEAN     SZ_HEAD_CLEAN
#define UNUSUAL   SZ_HEAD_UNUSUAL
#define AMBIGUOUS SZ_HEAD_AMBIGUOUS
#define PARTIAL   SZ_HEAD_PARTIAL

static void expect_lines(const char *before, const struct row *rows, u32 n, const char *after)
{
	char text[4096];

	for (u32 i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "%s%s%s", before, rows[i].text, after);
		expect(text, rows[i].status);
	}
}

#define EXPECT_ROWS(before, rows, after)                                                           \
	expect_lines(before, rows, sizeof(rows) / sizeof(*(rows)), after)

TEST(request_line_rules)
{
	static const struct row rows[] = {
		{"GET / HTTP/1.1", CLEAN},           {"GET / HTTP/1.0", CLEAN},
		{"HEAD /a HTTP/1.1", CLEAN},         {"POST /a HTTP/1.1", CLEAN},
		{"PUT /a HTTP/1.1", CLEAN},          {"DELETE /a HTTP/1.1", CLEAN},
		{"PATCH /a HTTP/1.1", CLEAN},        {"OPTIONS /a HTTP/1.1", CLEAN},
		{"PRI * HTTP/2.0", UNUSUAL},         {"CONNECT h:1 HTTP/1.1", UNUSUAL},
		{"TRACE / HTTP/1.1", UNUSUAL},       {"PROPFIND / HTTP/1.1", UNUSUAL},
		{"get / HTTP/1.1", AMBIGUOUS},       {"GeT / HTTP/1.1", AMBIGUOUS},
		{" GET / HTTP/1.1", AMBIGUOUS},      {"\r\nGET / HTTP/1.1", AMBIGUOUS},
		{"GET\t/ HTTP/1.1", AMBIGUOUS},      {"GET  / HTTP/1.1", UNUSUAL},
		{"GET * HTTP/1.1", UNUSUAL},         {"OPTIONS * HTTP/1.1", UNUSUAL},
		{"GET http://h/ HTTP/1.1", UNUSUAL}, {"GET /  HTTP/1.1", AMBIGUOUS},
		{"GET / HTTP/1.1 ", AMBIGUOUS},      {"GET / HTTP/1.2", AMBIGUOUS},
		{"GET / HTTP/2.0", AMBIGUOUS},       {"GET / http/1.1", AMBIGUOUS},
		{"GET / HTTP/01.1", AMBIGUOUS},      {"GET /", AMBIGUOUS},
		{"GET / HTTP/1.1\rX", AMBIGUOUS},    {"GET / HTTP/1.1\n", AMBIGUOUS},
		{"G3T / HTTP/1.1", AMBIGUOUS},       {"GET /\x7f HTTP/1.1", AMBIGUOUS},
		{"GET /\x01 HTTP/1.1", AMBIGUOUS},
	};

	EXPECT_ROWS("", rows, "\r\nHost: h\r\n\r\n");
}

TEST(target_rules)
{
	static const struct row rows[] = {
		{"/a", CLEAN},           {"/a/b-c_d.e~f", CLEAN},  {"/!$&'()*+,=:@", CLEAN},
		{"/a?b=c&d%zz", CLEAN},  {"/a?//..;\\", CLEAN},    {"/a?", CLEAN},
		{"/a/", CLEAN},          {"//", UNUSUAL},          {"/a//b", UNUSUAL},
		{"/.", UNUSUAL},         {"/..", UNUSUAL},         {"/a/../b", UNUSUAL},
		{"/a/.hidden", UNUSUAL}, {"/%61", UNUSUAL},        {"/a;b", UNUSUAL},
		{"/a\\b", UNUSUAL},      {"/a#b", UNUSUAL},        {"/a\"b", UNUSUAL},
		{"/a<b>", UNUSUAL},      {"/a[b]", UNUSUAL},       {"/a^b`{|}", UNUSUAL},
		{"/a\xc3\xa4", UNUSUAL}, {"/a?\xc3\xa4", UNUSUAL}, {"/a?\x7f", AMBIGUOUS},
		{"/a?\t", AMBIGUOUS},    {"/a\t", AMBIGUOUS},      {"/a\r", AMBIGUOUS},
		{"/a?b#c", AMBIGUOUS},   {"/a?#", AMBIGUOUS},
	};

	EXPECT_ROWS("GET ", rows, " HTTP/1.1\r\nHost: h\r\n\r\n");
}

TEST(header_line_rules)
{
	static const struct row rows[] = {
		{"X: y", CLEAN},
		{"X:y", CLEAN},
		{"X:", CLEAN},
		{"X-Y-9: z\tz", UNUSUAL},
		{"X_Y: z", UNUSUAL},
		{"X!#$%&'*+.^`|~: z", UNUSUAL},
		{"X: \xff", UNUSUAL},
		{"X : y", AMBIGUOUS},
		{"X\t: y", AMBIGUOUS},
		{" X: y", AMBIGUOUS},
		{"\tX: y", AMBIGUOUS},
		{"X: y\r\n z", AMBIGUOUS},
		{": y", AMBIGUOUS},
		{"X", AMBIGUOUS},
		{"X(y): z", AMBIGUOUS},
		{"X\x80: z", AMBIGUOUS},
		{"X: y\nZ: w", AMBIGUOUS},
		{"X: y\rZ", AMBIGUOUS},
		{"X: \x01", AMBIGUOUS},
		{"X: \x7f", AMBIGUOUS},
		{"Upgrade: h2c", CLEAN},
		{"Upgrade: a\r\nUpgrade: b", AMBIGUOUS},
		{"Expect: 100-continue", UNUSUAL},
		{"Transfer-Encoding: chunked", UNUSUAL},
		{"Transfer-Encoding: x\r\ntransfer-encoding: y", AMBIGUOUS},
		{"Transfer-Encoding: chunked\r\nContent-Length: 1", AMBIGUOUS},
		{"Content-Length: 1\r\nTransfer-Encoding: chunked", AMBIGUOUS},
		{"Transfer_Encoding: chunked", UNUSUAL},
	};

	EXPECT_ROWS("POST / HTTP/1.1\r\nHost: h\r\n", rows, "\r\n\r\n");
}

TEST(host_rules)
{
	static const struct row rows[] = {
		{"Host: h\r\n", CLEAN},
		{"hOsT:h\r\n", CLEAN},
		{"", AMBIGUOUS},
		{"Host:\r\n", AMBIGUOUS},
		{"Host: \r\n", AMBIGUOUS},
		{"Host: h\r\nHost: h\r\n", AMBIGUOUS},
		{"Host: h\r\nHOST: i\r\n", AMBIGUOUS},
		{"Hosts: h\r\n", AMBIGUOUS},
		{"Host: a_b.c-d-e.example:8080\r\n", CLEAN},
		{"Host: [::1]\r\n", CLEAN},
		{"Host: [2001:dB8::192.0.2.1]:80\r\n", CLEAN},
		{"Host: h:\r\n", UNUSUAL},
		{"Host: h:123456\r\n", UNUSUAL},
		{"Host: h:8o\r\n", UNUSUAL},
		{"Host: h/x\r\n", UNUSUAL},
		{"Host: a,b\r\n", UNUSUAL},
		{"Host: u@h\r\n", UNUSUAL},
		{"Host: a b\r\n", UNUSUAL},
		{"Host: h#\r\n", UNUSUAL},
		{"Host: [::1\r\n", UNUSUAL},
		{"Host: []\r\n", UNUSUAL},
		{"Host: [::g]\r\n", UNUSUAL},
		{"Host: [::1:2:3:4:5:6:7:8:9:a:b:c:d:e:f:0:1:2:3:4:5:6:7:8]\r\n", UNUSUAL},
		{"Host: abcdefgh:80\r\n", CLEAN},
		{"Host: abcdefgh.abcdefgh.abcdefgh.abcdefgh.abcdefgh.abcdefgh.abcdefgh.abc\r\n",
		 UNUSUAL},
	};

	EXPECT_ROWS("GET / HTTP/1.1\r\n", rows, "\r\n");
	expect("GET / HTTP/1.0\r\n\r\n", CLEAN);
	expect("GET / HTTP/1.0\r\nHost:\r\n\r\n", AMBIGUOUS);
}

TEST(connection_rules)
{
	static const struct row rows[] = {
		{" keep-alive", CLEAN},
		{" close", CLEAN},
		{" Keep-Alive", CLEAN},
		{" CLOSE", CLEAN},
		{"close", UNUSUAL},
		{" closed", UNUSUAL},
		{" close ", UNUSUAL},
		{"  close", UNUSUAL},
		{" keep-alive, x", UNUSUAL},
		{" upgrade", UNUSUAL},
		{" authorization", UNUSUAL},
		{"", UNUSUAL},
		{" close\r\nConnection: close", CLEAN},
		{" close\r\nConnection: te", UNUSUAL},
	};

	EXPECT_ROWS("GET / HTTP/1.1\r\nHost: h\r\nConnection:", rows, "\r\n\r\n");
}

TEST(content_length_rules)
{
	static const struct row rows[] = {
		{" 0", CLEAN},
		{"7", CLEAN},
		{" 0042", CLEAN},
		{" 1099511627776", CLEAN},
		{" 1099511627777", AMBIGUOUS},
		{" 9999999999999", AMBIGUOUS},
		{" 10000000000000", AMBIGUOUS},
		{"", AMBIGUOUS},
		{" ", AMBIGUOUS},
		{" +1", AMBIGUOUS},
		{" -1", AMBIGUOUS},
		{" 0x1", AMBIGUOUS},
		{" 1,1", AMBIGUOUS},
		{" 1 1", AMBIGUOUS},
		{" 1;", AMBIGUOUS},
		{" 1 ", UNUSUAL},
		{"  1", UNUSUAL},
		{"\t1", UNUSUAL},
		{" \t1", UNUSUAL},
		{" 1\t", UNUSUAL},
		{" 1\r\nContent-Length: 1", AMBIGUOUS},
		{" 1\r\ncontent-length: 2", AMBIGUOUS},
	};

	EXPECT_ROWS("POST / HTTP/1.1\r\nHost: h\r\nContent-Length:", rows, "\r\n\r\n");
	expect("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1099511627776\r\n\r\n", CLEAN);
	EXPECT_EQ(scan.content_length, SZ_BODY_MAX);
}

TEST(authorization_rules)
{
	static const struct row rows[] = {
		{" Bearer t", CLEAN},
		{" bEARER t.t.t", CLEAN},
		{" Bearer a b", CLEAN},
		{" Bearer ", UNUSUAL},
		{" Bearer  t", UNUSUAL},
		{"Bearer t", UNUSUAL},
		{"  Bearer t", UNUSUAL},
		{"\tBearer t", UNUSUAL},
		{" Basic eDp5", UNUSUAL},
		{" Bearer\tt", UNUSUAL},
		{"", UNUSUAL},
		{" Bearert", UNUSUAL},
		{" Bearer t\r\nAuthorization: Bearer t", AMBIGUOUS},
	};

	EXPECT_ROWS("GET / HTTP/1.1\r\nHost: h\r\nAuthorization:", rows, "\r\n\r\n");
}

TEST(what_a_clean_head_says)
{
	static const char text[] = "POST /a/b?c=d HTTP/1.0\r\nAuthorization: Bearer to.ke.n\r\n"
				   "content-length: 12\r\nUpgrade: x\r\nConnection: close\r\n\r\n+";

	expect(text, CLEAN);
	EXPECT_EQ(scan.method, SZ_M_POST);
	EXPECT_EQ(scan.path_off, 5);
	EXPECT_EQ(scan.path_len, 4);
	EXPECT_EQ(scan.target_len, 8);
	EXPECT_EQ(scan.token_len, 7);
	EXPECT_MEMEQ(text + scan.token_off, "to.ke.n", 7);
	EXPECT_EQ(scan.content_length, 12);
	EXPECT_EQ(scan.head_end, sizeof(text) - 2);
	EXPECT_EQ(scan.flags, SZ_HD_AUTH | SZ_HD_BEARER | SZ_HD_LENGTH | SZ_HD_UPGRADE |
				      SZ_HD_CONNECTION | SZ_HD_HTTP10);
}

TEST(every_cut_of_a_clean_head_is_partial)
{
	static const char text[] = "OPTIONS /a/b?c HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n"
				   "Authorization: Bearer t\r\nX: y\r\n\r\n";

	for (u32 n = 0; n < sizeof(text) - 1; n++)
		if (!EXPECT_EQ(scan_n(text, n), PARTIAL))
			printf("# cut at %u\n", n);
	expect(text, CLEAN);
}

TEST(too_many_header_lines_are_unusual)
{
	char text[8192];
	int n = sprintf(text, "GET / HTTP/1.1\r\nHost: h\r\n");

	for (int i = 1; i < SZ_HEADERS_MAX; i++)
		n += sprintf(text + n, "X-%d: y\r\n", i);
	sprintf(text + n, "\r\n");
	expect(text, CLEAN);
	sprintf(text + n, "Y: y\r\n\r\n");
	expect(text, UNUSUAL);
}

TEST(head_as_long_as_a_frame_is_read)
{
	static char text[SZ_FRAME_MAX];
	u32 n = (u32)sprintf(text, "GET / HTTP/1.1\r\nHost: h\r\nX: "), end = SZ_FRAME_MAX - 8;

	memset(text + n, 'x', end - n);
	EXPECT_EQ(scan_n(text, end), PARTIAL);
	memcpy(text + end - 4, "\r\n\r\n", 4);
	EXPECT_EQ(scan_n(text, end), CLEAN);
}

/* ---- helpers beside byte loops ---- */

static bool word_byte(u32 c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-';
}

/* Every byte at every place, between neighbours that could carry into it. */
TEST(byte_classes_of_words_are_exact)
{
	static const u8 around[] = {0, 0x1f, 0x20, 0x7e, 0x7f, 0x80, 0xff, 'a'};

	for (u32 at = 0; at < 8; at++)
		for (u32 c = 0; c < 256; c++)
			for (u32 k = 0; k < sizeof(around); k++) {
				u64 bit = 0x80ull << 8 * at, w;

				w = around[k] * SZ_ONES;
				w = (w & ~(0xffull << 8 * at)) | (u64)c << 8 * at;
				if (!!(sz_not_word(w) & bit) == word_byte(c) ||
				    !!(sz_not_text(w, 0x20) & bit) != (c < 0x20 || c >= 0x7f) ||
				    !!(sz_not_text(w, 0x21) & bit) != (c < 0x21 || c >= 0x7f) ||
				    (sz_not_word(w) | sz_not_text(w, 0x20)) & ~SZ_HIGH)
					EXPECT_EQ(c, 256);
			}
	EXPECT_TRUE(true);
}

TEST(first_marked_byte_is_found)
{
	for (u32 m = 1; m < 256; m++) {
		u64 w = 0;

		for (u32 i = 0; i < 8; i++)
			if (m >> i & 1)
				w |= 0x80ull << 8 * i;
		EXPECT_EQ(sz_first(w), __builtin_ctz(m));
	}
}

TEST(header_names_are_told_apart)
{
	static const struct {
		const char *name;
		u32 header;
	} names[] = {
		{"host", SZ_HD_HOST},
		{"upgrade", SZ_HD_UPGRADE},
		{"expect", SZ_HD_EXPECT},
		{"connection", SZ_HD_CONNECTION},
		{"authorization", SZ_HD_AUTH},
		{"content-length", SZ_HD_LENGTH},
		{"transfer-encoding", SZ_HD_CHUNKED},
	};
	static u8 buf[SZ_FRAME_MAX + 64];
	struct sz_scan s = {};

	for (u32 i = 0; i < sizeof(names) / sizeof(*names); i++) {
		u32 n = (u32)strlen(names[i].name);

		for (u32 at = 0; at <= n; at++)
			for (u32 c = 0; c < 128; c++) {
				bool same;

				if (!word_byte(c))
					continue;
				memcpy(buf, names[i].name, n);
				buf[n] = ':';
				same = at == n || (c | 0x20) == buf[at] || c == buf[at];
				if (at < n)
					buf[at] = (u8)c;
				if (sz_scan_header(&s, buf, n) != (same ? names[i].header : 0))
					EXPECT_STREQ((char *)buf, names[i].name);
			}
	}
	EXPECT_TRUE(true);
}

/* ---- requests written by others ---- */

static char raw[16384];

static json_t *vectors(const char *name)
{
	const char *dir = getenv("SUBZERO_VECTORS");
	char path[512];
	json_t *v;

	snprintf(path, sizeof(path), "%s/http/%s", dir ? dir : "../shared/data", name);
	v = json_load_file(path, 0, NULL);
	if (!v)
		SKIP("test vectors not found; set SUBZERO_VECTORS to their directory");
	return v;
}

static u32 unhex(const json_t *v, const char *member)
{
	const char *hex = json_string_value(json_object_get(v, member));
	size_t n = hex ? strlen(hex) : 0;

	ASSERT_TRUE(hex && n / 2 + 64 < sizeof(raw) && !sz_hex_decode(hex, n, (u8 *)raw));
	raw[n / 2] = '\0';
	return (u32)n / 2;
}

/* Are all bytes one or more requests the kernel would decide by itself? */
static bool all_clean(const char *p, u32 n)
{
	for (u32 used; n; p += used, n -= used) {
		if (scan_n(p, n) != CLEAN)
			return false;
		used = scan.head_end;
		if (scan.content_length > n - used)
			return false;
		used += (u32)scan.content_length;
	}
	return true;
}

TEST(nothing_that_servers_reject_is_clean)
{
	json_t *all = vectors("llhttp_requests.json"), *v;
	int clean = 0, rejected = 0;
	size_t i;

	json_array_foreach(all, i, v)
	{
		bool accept = !strcmp(json_string_value(json_object_get(v, "consensus")), "accept");
		bool ok = all_clean(raw, unhex(v, "request_hex"));

		rejected += !accept;
		clean += ok;
		if (!EXPECT_TRUE(accept || !ok))
			printf("# clean: %s\n", json_string_value(json_object_get(v, "name")));
	}
	EXPECT_TRUE(clean > 0 && rejected > 0);
	json_decref(all);
}

static void replace(const char *what, const char *with_text)
{
	static char rest[sizeof(raw)];
	char *at;

	while ((at = strstr(raw, what))) {
		strcpy(rest, at + strlen(what));
		sprintf(at, "%s%s", with_text, rest);
	}
}

TEST(heads_that_smuggle_a_length_are_not_clean)
{
	json_t *all = vectors("smuggler_default.json"), *v;
	int refused = 0;
	size_t i;

	json_array_foreach(all, i, v)
	{
		const char *name = json_string_value(json_object_get(v, "name"));
		u32 status;

		unhex(v, "head_hex");
		replace("__METHOD__", "POST");
		replace("__ENDPOINT__", "/");
		replace("__HOST__", "h");
		replace("__REPLACE_CL__", "4");
		replace("__RANDOM__", "1");
		strcat(raw, "\r\n");
		status = scan_n(raw, (u32)strlen(raw));
		refused += status != CLEAN;
		/* The whole trick may lie inside the value of one field "X". */
		if (!EXPECT_TRUE(status != CLEAN ||
				 (!strncmp(name, "xprespace-", 10) && strstr(raw, "\r\nX: X"))))
			printf("# clean: %s\n", name);
	}
	EXPECT_TRUE(refused > 0);
	json_decref(all);
}

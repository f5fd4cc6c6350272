/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Encodings at the door: strict base64url, hex, strict JSON, identifiers. */
#include "codec/codec_priv.h"
#include "harness.h"

static ssize_t decode(const char *s, u8 *out, size_t max)
{
	return sz_b64url_decode(s, strlen(s), out, max);
}

TEST(base64url_rfc4648_vectors_without_padding_both_ways)
{
	static const char *const v[][2] = {
		{"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
		{"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"},
	};
	char text[16];
	u8 bytes[16];
	size_t i, n;

	for (i = 0; i < SZ_ARRAY_LEN(v); i++) {
		n = strlen(v[i][0]);
		sz_b64url_encode((const u8 *)v[i][0], n, text);
		EXPECT_STREQ(text, v[i][1]);
		EXPECT_EQ(strlen(text), SZ_B64_ENCODED_LEN(n));
		EXPECT_EQ(decode(v[i][1], bytes, sizeof(bytes)), n);
		EXPECT_MEMEQ(bytes, v[i][0], n);
	}
}

TEST(base64url_uses_minus_and_underscore_only)
{
	u8 bytes[8];

	EXPECT_EQ(decode("-_-_", bytes, 8), 3);
	EXPECT_MEMEQ(bytes, "\xfb\xff\xbf", 3);
	EXPECT_EQ(decode("+/+/", bytes, 8), -EINVAL);
}

TEST(base64url_refuses_every_other_spelling)
{
	static const char *const bad[] = {"Zg==",  "Zm8=", "Z",    "Zm9vY",      "Zh",  "Zm9",
					  "Zm8\n", " Zm8", "Zm 8", "Zm\xc3\xa4", "Z.8", "Zm8A="};
	u8 bytes[16];
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(bad); i++)
		if (!EXPECT_EQ(decode(bad[i], bytes, sizeof(bytes)), -EINVAL))
			printf("# \"%s\" was accepted\n", bad[i]);
	EXPECT_EQ(sz_b64url_decode("Zm\0v", 4, bytes, sizeof(bytes)), -EINVAL);
}

TEST(base64url_of_every_byte_value_and_length_round_trips)
{
	u8 in[256], out[256];
	char text[SZ_B64_ENCODED_LEN(256) + 1];
	size_t n, i;

	for (i = 0; i < sizeof(in); i++)
		in[i] = (u8)(i * 167 + 13);
	for (n = 0; n <= sizeof(in); n++) {
		sz_b64url_encode(in, n, text);
		ASSERT_EQ(decode(text, out, n), n);
		ASSERT_MEMEQ(out, in, n);
	}
}

TEST(base64url_never_writes_beyond_the_output)
{
	u8 out[4] = {0, 0, 0, 0x55};

	EXPECT_EQ(decode("Zm9vYmFy", out, 3), -EINVAL);
	EXPECT_EQ(decode("Zm9v", out, 2), -EINVAL);
	EXPECT_EQ(decode("Zm9v", out, 3), 3);
	EXPECT_EQ(out[3], 0x55);
}

TEST(hex_both_ways_and_nothing_but_digits)
{
	u8 bytes[4];
	char text[9];

	EXPECT_EQ(sz_hex_decode("00fFa510", 8, bytes), 0);
	EXPECT_MEMEQ(bytes, "\x00\xff\xa5\x10", 4);
	sz_hex_encode(bytes, 4, text);
	EXPECT_STREQ(text, "00ffa510");
	EXPECT_EQ(sz_hex_decode("0", 1, bytes), -EINVAL);
	EXPECT_EQ(sz_hex_decode("0g", 2, bytes), -EINVAL);
	EXPECT_EQ(sz_hex_decode("-1", 2, bytes), -EINVAL);
}

static bool json_ok(const char *s, size_t n, struct sz_error *e)
{
	json_t *v = sz_json_parse(s, n, e);
	bool ok = v;

	json_decref(v);
	return ok;
}

TEST(json_accepts_one_object)
{
	struct sz_error e;

	EXPECT_TRUE(json_ok("{}", 2, &e));
	EXPECT_TRUE(json_ok(" {\"a\": [1, 2.5, null, {\"b\": \"\\u00e4\"}]}\n", 39, &e));
}

TEST(json_refuses_what_another_parser_could_read_differently)
{
	static const char *const bad[] = {
		"",
		" ",
		"[]",
		"1",
		"\"a\"",
		"null",
		"{",
		"{}}",
		"{} {}",
		"{}x",
		"{\"a\":1,}",
		"{'a':1}",
		"{\"a\":1,\"a\":1}",
		"{\"a\":{\"b\":1,\"b\":2}}",
		"{\"a\":1,\"\\u0061\":2}",
		"{\"a\":\"\\u0000\"}",
		"{\"\\u0000\":1}",
		"{\"a\":\"\xff\"}",
		"{\"a\":\"\xc0\x80\"}",
		"{\"a\":\"\xed\xa0\x80\"}",
		"{\"a\":\"\\ud800\"}",
		"{\"a\":01}",
		"{\"a\":1e999}",
		"{\"a\":99999999999999999999}",
		"{\"a\":NaN}",
		"\xef\xbb\xbf{}",
		"{\"a\":\"\n\"}",
		"{}//",
		"{\"a\":tru}",
	};
	struct sz_error e;
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(bad); i++) {
		e.msg[0] = 0;
		if (!EXPECT_TRUE(!json_ok(bad[i], strlen(bad[i]), &e)))
			printf("# accepted: %s\n", bad[i]);
		EXPECT_TRUE(e.msg[0]);
	}
	EXPECT_TRUE(!json_ok("{}\0", 3, &e));
	EXPECT_TRUE(!json_ok("{\"a\":\"x\0y\"}", 11, &e));
	EXPECT_TRUE(!json_ok("{\"a\0b\":1}", 9, &e));
}

/* {"a":{"a":... {} ...}} with `depth` objects. */
static bool nested_ok(int depth, struct sz_error *e)
{
	struct sz_buf b = {0};
	bool ok;
	int i;

	for (i = 1; i < depth; i++)
		sz_buf_printf(&b, "{\"a\":");
	sz_buf_printf(&b, "{\"s\":\"[[[[[[[[{{{{{{{{\\\"[[[[\"}");
	for (i = 1; i < depth; i++)
		sz_buf_add(&b, "}", 1);
	ok = json_ok(b.data, b.len, e);
	sz_buf_done(&b);
	return ok;
}

TEST(json_depth_ends_at_the_limit_and_brackets_in_strings_do_not_count)
{
	struct sz_error e;

	EXPECT_TRUE(nested_ok(SZ_JSON_DEPTH_MAX, &e));
	EXPECT_TRUE(!nested_ok(SZ_JSON_DEPTH_MAX + 1, &e));
	EXPECT_CONTAINS(e.msg, "deeper than 16");
}

TEST(json_error_says_where_and_is_printable)
{
	struct sz_error e;
	const char *p;

	EXPECT_TRUE(!json_ok("{\n \"a\": \x1b[31m}", 14, &e));
	EXPECT_CONTAINS(e.msg, "line 2");
	for (p = e.msg; *p; p++)
		ASSERT_TRUE(*p >= ' ' && *p <= '~');
}

TEST(principal_ids_differ_where_the_parts_differ)
{
	u64 id = sz_principal_id("https://a", "b");

	EXPECT_TRUE(id != 0);
	EXPECT_TRUE(id == sz_principal_id("https://a", "b"));
	EXPECT_TRUE(id != sz_principal_id("https://ab", ""));
	EXPECT_TRUE(id != sz_principal_id("https://", "ab"));
	EXPECT_TRUE(sz_principal_id("x", NULL) == sz_principal_id("x", ""));
}

TEST(ids_are_the_blake2b_they_are_documented_to_be)
{
	struct sz_id id = sz_revoke_id(SZ_REVOKE_JTI, "abc", 3);
	char hex[33];

	sz_hex_encode(id.b, sizeof(id.b), hex);
	EXPECT_STREQ(hex, "649f23678cb3fe827d45cd283c501274");
	EXPECT_TRUE(sz_principal_id("https://a", "b") == 0xdf412994de8d475full);
}

TEST(revocation_ids_of_different_kinds_differ)
{
	struct sz_id a = sz_revoke_id(SZ_REVOKE_JTI, "x", 1);
	struct sz_id b = sz_revoke_id(SZ_REVOKE_SUBJECT, "x", 1);
	struct sz_id c = sz_revoke_id(SZ_REVOKE_ISSUER, "x", 1);
	struct sz_id d = sz_revoke_id(SZ_REVOKE_TOKEN, "x", 1);

	EXPECT_TRUE(memcmp(&a, &b, sizeof(a)) && memcmp(&a, &c, sizeof(a)) &&
		    memcmp(&a, &d, sizeof(a)) && memcmp(&b, &c, sizeof(a)));
}

/* The quick reader took it (1) or left it to the full one (0); wrong values fail. */
static int plain(const char *s)
{
	json_t *p = json_plain(s, strlen(s)), *full;
	int taken = p != NULL;

	if (!p)
		return 0;
	full = json_loads(s, JSON_REJECT_DUPLICATES, NULL);
	EXPECT_TRUE(full && json_equal(p, full));
	json_decref(full);
	json_decref(p);
	return taken;
}

TEST(quick_json_reader_takes_what_tokens_are_made_of)
{
	static const char *const v[] = {
		"{}",
		" {\t\"a\" : \"b\" ,\r\n \"c\":[ ] } ",
		"{\"a\":[],\"b\":{},\"c\":[{},[]]}",
		"{\"n\":0,\"m\":-0,\"x\":999999999999999999,\"y\":-999999999999999999}",
		"{\"t\":true,\"f\":false,\"z\":null}",
		"{\"e\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t and \\\" again\"}",
		"{\"https:\\/\\/a\":\"1234567\",\"b\":\"12345678\",\"c\":\"123456789\"}",
		"{\"name\":\"J\xc3\xb6rg\",\"J\xc3\xb6rg\":1}",
		"{\"\":\"\"}",
	};

	for (size_t i = 0; i < SZ_ARRAY_LEN(v); i++)
		if (!EXPECT_EQ(plain(v[i]), 1))
			printf("# not taken: %s\n", v[i]);
}

TEST(quick_json_reader_leaves_the_unusual_to_the_full_one)
{
	static const char *const v[] = {
		"",		 " ",		    "[]",
		"1",		 "{",		    "{}}",
		"{\"a\":1,}",	 "{\"a\":1.5}",	    "{\"a\":1e3}",
		"{\"a\":01}",	 "{\"a\":-}",	    "{\"a\":1000000000000000000}",
		"{\"a\":\"\\u0061\"}",	    "{\"a\":1,\"a\":2}",
		"{\"a\":{\"b\":1,\"b\":2}}",    "{\"a\":1,\"\\u0061\":2}",
		"{\"a\":tru}",	 "{\"a\":nul}",	    "{\"a\":\"\xff\"}",
		"{\"\xc0\x80\":1}", "{\"a\":\"\n\"}",	    "{\"a\":\"\\\"}",
		"{\"a\":\"b}",	 "{\"a\" \"b\"}",	    "{a:1}",
		"{\"a\":1 \"b\":2}", "{\"a\":[1,]}",	    "{\"a\":[1 2]}",
	};

	for (size_t i = 0; i < SZ_ARRAY_LEN(v); i++)
		if (!EXPECT_EQ(plain(v[i]), 0))
			printf("# taken: %s\n", v[i]);
	EXPECT_TRUE(!json_plain("{\"a\":\"\0\"}", 9));
	EXPECT_TRUE(!json_plain("{}\0", 3));
}

TEST(quick_json_reader_bounds_nesting_and_escapes)
{
	char s[700] = "{\"a\":";
	size_t at = 5, i;

	for (i = 0; i < SZ_JSON_DEPTH_MAX - 1; i++)
		s[at++] = '[';
	for (i = 0; i < SZ_JSON_DEPTH_MAX - 1; i++)
		s[at++] = ']';
	s[at++] = '}';
	s[at] = 0;
	EXPECT_EQ(plain(s), 1);
	at = 5;
	for (i = 0; i < SZ_JSON_DEPTH_MAX; i++)
		s[at++] = '[';
	for (i = 0; i < SZ_JSON_DEPTH_MAX; i++)
		s[at++] = ']';
	strcpy(s + at, "}");
	EXPECT_EQ(plain(s), 0);
	for (i = 240; i < 270; i++) { /* around what a string with escapes may have */
		int n = snprintf(s, sizeof(s), "{\"a\":\"%*s\\n%*s\"}", (int)i - 10, "", 9, "");

		EXPECT_EQ(plain(s), i <= 256);
		EXPECT_TRUE(n > 0);
	}
}

TEST(base64url_finds_a_wrong_digit_at_every_place)
{
	char text[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijk";
	u8 out[40];

	for (size_t n = 2; n < sizeof(text); n++) {
		if (n % 4 == 1)
			continue;
		for (size_t i = 0; i < n; i++) {
			char was = text[i];

			for (int c = 0; c < 256; c++) {
				bool digit = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
					     (c >= '0' && c <= '9') || c == '-' || c == '_';

				text[i] = (char)c;
				if (!digit && sz_b64url_decode(text, n, out, 40) != -EINVAL)
					EXPECT_EQ(c, -1);
			}
			text[i] = was;
		}
	}
	EXPECT_EQ(sz_b64url_decode(text, 36, out, 40), 27);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The functions of cel where the published cases are few: time zones, patterns, text of numbers,
 * conversions at their limits, positions in strings, JSON.
 */
#include "harness.h"

#include "cel/cel.h"

static const u8 *zone_file;
static size_t zone_size;

static int find_zone(void *arg, const char *name, const u8 **ret, size_t *ret_n)
{
	(void)arg;
	*ret = zone_file;
	*ret_n = zone_size;
	return strcmp(name, "Test/Zone") ? -ENOENT : 0;
}

/* Evaluates to text in the language's notation, or to the error's. */
static const char *eval(const char *expr)
{
	static char text[1024];
	struct sz_cel_zones zones = {find_zone, NULL};
	struct sz_cel_env *env = sz_cel_env_new();
	struct sz_cel_value v, x = sz_cel_string("a\xe2\x82\xac"
						 "b",
						 5);
	struct sz_cel_program *p;
	struct sz_cel_error e;
	struct sz_cel_arena a;
	struct sz_buf b = {0};

	sz_cel_arena_init(&a, 1 << 20);
	sz_cel_env_zones(env, &zones);
	sz_cel_declare(env, "x", "string");
	if (sz_cel_compile(env, expr, strlen(expr), 0, &p, &e)) {
		sz_buf_printf(&b, "compile: %s", e.msg);
	} else {
		if (sz_cel_eval(p, &x, SZ_CEL_STEPS, &a, &v, &e))
			sz_buf_printf(&b, "error: %s", e.msg);
		else
			sz_cel_print(&v, &b);
		sz_cel_program_free(p);
	}
	snprintf(text, sizeof(text), "%s", b.data);
	sz_buf_done(&b);
	sz_cel_env_free(env);
	sz_cel_arena_done(&a);
	return text;
}

#define IS(expr, text) EXPECT_STREQ(eval(expr), text)

TEST(doubles_are_written_with_as_few_digits_as_identify_them)
{
	IS("string(0.1 + 0.2)", "\"0.30000000000000004\"");
	IS("string(1.0)", "\"1\"");
	IS("1e100", "1e+100");
	IS("-1.5e-7", "-1.5e-07");
	IS("123456789.0", "123456789.0");
	IS("5e-324", "5e-324");
	IS("1.7976931348623157e308", "1.7976931348623157e+308");
	IS("'%s'.format([1e21])", "\"1000000000000000000000\"");
	IS("'%s'.format([1.5e-7])", "\"0.00000015\"");
	IS("[-0.0, 1.0 / 0.0, 0.0 / 0.0]", "[-0.0, Infinity, NaN]");
}

TEST(conversions_hold_their_limits)
{
	IS("int('-9223372036854775808')", "-9223372036854775808");
	IS("int('9223372036854775808')", "error: the string is no int");
	IS("int('0x10')", "error: the string is no int");
	IS("int(' 1')", "error: the string is no int");
	IS("int('')", "error: the string is no int");
	IS("uint('18446744073709551615')", "18446744073709551615u");
	IS("uint('-1')", "error: the string is no uint");
	IS("uint(-1)", "error: a negative int is no uint");
	IS("int(18446744073709551615u)", "error: the uint does not fit into an int");
	IS("int(0.0 / 0.0)", "error: the double does not fit into an int");
	IS("int(9223372036854774784.0)", "9223372036854774784");
	IS("double(' 1')", "error: the string is no double");
	IS("double('nan(1)')", "error: the string is no double");
	IS("double('1e400')", "Infinity");
	IS("bytes(x)", "b\"a\\xe2\\x82\\xacb\"");
	IS("string(b'\\xe2\\x82')", "error: the bytes are not valid UTF-8");
	IS("int(timestamp('1970-01-01T00:00:10.9Z'))", "10");
	IS("type(type(1)) == type", "true");
}

TEST(keys_of_maps_are_numbers_by_value)
{
	IS("{1: 'a'}[dyn(1u)]", "\"a\"");
	IS("{1: 'a'}[dyn(1.0)]", "\"a\"");
	IS("{9007199254740993: 'a'}[dyn(9007199254740992.0)]", "error: no such key");
	IS("{18446744073709551615u: 'a'}[dyn(-1)]", "error: no such key");
	IS("{-1: 'a'}[dyn(18446744073709551615u)]", "error: no such key");
	IS("{-1: 'a'}[dyn(-1.0)]", "\"a\"");
	IS("{true: 1}[dyn(1)]", "error: no such key");
	IS("{'a': 1, 'b': 2, 'a': 3}", "error: the same key twice in a map");
	IS("[0,1,2,3,4,5,6,7,8,9,10].transformMap(i, v, v * v)[10]", "100");
	IS("[0,1,2,3,4,5,6,7,8,9,10].transformMapEntry(i, v, {'k': v})",
	   "error: the same key twice in a map");
	IS("[0,1,2,3,4,5,6,7,8,9,10].transformMapEntry(i, v, {string(v): v})['7']", "7");
	IS("[0,1,2,3,4,5,6,7,8,9,10].transformMapEntry(i, v, {string(v): v}).?x",
	   "optional.none()");
}

TEST(positions_in_strings_count_code_points)
{
	IS("size(x)", "3");
	IS("x.charAt(1)", "\"\xe2\x82\xac\"");
	IS("x.charAt(3)", "\"\"");
	IS("x.charAt(4)", "error: the position is outside of the string");
	IS("x.indexOf('b')", "2");
	IS("x.lastIndexOf('a', 1)", "0");
	IS("x.substring(1, 2)", "\"\xe2\x82\xac\"");
	IS("x.substring(2, 1)", "error: the end of a substring is before its beginning");
	IS("x.reverse()", "\"b\xe2\x82\xac"
			  "a\"");
	IS("x.split('')", "[\"a\", \"\xe2\x82\xac\", \"b\"]");
	IS("''.split('')", "[]");
	IS("''.split(',')", "[\"\"]");
	IS("'a,b,'.split(',', 2)", "[\"a\", \"b,\"]");
	IS("x.replace('', '-')", "\"-a-\xe2\x82\xac-b-\"");
	IS("x.replace('', '-', 2)", "\"-a-\xe2\x82\xac"
				    "b\"");
	IS("'aaa'.replace('a', 'bb', 2)", "\"bbbba\"");
	IS("'aaa'.replace('aa', '', 9223372036854775807)", "\"a\"");
	IS("['a', 'b'].join(x)", "\"aa\xe2\x82\xac"
				 "bb\"");
	IS("' \\u3000a\\u00a0 '.trim()", "\"a\"");
	IS("'\\u3000'.trim()", "\"\"");
}

TEST(formats_are_checked)
{
	IS("'%d %d'.format([1])", "error: the format has more clauses than arguments");
	IS("'%'.format([1])", "error: a clause of the format is incomplete or wrong");
	IS("'%.f'.format([1.0])", "error: a clause of the format is incomplete or wrong");
	IS("'%.999f'.format([1.0])", "error: a clause of the format is incomplete or wrong");
	IS("'%.2d'.format([1])", "error: a clause of the format is incomplete or wrong");
	IS("'%b %b %o %x %X'.format([-5, true, 8, -255, b'\\xab'])", "\"-101 1 10 -ff AB\"");
	IS("'%x'.format([-9223372036854775808])", "\"-8000000000000000\"");
	IS("'%s'.format([{'b': [1, {}], 'a': null}])", "\"{a: null, b: [1, {}]}\"");
	IS("'%s'.format([b'a\\xff\\xffb'])", "\"a\xef\xbf\xbd"
					     "b\"");
	IS("'%s'.format([optional.of(1)])", "error: a value of type optional cannot be written");
	IS("strings.quote('a\\\"\\n\\u0000')", "\"\\\"a\\\\\\\"\\\\n\\x00\\\"\"");
}

#define MATCHES(text, pattern) IS("'" text "'.matches(r'" pattern "')", "true")
#define DIFFERS(text, pattern) IS("'" text "'.matches(r'" pattern "')", "false")

TEST(patterns_are_those_of_re2)
{
	MATCHES("abc", "b");
	MATCHES("abc", "^abc$");
	DIFFERS("xabc", "^abc");
	DIFFERS("abcx", "abc$");
	MATCHES("a.c", "a\\.c");
	DIFFERS("abc", "a\\.c");
	MATCHES("aXbc", "(?i)AxB");
	DIFFERS("aXbc", "AxB");
	MATCHES("\\u00c4", "(?i)\xc3\xa4");
	MATCHES("a\\nb", "(?s)a.b");
	DIFFERS("a\\nb", "a.b");
	MATCHES("x\\nab", "(?m)^ab$");
	DIFFERS("x\\nab", "^ab$");
	MATCHES("foo bar", "\\bbar\\b");
	DIFFERS("foobar", "\\bbar");
	MATCHES("foobar", "\\Bbar");
	MATCHES("aab", "^a{2}b$");
	DIFFERS("aaab", "^a{2}b$");
	MATCHES("aaab", "^a{2,}b$");
	DIFFERS("aaaab", "^a{2,3}b$");
	MATCHES("a{,2}", "^a{,2}$");
	MATCHES("", "^(a*)*$");
	MATCHES("b", "^(a|b|)$");
	MATCHES("x-y", "^[a-z-]+$");
	MATCHES("]", "^[]]$");
	DIFFERS("a", "^[^a-c]$");
	MATCHES("\\n", "^[^a]$");
	MATCHES("a1_", "^\\w\\d_$");
	DIFFERS("a", "\\W|\\d|\\s");
	MATCHES("Z9", "^[[:alpha:]][[:digit:]]$");
	DIFFERS("Z", "^[[:^alpha:]]$");
	MATCHES("a+b", "^\\Qa+b\\E$");
	MATCHES("\xe2\x82\xac", "^\\x{20ac}$");
	MATCHES("\xe2\x82\xac", "^.$");
	MATCHES("abab", "^(?P<x>ab){2}$");
	MATCHES("ac", "^(?:a|b)(?i:C)$");
	DIFFERS("AC", "^(?:a|b)(?i:C)$");
	MATCHES("aaa", "^a+?$");
	MATCHES("grey", "gr[ae]y|x");
	DIFFERS("xb", "^a|^c$|b{2}x");
	MATCHES("ab", "\\Aab\\z");
	DIFFERS("aabx", "^a+b$");
	DIFFERS("xaab", "^a+b$");
	DIFFERS("ab\\nx", "a+b$");
	MATCHES("ab\\nx", "(?m)a+b$");
	IS("x.matches('a' + '\xe2\x82\xac')", "true");
}

/* ---- time ----------------------------------------------------------------------------------- */

TEST(timestamps_are_those_of_rfc_3339)
{
	IS("timestamp('2000-02-29T23:59:59.5+01:30')", "timestamp(\"2000-02-29T22:29:59.5Z\")");
	IS("timestamp('1900-02-29T00:00:00Z')", "error: the string is no time as in RFC 3339");
	IS("timestamp('2000-01-01T24:00:00Z')", "error: the string is no time as in RFC 3339");
	IS("timestamp('2000-01-01T00:00:60Z')", "error: the string is no time as in RFC 3339");
	IS("timestamp('2000-01-01 00:00:00Z')", "error: the string is no time as in RFC 3339");
	IS("timestamp('2000-01-01T00:00:00')", "error: the string is no time as in RFC 3339");
	IS("timestamp('0001-01-01T00:00:00+00:01')", "error: the string is no time as in RFC 3339");
	IS("timestamp(-62135596800)", "timestamp(\"0001-01-01T00:00:00Z\")");
	IS("timestamp(253402300799).getDayOfYear()", "364");
	IS("timestamp(-1).getDayOfWeek()", "3");
	IS("timestamp('1969-12-31T23:59:59.25Z').getMilliseconds()", "250");
	IS("timestamp(0) - duration('0.5s')", "timestamp(\"1969-12-31T23:59:59.5Z\")");
}

TEST(durations_are_read_and_written)
{
	IS("duration('1h30m1.5s')", "duration(\"5401.5s\")");
	IS("duration('-1.5ms')", "duration(\"-0.0015s\")");
	IS("duration('1us') + duration('1\xc2\xb5s')", "duration(\"0.000002s\")");
	IS("duration('0')", "duration(\"0s\")");
	IS("duration('1')", "error: the string is no duration, such as \"1h30m\"");
	IS("duration('')", "error: the string is no duration, such as \"1h30m\"");
	IS("duration('s')", "error: the string is no duration, such as \"1h30m\"");
	IS("duration('9223372036.854775807s').getHours()", "2562047");
	IS("duration('9223372036.854775808s')",
	   "error: the string is no duration, such as \"1h30m\"");
	IS("duration('-90m').getHours()", "-1");
	IS("duration('1.25s').getMilliseconds()", "250");
}

/* A TZif file of version 2: no table in its first part, one transition, and a rule. */
static u8 file[256];

static void be(u8 **p, u64 v, u32 n)
{
	while (n)
		*(*p)++ = (u8)(v >> 8 * --n);
}

static void header(u8 **p, u32 times, u32 types, u32 chars)
{
	memcpy(*p, "TZif2", 5);
	*p += 20;
	be(p, 0, 4);
	be(p, 0, 4);
	be(p, 0, 4);
	be(p, times, 4);
	be(p, types, 4);
	be(p, chars, 4);
}

/* Up to 2000-01-01 one hour east, then what the rule says. */
static void make_zone(const char *rule)
{
	u8 *p = file;

	memset(file, 0, sizeof(file));
	header(&p, 0, 1, 1);
	p += 7;
	header(&p, 1, 2, 4);
	be(&p, 946684800, 8);
	be(&p, 1, 1);
	be(&p, 3600, 4);
	be(&p, 0, 2);
	be(&p, 7200, 4);
	be(&p, 0, 2);
	memcpy(p, "AAA", 4);
	p += 4;
	p += sprintf((char *)p, "\n%s\n", rule);
	zone_file = file;
	zone_size = (size_t)(p - file);
}

#define HOUR(time, hour) IS("timestamp('" time "').getHours('Test/Zone')", hour)

TEST(zones_follow_their_table_and_then_their_rule)
{
	make_zone("AAA-2BBB,M3.5.0,M10.5.0/3");
	HOUR("1999-06-01T00:00:00Z", "1");
	HOUR("2050-01-01T00:00:00Z", "2");
	HOUR("2050-07-01T00:00:00Z", "3");
	HOUR("2050-03-26T23:59:59Z", "1"); /* summer time begins on the last Sunday at 02:00 */
	HOUR("2050-03-27T00:00:00Z", "3");
	HOUR("2050-10-29T23:59:59Z", "2");
	HOUR("2050-10-30T00:00:00Z", "2");
	make_zone("<+03>-3");
	HOUR("2050-07-01T00:00:00Z", "3");
	make_zone("AAA5BBB,M10.1.0,M3.3.0"); /* south of the equator the year begins in summer */
	HOUR("2050-01-01T12:00:00Z", "8");
	HOUR("2050-07-01T12:00:00Z", "7");
	make_zone("AAA0BBB,J60,J300");
	HOUR("2052-02-29T12:00:00Z", "12"); /* day 60 is 1 March in every year */
	HOUR("2052-03-01T12:00:00Z", "13");
	HOUR("2051-03-01T12:00:00Z", "13");
	make_zone("nonsense");
	HOUR("2050-01-01T00:00:00Z", "2"); /* the last transition holds */
}

TEST(a_zone_file_that_is_cut_anywhere_is_refused_or_read)
{
	size_t n;

	make_zone("AAA-2BBB,M3.5.0,M10.5.0/3");
	for (n = zone_size; n-- > 0;) {
		u8 *cut = malloc(n ? n : 1); /* a byte too many would be seen */

		memcpy(cut, file, n);
		zone_file = cut;
		zone_size = n;
		if (n < 120)
			IS("timestamp(0).getHours('Test/Zone')",
			   "error: unknown time zone Test/Zone");
		else
			IS("timestamp(0).getHours('Test/Zone')", "1");
		free(cut);
	}
	IS("timestamp(0).getHours('Test/Other')", "error: unknown time zone Test/Other");
	IS("timestamp(0).getHours('../zone')", "error: the string is no time zone");
	IS("timestamp(0).getHours('/zone')", "error: the string is no time zone");
	IS("timestamp(0).getHours('24:00')", "error: the string is no time zone");
}

/* ---- network --------------------------------------------------------------------------------- */

TEST(addresses_have_one_reading)
{
	IS("ip('2001:DB8:0:0:1:0:0:1')", "ip(\"2001:db8::1:0:0:1\")");
	IS("ip('::')", "ip(\"::\")");
	IS("ip('1::')", "ip(\"1::\")");
	IS("ip('1:2:3:4:5:6:0:8')", "ip(\"1:2:3:4:5:6:0:8\")");
	IS("ip('1:2:0:0:5:6:7:8')", "ip(\"1:2::5:6:7:8\")");
	IS("ip('010.0.0.1')", "error: the string is no IP address");
	IS("ip('10.1')", "error: the string is no IP address");
	IS("ip('::ffff:1.2.3.4')", "error: the string is no IP address");
	IS("cidr('10.0.0.0/08')", "error: the string is no CIDR");
	IS("cidr('10.0.0.0/33')", "error: the string is no CIDR");
	IS("cidr('::/128').prefixLength()", "128");
	IS("cidr('10.1.2.3/12').masked()", "cidr(\"10.0.0.0/12\")");
	IS("cidr('2001:db8:ffff::/33').masked()", "cidr(\"2001:db8:8000::/33\")");
	IS("cidr('0.0.0.0/0').containsIP('255.255.255.255')", "true");
	IS("cidr('0.0.0.0/0').containsIP('::1')", "false");
	IS("cidr('::/0').containsIP('10.0.0.1')", "false");
	IS("cidr('10.0.0.0/9').containsIP('10.128.0.0')", "false");
	IS("cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16')", "true");
	IS("[ip('10.0.0.1').family(), ip('::1').family()]", "[4, 6]");
	IS("ip('224.0.0.5').isLinkLocalMulticast() && !ip('224.0.1.5').isLinkLocalMulticast()",
	   "true");
	IS("ip('255.255.255.255').isGlobalUnicast()", "false");
}

/* ---- JSON ------------------------------------------------------------------------------------ */

TEST(typed_json_is_read_back_as_it_was_written)
{
	static const char *const exprs[] = {
		"[1, 2u, -0.5, 'a', b'\\xff', null, true, [], {}]",
		"{'a': {1: [timestamp(1), duration('1.5s')]}, true: type(1)}",
		"[optional.of(optional.none()), ip('::1'), cidr('10.0.0.0/8'), optional.none()]",
	};
	struct sz_cel_env *env = sz_cel_env_new();
	struct sz_buf one, two;
	struct sz_cel_program *p;
	struct sz_cel_value v, back;
	struct sz_cel_error e;
	struct sz_cel_arena a;
	json_t *json;
	size_t i;

	sz_cel_arena_init(&a, 1 << 20);
	for (i = 0; i < SZ_ARRAY_LEN(exprs); i++) {
		one = two = (struct sz_buf){0};
		ASSERT_EQ(sz_cel_compile(env, exprs[i], strlen(exprs[i]), 0, &p, &e), 0);
		ASSERT_EQ(sz_cel_eval(p, NULL, 1000, &a, &v, &e), 0);
		json = sz_cel_to_typed(&v);
		EXPECT_EQ(sz_cel_from_typed(&a, json, &back), 0);
		json_decref(json);
		sz_cel_print(&v, &one);
		sz_cel_print(&back, &two);
		EXPECT_STREQ(two.data, one.data);
		sz_buf_done(&one);
		sz_buf_done(&two);
		sz_cel_program_free(p);
	}
	sz_cel_arena_done(&a);
	sz_cel_env_free(env);
}

static int from_typed(const char *text)
{
	json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
	struct sz_cel_arena a;
	struct sz_cel_value v;
	int err;

	sz_cel_arena_init(&a, 4096);
	err = sz_cel_from_typed(&a, json, &v);
	json_decref(json);
	sz_cel_arena_done(&a);
	return err;
}

TEST(typed_json_that_is_none_is_refused)
{
	EXPECT_EQ(from_typed("{\"int\": \"5\"}"), 0);
	EXPECT_EQ(from_typed("{\"int\": \"5x\"}"), -EINVAL);
	EXPECT_EQ(from_typed("{\"int\": \"9223372036854775808\"}"), -EINVAL);
	EXPECT_EQ(from_typed("{\"int\": \"\"}"), -EINVAL);
	EXPECT_EQ(from_typed("{\"int\": \"1\", \"uint\": \"1\"}"), -EINVAL);
	EXPECT_EQ(from_typed("{\"number\": \"1\"}"), -EINVAL);
	EXPECT_EQ(from_typed("{}"), -EINVAL);
	EXPECT_EQ(from_typed("5"), -EINVAL);
	EXPECT_EQ(from_typed("{\"bytes_hex\": \"0\"}"), -EINVAL);
	EXPECT_EQ(from_typed("{\"list\": {}}"), -EINVAL);
	EXPECT_EQ(from_typed("{\"map\": [[{\"int\": \"1\"}]]}"), -EINVAL);
	EXPECT_EQ(from_typed("{\"map\": [[{\"double\": \"1\"}, {\"int\": \"1\"}]]}"), -EINVAL);
	EXPECT_EQ(from_typed("{\"timestamp\": \"today\"}"), -EINVAL);
	EXPECT_EQ(from_typed("{\"null\": false}"), -EINVAL);
}

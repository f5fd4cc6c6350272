/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The pure parts of subzeroctl: command line, durations, values, tables. */
#include "harness.h"

#include <arpa/inet.h>

#include "ctl/ctl.h"

/* ---- command line --------------------------------------------------------------------------- */

static const struct sz_ctl_option list_options[] = {
	{"lines", 'n', "N", "rows"},
	{"all", 0, NULL, "everything"},
	{"aud", 0, "A", "repeated"},
	{NULL, 0, NULL, NULL},
};

static const struct sz_ctl_command table[] = {
	{"ban", NULL, false, "PREFIX", 1, 1, "Ban", list_options, NULL},
	{"grants", "list", true, "", 0, 0, "List", list_options, NULL},
	{"grants", "revoke", false, "", 0, 0, "Revoke", NULL, NULL},
	{"keys", "generate", false, "", 0, 0, "Make keys", NULL, NULL},
	{"status", NULL, false, "", 0, 0, "Status", NULL, NULL},
	{NULL, NULL, false, NULL, 0, 0, NULL, NULL, NULL},
};

static struct sz_ctl_args args;
static struct sz_error err;

/* Splits at blanks; "''" stands for an empty word. */
static int parse(const char *line)
{
	static char text[256];
	char *argv[32] = {"subzeroctl"}, *word, *rest;
	int n = 1;

	snprintf(text, sizeof(text), "%s", line);
	for (word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		argv[n++] = strcmp(word, "''") ? word : word + 2;
	err.msg[0] = 0;
	return sz_ctl_parse(table, n, argv, &args, &err);
}

TEST(options_stand_before_and_after_the_command)
{
	ASSERT_EQ(parse("--json ban --lines=3 10.0.0.1 --pin-dir /x"), 0);
	EXPECT_TRUE(args.cmd == &table[0]);
	EXPECT_EQ(args.n_words, 1);
	EXPECT_STREQ(args.word[0], "10.0.0.1");
	EXPECT_TRUE(sz_ctl_has(&args, "json"));
	EXPECT_STREQ(sz_ctl_value(&args, "lines"), "3");
	EXPECT_STREQ(sz_ctl_value(&args, "pin-dir"), "/x");
	EXPECT_TRUE(!sz_ctl_value(&args, "config"));
}

TEST(short_options_take_their_value_attached_or_apart)
{
	ASSERT_EQ(parse("grants list -n5"), 0);
	EXPECT_STREQ(sz_ctl_value(&args, "lines"), "5");
	ASSERT_EQ(parse("grants list -n 6"), 0);
	EXPECT_STREQ(sz_ctl_value(&args, "lines"), "6");
}

TEST(the_last_value_counts_and_all_can_be_read)
{
	ASSERT_EQ(parse("grants list --aud a --aud b --lines 1 --lines 2"), 0);
	EXPECT_STREQ(sz_ctl_value(&args, "lines"), "2");
	EXPECT_STREQ(sz_ctl_value_at(&args, "aud", 0), "a");
	EXPECT_STREQ(sz_ctl_value_at(&args, "aud", 1), "b");
	EXPECT_TRUE(!sz_ctl_value_at(&args, "aud", 2));
}

TEST(a_group_alone_means_its_bare_command_with_its_options)
{
	ASSERT_EQ(parse("grants -n 3"), 0);
	EXPECT_TRUE(args.cmd == &table[1]);
	ASSERT_EQ(parse("grants revoke"), 0);
	EXPECT_TRUE(args.cmd == &table[2]);
	EXPECT_EQ(parse("keys"), -EINVAL);
	EXPECT_CONTAINS(err.msg, "generate");
}

TEST(a_dash_is_a_word_and_two_end_the_options)
{
	ASSERT_EQ(parse("ban -"), 0);
	EXPECT_STREQ(args.word[0], "-");
	ASSERT_EQ(parse("ban -- --json"), 0);
	EXPECT_STREQ(args.word[0], "--json");
	EXPECT_TRUE(!sz_ctl_has(&args, "json"));
}

TEST(an_option_takes_the_next_word_whatever_it_is)
{
	ASSERT_EQ(parse("ban x --aud -5m --lines ''"), 0);
	EXPECT_STREQ(sz_ctl_value(&args, "aud"), "-5m");
	EXPECT_STREQ(sz_ctl_value(&args, "lines"), "");
}

TEST(mistakes_are_refused_with_a_suggestion)
{
	EXPECT_EQ(parse(""), -EINVAL);
	EXPECT_EQ(parse("stauts"), -EINVAL);
	EXPECT_CONTAINS(err.msg, "did you mean 'status'?");
	EXPECT_EQ(parse("grants revok"), -EINVAL);
	EXPECT_CONTAINS(err.msg, "'revoke'");
	EXPECT_EQ(parse("ban x --line 3"), -EINVAL);
	EXPECT_CONTAINS(err.msg, "'--lines'");
	EXPECT_EQ(parse("zzzzzz"), -EINVAL);
	EXPECT_CONTAINS(err.msg, "--help");
	EXPECT_EQ(parse("ban"), -EINVAL);
	EXPECT_CONTAINS(err.msg, "PREFIX");
	EXPECT_EQ(parse("ban a b"), -EINVAL);
	EXPECT_EQ(parse("status now"), -EINVAL);
	EXPECT_EQ(parse("ban x --all=1"), -EINVAL);
	EXPECT_CONTAINS(err.msg, "no value");
	EXPECT_EQ(parse("ban x --lines"), -EINVAL);
	EXPECT_CONTAINS(err.msg, "needs a value");
	EXPECT_EQ(parse("status --all"), -EINVAL);
	EXPECT_EQ(parse("status -z"), -EINVAL);
}

TEST(help_needs_no_words)
{
	struct sz_buf b = {0};

	ASSERT_EQ(parse("ban --help"), 0);
	sz_ctl_help(table, &args, &b);
	EXPECT_CONTAINS(b.data, "Usage: subzeroctl ban [OPTIONS] PREFIX");
	EXPECT_CONTAINS(b.data, "-n, --lines N");
	sz_buf_reset(&b);
	ASSERT_EQ(parse("-h"), 0);
	sz_ctl_help(table, &args, &b);
	EXPECT_CONTAINS(b.data, "grants revoke");
	sz_buf_reset(&b);
	ASSERT_EQ(parse("grants -h"), 0);
	sz_ctl_help(table, &args, &b);
	EXPECT_CONTAINS(b.data, "grants revoke");
	EXPECT_TRUE(!strstr(b.data, "keys generate"));
	sz_buf_done(&b);
}

TEST(too_many_options_are_refused)
{
	char *argv[2 + SZ_CTL_OPTIONS_MAX + 1];
	int i;

	argv[0] = "subzeroctl";
	argv[1] = "status";
	for (i = 0; i <= SZ_CTL_OPTIONS_MAX; i++)
		argv[2 + i] = "--json";
	EXPECT_EQ(sz_ctl_parse(table, 2 + SZ_CTL_OPTIONS_MAX, argv, &args, &err), 0);
	EXPECT_EQ(sz_ctl_parse(table, 3 + SZ_CTL_OPTIONS_MAX, argv, &args, &err), -E2BIG);
}

TEST(suggestions_are_near_or_none)
{
	static const char *const list[] = {"status", "services", "sources", NULL};

	EXPECT_STREQ(sz_ctl_suggest("statsu", list), "status");
	EXPECT_STREQ(sz_ctl_suggest("serv", list), "services");
	EXPECT_STREQ(sz_ctl_suggest("source", list), "sources");
	EXPECT_TRUE(!sz_ctl_suggest("explain", list));
	EXPECT_TRUE(!sz_ctl_suggest("x", list));
}

/* ---- values --------------------------------------------------------------------------------- */

TEST(durations_are_read)
{
	static const struct {
		const char *text;
		u64 seconds;
	} good[] = {{"90", 90},     {"90s", 90},     {"5m", 300},    {"2h", 7200},
		    {"7d", 604800}, {"1h30m", 5400}, {"1w", 604800}, {"0", 0}};
	static const char *const bad[] = {"",
					  "m",
					  "5x",
					  "-5m",
					  "5 m",
					  "1h30",
					  "1.5h",
					  "h5",
					  "99999999999999999999d",
					  "101w9999999999s"};
	size_t i;
	u64 s;

	for (i = 0; i < SZ_ARRAY_LEN(good); i++) {
		s = 1;
		EXPECT_EQ(sz_ctl_parse_duration(good[i].text, &s), 0);
		EXPECT_EQ(s, good[i].seconds);
	}
	for (i = 0; i < SZ_ARRAY_LEN(bad); i++)
		if (!EXPECT_TRUE(sz_ctl_parse_duration(bad[i], &s) < 0))
			printf("# \"%s\" was accepted\n", bad[i]);
}

TEST(offsets_have_a_sign)
{
	s64 s;

	EXPECT_EQ(sz_ctl_parse_offset("-5m", &s), 0);
	EXPECT_EQ(s, -300);
	EXPECT_EQ(sz_ctl_parse_offset("+1h", &s), 0);
	EXPECT_EQ(s, 3600);
	EXPECT_EQ(sz_ctl_parse_offset("10", &s), 0);
	EXPECT_EQ(s, 10);
	EXPECT_TRUE(sz_ctl_parse_offset("--5", &s) < 0);
	EXPECT_TRUE(sz_ctl_parse_offset("-", &s) < 0);
}

TEST(numbers_have_bounds)
{
	u64 v;

	EXPECT_EQ(sz_ctl_parse_u64("18446744073709551615", UINT64_MAX, &v), -EINVAL);
	EXPECT_EQ(sz_ctl_parse_u64("1844674407370955160", UINT64_MAX, &v), 0);
	EXPECT_EQ(sz_ctl_parse_u64("11", 10, &v), -ERANGE);
	EXPECT_EQ(sz_ctl_parse_u64("10", 10, &v), 0);
	EXPECT_EQ(v, 10);
	EXPECT_EQ(sz_ctl_parse_u64("", 10, &v), -EINVAL);
	EXPECT_EQ(sz_ctl_parse_u64("+1", 10, &v), -EINVAL);
}

TEST(ages_use_one_unit)
{
	char s[SZ_CTL_TEXT_MAX];

	EXPECT_STREQ(sz_ctl_age(0, s), "0ms");
	EXPECT_STREQ(sz_ctl_age(250000000, s), "250ms");
	EXPECT_STREQ(sz_ctl_age(12000000000ull, s), "12s");
	EXPECT_STREQ(sz_ctl_age(200000000000ull, s), "3m");
	EXPECT_STREQ(sz_ctl_age(7200000000000ull, s), "2h");
	EXPECT_STREQ(sz_ctl_age(9ull * 86400 * 1000000000, s), "9d");
	EXPECT_STREQ(sz_ctl_until(0, 5, s), "never");
	EXPECT_STREQ(sz_ctl_until(UINT64_MAX, 5, s), "never");
	EXPECT_STREQ(sz_ctl_until(5, 5, s), "expired");
	EXPECT_STREQ(sz_ctl_until(3000000005ull, 5, s), "in 3s");
}

TEST(rates_are_written_as_configured)
{
	char s[SZ_CTL_TEXT_MAX];

	EXPECT_STREQ(sz_ctl_rate(0, 0, s), "-");
	EXPECT_STREQ(sz_ctl_rate(10000000, 2000000000, s), "100/s burst 200");
	EXPECT_STREQ(sz_ctl_rate(6000000000ull, 60000000000ull, s), "10/min burst 10");
	EXPECT_STREQ(sz_ctl_rate(600000000, 120000000000ull, s), "100/min burst 200");
	EXPECT_STREQ(sz_ctl_rate(1000000000ull / 7, 1000000000ull / 7 * 3, s), "7/s burst 3");
	EXPECT_STREQ(sz_ctl_rate(3600000000000ull, 3600000000000ull, s), "1/h burst 1");
	EXPECT_STREQ(sz_ctl_per_second(0, s), "0");
	EXPECT_STREQ(sz_ctl_per_second(0.54, s), "0.5");
	EXPECT_STREQ(sz_ctl_per_second(1234, s), "1234");
	EXPECT_STREQ(sz_ctl_per_second(12345, s), "12.3k");
	EXPECT_STREQ(sz_ctl_time(1795262400, s), "2026-11-21T12:00:00Z");
}

TEST(prefixes_round_trip)
{
	static const char *const list[] = {"192.0.2.7",   "192.0.2.0/24", "2001:db8::/32",
					   "2001:db8::1", "0.0.0.0/0",    "::/0"};
	char s[SZ_CTL_TEXT_MAX];
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(list); i++) {
		struct sz_ban_key k;

		ASSERT_EQ(sz_prefix_parse(list[i], &k.addr, &k.prefixlen), 0);
		EXPECT_STREQ(sz_ctl_prefix(&k, s), list[i]);
	}
}

TEST(a_digest_is_written_as_in_the_audit_log)
{
	struct sz_digest d = {{0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull}};
	char s[SZ_CTL_TEXT_MAX];

	EXPECT_STREQ(sz_ctl_digest(&d, s), "000102030405060708090a0b0c0d0e0f");
	EXPECT_STREQ(sz_ctl_principal_hex(0x5b1f, s), "0000000000005b1f");
}

static const char *cleaned(const char *s, size_t n)
{
	static char text[256];
	struct sz_buf b = {0};

	sz_ctl_clean(&b, s, n);
	snprintf(text, sizeof(text), "%s", b.data ? b.data : "");
	sz_buf_done(&b);
	return text;
}

TEST(nothing_a_client_chose_can_drive_a_terminal)
{
	EXPECT_STREQ(cleaned("caf\xc3\xa9", 5), "caf\xc3\xa9");
	EXPECT_STREQ(cleaned("a\033[31mb\n", 8), "a?[31mb?");
	EXPECT_STREQ(cleaned("\x7f\xc2\x9b", 3), "???"); /* DEL, CSI in UTF-8 */
	EXPECT_STREQ(cleaned("\xc3", 1), "?");
	EXPECT_STREQ(cleaned("\xe2\x80\xae"
			     "x",
			     4),
		     "???x");                            /* right-to-left override */
	EXPECT_STREQ(cleaned("\xed\xa0\x80", 3), "???"); /* surrogate */
	EXPECT_STREQ(cleaned("a\0b", 3), "a?b");
	EXPECT_STREQ(cleaned("", 0), "");
}

TEST(json_text_is_made_of_any_bytes)
{
	json_t *v = sz_ctl_text("a\xff", 2);

	ASSERT_TRUE(v != NULL);
	EXPECT_STREQ(json_string_value(v), "a?");
	json_decref(v);
}

/* ---- tables --------------------------------------------------------------------------------- */

static const struct sz_ctl_column columns[] = {
	{"name", "NAME", SZ_CTL_SHRINK},
	{"secret", NULL, 0},
	{"count", "COUNT", SZ_CTL_RIGHT},
	{NULL, "NOTE", 0},
};

static void fill(struct sz_ctl_table *t, const char *name)
{
	sz_ctl_table_init(t, columns, SZ_ARRAY_LEN(columns));
	sz_ctl_cell_text(t, name);
	sz_ctl_cell(t, json_true(), "hidden");
	sz_ctl_cell_u64(t, 7);
	sz_ctl_cell_text(t, "first");
	sz_ctl_cell_text(t, "b");
	sz_ctl_cell(t, NULL, "hidden");
	sz_ctl_cell_u64(t, 12345);
	sz_ctl_cell_text(t, "");
}

static char *render(struct sz_ctl_table *t, unsigned width, bool colour)
{
	static char text[1024];
	struct sz_buf b = {0};

	sz_ctl_table_render(t, width, colour, &b);
	snprintf(text, sizeof(text), "%s", b.data);
	sz_buf_done(&b);
	return text;
}

TEST(a_table_is_aligned_under_its_header)
{
	struct sz_ctl_table t;

	fill(&t, "alpha");
	EXPECT_STREQ(render(&t, 0, false), "NAME   COUNT  NOTE\n"
					   "alpha      7  first\n"
					   "b      12345  \n");
	sz_ctl_table_done(&t);
}

TEST(wide_columns_are_cut_to_the_terminal)
{
	struct sz_ctl_table t;

	fill(&t, "a-very-long-name-of-something");
	EXPECT_STREQ(render(&t, 24, false), "NAME        COUNT  NOTE\n"
					    "a-very-lo\xe2\x80\xa6      7  first\n"
					    "b           12345  \n");
	/* A column is not cut to nothing, however narrow the terminal is. */
	EXPECT_CONTAINS(render(&t, 5, false), "a-very-\xe2\x80\xa6      7");
	sz_ctl_table_done(&t);
}

TEST(characters_are_counted_not_bytes)
{
	struct sz_ctl_table t;

	fill(&t, "\xc3\xa4\xc3\xb6\xc3\xbc");
	EXPECT_CONTAINS(render(&t, 0, false), "\n\xc3\xa4\xc3\xb6\xc3\xbc       7  first\n");
	sz_ctl_table_done(&t);
}

TEST(colours_are_only_used_when_asked_for)
{
	struct sz_ctl_table t;

	fill(&t, "x");
	sz_ctl_cell_text(&t, "red");
	sz_ctl_cell_colour(&t, SZ_CTL_RED);
	sz_ctl_cell(&t, NULL, "%s", "");
	sz_ctl_cell_u64(&t, 1);
	sz_ctl_cell_text(&t, "-");
	EXPECT_TRUE(!strchr(render(&t, 0, false), '\033'));
	EXPECT_CONTAINS(render(&t, 0, true), "\033[31mred \033[0m");
	sz_ctl_table_done(&t);
}

TEST(json_has_the_keys_and_not_the_columns_for_people)
{
	struct sz_ctl_table t;
	json_t *rows, *row;

	fill(&t, "alpha");
	rows = sz_ctl_table_json(&t);
	sz_ctl_table_done(&t);
	ASSERT_EQ(json_array_size(rows), 2);
	row = json_array_get(rows, 0);
	EXPECT_EQ(json_object_size(row), 3);
	EXPECT_STREQ(json_string_value(json_object_get(row, "name")), "alpha");
	EXPECT_TRUE(json_is_true(json_object_get(row, "secret")));
	EXPECT_EQ(json_integer_value(json_object_get(row, "count")), 7);
	EXPECT_TRUE(json_is_null(json_object_get(json_array_get(rows, 1), "secret")));
	json_decref(rows);
}

TEST(an_empty_table_is_an_empty_array)
{
	struct sz_ctl_table t;
	json_t *rows;

	sz_ctl_table_init(&t, columns, SZ_ARRAY_LEN(columns));
	rows = sz_ctl_table_json(&t);
	EXPECT_EQ(json_array_size(rows), 0);
	EXPECT_TRUE(json_is_array(rows));
	json_decref(rows);
	sz_ctl_table_done(&t);
}

/* ---- tokens --------------------------------------------------------------------------------- */

TEST(a_token_is_taken_without_the_blanks_around_it)
{
	char big[SZ_TOKEN_MAX + 2];
	struct sz_buf b = {0};

	EXPECT_EQ(sz_ctl_token("  a.b.c\n", &b, &err), 0);
	EXPECT_STREQ(b.data, "a.b.c");
	EXPECT_EQ(b.len, 5);
	EXPECT_EQ(sz_ctl_token(" \n", &b, &err), -EINVAL);
	memset(big, 'a', sizeof(big));
	big[SZ_TOKEN_MAX + 1] = 0;
	EXPECT_EQ(sz_ctl_token(big, &b, &err), -E2BIG);
	big[SZ_TOKEN_MAX] = 0;
	EXPECT_EQ(sz_ctl_token(big, &b, &err), 0);
	sz_buf_done(&b);
}

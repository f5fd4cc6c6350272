/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A damaged audit log: whatever is altered, dropped or moved is found and named, and a crash in the
 * middle of a write costs only the line it tore.
 */
#include "harness.h"

#include "audit_log.h"
#include "codec/codec.h"

TEST(any_flipped_byte_is_found)
{
	static const u8 masks[] = { 0x01, 0x20, 0x80, 0xff };
	struct sz_audit_report r;
	struct sz_error e;
	struct sz_buf b = { 0 };
	u8 last[SZ_AUDIT_HASH_LEN];
	char *dir = log_new(last), path[PATH_MAX];
	int fd, missed = 0;
	size_t tried = 0;

	for (u32 s = 1; s <= 3; s++) {
		get_file(dir, s, &b);
		path_of(dir, s, path);
		fd = open(path, O_WRONLY);
		for (size_t i = 0; i < b.len; i++) {
			for (size_t m = 0; m < sizeof(masks); m++, tried++) {
				u8 c = (u8)b.data[i] ^ masks[m];

				EXPECT_EQ(pwrite(fd, &c, 1, (off_t)i), 1);
				if (verify(dir, &r, &e) != -EBADMSG)
					missed++;
			}
			EXPECT_EQ(pwrite(fd, &b.data[i], 1, (off_t)i), 1);
		}
		close(fd);
	}
	EXPECT_EQ(missed, 0);
	EXPECT_TRUE(tried > 4000);
	EXPECT_EQ(verify(dir, &r, &e), 0);
	sz_buf_done(&b);
	dir_free(dir);
}

/* Every value of every byte of the newest segment's last two lines, line ends among them. */
TEST(any_other_value_of_a_byte_of_the_last_lines_is_found)
{
	struct sz_audit_report r;
	struct sz_error e;
	struct sz_buf b = { 0 };
	u8 last[SZ_AUDIT_HASH_LEN];
	char *dir = log_new(last), path[PATH_MAX];
	int fd, missed = 0;

	get_file(dir, 3, &b);
	path_of(dir, 3, path);
	fd = open(path, O_WRONLY);
	for (size_t i = b.len - 80; i < b.len; i++) {
		for (unsigned v = 0; v < 256; v++) {
			u8 c = (u8)v;

			if (pwrite(fd, &c, 1, (off_t)i) != 1)
				abort();
			if (c != (u8)b.data[i] && verify(dir, &r, &e) != -EBADMSG)
				missed++;
		}
		if (pwrite(fd, &b.data[i], 1, (off_t)i) != 1)
			abort();
	}
	EXPECT_EQ(missed, 0);
	close(fd);
	sz_buf_done(&b);
	dir_free(dir);
}

TEST(a_deleted_line_is_found_unless_it_ends_the_log)
{
	const char *line[LINES];
	size_t len[LINES];
	struct sz_audit_report r;
	struct sz_error e;
	struct sz_buf b = { 0 }, other = { 0 };
	u8 last[SZ_AUDIT_HASH_LEN];
	char *dir = log_new(last);

	for (u32 s = 1; s <= 3; s++) {
		get_file(dir, s, &b);
		split(&b, line, len);
		for (int i = 0; i < LINES; i++) {
			sz_buf_reset(&other);
			for (int k = 0; k < LINES; k++)
				if (k != i)
					sz_buf_add(&other, line[k], len[k]);
			put_file(dir, s, other.data, other.len);
			if (s == 3 && i == LINES - 1) {
				/* What only an anchor outside the log can show. */
				EXPECT_EQ(verify(dir, &r, &e), 0);
				EXPECT_EQ(r.last_seq, 14);
				EXPECT_TRUE(memcmp(r.last, last, sizeof(last)) != 0);
			} else {
				EXPECT_EQ(verify(dir, &r, &e), -EBADMSG);
				EXPECT_CONTAINS(e.msg, "missing");
			}
		}
		put_file(dir, s, b.data, b.len);
	}
	sz_buf_done(&b);
	sz_buf_done(&other);
	dir_free(dir);
}

TEST(a_repeated_or_moved_line_is_found)
{
	const char *line[LINES];
	size_t len[LINES];
	struct sz_audit_report r;
	struct sz_error e;
	struct sz_buf b = { 0 }, other = { 0 };
	u8 last[SZ_AUDIT_HASH_LEN];
	char *dir = log_new(last);

	for (u32 s = 1; s <= 3; s++) {
		get_file(dir, s, &b);
		split(&b, line, len);
		for (int i = 0; i < LINES; i++) {
			for (int k = 0; k < LINES; k++) {
				/* i before k: a copy; i in k's place and k in i's: a swap. */
				sz_buf_reset(&other);
				for (int n = 0; n < LINES; n++) {
					if (n == k)
						sz_buf_add(&other, line[i], len[i]);
					sz_buf_add(&other, line[n], len[n]);
				}
				put_file(dir, s, other.data, other.len);
				EXPECT_EQ(verify(dir, &r, &e), -EBADMSG);
				EXPECT_CONTAINS(e.msg, "reordered");
				if (i == k)
					continue;
				sz_buf_reset(&other);
				for (int n = 0; n < LINES; n++) {
					int from = n == i ? k : n == k ? i : n;

					sz_buf_add(&other, line[from], len[from]);
				}
				put_file(dir, s, other.data, other.len);
				EXPECT_EQ(verify(dir, &r, &e), -EBADMSG);
				EXPECT_CONTAINS(e.msg, "reordered");
			}
		}
		put_file(dir, s, b.data, b.len);
	}
	sz_buf_done(&b);
	sz_buf_done(&other);
	dir_free(dir);
}

TEST(a_missing_swapped_or_emptied_segment_is_found)
{
	struct sz_audit_report r;
	struct sz_error e;
	struct sz_buf one_ = { 0 }, two = { 0 };
	u8 last[SZ_AUDIT_HASH_LEN];
	char *dir = log_new(last), path[PATH_MAX];

	get_file(dir, 1, &one_);
	get_file(dir, 2, &two);
	put_file(dir, 2, one_.data, one_.len);
	EXPECT_EQ(verify(dir, &r, &e), -EBADMSG);
	put_file(dir, 2, "", 0);
	EXPECT_EQ(verify(dir, &r, &e), -EBADMSG);
	EXPECT_CONTAINS(e.msg, "empty");
	put_file(dir, 2, two.data, two.len - 1);
	EXPECT_EQ(verify(dir, &r, &e), -EBADMSG);
	EXPECT_CONTAINS(e.msg, "cut off");
	path_of(dir, 2, path);
	unlink(path);
	EXPECT_EQ(verify(dir, &r, &e), -EBADMSG);
	EXPECT_CONTAINS(e.msg, "00000002.jsonl");
	EXPECT_CONTAINS(e.msg, "missing");
	put_file(dir, 2, two.data, two.len);
	path_of(dir, 1, path);
	unlink(path);
	EXPECT_EQ(verify(dir, &r, &e), -EBADMSG);
	EXPECT_CONTAINS(e.msg, "00000001.jsonl");
	put_file(dir, 1, one_.data, one_.len);
	put_file(dir, 0, one_.data, one_.len);
	EXPECT_EQ(verify(dir, &r, &e), -EBADMSG);
	sz_buf_done(&one_);
	sz_buf_done(&two);
	dir_free(dir);
}

TEST(the_message_says_where_and_which_record)
{
	struct sz_audit_report r;
	struct sz_error e;
	struct sz_buf b = { 0 };
	u8 last[SZ_AUDIT_HASH_LEN];
	char *dir = log_new(last);

	get_file(dir, 2, &b);
	memcpy(strstr(b.data, "shop"), "shoq", 4);
	put_file(dir, 2, b.data, b.len);
	EXPECT_EQ(verify(dir, &r, &e), -EBADMSG);
	EXPECT_CONTAINS(e.msg, "00000002.jsonl:2: seq 7: changed");
	EXPECT_CONTAINS(e.msg, "records 1 to 6 verify");
	EXPECT_EQ(r.last_seq, 6);
	sz_buf_done(&b);
	dir_free(dir);
}

/* The newest segment cut at every place of its first and of its last record. */
TEST(a_torn_last_line_is_reported_and_scan_goes_on_before_it)
{
	const char *line[LINES];
	size_t len[LINES];
	struct sz_audit_report r;
	struct sz_audit_state s;
	struct sz_audit_line l;
	struct sz_audit_syntax bad;
	struct sz_error e = { "" };
	struct sz_buf b = { 0 }, before = { 0 };
	u8 last[SZ_AUDIT_HASH_LEN], second[SZ_AUDIT_HASH_LEN];
	char *dir = log_new(last);

	get_file(dir, 3, &b);
	split(&b, line, len);
	ASSERT_EQ(sz_audit_parse(line[LINES - 2], len[LINES - 2] - 1, &l, &bad), 0);
	for (size_t n = 0; n < len[LINES - 1]; n++) {
		put_file(dir, 3, b.data, b.len - len[LINES - 1] + n);
		EXPECT_EQ(verify(dir, &r, &e), 0);
		EXPECT_EQ(r.torn_bytes, n);
		EXPECT_EQ(r.last_seq, 14);
		EXPECT_EQ(sz_audit_scan(dir, &s, &e), 0);
		EXPECT_EQ(s.next_seq, 15);
		EXPECT_EQ(s.torn_bytes, n);
		EXPECT_EQ(s.size, b.len - len[LINES - 1]);
		EXPECT_MEMEQ(s.last, l.hash, sizeof(l.hash));
	}
	get_file(dir, 2, &before);
	ASSERT_TRUE(sz_hex_decode(before.data + before.len - 67, 64, second) == 0);
	for (size_t n = 0; n < len[0]; n++) {
		put_file(dir, 3, b.data, n);
		EXPECT_EQ(verify(dir, &r, &e), 0);
		EXPECT_EQ(r.last_seq, 10);
		EXPECT_EQ(r.torn_bytes, n);
		EXPECT_EQ(sz_audit_scan(dir, &s, &e), 0);
		EXPECT_EQ(s.segment, 3);
		EXPECT_EQ(s.size, 0);
		EXPECT_EQ(s.torn_bytes, n);
		EXPECT_EQ(s.next_seq, 11);
		EXPECT_MEMEQ(s.last, second, sizeof(second));
	}
	sz_buf_done(&b);
	sz_buf_done(&before);
	dir_free(dir);
}

TEST(a_tail_that_never_began_a_record_is_not_taken_for_a_torn_line)
{
	static const char *const tails[] = { "x", "{\"seq\":01", "{\"seq\":16,\"time\":\"2026-13",
		"{\"seq\":16,\"time\":\"2026-11-21T12:00:00.123456789Z\",\"type\":\"nonsense\"",
		"{\"seq\":16,\"time\":\"2026-02-30T12:00:00.123456789Z\"", "{\"seq\":1} " };
	struct sz_audit_report r;
	struct sz_audit_state s;
	struct sz_error e;
	struct sz_buf b = { 0 }, other = { 0 };
	u8 last[SZ_AUDIT_HASH_LEN];
	char *dir = log_new(last);

	get_file(dir, 3, &b);
	for (size_t i = 0; i < SZ_ARRAY_LEN(tails); i++) {
		sz_buf_reset(&other);
		sz_buf_add(&other, b.data, b.len);
		sz_buf_add(&other, tails[i], strlen(tails[i]));
		put_file(dir, 3, other.data, other.len);
		EXPECT_EQ(verify(dir, &r, &e), -EBADMSG);
		EXPECT_EQ(sz_audit_scan(dir, &s, &e), -EBADMSG);
	}
	/* A whole last record whose line end became another byte. */
	b.data[b.len - 1] = ' ';
	put_file(dir, 3, b.data, b.len);
	EXPECT_EQ(verify(dir, &r, &e), -EBADMSG);
	EXPECT_EQ(sz_audit_scan(dir, &s, &e), -EBADMSG);
	sz_buf_done(&b);
	sz_buf_done(&other);
	dir_free(dir);
}

TEST(scan_refuses_a_last_record_that_was_altered)
{
	const char *line[LINES];
	size_t len[LINES];
	struct sz_audit_state s;
	struct sz_error e;
	struct sz_buf b = { 0 };
	u8 last[SZ_AUDIT_HASH_LEN];
	char *dir = log_new(last);
	int missed = 0;

	get_file(dir, 3, &b);
	split(&b, line, len);
	for (size_t i = b.len - len[LINES - 1]; i < b.len; i++) {
		b.data[i] ^= 1;
		put_file(dir, 3, b.data, b.len);
		missed += sz_audit_scan(dir, &s, &e) != -EBADMSG;
		b.data[i] ^= 1;
	}
	EXPECT_EQ(missed, 0);
	put_file(dir, 3, line[1], len[1]);
	EXPECT_EQ(sz_audit_scan(dir, &s, &e), -EBADMSG);
	EXPECT_CONTAINS(e.msg, "audit verify");
	get_file(dir, 2, &b);
	split(&b, line, len);
	put_file(dir, 3, line[0], len[0]);
	EXPECT_EQ(sz_audit_scan(dir, &s, &e), -EBADMSG);
	EXPECT_CONTAINS(e.msg, "record of segment 3");
	sz_buf_done(&b);
	dir_free(dir);
}

TEST(an_endless_line_is_refused_and_not_read_into_memory)
{
	struct sz_audit_report r;
	struct sz_audit_state s;
	struct sz_error e;
	char *dir = dir_new(), path[PATH_MAX];

	put_file(dir, 1, "", 0);
	path_of(dir, 1, path);
	EXPECT_EQ(truncate(path, 1ll << 36), 0);
	EXPECT_EQ(verify(dir, &r, &e), -EBADMSG);
	EXPECT_CONTAINS(e.msg, "more than 1048576 bytes");
	EXPECT_EQ(sz_audit_scan(dir, &s, &e), -EBADMSG);
	dir_free(dir);
}

/* A line with a right hash, so that only what it says can be wrong. */
static int verify_body(const char *body, struct sz_error *e)
{
	struct sz_audit_report r;
	struct sz_buf b = { 0 };
	u8 hash[SZ_AUDIT_HASH_LEN];
	char *dir = dir_new();
	int err;

	sz_audit_hash(zeros, body, strlen(body), hash);
	sz_buf_add(&b, body, strlen(body));
	sz_audit_seal(&b, hash);
	put_file(dir, 1, b.data, b.len);
	err = verify(dir, &r, e);
	sz_buf_done(&b);
	dir_free(dir);
	return err;
}

#define HEAD "{\"seq\":1,\"time\":\"2026-11-21T12:00:00.123456789Z\",\"type\":\"segment\""
#define ZERO16 "0000000000000000"
#define PREV ",\"prev\":\"" ZERO16 ZERO16 ZERO16 ZERO16 "\""

TEST(a_right_hash_does_not_excuse_a_wrong_record)
{
	static const struct {
		const char *body, *message;
	} cases[] = {
		{ HEAD ",\"segment\":2" PREV, "segment 2 under the name of 1" },
		{ HEAD ",\"segment\":1", "\"prev\"" },
		{ HEAD ",\"segment\":1,\"prev\":\"" ZERO16 ZERO16 ZERO16 "000000000000000f\"",
		  "\"prev\" is not the hash" },
		{ HEAD ",\"segment\":1,\"segment\":1" PREV, "each member once" },
		{ HEAD ",\"segment\":1" PREV ",\"count\":-1", "a number" },
		{ HEAD ",\"segment\":1" PREV ",\"count\":18446744073709551616", "2^64" },
		{ HEAD ",\"segment\":1" PREV ",\"count\":\"1\"", "a number" },
		{ HEAD ",\"segment\":1" PREV ",\"monitor\":false", "true" },
		{ HEAD ",\"segment\":1" PREV ",\"latency_us\":1", "a decimal point" },
		{ HEAD ",\"segment\":1" PREV ",\"path\":\"\xff\"", "UTF-8" },
		{ HEAD ",\"segment\":1" PREV ",\"path\":\"\\n\"", "\\u00XX" },
		{ HEAD ",\"segment\":1" PREV ", \"path\":\"a\"", "another member" },
		{ HEAD ",\"segment\":1" PREV ",\"other\":[1]", "a number" },
		{ "{\"seq\":2,\"time\":\"2026-11-21T12:00:00.123456789Z\",\"type\":\"segment\""
		  ",\"segment\":1" PREV, "missing" },
		{ "{\"seq\":1,\"time\":\"2026-11-21 12:00:00.123456789Z\",\"type\":\"segment\""
		  ",\"segment\":1" PREV, "2026-11-21T12:00:00.123456789Z" },
		{ "{\"seq\":1,\"time\":\"2026-11-21T24:00:00.123456789Z\",\"type\":\"segment\""
		  ",\"segment\":1" PREV, "a time that exists" },
		{ "{\"seq\":1,\"time\":\"2026-11-21T12:00:00.123456789Z\",\"type\":\"segments\""
		  ",\"segment\":1" PREV, "a record type" },
		{ "{\"seq\":1,\"time\":\"2026-11-21T12:00:00.123456789Z\",\"type\":\"stop\"",
		  "does not begin with its segment record" },
		{ "{\"seq\":1,\"time\":\"2026-11-21T12:00:00.123456789Z\",\"type\":\"summary\"",
		  "\"count\"" },
	};
	struct sz_error e;

	for (size_t i = 0; i < SZ_ARRAY_LEN(cases); i++) {
		EXPECT_EQ(verify_body(cases[i].body, &e), -EBADMSG);
		EXPECT_CONTAINS(e.msg, cases[i].message);
	}
	EXPECT_EQ(verify_body(HEAD ",\"segment\":1" PREV, &e), 0);
	/* Members of a later version. */
	EXPECT_EQ(verify_body(HEAD ",\"segment\":1" PREV ",\"new_1\":\"x\",\"new_2\":0.5,"
			      "\"new_3\":true,\"new_4\":false,\"new_5\":7", &e), 0);
}

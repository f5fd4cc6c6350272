/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The audit log as it should be: records read back as they were written, the chain goes on over
 * segments and restarts, and hostile bytes stay inside their strings.
 */
#include "harness.h"

#include <jansson.h>
#include <sys/mman.h>

#include "audit_log.h"

TEST(three_segments_verify_and_are_counted)
{
	struct sz_audit_report r;
	struct sz_error e;
	u8 last[SZ_AUDIT_HASH_LEN];
	char *dir = log_new(last);

	EXPECT_EQ(verify(dir, &r, &e), 0);
	EXPECT_STREQ(e.msg, "");
	EXPECT_EQ(r.records, 15);
	EXPECT_EQ(r.segments, 3);
	EXPECT_EQ(r.first_seq, 1);
	EXPECT_EQ(r.last_seq, 15);
	EXPECT_EQ(r.torn_bytes, 0);
	EXPECT_EQ(r.by_type[SZ_AUDIT_SEGMENT], 3);
	EXPECT_EQ(r.by_type[SZ_AUDIT_DECISION], 3);
	EXPECT_EQ(r.admitted, 3 * 41);
	EXPECT_EQ(r.denied, 3 * (1 + 7));
	EXPECT_MEMEQ(r.last, last, sizeof(last));
	dir_free(dir);
}

/* The hashes were computed by another implementation of SHA-256. */
TEST(the_chain_is_sha256_of_the_last_hash_and_the_body)
{
	struct sz_audit *a = sz_audit_new(1, zeros);
	struct sz_buf b = { 0 };

	add_segment(a, 1);
	sz_audit_add(a, &(struct sz_audit_record){
				.type = SZ_AUDIT_START, .wall_ns = WALL + 100000,
				.detail = "subzerod 0.1.0, /etc/subzero/subzero.yaml" });
	sz_audit_take(a, &b);
	EXPECT_CONTAINS(b.data, "\"hash\":\"41db74ccf5932eeb5f46562850797d37da475e47c8fef6be3011"
				"297cb5192db0\"}\n{\"seq\":2,");
	EXPECT_CONTAINS(b.data, "\"hash\":\"faaf4bef272565dce9e2b64078fe5125964f55408e90fe8f0e60"
				"afa194d76a02\"}\n");
	sz_audit_free(a);
	sz_buf_done(&b);
}

TEST(scan_finds_where_the_chain_goes_on_and_a_second_run_continues_it)
{
	struct sz_audit_state s;
	struct sz_audit_report r;
	struct sz_error e = { "" };
	struct sz_buf b = { 0 };
	struct sz_audit *a;
	u8 last[SZ_AUDIT_HASH_LEN];
	char *dir = log_new(last);

	ASSERT_EQ(sz_audit_scan(dir, &s, &e), 0);
	get_file(dir, 3, &b);
	EXPECT_EQ(s.segment, 3);
	EXPECT_EQ(s.size, b.len);
	EXPECT_EQ(s.torn_bytes, 0);
	EXPECT_EQ(s.next_seq, 16);
	EXPECT_MEMEQ(s.last, last, sizeof(last));
	a = sz_audit_new(s.next_seq, s.last);
	add_some(a);
	EXPECT_EQ(sz_audit_take(a, &b), 19);
	put_file(dir, 3, b.data, b.len);
	EXPECT_EQ(verify(dir, &r, &e), 0);
	EXPECT_EQ(r.last_seq, 19);
	sz_audit_free(a);
	sz_buf_done(&b);
	dir_free(dir);
}

TEST(scan_of_an_empty_directory_starts_at_one)
{
	struct sz_audit_state s;
	struct sz_audit_report r;
	struct sz_error e;
	char *dir = dir_new();

	EXPECT_EQ(sz_audit_scan(dir, &s, &e), 0);
	EXPECT_EQ(s.segment, 0);
	EXPECT_EQ(s.next_seq, 1);
	EXPECT_MEMEQ(s.last, zeros, sizeof(zeros));
	EXPECT_EQ(verify(dir, &r, &e), -ENOENT);
	EXPECT_CONTAINS(e.msg, "00000001.jsonl");
	dir_free(dir);
	EXPECT_EQ(sz_audit_scan("/nonexistent", &s, &e), -ENOENT);
	EXPECT_EQ(verify("/nonexistent", &r, &e), -ENOENT);
	EXPECT_CONTAINS(e.msg, "/nonexistent");
}

TEST(tail_gives_the_last_lines_over_segments)
{
	struct sz_error e;
	struct sz_buf all = { 0 }, b = { 0 }, t = { 0 };
	u8 last[SZ_AUDIT_HASH_LEN];
	char *dir = log_new(last), *from;

	for (u32 s = 1; s <= 3; s++) {
		get_file(dir, s, &b);
		sz_buf_add(&all, b.data, b.len);
	}
	sz_buf_add(&b, "{\"seq\":16,", 10);
	put_file(dir, 3, b.data, b.len);
	for (unsigned n = 0; n <= 17; n++) {
		from = all.data + all.len;
		for (unsigned k = 0; k < n && from > all.data; k++)
			for (from--; from > all.data && from[-1] != '\n'; from--)
				;
		sz_buf_reset(&t);
		EXPECT_EQ(sz_audit_tail(dir, n, &t, &e), 0);
		EXPECT_STREQ(t.data ? t.data : "", from);
	}
	put_file(dir, 3, "", 0);
	sz_buf_reset(&t);
	EXPECT_EQ(sz_audit_tail(dir, 1, &t, &e), 0);
	EXPECT_CONTAINS(t.data, "{\"seq\":10,");
	sz_buf_done(&all);
	sz_buf_done(&b);
	sz_buf_done(&t);
	dir_free(dir);
}

/* One record as its line, read back by another JSON parser. */
static json_t *one(const struct sz_audit_record *r)
{
	struct sz_audit *a = sz_audit_new(1, zeros);
	struct sz_audit_syntax bad;
	struct sz_audit_line l;
	struct sz_buf b = { 0 };
	json_t *j;

	sz_audit_add(a, r);
	EXPECT_EQ(sz_audit_take(a, &b), 1);
	EXPECT_EQ(b.data[b.len - 1], '\n');
	EXPECT_EQ(sz_audit_parse(b.data, b.len - 1, &l, &bad), 0);
	j = json_loadb(b.data, b.len, JSON_REJECT_DUPLICATES, NULL);
	EXPECT_TRUE(j != NULL);
	sz_audit_free(a);
	sz_buf_done(&b);
	return j;
}

static const char *text(const json_t *j, const char *name)
{
	return json_string_value(json_object_get(j, name));
}

TEST(a_record_has_the_documented_members)
{
	struct sz_flow_key f = flow;
	json_t *j;

	f.client_port = htons(567);
	f.server_port = htons(8080);
	j = one(&(struct sz_audit_record){
		.type = SZ_AUDIT_DECISION, .wall_ns = WALL, .reason = SZ_R_NO_SCOPE,
		.verdict = SZ_DENY, .has_verdict = true, .service = "shop", .route = "orders",
		.method = "POST", .path = "/o", .path_len = 2, .principal = "https://i alice",
		.principal_id = 0x123456789abcdef0, .issuer = "https://i", .subject = "alice",
		.jti = "j1", .kid = "k1", .alg = "ES256",
		.token = { { 0x0706050403020100, 0x0f0e0d0c0b0a0908 } }, .flow = &f,
		.latency_ns = 412399, .monitor = true, .detail = "needs orders:write" });
	EXPECT_EQ(json_integer_value(json_object_get(j, "seq")), 1);
	EXPECT_STREQ(text(j, "time"), "2026-11-21T12:00:00.123456789Z");
	EXPECT_STREQ(text(j, "type"), "decision");
	EXPECT_STREQ(text(j, "verdict"), "deny");
	EXPECT_STREQ(text(j, "reason"), "no_scope");
	EXPECT_EQ(json_integer_value(json_object_get(j, "status")), 403);
	EXPECT_STREQ(text(j, "route"), "orders");
	EXPECT_STREQ(text(j, "method"), "POST");
	EXPECT_STREQ(text(j, "path"), "/o");
	EXPECT_STREQ(text(j, "principal"), "https://i alice");
	EXPECT_STREQ(text(j, "principal_id"), "123456789abcdef0");
	EXPECT_STREQ(text(j, "iss"), "https://i");
	EXPECT_STREQ(text(j, "sub"), "alice");
	EXPECT_STREQ(text(j, "jti"), "j1");
	EXPECT_STREQ(text(j, "token"), "000102030405060708090a0b0c0d0e0f");
	EXPECT_STREQ(text(j, "src"), "10.0.0.7:567");
	EXPECT_STREQ(text(j, "dst"), "[2001:db8::1]:8080");
	EXPECT_TRUE(json_real_value(json_object_get(j, "latency_us")) == 412.3);
	EXPECT_TRUE(json_is_true(json_object_get(j, "monitor")));
	EXPECT_STREQ(text(j, "detail"), "needs orders:write");
	EXPECT_TRUE(!json_object_get(j, "count"));
	EXPECT_EQ(strlen(text(j, "hash")), 64);
	json_decref(j);
	j = one(&(struct sz_audit_record){ .type = SZ_AUDIT_STOP });
	EXPECT_EQ(json_object_size(j), 4);
	EXPECT_STREQ(text(j, "time"), "1970-01-01T00:00:00.000000000Z");
	json_decref(j);
	j = one(&(struct sz_audit_record){ .type = SZ_AUDIT_SUMMARY, .wall_ns = UINT64_MAX });
	EXPECT_TRUE(json_is_integer(json_object_get(j, "count")));
	EXPECT_STREQ(text(j, "time"), "2554-07-21T23:34:33.709551615Z");
	json_decref(j);
}

TEST(every_type_has_a_name_of_its_own)
{
	for (int t = 1; t < SZ_AUDIT_TYPE_COUNT; t++) {
		EXPECT_TRUE(strcmp(sz_audit_type_name(t), "unknown") != 0);
		for (int k = 1; k < t; k++)
			EXPECT_TRUE(strcmp(sz_audit_type_name(t), sz_audit_type_name(k)) != 0);
	}
	EXPECT_STREQ(sz_audit_type_name(0), "unknown");
	EXPECT_STREQ(sz_audit_type_name(SZ_AUDIT_TYPE_COUNT), "unknown");
}

static void expect_path(const char *path, size_t n, const char *line_part)
{
	struct sz_audit *a = sz_audit_new(1, zeros);
	struct sz_audit_syntax bad;
	struct sz_audit_line l;
	struct sz_buf b = { 0 };

	sz_audit_add(a, &(struct sz_audit_record){ .type = SZ_AUDIT_DENIAL, .path = path,
						   .path_len = n });
	sz_audit_take(a, &b);
	EXPECT_CONTAINS(b.data, line_part);
	EXPECT_EQ(strlen(b.data), b.len);
	EXPECT_TRUE(strchr(b.data, '\n') == b.data + b.len - 1);
	EXPECT_EQ(sz_audit_parse(b.data, b.len - 1, &l, &bad), 0);
	sz_audit_free(a);
	sz_buf_done(&b);
}

TEST(hostile_paths_stay_inside_their_string)
{
	expect_path("/a\0b", 4, "\"path\":\"/a\\u0000b\"");
	expect_path("/\"},\\", 5, "\"path\":\"/\\\"},\\\\\"");
	expect_path("/\n\r\t\x1b\x7f", 6, "\"path\":\"/\\u000a\\u000d\\u0009\\u001b\\u007f\"");
	expect_path("/\xff\xfe", 3, "\"path\":\"/\\u00ff\\u00fe\"");
	expect_path("/\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 10,
		    "\"path\":\"/\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
	expect_path("/\xc3", 2, "\"path\":\"/\\u00c3\"");
	expect_path("\xe2\x82", 2, "\"path\":\"\\u00e2\\u0082\"");
	expect_path("\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80", 9,
		    "\"path\":\"\\u00c0\\u00af\\u00ed\\u00a0\\u0080\\u00f4\\u0090\\u0080\\u0080\"");
	/* U+009B, which terminals take for ESC [ */
	expect_path("\xc2\x9b", 2, "\"path\":\"\\u00c2\\u009b\"");
	expect_path("", 0, "\"path\":\"\"");
}

TEST(the_longest_record_fits_in_a_line)
{
	char *long_text = sz_calloc(1, 2 * SZ_HEAD_MAX);
	struct sz_audit *a = sz_audit_new(1, zeros);
	struct sz_audit_report r;
	struct sz_error e;
	struct sz_buf b = { 0 };
	char *dir = dir_new();

	memset(long_text, 0xff, 2 * SZ_HEAD_MAX - 1);
	add_segment(a, 1);
	for (int i = 0; i < 3; i++)
		sz_audit_add(a, &(struct sz_audit_record){
			.type = SZ_AUDIT_DECISION, .service = long_text, .route = long_text,
			.method = long_text, .path = long_text, .path_len = 2 * SZ_HEAD_MAX - 1,
			.principal = long_text, .issuer = long_text, .subject = long_text,
			.jti = long_text, .kid = long_text, .alg = long_text,
			.detail = long_text, .flow = &flow, .latency_ns = UINT64_MAX,
			.count = UINT64_MAX, .principal_id = 1, .token = { { 1, 1 } } });
	sz_audit_take(a, &b);
	EXPECT_TRUE(b.len > 3 * 6 * (SZ_HEAD_MAX + 10 * SZ_AUDIT_TEXT_MAX));
	EXPECT_TRUE(b.len < 3 * SZ_AUDIT_LINE_MAX);
	put_file(dir, 1, b.data, b.len);
	EXPECT_EQ(verify(dir, &r, &e), 0);
	EXPECT_EQ(sz_audit_scan(dir, &(struct sz_audit_state){ 0 }, &e), 0);
	sz_buf_done(&b);
	sz_audit_free(a);
	free(long_text);
	dir_free(dir);
}

struct seen {
	u64 calls, records, bytes, total;
};

static void see(u64 records, u64 bytes, u64 total, void *arg)
{
	struct seen *s = arg;

	EXPECT_TRUE(records >= s->records && bytes >= s->bytes && bytes <= total);
	*s = (struct seen){ s->calls + 1, records, bytes, total };
}

TEST(progress_ends_at_the_total)
{
	struct sz_audit_report r;
	struct sz_error e;
	struct seen s = { 0 };
	u8 last[SZ_AUDIT_HASH_LEN];
	char *dir = log_new(last);

	EXPECT_EQ(sz_audit_verify(dir, NULL, &r, see, &s, &e), 0);
	EXPECT_TRUE(s.calls >= 3);
	EXPECT_EQ(s.records, 15);
	EXPECT_EQ(s.bytes, s.total);
	dir_free(dir);
}

TEST(taken_batches_append_and_empty_the_batch)
{
	struct sz_audit *a = sz_audit_new(1, zeros);
	struct sz_buf b = { 0 };
	size_t first;

	EXPECT_EQ(sz_audit_take(a, &b), 0);
	EXPECT_EQ(b.len, 0);
	add_segment(a, 1);
	EXPECT_TRUE(sz_audit_pending(a) > 0);
	EXPECT_EQ(sz_audit_take(a, &b), 1);
	EXPECT_EQ(sz_audit_pending(a), 0);
	first = b.len;
	add_some(a);
	EXPECT_EQ(sz_audit_take(a, &b), 5);
	EXPECT_TRUE(b.len > first);
	EXPECT_CONTAINS(b.data, "{\"seq\":1,");
	EXPECT_CONTAINS(b.data, "\n{\"seq\":5,");
	sz_audit_free(a);
	sz_audit_free(NULL);
	sz_buf_done(&b);
}

TEST(a_million_records_verify_in_constant_memory)
{
	struct sz_audit *a = sz_audit_new(1, zeros);
	struct sz_audit_report r = { 0 };
	struct sz_audit_check c = { .path = "memory", .next_seq = 1, .report = &r };
	struct sz_error e = { "" };
	struct sz_buf b = { 0 };
	int fd = memfd_create("audit", MFD_CLOEXEC);

	ASSERT_TRUE(fd >= 0);
	for (c.segment = 1; c.segment <= 10; c.segment++) {
		add_segment(a, c.segment);
		for (u64 i = 0; i < 99999; i++)
			sz_audit_add(a, &(struct sz_audit_record){
				.type = i % 2 ? SZ_AUDIT_REQUEST : SZ_AUDIT_SUMMARY, .count = 2,
				.wall_ns = WALL + i * 1000003, .principal_id = i + 1,
				.flow = &flow });
		sz_buf_reset(&b);
		sz_audit_take(a, &b);
		ASSERT_EQ(ftruncate(fd, 0), 0);
		ASSERT_EQ(pwrite(fd, b.data, b.len, 0), b.len);
		ASSERT_EQ(lseek(fd, 0, SEEK_SET), 0);
		ASSERT_EQ(sz_audit_check_segment(&c, fd, &e), 0);
	}
	EXPECT_EQ(r.records, 1000000);
	EXPECT_EQ(r.last_seq, 1000000);
	EXPECT_EQ(r.admitted, 10 * 50000 * 2);
	close(fd);
	sz_audit_free(a);
	sz_buf_done(&b);
}

static const char *masked(const char *path)
{
	static char out[512];
	struct sz_buf b = { 0 };

	snprintf(out, sizeof(out), "%s",
		 sz_audit_mask(path, strlen(path), &b) ? b.data : "(as it is)");
	sz_buf_done(&b);
	return out;
}

TEST(secrets_in_a_path_are_not_written)
{
	static const char *const plain[] = {
		"", "/", "/a/b", "/a?", "/a?x=1&y=2", "/token/code", "/a?token", "/a?token=",
		"/a?mytoken=1", "/eyJshort", "/a?x=eyJ&y", "/a?%=1&%4=2&%zz=3", "*", "?&&;&=",
	};

	for (size_t i = 0; i < SZ_ARRAY_LEN(plain); i++)
		EXPECT_STREQ(masked(plain[i]), "(as it is)");
	EXPECT_STREQ(masked("/a?access_token=abc"), "/a?access_token=***");
	EXPECT_STREQ(masked("/a?x=1&Access%5Ftoken=abc&y=2#f"), "/a?x=1&Access%5Ftoken=***&y=2#f");
	EXPECT_STREQ(masked("/cb?code=a=b;state=s"), "/cb?code=***;state=s");
	EXPECT_STREQ(masked("/a?password=p&password=q"), "/a?password=***&password=***");
	EXPECT_STREQ(masked("/v/eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhIn0.c2ln/x"), "/v/***/x");
	EXPECT_STREQ(masked("/a?t=eyJhbGciOiJFZERTQSIsImtpZCI6"), "/a?t=***");
	EXPECT_STREQ(masked("/a?t=1&%74oken=x"), "/a?t=1&%74oken=***");
}

TEST(a_secret_in_a_path_is_in_no_record)
{
	static const char path[] = "/a?access_token=hidden";
	struct sz_audit *a = sz_audit_new(1, (const u8[SZ_AUDIT_HASH_LEN]){ 0 });
	struct sz_buf b = { 0 };

	sz_audit_add(a, &(struct sz_audit_record){ .type = SZ_AUDIT_DENIAL, .path = path,
						   .path_len = sizeof(path) - 1 });
	sz_audit_take(a, &b);
	EXPECT_CONTAINS(b.data, "\"path\":\"/a?access_token=***\"");
	EXPECT_TRUE(!strstr(b.data, "hidden"));
	sz_buf_done(&b);
	sz_audit_free(a);
}

/* ---- the page ------------------------------------------------------------------------------- */

static char *page(void)
{
	struct sz_buf b = { 0 };
	struct sz_error e;

	ASSERT_EQ(sz_file_read("docs/audit.md", 1 << 20, &b, &e), 0);
	return b.data;
}

TEST(the_page_has_one_row_for_every_type_and_no_other)
{
	char *text = page(), row[64], *p = strstr(text, "\n## Types\n");
	int rows = 0;

	ASSERT_TRUE(p != NULL);
	for (int t = 1; t < SZ_AUDIT_TYPE_COUNT; t++) {
		snprintf(row, sizeof(row), "\n| `%s` | ",
			 sz_audit_type_name((enum sz_audit_type)t));
		if (!EXPECT_TRUE(strstr(p, row) != NULL))
			printf("# missing: %s\n", row + 1);
	}
	*strstr(p + 1, "\n### Severity") = 0;
	while ((p = strstr(p + 1, "\n| `")))
		rows++;
	EXPECT_EQ(rows, SZ_AUDIT_TYPE_COUNT - 1);
	free(text);
}

/* Is `word` in the severity's row? Of 1 and 2 only what the others do not name. */
static bool listed(const char *text, int severity, const char *word)
{
	char begin[32], quoted[64];
	const char *row, *at, *end;

	snprintf(begin, sizeof(begin), "\n| %d %s |", severity,
		 sz_audit_severity_name((enum sz_audit_severity)severity));
	snprintf(quoted, sizeof(quoted), "`%s`", word);
	row = strstr(text, begin);
	if (!EXPECT_TRUE(row != NULL))
		return false;
	end = strchr(row + 1, '\n');
	at = strstr(row, quoted);
	return at && at < end;
}

TEST(the_page_has_the_severity_of_every_type_and_reason)
{
	char *text = page();

	for (int t = 1; t < SZ_AUDIT_TYPE_COUNT; t++) {
		const char *name = sz_audit_type_name((enum sz_audit_type)t);
		int s = (int)sz_audit_severity((enum sz_audit_type)t, 0, false);

		for (int k = SZ_AUDIT_LOW; k <= SZ_AUDIT_CRITICAL; k++)
			if (!EXPECT_EQ(listed(text, k, name), k == s))
				printf("# %s: %d\n", name, s);
	}
	for (u32 r = SZ_R_NO_TOKEN; r < SZ_REASON_MAX; r++) {
		const char *name = sz_reason_label(r);
		int s = (int)sz_audit_severity(SZ_AUDIT_DENIAL, r, true);

		if (!strcmp(name, "unknown"))
			continue;
		for (int k = SZ_AUDIT_MEDIUM; k <= SZ_AUDIT_CRITICAL; k++)
			if (!EXPECT_EQ(listed(text, k, name), k == s))
				printf("# %s: %d\n", name, s);
	}
	free(text);
}

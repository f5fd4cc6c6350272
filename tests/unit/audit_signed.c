/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A log with checkpoints, verified: what the chain alone cannot see is found, keys follow each
 * other only as the log announced them, and a start recovers the tree from the newest segment.
 */
#include "harness.h"

#include "audit_log.h"

#define SEGMENTS 3

static void put_named(const char *dir, const char *name, const char *p, size_t n)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, p, n) != (ssize_t)n)
		abort();
	close(fd);
}

static void announce(struct sz_audit *a, const struct sz_audit_skey *k)
{
	struct sz_buf b = { 0 };

	sz_audit_vkey_format(&k->vkey, &b);
	sz_audit_add(a, &(struct sz_audit_record){
				.type = SZ_AUDIT_KEY, .wall_ns = WALL, .detail = b.data });
	sz_buf_done(&b);
}

static void sign(struct sz_audit *a, const struct sz_audit_skey *k, struct sz_buf *notes)
{
	u8 root[SZ_AUDIT_HASH_LEN];

	sz_audit_tree_root(sz_audit_tree(a), root);
	sz_audit_checkpoint_sign(k, sz_audit_tree(a)->size, root, notes);
}

struct log {
	char *dir;
	struct sz_audit_skey old, new;
	struct sz_buf notes;
	struct sz_buf segment[SEGMENTS + 1];
	struct sz_audit_tree tree;
};

/* Records 1..5, 6..11, 12..17; the first key signs 3, 5 and 11, the second, announced as 11, 17. */
static void log_begin(struct log *l)
{
	struct sz_audit *a = sz_audit_new(1, zeros);

	*l = (struct log){ .dir = dir_new() };
	sz_audit_skey_generate("log.test/a", &l->old);
	sz_audit_skey_generate("log.test/a", &l->new);
	for (u32 s = 1; s <= SEGMENTS; s++) {
		add_segment(a, s);
		if (s == 1) {
			announce(a, &l->old);
			sz_audit_add(a, &(struct sz_audit_record){ .type = SZ_AUDIT_START,
								   .wall_ns = WALL });
			sign(a, &l->old, &l->notes);
			sz_audit_add(a, &(struct sz_audit_record){ .type = SZ_AUDIT_STOP,
								   .wall_ns = WALL });
			sz_audit_add(a, &(struct sz_audit_record){ .type = SZ_AUDIT_START,
								   .wall_ns = WALL });
		} else {
			add_some(a);
			if (s == 2)
				announce(a, &l->new);
			else
				sz_audit_add(a, &(struct sz_audit_record){ .type = SZ_AUDIT_STOP,
									   .wall_ns = WALL });
		}
		sign(a, s < 3 ? &l->old : &l->new, &l->notes);
		sz_audit_take(a, &l->segment[s]);
		put_file(l->dir, s, l->segment[s].data, l->segment[s].len);
	}
	l->tree = *sz_audit_tree(a);
	put_named(l->dir, "checkpoints", l->notes.data, l->notes.len);
	sz_audit_free(a);
}

static void log_end(struct log *l)
{
	for (u32 s = 1; s <= SEGMENTS; s++)
		sz_buf_done(&l->segment[s]);
	sz_buf_done(&l->notes);
	dir_free(l->dir);
}

static int verify_with(struct log *l, const struct sz_audit_vkey *key, struct sz_audit_report *r,
		       struct sz_error *e)
{
	struct sz_audit_trust t = { .key = key };

	e->msg[0] = 0;
	return sz_audit_verify(l->dir, &t, r, NULL, NULL, e);
}

TEST(a_signed_log_verifies_and_says_by_whom)
{
	struct sz_audit_report r;
	struct sz_error e;
	struct log l;
	u8 root[SZ_AUDIT_HASH_LEN];

	log_begin(&l);
	EXPECT_EQ(verify(l.dir, &r, &e), 0);
	EXPECT_STREQ(e.msg, "");
	EXPECT_EQ(r.records, 17);
	EXPECT_EQ(r.checkpoints, 4);
	EXPECT_EQ(r.signed_seq, 17);
	EXPECT_EQ(r.keys, 2);
	EXPECT_TRUE(sz_audit_vkey_same(&r.key, &l.new.vkey));
	sz_audit_tree_root(&l.tree, root);
	EXPECT_MEMEQ(r.root, root, sizeof(root));
	EXPECT_TRUE(!r.trusted);
	EXPECT_EQ(verify_with(&l, &l.old.vkey, &r, &e), 0);
	EXPECT_TRUE(r.trusted);
	EXPECT_EQ(verify_with(&l, &l.new.vkey, &r, &e), 0);
	EXPECT_TRUE(r.trusted);
	log_end(&l);
}

TEST(a_key_that_never_signed_this_log_is_not_trusted)
{
	struct sz_audit_report r;
	struct sz_audit_skey other;
	struct sz_error e;
	struct log l;

	log_begin(&l);
	sz_audit_skey_generate("log.test/a", &other);
	EXPECT_EQ(verify_with(&l, &other.vkey, &r, &e), -EBADMSG);
	EXPECT_CONTAINS(e.msg, "no checkpoint of this log is signed by the key");
	log_end(&l);
}

/* Everything behind each record, as whole segments and lines: the chain itself stays good. */
TEST(a_log_cut_off_before_its_last_checkpoint_is_missed)
{
	struct sz_audit_report r;
	struct sz_error e;
	struct log l;
	char path[PATH_MAX];
	int cuts = 0;

	log_begin(&l);
	for (u32 s = SEGMENTS; s; s--) {
		for (size_t n = l.segment[s].len - 1; n; n--) {
			if (l.segment[s].data[n - 1] != '\n')
				continue;
			put_file(l.dir, s, l.segment[s].data, n);
			EXPECT_EQ(verify(l.dir, &r, &e), -EBADMSG);
			EXPECT_CONTAINS(e.msg, "its end was cut off");
			cuts++;
		}
		path_of(l.dir, s, path);
		unlink(path);
		if (s > 1) {
			EXPECT_EQ(verify(l.dir, &r, &e), -EBADMSG);
			EXPECT_CONTAINS(e.msg, "its end was cut off");
		}
	}
	EXPECT_EQ(cuts, 17 - 3);
	log_end(&l);
}

TEST(any_flipped_byte_of_the_checkpoints_is_found)
{
	struct sz_audit_report r;
	struct sz_error e;
	struct log l;
	int missed = 0;

	log_begin(&l);
	for (size_t i = 0; i < l.notes.len; i++) {
		l.notes.data[i] ^= 1;
		put_named(l.dir, "checkpoints", l.notes.data, l.notes.len);
		/* A last line end that is no more makes a torn note of a whole one. */
		missed += verify(l.dir, &r, &e) != -EBADMSG && i != l.notes.len - 1;
		l.notes.data[i] ^= 1;
	}
	EXPECT_EQ(missed, 0);
	log_end(&l);
}

TEST(a_torn_checkpoint_is_no_damage_and_a_swapped_or_repeated_one_is)
{
	struct sz_audit_report r;
	struct sz_error e;
	struct sz_buf b = { 0 };
	size_t first, i;
	struct sz_audit_checkpoint c;
	struct log l;

	log_begin(&l);
	first = (size_t)sz_audit_checkpoint_parse(l.notes.data, l.notes.len, &c);
	for (i = 1; i < first; i++) {
		put_named(l.dir, "checkpoints", l.notes.data, l.notes.len - i);
		EXPECT_EQ(verify(l.dir, &r, &e), 0);
		EXPECT_EQ(r.signed_seq, 11);
		EXPECT_EQ(r.keys, 1);
	}
	sz_buf_add(&b, l.notes.data, first);
	sz_buf_add(&b, l.notes.data, l.notes.len);
	put_named(l.dir, "checkpoints", b.data, b.len);
	EXPECT_EQ(verify(l.dir, &r, &e), -EBADMSG);
	EXPECT_CONTAINS(e.msg, "covers no more than the one before");
	sz_buf_reset(&b);
	sz_buf_add(&b, l.notes.data + first, l.notes.len - first);
	sz_buf_add(&b, l.notes.data, first);
	put_named(l.dir, "checkpoints", b.data, b.len);
	EXPECT_EQ(verify(l.dir, &r, &e), -EBADMSG);
	sz_buf_done(&b);
	log_end(&l);
}

/* A whole other log, rewritten from record 4 on, with a good chain, by somebody without the key. */
TEST(a_rewritten_log_does_not_fit_the_checkpoints_and_a_stranger_cannot_sign_it)
{
	struct sz_audit *a = sz_audit_new(1, zeros);
	struct sz_audit_report r;
	struct sz_audit_skey thief;
	struct sz_buf b = { 0 }, notes = { 0 };
	struct sz_error e;
	struct log l;
	char path[PATH_MAX];

	log_begin(&l);
	for (u32 s = 2; s <= SEGMENTS; s++) {
		path_of(l.dir, s, path);
		unlink(path);
	}
	add_segment(a, 1);
	announce(a, &l.old);
	sz_audit_add(a, &(struct sz_audit_record){ .type = SZ_AUDIT_START, .wall_ns = WALL });
	sign(a, &l.old, &notes);
	sz_audit_skey_generate("log.test/a", &thief);
	announce(a, &thief);
	sz_audit_add(a, &(struct sz_audit_record){ .type = SZ_AUDIT_ADMIN, .wall_ns = WALL });
	sign(a, &thief, &notes);
	sz_audit_take(a, &b);
	put_file(l.dir, 1, b.data, b.len);
	EXPECT_EQ(verify(l.dir, &r, &e), -EBADMSG);
	EXPECT_CONTAINS(e.msg, "another root");
	EXPECT_EQ(r.last_seq, 5);
	/* With the thief's own checkpoints: the key that was there never announced him. */
	put_named(l.dir, "checkpoints", notes.data, notes.len);
	EXPECT_EQ(verify(l.dir, &r, &e), -EBADMSG);
	EXPECT_CONTAINS(e.msg, "never vouched for");
	sz_buf_done(&b);
	sz_buf_done(&notes);
	sz_audit_free(a);
	log_end(&l);
}

TEST(a_checkpoint_by_a_key_that_was_not_announced_is_refused)
{
	struct sz_audit *a = sz_audit_new(1, zeros);
	struct sz_audit_skey k;
	struct sz_audit_report r;
	struct sz_buf b = { 0 }, notes = { 0 };
	struct sz_error e;
	char *dir = dir_new();

	sz_audit_skey_generate("log.test/a", &k);
	add_segment(a, 1);
	sign(a, &k, &notes);
	sz_audit_take(a, &b);
	put_file(dir, 1, b.data, b.len);
	put_named(dir, "checkpoints", notes.data, notes.len);
	EXPECT_EQ(verify(dir, &r, &e), -EBADMSG);
	EXPECT_CONTAINS(e.msg, "not signed by a key that the log announced");
	sz_buf_done(&b);
	sz_buf_done(&notes);
	sz_audit_free(a);
	dir_free(dir);
}

/* An older log that was put back, checkpoints and all: only one that was kept elsewhere tells. */
TEST(a_checkpoint_from_outside_finds_what_was_cut_off_with_its_checkpoints)
{
	struct sz_audit_trust t = { 0 };
	struct sz_audit_report r;
	struct sz_audit_checkpoint last, c;
	struct sz_buf text = { 0 };
	struct sz_error e;
	struct log l;
	char path[PATH_MAX];
	size_t kept;
	u64 size;

	log_begin(&l);
	ASSERT_EQ(sz_audit_checkpoint_last(l.dir, &text, &last, &size, &e), 0);
	EXPECT_EQ(last.size, 17);
	EXPECT_EQ(size, l.notes.len);
	t.checkpoint = &last;
	EXPECT_EQ(sz_audit_verify(l.dir, &t, &r, NULL, NULL, &e), 0);
	path_of(l.dir, 3, path);
	unlink(path);
	kept = (size_t)(last.text - text.data);
	put_named(l.dir, "checkpoints", l.notes.data, kept);
	EXPECT_EQ(verify(l.dir, &r, &e), 0);
	EXPECT_EQ(sz_audit_verify(l.dir, &t, &r, NULL, NULL, &e), -EBADMSG);
	EXPECT_CONTAINS(e.msg, "ends before the 17 records");
	/* The same size with another root, and a root that nobody signed. */
	ASSERT_TRUE(sz_audit_checkpoint_parse(l.notes.data, l.notes.len, &c) > 0);
	t.checkpoint = &c;
	EXPECT_EQ(sz_audit_verify(l.dir, &t, &r, NULL, NULL, &e), 0);
	c.root[0] ^= 1;
	EXPECT_EQ(sz_audit_verify(l.dir, &t, &r, NULL, NULL, &e), -EBADMSG);
	EXPECT_CONTAINS(e.msg, "was rewritten");
	c.root[0] ^= 1;
	c.signatures_len = 0;
	EXPECT_EQ(sz_audit_verify(l.dir, &t, &r, NULL, NULL, &e), -EBADMSG);
	EXPECT_CONTAINS(e.msg, "not signed by a key of this log");
	sz_buf_done(&text);
	log_end(&l);
}

TEST(a_start_recovers_the_tree_from_the_newest_segment)
{
	struct sz_audit_state s;
	struct sz_audit_tree t;
	struct sz_error e = { "" };
	u8 at[SZ_AUDIT_HASH_LEN], root[SZ_AUDIT_HASH_LEN];
	char path[PATH_MAX];
	struct log l;
	bool known;

	log_begin(&l);
	ASSERT_EQ(sz_audit_scan(l.dir, &s, &e), 0);
	ASSERT_EQ(sz_audit_recover(l.dir, &s, &t, 17, at, &known, &e), 0);
	EXPECT_TRUE(sz_audit_tree_same(&t, &l.tree));
	EXPECT_TRUE(known);
	sz_audit_tree_root(&l.tree, root);
	EXPECT_MEMEQ(at, root, sizeof(at));
	/* Not one record of the others is read. */
	put_file(l.dir, 1, "x\n", 2);
	put_file(l.dir, 2, "x\n", 2);
	ASSERT_EQ(sz_audit_recover(l.dir, &s, &t, 3, at, &known, &e), 0);
	EXPECT_TRUE(sz_audit_tree_same(&t, &l.tree));
	EXPECT_TRUE(!known);
	/* A newest segment without its first record: the one before counts. */
	put_file(l.dir, 2, l.segment[2].data, l.segment[2].len);
	put_file(l.dir, 3, l.segment[3].data, 20);
	ASSERT_EQ(sz_audit_scan(l.dir, &s, &e), 0);
	ASSERT_EQ(sz_audit_recover(l.dir, &s, &t, 11, at, &known, &e), 0);
	EXPECT_EQ(t.size, 11);
	EXPECT_TRUE(known);
	/* A record inside that was altered gives another root. */
	memcpy(root, at, sizeof(root));
	memcpy(strstr(l.segment[2].data, "shop"), "shoq", 4);
	put_file(l.dir, 2, l.segment[2].data, l.segment[2].len);
	ASSERT_EQ(sz_audit_recover(l.dir, &s, &t, 11, at, &known, &e), 0);
	EXPECT_TRUE(memcmp(root, at, sizeof(root)) != 0);
	path_of(l.dir, 3, path);
	unlink(path);
	path_of(l.dir, 2, path);
	unlink(path);
	path_of(l.dir, 1, path);
	unlink(path);
	ASSERT_EQ(sz_audit_scan(l.dir, &s, &e), 0);
	ASSERT_EQ(sz_audit_recover(l.dir, &s, &t, 0, at, &known, &e), 0);
	EXPECT_EQ(t.size, 0);
	log_end(&l);
}

TEST(proofs_are_made_from_the_files_over_segments)
{
	struct sz_audit_range ranges[SZ_AUDIT_PROOF_MAX];
	u8 path[SZ_AUDIT_PROOF_MAX][SZ_AUDIT_HASH_LEN], root[SZ_AUDIT_HASH_LEN];
	u8 leaf[SZ_AUDIT_HASH_LEN], want[SZ_AUDIT_HASH_LEN];
	struct sz_error e = { "" };
	struct sz_buf line = { 0 };
	struct log l;

	log_begin(&l);
	sz_audit_tree_root(&l.tree, want);
	for (u64 i = 0; i < 17; i++) {
		unsigned n = sz_audit_inclusion(i, 17, ranges);
		char head[32];

		sz_buf_reset(&line);
		ASSERT_EQ(sz_audit_subtrees(l.dir, 17, ranges, n, path, root, i, &line, &e), 0);
		EXPECT_MEMEQ(root, want, sizeof(root));
		snprintf(head, sizeof(head), "{\"seq\":%llu,", (unsigned long long)i + 1);
		EXPECT_TRUE(!strncmp(line.data, head, strlen(head)));
		sz_audit_tree_leaf(line.data, line.len, leaf);
		EXPECT_TRUE(sz_audit_inclusion_ok(leaf, i, 17, (const u8(*)[32])path, n, root));
	}
	EXPECT_EQ(sz_audit_subtrees(l.dir, 18, ranges, 0, path, root, 0, NULL, &e), -ERANGE);
	sz_buf_done(&line);
	log_end(&l);
}

TEST(checkpoints_are_found_by_record_and_by_size)
{
	struct sz_audit_checkpoint c;
	struct sz_buf text = { 0 };
	struct sz_error e;
	struct log l;

	log_begin(&l);
	EXPECT_EQ(sz_audit_checkpoint_find(l.dir, 4, 0, &text, &c, &e), 0);
	EXPECT_EQ(c.size, 17);
	EXPECT_EQ(sz_audit_checkpoint_find(l.dir, 4, 11, &text, &c, &e), 0);
	EXPECT_EQ(c.size, 11);
	EXPECT_TRUE(sz_audit_checkpoint_ok(&c, &l.old.vkey));
	EXPECT_EQ(sz_audit_checkpoint_find(l.dir, 4, 12, &text, &c, &e), -ENOENT);
	EXPECT_EQ(sz_audit_checkpoint_find(l.dir, 18, 0, &text, &c, &e), -ENOENT);
	sz_buf_done(&text);
	log_end(&l);
}

/* Far more than one read, so that notes are cut by its ends. */
TEST(a_long_file_of_checkpoints_is_read_whole_and_from_its_end)
{
	struct sz_audit_notes s;
	struct sz_audit_checkpoint last;
	struct sz_audit_skey k;
	struct sz_buf b = { 0 }, text = { 0 };
	struct sz_error e;
	char *dir = dir_new();
	u8 root[SZ_AUDIT_HASH_LEN] = { 1 };
	u64 size;

	sz_audit_skey_generate("log.test/a", &k);
	for (u64 i = 1; i <= 3000; i++)
		sz_audit_checkpoint_sign(&k, i * i, root, &b);
	sz_buf_add(&b, "log.test/a\n90", 13);
	put_named(dir, "checkpoints", b.data, b.len);
	ASSERT_EQ(sz_audit_notes_open(dir, &s, &e), 0);
	for (u64 i = 1; i <= 3000; i++) {
		ASSERT_EQ(sz_audit_notes_next(&s, &e), 1);
		ASSERT_EQ(s.now.size, i * i);
		ASSERT_TRUE(i % 100 || sz_audit_checkpoint_ok(&s.now, &k.vkey));
	}
	EXPECT_EQ(sz_audit_notes_next(&s, &e), 0);
	EXPECT_EQ(s.torn_bytes, 13);
	sz_audit_notes_done(&s);
	ASSERT_EQ(sz_audit_checkpoint_last(dir, &text, &last, &size, &e), 0);
	EXPECT_EQ(last.size, 9000000);
	EXPECT_EQ(size, b.len - 13);
	EXPECT_TRUE(sz_audit_checkpoint_ok(&last, &k.vkey));
	sz_buf_done(&b);
	sz_buf_done(&text);
	dir_free(dir);
}

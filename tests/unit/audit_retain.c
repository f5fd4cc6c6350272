/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Retention: which segments may go, that what stays verifies and says what went, that nothing else
 * that is missing passes for it, and that keys are followed over what was removed.
 */
#include "harness.h"

#include "audit_log.h"

#include <sys/stat.h>

#define SEGMENTS 6
#define DAY      (86400ull * 1000000000ull)

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

struct log {
	char *dir;
	struct sz_audit *a;
	struct sz_audit_skey key[3];
	struct sz_buf notes, list, changes;
	u64 wall;
	u64 ends[SEGMENTS + 1]; /* last record of each */
	unsigned n_keys;
};

static u64 add(struct log *l, enum sz_audit_type t, u64 count, const char *detail)
{
	return sz_audit_add(l->a, &(struct sz_audit_record){
		.type = t, .wall_ns = l->wall, .count = count, .detail = detail });
}

static void sign(struct log *l)
{
	u8 root[SZ_AUDIT_HASH_LEN];

	sz_audit_tree_root(sz_audit_tree(l->a), root);
	sz_audit_checkpoint_sign(&l->key[l->n_keys - 1], sz_audit_tree(l->a)->size, root,
				 &l->notes);
}

static void announce(struct log *l)
{
	struct sz_audit_skey *k = &l->key[l->n_keys];
	struct sz_buf b = { 0 };
	u64 seq;

	sz_audit_skey_generate("log.test/r", k);
	sz_audit_vkey_format(&k->vkey, &b);
	seq = add(l, SZ_AUDIT_KEY, 0, b.data);
	if (l->n_keys) {
		sign(l);
		sz_audit_change_sign(&k[-1], &k->vkey, seq, &l->changes);
	}
	sz_buf_printf(&l->list, "%s %llu -\n", b.data, (unsigned long long)seq);
	l->n_keys++;
	sz_buf_done(&b);
}

static void write_all(struct log *l, u32 segment)
{
	struct sz_buf b = { 0 };

	sz_audit_take(l->a, &b);
	put_file(l->dir, segment, b.data, b.len);
	put_named(l->dir, "checkpoints", l->notes.data, l->notes.len);
	put_named(l->dir, "keys", l->list.data, l->list.len);
	put_named(l->dir, "key-changes", l->changes.data ? l->changes.data : "", l->changes.len);
	sz_buf_done(&b);
}

/*
 * A segment a day, each with a checkpoint in its middle and one at its end; the second key from
 * segment 2 on, the third from segment 5 on.
 */
static void log_begin(struct log *l)
{
	*l = (struct log){ .dir = dir_new(), .a = sz_audit_new(1, zeros), .wall = WALL };
	for (u32 s = 1; s <= SEGMENTS; s++, l->wall += DAY) {
		add_segment(l->a, s);
		if (s == 1 || s == 2 || s == 5)
			announce(l);
		for (int i = 0; i < 3; i++)
			add_some(l->a);
		sign(l);
		l->ends[s] = add(l, SZ_AUDIT_START, 0, "in between");
		if (s % 2)
			sign(l);
		write_all(l, s);
	}
}

static void log_end(struct log *l)
{
	sz_audit_free(l->a);
	sz_buf_done(&l->notes);
	sz_buf_done(&l->list);
	sz_buf_done(&l->changes);
	dir_free(l->dir);
}

/* The times of records are those of add_segment: all of one moment. */
static struct sz_audit_cut plan(struct log *l, u64 size, u64 signed_seq)
{
	struct sz_audit_retention r = { .size = size };
	struct sz_audit_cut cut;
	struct sz_error e = { "" };

	EXPECT_EQ(sz_audit_retention_plan(l->dir, &r, WALL, signed_seq, &cut, &e), 0);
	EXPECT_STREQ(e.msg, "");
	return cut;
}

/* As the daemon does it: a record, its checkpoint, then the files. */
static void cut_to(struct log *l, u32 segment, bool tell)
{
	struct sz_audit_cut cut = { .first = 1, .segment = segment,
				    .records = l->ends[segment - 1] };
	struct sz_buf more = { 0 };
	struct sz_error e = { "" };

	get_file(l->dir, SEGMENTS, &more);
	if (tell)
		add(l, SZ_AUDIT_REMOVED, cut.records, "retention");
	else
		add(l, SZ_AUDIT_START, 0, "nothing");
	sign(l);
	sz_audit_take(l->a, &more);
	put_file(l->dir, SEGMENTS, more.data, more.len);
	put_named(l->dir, "checkpoints", l->notes.data, l->notes.len);
	EXPECT_EQ(sz_audit_retention_apply(l->dir, &cut, &e), 0);
	EXPECT_STREQ(e.msg, "");
	sz_buf_done(&more);
}

static int verify_with(struct log *l, const struct sz_audit_vkey *key, struct sz_audit_report *r,
		       struct sz_error *e)
{
	struct sz_audit_trust t = { .key = key };

	e->msg[0] = 0;
	return sz_audit_verify(l->dir, &t, r, NULL, NULL, e);
}

TEST(what_is_too_much_is_whole_old_segments_and_never_the_newest)
{
	struct sz_audit_cut cut;
	struct sz_buf b = { 0 };
	struct log l;
	u64 one;

	log_begin(&l);
	get_file(l.dir, 3, &b);
	one = b.len;
	cut = plan(&l, 0, UINT64_MAX);
	EXPECT_EQ(cut.segment, 0);
	EXPECT_EQ(cut.segments, SEGMENTS);
	EXPECT_EQ(cut.removed, 0);
	EXPECT_EQ(cut.oldest_ns, WALL);
	EXPECT_TRUE(cut.total_bytes > SEGMENTS * (one - 500));
	EXPECT_EQ(plan(&l, cut.total_bytes, UINT64_MAX).segment, 0);
	EXPECT_EQ(plan(&l, cut.total_bytes - 1, UINT64_MAX).segment, 2);
	EXPECT_EQ(plan(&l, cut.total_bytes - 1, UINT64_MAX).records, l.ends[1]);
	EXPECT_EQ(plan(&l, 1, UINT64_MAX).segment, SEGMENTS);
	EXPECT_EQ(plan(&l, 1, UINT64_MAX).first, 1);
	EXPECT_EQ(plan(&l, 1, UINT64_MAX).by_age, false);
	sz_buf_done(&b);
	log_end(&l);
}

TEST(what_no_checkpoint_covers_stays)
{
	struct log l;

	log_begin(&l);
	/* The first record behind what goes must be covered, too. */
	EXPECT_EQ(plan(&l, 1, l.ends[3]).segment, 3);
	EXPECT_EQ(plan(&l, 1, l.ends[3] + 1).segment, 4);
	EXPECT_EQ(plan(&l, 1, 0).segment, 0);
	log_end(&l);
}

TEST(a_segment_is_as_old_as_the_beginning_of_the_next)
{
	struct sz_audit_retention r = { .age_s = 7 * 86400 };
	struct sz_audit_cut cut;
	struct sz_error e = { "" };
	struct log l;

	log_begin(&l);
	EXPECT_EQ(sz_audit_retention_plan(l.dir, &r, WALL + 7 * DAY - 1, UINT64_MAX, &cut, &e), 0);
	EXPECT_EQ(cut.segment, 0);
	EXPECT_EQ(sz_audit_retention_plan(l.dir, &r, WALL + 7 * DAY, UINT64_MAX, &cut, &e), 0);
	EXPECT_EQ(cut.segment, SEGMENTS);
	EXPECT_TRUE(cut.by_age);
	/* A clock before the records' time makes nothing old. */
	EXPECT_EQ(sz_audit_retention_plan(l.dir, &r, 1, UINT64_MAX, &cut, &e), 0);
	EXPECT_EQ(cut.segment, 0);
	log_end(&l);
}

TEST(with_a_hole_in_the_log_nothing_goes)
{
	struct sz_audit_retention r = { .size = 1 };
	struct sz_audit_cut cut;
	struct sz_error e = { "" };
	char path[PATH_MAX];
	struct log l;

	log_begin(&l);
	path_of(l.dir, 3, path);
	unlink(path);
	EXPECT_EQ(sz_audit_retention_plan(l.dir, &r, WALL, UINT64_MAX, &cut, &e), -EBADMSG);
	EXPECT_CONTAINS(e.msg, "segment 3 is missing");
	EXPECT_EQ(cut.segment, 0);
	log_end(&l);
}

TEST(what_stays_verifies_and_says_what_went)
{
	struct sz_audit_report r;
	struct sz_error e;

	for (u32 s = 2; s <= SEGMENTS; s++) {
		struct log l;

		log_begin(&l);
		cut_to(&l, s, true);
		EXPECT_EQ(verify_with(&l, NULL, &r, &e), 0);
		EXPECT_STREQ(e.msg, "");
		EXPECT_EQ(r.removed, l.ends[s - 1]);
		EXPECT_EQ(r.removed_segments, s - 1);
		EXPECT_EQ(r.first_seq, l.ends[s - 1] + 1);
		EXPECT_EQ(r.last_seq, l.ends[SEGMENTS] + 1);
		EXPECT_EQ(r.signed_seq, r.last_seq);
		EXPECT_EQ(r.segments, SEGMENTS - s + 1);
		log_end(&l);
	}
}

TEST(segments_that_are_gone_without_a_record_of_it_are_missed)
{
	struct sz_audit_report r;
	char path[PATH_MAX];
	struct sz_error e;
	struct log l;

	log_begin(&l);
	cut_to(&l, 3, false);
	EXPECT_EQ(verify_with(&l, NULL, &r, &e), -EBADMSG);
	EXPECT_CONTAINS(e.msg, "no record says that retention removed them");
	log_end(&l);

	log_begin(&l);
	cut_to(&l, 3, true);
	path_of(l.dir, 3, path);
	unlink(path);
	EXPECT_EQ(verify_with(&l, NULL, &r, &e), -EBADMSG);
	EXPECT_CONTAINS(e.msg, "retention removed fewer");
	log_end(&l);

	log_begin(&l);
	cut_to(&l, 3, true);
	path_of(l.dir, 4, path);
	unlink(path);
	EXPECT_EQ(verify_with(&l, NULL, &r, &e), -EBADMSG);
	EXPECT_CONTAINS(e.msg, "there is no such segment");
	log_end(&l);

	log_begin(&l);
	cut_to(&l, 3, true);
	put_named(l.dir, "checkpoints", "", 0);
	EXPECT_EQ(verify_with(&l, NULL, &r, &e), -EBADMSG);
	EXPECT_CONTAINS(e.msg, "no checkpoint confirms");
	log_end(&l);
}

TEST(another_beginning_is_not_that_of_the_checkpoints)
{
	struct sz_audit_report r;
	struct sz_buf b = { 0 };
	struct sz_error e;
	struct log l;
	char *tree;

	/* Chain and hashes of the segment that comes first are remade: only the tree tells. */
	log_begin(&l);
	cut_to(&l, 6, true);
	get_file(l.dir, 6, &b);
	tree = strstr(b.data, "\"tree\":\"");
	ASSERT_TRUE(tree != NULL);
	tree[8] = tree[8] == 'a' ? 'b' : 'a';
	put_file(l.dir, 6, b.data, b.len);
	EXPECT_EQ(verify_with(&l, NULL, &r, &e), -EBADMSG);
	sz_buf_done(&b);
	log_end(&l);
}

TEST(who_kept_any_key_follows_it_over_what_was_removed)
{
	struct sz_audit_report r;
	struct sz_audit_skey other;
	struct sz_error e;
	struct log l;

	log_begin(&l);
	cut_to(&l, 6, true);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(verify_with(&l, &l.key[i].vkey, &r, &e), 0);
		EXPECT_STREQ(e.msg, "");
		EXPECT_TRUE(r.trusted);
	}
	sz_audit_skey_generate("log.test/r", &other);
	EXPECT_EQ(verify_with(&l, &other.vkey, &r, &e), -EBADMSG);
	/* Without the notes nobody has vouched for the third key. */
	put_named(l.dir, "key-changes", "", 0);
	EXPECT_EQ(verify_with(&l, &l.key[0].vkey, &r, &e), -EBADMSG);
	EXPECT_EQ(verify_with(&l, &l.key[2].vkey, &r, &e), 0);
	log_end(&l);
}

TEST(a_key_that_only_the_list_names_cannot_take_over)
{
	struct sz_audit_report r;
	struct sz_audit_skey thief;
	struct sz_error e;
	struct sz_buf more = { 0 };
	u8 root[SZ_AUDIT_HASH_LEN];
	struct log l;

	log_begin(&l);
	cut_to(&l, 4, true);
	/* It has the files, and signs a longer log with a key that it adds to the list. */
	sz_audit_skey_generate("log.test/r", &thief);
	sz_audit_vkey_format(&thief.vkey, &l.list);
	sz_buf_printf(&l.list, " 1 -\n");
	put_named(l.dir, "keys", l.list.data, l.list.len);
	get_file(l.dir, SEGMENTS, &more);
	add(&l, SZ_AUDIT_STOP, 0, "forged");
	sz_audit_tree_root(sz_audit_tree(l.a), root);
	sz_audit_checkpoint_sign(&thief, sz_audit_tree(l.a)->size, root, &l.notes);
	sz_audit_take(l.a, &more);
	put_file(l.dir, SEGMENTS, more.data, more.len);
	put_named(l.dir, "checkpoints", l.notes.data, l.notes.len);
	EXPECT_EQ(verify_with(&l, &l.key[1].vkey, &r, &e), -EBADMSG);
	EXPECT_CONTAINS(e.msg, "never vouched for");
	sz_buf_done(&more);
	log_end(&l);
}

TEST(a_change_of_keys_counts_only_as_the_old_key_signed_it)
{
	struct sz_audit_skey a, b, c;
	struct sz_audit_change change;
	struct sz_buf note = { 0 }, bad = { 0 };

	sz_audit_skey_generate("log.test/r", &a);
	sz_audit_skey_generate("log.test/r", &b);
	sz_audit_skey_generate("log.test/r", &c);
	sz_audit_change_sign(&a, &b.vkey, 4711, &note);
	EXPECT_EQ(sz_audit_change_read(note.data, note.len, &change), (ssize_t)note.len);
	EXPECT_EQ(change.seq, 4711);
	EXPECT_TRUE(sz_audit_vkey_same(&change.old, &a.vkey));
	EXPECT_TRUE(sz_audit_vkey_same(&change.new, &b.vkey));
	for (size_t i = 0; i < note.len; i++) {
		EXPECT_EQ(sz_audit_change_read(note.data, i, &change), -EBADMSG);
		note.data[i] ^= 1;
		EXPECT_EQ(sz_audit_change_read(note.data, note.len, &change), -EBADMSG);
		note.data[i] ^= 1;
	}
	/* No checkpoint passes for one, nor the other way round. */
	sz_audit_checkpoint_sign(&a, 4711, zeros, &bad);
	EXPECT_EQ(sz_audit_change_read(bad.data, bad.len, &change), -EBADMSG);
	EXPECT_TRUE(sz_audit_checkpoint_parse(note.data, note.len,
					      &(struct sz_audit_checkpoint){ 0 }) < 0);
	sz_buf_done(&note);
	sz_buf_done(&bad);
}

TEST(checkpoints_of_what_is_gone_are_freed_but_the_last)
{
	struct sz_audit_checkpoint cp;
	struct sz_buf text = { 0 }, note = { 0 };
	char path[PATH_MAX];
	struct stat before, after;
	struct sz_audit_notes n;
	struct sz_error e = { "" };
	u64 size, i;
	struct log l;

	log_begin(&l);
	/* Many, so that whole blocks can go. */
	sz_buf_reset(&l.notes);
	for (i = 1; i <= 3000; i++)
		sz_audit_checkpoint_sign(&l.key[0], 10 * i, zeros, &l.notes);
	put_named(l.dir, "checkpoints", l.notes.data, l.notes.len);
	snprintf(path, sizeof(path), "%s/checkpoints", l.dir);
	for (i = 0; i < 3000; i += 1 + i / 3) {
		stat(path, &before);
		EXPECT_EQ(sz_audit_notes_forget(l.dir, 10 * i + 5, &e), 0);
		stat(path, &after);
		EXPECT_EQ(after.st_size, before.st_size);
		EXPECT_TRUE(after.st_blocks <= before.st_blocks);
		EXPECT_EQ(sz_audit_notes_open(l.dir, &n, &e), 0);
		EXPECT_EQ(sz_audit_notes_next(&n, &e), 1);
		EXPECT_EQ(n.now.size, i ? 10 * i : 10);
		sz_audit_notes_done(&n);
		EXPECT_EQ(sz_audit_checkpoint_last(l.dir, &text, &cp, &size, &e), 0);
		EXPECT_EQ(cp.size, 30000);
		EXPECT_EQ(size, (u64)after.st_size);
		sz_buf_done(&text);
		text = (struct sz_buf){ 0 };
		EXPECT_EQ(sz_audit_checkpoint_find(l.dir, 29000, 0, &note, &cp, &e), 0);
	}
	/* The last one alone: it is found from the end as well. */
	EXPECT_EQ(sz_audit_notes_forget(l.dir, 40000, &e), 0);
	EXPECT_EQ(sz_audit_checkpoint_last(l.dir, &text, &cp, &size, &e), 0);
	EXPECT_EQ(cp.size, 30000);
	sz_buf_done(&text);
	sz_buf_done(&note);
	log_end(&l);
}

TEST(a_hole_that_a_crash_left_half_made_is_read_all_the_same)
{
	struct sz_audit_notes n;
	struct sz_error e = { "" };
	struct sz_buf notes = { 0 };
	struct log l;
	size_t one;

	log_begin(&l);
	sz_audit_checkpoint_sign(&l.key[0], 10, zeros, &notes);
	one = notes.len;
	sz_audit_checkpoint_sign(&l.key[0], 20, zeros, &notes);
	for (size_t cut = 1; cut < one; cut++) {
		memset(notes.data, 0, cut);
		put_named(l.dir, "checkpoints", notes.data, notes.len);
		EXPECT_EQ(sz_audit_notes_open(l.dir, &n, &e), 0);
		EXPECT_EQ(sz_audit_notes_next(&n, &e), 1);
		EXPECT_EQ(n.now.size, 20);
		sz_audit_notes_done(&n);
	}
	sz_buf_done(&notes);
	log_end(&l);
}

TEST(a_link_in_place_of_a_segment_is_removed_and_not_followed)
{
	struct sz_audit_cut cut = { .first = 1, .segment = 2, .records = 1 };
	char path[PATH_MAX], target[] = "/tmp/sz-retain-target-XXXXXX";
	struct sz_error e = { "" };
	int fd = mkstemp(target);
	struct log l;

	log_begin(&l);
	path_of(l.dir, 1, path);
	unlink(path);
	ASSERT_EQ(symlink(target, path), 0);
	EXPECT_EQ(sz_audit_retention_apply(l.dir, &cut, &e), 0);
	EXPECT_EQ(access(target, F_OK), 0);
	EXPECT_EQ(access(path, F_OK), -1);
	/* And the checkpoints under such a name are left alone. */
	snprintf(path, sizeof(path), "%s/checkpoints", l.dir);
	unlink(path);
	ASSERT_EQ(symlink(target, path), 0);
	EXPECT_TRUE(sz_audit_notes_forget(l.dir, 100, &e) < 0);
	unlink(target);
	close(fd);
	log_end(&l);
}

TEST(proofs_of_what_stays_hold_and_of_what_went_are_refused)
{
	struct sz_audit_range ranges[SZ_AUDIT_PROOF_MAX];
	u8 path[SZ_AUDIT_PROOF_MAX][SZ_AUDIT_HASH_LEN], root[SZ_AUDIT_HASH_LEN];
	u8 leaf[SZ_AUDIT_HASH_LEN], want[SZ_AUDIT_HASH_LEN];
	struct sz_error e = { "" };

	for (u32 s = 2; s <= SEGMENTS; s++) {
		struct log l;
		u64 size, gone, seq;

		log_begin(&l);
		cut_to(&l, s, true);
		size = sz_audit_tree(l.a)->size;
		gone = l.ends[s - 1];
		sz_audit_tree_root(sz_audit_tree(l.a), want);
		for (seq = 1; seq <= size; seq++) {
			unsigned n = sz_audit_inclusion(seq - 1, size, ranges);
			struct sz_buf line = { 0 };
			int err = sz_audit_subtrees(l.dir, size, ranges, n, path, root, seq - 1,
						    &line, &e);

			EXPECT_EQ(err, seq > gone ? 0 : -ERANGE);
			if (!err) {
				EXPECT_MEMEQ(root, want, sizeof(root));
				sz_audit_tree_leaf(line.data, line.len, leaf);
				EXPECT_TRUE(sz_audit_inclusion_ok(
					leaf, seq - 1, size,
					(const u8(*)[SZ_AUDIT_HASH_LEN])path, n, root));
			}
			sz_buf_done(&line);
		}
		for (seq = 1; seq <= size; seq++) {
			struct sz_audit_range whole = { 0, seq };
			u8 old[1][SZ_AUDIT_HASH_LEN], all[SZ_AUDIT_HASH_LEN];
			unsigned n = sz_audit_consistency(seq, size, ranges);
			int err = sz_audit_subtrees(l.dir, size, ranges, n, path, root, 0, NULL,
						    &e);

			if (!err)
				err = sz_audit_subtrees(l.dir, seq, &whole, 1, old, all, 0, NULL,
							&e);
			if (seq >= gone)
				EXPECT_EQ(err, 0);
			if (seq < gone)
				EXPECT_EQ(err, -ERANGE);
			if (!err)
				EXPECT_TRUE(sz_audit_consistency_ok(
					seq, old[0], size, root,
					(const u8(*)[SZ_AUDIT_HASH_LEN])path, n));
		}
		log_end(&l);
	}
}

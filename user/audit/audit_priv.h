/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared inside the audit room: one line written and one line read, the hash that ties it to the
 * line before, and the check of one segment. Tests and fuzzers include it too; no other room does.
 */
#ifndef SZ_AUDIT_AUDIT_PRIV_H
#define SZ_AUDIT_AUDIT_PRIV_H

#include "audit/audit.h"

#define SZ_AUDIT_TIME_LEN 30 /* "2026-11-21T12:00:00.123456789Z" */

/* The last second that was formatted: records come many to a second. */
struct sz_audit_clock {
	u64 second;
	char text[20];
};

/* Appends the line without its hash member and line end. `last` and `tree`, of the records before,
 * go into "prev" and "tree" of a segment. */
void sz_audit_format(struct sz_buf *b, struct sz_audit_clock *clock, u64 seq,
		     const struct sz_audit_record *r, const u8 last[SZ_AUDIT_HASH_LEN],
		     const struct sz_audit_tree *tree);

/* A path with its secrets replaced by "***", into *ret, which is empty; false where it has none. */
bool sz_audit_mask(const char *path, size_t n, struct sz_buf *ret);

/* Appends 2n digits of lower-case hex, without a NUL behind them. */
void sz_audit_hex(struct sz_buf *b, const u8 *p, size_t n);

/* Before the first hash; harmless when repeated. */
void sz_audit_hash_init(void);
/* SHA-256(last, body). */
void sz_audit_hash(const u8 last[SZ_AUDIT_HASH_LEN], const void *body, size_t n,
		   u8 ret[SZ_AUDIT_HASH_LEN]);

/* Appends ,"hash":"<64 hex>"} and the line end. */
void sz_audit_seal(struct sz_buf *b, const u8 hash[SZ_AUDIT_HASH_LEN]);

/*
 * Length of the UTF-8 sequence at s (RFC 3629) where it may stand in a line as it is: 1..4; 0 where
 * it is not UTF-8 or encodes a control character; -1 where n bytes end inside it.
 */
int sz_audit_utf8(const char *s, size_t n);

/* What a verifier needs of one line. */
struct sz_audit_line {
	u64 seq;
	enum sz_audit_type type;
	u64 wall_ns;                   /* its time; wraps around behind the year 2554 */
	u64 count;                     /* 0 where absent */
	u64 segment;                   /* segment records only, like prev and tree */
	u8 prev[SZ_AUDIT_HASH_LEN];
	const char *tree, *detail;     /* between the quotes, as they stand; NULL where absent */
	size_t tree_len, detail_len;
	u8 hash[SZ_AUDIT_HASH_LEN];
	size_t body_len;               /* bytes before the hash member */
};

/* Where a line stopped being a record, and what should have stood there. */
struct sz_audit_syntax {
	size_t column; /* from 1 */
	const char *expected;
};

/*
 * Reads the n bytes of a line without its line end. 0; -ENODATA where they are a proper beginning
 * of a record (a torn line); -EBADMSG where no continuation could make them one.
 */
int sz_audit_parse(const char *p, size_t n, struct sz_audit_line *ret, struct sz_audit_syntax *bad);

/* The chain while it is read, segment by segment. */
struct sz_audit_check {
	const char *path;  /* of the segment, for messages */
	const char *dir;   /* of the log; only where `checks` is there */
	u32 segment;
	bool newest;       /* a torn last line is allowed */
	u64 line;          /* of this segment, from 1 */
	u64 next_seq;
	struct sz_audit_report *report;
	bool begun;                     /* the first record was read */
	u64 told;                       /* records that the log itself says were removed */
	struct sz_audit_tree tree;      /* of the lines so far */
	struct sz_audit_signed *checks; /* NULL: chain and tree only */
	void (*progress)(u64 records, u64 bytes, u64 total_bytes, void *arg);
	void *arg;
	u64 bytes, total_bytes;
};

/* The first record of a segment, whose number may be any: *ret points into *line. */
int sz_audit_first(const char *dir, u32 segment, struct sz_buf *line, struct sz_audit_line *ret,
		   struct sz_error *e);
/* What a tree of these leaves and the records behind it knows of the root of a range: pushes the
 * subtrees that lie in it; false where the range begins inside one of them. */
bool sz_audit_tree_within(const struct sz_audit_tree *t, const struct sz_audit_range *r,
			  struct sz_audit_tree *ret);

/* ---- signed notes: note.c ------------------------------------------------------------------- */

struct sz_audit_note {
	const char *text, *signatures;
	size_t text_len, signatures_len;
};
bool sz_audit_note_ok(const struct sz_audit_note *note, const struct sz_audit_vkey *k);
/* The next line of p..end without its line end; NULL where it is cut off. */
const char *sz_audit_note_line(const char **p, const char *end, size_t *ret_n);
bool sz_audit_note_number(const char *s, size_t n, u64 *ret);
/* Behind the signature lines, as long as there are any; others' keys may have signed in other ways.
 * NULL where one is cut off. */
const char *sz_audit_note_skip(const char *p, const char *end);

/* ---- checkpoints as a file, from its beginning: checkpoints.c ------------------------------- */

/* Where the first byte that is not 0 stands: retention leaves a hole in front. */
int sz_audit_notes_start(int fd, u64 *ret);
/* Frees the checkpoints that cover fewer records than the newest one of at most `records`. */
int sz_audit_notes_forget(const char *dir, u64 records, struct sz_error *e);

struct sz_audit_notes {
	char path[4096];
	int fd;            /* -1: there is no such file */
	u64 left;          /* bytes not read yet, of those that were there when it was opened */
	u64 number;        /* of the one read last, from 1 */
	u64 torn_bytes;    /* behind the last whole one */
	struct sz_buf b;
	size_t at;
	struct sz_audit_checkpoint now; /* until the next call */
};
/* A missing file is one without checkpoints. */
int sz_audit_notes_open(const char *dir, struct sz_audit_notes *ret, struct sz_error *e);
/* 1: in s->now; 0: no more; -EBADMSG. Sizes grow from one to the next. */
int sz_audit_notes_next(struct sz_audit_notes *s, struct sz_error *e);
void sz_audit_notes_done(struct sz_audit_notes *s);

/* ---- checkpoints against the log while it is read: signed.c --------------------------------- */

struct sz_audit_signed;
/* To be opened before the segments are looked for: what it holds then is on disk in them. */
int sz_audit_signed_open(const char *dir, const struct sz_audit_trust *trust,
			 struct sz_audit_signed **ret, struct sz_error *e);
/* A key record. -EBADMSG where it holds no key. */
int sz_audit_signed_key(struct sz_audit_signed *s, const struct sz_audit_line *l,
			struct sz_error *e);
/* The tree has grown by one: is it as a checkpoint of this size says? */
int sz_audit_signed_grown(struct sz_audit_signed *s, const struct sz_audit_tree *t,
			  struct sz_error *e);
/* Behind the last record: no checkpoint may be left. Fills the report. */
int sz_audit_signed_end(struct sz_audit_signed *s, const struct sz_audit_tree *t,
			struct sz_audit_report *ret, struct sz_error *e);
void sz_audit_signed_free(struct sz_audit_signed *s);
/* The log begins behind these records, which retention removed: the keys that they announced, and
 * which followed which, come from the files beside the log. Before anything else. */
int sz_audit_signed_removed(struct sz_audit_signed *s, const char *dir,
			    const struct sz_audit_tree *t, struct sz_error *e);

/* "tree" of a segment record; false where it is absent or not that of `seq` - 1 leaves. */
bool sz_audit_tree_read(const struct sz_audit_line *l, struct sz_audit_tree *ret);
bool sz_audit_tree_same(const struct sz_audit_tree *a, const struct sz_audit_tree *b);

/* Reads fd to its end as the next segment of the chain. */
int sz_audit_check_segment(struct sz_audit_check *c, int fd, struct sz_error *e);

/* Reads the tail of segment ret->segment into the rest of *ret; names `path` in messages. */
int sz_audit_scan_segment(int fd, const char *path, struct sz_audit_state *ret, struct sz_error *e);

/* Numbers of the segments in dir, ascending; the caller frees *ret. */
int sz_audit_segments(const char *dir, u32 **ret, size_t *ret_n, struct sz_error *e);
/* Opens a segment for reading and gives its size now; only a regular file will do. */
int sz_audit_open(const char *path, u64 *ret_size, struct sz_error *e);

#endif

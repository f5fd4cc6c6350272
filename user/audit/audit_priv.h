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

/* Appends the line without its hash member and line end. `last` goes into "prev" of a segment. */
void sz_audit_format(struct sz_buf *b, struct sz_audit_clock *clock, u64 seq,
		     const struct sz_audit_record *r, const u8 last[SZ_AUDIT_HASH_LEN]);

/* Before the first hash; harmless when repeated. */
void sz_audit_hash_init(void);
/* BLAKE2b-256(last, body). */
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
	u64 count;                     /* 0 where absent */
	u64 segment;                   /* segment records only, like prev */
	u8 prev[SZ_AUDIT_HASH_LEN];
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
	u32 segment;
	bool newest;       /* a torn last line is allowed */
	u64 line;          /* of this segment, from 1 */
	u64 next_seq;
	struct sz_audit_report *report;
	void (*progress)(u64 records, u64 bytes, u64 total_bytes, void *arg);
	void *arg;
	u64 bytes, total_bytes;
};

/* Reads fd to its end as the next segment of the chain. */
int sz_audit_check_segment(struct sz_audit_check *c, int fd, struct sz_error *e);

/* Reads the tail of segment ret->segment into the rest of *ret; names `path` in messages. */
int sz_audit_scan_segment(int fd, const char *path, struct sz_audit_state *ret, struct sz_error *e);

/* Numbers of the segments in dir, ascending; the caller frees *ret. */
int sz_audit_segments(const char *dir, u32 **ret, size_t *ret_n, struct sz_error *e);
/* Opens a segment for reading and gives its size now; only a regular file will do. */
int sz_audit_open(const char *path, u64 *ret_size, struct sz_error *e);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The audit log: one JSON object a line, chained by BLAKE2b-256. Each line ends with the member
 * "hash", the digest of (previous hash, line without that member), so a changed, dropped, inserted
 * or reordered record is found by reading the file alone. Files are segments <dir>/NNNNNNNN.jsonl;
 * a segment's first record repeats the last hash of the one before.
 *
 * This room formats, chains and verifies; it writes no file itself. The daemon takes finished
 * batches (sz_audit_take) and writes and fsyncs them through its ring.
 */
#ifndef SZ_AUDIT_AUDIT_H
#define SZ_AUDIT_AUDIT_H

#include "core/core.h"

#define SZ_AUDIT_HASH_LEN 32
#define SZ_AUDIT_TEXT_MAX 8192        /* bytes of a text member before escaping; more is cut off */
#define SZ_AUDIT_LINE_MAX (1u << 20)  /* bytes of a line; the members' limits keep it far below */
#define SZ_AUDIT_SEGMENT_MAX 99999999 /* eight digits */

enum sz_audit_type {
	SZ_AUDIT_START = 1,  /* the daemon began; detail: version, configuration */
	SZ_AUDIT_STOP,
	SZ_AUDIT_RELOAD,     /* configuration swapped, or refused (reason, detail) */
	SZ_AUDIT_DECISION,   /* the daemon decided: a token verified or refused, or one request */
	SZ_AUDIT_DENIAL,     /* the kernel refused a packet or request */
	SZ_AUDIT_REQUEST,    /* the kernel admitted one request (where asked for) */
	SZ_AUDIT_SUMMARY,    /* count requests admitted in the kernel since the last summary */
	SZ_AUDIT_LOST,       /* count denials by one reason that found the event ring full */
	SZ_AUDIT_REVOKE,
	SZ_AUDIT_BAN,
	SZ_AUDIT_ADMIN,      /* attach, detach, unban and other acts of an administrator */
	SZ_AUDIT_SEGMENT,    /* first record of a segment; count: its number */
	SZ_AUDIT_TYPE_COUNT,
};
const char *sz_audit_type_name(enum sz_audit_type t); /* "unknown" beyond the list */

/* One record; absent fields are zero or NULL and left out of the line. No token ever appears:
 * `token` is the keyed digest. */
struct sz_audit_record {
	enum sz_audit_type type;
	u64 wall_ns;
	u32 reason;               /* enum sz_reason */
	enum sz_verdict verdict;
	bool has_verdict;
	const char *service;
	const char *route;
	const char *method;
	const char *path;         /* any bytes; escaped */
	size_t path_len;
	const char *principal;    /* "iss sub", for people */
	u64 principal_id;
	const char *issuer, *subject, *jti, *kid, *alg;
	struct sz_digest token;
	const struct sz_flow_key *flow; /* source and destination */
	u64 count;
	u64 latency_ns;           /* from the frame's arrival to the verdict */
	bool monitor;
	const char *detail;
};

struct sz_audit; /* the chain's head and the open batch */

/* `seq` of the next record and the hash of the last, as sz_audit_scan found them. */
struct sz_audit *sz_audit_new(u64 seq, const u8 last[SZ_AUDIT_HASH_LEN]);
void sz_audit_free(struct sz_audit *a);
/* Appends to the open batch; returns its sequence number. */
u64 sz_audit_add(struct sz_audit *a, const struct sz_audit_record *r);
/* Moves the open batch to *ret (appends). Returns the number of its last record, 0 if empty. */
u64 sz_audit_take(struct sz_audit *a, struct sz_buf *ret);
size_t sz_audit_pending(const struct sz_audit *a); /* bytes in the open batch */
/* Sequence number (0 in an empty log) and hash of the last record added. */
void sz_audit_head(const struct sz_audit *a, u64 *ret_seq, u8 ret_hash[SZ_AUDIT_HASH_LEN]);

/* Where a log stands: last whole record of the newest segment. A torn last line (crash in the
 * middle of a write) is reported in torn_bytes, so that the daemon can cut it off and go on. With
 * size 0 the newest segment still lacks its first record, and the caller adds that. */
struct sz_audit_state {
	u32 segment;      /* number of the newest; 0 = none */
	u64 size;         /* bytes of whole records in it */
	u64 torn_bytes;
	u64 next_seq;     /* 1 in an empty log */
	u8 last[SZ_AUDIT_HASH_LEN];
};
/*
 * Reads the tail of the newest segment only, so it costs the same for a log of any size: the last
 * record must be whole, well formed and chained to the one before. -EBADMSG where it is not, -errno
 * where the directory or a segment cannot be read.
 */
int sz_audit_scan(const char *dir, struct sz_audit_state *ret, struct sz_error *e);
/* Appends the last n whole lines, over segments, oldest first. Shows; does not verify. */
int sz_audit_tail(const char *dir, unsigned n, struct sz_buf *ret, struct sz_error *e);
void sz_audit_segment_path(const char *dir, u32 segment, char *ret, size_t n);

/* Reads every segment in order and checks the chain. */
struct sz_audit_report {
	u64 records, segments, first_seq, last_seq;
	u64 torn_bytes;
	u64 by_type[SZ_AUDIT_TYPE_COUNT];
	u64 admitted;     /* sum of counts in SUMMARY records */
	u64 denied;       /* DENIAL records, and counts in LOST records */
	u8 last[SZ_AUDIT_HASH_LEN];
};
/*
 * 0; -EBADMSG with file, line, seq and what does not fit in *e, and *ret as far as the log fits;
 * -ENOENT where there is no log. `progress` may be NULL.
 */
int sz_audit_verify(const char *dir, struct sz_audit_report *ret,
		    void (*progress)(u64 records, u64 bytes, u64 total_bytes, void *arg), void *arg,
		    struct sz_error *e);

#endif

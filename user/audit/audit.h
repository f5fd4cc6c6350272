/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The audit log: one JSON object a line, chained by SHA-256. Each line ends with the member
 * "hash", the digest of (previous hash, line without that member), so a changed, dropped, inserted
 * or reordered record is found by reading the file alone. Files are segments <dir>/NNNNNNNN.jsonl;
 * a segment's first record repeats the last hash of the one before. All records are the leaves of a
 * Merkle tree, whose heads are signed in <dir>/checkpoints: so the end of the log is known too, and
 * a single record can be proved to be part of it.
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
	SZ_AUDIT_KEY,        /* a key that signs checkpoints from here on; detail: in vkey form */
	SZ_AUDIT_SHED,       /* count records that were not kept: the log could not be written */
	SZ_AUDIT_REMOVED,    /* records 1 to count are removed, or about to be: retention */
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
	u64 explanation;          /* id of the policy's: see sz_policy_explained */
	const char *detail;
};

/* ---- how grave a record is ------------------------------------------------------------------ */

enum sz_audit_severity {
	SZ_AUDIT_INFO = 1,
	SZ_AUDIT_LOW,
	SZ_AUDIT_MEDIUM,
	SZ_AUDIT_HIGH,
	SZ_AUDIT_CRITICAL,
};
/* By type, reason and whether it was refused; not written, so that no record can contradict it. */
enum sz_audit_severity sz_audit_severity(enum sz_audit_type t, u32 reason, bool denied);
const char *sz_audit_severity_name(enum sz_audit_severity s); /* "informational", "low", ... */

/* ---- the Merkle tree over all records: RFC 6962 section 2.1, with SHA-256 -------------------- */

#define SZ_AUDIT_LEVELS    64
#define SZ_AUDIT_PROOF_MAX (SZ_AUDIT_LEVELS + 1)

/* Its right edge: node[k] is the root of a whole subtree of 2^k leaves where size has bit k. A
 * record's leaf is its line without the line end; record `seq` is leaf seq - 1. */
struct sz_audit_tree {
	u64 size;
	u8 node[SZ_AUDIT_LEVELS][SZ_AUDIT_HASH_LEN];
};
void sz_audit_tree_leaf(const void *p, size_t n, u8 ret[SZ_AUDIT_HASH_LEN]);
void sz_audit_tree_push(struct sz_audit_tree *t, const u8 leaf[SZ_AUDIT_HASH_LEN]);
void sz_audit_tree_root(const struct sz_audit_tree *t, u8 ret[SZ_AUDIT_HASH_LEN]);

/* Leaves from..to-1. */
struct sz_audit_range {
	u64 from, to;
};
/* The subtrees whose roots make up the proof, in its order; return their number. index < size;
 * 0 < from <= to. */
unsigned sz_audit_inclusion(u64 index, u64 size, struct sz_audit_range ret[SZ_AUDIT_PROOF_MAX]);
unsigned sz_audit_consistency(u64 from, u64 to, struct sz_audit_range ret[SZ_AUDIT_PROOF_MAX]);
/* RFC 9162 sections 2.1.3.2 and 2.1.4.2. */
bool sz_audit_inclusion_ok(const u8 leaf[SZ_AUDIT_HASH_LEN], u64 index, u64 size,
			   const u8 (*path)[SZ_AUDIT_HASH_LEN], size_t n,
			   const u8 root[SZ_AUDIT_HASH_LEN]) SZ_MUST_CHECK;
bool sz_audit_consistency_ok(u64 from, const u8 old_root[SZ_AUDIT_HASH_LEN], u64 to,
			     const u8 new_root[SZ_AUDIT_HASH_LEN],
			     const u8 (*path)[SZ_AUDIT_HASH_LEN], size_t n) SZ_MUST_CHECK;
/*
 * Reads the records of the log once and gives the roots of n ranges, which lie in any order but
 * apart from each other, and of the whole tree of `size` leaves. *ret_line gets record index + 1
 * where it is not NULL. -ERANGE where the log is shorter, or what is needed was removed.
 */
int sz_audit_subtrees(const char *dir, u64 size, const struct sz_audit_range *ranges, unsigned n,
		      u8 (*ret)[SZ_AUDIT_HASH_LEN], u8 ret_root[SZ_AUDIT_HASH_LEN], u64 index,
		      struct sz_buf *ret_line, struct sz_error *e);

/* ---- keys and checkpoints: C2SP signed-note and tlog-checkpoint, Ed25519 --------------------- */

#define SZ_AUDIT_NAME_MAX 128

struct sz_audit_vkey {
	char name[SZ_AUDIT_NAME_MAX]; /* also the origin of its checkpoints */
	u8 id[4];
	u8 public[32];
};
struct sz_audit_skey {
	struct sz_audit_vkey vkey;
	u8 secret[64];
};
/* Standard base64 with padding of exactly `len` bytes, in its one form. */
bool sz_audit_base64(const char *s, size_t n, u8 *ret, size_t len);
bool sz_audit_name_ok(const char *s, size_t n); /* printable ASCII but + " \ */
int sz_audit_vkey_parse(const char *s, size_t n, struct sz_audit_vkey *ret, struct sz_error *e);
void sz_audit_vkey_format(const struct sz_audit_vkey *k, struct sz_buf *ret); /* appends */
bool sz_audit_vkey_same(const struct sz_audit_vkey *a, const struct sz_audit_vkey *b);
void sz_audit_skey_generate(const char *name, struct sz_audit_skey *ret);
/* "PRIVATE+KEY+NAME+HASH+BASE64" and a line end. -EBADMSG for anything else. */
int sz_audit_skey_parse(const char *s, size_t n, struct sz_audit_skey *ret, struct sz_error *e);
void sz_audit_skey_format(const struct sz_audit_skey *k, struct sz_buf *ret);
void sz_audit_skey_done(struct sz_audit_skey *k); /* wipes */

/* Appends the note: text, which ends with a line end, an empty line, the signature's line. */
void sz_audit_note_sign(const struct sz_audit_skey *k, const char *text, size_t n,
			struct sz_buf *ret);
void sz_audit_checkpoint_sign(const struct sz_audit_skey *k, u64 size,
			      const u8 root[SZ_AUDIT_HASH_LEN], struct sz_buf *ret);

struct sz_audit_checkpoint {
	char origin[SZ_AUDIT_NAME_MAX];
	u64 size;
	u8 root[SZ_AUDIT_HASH_LEN];
	const char *text, *signatures; /* inside what was parsed */
	size_t text_len, signatures_len;
};
/* The checkpoint at the front of n bytes: its length; -ENODATA where it is cut off, -EBADMSG. */
ssize_t sz_audit_checkpoint_parse(const char *p, size_t n, struct sz_audit_checkpoint *ret);
/* Signed by this key, and of the log that the key is named after. */
bool sz_audit_checkpoint_ok(const struct sz_audit_checkpoint *c,
			    const struct sz_audit_vkey *k) SZ_MUST_CHECK;

void sz_audit_checkpoints_path(const char *dir, char *ret, size_t n);
/*
 * <dir>/checkpoints: one behind the other, oldest first. The last whole one into *text, to which
 * *ret points, and where it ends; a torn one behind it is not part of that. *ret_size is 0 and
 * *ret zero where there is none.
 */
int sz_audit_checkpoint_last(const char *dir, struct sz_buf *text, struct sz_audit_checkpoint *ret,
			     u64 *ret_size, struct sz_error *e);
/* The newest that covers record `seq`, or of exactly `size` where that is not 0. -ENOENT. */
int sz_audit_checkpoint_find(const char *dir, u64 seq, u64 size, struct sz_buf *text,
			     struct sz_audit_checkpoint *ret, struct sz_error *e);

/* ---- the chain while it is written ---------------------------------------------------------- */

struct sz_audit; /* the chain's head, the tree and the open batch */

/* `seq` of the next record and the hash of the last, as sz_audit_scan found them; the tree begins
 * empty, see sz_audit_set_tree. */
struct sz_audit *sz_audit_new(u64 seq, const u8 last[SZ_AUDIT_HASH_LEN]);
void sz_audit_set_tree(struct sz_audit *a, const struct sz_audit_tree *t);
const struct sz_audit_tree *sz_audit_tree(const struct sz_audit *a); /* of all added so far */
void sz_audit_free(struct sz_audit *a);
/* Appends to the open batch; returns its sequence number. */
u64 sz_audit_add(struct sz_audit *a, const struct sz_audit_record *r);
/* The line that was added last, without its end; good until the chain is used again. */
const char *sz_audit_last_line(const struct sz_audit *a, size_t *ret_n);
/* Moves the open batch to *ret (appends). Returns the number of its last record, 0 if empty. */
u64 sz_audit_take(struct sz_audit *a, struct sz_buf *ret);
size_t sz_audit_pending(const struct sz_audit *a); /* bytes in the open batch */
/* Sequence number (0 in an empty log) and hash of the last record added. */
void sz_audit_head(const struct sz_audit *a, u64 *ret_seq, u8 ret_hash[SZ_AUDIT_HASH_LEN]);

/* ---- another key: a note that the old one has signed ----------------------------------------- */

/*
 * <dir>/key-changes holds one for each change, oldest first, and is never cut: so the keys can be
 * followed where the records that announced them are gone. Text lines: "NAME key change", the
 * number of the record, the old and the new key in vkey form.
 */
struct sz_audit_change {
	u64 seq; /* of the record that announced the new key */
	struct sz_audit_vkey old, new;
};
/* Appends the note. */
void sz_audit_change_sign(const struct sz_audit_skey *old, const struct sz_audit_vkey *new,
			  u64 seq, struct sz_buf *ret);
/* The note at the front of n bytes: its length; -EBADMSG where it is none, or not signed by the
 * old key it names. */
ssize_t sz_audit_change_read(const char *p, size_t n, struct sz_audit_change *ret);
void sz_audit_changes_path(const char *dir, char *ret, size_t n);

/* ---- retention: whole old segments only ----------------------------------------------------- */

struct sz_audit_retention {
	u64 age_s; /* 0: no limit */
	u64 size;  /* bytes of segments and checkpoints; 0: no limit */
};
struct sz_audit_cut {
	u32 first, segment; /* segments first to segment - 1 may go; 0: none */
	u64 records;        /* the last of them ends with this record */
	u64 bytes;
	bool by_age;
	/* what there is now */
	u64 segments, total_bytes;
	u64 removed;   /* records that are not there any more */
	u64 oldest_ns; /* wall clock of the first that is; 0: none */
};
/*
 * Looks at the segments in dir; never touches them. Of what may go everything, and the first
 * record behind it, is among the `signed_seq` records that a checkpoint covers, and the newest
 * segment is not. A segment is as old as the first record of the one behind it. -EBADMSG where
 * segments are missing in between: then nothing may go.
 */
int sz_audit_retention_plan(const char *dir, const struct sz_audit_retention *r, u64 wall_ns,
			    u64 signed_seq, struct sz_audit_cut *ret, struct sz_error *e);
/* Removes what was planned, oldest first, and the checkpoints in front of the newest one that
 * covers no more than it. Once a record of type REMOVED is signed; blocks on the disk. */
int sz_audit_retention_apply(const char *dir, const struct sz_audit_cut *cut, struct sz_error *e);

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
/*
 * The tree of all records up to where the scan says the log ends, from the newest segment's first
 * record, which holds the tree before it, and the records of that segment. Where `at` is not 0 and
 * falls into this segment, *ret_at is the root of the first `at` records and *ret_known true.
 */
int sz_audit_recover(const char *dir, const struct sz_audit_state *s, struct sz_audit_tree *ret,
		     u64 at, u8 ret_at[SZ_AUDIT_HASH_LEN], bool *ret_known, struct sz_error *e);
/* When the first record of a segment was written, by the wall clock. */
int sz_audit_segment_time(const char *dir, u32 segment, u64 *ret_ns, struct sz_error *e);
/* Appends the last n whole lines, over segments, oldest first. Shows; does not verify. */
int sz_audit_tail(const char *dir, unsigned n, struct sz_buf *ret, struct sz_error *e);
void sz_audit_segment_path(const char *dir, u32 segment, char *ret, size_t n);

/* Calls fn for each whole line of the log, in order, without its line end, until it returns other
 * than 0; returns that. Shows; does not verify. */
int sz_audit_each(const char *dir, int (*fn)(const char *line, size_t n, void *arg), void *arg,
		  struct sz_error *e);

/* Reads every segment in order and checks chain, tree and checkpoints. */
struct sz_audit_report {
	u64 records, segments, first_seq, last_seq;
	u64 torn_bytes;
	u64 removed;      /* records in front of the first that retention removed */
	u64 removed_segments;
	u64 by_type[SZ_AUDIT_TYPE_COUNT];
	u64 admitted;     /* sum of counts in SUMMARY records */
	u64 denied;       /* DENIAL records, and counts in LOST records */
	u8 last[SZ_AUDIT_HASH_LEN];
	u8 root[SZ_AUDIT_HASH_LEN]; /* of all records */
	u64 checkpoints;
	u64 signed_seq;   /* last record that a checkpoint covers; 0 without one */
	u64 keys;         /* that have signed */
	struct sz_audit_vkey key; /* the last of them */
	bool trusted;     /* the key that was asked for has signed, and all others follow from it */
};
/* What the log must fit, from outside; both may be absent. */
struct sz_audit_trust {
	const struct sz_audit_vkey *key;               /* must be one of the log's own */
	const struct sz_audit_checkpoint *checkpoint;  /* the log must go through it */
};
/*
 * 0; -EBADMSG with file, line, seq and what does not fit in *e, and *ret as far as the log fits;
 * -ENOENT where there is no log. `trust` and `progress` may be NULL.
 */
int sz_audit_verify(const char *dir, const struct sz_audit_trust *trust,
		    struct sz_audit_report *ret,
		    void (*progress)(u64 records, u64 bytes, u64 total_bytes, void *arg), void *arg,
		    struct sz_error *e);

#endif

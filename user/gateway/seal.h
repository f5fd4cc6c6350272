/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The journal's signatures. Only journal.c includes this. One checkpoint is under way at a time.
 */
#ifndef SZ_GATEWAY_SEAL_H
#define SZ_GATEWAY_SEAL_H

#include "audit/audit.h"
#include "config/config.h"
#include "net/net.h"

struct sz_seal;

/*
 * Key, list of keys and checkpoints of the log that `st` describes; makes the key where there is
 * none. Gives the tree of the log's records. -EBADMSG where they are not those that were signed, or
 * some of those are missing. Also on error *ret is set; free it.
 */
int sz_seal_open(struct sz_loop_ring *loop, const struct sz_conf *c,
		 const struct sz_audit_state *st, struct sz_audit_tree *ret_tree,
		 struct sz_seal **ret, struct sz_error *e);
void sz_seal_free(struct sz_seal *s);

u64 sz_seal_size(const struct sz_seal *s); /* records that the last checkpoint on disk covers */
const struct sz_audit_vkey *sz_seal_key(const struct sz_seal *s);
/* Signs and appends; fn gets 0 once it is on disk, or -errno: the same may be tried again. */
int sz_seal_write(struct sz_seal *s, u64 size, const u8 root[SZ_AUDIT_HASH_LEN],
		  void (*fn)(int res, void *arg), void *arg);

/*
 * Another key, in three steps: sz_seal_change makes it; the caller announces sz_seal_next in the
 * log and has that record signed by the old one; sz_seal_changed goes over to it, or forgets it;
 * `seq` is that record's number.
 */
int sz_seal_change(struct sz_seal *s, struct sz_error *e);
const struct sz_audit_vkey *sz_seal_next(const struct sz_seal *s);
int sz_seal_changed(struct sz_seal *s, bool keep, u64 seq, struct sz_error *e);

#endif

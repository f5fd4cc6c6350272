/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The head of the chain and the open batch. The daemon adds records from its loop and takes whole
 * batches to write; nothing here may block, allocate per record once warm, or touch a file.
 */
#include "audit/audit_priv.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "hash/hash.h"

struct sz_audit {
	u64 next_seq;
	u8 last[SZ_AUDIT_HASH_LEN];
	struct sz_audit_tree tree;
	struct sz_buf batch;
	size_t last_at; /* where the last line of the batch begins */
	struct sz_audit_clock clock;
};

void sz_audit_hash_init(void)
{
	int err = sodium_init();

	assert(err >= 0);
}

void sz_audit_hash(const u8 last[SZ_AUDIT_HASH_LEN], const void *body, size_t n,
		   u8 ret[SZ_AUDIT_HASH_LEN])
{
	sz_sha256(last, SZ_AUDIT_HASH_LEN, body, n, ret);
}

void sz_audit_seal(struct sz_buf *b, const u8 hash[SZ_AUDIT_HASH_LEN])
{
	static const char head[] = ",\"hash\":\"", tail[] = "\"}\n";

	sz_buf_add(b, head, sizeof(head) - 1);
	sz_audit_hex(b, hash, SZ_AUDIT_HASH_LEN);
	sz_buf_add(b, tail, sizeof(tail) - 1);
}

struct sz_audit *sz_audit_new(u64 seq, const u8 last[SZ_AUDIT_HASH_LEN])
{
	struct sz_audit *a = sz_calloc(1, sizeof(*a));

	assert(seq);
	sz_audit_hash_init();
	a->next_seq = seq;
	memcpy(a->last, last, SZ_AUDIT_HASH_LEN);
	a->clock.second = UINT64_MAX;
	return a;
}

void sz_audit_set_tree(struct sz_audit *a, const struct sz_audit_tree *t)
{
	assert(t->size == a->next_seq - 1);
	a->tree = *t;
}

const struct sz_audit_tree *sz_audit_tree(const struct sz_audit *a)
{
	return &a->tree;
}

void sz_audit_free(struct sz_audit *a)
{
	if (!a)
		return;
	sz_buf_done(&a->batch);
	free(a);
}

/*
 * The chain's hash of the body from `start` on, the members that follow it, and the tree's leaf.
 * The leaf goes over the whole line and so over the body too: both hashes read it together.
 */
static void hash_record(struct sz_audit *a, size_t start)
{
	size_t n = a->batch.len - start;
	struct sz_sha256 chain, leaf;
	u8 hash[SZ_AUDIT_HASH_LEN];

	sz_sha256_init(&chain);
	sz_sha256_update(&chain, a->last, SZ_AUDIT_HASH_LEN);
	sz_sha256_init(&leaf);
	sz_sha256_update(&leaf, "", 1);
	sz_sha256_update_both(&chain, &leaf, a->batch.data + start, n);
	sz_sha256_final(&chain, a->last);
	sz_audit_seal(&a->batch, a->last);
	sz_sha256_update(&leaf, a->batch.data + start + n, a->batch.len - 1 - start - n);
	sz_sha256_final(&leaf, hash);
	sz_audit_tree_push(&a->tree, hash);
}

u64 sz_audit_add(struct sz_audit *a, const struct sz_audit_record *r)
{
	size_t start = a->batch.len;

	a->last_at = start;
	assert(r->type > 0 && r->type < SZ_AUDIT_TYPE_COUNT);
	sz_audit_format(&a->batch, &a->clock, a->next_seq, r, a->last,
			&a->tree);
	hash_record(a, start);
	return a->next_seq++;
}

u64 sz_audit_take(struct sz_audit *a, struct sz_buf *ret)
{
	struct sz_buf empty;

	if (!a->batch.len)
		return 0;
	if (!ret->len) {
		/* The caller's spent buffer becomes the next batch: no copy, no allocation. */
		empty = *ret;
		*ret = a->batch;
		a->batch = empty;
	} else {
		sz_buf_add(ret, a->batch.data, a->batch.len);
		sz_buf_reset(&a->batch);
	}
	return a->next_seq - 1;
}

const char *sz_audit_last_line(const struct sz_audit *a, size_t *ret_n)
{
	*ret_n = a->batch.len - a->last_at - 1;
	return a->batch.data + a->last_at;
}

size_t sz_audit_pending(const struct sz_audit *a)
{
	return a->batch.len;
}

void sz_audit_head(const struct sz_audit *a, u64 *ret_seq, u8 ret_hash[SZ_AUDIT_HASH_LEN])
{
	*ret_seq = a->next_seq - 1;
	memcpy(ret_hash, a->last, SZ_AUDIT_HASH_LEN);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The Merkle tree of RFC 6962 section 2.1 over all records of a log: its right edge while it grows,
 * its head, and the two proofs. The daemon pushes each record; the CLI builds and checks proofs.
 * Nothing here holds more than one hash for each level.
 */
#include "audit/audit_priv.h"

#include <assert.h>
#include <string.h>

#include "hash/hash.h"

void sz_audit_tree_leaf(const void *p, size_t n, u8 ret[SZ_AUDIT_HASH_LEN])
{
	static const u8 leaf = 0;

	sz_sha256(&leaf, 1, p, n, ret);
}

static void join(const u8 left[SZ_AUDIT_HASH_LEN], const u8 right[SZ_AUDIT_HASH_LEN],
		 u8 ret[SZ_AUDIT_HASH_LEN])
{
	u8 node[1 + 2 * SZ_AUDIT_HASH_LEN] = { 1 };

	memcpy(node + 1, left, SZ_AUDIT_HASH_LEN);
	memcpy(node + 1 + SZ_AUDIT_HASH_LEN, right, SZ_AUDIT_HASH_LEN);
	sz_sha256(node, sizeof(node), NULL, 0, ret);
}

void sz_audit_tree_push(struct sz_audit_tree *t, const u8 leaf[SZ_AUDIT_HASH_LEN])
{
	u8 h[SZ_AUDIT_HASH_LEN];
	unsigned k;

	memcpy(h, leaf, sizeof(h));
	for (k = 0; t->size >> k & 1; k++)
		join(t->node[k], h, h);
	memcpy(t->node[k], h, sizeof(h));
	t->size++;
}

void sz_audit_tree_root(const struct sz_audit_tree *t, u8 ret[SZ_AUDIT_HASH_LEN])
{
	bool any = false;
	unsigned k;

	if (!t->size)
		sz_sha256("", 0, NULL, 0, ret);
	for (k = 0; k < SZ_AUDIT_LEVELS; k++) {
		if (!(t->size >> k & 1))
			continue;
		if (any)
			join(t->node[k], ret, ret);
		else
			memcpy(ret, t->node[k], SZ_AUDIT_HASH_LEN);
		any = true;
	}
}

/* ---- proofs --------------------------------------------------------------------------------- */

/* The largest power of two below n; n is 2 or more. */
static u64 split(u64 n)
{
	return 1ull << (63 - __builtin_clzll(n - 1));
}

static void reverse(struct sz_audit_range *r, unsigned n)
{
	unsigned i;

	for (i = 0; i < n / 2; i++) {
		struct sz_audit_range other = r[i];

		r[i] = r[n - 1 - i];
		r[n - 1 - i] = other;
	}
}

/* PATH(m, D[n]) of RFC 6962 section 2.1.1, walked from the root and turned round. */
unsigned sz_audit_inclusion(u64 index, u64 size, struct sz_audit_range ret[SZ_AUDIT_PROOF_MAX])
{
	u64 low = 0, high = size, mid;
	unsigned n = 0;

	assert(index < size);
	while (high - low > 1) {
		mid = low + split(high - low);
		if (index < mid) {
			ret[n++] = (struct sz_audit_range){ mid, high };
			high = mid;
		} else {
			ret[n++] = (struct sz_audit_range){ low, mid };
			low = mid;
		}
	}
	reverse(ret, n);
	return n;
}

/* SUBPROOF(m, D[n], true) of section 2.1.2, the same way. */
unsigned sz_audit_consistency(u64 from, u64 to, struct sz_audit_range ret[SZ_AUDIT_PROOF_MAX])
{
	u64 low = 0, high = to, mid;
	unsigned n = 0;

	assert(from && from <= to);
	while (from != high) {
		mid = low + split(high - low);
		if (from <= mid) {
			ret[n++] = (struct sz_audit_range){ mid, high };
			high = mid;
		} else {
			ret[n++] = (struct sz_audit_range){ low, mid };
			low = mid;
		}
	}
	/* The old tree itself is known to who asks, and left out where it is a subtree. */
	if (low)
		ret[n++] = (struct sz_audit_range){ low, high };
	reverse(ret, n);
	return n;
}

/* RFC 9162 section 2.1.3.2. */
bool sz_audit_inclusion_ok(const u8 leaf[SZ_AUDIT_HASH_LEN], u64 index, u64 size,
			   const u8 (*path)[SZ_AUDIT_HASH_LEN], size_t n,
			   const u8 root[SZ_AUDIT_HASH_LEN])
{
	u64 fn = index, sn = size - 1;
	u8 r[SZ_AUDIT_HASH_LEN];
	size_t i;

	if (index >= size)
		return false;
	memcpy(r, leaf, sizeof(r));
	for (i = 0; i < n; i++) {
		if (!sn)
			return false;
		if (fn & 1 || fn == sn) {
			join(path[i], r, r);
			while (!(fn & 1) && fn) {
				fn >>= 1;
				sn >>= 1;
			}
		} else {
			join(r, path[i], r);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return !sn && !memcmp(r, root, sizeof(r));
}

/* RFC 9162 section 2.1.4.2. */
bool sz_audit_consistency_ok(u64 from, const u8 old_root[SZ_AUDIT_HASH_LEN], u64 to,
			     const u8 new_root[SZ_AUDIT_HASH_LEN],
			     const u8 (*path)[SZ_AUDIT_HASH_LEN], size_t n)
{
	u8 fr[SZ_AUDIT_HASH_LEN], sr[SZ_AUDIT_HASH_LEN];
	u64 fn = from - 1, sn = to - 1;
	size_t i = 0;

	if (!from || from > to)
		return false;
	if (from == to)
		return !n && !memcmp(old_root, new_root, SZ_AUDIT_HASH_LEN);
	while (fn & 1) {
		fn >>= 1;
		sn >>= 1;
	}
	/* fn is 0 now where the old tree is a subtree: the proof then begins with its root. */
	if (fn && !n)
		return false;
	memcpy(fr, fn ? path[i++] : old_root, sizeof(fr));
	memcpy(sr, fr, sizeof(sr));
	for (; i < n; i++) {
		if (!sn)
			return false;
		if (fn & 1 || fn == sn) {
			join(path[i], fr, fr);
			join(path[i], sr, sr);
			while (!(fn & 1) && fn) {
				fn >>= 1;
				sn >>= 1;
			}
		} else {
			join(sr, path[i], sr);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return !sn && !memcmp(fr, old_root, sizeof(fr)) && !memcmp(sr, new_root, sizeof(sr));
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The Merkle tree of the audit log: RFC 6962's known answers, every proof of every tree up to 64
 * leaves, and that no proof holds for anything else.
 */
#include "harness.h"

#include "audit/audit_priv.h"
#include "codec/codec.h"
#include "hash/hash.h"

#define MAX 64

typedef u8 hash_t[SZ_AUDIT_HASH_LEN];

static hash_t leaves[MAX];

static void make_leaves(void)
{
	char text[16];

	for (int i = 0; i < MAX; i++) {
		int n = snprintf(text, sizeof(text), "record %d", i);

		sz_audit_tree_leaf(text, (size_t)n, leaves[i]);
	}
}

/* MTH(D[from:to]) as the RFC writes it down; shares nothing with the tree under test. */
static void mth(u64 from, u64 to, hash_t ret)
{
	u8 node[1 + 2 * SZ_AUDIT_HASH_LEN] = { 1 };
	u64 k = 1;

	if (to - from == 1) {
		memcpy(ret, leaves[from], SZ_AUDIT_HASH_LEN);
		return;
	}
	while (2 * k < to - from)
		k *= 2;
	mth(from, from + k, node + 1);
	mth(from + k, to, node + 1 + SZ_AUDIT_HASH_LEN);
	sz_sha256(node, sizeof(node), NULL, 0, ret);
}

static void tree_of(u64 n, struct sz_audit_tree *t)
{
	*t = (struct sz_audit_tree){ 0 };
	for (u64 i = 0; i < n; i++)
		sz_audit_tree_push(t, leaves[i]);
}

static unsigned proof(const struct sz_audit_range *r, unsigned n, hash_t *path)
{
	for (unsigned i = 0; i < n; i++)
		mth(r[i].from, r[i].to, path[i]);
	return n;
}

TEST(sha256_is_that_of_fips_180_4)
{
	hash_t h;
	char hex[65];

	sz_sha256("abc", 3, NULL, 0, h);
	sz_hex_encode(h, sizeof(h), hex);
	EXPECT_STREQ(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	sz_sha256("a", 1, "bc", 2, h);
	sz_hex_encode(h, sizeof(h), hex);
	EXPECT_STREQ(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* The trees that the log servers of Certificate Transparency are tested with. */
TEST(roots_are_the_known_answers_of_certificate_transparency)
{
	static const struct {
		const char *leaf, *root;
	} known[] = {
		{ NULL, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d" },
		{ "00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125" },
		{ "10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77" },
		{ "2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7" },
		{ "3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4" },
		{ "40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef" },
		{ "5051525354555657",
		  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c" },
		{ "606162636465666768696a6b6c6d6e6f",
		  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328" },
	};
	struct sz_audit_tree t = { 0 };
	u8 bytes[16];
	char hex[65];
	hash_t h;

	for (size_t i = 0; i < SZ_ARRAY_LEN(known); i++) {
		size_t n = known[i].leaf ? strlen(known[i].leaf) : 0;

		if (known[i].leaf) {
			ASSERT_EQ(sz_hex_decode(known[i].leaf, n, bytes), 0);
			sz_audit_tree_leaf(bytes, n / 2, h);
			sz_audit_tree_push(&t, h);
		}
		sz_audit_tree_root(&t, h);
		sz_hex_encode(h, sizeof(h), hex);
		EXPECT_STREQ(hex, known[i].root);
	}
}

TEST(the_growing_tree_has_the_root_of_the_definition_at_every_size)
{
	struct sz_audit_tree t = { 0 };
	hash_t a, b;

	make_leaves();
	for (u64 n = 1; n <= MAX; n++) {
		sz_audit_tree_push(&t, leaves[n - 1]);
		sz_audit_tree_root(&t, a);
		mth(0, n, b);
		EXPECT_MEMEQ(a, b, sizeof(a));
		EXPECT_EQ(t.size, n);
	}
}

TEST(every_inclusion_proof_holds_for_its_record_and_place_alone)
{
	struct sz_audit_range r[SZ_AUDIT_PROOF_MAX];
	hash_t path[SZ_AUDIT_PROOF_MAX], root;
	unsigned n, wrong = 0, tried = 0;

	make_leaves();
	for (u64 size = 1; size <= MAX; size++) {
		mth(0, size, root);
		for (u64 i = 0; i < size; i++) {
			n = proof(r, sz_audit_inclusion(i, size, r), path);
			EXPECT_TRUE(sz_audit_inclusion_ok(leaves[i], i, size,
							  (const u8(*)[32])path, n, root));
			/* Another leaf, another place, another root, a shorter or longer path. */
			for (u64 k = 0; k < size; k++) {
				if (k == i)
					continue;
				tried += 2;
				wrong += sz_audit_inclusion_ok(leaves[k], i, size,
							       (const u8(*)[32])path, n, root);
				wrong += sz_audit_inclusion_ok(leaves[i], k, size,
							       (const u8(*)[32])path, n, root);
			}
			if (n)
				wrong += sz_audit_inclusion_ok(leaves[i], i, size,
							       (const u8(*)[32])path, n - 1, root);
			wrong += sz_audit_inclusion_ok(leaves[i], i, size, (const u8(*)[32])path,
						       n + 1, root);
			wrong += sz_audit_inclusion_ok(leaves[i], size, size,
						       (const u8(*)[32])path, n, root);
			root[i % 32] ^= 1;
			wrong += sz_audit_inclusion_ok(leaves[i], i, size, (const u8(*)[32])path, n,
						       root);
			root[i % 32] ^= 1;
			for (unsigned k = 0; k < n; k++) {
				path[k][i % 32] ^= 0x80;
				wrong += sz_audit_inclusion_ok(leaves[i], i, size,
							       (const u8(*)[32])path, n, root);
				path[k][i % 32] ^= 0x80;
			}
		}
	}
	EXPECT_EQ(wrong, 0);
	EXPECT_TRUE(tried > 100000);
}

TEST(every_consistency_proof_holds_for_its_two_trees_alone)
{
	struct sz_audit_range r[SZ_AUDIT_PROOF_MAX];
	hash_t path[SZ_AUDIT_PROOF_MAX], old, new, other;
	unsigned n, wrong = 0;

	make_leaves();
	for (u64 to = 1; to <= MAX; to++) {
		mth(0, to, new);
		for (u64 from = 1; from <= to; from++) {
			mth(0, from, old);
			n = proof(r, sz_audit_consistency(from, to, r), path);
			EXPECT_TRUE(sz_audit_consistency_ok(from, old, to, new,
							    (const u8(*)[32])path, n));
			memcpy(other, old, sizeof(other));
			other[from % 32] ^= 1;
			wrong += sz_audit_consistency_ok(from, other, to, new,
							 (const u8(*)[32])path, n);
			memcpy(other, new, sizeof(other));
			other[to % 32] ^= 1;
			wrong += sz_audit_consistency_ok(from, old, to, other,
							 (const u8(*)[32])path, n);
			if (n)
				wrong += sz_audit_consistency_ok(from, old, to, new,
								 (const u8(*)[32])path, n - 1);
			wrong += sz_audit_consistency_ok(from, old, to, new,
							 (const u8(*)[32])path, n + 1);
			wrong += sz_audit_consistency_ok(to + 1, old, to, new,
							 (const u8(*)[32])path, n);
			wrong += sz_audit_consistency_ok(0, old, to, new, (const u8(*)[32])path, n);
			for (unsigned k = 0; k < n; k++) {
				path[k][to % 32] ^= 4;
				wrong += sz_audit_consistency_ok(from, old, to, new,
								 (const u8(*)[32])path, n);
				path[k][to % 32] ^= 4;
			}
		}
	}
	EXPECT_EQ(wrong, 0);
}

TEST(proofs_are_no_longer_than_the_tree_is_high)
{
	struct sz_audit_range r[SZ_AUDIT_PROOF_MAX];
	u64 sizes[] = { 1, 2, 3, 1000000007, 1ull << 40, (1ull << 62) + 1, INT64_MAX };

	for (size_t i = 0; i < SZ_ARRAY_LEN(sizes); i++) {
		EXPECT_TRUE(sz_audit_inclusion(0, sizes[i], r) <= 64);
		EXPECT_TRUE(sz_audit_inclusion(sizes[i] - 1, sizes[i], r) <= 64);
		EXPECT_TRUE(sz_audit_inclusion(sizes[i] / 2, sizes[i], r) <= 64);
		for (u64 from = 1; from < sizes[i] && from; from = from * 5 + 1)
			EXPECT_TRUE(sz_audit_consistency(from, sizes[i], r) <= SZ_AUDIT_PROOF_MAX);
	}
	EXPECT_EQ(sz_audit_consistency(7, 7, r), 0);
}

/* A segment's first record carries the tree; it must come back as it was. */
TEST(the_right_edge_is_read_back_from_a_segment_record)
{
	static const u8 zeros[SZ_AUDIT_HASH_LEN];
	struct sz_audit_clock clock = { .second = UINT64_MAX };
	struct sz_audit_record rec = { .type = SZ_AUDIT_SEGMENT, .count = 2 };
	struct sz_audit_tree t, back;
	struct sz_audit_syntax bad;
	struct sz_audit_line l;
	u8 h[SZ_AUDIT_HASH_LEN];

	make_leaves();
	for (u64 n = 1; n <= MAX; n++) {
		struct sz_buf b = { 0 };

		tree_of(n, &t);
		sz_audit_format(&b, &clock, n + 1, &rec, zeros, &t);
		sz_audit_hash(zeros, b.data, b.len, h);
		sz_audit_seal(&b, h);
		ASSERT_EQ(sz_audit_parse(b.data, b.len - 1, &l, &bad), 0);
		EXPECT_TRUE(sz_audit_tree_read(&l, &back));
		EXPECT_TRUE(sz_audit_tree_same(&t, &back));
		back.node[__builtin_ctzll(n)][0] ^= 1;
		EXPECT_TRUE(!sz_audit_tree_same(&t, &back));
		l.seq++;
		EXPECT_EQ(sz_audit_tree_read(&l, &back),
			  __builtin_popcountll(n) == __builtin_popcountll(n + 1));
		sz_buf_done(&b);
	}
}

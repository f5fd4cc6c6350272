/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keys, signed notes and checkpoints of the audit log: the known answers of the specification and
 * of its first implementation, byte for byte, and everything that only looks like them.
 */
#include "harness.h"

#include "audit/audit_priv.h"

#define DASH "\xe2\x80\x94 "

/* C2SP signed-note, and the documentation of Go's sumdb/note. */
static const char spec_key[] =
	"example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
static const char go_secret[] =
	"PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
static const char go_key[] = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
static const char go_text[] = "If you think cryptography is the answer to your problem,\n"
			      "then you don't know what your problem is.\n";
static const char go_line[] =
	DASH "PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqd"
	     "ngotpRZb6KE6RyyBwJnAM=\n";

TEST(a_note_is_signed_as_the_reference_signs_it)
{
	struct sz_audit_skey k;
	struct sz_error e;
	struct sz_buf b = { 0 }, want = { 0 };

	ASSERT_EQ(sz_audit_skey_parse(go_secret, strlen(go_secret), &k, &e), 0);
	sz_audit_note_sign(&k, go_text, strlen(go_text), &b);
	sz_buf_printf(&want, "%s\n%s", go_text, go_line);
	EXPECT_STREQ(b.data, want.data);
	sz_buf_reset(&b);
	sz_audit_vkey_format(&k.vkey, &b);
	EXPECT_STREQ(b.data, go_key);
	sz_buf_reset(&b);
	sz_audit_skey_format(&k, &b);
	b.data[b.len - 1] = '\0'; /* its line end */
	EXPECT_STREQ(b.data, go_secret);
	sz_buf_done(&b);
	sz_buf_done(&want);
	sz_audit_skey_done(&k);
}

TEST(the_specifications_key_is_read_and_written_back)
{
	struct sz_audit_vkey k;
	struct sz_error e;
	struct sz_buf b = { 0 };

	ASSERT_EQ(sz_audit_vkey_parse(spec_key, strlen(spec_key), &k, &e), 0);
	EXPECT_STREQ(k.name, "example.com/foo");
	sz_audit_vkey_format(&k, &b);
	EXPECT_STREQ(b.data, spec_key);
	sz_buf_done(&b);
}

TEST(a_key_with_any_other_byte_or_length_is_refused)
{
	struct sz_audit_vkey k;
	struct sz_audit_skey s;
	struct sz_error e;
	char text[sizeof(go_secret)];
	int missed = 0;

	for (size_t i = 0; i < strlen(go_key); i++) {
		strcpy(text, go_key);
		text[i] ^= 1;
		missed += !sz_audit_vkey_parse(text, strlen(text), &k, &e);
		missed += !sz_audit_vkey_parse(go_key, i, &k, &e);
	}
	for (size_t i = 0; i < strlen(go_secret); i++) {
		strcpy(text, go_secret);
		text[i] ^= 1;
		missed += !sz_audit_skey_parse(text, strlen(text), &s, &e);
		missed += !sz_audit_skey_parse(go_secret, i, &s, &e);
	}
	EXPECT_EQ(missed, 0);
	EXPECT_EQ(sz_audit_vkey_parse("", 0, &k, &e), -EINVAL);
	/* An algorithm that is not Ed25519, with a hash that fits. */
	EXPECT_EQ(sz_audit_vkey_parse("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/"
				      "LDE4izWy10TW", 66, &k, &e), -EINVAL);
}

static void sign(const struct sz_audit_skey *k, u64 size, struct sz_buf *b)
{
	u8 root[SZ_AUDIT_HASH_LEN];

	memset(root, (int)size, sizeof(root));
	sz_audit_checkpoint_sign(k, size, root, b);
}

TEST(a_checkpoint_has_the_form_of_the_specification)
{
	struct sz_audit_checkpoint c;
	struct sz_audit_skey k;
	struct sz_error e;
	struct sz_buf b = { 0 };

	ASSERT_EQ(sz_audit_skey_parse(go_secret, strlen(go_secret), &k, &e), 0);
	sign(&k, 20852163, &b);
	EXPECT_CONTAINS(b.data,
			"PeterNeumann\n20852163\nw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8M="
			"\n\n" DASH "PeterNeumann x08go");
	EXPECT_EQ(sz_audit_checkpoint_parse(b.data, b.len, &c), b.len);
	EXPECT_STREQ(c.origin, "PeterNeumann");
	EXPECT_EQ(c.size, 20852163);
	EXPECT_EQ(c.root[31], 0xc3);
	EXPECT_TRUE(sz_audit_checkpoint_ok(&c, &k.vkey));
	/* A witness has signed as well, in a way that is not known here. */
	sz_buf_printf(&b, DASH "witness.example/w AAAA\n");
	EXPECT_EQ(sz_audit_checkpoint_parse(b.data, b.len, &c), b.len);
	EXPECT_TRUE(sz_audit_checkpoint_ok(&c, &k.vkey));
	sz_buf_done(&b);
	sz_audit_skey_done(&k);
}

TEST(every_byte_of_a_checkpoint_counts)
{
	struct sz_audit_checkpoint c;
	struct sz_audit_skey k;
	struct sz_error e;
	struct sz_buf b = { 0 };
	int passed = 0;

	ASSERT_EQ(sz_audit_skey_parse(go_secret, strlen(go_secret), &k, &e), 0);
	sign(&k, 300, &b);
	for (size_t i = 0; i < b.len; i++) {
		for (unsigned v = 0; v < 256; v++) {
			char was = b.data[i];

			if (was == (char)v)
				continue;
			b.data[i] = (char)v;
			passed += sz_audit_checkpoint_parse(b.data, b.len, &c) == (ssize_t)b.len &&
				  sz_audit_checkpoint_ok(&c, &k.vkey);
			b.data[i] = was;
		}
		EXPECT_EQ(sz_audit_checkpoint_parse(b.data, i, &c), -ENODATA);
	}
	EXPECT_EQ(passed, 0);
	EXPECT_EQ(sz_audit_checkpoint_parse(b.data, b.len, &c), b.len);
	sz_buf_done(&b);
	sz_audit_skey_done(&k);
}

TEST(what_only_looks_like_a_checkpoint_is_none)
{
	static const char *const bad[] = {
		"a b\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n" DASH "a AAAA\n",
		"a\n01\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n" DASH "a AAAA\n",
		"a\n-1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n" DASH "a AAAA\n",
		"a\n18446744073709551616\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n" DASH
		"a AAAA\n",
		"a\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n\n" DASH "a AAAA\n",
		"a\n1\nAAAA\n\n" DASH "a AAAA\n",
		"a\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nmore\n\n" DASH "a AAAA\n",
		"a\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nnot signed\n",
	};
	struct sz_audit_checkpoint c;

	for (size_t i = 0; i < SZ_ARRAY_LEN(bad); i++)
		EXPECT_EQ(sz_audit_checkpoint_parse(bad[i], strlen(bad[i]), &c), -EBADMSG);
}

TEST(another_key_of_the_same_name_and_the_same_key_of_another_name_do_not_do)
{
	struct sz_audit_checkpoint c;
	struct sz_audit_skey a, b, renamed;
	struct sz_buf n = { 0 };

	sz_audit_skey_generate("log.example/a", &a);
	sz_audit_skey_generate("log.example/a", &b);
	renamed = a;
	strcpy(renamed.vkey.name, "log.example/b");
	sign(&a, 9, &n);
	ASSERT_TRUE(sz_audit_checkpoint_parse(n.data, n.len, &c) > 0);
	EXPECT_TRUE(sz_audit_checkpoint_ok(&c, &a.vkey));
	EXPECT_TRUE(!sz_audit_checkpoint_ok(&c, &b.vkey));
	EXPECT_TRUE(!sz_audit_checkpoint_ok(&c, &renamed.vkey));
	EXPECT_TRUE(sz_audit_vkey_same(&a.vkey, &a.vkey) && !sz_audit_vkey_same(&a.vkey, &b.vkey));
	sz_buf_done(&n);
}

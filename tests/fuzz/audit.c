/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The audit verifier and formatter on any bytes. The first byte chooses: the rest is a segment as
 * it is; lines that are given right hashes, so that what they say is reached; an attacker's path
 * and claims, whose record must verify and be JSON; or a checkpoint, or a key, which must be
 * written back as it was read.
 */
#include <assert.h>
#include <jansson.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "audit/audit_priv.h"

static const u8 zeros[SZ_AUDIT_HASH_LEN];

/* `number` 2: a log whose first segment was removed. */
static void check(const char *p, size_t n, u32 number, bool must_fit)
{
	static int fd = -1;
	struct sz_audit_report r = { 0 };
	struct sz_audit_state s = { .segment = number, .next_seq = 1 };
	struct sz_audit_check c = { .path = "segment", .segment = number, .newest = true,
				    .next_seq = 1, .report = &r };
	struct sz_error e;
	int err;

	if (fd < 0)
		fd = memfd_create("audit", MFD_CLOEXEC);
	if (ftruncate(fd, 0) || pwrite(fd, p, n, 0) != (ssize_t)n || lseek(fd, 0, SEEK_SET))
		abort();
	err = sz_audit_check_segment(&c, fd, &e);
	assert(!err || !must_fit);
	if (err)
		return;
	/* What the verifier calls sound, the daemon must be able to continue. */
	assert(!sz_audit_scan_segment(fd, "segment", &s, &e));
	assert(s.next_seq == r.last_seq + 1 && s.torn_bytes == r.torn_bytes);
	assert(s.size + s.torn_bytes == n);
	assert(!memcmp(s.last, r.last, sizeof(s.last)));
}

static void check_sealed(const char *p, size_t n, u32 number)
{
	struct sz_buf b = { 0 };
	u8 last[SZ_AUDIT_HASH_LEN] = { 0 };
	const char *end = p + n, *nl;

	for (; (nl = memchr(p, '\n', (size_t)(end - p))); p = nl + 1) {
		sz_audit_hash(last, p, (size_t)(nl - p), last);
		sz_buf_add(&b, p, (size_t)(nl - p));
		sz_audit_seal(&b, last);
	}
	sz_buf_add(&b, p, (size_t)(end - p));
	check(b.data, b.len, number, false);
	sz_buf_done(&b);
}

static void check_record(const char *p, size_t n)
{
	struct sz_audit *a = sz_audit_new(1, zeros);
	struct sz_buf b = { 0 };
	char *text = sz_strndup(p, n);
	const char *second;
	json_t *j;

	sz_audit_add(a, &(struct sz_audit_record){ .type = SZ_AUDIT_SEGMENT, .count = 1 });
	sz_audit_add(a, &(struct sz_audit_record){
		.type = SZ_AUDIT_DECISION, .path = p, .path_len = n, .subject = text,
		.kid = text, .detail = text, .wall_ns = n * 0x9e3779b97f4a7c15 });
	sz_audit_take(a, &b);
	check(b.data, b.len, 1, true);
	second = memchr(b.data, '\n', b.len);
	j = json_loads(second + 1, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	assert(j);
	json_decref(j);
	free(text);
	sz_buf_done(&b);
	sz_audit_free(a);
}

static void check_note(const char *p, size_t n)
{
	static struct sz_audit_skey k;
	struct sz_audit_checkpoint c, again;
	struct sz_audit_change change;
	struct sz_audit_vkey key;
	struct sz_buf b = { 0 };
	struct sz_error e;
	ssize_t used = sz_audit_checkpoint_parse(p, n, &c);

	if (!k.vkey.name[0])
		sz_audit_skey_generate("fuzz.test/a", &k);
	if (used > 0) {
		assert((size_t)used <= n && c.text == p);
		assert(c.text_len + 1 + c.signatures_len == (size_t)used);
		assert(!sz_audit_checkpoint_ok(&c, &k.vkey));
		strcpy(k.vkey.name, c.origin);
		sz_audit_checkpoint_sign(&k, c.size, c.root, &b);
		assert(sz_audit_checkpoint_parse(b.data, b.len, &again) == (ssize_t)b.len);
		assert(again.text_len == c.text_len && !memcmp(again.text, p, c.text_len));
		sz_buf_reset(&b);
	}
	/* Nobody signs what a fuzzer makes up; that it is read at all is enough. */
	used = sz_audit_change_read(p, n, &change);
	assert(used == -EBADMSG || (used > 0 && (size_t)used <= n));
	if (!sz_audit_vkey_parse(p, n, &key, &e)) {
		sz_audit_vkey_format(&key, &b);
		assert(b.len == n && !memcmp(b.data, p, n));
	}
	sz_buf_done(&b);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	const char *p = (const char *)data + 1;
	u32 number;

	sz_audit_hash_init();
	if (!size)
		return 0;
	number = data[0] & 4 ? 2 : 1;
	switch (data[0] % 4) {
	case 0:
		check(p, size - 1, number, false);
		break;
	case 1:
		check_sealed(p, size - 1, number);
		break;
	case 2:
		check_record(p, size - 1);
		break;
	case 3:
		check_note(p, size - 1);
		break;
	}
	return 0;
}

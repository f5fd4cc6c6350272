/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Changes of the key as notes of their own, each signed by the key that went: so that whoever kept
 * one key can follow it to the next where retention has removed the records that announced it.
 * Written by the daemon, read by the verifier. A note that its old key did not sign says nothing.
 */
#include "audit/audit_priv.h"

#include <stdio.h>
#include <string.h>

/* The space keeps it apart from any checkpoint's origin. */
static const char what[] = " key change";

void sz_audit_changes_path(const char *dir, char *ret, size_t n)
{
	snprintf(ret, n, "%s/key-changes", dir);
}

void sz_audit_change_sign(const struct sz_audit_skey *old, const struct sz_audit_vkey *new,
			  u64 seq, struct sz_buf *ret)
{
	struct sz_buf text = {0};

	sz_buf_printf(&text, "%s%s\n%llu\n", old->vkey.name, what, (unsigned long long)seq);
	sz_audit_vkey_format(&old->vkey, &text);
	sz_buf_add(&text, "\n", 1);
	sz_audit_vkey_format(new, &text);
	sz_buf_add(&text, "\n", 1);
	sz_audit_note_sign(old, text.data, text.len, ret);
	sz_buf_done(&text);
}

static bool read_title(const char *s, size_t n, const struct sz_audit_vkey *old)
{
	size_t name = strlen(old->name);

	return n == name + sizeof(what) - 1 && !memcmp(s, old->name, name) &&
	       !memcmp(s + name, what, sizeof(what) - 1);
}

ssize_t sz_audit_change_read(const char *p, size_t n, struct sz_audit_change *ret)
{
	const char *end = p + n, *next = p, *line[5];
	struct sz_audit_note note = {.text = p};
	struct sz_error why;
	size_t len[5], i;

	for (i = 0; i < SZ_ARRAY_LEN(line); i++) {
		line[i] = sz_audit_note_line(&next, end, &len[i]);
		if (!line[i])
			return -EBADMSG;
		if (i == 3)
			note.text_len = (size_t)(next - p);
	}
	if (len[4] || !sz_audit_note_number(line[1], len[1], &ret->seq) ||
	    sz_audit_vkey_parse(line[2], len[2], &ret->old, &why) ||
	    sz_audit_vkey_parse(line[3], len[3], &ret->new, &why) ||
	    !read_title(line[0], len[0], &ret->old))
		return -EBADMSG;
	note.signatures = next;
	next = sz_audit_note_skip(next, end);
	if (!next)
		return -EBADMSG;
	note.signatures_len = (size_t)(next - note.signatures);
	return sz_audit_note_ok(&note, &ret->old) ? next - p : -EBADMSG;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The signed tree heads of a log against the tree that its records give, while the verifier reads
 * them: every checkpoint must fit, be signed by a key that the log announced in time, and none may
 * speak of records that are not there.
 */
#include "audit/audit_priv.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KEYS_MAX (1u << 20) /* bytes of the list of keys, and of their changes */

struct key {
	struct sz_audit_vkey vkey;
	u64 seq; /* of the record that announced it; 0: that was removed, only `changes` tell */
};

struct sz_audit_signed {
	struct sz_audit_notes notes;
	bool waiting; /* notes.now is still to come */
	const struct sz_audit_trust *trust;
	struct key *keys;
	size_t n_keys;
	size_t current;   /* in keys; who signed last, where signed_size is not 0 */
	u64 signed_size;  /* of the last checkpoint */
	u64 n_signers;
	struct sz_audit_change *changes; /* where the log's beginning was removed */
	size_t n_changes;
	u64 removed; /* so many records of it */
	bool trusted, through; /* the key asked for has signed; the checkpoint asked for fits */
};

static int misfit(const struct sz_audit_signed *s, const char *what, struct sz_error *e)
{
	return sz_error_set(e, -EBADMSG,
			    "%s: checkpoint %llu, of the first %llu records: %s; records 1 to %llu "
			    "fit the checkpoints before it; keep the files as they are and compare "
			    "them with a backup",
			    s->notes.path, (unsigned long long)s->notes.number,
			    (unsigned long long)s->notes.now.size, what,
			    (unsigned long long)s->signed_size);
}

static int advance(struct sz_audit_signed *s, struct sz_error *e)
{
	int r = sz_audit_notes_next(&s->notes, e);

	s->waiting = r > 0;
	return r < 0 ? r : 0;
}

int sz_audit_signed_open(const char *dir, const struct sz_audit_trust *trust,
			 struct sz_audit_signed **ret, struct sz_error *e)
{
	struct sz_audit_signed *s = sz_calloc(1, sizeof(*s));
	int err;

	s->trust = trust;
	err = sz_audit_notes_open(dir, &s->notes, e);
	if (!err)
		err = advance(s, e);
	*ret = s;
	return err;
}

void sz_audit_signed_free(struct sz_audit_signed *s)
{
	if (!s)
		return;
	sz_audit_notes_done(&s->notes);
	free(s->keys);
	free(s->changes);
	free(s);
}

int sz_audit_signed_key(struct sz_audit_signed *s, const struct sz_audit_line *l,
			struct sz_error *e)
{
	struct sz_audit_vkey k;
	struct sz_error why;
	size_t i;

	if (sz_audit_vkey_parse(l->detail ? l->detail : "", l->detail_len, &k, &why))
		return sz_error_set(e, -EBADMSG, "record %llu announces a key, but holds %s",
				    (unsigned long long)l->seq, why.msg);
	for (i = 0; i < s->n_keys; i++)
		if (sz_audit_vkey_same(&s->keys[i].vkey, &k)) {
			if (!s->keys[i].seq)
				s->keys[i].seq = l->seq;
			return 0;
		}
	s->keys = sz_realloc(s->keys, s->n_keys + 1, sizeof(*s->keys));
	s->keys[s->n_keys++] = (struct key){ .vkey = k, .seq = l->seq };
	return 0;
}

/* ---- behind what retention removed ---------------------------------------------------------- */

static void add_key(struct sz_audit_signed *s, const struct sz_audit_vkey *k)
{
	size_t i;

	for (i = 0; i < s->n_keys; i++)
		if (sz_audit_vkey_same(&s->keys[i].vkey, k))
			return;
	s->keys = sz_realloc(s->keys, s->n_keys + 1, sizeof(*s->keys));
	s->keys[s->n_keys++] = (struct key){ .vkey = *k };
}

/* Has each key from `a` to `b` signed the one behind it? Later notes only come from later keys. */
static bool follows(const struct sz_audit_signed *s, const struct sz_audit_vkey *a,
		    const struct sz_audit_vkey *b)
{
	const struct sz_audit_vkey *at = b;
	size_t i;

	for (i = s->n_changes; !sz_audit_vkey_same(at, a); i--) {
		while (i && !sz_audit_vkey_same(&s->changes[i - 1].new, at))
			i--;
		if (!i)
			return false;
		at = &s->changes[i - 1].old;
	}
	return true;
}

static int read_changes(struct sz_audit_signed *s, const char *dir, struct sz_error *e)
{
	struct sz_audit_change c;
	struct sz_buf text = {0};
	char path[4096];
	size_t at = 0;
	ssize_t n;
	int err = 0;

	sz_audit_changes_path(dir, path, sizeof(path));
	if (!access(path, F_OK))
		err = sz_file_read(path, KEYS_MAX, &text, e);
	while (!err && at < text.len) {
		n = sz_audit_change_read(text.data + at, text.len - at, &c);
		if (n < 0) {
			err = sz_error_set(e, -EBADMSG,
					   "%s: change %zu is not signed by the key before it, or "
					   "was changed; compare the file with a backup", path,
					   s->n_changes + 1);
			break;
		}
		s->changes = sz_realloc(s->changes, s->n_changes + 1, sizeof(*s->changes));
		s->changes[s->n_changes++] = c;
		add_key(s, &c.old);
		add_key(s, &c.new);
		at += (size_t)n;
	}
	sz_buf_done(&text);
	return err;
}

/* The list names the keys; what one of them is worth the checkpoints and changes tell. */
static int read_list(struct sz_audit_signed *s, const char *dir, struct sz_error *e)
{
	struct sz_audit_vkey k;
	struct sz_buf text = {0};
	struct sz_error why;
	char path[4096];
	const char *p, *end, *line;
	size_t n;
	int err = 0;

	snprintf(path, sizeof(path), "%s/keys", dir);
	if (!access(path, F_OK))
		err = sz_file_read(path, KEYS_MAX, &text, e);
	p = text.len ? text.data : "";
	for (end = p + text.len; !err && (line = sz_audit_note_line(&p, end, &n));)
		if (!sz_audit_vkey_parse(line, strcspn(line, " \n"), &k, &why))
			add_key(s, &k);
	sz_buf_done(&text);
	return err;
}

int sz_audit_signed_removed(struct sz_audit_signed *s, const char *dir,
			    const struct sz_audit_tree *t, struct sz_error *e)
{
	int err = read_changes(s, dir, e);

	if (!err)
		err = read_list(s, dir, e);
	s->removed = t->size;
	/* What covers less than the beginning cannot be compared with records any more. */
	while (!err && s->waiting && s->notes.now.size < t->size)
		err = advance(s, e);
	return err ? err : sz_audit_signed_grown(s, t, e);
}

/* Which key has signed this checkpoint, and may it? */
static int check_signer(struct sz_audit_signed *s, struct sz_error *e)
{
	size_t i = s->signed_size ? s->current : 0;
	const struct sz_audit_vkey *before = s->signed_size ? &s->keys[s->current].vkey : NULL;
	const struct sz_audit_vkey *asked = s->trust ? s->trust->key : NULL;

	while (i < s->n_keys && !sz_audit_checkpoint_ok(&s->notes.now, &s->keys[i].vkey))
		i++;
	if (i == s->n_keys)
		return misfit(s, "not signed by a key that the log announced before, or changed",
			      e);
	if (before && i != s->current &&
	    (s->keys[i].seq ? s->keys[i].seq > s->signed_size
			    : !follows(s, before, &s->keys[i].vkey)))
		return misfit(s, "signed by a new key that the key before it never vouched for", e);
	if (!before || i != s->current)
		s->n_signers++;
	s->current = i;
	/* One that signed what is gone has signed who followed it. */
	if (asked && (sz_audit_vkey_same(asked, &s->keys[i].vkey) ||
		      (!before && follows(s, asked, &s->keys[i].vkey))))
		s->trusted = true;
	return 0;
}

static int check_outside(struct sz_audit_signed *s, const u8 root[SZ_AUDIT_HASH_LEN],
			 struct sz_error *e)
{
	const struct sz_audit_checkpoint *c = s->trust->checkpoint;

	if (memcmp(root, c->root, SZ_AUDIT_HASH_LEN))
		return sz_error_set(e, -EBADMSG,
				    "the first %llu records are not those of the checkpoint that "
				    "was given: the log was rewritten, or is another one",
				    (unsigned long long)c->size);
	s->through = true;
	return 0;
}

int sz_audit_signed_grown(struct sz_audit_signed *s, const struct sz_audit_tree *t,
			  struct sz_error *e)
{
	bool here = s->waiting && s->notes.now.size == t->size;
	bool outside = s->trust && s->trust->checkpoint && s->trust->checkpoint->size == t->size;
	u8 root[SZ_AUDIT_HASH_LEN];
	int err = 0;

	if (!here && !outside)
		return 0;
	sz_audit_tree_root(t, root);
	if (outside)
		err = check_outside(s, root, e);
	if (err || !here)
		return err;
	if (memcmp(root, s->notes.now.root, SZ_AUDIT_HASH_LEN))
		return misfit(s, "changed: these records have another root", e);
	err = check_signer(s, e);
	if (err)
		return err;
	s->signed_size = t->size;
	return advance(s, e);
}

/* The checkpoint from outside counts only if a key of this log has signed it. */
static int check_trust(const struct sz_audit_signed *s, struct sz_error *e)
{
	const struct sz_audit_trust *t = s->trust;
	size_t i = 0;

	if (t->key && !s->trusted)
		return sz_error_set(e, -EBADMSG,
				    "no checkpoint of this log is signed by the key of %s that was "
				    "given",
				    t->key->name);
	if (!t->checkpoint)
		return 0;
	if (!s->through && t->checkpoint->size < s->removed)
		return sz_error_set(e, -EBADMSG,
				    "the checkpoint that was given covers %llu records, and "
				    "retention removed the first %llu: it can be compared no more; "
				    "keep newer ones",
				    (unsigned long long)t->checkpoint->size,
				    (unsigned long long)s->removed);
	if (!s->through)
		return sz_error_set(e, -EBADMSG,
				    "missing: the log ends before the %llu records of the "
				    "checkpoint that was given",
				    (unsigned long long)t->checkpoint->size);
	while (i < s->n_keys && !sz_audit_checkpoint_ok(t->checkpoint, &s->keys[i].vkey))
		i++;
	if (i == s->n_keys)
		return sz_error_set(e, -EBADMSG,
				    "the checkpoint that was given is not signed by a key of this "
				    "log");
	return 0;
}

int sz_audit_signed_end(struct sz_audit_signed *s, const struct sz_audit_tree *t,
			struct sz_audit_report *ret, struct sz_error *e)
{
	int err = 0;

	if (s->waiting && s->notes.now.size > t->size)
		err = sz_error_set(e, -EBADMSG,
				   "%s: missing: checkpoint %llu covers %llu records, but the log "
				   "ends after %llu: its end was cut off; put the newer files back",
				   s->notes.path, (unsigned long long)s->notes.number,
				   (unsigned long long)s->notes.now.size,
				   (unsigned long long)t->size);
	if (!err && s->removed && !s->signed_size)
		err = sz_error_set(e, -EBADMSG,
				   "%s: missing: no checkpoint confirms what stood before record "
				   "%llu; put the file back", s->notes.path,
				   (unsigned long long)s->removed + 1);
	if (!err && s->trust)
		err = check_trust(s, e);
	ret->checkpoints = s->notes.number;
	ret->signed_seq = s->signed_size;
	ret->keys = s->n_signers;
	if (s->signed_size)
		ret->key = s->keys[s->current].vkey;
	ret->trusted = s->trusted;
	return err;
}

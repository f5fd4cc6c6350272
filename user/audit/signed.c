/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The signed tree heads of a log against the tree that its records give, while the verifier reads
 * them: every checkpoint must fit, be signed by a key that the log announced in time, and none may
 * speak of records that are not there.
 */
#include "audit/audit_priv.h"

#include <string.h>

struct key {
	struct sz_audit_vkey vkey;
	u64 seq; /* of the record that announced it */
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
		if (sz_audit_vkey_same(&s->keys[i].vkey, &k))
			return 0;
	s->keys = sz_realloc(s->keys, s->n_keys + 1, sizeof(*s->keys));
	s->keys[s->n_keys++] = (struct key){ .vkey = k, .seq = l->seq };
	return 0;
}

/* Which key has signed this checkpoint, and may it? */
static int check_signer(struct sz_audit_signed *s, struct sz_error *e)
{
	size_t i = s->signed_size ? s->current : 0;

	while (i < s->n_keys && !sz_audit_checkpoint_ok(&s->notes.now, &s->keys[i].vkey))
		i++;
	if (i == s->n_keys)
		return misfit(s, "not signed by a key that the log announced before, or changed",
			      e);
	if (s->signed_size && i != s->current && s->keys[i].seq > s->signed_size)
		return misfit(s, "signed by a new key that the key before it never vouched for", e);
	if (!s->signed_size || i != s->current)
		s->n_signers++;
	s->current = i;
	if (s->trust && s->trust->key && sz_audit_vkey_same(s->trust->key, &s->keys[i].vkey))
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

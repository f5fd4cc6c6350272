/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The log's signatures: the key in <state_dir>/audit.key, the checkpoints it signs, and the change
 * to another key. Called by the journal alone, in the loop. A checkpoint is written only when the
 * records it covers are on disk, and never over a log that lost some of them.
 */
#include "gateway/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KEYS_MAX (1u << 20) /* bytes of the list of keys */

struct sz_seal {
	struct sz_loop_ring *loop;
	char *dir, *key_path, *next_path;
	struct sz_audit_skey key, next;
	bool changing; /* `next` is announced and waits for the last checkpoint of `key` */
	int fd;
	u64 offset;        /* where the next checkpoint goes */
	u64 size;          /* records covered by the last one */
	u64 writing;       /* records covered by the one under way */
	struct sz_buf note; /* under way; must not move */
	void (*fn)(int res, void *arg);
	void *arg;
};

static char *path_of(const char *dir, const char *name)
{
	struct sz_buf b = {};

	sz_buf_printf(&b, "%s/%s", dir, name);
	return b.data;
}

static int write_key(const char *path, const struct sz_audit_skey *k, struct sz_error *e)
{
	struct sz_buf text = {};
	int r;

	sz_buf_reserve(&text, 256); /* so that no copy of the secret is left behind */
	sz_audit_skey_format(k, &text);
	r = sz_file_replace(path, text.data, text.len, 0600, e);
	explicit_bzero(text.data, text.len);
	sz_buf_done(&text);
	return r;
}

static int read_key(const char *path, struct sz_audit_skey *ret, struct sz_error *e)
{
	struct sz_error why = {};
	struct sz_buf text = {};
	int r = sz_file_read(path, 4096, &text, e);

	if (!r && sz_audit_skey_parse(text.data, text.len, ret, &why))
		r = sz_error_set(e, -EBADMSG, "%s: %s; put the right file back", path, why.msg);
	if (text.data)
		explicit_bzero(text.data, text.cap);
	sz_buf_done(&text);
	return r;
}

/* ---- the list of keys: VKEY FROM UNTIL, by records; the last one has "-" ----------------------
 */

/* The last line's key; -ENOENT without one. */
static int last_listed(struct sz_seal *s, struct sz_buf *text, struct sz_audit_vkey *ret)
{
	char *path = path_of(s->dir, "keys"), *line, *space;
	struct sz_error e = {};
	int r = sz_file_read(path, KEYS_MAX, text, &e);

	free(path);
	if (r || !text->len)
		return -ENOENT;
	line = text->len > 1 ? memrchr(text->data, '\n', text->len - 1) : NULL;
	line = line ? line + 1 : text->data;
	space = strchr(line, ' ');
	return space ? sz_audit_vkey_parse(line, (size_t)(space - line), ret, &e) : -ENOENT;
}

/* Ends the last line's key at `ended` records, and adds the one that follows. */
static int list_key(struct sz_seal *s, const struct sz_audit_vkey *k, u64 ended, struct sz_error *e)
{
	struct sz_audit_vkey last;
	struct sz_buf text = {};
	char *path;
	int r = last_listed(s, &text, &last);

	if (!r && sz_audit_vkey_same(&last, k)) {
		sz_buf_done(&text);
		return 0;
	}
	if (!r && text.len > 2 && !strcmp(text.data + text.len - 2, "-\n")) {
		text.len -= 2;
		sz_buf_printf(&text, "%llu\n", (unsigned long long)ended);
	}
	sz_audit_vkey_format(k, &text);
	sz_buf_printf(&text, " %llu -\n", (unsigned long long)ended + 1);
	path = path_of(s->dir, "keys");
	r = sz_file_replace(path, text.data, text.len, 0644, e);
	free(path);
	sz_buf_done(&text);
	return r;
}

/* ---- start ---------------------------------------------------------------------------------- */

static int make_key(struct sz_seal *s, const char *origin, struct sz_error *e)
{
	char host[HOST_NAME_MAX + 1] = "", name[SZ_AUDIT_NAME_MAX];

	gethostname(host, sizeof(host) - 1);
	snprintf(name, sizeof(name), "%s/subzero", host);
	if (origin)
		snprintf(name, sizeof(name), "%s", origin);
	if (!sz_audit_name_ok(name, strlen(name)))
		return sz_error_set(e, -EINVAL,
				    "\"%s\" cannot name the audit log; set audit.origin", name);
	sz_audit_skey_generate(name, &s->key);
	return write_key(s->key_path, &s->key, e);
}

/* A change of keys that a crash cut short: finished where the list has it, forgotten otherwise. */
static int finish_change(struct sz_seal *s, struct sz_error *e)
{
	struct sz_audit_vkey listed;
	struct sz_buf text = {};
	int r = 0;

	if (access(s->next_path, F_OK))
		return 0;
	if (!last_listed(s, &text, &listed) && !read_key(s->next_path, &s->next, e) &&
	    sz_audit_vkey_same(&s->next.vkey, &listed)) {
		if (rename(s->next_path, s->key_path))
			r = sz_error_set(e, -errno, "cannot rename %s to %s: %s", s->next_path,
					 s->key_path, strerror(errno));
	} else {
		unlink(s->next_path);
	}
	sz_audit_skey_done(&s->next);
	sz_buf_done(&text);
	return r;
}

/* The key must be the one that signed last, or the one that was listed to follow it. */
static int load_key(struct sz_seal *s, const struct sz_audit_checkpoint *last, const char *origin,
		    struct sz_error *e)
{
	struct sz_audit_vkey listed;
	struct sz_buf text = {};
	bool follows;
	int r = finish_change(s, e);

	if (r)
		return r;
	if (access(s->key_path, F_OK) && errno == ENOENT) {
		if (last->size)
			return sz_error_set(e, -ENOENT,
					    "%s is missing, but the audit log in %s is signed with "
					    "it; put it back, or move that folder away to begin a "
					    "new log",
					    s->key_path, s->dir);
		r = make_key(s, origin, e);
	} else {
		r = read_key(s->key_path, &s->key, e);
	}
	if (r || !last->size || sz_audit_checkpoint_ok(last, &s->key.vkey))
		return r;
	follows = !last_listed(s, &text, &listed) && sz_audit_vkey_same(&listed, &s->key.vkey);
	sz_buf_done(&text);
	return follows ? 0
		       : sz_error_set(e, -EBADMSG,
				      "%s is not the key that signed the audit log in %s; put the "
				      "right one back, or move that folder away to begin a new log",
				      s->key_path, s->dir);
}

/* The records that were signed must be there, and be the same. */
static int check_log(struct sz_seal *s, const struct sz_audit_state *st,
		     const struct sz_audit_checkpoint *last, struct sz_audit_tree *ret,
		     struct sz_error *e)
{
	u8 root[SZ_AUDIT_HASH_LEN];
	bool known;
	int r;

	if (last->size >= st->next_seq)
		return sz_error_set(e, -EBADMSG,
				    "%s: the last checkpoint covers %llu records, but the log ends "
				    "after %llu: its end was cut off; put the newer files back, or "
				    "move the folder away to begin a new log",
				    s->dir, (unsigned long long)last->size,
				    (unsigned long long)st->next_seq - 1);
	r = sz_audit_recover(s->dir, st, ret, last->size, root, &known, e);
	if (!r && known && memcmp(root, last->root, sizeof(root)))
		r = sz_error_set(
			e, -EBADMSG,
			"%s: the records are not those of the last checkpoint: the log was "
			"changed; run 'subzeroctl audit verify', then move the folder away "
			"to begin a new log",
			s->dir);
	return r;
}

static int open_file(struct sz_seal *s, struct sz_error *e)
{
	char *path = path_of(s->dir, "checkpoints");
	int r = 0;

	s->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	/* A torn note of a crash is cut off; what is whole stays. */
	if (s->fd < 0 || ftruncate(s->fd, (off_t)s->offset))
		r = sz_error_set(e, -errno, "cannot open %s: %s", path, strerror(errno));
	free(path);
	return r;
}

int sz_seal_open(struct sz_loop_ring *loop, const struct sz_conf *c,
		 const struct sz_audit_state *st, struct sz_audit_tree *ret_tree,
		 struct sz_seal **ret, struct sz_error *e)
{
	struct sz_seal *s = sz_calloc(1, sizeof(*s));
	struct sz_audit_checkpoint last;
	struct sz_buf text = {};
	int r;

	s->loop = loop;
	s->fd = -1;
	s->dir = sz_strdup(c->audit.dir);
	s->key_path = path_of(c->state_dir, "audit.key");
	s->next_path = path_of(c->state_dir, "audit.key.new");
	*ret = s;
	r = sz_audit_checkpoint_last(s->dir, &text, &last, &s->offset, e);
	if (!r)
		r = check_log(s, st, &last, ret_tree, e);
	if (!r)
		r = load_key(s, &last, c->audit.origin, e);
	if (!r)
		r = open_file(s, e);
	if (!r)
		r = list_key(s, &s->key.vkey, last.size, e);
	s->size = last.size;
	sz_buf_done(&text);
	return r;
}

void sz_seal_free(struct sz_seal *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	sz_audit_skey_done(&s->key);
	sz_audit_skey_done(&s->next);
	sz_buf_done(&s->note);
	free(s->dir);
	free(s->key_path);
	free(s->next_path);
	free(s);
}

u64 sz_seal_size(const struct sz_seal *s)
{
	return s->size;
}

const struct sz_audit_vkey *sz_seal_key(const struct sz_seal *s)
{
	return &s->key.vkey;
}

/* ---- checkpoints ---------------------------------------------------------------------------- */

static void written(int res, void *arg)
{
	struct sz_seal *s = arg;

	if (!res) {
		s->offset += s->note.len;
		s->size = s->writing;
	}
	s->fn(res, s->arg);
}

int sz_seal_write(struct sz_seal *s, u64 size, const u8 root[SZ_AUDIT_HASH_LEN],
		  void (*fn)(int res, void *arg), void *arg)
{
	sz_buf_reset(&s->note);
	sz_audit_checkpoint_sign(&s->key, size, root, &s->note);
	s->writing = size;
	s->fn = fn;
	s->arg = arg;
	return sz_net_append(s->loop, s->fd, s->note.data, s->note.len, s->offset, written, s);
}

/* ---- another key ---------------------------------------------------------------------------- */

int sz_seal_change(struct sz_seal *s, struct sz_error *e)
{
	int r;

	if (s->changing)
		return sz_error_set(e, -EBUSY, "the key is being changed already");
	sz_audit_skey_generate(s->key.vkey.name, &s->next);
	r = write_key(s->next_path, &s->next, e);
	if (r)
		sz_audit_skey_done(&s->next);
	s->changing = !r;
	return r;
}

const struct sz_audit_vkey *sz_seal_next(const struct sz_seal *s)
{
	return &s->next.vkey;
}

/* The old key's word for the new one, before anything depends on it. */
static int vouch(struct sz_seal *s, u64 seq, struct sz_error *e)
{
	char path[PATH_MAX];
	struct sz_buf text = {};
	int r = 0;

	sz_audit_changes_path(s->dir, path, sizeof(path));
	if (!access(path, F_OK))
		r = sz_file_read(path, KEYS_MAX, &text, e);
	if (!r) {
		sz_audit_change_sign(&s->key, &s->next.vkey, seq, &text);
		r = sz_file_replace(path, text.data, text.len, 0644, e);
	}
	sz_buf_done(&text);
	return r;
}

int sz_seal_changed(struct sz_seal *s, bool keep, u64 seq, struct sz_error *e)
{
	int r = 0;

	s->changing = false;
	if (keep)
		r = vouch(s, seq, e);
	if (keep && !r)
		r = list_key(s, &s->next.vkey, s->size, e);
	if (keep && !r && rename(s->next_path, s->key_path))
		r = sz_error_set(e, -errno, "cannot rename %s to %s: %s", s->next_path, s->key_path,
				 strerror(errno));
	if (keep && !r)
		s->key = s->next;
	else if (!keep)
		unlink(s->next_path);
	sz_audit_skey_done(&s->next);
	return r;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The Merkle tree from the files: its right edge for the daemon's start, from the newest segment
 * alone; and the roots of single subtrees for proofs, which need every record once.
 */
#include "audit/audit_priv.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "codec/codec.h"

#define CHUNK (256u << 10)

bool sz_audit_tree_read(const struct sz_audit_line *l, struct sz_audit_tree *ret)
{
	const char *p = l->tree;
	unsigned k = SZ_AUDIT_LEVELS;

	*ret = (struct sz_audit_tree){ .size = l->seq - 1 };
	if (!l->tree || l->tree_len != 2ull * SZ_AUDIT_HASH_LEN *
						(unsigned)__builtin_popcountll(ret->size))
		return false;
	while (k--) {
		if (!(ret->size >> k & 1))
			continue;
		if (sz_hex_decode(p, 2 * SZ_AUDIT_HASH_LEN, ret->node[k]))
			return false;
		p += 2 * SZ_AUDIT_HASH_LEN;
	}
	return true;
}

bool sz_audit_tree_same(const struct sz_audit_tree *a, const struct sz_audit_tree *b)
{
	unsigned k;

	if (a->size != b->size)
		return false;
	for (k = 0; k < SZ_AUDIT_LEVELS; k++)
		if (a->size >> k & 1 && memcmp(a->node[k], b->node[k], SZ_AUDIT_HASH_LEN))
			return false;
	return true;
}

bool sz_audit_tree_within(const struct sz_audit_tree *t, const struct sz_audit_range *r,
			  struct sz_audit_tree *ret)
{
	u64 at = 0;
	unsigned k = SZ_AUDIT_LEVELS;

	*ret = (struct sz_audit_tree){ 0 };
	while (k--) {
		u64 width = 1ull << k;

		if (!(t->size >> k & 1))
			continue;
		if (at < r->to && at + width > r->from) {
			/* Ranges of proofs are whole subtrees: one that lies inside is not known.
			 */
			if (at < r->from || at + width > r->to || ret->size >> k & 1)
				return false;
			memcpy(ret->node[k], t->node[k], SZ_AUDIT_HASH_LEN);
			ret->size |= width;
		}
		at += width;
	}
	return true;
}

/* ---- lines, one after the other ------------------------------------------------------------- */

/* Every whole line of the first `limit` bytes of a segment; what fn returns other than 0 ends it.
 */
static int each_line(const char *path, u64 limit, int (*fn)(const char *p, size_t n, void *arg),
		     void *arg, struct sz_error *e)
{
	struct sz_buf b = {0};
	u64 size, done = 0;
	int fd = sz_audit_open(path, &size, e), err = 0;

	if (fd < 0)
		return fd;
	while (!err && done < limit) {
		size_t used = 0, want = limit - done < CHUNK ? (size_t)(limit - done) : CHUNK;
		const char *nl;
		ssize_t n;

		sz_buf_reserve(&b, want);
		n = read(fd, b.data + b.len, want);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			err = sz_error_set(e, -errno, "%s: cannot read: %s", path, strerror(errno));
		if (n <= 0)
			break;
		done += (u64)n;
		b.len += (size_t)n;
		while (!err && (nl = memchr(b.data + used, '\n', b.len - used))) {
			err = fn(b.data + used, (size_t)(nl - b.data) - used, arg);
			used = (size_t)(nl - b.data) + 1;
		}
		b.len -= used;
		memmove(b.data, b.data + used, b.len);
		if (!err && b.len >= SZ_AUDIT_LINE_MAX)
			err = sz_error_set(e, -EBADMSG, "%s: a line of more than %u bytes", path,
					   SZ_AUDIT_LINE_MAX);
	}
	sz_buf_done(&b);
	close(fd);
	return err;
}

int sz_audit_each(const char *dir, int (*fn)(const char *line, size_t n, void *arg), void *arg,
		  struct sz_error *e)
{
	char path[PATH_MAX];
	u32 *list;
	size_t n, i;
	int err = sz_audit_segments(dir, &list, &n, e);

	if (err)
		return err;
	for (i = 0; i < n && !err; i++) {
		sz_audit_segment_path(dir, list[i], path, sizeof(path));
		err = each_line(path, UINT64_MAX, fn, arg, e);
	}
	free(list);
	return err;
}

/* ---- the right edge ------------------------------------------------------------------------- */

struct edge {
	struct sz_audit_tree *tree;
	const char *path;
	bool begun; /* the segment's first record was read */
	u64 at;
	u8 *ret_at;
	bool *ret_known;
	struct sz_error *e;
};

static int edge_line(const char *p, size_t n, void *arg)
{
	struct edge *g = arg;
	struct sz_audit_syntax bad;
	struct sz_audit_line l;
	u8 leaf[SZ_AUDIT_HASH_LEN];

	if (!g->begun) {
		g->begun = true;
		if (sz_audit_parse(p, n, &l, &bad) || l.type != SZ_AUDIT_SEGMENT)
			return sz_error_set(g->e, -EBADMSG,
					    "%s: does not begin with its segment record; run "
					    "'subzeroctl audit verify'",
					    g->path);
		/* Every log begins with an empty tree; a segment without one is of an older form.
		 */
		if (l.tree ? !sz_audit_tree_read(&l, g->tree) : g->tree->size != l.seq - 1)
			return sz_error_set(g->e, l.tree ? -EBADMSG : -ENODATA,
					    "%s: its first record does not hold the tree before it",
					    g->path);
	}
	sz_audit_tree_leaf(p, n, leaf);
	sz_audit_tree_push(g->tree, leaf);
	if (g->tree->size == g->at) {
		sz_audit_tree_root(g->tree, g->ret_at);
		*g->ret_known = true;
	}
	return 0;
}

static int edge_segment(struct edge *g, const char *dir, u32 segment, u64 limit)
{
	char path[PATH_MAX];
	int r;

	sz_audit_segment_path(dir, segment, path, sizeof(path));
	g->path = path;
	g->begun = false;
	r = each_line(path, limit, edge_line, g, g->e);
	g->path = NULL;
	return r;
}

int sz_audit_recover(const char *dir, const struct sz_audit_state *s, struct sz_audit_tree *ret,
		     u64 at, u8 ret_at[SZ_AUDIT_HASH_LEN], bool *ret_known, struct sz_error *e)
{
	struct edge g = { .tree = ret, .at = at, .ret_at = ret_at, .ret_known = ret_known, .e = e };
	/* A newest segment without its first record adds nothing to the one before. */
	u32 newest = s->size ? s->segment : s->segment ? s->segment - 1 : 0, i;
	u64 limit = s->size ? s->size : UINT64_MAX;
	int err;

	*ret = (struct sz_audit_tree){ 0 };
	*ret_known = false;
	if (!newest)
		return 0;
	err = edge_segment(&g, dir, newest, limit);
	if (err == -ENODATA) {
		/* Written before segments held the tree: once, all of it. */
		*ret = (struct sz_audit_tree){ 0 };
		for (err = 0, i = 1; i <= newest && !err; i++)
			err = edge_segment(&g, dir, i, i == newest ? limit : UINT64_MAX);
	}
	if (!err && ret->size != s->next_seq - 1)
		err = sz_error_set(e, -EBADMSG,
				   "%s: segment %u holds records up to %llu, but its last one says "
				   "%llu; run 'subzeroctl audit verify'",
				   dir, newest, (unsigned long long)ret->size,
				   (unsigned long long)s->next_seq - 1);
	return err;
}

/* ---- subtrees for proofs -------------------------------------------------------------------- */

struct gather {
	const char *dir;
	struct sz_error *e;
	bool begun;
	u64 next, size, index;
	const struct sz_audit_range *ranges;
	struct sz_audit_tree *trees; /* one for each range */
	struct sz_audit_tree all;
	unsigned n;
	struct sz_buf *line;
};

/* Where retention removed the beginning, its first segment holds the tree of what stood there. */
static int gather_begin(struct gather *g, const char *p, size_t n)
{
	struct sz_audit_syntax bad;
	struct sz_audit_line l;
	bool known = true;
	unsigned i;

	g->begun = true;
	if (sz_audit_parse(p, n, &l, &bad) || l.seq <= 1)
		return 0;
	if (!sz_audit_tree_read(&l, &g->all))
		return sz_error_set(g->e, -EBADMSG, "%s: its first segment does not hold the tree "
				    "of the records before it", g->dir);
	g->next = l.seq - 1;
	for (i = 0; i < g->n; i++)
		known &= sz_audit_tree_within(&g->all, &g->ranges[i], &g->trees[i]);
	if (known && g->next <= g->size && (!g->line || g->index >= g->next))
		return 0;
	return sz_error_set(g->e, -ERANGE,
			    "%s: this needs records that retention removed; records 1 to %llu are "
			    "gone", g->dir, (unsigned long long)g->next);
}

static int gather_line(const char *p, size_t n, void *arg)
{
	struct gather *g = arg;
	u8 leaf[SZ_AUDIT_HASH_LEN];
	unsigned i;
	int err = g->begun ? 0 : gather_begin(g, p, n);

	if (err)
		return err;
	if (g->next == g->size)
		return 1;
	sz_audit_tree_leaf(p, n, leaf);
	sz_audit_tree_push(&g->all, leaf);
	for (i = 0; i < g->n; i++)
		if (g->next >= g->ranges[i].from && g->next < g->ranges[i].to)
			sz_audit_tree_push(&g->trees[i], leaf);
	if (g->line && g->next == g->index)
		sz_buf_add(g->line, p, n);
	g->next++;
	return 0;
}

int sz_audit_subtrees(const char *dir, u64 size, const struct sz_audit_range *ranges, unsigned n,
		      u8 (*ret)[SZ_AUDIT_HASH_LEN], u8 ret_root[SZ_AUDIT_HASH_LEN], u64 index,
		      struct sz_buf *ret_line, struct sz_error *e)
{
	struct gather g = { .dir = dir, .e = e, .size = size, .index = index,
			    .ranges = ranges, .n = n, .line = ret_line };
	unsigned i;
	int err;

	g.trees = sz_calloc(n + 1, sizeof(*g.trees));
	err = sz_audit_each(dir, gather_line, &g, e);
	if (err >= 0 && g.next < size)
		err = sz_error_set(e, -ERANGE, "%s: the log holds %llu records, not %llu", dir,
				   (unsigned long long)g.next, (unsigned long long)size);
	for (i = 0; i < n && err >= 0; i++)
		sz_audit_tree_root(&g.trees[i], ret[i]);
	sz_audit_tree_root(&g.all, ret_root);
	free(g.trees);
	return err < 0 ? err : 0;
}

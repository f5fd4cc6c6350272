/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Plain lists of addresses and prefixes: one a line, "#" or ";" begins a comment, and what follows
 * the prefix on its line is not read. Called by the daemon for "bans.import" and by the CLI. A list
 * with a mistake is refused whole.
 */
#include <string.h>

#include "config/config.h"

#define LIST_BYTES (256u << 20)
#define WORD_MAX   64

bool sz_ban_everybody(const struct sz_ban_key *k)
{
	static const u8 mapped[12] = {[10] = 0xff, [11] = 0xff};

	return !k->prefixlen ||
	       (k->prefixlen <= 96 && !memcmp(k->addr.b, mapped, k->prefixlen / 8));
}

/* The prefix that begins at s; `n` is the length of its word. */
static int read_line(const char *path, u32 line, const char *s, size_t n, struct sz_ban_key *ret,
		     struct sz_error *e)
{
	char word[WORD_MAX];

	/* Lists have millions of lines, for which the loop waits. */
	memcpy(word, s, n < WORD_MAX ? n : WORD_MAX - 1);
	word[n < WORD_MAX ? n : WORD_MAX - 1] = 0;
	memset(ret, 0, sizeof(*ret));
	if (n >= WORD_MAX || sz_prefix_parse(word, &ret->addr, &ret->prefixlen))
		return sz_error_set(e, -EINVAL,
				    "%s:%u: \"%s\" is not an address or prefix; write 192.0.2.7, "
				    "192.0.2.0/24 or 2001:db8::/32",
				    path, line, word);
	if (sz_ban_everybody(ret))
		return sz_error_set(e, -EINVAL, "%s:%u: %s is everybody; take it out", path, line,
				    word);
	return 0;
}

static int parse(const char *path, const char *p, const char *end, struct sz_ban_list *l,
		 struct sz_error *e)
{
	size_t room = l->n;
	u32 line;

	for (line = 1; p < end; line++) {
		const char *nl = memchr(p, '\n', (size_t)(end - p)), *next = nl ? nl + 1 : end;
		size_t n;

		p += strspn(p, " \t\r");
		n = strcspn(p, " \t\r\n#;,");
		if (n && p + n <= end) {
			if (l->n == room) {
				room = room ? 2 * room : 1024;
				l->keys = sz_realloc(l->keys, room, sizeof(*l->keys));
			}
			if (read_line(path, line, p, n, &l->keys[l->n], e))
				return -EINVAL;
			l->n++;
		}
		p = next;
	}
	return 0;
}

int sz_ban_list_read(const char *path, struct sz_ban_list *l, struct sz_error *e)
{
	struct sz_buf b = {};
	int r = sz_file_read(path, LIST_BYTES, &b, e);

	if (!r && b.len && strlen(b.data) != b.len)
		r = sz_error_set(e, -EINVAL, "%s is not text", path);
	if (!r && b.len)
		r = parse(path, b.data, b.data + b.len, l, e);
	sz_buf_done(&b);
	return r;
}

void sz_ban_list_done(struct sz_ban_list *l)
{
	free(l->keys);
	*l = (struct sz_ban_list){};
}

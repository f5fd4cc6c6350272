/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Memory that is given back as a whole, and UTF-8. Used by every file of cel. An arena never hands
 * out more than its limit, whatever an expression asks for.
 */
#include "cel_priv.h"

#define CHUNK_MIN 4096

struct sz_cel_chunk {
	struct sz_cel_chunk *next;
	size_t size;
	_Alignas(16) char data[];
};

void sz_cel_arena_init(struct sz_cel_arena *a, size_t limit)
{
	*a = (struct sz_cel_arena){.limit = limit};
}

static void use_chunk(struct sz_cel_arena *a, struct sz_cel_chunk *c)
{
	a->chunk = c;
	a->p = c ? c->data : NULL;
	a->end = c ? c->data + c->size : NULL;
}

void sz_cel_arena_reset(struct sz_cel_arena *a)
{
	a->used = 0;
	use_chunk(a, a->first);
}

void sz_cel_arena_done(struct sz_cel_arena *a)
{
	struct sz_cel_chunk *c, *next;

	for (c = a->first; c; c = next) {
		next = c->next;
		free(c);
	}
	*a = (struct sz_cel_arena){0};
}

/* A chunk with room for n bytes: one that a reset left behind, or a new one. */
static void next_chunk(struct sz_cel_arena *a, size_t n)
{
	struct sz_cel_chunk *c = a->chunk ? a->chunk->next : a->first, *fresh;
	size_t size = a->chunk ? a->chunk->size * 2 : CHUNK_MIN;

	if (!c || c->size < n) {
		if (size > 1024 * 1024)
			size = 1024 * 1024;
		size = size < n ? n : size;
		fresh = sz_calloc(1, sizeof(*c) + size);
		fresh->size = size;
		fresh->next = c ? c->next : NULL; /* one that is too small makes room for it */
		if (a->chunk)
			a->chunk->next = fresh;
		else
			a->first = fresh;
		free(c);
		c = fresh;
	}
	use_chunk(a, c);
}

void *sz_cel_alloc(struct sz_cel_arena *a, size_t n)
{
	void *p;

	if (n > a->limit)
		return NULL;
	n = n ? (n + 15) & ~(size_t)15 : 16;
	if (n > a->limit - a->used)
		return NULL;
	if (n > (size_t)(a->end - a->p))
		next_chunk(a, n);
	p = a->p;
	a->p += n;
	a->used += n;
	memset(p, 0, n);
	return p;
}

/* ---- UTF-8 ---------------------------------------------------------------------------------- */

u32 sz_cel_utf8_get(const char *s, size_t n, u32 *ret_len)
{
	const u8 *p = (const u8 *)s;
	u32 len, i, c;

	*ret_len = 1;
	if (p[0] < 0x80)
		return p[0];
	len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || len > n)
		return UTF8_BAD;
	c = p[0] & (0x7fu >> len);
	for (i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return UTF8_BAD;
		c = c << 6 | (p[i] & 0x3fu);
	}
	if ((len == 3 && c < 0x800) || (len == 4 && c < 0x10000) || c > 0x10ffff ||
	    (c >= 0xd800 && c < 0xe000))
		return UTF8_BAD;
	*ret_len = len;
	return c;
}

u32 sz_cel_utf8_put(u32 c, char out[4])
{
	u32 len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4, i;

	if (len == 1) {
		out[0] = (char)c;
		return 1;
	}
	for (i = len - 1; i > 0; i--, c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)((0xf00u >> len) | c);
	return len;
}

bool sz_cel_utf8_valid(const char *s, size_t n)
{
	u32 len;

	for (; n; s += len, n -= len)
		if (sz_cel_utf8_get(s, n, &len) == UTF8_BAD)
			return false;
	return true;
}

u32 sz_cel_utf8_count(const char *s, size_t n)
{
	u32 count = 0;
	size_t i;

	for (i = 0; i < n; i++)
		count += ((u8)s[i] & 0xc0) != 0x80;
	return count;
}

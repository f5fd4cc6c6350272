/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Names and their numbers, of one kind, for the store in memory: numbers are given out from 1 on,
 * each name once and for good. Called by memory.c alone.
 */
#include <string.h>

#include "memory_priv.h"

#define BLOCK_MIN 4096
#define BLOCK_MAX (2u << 20)

/* Mixes eight bytes a step; names come from whoever writes tuples, so the key is per table. */
static u32 hash(const struct names *t, const char *s, size_t n)
{
	u64 h = t->key ^ n * 0x9e3779b97f4a7c15ull, w;

	for (; n >= 8; s += 8, n -= 8) {
		memcpy(&w, s, 8);
		h = (h ^ w) * 0xff51afd7ed558ccdull;
		h ^= h >> 32;
	}
	if (n) {
		w = 0;
		memcpy(&w, s, n);
		h = (h ^ w) * 0xff51afd7ed558ccdull;
		h ^= h >> 32;
	}
	h *= 0xc4ceb9fe1a85ec53ull;
	return (u32)(h >> 32);
}

static void grow(struct names *t)
{
	u32 size = t->mask ? 2 * (t->mask + 1) : 64, i, at;
	struct name_slot *old = t->slots;

	t->slots = sz_rebac_memory_table(size, sizeof(*t->slots));
	for (i = 0; old && i <= t->mask; i++) {
		if (!old[i].id)
			continue;
		for (at = old[i].hash & (size - 1); t->slots[at].id; at = (at + 1) & (size - 1))
			;
		t->slots[at] = old[i];
	}
	free(old);
	t->mask = size - 1;
	t->text = sz_realloc(t->text, size / 2 + 1, sizeof(*t->text));
}

/* The text with its length before it; blocks never move. */
static const char *keep(struct names *t, const char *s, size_t n)
{
	size_t need = sizeof(u32) + ((n + 1 + 3) & ~(size_t)3);
	struct name_block *b = t->blocks;
	u32 len = (u32)n;
	char *p;

	if (!b || need > b->size - b->used) {
		size_t size = !b ? BLOCK_MIN : b->size < BLOCK_MAX ? 2 * b->size : BLOCK_MAX;

		size = size < need + sizeof(*b) ? 2 * need + sizeof(*b) : size;
		b = sz_rebac_memory_table(1, size);
		b->size = size;
		b->used = sizeof(*b);
		b->next = t->blocks;
		t->blocks = b;
	}
	p = (char *)b + b->used;
	b->used += need;
	memcpy(p, &len, sizeof(len));
	memcpy(p + sizeof(len), s, n);
	return p + sizeof(len);
}

u32 sz_rebac_names_find(const struct names *t, const char *s, size_t n)
{
	u32 h = hash(t, s, n), at, len;

	if (!t->mask)
		return 0;
	for (at = h & t->mask; t->slots[at].id; at = (at + 1) & t->mask) {
		if (t->slots[at].hash != h)
			continue;
		memcpy(&len, t->slots[at].text - sizeof(len), sizeof(len));
		if (len == n && !memcmp(t->slots[at].text, s, n))
			return t->slots[at].id;
	}
	return 0;
}

u32 sz_rebac_names_add(struct names *t, const char *s, size_t n, u32 max)
{
	u32 id = sz_rebac_names_find(t, s, n), at;
	u32 h = hash(t, s, n);

	if (id || t->n == max)
		return id;
	if (!t->mask || 2 * (t->n + 1) > t->mask)
		grow(t);
	for (at = h & t->mask; t->slots[at].id; at = (at + 1) & t->mask)
		;
	id = ++t->n;
	t->slots[at] = (struct name_slot){.hash = h, .id = id, .text = keep(t, s, n)};
	t->text[id] = t->slots[at].text;
	return id;
}

const char *sz_rebac_names_text(const struct names *t, u32 id)
{
	return id && id <= t->n ? t->text[id] : NULL;
}

void sz_rebac_names_done(struct names *t)
{
	struct name_block *b, *next;

	for (b = t->blocks; b; b = next) {
		next = b->next;
		free(b);
	}
	free(t->slots);
	free(t->text);
	*t = (struct names){0};
}

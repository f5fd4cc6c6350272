/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Timers of a map's entries, in a hash by key. Everything takes constant time; memory is taken in
 * chunks and not given back, since what was there once will be there again. Called by expiry.c and
 * revoke.c.
 */
#include "gateway/ends.h"

#include <string.h>

#define CHUNK 1024 /* entries allocated at once */

static struct sz_end *at(const struct sz_ends *t, u32 number)
{
	return (struct sz_end *)(t->chunk[(number - 1) / CHUNK] +
				 (number - 1) % CHUNK * t->stride);
}

/* Keys begin with a keyed digest or are few. */
static u32 *bucket_of(const struct sz_ends *t, const void *key)
{
	u64 h = 0, w;
	size_t i;

	for (i = 0; i + 4 <= t->key_size; i += 4) {
		w = 0;
		memcpy(&w, (const u8 *)key + i, 4);
		h = (h ^ w) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 32;
	}
	return &t->bucket[h & (t->buckets - 1)];
}

void sz_ends_begin(struct sz_ends *t, const struct sz_kern *k, enum sz_map map, size_t key_size,
		   void (*due)(struct sz_timer *t, void *gateway))
{
	*t = (struct sz_ends){.map = map, .key_size = key_size, .due = due, .buckets = 64};
	t->stride = (sizeof(struct sz_end) + key_size + 7) / 8 * 8;
	/* Others may have removed entries that are still known here. */
	t->room = sz_kern_map_capacity(k, map);
	t->room += t->room / 4 + CHUNK;
	while (t->buckets < t->room && t->buckets < 1u << 30)
		t->buckets *= 2;
	t->bucket = sz_calloc(t->buckets, sizeof(*t->bucket));
	t->dead = sz_calloc(SZ_EXPIRY_STEPS, key_size);
}

void sz_ends_done(struct sz_ends *t)
{
	u32 i;

	for (i = 0; i < t->n_chunks; i++)
		free(t->chunk[i]);
	free(t->chunk);
	free(t->bucket);
	free(t->dead);
}

static u32 take_free(struct sz_ends *t)
{
	u32 number, i;

	if (!t->free) {
		t->chunk = sz_realloc(t->chunk, t->n_chunks + 1, sizeof(*t->chunk));
		t->chunk[t->n_chunks++] = sz_calloc(CHUNK, t->stride);
		for (i = CHUNK; i > 0; i--) {
			number = (t->n_chunks - 1) * CHUNK + i;
			at(t, number)->next = t->free;
			t->free = number;
		}
	}
	number = t->free;
	t->free = at(t, number)->next;
	return number;
}

struct sz_end *sz_ends_find(const struct sz_ends *t, const void *key)
{
	u32 number = *bucket_of(t, key);

	while (number && memcmp(at(t, number)->key, key, t->key_size))
		number = at(t, number)->next;
	return number ? at(t, number) : NULL;
}

struct sz_end *sz_ends_add(struct sz_ends *t, const void *key)
{
	u32 number, *bucket = bucket_of(t, key);
	struct sz_end *e;

	if (t->n >= t->room)
		return NULL;
	number = take_free(t);
	e = at(t, number);
	memcpy(e->key, key, t->key_size);
	e->timer.fn = t->due;
	e->mark = 1;
	e->next = *bucket;
	*bucket = number;
	t->n++;
	return e;
}

void sz_ends_forget(struct sz_ends *t, struct sz_end *e)
{
	u32 *link = bucket_of(t, e->key), number;

	while (at(t, *link) != e)
		link = &at(t, *link)->next;
	number = *link;
	*link = e->next;
	e->mark = 0;
	e->unsure = e->dying = false;
	e->next = t->free;
	t->free = number;
	t->n--;
}

void sz_ends_set(struct sz_wheel *w, struct sz_ends *t, const void *key, u64 expires_ns)
{
	struct sz_end *e = sz_ends_find(t, key);

	e = e ? e : sz_ends_add(t, key);
	if (!e)
		return;
	e->unsure = false;
	e->expires_ns = expires_ns;
	sz_wheel_set(w, &e->timer, expires_ns);
}

void sz_ends_note(struct sz_wheel *w, struct sz_ends *t, const void *key, u64 expires_ns)
{
	struct sz_end *e = sz_ends_find(t, key);

	if (e && (e->dying || expires_ns >= e->expires_ns))
		return;
	e = e ? e : sz_ends_add(t, key);
	if (!e)
		return;
	e->unsure = true;
	e->expires_ns = expires_ns;
	sz_wheel_set(w, &e->timer, expires_ns);
}

/* ---- the end -------------------------------------------------------------------------------- */

void sz_ends_bury(struct sz_ends *t, struct sz_end *e)
{
	memcpy(t->dead + t->n_dead++ * t->key_size, e->key, t->key_size);
	e->dying = true;
}

void sz_ends_gone(struct sz_ends *t, const u8 *keys, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		sz_ends_forget(t, sz_ends_find(t, keys + i * t->key_size));
	t->ended += n;
}

void sz_ends_take(struct sz_ends *t, const struct sz_kern *k)
{
	if (t->n_dead)
		sz_map_del_batch(k, t->map, t->dead, t->n_dead);
	sz_ends_gone(t, t->dead, t->n_dead);
	t->n_dead = 0;
}

bool sz_ends_sweep(struct sz_wheel *w, struct sz_ends *t, u32 mark, u32 *place, u32 max)
{
	u32 all = t->n_chunks * CHUNK;
	struct sz_end *e;

	for (; max && *place < all; max--) {
		e = at(t, ++*place);
		if (!e->mark || e->mark == mark)
			continue;
		sz_wheel_cancel(w, &e->timer);
		sz_ends_forget(t, e);
	}
	return *place < all;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For each node its edges in ascending order: an open-addressing table of runs, each a list of
 * sorted pieces, so that a group of a million members takes an insert as well as one of ten.
 * Called by memory.c alone. Finding never writes.
 */
#include <string.h>

#include "memory_priv.h"

static u32 hash(u64 node)
{
	u64 h = node * 0x9e3779b97f4a7c15ull;

	h ^= h >> 29;
	h *= 0xbf58476d1ce4e5b9ull;
	return (u32)(h >> 32);
}

static struct run *find_run(const struct runs *t, u64 key)
{
	u32 at;

	if (!t->mask)
		return NULL;
	for (at = hash(key) & t->mask; t->slots[at].node; at = (at + 1) & t->mask)
		if (t->slots[at].node == key)
			return &t->slots[at];
	return NULL;
}

static struct chunk *chunks(const struct run *r)
{
	return r->n_chunks == 1 ? (struct chunk *)&r->one : r->chunk;
}

/* The first edge of the piece that is not below `node`. */
static u32 lower(const struct chunk *c, u64 node)
{
	u32 low = 0, n = c->n;

	while (n) {
		u32 half = n / 2;

		if (c->edge[low + half].node < node) {
			low += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	return low;
}

/* The piece that the node is in or would be put into: the first whose last edge is not below it. */
static u32 find_chunk(const struct run *r, u64 node)
{
	const struct chunk *c = chunks(r);
	u32 low = 0, n = r->n_chunks - 1;

	while (n) {
		u32 half = n / 2;

		if (c[low + half].edge[c[low + half].n - 1].node < node) {
			low += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	return low;
}

const u32 *sz_rebac_runs_find(const struct runs *t, u64 key, u64 node)
{
	const struct run *r = find_run(t, key);
	const struct chunk *c;
	u32 i;

	if (!r)
		return NULL;
	c = &chunks(r)[find_chunk(r, node)];
	i = lower(c, node);
	return i < c->n && c->edge[i].node == node ? &c->edge[i].value : NULL;
}

void sz_rebac_runs_soon(const struct runs *t, const u64 *keys, u32 n)
{
	const struct run *r;
	u32 i;

	if (!t->mask)
		return;
	for (i = 0; i < n; i++)
		__builtin_prefetch(&t->slots[hash(keys[i]) & t->mask]);
	for (i = 0; i < n; i++) {
		r = find_run(t, keys[i]);
		if (!r || r->n_chunks != 1)
			continue;
		__builtin_prefetch(r->one.edge);
		__builtin_prefetch(&r->one.edge[r->one.n / 2]);
	}
}

u32 sz_rebac_runs_scan(const struct runs *t, u64 key, u64 from, u64 to, struct sz_rebac_edge *ret,
		       u32 max)
{
	const struct run *r = find_run(t, key);
	const struct chunk *c, *end;
	u32 i, n = 0;

	if (!r)
		return 0;
	c = &chunks(r)[find_chunk(r, from)];
	end = chunks(r) + r->n_chunks;
	for (i = lower(c, from); c < end; c++, i = 0)
		for (; i < c->n; i++) {
			if (n == max || c->edge[i].node > to)
				return n;
			ret[n++] = c->edge[i];
		}
	return n;
}

/* ---- memory of pieces ----------------------------------------------------------------------- */

#define SLAB_MIN 4096
#define SLAB_MAX (2u << 20)

/* Pieces stand close together in few large blocks; one that is given back waits for the next. */
struct slab {
	struct slab *next;
	size_t size, used;
};
_Static_assert(sizeof(struct slab) % 8 == 0, "pieces are aligned");
_Static_assert(2u << (CHUNK_SIZES - 1) == CHUNK_MAX, "the largest piece has a list");

static struct sz_rebac_edge **spare_of(struct runs *t, u32 room)
{
	return &t->spare[__builtin_ctz(room) - 1];
}

/* `room` is a power of two from 2 to CHUNK_MAX. */
static struct sz_rebac_edge *new_piece(struct runs *t, u32 room)
{
	size_t n = room * sizeof(struct sz_rebac_edge), size;
	struct sz_rebac_edge *p = *spare_of(t, room);
	struct slab *b = t->slabs;

	if (p) {
		memcpy(spare_of(t, room), p, sizeof(void *));
		return p;
	}
	if (!b || n > b->size - b->used) {
		size = !b ? SLAB_MIN : b->size < SLAB_MAX ? 2 * b->size : SLAB_MAX;
		size = size < n + sizeof(*b) ? 2 * n : size;
		b = sz_rebac_memory_table(1, size);
		*b = (struct slab){.next = t->slabs, .size = size, .used = sizeof(*b)};
		t->slabs = b;
	}
	p = (struct sz_rebac_edge *)((char *)b + b->used);
	b->used += n;
	return p;
}

static void free_piece(struct runs *t, struct sz_rebac_edge *p, u32 room)
{
	if (!p)
		return;
	memcpy(p, spare_of(t, room), sizeof(void *));
	*spare_of(t, room) = p;
}

/* ---- changes -------------------------------------------------------------------------------- */

static void grow(struct runs *t)
{
	u32 size = t->mask ? 2 * (t->mask + 1) : 64, i, at;
	struct run *old = t->slots;

	t->slots = sz_rebac_memory_table(size, sizeof(*t->slots));
	for (i = 0; old && i <= t->mask; i++) {
		if (!old[i].node)
			continue;
		at = hash(old[i].node) & (size - 1);
		while (t->slots[at].node)
			at = (at + 1) & (size - 1);
		t->slots[at] = old[i];
	}
	free(old);
	t->mask = size - 1;
}

static struct run *add_run(struct runs *t, u64 key)
{
	struct run *r = find_run(t, key);
	u32 at;

	if (r)
		return r;
	if (!t->mask || 2 * (t->n + 1) > t->mask)
		grow(t);
	for (at = hash(key) & t->mask; t->slots[at].node; at = (at + 1) & t->mask)
		;
	t->n++;
	t->slots[at] = (struct run){.node = key, .n_chunks = 1};
	return &t->slots[at];
}

/* Puts an empty piece behind piece `at`. */
static void add_chunk(struct runs *t, struct run *r, u32 at)
{
	struct chunk *list;

	if (r->n_chunks == 1) {
		list = sz_calloc(2, sizeof(*list));
		list[0] = r->one;
	} else {
		list = r->chunk;
		if (!(r->n_chunks & (r->n_chunks - 1)))
			list = sz_realloc(list, 2 * (size_t)r->n_chunks, sizeof(*list));
	}
	memmove(&list[at + 2], &list[at + 1], (r->n_chunks - at - 1) * sizeof(*list));
	list[at + 1] = (struct chunk){.edge = new_piece(t, CHUNK_MAX), .room = CHUNK_MAX};
	r->chunk = list;
	r->n_chunks++;
}

/* A full piece makes room: what is added in order goes to a new one, else the upper half does. */
static struct chunk *split(struct runs *t, struct run *r, u32 at, u64 node)
{
	bool last = at == r->n_chunks - 1;
	struct chunk *c, *next;

	add_chunk(t, r, at);
	c = &r->chunk[at];
	next = c + 1;
	if (last && c->edge[c->n - 1].node < node)
		return next;
	next->n = c->n / 2;
	c->n -= next->n;
	memcpy(next->edge, c->edge + c->n, next->n * sizeof(*c->edge));
	return c->edge[c->n - 1].node < node ? next : c;
}

static void widen(struct runs *t, struct chunk *c)
{
	u32 room = c->room ? 2 * c->room : 2;
	struct sz_rebac_edge *edge = new_piece(t, room);

	if (c->n)
		memcpy(edge, c->edge, c->n * sizeof(*edge));
	free_piece(t, c->edge, c->room);
	c->edge = edge;
	c->room = room;
}

void sz_rebac_runs_add(struct runs *t, u64 key, u64 node, u32 value)
{
	struct run *r = add_run(t, key);
	u32 at = find_chunk(r, node), i;
	struct chunk *c = &chunks(r)[at];

	if (c->n == CHUNK_MAX)
		c = split(t, r, at, node);
	else if (c->n == c->room)
		widen(t, c);
	i = lower(c, node);
	memmove(&c->edge[i + 1], &c->edge[i], (c->n - i) * sizeof(*c->edge));
	c->edge[i] = (struct sz_rebac_edge){.node = node, .value = value};
	c->n++;
}

static void remove_chunk(struct runs *t, struct run *r, u32 at)
{
	struct chunk *list = r->chunk;

	free_piece(t, list[at].edge, list[at].room);
	memmove(&list[at], &list[at + 1], (r->n_chunks - at - 1) * sizeof(*list));
	if (--r->n_chunks > 1) {
		/* the list doubles when it reaches a power of two, so it must have that size then
		 */
		if (!(r->n_chunks & (r->n_chunks - 1)))
			r->chunk = sz_realloc(list, r->n_chunks, sizeof(*list));
		return;
	}
	r->one = list[0];
	free(list);
}

bool sz_rebac_runs_remove(struct runs *t, u64 key, u64 node)
{
	struct run *r = find_run(t, key);
	struct chunk *c;
	u32 at, i;

	if (!r)
		return false;
	at = find_chunk(r, node);
	c = &chunks(r)[at];
	i = lower(c, node);
	if (i == c->n || c->edge[i].node != node)
		return false;
	memmove(&c->edge[i], &c->edge[i + 1], (c->n - i - 1) * sizeof(*c->edge));
	if (!--c->n && r->n_chunks > 1)
		remove_chunk(t, r, at);
	return true;
}

void sz_rebac_runs_done(struct runs *t)
{
	struct slab *b, *next;
	u32 i;

	for (i = 0; t->slots && i <= t->mask; i++)
		if (t->slots[i].n_chunks > 1)
			free(t->slots[i].chunk);
	for (b = t->slabs; b; b = next) {
		next = b->next;
		free(b);
	}
	free(t->slots);
	*t = (struct runs){0};
}

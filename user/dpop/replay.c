/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The table of used proofs: a hash by their name, a timer for each of them, and a count for each
 * key. All memory is taken at once; adding and forgetting are O(1). Belongs to the thread that
 * admits, which is the wheel's, too.
 */
#include <string.h>

#include "dpop/dpop_priv.h"

#define NONE 0xffffffffu

struct entry {
	struct sz_timer timer;
	struct sz_replay *table;
	u8 id[16];
	u64 place;
	u32 same_hash; /* next of its chain, or of the free ones */
	u32 share;     /* of its key */
};

/* How many live proofs a key has. */
struct share {
	u64 key;
	u32 count;
	u32 next;
};

struct sz_replay {
	struct sz_wheel *wheel;
	u32 n, live, mask, free, free_share;
	u64 ended;
	u32 *by_id, *by_key; /* heads of chains */
	struct entry *entry;
	struct share *share;
};

static void due(struct sz_timer *timer, void *arg);

struct sz_replay *sz_replay_new(struct sz_wheel *wheel, u32 entries)
{
	struct sz_replay *t = sz_calloc(1, sizeof(*t));
	u32 i;

	t->wheel = wheel;
	t->n = entries;
	for (t->mask = 1; t->mask < entries; t->mask = t->mask << 1 | 1)
		;
	t->by_id = sz_calloc((size_t)t->mask + 1, sizeof(u32));
	t->by_key = sz_calloc((size_t)t->mask + 1, sizeof(u32));
	memset(t->by_id, 0xff, ((size_t)t->mask + 1) * sizeof(u32));
	memset(t->by_key, 0xff, ((size_t)t->mask + 1) * sizeof(u32));
	t->entry = sz_calloc(entries, sizeof(*t->entry));
	t->share = sz_calloc(entries, sizeof(*t->share));
	for (i = 0; i < entries; i++) {
		t->entry[i].table = t;
		t->entry[i].timer.fn = due;
		t->entry[i].same_hash = i + 1 < entries ? i + 1 : NONE;
		t->share[i].next = i + 1 < entries ? i + 1 : NONE;
	}
	return t;
}

void sz_replay_free(struct sz_replay *t)
{
	u32 i;

	if (!t)
		return;
	for (i = 0; i < t->n; i++)
		sz_wheel_cancel(t->wheel, &t->entry[i].timer);
	free(t->by_id);
	free(t->by_key);
	free(t->entry);
	free(t->share);
	free(t);
}

u32 sz_replay_live(const struct sz_replay *t)
{
	return t->live;
}

u64 sz_replay_ended(const struct sz_replay *t)
{
	return t->ended;
}

/* Names are digests: any of their bits are as good as others. */
static u32 *chain(struct sz_replay *t, const u8 id[16])
{
	u32 h;

	memcpy(&h, id, sizeof(h));
	return &t->by_id[h & t->mask];
}

/* The key's count, made where it has none: one is free, since there are as many as entries. */
static u32 share_of(struct sz_replay *t, u64 key)
{
	u32 *head = &t->by_key[key & t->mask], i;

	for (i = *head; i != NONE && t->share[i].key != key; i = t->share[i].next)
		;
	if (i != NONE)
		return i;
	i = t->free_share;
	t->free_share = t->share[i].next;
	t->share[i] = (struct share){.key = key, .next = *head};
	*head = i;
	return i;
}

static void share_drop(struct sz_replay *t, u32 i)
{
	u32 *at = &t->by_key[t->share[i].key & t->mask];

	if (t->share[i].count)
		return;
	while (*at != i)
		at = &t->share[*at].next;
	*at = t->share[i].next;
	t->share[i].next = t->free_share;
	t->free_share = i;
}

static void forget(struct sz_replay *t, u32 i)
{
	struct entry *e = &t->entry[i];
	u32 *at = chain(t, e->id);

	while (*at != i)
		at = &t->entry[*at].same_hash;
	*at = e->same_hash;
	t->share[e->share].count--;
	share_drop(t, e->share);
	e->same_hash = t->free;
	t->free = i;
	t->live--;
}

static void due(struct sz_timer *timer, void *arg)
{
	struct entry *e = (struct entry *)((char *)timer - offsetof(struct entry, timer));

	(void)arg; /* whose wheel it is */
	e->table->ended++;
	forget(e->table, (u32)(e - e->table->entry));
}

int sz_replay_add(struct sz_replay *t, const struct sz_dpop_proof *p, u64 place, u64 end_ns)
{
	u32 *head = chain(t, p->id), i, share;
	struct entry *e;

	for (i = *head; i != NONE; i = t->entry[i].same_hash)
		if (!memcmp(t->entry[i].id, p->id, sizeof(p->id)))
			return t->entry[i].place == place ? 0 : -EEXIST;
	if (t->free == NONE)
		return -ENOSPC;
	share = share_of(t, p->key);
	if (t->share[share].count >= (t->n + 3) / 4)
		return -EDQUOT;
	i = t->free;
	e = &t->entry[i];
	t->free = e->same_hash;
	memcpy(e->id, p->id, sizeof(e->id));
	e->place = place;
	e->share = share;
	t->share[share].count++;
	e->same_hash = *head;
	*head = i;
	sz_wheel_set(t->wheel, &e->timer, end_ns);
	t->live++;
	return 0;
}

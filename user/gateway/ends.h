/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Entries of a kernel map and the timers that end them: what expiry.c and revoke.c keep of each
 * entry in the loop's memory. Only these two include it. Belongs to the loop's thread.
 */
#ifndef SZ_GATEWAY_ENDS_H
#define SZ_GATEWAY_ENDS_H

#include "gateway/gateway_priv.h"

/* An entry of a map and its timer. */
struct sz_end {
	struct sz_timer timer;
	u64 expires_ns;
	u32 next;    /* in the bucket or among the free ones: number + 1 */
	u32 mark;    /* the walk that saw it last; 0: the place is free */
	bool unsure; /* look again before it goes */
	bool dying;  /* a worker removes it; it has no timer any more */
	u8 key[];
};

struct sz_ends {
	enum sz_map map;
	size_t key_size, stride; /* stride: of an entry in a chunk */
	u32 *bucket;             /* a power of two of them */
	u32 buckets, room, n;    /* room: how many it may hold, n: how many it does */
	u8 **chunk;
	u32 n_chunks, free; /* number + 1 of the first free one */
	void (*due)(struct sz_timer *t, void *gateway);
	/* Keys that were due and go from the map together. */
	u8 *dead; /* SZ_EXPIRY_STEPS of them */
	u32 n_dead;
	u64 ended; /* so far */
};

/* For as many entries as the map has room for, and some more. */
void sz_ends_begin(struct sz_ends *t, const struct sz_kern *k, enum sz_map map, size_t key_size,
		   void (*due)(struct sz_timer *t, void *gateway));
void sz_ends_done(struct sz_ends *t);

static inline struct sz_end *sz_end_of(struct sz_timer *t)
{
	return (struct sz_end *)((char *)t - offsetof(struct sz_end, timer));
}

struct sz_end *sz_ends_find(const struct sz_ends *t, const void *key); /* NULL: it is not there */
/* The key must not be there. NULL: there is no room. */
struct sz_end *sz_ends_add(struct sz_ends *t, const void *key);
void sz_ends_forget(struct sz_ends *t, struct sz_end *e); /* its timer is not set */

/* What was just written to the map. Where there is no room the map itself must make it. */
void sz_ends_set(struct sz_wheel *w, struct sz_ends *t, const void *key, u64 expires_ns);
/* What was read, maybe a while ago: it makes a look earlier, never later. */
void sz_ends_note(struct sz_wheel *w, struct sz_ends *t, const void *key, u64 expires_ns);

/* Its key goes with the next sz_ends_take() or by a worker. */
void sz_ends_bury(struct sz_ends *t, struct sz_end *e);
/* These keys are gone from the map. */
void sz_ends_gone(struct sz_ends *t, const u8 *keys, u32 n);
/* Removes what is buried from the map, here and now. */
void sz_ends_take(struct sz_ends *t, const struct sz_kern *k);

/*
 * Forgets those among the next `max` places that no walk with this mark has seen; *place begins at
 * 0. True: there are more.
 */
bool sz_ends_sweep(struct sz_wheel *w, struct sz_ends *t, u32 mark, u32 *place, u32 max);

#endif

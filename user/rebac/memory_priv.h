/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The inside of the store in memory. Shared by memory.c, names.c and runs.c.
 */
#ifndef SZ_REBAC_MEMORY_PRIV_H
#define SZ_REBAC_MEMORY_PRIV_H

#include "rebac/rebac.h"

/* Zeroed; in huge pages where it is large, as looking things up is a walk over all memory. */
void *sz_rebac_memory_table(size_t n, size_t size);

/* ---- names.c -------------------------------------------------------------------------------- */

struct name_slot {
	u32 hash, id; /* id 0: empty */
	const char *text;
};

struct name_block {
	struct name_block *next;
	size_t size, used; /* with this head */
};

struct names {
	struct name_slot *slots;
	u32 mask, n;
	const char **text; /* of number 1..n */
	struct name_block *blocks;
	u64 key;
};

u32 sz_rebac_names_find(const struct names *t, const char *s, size_t n);
u32 sz_rebac_names_add(struct names *t, const char *s, size_t n, u32 max);
const char *sz_rebac_names_text(const struct names *t, u32 id);
void sz_rebac_names_done(struct names *t);

/* ---- runs.c: for each node, its edges in order ---------------------------------------------- */

#define CHUNK_MAX 256 /* edges in one piece */

/* The first piece of a run stands in the run itself; a long run has a list of them. */
struct chunk {
	struct sz_rebac_edge *edge;
	u32 n, room;
};

struct run {
	u64 node; /* 0: empty */
	u32 n_chunks;
	u32 pad;
	union {
		struct chunk one;    /* n_chunks 1 */
		struct chunk *chunk; /* more, in order, none empty */
	};
};

#define CHUNK_SIZES 8 /* 2, 4, ... CHUNK_MAX edges */

struct slab;

struct runs {
	struct run *slots;
	u32 mask, n;
	struct slab *slabs; /* memory of all pieces */
	struct sz_rebac_edge *spare[CHUNK_SIZES];
};

/* The edge's value, or NULL. */
const u32 *sz_rebac_runs_find(const struct runs *t, u64 key, u64 node);
u32 sz_rebac_runs_scan(const struct runs *t, u64 key, u64 from, u64 to, struct sz_rebac_edge *ret,
		       u32 max);
/* Asks memory for the runs and their first edges, all at once instead of one after the other. */
void sz_rebac_runs_soon(const struct runs *t, const u64 *keys, u32 n);
/* The edge must not be there. */
void sz_rebac_runs_add(struct runs *t, u64 key, u64 node, u32 value);
bool sz_rebac_runs_remove(struct runs *t, u64 key, u64 node);
void sz_rebac_runs_done(struct runs *t);

#endif

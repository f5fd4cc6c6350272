/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Consumes sz_misses and sz_events. Called by the daemon's loop when the ring's fd is readable.
 * A ring has one consumer: never use these from two threads or processes.
 */
#include <bpf/libbpf.h>

#include "kern/kern_priv.h"

#define STOP (-ECANCELED)

static int ring_index(enum sz_map ring)
{
	return ring == SZ_MAP_MISSES ? 0 : ring == SZ_MAP_EVENTS ? 1 : -EINVAL;
}

int sz_ring_fd(const struct sz_kern *k, enum sz_map ring)
{
	return ring_index(ring) < 0 ? -EINVAL : k->map_fd[ring];
}

/* libbpf releases the record also when it is told to stop, so the one that stops is not lost. */
static int one_record(void *ctx, void *record, size_t len)
{
	struct sz_ring *r = ctx;

	r->fn(record, len, r->arg);
	return ++r->count >= r->max ? STOP : 0;
}

int sz_ring_consume(struct sz_kern *k, enum sz_map ring, int max, sz_ring_fn fn, void *arg)
{
	int i = ring_index(ring), err;
	struct sz_ring *r;

	if (i < 0 || max < 1)
		return -EINVAL;
	r = &k->ring[i];
	if (!r->rb)
		r->rb = ring_buffer__new(k->map_fd[ring], one_record, r, NULL);
	if (!r->rb)
		return -errno;
	r->fn = fn;
	r->arg = arg;
	r->max = max;
	r->count = 0;
	err = ring_buffer__consume(r->rb);
	return err < 0 && err != STOP ? err : r->count;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads and writes map elements. Called by the daemon on its way to a verdict and by the CLI; adds
 * nothing to the system call but the names of errors.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <string.h>

#include "kern/kern_priv.h"

#define BATCH 512u /* entries first asked for at once */

int sz_map_get(const struct sz_kern *k, enum sz_map m, const void *key, void *ret_value)
{
	return bpf_map_lookup_elem(sz_kern_map_fd(k, m), key, ret_value);
}

static int put(const struct sz_kern *k, enum sz_map m, const void *key, const void *value,
	       u64 flags)
{
	int err = bpf_map_update_elem(sz_kern_map_fd(k, m), key, value, flags);

	return err == -ENOSPC ? -E2BIG : err; /* what a full LPM trie says */
}

int sz_map_put(const struct sz_kern *k, enum sz_map m, const void *key, const void *value)
{
	return put(k, m, key, value, BPF_ANY);
}

int sz_map_put_new(const struct sz_kern *k, enum sz_map m, const void *key, const void *value)
{
	return put(k, m, key, value, BPF_NOEXIST);
}

int sz_map_del(const struct sz_kern *k, enum sz_map m, const void *key)
{
	return bpf_map_delete_elem(sz_kern_map_fd(k, m), key);
}

int sz_kern_cpus(void)
{
	return libbpf_num_possible_cpus();
}

static bool is_percpu(u32 type)
{
	return type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_PERCPU_HASH;
}

static bool has_batches(u32 type)
{
	return type == BPF_MAP_TYPE_HASH || type == BPF_MAP_TYPE_LRU_HASH ||
	       type == BPF_MAP_TYPE_PERCPU_HASH;
}

/* Bytes the kernel copies for one element; per-CPU values are padded to 8 bytes each. */
static size_t element_size(const struct sz_map_shape *s)
{
	if (!is_percpu(s->type))
		return s->value_size;
	return ((size_t)s->value_size + 7) / 8 * 8 * (size_t)sz_kern_cpus();
}

/* A hash is read bucket by bucket; -ENOSPC means that one bucket holds more than was asked for. */
static int each_batch(int fd, const struct sz_map_shape *s, struct sz_map_cursor *c, u64 max,
		      sz_map_fn fn, void *arg)
{
	size_t value_size = element_size(s);
	u32 room = BATCH, n, i;
	char *keys = sz_calloc(room, s->key_size), *values = sz_calloc(room, value_size);
	u64 seen = 0;
	int err, ret = 0;

	do {
		n = room;
		err = bpf_map_lookup_batch(fd, c->started ? &c->place : NULL, &c->place, keys,
					   values, &n, NULL);
		if (err == -ENOSPC) {
			room *= 2;
			keys = sz_realloc(keys, room, s->key_size);
			values = sz_realloc(values, room, value_size);
			continue;
		}
		if (err && err != -ENOENT) {
			ret = err;
			break;
		}
		c->started = true;
		c->done = err == -ENOENT;
		seen += n;
		for (i = 0; !ret && i < n; i++)
			ret = fn(keys + (size_t)i * s->key_size, values + i * value_size, arg);
	} while (!ret && !c->done && seen < max);
	free(keys);
	free(values);
	return ret;
}

/*
 * The next key is read before the callback may delete this one. When somebody else deletes it
 * meanwhile the kernel begins again: the number of steps is bounded by what the map can hold.
 */
static int each_key(int fd, const struct sz_map_shape *s, sz_map_fn fn, void *arg)
{
	char *key = sz_calloc(1, s->key_size), *next = sz_calloc(1, s->key_size), *swap;
	void *value = sz_calloc(1, element_size(s));
	int err = bpf_map_get_next_key(fd, NULL, key), ret = 0;
	u32 steps;

	for (steps = 0; !ret && !err && steps < s->max_entries; steps++) {
		int got = bpf_map_lookup_elem(fd, key, value);

		err = bpf_map_get_next_key(fd, key, next);
		if (!got)
			ret = fn(key, value, arg);
		else if (got != -ENOENT)
			ret = got;
		swap = key;
		key = next;
		next = swap;
	}
	if (!ret && err && err != -ENOENT)
		ret = err;
	free(key);
	free(next);
	free(value);
	return ret;
}

int sz_map_each(const struct sz_kern *k, enum sz_map m, sz_map_fn fn, void *arg)
{
	struct sz_map_cursor c = { 0 };
	const struct sz_map_shape *s;

	if ((unsigned)m >= SZ_MAP_COUNT || k->shape[m].type == BPF_MAP_TYPE_RINGBUF)
		return -EINVAL;
	s = &k->shape[m];
	return has_batches(s->type) ? each_batch(k->map_fd[m], s, &c, UINT64_MAX, fn, arg) :
				      each_key(k->map_fd[m], s, fn, arg);
}

int sz_map_each_step(const struct sz_kern *k, enum sz_map m, struct sz_map_cursor *c, u32 max,
		     sz_map_fn fn, void *arg)
{
	if ((unsigned)m >= SZ_MAP_COUNT || !has_batches(k->shape[m].type))
		return -EOPNOTSUPP;
	return c->done ? 0 : each_batch(k->map_fd[m], &k->shape[m], c, max, fn, arg);
}

int sz_kern_counters(const struct sz_kern *k, enum sz_map m, u64 ret[SZ_REASON_MAX])
{
	int cpus = sz_kern_cpus(), err = 0, c;
	u64 *value;
	u32 r;

	if (m != SZ_MAP_COUNTERS && m != SZ_MAP_LOST)
		return -EINVAL;
	value = sz_calloc((size_t)cpus, sizeof(*value));
	for (r = 0; !err && r < SZ_REASON_MAX; r++) {
		ret[r] = 0;
		err = sz_map_get(k, m, &r, value);
		for (c = 0; !err && c < cpus; c++)
			ret[r] += value[c];
	}
	free(value);
	return err;
}

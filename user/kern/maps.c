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

/* So that nobody looks for names of a kind of which there are none: before the first is there. */
static void note_kind(const struct sz_kern *k, const struct sz_revoked *v)
{
	u32 bit = v->kind < SZ_REVOKE_KIND_COUNT ? 1u << v->kind : ~0u;

	if (k->config && !(__atomic_load_n(&k->config->revoked_kinds, __ATOMIC_SEQ_CST) & bit))
		__atomic_or_fetch(&k->config->revoked_kinds, bit, __ATOMIC_SEQ_CST);
}

static int put(const struct sz_kern *k, enum sz_map m, const void *key, const void *value,
	       u64 flags)
{
	int err;

	if (m == SZ_MAP_REVOKED)
		note_kind(k, value);
	err = bpf_map_update_elem(sz_kern_map_fd(k, m), key, value, flags);

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

int sz_map_put_batch(const struct sz_kern *k, enum sz_map m, const void *keys, const void *values,
		     u32 n, u32 *ret_done)
{
	u32 done = n;
	int err;

	*ret_done = 0;
	if (!n)
		return 0;
	err = bpf_map_update_batch(sz_kern_map_fd(k, m), keys, values, &done, NULL);
	*ret_done = done;
	return err == -ENOSPC ? -E2BIG : err;
}

int sz_map_del(const struct sz_kern *k, enum sz_map m, const void *key)
{
	return bpf_map_delete_elem(sz_kern_map_fd(k, m), key);
}

int sz_map_take(const struct sz_kern *k, enum sz_map m, const void *key, void *ret_value)
{
	return bpf_map_lookup_and_delete_elem(sz_kern_map_fd(k, m), key, ret_value);
}

int sz_map_del_batch(const struct sz_kern *k, enum sz_map m, const void *keys, u32 n)
{
	size_t size = (unsigned)m < SZ_MAP_COUNT ? k->shape[m].key_size : 0;
	u32 done = 0, count;
	int err = 0;

	while (done < n && (!err || err == -ENOENT)) {
		count = n - done;
		err = bpf_map_delete_batch(sz_kern_map_fd(k, m), (const u8 *)keys + done * size,
					   &count, NULL);
		done += count + (err == -ENOENT); /* the one behind them was missing */
	}
	return err == -ENOENT ? 0 : err;
}

int sz_map_first(const struct sz_kern *k, enum sz_map m, void *ret_key)
{
	return bpf_map_get_next_key(sz_kern_map_fd(k, m), NULL, ret_key);
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

void sz_map_batch_done(struct sz_map_batch *b)
{
	free(b->keys);
	free(b->values);
	memset(b, 0, sizeof(*b));
}

/* A hash is read bucket by bucket; -ENOSPC means that one bucket holds more than was asked for. */
int sz_map_read(const struct sz_kern *k, enum sz_map m, struct sz_map_cursor *c, u32 max,
		struct sz_map_batch *b)
{
	const struct sz_map_shape *s = (unsigned)m < SZ_MAP_COUNT ? &k->shape[m] : NULL;
	int err;

	if (!s || !max || s->key_size > sizeof(c->place) ||
	    !(has_batches(s->type) || s->type == BPF_MAP_TYPE_LPM_TRIE))
		return -EOPNOTSUPP;
	/* Memory that another map's entries had may be too small. */
	if (b->key_size != s->key_size || b->value_size != element_size(s))
		b->room = 0;
	b->key_size = s->key_size;
	b->value_size = element_size(s);
	do {
		if (b->room < max) {
			b->room = max;
			b->keys = sz_realloc(b->keys, b->room, b->key_size);
			b->values = sz_realloc(b->values, b->room, b->value_size);
		}
		b->n = b->room;
		err = bpf_map_lookup_batch(k->map_fd[m], c->started ? c->place : NULL, c->place,
					   b->keys, b->values, &b->n, NULL);
		max = b->room * 2;
	} while (err == -ENOSPC);
	if (err && err != -ENOENT) {
		b->n = 0;
		return err;
	}
	c->started = true;
	c->done = err == -ENOENT;
	return 0;
}

static int each_batch(const struct sz_kern *k, enum sz_map m, struct sz_map_cursor *c, u64 max,
		      sz_map_fn fn, void *arg)
{
	struct sz_map_batch b = { 0 };
	u64 seen = 0;
	int ret = 0;
	u32 i;

	do {
		ret = sz_map_read(k, m, c, max < BATCH ? (u32)max : BATCH, &b);
		seen += b.n;
		for (i = 0; !ret && i < b.n; i++)
			ret = fn(b.keys + i * b.key_size, b.values + i * b.value_size, arg);
	} while (!ret && !c->done && seen < max);
	sz_map_batch_done(&b);
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
	return has_batches(s->type) ? each_batch(k, m, &c, UINT64_MAX, fn, arg) :
				      each_key(k->map_fd[m], s, fn, arg);
}

int sz_map_each_step(const struct sz_kern *k, enum sz_map m, struct sz_map_cursor *c, u32 max,
		     sz_map_fn fn, void *arg)
{
	if (!max)
		return -EINVAL;
	return c->done ? 0 : each_batch(k, m, c, max, fn, arg);
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

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The store in memory: names, tuples from both sides, and the values of those with a condition.
 * For tests, for the command line, and in front of a store on disk.
 */
#include <sodium.h>
#include <string.h>
#include <sys/mman.h>

#include "memory_priv.h"

struct memory {
	struct sz_rebac_store base;
	struct names names[SZ_REBAC_KINDS];
	struct runs sides[2];
	struct sz_rebac_value *values; /* from 1 */
	u32 n_values, values_room;
	u32 free_value; /* a chain through `condition`; 0: none */
};

#define HUGE_PAGE (2u << 20)

void *sz_rebac_memory_table(size_t n, size_t size)
{
	size_t bytes = n * size;
	void *p;

	if (bytes < HUGE_PAGE)
		return sz_calloc(n, size);
	bytes = (bytes + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
	p = aligned_alloc(HUGE_PAGE, bytes);
	if (!p)
		return sz_calloc(n, size);
	madvise(p, bytes, MADV_HUGEPAGE); /* as good as before where there are none */
	memset(p, 0, bytes);
	return p;
}

static u32 memory_find(struct sz_rebac_store *s, enum sz_rebac_kind kind, const char *name,
		       size_t n)
{
	return sz_rebac_names_find(&((struct memory *)s)->names[kind], name, n);
}

static u32 memory_intern(struct sz_rebac_store *s, enum sz_rebac_kind kind, const char *name,
			 size_t n)
{
	u32 max = kind == SZ_REBAC_TYPES || kind == SZ_REBAC_RELATIONS ? 65535 : SZ_REBAC_LOCAL - 1;

	return sz_rebac_names_add(&((struct memory *)s)->names[kind], name, n, max);
}

static const char *memory_name(struct sz_rebac_store *s, enum sz_rebac_kind kind, u32 id)
{
	return sz_rebac_names_text(&((struct memory *)s)->names[kind], id);
}

static int memory_read(struct sz_rebac_store *s, u64 object, u64 user, u32 *ret_value)
{
	const u32 *value;

	value = sz_rebac_runs_find(&((struct memory *)s)->sides[SZ_REBAC_BY_OBJECT], object, user);
	if (!value)
		return -ENOENT;
	*ret_value = *value;
	return 0;
}

static int memory_scan(struct sz_rebac_store *s, enum sz_rebac_side side, u64 key, u64 from, u64 to,
		       struct sz_rebac_edge *ret, u32 max)
{
	return (int)sz_rebac_runs_scan(&((struct memory *)s)->sides[side], key, from, to, ret, max);
}

static void memory_soon(struct sz_rebac_store *s, const u64 *objects, u32 n)
{
	sz_rebac_runs_soon(&((struct memory *)s)->sides[SZ_REBAC_BY_OBJECT], objects, n);
}

static const struct sz_rebac_value *memory_value(struct sz_rebac_store *s, u32 value)
{
	return &((struct memory *)s)->values[value];
}

static u32 add_value(struct memory *m, const struct sz_rebac_value *v)
{
	u32 at = m->free_value;

	if (!v || !v->condition)
		return 0;
	if (at) {
		m->free_value = m->values[at].condition;
	} else {
		at = ++m->n_values;
		if (at >= m->values_room) {
			m->values_room = m->values_room ? 2 * m->values_room : 16;
			m->values = sz_realloc(m->values, m->values_room, sizeof(*m->values));
		}
	}
	m->values[at] = *v;
	json_incref((json_t *)v->context);
	return at;
}

static int memory_put(struct sz_rebac_store *s, u64 object, u64 user,
		      const struct sz_rebac_value *value)
{
	struct memory *m = (struct memory *)s;
	u32 at;

	if (sz_rebac_runs_find(&m->sides[SZ_REBAC_BY_OBJECT], object, user))
		return -EEXIST;
	at = add_value(m, value);
	sz_rebac_runs_add(&m->sides[SZ_REBAC_BY_OBJECT], object, user, at);
	sz_rebac_runs_add(&m->sides[SZ_REBAC_BY_USER], user, object, at);
	return 0;
}

static int memory_remove(struct sz_rebac_store *s, u64 object, u64 user)
{
	struct memory *m = (struct memory *)s;
	u32 at;

	if (memory_read(s, object, user, &at))
		return -ENOENT;
	sz_rebac_runs_remove(&m->sides[SZ_REBAC_BY_OBJECT], object, user);
	sz_rebac_runs_remove(&m->sides[SZ_REBAC_BY_USER], user, object);
	if (at) {
		json_decref((json_t *)m->values[at].context);
		m->values[at] = (struct sz_rebac_value){.condition = m->free_value};
		m->free_value = at;
	}
	return 0;
}

static void memory_free(struct sz_rebac_store *s)
{
	struct memory *m = (struct memory *)s;
	u32 i;

	for (i = 0; i < SZ_REBAC_KINDS; i++)
		sz_rebac_names_done(&m->names[i]);
	for (i = 0; i < 2; i++)
		sz_rebac_runs_done(&m->sides[i]);
	for (i = 1; i <= m->n_values; i++)
		json_decref((json_t *)m->values[i].context);
	free(m->values);
	free(m);
}

struct sz_rebac_store *sz_rebac_memory_new(void)
{
	static const struct sz_rebac_store_ops ops = {
		.find = memory_find,
		.intern = memory_intern,
		.name = memory_name,
		.read = memory_read,
		.scan = memory_scan,
		.soon = memory_soon,
		.value = memory_value,
		.put = memory_put,
		.remove = memory_remove,
		.free = memory_free,
	};
	struct memory *m = sz_calloc(1, sizeof(*m));
	u32 i;

	m->base.ops = &ops;
	for (i = 0; i < SZ_REBAC_KINDS; i++)
		randombytes_buf(&m->names[i].key, sizeof(m->names[i].key));
	memory_intern(&m->base, SZ_REBAC_IDS, "*", 1); /* SZ_REBAC_WILDCARD */
	return &m->base;
}

void sz_rebac_store_free(struct sz_rebac_store *s)
{
	if (s)
		s->ops->free(s);
}

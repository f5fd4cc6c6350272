/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Values and maps. A map keeps its entries in the order of insertion; one of more than a few gets
 * a hash index. Keys that are equal numbers of different types are the same key.
 */
#include <math.h>

#include "cel_priv.h"

#define LINEAR_MAX 8 /* entries that are searched without an index */

struct sz_cel_value sz_cel_bool(bool b)
{
	return (struct sz_cel_value){.type = SZ_CEL_BOOL, .b = b};
}

struct sz_cel_value sz_cel_int(s64 i)
{
	return (struct sz_cel_value){.type = SZ_CEL_INT, .i = i};
}

struct sz_cel_value sz_cel_uint(u64 u)
{
	return (struct sz_cel_value){.type = SZ_CEL_UINT, .u = u};
}

struct sz_cel_value sz_cel_double(double d)
{
	return (struct sz_cel_value){.type = SZ_CEL_DOUBLE, .d = d};
}

struct sz_cel_value sz_cel_string(const char *s, size_t n)
{
	return (struct sz_cel_value){.type = SZ_CEL_STRING, .n = (u32)n, .s = s};
}

struct sz_cel_value sz_cel_bytes(const char *s, size_t n)
{
	return (struct sz_cel_value){.type = SZ_CEL_BYTES, .n = (u32)n, .s = s};
}

struct sz_cel_value sz_cel_timestamp(s64 s, u32 ns)
{
	return (struct sz_cel_value){.type = SZ_CEL_TIMESTAMP, .n = ns, .i = s};
}

struct sz_cel_value sz_cel_duration(s64 ns)
{
	return (struct sz_cel_value){.type = SZ_CEL_DURATION, .i = ns};
}

struct sz_cel_value sz_cel_type_value(const char *name)
{
	return (struct sz_cel_value){.type = SZ_CEL_TYPE, .n = (u32)strlen(name), .s = name};
}

int sz_cel_ip(struct sz_cel_arena *a, const struct sz_addr *addr, struct sz_cel_value *ret)
{
	static const u8 mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct sz_cel_net *net = sz_cel_alloc(a, sizeof(*net));

	if (!net)
		return -ENOMEM;
	net->addr = *addr;
	net->v6 = memcmp(addr->b, mapped, sizeof(mapped)) != 0;
	net->prefix = net->v6 ? 128 : 32;
	*ret = (struct sz_cel_value){.type = SZ_CEL_IP, .net = net};
	return 0;
}

/* ---- keys ----------------------------------------------------------------------------------- */

/* A key as it is compared: text, or a number with its sign, or a truth value. */
struct key {
	const char *s; /* NULL: none */
	u64 u;
	u32 n;
	bool negative, boolean;
};

bool sz_cel_is_key(const struct sz_cel_value *v)
{
	return v->type == SZ_CEL_BOOL || v->type == SZ_CEL_INT || v->type == SZ_CEL_UINT ||
	       v->type == SZ_CEL_STRING;
}

static bool double_key(double d, struct key *ret)
{
	if (!(d > -0x1p63 && d < 0x1p64) || d != trunc(d))
		return false;
	ret->negative = d < 0;
	ret->u = d < 0 ? (u64)(s64)d : (u64)d;
	return true;
}

static bool key_of(const struct sz_cel_value *v, struct key *ret)
{
	*ret = (struct key){0};
	switch (v->type) {
	case SZ_CEL_STRING:
		ret->s = v->s ? v->s : "";
		ret->n = v->n;
		return true;
	case SZ_CEL_BOOL:
		ret->boolean = true;
		ret->u = v->b;
		return true;
	case SZ_CEL_INT:
		ret->negative = v->i < 0;
		ret->u = v->u;
		return true;
	case SZ_CEL_UINT:
		ret->u = v->u;
		return true;
	case SZ_CEL_DOUBLE:
		return double_key(v->d, ret);
	default:
		return false;
	}
}

static bool key_same(const struct key *k, const struct sz_cel_value *v)
{
	switch (v->type) {
	case SZ_CEL_STRING:
		return k->s && k->n == v->n && (!k->n || !memcmp(k->s, v->s, k->n));
	case SZ_CEL_BOOL:
		return !k->s && k->boolean && k->u == v->b;
	case SZ_CEL_INT:
		return !k->s && !k->boolean && k->u == v->u && k->negative == (v->i < 0);
	default:
		return !k->s && !k->boolean && k->u == v->u && !k->negative;
	}
}

static u32 key_hash(const struct key *k)
{
	return k->s ? sz_cel_hash(k->s, k->n) : sz_cel_hash((const char *)&k->u, sizeof(k->u));
}

/* ---- maps ----------------------------------------------------------------------------------- */

struct sz_cel_map *sz_cel_map_room(struct sz_cel_arena *a, u32 n)
{
	return sz_cel_alloc(a, sizeof(struct sz_cel_map) + (size_t)n * sizeof(struct entry));
}

static int seal_linear(const struct sz_cel_map *m, u32 *ret_twice)
{
	struct key k;
	u32 i, j;

	for (i = 1; i < m->n; i++) {
		key_of(&m->e[i].key, &k);
		for (j = 0; j < i; j++) {
			if (key_same(&k, &m->e[j].key)) {
				*ret_twice = i;
				return -EINVAL;
			}
		}
	}
	return 0;
}

int sz_cel_map_seal(struct sz_cel_arena *a, struct sz_cel_map *m, u32 *ret_twice)
{
	u32 i, at, size = 16;
	struct key k;

	if (m->n <= LINEAR_MAX)
		return seal_linear(m, ret_twice);
	while (size < m->n * 2)
		size *= 2;
	m->index = sz_cel_alloc(a, (size_t)size * sizeof(*m->index));
	if (!m->index)
		return -ENOMEM;
	m->mask = size - 1;
	for (i = 0; i < m->n; i++) {
		key_of(&m->e[i].key, &k);
		for (at = key_hash(&k) & m->mask; m->index[at]; at = (at + 1) & m->mask) {
			if (key_same(&k, &m->e[m->index[at] - 1].key)) {
				*ret_twice = i;
				return -EINVAL;
			}
		}
		m->index[at] = i + 1;
	}
	return 0;
}

int sz_cel_map(struct sz_cel_arena *a, const struct sz_cel_value *pairs, u32 n,
	       struct sz_cel_value *ret)
{
	struct sz_cel_map *m = sz_cel_map_room(a, n);
	bool partial = false;
	u32 i, twice;
	int err;

	if (!m)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		if (!sz_cel_is_key(&pairs[2 * i]))
			return -EINVAL;
		m->e[i].key = pairs[2 * i];
		m->e[i].value = pairs[2 * i + 1];
		partial |= is_partial(&m->e[i].value);
	}
	m->n = n;
	err = sz_cel_map_seal(a, m, &twice);
	if (!err)
		*ret = (struct sz_cel_value){
			.type = SZ_CEL_MAP, .partial = partial, .n = n, .map = m};
	return err;
}

static const struct sz_cel_value *find(const struct sz_cel_map *m, const struct key *k)
{
	u32 i, at;

	if (!m)
		return NULL;
	if (!m->index) {
		for (i = 0; i < m->n; i++)
			if (key_same(k, &m->e[i].key))
				return &m->e[i].value;
		return NULL;
	}
	for (at = key_hash(k) & m->mask; m->index[at]; at = (at + 1) & m->mask)
		if (key_same(k, &m->e[m->index[at] - 1].key))
			return &m->e[m->index[at] - 1].value;
	return NULL;
}

const struct sz_cel_value *sz_cel_map_get(const struct sz_cel_value *map,
					  const struct sz_cel_value *key)
{
	struct key k;

	return key_of(key, &k) ? find(map->map, &k) : NULL;
}

const struct sz_cel_value *sz_cel_map_find(const struct sz_cel_value *map, const char *s, u32 n)
{
	struct key k = {.s = s, .n = n};

	return find(map->map, &k);
}

void sz_cel_map_at(const struct sz_cel_value *map, u32 i, const struct sz_cel_value **ret_key,
		   const struct sz_cel_value **ret_value)
{
	*ret_key = &map->map->e[i].key;
	*ret_value = &map->map->e[i].value;
}

/* ---- lists ---------------------------------------------------------------------------------- */

struct sz_cel_value sz_cel_list(const struct sz_cel_value *v, u32 n)
{
	bool partial = false;
	u32 i;

	for (i = 0; i < n; i++)
		partial |= is_partial(&v[i]);
	return (struct sz_cel_value){.type = SZ_CEL_LIST, .partial = partial, .n = n, .list = v};
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The native machine under scene.h. Included by it alone. */
#ifndef SZ_TESTS_SCENE_NATIVE_H
#define SZ_TESTS_SCENE_NATIVE_H

#include "native.h"

static inline struct native_map *machine_map(const char *name)
{
	static const struct {
		const char *name;
		struct native_map *map;
	} maps[] = {
		{"sz_config", &sz_config},   {"sz_services", &sz_services},
		{"sz_syn", &sz_syn},         {"sz_allow", &sz_allow},
		{"sz_routes", &sz_routes},   {"sz_grants", &sz_grants},
		{"sz_requests", &sz_requests},
		{"sz_denied", &sz_denied},   {"sz_half", &sz_half},
		{"sz_flows", &sz_flows},     {"sz_tickets", &sz_tickets},
		{"sz_carry", &sz_carry},     {"sz_spill", &sz_spill},
		{"sz_sources", &sz_sources}, {"sz_limits", &sz_limits},
		{"sz_limit_counts", &sz_limit_counts},
		{"sz_buckets", &sz_buckets}, {"sz_networks", &sz_networks},
		{"sz_hits", &sz_hits},       {"sz_bans", &sz_bans},
		{"sz_answers", &sz_answers}, {"sz_counters", &sz_counters},
		{"sz_lost", &sz_lost},
	};

	for (u32 i = 0; i < sizeof(maps) / sizeof(*maps); i++)
		if (!strcmp(maps[i].name, name))
			return maps[i].map;
	abort();
}

static inline int machine_get(const char *name, const void *key, void *value)
{
	struct native_map *m = machine_map(name);
	void *v = sz_map_get(m, key);

	if (!v)
		return -ENOENT;
	memcpy(value, v, m->value_size);
	return 0;
}

static inline int machine_set(const char *name, const void *key, const void *value)
{
	int err = sz_map_set(machine_map(name), key, value);

	native_reap();
	return err;
}

static inline int machine_del(const char *name, const void *key)
{
	int err = sz_map_unset(machine_map(name), key);

	native_reap();
	return err;
}

/* A per-CPU counter by index or key, over all CPUs. */
static inline u64 machine_sum_key(const char *name, const void *key)
{
	u64 *v = sz_map_get(machine_map(name), key);

	return v ? *v : 0;
}

static inline u64 machine_sum(const char *name, u32 index)
{
	return machine_sum_key(name, &index);
}

/* One word of a counter of several. */
static inline u64 machine_sum_word(const char *name, u32 index, u32 word)
{
	u64 *v = sz_map_get(machine_map(name), &index);

	return v ? v[word] : 0;
}

static inline u64 machine_now(void)
{
	return native_now;
}

/* Time passes. */
static inline void machine_wait(u64 ns)
{
	native_now += ns;
}

/* Takes the oldest record of a ring; returns its length, 0 when there is none. */
static inline u32 machine_ring(const char *name, void *to, u32 max)
{
	struct native_ring *r = strcmp(name, "sz_misses") ? &sz_events : &sz_misses;
	u32 len;

	if (!r->n)
		return 0;
	len = r->rec[0].len;
	memcpy(to, r->rec[0].bytes, len < max ? len : max);
	free(r->rec[0].bytes);
	memmove(r->rec, r->rec + 1, --r->n * sizeof(*r->rec));
	return len;
}

/* How long a frame may become; a test that needs a tight one sets it after scene_begin(). */
static u32 machine_room;

static inline void machine_begin(void)
{
	native_clear();
	machine_room = PKT_MAX;
}

static inline int machine_in(void)
{
	/* What an earlier frame left behind must not matter: fill with what could pass. */
	u8 *data = malloc(PKT_MAX);
	struct sz_ctx ctx = {.data = data, .len = scene.in_len, .room = machine_room};
	int act;

	if (!data)
		abort();
	memset(native_scratch[0].frame, '\n', sizeof(native_scratch[0].frame));
	memcpy(data, scene.in, scene.in_len);
	act = native_ingress(&ctx);
	memcpy(scene.out, data, ctx.len);
	scene.out_len = ctx.len;
	free(data);
	return act == SZ_PASS ? SCENE_PASS : act == SZ_REPLY ? SCENE_REPLY : SCENE_DROP;
}

static inline void machine_out(void)
{
	native_egress(scene.in, scene.in_len, scene.forwarded);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Both machines under scene.h at once: every frame runs in the kernel and then natively, and after
 * each one everything is compared: verdict, bytes, flows, tickets, sources, principals, hits,
 * counters, ring records and the working memory. The first difference is printed and aborts.
 *
 * The programs read the kernel's clock, which nobody can set. What they read stays in their
 * working memory, so the native clock is set to exactly that before the native run. Time passes by
 * moving every time stamp in the maps of both machines into the past. The process stays on one CPU:
 * working memory is per CPU. Native working memory is poisoned, so nothing may depend on what an
 * earlier frame left behind.
 */
#ifndef SZ_TESTS_SCENE_BOTH_H
#define SZ_TESTS_SCENE_BOTH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/pkt_cls.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bpf_object.h"
#include "native.h"

#define BOTH_ENTRIES  256    /* of every map that is not smaller; no test gets near it */
#define BOTH_HITS     6      /* few, so that running out of rows is reached */
#define BOTH_LIMITS   48     /* rows of sz_limits, and sets of sz_buckets: compared each time */
#define BOTH_RING     262144 /* bytes; taken out after every frame */
#define BOTH_CPUS     256
#define BOTH_VALUE    32768  /* sz_config is the largest */
#define BOTH_KEY      256
#define BOTH_WORDS    8 /* of a counter per CPU */

/* Maps are compared after each frame unless only the test writes them. */
enum both_use { BOTH_GIVEN, BOTH_STATE, BOTH_SUMS };

struct both_map {
	const char *name;
	struct native_map *native;
	enum both_use use;
	int fd;
};

static struct both_map both_maps[] = {
	{"sz_config", &sz_config, BOTH_STATE, 0},
	{"sz_services", &sz_services, BOTH_GIVEN, 0},
	{"sz_syn", &sz_syn, BOTH_STATE, 0},
	{"sz_routes", &sz_routes, BOTH_GIVEN, 0},
	{"sz_grants", &sz_grants, BOTH_GIVEN, 0},
	{"sz_denied", &sz_denied, BOTH_GIVEN, 0},
	{"sz_requests", &sz_requests, BOTH_GIVEN, 0},
	{"sz_bans", &sz_bans, BOTH_GIVEN, 0},
	{"sz_allow", &sz_allow, BOTH_GIVEN, 0},
	{"sz_answers", &sz_answers, BOTH_GIVEN, 0},
	{"sz_half", &sz_half, BOTH_STATE, 0},
	{"sz_flows", &sz_flows, BOTH_STATE, 0},
	{"sz_tickets", &sz_tickets, BOTH_STATE, 0},
	{"sz_carry", &sz_carry, BOTH_STATE, 0},
	{"sz_spill", &sz_spill, BOTH_STATE, 0},
	{"sz_sources", &sz_sources, BOTH_STATE, 0},
	{"sz_limits", &sz_limits, BOTH_STATE, 0},
	{"sz_limit_counts", &sz_limit_counts, BOTH_SUMS, 0},
	{"sz_buckets", &sz_buckets, BOTH_STATE, 0},
	{"sz_networks", &sz_networks, BOTH_GIVEN, 0},
	{"sz_hits", &sz_hits, BOTH_SUMS, 0},
	{"sz_counters", &sz_counters, BOTH_SUMS, 0},
	{"sz_lost", &sz_lost, BOTH_SUMS, 0},
};
#define BOTH_MAPS (sizeof(both_maps) / sizeof(*both_maps))

/* The consumer's side of a ring buffer map. */
struct both_ring {
	unsigned long *taken; /* consumer position, ours to write */
	const unsigned long *made;
	const u8 *data;
	unsigned long held; /* while stalled: where the consumer really is */
	bool stalled;
	struct native_ring *native;
	u32 seen; /* native records compared so far */
};

static struct {
	struct bpf_object *obj;
	int ingress, egress, scratch, cpus, cpu;
	struct both_ring misses, events;
	u8 *slots; /* working memory of all CPUs, as a lookup returns it */
	u8 before[PKT_MAX];
} both;

static inline void both_must(bool ok, const char *what, const char *name)
{
	if (ok)
		return;
	fprintf(stderr, "kernel and native differ: %s %s\n", what, name);
	abort();
}

static inline void both_equal(const void *kernel, const void *native, u32 n, const char *what,
			      const char *name)
{
	const u8 *k = kernel, *v = native;

	for (u32 i = 0; i < n; i++) {
		if (k[i] == v[i])
			continue;
		fprintf(stderr, "at byte %u of %u: kernel %02x, native %02x\n", i, n, k[i], v[i]);
		both_must(false, what, name);
	}
}

/* ---- loading ---- */

static inline void both_ring_open(struct both_ring *r, const char *name, struct native_ring *native)
{
	int fd = bpf_object__find_map_fd_by_name(both.obj, name);
	long page = sysconf(_SC_PAGESIZE);
	u8 *shown;

	r->taken = mmap(NULL, (size_t)page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	shown = mmap(NULL, (size_t)page + 2 * BOTH_RING, PROT_READ, MAP_SHARED, fd, page);
	both_must(r->taken != MAP_FAILED && shown != MAP_FAILED, "cannot map", name);
	r->made = (const unsigned long *)(void *)shown;
	r->data = shown + page;
	r->native = native;
}

static inline void both_load(void)
{
	struct bpf_map *map;
	cpu_set_t one;
	u32 i;

	both.cpu = sched_getcpu();
	CPU_ZERO(&one);
	CPU_SET(both.cpu, &one);
	both_must(!sched_setaffinity(0, sizeof(one), &one), "cannot stay on one CPU", "");
	both.obj = bpf_object__open_mem(sz_bpf_object, sizeof(sz_bpf_object), NULL);
	both_must(both.obj != NULL, "cannot open", "object");
	bpf_object__for_each_map(map, both.obj)
	{
		if (bpf_map__type(map) == BPF_MAP_TYPE_RINGBUF)
			bpf_map__set_max_entries(map, BOTH_RING);
		else if (!strcmp(bpf_map__name(map), "sz_hits"))
			bpf_map__set_max_entries(map, BOTH_HITS);
		else if (!strcmp(bpf_map__name(map), "sz_limits") ||
			 !strcmp(bpf_map__name(map), "sz_limit_counts") ||
			 !strcmp(bpf_map__name(map), "sz_buckets"))
			bpf_map__set_max_entries(map, BOTH_LIMITS);
		else if (bpf_map__max_entries(map) > BOTH_ENTRIES)
			bpf_map__set_max_entries(map, BOTH_ENTRIES);
	}
	both_must(!bpf_object__load(both.obj), "cannot load", "object");
	both.ingress = bpf_program__fd(bpf_object__find_program_by_name(both.obj, "sz_ingress"));
	both.egress = bpf_program__fd(bpf_object__find_program_by_name(both.obj, "sz_egress"));
	both.scratch = bpf_object__find_map_fd_by_name(both.obj, "sz_scratch");
	both.cpus = libbpf_num_possible_cpus();
	both.slots = calloc((size_t)both.cpus, sizeof(struct sz_scratch));
	both_must(both.cpus <= BOTH_CPUS && both.slots, "too many", "CPUs");
	for (i = 0; i < BOTH_MAPS; i++) {
		struct both_map *m = &both_maps[i];

		m->fd = bpf_object__find_map_fd_by_name(both.obj, m->name);
		both_must(m->fd >= 0, "no map", m->name);
		if (m->native->kind != NATIVE_ARRAY)
			m->native->max = m->native == &sz_hits ? BOTH_HITS : BOTH_ENTRIES;
	}
	both_ring_open(&both.misses, "sz_misses", &sz_misses);
	both_ring_open(&both.events, "sz_events", &sz_events);
}

static inline struct both_map *both_map(const char *name)
{
	u32 i;

	for (i = 0; i < BOTH_MAPS; i++)
		if (!strcmp(both_maps[i].name, name))
			return &both_maps[i];
	abort();
}

/* ---- comparing ---- */

static inline const struct native_elem *both_native(const struct native_map *m, const void *key)
{
	const struct native_elem *e = m->list;

	while (e && memcmp(e->key, key, m->key_size))
		e = e->next;
	return e;
}

/* Bytes of a value that mean something: a beginning is kept in whole steps of a copy. */
static inline u32 both_meant(const struct both_map *m, const void *value)
{
	const struct sz_carry *c = value;

	if (m->native != &sz_carry || c->len > sizeof(c->bytes))
		return m->native->value_size;
	return (u32)offsetof(struct sz_carry, bytes) + c->len;
}

/* Every entry of a map of the kernel against the native ones. */
static inline void both_compare_map(const struct both_map *m)
{
	static u8 keys[BOTH_ENTRIES * BOTH_KEY], values[BOTH_ENTRIES * BOTH_VALUE];
	u32 per = m->native->value_size, count = BOTH_ENTRIES, n = 0, i;
	bool sums = m->use == BOTH_SUMS;
	u64 out = 0, sum[BOTH_WORDS];
	u32 words = per / 8, w;
	int err;

	if (sums)
		per *= (u32)both.cpus;
	both_must(!sums || words <= BOTH_WORDS, "too large:", m->name);
	both_must(per <= BOTH_VALUE && m->native->key_size <= BOTH_KEY, "too large:", m->name);
	err = bpf_map_lookup_batch(m->fd, NULL, &out, keys, values, &count, NULL);
	both_must(err == 0 || errno == ENOENT, "cannot read", m->name);
	for (i = 0; i < count; i++) {
		const u8 *key = keys + i * m->native->key_size, *value = values + i * per;
		const struct native_elem *e = both_native(m->native, key);

		memset(sum, 0, sizeof(sum));
		for (int c = 0; sums && c < both.cpus; c++)
			for (w = 0; w < words; w++)
				sum[w] += ((const u64 *)(const void *)value)[(u32)c * words + w];
		if (m->native->kind == NATIVE_ARRAY && !e) {
			for (w = 0; sums && w < words; w++)
				both_must(!sum[w], "counted by the kernel alone in", m->name);
			continue;
		}
		both_must(e != NULL, "only the kernel has an entry in", m->name);
		both_equal(sums ? (const void *)sum : value, e->value, both_meant(m, e->value),
			   "value in", m->name);
		n++;
	}
	both_must(n == m->native->n, "only the native machine has an entry in", m->name);
}

/* Records that the kernel wrote since the last frame, against the native ones. */
static inline void both_compare_ring(struct both_ring *r, const char *name)
{
	unsigned long at = *r->taken, made = __atomic_load_n(r->made, __ATOMIC_ACQUIRE);

	if (r->stalled) {
		both_must(made == r->held, "a full ring took a record:", name);
		return;
	}
	while (at < made) {
		const u8 *rec = r->data + (at & (BOTH_RING - 1));
		u32 len = *(const u32 *)(const void *)rec & 0x3fffffff;
		struct native_record *want;

		at += (len + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
		both_must(r->seen < r->native->n, "only the kernel wrote a record to", name);
		want = &r->native->rec[r->seen++];
		both_must(len == want->len, "length of a record in", name);
		if (r == &both.events) {
			/* A path is copied by whole words: what lies behind it is nobody's. */
			struct sz_event *e = (struct sz_event *)(void *)want->bytes;

			memcpy(e->path + e->path_len, rec + 8 + offsetof(struct sz_event, path) +
				e->path_len, sizeof(e->path) - e->path_len);
		}
		both_equal(rec + 8, want->bytes, len, "record in", name);
	}
	__atomic_store_n(r->taken, at, __ATOMIC_RELEASE);
	both_must(r->seen == r->native->n, "only the native machine wrote a record to", name);
}

static inline void both_compare(void)
{
	u32 i;

	for (i = 0; i < BOTH_MAPS; i++)
		if (both_maps[i].use != BOTH_GIVEN)
			both_compare_map(&both_maps[i]);
	both_compare_ring(&both.misses, "sz_misses");
	both_compare_ring(&both.events, "sz_events");
}

static inline const struct sz_scratch *both_slot(u32 slot)
{
	both_must(!bpf_map_lookup_elem(both.scratch, &slot, both.slots), "cannot read",
		  "sz_scratch");
	return (const struct sz_scratch *)(const void *)both.slots + both.cpu;
}

/* ---- the machine ---- */

static inline int machine_get(const char *name, const void *key, void *value)
{
	const struct both_map *m = both_map(name);
	const void *v = sz_map_get(m->native, key);

	if (!v)
		return -ENOENT;
	memcpy(value, v, m->native->value_size);
	return 0;
}

static inline int machine_set(const char *name, const void *key, const void *value)
{
	const struct both_map *m = both_map(name);
	int err = sz_map_set(m->native, key, value);

	native_reap();
	both_must(!bpf_map_update_elem(m->fd, key, value, BPF_ANY) == !err, "setting", name);
	return err;
}

static inline int machine_del(const char *name, const void *key)
{
	const struct both_map *m = both_map(name);
	int err = sz_map_unset(m->native, key);

	native_reap();
	both_must(!bpf_map_delete_elem(m->fd, key) == !err, "deleting from", name);
	return err;
}

static inline u64 machine_sum_key(const char *name, const void *key)
{
	const u64 *v = sz_map_get(both_map(name)->native, key);

	return v ? *v : 0;
}

static inline u64 machine_sum(const char *name, u32 index)
{
	return machine_sum_key(name, &index);
}

/* One word of a counter of several. */
static inline u64 machine_sum_word(const char *name, u32 index, u32 word)
{
	const u64 *v = sz_map_get(both_map(name)->native, &index);

	return v ? v[word] : 0;
}

static inline u64 machine_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (u64)t.tv_sec * 1000000000ull + (u64)t.tv_nsec;
}

static inline u32 machine_ring(const char *name, void *to, u32 max)
{
	struct both_ring *ring = strcmp(name, "sz_misses") ? &both.events : &both.misses;
	struct native_ring *r = ring->native;
	u32 len;

	if (!r->n)
		return 0;
	len = r->rec[0].len;
	memcpy(to, r->rec[0].bytes, len < max ? len : max);
	free(r->rec[0].bytes);
	memmove(r->rec, r->rec + 1, --r->n * sizeof(*r->rec));
	ring->seen--;
	return len;
}

/* A ring that is full: as if its reader had stopped a whole ring ago. */
static inline void machine_stall(const char *name, bool stall)
{
	struct both_ring *r = strcmp(name, "sz_misses") ? &both.events : &both.misses;

	if (stall == r->stalled)
		return;
	r->stalled = stall;
	r->native->max = stall ? 0 : ~0u;
	if (stall)
		r->held = *r->taken;
	__atomic_store_n(r->taken, stall ? r->held - BOTH_RING : r->held, __ATOMIC_RELEASE);
}

static inline void both_age(void *value, size_t at, u64 ns)
{
	u64 t;

	memcpy(&t, (u8 *)value + at, 8);
	if (t)
		t = t > ns ? t - ns : 1;
	memcpy((u8 *)value + at, &t, 8);
}

/* Where time stamps stand in the values. */
static const struct {
	struct native_map *map;
	size_t at;
} both_stamps[] = {
	{&sz_config, offsetof(struct sz_config, heartbeat_ns)},
	{&sz_limits, offsetof(struct sz_limit, tat)},
	{&sz_limits, offsetof(struct sz_limit, spare_tat)},
	{&sz_limits, offsetof(struct sz_limit, full_ns)},
	{&sz_buckets, offsetof(struct sz_bucket_set, full_ns)},
	{&sz_buckets, offsetof(struct sz_bucket_set, tat[0])},
	{&sz_buckets, offsetof(struct sz_bucket_set, tat[1])},
	{&sz_buckets, offsetof(struct sz_bucket_set, tat[2])},
	{&sz_buckets, offsetof(struct sz_bucket_set, tat[3])},
	{&sz_buckets, offsetof(struct sz_bucket_set, tat[4])},
	{&sz_buckets, offsetof(struct sz_bucket_set, tat[5])},
	{&sz_buckets, offsetof(struct sz_bucket_set, tat[6])},
	{&sz_buckets, offsetof(struct sz_bucket_set, tat[7])},
	{&sz_services, offsetof(struct sz_service, enforced_ns)},
	{&sz_config, offsetof(struct sz_config, cookie_until_ns)},
	{&sz_syn, offsetof(struct sz_syn, window_ns)},
	{&sz_syn, offsetof(struct sz_syn, pressure_ns)},
	{&sz_syn, offsetof(struct sz_syn, local_ns)},
	{&sz_syn, offsetof(struct sz_syn, routed_ns)},
	{&sz_grants, offsetof(struct sz_grant, expires_ns)},
	{&sz_grants, offsetof(struct sz_grant, created_ns)},
	{&sz_denied, offsetof(struct sz_denied, expires_ns)},
	{&sz_requests, offsetof(struct sz_request, expires_ns)},
	{&sz_bans, offsetof(struct sz_ban, expires_ns)},
	{&sz_half, offsetof(struct sz_flow, asked_ns)},
	{&sz_half, offsetof(struct sz_flow, seen_ns)},
	{&sz_half, offsetof(struct sz_flow, birth_ns)},
	{&sz_half, offsetof(struct sz_flow, quiet_ns)},
	{&sz_flows, offsetof(struct sz_flow, asked_ns)},
	{&sz_flows, offsetof(struct sz_flow, seen_ns)},
	{&sz_flows, offsetof(struct sz_flow, birth_ns)},
	{&sz_flows, offsetof(struct sz_flow, quiet_ns)},
	{&sz_tickets, offsetof(struct sz_ticket, expires_ns)},
	{&sz_tickets, offsetof(struct sz_ticket, birth_ns)},
	{&sz_carry, offsetof(struct sz_carry, birth_ns)},
	{&sz_carry, offsetof(struct sz_carry, time_ns)},
	{&sz_spill, offsetof(struct sz_spill, birth_ns)},
	{&sz_sources, offsetof(struct sz_source, seen_ns)},
};

/* Time passes. */
static inline void machine_wait(u64 ns)
{
	u32 i, j;

	for (i = 0; i < sizeof(both_stamps) / sizeof(*both_stamps); i++)
		for (struct native_elem *e = both_stamps[i].map->list; e; e = e->next)
			both_age(e->value, both_stamps[i].at, ns);
	for (j = 0; j < BOTH_MAPS; j++) {
		if (both_maps[j].native == &sz_answers || both_maps[j].use == BOTH_SUMS)
			continue;
		for (struct native_elem *e = both_maps[j].native->list; e; e = e->next)
			both_must(!bpf_map_update_elem(both_maps[j].fd, e->key, e->value, BPF_ANY),
				  "cannot age", both_maps[j].name);
	}
}

static inline void both_clear_kernel(void)
{
	static const u8 zero[BOTH_CPUS * sizeof(u64) + BOTH_VALUE];
	static u8 key[BOTH_KEY];
	u32 i, slot;

	for (i = 0; i < BOTH_MAPS; i++) {
		const struct both_map *m = &both_maps[i];

		if (m->native->kind == NATIVE_ARRAY) {
			/* What was never touched natively is zero in the kernel, too. */
			for (struct native_elem *e = m->native->list; e; e = e->next)
				both_must(!bpf_map_update_elem(m->fd, e->key, zero, BPF_ANY),
					  "cannot clear", m->name);
			continue;
		}
		while (!bpf_map_get_next_key(m->fd, NULL, key))
			both_must(!bpf_map_delete_elem(m->fd, key), "cannot clear", m->name);
	}
	memset(both.slots, 0, (size_t)both.cpus * sizeof(struct sz_scratch));
	for (slot = 0; slot < 2; slot++)
		both_must(!bpf_map_update_elem(both.scratch, &slot, both.slots, BPF_ANY),
			  "cannot clear", "sz_scratch");
}

static inline void machine_begin(void)
{
	if (!both.obj)
		both_load();
	machine_stall("sz_misses", false);
	machine_stall("sz_events", false);
	both_clear_kernel();
	native_clear();
	both.misses.seen = both.events.seen = 0;
	sz_misses.max = sz_events.max = ~0u;
}

/* What was made of the frame on its way, where the clock was read: the same in both. */
static inline void both_compare_slots(const struct sz_scratch *k, const struct sz_scratch *n)
{
	both_equal(&k->p, &n->p, sizeof(k->p), "working memory", "p");
	both_equal(&k->scan, &n->scan, sizeof(k->scan), "working memory", "scan");
	both_equal(&k->w, &n->w, sizeof(k->w), "working memory", "w");
	both_equal(&k->flow, &n->flow, sizeof(k->flow), "working memory", "flow");
}

static inline int machine_in(void)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = scene.in, .data_size_in = scene.in_len,
		    .data_out = scene.out, .data_size_out = sizeof(scene.out), .repeat = 1);
	struct sz_scratch *n = &native_scratch[0];
	const struct sz_scratch *k;
	struct sz_ctx ctx = {.len = scene.in_len, .room = PKT_MAX};
	int act, want;

	both_must(!bpf_prog_test_run_opts(both.ingress, &o), "cannot run", "sz_ingress");
	scene.out_len = o.data_size_out;
	k = both_slot(0);
	native_now = k->w.now;
	native_tcp.told = true;
	native_tcp.made = k->w.cookie ? (s64)k->w.cookie : -1;
	native_tcp.valid = k->w.cookie_ok;
	native_tcp.listening = k->w.listens;
	native_tcp.clock_ms = k->w.clock_ms;
	ctx.data = malloc(PKT_MAX);
	both_must(ctx.data != NULL, "no", "memory");
	memset(n->frame, '\n', sizeof(n->frame));
	memset(n->out, 0xee, sizeof(n->out));
	memcpy(ctx.data, scene.in, scene.in_len);
	act = sz_guard_ingress(&ctx, n, 1, 0);
	native_reap();
	want = o.retval == XDP_PASS ? SZ_PASS : o.retval == XDP_TX ? SZ_REPLY : SZ_DROP;
	both_must(o.retval == XDP_PASS || o.retval == XDP_TX || o.retval == XDP_DROP,
		  "not a verdict of", "sz_ingress");
	if (act != want)
		fprintf(stderr, "kernel %d, native %d\n", want, act);
	both_must(act == want, "verdict of", "sz_ingress");
	if (act != SZ_DROP) {
		both_must(ctx.len == scene.out_len, "length of the frame from", "sz_ingress");
		both_equal(scene.out, ctx.data, ctx.len, "frame from", "sz_ingress");
	}
	free(ctx.data);
	both_compare_slots(k, n);
	both_compare();
	return act == SZ_PASS ? SCENE_PASS : act == SZ_REPLY ? SCENE_REPLY : SCENE_DROP;
}

static inline void machine_out(void)
{
	struct __sk_buff skb = {.ingress_ifindex = scene.forwarded};
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = scene.in, .data_size_in = scene.in_len,
		    .data_out = scene.out, .data_size_out = sizeof(scene.out), .repeat = 1,
		    .ctx_in = &skb, .ctx_size_in = sizeof(skb));
	const struct sz_scratch *k;

	both_must(!bpf_prog_test_run_opts(both.egress, &o), "cannot run", "sz_egress");
	both_must((int)o.retval == TC_ACT_UNSPEC && o.data_size_out == scene.in_len &&
		  !memcmp(scene.out, scene.in, scene.in_len), "changed by", "sz_egress");
	k = both_slot(1);
	native_now = k->flow.birth_ns;
	memset(native_scratch[1].frame, '\n', sizeof(native_scratch[1].frame));
	native_egress(scene.in, scene.in_len, scene.forwarded);
	both_compare_slots(k, &native_scratch[1]);
	both_compare();
}

#endif

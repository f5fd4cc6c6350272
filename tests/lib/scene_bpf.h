/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel as the machine under scene.h: the object that is built, with private maps, run frame
 * by frame through BPF_PROG_TEST_RUN. Included by scene.h alone.
 */
#ifndef SZ_TESTS_SCENE_BPF_H
#define SZ_TESTS_SCENE_BPF_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/pkt_cls.h>
#include <time.h>
#include <unistd.h>

#include "subzero/digest.h"

#define MACHINE_OBJECT  "build/subzero.bpf.o"
#define MACHINE_RECORDS 512

struct machine_record {
	u32 len;
	u8 *bytes;
};

struct machine_queue {
	struct ring_buffer *rb;
	struct machine_record rec[MACHINE_RECORDS];
	u32 head, tail;
};

static struct {
	struct bpf_object *obj;
	bool loaded;
	int ingress, egress;
	struct machine_queue misses, events;
} machine;

#define MACHINE_RING 65536 /* bytes */

static inline int machine_map(const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(machine.obj, name);

	if (fd < 0) {
		printf("Bail out! no map %s\n", name);
		exit(1);
	}
	return fd;
}

static inline int machine_get(const char *name, const void *key, void *value)
{
	return bpf_map_lookup_elem(machine_map(name), key, value) ? -errno : 0;
}

static inline int machine_set(const char *name, const void *key, const void *value)
{
	return bpf_map_update_elem(machine_map(name), key, value, BPF_ANY) ? -errno : 0;
}

static inline int machine_del(const char *name, const void *key)
{
	return bpf_map_delete_elem(machine_map(name), key) ? -errno : 0;
}

static inline u64 machine_sum_key(const char *name, const void *key)
{
	u64 v[256] = {}, sum = 0;

	if (bpf_map_lookup_elem(machine_map(name), key, v))
		return 0;
	for (int i = 0; i < libbpf_num_possible_cpus() && i < 256; i++)
		sum += v[i];
	return sum;
}

static inline u64 machine_sum(const char *name, u32 index)
{
	return machine_sum_key(name, &index);
}

/* One word of a counter of several. */
static inline u64 machine_sum_word(const char *name, u32 index, u32 word)
{
	struct bpf_map *map = bpf_object__find_map_by_name(machine.obj, name);
	u32 words = bpf_map__value_size(map) / 8;
	static u64 v[256 * 8];
	u64 sum = 0;

	ASSERT_TRUE(words <= 8 && libbpf_num_possible_cpus() <= 256);
	if (bpf_map_lookup_elem(bpf_map__fd(map), &index, v))
		return 0;
	for (u32 i = 0; i < (u32)libbpf_num_possible_cpus(); i++)
		sum += v[i * words + word];
	return sum;
}

static inline u64 machine_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (u64)t.tv_sec * 1000000000ull + (u64)t.tv_nsec;
}

/* Time passes. */
static inline void machine_wait(u64 ns)
{
	struct timespec t = {(time_t)(ns / 1000000000ull), (long)(ns % 1000000000ull)};

	nanosleep(&t, NULL);
}

static inline int machine_record(void *arg, void *data, size_t len)
{
	struct machine_queue *q = arg;
	struct machine_record *r = &q->rec[q->tail++ % MACHINE_RECORDS];

	r->len = (u32)len;
	r->bytes = malloc(len);
	if (!r->bytes || q->tail - q->head > MACHINE_RECORDS)
		abort();
	memcpy(r->bytes, data, len);
	return 0;
}

static inline u32 machine_ring(const char *name, void *to, u32 max)
{
	struct machine_queue *q = strcmp(name, "sz_misses") ? &machine.events : &machine.misses;
	struct machine_record *r;
	u32 len;

	ring_buffer__consume(q->rb);
	if (q->head == q->tail)
		return 0;
	r = &q->rec[q->head++ % MACHINE_RECORDS];
	len = r->len;
	memcpy(to, r->bytes, len < max ? len : max);
	free(r->bytes);
	return len;
}

static inline void machine_queue_clear(struct machine_queue *q)
{
	do {
		while (q->head != q->tail)
			free(q->rec[q->head++ % MACHINE_RECORDS].bytes);
	} while (ring_buffer__consume(q->rb) > 0);
}

static inline void machine_queue_done(struct machine_queue *q)
{
	if (!q->rb)
		return;
	machine_queue_clear(q);
	ring_buffer__free(q->rb);
	q->rb = NULL;
}

static inline void machine_end(void)
{
	machine_queue_done(&machine.misses);
	machine_queue_done(&machine.events);
	bpf_object__close(machine.obj);
	memset(&machine, 0, sizeof(machine));
}

static inline void machine_clear_map(const struct bpf_map *map)
{
	static u8 key[1024], zero[65536];
	int fd = bpf_map__fd(map);

	switch (bpf_map__type(map)) {
	case BPF_MAP_TYPE_RINGBUF:
		return;
	case BPF_MAP_TYPE_ARRAY:
	case BPF_MAP_TYPE_PERCPU_ARRAY:
		if (!strcmp(bpf_map__name(map), "sz_scratch"))
			return;
		for (u32 i = 0; i < bpf_map__max_entries(map); i++)
			EXPECT_EQ(bpf_map_update_elem(fd, &i, zero, BPF_ANY), 0);
		return;
	default:
		ASSERT_TRUE(bpf_map__key_size(map) <= sizeof(key));
		while (!bpf_map_get_next_key(fd, NULL, key))
			ASSERT_EQ(bpf_map_delete_elem(fd, key), 0);
	}
}

/* Loading takes most of a second, so the tests of one program share an object. */
static inline void machine_clear(void)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, machine.obj) machine_clear_map(map);
	machine_queue_clear(&machine.misses);
	machine_queue_clear(&machine.events);
}

static inline void machine_begin(void)
{
	struct bpf_map *map;

	if (geteuid())
		SKIP("needs root");
	if (machine.loaded) {
		machine_clear();
		return;
	}
	machine_end();
	machine.obj = bpf_object__open_file(MACHINE_OBJECT, NULL);
	ASSERT_TRUE(machine.obj != NULL);
	bpf_object__for_each_map(map, machine.obj)
	{
		if (bpf_map__type(map) == BPF_MAP_TYPE_RINGBUF)
			bpf_map__set_max_entries(map, MACHINE_RING);
		else if (bpf_map__max_entries(map) > 256)
			bpf_map__set_max_entries(map, 256);
	}
	ASSERT_EQ(bpf_object__load(machine.obj), 0);
	machine.ingress =
		bpf_program__fd(bpf_object__find_program_by_name(machine.obj, "sz_ingress"));
	machine.egress =
		bpf_program__fd(bpf_object__find_program_by_name(machine.obj, "sz_egress"));
	machine.misses.rb =
		ring_buffer__new(machine_map("sz_misses"), machine_record, &machine.misses, NULL);
	machine.events.rb =
		ring_buffer__new(machine_map("sz_events"), machine_record, &machine.events, NULL);
	ASSERT_TRUE(machine.misses.rb && machine.events.rb);
	machine.loaded = true;
}

static inline int machine_in(void)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = scene.in, .data_size_in = scene.in_len,
		    .data_out = scene.out, .data_size_out = sizeof(scene.out), .repeat = 1);

	ASSERT_EQ(bpf_prog_test_run_opts(machine.ingress, &o), 0);
	scene.out_len = o.data_size_out;
	return o.retval == XDP_PASS ? SCENE_PASS : o.retval == XDP_TX ? SCENE_REPLY : SCENE_DROP;
}

static inline void machine_out(void)
{
	struct __sk_buff skb = {.ingress_ifindex = scene.forwarded};
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = scene.in, .data_size_in = scene.in_len,
		    .data_out = scene.out, .data_size_out = sizeof(scene.out), .repeat = 1,
		    .ctx_in = &skb, .ctx_size_in = sizeof(skb));

	ASSERT_EQ(bpf_prog_test_run_opts(machine.egress, &o), 0);
	EXPECT_EQ((int)o.retval, TC_ACT_UNSPEC);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Maps, rings and injection through the room kern, on the running kernel. */
#include "harness.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sys/socket.h>

#include "kern_ground.h"

struct seen {
	const struct sz_kern *k;
	enum sz_map map;
	u64 n, sum;
	int stop_at;
	bool delete;
};

static int count(const void *key, const void *value, void *arg)
{
	struct seen *s = arg;

	s->n++;
	if (s->map == SZ_MAP_GRANTS)
		s->sum += ((const struct sz_grant *)value)->principal;
	if (s->delete)
		EXPECT_EQ(sz_map_del(s->k, s->map, key), 0);
	return s->stop_at && s->n == (u64)s->stop_at ? 123 : 0;
}

TEST(each_visits_every_entry_of_a_hash_once_and_may_delete_it)
{
	struct sz_kern *k;
	struct seen s;
	u32 i;

	begin();
	k = load();
	for (i = 1; i <= 1700; i++) {
		struct sz_grant_key key = { .token.w[0] = i };
		struct sz_grant g = { .principal = i };

		ASSERT_EQ(sz_map_put_new(k, SZ_MAP_GRANTS, &key, &g), 0);
	}
	s = (struct seen){ .k = k, .map = SZ_MAP_GRANTS };
	EXPECT_EQ(sz_map_each(k, SZ_MAP_GRANTS, count, &s), 0);
	EXPECT_EQ(s.n, 1700);
	EXPECT_EQ(s.sum, 1700 * 1701 / 2);
	s = (struct seen){ .k = k, .map = SZ_MAP_GRANTS, .stop_at = 5 };
	EXPECT_EQ(sz_map_each(k, SZ_MAP_GRANTS, count, &s), 123);
	EXPECT_EQ(s.n, 5);
	s = (struct seen){ .k = k, .map = SZ_MAP_GRANTS, .delete = true };
	EXPECT_EQ(sz_map_each(k, SZ_MAP_GRANTS, count, &s), 0);
	EXPECT_EQ(s.n, 1700);
	s = (struct seen){ .k = k, .map = SZ_MAP_GRANTS };
	EXPECT_EQ(sz_map_each(k, SZ_MAP_GRANTS, count, &s), 0);
	EXPECT_EQ(s.n, 0);
	sz_kern_close(k);
}

TEST(a_walk_in_steps_visits_every_entry_once_and_tells_its_end)
{
	struct sz_map_cursor c = { 0 };
	unsigned steps = 0;
	struct sz_kern *k;
	struct seen s;
	u64 before;
	u32 i;

	begin();
	k = load();
	for (i = 1; i <= 1700; i++) {
		struct sz_grant_key key = { .token.w[0] = i };
		struct sz_grant g = { .principal = i };

		ASSERT_EQ(sz_map_put_new(k, SZ_MAP_GRANTS, &key, &g), 0);
	}
	s = (struct seen){ .k = k, .map = SZ_MAP_GRANTS };
	while (!c.done && steps < 100) {
		before = s.n;
		ASSERT_EQ(sz_map_each_step(k, SZ_MAP_GRANTS, &c, 100, count, &s), 0);
		EXPECT_TRUE(s.n - before <= 1024);
		steps++;
	}
	EXPECT_TRUE(steps > 2 && steps < 100);
	EXPECT_EQ(s.n, 1700);
	EXPECT_EQ(s.sum, 1700 * 1701 / 2);
	/* Behind the end there is nothing. */
	EXPECT_EQ(sz_map_each_step(k, SZ_MAP_GRANTS, &c, 100, count, &s), 0);
	EXPECT_EQ(s.n, 1700);
	c = (struct sz_map_cursor){ 0 };
	EXPECT_EQ(sz_map_each_step(k, SZ_MAP_DENIED, &c, 100, count, &s), 0);
	EXPECT_TRUE(c.done);
	c = (struct sz_map_cursor){ 0 };
	EXPECT_EQ(sz_map_each_step(k, SZ_MAP_CONFIG, &c, 100, count, &s), -EOPNOTSUPP);
	EXPECT_EQ(sz_map_each_step(k, SZ_MAP_GRANTS, &c, 0, count, &s), -EINVAL);
	sz_kern_close(k);
}

TEST(a_trie_is_walked_in_steps_too)
{
	struct sz_map_cursor c = { 0 };
	unsigned steps = 0;
	struct sz_kern *k;
	struct seen s;
	u32 i;

	begin();
	k = load();
	for (i = 0; i < 500; i++) {
		struct sz_ban_key key = { .prefixlen = 128 };
		struct sz_ban ban = { 0 };

		memcpy(&key.addr, &i, sizeof(i));
		ASSERT_EQ(sz_map_put(k, SZ_MAP_BANS, &key, &ban), 0);
	}
	s = (struct seen){ .k = k, .map = SZ_MAP_BANS };
	while (!c.done && steps++ < 100)
		ASSERT_EQ(sz_map_each_step(k, SZ_MAP_BANS, &c, 64, count, &s), 0);
	EXPECT_EQ(s.n, 500);
	EXPECT_TRUE(steps >= 500 / 64);
	sz_kern_close(k);
}

TEST(a_batch_of_deletions_leaves_out_what_is_not_there)
{
	struct sz_grant_key keys[300], first;
	struct sz_kern *k;
	struct seen s;
	u32 i;

	begin();
	k = load();
	EXPECT_EQ(sz_map_first(k, SZ_MAP_GRANTS, &first), -ENOENT);
	for (i = 0; i < 300; i++) {
		struct sz_grant g = { .principal = i };

		keys[i] = (struct sz_grant_key){ .token.w[0] = i };
		if (i % 7 && i < 299)
			ASSERT_EQ(sz_map_put(k, SZ_MAP_GRANTS, &keys[i], &g), 0);
	}
	ASSERT_EQ(sz_map_put(k, SZ_MAP_GRANTS, &(struct sz_grant_key){ .token.w[0] = 999 },
			     &(struct sz_grant){ .principal = 999 }), 0);
	EXPECT_EQ(sz_map_del_batch(k, SZ_MAP_GRANTS, keys, 300), 0);
	s = (struct seen){ .k = k, .map = SZ_MAP_GRANTS };
	EXPECT_EQ(sz_map_each(k, SZ_MAP_GRANTS, count, &s), 0);
	EXPECT_EQ(s.n, 1);
	EXPECT_EQ(s.sum, 999);
	EXPECT_EQ(sz_map_first(k, SZ_MAP_GRANTS, &first), 0);
	EXPECT_EQ(first.token.w[0], 999);
	EXPECT_EQ(sz_map_del_batch(k, SZ_MAP_GRANTS, keys, 0), 0);
	sz_kern_close(k);
}

TEST(each_walks_a_trie_and_may_delete_from_it)
{
	struct sz_kern *k;
	struct seen s;
	u32 i;

	begin();
	k = load();
	for (i = 0; i < 100; i++) {
		struct sz_ban_key key = { .prefixlen = 128 };
		struct sz_ban ban = { .source = 1 };

		key.addr.b[15] = (u8)i;
		ASSERT_EQ(sz_map_put(k, SZ_MAP_BANS, &key, &ban), 0);
	}
	s = (struct seen){ .k = k, .map = SZ_MAP_BANS, .delete = true };
	EXPECT_EQ(sz_map_each(k, SZ_MAP_BANS, count, &s), 0);
	EXPECT_EQ(s.n, 100);
	s = (struct seen){ .k = k, .map = SZ_MAP_BANS };
	EXPECT_EQ(sz_map_each(k, SZ_MAP_BANS, count, &s), 0);
	EXPECT_EQ(s.n, 0);
	s = (struct seen){ .k = k, .map = SZ_MAP_ANSWERS };
	EXPECT_EQ(sz_map_each(k, SZ_MAP_ANSWERS, count, &s), 0);
	EXPECT_EQ(s.n, SZ_ANSWERS_MAX);
	EXPECT_EQ(sz_map_each(k, SZ_MAP_EVENTS, count, &s), -EINVAL);
	sz_kern_close(k);
}

static int sum_cpus(const void *key, const void *value, void *arg)
{
	const u64 *v = value;
	u64 *sum = arg;
	int c;

	EXPECT_EQ(((const struct sz_hit_key *)key)->service, 9);
	for (c = 0; c < sz_kern_cpus(); c++)
		*sum += v[c];
	return 0;
}

TEST(per_cpu_values_arrive_for_every_cpu)
{
	struct sz_hit_key key = { .service = 9 };
	u64 *v = calloc((size_t)sz_kern_cpus(), sizeof(*v)), sum = 0, total[SZ_REASON_MAX];
	u32 reason = SZ_R_BANNED;
	struct sz_kern *k;
	int c;

	begin();
	k = load();
	for (c = 0; c < sz_kern_cpus(); c++)
		v[c] = 1000 + (u64)c;
	for (key.route = 0; key.route < 600; key.route++)
		ASSERT_EQ(sz_map_put(k, SZ_MAP_HITS, &key, v), 0);
	EXPECT_EQ(sz_map_each(k, SZ_MAP_HITS, sum_cpus, &sum), 0);
	for (c = 0; c < sz_kern_cpus(); c++)
		sum -= 600 * v[c];
	EXPECT_EQ(sum, 0);
	EXPECT_EQ(sz_map_put(k, SZ_MAP_LOST, &reason, v), 0);
	EXPECT_EQ(sz_kern_counters(k, SZ_MAP_LOST, total), 0);
	for (c = 0; c < sz_kern_cpus(); c++)
		total[SZ_R_BANNED] -= v[c];
	EXPECT_EQ(total[SZ_R_BANNED], 0);
	EXPECT_EQ(total[SZ_R_HIT], 0);
	EXPECT_EQ(sz_kern_counters(k, SZ_MAP_CONFIG, total), -EINVAL);
	free(v);
	sz_kern_close(k);
}

TEST(map_errors_have_names)
{
	struct sz_kern_options o = { .pin_dir = pins, .max_grants = 4 };
	struct sz_grant_key key = { 0 };
	struct sz_grant g = { 0 };
	struct sz_kern *k = NULL;

	begin();
	ASSERT_EQ(sz_kern_load(&o, &k, &e), 0);
	EXPECT_EQ(sz_map_get(k, SZ_MAP_GRANTS, &key, &g), -ENOENT);
	EXPECT_EQ(sz_map_del(k, SZ_MAP_GRANTS, &key), -ENOENT);
	for (key.service = 0; key.service < 4; key.service++)
		EXPECT_EQ(sz_map_put_new(k, SZ_MAP_GRANTS, &key, &g), 0);
	EXPECT_EQ(sz_map_put(k, SZ_MAP_GRANTS, &key, &g), -E2BIG);
	key.service = 0;
	EXPECT_EQ(sz_map_put_new(k, SZ_MAP_GRANTS, &key, &g), -EEXIST);
	EXPECT_EQ(sz_map_put(k, SZ_MAP_GRANTS, &key, &g), 0);
	sz_kern_close(k);
}

/* ---- rings ---------------------------------------------------------------------------------- */

/* A program that appends eight bytes to the ring each time it runs. */
static int ring_writer(int ring_fd)
{
	struct bpf_insn insn[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 1, .imm = 0x5a },
		{ .code = BPF_STX | BPF_MEM | BPF_DW, .dst_reg = 10, .src_reg = 1, .off = -8 },
		{ .code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_FD,
		  .imm = ring_fd },
		{ 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 2, .src_reg = 10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 2, .imm = -8 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = 8 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 4, .imm = 0 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_ringbuf_output },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 2 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "ring_writer", "GPL", insn, SZ_ARRAY_LEN(insn),
			     NULL);
}

static void take(const void *record, size_t len, void *arg)
{
	EXPECT_EQ(len, 8);
	EXPECT_EQ(*(const u64 *)record, 0x5a);
	++*(int *)arg;
}

TEST(a_ring_is_pollable_and_consumed_in_bounded_steps)
{
	u8 frame[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = 10);
	struct pollfd p = { .events = POLLIN };
	struct sz_kern *k;
	int fd, n = 0;

	begin();
	k = load();
	p.fd = sz_ring_fd(k, SZ_MAP_EVENTS);
	EXPECT_EQ(p.fd, sz_kern_map_fd(k, SZ_MAP_EVENTS));
	EXPECT_EQ(sz_ring_fd(k, SZ_MAP_GRANTS), -EINVAL);
	EXPECT_EQ(poll(&p, 1, 0), 0);
	EXPECT_EQ(sz_ring_consume(k, SZ_MAP_EVENTS, 4, take, &n), 0);
	fd = ring_writer(p.fd);
	ASSERT_EQ(bpf_prog_test_run_opts(fd, &opts), 0);
	EXPECT_EQ(poll(&p, 1, 1000), 1);
	EXPECT_EQ(sz_ring_consume(k, SZ_MAP_EVENTS, 4, take, &n), 4);
	EXPECT_EQ(n, 4);
	EXPECT_EQ(poll(&p, 1, 0), 1);
	EXPECT_EQ(sz_ring_consume(k, SZ_MAP_EVENTS, 4, take, &n), 4);
	EXPECT_EQ(sz_ring_consume(k, SZ_MAP_EVENTS, 4, take, &n), 2);
	EXPECT_EQ(n, 10);
	EXPECT_EQ(poll(&p, 1, 0), 0);
	EXPECT_EQ(sz_ring_consume(k, SZ_MAP_GRANTS, 4, take, &n), -EINVAL);
	close(fd);
	sz_kern_close(k);
}

/* ---- injection ------------------------------------------------------------------------------ */

/* IPv4 TCP to 192.0.2.2:9 with a partial checksum: only the pseudo-header's sum. */
static size_t tcp_frame(u8 *f, size_t payload)
{
	static const u8 head[54] = {
		2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0,                          /* Ethernet */
		0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, /* IPv4 */
		0x80, 1, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0xff, 0, 0, 0, 0, 0,  /* TCP */
	};
	u32 sum = 6 + 20 + (u32)payload;
	size_t i;

	memcpy(f, head, sizeof(head));
	memset(f + sizeof(head), 'x', payload);
	f[16] = (u8)((40 + payload) >> 8);
	f[17] = (u8)(40 + payload);
	for (i = 26; i < 34; i += 2)
		sum += (u32)(f[i] << 8 | f[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	f[50] = (u8)(sum >> 8);
	f[51] = (u8)sum;
	return sizeof(head) + payload;
}

TEST(an_injected_frame_arrives_with_a_completed_checksum)
{
	u8 frame[2048], got[2048];
	size_t len = tcp_frame(frame, 700);
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) };
	struct timeval patience = { .tv_sec = 2 };
	struct sz_kern *k;
	int s;

	begin();
	k = load();
	ASSERT_EQ(sz_kern_attach(k, "v0", 0, NULL, &e), 0);
	at.sll_ifindex = (int)if_nametoindex("v0");
	s = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_IP));
	ASSERT_EQ(bind(s, (struct sockaddr *)&at, sizeof(at)), 0);
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	ASSERT_EQ(sz_kern_inject(k, (u32)at.sll_ifindex, frame, len), 0);
	EXPECT_EQ(sz_frame_checksum(frame, len), 1);
	EXPECT_EQ(recv(s, got, sizeof(got), 0), len);
	EXPECT_MEMEQ(got, frame, len);
	close(s);
	sz_kern_close(k);
}

TEST(frames_that_cannot_be_put_back_are_named)
{
	static u8 frame[16384];
	struct sz_kern *k;
	u32 ifindex;
	size_t len;

	begin();
	k = load();
	ASSERT_EQ(sz_kern_attach(k, "v0", 0, NULL, &e), 0);
	ifindex = if_nametoindex("v0");
	len = tcp_frame(frame, 100);
	frame[60] ^= 1;
	frame[50] ^= 1;
	EXPECT_EQ(sz_kern_inject(k, ifindex, frame, len), -EBADMSG);
	len = tcp_frame(frame, 3000 - 54);
	EXPECT_EQ(sz_kern_inject(k, ifindex, frame, len), 0);
	len = tcp_frame(frame, 3500 - 54);
	EXPECT_EQ(sz_kern_inject(k, ifindex, frame, len), -EMSGSIZE);
	len = tcp_frame(frame, 9000);
	EXPECT_EQ(sz_kern_inject(k, ifindex, frame, len), -EMSGSIZE);
	EXPECT_EQ(sz_kern_inject(k, ifindex, frame, 13), -EINVAL);
	len = tcp_frame(frame, 100);
	EXPECT_TRUE(sz_kern_inject(k, 9999, frame, len) < 0);
	sz_kern_close(k);
}

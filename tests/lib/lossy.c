/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Drops about 2 % of the frames that pass a client's interface: "xdp" those that arrive, "tc" those
 * that leave. Loaded by tests/integration/80-loss.sh at the client's end; never at the server's.
 * The map lossy_lost counts them: [0] arriving, [1] leaving.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#define LOST_OF_1024 20

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} lossy_lost SEC(".maps");

static int lost(__u32 way)
{
	__u64 *count;

	if ((bpf_get_prandom_u32() & 1023) >= LOST_OF_1024)
		return 0;
	count = bpf_map_lookup_elem(&lossy_lost, &way);
	if (count)
		__sync_fetch_and_add(count, 1);
	return 1;
}

SEC("xdp")
int sz_lossy_in(struct xdp_md *ctx)
{
	(void)ctx;
	return lost(0) ? XDP_DROP : XDP_PASS;
}

SEC("tc")
int sz_lossy_out(struct __sk_buff *skb)
{
	(void)skb;
	return lost(1) ? TC_ACT_SHOT : TC_ACT_OK;
}

char _license[] SEC("license") = "Dual BSD/GPL";

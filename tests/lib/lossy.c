/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Drops about 2 % of the frames that pass a client's interface: "xdp" those that arrive, "tc" those
 * that leave. Loaded by tests/integration/80-loss.sh at the client's end; never at the server's.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#define LOST_OF_1024 20

static int lost(void)
{
	return (bpf_get_prandom_u32() & 1023) < LOST_OF_1024;
}

SEC("xdp")
int sz_lossy_in(struct xdp_md *ctx)
{
	(void)ctx;
	return lost() ? XDP_DROP : XDP_PASS;
}

SEC("tc")
int sz_lossy_out(struct __sk_buff *skb)
{
	(void)skb;
	return lost() ? TC_ACT_SHOT : TC_ACT_OK;
}

char _license[] SEC("license") = "Dual BSD/GPL";

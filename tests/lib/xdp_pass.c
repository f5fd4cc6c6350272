/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An XDP program that passes every frame, for the client's end of the lab's veth pair. Compiled and
 * attached by netns.sh. It must never look at the frame.
 *
 * The kernel wakes a veth's receive queue for frames sent by XDP_TX on its peer only while an XDP
 * program is attached to it; GRO alone lets the frame into the queue, where it waits for the next
 * ordinary packet (veth_xdp_flush() in drivers/net/veth.c, seen on 6.18).
 */
__attribute__((section("xdp"), used)) int sz_lab_pass(void *ctx)
{
	(void)ctx;
	return 2; /* XDP_PASS */
}

__attribute__((section("license"), used)) char sz_lab_license[] = "Dual BSD/GPL";

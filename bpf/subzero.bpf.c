/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The two programs. sz_ingress (XDP) decides every frame for a protected service; sz_egress (tc)
 * watches what the server answers. All decisions are in include/subzero/guard.h, which is also
 * compiled natively; here are only the attach points and the kernel's side of its shim.
 *
 * Whatever must be set at run time lies in maps, not in read-only data, so that the object works
 * the same whether the daemon, bpftool or ip loads it.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>

#include "maps.h"

#include "subzero/scratch.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2); /* one for each program: egress may interrupt ingress */
	__type(key, u32);
	__type(value, struct sz_scratch);
} sz_scratch SEC(".maps");

static __attribute__((always_inline)) struct sz_scratch *sz_scratch_of(u32 slot)
{
	return bpf_map_lookup_elem(&sz_scratch, &slot);
}
#define SZ_SCRATCH(slot) sz_scratch_of(slot)

#define sz_ctx xdp_md
#define sz_map_get(map, key) bpf_map_lookup_elem(map, key)
#define sz_map_set(map, key, value) bpf_map_update_elem(map, key, value, BPF_ANY)
#define sz_map_add(map, key, value) bpf_map_update_elem(map, key, value, BPF_NOEXIST)
#define sz_map_unset(map, key) bpf_map_delete_elem(map, key)
#define sz_now() bpf_ktime_get_boot_ns()
#define sz_ctx_len(ctx) ((u32)bpf_xdp_get_buff_len(ctx))

/*
 * The verifier must see both bounds where the helper is called, after the compiler's own ideas.
 * Kernel 6.1 learns nothing from a comparison with zero, so the length less one is compared.
 */
#define sz_bounded(len, max, call)                                                                 \
	({                                                                                         \
		u32 below_ = (len) - 1;                                                            \
                                                                                                   \
		barrier_var(below_);                                                               \
		below_ >= (max) ? -1 : ({                                                          \
			u32 len_ = below_ + 1;                                                     \
                                                                                                   \
			(call);                                                                    \
		});                                                                                \
	})
#define sz_ctx_load(ctx, off, to, len, max)                                                        \
	sz_bounded(len, max, bpf_xdp_load_bytes(ctx, off, to, len_))
#define sz_ctx_store(ctx, off, from, len, max)                                                     \
	sz_bounded(len, max, bpf_xdp_store_bytes(ctx, off, (void *)(from), len_))
#define sz_ring_put(ring, record, len, max)                                                        \
	sz_bounded(len, max, bpf_ringbuf_output(ring, record, len_, 0))

#define SZ_HEADROOM 192 /* of the 256 bytes XDP promises, what a frame's own bookkeeping leaves */

/* Shrinks at the tail; grows there, else into the headroom, else both ways. */
static __attribute__((noinline)) long sz_ctx_resize(struct xdp_md *ctx, u32 len)
{
	int d = (int)(len - (u32)bpf_xdp_get_buff_len(ctx));

	if (!bpf_xdp_adjust_tail(ctx, d))
		return 0;
	if (d <= 0)
		return -1;
	if (d <= SZ_HEADROOM)
		return bpf_xdp_adjust_head(ctx, -d);
	if (bpf_xdp_adjust_head(ctx, -SZ_HEADROOM))
		return -1;
	return bpf_xdp_adjust_tail(ctx, d - SZ_HEADROOM);
}

#include "subzero/parts.h"

#define sz_clock_ms() ((u32)(bpf_ktime_get_ns() / 1000000))

/* This machine's socket for the segment, in the interface's network namespace. */
static __attribute__((always_inline)) struct bpf_sock *sz_socket(struct xdp_md *ctx,
								  const struct sz_packet *p)
{
	struct bpf_sock_tuple t = {};

	if (p->v6) {
		__builtin_memcpy(t.ipv6.saddr, p->key.client.b, 16);
		__builtin_memcpy(t.ipv6.daddr, p->key.server.b, 16);
		t.ipv6.sport = p->key.client_port;
		t.ipv6.dport = p->key.server_port;
		return bpf_skc_lookup_tcp(ctx, &t, sizeof(t.ipv6), BPF_F_CURRENT_NETNS, 0);
	}
	__builtin_memcpy(&t.ipv4.saddr, p->key.client.b + 12, 4);
	__builtin_memcpy(&t.ipv4.daddr, p->key.server.b + 12, 4);
	t.ipv4.sport = p->key.client_port;
	t.ipv4.dport = p->key.server_port;
	return bpf_skc_lookup_tcp(ctx, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);
}

/* Headers where the helpers find them at fixed places: IP at 0, TCP at 64 of `out`. */
static __attribute__((always_inline)) void sz_cookie_headers(struct sz_scratch *s)
{
	__builtin_memcpy(s->out, s->frame + SZ_AT(s->p.l3_off), 40);
	__builtin_memcpy(s->out + 64, s->frame + SZ_AT(s->p.l4_off), 60);
}

/* Global, so that the verifier looks at each of these once. */
__attribute__((noinline)) s64 sz_socket_cookie(struct xdp_md *ctx)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);
	struct bpf_sock *sk;
	s64 r = -1;
	u32 n;

	if (!s)
		return -1;
	n = s->p.payload_off - s->p.l4_off;
	sz_cookie_headers(s);
	sk = sz_socket(ctx, &s->p);
	if (!sk)
		return -1;
	if (sk->state == BPF_TCP_LISTEN)
		r = sz_bounded(n, 60, bpf_tcp_gen_syncookie(sk, s->out, 40,
							    (void *)(s->out + 64), len_));
	bpf_sk_release(sk);
	return r;
}

__attribute__((noinline)) int sz_socket_valid(void)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);
	struct tcphdr *th;

	if (!s)
		return 0;
	th = (void *)(s->out + 64);
	sz_cookie_headers(s);
	s->w.cookie_ok = !(s->p.v6 ? bpf_tcp_raw_check_syncookie_ipv6((void *)s->out, th)
				   : bpf_tcp_raw_check_syncookie_ipv4((void *)s->out, th));
	return s->w.cookie_ok;
}

__attribute__((noinline)) int sz_socket_listens(struct xdp_md *ctx)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);
	struct bpf_sock *sk;

	if (!s)
		return 0;
	sk = sz_socket(ctx, &s->p);
	if (!sk)
		return 0;
	s->w.listens = sk->state == BPF_TCP_LISTEN;
	bpf_sk_release(sk);
	return s->w.listens;
}

#define sz_cookie_make(ctx, s) ((void)(s), sz_socket_cookie(ctx))
#define sz_cookie_valid(s) ((void)(s), sz_socket_valid())
#define sz_server_listens(ctx, s) ((void)(s), sz_socket_listens(ctx))

#include "subzero/guard.h"

char _license[] SEC("license") = "Dual BSD/GPL";

SEC("xdp")
int sz_ingress(struct xdp_md *ctx)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);

	if (!s)
		return XDP_DROP;
	switch (sz_guard_ingress(ctx, s, ctx->ingress_ifindex, ctx->rx_queue_index)) {
	case SZ_PASS:
		return XDP_PASS;
	case SZ_REPLY:
		return XDP_TX;
	default:
		return XDP_DROP;
	}
}

SEC("tc")
int sz_egress(struct __sk_buff *skb)
{
	u32 len = skb->len, n = len < SZ_HEADERS_LEN ? len : SZ_HEADERS_LEN;
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_EGRESS);

	if (s && n >= 54 &&
	    !sz_bounded(n, SZ_HEADERS_LEN, bpf_skb_load_bytes(skb, 0, s->frame, len_)))
		sz_guard_egress(n, len, skb->ingress_ifindex != 0, s);
	return TC_ACT_UNSPEC;
}

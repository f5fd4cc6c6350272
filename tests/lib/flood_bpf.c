/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The program of tools/sz-flood.c. Run by BPF_PROG_TEST_RUN with live frames, which costs no socket
 * buffer, it makes one frame of the flood; such frames begin with metadata. Attached to the
 * interface it plays the client's side of every connection without remembering any: a SYN-ACK gets
 * the request (a later live frame: the SYN-ACK itself has no room for it), a response gets a RST.
 * A live frame's page comes back with whatever the other side wrote into it, so each is written
 * anew from its first byte to its last.
 *
 * It is one program for both because the kernel waits for an RCU grace period, tens of
 * milliseconds, in each test run of a program that is attached nowhere
 * (bpf_dispatcher_change_prog() in kernel/bpf/dispatcher.c, seen on 6.18).
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "flood.h"

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10

#define MSS_OPTION 0x020405b4 /* 1460 */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct flood_conf);
} flood_conf SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FLOOD_COUNTS);
	__type(key, u32);
	__type(value, u64);
} flood_counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FLOOD_STATUSES);
	__type(key, u32);
	__type(value, u64);
} flood_statuses SEC(".maps");

/* SYN-ACKs whose request is still to be sent: the segment that carries it. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, FLOOD_OPEN_MAX);
	__type(value, struct flood_segment);
} flood_open SEC(".maps");

/* The headers of a frame, in words: two bytes to align, Ethernet, IP, TCP with one option. */
#define WORD_IP    4
#define WORDS      20
#define TCP_AT(v6) (WORD_IP + ((v6) ? 10 : 5))

static __always_inline void count(u32 what)
{
	u64 *n = bpf_map_lookup_elem(&flood_counts, &what);

	if (n)
		(*n)++;
}

static __always_inline u64 sum_words(const u32 *w, u32 n)
{
	u64 sum = 0;

#pragma unroll
	for (u32 i = 0; i < n; i++)
		sum += w[i];
	return sum;
}

static __always_inline u16 fold(u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (u16)~sum;
}

/* Writes the payload and its random characters; their sum, or -1. */
static __always_inline s64 put_payload(struct xdp_md *ctx, const struct flood_conf *c, u32 at)
{
	u32 last = c->len - 1, word[FLOOD_RANDOM / 4];

	if (last >= FLOOD_PAYLOAD_MAX ||
	    bpf_xdp_store_bytes(ctx, at, (void *)c->payload, last + 1))
		return -1;
	if (!c->random_at)
		return c->sum;
#pragma unroll
	for (u32 i = 0; i < FLOOD_RANDOM / 4; i++)
		word[i] = 0x41414141 + (bpf_get_prandom_u32() & 0x0f0f0f0f); /* 'A' to 'P' */
	if (bpf_xdp_store_bytes(ctx, at + c->random_at, word, sizeof(word)))
		return -1;
	return (s64)(c->sum + sum_words(word, FLOOD_RANDOM / 4));
}

/* Writes the whole segment over a frame of the right length. */
static __always_inline int put(struct xdp_md *ctx, const struct flood_conf *c,
			       const struct flood_segment *g, const int v6)
{
	const u32 t = TCP_AT(v6);
	u32 w[WORDS] = {}, words = g->flags == TCP_SYN ? 6 : 5, len = 4 * words, head;
	s64 payload = 0;

	head = 4 * t - 2 + len;
	if (g->payload) {
		payload = put_payload(ctx, c, head);
		if (payload < 0)
			return -1;
		len += c->len;
	}
	__builtin_memcpy((u8 *)w + 2, c->eth, 14);
	if (v6) {
		w[4] = bpf_htonl(6u << 28);
		w[5] = bpf_htonl(len << 16 | IPPROTO_TCP << 8 | 64);
		__builtin_memcpy(&w[6], g->source, 16);
		__builtin_memcpy(&w[10], c->target, 16);
	} else {
		w[4] = bpf_htonl(0x45000000 | (20 + len));
		w[5] = bpf_htonl(0x4000); /* do not fragment */
		w[6] = bpf_htonl(64u << 24 | IPPROTO_TCP << 16);
		w[7] = g->source[0];
		w[8] = c->target[0];
		w[6] |= (u32)fold(sum_words(&w[4], 5)) << 16;
	}
	w[t] = (u32)c->port << 16 | g->sport;
	w[t + 1] = g->seq;
	w[t + 2] = g->ack;
	w[t + 3] = bpf_htonl(words << 28 | g->flags << 16 | 0xfaf0);
	w[t + 5] = g->flags == TCP_SYN ? bpf_htonl(MSS_OPTION) : 0;
	w[t + 4] = fold((u64)payload + bpf_htonl(IPPROTO_TCP + len) + sum_words(&w[t], 6) +
			(v6 ? sum_words(&w[6], 8) : sum_words(&w[7], 2)));
	return bpf_xdp_store_bytes(ctx, 0, (u8 *)w + 2,
				   g->flags == TCP_SYN ? 4 * t + 22 : 4 * t + 18);
}

/* The frame takes the segment's length, then the segment. */
static __always_inline int emit(struct xdp_md *ctx, const struct flood_conf *c,
				const struct flood_segment *g)
{
	u32 option = g->flags == TCP_SYN ? 4 : 0,
	    len = 4 * TCP_AT(c->v6) + 18 + option + (g->payload ? c->len : 0);
	int d = (int)(len - (u32)bpf_xdp_get_buff_len(ctx));

	if ((d && bpf_xdp_adjust_tail(ctx, d)) ||
	    (c->v6 ? put(ctx, c, g, 1) : put(ctx, c, g, 0))) {
		count(FLOOD_FAILED);
		return XDP_DROP;
	}
	return XDP_TX;
}

/* A segment of somebody new. */
static __always_inline void make(const struct flood_conf *c, struct flood_segment *g)
{
	u32 r = bpf_get_prandom_u32();

#pragma unroll
	for (u32 i = 0; i < 4; i++) {
		g->source[i] = c->source[i];
		if (c->host_mask[i])
			g->source[i] |= bpf_get_prandom_u32() & c->host_mask[i];
	}
	g->sport = bpf_htons((u16)(1024 + (r & 0xffff) % 64512));
	g->seq = bpf_get_prandom_u32();
	g->flags = TCP_SYN;
	if (c->kind == FLOOD_ACK || c->kind == FLOOD_DATA) {
		g->ack = bpf_get_prandom_u32();
		g->payload = c->kind == FLOOD_DATA;
		g->flags = TCP_ACK | (g->payload ? TCP_PSH : 0);
	}
	count(FLOOD_MADE);
}

static __noinline int flood_send(struct xdp_md *ctx)
{
	u32 zero = 0;
	const struct flood_conf *c = bpf_map_lookup_elem(&flood_conf, &zero);
	struct flood_segment g = {};

	/* Without its metadata, or what comes back would be taken for a frame to send. */
	if (!c || bpf_xdp_adjust_meta(ctx, FLOOD_META))
		return XDP_DROP;
	if (c->kind == FLOOD_REQUEST && !bpf_map_pop_elem(&flood_open, &g))
		count(FLOOD_ASKED);
	else
		make(c, &g);
	return emit(ctx, c, &g);
}

/* What came back, as far as it matters here. */
struct came {
	struct flood_segment reply; /* source and port already those of our side */
	u32 flags, payload_at, payload_len;
	u32 seq, ack; /* host order */
};

/* False: not a segment from the target to a source of the flood. */
static __always_inline bool read_back(struct xdp_md *ctx, const struct flood_conf *c,
				      struct came *r, const int v6)
{
	const u32 t = TCP_AT(v6), head = 4 * t - 2 + 20;
	u32 w[WORDS] = {}, len = (u32)bpf_xdp_get_buff_len(ctx), all, off;

	if (len < head || bpf_xdp_load_bytes(ctx, 0, (u8 *)w + 2, head))
		return false;
	if (v6 ? w[3] >> 16 != bpf_htons(ETH_P_IPV6) || (bpf_ntohl(w[5]) >> 8 & 0xff) != 6 :
		 w[3] >> 16 != bpf_htons(ETH_P_IP) || (w[4] & 0xff) != 0x45 ||
			 (bpf_ntohl(w[6]) >> 16 & 0xff) != 6)
		return false;
	if ((w[t] & 0xffff) != c->port)
		return false;
#pragma unroll
	for (u32 i = 0; i < (v6 ? 4 : 1); i++) {
		u32 to = v6 ? w[10 + i] : w[8];

		if ((v6 ? w[6 + i] : w[7]) != c->target[i] ||
		    (to & ~c->host_mask[i]) != c->source[i])
			return false;
		r->reply.source[i] = to;
	}
	r->reply.sport = (u16)(w[t] >> 16);
	r->seq = bpf_ntohl(w[t + 1]);
	r->ack = bpf_ntohl(w[t + 2]);
	r->flags = bpf_ntohl(w[t + 3]) >> 16 & 0xff;
	off = (bpf_ntohl(w[t + 3]) >> 28) * 4;
	all = v6 ? bpf_ntohl(w[5]) >> 16 : (bpf_ntohl(w[4]) & 0xffff) - 20;
	r->payload_at = head - 20 + off;
	r->payload_len = all > off ? all - off : 0;
	return true;
}

static __always_inline void count_status(struct xdp_md *ctx, u32 at)
{
	u8 s[12] = {};
	u32 status = 0;
	u64 *n;

	if (!bpf_xdp_load_bytes(ctx, at, s, sizeof(s)) && s[0] == 'H' && s[8] == ' ')
		status = (u32)(s[9] - '0') * 100 + (u32)(s[10] - '0') * 10 + (u32)(s[11] - '0');
	if (status >= FLOOD_STATUSES)
		status = 0;
	n = bpf_map_lookup_elem(&flood_statuses, &status);
	if (n)
		(*n)++;
}

static __always_inline int answer(struct xdp_md *ctx, const struct flood_conf *c, struct came *r)
{
	struct flood_segment *g = &r->reply;

	if (r->flags & TCP_RST) {
		count(FLOOD_RESET);
		return XDP_DROP;
	}
	g->seq = bpf_htonl(r->ack);
	if (r->flags & TCP_SYN) {
		g->ack = bpf_htonl(r->seq + 1);
		g->flags = TCP_ACK | TCP_PSH;
		g->payload = 1;
		if (c->kind == FLOOD_REQUEST && bpf_map_push_elem(&flood_open, g, BPF_ANY))
			count(FLOOD_FAILED);
		else
			count(FLOOD_OPENED);
		return XDP_DROP;
	}
	if (!r->payload_len && !(r->flags & TCP_FIN))
		return XDP_DROP;
	if (r->payload_len) {
		count(FLOOD_ANSWERED);
		count_status(ctx, r->payload_at);
	} else {
		count(FLOOD_CLOSED);
	}
	g->flags = TCP_RST;
	return emit(ctx, c, g);
}

static __noinline int flood_answer(struct xdp_md *ctx)
{
	u32 zero = 0;
	const struct flood_conf *c = bpf_map_lookup_elem(&flood_conf, &zero);
	struct came r = {};

	if (!c || !(c->v6 ? read_back(ctx, c, &r, 1) : read_back(ctx, c, &r, 0)))
		return XDP_PASS;
	return answer(ctx, c, &r);
}

SEC("xdp")
int sz_flood(struct xdp_md *ctx)
{
	return ctx->data_meta < ctx->data ? flood_send(ctx) : flood_answer(ctx);
}

char _license[] SEC("license") = "Dual BSD/GPL";

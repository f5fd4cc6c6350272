/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The L2 to L4 parser and the packets made from what it found, on arbitrary frames. Offsets must
 * lie inside the frame, and what is built must be a packet that pkt.h can read, with the numbers
 * the client or the server expects.
 */
#include <stdlib.h>

#include "pkt.h"
#include "subzero/answer.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t n);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static u8 frame[SZ_FRAME_MAX + 64], out[SZ_OUT_MAX + 2048];

static void check_reply(const struct sz_packet *p, u32 flags, u32 body)
{
	struct sz_reply r = {flags, body, 0, 0};
	struct pkt_seg seg;

	memset(out, 0, sizeof(out));
	sz_reply_build(frame, p, out, &r);
	must(r.hdr_len <= SZ_OUT_MAX && pkt_parse(out, r.hdr_len + body, &seg));
	must(seg.tcp_ok && seg.len == body && seg.v6 == p->v6 && seg.flags == flags);
	must(seg.v6 || seg.ip_ok);
	must(seg.ack == p->seq + p->payload_len + !!(p->tcp_flags & (SZ_TCP_FIN | SZ_TCP_SYN)));
	must(seg.seq == (p->tcp_flags & SZ_TCP_ACK ? p->ack : 0));
	must(htons(seg.sport) == p->key.server_port && htons(seg.dport) == p->key.client_port);
}

static void check_reset(const struct sz_packet *p, u32 seq)
{
	struct pkt_seg seg;
	u32 n;

	memset(out, 0, sizeof(out));
	n = sz_reset_build(frame, p, out, seq);
	must(n <= SZ_OUT_MAX && pkt_parse(out, n, &seg));
	must(seg.tcp_ok && !seg.len && seg.seq == seq && seg.flags == (PKT_RST | PKT_ACK));
	must(htons(seg.sport) == p->key.client_port && htons(seg.dport) == p->key.server_port);
}

/* The cut segment's checksum is partial, right or wrong as the whole one's was. */
static void check_trim(const struct sz_packet *p, u32 keep)
{
	static u8 cut[SZ_FRAME_MAX + 64];
	struct pkt_seg whole, seg;

	memset(out, 0, sizeof(out));
	if (!sz_trim_build(frame, p, out, keep))
		return;
	memcpy(cut, frame, sizeof(frame));
	memcpy(cut, out, p->payload_off);
	must(pkt_parse(frame, p->payload_off + p->payload_len, &whole));
	must(pkt_parse(cut, p->payload_off + keep, &seg));
	must(seg.len == keep && seg.seq == whole.seq);
	must(whole.partial_ok ? seg.partial_ok : seg.tcp_ok == whole.tcp_ok);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	u32 n = (u32)size, head = n < SZ_HEADERS_LEN ? n : SZ_HEADERS_LEN, at;
	u8 *exact = calloc(1, SZ_HEADERS_LEN);
	struct sz_packet p, again;

	must(exact != NULL);
	if (size > SZ_FRAME_MAX)
		head = n = SZ_HEADERS_LEN;
	memcpy(exact, data, head);
	sz_packet_parse(exact, head, n, &p);
	free(exact);
	must(p.l4 <= SZ_L4_UNKNOWN && p.odd < SZ_REASON_MAX);
	memset(frame, 0xff, sizeof(frame));
	memcpy(frame, data, n);
	sz_packet_parse(frame, n, n, &again);
	must(!memcmp(&p, &again, sizeof(p)));
	if (p.l4 != SZ_L4_TCP || p.odd)
		return 0;
	must(p.l3_off >= 14 && p.l4_off >= p.l3_off + 20 && p.payload_off >= p.l4_off + 20);
	must(p.payload_off <= SZ_HEADERS_LEN && p.payload_off + p.payload_len <= n);
	at = sz_packet_multipath(frame, &p);
	must(!at || (at >= p.l4_off + 20 && at < p.payload_off && frame[at] == 30));
	check_reply(&p, PKT_FIN | PKT_PSH | PKT_ACK, 333);
	check_reply(&p, PKT_RST | PKT_ACK, 0);
	check_reset(&p, p.seq ^ 0x5a5a5a5a);
	if (p.payload_len > 1)
		check_trim(&p, 1 + data[n - 1] % (p.payload_len - 1));
	if (at)
		sz_strip_multipath(frame, &p, at);
	return 0;
}

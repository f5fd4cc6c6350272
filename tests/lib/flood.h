/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What tools/sz-flood.c tells its BPF program (flood_bpf.c), and what they count. Addresses
 * and ports are in network order.
 */
#ifndef SZ_TESTS_FLOOD_H
#define SZ_TESTS_FLOOD_H

#include "subzero/types.h"

#define FLOOD_PAYLOAD_MAX 2048
#define FLOOD_META        4     /* bytes of metadata that mark a frame to send */
#define FLOOD_OPEN_MAX    65536 /* connections whose request is still to be sent */
#define FLOOD_RANDOM      16    /* characters of a token that differ in each request */

enum flood_kind {
	FLOOD_SYN,     /* SYNs that nobody follows up */
	FLOOD_ACK,     /* bare ACKs of connections that never were */
	FLOOD_DATA,    /* requests on connections that never were */
	FLOOD_REQUEST, /* SYNs; what answers gets the rest of the handshake with a request on it */
};

/* One element, written before the first frame. */
struct flood_conf {
	u8 eth[16]; /* destination, source, type; two bytes left over */
	u32 v6;
	u32 kind;
	u32 source[4], host_mask[4]; /* IPv4 in the first word; bits of the mask are random */
	u32 target[4];
	u16 port;
	u16 pad;
	u32 len;       /* of the payload */
	u32 sum;       /* over it, folded, with zeros where the random characters stand */
	u32 random_at; /* their offset in the payload, even; 0: there are none */
	u8 payload[FLOOD_PAYLOAD_MAX];
};

/* A segment of our side. */
struct flood_segment {
	u32 source[4];
	u32 seq, ack; /* network order */
	u32 flags;    /* of TCP */
	u16 sport;
	u16 payload;  /* 1: with the request behind it */
};

enum flood_count {
	FLOOD_MADE,     /* frames begun: the flood itself */
	FLOOD_OPENED,   /* SYN-ACKs that came back */
	FLOOD_ASKED,    /* requests sent on them */
	FLOOD_ANSWERED, /* responses that came back */
	FLOOD_CLOSED,   /* FINs without one */
	FLOOD_RESET,    /* RSTs that came back */
	FLOOD_FAILED,   /* frames that could not be made */
	FLOOD_COUNTS,
};

#define FLOOD_STATUSES 600 /* responses by status; 0: not to be read */

#endif

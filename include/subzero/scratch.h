/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The working memory of one decision: one per CPU in BPF, one per thread natively. All of a
 * decision's state lies here and not on the stack: it does not fit there, and the verifier knows
 * nothing about values in map memory, so it checks every step once and not once per value.
 */
#ifndef SZ_SCRATCH_H
#define SZ_SCRATCH_H

#include "subzero/abi.h"
#include "subzero/answer.h"
#include "subzero/head.h"
#include "subzero/packet.h"

#define SZ_WALK_TICKETS 8 /* used by one segment */

struct sz_admitted {
	u64 principal;
	u64 explanation; /* of a refusal: see sz_event */
	u32 reason;
	u16 route;
	u16 path_off, path_len;
	u8 method;
	u8 pad[5];
};

/* What a SYN offers. */
struct sz_syn_options {
	u32 at; /* how far they were read, from the frame's first byte */
	u32 tsval; /* network order */
	u8 sack, scaled, wscale, stamped;
};

/* One limit being asked: see limit.h. */
struct sz_limit_ask {
	struct sz_bucket_key key;
	u64 now, cost, burst;
	u64 tag;
	u64 old, new; /* the bucket before and after; 0: it was the spare one */
	u64 wait;     /* ns until it has one again */
	u32 slot;
	u32 reason;
	u32 set, way; /* of the bucket; set is one more than the index, 0: the limit's own word */
	u32 peek, dry, spare;
	u32 pad;
};

/* A bucket that this request has been taken from. */
struct sz_limit_paid {
	u64 old, new;
	u32 slot, set, way, pad;
};
#define SZ_PAID_MASK 31 /* at least SZ_SERVICE_LIMITS */

/* The state of one walk. */
struct sz_walk {
	u64 now;
	u64 principal;
	u64 explanation;        /* of the verdict; 0: none is known */
	u32 off;                /* payload bytes dealt with */
	u32 verdict;            /* enum sz_verdict on the byte at off, once the walk has ended */
	u32 reason;             /* enum sz_reason */
	u32 why;                /* enum sz_miss_why */
	u32 loaded;             /* bytes of the frame in the scratch buffer */
	u32 base;               /* where the payload begins in that buffer */
	u32 carry;              /* bytes of the same head before the byte at off, from sz_carry */
	u32 carry_put;          /* bytes to be kept there for the next segment */
	u32 carry_at;           /* where they begin in the buffer */
	u32 carry_done;         /* what is kept there is of no use any more */
	u32 carry_not;          /* there is no room for it */
	u32 spill_not;          /* nor there for another range */
	u32 look, slot, inuse;  /* of a search among the spilled ranges */
	u32 promoted;           /* the flow lies in sz_flows */
	u32 changed;            /* the flow must be committed */
	u32 run_start, run_end; /* payload bytes admitted now that need a digest range */
	u32 token_at, token_len; /* of the one token in them; its digest is `token`; len 0: none */
	u32 same;                /* all headers are those before: token_at, token_len are theirs */
	u32 summed;              /* bytes that `sum` is of */
	u32 n_tickets;               /* to be taken out once the flow is committed */
	u32 ticket_seq[SZ_WALK_TICKETS];
	u32 breaks;                  /* the refusal ends a request that was admitted */
	u32 tail_len;                /* bytes of the body that was opened behind them */
	u32 ifindex, rxq;
	u32 held;                    /* the frame went to the daemon */
	u32 stranger;                /* it is of no connection that is known */
	u32 limit;                   /* slot of the limit that refuses; 0: none does */
	u64 wait_ns;                 /* and for how long */
	u32 n_paid;
	u32 network, network_known;
	u32 priority;                /* that the principal has: enum sz_priority */
	u32 reserved;                /* this frame is counted among the open questions */
	u32 charged[SZ_SERVICE_STAGES]; /* payload before this has been charged, one off */
	u32 n_admitted;
	u16 route;
	u8 method;
	u8 monitor;
	u64 cookie;    /* of a SYN: sz_cookie_make() */
	u32 clock_ms;
	u32 cookie_ok; /* what sz_cookie_valid() said, */
	u32 listens;   /* and sz_server_listens() */
	struct sz_syn_options syn;
	struct sz_digest token;
	struct sz_digest sum;  /* of what is behind a request line: see same.h */
	struct sz_digest named; /* the one that stands for bytes in sz_part_head() */
	struct sz_range found; /* what sz_range_known() has found */
	struct sz_range spill; /* what is to go to sz_spill; len 0: nothing */
	struct sz_admitted report; /* what sz_part_report is to tell */
	struct sz_admitted admitted[SZ_WALK_MAX];
};

/* Per-CPU memory. `frame` directly behind `miss`: together they are the ring record. */
struct sz_scratch {
	struct sz_miss miss;
	u8 frame[SZ_FRAME_MAX + 64];
	u8 out[SZ_OUT_MAX];
	struct sz_packet p;
	struct sz_service svc; /* a copy of the one that the packet is for */
	struct sz_scan scan;
	struct sz_flow flow;
	struct sz_carry carry;
	struct sz_spill spill; /* an empty one, to begin with */
	struct sz_walk w;
	struct sz_event event;
	struct sz_grant_key grant; /* what was last looked up */
	struct sz_route_key route;
	struct sz_request_key request;
	struct sz_network_key network;
	struct sz_ticket ticket; /* the one being used */
	struct sz_digits digits;
	struct sz_service service; /* whose limits are asked */
	struct sz_limit_ask ask;
	struct sz_limit_paid paid[SZ_PAID_MASK + 1];
	u32 sampled; /* frames of protected connections */
};

#endif

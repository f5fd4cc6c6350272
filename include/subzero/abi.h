/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keys and values of the pinned maps, and the records of the two rings: the ABI between the BPF
 * programs, the daemon and the CLI. bpf/maps.h declares the maps themselves and names who writes
 * and who reads each.
 *
 * Rules: explicit padding, always zeroed in keys; sizes asserted by both compilers; addresses are
 * 16 bytes in network order with IPv4 as ::ffff:a.b.c.d; ports in network order; times are
 * nanoseconds of CLOCK_BOOTTIME unless a name says otherwise; SZ_ABI changes with any of this.
 */
#ifndef SZ_ABI_H
#define SZ_ABI_H

#include "subzero/limits.h"
#include "subzero/reason.h"
#include "subzero/types.h"

struct sz_addr {
	u8 b[16];
};

/* 128-bit keyed digest of a token (SipHash-1-3-128 with sz_config.key). */
struct sz_digest {
	u64 w[2];
};

/* Name of something that can be revoked: BLAKE2b-128 of "kind\0value"; see sz_revoke_id(). */
struct sz_id {
	u8 b[16];
};

/* ---- sz_config: one element, memory-mapped by the daemon ------------------------------------ */

/*
 * Who is refused first when the verifier is busy. X(NUMBER, NAME, word in the configuration,
 * percent of the limit that questions of this priority may use).
 */
#define SZ_PRIORITY_LIST(X)                                                                        \
	X(1, LOW, "low", 50)                                                                       \
	X(2, NORMAL, "normal", 80)                                                                 \
	X(3, HIGH, "high", 100)
#define SZ_PRIORITY_ENUM_(n, NAME, word, percent) SZ_PRIORITY_##NAME = (n),
/* 0: says nothing, and another one counts. */
enum sz_priority { SZ_PRIORITY_NONE, SZ_PRIORITY_LIST(SZ_PRIORITY_ENUM_) SZ_PRIORITY_COUNT };

/* Where two bits of flags hold one: in sz_service, sz_grant, sz_ticket; sz_flow; sz_networks. */
#define SZ_PRIORITY_SHIFT 4
#define SZ_FLOW_PRIORITY_SHIFT 12
#define SZ_NETWORK_PRIORITY_SHIFT 8
#define SZ_PRIORITY_OF(flags, shift) ((flags) >> (shift) & 3u)

#define SZ_LOAD_DRY 0x1u /* counts what would have been shed, refuses nothing */

/*
 * Questions to the daemon that are open: docs/limits.md, "Adaptive". What is open is asked - done,
 * both counted since the maps were made, modulo 2^64; less than 0 is none.
 */
struct sz_load {
	u64 apart[8];   /* from what every request reads */
	u64 asked;      /* W: ingress */
	u64 shed[SZ_PRIORITY_COUNT]; /* W: ingress; by enum sz_priority */
	u64 pad[3];
	u64 done;       /* W: daemon, as is what follows */
	u32 cap[SZ_PRIORITY_COUNT]; /* so many may be open for one more to be asked; 0: no limit */
	u32 limit;      /* that they are made from; 0: off */
	u32 flags;      /* SZ_LOAD_* */
	u64 target_ns;  /* what answers should take at most, */
	u64 latency_ns; /* and what they took on average in the last window that had any */
};

struct sz_config {
	u32 abi;               /* SZ_ABI; 0 = never configured: protected ports are dropped */
	u32 ban_count;         /* entries in sz_bans; 0 skips the lookup */
	u8 key[16];            /* secret of every digest, random at first start */
	u64 heartbeat_ns;      /* when the daemon last said it lives */
	u64 heartbeat_ttl_ns;  /* how long that is believed */
	u32 policy_gen;        /* grants of another generation are void */
	u32 key_gen;           /* likewise, for the set of signing keys */
	u32 bucket_sets;       /* sets in each table of sz_buckets */
	u32 networks;          /* entries in sz_networks; 0 skips the lookup */
	u64 revoke_epoch;      /* bumped by whoever writes sz_revoked */
	u64 policy_id;         /* digest of the configuration that policy_gen stands for */
	u64 key_id;            /* digest of the key sets that key_gen stands for */
	u64 proof_mark_s;      /* newest "iat" of a DPoP proof that was admitted */
	u32 revoked_kinds;     /* bit k: sz_revoked may hold a name of kind k; set before it does */
	u32 pad;
	u64 event_interval_ns; /* GCRA over the records of refusals for one reason; 0 = no limit */
	u64 event_burst_ns;
	u64 event_tat[SZ_REASON_MAX]; /* its state, by reason; written by XDP */
	u64 cookie_until_ns;   /* SYN cookies of this machine may be about; W: ingress, daemon */
	u32 host;              /* SZ_HOST_*: how this machine's TCP answers a SYN */
	u32 host_pad;
	u32 key_serial[SZ_KEY_SLOTS]; /* by sz_key_slot(): goes up when a key there is withdrawn */
	u32 name_serial[SZ_NAME_SLOTS]; /* by sz_name_slot(): goes up when a name is revoked */
	u32 rel_gen[SZ_REL_SLOTS]; /* by sz_rel_slot(): void what sz_requests has by them */
	u64 same_key[SZ_SAME_MAX / 8 + 2]; /* secret like `key`, for sz_same_sum() */
	struct sz_load load;
};

/* ---- sz_services: which address:port is protected ------------------------------------------- */

struct sz_service_key {
	struct sz_addr addr; /* all zero: any address */
	u16 port;            /* network order; 0 marks "this address has protected ports" */
	u8 pad[6];
};

#define SZ_SVC_MONITOR 0x1u    /* decide and count, but pass */
#define SZ_SVC_EVENT_HITS 0x2u /* one event per admitted request */
/* 0x30: its priority, SZ_PRIORITY_SHIFT */
#define SZ_SVC_COOKIES_AUTO 0x100u   /* SYN cookies while there is pressure */
#define SZ_SVC_COOKIES_ALWAYS 0x200u /* SYN cookies for every connection */

struct sz_service {
	u32 id;               /* made from the service's name; never 0 */
	u32 flags;            /* SZ_SVC_* */
	u64 enforced_ns;      /* connections born before this are not known to be whole */
	u16 limit[SZ_SERVICE_LIMITS]; /* slots of sz_limits, in the order of their stages */
	u8 limit_end[SZ_SERVICE_STAGES]; /* by enum sz_limit_stage: where they end in limit[] */
	u32 syn_rate;         /* pressure: that many SYNs in a second */
	u32 syn_half;         /* or so many more than connections that came to something */
};

/* ---- sz_syn: SYN cookies, by endpoint ------------------------------------------------------- */

/* sz_config.host: what a SYN-ACK made here may offer; see docs/limits.md on timestamps. */
#define SZ_HOST_WSCALE 0x0fu /* the window scale its servers announce */
#define SZ_HOST_SCALE 0x10u  /* net.ipv4.tcp_window_scaling is on */
#define SZ_HOST_SACK 0x20u   /* tcp_sack is on */
#define SZ_HOST_STAMPS 0x40u /* tcp_timestamps is 2: no offset that only the kernel knows */

/* Key: struct sz_service_key, an endpoint as configured. */
struct sz_syn {
	u64 window_ns;   /* since when `syns` and `done` are counted */
	u64 pressure_ns; /* cookies are given out until then */
	u64 local_ns;    /* when this machine last said SYN-ACK in its name */
	u64 routed_ns;   /* when another machine did, behind this one: it has another secret */
	u64 sent;        /* cookies given out */
	u64 good;        /* connections that one began */
	u64 bad;         /* segments without connection or cookie, dropped under pressure */
	u32 syns;
	u32 done;        /* connections with their first request admitted */
};

/* ---- sz_routes: LPM trie over (service, path) ----------------------------------------------- */

/* Methods are numbered; OTHER is every token that is not named here. */
#define SZ_METHODS(X)                                                                              \
	X(0, GET) X(1, HEAD) X(2, POST) X(3, PUT) X(4, DELETE) X(5, PATCH) X(6, OPTIONS) X(7, OTHER)
#define SZ_METHOD_ENUM_(n, NAME) SZ_M_##NAME = (n),
enum sz_method { SZ_METHODS(SZ_METHOD_ENUM_) SZ_METHOD_COUNT = 8 };

/*
 * Key data is service then path, so prefixlen = 32 + 8 * path bytes. A route "/a" is two nodes:
 * "/a\0" (exactly /a: the kernel looks the path up followed by a NUL) and "/a/" (below it); a
 * route that ends in '/' is one. A node already holds what shorter prefixes say about methods it
 * does not name itself, so one lookup decides.
 */
struct sz_route_key {
	u32 prefixlen;
	u32 service;
	u8 path[SZ_PATH_MAX];
};

#define SZ_RT_PUBLIC 0x1u /* needs no token */
#define SZ_RT_ASK 0x2u    /* the daemon decides each request, also for public routes */
#define SZ_RT_VARS 0x4u   /* the rest of the path chooses the route: the daemon knows which */

struct sz_route_node {
	u16 route[SZ_METHOD_COUNT]; /* route id, or SZ_ROUTE_NONE */
	u16 flags[SZ_METHOD_COUNT]; /* SZ_RT_* of that route */
};

/* ---- sz_grants, sz_denied: what the daemon decided about a token ---------------------------- */

struct sz_grant_key {
	struct sz_digest token;
	u32 service;
	u32 pad;
};

#define SZ_GRANT_REVOKED 0x1u /* answered 401; 0x30: its priority, SZ_PRIORITY_SHIFT */

struct sz_grant {
	u64 expires_ns;              /* void at and after this */
	u32 policy_gen;              /* must equal sz_config.policy_gen */
	u32 key_gen;                 /* must equal sz_config.key_gen */
	u64 principal;               /* see sz_principal_id() */
	u64 created_ns;
	u64 allow[SZ_ROUTE_WORDS];   /* bit r: route r is allowed */
	u64 ask[SZ_ROUTE_WORDS];     /* bit r: each request is asked about; with allow, only those
				      * from outside the prefix below */
	struct sz_id jti;            /* revocation names: zero where the token has no such claim */
	struct sz_id subject;
	struct sz_id issuer;
	struct sz_id session;        /* its "sid" */
	struct sz_id key;            /* the key that signed it, by its thumbprint */
	u64 issued_s;                /* wall clock, seconds; 0 where the token does not say */
	u32 flags;                   /* SZ_GRANT_*; may be set by the CLI */
	u32 key_serial;              /* must equal that of the key's slot in sz_config */
	u32 name_serial;             /* must equal sz_name_serials() */
	u32 source_bits;             /* bits of `source` that count; 0: there is no prefix */
	struct sz_addr source;       /* where "allow and ask" means allow */
	u64 profile;                 /* key of sz_profiles; 0: no route is refused */
};

/*
 * ---- sz_profiles: why a grant refuses routes -----------------------------------------------
 *
 * What a verdict rests on travels as 64 bits: an explanation's id is even, and the key of a profile
 * is odd. Many tokens share one profile, so a grant names it.
 */
#define SZ_WHY_IS_PROFILE(v) ((v) & 1)

struct sz_profile {
	u8 clause[SZ_ROUTES_MAX]; /* by route, the clause that refuses: see policy.h; 0: none */
};

/* ---- sz_requests: what the daemon decided about a token and a request line ------------------ */

struct sz_request_key {
	struct sz_digest token;
	struct sz_digest target; /* sz_token_digest() of the request target as sent */
	u32 service;
	u32 method; /* enum sz_method */
};

#define SZ_RQ_RELATION 0x1u /* rests on relationships: void when rel_gen[rel_slot] has moved */

/* Good only beside a grant for the token; only the daemon writes it. */
struct sz_request {
	u64 expires_ns;
	u32 policy_gen;
	u32 key_gen;
	u32 rel_gen;
	u32 flags;             /* SZ_RQ_* */
	u32 reason;            /* SZ_R_TICKET admits; else as in sz_ticket */
	u16 route;
	u16 rel_slot;          /* sz_rel_slot() */
	u32 source_bits;       /* as in sz_grant: known only for sources in the prefix */
	u32 pad;
	struct sz_addr source;
	u64 explanation;       /* its id */
};

/* Where the generation of a route's relationships stands; routes that share one are asked again. */
static inline u32 sz_rel_slot(u32 service, u16 route)
{
	return (service + 31u * route) & (SZ_REL_SLOTS - 1);
}

/*
 * Where a key's serial number stands. Keys that share a slot are withdrawn together: their tokens
 * are only verified again.
 */
static inline u32 sz_key_slot(const struct sz_id *key)
{
	u16 v; /* in one piece: kernel 6.1 does not follow two bytes put together */

	__builtin_memcpy(&v, key->b, sizeof(v));
	return v & (SZ_KEY_SLOTS - 1);
}

static inline u32 sz_name_slot(const struct sz_id *name)
{
	u16 v; /* in one piece: kernel 6.1 does not follow two bytes put together */

	__builtin_memcpy(&v, name->b, sizeof(v));
	return v & (SZ_NAME_SLOTS - 1);
}

/*
 * Sum of the serial numbers of a grant's names. Each of them only goes up, so the sum is another
 * one as soon as any of these names, or one that shares its slot, was revoked: a revocation is in
 * force with one store, however many grants it is about. What only shares a slot is verified again.
 */
static inline u32 sz_name_serials(const struct sz_config *cfg, const struct sz_grant *g)
{
	return cfg->name_serial[sz_name_slot(&g->jti)] +
	       cfg->name_serial[sz_name_slot(&g->subject)] +
	       cfg->name_serial[sz_name_slot(&g->issuer)] +
	       cfg->name_serial[sz_name_slot(&g->session)];
}

/* Is the grant of the policy and the keys that are in force? It may be over or revoked still. */
static inline int sz_grant_current(const struct sz_grant *g, const struct sz_config *cfg)
{
	return g->policy_gen == cfg->policy_gen && g->key_gen == cfg->key_gen &&
	       g->key_serial == cfg->key_serial[sz_key_slot(&g->key)] &&
	       ((g->flags & SZ_GRANT_REVOKED) || g->name_serial == sz_name_serials(cfg, g));
}

/* A token known to be bad; LRU, so a flood of bad tokens pushes out only its own kind. */
struct sz_denied {
	u64 expires_ns;
	u32 policy_gen;
	u32 key_gen;
	u32 reason; /* enum sz_reason with http 401 */
	u32 pad;
};

/* ---- sz_half, sz_flows: TCP connections as the server sees them ----------------------------- */

struct sz_flow_key {
	struct sz_addr client;
	struct sz_addr server;
	u16 client_port; /* network order */
	u16 server_port;
	u32 pad;
};

/*
 * Bytes the server may still be sent again: the first `fixed` of them exactly as they were, by
 * their keyed digest, the others (a body whose length was announced) with any content. len 0: free.
 */
struct sz_range {
	u32 seq;
	u32 len;
	u32 fixed;
	u16 token_off; /* of what a digest of its own stands for in the fixed ones: a token, */
	u16 token_len; /* or with SZ_RANGE_SAME all headers; 0: there is no such thing */
	u64 digest;    /* 0 where fixed is 0 */
};

#define SZ_RANGE_SAME 0x8000u /* in token_off: the digest is that of same.h */

/* What is behind the request line of the last request that a grant has admitted; same.h. */
struct sz_same {
	u64 sum[2];             /* of its bytes */
	struct sz_digest token; /* the rest is what scanning them has given */
	u64 content_length;
	u32 len;                /* 0: nothing is kept */
	u32 flags;
	u32 token_off;          /* from the first byte behind the request line */
	u32 token_len;
};

#define SZ_FLOW_DEAD 0x1u   /* answered: the client's next segment becomes a RST to the server */
#define SZ_FLOW_ASKED 0x2u  /* the bytes at `next` were handed to the daemon */
#define SZ_FLOW_STREAM 0x4u /* inside a head or chunked body that only the daemon can follow */
#define SZ_FLOW_CHUNK 0x10u /* with STREAM: behind a chunk's data, CRLF and a size line come next */
#define SZ_FLOW_CUT 0x20u   /* with DEAD: the server was sent its RST */
#define SZ_FLOW_CARRY 0x40u /* what stands before `next` is the beginning kept in sz_carry */
#define SZ_FLOW_SPILL 0x80u /* more ranges are in sz_spill */
#define SZ_FLOW_REFUSED 0x100u /* at `next` the answer is due, as soon as it may be given */
#define SZ_FLOW_WHOLE 0x200u /* with ASKED: about a whole head, that the daemon has */
#define SZ_FLOW_LOST 0x8u   /* monitor mode only: request boundaries are no longer known */

/*
 * Sequence numbers are host order. `ver` is odd while a writer is inside and starts at a time
 * stamp, so a recycled element is never mistaken for the one that was read; a writer commits by
 * compare-and-swap on it. `server` belongs to the egress program alone.
 */
struct sz_flow {
	u64 ver;
	u64 server;     /* what the server has said: see sz_flow_acked(), sz_flow_open() */
	u64 more;       /* body bytes beyond `next` that are announced but not yet opened */
	u64 asked_ns;   /* when the bytes at `next` were handed to the daemon */
	u64 seen_ns;    /* last request decided */
	u64 birth_ns;   /* when the server offered the connection */
	u64 principal;  /* of the last admitted request */
	u64 chain;      /* of what has passed of a head or framing that is still open: sz_chain() */
	u64 quiet_ns;   /* since when the server has said no more than quiet_sent */
	u32 base;       /* first byte the server accepts: the ack of its SYN-ACK */
	u32 iss;        /* the server's initial sequence number */
	u32 next;       /* first byte that needs a decision */
	u32 ack_admit;  /* the client's ack number when a request was last admitted or refused */
	u32 floor;      /* bytes before this never pass */
	u32 flags;      /* SZ_FLOW_*, and the priority of `principal` */
	u32 service;
	u32 requests;   /* admitted on this connection */
	u32 held;       /* frames behind `next` handed to the daemon since it was asked */
	u32 answer;     /* with REFUSED, DEAD: what the client is told, see SZ_TELL() */
	u32 retry_ms;   /* and when a limit will not refuse any more: CLOCK_BOOTTIME, modulo 2^32 */
	u32 sent;       /* egress: the server's next sequence number */
	u32 quiet_sent; /* what `sent` was when a refusal first had to wait */
	u32 burst;      /* requests admitted since all that was said had arrived at the client */
	u32 strange;    /* requests in a row whose headers were not those before */
	struct sz_same same;
	struct sz_range range[SZ_RANGES];
};

/* ---- sz_spill: more ranges of a flow that has many in flight -------------------------------- */

/* Key: struct sz_flow_key. Good only for the flow of that birth. */
struct sz_spill {
	u64 birth_ns;
	struct sz_range range[SZ_SPILL_MAX];
};

/* ---- sz_tickets: the daemon's verdict on one segment ---------------------------------------- */

struct sz_ticket_key {
	struct sz_flow_key flow;
	u32 seq; /* host order: where the decided bytes begin */
	u32 pad;
};

#define SZ_TK_STREAM 0x1u  /* more of the same head or chunked body follows */
#define SZ_TK_CHUNK 0x4u   /* with STREAM: `more` is a chunk's data, framing goes on behind it */
#define SZ_TK_REQUEST 0x2u /* completes a request head: counts as one admitted request */
#define SZ_TK_BREAK 0x8u   /* refuses what belongs to an admitted request: its answer never comes */

struct sz_ticket {
	u64 digest;     /* sz_segment_digest() of the decided bytes */
	u64 expires_ns;
	u64 more;       /* opaque body bytes that follow the decided ones */
	u64 birth_ns;   /* of the flow the verdict is for */
	u64 after;      /* the flow's chain where these bytes stand */
	u64 principal;
	u64 explanation; /* id of why it refuses; 0: none */
	u32 len;        /* decided bytes; never more than the segment holds */
	u32 reason;     /* SZ_R_TICKET admits; one with an http status refuses: SZ_TELL() */
	u32 flags;      /* SZ_TK_*, and the principal's priority */
	u32 service;
	u16 route;
	u8 method;
	u8 pad[5];
};

/* ---- sz_carry: the beginning of a head or of framing that has passed ------------------------- */

/* Key: struct sz_flow_key. Good only for the flow of that birth whose `next` is seq + len. */
struct sz_carry {
	u64 birth_ns;
	u64 time_ns; /* when it was written */
	u32 seq;     /* host order: where the head begins */
	u32 len;
	u8 bytes[SZ_CARRY_MAX];
};

/* ---- sz_sources, sz_hits, sz_bans ----------------------------------------------------------- */

/* Key: struct sz_addr, the source with IPv6 cut to /64. Counted only; decides nothing. */
struct sz_source {
	u64 packets;   /* about: every SZ_SOURCE_SAMPLE-th frame of a CPU counts for as many */
	u64 requests;  /* heads that were read */
	u64 syns;
	u64 denials;   /* refusals that are on record, of any kind; of them: */
	u64 failures;  /* 401s for a token that was sent */
	u64 limited;   /* beyond a rate limit, SYNs included */
	u64 drops;     /* frames dropped for any reason */
	u64 seen_ns;
	u32 last_reason;
	u32 pad;
	u64 why[SZ_SOURCE_WHYS]; /* denials by reason: see sz_source_why() */
};

/*
 * One of sz_source.why: enum sz_reason in the highest byte, the number of denials for it below. The
 * first reasons of a source have a place each; the last place, with reason 0, counts the others.
 */
#define SZ_WHY(reason, count) ((u64)(reason) << 56 | (count))
#define SZ_WHY_REASON(why)    ((u32)((why) >> 56))
#define SZ_WHY_COUNT(why)     ((why) & ((1ull << 56) - 1))

/* Requests admitted in the kernel, exactly; per CPU. */
struct sz_hit_key {
	u64 principal; /* 0: public route, or no room left for a row of its own */
	u32 service;
	u16 route;
	u16 pad;
};

struct sz_ban_key {
	u32 prefixlen; /* 0..128 over addr */
	struct sz_addr addr;
};

/* Who banned it; a reload replaces only what the configuration banned. */
enum sz_ban_source { SZ_BAN_HAND, SZ_BAN_AUTO, SZ_BAN_CONF, SZ_BAN_IMPORT };

/* sz_allow has the same key, and wins over every ban, longer or shorter. Its value is 1. */
struct sz_ban {
	u64 expires_ns; /* 0 = never */
	u32 source;     /* enum sz_ban_source */
	u32 pad;
	char why[48];
};

/* ---- sz_limits, sz_limit_counts, sz_buckets, sz_networks: see docs/limits.md ---------------- */

/*
 * When a limit is asked, in the order of a connection's life.
 * X(NAME, word in the configuration): what it counts.
 */
#define SZ_LIMIT_STAGES(X)                                                                         \
	X(SYN, "connections")  /* SYNs; refused in silence */                                      \
	X(READ, "requests")    /* request heads that were read, whatever becomes of them */        \
	X(ADMIT, "requests")   /* requests that everything else has admitted */                    \
	X(FAIL, "failures")    /* 401s for a token; an empty one stops questions about others */   \
	X(MISS, "misses")      /* questions to the daemon */                                       \
	X(STRAY, "strays")     /* segments of no connection; dropped in silence beyond it */
#define SZ_LIMIT_STAGE_ENUM_(NAME, word) SZ_LIMIT_##NAME,
enum sz_limit_stage { SZ_LIMIT_STAGES(SZ_LIMIT_STAGE_ENUM_) SZ_LIMIT_STAGE_COUNT };

/* What has a bucket of its own; 0: one bucket for all. Only what was verified, and addresses. */
#define SZ_BY_SOURCE 0x1u    /* source prefix of prefix4 or prefix6 bits */
#define SZ_BY_PRINCIPAL 0x2u /* of a grant or ticket; a request without one is not counted */
#define SZ_BY_ROUTE 0x4u     /* route of the service */

/*
 * The limits with a key of their own in the configuration.
 * X(key, stage, by, reason, scope): scope 1 = of a service, 0 = of all services together.
 * The key is also the limit's name; a new kind is a line here.
 */
#define SZ_LIMIT_KINDS(X)                                                                          \
	X(connections, SYN, SZ_BY_SOURCE, SYN_LIMIT, 1)                                            \
	X(connections_total, SYN, 0, SYN_TOTAL, 1)                                                 \
	X(source, READ, SZ_BY_SOURCE, LIMIT_SOURCE, 1)                                             \
	X(principal, ADMIT, SZ_BY_PRINCIPAL, LIMIT_PRINCIPAL, 1)                                   \
	X(route, ADMIT, SZ_BY_ROUTE, LIMIT_ROUTE, 1)                                               \
	X(total, ADMIT, 0, LIMIT_SERVICE, 1)                                                       \
	X(failures, FAIL, SZ_BY_SOURCE, LIMIT_FAILURES, 1)                                         \
	X(source_misses, MISS, SZ_BY_SOURCE, OVERLOAD, 0)                                          \
	X(misses, MISS, 0, OVERLOAD, 0)                                                            \
	X(strays, STRAY, 0, STRAY, 0)

#define SZ_LIMIT_DRY 0x1u    /* counts and reports, refuses nothing */
#define SZ_LIMIT_BY_HAND 0x2u /* its rate is not the configured one, until the next reload */

#define SZ_VARIANT_EXEMPT 0xffff

/*
 * One limit; the index is its slot, and slot 0 stays free. In memory that the daemon and the CLI
 * map: rates change in place, in an order in which no reader sees more than the larger of both
 * bursts (sz_limit_store_rate()). GCRA as in bucket.h.
 */
struct sz_limit {
	u64 interval_ns; /* 0: no limit */
	u64 burst_ns;
	u64 tat;         /* the bucket of a limit without a subject; written by XDP */
	u64 spare_tat;   /* one bucket for all subjects that found no room in sz_buckets */
	u64 full_ns;     /* when one last found none; 0: never. For people */
	u64 conf_interval_ns; /* as configured */
	u64 conf_burst_ns;
	u32 id;          /* made from its name: the same in every configuration; 0: a free slot */
	u32 service;     /* 0: of all */
	u32 flags;       /* SZ_LIMIT_* */
	u32 reason;      /* enum sz_reason */
	u16 by;          /* SZ_BY_* */
	u8 stage;        /* enum sz_limit_stage */
	u8 table;        /* enum sz_bucket_table */
	u8 prefix4, prefix6; /* bits of a source; 1..32 and 1..128 */
	u8 pad[2];
	u64 routes[SZ_ROUTE_WORDS]; /* bit r: counts for route r; all ones where not restricted */
	u16 variant[SZ_NETWORKS_MAX + 1]; /* by network: the slot that stands in for this one there;
					   * 0: none, SZ_VARIANT_EXEMPT: not limited there */
	char name[SZ_LIMIT_NAME_MAX]; /* "service/limit" or "limit", then "@network" of a variant */
};

/* Index: slot; per CPU. */
struct sz_limit_count {
	u64 admitted;
	u64 refused;
	u64 dry;   /* would have been refused */
	u64 spare; /* of admitted and refused: decided by the spare bucket */
};

/*
 * Buckets of subjects, in sets of SZ_BUCKET_WAYS. The map has three tables of
 * sz_config.bucket_sets sets each, so that subjects of one kind never take the room of another.
 * A bucket whose time has come says the same as none, and only such a one gives up its place.
 */
enum sz_bucket_table {
	SZ_BUCKETS_SYN,      /* sources that may be forged */
	SZ_BUCKETS_SOURCE,   /* sources that have completed a handshake */
	SZ_BUCKETS_VERIFIED, /* what a grant or ticket names; routes */
	SZ_BUCKET_TABLES,
};

struct sz_bucket_key {
	u32 limit; /* sz_limit.id */
	u16 route; /* this and the others are 0 where the limit is not by it */
	u16 pad;
	u64 principal;
	struct sz_addr source; /* cut to the limit's prefix */
};

#define SZ_BUCKET_BUSY (~0ull) /* a tat: the place is being given to another subject */

struct sz_bucket_set {
	u64 lock;    /* of whoever gives away a place */
	u64 full_ns; /* when a subject last found no place; 0: never */
	u64 pad[6];
	u64 tag[SZ_BUCKET_WAYS]; /* keyed digest of the key; 0: never used */
	u64 tat[SZ_BUCKET_WAYS];
	struct sz_bucket_key key[SZ_BUCKET_WAYS]; /* for people; the tag decides */
};

/*
 * LPM trie; the value is the network's number, 1..SZ_NETWORKS_MAX, an index of variant[], and its
 * priority at SZ_NETWORK_PRIORITY_SHIFT.
 */
struct sz_network_key {
	u32 prefixlen; /* 0..128 over addr */
	struct sz_addr addr;
};

/* ---- sz_revoked, sz_names, sz_answers ------------------------------------------------------- */

/* Key: struct sz_id. */
struct sz_revoked {
	u64 until_s;  /* wall clock, seconds since the epoch; 0 = for ever */
	u64 before_s; /* of the kinds "..._BEFORE": what was issued before this is revoked */
	u32 kind;     /* enum sz_revoke_kind */
	u32 pad;
};

/*
 * What can be revoked: number, name, label. The label is the tag of the name's digest and what
 * people read. Values: a token; claims as they are; "issuer NUL claim" for PRINCIPAL, SESSION and
 * ISSUER_JTI, "issuer NUL kid" for KID; an RFC 7638 thumbprint for KEY.
 */
#define SZ_REVOKE_KINDS(X)                                                                         \
	X(1, TOKEN, "token")                                                                       \
	X(2, JTI, "jti")                                                                           \
	X(3, SUBJECT, "subject")                                                                   \
	X(4, ISSUER, "issuer")                                                                     \
	X(5, PRINCIPAL, "principal")                                                               \
	X(6, SESSION, "session")                                                                   \
	X(7, KEY, "key")                                                                           \
	X(8, KID, "kid")                                                                           \
	X(9, ISSUER_JTI, "issuer-jti")                                                             \
	X(10, SUBJECT_BEFORE, "subject-before")                                                    \
	X(11, ISSUER_BEFORE, "issuer-before")                                                      \
	X(12, PRINCIPAL_BEFORE, "principal-before")

#define SZ_REVOKE_ENUM_(n, NAME, label) SZ_REVOKE_##NAME = (n),
enum sz_revoke_kind { SZ_REVOKE_KINDS(SZ_REVOKE_ENUM_) };
#define SZ_REVOKE_KIND_COUNT 13 /* of an array indexed by kind */

/* Names for people, so that the CLI reads well with the daemon down. */
enum sz_name_kind { SZ_NAME_SERVICE = 1, SZ_NAME_ROUTE = 2, SZ_NAME_PRINCIPAL = 3 };

struct sz_name_key {
	u32 kind;
	u32 service; /* 0 for principals */
	u64 id;      /* service, route or principal */
};

struct sz_name {
	char s[SZ_NAME_MAX];
	u64 seen_ns;
};

/*
 * Index: SZ_TOLD_ANSWER() of a reason, a step-up or the limit that refuses. A whole HTTP response,
 * ready to be copied behind TCP headers, in two lengths: some drivers give a frame no more room
 * than it came with and its 256 bytes of headroom. Sums are ones' complement over the bytes, as if
 * they began at an even offset.
 *
 * At retry and reset, where they are not 0, stand SZ_DIGITS zero bytes, at an even offset, for the
 * seconds until the request may be sent again: bare, and as a parameter "t=". Right-aligned.
 */
#define SZ_DIGITS 8
#define SZ_DIGITS_MAX 999999 /* seconds that have room with "t=" */

struct sz_answer {
	u32 len; /* 0: there is none, the packet is dropped */
	u32 csum;
	u32 brief_len;
	u32 brief_csum;
	u16 retry, reset;
	u16 brief_retry, brief_reset;
	u8 bytes[SZ_ANSWER_MAX];
	u8 brief[SZ_BRIEF_MAX];
};

/* ---- ring records --------------------------------------------------------------------------- */

/* One denial (or, where asked for, one admitted request); sz_events. */
struct sz_event {
	u64 time_ns;
	u64 principal;
	struct sz_flow_key flow;
	u32 service;
	u32 reason;
	u16 route;  /* SZ_ROUTE_NONE where it was not found out */
	u8 method;  /* 0xff where it was not read */
	u8 monitor; /* 1: passed all the same */
	u16 path_len;
	u16 limit;  /* the slot of the limit that refused or would have; 0: none */
	u64 explanation; /* id or profile; 0: neither is known */
	u32 policy_gen;  /* of the policy that decided */
	u32 pad;
	u8 path[96]; /* first bytes of the target */
};

/* One frame that is held for the daemon; sz_misses. `frame_len` bytes of frame follow. */
struct sz_miss {
	u64 time_ns;
	struct sz_flow_key flow;
	struct sz_digest token; /* where token_len != 0 */
	u32 ifindex;
	u32 rxq;
	u32 service;
	u32 seq;          /* host order: first undecided byte */
	u32 reason;       /* enum sz_miss_why */
	u32 frame_len;
	u16 payload_off;  /* of the TCP payload in the frame */
	u16 payload_len;
	u16 undecided;    /* offset in the payload of the byte `seq` */
	u16 token_off;    /* in the frame */
	u16 token_len;
	u16 route;        /* SZ_MISS_ROUTE only */
	u8 method;
	u8 monitor;       /* 1: a copy, the frame itself has passed */
	u16 carried;      /* bytes of the same head before `seq`: they are in sz_carry */
	u64 birth_ns;     /* of the flow */
	u32 counted;      /* 1: it is one in sz_config.load.asked */
	u32 pad;
	/* frame_len bytes of frame follow */
};

enum sz_miss_why {
	SZ_MISS_TOKEN = 1,   /* clean head, token not known: verify, write a grant, reinject */
	SZ_MISS_UNUSUAL = 2, /* head the kernel does not read itself: answer with tickets */
	SZ_MISS_PARTIAL = 3, /* head that is not complete in this segment: tickets */
	SZ_MISS_STREAM = 4,  /* the next segment of such a head or of a chunked body: tickets */
	SZ_MISS_CHUNK = 6,   /* chunk framing that the kernel does not read: tickets */
	SZ_MISS_ROUTE = 5,   /* clean head, but this request is asked about: ticket, sz_requests */
};

_Static_assert(sizeof(struct sz_load) == 176, "ABI");
_Static_assert(sizeof(struct sz_config) ==
		       144 + 8 * SZ_REASON_MAX + 4 * SZ_KEY_SLOTS + 4 * SZ_NAME_SLOTS +
			       4 * SZ_REL_SLOTS + SZ_SAME_MAX + sizeof(struct sz_load),
	       "ABI");
_Static_assert(sizeof(struct sz_service_key) == 24, "ABI");
_Static_assert(sizeof(struct sz_service) == 72, "ABI");
_Static_assert(sizeof(struct sz_syn) == 64, "ABI");
_Static_assert(sizeof(struct sz_route_key) == 256, "ABI");
_Static_assert(sizeof(struct sz_route_node) == 32, "ABI");
_Static_assert(sizeof(struct sz_grant_key) == 24, "ABI");
_Static_assert(sizeof(struct sz_grant) == 224, "ABI");
_Static_assert(sizeof(struct sz_request_key) == 40, "ABI");
_Static_assert(sizeof(struct sz_request) == 64, "ABI");
_Static_assert(sizeof(struct sz_profile) == SZ_ROUTES_MAX, "ABI");
_Static_assert(sizeof(struct sz_denied) == 24, "ABI");
_Static_assert(sizeof(struct sz_flow_key) == 40, "ABI");
_Static_assert(sizeof(struct sz_flow) == 288, "ABI");
_Static_assert(sizeof(struct sz_spill) == 8 + 24 * SZ_SPILL_MAX, "ABI");
_Static_assert(sizeof(struct sz_ticket_key) == 48, "ABI");
_Static_assert(sizeof(struct sz_ticket) == 80, "ABI");
_Static_assert(sizeof(struct sz_carry) == 24 + SZ_CARRY_MAX, "ABI");
_Static_assert(sizeof(struct sz_source) == 72 + 8 * SZ_SOURCE_WHYS, "ABI");
_Static_assert(sizeof(struct sz_hit_key) == 16, "ABI");
_Static_assert(sizeof(struct sz_limit) == 368, "ABI");
_Static_assert(sizeof(struct sz_limit_count) == 32, "ABI");
_Static_assert(sizeof(struct sz_bucket_key) == 32, "ABI");
_Static_assert(sizeof(struct sz_bucket_set) == 64 + 48 * SZ_BUCKET_WAYS, "ABI");
_Static_assert(sizeof(struct sz_network_key) == 20, "ABI");
_Static_assert(sizeof(struct sz_ban_key) == 20, "ABI");
_Static_assert(sizeof(struct sz_ban) == 64, "ABI");
_Static_assert(sizeof(struct sz_revoked) == 24, "ABI");
_Static_assert(sizeof(struct sz_name_key) == 16, "ABI");
_Static_assert(sizeof(struct sz_name) == 128, "ABI");
_Static_assert(sizeof(struct sz_answer) == 1000, "ABI");
_Static_assert(sizeof(struct sz_event) == 184, "ABI");
_Static_assert(sizeof(struct sz_miss) == 120, "ABI");

#endif

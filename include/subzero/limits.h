/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every limit of Subzero, named once. Whoever reads outside input checks it against these at the
 * door; whoever sizes a buffer uses these and nothing else.
 */
#ifndef SZ_LIMITS_H
#define SZ_LIMITS_H

/* Layout version of every pinned map; a program or tool that finds another one refuses to run. */
#define SZ_ABI 4

/* The packet core. */
#define SZ_FRAME_MAX 16384       /* bytes of a frame that are scanned or handed to the daemon */
#define SZ_FRAME_MASK (SZ_FRAME_MAX - 1)
#define SZ_VLAN_MAX 2            /* stacked VLAN tags */
#define SZ_EXTHDR_MAX 6          /* IPv6 extension headers walked */
#define SZ_RANGES 4              /* admitted byte ranges a flow remembers until they are acked, */
#define SZ_SPILL_MAX 128         /* and that many more on a connection that needs them */
#define SZ_WALK_MAX 64           /* ranges and heads looked at in one segment */
#define SZ_BODY_STEP (1u << 29)  /* bytes of a body opened at once in sequence space */
#define SZ_BODY_MAX (1ull << 40) /* largest Content-Length, bytes */
#define SZ_BUCKET_TRIES 16       /* compare-and-swap attempts before a bucket counts as empty */
#define SZ_SAME_MAX 2048         /* bytes of headers that are compared with those before */
#define SZ_SAME_TRIES 4          /* requests in a row that may differ before nobody compares */
#define SZ_CARRY_MAX 2048        /* bytes of an incomplete head that the kernel keeps by itself */
#define SZ_ANSWER_MAX 768        /* bytes of a prepared HTTP answer */
#define SZ_BRIEF_MAX 208         /* bytes of its short form, for frames that cannot grow much */

/*
 * The kernel takes a SYN cookie of this minute and of the one before; a third is for clocks that
 * are read one after the other. A flow that is older than this has outlived every cookie.
 */
#define SZ_COOKIE_LIFE_NS 180000000000ull

/* Policy. */
#define SZ_ROUTES_MAX 256        /* routes of one service: one bit each in a grant */
#define SZ_ROUTE_WORDS (SZ_ROUTES_MAX / 64)
#define SZ_ROUTE_NONE 0xffff
#define SZ_PATH_MAX 248          /* bytes of a path prefix in a route: an LPM key holds 256 */
#define SZ_SERVICES_MAX 1024
#define SZ_RATE_INTERVAL_MIN 100 /* nanoseconds between two requests of the fastest limit */
#define SZ_LIMITS_MAX 1024       /* rate limits of all services, variants for networks included */
#define SZ_LIMIT_NAME_MAX 128    /* bytes of "service/limit@network", with its NUL */
#define SZ_SERVICE_LIMITS 20     /* that apply to one service, those of all services included */
#define SZ_SERVICE_STAGES 8      /* at which they may be asked */
#define SZ_NETWORKS_MAX 63       /* named networks */
#define SZ_NETWORK_PREFIXES 65536 /* prefixes of all of them */
#define SZ_SOURCE_SAMPLE 16      /* one frame in so many is looked up to count a source's packets */
#define SZ_SOURCE_WHYS 8         /* reasons for which a source's denials are counted apart */
#define SZ_BUCKET_WAYS 8         /* places for one subject's bucket */
#define SZ_KEY_SLOTS 512         /* serial numbers of signing keys: a power of two */
#define SZ_REL_SLOTS 256          /* generations of relationships, by route: likewise */
#define SZ_NAME_SLOTS 4096       /* and of names that can be revoked: likewise */
#define SZ_CHALLENGES_MAX 32     /* different step-ups: one prepared answer each */
#define SZ_NAME_MAX 120          /* bytes of a display name, with its NUL */

/* The daemon. */
#define SZ_HEAD_MAX 16384        /* bytes of a request head put together from several segments */
#define SZ_HEADERS_MAX 100       /* header lines of a request */
#define SZ_TOKEN_MAX 8192        /* bytes of a compact JWS */
#define SZ_JSON_DEPTH_MAX 16
#define SZ_KNOWN_TOKENS 4096     /* bound to a key, whose signature is not verified each time */
#define SZ_KNOWN_BYTES (4u << 20) /* and their length in all */
#define SZ_SKEW_MAX 300          /* seconds of clock skew that may be configured */
#define SZ_JWKS_MAX (1u << 20)   /* bytes of a JWKS file */
#define SZ_KEYS_MAX 256          /* keys in one set */
#define SZ_RSA_BITS_MIN 2048     /* RFC 7518 section 3.3 */
#define SZ_RSA_BITS_MAX 8192

/* The configuration file. */
#define SZ_CONF_MAX (1u << 20)   /* bytes */
#define SZ_CONF_DEPTH_MAX 16     /* nesting */
#define SZ_CONF_TEXT_MAX 1024    /* bytes of one value */
#define SZ_CONF_PREFIXES_MAX 4096 /* prefixes of one network */
#define SZ_CONF_LIST_MAX 64      /* audiences, addresses, scopes or claims in one place */
#define SZ_INTERFACES_MAX 16
#define SZ_ISSUERS_MAX 64
#define SZ_ENDPOINTS_MAX (2 * SZ_SERVICES_MAX) /* of all services */

#define SZ_PENDING_MAX 16384     /* connections that wait for a decision */
#define SZ_PENDING_FRAMES 520    /* frames held for one of them */
#define SZ_PENDING_BYTES (64u << 20) /* bytes of frames held for all */
#define SZ_PENDING_NS 10000000000ull /* an incomplete head is given up after this */
#define SZ_ORDER_TICK_NS 4000000ull   /* how often frames in wait for a gap are looked at */
#define SZ_ORDER_NS 1000000000ull    /* a frame that joins on to nothing is given up after this */
#define SZ_TICKET_NS 5000000000ull   /* life of a one-time verdict */
#define SZ_DENIED_NS 60000000000ull  /* a bad token is remembered as bad this long */
#define SZ_NO_KEY_NS 10000000000ull /* a key that a provider lacks is not looked for again */
#define SZ_HEARTBEAT_NS 250000000ull /* how often the daemon says it lives */
#define SZ_WORKERS_MAX 64
#define SZ_METRIC_SERVICES 256 /* services that metrics tell apart; the others are one */
#define SZ_METRIC_ROUTES 2048  /* routes of all of them, likewise */

/* Default map sizes; the configuration may set others before the maps are created. */
#define SZ_MAX_GRANTS 1000000
#define SZ_MAX_REQUESTS 131072
#define SZ_MAX_PROFILES 4096      /* different sets of clauses by which tokens are refused */
#define SZ_MAX_FLOWS 262144
#define SZ_MAX_HALF 131072
#define SZ_MAX_DENIED 131072
#define SZ_MAX_SOURCES 262144
#define SZ_MAX_PRINCIPALS 262144 /* whose names are kept */
#define SZ_MAX_BUCKETS 131072    /* of each of the three kinds of subjects: enum sz_bucket_table */
#define SZ_MAX_HITS 262144
#define SZ_MAX_TICKETS 16384
#define SZ_MAX_CARRY 16384
#define SZ_MAX_SPILL 16384
#define SZ_MAX_BANS 1048576
#define SZ_MAX_ALLOW 65536       /* prefixes that are never banned */
#define SZ_MAX_REVOKED 1000000
#define SZ_MAX_ROUTE_NODES 65536
#define SZ_MISS_RING (8u << 20)  /* bytes; frames on their way to the daemon */
#define SZ_EVENT_RING (4u << 20) /* bytes; denials on their way to the audit log */

#endif

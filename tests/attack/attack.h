/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The attack rig: a raw-packet client with a TCP of its own in the lab's client namespace, a server
 * that records every byte in the server's, and an oracle that compares the two. One process holds
 * both ends, so that what was sent and what arrived lie in the same memory. Shares no code with the
 * product: what both got wrong would be found by neither.
 *
 *   wire.c      namespaces, frames out and in        http.c      strict reader of requests
 *   token.c     signed tokens                        recorder.c  the server behind the guard
 *   conn.c      one TCP connection of the client     story.c     requests of a case and its steps
 *   engine.c    runs cases, many at a time           oracle.c    judges a case that has ended
 *   random.c    a case from a seed                   named.c     cases with names
 */
#ifndef SZ_TESTS_ATTACK_H
#define SZ_TESTS_ATTACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef int32_t s32;
typedef uint64_t u64;

struct att_rng {
	u64 state;
};

u64 att_rand(struct att_rng *r);
/* 0 .. n-1; n > 0 */
u32 att_below(struct att_rng *r, u32 n);
/* True once in n. */
bool att_one_in(struct att_rng *r, u32 n);

/* Ends the program: the rig itself does not work. */
__attribute__((noreturn, format(printf, 1, 2))) void att_die(const char *fmt, ...);
void *att_alloc(size_t n);
u64 att_now(void); /* ns, monotonic */

/* ---- wire.c --------------------------------------------------------------------------------- */

#define ATT_FIN 0x01
#define ATT_SYN 0x02
#define ATT_RST 0x04
#define ATT_PSH 0x08
#define ATT_ACK 0x10
#define ATT_URG 0x20

#define ATT_MSS 1400

enum att_mod {
	ATT_BAD_TCP_SUM = 1 << 0,
	ATT_BAD_IP_SUM = 1 << 1,
	ATT_IP_OPTIONS = 1 << 2,    /* IPv6: a destination options header */
	ATT_FRAGMENTS = 1 << 3,     /* two, cut inside the TCP payload */
	ATT_TINY_FRAGMENT = 1 << 4, /* two, cut inside the TCP header */
	ATT_PADDED = 1 << 5,        /* bytes behind the end of the IP packet */
	ATT_SHORT = 1 << 6,         /* the IP header claims less than there is */
	ATT_LONG = 1 << 7,          /* the IP header claims more */
	ATT_BAD_DOFF = 1 << 8,      /* the TCP header claims to end behind the packet */
	ATT_NO_TS = 1 << 9,
	ATT_OLD_TS = 1 << 10, /* PAWS makes the server drop it */
	ATT_MD5 = 1 << 11,    /* a TCP-MD5 option nobody asked for */
	ATT_LOW_TTL = 1 << 12,
	ATT_VLAN = 1 << 13, /* inside an 802.1Q tag nobody has */
	ATT_MODS = 14,
};

struct att_segment {
	bool v6;
	const u8 *from; /* 16 bytes; IPv4 in the first four */
	u16 port;
	u32 seq, ack;
	u8 flags;
	u16 window, urgent;
	u32 mods;
	bool ts;
	u32 tsval, tsecr;
	const u8 *data;
	u32 len;
};

struct att_lab {
	const char *server_if, *ctl, *issuer, *audience, *key_file;
	int client_ns, server_ns, own_ns;
	int packets;      /* AF_PACKET on the client's interface */
	int listeners[2]; /* in the server's namespace */
	int ifindex;
	u8 client_mac[6], server_mac[6];
	u8 server4[4], server6[16];
	u16 port;
};

extern struct att_lab att_lab;

void att_wire_open(void);
void att_wire_send(const struct att_segment *s);
/* The next segment from the server; false: none waits. `data` is valid until the next call. */
bool att_wire_receive(struct att_segment *ret);
/* Runs subzeroctl with these words in the server's namespace; its process id. */
int att_ctl_start(const char *const *words);
/* Likewise, waits, returns its exit status. */
int att_ctl(const char *const *words);
/* Writes /proc/sys/net/<name> of the server's namespace. */
void att_server_sysctl(const char *name, const char *value);

/* ---- token.c -------------------------------------------------------------------------------- */

#define ATT_TOKEN_MAX 1024

enum att_token_kind { ATT_T_GOOD, ATT_T_NO_SCOPE, ATT_T_FORGED, ATT_T_EXPIRED };

void att_token_open(void);
/* A token whose jti is `id`; the same id and kind give another signature only in another second. */
void att_token_mint(enum att_token_kind kind, const char *id, char ret[ATT_TOKEN_MAX]);

/* ---- http.c --------------------------------------------------------------------------------- */

enum att_http { ATT_HTTP_OK, ATT_HTTP_MORE, ATT_HTTP_BAD };

struct att_parsed {
	u32 head_len, len;
	u32 path_at, path_len;
};

/* The request at the beginning of p[0..n). */
enum att_http att_http_read(const u8 *p, u32 n, struct att_parsed *ret);
/* Could any server, however lenient, see the end of a head in these bytes? */
bool att_http_could_end(const u8 *p, u32 n);

/* ---- story.c: the requests of a case, and its steps ------------------------------------------ */

enum att_class {
	ATT_KNOWN,
	ATT_FRESH,
	ATT_PUBLIC,
	ATT_NO_SCOPE,
	ATT_ADMIN, /* a known token on a route it does not open */
	ATT_FORGED,
	ATT_EXPIRED,
	ATT_NO_TOKEN,
	ATT_NO_ROUTE,
	ATT_AMBIGUOUS, /* a known token in a head that servers disagree about */
	ATT_CLASSES,
};

enum att_body { ATT_B_NONE, ATT_B_LENGTH, ATT_B_CHUNKED };

/* How a request is written. */
struct att_shape {
	enum att_class class;
	enum att_body body;
	u32 body_len;
	u32 pad;         /* bytes of an X-Pad header; 0: none */
	u32 token;       /* which of the known or of the case's fresh tokens */
	u32 ambiguity;   /* which one, for ATT_AMBIGUOUS */
	bool each;       /* on the route that is decided request by request */
	bool odd_path;   /* with an encoded letter */
	bool nasty_body; /* the body looks like requests */
	bool trailers;
};

/* One request that the case may have sent; versions of one slot exclude each other. */
struct att_request {
	u8 *bytes;
	u32 len, head_len;
	u32 slot;
	u32 at; /* offset in the true stream */
	bool allowed;
	bool may; /* either verdict is right (revoked meanwhile) */
	u16 status;
	bool arrived;
	char path[96];
};

enum att_op {
	ATT_OP_SYN, /* off: added to the initial sequence number */
	ATT_OP_UP,  /* wait for the handshake */
	ATT_OP_SEND,
	ATT_OP_LOST,    /* as if sent: the connection's own retransmission repairs it */
	ATT_OP_ANSWERS, /* wait for off answers in all, at most `ms` */
	ATT_OP_ACKED,   /* wait until the server has acknowledged off bytes, at most `ms` */
	ATT_OP_PAUSE,
	ATT_OP_REVOKE, /* the fresh token off; waits until it is done */
	ATT_OP_AGAIN,  /* forget the connection: the next SYN begins another one, from stream off */
	ATT_OP_CTL,    /* subzeroctl with what `text` says */
	ATT_OP_GATE,   /* wait until gate() */
};

struct att_step {
	enum att_op op;
	s32 off;        /* in the stream: 0 is the first byte behind the SYN */
	const u8 *data; /* NULL: the true stream's bytes */
	u32 len;
	u8 flags; /* 0: ACK, and PSH with data */
	u32 mods;
	s32 ack;    /* added to the acknowledgement */
	u16 window; /* 0: the usual; 1: zero */
	u16 urgent;
	u32 ms;
	const char *text;
	bool (*gate)(void);
};

/* How the recorder behaves; server_after is milliseconds for the first two, then requests. */
enum att_server {
	ATT_S_PLAIN,
	ATT_S_SLOW,  /* begins to read late, with little room */
	ATT_S_PACED, /* answers one request at a time */
	ATT_S_CLOSES,
	ATT_S_RESETS,
};

#define ATT_REQUESTS   64
#define ATT_FRESH_MAX  4
#define ATT_STREAM_MAX (256 * 1024)
#define ATT_BASES      8
#define ATT_ANSWERS    32

struct att_conn {
	u16 port;
	u32 isn, base, from; /* from: the stream's offset at base */
	u32 rcv_nxt, snd_una, snd_max;
	u32 window; /* the server's */
	bool syn_sent, up, fin, rst;
	bool ts;
	u32 ts_recent;
	u64 rto_at, rto;
	u8 in[8192];
	u32 in_len;
	u32 answers;
	u16 status[ATT_ANSWERS];
	bool wrong_answer;
};

/* One accepted socket. */
struct att_record {
	int fd; /* -1: closed */
	u8 *bytes;
	u32 len, room;
	u32 parsed; /* bytes of complete requests */
	u32 complete;
	bool bad;      /* the strict reader refused what is at `parsed` */
	u64 read_from; /* not read, or not answered, before this time */
	struct att_record *next;
	struct att_case *c;
};

struct att_trace {
	bool out;
	struct att_segment s;
	u64 at;
};

struct att_case {
	u64 seed;
	u32 number;
	const char *name; /* of a named case */
	struct att_rng rng;
	bool v6, cookies;
	u8 addr[16];
	u32 isn_hint;
	bool legit;     /* every request must be answered as its class says */
	bool again; /* it was well-behaved and told to come again: 503 */
	bool recover;   /* retransmit what the server does not acknowledge */
	bool take_last; /* of several SYN-ACKs */
	bool ts_wanted;
	bool silent; /* a SYN-ACK is not acknowledged */
	enum att_server server;
	u32 server_after;
	struct att_request req[ATT_REQUESTS];
	u32 n_req, n_slots;
	u8 *stream, *evil;
	u32 stream_len;
	u16 expect[ATT_ANSWERS]; /* statuses, for a legitimate case */
	const char *expect_path[ATT_ANSWERS];
	u32 n_expect;
	char fresh[ATT_FRESH_MAX][ATT_TOKEN_MAX];
	u32 n_fresh;
	struct att_step *step;
	u32 n_steps, room_steps, at_step;
	u64 step_began;
	int child;
	struct att_conn conn;
	u32 bases[ATT_BASES], froms[ATT_BASES], n_bases;
	struct att_record *records;
	struct att_trace *trace;
	u32 n_trace, room_trace;
	u8 **blobs;
	u32 n_blobs;
	char how[128]; /* what the generator chose, for people */
	u64 began, ended;
	u32 arrived;   /* complete requests at the recorder */
	char why[256]; /* first thing that was wrong; empty: nothing */
};

void att_case_init(struct att_case *c, u64 seed, u32 number);
void att_case_done(struct att_case *c);
/* The client's address, from the number of the case. */
void att_case_address(struct att_case *c);
/* Writes one request and makes it the next of the stream; its index in c->req. */
u32 att_story_add(struct att_case *c, const struct att_shape *shape);
/* Another version of a request, of the same length; bytes are copied. */
struct att_request *att_story_version(struct att_case *c, u32 of, bool allowed);
/* The version that a guard must refuse / may take as well; in c->evil, too. */
void att_story_refused_version(struct att_case *c, u32 of, u32 how);
void att_story_other_version(struct att_case *c, u32 of);
/* The expected statuses, from the classes of the slots. */
void att_story_expect(struct att_case *c);
struct att_step *att_story_step(struct att_case *c, enum att_op op);
struct att_step *att_story_send(struct att_case *c, s32 off, u32 len);
/* Memory that lives as long as the case. */
u8 *att_story_blob(struct att_case *c, const void *bytes, u32 len);
__attribute__((format(printf, 2, 3))) void att_wrong(struct att_case *c, const char *fmt, ...);
extern char att_known[16][ATT_TOKEN_MAX];
#define ATT_KNOWN_MAX   16
#define ATT_AMBIGUITIES 16

/* ---- conn.c --------------------------------------------------------------------------------- */

void att_conn_init(struct att_case *c, u32 from);
void att_conn_syn(struct att_case *c, s32 delta);
void att_conn_step(struct att_case *c, const struct att_step *s);
void att_conn_input(struct att_case *c, const struct att_segment *s);
/* Retransmits what is due. */
void att_conn_tick(struct att_case *c, u64 now);
/* Ends what the server may still hold. */
void att_conn_abort(struct att_case *c);

/* ---- recorder.c ----------------------------------------------------------------------------- */

void att_recorder_open(void);
void att_recorder_accept(u64 now);
/* Reads and answers what is there for this case. */
void att_recorder_read(struct att_case *c, u64 now);
/* Reads the rest of the case's sockets and closes them. */
void att_recorder_finish(struct att_case *c);

/* ---- oracle.c ------------------------------------------------------------------------------- */

void att_judge(struct att_case *c);
void att_print_case(const struct att_case *c);

/* ---- engine.c ------------------------------------------------------------------------------- */

struct att_case *att_engine_find(bool v6, const u8 *addr);
/* Runs one case to its end and judges it. */
void att_engine_run(struct att_case *c);
/* The same for a series: next() gives cases until NULL; done() gets each back, judged. */
void att_engine_series(u32 at_once, struct att_case *(*next)(void *arg),
		       void (*done)(struct att_case *c, void *arg), void *arg);

/* ---- flows.c -------------------------------------------------------------------------------- */

/* Has the guard an entry for the case's connection among those with an admitted request? */
bool att_flow_known(const struct att_case *c);

/* ---- random.c, named.c ---------------------------------------------------------------------- */

void att_random_case(struct att_case *c);

struct att_named {
	const char *name;
	void (*run)(struct att_case *c); /* builds, runs and judges; att_wrong() fails it */
	bool small;                      /* only where the flow map is small */
};

extern const struct att_named att_named[];

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The native side of the shim under subzero/guard.h: the maps of bpf/maps.h as small tables in
 * memory, the rings as lists, a clock that the test sets. Runs the whole decision under the
 * sanitizers. An element that is deleted or replaced stays readable until the call has ended, as
 * RCU has it in the kernel, and is gone afterwards.
 */
#ifndef SZ_TESTS_NATIVE_H
#define SZ_TESTS_NATIVE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "subzero/abi.h"
#include "subzero/flow.h"

enum native_kind { NATIVE_HASH, NATIVE_LRU, NATIVE_ARRAY, NATIVE_LPM };

struct native_elem {
	struct native_elem *next; /* newest first */
	u8 *key, *value;
};

struct native_map {
	enum native_kind kind;
	u32 key_size, value_size, max, n;
	struct native_elem *list;
};

struct native_record {
	u32 len;
	u8 *bytes;
};

struct native_ring {
	u32 max, n; /* records */
	struct native_record *rec;
};

#define NATIVE_MAP(name, k, key_t, value_t, m)                                                     \
	static struct native_map name = {                                                          \
		.kind = (k), .key_size = sizeof(key_t), .value_size = sizeof(value_t), .max = (m)  \
	}
NATIVE_MAP(sz_config, NATIVE_ARRAY, u32, struct sz_config, 1);
NATIVE_MAP(sz_services, NATIVE_HASH, struct sz_service_key, struct sz_service, 16);
NATIVE_MAP(sz_syn, NATIVE_HASH, struct sz_service_key, struct sz_syn, 16);
NATIVE_MAP(sz_routes, NATIVE_LPM, struct sz_route_key, struct sz_route_node, 64);
NATIVE_MAP(sz_grants, NATIVE_HASH, struct sz_grant_key, struct sz_grant, 64);
NATIVE_MAP(sz_requests, NATIVE_LRU, struct sz_request_key, struct sz_request, 64);
NATIVE_MAP(sz_denied, NATIVE_LRU, struct sz_grant_key, struct sz_denied, 16);
NATIVE_MAP(sz_half, NATIVE_LRU, struct sz_flow_key, struct sz_flow, 16);
NATIVE_MAP(sz_flows, NATIVE_LRU, struct sz_flow_key, struct sz_flow, 16);
NATIVE_MAP(sz_tickets, NATIVE_HASH, struct sz_ticket_key, struct sz_ticket, 64);
NATIVE_MAP(sz_spill, NATIVE_HASH, struct sz_flow_key, struct sz_spill, 16);
NATIVE_MAP(sz_carry, NATIVE_HASH, struct sz_flow_key, struct sz_carry, 16);
NATIVE_MAP(sz_sources, NATIVE_LRU, struct sz_addr, struct sz_source, 16);
NATIVE_MAP(sz_limits, NATIVE_ARRAY, u32, struct sz_limit, 256);
NATIVE_MAP(sz_limit_counts, NATIVE_ARRAY, u32, struct sz_limit_count, 256);
NATIVE_MAP(sz_buckets, NATIVE_ARRAY, u32, struct sz_bucket_set, 256);
NATIVE_MAP(sz_networks, NATIVE_LPM, struct sz_network_key, u32, 64);
NATIVE_MAP(sz_hits, NATIVE_HASH, struct sz_hit_key, u64, 64);
NATIVE_MAP(sz_bans, NATIVE_LPM, struct sz_ban_key, struct sz_ban, 16);
NATIVE_MAP(sz_allow, NATIVE_LPM, struct sz_ban_key, u32, 16);
NATIVE_MAP(sz_answers, NATIVE_ARRAY, u32, struct sz_answer, SZ_ANSWERS_MAX);
NATIVE_MAP(sz_counters, NATIVE_ARRAY, u32, u64, SZ_REASON_MAX);
NATIVE_MAP(sz_lost, NATIVE_ARRAY, u32, u64, SZ_REASON_MAX);

static struct native_ring sz_misses = { .max = 64 }, sz_events = { .max = 64 };
static u64 native_now = 1000000000000ull;

/* Which call of a kind fails, counted from the next one; 0: none. */
static struct {
	u32 load, store, resize, set;
} native_fail;

static inline bool native_fails(u32 *n)
{
	return *n && !--*n;
}

static struct native_elem *native_graves;

static inline void native_bury(struct native_elem *e)
{
	e->next = native_graves;
	native_graves = e;
}

/* The grace period is over. */
static inline void native_reap(void)
{
	while (native_graves) {
		struct native_elem *e = native_graves;

		native_graves = e->next;
		free(e->key);
		free(e->value);
		free(e);
	}
}

static inline struct native_elem *native_elem_new(struct native_map *m, const void *key,
						  const void *value)
{
	struct native_elem *e = malloc(sizeof(*e));

	if (!e || !(e->key = malloc(m->key_size)) || !(e->value = calloc(1, m->value_size)))
		abort();
	memcpy(e->key, key, m->key_size);
	if (value)
		memcpy(e->value, value, m->value_size);
	e->next = m->list;
	m->list = e;
	m->n++;
	return e;
}

static inline bool native_bits_equal(const u8 *a, const u8 *b, u32 bits)
{
	if (memcmp(a, b, bits / 8))
		return false;
	return !(bits & 7) || !((a[bits / 8] ^ b[bits / 8]) & (0xff00 >> (bits & 7)));
}

static inline struct native_elem **native_slot(struct native_map *m, const void *key)
{
	struct native_elem **p;

	for (p = &m->list; *p; p = &(*p)->next)
		if (!memcmp((*p)->key, key, m->key_size))
			break;
	return p;
}

static inline struct native_elem *native_lpm(struct native_map *m, const void *key)
{
	struct native_elem *e, *best = NULL;
	u32 want, bits, found = 0;

	memcpy(&want, key, 4);
	for (e = m->list; e; e = e->next) {
		memcpy(&bits, e->key, 4);
		if (bits <= want && (!best || bits > found) &&
		    native_bits_equal(e->key + 4, (const u8 *)key + 4, bits)) {
			best = e;
			found = bits;
		}
	}
	return best;
}

static inline void *sz_map_get(struct native_map *m, const void *key)
{
	struct native_elem **p, *e;
	u32 index;

	if (m->kind == NATIVE_LPM) {
		e = native_lpm(m, key);
		return e ? e->value : NULL;
	}
	p = native_slot(m, key);
	e = *p;
	if (!e && m->kind == NATIVE_ARRAY) {
		memcpy(&index, key, 4);
		return index < m->max ? native_elem_new(m, key, NULL)->value : NULL;
	}
	if (e && m->kind == NATIVE_LRU) {
		*p = e->next;
		e->next = m->list;
		m->list = e;
	}
	return e ? e->value : NULL;
}

static inline int sz_map_unset(struct native_map *m, const void *key)
{
	struct native_elem **p = native_slot(m, key), *e = *p;

	if (!e || m->kind == NATIVE_ARRAY)
		return -1;
	*p = e->next;
	m->n--;
	native_bury(e);
	return 0;
}

static inline int sz_map_set(struct native_map *m, const void *key, const void *value)
{
	struct native_elem **p;
	void *v;

	if (native_fails(&native_fail.set))
		return -1;
	if (m->kind == NATIVE_ARRAY) {
		v = sz_map_get(m, key);
		if (!v)
			return -1;
		memcpy(v, value, m->value_size);
		return 0;
	}
	sz_map_unset(m, key);
	if (m->n >= m->max) {
		if (m->kind != NATIVE_LRU)
			return -1;
		for (p = &m->list; (*p)->next;)
			p = &(*p)->next;
		native_bury(*p);
		*p = NULL;
		m->n--;
	}
	native_elem_new(m, key, value);
	return 0;
}

static inline int sz_map_add(struct native_map *m, const void *key, const void *value)
{
	return sz_map_get(m, key) ? -1 : sz_map_set(m, key, value);
}

static inline void native_map_clear(struct native_map *m)
{
	while (m->list) {
		struct native_elem *e = m->list;

		m->list = e->next;
		native_bury(e);
	}
	m->n = 0;
	native_reap();
}

static inline int native_ring_put(struct native_ring *r, const void *rec, u32 len, u32 max)
{
	struct native_record *n;

	if (len < 1 || len > max || r->n >= r->max)
		return -1;
	r->rec = realloc(r->rec, (r->n + 1) * sizeof(*r->rec));
	n = r->rec ? &r->rec[r->n] : NULL;
	if (!n || !(n->bytes = malloc(len)))
		abort();
	memcpy(n->bytes, rec, len);
	n->len = len;
	r->n++;
	return 0;
}

static inline void native_ring_clear(struct native_ring *r)
{
	while (r->n)
		free(r->rec[--r->n].bytes);
	free(r->rec);
	r->rec = NULL;
}

/* A frame as an XDP context: `len` bytes in a buffer of `room`. */
struct sz_ctx {
	u8 *data;
	u32 len, room;
};

static inline int native_copy(struct sz_ctx *ctx, u32 off, void *to, const void *from, u32 len,
			      u32 max)
{
	if (len < 1 || len > max || off > ctx->len || len > ctx->len - off ||
	    native_fails(to ? &native_fail.load : &native_fail.store))
		return -1;
	if (to)
		memcpy(to, ctx->data + off, len);
	else
		memcpy(ctx->data + off, from, len);
	return 0;
}

static inline int native_resize(struct sz_ctx *ctx, u32 len)
{
	if (len < 14 || len > ctx->room || native_fails(&native_fail.resize))
		return -1;
	if (len > ctx->len)
		memset(ctx->data + ctx->len, 0, len - ctx->len);
	ctx->len = len;
	return 0;
}

#define sz_now() (native_now)
#define sz_ctx_len(ctx) ((ctx)->len)
#define sz_ctx_load(ctx, off, to, len, max) native_copy(ctx, off, to, NULL, len, max)
#define sz_ctx_store(ctx, off, from, len, max) native_copy(ctx, off, NULL, from, len, max)
#define sz_ctx_resize(ctx, len) native_resize(ctx, len)
#define sz_ring_put(ring, rec, len, max) native_ring_put(ring, rec, len, max)

/*
 * This machine's TCP as far as SYN cookies go. A cookie is built as Linux builds one: what the
 * check allows (any sequence numbers of the right difference, four of MSS, two minutes) is what an
 * attacker can play with.
 */
static struct {
	bool listens;                               /* a server takes cookies, */
	bool (*connected)(const struct sz_packet *); /* and has this connection; NULL: none */
	bool told; /* what the kernel said to the same frame, instead of all this: */
	s64 made;
	bool valid, listening;
	u32 clock_ms;
} native_tcp;

static inline u32 native_cookie_hash(const struct sz_packet *p, u32 count)
{
	return (u32)((sz_flow_tag(&p->key) >> 32) * 0x9e3779b1u + count * 0x85ebca6bu + 77);
}

static inline u32 native_cookie(const struct sz_packet *p, u32 sseq, u32 count, u32 mss)
{
	return native_cookie_hash(p, 0) + sseq + (count << 24) +
	       ((native_cookie_hash(p, count) + mss) & 0xffffff);
}

/* Would a listener take it? It is what Linux asks of a cookie, no more and no less. */
static inline bool native_cookie_fits(const struct sz_packet *p)
{
	u32 now = (u32)(native_now / 60000000000ull);

	for (u32 age = 0; age < 2; age++)
		for (u32 mss = 0; mss < 4; mss++)
			if (native_cookie(p, p->seq - 1, now - age, mss) == p->ack - 1)
				return true;
	return false;
}

struct sz_scratch;
static inline s64 sz_cookie_make(struct sz_ctx *ctx, struct sz_scratch *s);
static inline bool sz_cookie_valid(struct sz_scratch *s);
static inline bool sz_server_listens(struct sz_ctx *ctx, struct sz_scratch *s);
#define sz_clock_ms() (native_tcp.told ? native_tcp.clock_ms : (u32)(native_now / 1000000))

#include "subzero/guard.h"

static inline bool sz_server_listens(struct sz_ctx *ctx, struct sz_scratch *s)
{
	bool here = native_tcp.listens && (!native_tcp.connected || !native_tcp.connected(&s->p));

	(void)ctx;
	s->w.listens = native_tcp.told ? native_tcp.listening : here;
	return s->w.listens;
}

static inline s64 sz_cookie_make(struct sz_ctx *ctx, struct sz_scratch *s)
{
	static const u32 mss[2][4] = {{536, 1300, 1440, 1460}, {1220, 1420, 1440, 8940}};
	const u8 *opt = s->frame + s->p.l4_off + 20;
	u32 offer = 536, i = 3;

	if (native_tcp.told)
		return native_tcp.made;
	if (!native_tcp.listens || (native_tcp.connected && native_tcp.connected(&s->p)))
		return -1;
	(void)ctx;
	if (s->p.payload_off >= s->p.l4_off + 24 && opt[0] == 2 && opt[1] == 4)
		offer = (u32)opt[2] << 8 | opt[3];
	while (i && offer < mss[s->p.v6][i])
		i--;
	return (s64)((u64)mss[s->p.v6][i] << 32 |
		     native_cookie(&s->p, s->p.seq, (u32)(native_now / 60000000000ull), i));
}

static inline bool sz_cookie_valid(struct sz_scratch *s)
{
	s->w.cookie_ok = native_tcp.told ? native_tcp.valid : native_cookie_fits(&s->p);
	return s->w.cookie_ok;
}

static struct sz_scratch native_scratch[2];

static inline int native_ingress(struct sz_ctx *ctx)
{
	int act = sz_guard_ingress(ctx, &native_scratch[0], 3, 1);

	native_reap();
	return act;
}

static inline void native_egress(const u8 *frame, u32 len, bool forwarded)
{
	struct sz_scratch *s = &native_scratch[1];
	u32 n = len < SZ_HEADERS_LEN ? len : SZ_HEADERS_LEN;

	if (n < 54)
		return;
	memcpy(s->frame, frame, n);
	sz_guard_egress(n, len, forwarded, s);
	native_reap();
}

static inline u64 native_count(u32 reason)
{
	return *(u64 *)sz_map_get(&sz_counters, &reason);
}

static inline u64 native_lost(u32 reason)
{
	return *(u64 *)sz_map_get(&sz_lost, &reason);
}

static inline void native_clear(void)
{
	struct native_map *all[] = { &sz_config, &sz_services, &sz_syn, &sz_routes, &sz_grants,
				     &sz_denied,
				     &sz_requests,
				     &sz_half, &sz_flows, &sz_tickets, &sz_carry, &sz_spill,
				     &sz_sources, &sz_limits, &sz_limit_counts, &sz_buckets,
				     &sz_networks, &sz_hits, &sz_bans, &sz_allow, &sz_answers,
				     &sz_counters, &sz_lost };

	for (u32 i = 0; i < sizeof(all) / sizeof(*all); i++)
		native_map_clear(all[i]);
	native_ring_clear(&sz_misses);
	native_ring_clear(&sz_events);
	memset(native_scratch, 0, sizeof(native_scratch));
	memset(&native_fail, 0, sizeof(native_fail));
	memset(&native_tcp, 0, sizeof(native_tcp));
	native_now = 1000000000000ull;
}

#endif

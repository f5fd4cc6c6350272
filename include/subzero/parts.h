/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The heavy parts of a decision as functions with only numbers for arguments: in BPF they are
 * global functions, which the verifier checks once each and not at every place that calls them.
 * Each finds the working memory by itself.
 */
#ifndef SZ_PARTS_H
#define SZ_PARTS_H

#include "subzero/answer.h"
#include "subzero/bucket.h"
#include "subzero/digest.h"
#include "subzero/head.h"
#include "subzero/packet.h"
#include "subzero/scratch.h"

#define SZ_SCRATCH_INGRESS 0
#define SZ_SCRATCH_EGRESS  1

#ifdef __bpf__
#define SZ_PART           __attribute__((noinline))
#define sz_scratch_use(s) ((void)(s))
#else
#define SZ_PART           static inline __attribute__((unused))
static _Thread_local struct sz_scratch *sz_scratch_native;
#define sz_scratch_use(s) ((void)(sz_scratch_native = (s)))
#define SZ_SCRATCH(slot)  ((void)(slot), sz_scratch_native)
#endif

/* Parses the first n bytes of a frame of `len` bytes. */
SZ_PART int sz_part_parse(u32 slot, u32 n, u32 len)
{
	struct sz_scratch *s = SZ_SCRATCH(slot);

	if (!s)
		return -1;
	sz_packet_parse(s->frame, n, len, &s->p);
	return 0;
}

/* Scans the request line in frame[at .. end); the result is in s->scan. */
SZ_PART int sz_part_line(u32 at, u32 end)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);

	if (!s)
		return -1;
	sz_head_scan_line(&s->scan, s->frame, at, end);
	return 0;
}

/* Scans what is behind it, see sz_head_scan_rest(). */
SZ_PART int sz_part_rest(u32 guess)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);

	if (!s)
		return -1;
	sz_head_scan_rest(&s->scan, s->frame, guess);
	return 0;
}

/* Scans all of a request head, every byte. */
SZ_PART int sz_part_scan(u32 at, u32 end)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);

	if (!s)
		return -1;
	sz_head_scan(&s->scan, s->frame, at, end);
	return 0;
}

/* Sum of frame[at .. at + len), see sz_same_sum(), into w.sum. */
SZ_PART int sz_part_sum(u32 at, u32 len)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);
	u32 zero = 0;
	struct sz_config *cfg = sz_map_get(&sz_config, &zero);

	if (!s || !cfg)
		return -1;
	sz_same_sum(cfg->same_key, s->frame, at, len, s->w.sum.w);
	return 0;
}

/* Keyed digest of frame[at .. at + len); never 0, and 0 where there is no memory or key. */
SZ_PART u64 sz_part_digest(u32 at, u32 len)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);
	u32 zero = 0;
	struct sz_config *cfg = sz_map_get(&sz_config, &zero);

	if (!s || !cfg)
		return 0;
	return sz_segment_digest(cfg->key, s->frame, at, len);
}

/*
 * The same of a head with a token in it: see sz_head_digest(); `at_token` is where that stands.
 * With `same` all headers are in the token's place, and their sum in its digest's.
 */
SZ_PART u64 sz_part_head(u32 at, u32 len, u32 at_token, u32 token_len, u32 same)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);
	u32 zero = 0;
	struct sz_config *cfg = sz_map_get(&sz_config, &zero);

	if (!s || !cfg)
		return 0;
	if (same)
		s->w.named = s->w.sum;
	else
		s->w.named = s->w.token;
	return sz_head_digest(cfg->key, s->frame, at, len, at_token - at, token_len, &s->w.named);
}

/* Digest of the token at frame[at .. at + len) into w.token. */
SZ_PART int sz_part_token(u32 at, u32 len)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);
	u32 zero = 0;
	struct sz_config *cfg = sz_map_get(&sz_config, &zero);

	if (!s || !cfg)
		return -1;
	sz_token_digest(cfg->key, s->frame, at, len, &s->w.token);
	return 0;
}

/* A record that is not made, for lack of room or because there are too many: counted. */
SZ_INLINE int sz_report_lost(u32 reason)
{
	u64 *lost = sz_map_get(&sz_lost, &reason);

	if (lost)
		(*lost)++;
	return 0;
}

/*
 * May a refusal for this reason have a record of its own? A flood must not spend the daemon's time
 * and the disk on records that all say the same, nor hide refusals for another reason among them.
 */
SZ_INLINE bool sz_may_report(u32 reason, u64 now)
{
	u32 zero = 0;
	struct sz_config *cfg = sz_map_get(&sz_config, &zero);

	return !cfg || sz_bucket_take(&cfg->event_tat[reason & (SZ_REASON_MAX - 1)], now,
				      cfg->event_interval_ns, cfg->event_burst_ns);
}

/* Do the first `bits` bits of two addresses agree? No bits: no prefix, so no. */
SZ_COLD bool sz_in_prefix(const struct sz_addr *a, const struct sz_addr *b, u32 bits)
{
	u32 differ = 0, i;

	SZ_NO_UNROLL
	for (i = 0; i < 4; i++) {
		u32 x = sz_ntohl(sz_load32(a->b + 4 * i) ^ sz_load32(b->b + 4 * i));
		u32 n = bits > 32 * i ? bits - 32 * i : 0;

		differ |= n >= 32 ? x : x & ~(0xffffffffu >> n);
	}
	return bits && (!SZ_RULE(GRANT_SOURCE) || !differ);
}

/*
 * What the daemon has said about the scanned request before: SZ_R_TICKET admits it on w.route,
 * another reason refuses it; 0: nothing that still holds. The token's digest is in w.token.
 */
SZ_PART u32 sz_part_known(u32 service)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);
	u32 zero = 0;
	struct sz_config *cfg = sz_map_get(&sz_config, &zero);
	const struct sz_request *r;

	if (!s || !cfg)
		return 0;
	s->request.token = s->w.token;
	s->request.service = service;
	s->request.method = s->w.method;
	/* By way of w.token: the verifier need not look at a digest in one more place. */
	sz_part_token(s->scan.path_off, s->scan.target_len);
	s->request.target = s->w.token;
	s->w.token = s->request.token;
	r = sz_map_get(&sz_requests, &s->request);
	if (!r || (SZ_RULE(REQUEST_EXPIRY) && r->expires_ns <= s->w.now) ||
	    (SZ_RULE(REQUEST_POLICY) && r->policy_gen != cfg->policy_gen) ||
	    (SZ_RULE(REQUEST_KEYS) && r->key_gen != cfg->key_gen) ||
	    (SZ_RULE(REQUEST_RELATION) && (r->flags & SZ_RQ_RELATION) &&
	     r->rel_gen != cfg->rel_gen[r->rel_slot & (SZ_REL_SLOTS - 1)]) ||
	    (SZ_RULE(REQUEST_SOURCE) && r->source_bits &&
	     !sz_in_prefix(&s->p.key.client, &r->source, r->source_bits)))
		return 0;
	s->w.route = r->route;
	s->w.explanation = r->explanation;
	return r->reason;
}

/* Are there more refusals for this reason than may have a record? Takes nothing. */
SZ_INLINE bool sz_reports_spent(u32 reason, u64 now)
{
	u32 zero = 0;
	const struct sz_config *cfg = sz_map_get(&sz_config, &zero);

	return cfg && cfg->event_interval_ns &&
	       cfg->event_tat[reason & (SZ_REASON_MAX - 1)] + cfg->event_interval_ns >
		       now + cfg->event_burst_ns;
}

/* One record for the audit log, about w.report. */
SZ_PART int sz_part_report(u32 service, u32 reason)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);
	u32 zero = 0, n, i;
	const struct sz_config *cfg = sz_map_get(&sz_config, &zero);
	struct sz_admitted *a;
	struct sz_event *e;

	if (!s || !cfg)
		return -1;
	if (reason >= SZ_R_NO_TOKEN && !sz_may_report(reason, s->w.now))
		return sz_report_lost(reason);
	a = &s->w.report;
	e = &s->event;
	n = a->path_len;
	sz_memset(e, 0, sizeof(*e));
	e->time_ns = s->w.now;
	e->principal = a->principal;
	e->flow = s->p.key;
	e->service = service;
	e->reason = reason;
	e->route = a->route;
	e->method = a->method;
	e->monitor = s->w.monitor;
	e->limit = (u16)s->w.limit;
	e->explanation = a->explanation;
	e->policy_gen = cfg->policy_gen;
	if (n > sizeof(e->path))
		n = sizeof(e->path);
	e->path_len = (u16)n;
	for (i = 0; i < sizeof(e->path); i += 8) {
		u64 v;

		if (i >= n)
			break;
		v = sz_load64(s->frame + ((a->path_off + i) & SZ_FRAME_MASK));
		sz_memcpy(e->path + i, &v, 8);
	}
	if (sz_ring_put(&sz_events, e, sizeof(*e), sizeof(*e)))
		return sz_report_lost(reason);
	return 0;
}

/* Headers of a segment to the client into s->out; returns their length. See sz_reply_build(). */
SZ_PART u32 sz_part_reply(u32 flags, u32 body_len, u32 body_sum)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);
	struct sz_reply r = {flags, body_len, body_sum, 0};

	if (!s)
		return 0;
	sz_reply_build(s->frame, &s->p, s->out, &r);
	return r.hdr_len;
}

/* Headers of a RST to the server into s->out; returns their length. See sz_reset_build(). */
SZ_PART u32 sz_part_reset(u32 seq)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);

	return s ? sz_reset_build(s->frame, &s->p, s->out, seq) : 0;
}

/* Headers of the segment cut after `keep` bytes into s->out; 0: cannot be. See sz_trim_build(). */
SZ_PART u32 sz_part_trim(u32 keep)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);

	return s && sz_trim_build(s->frame, &s->p, s->out, keep);
}

#endif

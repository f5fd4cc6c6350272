/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the steps of a decision share, and how its outcome is counted and reported: the per-CPU
 * counters, the sources, the records for the audit log. Called by request.h, walk.h, outcome.h and
 * guard.h; decides nothing.
 */
#ifndef SZ_ACCOUNT_H
#define SZ_ACCOUNT_H

#include "subzero/abi.h"
#include "subzero/compat.h"
#include "subzero/parts.h"
#include "subzero/scratch.h"

enum sz_action {
	SZ_PASS,
	SZ_DROP,
	SZ_REPLY,
	SZ_AGAIN, /* another CPU changed the flow meanwhile: nothing has happened yet, decide anew
		   */
};

#define SZ_ATTEMPTS 32

#define SZ_LINGER_NS 100000000ull     /* frames behind a question are still held this long */
#define SZ_ASK_AGAIN_NS 150000000ull  /* an unanswered question is asked again after this: less
				       * than the 200 ms after which TCP sends again */
/*
 * Frames held behind one question, and how far behind `next` they may begin. On a connection whose
 * client is known it is what a fast sender has in flight; before that, an initial window.
 */
#define SZ_HELD_MAX          512
#define SZ_HELD_SPAN         (1u << 20)
#define SZ_HELD_MAX_UNKNOWN  64
#define SZ_HELD_SPAN_UNKNOWN (1u << 17)
#define SZ_HELD_SHARE        8 /* that many held frames cost a source as much as one miss */

/* What the steps of a walk share: pointers, which map memory cannot hold, and how one has ended. */
struct sz_guard {
	struct sz_ctx *ctx;
	struct sz_scratch *s;
	struct sz_config *cfg;
	const struct sz_service *svc;
	int act; /* enum sz_action of an attempt */
};

SZ_COLD void sz_count(u32 reason)
{
	u64 *n;

	reason = SZ_TOLD(reason);
	n = sz_map_get(&sz_counters, &reason);
	if (n)
		(*n)++;
}

/* The client's row; `add` = 0: only where there is one. */
SZ_COLD struct sz_source *sz_source_row(const struct sz_addr *client, u32 add)
{
	struct sz_addr a = *client;
	struct sz_source fresh = {}, *src;

	if (sz_load64(a.b) || sz_load32(a.b + 8) != 0xffff0000u)
		sz_memset(a.b + 8, 0, 8);
	src = sz_map_get(&sz_sources, &a);
	if (src || !add)
		return src;
	sz_map_add(&sz_sources, &a, &fresh);
	return sz_map_get(&sz_sources, &a);
}

SZ_INLINE struct sz_source *sz_source_of(const struct sz_addr *client)
{
	return sz_source_row(client, 1);
}

/* Counts a denial in the place of its reason, or in the last one. */
SZ_INLINE void sz_source_why(struct sz_source *src, u32 reason)
{
	u32 i;

	for (i = 0; i < SZ_SOURCE_WHYS - 1; i++) {
		u64 v = *(volatile u64 *)&src->why[i];

		if (!v)
			v = sz_cas(&src->why[i], 0, SZ_WHY(reason, 1));
		if (!v)
			return;
		if (SZ_WHY_REASON(v) == reason)
			break;
	}
	sz_fetch_add(&src->why[i & (SZ_SOURCE_WHYS - 1)], 1);
}

/*
 * Counts a denial for its source. What nobody has shown to be his address (it got no answer) makes
 * no row in a flood: rows of those who are real would be lost for it, and time.
 */
SZ_PART int sz_part_blame(u32 reason)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);
	struct sz_source *src;

	if (!s)
		return -1;
	src = sz_source_row(&s->p.key.client,
			    reason < SZ_R_BANNED || !sz_reports_spent(reason, s->w.now));
	if (!src)
		return -1;
	sz_fetch_add(&src->denials, 1);
	sz_source_why(src, reason);
	if (sz_reason_is_failure(reason))
		sz_fetch_add(&src->failures, 1);
	if (sz_reason_is_limit(reason))
		sz_fetch_add(&src->limited, 1);
	src->last_reason = reason;
	src->seen_ns = s->w.now;
	return 0;
}

/* The state of the endpoint that the segment is for: by its address, or by any. */
SZ_COLD struct sz_syn *sz_syn_of(const struct sz_addr *server, u16 port)
{
	struct sz_service_key key = {.addr = *server, .port = port};
	struct sz_syn *syn = sz_map_get(&sz_syn, &key);

	if (syn)
		return syn;
	sz_memset(&key.addr, 0, sizeof(key.addr));
	return sz_map_get(&sz_syn, &key);
}

/* From either map; NULL: in none. Another CPU may move it to the first meanwhile. */
SZ_COLD struct sz_flow *sz_flow_lookup(const struct sz_flow_key *key, u32 *ret_promoted)
{
	struct sz_flow *f = sz_map_get(&sz_flows, key);

	*ret_promoted = 1;
	if (f)
		return f;
	*ret_promoted = 0;
	f = sz_map_get(&sz_half, key);
	if (f)
		return f;
	*ret_promoted = 1;
	return sz_map_get(&sz_flows, key);
}

/* A record for the audit log about the request at hand. */
SZ_INLINE void sz_report(struct sz_scratch *s, u32 service, u32 reason)
{
	struct sz_admitted *a = &s->w.report;

	a->principal = s->w.principal;
	a->explanation = s->w.explanation;
	a->route = s->w.route;
	a->method = s->w.method;
	a->path_off = (u16)s->scan.path_off;
	a->path_len = (u16)s->scan.target_len;
	sz_part_report(service, reason);
}

/* Counts a refusal and, where it is one, reports it. */
SZ_COLD void sz_refused(struct sz_scratch *s, u32 service, u32 reason)
{
	s->w.limit = SZ_TOLD_LIMIT(reason);
	reason = SZ_TOLD(reason);
	sz_count(reason);
	if (!sz_reason_is_record(reason))
		return;
	sz_part_blame(reason);
	sz_report(s, service, reason);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Headers that are sent again: a client that keeps its connection mostly changes the request line
 * alone. What scanning the rest has given is kept with the flow, beside a keyed sum of its bytes;
 * where the sum is the same, so are the bytes, and they need not be scanned nor their token be
 * digested. What is kept is a reading and no verdict: grant, route and limits are looked up for
 * each request. Called by walk.h.
 */
#ifndef SZ_SAME_H
#define SZ_SAME_H

#include "subzero/parts.h"
#include "subzero/rule.h"

/* Are the headers behind the scanned request line those before? 1: s->scan is as if read; or 0. */
SZ_PART int sz_part_same(void)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);
	const struct sz_same *o;
	struct sz_scan *h;
	u32 end;

	if (!s)
		return 0;
	o = &s->flow.same;
	h = &s->scan;
	end = h->rest + o->len;
	if (!o->len || s->flow.strange >= SZ_SAME_TRIES || s->w.carry || h->unusual || h->flags ||
	    end > h->end ||
	    sz_load32(s->frame + ((end - 4) & SZ_FRAME_MASK)) != 0x0a0d0a0du) /* CRLF CRLF */
		return 0;
	if (sz_part_sum(h->rest, o->len))
		return 0;
	s->w.summed = o->len;
	if (SZ_RULE(SAME_HEADERS) && (s->w.sum.w[0] != o->sum[0] || s->w.sum.w[1] != o->sum[1]))
		return 0;
	h->flags = o->flags;
	h->content_length = o->content_length;
	h->token_off = h->rest + o->token_off;
	h->token_len = o->token_len;
	h->head_end = end;
	h->status = SZ_HEAD_CLEAN;
	s->w.token = o->token;
	s->w.same = 1;
	return 1;
}

/*
 * The one head of this segment so far was admitted by a grant: what stands for its token's bytes in
 * the range, and what is kept of its headers for the next one. A client whose headers differ each
 * time is not compared any more.
 */
SZ_PART int sz_part_keep(void)
{
	struct sz_scratch *s = SZ_SCRATCH(SZ_SCRATCH_INGRESS);
	struct sz_flow *f;
	struct sz_scan *h;
	struct sz_same *o;
	u32 len;

	if (!s)
		return 0;
	f = &s->flow;
	h = &s->scan;
	o = &f->same;
	len = h->head_end - h->rest;
	if (s->w.same) {
		f->strange = 0;
		s->w.token_at = h->rest;
		s->w.token_len = o->len;
		return 0;
	}
	s->w.token_at = h->token_off;
	s->w.token_len = h->token_len;
	o->token_len = h->token_len;
	o->len = 0;
	if (!f->requests || f->strange >= SZ_SAME_TRIES || len > SZ_SAME_MAX ||
	    (h->flags & SZ_HD_HTTP10))
		return 0;
	f->strange++;
	if (s->w.summed != len && sz_part_sum(h->rest, len))
		return 0;
	o->sum[0] = s->w.sum.w[0];
	o->sum[1] = s->w.sum.w[1];
	o->token = s->w.token;
	o->content_length = h->content_length;
	o->flags = h->flags;
	o->token_off = h->token_off - h->rest;
	o->len = len;
	return 0;
}

#endif

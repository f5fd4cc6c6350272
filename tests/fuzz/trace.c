/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any bytes as a request's head: what is read of it lies inside, a parent is one that would be
 * written so again, and the spans made of it are JSON.
 */
#include <jansson.h>
#include <string.h>

#include "codec/codec.h"
#include "trace/trace_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(const char *s, const struct sz_trace_parent *p)
{
	char trace[33], span[17];

	sz_hex_encode(p->trace, sizeof(p->trace), trace);
	sz_hex_encode(p->span, sizeof(p->span), span);
	if (memcmp(s + 3, trace, 32) || memcmp(s + 36, span, 16) || memcmp(s, "ff", 2) == 0)
		abort();
}

static void encode(const struct sz_trace_head *h)
{
	static const u8 ids[SZ_TRACE_STEPS][8] = {{1}, {2}, {3}, {4}};
	struct sz_trace_request r = {.has_parent = h->has_parent, .began_ns = 5, .decided = true,
				     .step = {{6, 7}, {8, 9}, {9, 10}, {11, 12}}};
	struct sz_buf spans = {0}, all = {0};
	json_error_t why;
	json_t *v;

	if (h->method && h->method_len < sizeof(r.method)) {
		memcpy(r.method, h->method, h->method_len);
		r.path_len = h->path_len < sizeof(r.path) ? h->path_len : sizeof(r.path);
		memcpy(r.path, h->path, r.path_len);
	}
	if (sz_trace_encode(&spans, &r, 13, ids) != SZ_TRACE_SPANS_MAX)
		abort();
	sz_trace_envelope(&all, &spans);
	v = json_loadb(all.data, all.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
	if (!v)
		abort();
	json_decref(v);
	sz_buf_done(&spans);
	sz_buf_done(&all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Exactly so long: the sanitizer sees a byte too far. */
	char *p = sz_calloc(1, size + !size);
	struct sz_trace_parent parent;
	struct sz_trace_head h;

	if (size)
		memcpy(p, data, size);
	sz_trace_head_read(p, size, &h);
	if (h.method && (h.method < p || h.path + h.path_len > p + size ||
			 memchr(h.path, '?', h.path_len)))
		abort();
	encode(&h);
	if (sz_trace_parent_parse(p, size, &parent))
		same(p, &parent);
	sz_trace_rejected(p, size);
	free(p);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared inside the trace room: spans as OTLP's JSON. Tests and fuzzers include it too.
 */
#ifndef SZ_TRACE_TRACE_PRIV_H
#define SZ_TRACE_TRACE_PRIV_H

#include "trace/trace.h"

#define SZ_TRACE_SPANS_MAX (1 + SZ_TRACE_STEPS) /* of one request */

/* Appends the request's spans, separated by commas and with one in front unless *b is empty. `ids`
 * are those of the steps. Returns how many. */
unsigned sz_trace_encode(struct sz_buf *b, const struct sz_trace_request *r, u64 ended_ns,
			 const u8 (*ids)[8]);
/* Appends an ExportTraceServiceRequest with these spans. */
void sz_trace_envelope(struct sz_buf *b, const struct sz_buf *spans);
/* "partialSuccess.rejectedSpans" of an answer; 0 where it says nothing of it. */
u64 sz_trace_rejected(const char *body, size_t n);
/* A JSON string in quotes; what is not UTF-8 becomes U+FFFD. */
void sz_trace_text(struct sz_buf *b, const char *s, size_t n);

#endif

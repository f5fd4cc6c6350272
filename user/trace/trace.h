/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * OpenTelemetry traces of the miss path: what W3C Trace Context (header traceparent) says, which
 * requests are traced, spans by the semantic conventions for HTTP, their export as OTLP/HTTP in
 * JSON. Called by the gateway in the loop. Never blocks; what does not fit is dropped and counted.
 * A trace holds no token, no claim but the issuer, and no query of a URL.
 */
#ifndef SZ_TRACE_TRACE_H
#define SZ_TRACE_TRACE_H

#include "config/config.h"
#include "core/core.h"
#include "net/net.h"

/* ---- what a request says: parent.c ---------------------------------------------------------- */

struct sz_trace_parent {
	u8 trace[16], span[8];
	bool sampled;
};
/* Value of traceparent (W3C Trace Context, section 3.2). False where it is malformed: it is ignored
 * then, as the specification asks. Later versions are read as far as version 00 goes. */
bool sz_trace_parent_parse(const char *s, size_t n, struct sz_trace_parent *ret);

/* What a trace needs of a request's head; points into it. */
struct sz_trace_head {
	const char *method, *path; /* NULL where the first line is not read; path without query */
	size_t method_len, path_len;
	bool has_parent;
	struct sz_trace_parent parent;
};
/* Any n bytes from a request's beginning on; a head that is cut off is read as far as it goes. Two
 * traceparent fields count as none. */
void sz_trace_head_read(const char *p, size_t n, struct sz_trace_head *ret);

/* ---- one request: its spans ----------------------------------------------------------------- */

enum sz_trace_step {
	SZ_TRACE_INTROSPECT, /* an issuer is asked */
	SZ_TRACE_VERIFY,     /* signature and claims, in a worker */
	SZ_TRACE_POLICY,
	SZ_TRACE_REINJECT,   /* frames are put back */
	SZ_TRACE_STEPS,
};

#define SZ_TRACE_PATH_MAX 256

/* From the frame's arrival to the verdict; times are of CLOCK_BOOTTIME. */
struct sz_trace_request {
	u8 trace[16], span[8], parent[8];
	bool has_parent;
	u64 began_ns;
	s64 wall_ns; /* CLOCK_REALTIME - CLOCK_BOOTTIME */
	struct {
		u64 began_ns, ended_ns; /* 0: it did not happen */
	} step[SZ_TRACE_STEPS];
	char method[16], path[SZ_TRACE_PATH_MAX];
	size_t path_len;
	struct sz_flow_key flow;
	char service[64], route[128]; /* "" where not known */
	char issuer[128];             /* of a token that was good */
	u32 reason;                   /* enum sz_reason */
	bool decided, allowed;
};

/* ---- the exporter --------------------------------------------------------------------------- */

struct sz_trace;

/* *ret is NULL and 0 returned where the configuration asks for no traces. */
int sz_trace_new(struct sz_loop_ring *l, const struct sz_conf *c, struct sz_trace **ret,
		 struct sz_error *e);
void sz_trace_free(struct sz_trace *t); /* behind the loop; NULL is fine */

/* A request that arrived at began_ns, whose head these bytes begin: NULL where it is not traced. */
struct sz_trace_request *sz_trace_begin(struct sz_trace *t, const char *head, size_t n,
					u64 began_ns);
/* It is over at ended_ns: becomes spans that wait for the export. Frees it. */
void sz_trace_end(struct sz_trace *t, struct sz_trace_request *r, u64 ended_ns);

struct sz_trace_stats {
	u64 sent, failed; /* spans: exported, given up */
	u64 dropped;      /* requests that were to be traced and found no room */
	u64 exports, export_failures;
	u64 waiting;               /* spans, with those under way */
};
void sz_trace_look(const struct sz_trace *t, struct sz_trace_stats *ret);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared inside the room: the client and a request under way. Nobody outside fetch includes this.
 */
#ifndef SZ_FETCH_FETCH_PRIV_H
#define SZ_FETCH_FETCH_PRIV_H

#include <curl/curl.h>

#include "fetch/fetch.h"

struct sz_fetch {
	CURLM *multi;
	struct sz_loop_ring *loop;
	struct sz_net_timer *timer;
	struct sz_fetch_call *calls;
	bool closing; /* the loop may be gone: nothing is watched any more */
};

struct sz_fetch_call {
	struct sz_fetch *fetch;
	struct sz_fetch_call *next, **link;
	CURL *easy;
	struct curl_slist *headers;
	struct sz_buf form, body;
	size_t max, head; /* bytes of the body at most; of the headers so far */
	bool too_large;
	s64 max_age_s, age_s;
	u64 started_ns;
	char etag[SZ_FETCH_ETAG_MAX];
	char type[64];
	char why[CURL_ERROR_SIZE];
	sz_fetch_fn fn;
	void *arg;
};

/* Digits alone, capped at a year; -1 otherwise. */
s64 sz_fetch_seconds(const char *s, size_t n);

/* call.c: a request as libcurl knows it. */
int sz_fetch_prepare(struct sz_fetch_call *c, const struct sz_fetch_request *rq,
		     struct sz_error *e);
void sz_fetch_call_free(struct sz_fetch_call *c);
/* Calls fn with the outcome. */
void sz_fetch_finish(struct sz_fetch_call *c, CURLcode code);

#endif

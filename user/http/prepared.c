/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Answers as the kernel's table holds them: bytes, sums, and for those of a rate limit the places
 * where the packet core writes the seconds to wait. Fields of draft-ietf-httpapi-ratelimit-headers:
 * RateLimit-Policy and RateLimit, structured fields (RFC 9651); Retry-After (RFC 9110 section
 * 10.2.3). Called for each reason and each limit that is published.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "http/http_priv.h"
#include "subzero/answer.h"

/* An answer being written; one that does not fit ends with `over`. */
struct text {
	u8 *to;
	size_t len, max;
	bool over;
};

static void SZ_PRINTF(2, 3) add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = t->over ? -1 : vsnprintf((char *)t->to + t->len, t->max - t->len, fmt, ap);
	va_end(ap);
	t->over |= n < 0 || (size_t)n >= t->max - t->len;
	if (!t->over)
		t->len += (size_t)n;
}

/* Room for a number, at an even offset: sums are made of words. White space is allowed here. */
static u16 add_digits(struct text *t)
{
	size_t at;

	if (t->len & 1)
		add(t, " ");
	at = t->len;
	if (t->over || t->max - t->len <= SZ_DIGITS) {
		t->over = true;
		return 0;
	}
	memset(t->to + t->len, 0, SZ_DIGITS);
	t->len += SZ_DIGITS;
	return (u16)at;
}

/* The quota of the policy: so many requests in the whole seconds that a burst takes to refill. */
static void quota(const struct sz_http_limit *l, u64 *ret_q, u64 *ret_w)
{
	*ret_w = (l->burst_ns + 999999999) / 1000000000;
	if (!*ret_w)
		*ret_w = 1;
	*ret_q = *ret_w * 1000000000 / l->interval_ns;
	if (!*ret_q)
		*ret_q = 1;
}

static bool has_policy(const struct sz_http_limit *l)
{
	return l->name && l->interval_ns;
}

/*
 * As short as it can be: what does not fit into the client's frame goes out in brief. No cache
 * keeps an answer with these statuses unless it is told to (RFC 9111 section 4.2.2).
 */
static void full(enum sz_reason reason, const struct sz_http_limit *l, struct sz_answer *a)
{
	int status = sz_reason_http(reason);
	struct text t = {a->bytes, 0, sizeof(a->bytes), false};
	char body[SZ_ANSWER_MAX];
	struct text b = {(u8 *)body, 0, sizeof(body), false};
	u64 q, w;

	add(&b, "{\"type\":\"urn:subzero:problem:%s\",\"title\":\"%s\",\"status\":%d}\n",
	    sz_reason_label(reason), sz_http_phrase(status), status);
	add(&t,
	    "HTTP/1.1 %d %s\r\n"
	    "Content-Type: application/problem+json\r\n"
	    "Content-Length: %zu\r\n"
	    "Connection: close\r\n"
	    "Retry-After: ",
	    status, sz_http_phrase(status), b.len);
	a->retry = add_digits(&t);
	add(&t, "\r\n");
	if (has_policy(l)) {
		quota(l, &q, &w);
		add(&t, "RateLimit-Policy: \"%s\";q=%llu;w=%llu\r\nRateLimit: \"%s\";r=0;", l->name,
		    q, w, l->name);
		a->reset = add_digits(&t);
		add(&t, "\r\n");
	}
	add(&t, "\r\n%s", body);
	a->len = t.over || b.over ? 0 : (u32)t.len;
}

/* Without a body; and without the policy where its name is long. */
static void brief(enum sz_reason reason, const struct sz_http_limit *l, struct sz_answer *a)
{
	int status = sz_reason_http(reason);
	struct text t = {a->brief, 0, sizeof(a->brief), false};
	size_t before;
	u64 q, w;

	add(&t,
	    "HTTP/1.1 %d %s\r\n"
	    "Content-Length: 0\r\n"
	    "Connection: close\r\n"
	    "Retry-After: ",
	    status, sz_http_phrase(status));
	a->brief_retry = add_digits(&t);
	add(&t, "\r\n");
	before = t.len;
	if (has_policy(l)) {
		quota(l, &q, &w);
		add(&t, "RateLimit-Policy: \"%s\";q=%llu;w=%llu\r\n", l->name, q, w);
		if (t.over || t.len + strlen(l->name) + 40 > t.max) {
			t.len = before;
			t.over = false;
		}
		add(&t, "RateLimit: \"%s\";r=0;", l->name);
		a->brief_reset = add_digits(&t);
		add(&t, "\r\n");
	}
	add(&t, "\r\n");
	a->brief_len = t.over ? 0 : (u32)t.len;
}

/* The same text for everybody, from the functions that the daemon's own answers come from. */
static void plain(enum sz_reason reason, const struct sz_http_dpop *dpop, struct sz_answer *a)
{
	char text[SZ_ANSWER_MAX], short_text[SZ_BRIEF_MAX];

	a->len = (u32)sz_http_answer(reason, dpop, text);
	memcpy(a->bytes, text, a->len);
	a->brief_len = (u32)sz_http_answer_brief(reason, dpop, short_text);
	memcpy(a->brief, short_text, a->brief_len);
}

void sz_http_prepare(enum sz_reason reason, const struct sz_http_dpop *dpop,
		     const struct sz_http_limit *limit, struct sz_answer *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (!sz_reason_http(reason))
		return;
	if (limit) {
		full(reason, limit, ret);
		brief(reason, limit, ret);
		memset(ret->bytes + ret->len, 0, sizeof(ret->bytes) - ret->len);
		memset(ret->brief + ret->brief_len, 0, sizeof(ret->brief) - ret->brief_len);
	} else {
		plain(reason, dpop, ret);
	}
	/* An odd last byte is summed with the zero behind it. */
	ret->csum = sz_csum_fold(sz_csum_add(ret->bytes, (ret->len + 1) & ~1u, 0));
	ret->brief_csum = sz_csum_fold(sz_csum_add(ret->brief, (ret->brief_len + 1) & ~1u, 0));
}

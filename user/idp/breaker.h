/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A circuit breaker (Nygard, Release It!, 2007, chapter 5.2): after so many failures in a row a
 * provider is not asked for a while; then one question finds out whether it is back. Pure: the time
 * comes from the caller.
 */
#ifndef SZ_IDP_BREAKER_H
#define SZ_IDP_BREAKER_H

#include "idp/idp.h"

#define SZ_BREAKER_DOUBLINGS 4 /* a pause is at most so many times twice the first one */

struct sz_breaker {
	u32 threshold;   /* failures in a row that open it */
	u64 pause_ns;    /* the first pause */
	u32 failures;    /* in a row */
	u32 pauses;      /* in a row without a success */
	u64 until_ns;    /* open until then */
	bool open;
	bool probing;    /* half open: the one question is out */
	u64 opened;      /* times it opened */
};

void sz_breaker_init(struct sz_breaker *b, u32 threshold, u64 pause_ns);
enum sz_breaker_state sz_breaker_state(const struct sz_breaker *b, u64 now);
/* May a question be asked now? A yes in half open is the only one until its outcome is known. */
bool sz_breaker_allow(struct sz_breaker *b, u64 now);
void sz_breaker_success(struct sz_breaker *b);
/* `jitter` in 0..255 spreads the end of the pause over a quarter of it. True: it opened now. */
bool sz_breaker_failure(struct sz_breaker *b, u64 now, u8 jitter);
/* The outcome will not be known: another question may take its place. */
void sz_breaker_forget(struct sz_breaker *b);

#endif

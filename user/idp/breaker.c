/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The circuit breaker's three states, as a count, a time and a flag. Called for each question to a
 * provider and its outcome.
 */
#include "idp/breaker.h"

void sz_breaker_init(struct sz_breaker *b, u32 threshold, u64 pause_ns)
{
	*b = (struct sz_breaker){.threshold = threshold, .pause_ns = pause_ns};
}

const char *sz_breaker_state_name(enum sz_breaker_state s)
{
	static const char *const names[] = {"closed", "open", "half-open"};

	return names[s];
}

enum sz_breaker_state sz_breaker_state(const struct sz_breaker *b, u64 now)
{
	if (!b->open)
		return SZ_BREAKER_CLOSED;
	return now < b->until_ns ? SZ_BREAKER_OPEN : SZ_BREAKER_HALF_OPEN;
}

bool sz_breaker_allow(struct sz_breaker *b, u64 now)
{
	switch (sz_breaker_state(b, now)) {
	case SZ_BREAKER_CLOSED:
		return true;
	case SZ_BREAKER_OPEN:
		return false;
	case SZ_BREAKER_HALF_OPEN:
		break;
	}
	if (b->probing)
		return false;
	b->probing = true;
	return true;
}

void sz_breaker_success(struct sz_breaker *b)
{
	b->failures = b->pauses = 0;
	b->open = b->probing = false;
}

bool sz_breaker_failure(struct sz_breaker *b, u64 now, u8 jitter)
{
	u64 pause;

	b->failures++;
	/* Questions from before the pause end in it: they say nothing new. */
	if (b->open && !b->probing)
		return false;
	if (!b->probing && b->failures < b->threshold)
		return false;
	pause = b->pause_ns << b->pauses;
	if (b->pauses < SZ_BREAKER_DOUBLINGS)
		b->pauses++;
	b->until_ns = now + pause + pause / 4 / 255 * jitter;
	b->open = true;
	b->probing = false;
	b->opened++;
	return true;
}

void sz_breaker_forget(struct sz_breaker *b)
{
	b->probing = false;
}

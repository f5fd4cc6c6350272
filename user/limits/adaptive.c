/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The limit of questions in flight, by what answers to them take; and how it is told. Called by
 * gateway/load.c, which measures and publishes, and by whoever shows it. Reads no clock.
 */
#include <string.h>

#include "limits/limits_priv.h"

#define MS 1000000ull

static u64 window_of(const struct sz_conf_adaptive *rule)
{
	u64 twice = 2 * (u64)rule->target_ms * MS;

	return twice > SZ_ADAPTIVE_WINDOW_NS ? twice : SZ_ADAPTIVE_WINDOW_NS;
}

static void begin_window(struct sz_adaptive *a, u64 now)
{
	a->since_ns = now;
	a->answers = a->late = a->sum_ns = a->peak = 0;
	a->idle = false;
}

void sz_adaptive_init(struct sz_adaptive *a, const struct sz_conf_adaptive *rule, u64 now_ns)
{
	*a = (struct sz_adaptive){.rule = *rule, .limit = rule->max};
	begin_window(a, now_ns);
}

void sz_adaptive_configure(struct sz_adaptive *a, const struct sz_conf_adaptive *rule)
{
	a->rule = *rule;
	if (a->limit < rule->min)
		a->limit = rule->min;
	if (a->limit > rule->max)
		a->limit = rule->max;
}

void sz_adaptive_answer(struct sz_adaptive *a, u64 latency_ns)
{
	/* A clock that jumped must not make the sum overflow. */
	u64 most = 3600ull * 1000 * MS;

	a->answers++;
	a->late += latency_ns > a->rule.target_ms * MS;
	a->sum_ns += latency_ns < most ? latency_ns : most;
}

/* Too many were in flight in this window. */
static void decrease(struct sz_adaptive *a)
{
	u64 flight = a->peak < a->limit ? a->peak : a->limit;

	if (flight < a->rule.min)
		return;
	a->limit = flight / 2 < a->rule.min ? a->rule.min : (u32)(flight / 2);
	a->decreases++;
}

static void increase(struct sz_adaptive *a)
{
	u64 more = (u64)a->limit + 1 + a->rule.min / 8;

	a->limit = more > a->rule.max ? a->rule.max : (u32)more;
}

bool sz_adaptive_turn(struct sz_adaptive *a, u64 now_ns, u64 open)
{
	if (now_ns < a->since_ns) {
		begin_window(a, now_ns);
		return false;
	}
	if (open > a->peak)
		a->peak = open;
	a->idle |= !open;
	if (now_ns - a->since_ns < window_of(&a->rule))
		return false;
	if (a->answers ? 2 * a->late > a->answers : !a->idle)
		decrease(a);
	else
		increase(a);
	if (a->answers)
		a->latency_ns = a->sum_ns / a->answers;
	begin_window(a, now_ns);
	return true;
}

u32 sz_adaptive_share(u32 limit, enum sz_priority p)
{
#define PERCENT(n, NAME, word, percent) [n] = (percent),
	static const u8 percents[] = {SZ_PRIORITY_LIST(PERCENT)};

	return (u32)(((u64)limit * percents[p] + 99) / 100);
}

const char *sz_adaptive_word(enum sz_priority p)
{
#define WORD(n, NAME, word, percent) [n] = (word),
	static const char *const words[] = {"", SZ_PRIORITY_LIST(WORD)};

	return p < SZ_PRIORITY_COUNT ? words[p] : "";
}

u64 sz_adaptive_open(const struct sz_load *l)
{
	u64 done = __atomic_load_n(&l->done, __ATOMIC_ACQUIRE);
	s64 open = (s64)(__atomic_load_n(&l->asked, __ATOMIC_ACQUIRE) - done);

	return open > 0 ? (u64)open : 0;
}

json_t *sz_adaptive_json(const struct sz_config *cfg)
{
	const struct sz_load *l = &cfg->load;
	json_t *by = json_object(), *v;
	u64 shed = 0;

	for (enum sz_priority p = SZ_PRIORITY_LOW; p < SZ_PRIORITY_COUNT; p++) {
		u64 n = __atomic_load_n(&l->shed[p], __ATOMIC_RELAXED);

		shed += n;
		json_object_set_new(by, sz_adaptive_word(p),
				    json_pack("{s:I, s:I}", "may_use", (json_int_t)l->cap[p],
					      "shed", (json_int_t)n));
	}
	v = json_pack("{s:b, s:b, s:I, s:I, s:I, s:f, s:f, s:o}", "on", l->limit != 0, "dry_run",
		      (l->flags & SZ_LOAD_DRY) != 0, "limit", (json_int_t)l->limit, "in_flight",
		      (json_int_t)sz_adaptive_open(l), "shed", (json_int_t)shed, "target_ms",
		      (double)l->target_ns / 1e6, "latency_ms", (double)l->latency_ns / 1e6,
		      "priorities", by);
	return v;
}

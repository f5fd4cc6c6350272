/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One condition, and how long and how far its value holds. With everything known it is simply
 * evaluated. With less known the value must also be the one of later, and of elsewhere: instants at
 * which it may turn are tried one after the other until it does, and the source is narrowed to the
 * prefix in which it cannot.
 */
#include <string.h>

#include "policy/policy_priv.h"

#define NS        1000000000ll
#define TRIES_MAX 128 /* instants looked at */

/* Budgets that are used up make an unknown of what is not decided yet, and an error at the end. */
static void run(struct judge *j, const struct sz_cel_program *p, const struct sz_cel_value *slots,
		struct sz_cel_value *ret, struct sz_cel_error *e)
{
	int err = sz_cel_eval(p, slots, SZ_POLICY_STEPS, &j->scratch, ret, e);

	if (!err)
		return;
	if (err == -E2BIG && j->known != KNOWN_ALL && !sz_cel_unknown(&j->scratch, "budget", ret))
		return;
	*ret = (struct sz_cel_value){.type = SZ_CEL_ERROR};
}

/* Equal as far as a decision can tell; errors are all the same. */
static bool same(const struct sz_cel_value *a, const struct sz_cel_value *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case SZ_CEL_ERROR:
		return true;
	case SZ_CEL_BOOL:
		return a->b == b->b;
	case SZ_CEL_STRING:
		return a->n == b->n && (!a->n || !memcmp(a->s, b->s, a->n));
	default:
		return false; /* of others it is not asked: they may hold anything */
	}
}

static struct sz_cel_value time_value(s64 ns)
{
	s64 s = ns / NS, rest = ns % NS;

	return rest < 0 ? sz_cel_timestamp(s - 1, (u32)(rest + NS))
			: sz_cel_timestamp(s, (u32)rest);
}

/* The next instant after `after` at which the value may turn; SZ_POLICY_FOREVER: never. */
static s64 next_turn(const struct sz_cel_bounds *b, s64 after)
{
	s64 best = SZ_POLICY_FOREVER, step;
	u32 i;

	for (i = 0; i < b->n_times; i++)
		if (b->times[i] > after && b->times[i] < best)
			best = b->times[i];
	if (b->step_s) {
		step = (after / NS / b->step_s + 1) * b->step_s * NS;
		if (step < best)
			best = step;
	}
	return best;
}

/* Until when the value stays what it is. */
static void bound_time(struct judge *j, const struct sz_cel_program *p,
		       const struct sz_cel_bounds *b, const struct sz_cel_value *slots,
		       const struct sz_cel_value *now)
{
	struct sz_cel_value later[SLOTS], v;
	s64 at = j->at->now_ns;
	struct sz_cel_error e;
	u32 i;

	memcpy(later, slots, sizeof(later));
	for (i = 0; i < TRIES_MAX; i++) {
		at = next_turn(b, at);
		if (at == SZ_POLICY_FOREVER || at >= j->until_ns)
			return;
		later[SLOT_TIME] = time_value(at);
		run(j, p, later, &v, &e);
		if (!same(now, &v))
			break;
	}
	j->until_ns = at;
}

/* Does the value depend on it at all? */
static bool depends(struct judge *j, const struct sz_cel_program *p,
		    const struct sz_cel_value *slots, enum slot slot,
		    const struct sz_cel_value *now)
{
	struct sz_cel_value without[SLOTS], v;
	struct sz_cel_error e;

	if (!sz_cel_program_uses(p, slot))
		return false;
	memcpy(without, slots, sizeof(without));
	if (sz_cel_unknown(&j->scratch, "without", &without[slot]))
		return true;
	run(j, p, without, &v, &e);
	return !same(now, &v);
}

void sz_policy_eval(struct judge *j, const struct sz_cel_program *p, struct sz_cel_value *ret,
		    struct sz_cel_error *e)
{
	struct sz_cel_value slots[SLOTS];
	struct sz_cel_bounds b;

	sz_cel_arena_reset(&j->scratch);
	if (j->known == KNOWN_ALL) {
		run(j, p, j->slots, ret, e);
		return;
	}
	memcpy(slots, j->slots, sizeof(slots));
	sz_cel_bounds(p, slots, SLOT_TIME, SLOT_SOURCE, SZ_POLICY_STEPS, &j->scratch, &b);
	if ((b.time_opaque && sz_cel_unknown(&j->scratch, "request.time", &slots[SLOT_TIME])) ||
	    (b.source_opaque &&
	     sz_cel_unknown(&j->scratch, "request.source", &slots[SLOT_SOURCE]))) {
		*ret = (struct sz_cel_value){.type = SZ_CEL_ERROR};
		return;
	}
	run(j, p, slots, ret, e);
	if (ret->type == SZ_CEL_UNKNOWN)
		return;
	/*
	 * A value may do without any of the three but not without all of them: what is left out
	 * once is left out when the others are tried.
	 */
	if (!b.source_opaque && b.source_bits && sz_cel_program_uses(p, SLOT_SOURCE)) {
		if (depends(j, p, slots, SLOT_SOURCE, ret)) {
			if (b.source_bits > j->source_bits)
				j->source_bits = b.source_bits;
		} else if (sz_cel_unknown(&j->scratch, "request.source", &slots[SLOT_SOURCE])) {
			*ret = (struct sz_cel_value){.type = SZ_CEL_ERROR};
			return;
		}
	}
	if (j->location_bits && sz_cel_program_uses(p, SLOT_LOCATION)) {
		if (depends(j, p, slots, SLOT_LOCATION, ret)) {
			if (j->location_bits > j->source_bits)
				j->source_bits = j->location_bits;
		} else if (sz_cel_unknown(&j->scratch, "request.location", &slots[SLOT_LOCATION])) {
			*ret = (struct sz_cel_value){.type = SZ_CEL_ERROR};
			return;
		}
	}
	if (!b.time_opaque && (b.n_times || b.step_s) && depends(j, p, slots, SLOT_TIME, ret))
		bound_time(j, p, &b, slots, ret);
}

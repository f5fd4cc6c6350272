/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A timer is kept at the level of the highest six bits in which its tick differs from the wheel's,
 * in the slot that those bits name. So each level holds only what lies ahead in the present turn of
 * the level above, the lowest level with a timer has the earliest one, and the first used slot of
 * it, found by counting zeros, is the next thing that happens. Nothing is done for empty slots.
 */
#include "wheel/wheel.h"

#include <string.h>

#define BITS 6u

void sz_wheel_init(struct sz_wheel *w, u64 now_ns, void *arg)
{
	memset(w, 0, sizeof(*w));
	w->tick = now_ns / SZ_WHEEL_TICK_NS;
	w->arg = arg;
}

static void push(struct sz_timer **list, struct sz_timer *t)
{
	t->next = *list;
	t->prev = list;
	if (t->next)
		t->next->prev = &t->next;
	*list = t;
}

static void unlink_timer(struct sz_timer *t)
{
	*t->prev = t->next;
	if (t->next)
		t->next->prev = t->prev;
	t->next = NULL;
	t->prev = NULL;
}

/* All of a list to an empty place. */
static void move_list(struct sz_timer **to, struct sz_timer **from)
{
	*to = *from;
	if (*to)
		(*to)->prev = to;
	*from = NULL;
}

static void put(struct sz_wheel *w, struct sz_timer *t)
{
	unsigned level, slot;

	if (t->tick <= w->tick) {
		push(&w->due, t);
		return;
	}
	level = (63u - (unsigned)__builtin_clzll(t->tick ^ w->tick)) / BITS;
	slot = t->tick >> (level * BITS) & (SZ_WHEEL_SLOTS - 1);
	push(&w->slot[level][slot], t);
	w->used[level] |= 1ull << slot;
}

void sz_wheel_cancel(struct sz_wheel *w, struct sz_timer *t)
{
	size_t at;

	if (!t->prev)
		return;
	/* The first one of a slot has the slot itself for its `prev`. */
	at = ((uintptr_t)t->prev - (uintptr_t)w->slot) / sizeof(w->slot[0][0]);
	unlink_timer(t);
	w->timers--;
	if (at < SZ_WHEEL_LEVELS * SZ_WHEEL_SLOTS &&
	    !w->slot[at / SZ_WHEEL_SLOTS][at % SZ_WHEEL_SLOTS])
		w->used[at / SZ_WHEEL_SLOTS] &= ~(1ull << at % SZ_WHEEL_SLOTS);
}

void sz_wheel_set(struct sz_wheel *w, struct sz_timer *t, u64 at_ns)
{
	sz_wheel_cancel(w, t);
	t->tick = at_ns / SZ_WHEEL_TICK_NS + (at_ns % SZ_WHEEL_TICK_NS != 0);
	put(w, t);
	w->timers++;
}

/* The next used slot and the tick at which it is opened. */
static bool next_slot(const struct sz_wheel *w, unsigned *ret_level, unsigned *ret_slot,
		      u64 *ret_tick)
{
	unsigned level, slot, shift;

	for (level = 0; level < SZ_WHEEL_LEVELS; level++) {
		if (!w->used[level])
			continue;
		slot = (unsigned)__builtin_ctzll(w->used[level]);
		shift = level * BITS;
		*ret_level = level;
		*ret_slot = slot;
		*ret_tick = (w->tick >> shift >> BITS << BITS | slot) << shift;
		return true;
	}
	return false;
}

/* Goes to the next slot up to `last`; false: there is none. */
static bool open_slot(struct sz_wheel *w, u64 last)
{
	unsigned level, slot;
	u64 tick;

	if (!next_slot(w, &level, &slot, &tick) || tick > last) {
		w->tick = last > w->tick ? last : w->tick;
		return false;
	}
	w->tick = tick;
	w->used[level] &= ~(1ull << slot);
	move_list(level ? &w->moving : &w->due, &w->slot[level][slot]);
	return true;
}

bool sz_wheel_run(struct sz_wheel *w, u64 now_ns, u32 budget, u32 *ret_steps)
{
	u64 last = now_ns / SZ_WHEEL_TICK_NS;
	struct sz_timer *t;
	u32 steps = 0;

	for (;;) {
		if (!w->due && !w->moving && !open_slot(w, last))
			break;
		if (steps >= budget)
			break;
		steps++;
		t = w->moving ? w->moving : w->due;
		if (!t)
			continue;
		unlink_timer(t);
		if (t->tick > w->tick) {
			put(w, t);
			continue;
		}
		w->timers--;
		t->fn(t, w->arg);
	}
	if (ret_steps)
		*ret_steps = steps;
	return w->due || w->moving;
}

u64 sz_wheel_next_ns(const struct sz_wheel *w)
{
	unsigned level, slot;
	u64 tick;

	if (w->due || w->moving)
		return w->tick * SZ_WHEEL_TICK_NS;
	return next_slot(w, &level, &slot, &tick) ? tick * SZ_WHEEL_TICK_NS : UINT64_MAX;
}

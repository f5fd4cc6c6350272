/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Names of keys that were looked for and are not there, for a while. Called for tokens with an
 * unknown key. Bounded: a new name takes the place of the one that ends soonest of its four.
 */
#include "idp/idp_priv.h"

static struct sz_negative_entry *set_of(struct sz_negative *n, u64 id)
{
	return n->entry[id % SZ_NEGATIVE_SETS];
}

void sz_negative_add(struct sz_negative *n, u64 id, u64 until_ns)
{
	struct sz_negative_entry *set = set_of(n, id), *at = set;
	size_t i;

	for (i = 0; i < SZ_NEGATIVE_WAYS; i++) {
		if (set[i].id == id) {
			at = &set[i];
			break;
		}
		if (set[i].until_ns < at->until_ns)
			at = &set[i];
	}
	*at = (struct sz_negative_entry){.id = id, .until_ns = until_ns};
}

bool sz_negative_has(struct sz_negative *n, u64 id, u64 now)
{
	const struct sz_negative_entry *set = set_of(n, id);
	size_t i;

	for (i = 0; i < SZ_NEGATIVE_WAYS; i++)
		if (set[i].id == id && set[i].until_ns > now)
			return true;
	return false;
}

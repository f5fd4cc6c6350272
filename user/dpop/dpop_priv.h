/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared inside the room: the table of proofs that were used. Exact and bounded: it never forgets
 * a proof before its time, and has no room rather than push one out.
 */
#ifndef SZ_DPOP_DPOP_PRIV_H
#define SZ_DPOP_DPOP_PRIV_H

#include "dpop/dpop.h"

struct sz_replay;
struct sz_replay *sz_replay_new(struct sz_wheel *wheel, u32 entries);
void sz_replay_free(struct sz_replay *t); /* NULL is fine */
u32 sz_replay_live(const struct sz_replay *t);
u64 sz_replay_ended(const struct sz_replay *t);

/*
 * Remembers a proof until the wheel has reached `end_ns` or a moment longer. 0; -EEXIST where it is
 * known at another place; -ENOSPC where the table is full; -EDQUOT where its key has a quarter of
 * it.
 */
int sz_replay_add(struct sz_replay *t, const struct sz_dpop_proof *p, u64 place, u64 end_ns);

#endif

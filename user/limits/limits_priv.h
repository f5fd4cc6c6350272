/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Shared inside the room: the mapped tables, names, and the answer of a limit. */
#ifndef SZ_LIMITS_LIMITS_PRIV_H
#define SZ_LIMITS_LIMITS_PRIV_H

#include "limits/limits.h"

/* sz_limits, mapped: SZ_LIMITS_MAX of them; NULL with *e filled. */
struct sz_limit *sz_limits_table(struct sz_kern *k, struct sz_error *e);
/* A limit's number is made from its whole name (FNV-1a); never 0. */
u32 sz_limits_id(const char *name);
/* The name as its clients see it: without service and network. */
void sz_limits_short_name(const char *name, char ret[SZ_LIMIT_NAME_MAX]);
/* What clients of the limit in `slot` are told, into sz_answers. */
int sz_limits_put_answer(struct sz_kern *k, u32 slot, const struct sz_limit *l);
/* Buckets of a table of `map`, how many sets. */
u32 sz_limits_sets(const struct sz_kern *k);
struct sz_bucket_set *sz_limits_buckets_table(struct sz_kern *k, struct sz_error *e);

#endif

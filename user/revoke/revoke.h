/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Revoking: a name into sz_revoked, then the grants that have it. Called by `subzeroctl` and, from
 * a worker, by the daemon's HTTP endpoints; both act on the same pinned maps, with the daemon up or
 * down. The order is what makes a revocation impossible to outrun (docs/threat-model.md, rule 12):
 *
 *   1. the name goes into sz_revoked: what is verified from then on is refused
 *   2. grants that are found soon are marked: they are refused in the kernel from then on
 *   3. the name's serial number goes up: all grants that have it are void, with one store
 *   4. the others are marked, and the epoch goes up: the daemon keeps the revocation for the next
 * boot
 */
#ifndef SZ_REVOKE_REVOKE_H
#define SZ_REVOKE_REVOKE_H

#include <jansson.h>

#include "core/core.h"
#include "kern/kern.h"

/* One thing to revoke, as its kind in SZ_REVOKE_KINDS says. */
struct sz_revoke_item {
	enum sz_revoke_kind kind;
	char *issuer; /* of the kinds whose value is a pair; else NULL */
	char *value;  /* token, claim, kid or thumbprint */
	size_t len;
	u64 until_s;  /* wall clock; 0 = for ever */
	u64 before_s; /* of the kinds "..._BEFORE" */
};
void sz_revoke_item_done(struct sz_revoke_item *i);
bool sz_revoke_is_pair(u32 kind);
bool sz_revoke_is_before(u32 kind);
struct sz_id sz_revoke_item_id(const struct sz_revoke_item *i);
/*
 * A token is known by itself until it has expired, with the largest clock skew; 0 where it does not
 * say when that is.
 */
u64 sz_revoke_token_end(const char *token, size_t n);

/*
 * {"token": …}, {"jti": …, "issuer": …}, {"subject": …}, {"issuer": …},
 * {"session": …, "issuer": …},
 * {"key": …} or {"kid": …, "issuer": …}, perhaps with "before" and "until" in seconds since 1970:
 * a line of `subzeroctl revoke --file`. -EINVAL with the message in *e.
 */
int sz_revoke_item_json(const json_t *o, struct sz_revoke_item *ret, struct sz_error *e);

struct sz_revoke_result {
	u64 names;               /* written */
	u64 grants;              /* marked or dropped */
	u64 names_ns, grants_ns; /* until the last name was in force; then for the grants */
};
/*
 * Revokes all of them: every name first, then the grants in one walk over the map. -E2BIG where
 * sz_revoked is full: those before it are in force. Any thread.
 */
int sz_revoke_apply(struct sz_kern *k, const struct sz_revoke_item *items, size_t n,
		    struct sz_revoke_result *ret, struct sz_error *e);

/* The services of the maps: ids, ascending, on the heap. Returns their number. */
size_t sz_revoke_services(struct sz_kern *k, u32 **ret);
/* A token's keyed digest; -ENODATA where the maps have no key yet: nothing was ever granted. */
int sz_revoke_digest(struct sz_kern *k, const char *token, size_t n, struct sz_digest *ret);

#endif

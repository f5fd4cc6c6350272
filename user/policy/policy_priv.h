/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared inside the policy room: what the claims of a verified token say.
 */
#ifndef SZ_POLICY_POLICY_PRIV_H
#define SZ_POLICY_POLICY_PRIV_H

#include "policy/policy.h"

/* In "scope", a space-separated string, or "scp", such a string or an array. */
bool sz_policy_has_scope(const json_t *claims, const char *scope);
/*
 * The claim of that name; dots descend into objects where no member has the whole name. NULL where
 * there is none.
 */
const json_t *sz_policy_claim(const json_t *claims, const char *name);
/* Equality as text, or by JSON value for numbers and booleans; membership for arrays. */
bool sz_policy_has_claim(const json_t *claims, const struct sz_conf_claim *want);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which clause of the policy stands behind what the kernel has decided by itself. Called when a
 * grant is written and for each event of the kernel. A grant holds one number for all its refusals,
 * the key of a profile; what stands for it in sz_profiles outlives the daemon.
 */
#include <stdio.h>

#include "gateway/gateway_priv.h"

void sz_explained_keep(struct sz_gateway *g, u64 profile, const struct sz_profile *refused)
{
	/* Without it a refusal has no clause in its record, but it is refused all the same. */
	if (profile)
		sz_map_put(g->kern, SZ_MAP_PROFILES, &profile, refused);
}

u64 sz_explained_event(struct sz_gateway *g, const struct sz_event *ev,
		       const struct sz_conf_service *svc, char ret_clause[SZ_EXPLAINED_MAX])
{
	const struct sz_policy *policy = sz_verifier_policy(g->verifier);
	struct sz_policy_explained x;
	struct sz_profile refused;
	u64 id = ev->explanation;

	ret_clause[0] = 0;
	/* Behind the policy: limits, room, TCP. */
	if (!svc || sz_reason_is_limit(ev->reason) || ev->reason >= SZ_R_NO_DAEMON)
		return 0;
	if (id && !SZ_WHY_IS_PROFILE(id))
		return id;
	/* What follows is about the policy of now: an older one may have had other routes. */
	if (ev->policy_gen != g->cfg->policy_gen)
		return 0;
	if (ev->reason == SZ_R_HIT || ev->reason == SZ_R_PUBLIC)
		return ev->route < svc->n_routes
			       ? sz_policy_explain_admitted(policy, svc, ev->route)
			       : 0;
	if (!id)
		return sz_policy_explain_before(policy, svc, (enum sz_reason)ev->reason);
	if (ev->route >= svc->n_routes || sz_map_get(g->kern, SZ_MAP_PROFILES, &id, &refused) ||
	    !sz_policy_explain_token(policy, svc, ev->route, refused.clause[ev->route], &x))
		return 0;
	snprintf(ret_clause, SZ_EXPLAINED_MAX, "%s", x.clause);
	return x.id;
}

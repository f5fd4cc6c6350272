/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a route's conditions look at, without any token: for those who write policies and want to
 * know what the kernel will be able to decide. Called by the CLI; decides nothing.
 */
#include "policy/policy_priv.h"

static u32 needs_of(const struct sz_cel_program *p)
{
	static const struct {
		enum slot slot;
		u32 need;
	} list[] = {
		{SLOT_METHOD, SZ_POLICY_NEEDS_LINE},     {SLOT_PATH, SZ_POLICY_NEEDS_LINE},
		{SLOT_VARS, SZ_POLICY_NEEDS_LINE},       {SLOT_QUERY, SZ_POLICY_NEEDS_LINE},
		{SLOT_HEADERS, SZ_POLICY_NEEDS_HEADERS}, {SLOT_SOURCE, SZ_POLICY_NEEDS_SOURCE},
		{SLOT_TIME, SZ_POLICY_NEEDS_TIME},
		{SLOT_LOCATION, SZ_POLICY_NEEDS_LINE | SZ_POLICY_NEEDS_SOURCE},
	};
	u32 ret = 0;

	for (size_t i = 0; p && i < SZ_ARRAY_LEN(list); i++)
		if (sz_cel_program_uses(p, list[i].slot))
			ret |= list[i].need;
	return ret;
}

static u32 needs_of_template(const struct template *t)
{
	u32 ret = 0;

	for (size_t i = 0; i < t->n; i++)
		ret |= needs_of(t->parts[i].program);
	return ret;
}

u32 sz_policy_needs(const struct sz_policy *p, const struct sz_conf_service *svc, u16 route)
{
	const struct sz_conf_route *t = &svc->routes[route];
	const struct compiled_route *c = NULL;
	u32 ret = 0;
	size_t i;

	for (i = 0; i < p->conf->n_services; i++)
		if (p->services[i].id == svc->id)
			c = &p->services[i].routes[route];
	for (i = 0; c && i < t->n_when; i++)
		ret |= needs_of(c->when[i]);
	for (i = 0; c && i < t->n_relations; i++)
		ret |= SZ_POLICY_NEEDS_RELATION | needs_of_template(&c->relations[i].object) |
		       needs_of_template(&c->relations[i].user) |
		       needs_of(c->relations[i].context);
	for (i = 0; t->risk.line && i < p->conf->policy.n_signals; i++)
		ret |= needs_of(p->signals[i]);
	/* "auth_time" grows old. */
	return t->step_up.on && t->step_up.max_age_s ? ret | SZ_POLICY_NEEDS_TIME : ret;
}

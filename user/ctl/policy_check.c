/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * policy check: compiles every condition of a configuration with its policy files and tables, and
 * shows for each route what it asks for and who will decide it. Asks neither daemon nor kernel.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "policy/policy.h"

static void add(struct sz_buf *b, const char *what, size_t n)
{
	if (n == 1)
		sz_buf_printf(b, "%s%s", b->len ? ", " : "", what);
	else if (n)
		sz_buf_printf(b, "%s%zu %ss", b->len ? ", " : "", n, what);
}

/* "2 scopes, condition, step-up". */
static void asks_for(const struct sz_conf_route *t, struct sz_buf *b)
{
	add(b, "scope", t->n_scopes);
	add(b, "claim", t->n_claims);
	add(b, "condition", t->n_when);
	add(b, "risk", t->risk.line != 0);
	add(b, "step-up", t->step_up.on);
	add(b, "relation", t->n_relations);
	if (!b->len)
		sz_buf_printf(b, "%s", t->public ? "nothing" : "a token");
}

/* Who decides: the less a condition looks at, the earlier. See docs/policy.md. */
static const char *shape(const struct sz_conf_route *t, u32 needs)
{
	if (t->each || needs & SZ_POLICY_NEEDS_HEADERS)
		return "each request";
	if (t->public)
		return "public";
	if (needs & (SZ_POLICY_NEEDS_LINE | SZ_POLICY_NEEDS_RELATION))
		return "request line";
	return "token";
}

static void bounded_by(u32 needs, struct sz_buf *b)
{
	add(b, "time", !!(needs & SZ_POLICY_NEEDS_TIME));
	add(b, "source", !!(needs & SZ_POLICY_NEEDS_SOURCE));
	add(b, "relationships", !!(needs & SZ_POLICY_NEEDS_RELATION));
	sz_buf_add(b, "", 0);
}

static void add_route(struct sz_ctl_table *t, const struct sz_conf *c,
		      const struct sz_policy *p, const struct sz_conf_service *svc, size_t i)
{
	const struct sz_conf_route *r = &svc->routes[i];
	u32 needs = sz_policy_needs(p, svc, (u16)i);
	struct sz_buf asks = {0}, bounds = {0}, place = {0};

	asks_for(r, &asks);
	bounded_by(needs, &bounds);
	sz_buf_printf(&place, "%s:%u", r->file ? r->file : c->path, r->line);
	sz_ctl_cell_text(t, svc->name);
	sz_ctl_cell_text(t, r->name);
	sz_ctl_cell_text(t, asks.data);
	sz_ctl_cell_text(t, shape(r, needs));
	sz_ctl_cell_text(t, bounds.len ? bounds.data : "-");
	sz_ctl_cell_text(t, place.data);
	sz_buf_done(&asks);
	sz_buf_done(&bounds);
	sz_buf_done(&place);
}

int sz_ctl_cmd_policy_check(struct sz_ctl *c)
{
	static const struct sz_ctl_column columns[] = {
		{"service", "SERVICE", 0},
		{"route", "ROUTE", SZ_CTL_SHRINK},
		{"asks_for", "ASKS FOR", 0},
		{"decided_by", "DECIDED BY", 0},
		{"bounded_by", "BOUNDED BY", 0},
		{"place", "PLACE", SZ_CTL_SHRINK},
	};
	const char *path = c->args.n_words ? c->args.word[0] : sz_ctl_value(&c->args, "config");
	struct sz_policy *policy = NULL;
	struct sz_ctl_table t;
	struct sz_conf *conf;
	struct sz_error e;
	size_t i, k;
	int ret;

	conf = sz_conf_load(path ? path : SZ_CTL_CONFIG, &e);
	if (!conf || sz_policy_new(conf, &policy, &e)) {
		sz_conf_free(conf);
		return sz_ctl_fail("%s", e.msg);
	}
	sz_ctl_table_init(&t, columns, SZ_ARRAY_LEN(columns));
	for (i = 0; i < conf->n_services; i++)
		for (k = 0; k < conf->services[i].n_routes; k++)
			add_route(&t, conf, policy, &conf->services[i], k);
	ret = sz_ctl_print(c, &t, "no service has a route");
	sz_ctl_table_done(&t);
	sz_policy_free(policy);
	sz_conf_free(conf);
	return ret;
}

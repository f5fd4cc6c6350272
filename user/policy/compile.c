/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From the configuration's texts to programs, once for each snapshot. Called by the verifier and by
 * --check-config. An expression that cannot be right is an error here, with its line and column,
 * and never one at run time.
 */
#include <stdio.h>
#include <string.h>

#include "hash/hash.h"
#include "policy/policy_priv.h"

static const struct {
	const char *name, *type;
} variables[SLOTS] = {
	[SLOT_CLAIMS] = {"claims", "map(string, dyn)"},
	[SLOT_PRINCIPAL] = {"principal", "string"},
	[SLOT_ISSUER] = {"token.issuer", "string"},
	[SLOT_SUBJECT] = {"token.subject", "string"},
	[SLOT_ID] = {"token.id", "string"},
	[SLOT_KEY] = {"token.key", "string"},
	[SLOT_ALG] = {"token.alg", "string"},
	[SLOT_ISSUED] = {"token.issued", "timestamp"},
	[SLOT_EXPIRES] = {"token.expires", "timestamp"},
	[SLOT_ATTRIBUTES] = {"attributes", "map(string, map(string, dyn))"},
	[SLOT_METHOD] = {"request.method", "string"},
	[SLOT_PATH] = {"request.path", "string"},
	[SLOT_VARS] = {"request.vars", "map(string, string)"},
	[SLOT_QUERY] = {"request.query", "string"},
	[SLOT_HEADERS] = {"request.headers", "map(string, string)"},
	[SLOT_SOURCE] = {"request.source", "net.IP"},
	[SLOT_LOCATION] = {"request.location", "map(string, dyn)"},
	[SLOT_TIME] = {"request.time", "timestamp"},
};

int sz_policy_fail(const struct sz_conf_cel *c, size_t offset, struct sz_error *e, const char *fmt,
		   ...)
{
	u32 line = c->line, column = c->column;
	char what[400];
	va_list ap;
	size_t i;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	for (i = 0; i < offset && c->text[i]; i++) {
		if (c->text[i] == '\n')
			line++;
		else if (line == c->line)
			column += ((u8)c->text[i] & 0xc0) != 0x80;
	}
	return sz_error_set(e, -EINVAL, "%.100s:%u:%u: %s", c->file, line, column, what);
}

int sz_policy_program(const struct sz_cel_env *env, const struct sz_conf_cel *c, const char *what,
		      const char *type, struct sz_cel_program **ret, struct sz_error *e)
{
	struct sz_cel_error why = {0};
	const char *is;
	u32 column;

	if (sz_cel_compile(env, c->text, strlen(c->text), 0, ret, &why)) {
		/* In a block each line is indented like the first; else only it stands apart. */
		column = c->column - 1 + why.column;
		return sz_error_set(e, -EINVAL, "%.100s:%u:%u: %s: %s", c->file,
				    c->line + why.line - 1, column, what, why.msg);
	}
	is = sz_cel_program_type(*ret);
	if (!strcmp(is, type) || !strcmp(is, "dyn") || (type[0] == 'm' && is[0] == 'm'))
		return 0;
	sz_policy_fail(c, 0, e, "%s gives %.60s and must give %s", what, is, type);
	sz_cel_program_free(*ret);
	*ret = NULL;
	return -EINVAL;
}

static int declare(struct sz_cel_env *env, struct sz_policy *p, struct sz_error *e)
{
	struct sz_cel_zones zones = {sz_policy_zone, &p->zones};
	u32 i;

	sz_cel_env_zones(env, &zones);
	for (i = 0; i < SLOTS; i++)
		if (sz_cel_declare(env, variables[i].name, variables[i].type) != (int)i)
			return sz_error_set(e, -EINVAL, "the variable %s cannot be declared",
					    variables[i].name);
	return 0;
}

/* ---- what a step-up asks for, as it stands in the answer ------------------------------------ */

static char *challenge_text(const struct sz_conf_route *t)
{
	struct sz_buf b = {0};
	size_t i;

	for (i = 0; i < t->step_up.n_acr; i++)
		sz_buf_printf(&b, "%s%s", i ? " " : ", acr_values=\"", t->step_up.acr[i]);
	if (t->step_up.n_acr)
		sz_buf_printf(&b, "\"");
	if (t->step_up.max_age_s)
		sz_buf_printf(&b, ", max_age=%u", t->step_up.max_age_s);
	return b.data;
}

static int add_challenge(struct sz_policy *p, const struct sz_conf_route *t, u16 *ret,
			 struct sz_error *e)
{
	char *text = challenge_text(t);
	u32 i;

	for (i = 0; i < p->n_challenges && strcmp(p->challenges[i], text); i++)
		;
	if (i == CHALLENGES_MAX) {
		free(text);
		return sz_error_set(e, -E2BIG,
				    "%.200s:%u: more than %d different step-ups in all; let routes "
				    "ask for the same",
				    t->file ? t->file : p->conf->path, t->line, CHALLENGES_MAX);
	}
	if (i < p->n_challenges)
		free(text);
	else
		p->challenges[p->n_challenges++] = text;
	*ret = (u16)(i + 1);
	return 0;
}

const char *sz_policy_challenge(const struct sz_policy *p, u32 n)
{
	return p && n && n <= p->n_challenges ? p->challenges[n - 1] : NULL;
}

/* ---- routes --------------------------------------------------------------------------------- */

static const struct sz_conf_cel default_user = {.text = (char *)"user:{principal}",
						.file = (char *)"default",
						.line = 1,
						.column = 1};

static int compile_relation(const struct sz_cel_env *env, const struct sz_conf_route *t,
			    const struct sz_conf_relation *from, struct relation *ret,
			    struct sz_error *e)
{
	int err = sz_policy_template(env, t, &from->object, &ret->object, e);

	if (!err)
		err = sz_policy_template(env, t, from->user.text ? &from->user : &default_user,
					 &ret->user, e);
	if (!err && from->context.text)
		err = sz_policy_program(env, &from->context, "context", "map(string, dyn)",
					&ret->context, e);
	return err;
}

static int compile_route(struct sz_policy *p, const struct sz_cel_env *env,
			 const struct sz_conf_route *t, struct compiled_route *ret,
			 struct sz_error *e)
{
	size_t i;
	int err = 0;

	ret->when = sz_calloc(t->n_when + 1, sizeof(*ret->when));
	for (i = 0; i < t->n_when && !err; i++)
		err = sz_policy_program(env, &t->when[i], "when", "bool", &ret->when[i], e);
	ret->relations = sz_calloc(t->n_relations + 1, sizeof(*ret->relations));
	for (i = 0; i < t->n_relations && !err; i++)
		err = compile_relation(env, t, &t->relations[i], &ret->relations[i], e);
	if (!err && t->step_up.on)
		err = add_challenge(p, t, &ret->challenge, e);
	return err;
}

static int check_risk(const struct sz_conf *c, const struct sz_conf_route *t, struct sz_error *e)
{
	u64 most = 0;
	size_t i;

	for (i = 0; i < c->policy.n_signals; i++)
		most += c->policy.signals[i].weight;
	if (!t->risk.line || (t->risk.step_up <= most && t->risk.deny <= most))
		return 0;
	return sz_error_set(e, -EINVAL,
			    "%.200s:%u: the weights of all signals in policy.risk come to %llu, so "
			    "the threshold is never reached; lower it or add signals",
			    t->file ? t->file : c->path, t->risk.line, most);
}

static int compile_all(struct sz_policy *p, const struct sz_cel_env *env, struct sz_error *e)
{
	const struct sz_conf *c = p->conf;
	size_t i, k;
	int err = 0;

	p->signals = sz_calloc(c->policy.n_signals + 1, sizeof(*p->signals));
	for (i = 0; i < c->policy.n_signals && !err; i++)
		err = sz_policy_program(env, &c->policy.signals[i].when, "the signal", "bool",
					&p->signals[i], e);
	p->services = sz_calloc(c->n_services + 1, sizeof(*p->services));
	for (i = 0; i < c->n_services && !err; i++) {
		const struct sz_conf_service *svc = &c->services[i];

		p->services[i].id = svc->id;
		p->services[i].routes =
			sz_calloc(svc->n_routes + 1, sizeof(*p->services[i].routes));
		for (k = 0; k < svc->n_routes && !err; k++) {
			err = check_risk(c, &svc->routes[k], e);
			if (!err)
				err = compile_route(p, env, &svc->routes[k],
						    &p->services[i].routes[k], e);
		}
	}
	return err;
}

/* ---- the digest of all that decides --------------------------------------------------------- */

static void add_text(struct sz_sha256 *h, const char *s)
{
	sz_sha256_update(h, s ? s : "", s ? strlen(s) + 1 : 1);
}

static void add_number(struct sz_sha256 *h, u64 n)
{
	sz_sha256_update(h, &n, sizeof(n));
}

static void add_route(struct sz_sha256 *h, const struct sz_conf_route *t)
{
	size_t i;

	add_text(h, t->name);
	add_text(h, t->path);
	add_number(h, (u64)t->methods << 2 | (u64)t->public << 1 | t->each);
	add_number(h, t->n_scopes);
	for (i = 0; i < t->n_scopes; i++)
		add_text(h, t->scopes[i]);
	add_number(h, t->n_claims);
	for (i = 0; i < t->n_claims; i++) {
		add_text(h, t->claims[i].name);
		add_text(h, t->claims[i].value);
	}
	add_number(h, t->n_when);
	for (i = 0; i < t->n_when; i++)
		add_text(h, t->when[i].text);
	add_number(h, t->n_relations);
	for (i = 0; i < t->n_relations; i++) {
		add_text(h, t->relations[i].object.text);
		add_text(h, t->relations[i].relation);
		add_text(h, t->relations[i].user.text);
		add_text(h, t->relations[i].context.text);
	}
	add_number(h, t->step_up.n_acr);
	for (i = 0; i < t->step_up.n_acr; i++)
		add_text(h, t->step_up.acr[i]);
	add_number(h, t->step_up.max_age_s);
	add_number(h, (u64)t->risk.step_up << 32 | t->risk.deny);
}

static void make_digest(struct sz_policy *p)
{
	const struct sz_conf *c = p->conf;
	struct sz_sha256 h;
	char *tables = json_dumps(p->tables, JSON_COMPACT | JSON_SORT_KEYS);
	size_t i, k;

	sz_sha256_init(&h);
	for (i = 0; i < c->n_services; i++) {
		add_text(&h, c->services[i].name);
		add_number(&h, c->services[i].n_routes);
		for (k = 0; k < c->services[i].n_routes; k++)
			add_route(&h, &c->services[i].routes[k]);
	}
	for (i = 0; i < c->policy.n_signals; i++) {
		add_text(&h, c->policy.signals[i].name);
		add_text(&h, c->policy.signals[i].when.text);
		add_number(&h, c->policy.signals[i].weight);
	}
	add_text(&h, tables);
	free(tables);
	add_number(&h, p->n_locations);
	for (i = 0; i < p->n_locations; i++)
		sz_sha256_update(&h, sz_geo_digest(p->locations[i]), SZ_SHA256_LEN);
	sz_sha256_final(&h, p->digest);
}

int sz_policy_new_tables(const struct sz_conf *c, const json_t *tables, struct sz_policy **ret,
			 struct sz_error *e)
{
	struct sz_policy *p = sz_calloc(1, sizeof(*p));
	struct sz_cel_env *env = sz_cel_env_new();
	int err;

	p->conf = c;
	pthread_mutex_init(&p->zones.lock, NULL);
	err = declare(env, p, e);
	if (!err)
		err = sz_policy_tables(p, tables, e);
	if (!err)
		err = sz_policy_locations(p, e);
	if (!err)
		err = compile_all(p, env, e);
	sz_cel_env_free(env);
	if (err) {
		sz_policy_free(p);
		return err;
	}
	make_digest(p);
	*ret = p;
	return 0;
}

int sz_policy_new(const struct sz_conf *c, struct sz_policy **ret, struct sz_error *e)
{
	return sz_policy_new_tables(c, NULL, ret, e);
}

void sz_policy_digest(const struct sz_policy *p, u8 ret[32])
{
	memset(ret, 0, 32);
	if (p)
		memcpy(ret, p->digest, sizeof(p->digest));
}

void sz_policy_relations(struct sz_policy *p, sz_policy_relation_fn fn, void *arg)
{
	p->relation = fn;
	p->relation_arg = arg;
}

static void free_route(const struct sz_conf_route *t, struct compiled_route *r)
{
	size_t i;

	for (i = 0; r->when && i < t->n_when; i++)
		sz_cel_program_free(r->when[i]);
	free(r->when);
	for (i = 0; r->relations && i < t->n_relations; i++) {
		sz_policy_template_done(&r->relations[i].object);
		sz_policy_template_done(&r->relations[i].user);
		sz_cel_program_free(r->relations[i].context);
	}
	free(r->relations);
}

void sz_policy_free(struct sz_policy *p)
{
	size_t i, k;

	if (!p)
		return;
	for (i = 0; p->signals && i < p->conf->policy.n_signals; i++)
		sz_cel_program_free(p->signals[i]);
	free(p->signals);
	for (i = 0; p->services && i < p->conf->n_services; i++) {
		for (k = 0; p->services[i].routes && k < p->conf->services[i].n_routes; k++)
			free_route(&p->conf->services[i].routes[k], &p->services[i].routes[k]);
		free(p->services[i].routes);
	}
	free(p->services);
	for (i = 0; i < p->n_challenges; i++)
		free(p->challenges[i]);
	sz_cel_arena_done(&p->arena);
	json_decref(p->tables);
	sz_policy_locations_done(p);
	sz_policy_zones_done(&p->zones);
	free(p);
}

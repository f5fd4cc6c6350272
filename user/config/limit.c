/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rate limits: those with a key of their own (SZ_LIMIT_KINDS), and the rules of a service. Called
 * for the top of the file and for each service. What a limit is by may only be what was verified
 * at the stage where it is asked.
 */
#include <string.h>

#include "config/config_priv.h"

#define NAME_MAX_ 31 /* "service/limit@network" must fit into SZ_LIMIT_NAME_MAX */

/* The keys of SZ_LIMIT_KINDS by number. */
#define KIND_ENUM(key, stage, by, reason, scope) KIND_##key,
enum kind { SZ_LIMIT_KINDS(KIND_ENUM) KIND_COUNT };

#define KIND_ROW(key, stage_, by_, reason_, scope_)                                                \
	[KIND_##key] = {#key, SZ_LIMIT_##stage_, by_, SZ_R_##reason_, scope_},
static const struct kind_row {
	const char *key;
	u32 stage, by, reason;
	bool of_service;
} kinds[] = {SZ_LIMIT_KINDS(KIND_ROW)};

/* ---- one value ------------------------------------------------------------------------------ */

struct value {
	yaml_node_t *rate;
	u64 burst;
	bool dry_run;
};

static int read_node(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		     void *obj)
{
	(void)r;
	*(yaml_node_t **)(void *)((char *)obj + f->off) = v;
	return 0;
}

#define BURST_MAX 1000000000

static const struct sz_conf_field value_fields[] = {
	{"rate", read_node, .off = offsetof(struct value, rate), .required = true},
	{"burst", sz_conf_read_u64, .off = offsetof(struct value, burst), .min = 1,
	 .max = BURST_MAX},
	{"dry_run", sz_conf_read_bool, .off = offsetof(struct value, dry_run)},
};

/* With the first `n` of those fields. */
static int read_value(struct sz_conf_reader *r, const char *key, yaml_node_t *v, size_t n,
		      struct value *value, struct sz_conf_rate *ret)
{
	value->rate = v;
	if (v->type != YAML_SCALAR_NODE && sz_conf_map(r, key, v, value_fields, n, value))
		return -EINVAL;
	return sz_conf_read_rate_of(r, v == value->rate ? key : "rate", value->rate, value->burst,
				    ret);
}

int sz_conf_read_rate(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		      void *obj)
{
	struct value value = {0};

	return read_value(r, f->key, v, SZ_ARRAY_LEN(value_fields) - 1, &value,
			  (struct sz_conf_rate *)(void *)((char *)obj + f->off));
}

int sz_conf_read_limit_value(struct sz_conf_reader *r, const char *key, yaml_node_t *v,
			     struct sz_conf_limit *l)
{
	struct value value = {0};
	int err = read_value(r, key, v, SZ_ARRAY_LEN(value_fields), &value, &l->rate);

	l->dry_run = value.dry_run;
	return err;
}

static struct sz_conf_limit *add_limit(struct sz_conf_limit **list, size_t *n)
{
	*list = sz_realloc(*list, *n + 1, sizeof(**list));
	(*list)[*n] = (struct sz_conf_limit){0};
	return &(*list)[(*n)++];
}

static void set_kind(struct sz_conf_limit *l, enum kind k)
{
	l->name = sz_strdup(kinds[k].key);
	l->stage = kinds[k].stage;
	l->by = kinds[k].by;
	l->reason = kinds[k].reason;
	memset(l->route_bits, 0xff, sizeof(l->route_bits));
}

/* ---- of all services ------------------------------------------------------------------------ */

void sz_conf_limits_init(struct sz_conf *c)
{
	static const struct {
		enum kind kind;
		const char *rate;
		u64 burst;
	} defaults[] = {
		{KIND_source_misses, "50/s", 100},
		{KIND_misses, "2000/s", 1000},
		{KIND_strays, "1000/s", 1000},
	};

	for (size_t i = 0; i < SZ_ARRAY_LEN(defaults); i++) {
		struct sz_conf_limit *l = add_limit(&c->limits, &c->n_limits);

		set_kind(l, defaults[i].kind);
		sz_conf_rate_parse(defaults[i].rate, defaults[i].burst, &l->rate);
	}
}

/* f->off is the kind. */
static int read_global(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		       void *obj)
{
	struct sz_conf *c = obj;

	for (size_t i = 0; i < c->n_limits; i++)
		if (!strcmp(c->limits[i].name, f->key)) {
			c->limits[i].line = sz_conf_line(v);
			return sz_conf_read_limit_value(r, f->key, v, &c->limits[i]);
		}
	return -EINVAL;
}

int sz_conf_read_limits(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			void *obj)
{
	struct sz_conf_field fields[KIND_COUNT + 1] = {{"adaptive", .read = sz_conf_read_adaptive}};
	size_t n = 1;

	for (enum kind k = 0; k < KIND_COUNT; k++)
		if (!kinds[k].of_service)
			fields[n++] = (struct sz_conf_field){kinds[k].key, read_global, .off = k};
	return sz_conf_map(r, f->key, v, fields, n, obj);
}

/* ---- rules ---------------------------------------------------------------------------------- */

struct rule {
	char *name;
	char **by, **routes;
	size_t n_by, n_routes;
	char *count;
	struct value value;
};

static int read_rule_name(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			  void *obj)
{
	const char *s = sz_conf_scalar(r, f->key, v);
	struct rule *rule = obj;

	if (!s)
		return -EINVAL;
	if (!sz_conf_is_name(s) || strlen(s) > NAME_MAX_)
		return sz_conf_fail(r, sz_conf_line(v),
				    "name \"%.64s\" is not 1 to %d letters, digits, \".\", \"_\" "
				    "or \"-\"; write it like writes-per-user",
				    s, NAME_MAX_);
	for (enum kind k = 0; k < KIND_COUNT; k++)
		if (!strcmp(kinds[k].key, s))
			return sz_conf_fail(r, sz_conf_line(v),
					    "name \"%s\" is that of a limit with a key of its own; "
					    "choose another",
					    s);
	rule->name = sz_strdup(s);
	return 0;
}

static const struct sz_conf_field rule_fields[] = {
	{"name", read_rule_name, .required = true},
	{"rate", read_node, .off = offsetof(struct rule, value.rate), .required = true},
	{"by", sz_conf_read_texts, .off = offsetof(struct rule, by),
	 .n_off = offsetof(struct rule, n_by), .max = SZ_CONF_LIST_MAX},
	{"count", sz_conf_read_text, .off = offsetof(struct rule, count), .max = 32},
	{"routes", sz_conf_read_texts, .off = offsetof(struct rule, routes),
	 .n_off = offsetof(struct rule, n_routes), .max = SZ_ROUTES_MAX},
	{"burst", sz_conf_read_u64, .off = offsetof(struct rule, value.burst), .min = 1,
	 .max = BURST_MAX},
	{"dry_run", sz_conf_read_bool, .off = offsetof(struct rule, value.dry_run)},
};

static int rule_by(struct sz_conf_reader *r, const struct rule *rule, struct sz_conf_limit *l)
{
	static const char *const words[] = {"source", "principal", "route"};
	static const u32 bits[] = {SZ_BY_SOURCE, SZ_BY_PRINCIPAL, SZ_BY_ROUTE};

	for (size_t i = 0; i < rule->n_by; i++) {
		size_t k = 0;

		while (k < SZ_ARRAY_LEN(words) && strcmp(rule->by[i], words[k]))
			k++;
		if (k == SZ_ARRAY_LEN(words))
			return sz_conf_fail(r, l->line,
					    "by \"%.64s\" is not known; write source, principal or "
					    "route, or a list of them, or leave it out for one "
					    "limit of the whole service",
					    rule->by[i]);
		if (l->by & bits[k])
			return sz_conf_fail(r, l->line, "by names %s twice; keep one of the two",
					    words[k]);
		l->by |= bits[k];
	}
	return 0;
}

/* What the rule counts decides when it is asked, and so what it may be by. */
static int rule_stage(struct sz_conf_reader *r, const struct rule *rule, struct sz_conf_limit *l)
{
	const char *count = rule->count ? rule->count : "requests";

	if (!strcmp(count, "requests")) {
		l->stage = l->by == SZ_BY_SOURCE && !rule->n_routes ? SZ_LIMIT_READ
								    : SZ_LIMIT_ADMIT;
		l->reason = SZ_R_LIMIT_RULE;
		return 0;
	}
	if (!strcmp(count, "connections")) {
		l->stage = SZ_LIMIT_SYN;
		l->reason = SZ_R_SYN_RULE;
	} else if (!strcmp(count, "failures")) {
		l->stage = SZ_LIMIT_FAIL;
		l->reason = SZ_R_LIMIT_FAILURES;
	} else if (!strcmp(count, "misses")) {
		l->stage = SZ_LIMIT_MISS;
		l->reason = SZ_R_OVERLOAD;
	} else {
		return sz_conf_fail(r, l->line,
				    "count \"%.64s\" is not known; write requests, connections, "
				    "failures or misses",
				    count);
	}
	if ((l->by & ~SZ_BY_SOURCE) || rule->n_routes)
		return sz_conf_fail(r, l->line,
				    "%s are counted before a token is verified and a route is "
				    "known; write \"by: source\", and no routes",
				    count);
	if (l->stage == SZ_LIMIT_FAIL && !l->by)
		return sz_conf_fail(r, l->line,
				    "one limit of failures for everybody would let anybody lock "
				    "the others out; write \"by: source\"");
	return 0;
}

static int take_rule(struct sz_conf_reader *r, const struct sz_conf_service *svc,
		     const struct rule *rule, struct sz_conf_limit *l)
{
	for (const struct sz_conf_limit *o = svc->limits; o < l; o++)
		if (!strcmp(o->name, rule->name))
			return sz_conf_fail(r, l->line,
					    "a limit \"%s\" was given before, on line %u; choose "
					    "another name",
					    rule->name, o->line);
	l->name = sz_strdup(rule->name);
	l->dry_run = rule->value.dry_run;
	if (rule_by(r, rule, l) || rule_stage(r, rule, l))
		return -EINVAL;
	return sz_conf_read_rate_of(r, "rate", rule->value.rate, rule->value.burst, &l->rate);
}

static int read_rules(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		      void *obj)
{
	struct sz_conf_service *svc = obj;
	size_t n, i;

	if (sz_conf_list(r, f->key, v, SZ_SERVICE_LIMITS, &n))
		return -EINVAL;
	for (i = 0; i < n; i++) {
		yaml_node_t *item = sz_conf_item(r, v, i);
		struct rule rule = {0};
		struct sz_conf_limit *l;
		int err = sz_conf_map(r, "the rule", item, rule_fields, SZ_ARRAY_LEN(rule_fields),
				      &rule);

		l = add_limit(&svc->limits, &svc->n_limits);
		l->line = sz_conf_line(item);
		if (!err)
			err = take_rule(r, svc, &rule, l);
		l->routes = rule.routes;
		l->n_routes = rule.n_routes;
		sz_conf_texts_free(rule.by, rule.n_by);
		free(rule.name);
		free(rule.count);
		if (err)
			return err;
	}
	return 0;
}

/* ---- of a service --------------------------------------------------------------------------- */

static int read_kind(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		     void *obj)
{
	struct sz_conf_service *svc = obj;
	struct sz_conf_limit *l = add_limit(&svc->limits, &svc->n_limits);

	set_kind(l, (enum kind)f->off);
	l->line = sz_conf_line(v);
	return sz_conf_read_limit_value(r, f->key, v, l);
}

static const struct sz_conf_field prefix_fields[] = {
	{"ipv4", sz_conf_read_u32, .off = offsetof(struct sz_conf_service, prefix4), .min = 8,
	 .max = 32},
	{"ipv6", sz_conf_read_u32, .off = offsetof(struct sz_conf_service, prefix6), .min = 16,
	 .max = 128},
};

static int read_prefix(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		       void *obj)
{
	return sz_conf_map(r, f->key, v, prefix_fields, SZ_ARRAY_LEN(prefix_fields), obj);
}

int sz_conf_read_service_limits(struct sz_conf_reader *r, const struct sz_conf_field *f,
				yaml_node_t *v, void *obj)
{
	struct sz_conf_field fields[KIND_COUNT + 2] = {
		{"source_prefix", .read = read_prefix},
		{"rules", .read = read_rules},
	};
	const struct sz_conf_service *svc = obj;
	size_t n = 2;

	for (enum kind k = 0; k < KIND_COUNT; k++)
		if (kinds[k].of_service)
			fields[n++] = (struct sz_conf_field){kinds[k].key, read_kind, .off = k};
	if (sz_conf_map(r, f->key, v, fields, n, obj))
		return -EINVAL;
	if (svc->n_limits > SZ_SERVICE_LIMITS - r->conf->n_limits)
		return sz_conf_fail(r, sz_conf_line(v),
				    "%s has %zu limits; at most %zu are allowed", f->key,
				    svc->n_limits, SZ_SERVICE_LIMITS - r->conf->n_limits);
	return 0;
}

int sz_conf_limits_resolve(struct sz_conf_reader *r, struct sz_conf_service *svc)
{
	for (size_t i = 0; i < svc->n_limits; i++) {
		struct sz_conf_limit *l = &svc->limits[i];

		memset(l->route_bits, l->n_routes ? 0 : 0xff, sizeof(l->route_bits));
		for (size_t k = 0; k < l->n_routes; k++) {
			bool found = false;

			for (size_t t = 0; t < svc->n_routes; t++)
				if (!strcmp(svc->routes[t].name, l->routes[k]) ||
				    !strcmp(svc->routes[t].path, l->routes[k])) {
					l->route_bits[t / 64] |= 1ull << (t & 63);
					found = true;
				}
			if (!found)
				return sz_conf_fail(r, l->line,
						    "routes: \"%.64s\" is neither the path nor the "
						    "name of a route of this service; write it as "
						    "the route has it",
						    l->routes[k]);
		}
	}
	return 0;
}

void sz_conf_limits_free(struct sz_conf_limit *l, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(l[i].name);
		sz_conf_texts_free(l[i].routes, l[i].n_routes);
	}
	free(l);
}

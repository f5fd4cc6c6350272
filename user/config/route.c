/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The "routes" of a service: path prefixes, methods and what a token must say. Called for each
 * service. A path is taken in canonical form only, so that the kernel and the daemon compare the
 * same bytes; two routes that could both decide a request are an error, never a matter of order.
 */
#include <string.h>

#include "config/config_priv.h"

#define OFF(member)           .off = offsetof(struct sz_conf_route, member)
#define METHODS_ALL           ((1u << SZ_METHOD_COUNT) - 1)
#define METHOD_NAMED(n, NAME) [n] = #NAME,
static const char *const method_names[SZ_METHOD_COUNT] = {SZ_METHODS(METHOD_NAMED)};

/* The first thing that keeps a path from being canonical, or NULL. */
static const char *path_fault(const char *s)
{
	static const char *const never[] = {"%", "//", "/./", "/../", "\\", ";", "?", "#"};
	static const char *const never_last[] = {"/.", "/.."};
	size_t n = strlen(s), i;

	for (i = 0; i < SZ_ARRAY_LEN(never); i++)
		if (strstr(s, never[i]))
			return never[i];
	for (i = 0; i < SZ_ARRAY_LEN(never_last); i++)
		if (n >= strlen(never_last[i]) &&
		    !strcmp(s + n - strlen(never_last[i]), never_last[i]))
			return never_last[i];
	return NULL;
}

static bool is_variable(const char *s, size_t n)
{
	size_t i;

	if (n < 3 || n > 34 || s[0] != '{' || s[n - 1] != '}' || (s[1] >= '0' && s[1] <= '9'))
		return false;
	for (i = 1; i < n - 1; i++)
		if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9') || s[i] == '_'))
			return false;
	return true;
}

/* A variable is a whole segment, and its name stands once. */
static int check_variables(struct sz_conf_reader *r, yaml_node_t *v, const char *path)
{
	struct {
		const char *s;
		size_t n;
	} names[SZ_CONF_VARS_MAX];
	size_t count = 0, n, i;
	const char *s;

	for (s = path; *s; s += n) {
		s++;
		n = strcspn(s, "/");
		if (!memchr(s, '{', n) && !memchr(s, '}', n))
			continue;
		if (!is_variable(s, n))
			return sz_conf_fail(r, sz_conf_line(v),
					    "\"%.*s\" in the path is no variable; write a whole "
					    "segment like {order_id}: small letters, digits and _",
					    (int)(n < 64 ? n : 64), s);
		for (i = 0; i < count; i++)
			if (names[i].n == n && !memcmp(names[i].s, s, n))
				return sz_conf_fail(r, sz_conf_line(v),
						    "the path names %.*s twice; rename one",
						    (int)n, s);
		if (count == SZ_CONF_VARS_MAX)
			return sz_conf_fail(r, sz_conf_line(v),
					    "the path has more than %d variables; write fewer",
					    SZ_CONF_VARS_MAX);
		names[count].s = s;
		names[count++].n = n;
	}
	return 0;
}

/* The same but for the names of variables? Then both cover the same paths. */
static bool same_path(const char *a, const char *b)
{
	while (*a && *b) {
		if (*a != *b)
			return false;
		if (*a == '{') {
			a += strcspn(a, "}");
			b += strcspn(b, "}");
		}
		a++;
		b++;
	}
	return *a == *b;
}

static int read_path(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		     void *obj)
{
	const char *s = sz_conf_scalar(r, f->key, v), *fault;
	struct sz_conf_route *t = obj;

	if (!s)
		return -EINVAL;
	if (s[0] != '/')
		return sz_conf_fail(r, sz_conf_line(v),
				    "path \"%.64s\" does not begin with \"/\"; "
				    "write it like /orders",
				    s);
	fault = path_fault(s);
	if (fault)
		return sz_conf_fail(r, sz_conf_line(v),
				    "path \"%.64s\" contains \"%s\" and would never "
				    "match; write the plain path as the service sees it",
				    s, fault);
	if (strlen(s) > SZ_PATH_MAX - 1)
		return sz_conf_fail(r, sz_conf_line(v),
				    "path \"%.64s...\" is longer than %d bytes; write "
				    "a shorter prefix",
				    s, SZ_PATH_MAX - 1);
	t->path = sz_strdup(s);
	return check_variables(r, v, s);
}

static int read_methods(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			void *obj)
{
	struct sz_conf_route *t = obj;
	size_t n, i;

	if (sz_conf_list(r, f->key, v, SZ_CONF_LIST_MAX, &n))
		return -EINVAL;
	t->methods = 0;
	for (i = 0; i < n; i++) {
		yaml_node_t *item = sz_conf_item(r, v, i);
		const char *s = sz_conf_scalar(r, f->key, item);
		enum sz_method m;

		if (!s)
			return -EINVAL;
		m = sz_method_parse(s, strlen(s));
		if (m == SZ_M_OTHER && strcmp(s, "*"))
			return sz_conf_fail(
				r, sz_conf_line(item),
				"method \"%.64s\" is not known; write "
				"GET, HEAD, POST, PUT, DELETE, PATCH or OPTIONS, or \"*\" for all",
				s);
		t->methods |= m == SZ_M_OTHER ? METHODS_ALL : 1u << m;
	}
	return 0;
}

int sz_conf_read_scopes(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			void *obj)
{
	char *const *scopes;
	size_t n;

	if (sz_conf_read_texts(r, f, v, obj))
		return -EINVAL;
	scopes = *(char ***)(void *)((char *)obj + f->off);
	n = *(size_t *)(void *)((char *)obj + f->n_off);
	for (size_t i = 0; i < n; i++)
		if (strpbrk(scopes[i], " \"\\"))
			return sz_conf_fail(
				r, sz_conf_line(sz_conf_item(r, v, i)),
				"scope \"%.64s\" has a "
				"space, quote or backslash in it; write several scopes as a list",
				scopes[i]);
	return 0;
}

static int read_claim(struct sz_conf_reader *r, const yaml_node_pair_t *pair,
		      struct sz_conf_claim *list, size_t *n_list)
{
	yaml_node_t *k = yaml_document_get_node(&r->doc, pair->key);
	yaml_node_t *v = yaml_document_get_node(&r->doc, pair->value);
	const char *name = sz_conf_scalar(r, "the name of a claim", k), *value;
	size_t n;

	if (!name)
		return -EINVAL;
	n = strlen(name);
	if (name[0] == '.' || name[n - 1] == '.' || strstr(name, ".."))
		return sz_conf_fail(r, sz_conf_line(k),
				    "claim \"%.64s\" has nothing on one side of a dot; "
				    "write it like realm.org",
				    name);
	for (size_t i = 0; i < *n_list; i++)
		if (!strcmp(list[i].name, name))
			return sz_conf_fail(r, sz_conf_line(k),
					    "claim \"%.64s\" is given twice; keep one of the two",
					    name);
	value = sz_conf_scalar(r, "a claim", v);
	if (!value)
		return -EINVAL;
	list[(*n_list)++] = (struct sz_conf_claim){sz_strdup(name), sz_strdup(value)};
	return 0;
}

int sz_conf_read_claims(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			void *obj)
{
	struct sz_conf_claim **list = (struct sz_conf_claim **)(void *)((char *)obj + f->off);
	size_t *n_list = (size_t *)(void *)((char *)obj + f->n_off);
	yaml_node_pair_t *p;
	size_t n;

	if (v->type != YAML_MAPPING_NODE)
		return sz_conf_fail(
			r, sz_conf_line(v),
			"%s must be names with values; write \"name: value\" lines, like "
			"department: ops",
			f->key);
	n = (size_t)(v->data.mapping.pairs.top - v->data.mapping.pairs.start);
	if (!n)
		return sz_conf_fail(r, sz_conf_line(v),
				    "%s is empty; add a claim or remove the key", f->key);
	if (n > SZ_CONF_LIST_MAX)
		return sz_conf_fail(r, sz_conf_line(v),
				    "%s has %zu entries; at most %d are allowed", f->key, n,
				    SZ_CONF_LIST_MAX);
	*list = sz_calloc(n, sizeof(**list));
	for (p = v->data.mapping.pairs.start; p < v->data.mapping.pairs.top; p++)
		if (read_claim(r, p, *list, n_list))
			return -EINVAL;
	return 0;
}

static int read_decide(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		       void *obj)
{
	const char *s = sz_conf_scalar(r, f->key, v);
	struct sz_conf_route *t = obj;

	if (!s)
		return -EINVAL;
	if (strcmp(s, "token") && strcmp(s, "each"))
		return sz_conf_fail(r, sz_conf_line(v),
				    "decide \"%.64s\" is not known; write token (once "
				    "per token) or each (every request)",
				    s);
	t->each = s[0] == 'e';
	return 0;
}

static const struct sz_conf_field route_fields[] = {
	{"path", read_path, .required = true},
	{"methods", .read = read_methods},
	{"scopes", sz_conf_read_scopes, OFF(scopes), .max = SZ_CONF_LIST_MAX,
	 .n_off = offsetof(struct sz_conf_route, n_scopes)},
	{"claims", sz_conf_read_claims, OFF(claims),
	 .n_off = offsetof(struct sz_conf_route, n_claims)},
	{"public", sz_conf_read_bool, OFF(public)},
	{"decide", .read = read_decide},
	{"dpop", sz_conf_read_binding, OFF(dpop)},
	{"when", .read = sz_conf_read_when},
	{"relation", .read = sz_conf_read_relation},
	{"step_up", .read = sz_conf_read_step_up},
	{"risk", .read = sz_conf_read_risk},
	{"name", sz_conf_read_text, OFF(name), .max = SZ_NAME_MAX - 1},
};

/* "GET,POST /orders", or "* /orders" for all methods. */
static char *default_name(const struct sz_conf_route *t)
{
	struct sz_buf b = {0};

	if (t->methods == METHODS_ALL)
		sz_buf_add(&b, "*", 1);
	else
		for (u32 m = 0; m < SZ_METHOD_COUNT; m++)
			if (t->methods & 1u << m)
				sz_buf_printf(&b, "%s%s", b.len ? "," : "", method_names[m]);
	sz_buf_printf(&b, " %s", t->path);
	return b.data;
}

static int check_overlap(struct sz_conf_reader *r, const struct sz_conf_route *all, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		u32 both = all[i].methods & all[n].methods;

		if (!both || !same_path(all[i].path, all[n].path))
			continue;
		return sz_conf_fail(r, all[n].line,
				    "this route and the one on line %u%s%.100s both cover %s "
				    "%.64s; merge them, or name different methods",
				    all[i].line, all[i].file || all[n].file ? " of " : "",
				    all[i].file   ? all[i].file
				    : all[n].file ? r->conf->path
						  : "",
				    method_names[__builtin_ctz(both)], all[n].path);
	}
	return 0;
}

static int read_route(struct sz_conf_reader *r, yaml_node_t *v, struct sz_conf_route *t)
{
	*t = (struct sz_conf_route){.methods = METHODS_ALL, .line = sz_conf_line(v)};
	if (sz_conf_map(r, "the route", v, route_fields, SZ_ARRAY_LEN(route_fields), t))
		return -EINVAL;
	if (t->public && t->dpop == SZ_DPOP_REQUIRED)
		return sz_conf_fail(r, t->line,
				    "the route is public and asks for DPoP; remove \"public\" or "
				    "\"dpop\"");
	if (t->dpop == SZ_DPOP_OFF)
		return sz_conf_fail(r, t->line,
				    "a route cannot refuse DPoP, only an issuer can; write "
				    "\"dpop: required\", or remove it");
	if (t->public && (t->n_scopes || t->n_claims))
		return sz_conf_fail(r, t->line,
				    "the route is public and asks for %s; remove \"public\" "
				    "or \"%s\"",
				    t->n_scopes ? "scopes" : "claims",
				    t->n_scopes ? "scopes" : "claims");
	if (!t->name)
		t->name = default_name(t);
	return sz_conf_check_policy(r, t);
}

int sz_conf_read_routes(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			void *obj)
{
	struct sz_conf_service *s = obj;
	size_t n, i;

	if (sz_conf_list(r, f->key, v, SZ_ROUTES_MAX, &n))
		return -EINVAL;
	s->routes = sz_calloc(n, sizeof(*s->routes));
	s->n_routes = n;
	for (i = 0; i < n; i++)
		if (read_route(r, sz_conf_item(r, v, i), &s->routes[i]) ||
		    check_overlap(r, s->routes, i))
			return -EINVAL;
	return 0;
}

int sz_conf_more_routes(struct sz_conf_reader *r, yaml_node_t *v, struct sz_conf_service *s)
{
	size_t n, i;

	if (sz_conf_list(r, "routes", v, SZ_ROUTES_MAX, &n))
		return -EINVAL;
	if (s->n_routes + n > SZ_ROUTES_MAX)
		return sz_conf_fail(r, sz_conf_line(v),
				    "service \"%s\" has more than %d routes with these; split it",
				    s->name, SZ_ROUTES_MAX);
	s->routes = sz_realloc(s->routes, s->n_routes + n, sizeof(*s->routes));
	for (i = 0; i < n; i++) {
		struct sz_conf_route *t = &s->routes[s->n_routes];
		int err = read_route(r, sz_conf_item(r, v, i), t);

		t->file = sz_strdup(r->name);
		s->n_routes++;
		if (err || check_overlap(r, s->routes, s->n_routes - 1))
			return -EINVAL;
	}
	return 0;
}

void sz_conf_route_done(struct sz_conf_route *t)
{
	sz_conf_route_policy_done(t);
	free(t->file);
	free(t->name);
	free(t->path);
	sz_conf_texts_free(t->scopes, t->n_scopes);
	for (size_t i = 0; i < t->n_claims; i++) {
		free(t->claims[i].name);
		free(t->claims[i].value);
	}
	free(t->claims);
}

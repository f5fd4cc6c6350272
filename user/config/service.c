/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The "services" list: which addresses are protected and how. Called by the top of the file. No two
 * services may claim one endpoint: the kernel finds the service by address and port alone.
 */
#include <string.h>

#include "config/config_priv.h"

#define OFF(member) .off = offsetof(struct sz_conf_service, member)

static int read_name(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		     void *obj)
{
	const char *s = sz_conf_scalar(r, f->key, v);
	struct sz_conf_service *svc = obj;

	if (!s)
		return -EINVAL;
	if (!sz_conf_is_name(s))
		return sz_conf_fail(r, sz_conf_line(v),
				    "name \"%.64s\" is not 1 to 63 letters, digits, "
				    "\".\", \"_\" or \"-\"; write it like orders-api",
				    s);
	for (size_t i = 0; i < (size_t)(svc - r->conf->services); i++)
		if (!strcmp(r->conf->services[i].name, s))
			return sz_conf_fail(r, sz_conf_line(v),
					    "service \"%s\" was given before, on line "
					    "%u; choose another name",
					    s, r->conf->services[i].line);
	svc->name = sz_strdup(s);
	return 0;
}

/* Endpoints were numbered in file order, so the n-th one was on line endpoint_line[n]. */
static u32 endpoint_taken(const struct sz_conf_reader *r, const struct sz_conf_endpoint *ep)
{
	size_t n = 0;

	for (size_t i = 0; i < r->conf->n_services; i++) {
		const struct sz_conf_service *svc = &r->conf->services[i];

		for (size_t k = 0; k < svc->n_endpoints && n < r->n_endpoints; k++, n++)
			if (svc->endpoints[k].port == ep->port &&
			    !memcmp(&svc->endpoints[k].addr, &ep->addr, sizeof(ep->addr)))
				return r->endpoint_line[n];
	}
	return 0;
}

static int read_endpoint(struct sz_conf_reader *r, yaml_node_t *v, struct sz_conf_endpoint *ret)
{
	const char *s = sz_conf_scalar(r, "address", v);
	u32 taken;

	if (!s)
		return -EINVAL;
	if (sz_endpoint_parse(s, &ret->addr, &ret->port))
		return sz_conf_fail(
			r, sz_conf_line(v),
			"address \"%.64s\" is not an address and port; "
			"write it like 10.0.0.5:8080, \"[2001:db8::5]:8080\" or \"*:8080\"",
			s);
	taken = endpoint_taken(r, ret);
	if (taken)
		return sz_conf_fail(r, sz_conf_line(v),
				    "address \"%.64s\" was given before, on line %u; an "
				    "address belongs to one service",
				    s, taken);
	if (r->n_endpoints == SZ_ENDPOINTS_MAX)
		return sz_conf_fail(r, sz_conf_line(v),
				    "more than %d addresses in all; write \"*:PORT\" "
				    "where a service has many",
				    SZ_ENDPOINTS_MAX);
	r->endpoint_line[r->n_endpoints++] = sz_conf_line(v);
	return 0;
}

static int read_address(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			void *obj)
{
	struct sz_conf_service *svc = obj;
	size_t n, i;

	if (sz_conf_list(r, f->key, v, SZ_CONF_LIST_MAX, &n))
		return -EINVAL;
	svc->endpoints = sz_calloc(n, sizeof(*svc->endpoints));
	svc->n_endpoints = n;
	for (i = 0; i < n; i++)
		if (read_endpoint(r, sz_conf_item(r, v, i), &svc->endpoints[i]))
			return -EINVAL;
	return 0;
}

static int read_mode(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		     void *obj)
{
	const char *s = sz_conf_scalar(r, f->key, v);
	struct sz_conf_service *svc = obj;

	if (!s)
		return -EINVAL;
	if (strcmp(s, "enforce") && strcmp(s, "monitor"))
		return sz_conf_fail(r, sz_conf_line(v),
				    "mode \"%.64s\" is not known; write enforce or "
				    "monitor (decide and count, but let pass)",
				    s);
	svc->monitor = s[0] == 'm';
	return 0;
}

static const struct sz_conf_field service_fields[] = {
	{"name", read_name, .required = true},
	{"address", read_address, .required = true},
	{"origins", sz_conf_read_origins, OFF(origins), .max = SZ_CONF_LIST_MAX,
	 .n_off = offsetof(struct sz_conf_service, n_origins)},
	{"mode", .read = read_mode},
	{"audit_requests", sz_conf_read_bool, OFF(audit_requests)},
	{"introspection", sz_conf_read_text, OFF(introspection)},
	{"limits", .read = sz_conf_read_service_limits},
	{"syn_cookies", sz_conf_read_cookies, OFF(cookies)},
	{"priority", sz_conf_read_priority, OFF(priority)},
	{"routes", sz_conf_read_routes, .required = true},
};

/*
 * A service's number is made from its name (FNV-1a), not from its place in the file: maps are
 * updated one entry at a time, and a number must not mean another service in between.
 */
static int number_service(struct sz_conf_reader *r, struct sz_conf_service *svc)
{
	const struct sz_conf_service *other;
	u32 id = 0x811c9dc5u;

	for (const char *s = svc->name; *s; s++)
		id = (id ^ (u8)*s) * 0x01000193u;
	id &= 0x7fffffff;
	svc->id = id ? id : 1;
	for (other = r->conf->services; other < svc; other++)
		if (other->id == svc->id)
			return sz_conf_fail(r, svc->line,
					    "the names \"%s\" and \"%s\" make the same number; "
					    "rename one of the two services",
					    other->name, svc->name);
	return 0;
}

int sz_conf_read_services(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			  void *obj)
{
	struct sz_conf *c = obj;
	size_t n, i;

	if (sz_conf_list(r, f->key, v, SZ_SERVICES_MAX, &n))
		return -EINVAL;
	c->services = sz_calloc(n, sizeof(*c->services));
	c->n_services = n;
	for (i = 0; i < n; i++) {
		struct sz_conf_service *svc = &c->services[i];
		yaml_node_t *item = sz_conf_item(r, v, i);

		svc->line = sz_conf_line(item);
		svc->prefix4 = 32;
		svc->prefix6 = 64;
		svc->priority = SZ_PRIORITY_NORMAL;
		if (sz_conf_map(r, "the service", item, service_fields,
				SZ_ARRAY_LEN(service_fields), svc) ||
		    sz_conf_limits_resolve(r, svc) || number_service(r, svc))
			return -EINVAL;
	}
	return 0;
}

void sz_conf_service_done(struct sz_conf_service *s)
{
	free(s->name);
	free(s->introspection);
	free(s->endpoints);
	sz_conf_texts_free(s->origins, s->n_origins);
	sz_conf_limits_free(s->limits, s->n_limits);
	for (size_t i = 0; i < s->n_routes; i++)
		sz_conf_route_done(&s->routes[i]);
	free(s->routes);
}

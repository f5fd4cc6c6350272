/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The "networks": names for prefixes of clients, whom limits by source do not touch or with rates
 * of their own. Called for the top of the file. A prefix belongs to one network; of those that
 * cover an address the longest decides.
 */
#include <stdio.h>
#include <string.h>

#include "config/config_priv.h"

#define NAME_MAX_ 31

static int read_name(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		     void *obj)
{
	const char *s = sz_conf_scalar(r, f->key, v);
	struct sz_conf_network *w = obj;

	if (!s)
		return -EINVAL;
	if (!sz_conf_is_name(s) || strlen(s) > NAME_MAX_)
		return sz_conf_fail(r, sz_conf_line(v),
				    "name \"%.64s\" is not 1 to %d letters, digits, \".\", \"_\" "
				    "or \"-\"; write it like branch-office",
				    s, NAME_MAX_);
	for (const struct sz_conf_network *o = r->conf->networks; o < w; o++)
		if (!strcmp(o->name, s))
			return sz_conf_fail(r, sz_conf_line(v),
					    "network \"%s\" was given before, on line %u; choose "
					    "another name",
					    s, o->line);
	w->name = sz_strdup(s);
	return 0;
}

static const struct sz_conf_network *prefix_taken(const struct sz_conf *c,
						  const struct sz_conf_prefix *p)
{
	for (size_t i = 0; i < c->n_networks; i++)
		for (size_t k = 0; k < c->networks[i].n_prefixes; k++) {
			const struct sz_conf_prefix *o = &c->networks[i].prefixes[k];

			if (o == p)
				return NULL;
			if (o->bits == p->bits && !memcmp(&o->addr, &p->addr, sizeof(p->addr)))
				return &c->networks[i];
		}
	return NULL;
}

static int read_prefixes(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			 void *obj)
{
	struct sz_conf_network *w = obj;
	size_t n, i;

	if (sz_conf_list(r, f->key, v, SZ_CONF_PREFIXES_MAX, &n))
		return -EINVAL;
	w->prefixes = sz_calloc(n, sizeof(*w->prefixes));
	for (i = 0; i < n; i++) {
		yaml_node_t *item = sz_conf_item(r, v, i);
		const char *s = sz_conf_scalar(r, f->key, item);
		const struct sz_conf_network *other;

		if (!s)
			return -EINVAL;
		if (sz_prefix_parse(s, &w->prefixes[i].addr, &w->prefixes[i].bits))
			return sz_conf_fail(r, sz_conf_line(item),
					    "prefix \"%.64s\" is not an address or network; write "
					    "it like 192.0.2.0/24 or \"2001:db8::/32\"",
					    s);
		w->n_prefixes = i + 1;
		other = prefix_taken(r->conf, &w->prefixes[i]);
		if (other)
			return sz_conf_fail(r, sz_conf_line(item),
					    "prefix \"%.64s\" was given before, for the network on "
					    "line %u; a prefix belongs to one network",
					    s, other->line);
	}
	return 0;
}

/* Any limit by source; which there are is checked when all services are known. */
static int read_overrides(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			  void *obj)
{
	struct sz_conf_network *w = obj;
	yaml_node_pair_t *p;
	size_t n;

	if (v->type != YAML_MAPPING_NODE)
		return sz_conf_fail(r, sz_conf_line(v),
				    "%s must be limits with rates; write \"name: rate\" lines, "
				    "like source: 1000/s",
				    f->key);
	n = (size_t)(v->data.mapping.pairs.top - v->data.mapping.pairs.start);
	w->limits = sz_calloc(n + 1, sizeof(*w->limits));
	for (p = v->data.mapping.pairs.start; p < v->data.mapping.pairs.top; p++) {
		yaml_node_t *k = yaml_document_get_node(&r->doc, p->key);
		const char *s = sz_conf_scalar(r, "the name of a limit", k);
		struct sz_conf_limit *l = &w->limits[w->n_limits];

		if (!s)
			return -EINVAL;
		for (size_t i = 0; i < w->n_limits; i++)
			if (!strcmp(w->limits[i].name, s))
				return sz_conf_fail(r, sz_conf_line(k),
						    "\"%.64s\" was given before, on line %u; keep "
						    "one of the two",
						    s, w->limits[i].line);
		l->name = sz_strdup(s);
		l->line = sz_conf_line(k);
		w->n_limits++;
		if (sz_conf_read_limit_value(r, s, yaml_document_get_node(&r->doc, p->value), l))
			return -EINVAL;
	}
	return 0;
}

static const struct sz_conf_field network_fields[] = {
	{"name", read_name, .required = true},
	{"prefixes", read_prefixes, .required = true},
	{"exempt", sz_conf_read_bool, .off = offsetof(struct sz_conf_network, exempt)},
	{"limits", .read = read_overrides},
	{"priority", sz_conf_read_priority, .off = offsetof(struct sz_conf_network, priority)},
};

int sz_conf_read_networks(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			  void *obj)
{
	struct sz_conf *c = obj;
	size_t n, i;

	if (sz_conf_list(r, f->key, v, SZ_NETWORKS_MAX, &n))
		return -EINVAL;
	c->networks = sz_calloc(n, sizeof(*c->networks));
	c->n_networks = n;
	for (i = 0; i < n; i++) {
		struct sz_conf_network *w = &c->networks[i];
		yaml_node_t *item = sz_conf_item(r, v, i);

		w->line = sz_conf_line(item);
		if (sz_conf_map(r, "the network", item, network_fields,
				SZ_ARRAY_LEN(network_fields), w))
			return -EINVAL;
		if (w->exempt && w->n_limits)
			return sz_conf_fail(r, w->line, "the network is exempt and has limits; "
							"remove one of the two");
		if (!w->exempt && !w->n_limits && !w->priority)
			return sz_conf_fail(r, w->line, "the network says nothing; add limits, "
							"\"exempt: true\" or a priority");
	}
	return 0;
}

/* Limits by source of that name, in every service that has one. */
static size_t count_named(const struct sz_conf *c, const char *name, bool *ret_other)
{
	size_t found = 0, i, k;

	*ret_other = false;
	for (i = 0; i <= c->n_services; i++) {
		const struct sz_conf_limit *l = i ? c->services[i - 1].limits : c->limits;
		size_t n = i ? c->services[i - 1].n_limits : c->n_limits;

		for (k = 0; k < n; k++) {
			if (strcmp(l[k].name, name))
				continue;
			if (l[k].by & SZ_BY_SOURCE)
				found++;
			else
				*ret_other = true;
		}
	}
	return found;
}

int sz_conf_networks_check(struct sz_conf_reader *r, const struct sz_conf *c)
{
	size_t slots = c->n_limits, i, k;
	bool other;

	for (i = 0; i < c->n_services; i++)
		slots += c->services[i].n_limits;
	for (i = 0; i < c->n_networks; i++) {
		for (k = 0; k < c->networks[i].n_limits; k++) {
			const struct sz_conf_limit *l = &c->networks[i].limits[k];
			size_t n = count_named(c, l->name, &other);

			if (!n)
				return sz_conf_fail(
					r, l->line,
					other ? "\"%.64s\" is not a limit by source; networks can "
						"name only those"
					      : "no service has a limit \"%.64s\"; name one that "
						"is by source",
					l->name);
			slots += n;
		}
	}
	if (slots < SZ_LIMITS_MAX)
		return 0;
	return sz_conf_fail(r, 1,
			    "%zu limits in all, those for networks included; the kernel has room "
			    "for %d",
			    slots, SZ_LIMITS_MAX - 1);
}

void sz_conf_networks_free(struct sz_conf_network *w, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(w[i].name);
		free(w[i].prefixes);
		sz_conf_limits_free(w[i].limits, w[i].n_limits);
	}
	free(w);
}

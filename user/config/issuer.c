/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The "issuers" list: whose tokens are believed, for which audiences, under which algorithms.
 * Called by the top of the file. Never opens a file
 * that it names.
 */
#include <string.h>

#include "config/config_priv.h"

#define OFF(member) .off = offsetof(struct sz_conf_issuer, member)

struct alg_name {
	const char *name;
	u32 bit;
};

#define ALG_NAME(n, s) {#s, 1u << (n)},
static const struct alg_name algs[] = {SZ_CONF_ALGS(ALG_NAME)};

static u32 alg_bit(const char *name)
{
	for (size_t i = 0; i < SZ_ARRAY_LEN(algs); i++)
		if (!strcmp(algs[i].name, name))
			return algs[i].bit;
	return 0;
}

int sz_conf_read_algs(struct sz_conf_reader *r, const char *key, yaml_node_t *v, u32 *ret)
{
	size_t n, i;

	if (sz_conf_list(r, key, v, SZ_CONF_LIST_MAX, &n))
		return -EINVAL;
	*ret = 0;
	for (i = 0; i < n; i++) {
		yaml_node_t *item = sz_conf_item(r, v, i);
		const char *s = sz_conf_scalar(r, key, item);

		if (!s)
			return -EINVAL;
		if (!alg_bit(s))
			return sz_conf_fail(r, sz_conf_line(item),
					    "algorithm \"%.64s\" is not known; "
					    "write EdDSA, or ES, RS or PS with 256, 384 or 512",
					    s);
		if (!strncmp(s, "HS", 2))
			return sz_conf_fail(
				r, sz_conf_line(item),
				"algorithm %s needs a secret that is "
				"shared with the issuer and is not accepted here; let the "
				"issuer sign with EdDSA, ES256, RS256 or PS256",
				s);
		*ret |= alg_bit(s);
	}
	return 0;
}

static int read_algs(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		     void *obj)
{
	struct sz_conf_issuer *iss = obj;

	return sz_conf_read_algs(r, f->key, v, &iss->algs);
}

static const struct sz_conf_field issuer_fields[] = {
	{"issuer", sz_conf_read_text, OFF(issuer), .required = true},
	{"jwks", sz_conf_read_file, OFF(jwks)},
	{"jwks_uri", sz_conf_read_url, OFF(jwks_uri)},
	{"discovery", sz_conf_read_discovery, OFF(discovery)},
	{"provider", .read = sz_conf_read_provider},
	{"introspection", .read = sz_conf_read_introspection},
	{"audiences", sz_conf_read_texts, OFF(audiences), .max = SZ_CONF_LIST_MAX,
	 .n_off = offsetof(struct sz_conf_issuer, n_audiences), .required = true},
	{"algorithms", .read = read_algs},
	{"clock_skew", sz_conf_read_s, OFF(skew_s), .max = SZ_SKEW_MAX},
	{"max_age", sz_conf_read_age, OFF(max_age_s), .max = 366 * 86400},
	{"require_at_jwt", sz_conf_read_bool, OFF(require_at_jwt)},
	{"dpop", sz_conf_read_binding, OFF(dpop)},
	{"events", sz_conf_read_text, OFF(events), .max = SZ_CONF_TEXT_MAX},
};

static int check_unique(struct sz_conf_reader *r, const struct sz_conf_issuer *all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(all[i].issuer, all[n].issuer))
			return sz_conf_fail(r, all[n].line,
					    "issuer \"%.64s\" was given before, on line "
					    "%u; write one entry with all audiences",
					    all[n].issuer, all[i].line);
	return 0;
}

int sz_conf_read_issuers(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			 void *obj)
{
	struct sz_conf *c = obj;
	size_t n, i;

	if (sz_conf_list(r, f->key, v, SZ_ISSUERS_MAX, &n))
		return -EINVAL;
	c->issuers = sz_calloc(n, sizeof(*c->issuers));
	c->n_issuers = n;
	for (i = 0; i < n; i++) {
		struct sz_conf_issuer *iss = &c->issuers[i];
		yaml_node_t *item = sz_conf_item(r, v, i);

		*iss = (struct sz_conf_issuer){
			.algs = SZ_CONF_ALGS_DEFAULT, .skew_s = 30, .line = sz_conf_line(item)};
		sz_conf_provider_defaults(iss);
		if (sz_conf_map(r, "the issuer", item, issuer_fields, SZ_ARRAY_LEN(issuer_fields),
				iss) ||
		    check_unique(r, c->issuers, i) || sz_conf_check_provider(r, iss))
			return -EINVAL;
	}
	return 0;
}

void sz_conf_issuer_done(struct sz_conf_issuer *i)
{
	free(i->issuer);
	free(i->events);
	free(i->jwks);
	sz_conf_provider_done(i);
	sz_conf_texts_free(i->audiences, i->n_audiences);
}

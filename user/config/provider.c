/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What an issuer has that is asked over the network: where its keys are, how it is asked, and token
 * introspection. Called by the readers of issuers and of the top of the file. Nothing is asked and
 * no file is opened here.
 */
#include <string.h>

#include "config/config_priv.h"

#define PROVIDER(member)      .off = offsetof(struct sz_conf_issuer, provider.member)
#define MIN_TTL_S 10 /* where the file says none */

#define INTROSPECTION(member) .off = offsetof(struct sz_conf_issuer, introspection.member)
#define ISSUER_OF(obj)        ((struct sz_conf_issuer *)(obj))

bool sz_conf_keys_remote(const struct sz_conf_issuer *i)
{
	return i->jwks_uri || i->discovery != SZ_DISCOVERY_NONE;
}

bool sz_conf_keys_none(const struct sz_conf_issuer *i)
{
	return !i->jwks && !sz_conf_keys_remote(i);
}

void sz_conf_provider_defaults(struct sz_conf_issuer *i)
{
	i->provider = (struct sz_conf_provider){
		.timeout_ms = 5000,
		.refresh_min_s = 60,
		.refresh_max_s = 3600,
		.max_stale_s = 86400,
		.refetch_ms = 5000,
		.max_waiting = 1024,
	};
	i->introspection = (struct sz_conf_introspection){
		.max_ttl_s = 60,
		.inactive_ttl_s = 10,
		.timeout_ms = 3000,
		.max_waiting = 1024,
		.failures = 5,
		.pause_ms = 5000,
		.require_audience = true,
	};
}

int sz_conf_read_url(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		     void *obj)
{
	const char *s = sz_conf_scalar(r, f->key, v);
	struct sz_url u;

	if (!s)
		return -EINVAL;
	if (sz_url_parse(s, &u))
		return sz_conf_fail(r, sz_conf_line(v),
				    "%s \"%.64s\" is not a URL that can be asked; write it like "
				    "https://login.example.com/keys",
				    f->key, s);
	return sz_conf_read_text(r, f, v, obj);
}

int sz_conf_read_discovery(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			   void *obj)
{
	const char *s = sz_conf_scalar(r, f->key, v);
	struct sz_conf_issuer *i = obj;

	if (!s)
		return -EINVAL;
	if (!strcmp(s, "true") || !strcmp(s, "oidc"))
		i->discovery = SZ_DISCOVERY_OIDC;
	else if (!strcmp(s, "oauth"))
		i->discovery = SZ_DISCOVERY_OAUTH;
	else if (strcmp(s, "false") != 0)
		return sz_conf_fail(r, sz_conf_line(v),
				    "discovery \"%.64s\" is not known; write true or oidc for "
				    "OpenID Connect, oauth for RFC 8414, or false",
				    s);
	return 0;
}

/* ---- provider ------------------------------------------------------------------------------- */

static const struct sz_conf_field provider_fields[] = {
	{"ca_file", sz_conf_read_file, PROVIDER(ca_file)},
	{"loopback_http", sz_conf_read_bool, PROVIDER(loopback_http)},
	{"timeout", sz_conf_read_ms, PROVIDER(timeout_ms), .min = 100, .max = 60000},
	{"refresh_min", sz_conf_read_s, PROVIDER(refresh_min_s), .min = 1, .max = 86400},
	{"refresh_max", sz_conf_read_s, PROVIDER(refresh_max_s), .min = 1, .max = 7 * 86400},
	{"max_stale", sz_conf_read_age, PROVIDER(max_stale_s), .min = 1, .max = 366 * 86400},
	{"refetch", sz_conf_read_ms, PROVIDER(refetch_ms), .min = 100, .max = 60000},
	{"max_waiting", sz_conf_read_u32, PROVIDER(max_waiting), .min = 1, .max = 65536},
};

int sz_conf_read_provider(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			  void *obj)
{
	const struct sz_conf_provider *p = &ISSUER_OF(obj)->provider;

	if (sz_conf_map(r, f->key, v, provider_fields, SZ_ARRAY_LEN(provider_fields), obj))
		return -EINVAL;
	if (p->refresh_min_s > p->refresh_max_s)
		return sz_conf_fail(r, sz_conf_line(v),
				    "refresh_min is longer than refresh_max; write the shorter "
				    "time as refresh_min");
	if (p->max_stale_s && p->max_stale_s < p->refresh_max_s)
		return sz_conf_fail(r, sz_conf_line(v),
				    "max_stale is shorter than refresh_max, so that keys would "
				    "be given up before they are asked for again; raise max_stale "
				    "or lower refresh_max");
	return 0;
}

/* ---- introspection -------------------------------------------------------------------------- */

static int read_auth(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		     void *obj)
{
	static const char *const names[] = {
		[SZ_CLIENT_SECRET_BASIC] = "client_secret_basic",
		[SZ_CLIENT_SECRET_POST] = "client_secret_post",
		[SZ_CLIENT_PRIVATE_KEY_JWT] = "private_key_jwt",
	};
	const char *s = sz_conf_scalar(r, f->key, v);

	if (!s)
		return -EINVAL;
	for (size_t i = 0; i < SZ_ARRAY_LEN(names); i++) {
		if (strcmp(s, names[i]))
			continue;
		ISSUER_OF(obj)->introspection.auth = (enum sz_conf_client_auth)i;
		return 0;
	}
	return sz_conf_fail(r, sz_conf_line(v),
			    "auth \"%.64s\" is not known; write client_secret_basic, "
			    "client_secret_post or private_key_jwt",
			    s);
}

static const struct sz_conf_field introspection_fields[] = {
	{"endpoint", sz_conf_read_url, INTROSPECTION(endpoint)},
	{"client_id", sz_conf_read_text, INTROSPECTION(client_id), .required = true},
	{"auth", .read = read_auth},
	{"client_secret_file", sz_conf_read_file, INTROSPECTION(secret_file)},
	{"client_key_file", sz_conf_read_file, INTROSPECTION(key_file)},
	{"max_ttl", sz_conf_read_s, INTROSPECTION(max_ttl_s), .min = 1, .max = 86400},
	{"min_ttl", sz_conf_read_s, INTROSPECTION(min_ttl_s), .min = 2, .max = 86400},
	{"inactive_ttl", sz_conf_read_s, INTROSPECTION(inactive_ttl_s), .min = 1, .max = 3600},
	{"timeout", sz_conf_read_ms, INTROSPECTION(timeout_ms), .min = 100, .max = 60000},
	{"max_waiting", sz_conf_read_u32, INTROSPECTION(max_waiting), .min = 1, .max = 65536},
	{"failures", sz_conf_read_u32, INTROSPECTION(failures), .min = 1, .max = 1000},
	{"pause", sz_conf_read_ms, INTROSPECTION(pause_ms), .min = 100, .max = 3600000},
	{"require_audience", sz_conf_read_bool, INTROSPECTION(require_audience)},
};

int sz_conf_read_introspection(struct sz_conf_reader *r, const struct sz_conf_field *f,
			       yaml_node_t *v, void *obj)
{
	struct sz_conf_introspection *in = &ISSUER_OF(obj)->introspection;

	if (sz_conf_map(r, f->key, v, introspection_fields, SZ_ARRAY_LEN(introspection_fields),
			obj))
		return -EINVAL;
	in->on = true;
	if (in->min_ttl_s > in->max_ttl_s)
		return sz_conf_fail(r, sz_conf_line(v),
				    "min_ttl is longer than max_ttl; write the shorter time as "
				    "min_ttl, or leave it out");
	if (!in->min_ttl_s)
		in->min_ttl_s = in->max_ttl_s < MIN_TTL_S ? in->max_ttl_s : MIN_TTL_S;
	if (in->auth == SZ_CLIENT_PRIVATE_KEY_JWT ? !in->key_file || in->secret_file :
						    !in->secret_file || in->key_file)
		return sz_conf_fail(r, sz_conf_line(v),
				    "the client's credentials do not go with its auth; give "
				    "client_key_file with private_key_jwt, else "
				    "client_secret_file");
	return 0;
}

/* ---- checks --------------------------------------------------------------------------------- */

static int check_url(struct sz_conf_reader *r, const struct sz_conf_issuer *i, const char *key,
		     const char *url)
{
	struct sz_url u;

	if (!url)
		return 0;
	if (sz_url_parse(url, &u))
		return sz_conf_fail(r, i->line,
				    "%s \"%.64s\" is not a URL that can be asked; write it like "
				    "https://login.example.com",
				    key, url);
	if (u.https || (i->provider.loopback_http && sz_url_loopback(&u)))
		return 0;
	return sz_conf_fail(r, i->line,
			    "%s \"%.64s\" is not https; answers that anybody on the way can change "
			    "prove nothing (provider.loopback_http allows http to this host)",
			    key, url);
}

int sz_conf_check_provider(struct sz_conf_reader *r, const struct sz_conf_issuer *i)
{
	bool discovery = i->discovery != SZ_DISCOVERY_NONE;
	int ways = !!i->jwks + !!i->jwks_uri + discovery;

	if (ways > 1)
		return sz_conf_fail(r, i->line,
				    "the issuer has more than one of jwks, jwks_uri and discovery; "
				    "keep the one that its keys come from");
	if (!ways && !i->introspection.on)
		return sz_conf_fail(r, i->line,
				    "the issuer has no \"jwks\"; add it, or jwks_uri, or "
				    "\"discovery: true\", or introspection");
	if (i->introspection.on && !i->introspection.endpoint && !discovery)
		return sz_conf_fail(r, i->line,
				    "introspection has no \"endpoint\", and there is no discovery "
				    "to find it by; add one of the two");
	if (discovery && strchr(i->issuer, '?'))
		return sz_conf_fail(r, i->line,
				    "an issuer with a query cannot be discovered; write jwks_uri");
	if (discovery && check_url(r, i, "issuer", i->issuer))
		return -EINVAL;
	if (check_url(r, i, "jwks_uri", i->jwks_uri))
		return -EINVAL;
	return check_url(r, i, "introspection.endpoint", i->introspection.endpoint);
}

/* "introspection" of a service names one of the issuers that offer it. */
static int resolve_one(struct sz_conf_reader *r, const struct sz_conf *c,
		       struct sz_conf_service *svc)
{
	const struct sz_conf_issuer *only = NULL;
	size_t n = 0;

	if (svc->introspection && !strcmp(svc->introspection, "none"))
		return 0;
	for (size_t i = 0; i < c->n_issuers; i++) {
		if (!c->issuers[i].introspection.on)
			continue;
		only = &c->issuers[i];
		n++;
		if (!svc->introspection || strcmp(svc->introspection, only->issuer) != 0)
			continue;
		svc->opaque = only;
		return 0;
	}
	if (svc->introspection)
		return sz_conf_fail(r, svc->line,
				    "introspection \"%.64s\" is no issuer that has introspection; "
				    "write its \"issuer\" as it stands there, or none",
				    svc->introspection);
	if (n > 1)
		return sz_conf_fail(r, svc->line,
				    "several issuers have introspection, and a token must not be "
				    "shown to the wrong one; write \"introspection: ISSUER\" or "
				    "\"introspection: none\" in the service");
	svc->opaque = only;
	return 0;
}

int sz_conf_resolve_opaque(struct sz_conf_reader *r, struct sz_conf *c)
{
	int err = 0;

	for (size_t i = 0; i < c->n_services && !err; i++)
		err = resolve_one(r, c, &c->services[i]);
	return err;
}

void sz_conf_provider_done(struct sz_conf_issuer *i)
{
	free(i->jwks_uri);
	free(i->provider.ca_file);
	free(i->introspection.endpoint);
	free(i->introspection.client_id);
	free(i->introspection.secret_file);
	free(i->introspection.key_file);
}

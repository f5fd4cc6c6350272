/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared inside the config room: the reader that walks a YAML document by tables of known keys, and
 * the readers of single values. Every function that returns int gives 0, or -EINVAL with the
 * reader's error filled as "FILE:LINE: what is wrong; what to do".
 */
#ifndef SZ_CONFIG_CONFIG_PRIV_H
#define SZ_CONFIG_CONFIG_PRIV_H

#include <yaml.h>

#include "config/config.h"

/* SZ_CONF_ALGS(bit, name): algorithm names; the bit is that of enum sz_alg in jose/jose.h. */
#define SZ_CONF_ALGS(X)                                                                            \
	X(1, EdDSA)                                                                                \
	X(2, ES256) X(3, ES384) X(4, ES512) X(5, RS256) X(6, RS384) X(7, RS512) X(8, PS256)        \
		X(9, PS384) X(10, PS512) X(11, HS256) X(12, HS384) X(13, HS512)
/* All but HMAC and RSA with PKCS #1 v1.5. */
#define SZ_CONF_ALGS_DPOP (1u << 1 | 7u << 2 | 7u << 8)
/* EdDSA, ES256, RS256, PS256. */
#define SZ_CONF_ALGS_DEFAULT (1u << 1 | 1u << 2 | 1u << 5 | 1u << 8)

struct sz_conf_reader {
	yaml_document_t doc;
	const char *name; /* of the file */
	const char *text; /* that is read */
	size_t text_n;
	struct sz_error *e;
	struct sz_conf *conf;
	u32 endpoint_line[SZ_ENDPOINTS_MAX]; /* of every endpoint, in file order */
	size_t n_endpoints;
};

/* One known key of a mapping. Bounds are in the unit of the member; max 0 = no bounds. */
struct sz_conf_field {
	const char *key;
	int (*read)(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		    void *obj);
	size_t off;   /* of the member in obj */
	size_t n_off; /* of the member that counts it, for lists */
	bool required;
	u64 min, max;
};
#define SZ_CONF_FIELDS_MAX 32

/* yaml.c: text to document, and the walk over mappings and lists */
int sz_conf_fail(struct sz_conf_reader *r, u32 line, const char *fmt, ...) SZ_PRINTF(3, 4);
int sz_conf_open(struct sz_conf_reader *r, const char *text, size_t n);
void sz_conf_close(struct sz_conf_reader *r);
u32 sz_conf_line(const yaml_node_t *v);
/* Reads a mapping: unknown, repeated and missing keys are errors. `what` names it in messages. */
int sz_conf_map(struct sz_conf_reader *r, const char *what, yaml_node_t *v,
		const struct sz_conf_field *fields, size_t n, void *obj);
/* Text of a scalar: not empty, not null, no control characters; NULL on error. */
const char *sz_conf_scalar(struct sz_conf_reader *r, const char *key, yaml_node_t *v);
/* Number of entries, 1..max. One plain value stands for a list of one. */
int sz_conf_list(struct sz_conf_reader *r, const char *key, yaml_node_t *v, size_t max,
		 size_t *ret_n);
yaml_node_t *sz_conf_item(struct sz_conf_reader *r, yaml_node_t *v, size_t i);
/* Valid UTF-8 bytes that make the character at p; 0 where there is none. */
size_t sz_conf_utf8(const char *p, size_t n);

/* value.c: readers for tables of fields, by the type of the member */
int sz_conf_read_text(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		      void *obj);
int sz_conf_read_path(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		      void *obj); /* absolute; at most `max` bytes */
int sz_conf_read_texts(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		       void *obj); /* char ** and size_t; at most `max` */
int sz_conf_read_bool(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		      void *obj);
int sz_conf_read_u32(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		     void *obj);
int sz_conf_read_u64(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		     void *obj);
int sz_conf_read_ms(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		    void *obj); /* u32 milliseconds */
int sz_conf_read_s(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		   void *obj); /* u32 seconds */
int sz_conf_read_age(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		     void *obj); /* u64 seconds; "none" is 0 */
int sz_conf_read_bytes(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		       void *obj); /* u64 bytes */
int sz_conf_read_rate(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		      void *obj); /* struct sz_conf_rate; limit.c */
/* A rate as text; burst 0: the number of the rate. */
int sz_conf_read_rate_of(struct sz_conf_reader *r, const char *key, yaml_node_t *v, u64 burst,
			 struct sz_conf_rate *ret);
int sz_conf_read_file(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		      void *obj); /* a path relative to the configuration file, made absolute */
/* defence.c: what holds against floods */
int sz_conf_read_cookies(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			 void *obj); /* enum sz_conf_cookies */
int sz_conf_read_bans(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		      void *obj);
void sz_conf_bans_done(struct sz_conf *c);
int sz_conf_read_syn(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		     void *obj);
/* [A-Za-z0-9._-]{1,63} */
bool sz_conf_is_name(const char *s);

/* api.c: sections of what the daemon offers itself */
int sz_conf_read_api(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		     void *obj);
int sz_conf_read_rebac(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		       void *obj);
bool sz_conf_is_loopback(const struct sz_addr *a);

/* evidence.c: the audit log and traces */
int sz_conf_read_audit(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		       void *obj);
int sz_conf_read_tracing(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			 void *obj);
void sz_conf_audit_defaults(struct sz_conf *c);
void sz_conf_audit_done(struct sz_conf *c);

/* issuer.c, service.c, route.c: the lists of the file */
/* Mask of algorithm names; HMAC is refused. */
int sz_conf_read_algs(struct sz_conf_reader *r, const char *key, yaml_node_t *v, u32 *ret);
/* dpop.c */
int sz_conf_read_dpop(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		      void *obj);
int sz_conf_read_binding(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			 void *obj); /* enum sz_conf_dpop */
int sz_conf_read_origins(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			 void *obj);
int sz_conf_read_issuers(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			 void *obj);
void sz_conf_issuer_done(struct sz_conf_issuer *i);
/* provider.c: what belongs to an issuer that is asked over the network */
int sz_conf_read_url(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		     void *obj);
int sz_conf_read_discovery(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			   void *obj);
int sz_conf_read_provider(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			  void *obj);
int sz_conf_read_introspection(struct sz_conf_reader *r, const struct sz_conf_field *f,
			       yaml_node_t *v, void *obj);
void sz_conf_provider_defaults(struct sz_conf_issuer *i);
/* Do the ways to an issuer's keys and answers go together? */
int sz_conf_check_provider(struct sz_conf_reader *r, const struct sz_conf_issuer *i);
/* Sets every service's `opaque`. */
int sz_conf_resolve_opaque(struct sz_conf_reader *r, struct sz_conf *c);
void sz_conf_provider_done(struct sz_conf_issuer *i);
int sz_conf_read_services(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			  void *obj);
void sz_conf_service_done(struct sz_conf_service *s);
int sz_conf_read_routes(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			void *obj);
/* policy.c */
int sz_conf_read_when(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		      void *obj); /* these four are keys of a route */
int sz_conf_read_relation(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			  void *obj);
int sz_conf_read_step_up(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			 void *obj);
int sz_conf_read_risk(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		      void *obj);
int sz_conf_check_policy(struct sz_conf_reader *r, const struct sz_conf_route *t);
int sz_conf_check_relation(struct sz_conf_reader *r, const struct sz_conf *c,
			   const struct sz_conf_route *t);
void sz_conf_route_policy_done(struct sz_conf_route *t);
int sz_conf_read_policy(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			void *obj);
void sz_conf_policy_done(struct sz_conf *c);
/* config.c: what holds for all routes together */
int sz_conf_check_routes(struct sz_conf_reader *r, const struct sz_conf *c);
/* essence.c: fills c->essence */
void sz_conf_essence(struct sz_conf_reader *r, struct sz_conf *c);
/* include.c: routes from the files that the "policy" section names, behind those of the file */
int sz_conf_include(struct sz_conf *c, struct sz_error *e);
/* route.c: more routes for a service that has some */
int sz_conf_more_routes(struct sz_conf_reader *r, yaml_node_t *v, struct sz_conf_service *s);
void sz_conf_route_done(struct sz_conf_route *t);
void sz_conf_texts_free(char **texts, size_t n);

/* limit.c: rate limits of all services, and of one */
void sz_conf_limits_init(struct sz_conf *c); /* those of all services, with their defaults */
int sz_conf_read_limits(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			void *obj);
int sz_conf_read_service_limits(struct sz_conf_reader *r, const struct sz_conf_field *f,
				yaml_node_t *v, void *obj);
/* Once the service's routes are known: which of them its limits count. */
int sz_conf_limits_resolve(struct sz_conf_reader *r, struct sz_conf_service *s);
void sz_conf_limits_free(struct sz_conf_limit *l, size_t n);
/* A rate alone, or rate, burst and dry_run. */
int sz_conf_read_limit_value(struct sz_conf_reader *r, const char *key, yaml_node_t *v,
			     struct sz_conf_limit *l);

/* route.c: lists of scopes, and of claims with values */
int sz_conf_read_scopes(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			void *obj);
int sz_conf_read_claims(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			void *obj);

/* adaptive.c: what is refused when the verifier is busy, and who last */
int sz_conf_read_adaptive(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			  void *obj);
int sz_conf_read_priority(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			  void *obj); /* enum sz_priority */
int sz_conf_read_priorities(struct sz_conf_reader *r, const struct sz_conf_field *f,
			    yaml_node_t *v, void *obj);
/* Once the issuers are known: those that priorities name are among them. */
int sz_conf_check_priorities(struct sz_conf_reader *r, const struct sz_conf *c);
void sz_conf_priorities_free(struct sz_conf_priority *p, size_t n);

/* network.c: named networks and what limits say there */
int sz_conf_read_networks(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			  void *obj);
/* Once everything is read: every limit that a network names is one, and all have room. */
int sz_conf_networks_check(struct sz_conf_reader *r, const struct sz_conf *c);
void sz_conf_networks_free(struct sz_conf_network *w, size_t n);

#endif

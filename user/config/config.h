/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The configuration file: one YAML document read into an immutable snapshot. A reload reads a new
 * snapshot and swaps it whole. Errors name file, line, what is wrong and what to write instead;
 * unknown keys are errors (with the nearest known one suggested).
 */
#ifndef SZ_CONFIG_CONFIG_H
#define SZ_CONFIG_CONFIG_H

#include <jansson.h>

#include "core/core.h"

struct sz_conf_rate {
	u64 interval_ns; /* GCRA emission interval; 0 = no limit. "100/s" is 10,000,000 */
	u64 burst_ns;    /* GCRA tolerance: burst requests times interval */
};

/* One rate limit: see SZ_LIMIT_KINDS and docs/limits.md. */
struct sz_conf_limit {
	char *name;          /* "source", or that of a rule; unique in its service */
	u32 stage;           /* enum sz_limit_stage */
	u32 by;              /* SZ_BY_* */
	u32 reason;          /* enum sz_reason */
	struct sz_conf_rate rate;
	bool dry_run;
	char **routes;       /* names or paths; none: all */
	size_t n_routes;
	u64 route_bits[SZ_ROUTE_WORDS]; /* bit r: counts for route r */
	u32 line;
};

struct sz_conf_prefix {
	struct sz_addr addr; /* IPv4 as ::ffff:a.b.c.d */
	u32 bits;            /* 0..128 */
};

/* Clients for whom limits by source say something else. */
struct sz_conf_network {
	char *name;
	struct sz_conf_prefix *prefixes;
	size_t n_prefixes;
	bool exempt;
	struct sz_conf_limit *limits; /* only name, rate, dry_run and line */
	size_t n_limits;
	enum sz_priority priority; /* of unknown tokens from there; NONE: the service's counts */
	u32 line;
};

struct sz_conf_claim {
	char *name;          /* member of the claims; dots descend ("realm.org") */
	char *value;         /* as text; numbers and true/false compare by their JSON text */
};

/* How many questions may be open at once: docs/limits.md, "Adaptive". */
struct sz_conf_adaptive {
	bool on, dry_run;
	u32 target_ms; /* what an answer should take at most */
	u32 min, max;  /* of the limit */
};

/* Principals with a priority: all that is given must hold of the token's claims. */
struct sz_conf_priority {
	enum sz_priority priority;
	char *issuer;  /* NULL: any */
	char **scopes;
	size_t n_scopes;
	struct sz_conf_claim *claims;
	size_t n_claims;
	u32 line;
};

enum sz_conf_xdp { SZ_XDP_AUTO, SZ_XDP_NATIVE, SZ_XDP_GENERIC };

/* Tokens that are bound to a key (RFC 9449): taken beside others, alone, or never. */
enum sz_conf_dpop { SZ_DPOP_ALLOWED, SZ_DPOP_REQUIRED, SZ_DPOP_OFF };
/* Where to look for what a provider says about itself. */
enum sz_conf_discovery {
	SZ_DISCOVERY_NONE,
	SZ_DISCOVERY_OIDC,  /* OpenID Connect Discovery 1.0: behind the issuer's path */
	SZ_DISCOVERY_OAUTH, /* RFC 8414: in front of it */
};

/* How a provider is asked over the network. */
struct sz_conf_provider {
	char *ca_file;      /* PEM; NULL: what the system trusts */
	bool loopback_http; /* http:// is allowed, to this host */
	u32 timeout_ms;     /* of one request; default 5 s */
	u32 refresh_min_s;  /* keys are asked for again no sooner, default 1 min, */
	u32 refresh_max_s;  /* and no later, default 1 h */
	u64 max_stale_s;    /* keys that cannot be refreshed are used this long; default 1 day */
	u32 refetch_ms;     /* at least so long between two looks for an unknown key; default 5 s */
	u32 max_waiting;    /* tokens that wait for a look at once; default 1024 */
};

enum sz_conf_client_auth {
	SZ_CLIENT_SECRET_BASIC,
	SZ_CLIENT_SECRET_POST,
	SZ_CLIENT_PRIVATE_KEY_JWT, /* RFC 7523 */
};

/* Token introspection, RFC 7662. */
struct sz_conf_introspection {
	bool on;
	char *endpoint;        /* NULL: from discovery */
	char *client_id;
	enum sz_conf_client_auth auth;
	char *secret_file;     /* of a client secret, or NULL */
	char *key_file;        /* of a private JWK, or NULL */
	u32 max_ttl_s;         /* an answer is good no longer; default 60 s */
	u32 min_ttl_s;         /* nor shorter, however often used; default 10 s, or the same */
	u32 inactive_ttl_s;    /* nor one that a token is not active; default 10 s */
	u32 timeout_ms;        /* default 3 s */
	u32 max_waiting;       /* tokens that wait for an answer at once; default 1024 */
	u32 failures;          /* in a row, until it is not asked for a while; default 5 */
	u32 pause_ms;          /* so long at first; default 5 s */
	bool require_audience; /* an answer without "aud" is refused; default true */
};

struct sz_conf_issuer {
	char *issuer;
	char *jwks;          /* absolute; the file may give it relative to itself */
	char *jwks_uri;      /* at most one of jwks, jwks_uri and discovery is given */
	enum sz_conf_discovery discovery;
	struct sz_conf_provider provider;
	struct sz_conf_introspection introspection;
	char **audiences;
	size_t n_audiences;
	u32 algs;            /* mask of 1 << enum sz_alg; default EdDSA ES256 RS256 PS256 */
	u32 skew_s;          /* default 30 */
	u64 max_age_s;       /* 0 = no rule, the default */
	bool require_at_jwt;
	enum sz_conf_dpop dpop;
	char *events;        /* "aud" of its security events; NULL: none are taken */
	u32 line;
};

/* An expression and where it stands; column 1 is its line's first. */
struct sz_conf_cel {
	char *text;          /* NULL: none */
	char *file;
	u32 line, column;
};

/* A relationship that a route asks for; the texts may hold {names}: see docs/policy.md. */
struct sz_conf_relation {
	struct sz_conf_cel object, user; /* "document:{id}"; user NULL: "user:{principal}" */
	struct sz_conf_cel context;      /* CEL that gives a map, for conditions of tuples */
	char *relation;
	u32 line;
};

/* One sign of risk. */
struct sz_conf_signal {
	char *name;
	struct sz_conf_cel when;
	u32 weight;
};

struct sz_conf_table {
	char *name;
	char *file;          /* JSON or CSV; the file may give it relative to itself */
	u32 line;
};

#define SZ_CONF_CONDITIONS_MAX 16
#define SZ_CONF_SIGNALS_MAX    64
#define SZ_CONF_LOCATIONS_MAX  4
#define SZ_CONF_WEIGHT_MAX     1000000
#define SZ_CONF_ACR_MAX        100 /* bytes of all acr values of a route */
#define SZ_CONF_VARS_MAX       8   /* variables of a path */

struct sz_conf_route {
	char *name;          /* default: methods and path, e.g. "GET,POST /orders" */
	char *path;          /* prefix, by whole segments; starts with '/' */
	u32 methods;         /* mask of 1 << enum sz_method; all where none was named */
	bool public;
	bool each;           /* "decide: each": the daemon decides every request */
	enum sz_conf_dpop dpop; /* REQUIRED: a token that is bound to no key does not do */
	char **scopes;       /* all of them, from "scope" (RFC 8693) or "scp" */
	size_t n_scopes;
	struct sz_conf_claim *claims; /* all of them; an array claim matches by membership */
	size_t n_claims;
	struct sz_conf_cel *when; /* all of them must be true */
	size_t n_when;
	struct sz_conf_relation *relations; /* all of them must exist */
	size_t n_relations;
	struct {
		bool on;
		char **acr;      /* one of them; none: any */
		size_t n_acr;
		u32 max_age_s;   /* since the user was asked; 0: no rule */
	} step_up;
	struct {
		u32 step_up, deny; /* scores from which on; 0: never */
		u32 line;          /* 0: the route looks at no risk */
	} risk;
	char *file;          /* where it stands, if not in the configuration file itself */
	u32 line;
};

struct sz_conf_endpoint {
	struct sz_addr addr; /* all zero: any */
	u16 port;            /* network order */
};

/* A prefix that is banned by the file. */
struct sz_conf_ban {
	struct sz_ban_key key;
	char *why;   /* NULL: none was given */
	u64 until_s; /* wall clock; 0: for ever */
};

/* When a SYN is answered with a cookie. */
enum sz_conf_cookies { SZ_COOKIES_INHERIT, SZ_COOKIES_AUTO, SZ_COOKIES_ALWAYS, SZ_COOKIES_OFF };

struct sz_conf_service {
	char *name;
	u32 id;              /* made from the name: the same in every file that has it */
	struct sz_conf_endpoint *endpoints;
	size_t n_endpoints;
	char **origins;      /* URIs clients know it by: "https://host[:port]"; may be none */
	size_t n_origins;
	bool monitor;        /* "mode: monitor" */
	bool audit_requests; /* one audit record per admitted request */
	char *introspection; /* as the file says: an issuer or "none"; NULL: the only one */
	const struct sz_conf_issuer *opaque; /* who is asked about opaque tokens; NULL: nobody */
	enum sz_conf_cookies cookies; /* "syn_cookies" */
	enum sz_priority priority;    /* when the verifier is busy; default normal */
	struct sz_conf_limit *limits;
	size_t n_limits;
	u32 prefix4, prefix6; /* bits of an address that are one source; default 32 and 64 */
	struct sz_conf_route *routes; /* route id = index */
	size_t n_routes;
	u32 line;
};

/* What is admitted while the audit log cannot be written: nothing new, or all, counted only. */
enum sz_conf_on_full { SZ_AUDIT_ON_FULL_STOP, SZ_AUDIT_ON_FULL_SHED };

/* Where audit records go besides the log. */
struct sz_conf_forward {
	bool on;
	u32 severity;        /* enum sz_audit_severity from which on; default 2, low */
	char *path;          /* of a datagram socket; NULL: `to` counts */
	struct sz_conf_endpoint to; /* UDP */
	bool allow_remote;
	u32 facility;        /* of syslog; default 10, authpriv */
};
#define SZ_CONF_SEVERITY_DEFAULT 2
#define SZ_CONF_FACILITY_DEFAULT 10

struct sz_conf {
	char *path;
	char **interfaces;
	size_t n_interfaces;
	enum sz_conf_xdp xdp;
	char *pin_dir;       /* default /sys/fs/bpf/subzero */
	char *state_dir;     /* default /var/lib/subzero */
	char *control;       /* control socket, default /run/subzero/control.sock */
	u32 heartbeat_ttl_ms; /* default 2000 */
	u32 workers;         /* verifier threads; default: online CPUs */
	struct sz_conf_limit *limits; /* of all services together */
	size_t n_limits;
	struct sz_conf_adaptive adaptive;
	struct sz_conf_priority *priorities; /* the first that fits a token counts */
	size_t n_priorities;
	struct sz_conf_network *networks; /* number i + 1 in the kernel */
	size_t n_networks;
	/* All of the file that decides about tokens, and so not its limits, networks, bans and SYN
	 * cookies: the same text, the same grants. Files that it names are not in it. */
	char *essence;
	size_t essence_n;
	u64 max_grants, max_flows; /* map sizes, used when the maps are created */
	struct {
		char *dir;           /* default <state_dir>/audit */
		u32 summary_s;       /* period of the hit summaries; default 10 */
		u64 rotate_bytes;    /* default 256 MiB */
		enum sz_conf_on_full on_full; /* while it cannot be written; default stop */
		struct sz_conf_rate denials; /* records of refusals for one reason */
		char *origin;        /* name of the log in its checkpoints; NULL: HOST/subzero */
		struct {
			u64 age_s, size; /* 0: no limit */
			u32 line;
		} retention;
		struct sz_conf_forward journald, syslog;
	} audit;
	struct {
		char *endpoint;      /* OTLP over HTTP; NULL: off */
		char *ca_file;       /* PEM; NULL: what the system trusts */
		char *authorization_file; /* value of the Authorization header, secret; NULL: none
					   */
		double sampling;     /* share of requests without a parent; default 0.01 */
		bool follow;         /* a client's traceparent is honoured; default true */
		u32 queue;           /* spans that wait at most; default 2048 */
	} tracing;
	struct {
		bool on;             /* off unless "listen" is given */
		struct sz_conf_endpoint listen;
		bool allow_remote;   /* an address that is not loopback was meant */
	} metrics;
	struct {
		bool on;             /* off unless "listen" is given */
		struct sz_conf_endpoint listen;
		char *path;          /* of a UNIX socket; NULL: `listen` counts */
		bool allow_remote;
		char *tokens;        /* default <state_dir>/api-tokens.json */
	} api;
	struct {
		bool on;             /* off unless the section is there */
		char *file;          /* default <state_dir>/api-keys.json */
	} api_keys;
	struct {
		bool on;             /* off unless the section is there */
		char *dir;           /* default <state_dir>/rebac */
		u32 deadline_ms;     /* of one question; default 1000 */
		u64 changes;         /* kept of each store; default 1,000,000 */
	} rebac;
	struct {
		u32 algs;              /* of 1 << enum sz_alg; default: no HMAC, no RSA PKCS #1 */
		u32 max_age_s;         /* of a proof; default 60 */
		u32 skew_s;            /* default 5 */
		bool require_nonce;
		u32 nonce_lifetime_s;  /* default 300 */
		u32 replay_entries;    /* proofs remembered; default 1048576 */
	} dpop;
	struct {
		u32 line;            /* 0: there is no such section */
		char **include;      /* files and directories with more routes, as written */
		size_t n_include;
		char **files;        /* the files those were, in order */
		size_t n_files;
		struct sz_conf_table *tables;
		size_t n_tables;
		char **locations;    /* MaxMind databases; in the file relative to itself */
		size_t n_locations;
		u32 location_line;
		char *store;         /* of relationships, by its name; NULL: none */
		struct sz_conf_signal *signals;
		size_t n_signals;
	} policy;
	struct {
		struct sz_conf_ban *list;
		size_t n_list;
		char **import; /* plain lists; absolute */
		size_t n_import;
		struct sz_ban_key *allow; /* never banned, whatever else is */
		size_t n_allow;
		struct {
			u32 failures; /* 0: no bans by themselves */
			u32 within_ms;
			u32 for_s, at_most_s; /* the first time; doubled each time up to that */
			u32 prefix4, prefix6;
		} automatic;
	} bans;
	struct {
		enum sz_conf_cookies mode; /* of a service that says nothing; default auto */
		u32 rate, half_open;       /* of an endpoint in a second; 10000, 1000 */
		bool timestamps;           /* net.ipv4.tcp_timestamps is 2 */
		u32 window_scale;          /* default 7 */
	} syn;
	struct sz_conf_issuer *issuers;
	size_t n_issuers;
	struct sz_conf_service *services;
	size_t n_services;
};

/* Reads and checks everything but the JWKS files' contents. NULL on error, with *e filled. */
struct sz_conf *sz_conf_load(const char *path, struct sz_error *e);
/* The same from memory; `name` stands for the path in messages. */
struct sz_conf *sz_conf_parse(const char *text, size_t n, const char *name, struct sz_error *e);
void sz_conf_free(struct sz_conf *c); /* NULL is fine */

/*
 * "100/s", "10/m", "3/h" or "none" into a rate; burst 0: the number of the rate. -EINVAL: not a
 * rate; -ERANGE: zero, or more than 1e7 a second; -EOVERFLOW: the burst is too large.
 */
int sz_conf_rate_parse(const char *s, u64 burst, struct sz_conf_rate *ret);

/*
 * Any YAML document as JSON, by the core schema of YAML 1.2; at most SZ_CONF_MAX bytes. A new
 * reference, or NULL with *e filled as "NAME:LINE: ...".
 */
json_t *sz_conf_yaml(const char *text, size_t n, const char *name, struct sz_error *e);
/*
 * The same with the lines it stands on, a tree of the same shape: of a scalar its line; of a
 * mapping one with the same keys, and "" for its own line; of a list its line, then what is in it.
 * A member's line is that of its key.
 */
json_t *sz_conf_yaml_lines(const char *text, size_t n, const char *name, json_t **ret_lines,
			   struct sz_error *e);

/* Are its keys fetched over the network? */
bool sz_conf_keys_remote(const struct sz_conf_issuer *i);
/* Has it no keys at all: only introspection tells whether its tokens are good? */
bool sz_conf_keys_none(const struct sz_conf_issuer *i);

struct sz_ban_list {
	struct sz_ban_key *keys;
	size_t n;
};

/* Adds the prefixes of a file, one a line. -EINVAL with *e as "FILE:LINE: ..." for a mistake; the
 * list is to be freed all the same. */
int sz_ban_list_read(const char *path, struct sz_ban_list *l, struct sz_error *e);
void sz_ban_list_done(struct sz_ban_list *l);
/* Both spellings: ::/0, and 0.0.0.0/0 in its mapped form. */
bool sz_ban_everybody(const struct sz_ban_key *k);

const struct sz_conf_service *sz_conf_service_by_id(const struct sz_conf *c, u32 id);
const struct sz_conf_service *sz_conf_service_by_name(const struct sz_conf *c, const char *name);

#endif

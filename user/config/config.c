/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The top of the configuration file, its defaults, and what holds across sections. Called by the
 * daemon at start and on reload, and by --check-config. A snapshot that was returned is complete
 * and valid; nobody changes it afterwards.
 */
#include <string.h>
#include <unistd.h>

#include "config/config_priv.h"

#define OFF(member) .off = offsetof(struct sz_conf, member)
#define RATE(count, burst)                                                                         \
	{                                                                                          \
		1000000000ull / (count), 1000000000ull / (count) * (burst)                         \
	}
#define MAP_ENTRIES_MAX (1u << 26)
#define SOCKET_PATH_MAX 107 /* sun_path without its NUL, see unix(7) */
#define IFNAME_MAX      15  /* IFNAMSIZ without its NUL, see netdevice(7) */

static int read_interfaces(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			   void *obj)
{
	struct sz_conf *c = obj;

	if (sz_conf_read_texts(r, f, v, obj))
		return -EINVAL;
	for (size_t i = 0; i < c->n_interfaces; i++) {
		const char *s = c->interfaces[i];
		u32 line = sz_conf_line(sz_conf_item(r, v, i));

		if (strlen(s) > IFNAME_MAX || strpbrk(s, "/: ") || !strcmp(s, ".") ||
		    !strcmp(s, ".."))
			return sz_conf_fail(r, line,
					    "\"%.64s\" cannot be the name of an interface; write "
					    "one that \"ip link\" shows",
					    s);
		for (size_t k = 0; k < i; k++)
			if (!strcmp(c->interfaces[k], s))
				return sz_conf_fail(r, line,
						    "interface \"%s\" is given twice; keep one of "
						    "the two",
						    s);
	}
	return 0;
}

static int read_xdp(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		    void *obj)
{
	static const char *const modes[] = {
		[SZ_XDP_AUTO] = "auto", [SZ_XDP_NATIVE] = "native", [SZ_XDP_GENERIC] = "generic"};
	const char *s = sz_conf_scalar(r, f->key, v);
	struct sz_conf *c = obj;

	for (u32 i = 0; s && i < SZ_ARRAY_LEN(modes); i++)
		if (!strcmp(s, modes[i])) {
			c->xdp = (enum sz_conf_xdp)i;
			return 0;
		}
	if (s)
		sz_conf_fail(r, sz_conf_line(v),
			     "xdp \"%.64s\" is not known; write auto, native or generic", s);
	return -EINVAL;
}

static const struct sz_conf_field map_fields[] = {
	{"grants", sz_conf_read_u64, OFF(max_grants), .min = 1, .max = MAP_ENTRIES_MAX},
	{"flows", sz_conf_read_u64, OFF(max_flows), .min = 1, .max = MAP_ENTRIES_MAX},
};
static int read_listen(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		       void *obj)
{
	const char *s = sz_conf_scalar(r, f->key, v);
	struct sz_conf *c = obj;

	if (!s)
		return -EINVAL;
	if (sz_endpoint_parse(s, &c->metrics.listen.addr, &c->metrics.listen.port))
		return sz_conf_fail(r, sz_conf_line(v),
				    "listen \"%.64s\" is not an address and port; write it like "
				    "127.0.0.1:9464 or \"[::1]:9464\"",
				    s);
	c->metrics.on = true;
	return 0;
}

static const struct sz_conf_field metrics_fields[] = {
	{"listen", read_listen, .required = true},
	{"allow_remote", sz_conf_read_bool, OFF(metrics.allow_remote)},
};

bool sz_conf_is_loopback(const struct sz_addr *a)
{
	static const u8 v4[13] = {[10] = 0xff, [11] = 0xff, [12] = 127}, v6[16] = {[15] = 1};

	return !memcmp(a->b, v4, sizeof(v4)) || !memcmp(a->b, v6, sizeof(v6));
}

static int read_metrics(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			void *obj)
{
	struct sz_conf *c = obj;

	if (sz_conf_map(r, f->key, v, metrics_fields, SZ_ARRAY_LEN(metrics_fields), obj))
		return -EINVAL;
	if (sz_conf_is_loopback(&c->metrics.listen.addr) || c->metrics.allow_remote)
		return 0;
	return sz_conf_fail(r, sz_conf_line(v),
			    "metrics would be told to other hosts, in clear and to anybody; listen "
			    "on 127.0.0.1, or add \"allow_remote: true\"");
}

static int read_maps(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		     void *obj)
{
	return sz_conf_map(r, f->key, v, map_fields, SZ_ARRAY_LEN(map_fields), obj);
}

static const struct sz_conf_field api_key_fields[] = {
	{"file", sz_conf_read_path, OFF(api_keys.file)},
};

static int read_api_keys(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			 void *obj)
{
	struct sz_conf *c = obj;

	c->api_keys.on = true;
	return sz_conf_map(r, f->key, v, api_key_fields, SZ_ARRAY_LEN(api_key_fields), obj);
}

static const struct sz_conf_field top_fields[] = {
	{"interfaces", read_interfaces, OFF(interfaces), .max = SZ_INTERFACES_MAX,
	 .n_off = offsetof(struct sz_conf, n_interfaces), .required = true},
	{"xdp", .read = read_xdp},
	{"pin_dir", sz_conf_read_path, OFF(pin_dir)},
	{"state_dir", sz_conf_read_path, OFF(state_dir)},
	{"control", sz_conf_read_path, OFF(control), .max = SOCKET_PATH_MAX},
	{"heartbeat_ttl", sz_conf_read_ms, OFF(heartbeat_ttl_ms),
	 .min = 2 * SZ_HEARTBEAT_NS / 1000000, .max = 3600000},
	{"workers", sz_conf_read_u32, OFF(workers), .min = 1, .max = SZ_WORKERS_MAX},
	{"limits", .read = sz_conf_read_limits},
	{"networks", .read = sz_conf_read_networks},
	{"priorities", .read = sz_conf_read_priorities},
	{"maps", .read = read_maps},
	{"audit", .read = sz_conf_read_audit},
	{"metrics", .read = read_metrics},
	{"tracing", .read = sz_conf_read_tracing},
	{"api", .read = sz_conf_read_api},
	{"rebac", .read = sz_conf_read_rebac},
	{"api_keys", .read = read_api_keys},
	{"dpop", .read = sz_conf_read_dpop},
	{"policy", .read = sz_conf_read_policy},
	{"syn_cookies", .read = sz_conf_read_syn},
	{"bans", .read = sz_conf_read_bans},
	{"issuers", .read = sz_conf_read_issuers},
	{"services", sz_conf_read_services, .required = true},
};

static u32 online_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > SZ_WORKERS_MAX ? SZ_WORKERS_MAX : (u32)n;
}

static void fill_defaults(struct sz_conf *c)
{
	struct sz_buf dir = {0};

	if (!c->pin_dir)
		c->pin_dir = sz_strdup("/sys/fs/bpf/subzero");
	if (!c->state_dir)
		c->state_dir = sz_strdup("/var/lib/subzero");
	if (!c->control)
		c->control = sz_strdup("/run/subzero/control.sock");
	if (!c->api_keys.file) {
		sz_buf_printf(&dir, "%s/api-keys.json", c->state_dir);
		c->api_keys.file = dir.data;
		dir = (struct sz_buf){0};
	}
	if (!c->workers)
		c->workers = online_cpus();
	if (!c->rebac.dir) {
		struct sz_buf path = {0};

		sz_buf_printf(&path, "%s/rebac", c->state_dir);
		c->rebac.dir = path.data;
	}
	if (!c->api.tokens) {
		struct sz_buf path = {0};

		sz_buf_printf(&path, "%s/api-tokens.json", c->state_dir);
		c->api.tokens = path.data;
	}
	sz_conf_audit_defaults(c);
	if (c->audit.dir)
		return;
	sz_buf_printf(&dir, "%s/audit", c->state_dir);
	c->audit.dir = dir.data;
}

/* A route that needs a token needs somebody whose tokens count; the kernel has room for so many. */
int sz_conf_check_routes(struct sz_conf_reader *r, const struct sz_conf *c)
{
	size_t nodes = 0;

	for (size_t i = 0; i < c->n_services; i++) {
		for (size_t k = 0; k < c->services[i].n_routes; k++) {
			const struct sz_conf_route *t = &c->services[i].routes[k];

			if (!t->public && !c->n_issuers && !c->api_keys.on)
				return sz_conf_fail(
					r, t->line,
					"the route needs a token, but there are no "
					"issuers; add \"issuers\", or \"public: true\" here");
			if (sz_conf_check_relation(r, c, t))
				return -EINVAL;
			nodes += t->path[strlen(t->path) - 1] == '/' ? 1 : 2;
			if (nodes > SZ_MAX_ROUTE_NODES)
				return sz_conf_fail(
					r, t->line,
					"more routes in all than the kernel's "
					"table holds (%d entries, two for most routes); use "
					"shorter prefixes",
					SZ_MAX_ROUTE_NODES);
		}
	}
	return 0;
}

static int read_top(struct sz_conf_reader *r, struct sz_conf *c)
{
	yaml_node_t *root = yaml_document_get_root_node(&r->doc);

	if (sz_conf_map(r, "the file", root, top_fields, SZ_ARRAY_LEN(top_fields), c))
		return -EINVAL;
	if (sz_conf_check_routes(r, c) || sz_conf_resolve_opaque(r, c) ||
	    sz_conf_check_priorities(r, c))
		return -EINVAL;
	return sz_conf_networks_check(r, c);
}

struct sz_conf *sz_conf_parse(const char *text, size_t n, const char *name, struct sz_error *e)
{
	struct sz_conf_reader r = {.name = name, .e = e};
	struct sz_conf *c;
	int err;

	if (sz_conf_open(&r, text, n))
		return NULL;
	c = sz_calloc(1, sizeof(*c));
	*c = (struct sz_conf){
		.path = sz_strdup(name),
		.heartbeat_ttl_ms = 2000,
		.max_grants = SZ_MAX_GRANTS,
		.max_flows = SZ_MAX_FLOWS,
		.dpop = {.algs = SZ_CONF_ALGS_DPOP,
			 .max_age_s = 60,
			 .skew_s = 5,
			 .nonce_lifetime_s = 300,
			 .replay_entries = 1u << 20},
		.rebac = {.deadline_ms = 1000, .changes = 1000000},
		.audit = {.summary_s = 10,
			  .rotate_bytes = 256ull << 20,
			  .denials = RATE(1000, 10000),
			  .journald.severity = SZ_CONF_SEVERITY_DEFAULT,
			  .syslog = {.severity = SZ_CONF_SEVERITY_DEFAULT,
				     .facility = SZ_CONF_FACILITY_DEFAULT}},
		.tracing = {.sampling = 0.01, .follow = true, .queue = 2048},
		.bans.automatic = {.within_ms = 60000, .for_s = 600, .at_most_s = 86400,
				   .prefix4 = 32, .prefix6 = 64},
		.adaptive = {.on = true, .target_ms = 50, .min = 64, .max = 4096},
		.syn = {.mode = SZ_COOKIES_AUTO, .rate = 10000, .half_open = 1000,
			.window_scale = 7},
	};
	r.conf = c;
	sz_conf_limits_init(c);
	err = read_top(&r, c);
	sz_conf_essence(&r, c);
	sz_conf_close(&r);
	if (err) {
		sz_conf_free(c);
		return NULL;
	}
	fill_defaults(c);
	return c;
}

struct sz_conf *sz_conf_load(const char *path, struct sz_error *e)
{
	struct sz_buf text = {0};
	struct sz_conf *c = NULL;

	if (!sz_file_read(path, SZ_CONF_MAX, &text, e))
		c = sz_conf_parse(text.data, text.len, path, e);
	sz_buf_done(&text);
	if (c && sz_conf_include(c, e)) {
		sz_conf_free(c);
		return NULL;
	}
	return c;
}

void sz_conf_texts_free(char **texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	free(texts);
}

void sz_conf_free(struct sz_conf *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_issuers; i++)
		sz_conf_issuer_done(&c->issuers[i]);
	for (size_t i = 0; i < c->n_services; i++)
		sz_conf_service_done(&c->services[i]);
	sz_conf_policy_done(c);
	sz_conf_limits_free(c->limits, c->n_limits);
	sz_conf_networks_free(c->networks, c->n_networks);
	sz_conf_priorities_free(c->priorities, c->n_priorities);
	sz_conf_texts_free(c->interfaces, c->n_interfaces);
	free(c->issuers);
	free(c->services);
	sz_conf_bans_done(c);
	free(c->path);
	free(c->essence);
	free(c->pin_dir);
	free(c->state_dir);
	free(c->control);
	sz_conf_audit_done(c);
	free(c->api_keys.file);
	free(c->rebac.dir);
	free(c->api.path);
	free(c->api.tokens);
	free(c);
}

const struct sz_conf_service *sz_conf_service_by_id(const struct sz_conf *c, u32 id)
{
	for (size_t i = 0; i < c->n_services; i++)
		if (c->services[i].id == id)
			return &c->services[i];
	return NULL;
}

const struct sz_conf_service *sz_conf_service_by_name(const struct sz_conf *c, const char *name)
{
	for (size_t i = 0; i < c->n_services; i++)
		if (!strcmp(c->services[i].name, name))
			return &c->services[i];
	return NULL;
}

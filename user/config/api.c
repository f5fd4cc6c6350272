/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sections "api" and "rebac": where the local API listens and whose tokens count; where
 * relationships are kept. Called by the top of the file. Never opens what they name: the tokens
 * file changes while the daemon runs, and the store is another process's until it starts.
 */
#include <string.h>

#include "config/config_priv.h"

#define OFF(member)     .off = offsetof(struct sz_conf, member)
#define SOCKET_PATH_MAX 107 /* sun_path without its NUL, see unix(7) */

static int read_listen(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		       void *obj)
{
	const char *s = sz_conf_scalar(r, f->key, v);
	struct sz_conf *c = obj;

	if (!s)
		return -EINVAL;
	if (!strncmp(s, "unix:/", 6)) {
		if (strlen(s + 5) > SOCKET_PATH_MAX)
			return sz_conf_fail(r, sz_conf_line(v),
					    "the path in listen is longer than %d bytes; choose a "
					    "shorter one", SOCKET_PATH_MAX);
		c->api.path = sz_strdup(s + 5);
	} else if (sz_endpoint_parse(s, &c->api.listen.addr, &c->api.listen.port)) {
		return sz_conf_fail(r, sz_conf_line(v),
				    "listen \"%.64s\" is neither an address and port nor a socket; "
				    "write it like 127.0.0.1:9465 or unix:/run/subzero/api.sock",
				    s);
	}
	c->api.on = true;
	return 0;
}

static const struct sz_conf_field api_fields[] = {
	{"listen", read_listen, .required = true},
	{"allow_remote", sz_conf_read_bool, OFF(api.allow_remote)},
	{"tokens_file", sz_conf_read_path, OFF(api.tokens)},
};

int sz_conf_read_api(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		     void *obj)
{
	struct sz_conf *c = obj;

	if (sz_conf_map(r, f->key, v, api_fields, SZ_ARRAY_LEN(api_fields), obj))
		return -EINVAL;
	if (c->api.path || sz_conf_is_loopback(&c->api.listen.addr) || c->api.allow_remote)
		return 0;
	return sz_conf_fail(r, sz_conf_line(v),
			    "the API would be open to other hosts, its secrets in clear on the "
			    "wire; listen on 127.0.0.1, or add \"allow_remote: true\"");
}

static const struct sz_conf_field rebac_fields[] = {
	{"dir", sz_conf_read_path, OFF(rebac.dir)},
	{"deadline", sz_conf_read_ms, OFF(rebac.deadline_ms), .min = 10, .max = 60000},
	{"changes", sz_conf_read_u64, OFF(rebac.changes), .min = 1000, .max = 1ull << 40},
};

int sz_conf_read_rebac(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		       void *obj)
{
	struct sz_conf *c = obj;

	c->rebac.on = true;
	return sz_conf_map(r, f->key, v, rebac_fields, SZ_ARRAY_LEN(rebac_fields), obj);
}

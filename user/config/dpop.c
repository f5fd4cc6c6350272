/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * "dpop" at its three places (the file, an issuer, a route) and the "origins" of a service. An
 * origin is taken in its normal form only, so that what stands in the file is what is compared.
 */
#include <string.h>

#include "config/config_priv.h"

#define OFF(member) .off = offsetof(struct sz_conf, dpop.member)

static int read_nonce(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		      void *obj)
{
	const char *s = sz_conf_scalar(r, f->key, v);
	struct sz_conf *c = obj;

	if (!s)
		return -EINVAL;
	if (strcmp(s, "required") && strcmp(s, "allowed"))
		return sz_conf_fail(
			r, sz_conf_line(v),
			"nonce \"%.64s\" is not known; write required, or allowed (asked "
			"for only after a start or a change of the clock)",
			s);
	c->dpop.require_nonce = s[0] == 'r';
	return 0;
}

static int read_algorithms(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			   void *obj)
{
	struct sz_conf *c = obj;

	return sz_conf_read_algs(r, f->key, v, &c->dpop.algs);
}

static const struct sz_conf_field fields[] = {
	{"algorithms", .read = read_algorithms},
	{"max_age", sz_conf_read_s, OFF(max_age_s), .min = 1, .max = 600},
	{"clock_skew", sz_conf_read_s, OFF(skew_s), .max = SZ_SKEW_MAX},
	{"nonce", .read = read_nonce},
	{"nonce_lifetime", sz_conf_read_s, OFF(nonce_lifetime_s), .min = 10, .max = 3600},
	{"replay_entries", sz_conf_read_u32, OFF(replay_entries), .min = 1024, .max = 1u << 24},
};

int sz_conf_read_dpop(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		      void *obj)
{
	return sz_conf_map(r, f->key, v, fields, SZ_ARRAY_LEN(fields), obj);
}

int sz_conf_read_binding(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			 void *obj)
{
	static const char *const names[] = {[SZ_DPOP_ALLOWED] = "allowed",
					    [SZ_DPOP_REQUIRED] = "required",
					    [SZ_DPOP_OFF] = "off"};
	const char *s = sz_conf_scalar(r, f->key, v);

	for (u32 i = 0; s && i < SZ_ARRAY_LEN(names); i++)
		if (!strcmp(s, names[i])) {
			*(enum sz_conf_dpop *)(void *)((char *)obj + f->off) = (enum sz_conf_dpop)i;
			return 0;
		}
	if (s)
		sz_conf_fail(r, sz_conf_line(v),
			     "dpop \"%.64s\" is not known; write required, allowed or off", s);
	return -EINVAL;
}

/* "https://api.example.com:8443": scheme, host in small letters, a port that is not the scheme's.
 */
static bool origin_ok(const char *s)
{
	bool tls = !strncmp(s, "https://", 8), literal;
	const char *host = s + (tls ? 8 : 7), *end;
	u64 port = 0;

	if (!tls && strncmp(s, "http://", 7))
		return false;
	literal = *host == '[';
	end = host + literal +
	      strspn(host + literal,
		     literal ? "0123456789abcdef:." : "abcdefghijklmnopqrstuvwxyz0123456789-._~");
	if (end == host + literal || (literal && *end != ']'))
		return false;
	end += literal;
	if (!*end)
		return true;
	if (*end != ':' || end[1] == '0' || strlen(end + 1) > 5)
		return false;
	for (end++; *end >= '0' && *end <= '9'; end++)
		port = port * 10 + (u64)(*end - '0');
	return !*end && port && port <= 65535 && port != (tls ? 443 : 80);
}

int sz_conf_read_origins(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			 void *obj)
{
	struct sz_conf_service *s = obj;

	if (sz_conf_read_texts(r, f, v, obj))
		return -EINVAL;
	for (size_t i = 0; i < s->n_origins; i++)
		if (!origin_ok(s->origins[i]))
			return sz_conf_fail(
				r, sz_conf_line(sz_conf_item(r, v, i)),
				"origin \"%.64s\" is not one; write scheme, host in small "
				"letters and a port other than the scheme's own, like "
				"https://api.example.com",
				s->origins[i]);
	return 0;
}

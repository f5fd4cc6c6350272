/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What holds against floods: SYN cookies and bans. Called by the top of the file and by the
 * services.
 */
#include <string.h>
#include <time.h>

#include "config/config_priv.h"

#define OFF(member) .off = offsetof(struct sz_conf, member)

int sz_conf_read_cookies(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			 void *obj)
{
	static const char *const modes[] = {[SZ_COOKIES_AUTO] = "auto",
					    [SZ_COOKIES_ALWAYS] = "always",
					    [SZ_COOKIES_OFF] = "off"};
	const char *s = sz_conf_scalar(r, f->key, v);
	u32 i;

	for (i = SZ_COOKIES_AUTO; s && i < SZ_ARRAY_LEN(modes); i++)
		if (!strcmp(s, modes[i])) {
			*(enum sz_conf_cookies *)(void *)((char *)obj + f->off) =
				(enum sz_conf_cookies)i;
			return 0;
		}
	return s ? sz_conf_fail(r, sz_conf_line(v),
				"%s \"%.64s\" is not known; write auto, always or off", f->key, s)
		 : -EINVAL;
}

static const struct sz_conf_field syn_fields[] = {
	{"mode", sz_conf_read_cookies, OFF(syn.mode)},
	{"rate", sz_conf_read_u32, OFF(syn.rate), .min = 1, .max = 100000000},
	{"half_open", sz_conf_read_u32, OFF(syn.half_open), .min = 1, .max = 100000000},
	{"timestamps", sz_conf_read_bool, OFF(syn.timestamps)},
	{"window_scale", sz_conf_read_u32, OFF(syn.window_scale), .min = 0, .max = 14},
};

/* One word is the mode alone. */
int sz_conf_read_syn(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		     void *obj)
{
	if (v->type == YAML_SCALAR_NODE)
		return sz_conf_read_cookies(
			r, &(struct sz_conf_field){.key = f->key, OFF(syn.mode)}, v, obj);
	return sz_conf_map(r, f->key, v, syn_fields, SZ_ARRAY_LEN(syn_fields), obj);
}

/* ---- bans ---------------------------------------------------------------------------------- */

#define BAN_LIST_MAX 65536 /* entries in the file itself */

static int read_prefix(struct sz_conf_reader *r, const char *key, yaml_node_t *v,
		       struct sz_ban_key *ret)
{
	const char *s = sz_conf_scalar(r, key, v);

	if (!s)
		return -EINVAL;
	if (sz_prefix_parse(s, &ret->addr, &ret->prefixlen))
		return sz_conf_fail(r, sz_conf_line(v),
				    "%s \"%.64s\" is not an address or prefix; write 192.0.2.7, "
				    "192.0.2.0/24 or 2001:db8::/32",
				    key, s);
	return 0;
}

static int read_ban_prefix(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			   void *obj)
{
	struct sz_conf_ban *ban = obj;

	if (read_prefix(r, f->key, v, &ban->key))
		return -EINVAL;
	if (sz_ban_everybody(&ban->key))
		return sz_conf_fail(r, sz_conf_line(v),
				    "a ban of everybody; stop the service instead, or name a "
				    "prefix");
	return 0;
}

static int read_until(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		      void *obj)
{
	const char *s = sz_conf_scalar(r, f->key, v), *end;
	struct sz_conf_ban *ban = obj;
	struct tm t = {};

	if (!s)
		return -EINVAL;
	end = strptime(s, "%Y-%m-%dT%H:%M:%SZ", &t);
	if (!end || *end || timegm(&t) <= 0)
		return sz_conf_fail(r, sz_conf_line(v),
				    "until \"%.64s\" is not a time; write it like "
				    "2030-01-31T18:00:00Z",
				    s);
	ban->until_s = (u64)timegm(&t);
	return 0;
}

static const struct sz_conf_field ban_fields[] = {
	{"prefix", read_ban_prefix, .required = true},
	{"until", .read = read_until},
	{"why", sz_conf_read_text, .off = offsetof(struct sz_conf_ban, why),
	 .max = sizeof(((struct sz_ban *)0)->why) - 1},
};

static int read_ban_list(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
			 void *obj)
{
	struct sz_conf *c = obj;
	size_t n, i;

	if (sz_conf_list(r, f->key, v, BAN_LIST_MAX, &n))
		return -EINVAL;
	c->bans.list = sz_calloc(n, sizeof(*c->bans.list));
	c->bans.n_list = n;
	for (i = 0; i < n; i++) {
		yaml_node_t *item = sz_conf_item(r, v, i);
		int err = item->type == YAML_SCALAR_NODE
				  ? read_ban_prefix(r, f, item, &c->bans.list[i])
				  : sz_conf_map(r, "the ban", item, ban_fields,
						SZ_ARRAY_LEN(ban_fields), &c->bans.list[i]);

		if (err)
			return err;
	}
	return 0;
}

static int read_allow(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		      void *obj)
{
	struct sz_conf *c = obj;
	size_t n, i;

	if (sz_conf_list(r, f->key, v, SZ_MAX_ALLOW, &n))
		return -EINVAL;
	c->bans.allow = sz_calloc(n, sizeof(*c->bans.allow));
	c->bans.n_allow = n;
	for (i = 0; i < n; i++)
		if (read_prefix(r, f->key, sz_conf_item(r, v, i), &c->bans.allow[i]))
			return -EINVAL;
	return 0;
}

static int read_import(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		       void *obj)
{
	struct sz_conf_field one = {.key = f->key};
	struct sz_conf *c = obj;
	size_t n, i;

	if (sz_conf_list(r, f->key, v, SZ_CONF_LIST_MAX, &n))
		return -EINVAL;
	c->bans.import = sz_calloc(n, sizeof(*c->bans.import));
	c->bans.n_import = n;
	for (i = 0; i < n; i++)
		if (sz_conf_read_file(r, &one, sz_conf_item(r, v, i), &c->bans.import[i]))
			return -EINVAL;
	return 0;
}

static const struct sz_conf_field auto_fields[] = {
	{"failures", sz_conf_read_u32, OFF(bans.automatic.failures), .required = true, .min = 1,
	 .max = 1000000},
	{"within", sz_conf_read_ms, OFF(bans.automatic.within_ms), .min = 1000, .max = 86400000},
	{"for", sz_conf_read_s, OFF(bans.automatic.for_s), .min = 1, .max = 31536000},
	{"at_most", sz_conf_read_s, OFF(bans.automatic.at_most_s), .min = 1, .max = 31536000},
	{"prefix4", sz_conf_read_u32, OFF(bans.automatic.prefix4), .min = 8, .max = 32},
	{"prefix6", sz_conf_read_u32, OFF(bans.automatic.prefix6), .min = 16, .max = 128},
};

static int read_auto(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		     void *obj)
{
	return sz_conf_map(r, f->key, v, auto_fields, SZ_ARRAY_LEN(auto_fields), obj);
}

static const struct sz_conf_field bans_fields[] = {
	{"list", .read = read_ban_list},
	{"import", .read = read_import},
	{"allow", .read = read_allow},
	{"auto", .read = read_auto},
};

/* A list alone is the list of bans. */
int sz_conf_read_bans(struct sz_conf_reader *r, const struct sz_conf_field *f, yaml_node_t *v,
		      void *obj)
{
	if (v->type == YAML_MAPPING_NODE)
		return sz_conf_map(r, f->key, v, bans_fields, SZ_ARRAY_LEN(bans_fields), obj);
	return read_ban_list(r, f, v, obj);
}

void sz_conf_bans_done(struct sz_conf *c)
{
	for (size_t i = 0; i < c->bans.n_list; i++)
		free(c->bans.list[i].why);
	free(c->bans.list);
	free(c->bans.allow);
	sz_conf_texts_free(c->bans.import, c->bans.n_import);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What holds against floods: SYN cookies. Called by the top of the file and by the services.
 */
#include <string.h>

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
		return sz_conf_read_cookies(r, &(struct sz_conf_field){.key = f->key, OFF(syn.mode)},
					    v, obj);
	return sz_conf_map(r, f->key, v, syn_fields, SZ_ARRAY_LEN(syn_fields), obj);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * attach, detach, unload: which interfaces are guarded. attach loads and pins programs and maps
 * where nothing is pinned yet; without a configuration from the daemon they pass everything, for
 * no service is protected.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"

static int parse_mode(const char *s)
{
	static const char *const modes[] = {"auto", "native", "generic"};
	int i;

	for (i = 0; s && i < (int)SZ_ARRAY_LEN(modes); i++)
		if (!strcmp(modes[i], s))
			return i;
	return s ? -EINVAL : 0;
}

static const char *mode_name(const struct sz_attachment *a)
{
	return a->native ? "native" : "generic";
}

static json_t *attachment_json(const struct sz_attachment *a)
{
	return json_pack("{s:s, s:i, s:s, s:s, s:s}", "interface", a->ifname, "ifindex",
			 (int)a->ifindex, "mode", mode_name(a), "ingress",
			 a->xdp_link ? "link" : "netlink", "egress", a->tcx ? "tcx" : "clsact");
}

int sz_ctl_cmd_attach(struct sz_ctl *c)
{
	int mode = parse_mode(sz_ctl_value(&c->args, "mode"));
	const char *ifname = c->args.word[0];
	struct sz_kern_options o = {.interfaces = &ifname, .n_interfaces = 1};
	struct sz_attachment a;
	struct sz_error e;

	if (mode < 0)
		return sz_ctl_usage("--mode '%s' is not auto, native or generic",
				    sz_ctl_value(&c->args, "mode"));
	o.pin_dir = sz_ctl_pin_dir(c);
	if (sz_ctl_has(&c->args, "config") && !sz_ctl_conf(c))
		return sz_ctl_fail("%s", c->conf_error.msg);
	if (c->conf) {
		o.max_grants = c->conf->max_grants;
		o.max_flows = c->conf->max_flows;
	}
	if (sz_kern_load(&o, &c->kern, &e) || sz_kern_attach(c->kern, ifname, mode, &a, &e))
		return sz_ctl_fail("cannot attach to %s: %s", ifname, e.msg);
	sz_ctl_record(c, "admin", "attach %s, %s XDP", a.ifname, mode_name(&a));
	if (c->json)
		return sz_ctl_print_json(attachment_json(&a));
	printf("%s: %s XDP by %s, egress by %s\n", a.ifname, mode_name(&a),
	       a.xdp_link ? "link" : "netlink", a.tcx ? "tcx link" : "clsact");
	if (!sz_kern_config(c->kern)->abi)
		sz_ctl_note("no service is protected yet: start subzerod");
	return SZ_CTL_OK;
}

static int unload(struct sz_ctl *c, json_t *names)
{
	const char *dir = sz_ctl_pin_dir(c);
	struct sz_error e;

	sz_kern_close(c->kern);
	c->kern = NULL;
	if (sz_kern_unload(dir, &e)) {
		json_decref(names);
		return sz_ctl_fail("cannot unload: %s", e.msg);
	}
	if (c->json)
		return sz_ctl_print_json(json_pack("{s:o, s:b, s:s}", "detached", names, "unloaded",
						   1, "pin_dir", dir));
	json_decref(names);
	printf("%s: everything is detached and removed\n", dir);
	return SZ_CTL_OK;
}

static int detach_one(struct sz_ctl *c, const char *ifname, json_t *names, struct sz_error *e)
{
	int err = sz_kern_detach(c->kern, ifname, e);

	if (err)
		return err;
	json_array_append_new(names, json_string(ifname));
	sz_ctl_record(c, "admin", "detach %s", ifname);
	if (!c->json)
		printf("%s: detached\n", ifname);
	return 0;
}

static int detach_all(struct sz_ctl *c, json_t *names, struct sz_error *e)
{
	struct sz_attachment *list = NULL;
	int n = sz_kern_attachments(c->kern, &list, e), err = n < 0 ? n : 0, i;

	for (i = 0; !err && i < n; i++)
		err = detach_one(c, list[i].ifname, names, e);
	free(list);
	return err;
}

int sz_ctl_cmd_detach(struct sz_ctl *c)
{
	bool all = sz_ctl_has(&c->args, "all"), gone = sz_ctl_has(&c->args, "unload");
	json_t *names = json_array();
	struct sz_error e;
	int err;

	if (all == (c->args.n_words == 1)) {
		json_decref(names);
		return sz_ctl_usage("detach needs an interface, or --all");
	}
	if (gone && !all) {
		json_decref(names);
		return sz_ctl_usage("--unload removes everything: write detach --all --unload");
	}
	err = sz_ctl_open(c, &e);
	if (err && gone) /* pins of another layout: unloading is the way out */
		return unload(c, names);
	if (!err)
		err = all ? detach_all(c, names, &e) : detach_one(c, c->args.word[0], names, &e);
	if (err) {
		json_decref(names);
		return sz_ctl_fail("cannot detach: %s", e.msg);
	}
	if (gone)
		return unload(c, names);
	if (c->json)
		return sz_ctl_print_json(json_pack("{s:o, s:b}", "detached", names, "unloaded", 0));
	if (!json_array_size(names))
		printf("no interface is attached\n");
	json_decref(names);
	return SZ_CTL_OK;
}

int sz_ctl_cmd_unload(struct sz_ctl *c)
{
	return unload(c, json_array());
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sz_ingress on one interface: a pinned link where the daemon attaches it, or whatever 'ip' and
 * bpftool made by netlink, which is kept. Called by attach.c and adopt.c. Never displaces a
 * program of somebody else.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <string.h>
#include <unistd.h>

#include "kern/kern_priv.h"

enum mode { MODE_AUTO, MODE_NATIVE, MODE_GENERIC };

int sz_xdp_query(const struct sz_kern *k, u32 ifindex, struct sz_hook *ret)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);
	int err = bpf_xdp_query((int)ifindex, 0, &opts);

	memset(ret, 0, sizeof(*ret));
	if (err)
		return err;
	ret->prog_id = opts.drv_prog_id ? opts.drv_prog_id :
		       opts.skb_prog_id ? opts.skb_prog_id :
					  opts.hw_prog_id;
	ret->native = opts.drv_prog_id != 0;
	ret->owner = sz_prog_owner(k, SZ_PROG_INGRESS, ret->prog_id);
	return 0;
}

static u32 mode_flag(bool native)
{
	return native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
}

static int refuse_foreign(const char *ifname, const struct sz_hook *x, struct sz_error *e)
{
	struct sz_prog_info info = { .name = "unknown" };
	int fd = bpf_prog_get_fd_by_id(x->prog_id);

	if (fd >= 0) {
		sz_prog_info_read(fd, &info);
		close(fd);
	}
	return sz_error_set(e, -EBUSY,
			    "%s already runs the XDP program '%s' (id %u): remove it with "
			    "'ip link set dev %s %s off'; where a link holds it, find that with "
			    "'bpftool link show' and use 'bpftool link detach id N'",
			    ifname, info.name, x->prog_id, ifname,
			    x->native ? "xdpdrv" : "xdpgeneric");
}

static int link_new(struct sz_kern *k, u32 ifindex, const char *ifname, bool native,
		    struct sz_error *e)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = mode_flag(native));
	int fd, err;

	fd = bpf_link_create(k->prog_fd[SZ_PROG_INGRESS], (int)ifindex, BPF_XDP, &opts);
	if (fd < 0)
		return sz_error_set(e, fd, "%s refuses %s XDP: %s%s", ifname,
				    native ? "native" : "generic", strerror(-fd),
				    native ? "; lower its MTU, turn off LRO, or choose generic "
					     "mode" :
					     "");
	err = sz_link_pin(k->pin_dir, SZ_LINK_XDP, ifname, fd);
	close(fd);
	return err ? sz_error_set(e, err, "cannot pin the XDP link of %s: %s", ifname,
				  strerror(-err)) :
		     0;
}

static int attach_new(struct sz_kern *k, u32 ifindex, const char *ifname, int mode,
		      struct sz_error *e)
{
	int err;

	if (mode == MODE_GENERIC)
		return link_new(k, ifindex, ifname, false, e);
	err = link_new(k, ifindex, ifname, true, e);
	if (!err || mode == MODE_NATIVE || err == -EPERM || err == -EBUSY)
		return err;
	sz_log(SZ_LOG_DEBUG, "%s", e->msg);
	return link_new(k, ifindex, ifname, false, e);
}

/* The program changes in one step; packets meet the old one or the new one. */
static int replace(struct sz_kern *k, u32 ifindex, const char *ifname, const struct sz_hook *x,
		   struct sz_error *e)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts);
	int prog = k->prog_fd[SZ_PROG_INGRESS], link, old, err;
	char path[PATH_MAX];

	link = sz_link_find(k->pin_dir, SZ_LINK_XDP, ifindex, x->prog_id, path);
	if (link >= 0) {
		err = bpf_link_update(link, prog, NULL);
		close(link);
	} else {
		old = bpf_prog_get_fd_by_id(x->prog_id);
		if (old < 0)
			return sz_error_set(e, old, "cannot open XDP program %u of %s: %s",
					    x->prog_id, ifname, strerror(-old));
		opts.old_prog_fd = old;
		err = bpf_xdp_attach((int)ifindex, prog,
				     mode_flag(x->native) | XDP_FLAGS_REPLACE, &opts);
		close(old);
	}
	if (err == -EBUSY)
		return refuse_foreign(ifname, x, e);
	return err ? sz_error_set(e, err, "cannot replace XDP program %u of %s: %s", x->prog_id,
				  ifname, strerror(-err)) :
		     0;
}

int sz_xdp_attach(struct sz_kern *k, u32 ifindex, const char *ifname, int mode,
		  struct sz_error *e)
{
	struct sz_hook x;
	int err = sz_xdp_query(k, ifindex, &x);

	if (err)
		return sz_error_set(e, err, "cannot ask %s for its XDP program: %s", ifname,
				    strerror(-err));
	switch (x.owner) {
	case SZ_OWNER_NONE:
		return attach_new(k, ifindex, ifname, mode, e);
	case SZ_OWNER_OTHER:
		return refuse_foreign(ifname, &x, e);
	case SZ_OWNER_UNCLAIMED:
	case SZ_OWNER_US:
		break;
	}
	if (mode != MODE_AUTO && x.native != (mode == MODE_NATIVE))
		return sz_error_set(e, -EBUSY,
				    "%s is attached in %s mode already: detach it first with "
				    "'subzeroctl detach %s'",
				    ifname, x.native ? "native" : "generic", ifname);
	if (sz_prog_same(k, k->prog_fd[SZ_PROG_INGRESS], x.prog_id))
		return 0;
	return replace(k, ifindex, ifname, &x, e);
}

int sz_xdp_detach(struct sz_kern *k, u32 ifindex, const char *ifname, struct sz_error *e)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts);
	char path[PATH_MAX];
	struct sz_hook x;
	int err, link, old;

	err = sz_xdp_query(k, ifindex, &x);
	if (err || x.owner != SZ_OWNER_US)
		return err ? sz_error_set(e, err, "cannot ask %s for its XDP program: %s", ifname,
					  strerror(-err)) :
			     0;
	link = sz_link_find(k->pin_dir, SZ_LINK_XDP, ifindex, x.prog_id, path);
	if (link >= 0) {
		err = sz_link_remove(link, path);
		close(link);
	} else {
		old = bpf_prog_get_fd_by_id(x.prog_id);
		opts.old_prog_fd = old;
		err = old < 0 ? old :
				bpf_xdp_detach((int)ifindex,
					       mode_flag(x.native) | XDP_FLAGS_REPLACE, &opts);
		if (old >= 0)
			close(old);
	}
	return err ? sz_error_set(e, err, "cannot detach XDP program %u from %s: %s", x.prog_id,
				  ifname, strerror(-err)) :
		     0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Attachment of both programs to interfaces of the current network namespace. Called by the daemon
 * and the CLI. An interface gets sz_egress first: without it no connection becomes known and
 * sz_ingress would refuse all of them.
 */
#include <string.h>
#include <unistd.h>

#include "kern/kern_priv.h"

static void describe(const struct sz_kern *k, u32 ifindex, const char *ifname,
		     struct sz_attachment *a)
{
	char path[PATH_MAX];
	struct sz_hook h;
	int link;

	memset(a, 0, sizeof(*a));
	a->ifindex = ifindex;
	strncpy(a->ifname, ifname, sizeof(a->ifname) - 1);
	if (!sz_xdp_query(k, ifindex, &h) && h.owner == SZ_OWNER_US) {
		a->xdp = true;
		a->native = h.native;
		a->xdp_prog_id = h.prog_id;
		link = sz_link_find(k->pin_dir, SZ_LINK_XDP, ifindex, h.prog_id, path);
		a->xdp_link = link >= 0;
		if (link >= 0)
			close(link);
	}
	sz_egress_query(k, ifindex, &h);
	if (h.owner == SZ_OWNER_US) {
		a->egress = true;
		a->tcx = h.tcx;
		a->egress_prog_id = h.prog_id;
	}
}

int sz_kern_attach(struct sz_kern *k, const char *ifname, int mode, struct sz_attachment *ret,
		   struct sz_error *e)
{
	u32 ifindex = if_nametoindex(ifname);
	struct sz_attachment before;
	struct sz_error ignored;
	int err;

	sz_link_sweep(k->pin_dir);
	if (!ifindex)
		return sz_error_set(e, -ENODEV, "there is no interface %.64s here ('ip link')",
				    ifname);
	if (k->prog_fd[SZ_PROG_INGRESS] < 0 || k->prog_fd[SZ_PROG_EGRESS] < 0)
		return sz_error_set(e, -ENOENT,
				    "the programs are not pinned in %.200s: start subzerod first",
				    k->pin_dir);
	describe(k, ifindex, ifname, &before);
	err = sz_egress_attach(k, ifindex, ifname, sz_tcx_supported(ifindex), e);
	if (err)
		return err;
	err = sz_xdp_attach(k, ifindex, ifname, mode, e);
	if (err) {
		if (!before.egress)
			sz_egress_detach(k, ifindex, ifname, &ignored);
		return err;
	}
	if (ret)
		describe(k, ifindex, ifname, ret);
	return 0;
}

int sz_kern_detach(struct sz_kern *k, const char *ifname, struct sz_error *e)
{
	u32 ifindex = if_nametoindex(ifname);
	int err;

	sz_link_sweep(k->pin_dir);
	if (!ifindex)
		return sz_error_set(e, -ENODEV, "there is no interface %.64s here ('ip link')",
				    ifname);
	err = sz_xdp_detach(k, ifindex, ifname, e);
	return err ? err : sz_egress_detach(k, ifindex, ifname, e);
}

int sz_kern_attachments(struct sz_kern *k, struct sz_attachment **ret, struct sz_error *e)
{
	struct if_nameindex *list = if_nameindex(), *i;
	struct sz_attachment *found = NULL;
	int n = 0;

	if (!list)
		return sz_error_set(e, -errno, "cannot list interfaces: %s", strerror(errno));
	for (i = list; i->if_index; i++) {
		struct sz_attachment a;

		describe(k, i->if_index, i->if_name, &a);
		if (!a.xdp && !a.egress)
			continue;
		found = sz_realloc(found, (size_t)n + 1, sizeof(*found));
		found[n++] = a;
	}
	if_freenameindex(list);
	*ret = found;
	return n;
}

/* Works on pins of any layout: it is the way out of one that is not understood. */
static int unload(struct sz_kern *k, struct sz_error *e)
{
	struct if_nameindex *list, *i;
	int err = 0;

	sz_kern_open_pins(k);
	list = if_nameindex();
	if (!list)
		return sz_error_set(e, -errno, "cannot list interfaces: %s", strerror(errno));
	for (i = list; !err && i->if_index; i++)
		err = sz_kern_detach(k, i->if_name, e);
	if_freenameindex(list);
	return err ? err : sz_pin_dir_remove(k->pin_dir, e);
}

int sz_kern_unload(const char *pin_dir, struct sz_error *e)
{
	struct sz_kern *k = sz_kern_new(pin_dir ? pin_dir : SZ_KERN_PIN_DIR);
	int err = access(k->pin_dir, F_OK) ? sz_error_set(e, -errno, "nothing is pinned in %.200s",
							  k->pin_dir) :
					     unload(k, e);

	sz_kern_close(k);
	return err;
}

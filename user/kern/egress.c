/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sz_egress on one interface: a pinned tcx link, at the head so that it sees what the server sends
 * before anybody redirects it; on kernels without tcx, a clsact filter at a fixed place. Called by
 * attach.c. Never displaces a program of somebody else.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <string.h>
#include <unistd.h>

#include "kern/kern_priv.h"

/* Of newer kernel headers than those of Debian 12. */
#define TCX_EGRESS ((enum bpf_attach_type)47)
#define TCX_HEAD (1u << 3) /* BPF_F_BEFORE without a relative */
#define TCX_REPLACE (1u << 2)
#define TCX_PROGS_MAX 64

/* The clsact filter's place; 'tc filter add ... prio 1 handle 1' puts it there as well. */
#define TC_HANDLE 1
#define TC_PRIORITY 1

bool sz_tcx_supported(u32 ifindex)
{
	LIBBPF_OPTS(bpf_prog_query_opts, opts);

	return !bpf_prog_query_opts((int)ifindex, TCX_EGRESS, &opts);
}

static u32 clsact_prog(u32 ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY);

	return bpf_tc_query(&hook, &opts) ? 0 : opts.prog_id;
}

void sz_egress_query(const struct sz_kern *k, u32 ifindex, struct sz_hook *ret)
{
	u32 id[TCX_PROGS_MAX] = { 0 }, i;
	LIBBPF_OPTS(bpf_prog_query_opts, opts, .prog_ids = id, .prog_cnt = TCX_PROGS_MAX);

	memset(ret, 0, sizeof(*ret));
	if (!bpf_prog_query_opts((int)ifindex, TCX_EGRESS, &opts)) {
		for (i = 0; i < opts.prog_cnt && i < TCX_PROGS_MAX; i++) {
			if (sz_prog_owner(k, SZ_PROG_EGRESS, id[i]) != SZ_OWNER_US)
				continue;
			ret->owner = SZ_OWNER_US;
			ret->prog_id = id[i];
			ret->tcx = true;
			return;
		}
	}
	ret->prog_id = clsact_prog(ifindex);
	ret->owner = sz_prog_owner(k, SZ_PROG_EGRESS, ret->prog_id);
}

static int attach_tcx(struct sz_kern *k, u32 ifindex, const char *ifname, struct sz_error *e)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = TCX_HEAD);
	int fd, err;

	fd = bpf_link_create(k->prog_fd[SZ_PROG_EGRESS], (int)ifindex, TCX_EGRESS, &opts);
	if (fd < 0)
		return sz_error_set(e, fd, "cannot attach sz_egress to %s: %s", ifname,
				    strerror(-fd));
	err = sz_link_pin(k->pin_dir, SZ_LINK_TCX, ifname, fd);
	close(fd);
	return err ? sz_error_set(e, err, "cannot pin the tcx link of %s: %s", ifname,
				  strerror(-err)) :
		     0;
}

static int attach_clsact(struct sz_kern *k, u32 ifindex, const char *ifname, bool replace,
			 struct sz_error *e)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY,
		    .prog_fd = k->prog_fd[SZ_PROG_EGRESS],
		    .flags = replace ? BPF_TC_F_REPLACE : 0);
	int err;

	sz_said_reset();
	err = bpf_tc_hook_create(&hook);
	if (!err || err == -EEXIST)
		err = bpf_tc_attach(&hook, &opts);
	if (err == -EEXIST)
		return sz_error_set(e, -EBUSY,
				    "%s already has a tc egress filter with priority %d and "
				    "handle %d: move it ('tc filter show dev %s egress')",
				    ifname, TC_PRIORITY, TC_HANDLE, ifname);
	return err ? sz_error_set(e, err, "cannot attach sz_egress to %s: %s: %s", ifname,
				  strerror(-err), sz_said()) :
		     0;
}

static int replace_tcx(struct sz_kern *k, u32 ifindex, u32 old_id)
{
	LIBBPF_OPTS(bpf_prog_attach_opts, opts, .flags = TCX_REPLACE);
	int prog = k->prog_fd[SZ_PROG_EGRESS], link, err;
	char path[PATH_MAX];

	link = sz_link_find(k->pin_dir, SZ_LINK_TCX, ifindex, old_id, path);
	if (link >= 0) {
		err = bpf_link_update(link, prog, NULL);
		close(link);
		return err;
	}
	opts.replace_prog_fd = bpf_prog_get_fd_by_id(old_id);
	if (opts.replace_prog_fd < 0)
		return opts.replace_prog_fd;
	err = bpf_prog_attach_opts(prog, (int)ifindex, TCX_EGRESS, &opts);
	close(opts.replace_prog_fd);
	return err;
}

int sz_egress_attach(struct sz_kern *k, u32 ifindex, const char *ifname, bool tcx,
		     struct sz_error *e)
{
	struct sz_hook h;
	int err;

	sz_egress_query(k, ifindex, &h);
	if (h.owner == SZ_OWNER_NONE || h.owner == SZ_OWNER_OTHER)
		return tcx ? attach_tcx(k, ifindex, ifname, e) :
			     attach_clsact(k, ifindex, ifname, false, e);
	if (sz_prog_same(k, k->prog_fd[SZ_PROG_EGRESS], h.prog_id))
		return 0;
	if (!h.tcx)
		return attach_clsact(k, ifindex, ifname, true, e);
	err = replace_tcx(k, ifindex, h.prog_id);
	return err ? sz_error_set(e, err, "cannot replace sz_egress (program %u) of %s: %s",
				  h.prog_id, ifname, strerror(-err)) :
		     0;
}

static int detach_tcx(struct sz_kern *k, u32 ifindex, u32 id)
{
	char path[PATH_MAX];
	int link = sz_link_find(k->pin_dir, SZ_LINK_TCX, ifindex, id, path), prog, err;

	if (link >= 0) {
		err = sz_link_remove(link, path);
		close(link);
		return err;
	}
	prog = bpf_prog_get_fd_by_id(id);
	if (prog < 0)
		return prog;
	err = bpf_prog_detach2(prog, (int)ifindex, TCX_EGRESS);
	close(prog);
	return err;
}

int sz_egress_detach(struct sz_kern *k, u32 ifindex, const char *ifname, struct sz_error *e)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY);
	struct sz_hook h;
	int err;

	for (sz_egress_query(k, ifindex, &h); h.owner == SZ_OWNER_US;
	     sz_egress_query(k, ifindex, &h)) {
		err = h.tcx ? detach_tcx(k, ifindex, h.prog_id) : bpf_tc_detach(&hook, &opts);
		if (err)
			return sz_error_set(e, err, "cannot detach sz_egress from %s: %s", ifname,
					    strerror(-err));
	}
	return 0;
}

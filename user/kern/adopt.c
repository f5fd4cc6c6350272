/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Takes over the maps of a program that was attached without the daemon ('ip link set dev X xdp
 * obj subzero.bpf.o'): they are pinned, so that program and daemon share them. Called by
 * sz_kern_load() only, before it opens the pins; does nothing once sz_config is pinned.
 */
#include <bpf/bpf.h>
#include <string.h>
#include <unistd.h>

#include "kern/kern_priv.h"

static int pin_map(const struct sz_kern *k, u32 id, struct sz_error *e)
{
	struct bpf_map_info info = { 0 };
	u32 len = sizeof(info);
	char path[PATH_MAX];
	int fd = bpf_map_get_fd_by_id(id), err, m;

	err = fd < 0 ? fd : bpf_obj_get_info_by_fd(fd, &info, &len);
	for (m = 0; !err && m < SZ_MAP_COUNT; m++) {
		if (strcmp(info.name, sz_kern_map_name(m)))
			continue;
		sz_pin_path(k->pin_dir, info.name, path);
		err = bpf_obj_pin(fd, path);
	}
	if (fd >= 0)
		close(fd);
	return err ? sz_error_set(e, err, "cannot take over map %u ('%s'): %s", id, info.name,
				  strerror(-err)) :
		     0;
}

static int adopt_prog(const struct sz_kern *k, u32 prog_id, struct sz_error *e)
{
	struct sz_prog_info info;
	int fd = bpf_prog_get_fd_by_id(prog_id), err;
	u32 i;

	err = fd < 0 ? fd : sz_prog_info_read(fd, &info);
	if (err)
		sz_error_set(e, err, "cannot read program %u: %s", prog_id, strerror(-err));
	for (i = 0; !err && i < info.n_maps; i++)
		err = pin_map(k, info.map_id[i], e);
	if (fd >= 0)
		close(fd);
	return err;
}

int sz_kern_adopt(const struct sz_kern *k, const char *const *interfaces, size_t n,
		  struct sz_error *e)
{
	char path[PATH_MAX];
	struct sz_hook hook;
	size_t i;

	sz_pin_path(k->pin_dir, sz_kern_map_name(SZ_MAP_CONFIG), path);
	if (!access(path, F_OK))
		return 0;
	for (i = 0; i < n; i++) {
		u32 ifindex = if_nametoindex(interfaces[i]);

		if (ifindex && !sz_xdp_query(k, ifindex, &hook) &&
		    hook.owner == SZ_OWNER_UNCLAIMED)
			return adopt_prog(k, hook.prog_id, e);
	}
	return 0;
}

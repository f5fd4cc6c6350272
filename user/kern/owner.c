/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose program is it? A program is ours when it bears our name and uses a map of this pin
 * directory, however it was attached. One of our name with other maps belongs to nobody unless a
 * daemon's heartbeat is fresh in its sz_config. Used by attachment and adoption; changes nothing.
 */
#include <bpf/bpf.h>
#include <string.h>
#include <unistd.h>

#include "kern/kern_priv.h"

int sz_prog_info_read(int fd, struct sz_prog_info *ret)
{
	struct bpf_prog_info info = { 0 };
	u32 len = sizeof(info);
	int err;

	memset(ret, 0, sizeof(*ret));
	info.map_ids = (u64)(uintptr_t)ret->map_id;
	info.nr_map_ids = SZ_PROG_MAPS_MAX;
	err = bpf_obj_get_info_by_fd(fd, &info, &len);
	if (err)
		return err;
	ret->id = info.id;
	ret->n_maps = info.nr_map_ids < SZ_PROG_MAPS_MAX ? info.nr_map_ids : SZ_PROG_MAPS_MAX;
	memcpy(ret->name, info.name, sizeof(ret->name));
	memcpy(ret->tag, info.tag, sizeof(ret->tag));
	return 0;
}

static int info_by_id(u32 id, struct sz_prog_info *ret)
{
	int fd = bpf_prog_get_fd_by_id(id), err;

	if (fd < 0)
		return fd;
	err = sz_prog_info_read(fd, ret);
	close(fd);
	return err;
}

/* Which of our maps it is; SZ_MAP_COUNT for another. */
static int our_map(const struct sz_kern *k, u32 id)
{
	int m;

	for (m = 0; m < SZ_MAP_COUNT; m++)
		if (k->map_fd[m] >= 0 && k->shape[m].id == id)
			break;
	return m;
}

/* The only element of the map of constants `id`, on the heap; NULL for any other map. */
static void *constants(u32 id, u32 *ret_size)
{
	struct bpf_map_info info = { 0 };
	u32 len = sizeof(info), zero = 0;
	int fd = bpf_map_get_fd_by_id(id);
	void *value = NULL;

	if (fd < 0)
		return NULL;
	if (!bpf_obj_get_info_by_fd(fd, &info, &len) && strstr(info.name, ".rodata") &&
	    info.type == BPF_MAP_TYPE_ARRAY && info.max_entries == 1) {
		value = sz_calloc(1, info.value_size);
		*ret_size = info.value_size;
		if (bpf_map_lookup_elem(fd, &zero, value)) {
			free(value);
			value = NULL;
		}
	}
	close(fd);
	return value;
}

/* Maps of one load each: constants are part of the code, anything else is scratch space. */
static bool private_maps_agree(u32 a, u32 b)
{
	u32 a_size = 0, b_size = 0;
	void *a_value = constants(a, &a_size), *b_value = constants(b, &b_size);
	bool agree = !a_value == !b_value && a_size == b_size &&
		     (!a_value || !memcmp(a_value, b_value, a_size));

	free(a_value);
	free(b_value);
	return agree;
}

static bool same(const struct sz_kern *k, const struct sz_prog_info *a,
		 const struct sz_prog_info *b)
{
	u32 i;

	if (memcmp(a->tag, b->tag, sizeof(a->tag)) || a->n_maps != b->n_maps)
		return false;
	for (i = 0; i < a->n_maps; i++) { /* the kernel lists them in order of first use */
		int m = our_map(k, a->map_id[i]);

		if (m != our_map(k, b->map_id[i]) ||
		    (m == SZ_MAP_COUNT && !private_maps_agree(a->map_id[i], b->map_id[i])))
			return false;
	}
	return true;
}

bool sz_prog_same(const struct sz_kern *k, int fd, u32 id)
{
	struct sz_prog_info a, b;

	if (sz_prog_info_read(fd, &a))
		return false;
	return a.id == id || (!info_by_id(id, &b) && same(k, &a, &b));
}

bool sz_prog_same_fd(const struct sz_kern *k, int fd, int other)
{
	struct sz_prog_info a, b;

	return !sz_prog_info_read(fd, &a) && !sz_prog_info_read(other, &b) && same(k, &a, &b);
}

static bool uses_our_maps(const struct sz_kern *k, const struct sz_prog_info *p)
{
	u32 i;

	for (i = 0; i < p->n_maps; i++)
		if (our_map(k, p->map_id[i]) < SZ_MAP_COUNT)
			return true;
	return false;
}

/* Does a daemon look after the sz_config with this id? No for a map that is something else. */
static bool config_is_live(u32 map_id)
{
	struct bpf_map_info info = { 0 };
	struct sz_config c = { 0 };
	u32 len = sizeof(info), zero = 0;
	int fd = bpf_map_get_fd_by_id(map_id);
	bool live;

	if (fd < 0)
		return false;
	live = !bpf_obj_get_info_by_fd(fd, &info, &len) &&
	       !strcmp(info.name, sz_kern_map_name(SZ_MAP_CONFIG)) &&
	       info.type == BPF_MAP_TYPE_ARRAY && info.key_size == sizeof(zero) &&
	       info.value_size == sizeof(c) && !bpf_map_lookup_elem(fd, &zero, &c) && c.abi &&
	       c.heartbeat_ns + c.heartbeat_ttl_ns > sz_boot_ns();
	close(fd);
	return live;
}

/* What is pinned is ours, and known without the CAP_SYS_ADMIN that opening by id takes. */
static bool is_pinned(const struct sz_kern *k, enum sz_prog p, u32 id)
{
	struct sz_prog_info info;
	char path[PATH_MAX];
	int link;

	if (k->prog_fd[p] >= 0 && !sz_prog_info_read(k->prog_fd[p], &info) && info.id == id)
		return true;
	if (id == k->replaced_id[p])
		return true;
	link = sz_link_find(k->pin_dir, p == SZ_PROG_INGRESS ? SZ_LINK_XDP : SZ_LINK_TCX, 0, id,
			    path);
	if (link >= 0)
		close(link);
	return link >= 0;
}

enum sz_owner sz_prog_owner(const struct sz_kern *k, enum sz_prog p, u32 id)
{
	struct sz_prog_info info;
	u32 i;

	if (!id)
		return SZ_OWNER_NONE;
	if (is_pinned(k, p, id))
		return SZ_OWNER_US;
	if (info_by_id(id, &info) || strcmp(info.name, sz_prog_name(p)))
		return SZ_OWNER_OTHER;
	if (uses_our_maps(k, &info))
		return SZ_OWNER_US;
	for (i = 0; i < info.n_maps; i++)
		if (config_is_live(info.map_id[i]))
			return SZ_OWNER_OTHER;
	return SZ_OWNER_UNCLAIMED;
}

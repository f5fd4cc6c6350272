/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Loads the BPF object over the pinned maps and pins what is new; opens what is pinned. Called by
 * the daemon at start and by the CLI. Must never change or replace a pinned map: the state in it
 * outlives every process.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpf_object.h"
#include "kern/kern_priv.h"

#define GO_ON "end the daemon, run 'subzeroctl unload' (this drops all state) and start it again"

static int object_open(struct bpf_object **ret, struct sz_error *e)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "subzero");
	struct bpf_object *obj;

	obj = bpf_object__open_mem(sz_bpf_object, sizeof(sz_bpf_object), &opts);
	if (!obj)
		return sz_error_set(e, -errno, "cannot read the built-in BPF object: %s",
				    sz_said());
	*ret = obj;
	return 0;
}

static bool may_differ(enum sz_map m)
{
	return m == SZ_MAP_GRANTS || m == SZ_MAP_FLOWS;
}

/* The pinned map must be what the object declares: the programs' code depends on it. */
static int check_shape(const struct sz_kern *k, enum sz_map m, const struct bpf_map *map,
		       struct sz_error *e)
{
	const struct sz_map_shape *s = &k->shape[m];
	const struct {
		const char *what;
		u32 is, wanted;
	} part[] = {
		{ "type", s->type, bpf_map__type(map) },
		{ "key size", s->key_size, bpf_map__key_size(map) },
		{ "value size", s->value_size, bpf_map__value_size(map) },
		{ "flags", s->flags, bpf_map__map_flags(map) },
		{ "capacity", s->max_entries,
		  may_differ(m) ? s->max_entries : bpf_map__max_entries(map) },
	};
	size_t i;

	for (i = 0; i < SZ_ARRAY_LEN(part); i++)
		if (part[i].is != part[i].wanted)
			return sz_error_set(e, -EPROTO,
					    "the pinned map %.150s/%s is of another version of "
					    "Subzero: %s %u, wanted %u; " GO_ON,
					    k->pin_dir, sz_kern_map_name(m), part[i].what,
					    part[i].is, part[i].wanted);
	return 0;
}

static int check_abi(const struct sz_kern *k, struct sz_error *e)
{
	struct sz_config c;
	u32 zero = 0;
	int err = bpf_map_lookup_elem(k->map_fd[SZ_MAP_CONFIG], &zero, &c);

	if (err)
		return sz_error_set(e, err, "cannot read %.150s/sz_config: %s", k->pin_dir,
				    strerror(-err));
	if (c.abi && c.abi != SZ_ABI)
		return sz_error_set(e, -EPROTO,
				    "the maps in %.150s have layout %u, this program knows layout "
				    "%u; " GO_ON,
				    k->pin_dir, c.abi, SZ_ABI);
	return 0;
}

/* Every open map of `k` against the object. */
static int check_maps(const struct sz_kern *k, struct bpf_object *obj, struct sz_error *e)
{
	int m, err;

	for (m = 0; m < SZ_MAP_COUNT; m++) {
		const char *name = sz_kern_map_name(m);
		struct bpf_map *map = bpf_object__find_map_by_name(obj, name);

		if (!map)
			return sz_error_set(e, -EPROTO, "the BPF object has no map %s", name);
		err = k->map_fd[m] < 0 ? 0 : check_shape(k, m, map, e);
		if (err)
			return err;
	}
	return k->map_fd[SZ_MAP_CONFIG] < 0 ? 0 : check_abi(k, e);
}

static int map_config(struct sz_kern *k, struct sz_error *e)
{
	void *p = mmap(NULL, sizeof(struct sz_config), PROT_READ | PROT_WRITE, MAP_SHARED,
		       k->map_fd[SZ_MAP_CONFIG], 0);

	if (p == MAP_FAILED)
		return sz_error_set(e, -errno, "cannot map sz_config: %s", strerror(errno));
	k->config = p;
	return 0;
}

/* ---- loading -------------------------------------------------------------------------------- */

static int set_capacity(struct bpf_object *obj, enum sz_map m, u64 entries, struct sz_error *e)
{
	struct bpf_map *map = bpf_object__find_map_by_name(obj, sz_kern_map_name(m));

	if (!entries)
		return 0;
	if (entries > UINT32_MAX || bpf_map__set_max_entries(map, (u32)entries))
		return sz_error_set(e, -ERANGE, "%s cannot hold %llu entries: choose less",
				    sz_kern_map_name(m), (unsigned long long)entries);
	return 0;
}

/* The object's maps become the pinned ones; sizes are set on those that will be created. */
static int prepare_maps(const struct sz_kern *k, const struct sz_kern_options *o,
			struct bpf_object *obj, struct sz_error *e)
{
	int m, err;

	err = set_capacity(obj, SZ_MAP_GRANTS, o->max_grants, e);
	if (!err)
		err = set_capacity(obj, SZ_MAP_FLOWS, o->max_flows, e);
	for (m = 0; !err && m < SZ_MAP_COUNT; m++) {
		if (k->map_fd[m] < 0)
			continue;
		err = bpf_map__reuse_fd(
			bpf_object__find_map_by_name(obj, sz_kern_map_name(m)), k->map_fd[m]);
		if (err)
			sz_error_set(e, err, "cannot use the pinned map %s: %s",
				     sz_kern_map_name(m), strerror(-err));
	}
	return err;
}

static int keep_map(struct sz_kern *k, enum sz_map m, struct bpf_object *obj, struct sz_error *e)
{
	const char *name = sz_kern_map_name(m);
	int fd = bpf_map__fd(bpf_object__find_map_by_name(obj, name)), err;
	char path[PATH_MAX];

	if (k->map_fd[m] >= 0)
		return 0;
	k->map_fd[m] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (k->map_fd[m] < 0)
		return sz_error_set(e, -errno, "cannot keep map %s: %s", name, strerror(errno));
	err = sz_map_shape_read(fd, &k->shape[m]);
	sz_pin_path(k->pin_dir, name, path);
	k->made[m] = true;
	if (!err)
		err = bpf_obj_pin(fd, path);
	return err ? sz_error_set(e, err, "cannot pin %.200s: %s", path, strerror(-err)) : 0;
}

/* A pinned program with the same code over the same maps stays: what is attached is current. */
static int keep_prog(struct sz_kern *k, enum sz_prog p, struct bpf_object *obj,
		     struct sz_error *e)
{
	const char *name = sz_prog_name(p);
	struct bpf_program *prog = bpf_object__find_program_by_name(obj, name);
	struct sz_prog_info info;
	int err;

	if (!prog)
		return sz_error_set(e, -EPROTO, "the BPF object has no program %s", name);
	if (k->prog_fd[p] >= 0) {
		if (sz_prog_same_fd(k, k->prog_fd[p], bpf_program__fd(prog)))
			return 0;
		if (!sz_prog_info_read(k->prog_fd[p], &info))
			k->replaced_id[p] = info.id;
		close(k->prog_fd[p]);
	}
	k->prog_fd[p] = fcntl(bpf_program__fd(prog), F_DUPFD_CLOEXEC, 3);
	if (k->prog_fd[p] < 0)
		return sz_error_set(e, -errno, "cannot keep %s: %s", name, strerror(errno));
	err = sz_pin_replace(k->pin_dir, name, k->prog_fd[p]);
	return err ? sz_error_set(e, err, "cannot pin %.150s/%s: %s", k->pin_dir, name,
				  strerror(-err)) :
		     0;
}

static int load(struct sz_kern *k, const struct sz_kern_options *o, struct bpf_object *obj,
		struct sz_error *e)
{
	int err, i;

	if (o->n_interfaces) {
		err = sz_kern_adopt(k, o->interfaces, o->n_interfaces, e);
		if (err)
			return err;
	}
	sz_kern_open_pins(k);
	err = check_maps(k, obj, e);
	if (!err)
		err = prepare_maps(k, o, obj, e);
	if (err)
		return err;
	sz_said_reset();
	err = bpf_object__load(obj); /* libbpf raises RLIMIT_MEMLOCK on kernels that need it */
	if (err)
		return sz_error_set(e, err, "the kernel refused the BPF object: %s: %s",
				    strerror(-err), sz_said());
	for (i = 0; !err && i < SZ_MAP_COUNT; i++)
		err = keep_map(k, i, obj, e);
	for (i = 0; !err && i < SZ_PROG_COUNT; i++)
		err = keep_prog(k, i, obj, e);
	return err ? err : map_config(k, e);
}

int sz_kern_load(const struct sz_kern_options *o, struct sz_kern **ret, struct sz_error *e)
{
	struct sz_kern *k = sz_kern_new(o->pin_dir ? o->pin_dir : SZ_KERN_PIN_DIR);
	struct bpf_object *obj = NULL;
	int lock, err;

	err = sz_clock_check(e);
	lock = err ? err : sz_pin_dir_lock(k->pin_dir, e);
	err = lock < 0 ? lock : object_open(&obj, e);
	if (!err)
		err = load(k, o, obj, e);
	bpf_object__close(obj);
	if (lock >= 0)
		close(lock);
	if (err) {
		sz_kern_close(k);
		return err;
	}
	*ret = k;
	return 0;
}

/* ---- opening -------------------------------------------------------------------------------- */

static int open_pinned(struct sz_kern *k, struct sz_error *e)
{
	struct bpf_object *obj;
	char path[PATH_MAX];
	int m, err;

	sz_kern_open_pins(k);
	for (m = 0; m < SZ_MAP_COUNT; m++) {
		if (k->map_fd[m] >= 0)
			continue;
		err = k->map_fd[m];
		sz_pin_path(k->pin_dir, sz_kern_map_name(m), path);
		if (err == -ENOENT)
			return sz_error_set(e, err,
					    "nothing is pinned at %.200s: start subzerod first, "
					    "or name its pin directory",
					    path);
		return sz_error_set(e, err, "cannot open %.200s: %s%s", path, strerror(-err),
				    err == -EPERM || err == -EACCES ? "; run this as root" : "");
	}
	err = object_open(&obj, e);
	if (err)
		return err;
	err = check_maps(k, obj, e);
	bpf_object__close(obj);
	return err ? err : map_config(k, e);
}

int sz_kern_open(const char *pin_dir, struct sz_kern **ret, struct sz_error *e)
{
	struct sz_kern *k = sz_kern_new(pin_dir ? pin_dir : SZ_KERN_PIN_DIR);
	int err = sz_clock_check(e);

	if (!err)
		err = open_pinned(k, e);

	if (err) {
		sz_kern_close(k);
		return err;
	}
	*ret = k;
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files of this room share: the open state, recognition of programs, pins. Included by
 * user/kern/ and by its own tests; never by another room.
 */
#ifndef SZ_KERN_KERN_PRIV_H
#define SZ_KERN_KERN_PRIV_H

#include <limits.h>
#include <linux/bpf.h>
#include <net/if.h>

#include "kern/kern.h"

enum sz_prog { SZ_PROG_INGRESS, SZ_PROG_EGRESS, SZ_PROG_COUNT };

/* What the kernel says about one map. */
struct sz_map_shape {
	u32 id, type, key_size, value_size, max_entries, flags;
};

struct sz_ring {
	struct ring_buffer *rb;
	sz_ring_fn fn; /* during sz_ring_consume() only */
	void *arg;
	int max, count;
};

struct sz_kern {
	char *pin_dir;
	int map_fd[SZ_MAP_COUNT];   /* -1: not open */
	struct sz_map_shape shape[SZ_MAP_COUNT];
	int prog_fd[SZ_PROG_COUNT]; /* -1: not open */
	u32 replaced_id[SZ_PROG_COUNT]; /* pinned until this load; a hook may still run it */
	bool made[SZ_MAP_COUNT]; /* by this process */
	int claim;               /* -1: none */
	struct sz_config *config;
	void *memory[SZ_MAP_COUNT]; /* of arrays, mapped when first asked for */
	struct sz_ring ring[2];     /* sz_misses, sz_events */
};

/* ---- load.c, state.c ------------------------------------------------------------------------ */

struct sz_kern *sz_kern_new(const char *pin_dir);
const char *sz_prog_name(enum sz_prog p);
int sz_map_shape_read(int fd, struct sz_map_shape *ret);
/* The first warning of libbpf since the last sz_said_reset() of this thread, or the verifier's. */
const char *sz_said(void);
void sz_said_reset(void);
void sz_said_start(void); /* takes over libbpf's log */
/* Opens the maps and programs that are pinned, whatever their layout; what is missing stays -1. */
void sz_kern_open_pins(struct sz_kern *k);

/* ---- pins.c: files in the pin directory ----------------------------------------------------- */

#define SZ_PIN_NAME_MAX 64 /* bytes of a file name in the pin directory, with its NUL */
#define SZ_LINK_XDP "link_xdp_"
#define SZ_LINK_TCX "link_tcx_"

void sz_pin_path(const char *pin_dir, const char *name, char ret[PATH_MAX]);
/* Mounts bpffs and makes the directory where needed; returns an fd that holds the lock on it. */
int sz_pin_dir_lock(const char *pin_dir, struct sz_error *e);
/* -EINVAL in a time namespace whose CLOCK_BOOTTIME is not the one that BPF programs read. */
int sz_clock_check(struct sz_error *e);
/* Pins under `name`; what was there before is replaced in one step. */
int sz_pin_replace(const char *pin_dir, const char *name, int fd);
/* A pinned link of that kind on that interface (0: any) that runs `prog_id`: its fd, or -ENOENT. */
int sz_link_find(const char *pin_dir, const char *prefix, u32 ifindex, u32 prog_id,
		 char ret_path[PATH_MAX]);
int sz_link_pin(const char *pin_dir, const char *prefix, const char *ifname, int link_fd);
/* Detaches the link, whoever else holds it, and removes its pin. */
int sz_link_remove(int link_fd, const char *path);
/* Removes pins of links whose interface is gone. */
void sz_link_sweep(const char *pin_dir);
/* Detaches every pinned link, removes every pin and the directory. */
int sz_pin_dir_remove(const char *pin_dir, struct sz_error *e);

/* ---- owner.c: whose program is it ----------------------------------------------------------- */

enum sz_owner {
	SZ_OWNER_NONE,      /* no program there */
	SZ_OWNER_OTHER,     /* somebody else's, or of another running daemon */
	SZ_OWNER_UNCLAIMED, /* ours by name, with maps no running daemon looks after */
	SZ_OWNER_US,        /* ours, with the maps of this pin directory */
};

#define SZ_PROG_MAPS_MAX 64

struct sz_prog_info {
	u32 id, n_maps;
	char name[BPF_OBJ_NAME_LEN];
	u8 tag[BPF_TAG_SIZE];
	u32 map_id[SZ_PROG_MAPS_MAX];
};

int sz_prog_info_read(int fd, struct sz_prog_info *ret);
/* Same instructions over the same pinned maps. */
bool sz_prog_same(const struct sz_kern *k, int fd, u32 id);
bool sz_prog_same_fd(const struct sz_kern *k, int fd, int other); /* needs no CAP_SYS_ADMIN */
enum sz_owner sz_prog_owner(const struct sz_kern *k, enum sz_prog p, u32 id);

/* ---- xdp.c, egress.c: one hook each --------------------------------------------------------- */

struct sz_hook {
	enum sz_owner owner;
	u32 prog_id;
	bool native; /* XDP only */
	bool tcx;    /* egress only */
};

int sz_xdp_query(const struct sz_kern *k, u32 ifindex, struct sz_hook *ret);
int sz_xdp_attach(struct sz_kern *k, u32 ifindex, const char *ifname, int mode,
		  struct sz_error *e);
int sz_xdp_detach(struct sz_kern *k, u32 ifindex, const char *ifname, struct sz_error *e);

bool sz_tcx_supported(u32 ifindex);
void sz_egress_query(const struct sz_kern *k, u32 ifindex, struct sz_hook *ret);
/* `tcx`: use a tcx link where nothing of ours is attached yet; clsact otherwise. */
int sz_egress_attach(struct sz_kern *k, u32 ifindex, const char *ifname, bool tcx,
		     struct sz_error *e);
int sz_egress_detach(struct sz_kern *k, u32 ifindex, const char *ifname, struct sz_error *e);

/* ---- adopt.c -------------------------------------------------------------------------------- */

/* Pins the maps of an unclaimed sz_ingress that one of the interfaces already carries. */
int sz_kern_adopt(const struct sz_kern *k, const char *const *interfaces, size_t n,
		  struct sz_error *e);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's side: loads the BPF object, pins programs, links and maps, attaches and detaches,
 * reads and writes maps, consumes the two rings and puts held frames back on the interface. The
 * only room that includes libbpf. Used by the daemon and by the CLI; blocks only in system calls.
 */
#ifndef SZ_KERN_KERN_H
#define SZ_KERN_KERN_H

#include <stdio.h>

#include "core/core.h"

#define SZ_KERN_PIN_DIR "/sys/fs/bpf/subzero"

enum sz_map {
	SZ_MAP_CONFIG,
	SZ_MAP_SERVICES,
	SZ_MAP_SYN,
	SZ_MAP_ROUTES,
	SZ_MAP_GRANTS,
	SZ_MAP_REQUESTS,
	SZ_MAP_PROFILES,
	SZ_MAP_DENIED,
	SZ_MAP_HALF,
	SZ_MAP_FLOWS,
	SZ_MAP_TICKETS,
	SZ_MAP_CARRY,
	SZ_MAP_SPILL,
	SZ_MAP_SOURCES,
	SZ_MAP_LIMITS,
	SZ_MAP_LIMIT_COUNTS,
	SZ_MAP_BUCKETS,
	SZ_MAP_NETWORKS,
	SZ_MAP_HITS,
	SZ_MAP_BANS,
	SZ_MAP_ALLOW,
	SZ_MAP_REVOKED,
	SZ_MAP_NAMES,
	SZ_MAP_ANSWERS,
	SZ_MAP_COUNTERS,
	SZ_MAP_LOST,
	SZ_MAP_MISSES,
	SZ_MAP_EVENTS,
	SZ_MAP_COUNT,
};

struct sz_kern; /* open maps (and, where loaded, programs) of one pin directory */

struct sz_kern_options {
	const char *pin_dir;
	u64 max_grants, max_flows; /* 0 = default; only used when the maps do not exist yet */
	/* Where nothing is pinned yet and one of these already carries an sz_ingress of its own
	 * ('ip link set dev X xdp obj ...'), its maps are pinned and shared instead of new ones. */
	const char *const *interfaces;
	size_t n_interfaces;
};

/*
 * Opens what is pinned; loads and pins what is not: maps, programs sz_ingress and sz_egress. The
 * BPF object is built into the binary. Pinned maps of another layout (SZ_ABI, sizes) are refused
 * with -EPROTO and a message that says how to go on. Mounts bpffs at /sys/fs/bpf where none is.
 */
int sz_kern_load(const struct sz_kern_options *o, struct sz_kern **ret, struct sz_error *e);
/* Opens pinned maps only (the CLI); -ENOENT with a clear message where nothing is pinned. */
int sz_kern_open(const char *pin_dir, struct sz_kern **ret, struct sz_error *e);
void sz_kern_close(struct sz_kern *k); /* leaves everything pinned; NULL is fine */

int sz_kern_map_fd(const struct sz_kern *k, enum sz_map m);
const char *sz_kern_map_name(enum sz_map m);
/* Was it made by this sz_kern_load(), rather than found pinned? */
bool sz_kern_map_is_new(const struct sz_kern *k, enum sz_map m);
/*
 * Claims the pinned maps for this process until it ends: the rings have one reader. -EBUSY where
 * another daemon has them.
 */
int sz_kern_claim(struct sz_kern *k, struct sz_error *e);
u32 sz_kern_map_capacity(const struct sz_kern *k, enum sz_map m);
/* sz_config, mapped shared and writable. */
struct sz_config *sz_kern_config(const struct sz_kern *k);
/* Likewise every element of sz_limits or sz_buckets, one behind the other; NULL with *e filled. */
void *sz_kern_map_memory(struct sz_kern *k, enum sz_map m, struct sz_error *e);

/* ---- attachment ----------------------------------------------------------------------------- */

struct sz_attachment {
	u32 ifindex;
	char ifname[16];
	bool native;      /* XDP in the driver; otherwise generic */
	bool xdp_link;    /* by bpf_link pinned by us; otherwise by netlink (ip, bpftool) */
	bool tcx;         /* egress by tcx link; otherwise clsact */
	bool xdp, egress; /* which of the two are there */
	u32 xdp_prog_id, egress_prog_id;
};

/* mode: 0 auto (native, else generic), 1 native, 2 generic. Idempotent; replaces an older program
 * of ours atomically, refuses (-EBUSY) to displace somebody else's. What 'ip', 'bpftool' or 'tc'
 * attached stays attached that way (docs/attach.md). Acts in the current network namespace, as all
 * of these do. */
int sz_kern_attach(struct sz_kern *k, const char *ifname, int mode, struct sz_attachment *ret,
		   struct sz_error *e);
/* Removes programs and links of ours from the interface; 0 also when there were none. */
int sz_kern_detach(struct sz_kern *k, const char *ifname, struct sz_error *e);
/* Interfaces that carry sz_ingress or sz_egress with these maps, however they were attached.
 * Returns the number; *ret is a heap array. */
int sz_kern_attachments(struct sz_kern *k, struct sz_attachment **ret, struct sz_error *e);
/* Detaches from every interface and removes the pin directory. */
int sz_kern_unload(const char *pin_dir, struct sz_error *e);

/* ---- maps: 0, -ENOENT, -E2BIG (full) or another -errno -------------------------------------- */

int sz_map_get(const struct sz_kern *k, enum sz_map m, const void *key, void *ret_value);
int sz_map_put(const struct sz_kern *k, enum sz_map m, const void *key, const void *value);
int sz_map_put_new(const struct sz_kern *k, enum sz_map m, const void *key, const void *value);
/* sz_map_put() for `n` entries, key behind key and value behind value; *ret_done: before an error.
 * Not for per-CPU maps and not for sz_revoked. */
int sz_map_put_batch(const struct sz_kern *k, enum sz_map m, const void *keys, const void *values,
		     u32 n, u32 *ret_done);
int sz_map_del(const struct sz_kern *k, enum sz_map m, const void *key);
/* Removes an entry of a hash and tells what it was, in one step. */
int sz_map_take(const struct sz_kern *k, enum sz_map m, const void *key, void *ret_value);
/*
 * Every entry, in batches where the kernel has them. Per-CPU values arrive as an array of
 * sz_kern_cpus() values. A callback that returns non-zero ends the walk with that value. Entries
 * that come or go meanwhile may or may not be seen. Deleting the current key inside is allowed.
 */
typedef int (*sz_map_fn)(const void *key, const void *value, void *arg);
int sz_map_each(const struct sz_kern *k, enum sz_map m, sz_map_fn fn, void *arg);
/* A walk in steps, so that nobody waits for a map of a million entries. Begin with all zero. */
struct sz_map_cursor {
	u8 place[256]; /* a bucket's number, or the last key */
	bool started, done;
};
/* The same for the next entries, at least `max` where there are as many, and few more. For hashes
 * and tries only: -EOPNOTSUPP for others. c->done is set behind the last one. A trie's walk begins
 * again where the entry at which it stopped is gone. */
int sz_map_each_step(const struct sz_kern *k, enum sz_map m, struct sz_map_cursor *c, u32 max,
		     sz_map_fn fn, void *arg);
/*
 * The same without callbacks: the next entries into memory, about `max`. Any thread, each with its
 * own cursor and batch; a batch may go from map to map. Where a map is nearly empty this may look
 * through a million buckets, which takes milliseconds. Begin with all zero.
 */
struct sz_map_batch {
	u8 *keys, *values;
	size_t key_size, value_size;
	u32 n, room;
};
int sz_map_read(const struct sz_kern *k, enum sz_map m, struct sz_map_cursor *c, u32 max,
		struct sz_map_batch *b);
void sz_map_batch_done(struct sz_map_batch *b);
/* Removes `n` entries, key behind key; those that are not there are left out. */
int sz_map_del_batch(const struct sz_kern *k, enum sz_map m, const void *keys, u32 n);
/* Some key; -ENOENT where the map is empty. */
int sz_map_first(const struct sz_kern *k, enum sz_map m, void *ret_key);
int sz_kern_cpus(void);
/* Sum over CPUs of sz_counters or sz_lost, one per reason. */
int sz_kern_counters(const struct sz_kern *k, enum sz_map m, u64 ret[SZ_REASON_MAX]);

/* ---- rings ---------------------------------------------------------------------------------- */

/* Poll this fd (EPOLLIN semantics) through io_uring; it is the ring's own, not an epoll set. */
int sz_ring_fd(const struct sz_kern *k, enum sz_map ring);
typedef void (*sz_ring_fn)(const void *record, size_t len, void *arg);
/*
 * Consumes what is there, at most `max` records; returns how many. After `max` more may be waiting:
 * the fd stays readable, but an edge-triggered or multishot poll does not fire again for them.
 */
int sz_ring_consume(struct sz_kern *k, enum sz_map ring, int max, sz_ring_fn fn, void *arg);

/* ---- putting a held frame back -------------------------------------------------------------- */

/*
 * Runs sz_ingress on the frame as if it had just arrived on the interface
 * (BPF_PROG_TEST_RUN with BPF_F_TEST_XDP_LIVE_FRAMES). A partial TCP checksum (CHECKSUM_PARTIAL of
 * a local sender) is completed first; a wrong one gives -EBADMSG. `frame` is changed in place. The
 * kernel takes live frames of one page less its own headers: -EMSGSIZE beyond (with 4 KiB pages
 * frames up to 3,072 bytes are always taken). Call it in the interface's network namespace.
 */
int sz_kern_inject(struct sz_kern *k, u32 ifindex, u8 *frame, size_t len);

/* 1 = right, 2 = only the pseudo-header's sum is there, 0 = wrong or not TCP. Completes 2 in place.
 */
int sz_frame_checksum(u8 *frame, size_t len);

#endif

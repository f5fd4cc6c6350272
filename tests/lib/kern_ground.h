/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ground the tests of the room kern stand on: a network namespace with a veth pair and a pin
 * directory for each test. Included once by a test program, after harness.h; needs root.
 */
#ifndef SZ_TESTS_KERN_GROUND_H
#define SZ_TESTS_KERN_GROUND_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <sched.h>
#include <unistd.h>

#include "kern/kern_priv.h"

#define OBJECT "build/subzero.bpf.o"

static char pins[64];
static struct sz_error e;
static const struct sz_kern_options small = {
	.pin_dir = pins,
	.max_grants = 2000,
	.max_flows = 1000,
};

static inline int run(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	snprintf(cmd + n, sizeof(cmd) - (size_t)n, " >/dev/null 2>&1");
	return system(cmd);
}

static inline void drop_pins(void)
{
	struct sz_error ignored;

	if (*pins && !access(pins, F_OK))
		sz_kern_unload(pins, &ignored);
}

static inline void make_veth(void)
{
	ASSERT_EQ(run("ip link add v0 type veth peer name v1"), 0);
	ASSERT_EQ(run("ip link set v0 up && ip link set v1 up"), 0);
}

/* A namespace with v0 and v1; no pins. */
static inline void begin(void)
{
	if (geteuid())
		SKIP("needs root");
	if (!*pins) {
		snprintf(pins, sizeof(pins), "/sys/fs/bpf/sz-test-%d", getpid());
		atexit(drop_pins);
	}
	drop_pins();
	e.msg[0] = '\0';
	ASSERT_EQ(unshare(CLONE_NEWNET), 0);
	make_veth();
}

static inline struct sz_kern *load(void)
{
	struct sz_kern *k = NULL;
	int err = sz_kern_load(&small, &k, &e);

	if (err)
		printf("# %s\n", e.msg);
	ASSERT_EQ(err, 0);
	return k;
}

static inline u32 prog_id(int fd)
{
	struct sz_prog_info info;

	return sz_prog_info_read(fd, &info) ? 0 : info.id;
}

static inline u32 xdp_id(const char *ifname)
{
	u32 id = 0;

	bpf_xdp_query_id((int)if_nametoindex(ifname), 0, &id);
	return id;
}

/* An XDP or tc program that accepts everything; it refers to `map_fd` unless that is -1. */
static inline int tiny_prog(enum bpf_prog_type type, const char *name, int map_fd)
{
	struct bpf_insn insn[] = {
		{ .code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 1,
		  .src_reg = map_fd < 0 ? 0 : BPF_PSEUDO_MAP_FD, .imm = map_fd < 0 ? 0 : map_fd },
		{ 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0,
		  .imm = type == BPF_PROG_TYPE_XDP ? 2 : 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	LIBBPF_OPTS(bpf_prog_load_opts, opts,
		    .expected_attach_type = type == BPF_PROG_TYPE_XDP ? BPF_XDP : 0);

	return bpf_prog_load(type, name, "GPL", insn, SZ_ARRAY_LEN(insn), &opts);
}

static inline int entries(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *i;
	int n = 0;

	while (d && (i = readdir(d)))
		n += i->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The room kern on the running kernel: loading over pins, attachment in every way, maps, rings,
 * injection. Every test has a network namespace and a pin directory of its own.
 */
#include "harness.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
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

static int run(const char *fmt, ...)
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

static void drop_pins(void)
{
	struct sz_error ignored;

	if (*pins && !access(pins, F_OK))
		sz_kern_unload(pins, &ignored);
}

static void make_veth(void)
{
	ASSERT_EQ(run("ip link add v0 type veth peer name v1"), 0);
	ASSERT_EQ(run("ip link set v0 up && ip link set v1 up"), 0);
}

/* A namespace with v0 and v1; no pins. */
static void begin(void)
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

static struct sz_kern *load(void)
{
	struct sz_kern *k = NULL;
	int err = sz_kern_load(&small, &k, &e);

	if (err)
		printf("# %s\n", e.msg);
	ASSERT_EQ(err, 0);
	return k;
}

static u32 prog_id(int fd)
{
	struct sz_prog_info info;

	return sz_prog_info_read(fd, &info) ? 0 : info.id;
}

static u32 xdp_id(const char *ifname)
{
	u32 id = 0;

	bpf_xdp_query_id((int)if_nametoindex(ifname), 0, &id);
	return id;
}

/* An XDP or tc program that accepts everything; it refers to `map_fd` unless that is -1. */
static int tiny_prog(enum bpf_prog_type type, const char *name, int map_fd)
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

static int entries(const char *dir)
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

/* ---- loading ------------------------------------------------------------------------------------ */

TEST(load_pins_every_map_and_program_for_root_only)
{
	struct sz_kern *k, *cli = NULL;
	struct stat st;

	begin();
	k = load();
	EXPECT_EQ(entries(pins), SZ_MAP_COUNT + SZ_PROG_COUNT);
	EXPECT_EQ(stat(pins, &st), 0);
	EXPECT_EQ(st.st_mode & 0777, 0700);
	EXPECT_EQ(sz_kern_config(k)->abi, 0);
	sz_kern_config(k)->abi = SZ_ABI;
	sz_kern_config(k)->policy_gen = 77;
	EXPECT_EQ(sz_kern_open(pins, &cli, &e), 0);
	EXPECT_EQ(sz_kern_config(cli)->policy_gen, 77);
	sz_kern_close(cli);
	sz_kern_close(k);
}

TEST(open_without_pins_says_what_to_start)
{
	struct sz_kern *k = NULL;

	begin();
	EXPECT_EQ(sz_kern_open(pins, &k, &e), -ENOENT);
	EXPECT_CONTAINS(e.msg, "start subzerod");
	EXPECT_EQ(sz_kern_unload(pins, &e), -ENOENT);
}

TEST(a_second_load_keeps_state_and_program)
{
	struct sz_grant_key key = { .service = 3 };
	struct sz_grant in = { .principal = 42 }, out = { 0 };
	struct sz_kern *k;
	u32 id;

	begin();
	k = load();
	EXPECT_EQ(sz_map_put(k, SZ_MAP_GRANTS, &key, &in), 0);
	id = prog_id(k->prog_fd[SZ_PROG_INGRESS]);
	sz_kern_close(k);
	k = load();
	EXPECT_EQ(sz_map_get(k, SZ_MAP_GRANTS, &key, &out), 0);
	EXPECT_EQ(out.principal, 42);
	EXPECT_EQ(prog_id(k->prog_fd[SZ_PROG_INGRESS]), id);
	sz_kern_close(k);
}

TEST(capacities_are_chosen_once_and_then_adopted)
{
	struct sz_kern_options other = { .pin_dir = pins, .max_grants = 55, .max_flows = 66 };
	struct sz_kern *k;

	begin();
	k = load();
	EXPECT_EQ(sz_kern_map_capacity(k, SZ_MAP_GRANTS), 2000);
	EXPECT_EQ(sz_kern_map_capacity(k, SZ_MAP_FLOWS), 1000);
	sz_kern_close(k);
	ASSERT_EQ(sz_kern_load(&other, &k, &e), 0);
	EXPECT_EQ(sz_kern_map_capacity(k, SZ_MAP_GRANTS), 2000);
	sz_kern_close(k);
}

TEST(maps_of_another_abi_are_refused_and_can_be_unloaded)
{
	struct sz_kern *k;

	begin();
	k = load();
	sz_kern_config(k)->abi = SZ_ABI + 1;
	sz_kern_close(k);
	EXPECT_EQ(sz_kern_load(&small, &k, &e), -EPROTO);
	EXPECT_CONTAINS(e.msg, "subzeroctl unload");
	EXPECT_EQ(sz_kern_open(pins, &k, &e), -EPROTO);
	EXPECT_EQ(sz_kern_unload(pins, &e), 0);
	EXPECT_EQ(access(pins, F_OK), -1);
}

TEST(a_pinned_map_of_another_size_is_refused)
{
	char path[PATH_MAX];
	struct sz_kern *k;
	int fd;

	begin();
	sz_kern_close(load());
	sz_pin_path(pins, "sz_tickets", path);
	ASSERT_EQ(unlink(path), 0);
	fd = bpf_map_create(BPF_MAP_TYPE_HASH, "sz_tickets", 48, 8, SZ_MAX_TICKETS, NULL);
	ASSERT_EQ(bpf_obj_pin(fd, path), 0);
	close(fd);
	EXPECT_EQ(sz_kern_load(&small, &k, &e), -EPROTO);
	EXPECT_CONTAINS(e.msg, "sz_tickets");
	EXPECT_CONTAINS(e.msg, "value size 8");
	EXPECT_EQ(sz_kern_open(pins, &k, &e), -EPROTO);
}

TEST(a_pin_directory_off_bpffs_is_refused)
{
	struct sz_kern_options o = { .pin_dir = "/dev/shm" };
	struct sz_kern *k;

	begin();
	EXPECT_EQ(sz_kern_load(&o, &k, &e), -EINVAL);
	EXPECT_CONTAINS(e.msg, "not on a BPF file system");
	o.pin_dir = "relative";
	EXPECT_EQ(sz_kern_load(&o, &k, &e), -EINVAL);
}

/* ---- attachment ----------------------------------------------------------------------------------- */

TEST(attach_is_by_pinned_links_and_outlives_the_process_state)
{
	struct sz_attachment a, *list = NULL;
	struct sz_kern *k;

	begin();
	k = load();
	ASSERT_EQ(sz_kern_attach(k, "v0", 0, &a, &e), 0);
	EXPECT_TRUE(a.xdp && a.native && a.xdp_link && a.egress);
	EXPECT_EQ(a.tcx, sz_tcx_supported(a.ifindex));
	EXPECT_STREQ(a.ifname, "v0");
	sz_kern_close(k);
	ASSERT_EQ(sz_kern_open(pins, &k, &e), 0);
	EXPECT_EQ(sz_kern_attachments(k, &list, &e), 1);
	EXPECT_MEMEQ(list, &a, sizeof(a));
	free(list);
	EXPECT_EQ(xdp_id("v0"), a.xdp_prog_id);
	EXPECT_EQ(sz_kern_detach(k, "v0", &e), 0);
	EXPECT_EQ(xdp_id("v0"), 0);
	EXPECT_EQ(sz_kern_attachments(k, &list, &e), 0);
	EXPECT_EQ(entries(pins), SZ_MAP_COUNT + SZ_PROG_COUNT);
	EXPECT_EQ(sz_kern_detach(k, "v0", &e), 0);
	sz_kern_close(k);
}

TEST(attach_twice_changes_nothing)
{
	struct sz_attachment a, b;
	struct sz_kern *k;

	begin();
	k = load();
	ASSERT_EQ(sz_kern_attach(k, "v0", 0, &a, &e), 0);
	sz_kern_close(k);
	k = load();
	EXPECT_EQ(sz_kern_attach(k, "v0", 0, &b, &e), 0);
	EXPECT_MEMEQ(&a, &b, sizeof(a));
	EXPECT_EQ(entries(pins), SZ_MAP_COUNT + SZ_PROG_COUNT + 1 + a.tcx);
	sz_kern_close(k);
}

TEST(generic_mode_is_kept_until_detached)
{
	struct sz_attachment a;
	struct sz_kern *k;

	begin();
	k = load();
	ASSERT_EQ(sz_kern_attach(k, "v0", 2, &a, &e), 0);
	EXPECT_TRUE(a.xdp && !a.native && a.xdp_link);
	EXPECT_EQ(sz_kern_attach(k, "v0", 1, &a, &e), -EBUSY);
	EXPECT_CONTAINS(e.msg, "subzeroctl detach v0");
	EXPECT_EQ(sz_kern_attach(k, "v0", 0, &a, &e), 0);
	EXPECT_TRUE(!a.native);
	EXPECT_EQ(sz_kern_detach(k, "v0", &e), 0);
	EXPECT_EQ(sz_kern_attach(k, "v0", 1, &a, &e), 0);
	EXPECT_TRUE(a.native);
	sz_kern_close(k);
}

TEST(auto_mode_falls_back_to_generic)
{
	struct sz_attachment a;
	struct sz_kern *k;

	begin();
	k = load();
	EXPECT_EQ(sz_kern_attach(k, "lo", 1, &a, &e), -EOPNOTSUPP); /* has no native XDP */
	EXPECT_CONTAINS(e.msg, "choose generic mode");
	EXPECT_EQ(sz_kern_attachments(k, &(struct sz_attachment *){ 0 }, &e), 0);
	ASSERT_EQ(sz_kern_attach(k, "lo", 0, &a, &e), 0);
	EXPECT_TRUE(a.xdp && !a.native);
	sz_kern_close(k);
}

TEST(an_upgrade_takes_effect_in_the_same_link)
{
	struct sz_attachment a, b;
	struct sz_kern *k;
	int old[SZ_PROG_COUNT], i;

	begin();
	k = load();
	old[0] = tiny_prog(BPF_PROG_TYPE_XDP, "sz_ingress", k->map_fd[SZ_MAP_CONFIG]);
	old[1] = tiny_prog(BPF_PROG_TYPE_SCHED_CLS, "sz_egress", k->map_fd[SZ_MAP_CONFIG]);
	for (i = 0; i < SZ_PROG_COUNT; i++) {
		ASSERT_TRUE(old[i] >= 0);
		ASSERT_EQ(sz_pin_replace(pins, sz_prog_name(i), old[i]), 0);
		ASSERT_TRUE(dup2(old[i], k->prog_fd[i]) >= 0);
	}
	ASSERT_EQ(sz_kern_attach(k, "v0", 0, &a, &e), 0);
	EXPECT_EQ(a.xdp_prog_id, prog_id(old[0]));
	sz_kern_close(k);
	k = load();
	EXPECT_TRUE(prog_id(k->prog_fd[0]) != a.xdp_prog_id);
	EXPECT_EQ(xdp_id("v0"), a.xdp_prog_id);
	ASSERT_EQ(sz_kern_attach(k, "v0", 0, &b, &e), 0);
	EXPECT_EQ(b.xdp_prog_id, prog_id(k->prog_fd[0]));
	EXPECT_EQ(b.egress_prog_id, prog_id(k->prog_fd[1]));
	EXPECT_TRUE(b.xdp_link);
	EXPECT_EQ(b.tcx, a.tcx);
	EXPECT_EQ(entries(pins), SZ_MAP_COUNT + SZ_PROG_COUNT + 1 + a.tcx);
	for (i = 0; i < SZ_PROG_COUNT; i++)
		close(old[i]);
	sz_kern_close(k);
}

TEST(a_program_that_ip_attached_is_recognised_and_kept)
{
	struct sz_attachment a;
	struct sz_kern *k;

	begin();
	k = load();
	ASSERT_EQ(run("ip link set dev v0 xdp pinned %s/sz_ingress", pins), 0);
	ASSERT_EQ(sz_kern_attach(k, "v0", 0, &a, &e), 0);
	EXPECT_TRUE(a.xdp && a.native && !a.xdp_link && a.egress);
	EXPECT_EQ(a.xdp_prog_id, prog_id(k->prog_fd[0]));
	EXPECT_EQ(sz_kern_detach(k, "v0", &e), 0);
	EXPECT_EQ(xdp_id("v0"), 0);
	sz_kern_close(k);
}

TEST(a_program_that_bpftool_attached_is_recognised_and_kept)
{
	struct sz_attachment *list = NULL;
	struct sz_kern *k;

	begin();
	if (run("bpftool version"))
		SKIP("needs bpftool");
	k = load();
	ASSERT_EQ(run("bpftool net attach xdpgeneric pinned %s/sz_ingress dev v0", pins), 0);
	ASSERT_EQ(sz_kern_attachments(k, &list, &e), 1);
	EXPECT_TRUE(list->xdp && !list->native && !list->xdp_link && !list->egress);
	free(list);
	sz_kern_close(k);
	EXPECT_EQ(sz_kern_unload(pins, &e), 0);
	EXPECT_EQ(xdp_id("v0"), 0);
}

TEST(an_older_program_that_ip_attached_is_replaced)
{
	char path[PATH_MAX];
	struct sz_attachment a;
	struct sz_kern *k;
	int old;

	begin();
	k = load();
	old = tiny_prog(BPF_PROG_TYPE_XDP, "sz_ingress", k->map_fd[SZ_MAP_CONFIG]);
	sz_pin_path(pins, "sz_ingress_new", path);
	ASSERT_EQ(bpf_obj_pin(old, path), 0);
	ASSERT_EQ(run("ip link set dev v0 xdp pinned %s", path), 0);
	ASSERT_EQ(xdp_id("v0"), prog_id(old));
	ASSERT_EQ(sz_kern_attach(k, "v0", 0, &a, &e), 0);
	EXPECT_EQ(xdp_id("v0"), prog_id(k->prog_fd[0]));
	EXPECT_TRUE(!a.xdp_link);
	close(old);
	sz_kern_close(k);
}

TEST(a_foreign_xdp_program_is_not_displaced)
{
	int fd = -1;
	struct sz_kern *k;
	u32 id;

	begin();
	k = load();
	fd = tiny_prog(BPF_PROG_TYPE_XDP, "somebody", -1);
	ASSERT_EQ(bpf_xdp_attach((int)if_nametoindex("v0"), fd, 0, NULL), 0);
	id = prog_id(fd);
	EXPECT_EQ(sz_kern_attach(k, "v0", 0, NULL, &e), -EBUSY);
	EXPECT_CONTAINS(e.msg, "'somebody'");
	EXPECT_CONTAINS(e.msg, "ip link set dev v0 xdpdrv off");
	EXPECT_EQ(xdp_id("v0"), id);
	EXPECT_EQ(sz_kern_detach(k, "v0", &e), 0);
	EXPECT_EQ(xdp_id("v0"), id);
	EXPECT_EQ(sz_kern_attachments(k, &(struct sz_attachment *){ 0 }, &e), 0);
	close(fd);
	sz_kern_close(k);
}

TEST(a_program_of_another_running_daemon_is_not_displaced)
{
	struct sz_config c = { .abi = SZ_ABI, .heartbeat_ttl_ns = 60000000000ull };
	u32 zero = 0;
	int map, fd;
	struct sz_kern *k;

	begin();
	k = load();
	c.heartbeat_ns = sz_boot_ns();
	map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "sz_config", 4, sizeof(c), 1, NULL);
	ASSERT_EQ(bpf_map_update_elem(map, &zero, &c, 0), 0);
	fd = tiny_prog(BPF_PROG_TYPE_XDP, "sz_ingress", map);
	ASSERT_EQ(bpf_xdp_attach((int)if_nametoindex("v0"), fd, 0, NULL), 0);
	EXPECT_EQ(sz_kern_attach(k, "v0", 0, NULL, &e), -EBUSY);
	EXPECT_EQ(xdp_id("v0"), prog_id(fd));
	c.heartbeat_ns = 1; /* that daemon is gone */
	c.heartbeat_ttl_ns = 1;
	ASSERT_EQ(bpf_map_update_elem(map, &zero, &c, 0), 0);
	EXPECT_EQ(sz_kern_attach(k, "v0", 0, NULL, &e), 0);
	EXPECT_EQ(xdp_id("v0"), prog_id(k->prog_fd[0]));
	close(fd);
	close(map);
	sz_kern_close(k);
}

TEST(without_tcx_egress_is_a_clsact_filter)
{
	struct sz_attachment *list = NULL;
	struct sz_kern *k;
	struct sz_hook h;
	u32 ifindex;
	int old;

	begin();
	k = load();
	ifindex = if_nametoindex("v0");
	ASSERT_EQ(sz_egress_attach(k, ifindex, "v0", false, &e), 0);
	sz_egress_query(k, ifindex, &h);
	EXPECT_EQ(h.owner, SZ_OWNER_US);
	EXPECT_TRUE(!h.tcx);
	EXPECT_EQ(h.prog_id, prog_id(k->prog_fd[1]));
	ASSERT_EQ(sz_kern_attachments(k, &list, &e), 1);
	EXPECT_TRUE(!list->xdp && list->egress && !list->tcx);
	free(list);
	/* Another version replaces it where it is. */
	old = tiny_prog(BPF_PROG_TYPE_SCHED_CLS, "sz_egress", k->map_fd[SZ_MAP_FLOWS]);
	ASSERT_TRUE(dup2(old, k->prog_fd[1]) >= 0);
	EXPECT_EQ(sz_egress_attach(k, ifindex, "v0", true, &e), 0);
	sz_egress_query(k, ifindex, &h);
	EXPECT_TRUE(!h.tcx);
	EXPECT_EQ(h.prog_id, prog_id(old));
	close(old);
	EXPECT_EQ(sz_kern_detach(k, "v0", &e), 0);
	sz_egress_query(k, ifindex, &h);
	EXPECT_EQ(h.owner, SZ_OWNER_NONE);
	sz_kern_close(k);
}

TEST(a_foreign_clsact_filter_is_not_displaced)
{
	struct sz_kern *k;
	char path[PATH_MAX];
	int fd;

	begin();
	k = load();
	fd = tiny_prog(BPF_PROG_TYPE_SCHED_CLS, "somebody", -1);
	sz_pin_path(pins, "sz_egress_new", path);
	ASSERT_EQ(bpf_obj_pin(fd, path), 0);
	close(fd);
	ASSERT_EQ(run("tc qdisc add dev v0 clsact"), 0);
	ASSERT_EQ(run("tc filter add dev v0 egress prio 1 handle 1 bpf da pinned %s", path), 0);
	EXPECT_EQ(sz_egress_attach(k, if_nametoindex("v0"), "v0", false, &e), -EBUSY);
	EXPECT_CONTAINS(e.msg, "tc filter show dev v0 egress");
	sz_kern_close(k);
}

TEST(an_egress_filter_made_by_tc_is_recognised_and_kept)
{
	struct sz_attachment a;
	struct sz_kern *k;

	begin();
	k = load();
	ASSERT_EQ(run("tc qdisc add dev v0 clsact"), 0);
	ASSERT_EQ(run("tc filter add dev v0 egress prio 1 handle 1 bpf da pinned %s/sz_egress",
		      pins), 0);
	ASSERT_EQ(sz_kern_attach(k, "v0", 0, &a, &e), 0);
	EXPECT_TRUE(a.egress && !a.tcx && a.xdp_link);
	EXPECT_EQ(sz_kern_detach(k, "v0", &e), 0);
	EXPECT_EQ(sz_kern_attachments(k, &(struct sz_attachment *){ 0 }, &e), 0);
	sz_kern_close(k);
}

TEST(an_interface_that_comes_back_is_attached_again)
{
	struct sz_attachment a, b;
	struct sz_kern *k;

	begin();
	k = load();
	ASSERT_EQ(sz_kern_attach(k, "v0", 0, &a, &e), 0);
	ASSERT_EQ(run("ip link del v0"), 0);
	EXPECT_EQ(sz_kern_detach(k, "v0", &e), -ENODEV);
	EXPECT_EQ(entries(pins), SZ_MAP_COUNT + SZ_PROG_COUNT);
	make_veth();
	ASSERT_EQ(sz_kern_attach(k, "v0", 0, &a, &e), 0);
	ASSERT_EQ(run("ip link del v0"), 0);
	make_veth();
	ASSERT_EQ(sz_kern_attach(k, "v0", 0, &b, &e), 0);
	EXPECT_TRUE(b.xdp_link && b.ifindex != a.ifindex);
	EXPECT_EQ(xdp_id("v0"), b.xdp_prog_id);
	EXPECT_EQ(entries(pins), SZ_MAP_COUNT + SZ_PROG_COUNT + 1 + b.tcx);
	sz_kern_close(k);
}

TEST(a_renamed_interface_keeps_its_link)
{
	struct sz_attachment a;
	struct sz_kern *k;

	begin();
	k = load();
	ASSERT_EQ(sz_kern_attach(k, "v0", 0, &a, &e), 0);
	ASSERT_EQ(run("ip link set v0 down && ip link set v0 name v0.7 && ip link set v0.7 up && "
		      "ip link set v1 down && ip link set v1 name v0"),
		  0);
	ASSERT_EQ(sz_kern_attach(k, "v0.7", 0, &a, &e), 0);
	EXPECT_TRUE(a.xdp_link);
	ASSERT_EQ(sz_kern_attach(k, "v0", 0, &a, &e), 0);
	EXPECT_TRUE(a.xdp_link);
	EXPECT_EQ(sz_kern_detach(k, "v0.7", &e), 0);
	EXPECT_EQ(xdp_id("v0"), a.xdp_prog_id);
	EXPECT_EQ(xdp_id("v0.7"), 0);
	ASSERT_EQ(sz_kern_attach(k, "v0.7", 0, &a, &e), 0);
	EXPECT_TRUE(a.xdp_link);
	sz_kern_close(k);
}

TEST(maps_of_an_object_that_ip_loaded_are_shared)
{
	const char *const interfaces[] = { "absent", "v1", "v0" };
	struct sz_kern_options o = small;
	struct sz_prog_info info;
	struct sz_attachment a;
	struct sz_kern *k = NULL;
	u32 id, i, shared = 0;
	int m, fd;

	begin();
	if (access(OBJECT, R_OK))
		SKIP("needs " OBJECT ": run make first");
	ASSERT_EQ(run("ip link set dev v0 xdp obj %s sec xdp", OBJECT), 0);
	id = xdp_id("v0");
	o.interfaces = interfaces;
	o.n_interfaces = SZ_ARRAY_LEN(interfaces);
	ASSERT_EQ(sz_kern_load(&o, &k, &e), 0);
	EXPECT_EQ(entries(pins), SZ_MAP_COUNT + SZ_PROG_COUNT);
	ASSERT_EQ(sz_kern_attach(k, "v0", 0, &a, &e), 0);
	EXPECT_TRUE(a.xdp && !a.xdp_link && a.egress);
	EXPECT_EQ(a.xdp_prog_id, id);
	fd = bpf_prog_get_fd_by_id(id);
	ASSERT_EQ(sz_prog_info_read(fd, &info), 0);
	close(fd);
	for (m = 0; m < SZ_MAP_COUNT; m++)
		if (m == SZ_MAP_CONFIG || m == SZ_MAP_COUNTERS)
			for (i = 0; i < info.n_maps; i++)
				shared += k->shape[m].id == info.map_id[i];
	EXPECT_EQ(shared, 2);
	sz_kern_close(k);
}

TEST(an_object_that_ip_loaded_beside_pinned_maps_gives_way)
{
	const char *const interfaces[] = { "v0" };
	struct sz_kern_options o = small;
	struct sz_attachment a;
	struct sz_kern *k;

	begin();
	if (access(OBJECT, R_OK))
		SKIP("needs " OBJECT ": run make first");
	k = load();
	ASSERT_EQ(run("ip link set dev v0 xdp obj %s sec xdp", OBJECT), 0);
	EXPECT_EQ(sz_kern_attachments(k, &(struct sz_attachment *){ 0 }, &e), 0);
	sz_kern_close(k);
	o.interfaces = interfaces;
	o.n_interfaces = 1;
	ASSERT_EQ(sz_kern_load(&o, &k, &e), 0);
	ASSERT_EQ(sz_kern_attach(k, "v0", 0, &a, &e), 0);
	EXPECT_EQ(a.xdp_prog_id, prog_id(k->prog_fd[0]));
	EXPECT_EQ(xdp_id("v0"), a.xdp_prog_id);
	sz_kern_close(k);
}

TEST(unload_detaches_everywhere_and_leaves_nothing)
{
	struct sz_kern *k;

	begin();
	k = load();
	ASSERT_EQ(sz_kern_attach(k, "v0", 0, NULL, &e), 0);
	ASSERT_EQ(run("ip link set dev v1 xdp pinned %s/sz_ingress", pins), 0);
	EXPECT_EQ(sz_kern_unload(pins, &e), 0);
	EXPECT_EQ(xdp_id("v0"), 0);
	EXPECT_EQ(xdp_id("v1"), 0);
	EXPECT_EQ(access(pins, F_OK), -1);
	sz_kern_close(k);
}

/* ---- maps ------------------------------------------------------------------------------------------- */

struct seen {
	const struct sz_kern *k;
	enum sz_map map;
	u64 n, sum;
	int stop_at;
	bool delete;
};

static int count(const void *key, const void *value, void *arg)
{
	struct seen *s = arg;

	s->n++;
	if (s->map == SZ_MAP_GRANTS)
		s->sum += ((const struct sz_grant *)value)->principal;
	if (s->delete)
		EXPECT_EQ(sz_map_del(s->k, s->map, key), 0);
	return s->stop_at && s->n == (u64)s->stop_at ? 123 : 0;
}

TEST(each_visits_every_entry_of_a_hash_once_and_may_delete_it)
{
	struct sz_kern *k;
	struct seen s;
	u32 i;

	begin();
	k = load();
	for (i = 1; i <= 1700; i++) {
		struct sz_grant_key key = { .token.w[0] = i };
		struct sz_grant g = { .principal = i };

		ASSERT_EQ(sz_map_put_new(k, SZ_MAP_GRANTS, &key, &g), 0);
	}
	s = (struct seen){ .k = k, .map = SZ_MAP_GRANTS };
	EXPECT_EQ(sz_map_each(k, SZ_MAP_GRANTS, count, &s), 0);
	EXPECT_EQ(s.n, 1700);
	EXPECT_EQ(s.sum, 1700 * 1701 / 2);
	s = (struct seen){ .k = k, .map = SZ_MAP_GRANTS, .stop_at = 5 };
	EXPECT_EQ(sz_map_each(k, SZ_MAP_GRANTS, count, &s), 123);
	EXPECT_EQ(s.n, 5);
	s = (struct seen){ .k = k, .map = SZ_MAP_GRANTS, .delete = true };
	EXPECT_EQ(sz_map_each(k, SZ_MAP_GRANTS, count, &s), 0);
	EXPECT_EQ(s.n, 1700);
	s = (struct seen){ .k = k, .map = SZ_MAP_GRANTS };
	EXPECT_EQ(sz_map_each(k, SZ_MAP_GRANTS, count, &s), 0);
	EXPECT_EQ(s.n, 0);
	sz_kern_close(k);
}

TEST(each_walks_a_trie_and_may_delete_from_it)
{
	struct sz_kern *k;
	struct seen s;
	u32 i;

	begin();
	k = load();
	for (i = 0; i < 100; i++) {
		struct sz_ban_key key = { .prefixlen = 128 };
		struct sz_ban ban = { .source = 1 };

		key.addr.b[15] = (u8)i;
		ASSERT_EQ(sz_map_put(k, SZ_MAP_BANS, &key, &ban), 0);
	}
	s = (struct seen){ .k = k, .map = SZ_MAP_BANS, .delete = true };
	EXPECT_EQ(sz_map_each(k, SZ_MAP_BANS, count, &s), 0);
	EXPECT_EQ(s.n, 100);
	s = (struct seen){ .k = k, .map = SZ_MAP_BANS };
	EXPECT_EQ(sz_map_each(k, SZ_MAP_BANS, count, &s), 0);
	EXPECT_EQ(s.n, 0);
	s = (struct seen){ .k = k, .map = SZ_MAP_ANSWERS };
	EXPECT_EQ(sz_map_each(k, SZ_MAP_ANSWERS, count, &s), 0);
	EXPECT_EQ(s.n, SZ_REASON_MAX);
	EXPECT_EQ(sz_map_each(k, SZ_MAP_EVENTS, count, &s), -EINVAL);
	sz_kern_close(k);
}

static int sum_cpus(const void *key, const void *value, void *arg)
{
	const u64 *v = value;
	u64 *sum = arg;
	int c;

	EXPECT_EQ(((const struct sz_hit_key *)key)->service, 9);
	for (c = 0; c < sz_kern_cpus(); c++)
		*sum += v[c];
	return 0;
}

TEST(per_cpu_values_arrive_for_every_cpu)
{
	struct sz_hit_key key = { .service = 9 };
	u64 *v = calloc((size_t)sz_kern_cpus(), sizeof(*v)), sum = 0, total[SZ_REASON_MAX];
	u32 reason = SZ_R_BANNED;
	struct sz_kern *k;
	int c;

	begin();
	k = load();
	for (c = 0; c < sz_kern_cpus(); c++)
		v[c] = 1000 + (u64)c;
	for (key.route = 0; key.route < 600; key.route++)
		ASSERT_EQ(sz_map_put(k, SZ_MAP_HITS, &key, v), 0);
	EXPECT_EQ(sz_map_each(k, SZ_MAP_HITS, sum_cpus, &sum), 0);
	for (c = 0; c < sz_kern_cpus(); c++)
		sum -= 600 * v[c];
	EXPECT_EQ(sum, 0);
	EXPECT_EQ(sz_map_put(k, SZ_MAP_LOST, &reason, v), 0);
	EXPECT_EQ(sz_kern_counters(k, SZ_MAP_LOST, total), 0);
	for (c = 0; c < sz_kern_cpus(); c++)
		total[SZ_R_BANNED] -= v[c];
	EXPECT_EQ(total[SZ_R_BANNED], 0);
	EXPECT_EQ(total[SZ_R_HIT], 0);
	EXPECT_EQ(sz_kern_counters(k, SZ_MAP_CONFIG, total), -EINVAL);
	free(v);
	sz_kern_close(k);
}

TEST(map_errors_have_names)
{
	struct sz_kern_options o = { .pin_dir = pins, .max_grants = 4 };
	struct sz_grant_key key = { 0 };
	struct sz_grant g = { 0 };
	struct sz_kern *k = NULL;

	begin();
	ASSERT_EQ(sz_kern_load(&o, &k, &e), 0);
	EXPECT_EQ(sz_map_get(k, SZ_MAP_GRANTS, &key, &g), -ENOENT);
	EXPECT_EQ(sz_map_del(k, SZ_MAP_GRANTS, &key), -ENOENT);
	for (key.service = 0; key.service < 4; key.service++)
		EXPECT_EQ(sz_map_put_new(k, SZ_MAP_GRANTS, &key, &g), 0);
	EXPECT_EQ(sz_map_put(k, SZ_MAP_GRANTS, &key, &g), -E2BIG);
	key.service = 0;
	EXPECT_EQ(sz_map_put_new(k, SZ_MAP_GRANTS, &key, &g), -EEXIST);
	EXPECT_EQ(sz_map_put(k, SZ_MAP_GRANTS, &key, &g), 0);
	sz_kern_close(k);
}

/* ---- rings -------------------------------------------------------------------------------------------- */

/* A program that appends eight bytes to the ring each time it runs. */
static int ring_writer(int ring_fd)
{
	struct bpf_insn insn[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 1, .imm = 0x5a },
		{ .code = BPF_STX | BPF_MEM | BPF_DW, .dst_reg = 10, .src_reg = 1, .off = -8 },
		{ .code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_FD,
		  .imm = ring_fd },
		{ 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 2, .src_reg = 10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 2, .imm = -8 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = 8 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 4, .imm = 0 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_ringbuf_output },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 2 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "ring_writer", "GPL", insn, SZ_ARRAY_LEN(insn),
			     NULL);
}

static void take(const void *record, size_t len, void *arg)
{
	EXPECT_EQ(len, 8);
	EXPECT_EQ(*(const u64 *)record, 0x5a);
	++*(int *)arg;
}

TEST(a_ring_is_pollable_and_consumed_in_bounded_steps)
{
	u8 frame[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = 10);
	struct pollfd p = { .events = POLLIN };
	struct sz_kern *k;
	int fd, n = 0;

	begin();
	k = load();
	p.fd = sz_ring_fd(k, SZ_MAP_EVENTS);
	EXPECT_EQ(p.fd, sz_kern_map_fd(k, SZ_MAP_EVENTS));
	EXPECT_EQ(sz_ring_fd(k, SZ_MAP_GRANTS), -EINVAL);
	EXPECT_EQ(poll(&p, 1, 0), 0);
	EXPECT_EQ(sz_ring_consume(k, SZ_MAP_EVENTS, 4, take, &n), 0);
	fd = ring_writer(p.fd);
	ASSERT_EQ(bpf_prog_test_run_opts(fd, &opts), 0);
	EXPECT_EQ(poll(&p, 1, 1000), 1);
	EXPECT_EQ(sz_ring_consume(k, SZ_MAP_EVENTS, 4, take, &n), 4);
	EXPECT_EQ(n, 4);
	EXPECT_EQ(poll(&p, 1, 0), 1);
	EXPECT_EQ(sz_ring_consume(k, SZ_MAP_EVENTS, 4, take, &n), 4);
	EXPECT_EQ(sz_ring_consume(k, SZ_MAP_EVENTS, 4, take, &n), 2);
	EXPECT_EQ(n, 10);
	EXPECT_EQ(poll(&p, 1, 0), 0);
	EXPECT_EQ(sz_ring_consume(k, SZ_MAP_GRANTS, 4, take, &n), -EINVAL);
	close(fd);
	sz_kern_close(k);
}

/* ---- injection ---------------------------------------------------------------------------------------- */

/* IPv4 TCP to 192.0.2.2:9 with a partial checksum: only the pseudo-header's sum. */
static size_t tcp_frame(u8 *f, size_t payload)
{
	static const u8 head[54] = {
		2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0,                          /* Ethernet */
		0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, /* IPv4 */
		0x80, 1, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0xff, 0, 0, 0, 0, 0,  /* TCP */
	};
	u32 sum = 6 + 20 + (u32)payload;
	size_t i;

	memcpy(f, head, sizeof(head));
	memset(f + sizeof(head), 'x', payload);
	f[16] = (u8)((40 + payload) >> 8);
	f[17] = (u8)(40 + payload);
	for (i = 26; i < 34; i += 2)
		sum += (u32)(f[i] << 8 | f[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	f[50] = (u8)(sum >> 8);
	f[51] = (u8)sum;
	return sizeof(head) + payload;
}

TEST(an_injected_frame_arrives_with_a_completed_checksum)
{
	u8 frame[2048], got[2048];
	size_t len = tcp_frame(frame, 700);
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) };
	struct timeval patience = { .tv_sec = 2 };
	struct sz_kern *k;
	int s;

	begin();
	k = load();
	ASSERT_EQ(sz_kern_attach(k, "v0", 0, NULL, &e), 0);
	at.sll_ifindex = (int)if_nametoindex("v0");
	s = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_IP));
	ASSERT_EQ(bind(s, (struct sockaddr *)&at, sizeof(at)), 0);
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	ASSERT_EQ(sz_kern_inject(k, (u32)at.sll_ifindex, frame, len), 0);
	EXPECT_EQ(sz_frame_checksum(frame, len), 1);
	EXPECT_EQ(recv(s, got, sizeof(got), 0), len);
	EXPECT_MEMEQ(got, frame, len);
	close(s);
	sz_kern_close(k);
}

TEST(frames_that_cannot_be_put_back_are_named)
{
	static u8 frame[16384];
	struct sz_kern *k;
	u32 ifindex;
	size_t len;

	begin();
	k = load();
	ASSERT_EQ(sz_kern_attach(k, "v0", 0, NULL, &e), 0);
	ifindex = if_nametoindex("v0");
	len = tcp_frame(frame, 100);
	frame[60] ^= 1;
	frame[50] ^= 1;
	EXPECT_EQ(sz_kern_inject(k, ifindex, frame, len), -EBADMSG);
	len = tcp_frame(frame, 3000 - 54);
	EXPECT_EQ(sz_kern_inject(k, ifindex, frame, len), 0);
	len = tcp_frame(frame, 3500 - 54);
	EXPECT_EQ(sz_kern_inject(k, ifindex, frame, len), -EMSGSIZE);
	len = tcp_frame(frame, 9000);
	EXPECT_EQ(sz_kern_inject(k, ifindex, frame, len), -EMSGSIZE);
	EXPECT_EQ(sz_kern_inject(k, ifindex, frame, 13), -EINVAL);
	len = tcp_frame(frame, 100);
	EXPECT_TRUE(sz_kern_inject(k, 9999, frame, len) < 0);
	sz_kern_close(k);
}

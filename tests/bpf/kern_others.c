/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Attachment beside ip, bpftool and tc: what they made is recognised, shared or left alone. */
#include "harness.h"

#include "kern_ground.h"

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

TEST(an_object_that_bpftool_loaded_and_pinned_is_used_as_it_is)
{
	struct sz_attachment a;
	struct sz_kern *k;
	u32 id;

	begin();
	if (run("bpftool version") || access(OBJECT, R_OK))
		SKIP("needs bpftool and " OBJECT ": run make first");
	/* Attached and pinned before any daemon ran. */
	ASSERT_EQ(run("bpftool prog loadall %s %s pinmaps %s", OBJECT, pins, pins), 0);
	ASSERT_EQ(run("bpftool net attach xdp pinned %s/sz_ingress dev v0", pins), 0);
	id = xdp_id("v0");
	ASSERT_EQ(sz_kern_load(&(struct sz_kern_options){ .pin_dir = pins }, &k, &e), 0);
	ASSERT_EQ(sz_kern_attach(k, "v0", 0, &a, &e), 0);
	EXPECT_EQ(a.xdp_prog_id, id);
	EXPECT_TRUE(!a.xdp_link && a.egress);
	sz_kern_close(k);
	EXPECT_EQ(sz_kern_unload(pins, &e), 0);
	EXPECT_EQ(access(pins, F_OK), -1);
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

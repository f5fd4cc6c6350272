/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Attachment by the room kern itself: links, modes, upgrades, interfaces that come and go. */
#include "harness.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kern_ground.h"

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

static int drop_capabilities(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct c[2] = { 0 };

	c[0].effective = c[0].permitted = 1u << CAP_NET_ADMIN;
	c[1].effective = c[1].permitted = 1u << (CAP_BPF - 32) | 1u << (CAP_PERFMON - 32);
	return (int)syscall(SYS_capset, &h, c);
}

TEST(without_cap_sys_admin_a_restart_still_recognises_its_own)
{
	struct sz_attachment a, b;
	struct sz_kern *k;
	int status = -1;
	pid_t child;

	begin();
	k = load();
	ASSERT_EQ(sz_kern_attach(k, "v0", 0, &a, &e), 0);
	sz_kern_close(k);
	child = fork();
	if (!child) {
		if (drop_capabilities() || sz_kern_load(&small, &k, &e) ||
		    sz_kern_attach(k, "v0", 0, &b, &e) || !b.xdp_link ||
		    b.egress != a.egress || b.tcx != a.tcx || sz_kern_detach(k, "v0", &e) ||
		    sz_kern_attach(k, "v0", 0, &b, &e)) {
			printf("# %s\n", e.msg);
			_exit(1);
		}
		_exit(0);
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	EXPECT_EQ(status, 0);
	EXPECT_TRUE(xdp_id("v0") != 0);
}

TEST(a_program_with_other_constants_is_another_program)
{
	u8 bytes[3] = { 1, 1, 2 };
	struct sz_kern *k;
	int prog[3], i;
	u32 zero = 0;

	begin();
	k = load();
	for (i = 0; i < 3; i++) {
		int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, ".rodata.test", 4, 1, 1, NULL);

		ASSERT_EQ(bpf_map_update_elem(map, &zero, &bytes[i], 0), 0);
		prog[i] = tiny_prog(BPF_PROG_TYPE_XDP, "sz_ingress", map);
		ASSERT_TRUE(prog[i] >= 0);
		close(map);
	}
	EXPECT_TRUE(sz_prog_same(k, prog[0], prog_id(prog[1])));
	EXPECT_TRUE(!sz_prog_same(k, prog[0], prog_id(prog[2])));
	for (i = 0; i < 3; i++)
		close(prog[i]);
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

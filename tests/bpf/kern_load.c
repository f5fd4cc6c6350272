/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Loading the BPF object over pinned maps, on the running kernel. */
#include "harness.h"

#include <sys/stat.h>

#include "kern_ground.h"

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

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Files in the pin directory: the BPF file system itself, programs that are replaced in one step,
 * links by interface. Never touches a file it does not know.
 *
 * A pinned link is named after its interface for the reader's sake only; it is found by what the
 * kernel says about it, so a renamed interface keeps its link. Interface numbers are per network
 * namespace: every namespace needs a pin directory of its own.
 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "kern/kern_priv.h"

#define BPFFS "/sys/fs/bpf"
#define LINK_NAMES 16 /* names tried for one link */

void sz_pin_path(const char *pin_dir, const char *name, char ret[PATH_MAX])
{
	int n = snprintf(ret, PATH_MAX, "%s/%s", pin_dir, name);

	if (n < 0 || n >= PATH_MAX)
		*ret = '\0'; /* no such file; sz_pin_dir_lock() has refused the directory */
}

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && (unsigned long)fs.f_type == BPF_FS_MAGIC;
}

/* Where /proc does not tell, no. */
static bool mounts_are_private(void)
{
	struct stat own, init;

	return !stat("/proc/self/ns/mnt", &own) && !stat("/proc/1/ns/mnt", &init) &&
	       own.st_ino != init.st_ino;
}

/* A mount that ends with this process would take pins and links, and so enforcement, with it. */
static int mount_bpffs(struct sz_error *e)
{
	if (is_bpffs(BPFFS))
		return 0;
	if (mounts_are_private())
		return sz_error_set(e, -ENOTSUP,
				    "no BPF file system at " BPFFS ", and one mounted in this "
				    "private mount namespace would vanish with it: run 'mount -t "
				    "bpf bpf " BPFFS "' outside; use 'nsenter --net=/run/netns/X' "
				    "in place of 'ip netns exec X'");
	if (!mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
		return 0;
	return sz_error_set(e, -errno,
			    "cannot mount the BPF file system: %s; as root, run "
			    "'mount -t bpf bpf " BPFFS "'",
			    strerror(errno));
}

static int make_dirs(const char *path, struct sz_error *e)
{
	char s[PATH_MAX], *p;

	snprintf(s, sizeof(s), "%s", path);
	for (p = s + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(s, 0700) && errno != EEXIST)
			goto fail;
		*p = '/';
	}
	if (!mkdir(s, 0700) || errno == EEXIST)
		return 0;
fail:
	return sz_error_set(e, -errno, "cannot make the pin directory %s: %s", s,
			    strerror(errno));
}

int sz_pin_dir_lock(const char *pin_dir, struct sz_error *e)
{
	int err, fd;

	if (*pin_dir != '/' || strlen(pin_dir) + SZ_PIN_NAME_MAX >= PATH_MAX)
		return sz_error_set(e, -EINVAL,
				    "pin directory '%.200s' is not usable: give an absolute path "
				    "below " BPFFS,
				    pin_dir);
	if (!strncmp(pin_dir, BPFFS "/", strlen(BPFFS "/"))) {
		err = mount_bpffs(e);
		if (err)
			return err;
	}
	err = make_dirs(pin_dir, e);
	if (err)
		return err;
	if (!is_bpffs(pin_dir))
		return sz_error_set(e, -EINVAL,
				    "pin directory %.200s is not on a BPF file system: choose one "
				    "below " BPFFS,
				    pin_dir);
	/* The directory may be older than this program: nobody else may reach the digest key. */
	if (chmod(pin_dir, 0700))
		return sz_error_set(e, -errno, "cannot restrict %.200s: %s", pin_dir,
				    strerror(errno));
	fd = open(pin_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX)) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return sz_error_set(e, err, "cannot lock %.200s: %s", pin_dir, strerror(-err));
	}
	return fd;
}

int sz_pin_replace(const char *pin_dir, const char *name, int fd)
{
	char path[PATH_MAX], fresh[PATH_MAX], fresh_name[SZ_PIN_NAME_MAX];
	int err;

	snprintf(fresh_name, sizeof(fresh_name), "%s_new", name);
	sz_pin_path(pin_dir, name, path);
	sz_pin_path(pin_dir, fresh_name, fresh);
	unlink(fresh);
	err = bpf_obj_pin(fd, fresh);
	if (err)
		return err;
	if (!rename(fresh, path))
		return 0;
	err = -errno;
	unlink(fresh);
	return err;
}

/* ---- links ---------------------------------------------------------------------------------- */

/* xdp.ifindex and, in newer kernels, tcx.ifindex are the same bytes; 0 = the interface is gone. */
static int link_read(const char *path, u32 *ret_ifindex, u32 *ret_prog_id)
{
	struct bpf_link_info info = { 0 };
	u32 len = sizeof(info);
	int fd = bpf_obj_get(path), err;

	if (fd < 0)
		return fd;
	err = bpf_obj_get_info_by_fd(fd, &info, &len);
	if (err) {
		close(fd);
		return err;
	}
	*ret_ifindex = info.xdp.ifindex;
	*ret_prog_id = info.prog_id;
	return fd;
}

static bool is_link(const char *name)
{
	return !strncmp(name, SZ_LINK_XDP, strlen(SZ_LINK_XDP)) ||
	       !strncmp(name, SZ_LINK_TCX, strlen(SZ_LINK_TCX));
}

int sz_link_find(const char *pin_dir, const char *prefix, u32 ifindex, u32 prog_id,
		 char ret_path[PATH_MAX])
{
	DIR *dir = opendir(pin_dir);
	struct dirent *d;
	int found = -ENOENT;

	if (!dir)
		return -errno;
	while (found < 0 && (d = readdir(dir))) {
		u32 at, prog;
		int fd;

		if (strncmp(d->d_name, prefix, strlen(prefix)))
			continue;
		sz_pin_path(pin_dir, d->d_name, ret_path);
		fd = link_read(ret_path, &at, &prog);
		if (fd < 0)
			continue;
		if ((at == ifindex || !ifindex) && prog == prog_id)
			found = fd;
		else
			close(fd);
	}
	closedir(dir);
	return found;
}

int sz_link_pin(const char *pin_dir, const char *prefix, const char *ifname, int link_fd)
{
	char path[PATH_MAX], name[SZ_PIN_NAME_MAX], *dot;
	int i, err = -EEXIST;

	for (i = 1; err == -EEXIST && i <= LINK_NAMES; i++) {
		if (i == 1)
			snprintf(name, sizeof(name), "%s%.16s", prefix, ifname);
		else
			snprintf(name, sizeof(name), "%s%.16s_%d", prefix, ifname, i);
		while ((dot = strchr(name, '.'))) /* bpffs refuses dots */
			*dot = '-';
		sz_pin_path(pin_dir, name, path);
		err = bpf_obj_pin(link_fd, path);
	}
	return err;
}

int sz_link_remove(int link_fd, const char *path)
{
	int err = bpf_link_detach(link_fd);

	if (unlink(path) && !err)
		err = -errno;
	return err;
}

void sz_link_sweep(const char *pin_dir)
{
	DIR *dir = opendir(pin_dir);
	char path[PATH_MAX];
	struct dirent *d;

	if (!dir)
		return;
	while ((d = readdir(dir))) {
		u32 ifindex, prog;
		int fd;

		if (!is_link(d->d_name))
			continue;
		sz_pin_path(pin_dir, d->d_name, path);
		fd = link_read(path, &ifindex, &prog);
		if (fd < 0)
			continue;
		if (!ifindex)
			unlink(path);
		close(fd);
	}
	closedir(dir);
}

/* ---- removal -------------------------------------------------------------------------------- */

/* Ours, and what 'bpftool prog loadall ... pinmaps' adds from the same object. */
#define CLAIM "daemon" /* a directory that the running daemon has locked */

int sz_kern_claim(struct sz_kern *k, struct sz_error *e)
{
	char path[PATH_MAX];
	int fd, err;

	sz_pin_path(k->pin_dir, CLAIM, path);
	fd = mkdir(path, 0700) && errno != EEXIST
		     ? -1
		     : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB)) {
		k->claim = fd;
		return 0;
	}
	err = errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (fd >= 0)
		close(fd);
	if (err == -EBUSY)
		return sz_error_set(e, err,
				    "another subzerod uses the maps in %.200s: stop it, or set "
				    "another pin_dir",
				    k->pin_dir);
	return sz_error_set(e, err, "cannot lock %.200s: %s", path, strerror(-err));
}

static bool is_ours(const char *name)
{
	return !strcmp(name, CLAIM) || is_link(name) || !strncmp(name, "sz_", 3) ||
	       !strncmp(name, "_rodata", 7);
}

static int pin_remove(const char *path, const char *name)
{
	u32 ifindex, prog;
	int fd;

	if (is_link(name)) {
		fd = link_read(path, &ifindex, &prog);
		if (fd >= 0) {
			bpf_link_detach(fd);
			close(fd);
		}
	}
	if (!strcmp(name, CLAIM))
		return rmdir(path) ? -errno : 0;
	return unlink(path) ? -errno : 0;
}

int sz_pin_dir_remove(const char *pin_dir, struct sz_error *e)
{
	DIR *dir = opendir(pin_dir);
	char path[PATH_MAX];
	struct dirent *d;
	int err = 0;

	if (!dir)
		return sz_error_set(e, -errno, "%.200s: %s", pin_dir, strerror(errno));
	while (!err && (d = readdir(dir))) {
		if (!is_ours(d->d_name))
			continue;
		sz_pin_path(pin_dir, d->d_name, path);
		err = pin_remove(path, d->d_name);
		if (err)
			sz_error_set(e, err, "cannot remove %.200s: %s", path, strerror(-err));
	}
	closedir(dir);
	if (err)
		return err;
	if (rmdir(pin_dir))
		return sz_error_set(e, -errno,
				    "cannot remove %.200s: %s; look for files in it that Subzero "
				    "did not make",
				    pin_dir, strerror(errno));
	return 0;
}

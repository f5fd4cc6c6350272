/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What /proc says about the daemon and about pressure (proc(5), the kernel's accounting/psi.rst).
 * Called for each scrape, and by the CLI for pressure. What cannot be read is an error and never a
 * zero.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "telemetry/telemetry.h"

#define TEXT_MAX 4096

/* A file of /proc tells its size only when it is read. */
static int read_text(const char *path, char text[TEXT_MAX])
{
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f)
		return -errno;
	n = fread(text, 1, TEXT_MAX - 1, f);
	text[n] = 0;
	fclose(f);
	return n ? 0 : -EIO;
}

struct stat_line {
	char name[32];
	unsigned long long user, system, started, virtual, resident;
};

/* A name may hold anything but ends with the last ')'; numbers are those of proc_pid_stat(5). */
static int read_stat(const char *path, struct stat_line *ret)
{
	char text[TEXT_MAX];
	const char *open, *close;
	int err = read_text(path, text);

	if (err)
		return err;
	open = strchr(text, '(');
	close = strrchr(text, ')');
	if (!open || !close || close < open)
		return -EBADMSG;
	snprintf(ret->name, sizeof(ret->name), "%.*s", (int)(close - open - 1), open + 1);
	return sscanf(close + 1,
		      " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d "
		      "%*d %llu %llu %llu",
		      &ret->user, &ret->system, &ret->started, &ret->virtual, &ret->resident) == 5 ?
		       0 : -EBADMSG;
}

static u64 ticks_ns(u64 ticks)
{
	return ticks * (1000000000ull / (u64)sysconf(_SC_CLK_TCK));
}

/* Threads come in the order of their ids: the loop first, then the workers as they were made. */
static void read_threads(struct sz_process *p)
{
	DIR *dir = opendir("/proc/self/task");
	const struct dirent *d;
	struct stat_line s;
	char path[64];

	while (dir && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/self/task/%.20s/stat", d->d_name);
		if (d->d_name[0] == '.' || read_stat(path, &s))
			continue;
		if (!strncmp(s.name, "iou-", 4))
			p->io_cpu_ns += ticks_ns(s.user + s.system);
		else if (p->n_threads < SZ_PROCESS_THREADS)
			p->thread_cpu_ns[p->n_threads++] = ticks_ns(s.user + s.system);
	}
	if (dir)
		closedir(dir);
}

static u64 count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *d;
	u64 n = 0;

	while (dir && (d = readdir(dir)))
		n += d->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n ? n - 1 : 0; /* without the one that was just open for this */
}

int sz_process_read(struct sz_process *ret)
{
	struct rlimit fds = {0};
	struct stat_line s;
	int err = read_stat("/proc/self/stat", &s);

	if (err)
		return err;
	getrlimit(RLIMIT_NOFILE, &fds);
	*ret = (struct sz_process){
		.cpu_ns = ticks_ns(s.user + s.system),
		.resident_bytes = s.resident * (u64)sysconf(_SC_PAGESIZE),
		.virtual_bytes = s.virtual,
		.open_fds = count_fds(),
		.max_fds = fds.rlim_cur,
		/* Since boot, by the clock that counts suspended time, too. */
		.started_s = ((double)sz_wall_ns() - (double)sz_boot_ns() +
			      (double)ticks_ns(s.started)) / 1e9,
	};
	read_threads(ret);
	return 0;
}

int sz_pressure_parse(const char *text, struct sz_pressure *ret)
{
	unsigned long long total;
	double avg10;

	if (sscanf(text, "some avg10=%lf avg60=%*f avg300=%*f total=%llu", &avg10, &total) != 2)
		return -EBADMSG;
	*ret = (struct sz_pressure){.ratio = avg10 / 100, .total_ns = total * 1000};
	return 0;
}

int sz_pressure_read(const char *resource, struct sz_pressure *ret)
{
	char path[64], text[TEXT_MAX];
	int err;

	snprintf(path, sizeof(path), "/proc/pressure/%.16s", resource);
	err = read_text(path, text);
	return err ? err : sz_pressure_parse(text, ret);
}

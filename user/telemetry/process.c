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
	unsigned long long faults, user, system, started, virtual, resident;
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
		      " %*c %*d %*d %*d %*d %*d %*u %*u %*u %llu %*u %llu %llu %*d %*d %*d %*d %*d "
		      "%*d %llu %llu %llu",
		      &ret->faults, &ret->user, &ret->system, &ret->started, &ret->virtual,
		      &ret->resident) == 6 ?
		       0 : -EBADMSG;
}

static u64 ticks_ns(u64 ticks)
{
	return ticks * (1000000000ull / (u64)sysconf(_SC_CLK_TCK));
}

/* Time on a CPU and time waiting for one, in nanoseconds (Documentation/scheduler/sched-stats.rst);
 * a kernel without them still tells ticks. */
static void read_thread(const char *task, const char *id, const struct stat_line *s,
			struct sz_process_thread *to)
{
	char path[96], text[TEXT_MAX];
	unsigned long long cpu = ticks_ns(s->user + s->system), wait = 0;

	snprintf(path, sizeof(path), "%s/%.20s/schedstat", task, id);
	if (!read_text(path, text) && sscanf(text, "%llu %llu", &cpu, &wait) != 2)
		wait = 0;
	to->cpu_ns += cpu;
	to->wait_ns += wait;
	to->major_faults += s->faults;
}

/* Threads come in the order of their ids: the loop first, then the workers as they were made. Those
 * that live for a moment have names of their own. */
static void read_threads(const char *task, struct sz_process *p)
{
	DIR *dir = opendir(task);
	const struct dirent *d;
	struct stat_line s;
	char path[96];

	while (dir && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%.20s/stat", task, d->d_name);
		if (d->d_name[0] == '.' || read_stat(path, &s))
			continue;
		if (!strncmp(s.name, "iou-", 4))
			read_thread(task, d->d_name, &s, &p->io);
		else if (p->n_threads < SZ_PROCESS_THREADS && strncmp(s.name, "sz-", 3) != 0)
			read_thread(task, d->d_name, &s, &p->thread[p->n_threads++]);
	}
	if (dir)
		closedir(dir);
}

static u64 count_fds(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *d;
	u64 n = 0;

	while (dir && (d = readdir(dir)))
		n += d->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n;
}

static int read_process(const char *proc, struct sz_process *ret)
{
	struct stat_line s;
	char path[64];
	int err;

	snprintf(path, sizeof(path), "%s/stat", proc);
	err = read_stat(path, &s);
	if (err)
		return err;
	snprintf(path, sizeof(path), "%s/fd", proc);
	*ret = (struct sz_process){
		.cpu_ns = ticks_ns(s.user + s.system),
		.resident_bytes = s.resident * (u64)sysconf(_SC_PAGESIZE),
		.virtual_bytes = s.virtual,
		.open_fds = count_fds(path),
		/* Since boot, by the clock that counts suspended time, too. */
		.started_s = ((double)sz_wall_ns() - (double)sz_boot_ns() +
			      (double)ticks_ns(s.started)) / 1e9,
	};
	snprintf(path, sizeof(path), "%s/task", proc);
	read_threads(path, ret);
	return 0;
}

int sz_process_read(struct sz_process *ret)
{
	struct rlimit fds = {0};
	int err = read_process("/proc/self", ret);

	if (err)
		return err;
	getrlimit(RLIMIT_NOFILE, &fds);
	ret->max_fds = fds.rlim_cur;
	ret->open_fds -= ret->open_fds > 0; /* the one that was just open for this */
	return 0;
}

int sz_process_read_pid(int pid, struct sz_process *ret)
{
	struct rlimit fds = {0};
	char proc[32];
	int err;

	snprintf(proc, sizeof(proc), "/proc/%d", pid);
	err = read_process(proc, ret);
	if (!err && !prlimit(pid, RLIMIT_NOFILE, NULL, &fds))
		ret->max_fds = fds.rlim_cur;
	return err;
}

int sz_pressure_parse(const char *text, struct sz_pressure *ret)
{
	unsigned long long total;
	const char *full;
	double avg10;

	if (sscanf(text, "some avg10=%lf avg60=%*f avg300=%*f total=%llu", &avg10, &total) != 2)
		return -EBADMSG;
	*ret = (struct sz_pressure){.ratio = avg10 / 100, .total_ns = total * 1000};
	full = strstr(text, "\nfull avg10=");
	if (full && sscanf(full, "\nfull avg10=%lf", &avg10) == 1)
		ret->full = avg10 / 100;
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

int sz_pressure_read_group(const char *cgroup, const char *resource, struct sz_pressure *ret)
{
	const char *group = strstr(cgroup, "0::/");
	char path[512], text[TEXT_MAX];
	int err;

	if (!group || (group != cgroup && group[-1] != '\n') || strstr(group, "/../"))
		return -ENOENT;
	group += strlen("0::");
	snprintf(path, sizeof(path), "/sys/fs/cgroup%.*s/%.16s.pressure",
		 (int)strcspn(group, "\n"), group, resource);
	err = read_text(path, text);
	return err ? err : sz_pressure_parse(text, ret);
}

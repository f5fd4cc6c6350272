/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Runs a command of subzeroctl inside a test, with what it prints in `out` and `err`. For the tests
 * of commands, behind harness.h; reads nothing but what the command itself opens.
 */
#ifndef SZ_TESTS_CTL_RUN_H
#define SZ_TESTS_CTL_RUN_H

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/ctl.h"

static char out[8192], err[4096];
static char file_dir[64];

/* A file of this content in a directory of this program's own, or in one below it; its path. */
static inline char *file(const char *name, const char *content)
{
	static char paths[8][128];
	static unsigned next;
	char *path = paths[next++ % 8], *slash;
	FILE *f;

	if (!file_dir[0]) {
		strcpy(file_dir, "/tmp/sz-ctl-XXXXXX");
		ASSERT_TRUE(mkdtemp(file_dir));
	}
	snprintf(path, 128, "%s/%s", file_dir, name);
	slash = strrchr(path, '/');
	*slash = 0;
	mkdir(path, 0700);
	*slash = '/';
	f = fopen(path, "w");
	ASSERT_TRUE(f);
	fputs(content, f);
	fclose(f);
	return path;
}

__attribute__((destructor)) static void file_clean_up(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", file_dir);
	if (file_dir[0] && system(command))
		fprintf(stderr, "%s stays behind\n", file_dir);
}

static void read_back(int fd, char *to, size_t room)
{
	ssize_t n = pread(fd, to, room - 1, 0);

	to[n > 0 ? n : 0] = 0;
	close(fd);
}

/* Runs with stdout and stderr in files. */
static int run(const struct sz_ctl_command *commands, int argc, char *const *argv)
{
	int saved[2] = {dup(1), dup(2)}, ret, i;
	FILE *file[2] = {tmpfile(), tmpfile()};
	struct sz_ctl c = {0};
	struct sz_error e;

	fflush(stdout);
	for (i = 0; i < 2; i++)
		dup2(fileno(file[i]), i + 1);
	ret = sz_ctl_parse(commands, argc, argv, &c.args, &e);
	if (!ret) {
		sz_ctl_init(&c);
		ret = c.args.cmd->run(&c);
		sz_ctl_done(&c);
	}
	fflush(stdout);
	for (i = 0; i < 2; i++) {
		dup2(saved[i], i + 1);
		close(saved[i]);
		read_back(dup(fileno(file[i])), i ? err : out, i ? sizeof(err) : sizeof(out));
		fclose(file[i]);
	}
	return ret;
}

#endif

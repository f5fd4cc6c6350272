/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A small audit log on disk for the tests that read and damage one: three segments of five records.
 * Include behind harness.h.
 */
#ifndef SZ_TESTS_AUDIT_LOG_H
#define SZ_TESTS_AUDIT_LOG_H

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "audit/audit_priv.h"

#define WALL 1795262400123456789ull /* 2026-11-21T12:00:00.123456789Z */

static const u8 zeros[SZ_AUDIT_HASH_LEN];

static inline void path_of(const char *dir, u32 segment, char path[PATH_MAX])
{
	sz_audit_segment_path(dir, segment, path, PATH_MAX);
}

static inline char *dir_new(void)
{
	char *dir = sz_strdup("/tmp/sz-audit-XXXXXX");

	if (!mkdtemp(dir))
		abort();
	return dir;
}

static inline void dir_free(char *dir)
{
	char path[PATH_MAX];
	struct dirent *d;
	DIR *s = opendir(dir);

	while (s && (d = readdir(s))) {
		snprintf(path, sizeof(path), "%s/%s", dir, d->d_name);
		unlink(path);
	}
	if (s)
		closedir(s);
	rmdir(dir);
	free(dir);
}

static inline void put_file(const char *dir, u32 segment, const char *p, size_t n)
{
	char path[PATH_MAX];
	int fd;

	path_of(dir, segment, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, p, n) != (ssize_t)n)
		abort();
	close(fd);
}

static inline void get_file(const char *dir, u32 segment, struct sz_buf *ret)
{
	char path[PATH_MAX];
	struct sz_error e;

	path_of(dir, segment, path);
	sz_buf_reset(ret);
	if (sz_file_read(path, 1 << 26, ret, &e))
		abort();
}

static inline void add_segment(struct sz_audit *a, u32 number)
{
	sz_audit_add(a, &(struct sz_audit_record){
				.type = SZ_AUDIT_SEGMENT, .wall_ns = WALL, .count = number });
}

static const struct sz_flow_key flow = {
	.client = { { [10] = 0xff, 0xff, 10, 0, 0, 7 } },
	.server = { { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } },
};

static inline void add_some(struct sz_audit *a)
{
	struct sz_flow_key f = flow;

	f.client_port = htons(40001);
	f.server_port = htons(80);
	sz_audit_add(a, &(struct sz_audit_record){ .type = SZ_AUDIT_DECISION, .wall_ns = WALL,
		.has_verdict = true, .verdict = SZ_ALLOW, .reason = SZ_R_HIT, .service = "shop",
		.method = "GET", .path = "/a?b=\"c\"", .path_len = 8, .kid = "k1", .alg = "EdDSA",
		.token = { { 1, 2 } }, .principal_id = 0xabc, .flow = &f, .latency_ns = 12345 });
	sz_audit_add(a, &(struct sz_audit_record){ .type = SZ_AUDIT_DENIAL, .wall_ns = WALL + 1,
		.has_verdict = true, .reason = SZ_R_NO_TOKEN, .service = "shop", .flow = &f });
	sz_audit_add(a, &(struct sz_audit_record){ .type = SZ_AUDIT_SUMMARY, .wall_ns = WALL + 2,
		.service = "shop", .principal_id = 0xabc, .count = 41 });
	sz_audit_add(a, &(struct sz_audit_record){ .type = SZ_AUDIT_LOST, .wall_ns = WALL + 3,
		.reason = SZ_R_BANNED, .count = 7 });
}

/* Three segments of five records each; returns the directory. */
static inline char *log_new(u8 ret_last[SZ_AUDIT_HASH_LEN])
{
	struct sz_audit *a = sz_audit_new(1, zeros);
	struct sz_buf b = { 0 };
	char *dir = dir_new();
	u64 seq;

	for (u32 s = 1; s <= 3; s++) {
		add_segment(a, s);
		add_some(a);
		sz_buf_reset(&b);
		sz_audit_take(a, &b);
		put_file(dir, s, b.data, b.len);
	}
	sz_audit_head(a, &seq, ret_last);
	sz_audit_free(a);
	sz_buf_done(&b);
	return dir;
}

static inline int verify(const char *dir, struct sz_audit_report *r, struct sz_error *e)
{
	e->msg[0] = 0;
	return sz_audit_verify(dir, NULL, r, NULL, NULL, e);
}

/* The lines of a segment, each with its line end. */
#define LINES 5

static inline void split(const struct sz_buf *b, const char *line[LINES], size_t len[LINES])
{
	const char *p = b->data;

	for (int i = 0; i < LINES; i++, p += len[i - 1]) {
		line[i] = p;
		len[i] = (size_t)(strchr(p, '\n') + 1 - p);
	}
}

#endif

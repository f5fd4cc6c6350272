/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What every room stands on: a message for people, the clocks, a growing byte buffer, allocation
 * that cannot fail at boot. Library functions return 0 or -errno and fill a struct sz_error;
 * only programs print.
 */
#ifndef SZ_CORE_CORE_H
#define SZ_CORE_CORE_H

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "subzero/abi.h"

#define SZ_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define SZ_MUST_CHECK   __attribute__((warn_unused_result))
#define SZ_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* ---- a message for people: what is wrong, where, and what to do about it -------------------- */

struct sz_error {
	char msg[512];
};

/* Writes the message and returns `err` (a negative errno), so that a function can end with it. */
int sz_error_set(struct sz_error *e, int err, const char *fmt, ...) SZ_PRINTF(3, 4);

/* ---- the log: one line to stderr, with the priority prefix journald understands ------------- */

enum sz_log_level {
	SZ_LOG_ERR = 3,
	SZ_LOG_WARNING = 4,
	SZ_LOG_NOTICE = 5,
	SZ_LOG_INFO = 6,
	SZ_LOG_DEBUG = 7
};

/* Messages above `level` are not written. Default: SZ_LOG_INFO. */
void sz_log_level_set(enum sz_log_level level);
void sz_log(enum sz_log_level level, const char *fmt, ...) SZ_PRINTF(2, 3);

/* ---- clocks --------------------------------------------------------------------------------- */

u64 sz_boot_ns(void); /* CLOCK_BOOTTIME, the clock of the maps */
u64 sz_wall_ns(void); /* CLOCK_REALTIME, nanoseconds since the epoch */
/* A wall-clock second as CLOCK_BOOTTIME nanoseconds, by both clocks as they stand now; saturates.
 */
u64 sz_wall_to_boot_ns(s64 wall_s);

/* ---- memory --------------------------------------------------------------------------------- */

/* As calloc, realloc, strdup; the process ends with a message when there is no memory. */
void *sz_calloc(size_t n, size_t size);
/* The same at a multiple of `align`, a power of two; free() frees it. */
void *sz_calloc_aligned(size_t n, size_t size, size_t align);
void *sz_realloc(void *p, size_t n, size_t size);
char *sz_strdup(const char *s);
char *sz_strndup(const char *s, size_t n);

/* Bytes that grow. data is NUL-terminated behind len whenever it is not NULL. */
struct sz_buf {
	char *data;
	size_t len;
	size_t cap;
};

void sz_buf_reserve(struct sz_buf *b, size_t more);
void sz_buf_add(struct sz_buf *b, const void *p, size_t n);
void sz_buf_printf(struct sz_buf *b, const char *fmt, ...) SZ_PRINTF(2, 3);
void sz_buf_reset(struct sz_buf *b); /* empties, keeps the memory */
void sz_buf_done(struct sz_buf *b);  /* frees */

/* Whole file into a buffer, at most `max` bytes; -EFBIG beyond. */
int sz_file_read(const char *path, size_t max, struct sz_buf *ret, struct sz_error *e);
/* Replaces a file atomically: written beside it, fsynced, renamed, directory fsynced. */
int sz_file_replace(const char *path, const void *p, size_t n, unsigned mode, struct sz_error *e);

/* ---- names of verdicts ---------------------------------------------------------------------- */

const char *sz_reason_label(u32 reason); /* "no_token"; "unknown" for a number not in the list */
const char *sz_reason_text(u32 reason);
int sz_reason_http(u32 reason);         /* 0 where there is no answer */
const char *sz_method_name(u32 method); /* "GET"; "OTHER" beyond */
enum sz_method sz_method_parse(const char *s, size_t n);

/* ---- addresses ------------------------------------------------------------------------------ */

#define SZ_ADDR_STRLEN 64
/* "10.0.0.1" or "2001:db8::1"; mapped addresses print as IPv4. Returns `s`. */
char *sz_addr_format(const struct sz_addr *a, char s[SZ_ADDR_STRLEN]);
int sz_addr_parse(const char *s, struct sz_addr *ret);
/* "10.0.0.0/8" or a bare address; prefix in 0..128 over the mapped form. */
int sz_prefix_parse(const char *s, struct sz_addr *ret, u32 *ret_prefix);
/* "10.0.0.1:80", "[2001:db8::1]:80", "*:80"; port in network order, any address is all zero. */
int sz_endpoint_parse(const char *s, struct sz_addr *ret, u16 *ret_port);

/* ---- URLs ----------------------------------------------------------------------------------- */

/* Pieces of `text`, which must stay. */
struct sz_url {
	const char *text;
	size_t origin_len; /* of scheme, host and port, from the beginning of text */
	bool https;        /* else http */
	const char *host;  /* with its brackets where it is an IPv6 address */
	size_t host_len;
	u32 port;          /* host order; 443 or 80 where none is named */
	const char *path;  /* "" or from '/' on; what follows it is a query */
	size_t path_len;
};
/*
 * "https://host[:port][/path][?query]" or http. -EINVAL for any other scheme, user names,
 * fragments, spaces, control characters and bytes beyond ASCII.
 */
int sz_url_parse(const char *s, struct sz_url *ret);
/* Is the host "localhost", [::1] or an IPv4 address in 127.0.0.0/8? */
bool sz_url_loopback(const struct sz_url *u);

#endif

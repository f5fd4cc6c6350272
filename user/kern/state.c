/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The open state of one pin directory, and libbpf's log. Used by every other file of the room.
 * Never prints: what libbpf says goes to the log at debug level and into error messages.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kern/kern_priv.h"

static const char *const map_name[SZ_MAP_COUNT] = {
	[SZ_MAP_CONFIG] = "sz_config",
	[SZ_MAP_SERVICES] = "sz_services",
	[SZ_MAP_SYN] = "sz_syn",
	[SZ_MAP_ROUTES] = "sz_routes",
	[SZ_MAP_GRANTS] = "sz_grants",
	[SZ_MAP_REQUESTS] = "sz_requests",
	[SZ_MAP_PROFILES] = "sz_profiles",
	[SZ_MAP_DENIED] = "sz_denied",
	[SZ_MAP_HALF] = "sz_half",
	[SZ_MAP_FLOWS] = "sz_flows",
	[SZ_MAP_TICKETS] = "sz_tickets",
	[SZ_MAP_CARRY] = "sz_carry",
	[SZ_MAP_SPILL] = "sz_spill",
	[SZ_MAP_SOURCES] = "sz_sources",
	[SZ_MAP_LIMITS] = "sz_limits",
	[SZ_MAP_LIMIT_COUNTS] = "sz_limit_counts",
	[SZ_MAP_BUCKETS] = "sz_buckets",
	[SZ_MAP_NETWORKS] = "sz_networks",
	[SZ_MAP_HITS] = "sz_hits",
	[SZ_MAP_BANS] = "sz_bans",
	[SZ_MAP_ALLOW] = "sz_allow",
	[SZ_MAP_REVOKED] = "sz_revoked",
	[SZ_MAP_NAMES] = "sz_names",
	[SZ_MAP_ANSWERS] = "sz_answers",
	[SZ_MAP_COUNTERS] = "sz_counters",
	[SZ_MAP_LOST] = "sz_lost",
	[SZ_MAP_MISSES] = "sz_misses",
	[SZ_MAP_EVENTS] = "sz_events",
};

static const char *const prog_name[SZ_PROG_COUNT] = {
	[SZ_PROG_INGRESS] = "sz_ingress",
	[SZ_PROG_EGRESS] = "sz_egress",
};

const char *sz_kern_map_name(enum sz_map m)
{
	return (unsigned)m < SZ_MAP_COUNT ? map_name[m] : "unknown";
}

const char *sz_prog_name(enum sz_prog p)
{
	return prog_name[p];
}

/* ---- libbpf's log --------------------------------------------------------------------------- */

#define SAID_MAX 280 /* of the 512 bytes of a struct sz_error */

static _Thread_local char said[SAID_MAX];
static _Thread_local bool said_verifier;

const char *sz_said(void)
{
	return *said ? said : "no details from libbpf";
}

void sz_said_reset(void)
{
	*said = '\0';
	said_verifier = false;
}

/* The end of the verifier's log says what it refused. */
static void keep_verifier(const char *text)
{
	const char *end = strstr(text, "-- END PROG LOAD LOG --"), *from;

	if (!end)
		end = text + strlen(text);
	from = end - text < SAID_MAX - 1 ? text : end - (SAID_MAX - 1);
	snprintf(said, sizeof(said), "%.*s", (int)(end - from), from);
	said_verifier = true;
}

static int capture(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char *text, *line, *rest;

	if (vasprintf(&text, fmt, ap) < 0)
		return 0;
	if (level == LIBBPF_WARN && !said_verifier) {
		if (strstr(text, "BEGIN PROG LOAD LOG"))
			keep_verifier(text);
		else if (!*said)
			snprintf(said, sizeof(said), "%.*s", (int)strcspn(text, "\n"), text);
	}
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		sz_log(SZ_LOG_DEBUG, "%s", line);
	free(text);
	return 0;
}

void sz_said_start(void)
{
	libbpf_set_print(capture);
	sz_said_reset();
}

/* ---- state ---------------------------------------------------------------------------------- */

struct sz_kern *sz_kern_new(const char *pin_dir)
{
	struct sz_kern *k = sz_calloc(1, sizeof(*k));
	size_t n = strlen(pin_dir);
	int i;

	while (n > 1 && pin_dir[n - 1] == '/')
		n--;
	k->pin_dir = sz_strndup(pin_dir, n);
	for (i = 0; i < SZ_MAP_COUNT; i++)
		k->map_fd[i] = -1;
	for (i = 0; i < SZ_PROG_COUNT; i++)
		k->prog_fd[i] = -1;
	k->claim = -1;
	sz_said_start();
	return k;
}

/* Elements of a mapped array lie at multiples of 8 bytes. */
static size_t memory_size(const struct sz_kern *k, enum sz_map m)
{
	return ((size_t)k->shape[m].value_size + 7) / 8 * 8 * k->shape[m].max_entries;
}

void *sz_kern_map_memory(struct sz_kern *k, enum sz_map m, struct sz_error *e)
{
	void *p = k->memory[m];

	if (p)
		return p;
	p = mmap(NULL, memory_size(k, m), PROT_READ | PROT_WRITE, MAP_SHARED, k->map_fd[m], 0);
	if (p == MAP_FAILED) {
		sz_error_set(e, -errno, "cannot map %s: %s", map_name[m], strerror(errno));
		return NULL;
	}
	k->memory[m] = p;
	return p;
}

void sz_kern_close(struct sz_kern *k)
{
	size_t i;

	if (!k)
		return;
	for (i = 0; i < SZ_ARRAY_LEN(k->ring); i++)
		ring_buffer__free(k->ring[i].rb);
	if (k->config)
		munmap(k->config, sizeof(*k->config));
	for (i = 0; i < SZ_MAP_COUNT; i++)
		if (k->memory[i])
			munmap(k->memory[i], memory_size(k, (enum sz_map)i));
	for (i = 0; i < SZ_MAP_COUNT; i++)
		if (k->map_fd[i] >= 0)
			close(k->map_fd[i]);
	for (i = 0; i < SZ_PROG_COUNT; i++)
		if (k->prog_fd[i] >= 0)
			close(k->prog_fd[i]);
	if (k->claim >= 0)
		close(k->claim);
	free(k->pin_dir);
	free(k);
}

bool sz_kern_map_is_new(const struct sz_kern *k, enum sz_map m)
{
	return k->made[m];
}

int sz_clock_check(struct sz_error *e)
{
	FILE *f = fopen("/proc/self/timens_offsets", "re");
	char line[128];
	long long s = 0, ns = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "boottime %lld %lld", &s, &ns) == 2)
			break;
	if (f)
		fclose(f);
	if (!s && !ns)
		return 0;
	return sz_error_set(e, -EINVAL,
			    "this time namespace moves CLOCK_BOOTTIME by %lld s, and the kernel's "
			    "programs do not see that: run Subzero outside of it",
			    s);
}

int sz_map_shape_read(int fd, struct sz_map_shape *ret)
{
	struct bpf_map_info info = { 0 };
	u32 len = sizeof(info);
	int err = bpf_obj_get_info_by_fd(fd, &info, &len);

	if (err)
		return err;
	*ret = (struct sz_map_shape){
		.id = info.id,
		.type = info.type,
		.key_size = info.key_size,
		.value_size = info.value_size,
		.max_entries = info.max_entries,
		.flags = info.map_flags,
	};
	return 0;
}

void sz_kern_open_pins(struct sz_kern *k)
{
	char path[PATH_MAX];
	int i;

	for (i = 0; i < SZ_MAP_COUNT; i++) {
		sz_pin_path(k->pin_dir, map_name[i], path);
		k->map_fd[i] = bpf_obj_get(path);
		if (k->map_fd[i] >= 0)
			sz_map_shape_read(k->map_fd[i], &k->shape[i]);
	}
	for (i = 0; i < SZ_PROG_COUNT; i++) {
		sz_pin_path(k->pin_dir, prog_name[i], path);
		k->prog_fd[i] = bpf_obj_get(path);
	}
}

int sz_kern_map_fd(const struct sz_kern *k, enum sz_map m)
{
	return (unsigned)m < SZ_MAP_COUNT ? k->map_fd[m] : -EINVAL;
}

u32 sz_kern_map_capacity(const struct sz_kern *k, enum sz_map m)
{
	return (unsigned)m < SZ_MAP_COUNT ? k->shape[m].max_entries : 0;
}

struct sz_config *sz_kern_config(const struct sz_kern *k)
{
	return k->config;
}

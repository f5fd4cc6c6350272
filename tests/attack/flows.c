/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Does the guard know a connection still? Asked of its pinned map, for the one case that waits
 * until it does not. The rig knows nothing else of the guard's inside: the key is written out here.
 */
#include "attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define VALUE_MAX 4096

static long bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static int open_map(void)
{
	const char *pins = getenv("ATT_PINS");
	union bpf_attr attr = {0};
	char path[256];
	long fd;

	if (!pins)
		att_die("ATT_PINS is not set: start this program through tests/attack/run.sh");
	snprintf(path, sizeof(path), "%s/sz_flows", pins);
	attr.pathname = (u64)(uintptr_t)path;
	fd = bpf(BPF_OBJ_GET, &attr);
	if (fd < 0)
		att_die("%s: %s", path, strerror(errno));
	return (int)fd;
}

static void put_addr(u8 to[16], bool v6, const void *addr)
{
	if (v6) {
		memcpy(to, addr, 16);
	} else {
		to[10] = to[11] = 0xff;
		memcpy(to + 12, addr, 4);
	}
}

bool att_flow_known(const struct att_case *c)
{
	static int map = -1;
	static u8 value[VALUE_MAX];
	union bpf_attr attr = {0};
	struct {
		u8 client[16], server[16];
		u16 client_port, server_port; /* network order */
		u32 pad;
	} key = {0};
	const char *server = getenv(c->v6 ? "ATT_SERVER6" : "ATT_SERVER4");
	const char *port = getenv("ATT_PORT");
	u8 addr[16];

	if (map < 0)
		map = open_map();
	if (!server || !port || inet_pton(c->v6 ? AF_INET6 : AF_INET, server, addr) != 1)
		att_die("ATT_SERVER4, ATT_SERVER6 and ATT_PORT say where the server is");
	put_addr(key.client, c->v6, c->addr);
	put_addr(key.server, c->v6, addr);
	key.client_port = htons(c->conn.port);
	key.server_port = htons((u16)atoi(port));
	attr.map_fd = (u32)map;
	attr.key = (u64)(uintptr_t)&key;
	attr.value = (u64)(uintptr_t)value;
	if (!bpf(BPF_MAP_LOOKUP_ELEM, &attr))
		return true;
	if (errno != ENOENT)
		att_die("sz_flows: %s", strerror(errno));
	return false;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The service manager's notification protocol (sd_notify(3)): one datagram a message. Called by
 * the daemon when ready, reloading, stopping and for the watchdog; never blocks the event loop.
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "telemetry/telemetry.h"

int sz_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t n;
	int fd, err = 0;

	if (!path || !*path)
		return 0;
	n = strlen(path);
	if ((path[0] != '/' && path[0] != '@') || n < 2)
		return -EAFNOSUPPORT;
	if (n >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, path, n);
	if (path[0] == '@')
		sa.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* An abstract name is all of its bytes, so its length excludes the NUL. */
	n += offsetof(struct sockaddr_un, sun_path) + (path[0] == '/');
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&sa,
		   (socklen_t)n) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* A decimal that fits; 0 for anything else, which neither variable may be. */
static u64 env_number(const char *name)
{
	const char *s = getenv(name);
	char *end;
	u64 v;

	if (!s || *s < '0' || *s > '9')
		return 0;
	errno = 0;
	v = strtoull(s, &end, 10);
	return errno || *end ? 0 : v;
}

u64 sz_notify_watchdog_ns(void)
{
	u64 usec = env_number("WATCHDOG_USEC");

	if (getenv("WATCHDOG_PID") && env_number("WATCHDOG_PID") != (u64)getpid())
		return 0;
	return usec <= UINT64_MAX / 1000 ? usec * 1000 : 0;
}

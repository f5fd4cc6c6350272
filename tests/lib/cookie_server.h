/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The listener behind a scene, for tests of SYN cookies: in the kernel a real one, in a network
 * namespace of this process; natively what native.h plays. Included behind scene.h.
 */
#ifndef SZ_TESTS_COOKIE_SERVER_H
#define SZ_TESTS_COOKIE_SERVER_H

enum cookie_server {
	COOKIE_LISTENS,  /* and has no connection with the scene's client */
	COOKIE_ELSEWHERE /* nothing that could take a cookie, as where there is a connection */
};

#ifdef SCENE_NATIVE

static inline void cookie_server(enum cookie_server how)
{
	native_tcp.listens = how == COOKIE_LISTENS;
}

#else

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>

static inline void cookie_sysctl(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	ASSERT_TRUE(fd >= 0);
	ASSERT_EQ(write(fd, value, strlen(value)), (ssize_t)strlen(value));
	close(fd);
}

static inline void cookie_server(enum cookie_server how)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(8080)};
	static int fd = -1;
	static bool apart;

	if (!apart) {
		ASSERT_EQ(unshare(CLONE_NEWNET), 0);
		apart = true;
		cookie_sysctl("/proc/sys/net/ipv4/tcp_syncookies", "2");
	}
	if (fd >= 0)
		close(fd);
	fd = -1;
	if (how != COOKIE_LISTENS)
		return;
	fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ASSERT_EQ(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	ASSERT_EQ(listen(fd, 16), 0);
}

#endif

#endif

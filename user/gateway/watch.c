/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Policy files, tables and databases of locations, reloaded when they change: inotify on their
 * directories, since an editor and sz_file_replace() put a new file in the old one's place. In the
 * loop's thread. A file that is being written is waited for; a bad one leaves the old policy in
 * force, as any reload.
 */
#include "gateway/gateway_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define SETTLE_NS 200000000ull
#define CHANGES   (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE)

static bool names(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');

	return !strcmp(slash ? slash + 1 : path, name);
}

/* Is it, by its name, one of those? Files of a directory that is included may also be new. */
static bool concerns(const struct sz_conf *c, const char *name)
{
	size_t n = strlen(name), i;

	for (i = 0; i < c->policy.n_files; i++)
		if (names(c->policy.files[i], name))
			return true;
	for (i = 0; i < c->policy.n_tables; i++)
		if (names(c->policy.tables[i].file, name))
			return true;
	for (i = 0; i < c->policy.n_locations; i++)
		if (names(c->policy.locations[i], name))
			return true;
	return c->policy.n_files && name[0] != '.' && n > 5 && !strcmp(name + n - 5, ".yaml");
}

static void on_change(unsigned events, void *arg)
{
	_Alignas(struct inotify_event) char buf[4096];
	struct sz_gateway *g = arg;
	const struct inotify_event *ev;
	ssize_t n, at;

	(void)events;
	while ((n = read(g->watch_fd, buf, sizeof(buf))) > 0) {
		for (at = 0; at < n; at += (ssize_t)(sizeof(*ev) + ev->len)) {
			ev = (const struct inotify_event *)(buf + at);
			if (ev->mask & IN_Q_OVERFLOW || (ev->len && concerns(g->conf, ev->name)))
				g->reload_at_ns = sz_boot_ns() + SETTLE_NS;
		}
	}
}

static void watch(struct sz_gateway *g, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash ? sz_strndup(path, slash > path ? (size_t)(slash - path) : 1)
			  : sz_strdup(".");

	if (inotify_add_watch(g->watch_fd, dir, CHANGES) < 0)
		sz_log(SZ_LOG_WARNING,
		       "%s cannot be watched for changes: %s; reload after each change", dir,
		       strerror(errno));
	free(dir);
}

void sz_watch_files(struct sz_gateway *g)
{
	const struct sz_conf *c = g->conf;
	size_t i;

	sz_watch_end(g);
	if (!c->policy.n_files && !c->policy.n_tables && !c->policy.n_locations)
		return;
	g->watch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (g->watch_fd < 0) {
		sz_log(SZ_LOG_WARNING, "policy files cannot be watched: %s", strerror(errno));
		g->watch_fd = 0;
		return;
	}
	for (i = 0; i < c->policy.n_files; i++)
		watch(g, c->policy.files[i]);
	for (i = 0; i < c->policy.n_tables; i++)
		watch(g, c->policy.tables[i].file);
	for (i = 0; i < c->policy.n_locations; i++)
		watch(g, c->policy.locations[i]);
	g->watch = sz_net_watch_new(g->loop, g->watch_fd, SZ_NET_IN, on_change, g);
}

void sz_watch_end(struct sz_gateway *g)
{
	if (!g->watch_fd)
		return;
	if (g->watch)
		sz_net_watch_end(g->watch);
	close(g->watch_fd);
	g->watch_fd = 0;
	g->watch = NULL;
}

void sz_watch_tick(struct sz_gateway *g, u64 now)
{
	struct sz_error e;

	if (!g->reload_at_ns || now < g->reload_at_ns || g->stopping)
		return;
	g->reload_at_ns = 0;
	if (sz_gateway_reload(g, &e))
		sz_log(SZ_LOG_ERR, "a policy file has changed and is not used: %s", e.msg);
	else
		sz_log(SZ_LOG_NOTICE, "a policy file has changed: reloaded");
}

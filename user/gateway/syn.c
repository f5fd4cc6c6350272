/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SYN cookies: an entry for each endpoint, what a SYN-ACK may offer, and when the kernel itself has
 * given out cookies, which the programs must know of (docs/threat-model.md). Called at every
 * publish and with every heartbeat.
 */
#include "gateway/gateway_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NETSTAT_MAX (64u << 10)

u32 sz_syn_flags(const struct sz_conf *c, const struct sz_conf_service *svc)
{
	enum sz_conf_cookies mode = svc->cookies ? svc->cookies : c->syn.mode;

	return mode == SZ_COOKIES_ALWAYS ? SZ_SVC_COOKIES_ALWAYS
	       : mode == SZ_COOKIES_AUTO ? SZ_SVC_COOKIES_AUTO
					 : 0;
}

struct endpoints {
	struct sz_gateway *g;
	const struct sz_conf *c;
};

static int drop_stale(const void *key, const void *value, void *arg)
{
	const struct sz_service_key *k = key;
	const struct endpoints *all = arg;
	size_t i, n;

	(void)value;
	for (i = 0; i < all->c->n_services; i++) {
		const struct sz_conf_service *svc = &all->c->services[i];

		for (n = 0; n < svc->n_endpoints; n++)
			if (k->port == svc->endpoints[n].port &&
			    !memcmp(&k->addr, &svc->endpoints[n].addr, sizeof(k->addr)))
				return 0;
	}
	sz_map_del(all->g->kern, SZ_MAP_SYN, key);
	return 0;
}

/* Entries are never replaced: the programs write into them. */
int sz_syn_publish(struct sz_gateway *g, const struct sz_conf *c, struct sz_error *e)
{
	struct endpoints all = {g, c};
	size_t i, n;
	int r;

	for (i = 0; i < c->n_services; i++) {
		const struct sz_conf_service *svc = &c->services[i];

		for (n = 0; n < svc->n_endpoints; n++) {
			struct sz_service_key key = {.addr = svc->endpoints[n].addr,
						     .port = svc->endpoints[n].port};
			struct sz_syn fresh = {};

			r = sz_map_put_new(g->kern, SZ_MAP_SYN, &key, &fresh);
			if (r && r != -EEXIST)
				return sz_error_set(e, r,
						    "cannot write the endpoints to the kernel: %s",
						    strerror(-r));
		}
	}
	sz_map_each(g->kern, SZ_MAP_SYN, drop_stale, &all);
	g->cfg->host = !c->syn.timestamps ? 0
					  : SZ_HOST_STAMPS | SZ_HOST_SACK | SZ_HOST_SCALE |
						    (c->syn.window_scale & SZ_HOST_WSCALE);
	return 0;
}

/* The n-th number (from 0) of the line that begins with `line` the second time. */
static bool number_at(const char *text, const char *line, unsigned n, u64 *ret)
{
	const char *p = strstr(text, line);
	char *end;

	p = p ? strstr(p + 1, line) : NULL;
	if (!p)
		return false;
	p += strlen(line);
	while (n--) {
		p += strspn(p, " ");
		p += strcspn(p, " \n");
	}
	*ret = strtoull(p, &end, 10);
	return end != p;
}

/* What /proc/net/netstat says under a name: a line of names, then one of numbers. */
static bool netstat(const char *text, const char *group, const char *name, u64 *ret)
{
	const char *p = strstr(text, group), *end;
	size_t len = strlen(name);
	unsigned n = 0;

	if (!p)
		return false;
	end = p + strcspn(p, "\n");
	for (p += strlen(group); p < end; n++) {
		p += strspn(p, " ");
		if (!strncmp(p, name, len) && (p[len] == ' ' || p[len] == '\n'))
			return number_at(text, group, n, ret);
		p += strcspn(p, " \n");
	}
	return false;
}

/*
 * Where it cannot be told, cookies are taken to be about: the programs then look a little closer
 * at young connections.
 */
void sz_syn_beat(struct sz_gateway *g)
{
	u64 sent = g->cookies_seen + 1, until = sz_boot_ns() + SZ_COOKIE_LIFE_NS;
	struct sz_error e = {};
	struct sz_buf b = {};

	if (!sz_file_read("/proc/self/net/netstat", NETSTAT_MAX, &b, &e) && b.data)
		netstat(b.data, "TcpExt:", "SyncookiesSent", &sent);
	sz_buf_done(&b);
	if (sent == g->cookies_seen)
		return;
	g->cookies_seen = sent;
	__atomic_store_n(&g->cfg->cookie_until_ns, until, __ATOMIC_RELEASE);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The receivers: a socket each, and a queue of datagrams that is sent a few at a time, whenever the
 * socket takes some. Called in the loop. No call here waits; a receiver that is gone costs one
 * connect a second.
 */
#include "forward/forward.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "forward/forward_priv.h"

#define RETRY_NS 1000000000ull
#define BURST    16 /* datagrams of one callback */

struct target {
	struct sz_forward *forward;
	enum sz_forward_target which;
	struct sz_conf_forward conf; /* path is a copy */
	int fd;
	struct sz_net_watch *watch;
	u64 retry_ns;
	struct sz_buf queue; /* length and bytes of each; */
	size_t at;           /* sent up to here */
	bool failing;        /* was told */
	u64 sent, dropped;
};

struct sz_forward {
	struct sz_loop_ring *loop;
	struct sz_net_timer *timer;
	struct sz_forward_from from;
	struct sz_buf scratch;
	struct target target[SZ_FORWARD_TARGETS];
};

const char *sz_forward_name(enum sz_forward_target t)
{
	return t == SZ_FORWARD_JOURNALD ? "journald" : "syslog";
}

/* ---- the socket ----------------------------------------------------------------------------- */

static int connect_path(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	strcpy(sa.sun_path, path);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && !connect(fd, (const struct sockaddr *)&sa, sizeof(sa)))
		return fd;
	return fd < 0 ? -errno : (close(fd), -errno);
}

/* IPv4 as ::ffff:a.b.c.d. */
static int connect_udp(const struct sz_conf_endpoint *to)
{
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_port = to->port};
	struct sockaddr_in sa4 = {.sin_family = AF_INET, .sin_port = to->port};
	static const u8 mapped[12] = {[10] = 0xff, [11] = 0xff};
	bool v4 = !memcmp(to->addr.b, mapped, sizeof(mapped));
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

	if (fd < 0)
		return -errno;
	memcpy(&sa.sin6_addr, to->addr.b, sizeof(sa.sin6_addr));
	memcpy(&sa4.sin_addr, to->addr.b + 12, sizeof(sa4.sin_addr));
	r = v4 ? connect(fd, (const struct sockaddr *)&sa4, sizeof(sa4))
	       : connect(fd, (const struct sockaddr *)&sa, sizeof(sa));
	if (!r)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

static void hang_up(struct target *t)
{
	if (t->watch)
		sz_net_watch_end(t->watch);
	t->watch = NULL;
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

/* Once while it lasts. */
static void failed(struct target *t, int err)
{
	if (!t->failing)
		sz_log(SZ_LOG_WARNING, "audit: %s does not take records: %s; up to %u KiB wait for "
		       "it, more is dropped and counted", sz_forward_name(t->which),
		       strerror(-err), SZ_FORWARD_QUEUE >> 10);
	t->failing = true;
	hang_up(t);
	t->retry_ns = sz_boot_ns() + RETRY_NS;
	if (t->forward->timer)
		sz_net_timer_set(t->forward->timer, t->retry_ns);
}

static bool is_empty(const struct target *t)
{
	return t->at == t->queue.len;
}

static void take_first(struct target *t, size_t n)
{
	t->at += sizeof(u32) + n;
	if (is_empty(t)) {
		sz_buf_reset(&t->queue);
		t->at = 0;
	}
}

/* Some of what waits. */
static void flush(struct target *t)
{
	unsigned i;
	ssize_t r;
	u32 n;

	for (i = 0; i < BURST && !is_empty(t); i++) {
		memcpy(&n, t->queue.data + t->at, sizeof(n));
		r = send(t->fd, t->queue.data + t->at + sizeof(n), n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (r < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS))
			return;
		if (r < 0 && errno != EMSGSIZE) {
			failed(t, -errno);
			return;
		}
		if (r < 0) {
			t->dropped++;
		} else {
			t->sent++;
			if (t->failing)
				sz_log(SZ_LOG_NOTICE, "audit: %s takes records again",
				       sz_forward_name(t->which));
			t->failing = false;
		}
		take_first(t, n);
	}
}

static void on_ready(unsigned events, void *arg)
{
	struct target *t = arg;
	char reply[64];

	if (events & (SZ_NET_IN | SZ_NET_ERR))
		while (recv(t->fd, reply, sizeof(reply), MSG_DONTWAIT) >= 0)
			; /* nobody has anything to say here */
	flush(t);
	if (t->watch)
		sz_net_watch_want(t->watch, is_empty(t) ? 0 : SZ_NET_OUT);
}

static void look(struct target *t)
{
	if (!t->conf.on || is_empty(t))
		return;
	if (t->fd < 0 && sz_boot_ns() >= t->retry_ns) {
		t->fd = t->conf.path ? connect_path(t->conf.path) : connect_udp(&t->conf.to);
		if (t->fd < 0) {
			failed(t, t->fd);
			return;
		}
		t->watch = sz_net_watch_new(t->forward->loop, t->fd, SZ_NET_OUT, on_ready, t);
	} else if (t->watch) {
		sz_net_watch_want(t->watch, SZ_NET_OUT);
	}
}

static void on_timer(void *arg)
{
	struct sz_forward *f = arg;
	unsigned i;

	for (i = 0; i < SZ_FORWARD_TARGETS; i++)
		look(&f->target[i]);
}

/* ---- records -------------------------------------------------------------------------------- */

static void enqueue(struct target *t, const struct sz_buf *datagram)
{
	u32 n = (u32)datagram->len;

	if (t->queue.len - t->at + sizeof(n) + n > SZ_FORWARD_QUEUE) {
		t->dropped++;
		return;
	}
	/* What was sent makes room before the buffer grows beyond twice the limit. */
	if (t->at > SZ_FORWARD_QUEUE) {
		t->queue.len -= t->at;
		memmove(t->queue.data, t->queue.data + t->at, t->queue.len);
		t->at = 0;
	}
	sz_buf_add(&t->queue, &n, sizeof(n));
	sz_buf_add(&t->queue, datagram->data, n);
}

void sz_forward_record(struct sz_forward *f, const struct sz_audit_record *r, const char *line,
		       size_t n)
{
	unsigned i;

	for (i = 0; i < SZ_FORWARD_TARGETS; i++) {
		struct target *t = &f->target[i];
		bool idle = is_empty(t);

		if (!t->conf.on || sz_forward_severity(r) < t->conf.severity)
			continue;
		/* A flood is told apart by a count, not by formatting. */
		if (t->queue.len - t->at + n > SZ_FORWARD_QUEUE) {
			t->dropped++;
			continue;
		}
		f->from.facility = t->conf.facility;
		sz_buf_reset(&f->scratch);
		if (i == SZ_FORWARD_JOURNALD)
			sz_forward_journald(&f->scratch, &f->from, r, line, n);
		else
			sz_forward_syslog(&f->scratch, &f->from, r, line, n);
		enqueue(t, &f->scratch);
		if (idle)
			look(t);
	}
}

/* ---- life ----------------------------------------------------------------------------------- */

static bool is_same(const struct sz_conf_forward *a, const struct sz_conf_forward *b)
{
	return a->on == b->on && a->severity == b->severity && a->facility == b->facility &&
	       !strcmp(a->path ? a->path : "", b->path ? b->path : "") &&
	       !memcmp(&a->to, &b->to, sizeof(a->to));
}

static void set(struct target *t, const struct sz_conf_forward *c)
{
	if (is_same(&t->conf, c))
		return;
	hang_up(t);
	free(t->conf.path);
	t->conf = *c;
	t->conf.path = c->path ? sz_strdup(c->path) : NULL;
	t->retry_ns = 0;
	t->failing = false;
	if (!c->on) {
		sz_buf_reset(&t->queue);
		t->at = 0;
	}
	look(t);
}

void sz_forward_configure(struct sz_forward *f, const struct sz_conf *c)
{
	struct sz_conf_forward journald = c->audit.journald;

	journald.facility = c->audit.syslog.facility;
	set(&f->target[SZ_FORWARD_JOURNALD], &journald);
	set(&f->target[SZ_FORWARD_SYSLOG], &c->audit.syslog);
}

static void read_host(char host[256])
{
	size_t i;

	if (gethostname(host, 255))
		host[0] = 0;
	host[255] = 0;
	for (i = 0; host[i] > ' ' && host[i] <= '~'; i++)
		;
	if (!i || host[i])
		strcpy(host, "-");
}

struct sz_forward *sz_forward_new(struct sz_loop_ring *l)
{
	struct sz_forward *f = sz_calloc(1, sizeof(*f));
	unsigned i;

	f->loop = l;
	f->timer = sz_net_timer_new(l, on_timer, f);
	f->from.pid = getpid();
	read_host(f->from.host);
	for (i = 0; i < SZ_FORWARD_TARGETS; i++)
		f->target[i] = (struct target){
			.forward = f, .which = (enum sz_forward_target)i, .fd = -1};
	return f;
}

/* At the end: what the receiver takes at once. */
static void send_rest(struct target *t)
{
	u32 n;

	while (t->fd >= 0 && !is_empty(t)) {
		memcpy(&n, t->queue.data + t->at, sizeof(n));
		if (send(t->fd, t->queue.data + t->at + sizeof(n), n,
			 MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			return;
		take_first(t, n);
	}
}

void sz_forward_free(struct sz_forward *f)
{
	unsigned i;

	if (!f)
		return;
	for (i = 0; i < SZ_FORWARD_TARGETS; i++) {
		struct target *t = &f->target[i];

		send_rest(t);
		/* The loop frees its watches itself, and may be gone. */
		if (t->fd >= 0)
			close(t->fd);
		free(t->conf.path);
		sz_buf_done(&t->queue);
	}
	sz_buf_done(&f->scratch);
	free(f);
}

void sz_forward_look(const struct sz_forward *f, enum sz_forward_target which,
		     struct sz_forward_stats *ret)
{
	const struct target *t = &f->target[which];

	*ret = (struct sz_forward_stats){
		.on = t->conf.on, .connected = t->fd >= 0, .sent = t->sent,
		.dropped = t->dropped, .waiting = t->queue.len - t->at};
}

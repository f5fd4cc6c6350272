/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libcurl's multi interface on the event loop: it says which descriptors and which time it waits
 * for, and is told of them. Called by the daemon's thread alone. It must never make the loop wait:
 * names are resolved by threads of libcurl.
 */
#include <string.h>

#include "fetch/fetch_priv.h"

#define CONNECTIONS_MAX 64L /* open at once, and to one host */
#define KEPT_MAX        16L /* of them, while they are not used */

/* ---- the end of a request ------------------------------------------------------------------- */

static void unlink_call(struct sz_fetch_call *c)
{
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	curl_multi_remove_handle(c->fetch->multi, c->easy);
}

/* Tells the owners of what has ended. They may start others and cancel any. */
static void collect(struct sz_fetch *f)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(f->multi, &left))) {
		struct sz_fetch_call *c = NULL;
		CURLcode code = m->data.result;

		if (m->msg != CURLMSG_DONE ||
		    curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &c) || !c)
			continue;
		unlink_call(c);
		sz_fetch_finish(c, code);
		sz_fetch_call_free(c);
	}
}

/* ---- what libcurl waits for ----------------------------------------------------------------- */

struct watched {
	struct sz_fetch *fetch;
	struct sz_net_watch *watch;
	curl_socket_t fd;
};

static void on_ready(unsigned events, void *arg)
{
	struct watched *w = arg;
	struct sz_fetch *f = w->fetch;
	int mask = (events & SZ_NET_IN ? CURL_CSELECT_IN : 0) |
		   (events & SZ_NET_OUT ? CURL_CSELECT_OUT : 0) |
		   (events & SZ_NET_ERR ? CURL_CSELECT_ERR : 0), running;

	/* libcurl may close the descriptor here, and free w by that. */
	curl_multi_socket_action(f->multi, w->fd, mask, &running);
	collect(f);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned)
{
	struct sz_fetch *f = arg;
	struct watched *w = assigned;
	unsigned want = (what & CURL_POLL_IN ? SZ_NET_IN : 0) |
			(what & CURL_POLL_OUT ? SZ_NET_OUT : 0);

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (w && !f->closing)
			sz_net_watch_end(w->watch);
		free(w);
		if (w)
			curl_multi_assign(f->multi, fd, NULL);
	} else if (f->closing) {
		return 0;
	} else if (w) {
		sz_net_watch_want(w->watch, want);
	} else {
		w = sz_calloc(1, sizeof(*w));
		w->fetch = f;
		w->fd = fd;
		w->watch = sz_net_watch_new(f->loop, fd, want, on_ready, w);
		curl_multi_assign(f->multi, fd, w);
	}
	return 0;
}

static void on_time(void *arg)
{
	struct sz_fetch *f = arg;
	int running;

	curl_multi_socket_action(f->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect(f);
}

static int on_timer(CURLM *multi, long ms, void *arg)
{
	struct sz_fetch *f = arg;

	(void)multi;
	if (!f->closing)
		sz_net_timer_set(f->timer, ms < 0 ? 0 : sz_boot_ns() + (u64)ms * 1000000);
	return 0;
}

/* ---- for everybody -------------------------------------------------------------------------- */

int sz_fetch_new(struct sz_loop_ring *l, struct sz_fetch **ret, struct sz_error *e)
{
	static bool ready;
	struct sz_fetch *f;

	if (!ready && curl_global_init(CURL_GLOBAL_DEFAULT))
		return sz_error_set(e, -EIO, "libcurl does not start");
	ready = true;
	f = sz_calloc(1, sizeof(*f));
	f->loop = l;
	f->multi = curl_multi_init();
	f->timer = sz_net_timer_new(l, on_time, f);
	if (!f->multi || !f->timer) {
		if (f->multi)
			curl_multi_cleanup(f->multi);
		free(f);
		return sz_error_set(e, -EMFILE, "no descriptor is left for an HTTPS client; raise "
						"LimitNOFILE=");
	}
	curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f);
	curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f);
	curl_multi_setopt(f->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, CONNECTIONS_MAX);
	curl_multi_setopt(f->multi, CURLMOPT_MAX_HOST_CONNECTIONS, CONNECTIONS_MAX);
	curl_multi_setopt(f->multi, CURLMOPT_MAXCONNECTS, KEPT_MAX);
	*ret = f;
	return 0;
}

int sz_fetch_start(struct sz_fetch *f, const struct sz_fetch_request *rq, sz_fetch_fn fn, void *arg,
		   struct sz_fetch_call **ret, struct sz_error *e)
{
	struct sz_fetch_call *c;
	int err = sz_fetch_url_ok(rq->url, rq->loopback_http, e);

	if (err)
		return err;
	c = sz_calloc(1, sizeof(*c));
	c->fetch = f;
	c->fn = fn;
	c->arg = arg;
	c->started_ns = sz_boot_ns();
	err = sz_fetch_prepare(c, rq, e);
	if (!err && curl_multi_add_handle(f->multi, c->easy))
		err = sz_error_set(e, -ENOMEM, "libcurl has no room for another request");
	if (err) {
		sz_fetch_call_free(c);
		return err;
	}
	c->next = f->calls;
	c->link = &f->calls;
	if (c->next)
		c->next->link = &c->next;
	f->calls = c;
	if (ret)
		*ret = c;
	return 0;
}

void sz_fetch_cancel(struct sz_fetch_call *c)
{
	unlink_call(c);
	sz_fetch_call_free(c);
}

void sz_fetch_shut(struct sz_fetch *f)
{
	f->closing = true;
}

void sz_fetch_free(struct sz_fetch *f)
{
	if (!f)
		return;
	sz_fetch_shut(f);
	while (f->calls)
		sz_fetch_cancel(f->calls);
	curl_multi_cleanup(f->multi);
	free(f);
}

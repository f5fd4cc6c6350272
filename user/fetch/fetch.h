/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An HTTPS client for what the daemon asks of identity providers: bounded in time and size, driven
 * by the event loop. The only room that includes libcurl. Servers are always verified; redirects
 * are not followed, and proxies, cookies, netrc and compression are not used, whatever the
 * environment says. Nothing here logs; secrets are wiped when they are no longer needed.
 */
#ifndef SZ_FETCH_FETCH_H
#define SZ_FETCH_FETCH_H

#include "core/core.h"
#include "net/net.h"

struct sz_fetch; /* the client: connections that are kept, requests under way */

int sz_fetch_new(struct sz_loop_ring *l, struct sz_fetch **ret, struct sz_error *e);
/* The loop is gone: from here on requests may only be cancelled. */
void sz_fetch_shut(struct sz_fetch *f);
/* Behind sz_net_free: ends what is under way without a call. NULL is fine. */
void sz_fetch_free(struct sz_fetch *f);

#define SZ_FETCH_ETAG_MAX 128

/* Everything is copied. */
struct sz_fetch_request {
	const char *url;
	bool loopback_http;        /* http:// is allowed, but to this host only */
	const char *ca_file;       /* PEM; NULL: the certificates that the system trusts */
	const char *accept;        /* media type, or NULL */
	const char *if_none_match; /* entity tag of what is known already, or NULL */
	const char *authorization; /* value of the header, secret, or NULL */
	const char *form;          /* body of a POST in application/x-www-form-urlencoded, secret;
				      NULL: a GET, unless */
	const char *body;          /* there is this body of a POST, of body_len bytes */
	size_t body_len;
	const char *body_type;     /* its media type */
	u32 timeout_ms;            /* for all of it, names and connection too */
	size_t max;                /* bytes of the answer's body */
};

struct sz_fetch_answer {
	int status;        /* any, redirects too */
	const char *body;  /* NUL-terminated behind len; good until fn returns */
	size_t len;
	const char *type;  /* media type without parameters, "" where none was sent */
	s64 max_age_s;     /* how long it may be kept, by Cache-Control and Age; -1: not said */
	const char *etag;  /* "" where none was sent, or a longer one than SZ_FETCH_ETAG_MAX */
	u64 took_ns;
};

/* err is 0, or -errno with words in *e: the server could not be asked, or did not finish. */
typedef void (*sz_fetch_fn)(int err, const struct sz_fetch_answer *a, const struct sz_error *e,
			    void *arg);

struct sz_fetch_call; /* a request under way; valid until fn is called or it is cancelled */

/*
 * fn is called once, later, from the loop; what it is given ends with it. -EINVAL for a URL that
 * may not be asked, -ENOMEM; fn is not called then.
 */
int sz_fetch_start(struct sz_fetch *f, const struct sz_fetch_request *rq, sz_fetch_fn fn, void *arg,
		   struct sz_fetch_call **ret, struct sz_error *e);
/* fn is not called any more. */
void sz_fetch_cancel(struct sz_fetch_call *c);

/* May this URL be asked: https, or http to this host where `loopback_http`? -EINVAL with words. */
int sz_fetch_url_ok(const char *url, bool loopback_http, struct sz_error *e);

/*
 * Seconds that an answer may be kept by its Cache-Control header (RFC 9111 section 5.2.2), `n`
 * bytes: 0 with no-store or no-cache or what cannot be read, -1 where it has no max-age.
 */
s64 sz_fetch_max_age(const char *value, size_t n);

#endif

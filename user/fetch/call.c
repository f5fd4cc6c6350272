/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One request: its options, what comes back, and how it ended. Called by fetch.c. Every option that
 * libcurl would take from the environment or a file of the user is set here.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "fetch/fetch_priv.h"

#define HEAD_MAX     65536u /* bytes of all headers of an answer */
#define KEEP_S       60L    /* an unused connection is kept this long */
#define CA_CACHE_S   3600L  /* the system's certificates are read again after this */

int sz_fetch_url_ok(const char *url, bool loopback_http, struct sz_error *e)
{
	struct sz_url u;

	if (sz_url_parse(url, &u))
		return sz_error_set(e, -EINVAL,
				    "\"%.200s\" is not a plain URL like https://host/path", url);
	if (u.https || (loopback_http && sz_url_loopback(&u)))
		return 0;
	return sz_error_set(e, -EINVAL, "\"%.200s\" is not https%s", url,
			    sz_url_loopback(&u) ? "; loopback_http: true allows http to this host"
						: "");
}

/* ---- what comes back ------------------------------------------------------------------------ */

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct sz_fetch_call *c = arg;

	n *= size;
	if (n > c->max - c->body.len) {
		c->too_large = true;
		return 0;
	}
	sz_buf_add(&c->body, p, n);
	return n;
}

static bool header_is(const char *p, size_t n, const char *name, const char **ret, size_t *ret_n)
{
	size_t len = strlen(name);

	if (n <= len || p[len] != ':' || strncasecmp(p, name, len) != 0)
		return false;
	p += len + 1;
	n -= len + 1;
	while (n && (*p == ' ' || *p == '\t')) {
		p++;
		n--;
	}
	while (n && (unsigned char)p[n - 1] <= ' ')
		n--;
	*ret = p;
	*ret_n = n;
	return true;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct sz_fetch_call *c = arg;
	const char *v;
	size_t len;

	n *= size;
	c->head += n;
	if (c->head > HEAD_MAX) {
		c->too_large = true;
		return 0;
	}
	if (n > 5 && !memcmp(p, "HTTP/", 5)) {
		/* The answer proper begins; what came before was an interim one. */
		c->max_age_s = -1;
		c->age_s = 0;
		c->etag[0] = c->type[0] = 0;
	} else if (header_is(p, n, "cache-control", &v, &len)) {
		s64 age = sz_fetch_max_age(v, len);

		if (age >= 0 && (c->max_age_s < 0 || age < c->max_age_s))
			c->max_age_s = age;
	} else if (header_is(p, n, "age", &v, &len)) {
		c->age_s = sz_fetch_seconds(v, len);
	} else if (header_is(p, n, "etag", &v, &len)) {
		snprintf(c->etag, sizeof(c->etag), "%.*s",
			 len < sizeof(c->etag) ? (int)len : 0, v);
	} else if (header_is(p, n, "content-type", &v, &len)) {
		const char *end = memchr(v, ';', len);

		len = end ? (size_t)(end - v) : len;
		while (len && v[len - 1] == ' ')
			len--;
		snprintf(c->type, sizeof(c->type), "%.*s", (int)len, v);
	}
	return n;
}

/* ---- what is asked -------------------------------------------------------------------------- */

/* A header line; false for what would make two of it. */
static bool add_header(struct sz_fetch_call *c, const char *name, const char *value)
{
	struct curl_slist *more;
	struct sz_buf line = {0};

	if (!value)
		return true;
	if (strpbrk(value, "\r\n"))
		return false;
	sz_buf_printf(&line, "%s: %s", name, value);
	more = curl_slist_append(c->headers, line.data);
	sodium_memzero(line.data, line.len);
	sz_buf_done(&line);
	if (more)
		c->headers = more;
	return more != NULL;
}

/* A long body would wait a second for "100 Continue". */
static bool no_expect(struct sz_fetch_call *c)
{
	struct curl_slist *more = curl_slist_append(c->headers, "Expect:");

	if (more)
		c->headers = more;
	return more != NULL;
}

static int set_body(struct sz_fetch_call *c, const struct sz_fetch_request *rq)
{
	int bad = 0;

	if (!rq->form && !rq->body)
		return curl_easy_setopt(c->easy, CURLOPT_HTTPGET, 1L);
	if (rq->body)
		sz_buf_add(&c->form, rq->body, rq->body_len);
	else
		sz_buf_add(&c->form, rq->form, strlen(rq->form));
	bad |= curl_easy_setopt(c->easy, CURLOPT_POST, 1L);
	bad |= curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, c->form.data ? c->form.data : "");
	bad |= curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE, (long)c->form.len);
	return bad;
}

static int set_tls(CURL *h, const struct sz_fetch_request *rq)
{
	int bad = 0;

	bad |= curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 1L);
	bad |= curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 2L);
	bad |= curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (rq->ca_file) {
		/* These alone, and as the file holds them now. */
		bad |= curl_easy_setopt(h, CURLOPT_CAINFO, rq->ca_file);
		bad |= curl_easy_setopt(h, CURLOPT_CAPATH, NULL);
		bad |= curl_easy_setopt(h, CURLOPT_CA_CACHE_TIMEOUT, 0L);
	} else {
		bad |= curl_easy_setopt(h, CURLOPT_CA_CACHE_TIMEOUT, CA_CACHE_S);
	}
	return bad;
}

/* No proxy, no redirect, no user's files, no other protocol, no signals, no compression. */
static int set_limits(struct sz_fetch_call *c, const struct sz_fetch_request *rq)
{
	const char *protocols = rq->loopback_http ? "http,https" : "https";
	CURL *h = c->easy;
	int bad = 0;

	bad |= curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, protocols);
	bad |= curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
	bad |= curl_easy_setopt(h, CURLOPT_PROXY, "");
	bad |= curl_easy_setopt(h, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	bad |= curl_easy_setopt(h, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	bad |= curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	bad |= curl_easy_setopt(h, CURLOPT_HTTP_CONTENT_DECODING, 0L);
	bad |= curl_easy_setopt(h, CURLOPT_MAXAGE_CONN, KEEP_S);
	bad |= curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)rq->timeout_ms);
	bad |= curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)rq->timeout_ms);
	bad |= curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	/* A resolver that hangs is left behind; the loop must not wait for its thread. */
	bad |= curl_easy_setopt(h, CURLOPT_QUICK_EXIT, 1L);
	return bad;
}

int sz_fetch_prepare(struct sz_fetch_call *c, const struct sz_fetch_request *rq,
		     struct sz_error *e)
{
	CURL *h = curl_easy_init();
	bool good;
	int bad;

	c->easy = h;
	if (!h)
		return sz_error_set(e, -ENOMEM, "libcurl has no memory for a request");
	bad = curl_easy_setopt(h, CURLOPT_URL, rq->url);
	bad |= curl_easy_setopt(h, CURLOPT_PRIVATE, c);
	bad |= curl_easy_setopt(h, CURLOPT_ERRORBUFFER, c->why);
	bad |= curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	bad |= curl_easy_setopt(h, CURLOPT_WRITEDATA, c);
	bad |= curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
	bad |= curl_easy_setopt(h, CURLOPT_HEADERDATA, c);
	bad |= set_body(c, rq) | set_limits(c, rq) | set_tls(h, rq);
	good = add_header(c, "User-Agent", "subzero/" SZ_VERSION) &&
	       add_header(c, "Accept", rq->accept) &&
	       add_header(c, "If-None-Match", rq->if_none_match) &&
	       add_header(c, "Authorization", rq->authorization) &&
	       (!rq->body || (add_header(c, "Content-Type", rq->body_type) && no_expect(c)));
	if (!good || bad || curl_easy_setopt(h, CURLOPT_HTTPHEADER, c->headers))
		return sz_error_set(e, -EINVAL, "libcurl does not take the request for %.200s; is "
				    "it 7.87 or later?", rq->url);
	c->max = rq->max;
	c->max_age_s = -1;
	return 0;
}

static void wipe(struct sz_buf *b)
{
	if (b->data)
		sodium_memzero(b->data, b->len);
	sz_buf_done(b);
}

void sz_fetch_call_free(struct sz_fetch_call *c)
{
	struct curl_slist *h;

	curl_easy_cleanup(c->easy);
	for (h = c->headers; h; h = h->next)
		sodium_memzero(h->data, strlen(h->data));
	curl_slist_free_all(c->headers);
	wipe(&c->form);
	wipe(&c->body);
	free(c);
}

/* ---- how it ended --------------------------------------------------------------------------- */

static int errno_of(CURLcode code)
{
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_COULDNT_RESOLVE_HOST:
		return -EHOSTUNREACH;
	case CURLE_COULDNT_CONNECT:
		return -ECONNREFUSED;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
		return -EPROTO;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	default:
		return -ECONNRESET;
	}
}

/* Values of X509_V_ERR_... that libcurl hands on. */
enum {
	NOT_YET_VALID = 9,
	EXPIRED = 10,
	SELF_SIGNED = 18,
	SELF_SIGNED_IN_CHAIN = 19,
	NO_ISSUER = 20,
	NO_CHAIN = 21,
};

/* What somebody can do about it, "" where the words of libcurl say all there is. */
static const char *hint(CURL *easy, CURLcode code, const char *why)
{
	long verdict = 0;

	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return "; is the name right, and may this process ask who resolves names?";
	case CURLE_COULDNT_CONNECT:
		return "; is it running, and may this process reach it?";
	case CURLE_SSL_CONNECT_ERROR:
		return "; is it https, with TLS 1.2 or later, that is spoken there?";
	case CURLE_SSL_CACERT_BADFILE:
		return "; provider.ca_file must hold the CA's certificates in PEM form";
	case CURLE_PEER_FAILED_VERIFICATION:
		break;
	default:
		return "";
	}
	curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &verdict);
	switch (verdict) {
	case NOT_YET_VALID:
		return "; is this host's clock right?";
	case EXPIRED:
		return "; the server needs a new certificate, or this host's clock is wrong";
	case SELF_SIGNED:
	case SELF_SIGNED_IN_CHAIN:
	case NO_ISSUER:
	case NO_CHAIN:
		return "; no CA that is trusted here has signed it: name its CA with "
		       "provider.ca_file, or have the server send its intermediate certificates";
	default:
		return strstr(why, "subject name") ? "; it is for another name: use one that is "
						     "in it"
						   : "";
	}
}

/* The address without its query, which may hold what is nobody's business. */
static int say_failure(const struct sz_fetch_call *c, CURLcode code, struct sz_error *e)
{
	char *url = NULL;
	int n;

	curl_easy_getinfo(c->easy, CURLINFO_EFFECTIVE_URL, &url);
	n = url ? (int)strcspn(url, "?") : 0;
	if (c->too_large)
		return sz_error_set(e, -EFBIG, "%.*s: the answer is longer than %zu bytes", n, url,
				    c->head > HEAD_MAX ? (size_t)HEAD_MAX : c->max);
	return sz_error_set(e, errno_of(code), "%.*s: %s%s", n, url,
			    c->why[0] ? c->why : curl_easy_strerror(code),
			    hint(c->easy, code, c->why));
}

void sz_fetch_finish(struct sz_fetch_call *c, CURLcode code)
{
	struct sz_error e = {""};
	struct sz_fetch_answer a;
	long status = 0;

	if (code != CURLE_OK) {
		c->fn(say_failure(c, code, &e), NULL, &e, c->arg);
		return;
	}
	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	if (c->max_age_s > 0)
		c->max_age_s = c->age_s < 0 || c->age_s > c->max_age_s ? 0 :
									 c->max_age_s - c->age_s;
	a = (struct sz_fetch_answer){
		.status = (int)status,
		.body = c->body.data ? c->body.data : "",
		.len = c->body.len,
		.type = c->type,
		.max_age_s = c->max_age_s,
		.etag = c->etag,
		.took_ns = sz_boot_ns() - c->started_ns,
	};
	c->fn(0, &a, &e, c->arg);
}

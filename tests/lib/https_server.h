/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A small HTTPS server for tests, in a thread of its own, on a free port of 127.0.0.1: one request
 * a connection turn, answered by a function of the test. Its certificate is signed by a CA that is
 * made with it and written to a file. Not a model of good server code: it serves one peer at a time
 * and trusts it.
 */
#ifndef SZ_TESTS_HTTPS_SERVER_H
#define SZ_TESTS_HTTPS_SERVER_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define HTTPS_TEXT_MAX 65536

struct https_request {
	char method[16];
	char path[2048];
	char head[16384]; /* all of it */
	char body[16384];
};

/* Fills `answer` with a whole HTTP answer; an empty one closes the connection without a word. */
typedef void (*https_handler)(const struct https_request *rq, char answer[HTTPS_TEXT_MAX],
			      void *arg);

struct https_server {
	int fd, port;
	bool plain; /* no TLS */
	SSL_CTX *tls;
	char ca[64]; /* PEM file */
	https_handler fn;
	void *arg;
	atomic_int requests, connections;
	atomic_bool stop, deaf; /* deaf: nothing is read or answered */
	pthread_t thread;
};

static inline X509 *https_cert(EVP_PKEY *key, const char *name, bool ca, X509 *issuer,
			       EVP_PKEY *issuer_key)
{
	static long serial = 1;
	X509 *x = X509_new();
	X509_NAME *n = X509_get_subject_name(x);
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer) : n);
	X509V3_set_ctx(&ctx, issuer ? issuer : x, x, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, NID_basic_constraints,
				  ca ? "critical,CA:TRUE" : "CA:FALSE");
	X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	if (!ca) {
		ext = X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_alt_name,
					  "DNS:localhost,IP:127.0.0.1");
		X509_add_ext(x, ext, -1);
		X509_EXTENSION_free(ext);
	}
	X509_sign(x, issuer_key ? issuer_key : key, EVP_sha256());
	return x;
}

static inline void https_make_tls(struct https_server *s)
{
	EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
	X509 *ca = https_cert(ca_key, "a CA for tests", true, NULL, NULL);
	X509 *cert = https_cert(key, "localhost", false, ca, ca_key);
	int fd;
	FILE *f;

	strcpy(s->ca, "/tmp/subzero-ca.XXXXXX");
	fd = mkstemp(s->ca);
	f = fdopen(fd, "w");
	PEM_write_X509(f, ca);
	fclose(f);
	s->tls = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate(s->tls, cert);
	SSL_CTX_use_PrivateKey(s->tls, key);
	X509_free(ca);
	X509_free(cert);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(key);
}

struct https_conn {
	int fd;
	SSL *ssl; /* NULL: plain */
};

static inline int https_read(struct https_conn *c, char *p, size_t n)
{
	return c->ssl ? SSL_read(c->ssl, p, (int)n) : (int)recv(c->fd, p, n, 0);
}

static inline void https_write(struct https_conn *c, const char *p, size_t n)
{
	while (n) {
		int w = c->ssl ? SSL_write(c->ssl, p, (int)n) :
				 (int)send(c->fd, p, n, MSG_NOSIGNAL);

		if (w <= 0)
			return;
		p += w;
		n -= (size_t)w;
	}
}

/* One request with its body, or false at the end of the connection. */
static inline bool https_next(struct https_conn *c, struct https_request *rq)
{
	size_t n = 0, need = 0;
	const char *end, *length;

	memset(rq, 0, sizeof(*rq));
	while (!(end = strstr(rq->head, "\r\n\r\n"))) {
		int got = n < sizeof(rq->head) - 1 ? https_read(c, rq->head + n, 1) : 0;

		if (got <= 0)
			return false;
		n += (size_t)got;
	}
	sscanf(rq->head, "%15s %2047s", rq->method, rq->path);
	length = strcasestr(rq->head, "\r\nContent-Length:");
	if (length)
		need = strtoul(length + 17, NULL, 10);
	if (need >= sizeof(rq->body))
		return false;
	for (n = 0; n < need;) {
		int got = https_read(c, rq->body + n, need - n);

		if (got <= 0)
			return false;
		n += (size_t)got;
	}
	return true;
}

static inline void https_serve(struct https_server *s, int fd)
{
	static __thread struct https_request rq;
	static __thread char answer[HTTPS_TEXT_MAX];
	struct https_conn c = {.fd = fd};
	struct pollfd p = {.fd = fd, .events = POLLIN};

	atomic_fetch_add(&s->connections, 1);
	while (s->deaf && !s->stop)
		usleep(1000);
	if (!s->plain) {
		c.ssl = SSL_new(s->tls);
		SSL_set_fd(c.ssl, fd);
		if (SSL_accept(c.ssl) <= 0)
			goto out;
	}
	for (;;) {
		/* An idle connection must not keep the server from the next peer. */
		if ((!c.ssl || !SSL_pending(c.ssl)) && poll(&p, 1, 20) <= 0)
			break;
		if (!https_next(&c, &rq))
			break;
		atomic_fetch_add(&s->requests, 1);
		while (s->deaf && !s->stop)
			usleep(1000);
		answer[0] = 0;
		s->fn(&rq, answer, s->arg);
		if (!answer[0])
			break;
		https_write(&c, answer, strlen(answer));
	}
out:
	if (c.ssl) {
		SSL_shutdown(c.ssl);
		SSL_free(c.ssl);
	}
	close(fd);
}

static inline void *https_run(void *arg)
{
	struct https_server *s = arg;
	struct pollfd p = {.fd = s->fd, .events = POLLIN};

	while (!s->stop) {
		int fd;

		if (poll(&p, 1, 5) <= 0)
			continue;
		fd = accept(s->fd, NULL, NULL);
		if (fd >= 0)
			https_serve(s, fd);
	}
	return NULL;
}

/* `port` 0: a free one. */
static inline void https_listen(struct https_server *s, int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	socklen_t n = sizeof(a);
	int one = 1;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->stop = false;
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(s->fd, (struct sockaddr *)&a, n) || listen(s->fd, 64)) {
		perror("# a server for the test");
		exit(1);
	}
	getsockname(s->fd, (struct sockaddr *)&a, &n);
	s->port = ntohs(a.sin_port);
	pthread_create(&s->thread, NULL, https_run, s);
}

static inline void https_start(struct https_server *s, https_handler fn, void *arg, bool plain)
{
	memset(s, 0, sizeof(*s));
	signal(SIGPIPE, SIG_IGN);
	s->fn = fn;
	s->arg = arg;
	s->plain = plain;
	if (!plain)
		https_make_tls(s);
	https_listen(s, 0);
}

/* It goes down; https_listen(s, s->port) brings it back with the same certificate. */
static inline void https_down(struct https_server *s)
{
	s->stop = true;
	pthread_join(s->thread, NULL);
	close(s->fd);
}

static inline void https_end(struct https_server *s)
{
	https_down(s);
	if (s->tls)
		SSL_CTX_free(s->tls);
	if (s->ca[0])
		unlink(s->ca);
}

/* "https://localhost:PORT/path" into `ret`. */
static inline const char *https_url(const struct https_server *s, const char *path, char ret[256])
{
	snprintf(ret, 256, "%s://localhost:%d%s", s->plain ? "http" : "https", s->port, path);
	return ret;
}

/* A usual answer: `fields` are whole header lines. */
static inline void https_answer(char answer[HTTPS_TEXT_MAX], int status, const char *fields,
				const char *body)
{
	snprintf(answer, HTTPS_TEXT_MAX,
		 "HTTP/1.1 %d X\r\nContent-Type: application/json; charset=utf-8\r\n"
		 "Content-Length: %zu\r\n%s\r\n%s",
		 status, strlen(body), fields, body);
}

#endif

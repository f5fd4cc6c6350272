/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sz-revoke-probe: how long does a revoked token go on working? Sends requests with one token over
 * one connection, each as soon as the one before is answered; after a while it starts a command
 * that revokes the token, and goes on until the first refusal. Whatever the command changed in the
 * kernel's maps, it changed it after the last admitted request was sent; so from then until the
 * first refusal arrived is an upper bound of the delay, measured with one clock. Called by the
 * demo. It must never report a bound when a request was admitted after the first refusal.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "http_response.h"

#define NS          1000000000ULL
#define WARM_UP     1000       /* requests before the command */
#define GIVE_UP     (10 * NS)  /* for the first refusal */
#define AFTERWARDS  (NS / 20)  /* how long nothing may be admitted any more */
#define REQUEST_MAX 16384

static struct {
	struct sockaddr_in addr;
	char request[REQUEST_MAX];
	size_t request_len;
	int fd; /* -1: not connected */
	uint64_t sent, received; /* when the latest request was */
} probe = {.fd = -1};

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("sz-revoke-probe: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(2);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS + (uint64_t)ts.tv_nsec;
}

static void open_connection(void)
{
	struct timeval limit = {.tv_sec = 5};
	int one = 1;

	probe.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (probe.fd < 0 ||
	    setsockopt(probe.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) ||
	    setsockopt(probe.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
	    connect(probe.fd, (struct sockaddr *)&probe.addr, sizeof(probe.addr)))
		die("cannot connect: %s", strerror(errno));
}

/* One request and its whole response; returns the status. */
static int ask(void)
{
	static struct response r;
	char in[4096];
	ssize_t n;

	if (probe.fd < 0)
		open_connection();
	response_init(&r, false);
	probe.sent = now_ns();
	n = send(probe.fd, probe.request, probe.request_len, MSG_NOSIGNAL);
	if (n != (ssize_t)probe.request_len)
		die("cannot send: %s", n < 0 ? strerror(errno) : "cut short");
	while (r.state < RESPONSE_DONE) {
		n = recv(probe.fd, in, sizeof(in), 0);
		if (n < 0)
			die("no response: %s", strerror(errno));
		if (n)
			response_feed(&r, in, (size_t)n);
		else
			response_eof(&r);
	}
	probe.received = now_ns();
	if (r.state == RESPONSE_BAD)
		die("a malformed response: %s", r.why);
	if (r.close) {
		close(probe.fd);
		probe.fd = -1;
	}
	return r.status;
}

static void prepare(char **argv)
{
	char token[REQUEST_MAX / 2] = "";
	FILE *f = fopen(argv[4], "re");
	int n;

	probe.addr.sin_family = AF_INET;
	probe.addr.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	if (inet_pton(AF_INET, argv[1], &probe.addr.sin_addr) != 1 || !probe.addr.sin_port)
		die("'%s' port '%s' is not an IPv4 address and a port", argv[1], argv[2]);
	if (!f || !fgets(token, sizeof(token), f))
		die("cannot read a token from %s", argv[4]);
	fclose(f);
	token[strcspn(token, "\r\n")] = '\0';
	n = snprintf(probe.request, sizeof(probe.request),
		     "GET %s HTTP/1.1\r\nHost: %s:%s\r\nAuthorization: Bearer %s\r\n\r\n", argv[3],
		     argv[1], argv[2], token);
	if (n < 0 || (size_t)n >= sizeof(probe.request))
		die("the path is too long");
	probe.request_len = (size_t)n;
}

static pid_t start(char **command)
{
	pid_t pid;
	int err = posix_spawnp(&pid, command[0], NULL, NULL, command, environ);

	if (err)
		die("cannot run %s: %s", command[0], strerror(err));
	return pid;
}

int main(int argc, char **argv)
{
	uint64_t admitted = 0, refused = 0, wrong = 0, last_sent = 0, began, bound;
	pid_t child = 0;
	int status, first;

	if (argc < 6) {
		fputs("usage: sz-revoke-probe ADDRESS PORT PATH TOKEN-FILE COMMAND...\n"
		      "\n"
		      "Sends requests with the token, runs the command that revokes it, and\n"
		      "prints as JSON how long at most the token went on working. Exit status:\n"
		      "0 when nothing else came after the first 401 or 403, else 1; 2 when it\n"
		      "cannot tell.\n",
		      stderr);
		return 2;
	}
	prepare(argv);
	began = now_ns();
	while ((status = ask()) == 200) {
		last_sent = probe.sent;
		if (++admitted == WARM_UP)
			child = start(argv + 5);
		if (now_ns() - began > GIVE_UP)
			die("the token still works after %llu s", GIVE_UP / NS);
	}
	if ((status != 401 && status != 403) || !child)
		die("status %d after %llu requests", status, (unsigned long long)admitted);
	bound = probe.received - last_sent;
	began = probe.received;
	for (refused = 1, first = status; now_ns() - began < AFTERWARDS; refused++)
		wrong += ask() != first;
	if (waitpid(child, &status, 0) != child || status)
		die("%s failed", argv[5]);
	printf("{\"admitted\":%llu,\"refused\":%llu,\"not_refused\":%llu,\"within_us\":%.1f}\n",
	       (unsigned long long)admitted, (unsigned long long)(refused - wrong),
	       (unsigned long long)wrong, (double)bound / 1000);
	return wrong > 0;
}

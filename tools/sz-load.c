/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sz-load: an HTTP/1.1 load client that checks every response, for tests, the demo and the
 * benchmark. Many keep-alive connections, a mix of methods and body sizes, tokens used in turn; it
 * counts every status and exits 0 only when nothing at all was wrong. One thread around poll(). It
 * must never hide a failure: a reset, a malformed or a missing response is counted, shown and never
 * tried again.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "histogram.h"
#include "http_response.h"

#define NS           1000000000ULL
#define PIPELINE_MAX 64
#define OUT_SIZE     (64 * 1024)
#define PATTERN_SIZE (64 * 1024)
#define KINDS_MAX    16

enum wrong {
	WRONG_STATUS,
	WRONG_MALFORMED,
	WRONG_RESET,
	WRONG_CLOSED,
	WRONG_TIMEOUT,
	WRONG_CONNECT,
	WRONG_ECHO,
	WRONG_KINDS,
};

static const char *const wrong_names[WRONG_KINDS] = {
	[WRONG_STATUS] = "unexpected status", [WRONG_MALFORMED] = "malformed response",
	[WRONG_RESET] = "connection reset",   [WRONG_CLOSED] = "closed without a response",
	[WRONG_TIMEOUT] = "timeout",          [WRONG_CONNECT] = "connect failed",
	[WRONG_ECHO] = "wrong body length",
};
static const char *const wrong_keys[WRONG_KINDS] = {
	[WRONG_STATUS] = "status", [WRONG_MALFORMED] = "malformed", [WRONG_RESET] = "reset",
	[WRONG_CLOSED] = "closed", [WRONG_TIMEOUT] = "timeout",     [WRONG_CONNECT] = "connect",
	[WRONG_ECHO] = "echo",
};

/* One member of the mix; picked by smooth weighted round robin, so the proportions are exact. */
struct kind {
	char method[16];
	uint64_t body;
	bool chunked;
	long weight, credit;
};

struct pending {
	uint64_t start;
	uint64_t body;
	bool head, has_body;
};

struct conn {
	int fd; /* -1: not connected */
	bool connecting, answered, send_failed;
	uint64_t retry_at;
	struct pending pending[PIPELINE_MAX];
	unsigned int first, inflight;
	char out[OUT_SIZE];
	size_t out_from, out_to;
	uint64_t body_left;
	const char *tail; /* what ends a chunked body */
	struct response response;
};

static struct {
	struct sockaddr_storage addr;
	socklen_t addr_len;
	const char *host, *path, *headers;
	char **tokens;
	size_t tokens_n;
	struct kind kinds[KINDS_MAX];
	int kinds_n;
	bool expected[600];
	uint64_t requests, duration, timeout;
	double rate;
	unsigned int connections, pipeline;
	bool json, check_echo;
} opt = {.path = "/", .headers = "", .connections = 1, .pipeline = 1, .timeout = 10 * NS};

static struct {
	uint64_t begun, done, ok, wrong[WRONG_KINDS], status[600], connects, bytes_in, bytes_out;
	uint64_t start, end;
	struct histogram latency;
	char example[256]; /* the first thing that was wrong */
} stats;

static char pattern[PATTERN_SIZE];

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS + (uint64_t)ts.tv_nsec;
}

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("sz-load: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputs("\nsz-load: see sz-load --help\n", stderr);
	va_end(ap);
	exit(2);
}

/* ---- results ------------------------------------------------------------------------------------
 */

static void count_wrong(enum wrong w, const char *detail)
{
	stats.wrong[w]++;
	if (!stats.example[0])
		snprintf(stats.example, sizeof(stats.example), "%s: %s", wrong_names[w], detail);
}

static uint64_t wrong_total(void)
{
	uint64_t n = 0;

	for (int i = 0; i < WRONG_KINDS; i++)
		n += stats.wrong[i];
	return n;
}

static void count_response(const struct response *r, const struct pending *p)
{
	uint64_t took = now_ns() - p->start;
	char detail[160], echo[64];

	stats.done++;
	stats.status[r->status]++;
	histogram_add(&stats.latency, took);
	snprintf(echo, sizeof(echo), "body %llu\n", (unsigned long long)p->body);
	if (!opt.expected[r->status]) {
		snprintf(detail, sizeof(detail), "%d, body begins: %.100s", r->status, r->body);
		detail[strcspn(detail, "\r\n")] = '\0';
		count_wrong(WRONG_STATUS, detail);
	} else if (opt.check_echo && p->has_body && r->status == 200 && strcmp(r->body, echo)) {
		snprintf(detail, sizeof(detail), "sent %llu bytes, the service answered '%.*s'",
			 (unsigned long long)p->body, (int)strcspn(r->body, "\n"), r->body);
		count_wrong(WRONG_ECHO, detail);
	} else {
		stats.ok++;
	}
}

/* ---- connections --------------------------------------------------------------------------------
 */

static void conn_close(struct conn *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->connecting = c->answered = c->send_failed = false;
	c->inflight = 0;
	c->out_from = c->out_to = 0;
	c->body_left = 0;
	c->tail = NULL;
}

/* The first request waiting failed; those pipelined behind it were never answered either. */
static void conn_fail(struct conn *c, enum wrong w, const char *detail)
{
	unsigned int n = c->inflight ? c->inflight : 1;

	if (!c->inflight && (!opt.requests || stats.begun < opt.requests)) {
		stats.begun++;
		stats.done++;
	}
	stats.done += c->inflight;
	while (n--)
		count_wrong(w, detail);
	conn_close(c);
	c->retry_at = now_ns() + NS / 100;
}

static void conn_open(struct conn *c)
{
	int one = 1;

	c->fd = socket(opt.addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return conn_fail(c, WRONG_CONNECT, strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	response_init(&c->response, false);
	stats.connects++;
	if (connect(c->fd, (struct sockaddr *)&opt.addr, opt.addr_len) && errno != EINPROGRESS)
		return conn_fail(c, WRONG_CONNECT, strerror(errno));
	c->connecting = true;
	c->pending[0].start = now_ns();
}

/* The n-th request may begin: the total, the time and the rate allow it. */
static bool may_begin(uint64_t now)
{
	if (opt.requests && stats.begun >= opt.requests)
		return false;
	if (opt.duration && now >= stats.start + opt.duration)
		return false;
	return opt.rate <= 0 ||
	       (double)(now - stats.start) / (double)NS * opt.rate >= (double)stats.begun;
}

static struct kind *next_kind(void)
{
	struct kind *best = &opt.kinds[0];
	long total = 0;

	for (struct kind *k = opt.kinds; k < opt.kinds + opt.kinds_n; k++) {
		total += k->weight;
		k->credit += k->weight;
		if (k->credit > best->credit)
			best = k;
	}
	best->credit -= total;
	return best;
}

static void conn_append(struct conn *c, uint64_t now)
{
	const struct kind *k = next_kind();
	const char *token = opt.tokens_n ? opt.tokens[stats.begun % opt.tokens_n] : NULL;
	bool has_body = strcmp(k->method, "GET") && strcmp(k->method, "HEAD");
	char *p = c->out + c->out_to, framing[80] = "";
	struct pending *next = &c->pending[(c->first + c->inflight) % PIPELINE_MAX];

	if (k->chunked)
		snprintf(framing, sizeof(framing), "Transfer-Encoding: chunked\r\n\r\n%llx\r\n",
			 (unsigned long long)k->body);
	else if (has_body)
		snprintf(framing, sizeof(framing), "Content-Length: %llu\r\n\r\n",
			 (unsigned long long)k->body);
	else
		memcpy(framing, "\r\n", 3);
	c->out_to += (size_t)snprintf(
		p, OUT_SIZE - c->out_to, "%s %s HTTP/1.1\r\nHost: %s\r\n%s%s%s%s%s", k->method,
		opt.path, opt.host, token ? "Authorization: Bearer " : "", token ? token : "",
		token ? "\r\n" : "", opt.headers, framing);
	c->body_left = k->body;
	c->tail = k->chunked ? "\r\n0\r\n\r\n" : NULL;
	/* Open loop: the clock starts when the request was due, so that waiting counts. */
	next->start =
		opt.rate > 0 ? stats.start + (uint64_t)((double)stats.begun / opt.rate * (double)NS)
			     : now;
	next->body = k->body;
	next->has_body = has_body;
	next->head = !strcmp(k->method, "HEAD");
	if (!c->inflight)
		response_init(&c->response, next->head);
	c->inflight++;
	stats.begun++;
}

/* Whole heads go out together, so that pipelined requests share segments. */
static bool conn_fill(struct conn *c, uint64_t now)
{
	if (c->out_from == c->out_to)
		c->out_from = c->out_to = 0;
	while (!c->body_left && !c->tail && c->inflight < opt.pipeline &&
	       c->out_to < OUT_SIZE / 2 && may_begin(now))
		conn_append(c, now);
	return c->out_to > c->out_from || c->body_left || c->tail;
}

static void conn_send(struct conn *c, uint64_t now)
{
	while (!c->send_failed && conn_fill(c, now)) {
		size_t head = c->out_to - c->out_from;
		size_t body = c->body_left < PATTERN_SIZE ? c->body_left : PATTERN_SIZE;
		bool last = body == c->body_left && c->tail;
		struct iovec iov[3] = {
			{c->out + c->out_from, head},
			{pattern, body},
			{(void *)(uintptr_t)c->tail, last ? strlen(c->tail) : 0},
		};
		struct msghdr m = {.msg_iov = iov, .msg_iovlen = 3};
		ssize_t n = sendmsg(c->fd, &m, MSG_NOSIGNAL);
		size_t sent = n > 0 ? (size_t)n : 0;

		if (n < 0) {
			/* A server may answer and close before it read everything: read first. */
			c->send_failed = errno != EAGAIN && errno != EINTR;
			return;
		}
		stats.bytes_out += sent;
		c->out_from += sent < head ? sent : head;
		sent -= sent < head ? sent : head;
		c->body_left -= sent < body ? sent : body;
		sent -= sent < body ? sent : body;
		if (last)
			c->tail = c->tail[sent] ? c->tail + sent : NULL;
	}
}

/* One whole response is here. Returns false when the connection ends with it. */
static bool conn_answered(struct conn *c)
{
	bool close_after = c->response.close;

	count_response(&c->response, &c->pending[c->first]);
	c->first = (c->first + 1) % PIPELINE_MAX;
	c->inflight--;
	c->answered = true;
	if (close_after) {
		/* What was pipelined behind a closing response is sent again elsewhere. */
		stats.begun -= c->inflight;
		conn_close(c);
		return false;
	}
	response_init(&c->response, c->inflight && c->pending[c->first].head);
	return true;
}

static void conn_eof(struct conn *c, int err)
{
	if (!c->inflight)
		return conn_close(c);
	if (err || c->send_failed)
		return conn_fail(c, WRONG_RESET, strerror(err ? err : EPIPE));
	if (c->response.state == RESPONSE_HEAD && !c->response.line_length)
		return conn_fail(c, WRONG_CLOSED, "the server closed a connection it should keep");
	response_eof(&c->response);
	if (c->response.state == RESPONSE_DONE)
		conn_answered(c);
	else
		conn_fail(c, WRONG_MALFORMED, c->response.why);
}

static void conn_read(struct conn *c)
{
	static char buf[256 * 1024];

	while (c->fd >= 0) {
		ssize_t n = recv(c->fd, buf, sizeof(buf), 0);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0)
			return conn_eof(c, n < 0 ? errno : 0);
		stats.bytes_in += (size_t)n;
		for (size_t used = 0; used < (size_t)n;) {
			if (!c->inflight)
				return conn_fail(c, WRONG_MALFORMED,
						 "bytes after the last response");
			used += response_feed(&c->response, buf + used, (size_t)n - used);
			if (c->response.state == RESPONSE_BAD)
				return conn_fail(c, WRONG_MALFORMED, c->response.why);
			if (c->response.state == RESPONSE_DONE && !conn_answered(c))
				return;
		}
		if ((size_t)n < sizeof(buf))
			return;
	}
}

static void conn_connected(struct conn *c)
{
	int err = 0;
	socklen_t len = sizeof(err);

	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (err)
		conn_fail(c, WRONG_CONNECT, strerror(err));
	else
		c->connecting = false;
}

static void conn_step(struct conn *c, short revents, uint64_t now)
{
	if (c->fd >= 0 && c->connecting && (revents & (POLLOUT | POLLERR | POLLHUP)))
		conn_connected(c);
	if (c->fd >= 0 && !c->connecting && (revents & (POLLIN | POLLERR | POLLHUP)))
		conn_read(c);
	if (c->fd < 0 && now >= c->retry_at && may_begin(now))
		conn_open(c);
	if (c->fd >= 0 && !c->connecting)
		conn_send(c, now);
	if (c->fd >= 0 && (c->inflight || c->connecting) &&
	    now > c->pending[c->connecting ? 0 : c->first].start + opt.timeout)
		conn_fail(c, c->connecting ? WRONG_CONNECT : WRONG_TIMEOUT,
			  c->connecting ? "no answer to the handshake" : "no response in time");
}

static bool finished(uint64_t now)
{
	if (opt.requests && stats.done >= opt.requests)
		return true;
	return opt.duration && now >= stats.start + opt.duration && stats.done >= stats.begun;
}

/* Until something happens, the next request is due, or it is time to look for timeouts. */
static void wait_for_events(struct pollfd *fds, uint64_t now)
{
	struct timespec ts = {.tv_nsec = (long)(NS / 100)};

	if (opt.rate > 0) {
		double due =
			(double)stats.begun / opt.rate * (double)NS - (double)(now - stats.start);

		if (due > 0 && due < (double)ts.tv_nsec)
			ts.tv_nsec = (long)due;
	}
	ppoll(fds, opt.connections, &ts, NULL);
}

static void run(struct conn *conns, struct pollfd *fds)
{
	uint64_t now = now_ns();

	stats.start = now;
	while (!finished(now)) {
		for (unsigned int i = 0; i < opt.connections; i++) {
			struct conn *c = &conns[i];
			bool sending;

			conn_step(c, fds[i].fd == c->fd ? fds[i].revents : 0, now);
			sending = c->out_to > c->out_from || c->body_left || c->tail;
			fds[i].fd = c->fd;
			fds[i].events = POLLIN;
			if (c->connecting || (sending && !c->send_failed))
				fds[i].events |= POLLOUT;
			fds[i].revents = 0;
		}
		if (!finished(now))
			wait_for_events(fds, now);
		now = now_ns();
	}
	stats.end = now;
}

/* ---- report -------------------------------------------------------------------------------------
 */

static double latency_us(double percent)
{
	return (double)histogram_percentile(&stats.latency, percent) / 1000;
}

static void report_json(double seconds)
{
	const char *sep = "";

	printf("{\"requests\":%llu,\"ok\":%llu,\"wrong\":%llu,\"seconds\":%.6f,\"rate\":%.1f,"
	       "\"connects\":%llu,\"bytes_sent\":%llu,\"bytes_received\":%llu,",
	       (unsigned long long)stats.done, (unsigned long long)stats.ok,
	       (unsigned long long)wrong_total(), seconds, (double)stats.latency.count / seconds,
	       (unsigned long long)stats.connects, (unsigned long long)stats.bytes_out,
	       (unsigned long long)stats.bytes_in);
	printf("\"latency_us\":{\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"max\":%.1f},\"statuses\":"
	       "{",
	       latency_us(50), latency_us(90), latency_us(99), latency_us(100));
	for (int i = 100; i < 600; i++)
		if (stats.status[i]) {
			printf("%s\"%d\":%llu", sep, i, (unsigned long long)stats.status[i]);
			sep = ",";
		}
	printf("},\"wrong_by_kind\":{");
	for (int i = 0; i < WRONG_KINDS; i++)
		printf("%s\"%s\":%llu", i ? "," : "", wrong_keys[i],
		       (unsigned long long)stats.wrong[i]);
	printf("}}\n");
}

static void report_text(double seconds)
{
	printf("%llu requests in %.2f s, %.0f requests/s, %u connections (%llu connects)\n",
	       (unsigned long long)stats.done, seconds, (double)stats.latency.count / seconds,
	       opt.connections, (unsigned long long)stats.connects);
	printf("latency  p50 %.1f us  p90 %.1f us  p99 %.1f us  max %.1f us\n", latency_us(50),
	       latency_us(90), latency_us(99), latency_us(100));
	for (int i = 100; i < 600; i++)
		if (stats.status[i])
			printf("status   %d  %llu%s\n", i, (unsigned long long)stats.status[i],
			       opt.expected[i] ? "" : "  unexpected");
	for (int i = 0; i < WRONG_KINDS; i++)
		if (stats.wrong[i])
			printf("wrong    %s  %llu\n", wrong_names[i],
			       (unsigned long long)stats.wrong[i]);
	if (stats.example[0])
		printf("first    %s\n", stats.example);
}

/* ---- options ------------------------------------------------------------------------------------
 */

static void usage(void)
{
	puts("usage: sz-load [options] http://ADDRESS[:PORT]\n"
	     "\n"
	     "Sends HTTP/1.1 requests over keep-alive connections and checks every response.\n"
	     "Exit status: 0 when nothing was wrong, 1 when something was, 2 for bad options.\n"
	     "\n"
	     "  -n, --requests N      stop after N requests (default 1, or none with --duration)\n"
	     "  -d, --duration S      stop after S seconds\n"
	     "  -c, --connections N   connections at a time (default 1)\n"
	     "  -r, --rate N          N requests/s at fixed times; waiting counts as latency\n"
	     "  -P, --pipeline N      requests in flight on a connection, 1 to 64 (default 1)\n"
	     "  -t, --token FILE      bearer tokens, one a line, used in turn\n"
	     "  -p, --path PATH       request target (default /)\n"
	     "  -m, --method METHOD   request method (default GET)\n"
	     "  -x, --mix MIX         instead: kind:weight,... where a kind is a method in small\n"
	     "                        letters with a body size, 'chunked-' before it to send it "
	     "so\n"
	     "                        (get:70,post1k:20,post64k:8,chunked-post1m:2)\n"
	     "  -H, --header LINE     a header line to add (repeatable)\n"
	     "  -e, --expect STATUS   statuses that are right (200; a list 200,429 is allowed)\n"
	     "  -E, --check-echo      a body's response must be 'body LENGTH'\n"
	     "  -T, --timeout S       how long a response may take (default 10)\n"
	     "  -j, --json            one line of JSON\n"
	     "  -h, --help            this text");
}

static double number(const char *what, const char *text, double min, double max)
{
	char *end;
	double v;

	errno = 0;
	v = strtod(text, &end);
	if (errno || end == text || *end || !(v >= min && v <= max))
		die("%s must be a number from %g to %g, not '%s'", what, min, max, text);
	return v;
}

static void parse_kind(char *text)
{
	struct kind *k = &opt.kinds[opt.kinds_n];
	char *colon = strchr(text, ':'), *end;
	size_t n;

	if (opt.kinds_n++ == KINDS_MAX)
		die("a mix has at most %d kinds", KINDS_MAX);
	k->weight = 1;
	if (colon) {
		*colon = '\0';
		k->weight = (long)number("a weight", colon + 1, 1, 1000000);
	}
	k->chunked = !strncmp(text, "chunked-", 8);
	text += k->chunked ? 8 : 0;
	n = strspn(text, "abcdefghijklmnopqrstuvwxyz");
	if (!n || n >= sizeof(k->method))
		die("a kind begins with a method in small letters, not '%s'", text);
	for (size_t i = 0; i < n; i++)
		k->method[i] = (char)(text[i] - 'a' + 'A');
	k->body = strtoull(text + n, &end, 10);
	if (*end == 'k' || *end == 'm')
		k->body <<= *end++ == 'k' ? 10 : 20;
	if (*end || k->body > 1ULL << 32)
		die("a body size is a number with k or m behind it, not '%s'", text + n);
	if ((k->body || k->chunked) && (!strcmp(k->method, "GET") || !strcmp(k->method, "HEAD")))
		die("%s has no body", k->method);
	if (k->chunked && !k->body)
		die("a chunked kind needs a body size");
}

static void parse_mix(char *text)
{
	opt.kinds_n = 0;
	memset(opt.kinds, 0, sizeof(opt.kinds));
	for (char *save, *t = strtok_r(text, ",", &save); t; t = strtok_r(NULL, ",", &save))
		parse_kind(t);
	if (!opt.kinds_n)
		die("the mix is empty");
}

static void parse_method(const char *text)
{
	if (!*text || strlen(text) >= sizeof(opt.kinds[0].method))
		die("a method has 1 to %zu letters", sizeof(opt.kinds[0].method) - 1);
	memset(opt.kinds, 0, sizeof(opt.kinds));
	strcpy(opt.kinds[0].method, text);
	opt.kinds[0].weight = 1;
	opt.kinds_n = 1;
}

static void parse_expect(char *text)
{
	for (char *save, *t = strtok_r(text, ",", &save); t; t = strtok_r(NULL, ",", &save))
		opt.expected[(int)number("a status", t, 100, 599)] = true;
}

static void read_tokens(const char *file)
{
	FILE *f = fopen(file, "re");
	char *line = NULL;
	size_t size = 0;

	if (!f)
		die("cannot read the tokens in %s: %s", file, strerror(errno));
	while (getline(&line, &size, f) > 0) {
		line[strcspn(line, "\r\n")] = '\0';
		if (!*line)
			continue;
		if (strlen(line) > OUT_SIZE / 4)
			die("a token in %s is longer than %d bytes", file, OUT_SIZE / 4);
		opt.tokens = reallocarray(opt.tokens, opt.tokens_n + 1, sizeof(*opt.tokens));
		if (!opt.tokens || !(opt.tokens[opt.tokens_n++] = strdup(line)))
			die("out of memory");
	}
	free(line);
	fclose(f);
	if (!opt.tokens_n)
		die("%s holds no token", file);
}

static void add_header(const char *line)
{
	char *all;

	if (!strchr(line, ':') || strpbrk(line, "\r\n"))
		die("a header is 'Name: value', not '%s'", line);
	if (asprintf(&all, "%s%s\r\n", opt.headers, line) < 0)
		die("out of memory");
	opt.headers = all;
}

static void parse_url(const char *url)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&opt.addr;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&opt.addr;
	char host[INET6_ADDRSTRLEN] = "";
	unsigned int port = 80;
	int end = 0;

	if (strncmp(url, "http://", 7))
		die("the address is http://ADDRESS:PORT, not '%s'", url);
	opt.host = url + 7;
	if (sscanf(opt.host, "[%45[0-9a-fA-F:.]]%n", host, &end) == 1 && end)
		opt.addr.ss_family = AF_INET6;
	else if (sscanf(opt.host, "%15[0-9.]%n", host, &end) == 1)
		opt.addr.ss_family = AF_INET;
	if (opt.host[end] == ':')
		port = (unsigned int)number("a port", opt.host + end + 1, 1, 65535);
	else if (opt.host[end])
		die("'%s' is not http://ADDRESS:PORT; use --path for the path", url);
	if (opt.addr.ss_family == AF_INET && inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_port = htons((uint16_t)port);
		opt.addr_len = sizeof(*v4);
	} else if (opt.addr.ss_family == AF_INET6 &&
		   inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
		v6->sin6_port = htons((uint16_t)port);
		opt.addr_len = sizeof(*v6);
	} else {
		die("'%s' holds no numeric address", url);
	}
}

static void parse_option(int o, char *arg)
{
	switch (o) {
	case 'n':
		opt.requests = (uint64_t)number("--requests", arg, 1, 1e12);
		return;
	case 'd':
		opt.duration = (uint64_t)(number("--duration", arg, 0.01, 86400) * (double)NS);
		return;
	case 'c':
		opt.connections = (unsigned int)number("--connections", arg, 1, 16384);
		return;
	case 'r':
		opt.rate = number("--rate", arg, 0.01, 1e7);
		return;
	case 'P':
		opt.pipeline = (unsigned int)number("--pipeline", arg, 1, PIPELINE_MAX);
		return;
	case 'T':
		opt.timeout = (uint64_t)(number("--timeout", arg, 0.01, 3600) * (double)NS);
		return;
	case 't':
		return read_tokens(arg);
	case 'm':
		return parse_method(arg);
	case 'x':
		return parse_mix(arg);
	case 'e':
		return parse_expect(arg);
	case 'H':
		return add_header(arg);
	case 'p':
		opt.path = arg;
		return;
	case 'E':
		opt.check_echo = true;
		return;
	case 'j':
		opt.json = true;
		return;
	case 'h':
		usage();
		exit(0);
	default:
		die("unknown option or missing argument");
	}
}

static void parse_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{"requests", 1, NULL, 'n'},    {"duration", 1, NULL, 'd'},
		{"connections", 1, NULL, 'c'}, {"rate", 1, NULL, 'r'},
		{"pipeline", 1, NULL, 'P'},    {"token", 1, NULL, 't'},
		{"path", 1, NULL, 'p'},        {"method", 1, NULL, 'm'},
		{"mix", 1, NULL, 'x'},         {"header", 1, NULL, 'H'},
		{"expect", 1, NULL, 'e'},      {"check-echo", 0, NULL, 'E'},
		{"timeout", 1, NULL, 'T'},     {"json", 0, NULL, 'j'},
		{"help", 0, NULL, 'h'},        {NULL, 0, NULL, 0},
	};
	bool any = false;

	for (int o;
	     (o = getopt_long(argc, argv, "n:d:c:r:P:t:p:m:x:H:e:ET:jh", longs, NULL)) != -1;)
		parse_option(o, optarg);
	if (optind + 1 != argc)
		die("one address is needed, such as http://10.0.0.2:8080");
	parse_url(argv[optind]);
	if (!opt.requests && !opt.duration)
		opt.requests = 1;
	if (!opt.kinds_n)
		parse_method("GET");
	for (int i = 0; i < 600; i++)
		any |= opt.expected[i];
	opt.expected[200] |= !any;
	if (strlen(opt.path) + strlen(opt.headers) + strlen(opt.host) > OUT_SIZE / 8)
		die("path and headers are longer than %d bytes", OUT_SIZE / 8);
}

int main(int argc, char **argv)
{
	struct rlimit files;
	struct conn *conns;
	struct pollfd *fds;

	parse_options(argc, argv);
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	prctl(PR_SET_TIMERSLACK, 1UL);
	conns = calloc(opt.connections, sizeof(*conns));
	fds = calloc(opt.connections, sizeof(*fds));
	if (!conns || !fds)
		die("out of memory for %u connections", opt.connections);
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (char)('a' + i % 26);
	for (unsigned int i = 0; i < opt.connections; i++)
		conns[i].fd = -1;
	run(conns, fds);
	if (opt.json)
		report_json((double)(stats.end - stats.start) / (double)NS);
	else
		report_text((double)(stats.end - stats.start) / (double)NS);
	for (unsigned int i = 0; i < opt.connections; i++)
		conn_close(&conns[i]);
	free(conns);
	free(fds);
	return wrong_total() > 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sz-flood: floods a service with packets or requests at a chosen rate and says what was really
 * sent and what came back, for `make bench-flood` and the tests. Frames are made by a BPF program
 * and leave the interface without a socket buffer (flood_bpf.c), because on two cores a flood must
 * cost its sender less than it costs its victim. It must never send anything to a network that is
 * not the tester's own: without being told so it takes veth interfaces, targets with a private
 * address, and sources that are reserved for tests.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "flood.h"
#include "flood_object.h"

#define NS        1000000000ULL
#define BURST     128u         /* frames of one run, where the ticks allow for as few: a veth has */
			       /* room for 256 on their way */
#define TICK_MIN  (NS / 4000)  /* between two runs: each leaves behind what the kernel */
#define TICK_MAX  (NS / 1000)  /* clears away a second later, and has room for 65,000 times */
#define DEBT_S    0.1          /* what was missed longer ago is not made up for */
#define BATCH     64u          /* frames of one run that are in flight at a time */
#define RUN_MAX   16384u       /* frames of one run */
#define TOKEN_MAX (FLOOD_PAYLOAD_MAX / 2)
#define TAIL      24 /* characters of a token behind the random ones */

static const char *const kind_names[] = {
	[FLOOD_SYN] = "syn",
	[FLOOD_ACK] = "ack",
	[FLOOD_DATA] = "data",
	[FLOOD_REQUEST] = "request",
};

static struct {
	const char *interface, *target, *path, *token_file;
	int kind;
	double rate, seconds;
	bool vary, json, owner;
	char token[TOKEN_MAX];
	struct flood_conf conf;
	struct sockaddr_storage addr;
	socklen_t addr_len;
	unsigned int prefix;
} opt = {
	.path = "/",
	.kind = -1,
	.seconds = 1,
	/* Well-formed, of nobody: a signature as long as that of Ed25519. */
	.token = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJzei1mbG9vZCJ9."
		 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
};

static struct {
	int prog_fd, conf_fd, counts_fd, statuses_fd;
	unsigned int ifindex;
	u8 frame[128 + FLOOD_PAYLOAD_MAX];
	u32 frame_len;
} flood;

/* What was counted since the beginning. */
struct counts {
	u64 n[FLOOD_COUNTS];
	u64 dropped; /* frames that the interface did not take */
};

static volatile sig_atomic_t stopped;

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("sz-flood: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(2);
}

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

static u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * NS + (u64)ts.tv_nsec;
}

/* ---- whose network it is ------------------------------------------------------------------------
 */

/* Does the address lie in one of the prefixes, "a/n" separated by blanks? */
static bool lies_in(int family, const void *addr, unsigned int bits, const char *prefixes)
{
	const u8 *a = addr;
	char text[64];
	u8 p[16];

	for (; sscanf(prefixes, " %63s", text) == 1; prefixes += strcspn(prefixes, " ")) {
		char *slash = strchr(text, '/');
		unsigned int n = (unsigned int)strtoul(slash + 1, NULL, 10), i = 0;

		*slash = '\0';
		prefixes += strspn(prefixes, " ");
		if (inet_pton(family, text, p) != 1 || n > bits)
			continue;
		while (i < n && !((a[i / 8] ^ p[i / 8]) & (0x80u >> (i % 8))))
			i++;
		if (i == n)
			return true;
	}
	return false;
}

static void must_be_own(void)
{
	const bool v6 = opt.addr.ss_family == AF_INET6;
	const void *target = opt.conf.target, *source = opt.conf.source;
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq r = {.ifr_data = (void *)&info};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (opt.owner)
		return;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", opt.interface);
	if (fd < 0 || ioctl(fd, SIOCETHTOOL, &r) || strcmp(info.driver, "veth"))
		die("%s is not a veth interface, and a flood must stay in a laboratory; if the "
		    "network behind it is yours, add --i-own-this-network",
		    opt.interface);
	close(fd);
	if (!lies_in(v6 ? AF_INET6 : AF_INET, target, 128,
		     v6 ? "fc00::/7 fe80::/10 2001:db8::/32"
			: "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 192.0.2.0/24 "
			  "198.18.0.0/15 198.51.100.0/24 203.0.113.0/24"))
		die("%s is not a private address; if it is yours, add --i-own-this-network",
		    opt.target);
	if (!lies_in(v6 ? AF_INET6 : AF_INET, source, opt.prefix,
		     v6 ? "2001:db8::/32 fc00::/7"
			: "198.18.0.0/15 192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 10.0.0.0/8 "
			  "172.16.0.0/12 192.168.0.0/16"))
		die("the sources are not of a prefix for tests (198.18.0.0/15, 192.0.2.0/24, "
		    "2001:db8::/32, ...); if they are yours, add --i-own-this-network");
}

/* ---- the link layer -----------------------------------------------------------------------------
 */

/* Asks the kernel's neighbour table once; true when it knows the target's address. */
static bool ask_neighbour(int fd, u8 mac[ETH_ALEN])
{
	const bool v6 = opt.addr.ss_family == AF_INET6;
	struct {
		struct nlmsghdr h;
		struct ndmsg n;
		char attrs[64];
	} q = {
		.h = {.nlmsg_type = RTM_GETNEIGH, .nlmsg_flags = NLM_F_REQUEST},
		.n = {.ndm_family = (u8)opt.addr.ss_family, .ndm_ifindex = (int)flood.ifindex},
	};
	struct rtattr *a = (struct rtattr *)q.attrs;
	char buf[4096] __attribute__((aligned(8)));
	struct nlmsghdr *h = (struct nlmsghdr *)buf;
	struct ndmsg *n = NLMSG_DATA(h);
	int len;

	a->rta_type = NDA_DST;
	a->rta_len = RTA_LENGTH(v6 ? 16 : 4);
	memcpy(RTA_DATA(a), opt.conf.target, v6 ? 16 : 4);
	q.h.nlmsg_len = NLMSG_LENGTH(sizeof(q.n)) + a->rta_len;
	if (send(fd, &q, q.h.nlmsg_len, 0) < 0)
		return false;
	len = (int)recv(fd, buf, sizeof(buf), 0);
	if (len < 0 || !NLMSG_OK(h, (u32)len) || h->nlmsg_type != RTM_NEWNEIGH)
		return false;
	if (n->ndm_state & (NUD_INCOMPLETE | NUD_FAILED))
		return false;
	len = (int)RTM_PAYLOAD(h);
	for (a = (struct rtattr *)((char *)n + NLMSG_ALIGN(sizeof(*n))); RTA_OK(a, len);
	     a = RTA_NEXT(a, len))
		if (a->rta_type == NDA_LLADDR && RTA_PAYLOAD(a) == ETH_ALEN) {
			memcpy(mac, RTA_DATA(a), ETH_ALEN);
			return true;
		}
	return false;
}

/* The Ethernet header: the target must be a neighbour on this interface. */
static void fill_ethernet(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int udp = socket(opt.addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = {0};
	u8 *eth = opt.conf.eth;
	int i;

	if (fd < 0 || udp < 0 || !opt.interface)
		die("no socket: %s", strerror(errno));
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", opt.interface);
	if (ioctl(udp, SIOCGIFHWADDR, &r))
		die("%s has no hardware address: %s", opt.interface, strerror(errno));
	memcpy(eth + ETH_ALEN, r.ifr_hwaddr.sa_data, ETH_ALEN);
	setsockopt(udp, SOL_SOCKET, SO_BINDTODEVICE, opt.interface,
		   (socklen_t)strlen(opt.interface));
	for (i = 0; i < 200 && !ask_neighbour(fd, eth); i++) {
		/* Any datagram makes the kernel look for the neighbour. */
		if (i % 20 == 0)
			sendto(udp, "", 0, 0, (struct sockaddr *)&opt.addr, opt.addr_len);
		usleep(10000);
	}
	if (i == 200)
		die("%s is no neighbour on %s; the target must be on the same link", opt.target,
		    opt.interface);
	eth[12] = opt.conf.v6 ? 0x86 : 0x08;
	eth[13] = opt.conf.v6 ? 0xdd : 0x00;
	close(fd);
	close(udp);
}

/* ---- the request --------------------------------------------------------------------------------
 */

static u32 sum_of(const u8 *p, u32 n)
{
	u32 sum = 0;

	for (u32 i = 0; i < n; i += 2) {
		u16 w = p[i];

		if (i + 1 < n)
			w |= (u16)(p[i + 1] << 8);
		sum += w;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void fill_request(void)
{
	struct flood_conf *c = &opt.conf;
	char *p = (char *)c->payload;
	int n, end;

	if (c->kind != FLOOD_DATA && c->kind != FLOOD_REQUEST)
		return;
	n = snprintf(p, FLOOD_PAYLOAD_MAX,
		     "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: sz-flood\r\n"
		     "Authorization: Bearer %s%n\r\n\r\n",
		     opt.path, opt.target, opt.token, &end);
	if (n >= 1400)
		die("the request has %d bytes, and must fit into one segment of 1400", n);
	c->len = (u32)n;
	if (opt.vary) {
		if (strlen(opt.token) < TAIL + FLOOD_RANDOM + 2)
			die("a token of %zu characters is too short for --random",
			    strlen(opt.token));
		c->random_at = (u32)(end - TAIL - FLOOD_RANDOM) & ~1u;
		memset(p + c->random_at, 0, FLOOD_RANDOM);
	}
	c->sum = sum_of(c->payload, c->len);
}

/* ---- the kernel's side --------------------------------------------------------------------------
 */

static int map_fd(struct bpf_object *o, const char *name)
{
	return bpf_object__find_map_fd_by_name(o, name);
}

static int no_output(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level, (void)fmt, (void)ap;
	return 0;
}

/* Loads the program and attaches it; it goes with this process. */
static void load_program(void)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "sz_flood");
	struct bpf_program *prog;
	struct bpf_object *o;
	struct bpf_link *link;
	u32 zero = 0;
	int err;

	libbpf_set_print(no_output);
	o = bpf_object__open_mem(flood_object, sizeof(flood_object), &opts);
	err = o ? bpf_object__load(o) : -errno;
	if (err)
		die("cannot load its BPF program: %s%s", strerror(-err),
		    err == -EPERM ? "; run it as root" : "");
	prog = bpf_object__find_program_by_name(o, "sz_flood");
	flood.prog_fd = bpf_program__fd(prog);
	flood.conf_fd = map_fd(o, "flood_conf");
	flood.counts_fd = map_fd(o, "flood_counts");
	flood.statuses_fd = map_fd(o, "flood_statuses");
	err = bpf_map_update_elem(flood.conf_fd, &zero, &opt.conf, BPF_ANY);
	if (err)
		die("cannot write its BPF map: %s", strerror(-err));
	link = bpf_program__attach_xdp(prog, (int)flood.ifindex);
	if (!link)
		die("cannot attach to %s: %s%s", opt.interface, strerror(errno),
		    errno == EBUSY ? "; it carries an XDP program: take that off first" : "");
	flood.frame_len = FLOOD_META + (opt.conf.v6 ? 74 : 54) +
			  (opt.conf.kind == FLOOD_SYN ? 4 : opt.conf.len);
}

static void send_frames(u32 n)
{
	struct xdp_md ctx = {
		.data = FLOOD_META,
		.data_end = flood.frame_len,
		.ingress_ifindex = flood.ifindex,
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = flood.frame,
		    .data_size_in = flood.frame_len, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
		    .repeat = (int)n, .batch_size = n < BATCH ? n : BATCH,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	int err = bpf_prog_test_run_opts(flood.prog_fd, &opts);

	if (err && err != -EINTR)
		die("cannot send frames: %s", strerror(-err));
}

static u64 read_sum(int fd, u32 key)
{
	static int cpus;
	static u64 *value;
	u64 sum = 0;

	if (!value) {
		cpus = libbpf_num_possible_cpus();
		value = calloc((size_t)cpus, sizeof(*value));
	}
	if (!value || bpf_map_lookup_elem(fd, &key, value))
		die("cannot read its counters");
	for (int i = 0; i < cpus; i++)
		sum += value[i];
	return sum;
}

/* Frames for which the interface's other end had no room. */
static u64 read_dropped(void)
{
	FILE *f = fopen("/proc/self/net/dev", "re");
	char line[512], name[64];
	unsigned long long drop = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " %63[^:]: %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %llu", name,
			   &drop) == 2 &&
		    !strcmp(name, opt.interface))
			break;
	if (f)
		fclose(f);
	return drop;
}

static void read_counts(struct counts *ret)
{
	for (u32 i = 0; i < FLOOD_COUNTS; i++)
		ret->n[i] = read_sum(flood.counts_fd, i);
	ret->dropped = read_dropped();
}

/* ---- the flood ----------------------------------------------------------------------------------
 */

static void show_second(unsigned int second, const struct counts *was, const struct counts *is)
{
	if (opt.json)
		return;
	printf("second %u: %llu sent, %llu found no room", second,
	       (unsigned long long)(is->n[FLOOD_MADE] - was->n[FLOOD_MADE]),
	       (unsigned long long)(is->dropped - was->dropped));
	if (opt.conf.kind == FLOOD_REQUEST)
		printf(", %llu requests, %llu responses",
		       (unsigned long long)(is->n[FLOOD_ASKED] - was->n[FLOOD_ASKED]),
		       (unsigned long long)(is->n[FLOOD_ANSWERED] - was->n[FLOOD_ANSWERED]));
	printf("\n");
	fflush(stdout);
}

/* Requests whose connection is open and waits for them. */
static u64 waiting(void)
{
	u64 asked = read_sum(flood.counts_fd, FLOOD_ASKED);

	return opt.conf.kind == FLOOD_REQUEST ? read_sum(flood.counts_fd, FLOOD_OPENED) - asked : 0;
}

/* Sends what is due at each tick; returns how long it took, in seconds. */
static double run(const struct counts *first)
{
	u64 begin = now_ns(), now = begin, shown = begin, forgiven = 0,
	    end = begin + (u64)(opt.seconds * (double)NS);
	u64 tick = (u64)(BURST * (double)NS / opt.rate);
	struct counts was = *first, is;
	unsigned int second = 0;

	tick = tick < TICK_MIN ? TICK_MIN : tick > TICK_MAX ? TICK_MAX : tick;
	while (!stopped && now < end) {
		u64 target = (u64)(opt.rate * (double)(now - begin - forgiven) / (double)NS),
		    made = read_sum(flood.counts_fd, FLOOD_MADE),
		    due = target > made ? target - made : 0;

		if ((double)due > opt.rate * DEBT_S) {
			u64 most = (u64)(opt.rate * DEBT_S);

			forgiven += (u64)((double)(due - most) / opt.rate * (double)NS);
			due = most;
		}
		due += waiting();
		if (due)
			send_frames(due < RUN_MAX ? (u32)due : RUN_MAX);
		if (now - shown >= NS) {
			read_counts(&is);
			show_second(++second, &was, &is);
			was = is;
			shown += NS;
		}
		if (now_ns() < now + tick)
			nanosleep(&(struct timespec){.tv_nsec = (long)(now + tick - now_ns())},
				  NULL);
		now = now_ns();
	}
	return (double)(now - begin) / (double)NS;
}

/* What is on its way when the last frame was sent still comes back. */
static void linger(void)
{
	u64 was = UINT64_MAX, is, until = now_ns() + NS / 2, n = waiting();

	if (n)
		send_frames((u32)n);
	while (now_ns() < until && (is = read_sum(flood.counts_fd, FLOOD_ANSWERED)) != was) {
		was = is;
		usleep(50000);
	}
}

static void report_json(const struct counts *c, double seconds)
{
	static const char *const keys[FLOOD_COUNTS] = {
		"sent", "opened", "requests", "responses", "closed", "reset", "failed",
	};
	const char *sep = "";

	printf("{\"kind\":\"%s\",\"seconds\":%.3f,\"rate\":%.0f", kind_names[opt.conf.kind],
	       seconds, (double)c->n[FLOOD_MADE] / seconds);
	for (u32 i = 0; i < FLOOD_COUNTS; i++)
		printf(",\"%s\":%llu", keys[i], (unsigned long long)c->n[i]);
	printf(",\"no_room\":%llu,\"statuses\":{", (unsigned long long)c->dropped);
	for (u32 i = 0; i < FLOOD_STATUSES; i++) {
		u64 n = read_sum(flood.statuses_fd, i);

		if (n)
			printf("%s\"%u\":%llu", sep, i, (unsigned long long)n);
		sep = n ? "," : sep;
	}
	printf("}}\n");
}

static void report_text(const struct counts *c, double seconds)
{
	printf("%s: %llu sent in %.2f s, %.0f/s; %llu found no room, %llu could not be made\n",
	       kind_names[opt.conf.kind], (unsigned long long)c->n[FLOOD_MADE], seconds,
	       (double)c->n[FLOOD_MADE] / seconds, (unsigned long long)c->dropped,
	       (unsigned long long)c->n[FLOOD_FAILED]);
	printf("came back: %llu SYN-ACKs, %llu RSTs\n", (unsigned long long)c->n[FLOOD_OPENED],
	       (unsigned long long)c->n[FLOOD_RESET]);
	if (opt.conf.kind != FLOOD_REQUEST)
		return;
	printf("requests   %llu\nresponses  %llu, and %llu closed without\n",
	       (unsigned long long)c->n[FLOOD_ASKED], (unsigned long long)c->n[FLOOD_ANSWERED],
	       (unsigned long long)c->n[FLOOD_CLOSED]);
	for (u32 i = 0; i < FLOOD_STATUSES; i++) {
		u64 n = read_sum(flood.statuses_fd, i);

		if (n)
			printf("status     %u  %llu\n", i, (unsigned long long)n);
	}
}

/* ---- options ------------------------------------------------------------------------------------
 */

static void usage(void)
{
	puts("usage: sz-flood -i INTERFACE -k KIND -r RATE [options] http://ADDRESS:PORT\n"
	     "\n"
	     "Floods a service from many made-up addresses, and says each second what was sent.\n"
	     "For laboratories: veth interfaces, private targets, addresses reserved for tests.\n"
	     "The target must be on the interface's own link, and must route the sources back to\n"
	     "it where an answer is to arrive. The interface must carry no XDP program.\n"
	     "Exit status: 0 when the flood was sent, 2 for bad options or when it could not be.\n"
	     "\n"
	     "  -i, --interface NAME  where frames leave\n"
	     "  -k, --kind KIND       syn: SYNs that nobody follows up\n"
	     "                        ack: bare ACKs of connections that never were\n"
	     "                        data: requests on connections that never were\n"
	     "                        request: one request on each connection, which is opened\n"
	     "                        properly and reset when a response has arrived\n"
	     "  -r, --rate N          frames a second; for 'request' new connections a second\n"
	     "  -d, --duration S      seconds (default 1)\n"
	     "  -s, --sources PREFIX  where the addresses are from (default 198.18.0.0/15 or\n"
	     "                        2001:db8::/32); ports are random, too\n"
	     "  -t, --token FILE      bearer token of the requests: the first line (default: one\n"
	     "                        that is well-formed and of nobody)\n"
	     "  -R, --random          another signature in each request's token\n"
	     "  -p, --path PATH       request target (default /)\n"
	     "  -j, --json            one line of JSON at the end, and nothing before\n"
	     "      --i-own-this-network  send on any interface to anybody, as anybody\n"
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

static void parse_kind(const char *text)
{
	for (int i = 0; i <= FLOOD_REQUEST; i++)
		if (!strcmp(text, kind_names[i]))
			opt.kind = i;
	if (opt.kind < 0)
		die("--kind is syn, ack, data or request, not '%s'", text);
}

static void read_token(const char *file)
{
	FILE *f = fopen(file, "re");

	if (!f || !fgets(opt.token, sizeof(opt.token), f))
		die("cannot read a token from %s: %s", file, f ? "it is empty" : strerror(errno));
	if (strlen(opt.token) == sizeof(opt.token) - 1)
		die("the token in %s is longer than %d characters", file, TOKEN_MAX - 2);
	opt.token[strcspn(opt.token, "\r\n")] = '\0';
	fclose(f);
}

static void parse_target(const char *url)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&opt.addr;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&opt.addr;
	char host[INET6_ADDRSTRLEN] = "";
	int end = 0;

	if (!strncmp(url, "http://", 7))
		opt.target = url + 7;
	if (opt.target && sscanf(opt.target, "[%45[0-9a-fA-F:.]]:%n", host, &end) == 1 && end)
		opt.addr.ss_family = AF_INET6;
	else if (opt.target && sscanf(opt.target, "%15[0-9.]:%n", host, &end) == 1 && end)
		opt.addr.ss_family = AF_INET;
	else
		die("the address is http://ADDRESS:PORT, not '%s'", url);
	opt.conf.v6 = opt.addr.ss_family == AF_INET6;
	opt.conf.port = htons((u16)number("a port", opt.target + end, 1, 65535));
	if (inet_pton(opt.addr.ss_family, host, opt.conf.target) != 1)
		die("'%s' is no numeric address", host);
	if (opt.conf.v6)
		memcpy(&v6->sin6_addr, opt.conf.target, 16);
	else
		memcpy(&v4->sin_addr, opt.conf.target, 4);
	v4->sin_port = htons(9); /* to look for the neighbour; the same place in both */
	opt.addr_len = opt.conf.v6 ? sizeof(*v6) : sizeof(*v4);
}

static void parse_sources(const char *text)
{
	unsigned int bits = opt.conf.v6 ? 128 : 32, i;
	char addr[INET6_ADDRSTRLEN + 8];
	char *slash;

	if (!text)
		text = opt.conf.v6 ? "2001:db8::/32" : "198.18.0.0/15";
	snprintf(addr, sizeof(addr), "%s", text);
	slash = strchr(addr, '/');
	opt.prefix = bits;
	if (slash) {
		*slash = '\0';
		opt.prefix = (unsigned int)number("a prefix length", slash + 1, 1, bits);
	}
	if (inet_pton(opt.addr.ss_family, addr, opt.conf.source) != 1)
		die("--sources '%s' is no prefix of the target's family", text);
	for (i = opt.prefix; i < bits; i++)
		((u8 *)opt.conf.host_mask)[i / 8] |= (u8)(0x80u >> (i % 8));
	for (i = 0; i < 4; i++)
		opt.conf.source[i] &= ~opt.conf.host_mask[i];
}

static void parse_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{"interface", 1, NULL, 'i'}, {"kind", 1, NULL, 'k'},
		{"rate", 1, NULL, 'r'},      {"duration", 1, NULL, 'd'},
		{"sources", 1, NULL, 's'},   {"token", 1, NULL, 't'},
		{"random", 0, NULL, 'R'},    {"path", 1, NULL, 'p'},
		{"json", 0, NULL, 'j'},      {"i-own-this-network", 0, NULL, 'O'},
		{"help", 0, NULL, 'h'},      {NULL, 0, NULL, 0},
	};
	const char *sources = NULL;

	for (int o; (o = getopt_long(argc, argv, "i:k:r:d:s:t:Rp:jh", longs, NULL)) != -1;) {
		switch (o) {
		case 'i':
			opt.interface = optarg;
			break;
		case 'k':
			parse_kind(optarg);
			break;
		case 'r':
			opt.rate = number("--rate", optarg, 1, 1e8);
			break;
		case 'd':
			opt.seconds = number("--duration", optarg, 0.01, 86400);
			break;
		case 's':
			sources = optarg;
			break;
		case 't':
			read_token(optarg);
			break;
		case 'p':
			opt.path = optarg;
			break;
		case 'h':
			usage();
			exit(0);
		case '?':
			die("unknown option or missing argument; sz-flood --help");
		default:
			opt.vary |= o == 'R';
			opt.json |= o == 'j';
			opt.owner |= o == 'O';
		}
	}
	if (optind + 1 != argc)
		die("one address is needed, such as http://10.0.0.2:8080");
	if (!opt.interface || opt.kind < 0 || opt.rate <= 0)
		die("--interface, --kind and --rate are needed; sz-flood --help");
	opt.conf.kind = (u32)opt.kind;
	parse_target(argv[optind]);
	parse_sources(sources);
}

int main(int argc, char **argv)
{
	struct counts first = {0}, last;
	double seconds;

	parse_options(argc, argv);
	flood.ifindex = if_nametoindex(opt.interface);
	if (!flood.ifindex)
		die("there is no interface %s", opt.interface);
	must_be_own();
	fill_request();
	fill_ethernet();
	load_program();
	prctl(PR_SET_TIMERSLACK, 1UL);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	first.dropped = read_dropped();
	seconds = run(&first);
	linger();
	read_counts(&last);
	last.dropped -= first.dropped;
	if (opt.json)
		report_json(&last, seconds);
	else
		report_text(&last, seconds);
	return 0;
}

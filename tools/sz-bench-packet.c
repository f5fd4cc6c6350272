/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What one packet of each class costs in sz_ingress, in nanoseconds: the kernel's own run-time
 * statistics over BPF_PROG_TEST_RUN, so no driver and no stack is in it. The statistics cost some
 * 20 to 40 ns themselves, which the class "foreign" shows. Prints a table, or with --json one row a
 * line: {"class", "grants", "rounds": [ns...], "median"}. For `make bench`; needs root.
 */
#define HARNESS_NO_MAIN
#include "scene.h"

#include <getopt.h>
#include <sys/stat.h>

#define TOKEN 600   /* bytes */
#define ROUNDS_MAX 64

static struct {
	u32 rounds, packets, grants;
	bool json;
	const char *only;
} opt = {5, 20000, 1000, false, NULL};

static char head[2048], token[TOKEN + 1], no_token[512];

static struct bpf_prog_info prog_info(void)
{
	struct bpf_prog_info info = {};
	u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(machine.ingress, &info, &len))
		info.run_cnt = 0;
	return info;
}

/* Another connection: the port of the flow's key and of the packets. */
static u16 port = 1024;

static void connect_next(void)
{
	static u32 wraps;

	if (port == 65535)
		wraps++;
	port = port == 65535 ? 1024 : port + 1;
	scene_ack = SCENE_ISS + 1;
	scene_base = SCENE_BASE + 100003 * wraps; /* the same port, but not the same connection */
	OUT(.flags = PKT_SYN | PKT_ACK, .seq = SCENE_ISS, .ack = scene_base, .sport = port);
}

static int send_bytes(u32 at, const char *s, u32 n)
{
	return IN(.flags = PKT_ACK | PKT_PSH, .seq = scene_base + at, .ack = scene_ack,
		  .data = s, .len = n, .sport = port);
}

static void acked(u32 n)
{
	OUT(.flags = PKT_ACK, .seq = scene_ack, .ack = scene_base + n, .sport = port);
}

/* One packet of the class, and whatever must be done between two of them. */
struct class {
	const char *name;
	int expect; /* enum scene_act */
	void (*setup)(void);
	int (*packet)(u32 i);
};

static u32 at;

static void setup_flow(void)
{
	connect_next();
	at = 0;
	send_bytes(0, head, (u32)strlen(head));
	at = (u32)strlen(head);
	acked(at);
}

static int packet_foreign(u32 i)
{
	(void)i;
	return IN(.flags = PKT_ACK, .seq = 1, .ack = 1, .sport = 7, .dport = 81);
}

static int packet_ack(u32 i)
{
	(void)i;
	return IN(.flags = PKT_ACK, .seq = scene_base + at, .ack = scene_ack, .sport = port);
}

static int packet_hit(u32 i)
{
	u32 n = (u32)strlen(head);
	int act = send_bytes(at, head, n);

	(void)i;
	at += n;
	acked(at);
	return act;
}

static int packet_repeat(u32 i)
{
	(void)i;
	return send_bytes(0, head, (u32)strlen(head));
}

static int packet_denied(u32 i)
{
	(void)i;
	connect_next();
	return send_bytes(0, no_token, (u32)strlen(no_token));
}

static int packet_miss(u32 i)
{
	static u8 rec[sizeof(struct sz_miss) + SZ_FRAME_MAX];
	u32 n = (u32)strlen(head);
	char unknown[sizeof(head)], digits[16];
	int act;

	memcpy(unknown, head, n);
	snprintf(digits, sizeof(digits), "%010u", i);
	memcpy(unknown + n - 20, digits, 10); /* inside the token */
	connect_next();
	act = send_bytes(0, unknown, n);
	machine_ring("sz_misses", rec, sizeof(rec));
	return act;
}

/* Beyond the budget of segments that belong to no connection. */
static void setup_strays(void)
{
	static u32 slot;

	if (!slot)
		slot = scene_limit(SZ_LIMIT_STRAY, 0, SZ_R_STRAY, 3600000000000ull, 0);
	IN(.flags = PKT_ACK, .seq = 1, .ack = 1, .sport = 7); /* takes the one that is admitted */
}

static int packet_stray(u32 i)
{
	return IN(.flags = PKT_ACK, .seq = i, .ack = 1, .sport = (u16)(1 + i % 1000));
}

static int packet_stray_data(u32 i)
{
	return IN(.flags = PKT_ACK, .seq = i, .ack = 1, .sport = (u16)(1 + i % 1000),
		  .data = no_token, .len = (u32)strlen(no_token));
}

static const struct class classes[] = {
	{"foreign", SCENE_PASS, setup_flow, packet_foreign},
	{"ack", SCENE_PASS, setup_flow, packet_ack},
	{"hit", SCENE_PASS, setup_flow, packet_hit},
	{"repeat", SCENE_PASS, setup_flow, packet_repeat},
	{"miss", SCENE_DROP, setup_flow, packet_miss},
	{"denied", SCENE_REPLY, setup_flow, packet_denied},
	{"stray", SCENE_DROP, setup_strays, packet_stray},
	{"stray-data", SCENE_DROP, setup_strays, packet_stray_data},
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* One round of a class: ns per packet, or a negative number where a packet had another fate. */
static double round_of(const struct class *c)
{
	struct bpf_prog_info before, after;
	u32 i;

	c->setup();
	before = prog_info();
	for (i = 0; i < opt.packets; i++) {
		int act = c->packet(i);

		if (act != c->expect) {
			fprintf(stderr, "sz-bench-packet: a packet of class %s became %d, not %d\n",
				c->name, act, c->expect);
			return -1;
		}
	}
	after = prog_info();
	return (double)(after.run_time_ns - before.run_time_ns) /
	       (double)(after.run_cnt - before.run_cnt);
}

static bool measure(const struct class *c)
{
	double ns[ROUNDS_MAX], sorted[ROUNDS_MAX];
	u32 r;

	for (r = 0; r < opt.rounds; r++) {
		ns[r] = round_of(c);
		if (ns[r] < 0)
			return false;
	}
	memcpy(sorted, ns, sizeof(sorted));
	qsort(sorted, opt.rounds, sizeof(*sorted), by_value);
	if (!opt.json) {
		printf("%-10s %10u %10.1f\n", c->name, opt.grants, sorted[opt.rounds / 2]);
		return true;
	}
	printf("{\"class\":\"%s\",\"grants\":%u,\"rounds\":[", c->name, opt.grants);
	for (r = 0; r < opt.rounds; r++)
		printf("%s%.1f", r ? "," : "", ns[r]);
	printf("],\"median\":%.1f}\n", sorted[opt.rounds / 2]);
	return true;
}

static void fill_grants(void)
{
	struct sz_grant g = scene_grant_value();
	struct sz_grant_key k = {.service = SCENE_SERVICE};
	u64 v = 88172645463325252ull;

	for (u32 i = 0; i < opt.grants; i++) {
		v ^= v << 13;
		v ^= v >> 7;
		v ^= v << 17;
		memcpy(&k.token, &v, sizeof(v));
		machine_set("sz_grants", &k, &g);
	}
}

static void prepare(void)
{
	struct sz_grant g;

	scene_begin();
	scene.cfg.heartbeat_ttl_ns = 3600000000000ull;
	scene_config();
	for (u32 i = 0; i < TOKEN; i++)
		token[i] = (char)('A' + i % 26);
	snprintf(head, sizeof(head),
		 "GET /a/orders/17?x=1 HTTP/1.1\r\nHost: api.example.com:8080\r\n"
		 "User-Agent: bench\r\nAccept: */*\r\nAuthorization: Bearer %s\r\n\r\n", token);
	snprintf(no_token, sizeof(no_token),
		 "GET /a/orders/17?x=1 HTTP/1.1\r\nHost: api.example.com:8080\r\n"
		 "User-Agent: bench\r\nAccept: */*\r\n\r\n");
	g = scene_grant_value();
	scene_grant(token, &g);
	fill_grants();
}

static int usage(FILE *to)
{
	fprintf(to, "usage: sz-bench-packet [--json] [--rounds N] [--packets N] [--grants N]\n"
		    "                       [--class NAME]\n"
		    "What a packet of each class costs in sz_ingress, in ns. Run it as root "
		    "from the top folder.\n");
	return to == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"json", 0, NULL, 'j'}, {"rounds", 1, NULL, 'r'},
						{"packets", 1, NULL, 'p'}, {"grants", 1, NULL, 'g'},
						{"class", 1, NULL, 'c'},
						{"help", 0, NULL, 'h'}, {}};
	int c, stats;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (c == 'j')
			opt.json = true;
		else if (c == 'r')
			opt.rounds = (u32)atoi(optarg);
		else if (c == 'p')
			opt.packets = (u32)atoi(optarg);
		else if (c == 'g')
			opt.grants = (u32)atoi(optarg);
		else if (c == 'c')
			opt.only = optarg;
		else
			return usage(c == 'h' ? stdout : stderr);
	}
	if (optind < argc || !opt.rounds || opt.rounds > ROUNDS_MAX || !opt.packets)
		return usage(stderr);
	stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	if (stats < 0) {
		fprintf(stderr, "sz-bench-packet: the kernel keeps no run-time statistics: %s\n",
			strerror(errno));
		return 1;
	}
	if (setjmp(test_exit))
		return 1;
	prepare();
	if (!opt.json)
		printf("%-10s %10s %10s\n", "CLASS", "GRANTS", "NS/PACKET");
	for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++)
		if ((!opt.only || !strcmp(opt.only, classes[i].name)) && !measure(&classes[i]))
			return 1;
	close(stats);
	return 0;
}

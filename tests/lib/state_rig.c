/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What tests/integration/55-state.sh cannot do in shell. Built and called by it alone; touches
 * nothing but what it is told on the command line.
 *
 *   state_rig kill-at N DIR PIN -- COMMAND...
 *     Runs COMMAND under ptrace. Once DIR/arm exists it makes DIR/armed; from the first record
 *     that then appears in the ring pinned at PIN on, it counts the beginnings and ends of system
 *     calls of all threads while DIR/arm exists, and ends COMMAND with SIGKILL at the Nth (0:
 *     never). It leaves the count in DIR/count and passes SIGTERM on. Exits 137 when it has
 *     killed, 1 when it cannot.
 *   state_rig fill PIN [BYTE]
 *     Fills a hash with entries of that byte (255) under keys nobody uses; prints how many.
 *   state_rig empty PIN
 *     Takes every entry out of a hash again.
 *   state_rig word PIN N
 *     Sets the first 32-bit word of the only element of an array.
 *   state_rig raw IF MAC SOURCE DESTINATION PORT [frag]
 *     One TCP connection from frames of its own: sends standard input as one segment, or as IP
 *     fragments of it, and prints what the server sends within a second.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int fail(const char *what)
{
	fprintf(stderr, "state_rig: %s: %s\n", what, strerror(errno));
	return 1;
}

/* ---- kill-at -------------------------------------------------------------------------------- */

static volatile sig_atomic_t ended;
static pid_t child;

static void on_term(int sig)
{
	(void)sig;
	ended = 1;
	kill(child, SIGTERM);
}

struct killer {
	const char *dir;
	const volatile unsigned long *produced; /* the ring's position */
	unsigned long base;
	bool armed;
	long count, limit;
};

/* The second page of a ring's mapping says how much was ever written (kernel/bpf/ringbuf.c). */
static const volatile unsigned long *producer(const char *pin)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int fd = bpf_obj_get(pin);
	void *p = fd < 0 ? MAP_FAILED :
			   mmap(NULL, page, PROT_READ, MAP_SHARED, fd, (off_t)page);

	return p == MAP_FAILED ? NULL : p;
}

static void name_in(const struct killer *k, const char *name, char ret[4096])
{
	snprintf(ret, 4096, "%s/%s", k->dir, name);
}

static void arm(struct killer *k)
{
	char path[4096];
	int fd;

	name_in(k, "arm", path);
	if (access(path, F_OK))
		return;
	k->base = *k->produced;
	k->armed = true;
	name_in(k, "armed", path);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
}

/* One system call begins or ends; true: this is the place to die. */
static bool at_call(struct killer *k)
{
	char path[4096];

	if (!k->armed)
		arm(k);
	if (!k->armed || *k->produced == k->base)
		return false;
	name_in(k, "arm", path);
	if (access(path, F_OK))
		return false;
	return ++k->count == k->limit;
}

static void tell(const struct killer *k)
{
	char path[4096];
	FILE *f;

	name_in(k, "count", path);
	f = fopen(path, "w");
	if (f) {
		fprintf(f, "%ld\n", k->count);
		fclose(f);
	}
}

/* Follows every thread until the process is gone; its wait status. */
static int follow(struct killer *k)
{
	int status, sig;
	pid_t tid;

	for (;;) {
		tid = waitpid(-1, &status, __WALL);
		if (tid < 0 && errno == EINTR)
			continue;
		if (tid < 0)
			return 0;
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			if (tid == child)
				return status;
			continue;
		}
		sig = WSTOPSIG(status);
		if (sig == (SIGTRAP | 0x80)) {
			if (at_call(k))
				kill(child, SIGKILL);
			sig = 0;
		} else if (status >> 16) {
			sig = 0;
		}
		ptrace(PTRACE_SYSCALL, tid, NULL, (void *)(intptr_t)sig);
	}
}

static int kill_at(int argc, char **argv)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
	struct killer k = {.limit = atol(argv[0]), .dir = argv[1]};
	struct sigaction act = {.sa_handler = on_term};
	int status;

	if (argc < 5 || strcmp(argv[3], "--"))
		return fail("usage");
	k.produced = producer(argv[2]);
	if (!k.produced)
		return fail(argv[2]);
	child = fork();
	if (child < 0)
		return fail("fork");
	if (!child) {
		raise(SIGSTOP);
		execv(argv[4], argv + 4);
		_exit(127);
	}
	if (waitpid(child, &status, WUNTRACED) != child ||
	    ptrace(PTRACE_SEIZE, child, NULL, (void *)options)) {
		kill(child, SIGKILL);
		return fail("ptrace");
	}
	sigaction(SIGTERM, &act, NULL);
	kill(child, SIGCONT);
	ptrace(PTRACE_INTERRUPT, child, NULL, NULL);
	status = follow(&k);
	tell(&k);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- fill ----------------------------------------------------------------------------------- */

static int fill(const char *pin, int fill_with)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info), n, tries;
	int err = 0;
	static uint8_t key[1024], value[65536];
	int fd = bpf_obj_get(pin);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) || info.key_size > sizeof(key))
		return fail(pin);
	memset(value, fill_with, sizeof(value));
	memset(key, 0xee, sizeof(key));
	for (n = 0; n < 4 * info.max_entries; n++) {
		memcpy(key, &n, sizeof(n));
		/* The kernel may have to fetch memory first. */
		for (tries = 0; tries < 1000; tries++) {
			err = bpf_map_update_elem(fd, key, value, BPF_NOEXIST);
			if (err != -ENOMEM)
				break;
			usleep(1000);
		}
		if (err)
			break;
	}
	printf("%u\n", n);
	return 0;
}

static int empty(const char *pin)
{
	uint8_t key[1024];
	int fd = bpf_obj_get(pin);

	if (fd < 0)
		return fail(pin);
	while (!bpf_map_get_next_key(fd, NULL, key))
		if (bpf_map_delete_elem(fd, key))
			return fail("delete");
	return 0;
}

static int word(const char *pin, uint32_t n)
{
	static uint8_t value[65536];
	uint32_t zero = 0;
	int fd = bpf_obj_get(pin);

	if (fd < 0 || bpf_map_lookup_elem(fd, &zero, value))
		return fail(pin);
	memcpy(value, &n, sizeof(n));
	return bpf_map_update_elem(fd, &zero, value, BPF_ANY) ? fail("update") : 0;
}

/* ---- raw ------------------------------------------------------------------------------------ */

#define PORT_FROM 33333
#define TCP_FIN 1
#define TCP_SYN 2
#define TCP_PSH 8
#define TCP_ACK 16

struct raw {
	int fd;
	struct sockaddr_ll to;
	uint8_t eth[14];
	uint32_t from, dest; /* network order */
	uint16_t port;
	uint32_t seq, ack;
};

static uint32_t sum16(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* One IP packet around n bytes; `frag` as the field stands on the wire. */
static void send_ip(struct raw *r, const uint8_t *bytes, size_t n, uint16_t frag)
{
	uint8_t f[2048];
	uint8_t *ip = f + 14;

	memcpy(f, r->eth, 14);
	memset(ip, 0, 20);
	ip[0] = 0x45;
	put16(ip + 2, (uint32_t)(20 + n));
	put16(ip + 4, 0x5a5a);
	put16(ip + 6, frag);
	ip[8] = 64;
	ip[9] = 6;
	memcpy(ip + 12, &r->from, 4);
	memcpy(ip + 16, &r->dest, 4);
	put16(ip + 10, ~sum16(ip, 20, 0) & 0xffff);
	memcpy(ip + 20, bytes, n);
	sendto(r->fd, f, 34 + n, 0, (struct sockaddr *)&r->to, sizeof(r->to));
}

#define FRAGMENT 32

static void send_tcp(struct raw *r, uint8_t flags, const void *data, size_t n, bool frag)
{
	uint8_t t[1500], pseudo[12];
	size_t len = 20 + n, at;

	memset(t, 0, 20);
	put16(t, PORT_FROM);
	put16(t + 2, r->port);
	put32(t + 4, r->seq);
	put32(t + 8, flags & TCP_ACK ? r->ack : 0);
	t[12] = 5 << 4;
	t[13] = flags;
	put16(t + 14, 0x7000);
	memcpy(t + 20, data, n);
	memcpy(pseudo, &r->from, 4);
	memcpy(pseudo + 4, &r->dest, 4);
	put16(pseudo + 8, 6);
	put16(pseudo + 10, (uint32_t)len);
	put16(t + 16, ~sum16(t, len, sum16(pseudo, 12, 0)) & 0xffff);
	if (!frag) {
		send_ip(r, t, len, 0);
		return;
	}
	for (at = 0; at < len; at += FRAGMENT) {
		bool more = at + FRAGMENT < len;

		send_ip(r, t + at, more ? FRAGMENT : len - at,
			(uint16_t)(at / 8 | (more ? 0x2000 : 0)));
	}
}

/* The next segment of the server: its flags, or -1 after the time. Data goes to ret. */
static int receive(struct raw *r, int ms, uint8_t *ret, size_t *ret_n)
{
	struct timespec now, end;
	uint8_t f[65536];

	clock_gettime(CLOCK_MONOTONIC, &end);
	for (;;) {
		struct pollfd p = {.fd = r->fd, .events = POLLIN};
		ssize_t n;
		size_t doff, total;

		clock_gettime(CLOCK_MONOTONIC, &now);
		if ((now.tv_sec - end.tv_sec) * 1000 + (now.tv_nsec - end.tv_nsec) / 1000000 > ms)
			return -1;
		if (poll(&p, 1, 50) < 1)
			continue;
		n = recv(r->fd, f, sizeof(f), 0);
		if (n < 54 || f[12] != 8 || f[13] || f[14 + 9] != 6 ||
		    memcmp(f + 26, &r->dest, 4) || memcmp(f + 30, &r->from, 4) ||
		    (f[36] << 8 | f[37]) != PORT_FROM)
			continue;
		total = (size_t)(f[16] << 8 | f[17]);
		doff = (size_t)(f[34 + 12] >> 4) * 4;
		*ret_n = total - 20 - doff;
		memcpy(ret, f + 34 + doff, *ret_n);
		r->ack = get32(f + 38) + (uint32_t)*ret_n +
			 ((f[47] & (TCP_SYN | TCP_FIN)) != 0);
		return f[47];
	}
}

static int raw_open(struct raw *r, char **argv)
{
	struct ifreq ifr = {0};
	unsigned m[6];

	r->fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_IP));
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", argv[0]);
	if (r->fd < 0 || ioctl(r->fd, SIOCGIFHWADDR, &ifr) ||
	    sscanf(argv[1], "%x:%x:%x:%x:%x:%x", m, m + 1, m + 2, m + 3, m + 4, m + 5) != 6 ||
	    inet_pton(AF_INET, argv[2], &r->from) != 1 ||
	    inet_pton(AF_INET, argv[3], &r->dest) != 1)
		return fail(argv[0]);
	for (int i = 0; i < 6; i++)
		r->eth[i] = (uint8_t)m[i];
	memcpy(r->eth + 6, ifr.ifr_hwaddr.sa_data, 6);
	put16(r->eth + 12, ETH_P_IP);
	r->port = (uint16_t)atoi(argv[4]);
	r->to = (struct sockaddr_ll){.sll_family = AF_PACKET,
				     .sll_protocol = htons(ETH_P_IP),
				     .sll_ifindex = (int)if_nametoindex(argv[0])};
	return bind(r->fd, (struct sockaddr *)&r->to, sizeof(r->to)) ? fail("bind") : 0;
}

static int raw(int argc, char **argv)
{
	struct raw r = {.seq = 100000};
	static uint8_t buf[65536];
	size_t n, got;
	int flags;

	if (raw_open(&r, argv))
		return 1;
	n = fread(buf, 1, 1400, stdin);
	send_tcp(&r, TCP_SYN, "", 0, false);
	flags = receive(&r, 2000, buf + 2000, &got);
	if (flags != (TCP_SYN | TCP_ACK)) {
		printf("no SYN-ACK\n");
		return 1;
	}
	r.seq++;
	send_tcp(&r, TCP_ACK, "", 0, false);
	send_tcp(&r, TCP_ACK | TCP_PSH, buf, n, argc > 5);
	while ((flags = receive(&r, 1000, buf, &got)) >= 0)
		fwrite(buf, 1, got, stdout);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 6 && !strcmp(argv[1], "kill-at"))
		return kill_at(argc - 2, argv + 2);
	if (argc == 3 && !strcmp(argv[1], "fill"))
		return fill(argv[2], 0xff);
	if (argc == 4 && !strcmp(argv[1], "fill"))
		return fill(argv[2], atoi(argv[3]));
	if (argc == 3 && !strcmp(argv[1], "empty"))
		return empty(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "word"))
		return word(argv[2], (uint32_t)atol(argv[3]));
	if (argc > 6 && !strcmp(argv[1], "raw"))
		return raw(argc - 2, argv + 2);
	fprintf(stderr, "state_rig: see the comment at the top of tests/lib/state_rig.c\n");
	return 2;
}

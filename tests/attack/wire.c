/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Frames as no honest stack writes them: the client's end of the wire. Opens the two namespaces,
 * gives the client's interface a program that passes everything (without one, frames that the guard
 * sends back from XDP are not delivered on veth), and builds and reads whole Ethernet frames.
 */
#include "attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct att_lab att_lab;

void att_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("Bail out! ", stdout);
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
	exit(2);
}

void *att_alloc(size_t n)
{
	void *p = calloc(1, n ? n : 1);

	if (!p)
		att_die("out of memory");
	return p;
}

u64 att_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000ull + (u64)t.tv_nsec;
}

u64 att_rand(struct att_rng *r)
{
	u64 z = r->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

u32 att_below(struct att_rng *r, u32 n)
{
	return (u32)(((att_rand(r) >> 32) * n) >> 32);
}

bool att_one_in(struct att_rng *r, u32 n)
{
	return att_below(r, n) == 0;
}

/* ---- opening -------------------------------------------------------------------------------- */

static const char *need(const char *name)
{
	const char *v = getenv(name);

	if (!v || !*v)
		att_die("%s is not set: start this program through tests/attack/run.sh", name);
	return v;
}

static int open_ns(const char *name)
{
	int fd = open(need(name), O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		att_die("%s: %s", need(name), strerror(errno));
	return fd;
}

static void enter(int ns)
{
	if (setns(ns, CLONE_NEWNET))
		att_die("setns: %s", strerror(errno));
}

static void mac_of(const char *interface, u8 ret[6])
{
	struct ifreq r = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", interface);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &r))
		att_die("no interface %s: %s", interface, strerror(errno));
	memcpy(ret, r.ifr_hwaddr.sa_data, 6);
	close(fd);
}

/* A program of two instructions, for as long as this process lives. */
static void pass_everything(void)
{
	const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr load = {.prog_type = BPF_PROG_TYPE_XDP,
			       .insn_cnt = 2,
			       .insns = (u64)(uintptr_t)code,
			       .license = (u64)(uintptr_t) "GPL"};
	union bpf_attr link = {0};
	int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));

	link.link_create.prog_fd = (u32)fd;
	link.link_create.target_ifindex = (u32)att_lab.ifindex;
	link.link_create.attach_type = BPF_XDP;
	link.link_create.flags = XDP_FLAGS_DRV_MODE;
	if (fd < 0 || syscall(SYS_bpf, BPF_LINK_CREATE, &link, sizeof(link)) < 0)
		att_die("no XDP program at the client's end: %s", strerror(errno));
}

static void open_packets(void)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int one = 1, room = 64 << 20;

	at.sll_ifindex = att_lab.ifindex;
	att_lab.packets = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (att_lab.packets < 0 ||
	    setsockopt(att_lab.packets, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) ||
	    setsockopt(att_lab.packets, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) ||
	    bind(att_lab.packets, (struct sockaddr *)&at, sizeof(at)))
		att_die("no packet socket: %s", strerror(errno));
}

void att_wire_open(void)
{
	const char *client_if = need("ATT_CLIENT_IF");

	att_lab.server_if = need("ATT_SERVER_IF");
	att_lab.ctl = need("ATT_CTL");
	att_lab.issuer = need("ATT_ISS");
	att_lab.audience = need("ATT_AUD");
	att_lab.key_file = need("ATT_KEY");
	att_lab.port = (u16)atoi(need("ATT_PORT"));
	if (inet_pton(AF_INET, need("ATT_SERVER4"), att_lab.server4) != 1 ||
	    inet_pton(AF_INET6, need("ATT_SERVER6"), att_lab.server6) != 1)
		att_die("ATT_SERVER4 or ATT_SERVER6 is no address");
	att_lab.own_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	att_lab.client_ns = open_ns("ATT_CLIENT_NS");
	att_lab.server_ns = open_ns("ATT_SERVER_NS");
	enter(att_lab.server_ns);
	mac_of(att_lab.server_if, att_lab.server_mac);
	att_recorder_open();
	enter(att_lab.client_ns);
	mac_of(client_if, att_lab.client_mac);
	att_lab.ifindex = (int)if_nametoindex(client_if);
	pass_everything();
	open_packets();
	enter(att_lab.own_ns);
}

/* ---- the server's namespace ------------------------------------------------------------------ */

int att_ctl_start(const char *const *words)
{
	const char *argv[32];
	char *copy = strdup(att_lab.ctl), *w;
	int n = 0, pid;

	for (w = strtok(copy, " "); w && n < 16; w = strtok(NULL, " "))
		argv[n++] = w;
	while (*words && n < 31)
		argv[n++] = *words++;
	argv[n] = NULL;
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		att_die("fork: %s", strerror(errno));
	if (!pid) {
		int null = open("/dev/null", O_RDWR);

		enter(att_lab.server_ns);
		dup2(null, 0);
		dup2(null, 1);
		execv(argv[0], (char *const *)argv);
		_exit(127);
	}
	free(copy);
	return pid;
}

int att_ctl(const char *const *words)
{
	int pid = att_ctl_start(words), status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			att_die("waitpid: %s", strerror(errno));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

void att_server_sysctl(const char *name, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	enter(att_lab.server_ns);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		att_die("%s: %s", path, strerror(errno));
	close(fd);
	enter(att_lab.own_ns);
}

/* ---- writing -------------------------------------------------------------------------------- */

static void put16(u8 *p, u32 v)
{
	p[0] = (u8)(v >> 8);
	p[1] = (u8)v;
}

static void put32(u8 *p, u32 v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

static u32 get16(const u8 *p)
{
	return (u32)p[0] << 8 | p[1];
}

static u32 get32(const u8 *p)
{
	return get16(p) << 16 | get16(p + 2);
}

static u32 sum(u32 s, const u8 *p, u32 n)
{
	u32 i;

	for (i = 0; i + 1 < n; i += 2)
		s += get16(p + i);
	return n & 1 ? s + ((u32)p[n - 1] << 8) : s;
}

static u32 fold(u32 s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return ~s & 0xffff;
}

/* The TCP part, checksum and all; its length. */
static u32 write_tcp(u8 *p, const struct att_segment *s)
{
	u32 at = 20, total, sums = 6;

	memset(p, 0, 20);
	if (s->flags & ATT_SYN) {
		put32(p + at, 0x02040000u | ATT_MSS);
		at += 4;
	}
	if (s->ts && !(s->mods & ATT_NO_TS)) {
		put32(p + at, 0x0101080a);
		put32(p + at + 4, s->mods & ATT_OLD_TS ? s->tsval - 0x40000000u : s->tsval);
		put32(p + at + 8, s->tsecr);
		at += 12;
	}
	if (s->mods & ATT_MD5 && at + 20 <= 60) {
		memset(p + at, 0x5a, 20);
		p[at] = p[at + 1] = 1;
		p[at + 2] = 19;
		p[at + 3] = 18;
		at += 20;
	}
	put16(p, s->port);
	put16(p + 2, att_lab.port);
	put32(p + 4, s->seq);
	put32(p + 8, s->ack);
	p[12] = (u8)(s->mods & ATT_BAD_DOFF && s->len < 4 ? 0xf0 : at << 2);
	p[13] = s->flags;
	put16(p + 14, s->window);
	put16(p + 18, s->urgent);
	memcpy(p + at, s->data, s->len);
	total = at + s->len;
	if (s->v6)
		sums = sum(sum(sums, s->from, 16), att_lab.server6, 16);
	else
		sums = sum(sum(sums, s->from, 4), att_lab.server4, 4);
	put16(p + 16, fold(sum(sums + total, p, total)) ^ (s->mods & ATT_BAD_TCP_SUM ? 0x1357 : 0));
	return total;
}

/* The IP header before n bytes, of which `frag` (offset and more-flag) says what part; its length.
 */
static u32 write_ip(u8 *p, const struct att_segment *s, u32 n, u32 frag, bool fragmented)
{
	u32 claim = s->mods & ATT_SHORT && n > 24 ? n - 4 : s->mods & ATT_LONG ? n + 8 : n;
	u32 len = s->v6 ? 40 : 20;

	memset(p, 0, 64);
	if (s->v6) {
		p[0] = 0x60;
		p[6] = 6;
		p[7] = s->mods & ATT_LOW_TTL ? 1 : 64;
		memcpy(p + 8, s->from, 16);
		memcpy(p + 24, att_lab.server6, 16);
		if (s->mods & ATT_IP_OPTIONS) {
			p[len] = p[6];
			p[6] = 60;
			p[len + 2] = 1;
			p[len + 3] = 4;
			len += 8;
		}
		if (fragmented) {
			p[len] = p[6];
			p[6] = 44;
			put16(p + len + 2, (frag & 0x1fff) << 3 | (frag & 0x2000 ? 1 : 0));
			put32(p + len + 4, s->seq);
			len += 8;
		}
		put16(p + 4, claim + len - 40);
		return len;
	}
	if (s->mods & ATT_IP_OPTIONS) {
		memset(p + 20, 1, 4);
		len = 24;
	}
	p[0] = (u8)(0x40 | len / 4);
	put16(p + 2, claim + len);
	put16(p + 4, s->seq);
	put16(p + 6, fragmented ? frag : 0x4000);
	p[8] = s->mods & ATT_LOW_TTL ? 1 : 64;
	p[9] = 6;
	memcpy(p + 12, s->from, 4);
	memcpy(p + 16, att_lab.server4, 4);
	put16(p + 10, fold(sum(0, p, len)) ^ (s->mods & ATT_BAD_IP_SUM ? 0x2468 : 0));
	return len;
}

static void send_part(const struct att_segment *s, const u8 *tcp, u32 n, u32 frag, bool fragmented)
{
	u8 frame[14 + 4 + 64 + 2048];
	u32 at = 12, i;

	memcpy(frame, att_lab.server_mac, 6);
	memcpy(frame + 6, att_lab.client_mac, 6);
	if (s->mods & ATT_VLAN) {
		put32(frame + at, 0x81000000u | 7);
		at += 4;
	}
	put16(frame + at, s->v6 ? ETH_P_IPV6 : ETH_P_IP);
	at += 2;
	at += write_ip(frame + at, s, n, frag, fragmented);
	memcpy(frame + at, tcp, n);
	at += n;
	for (i = 0; s->mods & ATT_PADDED && i < 24; i++)
		frame[at++] = (u8) "GET / HTTP/1.1\r\n\r\nGET / "[i];
	for (i = 0; i < 50; i++) {
		if (send(att_lab.packets, frame, at, 0) >= 0)
			return;
		if (errno != ENOBUFS && errno != EAGAIN)
			att_die("send: %s", strerror(errno));
		usleep(200);
	}
}

void att_wire_send(const struct att_segment *s)
{
	u8 tcp[2048];
	u32 n = write_tcp(tcp, s), cut = 0;

	if (s->mods & ATT_TINY_FRAGMENT)
		cut = 8;
	else if (s->mods & ATT_FRAGMENTS && n > 48)
		cut = (n / 2 + 16) & ~7u;
	if (!cut) {
		send_part(s, tcp, n, 0, false);
		return;
	}
	send_part(s, tcp, cut, 0x2000, true);
	send_part(s, tcp + cut, n - cut, cut / 8, true);
}

/* ---- reading -------------------------------------------------------------------------------- */

static void read_options(const u8 *p, u32 n, struct att_segment *s)
{
	u32 at = 0;

	while (at < n && p[at]) {
		if (p[at] == 1) {
			at++;
			continue;
		}
		if (at + 1 >= n || p[at + 1] < 2 || at + p[at + 1] > n)
			return;
		if (p[at] == 8 && p[at + 1] == 10) {
			s->ts = true;
			s->tsval = get32(p + at + 2);
			s->tsecr = get32(p + at + 6);
		}
		at += p[at + 1];
	}
}

/* A frame from the server's address and port to anybody; `to` is left in s->from. */
static bool read_frame(const u8 *f, u32 n, struct att_segment *s)
{
	static u8 to[16];
	u32 at = 14, end, doff;

	*s = (struct att_segment){.from = to};
	if (n < 54)
		return false;
	if (get16(f + 12) == ETH_P_IP) {
		if (f[14] != 0x45 || f[23] != 6 || memcmp(f + 26, att_lab.server4, 4))
			return false;
		memset(to, 0, sizeof(to));
		memcpy(to, f + 30, 4);
		end = 14 + get16(f + 16);
		at = 34;
	} else if (get16(f + 12) == ETH_P_IPV6) {
		if (n < 74 || f[20] != 6 || memcmp(f + 22, att_lab.server6, 16))
			return false;
		s->v6 = true;
		memcpy(to, f + 38, 16);
		end = 54 + get16(f + 18);
		at = 54;
	} else {
		return false;
	}
	doff = (u32)(f[at + 12] >> 4) * 4;
	if (end > n || at + doff > end || get16(f + at) != att_lab.port)
		return false;
	s->port = (u16)get16(f + at + 2);
	s->seq = get32(f + at + 4);
	s->ack = get32(f + at + 8);
	s->flags = f[at + 13];
	s->window = (u16)get16(f + at + 14);
	read_options(f + at + 20, doff - 20, s);
	s->data = f + at + doff;
	s->len = end - at - doff;
	return true;
}

bool att_wire_receive(struct att_segment *ret)
{
	static u8 frame[65536];
	ssize_t n;

	while ((n = recv(att_lab.packets, frame, sizeof(frame), 0)) > 0)
		if (read_frame(frame, (u32)n, ret))
			return true;
	return false;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A cable with weather: copies frames between two interfaces and on the way loses, doubles, delays
 * and so reorders some of them, in both directions. For tests/integration/47-clients.sh and
 * scripts/soak; it stands in for netem where a kernel lacks it. It must never change a byte, and
 * with the same seed it treats the n-th frame alike. Ends with SIGTERM and prints what it did.
 *
 * weather IF IF SEED LOSS DUPLICATE LATE DELAY: LOSS, DUPLICATE and LATE are frames of 10,000; each
 * frame waits DELAY microseconds, a late one and the second of a double three times as long.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX   2048
#define WAITING_MAX 65536
#define NS          1000000000ULL

struct frame {
	uint64_t due, order;
	int to;
	unsigned int len;
	unsigned char bytes[FRAME_MAX];
};

static int ends[2];
static uint64_t state, order;
static unsigned int loss, duplicate, late;
static uint64_t delay;
static struct frame *waiting[WAITING_MAX]; /* a heap, the next one due first */
static unsigned int waiting_n;
static uint64_t carried, lost, doubled, delayed, overflow, refused;
static volatile sig_atomic_t ended;

static void end(int sig)
{
	(void)sig;
	ended = 1;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS + (uint64_t)ts.tv_nsec;
}

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016. */
static int chance(unsigned int of_10000)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (state * 2685821657736338717ULL >> 33) % 10000 < of_10000;
}

static int before(const struct frame *a, const struct frame *b)
{
	return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void put(const struct frame *f, uint64_t due)
{
	struct frame *copy;
	unsigned int i = waiting_n;

	if (waiting_n == WAITING_MAX || !(copy = malloc(sizeof(*copy)))) {
		overflow++;
		return;
	}
	memcpy(copy, f, offsetof(struct frame, bytes) + f->len);
	copy->due = due;
	copy->order = order++;
	waiting_n++;
	while (i && before(copy, waiting[(i - 1) / 2])) {
		waiting[i] = waiting[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	waiting[i] = copy;
}

static struct frame *take(void)
{
	struct frame *first = waiting[0], *last = waiting[--waiting_n];
	unsigned int i = 0, child;

	while ((child = 2 * i + 1) < waiting_n) {
		if (child + 1 < waiting_n && before(waiting[child + 1], waiting[child]))
			child++;
		if (!before(waiting[child], last))
			break;
		waiting[i] = waiting[child];
		i = child;
	}
	waiting[i] = last;
	return first;
}

static void arrive(int from)
{
	struct frame f = {.to = !from};
	uint64_t due;
	ssize_t n;

	while ((n = recv(ends[from], f.bytes, sizeof(f.bytes), MSG_DONTWAIT | MSG_TRUNC)) > 0) {
		if (n > FRAME_MAX) { /* an offload is on: nothing here may cut a frame */
			refused++;
			continue;
		}
		f.len = (unsigned int)n;
		due = now_ns() + delay;
		if (chance(loss)) {
			lost++;
			continue;
		}
		if (chance(late)) {
			due += 2 * delay;
			delayed++;
		}
		put(&f, due);
		if (chance(duplicate)) {
			put(&f, due + 2 * delay);
			doubled++;
		}
	}
}

static void deliver(void)
{
	while (waiting_n && waiting[0]->due <= now_ns()) {
		struct frame *f = take();

		if (send(ends[f->to], f->bytes, f->len, 0) == (ssize_t)f->len)
			carried++;
		else
			overflow++;
		free(f);
	}
}

static int attach(const char *name)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	struct packet_mreq all = {.mr_type = PACKET_MR_PROMISC};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), one = 1, size = 16 << 20;

	at.sll_ifindex = (int)if_nametoindex(name);
	all.mr_ifindex = at.sll_ifindex;
	if (fd < 0 || !at.sll_ifindex ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at))) {
		fprintf(stderr, "weather: %s: %s\n", name, strerror(errno));
		exit(1);
	}
	return fd;
}

static void carry(void)
{
	struct pollfd fds[2] = {{.fd = ends[0], .events = POLLIN},
				{.fd = ends[1], .events = POLLIN}};

	while (!ended) {
		struct timespec wait = {.tv_nsec = 100000000};
		uint64_t now = now_ns();

		if (waiting_n)
			wait.tv_nsec = waiting[0]->due <= now ? 0 : (long)(waiting[0]->due - now);
		if (wait.tv_nsec > 100000000)
			wait.tv_nsec = 100000000;
		ppoll(fds, 2, &wait, NULL);
		arrive(0);
		arrive(1);
		deliver();
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = end};

	if (argc != 8) {
		fputs("usage: weather IF IF SEED LOSS DUPLICATE LATE DELAY\n", stderr);
		return 2;
	}
	state = strtoull(argv[3], NULL, 10) | 1;
	loss = (unsigned int)strtoul(argv[4], NULL, 10);
	duplicate = (unsigned int)strtoul(argv[5], NULL, 10);
	late = (unsigned int)strtoul(argv[6], NULL, 10);
	delay = strtoull(argv[7], NULL, 10) * 1000;
	sigaction(SIGTERM, &action, NULL);
	ends[0] = attach(argv[1]);
	ends[1] = attach(argv[2]);
	carry();
	printf("carried=%llu\nlost=%llu\ndoubled=%llu\nlate=%llu\noverflow=%llu\nrefused=%llu\n",
	       (unsigned long long)carried, (unsigned long long)lost, (unsigned long long)doubled,
	       (unsigned long long)delayed, (unsigned long long)overflow,
	       (unsigned long long)refused);
	return overflow || refused;
}
